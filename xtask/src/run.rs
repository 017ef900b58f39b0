//! `cargo xtask run`: from a clone to an open window, or to a served API where there is no display.

use std::env;
use std::process::Command;

use clap::Args;

use crate::binaries::{self, DESKTOP};
use crate::console;
use crate::places::Places;
use crate::problem::{Problem, Result};
use crate::setup;

/// What may be said after `run`.
#[derive(Args)]
pub struct Options {
    /// Serve the API without a window, and without what only a window needs
    #[arg(long)]
    headless: bool,
}

/// Sets everything up, then becomes the app.
pub fn run(places: &Places, options: &Options) -> Result<()> {
    if options.headless {
        serve(places)
    } else if display_is_there() {
        open_window(places)
    } else {
        console::note("there is no display here, so HAPA serves its API without a window");
        serve(places)
    }
}

fn open_window(places: &Places) -> Result<()> {
    {
        let _lock = setup::lock(places)?;
        setup::for_window(places)?;
        binaries::build(places, &[handshake::BINARY, DESKTOP])?;
    }
    console::step("Opening", "HAPA");
    become_program(Command::new(places.binary(DESKTOP)))
}

fn serve(places: &Places) -> Result<()> {
    {
        let _lock = setup::lock(places)?;
        setup::for_serving(places)?;
        binaries::build(places, &[handshake::BINARY])?;
    }
    console::step("Serving", "HAPA's API; Ctrl-C ends it");
    let mut hapa = Command::new(places.binary(handshake::BINARY));
    hapa.arg("serve");
    become_program(hapa)
}

/// Replaces this process, so that Ctrl-C, exit code and process id are the program's own.
#[cfg(unix)]
fn become_program(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;

    let error = command.exec();
    Err(Problem::new(format!("could not start `{}`: {error}", command.get_program().display())))
}

/// Waits for the program: Windows cannot replace a process.
#[cfg(not(unix))]
fn become_program(mut command: Command) -> Result<()> {
    use crate::problem::While;

    let status = command.status().while_trying(format_args!("start `{}`", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(Problem::new(format!("HAPA ended with {status}"))) }
}

/// X11 and Wayland announce themselves in the environment; other systems always have a display.
fn display_is_there() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}
