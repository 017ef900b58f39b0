//! Builds the workspace's binaries in the one profile that all commands share.

use std::fs;

use anyhow::Result;
use devenv::process::{cargo, run};
use devenv::{Paths, status};

/// The desktop app's binary.
pub(crate) const DESKTOP: &str = "desktop";

/// Builds the binaries of these names.
///
/// Always selects the whole workspace and builds only these binaries. Cargo unifies features over the selected packages, also those
/// of llama.cpp's build script: with a narrower selection it would rebuild llama.cpp, which takes ten minutes.
pub(crate) fn build(paths: &Paths, names: &[&str]) -> Result<()> {
    announce_llama_build(paths);
    run(cargo(paths).args(["build", "--workspace"]).args(select(names)))
}

/// The same with a feature of the sidecar that rebuilds llama.cpp.
pub(crate) fn build_with_feature(paths: &Paths, names: &[&str], feature: &str) -> Result<()> {
    let feature = format!("sidecar/{feature}");
    run(cargo(paths).args(["build", "--workspace", "--features", &feature]).args(select(names)))
}

fn select<'a>(names: &[&'a str]) -> Vec<&'a str> {
    names.iter().flat_map(|name| ["--bin", name]).collect()
}

/// Announces the long first build of llama.cpp.
pub(crate) fn announce_llama_build(paths: &Paths) {
    if !is_llama_built(paths) {
        status::note("building llama.cpp, once for this machine: about 10 minutes on two cores");
    }
}

/// Whether llama.cpp's build script has succeeded in the target folder: cargo writes its `output` then.
fn is_llama_built(paths: &Paths) -> bool {
    let Ok(scripts) = fs::read_dir(paths.target.join("debug").join("build")) else { return false };
    scripts.flatten().any(|script| {
        script.file_name().to_string_lossy().starts_with("llama-cpp-sys-2-") && script.path().join("output").is_file()
    })
}
