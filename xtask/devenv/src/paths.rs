//! The folders that setup and commands read and write: checkout, cache, target folder and data folder.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folders of one checkout and one user.
#[derive(Debug)]
pub struct Paths {
    /// The repository's root.
    pub checkout: PathBuf,
    /// Installed and downloaded files that can be restored at any time: `~/.cache/hapa` on Linux.
    pub cache: PathBuf,
    /// Cargo's target folder: `CARGO_TARGET_DIR`, else a folder of the cache, so that all clones share one build of llama.cpp.
    pub target: PathBuf,
    /// HAPA's own data: `HAPA_DATA_DIR`, else the platform's folder.
    pub data: PathBuf,
}

impl Paths {
    /// Finds the folders from the environment.
    ///
    /// # Errors
    /// The user has no home folder.
    pub fn from_env() -> Result<Self> {
        let homeless = "this user has no home folder; set HOME and run this again";
        let project = directories::ProjectDirs::from("dev", "hapa", "hapa").context(homeless)?;
        let cache = project.cache_dir().to_path_buf();
        Ok(Self {
            checkout: checkout(),
            target: folder("CARGO_TARGET_DIR").unwrap_or_else(|| cache.join("target")),
            data: handshake::data_dir(folder(handshake::DATA_DIR_VAR)).context(homeless)?,
            cache,
        })
    }

    /// The front end's folder.
    #[must_use]
    pub fn ui(&self) -> PathBuf {
        self.checkout.join("ui")
    }

    /// A binary of this workspace, built in the dev profile.
    #[must_use]
    pub fn binary(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name).with_extension(env::consts::EXE_EXTENSION)
    }

    /// Root of the programs installed for the tests; the executables are in its `bin`.
    #[must_use]
    pub fn tools(&self) -> PathBuf {
        self.cache.join("tools")
    }
}

/// The root of the checkout that `cargo run` started this process for: the nearest folder with a lock file. Clones that share a
/// target folder share the binary too, so cargo's variable at run time takes precedence over the one at compile time.
fn checkout() -> PathBuf {
    let package = folder("CARGO_MANIFEST_DIR").unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    let root = package.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.map(Path::to_path_buf).expect("this package lies in a workspace with a lock file")
}

/// The absolute path in an environment variable that is set and not empty.
fn folder(variable: &str) -> Option<PathBuf> {
    let value = env::var_os(variable).filter(|value| !value.is_empty())?;
    std::path::absolute(value).ok()
}
