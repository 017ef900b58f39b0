//! Learned token substitutions: an identifier that the answer renames is renamed in later drafts too.

/// Maximum tokens of either side of a substitution.
const MAX_LEN: usize = 8;

/// Maximum number of substitutions; the oldest is evicted first.
const MAX_SUBSTITUTIONS: usize = 32;

/// The substitutions of one sequence.
#[derive(Debug)]
pub(crate) struct Substitutions<T>(Vec<Substitution<T>>);

/// One substitution.
#[derive(Debug, PartialEq, Eq)]
struct Substitution<T> {
    from: Vec<T>,
    to: Vec<T>,
    /// Raised with each acceptance and lowered with each rejection. At zero it is not applied.
    confidence: u8,
}

/// Confidence of a new substitution, and its maximum.
const CONFIDENCE: (u8, u8) = (2, 4);

impl<T> Default for Substitutions<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Eq> Substitutions<T> {
    /// Learns that the answer has `to` where the source has `from`. `next` is the token after both.
    pub(crate) fn learn(&mut self, from: &[T], to: &[T], next: T) {
        let (mut from, mut to) = (from.to_vec(), to.to_vec());
        if from.is_empty() || to.is_empty() {
            // An insertion or a deletion: it is recognised by the token after it.
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

    /// The replacement for the beginning of `source`, and the number of source tokens that it replaces. The longest match wins.
    pub(crate) fn at(&self, source: &[T]) -> Option<(&[T], usize)> {
        let matching =
            self.0.iter().filter(|substitution| substitution.confidence > 0 && source.starts_with(&substitution.from));
        matching
            .max_by_key(|substitution| substitution.from.len())
            .map(|substitution| (substitution.to.as_slice(), substitution.from.len()))
    }

    /// Records whether the replacement for the beginning of `source` was accepted.
    pub(crate) fn record_outcome(&mut self, source: &[T], accepted: bool) {
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
        substitutions
    }

    fn replacement(substitutions: &Substitutions<u8>, source: &str) -> Option<(String, usize)> {
        substitutions.at(source.as_bytes()).map(|(to, count)| (String::from_utf8(to.to_vec()).unwrap(), count))
    }

    #[test]
    fn a_learned_substitution_is_applied_again() {
        let substitutions = learned(&[("limit", "most"), ("lim", "n"), ("", "->"), ("x", "")]);
        assert_eq!(replacement(&substitutions, "limit=3"), Some(("most".into(), 5)), "the longest match wins");
        assert_eq!(replacement(&substitutions, "limes"), Some(("n".into(), 3)));
        assert_eq!(
            replacement(&substitutions, ";"),
            Some(("->;".into(), 1)),
            "an insertion is recognised by the next token"
        );
        assert_eq!(replacement(&substitutions, "x;"), Some((";".into(), 2)), "so is a deletion");
        assert_eq!(replacement(&substitutions, "other"), None);
    }

    #[test]
    fn a_rejected_substitution_is_dropped_until_it_is_learned_again() {
        let mut substitutions = learned(&[("a", "b")]);
        substitutions.record_outcome(b"a;", true);
        substitutions.record_outcome(b"a;", false);
        assert!(replacement(&substitutions, "a;").is_some(), "one rejection is not enough");
        substitutions.record_outcome(b"a;", false);
        assert_eq!(replacement(&substitutions, "a;"), None);
        substitutions.learn(b"a", b"b", b';');
        assert!(replacement(&substitutions, "a;").is_some());
    }
}
