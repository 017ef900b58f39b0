//! HAPA's data folder, and the small files that the desktop keeps in it.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The folder for everything HAPA keeps, by the rule that the sidecar follows too. `None` only on a system without home folders.
pub fn path() -> Option<PathBuf> {
    handshake::data_folder(env::var_os(handshake::DATA_VARIABLE).map(PathBuf::from))
}

/// A value that outlives this process, as JSON in a file of its own.
///
/// The file is replaced as a whole each time the value changes, so whatever ends the process leaves the old one or the new one.
#[derive(Debug)]
pub struct JsonFile<T> {
    value: Mutex<T>,
    file: Option<PathBuf>,
}

impl<T: Clone + Default + Serialize + DeserializeOwned> JsonFile<T> {
    /// The value in the file of this name in the data folder, or the usual one where there is none.
    pub fn open(name: &str) -> Self {
        Self::open_at(path().map(|folder| folder.join(name)))
    }

    fn open_at(file: Option<PathBuf>) -> Self {
        let text = file.as_deref().and_then(|file| fs::read(file).ok());
        let value = text.and_then(|text| {
            let value = serde_json::from_slice(&text);
            value.inspect_err(|error| tracing::warn!("could not understand {file:?}, which is left out: {error}")).ok()
        });
        Self { value: Mutex::new(value.unwrap_or_default()), file }
    }

    /// The value as it is now.
    pub fn get(&self) -> T {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the value and writes it down. One that cannot be written is still in force as long as this process runs.
    pub fn update(&self, change: impl FnOnce(&mut T)) -> T {
        // Held while it is written, so that files come in the order of the changes.
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

/// Writes beside the file first, so that nobody ever finds half of it.
fn write_atomically(file: &Path, value: &impl Serialize) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        create_private_dir(folder)?;
    }
    let partial = file.with_extension("partial");
    fs::write(&partial, serde_json::to_vec(value)?)?;
    fs::rename(partial, file)
}

/// Makes a folder that nobody else on this machine can look into, as the sidecar would.
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
    fn what_is_changed_is_there_for_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hapa/value.json");
        let list_file = JsonFile::<Vec<String>>::open_at(Some(file.clone()));
        assert_eq!(list_file.update(|list| list.push("하나".into())), ["하나"]);
        assert_eq!(JsonFile::<Vec<String>>::open_at(Some(file.clone())).get(), ["하나"]);
        assert!(!file.with_extension("partial").exists());
    }

    #[test]
    fn a_file_that_nobody_understands_counts_as_absent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("value.json");
        fs::write(&file, "{").unwrap();
        assert_eq!(JsonFile::<Vec<String>>::open_at(Some(file)).get(), Vec::<String>::new());
    }
}
