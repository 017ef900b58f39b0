//! The repository's commands: `cargo xtask run`, `test`, `bench`, `vulkan`, `screens`, `queries` and `fuzz`.

mod bench;
mod binaries;
mod fuzz;
mod run;
mod screenshots;
mod sqlx_prepare;
mod test;
mod vulkan;

use std::process::ExitCode;

use clap::Parser;
use devenv::{Paths, status};

/// Runs, tests and measures HAPA; what a command needs is installed first
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
enum Arguments {
    /// Build and open HAPA; without a display, serve its API instead
    Run(run::Options),
    /// Run all checks and tests
    Test,
    /// Run benchmarks
    Bench(bench::Options),
    /// Build llama.cpp's Vulkan backend, install it beside the binaries and test it
    Vulkan,
    /// Take screenshots of every view of the window
    Screens(screenshots::Options),
    /// Regenerate sidecar/.sqlx after a change of a query or a migration
    Queries,
    /// Fuzz the parsers of untrusted input
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = Paths::from_env().and_then(|paths| match arguments {
        Arguments::Run(options) => run::run(&paths, &options),
        Arguments::Test => test::test(&paths),
        Arguments::Bench(options) => bench::bench(&paths, &options),
        Arguments::Vulkan => vulkan::vulkan(&paths),
        Arguments::Screens(options) => screenshots::screenshots(&paths, &options),
        Arguments::Queries => sqlx_prepare::sqlx_prepare(&paths),
        Arguments::Fuzz(options) => fuzz::fuzz(&paths, &options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            status::error(&error);
            ExitCode::FAILURE
        }
    }
}
