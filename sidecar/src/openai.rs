//! Answering as OpenAI's API does: straight from a backend, cut at stop strings, with nothing kept.

mod stop;

use std::time::{Duration, Instant};

use engine::{Event, FinishReason, Request, TokenStream, Usage};
use tokio::time::timeout;

use self::stop::{Cut, Stops};
use crate::app::App;
use crate::backend::{Candidate, Voice};
use crate::error::Error;
use crate::generate::ModelType;
use crate::metrics::Answered;

/// What is asked for.
#[derive(Debug)]
pub struct Wish {
    /// What it counts as.
    pub kind: ModelType,
    /// Who is asked.
    pub candidate: Candidate,
    /// For what.
    pub request: Request,
    /// The answer ends before the first of these.
    pub stops: Vec<String>,
}

/// An answer on its way. Dropping it stops the model at its next step.
#[derive(Debug)]
pub struct Speech {
    /// Who answers.
    pub voice: Voice,
    /// How many ends of the prompt were cut for want of room.
    pub dropped: usize,
    app: App,
    kind: ModelType,
    /// `None` once enough was heard.
    answer: Option<TokenStream>,
    stops: Stops,
    patience: Duration,
    asked: Instant,
    first: Option<Instant>,
    last: Instant,
    prompt_tokens: usize,
    tokens: usize,
    /// How it ended, where that has still to be told.
    ending: Option<Ending>,
}

/// The next part of an answer.
#[derive(Debug)]
pub enum Said {
    /// A piece of text, never empty.
    Text(String),
    /// The end.
    Done(Ending),
    /// The answer breaks off.
    Failed(Error),
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub finish: FinishReason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Of those, tokens that were in the model's memory already; unknown where a stop string ended the answer.
    pub reused_tokens: Option<usize>,
    /// Tokens of the answer.
    pub completion_tokens: usize,
}

impl App {
    /// Puts a wish to whoever answers. Comes back when the prompt was accepted.
    ///
    /// # Errors
    /// Why it was not.
    pub async fn speak(&self, wish: Wish) -> Result<Speech, Error> {
        if self.shutdown.is_cancelled() {
            return Err(Error::Stopping);
        }
        let Wish { kind, candidate, request, stops } = wish;
        let asked = Instant::now();
        let (mut answer, by) = self.backend.submit(&candidate, request)?;
        let first = tokio::select! {
            first = answer.next() => first,
            () = self.shutdown.cancelled() => return Err(Error::Stopping),
        };
        let (prompt_tokens, dropped) = match first {
            Some(Ok(Event::PromptAccepted(accepted))) => (accepted.prompt_tokens.unwrap_or(0), accepted.dropped),
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(_)) | None => return Err(engine::Error::EngineStopped.into()),
        };
        Ok(Speech {
            voice: by.voice().ok_or(engine::Error::EngineStopped)?,
            dropped,
            app: self.clone(),
            kind,
            answer: Some(answer),
            stops: Stops::new(stops),
            patience: Duration::from_secs(self.settings.current().request_timeout.into()),
            asked,
            first: None,
            last: asked,
            prompt_tokens,
            tokens: 0,
            ending: None,
        })
    }
}

impl Speech {
    /// The next part. Nothing follows [`Said::Done`] and [`Said::Failed`], so it must not be asked for then.
    pub async fn next(&mut self) -> Said {
        let mut working = self.first.is_some();
        loop {
            if let Some(ending) = self.ending.take() {
                self.count(Some(ending));
                return Said::Done(ending);
            }
            match self.hear(working).await {
                Ok(Event::Delta { text, tokens, .. }) => {
                    if let Some(text) = self.take(text, tokens) {
                        return Said::Text(text);
                    }
                }
                Ok(Event::Done(summary)) => {
                    self.ending = Some(summary.into());
                    let rest = self.stops.finish();
                    if !rest.is_empty() {
                        return Said::Text(rest);
                    }
                }
                Ok(Event::PromptAccepted(_) | Event::Prefill { .. }) => {}
                Err(error) => {
                    self.answer = None;
                    if !matches!(error, Error::Stopping) {
                        self.count(None);
                    }
                    return Said::Failed(error);
                }
            }
            working = true;
        }
    }

    /// The next event of the backend.
    async fn hear(&mut self, working: bool) -> Result<Event, Error> {
        let answer = self.answer.as_mut().ok_or(engine::Error::EngineStopped)?;
        // Waiting for a turn is no idleness; the clock runs from the first sign of work.
        let idle = if working { self.patience } else { Duration::MAX };
        tokio::select! {
            biased;
            event = timeout(idle, answer.next()) => match event {
                Err(_) => Err(Error::Stalled { seconds: idle.as_secs() }),
                Ok(None) => Err(engine::Error::EngineStopped.into()),
                Ok(Some(event)) => Ok(event?),
            },
            () = self.app.shutdown.cancelled() => Err(Error::Stopping),
        }
    }

    /// Takes a piece in; gives back what can be shown.
    fn take(&mut self, piece: String, tokens: usize) -> Option<String> {
        self.last = Instant::now();
        self.first.get_or_insert(self.last);
        self.tokens += tokens;
        let Cut { text, stopped } = self.stops.push(piece);
        if stopped {
            // The model stops here, not when the caller has read all.
            self.answer = None;
            self.ending = Some(Ending {
                finish: FinishReason::Stop,
                prompt_tokens: self.prompt_tokens,
                reused_tokens: None,
                completion_tokens: self.tokens,
            });
        }
        (!text.is_empty()).then_some(text)
    }

    fn count(&self, ending: Option<Ending>) {
        let seconds = self.first.map(|first| (self.last - first).as_secs_f64());
        let tokens = ending.map_or(self.tokens, |ending| ending.completion_tokens);
        self.app.metrics.answered(&Answered {
            model_type: self.kind.as_str(),
            success: ending.is_some(),
            duration: self.asked.elapsed(),
            first_token: self.first.map(|first| first - self.asked),
            tokens_per_second: seconds
                .filter(|seconds| tokens > 1 && *seconds > 0.0)
                .map(|seconds| (tokens - 1) as f64 / seconds),
            prompt_tokens: self.prompt_tokens as u64,
            reused_tokens: ending.and_then(|ending| ending.reused_tokens).unwrap_or_default() as u64,
            completion_tokens: tokens as u64,
        });
    }
}

impl From<Usage> for Ending {
    fn from(summary: Usage) -> Self {
        Self {
            finish: summary.finish_reason,
            prompt_tokens: summary.prompt_tokens,
            reused_tokens: Some(summary.cached_tokens),
            completion_tokens: summary.completion_tokens,
        }
    }
}
