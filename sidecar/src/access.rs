//! Access control: API keys and rate limits.

pub mod keys;
pub mod rate_limit;
