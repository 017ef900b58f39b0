//! The two models: where they come from, and having them in their place, checked.

mod assemble;
mod catalog;
mod parcel;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use self::assemble::{Added, Assembly, hash_of};
use self::catalog::Model;
use crate::console;
use crate::places::Places;
use crate::problem::{Problem, Result, While};
use crate::stamp::Stamp;

/// Puts the default model into HAPA's data folder, unless the user has chosen another with `HAPA_MODEL`. Tells its path.
pub fn default(places: &Places) -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("HAPA_MODEL").filter(|path| !path.is_empty()) {
        console::step("Using", format_args!("model `{}`", chosen.display()));
        return Ok(chosen.into());
    }
    have(&catalog::DEFAULT, &places.data.join("models"), places)
}

/// Puts the small model of the tests into the cache and tells its path.
pub fn small(places: &Places) -> Result<PathBuf> {
    have(&catalog::SMALL, &places.cache.join("models"), places)
}

/// Sees to it that `folder` holds the model, whole and true to its checksum.
fn have(model: &Model, folder: &Path, places: &Places) -> Result<PathBuf> {
    let path = folder.join(model.file);
    let stamp = Stamp::at(folder.join(format!("{}.verified", model.file)));
    if let Some(state) = state(&path) {
        let seen = format!("{} {state}", model.sha256);
        if stamp.says(&seen) {
            console::step("Fresh", format_args!("model {}", model.name));
            return Ok(path);
        }
        console::step("Checking", format_args!("model {} ({})", model.name, console::megabytes(model.bytes)));
        if hash_of(&path)? == model.sha256 {
            stamp.write(&seen)?;
            return Ok(path);
        }
        console::note(format_args!("`{}` is damaged and is fetched again", path.display()));
    }
    fs::create_dir_all(folder).while_trying(format_args!("create `{}`", folder.display()))?;
    fetch(model, &path, places)?;
    let state =
        state(&path).ok_or_else(|| Problem::new(format!("`{}` vanished while it was checked", path.display())))?;
    stamp.write(&format!("{} {state}", model.sha256))?;
    Ok(path)
}

/// Fetches the parts that are not there yet. The file gets its name only when all of it is right.
fn fetch(model: &Model, path: &Path, places: &Places) -> Result<()> {
    let partial = path.with_extension("gguf.partial");
    let mut assembly = Assembly::resume(model.parts, &partial)?;
    let size = console::megabytes(model.bytes);
    match assembly.written() {
        0 => console::step("Fetching", format_args!("model {} ({size})", model.name)),
        had => console::step(
            "Resuming",
            format_args!("model {} ({} of {size} are here)", model.name, console::megabytes(had)),
        ),
    }
    let bar = console::bar(model.bytes, assembly.written());
    while let Some(part) = assembly.next() {
        let number = format!("part {} of {}", assembly.verified() + 1, model.parts.len());
        bar.set_message(number.clone());
        let parcel = parcel::fetch(part, &places.cache.join("parcel"), |bytes| {
            bar.set_position(assembly.written() + bytes.min(part.bytes));
        });
        match parcel.and_then(|parcel| assembly.add(part, parcel.open()?)) {
            Ok(Added::Whole) if bar.is_hidden() => console::step("Fetched", number),
            Ok(Added::Whole) => {}
            Ok(Added::Damaged) => {
                bar.suspend(|| console::note(format_args!("{number} arrived damaged and is fetched again")))
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
        fs::remove_file(&partial).while_trying(format_args!("remove `{}`", partial.display()))?;
        return Err(Problem::new(format!("the parts of model {} do not make the whole; run this again", model.name)));
    }
    fs::rename(&partial, path).while_trying(format_args!("rename `{}`", partial.display()))
}

/// What changes when a file's content does: its size and the time of its last change. `None` for a missing file.
fn state(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} {}", metadata.len(), changed.as_nanos()))
}
