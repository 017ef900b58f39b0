//! The handlers of the API, one module for each noun.

mod cache;
mod check;
mod completion;
mod conversations;
mod count_tokens;
mod doctor;
mod downloads;
mod enhanced;
mod errors;
mod feedback;
mod generate;
mod health;
mod history;
mod history_transfer;
mod keys;
mod logs;
mod metrics;
mod metrics_series;
mod model_imports;
mod models;
mod remote;
mod settings;
mod stats;
mod storage;
mod users;
