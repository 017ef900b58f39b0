//! The table of keys.

use super::{Store, id};
use crate::base::time::now;

/// A key as the store knows it.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Whose history its requests belong to.
    pub owner: String,
    /// Names of permissions, separated by commas.
    pub permissions: String,
    /// `made`, `demo` or `installation`.
    pub kind: String,
    /// Its first characters, to tell it from others.
    pub hint: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// When it ends, in milliseconds since 1970.
    pub expires_at: Option<i64>,
    /// When it was last used, to the minute, in milliseconds since 1970.
    pub last_used_at: Option<i64>,
}

/// A key to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// What is kept of the key, lower-case hex.
    pub hash: &'a str,
    /// What its owner calls it.
    pub name: &'a str,
    /// Whose history its requests belong to.
    pub owner: &'a str,
    /// Names of permissions, separated by commas.
    pub permissions: &'a str,
    /// `made`, `demo` or `installation`.
    pub kind: &'a str,
    /// Its first characters, to tell it from others.
    pub hint: &'a str,
    /// When it ends, in milliseconds since 1970; never, if absent.
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

    /// All keys, the latest first.
    pub(crate) async fn keys(&self) -> sqlx::Result<Vec<StoredKey>> {
        sqlx::query_as!(
            StoredKey,
            "SELECT id, name, owner, permissions, kind, hint, created_at, expires_at, last_used_at FROM keys ORDER BY id DESC"
        )
        .fetch_all(&self.pool)
        .await
    }

    /// How many keys there are beside the installation's own.
    pub(crate) async fn count_made_keys(&self) -> sqlx::Result<i64> {
        sqlx::query_scalar!("SELECT count(*) FROM keys WHERE kind <> 'installation'").fetch_one(&self.pool).await
    }

    /// Adds a key and gives it back. An installation or demo key takes the place of the one before.
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

    /// Notes that a key was used now.
    pub(crate) async fn note_key_used(&self, id: &str) -> sqlx::Result<()> {
        let now = now();
        sqlx::query!("UPDATE keys SET last_used_at = ? WHERE id = ?", now, id).execute(&self.pool).await?;
        Ok(())
    }

    /// The kind of the key with this id.
    pub(crate) async fn key_kind(&self, id: &str) -> sqlx::Result<Option<String>> {
        sqlx::query_scalar!("SELECT kind FROM keys WHERE id = ?", id).fetch_optional(&self.pool).await
    }

    /// Deletes a key, which opens nothing from now on.
    pub(crate) async fn delete_key(&self, id: &str) -> sqlx::Result<()> {
        sqlx::query!("DELETE FROM keys WHERE id = ?", id).execute(&self.pool).await?;
        Ok(())
    }
}
