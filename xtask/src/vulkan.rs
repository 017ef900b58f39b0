//! `cargo xtask vulkan`: builds llama.cpp's Vulkan backend, puts it where HAPA finds it, and proves that a model runs on it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use crate::binaries;
use devenv::paths::Paths;
use devenv::process::{cargo, succeed};
use devenv::status;
use devenv::{self as setup, vulkan};

/// Builds, puts and proves. The proof needs no GPU: Mesa's driver that calculates on the processor stands in for one.
pub fn vulkan(paths: &Paths) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Err(anyhow!("the Vulkan backend is built on Linux only for now; HAPA runs without it"));
    }
    let (backend, model) = {
        let _lock = setup::lock(paths)?;
        setup::for_vulkan(paths)?
    };
    binaries::build(paths, &[handshake::BINARY])?;
    put(&backend, &paths.binary(handshake::BINARY).with_file_name("llama"))?;
    status::print("Testing", "a model on Vulkan");
    let mut proof = cargo(paths);
    proof.args(["test", "--workspace", "--features", "tests/vulkan", "--test", "vulkan", "--", "--nocapture"]);
    proof.env("HAPA_TEST_MODEL", model);
    succeed(&mut proof)
}

/// Copies the backend into the folder beside the programs. A program that runs keeps the file it has mapped.
fn put(backend: &Path, folder: &Path) -> Result<()> {
    let (place, fresh) = (folder.join(vulkan::FILE), folder.join(format!("{}.new", vulkan::FILE)));
    let putting = || format!("could not put `{}`", place.display());
    fs::copy(backend, &fresh).with_context(putting)?;
    fs::rename(&fresh, &place).with_context(putting)?;
    status::print("Put", place.display());
    Ok(())
}
