//! Stop sequences: an answer ends before the first of them, also where it is split across pieces. Pure, no model, no
//! clock.

/// Filters an answer piece by piece, and passes on what is certainly before every stop sequence.
#[derive(Debug)]
pub(crate) struct StopSequences {
    strings: Vec<String>,
    /// What may be the start of a stop sequence.
    pending: String,
}

/// The result of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StopMatch {
    /// The text that can be sent.
    pub text: String,
    /// Whether a stop sequence follows it.
    pub stopped: bool,
}

impl StopSequences {
    /// For these sequences. Empty ones, which every text contains, are ignored.
    #[must_use]
    pub(crate) fn new(mut strings: Vec<String>) -> Self {
        strings.retain(|string| !string.is_empty());
        Self { strings, pending: String::new() }
    }

    /// Adds the next piece.
    pub(crate) fn push(&mut self, piece: String) -> StopMatch {
        if self.strings.is_empty() {
            return StopMatch { text: piece, stopped: false };
        }
        self.pending += &piece;
        if let Some(at) = self.strings.iter().filter_map(|string| self.pending.find(string.as_str())).min() {
            self.pending.truncate(at);
            return StopMatch { text: std::mem::take(&mut self.pending), stopped: true };
        }
        let rest = self.pending.split_off(self.safe_prefix_len());
        StopMatch { text: std::mem::replace(&mut self.pending, rest), stopped: false }
    }

    /// Returns what was held back, at the end of the answer.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.pending)
    }

    /// How many bytes of the pending text cannot belong to a stop sequence.
    fn safe_prefix_len(&self) -> usize {
        let max_length = self.strings.iter().map(String::len).max().unwrap_or_default();
        let from = self.pending.len().saturating_sub(max_length);
        let may_match = |at: &usize| self.strings.iter().any(|string| string.starts_with(&self.pending[*at..]));
        (from..self.pending.len())
            .filter(|at| self.pending.is_char_boundary(*at))
            .find(may_match)
            .unwrap_or(self.pending.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed on of these pieces, each with its own piece, and whether they were stopped.
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
    fn an_answer_ends_before_a_stop_sequence_that_is_spread_over_pieces() {
        assert_eq!(through(&["\n\nUser:"], &["a\n", "\nUs", "er: b"]), (vec!["a".into(), "".into(), "".into()], true));
        assert_eq!(through(&["끝"], &["시작", "끝남"]), (vec!["시작".into(), "".into()], true));
    }

    #[test]
    fn only_what_may_become_a_stop_sequence_is_held_back() {
        assert_eq!(
            through(&["</s>"], &["a<", "/", "b"]),
            (vec!["a".into(), "".into(), "</b".into(), "".into()], false)
        );
        assert_eq!(through(&["aab"], &["aa", "aa"]), (vec!["".into(), "aa".into(), "aa".into()], false));
        assert_eq!(through(&["aab"], &["aa", "ab"]), (vec!["".into(), "a".into()], true));
    }

    #[test]
    fn the_first_match_in_the_text_counts_whatever_its_position_in_the_list() {
        assert_eq!(through(&["c", "b"], &["abc"]), (vec!["a".into()], true));
        assert_eq!(through(&["xyz", "x"], &["ax"]), (vec!["a".into()], true));
    }

    #[test]
    fn without_stop_sequences_pieces_pass_as_they_are() {
        assert_eq!(through(&[], &["a", "b"]), (vec!["a".into(), "b".into(), "".into()], false));
        assert_eq!(through(&[""], &["a"]), (vec!["a".into(), "".into()], false));
    }

    #[test]
    fn a_character_is_never_cut() {
        assert_eq!(through(&["각나"], &["가각", "다"]).0.concat(), "가각다");
    }
}
