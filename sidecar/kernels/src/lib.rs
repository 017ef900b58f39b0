//! GEMM kernels (AVX2) for quantised weights on the CPU: faster than llama.cpp's own for batches of more than one row, that is
//! during prefill, draft verification and decoding of several sequences.
//!
//! llama.cpp unpacks weights of type [`Q5_0` and `Q8_0`](https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h) again
//! for every row of activations. These kernels repack a tile of eight weight rows once and multiply it with all rows of
//! activations. The weights in memory stay in the model file's format, so no extra memory is needed.
#![allow(unsafe_code, reason = "SIMD intrinsics, and raw pointers into llama.cpp's tensors")]
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

/// Hooks the kernels into llama.cpp's CPU backend for every context created afterwards. Call it once the backends are loaded.
///
/// Returns whether the kernels are in use. They are not if the CPU lacks AVX2, FMA or F16C, or if ggml's backend API has another
/// version than the one in `abi.rs`.
#[must_use]
pub fn install() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_supported() && graph_hook::install();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether the CPU has the instruction sets that the kernels need: AVX2, FMA and F16C.
#[cfg(target_arch = "x86_64")]
fn is_supported() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}
