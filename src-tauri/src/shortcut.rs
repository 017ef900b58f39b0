//! The global shortcut that opens the quick window.

use std::env;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Manager, Wry};
use tauri_plugin_global_shortcut::{Builder, GlobalShortcutExt, ShortcutState};

use crate::quick_window;

/// The shortcut that is registered now.
#[derive(Debug, Default)]
pub(crate) struct RegisteredShortcut(Mutex<Option<String>>);

/// Whether the configured shortcut works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ShortcutStatus {
    /// It is registered, or none is configured.
    Works,
    /// Another program has registered it.
    Taken,
    /// This desktop does not support global shortcuts.
    Unavailable,
}

/// The plugin that registers shortcuts; `None` if the desktop does not support them.
///
/// Wayland delivers keys only to the focused window, so a shortcut registered through XWayland would rarely fire.
pub(crate) fn plugin() -> Option<TauriPlugin<Wry>> {
    let wayland = cfg!(target_os = "linux") && env::var_os("WAYLAND_DISPLAY").is_some_and(|name| !name.is_empty());
    (!wayland).then(|| Builder::new().build())
}

/// Registers a shortcut in place of the previous one; `None` only unregisters. On failure the
/// previous one stays and `false` is returned.
pub(crate) fn register(app: &AppHandle, keys: Option<&str>) -> bool {
    if !is_available(app) {
        return keys.is_none();
    }
    let registered = app.state::<RegisteredShortcut>();
    let mut registered = registered.0.lock().unwrap_or_else(PoisonError::into_inner);
    if registered.as_deref() == keys {
        return true;
    }
    if let Some(keys) = keys
        && let Err(error) = bind(app, keys)
    {
        tracing::warn!("could not register shortcut {keys}: {error}");
        return false;
    }
    if let Some(previous) = registered.take() {
        let _ = app.global_shortcut().unregister(previous.as_str());
    }
    *registered = keys.map(str::to_owned);
    true
}

/// The status of the configured shortcut.
pub(crate) fn status(app: &AppHandle, configured: Option<&str>) -> ShortcutStatus {
    if !is_available(app) {
        return ShortcutStatus::Unavailable;
    }
    let registered = app.state::<RegisteredShortcut>();
    let works = registered.0.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == configured;
    if works { ShortcutStatus::Works } else { ShortcutStatus::Taken }
}

fn is_available(app: &AppHandle) -> bool {
    app.try_state::<tauri_plugin_global_shortcut::GlobalShortcut<Wry>>().is_some()
}

fn bind(app: &AppHandle, keys: &str) -> Result<(), tauri_plugin_global_shortcut::Error> {
    app.global_shortcut().on_shortcut(keys, |app, _, event| {
        if event.state == ShortcutState::Pressed {
            quick_window::toggle(app);
        }
    })
}
