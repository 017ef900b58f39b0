//! Getting a picture out of WebKitGTK, which leaves the window blank with some graphics drivers.
//!
//! The settings are environment variables that WebKit reads once, so a change means that this process starts itself anew.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use tauri::{AppHandle, Manager, WebviewWindow};
use tokio::time::sleep;
use webkit2gtk::WebViewExt;

use super::page;

/// Stops sharing buffers between GPU processes.
const NO_DMABUF: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// Draws without the GPU.
const NO_COMPOSITING: &str = "WEBKIT_DISABLE_COMPOSITING_MODE";

/// Present where NVIDIA's own driver is loaded, with which shared buffers stay blank without any error
/// (<https://github.com/tauri-apps/tauri/issues/9394>).
const NVIDIA: &str = "/proc/driver/nvidia/version";

/// A window that is shown so long without being drawn is not slow: nothing is seen.
const BLANK: Duration = Duration::from_secs(15);

/// How often a page that never drew anything is loaded again.
const TRIES: u32 = 3;

/// Makes a debug build believe that nothing is seen until it draws in software, and sooner.
const PLAY_BLANK: &str = "DESKTOP_PLAYS_BLANK";

/// Starts anew without shared buffers where they are known to fail. To be called before anything else runs.
pub fn avoid_known_blanks() {
    if env::var_os(NO_DMABUF).is_none() && Path::new(NVIDIA).exists() {
        let error = start_anew(&[NO_DMABUF]);
        tracing::warn!("could not start anew for NVIDIA's driver: {error}");
    }
}

/// Whether this process is to believe that nothing is seen.
pub fn plays_blank() -> bool {
    cfg!(debug_assertions) && env::var_os(PLAY_BLANK).is_some() && env::var_os(NO_COMPOSITING).is_none()
}

/// Draws in software from now on if the page ends or is still blank before it was ever drawn. Loads it again if it ends later.
pub fn watch(window: &WebviewWindow) -> tauri::Result<()> {
    let ended = window.clone();
    let tries = AtomicU32::new(0);
    window.with_webview(move |webview| {
        webview.inner().connect_web_process_terminated(move |_, reason| {
            tracing::error!("the window's page ended: {reason:?}");
            let page = page(&ended);
            page.ready.store(false, Ordering::Relaxed);
            let drew = page.drawn.swap(false, Ordering::Relaxed);
            if !drew && draw_in_software(ended.app_handle()) {
                return;
            }
            // One that ends again and again before it draws anything would keep this machine busy for nothing.
            if drew || tries.fetch_add(1, Ordering::Relaxed) < TRIES {
                let _ = ended.reload();
            }
        });
    })?;
    let window = window.clone();
    tauri::async_runtime::spawn(async move {
        let blank = if plays_blank() { Duration::from_secs(1) } else { BLANK };
        // What nobody sees is not drawn either: a window that is hidden or minimized has more time.
        let mut seen = is_seen(&window);
        loop {
            sleep(blank).await;
            if page(&window).drawn.load(Ordering::Relaxed) {
                return;
            }
            if seen && is_seen(&window) {
                tracing::error!("the window is still blank after {blank:?}");
                draw_in_software(window.app_handle());
                return;
            }
            seen = is_seen(&window);
        }
    });
    Ok(())
}

fn is_seen(window: &WebviewWindow) -> bool {
    window.is_visible().unwrap_or_default() && !window.is_minimized().unwrap_or_default()
}

/// Starts anew, unless software draws already: then there is nothing more to try, and the answer is `false`.
fn draw_in_software(app: &AppHandle) -> bool {
    if env::var_os(NO_COMPOSITING).is_some() {
        return false;
    }
    let app = app.clone();
    // Ending the sidecar blocks, which neither the window's thread nor a task may.
    thread::spawn(move || {
        tracing::warn!("starting anew and drawing in software");
        crate::end(&app);
        let error = start_anew(&[NO_DMABUF, NO_COMPOSITING]);
        tracing::error!("could not start anew: {error}");
        app.exit(1);
    });
    true
}

/// Becomes the same program with these variables set. Returns only if that fails.
fn start_anew(variables: &[&str]) -> io::Error {
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    Command::new(program).args(env::args_os().skip(1)).envs(variables.iter().map(|name| (name, "1"))).exec()
}
