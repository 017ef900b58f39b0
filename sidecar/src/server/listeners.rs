//! Listeners: binds the ports of the API.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use handshake::{DEFAULT_PORT, Exit};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{StartError, connections};
use crate::config::Config;
use crate::http::state::AppState;
use crate::{http, tls};

/// The bound ports.
pub struct Listeners {
    api: TcpListener,
    tls: Option<TlsAcceptor>,
    /// Plain HTTP on 127.0.0.1 for the window and the command line, where `api` is not that.
    loopback: Option<TcpListener>,
    metrics: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(api: TcpListener) -> Self {
        Self { api, tls: None, loopback: None, metrics: None }
    }
}

impl Listeners {
    /// Binds the configured port, or else the user's `preferred_port`, the documented one or the next that is free, and
    /// the further ports. A `preferred_port` that is taken is no error: the window, where it can be changed, needs the
    /// API.
    ///
    /// # Errors
    /// When a configured port is taken, none is free, or the certificate cannot be used.
    pub async fn bind(config: &Config, preferred_port: Option<u32>) -> Result<Self, StartError> {
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let api = bind_api(config, preferred_port).await?;
        let reachable = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv4Addr::UNSPECIFIED.into()].contains(&config.host);
        let loopback = match &tls {
            None if reachable => None,
            _ => Some(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| {
                StartError::new(Exit::PortTaken, format!("could not listen on a port of this machine: {error}"))
            })?),
        };
        let metrics = match config.metrics_port {
            Some(port) => Some(bind(config.host, port, "METRICS_PORT").await?),
            None => None,
        };
        Ok(Self { api, tls, loopback, metrics })
    }

    /// The URL of the API, such as `http://127.0.0.1:8000`.
    ///
    /// # Errors
    /// When the operating system does not report the address.
    pub fn address(&self) -> io::Result<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.api.local_addr()?))
    }

    /// The port on 127.0.0.1 for programs of this machine, over plain HTTP.
    ///
    /// # Errors
    /// When the operating system does not report the address.
    pub fn loopback_port(&self) -> io::Result<u16> {
        Ok(self.loopback.as_ref().unwrap_or(&self.api).local_addr()?.port())
    }

    /// Serves the API on all ports, until the app shuts down.
    pub(super) async fn serve(self, app: &AppState) {
        let (router, shutdown) = (http::router(app.clone()), &app.assistant.shutdown);
        let serve = |listener, tls, router| connections::serve(listener, tls, router, shutdown.clone());
        let loopback = self.loopback.map(|listener| serve(listener, None, router.clone()));
        let metrics = self.metrics.map(|listener| serve(listener, None, http::metrics_router(app.clone())));
        tokio::join!(
            serve(self.api, self.tls, router),
            async {
                if let Some(loopback) = loopback {
                    loopback.await;
                }
            },
            async {
                if let Some(metrics) = metrics {
                    metrics.await;
                }
            },
        );
    }
}

async fn bind_api(config: &Config, preferred_port: Option<u32>) -> Result<TcpListener, StartError> {
    if let Some(port) = config.port {
        return bind(config.host, port, "PORT or --port").await;
    }
    if let Some(port) = preferred_port.and_then(|port| u16::try_from(port).ok()) {
        match bind(config.host, port, "the setting `port`").await {
            Ok(listener) => return Ok(listener),
            Err(error) => tracing::warn!("{error}; until then another port is used"),
        }
    }
    for port in (DEFAULT_PORT..DEFAULT_PORT + 100).chain([0]) {
        if let Ok(listener) = TcpListener::bind((config.host, port)).await {
            return Ok(listener);
        }
    }
    Err(StartError::new(Exit::PortTaken, format!("could not listen on any port of {}", config.host)))
}

async fn bind(host: IpAddr, port: u16, preferred_port: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind((host, port)).await.map_err(|error| {
        let help = format!("choose another with {preferred_port}, or stop the program that uses it");
        StartError::new(Exit::PortTaken, format!("could not listen on port {port}: {error}; {help}"))
    })
}
