//! What every other module may use: languages, validation, retries, time, files and HTTP clients. Imports nothing of ours.

pub mod http_client;
pub mod validation;
