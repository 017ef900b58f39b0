//! Everything that outlives the process, in one SQLite file.

mod completions;
mod conversations;
mod errors;
mod keys;
mod messages;
mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

pub use self::completions::Fate;
pub use self::conversations::Conversation;
pub use self::errors::{Incident, Pattern};
pub use self::keys::{NewKey, StoredKey};
pub use self::messages::{Finish, Message, NewMessage, Progress, Query, TokenTotals};

/// A handle to the database. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
}

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("could not open the database `{}`: {reason}", path.display())]
pub struct OpenError {
    path: PathBuf,
    reason: String,
}

impl Store {
    /// Opens the database in `file`, makes it if it is not there, and brings it up to date.
    ///
    /// Answers that a crash cut short are marked as interrupted; what had come of them is kept.
    ///
    /// # Errors
    /// When the file cannot be opened or is no database of ours.
    pub async fn open(file: &Path) -> Result<Self, OpenError> {
        let problem = |reason: String| OpenError { path: file.to_owned(), reason };
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options)
            .await
            .map_err(|error| problem(error.to_string()))?;
        sqlx::migrate!("./migrations").run(&pool).await.map_err(|error| problem(error.to_string()))?;
        let store = Self { pool };
        store.mark_interrupted().await.map_err(|error| problem(error.to_string()))?;
        Ok(store)
    }

    /// Whether the database answers.
    pub async fn answers(&self) -> bool {
        sqlx::query("SELECT 1").execute(&self.pool).await.is_ok()
    }

    /// Gives back the memory that the database uses for speed.
    pub(crate) async fn release_memory(&self) -> sqlx::Result<()> {
        sqlx::query("PRAGMA shrink_memory").execute(&self.pool).await.map(|_| ())
    }

    /// Writes all that is pending into the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Milliseconds since 1970, UTC: the form in which the store keeps times.
#[must_use]
pub fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A time of the store as the API writes it, such as `2024-12-28T10:00:00.25Z`.
#[must_use]
pub fn timestamp(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default().to_string()
}

/// A new id. Ids made later sort after earlier ones.
pub(crate) fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}
