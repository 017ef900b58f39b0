//! `cargo xtask run`: from a clone to an open window, or to a served API where there is no display.

use std::env;
use std::process::Command;

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};

use crate::binaries::{self, DESKTOP};
use devenv as setup;
use devenv::paths::Paths;
use devenv::status;

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
pub fn run(paths: &Paths, options: &Options) -> Result<()> {
    if options.headless {
        serve(paths, options.gpu)
    } else if display_is_there() {
        open_window(paths, options.gpu)
    } else {
        status::note("there is no display here, so HAPA serves its API without a window");
        serve(paths, options.gpu)
    }
}

fn open_window(paths: &Paths, gpu: Option<Gpu>) -> Result<()> {
    {
        let _lock = setup::lock(paths)?;
        setup::for_window(paths)?;
        build(paths, &[handshake::BINARY, DESKTOP], gpu)?;
    }
    status::print("Opening", "HAPA");
    become_program(Command::new(paths.binary(DESKTOP)))
}

fn serve(paths: &Paths, gpu: Option<Gpu>) -> Result<()> {
    {
        let _lock = setup::lock(paths)?;
        setup::for_serving(paths)?;
        build(paths, &[handshake::BINARY], gpu)?;
    }
    status::print("Serving", "HAPA's API; Ctrl-C ends it");
    let mut hapa = Command::new(paths.binary(handshake::BINARY));
    hapa.arg("serve");
    become_program(hapa)
}

fn build(paths: &Paths, names: &[&str], gpu: Option<Gpu>) -> Result<()> {
    match gpu {
        Some(gpu) => binaries::build_with(paths, names, Some(gpu.feature())),
        None => binaries::build(paths, names),
    }
}

/// Replaces this process, so that Ctrl-C, exit code and process id are the program's own.
#[cfg(unix)]
fn become_program(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;

    let error = command.exec();
    Err(anyhow!("could not start `{}`: {error}", command.get_program().display()))
}

/// Waits for the program: Windows cannot replace a process.
#[cfg(not(unix))]
fn become_program(mut command: Command) -> Result<()> {
    use anyhow::Context;

    let status = command.status().with_context(|| format!("could not start `{}`", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(anyhow!("HAPA ended with {status}")) }
}

/// X11 and Wayland announce themselves in the environment; other systems always have a display.
fn display_is_there() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}
