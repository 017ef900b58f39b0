//! What outlives the process of a download: its bytes so far, and a record that says what they are of. Both lie in a folder of their own
//! among the models, so that a finished file is renamed and never copied.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Source;
use super::fetch::FileMetadata;
use crate::base::fs;
use crate::base::model_id::ModelId;

/// The folder among the models.
const DOWNLOADS_FOLDER: &str = ".downloads";

/// The folder with the records of those that are whole.
const ORIGINS_FOLDER: &str = ".origins";

/// What is known of a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadRecord {
    /// Where it comes from.
    #[serde(flatten)]
    pub source: Source,
    /// What the hub said that the file is.
    #[serde(rename = "known")]
    pub metadata: Option<FileMetadata>,
    /// Whether it waits until somebody lets it go on.
    pub paused: bool,
}

/// The folder with models, and what is on its way there.
#[derive(Debug, Clone)]
pub struct DownloadRecords {
    models: PathBuf,
}

impl DownloadRecords {
    /// Of a folder with models.
    #[must_use]
    pub fn new(models: PathBuf) -> Self {
        Self { models }
    }

    /// The file that a model has when it is whole.
    #[must_use]
    pub fn model_path(&self, id: &ModelId) -> PathBuf {
        self.models.join(format!("{}.gguf", id.0))
    }

    /// The bytes of it that there are.
    #[must_use]
    pub fn part_path(&self, id: &ModelId) -> PathBuf {
        self.download_path(id, "part")
    }

    fn download_path(&self, id: &ModelId, extension: &str) -> PathBuf {
        self.models.join(DOWNLOADS_FOLDER).join(format!("{}.{extension}", id.0))
    }

    /// All records, by id.
    #[must_use]
    pub fn load_all(&self) -> Vec<(ModelId, DownloadRecord)> {
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

    /// Writes a record, whole or not at all.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn save(&self, id: &ModelId, record: &DownloadRecord) -> io::Result<()> {
        std::fs::create_dir_all(self.models.join(DOWNLOADS_FOLDER))?;
        fs::replace(&self.download_path(id, "json"), &serde_json::to_vec(record).expect("a record has string keys"))
    }

    /// Makes a model of the bytes, and puts its record by.
    ///
    /// # Errors
    /// Those of the disk; the bytes are still there.
    pub fn install(&self, id: &ModelId) -> io::Result<()> {
        std::fs::rename(self.part_path(id), self.model_path(id))?;
        std::fs::create_dir_all(self.models.join(ORIGINS_FOLDER))?;
        std::fs::rename(self.download_path(id, "json"), self.origin_path(id))
    }

    /// The record of a model that is whole.
    #[must_use]
    pub fn provenance(&self, id: &ModelId) -> Option<DownloadRecord> {
        serde_json::from_slice(&std::fs::read(self.origin_path(id)).ok()?).ok()
    }

    fn origin_path(&self, id: &ModelId) -> PathBuf {
        self.models.join(ORIGINS_FOLDER).join(format!("{}.json", id.0))
    }

    /// Removes the bytes.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn remove_part(&self, id: &ModelId) -> io::Result<()> {
        fs::remove_if_exists(&self.part_path(id))
    }

    /// Removes the bytes and the record.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn remove(&self, id: &ModelId) -> io::Result<()> {
        self.remove_part(id).and(fs::remove_if_exists(&self.download_path(id, "json")))
    }
}
