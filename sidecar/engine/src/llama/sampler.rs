//! Sampler: chooses the next token from the logits.

use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use crate::Sampling;

/// Tokens that are considered: less probable ones cost time and are hardly ever sampled.
const TOP_K: usize = 40;

/// The most probable next tokens at one position of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TopLogits {
    /// Logits with their tokens, the most probable first.
    candidates: Vec<(f32, i32)>,
    /// Logarithm of the sum of the exponentials of all logits, if log-probabilities are needed.
    log_sum: Option<f32>,
}

impl TopLogits {
    /// The top [`TOP_K`] of the logits of the vocabulary. `logprobs` is whether [`TopLogits::logprob`] is needed.
    pub(crate) fn of(logits: &[f32], logprobs: bool) -> Self {
        let mut candidates: Vec<(f32, i32)> = Vec::with_capacity(TOP_K + 1);
        let mut threshold = f32::NEG_INFINITY;
        for (block, start) in logits.chunks(BLOCK).zip((0_i32..).step_by(BLOCK)) {
            // Nearly all blocks have no candidate, and this comparison is vectorised.
            if block.iter().copied().fold(f32::NEG_INFINITY, f32::max) <= threshold {
                continue;
            }
            for (logit, token) in block.iter().copied().zip(start..) {
                if logit > threshold {
                    let position = candidates.partition_point(|(other, _)| *other >= logit);
                    candidates.insert(position, (logit, token));
                    candidates.truncate(TOP_K);
                    if candidates.len() == TOP_K {
                        threshold = candidates[TOP_K - 1].0;
                    }
                }
            }
        }
        let max = candidates.first().map_or(0.0, |(logit, _)| *logit);
        let log_sum = logprobs.then(|| max + sum_exp(logits, max).ln());
        Self { candidates, log_sum }
    }

    /// Difference between the two highest logits.
    pub(crate) fn margin(&self) -> f32 {
        match self.candidates[..] {
            [(first, _), (second, _), ..] => first - second,
            _ => f32::INFINITY,
        }
    }

    /// Whether log-probabilities are known.
    pub(crate) fn has_logprobs(&self) -> bool {
        self.log_sum.is_some()
    }

    /// The same without excluded tokens.
    pub(crate) fn excluding(mut self, excluded: impl Fn(LlamaToken) -> bool) -> Self {
        self.candidates.retain(|(_, token)| !excluded(LlamaToken(*token)));
        self
    }

    /// Natural logarithm of a candidate's probability, if it is known.
    pub(crate) fn logprob(&self, token: LlamaToken) -> Option<f32> {
        let (logit, _) = self.candidates.iter().find(|(_, candidate)| *candidate == token.0)?;
        Some(logit - self.log_sum?)
    }
}

/// Logits that are processed at a time.
const BLOCK: usize = 32;

/// Sum of exp(logit - max): relative to the maximum, so that nothing overflows, and by block, so that it is vectorised.
fn sum_exp(logits: &[f32], max: f32) -> f32 {
    logits.chunks(BLOCK).map(|block| block.iter().map(|logit| (logit - max).exp()).sum::<f32>()).sum()
}

/// The sampler chain of a request, with its RNG state.
pub(super) struct Sampler {
    /// `None` is greedy sampling.
    chain: Option<LlamaSampler>,
}

impl Sampler {
    pub(crate) fn new(sampling: Sampling) -> Self {
        let chain = (sampling.temperature > 0.0).then(|| {
            let samplers = [
                LlamaSampler::top_p(sampling.top_p, 1),
                LlamaSampler::temp(sampling.temperature),
                LlamaSampler::dist(sampling.seed),
            ];
            LlamaSampler::chain(samplers, true)
        });
        Self { chain }
    }

    /// Samples the next token. The same seed and the same logits so far give the same token.
    pub(crate) fn sample(&mut self, top: &TopLogits) -> LlamaToken {
        let first = LlamaToken(top.candidates.first().map_or(0, |(_, token)| *token));
        let Some(chain) = &mut self.chain else { return first };
        let candidates =
            top.candidates.iter().map(|(logit, token)| LlamaTokenData::new(LlamaToken(*token), *logit, 0.0));
        let mut array = LlamaTokenDataArray::from_iter(candidates, true);
        array.apply_sampler(chain);
        array.selected_token().unwrap_or(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits(count: usize) -> Vec<f32> {
        (0..count).map(|index| (index.wrapping_mul(2_654_435_761) % 10_007) as f32 / 1000.0).collect()
    }

    #[test]
    fn the_top_logits_are_found_in_order() {
        for count in [1, 7, 39, 40, 41, 500, 5003] {
            let logits = logits(count);
            let mut expected: Vec<(f32, i32)> = logits.iter().copied().zip(0..).collect();
            expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            expected.truncate(TOP_K);
            assert_eq!(TopLogits::of(&logits, false).candidates, expected, "of {count}");
        }
    }

    #[test]
    fn log_probabilities_are_relative_to_the_whole_vocabulary() {
        let top = TopLogits::of(&[0.0, 2.0, 1.0, -1.0], true);
        let sum: f32 = (0..4).map(|token| top.logprob(LlamaToken(token)).unwrap().exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        assert!((top.logprob(LlamaToken(1)).unwrap() + 0.440_19).abs() < 1e-4);
        assert_eq!(TopLogits::of(&[0.0], false).logprob(LlamaToken(0)), None);
    }

    #[test]
    fn the_same_seed_samples_the_same_tokens() {
        let top = TopLogits::of(&logits(300), false);
        let sample = |seed| {
            let mut sampler = Sampler::new(Sampling { temperature: 1.5, top_p: 0.95, seed });
            (0..20).map(|_| sampler.sample(&top).0).collect::<Vec<_>>()
        };
        assert_eq!(sample(7), sample(7));
        assert_ne!(sample(7), sample(8));
        let mut greedy = Sampler::new(Sampling { temperature: 0.0, top_p: 0.1, seed: 1 });
        assert_eq!(greedy.sample(&top).0, top.candidates[0].1);
    }
}
