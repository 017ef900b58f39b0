//! Computes a graph through llama.cpp with and without the kernels: the results agree within rounding.
#![cfg(all(unix, target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "calls llama.cpp's C API directly")]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

use llama_cpp_sys_2::*;

/// Dimensions of a small feed-forward layer: from `COLUMNS` up to `ROWS` and back.
const COLUMNS: i64 = 128;
const ROWS: i64 = 1024;

/// Computes a gated feed-forward layer (up and gate projection, element-wise product, down projection) for a batch of `count`
/// rows, on a new CPU backend.
fn layer(weights: ggml_type, count: i64) -> Vec<f32> {
    let params = ggml_init_params { mem_size: 16 << 20, mem_buffer: std::ptr::null_mut(), no_alloc: true };
    // SAFETY: calls follow `ggml.h`: tensors live as long as their context, which is freed after the buffer.
    unsafe {
        let device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
        let backend = ggml_backend_dev_init(device, std::ptr::null());
        let context = ggml_init(params);
        let [gate, up] = [(); 2].map(|()| ggml_new_tensor_2d(context, weights, COLUMNS, ROWS));
        let down = ggml_new_tensor_2d(context, weights, ROWS, COLUMNS);
        let inputs = ggml_new_tensor_2d(context, GGML_TYPE_F32, COLUMNS, count);
        let gated = ggml_mul(context, ggml_mul_mat(context, gate, inputs), ggml_mul_mat(context, up, inputs));
        let out = ggml_mul_mat(context, down, gated);
        let graph = ggml_new_graph(context);
        ggml_build_forward_expand(graph, out);
        let buffer = ggml_backend_alloc_ctx_tensors(context, backend);
        for (seed, tensor) in [gate, up, down].into_iter().enumerate() {
            let numbers = numbers(seed, (COLUMNS * ROWS) as usize);
            let mut quants = vec![0_u8; ggml_nbytes(tensor)];
            let (rows, columns) = ((*tensor).ne[1], (*tensor).ne[0]);
            ggml_quantize_chunk(
                weights,
                numbers.as_ptr(),
                quants.as_mut_ptr().cast(),
                0,
                rows,
                columns,
                std::ptr::null(),
            );
            ggml_backend_tensor_set(tensor, quants.as_ptr().cast(), 0, quants.len());
        }
        let activations = numbers(9, (COLUMNS * count) as usize);
        ggml_backend_tensor_set(inputs, activations.as_ptr().cast(), 0, activations.len() * 4);
        // Twice: llama.cpp computes the same graph repeatedly, so it must be restored afterwards.
        for _ in 0..2 {
            assert_eq!(ggml_backend_graph_compute(backend, graph), GGML_STATUS_SUCCESS);
        }
        assert_eq!((*out).op, GGML_OP_MUL_MAT, "the graph is restored");
        let mut result = vec![0_f32; (COLUMNS * count) as usize];
        ggml_backend_tensor_get(out, result.as_mut_ptr().cast(), 0, result.len() * 4);
        ggml_backend_buffer_free(buffer);
        ggml_free(context);
        ggml_backend_free(backend);
        result
    }
}

/// Deterministic pseudo-random numbers from -1 to 1.
fn numbers(seed: usize, count: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 7919 + seed * 104_729) % 10_007) as f32 / 5_003.0 - 1.0).collect()
}

#[test]
fn a_graph_has_the_same_result_with_and_without_the_kernels() {
    let test = std::env::current_exe().expect("the test binary has a path");
    let backends =
        test.ancestors().nth(2).expect("the test binary is two directories below the target directory").join("llama");
    let backends = CString::new(backends.as_os_str().as_bytes()).expect("paths contain no NUL");
    // SAFETY: only searches a directory for backend libraries.
    unsafe { ggml_backend_load_all_from_path(backends.as_ptr()) };
    let cases = || {
        [GGML_TYPE_Q5_0, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0]
            .into_iter()
            .flat_map(|weights| [1, 2, 5, 64].map(|count| (weights, count)))
    };
    let expected: Vec<_> = cases().map(|(weights, count)| layer(weights, count)).collect();
    if !kernels::install() {
        assert!(!is_x86_feature_detected!("avx2"), "ggml's backend API is not the supported version");
        return;
    }
    let mut hooked = 0;
    for ((weights, count), expected) in cases().zip(expected) {
        let ours = layer(weights, count);
        let largest = expected.iter().fold(0_f32, |largest, number| largest.max(number.abs()));
        for (ours, expected) in ours.iter().zip(&expected) {
            assert!(
                (ours - expected).abs() < largest / 500.0,
                "type {weights}, batch size {count}: got {ours}, expected {expected}"
            );
        }
        hooked += usize::from(ours != expected);
    }
    assert!(hooked > 0, "the kernels add in another order, so some results differ in the last digits");
}
