//! How HAPA did in the last hour: one point every few seconds, kept over a restart.

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

/// From one point to the next.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// How long a point is kept, in milliseconds.
const RETENTION_MS: i64 = 60 * 60 * 1000;

/// Points that are written at a time: a crash costs no more than these.
const BATCH: usize = 12;

/// How HAPA did at a time, and since the point before. Counts are of that interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = MetricsPoint)]
pub struct Point {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Percent of all processor cores, 0 to 100.
    pub cpu: f32,
    /// Bytes of the machine's memory that are in use.
    pub memory: u64,
    /// Bytes of the machine's memory in all.
    pub memory_total: u64,
    /// Bytes of memory that HAPA holds, models included.
    pub process_memory: u64,
    /// Percent of its time that the busiest graphics card works, 0 to 100; null where the system does not tell.
    pub gpu: Option<f32>,
    /// Bytes that models take of a GPU's memory; null where none is used.
    pub gpu_memory: Option<u64>,
    /// Bytes of main memory that models take of their budget.
    pub budget_used: u64,
    /// Bytes of main memory that models may take.
    pub budget_limit: u64,
    /// Completions that wait for the model.
    pub queue_completion: u64,
    /// Chats that wait for the model.
    pub queue_chat: u64,
    /// Requests in the background that wait for the model.
    pub queue_background: u64,
    /// Requests that the model works on.
    pub active: u64,
    /// Mean speed of the answers that were finished; null if none was.
    pub tokens_per_second: Option<f64>,
    /// Mean of the seconds from question to first token of the answers that were finished; null if none was.
    pub time_to_first_token: Option<f64>,
    /// Requests that were answered, without those of somebody who watches HAPA.
    pub requests: u64,
    /// Errors that were answered.
    pub errors: u64,
    /// Questions and completions that were answered without the model.
    pub cache_hits: u64,
    /// Questions and completions that were put to the model.
    pub cache_misses: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Of those, tokens that were in the model's memory already.
    pub reused_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
}

/// A handle to the points. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MetricsHistory(Arc<Mutex<VecDeque<Point>>>);

impl MetricsHistory {
    /// Those of the last hour that `store` has.
    pub async fn open(store: &Store) -> Self {
        let kept = store.metrics_points(now() - RETENTION_MS).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "could not load the metrics history");
            Vec::new()
        });
        let points = kept.iter().filter_map(|point| serde_json::from_str(point).ok()).collect();
        Self(Arc::new(Mutex::new(points)))
    }

    /// The points after a time, in milliseconds since 1970, oldest first.
    #[must_use]
    pub fn since(&self, after: i64) -> Vec<Point> {
        let points = self.points();
        let first = points.partition_point(|point| point.at <= after);
        points.range(first..).cloned().collect()
    }

    /// Adds a point every [`INTERVAL`] until `shutdown`, and writes them to `store` in batches. `sample` reads the gauges of now and
    /// the totals since the process started.
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

/// How often the response cache was used since the process started.
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

/// The point of now: `gauges` with what was counted since the point before.
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
