//! The table of feedback on answers.

use super::{Store, id};
use crate::base::time::now;

/// Feedback on an answer.
#[derive(Debug, Clone)]
pub struct Feedback {
    /// Its id.
    pub id: String,
    /// The message that it refers to, if any.
    pub message_id: Option<String>,
    /// `positive`, `negative`, `suggestion` or `bug`.
    pub kind: String,
    /// 1 to 5.
    pub rating: Option<i64>,
    /// The comment.
    pub comment: String,
    /// The code that it refers to.
    pub code_snippet: String,
    /// The question that it refers to.
    pub user_question: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// New feedback.
#[derive(Debug, Clone, Copy)]
pub struct NewFeedback<'a> {
    /// The message that it refers to, if any.
    pub message_id: Option<&'a str>,
    /// `positive`, `negative`, `suggestion` or `bug`.
    pub kind: &'a str,
    /// 1 to 5.
    pub rating: Option<i64>,
    /// The comment.
    pub comment: &'a str,
    /// The code that it refers to.
    pub code_snippet: &'a str,
    /// The question that it refers to.
    pub user_question: &'a str,
}

/// The number of feedback entries of one day.
#[derive(Debug, Clone)]
pub struct Day {
    /// Such as `2024-12-28`, UTC.
    pub date: String,
    /// The number of entries.
    pub count: i64,
}

impl Store {
    /// Stores feedback of `owner`, and returns its id and time. It replaces earlier feedback on the same message.
    pub(crate) async fn add_feedback(&self, owner: &str, new: NewFeedback<'_>) -> sqlx::Result<(String, i64)> {
        let (id, now) = (format!("fb_{}", id()), now());
        let mut transaction = self.write().await?;
        sqlx::query!("DELETE FROM feedback WHERE owner = ? AND message_id = ?", owner, new.message_id)
            .execute(&mut *transaction)
            .await?;
        sqlx::query!(
            "INSERT INTO feedback (id, owner, message_id, kind, rating, comment, code_snippet, user_question, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            id,
            owner,
            new.message_id,
            new.kind,
            new.rating,
            new.comment,
            new.code_snippet,
            new.user_question,
            now
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok((id, now))
    }

    /// Feedback of `owner`, newest first.
    pub(crate) async fn recent_feedback(&self, owner: &str, limit: i64) -> sqlx::Result<Vec<Feedback>> {
        sqlx::query_as!(
            Feedback,
            "SELECT id, message_id, kind, rating, comment, code_snippet, user_question, created_at FROM feedback
             WHERE owner = ? ORDER BY created_at DESC, id DESC LIMIT ?",
            owner,
            limit
        )
        .fetch_all(&self.pool)
        .await
    }

    /// The number of feedback entries of `owner` by kind.
    pub(crate) async fn feedback_by_kind(&self, owner: &str) -> sqlx::Result<Vec<(String, i64)>> {
        let rows = sqlx::query!(
            r#"SELECT kind, count(*) AS "count!: i64" FROM feedback WHERE owner = ? GROUP BY kind ORDER BY kind"#,
            owner
        );
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(|row| (row.kind, row.count)).collect())
    }

    /// The mean of the ratings of `owner`; `None` where there is none.
    pub(crate) async fn average_rating(&self, owner: &str) -> sqlx::Result<Option<f64>> {
        sqlx::query_scalar!(
            r#"SELECT avg(coalesce(rating, iif(kind = 'positive', 5, iif(kind = 'negative', 1, NULL)))) AS "average: f64"
               FROM feedback WHERE owner = ?"#,
            owner
        )
        .fetch_one(&self.pool)
        .await
    }

    /// The number of feedback entries of `owner` by day since this time, in milliseconds since 1970; days without any
    /// are left out.
    pub(crate) async fn feedback_by_day(&self, owner: &str, since: i64) -> sqlx::Result<Vec<Day>> {
        sqlx::query_as!(
            Day,
            r#"SELECT date(created_at / 1000, 'unixepoch') AS "date!: String", count(*) AS "count!: i64" FROM feedback
               WHERE owner = ? AND created_at >= ? GROUP BY 1 ORDER BY 1 DESC"#,
            owner,
            since
        )
        .fetch_all(&self.pool)
        .await
    }

    /// Deletes feedback of `owner`. `false` if there is none with this id.
    pub(crate) async fn delete_feedback(&self, owner: &str, id: &str) -> sqlx::Result<bool> {
        let done =
            sqlx::query!("DELETE FROM feedback WHERE owner = ? AND id = ?", owner, id).execute(&self.pool).await?;
        self.overwrite_deleted().await?;
        Ok(done.rows_affected() > 0)
    }
}
