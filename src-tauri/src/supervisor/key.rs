//! The API key of one launch, with which the window authenticates to the sidecar.

use std::fmt;

use serde::Serialize;

/// A secret: `hapa_` and 256 random bits in hex. It is sent to the sidecar's stdin and to the window, nowhere else.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Key(String);

impl Key {
    /// A new random key.
    pub(crate) fn random() -> Self {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).expect("an operating system has random numbers");
        Self(format!("hapa_{}", hex::encode(bits)))
    }

    /// The secret in plain text.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Redacts the secret, so that it cannot get into a log.
impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(hapa_…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_documented_form_and_is_not_printed() {
        let key = Key::random();
        let digits = key.reveal().strip_prefix("hapa_").unwrap();
        assert_eq!(digits.len(), 64);
        assert!(digits.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f')));
        assert!(!format!("{key:?}").contains(digits));
        assert_ne!(key, Key::random());
    }
}
