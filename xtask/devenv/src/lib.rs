//! What must be there before HAPA can be built, run or tested. Every step is cheap once it is done.

mod apt;
pub mod status;
mod webdriver;

mod fingerprint;
mod frontend;
pub mod llama_server;
mod model;
mod node_packages;
pub mod paths;
pub mod process;
pub mod python_packages;
mod system_packages;
mod toolchain;
pub mod vulkan;

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::paths::Paths;

/// The API without a window: a compiler and a model, whose path is told.
pub fn for_serving(paths: &Paths) -> Result<PathBuf> {
    toolchain::require(&[toolchain::PYTHON])?;
    apt::install(&[system_packages::BUILD])?;
    model::default(paths)
}

/// The app: what serving needs, the web view and the front end.
pub fn for_window(paths: &Paths) -> Result<()> {
    toolchain::require(&[toolchain::NODE, toolchain::NPM, toolchain::PYTHON])?;
    apt::install(&[system_packages::BUILD, system_packages::WINDOW])?;
    frontend::install(paths)?;
    frontend::build(paths)?;
    model::default(paths).map(drop)
}

/// The tests: a window without a display, the driver that types into it, and the small model.
pub fn for_tests(paths: &Paths) -> Result<TestEnv> {
    toolchain::require(&[toolchain::NODE, toolchain::NPM, toolchain::PYTHON, toolchain::RUSTFMT, toolchain::CLIPPY])?;
    apt::install(&[system_packages::BUILD, system_packages::WINDOW, system_packages::TESTS])?;
    frontend::install(paths)?;
    frontend::build(paths)?;
    webdriver::install(paths)?;
    Ok(TestEnv {
        schemathesis: python_packages::install(paths, &python_packages::SCHEMATHESIS)?,
        openai_python: python_packages::install(paths, &python_packages::OPENAI)?,
        openai_node: node_packages::openai(paths)?,
        llama_cpp: python_packages::install(paths, &python_packages::LLAMA_CPP)?,
        model: model::small(paths)?,
    })
}

/// Pictures of the window: a browser, the front end, and the paths of two models, one that answers and one to be downloaded.
pub fn for_screenshots(paths: &Paths) -> Result<(PathBuf, PathBuf)> {
    toolchain::require(&[toolchain::NODE, toolchain::NPM, toolchain::PYTHON])?;
    apt::install(&[system_packages::BUILD, system_packages::TESTS])?;
    frontend::install(paths)?;
    frontend::build(paths)?;
    Ok((model::default(paths)?, model::small(paths)?))
}

/// The Vulkan backend, with what it is built and proven with: its path, and that of the small model.
pub fn for_vulkan(paths: &Paths) -> Result<(PathBuf, PathBuf)> {
    toolchain::require(&[toolchain::PYTHON])?;
    apt::install(&[system_packages::BUILD, system_packages::VULKAN])?;
    Ok((vulkan::install(paths)?, model::small(paths)?))
}

/// What the tests are told about the machine.
pub struct TestEnv {
    /// The folder of schemathesis.
    pub schemathesis: PathBuf,
    /// The folder of OpenAI's client for Python.
    pub openai_python: PathBuf,
    /// The folder of OpenAI's client for Node.js.
    pub openai_node: PathBuf,
    /// The folder of llama-cpp-python's server.
    pub llama_cpp: PathBuf,
    /// The small real model.
    pub model: PathBuf,
}

/// Keeps a second `cargo xtask` out until the file is dropped, or this process ends in whatever way.
pub fn lock(paths: &Paths) -> Result<File> {
    let path = paths.cache.join("setup.lock");
    let trying = || format!("could not lock `{}`", path.display());
    fs::create_dir_all(&paths.cache).with_context(|| format!("could not create `{}`", paths.cache.display()))?;
    let file = File::create(&path).with_context(trying)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            status::print("Waiting", "for another `cargo xtask` to finish its setup");
            file.lock().with_context(trying)?;
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(trying),
    }
    Ok(file)
}
