//! Path and arguments of the sidecar's binary.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// An executable with its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Binary {
    /// Path of the executable.
    pub path: PathBuf,
    /// Command-line arguments. Never a secret: every user of the machine can read them.
    pub arguments: Vec<OsString>,
}

impl Binary {
    /// `hapa serve --supervised`, with `hapa` from the folder of this executable.
    ///
    /// A debug build uses the path in `HAPA_SIDECAR` instead, if it is set.
    ///
    /// # Errors
    /// When the path of this executable cannot be determined.
    pub(crate) fn sidecar() -> io::Result<Self> {
        let path = match env::var_os("HAPA_SIDECAR").filter(|_| cfg!(debug_assertions)) {
            Some(path) => path.into(),
            None => env::current_exe()?.with_file_name(handshake::BINARY).with_extension(env::consts::EXE_EXTENSION),
        };
        Ok(Self { path, arguments: ["serve", "--supervised"].map(OsString::from).into() })
    }
}
