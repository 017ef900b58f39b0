//! Stop strings: an answer ends before the first of them, also where it is spread over several pieces. No model, no clock.

/// Takes an answer piece by piece, and lets through what is certainly before every stop string.
#[derive(Debug)]
pub struct StopSequences {
    strings: Vec<String>,
    /// What may be the beginning of a stop string.
    held: String,
}

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub struct StopMatch {
    /// What can be shown.
    pub text: String,
    /// Whether a stop string follows it.
    pub stopped: bool,
}

impl StopSequences {
    /// Of these strings. Empty ones, which every text contains, count as none.
    #[must_use]
    pub fn new(mut strings: Vec<String>) -> Self {
        strings.retain(|string| !string.is_empty());
        Self { strings, held: String::new() }
    }

    /// The next piece.
    pub fn push(&mut self, piece: String) -> StopMatch {
        if self.strings.is_empty() {
            return StopMatch { text: piece, stopped: false };
        }
        self.held += &piece;
        if let Some(at) = self.strings.iter().filter_map(|string| self.held.find(string.as_str())).min() {
            self.held.truncate(at);
            return StopMatch { text: std::mem::take(&mut self.held), stopped: true };
        }
        let rest = self.held.split_off(self.certain());
        StopMatch { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// What was held back, when nothing follows.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// How many bytes of what is held cannot belong to a stop string.
    fn certain(&self) -> usize {
        let longest = self.strings.iter().map(String::len).max().unwrap_or_default();
        let from = self.held.len().saturating_sub(longest);
        let begins = |at: &usize| self.strings.iter().any(|string| string.starts_with(&self.held[*at..]));
        (from..self.held.len()).filter(|at| self.held.is_char_boundary(*at)).find(begins).unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is let through of these pieces, each with its own piece, and whether they were stopped.
    fn through(strings: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let mut stops = StopSequences::new(strings.iter().map(|&string| string.to_owned()).collect());
        let mut texts = Vec::new();
        for piece in pieces {
            let StopMatch { text, stopped } = stops.push((*piece).to_owned());
            texts.push(text);
            if stopped {
                return (texts, true);
            }
        }
        texts.push(stops.finish());
        (texts, false)
    }

    #[test]
    fn an_answer_ends_before_a_stop_string_that_is_spread_over_pieces() {
        assert_eq!(through(&["\n\nUser:"], &["a\n", "\nUs", "er: b"]), (vec!["a".into(), "".into(), "".into()], true));
        assert_eq!(through(&["끝"], &["시작", "끝남"]), (vec!["시작".into(), "".into()], true));
    }

    #[test]
    fn only_what_may_become_a_stop_string_is_held_back() {
        assert_eq!(
            through(&["</s>"], &["a<", "/", "b"]),
            (vec!["a".into(), "".into(), "</b".into(), "".into()], false)
        );
        assert_eq!(through(&["aab"], &["aa", "aa"]), (vec!["".into(), "aa".into(), "aa".into()], false));
        assert_eq!(through(&["aab"], &["aa", "ab"]), (vec!["".into(), "a".into()], true));
    }

    #[test]
    fn the_first_of_several_counts_wherever_it_stands_in_the_list() {
        assert_eq!(through(&["c", "b"], &["abc"]), (vec!["a".into()], true));
        assert_eq!(through(&["xyz", "x"], &["ax"]), (vec!["a".into()], true));
    }

    #[test]
    fn without_stop_strings_pieces_pass_as_they_are() {
        assert_eq!(through(&[], &["a", "b"]), (vec!["a".into(), "b".into(), "".into()], false));
        assert_eq!(through(&[""], &["a"]), (vec!["a".into(), "".into()], false));
    }

    #[test]
    fn a_character_is_never_cut() {
        assert_eq!(through(&["각나"], &["가각", "다"]).0.concat(), "가각다");
    }
}
