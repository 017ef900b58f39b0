//! A replayable broadcast of one answer: each subscriber receives all events from the first, whenever it subscribes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::Error;
use tokio::sync::watch;

use crate::inference::event::{Event, EventStream, ModelIdentity, Progress};

/// The events of an answer so far, and a channel that wakes its subscribers.
#[derive(Debug)]
pub(crate) struct ReplayBroadcast {
    events: Mutex<Vec<Result<Event, Error>>>,
    /// The number of events.
    count: watch::Sender<usize>,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The model generates it for this request.
    Fresh,
    /// The model generates it for an earlier request that has not finished.
    Coalesced,
    /// It was cached.
    Cached,
}

/// One receiver of an answer. When the last one is dropped, the model stops.
#[derive(Debug)]
pub struct Subscriber {
    broadcast: Arc<ReplayBroadcast>,
    count: watch::Receiver<usize>,
    received: usize,
    has_ended: bool,
    progress: Progress,
    /// Where the answer comes from.
    pub source: Source,
}

impl ReplayBroadcast {
    /// An answer without events, and its first subscriber.
    pub(crate) fn start() -> (Arc<Self>, Subscriber) {
        let broadcast = Self::of(Vec::new());
        let subscriber = broadcast.subscribe(Source::Fresh);
        (broadcast, subscriber)
    }

    /// A complete answer; the last event is the end.
    pub(crate) fn complete(events: Vec<Event>) -> Arc<Self> {
        Self::of(events.into_iter().map(Ok).collect())
    }

    fn of(events: Vec<Result<Event, Error>>) -> Arc<Self> {
        let count = watch::Sender::new(events.len());
        Arc::new(Self { events: Mutex::new(events), count })
    }

    /// One more subscriber.
    pub(crate) fn subscribe(self: &Arc<Self>, source: Source) -> Subscriber {
        Subscriber {
            broadcast: Arc::clone(self),
            count: self.count.subscribe(),
            received: 0,
            has_ended: false,
            progress: Progress::start(),
            source,
        }
    }

    /// Sends an event to all subscribers. `false` if it is the last one.
    pub(crate) fn send(&self, event: Result<Event, Error>) -> bool {
        let continues = matches!(event, Ok(Event::Accepted(_) | Event::Prefill | Event::Delta { .. }));
        let count = {
            let mut events = self.events();
            events.push(event);
            events.len()
        };
        self.count.send_replace(count);
        continues
    }

    /// A copy for the cache, without prefill events. `None` if the answer failed, has no text, or comes from another
    /// model than `model`.
    pub(crate) fn cacheable(&self, model: &ModelIdentity) -> Option<Arc<Self>> {
        let events = self.events();
        let is_complete = matches!(events.last(), Some(Ok(Event::Done(_))));
        let has_text = events.iter().any(|event| matches!(event, Ok(Event::Delta { .. })));
        let is_from =
            events.iter().any(|event| matches!(event, Ok(Event::Accepted(accepted)) if accepted.model == *model));
        let cached = events.iter().flatten().filter(|event| !matches!(event, Event::Prefill)).cloned();
        (is_complete && has_text && is_from).then(|| Self::complete(cached.collect()))
    }

    /// Resolves when there is no subscriber.
    pub(crate) async fn all_unsubscribed(&self) {
        self.count.closed().await;
    }

    /// Whether there is no subscriber.
    pub(crate) fn has_no_subscriber(&self) -> bool {
        self.count.receiver_count() == 0
    }

    fn events(&self) -> MutexGuard<'_, Vec<Result<Event, Error>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventStream for Subscriber {
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        while !self.has_ended {
            self.count.mark_unchanged();
            let event = self.broadcast.events().get(self.received).cloned();
            if let Some(event) = event {
                self.received += 1;
                self.has_ended = matches!(event, Ok(Event::Done(_)) | Err(_));
                self.progress.record(&event);
                return Some(event);
            }
            // The sender lives as long as the broadcast, which this subscriber holds.
            let _ = self.count.changed().await;
        }
        None
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}
