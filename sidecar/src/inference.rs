//! Running a request on a model: which one answers, what takes over if it fails, and answers that are cached.

mod fallback;
pub mod response_cache;
pub mod router;
