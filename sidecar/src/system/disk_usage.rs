//! What lies in the data folder, and how much room it takes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::system;

/// The data folder of this installation. Clones are cheap.
#[derive(Debug, Clone)]
pub struct DiskUsage {
    folder: PathBuf,
    parts: [(&'static str, Vec<PathBuf>); 4],
}

/// How much room a data folder takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageReport {
    /// Its place.
    pub folder: PathBuf,
    /// What it has, each with its bytes: models, database, states (what models have read), logs.
    pub parts: Vec<(&'static str, u64)>,
    /// Bytes that are free on its disk; `None` where the system does not tell.
    pub free: Option<u64>,
}

impl DiskUsage {
    /// The data folder, with the files and folders of each part.
    #[must_use]
    pub fn new(folder: PathBuf, parts: [(&'static str, Vec<PathBuf>); 4]) -> Self {
        Self { folder, parts }
    }

    /// Looks at the disk, which takes a moment where there are many files.
    #[must_use]
    pub fn measure(&self) -> UsageReport {
        let parts = self.parts.iter().map(|(name, places)| (*name, places.iter().map(|place| bytes(place)).sum()));
        UsageReport { folder: self.folder.clone(), parts: parts.collect(), free: system::capacity(&self.folder).disk }
    }
}

/// Bytes of a file, or of all files in a folder. Links are not followed.
fn bytes(place: &Path) -> u64 {
    let Ok(facts) = fs::symlink_metadata(place) else { return 0 };
    if !facts.is_dir() {
        return facts.len();
    }
    fs::read_dir(place).into_iter().flatten().flatten().map(|entry| bytes(&entry.path())).sum()
}
