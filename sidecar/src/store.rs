//! The database: everything that outlives the process, in one SQLite file.

mod completions;
mod conversations;
mod errors;
mod feedback;
mod history;
mod import;
mod inspect;
mod keys;
mod messages;
mod open;
mod points;
mod search;
mod settings;
mod writer;

/// Why a database operation failed.
pub use sqlx::Error;
use sqlx::SqlitePool;

pub use self::completions::{Acceptance, AcceptanceStats, SuggestionOutcome};
pub use self::conversations::Conversation;
pub use self::errors::{Incident, Pattern};
pub use self::feedback::{Day, Feedback, NewFeedback};
pub use self::history::Query;
pub use self::import::{Imported, NewConversation};
pub use self::inspect::{DbHealth, inspect, stored_settings};
pub use self::keys::{NewKey, StoredKey};
pub use self::messages::{ConversationRef, Finish, Message, NewMessage, Progress, TokenTotals};
pub use self::open::{OpenError, Quarantined};

use self::writer::Writer;

/// A handle to the database. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
    writer: Writer,
    quarantine: Option<Quarantined>,
}

impl Store {
    /// The damaged database that this one replaces, if there was one.
    #[must_use]
    pub fn quarantine(&self) -> Option<&Quarantined> {
        self.quarantine.as_ref()
    }

    /// Starts a write transaction. It waits for the write lock now: a transaction that reads first would fail if
    /// another one had written meanwhile.
    async fn write(&self) -> sqlx::Result<sqlx::SqliteTransaction<'static>> {
        self.pool.begin_with("BEGIN IMMEDIATE").await
    }

    /// Whether the database is reachable.
    pub async fn is_reachable(&self) -> bool {
        sqlx::query("SELECT 1").execute(&self.pool).await.is_ok()
    }

    /// Releases SQLite's cache memory.
    pub(crate) async fn release_memory(&self) -> sqlx::Result<()> {
        sqlx::query("PRAGMA shrink_memory").execute(&self.pool).await.map(|_| ())
    }

    /// Checkpoints the write-ahead log into the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A new id. Ids sort by their time of creation.
pub(crate) fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}
