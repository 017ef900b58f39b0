//! `cargo xtask bench`: sets up what a benchmark is measured against, and runs it.

use anyhow::Result;
use clap::Args;

use crate::binaries::{self, DESKTOP};
use devenv::paths::Paths;
use devenv::process::{cargo, succeed};
use devenv::{self as setup, llama_server, python_packages};

/// Which benchmarks to run.
#[derive(Args)]
pub struct Options {
    /// Names of programs in tests/bench; all of them, if none is given
    names: Vec<String>,
}

/// All benchmarks, in the order in which they run.
const ALL: &[&str] = &["cached", "engine", "history", "restart", "soak", "validate", "window"];

/// Runs benchmarks in the profile in which HAPA is run and tested, so that nothing is built a second time for them.
pub fn bench(paths: &Paths, options: &Options) -> Result<()> {
    let names =
        if options.names.is_empty() { ALL.iter().map(ToString::to_string).collect() } else { options.names.clone() };
    let lock = setup::lock(paths)?;
    let model = setup::for_serving(paths)?;
    let fastapi = python_packages::install(paths, &python_packages::FASTAPI)?;
    let llama_server =
        if names.iter().any(|name| name == "engine") { Some(llama_server::install(paths)?) } else { None };
    drop(lock);
    let desktop = names.iter().any(|name| name == "window").then_some(DESKTOP);
    binaries::build(paths, &[&[handshake::BINARY], desktop.as_slice()].concat())?;
    for name in names {
        let mut bench = cargo(paths);
        bench.args(["bench", "--workspace", "--profile", "dev", "--bench", &name]).env("HAPA_BENCH_PYTHON", &fastapi);
        bench.env("HAPA_BENCH_MODEL", &model).envs(llama_server.iter().map(|path| ("HAPA_BENCH_PEER", path)));
        succeed(&mut bench)?;
    }
    Ok(())
}
