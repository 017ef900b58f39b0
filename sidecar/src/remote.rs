//! An OpenAI-compatible server elsewhere, which the user has chosen to be asked too. It is not trusted.
//!
//! Only prompts, how to choose words, and the model's name go out; only text, why it ended, and what it cost are taken from what
//! comes back. Nothing is sent while the policy is `local_only`, unless somebody tries the connection by hand.

mod call;
mod client;
pub mod credentials;
pub mod error;
mod request;
pub(crate) mod sse;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use engine::{Error, Model, Request, TokenStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use self::call::Asking;
use self::client::{Server, Wire};
use self::credentials::{Kept, Safe};
use self::error::Failure;
use self::request::Extras;
use crate::config::Config;
use crate::settings::{RemotePolicy, Settings};

/// Requests that may be on their way at a time.
const MOST_REQUESTS: usize = 32;

/// Events of an answer that may wait for a slow listener. Then the server waits too.
const CAPACITY: usize = 64;

/// How the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The policy is to ask nobody elsewhere.
    Off,
    /// It was not looked at yet.
    Unknown,
    /// It answers, and lists these models; none where it lists none and one is set.
    Up(Vec<String>),
    /// It does not.
    Down(Failure),
}

/// A handle to the remote server, whichever the settings name. Clones share it.
#[derive(Debug, Clone)]
pub struct Remote(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: watch::Receiver<Arc<Settings>>,
    safe: Safe,
    wire: Wire,
    state: watch::Sender<State>,
    places: Arc<Semaphore>,
    /// What the server takes, as far as that is known: a number of [`Extras`].
    extras: AtomicU8,
}

impl Remote {
    /// The server that the settings name. Nothing is sent before somebody asks.
    #[must_use]
    pub fn new(config: &Config, settings: watch::Receiver<Arc<Settings>>) -> Self {
        let state = if is_on(&settings.borrow()) { State::Unknown } else { State::Off };
        Self(Arc::new(Inner {
            safe: Safe::new(config),
            settings,
            wire: Wire::default(),
            state: watch::Sender::new(state),
            places: Arc::new(Semaphore::new(MOST_REQUESTS)),
            extras: AtomicU8::new(0),
        }))
    }

    /// Looks at the server every so often, and when its settings change, while the policy is to ask it.
    pub async fn watch(self, interval: Duration, shutdown: CancellationToken) {
        let mut settings = self.0.settings.clone();
        loop {
            let now = settings.borrow_and_update().clone();
            let on = is_on(&now);
            let other = async {
                // Other settings have nothing to do with it.
                if settings.wait_for(|new| concerns(new) != concerns(&now)).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let look = async {
                if on {
                    self.look().await;
                    tokio::time::sleep(interval).await;
                } else {
                    self.0.state.send_replace(State::Off);
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = other => {
                    self.0.extras.store(0, Ordering::Relaxed);
                    self.0.state.send_replace(State::Unknown);
                }
                () = look => {}
            }
        }
    }

    /// How the server was when it was looked at last.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.state.borrow().clone()
    }

    /// The same as it changes.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// Looks at the server now: asks which models it has.
    pub async fn look(&self) -> State {
        let settings = self.settings();
        let state = match self.list(&settings).await {
            Ok(models) => State::Up(models),
            Err(failure) => State::Down(failure),
        };
        if is_on(&self.settings()) {
            self.0.state.send_if_modified(|old| {
                let changed = *old != state;
                if changed && let State::Down(failure) = state {
                    tracing::warn!("{}", failure.message().en);
                }
                *old = state.clone();
                changed
            });
        }
        state
    }

    /// The key for the server.
    #[must_use]
    pub fn safe(&self) -> &Safe {
        &self.0.safe
    }

    /// Where the key that the server is sent is kept; `None` where it is sent none.
    pub async fn key(&self) -> Option<Kept> {
        let origin = self.settings().remote_endpoint.clone()?.read().ok()?.origin();
        let key = self.0.safe.key().await?;
        key.for_server(&origin).map(|_| key.kept)
    }

    /// The model that the server is asked for; its device is the server.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn model(&self) -> Result<Model, Error> {
        let address = self.settings().remote_endpoint.as_ref().and_then(|endpoint| endpoint.read().ok());
        Ok(Model {
            name: self.name().await?,
            size_bytes: 0,
            context: None,
            device: address.map(|address| address.origin()).unwrap_or_default(),
            supports_fim: false,
            supports_repo_context: false,
        })
    }

    /// The name of the model that would be asked for, as far as it is known without asking.
    #[must_use]
    pub fn known_model(&self) -> Option<String> {
        let set = self.settings().remote_model.as_ref().map(|model| model.0.clone());
        set.or_else(|| if let State::Up(models) = &*self.0.state.borrow() { models.first().cloned() } else { None })
    }

    /// Puts a request to the server's model of this name.
    ///
    /// # Errors
    /// When too many are on their way. What the server says against it is the answer's first event.
    pub fn submit(&self, request: Request, model: String) -> Result<TokenStream, Error> {
        let place = Arc::clone(&self.0.places).try_acquire_owned().map_err(|_| Error::Overloaded)?;
        let (sender, answer) = TokenStream::channel(CAPACITY);
        let remote = self.clone();
        tokio::spawn(async move {
            let settings = remote.settings();
            // A little less than whoever listens has: it is here that is known who is silent.
            let patience = Duration::from_secs(settings.request_timeout.into()).mul_f64(0.95);
            let server = remote.server(&settings).await;
            match server {
                Ok(server) => Asking { remote, server, model, request, patience }.run(&sender).await,
                Err(failure) => {
                    sender.send(Err(failure.into())).await;
                }
            }
            drop(place);
        });
        Ok(answer)
    }

    fn settings(&self) -> Arc<Settings> {
        self.0.settings.borrow().clone()
    }

    async fn name(&self) -> Result<String, Failure> {
        if let Some(name) = self.known_model() {
            return Ok(name);
        }
        match self.look().await {
            State::Up(models) => models.into_iter().next().ok_or(Failure::NoModel),
            State::Down(failure) => Err(failure),
            State::Off | State::Unknown => Err(Failure::Unreachable),
        }
    }

    async fn list(&self, settings: &Settings) -> Result<Vec<String>, Failure> {
        let server = self.server(settings).await?;
        let named = settings.remote_model.is_some();
        match self.0.wire.models(&server).await {
            // Not every server lists its models; one that is named can be asked for all the same.
            Err(Failure::NotFound) if named => Ok(Vec::new()),
            Ok(models) if models.is_empty() && !named => Err(Failure::NoModel),
            other => other,
        }
    }

    async fn server(&self, settings: &Settings) -> Result<Server, Failure> {
        let address = settings.remote_endpoint.as_ref().and_then(|endpoint| endpoint.read().ok());
        let address = address.ok_or(Failure::NoAddress)?;
        let key = self.0.safe.key().await.and_then(|key| key.for_server(&address.origin()).cloned());
        Ok(Server { address, key })
    }

    fn wire(&self) -> &Wire {
        &self.0.wire
    }

    /// What the server is asked for at first.
    fn extras(&self) -> Extras {
        match self.0.extras.load(Ordering::Relaxed) {
            0 => Extras::All,
            1 => Extras::NoProbabilities,
            _ => Extras::Plain,
        }
    }

    /// Remembers that the server takes so much, and no more.
    fn take_extras(&self, extras: Extras) {
        self.0.extras.fetch_max(extras as u8, Ordering::Relaxed);
    }
}

/// Whether the server may be asked.
#[must_use]
pub fn is_on(settings: &Settings) -> bool {
    settings.remote_policy != RemotePolicy::LocalOnly
}

/// The settings that have to do with the server.
fn concerns(settings: &Settings) -> impl PartialEq + use<> {
    (is_on(settings), settings.remote_endpoint.clone(), settings.remote_model.clone())
}
