//! How fast the model is, learnt from the steps it has made. It says how large the next one may be, and what one more token costs.

use std::time::Duration;

use super::LatencyClass;

/// Sizes of steps whose time is remembered, in tokens. What lies between is taken from its neighbours.
const SIZES: [usize; 13] = [1, 2, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512];

/// The time of steps, by size.
#[derive(Debug, Clone, Copy)]
pub struct StepCostModel {
    /// Seconds; `None` for sizes that were never seen.
    seconds: [Option<f64>; SIZES.len()],
    /// Seconds that each further token takes where nothing was seen.
    marginal: f64,
}

/// How long a step may take while others are in the middle of an answer.
const INTERACTIVE_STEP: Duration = Duration::from_millis(200);

/// How long a step may take while an editor is in use, whose next completion may come at any time.
const EDITOR_ACTIVE_STEP: Duration = Duration::from_millis(120);

/// How long a step may take in which a completion reads: the fewer they are, the sooner it speaks.
const COMPLETION_PREFILL_STEP: Duration = Duration::from_millis(400);

/// How long a step may take that keeps nobody waiting.
const BATCH_STEP: Duration = Duration::from_millis(1600);

/// Steps are not made smaller than this: below it, reading is slower for everybody. Larger ones are a multiple of it, as the parts
/// that a processor multiplies at a time.
const MIN_STEP: usize = 8;

/// Weight of the newest step in what is remembered of earlier ones.
const EMA_WEIGHT: f64 = 0.2;

/// A step that took more than so many times what was expected is no measure of the model: the machine slept meanwhile, or a driver
/// compiled something for the first time.
const MAX_OUTLIER: f64 = 8.0;

/// What was expected of a size is not believed any more when one of its steps took so many times less.
const MAX_OVERESTIMATE: f64 = 4.0;

/// A step takes no more than so many times what as many tokens take in smaller ones. Without this bound one that took long once
/// would keep others of its size from ever being made.
const MAX_STEP_OVERHEAD: f64 = 1.5;

impl Default for StepCostModel {
    /// A guess for two cores and a small model, until steps were made.
    fn default() -> Self {
        let mut seconds = [None; SIZES.len()];
        seconds[0] = Some(0.025);
        Self { seconds, marginal: 0.005 }
    }
}

impl StepCostModel {
    /// Learns from a step of `tokens` tokens.
    pub fn observe(&mut self, tokens: usize, took: Duration) {
        let took = took.as_secs_f64().min(MAX_OUTLIER * self.predict(tokens));
        if tokens > 1 {
            let marginal = (took - self.predict(1)).max(0.0) / (tokens - 1) as f64;
            self.marginal += EMA_WEIGHT * (marginal - self.marginal);
        }
        // The nearest size stands for this one, as if it had as many tokens.
        let distance = |size: usize| (size as f64 / tokens.max(1) as f64).ln().abs();
        let nearest = (0..SIZES.len()).min_by(|a, b| distance(SIZES[*a]).total_cmp(&distance(SIZES[*b])));
        let Some(nearest) = nearest else { return };
        let there = (took + (SIZES[nearest] as f64 - tokens as f64) * self.marginal).max(took / 2.0);
        let known = self.seconds[nearest].unwrap_or(there).min(MAX_OVERESTIMATE * there);
        let now = known + EMA_WEIGHT * (there - known);
        // What makes steps of one size slower or faster, such as a longer text behind them, does so to others too. Half of it is
        // taken for theirs, or sizes that were measured in a hard time and are not used since would never be tried again.
        let change = self.seconds[nearest].map_or(1.0, |before| (now / before).sqrt());
        for (size, seconds) in SIZES.into_iter().zip(&mut self.seconds) {
            // A smaller step takes no more time, and a larger one could be made as several of these.
            let most = now * (MAX_STEP_OVERHEAD * size as f64 / SIZES[nearest] as f64).max(1.0);
            *seconds = seconds.map(|seconds| (seconds * change).min(most));
        }
        self.marginal = self.marginal.min(MAX_STEP_OVERHEAD * now / SIZES[nearest] as f64);
        self.seconds[nearest] = Some(now);
    }

    /// Seconds that a step of so many tokens takes.
    #[must_use]
    pub fn predict(&self, tokens: usize) -> f64 {
        let (mut below, mut above) = ((0, 0.0_f64), None);
        for (size, seconds) in SIZES.into_iter().zip(self.seconds) {
            let Some(seconds) = seconds else { continue };
            // More tokens never take less time, whatever was measured in a moment of noise.
            if size <= tokens {
                below = (size, seconds.max(below.1));
            } else {
                above = Some((size, seconds.max(below.1)));
                break;
            }
        }
        let rest = (tokens - below.0) as f64;
        match above {
            Some((size, seconds)) => below.1 + (seconds - below.1) * rest / (size - below.0) as f64,
            None => below.1 + self.marginal * rest,
        }
    }

    /// Tokens of the next step: as many as fit into the time that `company` allows, and `largest` at most.
    #[must_use]
    pub fn max_tokens_for(&self, latency: LatencyClass, largest: usize) -> usize {
        let time = match latency {
            LatencyClass::Batch => BATCH_STEP,
            LatencyClass::CompletionPrefill => COMPLETION_PREFILL_STEP,
            LatencyClass::EditorActive => EDITOR_ACTIVE_STEP,
            LatencyClass::Interactive => INTERACTIVE_STEP,
        };
        let sizes: Vec<usize> = (MIN_STEP..=largest).step_by(MIN_STEP).collect();
        let fitting = sizes.partition_point(|tokens| self.predict(*tokens) <= time.as_secs_f64());
        sizes.get(fitting.saturating_sub(1)).copied().unwrap_or(largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(seconds: impl Fn(usize) -> f64) -> StepCostModel {
        let mut step_cost = StepCostModel::default();
        for _ in 0..100 {
            for tokens in [1, 3, 4, 8, 40, 64, 256] {
                step_cost.observe(tokens, Duration::from_secs_f64(seconds(tokens)));
            }
        }
        step_cost
    }

    #[test]
    fn steps_grow_with_the_machine_and_shrink_in_company() {
        let slow = trained(|tokens| 0.05 + 0.015 * tokens as f64);
        let fast = trained(|tokens| 0.005 + 0.0001 * tokens as f64);
        assert_eq!(slow.max_tokens_for(LatencyClass::EditorActive, 512), MIN_STEP);
        assert_eq!(fast.max_tokens_for(LatencyClass::Interactive, 512), 512);
        assert_eq!(fast.max_tokens_for(LatencyClass::EditorActive, 16), 16);
        let usual = trained(|tokens| 0.02 + 0.005 * tokens as f64);
        let steps = [
            LatencyClass::Batch,
            LatencyClass::CompletionPrefill,
            LatencyClass::Interactive,
            LatencyClass::EditorActive,
        ]
        .map(|latency| usual.max_tokens_for(latency, 512));
        assert!(steps.windows(2).all(|pair| pair[0] > pair[1]), "{steps:?}");
        assert!(steps[2] == 32, "{steps:?}");
    }

    #[test]
    fn one_step_that_took_long_does_not_make_all_others_small() {
        let step = |tokens: usize| Duration::from_secs_f64(0.004 + 0.000_03 * tokens as f64);
        for seen_before in [0, 20] {
            let mut step_cost = StepCostModel::default();
            for _ in 0..seen_before {
                for tokens in [1, 16, 256, 512] {
                    step_cost.observe(tokens, step(tokens));
                }
            }
            // A driver compiles, and then somebody closes the lid.
            for tokens in [16, 64, 256, 512] {
                step_cost.observe(tokens, Duration::from_secs(3600));
            }
            let mut tokens = 0;
            for _ in 0..20 {
                tokens = step_cost.max_tokens_for(LatencyClass::Batch, 512);
                step_cost.observe(tokens, step(tokens));
            }
            assert_eq!(tokens, 512, "{seen_before}");
        }
    }

    #[test]
    fn sizes_that_are_not_used_follow_those_that_are() {
        let hard = |tokens: usize| 0.05 + 0.02 * tokens as f64;
        let mut step_cost = trained(hard);
        for _ in 0..40 {
            step_cost.observe(1, Duration::from_secs_f64(0.03));
        }
        let (one, many) = (step_cost.predict(1) / hard(1), step_cost.predict(40) / hard(40));
        assert!(one < 0.5 && many < 0.75, "{one} {many}");
    }

    #[test]
    fn what_was_not_measured_is_taken_from_its_neighbours() {
        let step_cost = trained(|tokens| 0.02 + 0.005 * tokens as f64);
        for tokens in [1, 2, 5, 16, 100, 200, 400] {
            let expected = 0.02 + 0.005 * tokens as f64;
            let cost = step_cost.predict(tokens);
            assert!((cost / expected - 1.0).abs() < 0.12, "{tokens}: {cost} and not {expected}");
        }
        let all: Vec<f64> = (1..600).map(|tokens| step_cost.predict(tokens)).collect();
        assert!(all.windows(2).all(|pair| pair[0] <= pair[1]), "more tokens never take less time");
    }
}
