//! The repository's commands: `cargo xtask run`, `cargo xtask test`, and what those who develop HAPA need besides.

mod bench;
mod binaries;
mod queries;
mod run;
mod screens;
mod test;
mod vulkan;

use std::process::ExitCode;

use clap::Parser;

use devenv::places::Places;

/// Sets up what HAPA needs on this machine, then runs or tests it.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
enum Arguments {
    /// Set everything up and open HAPA; without a display, serve its API instead
    Run(run::Options),
    /// Set everything up and run every check and test
    Test,
    /// Measure HAPA beside others on this machine
    Bench(bench::Options),
    /// Build llama.cpp's Vulkan backend, put it beside the programs and prove that it works
    Vulkan,
    /// Take pictures of every view of the window
    Screens(screens::Options),
    /// Renew sidecar/.sqlx after a change of a query or a migration
    Queries,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = Places::find().and_then(|places| match arguments {
        Arguments::Run(options) => run::run(&places, &options),
        Arguments::Test => test::test(&places),
        Arguments::Bench(options) => bench::bench(&places, &options),
        Arguments::Vulkan => vulkan::vulkan(&places),
        Arguments::Screens(options) => screens::screens(&places, &options),
        Arguments::Queries => queries::queries(&places),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            devenv::console::problem(&problem);
            ExitCode::FAILURE
        }
    }
}
