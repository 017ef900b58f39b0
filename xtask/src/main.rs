//! The repository's commands: `cargo xtask run`, `cargo xtask test`, and what those who develop HAPA need besides.

mod bench;
mod binaries;
mod run;
mod screenshots;
mod sqlx_prepare;
mod test;
mod vulkan;

use std::process::ExitCode;

use clap::Parser;

use devenv::paths::Paths;

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
    Screens(screenshots::Options),
    /// Renew sidecar/.sqlx after a change of a query or a migration
    Queries,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = Paths::find().and_then(|paths| match arguments {
        Arguments::Run(options) => run::run(&paths, &options),
        Arguments::Test => test::test(&paths),
        Arguments::Bench(options) => bench::bench(&paths, &options),
        Arguments::Vulkan => vulkan::vulkan(&paths),
        Arguments::Screens(options) => screenshots::screenshots(&paths, &options),
        Arguments::Queries => sqlx_prepare::sqlx_prepare(&paths),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            devenv::status::error(&problem);
            ExitCode::FAILURE
        }
    }
}
