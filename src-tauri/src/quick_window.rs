//! The quick window: a small always-on-top window for one question, created hidden so that it opens without delay.

use std::env;

use serde::{Deserialize, Serialize};
use tauri::{
    AppHandle, Emitter, LogicalSize, Manager, PhysicalPosition, WebviewUrl, WebviewWindow, WebviewWindowBuilder,
};

use crate::i18n::Language;
use crate::window;

/// Window label.
pub(crate) const QUICK: &str = "quick";

/// Command-line argument that shows the quick window, for desktops where shortcuts can only run commands.
pub(crate) const ARGUMENT: &str = "--quick";

/// Event emitted to the quick window when it is shown.
const SHOWN_EVENT: &str = "quick-shown";

/// Event that carries a [`Handoff`] to the main window.
const HANDOFF_EVENT: &str = "opened";

/// Size in logical pixels; the height depends on whether an answer is shown.
const WIDTH: f64 = 680.0;
const COLLAPSED_HEIGHT: f64 = 132.0;
const EXPANDED_HEIGHT: f64 = 520.0;

/// What the quick window passes to the main window.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Handoff {
    /// A question that has not been sent.
    Question(String),
    /// The id of a conversation.
    Conversation(String),
}

/// Creates the window, hidden, unless it exists.
///
/// # Errors
/// When the window cannot be created.
pub(crate) fn create(app: &AppHandle) -> tauri::Result<WebviewWindow> {
    if let Some(window) = app.get_webview_window(QUICK) {
        return Ok(window);
    }
    let builder = WebviewWindowBuilder::new(app, QUICK, WebviewUrl::App("quick.html".into()))
        .title(format!("HAPA {}", Language::En.strings().quick.to_lowercase()))
        .inner_size(WIDTH, COLLAPSED_HEIGHT)
        .decorations(false)
        .always_on_top(true)
        .skip_taskbar(true)
        .visible_on_all_workspaces(true)
        .visible(false);
    window::build(builder)
}

/// Shows the window, or hides it if it is in front.
pub(crate) fn toggle(app: &AppHandle) {
    let in_front =
        |window: &WebviewWindow| window.is_visible().unwrap_or_default() && window.is_focused().unwrap_or_default();
    match app.get_webview_window(QUICK) {
        Some(window) if in_front(&window) => hide(app),
        _ => show(app),
    }
}

/// Shows and focuses the window, on the monitor with the pointer.
pub(crate) fn show(app: &AppHandle) {
    let shown = create(app).and_then(|window| {
        if !window.is_visible()? {
            move_to_active_monitor(&window)?;
        }
        window.show()?;
        window.set_focus()?;
        app.emit_to(QUICK, SHOWN_EVENT, ())
    });
    if let Err(error) = shown {
        tracing::warn!("could not show the quick window: {error}");
    }
}

/// Hides the window. A running answer continues.
pub(crate) fn hide(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(QUICK)
        && let Err(error) = window.hide()
    {
        tracing::warn!("could not hide the quick window: {error}");
    }
}

/// Expands the window to show an answer, or collapses it.
///
/// # Errors
/// When the window cannot be resized.
pub(crate) fn resize(window: &WebviewWindow, expanded: bool) -> tauri::Result<()> {
    window.set_size(LogicalSize::new(WIDTH, if expanded { EXPANDED_HEIGHT } else { COLLAPSED_HEIGHT }))
}

/// Hides the quick window and passes its content to the main window.
///
/// # Errors
/// When the event cannot be emitted.
pub(crate) fn hand_off(app: &AppHandle, handoff: &Handoff) -> tauri::Result<()> {
    hide(app);
    window::show(app);
    app.emit_to(window::MAIN, HANDOFF_EVENT, handoff)
}

/// Moves the window to the monitor with the pointer: centred, one fifth from the top.
fn move_to_active_monitor(window: &WebviewWindow) -> tauri::Result<()> {
    let pointer = window.cursor_position().unwrap_or_default();
    let monitor = match window.monitor_from_point(pointer.x, pointer.y)? {
        Some(monitor) => Some(monitor),
        None => window.primary_monitor()?,
    };
    let Some(monitor) = monitor else { return Ok(()) };
    let (corner, size) = (monitor.position(), monitor.size());
    let width = (WIDTH * monitor.scale_factor()).round();
    let x = f64::from(corner.x) + (f64::from(size.width) - width) / 2.0;
    let y = f64::from(corner.y) + f64::from(size.height) / 5.0;
    window.set_position(PhysicalPosition::new(x, y))
}

/// Whether this process was started with [`ARGUMENT`].
pub(crate) fn is_requested() -> bool {
    env::args().any(|argument| argument == ARGUMENT)
}
