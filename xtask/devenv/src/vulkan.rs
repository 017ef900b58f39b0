//! llama.cpp's Vulkan backend, a shared library built from the same source as the llama.cpp of this workspace.

mod headers;

use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::files::{create_folder, remove_folder};
use crate::fingerprint::Fingerprint;
use crate::process::{capture, cargo, command, run};
use crate::{Paths, status};

/// The crate with llama.cpp's source.
const PACKAGE: &str = "llama-cpp-sys-2";

/// CMake options that build the backend as a library for llama.cpp's loader, as the crate's feature `dynamic-backends` builds the
/// others. Of the rest of llama.cpp only what the backend links to is built; it is not installed, since HAPA has its own.
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

/// The library's file name.
const FILE: &str = "libggml-vulkan.so";

/// Builds the backend unless that is done, and returns its path. The build takes about 8 minutes on two cores and resumes after an
/// interruption.
pub(crate) fn install(paths: &Paths) -> Result<PathBuf> {
    let headers = headers::install(paths)?;
    let (source, version) = source(paths)?;
    let folder = paths.cache.join("vulkan");
    let build = folder.join("build");
    let library = build.join("bin").join(FILE);
    let (started, built) = (Fingerprint::at(folder.join("begun")), Fingerprint::at(folder.join("built")));
    let options = options(headers.as_deref());
    let inputs = format!("{PACKAGE} {version} {}", options.join(" "));
    if built.matches(&inputs) && library.is_file() {
        status::print("Fresh", format_args!("Vulkan backend of {PACKAGE} {version}"));
        return Ok(library);
    }
    status::print("Building", format_args!("Vulkan backend of {PACKAGE} {version}: about 8 minutes on two cores"));
    if !started.matches(&inputs) {
        remove_folder(&build)?;
        create_folder(&folder)?;
        started.write(&inputs)?;
    }
    run(command("cmake").arg("-S").arg(source).arg("-B").arg(&build).args(&options))?;
    let cores = available_parallelism().map_or(1, usize::from).to_string();
    run(command("cmake").arg("--build").arg(&build).args(["--target", "ggml-vulkan", "--parallel", &cores]))?;
    built.write(&inputs)?;
    Ok(library)
}

/// CMake's options; unpacked headers take precedence over the system's.
fn options(headers: Option<&Path>) -> Vec<String> {
    let mut options: Vec<String> = OPTIONS.iter().map(ToString::to_string).collect();
    if let Some(headers) = headers {
        let include = headers.join("include");
        options.push(format!("-DCMAKE_PREFIX_PATH={}", headers.display()));
        options.push(format!("-DVulkan_INCLUDE_DIR={}", include.display()));
        // llama.cpp only checks that SPIR-V's headers exist; the compiler then includes them from its standard folders.
        options.push(format!("-DCMAKE_CXX_STANDARD_INCLUDE_DIRECTORIES={}", include.display()));
    }
    options
}

/// The source of llama.cpp that this workspace builds, and the version of the crate that contains it.
fn source(paths: &Paths) -> Result<(PathBuf, String)> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = capture(cargo(paths).args(["metadata", "--format-version", "1", "--filter-platform", &platform]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("could not parse the output of `cargo metadata`")?;
    find_source(&metadata)
        .with_context(|| format!("`cargo metadata` lists no `{PACKAGE}`, the crate with llama.cpp's source"))
}

fn find_source(metadata: &Value) -> Option<(PathBuf, String)> {
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
        let found = find_source(&json!({"packages": [other, ours]}));
        assert_eq!(found, Some((PathBuf::from("/crates/sys/llama.cpp"), "0.1.161".to_owned())));
        assert_eq!(find_source(&json!({"packages": []})), None);
    }

    #[test]
    fn unpacked_headers_take_precedence_over_the_systems() {
        assert_eq!(options(None).len(), OPTIONS.len());
        let options = options(Some(Path::new("/cache/usr")));
        assert!(options.contains(&"-DVulkan_INCLUDE_DIR=/cache/usr/include".to_owned()), "{options:?}");
    }
}
