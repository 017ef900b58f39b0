//! Imports messages that another installation exported. Existing messages are not changed.

use super::messages::number;
use super::{Store, id};

/// A conversation to import.
#[derive(Debug, Clone, Copy)]
pub struct NewConversation<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub updated_at: i64,
}

/// A message to import.
#[derive(Debug, Clone, Copy)]
pub struct Imported<'a> {
    /// Its id.
    pub id: &'a str,
    /// The question.
    pub question: &'a str,
    /// The code of the question.
    pub code_context: Option<&'a str>,
    /// The requested programming language.
    pub language: &'a str,
    /// The complete answer, markdown.
    pub answer: &'a str,
    /// The code in it.
    pub generated_code: &'a str,
    /// The rest of it.
    pub explanation: &'a str,
    /// Its finish reason.
    pub finish: &'a str,
    /// The model that answered.
    pub model: &'a str,
    /// The backend of that model.
    pub backend: &'a str,
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
    pub parent: Option<&'a str>,
    /// The task, by its name in the API.
    pub kind: &'a str,
    /// The files of the question, JSON as in the API.
    pub files: Option<&'a str>,
    /// Earlier messages that were left out of the prompt.
    pub dropped: i64,
}

impl Store {
    /// Imports a conversation of `owner`, and returns the number of new messages. A conversation of another owner is
    /// skipped, and so is every message whose id exists.
    pub(crate) async fn import(
        &self,
        owner: &str,
        conversation: NewConversation<'_>,
        messages: &[Imported<'_>],
    ) -> sqlx::Result<u64> {
        let mut transaction = self.write().await?;
        sqlx::query!(
            "INSERT INTO conversations (id, owner, title, pinned, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO NOTHING",
            conversation.id,
            owner,
            conversation.title,
            conversation.pinned,
            conversation.created_at,
            conversation.updated_at
        )
        .execute(&mut *transaction)
        .await?;
        let ours =
            sqlx::query_scalar!("SELECT 1 FROM conversations WHERE id = ? AND owner = ?", conversation.id, owner)
                .fetch_optional(&mut *transaction)
                .await?;
        if ours.is_none() {
            return Ok(0);
        }
        let mut taken = 0;
        for message in messages {
            let number = number(&mut transaction, message.created_at).await?;
            let done = sqlx::query!(
                "INSERT INTO messages (number, id, conversation_id, owner, language, created_at, finish, model, backend,
                                       prompt_tokens, completion_tokens, duration_ms, question, code_context, answer,
                                       generated_code, explanation, superseded, tokens_per_second, parent, kind, files,
                                       dropped)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                number,
                message.id,
                conversation.id,
                owner,
                message.language,
                message.created_at,
                message.finish,
                message.model,
                message.backend,
                message.prompt_tokens,
                message.completion_tokens,
                message.duration_ms,
                message.question,
                message.code_context,
                message.answer,
                message.generated_code,
                message.explanation,
                message.superseded,
                message.tokens_per_second,
                message.parent,
                message.kind,
                message.files,
                message.dropped
            );
            let new = done.execute(&mut *transaction).await?.rows_affected();
            if let Some(rating) = message.rating.filter(|_| new > 0) {
                let id = format!("fb_{}", id());
                let kind = if rating >= 3 { "positive" } else { "negative" };
                sqlx::query!(
                    "INSERT INTO feedback (id, owner, message_id, kind, rating, created_at) VALUES (?, ?, ?, ?, ?, ?)",
                    id,
                    owner,
                    message.id,
                    kind,
                    rating,
                    message.created_at
                )
                .execute(&mut *transaction)
                .await?;
            }
            taken += new;
        }
        if messages.iter().all(|message| message.parent.is_none()) {
            // Old exports do not have parents.
            sqlx::query!(
                "UPDATE messages SET parent = (
                   SELECT earlier.id FROM messages AS earlier
                   WHERE earlier.conversation_id = messages.conversation_id AND earlier.number < messages.number
                     AND (earlier.superseded = 0 OR messages.superseded = 1)
                   ORDER BY earlier.number DESC LIMIT 1)
                 WHERE conversation_id = ? AND parent IS NULL",
                conversation.id
            )
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(taken)
    }
}
