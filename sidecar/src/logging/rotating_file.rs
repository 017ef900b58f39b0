//! The log file, with rotation.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};

use crate::config::Config;

/// Number of rotated files besides the current one.
const MAX_FILES: usize = 5;

/// Opens the log for appending.
///
/// # Errors
/// When it cannot be opened for writing.
pub(crate) fn open(config: &Config) -> io::Result<Box<dyn Write + Send>> {
    let path = config.log_file();
    fs::create_dir_all(path.parent().expect("the log has a folder of its own"))?;
    let file = OpenOptions::new().create(true).append(true).open(&path)?;
    if !config.log_rotation {
        return Ok(Box::new(file));
    }
    let written = file.metadata()?.len();
    let log = RotatingFile { files: files(&path), path, written, limit: config.log_max_size };
    Ok(Box::new(log))
}

/// A rotating log file. A line is never split.
struct RotatingFile {
    files: FileRotate<AppendCount>,
    path: PathBuf,
    /// Bytes written to the current file.
    written: u64,
    /// Maximum size in bytes.
    limit: u64,
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = line.len() as u64;
        if self.written > 0 && self.written + length > self.limit {
            self.rotate()?;
        }
        self.files.write_all(line)?;
        self.written += length;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.files.flush()
    }
}

impl RotatingFile {
    /// Starts a new file.
    fn rotate(&mut self) -> io::Result<()> {
        // `FileRotate` caches the names of older files and panics if one has been removed since, so it rescans them
        // each time.
        self.files = files(&self.path);
        let rotated = self.files.rotate();
        if rotated.is_err() {
            // After a failure it has no open file, and would lose every line silently.
            self.files = files(&self.path);
        }
        // If the disk refuses, rotation is retried after `limit` further bytes, not at each line.
        self.written = 0;
        rotated
    }
}

fn files(path: &Path) -> FileRotate<AppendCount> {
    // Rotation is counted here, since `FileRotate` would split lines where it counts bytes.
    FileRotate::new(path, AppendCount::new(MAX_FILES), ContentLimit::None, Compression::None, None)
}
