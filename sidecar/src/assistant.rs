//! The assistant: generates code, completes it at the cursor, answers raw prompts and counts their tokens.

pub mod complete;
pub mod generate;
pub mod history_export;
pub mod profiles;
pub mod raw;

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::complete::{EditorSessions, SuggestionCache};
use self::profiles::Profiles;
use crate::base::validation::ValidationErrors;
use crate::inference::response_cache::ResponseCache;
use crate::inference::{Interrupted, ModelRouter, WaitLimits};
use crate::metrics::Metrics;
use crate::settings;
use crate::store::{self, Store};

/// The assistant, a handle to what it works with. Clones share it.
#[derive(Debug, Clone)]
pub struct Assistant {
    /// Selects a model for each request and sends it there.
    pub router: ModelRouter,
    /// The response cache.
    pub cache: ResponseCache,
    /// The database: history, profiles, suggestions.
    pub store: Store,
    /// The profiles of users.
    pub profiles: Profiles,
    /// Suggestions that can be reused while the user types.
    pub suggestions: SuggestionCache,
    /// Editor sessions with a running completion.
    pub sessions: EditorSessions,
    /// Metrics.
    pub metrics: Metrics,
    /// The user's settings.
    pub settings: settings::Handle,
    /// Cancelled when the process shuts down.
    pub shutdown: CancellationToken,
    /// Tasks that still write to the store; the process waits for them at shutdown.
    pub tasks: TaskTracker,
}

/// Why a request could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields of the request have invalid values.
    #[error("{0}")]
    Invalid(#[from] ValidationErrors),
    /// Fields of the request refer to things that do not exist.
    #[error("reference not found: {0}")]
    ReferenceNotFound(ValidationErrors),
    /// A question cannot replace a message and continue another one.
    #[error("replaces and continues cannot be used together")]
    ReplacesAndContinues,
    /// The answer is complete, or still being generated, so it cannot be continued.
    #[error("the answer cannot be continued")]
    NotResumable,
    /// The model cannot take or finish the request.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// No token arrived in time.
    #[error("no token arrived for {seconds} s")]
    Timeout {
        /// The timeout, in seconds.
        seconds: u64,
    },
    /// HAPA is shutting down.
    #[error("HAPA is shutting down")]
    ShuttingDown,
    /// The database failed.
    #[error("the history could not be read or written")]
    Store(#[from] store::Error),
}

impl From<Interrupted> for Error {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Engine(error) => Self::Engine(error),
            Interrupted::Timeout { seconds } => Self::Timeout { seconds },
            Interrupted::ShuttingDown => Self::ShuttingDown,
        }
    }
}

impl Assistant {
    fn require_running(&self) -> Result<(), Error> {
        if self.shutdown.is_cancelled() { Err(Error::ShuttingDown) } else { Ok(()) }
    }

    /// The idle timeout, the longest pause between two events of an answer: the setting `request_timeout`.
    fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.settings.current().request_timeout.into())
    }

    fn wait_limits(&self) -> WaitLimits {
        WaitLimits::after_queue(self.idle_timeout(), self.shutdown.clone())
    }
}

/// Decode speed: tokens per second between the first token and the last, since the first one's time is the prefill.
/// `None` for fewer than two tokens.
fn tokens_per_second(tokens: usize, decode: Duration) -> Option<f64> {
    let seconds = decode.as_secs_f64();
    (tokens > 1 && seconds > 0.0).then(|| (tokens - 1) as f64 / seconds)
}
