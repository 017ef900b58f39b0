//! `cargo xtask run`: from a clone to an open window, or to a served API where there is no display.

use std::env;
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::binaries::{self, DESKTOP};
use devenv as setup;
use devenv::console;
use devenv::places::Places;
use devenv::problem::{Problem, Result};

/// What may be said after `run`.
#[derive(Args)]
pub struct Options {
    /// Serve the API without a window, and without what only a window needs
    #[arg(long)]
    headless: bool,
    /// Build llama.cpp for this kind of GPU too, once more and for many minutes; its compiler must be there
    #[arg(long, value_enum)]
    gpu: Option<Gpu>,
}

/// GPUs whose backend is built together with llama.cpp. Vulkan's is a file of its own: `cargo xtask vulkan`.
#[derive(Clone, Copy, ValueEnum)]
enum Gpu {
    /// NVIDIA's, with the CUDA toolkit
    Cuda,
    /// Apple's
    Metal,
}

impl Gpu {
    /// The feature of the sidecar.
    fn feature(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }
}

/// Sets everything up, then becomes the app.
pub fn run(places: &Places, options: &Options) -> Result<()> {
    if options.headless {
        serve(places, options.gpu)
    } else if display_is_there() {
        open_window(places, options.gpu)
    } else {
        console::note("there is no display here, so HAPA serves its API without a window");
        serve(places, options.gpu)
    }
}

fn open_window(places: &Places, gpu: Option<Gpu>) -> Result<()> {
    {
        let _lock = setup::lock(places)?;
        setup::for_window(places)?;
        build(places, &[handshake::BINARY, DESKTOP], gpu)?;
    }
    console::step("Opening", "HAPA");
    become_program(Command::new(places.binary(DESKTOP)))
}

fn serve(places: &Places, gpu: Option<Gpu>) -> Result<()> {
    {
        let _lock = setup::lock(places)?;
        setup::for_serving(places)?;
        build(places, &[handshake::BINARY], gpu)?;
    }
    console::step("Serving", "HAPA's API; Ctrl-C ends it");
    let mut hapa = Command::new(places.binary(handshake::BINARY));
    hapa.arg("serve");
    become_program(hapa)
}

fn build(places: &Places, names: &[&str], gpu: Option<Gpu>) -> Result<()> {
    match gpu {
        Some(gpu) => binaries::build_with(places, names, Some(gpu.feature())),
        None => binaries::build(places, names),
    }
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
    use devenv::problem::While;

    let status = command.status().while_trying(format_args!("start `{}`", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(Problem::new(format!("HAPA ended with {status}"))) }
}

/// X11 and Wayland announce themselves in the environment; other systems always have a display.
fn display_is_there() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}
