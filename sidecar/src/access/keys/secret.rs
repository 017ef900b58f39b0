//! Keys as secrets: how one is generated, its format, and the hash that is stored.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::Error;
use crate::base::fs::write_private;
use crate::config::Secret;

/// An API key: `hapa_` and 64 lower-case hex digits, 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Generates a key from the system's random numbers.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Ok(Self(format!("hapa_{}", random_hex()?)))
    }

    /// Parses a key as sent by a client. `None` if its format is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("hapa_")?;
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        ((16..=128).contains(&digits.len()) && digits.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// The key itself. Only what shows or sends it may call this.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its first characters, enough for a person to tell it from others: 24 of its 256 bits.
    #[must_use]
    pub fn hint(&self) -> String {
        format!("{}…", &self.0["hapa_".len() - 5.."hapa_".len() + 6])
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hapa_…)")
    }
}

/// The secret that keys are hashed with, so that a stolen database reveals no key and fits no other installation.
#[derive(Debug, Clone)]
pub struct Pepper(Secret);

impl Pepper {
    /// The secret of the environment if there is one; otherwise that in `file`, which is created on first use and
    /// readable by its owner only.
    ///
    /// # Errors
    /// When the file can be neither read nor written.
    pub fn open(configured: Option<&Secret>, file: &Path) -> Result<Self, Error> {
        if let Some(secret) = configured {
            return Ok(Self(secret.clone()));
        }
        let make = || Ok(random_hex()?);
        load_or_create(file, |text| (text.len() >= 32).then(|| text.to_owned()), make).map(|text| Self(text.into()))
    }

    /// The hash of a key that is stored: HMAC-SHA-256 (RFC 2104) under this secret, lower-case hex.
    #[must_use]
    pub fn hash(&self, key: &Key) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.reveal().as_bytes()).expect("HMAC takes secrets of any length");
        mac.update(key.reveal().as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

/// The installation's own key, created on first use and stored in `file`, which is readable by its owner only.
///
/// # Errors
/// When the file can be neither read nor written.
pub fn load_or_create_key(file: &Path) -> Result<Key, Error> {
    let make = || Ok(Key::generate()?.0);
    let text = load_or_create(file, |text| Key::parse(text).map(|key| key.0), make)?;
    Ok(Key(text))
}

/// The contents of `file` if `usable`; otherwise the result of `make`, which is written there first.
fn load_or_create(
    file: &Path,
    usable: impl Fn(&str) -> Option<String>,
    make: impl Fn() -> Result<String, Error>,
) -> Result<String, Error> {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            if let Some(stored) = usable(text.trim()) {
                return Ok(stored);
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(problem("read", file, error)),
    }
    let made = make()?;
    write_private(file, &made).map_err(|error| problem("write", file, error))?;
    Ok(made)
}

fn problem(action: &'static str, file: &Path, source: io::Error) -> Error {
    Error::File { action, path: file.to_owned(), source }
}

fn random_hex() -> Result<String, getrandom::Error> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(hex::encode(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_hash_depends_on_the_secret_and_does_not_contain_the_key() {
        let key = Key::generate().unwrap();
        let pepper = |text: &str| Pepper(Secret::from(text.to_owned()));
        let hash = pepper("a").hash(&key);
        assert_eq!(hash, pepper("a").hash(&key));
        assert_ne!(hash, pepper("b").hash(&key));
        assert!(hash.len() == 64 && !hash.contains(&key.reveal()[5..]));
        assert!(key.reveal().starts_with(key.hint().trim_end_matches('…')));
    }

    #[test]
    fn the_hash_is_the_one_of_the_standard() {
        // Computed by Python's hmac module.
        let key = Key::parse("hapa_00112233445566778899aabbccddeeff").unwrap();
        let hash = Pepper(Secret::from("Jefe".to_owned())).hash(&key);
        assert_eq!(hash, "90273d36e55d6b69c5c6ba54b9cc968833387a66150219f60805840ec94c0e03");
    }
}
