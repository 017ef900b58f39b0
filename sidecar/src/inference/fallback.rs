//! Fallback: streams from the first of two backends that yields a token, a local model and then the remote server.

use std::collections::VecDeque;
use std::time::Duration;

use engine::{Error, Request};
use tokio_util::sync::CancellationToken;

use super::event::{Event, EventStream, Interrupted, Progress, WaitLimits};
use super::router::{BackendStream, ModelRouter, Target};

/// A request to a local model whose events are held back until the first token, when it is certain which model answers.
#[derive(Debug)]
pub struct Fallback {
    router: ModelRouter,
    target: Target,
    request: Request,
    /// The idle timeout: a model that has accepted the request and yields nothing for this long has failed.
    idle: Duration,
    phase: Phase,
    /// Events that were held back.
    first: VecDeque<Event>,
    accepted: bool,
    /// Until a backend answers, the request counts as queued.
    progress: Progress,
}

#[derive(Debug)]
enum Phase {
    /// The local model has not yielded a token yet.
    Waiting(BackendStream),
    /// It failed, and the request is about to be sent to the fallback.
    Failed(Error),
    /// This backend answers.
    Settled(BackendStream),
    /// No backend answers.
    Over,
}

impl Fallback {
    /// `first` is the local model's stream, or why it does not accept the request; `idle` is in seconds.
    pub(super) fn new(
        router: ModelRouter,
        target: Target,
        request: Request,
        first: Result<BackendStream, Error>,
        idle: u32,
    ) -> Self {
        let phase = first.map_or_else(Phase::Failed, Phase::Waiting);
        let idle = Duration::from_secs(idle.into());
        Self {
            router,
            target,
            request,
            idle,
            phase,
            first: VecDeque::new(),
            accepted: false,
            progress: Progress::start(),
        }
    }
}

impl EventStream for Fallback {
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            match &mut self.phase {
                Phase::Waiting(stream) => match next_held_back(stream, self.accepted, self.idle).await {
                    Ok(Event::Prefill) => {}
                    Ok(event @ Event::Accepted(_)) => {
                        self.accepted = true;
                        self.first.push_back(event);
                    }
                    Ok(event @ (Event::Delta { .. } | Event::Done(_))) => {
                        self.first.push_back(event);
                        if let Phase::Waiting(stream) = std::mem::replace(&mut self.phase, Phase::Over) {
                            self.phase = Phase::Settled(stream);
                        }
                    }
                    Err(error) => self.phase = Phase::Failed(error),
                },
                Phase::Failed(error) => {
                    let fallback = self.router.fallback_for(&self.target, error).await;
                    self.first.clear();
                    let stream = match fallback {
                        Some(target) => {
                            tracing::info!("falling back to the remote server, since the local model failed: {error}");
                            self.router.backend_stream(&target, self.request.clone())
                        }
                        None => Err(error.clone()),
                    };
                    match stream {
                        Ok(stream) => self.phase = Phase::Settled(stream),
                        Err(error) => {
                            self.phase = Phase::Over;
                            return Some(Err(error));
                        }
                    }
                }
                Phase::Settled(stream) => {
                    return match self.first.pop_front() {
                        Some(event) => Some(Ok(event)),
                        None => stream.next().await,
                    };
                }
                Phase::Over => return None,
            }
        }
    }

    fn progress(&self) -> Progress {
        match &self.phase {
            Phase::Settled(stream) => stream.progress(),
            Phase::Waiting(_) | Phase::Failed(_) | Phase::Over => self.progress,
        }
    }
}

/// The next event of a stream whose events are held back. The clock starts when the model has accepted the request, so
/// that queueing does not count as idle.
async fn next_held_back(stream: &mut BackendStream, accepted: bool, idle: Duration) -> Result<Event, Error> {
    let queued = if accepted { idle } else { Duration::MAX };
    let limits = WaitLimits { queued, idle, shutdown: CancellationToken::new() };
    stream.next_within(&limits).await.map_err(|interrupted| match interrupted {
        Interrupted::Engine(error) => error,
        Interrupted::Timeout { seconds } => Error::Inference(format!("no token arrived for {seconds} s")),
        Interrupted::ShuttingDown => Error::EngineStopped,
    })
}
