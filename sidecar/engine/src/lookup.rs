//! Guessing what an answer says next from what prompt and answer have said before. No model: the model checks the guesses.
//!
//! A guess is taken from the place where the last tokens have stood before. While it goes on to be right, the next one goes on
//! from there. Where the answer parts from its source, as an edit does, it is looked where both come together again, and what
//! was said instead is expected again in the same place of other lines.

mod odds;
mod swaps;

use std::collections::HashMap;
use std::hash::Hash;

use self::odds::Odds;
use self::swaps::Swaps;

/// The places of a text where two tokens stand together, and how well guessing has gone so far.
#[derive(Debug)]
pub struct Lookup<T> {
    /// For each pair, the positions just after it, oldest first.
    after: HashMap<(T, T), Vec<u32>>,
    /// Tokens that are indexed.
    indexed: usize,
    last: Option<Last<T>>,
    /// Where the answer parted from its source, as long as they have not come together again.
    parted: Option<Parted>,
    swaps: Swaps<T>,
    odds: Odds,
}

/// What may come next.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess<T> {
    /// The tokens.
    pub tokens: Vec<T>,
    /// For each, the chance that it and all before it are right, 0 to 1.
    pub chances: Vec<f64>,
}

impl<T> Default for Guess<T> {
    fn default() -> Self {
        Self { tokens: Vec::new(), chances: Vec::new() }
    }
}

/// The last guess, to be compared with what was said.
#[derive(Debug)]
struct Last<T> {
    /// Tokens of the text when it was made.
    at: usize,
    tokens: Vec<T>,
    /// The position in the source that each token was taken from, and the one behind the last. What stands for several tokens
    /// was taken from the first of them.
    sources: Vec<usize>,
    agreement: usize,
}

/// Where two places of a text went different ways.
#[derive(Debug, Clone, Copy)]
struct Parted {
    source: usize,
    text: usize,
}

/// A place to take a guess from, and how many tokens before it agree with the end of the text.
#[derive(Debug, Clone, Copy)]
struct Place {
    source: usize,
    agreement: usize,
}

/// Positions of a pair that are looked at, the newest first.
const MOST_PLACES: usize = 24;

/// Tokens that are compared backwards to tell the better of two places.
const LONGEST_MATCH: usize = 12;

/// A place that agrees in so many tokens is believed, wherever it is.
const CLEAR_MATCH: usize = 4;

/// Tokens that an edit changes, puts in or leaves out at a time, at most.
const WIDEST: usize = 8;

/// Guesses that are less likely than this are not worth making.
const LEAST_CHANCE: f64 = 0.1;

impl<T> Default for Lookup<T> {
    fn default() -> Self {
        Self {
            after: HashMap::new(),
            indexed: 0,
            last: None,
            parted: None,
            swaps: Swaps::default(),
            odds: Odds::default(),
        }
    }
}

impl<T: Copy + Eq + Hash> Lookup<T> {
    /// What may follow `text`, which has only grown since the last call: `most` tokens at most, none where nothing like its end
    /// occurred before.
    pub fn guess(&mut self, text: &[T], most: usize) -> Guess<T> {
        self.index(text);
        let place = match self.last.take() {
            Some(last) => self.follow(text, &last),
            None => self.find(text),
        };
        let Some(Place { source, agreement }) = place else { return Guess::default() };
        let (tokens, sources) = self.read(text, source, most);
        let mut chance = 1.0;
        let chances: Vec<f64> = (0..tokens.len())
            .map(|index| {
                chance *= self.odds.chance(agreement + index);
                chance
            })
            .take_while(|chance| *chance >= LEAST_CHANCE)
            .collect();
        let guess = Guess { tokens: tokens[..chances.len()].to_vec(), chances };
        self.last = Some(Last { at: text.len(), tokens, sources, agreement });
        guess
    }

    /// Takes in what is new. The end of the text is left out: nothing follows it yet.
    fn index(&mut self, text: &[T]) {
        for position in self.indexed.max(2)..text.len() {
            let places = self.after.entry((text[position - 2], text[position - 1])).or_default();
            places.push(u32::try_from(position).unwrap_or(u32::MAX));
        }
        self.indexed = self.indexed.max(text.len());
    }

    /// What the source says from a position on, with what is said instead of parts of it; and where each token is from.
    fn read(&self, text: &[T], mut source: usize, most: usize) -> (Vec<T>, Vec<usize>) {
        let (mut tokens, mut sources) = (Vec::new(), vec![source]);
        while tokens.len() < most && source < text.len() {
            let (said, count) = self.swaps.at(&text[source..]).unwrap_or((&text[source..=source], 1));
            tokens.extend_from_slice(said);
            sources.extend(std::iter::repeat_n(source, said.len() - 1));
            source += count;
            sources.push(source);
        }
        tokens.truncate(most);
        sources.truncate(tokens.len() + 1);
        (tokens, sources)
    }

    /// The place to go on from after a guess, which teaches something whether it was checked or not.
    fn follow(&mut self, text: &[T], last: &Last<T>) -> Option<Place> {
        let said = &text[last.at..];
        let right = said.iter().zip(&last.tokens).take_while(|(said, guessed)| said == guessed).count();
        let checked = said.len().min(last.tokens.len());
        for index in 0..checked.min(right + 1) {
            self.odds.learn(last.agreement + index, index < right);
        }
        self.judge_swaps(text, last, right, checked);
        if right > 0 {
            self.come_together(text, last);
        }
        let parted = Parted { source: last.sources[right], text: last.at + right };
        if right == said.len() {
            let agreement = common_end(&text[..parted.source.min(text.len())], text).max(right);
            return (parted.source < text.len()).then_some(Place { source: parted.source, agreement });
        }
        if right == last.tokens.len() {
            return self.find(text);
        }
        let parted = *self.parted.get_or_insert(parted);
        let clear = self.find(text).filter(|place| place.agreement >= CLEAR_MATCH);
        clear.or_else(|| realigned(text, parted)).or_else(|| self.find(text))
    }

    /// Learns which swaps of a guess were right.
    fn judge_swaps(&mut self, text: &[T], last: &Last<T>, right: usize, checked: usize) {
        let mut index = 0;
        while index < checked {
            let source = last.sources[index];
            let Some((said, _)) = self.swaps.at(&text[source..]) else {
                index += 1;
                continue;
            };
            let end = index + said.len();
            if end <= right || index <= right && right < checked {
                self.swaps.judge(&text[source..], end <= right);
            }
            index = end;
        }
    }

    /// Learns what was said instead of what, when a guess from beyond the difference was right.
    fn come_together(&mut self, text: &[T], last: &Last<T>) {
        let Some(parted) = self.parted.take() else { return };
        let (mut source, mut said) = (last.sources[0], last.at);
        if !(parted.source..=parted.source + WIDEST).contains(&source) || said > parted.text + WIDEST {
            return;
        }
        while source > parted.source && said > parted.text && text[source - 1] == text[said - 1] {
            (source, said) = (source - 1, said - 1);
        }
        self.swaps.learn(&text[parted.source..source], &text[parted.text..said], text[source]);
    }

    /// The place to go on from where nothing is known: where the longest run of the last tokens stands, and of several the
    /// newest.
    fn find(&self, text: &[T]) -> Option<Place> {
        let [.., before, last] = text else { return None };
        let places = self.after.get(&(*before, *last))?;
        let newest = places.iter().rev().map(|place| *place as usize).filter(|place| *place < text.len());
        let places = newest.take(MOST_PLACES);
        places
            .map(|source| Place { source, agreement: common_end(&text[..source], text) })
            .max_by_key(|place| (place.agreement, place.source))
    }
}

/// Where a text comes together again with a source that it parted from: where the source says the same a little further on, or
/// else where it would be if as much was said instead.
fn realigned<T: Eq>(text: &[T], parted: Parted) -> Option<Place> {
    let instead = text.len() - parted.text;
    if instead > WIDEST {
        return None;
    }
    let last = text.last()?;
    let further = parted.source..(parted.source + WIDEST).min(parted.text);
    let again = further.into_iter().find(|source| text[*source] == *last);
    let source = again.map_or(parted.source + instead, |source| source + 1);
    (source < text.len()).then_some(Place { source, agreement: usize::from(again.is_some()) })
}

/// Tokens that two texts have in common at their ends, as far as it matters.
fn common_end<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take(LONGEST_MATCH).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(text: &str, most: usize) -> String {
        let letters: Vec<char> = text.chars().collect();
        Lookup::default().guess(&letters, most).tokens.iter().collect()
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
            assert!(expected.starts_with(&guess(text, 6)), "{text}: {}", guess(text, 6));
            assert_eq!(guess(text, 6).is_empty(), expected.is_empty(), "{text}");
        }
    }

    /// Says `answer` after `prompt`, with up to `most` tokens guessed at a time. Gives back how many steps that takes, and how many
    /// guesses were wrong.
    fn steps(prompt: &[&str], answer: &[&str], most: usize) -> (usize, usize) {
        let mut lookup = Lookup::default();
        let mut text: Vec<&str> = prompt.to_vec();
        let (mut steps, mut wrong) = (0, 0);
        while text.len() < prompt.len() + answer.len() {
            let guess = lookup.guess(&text, most);
            let rest = &answer[text.len() - prompt.len()..];
            let right = guess.tokens.iter().zip(rest).take_while(|(guessed, said)| guessed == said).count();
            wrong += guess.tokens.len() - right;
            text.extend(&rest[..rest.len().min(right + 1)]);
            steps += 1;
        }
        (steps, wrong)
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
        let (steps, wrong) = steps(&code, &code, 24);
        assert!(steps <= 10 && wrong < 40, "{steps} steps, {wrong} wrong");
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
        let mut lookup = Lookup::default();
        let first = lookup.guess(&text, 8).chances;
        assert!(first.windows(2).all(|pair| pair[0] >= pair[1]), "{first:?}");
        let grown: Vec<char> = "abcdefghijklm..abcdefghi".chars().collect();
        assert!(lookup.guess(&grown, 4).chances[0] > first[0]);
    }

    #[test]
    fn guesses_that_are_never_right_become_unlikely() {
        let mut lookup = Lookup::default();
        let mut text: Vec<u32> = vec![1, 2];
        let mut chance = 1.0;
        for number in 0..200 {
            // The same pair each time, and something new after it.
            text.extend([100 + number, 1, 2]);
            chance = lookup.guess(&text, 4).chances.first().copied().unwrap_or(0.0);
        }
        assert!(chance < 0.2, "{chance}");
    }
}
