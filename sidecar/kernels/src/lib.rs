//! Multiplies quantised weights on the processor faster than llama.cpp does, wherever llama.cpp multiplies them with several rows at
//! a time: while it reads, checks guesses, or speaks to several at once.
//!
//! llama.cpp looks at the weights of [`Q5_0` and `Q8_0`](https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h) anew for
//! every row. These kernels unpack eight rows of the matrix once, side by side, and then multiply them with all inputs. Weights stay
//! in the file as they are, so that it takes no more memory. There are kernels for processors with AVX2.
#![allow(unsafe_code, reason = "vectors of the processor, and the memory of llama.cpp's tensors")]
#![warn(clippy::undocumented_unsafe_blocks)]

#[cfg(target_arch = "x86_64")]
mod abi;
#[cfg(target_arch = "x86_64")]
mod activations;
#[cfg(target_arch = "x86_64")]
mod graph_hook;
#[cfg(target_arch = "x86_64")]
mod matmul;
#[cfg(target_arch = "x86_64")]
mod mul_mat;
#[cfg(target_arch = "x86_64")]
mod repack;

/// Has llama.cpp use these kernels for every context that is made from now on. To be called once its backends are loaded. Gives back
/// whether that is so: there have to be kernels for this processor, and llama.cpp's interface has to be the one that is known.
#[must_use]
pub fn install() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_supported() && graph_hook::install();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether this processor has what the kernels are written for.
#[cfg(target_arch = "x86_64")]
fn is_supported() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}
