//! Which earlier text shares the longest beginning with a prompt, which has another part of it, and which to give up first. No
//! model, no llama.cpp.

use std::collections::HashMap;
use std::hash::Hash;

/// Texts whose reading is remembered, each under a key. Small: it is searched from end to end.
#[derive(Debug)]
pub struct Shelf<K, T> {
    books: Vec<Book<K, T>>,
    clock: u64,
}

#[derive(Debug)]
struct Book<K, T> {
    key: K,
    text: Vec<T>,
    likeness: Likeness,
    last_used: u64,
}

/// The best text for a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Find<K> {
    /// Its key.
    pub key: K,
    /// Tokens that it has in common with the prompt.
    pub common: usize,
    /// Whether it is used up by that: nothing of it is left over.
    pub whole: bool,
}

/// How a text was read, or may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// From its beginning to its end.
    Exact,
    /// A part of it in another place, after other words: nearly the same, for much less work.
    Moved,
}

/// A part that a text and a prompt have in common, in different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Its position in the text.
    pub source: usize,
    /// Its position in the prompt.
    pub target: usize,
    /// Its tokens.
    pub length: usize,
}

/// Whether a text can be used in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Its end can be left off.
    Anywhere,
    /// It must be used as a whole, as with models whose memory is not a list of tokens.
    Nowhere,
}

impl<K, T> Default for Shelf<K, T> {
    fn default() -> Self {
        Self { books: Vec::new(), clock: 0 }
    }
}

impl<K: Copy + PartialEq, T: PartialEq> Shelf<K, T> {
    /// Remembers a text, which was read so, as the one used last.
    pub fn put(&mut self, key: K, text: Vec<T>, likeness: Likeness) {
        self.clock += 1;
        self.books.push(Book { key, text, likeness, last_used: self.clock });
    }

    /// Forgets a text, and gives it back.
    pub fn take(&mut self, key: K) -> Option<Vec<T>> {
        let index = self.books.iter().position(|book| book.key == key)?;
        Some(self.books.swap_remove(index).text)
    }

    /// Counts a text as just used.
    pub fn touch(&mut self, key: K) {
        self.clock += 1;
        let now = self.clock;
        self.books.iter_mut().filter(|book| book.key == key).for_each(|book| book.last_used = now);
    }

    /// How a text was read.
    pub fn likeness(&self, key: K) -> Likeness {
        self.books.iter().find(|book| book.key == key).map_or(Likeness::Exact, |book| book.likeness)
    }

    /// A text.
    pub fn get(&self, key: K) -> Option<&[T]> {
        self.books.iter().find(|book| book.key == key).map(|book| book.text.as_slice())
    }

    /// The text with the longest beginning in common with `prompt`; of equals the one with the least left over. None that shares
    /// nothing, and none that was read less exactly than the prompt may be.
    pub fn find(&self, prompt: &[T], cut: Cut, likeness: Likeness) -> Option<Find<K>> {
        let finds = self.books.iter().filter(|book| book.likeness <= likeness).map(|book| {
            let common = common(&book.text, prompt);
            (Find { key: book.key, common, whole: common == book.text.len() }, book.text.len() - common)
        });
        let usable = finds.filter(|(find, _)| find.common > 0 && (cut == Cut::Anywhere || find.whole));
        usable.max_by_key(|(find, left_over)| (find.common, std::cmp::Reverse(*left_over))).map(|(find, _)| find)
    }

    /// Whether a text, read as exactly, says all that `text` says, and perhaps more.
    pub fn covers(&self, text: &[T], likeness: Likeness) -> bool {
        self.books.iter().any(|book| book.likeness <= likeness && book.text.starts_with(text))
    }

    /// The keys of the texts, read no more exactly, that `text` says all of.
    pub fn covered_by(&self, text: &[T], likeness: Likeness) -> Vec<K> {
        let covered = |book: &&Book<K, T>| book.likeness >= likeness && text.starts_with(&book.text);
        self.books.iter().filter(covered).map(|book| book.key).collect()
    }

    /// The keys of the texts, read no more exactly, of which `text` says so much that little is lost without them: seven eighths or
    /// more.
    pub fn mostly_covered_by(&self, text: &[T], likeness: Likeness) -> Vec<K> {
        let covered =
            |book: &&Book<K, T>| book.likeness >= likeness && common(&book.text, text) * 8 >= book.text.len() * 7;
        self.books.iter().filter(covered).map(|book| book.key).collect()
    }

    /// The text that was used longest ago.
    pub fn oldest(&self) -> Option<K> {
        self.books.iter().min_by_key(|book| book.last_used).map(|book| book.key)
    }

    /// All keys and texts, the one used last first.
    pub fn newest_first(&self) -> Vec<(K, &[T])> {
        let mut books: Vec<_> = self.books.iter().collect();
        books.sort_by_key(|book| std::cmp::Reverse(book.last_used));
        books.into_iter().map(|book| (book.key, book.text.as_slice())).collect()
    }

    /// Tokens of all texts together.
    pub fn tokens(&self) -> usize {
        self.newest_first().iter().map(|(_, text)| text.len()).sum()
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.books.len()
    }
}

impl<K: Copy + PartialEq, T: Copy + Eq + Hash> Shelf<K, T> {
    /// The text with the longest part, of `least` tokens or more, that `prompt` has too behind its first `read` tokens. Its last
    /// token does not count, since it has to be read.
    pub fn find_part(&self, prompt: &[T], read: usize, least: usize) -> Option<(K, Chunk)> {
        let parts = self.books.iter().filter_map(|book| Some((book.key, part(&book.text, prompt, read, least)?)));
        parts.max_by_key(|(_, chunk)| chunk.length)
    }
}

/// Tokens by which parts of texts are found.
const SEED: usize = 16;

/// The longest part that `text` and `prompt` have in common in different places, behind the first `read` tokens of the prompt.
fn part<T: Copy + Eq + Hash>(text: &[T], prompt: &[T], read: usize, least: usize) -> Option<Chunk> {
    let prompt = &prompt[..prompt.len().saturating_sub(1)];
    // A part of two seeds or more has a whole one at a multiple of its length.
    let seeds: HashMap<&[T], usize> = text.chunks_exact(SEED).zip((0..).step_by(SEED)).collect();
    let (mut best, mut target) = (None::<Chunk>, read);
    while target + SEED <= prompt.len() {
        let Some(source) = seeds.get(&prompt[target..target + SEED]) else {
            target += 1;
            continue;
        };
        let back =
            prompt[read..target].iter().rev().zip(text[..*source].iter().rev()).take_while(|(a, b)| a == b).count();
        let length = back + common(&text[*source..], &prompt[target..]);
        let chunk = Chunk { source: source - back, target: target - back, length };
        if length >= least && best.is_none_or(|best| best.length < length) {
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

    fn shelf(texts: &[&str]) -> Shelf<usize, u8> {
        let mut shelf = Shelf::default();
        for (key, text) in texts.iter().enumerate() {
            shelf.put(key, text.bytes().collect(), Likeness::Exact);
        }
        shelf
    }

    #[test]
    fn the_longest_common_beginning_is_found() {
        for (texts, prompt, cut, expected) in [
            (&["system one", "system two"][..], "system two?", Cut::Anywhere, Some((1, 10, true))),
            (&["system one", "system two"], "system three", Cut::Anywhere, Some((1, 8, false))),
            (&["system one and more", "system one"], "system one!", Cut::Anywhere, Some((1, 10, true))),
            (&["system one"], "other", Cut::Anywhere, None),
            (&[], "other", Cut::Anywhere, None),
            (&["system one and more"], "system one", Cut::Anywhere, Some((0, 10, false))),
            (&["system one and more"], "system one", Cut::Nowhere, None),
            (&["system one and more", "system"], "system one", Cut::Nowhere, Some((1, 6, true))),
        ] {
            let found = shelf(texts)
                .find(prompt.as_bytes(), cut, Likeness::Exact)
                .map(|find| (find.key, find.common, find.whole));
            assert_eq!(found, expected, "{prompt} among {texts:?}, cut {cut:?}");
        }
    }

    #[test]
    fn what_was_used_longest_ago_is_given_up_first() {
        let mut shelf = shelf(&["a", "b", "c"]);
        shelf.touch(0);
        assert_eq!(shelf.oldest(), Some(1));
        shelf.take(1);
        assert_eq!((shelf.oldest(), shelf.len()), (Some(2), 2));
        assert_eq!(shelf.newest_first().iter().map(|(key, _)| *key).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn a_text_that_another_one_says_too_is_known() {
        let shelf = shelf(&["chat", "chat with more"]);
        let exact = Likeness::Exact;
        assert!(shelf.covers(b"chat with", exact) && !shelf.covers(b"chat without", exact));
        assert_eq!(shelf.covered_by(b"chat with more and more", exact), [0, 1]);
        assert_eq!(shelf.covered_by(b"chat w", exact), [0]);
    }

    #[test]
    fn what_was_moved_is_only_for_those_who_take_it() {
        let mut shelf = shelf(&["exact"]);
        shelf.put(1, b"exactly so".to_vec(), Likeness::Moved);
        let found = |likeness| shelf.find(b"exactly so!", Cut::Anywhere, likeness).map(|find| (find.key, find.common));
        assert_eq!((found(Likeness::Exact), found(Likeness::Moved)), (Some((0, 5)), Some((1, 10))));
        assert!(!shelf.covers(b"exactly", Likeness::Exact) && shelf.covers(b"exactly", Likeness::Moved));
        assert_eq!(shelf.covered_by(b"exactly so it is", Likeness::Moved), [1], "what is exact is not given up for it");
        assert_eq!(shelf.covered_by(b"exactly so it is", Likeness::Exact), [0, 1]);
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
            let chunk = part(text.as_bytes(), prompt.as_bytes(), 0, 32);
            assert_eq!(chunk.map(|chunk| (chunk.source, chunk.target, chunk.length)), expected, "{what}");
        }
        let read = part(text.as_bytes(), text.as_bytes(), 20, 32).map(|chunk| chunk.target);
        assert_eq!(read, Some(20), "what is read already does not count");
    }
}
