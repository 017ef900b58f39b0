//! An isolated desktop session for one test: its own X display, D-Bus session bus and home folder.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tests::{TIMEOUT, process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::x11::X11Display;

/// The environment of the app under test, without anything from the session of the user who runs the tests.
pub(crate) struct DesktopSession {
    home: TempDir,
    display: String,
    bus: String,
    sidecar: Option<PathBuf>,
    model: Option<PathBuf>,
    app: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
    _servers: [Child; 2],
}

impl DesktopSession {
    /// Starts a session in which the scripted model answers from `script`.
    pub(crate) async fn new(script: &Value) -> Self {
        let home = process::data_dir_with(script);
        // Both choose a free name and print it on stdout.
        let mut xvfb = Command::new("Xvfb");
        xvfb.args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"]);
        let (xvfb, display) = first_line(xvfb).await;
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]);
        let (bus, address) = first_line(bus).await;
        Self {
            home,
            display: format!(":{display}"),
            bus: address,
            sidecar: None,
            model: None,
            app: process::program("desktop"),
            arguments: Vec::new(),
            variables: Vec::new(),
            _servers: [xvfb, bus],
        }
    }

    /// Runs this program as the sidecar instead of `hapa`.
    pub(crate) fn set_sidecar(&mut self, program: PathBuf) {
        self.sidecar = Some(program);
    }

    /// Uses a real model instead of the scripted one.
    pub(crate) fn set_model(&mut self, model: PathBuf) {
        self.model = Some(model);
    }

    /// Runs this executable as the app.
    pub(crate) fn set_app(&mut self, app: PathBuf) {
        self.app = app;
    }

    /// Path of the app's executable.
    pub(crate) fn app(&self) -> &Path {
        &self.app
    }

    /// Adds a command-line argument for the app.
    pub(crate) fn add_argument(&mut self, argument: impl Into<OsString>) {
        self.arguments.push(argument.into());
    }

    /// The command-line arguments for the app.
    pub(crate) fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// Sets an environment variable for all programs of the session.
    pub(crate) fn set_env(&mut self, variable: &'static str, value: impl Into<OsString>) {
        self.variables.push((variable, value.into()));
    }

    /// HAPA's data folder.
    pub(crate) fn data_dir(&self) -> &Path {
        self.home.path()
    }

    /// The address of the session bus.
    pub(crate) fn bus(&self) -> &str {
        &self.bus
    }

    /// Puts a shell script on the PATH in place of a program.
    pub(crate) fn stub(&self, name: &str, script: &str) {
        let file = self.stubs().join(name);
        fs::create_dir_all(self.stubs()).expect("the file can be written");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("the file can be written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    }

    fn stubs(&self) -> PathBuf {
        self.data_dir().join("stubs")
    }

    /// A connection to the X display.
    pub(crate) fn display(&self) -> X11Display {
        X11Display::connect(&self.display)
    }

    /// A command in this session's environment. The process is killed when the test drops it.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let home = self.home.path();
        command.env_clear();
        // PATH and the library path are inherited.
        command.envs(std::env::vars_os().filter(|(name, _)| name == "LD_LIBRARY_PATH"));
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(self.stubs()).chain(std::env::split_paths(&paths));
        command.env("PATH", std::env::join_paths(paths).expect("no path contains a colon"));
        command.env("HOME", home).env("XDG_RUNTIME_DIR", home).env("LANG", "C.UTF-8");
        command.env("DISPLAY", &self.display).env("GDK_BACKEND", "x11").env("DBUS_SESSION_BUS_ADDRESS", &self.bus);
        command.env("HAPA_DATA_DIR", home).env("HAPA_SCRIPT", home.join("script.json"));
        command.envs(self.sidecar.iter().map(|program| ("HAPA_SIDECAR", program)));
        if let Some(model) = &self.model {
            command.env_remove("HAPA_SCRIPT").env("HAPA_MODEL", model);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // The display has no GPU, and no screen reader runs.
        command.env("WEBKIT_DISABLE_COMPOSITING_MODE", "1").env("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
        command.env("NO_AT_BRIDGE", "1").env("GIO_USE_VFS", "local");
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// Starts a server process and waits for the first line on its stdout.
async fn first_line(mut server: Command) -> (Child, String) {
    let name = server.as_std().get_program().to_string_lossy().into_owned();
    let server = server.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn();
    let mut server = server.unwrap_or_else(|error| panic!("could not start `{name}`: {error}"));
    let mut stdout = BufReader::new(server.stdout.take().expect("it is a pipe"));
    let line = timeout(TIMEOUT, read_line(&mut stdout)).await;
    (server, line.unwrap_or_else(|_| panic!("`{name}` printed nothing")))
}

async fn read_line(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).await.expect("stdout can be read");
    line.trim().to_owned()
}
