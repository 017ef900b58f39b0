//! `cargo xtask fuzz`: coverage-guided fuzzing of the parsers of untrusted input, with libFuzzer on stable Rust.
//!
//! Only the workspace's own crates are instrumented, through cargo's `RUSTC_WORKSPACE_WRAPPER`; dependencies, llama.cpp among them, are
//! those of the other commands. `tests/fuzz` has the targets and their seed corpora, which `cargo test` replays without libFuzzer.

use std::fs;

use anyhow::{Context, Result, bail};
use clap::Args;
use devenv::files::create_folder;
use devenv::process::{cargo, command, run};
use devenv::{Paths, status};

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
pub(crate) struct Options {
    /// The target to fuzz, a folder of tests/fuzz/corpus; each in turn by default
    target: Option<String>,
    /// How long to fuzz each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// The binary that links libFuzzer.
const BINARY: &str = "fuzzer";

/// Limits of one run: the input's size in bytes, the seconds it may take, the memory in MB.
const LIMITS: &[&str] = &["-max_len=4096", "-timeout=10", "-rss_limit_mb=1024"];

/// Fuzzes one target or all of them, until the time is over or an input fails.
pub(crate) fn fuzz(paths: &Paths, options: &Options) -> Result<()> {
    if !cfg!(unix) {
        bail!("fuzzing is supported on Linux and macOS only");
    }
    let targets = match (&options.target, targets(paths)?) {
        (None, all) => all,
        (Some(target), all) if all.contains(target) => vec![target.clone()],
        (Some(target), all) => bail!("there is no target `{target}`; choose one of {}", all.join(", ")),
    };
    {
        let _lock = devenv::lock(paths)?;
        devenv::for_fuzzing()?;
    }
    build(paths)?;
    targets.iter().try_for_each(|target| fuzz_target(paths, target, options.seconds))
}

/// The targets' names, which are those of the seed corpora.
fn targets(paths: &Paths) -> Result<Vec<String>> {
    let corpora = paths.checkout.join("tests/fuzz/corpus");
    let reading = || format!("could not read `{}`", corpora.display());
    let names = fs::read_dir(&corpora).with_context(reading)?.map(|entry| Ok(entry?.file_name().into_string()));
    let names = names.collect::<std::io::Result<Vec<_>>>().with_context(reading)?;
    let mut names: Vec<String> = names.into_iter().flatten().collect();
    names.sort_unstable();
    Ok(names)
}

/// Builds the fuzzer with all packages selected, so that llama.cpp has the same features as in every other build.
fn build(paths: &Paths) -> Result<()> {
    let mut build = cargo(paths);
    build.args(["build", "--workspace", "--features", "fuzz/libfuzzer", "--bin", BINARY]);
    run(build.env("RUSTC_WORKSPACE_WRAPPER", paths.checkout.join("tests/fuzz/rustc-with-coverage")))
}

fn fuzz_target(paths: &Paths, target: &str, seconds: u32) -> Result<()> {
    let seeds = paths.checkout.join("tests/fuzz/corpus").join(target);
    let corpus = paths.cache.join("fuzz/corpus").join(target);
    let failures = paths.cache.join("fuzz/failures").join(target);
    create_folder(&corpus)?;
    create_folder(&failures)?;
    status::print("Fuzzing", format_args!("{target} for {seconds} s"));
    let mut fuzzer = command(paths.binary(BINARY));
    fuzzer.args(LIMITS).arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
    fuzzer.arg(format!("-artifact_prefix={}/", failures.display()));
    // libFuzzer adds new inputs to the first corpus and only reads the others.
    fuzzer.arg(&corpus).arg(&seeds);
    // The loader finds llama.cpp's libraries here; `hapa` has this folder in its rpath.
    let libraries = paths.binary(BINARY).with_file_name("llama");
    fuzzer.env(if cfg!(target_os = "macos") { "DYLD_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" }, libraries);
    run(fuzzer.env("HAPA_FUZZ_TARGET", target)).with_context(|| {
        format!(
            "an input of `{target}` failed and is now in `{}`; copy it into `{}`, where `cargo test -p fuzz` replays it",
            failures.display(),
            seeds.display()
        )
    })
}
