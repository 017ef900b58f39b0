//! Continuous batching with chunked prefill: how many tokens of the next step each running request gets. Pure: no model, no clock.

mod step_cost;

pub(crate) use self::step_cost::StepCostModel;
use crate::Priority;

/// What a running request could use of the next step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Demand {
    /// Its priority class.
    pub priority: Priority,
    /// Tokens to process before its next token can be sampled: the rest of the prompt during prefill, 1 during decode.
    pub pending: usize,
    /// For each of its draft tokens, the probability that it and all before it are accepted, 0 to 1.
    pub acceptance: Vec<f64>,
    /// Probability that the logit margin of its next token is large enough to accept it in a step that verifies drafts, 0 to 1.
    pub confidence: f64,
}

impl Demand {
    fn is_decoding(&self) -> bool {
        self.pending == 1
    }
}

/// What a request gets of the next step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Allocation {
    /// Of its pending tokens, those to process.
    pub tokens: usize,
    /// Draft tokens to verify.
    pub draft_tokens: usize,
}

/// Share of a step's prefill that is kept for lower priorities, so that none starves: one in eight.
const LOW_PRIORITY_SHARE: usize = 8;

/// Minimum speed-up, in expected tokens per second, for a step to verify drafts. Drafts have costs that the step-cost model does
/// not see: rejected tokens are removed from the KV cache, and the next step has another size, which a GPU is not prepared for.
const MIN_DRAFT_SPEEDUP: f64 = 1.1;

/// Allocates a step of `budget` tokens.
///
/// * Each decoding request gets one token, highest priority first.
/// * The rest goes to prefill: most of it to the highest priority, a share to the others, and equal parts within a priority, so
///   that a short prompt does not wait for a long one. While a completion runs, the other priorities get no more than their
///   share, so that its steps are short.
/// * Drafts get what is left, as long as they raise the expected tokens per second.
#[must_use]
pub(crate) fn allocate(demands: &[Demand], budget: usize, step_cost: &StepCostModel) -> Vec<Allocation> {
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
    // In the first round each priority leaves a share to those below it; in the second, what they did not use goes to the highest.
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

/// Allocates up to `max` tokens to drafts, the most probable first: the number that maximises the expected tokens per second.
fn allocate_drafts(demands: &[Demand], allocations: &mut [Allocation], max: usize, step_cost: &StepCostModel) {
    let decoding: Vec<usize> =
        (0..demands.len()).filter(|index| demands[*index].is_decoding() && allocations[*index].tokens == 1).collect();
    let mut gains: Vec<(f64, usize)> = Vec::new();
    for index in &decoding {
        let Demand { acceptance, confidence, .. } = &demands[*index];
        // The first draft token adds the risk that the step yields no token, because the margin is too small to accept one.
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

/// Splits `share` tokens evenly among the prefilling requests of a priority; what one does not need goes to the others. Returns the
/// number of allocated tokens.
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

/// Latency target of a step, by the requests that a long step would delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LatencyClass {
    /// None.
    Batch,
    /// A completion that an editor in use may request at any time.
    EditorActive,
    /// Only a completion in prefill.
    CompletionPrefill,
    /// Other requests in decode.
    Interactive,
}

impl LatencyClass {
    /// The class for these demands. `editor_active` is whether an editor requested a completion recently.
    #[must_use]
    pub(crate) fn of(demands: &[Demand], editor_active: bool) -> Self {
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
    fn the_latency_class_follows_the_running_requests() {
        let (prefilling, decoding) = (demand(Chat, 500, 0), demand(Chat, 1, 3));
        let (completion_prefill, completion_decode) = (demand(Completion, 50, 0), demand(Completion, 1, 0));
        for (what, demands, editor, expected) in [
            ("one prefill", vec![&prefilling], false, LatencyClass::Batch),
            ("one decode", vec![&decoding], false, LatencyClass::Batch),
            ("only prefill", vec![&prefilling, &prefilling], false, LatencyClass::Batch),
            ("prefill beside decode", vec![&prefilling, &decoding], false, LatencyClass::Interactive),
            ("prefill with an active editor", vec![&prefilling], true, LatencyClass::EditorActive),
            ("and another decode", vec![&decoding, &prefilling], true, LatencyClass::EditorActive),
            ("a completion in prefill", vec![&decoding, &completion_prefill], true, LatencyClass::CompletionPrefill),
            (
                "and another completion in decode",
                vec![&completion_decode, &completion_prefill],
                true,
                LatencyClass::EditorActive,
            ),
        ] {
            let demands: Vec<Demand> = demands.into_iter().cloned().collect();
            assert_eq!(LatencyClass::of(&demands, editor), expected, "{what}");
        }
    }

    #[test]
    fn a_step_is_allocated_by_priority_and_no_request_starves() {
        for (what, demands, budget, expected) in [
            ("one prefill gets all", vec![demand(Chat, 500, 0)], 128, vec![(128, 0)]),
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
                "a completion overtakes a chat, which continues slowly",
                vec![demand(Chat, 500, 0), demand(Completion, 500, 0)],
                64,
                vec![(8, 0), (56, 0)],
            ),
            (
                "beside a completion the chat gets its share, and the step is short",
                vec![demand(Chat, 500, 0), demand(Completion, 10, 0)],
                64,
                vec![(8, 0), (10, 0)],
            ),
            (
                "also while the completion is in decode",
                vec![demand(Chat, 500, 0), demand(Completion, 1, 0)],
                64,
                vec![(8, 0), (1, 0)],
            ),
            (
                "what the chat does not need goes to the completion",
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
            ("drafts get what is left", vec![demand(Chat, 1, 16), demand(Chat, 1, 0)], 8, vec![(1, 6), (1, 0)]),
            ("prefill comes before drafts", vec![demand(Chat, 1, 16), demand(Chat, 90, 0)], 32, vec![(1, 0), (31, 0)]),
            (
                "with too many in decode the highest priority comes first",
                vec![demand(Chat, 1, 0), demand(Chat, 1, 0), demand(Completion, 1, 0)],
                2,
                vec![(1, 0), (0, 0), (1, 0)],
            ),
            ("no request", vec![], 64, vec![]),
        ] {
            let allocations: Vec<_> = allocate(&demands, budget, &StepCostModel::default())
                .iter()
                .map(|allocation| (allocation.tokens, allocation.draft_tokens))
                .collect();
            assert_eq!(allocations, expected, "{what}");
        }
    }

    #[test]
    fn a_step_never_exceeds_its_budget_and_always_makes_progress() {
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
    fn drafts_are_verified_as_far_as_they_raise_the_rate() {
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
            ("probable drafts", vec![with(&[0.9, 0.8, 0.7])], vec![3]),
            ("only the probable ones", vec![with(&[0.9, 0.8, 0.1, 0.05])], vec![2]),
            ("no improbable ones", vec![with(&[0.15, 0.1])], vec![0]),
            ("many improbable ones", vec![with(&[0.19; 20])], vec![0]),
            ("none if the step would often yield no token", vec![unsure(0.6, &[0.5])], vec![0]),
            ("but many probable ones", vec![unsure(0.8, &[0.9, 0.9, 0.9])], vec![3]),
            (
                "those of the request with the higher acceptance",
                vec![with(&[0.3, 0.1]), with(&[0.95, 0.9])],
                vec![0, 2],
            ),
        ] {
            let drafts: Vec<_> =
                allocate(&demands, 64, &step_cost).iter().map(|allocation| allocation.draft_tokens).collect();
            assert_eq!(drafts, expected, "{what}");
        }
    }
}
