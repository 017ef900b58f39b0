//! One answer with any number of listeners, each of whom hears it from the beginning, at their own pace.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{Error, Event};
use tokio::sync::watch;

use crate::backend::By;

/// What was said so far, and a bell that rings when there is more.
#[derive(Debug)]
pub(super) struct Shared {
    /// Who says it.
    pub by: By,
    said: Mutex<Vec<Result<Event, Error>>>,
    bell: watch::Sender<usize>,
}

/// Where what somebody hears comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The model works for this listener.
    Model,
    /// The model works for somebody else who asked the same.
    Shared,
    /// It was finished before.
    Kept,
}

/// Somebody who hears an answer. When the last one is dropped, the model stops.
#[derive(Debug)]
pub struct Listener {
    shared: Arc<Shared>,
    bell: watch::Receiver<usize>,
    heard: usize,
    ended: bool,
    /// Where the answer comes from.
    pub origin: Origin,
    /// Who answers.
    pub by: By,
}

impl Shared {
    /// An answer of which nothing was said, and its first listener.
    pub fn begin(by: By) -> (Arc<Self>, Listener) {
        let shared = Arc::new(Self { by, said: Mutex::default(), bell: watch::Sender::new(0) });
        let listener = shared.listen(Origin::Model);
        (shared, listener)
    }

    /// One more listener.
    pub fn listen(self: &Arc<Self>, origin: Origin) -> Listener {
        let (bell, by) = (self.bell.subscribe(), self.by.clone());
        Listener { shared: Arc::clone(self), bell, heard: 0, ended: false, origin, by }
    }

    /// Says something to all listeners. `false` if nothing can follow it.
    pub fn say(&self, event: Result<Event, Error>) -> bool {
        let goes_on = matches!(event, Ok(Event::PromptAccepted(_) | Event::Prefill { .. } | Event::Delta { .. }));
        let count = {
            let mut said = self.said();
            said.push(event);
            said.len()
        };
        self.bell.send_replace(count);
        goes_on
    }

    /// The same answer for those who come later, without the steps in which it was made. `None` if it failed or is empty.
    pub fn whole(&self) -> Option<Arc<Self>> {
        let said = self.said();
        let ended = matches!(said.last(), Some(Ok(Event::Done(_))));
        let says_something = said.iter().any(|event| matches!(event, Ok(Event::Delta { .. })));
        let events = said.iter().flatten().filter(|event| !matches!(event, Event::Prefill { .. })).cloned();
        (ended && says_something).then(|| Self::finished(self.by.clone(), events.collect()))
    }

    /// An answer to which nothing will be added; the last event is the end.
    pub fn finished(by: By, events: Vec<Event>) -> Arc<Self> {
        let bell = watch::Sender::new(events.len());
        Arc::new(Self { by, said: Mutex::new(events.into_iter().map(Ok).collect()), bell })
    }

    /// Resolves when nobody listens.
    pub async fn deserted(&self) {
        self.bell.closed().await;
    }

    /// Whether nobody listens.
    pub fn is_deserted(&self) -> bool {
        self.bell.receiver_count() == 0
    }

    fn said(&self) -> MutexGuard<'_, Vec<Result<Event, Error>>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// The next event, or `None` after [`Event::Done`] or an error.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        while !self.ended {
            self.bell.mark_unchanged();
            let event = self.shared.said().get(self.heard).cloned();
            if let Some(event) = event {
                self.heard += 1;
                self.ended = matches!(event, Ok(Event::Done(_)) | Err(_));
                return Some(event);
            }
            // The bell lives as long as the answer that this listener holds.
            let _ = self.bell.changed().await;
        }
        None
    }
}
