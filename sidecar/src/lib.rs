//! HAPA's sidecar: an API server on localhost that runs a model, keeps the history and answers the window, editors and scripts alike.
//!
//! Read [`http`] for what can be asked, [`generate`] for how a question becomes code, and `main.rs` for how it is put together.

pub mod answers;
pub mod app;
pub mod backend;
pub mod bounds;
pub mod cli;
pub mod complete;
pub mod config;
pub mod doctor;
pub mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod generate;
pub mod http;
pub mod hub;
pub mod incidents;
pub mod keys;
pub mod limits;
pub mod metrics;
pub mod models;
pub mod openai;
pub mod remote;
pub mod retention;
pub mod serve;
pub mod settings;
pub mod stats;
pub mod storage;
pub mod store;
pub mod system;
pub mod telemetry;
pub mod timeline;
pub mod transfer;
pub mod users;
pub mod web;
