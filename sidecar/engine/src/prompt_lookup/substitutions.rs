//! What was said instead of something else: a name that is being changed everywhere is changed in the guesses too.

/// Tokens of either side of a swap at most.
const MAX_LEN: usize = 8;

/// Substitutions that are remembered; the newest push out the oldest.
const MAX_SUBSTITUTIONS: usize = 32;

/// Substitutions that were seen in a text.
#[derive(Debug)]
pub struct Substitutions<T>(Vec<Substitution<T>>);

/// What was said instead of what.
#[derive(Debug, PartialEq, Eq)]
struct Substitution<T> {
    from: Vec<T>,
    to: Vec<T>,
    /// How far it can be trusted: more with each time that it was right. None at zero.
    confidence: u8,
}

/// Bounds of confidence: of a swap that was seen once, and of one that is always right.
const CONFIDENCE: (u8, u8) = (2, 4);

impl<T> Default for Substitutions<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Eq> Substitutions<T> {
    /// Learns that `to` was said where the source says `from`. `next` followed in both.
    pub fn learn(&mut self, from: &[T], to: &[T], next: T) {
        let (mut from, mut to) = (from.to_vec(), to.to_vec());
        if from.is_empty() || to.is_empty() {
            // Something was put in or left out: it shows at what follows.
            from.push(next);
            to.push(next);
        }
        if from == to || from.len() > MAX_LEN || to.len() > MAX_LEN {
            return;
        }
        if let Some(known) = self.0.iter_mut().find(|substitution| substitution.from == from && substitution.to == to) {
            known.confidence = (known.confidence + 1).min(CONFIDENCE.1);
            return;
        }
        self.0.retain(|substitution| substitution.from != from);
        if self.0.len() == MAX_SUBSTITUTIONS {
            self.0.remove(0);
        }
        self.0.push(Substitution { from, to, confidence: CONFIDENCE.0 });
    }

    /// What is said instead of the beginning of `source`, and how many of its tokens that stands for. Of several the longest
    /// counts.
    pub fn at(&self, source: &[T]) -> Option<(&[T], usize)> {
        let matching =
            self.0.iter().filter(|substitution| substitution.confidence > 0 && source.starts_with(&substitution.from));
        matching
            .max_by_key(|substitution| substitution.from.len())
            .map(|substitution| (substitution.to.as_slice(), substitution.from.len()))
    }

    /// Learns how it went with what stands for the beginning of `source`.
    pub fn record_outcome(&mut self, source: &[T], accepted: bool) {
        let matching = self
            .0
            .iter_mut()
            .filter(|substitution| substitution.confidence > 0 && source.starts_with(&substitution.from));
        if let Some(substitution) = matching.max_by_key(|substitution| substitution.from.len()) {
            substitution.confidence = if accepted {
                (substitution.confidence + 1).min(CONFIDENCE.1)
            } else {
                substitution.confidence.saturating_sub(2)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(pairs: &[(&str, &str)]) -> Substitutions<u8> {
        let mut substitutions = Substitutions::default();
        for (from, to) in pairs {
            substitutions.learn(from.as_bytes(), to.as_bytes(), b';');
        }
        swaps
    }

    fn replacement(substitutions: &Substitutions<u8>, source: &str) -> Option<(String, usize)> {
        substitutions.at(source.as_bytes()).map(|(to, count)| (String::from_utf8(to.to_vec()).unwrap(), count))
    }

    #[test]
    fn what_was_changed_once_is_changed_again() {
        let substitutions = learned(&[("limit", "most"), ("lim", "n"), ("", "->"), ("x", "")]);
        assert_eq!(replacement(&swaps, "limit=3"), Some(("most".into(), 5)), "the longest counts");
        assert_eq!(replacement(&swaps, "limes"), Some(("n".into(), 3)));
        assert_eq!(replacement(&swaps, ";"), Some(("->;".into(), 1)), "what was put in shows at what follows");
        assert_eq!(replacement(&swaps, "x;"), Some((";".into(), 2)), "what was left out too");
        assert_eq!(replacement(&swaps, "other"), None);
    }

    #[test]
    fn a_swap_that_fails_is_given_up_until_it_is_seen_again() {
        let mut substitutions = learned(&[("a", "b")]);
        substitutions.record_outcome(b"a;", true);
        substitutions.record_outcome(b"a;", false);
        assert!(replacement(&swaps, "a;").is_some(), "once is no rule");
        substitutions.record_outcome(b"a;", false);
        assert_eq!(replacement(&swaps, "a;"), None);
        substitutions.learn(b"a", b"b", b';');
        assert!(replacement(&swaps, "a;").is_some());
    }
}
