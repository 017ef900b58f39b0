//! Opens the database: creates it if absent, migrates it if old, quarantines it if damaged, rejects it if newer.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection, SqlitePool};

use super::Store;
use super::writer::Writer;

/// Files of at most so many bytes are checked at every start; larger ones only after a crash. A gigabyte takes seconds.
const ALWAYS_CHECKED: u64 = 256 << 20;

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("could not open the database `{}`: {reason}", path.display())]
pub struct OpenError {
    path: PathBuf,
    reason: String,
}

/// A damaged database that was renamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its new path.
    pub file: PathBuf,
    /// What is wrong with it: SQLite's message.
    pub problem: String,
}

/// Why a file cannot be used.
enum Unusable {
    /// It is damaged, or not a database.
    Damaged(String),
    /// Another problem, which a new file would not solve.
    Other(String),
}

impl From<sqlx::Error> for Unusable {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        // SQLITE_CORRUPT with its variants, and SQLITE_NOTADB.
        let damaged = code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| matches!(code & 0xff, 11 | 26));
        if damaged { Self::Damaged(error.to_string()) } else { Self::Other(error.to_string()) }
    }
}

impl Store {
    /// Opens the database in `file`, creates it if it does not exist, and migrates it. A damaged file is renamed, and a
    /// new one is created.
    ///
    /// Partial answers that a crash interrupted are marked as interrupted, and remain.
    ///
    /// # Errors
    /// When the file cannot be opened, or was written by a newer HAPA.
    pub async fn open(file: &Path) -> Result<Self, OpenError> {
        let problem = |reason: String| OpenError { path: file.to_owned(), reason };
        match open(file).await {
            Ok(store) => Ok(store),
            Err(Unusable::Other(reason)) => Err(problem(reason)),
            Err(Unusable::Damaged(reason)) => {
                let aside = quarantine(file)
                    .map_err(|error| problem(format!("it is damaged ({reason}), and could not be renamed: {error}")))?;
                tracing::error!(
                    file = %aside.display(),
                    "the database was damaged ({reason}); it was renamed to `{}`, and a new one is created",
                    aside.display()
                );
                let mut store = open(file).await.map_err(|error| match error {
                    Unusable::Damaged(reason) | Unusable::Other(reason) => problem(reason),
                })?;
                store.quarantine = Some(Quarantined { file: aside, problem: reason });
                Ok(store)
            }
        }
    }
}

async fn open(file: &Path) -> Result<Store, Unusable> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        // Deleted data is overwritten.
        .pragma("secure_delete", "ON")
        // In KiB: enough for the indexes that a search walks through.
        .pragma("cache_size", "-16000")
        .busy_timeout(Duration::from_secs(5));
    check(file, &options).await?;
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(options)
        .await?;
    let opened = prepare(&pool).await;
    if let Err(unusable) = opened {
        pool.close().await;
        return Err(unusable);
    }
    Ok(Store { writer: Writer::start(pool.clone()), pool, quarantine: None })
}

async fn prepare(pool: &SqlitePool) -> Result<(), Unusable> {
    sqlx::migrate!("./migrations").run(pool).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => Unusable::Other(
            "it was written by a newer version of HAPA; update HAPA, or set DATABASE_URL to another file".into(),
        ),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => Unusable::Other(other.to_string()),
    })?;
    // Deleted data is overwritten in the full-text index too.
    sqlx::query("INSERT INTO messages_text (messages_text, rank) VALUES ('secure-delete', 1)").execute(pool).await?;
    sqlx::query!("UPDATE messages SET finish = 'interrupted' WHERE finish IS NULL").execute(pool).await?;
    Ok(())
}

/// Checks the file if it is small, or was not closed in order.
async fn check(file: &Path, options: &SqliteConnectOptions) -> Result<(), Unusable> {
    let size = fs::metadata(file).map_or(0, |data| data.len());
    let unclean = fs::metadata(with_suffix(file, "-wal")).is_ok_and(|data| data.len() > 0);
    if size == 0 || (size > ALWAYS_CHECKED && !unclean) {
        return Ok(());
    }
    let mut connection = SqliteConnection::connect_with(options).await?;
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await?;
    connection.close().await?;
    if found == "ok" { Ok(()) } else { Err(Unusable::Damaged(found)) }
}

/// Renames a database with its `-wal` and `-shm` files, and returns the new path.
fn quarantine(file: &Path) -> io::Result<PathBuf> {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let aside = with_suffix(file, &format!(".corrupt-{time}"));
    fs::rename(file, &aside)?;
    for part in ["-wal", "-shm"] {
        match fs::rename(with_suffix(file, part), with_suffix(&aside, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

/// The path with a suffix.
fn with_suffix(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
