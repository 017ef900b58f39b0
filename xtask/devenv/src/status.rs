//! Status lines on stderr, in cargo's format: a verb and its object, one line for each step.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Prints that a step starts or is done: a verb and its object.
pub fn print(verb: &str, object: impl Display) {
    line(format_args!("{} {object}", paint("1;32", &format!("{verb:>12}"))));
}

/// Prints something the user should know before the next step.
pub fn note(text: impl Display) {
    line(format_args!("{} {text}", paint("1;36", &format!("{:>12}", "Note"))));
}

/// Prints an error with its causes and, if the disk is full, the remedy.
pub fn error(error: &anyhow::Error) {
    line(format_args!("{} {}", paint("1;31", "error:"), describe(error)));
}

/// Prints a line as it is.
pub fn line(text: impl Display) {
    // Without a stderr there is no reader to report to.
    let _ = writeln!(stderr(), "{text}");
}

/// `text` in red, if stderr shows colours.
#[must_use]
pub fn red(text: &str) -> String {
    paint("1;31", text)
}

/// A progress bar over `bytes`, of which `done` are already there. It is hidden if stderr is not a terminal.
pub(crate) fn progress_bar(bytes: u64, done: u64) -> ProgressBar {
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

/// A size rounded to whole megabytes: `491 MB`.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", (bytes + 500_000) / 1_000_000)
}

fn describe(error: &anyhow::Error) -> String {
    let storage_full = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull)
    };
    if error.chain().any(storage_full) {
        format!("{error}: the disk is full; free some space and run this again, it resumes where it stopped")
    } else {
        format!("{error:#}")
    }
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
    fn a_full_disk_is_reported_with_its_remedy() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull)).context("could not write `x`");
        assert_eq!(
            describe(&error),
            "could not write `x`: the disk is full; free some space and run this again, it resumes where it stopped"
        );
    }

    #[test]
    fn sizes_are_rounded_to_whole_megabytes() {
        assert_eq!(megabytes(491_400_064), "491 MB");
        assert_eq!(megabytes(98_362_432), "98 MB");
        assert_eq!(megabytes(1_500_000), "2 MB");
    }
}
