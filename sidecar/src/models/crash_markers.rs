//! Models under whose hands the process died: each leaves a note before it is loaded, and takes it away when it is in memory.
//! A note that is still there at the next start tells of a crash, and its model is not loaded again by itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The notes, one file each.
#[derive(Debug, Clone)]
pub struct CrashMarkers {
    folder: PathBuf,
}

impl CrashMarkers {
    /// Notes in a folder, which is made when there is something to note.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Whether the process died when it loaded this file, which has not changed since.
    pub fn crashed_on(&self, model: &Path) -> bool {
        let recorded = self.marker_path(model).and_then(|marker| fs::read_to_string(marker).ok());
        recorded.is_some_and(|recorded| fingerprint(model).is_ok_and(|fingerprint| fingerprint == recorded))
    }

    /// Notes that a file is going to be loaded.
    pub fn mark_loading(&self, model: &Path) {
        let written = self.marker_path(model).ok_or(io::ErrorKind::InvalidFilename.into()).and_then(|marker| {
            fs::create_dir_all(&self.folder)?;
            fs::write(marker, fingerprint(model)?)
        });
        if let Err(error) = written {
            tracing::warn!(%error, "could not note that `{}` is loaded", model.display());
        }
    }

    /// Notes that it was loaded, or refused in order.
    pub fn clear(&self, model: &Path) {
        if let Some(marker) = self.marker_path(model)
            && let Err(error) = fs::remove_file(&marker)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "could not remove `{}`", marker.display());
        }
    }

    fn marker_path(&self, model: &Path) -> Option<PathBuf> {
        Some(self.folder.join(model.file_stem()?))
    }
}

/// What tells a file from a later one of the same name.
fn fingerprint(model: &Path) -> io::Result<String> {
    let metadata = fs::metadata(model)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{} {} {}", model.display(), metadata.len(), modified.as_millis()))
}
