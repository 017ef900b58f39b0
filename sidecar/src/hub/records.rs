//! What outlives the process of a download: its bytes so far, and a label that says what they are of. Both lie in a folder of their own
//! among the models, so that a finished file is renamed and never copied.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Source;
use super::fetch::Known;
use crate::base::fs;
use crate::base::model_id::ModelId;

/// The folder among the models.
const FOLDER: &str = ".downloads";

/// The folder with the labels of those that are whole.
const ORIGINS: &str = ".origins";

/// What is known of a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Where it comes from.
    #[serde(flatten)]
    pub source: Source,
    /// What the hub said that the file is.
    pub known: Option<Known>,
    /// Whether it waits until somebody lets it go on.
    pub paused: bool,
}

/// The folder with models, and what is on its way there.
#[derive(Debug, Clone)]
pub struct Kept {
    models: PathBuf,
}

impl Kept {
    /// Of a folder with models.
    #[must_use]
    pub fn of(models: PathBuf) -> Self {
        Self { models }
    }

    /// The file that a model has when it is whole.
    #[must_use]
    pub fn whole(&self, id: &ModelId) -> PathBuf {
        self.models.join(format!("{}.gguf", id.0))
    }

    /// The bytes of it that there are.
    #[must_use]
    pub fn part(&self, id: &ModelId) -> PathBuf {
        self.beside(id, "part")
    }

    fn beside(&self, id: &ModelId, ending: &str) -> PathBuf {
        self.models.join(FOLDER).join(format!("{}.{ending}", id.0))
    }

    /// All labels, by id.
    #[must_use]
    pub fn labels(&self) -> Vec<(ModelId, Label)> {
        let files = std::fs::read_dir(self.models.join(FOLDER)).into_iter().flatten().flatten();
        let read = |path: PathBuf| {
            let id = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
            let label = serde_json::from_slice(&std::fs::read(&path).ok()?);
            let label =
                label.inspect_err(|error| tracing::warn!(%error, "could not read `{}`", path.display())).ok()?;
            Some((ModelId(id), label))
        };
        let mut labels: Vec<(ModelId, Label)> = files.filter_map(|file| read(file.path())).collect();
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        labels
    }

    /// Writes a label, whole or not at all.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write(&self, id: &ModelId, label: &Label) -> io::Result<()> {
        std::fs::create_dir_all(self.models.join(FOLDER))?;
        fs::replace(&self.beside(id, "json"), &serde_json::to_vec(label).expect("a label has string keys"))
    }

    /// Makes a model of the bytes, and puts its label by.
    ///
    /// # Errors
    /// Those of the disk; the bytes are still there.
    pub fn finish(&self, id: &ModelId) -> io::Result<()> {
        std::fs::rename(self.part(id), self.whole(id))?;
        std::fs::create_dir_all(self.models.join(ORIGINS))?;
        std::fs::rename(self.beside(id, "json"), self.by(id))
    }

    /// The label of a model that is whole.
    #[must_use]
    pub fn origin(&self, id: &ModelId) -> Option<Label> {
        serde_json::from_slice(&std::fs::read(self.by(id)).ok()?).ok()
    }

    fn by(&self, id: &ModelId) -> PathBuf {
        self.models.join(ORIGINS).join(format!("{}.json", id.0))
    }

    /// Removes the bytes.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn remove_part(&self, id: &ModelId) -> io::Result<()> {
        fs::remove_if_exists(&self.part(id))
    }

    /// Removes the bytes and the label.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn remove(&self, id: &ModelId) -> io::Result<()> {
        self.remove_part(id).and(fs::remove_if_exists(&self.beside(id, "json")))
    }
}
