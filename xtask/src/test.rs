//! `cargo xtask test`: every check and every test, the cheap ones first, until one fails.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::binaries::{self, DESKTOP};
use devenv::paths::Paths;
use devenv::process::{self, cargo, cargo_under, npm, succeed};
use devenv::status;
use devenv::{self as setup, TestEnv};

/// Sets everything up, takes each step in turn and ends with a table of what each took.
pub fn test(paths: &Paths) -> Result<()> {
    let start = Instant::now();
    let env = {
        let _lock = setup::lock(paths)?;
        setup::for_tests(paths)?
    };
    let mut report = vec![("setup", start.elapsed(), Outcome::Passed)];
    let mut result = Ok(());
    for step in STEPS {
        if result.is_err() {
            report.push((step.name, Duration::ZERO, Outcome::NotRun));
            continue;
        }
        status::print("Testing", step.name);
        let start = Instant::now();
        result = (step.run)(paths, &env);
        let outcome = if result.is_ok() { Outcome::Passed } else { Outcome::Failed };
        report.push((step.name, start.elapsed(), outcome));
    }
    print_report(&report, start.elapsed());
    result
}

/// A check with its name in the report.
struct Step {
    name: &'static str,
    run: fn(&Paths, &TestEnv) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "Rust format", run: |paths, _| succeed(cargo(paths).args(["fmt", "--all", "--check"])) },
    Step { name: "UI types", run: |paths, _| succeed(npm(paths).args(["run", "--silent", "check"])) },
    Step { name: "UI lint", run: |paths, _| succeed(npm(paths).args(["run", "--silent", "lint"])) },
    Step { name: "UI tests", run: |paths, _| succeed(npm(paths).args(["run", "--silent", "test"])) },
    Step {
        name: "API types",
        run: |paths, _| succeed(npm(paths).args(["run", "--silent", "schema", "--", "--check"])),
    },
    Step { name: "Rust lint", run: |paths, _| rust_lint(paths) },
    Step { name: "programs", run: |paths, _| binaries::build(paths, &[handshake::BINARY, DESKTOP]) },
    Step { name: "browser tests", run: browser_tests },
    Step { name: "Rust tests", run: rust_tests },
];

/// The window in Debian's Chromium, over the real sidecar.
fn browser_tests(paths: &Paths, env: &TestEnv) -> Result<()> {
    let mut tests = npm(paths);
    tests.args(["run", "--silent", "e2e"]).env("HAPA_TEST_MODEL", &env.model);
    tests.env_remove("HAPA_MODEL").env_remove("HAPA_SCREENSHOTS");
    succeed(tests.env("HAPA_TEST_PROGRAM", paths.binary(handshake::BINARY)))
}

fn rust_lint(paths: &Paths) -> Result<()> {
    binaries::announce_llama(paths);
    let targets = ["clippy", "--workspace", "--all-targets", "--features", "tests/vulkan"];
    succeed(cargo(paths).args(targets).args(["--", "--deny", "warnings"]))
}

/// Compiles first, so that the display and the session bus are there for the tests alone.
fn rust_tests(paths: &Paths, env: &TestEnv) -> Result<()> {
    succeed(cargo(paths).args(["test", "--workspace", "--no-run"]))?;
    let mut tests = cargo_under(if cfg!(target_os = "linux") { ISOLATED_SESSION } else { &[] }, paths);
    tests.args(["test", "--workspace"]);
    for name in SETTINGS {
        tests.env_remove(name);
    }
    tests.env("HAPA_TEST_SCHEMATHESIS", &env.schemathesis);
    tests.env("HAPA_TEST_OPENAI_PYTHON", &env.openai_python).env("HAPA_TEST_OPENAI_NODE", &env.openai_node);
    tests.env("HAPA_TEST_LLAMA_CPP", &env.llama_cpp);
    tests.env("HAPA_TEST_MODEL", &env.model).env("PATH", path_with(paths.tools().join("bin"))?);
    // Windows open on the display of the wrapper, not on a Wayland session that happens to be there.
    tests.env_remove("WAYLAND_DISPLAY").env("GDK_BACKEND", "x11");
    // Snapshots are compared here and never written.
    tests.env("INSTA_UPDATE", "no");
    count(&mut tests)
}

/// A display and a session bus of the tests' own, where windows disturb nobody and find no other HAPA.
const ISOLATED_SESSION: &[&str] =
    &["dbus-run-session", "--", "xvfb-run", "--auto-servernum", "--server-args=-screen 0 1280x800x24"];

/// What a developer may have set for their own HAPA; the tests set what they need.
const SETTINGS: &[&str] = &[
    "AI_MODEL_API_KEY",
    "AI_MODEL_ENDPOINT",
    "HAPA_DATA_DIR",
    "HAPA_KEYCHAIN",
    "HAPA_MODEL",
    "HAPA_SCRIPT",
    "HAPA_SIDECAR",
    "HAPA_UPDATE_FEED",
    "HAPA_UPDATE_KEY",
    "HOST",
    "PORT",
    "DATABASE_URL",
    "REQUEST_TIMEOUT",
    "CORS_ORIGINS",
    "LOG_LEVEL",
];

fn path_with(folder: PathBuf) -> Result<OsString> {
    let rest = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(folder).chain(env::split_paths(&rest)))
        .map_err(|error| anyhow!("could not put the test tools on the PATH: {error}"))
}

/// Passes the output of `cargo test` on and adds up what its many binaries report.
fn count(tests: &mut Command) -> Result<()> {
    if stdout().is_terminal() {
        tests.env("CARGO_TERM_COLOR", "always");
    }
    let line = process::line(tests);
    let trying = || format!("could not run `{line}`");
    let mut child = tests.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(trying)?;
    let output = child.stdout.take().expect("stdout is piped");
    let mut count = Count::default();
    for line in BufReader::new(output).lines() {
        let line = line.with_context(trying)?;
        writeln!(stdout(), "{line}").context("could not print the tests' output")?;
        count.add(&line);
    }
    let status = child.wait().with_context(trying)?;
    println!("\nTests: {} passed, {} failed, {} skipped", count.passed, count.failed, count.ignored);
    if !status.success() {
        Err(anyhow!("Rust tests failed; they are named above"))
    } else if count.passed == 0 {
        Err(anyhow!("no Rust test ran, so nothing is proven"))
    } else {
        Ok(())
    }
}

/// Tests counted over all test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Count {
    /// Adds a line like `test result: ok. 12 passed; 0 failed; 1 ignored; …`; other lines count nothing.
    fn add(&mut self, line: &str) {
        let Some((_, figures)) = line.split_once("test result: ").and_then(|(_, rest)| rest.split_once(". ")) else {
            return;
        };
        for figure in figures.split("; ") {
            match figure.split_once(' ').map(|(number, what)| (number.parse::<u32>(), what)) {
                Some((Ok(number), "passed")) => self.passed += number,
                Some((Ok(number), "failed")) => self.failed += number,
                Some((Ok(number), "ignored")) => self.ignored += number,
                _ => {}
            }
        }
    }
}

enum Outcome {
    Passed,
    Failed,
    NotRun,
}

fn print_report(report: &[(&str, Duration, Outcome)], total: Duration) {
    let line =
        |name: &str, took: Duration, result: &str| eprintln!("{name:>12}  {:>7.1} s  {result}", took.as_secs_f64());
    eprintln!();
    for (name, took, outcome) in report {
        match outcome {
            Outcome::Passed => line(name, *took, "ok"),
            Outcome::Failed => line(name, *took, &status::red("failed")),
            Outcome::NotRun => eprintln!("{name:>12}            not run"),
        }
    }
    line("total", total, "");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_all_test_binaries_are_added_up() {
        let mut count = Count::default();
        count.add("running 3 tests");
        count.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        count.add("test result: \x1b[31mFAILED\x1b[0m. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s");
        assert_eq!(count, Count { passed: 15, failed: 2, ignored: 1 });
    }
}
