//! When to start the sidecar again, and when to give up. No clock, no process.

use std::time::Duration;

use handshake::Exit;
use serde::Serialize;

/// How a run of the sidecar ended that nobody asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With an exit code that says why.
    Exit(Exit),
    /// By a signal or with an exit code that says nothing.
    Crash,
    /// Still without its ready line at the deadline, and ended by us.
    NotReady,
    /// Before it ran: the program is missing, cannot be executed, or is not HAPA's sidecar.
    NeverRan,
}

/// What to do about an [`Ending`]. An end that we asked for is no question of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Start again when `delay` is over.
    RestartAfter {
        /// From the end of the process to its next start.
        delay: Duration,
        /// What the window tells meanwhile.
        reason: Reason,
    },
    /// Start again only when the user asks.
    GiveUp(Reason),
}

/// Why the sidecar does not run, in the words that the window translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
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
pub struct Streak {
    endings: usize,
}

/// The pauses before the first, second, … restart of a streak. After the last one we give up.
const DELAYS: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(10),
];

/// A run that lived this long was a good one: what ends it starts a new streak.
const GOOD_RUN: Duration = Duration::from_secs(60);

/// How often a sidecar may be silent at its start. Each silence costs the user the whole deadline.
const SILENT_STARTS: usize = 2;

impl Streak {
    /// Counts an ending after `uptime` and says what to do.
    pub fn after_exit(&mut self, ending: Ending, uptime: Duration) -> Verdict {
        if uptime > GOOD_RUN {
            self.endings = 0;
        }
        let delay = DELAYS.get(self.endings).copied();
        self.endings += 1;
        match ending {
            Ending::NeverRan | Ending::Exit(Exit::Usage) => Verdict::GiveUp(Reason::CouldNotStart),
            Ending::Exit(Exit::Config) => Verdict::GiveUp(Reason::BadConfig),
            Ending::Exit(Exit::PortTaken) => Verdict::GiveUp(Reason::PortTaken),
            Ending::Exit(Exit::Store) => Verdict::GiveUp(Reason::StoreUnusable),
            Ending::NotReady if self.endings >= SILENT_STARTS => Verdict::GiveUp(Reason::NotReadyInTime),
            Ending::NotReady => again(delay, Reason::NotReadyInTime),
            Ending::Exit(Exit::Done) => again(delay, Reason::Exited),
            Ending::Crash => again(delay, Reason::Crashed),
        }
    }
}

fn again(delay: Option<Duration>, reason: Reason) -> Verdict {
    delay.map_or(Verdict::GiveUp(Reason::CrashesTooOften), |delay| Verdict::RestartAfter { delay, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(2);
    const LONG: Duration = Duration::from_secs(61);

    fn again_after(milliseconds: u64, reason: Reason) -> Verdict {
        Verdict::RestartAfter { delay: Duration::from_millis(milliseconds), reason }
    }

    #[test]
    fn what_another_try_cannot_help_is_given_up_at_once() {
        for (ending, reason) in [
            (Ending::Exit(Exit::Config), Reason::BadConfig),
            (Ending::Exit(Exit::PortTaken), Reason::PortTaken),
            (Ending::Exit(Exit::Store), Reason::StoreUnusable),
            (Ending::Exit(Exit::Usage), Reason::CouldNotStart),
            (Ending::NeverRan, Reason::CouldNotStart),
        ] {
            for uptime in [SOON, LONG] {
                assert_eq!(Streak::default().after_exit(ending, uptime), Verdict::GiveUp(reason), "{ending:?}");
            }
        }
    }

    #[test]
    fn crashes_in_a_row_are_answered_later_and_later_and_then_not_any_more() {
        let mut streak = Streak::default();
        let verdicts = [(); 7].map(|()| streak.after_exit(Ending::Crash, SOON));
        assert_eq!(
            verdicts,
            [
                again_after(200, Reason::Crashed),
                again_after(1_000, Reason::Crashed),
                again_after(3_000, Reason::Crashed),
                again_after(10_000, Reason::Crashed),
                again_after(10_000, Reason::Crashed),
                Verdict::GiveUp(Reason::CrashesTooOften),
                Verdict::GiveUp(Reason::CrashesTooOften),
            ]
        );
    }

    #[test]
    fn a_crash_after_a_good_run_is_the_first_of_its_row() {
        let mut streak = Streak::default();
        for _ in 0..6 {
            streak.after_exit(Ending::Crash, SOON);
        }
        assert_eq!(streak.after_exit(Ending::Crash, LONG), again_after(200, Reason::Crashed));
        assert_eq!(streak.after_exit(Ending::Crash, SOON), again_after(1_000, Reason::Crashed));
    }

    #[test]
    fn a_sidecar_that_somebody_else_ended_comes_back() {
        let mut streak = Streak::default();
        assert_eq!(streak.after_exit(Ending::Exit(Exit::Done), SOON), again_after(200, Reason::Exited));
    }

    #[test]
    fn a_silent_start_is_tried_once_more() {
        let mut streak = Streak::default();
        assert_eq!(streak.after_exit(Ending::NotReady, SOON), again_after(200, Reason::NotReadyInTime));
        assert_eq!(streak.after_exit(Ending::NotReady, SOON), Verdict::GiveUp(Reason::NotReadyInTime));
    }
}
