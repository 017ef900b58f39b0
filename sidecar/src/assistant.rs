//! The assistant: generating code, completing at the cursor and answering raw requests, on top of inference and the store.

pub mod complete;
pub mod generate;
pub mod history_export;
pub mod profiles;
pub mod raw;
