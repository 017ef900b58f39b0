//! Records a stream: forwards a model's answer to the client and stores it, every second and at its end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use engine::Usage;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::markdown_splitter::{Piece, Splitter};
use super::task::ModelType;
use super::{Event, GenerationResult};
use crate::assistant::{Assistant, Error, tokens_per_second};
use crate::inference::response_cache::{Source, Subscriber};
use crate::inference::{Event as StreamEvent, EventStream};
use crate::metrics::GenerationMetrics;
use crate::store::{self, Finish, Progress};

/// How often a partial answer is stored: a crash loses no more than this.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// A question that the model has accepted.
#[derive(Debug)]
pub(super) struct AcceptedRequest {
    pub kind: ModelType,
    pub message_id: String,
    pub requested_at: Instant,
    pub context: ContextUsage,
    pub partial: PartialAnswer,
}

/// The partial answer that is continued; empty for a new one.
#[derive(Debug, Clone, Default)]
pub(super) struct PartialAnswer {
    pub answer: String,
    pub tokens: i64,
    pub duration_ms: i64,
}

impl PartialAnswer {
    /// The partial answer of this message.
    pub(crate) fn of(message: &store::Message) -> Self {
        Self { answer: message.answer.clone(), tokens: message.completion_tokens, duration_ms: message.duration_ms }
    }
}

/// How much of the context a prompt uses.
#[derive(Debug, Clone, Copy)]
pub(super) struct ContextUsage {
    /// Tokens of the prompt; `None` where a remote server reports them only at the end.
    pub prompt_tokens: Option<usize>,
    /// The context size, for prompt and answer together, in tokens; `None` where a remote server does not report it.
    pub limit: Option<usize>,
    /// Earlier messages that were left out of the prompt.
    pub dropped: usize,
}

/// An answer from the cache.
pub(super) struct CachedAnswer {
    /// The row that is stored for it.
    pub progress: Progress,
    /// Its events, the last of which is [`Event::Done`].
    pub events: VecDeque<Event>,
}

impl CachedAnswer {
    /// Collects a cached answer. `None` if it ends early after all.
    pub(crate) async fn collect(
        mut stream: Subscriber,
        mut splitter: Splitter,
        requested_at: Instant,
        context: &ContextUsage,
    ) -> Option<Self> {
        let (mut answer, mut pieces) = (String::new(), Vec::new());
        let summary = loop {
            match stream.next().await?.ok()? {
                StreamEvent::Delta { text, .. } => {
                    answer.push_str(&text);
                    pieces.extend(splitter.push(&text));
                }
                StreamEvent::Done(summary) => break summary,
                StreamEvent::Accepted(_) | StreamEvent::Prefill => {}
            }
        };
        pieces.extend(splitter.finish());
        let timing = Timing { total: requested_at.elapsed(), first_token: Some(requested_at.elapsed()) };
        let progress = Progress {
            answer,
            generated_code: splitter.code().to_owned(),
            explanation: splitter.explanation().to_owned(),
            finish: Some(finish(&summary)),
            prompt_tokens: signed(summary.prompt_tokens),
            completion_tokens: signed(summary.completion_tokens),
            duration_ms: i64::try_from(timing.total.as_millis()).unwrap_or(i64::MAX),
            tokens_per_second: None,
            dropped: signed(context.dropped),
        };
        let mut events: VecDeque<Event> = pieces.into_iter().map(Event::from).collect();
        events.push_back(Event::Done(Box::new(result(progress.clone(), &summary, stream.source, context, timing))));
        Some(Self { progress, events })
    }
}

/// The timing of an answer.
struct Timing {
    total: Duration,
    first_token: Option<Duration>,
}

fn finish(summary: &Usage) -> Finish {
    match summary.finish_reason {
        engine::FinishReason::Stop => Finish::Stop,
        engine::FinishReason::Length => Finish::Length,
    }
}

fn result(
    progress: Progress,
    summary: &Usage,
    source: Source,
    context: &ContextUsage,
    timing: Timing,
) -> GenerationResult {
    GenerationResult {
        answer: progress.answer,
        generated_code: progress.generated_code,
        explanation: progress.explanation,
        finish: finish(summary),
        cached: source != Source::Fresh,
        prompt_tokens: summary.prompt_tokens,
        completion_tokens: summary.completion_tokens,
        limit: context.limit,
        dropped: context.dropped,
        processing_time: timing.total.as_secs_f64(),
        time_to_first_token: timing.first_token.map(|first| first.as_secs_f64()),
        tokens_per_second: progress.tokens_per_second,
    }
}

/// Reads the stream of an answer on behalf of the client, event by event, and stores it meanwhile. Dropping it before
/// the end stores the answer as cancelled.
#[derive(Debug)]
pub(super) struct StreamRecorder {
    assistant: Assistant,
    accepted: AcceptedRequest,
    /// The stream; `None` once the answer has ended, so that the model stops before the last write.
    stream: Option<Subscriber>,
    source: Source,
    splitter: Splitter,
    answer: String,
    /// Events that the client has not received yet.
    pending: VecDeque<Event>,
    /// When the first and the latest token arrived, and how many there were.
    first_token: Option<Instant>,
    last_token: Option<Instant>,
    tokens: usize,
    save_timer: Interval,
    /// Bytes of the answer that are stored, or are being stored.
    saved: usize,
    /// The write in progress; the next one waits for it.
    write: Option<JoinHandle<()>>,
    /// The last event, which is returned once everything is stored.
    last: Option<Event>,
}

impl StreamRecorder {
    /// Records `stream`, whose first event was received already. `splitter` must be new.
    pub(crate) fn new(
        assistant: Assistant,
        accepted: AcceptedRequest,
        mut splitter: Splitter,
        stream: Subscriber,
    ) -> Self {
        let answer = accepted.partial.answer.clone();
        // The client has the partial answer already.
        splitter.push(&answer);
        let mut save_timer = interval(SAVE_INTERVAL);
        save_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            assistant,
            accepted,
            source: stream.source,
            stream: Some(stream),
            splitter,
            saved: answer.len(),
            answer,
            pending: VecDeque::new(),
            first_token: None,
            last_token: None,
            tokens: 0,
            save_timer,
            write: None,
            last: None,
        }
    }

    /// The next event; the last one is returned once everything is stored. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return event;
            }
            let Some(stream) = &mut self.stream else {
                if let Some(write) = &mut self.write {
                    // A write that failed was logged.
                    let _ = write.await;
                    self.write = None;
                }
                return self.last.take().unwrap_or(Event::Failed(engine::Error::EngineStopped.into()));
            };
            let limits = self.assistant.wait_limits();
            tokio::select! {
                _ = self.save_timer.tick() => {
                    if self.answer.len() > self.saved && self.write.as_ref().is_none_or(JoinHandle::is_finished) {
                        self.save(None);
                    }
                }
                event = stream.next_within(&limits) => match event {
                    Ok(StreamEvent::Delta { text, tokens, .. }) => self.receive(&text, tokens),
                    Ok(StreamEvent::Done(summary)) => self.complete(&summary),
                    Ok(StreamEvent::Accepted(_) | StreamEvent::Prefill) => {}
                    Err(interrupted) => self.fail(interrupted.into()),
                },
            }
        }
    }

    fn receive(&mut self, text: &str, tokens: usize) {
        self.last_token = Some(Instant::now());
        self.first_token = self.first_token.or(self.last_token);
        self.tokens += tokens;
        self.answer.push_str(text);
        self.pending.extend(self.splitter.push(text).into_iter().map(Event::from));
    }

    fn complete(&mut self, summary: &Usage) {
        self.stream = None;
        self.pending.extend(self.splitter.finish().into_iter().map(Event::from));
        let mut progress = self.progress(Some(finish(summary)));
        progress.completion_tokens = self.accepted.partial.tokens + signed(summary.completion_tokens);
        progress.prompt_tokens = signed(summary.prompt_tokens);
        self.accepted.context.prompt_tokens = Some(summary.prompt_tokens);
        // The speed of an answer that was generated for another request is not this request's.
        progress.tokens_per_second = (self.source == Source::Fresh)
            .then(|| tokens_per_second(summary.completion_tokens, summary.decode))
            .flatten();
        if self.source == Source::Fresh {
            self.record_metrics(true, summary.cached_tokens);
        }
        self.store(progress.clone());
        let first_token = self.first_token.map(|first| first - self.accepted.requested_at);
        let timing = Timing { total: self.accepted.requested_at.elapsed(), first_token };
        let result = result(progress, summary, self.source, &self.accepted.context, timing);
        self.last = Some(Event::Done(Box::new(result)));
    }

    fn fail(&mut self, error: Error) {
        self.stream = None;
        if matches!(error, Error::ShuttingDown) {
            self.save(Some(Finish::Interrupted));
        } else {
            self.record_metrics(false, 0);
            self.save(Some(Finish::Failed));
        }
        self.last = Some(Event::Failed(error));
    }

    fn record_metrics(&self, success: bool, reused_tokens: usize) {
        let requested_at = self.accepted.requested_at;
        self.assistant.metrics.record_generation(&GenerationMetrics {
            model_type: self.accepted.kind.as_str(),
            success,
            duration: requested_at.elapsed(),
            first_token: self.first_token.map(|first| first - requested_at),
            tokens_per_second: self.speed(),
            prompt_tokens: self.accepted.context.prompt_tokens.unwrap_or_default() as u64,
            reused_tokens: reused_tokens as u64,
            completion_tokens: self.tokens as u64,
        });
    }

    fn save(&mut self, finish: Option<Finish>) {
        if finish.is_some() {
            // What the splitter holds back belongs to the stored answer, though the client does not receive it any
            // more.
            self.splitter.finish();
        }
        let progress = self.progress(finish);
        self.store(progress);
    }

    /// Starts to store the answer as it is, after the write in progress. The process waits for it at shutdown.
    fn store(&mut self, progress: Progress) {
        self.saved = progress.answer.len();
        let (store, id, earlier) = (self.assistant.store.clone(), self.accepted.message_id.clone(), self.write.take());
        self.write = Some(self.assistant.tasks.spawn(async move {
            if let Some(earlier) = earlier {
                let _ = earlier.await;
            }
            if let Err(error) = store.update_message(&id, progress).await {
                tracing::error!(%error, message_id = %id, "could not store an answer");
            }
        }));
    }

    fn progress(&self, finish: Option<Finish>) -> Progress {
        let AcceptedRequest { context, partial, requested_at, .. } = &self.accepted;
        Progress {
            answer: self.answer.clone(),
            generated_code: self.splitter.code().to_owned(),
            explanation: self.splitter.explanation().to_owned(),
            finish,
            prompt_tokens: signed(context.prompt_tokens.unwrap_or_default()),
            completion_tokens: partial.tokens + signed(self.tokens),
            duration_ms: i64::try_from(requested_at.elapsed().as_millis())
                .unwrap_or(i64::MAX)
                .saturating_add(partial.duration_ms),
            tokens_per_second: self.speed(),
            dropped: signed(context.dropped),
        }
    }

    fn speed(&self) -> Option<f64> {
        let (first, last) = self.first_token.zip(self.last_token)?;
        tokens_per_second(self.tokens, last - first)
    }
}

impl Drop for StreamRecorder {
    fn drop(&mut self) {
        // The client has disconnected before the end.
        if self.stream.take().is_some() && tokio::runtime::Handle::try_current().is_ok() {
            self.save(Some(Finish::Cancelled));
        }
    }
}

impl From<Piece> for Event {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Code { text, opens } => Self::Code { text, opens },
            Piece::Explanation(text) => Self::Explanation(text),
        }
    }
}

fn signed(tokens: usize) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}
