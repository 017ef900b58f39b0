//! The table of keys.

use super::{Store, id, now};

/// A key as the store knows it.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// Whose history its requests belong to.
    pub owner: String,
    /// Names of permissions, separated by commas.
    pub permissions: String,
    /// When it ends, in milliseconds since 1970.
    pub expires_at: Option<i64>,
    /// When it was revoked, in milliseconds since 1970.
    pub revoked_at: Option<i64>,
}

/// A key to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// SHA-256 of the whole key, lower-case hex.
    pub hash: &'a str,
    /// What its owner calls it.
    pub name: &'a str,
    /// Whose history its requests belong to.
    pub owner: &'a str,
    /// Names of permissions, separated by commas.
    pub permissions: &'a str,
    /// When it ends, in milliseconds since 1970; never, if absent.
    pub expires_at: Option<i64>,
}

impl Store {
    /// The key with this hash.
    pub(crate) async fn key(&self, hash: &str) -> sqlx::Result<Option<StoredKey>> {
        sqlx::query_as!(StoredKey, "SELECT owner, permissions, expires_at, revoked_at FROM keys WHERE hash = ?", hash)
            .fetch_optional(&self.pool)
            .await
    }

    /// Adds a key. One that is there already stays as it is.
    pub(crate) async fn add_key(&self, key: NewKey<'_>) -> sqlx::Result<()> {
        let (id, now) = (id(), now());
        sqlx::query!(
            "INSERT INTO keys (id, hash, name, owner, permissions, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (hash) DO NOTHING",
            id,
            key.hash,
            key.name,
            key.owner,
            key.permissions,
            now,
            key.expires_at
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
