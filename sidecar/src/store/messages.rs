//! The table of messages: each question with its answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Store, id, now};

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

/// Which messages of a history to give back.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// At most so many.
    pub limit: i64,
    /// Leaving out so many of the newest.
    pub offset: i64,
    /// With this text in the question or the answer, in any case.
    pub search: Option<String>,
    /// In this programming language.
    pub language: Option<String>,
    /// Not before this time, in milliseconds since 1970.
    pub from: Option<i64>,
    /// Before this time, in milliseconds since 1970.
    pub to: Option<i64>,
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
        let mut transaction = self.pool.begin().await?;
        if let Some(replaced) = new.replaces {
            sqlx::query!(
                "UPDATE messages SET superseded = 1 WHERE conversation_id = ?1 AND id >= ?2",
                new.conversation_id,
                replaced
            )
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query!(
            "INSERT INTO messages (id, conversation_id, owner, question, code_context, language, model, backend, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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

    /// Answers that no process works on any more were cut short.
    pub(super) async fn mark_interrupted(&self) -> sqlx::Result<()> {
        sqlx::query!("UPDATE messages SET finish = 'interrupted' WHERE finish IS NULL").execute(&self.pool).await?;
        Ok(())
    }

    /// What all answers together cost.
    pub(crate) async fn token_totals(&self) -> sqlx::Result<TokenTotals> {
        sqlx::query_as!(
            TokenTotals,
            r#"SELECT coalesce(sum(prompt_tokens), 0) AS "prompt!: i64", coalesce(sum(completion_tokens), 0) AS "completion!: i64",
                      (SELECT avg(tokens_per_second) FROM (SELECT tokens_per_second FROM messages
                       WHERE tokens_per_second IS NOT NULL ORDER BY id DESC LIMIT 100)) AS "speed: f64"
               FROM messages"#
        )
        .fetch_one(&self.pool)
        .await
    }

    /// The thread of a conversation, oldest first.
    pub(crate) async fn thread(&self, conversation_id: &str) -> sqlx::Result<Vec<Message>> {
        sqlx::query_as!(
            Message,
            "SELECT id, conversation_id, question, language, answer, generated_code, explanation, finish, model, backend,
                    prompt_tokens, completion_tokens, duration_ms, tokens_per_second, created_at
             FROM messages WHERE conversation_id = ? AND superseded = 0 ORDER BY id",
            conversation_id
        )
        .fetch_all(&self.pool)
        .await
    }

    /// The history of `owner`, newest first, and how many messages the query finds in all.
    pub(crate) async fn history(&self, owner: &str, query: &Query) -> sqlx::Result<(Vec<Message>, i64)> {
        let pattern = query.search.as_ref().map(|text| format!("%{}%", escape_like(text)));
        let items = sqlx::query_as!(
            Message,
            r"SELECT id, conversation_id, question, language, answer, generated_code, explanation, finish, model, backend,
                     prompt_tokens, completion_tokens, duration_ms, tokens_per_second, created_at
              FROM messages
              WHERE owner = ?1 AND (?2 IS NULL OR language = ?2) AND (?3 IS NULL OR created_at >= ?3)
                AND (?4 IS NULL OR created_at < ?4)
                AND (?5 IS NULL OR question LIKE ?5 ESCAPE '\' OR answer LIKE ?5 ESCAPE '\')
              ORDER BY created_at DESC, id DESC LIMIT ?6 OFFSET ?7",
            owner,
            query.language,
            query.from,
            query.to,
            pattern,
            query.limit,
            query.offset
        )
        .fetch_all(&self.pool)
        .await?;
        let total = sqlx::query_scalar!(
            r"SELECT count(*) FROM messages
              WHERE owner = ?1 AND (?2 IS NULL OR language = ?2) AND (?3 IS NULL OR created_at >= ?3)
                AND (?4 IS NULL OR created_at < ?4)
                AND (?5 IS NULL OR question LIKE ?5 ESCAPE '\' OR answer LIKE ?5 ESCAPE '\')",
            owner,
            query.language,
            query.from,
            query.to,
            pattern
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((items, total))
    }
}

/// Text as itself inside a LIKE pattern.
fn escape_like(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}
