//! The API as a client meets it: shapes, streams, refusals and the history, over HTTP.

mod errors;
mod generation;
mod guard;
mod health;
mod history;
mod openapi;
