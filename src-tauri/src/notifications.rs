//! System notifications, shown while the window is not in front.

use tauri::{AppHandle, Manager, WebviewWindow};
use tauri_plugin_notification::NotificationExt;

use crate::preferences::DesktopStateFile;
use crate::{quick_window, window};

/// Maximum number of characters in a title or a body.
const MAX_CHARS: usize = 200;

/// Extra field of a notification: the label of the window to show on a click.
const WINDOW_KEY: &str = "window";

/// Shows the window of a notification when the user clicks it, on systems that report clicks.
pub(crate) fn handle_clicks(app: &AppHandle) {
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
        tracing::warn!("could not register for notification clicks: {error}");
    }
}

/// Shows a notification of this window, if notifications are enabled and the window is not in front.
pub(crate) fn notify_unless_in_front(window: &WebviewWindow, title: &str, text: &str) {
    let enabled = window.state::<DesktopStateFile>().get().preferences.notifications;
    if enabled && !is_in_front(window) {
        show(window.app_handle(), window.label(), title, text);
    }
}

/// Shows a notification. `from` is the label of the window that a click shows.
pub(crate) fn show(app: &AppHandle, from: &str, title: &str, text: &str) {
    let notification = app
        .notification()
        .builder()
        .title(truncate(title))
        .body(escape_markup(&truncate(text)))
        .extra(WINDOW_KEY, from);
    if let Err(error) = notification.show() {
        tracing::warn!("could not show a notification: {error}");
    }
}

fn is_in_front(window: &WebviewWindow) -> bool {
    let (visible, minimized) = (window.is_visible().unwrap_or_default(), window.is_minimized().unwrap_or_default());
    visible && !minimized && window.is_focused().unwrap_or_default()
}

fn truncate(text: &str) -> String {
    text.chars().take(MAX_CHARS).collect()
}

/// Linux notification daemons interpret the body as markup, so a question's `<` and `&` are escaped.
fn escape_markup(text: &str) -> String {
    if cfg!(target_os = "linux") { text.replace('&', "&amp;").replace('<', "&lt;") } else { text.to_owned() }
}
