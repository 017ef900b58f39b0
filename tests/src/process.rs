//! HAPA as a child process: runs the built `hapa` binary.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use handshake::{LaunchMessage, ReadyMessage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::TIMEOUT;

/// The path of a binary of this build, in the target folder of the test binary.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test.ancestors().nth(2).expect("the test binary is in <target>/debug/deps");
    let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "`{}` is missing: build the workspace first, as `cargo xtask test` does",
        program.display()
    );
    program
}

/// A `hapa` command on a data folder. It uses the folder's script, if there is one, and no environment variables of the test run.
#[must_use]
pub fn hapa(data: &Path, arguments: &[&str]) -> Command {
    hapa_in(&program("hapa"), data, arguments)
}

/// [`hapa`] with the binary at another path.
#[must_use]
pub fn hapa_in(program: &Path, data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    for variable in sidecar::config::VARIABLES {
        command.env_remove(variable.name);
    }
    command.args(arguments).env("HAPA_DATA_DIR", data).env("LC_ALL", "en_US.UTF-8").kill_on_drop(true);
    // Tests do not open the keychain of the user who runs them.
    command.env("HAPA_KEYCHAIN", "false");
    // Tests do not reach the model hub either: nothing listens on this port.
    command.env("HF_ENDPOINT", "http://127.0.0.1:1");
    let script = data.join("script.json");
    if script.is_file() {
        command.env("HAPA_SCRIPT", script);
    }
    command
}

/// A temporary data folder with a script in it.
#[must_use]
pub fn data_dir_with(script: &serde_json::Value) -> tempfile::TempDir {
    let data = crate::data_dir();
    let mut file = std::fs::File::create(data.path().join("script.json")).expect("the data folder is writable");
    file.write_all(script.to_string().as_bytes()).expect("the disk has space");
    data
}

/// Runs a command until it exits.
///
/// # Panics
/// When it does not exit in time.
pub async fn run_to_end(mut command: Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    timeout(TIMEOUT, output).await.expect("it exits in time").expect("it can be started")
}

/// A running `hapa serve --supervised`, as the desktop app starts it.
pub struct SidecarProcess {
    /// The process.
    pub child: Child,
    /// The lifeline: the process exits once this is dropped.
    pub stdin: Option<ChildStdin>,
    /// The API key passed at launch.
    pub key: String,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Drains stderr: the process would block once the pipe is full.
    stderr: Option<JoinHandle<String>>,
}

impl SidecarProcess {
    /// Starts `hapa` and passes it a key.
    pub async fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_with(hapa(data, &[&["serve", "--supervised"], arguments].concat())).await
    }

    /// Starts this command and passes it a key.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start_with(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let key = format!("hapa_{}", "5".repeat(64));
        let mut stdin = child.stdin.take().expect("it is a pipe");
        let line = handshake::encode_line(&LaunchMessage::Launch { key: key.clone() });
        // A process that exits at once may never read it.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stdin, line.as_bytes()).await;
        let stdout = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        let mut stderr = child.stderr.take().expect("it is a pipe");
        let stderr = tokio::spawn(async move {
            let mut bytes = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut stderr, &mut bytes).await;
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Self { child, stdin: Some(stdin), key, stdout, stderr: Some(stderr) }
    }

    /// Waits for the ready message, and returns the base URL.
    ///
    /// # Panics
    /// When it does not arrive in time.
    pub async fn wait_ready(&mut self) -> String {
        let line = timeout(TIMEOUT, self.stdout.next_line()).await.expect("it is ready in time");
        let line = line.expect("stdout can be read").expect("it writes a line before it exits");
        let ReadyMessage::Ready { port, .. } = serde_json::from_str(&line).expect("the first line is the ready line");
        format!("http://127.0.0.1:{port}")
    }

    /// Sends the process a signal.
    ///
    /// # Panics
    /// When it has exited already.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().expect("the process is running")).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("the process can be signalled");
    }

    /// Waits for the process to exit.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn wait_exit(&mut self) -> ExitStatus {
        timeout(TIMEOUT, self.child.wait()).await.expect("it exits in time").expect("it can be waited for")
    }

    /// The output on stderr, once the process has exited.
    ///
    /// # Panics
    /// When stderr cannot be read.
    pub async fn stderr(&mut self) -> String {
        let stderr = self.stderr.take().expect("stderr is read once");
        timeout(TIMEOUT, stderr).await.expect("stderr ends").expect("it can be read")
    }
}
