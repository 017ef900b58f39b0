//! Logits at the prompt ends of a cached sequence, so that the same prompt is answered without decoding a token.

use super::super::sampler::TopLogits;

/// Logits after the first so many tokens of a sequence, ascending.
pub(in super::super) type CachedLogits = Vec<(usize, TopLogits)>;

/// Maximum entries per sequence.
const MAX_ENTRIES: usize = 8;

/// Sorts the entries, removes duplicates, and keeps the last [`MAX_ENTRIES`].
pub(super) fn dedup(mut cached: CachedLogits) -> CachedLogits {
    cached.sort_by_key(|(count, _)| *count);
    cached.dedup_by_key(|(count, _)| *count);
    cached.split_off(cached.len().saturating_sub(MAX_ENTRIES))
}
