//! Which earlier text shares the longest beginning with a prompt, and which to give up first. No model, no llama.cpp.

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
    /// Remembers a text as the one used last.
    pub fn put(&mut self, key: K, text: Vec<T>) {
        self.clock += 1;
        self.books.push(Book { key, text, last_used: self.clock });
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

    /// A text.
    pub fn get(&self, key: K) -> Option<&[T]> {
        self.books.iter().find(|book| book.key == key).map(|book| book.text.as_slice())
    }

    /// The text with the longest beginning in common with `prompt`; of equals the one with the least left over. None that shares
    /// nothing.
    pub fn find(&self, prompt: &[T], cut: Cut) -> Option<Find<K>> {
        let finds = self.books.iter().map(|book| {
            let common = common(&book.text, prompt);
            (Find { key: book.key, common, whole: common == book.text.len() }, book.text.len() - common)
        });
        let usable = finds.filter(|(find, _)| find.common > 0 && (cut == Cut::Anywhere || find.whole));
        usable.max_by_key(|(find, left_over)| (find.common, std::cmp::Reverse(*left_over))).map(|(find, _)| find)
    }

    /// Whether a text says all that `text` says, and perhaps more.
    pub fn covers(&self, text: &[T]) -> bool {
        self.books.iter().any(|book| book.text.starts_with(text))
    }

    /// The keys of the texts that `text` says all of.
    pub fn covered_by(&self, text: &[T]) -> Vec<K> {
        self.books.iter().filter(|book| text.starts_with(&book.text)).map(|book| book.key).collect()
    }

    /// The keys of the texts of which `text` says so much that little is lost without them: seven eighths or more.
    pub fn mostly_covered_by(&self, text: &[T]) -> Vec<K> {
        let covered = |book: &&Book<K, T>| common(&book.text, text) * 8 >= book.text.len() * 7;
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

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.books.len()
    }
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
            shelf.put(key, text.bytes().collect());
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
            let found = shelf(texts).find(prompt.as_bytes(), cut).map(|find| (find.key, find.common, find.whole));
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
        assert!(shelf.covers(b"chat with") && !shelf.covers(b"chat without"));
        assert_eq!(shelf.covered_by(b"chat with more and more"), [0, 1]);
        assert_eq!(shelf.covered_by(b"chat w"), [0]);
    }
}
