//! Editor sessions: the newest request of each counts, an older one that still runs is ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

type Name = (String, String);

/// The running request of each session. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Sessions(Arc<Mutex<HashMap<Name, CancellationToken>>>);

/// A request that counts until a newer one of its session comes. Dropping it ends its turn.
#[derive(Debug)]
pub struct Turn {
    sessions: Sessions,
    name: Option<Name>,
    newer: CancellationToken,
}

impl Sessions {
    /// Begins a request, and ends the older one of the same owner's session. Without a session, nothing ends it.
    #[must_use]
    pub fn begin(&self, owner: &str, session: Option<&str>) -> Turn {
        let newer = CancellationToken::new();
        let name = session.map(|session| (owner.to_owned(), session.to_owned()));
        if let Some(name) = &name {
            self.running(|running| {
                if let Some(older) = running.insert(name.clone(), newer.clone()) {
                    older.cancel();
                }
            });
        }
        Turn { sessions: self.clone(), name, newer }
    }

    fn running<T>(&self, change: impl FnOnce(&mut HashMap<Name, CancellationToken>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Turn {
    /// Cancelled when a newer request of the session comes.
    #[must_use]
    pub fn newer(&self) -> &CancellationToken {
        &self.newer
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        self.sessions.running(|running| {
            // A newer request has taken the place already, if this one was cancelled.
            if !self.newer.is_cancelled() {
                running.remove(&name);
            }
        });
    }
}
