//! The front end: its npm packages and its build.

use std::path::PathBuf;

use crate::console;
use crate::places::Places;
use crate::problem::Result;
use crate::process::{npm, succeed};
use crate::stamp::{Stamp, digest_files, digest_folder};

/// Entries of `ui/` that its build makes or does not read.
const NOT_BUILT_FROM: &[&str] = &["node_modules", "dist", "screenshots", "e2e", "playwright.config.ts"];

/// Installs the npm packages that `package-lock.json` names.
pub fn install(places: &Places) -> Result<()> {
    let ui = places.ui();
    let wanted = digest_files(&ui, &["package.json", "package-lock.json"].map(PathBuf::from))?;
    // Inside node_modules, so that the stamp goes when the packages go.
    let stamp = Stamp::at(ui.join("node_modules/.installed-for"));
    if stamp.says(&wanted) {
        console::step("Fresh", "npm packages");
        return Ok(());
    }
    console::step("Installing", "npm packages");
    succeed(npm(places).args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    stamp.write(&wanted)
}

/// Builds what the window shows into `ui/dist`.
pub fn build(places: &Places) -> Result<()> {
    let ui = places.ui();
    let source = digest_folder(&ui, NOT_BUILT_FROM)?;
    let stamp = Stamp::at(ui.join("node_modules/.built-from"));
    if stamp.says(&source) && ui.join("dist/index.html").is_file() {
        console::step("Fresh", "front end");
        return Ok(());
    }
    console::step("Building", "front end");
    succeed(npm(places).args(["run", "--silent", "build"]))?;
    stamp.write(&source)
}
