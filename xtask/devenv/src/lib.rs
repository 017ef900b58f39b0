//! Installs what a machine needs to build, run and test HAPA. A step whose result is already there is skipped.
//!
//! Each `for_*` function covers one command of `cargo xtask`. Hold [`lock`] while calling them: two setups at a time would write the
//! same files.

mod apt;
pub mod files;
mod fingerprint;
mod frontend;
mod llama_server;
mod model;
mod node_packages;
mod paths;
pub mod process;
mod python_packages;
pub mod status;
mod system_packages;
mod toolchain;
mod vulkan;
mod webdriver;

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use anyhow::{Context, Result};

pub use self::paths::Paths;

/// Prepares serving the API without a window: a C++ compiler and the default model, whose path is returned.
///
/// # Errors
/// What is missing, or what could not be installed or downloaded.
pub fn for_serving(paths: &Paths) -> Result<PathBuf> {
    toolchain::require(&[toolchain::PYTHON])?;
    apt::install(&[system_packages::BUILD])?;
    model::default(paths)
}

/// Prepares the desktop app: what serving needs, the web view's libraries and the built front end.
///
/// # Errors
/// What is missing, or what could not be installed, downloaded or built.
pub fn for_window(paths: &Paths) -> Result<()> {
    toolchain::require(&[toolchain::NODE, toolchain::NPM, toolchain::PYTHON])?;
    apt::install(&[system_packages::BUILD, system_packages::WINDOW])?;
    frontend::install(paths)?;
    frontend::build(paths)?;
    model::default(paths).map(drop)
}

/// Prepares `cargo xtask test`: a virtual display, WebDriver, the API clients that test HAPA, and the small model.
///
/// # Errors
/// What is missing, or what could not be installed, downloaded or built.
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

/// Paths that the tests read from the environment.
#[derive(Debug)]
pub struct TestEnv {
    /// `PYTHONPATH` of schemathesis.
    pub schemathesis: PathBuf,
    /// `PYTHONPATH` of OpenAI's client for Python.
    pub openai_python: PathBuf,
    /// Folder from which Node.js requires OpenAI's client.
    pub openai_node: PathBuf,
    /// `PYTHONPATH` of llama-cpp-python's server.
    pub llama_cpp: PathBuf,
    /// The small model.
    pub model: PathBuf,
}

/// Prepares screenshots of the window: a browser, the built front end and two models.
///
/// # Errors
/// What is missing, or what could not be installed, downloaded or built.
pub fn for_screenshots(paths: &Paths) -> Result<ScreenshotEnv> {
    toolchain::require(&[toolchain::NODE, toolchain::NPM, toolchain::PYTHON])?;
    apt::install(&[system_packages::BUILD, system_packages::TESTS])?;
    frontend::install(paths)?;
    frontend::build(paths)?;
    Ok(ScreenshotEnv { answering_model: model::default(paths)?, downloaded_model: model::small(paths)? })
}

/// Models that the screenshots show.
#[derive(Debug)]
pub struct ScreenshotEnv {
    /// The default model, which generates the answers.
    pub answering_model: PathBuf,
    /// The small model, which is shown being downloaded.
    pub downloaded_model: PathBuf,
}

/// Prepares llama.cpp's Vulkan backend: its compilers and headers, the built library, and a Vulkan driver and model to test it with.
///
/// # Errors
/// What is missing, or what could not be installed, downloaded or built.
pub fn for_vulkan(paths: &Paths) -> Result<VulkanEnv> {
    toolchain::require(&[toolchain::PYTHON])?;
    apt::install(&[system_packages::BUILD, system_packages::VULKAN])?;
    Ok(VulkanEnv { backend: vulkan::install(paths)?, model: model::small(paths)? })
}

/// The Vulkan backend and the model that tests it.
#[derive(Debug)]
pub struct VulkanEnv {
    /// The shared library, under the name that llama.cpp's loader asks for.
    pub backend: PathBuf,
    /// The small model.
    pub model: PathBuf,
}

/// Prepares `cargo xtask bench`: what serving needs, and the FastAPI server that cached answers are compared with.
///
/// # Errors
/// What is missing, or what could not be installed or downloaded.
pub fn for_benchmarks(paths: &Paths) -> Result<BenchEnv> {
    Ok(BenchEnv { model: for_serving(paths)?, fastapi: python_packages::install(paths, &python_packages::FASTAPI)? })
}

/// Paths that the benchmarks read from the environment.
#[derive(Debug)]
pub struct BenchEnv {
    /// The default model.
    pub model: PathBuf,
    /// `PYTHONPATH` of FastAPI and uvicorn.
    pub fastapi: PathBuf,
}

/// Builds llama.cpp's own `llama-server`, which HAPA's engine is compared with, and returns its path. The first build takes about
/// 7 minutes on two cores.
///
/// # Errors
/// What could not be downloaded or built.
pub fn llama_server(paths: &Paths) -> Result<PathBuf> {
    llama_server::install(paths)
}

/// Prepares `cargo xtask fuzz`: a C++ compiler for libFuzzer and llama.cpp.
///
/// # Errors
/// What could not be installed.
pub fn for_fuzzing() -> Result<()> {
    apt::install(&[system_packages::BUILD])
}

/// Locks the setup against other `cargo xtask` processes until the file is dropped or this process ends. Waits for the lock.
///
/// # Errors
/// The lock file could not be created or locked.
pub fn lock(paths: &Paths) -> Result<File> {
    let path = paths.cache.join("setup.lock");
    let locking = || format!("could not lock `{}`", path.display());
    files::create_folder(&paths.cache)?;
    let file = File::create(&path).with_context(locking)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            status::print("Waiting", "for another `cargo xtask` to finish its setup");
            file.lock().with_context(locking)?;
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(locking),
    }
    Ok(file)
}
