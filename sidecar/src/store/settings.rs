//! The tables of settings and profiles.

use super::Store;
use crate::base::time::now;

impl Store {
    /// All stored settings: names with JSON values.
    pub(crate) async fn settings(&self) -> sqlx::Result<Vec<(String, String)>> {
        let rows = sqlx::query!("SELECT name, value FROM settings").fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| (row.name, row.value)).collect())
    }

    /// Stores values, and deletes those that are `None`; all or none.
    pub(crate) async fn save_settings(&self, changes: &[(&str, Option<String>)]) -> sqlx::Result<()> {
        let now = now();
        let mut transaction = self.write().await?;
        for (name, value) in changes {
            match value {
                Some(value) => {
                    sqlx::query!(
                        "INSERT INTO settings (name, value, updated_at) VALUES (?, ?, ?)
                         ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
                        name,
                        value,
                        now
                    )
                    .execute(&mut *transaction)
                    .await?;
                }
                None => {
                    sqlx::query!("DELETE FROM settings WHERE name = ?", name).execute(&mut *transaction).await?;
                }
            }
        }
        transaction.commit().await
    }

    /// The profile of `owner`, as JSON.
    pub(crate) async fn profile(&self, owner: &str) -> sqlx::Result<Option<String>> {
        sqlx::query_scalar!("SELECT profile FROM profiles WHERE owner = ?", owner).fetch_optional(&self.pool).await
    }

    /// Stores the profile of `owner`.
    pub(crate) async fn save_profile(&self, owner: &str, profile: &str) -> sqlx::Result<()> {
        let now = now();
        sqlx::query!(
            "INSERT INTO profiles (owner, profile, updated_at) VALUES (?, ?, ?)
             ON CONFLICT (owner) DO UPDATE SET profile = excluded.profile, updated_at = excluded.updated_at",
            owner,
            profile,
            now
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
