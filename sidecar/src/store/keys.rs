//! The table of API keys.

use super::{Store, id};
use crate::base::time::now;

/// A stored key.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The owner of the history that its requests belong to.
    pub owner: String,
    /// Names of permissions, separated by commas.
    pub permissions: String,
    /// `made`, `demo` or `installation`.
    pub kind: String,
    /// Its first characters, to tell it from others.
    pub hint: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Its expiry, in milliseconds since 1970.
    pub expires_at: Option<i64>,
    /// Its last use, to the minute, in milliseconds since 1970.
    pub last_used_at: Option<i64>,
}

/// A new key.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// The hash of the key, lower-case hex.
    pub hash: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The owner of the history that its requests belong to.
    pub owner: &'a str,
    /// Names of permissions, separated by commas.
    pub permissions: &'a str,
    /// `made`, `demo` or `installation`.
    pub kind: &'a str,
    /// Its first characters, to tell it from others.
    pub hint: &'a str,
    /// Its expiry, in milliseconds since 1970; `None` for never.
    pub expires_at: Option<i64>,
}

impl Store {
    /// The key with this hash.
    pub(crate) async fn key(&self, hash: &str) -> sqlx::Result<Option<StoredKey>> {
        sqlx::query_as!(
            StoredKey,
            "SELECT id, name, owner, permissions, kind, hint, created_at, expires_at, last_used_at FROM keys WHERE hash = ?",
            hash
        )
        .fetch_optional(&self.pool)
        .await
    }

    /// All keys, newest first.
    pub(crate) async fn keys(&self) -> sqlx::Result<Vec<StoredKey>> {
        sqlx::query_as!(
            StoredKey,
            "SELECT id, name, owner, permissions, kind, hint, created_at, expires_at, last_used_at FROM keys ORDER BY id DESC"
        )
        .fetch_all(&self.pool)
        .await
    }

    /// The number of keys besides the installation's own.
    pub(crate) async fn count_made_keys(&self) -> sqlx::Result<i64> {
        sqlx::query_scalar!("SELECT count(*) FROM keys WHERE kind <> 'installation'").fetch_one(&self.pool).await
    }

    /// Adds a key and returns it. An installation or demo key replaces the previous one.
    pub(crate) async fn add_key(&self, key: NewKey<'_>) -> sqlx::Result<StoredKey> {
        let (id, now) = (id(), now());
        let mut transaction = self.write().await?;
        if key.kind != "made" {
            sqlx::query!("DELETE FROM keys WHERE kind = ?", key.kind).execute(&mut *transaction).await?;
        }
        sqlx::query!(
            "INSERT INTO keys (id, hash, name, owner, permissions, kind, hint, created_at, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            id,
            key.hash,
            key.name,
            key.owner,
            key.permissions,
            key.kind,
            key.hint,
            now,
            key.expires_at
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let text = str::to_owned;
        Ok(StoredKey {
            id,
            name: text(key.name),
            owner: text(key.owner),
            permissions: text(key.permissions),
            kind: text(key.kind),
            hint: text(key.hint),
            created_at: now,
            expires_at: key.expires_at,
            last_used_at: None,
        })
    }

    /// Updates the last use of a key.
    pub(crate) async fn touch_key(&self, id: &str) -> sqlx::Result<()> {
        let now = now();
        sqlx::query!("UPDATE keys SET last_used_at = ? WHERE id = ?", now, id).execute(&self.pool).await?;
        Ok(())
    }

    /// The kind of the key with this id.
    pub(crate) async fn key_kind(&self, id: &str) -> sqlx::Result<Option<String>> {
        sqlx::query_scalar!("SELECT kind FROM keys WHERE id = ?", id).fetch_optional(&self.pool).await
    }

    /// Deletes a key, which revokes it immediately.
    pub(crate) async fn delete_key(&self, id: &str) -> sqlx::Result<()> {
        sqlx::query!("DELETE FROM keys WHERE id = ?", id).execute(&self.pool).await?;
        Ok(())
    }
}
