//! The real `hapa`: how it starts, says that it is ready, survives crashes, and ends.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped has failed the test")]

mod backends;
mod commands;
mod doctor;
mod downloads;
mod keys;
mod lifecycle;
mod logs;
mod remote;
mod serving;
