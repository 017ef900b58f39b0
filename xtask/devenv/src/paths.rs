//! Where things are: the checkout, the cache, the target folder and HAPA's data.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

/// The folders that the commands read and write.
pub struct Paths {
    /// The repository's root.
    pub checkout: PathBuf,
    /// What can be made or fetched again: `~/.cache/hapa` on Linux.
    pub cache: PathBuf,
    /// Cargo's target folder: `CARGO_TARGET_DIR`, else one in the cache, so that every clone shares one llama.cpp.
    pub target: PathBuf,
    /// HAPA's own data: `HAPA_DATA_DIR`, else the platform's folder.
    pub data: PathBuf,
}

impl Paths {
    /// Reads the environment.
    pub fn find() -> Result<Self> {
        let homeless = || anyhow!("this user has no home folder; set HOME and run this again");
        let project = directories::ProjectDirs::from("dev", "hapa", "hapa").ok_or_else(homeless)?;
        let cache = project.cache_dir().to_path_buf();
        Ok(Self {
            checkout: checkout(),
            target: folder("CARGO_TARGET_DIR").unwrap_or_else(|| cache.join("target")),
            data: handshake::data_folder(folder(handshake::DATA_VARIABLE)).ok_or_else(homeless)?,
            cache,
        })
    }

    /// The front end's folder.
    pub fn ui(&self) -> PathBuf {
        self.checkout.join("ui")
    }

    /// A binary of this workspace, built in the dev profile.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name).with_extension(env::consts::EXE_EXTENSION)
    }

    /// Programs installed for the tests, below this folder's `bin`.
    pub fn tools(&self) -> PathBuf {
        self.cache.join("tools")
    }
}

/// The root of the checkout that `cargo run` started us for. One binary may serve several clones in turn, so what
/// cargo says now goes before what was true when this was compiled.
fn checkout() -> PathBuf {
    let package = folder("CARGO_MANIFEST_DIR").unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    let root = package.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.map(Path::to_path_buf).expect("the commands lie in the checkout, whose root has the lock file")
}

/// The absolute folder named by an environment variable that is set and not empty.
fn folder(variable: &str) -> Option<PathBuf> {
    let value = env::var_os(variable).filter(|value| !value.is_empty())?;
    std::path::absolute(value).ok()
}
