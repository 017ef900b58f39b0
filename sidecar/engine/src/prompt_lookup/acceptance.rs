//! Acceptance rate of draft tokens, estimated by the length of the match that the draft was copied from.

/// Minimum match length of each class, in tokens.
const CLASSES: [usize; 6] = [0, 2, 3, 5, 8, 12];

/// Prior acceptance rate of each class, as measured with edits of code.
const PRIOR: [f64; 6] = [0.4, 0.4, 0.55, 0.75, 0.85, 0.95];

/// Number of observations that the prior counts as.
const PRIOR_WEIGHT: f64 = 4.0;

/// Factor by which earlier observations decay with each new one.
const DECAY: f64 = 0.97;

/// Estimated acceptance rate by match length.
#[derive(Debug)]
pub(crate) struct AcceptanceRate([Class; CLASSES.len()]);

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
    /// Probability that a draft token is accepted whose match has `match_len` tokens.
    pub(crate) fn probability(&self, match_len: usize) -> f64 {
        let Class { accepted, drafted } = self.0[class(match_len)];
        accepted / drafted
    }

    /// Records whether such a draft token was accepted.
    pub(crate) fn record(&mut self, match_len: usize, accepted: bool) {
        let index = class(match_len);
        let class = &mut self.0[index];
        // The estimate decays towards the prior, so that a class with a low rate is tried again later.
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
    fn observations_outweigh_the_prior() {
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
        assert!(rate.probability(12) > 0.6, "a class recovers once its drafts are accepted again");
    }
}
