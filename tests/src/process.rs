//! HAPA as a program: the real `hapa`, started, asked, stopped and killed.

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

use crate::PATIENCE;

/// A program of this build, found beside the test program.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test.ancestors().nth(2).expect("it lies in <target>/debug/deps");
    let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "`{}` is not there: build the workspace first, as `cargo xtask test` does",
        program.display()
    );
    program
}

/// `hapa` with arguments, on a data folder, following the script in it, and with nothing else from the outside.
#[must_use]
pub fn hapa(data: &Path, arguments: &[&str]) -> Command {
    hapa_at(&program("hapa"), data, arguments)
}

/// The same with a copy of the program that lies elsewhere.
#[must_use]
pub fn hapa_at(program: &Path, data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    for variable in sidecar::config::VARIABLES {
        command.env_remove(variable.name);
    }
    command.args(arguments).env("HAPA_DATA_DIR", data).env("LC_ALL", "en_US.UTF-8").kill_on_drop(true);
    // No test looks into the keychain of whoever runs it.
    command.env("HAPA_KEYCHAIN", "false");
    // None asks a hub elsewhere either: nothing listens there.
    command.env("HF_ENDPOINT", "http://127.0.0.1:1");
    let script = data.join("script.json");
    if script.is_file() {
        command.env("HAPA_SCRIPT", script);
    }
    command
}

/// A data folder with a script in it.
#[must_use]
pub fn data_with(script: &serde_json::Value) -> tempfile::TempDir {
    let data = crate::folder();
    let mut file = std::fs::File::create(data.path().join("script.json")).expect("it can be written to");
    file.write_all(script.to_string().as_bytes()).expect("there is room");
    data
}

/// Runs a command to its end.
///
/// # Panics
/// When it does not end in time.
pub async fn finished(mut command: Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    timeout(PATIENCE, output).await.expect("it ends in time").expect("it can be started")
}

/// `hapa serve --supervised`, as the desktop app starts it.
pub struct Supervised {
    /// The process.
    pub child: Child,
    /// The lifeline: drop it and the process ends.
    pub stdin: Option<ChildStdin>,
    /// The key of this launch.
    pub key: String,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Reads along: a process whose stderr nobody reads stands still once the pipe is full.
    stderr: Option<JoinHandle<String>>,
}

impl Supervised {
    /// Starts it and hands it a key.
    pub async fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_with(hapa(data, &[&["serve", "--supervised"], arguments].concat())).await
    }

    /// Starts a command of the test's own and hands it a key.
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
        // A process that gives up at once may never read it.
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

    /// The address, once it says that it is ready.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn ready(&mut self) -> String {
        let line = timeout(PATIENCE, self.stdout.next_line()).await.expect("it is ready in time");
        let line = line.expect("stdout can be read").expect("it says something before it ends");
        let ReadyMessage::Ready { port, .. } = serde_json::from_str(&line).expect("the first line is the ready line");
        format!("http://127.0.0.1:{port}")
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().expect("it still runs")).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("the process can be signalled");
    }

    /// How it ended.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").expect("it can be waited for")
    }

    /// What it wrote to stderr, after it ended.
    ///
    /// # Panics
    /// When stderr cannot be read.
    pub async fn stderr(&mut self) -> String {
        let stderr = self.stderr.take().expect("it is read once");
        timeout(PATIENCE, stderr).await.expect("stderr ends").expect("it can be read")
    }
}
