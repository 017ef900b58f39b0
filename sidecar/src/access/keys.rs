//! API keys: their permissions, how they are created and checked, and the caller that a key identifies.

mod secret;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

pub use self::secret::{Key, Pepper, load_or_create_key};
use crate::base::time::now;
use crate::config::Config;
use crate::store::{self, NewKey, Store, StoredKey};

/// Why a key is not accepted, or could not be created or revoked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request has no key.
    #[error("no key was sent")]
    Missing,
    /// The key does not belong to this installation, or was revoked.
    #[error("the key is unknown")]
    Unknown,
    /// The key has expired.
    #[error("the key has expired")]
    Expired,
    /// The key lacks a permission.
    #[error("the key lacks the permission {0}")]
    Forbidden(Permission),
    /// There is no key with this id.
    #[error("there is no such key")]
    NotFound,
    /// A key for another user was requested by a key that may not create one.
    #[error("a key can be created for the own user only")]
    ForeignUser,
    /// A demo key was requested outside development.
    #[error("a demo key needs ENVIRONMENT=development")]
    DemoNotAllowed,
    /// There are as many keys as are allowed.
    #[error("there are {MAX_KEYS} keys already")]
    TooMany,
    /// The installation's own key cannot be revoked.
    #[error("the installation's own key cannot be revoked")]
    InstallationKey,
    /// A key file could not be read or written.
    #[error("could not {action} the key file `{}`", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The system has no randomness.
    #[error("could not generate a key")]
    Random(#[from] getrandom::Error),
    /// The database failed.
    #[error("the keys could not be read or written")]
    Store(#[from] store::Error),
}

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Generate and check code.
    CodeGeneration,
    /// Complete code at the cursor.
    CodeCompletion,
    /// Give feedback on answers.
    Feedback,
    /// Read and delete the owner's history.
    History,
    /// Administer the installation: change and show everything that concerns it.
    Admin,
}

impl Permission {
    /// All permissions: those of the window and of the installation's own key.
    pub const ALL: [Self; 5] = [Self::CodeGeneration, Self::CodeCompletion, Self::Feedback, Self::History, Self::Admin];

    /// The default permissions of a new key: all but administration.
    pub const DEFAULT: [Self; 4] = [Self::CodeGeneration, Self::CodeCompletion, Self::Feedback, Self::History];

    /// Its name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CodeGeneration => "code_generation",
            Self::CodeCompletion => "code_completion",
            Self::Feedback => "feedback",
            Self::History => "history",
            Self::Admin => "admin",
        }
    }

    /// Parses a list of permission names as it is stored.
    #[must_use]
    pub fn parse_list(names: &str) -> Vec<Self> {
        let named = |permission: &Self| names.split(',').any(|name| name == permission.as_str());
        Self::ALL.into_iter().filter(named).collect()
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The owner of what the window, the command line and the installation's own key send.
pub const LOCAL_OWNER: &str = "local";

/// Maximum number of keys besides the installation's own.
pub const MAX_KEYS: i64 = 1000;

/// Minimum interval between two updates of a key's last use.
const TOUCH_INTERVAL: Duration = Duration::from_secs(60);

/// The authenticated sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The owner of the history that the request belongs to.
    pub owner: String,
    /// Its permissions.
    pub permissions: Vec<Permission>,
    /// The id of the key, if rate limits apply to it; absent for the app's own keys.
    pub limited: Option<String>,
}

impl Caller {
    fn local() -> Self {
        Self { owner: LOCAL_OWNER.into(), permissions: Permission::ALL.to_vec(), limited: None }
    }

    /// `Ok` if the caller has `permission`.
    ///
    /// # Errors
    /// [`Error::Forbidden`] otherwise.
    pub fn require(&self, permission: Permission) -> Result<(), Error> {
        if self.permissions.contains(&permission) { Ok(()) } else { Err(Error::Forbidden(permission)) }
    }
}

/// A request for a new key.
#[derive(Debug, Clone)]
pub struct NewKeyRequest {
    /// Its name.
    pub name: String,
    /// Its permissions.
    pub permissions: Vec<Permission>,
    /// Days until it expires; the default lifetime if absent.
    pub days: Option<u32>,
    /// The owner of the history that its requests belong to; the creator if absent.
    pub user: Option<String>,
    /// Whether it is the demo key, which replaces the previous one.
    pub demo: bool,
}

/// The keys that are accepted: those in the store, and the window's key of this launch.
#[derive(Debug, Clone)]
pub struct Keys {
    store: Store,
    pepper: Pepper,
    window: Option<String>,
    demo_allowed: bool,
    default_days: u32,
}

impl Keys {
    /// `window` is the key that the desktop app gave this process, if it started it.
    #[must_use]
    pub fn new(store: Store, pepper: Pepper, config: &Config, window: Option<&Key>) -> Self {
        let window = window.map(|key| pepper.hash(key));
        Self { store, pepper, window, demo_allowed: config.demo_key, default_days: config.api_key_expiry_days }
    }

    /// Identifies the caller by its key.
    ///
    /// # Errors
    /// When the key is missing, unknown, revoked or expired.
    pub async fn caller(&self, key: Option<&str>) -> Result<Caller, Error> {
        let key = key.ok_or(Error::Missing)?;
        let hash = self.pepper.hash(&Key::parse(key).ok_or(Error::Unknown)?);
        if self.window.as_ref().is_some_and(|window| bool::from(window.as_bytes().ct_eq(hash.as_bytes()))) {
            return Ok(Caller::local());
        }
        let found = self.store.key(&hash).await?.filter(|key| key.kind != "demo" || self.demo_allowed);
        let key = found.ok_or(Error::Unknown)?;
        if key.expires_at.is_some_and(|end| end <= now()) {
            return Err(Error::Expired);
        }
        self.touch(&key).await;
        let limited = (key.kind != "installation").then_some(key.id);
        Ok(Caller { owner: key.owner, permissions: Permission::parse_list(&key.permissions), limited })
    }

    async fn touch(&self, key: &StoredKey) {
        let due = key.last_used_at.is_none_or(|last| now() - last >= TOUCH_INTERVAL.as_millis() as i64);
        if due && let Err(error) = self.store.touch_key(&key.id).await {
            tracing::warn!(%error, "could not record the last use of a key: {error}");
        }
    }

    /// All keys, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<StoredKey>, Error> {
        Ok(self.store.keys().await?)
    }

    /// Creates a key on behalf of `maker`. The key itself is returned here and never again.
    ///
    /// # Errors
    /// When the creator lacks a permission, when demo keys are disabled, or when there are too many keys.
    pub async fn create(&self, maker: &Caller, request: NewKeyRequest) -> Result<(Key, StoredKey), Error> {
        for permission in &request.permissions {
            maker.require(*permission)?;
        }
        let owner = request.user.unwrap_or_else(|| maker.owner.clone());
        if owner != maker.owner && maker.owner != LOCAL_OWNER {
            return Err(Error::ForeignUser);
        }
        if request.demo && !self.demo_allowed {
            return Err(Error::DemoNotAllowed);
        }
        if self.store.count_made_keys().await? >= MAX_KEYS {
            return Err(Error::TooMany);
        }
        let key = Key::generate()?;
        let day = 24 * 60 * 60 * 1000;
        let expires_at = Some(now() + i64::from(request.days.unwrap_or(self.default_days)) * day);
        let kind = if request.demo { "demo" } else { "made" };
        let new =
            KeyProperties { name: &request.name, owner: &owner, permissions: &request.permissions, kind, expires_at };
        let stored = self.store_key(&key, new).await?;
        Ok((key, stored))
    }

    /// Revokes a key. This takes effect immediately.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no key has this id, and a conflict for the installation's own key.
    pub async fn revoke(&self, id: &str) -> Result<(), Error> {
        match self.store.key_kind(id).await?.as_deref() {
            None => Err(Error::NotFound),
            Some("installation") => Err(Error::InstallationKey),
            Some(_) => Ok(self.store.delete_key(id).await?),
        }
    }

    /// Registers `key` as the only key of the installation itself.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn accept_installation_key(&self, key: &Key) -> Result<(), Error> {
        let stored = self.store.key(&self.pepper.hash(key)).await?;
        if stored.is_none_or(|stored| stored.kind != "installation") {
            let (name, permissions, kind) = ("installation", &Permission::ALL, "installation");
            self.store_key(key, KeyProperties { name, owner: LOCAL_OWNER, permissions, kind, expires_at: None })
                .await?;
        }
        Ok(())
    }

    /// Whether there is a valid key besides the installation's own and the demo key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_external_keys(&self) -> Result<bool, Error> {
        let lives = |key: &StoredKey| key.kind == "made" && key.expires_at.is_none_or(|end| end > now());
        Ok(self.store.keys().await?.iter().any(lives))
    }

    async fn store_key(&self, key: &Key, facts: KeyProperties<'_>) -> Result<StoredKey, Error> {
        let names: Vec<&str> = facts.permissions.iter().map(|permission| permission.as_str()).collect();
        let (hash, permissions, hint) = (self.pepper.hash(key), names.join(","), key.hint());
        let KeyProperties { name, owner, kind, expires_at, .. } = facts;
        let new = NewKey { hash: &hash, name, owner, permissions: &permissions, kind, hint: &hint, expires_at };
        Ok(self.store.add_key(new).await?)
    }
}

/// The row of a new key.
struct KeyProperties<'a> {
    name: &'a str,
    owner: &'a str,
    permissions: &'a [Permission],
    kind: &'a str,
    expires_at: Option<i64>,
}
