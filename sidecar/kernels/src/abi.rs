//! `repr(C)` mirrors of ggml's internal structs (`ggml-backend-impl.h`, `ggml-impl.h`), which have no public accessors. Valid for
//! [`BACKEND_API_VERSION`] only.

use core::ffi::{c_char, c_int, c_void};

use llama_cpp_sys_2::{ggml_cgraph, ggml_custom_op_t, ggml_status};

/// ggml's `GGML_BACKEND_API_VERSION` that these layouts were taken from.
pub(crate) const BACKEND_API_VERSION: c_int = 3;

/// `ggml_backend_reg`: its first field, the API version.
#[repr(C)]
pub(crate) struct Registry {
    pub version: c_int,
}

/// A vtable entry that is not used here.
type Unused = *const c_void;

/// `ggml_backend_device_i::init_backend`: creates a backend for a device.
pub(crate) type InitFn = unsafe extern "C" fn(*mut Device, *const c_char) -> *mut Backend;

/// `ggml_backend_device` up to `init_backend` in its vtable.
#[repr(C)]
pub(crate) struct Device {
    pub get_name: unsafe extern "C" fn(*mut Device) -> *const c_char,
    skipped: [Unused; 4],
    pub init_backend: InitFn,
}

/// `ggml_backend_i::graph_compute`: computes a graph.
pub(crate) type ComputeFn = unsafe extern "C" fn(*mut Backend, *mut ggml_cgraph) -> ggml_status;

/// `ggml_backend` without its last field, the backend's private context.
#[repr(C)]
pub(crate) struct Backend {
    guid: Unused,
    skipped: [Unused; 12],
    pub graph_compute: ComputeFn,
    skipped_tail: [Unused; 3],
    pub device: *mut Device,
}

/// `ggml_custom_op_params`: the `op_params` of a node with `GGML_OP_CUSTOM`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct CustomOp {
    pub function: ggml_custom_op_t,
    /// Number of threads that call `function`, or [`ALL_THREADS`].
    pub tasks: c_int,
    pub data: *mut c_void,
}

/// ggml's `GGML_N_TASKS_MAX`.
pub(crate) const ALL_THREADS: c_int = -1;
