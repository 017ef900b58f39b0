//! Where llama.cpp is about to compute a graph on the processor, has the products that there are kernels for computed by them.
//!
//! ggml has no place for somebody else's kernels in its backend for the processor, but every device has a table of functions. Ours
//! stands in for the one that computes a graph: for that long it makes such products into operations of the user's own, which
//! ggml's threads call like any other.

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

/// Whether ours stand in for them.
static INSTALLED: OnceLock<bool> = OnceLock::new();

/// The functions that ours stand in for.
static ORIGINAL_INIT: OnceLock<InitFn> = OnceLock::new();
static ORIGINAL_COMPUTE: OnceLock<ComputeFn> = OnceLock::new();

/// Has all backends for the processor that are made from now on use these kernels. Gives back whether that is so: not where
/// llama.cpp's interface is another one than this was written for.
pub fn install() -> bool {
    *INSTALLED.get_or_init(|| {
        // SAFETY: these functions only look up what was registered, and give back null where nothing was.
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
    // SAFETY: this is what the caller wanted to call.
    let backend = unsafe { init(device, params) };
    // SAFETY: it is a backend, or null; only where the device is in its place is the layout the one that is known here.
    unsafe {
        if !backend.is_null() && (*backend).device == device {
            let theirs = *ORIGINAL_COMPUTE.get_or_init(|| (*backend).graph_compute);
            if core::ptr::fn_addr_eq(theirs, (*backend).graph_compute) {
                (*backend).graph_compute = hooked_compute;
            }
        }
    }
    backend
}

/// A node that is computed by a kernel, and what it was before.
struct PatchedNode {
    node: *mut ggml_tensor,
    op_params: [i32; 16],
    mul_mat: MulMat,
}

thread_local! {
    /// Room that is kept from one graph to the next.
    static SCRATCH: RefCell<(Vec<PatchedNode>, ActivationBuffer)> = RefCell::default();
}

unsafe extern "C" fn hooked_compute(backend: *mut Backend, graph: *mut ggml_cgraph) -> ggml_status {
    let theirs = *ORIGINAL_COMPUTE.get().expect("a backend was made");
    SCRATCH.with_borrow_mut(|(patched, inputs)| {
        patched.clear();
        // SAFETY: the graph has as many nodes.
        let nodes = unsafe {
            let count = usize::try_from(ggml_graph_n_nodes(graph)).unwrap_or(0);
            core::slice::from_raw_parts(ggml_graph_nodes(graph), count)
        };
        for node in nodes.iter().copied() {
            // SAFETY: nodes are tensors, and nobody computes this graph at the same time.
            let tensor = unsafe { &*node };
            if tensor.op == GGML_OP_MUL_MAT
                && let Some(mul_mat) = MulMat::from_node(tensor, patched.last().map(|last| &last.mul_mat))
            {
                inputs.reserve(mul_mat.layout());
                patched.push(PatchedNode { node, op_params: tensor.op_params, mul_mat });
            }
        }
        for PatchedNode { node, mul_mat, .. } in patched.iter_mut() {
            mul_mat.bind(inputs);
            let data: *mut MulMat = mul_mat;
            let custom = CustomOp { function: Some(run_custom_op), tasks: ALL_THREADS, data: data.cast() };
            // SAFETY: parameters are 64 bytes, and are put back below.
            unsafe {
                (**node).op = GGML_OP_CUSTOM;
                (&raw mut (**node).op_params).cast::<CustomOp>().write_unaligned(custom);
            }
        }
        // SAFETY: this is what the caller wanted to call. The tasks stay where they are until it is done.
        let status = unsafe { theirs(backend, graph) };
        for PatchedNode { node, op_params, .. } in patched.iter() {
            // SAFETY: the graph is still there.
            unsafe {
                (**node).op = GGML_OP_MUL_MAT;
                (**node).op_params = *op_params;
            }
        }
        status
    })
}

/// One thread's share of a product.
unsafe extern "C" fn run_custom_op(node: *mut ggml_tensor, thread: c_int, threads: c_int, mul_mat: *mut c_void) {
    let number = |number| usize::try_from(number).unwrap_or(0);
    // SAFETY: `hooked_compute` has put the node's `MulMat` there, which several threads only read; they have the features that it was made for.
    unsafe { (*mul_mat.cast::<MulMat>()).run(&*node, number(thread), number(threads)) };
}
