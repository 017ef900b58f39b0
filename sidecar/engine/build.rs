//! Puts llama.cpp's shared libraries into a `llama` folder beside the binaries, where an installed app has them too.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DEP_LLAMA_BACKENDS_DIR");
    let backends = env::var("DEP_LLAMA_BACKENDS_DIR").expect("the feature `dynamic-backends` names its folder");
    let backends = PathBuf::from(backends);
    let libraries = backends.parent().expect("the backends have a folder of their own").join("lib");
    let staged = binaries().join("llama");
    fs::create_dir_all(&staged)?;
    let own = [stage(&backends, &staged)?, stage(&libraries, &staged)?].concat();
    if own.iter().any(|library| library.renewed) {
        remove_others(&staged, &own)?;
    }
    remove(&staged.join(BROKEN))?;
    for library in own {
        println!("cargo:rerun-if-changed={}", staged.join(library.name).display());
    }
    remove_broken_links(&binaries())
}

/// A library of this build.
#[derive(Clone)]
struct Library {
    name: String,
    /// Whether another one lay in its place, or none.
    renewed: bool,
}

/// Removes the libraries that this build did not make, such as a backend that was built by itself: they were made for the
/// llama.cpp that lay here before.
fn remove_others(staged: &Path, own: &[Library]) -> io::Result<()> {
    for entry in fs::read_dir(staged)? {
        let path = entry?.path();
        if own.iter().all(|library| path.file_name() != Some(library.name.as_ref())) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Removes a file, unless it is not there.
fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// llama-cpp-sys-2 leaves links beside the binaries whose targets are not there, and fails over them when it is built again.
/// Can go when <https://github.com/utilityai/llama-cpp-rs> checks for the link rather than for its target.
fn remove_broken_links(binaries: &Path) -> io::Result<()> {
    for folder in ["", "deps", "examples"].map(|name| binaries.join(name)).iter().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_symlink() && !path.exists() {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

/// The folder that cargo puts finished binaries in: `OUT_DIR` is `<it>/build/engine-<hash>/out`.
fn binaries() -> PathBuf {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    out.ancestors().nth(3).expect("OUT_DIR lies three folders below the binaries").to_path_buf()
}

/// Copies the shared libraries under the names that the loader asks for: `libllama.so.0`, but not its other two names.
fn stage(from: &Path, to: &Path) -> io::Result<Vec<Library>> {
    let mut staged = Vec::new();
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !wanted(&name, from.ends_with("backends")) {
            continue;
        }
        let renewed = stale(&path, &to.join(&name))?;
        if renewed {
            // Beside, then renamed: a program that runs keeps the file it has mapped.
            let fresh = to.join(format!("{name}.new"));
            fs::copy(&path, &fresh)?;
            fs::rename(&fresh, to.join(&name))?;
        }
        staged.push(Library { name, renewed });
    }
    Ok(staged)
}

/// The code for processors with AMX, which dies of an illegal instruction when GCC 12 has built it: that compiler drops what the
/// tiles are set up with, since its `_tile_loadconfig` says that 8 bytes of the 64 are read. Such processors run the code for those
/// without it instead. Can go when no compiler that we build with does so.
const BROKEN: &str = "libggml-cpu-sapphirerapids.so";

fn wanted(name: &str, backend: bool) -> bool {
    if name == BROKEN {
        return false;
    }
    match name.split_once(".so") {
        Some((_, version)) => backend || version.matches('.').count() == 1,
        None => name.ends_with(".dylib") || name.ends_with(".dll"),
    }
}

fn stale(source: &Path, copy: &Path) -> io::Result<bool> {
    let Ok(old) = fs::metadata(copy) else { return Ok(true) };
    Ok(old.len() != fs::metadata(source)?.len() || fs::read(copy)? != fs::read(source)?)
}
