//! The table of error responses.

use super::{Store, id};

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Milliseconds since 1970.
    pub at: i64,
    /// The error code of the API.
    pub code: String,
    /// The HTTP status.
    pub status: i64,
    /// The HTTP method.
    pub method: String,
    /// The route pattern.
    pub endpoint: String,
    /// The incident id in the response, if it has one.
    pub incident_id: Option<String>,
    /// The request id.
    pub request_id: String,
}

/// The errors with one code on one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The error code of the API.
    pub code: String,
    /// The route pattern.
    pub endpoint: String,
    /// Their number.
    pub count: i64,
    /// The first one, in milliseconds since 1970.
    pub first: i64,
    /// The latest one, in milliseconds since 1970.
    pub last: i64,
}

impl Store {
    /// Stores errors, all or none.
    pub(crate) async fn add_errors(&self, incidents: &[Incident]) -> sqlx::Result<()> {
        let mut transaction = self.write().await?;
        for incident in incidents {
            let id = id();
            sqlx::query!(
                "INSERT INTO errors (id, at, code, status, method, endpoint, incident_id, request_id)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                id,
                incident.at,
                incident.code,
                incident.status,
                incident.method,
                incident.endpoint,
                incident.incident_id,
                incident.request_id
            )
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await
    }

    /// Deletes errors from before this time, and all but the latest `max_errors`.
    pub(crate) async fn prune_errors(&self, before: i64, max_errors: i64) -> sqlx::Result<()> {
        sqlx::query!(
            "DELETE FROM errors WHERE at < ?1 OR at < (SELECT at FROM errors ORDER BY at DESC LIMIT 1 OFFSET ?2)",
            before,
            max_errors
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The number of errors since this time.
    pub(crate) async fn count_errors(&self, since: i64) -> sqlx::Result<i64> {
        sqlx::query_scalar!("SELECT count(*) FROM errors WHERE at >= ?", since).fetch_one(&self.pool).await
    }

    /// The latest internal errors (5xx).
    pub(crate) async fn recent_incidents(&self, limit: i64) -> sqlx::Result<Vec<Incident>> {
        sqlx::query_as!(
            Incident,
            "SELECT at, code, status, method, endpoint, incident_id, request_id FROM errors
             WHERE status >= 500 ORDER BY at DESC, id DESC LIMIT ?",
            limit
        )
        .fetch_all(&self.pool)
        .await
    }

    /// Errors since this time by code and endpoint, the most frequent first.
    pub(crate) async fn error_patterns(&self, since: i64) -> sqlx::Result<Vec<Pattern>> {
        sqlx::query_as!(
            Pattern,
            r#"SELECT code AS "code!", endpoint AS "endpoint!", count(*) AS "count!: i64", min(at) AS "first!: i64", max(at) AS "last!: i64"
               FROM errors WHERE at >= ? GROUP BY code, endpoint ORDER BY 3 DESC, 5 DESC LIMIT 100"#,
            since
        )
        .fetch_all(&self.pool)
        .await
    }
}
