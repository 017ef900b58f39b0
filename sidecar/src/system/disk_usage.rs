//! The disk usage of the data folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::system;

/// The data folder of this installation. Clones are cheap.
#[derive(Debug, Clone)]
pub struct DiskUsage {
    folder: PathBuf,
    parts: [(&'static str, Vec<PathBuf>); 4],
}

/// The usage report of a data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageReport {
    /// Its path.
    pub folder: PathBuf,
    /// Its parts, each with its size in bytes: models, database, states (the KV cache on disk), logs.
    pub parts: Vec<(&'static str, u64)>,
    /// Free space on its disk, in bytes; `None` where the system does not report it.
    pub free: Option<u64>,
}

impl DiskUsage {
    /// The data folder, with the files and folders of each part.
    #[must_use]
    pub fn new(folder: PathBuf, parts: [(&'static str, Vec<PathBuf>); 4]) -> Self {
        Self { folder, parts }
    }

    /// Measures the disk usage, which takes a moment where there are many files.
    #[must_use]
    pub fn measure(&self) -> UsageReport {
        let parts = self.parts.iter().map(|(name, paths)| (*name, paths.iter().map(|path| bytes(path)).sum()));
        UsageReport { folder: self.folder.clone(), parts: parts.collect(), free: system::capacity(&self.folder).disk }
    }
}

/// Size in bytes of a file, or of all files in a folder. Links are not followed.
fn bytes(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| bytes(&entry.path())).sum()
}
