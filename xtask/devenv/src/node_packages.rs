//! Node packages that tests drive HAPA with: each lies in a folder of its own in the cache, away from the front end's packages.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::fingerprint::Fingerprint;
use crate::paths::Paths;
use crate::process::{npm, succeed};
use crate::status;

/// OpenAI's own client; the last one that runs on Node.js 20.
const OPENAI: &str = "openai@6.30.1";

/// Installs OpenAI's client, and gives back the folder that it is required from.
pub fn openai(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.tools().join("node").join("openai");
    let fingerprint = Fingerprint::at(folder.join("installed"));
    if fingerprint.says(OPENAI) {
        status::print("Fresh", OPENAI);
        return Ok(folder);
    }
    status::print("Installing", OPENAI);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("could not empty `{}`", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("could not create `{}`", folder.display()))?;
    let mut npm = npm(paths);
    npm.current_dir(&folder).args(["install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts"]);
    npm.arg("--loglevel=error").arg("--prefix").arg(&folder).arg(OPENAI);
    succeed(&mut npm)?;
    fingerprint.write(OPENAI)?;
    Ok(folder)
}
