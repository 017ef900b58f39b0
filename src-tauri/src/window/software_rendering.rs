//! Fallback to software rendering for WebKitGTK, which leaves the window blank with some graphics drivers.
//!
//! WebKit reads these settings from environment variables once, so a change requires a relaunch of this process.

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

use super::page_state;

/// Disables the DMA-BUF renderer, which shares buffers between processes.
const DISABLE_DMABUF: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// Disables accelerated compositing: pages are rendered in software.
const DISABLE_COMPOSITING: &str = "WEBKIT_DISABLE_COMPOSITING_MODE";

/// Exists if NVIDIA's proprietary driver is loaded, with which the DMA-BUF renderer shows nothing and reports no error
/// (<https://github.com/tauri-apps/tauri/issues/9394>).
const NVIDIA_DRIVER: &str = "/proc/driver/nvidia/version";

/// A visible window that has not painted for so long is blank, not slow.
const BLANK_TIMEOUT: Duration = Duration::from_secs(15);

/// Maximum reloads of a page that never painted.
const MAX_RELOADS: u32 = 3;

/// Environment variable for tests: a debug build treats its window as blank until it renders in software.
const SIMULATE_BLANK: &str = "DESKTOP_PLAYS_BLANK";

/// Relaunches without the DMA-BUF renderer if the driver is known to fail with it. Call it before anything else.
pub(crate) fn apply_driver_workarounds() {
    if env::var_os(DISABLE_DMABUF).is_none() && Path::new(NVIDIA_DRIVER).exists() {
        let error = relaunch(&[DISABLE_DMABUF]);
        tracing::warn!("could not relaunch for NVIDIA's driver: {error}");
    }
}

/// Whether this process simulates a blank window.
pub(crate) fn simulates_blank() -> bool {
    cfg!(debug_assertions) && env::var_os(SIMULATE_BLANK).is_some() && env::var_os(DISABLE_COMPOSITING).is_none()
}

/// Watches the page: relaunches in software rendering if its process terminates or stays blank before the first paint,
/// and reloads the page if its process terminates later.
///
/// # Errors
/// When the web view cannot be accessed.
pub(crate) fn watch(window: &WebviewWindow) -> tauri::Result<()> {
    let handle = window.clone();
    let reloads = AtomicU32::new(0);
    window.with_webview(move |webview| {
        webview.inner().connect_web_process_terminated(move |_, reason| {
            tracing::error!("web process terminated: {reason:?}");
            let page = page_state(&handle);
            page.ready.store(false, Ordering::Relaxed);
            let painted = page.painted.swap(false, Ordering::Relaxed);
            if !painted && relaunch_in_software(handle.app_handle()) {
                return;
            }
            // A page that terminates before every paint would otherwise be reloaded forever.
            if painted || reloads.fetch_add(1, Ordering::Relaxed) < MAX_RELOADS {
                let _ = handle.reload();
            }
        });
    })?;
    let window = window.clone();
    tauri::async_runtime::spawn(async move {
        let deadline = if simulates_blank() { Duration::from_secs(1) } else { BLANK_TIMEOUT };
        // WebKit does not paint a hidden or minimised window, so only two consecutive visible periods count.
        let mut visible = is_visible_to_user(&window);
        loop {
            sleep(deadline).await;
            if page_state(&window).painted.load(Ordering::Relaxed) {
                return;
            }
            if visible && is_visible_to_user(&window) {
                tracing::error!("window still blank after {deadline:?}");
                relaunch_in_software(window.app_handle());
                return;
            }
            visible = is_visible_to_user(&window);
        }
    });
    Ok(())
}

fn is_visible_to_user(window: &WebviewWindow) -> bool {
    window.is_visible().unwrap_or_default() && !window.is_minimized().unwrap_or_default()
}

/// Relaunches in software rendering; `false` if it is active already, so that there is nothing left to try.
fn relaunch_in_software(app: &AppHandle) -> bool {
    if env::var_os(DISABLE_COMPOSITING).is_some() {
        return false;
    }
    let app = app.clone();
    // Stopping the sidecar blocks, which neither the main thread nor an async task may do.
    thread::spawn(move || {
        tracing::warn!("relaunching in software rendering");
        crate::shut_down(&app);
        let error = relaunch(&[DISABLE_DMABUF, DISABLE_COMPOSITING]);
        tracing::error!("could not relaunch: {error}");
        app.exit(1);
    });
    true
}

/// Replaces this process with the same executable and these variables set to 1. Returns only on failure.
fn relaunch(variables: &[&str]) -> io::Error {
    let executable = match env::current_exe() {
        Ok(executable) => executable,
        Err(error) => return error,
    };
    Command::new(executable).args(env::args_os().skip(1)).envs(variables.iter().map(|name| (name, "1"))).exec()
}
