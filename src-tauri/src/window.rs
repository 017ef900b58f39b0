//! The main window: shown after its first view, hidden to the tray on close, restored at its last position.

#[cfg(target_os = "linux")]
mod software_rendering;
mod state;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tauri::webview::{Color, NewWindowResponse};
use tauri::{App, AppHandle, Manager, Theme, Url, WebviewWindow, WebviewWindowBuilder, WindowEvent, Wry};
use tokio::time::sleep;

pub(crate) use self::state::plugin as state_plugin;
use crate::preferences::DesktopStateFile;
use crate::{autostart, data_dir, notifications, tray};

/// Window label.
pub(crate) const MAIN: &str = "main";

/// Folder of the web view's own data inside the data folder.
const WEBVIEW_DIR: &str = "window";

/// How long to wait for the front end's first view before the window is shown anyway.
const FIRST_VIEW_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an autostart waits for a tray host before the window is shown anyway.
const TRAY_TIMEOUT: Duration = Duration::from_secs(20);

/// State of the main window's page since it was last loaded.
#[derive(Debug, Default)]
struct PageState {
    /// The page has rendered its first view.
    ready: AtomicBool,
    /// The first view was painted.
    painted: AtomicBool,
    /// The window is to be shown as soon as the page is ready.
    show_requested: AtomicBool,
}

/// Creates the window, hidden, and shows it as soon as its page is ready; an autostart leaves it hidden.
///
/// # Errors
/// When the window cannot be created.
pub(crate) fn open(app: &App) -> tauri::Result<()> {
    app.manage(PageState::default());
    let config = app.config().app.windows.first().expect("tauri.conf.json has a window");
    let window = build(WebviewWindowBuilder::from_config(app, config)?)?;
    state::save_on_change(&window);
    let closed = window.clone();
    window.on_window_event(move |event| {
        if let WindowEvent::CloseRequested { api, .. } = event {
            if closes_to_tray(closed.app_handle()) {
                api.prevent_close();
                hide_to_tray(&closed);
            } else {
                // Explicitly, since the quick window, even hidden, would keep the process running.
                closed.app_handle().exit(0);
            }
        }
    });
    #[cfg(target_os = "linux")]
    software_rendering::watch(&window)?;
    if autostart::is_autostarted() {
        show_without_tray(app.handle().clone());
    } else {
        page_state(&window).show_requested.store(true, Ordering::Relaxed);
        show_after_timeout(window);
    }
    Ok(())
}

/// Builds a window that loads only the app's pages and stores its web view data in the data folder.
///
/// # Errors
/// When the window cannot be created.
pub(crate) fn build(builder: WebviewWindowBuilder<'_, Wry, impl Manager<Wry>>) -> tauri::Result<WebviewWindow> {
    let mut builder = builder.on_navigation(is_app_url).on_new_window(|_, _| NewWindowResponse::Deny);
    if let Some(folder) = data_dir::path() {
        builder = builder.data_directory(folder.join(WEBVIEW_DIR));
    }
    let window = builder.build()?;
    window.set_background_color(Some(background_color(window.theme()?)))?;
    Ok(window)
}

/// Handles the page's first view: shows the window if that was requested.
pub(crate) fn ready(window: &WebviewWindow) {
    let page = page_state(window);
    let first = !page.ready.swap(true, Ordering::Relaxed);
    if first && page.show_requested.load(Ordering::Relaxed) && !window.is_visible().unwrap_or_default() {
        show(window.app_handle());
    }
}

/// Handles the first paint of the page.
pub(crate) fn painted(window: &WebviewWindow) {
    #[cfg(target_os = "linux")]
    if software_rendering::simulates_blank() {
        return;
    }
    page_state(window).painted.store(true, Ordering::Relaxed);
}

/// Shows, unminimises and focuses the window.
pub(crate) fn show(app: &AppHandle) {
    let Some(window) = app.get_webview_window(MAIN) else { return };
    page_state(&window).show_requested.store(true, Ordering::Relaxed);
    let hidden = !window.is_visible().unwrap_or_default();
    if let Err(error) = window.show().and_then(|()| window.unminimize()).and_then(|()| window.set_focus()) {
        tracing::warn!("could not show the window: {error}");
    }
    if hidden {
        state::restore(&window);
    }
}

/// Works around graphics drivers with which WebKitGTK leaves the window blank; does nothing except on Linux.
pub(crate) fn apply_driver_workarounds() {
    #[cfg(target_os = "linux")]
    software_rendering::apply_driver_workarounds();
}

/// Whether closing the window hides it to the tray: the preference is set and a tray host is running.
fn closes_to_tray(app: &AppHandle) -> bool {
    app.state::<DesktopStateFile>().get().preferences.background && tray::is_available(app)
}

/// Hides the window to the tray; the first time with a notification.
fn hide_to_tray(window: &WebviewWindow) {
    let (app, state) = (window.app_handle(), window.state::<DesktopStateFile>());
    state::save(app);
    page_state(window).show_requested.store(false, Ordering::Relaxed);
    if let Err(error) = window.hide() {
        tracing::warn!("could not hide the window: {error}");
    }
    if !state.get().tray_hint_shown {
        state.update(|state| state.tray_hint_shown = true);
        let (title, text) = crate::current_language(app).strings().stays;
        notifications::show(app, MAIN, title, text);
    }
}

/// Shows the window after a timeout, even if its page is not ready.
fn show_after_timeout(window: WebviewWindow) {
    tauri::async_runtime::spawn(async move {
        sleep(FIRST_VIEW_TIMEOUT).await;
        if !page_state(&window).ready.load(Ordering::Relaxed) {
            tracing::warn!("no first view from the front end after {FIRST_VIEW_TIMEOUT:?}, showing the window anyway");
            show(window.app_handle());
        }
    });
}

/// Shows the window of an autostart if no tray host appears in time; at login the tray host may start after HAPA.
fn show_without_tray(app: AppHandle) {
    tauri::async_runtime::spawn(async move {
        sleep(TRAY_TIMEOUT).await;
        if !tray::is_available(&app) {
            show(&app);
        }
    });
}

fn page_state(window: &WebviewWindow) -> tauri::State<'_, PageState> {
    window.state::<PageState>()
}

/// Whether a URL is one of the app's pages. A window navigates to no other, whatever an answer links to.
fn is_app_url(url: &Url) -> bool {
    let embedded = url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost");
    embedded || (cfg!(dev) && url.host_str() == Some("localhost"))
}

/// Background before the first view and while the window is resized: the front end's `--page` colour.
fn background_color(theme: Theme) -> Color {
    match theme {
        Theme::Dark => Color(0x18, 0x17, 0x15, 0xff),
        _ => Color(0xfa, 0xf9, 0xf7, 0xff),
    }
}
