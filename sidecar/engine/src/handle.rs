//! The handle that callers hold: submit a request, read its answer, watch the model's state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::{Error, Event, Model, Priority, Prompt, Request, State};

/// Events of a request beside its tokens: the start, the end, and the steps in which the longest prompt is read.
const MAX_OTHER_EVENTS: usize = 2048;

/// A model behind a mailbox. Clones share the same model; its thread ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Engine {
    jobs: mpsc::Sender<Job>,
    state: watch::Receiver<State>,
    queue: QueueCounters,
    offloaded_bytes: OffloadedBytes,
    clear_requests: Arc<AtomicU64>,
}

/// What the engine uses beside the model itself, as it changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct OffloadedBytes(Arc<AtomicU64>);

impl OffloadedBytes {
    /// Notes how many bytes of main memory remembered texts take.
    pub fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// How full the queue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Requests that wait for their turn, by [`Priority`].
    pub waiting_by_priority: [usize; 3],
    /// Requests that the model works on.
    pub active: usize,
    /// Requests that may be in the house at a time, waiting and active together.
    pub capacity: usize,
}

impl QueueDepth {
    /// Requests that wait for their turn, of all priorities.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting_by_priority.iter().sum()
    }
}

impl Engine {
    /// The handle, and what the engine's thread needs for its side of it. `capacity` requests may be in the house at a time.
    pub(crate) fn with_state(capacity: usize, state: State) -> (Self, WorkerEnd) {
        let (sender, jobs) = mpsc::channel(capacity);
        let (state_sender, state) = watch::channel(state);
        let semaphore = Arc::new(Semaphore::new(capacity));
        let queue = QueueCounters { semaphore, waiting: Arc::default(), active: Arc::default(), capacity };
        let (offloaded_bytes, clear_requests) = (OffloadedBytes::default(), Arc::default());
        let worker_end = WorkerEnd {
            jobs,
            state: state_sender,
            offloaded_bytes: offloaded_bytes.clone(),
            clear_requests: Arc::clone(&clear_requests),
        };
        (Self { jobs: sender, state, queue, offloaded_bytes, clear_requests }, worker_end)
    }

    /// An engine without a model: every request is refused with [`Error::NoModel`].
    #[must_use]
    pub fn without_model() -> Self {
        Self::with_state(1, State::NoModel).0
    }

    /// What the engine is doing with its model just now.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// The model that answers.
    ///
    /// # Errors
    /// Why none does.
    pub fn model(&self) -> Result<Model, Error> {
        match &*self.state.borrow() {
            State::NoModel => Err(Error::NoModel),
            State::Unloaded | State::Loading { .. } => Err(Error::Loading),
            State::Failed { message } => Err(Error::LoadFailed(message.clone())),
            State::Ready(model) => Ok(model.clone()),
        }
    }

    /// The state as it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// How full the queue is just now.
    #[must_use]
    pub fn queue_depth(&self) -> QueueDepth {
        let waiting_by_priority = std::array::from_fn(|priority| self.queue.waiting[priority].load(Ordering::Relaxed));
        QueueDepth {
            waiting_by_priority,
            active: self.queue.active.load(Ordering::Relaxed),
            capacity: self.queue.capacity,
        }
    }

    /// Makes the model forget every text that it remembers, in memory and on disk, except those at work just now.
    pub fn clear_cache(&self) {
        self.clear_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes of main memory that are taken by texts which had to leave the model's memory and can be put back.
    #[must_use]
    pub fn offloaded_bytes(&self) -> u64 {
        self.offloaded_bytes.0.load(Ordering::Relaxed)
    }

    /// Puts a request into the queue.
    ///
    /// # Errors
    /// At once, if the model is not ready or the queue is full. What is wrong with the request itself is the answer's first
    /// event, since only the model can count its tokens.
    pub fn submit(&self, request: Request) -> Result<TokenStream, Error> {
        self.model()?;
        let permit = self.acquire(request.priority)?;
        // Room for every event the request can cause: the model's thread never waits for a slow reader.
        let (sender, events) = mpsc::channel(request.max_tokens as usize + MAX_OTHER_EVENTS);
        self.enqueue(Job::Generate(GenerateJob { request, responder: JobResponder { events: sender, permit } }))?;
        Ok(TokenStream { events })
    }

    /// Lays a prompt out and counts its tokens, without reading it.
    ///
    /// # Errors
    /// As of [`Engine::submit`], and [`Error::ContextTooLong`] where the prompt has no room.
    pub async fn count_tokens(&self, prompt: Prompt) -> Result<PromptTokens, Error> {
        self.model()?;
        let permit = self.acquire(Priority::Chat)?;
        let (reply, counted) = oneshot::channel();
        self.enqueue(Job::CountTokens(CountTokensJob { prompt, reply, permit }))?;
        counted.await.unwrap_or(Err(Error::EngineStopped))
    }

    fn acquire(&self, priority: Priority) -> Result<QueuePermit, Error> {
        let permit = Arc::clone(&self.queue.semaphore).try_acquire_owned().map_err(|_| Error::Overloaded)?;
        Ok(QueuePermit::acquire(permit, &self.queue, priority))
    }

    fn enqueue(&self, job: Job) -> Result<(), Error> {
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Error::EngineStopped,
        })
    }
}

/// What a prompt takes of the model's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptTokens {
    /// Its tokens, without what is left out.
    pub tokens: usize,
    /// Messages that had to be left out for want of room.
    pub dropped: usize,
}

/// A running generation. Dropping it stops the model at its next step.
#[derive(Debug)]
pub struct TokenStream {
    events: mpsc::Receiver<Result<Event, Error>>,
}

/// The side of a [`TokenStream`] that says something.
#[derive(Debug)]
pub struct TokenSender(mpsc::Sender<Result<Event, Error>>);

impl TokenSender {
    /// Says the next event, and waits while the listener is `capacity` events behind. `false` when nobody listens any more.
    pub async fn send(&self, event: Result<Event, Error>) -> bool {
        self.0.send(event).await.is_ok()
    }

    /// Resolves when nobody listens any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

impl TokenStream {
    /// An answer that comes from elsewhere than an engine of this process, with room for `capacity` events.
    #[must_use]
    pub fn channel(capacity: usize) -> (TokenSender, Self) {
        let (sender, events) = mpsc::channel(capacity);
        (TokenSender(sender), Self { events })
    }

    /// The next event, or `None` after [`Event::Done`] or an error.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        self.events.recv().await
    }
}

/// The engine thread's side of a handle.
pub(crate) struct WorkerEnd {
    pub jobs: mpsc::Receiver<Job>,
    pub state: watch::Sender<State>,
    pub offloaded_bytes: OffloadedBytes,
    /// How often everything was to be forgotten.
    pub clear_requests: Arc<AtomicU64>,
}

/// What a handle asks of the engine's threads.
pub(crate) enum Job {
    Generate(GenerateJob),
    CountTokens(CountTokensJob),
}

/// A generation request, with the way back to its caller.
pub(crate) struct GenerateJob {
    pub request: Request,
    pub responder: JobResponder,
}

/// A prompt to be counted, with the way back to the caller.
pub(crate) struct CountTokensJob {
    pub prompt: Prompt,
    pub reply: oneshot::Sender<Result<PromptTokens, Error>>,
    pub permit: QueuePermit,
}

/// The way back to the caller, and the caller's place in the queue, which is free again when this is dropped.
pub(crate) struct JobResponder {
    events: mpsc::Sender<Result<Event, Error>>,
    permit: QueuePermit,
}

impl JobResponder {
    /// Sends an event. Nobody may be there to read it any more, which [`JobResponder::is_cancelled`] tells.
    pub fn send(&self, event: Result<Event, Error>) {
        // Full cannot be: the channel has room for all that a request can cause.
        let _ = self.events.try_send(event);
    }

    /// Whether the caller has gone.
    pub fn is_cancelled(&self) -> bool {
        self.events.is_closed()
    }

    /// Resolves when the caller has gone.
    pub async fn cancelled(&self) {
        self.events.closed().await;
    }

    /// Counts the request as one that the model works on.
    pub fn mark_active(&mut self) {
        self.permit.mark_active();
    }
}

#[derive(Debug, Clone)]
struct QueueCounters {
    semaphore: Arc<Semaphore>,
    waiting: Arc<[AtomicUsize; 3]>,
    active: Arc<AtomicUsize>,
    capacity: usize,
}

/// A place in the house. It counts as waiting in its lane, then as active, and nowhere once it is dropped.
pub(crate) struct QueuePermit {
    _permit: OwnedSemaphorePermit,
    queue: QueueCounters,
    priority: usize,
    active: bool,
}

impl QueuePermit {
    fn acquire(permit: OwnedSemaphorePermit, queue: &QueueCounters, priority: Priority) -> Self {
        let permit = Self { _permit: permit, queue: queue.clone(), priority: priority as usize, active: false };
        permit.counter().fetch_add(1, Ordering::Relaxed);
        permit
    }

    fn counter(&self) -> &AtomicUsize {
        if self.active { &self.queue.active } else { &self.queue.waiting[self.priority] }
    }

    pub fn mark_active(&mut self) {
        if !self.active {
            self.counter().fetch_sub(1, Ordering::Relaxed);
            self.active = true;
            self.counter().fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for QueuePermit {
    fn drop(&mut self) {
        self.counter().fetch_sub(1, Ordering::Relaxed);
    }
}
