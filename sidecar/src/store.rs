//! Everything that outlives the process, in one SQLite file.

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
pub use self::inspect::{DbHealth, inspect, kept_settings};
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
    /// The damaged database whose place this one has taken, if there was one.
    #[must_use]
    pub fn quarantine(&self) -> Option<&Quarantined> {
        self.quarantine.as_ref()
    }

    /// Begins a transaction that will write. It waits for its turn now: one that reads first and finds that somebody else has
    /// written meanwhile could only fail.
    async fn write(&self) -> sqlx::Result<sqlx::SqliteTransaction<'static>> {
        self.pool.begin_with("BEGIN IMMEDIATE").await
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

/// A new id. Ids made later sort after earlier ones.
pub(crate) fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}
