//! Request latency: percentiles since the start, also by endpoint, and the number of requests in the last day.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Number of hourly buckets.
const HOURS: usize = 24;

/// The longest latency that is measured, in microseconds: an hour.
const MAX_MICROSECONDS: u64 = 3_600_000_000;

/// The latency of all requests. Clones share it; its size is bounded.
#[derive(Debug, Clone)]
pub struct EndpointLatency {
    inner: Arc<Mutex<Inner>>,
    started: Instant,
}

#[derive(Debug)]
struct Inner {
    /// In microseconds, with two significant digits.
    times: Histogram<u64>,
    /// Requests and errors by hour since the start; each bucket is reused a day later.
    hours: [HourBucket; HOURS],
    /// By route and method, as many as the API has.
    endpoints: BTreeMap<(String, &'static str), Histograms>,
}

/// The requests of an endpoint.
#[derive(Debug)]
struct Histograms {
    errors: u64,
    /// In microseconds, with one significant digit.
    times: Histogram<u64>,
}

/// The latency of an endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// The method.
    pub method: &'static str,
    /// The route pattern.
    pub endpoint: String,
    /// Requests since the start.
    pub requests: u64,
    /// Of those, error responses.
    pub errors: u64,
    /// The mean, in milliseconds.
    pub average: f64,
    /// 95th percentile (p95), in milliseconds.
    pub p95: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct HourBucket {
    number: u64,
    requests: u64,
}

/// Latencies, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResponseTimes {
    /// Requests since the start.
    pub total: u64,
    /// Of those, requests in the last 24 hours, to the hour.
    pub last_day: u64,
    /// The mean.
    pub average: f64,
    /// The minimum.
    pub min: f64,
    /// The maximum.
    pub max: f64,
    /// The median.
    pub p50: f64,
    /// 95th percentile (p95).
    pub p95: f64,
}

impl Default for EndpointLatency {
    fn default() -> Self {
        let times = Histogram::new_with_bounds(1, MAX_MICROSECONDS, 2).expect("the bounds are valid");
        let inner = Inner { times, hours: [HourBucket::default(); HOURS], endpoints: BTreeMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)), started: Instant::now() }
    }
}

impl EndpointLatency {
    /// Records a request: the time until its response started, and the status.
    pub fn record(&self, method: &'static str, endpoint: &str, status: u16, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(MAX_MICROSECONDS).clamp(1, MAX_MICROSECONDS);
        let number = self.hour();
        let mut inner = self.inner();
        inner.times.saturating_record(microseconds);
        let hour = &mut inner.hours[number as usize % HOURS];
        if hour.number != number {
            *hour = HourBucket { number, requests: 0 };
        }
        hour.requests += 1;
        let new = || Histograms {
            errors: 0,
            times: Histogram::new_with_bounds(1, MAX_MICROSECONDS, 1).expect("the bounds are valid"),
        };
        let of = inner.endpoints.entry((endpoint.to_owned(), method)).or_insert_with(new);
        of.times.saturating_record(microseconds);
        of.errors += u64::from(status >= 400);
    }

    /// The latency of each endpoint that was requested.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint = |((endpoint, method), of): (&(String, &'static str), &Histograms)| Endpoint {
            method,
            endpoint: endpoint.clone(),
            requests: of.times.len(),
            errors: of.errors,
            average: of.times.mean() / 1000.0,
            p95: of.times.value_at_quantile(0.95) as f64 / 1000.0,
        };
        self.inner().endpoints.iter().map(endpoint).collect()
    }

    /// The current latencies.
    #[must_use]
    pub fn response_times(&self) -> ResponseTimes {
        let now = self.hour();
        let inner = self.inner();
        let milliseconds = |microseconds: u64| microseconds as f64 / 1000.0;
        let empty = inner.times.is_empty();
        let recent = inner.hours.iter().filter(|hour| hour.number + HOURS as u64 > now);
        ResponseTimes {
            total: inner.times.len(),
            last_day: recent.map(|hour| hour.requests).sum(),
            average: inner.times.mean() / 1000.0,
            min: if empty { 0.0 } else { milliseconds(inner.times.min()) },
            max: milliseconds(inner.times.max()),
            p50: milliseconds(inner.times.value_at_quantile(0.5)),
            p95: milliseconds(inner.times.value_at_quantile(0.95)),
        }
    }

    fn hour(&self) -> u64 {
        self.started.elapsed().as_secs() / 3600
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_recorded_latencies() {
        let stats = EndpointLatency::default();
        assert_eq!(stats.response_times().max, 0.0);
        for milliseconds in 1..=100 {
            stats.record("GET", "/health", 200, Duration::from_millis(milliseconds));
        }
        let times = stats.response_times();
        assert_eq!((times.total, times.last_day), (100, 100));
        assert!((times.p50 - 50.0).abs() < 1.0 && (times.p95 - 95.0).abs() < 1.0, "{times:?}");
        assert!((times.average - 50.5).abs() < 1.0 && (times.min - 1.0).abs() < 0.1, "{times:?}");
    }
}
