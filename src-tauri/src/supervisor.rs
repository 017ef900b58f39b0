//! The task that owns the sidecar: start, ready, watch, stop.
//!
//! The sidecar never outlives the window. It ends when its stdin does, and the system closes that pipe for us however we
//! end; on Linux the sidecar also asks the kernel to be killed with its parent.

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

use handshake::Report;
use serde::Serialize;
use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

pub use binary::Binary;
use child::Child;
use key::Key;
use log_tail::LogTail;
use policy::{Decision, ExitKind, FailureReason, RestartBackoff};

/// A handle to the task. The sidecar ends when the last handle drops.
#[derive(Debug, Clone)]
pub struct Supervisor {
    sender: mpsc::Sender<Command>,
    status: watch::Receiver<SidecarStatus>,
}

/// How the sidecar is, as the window is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SidecarStatus {
    /// The first start, or one that the user asked for.
    Starting,
    /// The API answers.
    Ready {
        /// Where, without a slash at the end: `http://127.0.0.1:8000`.
        base_url: String,
        /// The window's key, valid until this process ends.
        key: Key,
        /// The sidecar's version.
        version: String,
        /// How often it was started again since the window opened.
        restarts: u32,
    },
    /// It ended, and is being started again.
    Restarting {
        /// How often it was started again since the window opened, this time included.
        restarts: u32,
        /// From this report to the next start.
        retry_in_ms: u64,
        /// Why it ended.
        reason: FailureReason,
        /// The last lines that it logged, oldest first.
        log: Vec<String>,
    },
    /// It is not started again unless the user asks.
    Failed {
        /// Why not.
        reason: FailureReason,
        /// The last lines that it logged, oldest first.
        log: Vec<String>,
    },
}

/// How long to wait before doing something about it.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From the start to the ready line. A model is loaded later, so this is no time for much.
    pub ready: Duration,
    /// From the request to end to the end: answers are cut and saved meanwhile.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { ready: Duration::from_secs(20), drain: Duration::from_secs(5) }
    }
}

enum Command {
    Restart,
    /// Whoever holds the other end of the channel wants to know when it is done. `None`: no handle is left to ask.
    Stop(Option<blocking::Sender<()>>),
}

/// More commands than a user can have open at once: the task reads them while it waits for anything but a draining sidecar.
const COMMAND_CAPACITY: usize = 8;

/// The longest that [`Supervisor::stop`] blocks: two drains, one of them of a restart under way, and some air.
const STOP_TIMEOUT: Duration = Duration::from_secs(12);

impl Supervisor {
    /// Starts the sidecar and watches over it, on a thread that lives until [`Supervisor::stop`].
    ///
    /// The thread is the sidecar's parent in the eyes of Linux, so it must not be one that a pool may end.
    pub fn start(binary: Binary, timeouts: Timeouts) -> io::Result<Self> {
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

    /// How the sidecar is now.
    pub fn status(&self) -> SidecarStatus {
        self.status.borrow().clone()
    }

    /// Each change of [`Supervisor::status`] from here on.
    pub fn changes(&self) -> watch::Receiver<SidecarStatus> {
        self.status.clone()
    }

    /// Starts the sidecar again, ending it first if it runs. Whatever happened before is forgiven.
    pub fn restart(&self) {
        // A full mailbox is full of this same wish.
        let _ = self.sender.try_send(Command::Restart);
    }

    /// Ends the sidecar and returns when it is gone. Blocks the thread, and must not be called in a task.
    pub fn stop(&self) {
        let (done, stopped) = blocking::channel();
        if self.sender.blocking_send(Command::Stop(Some(done))).is_ok() {
            // The sender drops with the task, so an error is either the end or a sidecar that even SIGKILL does not end.
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

/// How a run came to its end.
enum RunOutcome {
    /// By itself, or because it never became ready.
    Exited { exit: ExitKind, uptime: Duration, log: Vec<String> },
    /// By an order.
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

    /// One run of the sidecar, until it ends or an order ends it.
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
            Ok(Ok(Report::Ready { port, version })) => self.publish_ready(port, version, key),
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
        tracing::info!(port, version, restarts = self.restarts, "the sidecar is ready on port {port}");
        let base_url = format!("http://127.0.0.1:{port}");
        self.status.send_replace(SidecarStatus::Ready { base_url, key, version, restarts: self.restarts });
    }

    /// The pause before a restart, which an order may cut short.
    async fn back_off(&mut self, delay: Duration, reason: FailureReason, log: Vec<String>) -> Option<Command> {
        tracing::warn!(?reason, last = log.last(), "the sidecar ended and starts again in {delay:?}");
        self.restarts += 1;
        let retry_in_ms = delay.as_millis().try_into().unwrap_or(u64::MAX);
        self.status.send_replace(SidecarStatus::Restarting { restarts: self.restarts, retry_in_ms, reason, log });
        timeout(delay, self.commands.next()).await.ok()
    }

    /// The time without a sidecar, until an order ends it.
    async fn give_up(&mut self, reason: FailureReason, log: Vec<String>) -> Command {
        tracing::error!(?reason, last = log.last(), "the sidecar does not run and is not started again");
        self.status.send_replace(SidecarStatus::Failed { reason, log });
        self.commands.next().await
    }

    fn reset_backoff(&mut self) {
        self.backoff = RestartBackoff::default();
        self.status.send_replace(SidecarStatus::Starting);
    }
}
