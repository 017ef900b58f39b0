//! The restart policy of the sidecar: restart after a delay, or give up. Pure: no clock, no process.

use std::time::Duration;

use handshake::Exit;
use serde::Serialize;

/// How the sidecar ended when no command stopped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitKind {
    /// It exited with a documented exit code.
    Code(Exit),
    /// It was killed by a signal, or exited with an undocumented exit code.
    Crash,
    /// It wrote no ready line before the deadline and was killed.
    ReadyTimeout,
    /// The binary is missing, cannot be executed, or is not HAPA's sidecar.
    SpawnFailed,
}

/// What to do after an [`ExitKind`]. A sidecar that a command stopped does not reach the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Restart after `delay`.
    RestartAfter {
        /// From the exit to the restart.
        delay: Duration,
        /// What the window shows meanwhile.
        reason: FailureReason,
    },
    /// Restart only at the user's request.
    GiveUp(FailureReason),
}

/// Why the sidecar is not running: a code, which the window translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureReason {
    /// It crashed: a signal or an undocumented exit code.
    Crashed,
    /// It exited normally, stopped by another program.
    Exited,
    /// It wrote no ready line before the deadline.
    NotReadyInTime,
    /// It could not be spawned, or rejected its command line.
    CouldNotStart,
    /// A setting is invalid.
    BadConfig,
    /// The configured port is in use.
    PortTaken,
    /// The data folder or the database cannot be opened.
    StoreUnusable,
    /// It crashed again after every restart that the backoff allows.
    CrashesTooOften,
}

/// Restart backoff: counts consecutive failures, each soon after a start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RestartBackoff {
    failures: usize,
}

/// Delays before the first, second, … restart. After the last one the policy gives up.
const RESTART_DELAYS: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(10),
];

/// Uptime after which a run counts as stable: a failure after it resets the backoff.
const STABLE_UPTIME: Duration = Duration::from_secs(60);

/// Starts without a ready line before giving up. Each one costs the user the whole deadline.
const MAX_READY_TIMEOUTS: usize = 2;

impl RestartBackoff {
    /// Records an exit after `uptime` and decides what to do.
    pub(crate) fn after_exit(&mut self, exit: ExitKind, uptime: Duration) -> Decision {
        if uptime > STABLE_UPTIME {
            self.failures = 0;
        }
        let delay = RESTART_DELAYS.get(self.failures).copied();
        self.failures += 1;
        match exit {
            ExitKind::SpawnFailed | ExitKind::Code(Exit::Usage) => Decision::GiveUp(FailureReason::CouldNotStart),
            ExitKind::Code(Exit::Config) => Decision::GiveUp(FailureReason::BadConfig),
            ExitKind::Code(Exit::PortTaken) => Decision::GiveUp(FailureReason::PortTaken),
            ExitKind::Code(Exit::Store) => Decision::GiveUp(FailureReason::StoreUnusable),
            ExitKind::ReadyTimeout if self.failures >= MAX_READY_TIMEOUTS => {
                Decision::GiveUp(FailureReason::NotReadyInTime)
            }
            ExitKind::ReadyTimeout => restart_after(delay, FailureReason::NotReadyInTime),
            ExitKind::Code(Exit::Done) => restart_after(delay, FailureReason::Exited),
            ExitKind::Crash => restart_after(delay, FailureReason::Crashed),
        }
    }
}

fn restart_after(delay: Option<Duration>, reason: FailureReason) -> Decision {
    delay.map_or(Decision::GiveUp(FailureReason::CrashesTooOften), |delay| Decision::RestartAfter { delay, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(2);
    const LONG: Duration = Duration::from_secs(61);

    fn restart_in(milliseconds: u64, reason: FailureReason) -> Decision {
        Decision::RestartAfter { delay: Duration::from_millis(milliseconds), reason }
    }

    #[test]
    fn failures_that_a_restart_cannot_fix_are_not_retried() {
        for (exit, reason) in [
            (ExitKind::Code(Exit::Config), FailureReason::BadConfig),
            (ExitKind::Code(Exit::PortTaken), FailureReason::PortTaken),
            (ExitKind::Code(Exit::Store), FailureReason::StoreUnusable),
            (ExitKind::Code(Exit::Usage), FailureReason::CouldNotStart),
            (ExitKind::SpawnFailed, FailureReason::CouldNotStart),
        ] {
            for uptime in [SOON, LONG] {
                assert_eq!(RestartBackoff::default().after_exit(exit, uptime), Decision::GiveUp(reason), "{exit:?}");
            }
        }
    }

    #[test]
    fn consecutive_crashes_are_retried_with_growing_delays_up_to_a_limit() {
        let mut backoff = RestartBackoff::default();
        let decisions = [(); 7].map(|()| backoff.after_exit(ExitKind::Crash, SOON));
        assert_eq!(
            decisions,
            [
                restart_in(200, FailureReason::Crashed),
                restart_in(1_000, FailureReason::Crashed),
                restart_in(3_000, FailureReason::Crashed),
                restart_in(10_000, FailureReason::Crashed),
                restart_in(10_000, FailureReason::Crashed),
                Decision::GiveUp(FailureReason::CrashesTooOften),
                Decision::GiveUp(FailureReason::CrashesTooOften),
            ]
        );
    }

    #[test]
    fn a_crash_after_a_stable_run_resets_the_backoff() {
        let mut backoff = RestartBackoff::default();
        for _ in 0..6 {
            backoff.after_exit(ExitKind::Crash, SOON);
        }
        assert_eq!(backoff.after_exit(ExitKind::Crash, LONG), restart_in(200, FailureReason::Crashed));
        assert_eq!(backoff.after_exit(ExitKind::Crash, SOON), restart_in(1_000, FailureReason::Crashed));
    }

    #[test]
    fn a_sidecar_stopped_by_another_program_is_restarted() {
        let mut backoff = RestartBackoff::default();
        assert_eq!(backoff.after_exit(ExitKind::Code(Exit::Done), SOON), restart_in(200, FailureReason::Exited));
    }

    #[test]
    fn a_start_without_a_ready_line_is_retried_once() {
        let mut backoff = RestartBackoff::default();
        assert_eq!(backoff.after_exit(ExitKind::ReadyTimeout, SOON), restart_in(200, FailureReason::NotReadyInTime));
        assert_eq!(backoff.after_exit(ExitKind::ReadyTimeout, SOON), Decision::GiveUp(FailureReason::NotReadyInTime));
    }
}
