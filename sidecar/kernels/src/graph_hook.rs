//! Hooks the kernels into `graph_compute` of ggml's CPU backend.
//!
//! The CPU backend has no extension point for third-party kernels, but every device and backend has a vtable. The hook replaces
//! `graph_compute` there: while a graph is computed, mul_mat nodes with a kernel are patched to `GGML_OP_CUSTOM`, which ggml's
//! threads run like any other operation.

use core::cell::RefCell;
use core::ffi::{c_char, c_int, c_void};
use std::ffi::CStr;
use std::sync::OnceLock;

use llama_cpp_sys_2::{
    GGML_BACKEND_DEVICE_TYPE_CPU, GGML_OP_CUSTOM, GGML_OP_MUL_MAT, ggml_backend_dev_backend_reg,
    ggml_backend_dev_by_type, ggml_backend_dev_name, ggml_cgraph, ggml_graph_n_nodes, ggml_graph_nodes, ggml_status,
    ggml_tensor,
};

use crate::abi::{ALL_THREADS, BACKEND_API_VERSION, Backend, ComputeFn, CustomOp, Device, InitFn, Registry};
use crate::activations::ActivationBuffer;
use crate::mul_mat::MulMat;

/// Whether the hook is installed; set by the first call of [`install`].
static INSTALLED: OnceLock<bool> = OnceLock::new();

/// The original vtable entries.
static ORIGINAL_INIT: OnceLock<InitFn> = OnceLock::new();
static ORIGINAL_COMPUTE: OnceLock<ComputeFn> = OnceLock::new();

/// Hooks every CPU backend created afterwards. Returns `false` if there is no CPU device, or if ggml's backend API is not
/// [`BACKEND_API_VERSION`].
pub(crate) fn install() -> bool {
    *INSTALLED.get_or_init(|| {
        // SAFETY: these functions look up registered devices and return null if there is none.
        unsafe {
            let device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
            if device.is_null() {
                return false;
            }
            let registry: *const Registry = ggml_backend_dev_backend_reg(device).cast();
            let name = CStr::from_ptr(ggml_backend_dev_name(device));
            let device: *mut Device = device.cast();
            if (*registry).version != BACKEND_API_VERSION || CStr::from_ptr(((*device).get_name)(device)) != name {
                return false;
            }
            ORIGINAL_INIT.set((*device).init_backend).is_ok() && {
                (*device).init_backend = hooked_init;
                true
            }
        }
    })
}

unsafe extern "C" fn hooked_init(device: *mut Device, params: *const c_char) -> *mut Backend {
    let Some(init) = ORIGINAL_INIT.get() else { return core::ptr::null_mut() };
    // SAFETY: the original function gets the caller's own arguments.
    let backend = unsafe { init(device, params) };
    // SAFETY: it is a backend or null. A `device` field with the expected value confirms the layout in `abi.rs`.
    unsafe {
        if !backend.is_null() && (*backend).device == device {
            let original = *ORIGINAL_COMPUTE.get_or_init(|| (*backend).graph_compute);
            if core::ptr::fn_addr_eq(original, (*backend).graph_compute) {
                (*backend).graph_compute = hooked_compute;
            }
        }
    }
    backend
}

/// A mul_mat node patched to `GGML_OP_CUSTOM`, with its original parameters.
struct PatchedNode {
    node: *mut ggml_tensor,
    op_params: [i32; 16],
    mul_mat: MulMat,
}

thread_local! {
    /// Buffers reused from one graph to the next.
    static SCRATCH: RefCell<(Vec<PatchedNode>, ActivationBuffer)> = RefCell::default();
}

unsafe extern "C" fn hooked_compute(backend: *mut Backend, graph: *mut ggml_cgraph) -> ggml_status {
    let original = *ORIGINAL_COMPUTE.get().expect("`hooked_init` has stored it before a backend could be used");
    SCRATCH.with_borrow_mut(|(patched, buffer)| {
        patched.clear();
        // SAFETY: the graph has `count` nodes.
        let nodes = unsafe {
            let count = usize::try_from(ggml_graph_n_nodes(graph)).unwrap_or(0);
            core::slice::from_raw_parts(ggml_graph_nodes(graph), count)
        };
        for node in nodes.iter().copied() {
            // SAFETY: nodes are tensors, and no other thread computes this graph at the same time.
            let tensor = unsafe { &*node };
            if tensor.op == GGML_OP_MUL_MAT
                && let Some(mul_mat) = MulMat::from_node(tensor, patched.last().map(|last| &last.mul_mat))
            {
                buffer.reserve(mul_mat.layout());
                patched.push(PatchedNode { node, op_params: tensor.op_params, mul_mat });
            }
        }
        for PatchedNode { node, mul_mat, .. } in patched.iter_mut() {
            mul_mat.bind(buffer);
            let data: *mut MulMat = mul_mat;
            let custom = CustomOp { function: Some(run_custom_op), tasks: ALL_THREADS, data: data.cast() };
            // SAFETY: `op_params` is 64 bytes and is restored below.
            unsafe {
                (**node).op = GGML_OP_CUSTOM;
                (&raw mut (**node).op_params).cast::<CustomOp>().write_unaligned(custom);
            }
        }
        // SAFETY: the original function gets the caller's own arguments, and `patched` does not move until it returns.
        let status = unsafe { original(backend, graph) };
        for PatchedNode { node, op_params, .. } in patched.iter() {
            // SAFETY: the graph outlives this call.
            unsafe {
                (**node).op = GGML_OP_MUL_MAT;
                (**node).op_params = *op_params;
            }
        }
        status
    })
}

/// Custom op callback: computes one thread's part of a mul_mat node.
unsafe extern "C" fn run_custom_op(node: *mut ggml_tensor, thread: c_int, threads: c_int, mul_mat: *mut c_void) {
    let number = |number| usize::try_from(number).unwrap_or(0);
    // SAFETY: `hooked_compute` has stored the node's `MulMat` there, and the threads only read it. `install` is called on
    // supported CPUs only.
    unsafe { (*mul_mat.cast::<MulMat>()).run(&*node, number(thread), number(threads)) };
}
