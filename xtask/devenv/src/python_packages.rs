//! Python programs that tests and benchmarks run: each set lies in a folder of its own in the cache, away from the user's packages.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::fingerprint::Fingerprint;
use crate::paths::Paths;
use crate::process::{command, succeed};
use crate::status;

/// Packages with their versions, and the name of the folder that they go into.
pub struct Set {
    name: &'static str,
    packages: &'static [&'static str],
    /// How packages in C++ are compiled, in CMake's options.
    cmake: &'static [&'static str],
}

/// The client that knows the API's description and nothing else.
pub const SCHEMATHESIS: Set = Set { name: "schemathesis", packages: &["schemathesis==4.32.5"], cmake: &[] };

/// OpenAI's own client.
pub const OPENAI: Set = Set { name: "openai", packages: &["openai==3.54.0"], cmake: &[] };

/// The server that cached answers are measured against.
pub const FASTAPI: Set = Set { name: "fastapi", packages: &["fastapi==0.165.0", "uvicorn==0.54.0"], cmake: &[] };

/// A server that we did not write, for HAPA to ask: llama-cpp-python's. It comes as source, of which no more is compiled than the
/// library that it calls: some four minutes on two cores.
pub const LLAMA_CPP: Set = Set {
    name: "llama-cpp",
    packages: &[
        "llama-cpp-python[server]==0.3.36",
        "fastapi==0.165.0",
        "pydantic-settings==2.16.3",
        "sse-starlette==3.7.0",
        "starlette-context==0.3.6",
        "uvicorn==0.54.0",
    ],
    cmake: &[
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

/// Leaves out the half of llama.cpp that only its own programs use. The package asks for it, and an option could not say no.
const LIBRARY_ALONE: &str = "set(LLAMA_BUILD_COMMON OFF)\n";

/// Installs a set, and gives back its folder, which goes into `PYTHONPATH`.
pub fn install(paths: &Paths, set: &Set) -> Result<PathBuf> {
    let folder = paths.tools().join("python").join(set.name);
    let fingerprint = Fingerprint::at(folder.join("installed"));
    let wanted = [set.packages, set.cmake].concat().join("\n");
    if fingerprint.says(&wanted) {
        status::print("Fresh", set.packages.join(", "));
        return Ok(folder);
    }
    status::print("Installing", set.packages.join(", "));
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("could not empty `{}`", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("could not create `{}`", folder.display()))?;
    let mut pip = command("python3");
    // Started in its own folder: `python3 -m` would import from a checkout too.
    pip.current_dir(&folder);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--target"]);
    pip.arg(&folder).args(set.packages);
    if !set.cmake.is_empty() {
        let included = folder.join("library-alone.cmake");
        fs::write(&included, LIBRARY_ALONE).with_context(|| format!("could not write `{}`", included.display()))?;
        let include = format!("-DCMAKE_PROJECT_llama_cpp_INCLUDE={}", included.display());
        pip.env("CMAKE_ARGS", format!("{} {include}", set.cmake.join(" ")));
    }
    succeed(&mut pip)?;
    fingerprint.write(&wanted)?;
    Ok(folder)
}
