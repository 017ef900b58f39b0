//! How long requests took: percentiles since the start, and how many there were in the last day.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Hours that are told apart.
const HOURS: usize = 24;

/// The longest time that is told apart, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// What is known of all requests. Clones share it; its size does not grow.
#[derive(Debug, Clone)]
pub struct Stats {
    inside: Arc<Mutex<Inside>>,
    started: Instant,
}

#[derive(Debug)]
struct Inside {
    /// Microseconds, to two digits.
    times: Histogram<u64>,
    /// Requests and errors by hour since the start; an hour's place is used again a day later.
    hours: [Hour; HOURS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Hour {
    number: u64,
    requests: u64,
}

/// Response times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResponseTimes {
    /// How many requests there were since the start.
    pub total: u64,
    /// Of those, how many in the last 24 hours, to the hour.
    pub last_day: u64,
    /// The mean.
    pub average: f64,
    /// The shortest.
    pub min: f64,
    /// The longest.
    pub max: f64,
    /// Half of them took no longer.
    pub p50: f64,
    /// 95 % of them took no longer.
    pub p95: f64,
}

impl Default for Stats {
    fn default() -> Self {
        let times = Histogram::new_with_bounds(1, LONGEST, 2).expect("the bounds are valid");
        let inside = Inside { times, hours: [Hour::default(); HOURS] };
        Self { inside: Arc::new(Mutex::new(inside)), started: Instant::now() }
    }
}

impl Stats {
    /// Notes a request that took so long.
    pub fn note(&self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST);
        let number = self.hour();
        let mut inside = self.inside();
        inside.times.saturating_record(microseconds);
        let hour = &mut inside.hours[number as usize % HOURS];
        if hour.number != number {
            *hour = Hour { number, requests: 0 };
        }
        hour.requests += 1;
    }

    /// What is known now.
    #[must_use]
    pub fn response_times(&self) -> ResponseTimes {
        let now = self.hour();
        let inside = self.inside();
        let milliseconds = |microseconds: u64| microseconds as f64 / 1000.0;
        let empty = inside.times.is_empty();
        let recent = inside.hours.iter().filter(|hour| hour.number + HOURS as u64 > now);
        ResponseTimes {
            total: inside.times.len(),
            last_day: recent.map(|hour| hour.requests).sum(),
            average: inside.times.mean() / 1000.0,
            min: if empty { 0.0 } else { milliseconds(inside.times.min()) },
            max: milliseconds(inside.times.max()),
            p50: milliseconds(inside.times.value_at_quantile(0.5)),
            p95: milliseconds(inside.times.value_at_quantile(0.95)),
        }
    }

    fn hour(&self) -> u64 {
        self.started.elapsed().as_secs() / 3600
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_noted() {
        let stats = Stats::default();
        assert_eq!(stats.response_times().max, 0.0);
        for milliseconds in 1..=100 {
            stats.note(Duration::from_millis(milliseconds));
        }
        let times = stats.response_times();
        assert_eq!((times.total, times.last_day), (100, 100));
        assert!((times.p50 - 50.0).abs() < 1.0 && (times.p95 - 95.0).abs() < 1.0, "{times:?}");
        assert!((times.average - 50.5).abs() < 1.0 && (times.min - 1.0).abs() < 0.1, "{times:?}");
    }
}
