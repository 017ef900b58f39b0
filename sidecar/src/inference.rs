//! Running a request on a model: which backend answers, what takes over if it fails, and answers that are cached.

pub mod event;
mod fallback;
pub mod response_cache;
pub mod router;

pub use self::event::{Accepted, BackendKind, Event, EventStream, Interrupted, ModelIdentity, WaitLimits};
pub use self::router::{ModelRouter, ModelStream, Target};
