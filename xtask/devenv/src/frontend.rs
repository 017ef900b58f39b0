//! The front end: its npm packages and its build.

use std::path::PathBuf;

use anyhow::Result;

use crate::fingerprint::{Fingerprint, digest_files, digest_folder};
use crate::paths::Paths;
use crate::process::{npm, succeed};
use crate::status;

/// Entries of `ui/` that its build makes or does not read.
const NOT_BUILT_FROM: &[&str] = &["node_modules", "dist", "screenshots", "e2e", "playwright.config.ts"];

/// Installs the npm packages that `package-lock.json` names.
pub fn install(paths: &Paths) -> Result<()> {
    let ui = paths.ui();
    let wanted = digest_files(&ui, &["package.json", "package-lock.json"].map(PathBuf::from))?;
    // Inside node_modules, so that the fingerprint goes when the packages go.
    let fingerprint = Fingerprint::at(ui.join("node_modules/.installed-for"));
    if fingerprint.says(&wanted) {
        status::print("Fresh", "npm packages");
        return Ok(());
    }
    status::print("Installing", "npm packages");
    succeed(npm(paths).args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    fingerprint.write(&wanted)
}

/// Builds what the window shows into `ui/dist`.
pub fn build(paths: &Paths) -> Result<()> {
    let ui = paths.ui();
    let source = digest_folder(&ui, NOT_BUILT_FROM)?;
    let fingerprint = Fingerprint::at(ui.join("node_modules/.built-from"));
    if fingerprint.says(&source) && ui.join("dist/index.html").is_file() {
        status::print("Fresh", "front end");
        return Ok(());
    }
    status::print("Building", "front end");
    succeed(npm(paths).args(["run", "--silent", "build"]))?;
    fingerprint.write(&source)
}
