//! `hapa`: HAPA's API server and its command line.

use std::process::ExitCode;

use clap::Parser;
use sidecar::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().run().await
}
