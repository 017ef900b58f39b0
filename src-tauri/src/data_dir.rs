//! HAPA's data folder and the JSON files that the desktop app stores in it.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Path of the data folder, resolved as in the sidecar. `None` only if the user has no home folder.
pub(crate) fn path() -> Option<PathBuf> {
    handshake::data_dir(env::var_os(handshake::DATA_DIR_VAR).map(PathBuf::from))
}

/// A value that is persisted as a JSON file.
///
/// Every update replaces the file atomically, so a crash leaves either the old or the new value.
#[derive(Debug)]
pub(crate) struct JsonFile<T> {
    value: Mutex<T>,
    file: Option<PathBuf>,
}

impl<T: Clone + Default + Serialize + DeserializeOwned> JsonFile<T> {
    /// Loads the file of this name from the data folder. The value is the default if the file is missing or invalid.
    pub(crate) fn open(name: &str) -> Self {
        Self::open_at(path().map(|folder| folder.join(name)))
    }

    fn open_at(file: Option<PathBuf>) -> Self {
        let text = file.as_deref().and_then(|file| fs::read(file).ok());
        let value = text.and_then(|text| {
            let value = serde_json::from_slice(&text);
            value.inspect_err(|error| tracing::warn!("could not parse {file:?}, using defaults: {error}")).ok()
        });
        Self { value: Mutex::new(value.unwrap_or_default()), file }
    }

    /// A copy of the current value.
    pub(crate) fn get(&self) -> T {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the value, writes the file and returns the new value. A failed write is logged; the
    /// change then lasts until this process ends.
    pub(crate) fn update(&self, change: impl FnOnce(&mut T)) -> T {
        // The lock is held during the write, so that writes happen in the order of the updates.
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut value);
        if let Some(file) = &self.file
            && let Err(error) = write_atomically(file, &*value)
        {
            tracing::warn!("could not write `{}`: {error}", file.display());
        }
        value.clone()
    }
}

/// Writes a temporary file and renames it, so that no reader finds a partial file.
fn write_atomically(file: &Path, value: &impl Serialize) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        create_private_dir(folder)?;
    }
    let partial = file.with_extension("partial");
    fs::write(&partial, serde_json::to_vec(value)?)?;
    fs::rename(partial, file)
}

/// Creates a folder with mode 0700, as the sidecar does: no other user can read it.
fn create_private_dir(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_updated_value_is_loaded_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hapa/value.json");
        let list_file = JsonFile::<Vec<String>>::open_at(Some(file.clone()));
        assert_eq!(list_file.update(|list| list.push("하나".into())), ["하나"]);
        assert_eq!(JsonFile::<Vec<String>>::open_at(Some(file.clone())).get(), ["하나"]);
        assert!(!file.with_extension("partial").exists());
    }

    #[test]
    fn an_invalid_file_gives_the_default_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("value.json");
        fs::write(&file, "{").unwrap();
        assert_eq!(JsonFile::<Vec<String>>::open_at(Some(file)).get(), Vec::<String>::new());
    }
}
