//! Where the window is and how large, over restarts.

use std::sync::Arc;
use std::time::Duration;

use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Manager, WebviewWindow, WindowEvent, Wry};
use tauri_plugin_window_state::{AppHandleExt, Builder, StateFlags, WindowExt};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::{data_dir, quick_window};

/// The file, in the data folder.
const FILE: &str = "placement.json";

/// So long a window must rest before its place is written down.
const SAVE_DEBOUNCE: Duration = Duration::from_millis(400);

/// What is kept of a window.
fn flags() -> StateFlags {
    StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED
}

/// What puts windows where they were.
pub fn plugin() -> TauriPlugin<Wry> {
    let mut builder = Builder::new().with_state_flags(flags()).with_denylist(&[quick_window::QUICK]);
    if let Some(folder) = data_dir::path() {
        // A whole path, which takes the place of the folder that the plugin would choose.
        builder = builder.with_filename(folder.join(FILE).to_string_lossy());
    }
    builder.build()
}

/// Writes the window's place down whenever it has come to rest, and not only at the end, which may be sudden.
pub fn save_on_change(window: &WebviewWindow) {
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
            // On the windows' own thread: the plugin asks the window while it holds what the window's events wait for.
            if app.run_on_main_thread(move || save(&handle)).is_err() {
                return;
            }
            sleep(SAVE_DEBOUNCE).await;
        }
    });
}

/// Writes it down now.
pub fn save(app: &AppHandle) {
    if app.get_webview_window(super::MAIN).is_some_and(|window| !window.is_visible().unwrap_or_default()) {
        // A hidden window has no place.
        return;
    }
    if let Err(error) = app.save_window_state(flags()) {
        tracing::warn!("could not write down where the window is: {error}");
    }
}

/// Puts a window that was hidden back: some window managers would choose a new place for it.
pub fn restore(window: &WebviewWindow) {
    if let Err(error) = window.restore_state(flags()) {
        tracing::warn!("could not put the window where it was: {error}");
    }
}
