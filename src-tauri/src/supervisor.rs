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

pub use binary::Program;
use child::Child;
use key::Key;
use log_tail::Log;
use policy::{Ending, Reason, Streak, Verdict};

/// A handle to the task. The sidecar ends when the last handle drops.
#[derive(Debug, Clone)]
pub struct Supervisor {
    mailbox: mpsc::Sender<Order>,
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
        reason: Reason,
        /// The last lines that it logged, oldest first.
        log: Vec<String>,
    },
    /// It is not started again unless the user asks.
    Failed {
        /// Why not.
        reason: Reason,
        /// The last lines that it logged, oldest first.
        log: Vec<String>,
    },
}

/// How long to wait before doing something about it.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the start to the ready line. A model is loaded later, so this is no time for much.
    pub ready: Duration,
    /// From the request to end to the end: answers are cut and saved meanwhile.
    pub drain: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { ready: Duration::from_secs(20), drain: Duration::from_secs(5) }
    }
}

enum Order {
    Restart,
    /// Whoever holds the other end of the channel wants to know when it is done. `None`: no handle is left to ask.
    Stop(Option<blocking::Sender<()>>),
}

/// More orders than a user can have open at once: the task reads them while it waits for anything but a draining sidecar.
const MAILBOX: usize = 8;

/// The longest that [`Supervisor::stop`] blocks: two drains, one of them of a restart under way, and some air.
const STOP: Duration = Duration::from_secs(12);

impl Supervisor {
    /// Starts the sidecar and watches over it, on a thread that lives until [`Supervisor::stop`].
    ///
    /// The thread is the sidecar's parent in the eyes of Linux, so it must not be one that a pool may end.
    pub fn start(program: Program, patience: Patience) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (mailbox, orders) = mpsc::channel(MAILBOX);
        let (report, status) = watch::channel(SidecarStatus::Starting);
        let task = Task { program, patience, orders: Orders(orders), report, streak: Streak::default(), restarts: 0 };
        thread::Builder::new().name("supervisor".into()).spawn(move || runtime.block_on(task.supervise()))?;
        Ok(Self { mailbox, status })
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
        let _ = self.mailbox.try_send(Order::Restart);
    }

    /// Ends the sidecar and returns when it is gone. Blocks the thread, and must not be called in a task.
    pub fn stop(&self) {
        let (done, stopped) = blocking::channel();
        if self.mailbox.blocking_send(Order::Stop(Some(done))).is_ok() {
            // The sender drops with the task, so an error is either the end or a sidecar that even SIGKILL does not end.
            let _ = stopped.recv_timeout(STOP);
        }
    }
}

struct Task {
    program: Program,
    patience: Patience,
    orders: Orders,
    report: watch::Sender<SidecarStatus>,
    streak: Streak,
    restarts: u32,
}

struct Orders(mpsc::Receiver<Order>);

impl Orders {
    async fn next(&mut self) -> Order {
        self.0.recv().await.unwrap_or(Order::Stop(None))
    }
}

/// How a run came to its end.
enum Run {
    /// By itself, or because it never became ready.
    Ended { ending: Ending, uptime: Duration, log: Vec<String> },
    /// By an order.
    Ordered(Order),
}

impl Task {
    async fn supervise(mut self) {
        loop {
            let order = match self.run().await {
                Run::Ordered(order) => order,
                Run::Ended { ending, uptime, log } => match self.streak.after_exit(ending, uptime) {
                    Verdict::GiveUp(reason) => self.give_up(reason, log).await,
                    Verdict::RestartAfter { delay, reason } => match self.pause(delay, reason, log).await {
                        Some(order) => order,
                        None => continue,
                    },
                },
            };
            match order {
                Order::Restart => self.forgive(),
                Order::Stop(done) => {
                    let _ = done.map(|done| done.send(()));
                    return;
                }
            }
        }
    }

    /// One run of the sidecar, until it ends or an order ends it.
    async fn run(&mut self) -> Run {
        let log = Log::default();
        let start = Instant::now();
        let ended = |ending| Run::Ended { ending, uptime: start.elapsed(), log: log.lines() };
        let mut child = match Child::spawn(&self.program, log.clone()) {
            Ok(child) => child,
            Err(error) => {
                log.push(format!("could not start `{}`: {error}", self.program.path.display()));
                return ended(Ending::NeverRan);
            }
        };
        let key = Key::random();
        let ready = tokio::select! {
            ready = timeout(self.patience.ready, child.ready(&key)) => ready,
            order = self.orders.next() => return self.end(child, order).await,
        };
        match ready {
            Ok(Ok(Report::Ready { port, version })) => self.announce(port, version, key),
            Ok(Err(ending)) => {
                child.kill().await;
                return ended(ending);
            }
            Err(_elapsed) => {
                log.push(format!("the sidecar did not become ready within {:?}", self.patience.ready));
                child.kill().await;
                return ended(Ending::NotReady);
            }
        }
        tokio::select! {
            ending = child.ended() => ended(ending),
            order = self.orders.next() => self.end(child, order).await,
        }
    }

    async fn end(&self, child: Child, order: Order) -> Run {
        child.end(self.patience.drain).await;
        Run::Ordered(order)
    }

    fn announce(&self, port: u16, version: String, key: Key) {
        tracing::info!(port, version, restarts = self.restarts, "the sidecar is ready on port {port}");
        let base_url = format!("http://127.0.0.1:{port}");
        self.report.send_replace(SidecarStatus::Ready { base_url, key, version, restarts: self.restarts });
    }

    /// The pause before a restart, which an order may cut short.
    async fn pause(&mut self, delay: Duration, reason: Reason, log: Vec<String>) -> Option<Order> {
        tracing::warn!(?reason, last = log.last(), "the sidecar ended and starts again in {delay:?}");
        self.restarts += 1;
        let retry_in_ms = delay.as_millis().try_into().unwrap_or(u64::MAX);
        self.report.send_replace(SidecarStatus::Restarting { restarts: self.restarts, retry_in_ms, reason, log });
        timeout(delay, self.orders.next()).await.ok()
    }

    /// The time without a sidecar, until an order ends it.
    async fn give_up(&mut self, reason: Reason, log: Vec<String>) -> Order {
        tracing::error!(?reason, last = log.last(), "the sidecar does not run and is not started again");
        self.report.send_replace(SidecarStatus::Failed { reason, log });
        self.orders.next().await
    }

    fn forgive(&mut self) {
        self.streak = Streak::default();
        self.report.send_replace(SidecarStatus::Starting);
    }
}
