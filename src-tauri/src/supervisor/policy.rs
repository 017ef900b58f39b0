//! When to start the sidecar again, and when to give up. No clock, no process.

use std::time::Duration;

use handshake::Exit;
use serde::Serialize;

/// How a run of the sidecar ended that nobody asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitKind {
    /// With an exit code that says why.
    Code(Exit),
    /// By a signal or with an exit code that says nothing.
    Crash,
    /// Still without its ready line at the deadline, and ended by us.
    ReadyTimeout,
    /// Before it ran: the program is missing, cannot be executed, or is not HAPA's sidecar.
    SpawnFailed,
}

/// What to do about an [`ExitKind`]. An end that we asked for is no question of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Start again when `delay` is over.
    RestartAfter {
        /// From the end of the process to its next start.
        delay: Duration,
        /// What the window tells meanwhile.
        reason: FailureReason,
    },
    /// Start again only when the user asks.
    GiveUp(FailureReason),
}

/// Why the sidecar does not run, in the words that the window translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// It ended in a way that no program plans.
    Crashed,
    /// Somebody else asked it to end.
    Exited,
    /// It did not say that it is ready.
    NotReadyInTime,
    /// It never ran, or did not understand how we start it.
    CouldNotStart,
    /// A setting is invalid.
    BadConfig,
    /// The port that the user pinned is taken.
    PortTaken,
    /// The data folder or the database cannot be opened.
    StoreUnusable,
    /// It crashed again after each of several restarts.
    CrashesTooOften,
}

/// Endings in a row, each soon after its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestartBackoff {
    failures: usize,
}

/// The pauses before the first, second, … restart of a streak. After the last one we give up.
const RESTART_DELAYS: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(10),
];

/// A run that lived this long was a good one: what ends it starts a new streak.
const STABLE_UPTIME: Duration = Duration::from_secs(60);

/// How often a sidecar may be silent at its start. Each silence costs the user the whole deadline.
const MAX_READY_TIMEOUTS: usize = 2;

impl RestartBackoff {
    /// Counts an ending after `uptime` and says what to do.
    pub fn after_exit(&mut self, exit: ExitKind, uptime: Duration) -> Decision {
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
    fn what_another_try_cannot_help_is_given_up_at_once() {
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
    fn crashes_in_a_row_are_answered_later_and_later_and_then_not_any_more() {
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
    fn a_crash_after_a_good_run_is_the_first_of_its_row() {
        let mut backoff = RestartBackoff::default();
        for _ in 0..6 {
            backoff.after_exit(ExitKind::Crash, SOON);
        }
        assert_eq!(backoff.after_exit(ExitKind::Crash, LONG), restart_in(200, FailureReason::Crashed));
        assert_eq!(backoff.after_exit(ExitKind::Crash, SOON), restart_in(1_000, FailureReason::Crashed));
    }

    #[test]
    fn a_sidecar_that_somebody_else_ended_comes_back() {
        let mut backoff = RestartBackoff::default();
        assert_eq!(backoff.after_exit(ExitKind::Code(Exit::Done), SOON), restart_in(200, FailureReason::Exited));
    }

    #[test]
    fn a_silent_start_is_tried_once_more() {
        let mut backoff = RestartBackoff::default();
        assert_eq!(backoff.after_exit(ExitKind::ReadyTimeout, SOON), restart_in(200, FailureReason::NotReadyInTime));
        assert_eq!(backoff.after_exit(ExitKind::ReadyTimeout, SOON), Decision::GiveUp(FailureReason::NotReadyInTime));
    }
}
