//! HAPA's desktop app: shows the front end in a Tauri window and supervises the sidecar.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod autostart;
mod commands;
mod data_dir;
mod files;
mod i18n;
mod notifications;
mod preferences;
mod quick_window;
mod shortcut;
mod supervisor;
mod tray;
mod update;
mod window;

use std::process::ExitCode;

use i18n::Language;
use preferences::DesktopStateFile;
use supervisor::{Binary, Supervisor, Timeouts};
use tauri::{App, AppHandle, Manager, RunEvent};
use tracing_subscriber::EnvFilter;
use update::Updater;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy())
        .init();
    window::apply_driver_workarounds();
    let mut app = tauri::Builder::default()
        // First, so that a second instance exits before it initialises anything else.
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _folder| on_second_launch(app, &arguments)))
        .plugin(window::state_plugin())
        .plugin(autostart::plugin())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_notification::init())
        .plugin(update::plugin());
    if let Some(keys) = shortcut::plugin() {
        app = app.plugin(keys);
    }
    let app = app.invoke_handler(commands::handler()).setup(|app| Ok(setup(app)?)).build(context());
    match app {
        Ok(app) => ExitCode::from(u8::try_from(app.run_return(on_event)).unwrap_or(1)),
        Err(error) => {
            tracing::error!("could not start the desktop app: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The Tauri configuration and the front end, as embedded by `build.rs`.
#[expect(clippy::exit, clippy::print_stderr, clippy::unwrap_used, reason = "tauri-build writes this code")]
fn context() -> tauri::Context {
    tauri::tauri_build_context!()
}

/// Starts the parts of the app and opens the main window.
fn setup(app: &App) -> tauri::Result<()> {
    let supervisor = Supervisor::start(Binary::sidecar()?, Timeouts::default())?;
    commands::emit_changes(app.handle(), commands::SIDECAR_STATUS, supervisor.changes());
    app.manage(supervisor);
    exit_on_signals(app.handle().clone());
    app.manage(preferences::open());
    let updater = Updater::new(app.handle());
    commands::emit_changes(app.handle(), commands::UPDATE_STATUS, updater.changes());
    app.manage(updater);
    update::check_periodically(app.handle().clone());
    app.manage(commands::KeyValueStore::open(commands::KEY_VALUE_FILE));
    app.manage(shortcut::RegisteredShortcut::default());
    tray::create(app, current_language(app.handle()));
    notifications::handle_clicks(app.handle());
    shortcut::register(app.handle(), app.state::<DesktopStateFile>().get().preferences.shortcut.as_deref());
    window::open(app)?;
    if quick_window::is_requested() {
        quick_window::show(app.handle());
    }
    Ok(())
}

/// The language of the tray and the notifications: the window's, or the system's until the window has reported one.
fn current_language(app: &AppHandle) -> Language {
    app.state::<DesktopStateFile>().get().language.unwrap_or_else(Language::of_system)
}

/// Handles a second launch, which passes its arguments to this instance and exits.
fn on_second_launch(app: &AppHandle, arguments: &[String]) {
    if arguments.iter().any(|argument| argument == quick_window::ARGUMENT) {
        quick_window::show(app);
    } else if !autostart::is_autostart(arguments) {
        window::show(app);
    }
}

fn on_event(app: &AppHandle, event: RunEvent) {
    if matches!(event, RunEvent::Exit) {
        shut_down(app);
    }
}

/// Releases the single-instance lock and stops the sidecar.
fn shut_down(app: &AppHandle) {
    // Released first: a new launch can open a window while this sidecar still saves its answers.
    tauri_plugin_single_instance::destroy(app);
    if let Some(supervisor) = app.try_state::<Supervisor>() {
        supervisor.stop();
    }
}

/// Exits gracefully on SIGTERM, SIGINT and SIGHUP.
#[cfg(unix)]
fn exit_on_signals(app: AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};

    tauri::async_runtime::spawn(async move {
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
        let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else { return };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        app.exit(0);
    });
}

/// Windows asks a windowed program to exit by closing its window, so there are no signals to handle.
#[cfg(not(unix))]
fn exit_on_signals(_app: AppHandle) {}
