//! What was said instead of something else: a name that is being changed everywhere is changed in the guesses too.

/// Tokens of either side of a swap at most.
const LONGEST: usize = 8;

/// Swaps that are remembered; the newest push out the oldest.
const MOST: usize = 32;

/// Swaps that were seen in a text.
#[derive(Debug)]
pub struct Swaps<T>(Vec<Swap<T>>);

/// What was said instead of what.
#[derive(Debug, PartialEq, Eq)]
struct Swap<T> {
    from: Vec<T>,
    to: Vec<T>,
    /// How far it can be trusted: more with each time that it was right. None at zero.
    trust: u8,
}

/// Bounds of trust: of a swap that was seen once, and of one that is always right.
const TRUST: (u8, u8) = (2, 4);

impl<T> Default for Swaps<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Eq> Swaps<T> {
    /// Learns that `to` was said where the source says `from`. `next` followed in both.
    pub fn learn(&mut self, from: &[T], to: &[T], next: T) {
        let (mut from, mut to) = (from.to_vec(), to.to_vec());
        if from.is_empty() || to.is_empty() {
            // Something was put in or left out: it shows at what follows.
            from.push(next);
            to.push(next);
        }
        if from == to || from.len() > LONGEST || to.len() > LONGEST {
            return;
        }
        if let Some(known) = self.0.iter_mut().find(|swap| swap.from == from && swap.to == to) {
            known.trust = (known.trust + 1).min(TRUST.1);
            return;
        }
        self.0.retain(|swap| swap.from != from);
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        self.0.push(Swap { from, to, trust: TRUST.0 });
    }

    /// What is said instead of the beginning of `source`, and how many of its tokens that stands for. Of several the longest
    /// counts.
    pub fn at(&self, source: &[T]) -> Option<(&[T], usize)> {
        let fitting = self.0.iter().filter(|swap| swap.trust > 0 && source.starts_with(&swap.from));
        fitting.max_by_key(|swap| swap.from.len()).map(|swap| (swap.to.as_slice(), swap.from.len()))
    }

    /// Learns how it went with what stands for the beginning of `source`.
    pub fn judge(&mut self, source: &[T], right: bool) {
        let fitting = self.0.iter_mut().filter(|swap| swap.trust > 0 && source.starts_with(&swap.from));
        if let Some(swap) = fitting.max_by_key(|swap| swap.from.len()) {
            swap.trust = if right { (swap.trust + 1).min(TRUST.1) } else { swap.trust.saturating_sub(2) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(pairs: &[(&str, &str)]) -> Swaps<u8> {
        let mut swaps = Swaps::default();
        for (from, to) in pairs {
            swaps.learn(from.as_bytes(), to.as_bytes(), b';');
        }
        swaps
    }

    fn said(swaps: &Swaps<u8>, source: &str) -> Option<(String, usize)> {
        swaps.at(source.as_bytes()).map(|(to, count)| (String::from_utf8(to.to_vec()).unwrap(), count))
    }

    #[test]
    fn what_was_changed_once_is_changed_again() {
        let swaps = learned(&[("limit", "most"), ("lim", "n"), ("", "->"), ("x", "")]);
        assert_eq!(said(&swaps, "limit=3"), Some(("most".into(), 5)), "the longest counts");
        assert_eq!(said(&swaps, "limes"), Some(("n".into(), 3)));
        assert_eq!(said(&swaps, ";"), Some(("->;".into(), 1)), "what was put in shows at what follows");
        assert_eq!(said(&swaps, "x;"), Some((";".into(), 2)), "what was left out too");
        assert_eq!(said(&swaps, "other"), None);
    }

    #[test]
    fn a_swap_that_fails_is_given_up_until_it_is_seen_again() {
        let mut swaps = learned(&[("a", "b")]);
        swaps.judge(b"a;", true);
        swaps.judge(b"a;", false);
        assert!(said(&swaps, "a;").is_some(), "once is no rule");
        swaps.judge(b"a;", false);
        assert_eq!(said(&swaps, "a;"), None);
        swaps.learn(b"a", b"b", b';');
        assert!(said(&swaps, "a;").is_some());
    }
}
