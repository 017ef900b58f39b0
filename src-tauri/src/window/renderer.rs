//! Getting a picture out of WebKitGTK, which leaves the window blank with some graphics drivers.
//!
//! The settings are environment variables that WebKit reads once, so a change means that this process starts itself anew.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use tauri::{AppHandle, Manager, WebviewWindow};
use tokio::time::sleep;
use webkit2gtk::WebViewExt;

use super::{Drawn, drawn};

/// Stops sharing buffers between GPU processes.
const NO_DMABUF: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// Draws without the GPU.
const NO_COMPOSITING: &str = "WEBKIT_DISABLE_COMPOSITING_MODE";

/// Present where NVIDIA's own driver is loaded, with which shared buffers stay blank without any error
/// (<https://github.com/tauri-apps/tauri/issues/9394>).
const NVIDIA: &str = "/proc/driver/nvidia/version";

/// A front end that has not drawn after this time is not slow: nothing is seen.
const BLANK: Duration = Duration::from_secs(15);

/// Starts anew without shared buffers where they are known to fail. To be called before anything else runs.
pub fn avoid_known_blanks() {
    if env::var_os(NO_DMABUF).is_none() && Path::new(NVIDIA).exists() {
        let error = start_anew(&[NO_DMABUF]);
        tracing::warn!("could not start anew for NVIDIA's driver: {error}");
    }
}

/// Draws in software from now on if the page ends or is still blank before it has ever drawn. Loads it again if it ends later.
pub fn watch(window: &WebviewWindow) -> tauri::Result<()> {
    let page = window.clone();
    window.with_webview(move |webview| {
        webview.inner().connect_web_process_terminated(move |_, reason| {
            tracing::error!("the window's page ended: {reason:?}");
            if page.state::<Drawn>().0.swap(false, Ordering::Relaxed) {
                let _ = page.reload();
            } else {
                draw_in_software(page.app_handle());
            }
        });
    })?;
    let window = window.clone();
    tauri::async_runtime::spawn(async move {
        sleep(BLANK).await;
        if !drawn(&window) {
            tracing::error!("the window is still blank after {BLANK:?}");
            draw_in_software(window.app_handle());
        }
    });
    Ok(())
}

fn draw_in_software(app: &AppHandle) {
    if env::var_os(NO_COMPOSITING).is_some() {
        return;
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
}

/// Becomes the same program with these variables set. Returns only if that fails.
fn start_anew(variables: &[&str]) -> io::Error {
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    Command::new(program).args(env::args_os().skip(1)).envs(variables.iter().map(|name| (name, "1"))).exec()
}
