//! A client of HAPA's own API: of the running sidecar if there is one, otherwise of one inside this process.

use std::net::Ipv4Addr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use handshake::Exit;
pub(super) use reqwest::Method;
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::base::http_client;
use crate::base::i18n::Language;
use crate::config::Config;
use crate::instance::find_running;
use crate::server::{Mode, Server, StartError};
use crate::settings::RemotePolicy;

/// A client with the installation's own key.
pub(super) struct Client {
    http: reqwest::Client,
    address: String,
    key: String,
    inside: Option<EmbeddedServer>,
}

/// The embedded server, if this process runs one.
struct EmbeddedServer {
    /// Its shutdown token.
    shutdown: CancellationToken,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The parts of `GET /health/detailed` that the command line shows.
#[derive(Debug, Deserialize)]
pub(super) struct HealthDetails {
    pub version: String,
    pub model: ModelDetails,
    pub backend: BackendDetails,
    pub remote: RemoteDetails,
    pub queue: QueueDetails,
    pub uptime_seconds: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct ModelDetails {
    pub state: String,
    pub name: Option<String>,
    pub progress: Option<f32>,
    pub message: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct BackendDetails {
    pub device: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RemoteDetails {
    pub policy: RemotePolicy,
    pub state: String,
    pub endpoint: Option<String>,
    pub model: Option<String>,
    pub message: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct QueueDetails {
    pub waiting: usize,
    pub active: usize,
}

/// One event of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub kind: String,
    pub content: String,
    pub metadata: Option<Value>,
}

impl Client {
    /// A client of the sidecar that uses this data folder, if one is running.
    pub(crate) fn running(config: &Config) -> Option<Self> {
        let found = find_running(&config.data)?;
        let key = std::fs::read_to_string(config.key_file()).ok()?.trim().to_owned();
        Some(Self::new(format!("http://{}:{}", Ipv4Addr::LOCALHOST, found.port), key, None))
    }

    /// A client of a server inside this process, on a free port.
    pub(crate) async fn embedded(config: &Config, mode: Mode<'_>) -> Result<Self, StartError> {
        let shutdown = CancellationToken::new();
        let server = Server::open(config, mode, shutdown.clone()).await?;
        let unbound =
            |error: std::io::Error| StartError::new(Exit::PortTaken, format!("could not open a port: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(unbound)?;
        let address = format!("http://{}", listener.local_addr().map_err(unbound)?);
        let key = server.key.reveal().to_owned();
        let served = tokio::spawn(server.serve(listener));
        Ok(Self::new(address, key, Some(EmbeddedServer { shutdown, served })))
    }

    /// Shuts down the embedded server, if there is one, so that everything is written.
    pub(crate) async fn close(mut self) {
        if let Some(inside) = &mut self.inside {
            inside.shutdown.cancel();
            let _ = (&mut inside.served).await;
        }
    }

    fn new(address: String, key: String, inside: Option<EmbeddedServer>) -> Self {
        Self { http: http_client::loopback(), address, key, inside }
    }

    /// The base URL of the API.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The detailed health report of the API.
    pub(crate) async fn details(&self) -> Result<HealthDetails, String> {
        let request = self.request(Method::GET, "/health/detailed").timeout(Duration::from_secs(5));
        let response = accepted(request.send().await).await?;
        response.json().await.map_err(|error| error.to_string())
    }

    /// Generates code, as a stream of events.
    pub(crate) async fn generate(
        &self,
        body: &Value,
    ) -> Result<Pin<Box<dyn Stream<Item = Result<Event, String>>>>, String> {
        let request = self.request(Method::POST, "/api/v1/generate-code-streaming").json(body);
        let response = accepted(request.send().await).await?;
        Ok(Box::pin(events(response)))
    }

    /// Sends a request, and returns the JSON of its response.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let mut request = self.request(method, path).timeout(Duration::from_secs(30));
        if let Some(body) = body {
            request = request.json(body);
        }
        accepted(request.send().await).await?.json().await.map_err(|error| error.to_string())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let language = if super::language() == Language::English { "en" } else { "ko" };
        self.http
            .request(method, format!("{}{path}", self.address))
            .header("X-API-Key", &self.key)
            .header("Accept-Language", language)
    }
}

/// The response, or the API's error message.
async fn accepted(result: reqwest::Result<Response>) -> Result<Response, String> {
    let response = result.map_err(|error| format!("HAPA is not reachable: {error}"))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_default();
    Err(body["error_message"].as_str().map_or_else(|| format!("HAPA answered with {status}"), str::to_owned))
}

/// The frames of an event stream.
fn events(response: Response) -> impl Stream<Item = Result<Event, String>> {
    let chunks = response.bytes_stream().boxed();
    stream::unfold((chunks, Vec::new()), |(mut chunks, mut buffer): (_, Vec<u8>)| async move {
        loop {
            if let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
                let frame: Vec<u8> = buffer.drain(..end + 2).collect();
                let json = frame.strip_prefix(b"data: ").unwrap_or(&frame);
                let event =
                    serde_json::from_slice(json).map_err(|error| format!("HAPA sent an invalid event: {error}"));
                return Some((event, (chunks, buffer)));
            }
            match chunks.next().await? {
                Ok(bytes) => buffer.extend_from_slice(&bytes),
                Err(error) => return Some((Err(format!("the connection was lost: {error}")), (chunks, Vec::new()))),
            }
        }
    })
}
