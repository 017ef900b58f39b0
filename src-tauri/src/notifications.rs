//! Telling the user by the system's own means what no window that is looked at tells.

use tauri::{AppHandle, Manager, WebviewWindow};
use tauri_plugin_notification::NotificationExt;

use crate::preferences::DesktopStateFile;
use crate::{quick_window, window};

/// Characters of a title and of a text at most.
const MAX_CHARS: usize = 200;

/// What a notice remembers: the window to show when it is clicked.
const WINDOW_KEY: &str = "window";

/// Shows the window that a notice came from when somebody clicks it, where the system tells of that.
pub fn handle_clicks(app: &AppHandle) {
    let handle = app.clone();
    let registered = app.notification().on_action(move |action| {
        if action.action_id() != "tap" {
            return;
        }
        let from = action
            .notification()
            .and_then(|notification| notification.extra().get(WINDOW_KEY)?.as_str().map(str::to_owned));
        if from.as_deref() == Some(quick_window::QUICK) { quick_window::show(&handle) } else { window::show(&handle) }
    });
    if let Err(error) = registered {
        tracing::warn!("clicks on notices are not registered: {error}");
    }
}

/// Tells of something that happened in this window, if the user wants that and does not see it anyway.
pub fn notify_unless_in_front(window: &WebviewWindow, title: &str, text: &str) {
    let enabled = window.state::<DesktopStateFile>().get().preferences.notifications;
    if enabled && !is_in_front(window) {
        show(window.app_handle(), window.label(), title, text);
    }
}

/// Tells of something.
pub fn show(app: &AppHandle, from: &str, title: &str, text: &str) {
    let notification = app
        .notification()
        .builder()
        .title(truncate(title))
        .body(escape_markup(&truncate(text)))
        .extra(WINDOW_KEY, from);
    if let Err(error) = notification.show() {
        tracing::warn!("could not show a notice: {error}");
    }
}

fn is_in_front(window: &WebviewWindow) -> bool {
    let (visible, minimized) = (window.is_visible().unwrap_or_default(), window.is_minimized().unwrap_or_default());
    visible && !minimized && window.is_focused().unwrap_or_default()
}

fn truncate(text: &str) -> String {
    text.chars().take(MAX_CHARS).collect()
}

/// On Linux a text may be markup, which no question is meant to be.
fn escape_markup(text: &str) -> String {
    if cfg!(target_os = "linux") { text.replace('&', "&amp;").replace('<', "&lt;") } else { text.to_owned() }
}
