//! `cargo xtask test`: runs all checks and tests, the fast ones first, and stops at the first failure.

mod counts;
mod report;

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use devenv::process::{self, cargo, cargo_under, npm, run};
use devenv::{Paths, TestEnv, status};

use self::counts::TestCounts;
use self::report::Report;
use crate::binaries::{self, DESKTOP};

/// Sets the machine up, runs each step in turn and prints a table with their durations.
pub(crate) fn test(paths: &Paths) -> Result<()> {
    let start = Instant::now();
    let env = {
        let _lock = devenv::lock(paths)?;
        devenv::for_tests(paths)?
    };
    let mut report = Report::new(start);
    report.passed("setup", start.elapsed());
    let mut result = Ok(());
    for step in STEPS {
        if result.is_err() {
            report.skipped(step.name);
            continue;
        }
        status::print("Testing", step.name);
        let start = Instant::now();
        result = (step.run)(paths, &env);
        match result {
            Ok(()) => report.passed(step.name, start.elapsed()),
            Err(_) => report.failed(step.name, start.elapsed()),
        }
    }
    report.print();
    result
}

/// A check and its name in the report.
struct Step {
    name: &'static str,
    run: fn(&Paths, &TestEnv) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "Rust format", run: |paths, _| run(cargo(paths).args(["fmt", "--all", "--check"])) },
    Step { name: "UI types", run: |paths, _| run(npm(paths).args(["run", "--silent", "check"])) },
    Step { name: "UI lint", run: |paths, _| run(npm(paths).args(["run", "--silent", "lint"])) },
    Step { name: "UI tests", run: |paths, _| run(npm(paths).args(["run", "--silent", "test"])) },
    Step { name: "API types", run: |paths, _| run(npm(paths).args(["run", "--silent", "schema", "--", "--check"])) },
    Step { name: "Rust lint", run: |paths, _| rust_lint(paths) },
    Step { name: "binaries", run: |paths, _| binaries::build(paths, &[handshake::BINARY, DESKTOP]) },
    Step { name: "browser tests", run: browser_tests },
    Step { name: "Rust tests", run: rust_tests },
];

fn rust_lint(paths: &Paths) -> Result<()> {
    binaries::announce_llama_build(paths);
    let targets = ["clippy", "--workspace", "--all-targets", "--features", "tests/vulkan"];
    run(cargo(paths).args(targets).args(["--", "--deny", "warnings"]))
}

/// The front end in Chromium, against the real sidecar.
fn browser_tests(paths: &Paths, env: &TestEnv) -> Result<()> {
    let mut playwright = npm(paths);
    playwright.args(["run", "--silent", "e2e"]).env("HAPA_TEST_MODEL", &env.model);
    playwright.env_remove("HAPA_MODEL").env_remove("HAPA_SCREENSHOTS");
    run(playwright.env("HAPA_TEST_PROGRAM", paths.binary(handshake::BINARY)))
}

/// Compiles first, so that the virtual display and the session bus run only as long as the tests.
fn rust_tests(paths: &Paths, env: &TestEnv) -> Result<()> {
    run(cargo(paths).args(["test", "--workspace", "--no-run"]))?;
    let mut tests = cargo_under(if cfg!(target_os = "linux") { ISOLATED_SESSION } else { &[] }, paths);
    tests.args(["test", "--workspace"]);
    for name in HAPA_VARIABLES {
        tests.env_remove(name);
    }
    tests.env("HAPA_TEST_SCHEMATHESIS", &env.schemathesis);
    tests.env("HAPA_TEST_OPENAI_PYTHON", &env.openai_python).env("HAPA_TEST_OPENAI_NODE", &env.openai_node);
    tests.env("HAPA_TEST_LLAMA_CPP", &env.llama_cpp).env("HAPA_TEST_MODEL", &env.model);
    tests.env("PATH", prepend_to_path(paths.tools().join("bin"))?);
    // The window opens on the virtual display, even if the user runs a Wayland session.
    tests.env_remove("WAYLAND_DISPLAY").env("GDK_BACKEND", "x11");
    run_and_count(&mut tests)
}

/// Starts a command with a display and a session bus of its own: its windows are invisible and find no other instance of HAPA.
const ISOLATED_SESSION: &[&str] =
    &["dbus-run-session", "--", "xvfb-run", "--auto-servernum", "--server-args=-screen 0 1280x800x24"];

/// Variables that a developer may have set for their own HAPA; the tests set those that they need.
const HAPA_VARIABLES: &[&str] = &[
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

fn prepend_to_path(folder: PathBuf) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(folder).chain(env::split_paths(&path)))
        .context("could not add the test tools to the PATH")
}

/// Runs `cargo test`, forwards its output and adds up the results of its test binaries.
fn run_and_count(tests: &mut Command) -> Result<()> {
    if stdout().is_terminal() {
        tests.env("CARGO_TERM_COLOR", "always");
    }
    let line = process::command_line(tests);
    let running = || format!("could not run `{line}`");
    let mut child = tests.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(running)?;
    let output = child.stdout.take().expect("stdout is piped");
    let mut counts = TestCounts::default();
    for line in BufReader::new(output).lines() {
        let line = line.with_context(running)?;
        writeln!(stdout(), "{line}").context("could not print the tests' output")?;
        counts.add(&line);
    }
    let exit = child.wait().with_context(running)?;
    writeln!(stdout(), "\n{counts}").context("could not print the tests' results")?;
    if !exit.success() {
        bail!("Rust tests failed; their names are printed above");
    }
    if counts.passed == 0 {
        bail!("no Rust test ran");
    }
    Ok(())
}
