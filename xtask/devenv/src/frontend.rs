//! The front end: installs its npm packages and builds it into `ui/dist`.

use std::path::PathBuf;

use anyhow::Result;

use crate::fingerprint::{Fingerprint, hash_files, hash_folder};
use crate::process::{npm, run};
use crate::{Paths, status};

/// Entries of `ui/` that are not inputs of the build.
const NOT_INPUTS: &[&str] = &["node_modules", "dist", "screenshots", "e2e", "playwright.config.ts"];

/// Installs the npm packages of `package-lock.json`.
pub(crate) fn install(paths: &Paths) -> Result<()> {
    let ui = paths.ui();
    let inputs = hash_files(&ui, &["package.json", "package-lock.json"].map(PathBuf::from))?;
    // Inside node_modules, so that both are deleted together.
    let fingerprint = Fingerprint::at(ui.join("node_modules/.installed-for"));
    if fingerprint.matches(&inputs) {
        status::print("Fresh", "npm packages");
        return Ok(());
    }
    status::print("Installing", "npm packages");
    run(npm(paths).args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    fingerprint.write(&inputs)
}

/// Builds the front end into `ui/dist`.
pub(crate) fn build(paths: &Paths) -> Result<()> {
    let ui = paths.ui();
    let inputs = hash_folder(&ui, NOT_INPUTS)?;
    let fingerprint = Fingerprint::at(ui.join("node_modules/.built-from"));
    if fingerprint.matches(&inputs) && ui.join("dist/index.html").is_file() {
        status::print("Fresh", "front end");
        return Ok(());
    }
    status::print("Building", "front end");
    run(npm(paths).args(["run", "--silent", "build"]))?;
    fingerprint.write(&inputs)
}
