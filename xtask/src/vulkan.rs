//! `cargo xtask vulkan`: builds llama.cpp's Vulkan backend, puts it where HAPA finds it, and proves that a model runs on it.

use std::fs;
use std::path::Path;

use crate::binaries;
use devenv::console;
use devenv::places::Places;
use devenv::problem::{Problem, Result, While};
use devenv::process::{cargo, succeed};
use devenv::{self as setup, vulkan};

/// Builds, puts and proves. The proof needs no GPU: Mesa's driver that calculates on the processor stands in for one.
pub fn vulkan(places: &Places) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Err(Problem::new("the Vulkan backend is built on Linux only for now; HAPA runs without it"));
    }
    let (backend, model) = {
        let _lock = setup::lock(places)?;
        setup::for_vulkan(places)?
    };
    binaries::build(places, &[handshake::BINARY])?;
    put(&backend, &places.binary(handshake::BINARY).with_file_name("llama"))?;
    console::step("Testing", "a model on Vulkan");
    let mut proof = cargo(places);
    proof.args(["test", "--workspace", "--features", "tests/vulkan", "--test", "vulkan", "--", "--nocapture"]);
    proof.env("HAPA_TEST_MODEL", model);
    succeed(&mut proof)
}

/// Copies the backend into the folder beside the programs. A program that runs keeps the file it has mapped.
fn put(backend: &Path, folder: &Path) -> Result<()> {
    let (place, fresh) = (folder.join(vulkan::FILE), folder.join(format!("{}.new", vulkan::FILE)));
    let putting = || format!("put `{}`", place.display());
    fs::copy(backend, &fresh).while_trying(putting())?;
    fs::rename(&fresh, &place).while_trying(putting())?;
    console::step("Put", place.display());
    Ok(())
}
