//! `cargo xtask run`: builds HAPA and opens its window, or serves its API without a window.

use std::env;
use std::process::Command;

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use devenv::{Paths, status};

use crate::binaries::{self, DESKTOP};

/// Options of `cargo xtask run`.
#[derive(Args)]
pub(crate) struct Options {
    /// Serve the API without a window, and without installing what only the window needs
    #[arg(long)]
    headless: bool,
    /// Also build llama.cpp for this GPU, which takes many minutes; the GPU's toolkit must be installed
    #[arg(long, value_enum)]
    gpu: Option<Gpu>,
}

/// GPUs whose backend is compiled into llama.cpp. Vulkan's is a library of its own: `cargo xtask vulkan`.
#[derive(Clone, Copy, ValueEnum)]
enum Gpu {
    /// NVIDIA, with the CUDA toolkit
    Cuda,
    /// Apple
    Metal,
}

impl Gpu {
    /// The sidecar's feature.
    fn feature(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }
}

/// Sets the machine up, builds, then replaces this process with HAPA.
pub(crate) fn run(paths: &Paths, options: &Options) -> Result<()> {
    if options.headless {
        serve(paths, options.gpu)
    } else if has_display() {
        open_window(paths, options.gpu)
    } else {
        status::note("no display found: HAPA serves its API without a window");
        serve(paths, options.gpu)
    }
}

fn open_window(paths: &Paths, gpu: Option<Gpu>) -> Result<()> {
    {
        let _lock = devenv::lock(paths)?;
        devenv::for_window(paths)?;
        build(paths, &[handshake::BINARY, DESKTOP], gpu)?;
    }
    status::print("Opening", "HAPA");
    exec(Command::new(paths.binary(DESKTOP)))
}

fn serve(paths: &Paths, gpu: Option<Gpu>) -> Result<()> {
    {
        let _lock = devenv::lock(paths)?;
        devenv::for_serving(paths)?;
        build(paths, &[handshake::BINARY], gpu)?;
    }
    status::print("Serving", "HAPA's API; press Ctrl-C to stop it");
    let mut hapa = Command::new(paths.binary(handshake::BINARY));
    hapa.arg("serve");
    exec(hapa)
}

fn build(paths: &Paths, names: &[&str], gpu: Option<Gpu>) -> Result<()> {
    match gpu {
        Some(gpu) => binaries::build_with_feature(paths, names, gpu.feature()),
        None => binaries::build(paths, names),
    }
}

/// Replaces this process, so that Ctrl-C, exit code and process id are those of the program.
#[cfg(unix)]
fn exec(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;

    let error = command.exec();
    Err(anyhow!("could not start `{}`: {error}", command.get_program().display()))
}

/// Waits for the program: Windows cannot replace a process.
#[cfg(not(unix))]
fn exec(mut command: Command) -> Result<()> {
    use anyhow::Context;

    let status = command.status().with_context(|| format!("could not start `{}`", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(anyhow!("HAPA ended with {status}")) }
}

/// Whether a window can be opened: on Linux, if X11 or Wayland is in the environment; elsewhere, always.
fn has_display() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}
