//! Who gets how many tokens of the next step. No model, no clock: what is decided here is decided from numbers alone.

mod step_cost;

pub use self::step_cost::StepCostModel;
use crate::Priority;

/// One request at work, as far as its share of a step depends on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// How urgent it is.
    pub priority: Priority,
    /// Tokens that it has to read before its next word: the rest of its prompt, or 1 while it speaks.
    pub pending: usize,
    /// Of the tokens that it has guessed ahead, for each the chance that it and all before it are right, 0 to 1.
    pub acceptance: Vec<f64>,
    /// The chance that its next token is certain enough to be believed where guesses are checked beside it, 0 to 1.
    pub confidence: f64,
}

impl Demand {
    fn is_decoding(&self) -> bool {
        self.pending == 1
    }
}

/// What a demand gets of the step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allocation {
    /// Tokens to read, of those pending.
    pub tokens: usize,
    /// Guessed tokens to check.
    pub draft_tokens: usize,
}

/// Share of a step's reading that lanes below the most urgent one keep, so that none starves: one in eight.
const LOW_PRIORITY_SHARE: usize = 8;

/// Guesses are made where so many times as much is said in a second with them as without. They cost more than one sees: what was
/// guessed wrongly is taken back, and the next step is of another size, which a GPU is not prepared for.
const MIN_DRAFT_SPEEDUP: f64 = 1.1;

/// Divides a step of `budget` tokens.
///
/// Whoever speaks gets its one token, the urgent first. What is left goes to those who read their prompts: most of it to the
/// most urgent lane, a share to the others, and equal parts within a lane, so that a short prompt is not kept waiting by a long
/// one. While a completion is at work, the others read no more than their share, so that its steps are short. Guesses take what
/// nobody else needs, as far as more is said in a second with them than without.
#[must_use]
pub fn allocate(demands: &[Demand], budget: usize, step_cost: &StepCostModel) -> Vec<Allocation> {
    let mut allocations = vec![Allocation::default(); demands.len()];
    let mut left = budget;
    for priority in PRIORITIES {
        for (allocation, _) in allocations
            .iter_mut()
            .zip(demands)
            .filter(|(_, demand)| demand.priority == priority && demand.is_decoding())
        {
            allocation.tokens = left.min(1);
            left -= allocation.tokens;
        }
    }
    let completion_active = demands.iter().any(|demand| demand.priority == Priority::Completion);
    let mut left_for_low_priority = if completion_active { (budget / LOW_PRIORITY_SHARE).max(1) } else { budget };
    let prefilling: Vec<Priority> = PRIORITIES
        .into_iter()
        .filter(|priority| demands.iter().any(|demand| demand.priority == *priority && !demand.is_decoding()))
        .collect();
    // At first each lane leaves a share to those below it; then what they did not need goes back to the urgent.
    let first = prefilling.iter().enumerate().map(|(index, priority)| (*priority, index + 1 < prefilling.len()));
    for (priority, leaves_share) in first.chain(prefilling.iter().map(|priority| (*priority, false))) {
        let share = if leaves_share { left - left / LOW_PRIORITY_SHARE } else { left };
        let is_low_priority = priority != Priority::Completion;
        let taken = split_evenly(
            demands,
            &mut allocations,
            priority,
            if is_low_priority { share.min(left_for_low_priority) } else { share },
        );
        left -= taken;
        left_for_low_priority -= if is_low_priority { taken } else { 0 };
    }
    allocate_drafts(demands, &mut allocations, left, step_cost);
    allocations
}

/// Gives up to `most` tokens to guesses, the likeliest first: as many as make the most of a step's time.
fn allocate_drafts(demands: &[Demand], allocations: &mut [Allocation], max: usize, step_cost: &StepCostModel) {
    let decoding: Vec<usize> =
        (0..demands.len()).filter(|index| demands[*index].is_decoding() && allocations[*index].tokens == 1).collect();
    let mut gains: Vec<(f64, usize)> = Vec::new();
    for index in &decoding {
        let Demand { acceptance, confidence, .. } = &demands[*index];
        // With the first guess comes the risk that the step tells nothing.
        let risk = std::iter::once(1.0 - confidence).chain(std::iter::repeat(0.0));
        gains.extend(acceptance.iter().zip(risk).map(|(probability, risk)| (probability * confidence - risk, *index)));
    }
    gains.sort_by(|a, b| b.0.total_cmp(&a.0));
    let base: usize = allocations.iter().map(|allocation| allocation.tokens).sum();
    let mut expected = decoding.len() as f64;
    let mut best = (0, MIN_DRAFT_SPEEDUP * expected / step_cost.predict(base));
    for (number, (gain, _)) in gains.iter().take(max).enumerate() {
        expected += gain;
        let rate = expected / step_cost.predict(base + number + 1);
        if rate > best.1 {
            best = (number + 1, rate);
        }
    }
    for (_, index) in gains.into_iter().take(best.0) {
        allocations[index].draft_tokens += 1;
    }
}

const PRIORITIES: [Priority; 3] = [Priority::Completion, Priority::Chat, Priority::Background];

/// Gives `share` tokens to the prefilling of a lane in equal parts; who needs less leaves the rest to the others. Gives back how
/// many tokens were taken.
fn split_evenly(demands: &[Demand], allocations: &mut [Allocation], priority: Priority, share: usize) -> usize {
    let mut left = share;
    loop {
        let unsatisfied: Vec<usize> = (0..demands.len())
            .filter(|&index| {
                demands[index].priority == priority
                    && !demands[index].is_decoding()
                    && allocations[index].tokens < demands[index].pending
            })
            .collect();
        if unsatisfied.is_empty() || left == 0 {
            return share - left;
        }
        let part = (left / unsatisfied.len()).max(1);
        for index in unsatisfied {
            let more = part.min(demands[index].pending - allocations[index].tokens).min(left);
            allocations[index].tokens += more;
            left -= more;
        }
    }
}

/// Who would have to wait for a long step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatencyClass {
    /// Nobody.
    Batch,
    /// An editor that is in use.
    EditorActive,
    /// Only the one whose completion is read.
    CompletionPrefill,
    /// Others who are in the middle of an answer.
    Interactive,
}

impl LatencyClass {
    /// Who is there, by what is claimed. `editor` tells whether one is in use.
    #[must_use]
    pub fn of(demands: &[Demand], editor_active: bool) -> Self {
        let completions = || demands.iter().filter(|demand| demand.priority == Priority::Completion);
        match demands {
            _ if completions().next().is_some() && !completions().any(Demand::is_decoding) => Self::CompletionPrefill,
            _ if editor_active => Self::EditorActive,
            [_, _, ..] if demands.iter().any(Demand::is_decoding) => Self::Interactive,
            _ => Self::Batch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Priority::{Background, Chat, Completion};
    use super::*;

    fn demand(priority: Priority, pending: usize, drafts: usize) -> Demand {
        Demand { priority, pending, acceptance: vec![0.9; drafts], confidence: 1.0 }
    }

    #[test]
    fn steps_are_short_for_those_who_read_along() {
        let (prefilling, decoding) = (demand(Chat, 500, 0), demand(Chat, 1, 3));
        let (completion_prefill, completion_decode) = (demand(Completion, 50, 0), demand(Completion, 1, 0));
        for (what, demands, editor, expected) in [
            ("one who reads", vec![&prefilling], false, LatencyClass::Batch),
            ("one who speaks", vec![&decoding], false, LatencyClass::Batch),
            ("all read", vec![&prefilling, &prefilling], false, LatencyClass::Batch),
            ("somebody speaks meanwhile", vec![&prefilling, &decoding], false, LatencyClass::Interactive),
            ("the next completion may come", vec![&prefilling], true, LatencyClass::EditorActive),
            ("and somebody speaks", vec![&decoding, &prefilling], true, LatencyClass::EditorActive),
            ("a completion is read", vec![&decoding, &completion_prefill], true, LatencyClass::CompletionPrefill),
            ("another one speaks", vec![&completion_decode, &completion_prefill], true, LatencyClass::EditorActive),
        ] {
            let demands: Vec<Demand> = demands.into_iter().cloned().collect();
            assert_eq!(LatencyClass::of(&demands, editor), expected, "{what}");
        }
    }

    #[test]
    fn a_step_is_divided_by_urgency_and_nobody_starves() {
        for (what, demands, budget, expected) in [
            ("one reader gets all", vec![demand(Chat, 500, 0)], 128, vec![(128, 0)]),
            ("no more than it needs", vec![demand(Chat, 50, 0)], 128, vec![(50, 0)]),
            ("decoding come first", vec![demand(Chat, 500, 0), demand(Chat, 1, 0)], 64, vec![(63, 0), (1, 0)]),
            ("equal parts", vec![demand(Chat, 500, 0), demand(Chat, 500, 0)], 64, vec![(32, 0), (32, 0)]),
            (
                "a short prompt passes a long one",
                vec![demand(Chat, 5000, 0), demand(Chat, 20, 0)],
                64,
                vec![(44, 0), (20, 0)],
            ),
            (
                "a completion overtakes a chat, which goes on slowly",
                vec![demand(Chat, 500, 0), demand(Completion, 500, 0)],
                64,
                vec![(8, 0), (56, 0)],
            ),
            (
                "beside a completion the chat reads its share, and the step is short",
                vec![demand(Chat, 500, 0), demand(Completion, 10, 0)],
                64,
                vec![(8, 0), (10, 0)],
            ),
            (
                "also while the completion speaks",
                vec![demand(Chat, 500, 0), demand(Completion, 1, 0)],
                64,
                vec![(8, 0), (1, 0)],
            ),
            (
                "what the chat does not need goes back to the completion",
                vec![demand(Chat, 2, 0), demand(Completion, 500, 0)],
                64,
                vec![(2, 0), (62, 0)],
            ),
            (
                "the background keeps a share too",
                vec![demand(Background, 500, 0), demand(Chat, 500, 0), demand(Completion, 500, 0)],
                128,
                vec![(2, 0), (14, 0), (112, 0)],
            ),
            ("guesses take what is left", vec![demand(Chat, 1, 16), demand(Chat, 1, 0)], 8, vec![(1, 6), (1, 0)]),
            ("guesses wait for prefilling", vec![demand(Chat, 1, 16), demand(Chat, 90, 0)], 32, vec![(1, 0), (31, 0)]),
            (
                "with too many decoding the urgent speak",
                vec![demand(Chat, 1, 0), demand(Chat, 1, 0), demand(Completion, 1, 0)],
                2,
                vec![(1, 0), (0, 0), (1, 0)],
            ),
            ("nobody is there", vec![], 64, vec![]),
        ] {
            let allocations: Vec<_> = allocate(&demands, budget, &StepCostModel::default())
                .iter()
                .map(|allocation| (allocation.tokens, allocation.draft_tokens))
                .collect();
            assert_eq!(allocations, expected, "{what}");
        }
    }

    #[test]
    fn a_step_is_never_larger_than_its_budget_and_always_moves_somebody() {
        let priorities = [Completion, Chat, Background];
        for seed in 0..2000_usize {
            let demands: Vec<Demand> = (0..seed % 7)
                .map(|index| {
                    let number = seed.wrapping_mul(31).wrapping_add(index * 17);
                    demand(priorities[number % 3], 1 + number % 5 * 40, if number.is_multiple_of(4) { 9 } else { 0 })
                })
                .collect();
            let budget = 1 + seed % 90;
            let allocations = allocate(&demands, budget, &StepCostModel::default());
            let total: usize = allocations.iter().map(|allocation| allocation.tokens + allocation.draft_tokens).sum();
            assert!(total <= budget, "{demands:?} {budget}");
            assert!(demands.is_empty() || total > 0, "{demands:?} {budget}");
            for (allocation, demand) in allocations.iter().zip(&demands) {
                assert!(
                    allocation.tokens <= demand.pending && allocation.draft_tokens <= demand.acceptance.len(),
                    "{demands:?} {budget}"
                );
            }
        }
    }

    #[test]
    fn guesses_are_checked_as_far_as_they_pay() {
        // One token takes 25 ms, and each further one 5 ms.
        let step_cost = StepCostModel::default();
        let with = |acceptance: &[f64]| Demand {
            priority: Chat,
            pending: 1,
            acceptance: acceptance.to_vec(),
            confidence: 1.0,
        };
        let unsure = |confidence, acceptance: &[f64]| Demand { confidence, ..with(acceptance) };
        for (what, demands, expected) in [
            ("likely ones", vec![with(&[0.9, 0.8, 0.7])], vec![3]),
            ("the likely of them", vec![with(&[0.9, 0.8, 0.1, 0.05])], vec![2]),
            ("none that are unlikely", vec![with(&[0.15, 0.1])], vec![0]),
            ("a lean stretch before many", vec![with(&[0.19; 20])], vec![0]),
            ("none where the step would often tell nothing", vec![unsure(0.6, &[0.5])], vec![0]),
            ("but many that are likely", vec![unsure(0.8, &[0.9, 0.9, 0.9])], vec![3]),
            ("those of one who is sure", vec![with(&[0.3, 0.1]), with(&[0.95, 0.9])], vec![0, 2]),
        ] {
            let drafts: Vec<_> =
                allocate(&demands, 64, &step_cost).iter().map(|allocation| allocation.draft_tokens).collect();
            assert_eq!(drafts, expected, "{what}");
        }
    }
}
