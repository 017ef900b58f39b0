//! The sidecar's child process: spawn, ready line, exit code.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use handshake::{Exit, LaunchMessage, ReadyMessage};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{self, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Binary;
use super::key::Key;
use super::log_tail::{LogTail, next_line};
use super::policy::ExitKind;

/// How long to wait for the rest of stderr after the process has exited.
const LOG_FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// A running sidecar process. It is killed on drop.
pub(crate) struct Child {
    process: process::Child,
    /// Closing it stops the sidecar; the operating system closes it when this process ends.
    stdin: ChildStdin,
    stdout: Option<BufReader<ChildStdout>>,
    log: LogTail,
    log_task: JoinHandle<()>,
}

impl Child {
    /// Spawns the process and starts collecting its stderr.
    ///
    /// Call it on a thread that outlives the process: Linux sends the parent-death signal when that thread exits.
    ///
    /// # Errors
    /// When the executable is missing or cannot be executed.
    pub(crate) fn spawn(binary: &Binary, log: LogTail) -> io::Result<Self> {
        let mut process = command(binary).spawn()?;
        let stderr = process.stderr.take().expect("stderr is piped");
        Ok(Self {
            stdin: process.stdin.take().expect("stdin is piped"),
            stdout: process.stdout.take().map(BufReader::new),
            log_task: tokio::spawn(log.clone().follow(stderr)),
            log,
            process,
        })
    }

    /// Writes the launch line with the key, then waits for the ready line.
    ///
    /// # Errors
    /// The exit kind, when the process exits first or its first line is not a ready line.
    pub(crate) async fn wait_ready(&mut self, key: &Key) -> Result<ReadyMessage, ExitKind> {
        let launch = LaunchMessage::Launch { key: key.reveal().to_owned() };
        // If the process has exited already, its exit code is the reason, not this broken pipe.
        let _ = self.stdin.write_all(handshake::encode_line(&launch).as_bytes()).await;
        let mut stdout = self.stdout.take().expect("the ready line is read once");
        let Some(line) = next_line(&mut stdout).await.ok().flatten() else { return Err(self.wait().await) };
        match serde_json::from_str(&line) {
            Ok(report) => {
                tokio::spawn(async move { tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await });
                Ok(report)
            }
            Err(error) => {
                self.log
                    .push(format!("the program is not HAPA's sidecar: its first line is not a ready line ({error})"));
                Err(ExitKind::SpawnFailed)
            }
        }
    }

    /// Waits for the process to exit and for the end of its log.
    pub(crate) async fn wait(&mut self) -> ExitKind {
        let Ok(status) = self.process.wait().await else { return ExitKind::Crash };
        // A descendant of the sidecar may still hold stderr open, so the wait is bounded.
        let _ = timeout(LOG_FLUSH_TIMEOUT, &mut self.log_task).await;
        self.log.push(format!("the sidecar exited: {status}"));
        exit_kind(status)
    }

    /// Stops the process by closing its stdin, and kills it if it has not exited after `drain`.
    pub(crate) async fn stop(mut self, drain: Duration) {
        drop(self.stdin);
        if timeout(drain, self.process.wait()).await.is_err() {
            tracing::warn!("sidecar did not exit within {drain:?}, killing it");
            let _ = self.process.kill().await;
        }
    }

    /// Kills a process that never became ready and so has nothing to save.
    pub(crate) async fn kill(mut self) {
        // Fails only if the process has exited already.
        let _ = self.process.kill().await;
    }
}

fn exit_kind(status: ExitStatus) -> ExitKind {
    status.code().and_then(Exit::from_code).map_or(ExitKind::Crash, ExitKind::Code)
}

fn command(binary: &Binary) -> process::Command {
    let mut command = process::Command::new(&binary.path);
    command
        .args(&binary.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // A process group of its own: Ctrl-C in a terminal goes to the window, which then stops the sidecar gracefully.
    #[cfg(unix)]
    command.process_group(0);
    #[cfg(windows)]
    command.creation_flags(CREATE_NO_WINDOW);
    command
}

/// Without this flag Windows opens a console window for a console program.
#[cfg(windows)]
const CREATE_NO_WINDOW: u32 = 0x0800_0000;
