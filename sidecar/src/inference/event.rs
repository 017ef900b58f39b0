//! The events of an answer, whichever backend generates it, and waiting for the next one.

use std::future::Future;
use std::time::Duration;

use engine::{Error, Usage};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackendKind {
    /// In this process.
    Local,
    /// On the remote server.
    Remote,
}

impl BackendKind {
    /// The name in the API: `local` or `remote`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
        }
    }
}

/// Which model generates an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelIdentity {
    /// The model's name.
    pub model: String,
    /// Where it runs.
    pub backend: BackendKind,
}

/// A prompt that a model has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The model that generates the answer.
    pub model: ModelIdentity,
    /// Tokens of the prompt; `None` where a remote server reports them only at the end.
    pub prompt_tokens: Option<usize>,
    /// The context size, for prompt and answer together, in tokens; `None` where a remote server does not report it.
    pub limit: Option<usize>,
    /// Earlier messages that were left out of the prompt.
    pub dropped: usize,
}

/// What a stream yields, in this order: one `Accepted`, any number of `Prefill` and then of `Delta`, one `Done`.
#[derive(Debug, Clone)]
pub enum Event {
    /// A model has accepted the prompt; this one generates the answer.
    Accepted(Accepted),
    /// Prefill makes progress.
    Prefill,
    /// The next piece of text, never empty.
    Delta {
        /// The text.
        text: String,
        /// Log probability (natural logarithm) of its tokens together, if it was requested.
        logprob: Option<f32>,
        /// Tokens of the text.
        tokens: usize,
    },
    /// The answer is complete.
    Done(Usage),
}

/// How long to wait for the next event.
#[derive(Debug, Clone)]
pub struct WaitLimits {
    /// The limit while the request is queued: until the first event after [`Event::Accepted`].
    pub queued: Duration,
    /// The idle timeout from then on, between two events.
    pub idle: Duration,
    /// Waiting ends when this is cancelled.
    pub shutdown: CancellationToken,
}

impl WaitLimits {
    /// Limits for a request that may be queued for any time: the clock starts when it leaves the queue.
    #[must_use]
    pub fn after_queue(idle: Duration, shutdown: CancellationToken) -> Self {
        Self { queued: Duration::MAX, idle, shutdown }
    }

    /// Limits for a request whose clock starts at once.
    #[must_use]
    pub fn from_start(idle: Duration, shutdown: CancellationToken) -> Self {
        Self { queued: idle, idle, shutdown }
    }
}

/// Why waiting for the next event ended without one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Interrupted {
    /// The backend failed.
    #[error(transparent)]
    Engine(#[from] Error),
    /// No event arrived in time.
    #[error("no token arrived for {seconds} s")]
    Timeout {
        /// The timeout, in seconds.
        seconds: u64,
    },
    /// HAPA is shutting down.
    #[error("HAPA is shutting down")]
    ShuttingDown,
}

/// How far a stream is, from which the deadline of the next event follows.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Whether an event after [`Event::Accepted`] was returned, so that the request is not queued any more.
    pub is_running: bool,
    /// When the latest event was returned; before the first one, when the stream was created.
    pub last_event: Instant,
}

impl Progress {
    /// Of a new stream.
    #[must_use]
    pub fn start() -> Self {
        Self { is_running: false, last_event: Instant::now() }
    }

    /// Records that this event is returned.
    pub fn record(&mut self, event: &Result<Event, Error>) {
        self.is_running |= !matches!(event, Ok(Event::Accepted(_)));
        self.last_event = Instant::now();
    }
}

/// A stream of [`Event`]s.
pub trait EventStream: Send {
    /// The next event; `None` after [`Event::Done`] or an error. Cancel-safe: no event is lost when the future is dropped.
    fn next(&mut self) -> impl Future<Output = Option<Result<Event, Error>>> + Send;

    /// How far the stream is.
    fn progress(&self) -> Progress;

    /// The next event within `limits`. Cancel-safe like [`EventStream::next`]: the limits count from the latest event, however often
    /// the future is dropped meanwhile.
    ///
    /// # Errors
    /// Why there is none. A stream that has ended counts as one whose engine has stopped.
    fn next_within(&mut self, limits: &WaitLimits) -> impl Future<Output = Result<Event, Interrupted>> + Send {
        async {
            let Progress { is_running, last_event } = self.progress();
            let limit = if is_running { limits.idle } else { limits.queued };
            let next = async {
                match last_event.checked_add(limit) {
                    Some(deadline) => timeout_at(deadline, self.next()).await.ok(),
                    None => Some(self.next().await),
                }
            };
            tokio::select! {
                biased;
                event = next => match event {
                    None => Err(Interrupted::Timeout { seconds: limit.as_secs() }),
                    Some(None) => Err(Error::EngineStopped.into()),
                    Some(Some(event)) => Ok(event?),
                },
                () = limits.shutdown.cancelled() => Err(Interrupted::ShuttingDown),
            }
        }
    }
}
