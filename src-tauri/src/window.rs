//! The main window: hidden until it has something to show, in front whenever somebody asks for it, and where it was last time.

#[cfg(target_os = "linux")]
mod software_rendering;
mod state;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tauri::webview::{Color, NewWindowResponse};
use tauri::{App, AppHandle, Manager, Theme, Url, WebviewWindow, WebviewWindowBuilder, WindowEvent, Wry};
use tokio::time::sleep;

pub use self::state::plugin as placement;
use crate::preferences::Memory;
use crate::{autostart, data_dir, notifications, tray};

/// Its label.
pub const MAIN: &str = "main";

/// Folder inside the data folder for what the web view keeps by itself.
const PROFILE: &str = "window";

/// How long a front end may take to draw before the window is shown without it.
const SHOW: Duration = Duration::from_secs(2);

/// How long a start with the session waits for a tray before it shows the window after all.
const TRAY: Duration = Duration::from_secs(20);

/// What became of the page since it was last loaded.
#[derive(Debug, Default)]
struct Page {
    /// It has a first view.
    ready: AtomicBool,
    /// The view was drawn on the screen.
    drawn: AtomicBool,
    /// The user wants to see the window.
    wanted: AtomicBool,
}

/// Opens the window, hidden.
pub fn open(app: &App) -> tauri::Result<()> {
    app.manage(Page::default());
    let config = app.config().app.windows.first().expect("tauri.conf.json has a window");
    let window = build(WebviewWindowBuilder::from_config(app, config)?)?;
    state::keep(&window);
    let closed = window.clone();
    window.on_window_event(move |event| {
        if let WindowEvent::CloseRequested { api, .. } = event {
            if stays(closed.app_handle()) {
                api.prevent_close();
                hide(&closed);
            } else {
                // The quick window, hidden or not, keeps nobody here.
                closed.app_handle().exit(0);
            }
        }
    });
    #[cfg(target_os = "linux")]
    software_rendering::watch(&window)?;
    if autostart::is_this() {
        show_without_tray(app.handle().clone());
    } else {
        page(&window).wanted.store(true, Ordering::Relaxed);
        show_in_time(window);
    }
    Ok(())
}

/// A window of ours: it shows nothing but our pages, and what its web view keeps lies in the data folder.
pub fn build(builder: WebviewWindowBuilder<'_, Wry, impl Manager<Wry>>) -> tauri::Result<WebviewWindow> {
    let mut builder = builder.on_navigation(is_ours).on_new_window(|_, _| NewWindowResponse::Deny);
    if let Some(folder) = data_dir::data() {
        builder = builder.data_directory(folder.join(PROFILE));
    }
    let window = builder.build()?;
    window.set_background_color(Some(background(window.theme()?)))?;
    Ok(window)
}

/// The page has a first view: time to show the window, if somebody wants to see it.
pub fn ready(window: &WebviewWindow) {
    let page = page(window);
    let first = !page.ready.swap(true, Ordering::Relaxed);
    if first && page.wanted.load(Ordering::Relaxed) && !window.is_visible().unwrap_or_default() {
        show(window.app_handle());
    }
}

/// The page was drawn on the screen.
pub fn drawn(window: &WebviewWindow) {
    #[cfg(target_os = "linux")]
    if software_rendering::plays_blank() {
        return;
    }
    page(window).drawn.store(true, Ordering::Relaxed);
}

/// Brings the window to the user, wherever it was.
pub fn show(app: &AppHandle) {
    let Some(window) = app.get_webview_window(MAIN) else { return };
    page(&window).wanted.store(true, Ordering::Relaxed);
    let hidden = !window.is_visible().unwrap_or_default();
    if let Err(error) = window.show().and_then(|()| window.unminimize()).and_then(|()| window.set_focus()) {
        tracing::warn!("could not show the window: {error}");
    }
    if hidden {
        state::restore(&window);
    }
}

/// On Linux some graphics drivers leave the window blank; those that are known to are kept out of its way.
pub fn avoid_known_blanks() {
    #[cfg(target_os = "linux")]
    software_rendering::avoid_known_blanks();
}

/// Whether closing the window leaves HAPA in the tray: the user wants that, and would find it there.
fn stays(app: &AppHandle) -> bool {
    app.state::<Memory>().get().choices.background && tray::is_there(app)
}

/// Leaves HAPA in the tray, and says so the first time.
fn hide(window: &WebviewWindow) {
    let (app, memory) = (window.app_handle(), window.state::<Memory>());
    state::save(app);
    page(window).wanted.store(false, Ordering::Relaxed);
    if let Err(error) = window.hide() {
        tracing::warn!("could not hide the window: {error}");
    }
    if !memory.get().told_of_tray {
        memory.change(|memory| memory.told_of_tray = true);
        let (title, text) = crate::language(app).words().stays;
        notifications::send(app, MAIN, title, text);
    }
}

/// Shows the window after a while, whatever its page does.
fn show_in_time(window: WebviewWindow) {
    tauri::async_runtime::spawn(async move {
        sleep(SHOW).await;
        if !page(&window).ready.load(Ordering::Relaxed) {
            tracing::warn!("the front end has no first view after {SHOW:?}; the window is shown without it");
            show(window.app_handle());
        }
    });
}

/// A desktop that begins its session may put its tray up after us. One without any tray gets the window.
fn show_without_tray(app: AppHandle) {
    tauri::async_runtime::spawn(async move {
        sleep(TRAY).await;
        if !tray::is_there(&app) {
            show(&app);
        }
    });
}

fn page(window: &WebviewWindow) -> tauri::State<'_, Page> {
    window.state::<Page>()
}

/// Whether a page belongs to the app. A window shows nothing else, whatever an answer links to.
fn is_ours(url: &Url) -> bool {
    let embedded = url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost");
    embedded || (cfg!(dev) && url.host_str() == Some("localhost"))
}

/// What is seen before the first view, and behind it while the window is resized: `--page` of the front end.
fn background(theme: Theme) -> Color {
    match theme {
        Theme::Dark => Color(0x18, 0x17, 0x15, 0xff),
        _ => Color(0xfa, 0xf9, 0xf7, 0xff),
    }
}
