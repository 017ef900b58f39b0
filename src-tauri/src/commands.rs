//! All that the window may ask of the desktop, and the one thing that it is told.

use tauri::ipc::Invoke;
use tauri::{AppHandle, Emitter, State, WebviewWindow};

use crate::supervisor::{SidecarStatus, Supervisor};
use crate::window;

/// The event that carries a [`SidecarStatus`] whenever it changes.
const SIDECAR_STATUS: &str = "sidecar-status";

/// The commands. `build.rs` names them too, and `capabilities/main.json` allows them.
pub fn handler() -> impl Fn(Invoke) -> bool + Send + Sync + 'static {
    tauri::generate_handler![sidecar_status, restart_sidecar, window_ready]
}

/// Tells the window of each change of the sidecar's status, as long as the app runs.
pub fn report_changes(app: &AppHandle, supervisor: &Supervisor) {
    let app = app.clone();
    let mut status = supervisor.changes();
    tauri::async_runtime::spawn(async move {
        while status.changed().await.is_ok() {
            let status = status.borrow_and_update().clone();
            if let Err(error) = app.emit_to(window::MAIN, SIDECAR_STATUS, status) {
                tracing::warn!("could not tell the window how the sidecar is: {error}");
            }
        }
    });
}

/// How the sidecar is now. A window asks once, after it has begun to listen for changes.
#[tauri::command]
fn sidecar_status(supervisor: State<'_, Supervisor>) -> SidecarStatus {
    supervisor.status()
}

/// Starts the sidecar again, whatever happened before.
#[tauri::command]
fn restart_sidecar(supervisor: State<'_, Supervisor>) {
    supervisor.restart();
}

/// The front end has drawn its first view.
#[tauri::command]
fn window_ready(window: WebviewWindow) {
    window::ready(&window);
}
