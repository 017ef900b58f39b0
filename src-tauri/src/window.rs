//! The one window: hidden until it has something to show, and in front whenever somebody asks for it.

#[cfg(target_os = "linux")]
mod renderer;

use std::env;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tauri::webview::{Color, NewWindowResponse};
use tauri::{App, AppHandle, Manager, Theme, Url, WebviewWindow, WebviewWindowBuilder};
use tokio::time::sleep;

/// Its label.
pub const MAIN: &str = "main";

/// Folder inside the data folder for what the front end remembers by itself, like the theme.
const PROFILE: &str = "window";

/// How long a front end may take to draw before the window is shown without it.
const SHOW: Duration = Duration::from_secs(2);

/// Whether the front end has drawn since it was last loaded.
#[derive(Default)]
struct Drawn(AtomicBool);

/// Opens the window, hidden.
pub fn open(app: &App) -> tauri::Result<()> {
    app.manage(Drawn::default());
    let config = app.config().app.windows.first().expect("tauri.conf.json has a window");
    let mut window = WebviewWindowBuilder::from_config(app, config)?
        .on_navigation(is_ours)
        .on_new_window(|_, _| NewWindowResponse::Deny);
    if let Some(folder) = handshake::data_folder(env::var_os(handshake::DATA_VARIABLE).map(PathBuf::from)) {
        window = window.data_directory(folder.join(PROFILE));
    }
    let window = window.build()?;
    window.set_background_color(Some(background(window.theme()?)))?;
    #[cfg(target_os = "linux")]
    renderer::watch(&window)?;
    tauri::async_runtime::spawn(async move {
        sleep(SHOW).await;
        if !drawn(&window) {
            tracing::warn!("the front end has not drawn after {SHOW:?}; the window is shown without it");
            show(window.app_handle());
        }
    });
    Ok(())
}

/// Shows the window when its front end has drawn for the first time.
pub fn ready(window: &WebviewWindow) {
    if !window.state::<Drawn>().0.swap(true, Ordering::Relaxed) && !window.is_visible().unwrap_or_default() {
        show(window.app_handle());
    }
}

/// Brings the window to the user, wherever it was.
pub fn show(app: &AppHandle) {
    let Some(window) = app.get_webview_window(MAIN) else { return };
    if let Err(error) = window.show().and_then(|()| window.unminimize()).and_then(|()| window.set_focus()) {
        tracing::warn!("could not show the window: {error}");
    }
}

/// On Linux some graphics drivers leave the window blank; those that are known to are kept out of its way.
pub fn avoid_known_blanks() {
    #[cfg(target_os = "linux")]
    renderer::avoid_known_blanks();
}

fn drawn(window: &WebviewWindow) -> bool {
    window.state::<Drawn>().0.load(Ordering::Relaxed)
}

/// Whether a page belongs to the app. The window shows nothing else, whatever an answer links to.
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
