//! Node packages that the tests use, each installed into a folder of its own in the cache.

use std::path::PathBuf;

use anyhow::Result;

use crate::files::empty_folder;
use crate::fingerprint::Fingerprint;
use crate::process::{npm, run};
use crate::{Paths, status};

/// OpenAI's client: the last version that supports Node.js 20.
const OPENAI: &str = "openai@6.30.1";

/// Installs OpenAI's client and returns the folder that it is required from.
pub(crate) fn openai(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.tools().join("node").join("openai");
    let fingerprint = Fingerprint::at(folder.join("installed"));
    if fingerprint.matches(OPENAI) {
        status::print("Fresh", OPENAI);
        return Ok(folder);
    }
    status::print("Installing", OPENAI);
    empty_folder(&folder)?;
    let mut npm = npm(paths);
    npm.current_dir(&folder).args(["install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts"]);
    npm.arg("--loglevel=error").arg("--prefix").arg(&folder).arg(OPENAI);
    run(&mut npm)?;
    fingerprint.write(OPENAI)?;
    Ok(folder)
}
