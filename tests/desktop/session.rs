//! A place for one test's window: a display, a session bus and folders of its own.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tests::{PATIENCE, process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::x11::X11Display;

/// Everything that a window needs and nothing that a user of this machine has.
pub struct DesktopSession {
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
    /// A desk on which the sidecar answers as `script` says.
    pub async fn new(script: &Value) -> Self {
        let home = process::data_with(script);
        // Both choose a free name by themselves and tell it on stdout.
        let mut display = Command::new("Xvfb");
        screen.args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"]);
        let (display, number) = first_line(display).await;
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]);
        let (bus, address) = first_line(bus).await;
        Self {
            home,
            display: format!(":{number}"),
            bus: address,
            sidecar: None,
            model: None,
            app: process::program("desktop"),
            arguments: Vec::new(),
            variables: Vec::new(),
            _servers: [display, bus],
        }
    }

    /// Lets this program stand in for `hapa`.
    pub fn set_sidecar(&mut self, program: PathBuf) {
        self.sidecar = Some(program);
    }

    /// Lets a real model answer instead of the script.
    pub fn set_model(&mut self, model: PathBuf) {
        self.model = Some(model);
    }

    /// Lets this program be the app.
    pub fn set_app(&mut self, app: PathBuf) {
        self.app = app;
    }

    /// The app.
    pub fn app(&self) -> &Path {
        &self.app
    }

    /// Gives the app an argument.
    pub fn add_argument(&mut self, argument: impl Into<OsString>) {
        self.arguments.push(argument.into());
    }

    /// The app's arguments.
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// Sets a variable for all programs on it.
    pub fn set_env(&mut self, variable: &'static str, value: impl Into<OsString>) {
        self.variables.push((variable, value.into()));
    }

    /// HAPA's data folder.
    pub fn data_dir(&self) -> &Path {
        self.home.path()
    }

    /// The address of its session bus.
    pub fn bus(&self) -> &str {
        &self.bus
    }

    /// Lets a shell script stand in for a program that others call.
    pub fn stub(&self, name: &str, script: &str) {
        let file = self.stubs().join(name);
        fs::create_dir_all(self.stubs()).expect("the desk has room");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("the desk has room");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    fn stubs(&self) -> PathBuf {
        self.data_dir().join("stubs")
    }

    /// Its display.
    pub fn display(&self) -> X11Display {
        X11Display::connect(&self.display)
    }

    /// A program on this desk. It ends with the test.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let home = self.home.path();
        command.env_clear();
        // What programs need to be found, and to find their libraries.
        command.envs(std::env::vars_os().filter(|(name, _)| name == "LD_LIBRARY_PATH"));
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(self.stubs()).chain(std::env::split_paths(&paths));
        command.env("PATH", std::env::join_paths(paths).expect("no folder has a colon in its name"));
        command.env("HOME", home).env("XDG_RUNTIME_DIR", home).env("LANG", "C.UTF-8");
        command.env("DISPLAY", &self.display).env("GDK_BACKEND", "x11").env("DBUS_SESSION_BUS_ADDRESS", &self.bus);
        command.env("HAPA_DATA_DIR", home).env("HAPA_SCRIPT", home.join("script.json"));
        command.envs(self.sidecar.iter().map(|program| ("HAPA_SIDECAR", program)));
        if let Some(model) = &self.model {
            command.env_remove("HAPA_SCRIPT").env("HAPA_MODEL", model);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // The display has no GPU, and nobody here reads the screen aloud.
        command.env("WEBKIT_DISABLE_COMPOSITING_MODE", "1").env("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
        command.env("NO_AT_BRIDGE", "1").env("GIO_USE_VFS", "local");
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// Starts a server and waits for the first line that it prints.
async fn first_line(mut server: Command) -> (Child, String) {
    let name = server.as_std().get_program().to_string_lossy().into_owned();
    let server = server.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn();
    let mut server = server.unwrap_or_else(|error| panic!("could not start `{name}`: {error}"));
    let mut stdout = BufReader::new(server.stdout.take().expect("it is a pipe"));
    let line = timeout(PATIENCE, read_line(&mut stdout)).await;
    (server, line.unwrap_or_else(|_| panic!("`{name}` says nothing")))
}

async fn read_line(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).await.expect("stdout can be read");
    line.trim().to_owned()
}
