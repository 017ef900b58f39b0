//! Taking in messages that another installation gave out. What is here already stays as it is.

use super::messages::number;
use super::{Store, id};

/// A conversation to be taken in.
#[derive(Debug, Clone, Copy)]
pub struct NewConversation<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Whether it stays at the top.
    pub pinned: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub updated_at: i64,
}

/// A message to be taken in.
#[derive(Debug, Clone, Copy)]
pub struct Imported<'a> {
    /// Its id.
    pub id: &'a str,
    /// What was asked.
    pub question: &'a str,
    /// The code it was about.
    pub code_context: Option<&'a str>,
    /// The programming language asked for.
    pub language: &'a str,
    /// The whole answer, markdown.
    pub answer: &'a str,
    /// The code in it.
    pub generated_code: &'a str,
    /// The rest of it.
    pub explanation: &'a str,
    /// How it ended.
    pub finish: &'a str,
    /// The model that answered.
    pub model: &'a str,
    /// Where it ran.
    pub backend: &'a str,
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
    /// Whether another version of the question is in the thread in its place.
    pub superseded: bool,
    /// What somebody thought of it, 1 to 5.
    pub rating: Option<i64>,
    /// The message that it follows.
    pub parent: Option<&'a str>,
    /// What was asked for, in the API's word.
    pub kind: &'a str,
    /// The files that it was about, JSON as the API writes them.
    pub files: Option<&'a str>,
    /// Earlier messages that were left out of the prompt.
    pub dropped: i64,
}

impl Store {
    /// Takes in a conversation of `owner`, and says how many of its messages were new. One that has another owner here is left
    /// alone, and so is every message whose id is known.
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
            // A file of a time when nobody noted what follows what.
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
