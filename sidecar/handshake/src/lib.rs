//! What the desktop app and the sidecar agree on: the lines they exchange, the names of files and the exit codes.
//!
//! The conversation is short. The desktop starts `hapa serve --supervised`, writes one [`LaunchMessage`] line to its stdin and
//! keeps that pipe open; the sidecar binds its port, writes one [`ReadyMessage`] line to its stdout, and ends when stdin does.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The port the API is documented on. The next free one is used when it is taken.
pub const DEFAULT_PORT: u16 = 8000;

/// File name of the sidecar's binary, without the platform's suffix.
pub const BINARY: &str = "hapa";

/// Environment variable that moves the data folder, for tests and portable installs.
pub const DATA_DIR_VAR: &str = "HAPA_DATA_DIR";

/// The first and only line that the desktop writes to the sidecar's stdin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchMessage {
    /// Serve, and accept `key` from the window until this process ends.
    Launch {
        /// The window's key of this launch: `hapa_` and 64 lower-case hex digits.
        key: String,
    },
}

/// The first line that the sidecar writes to its stdout; everything else it has to say goes to stderr and its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadyMessage {
    /// The API answers now. A model may still be loading.
    Ready {
        /// The loopback port that the API is bound to.
        port: u16,
        /// The sidecar's version, as in `GET /health`.
        version: String,
    },
}

/// Why the sidecar ended, as its exit code. Other codes and signals are crashes. The numbers follow BSD's sysexits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Asked to end: stdin closed, or a stop signal.
    Done = 0,
    /// The command line could not be understood.
    Usage = 2,
    /// The port that the user pinned is taken by another program.
    PortTaken = 69,
    /// The data folder or the database could not be opened.
    Store = 74,
    /// A setting is invalid. Starting again cannot help.
    Config = 78,
}

impl Exit {
    /// The meaning of an exit code, or `None` for a crash.
    #[must_use]
    pub fn from_code(code: i32) -> Option<Self> {
        [Self::Done, Self::Usage, Self::PortTaken, Self::Store, Self::Config]
            .into_iter()
            .find(|exit| exit.code() == code)
    }

    /// The number given to the operating system.
    #[must_use]
    pub fn code(self) -> i32 {
        i32::from(self as u8)
    }
}

/// Where a running sidecar can be found by IDE extensions and `hapa status`: `sidecar.json` in the data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceFile {
    /// The loopback port of the API.
    pub port: u16,
    /// Process id of the sidecar.
    pub pid: u32,
    /// The sidecar's version.
    pub version: String,
}

impl InstanceFile {
    /// The file's place inside the data folder.
    #[must_use]
    pub fn path(data: &Path) -> PathBuf {
        data.join("sidecar.json")
    }
}

/// The folder for everything HAPA keeps: the database, models, logs and keys.
///
/// `override_dir` is the value of [`DATA_DIR_VAR`], which wins unless it is empty. `None` comes back only on a system without home folders.
#[must_use]
pub fn data_dir(override_dir: Option<PathBuf>) -> Option<PathBuf> {
    let override_dir = override_dir.filter(|folder| !folder.as_os_str().is_empty());
    override_dir
        .or_else(|| directories::ProjectDirs::from("dev", "hapa", "hapa").map(|dirs| dirs.data_dir().to_path_buf()))
}

/// One line of JSON, ended by a newline: the form in which both sides write.
#[must_use]
pub fn encode_line<T: Serialize>(message: &T) -> String {
    let mut line = serde_json::to_string(message).expect("these messages have only string keys");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_what_the_documentation_shows() {
        let ready = ReadyMessage::Ready { port: 8000, version: "0.4.0".into() };
        assert_eq!(encode_line(&ready), "{\"ready\":{\"port\":8000,\"version\":\"0.4.0\"}}\n");
        let launch = LaunchMessage::Launch { key: "hapa_00".into() };
        assert_eq!(encode_line(&launch), "{\"launch\":{\"key\":\"hapa_00\"}}\n");
    }

    #[test]
    fn an_unknown_code_is_a_crash() {
        assert_eq!(Exit::from_code(78), Some(Exit::Config));
        assert_eq!(Exit::from_code(134), None);
    }
}
