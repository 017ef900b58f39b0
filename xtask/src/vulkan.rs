//! `cargo xtask vulkan`: builds llama.cpp's Vulkan backend, installs it beside the binaries, and tests a model on it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use devenv::process::{cargo, run};
use devenv::{Paths, status};

use crate::binaries;

/// Builds, installs and tests the backend. The test needs no GPU: Mesa has a Vulkan driver that runs on the processor.
pub(crate) fn vulkan(paths: &Paths) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("the Vulkan backend can only be built on Linux; HAPA works without it");
    }
    let lock = devenv::lock(paths)?;
    let env = devenv::for_vulkan(paths)?;
    drop(lock);
    binaries::build(paths, &[handshake::BINARY])?;
    install(&env.backend, &paths.binary(handshake::BINARY).with_file_name("llama"))?;
    status::print("Testing", "a model on Vulkan");
    let mut test = cargo(paths);
    test.args(["test", "--workspace", "--features", "tests/vulkan", "--test", "vulkan", "--", "--nocapture"]);
    run(test.env("HAPA_TEST_MODEL", env.model))
}

/// Copies the backend into the folder beside the binaries by renaming a copy, so that a running HAPA keeps the file that it has mapped.
fn install(backend: &Path, folder: &Path) -> Result<()> {
    let name = backend.file_name().expect("the backend is a file");
    let installed = folder.join(name);
    let copy = installed.with_added_extension("new");
    let copied = fs::copy(backend, &copy).and_then(|_| fs::rename(&copy, &installed));
    copied.with_context(|| format!("could not install `{}`", installed.display()))?;
    status::print("Installed", installed.display());
    Ok(())
}
