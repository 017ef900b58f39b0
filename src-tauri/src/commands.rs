//! All that the windows may ask of the desktop, and what they are told unasked.

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

/// The event that carries a [`SidecarStatus`] whenever it changes.
pub const SIDECAR_STATUS: &str = "sidecar-status";

/// The event that carries an [`UpdateStatus`] whenever it changes.
pub const UPDATE_STATUS: &str = "update-status";

/// The event that tells a window what another one remembers from now on.
const ITEM_CHANGED: &str = "remembered";

/// Bytes of the longest text that is remembered: more than anybody types.
const MAX_ITEM_BYTES: usize = 4 << 20;

/// What the pages remember, by names of their own.
pub type KeyValueStore = JsonFile<BTreeMap<String, String>>;

/// The file with it, in the data folder.
pub const KEY_VALUE_FILE: &str = "window.json";

/// The commands. `build.rs` names them too, and the files of `capabilities` allow them.
pub fn handler() -> impl Fn(Invoke) -> bool + Send + Sync + 'static {
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

/// Tells the windows of each change of a status by an event, as long as the app runs.
pub fn report_changes<T>(app: &AppHandle, event: &'static str, mut status: watch::Receiver<T>)
where
    T: Clone + Serialize + Send + Sync + 'static,
{
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        while status.changed().await.is_ok() {
            let status = status.borrow_and_update().clone();
            for window in [window::MAIN, quick_window::QUICK] {
                if let Err(error) = app.emit_to(window, event, &status) {
                    tracing::warn!("could not tell the window {window} of `{event}`: {error}");
                }
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

/// The page has a first view.
#[tauri::command]
fn window_ready(window: WebviewWindow) {
    window::ready(&window);
}

/// The first view was drawn on the screen.
#[tauri::command]
fn window_painted(window: WebviewWindow) -> tauri::Result<()> {
    window::painted(&window);
    // Only now, so that the second page does not keep the first one waiting.
    quick_window::create(window.app_handle()).map(drop)
}

/// All that pages remember.
#[tauri::command]
fn stored_items(store: State<'_, KeyValueStore>) -> BTreeMap<String, String> {
    store.get()
}

/// Remembers a text by a name, or forgets it. The other windows hear of it.
#[tauri::command]
fn set_item(
    window: WebviewWindow,
    store: State<'_, KeyValueStore>,
    key: String,
    value: Option<String>,
) -> Result<(), String> {
    if value.as_ref().is_some_and(|value| value.len() > MAX_ITEM_BYTES) {
        return Err(format!("`{key}` is too long to be remembered"));
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

/// Lets the user save a text as a file; `false` if they did not.
#[tauri::command]
async fn save_file(window: WebviewWindow, name: String, content: String) -> Result<bool, String> {
    files::save(&window, &name, content).await
}

/// Shows the data folder.
#[tauri::command]
async fn open_data_folder() -> Result<(), String> {
    files::open_data_folder()
}

/// Tells of something, unless the window is being looked at.
#[tauri::command]
fn notify(window: WebviewWindow, title: &str, text: &str) {
    notifications::notify_unless_in_front(&window, title, text);
}

/// What this desktop can do.
#[derive(Debug, Serialize)]
struct Abilities {
    tray: bool,
    shortcut: ShortcutStatus,
}

/// What this desktop can do, as far as it is known now.
#[tauri::command]
async fn abilities(app: AppHandle) -> Abilities {
    let shortcut = app.state::<DesktopStateFile>().get().preferences.shortcut;
    Abilities { tray: tray::is_available(&app), shortcut: shortcut::status(&app, shortcut.as_deref()) }
}

/// What is chosen.
#[tauri::command]
fn preferences(state: State<'_, DesktopStateFile>) -> DesktopPreferences {
    state.get().preferences
}

/// Chooses, and tells what is chosen then: keys that cannot be had are not.
#[tauri::command]
async fn update_preferences(app: AppHandle, changes: PreferencesPatch) -> DesktopPreferences {
    let state = app.state::<DesktopStateFile>();
    let before = state.get().preferences;
    let mut updated = before.clone().apply(changes);
    if updated.shortcut != before.shortcut && !shortcut::register(&app, updated.shortcut.as_deref()) {
        updated.shortcut = before.shortcut;
    }
    let saved = state.update(|state| state.preferences = updated).preferences;
    if saved.updates != before.updates {
        let app = app.clone();
        tauri::async_runtime::spawn(async move { app.state::<Updater>().check(&app).await });
    }
    saved
}

/// Whether HAPA starts with the user's session.
#[tauri::command]
fn starts_at_login(app: AppHandle) -> bool {
    autostart::is_enabled(&app)
}

/// Sees to it that HAPA does, or does not.
#[tauri::command]
fn set_start_at_login(app: AppHandle, on: bool) -> Result<(), String> {
    autostart::set_enabled(&app, on).map_err(|error| {
        tracing::warn!("could not change whether HAPA starts with the session: {error}");
        error.to_string()
    })
}

/// The window speaks this language, and so does the tray from now on.
#[tauri::command]
fn set_language(app: AppHandle, state: State<'_, DesktopStateFile>, language: Language) {
    if state.get().language != Some(language) {
        state.update(|state| state.language = Some(language));
    }
    tray::set_language(&app, language);
}

/// What the engine is doing, for the tray.
#[tauri::command]
fn set_engine_state(app: AppHandle, state: EngineState) {
    tray::set_engine_state(&app, state);
}

/// How it is about new versions of HAPA. A window asks once, after it has begun to listen for changes.
#[tauri::command]
fn update_status(updater: State<'_, Updater>) -> UpdateStatus {
    updater.status()
}

/// Asks whether there is a new version.
#[tauri::command]
async fn check_for_update(app: AppHandle) {
    app.state::<Updater>().check(&app).await;
}

/// Puts the version that was found in the place of this one, and starts HAPA again.
#[tauri::command]
async fn install_update(app: AppHandle) {
    app.state::<Updater>().install(&app).await;
}

/// Gives up its download.
#[tauri::command]
fn cancel_update(updater: State<'_, Updater>) {
    updater.cancel();
}

/// Hides the quick window.
#[tauri::command]
fn hide_quick_window(app: AppHandle) {
    quick_window::hide(&app);
}

/// Makes room for an answer in the quick window, or takes it back.
#[tauri::command]
fn resize_quick_window(window: WebviewWindow, expanded: bool) -> tauri::Result<()> {
    quick_window::resize(&window, expanded)
}

/// Goes on in the main window.
#[tauri::command]
fn open_in_main_window(app: AppHandle, handoff: Handoff) -> tauri::Result<()> {
    quick_window::hand_off(&app, &handoff)
}
