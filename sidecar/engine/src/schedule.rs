//! Who gets how many tokens of the next step. No model, no clock: what is decided here is decided from numbers alone.

mod pace;

pub use self::pace::Pace;
use crate::Priority;

/// One request at work, as far as its share of a step depends on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// How urgent it is.
    pub lane: Priority,
    /// Tokens that it has to read before its next word: the rest of its prompt, or 1 while it speaks.
    pub pending: usize,
    /// Of the tokens that it has guessed ahead, for each the chance that it and all before it are right, 0 to 1.
    pub chances: Vec<f64>,
    /// The chance that its next token is certain enough to be believed where guesses are checked beside it, 0 to 1.
    pub certainty: f64,
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

/// Guesses are made where so many times as much is said in a second with them as without. They cost more than one sees: what was
/// guessed wrongly is taken back, and the next step is of another size, which a GPU is not prepared for.
const WORTH_GUESSING: f64 = 1.1;

/// Divides a step of `budget` tokens.
///
/// Whoever speaks gets its one token, the urgent first. What is left goes to those who read their prompts: most of it to the
/// most urgent lane, a share to the others, and equal parts within a lane, so that a short prompt is not kept waiting by a long
/// one. While a completion is at work, the others read no more than their share, so that its steps are short. Guesses take what
/// nobody else needs, as far as more is said in a second with them than without.
#[must_use]
pub fn divide(claims: &[Claim], budget: usize, pace: &Pace) -> Vec<Grant> {
    let mut grants = vec![Grant::default(); claims.len()];
    let mut left = budget;
    for lane in LANES {
        for (grant, _) in grants.iter_mut().zip(claims).filter(|(_, claim)| claim.lane == lane && claim.speaks()) {
            grant.read = left.min(1);
            left -= grant.read;
        }
    }
    let urgent = claims.iter().any(|claim| claim.lane == Priority::Completion);
    let mut for_lesser = if urgent { (budget / LESSER_SHARE).max(1) } else { budget };
    let readers: Vec<Priority> =
        LANES.into_iter().filter(|lane| claims.iter().any(|claim| claim.lane == *lane && !claim.speaks())).collect();
    // At first each lane leaves a share to those below it; then what they did not need goes back to the urgent.
    let first = readers.iter().enumerate().map(|(index, lane)| (*lane, index + 1 < readers.len()));
    for (lane, leaves_some) in first.chain(readers.iter().map(|lane| (*lane, false))) {
        let share = if leaves_some { left - left / LESSER_SHARE } else { left };
        let is_lesser = lane != Priority::Completion;
        let taken = share_out(claims, &mut grants, lane, if is_lesser { share.min(for_lesser) } else { share });
        left -= taken;
        for_lesser -= if is_lesser { taken } else { 0 };
    }
    guess_ahead(claims, &mut grants, left, pace);
    grants
}

/// Gives up to `most` tokens to guesses, the likeliest first: as many as make the most of a step's time.
fn guess_ahead(claims: &[Claim], grants: &mut [Grant], most: usize, pace: &Pace) {
    let speakers: Vec<usize> =
        (0..claims.len()).filter(|index| claims[*index].speaks() && grants[*index].read == 1).collect();
    let mut chances: Vec<(f64, usize)> = Vec::new();
    for index in &speakers {
        let Claim { chances: of_claim, certainty, .. } = &claims[*index];
        // With the first guess comes the risk that the step tells nothing.
        let risk = std::iter::once(1.0 - certainty).chain(std::iter::repeat(0.0));
        chances.extend(of_claim.iter().zip(risk).map(|(chance, risk)| (chance * certainty - risk, *index)));
    }
    chances.sort_by(|a, b| b.0.total_cmp(&a.0));
    let read: usize = grants.iter().map(|grant| grant.read).sum();
    let mut said = speakers.len() as f64;
    let mut best = (0, WORTH_GUESSING * said / pace.cost(read));
    for (number, (chance, _)) in chances.iter().take(most).enumerate() {
        said += chance;
        let rate = said / pace.cost(read + number + 1);
        if rate > best.1 {
            best = (number + 1, rate);
        }
    }
    for (_, index) in chances.into_iter().take(best.0) {
        grants[index].drafts += 1;
    }
}

const LANES: [Priority; 3] = [Priority::Completion, Priority::Chat, Priority::Background];

/// Gives `share` tokens to the readers of a lane in equal parts; who needs less leaves the rest to the others. Gives back how
/// many tokens were taken.
fn share_out(claims: &[Claim], grants: &mut [Grant], lane: Priority, share: usize) -> usize {
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

/// Who would have to wait for a long step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// Nobody.
    Nobody,
    /// An editor that is in use.
    Editor,
    /// Only the one whose completion is read.
    Urgent,
    /// Others who are in the middle of an answer.
    Speakers,
}

impl Company {
    /// Who is there, by what is claimed. `editor` tells whether one is in use.
    #[must_use]
    pub fn of(claims: &[Claim], editor: bool) -> Self {
        let completions = || claims.iter().filter(|claim| claim.lane == Priority::Completion);
        match claims {
            _ if completions().next().is_some() && !completions().any(Claim::speaks) => Self::Urgent,
            _ if editor => Self::Editor,
            [_, _, ..] if claims.iter().any(Claim::speaks) => Self::Speakers,
            _ => Self::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Priority::{Background, Chat, Completion};
    use super::*;

    fn claim(lane: Priority, pending: usize, drafts: usize) -> Claim {
        Claim { lane, pending, chances: vec![0.9; drafts], certainty: 1.0 }
    }

    #[test]
    fn steps_are_short_for_those_who_read_along() {
        let (reader, speaker) = (claim(Chat, 500, 0), claim(Chat, 1, 3));
        let (completion, completed) = (claim(Completion, 50, 0), claim(Completion, 1, 0));
        for (what, claims, editor, expected) in [
            ("one who reads", vec![&reader], false, Company::Nobody),
            ("one who speaks", vec![&speaker], false, Company::Nobody),
            ("all read", vec![&reader, &reader], false, Company::Nobody),
            ("somebody speaks meanwhile", vec![&reader, &speaker], false, Company::Speakers),
            ("the next completion may come", vec![&reader], true, Company::Editor),
            ("and somebody speaks", vec![&speaker, &reader], true, Company::Editor),
            ("a completion is read", vec![&speaker, &completion], true, Company::Urgent),
            ("another one speaks", vec![&completed, &completion], true, Company::Editor),
        ] {
            let claims: Vec<Claim> = claims.into_iter().cloned().collect();
            assert_eq!(Company::of(&claims, editor), expected, "{what}");
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
                "beside a completion the chat reads its share, and the step is short",
                vec![claim(Chat, 500, 0), claim(Completion, 10, 0)],
                64,
                vec![(8, 0), (10, 0)],
            ),
            (
                "also while the completion speaks",
                vec![claim(Chat, 500, 0), claim(Completion, 1, 0)],
                64,
                vec![(8, 0), (1, 0)],
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
            let grants: Vec<_> =
                divide(&claims, budget, &Pace::default()).iter().map(|grant| (grant.read, grant.drafts)).collect();
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
            let grants = divide(&claims, budget, &Pace::default());
            let total: usize = grants.iter().map(|grant| grant.read + grant.drafts).sum();
            assert!(total <= budget, "{claims:?} {budget}");
            assert!(claims.is_empty() || total > 0, "{claims:?} {budget}");
            for (grant, claim) in grants.iter().zip(&claims) {
                assert!(grant.read <= claim.pending && grant.drafts <= claim.chances.len(), "{claims:?} {budget}");
            }
        }
    }

    #[test]
    fn guesses_are_checked_as_far_as_they_pay() {
        // One token takes 25 ms, and each further one 5 ms.
        let pace = Pace::default();
        let with = |chances: &[f64]| Claim { lane: Chat, pending: 1, chances: chances.to_vec(), certainty: 1.0 };
        let unsure = |certainty, chances: &[f64]| Claim { certainty, ..with(chances) };
        for (what, claims, expected) in [
            ("likely ones", vec![with(&[0.9, 0.8, 0.7])], vec![3]),
            ("the likely of them", vec![with(&[0.9, 0.8, 0.1, 0.05])], vec![2]),
            ("none that are unlikely", vec![with(&[0.15, 0.1])], vec![0]),
            ("a lean stretch before many", vec![with(&[0.19; 20])], vec![0]),
            ("none where the step would often tell nothing", vec![unsure(0.6, &[0.5])], vec![0]),
            ("but many that are likely", vec![unsure(0.8, &[0.9, 0.9, 0.9])], vec![3]),
            ("those of one who is sure", vec![with(&[0.3, 0.1]), with(&[0.95, 0.9])], vec![0, 2]),
        ] {
            let drafts: Vec<_> = divide(&claims, 64, &pace).iter().map(|grant| grant.drafts).collect();
            assert_eq!(drafts, expected, "{what}");
        }
    }
}
