//! HAPA's window: one process that shows the front end and keeps the sidecar running.
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
        // First, so that a second start ends before it begins anything.
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
            tracing::error!("could not open HAPA's window: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The configuration and the front end, as `build.rs` embedded them.
#[expect(clippy::unwrap_used, reason = "tauri-build writes this code")]
fn context() -> tauri::Context {
    tauri::tauri_build_context!()
}

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

/// The language that the desktop speaks: the window's, as far as it is known.
fn current_language(app: &AppHandle) -> Language {
    app.state::<DesktopStateFile>().get().language.unwrap_or_else(Language::of_system)
}

/// Somebody started HAPA while it runs.
fn on_second_launch(app: &AppHandle, arguments: &[String]) {
    if arguments.iter().any(|argument| argument == quick_window::ARGUMENT) {
        quick_window::show(app);
    } else if !autostart::is_autostart(arguments) {
        window::show(app);
    }
}

fn on_event(app: &AppHandle, event: RunEvent) {
    if matches!(event, RunEvent::Exit) {
        end(app);
    }
}

/// Ends what runs beside the window.
fn shut_down(app: &AppHandle) {
    // From here on a new start opens a new window, while the sidecar of this one may still save its answers.
    tauri_plugin_single_instance::destroy(app);
    if let Some(supervisor) = app.try_state::<Supervisor>() {
        supervisor.stop();
    }
}

/// Being asked to end by the system or a terminal closes the window like its close button.
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

/// Windows ends a program with a window by closing the window.
#[cfg(not(unix))]
fn exit_on_signals(_app: AppHandle) {}
