//! What the user sees of our own work: one line a step, in cargo's manner, on stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Says that a step starts or is done: a verb and what it is about.
pub fn print(verb: &str, what: impl Display) {
    eprintln!("{} {what}", paint("1;32", &format!("{verb:>12}")));
}

/// Tells something worth knowing before the next step.
pub fn note(what: impl Display) {
    eprintln!("{} {what}", paint("1;36", &format!("{:>12}", "Note")));
}

/// Prints an error with its causes, and what helps where the disk is full.
pub fn error(error: &anyhow::Error) {
    eprintln!("{} {}", paint("1;31", "error:"), describe(error));
}

fn describe(error: &anyhow::Error) -> String {
    let full = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull)
    };
    if error.chain().any(full) {
        format!("{error}: the disk is full; free some space and run this again, it resumes from there")
    } else {
        format!("{error:#}")
    }
}

/// Writes `text` in red.
pub fn red(text: &str) -> String {
    paint("1;31", text)
}

/// A bar over `bytes`, of which `done` are there already. Nothing is drawn where stderr is not a terminal.
pub fn bar(bytes: u64, done: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{spinner:>12} [{bar:30}] {decimal_bytes:>10} of {decimal_total_bytes}  {eta} left  {msg}",
    )
    .expect("the template is a constant")
    .progress_chars("=> ");
    let bar = ProgressBar::new(bytes).with_style(style).with_position(done);
    bar.reset_eta();
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A size as people say it: `491 MB`.
pub fn megabytes(bytes: u64) -> String {
    format!("{} MB", (bytes + 500_000) / 1_000_000)
}

fn paint(style: &str, text: &str) -> String {
    if stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[{style}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_printed_with_its_causes() {
        let error = anyhow::Error::from(io::Error::other("no such device")).context("could not read `x`");
        assert_eq!(describe(&error), "could not read `x`: no such device");
    }

    #[test]
    fn a_full_disk_is_reported_with_the_remedy() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull)).context("could not write `x`");
        assert_eq!(
            describe(&error),
            "could not write `x`: the disk is full; free some space and run this again, it resumes from there"
        );
    }

    #[test]
    fn sizes_are_rounded_to_whole_megabytes() {
        assert_eq!(megabytes(491_400_064), "491 MB");
        assert_eq!(megabytes(98_362_432), "98 MB");
        assert_eq!(megabytes(1_500_000), "2 MB");
    }
}
