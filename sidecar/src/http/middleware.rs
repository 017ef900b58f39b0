//! Middleware of the API.

pub mod allowed_hosts;
pub mod auth;
pub mod request_id;
pub mod request_log;
pub mod route_aliases;
pub mod security_headers;
