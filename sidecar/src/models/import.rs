//! Taking in a model file that somebody has already. Nobody sees it before it is whole and was checked.

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

/// Where files grow, in the models folder.
const FOLDER: &str = ".imports";

/// A file that grows. It is removed with this, unless it was put among the models.
struct Growing(PathBuf);

impl Drop for Growing {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Models {
    /// Takes in a file of this name, whose bytes come in pieces; `expected` is how many there will be, where that is known.
    ///
    /// # Errors
    /// A name that cannot be a model's, or is taken; a disk without room; bytes that break off or are no model.
    pub async fn take_in<B: AsRef<[u8]>, E: std::fmt::Display>(
        &self,
        name: &str,
        expected: Option<u64>,
        bytes: impl Stream<Item = Result<B, E>>,
    ) -> Result<ModelId, Error> {
        let id = id_of(name)?;
        let folder = self.0.folder.join(FOLDER);
        let place = self.0.folder.join(format!("{}.gguf", id.0));
        if place.exists() {
            return Err(Error::NameTaken);
        }
        let free = system::capacity(&folder).disk;
        if let Some((expected, free)) = expected.zip(free).filter(|(expected, free)| expected > free) {
            return Err(DiskError::Full { missing: expected - free }.into());
        }
        let path = folder.join(format!("{}.part", id.0));
        let failed = |error: io::Error| Error::from(DiskError::from_io(&error, expected.unwrap_or_default()));
        tokio::fs::create_dir_all(&folder).await.map_err(failed)?;
        let file = tokio::fs::File::options().write(true).create_new(true).open(&path).await;
        let mut file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::NameTaken,
            _ => failed(error),
        })?;
        let growing = Growing(path);
        let mut bytes = std::pin::pin!(bytes);
        while let Some(piece) = bytes.next().await {
            let piece = piece.map_err(|error| Error::Interrupted(error.to_string()))?;
            file.write_all(piece.as_ref()).await.map_err(failed)?;
        }
        file.sync_all().await.map_err(failed)?;
        drop(file);
        let put = tokio::task::spawn_blocking(move || put(&growing, &place)).await;
        put??;
        tracing::info!(model = %id.0, "took in the model {}", id.0);
        self.look_again();
        Ok(id)
    }

    /// Removes what a process that was killed has left of files that grew.
    pub(super) fn forget_imports(folder: &Path) {
        let _ = fs::remove_dir_all(folder.join(FOLDER));
    }
}

/// Checks a file that has grown, and puts it among the models.
fn put(growing: &Growing, place: &Path) -> Result<(), Error> {
    engine::gguf::read(&growing.0).map_err(|flaw| {
        let what = LocalizedText::new(
            format!("쓸 수 있는 모델이 아닙니다: {flaw}"),
            format!("is no model that can be used: {flaw}"),
        );
        Error::InvalidImport(ValidationErrors::field("file", what))
    })?;
    // A link never takes the place of a file that has come meanwhile, as a new name would. Not every disk has links.
    match fs::hard_link(&growing.0, place) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::NameTaken),
        Err(_) => fs::rename(&growing.0, place).map_err(|error| DiskError::from_io(&error, 0).into()),
    }
}

fn id_of(name: &str) -> Result<ModelId, Error> {
    let unfit = |ko: &str, en: &str| Error::InvalidImport(ValidationErrors::field("name", LocalizedText::new(ko, en)));
    let stem = name.rsplit_once('.').filter(|(_, ending)| ending.eq_ignore_ascii_case("gguf")).map(|(stem, _)| stem);
    let plain = |stem: &&str| {
        !stem.trim().is_empty()
            && stem.len() <= 200
            && !stem.starts_with('.')
            && !stem.chars().any(|char| char.is_control() || r#"/\:*?"<>|"#.contains(char))
    };
    let Some(stem) = stem.filter(plain) else {
        return Err(unfit(".gguf로 끝나는 파일 이름이어야 합니다", "must be a file's name that ends in .gguf"));
    };
    let id = ModelId(stem.to_owned());
    if id.is_split() {
        return Err(unfit(
            "여러 파일로 나뉜 모델은 models 폴더에 모두 직접 넣으세요",
            "put all files of a model that is in several into the models folder yourself",
        ));
    }
    Ok(id)
}
