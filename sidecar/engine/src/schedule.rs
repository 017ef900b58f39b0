//! Who gets how many tokens of the next step. No model, no clock: what is decided here is decided from numbers alone.

use std::time::Duration;

use crate::Lane;

/// One request at work, as far as its share of a step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// How urgent it is.
    pub lane: Lane,
    /// Tokens that it has to read before its next word: the rest of its prompt, or 1 while it speaks.
    pub pending: usize,
    /// Tokens that it has guessed ahead and would like to have checked.
    pub drafts: usize,
}

impl Claim {
    fn speaks(&self) -> bool {
        self.pending == 1
    }
}

/// What a claim gets of the step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Grant {
    /// Tokens to read, of those pending.
    pub read: usize,
    /// Guessed tokens to check.
    pub drafts: usize,
}

/// Share of a step's reading that lanes below the most urgent one keep, so that none starves: one in eight.
const LESSER_SHARE: usize = 8;

/// Divides a step of `budget` tokens.
///
/// Whoever speaks gets its one token, the urgent first. What is left goes to those who read their prompts: most of it to the
/// most urgent lane, a share to the others, and equal parts within a lane, so that a short prompt is not kept waiting by a long
/// one. Guesses take what nobody else needs.
#[must_use]
pub fn divide(claims: &[Claim], budget: usize) -> Vec<Grant> {
    let mut grants = vec![Grant::default(); claims.len()];
    let mut left = budget;
    for lane in LANES {
        for (grant, _) in grants.iter_mut().zip(claims).filter(|(_, claim)| claim.lane == lane && claim.speaks()) {
            grant.read = left.min(1);
            left -= grant.read;
        }
    }
    let readers: Vec<Lane> =
        LANES.into_iter().filter(|lane| claims.iter().any(|claim| claim.lane == *lane && !claim.speaks())).collect();
    for (index, lane) in readers.iter().enumerate() {
        let last = index + 1 == readers.len();
        let share = if last { left } else { left - left / LESSER_SHARE };
        left -= share_out(claims, &mut grants, *lane, share);
    }
    // What the less urgent did not need goes back to the urgent.
    for lane in readers {
        left -= share_out(claims, &mut grants, lane, left);
    }
    for (grant, claim) in grants.iter_mut().zip(claims).filter(|(_, claim)| claim.speaks()) {
        grant.drafts = if grant.read == 1 { claim.drafts.min(left) } else { 0 };
        left -= grant.drafts;
    }
    grants
}

const LANES: [Lane; 3] = [Lane::Completion, Lane::Chat, Lane::Background];

/// Gives `share` tokens to the readers of a lane in equal parts; who needs less leaves the rest to the others. Gives back how
/// many tokens were taken.
fn share_out(claims: &[Claim], grants: &mut [Grant], lane: Lane, share: usize) -> usize {
    let mut left = share;
    loop {
        let hungry: Vec<usize> = (0..claims.len())
            .filter(|&index| {
                claims[index].lane == lane && !claims[index].speaks() && grants[index].read < claims[index].pending
            })
            .collect();
        if hungry.is_empty() || left == 0 {
            return share - left;
        }
        let part = (left / hungry.len()).max(1);
        for index in hungry {
            let more = part.min(claims[index].pending - grants[index].read).min(left);
            grants[index].read += more;
            left -= more;
        }
    }
}

/// How fast the model is, learnt from the steps it has made; it says how large the next one may be.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Seconds that a step of one token takes.
    single: f64,
    /// Seconds that each further token of a step takes.
    further: f64,
}

/// How long a step may take while others are in the middle of an answer.
const SHARED_STEP: Duration = Duration::from_millis(250);

/// How long a step may take while an editor is in use, whose next completion may come at any time.
const ALERT_STEP: Duration = Duration::from_millis(500);

/// How long a step may take that keeps nobody waiting.
const QUIET_STEP: Duration = Duration::from_millis(1600);

/// Steps are not made smaller than this: below it, reading is slower for everybody.
const SMALLEST_STEP: usize = 32;

/// Weight of the newest step in what is remembered of earlier ones.
const NEWEST: f64 = 0.2;

impl Default for Pace {
    /// A guess for two cores and a small model, until steps were made.
    fn default() -> Self {
        Self { single: 0.025, further: 0.005 }
    }
}

impl Pace {
    /// Learns from a step of `tokens` tokens.
    pub fn learn(&mut self, tokens: usize, took: Duration) {
        let took = took.as_secs_f64();
        if tokens == 1 {
            self.single += NEWEST * (took - self.single);
        } else {
            let further = (took - self.single).max(0.0) / (tokens - 1) as f64;
            self.further += NEWEST * (further - self.further);
        }
    }

    /// Tokens of the next step: as many as fit into the time that `company` allows, and `largest` at most.
    #[must_use]
    pub fn step(&self, company: Company, largest: usize) -> usize {
        let time = match company {
            Company::Nobody => QUIET_STEP,
            Company::Editor => ALERT_STEP,
            Company::Speakers => SHARED_STEP,
        };
        let further = (time.as_secs_f64() - self.single).max(0.0) / self.further.max(1e-6);
        (further as usize + 1).clamp(SMALLEST_STEP.min(largest), largest)
    }

    /// What checking one more guessed token costs, as a share of a step of one token.
    #[must_use]
    pub fn price(&self) -> f64 {
        (self.further / self.single.max(1e-6)).clamp(0.01, 1.0)
    }
}

/// Who would have to wait for a long step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// Nobody.
    Nobody,
    /// An editor that is in use.
    Editor,
    /// Others who are in the middle of an answer.
    Speakers,
}

impl Company {
    /// Who is there, by what is claimed. `editor` tells whether one is in use.
    #[must_use]
    pub fn of(claims: &[Claim], editor: bool) -> Self {
        match claims {
            [_, _, ..] if claims.iter().any(Claim::speaks) => Self::Speakers,
            _ if editor => Self::Editor,
            _ => Self::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lane::{Background, Chat, Completion};
    use super::*;

    fn claim(lane: Lane, pending: usize, drafts: usize) -> Claim {
        Claim { lane, pending, drafts }
    }

    #[test]
    fn steps_are_short_for_those_who_read_along() {
        let (reader, speaker) = (claim(Chat, 500, 0), claim(Chat, 1, 3));
        for (what, claims, editor, expected) in [
            ("one who reads", &[reader][..], false, Company::Nobody),
            ("one who speaks", &[speaker], false, Company::Nobody),
            ("all read", &[reader, reader], false, Company::Nobody),
            ("somebody speaks meanwhile", &[reader, speaker], false, Company::Speakers),
            ("the next completion may come", &[reader], true, Company::Editor),
            ("and somebody speaks", &[speaker, reader], true, Company::Speakers),
        ] {
            assert_eq!(Company::of(claims, editor), expected, "{what}");
        }
    }

    #[test]
    fn a_step_is_divided_by_urgency_and_nobody_starves() {
        for (what, claims, budget, expected) in [
            ("one reader gets all", vec![claim(Chat, 500, 0)], 128, vec![(128, 0)]),
            ("no more than it needs", vec![claim(Chat, 50, 0)], 128, vec![(50, 0)]),
            ("speakers come first", vec![claim(Chat, 500, 0), claim(Chat, 1, 0)], 64, vec![(63, 0), (1, 0)]),
            ("equal parts", vec![claim(Chat, 500, 0), claim(Chat, 500, 0)], 64, vec![(32, 0), (32, 0)]),
            (
                "a short prompt passes a long one",
                vec![claim(Chat, 5000, 0), claim(Chat, 20, 0)],
                64,
                vec![(44, 0), (20, 0)],
            ),
            (
                "a completion overtakes a chat, which goes on slowly",
                vec![claim(Chat, 500, 0), claim(Completion, 500, 0)],
                64,
                vec![(8, 0), (56, 0)],
            ),
            (
                "what a completion does not need goes to the chat",
                vec![claim(Chat, 500, 0), claim(Completion, 10, 0)],
                64,
                vec![(54, 0), (10, 0)],
            ),
            (
                "what the chat does not need goes back to the completion",
                vec![claim(Chat, 2, 0), claim(Completion, 500, 0)],
                64,
                vec![(2, 0), (62, 0)],
            ),
            (
                "the background keeps a share too",
                vec![claim(Background, 500, 0), claim(Chat, 500, 0), claim(Completion, 500, 0)],
                128,
                vec![(2, 0), (14, 0), (112, 0)],
            ),
            ("guesses take what is left", vec![claim(Chat, 1, 16), claim(Chat, 1, 0)], 8, vec![(1, 6), (1, 0)]),
            ("guesses wait for readers", vec![claim(Chat, 1, 16), claim(Chat, 90, 0)], 32, vec![(1, 0), (31, 0)]),
            (
                "with too many speakers the urgent speak",
                vec![claim(Chat, 1, 0), claim(Chat, 1, 0), claim(Completion, 1, 0)],
                2,
                vec![(1, 0), (0, 0), (1, 0)],
            ),
            ("nobody is there", vec![], 64, vec![]),
        ] {
            let grants: Vec<_> = divide(&claims, budget).iter().map(|grant| (grant.read, grant.drafts)).collect();
            assert_eq!(grants, expected, "{what}");
        }
    }

    #[test]
    fn a_step_is_never_larger_than_its_budget_and_always_moves_somebody() {
        let lanes = [Completion, Chat, Background];
        for seed in 0..2000_usize {
            let claims: Vec<Claim> = (0..seed % 7)
                .map(|index| {
                    let number = seed.wrapping_mul(31).wrapping_add(index * 17);
                    claim(lanes[number % 3], 1 + number % 5 * 40, if number.is_multiple_of(4) { 9 } else { 0 })
                })
                .collect();
            let budget = 1 + seed % 90;
            let grants = divide(&claims, budget);
            let total: usize = grants.iter().map(|grant| grant.read + grant.drafts).sum();
            assert!(total <= budget, "{claims:?} {budget}");
            assert!(claims.is_empty() || total > 0, "{claims:?} {budget}");
            for (grant, claim) in grants.iter().zip(&claims) {
                assert!(grant.read <= claim.pending && grant.drafts <= claim.drafts, "{claims:?} {budget}");
            }
        }
    }

    #[test]
    fn steps_grow_with_the_machine_and_shrink_in_company() {
        let mut slow = Pace::default();
        let mut fast = Pace::default();
        for _ in 0..100 {
            slow.learn(1, Duration::from_millis(50));
            slow.learn(64, Duration::from_millis(950));
            fast.learn(1, Duration::from_millis(5));
            fast.learn(256, Duration::from_millis(20));
        }
        assert_eq!(slow.step(Company::Speakers, 512), 32);
        assert_eq!(fast.step(Company::Speakers, 512), 512);
        let usual = Pace::default();
        assert!(usual.step(Company::Nobody, 512) > usual.step(Company::Speakers, 512));
        assert!(fast.price() < slow.price());
    }
}
