//! Metrics history of the last hour: one point every few seconds, restored after a restart.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::Totals;
use crate::base::time::now;
use crate::store::Store;

/// Interval between two points.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Retention of a point, in milliseconds.
const RETENTION_MS: i64 = 60 * 60 * 1000;

/// Points per transaction: a crash loses no more than these.
const BATCH: usize = 12;

/// The metrics at one time. Counts are those since the previous point.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = MetricsPoint)]
pub struct Point {
    /// Milliseconds since 1970.
    pub at: i64,
    /// CPU usage over all cores, in percent, 0 to 100.
    pub cpu: f32,
    /// Used memory of the machine, in bytes.
    pub memory: u64,
    /// Total memory of the machine, in bytes.
    pub memory_total: u64,
    /// Memory of HAPA's process, in bytes, models included.
    pub process_memory: u64,
    /// Utilisation of the busiest GPU, in percent, 0 to 100; null where the system does not report it.
    pub gpu: Option<f32>,
    /// GPU memory that models use, in bytes; null where none is used.
    pub gpu_memory: Option<u64>,
    /// Main memory that models use of their budget, in bytes.
    pub budget_used: u64,
    /// The main memory budget of models, in bytes.
    pub budget_limit: u64,
    /// Queued completions.
    pub queue_completion: u64,
    /// Queued chats.
    pub queue_chat: u64,
    /// Queued background requests.
    pub queue_background: u64,
    /// Requests that the model is running.
    pub active: u64,
    /// Mean decode speed of the answers that finished, in tokens per second; null if none did.
    pub tokens_per_second: Option<f64>,
    /// Mean time to first token of the answers that finished, in seconds; null if none did.
    pub time_to_first_token: Option<f64>,
    /// Responses, without those to clients that poll HAPA's own state.
    pub requests: u64,
    /// Error responses.
    pub errors: u64,
    /// Response cache hits.
    pub cache_hits: u64,
    /// Response cache misses.
    pub cache_misses: u64,
    /// Prompt tokens.
    pub prompt_tokens: u64,
    /// Of those, tokens served from the KV cache.
    pub reused_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
}

/// A handle to the history. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MetricsHistory(Arc<Mutex<VecDeque<Point>>>);

impl MetricsHistory {
    /// The points of the last hour in `store`.
    pub async fn open(store: &Store) -> Self {
        let stored = store.metrics_points(now() - RETENTION_MS).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "could not load the metrics history");
            Vec::new()
        });
        let points = stored.iter().filter_map(|point| serde_json::from_str(point).ok()).collect();
        Self(Arc::new(Mutex::new(points)))
    }

    /// The points after a time, in milliseconds since 1970, oldest first.
    #[must_use]
    pub fn since(&self, after: i64) -> Vec<Point> {
        let points = self.points();
        let first = points.partition_point(|point| point.at <= after);
        points.range(first..).cloned().collect()
    }

    /// Adds a point every [`INTERVAL`] until `shutdown`, and stores them in batches. `sample` returns the current
    /// gauges and the totals since the process started.
    pub async fn record(
        self,
        store: Store,
        shutdown: CancellationToken,
        sample: impl Fn() -> (Point, CacheTotals, Totals),
    ) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut cache_before, mut tally_before) = (CacheTotals::default(), Totals::default());
        let mut unwritten = Vec::with_capacity(BATCH);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let (gauges, cache, totals) = sample();
            let point = point(gauges, &cache.since(&cache_before), &totals.since(&tally_before));
            (cache_before, tally_before) = (cache, totals);
            unwritten.push((point.at, serde_json::to_string(&point).expect("a point is plain values")));
            self.add(point);
            if unwritten.len() >= BATCH {
                write(&store, &mut unwritten).await;
            }
        }
        write(&store, &mut unwritten).await;
    }

    fn add(&self, point: Point) {
        let oldest = point.at - RETENTION_MS;
        let mut points = self.points();
        while points.front().is_some_and(|point| point.at <= oldest) {
            points.pop_front();
        }
        points.push_back(point);
    }

    fn points(&self) -> MutexGuard<'_, VecDeque<Point>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(store: &Store, points: &mut Vec<(i64, String)>) {
    if let Err(error) = store.add_metrics_points(points, now() - RETENTION_MS).await {
        tracing::warn!(%error, "could not store the metrics history");
    }
    points.clear();
}

/// Hits and misses of the response cache since the process started.
#[derive(Debug, Clone, Copy, Default)]
pub struct CacheTotals {
    /// Requests that were answered without the model.
    pub hits: u64,
    /// Requests that were sent to the model.
    pub misses: u64,
}

impl CacheTotals {
    fn since(&self, before: &Self) -> Self {
        Self { hits: self.hits.saturating_sub(before.hits), misses: self.misses.saturating_sub(before.misses) }
    }
}

/// The current point: `gauges` with what was counted since the previous point.
fn point(gauges: Point, cache: &CacheTotals, totals: &Totals) -> Point {
    Point {
        at: now(),
        tokens_per_second: totals.speed.mean(),
        time_to_first_token: totals.first_token.mean(),
        requests: totals.requests,
        errors: totals.errors,
        cache_hits: cache.hits,
        cache_misses: cache.misses,
        prompt_tokens: totals.prompt_tokens,
        reused_tokens: totals.reused_tokens,
        completion_tokens: totals.completion_tokens,
        ..gauges
    }
}
