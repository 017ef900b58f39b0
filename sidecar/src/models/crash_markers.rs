//! Models under whose hands the process died: each leaves a note before it is loaded, and takes it away when it is in memory.
//! A note that is still there at the next start tells of a crash, and its model is not loaded again by itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The notes, one file each.
#[derive(Debug, Clone)]
pub struct Suspects {
    folder: PathBuf,
}

impl Suspects {
    /// Notes in a folder, which is made when there is something to note.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Whether the process died when it loaded this file, which has not changed since.
    pub fn has(&self, model: &Path) -> bool {
        let noted = self.note(model).and_then(|note| fs::read_to_string(note).ok());
        noted.is_some_and(|noted| identity(model).is_ok_and(|identity| identity == noted))
    }

    /// Notes that a file is going to be loaded.
    pub fn begin(&self, model: &Path) {
        let written = self.note(model).ok_or(io::ErrorKind::InvalidFilename.into()).and_then(|note| {
            fs::create_dir_all(&self.folder)?;
            fs::write(note, identity(model)?)
        });
        if let Err(error) = written {
            tracing::warn!(%error, "could not note that `{}` is loaded", model.display());
        }
    }

    /// Notes that it was loaded, or refused in order.
    pub fn end(&self, model: &Path) {
        if let Some(note) = self.note(model)
            && let Err(error) = fs::remove_file(&note)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "could not remove `{}`", note.display());
        }
    }

    fn note(&self, model: &Path) -> Option<PathBuf> {
        Some(self.folder.join(model.file_stem()?))
    }
}

/// What tells a file from a later one of the same name.
fn identity(model: &Path) -> io::Result<String> {
    let facts = fs::metadata(model)?;
    let changed = facts.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{} {} {}", model.display(), facts.len(), changed.as_millis()))
}
