//! Crash markers: a file is written before a model is loaded and removed afterwards, so that a model that crashed the process is not
//! loaded again automatically.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The crash markers of an installation, one file for each model.
#[derive(Debug, Clone)]
pub(crate) struct CrashMarkers {
    folder: PathBuf,
}

impl CrashMarkers {
    /// Markers in a folder, which is created with the first marker.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Whether the process crashed while loading this file, and the file has not changed since.
    pub(crate) fn crashed_on(&self, model: &Path) -> bool {
        let recorded = self.marker_path(model).and_then(|marker| fs::read_to_string(marker).ok());
        recorded.is_some_and(|recorded| fingerprint(model).is_ok_and(|fingerprint| fingerprint == recorded))
    }

    /// Writes the marker of a model, before its load.
    pub(crate) fn mark_loading(&self, model: &Path) {
        let written = self.marker_path(model).ok_or(io::ErrorKind::InvalidFilename.into()).and_then(|marker| {
            fs::create_dir_all(&self.folder)?;
            fs::write(marker, fingerprint(model)?)
        });
        if let Err(error) = written {
            tracing::warn!(%error, "could not write the crash marker of `{}`", model.display());
        }
    }

    /// Removes the marker of a model: its load has ended, with or without an error.
    pub(crate) fn clear(&self, model: &Path) {
        if let Some(marker) = self.marker_path(model)
            && let Err(error) = fs::remove_file(&marker)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "could not remove the crash marker `{}`", marker.display());
        }
    }

    fn marker_path(&self, model: &Path) -> Option<PathBuf> {
        Some(self.folder.join(model.file_stem()?))
    }
}

/// Path, size and modification time of a file: they differ if the file was replaced by another one of the same name.
fn fingerprint(model: &Path) -> io::Result<String> {
    let metadata = fs::metadata(model)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{} {} {}", model.display(), metadata.len(), modified.as_millis()))
}
