//! Starting with the user's session, without a window.

use std::env;

use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Wry};
use tauri_plugin_autostart::ManagerExt;

/// A start with this argument shows no window: HAPA waits in the tray.
const HIDDEN_ARGUMENT: &str = "--hidden";

/// What tells the system.
pub fn plugin() -> TauriPlugin<Wry> {
    tauri_plugin_autostart::Builder::new().arg(HIDDEN_ARGUMENT).build()
}

/// Whether these are the arguments of a start with the session.
pub fn is_autostart(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| argument == HIDDEN_ARGUMENT)
}

/// Whether this process was started with the session.
pub fn is_autostarted() -> bool {
    is_autostart(&env::args().collect::<Vec<_>>())
}

/// Whether HAPA starts with the session.
pub fn is_enabled(app: &AppHandle) -> bool {
    app.autolaunch().is_enabled().unwrap_or_default()
}

/// Sees to it that HAPA does, or does not.
pub fn set_enabled(app: &AppHandle, on: bool) -> Result<(), tauri_plugin_autostart::Error> {
    let manager = app.autolaunch();
    if on { manager.enable() } else { manager.disable() }
}
