//! Process tests: the built `hapa` binary, its command line, start, shutdown, crashes and logs.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod backends;
mod commands;
mod doctor;
mod downloads;
mod keys;
mod lifecycle;
mod logs;
mod remote;
mod serving;
