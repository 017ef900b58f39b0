//! The lock on the data folder: one process per folder, which publishes the port of its API there.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use handshake::InstanceFile;

use crate::base::fs;

/// The version of HAPA and of its API.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long to wait for an earlier process on the same data folder to end.
const LOCK_TIMEOUT: Duration = Duration::from_secs(6);

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has locked it.
    #[error("another HAPA already uses `{}`; `hapa status` shows where it is", .0.display())]
    InUse(PathBuf),
    /// A file or folder could not be opened or created.
    #[error("could not {action} `{}`: {source}", .path.display())]
    Folder {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// The lock on the data folder, held for as long as this value lives.
#[derive(Debug)]
pub struct InstanceLock {
    data: PathBuf,
    _file: File,
}

impl InstanceLock {
    /// Locks the data folder, after waiting for a process that is ending.
    ///
    /// # Errors
    /// When another process uses the folder, or the lock file cannot be opened.
    pub async fn acquire(data: &Path) -> Result<Self, Error> {
        let path = data.join("lock");
        let problem = |source: io::Error| Error::Folder { action: "open", path: path.clone(), source };
        let file = File::options().create(true).append(true).open(&path).map_err(problem)?;
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { data: data.to_owned(), _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::InUse(data.to_owned()));
                }
                Err(TryLockError::Error(error)) => return Err(problem(error)),
            }
        }
    }

    /// Publishes the port of the API, for editors and for `hapa status`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn publish(&self, port: u16) -> io::Result<()> {
        let instance = InstanceFile { port, pid: std::process::id(), version: VERSION.into() };
        fs::replace(&InstanceFile::path(&self.data), handshake::encode_line(&instance).as_bytes())
    }
}

impl Drop for InstanceLock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(InstanceFile::path(&self.data));
    }
}

/// The HAPA that serves this data folder now, if one does. A file left by a crash is not trusted: another program may
/// use the port by now.
#[must_use]
pub fn find_running(data: &Path) -> Option<InstanceFile> {
    let file = File::options().append(true).open(data.join("lock")).ok()?;
    if file.try_lock().is_ok() {
        return None;
    }
    serde_json::from_str(&std::fs::read_to_string(InstanceFile::path(data)).ok()?).ok()
}

/// Creates the data folder, readable by its owner only.
///
/// # Errors
/// When it cannot be created.
pub fn create_data_folder(data: &Path) -> Result<(), Error> {
    private_folder(data).map_err(|source| Error::Folder { action: "create", path: data.to_owned(), source })
}

fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
