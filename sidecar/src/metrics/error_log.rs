//! Error log: stores error responses for a while, for the operator to see.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::time::now;
use crate::store::{Incident, Store};

/// Retention of errors.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Maximum number of stored errors.
const MAX_ERRORS: i64 = 100_000;

/// Maximum number of errors waiting to be written; a flood beyond that is counted in the metrics only.
const QUEUE_CAPACITY: usize = 1024;

/// Errors per transaction.
const BATCH: usize = 100;

/// Interval between deletions of old errors.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// A handle to the error log. Clones share it.
#[derive(Debug, Clone)]
pub struct ErrorLog(mpsc::Sender<Incident>);

impl ErrorLog {
    /// Starts to store errors in `store`, until `shutdown`; queued errors are still written then.
    pub fn start(store: Store, work: &TaskTracker, shutdown: CancellationToken) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_CAPACITY);
        work.spawn(run(store, receiver, shutdown));
        Self(sender)
    }

    /// Queues an error, without blocking.
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
                    tracing::warn!(%error, "could not delete old errors");
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
        tracing::warn!(%error, "could not store {} errors", batch.len());
    }
    batch.clear();
}
