//! What comes next at the ends of prompts that a text begins with, so that the same prompt is answered without reading a token.

use super::super::sampler::TopLogits;

/// What comes after the first so many tokens of a text: the latest last, and not many.
pub(in super::super) type CachedLogits = Vec<(usize, TopLogits)>;

/// Ends of prompts in a text for which it is remembered.
const MAX_ENTRIES: usize = 8;

/// Without what is there twice, and not too many.
pub(super) fn dedup(mut cached: CachedLogits) -> CachedLogits {
    cached.sort_by_key(|(count, _)| *count);
    cached.dedup_by_key(|(count, _)| *count);
    cached.split_off(cached.len().saturating_sub(MAX_ENTRIES))
}
