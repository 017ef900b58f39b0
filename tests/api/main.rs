//! The API as a client meets it: shapes, streams, refusals and the history, over HTTP.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped has failed the test")]

mod cache;
mod check;
mod completion;
mod docs;
mod downloads;
mod errors;
mod feedback;
mod figures;
mod generation;
mod guard;
mod health;
mod history;
mod imports;
mod keeping;
mod keys;
mod limits;
mod openai;
mod openapi;
mod remote;
mod routes;
mod security;
mod settings;
mod threads;
mod watching;
