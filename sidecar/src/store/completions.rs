//! The table of suggested completions and their outcomes.

use serde::Serialize;
use sqlx::SqliteConnection;
use utoipa::ToSchema;

use super::Store;
use super::writer::Task;
use crate::base::time::now;

/// The outcome of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuggestionOutcome {
    /// It was shown.
    Shown,
    /// It was accepted, so many characters of it.
    Accepted(Option<i64>),
    /// It was rejected.
    Rejected,
}

/// The row of a suggested completion. Its text is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SuggestionRow {
    id: String,
    owner: String,
    language: String,
    /// Characters.
    length: i64,
}

/// The acceptance of completions, as far as editors report it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Receptions)]
pub struct AcceptanceStats {
    /// The total over all languages; its own `language` is `all`.
    pub total: Acceptance,
    /// By language, most frequent first.
    pub by_language: Vec<Acceptance>,
}

/// The acceptance of completions in one language.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Reception)]
pub struct Acceptance {
    /// The programming language.
    pub language: String,
    /// Completions that were suggested.
    pub offered: i64,
    /// Of those, completions that were shown.
    pub shown: i64,
    /// Completions that were accepted, completely or in part.
    pub accepted: i64,
    /// Completions that were rejected.
    pub rejected: i64,
    /// Characters that were accepted.
    pub accepted_characters: i64,
    /// The share of the shown completions that were accepted, 0 to 1; null where none was shown.
    #[schema(minimum = 0, maximum = 1)]
    pub acceptance_rate: Option<f64>,
}

/// A row of the query.
#[derive(Default)]
struct Row {
    language: String,
    offered: i64,
    shown: i64,
    accepted: i64,
    rejected: i64,
    /// Completions that were shown and accepted.
    taken: i64,
    characters: i64,
}

impl Row {
    fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.shown += other.shown;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.taken += other.taken;
        self.characters += other.characters;
    }
}

impl From<Row> for Acceptance {
    fn from(row: Row) -> Self {
        Self {
            acceptance_rate: (row.shown > 0).then(|| row.taken as f64 / row.shown as f64),
            language: row.language,
            offered: row.offered,
            shown: row.shown,
            accepted: row.accepted,
            rejected: row.rejected,
            accepted_characters: row.characters,
        }
    }
}

impl Store {
    /// Stores suggested completions by id and length in characters. Returns before they are in the database;
    /// [`Self::mark_completion`] waits for them.
    pub(crate) async fn add_completions(&self, owner: &str, language: &str, completions: Vec<(String, usize)>) {
        for (id, length) in completions {
            let length = i64::try_from(length).unwrap_or(i64::MAX);
            let offered = SuggestionRow { id, owner: owner.to_owned(), language: language.to_owned(), length };
            self.writer.enqueue(Task::Suggest(Box::new(offered))).await;
        }
    }

    /// Stores the outcome of a completion. `false` if `owner` has no completion with this id.
    pub(crate) async fn mark_completion(
        &self,
        owner: &str,
        id: &str,
        outcome: SuggestionOutcome,
    ) -> sqlx::Result<bool> {
        let task = Task::Mark { owner: owner.to_owned(), id: id.to_owned(), outcome };
        Ok(self.writer.write(task).await? > 0)
    }

    /// The acceptance of completions.
    pub(crate) async fn acceptance_stats(&self) -> sqlx::Result<AcceptanceStats> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT language, count(*) AS "offered!: i64", count(shown_at) AS "shown!: i64",
                      count(accepted_at) AS "accepted!: i64", count(rejected_at) AS "rejected!: i64",
                      count(CASE WHEN shown_at IS NOT NULL AND accepted_at IS NOT NULL THEN 1 END) AS "taken!: i64",
                      coalesce(sum(CASE WHEN accepted_at IS NOT NULL THEN accepted_characters END), 0) AS "characters!: i64"
               FROM completions GROUP BY language ORDER BY count(*) DESC, language"#
        )
        .fetch_all(&self.pool)
        .await?;
        let mut total = Row { language: "all".into(), ..Row::default() };
        for row in &rows {
            total.add(row);
        }
        let by_language = rows.into_iter().map(Acceptance::from).collect();
        Ok(AcceptanceStats { total: total.into(), by_language })
    }

    /// Deletes completions that were suggested before this time.
    pub(crate) async fn prune_completions(&self, before: i64) -> sqlx::Result<()> {
        sqlx::query!("DELETE FROM completions WHERE created_at < ?", before).execute(&self.pool).await?;
        Ok(())
    }
}

pub(super) async fn insert(connection: &mut SqliteConnection, offered: &SuggestionRow) -> sqlx::Result<u64> {
    let (SuggestionRow { id, owner, language, length }, now) = (offered, now());
    let done = sqlx::query!(
        "INSERT INTO completions (id, owner, language, characters, created_at) VALUES (?, ?, ?, ?, ?)",
        id,
        owner,
        language,
        length,
        now
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

pub(super) async fn mark(
    connection: &mut SqliteConnection,
    owner: &str,
    id: &str,
    outcome: SuggestionOutcome,
) -> sqlx::Result<u64> {
    let now = now();
    let done = match outcome {
        SuggestionOutcome::Shown => {
            sqlx::query!("UPDATE completions SET shown_at = ? WHERE owner = ? AND id = ?", now, owner, id)
                .execute(connection)
                .await?
        }
        SuggestionOutcome::Accepted(characters) => {
            sqlx::query!(
                "UPDATE completions SET accepted_at = ?, accepted_characters = coalesce(?, characters)
                 WHERE owner = ? AND id = ?",
                now,
                characters,
                owner,
                id
            )
            .execute(connection)
            .await?
        }
        SuggestionOutcome::Rejected => {
            sqlx::query!("UPDATE completions SET rejected_at = ? WHERE owner = ? AND id = ?", now, owner, id)
                .execute(connection)
                .await?
        }
    };
    Ok(done.rows_affected())
}
