//! How likely a guessed token is right, by how much of the text before it agrees with the place that it is taken from.

/// Tokens of match_len from which on each class begins.
const CLASSES: [usize; 6] = [0, 2, 3, 5, 8, 12];

/// Shares of right tokens in each class, before anything was seen: those of edits of code.
const PRIOR: [f64; 6] = [0.4, 0.4, 0.55, 0.75, 0.85, 0.95];

/// As many tokens as the usual share is worth.
const PRIOR_WEIGHT: f64 = 4.0;

/// What remains of earlier experience after each token.
const DECAY: f64 = 0.97;

/// Experience with guesses.
#[derive(Debug)]
pub struct AcceptanceRate([Class; CLASSES.len()]);

#[derive(Debug, Clone, Copy)]
struct Class {
    accepted: f64,
    drafted: f64,
}

impl Default for AcceptanceRate {
    fn default() -> Self {
        Self(PRIOR.map(|share| Class { accepted: share * PRIOR_WEIGHT, drafted: PRIOR_WEIGHT }))
    }
}

impl AcceptanceRate {
    /// The chance that a token is right before which `match_len` tokens agree.
    pub fn probability(&self, match_len: usize) -> f64 {
        let Class { accepted, drafted } = self.0[class(match_len)];
        accepted / drafted
    }

    /// Learns how it went with such a token.
    pub fn record(&mut self, match_len: usize, accepted: bool) {
        let index = class(match_len);
        let class = &mut self.0[index];
        // Experience fades towards what is usual, so that what has failed is tried again some day.
        class.accepted = PRIOR[index] * PRIOR_WEIGHT
            + (class.accepted - PRIOR[index] * PRIOR_WEIGHT) * DECAY
            + f64::from(u8::from(accepted));
        class.drafted = PRIOR_WEIGHT + (class.drafted - PRIOR_WEIGHT) * DECAY + 1.0;
    }
}

fn class(match_len: usize) -> usize {
    CLASSES.iter().rposition(|min| match_len >= *min).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experience_counts_more_than_what_is_usual() {
        let mut rate = AcceptanceRate::default();
        assert!((rate.probability(2) - 0.4).abs() < 1e-9 && (rate.probability(100) - 0.95).abs() < 1e-9);
        for _ in 0..60 {
            rate.record(100, false);
            rate.record(4, true);
        }
        assert!(rate.probability(12) < 0.2 && rate.probability(3) > 0.9 && (rate.probability(5) - 0.75).abs() < 1e-9);
        for _ in 0..30 {
            rate.record(100, true);
        }
        assert!(rate.probability(12) > 0.6, "what goes well again is believed again");
    }
}
