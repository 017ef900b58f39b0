//! The table of messages: each question with its answer.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use utoipa::ToSchema;

use super::writer::Task;
use super::{Store, id};

/// Maximum number of messages per millisecond.
pub(super) const PER_MILLISECOND: i64 = 1000;

/// The finish reason of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model stopped by itself.
    Stop,
    /// The token limit or the context size was reached.
    Length,
    /// The client disconnected or cancelled.
    Cancelled,
    /// HAPA was shut down, or crashed, in the middle of the answer.
    Interrupted,
    /// The model failed in the middle of the answer.
    Failed,
}

impl Finish {
    /// Its name in the database and the API.
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

/// A question with its answer, complete or partial.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The conversation it belongs to.
    pub conversation_id: String,
    /// The question.
    pub question: String,
    /// The code of the question.
    pub code_context: Option<String>,
    /// The requested programming language.
    pub language: String,
    /// The answer, markdown.
    pub answer: String,
    /// The code in it.
    pub generated_code: String,
    /// The rest of it.
    pub explanation: String,
    /// The finish reason, as in [`Finish::as_str`]; `None` while the answer is generated.
    pub finish: Option<String>,
    /// The model that answered.
    pub model: String,
    /// The backend of that model: `local` or `remote`.
    pub backend: String,
    /// Tokens of the prompt.
    pub prompt_tokens: i64,
    /// Tokens of the answer.
    pub completion_tokens: i64,
    /// From the question to the last token, in milliseconds.
    pub duration_ms: i64,
    /// Decode speed, in tokens per second.
    pub tokens_per_second: Option<f64>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Whether another version of the question has replaced it in the thread.
    pub superseded: bool,
    /// The rating, 1 to 5.
    pub rating: Option<i64>,
    /// The message that precedes it.
    pub parent: Option<String>,
    /// The task, by its name in the API.
    pub kind: String,
    /// The files of the question, JSON as in the API.
    pub files: Option<String>,
    /// Earlier messages that were left out of the prompt.
    pub dropped: i64,
    /// The ids of all versions of the question, its own included, oldest first and separated by commas.
    pub versions: String,
}

/// A question that was just accepted.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The conversation that it belongs to.
    pub conversation: ConversationRef,
    /// The owner of the history.
    pub owner: String,
    /// The question.
    pub question: String,
    /// The task, by its name in the API.
    pub kind: &'static str,
    /// The code of the question.
    pub code_context: Option<String>,
    /// The files of the question, JSON as in the API.
    pub files: Option<String>,
    /// The requested programming language.
    pub language: String,
    /// The model that answers.
    pub model: String,
    /// The backend of that model.
    pub backend: &'static str,
    /// The answer, if it was cached.
    pub answer: Option<Progress>,
}

/// The conversation of a new question.
#[derive(Debug, Clone)]
pub enum ConversationRef {
    /// A new one.
    New {
        /// Its title.
        title: String,
    },
    /// An existing one.
    Existing {
        /// Its id.
        id: String,
        /// The message that the question is a new version of; that one and all after it leave the thread.
        replaces: Option<String>,
    },
}

/// The state of an answer, partial or complete.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The answer so far, markdown.
    pub answer: String,
    /// The code in it.
    pub generated_code: String,
    /// The rest of it.
    pub explanation: String,
    /// The finish reason, once it has one.
    pub finish: Option<Finish>,
    /// Tokens of the prompt.
    pub prompt_tokens: i64,
    /// Tokens of the answer.
    pub completion_tokens: i64,
    /// Milliseconds since the question.
    pub duration_ms: i64,
    /// Decode speed, in tokens per second.
    pub tokens_per_second: Option<f64>,
    /// Earlier messages that were left out of the prompt.
    pub dropped: i64,
}

/// Totals over all answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenTotals {
    /// Tokens of prompts.
    pub prompt: i64,
    /// Tokens of answers.
    pub completion: i64,
    /// Mean decode speed of the latest 100 answers, in tokens per second.
    pub speed: Option<f64>,
}

impl Store {
    /// Stores a question, with its answer if there is one, and returns the ids of conversation and message.
    pub(crate) async fn add_message(&self, message: NewMessage) -> sqlx::Result<(String, String)> {
        let message_id = id();
        let conversation_id = match &message.conversation {
            ConversationRef::New { .. } => id(),
            ConversationRef::Existing { id, .. } => id.clone(),
        };
        let ids = (conversation_id.clone(), message_id.clone());
        self.writer.write(Task::Add { message: Box::new(message), id: message_id, conversation_id }).await?;
        Ok(ids)
    }

    /// Stores the state of an answer.
    pub(crate) async fn update_message(&self, id: &str, progress: Progress) -> sqlx::Result<()> {
        self.writer.write(Task::Update { id: id.to_owned(), progress }).await?;
        Ok(())
    }

    /// Totals over all answers.
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

    /// The newest messages of a conversation's thread, at most `limit`, and only those before the message `before` if
    /// one is given; oldest first.
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
                      (SELECT coalesce(rating, iif(feedback.kind = 'positive', 5, iif(feedback.kind = 'negative', 1, NULL))) FROM feedback
                       WHERE message_id = messages.id ORDER BY feedback.id DESC LIMIT 1) AS "rating: i64", parent, kind, files, dropped,
                      (SELECT group_concat(id) FROM (SELECT version.id FROM messages AS version
                       WHERE version.conversation_id = messages.conversation_id AND version.parent IS messages.parent
                       ORDER BY version.number)) AS "versions!: String"
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

    /// Switches the thread of a conversation to this message: its predecessors, it, and the latest messages that follow
    /// it. `false` if the conversation has no such message.
    pub(crate) async fn switch_thread(&self, conversation_id: &str, id: &str) -> sqlx::Result<bool> {
        let mut transaction = self.write().await?;
        let found =
            sqlx::query_scalar!("SELECT 1 FROM messages WHERE conversation_id = ? AND id = ?", conversation_id, id);
        if found.fetch_optional(&mut *transaction).await?.is_none() {
            return Ok(false);
        }
        // UNION, not UNION ALL: in an imported file, two messages may follow each other.
        sqlx::query!(
            "WITH RECURSIVE
               above (id) AS (
                 SELECT ?2
                 UNION SELECT parent FROM messages JOIN above USING (id) WHERE conversation_id = ?1),
               below (id) AS (
                 SELECT ?2
                 UNION SELECT (SELECT later.id FROM messages AS later WHERE later.conversation_id = ?1 AND later.parent = below.id
                               ORDER BY later.number DESC LIMIT 1) FROM below WHERE below.id IS NOT NULL)
             UPDATE messages SET superseded = id NOT IN (SELECT id FROM above WHERE id IS NOT NULL
                                                         UNION SELECT id FROM below WHERE id IS NOT NULL)
             WHERE conversation_id = ?1",
            conversation_id,
            id
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The newest message of a conversation's thread.
    pub(crate) async fn latest(&self, conversation_id: &str) -> sqlx::Result<Option<Message>> {
        Ok(self.thread(conversation_id, None, 1).await?.pop())
    }

    /// Whether a message is part of a conversation's current thread.
    pub(crate) async fn in_thread(&self, conversation_id: &str, id: &str) -> sqlx::Result<bool> {
        let found = sqlx::query_scalar!(
            "SELECT 1 FROM messages WHERE conversation_id = ? AND id = ? AND superseded = 0",
            conversation_id,
            id
        );
        Ok(found.fetch_optional(&self.pool).await?.is_some())
    }
}

/// A free number for a message of this time, in milliseconds since 1970: after all others of the same millisecond.
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
