//! The table of points of the metrics history.

use super::Store;

impl Store {
    /// The points after a time, in milliseconds since 1970, oldest first, as JSON.
    pub(crate) async fn metrics_points(&self, after: i64) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar!("SELECT point FROM points WHERE at > ? ORDER BY at", after).fetch_all(&self.pool).await
    }

    /// Stores points, each with its time, and deletes those before a time.
    pub(crate) async fn add_metrics_points(&self, points: &[(i64, String)], before: i64) -> sqlx::Result<()> {
        let mut transaction = self.write().await?;
        for (at, point) in points {
            sqlx::query!("INSERT OR REPLACE INTO points (at, point) VALUES (?, ?)", at, point)
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query!("DELETE FROM points WHERE at <= ?", before).execute(&mut *transaction).await?;
        transaction.commit().await
    }
}
