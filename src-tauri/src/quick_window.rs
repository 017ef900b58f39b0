//! The quick window: a question from anywhere, above everything else. It waits hidden, so that it is there at once.

use std::env;

use serde::{Deserialize, Serialize};
use tauri::{
    AppHandle, Emitter, LogicalSize, Manager, PhysicalPosition, WebviewUrl, WebviewWindow, WebviewWindowBuilder,
};

use crate::i18n::Language;
use crate::window;

/// Its label.
pub const QUICK: &str = "quick";

/// A start with this argument shows it, for desktops where keys can only be given to commands.
pub const ARGUMENT: &str = "--quick";

/// The event that says that it has come up.
const SHOWN_EVENT: &str = "quick-shown";

/// The event that hands something over to the main window.
const HANDOFF_EVENT: &str = "opened";

/// Its width, and its height before there is an answer and after.
const WIDTH: f64 = 680.0;
const COLLAPSED_HEIGHT: f64 = 132.0;
const EXPANDED_HEIGHT: f64 = 520.0;

/// What goes on in the main window.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handoff {
    /// A question that was not asked yet.
    Question(String),
    /// The id of a conversation.
    Conversation(String),
}

/// Makes the window, hidden, unless there is one.
pub fn create(app: &AppHandle) -> tauri::Result<WebviewWindow> {
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

/// Shows it, or hides it where it is in front already.
pub fn toggle(app: &AppHandle) {
    let in_front =
        |window: &WebviewWindow| window.is_visible().unwrap_or_default() && window.is_focused().unwrap_or_default();
    match app.get_webview_window(QUICK) {
        Some(window) if in_front(&window) => hide(app),
        _ => show(app),
    }
}

/// Brings it to the user, on the screen where the pointer is.
pub fn show(app: &AppHandle) {
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

/// Takes it off the screen. What is written in it goes on.
pub fn hide(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(QUICK)
        && let Err(error) = window.hide()
    {
        tracing::warn!("could not hide the quick window: {error}");
    }
}

/// Makes room for an answer, or takes it back.
pub fn resize(window: &WebviewWindow, expanded: bool) -> tauri::Result<()> {
    window.set_size(LogicalSize::new(WIDTH, if expanded { EXPANDED_HEIGHT } else { COLLAPSED_HEIGHT }))
}

/// Goes on in the main window.
pub fn hand_off(app: &AppHandle, handoff: &Handoff) -> tauri::Result<()> {
    hide(app);
    window::show(app);
    app.emit_to(window::MAIN, HANDOFF_EVENT, handoff)
}

/// In the middle, in the upper part of the screen.
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

/// Whether this process was started to show it.
pub fn is_requested() -> bool {
    env::args().any(|argument| argument == ARGUMENT)
}
