//! Client of a remote OpenAI-compatible server, which the user has configured. The server is not trusted.
//!
//! Requests contain the prompt, the sampling parameters and the model's name, nothing else. Of responses, only the text, its log
//! probabilities, the finish reason and the token usage are read. While the setting `remote_policy` is `local_only`, nothing is sent
//! unless the user tests the connection.

mod call;
mod client;
pub mod credentials;
mod error;
mod request;
pub(crate) mod sse;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use engine::{Model, Request, TokenStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use self::call::RemoteCall;
use self::client::{RemoteClient, Server};
use self::credentials::{CredentialStore, KeyLocation};
pub use self::error::Error;
use self::request::OptionalFields;
use crate::config::Config;
use crate::settings::{RemotePolicy, Settings};

/// Concurrent requests; more are refused as an overload.
const MAX_CONCURRENT_REQUESTS: usize = 32;

/// Events that are buffered for a slow client. When the buffer is full, nothing more is read from the server.
const STREAM_CAPACITY: usize = 64;

/// Availability of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Disabled by the setting `remote_policy`.
    Off,
    /// Not probed yet.
    Unknown,
    /// Reachable. It lists these models; empty if it lists none and the setting `remote_model` names one.
    Up(Vec<String>),
    /// Not reachable, or not usable.
    Down(Error),
}

/// A handle to the configured remote server. Clones share one state.
#[derive(Debug, Clone)]
pub struct Remote(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: watch::Receiver<Arc<Settings>>,
    credentials: CredentialStore,
    client: RemoteClient,
    state: watch::Sender<State>,
    permits: Arc<Semaphore>,
    /// Which optional fields the server accepts, as far as known: an [`OptionalFields`] as a number.
    fields: AtomicU8,
}

impl Remote {
    /// Creates a client of the configured server. Nothing is sent yet.
    #[must_use]
    pub fn new(config: &Config, settings: watch::Receiver<Arc<Settings>>) -> Self {
        let state = if is_enabled(&settings.borrow()) { State::Unknown } else { State::Off };
        Self(Arc::new(Inner {
            credentials: CredentialStore::new(config),
            settings,
            client: RemoteClient::default(),
            state: watch::Sender::new(state),
            permits: Arc::new(Semaphore::new(MAX_CONCURRENT_REQUESTS)),
            fields: AtomicU8::new(0),
        }))
    }

    /// Probes the server at every `interval` and after changes of its settings, while it is enabled. Returns at `shutdown`.
    pub async fn watch(self, interval: Duration, shutdown: CancellationToken) {
        let mut settings = self.0.settings.clone();
        loop {
            let now = settings.borrow_and_update().clone();
            let enabled = is_enabled(&now);
            let changed_settings = async {
                // Changes of other settings are ignored.
                if settings.wait_for(|new| relevant_settings(new) != relevant_settings(&now)).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let probe = async {
                if enabled {
                    self.probe().await;
                    tokio::time::sleep(interval).await;
                } else {
                    self.0.state.send_replace(State::Off);
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = changed_settings => {
                    self.0.fields.store(0, Ordering::Relaxed);
                    self.0.state.send_replace(State::Unknown);
                }
                () = probe => {}
            }
        }
    }

    /// The result of the last probe.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.state.borrow().clone()
    }

    /// The result of the last probe, with updates.
    #[must_use]
    pub fn watch_state(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// Probes the server now, by listing its models. The result is stored unless the server is disabled.
    pub async fn probe(&self) -> State {
        let settings = self.settings();
        let state = match self.list_models(&settings).await {
            Ok(models) => State::Up(models),
            Err(error) => State::Down(error),
        };
        if is_enabled(&self.settings()) {
            self.0.state.send_if_modified(|old| {
                let changed = *old != state;
                if changed && let State::Down(error) = state {
                    tracing::warn!("{}", error.message().en);
                }
                *old = state.clone();
                changed
            });
        }
        state
    }

    /// The store of the server's API key.
    #[must_use]
    pub fn credentials(&self) -> &CredentialStore {
        &self.0.credentials
    }

    /// Where the API key for the configured server is stored; `None` if there is none.
    pub async fn key_location(&self) -> Option<KeyLocation> {
        let origin = self.settings().remote_endpoint.clone()?.read().ok()?.origin();
        let key = self.0.credentials.key().await?;
        key.for_server(&origin).map(|_| key.location)
    }

    /// The remote model. Its `device` is the server's origin.
    ///
    /// # Errors
    /// If no model is configured, and the server cannot be probed or lists none.
    pub async fn model(&self) -> Result<Model, engine::Error> {
        let address = self.settings().remote_endpoint.as_ref().and_then(|endpoint| endpoint.read().ok());
        Ok(Model {
            name: self.model_name().await?,
            size_bytes: 0,
            context: None,
            device: address.map(|address| address.origin()).unwrap_or_default(),
            supports_fim: false,
            supports_repo_context: false,
        })
    }

    /// The name of the remote model, if it is known without a request: the configured one, or the first of the last probe.
    #[must_use]
    pub fn cached_model(&self) -> Option<String> {
        let configured = self.settings().remote_model.as_ref().map(|model| model.0.clone());
        configured
            .or_else(|| if let State::Up(models) = &*self.0.state.borrow() { models.first().cloned() } else { None })
    }

    /// Sends a request to the remote model of this name.
    ///
    /// # Errors
    /// If there are too many concurrent requests. Errors of the server arrive in the stream.
    pub fn submit(&self, request: Request, model: String) -> Result<TokenStream, engine::Error> {
        let permit = Arc::clone(&self.0.permits).try_acquire_owned().map_err(|_| engine::Error::Overloaded)?;
        let (sender, answer) = TokenStream::channel(STREAM_CAPACITY);
        let remote = self.clone();
        tokio::spawn(async move {
            let settings = remote.settings();
            // A little less than the caller's own timeout, so that the error names the remote server.
            let idle_timeout = Duration::from_secs(settings.request_timeout.into()).mul_f64(0.95);
            let server = remote.server(&settings).await;
            match server {
                Ok(server) => RemoteCall { remote, server, model, request, idle_timeout }.run(&sender).await,
                Err(error) => {
                    sender.send(Err(error.into())).await;
                }
            }
            drop(permit);
        });
        Ok(answer)
    }

    fn settings(&self) -> Arc<Settings> {
        self.0.settings.borrow().clone()
    }

    async fn model_name(&self) -> Result<String, Error> {
        if let Some(name) = self.cached_model() {
            return Ok(name);
        }
        match self.probe().await {
            State::Up(models) => models.into_iter().next().ok_or(Error::NoModel),
            State::Down(error) => Err(error),
            State::Off | State::Unknown => Err(Error::Unreachable),
        }
    }

    async fn list_models(&self, settings: &Settings) -> Result<Vec<String>, Error> {
        let server = self.server(settings).await?;
        let is_configured = settings.remote_model.is_some();
        match self.0.client.list_models(&server).await {
            // Not every server lists its models; a configured one works without a list.
            Err(Error::NotFound) if is_configured => Ok(Vec::new()),
            Ok(models) if models.is_empty() && !is_configured => Err(Error::NoModel),
            other => other,
        }
    }

    async fn server(&self, settings: &Settings) -> Result<Server, Error> {
        let address = settings.remote_endpoint.as_ref().and_then(|endpoint| endpoint.read().ok());
        let address = address.ok_or(Error::NoEndpoint)?;
        let key = self.0.credentials.key().await.and_then(|key| key.for_server(&address.origin()).cloned());
        Ok(Server { address, key })
    }

    fn client(&self) -> &RemoteClient {
        &self.0.client
    }

    /// The optional fields of the next request.
    fn supported_fields(&self) -> OptionalFields {
        match self.0.fields.load(Ordering::Relaxed) {
            0 => OptionalFields::All,
            1 => OptionalFields::NoLogprobs,
            _ => OptionalFields::Omitted,
        }
    }

    /// Records that the server accepts these optional fields and no more.
    fn record_support(&self, fields: OptionalFields) {
        self.0.fields.fetch_max(fields as u8, Ordering::Relaxed);
    }
}

/// Whether the setting `remote_policy` allows requests to the server.
#[must_use]
pub fn is_enabled(settings: &Settings) -> bool {
    settings.remote_policy != RemotePolicy::LocalOnly
}

/// The settings that concern the server.
fn relevant_settings(settings: &Settings) -> impl PartialEq + use<> {
    (is_enabled(settings), settings.remote_endpoint.clone(), settings.remote_model.clone())
}
