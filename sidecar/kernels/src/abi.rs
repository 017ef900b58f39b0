//! The parts of ggml's internal interface (`ggml-backend-impl.h`, `ggml-impl.h`) that it has no public functions for, as far as they
//! are needed. They hold for [`BACKEND_API_VERSION`] alone.

use core::ffi::{c_char, c_int, c_void};

use llama_cpp_sys_2::{ggml_cgraph, ggml_custom_op_t, ggml_status};

/// ggml's `GGML_BACKEND_API_VERSION`: the interface that this describes.
pub const BACKEND_API_VERSION: c_int = 3;

/// What every registry of a backend begins with.
#[repr(C)]
pub struct Registry {
    pub version: c_int,
}

/// A function that is not called here.
type Unused = *const c_void;

/// Makes a backend of a device.
pub type InitFn = unsafe extern "C" fn(*mut Device, *const c_char) -> *mut Backend;

/// `ggml_backend_device`, as far as its function that makes a backend.
#[repr(C)]
pub struct Device {
    pub get_name: unsafe extern "C" fn(*mut Device) -> *const c_char,
    skipped: [Unused; 4],
    pub init_backend: InitFn,
}

/// Computes a graph.
pub type ComputeFn = unsafe extern "C" fn(*mut Backend, *mut ggml_cgraph) -> ggml_status;

/// `ggml_backend`, without what only belongs to whoever made it.
#[repr(C)]
pub struct Backend {
    guid: Unused,
    skipped: [Unused; 12],
    pub graph_compute: ComputeFn,
    skipped_tail: [Unused; 3],
    pub device: *mut Device,
}

/// `ggml_custom_op_params`: what a node has that is computed by a function of ours.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CustomOp {
    pub function: ggml_custom_op_t,
    /// Threads that take part, or [`ALL_THREADS`].
    pub tasks: c_int,
    pub data: *mut c_void,
}

/// ggml's `GGML_N_TASKS_MAX`.
pub const ALL_THREADS: c_int = -1;
