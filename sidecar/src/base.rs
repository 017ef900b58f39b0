//! What every other module may use: languages, validation, retries, time, files and HTTP clients. Imports none of our
//! modules.

pub mod fs;
pub mod http_client;
pub mod i18n;
pub mod model_id;
pub mod retry;
pub mod time;
pub mod validation;
