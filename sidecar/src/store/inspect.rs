//! Checks a database file that another process may be using, read-only and without blocking it.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

/// The state of a database file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DbHealth {
    /// It does not exist.
    Absent,
    /// It can be used.
    Ok {
        /// Whether the check covered the complete file within its time limit.
        complete: bool,
    },
    /// It was written by a newer version of HAPA.
    TooNew,
    /// It is not a database, or parts of it are damaged; with SQLite's message.
    Damaged(String),
    /// It cannot be opened; with SQLite's message.
    Unreadable(String),
}

/// How long to wait for another process that writes to the file.
const BUSY: Duration = Duration::from_secs(1);

/// SQLite instructions between two checks of the deadline: far below a millisecond.
const STEPS: i32 = 1000;

/// Checks the database in `file`, for `timeout` at most; with zero, it is only opened.
pub async fn inspect(file: &Path, timeout: Duration) -> DbHealth {
    if !file.exists() {
        return DbHealth::Absent;
    }
    match probe(file, timeout).await {
        Ok(health) => health,
        Err(error) => classify(&error),
    }
}

/// The settings that are stored in a database, as JSON; none where it cannot be read.
pub async fn stored_settings(file: &Path) -> Vec<(String, String)> {
    let read = async {
        let mut connection = open(file).await?;
        let rows = sqlx::query_as("SELECT name, value FROM settings").fetch_all(&mut connection).await;
        let _ = connection.close().await;
        rows
    };
    if file.exists() { read.await.unwrap_or_default() } else { Vec::new() }
}

async fn probe(file: &Path, timeout: Duration) -> sqlx::Result<DbHealth> {
    let mut connection = open(file).await?;
    let health = read(&mut connection, timeout).await;
    let _ = connection.close().await;
    health
}

async fn open(file: &Path) -> sqlx::Result<SqliteConnection> {
    // A file with a `-wal` file is in use, or was when its process died. Without one no process writes to it, and
    // `immutable` stops SQLite from creating files next to it even for reading.
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(!Path::new(&log).exists());
    options.busy_timeout(BUSY).disable_statement_logging().connect().await
}

async fn read(connection: &mut SqliteConnection, timeout: Duration) -> sqlx::Result<DbHealth> {
    const TABLE: &str = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let has_migrations: i64 = sqlx::query_scalar(TABLE).fetch_one(&mut *connection).await?;
    if has_migrations > 0 {
        let version: Option<i64> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut *connection).await?;
        let newest = sqlx::migrate!("./migrations").iter().map(|migration| migration.version).max();
        if version > newest {
            return Ok(DbHealth::TooNew);
        }
    }
    if timeout.is_zero() {
        return Ok(DbHealth::Ok { complete: false });
    }
    let deadline = Instant::now() + timeout;
    connection.lock_handle().await?.set_progress_handler(STEPS, move || Instant::now() < deadline);
    let message: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(connection).await?;
    Ok(if message == "ok" { DbHealth::Ok { complete: true } } else { DbHealth::Damaged(message) })
}

/// The state of the file that an error implies.
fn classify(error: &sqlx::Error) -> DbHealth {
    let problem = error.as_database_error();
    let message = problem.map_or_else(|| error.to_string(), |problem| problem.message().to_owned());
    let code = problem.and_then(|problem| problem.code()?.parse::<i32>().ok());
    // The low byte is the primary result code: <https://www.sqlite.org/rescode.html>.
    match code.map(|code| code & 0xff) {
        // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_INTERRUPT.
        Some(5 | 6 | 9) => DbHealth::Ok { complete: false },
        // SQLITE_CORRUPT, SQLITE_NOTADB.
        Some(11 | 26) => DbHealth::Damaged(message),
        _ => DbHealth::Unreadable(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn a_database_of_a_newer_version_is_recognised_in_use_and_at_rest() {
        let parent = tempfile::tempdir().unwrap();
        // Characters with a meaning in URLs.
        let folder = parent.path().join("a b?c#d%20é");
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("hapa.db");
        assert_eq!(inspect(&file, BUSY).await, DbHealth::Absent);
        let store = Store::open(&file).await.unwrap();
        assert_eq!(inspect(&file, BUSY).await, DbHealth::Ok { complete: true });
        assert_eq!(inspect(&file, Duration::ZERO).await, DbHealth::Ok { complete: false });
        sqlx::query("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").execute(&store.pool).await.unwrap();
        assert_eq!(inspect(&file, BUSY).await, DbHealth::TooNew);
        store.close().await;
        assert_eq!(inspect(&file, BUSY).await, DbHealth::TooNew);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "no other file is left in the folder");
    }

    #[tokio::test]
    async fn the_check_of_a_large_database_stops_at_the_timeout() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hapa.db");
        let store = Store::open(&file).await.unwrap();
        let rows =
            "CREATE TABLE many AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
            SELECT i, hex(i) AS text FROM n";
        sqlx::query(rows).execute(&store.pool).await.unwrap();
        assert_eq!(inspect(&file, Duration::from_nanos(1)).await, DbHealth::Ok { complete: false });
        assert_eq!(inspect(&file, BUSY * 30).await, DbHealth::Ok { complete: true });
    }
}
