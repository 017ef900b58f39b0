//! Inference: routing between backends, fallback, and the response cache.

pub mod event;
mod fallback;
pub mod response_cache;
pub mod router;

pub use self::event::{Accepted, BackendKind, Event, EventStream, Interrupted, ModelIdentity, WaitLimits};
pub use self::router::{ModelRouter, ModelStream, Target};
