//! One request to a remote server: asked again while nothing was said and that may help, and stopped when nobody listens.

use std::time::{Duration, Instant};

use engine::{Error, Event, FinishReason, Prompt, PromptAccepted, Request, TokenSender, Usage};
use tokio::time::timeout;

use super::client::{Refusal, Server};
use super::error::Failure;
use super::request::{Body, Extras};
use super::sse::{Chunk, Events, Said};
use super::{Remote, client};

/// How long is waited before each new try.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// The longest pause that a server may ask for: one who waits longer is better told.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long is waited, after the end of an answer, for what it cost.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// A request on its way.
pub(super) struct Asking {
    pub remote: Remote,
    pub server: Server,
    pub model: String,
    pub request: Request,
    /// The longest that nothing may be said.
    pub patience: Duration,
}

/// How a try ended that did not come to the end of the answer.
enum End {
    /// Nobody listens any more.
    Left,
    Failed(Error),
    /// For this reason, and not before so long has passed.
    Refused(Failure, Duration),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure, Duration::ZERO)
    }
}

/// What was said so far.
#[derive(Default)]
struct Progress {
    started: bool,
    first: Option<Instant>,
    last: Option<Instant>,
    tokens: usize,
    finish: Option<FinishReason>,
    usage: Option<(usize, usize)>,
}

impl Asking {
    /// Asks, and says to `speaker` what comes back.
    pub async fn run(self, sender: &TokenSender) {
        let mut progress = Progress::default();
        let said = tokio::select! {
            () = sender.closed() => return,
            said = self.tries(sender, &mut progress) => said,
        };
        let last = match said {
            Ok(summary) => Ok(Event::Done(summary)),
            Err(End::Left) => return,
            Err(End::Failed(error)) => Err(error),
            Err(End::Refused(failure, _)) => Err(failure.into()),
        };
        if let Err(error) = &last {
            tracing::info!("a remote server did not answer: {error}");
        }
        sender.send(last).await;
    }

    async fn tries(&self, sender: &TokenSender, progress: &mut Progress) -> Result<Usage, End> {
        let mut pauses = PAUSES.iter();
        let mut extras = self.remote.extras();
        loop {
            let (failure, least) = match self.once(extras, sender, progress).await {
                Err(End::Refused(failure, least)) if progress.first.is_none() => (failure, least),
                end => return end,
            };
            if failure == Failure::Refused
                && let Some(fewer) = extras.fewer(&self.request)
            {
                extras = fewer;
                continue;
            }
            let tried_again = failure.may_pass() && least <= LONGEST_PAUSE;
            let pause = pauses.next().filter(|_| tried_again).ok_or(failure)?;
            tokio::time::sleep(least.max(*pause)).await;
        }
    }

    /// Asks once, and listens to the end.
    async fn once(&self, extras: Extras, sender: &TokenSender, progress: &mut Progress) -> Result<Usage, End> {
        let Some(body) = Body::new(&self.request, &self.model, extras) else {
            return Err(End::Failed(Error::FimUnsupported));
        };
        let url = match self.request.prompt {
            Prompt::Chat(_) => self.server.address.chat(),
            _ => self.server.address.text(),
        };
        let response = timeout(self.patience, self.remote.wire().ask(&self.server, url, &body)).await;
        let mut response = match response.map_err(|_| Failure::Silent)? {
            Ok(response) => response,
            Err(Refusal::For(failure)) => return Err(failure.into()),
            Err(Refusal::Until(failure, least)) => return Err(End::Refused(failure, least)),
            Err(Refusal::TooLong { tokens, limit }) => {
                return Err(End::Failed(Error::ContextTooLong { tokens, limit }));
            }
        };
        self.remote.take_extras(extras);
        let mut events = Events::default();
        if !progress.started {
            progress.started = true;
            let accepted =
                PromptAccepted { model: self.model.as_str().into(), prompt_tokens: None, limit: None, dropped: 0 };
            heard(sender.send(Ok(Event::PromptAccepted(accepted))).await)?;
        }
        let mut deadline = Instant::now() + self.patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Bytes that never stop coming are no answer.
            let next = async { if left.is_zero() { Err(Failure::Silent) } else { client::next(&mut response).await } };
            let bytes = match timeout(left, next).await {
                Ok(Ok(Some(bytes))) => bytes,
                // Whatever becomes of the connection, the answer is whole.
                _ if progress.finish.is_some() => return Ok(progress.summary()),
                Ok(Ok(None)) => return Err(Failure::CutOff.into()),
                Ok(Err(failure)) => return Err(failure.into()),
                Err(_) => return Err(Failure::Silent.into()),
            };
            let mut all = Vec::new();
            let read = events.push(&bytes, &mut all);
            for said in all {
                let Said::Chunk(chunk) = said else {
                    return Ok(progress.summary());
                };
                let ended = progress.finish.is_some();
                if let Some(event) = progress.take(chunk) {
                    heard(sender.send(Ok(event)).await)?;
                }
                if !ended {
                    let more = if progress.finish.is_some() { AFTERWARDS } else { self.patience };
                    deadline = Instant::now() + more;
                }
            }
            // What came before something that cannot be read was said all the same.
            read?;
        }
    }
}

fn heard(listened: bool) -> Result<(), End> {
    if listened { Ok(()) } else { Err(End::Left) }
}

impl Progress {
    /// Takes an event in; gives back what is said of it. One without text shows that the server is at work.
    fn take(&mut self, chunk: Chunk) -> Option<Event> {
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

    fn summary(&self) -> Usage {
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
