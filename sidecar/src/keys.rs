//! Who may ask for what: keys, the permissions they carry, and the caller behind them.

use std::fmt;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::{Error, KeyProblem};
use crate::store::{NewKey, Store};

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Have code written.
    CodeGeneration,
    /// Have lines completed.
    CodeCompletion,
    /// Say how good an answer was.
    Feedback,
    /// Read and delete one's own history.
    History,
    /// Everything that changes or shows the installation itself.
    Admin,
}

impl Permission {
    /// All of them: what the window and the installation's own key may do.
    pub const ALL: [Self; 5] = [Self::CodeGeneration, Self::CodeCompletion, Self::Feedback, Self::History, Self::Admin];

    fn as_str(self) -> &'static str {
        match self {
            Self::CodeGeneration => "code_generation",
            Self::CodeCompletion => "code_completion",
            Self::Feedback => "feedback",
            Self::History => "history",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The owner of what the window, the command line and the installation's own key do.
pub const LOCAL_OWNER: &str = "local";

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose history the request belongs to.
    pub owner: String,
    /// What it may do.
    pub permissions: Vec<Permission>,
}

impl Caller {
    fn local() -> Self {
        Self { owner: LOCAL_OWNER.into(), permissions: Permission::ALL.to_vec() }
    }

    /// `Ok` if the caller has `permission`.
    ///
    /// # Errors
    /// [`Error::Forbidden`] otherwise.
    pub fn require(&self, permission: Permission) -> Result<(), Error> {
        if self.permissions.contains(&permission) { Ok(()) } else { Err(Error::Forbidden(permission)) }
    }
}

/// A secret that opens the API: `hapa_` and 64 lower-case hex digits, 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A new one from the system's random numbers.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits)?;
        Ok(Self(format!("hapa_{}", hex::encode(bits))))
    }

    /// Reads a key as sent by a client. `None` if it does not look like one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("hapa_")?;
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        ((16..=128).contains(&digits.len()) && digits.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// The key itself, for the one place that shows or sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hapa_…)")
    }
}

/// The keys that are accepted: those in the store, and the window's key of this launch.
#[derive(Debug, Clone)]
pub struct Keys {
    store: Store,
    window: Option<String>,
}

impl Keys {
    /// `window` is the key that the desktop app gave this process, if it started it.
    #[must_use]
    pub fn new(store: Store, window: Option<&Key>) -> Self {
        Self { store, window: window.map(Key::hash) }
    }

    /// The caller behind a key.
    ///
    /// # Errors
    /// [`Error::Key`] for a key that is missing, unknown, revoked or expired.
    pub async fn caller(&self, key: Option<&str>) -> Result<Caller, Error> {
        let key = key.ok_or(Error::Key(KeyProblem::Missing))?;
        let hash = Key::parse(key).ok_or(Error::Key(KeyProblem::Unknown))?.hash();
        if self.window.as_ref().is_some_and(|window| bool::from(window.as_bytes().ct_eq(hash.as_bytes()))) {
            return Ok(Caller::local());
        }
        let found = self.store.key(&hash).await?.filter(|key| key.revoked_at.is_none());
        let key = found.ok_or(Error::Key(KeyProblem::Unknown))?;
        if key.expires_at.is_some_and(|end| end <= crate::store::now()) {
            return Err(Error::Key(KeyProblem::Expired));
        }
        let carries = |permission: &Permission| key.permissions.split(',').any(|name| name == permission.as_str());
        Ok(Caller { owner: key.owner, permissions: Permission::ALL.into_iter().filter(carries).collect() })
    }
}

/// The installation's own key, made on first use and kept in `file`, which only its owner can read.
///
/// # Errors
/// When the file can be neither read nor written.
pub async fn installation_key(store: &Store, file: &Path) -> Result<Key, Error> {
    let problem = |what: &str, error: &dyn fmt::Display| {
        Error::Internal(format!("could not {what} the key file `{}`: {error}", file.display()))
    };
    let kept = match std::fs::read_to_string(file) {
        Ok(text) => Key::parse(text.trim()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(problem("read", &error)),
    };
    let key = match kept {
        Some(key) => key,
        None => {
            let key = Key::generate().map_err(|error| problem("make", &error))?;
            write_private(file, key.reveal()).map_err(|error| problem("write", &error))?;
            key
        }
    };
    let permissions = Permission::ALL.map(Permission::as_str).join(",");
    let (hash, name) = (key.hash(), "installation");
    store
        .add_key(NewKey { hash: &hash, name, owner: LOCAL_OWNER, permissions: &permissions, expires_at: None })
        .await?;
    Ok(key)
}

fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    writeln!(options.open(file)?, "{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_opens_what_it_permits_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hapa.db")).await.unwrap();
        let keys = Keys::new(store.clone(), None);
        let now = crate::store::now();
        for (expires_at, lives) in [(None, true), (Some(now + 60_000), true), (Some(now), false)] {
            let key = Key::generate().unwrap();
            let (hash, permissions) = (key.hash(), "code_completion,history");
            store.add_key(NewKey { hash: &hash, name: "editor", owner: "me", permissions, expires_at }).await.unwrap();
            let caller = keys.caller(Some(key.reveal())).await;
            if lives {
                let caller = caller.unwrap();
                assert_eq!(caller.owner, "me");
                assert!(caller.require(Permission::History).is_ok());
                for missing in [Permission::CodeGeneration, Permission::Feedback, Permission::Admin] {
                    assert!(matches!(caller.require(missing), Err(Error::Forbidden(_))), "{missing}");
                }
            } else {
                assert!(matches!(caller, Err(Error::Key(KeyProblem::Expired))), "{caller:?}");
            }
        }
    }
}
