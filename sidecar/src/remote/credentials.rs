//! Stores the API key of the remote server: in the system's keychain, or in a file that only its owner can read.
//!
//! A key is stored with the origin of its server, and is never sent to another one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyring::Entry;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use crate::base::fs::{remove_if_exists, write_private};
use crate::config::{Config, Secret};

/// The service name in the keychain.
const SERVICE: &str = "HAPA";

/// Timeout of the keychain. After a timeout, this process does not use the keychain again.
const KEYCHAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Set after a timeout of the keychain. The blocked thread cannot be stopped, so no second one is started.
static KEYCHAIN_UNRESPONSIVE: AtomicBool = AtomicBool::new(false);

/// Why the key could not be stored or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `AI_MODEL_API_KEY` holds the key, so it cannot be changed.
    #[error("the key is set by AI_MODEL_API_KEY")]
    FixedByEnvironment,
    /// The file could not be written or removed.
    #[error("could not {action} `{}`", .path.display())]
    File {
        /// The failed action, `write` or `remove`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// Where the API key is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RemoteKeyPlace)]
pub enum KeyLocation {
    /// In the environment variable AI_MODEL_API_KEY.
    Environment,
    /// In the system's keychain.
    Keychain,
    /// In the file `remote.key` of the data folder.
    File,
}

/// An API key, with its location and the origin of its server; `None` for any server.
#[derive(Debug, Clone)]
pub struct Key {
    secret: Secret,
    server: Option<String>,
    /// Where it is stored.
    pub location: KeyLocation,
}

impl Key {
    /// The key, if it belongs to the server of this origin.
    #[must_use]
    pub fn for_server(&self, origin: &str) -> Option<&Secret> {
        self.server.as_deref().is_none_or(|server| server == origin).then_some(&self.secret)
    }
}

/// The store of the API key. Clones share one cache.
#[derive(Debug, Clone)]
pub struct CredentialStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    from_env: Option<Secret>,
    file: PathBuf,
    /// The entry's name in the keychain; `None` if the keychain is disabled.
    entry: Option<String>,
    /// The stored key; `None` before the first read.
    cached: Mutex<Option<Option<Key>>>,
}

/// The JSON of a stored key.
#[derive(Serialize, Deserialize)]
struct StoredKey {
    server: String,
    key: String,
}

impl CredentialStore {
    /// The store of this installation. Nothing is read yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let entry = config.keychain.then(|| format!("remote server of {}", config.data.display()));
        let from_env = config.remote_key.clone();
        Self(Arc::new(Inner { from_env, file: config.remote_key_file(), entry, cached: Mutex::default() }))
    }

    /// The API key: of the environment, the file or the keychain, in this order.
    pub async fn key(&self) -> Option<Key> {
        if let Some(secret) = &self.0.from_env {
            return Some(Key { secret: secret.clone(), server: None, location: KeyLocation::Environment });
        }
        let cached = self.cached().clone();
        if let Some(cached) = cached {
            return cached;
        }
        // A file is only written if the keychain is unavailable.
        let key = match read_file(&self.0.file) {
            Some(stored) => Some(stored.into_key(KeyLocation::File)),
            None => self.in_keychain(|entry| entry.get_password()).await.and_then(|text| {
                let stored: StoredKey = serde_json::from_str(&text).ok()?;
                Some(stored.into_key(KeyLocation::Keychain))
            }),
        };
        *self.cached() = Some(key.clone());
        key
    }

    /// Stores a key for the server of this origin, and replaces the previous one.
    ///
    /// # Errors
    /// If the environment sets the key, or the file cannot be written.
    pub async fn save(&self, key: String, origin: String) -> Result<(), Error> {
        self.ensure_writable()?;
        let stored = StoredKey { server: origin, key };
        let text = serde_json::to_string(&stored).expect("two strings");
        let copy = text.clone();
        let location = if self.in_keychain(move |entry| entry.set_password(&copy)).await.is_some() {
            remove(&self.0.file)?;
            KeyLocation::Keychain
        } else {
            write_private(&self.0.file, &text).map_err(|source| Error::File {
                action: "write",
                path: self.0.file.clone(),
                source,
            })?;
            KeyLocation::File
        };
        *self.cached() = Some(Some(stored.into_key(location)));
        Ok(())
    }

    /// Removes the stored key.
    ///
    /// # Errors
    /// If the environment sets the key, or the file cannot be removed.
    pub async fn remove(&self) -> Result<(), Error> {
        self.ensure_writable()?;
        // A missing entry is not an error.
        let _ = self.in_keychain(|entry| entry.delete_credential()).await;
        remove(&self.0.file)?;
        *self.cached() = Some(None);
        Ok(())
    }

    fn ensure_writable(&self) -> Result<(), Error> {
        if self.0.from_env.is_none() {
            return Ok(());
        }
        Err(Error::FixedByEnvironment)
    }

    /// Runs an operation on the keychain; `None` if the keychain is disabled, fails or times out.
    async fn in_keychain<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Entry) -> keyring::Result<T> + Send + 'static,
    ) -> Option<T> {
        let name = self.0.entry.clone()?;
        if KEYCHAIN_UNRESPONSIVE.load(Ordering::Relaxed) {
            return None;
        }
        let (done, result) = oneshot::channel();
        // A separate thread: keychains block, and a blocked one must not prevent the runtime from shutting down.
        let thread = std::thread::Builder::new().name("keychain".into());
        let open = move || Entry::new(SERVICE, &name).and_then(|entry| work(&entry));
        thread.spawn(move || done.send(open()).is_ok()).ok()?;
        match tokio::time::timeout(KEYCHAIN_TIMEOUT, result).await {
            Ok(Ok(Ok(value))) => Some(value),
            Ok(Ok(Err(keyring::Error::NoEntry))) => None,
            Ok(Ok(Err(error))) => {
                tracing::info!("the keychain cannot be used: {}", describe(&error));
                None
            }
            Ok(Err(_)) => None,
            Err(_) => {
                KEYCHAIN_UNRESPONSIVE.store(true, Ordering::Relaxed);
                tracing::warn!("the keychain does not respond; the remote server's API key is stored in a file");
                None
            }
        }
    }

    fn cached(&self) -> std::sync::MutexGuard<'_, Option<Option<Key>>> {
        self.0.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoredKey {
    fn into_key(self, location: KeyLocation) -> Key {
        Key { secret: self.key.into(), server: Some(self.server), location }
    }
}

fn read_file(file: &Path) -> Option<StoredKey> {
    serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()
}

fn remove(file: &Path) -> Result<(), Error> {
    remove_if_exists(file).map_err(|source| Error::File { action: "remove", path: file.to_owned(), source })
}

/// Describes a keychain error without its text, which may contain the key.
fn describe(error: &keyring::Error) -> &'static str {
    match error {
        keyring::Error::NoStorageAccess(_) => "it is locked or access was denied",
        keyring::Error::NoDefaultStore | keyring::Error::PlatformFailure(_) => "no keychain is available",
        _ => "the operation failed",
    }
}
