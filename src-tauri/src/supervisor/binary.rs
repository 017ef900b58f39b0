//! Which program the sidecar is.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// A program with its arguments.
#[derive(Debug, Clone)]
pub struct Binary {
    /// The executable file.
    pub path: PathBuf,
    /// What follows it on the command line. Never a secret: everyone on the machine can read it.
    pub arguments: Vec<OsString>,
}

impl Binary {
    /// `hapa serve --supervised`, from the folder that this program is in.
    ///
    /// A debug build takes the path in `HAPA_SIDECAR` instead, where it is set.
    pub fn sidecar() -> io::Result<Self> {
        let path = match env::var_os("HAPA_SIDECAR").filter(|_| cfg!(debug_assertions)) {
            Some(path) => path.into(),
            None => env::current_exe()?.with_file_name(handshake::BINARY).with_extension(env::consts::EXE_EXTENSION),
        };
        Ok(Self { path, arguments: ["serve", "--supervised"].map(OsString::from).into() })
    }
}
