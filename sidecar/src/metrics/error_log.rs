//! Errors that were answered, kept for a while so that their owner can see what goes wrong.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::time::now;
use crate::store::{Incident, Store};

/// How long errors are kept.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Errors that are kept at most.
const MAX_ERRORS: i64 = 100_000;

/// Errors that wait to be written at most; a flood beyond that is counted in the metrics only.
const QUEUE_CAPACITY: usize = 1024;

/// Errors that are written at a time.
const BATCH: usize = 100;

/// How often old errors are forgotten.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// A handle to what keeps errors. Clones share it.
#[derive(Debug, Clone)]
pub struct ErrorLog(mpsc::Sender<Incident>);

impl ErrorLog {
    /// Starts to keep errors in `store`, until `shutdown`; what waits then is still written.
    pub fn start(store: Store, work: &TaskTracker, shutdown: CancellationToken) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_CAPACITY);
        work.spawn(run(store, receiver, shutdown));
        Self(sender)
    }

    /// Keeps an error, without making anybody wait.
    pub fn record(&self, incident: Incident) {
        let _ = self.0.try_send(incident);
    }
}

async fn run(store: Store, mut receiver: mpsc::Receiver<Incident>, shutdown: CancellationToken) {
    let mut prune = tokio::time::interval(PRUNE_INTERVAL);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            biased;
            count = receiver.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return;
                }
                write(&store, &mut batch).await;
            }
            _ = prune.tick() => {
                let before = now() - RETENTION.as_millis() as i64;
                if let Err(error) = store.prune_errors(before, MAX_ERRORS).await {
                    tracing::warn!(%error, "could not forget old errors");
                }
            }
            () = shutdown.cancelled() => {
                receiver.close();
                while receiver.recv_many(&mut batch, BATCH).await > 0 {
                    write(&store, &mut batch).await;
                }
                return;
            }
        }
    }
}

async fn write(store: &Store, batch: &mut Vec<Incident>) {
    if let Err(error) = store.add_errors(batch).await {
        tracing::warn!(%error, "could not keep {} errors", batch.len());
    }
    batch.clear();
}
