//! HAPA's sidecar: an API server on localhost that runs a model, keeps the history and answers the window, editors and scripts alike.
//!
//! Read [`http`] for what can be asked, [`generate`] for how a question becomes code, and `main.rs` for how it is put together.

pub mod access;
pub mod assistant;
pub mod base;
pub mod cli;
pub mod config;
pub mod doctor;
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod hub;
pub mod inference;
pub mod instance;
pub mod logging;
pub mod metrics;
pub mod models;
pub mod remote;
pub mod server;
pub mod settings;
pub mod store;
pub mod system;
pub mod tls;
