//! llama.cpp's Vulkan backend, a file of its own: built from the very source that the rest of llama.cpp was built from.

mod headers;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use crate::fingerprint::Fingerprint;
use crate::paths::Paths;
use crate::process::{cargo, command, read, succeed};
use crate::status;

/// The package that carries the source.
const PACKAGE: &str = "llama-cpp-sys-2";

/// What it is built as: a library that the loader opens, as the package's feature `dynamic-backends` builds the others. Of the rest
/// of llama.cpp only what it links to is built, which is not kept: the programs bring their own.
const OPTIONS: &[&str] = &[
    "-DCMAKE_BUILD_TYPE=Release",
    "-DCMAKE_SKIP_RPATH=ON",
    "-DBUILD_SHARED_LIBS=ON",
    "-DGGML_BACKEND_DL=ON",
    "-DGGML_VULKAN=ON",
    "-DGGML_CPU=OFF",
    "-DGGML_NATIVE=OFF",
    "-DGGML_OPENMP=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_COMMON=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_TOOLS=OFF",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
];

/// The library's name.
pub const FILE: &str = "libggml-vulkan.so";

/// Builds it unless that is done, which takes some eight minutes on two cores, and tells its path. Interrupted, it goes on where it
/// was.
pub fn install(paths: &Paths) -> Result<PathBuf> {
    let headers = headers::install(paths)?;
    let (source, version) = source(paths)?;
    let folder = paths.cache.join("vulkan");
    let build = folder.join("build");
    let library = build.join("bin").join(FILE);
    let (begun, built) = (Fingerprint::at(folder.join("begun")), Fingerprint::at(folder.join("built")));
    let options = options(headers.as_deref());
    let wanted = format!("{PACKAGE} {version} {}", options.join(" "));
    if built.says(&wanted) && library.is_file() {
        status::print("Fresh", format_args!("Vulkan backend of {PACKAGE} {version}"));
        return Ok(library);
    }
    status::print("Building", format_args!("Vulkan backend of {PACKAGE} {version}: about 8 minutes on two cores"));
    if !begun.says(&wanted) {
        if build.exists() {
            fs::remove_dir_all(&build).with_context(|| format!("could not remove `{}`", build.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("could not create `{}`", folder.display()))?;
        begun.write(&wanted)?;
    }
    succeed(command("cmake").arg("-S").arg(source).arg("-B").arg(&build).args(&options))?;
    let cores = available_parallelism().map_or(1, usize::from).to_string();
    succeed(command("cmake").arg("--build").arg(&build).args(["--target", "ggml-vulkan", "--parallel", &cores]))?;
    built.write(&wanted)?;
    Ok(library)
}

/// The options with the place of the headers, which go before the system's.
fn options(headers: Option<&Path>) -> Vec<String> {
    let mut options: Vec<String> = OPTIONS.iter().map(ToString::to_string).collect();
    if let Some(headers) = headers {
        let include = headers.join("include");
        options.push(format!("-DCMAKE_PREFIX_PATH={}", headers.display()));
        options.push(format!("-DVulkan_INCLUDE_DIR={}", include.display()));
        // llama.cpp looks for SPIR-V's headers, and then takes them from where the compiler looks by itself.
        options.push(format!("-DCMAKE_CXX_STANDARD_INCLUDE_DIRECTORIES={}", include.display()));
    }
    options
}

/// The folder of llama.cpp that this workspace is built with, and the version of the package that it came in.
fn source(paths: &Paths) -> Result<(PathBuf, String)> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = read(cargo(paths).args(["metadata", "--format-version", "1", "--filter-platform", &platform]))?;
    let metadata: Value = serde_json::from_str(&metadata)
        .map_err(|error| anyhow!("could not read what `cargo metadata` says: {error}"))?;
    package(&metadata).ok_or_else(|| anyhow!("`cargo metadata` knows no `{PACKAGE}`, which carries llama.cpp's source"))
}

fn package(metadata: &Value) -> Option<(PathBuf, String)> {
    let package = metadata["packages"].as_array()?.iter().find(|package| package["name"] == PACKAGE)?;
    let manifest = Path::new(package["manifest_path"].as_str()?);
    Some((manifest.with_file_name("llama.cpp"), package["version"].as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_source_is_the_one_that_the_workspace_is_built_with() {
        let other =
            json!({"name": "llama-cpp-2", "version": "1.0.0", "manifest_path": "/crates/llama-cpp-2/Cargo.toml"});
        let ours = json!({"name": PACKAGE, "version": "0.1.161", "manifest_path": "/crates/sys/Cargo.toml"});
        let found = package(&json!({"packages": [other, ours]}));
        assert_eq!(found, Some((PathBuf::from("/crates/sys/llama.cpp"), "0.1.161".to_owned())));
        assert_eq!(package(&json!({"packages": []})), None);
    }

    #[test]
    fn headers_of_our_own_go_before_the_systems() {
        assert_eq!(options(None).len(), OPTIONS.len());
        let options = options(Some(Path::new("/cache/usr")));
        assert!(options.contains(&"-DVulkan_INCLUDE_DIR=/cache/usr/include".to_owned()), "{options:?}");
    }
}
