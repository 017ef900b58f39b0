//! Download records on disk: a partial file and a JSON record for each download.
//!
//! Both are in a subfolder of the models folder, so that a finished file is renamed and never copied.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Source;
use super::fetch::FileMetadata;
use crate::base::fs;
use crate::base::model_id::ModelId;

/// Subfolder of the models folder with partial files and their records.
const DOWNLOADS_FOLDER: &str = ".downloads";

/// Subfolder with the records of installed models.
const ORIGINS_FOLDER: &str = ".origins";

/// The record of a download, as JSON on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadRecord {
    /// Its source.
    #[serde(flatten)]
    pub source: Source,
    /// Checksum and size as the hub reported them; `known` on disk.
    #[serde(rename = "known")]
    pub metadata: Option<FileMetadata>,
    /// Whether the user paused it.
    pub paused: bool,
}

/// The download records of a models folder.
#[derive(Debug, Clone)]
pub(crate) struct DownloadRecords {
    models: PathBuf,
}

impl DownloadRecords {
    /// The records of this models folder.
    #[must_use]
    pub(crate) fn new(models: PathBuf) -> Self {
        Self { models }
    }

    /// The path of an installed model.
    #[must_use]
    pub(crate) fn model_path(&self, id: &ModelId) -> PathBuf {
        self.models.join(format!("{}.gguf", id.0))
    }

    /// The path of its partial file.
    #[must_use]
    pub(crate) fn part_path(&self, id: &ModelId) -> PathBuf {
        self.download_path(id, "part")
    }

    fn download_path(&self, id: &ModelId, extension: &str) -> PathBuf {
        self.models.join(DOWNLOADS_FOLDER).join(format!("{}.{extension}", id.0))
    }

    /// Loads all records, sorted by model id. An unreadable one is logged and skipped.
    #[must_use]
    pub(crate) fn load_all(&self) -> Vec<(ModelId, DownloadRecord)> {
        let files = std::fs::read_dir(self.models.join(DOWNLOADS_FOLDER)).into_iter().flatten().flatten();
        let read = |path: PathBuf| {
            let id = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
            let record = serde_json::from_slice(&std::fs::read(&path).ok()?);
            let record =
                record.inspect_err(|error| tracing::warn!(%error, "could not read `{}`", path.display())).ok()?;
            Some((ModelId(id), record))
        };
        let mut records: Vec<(ModelId, DownloadRecord)> = files.filter_map(|file| read(file.path())).collect();
        records.sort_by(|a, b| a.0.cmp(&b.0));
        records
    }

    /// Writes a record atomically.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn save(&self, id: &ModelId, record: &DownloadRecord) -> io::Result<()> {
        std::fs::create_dir_all(self.models.join(DOWNLOADS_FOLDER))?;
        fs::replace(&self.download_path(id, "json"), &serde_json::to_vec(record).expect("a record has string keys"))
    }

    /// Installs a complete file as a model, and keeps its record as the model's provenance.
    ///
    /// # Errors
    /// If a file cannot be renamed; nothing is deleted.
    pub(crate) fn install(&self, id: &ModelId) -> io::Result<()> {
        std::fs::rename(self.part_path(id), self.model_path(id))?;
        std::fs::create_dir_all(self.models.join(ORIGINS_FOLDER))?;
        std::fs::rename(self.download_path(id, "json"), self.origin_path(id))
    }

    /// The download record of an installed model.
    #[must_use]
    pub(crate) fn provenance(&self, id: &ModelId) -> Option<DownloadRecord> {
        serde_json::from_slice(&std::fs::read(self.origin_path(id)).ok()?).ok()
    }

    fn origin_path(&self, id: &ModelId) -> PathBuf {
        self.models.join(ORIGINS_FOLDER).join(format!("{}.json", id.0))
    }

    /// Deletes the partial file.
    ///
    /// # Errors
    /// If it cannot be deleted.
    pub(crate) fn remove_part(&self, id: &ModelId) -> io::Result<()> {
        fs::remove_if_exists(&self.part_path(id))
    }

    /// Deletes the partial file and its record.
    ///
    /// # Errors
    /// If one of them cannot be deleted.
    pub(crate) fn remove(&self, id: &ModelId) -> io::Result<()> {
        self.remove_part(id).and(fs::remove_if_exists(&self.download_path(id, "json")))
    }
}
