//! A look at a database file that somebody may be using: nothing is changed, and nobody is kept waiting.

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
    /// A newer version of HAPA has written it.
    TooNew,
    /// It is not a database, or parts of it are damaged; with SQLite's message.
    Damaged(String),
    /// It cannot be opened; with SQLite's message.
    Unreadable(String),
}

/// How long to wait for another process that writes to the file.
const BUSY: Duration = Duration::from_secs(1);

/// Steps of SQLite between two looks at the clock: far below a millisecond.
const STEPS: i32 = 1000;

/// Looks at the database in `file`, for `timeout` at most; with none, it is opened and not read through.
pub async fn inspect(file: &Path, timeout: Duration) -> DbHealth {
    if !file.exists() {
        return DbHealth::Absent;
    }
    match probe(file, timeout).await {
        Ok(condition) => condition,
        Err(error) => classify(&error),
    }
}

/// The settings that a database keeps, as JSON; none where it cannot be read.
pub async fn kept_settings(file: &Path) -> Vec<(String, String)> {
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
    let condition = read(&mut connection, timeout).await;
    let _ = connection.close().await;
    condition
}

async fn open(file: &Path) -> sqlx::Result<SqliteConnection> {
    // A file with a log beside it is in use, or was when its process died. Without one nobody writes, and SQLite need not leave
    // files of its own beside it, as it would even to read.
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(!Path::new(&log).exists());
    options.busy_timeout(BUSY).disable_statement_logging().connect().await
}

async fn read(connection: &mut SqliteConnection, timeout: Duration) -> sqlx::Result<DbHealth> {
    const TABLE: &str = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let begun: i64 = sqlx::query_scalar(TABLE).fetch_one(&mut *connection).await?;
    if begun > 0 {
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
    let words: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(connection).await?;
    Ok(if words == "ok" { DbHealth::Ok { complete: true } } else { DbHealth::Damaged(words) })
}

/// What an error says about the file.
fn classify(error: &sqlx::Error) -> DbHealth {
    let problem = error.as_database_error();
    let words = problem.map_or_else(|| error.to_string(), |problem| problem.message().to_owned());
    let code = problem.and_then(|problem| problem.code()?.parse::<i32>().ok());
    // The low byte is the kind: <https://www.sqlite.org/rescode.html>.
    match code.map(|code| code & 0xff) {
        // Busy, locked, interrupted.
        Some(5 | 6 | 9) => DbHealth::Ok { complete: false },
        // Corrupt, not a database.
        Some(11 | 26) => DbHealth::Damaged(words),
        _ => DbHealth::Unreadable(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn a_database_of_a_newer_version_is_told_apart_in_use_and_at_rest() {
        let parent = tempfile::tempdir().unwrap();
        // Characters that mean something in an address.
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
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    }

    #[tokio::test]
    async fn a_large_database_is_not_read_to_its_end_when_time_is_short() {
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
