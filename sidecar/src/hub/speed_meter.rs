//! Measures the speed of a download for its progress updates.

use std::time::{Duration, Instant};

/// Minimum interval between two progress updates of a download.
pub(crate) const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Weight of the newest measurement in the smoothed speed.
const SPEED_SMOOTHING: f64 = 0.3;

/// Measures the speed of a transfer, at most once per [`PROGRESS_INTERVAL`].
pub(crate) struct SpeedMeter {
    reported_at: Option<Instant>,
    bytes: u64,
    speed: f64,
}

impl SpeedMeter {
    /// A transfer that starts with this many received bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        Self { reported_at: None, bytes, speed: 0.0 }
    }

    /// The speed in bytes per second, if a progress update is due.
    pub(crate) fn update(&mut self, bytes: u64) -> Option<f64> {
        let Some(reported_at) = self.reported_at else {
            (self.reported_at, self.bytes) = (Some(Instant::now()), bytes);
            return Some(0.0);
        };
        let elapsed = reported_at.elapsed();
        if elapsed < PROGRESS_INTERVAL {
            return None;
        }
        let now = bytes.saturating_sub(self.bytes) as f64 / elapsed.as_secs_f64();
        self.speed = if self.speed > 0.0 { self.speed + SPEED_SMOOTHING * (now - self.speed) } else { now };
        (self.reported_at, self.bytes) = (Some(Instant::now()), bytes);
        Some(self.speed)
    }
}
