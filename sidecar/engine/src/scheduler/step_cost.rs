//! Step-time model: predicts the duration of a step by its number of tokens, learned from earlier steps.

use std::time::Duration;

use super::LatencyClass;

/// Step sizes with an estimate of their own, in tokens. Sizes between them are interpolated.
const SIZES: [usize; 13] = [1, 2, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512];

/// Duration of a step, by its size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepCostModel {
    /// Seconds; `None` for sizes without an observation.
    seconds: [Option<f64>; SIZES.len()],
    /// Seconds per additional token, for sizes above the largest observed one.
    marginal: f64,
}

/// Maximum duration of a step while other requests are in decode.
const INTERACTIVE_STEP: Duration = Duration::from_millis(200);

/// Maximum duration of a step while an editor is in use, whose next completion may arrive at any time.
const EDITOR_ACTIVE_STEP: Duration = Duration::from_millis(120);

/// Maximum duration of a step with a completion in prefill: fewer steps give a shorter time to its first token.
const COMPLETION_PREFILL_STEP: Duration = Duration::from_millis(400);

/// Maximum duration of a step that delays no other request.
const BATCH_STEP: Duration = Duration::from_millis(1600);

/// Minimum size of a step in tokens: prefill is slower below it. Larger sizes are multiples of it, as are the tiles of the CPU's
/// matrix multiplication.
const MIN_STEP: usize = 8;

/// Weight of a new observation in the exponential moving average.
const EMA_WEIGHT: f64 = 0.2;

/// An observation is clipped to this multiple of the prediction: the machine was suspended, or a driver compiled a kernel.
const MAX_OUTLIER: f64 = 8.0;

/// An estimate is clipped to this multiple of a new observation.
const MAX_OVERESTIMATE: f64 = 4.0;

/// Maximum ratio of a step's estimate to that of smaller steps with as many tokens in total. Without this bound, one slow step
/// would prevent steps of its size forever.
const MAX_STEP_OVERHEAD: f64 = 1.5;

impl Default for StepCostModel {
    /// An assumption for two cores and a small model, until the first observation.
    fn default() -> Self {
        let mut seconds = [None; SIZES.len()];
        seconds[0] = Some(0.025);
        Self { seconds, marginal: 0.005 }
    }
}

impl StepCostModel {
    /// Records the duration of a step of `tokens` tokens.
    pub(crate) fn observe(&mut self, tokens: usize, took: Duration) {
        let took = took.as_secs_f64().min(MAX_OUTLIER * self.predict(tokens));
        if tokens > 1 {
            let marginal = (took - self.predict(1)).max(0.0) / (tokens - 1) as f64;
            self.marginal += EMA_WEIGHT * (marginal - self.marginal);
        }
        // The observation is attributed to the nearest size, corrected by the difference in tokens.
        let distance = |size: usize| (size as f64 / tokens.max(1) as f64).ln().abs();
        let nearest = (0..SIZES.len()).min_by(|a, b| distance(SIZES[*a]).total_cmp(&distance(SIZES[*b])));
        let Some(nearest) = nearest else { return };
        let observed = (took + (SIZES[nearest] as f64 - tokens as f64) * self.marginal).max(took / 2.0);
        let estimate = self.seconds[nearest].unwrap_or(observed).min(MAX_OVERESTIMATE * observed);
        let now = estimate + EMA_WEIGHT * (observed - estimate);
        // What makes steps of one size slower or faster, such as a longer context, affects other sizes too. They are scaled by the
        // square root of the change; otherwise sizes that were observed under load and not used since would never be tried again.
        let change = self.seconds[nearest].map_or(1.0, |before| (now / before).sqrt());
        for (size, seconds) in SIZES.into_iter().zip(&mut self.seconds) {
            // A smaller step takes no more time, and a larger one could be split into several of these.
            let max = now * (MAX_STEP_OVERHEAD * size as f64 / SIZES[nearest] as f64).max(1.0);
            *seconds = seconds.map(|seconds| (seconds * change).min(max));
        }
        self.marginal = self.marginal.min(MAX_STEP_OVERHEAD * now / SIZES[nearest] as f64);
        self.seconds[nearest] = Some(now);
    }

    /// Predicted duration of a step of `tokens` tokens, in seconds.
    #[must_use]
    pub(crate) fn predict(&self, tokens: usize) -> f64 {
        let (mut below, mut above) = ((0, 0.0_f64), None);
        for (size, seconds) in SIZES.into_iter().zip(self.seconds) {
            let Some(seconds) = seconds else { continue };
            // The prediction is monotonic, whatever noise was observed.
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

    /// Maximum tokens of a step within the latency target, at most `max_batch`.
    #[must_use]
    pub(crate) fn max_tokens_for(&self, latency: LatencyClass, max_batch: usize) -> usize {
        let time = match latency {
            LatencyClass::Batch => BATCH_STEP,
            LatencyClass::CompletionPrefill => COMPLETION_PREFILL_STEP,
            LatencyClass::EditorActive => EDITOR_ACTIVE_STEP,
            LatencyClass::Interactive => INTERACTIVE_STEP,
        };
        let sizes: Vec<usize> = (MIN_STEP..=max_batch).step_by(MIN_STEP).collect();
        let fitting = sizes.partition_point(|tokens| self.predict(*tokens) <= time.as_secs_f64());
        sizes.get(fitting.saturating_sub(1)).copied().unwrap_or(max_batch)
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
    fn steps_grow_with_the_machine_and_shrink_with_the_latency_target() {
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
    fn one_slow_step_does_not_keep_later_steps_small() {
        let step = |tokens: usize| Duration::from_secs_f64(0.004 + 0.000_03 * tokens as f64);
        for observations in [0, 20] {
            let mut step_cost = StepCostModel::default();
            for _ in 0..observations {
                for tokens in [1, 16, 256, 512] {
                    step_cost.observe(tokens, step(tokens));
                }
            }
            // A driver compiles, and then the machine is suspended.
            for tokens in [16, 64, 256, 512] {
                step_cost.observe(tokens, Duration::from_secs(3600));
            }
            let mut tokens = 0;
            for _ in 0..20 {
                tokens = step_cost.max_tokens_for(LatencyClass::Batch, 512);
                step_cost.observe(tokens, step(tokens));
            }
            assert_eq!(tokens, 512, "{observations}");
        }
    }

    #[test]
    fn unused_sizes_follow_the_used_ones() {
        let loaded = |tokens: usize| 0.05 + 0.02 * tokens as f64;
        let mut step_cost = trained(loaded);
        for _ in 0..40 {
            step_cost.observe(1, Duration::from_secs_f64(0.03));
        }
        let (one, many) = (step_cost.predict(1) / loaded(1), step_cost.predict(40) / loaded(40));
        assert!(one < 0.5 && many < 0.75, "{one} {many}");
    }

    #[test]
    fn sizes_without_observations_are_interpolated() {
        let step_cost = trained(|tokens| 0.02 + 0.005 * tokens as f64);
        for tokens in [1, 2, 5, 16, 100, 200, 400] {
            let expected = 0.02 + 0.005 * tokens as f64;
            let cost = step_cost.predict(tokens);
            assert!((cost / expected - 1.0).abs() < 0.12, "{tokens}: {cost}, expected {expected}");
        }
        let all: Vec<f64> = (1..600).map(|tokens| step_cost.predict(tokens)).collect();
        assert!(all.windows(2).all(|pair| pair[0] <= pair[1]), "the prediction is monotonic");
    }
}
