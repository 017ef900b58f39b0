//! Guessing what an answer says next from what prompt and answer have said before. No model: the model checks the guesses.
//!
//! A guess is taken from the place where the last tokens have stood before. While it goes on to be right, the next one goes on
//! from there. Where the answer parts from its source, as an edit does, it is looked where both come together again, and what
//! was said instead is expected again in the same place of other lines.

mod acceptance;
mod substitutions;

use std::collections::HashMap;
use std::hash::Hash;

use self::acceptance::AcceptanceRate;
use self::substitutions::Substitutions;

/// The places of a text where two tokens stand together, and how well guessing has gone so far.
#[derive(Debug)]
pub struct PromptLookup<T> {
    /// For each pair, the positions just after it, oldest first.
    positions: HashMap<(T, T), Vec<u32>>,
    /// Tokens that are indexed.
    indexed: usize,
    last: Option<LastDraft<T>>,
    /// Where the answer divergence from its source, as long as they have not come together again.
    divergence: Option<Divergence>,
    substitutions: Substitutions<T>,
    acceptance: AcceptanceRate,
}

/// What may come next.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft<T> {
    /// The tokens.
    pub tokens: Vec<T>,
    /// For each, the chance that it and all before it are right, 0 to 1.
    pub acceptance: Vec<f64>,
}

impl<T> Default for Draft<T> {
    fn default() -> Self {
        Self { tokens: Vec::new(), acceptance: Vec::new() }
    }
}

/// The last guess, to be compared with what was said.
#[derive(Debug)]
struct LastDraft<T> {
    /// Tokens of the text when it was made.
    at: usize,
    tokens: Vec<T>,
    /// The position in the source that each token was taken from, and the one behind the last. What stands for several tokens
    /// was taken from the first of them.
    sources: Vec<usize>,
    match_len: usize,
}

/// Where two places of a text went different ways.
#[derive(Debug, Clone, Copy)]
struct Divergence {
    source: usize,
    target: usize,
}

/// A place to take a guess from, and how many tokens before it agree with the end of the text.
#[derive(Debug, Clone, Copy)]
struct Match {
    source: usize,
    match_len: usize,
}

/// Positions of a pair that are looked at, the newest first.
const MAX_CANDIDATES: usize = 24;

/// Tokens that are compared backwards to tell the better of two places.
const MAX_MATCH_LEN: usize = 12;

/// A place that agrees in so many tokens is believed, wherever it is.
const STRONG_MATCH: usize = 4;

/// Tokens that an edit changes, puts in or leaves out at a time, at most.
const MAX_EDIT_WIDTH: usize = 8;

/// Guesses that are less likely than this are not worth making.
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
    /// What may follow `text`, which has only grown since the last call: `most` tokens at most, none where nothing like its end
    /// occurred before.
    pub fn propose(&mut self, tokens: &[T], max: usize) -> Draft<T> {
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

    /// Takes in what is new. The end of the text is left out: nothing follows it yet.
    fn index(&mut self, tokens: &[T]) {
        for position in self.indexed.max(2)..tokens.len() {
            let positions = self.positions.entry((tokens[position - 2], tokens[position - 1])).or_default();
            positions.push(u32::try_from(position).unwrap_or(u32::MAX));
        }
        self.indexed = self.indexed.max(tokens.len());
    }

    /// What the source says from a position on, with what is said instead of parts of it; and where each token is from.
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

    /// The place to go on from after a guess, which teaches something whether it was checked or not.
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

    /// Learns which swaps of a guess were right.
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

    /// Learns what was said instead of what, when a guess from beyond the difference was right.
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

    /// The place to go on from where nothing is known: where the longest run of the last tokens stands, and of several the
    /// newest.
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

/// Where a text comes together again with a source that it divergence from: where the source says the same a little further on, or
/// else where it would be if as much was said instead.
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

/// Tokens that two texts have in common at their ends, as far as it matters.
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
    fn what_followed_the_same_words_before_is_guessed() {
        for (text, expected) in [
            ("abcdef..ab", "cdef.."),
            ("abcdef..xb", ""),
            ("a", ""),
            ("", ""),
            // The newest of equals, and the longer match before the newer.
            ("ab1...ab2...ab", "2...ab"),
            ("xxab1...yab2...xxab", "1...ya"),
        ] {
            assert!(expected.starts_with(&proposed(text, 6)), "{text}: {}", proposed(text, 6));
            assert_eq!(proposed(text, 6).is_empty(), expected.is_empty(), "{text}");
        }
    }

    /// Says `answer` after `prompt`, with up to `most` tokens guessed at a time. Gives back how many steps that takes, and how many
    /// guesses were wrong.
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
    fn a_copy_takes_few_steps() {
        let code = words(CODE);
        let (steps, rejected) = steps(&code, &code, 24);
        assert!(steps <= 10 && rejected < 40, "{steps} steps, {rejected} rejected");
    }

    #[test]
    fn a_name_that_was_changed_is_expected_to_change_again() {
        let renamed = CODE.replace("limit", "most");
        let (steps, _) = steps(&words(CODE), &words(&renamed), 24);
        // Ten names: without the lesson of the first, each would cost a step or more.
        assert!(steps <= 14, "{steps} steps for {} tokens", words(&renamed).len());
    }

    #[test]
    fn an_answer_comes_together_again_with_its_source() {
        for (what, edited) in [
            ("something is left out", CODE.replace(" self ,", "")),
            ("something is put in", CODE.replace(") : \n", ") -> None : \n")),
            ("one word becomes two", CODE.replace("limit", "the most")),
        ] {
            let (steps, _) = steps(&words(CODE), &words(&edited), 24);
            assert!(steps <= 26, "{what}: {steps} steps for {} tokens", words(&edited).len());
        }
    }

    #[test]
    fn chances_fall_with_each_token_and_rise_with_what_goes_well() {
        let text: Vec<char> = "abcdefghijklm..abc".chars().collect();
        let mut lookup = PromptLookup::default();
        let first = lookup.propose(&text, 8).acceptance;
        assert!(first.windows(2).all(|pair| pair[0] >= pair[1]), "{first:?}");
        let grown: Vec<char> = "abcdefghijklm..abcdefghi".chars().collect();
        assert!(lookup.propose(&grown, 4).acceptance[0] > first[0]);
    }

    #[test]
    fn guesses_that_are_never_right_become_unlikely() {
        let mut lookup = PromptLookup::default();
        let mut text: Vec<u32> = vec![1, 2];
        let mut acceptance = 1.0;
        for number in 0..200 {
            // The same pair each time, and something new after it.
            text.extend([100 + number, 1, 2]);
            acceptance = lookup.propose(&text, 4).acceptance.first().copied().unwrap_or(0.0);
        }
        assert!(acceptance < 0.2, "{acceptance}");
    }
}
