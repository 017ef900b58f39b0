//! Imports a model file from an upload: it is published in the models folder once it is complete and its GGUF header is valid.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWriteExt;

use super::{Error, Models};
use crate::base::fs::DiskError;
use crate::base::i18n::LocalizedText;
use crate::base::model_id::ModelId;
use crate::base::validation::ValidationErrors;
use crate::system;

/// Subfolder of the models folder with partial uploads.
const IMPORTS_FOLDER: &str = ".imports";

/// A partial upload. Its file is deleted on drop; publishing makes a link to it or renames it first.
struct TempFile(PathBuf);

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Models {
    /// Imports a file of this name from a stream of chunks. `expected`: its size in bytes, if known.
    ///
    /// # Errors
    /// If the name is invalid or taken, the disk is full, the stream ends with an error, or the content is not a usable model.
    pub async fn import<B: AsRef<[u8]>, E: std::fmt::Display>(
        &self,
        name: &str,
        expected: Option<u64>,
        bytes: impl Stream<Item = Result<B, E>>,
    ) -> Result<ModelId, Error> {
        let id = id_of(name)?;
        let folder = self.0.folder.join(IMPORTS_FOLDER);
        let destination = self.0.folder.join(format!("{}.gguf", id.0));
        if destination.exists() {
            return Err(Error::NameTaken);
        }
        let free = system::capacity(&folder).disk;
        if let Some((expected, free)) = expected.zip(free).filter(|(expected, free)| expected > free) {
            return Err(DiskError::Full { missing: expected - free }.into());
        }
        let path = folder.join(format!("{}.part", id.0));
        let disk_error = |error: io::Error| Error::from(DiskError::from_io(&error, expected.unwrap_or_default()));
        tokio::fs::create_dir_all(&folder).await.map_err(disk_error)?;
        let file = tokio::fs::File::options().write(true).create_new(true).open(&path).await;
        let mut file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::NameTaken,
            _ => disk_error(error),
        })?;
        let temp_file = TempFile(path);
        let mut bytes = std::pin::pin!(bytes);
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(|error| Error::Interrupted(error.to_string()))?;
            file.write_all(chunk.as_ref()).await.map_err(disk_error)?;
        }
        file.sync_all().await.map_err(disk_error)?;
        drop(file);
        let published = tokio::task::spawn_blocking(move || publish(&temp_file, &destination)).await;
        published??;
        tracing::info!(model = %id.0, "imported model {}", id.0);
        self.rescan();
        Ok(id)
    }

    /// Deletes the partial uploads of a killed process.
    pub(super) fn remove_partial_imports(folder: &Path) {
        let _ = fs::remove_dir_all(folder.join(IMPORTS_FOLDER));
    }
}

/// Checks the GGUF header of an uploaded file, and publishes it in the models folder.
fn publish(temp_file: &TempFile, destination: &Path) -> Result<(), Error> {
    engine::gguf::read(&temp_file.0).map_err(|error| {
        let message = LocalizedText::new(
            format!("사용할 수 있는 모델이 아닙니다: {error}"),
            format!("is not a usable model: {error}"),
        );
        Error::InvalidImport(ValidationErrors::field("file", message))
    })?;
    // A hard link fails if the destination exists meanwhile; a rename would replace it. Not every file system has links.
    match fs::hard_link(&temp_file.0, destination) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::NameTaken),
        Err(_) => fs::rename(&temp_file.0, destination).map_err(|error| DiskError::from_io(&error, 0).into()),
    }
}

fn id_of(name: &str) -> Result<ModelId, Error> {
    let invalid =
        |ko: &str, en: &str| Error::InvalidImport(ValidationErrors::field("name", LocalizedText::new(ko, en)));
    let stem =
        name.rsplit_once('.').filter(|(_, extension)| extension.eq_ignore_ascii_case("gguf")).map(|(stem, _)| stem);
    let is_valid = |stem: &&str| {
        !stem.trim().is_empty()
            && stem.len() <= 200
            && !stem.starts_with('.')
            && !stem.chars().any(|char| char.is_control() || r#"/\:*?"<>|"#.contains(char))
    };
    let Some(stem) = stem.filter(is_valid) else {
        return Err(invalid(".gguf로 끝나는 파일 이름이어야 합니다", "must be a file name that ends in .gguf"));
    };
    let id = ModelId(stem.to_owned());
    if id.is_split() {
        return Err(invalid(
            "여러 파일로 나뉜 모델은 가져올 수 없습니다. 모든 파일을 models 폴더에 직접 넣으세요.",
            "is one file of a split model; copy all its files into the models folder instead",
        ));
    }
    Ok(id)
}
