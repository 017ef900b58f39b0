//! `cargo xtask screens`: screenshots of every view in both languages and themes, with answers of a real model.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use devenv::Paths;
use devenv::process::{npm, run};

use crate::binaries;

/// Options of `cargo xtask screens`.
#[derive(Args)]
pub(crate) struct Options {
    /// Output folder; the README shows screenshots of ui/screenshots
    #[arg(default_value = "ui/screenshots")]
    folder: PathBuf,
}

/// Opens each view in Chromium against the real sidecar, and takes a screenshot.
pub(crate) fn screenshots(paths: &Paths, options: &Options) -> Result<()> {
    let lock = devenv::lock(paths)?;
    let env = devenv::for_screenshots(paths)?;
    drop(lock);
    binaries::build(paths, &[handshake::BINARY])?;
    let mut playwright = npm(paths);
    playwright.args(["run", "--silent", "screens"]);
    playwright.env("HAPA_SCREENSHOTS", paths.checkout.join(&options.folder));
    playwright.env("HAPA_MODEL", env.answering_model).env("HAPA_TEST_MODEL", env.downloaded_model);
    run(playwright.env("HAPA_TEST_PROGRAM", paths.binary(handshake::BINARY)))
}
