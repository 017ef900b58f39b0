//! Editor sessions: the newest request of each supersedes the one before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

type Name = (String, String);

/// The running request of each session. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct EditorSessions(Arc<Mutex<HashMap<Name, CancellationToken>>>);

/// A request that runs until a newer one of its session supersedes it. Dropping it ends it.
#[derive(Debug)]
pub struct SessionGuard {
    sessions: EditorSessions,
    name: Option<Name>,
    superseded: CancellationToken,
}

impl EditorSessions {
    /// Starts a request, and supersedes the older one of the same owner's session. Without a session, nothing
    /// supersedes it.
    #[must_use]
    pub fn start(&self, owner: &str, session: Option<&str>) -> SessionGuard {
        let superseded = CancellationToken::new();
        let name = session.map(|session| (owner.to_owned(), session.to_owned()));
        if let Some(name) = &name {
            self.running(|running| {
                if let Some(older) = running.insert(name.clone(), superseded.clone()) {
                    older.cancel();
                }
            });
        }
        SessionGuard { sessions: self.clone(), name, superseded }
    }

    fn running<T>(&self, change: impl FnOnce(&mut HashMap<Name, CancellationToken>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SessionGuard {
    /// Cancelled when a newer request of the session starts.
    #[must_use]
    pub fn superseded(&self) -> &CancellationToken {
        &self.superseded
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        self.sessions.running(|running| {
            // If this request was superseded, the entry belongs to the newer one already.
            if !self.superseded.is_cancelled() {
                running.remove(&name);
            }
        });
    }
}
