//! What must be there before HAPA can be built, run or tested. Every step is cheap once it is done.

mod apt;
pub mod console;
mod driver;
mod headers;
mod model;
mod node;
mod packages;
pub mod peer;
pub mod places;
pub mod problem;
pub mod process;
pub mod python;
mod stamp;
mod tools;
pub mod vulkan;
mod web;

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;

use crate::places::Places;
use crate::problem::{Problem, Result, While};

/// The API without a window: a compiler and a model, whose path is told.
pub fn for_serving(places: &Places) -> Result<PathBuf> {
    tools::require(&[tools::PYTHON])?;
    apt::install(&[packages::BUILD])?;
    model::default(places)
}

/// The app: what serving needs, the web view and the front end.
pub fn for_window(places: &Places) -> Result<()> {
    tools::require(&[tools::NODE, tools::NPM, tools::PYTHON])?;
    apt::install(&[packages::BUILD, packages::WINDOW])?;
    web::install(places)?;
    web::build(places)?;
    model::default(places).map(drop)
}

/// The tests: a window without a display, the driver that types into it, and the small model.
pub fn for_tests(places: &Places) -> Result<Tested> {
    tools::require(&[tools::NODE, tools::NPM, tools::PYTHON, tools::RUSTFMT, tools::CLIPPY])?;
    apt::install(&[packages::BUILD, packages::WINDOW, packages::TESTS])?;
    web::install(places)?;
    web::build(places)?;
    driver::install(places)?;
    Ok(Tested {
        schemathesis: python::install(places, &python::SCHEMATHESIS)?,
        openai_python: python::install(places, &python::OPENAI)?,
        openai_node: node::openai(places)?,
        llama_cpp: python::install(places, &python::LLAMA_CPP)?,
        model: model::small(places)?,
    })
}

/// Pictures of the window: a browser, the front end, and the paths of two models, one that answers and one to be downloaded.
pub fn for_screens(places: &Places) -> Result<(PathBuf, PathBuf)> {
    tools::require(&[tools::NODE, tools::NPM, tools::PYTHON])?;
    apt::install(&[packages::BUILD, packages::TESTS])?;
    web::install(places)?;
    web::build(places)?;
    Ok((model::default(places)?, model::small(places)?))
}

/// The Vulkan backend, with what it is built and proven with: its path, and that of the small model.
pub fn for_vulkan(places: &Places) -> Result<(PathBuf, PathBuf)> {
    tools::require(&[tools::PYTHON])?;
    apt::install(&[packages::BUILD, packages::VULKAN])?;
    Ok((vulkan::install(places)?, model::small(places)?))
}

/// What the tests are told about the machine.
pub struct Tested {
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
pub fn lock(places: &Places) -> Result<File> {
    let path = places.cache.join("setup.lock");
    let trying = || format!("lock `{}`", path.display());
    fs::create_dir_all(&places.cache).while_trying(format_args!("create `{}`", places.cache.display()))?;
    let file = File::create(&path).while_trying(trying())?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            console::step("Waiting", "for another `cargo xtask` to finish its setup");
            file.lock().while_trying(trying())?;
        }
        Err(TryLockError::Error(error)) => return Err(Problem::new(format!("could not {}: {error}", trying()))),
    }
    Ok(file)
}
