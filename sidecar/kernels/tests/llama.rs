//! llama.cpp's own functions, with these kernels and without: what a graph comes to is the same within what rounding allows.
#![cfg(all(unix, target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "llama.cpp is asked directly")]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

use llama_cpp_sys_2::*;

/// A model's layer in small, as it goes from few columns to many and back.
const COLUMNS: i64 = 128;
const ROWS: i64 = 1024;

/// What two products of `count` rows of inputs come to, and the product of those, on a backend that is made for it.
fn layer(weights: ggml_type, count: i64) -> Vec<f32> {
    let params = ggml_init_params { mem_size: 16 << 20, mem_buffer: std::ptr::null_mut(), no_alloc: true };
    // SAFETY: everything is used as `ggml.h` has it: tensors live as long as their context, which is freed last.
    unsafe {
        let device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
        let backend = ggml_backend_dev_init(device, std::ptr::null());
        let context = ggml_init(params);
        let [first, second] = [(); 2].map(|()| ggml_new_tensor_2d(context, weights, COLUMNS, ROWS));
        let third = ggml_new_tensor_2d(context, weights, ROWS, COLUMNS);
        let inputs = ggml_new_tensor_2d(context, GGML_TYPE_F32, COLUMNS, count);
        let gated = ggml_mul(context, ggml_mul_mat(context, first, inputs), ggml_mul_mat(context, second, inputs));
        let out = ggml_mul_mat(context, third, gated);
        let graph = ggml_new_graph(context);
        ggml_build_forward_expand(graph, out);
        let buffer = ggml_backend_alloc_ctx_tensors(context, backend);
        for (seed, tensor) in [first, second, third].into_iter().enumerate() {
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
        let given = numbers(9, (COLUMNS * count) as usize);
        ggml_backend_tensor_set(inputs, given.as_ptr().cast(), 0, given.len() * 4);
        // Twice: a graph is computed again and again, and is the same afterwards.
        for _ in 0..2 {
            assert_eq!(ggml_backend_graph_compute(backend, graph), GGML_STATUS_SUCCESS);
        }
        assert_eq!((*out).op, GGML_OP_MUL_MAT, "the graph is left as it was");
        let mut result = vec![0_f32; (COLUMNS * count) as usize];
        ggml_backend_tensor_get(out, result.as_mut_ptr().cast(), 0, result.len() * 4);
        ggml_backend_buffer_free(buffer);
        ggml_free(context);
        ggml_backend_free(backend);
        result
    }
}

/// Numbers from -1 to 1, the same each time.
fn numbers(seed: usize, count: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 7919 + seed * 104_729) % 10_007) as f32 / 5_003.0 - 1.0).collect()
}

#[test]
fn a_graph_comes_to_the_same_with_these_kernels() {
    let test = std::env::current_exe().expect("a test has a program");
    let backends = test.ancestors().nth(2).expect("it lies two folders below").join("llama");
    let backends = CString::new(backends.as_os_str().as_bytes()).expect("paths have no zero in them");
    // SAFETY: this only looks for libraries in a folder.
    unsafe { ggml_backend_load_all_from_path(backends.as_ptr()) };
    let cases = || {
        [GGML_TYPE_Q5_0, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0]
            .into_iter()
            .flat_map(|weights| [1, 2, 5, 64].map(|count| (weights, count)))
    };
    let theirs: Vec<_> = cases().map(|(weights, count)| layer(weights, count)).collect();
    if !kernels::install() {
        assert!(!is_x86_feature_detected!("avx2"), "llama.cpp's interface is not the one that is known");
        return;
    }
    let mut replaced = 0;
    for ((weights, count), theirs) in cases().zip(theirs) {
        let ours = layer(weights, count);
        let largest = theirs.iter().fold(0_f32, |largest, number| largest.max(number.abs()));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!((ours - theirs).abs() < largest / 500.0, "type {weights}, {count} rows: {ours} and {theirs}");
        }
        replaced += usize::from(ours != theirs);
    }
    assert!(replaced > 0, "some are computed in another order, so that the last digits differ");
}
