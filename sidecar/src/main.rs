//! `hapa`: HAPA's API server and its command line.

use std::process::ExitCode;

use clap::Parser;
use sidecar::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
