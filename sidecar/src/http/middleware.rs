//! Middleware of the API.

pub(crate) mod allowed_hosts;
pub(crate) mod auth;
pub(crate) mod request_id;
pub(crate) mod request_log;
pub(crate) mod route_aliases;
pub(crate) mod security_headers;
