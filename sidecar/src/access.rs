//! Who may call the API, and how often: API keys and rate limits.

pub mod keys;
pub mod rate_limit;
