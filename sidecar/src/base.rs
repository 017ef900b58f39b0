//! What every other module may use: languages, validation, retries, time, files and HTTP clients. Imports nothing of ours.

pub mod fs;
pub mod http_client;
pub mod i18n;
pub mod model_id;
pub mod retry;
pub mod time;
pub mod validation;
