//! Watches the models folder, so that new and removed files are noticed at once.

use std::path::Path;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::Models;

/// Watches a folder for as long as the returned watcher is held. `None` if the system does not support it; the loader's polling finds
/// changes then.
pub(crate) fn watch(folder: &Path, models: Models) -> Option<RecommendedWatcher> {
    let on_event = move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| is_complete(event.kind)) {
            models.rescan();
        }
    };
    let watched = notify::recommended_watcher(on_event).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watched
        .inspect_err(|error| tracing::debug!(%error, "could not watch the models folder; changes are found by polling"))
        .ok()
}

/// Whether an event means that a file was added, completed or removed, and not just written to.
fn is_complete(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Create(_)
            | EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Access(AccessKind::Close(AccessMode::Write))
    )
}
