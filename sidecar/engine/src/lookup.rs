//! Guessing what an answer says next from what prompt and answer have said before. No model: the model checks the guesses.

use std::collections::HashMap;
use std::hash::Hash;

/// The places of a text where two tokens stand together, and how well guessing has gone so far.
#[derive(Debug)]
pub struct Lookup<T> {
    /// For each pair, the positions just after it, oldest first.
    after: HashMap<(T, T), Vec<u32>>,
    /// Tokens that are indexed.
    indexed: usize,
    /// Where the last guess came from: the position that it was expected to go on at.
    source: Option<usize>,
    /// Length of the next guess.
    length: usize,
    /// Share of the guessed tokens that were right, the newest weighing most.
    hits: f64,
    /// Steps to go without a guess, because guessing has not paid.
    pause: u32,
    /// How long the next pause will be.
    next_pause: u32,
}

/// Positions of a pair that are looked at, the newest first.
const MOST_PLACES: usize = 24;

/// Tokens that are compared backwards to tell the better of two places.
const LONGEST_MATCH: usize = 12;

/// Bounds of a guess, in tokens.
const LENGTHS: (usize, usize) = (3, 24);

/// Bounds of a pause, in steps.
const PAUSES: (u32, u32) = (4, 64);

impl<T> Default for Lookup<T> {
    fn default() -> Self {
        Self { after: HashMap::new(), indexed: 0, source: None, length: 8, hits: 0.5, pause: 0, next_pause: PAUSES.0 }
    }
}

impl<T: Copy + Eq + Hash> Lookup<T> {
    /// What may follow `text`, which has only grown since the last call. Empty where nothing like its end occurred before, or
    /// where guessing does not pay.
    pub fn guess<'t>(&mut self, text: &'t [T], most: usize) -> &'t [T] {
        self.index(text);
        if self.pause > 0 {
            self.pause -= 1;
            return &[];
        }
        let Some(start) = self.place(text) else {
            self.source = None;
            return &[];
        };
        self.source = Some(start);
        &text[start..text.len().min(start + self.length.min(most))]
    }

    /// Learns how a guess went: of `guessed` tokens the first `right` were what the model said. `price` is what a guessed token
    /// costs, as a share of a step.
    pub fn learn(&mut self, guessed: usize, right: usize, price: f64) {
        if guessed == 0 {
            return;
        }
        let share = right as f64 / guessed as f64;
        self.hits += 0.3 * (share - self.hits);
        let (shortest, longest) = LENGTHS;
        self.length = if right == guessed {
            (self.length * 2).min(longest)
        } else {
            (right + 2).clamp(shortest, self.length.max(shortest))
        };
        // One more token of the same source was refused; what follows it may be right again.
        self.source = self.source.map(|start| start + right + 1);
        if self.hits < price {
            self.pause = self.next_pause;
            self.next_pause = (self.next_pause * 2).min(PAUSES.1);
            // The next try gets a fair chance.
            self.hits = price;
        } else if share > price {
            self.next_pause = PAUSES.0;
        }
    }

    /// Takes in what is new. The end of the text is left out: nothing follows it yet.
    fn index(&mut self, text: &[T]) {
        for position in self.indexed.max(2)..text.len() {
            let places = self.after.entry((text[position - 2], text[position - 1])).or_default();
            places.push(u32::try_from(position).unwrap_or(u32::MAX));
        }
        self.indexed = self.indexed.max(text.len());
    }

    /// The place to go on from: where the longest run of the last tokens stands, and of several the one nearest to where the last
    /// guess came from, or else the newest.
    fn place(&self, text: &[T]) -> Option<usize> {
        let [.., before, last] = text else { return None };
        let places = self.after.get(&(*before, *last))?;
        let newest = places.iter().rev().map(|place| *place as usize).take(MOST_PLACES);
        let nearness = |place: usize| self.source.map_or(place, |source| usize::MAX - source.abs_diff(place));
        newest.max_by_key(|place| (common_end(&text[..*place], text), nearness(*place)))
    }
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
        Lookup::default().guess(&letters, most).iter().collect()
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
            assert_eq!(guess(text, 6), expected, "{text}");
        }
    }

    #[test]
    fn after_a_change_the_guess_goes_on_in_the_same_place() {
        let source = "one(a) two(a) six(a) ";
        let mut lookup = Lookup::default();
        let mut text: Vec<char> = format!("{source}| one(b) two(a").chars().collect();
        let first: String = lookup.guess(&text, 3).iter().collect();
        assert_eq!(first, ") s", "the place whose words before match longest");
        lookup.learn(3, 3, 0.2);
        text.extend(") six(b) ".chars());
        assert!(lookup.guess(&text, 3).len() <= 3);
    }

    #[test]
    fn guessing_that_does_not_pay_pauses_and_comes_back() {
        let text: Vec<char> = "abcdef..abcdef..ab".chars().collect();
        let mut lookup = Lookup::default();
        let mut tries = 0;
        for _ in 0..400 {
            let guessed = lookup.guess(&text, 8).len();
            tries += usize::from(guessed > 0);
            lookup.learn(guessed, 0, 0.25);
        }
        assert!((5..40).contains(&tries), "{tries} of 400 steps");
        for _ in 0..200 {
            let guessed = lookup.guess(&text, 8).len();
            lookup.learn(guessed, guessed, 0.25);
        }
        assert!(!lookup.guess(&text, 8).is_empty(), "what pays again is done again");
    }
}
