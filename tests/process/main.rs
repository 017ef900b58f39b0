//! Process tests: the built `hapa` binary, its command line, start, shutdown, crashes and logs.

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
