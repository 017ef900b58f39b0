//! The history of an owner: pages of messages, single messages, and their deletion.

use super::messages::{Message, PER_MILLISECOND};
use super::{Store, search};

/// A query of the history.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Maximum number of messages.
    pub limit: i64,
    /// Number of newest messages to skip.
    pub offset: i64,
    /// All these words occur in the question or the answer, as parts of words too, case-insensitive.
    pub search: Option<String>,
    /// In this programming language.
    pub language: Option<String>,
    /// At or after this time, in milliseconds since 1970.
    pub from: Option<i64>,
    /// Before this time, in milliseconds since 1970.
    pub to: Option<i64>,
    /// With a rating in this range, 1 to 5.
    pub rated: Option<(i64, i64)>,
}

/// Joins the messages that a full-text expression finds.
const SEARCH_JOIN: &str = "INDEXED BY messages_heads ON heads.number = messages_text.rowid
                     WHERE messages_text MATCH ?1 AND messages_text.rowid >= ?2 AND messages_text.rowid < ?3
                       AND heads.owner = ?4 AND (?5 IS NULL OR heads.language = ?5)";

/// Joins the latest rating of each message. Only queries by rating use it, since others are faster without it.
const RATED_JOIN: &str =
    "AND (SELECT coalesce(rating, iif(feedback.kind = 'positive', 5, iif(feedback.kind = 'negative', 1, NULL))) FROM feedback
                      WHERE message_id = heads.id ORDER BY feedback.id DESC LIMIT 1) BETWEEN ?8 AND ?9";

impl Query {
    /// The number of the first message, and of the one after the last.
    fn id_range(&self) -> (i64, i64) {
        let number = |time: i64| time.saturating_mul(PER_MILLISECOND);
        (self.from.map_or(i64::MIN, number), self.to.map_or(i64::MAX, number))
    }
}

impl Store {
    /// A page of the history of `owner`, newest first, and the number of all messages that the query finds.
    pub(crate) async fn history(&self, owner: &str, query: &Query) -> sqlx::Result<(Vec<Message>, i64)> {
        let (numbers, total) = match &query.search {
            None if query.rated.is_some() => {
                tokio::try_join!(self.rated_page(owner, query), self.count_rated_page(owner, query))?
            }
            None => tokio::try_join!(self.page(owner, query), self.count_page(owner, query))?,
            Some(words) => match search::expression(&self.pool, words).await? {
                Some(expression) => tokio::try_join!(
                    self.search_page(owner, query, &expression),
                    self.count_search_page(owner, query, &expression)
                )?,
                None => (Vec::new(), 0),
            },
        };
        let mut messages = Vec::with_capacity(numbers.len());
        for number in numbers {
            // One of them may have been deleted meanwhile.
            messages.extend(self.message_by_number(number).await?);
        }
        Ok((messages, total))
    }

    async fn page(&self, owner: &str, query: &Query) -> sqlx::Result<Vec<i64>> {
        let (from, to) = query.id_range();
        sqlx::query_scalar!(
            "SELECT number FROM messages
             WHERE owner = ?1 AND number >= ?2 AND number < ?3 AND (?4 IS NULL OR language = ?4)
             ORDER BY number DESC LIMIT ?5 OFFSET ?6",
            owner,
            from,
            to,
            query.language,
            query.limit,
            query.offset
        )
        .fetch_all(&self.pool)
        .await
    }

    async fn count_page(&self, owner: &str, query: &Query) -> sqlx::Result<i64> {
        if query.from.is_none() && query.to.is_none() {
            return sqlx::query_scalar!(
                r#"SELECT coalesce(sum(messages), 0) AS "count!: i64" FROM message_counts
                   WHERE owner = ?1 AND (?2 IS NULL OR language = ?2)"#,
                owner,
                query.language
            )
            .fetch_one(&self.pool)
            .await;
        }
        let (from, to) = query.id_range();
        sqlx::query_scalar!(
            "SELECT count(*) FROM messages
             WHERE owner = ?1 AND number >= ?2 AND number < ?3 AND (?4 IS NULL OR language = ?4)",
            owner,
            from,
            to,
            query.language
        )
        .fetch_one(&self.pool)
        .await
    }

    /// A page by rating. It starts from the table of feedback, which is small.
    async fn rated_page(&self, owner: &str, query: &Query) -> sqlx::Result<Vec<i64>> {
        let (from, to) = query.id_range();
        let (worst, best) = query.rated.unwrap_or((1, 5));
        sqlx::query_scalar!(
            r#"SELECT heads.number AS "number!" FROM feedback JOIN messages AS heads ON heads.id = feedback.message_id
               WHERE feedback.owner = ?1 AND heads.owner = ?1 AND heads.number >= ?2 AND heads.number < ?3
                 AND (?4 IS NULL OR heads.language = ?4)
                 AND coalesce(rating, iif(feedback.kind = 'positive', 5, iif(feedback.kind = 'negative', 1, NULL))) BETWEEN ?5 AND ?6
               ORDER BY heads.number DESC LIMIT ?7 OFFSET ?8"#,
            owner,
            from,
            to,
            query.language,
            worst,
            best,
            query.limit,
            query.offset
        )
        .fetch_all(&self.pool)
        .await
    }

    async fn count_rated_page(&self, owner: &str, query: &Query) -> sqlx::Result<i64> {
        let (from, to) = query.id_range();
        let (worst, best) = query.rated.unwrap_or((1, 5));
        sqlx::query_scalar!(
            "SELECT count(*) FROM feedback JOIN messages AS heads ON heads.id = feedback.message_id
             WHERE feedback.owner = ?1 AND heads.owner = ?1 AND heads.number >= ?2 AND heads.number < ?3
               AND (?4 IS NULL OR heads.language = ?4)
               AND coalesce(rating, iif(feedback.kind = 'positive', 5, iif(feedback.kind = 'negative', 1, NULL))) BETWEEN ?5 AND ?6",
            owner,
            from,
            to,
            query.language,
            worst,
            best
        )
        .fetch_one(&self.pool)
        .await
    }

    async fn search_page(&self, owner: &str, query: &Query, expression: &str) -> sqlx::Result<Vec<i64>> {
        let (from, to) = query.id_range();
        let rated = query.rated.map_or("", |_| RATED_JOIN);
        let (worst, best) = query.rated.unwrap_or_default();
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "SELECT heads.number FROM messages_text CROSS JOIN messages AS heads {SEARCH_JOIN} {rated}
             ORDER BY messages_text.rowid DESC LIMIT ?6 OFFSET ?7",
        )))
        .bind(expression)
        .bind(from)
        .bind(to)
        .bind(owner)
        .bind(&query.language)
        .bind(query.limit)
        .bind(query.offset)
        .bind(worst)
        .bind(best)
        .fetch_all(&self.pool)
        .await
    }

    async fn count_search_page(&self, owner: &str, query: &Query, expression: &str) -> sqlx::Result<i64> {
        let (from, to) = query.id_range();
        let rated = query.rated.map_or("", |_| RATED_JOIN);
        let (worst, best) = query.rated.unwrap_or_default();
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "SELECT count(*) FROM messages_text CROSS JOIN messages AS heads {SEARCH_JOIN} {rated}",
        )))
        .bind(expression)
        .bind(from)
        .bind(to)
        .bind(owner)
        .bind(&query.language)
        .bind(query.limit)
        .bind(query.offset)
        .bind(worst)
        .bind(best)
        .fetch_one(&self.pool)
        .await
    }

    async fn message_by_number(&self, number: i64) -> sqlx::Result<Option<Message>> {
        sqlx::query_as!(
            Message,
            r#"SELECT id, conversation_id, question, code_context, language, answer, generated_code, explanation, finish, model,
                      backend, prompt_tokens, completion_tokens, duration_ms, tokens_per_second, created_at, superseded AS "superseded: bool",
                      (SELECT coalesce(rating, iif(feedback.kind = 'positive', 5, iif(feedback.kind = 'negative', 1, NULL))) FROM feedback
                       WHERE message_id = messages.id ORDER BY feedback.id DESC LIMIT 1) AS "rating: i64", parent, kind, files, dropped,
                      (SELECT group_concat(id) FROM (SELECT version.id FROM messages AS version
                       WHERE version.conversation_id = messages.conversation_id AND version.parent IS messages.parent
                       ORDER BY version.number)) AS "versions!: String"
               FROM messages WHERE number = ?"#,
            number
        )
        .fetch_optional(&self.pool)
        .await
    }

    /// One message of `owner`.
    pub(crate) async fn message(&self, owner: &str, id: &str) -> sqlx::Result<Option<Message>> {
        let number = sqlx::query_scalar!("SELECT number FROM messages WHERE owner = ? AND id = ?", owner, id);
        match number.fetch_optional(&self.pool).await? {
            Some(number) => self.message_by_number(number).await,
            None => Ok(None),
        }
    }

    /// The oldest messages of `owner`, or of one conversation, with numbers above `after`, each with its number; for
    /// reading all of them in pages.
    pub(crate) async fn messages_after(
        &self,
        owner: &str,
        conversation: Option<&str>,
        after: i64,
        limit: i64,
    ) -> sqlx::Result<Vec<(i64, Message)>> {
        let numbers = match conversation {
            None => {
                let all = sqlx::query_scalar!(
                    "SELECT number FROM messages WHERE owner = ? AND number > ? ORDER BY number LIMIT ?",
                    owner,
                    after,
                    limit
                );
                all.fetch_all(&self.pool).await?
            }
            Some(conversation) => {
                let of_one = sqlx::query_scalar!(
                    "SELECT number FROM messages WHERE conversation_id = ? AND owner = ? AND number > ? ORDER BY number LIMIT ?",
                    conversation,
                    owner,
                    after,
                    limit
                );
                of_one.fetch_all(&self.pool).await?
            }
        };
        let mut messages = Vec::new();
        for number in numbers {
            messages.extend(self.message_by_number(number).await?.map(|message| (number, message)));
        }
        Ok(messages)
    }

    /// Deletes one message of `owner`, and its conversation if it was the last one. `false` if there is none with this
    /// id.
    pub(crate) async fn delete_message(&self, owner: &str, id: &str) -> sqlx::Result<bool> {
        let mut transaction = self.write().await?;
        let deleted = sqlx::query!(
            "DELETE FROM messages WHERE owner = ? AND id = ? RETURNING conversation_id, parent",
            owner,
            id
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(deleted) = deleted else { return Ok(false) };
        let conversation = deleted.conversation_id;
        // The messages that followed it get its predecessor as their parent.
        sqlx::query!(
            "UPDATE messages SET parent = ?1 WHERE conversation_id = ?2 AND parent = ?3",
            deleted.parent,
            conversation,
            id
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "DELETE FROM conversations WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM messages WHERE conversation_id = ?1)",
            conversation
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.overwrite_deleted().await?;
        Ok(true)
    }

    /// Deletes all messages and conversations of `owner`, and returns the number of messages.
    pub(crate) async fn delete_history(&self, owner: &str) -> sqlx::Result<u64> {
        let mut transaction = self.write().await?;
        let deleted = sqlx::query!("DELETE FROM messages WHERE owner = ?", owner)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        sqlx::query!("DELETE FROM conversations WHERE owner = ?", owner).execute(&mut *transaction).await?;
        transaction.commit().await?;
        self.overwrite_deleted().await?;
        Ok(deleted)
    }

    /// Deletes all messages from before this time, in milliseconds since 1970, and conversations that are empty then.
    pub(crate) async fn prune_history(&self, before: i64) -> sqlx::Result<u64> {
        let number = before.saturating_mul(PER_MILLISECOND);
        let mut transaction = self.write().await?;
        let deleted = sqlx::query!("DELETE FROM messages WHERE number < ? AND finish IS NOT NULL", number)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        sqlx::query!(
            "DELETE FROM conversations WHERE updated_at < ?
             AND NOT EXISTS (SELECT 1 FROM messages WHERE conversation_id = conversations.id)",
            before
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        if deleted > 0 {
            self.overwrite_deleted().await?;
        }
        Ok(deleted)
    }

    /// Overwrites deleted data that may still be in the write-ahead log.
    pub(super) async fn overwrite_deleted(&self) -> sqlx::Result<()> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await.map(|_| ())
    }
}
