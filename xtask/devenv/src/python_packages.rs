//! Python packages that tests and benchmarks use, each set installed into a folder of its own in the cache.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::files::empty_folder;
use crate::fingerprint::Fingerprint;
use crate::process::{command, run};
use crate::{Paths, status};

/// Packages with pinned versions that are installed together.
pub(crate) struct PackageSet {
    /// The name of their folder.
    name: &'static str,
    packages: &'static [&'static str],
    /// CMake options for packages that are compiled from C++.
    cmake_options: &'static [&'static str],
}

/// The property-based API tester: it derives requests from the OpenAPI description alone.
pub(crate) const SCHEMATHESIS: PackageSet =
    PackageSet { name: "schemathesis", packages: &["schemathesis==4.32.5"], cmake_options: &[] };

/// OpenAI's own client.
pub(crate) const OPENAI: PackageSet = PackageSet { name: "openai", packages: &["openai==3.54.0"], cmake_options: &[] };

/// The server that cached answers are compared with.
pub(crate) const FASTAPI: PackageSet =
    PackageSet { name: "fastapi", packages: &["fastapi==0.165.0", "uvicorn==0.54.0"], cmake_options: &[] };

/// llama-cpp-python's OpenAI-compatible server: the independent remote server of the tests. It is distributed as source; only the
/// library that it calls is compiled, which takes about 4 minutes on two cores.
pub(crate) const LLAMA_CPP: PackageSet = PackageSet {
    name: "llama-cpp",
    packages: &[
        "llama-cpp-python[server]==0.3.36",
        "fastapi==0.165.0",
        "pydantic-settings==2.16.3",
        "sse-starlette==3.7.0",
        "starlette-context==0.3.6",
        "uvicorn==0.54.0",
    ],
    cmake_options: &[
        "-DGGML_NATIVE=ON",
        "-DLLAVA_BUILD=OFF",
        "-DLLAMA_OPENSSL=OFF",
        "-DLLAMA_BUILD_APP=OFF",
        "-DLLAMA_BUILD_EXAMPLES=OFF",
        "-DLLAMA_BUILD_SERVER=OFF",
        "-DLLAMA_BUILD_TESTS=OFF",
        "-DLLAMA_BUILD_TOOLS=OFF",
    ],
};

/// Excludes llama.cpp's `common` library, which only its own programs use. llama-cpp-python's CMake file turns the option on, so
/// that a command line option could not turn it off.
const WITHOUT_COMMON: &str = "set(LLAMA_BUILD_COMMON OFF)\n";

/// Installs a set and returns its folder, which goes into `PYTHONPATH`.
pub(crate) fn install(paths: &Paths, set: &PackageSet) -> Result<PathBuf> {
    let folder = paths.tools().join("python").join(set.name);
    let fingerprint = Fingerprint::at(folder.join("installed"));
    let inputs = [set.packages, set.cmake_options].concat().join("\n");
    if fingerprint.matches(&inputs) {
        status::print("Fresh", set.packages.join(", "));
        return Ok(folder);
    }
    status::print("Installing", set.packages.join(", "));
    empty_folder(&folder)?;
    let mut pip = command("python3");
    // `python3 -m` also imports from the current folder, which must therefore not be the checkout.
    pip.current_dir(&folder);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--target"]);
    pip.arg(&folder).args(set.packages);
    if !set.cmake_options.is_empty() {
        let included = folder.join("library-alone.cmake");
        fs::write(&included, WITHOUT_COMMON).with_context(|| format!("could not write `{}`", included.display()))?;
        let include = format!("-DCMAKE_PROJECT_llama_cpp_INCLUDE={}", included.display());
        pip.env("CMAKE_ARGS", format!("{} {include}", set.cmake_options.join(" ")));
    }
    run(&mut pip)?;
    fingerprint.write(&inputs)?;
    Ok(folder)
}
