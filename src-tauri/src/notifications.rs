//! Telling the user by the system's own means what no window that is looked at tells.

use tauri::{AppHandle, Manager, WebviewWindow};
use tauri_plugin_notification::NotificationExt;

use crate::preferences::Memory;
use crate::{quick_window, window};

/// Characters of a title and of a text at most.
const LIMIT: usize = 200;

/// What a notice remembers: the window to show when it is clicked.
const WINDOW: &str = "window";

/// Shows the window that a notice came from when somebody clicks it, where the system tells of that.
pub fn follow_clicks(app: &AppHandle) {
    let handle = app.clone();
    let followed = app.notification().on_action(move |action| {
        if action.action_id() != "tap" {
            return;
        }
        let from = action.notification().and_then(|notice| notice.extra().get(WINDOW)?.as_str().map(str::to_owned));
        if from.as_deref() == Some(quick_window::QUICK) { quick_window::show(&handle) } else { window::show(&handle) }
    });
    if let Err(error) = followed {
        tracing::warn!("clicks on notices are not followed: {error}");
    }
}

/// Tells of something that happened in this window, if the user wants that and does not see it anyway.
pub fn tell(window: &WebviewWindow, title: &str, text: &str) {
    let wanted = window.state::<Memory>().get().choices.notifications;
    if wanted && !is_seen(window) {
        send(window.app_handle(), window.label(), title, text);
    }
}

/// Tells of something.
pub fn send(app: &AppHandle, from: &str, title: &str, text: &str) {
    let notice = app.notification().builder().title(short(title)).body(plain(&short(text))).extra(WINDOW, from);
    if let Err(error) = notice.show() {
        tracing::warn!("could not show a notice: {error}");
    }
}

fn is_seen(window: &WebviewWindow) -> bool {
    let (visible, minimized) = (window.is_visible().unwrap_or_default(), window.is_minimized().unwrap_or_default());
    visible && !minimized && window.is_focused().unwrap_or_default()
}

fn short(text: &str) -> String {
    text.chars().take(LIMIT).collect()
}

/// On Linux a text may be markup, which no question is meant to be.
fn plain(text: &str) -> String {
    if cfg!(target_os = "linux") { text.replace('&', "&amp;").replace('<', "&lt;") } else { text.to_owned() }
}
