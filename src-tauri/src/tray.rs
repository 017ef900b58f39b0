//! The tray icon: shows the engine's state and has a menu to open, pause and quit HAPA.

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

/// Event that requests the window to pause or resume the engine, since only the window knows the API.
const TRAY_COMMAND: &str = "order";

/// Timeout of the D-Bus call that looks for a tray host.
#[cfg(target_os = "linux")]
const DBUS_TIMEOUT: Duration = Duration::from_secs(1);

/// The engine's state, as reported by the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EngineState {
    /// The sidecar is starting or restarting.
    Starting,
    /// A model is being loaded.
    Loading,
    /// A model is loaded and accepts requests.
    Ready,
    /// The user unloaded the model.
    Paused,
    /// No model is available.
    Absent,
    /// The sidecar or the model failed.
    Failed,
}

/// The icon, its menu items and what they show.
struct Tray {
    icon: TrayIcon,
    open: MenuItem<tauri::Wry>,
    quick: MenuItem<tauri::Wry>,
    state: MenuItem<tauri::Wry>,
    pause: MenuItem<tauri::Wry>,
    quit: MenuItem<tauri::Wry>,
    shown: Mutex<(EngineState, Language)>,
}

/// Creates the tray icon. If that fails, HAPA runs without one.
pub(crate) fn create(app: &App, language: Language) {
    // On Linux the library is loaded here, and the crate panics if it is missing.
    match catch_unwind(AssertUnwindSafe(|| build(app, language))) {
        Ok(Ok(tray)) => {
            app.manage(tray);
        }
        Ok(Err(error)) => tracing::warn!("could not create the tray icon: {error}"),
        Err(_) => tracing::warn!("could not create the tray icon: libayatana-appindicator3 is not installed"),
    }
}

/// Whether the icon is visible, so that the user can reach HAPA without a window.
pub(crate) fn is_available(app: &AppHandle) -> bool {
    app.try_state::<Tray>().is_some() && has_tray_host()
}

/// Shows the engine's state.
pub(crate) fn set_engine_state(app: &AppHandle, engine: EngineState) {
    update(app, |shown| shown.0 = engine);
}

/// Sets the language of the menu.
pub(crate) fn set_language(app: &AppHandle, language: Language) {
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
        tracing::warn!("could not update the tray icon: {error}");
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

/// On Windows a left click opens the window; the right button opens the menu.
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
        tracing::warn!("could not send the tray command `{command}` to the window: {error}");
    }
}

/// Whether a tray host is running. On Linux that is a separate program, which not every desktop environment has.
#[cfg(target_os = "linux")]
fn has_tray_host() -> bool {
    let query = || -> zbus::Result<bool> {
        let bus = zbus::blocking::connection::Builder::session()?.method_timeout(DBUS_TIMEOUT).build()?;
        let watcher = "org.kde.StatusNotifierWatcher".try_into()?;
        Ok(zbus::blocking::fdo::DBusProxy::new(&bus)?.name_has_owner(watcher)?)
    };
    query().inspect_err(|error| tracing::warn!("could not look for a tray host on D-Bus: {error}")).unwrap_or(false)
}

#[cfg(not(target_os = "linux"))]
fn has_tray_host() -> bool {
    true
}
