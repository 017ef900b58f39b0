//! The table of messages: each question with its answer.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use utoipa::ToSchema;

use super::{Store, id, now};

/// Messages that can be told apart within a millisecond.
pub(super) const PER_MILLISECOND: i64 = 1000;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model had said all.
    Stop,
    /// The token limit or the context was used up.
    Length,
    /// The caller left, or pressed stop.
    Cancelled,
    /// HAPA ended in the middle of the answer.
    Interrupted,
    /// The model failed in the middle of the answer.
    Failed,
}

impl Finish {
    /// The word in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// A question with its answer, as far as it has come.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The conversation it belongs to.
    pub conversation_id: String,
    /// What was asked.
    pub question: String,
    /// The code it was about.
    pub code_context: Option<String>,
    /// The programming language asked for.
    pub language: String,
    /// The whole answer, markdown.
    pub answer: String,
    /// The code in it.
    pub generated_code: String,
    /// The rest of it.
    pub explanation: String,
    /// How it ended, as in [`Finish::as_str`]; absent while the model works.
    pub finish: Option<String>,
    /// The model that answered.
    pub model: String,
    /// Where it ran: `local` or `remote`.
    pub backend: String,
    /// Tokens of the prompt.
    pub prompt_tokens: i64,
    /// Tokens of the answer.
    pub completion_tokens: i64,
    /// From question to last token, in milliseconds.
    pub duration_ms: i64,
    /// Speed of the answer once it had begun.
    pub tokens_per_second: Option<f64>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Whether a later version of the question took its place in the thread.
    pub superseded: bool,
    /// What somebody thought of it, 1 to 5.
    pub rating: Option<i64>,
}

/// A question that was just accepted.
#[derive(Debug, Clone, Copy)]
pub struct NewMessage<'a> {
    /// The conversation it belongs to.
    pub conversation_id: &'a str,
    /// Whose history it belongs to.
    pub owner: &'a str,
    /// What is asked.
    pub question: &'a str,
    /// The code it is about.
    pub code_context: Option<&'a str>,
    /// The programming language asked for.
    pub language: &'a str,
    /// The model that answers.
    pub model: &'a str,
    /// Where it runs.
    pub backend: &'a str,
    /// The message whose place it takes; that one and all after it leave the thread.
    pub replaces: Option<&'a str>,
}

/// What is known of an answer: while it grows, and at its end.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The whole answer so far.
    pub answer: String,
    /// The code in it.
    pub generated_code: String,
    /// The rest of it.
    pub explanation: String,
    /// How it ended, if it has.
    pub finish: Option<Finish>,
    /// Tokens of the prompt.
    pub prompt_tokens: i64,
    /// Tokens of the answer.
    pub completion_tokens: i64,
    /// Milliseconds since the question.
    pub duration_ms: i64,
    /// Speed of the answer once it had begun.
    pub tokens_per_second: Option<f64>,
}

/// What all answers together cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenTotals {
    /// Tokens of prompts.
    pub prompt: i64,
    /// Tokens of answers.
    pub completion: i64,
    /// Mean speed of the latest 100 answers, in tokens per second.
    pub speed: Option<f64>,
}

impl Store {
    /// Keeps a question before anything is answered, and gives back the message's id.
    pub(crate) async fn add_message(&self, new: NewMessage<'_>) -> sqlx::Result<String> {
        let (id, now) = (id(), now());
        let mut transaction = self.write().await?;
        if let Some(replaced) = new.replaces {
            sqlx::query!(
                "UPDATE messages SET superseded = 1
                 WHERE conversation_id = ?1 AND number >= (SELECT number FROM messages WHERE id = ?2)",
                new.conversation_id,
                replaced
            )
            .execute(&mut *transaction)
            .await?;
        }
        let number = number(&mut transaction, now).await?;
        sqlx::query!(
            "INSERT INTO messages (number, id, conversation_id, owner, question, code_context, language, model, backend, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            number,
            id,
            new.conversation_id,
            new.owner,
            new.question,
            new.code_context,
            new.language,
            new.model,
            new.backend,
            now
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!("UPDATE conversations SET updated_at = ? WHERE id = ?", now, new.conversation_id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Keeps what has come of an answer.
    pub(crate) async fn update_message(&self, id: &str, progress: &Progress) -> sqlx::Result<()> {
        let finish = progress.finish.map(Finish::as_str);
        sqlx::query!(
            "UPDATE messages SET answer = ?, generated_code = ?, explanation = ?, finish = ?, prompt_tokens = ?,
                    completion_tokens = ?, duration_ms = ?, tokens_per_second = ? WHERE id = ?",
            progress.answer,
            progress.generated_code,
            progress.explanation,
            finish,
            progress.prompt_tokens,
            progress.completion_tokens,
            progress.duration_ms,
            progress.tokens_per_second,
            id
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What all answers together cost.
    pub(crate) async fn token_totals(&self) -> sqlx::Result<TokenTotals> {
        sqlx::query_as!(
            TokenTotals,
            r#"SELECT coalesce(sum(prompt_tokens), 0) AS "prompt!: i64", coalesce(sum(completion_tokens), 0) AS "completion!: i64",
                      (SELECT avg(tokens_per_second) FROM (SELECT tokens_per_second FROM messages
                       WHERE tokens_per_second IS NOT NULL ORDER BY number DESC LIMIT 100)) AS "speed: f64"
               FROM messages"#
        )
        .fetch_one(&self.pool)
        .await
    }

    /// The newest messages of a conversation's thread, at most `limit` of them and all before the message `before`, if one is
    /// named; oldest first.
    pub(crate) async fn thread(
        &self,
        conversation_id: &str,
        before: Option<&str>,
        limit: i64,
    ) -> sqlx::Result<Vec<Message>> {
        let mut messages = sqlx::query_as!(
            Message,
            r#"SELECT id, conversation_id, question, code_context, language, answer, generated_code, explanation, finish, model,
                      backend, prompt_tokens, completion_tokens, duration_ms, tokens_per_second, created_at, superseded AS "superseded: bool",
                      (SELECT coalesce(rating, iif(kind = 'positive', 5, iif(kind = 'negative', 1, NULL))) FROM feedback
                       WHERE message_id = messages.id ORDER BY feedback.id DESC LIMIT 1) AS "rating: i64"
               FROM messages
               WHERE conversation_id = ?1 AND superseded = 0
                 AND (?2 IS NULL OR number < (SELECT number FROM messages WHERE id = ?2))
               ORDER BY number DESC LIMIT ?3"#,
            conversation_id,
            before,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        messages.reverse();
        Ok(messages)
    }

    /// Whether a message is part of a conversation's thread now.
    pub(crate) async fn in_thread(&self, conversation_id: &str, id: &str) -> sqlx::Result<bool> {
        let found = sqlx::query_scalar!(
            "SELECT 1 FROM messages WHERE conversation_id = ? AND id = ? AND superseded = 0",
            conversation_id,
            id
        );
        Ok(found.fetch_optional(&self.pool).await?.is_some())
    }
}

/// A number for a message of this time, in milliseconds since 1970: free, and after all others of the same millisecond.
pub(super) async fn number(connection: &mut SqliteConnection, time: i64) -> sqlx::Result<i64> {
    let mut first = time.saturating_mul(PER_MILLISECOND);
    loop {
        let end = first + PER_MILLISECOND;
        let latest =
            sqlx::query_scalar!("SELECT max(number) FROM messages WHERE number >= ? AND number < ?", first, end)
                .fetch_one(&mut *connection)
                .await?;
        match latest {
            None => return Ok(first),
            Some(latest) if latest + 1 < end => return Ok(latest + 1),
            Some(_) => first = end,
        }
    }
}
