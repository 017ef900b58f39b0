//! API tests: requests over HTTP to a server with the scripted engine.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod auth;
mod cache;
mod code_check;
mod completion;
mod conversation_branches;
mod docs;
mod downloads;
mod errors;
mod feedback;
mod generation;
mod health;
mod history;
mod history_storage;
mod imports;
mod keys;
mod limits;
mod metrics;
mod observability;
mod openai;
mod openapi;
mod remote;
mod routes;
mod security;
mod settings;
