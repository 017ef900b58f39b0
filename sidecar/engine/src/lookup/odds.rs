//! How likely a guessed token is right, by how much of the text before it agrees with the place that it is taken from.

/// Tokens of agreement from which on each class begins.
const CLASSES: [usize; 6] = [0, 2, 3, 5, 8, 12];

/// Shares of right tokens in each class, before anything was seen: those of edits of code.
const USUAL: [f64; 6] = [0.4, 0.4, 0.55, 0.75, 0.85, 0.95];

/// As many tokens as the usual share is worth.
const WEIGHT: f64 = 4.0;

/// What remains of earlier experience after each token.
const FADING: f64 = 0.97;

/// Experience with guesses.
#[derive(Debug)]
pub struct Odds([Class; CLASSES.len()]);

#[derive(Debug, Clone, Copy)]
struct Class {
    right: f64,
    all: f64,
}

impl Default for Odds {
    fn default() -> Self {
        Self(USUAL.map(|share| Class { right: share * WEIGHT, all: WEIGHT }))
    }
}

impl Odds {
    /// The chance that a token is right before which `agreement` tokens agree.
    pub fn chance(&self, agreement: usize) -> f64 {
        let Class { right, all } = self.0[class(agreement)];
        right / all
    }

    /// Learns how it went with such a token.
    pub fn learn(&mut self, agreement: usize, right: bool) {
        let index = class(agreement);
        let class = &mut self.0[index];
        // Experience fades towards what is usual, so that what has failed is tried again some day.
        class.right =
            USUAL[index] * WEIGHT + (class.right - USUAL[index] * WEIGHT) * FADING + f64::from(u8::from(right));
        class.all = WEIGHT + (class.all - WEIGHT) * FADING + 1.0;
    }
}

fn class(agreement: usize) -> usize {
    CLASSES.iter().rposition(|least| agreement >= *least).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experience_counts_more_than_what_is_usual() {
        let mut odds = Odds::default();
        assert!((odds.chance(2) - 0.4).abs() < 1e-9 && (odds.chance(100) - 0.95).abs() < 1e-9);
        for _ in 0..60 {
            odds.learn(100, false);
            odds.learn(4, true);
        }
        assert!(odds.chance(12) < 0.2 && odds.chance(3) > 0.9 && (odds.chance(5) - 0.75).abs() < 1e-9);
        for _ in 0..30 {
            odds.learn(100, true);
        }
        assert!(odds.chance(12) > 0.6, "what goes well again is believed again");
    }
}
