//! Opening the database: made if absent, brought up to date if old, set aside if damaged, left alone if newer.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection, SqlitePool};

use super::Store;
use super::writer::Writer;

/// Files of at most so many bytes are read through at every start; larger ones only after a crash. A gigabyte takes seconds.
const ALWAYS_CHECKED: u64 = 256 << 20;

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("could not open the database `{}`: {reason}", path.display())]
pub struct OpenError {
    path: PathBuf,
    reason: String,
}

/// A damaged database that was moved out of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Where it is now.
    pub file: PathBuf,
    /// What is wrong with it, in SQLite's words.
    pub problem: String,
}

/// Why a file cannot be used.
enum Unusable {
    /// It is damaged, or no database at all.
    Damaged(String),
    /// Something else, which another file would not cure.
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
    /// Opens the database in `file`, makes it if it is not there, and brings it up to date. A damaged one is moved aside, and a
    /// new one takes its place.
    ///
    /// Answers that a crash cut short are marked as interrupted; what had come of them is kept.
    ///
    /// # Errors
    /// When the file cannot be opened, or was written by a newer HAPA.
    pub async fn open(file: &Path) -> Result<Self, OpenError> {
        let problem = |reason: String| OpenError { path: file.to_owned(), reason };
        match open(file).await {
            Ok(store) => Ok(store),
            Err(Unusable::Other(reason)) => Err(problem(reason)),
            Err(Unusable::Damaged(reason)) => {
                let aside = quarantine(file).map_err(|error| {
                    problem(format!("it is damaged ({reason}), and could not be moved aside: {error}"))
                })?;
                tracing::error!(
                    file = %aside.display(),
                    "the database was damaged ({reason}); it is kept as `{}`, and a new one takes its place",
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
        // What is deleted is overwritten.
        .pragma("secure_delete", "ON")
        // Room for the indexes that a search walks through, in KiB.
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
            "a newer version of HAPA wrote it; update HAPA, or name another file in DATABASE_URL".into(),
        ),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => Unusable::Other(other.to_string()),
    })?;
    // What is deleted is overwritten in the full-text index too.
    sqlx::query("INSERT INTO messages_text (messages_text, rank) VALUES ('secure-delete', 1)").execute(pool).await?;
    sqlx::query!("UPDATE messages SET finish = 'interrupted' WHERE finish IS NULL").execute(pool).await?;
    Ok(())
}

/// Reads the file through, if it is small or was not closed in order.
async fn check(file: &Path, options: &SqliteConnectOptions) -> Result<(), Unusable> {
    let size = fs::metadata(file).map_or(0, |data| data.len());
    let unclean = fs::metadata(beside(file, "-wal")).is_ok_and(|data| data.len() > 0);
    if size == 0 || (size > ALWAYS_CHECKED && !unclean) {
        return Ok(());
    }
    let mut connection = SqliteConnection::connect_with(options).await?;
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await?;
    connection.close().await?;
    if found == "ok" { Ok(()) } else { Err(Unusable::Damaged(found)) }
}

/// Moves a database and what belongs to it aside, and says where it is.
fn quarantine(file: &Path) -> io::Result<PathBuf> {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let aside = beside(file, &format!(".corrupt-{time}"));
    fs::rename(file, &aside)?;
    for part in ["-wal", "-shm"] {
        match fs::rename(beside(file, part), beside(&aside, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

/// The file whose name has an ending more.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
