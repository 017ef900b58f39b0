//! The Tauri commands that the windows can invoke, and the events that are emitted to them.

use std::collections::BTreeMap;

use serde::Serialize;
use tauri::ipc::Invoke;
use tauri::{AppHandle, Emitter, Manager, State, WebviewWindow};
use tokio::sync::watch;

use crate::data_dir::JsonFile;
use crate::i18n::Language;
use crate::preferences::{DesktopPreferences, DesktopStateFile, PreferencesPatch};
use crate::quick_window::{self, Handoff};
use crate::shortcut::{self, ShortcutStatus};
use crate::supervisor::{SidecarStatus, Supervisor};
use crate::tray::{self, EngineState};
use crate::update::{UpdateStatus, Updater};
use crate::{autostart, files, notifications, window};

/// Event with the new [`SidecarStatus`], emitted on every change.
pub(crate) const SIDECAR_STATUS: &str = "sidecar-status";

/// Event with the new [`UpdateStatus`], emitted on every change.
pub(crate) const UPDATE_STATUS: &str = "update-status";

/// Event with `[key, value]`, emitted to the other windows when one sets or removes an item.
const ITEM_CHANGED: &str = "remembered";

/// Maximum length of a stored value in bytes; far more than a user types.
const MAX_ITEM_BYTES: usize = 4 << 20;

/// Key-value store of the pages, their replacement for `localStorage`.
pub(crate) type KeyValueStore = JsonFile<BTreeMap<String, String>>;

/// File name of the key-value store in the data folder.
pub(crate) const KEY_VALUE_FILE: &str = "window.json";

/// The handler of all commands. `build.rs` declares them too, and `capabilities/` allows them for each window.
pub(crate) fn handler() -> impl Fn(Invoke) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        sidecar_status,
        restart_sidecar,
        window_ready,
        window_painted,
        stored_items,
        set_item,
        save_file,
        open_data_folder,
        notify,
        abilities,
        preferences,
        update_preferences,
        starts_at_login,
        set_start_at_login,
        set_language,
        set_engine_state,
        update_status,
        check_for_update,
        install_update,
        cancel_update,
        hide_quick_window,
        resize_quick_window,
        open_in_main_window
    ]
}

/// Emits every change of a status to both windows, until the sender is dropped.
pub(crate) fn emit_changes<T>(app: &AppHandle, event: &'static str, mut status: watch::Receiver<T>)
where
    T: Clone + Serialize + Send + Sync + 'static,
{
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        while status.changed().await.is_ok() {
            let status = status.borrow_and_update().clone();
            for window in [window::MAIN, quick_window::QUICK] {
                if let Err(error) = app.emit_to(window, event, &status) {
                    tracing::warn!("could not emit `{event}` to window `{window}`: {error}");
                }
            }
        }
    });
}

/// Returns the status of the sidecar. A window calls this once, after it has subscribed to changes.
#[tauri::command]
fn sidecar_status(supervisor: State<'_, Supervisor>) -> SidecarStatus {
    supervisor.status()
}

/// Restarts the sidecar, also after it has failed.
#[tauri::command]
fn restart_sidecar(supervisor: State<'_, Supervisor>) {
    supervisor.restart();
}

/// Reports that the page has rendered its first view.
#[tauri::command]
fn window_ready(window: WebviewWindow) {
    window::ready(&window);
}

/// Reports that the first view was painted.
#[tauri::command]
fn window_painted(window: WebviewWindow) -> tauri::Result<()> {
    window::painted(&window);
    // Created only now, so that loading the second page does not delay the first.
    quick_window::create(window.app_handle()).map(drop)
}

/// Returns all items of the key-value store.
#[tauri::command]
fn stored_items(store: State<'_, KeyValueStore>) -> BTreeMap<String, String> {
    store.get()
}

/// Stores an item, or removes it if `value` is `None`, and notifies the other windows.
///
/// # Errors
/// When the value is longer than [`MAX_ITEM_BYTES`], or the event cannot be emitted.
#[tauri::command]
fn set_item(
    window: WebviewWindow,
    store: State<'_, KeyValueStore>,
    key: String,
    value: Option<String>,
) -> Result<(), String> {
    if value.as_ref().is_some_and(|value| value.len() > MAX_ITEM_BYTES) {
        return Err(format!("the value of `{key}` is longer than {MAX_ITEM_BYTES} bytes"));
    }
    store.update(|items| match &value {
        Some(value) => drop(items.insert(key.clone(), value.clone())),
        None => drop(items.remove(&key)),
    });
    for other in [window::MAIN, quick_window::QUICK] {
        if other != window.label() {
            window.emit_to(other, ITEM_CHANGED, (&key, &value)).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Saves a text to a file that the user chooses in a dialog; `false` if they cancelled it.
#[tauri::command]
async fn save_file(window: WebviewWindow, name: String, content: String) -> Result<bool, String> {
    files::save(&window, &name, content).await
}

/// Opens the data folder in the file manager.
#[tauri::command]
async fn open_data_folder() -> Result<(), String> {
    files::open_data_folder()
}

/// Shows a notification, unless the window is in front.
#[tauri::command]
fn notify(window: WebviewWindow, title: &str, text: &str) {
    notifications::notify_unless_in_front(&window, title, text);
}

/// Features that depend on the desktop environment.
#[derive(Debug, Serialize)]
struct Abilities {
    tray: bool,
    shortcut: ShortcutStatus,
}

/// Detects which of these features are available now.
#[tauri::command]
async fn abilities(app: AppHandle) -> Abilities {
    let shortcut = app.state::<DesktopStateFile>().get().preferences.shortcut;
    Abilities { tray: tray::is_available(&app), shortcut: shortcut::status(&app, shortcut.as_deref()) }
}

/// Returns the desktop preferences.
#[tauri::command]
fn preferences(state: State<'_, DesktopStateFile>) -> DesktopPreferences {
    state.get().preferences
}

/// Applies changes to the preferences and returns the result. A shortcut that cannot be registered keeps its old value.
#[tauri::command]
async fn update_preferences(app: AppHandle, changes: PreferencesPatch) -> DesktopPreferences {
    let state = app.state::<DesktopStateFile>();
    let previous = state.get().preferences;
    let mut updated = previous.clone().apply(changes);
    if updated.shortcut != previous.shortcut && !shortcut::register(&app, updated.shortcut.as_deref()) {
        updated.shortcut = previous.shortcut;
    }
    let saved = state.update(|state| state.preferences = updated).preferences;
    if saved.updates != previous.updates {
        let app = app.clone();
        tauri::async_runtime::spawn(async move { app.state::<Updater>().check(&app).await });
    }
    saved
}

/// Returns whether HAPA starts when the user logs in.
#[tauri::command]
fn starts_at_login(app: AppHandle) -> bool {
    autostart::is_enabled(&app)
}

/// Enables or disables starting HAPA when the user logs in.
#[tauri::command]
fn set_start_at_login(app: AppHandle, on: bool) -> Result<(), String> {
    autostart::set_enabled(&app, on).map_err(|error| {
        tracing::warn!("could not change autostart: {error}");
        error.to_string()
    })
}

/// Sets the language of the tray and the notifications to that of the window.
#[tauri::command]
fn set_language(app: AppHandle, state: State<'_, DesktopStateFile>, language: Language) {
    if state.get().language != Some(language) {
        state.update(|state| state.language = Some(language));
    }
    tray::set_language(&app, language);
}

/// Sets the engine's state that the tray shows.
#[tauri::command]
fn set_engine_state(app: AppHandle, state: EngineState) {
    tray::set_engine_state(&app, state);
}

/// Returns the update status. A window calls this once, after it has subscribed to changes.
#[tauri::command]
fn update_status(updater: State<'_, Updater>) -> UpdateStatus {
    updater.status()
}

/// Checks for an update.
#[tauri::command]
async fn check_for_update(app: AppHandle) {
    app.state::<Updater>().check(&app).await;
}

/// Downloads and installs the available update, then restarts HAPA.
#[tauri::command]
async fn install_update(app: AppHandle) {
    app.state::<Updater>().install(&app).await;
}

/// Cancels the download of an update.
#[tauri::command]
fn cancel_update(updater: State<'_, Updater>) {
    updater.cancel();
}

/// Hides the quick window.
#[tauri::command]
fn hide_quick_window(app: AppHandle) {
    quick_window::hide(&app);
}

/// Expands the quick window to show an answer, or collapses it.
#[tauri::command]
fn resize_quick_window(window: WebviewWindow, expanded: bool) -> tauri::Result<()> {
    quick_window::resize(&window, expanded)
}

/// Hides the quick window and continues in the main window.
#[tauri::command]
fn open_in_main_window(app: AppHandle, handoff: Handoff) -> tauri::Result<()> {
    quick_window::hand_off(&app, &handoff)
}
