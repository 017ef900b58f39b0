//! File helpers: private files, atomic replacement, and disk errors.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use super::i18n::LocalizedText;

/// Why a disk operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// The disk is full.
    #[error("the disk is full: {missing} more bytes are needed")]
    Full {
        /// Bytes that were still to be written.
        missing: u64,
    },
    /// Any other failure.
    #[error("{0}")]
    Io(String),
}

impl DiskError {
    /// Classifies an I/O error that happened with `missing` bytes still to be written.
    #[must_use]
    pub fn from_io(error: &io::Error, missing: u64) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Full { missing },
            _ => Self::Io(error.to_string()),
        }
    }
}

impl DiskError {
    /// The error, and how to fix it.
    #[must_use]
    pub fn message(&self) -> LocalizedText {
        match self {
            Self::Full { missing } => LocalizedText::new(
                format!("디스크에 {}의 공간이 더 필요합니다. 공간을 비운 뒤 이어받으세요.", size(*missing)),
                format!("the disk needs {} more; free some space and resume", size(*missing)),
            ),
            Self::Io(error) => LocalizedText::new(
                format!("디스크에 쓸 수 없습니다: {error}"),
                format!("could not write to the disk: {error}"),
            ),
        }
    }
}

fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes < 1024 * MIB {
        format!("{} MiB", bytes.div_ceil(MIB))
    } else {
        format!("{:.1} GiB", bytes as f64 / (1024 * MIB) as f64)
    }
}

/// Writes a line to a file that only its owner can read, and syncs it.
///
/// # Errors
/// When the file cannot be written.
pub fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

/// Replaces a file atomically: the bytes are written to `NAME.new` in the same folder, which is then renamed over it.
///
/// # Errors
/// When the file cannot be written; the old one still exists then.
pub fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".new");
    fs::write(&fresh, bytes)?;
    fs::rename(fresh, file)
}

/// Removes a file. One that does not exist counts as removed.
///
/// # Errors
/// When the file exists and cannot be removed.
pub fn remove_if_exists(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
