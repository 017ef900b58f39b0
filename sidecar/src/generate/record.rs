//! Carrying an answer from the model to the caller, and keeping it on the way: every second while it grows, and at its end.

use std::time::{Duration, Instant};

use engine::Usage;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::kind::ModelType;
use super::split::{Piece, Splitter};
use super::{Event, Outcome};
use crate::answers::{Listener, Origin};
use crate::app::App;
use crate::error::Error;
use crate::metrics::Answered;
use crate::store::{self, Finish, Progress};

/// How often a growing answer is written to disk: a crash costs no more than this.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// A question that the model has accepted.
pub(super) struct Accepted {
    pub kind: ModelType,
    pub message_id: String,
    pub asked: Instant,
    pub room: Room,
    pub begun: Begun,
}

/// What there is of an answer before the model goes on with it; nothing of a new one.
#[derive(Debug, Clone, Default)]
pub(super) struct Begun {
    pub answer: String,
    pub tokens: i64,
    pub duration_ms: i64,
}

impl Begun {
    /// What there is of this message's answer.
    pub fn of(message: &store::Message) -> Self {
        Self { answer: message.answer.clone(), tokens: message.completion_tokens, duration_ms: message.duration_ms }
    }
}

/// What a prompt takes of the context.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Tokens of the prompt, as far as they are known before the answer.
    pub prompt_tokens: usize,
    /// Tokens that prompt and answer may have together; `None` if it is unknown.
    pub limit: Option<usize>,
    /// Earlier messages that were left out of the prompt.
    pub dropped: usize,
}

/// An answer that was finished before it was asked for.
pub(super) struct Whole {
    /// What the record has of it.
    pub progress: Progress,
    events: Vec<Event>,
}

impl Whole {
    /// Hears an answer out that is kept. `None` if it breaks off after all.
    pub async fn hear(mut answer: Listener, mut splitter: Splitter, asked: Instant, room: &Room) -> Option<Self> {
        let (mut text, mut pieces) = (String::new(), Vec::new());
        let summary = loop {
            match answer.next().await?.ok()? {
                engine::Event::Delta { text: more, .. } => {
                    text.push_str(&more);
                    pieces.extend(splitter.push(&more));
                }
                engine::Event::Done(summary) => break summary,
                engine::Event::PromptAccepted(_) | engine::Event::Prefill { .. } => {}
            }
        };
        pieces.extend(splitter.finish());
        let taken = Taken { whole: asked.elapsed(), first: Some(asked.elapsed()) };
        let progress = Progress {
            answer: text,
            generated_code: splitter.code().to_owned(),
            explanation: splitter.explanation().to_owned(),
            finish: Some(finish(&summary)),
            prompt_tokens: count(summary.prompt_tokens),
            completion_tokens: count(summary.completion_tokens),
            duration_ms: i64::try_from(taken.whole.as_millis()).unwrap_or(i64::MAX),
            // The speed of an answer that was made for somebody else says nothing.
            tokens_per_second: None,
            dropped: count(room.dropped),
        };
        let mut events: Vec<Event> = pieces.into_iter().map(Event::from).collect();
        events.push(Event::Done(Box::new(outcome(progress.clone(), &summary, answer.origin, room, taken))));
        Some(Self { progress, events })
    }

    /// Its events, all there at once.
    pub fn events(self) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(self.events.len());
        for event in self.events {
            let _ = sender.try_send(event);
        }
        receiver
    }
}

/// How long an answer took.
struct Taken {
    whole: Duration,
    first: Option<Duration>,
}

fn finish(summary: &Usage) -> Finish {
    match summary.finish_reason {
        engine::FinishReason::Stop => Finish::Stop,
        engine::FinishReason::Length => Finish::Length,
    }
}

fn outcome(progress: Progress, summary: &Usage, origin: Origin, room: &Room, taken: Taken) -> Outcome {
    Outcome {
        answer: progress.answer,
        generated_code: progress.generated_code,
        explanation: progress.explanation,
        finish: finish(summary),
        cached: origin != Origin::Model,
        prompt_tokens: summary.prompt_tokens,
        completion_tokens: summary.completion_tokens,
        limit: room.limit,
        dropped: room.dropped,
        processing_time: taken.whole.as_secs_f64(),
        time_to_first_token: taken.first.map(|first| first.as_secs_f64()),
        tokens_per_second: progress.tokens_per_second,
    }
}

pub(super) struct Recording {
    app: App,
    accepted: Accepted,
    answer: String,
    splitter: Splitter,
    /// When the first and the latest token came, and how many there were.
    first_token: Option<Instant>,
    last_token: Option<Instant>,
    tokens: usize,
    /// Bytes of the answer that are on disk.
    saved: usize,
}

/// Why the loop ended.
enum End {
    Finished(Usage),
    Broken(Error),
    CallerLeft,
    Stopping,
}

impl Recording {
    /// Of an answer that has not begun, and is taken apart by `splitter`.
    pub fn new(app: App, accepted: Accepted, mut splitter: Splitter) -> Self {
        let answer = accepted.begun.answer.clone();
        // What is known already is not told again.
        splitter.push(&answer);
        let saved = answer.len();
        Self { app, accepted, answer, splitter, first_token: None, last_token: None, tokens: 0, saved }
    }

    /// Forwards events until the answer ends or the caller leaves; then writes what came of it.
    pub async fn run(mut self, mut answer: Listener, events: mpsc::Sender<Event>) {
        let end = self.forward(&mut answer, &events).await;
        // The model stops here at the latest, before the disk is asked for anything.
        let origin = answer.origin;
        drop(answer);
        let last = match end {
            End::Finished(summary) => Some(self.finished(&summary, origin, &events).await),
            End::Broken(error) => {
                self.count(false, 0);
                self.save(Some(Finish::Failed)).await;
                Some(Event::Failed(error))
            }
            End::Stopping => {
                self.save(Some(Finish::Interrupted)).await;
                Some(Event::Failed(Error::Stopping))
            }
            End::CallerLeft => {
                self.save(Some(Finish::Cancelled)).await;
                None
            }
        };
        if let Some(last) = last {
            // The caller may have left just now; the answer is kept all the same.
            let _ = events.send(last).await;
        }
    }

    async fn forward(&mut self, answer: &mut Listener, events: &mpsc::Sender<Event>) -> End {
        let mut save = interval(SAVE_EVERY);
        save.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stopping = self.app.shutdown.clone();
        // Waiting for a turn is no idleness; the clock runs from the first sign of work.
        let mut working = false;
        loop {
            let patience = Duration::from_secs(self.app.settings.current().request_timeout.into());
            let idle = if working { patience } else { Duration::MAX };
            tokio::select! {
                () = events.closed() => return End::CallerLeft,
                () = stopping.cancelled() => return End::Stopping,
                _ = save.tick() => if self.answer.len() > self.saved { self.save(None).await },
                event = timeout(idle, answer.next()) => {
                    working = true;
                    match event {
                        Err(_) => return End::Broken(Error::Stalled { seconds: idle.as_secs() }),
                        Ok(None) => return End::Broken(engine::Error::EngineStopped.into()),
                        Ok(Some(Err(error))) => return End::Broken(error.into()),
                        Ok(Some(Ok(engine::Event::Done(summary)))) => return End::Finished(summary),
                        Ok(Some(Ok(engine::Event::PromptAccepted(_) | engine::Event::Prefill { .. }))) => {}
                        Ok(Some(Ok(engine::Event::Delta { text, .. }))) => {
                            self.last_token = Some(Instant::now());
                            self.first_token = self.first_token.or(self.last_token);
                            self.tokens += 1;
                            self.answer.push_str(&text);
                            let pieces = self.splitter.push(&text);
                            if send(pieces, events).await.is_err() {
                                return End::CallerLeft;
                            }
                        }
                    }
                }
            }
        }
    }

    async fn finished(&mut self, summary: &Usage, origin: Origin, events: &mpsc::Sender<Event>) -> Event {
        // Left or not: what follows concerns the record too.
        let _ = send(self.splitter.finish(), events).await;
        let mut progress = self.progress(Some(finish(summary)));
        progress.completion_tokens = self.accepted.begun.tokens + count(summary.completion_tokens);
        progress.prompt_tokens = count(summary.prompt_tokens);
        self.accepted.room.prompt_tokens = summary.prompt_tokens;
        // The speed of an answer that was made for somebody else says nothing.
        progress.tokens_per_second =
            (origin == Origin::Model).then(|| speed(summary.completion_tokens, summary.decode)).flatten();
        self.write(progress.clone()).await;
        if origin == Origin::Model {
            self.count(true, summary.cached_tokens);
        }
        let first = self.first_token.map(|first| first - self.accepted.asked);
        let taken = Taken { whole: self.accepted.asked.elapsed(), first };
        Event::Done(Box::new(outcome(progress, summary, origin, &self.accepted.room, taken)))
    }

    /// Counts this answer of the model.
    fn count(&self, success: bool, reused_tokens: usize) {
        let speed = self.first_token.zip(self.last_token).and_then(|(first, last)| speed(self.tokens, last - first));
        self.app.metrics.answered(&Answered {
            model_type: self.accepted.kind.as_str(),
            success,
            duration: self.accepted.asked.elapsed(),
            first_token: self.first_token.map(|first| first - self.accepted.asked),
            tokens_per_second: speed,
            prompt_tokens: self.accepted.room.prompt_tokens as u64,
            reused_tokens: reused_tokens as u64,
            completion_tokens: self.tokens as u64,
        });
    }

    async fn save(&mut self, finish: Option<Finish>) {
        if finish.is_some() {
            // What the splitter still holds belongs to the record, though nobody listens any more.
            self.splitter.finish();
        }
        let progress = self.progress(finish);
        self.write(progress).await;
    }

    async fn write(&mut self, progress: Progress) {
        self.saved = progress.answer.len();
        if let Err(error) = self.app.store.update_message(&self.accepted.message_id, progress).await {
            tracing::error!(%error, message_id = %self.accepted.message_id, "could not keep an answer");
        }
    }

    fn progress(&self, finish: Option<Finish>) -> Progress {
        Progress {
            answer: self.answer.clone(),
            generated_code: self.splitter.code().to_owned(),
            explanation: self.splitter.explanation().to_owned(),
            finish,
            prompt_tokens: count(self.accepted.room.prompt_tokens),
            completion_tokens: self.accepted.begun.tokens + count(self.tokens),
            duration_ms: i64::try_from(self.accepted.asked.elapsed().as_millis())
                .unwrap_or(i64::MAX)
                .saturating_add(self.accepted.begun.duration_ms),
            tokens_per_second: self
                .first_token
                .zip(self.last_token)
                .and_then(|(first, last)| speed(self.tokens, last - first)),
            dropped: count(self.accepted.room.dropped),
        }
    }
}

async fn send(pieces: Vec<Piece>, events: &mpsc::Sender<Event>) -> Result<(), mpsc::error::SendError<Event>> {
    for piece in pieces {
        events.send(Event::from(piece)).await?;
    }
    Ok(())
}

impl From<Piece> for Event {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Code { text, opens } => Self::Code { text, opens },
            Piece::Explanation(text) => Self::Explanation(text),
        }
    }
}

/// Tokens per second between the first token and the last; the first one's time is the prompt's.
fn speed(tokens: usize, decode: Duration) -> Option<f64> {
    let seconds = decode.as_secs_f64();
    (tokens > 1 && seconds > 0.0).then(|| (tokens - 1) as f64 / seconds)
}

fn count(tokens: usize) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}
