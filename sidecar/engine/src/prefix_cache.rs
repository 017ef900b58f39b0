//! Prefix index: which cached sequence shares the longest prefix with a prompt, which one shares another chunk with it, and which
//! one to evict first. Pure: no model, no llama.cpp.

use std::collections::HashMap;
use std::hash::Hash;

/// Cached token sequences by key, with LRU order. It has few entries and is searched linearly.
#[derive(Debug)]
pub(crate) struct PrefixIndex<K, T> {
    entries: Vec<Entry<K, T>>,
    clock: u64,
}

#[derive(Debug)]
struct Entry<K, T> {
    key: K,
    tokens: Vec<T>,
    fidelity: KvFidelity,
    last_used: u64,
}

/// The cached sequence that shares the longest prefix with a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PrefixMatch<K> {
    /// Key of the sequence.
    pub key: K,
    /// Length of the shared prefix in tokens.
    pub shared: usize,
    /// Whether the sequence has no tokens beyond the shared prefix.
    pub is_entire: bool,
}

/// How the KV cache of a sequence was computed, or may have been. The better fidelity is the smaller value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KvFidelity {
    /// By prefill from the first token to the last.
    Exact,
    /// With a chunk that was computed at another position, after other tokens, and shifted: nearly the same, for much less
    /// computation.
    Shifted,
}

/// A chunk of tokens that a cached sequence and a prompt share, at any positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SharedChunk {
    /// Its position in the cached sequence.
    pub source: usize,
    /// Its position in the prompt.
    pub target: usize,
    /// Its length in tokens.
    pub length: usize,
}

/// Whether a prefix of a cached sequence can be reused without the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartialReuse {
    /// The end of the sequence can be truncated.
    Allowed,
    /// Only the entire sequence can be reused: the state of recurrent models is not a list of tokens.
    Unsupported,
}

impl<K, T> Default for PrefixIndex<K, T> {
    fn default() -> Self {
        Self { entries: Vec::new(), clock: 0 }
    }
}

impl<K: Copy + PartialEq, T: PartialEq> PrefixIndex<K, T> {
    /// Adds a sequence as the most recently used one.
    pub(crate) fn insert(&mut self, key: K, tokens: Vec<T>, fidelity: KvFidelity) {
        self.clock += 1;
        self.entries.push(Entry { key, tokens, fidelity, last_used: self.clock });
    }

    /// Removes a sequence and returns its tokens.
    pub(crate) fn remove(&mut self, key: K) -> Option<Vec<T>> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.swap_remove(index).tokens)
    }

    /// Marks a sequence as the most recently used one.
    pub(crate) fn touch(&mut self, key: K) {
        self.clock += 1;
        let now = self.clock;
        self.entries.iter_mut().filter(|entry| entry.key == key).for_each(|entry| entry.last_used = now);
    }

    /// Fidelity of a sequence; [`KvFidelity::Exact`] for an unknown key.
    pub(crate) fn fidelity(&self, key: K) -> KvFidelity {
        self.entries.iter().find(|entry| entry.key == key).map_or(KvFidelity::Exact, |entry| entry.fidelity)
    }

    /// Tokens of a sequence.
    pub(crate) fn get(&self, key: K) -> Option<&[T]> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| entry.tokens.as_slice())
    }

    /// The sequence that shares the longest prefix with `prompt`; among equals, the one with the fewest other tokens. `None` if no
    /// sequence shares a token, or none has at least the given fidelity.
    pub(crate) fn find(
        &self,
        prompt: &[T],
        partial_reuse: PartialReuse,
        fidelity: KvFidelity,
    ) -> Option<PrefixMatch<K>> {
        let matches = self.entries.iter().filter(|entry| entry.fidelity <= fidelity).map(|entry| {
            let shared = common_prefix_len(&entry.tokens, prompt);
            (
                PrefixMatch { key: entry.key, shared, is_entire: shared == entry.tokens.len() },
                entry.tokens.len() - shared,
            )
        });
        let usable = matches
            .filter(|(found, _)| found.shared > 0 && (partial_reuse == PartialReuse::Allowed || found.is_entire));
        usable
            .max_by_key(|(found, other_tokens)| (found.shared, std::cmp::Reverse(*other_tokens)))
            .map(|(found, _)| found)
    }

    /// Whether a sequence of at least this fidelity begins with `tokens`.
    pub(crate) fn contains_prefix(&self, tokens: &[T], fidelity: KvFidelity) -> bool {
        self.entries.iter().any(|entry| entry.fidelity <= fidelity && entry.tokens.starts_with(tokens))
    }

    /// Keys of the sequences of at most this fidelity that are a prefix of `tokens`.
    pub(crate) fn subsumed_by(&self, tokens: &[T], fidelity: KvFidelity) -> Vec<K> {
        let subsumed = |entry: &&Entry<K, T>| entry.fidelity >= fidelity && tokens.starts_with(&entry.tokens);
        self.entries.iter().filter(subsumed).map(|entry| entry.key).collect()
    }

    /// Keys of the sequences of at most this fidelity of which seven eighths or more are a prefix of `tokens`.
    pub(crate) fn mostly_subsumed_by(&self, tokens: &[T], fidelity: KvFidelity) -> Vec<K> {
        let mostly_subsumed = |entry: &&Entry<K, T>| {
            entry.fidelity >= fidelity && common_prefix_len(&entry.tokens, tokens) * 8 >= entry.tokens.len() * 7
        };
        self.entries.iter().filter(mostly_subsumed).map(|entry| entry.key).collect()
    }

    /// The least recently used sequence.
    pub(crate) fn least_recently_used(&self) -> Option<K> {
        self.entries.iter().min_by_key(|entry| entry.last_used).map(|entry| entry.key)
    }

    /// All keys and sequences, the most recently used one first.
    pub(crate) fn most_recent_first(&self) -> Vec<(K, &[T])> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.last_used));
        entries.into_iter().map(|entry| (entry.key, entry.tokens.as_slice())).collect()
    }

    /// Tokens of all sequences together.
    pub(crate) fn total_tokens(&self) -> usize {
        self.most_recent_first().iter().map(|(_, tokens)| tokens.len()).sum()
    }

    /// Number of sequences.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl<K: Copy + PartialEq, T: Copy + Eq + Hash> PrefixIndex<K, T> {
    /// The sequence that shares the longest chunk of at least `min_len` tokens with `prompt`, behind its first `n_past` tokens. The
    /// last token of the prompt is excluded, since it has to be decoded.
    pub(crate) fn find_chunk(&self, prompt: &[T], n_past: usize, min_len: usize) -> Option<(K, SharedChunk)> {
        let chunks = self
            .entries
            .iter()
            .filter_map(|entry| Some((entry.key, longest_shared_chunk(&entry.tokens, prompt, n_past, min_len)?)));
        chunks.max_by_key(|(_, chunk)| chunk.length)
    }
}

/// Length in tokens of the n-grams by which shared chunks are found.
const SEED: usize = 16;

/// The longest chunk that `tokens` and `prompt` share, behind the first `n_past` tokens of the prompt.
fn longest_shared_chunk<T: Copy + Eq + Hash>(
    tokens: &[T],
    prompt: &[T],
    n_past: usize,
    min_len: usize,
) -> Option<SharedChunk> {
    let prompt = &prompt[..prompt.len().saturating_sub(1)];
    // A shared chunk of two seeds or more contains an entire seed that is aligned to the seed length.
    let seeds: HashMap<&[T], usize> = tokens.chunks_exact(SEED).zip((0..).step_by(SEED)).collect();
    let (mut best, mut target) = (None::<SharedChunk>, n_past);
    while target + SEED <= prompt.len() {
        let Some(source) = seeds.get(&prompt[target..target + SEED]) else {
            target += 1;
            continue;
        };
        let back =
            prompt[n_past..target].iter().rev().zip(tokens[..*source].iter().rev()).take_while(|(a, b)| a == b).count();
        let length = back + common_prefix_len(&tokens[*source..], &prompt[target..]);
        let chunk = SharedChunk { source: source - back, target: target - back, length };
        if length >= min_len && best.is_none_or(|best| best.length < length) {
            best = Some(chunk);
        }
        target += length - back;
    }
    best
}

/// Length of the common prefix of two sequences, in tokens.
pub(crate) fn common_prefix_len<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[&str]) -> PrefixIndex<usize, u8> {
        let mut index = PrefixIndex::default();
        for (key, text) in texts.iter().enumerate() {
            index.insert(key, text.bytes().collect(), KvFidelity::Exact);
        }
        index
    }

    #[test]
    fn the_longest_common_prefix_is_found() {
        for (texts, prompt, partial_reuse, expected) in [
            (&["system one", "system two"][..], "system two?", PartialReuse::Allowed, Some((1, 10, true))),
            (&["system one", "system two"], "system three", PartialReuse::Allowed, Some((1, 8, false))),
            (&["system one and more", "system one"], "system one!", PartialReuse::Allowed, Some((1, 10, true))),
            (&["system one"], "other", PartialReuse::Allowed, None),
            (&[], "other", PartialReuse::Allowed, None),
            (&["system one and more"], "system one", PartialReuse::Allowed, Some((0, 10, false))),
            (&["system one and more"], "system one", PartialReuse::Unsupported, None),
            (&["system one and more", "system"], "system one", PartialReuse::Unsupported, Some((1, 6, true))),
        ] {
            let found = index(texts)
                .find(prompt.as_bytes(), partial_reuse, KvFidelity::Exact)
                .map(|found| (found.key, found.shared, found.is_entire));
            assert_eq!(found, expected, "{prompt} among {texts:?}, partial_reuse {partial_reuse:?}");
        }
    }

    #[test]
    fn the_least_recently_used_sequence_is_evicted_first() {
        let mut index = index(&["a", "b", "c"]);
        index.touch(0);
        assert_eq!(index.least_recently_used(), Some(1));
        index.remove(1);
        assert_eq!((index.least_recently_used(), index.len()), (Some(2), 2));
        assert_eq!(index.most_recent_first().iter().map(|(key, _)| *key).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn a_prefix_of_a_cached_sequence_is_contained_in_it() {
        let index = index(&["chat", "chat with more"]);
        let exact = KvFidelity::Exact;
        assert!(index.contains_prefix(b"chat with", exact) && !index.contains_prefix(b"chat without", exact));
        assert_eq!(index.subsumed_by(b"chat with more and more", exact), [0, 1]);
        assert_eq!(index.subsumed_by(b"chat w", exact), [0]);
    }

    #[test]
    fn shifted_sequences_are_found_only_if_shifted_fidelity_is_allowed() {
        let mut index = index(&["exact"]);
        index.insert(1, b"exactly so".to_vec(), KvFidelity::Shifted);
        let found = |fidelity| {
            index.find(b"exactly so!", PartialReuse::Allowed, fidelity).map(|found| (found.key, found.shared))
        };
        assert_eq!((found(KvFidelity::Exact), found(KvFidelity::Shifted)), (Some((0, 5)), Some((1, 10))));
        assert!(
            !index.contains_prefix(b"exactly", KvFidelity::Exact)
                && index.contains_prefix(b"exactly", KvFidelity::Shifted)
        );
        assert_eq!(
            index.subsumed_by(b"exactly so it is", KvFidelity::Shifted),
            [1],
            "an exact sequence is not subsumed by a shifted one"
        );
        assert_eq!(index.subsumed_by(b"exactly so it is", KvFidelity::Exact), [0, 1]);
    }

    #[test]
    fn a_shared_chunk_is_found_at_any_position() {
        let code = "def area(width, height):\n    return width * height\n";
        let text = format!("import json\n\n{code}# the end");
        for (what, prompt, expected) in [
            ("further to the front", format!("{code}# more"), Some((13, 0, code.len() + 2))),
            ("further back", format!("import json\nimport re\nimport os\n\n{code}x"), Some((11, 31, code.len() + 2))),
            ("in the same place", text.clone(), Some((0, 0, text.len() - 1))),
            ("too little of it", "import json and more".to_owned(), None),
            ("nothing", "something else altogether, and long enough".to_owned(), None),
        ] {
            let chunk = longest_shared_chunk(text.as_bytes(), prompt.as_bytes(), 0, 32);
            assert_eq!(chunk.map(|chunk| (chunk.source, chunk.target, chunk.length)), expected, "{what}");
        }
        let rest = longest_shared_chunk(text.as_bytes(), text.as_bytes(), 20, 32).map(|chunk| chunk.target);
        assert_eq!(rest, Some(20), "tokens before n_past are excluded");
    }
}
