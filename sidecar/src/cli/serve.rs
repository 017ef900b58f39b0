//! `hapa serve`: serves the API, for a terminal or under the desktop app.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use handshake::{Exit, LaunchMessage, ReadyMessage};
use tokio_util::sync::CancellationToken;

use super::ServeArgs;
use crate::access::keys::Key;
use crate::config::Config;
use crate::instance::{VERSION, create_data_folder};
use crate::server::{Listeners, Mode, Server, StartError};
use crate::{config, logging};

pub(super) async fn run(mut config: Config, args: ServeArgs) -> Result<ExitCode, StartError> {
    if let Some(port) = args.port {
        config.port = Some(port);
        config.settings.port = Some(Some(port.into()));
    }
    create_data_folder(&config.data).map_err(StartError::from)?;
    let log = logging::start(&config).map_err(|error| {
        StartError::new(Exit::Store, format!("could not write a log in `{}`: {error}", config.data.display()))
    })?;
    for problem in config::unknown(&config::names()) {
        tracing::warn!("{problem}");
    }
    let shutdown = CancellationToken::new();
    let window = if args.supervised { Some(read_launch_line(shutdown.clone())?) } else { None };
    end_on_signal(shutdown.clone())?;
    let server = Server::open(&config, Mode::Serve { window: window.as_ref() }, shutdown).await?;
    log.follow(server.app.settings.watch());
    server.check_bind_allowed(&config).await?;
    let listeners = Listeners::bind(&config, server.app.settings.current().port).await?;
    let unknown = |error: io::Error| StartError::new(Exit::PortTaken, error.to_string());
    let (address, port) = (listeners.address().map_err(unknown)?, listeners.loopback_port().map_err(unknown)?);
    tracing::info!(port, "serving on {address}");
    let text = if args.supervised {
        handshake::encode_line(&ReadyMessage::Ready { port, version: VERSION.into() })
    } else {
        startup_banner(&address, &server.key)
    };
    // The terminal may be closed; the API is served all the same.
    let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
    server
        .serve(listeners)
        .await
        .map_err(|error| StartError::new(Exit::PortTaken, format!("could not serve: {error}")))?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The banner for a terminal: the address, the key and a request to try.
fn startup_banner(address: &str, key: &Key) -> String {
    let (key, question) = (key.reveal(), "리스트에서 중복 제거하는 함수 만들어줘");
    format!(
        "HAPA {VERSION} serves {address}\n\
         API key: {key}\n\n\
         Try it:\n  \
         curl -s --retry 9 {address}/api/v1/generate-code -H 'X-API-Key: {key}' -H 'Content-Type: application/json' -d '{{\"user_question\": \"{question}\"}}'\n\n\
         Ctrl-C ends it.\n"
    )
}

/// Reads the window's key from the desktop app, and ends this process when the app ends: its end of stdin closes with
/// it, and on Linux the kernel sends a signal besides.
fn read_launch_line(shutdown: CancellationToken) -> Result<Key, StartError> {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    let usage = |problem: &str| StartError::new(Exit::Usage, format!("--supervised is for the desktop app: {problem}"));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| usage(&error.to_string()))?;
    let LaunchMessage::Launch { key } =
        serde_json::from_str(&line).map_err(|_| usage("no launch line came on stdin"))?;
    let key = Key::parse(&key).ok_or_else(|| usage("the launch line has no key"))?;
    // A thread of its own: reading stdin cannot be cancelled, and must not delay the end of the runtime.
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        shutdown.cancel();
    });
    Ok(key)
}

/// Shuts the process down on Ctrl-C or SIGTERM.
fn end_on_signal(shutdown: CancellationToken) -> Result<(), StartError> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| StartError::new(Exit::Store, format!("could not listen for signals: {error}")))?;
    tokio::spawn(async move {
        #[cfg(unix)]
        tokio::select! { _ = tokio::signal::ctrl_c() => {}, _ = terminate.recv() => {} }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        shutdown.cancel();
    });
    Ok(())
}
