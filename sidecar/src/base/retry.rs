//! Retry policy: timeouts, backoff and the number of attempts.

use std::time::Duration;

/// Timeout and backoff of a request.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The read timeout: an attempt fails if no bytes arrive for this long.
    pub read_timeout: Duration,
    /// The pause before the first retry; it doubles with each failure.
    pub backoff: Duration,
    /// Maximum number of failed attempts in a row.
    pub max_attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { read_timeout: Duration::from_secs(30), backoff: Duration::from_secs(1), max_attempts: 8 }
    }
}

/// The maximum pause before a retry, whatever `Retry-After` asks for.
const MAX_PAUSE: Duration = Duration::from_secs(120);

impl RetryPolicy {
    /// The pause after this many failures in a row; `None` when no retry is left. `retry_after` is the server's header.
    #[must_use]
    pub fn pause_after(&self, failures: u32, retry_after: Option<Duration>) -> Option<Duration> {
        let backoff = self.backoff.saturating_mul(1 << failures.saturating_sub(1).min(16));
        (failures < self.max_attempts).then(|| backoff.max(retry_after.unwrap_or_default()).min(MAX_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_bound_and_attempts_run_out() {
        let policy = RetryPolicy::default();
        let seconds = |failures, retry_after: Option<u64>| {
            policy.pause_after(failures, retry_after.map(Duration::from_secs)).map(|pause| pause.as_secs())
        };
        for (failures, retry_after, expected) in [
            (1, None, Some(1)),
            (2, None, Some(2)),
            (7, None, Some(64)),
            (8, None, None),
            (1, Some(20), Some(20)),
            (6, Some(3), Some(32)),
            (1, Some(86_400), Some(120)),
        ] {
            assert_eq!(seconds(failures, retry_after), expected, "{failures} {retry_after:?}");
        }
    }
}
