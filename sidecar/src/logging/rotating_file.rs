//! The file that log lines are written to, and its older ones.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};

use crate::config::Config;

/// Full files that are kept beside the one that is written.
const MAX_FILES: usize = 5;

/// Opens the log for appending.
///
/// # Errors
/// When it cannot be opened for writing.
pub fn open(config: &Config) -> io::Result<Box<dyn Write + Send>> {
    let path = config.log_file();
    fs::create_dir_all(path.parent().expect("the log lies in a folder of its own"))?;
    let file = OpenOptions::new().create(true).append(true).open(&path)?;
    if !config.log_rotation {
        return Ok(Box::new(file));
    }
    let written = file.metadata()?.len();
    let log = RotatingFile { files: files(&path), path, written, limit: config.log_max_size };
    Ok(Box::new(log))
}

/// A log in several files. A line is never cut in two.
struct RotatingFile {
    files: FileRotate<AppendCount>,
    path: PathBuf,
    /// Bytes in the file that is written.
    written: u64,
    /// Bytes that it may have.
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
    /// Begins a new file.
    fn rotate(&mut self) -> io::Result<()> {
        // `FileRotate` remembers the names of older files and panics if one has been removed since, so it looks again each time.
        self.files = files(&self.path);
        let rotated = self.files.rotate();
        if rotated.is_err() {
            // After a failure it has no file at all, and would lose every line without a word.
            self.files = files(&self.path);
        }
        // A disk that refuses is asked again a whole file later, not at each line.
        self.written = 0;
        rotated
    }
}

fn files(path: &Path) -> FileRotate<AppendCount> {
    // It would cut lines where it counts bytes itself.
    FileRotate::new(path, AppendCount::new(MAX_FILES), ContentLimit::None, Compression::None, None)
}
