//! The protocol between the desktop app and the sidecar process: start-up messages, file names and exit codes.
//!
//! 1. The desktop starts `hapa serve --supervised`, writes one [`LaunchMessage`] line to its stdin and keeps that pipe open.
//! 2. The sidecar binds its port and writes one [`ReadyMessage`] line to its stdout.
//! 3. The sidecar shuts down when its stdin is closed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Default port of the API. If it is taken, the sidecar uses the next free one.
pub const DEFAULT_PORT: u16 = 8000;

/// File name of the sidecar's binary, without the platform's extension.
pub const BINARY: &str = "hapa";

/// Environment variable that overrides the data directory, for tests and portable installs.
pub const DATA_DIR_VAR: &str = "HAPA_DATA_DIR";

/// The only line that the desktop writes to the sidecar's stdin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchMessage {
    /// Start serving, and accept `key` as the window's API key until the process exits.
    Launch {
        /// API key of the window for this launch: `hapa_` and 64 lower-case hex digits.
        key: String,
    },
}

/// The only line that the sidecar writes to its stdout; all other output goes to stderr and the log file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadyMessage {
    /// The API accepts requests. A model may still be loading.
    Ready {
        /// The loopback port that the API is bound to.
        port: u16,
        /// The sidecar's version, as in `GET /health`.
        version: String,
    },
}

/// Exit codes of the sidecar, numbered as in BSD's `sysexits.h`. Any other code, or a signal, is a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Clean shutdown: stdin was closed, or a stop signal arrived.
    Done = 0,
    /// The command line is invalid.
    Usage = 2,
    /// The configured port is taken by another process.
    PortTaken = 69,
    /// The data directory or the database could not be opened.
    Store = 74,
    /// The configuration is invalid. A restart does not help.
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

    /// The process exit code.
    #[must_use]
    pub fn code(self) -> i32 {
        i32::from(self as u8)
    }
}

/// Content of `sidecar.json` in the data directory, from which IDE extensions and `hapa status` discover the running sidecar.
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
    /// Path of the file in the data directory.
    #[must_use]
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("sidecar.json")
    }
}

/// The data directory, which holds the database, models, logs and keys.
///
/// `override_dir` is the value of [`DATA_DIR_VAR`]; it takes precedence unless it is empty. Returns `None` only if the user has
/// no home directory.
#[must_use]
pub fn data_dir(override_dir: Option<PathBuf>) -> Option<PathBuf> {
    let override_dir = override_dir.filter(|dir| !dir.as_os_str().is_empty());
    override_dir
        .or_else(|| directories::ProjectDirs::from("dev", "hapa", "hapa").map(|dirs| dirs.data_dir().to_path_buf()))
}

/// Serialises a message as one line of JSON, terminated by a newline.
#[must_use]
pub fn encode_line<T: Serialize>(message: &T) -> String {
    let mut line = serde_json::to_string(message).expect("the messages have string keys only");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_encoded_as_documented() {
        let ready = ReadyMessage::Ready { port: 8000, version: "0.4.0".into() };
        assert_eq!(encode_line(&ready), "{\"ready\":{\"port\":8000,\"version\":\"0.4.0\"}}\n");
        let launch = LaunchMessage::Launch { key: "hapa_00".into() };
        assert_eq!(encode_line(&launch), "{\"launch\":{\"key\":\"hapa_00\"}}\n");
    }

    #[test]
    fn an_unknown_exit_code_is_a_crash() {
        assert_eq!(Exit::from_code(78), Some(Exit::Config));
        assert_eq!(Exit::from_code(134), None);
    }
}
