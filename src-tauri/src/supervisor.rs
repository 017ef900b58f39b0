//! The supervisor task: starts the sidecar process, waits for its ready line, restarts it after a failure and stops it.
//!
//! The sidecar never outlives the window. It exits when its stdin is closed, and the operating system closes that pipe
//! however this process ends. On Linux the sidecar also sets a parent-death signal (`PR_SET_PDEATHSIG`).

mod binary;
mod child;
mod key;
mod log_tail;
mod policy;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::mpsc as blocking;
use std::thread;
use std::time::Duration;

use handshake::ReadyMessage;
use serde::Serialize;
use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

pub(crate) use binary::Binary;
use child::Child;
use key::Key;
use log_tail::LogTail;
use policy::{Decision, ExitKind, FailureReason, RestartBackoff};

/// A handle to the supervisor task. The sidecar is stopped when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Supervisor {
    sender: mpsc::Sender<Command>,
    status: watch::Receiver<SidecarStatus>,
}

/// The state of the sidecar, as it is sent to the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum SidecarStatus {
    /// Starting for the first time, or because the user requested it.
    Starting,
    /// The API accepts requests.
    Ready {
        /// Base URL without a trailing slash: `http://127.0.0.1:8000`.
        base_url: String,
        /// The window's API key, valid until the sidecar process exits.
        key: Key,
        /// The sidecar's version.
        version: String,
        /// Automatic restarts since the window opened.
        restarts: u32,
    },
    /// The sidecar exited and will be restarted.
    Restarting {
        /// Automatic restarts since the window opened, this one included.
        restarts: u32,
        /// Milliseconds from this status to the restart.
        retry_in_ms: u64,
        /// Why it exited.
        reason: FailureReason,
        /// The last lines of its log, oldest first.
        log: Vec<String>,
    },
    /// The sidecar is not running and is restarted only at the user's request.
    Failed {
        /// Why it is not running.
        reason: FailureReason,
        /// The last lines of its log, oldest first.
        log: Vec<String>,
    },
}

/// Deadlines for starting and stopping the sidecar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// From spawning the process to its ready line. Models are loaded after that, so a start is short.
    pub ready: Duration,
    /// From closing stdin to the exit. Meanwhile the sidecar cancels and saves running answers.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { ready: Duration::from_secs(20), drain: Duration::from_secs(5) }
    }
}

enum Command {
    Restart,
    /// Signals the sender when the sidecar has exited. `None`: every handle was dropped, so no caller waits.
    Stop(Option<blocking::Sender<()>>),
}

/// Capacity of the command queue. A user cannot fill it: the task reads commands except while the sidecar drains.
const COMMAND_CAPACITY: usize = 8;

/// Upper bound for [`Supervisor::stop`]: two drain timeouts, one of them from a restart in progress, plus a margin.
const STOP_TIMEOUT: Duration = Duration::from_secs(12);

impl Supervisor {
    /// Starts the sidecar and supervises it on a dedicated thread, which runs until [`Supervisor::stop`].
    ///
    /// Linux sends the parent-death signal when the thread that spawned the process exits, so a pool may not own it.
    ///
    /// # Errors
    /// When the runtime or the thread cannot be created.
    pub(crate) fn start(binary: Binary, timeouts: Timeouts) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (sender, commands) = mpsc::channel(COMMAND_CAPACITY);
        let (publisher, status) = watch::channel(SidecarStatus::Starting);
        let task = Task {
            binary,
            timeouts,
            commands: CommandQueue(commands),
            status: publisher,
            backoff: RestartBackoff::default(),
            restarts: 0,
        };
        thread::Builder::new().name("supervisor".into()).spawn(move || runtime.block_on(task.supervise()))?;
        Ok(Self { sender, status })
    }

    /// The current status of the sidecar.
    pub(crate) fn status(&self) -> SidecarStatus {
        self.status.borrow().clone()
    }

    /// A receiver for the next changes of [`Supervisor::status`].
    pub(crate) fn changes(&self) -> watch::Receiver<SidecarStatus> {
        self.status.clone()
    }

    /// Restarts the sidecar, stopping it first if it runs, and resets the backoff.
    pub(crate) fn restart(&self) {
        // A full queue already holds a restart command.
        let _ = self.sender.try_send(Command::Restart);
    }

    /// Stops the sidecar and returns when it has exited. Blocks, so it must not be called in an async task.
    pub(crate) fn stop(&self) {
        let (done, stopped) = blocking::channel();
        if self.sender.blocking_send(Command::Stop(Some(done))).is_ok() {
            // The task drops the sender when it ends. A timeout means that even SIGKILL did not end the sidecar.
            let _ = stopped.recv_timeout(STOP_TIMEOUT);
        }
    }
}

struct Task {
    binary: Binary,
    timeouts: Timeouts,
    commands: CommandQueue,
    status: watch::Sender<SidecarStatus>,
    backoff: RestartBackoff,
    restarts: u32,
}

struct CommandQueue(mpsc::Receiver<Command>);

impl CommandQueue {
    async fn next(&mut self) -> Command {
        self.0.recv().await.unwrap_or(Command::Stop(None))
    }
}

/// How one run of the sidecar ended.
enum RunOutcome {
    /// The process exited, could not be spawned, or missed the ready deadline.
    Exited { exit: ExitKind, uptime: Duration, log: Vec<String> },
    /// A command stopped it.
    Interrupted(Command),
}

impl Task {
    async fn supervise(mut self) {
        loop {
            let command = match self.run().await {
                RunOutcome::Interrupted(command) => command,
                RunOutcome::Exited { exit, uptime, log } => match self.backoff.after_exit(exit, uptime) {
                    Decision::GiveUp(reason) => self.give_up(reason, log).await,
                    Decision::RestartAfter { delay, reason } => match self.back_off(delay, reason, log).await {
                        Some(command) => command,
                        None => continue,
                    },
                },
            };
            match command {
                Command::Restart => self.reset_backoff(),
                Command::Stop(done) => {
                    let _ = done.map(|done| done.send(()));
                    return;
                }
            }
        }
    }

    /// Runs the sidecar once, until it exits or a command stops it.
    async fn run(&mut self) -> RunOutcome {
        let log = LogTail::default();
        let start = Instant::now();
        let exited = |exit| RunOutcome::Exited { exit, uptime: start.elapsed(), log: log.lines() };
        let mut child = match Child::spawn(&self.binary, log.clone()) {
            Ok(child) => child,
            Err(error) => {
                log.push(format!("could not start `{}`: {error}", self.binary.path.display()));
                return exited(ExitKind::SpawnFailed);
            }
        };
        let key = Key::random();
        let ready = tokio::select! {
            ready = timeout(self.timeouts.ready, child.wait_ready(&key)) => ready,
            command = self.commands.next() => return self.stop_child(child, command).await,
        };
        match ready {
            Ok(Ok(ReadyMessage::Ready { port, version })) => self.publish_ready(port, version, key),
            Ok(Err(exit)) => {
                child.kill().await;
                return exited(exit);
            }
            Err(_elapsed) => {
                log.push(format!("the sidecar did not become ready within {:?}", self.timeouts.ready));
                child.kill().await;
                return exited(ExitKind::ReadyTimeout);
            }
        }
        tokio::select! {
            exit = child.wait() => exited(exit),
            command = self.commands.next() => self.stop_child(child, command).await,
        }
    }

    async fn stop_child(&self, child: Child, command: Command) -> RunOutcome {
        child.stop(self.timeouts.drain).await;
        RunOutcome::Interrupted(command)
    }

    fn publish_ready(&self, port: u16, version: String, key: Key) {
        tracing::info!(port, version, restarts = self.restarts, "sidecar ready on port {port}");
        let base_url = format!("http://127.0.0.1:{port}");
        self.status.send_replace(SidecarStatus::Ready { base_url, key, version, restarts: self.restarts });
    }

    /// Waits for the restart delay, or for a command, which is returned.
    async fn back_off(&mut self, delay: Duration, reason: FailureReason, log: Vec<String>) -> Option<Command> {
        tracing::warn!(?reason, last = log.last(), "sidecar exited, restarting in {delay:?}");
        self.restarts += 1;
        let retry_in_ms = delay.as_millis().try_into().unwrap_or(u64::MAX);
        self.status.send_replace(SidecarStatus::Restarting { restarts: self.restarts, retry_in_ms, reason, log });
        timeout(delay, self.commands.next()).await.ok()
    }

    /// Publishes the failure and waits for the next command.
    async fn give_up(&mut self, reason: FailureReason, log: Vec<String>) -> Command {
        tracing::error!(?reason, last = log.last(), "sidecar failed and will not be restarted");
        self.status.send_replace(SidecarStatus::Failed { reason, log });
        self.commands.next().await
    }

    fn reset_backoff(&mut self) {
        self.backoff = RestartBackoff::default();
        self.status.send_replace(SidecarStatus::Starting);
    }
}
