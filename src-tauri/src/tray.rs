//! HAPA's icon in the tray: how the engine is, and a menu for when there is no window.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
#[cfg(target_os = "linux")]
use std::time::Duration;

use serde::Deserialize;
use tauri::image::Image;
use tauri::menu::{Menu, MenuEvent, MenuItem, PredefinedMenuItem};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{App, AppHandle, Emitter, Manager, include_image};

use crate::i18n::{Language, Strings};
use crate::{quick_window, window};

/// The event that asks the window to pause the engine or to resume it: only the window knows the API.
const TRAY_COMMAND: &str = "order";

/// How long a desktop may take to say whether it has a tray.
#[cfg(target_os = "linux")]
const DBUS_TIMEOUT: Duration = Duration::from_secs(1);

/// What the engine is doing, as the window tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineState {
    /// The sidecar is not there yet, or is coming back.
    Starting,
    /// A model is on its way into memory.
    Loading,
    /// A question would be answered.
    Ready,
    /// The user took the model out of memory.
    Paused,
    /// There is no model.
    Absent,
    /// Nobody answers.
    Failed,
}

/// The icon with its menu.
struct Tray {
    icon: TrayIcon,
    open: MenuItem<tauri::Wry>,
    quick: MenuItem<tauri::Wry>,
    state: MenuItem<tauri::Wry>,
    pause: MenuItem<tauri::Wry>,
    quit: MenuItem<tauri::Wry>,
    shown: Mutex<(EngineState, Language)>,
}

/// Puts the icon into the tray. Where that is not possible, HAPA does without.
pub fn create(app: &App, language: Language) {
    // The library behind it is looked for only now on Linux, and missing it is a panic.
    match catch_unwind(AssertUnwindSafe(|| build(app, language))) {
        Ok(Ok(tray)) => {
            app.manage(tray);
        }
        Ok(Err(error)) => tracing::warn!("there is no tray icon: {error}"),
        Err(_) => tracing::warn!("there is no tray icon: libayatana-appindicator3 is not installed"),
    }
}

/// Whether the icon is seen, so that HAPA can be found without a window.
pub fn is_available(app: &AppHandle) -> bool {
    app.try_state::<Tray>().is_some() && has_tray_host()
}

/// Shows what the engine is doing.
pub fn set_engine_state(app: &AppHandle, engine: EngineState) {
    update(app, |shown| shown.0 = engine);
}

/// Speaks this language from now on.
pub fn set_language(app: &AppHandle, language: Language) {
    update(app, |shown| shown.1 = language);
}

fn update(app: &AppHandle, change: impl FnOnce(&mut (EngineState, Language))) {
    let Some(tray) = app.try_state::<Tray>() else { return };
    let (engine, language) = {
        let mut shown = tray.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *shown;
        change(&mut shown);
        if *shown == before {
            return;
        }
        *shown
    };
    if let Err(error) = tray.render(engine, language) {
        tracing::warn!("could not change the tray icon: {error}");
    }
}

fn build(app: &App, language: Language) -> tauri::Result<Tray> {
    let item = |id: &str, enabled| MenuItem::with_id(app, id, "", enabled, None::<&str>);
    let [open, quick, state] = [item("open", true)?, item("quick", true)?, item("state", false)?];
    let [pause, quit] = [item("pause", false)?, item("quit", true)?];
    let separator = || PredefinedMenuItem::separator(app);
    let menu = Menu::with_items(app, &[&open, &quick, &separator()?, &state, &pause, &separator()?, &quit])?;
    let icon = TrayIconBuilder::with_id("hapa")
        .menu(&menu)
        .show_menu_on_left_click(!cfg!(windows))
        .on_menu_event(on_menu)
        .on_tray_icon_event(on_click)
        .icon(icon(EngineState::Starting))
        .build(app)?;
    let tray = Tray { icon, open, quick, state, pause, quit, shown: Mutex::new((EngineState::Starting, language)) };
    tray.render(EngineState::Starting, language)?;
    Ok(tray)
}

impl Tray {
    fn render(&self, engine: EngineState, language: Language) -> tauri::Result<()> {
        let strings: &Strings = language.strings();
        self.open.set_text(strings.open)?;
        self.quick.set_text(strings.quick)?;
        self.state.set_text((strings.engine)(engine))?;
        self.pause.set_text(if engine == EngineState::Paused { strings.resume } else { strings.pause })?;
        self.pause.set_enabled(matches!(engine, EngineState::Ready | EngineState::Loading | EngineState::Paused))?;
        self.quit.set_text(strings.quit)?;
        self.icon.set_tooltip(Some(format!("HAPA: {}", (strings.engine)(engine))))?;
        self.icon.set_icon(Some(icon(engine)))
    }
}

fn icon(engine: EngineState) -> Image<'static> {
    match engine {
        EngineState::Ready => include_image!("../icons/tray/ready.png"),
        EngineState::Starting | EngineState::Loading => include_image!("../icons/tray/busy.png"),
        EngineState::Paused => include_image!("../icons/tray/paused.png"),
        EngineState::Absent | EngineState::Failed => include_image!("../icons/tray/failed.png"),
    }
}

fn on_menu(app: &AppHandle, event: MenuEvent) {
    match event.id().as_ref() {
        "open" => window::show(app),
        "quick" => quick_window::show(app),
        "pause" => emit_command(app),
        "quit" => app.exit(0),
        _ => {}
    }
}

/// Windows opens a program by a click on its icon, and its menu by the other button.
fn on_click(icon: &TrayIcon, event: TrayIconEvent) {
    let click = TrayIconEvent::Click {
        id: icon.id().clone(),
        button: MouseButton::Left,
        button_state: MouseButtonState::Up,
        position: Default::default(),
        rect: Default::default(),
    };
    if cfg!(windows) && std::mem::discriminant(&event) == std::mem::discriminant(&click) {
        window::show(icon.app_handle());
    }
}

fn emit_command(app: &AppHandle) {
    let Some(tray) = app.try_state::<Tray>() else { return };
    let (engine, _) = *tray.shown.lock().unwrap_or_else(PoisonError::into_inner);
    let command = if engine == EngineState::Paused { "resume" } else { "pause" };
    if let Err(error) = app.emit_to(window::MAIN, TRAY_COMMAND, command) {
        tracing::warn!("could not ask the window to {command} the engine: {error}");
    }
}

/// Whether anybody shows tray icons: on Linux that is a program of the desktop's, which not every desktop has.
#[cfg(target_os = "linux")]
fn has_tray_host() -> bool {
    let query = || -> zbus::Result<bool> {
        let bus = zbus::blocking::connection::Builder::session()?.method_timeout(DBUS_TIMEOUT).build()?;
        let watcher = "org.kde.StatusNotifierWatcher".try_into()?;
        Ok(zbus::blocking::fdo::DBusProxy::new(&bus)?.name_has_owner(watcher)?)
    };
    query().inspect_err(|error| tracing::warn!("could not ask whether there is a tray: {error}")).unwrap_or(false)
}

#[cfg(not(target_os = "linux"))]
fn has_tray_host() -> bool {
    true
}
