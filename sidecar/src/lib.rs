//! HAPA's sidecar: an API server on localhost that runs models, stores the history, and serves the window, editors and
//! scripts.
//!
//! Start with [`http`] for the API, [`assistant`] for how a question is answered, and [`server`] for how the parts are
//! assembled.

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
