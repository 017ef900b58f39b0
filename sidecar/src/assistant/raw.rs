//! Answers a raw prompt or chat as OpenAI's API does: straight from a backend, cut at stop sequences, and not stored.

mod stop;

use std::time::Instant;

use engine::{FinishReason, Request, Usage};

use self::stop::{StopMatch, StopSequences};
use super::{Assistant, Error, tokens_per_second};
use crate::assistant::generate::ModelType;
use crate::inference::{Event, EventStream, ModelIdentity, ModelStream, Target};
use crate::metrics::GenerationMetrics;

/// A raw request.
#[derive(Debug)]
pub struct RawRequest {
    /// Its name in the metrics.
    pub kind: ModelType,
    /// The target that it is sent to.
    pub target: Target,
    /// The prompt and its options.
    pub request: Request,
    /// Stop sequences: the answer ends before the first of them.
    pub stop: Vec<String>,
}

/// An answer that is being generated. Dropping it stops the model at its next step.
#[derive(Debug)]
pub struct RawStream {
    /// The model that answers.
    pub identity: ModelIdentity,
    /// How many messages, or ends of the prompt, were left out because they did not fit.
    pub dropped: usize,
    assistant: Assistant,
    kind: ModelType,
    /// `None` once a stop sequence was found.
    stream: Option<ModelStream>,
    stop: StopSequences,
    requested_at: Instant,
    first_token: Option<Instant>,
    last_token: Instant,
    prompt_tokens: usize,
    tokens: usize,
    /// The end, until it is returned.
    end: Option<RawEnd>,
}

/// The next part of an answer.
#[derive(Debug)]
pub enum RawEvent {
    /// A piece of text, never empty.
    Text(String),
    /// The end.
    Done(RawEnd),
    /// The answer ends early.
    Failed(Error),
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawEnd {
    /// Why.
    pub finish: FinishReason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Of those, tokens served from the KV cache; unknown where a stop sequence ended the answer.
    pub reused_tokens: Option<usize>,
    /// Tokens of the answer.
    pub completion_tokens: usize,
}

impl Assistant {
    /// Sends a raw request to its target, with fallback. Returns when the prompt was accepted, before the first token.
    ///
    /// # Errors
    /// Why it was not accepted.
    pub async fn stream_raw(&self, request: RawRequest) -> Result<RawStream, Error> {
        self.require_running()?;
        let RawRequest { kind, target, request, stop } = request;
        let requested_at = Instant::now();
        let mut stream = self.router.submit(&target, request)?;
        let Event::Accepted(accepted) = stream.next_within(&self.wait_limits()).await? else {
            return Err(engine::Error::EngineStopped.into());
        };
        Ok(RawStream {
            identity: accepted.model,
            dropped: accepted.dropped,
            assistant: self.clone(),
            kind,
            stream: Some(stream),
            stop: StopSequences::new(stop),
            requested_at,
            first_token: None,
            last_token: requested_at,
            prompt_tokens: accepted.prompt_tokens.unwrap_or_default(),
            tokens: 0,
            end: None,
        })
    }
}

impl RawStream {
    /// The next part. Nothing follows [`RawEvent::Done`] and [`RawEvent::Failed`].
    pub async fn next(&mut self) -> RawEvent {
        loop {
            if let Some(end) = self.end.take() {
                self.record_metrics(Some(end));
                return RawEvent::Done(end);
            }
            match self.next_event().await {
                Ok(Event::Delta { text, tokens, .. }) => {
                    if let Some(text) = self.receive(text, tokens) {
                        return RawEvent::Text(text);
                    }
                }
                Ok(Event::Done(summary)) => {
                    self.end = Some(summary.into());
                    let rest = self.stop.finish();
                    if !rest.is_empty() {
                        return RawEvent::Text(rest);
                    }
                }
                Ok(Event::Accepted(_) | Event::Prefill) => {}
                Err(error) => {
                    self.stream = None;
                    if !matches!(error, Error::ShuttingDown) {
                        self.record_metrics(None);
                    }
                    return RawEvent::Failed(error);
                }
            }
        }
    }

    async fn next_event(&mut self) -> Result<Event, Error> {
        let limits = self.assistant.wait_limits();
        let stream = self.stream.as_mut().ok_or(engine::Error::EngineStopped)?;
        Ok(stream.next_within(&limits).await?)
    }

    /// Adds a piece of the answer; returns what can be sent.
    fn receive(&mut self, piece: String, tokens: usize) -> Option<String> {
        self.last_token = Instant::now();
        self.first_token.get_or_insert(self.last_token);
        self.tokens += tokens;
        let StopMatch { text, stopped } = self.stop.push(piece);
        if stopped {
            // The model stops now, not when the client has received everything.
            self.stream = None;
            self.end = Some(RawEnd {
                finish: FinishReason::Stop,
                prompt_tokens: self.prompt_tokens,
                reused_tokens: None,
                completion_tokens: self.tokens,
            });
        }
        (!text.is_empty()).then_some(text)
    }

    fn record_metrics(&self, end: Option<RawEnd>) {
        let tokens = end.map_or(self.tokens, |end| end.completion_tokens);
        self.assistant.metrics.record_generation(&GenerationMetrics {
            model_type: self.kind.as_str(),
            success: end.is_some(),
            duration: self.requested_at.elapsed(),
            first_token: self.first_token.map(|first| first - self.requested_at),
            tokens_per_second: self.first_token.and_then(|first| tokens_per_second(tokens, self.last_token - first)),
            prompt_tokens: end.map_or(self.prompt_tokens, |end| end.prompt_tokens) as u64,
            reused_tokens: end.and_then(|end| end.reused_tokens).unwrap_or_default() as u64,
            completion_tokens: tokens as u64,
        });
    }
}

impl From<Usage> for RawEnd {
    fn from(summary: Usage) -> Self {
        Self {
            finish: summary.finish_reason,
            prompt_tokens: summary.prompt_tokens,
            reused_tokens: Some(summary.cached_tokens),
            completion_tokens: summary.completion_tokens,
        }
    }
}
