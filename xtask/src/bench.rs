//! `cargo xtask bench`: sets up the baselines that HAPA is compared with, and runs the benchmarks.

use anyhow::Result;
use clap::Args;
use devenv::Paths;
use devenv::process::{cargo, run};

use crate::binaries::{self, DESKTOP};

/// Options of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// Names of the benchmarks to run, from tests/bench; all of them by default
    names: Vec<String>,
}

/// All benchmarks, in the order in which they run.
const ALL: &[&str] = &["cached", "engine", "history", "restart", "soak", "validate", "window"];

/// Runs benchmarks in the dev profile, which is also that of `run` and `test`: nothing is built twice.
pub(crate) fn bench(paths: &Paths, options: &Options) -> Result<()> {
    let names: Vec<&str> =
        if options.names.is_empty() { ALL.to_vec() } else { options.names.iter().map(String::as_str).collect() };
    let lock = devenv::lock(paths)?;
    let env = devenv::for_benchmarks(paths)?;
    let llama_server = if names.contains(&"engine") { Some(devenv::llama_server(paths)?) } else { None };
    drop(lock);
    let desktop = names.contains(&"window").then_some(DESKTOP);
    binaries::build(paths, &[&[handshake::BINARY], desktop.as_slice()].concat())?;
    for name in names {
        let mut bench = cargo(paths);
        bench.args(["bench", "--workspace", "--profile", "dev", "--bench", name]);
        bench.env("HAPA_BENCH_PYTHON", &env.fastapi).env("HAPA_BENCH_MODEL", &env.model);
        bench.envs(llama_server.iter().map(|path| ("HAPA_BENCH_PEER", path)));
        run(&mut bench)?;
    }
    Ok(())
}
