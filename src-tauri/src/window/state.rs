//! Persists size and position of the main window across restarts.

use std::sync::Arc;
use std::time::Duration;

use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Manager, WebviewWindow, WindowEvent, Wry};
use tauri_plugin_window_state::{AppHandleExt, Builder, StateFlags, WindowExt};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::{data_dir, quick_window};

/// File name in the data folder.
const FILE: &str = "placement.json";

/// Time without move or resize events before the state is saved.
const SAVE_DEBOUNCE: Duration = Duration::from_millis(400);

/// The parts of the state that are persisted.
fn flags() -> StateFlags {
    StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED
}

/// The plugin that saves and restores window state.
pub(crate) fn plugin() -> TauriPlugin<Wry> {
    let mut builder = Builder::new().with_state_flags(flags()).with_denylist(&[quick_window::QUICK]);
    if let Some(folder) = data_dir::path() {
        // An absolute path, which overrides the plugin's own folder.
        builder = builder.with_filename(folder.join(FILE).to_string_lossy());
    }
    builder.build()
}

/// Saves the state after every move or resize, debounced: the plugin saves at exit, which a crash skips.
pub(crate) fn save_on_change(window: &WebviewWindow) {
    let changed = Arc::new(Notify::new());
    let app = window.app_handle().clone();
    let notifier = Arc::clone(&changed);
    window.on_window_event(move |event| {
        if matches!(event, WindowEvent::Moved(_) | WindowEvent::Resized(_)) {
            notifier.notify_one();
        }
    });
    tauri::async_runtime::spawn(async move {
        loop {
            changed.notified().await;
            while timeout(SAVE_DEBOUNCE, changed.notified()).await.is_ok() {}
            let handle = app.clone();
            // On the main thread: the plugin queries the window while it holds a lock that window event handlers take.
            if app.run_on_main_thread(move || save(&handle)).is_err() {
                return;
            }
            sleep(SAVE_DEBOUNCE).await;
        }
    });
}

/// Saves the state now, unless the window is hidden.
pub(crate) fn save(app: &AppHandle) {
    if app.get_webview_window(super::MAIN).is_some_and(|window| !window.is_visible().unwrap_or_default()) {
        // A hidden window has no valid position.
        return;
    }
    if let Err(error) = app.save_window_state(flags()) {
        tracing::warn!("could not save the window state: {error}");
    }
}

/// Restores the state of a window that was hidden: some window managers would choose a new position.
pub(crate) fn restore(window: &WebviewWindow) {
    if let Err(error) = window.restore_state(flags()) {
        tracing::warn!("could not restore the window state: {error}");
    }
}
