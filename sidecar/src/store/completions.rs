//! The table of completions that were offered, and what became of them.

use super::{Store, id, now};

/// What became of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Somebody saw it.
    Shown,
    /// So many characters of it were taken.
    Accepted(Option<i64>),
    /// It was turned down.
    Rejected,
}

impl Store {
    /// Keeps that completions of these lengths, in characters, were offered, and gives back their ids.
    pub(crate) async fn add_completions(
        &self,
        owner: &str,
        language: &str,
        lengths: &[i64],
    ) -> sqlx::Result<Vec<String>> {
        let (mut ids, now) = (Vec::new(), now());
        let mut transaction = self.write().await?;
        for characters in lengths {
            let id = id();
            sqlx::query!(
                "INSERT INTO completions (id, owner, language, characters, created_at) VALUES (?, ?, ?, ?, ?)",
                id,
                owner,
                language,
                characters,
                now
            )
            .execute(&mut *transaction)
            .await?;
            ids.push(id);
        }
        transaction.commit().await?;
        Ok(ids)
    }

    /// Keeps what became of a completion. `false` if `owner` was offered none by this id.
    pub(crate) async fn mark_completion(&self, owner: &str, id: &str, fate: Fate) -> sqlx::Result<bool> {
        let now = now();
        let done = match fate {
            Fate::Shown => {
                sqlx::query!("UPDATE completions SET shown_at = ? WHERE owner = ? AND id = ?", now, owner, id)
                    .execute(&self.pool)
                    .await?
            }
            Fate::Accepted(characters) => {
                sqlx::query!(
                    "UPDATE completions SET accepted_at = ?, accepted_characters = coalesce(?, characters)
                     WHERE owner = ? AND id = ?",
                    now,
                    characters,
                    owner,
                    id
                )
                .execute(&self.pool)
                .await?
            }
            Fate::Rejected => {
                sqlx::query!("UPDATE completions SET rejected_at = ? WHERE owner = ? AND id = ?", now, owner, id)
                    .execute(&self.pool)
                    .await?
            }
        };
        Ok(done.rows_affected() > 0)
    }

    /// Forgets completions that were offered before this time.
    pub(crate) async fn prune_completions(&self, before: i64) -> sqlx::Result<()> {
        sqlx::query!("DELETE FROM completions WHERE created_at < ?", before).execute(&self.pool).await?;
        Ok(())
    }
}
