//! Copies llama.cpp's shared libraries into a `llama` folder beside the executables, as in an installed app.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DEP_LLAMA_BACKENDS_DIR");
    let backends = env::var("DEP_LLAMA_BACKENDS_DIR").expect("the feature `dynamic-backends` names its folder");
    let backends = PathBuf::from(backends);
    let libraries = backends.parent().expect("the backends have a folder of their own").join("lib");
    let staged = executables().join("llama");
    fs::create_dir_all(&staged)?;
    let own = [stage(&backends, &staged)?, stage(&libraries, &staged)?].concat();
    if own.iter().any(|library| library.updated) {
        remove_others(&staged, &own)?;
    }
    remove(&staged.join(BROKEN))?;
    for library in own {
        println!("cargo:rerun-if-changed={}", staged.join(library.name).display());
    }
    remove_broken_links(&executables())
}

/// A copied library.
#[derive(Clone)]
struct Library {
    name: String,
    /// Whether the copy was missing or outdated.
    updated: bool,
}

/// Removes the libraries that are not from this build, such as a backend that was built separately: they are for an earlier build
/// of llama.cpp.
fn remove_others(staged: &Path, own: &[Library]) -> io::Result<()> {
    for entry in fs::read_dir(staged)? {
        let path = entry?.path();
        if own.iter().all(|library| path.file_name() != Some(library.name.as_ref())) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Removes a file if it exists.
fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes the dangling links that llama-cpp-sys-2 leaves beside the executables, and fails on when it is built again.
/// Can go when <https://github.com/utilityai/llama-cpp-rs> checks for the link rather than for its target.
fn remove_broken_links(executables: &Path) -> io::Result<()> {
    for folder in ["", "deps", "examples"].map(|name| executables.join(name)).iter().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_symlink() && !path.exists() {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

/// Cargo's folder of executables: `OUT_DIR` is `<folder>/build/engine-<hash>/out`.
fn executables() -> PathBuf {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    out.ancestors().nth(3).expect("OUT_DIR is three folders below the executables").to_path_buf()
}

/// Copies the shared libraries under the names that the dynamic linker resolves: `libllama.so.0`, but not its two aliases.
fn stage(from: &Path, to: &Path) -> io::Result<Vec<Library>> {
    let mut staged = Vec::new();
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !is_needed(&name, from.ends_with("backends")) {
            continue;
        }
        let updated = is_outdated(&path, &to.join(&name))?;
        if updated {
            // Copied and renamed, so that a running process keeps the file that it has mapped.
            let temporary = to.join(format!("{name}.new"));
            fs::copy(&path, &temporary)?;
            fs::rename(&temporary, to.join(&name))?;
        }
        staged.push(Library { name, updated });
    }
    Ok(staged)
}

/// The backend for CPUs with AMX, which crashes with an illegal instruction if built by GCC 12: that compiler drops the
/// initialisation of the tile configuration, since its `_tile_loadconfig` declares that 8 of the 64 bytes are read. Such CPUs use
/// the backend without AMX instead. Can go when no compiler that we build with does so.
const BROKEN: &str = "libggml-cpu-sapphirerapids.so";

fn is_needed(name: &str, backend: bool) -> bool {
    if name == BROKEN {
        return false;
    }
    match name.split_once(".so") {
        Some((_, version)) => backend || version.matches('.').count() == 1,
        None => name.ends_with(".dylib") || name.ends_with(".dll"),
    }
}

fn is_outdated(source: &Path, copy: &Path) -> io::Result<bool> {
    let Ok(old) = fs::metadata(copy) else { return Ok(true) };
    Ok(old.len() != fs::metadata(source)?.len() || fs::read(copy)? != fs::read(source)?)
}
