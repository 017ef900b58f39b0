//! One run of the sidecar's process, from its first line to its exit code.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use handshake::{Exit, Launch, Report};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{self, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Binary;
use super::key::Key;
use super::log_tail::{LogTail, next_line};
use super::policy::ExitKind;

/// How long the last lines of a log may take to arrive after the process that wrote them.
const LOG_FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// The running process. Dropping it kills it.
pub struct Child {
    process: process::Child,
    /// Its end of this pipe tells the sidecar to end, also when the end is ours.
    stdin: ChildStdin,
    stdout: Option<BufReader<ChildStdout>>,
    log: LogTail,
    log_task: JoinHandle<()>,
}

impl Child {
    /// Starts the program.
    ///
    /// It must be called on a thread that outlives the process: Linux counts the end of the thread as the parent's death.
    pub fn spawn(binary: &Binary, log: LogTail) -> io::Result<Self> {
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

    /// Hands the key over and waits for the ready line, or for the end of a process that never becomes ready.
    pub async fn wait_ready(&mut self, key: &Key) -> Result<Report, ExitKind> {
        let launch = Launch::Launch { key: key.reveal().to_owned() };
        // A process that is gone already says why by its exit code, not by this pipe.
        let _ = self.stdin.write_all(handshake::line(&launch).as_bytes()).await;
        let mut stdout = self.stdout.take().expect("a process becomes ready once");
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

    /// Waits until the process ends by itself, and its log with it.
    pub async fn wait(&mut self) -> ExitKind {
        let Ok(status) = self.process.wait().await else { return ExitKind::Crash };
        // Who holds the other end of stderr after the sidecar's death is no reason to wait for long.
        let _ = timeout(LOG_FLUSH_TIMEOUT, &mut self.log_task).await;
        self.log.push(format!("the sidecar ended: {status}"));
        exit_kind(status)
    }

    /// Asks the process to end by closing its stdin, and kills it if it is still there after `drain`.
    pub async fn stop(mut self, drain: Duration) {
        drop(self.stdin);
        if timeout(drain, self.process.wait()).await.is_err() {
            tracing::warn!("the sidecar did not end within {drain:?} and is killed");
            let _ = self.process.kill().await;
        }
    }

    /// Ends a process that was never ready and has nothing to lose.
    pub async fn kill(mut self) {
        // Fails only where the process has ended already.
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
    // Ctrl-C in a terminal is for the window, which then ends the sidecar in order.
    #[cfg(unix)]
    command.process_group(0);
    #[cfg(windows)]
    command.creation_flags(CREATE_NO_WINDOW);
    command
}

/// Windows opens a console for a console program unless it is told not to.
#[cfg(windows)]
const CREATE_NO_WINDOW: u32 = 0x0800_0000;
