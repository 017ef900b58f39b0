//! Autostart: HAPA starts when the user logs in, hidden in the tray.

use std::env;

use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Wry};
use tauri_plugin_autostart::ManagerExt;

/// Command-line argument of an autostart: no window is shown, only the tray icon.
const HIDDEN_ARGUMENT: &str = "--hidden";

/// The plugin that registers the app for autostart.
pub(crate) fn plugin() -> TauriPlugin<Wry> {
    tauri_plugin_autostart::Builder::new().arg(HIDDEN_ARGUMENT).build()
}

/// Whether these command-line arguments are those of an autostart.
pub(crate) fn is_autostart(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| argument == HIDDEN_ARGUMENT)
}

/// Whether this process was started by autostart.
pub(crate) fn is_autostarted() -> bool {
    is_autostart(&env::args().collect::<Vec<_>>())
}

/// Whether autostart is enabled; `false` if that cannot be determined.
pub(crate) fn is_enabled(app: &AppHandle) -> bool {
    app.autolaunch().is_enabled().unwrap_or_default()
}

/// Enables or disables autostart.
///
/// # Errors
/// When the system's autostart entry cannot be changed.
pub(crate) fn set_enabled(app: &AppHandle, on: bool) -> Result<(), tauri_plugin_autostart::Error> {
    let manager = app.autolaunch();
    if on { manager.enable() } else { manager.disable() }
}
