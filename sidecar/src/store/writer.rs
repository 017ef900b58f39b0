//! Batched writes of questions, answers and completions: concurrent ones share a transaction, so that many cost little
//! more than one.

use sqlx::{SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use super::completions;
use super::completions::{SuggestionOutcome, SuggestionRow};
use super::messages::{ConversationRef, NewMessage, PER_MILLISECOND, Progress};
use crate::base::time::now;

/// Maximum number of queued writes; further ones wait.
const QUEUE_CAPACITY: usize = 256;

/// Maximum number of writes per transaction.
const BATCH: usize = 64;

/// A handle to the writer task. It ends with the last handle.
#[derive(Debug, Clone)]
pub(super) struct Writer(mpsc::Sender<Job>);

/// A queued write, and its caller.
#[derive(Debug)]
struct Job {
    task: Task,
    /// Receives the number of rows that changed.
    done: oneshot::Sender<sqlx::Result<u64>>,
}

/// A write.
#[derive(Debug)]
pub(super) enum Task {
    /// A question, with its answer if there is one.
    Add { message: Box<NewMessage>, id: String, conversation_id: String },
    /// The state of an answer.
    Update { id: String, progress: Progress },
    /// A suggested completion.
    Suggest(Box<SuggestionRow>),
    /// The outcome of a completion.
    Mark { owner: String, id: String, outcome: SuggestionOutcome },
}

impl Writer {
    /// Starts the task, which writes into `pool`.
    pub(crate) fn start(pool: SqlitePool) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_CAPACITY);
        tokio::spawn(run(pool, receiver));
        Self(sender)
    }

    /// Queues a write and returns. A failure is only logged.
    pub(crate) async fn enqueue(&self, task: Task) {
        let (done, _) = oneshot::channel();
        let _ = self.0.send(Job { task, done }).await;
    }

    /// Writes, and returns the number of changed rows once they are in the database.
    pub(crate) async fn write(&self, task: Task) -> sqlx::Result<u64> {
        let (done, written) = oneshot::channel();
        self.0.send(Job { task, done }).await.map_err(|_| sqlx::Error::PoolClosed)?;
        written.await.map_err(|_| sqlx::Error::PoolClosed)?
    }
}

async fn run(pool: SqlitePool, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        if batch.len() > 1
            && let Ok(counts) = write_batch(&pool, &batch).await
        {
            for (job, count) in batch.drain(..).zip(counts) {
                let _ = job.done.send(Ok(count));
            }
            continue;
        }
        // One of them failed, and must not fail the others.
        for job in batch.drain(..) {
            if let Err(Err(error)) = job.done.send(write_one(&pool, &job.task).await) {
                tracing::warn!(%error, "background write failed: {error}");
            }
        }
    }
}

async fn write_batch(pool: &SqlitePool, jobs: &[Job]) -> sqlx::Result<Vec<u64>> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut counts = Vec::with_capacity(jobs.len());
    for job in jobs {
        counts.push(execute(&mut transaction, &job.task).await?);
    }
    transaction.commit().await?;
    Ok(counts)
}

async fn write_one(pool: &SqlitePool, task: &Task) -> sqlx::Result<u64> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let count = execute(&mut transaction, task).await?;
    transaction.commit().await?;
    Ok(count)
}

/// Executes a write, and returns the number of changed rows.
async fn execute(connection: &mut SqliteConnection, task: &Task) -> sqlx::Result<u64> {
    match task {
        Task::Add { message, id, conversation_id } => add(connection, message, id, conversation_id).await,
        Task::Update { id, progress } => update(connection, id, progress).await,
        Task::Suggest(offered) => completions::insert(connection, offered).await,
        Task::Mark { owner, id, outcome } => completions::mark(connection, owner, id, *outcome).await,
    }
}

async fn add(
    connection: &mut SqliteConnection,
    new: &NewMessage,
    id: &str,
    conversation_id: &str,
) -> sqlx::Result<u64> {
    let now = now();
    let parent = match &new.conversation {
        ConversationRef::New { title } => {
            sqlx::query!(
                "INSERT INTO conversations (id, owner, title, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
                conversation_id,
                new.owner,
                title,
                now,
                now
            )
            .execute(&mut *connection)
            .await?;
            None
        }
        ConversationRef::Existing { replaces, .. } => {
            sqlx::query!("UPDATE conversations SET updated_at = ? WHERE id = ?", now, conversation_id)
                .execute(&mut *connection)
                .await?;
            match replaces {
                Some(replaced) => supersede(connection, conversation_id, replaced).await?,
                None => {
                    let latest = sqlx::query_scalar!(
                        "SELECT id FROM messages WHERE conversation_id = ? AND superseded = 0 ORDER BY number DESC LIMIT 1",
                        conversation_id
                    );
                    latest.fetch_optional(&mut *connection).await?
                }
            }
        }
    };
    let unfinished = Progress::default();
    let progress = new.answer.as_ref().unwrap_or(&unfinished);
    let finish = progress.finish.map(super::Finish::as_str);
    let (first, end) = (now * PER_MILLISECOND, (now + 1) * PER_MILLISECOND);
    // No user asks a thousand questions in a millisecond.
    sqlx::query!(
        "INSERT INTO messages (number, id, conversation_id, owner, language, created_at, finish, model, backend, prompt_tokens,
                               completion_tokens, duration_ms, tokens_per_second, question, code_context, answer,
                               generated_code, explanation, parent, kind, files, dropped)
         VALUES ((SELECT coalesce(max(number) + 1, ?1) FROM messages WHERE number >= ?1 AND number < ?2),
                 ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)",
        first,
        end,
        id,
        conversation_id,
        new.owner,
        new.language,
        now,
        finish,
        new.model,
        new.backend,
        progress.prompt_tokens,
        progress.completion_tokens,
        progress.duration_ms,
        progress.tokens_per_second,
        new.question,
        new.code_context,
        progress.answer,
        progress.generated_code,
        progress.explanation,
        parent,
        new.kind,
        new.files,
        progress.dropped
    )
    .execute(&mut *connection)
    .await?;
    Ok(1)
}

/// Removes a message and all after it from the thread, and returns the one before it.
async fn supersede(
    connection: &mut SqliteConnection,
    conversation_id: &str,
    replaced: &str,
) -> sqlx::Result<Option<String>> {
    sqlx::query!(
        "UPDATE messages SET superseded = 1
         WHERE conversation_id = ?1 AND number >= (SELECT number FROM messages WHERE id = ?2)",
        conversation_id,
        replaced
    )
    .execute(&mut *connection)
    .await?;
    let parent = sqlx::query_scalar!("SELECT parent FROM messages WHERE id = ?", replaced);
    Ok(parent.fetch_optional(&mut *connection).await?.flatten())
}

async fn update(connection: &mut SqliteConnection, id: &str, progress: &Progress) -> sqlx::Result<u64> {
    let finish = progress.finish.map(super::Finish::as_str);
    let done = sqlx::query!(
        "UPDATE messages SET answer = ?, generated_code = ?, explanation = ?, finish = ?, prompt_tokens = ?,
                completion_tokens = ?, duration_ms = ?, tokens_per_second = ?, dropped = ? WHERE id = ?",
        progress.answer,
        progress.generated_code,
        progress.explanation,
        finish,
        progress.prompt_tokens,
        progress.completion_tokens,
        progress.duration_ms,
        progress.tokens_per_second,
        progress.dropped,
        id
    )
    .execute(&mut *connection)
    .await?;
    Ok(done.rows_affected())
}
