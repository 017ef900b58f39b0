//! Prompt-lookup drafting for speculative decoding: drafts are copied from earlier tokens of prompt and answer. Pure: drafts are
//! verified in `llama::sequence`.
//!
//! A draft continues the match of the last tokens at an earlier position, the source. As long as drafts are accepted, the next
//! one continues at the same source. Where the answer diverges from its source, as an edit does, the source position is realigned
//! behind the difference, and the replacement is learned: it is drafted again wherever the source has the replaced tokens.

mod acceptance;
mod substitutions;

use std::collections::HashMap;
use std::hash::Hash;

use self::acceptance::AcceptanceRate;
use self::substitutions::Substitutions;

/// The drafter of one sequence: an index of its token bigrams, and what was learned from earlier drafts.
#[derive(Debug)]
pub(crate) struct PromptLookup<T> {
    /// For each bigram, the positions just after it, oldest first.
    positions: HashMap<(T, T), Vec<u32>>,
    /// Number of indexed tokens.
    indexed: usize,
    last: Option<LastDraft<T>>,
    /// Where the answer diverged from its source, until they are realigned.
    divergence: Option<Divergence>,
    substitutions: Substitutions<T>,
    acceptance: AcceptanceRate,
}

/// A draft: the tokens that may come next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft<T> {
    /// The draft tokens.
    pub tokens: Vec<T>,
    /// For each of them, the probability that it and all before it are accepted, 0 to 1.
    pub acceptance: Vec<f64>,
}

impl<T> Default for Draft<T> {
    fn default() -> Self {
        Self { tokens: Vec::new(), acceptance: Vec::new() }
    }
}

/// The last draft, to be compared with the generated tokens.
#[derive(Debug)]
struct LastDraft<T> {
    /// Length of the sequence when it was proposed.
    at: usize,
    tokens: Vec<T>,
    /// The source position of each token, and the position after the last one. The tokens of a substitution have the position of
    /// the first token that they replace.
    sources: Vec<usize>,
    match_len: usize,
}

/// Positions at which the generated tokens (target) diverged from the source.
#[derive(Debug, Clone, Copy)]
struct Divergence {
    source: usize,
    target: usize,
}

/// A source position to draft from, and the number of tokens before it that match the end of the sequence.
#[derive(Debug, Clone, Copy)]
struct Match {
    source: usize,
    match_len: usize,
}

/// Positions of a bigram that are compared, the newest first.
const MAX_CANDIDATES: usize = 24;

/// Tokens before a position that are compared with the end of the sequence.
const MAX_MATCH_LEN: usize = 12;

/// A match of this length is preferred to a realigned source.
const STRONG_MATCH: usize = 4;

/// Maximum tokens that one edit replaces, inserts or deletes.
const MAX_EDIT_WIDTH: usize = 8;

/// Minimum acceptance probability of a draft token.
const MIN_ACCEPTANCE: f64 = 0.1;

impl<T> Default for PromptLookup<T> {
    fn default() -> Self {
        Self {
            positions: HashMap::new(),
            indexed: 0,
            last: None,
            divergence: None,
            substitutions: Substitutions::default(),
            acceptance: AcceptanceRate::default(),
        }
    }
}

impl<T: Copy + Eq + Hash> PromptLookup<T> {
    /// Drafts up to `max` tokens to follow `tokens`, which may only have grown since the last call. The draft is empty if the last
    /// tokens have no earlier match.
    pub(crate) fn propose(&mut self, tokens: &[T], max: usize) -> Draft<T> {
        self.index(tokens);
        let found = match self.last.take() {
            Some(last) => self.resume_after(tokens, &last),
            None => self.find(tokens),
        };
        let Some(Match { source, match_len }) = found else { return Draft::default() };
        let (draft, sources) = self.copy_from(tokens, source, max);
        let mut probability = 1.0;
        let acceptance: Vec<f64> = (0..draft.len())
            .map(|index| {
                probability *= self.acceptance.probability(match_len + index);
                probability
            })
            .take_while(|probability| *probability >= MIN_ACCEPTANCE)
            .collect();
        let proposed = Draft { tokens: draft[..acceptance.len()].to_vec(), acceptance };
        self.last = Some(LastDraft { at: tokens.len(), tokens: draft, sources, match_len });
        proposed
    }

    /// Indexes the new tokens. The last bigram is left out, since nothing follows it yet.
    fn index(&mut self, tokens: &[T]) {
        for position in self.indexed.max(2)..tokens.len() {
            let positions = self.positions.entry((tokens[position - 2], tokens[position - 1])).or_default();
            positions.push(u32::try_from(position).unwrap_or(u32::MAX));
        }
        self.indexed = self.indexed.max(tokens.len());
    }

    /// Copies up to `max` tokens from the source position on, with the learned substitutions applied. Also returns the source
    /// position of each.
    fn copy_from(&self, tokens: &[T], mut source: usize, max: usize) -> (Vec<T>, Vec<usize>) {
        let (mut draft, mut sources) = (Vec::new(), vec![source]);
        while draft.len() < max && source < tokens.len() {
            let (replacement, count) =
                self.substitutions.at(&tokens[source..]).unwrap_or((&tokens[source..=source], 1));
            draft.extend_from_slice(replacement);
            sources.extend(std::iter::repeat_n(source, replacement.len() - 1));
            source += count;
            sources.push(source);
        }
        draft.truncate(max);
        sources.truncate(draft.len() + 1);
        (draft, sources)
    }

    /// The source position to draft from after the last draft. Acceptance rate and substitutions are updated from the generated
    /// tokens, whether the model verified the draft or not.
    fn resume_after(&mut self, tokens: &[T], last: &LastDraft<T>) -> Option<Match> {
        let generated = &tokens[last.at..];
        let accepted = generated.iter().zip(&last.tokens).take_while(|(token, drafted)| token == drafted).count();
        let compared = generated.len().min(last.tokens.len());
        for index in 0..compared.min(accepted + 1) {
            self.acceptance.record(last.match_len + index, index < accepted);
        }
        self.judge_substitutions(tokens, last, accepted, compared);
        if accepted > 0 {
            self.learn_substitution(tokens, last);
        }
        let divergence = Divergence { source: last.sources[accepted], target: last.at + accepted };
        if accepted == generated.len() {
            let match_len = common_suffix_len(&tokens[..divergence.source.min(tokens.len())], tokens).max(accepted);
            return (divergence.source < tokens.len()).then_some(Match { source: divergence.source, match_len });
        }
        if accepted == last.tokens.len() {
            return self.find(tokens);
        }
        let divergence = *self.divergence.get_or_insert(divergence);
        let strong = self.find(tokens).filter(|found| found.match_len >= STRONG_MATCH);
        strong.or_else(|| realign(tokens, divergence)).or_else(|| self.find(tokens))
    }

    /// Records which substitutions of the last draft were accepted.
    fn judge_substitutions(&mut self, tokens: &[T], last: &LastDraft<T>, accepted: usize, compared: usize) {
        let mut index = 0;
        while index < compared {
            let source = last.sources[index];
            let Some((replacement, _)) = self.substitutions.at(&tokens[source..]) else {
                index += 1;
                continue;
            };
            let end = index + replacement.len();
            if end <= accepted || index <= accepted && accepted < compared {
                self.substitutions.record_outcome(&tokens[source..], end <= accepted);
            }
            index = end;
        }
    }

    /// Learns what the generated tokens replaced, once a draft from behind the divergence was accepted.
    fn learn_substitution(&mut self, tokens: &[T], last: &LastDraft<T>) {
        let Some(divergence) = self.divergence.take() else { return };
        let (mut source, mut target) = (last.sources[0], last.at);
        if !(divergence.source..=divergence.source + MAX_EDIT_WIDTH).contains(&source)
            || target > divergence.target + MAX_EDIT_WIDTH
        {
            return;
        }
        while source > divergence.source && target > divergence.target && tokens[source - 1] == tokens[target - 1] {
            (source, target) = (source - 1, target - 1);
        }
        self.substitutions.learn(
            &tokens[divergence.source..source],
            &tokens[divergence.target..target],
            tokens[source],
        );
    }

    /// The position with the longest match of the last tokens; among equals, the newest.
    fn find(&self, tokens: &[T]) -> Option<Match> {
        let [.., before, last] = tokens else { return None };
        let positions = self.positions.get(&(*before, *last))?;
        let newest =
            positions.iter().rev().map(|position| *position as usize).filter(|position| *position < tokens.len());
        let candidates = newest.take(MAX_CANDIDATES);
        candidates
            .map(|source| Match { source, match_len: common_suffix_len(&tokens[..source], tokens) })
            .max_by_key(|found| (found.match_len, found.source))
    }
}

/// Realigns a source after a divergence: at the next occurrence of the last token in the source, or else as if as many tokens were
/// replaced as were generated.
fn realign<T: Eq>(tokens: &[T], divergence: Divergence) -> Option<Match> {
    let replaced = tokens.len() - divergence.target;
    if replaced > MAX_EDIT_WIDTH {
        return None;
    }
    let last = tokens.last()?;
    let ahead = divergence.source..(divergence.source + MAX_EDIT_WIDTH).min(divergence.target);
    let resumed = ahead.into_iter().find(|source| tokens[*source] == *last);
    let source = resumed.map_or(divergence.source + replaced, |source| source + 1);
    (source < tokens.len()).then_some(Match { source, match_len: usize::from(resumed.is_some()) })
}

/// Length of the common suffix of two sequences, up to [`MAX_MATCH_LEN`].
fn common_suffix_len<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take(MAX_MATCH_LEN).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(text: &str, max: usize) -> String {
        let letters: Vec<char> = text.chars().collect();
        PromptLookup::default().propose(&letters, max).tokens.iter().collect()
    }

    #[test]
    fn the_tokens_after_an_earlier_match_are_drafted() {
        for (text, expected) in [
            ("abcdef..ab", "cdef.."),
            ("abcdef..xb", ""),
            ("a", ""),
            ("", ""),
            // The newest of equal matches, and a longer match before a newer one.
            ("ab1...ab2...ab", "2...ab"),
            ("xxab1...yab2...xxab", "1...ya"),
        ] {
            assert!(expected.starts_with(&proposed(text, 6)), "{text}: {}", proposed(text, 6));
            assert_eq!(proposed(text, 6).is_empty(), expected.is_empty(), "{text}");
        }
    }

    /// Simulates decoding of `answer` after `prompt`, with drafts of up to `max` tokens. Returns the number of decode steps and of
    /// rejected draft tokens.
    fn steps(prompt: &[&str], answer: &[&str], max: usize) -> (usize, usize) {
        let mut lookup = PromptLookup::default();
        let mut text: Vec<&str> = prompt.to_vec();
        let (mut steps, mut rejected) = (0, 0);
        while text.len() < prompt.len() + answer.len() {
            let draft = lookup.propose(&text, max);
            let rest = &answer[text.len() - prompt.len()..];
            let accepted = draft.tokens.iter().zip(rest).take_while(|(drafted, token)| drafted == token).count();
            rejected += draft.tokens.len() - accepted;
            text.extend(&rest[..rest.len().min(accepted + 1)]);
            steps += 1;
        }
        (steps, rejected)
    }

    const CODE: &str = "def add ( self , item , limit = None ) : \n if limit is None : \n limit = self . limit \n while len ( self . \
                        items ) > limit : \n self . items . pop ( ) \n return limit \n def find ( self , key , limit = 10 ) : \n \
                        if len ( found ) == limit : \n return found [ : limit ] \n end";

    fn words(text: &str) -> Vec<&str> {
        text.split(' ').filter(|word| !word.is_empty()).collect()
    }

    #[test]
    fn copying_the_prompt_takes_few_decode_steps() {
        let code = words(CODE);
        let (steps, rejected) = steps(&code, &code, 24);
        assert!(steps <= 10 && rejected < 40, "{steps} steps, {rejected} rejected");
    }

    #[test]
    fn a_renamed_identifier_is_substituted_in_later_drafts() {
        let renamed = CODE.replace("limit", "most");
        let (steps, _) = steps(&words(CODE), &words(&renamed), 24);
        // Ten names: without the learned substitution, each would cost a step or more.
        assert!(steps <= 14, "{steps} steps for {} tokens", words(&renamed).len());
    }

    #[test]
    fn a_draft_source_is_realigned_after_an_edit() {
        for (what, edited) in [
            ("a deletion", CODE.replace(" self ,", "")),
            ("an insertion", CODE.replace(") : \n", ") -> None : \n")),
            ("one word replaced by two", CODE.replace("limit", "the most")),
        ] {
            let (steps, _) = steps(&words(CODE), &words(&edited), 24);
            assert!(steps <= 26, "{what}: {steps} steps for {} tokens", words(&edited).len());
        }
    }

    #[test]
    fn acceptance_falls_with_each_draft_token_and_rises_with_accepted_ones() {
        let text: Vec<char> = "abcdefghijklm..abc".chars().collect();
        let mut lookup = PromptLookup::default();
        let first = lookup.propose(&text, 8).acceptance;
        assert!(first.windows(2).all(|pair| pair[0] >= pair[1]), "{first:?}");
        let grown: Vec<char> = "abcdefghijklm..abcdefghi".chars().collect();
        assert!(lookup.propose(&grown, 4).acceptance[0] > first[0]);
    }

    #[test]
    fn drafts_that_are_always_rejected_get_a_low_acceptance() {
        let mut lookup = PromptLookup::default();
        let mut text: Vec<u32> = vec![1, 2];
        let mut acceptance = 1.0;
        for number in 0..200 {
            // The same bigram each time, followed by a new token.
            text.extend([100 + number, 1, 2]);
            acceptance = lookup.propose(&text, 4).acceptance.first().copied().unwrap_or(0.0);
        }
        assert!(acceptance < 0.2, "{acceptance}");
    }
}
