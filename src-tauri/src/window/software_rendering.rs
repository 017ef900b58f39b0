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

use super::page_state;

/// Stops sharing buffers between GPU processes.
const DISABLE_DMABUF: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// Draws without the GPU.
const DISABLE_COMPOSITING: &str = "WEBKIT_DISABLE_COMPOSITING_MODE";

/// Present where NVIDIA's own driver is loaded, with which shared buffers stay blank without any error
/// (<https://github.com/tauri-apps/tauri/issues/9394>).
const NVIDIA_DRIVER: &str = "/proc/driver/nvidia/version";

/// A window that is shown so long without being drawn is not slow: nothing is seen.
const BLANK_TIMEOUT: Duration = Duration::from_secs(15);

/// How often a page that never drew anything is loaded again.
const MAX_RELOADS: u32 = 3;

/// Makes a debug build believe that nothing is seen until it draws in software, and sooner.
const SIMULATE_BLANK: &str = "DESKTOP_PLAYS_BLANK";

/// Starts anew without shared buffers where they are known to fail. To be called before anything else runs.
pub fn apply_driver_workarounds() {
    if env::var_os(DISABLE_DMABUF).is_none() && Path::new(NVIDIA_DRIVER).exists() {
        let error = relaunch(&[DISABLE_DMABUF]);
        tracing::warn!("could not start anew for NVIDIA's driver: {error}");
    }
}

/// Whether this process is to believe that nothing is seen.
pub fn simulates_blank() -> bool {
    cfg!(debug_assertions) && env::var_os(SIMULATE_BLANK).is_some() && env::var_os(DISABLE_COMPOSITING).is_none()
}

/// Draws in software from now on if the page ends or is still blank before it was ever drawn. Loads it again if it ends later.
pub fn watch(window: &WebviewWindow) -> tauri::Result<()> {
    let handle = window.clone();
    let reloads = AtomicU32::new(0);
    window.with_webview(move |webview| {
        webview.inner().connect_web_process_terminated(move |_, reason| {
            tracing::error!("the window's page ended: {reason:?}");
            let page = page_state(&handle);
            page.ready.store(false, Ordering::Relaxed);
            let painted = page.painted.swap(false, Ordering::Relaxed);
            if !painted && relaunch_in_software(handle.app_handle()) {
                return;
            }
            // One that ends again and again before it draws anything would keep this machine busy for nothing.
            if painted || reloads.fetch_add(1, Ordering::Relaxed) < MAX_RELOADS {
                let _ = handle.reload();
            }
        });
    })?;
    let window = window.clone();
    tauri::async_runtime::spawn(async move {
        let deadline = if simulates_blank() { Duration::from_secs(1) } else { BLANK_TIMEOUT };
        // What nobody sees is not drawn either: a window that is hidden or minimized has more time.
        let mut visible = is_visible_to_user(&window);
        loop {
            sleep(deadline).await;
            if page_state(&window).painted.load(Ordering::Relaxed) {
                return;
            }
            if visible && is_visible_to_user(&window) {
                tracing::error!("the window is still blank after {deadline:?}");
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

/// Starts anew, unless software draws already: then there is nothing more to try, and the answer is `false`.
fn relaunch_in_software(app: &AppHandle) -> bool {
    if env::var_os(DISABLE_COMPOSITING).is_some() {
        return false;
    }
    let app = app.clone();
    // Ending the sidecar blocks, which neither the window's thread nor a task may.
    thread::spawn(move || {
        tracing::warn!("starting anew and drawing in software");
        crate::shut_down(&app);
        let error = relaunch(&[DISABLE_DMABUF, DISABLE_COMPOSITING]);
        tracing::error!("could not start anew: {error}");
        app.exit(1);
    });
    true
}

/// Becomes the same program with these variables set. Returns only if that fails.
fn relaunch(variables: &[&str]) -> io::Error {
    let executable = match env::current_exe() {
        Ok(executable) => executable,
        Err(error) => return error,
    };
    Command::new(program).args(env::args_os().skip(1)).envs(variables.iter().map(|name| (name, "1"))).exec()
}
