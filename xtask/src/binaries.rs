//! Building the workspace's programs in the one profile that both commands share.

use std::fs;

use anyhow::Result;

use devenv::paths::Paths;
use devenv::process::{cargo, succeed};
use devenv::status;

/// The desktop app's program.
pub const DESKTOP: &str = "desktop";

/// Builds the programs of these names.
///
/// The whole workspace is selected each time, and only the wanted programs are built. Cargo settles features over the selected
/// packages, also those of llama.cpp's build script: a narrower selection would build llama.cpp again for ten minutes.
pub fn build(paths: &Paths, names: &[&str]) -> Result<()> {
    announce_llama(paths);
    build_with(paths, names, None)
}

/// The same with a feature of the sidecar, for which llama.cpp is built once more.
pub fn build_with(paths: &Paths, names: &[&str], feature: Option<&str>) -> Result<()> {
    let mut cargo = cargo(paths);
    cargo.args(["build", "--workspace"]);
    for name in names {
        cargo.args(["--bin", name]);
    }
    if let Some(feature) = feature {
        cargo.arg("--features").arg(format!("sidecar/{feature}"));
    }
    succeed(&mut cargo)
}

/// Tells, before the first build, why it takes so long.
pub fn announce_llama(paths: &Paths) {
    if !llama_was_built(paths) {
        status::note("llama.cpp is built now, once for this machine: about 10 minutes on two cores");
    }
}

/// Whether a build of llama.cpp has come to its end in the target folder: cargo writes `output` then.
fn llama_was_built(paths: &Paths) -> bool {
    let Ok(scripts) = fs::read_dir(paths.target.join("debug").join("build")) else { return false };
    scripts.flatten().any(|script| {
        script.file_name().to_string_lossy().starts_with("llama-cpp-sys-2-") && script.path().join("output").is_file()
    })
}
