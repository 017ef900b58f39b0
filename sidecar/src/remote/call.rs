//! One request to a remote server: retried while no text has arrived, and cancelled when the client disconnects.

use std::time::{Duration, Instant};

use engine::{Event, FinishReason, Prompt, PromptAccepted, Request, TokenSender, Usage};
use tokio::time::timeout;

use super::Error;
use super::client::{RequestError, Server};
use super::request::{OptionalFields, RequestBody};
use super::sse::{Chunk, SseParser, StreamItem};
use super::{Remote, client};

/// Delay before each retry.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// Maximum `Retry-After` of the server; with a longer one, the request fails at once.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(10);

/// How long to wait for the token usage after the finish reason.
const USAGE_GRACE: Duration = Duration::from_secs(2);

/// A request to a remote server.
pub(super) struct RemoteCall {
    pub remote: Remote,
    pub server: Server,
    pub model: String,
    pub request: Request,
    /// Maximum time between two events.
    pub idle_timeout: Duration,
}

/// Why an attempt ended early.
enum Outcome {
    /// The client has disconnected.
    Cancelled,
    /// A final error.
    Failed(engine::Error),
    /// An error of the server, with its minimum delay before a retry.
    Rejected(Error, Duration),
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Rejected(error, Duration::ZERO)
    }
}

/// What has arrived so far.
#[derive(Default)]
struct Progress {
    started: bool,
    first: Option<Instant>,
    last: Option<Instant>,
    tokens: usize,
    finish: Option<FinishReason>,
    usage: Option<(usize, usize)>,
}

impl RemoteCall {
    /// Sends the request and forwards its events to `sender`.
    pub(crate) async fn run(self, sender: &TokenSender) {
        let mut progress = Progress::default();
        let result = tokio::select! {
            () = sender.closed() => return,
            result = self.with_retries(sender, &mut progress) => result,
        };
        let last = match result {
            Ok(usage) => Ok(Event::Done(usage)),
            Err(Outcome::Cancelled) => return,
            Err(Outcome::Failed(error)) => Err(error),
            Err(Outcome::Rejected(error, _)) => Err(error.into()),
        };
        if let Err(error) = &last {
            tracing::info!("request to the remote server failed: {error}");
        }
        sender.send(last).await;
    }

    async fn with_retries(&self, sender: &TokenSender, progress: &mut Progress) -> Result<Usage, Outcome> {
        let mut delays = RETRY_DELAYS.iter();
        let mut fields = self.remote.supported_fields();
        loop {
            let (error, retry_after) = match self.attempt(fields, sender, progress).await {
                Err(Outcome::Rejected(error, retry_after)) if progress.first.is_none() => (error, retry_after),
                end => return end,
            };
            if error == Error::Rejected
                && let Some(reduced) = fields.downgrade(&self.request)
            {
                fields = reduced;
                continue;
            }
            let retryable = error.is_transient() && retry_after <= MAX_RETRY_AFTER;
            let delay = delays.next().filter(|_| retryable).ok_or(error)?;
            tokio::time::sleep(retry_after.max(*delay)).await;
        }
    }

    /// Sends the request once and reads the response to its end.
    async fn attempt(
        &self,
        fields: OptionalFields,
        sender: &TokenSender,
        progress: &mut Progress,
    ) -> Result<Usage, Outcome> {
        let Some(body) = RequestBody::new(&self.request, &self.model, fields) else {
            return Err(Outcome::Failed(engine::Error::FimUnsupported));
        };
        let url = match self.request.prompt {
            Prompt::Chat(_) => self.server.address.chat(),
            _ => self.server.address.text(),
        };
        let response = timeout(self.idle_timeout, self.remote.client().post(&self.server, url, &body)).await;
        let mut response = match response.map_err(|_| Error::Timeout)? {
            Ok(response) => response,
            Err(RequestError::Failed(error)) => return Err(error.into()),
            Err(RequestError::RetryAfter(error, retry_after)) => return Err(Outcome::Rejected(error, retry_after)),
            Err(RequestError::ContextTooLong { tokens, limit }) => {
                return Err(Outcome::Failed(engine::Error::ContextTooLong { tokens, limit }));
            }
        };
        self.remote.record_support(fields);
        let mut parser = SseParser::default();
        if !progress.started {
            progress.started = true;
            let accepted =
                PromptAccepted { model: self.model.as_str().into(), prompt_tokens: None, limit: None, dropped: 0 };
            ensure_delivered(sender.send(Ok(Event::PromptAccepted(accepted))).await)?;
        }
        let mut deadline = Instant::now() + self.idle_timeout;
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            // Bytes without events, such as endless comments, do not extend the deadline.
            let next = async {
                if remaining.is_zero() { Err(Error::Timeout) } else { client::next_chunk(&mut response).await }
            };
            let bytes = match timeout(remaining, next).await {
                Ok(Ok(Some(bytes))) => bytes,
                // The answer is complete, whatever happens to the connection.
                _ if progress.finish.is_some() => return Ok(progress.usage()),
                Ok(Ok(None)) => return Err(Error::Interrupted.into()),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(Error::Timeout.into()),
            };
            let mut items = Vec::new();
            let parsed = parser.push(&bytes, &mut items);
            for item in items {
                let StreamItem::Chunk(chunk) = item else {
                    return Ok(progress.usage());
                };
                let ended = progress.finish.is_some();
                if let Some(event) = progress.apply(chunk) {
                    ensure_delivered(sender.send(Ok(event)).await)?;
                }
                if !ended {
                    let limit = if progress.finish.is_some() { USAGE_GRACE } else { self.idle_timeout };
                    deadline = Instant::now() + limit;
                }
            }
            // Events before an invalid one were forwarded.
            parsed?;
        }
    }
}

fn ensure_delivered(delivered: bool) -> Result<(), Outcome> {
    if delivered { Ok(()) } else { Err(Outcome::Cancelled) }
}

impl Progress {
    /// Applies a chunk and returns the event to forward. A chunk without text is forwarded as progress of the prefill.
    fn apply(&mut self, chunk: Chunk) -> Option<Event> {
        let Chunk { text, logprob, tokens, finish, usage } = chunk;
        self.usage = usage.or(self.usage);
        if self.finish.is_some() {
            return None;
        }
        self.finish = finish;
        if text.is_empty() {
            return Some(Event::Prefill { tokens: 0 });
        }
        let now = Instant::now();
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.tokens += tokens;
        Some(Event::Delta { text, logprob, tokens })
    }

    fn usage(&self) -> Usage {
        let (prompt_tokens, completion_tokens) = self.usage.unwrap_or((0, self.tokens));
        Usage {
            finish_reason: self.finish.unwrap_or(FinishReason::Stop),
            prompt_tokens,
            cached_tokens: 0,
            completion_tokens,
            drafted_tokens: 0,
            accepted_tokens: 0,
            prefill: Duration::ZERO,
            decode: self.first.zip(self.last).map(|(first, last)| last - first).unwrap_or_default(),
        }
    }
}
