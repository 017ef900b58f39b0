//! The layers that each request passes before its handler.

mod allowed_hosts;
mod auth;
mod request_id;
mod request_log;
mod route_aliases;
mod security_headers;
