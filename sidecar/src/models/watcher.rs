//! Noticing at once that a file has come into the models folder, or left it.

use std::path::Path;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::Models;

/// Watches a folder for as long as what is given back is held. `None` where the system does not tell; files are then found a little
/// later, when the keeper glances.
pub fn watch(folder: &Path, models: Models) -> Option<RecommendedWatcher> {
    let on_event = move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| is_complete(event.kind)) {
            models.rescan();
        }
    };
    let watched = notify::recommended_watcher(on_event).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watched.inspect_err(|error| tracing::debug!(%error, "the models folder is not watched")).ok()
}

/// Whether a file is there or gone after it, and not just growing.
fn is_complete(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Create(_)
            | EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Access(AccessKind::Close(AccessMode::Write))
    )
}
