//! Which earlier text shares the longest beginning with a prompt, which has another part of it, and which to give up first. No
//! model, no llama.cpp.

use std::collections::HashMap;
use std::hash::Hash;

/// Texts whose reading is remembered, each under a key. Small: it is searched from end to end.
#[derive(Debug)]
pub struct PrefixIndex<K, T> {
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

/// The best text for a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixMatch<K> {
    /// Its key.
    pub key: K,
    /// Tokens that it has in common with the prompt.
    pub shared: usize,
    /// Whether it is used up by that: nothing of it is left over.
    pub is_entire: bool,
}

/// How a text was read, or may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KvFidelity {
    /// From its beginning to its end.
    Exact,
    /// A part of it in another place, after other words: nearly the same, for much less work.
    Shifted,
}

/// A part that a text and a prompt have in common, in different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedChunk {
    /// Its position in the text.
    pub source: usize,
    /// Its position in the prompt.
    pub target: usize,
    /// Its tokens.
    pub length: usize,
}

/// Whether a text can be used in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartialReuse {
    /// Its end can be left off.
    Allowed,
    /// It must be used as a whole, as with models whose memory is not a list of tokens.
    Unsupported,
}

impl<K, T> Default for PrefixIndex<K, T> {
    fn default() -> Self {
        Self { entries: Vec::new(), clock: 0 }
    }
}

impl<K: Copy + PartialEq, T: PartialEq> PrefixIndex<K, T> {
    /// Remembers a text, which was read so, as the one used last.
    pub fn insert(&mut self, key: K, tokens: Vec<T>, fidelity: KvFidelity) {
        self.clock += 1;
        self.entries.push(Entry { key, tokens, fidelity, last_used: self.clock });
    }

    /// Forgets a text, and gives it back.
    pub fn remove(&mut self, key: K) -> Option<Vec<T>> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.swap_remove(index).tokens)
    }

    /// Counts a text as just used.
    pub fn touch(&mut self, key: K) {
        self.clock += 1;
        let now = self.clock;
        self.entries.iter_mut().filter(|entry| entry.key == key).for_each(|entry| entry.last_used = now);
    }

    /// How a text was read.
    pub fn fidelity(&self, key: K) -> KvFidelity {
        self.entries.iter().find(|entry| entry.key == key).map_or(KvFidelity::Exact, |entry| entry.fidelity)
    }

    /// A text.
    pub fn get(&self, key: K) -> Option<&[T]> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| entry.tokens.as_slice())
    }

    /// The text with the longest beginning in common with `prompt`; of equals the one with the least left over. None that shares
    /// nothing, and none that was read less exactly than the prompt may be.
    pub fn find(&self, prompt: &[T], partial_reuse: PartialReuse, fidelity: KvFidelity) -> Option<PrefixMatch<K>> {
        let matches = self.entries.iter().filter(|entry| entry.fidelity <= fidelity).map(|entry| {
            let shared = common_prefix_len(&entry.tokens, prompt);
            (
                PrefixMatch { key: entry.key, shared, is_entire: shared == entry.tokens.len() },
                entry.tokens.len() - shared,
            )
        });
        let usable = matches
            .filter(|(found, _)| found.shared > 0 && (partial_reuse == PartialReuse::Allowed || found.is_entire));
        usable.max_by_key(|(found, left_over)| (found.shared, std::cmp::Reverse(*left_over))).map(|(found, _)| found)
    }

    /// Whether a text, read as exactly, says all that `text` says, and perhaps more.
    pub fn contains_prefix(&self, tokens: &[T], fidelity: KvFidelity) -> bool {
        self.entries.iter().any(|entry| entry.fidelity <= fidelity && entry.tokens.starts_with(tokens))
    }

    /// The keys of the texts, read no more exactly, that `text` says all of.
    pub fn subsumed_by(&self, tokens: &[T], fidelity: KvFidelity) -> Vec<K> {
        let covered = |entry: &&Entry<K, T>| entry.fidelity >= fidelity && tokens.starts_with(&entry.tokens);
        self.entries.iter().filter(covered).map(|entry| entry.key).collect()
    }

    /// The keys of the texts, read no more exactly, of which `text` says so much that little is lost without them: seven eighths or
    /// more.
    pub fn mostly_subsumed_by(&self, tokens: &[T], fidelity: KvFidelity) -> Vec<K> {
        let covered = |entry: &&Entry<K, T>| {
            entry.fidelity >= fidelity && common_prefix_len(&entry.tokens, tokens) * 8 >= entry.tokens.len() * 7
        };
        self.entries.iter().filter(covered).map(|entry| entry.key).collect()
    }

    /// The text that was used longest ago.
    pub fn least_recently_used(&self) -> Option<K> {
        self.entries.iter().min_by_key(|entry| entry.last_used).map(|entry| entry.key)
    }

    /// All keys and texts, the one used last first.
    pub fn most_recent_first(&self) -> Vec<(K, &[T])> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.last_used));
        entries.into_iter().map(|entry| (entry.key, entry.tokens.as_slice())).collect()
    }

    /// Tokens of all texts together.
    pub fn total_tokens(&self) -> usize {
        self.most_recent_first().iter().map(|(_, tokens)| tokens.len()).sum()
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

impl<K: Copy + PartialEq, T: Copy + Eq + Hash> PrefixIndex<K, T> {
    /// The text with the longest part, of `least` tokens or more, that `prompt` has too behind its first `read` tokens. Its last
    /// token does not count, since it has to be read.
    pub fn find_chunk(&self, prompt: &[T], n_past: usize, min_len: usize) -> Option<(K, SharedChunk)> {
        let chunks = self
            .entries
            .iter()
            .filter_map(|entry| Some((entry.key, longest_shared_chunk(&entry.tokens, prompt, n_past, min_len)?)));
        chunks.max_by_key(|(_, chunk)| chunk.length)
    }
}

/// Tokens by which parts of texts are found.
const SEED: usize = 16;

/// The longest part that `text` and `prompt` have in common in different places, behind the first `read` tokens of the prompt.
fn longest_shared_chunk<T: Copy + Eq + Hash>(
    tokens: &[T],
    prompt: &[T],
    n_past: usize,
    min_len: usize,
) -> Option<SharedChunk> {
    let prompt = &prompt[..prompt.len().saturating_sub(1)];
    // A part of two seeds or more has a whole one at a multiple of its length.
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

/// Tokens that two texts have in common at their beginnings.
pub fn common<T: PartialEq>(a: &[T], b: &[T]) -> usize {
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
    fn the_longest_common_beginning_is_found() {
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
    fn what_was_used_longest_ago_is_given_up_first() {
        let mut index = index(&["a", "b", "c"]);
        index.touch(0);
        assert_eq!(index.least_recently_used(), Some(1));
        index.remove(1);
        assert_eq!((index.least_recently_used(), index.len()), (Some(2), 2));
        assert_eq!(index.most_recent_first().iter().map(|(key, _)| *key).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn a_text_that_another_one_says_too_is_known() {
        let index = index(&["chat", "chat with more"]);
        let exact = KvFidelity::Exact;
        assert!(index.contains_prefix(b"chat with", exact) && !index.contains_prefix(b"chat without", exact));
        assert_eq!(index.subsumed_by(b"chat with more and more", exact), [0, 1]);
        assert_eq!(index.subsumed_by(b"chat w", exact), [0]);
    }

    #[test]
    fn what_was_moved_is_only_for_those_who_take_it() {
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
            "what is exact is not given up for it"
        );
        assert_eq!(index.subsumed_by(b"exactly so it is", KvFidelity::Exact), [0, 1]);
    }

    #[test]
    fn a_part_is_found_wherever_it_has_gone() {
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
        let read = longest_shared_chunk(text.as_bytes(), text.as_bytes(), 20, 32).map(|chunk| chunk.target);
        assert_eq!(read, Some(20), "what is read already does not count");
    }
}
