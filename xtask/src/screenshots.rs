//! `cargo xtask screens`: pictures of every view, in both languages and themes, with what a real model answers.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::binaries;
use devenv as setup;
use devenv::paths::Paths;
use devenv::process::{npm, succeed};

/// Where the pictures go.
#[derive(Args)]
pub struct Options {
    /// A folder for them; those in the README come from ui/screenshots
    #[arg(default_value = "ui/screenshots")]
    folder: PathBuf,
}

/// Opens each view in Debian's Chromium over the real sidecar, and takes its picture.
pub fn screenshots(paths: &Paths, options: &Options) -> Result<()> {
    let lock = setup::lock(paths)?;
    let (model, small) = setup::for_screenshots(paths)?;
    drop(lock);
    binaries::build(paths, &[handshake::BINARY])?;
    let mut screens = npm(paths);
    screens.args(["run", "--silent", "screens"]).env("HAPA_SCREENSHOTS", paths.checkout.join(&options.folder));
    screens.env("HAPA_MODEL", model).env("HAPA_TEST_MODEL", small);
    succeed(screens.env("HAPA_TEST_PROGRAM", paths.binary(handshake::BINARY)))
}
