//! The table of conversations.

use super::{Store, id};
use crate::base::time::now;

/// A conversation, without its messages.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// The start of its first question.
    pub title: String,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub updated_at: i64,
    /// Messages of the current thread.
    pub message_count: i64,
}

impl Store {
    /// Creates a conversation and returns its id.
    pub(crate) async fn start_conversation(&self, owner: &str, title: &str) -> sqlx::Result<String> {
        let (id, now) = (id(), now());
        sqlx::query!(
            "INSERT INTO conversations (id, owner, title, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
            id,
            owner,
            title,
            now,
            now
        )
        .execute(&self.pool)
        .await?;
        Ok(id)
    }

    /// One conversation of `owner`.
    pub(crate) async fn conversation(&self, owner: &str, id: &str) -> sqlx::Result<Option<Conversation>> {
        sqlx::query_as!(
            Conversation,
            r#"SELECT id, title, pinned AS "pinned: bool", created_at, updated_at,
                      (SELECT count(*) FROM messages WHERE conversation_id = conversations.id AND superseded = 0) AS "message_count!: i64"
               FROM conversations WHERE owner = ? AND id = ?"#,
            owner,
            id
        )
        .fetch_optional(&self.pool)
        .await
    }

    /// Conversations of `owner`, pinned ones first, then the latest first; and their total number.
    pub(crate) async fn conversations(
        &self,
        owner: &str,
        limit: i64,
        offset: i64,
    ) -> sqlx::Result<(Vec<Conversation>, i64)> {
        let items = sqlx::query_as!(
            Conversation,
            r#"SELECT id, title, pinned AS "pinned: bool", created_at, updated_at,
                      (SELECT count(*) FROM messages WHERE conversation_id = conversations.id AND superseded = 0) AS "message_count!: i64"
               FROM conversations WHERE owner = ? ORDER BY pinned DESC, updated_at DESC, id DESC LIMIT ? OFFSET ?"#,
            owner,
            limit,
            offset
        )
        .fetch_all(&self.pool)
        .await?;
        let total = sqlx::query_scalar!("SELECT count(*) FROM conversations WHERE owner = ?", owner)
            .fetch_one(&self.pool)
            .await?;
        Ok((items, total))
    }

    /// Renames or pins a conversation. `false` if `owner` has no conversation with this id.
    pub(crate) async fn change_conversation(
        &self,
        owner: &str,
        id: &str,
        title: Option<&str>,
        pinned: Option<bool>,
    ) -> sqlx::Result<bool> {
        let done = sqlx::query!(
            "UPDATE conversations SET title = coalesce(?1, title), pinned = coalesce(?2, pinned) WHERE owner = ?3 AND id = ?4",
            title,
            pinned,
            owner,
            id
        );
        Ok(done.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Deletes a conversation with all its messages. `false` if `owner` has no conversation with this id.
    pub(crate) async fn delete_conversation(&self, owner: &str, id: &str) -> sqlx::Result<bool> {
        let done =
            sqlx::query!("DELETE FROM conversations WHERE owner = ? AND id = ?", owner, id).execute(&self.pool).await?;
        self.overwrite_deleted().await?;
        Ok(done.rows_affected() > 0)
    }
}
