//! The table at the end of `cargo xtask test`: each step with its duration and result.

use std::time::{Duration, Instant};

use devenv::status;

/// The lines of the table so far.
pub(crate) struct Report {
    start: Instant,
    lines: Vec<String>,
}

impl Report {
    /// An empty table; the total is measured from `start`.
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, lines: Vec::new() }
    }

    /// Adds a step that succeeded.
    pub(crate) fn passed(&mut self, step: &str, duration: Duration) {
        self.lines.push(line(step, duration, "ok"));
    }

    /// Adds the step that failed.
    pub(crate) fn failed(&mut self, step: &str, duration: Duration) {
        self.lines.push(line(step, duration, &status::red("failed")));
    }

    /// Adds a step after the one that failed.
    pub(crate) fn skipped(&mut self, step: &str) {
        self.lines.push(format!("{step:>12}            not run"));
    }

    /// Prints the table with the total duration.
    pub(crate) fn print(self) {
        status::line(format_args!("\n{}\n{}", self.lines.join("\n"), line("total", self.start.elapsed(), "")));
    }
}

fn line(step: &str, duration: Duration, result: &str) -> String {
    format!("{step:>12}  {:>7.1} s  {result}", duration.as_secs_f64())
}
