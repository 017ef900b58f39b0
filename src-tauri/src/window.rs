//! The main window: hidden until it has something to show, in front whenever somebody asks for it, and where it was last time.

#[cfg(target_os = "linux")]
mod software_rendering;
mod state;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tauri::webview::{Color, NewWindowResponse};
use tauri::{App, AppHandle, Manager, Theme, Url, WebviewWindow, WebviewWindowBuilder, WindowEvent, Wry};
use tokio::time::sleep;

pub use self::state::plugin as state_plugin;
use crate::preferences::DesktopStateFile;
use crate::{autostart, data_dir, notifications, tray};

/// Its label.
pub const MAIN: &str = "main";

/// Folder inside the data folder for what the web view keeps by itself.
const WEBVIEW_DIR: &str = "window";

/// How long a front end may take to draw before the window is shown without it.
const FIRST_PAINT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a start with the session waits for a tray before it shows the window after all.
const TRAY_TIMEOUT: Duration = Duration::from_secs(20);

/// What became of the page since it was last loaded.
#[derive(Debug, Default)]
struct PageState {
    /// It has a first view.
    ready: AtomicBool,
    /// The view was drawn on the screen.
    painted: AtomicBool,
    /// The user wants to see the window.
    show_requested: AtomicBool,
}

/// Opens the window, hidden.
pub fn open(app: &App) -> tauri::Result<()> {
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
                // The quick window, hidden or not, keeps nobody here.
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

/// A window of ours: it shows nothing but our pages, and what its web view keeps lies in the data folder.
pub fn build(builder: WebviewWindowBuilder<'_, Wry, impl Manager<Wry>>) -> tauri::Result<WebviewWindow> {
    let mut builder = builder.on_navigation(is_app_url).on_new_window(|_, _| NewWindowResponse::Deny);
    if let Some(folder) = data_dir::path() {
        builder = builder.data_directory(folder.join(WEBVIEW_DIR));
    }
    let window = builder.build()?;
    window.set_background_color(Some(background_color(window.theme()?)))?;
    Ok(window)
}

/// The page has a first view: time to show the window, if somebody wants to see it.
pub fn ready(window: &WebviewWindow) {
    let page = page_state(window);
    let first = !page.ready.swap(true, Ordering::Relaxed);
    if first && page.show_requested.load(Ordering::Relaxed) && !window.is_visible().unwrap_or_default() {
        show(window.app_handle());
    }
}

/// The page was drawn on the screen.
pub fn painted(window: &WebviewWindow) {
    #[cfg(target_os = "linux")]
    if software_rendering::simulates_blank() {
        return;
    }
    page_state(window).painted.store(true, Ordering::Relaxed);
}

/// Brings the window to the user, wherever it was.
pub fn show(app: &AppHandle) {
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

/// On Linux some graphics drivers leave the window blank; those that are known to are kept out of its way.
pub fn apply_driver_workarounds() {
    #[cfg(target_os = "linux")]
    software_rendering::apply_driver_workarounds();
}

/// Whether closing the window leaves HAPA in the tray: the user wants that, and would find it there.
fn closes_to_tray(app: &AppHandle) -> bool {
    app.state::<DesktopStateFile>().get().preferences.background && tray::is_available(app)
}

/// Leaves HAPA in the tray, and says so the first time.
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

/// Shows the window after a while, whatever its page does.
fn show_after_timeout(window: WebviewWindow) {
    tauri::async_runtime::spawn(async move {
        sleep(FIRST_PAINT_TIMEOUT).await;
        if !page_state(&window).ready.load(Ordering::Relaxed) {
            tracing::warn!(
                "the front end has no first view after {FIRST_PAINT_TIMEOUT:?}; the window is shown without it"
            );
            show(window.app_handle());
        }
    });
}

/// A desktop that begins its session may put its tray up after us. One without any tray gets the window.
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

/// Whether a page belongs to the app. A window shows nothing else, whatever an answer links to.
fn is_app_url(url: &Url) -> bool {
    let embedded = url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost");
    embedded || (cfg!(dev) && url.host_str() == Some("localhost"))
}

/// What is seen before the first view, and behind it while the window is resized: `--page` of the front end.
fn background_color(theme: Theme) -> Color {
    match theme {
        Theme::Dark => Color(0x18, 0x17, 0x15, 0xff),
        _ => Color(0xfa, 0xf9, 0xf7, 0xff),
    }
}
