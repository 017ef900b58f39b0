//! What comes next at the ends of prompts that a text begins with, so that the same prompt is answered without reading a token.

use super::super::sampler::TopLogits;

/// What comes after the first so many tokens of a text: the latest last, and not many.
pub(in super::super) type Nexts = Vec<(usize, TopLogits)>;

/// Ends of prompts in a text for which it is remembered.
const MOST: usize = 8;

/// Without what is there twice, and not too many.
pub(super) fn tidy(mut nexts: Nexts) -> Nexts {
    nexts.sort_by_key(|(count, _)| *count);
    nexts.dedup_by_key(|(count, _)| *count);
    nexts.split_off(nexts.len().saturating_sub(MOST))
}
