//! Retention: deletes history that is older than the setting allows.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::base::time::now;
use crate::models::Models;
use crate::settings;
use crate::store::Store;

/// Interval between two runs, also while no setting changes.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Deletes messages older than the setting `history_retention_days`: now, every hour, and when the setting changes.
pub(crate) async fn watch(store: Store, settings: settings::Handle, models: Models, shutdown: CancellationToken) {
    let mut changed = settings.watch();
    loop {
        let days = changed.borrow_and_update().history_retention_days;
        if let Some(days) = days {
            match store.prune_history(now() - i64::from(days) * DAY).await {
                Ok(0) => {}
                Ok(deleted) => {
                    tracing::info!(deleted, "deleted {deleted} messages older than {days} days");
                    models.clear_kv_cache();
                }
                Err(error) => tracing::error!(%error, "could not delete old messages: {error}"),
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
            changed = changed.changed() => if changed.is_err() { return },
        }
    }
}
