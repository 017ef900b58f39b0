//! The handle to an engine: submits requests, counts tokens, and reports the model's state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::{Error, Event, Model, Priority, Prompt, Request, State};

/// Events of a request that are not [`Event::Delta`]: the first, the last, and the prefill steps of the longest prompt.
const MAX_OTHER_EVENTS: usize = 2048;

/// A handle to an engine. Clones share the model; the engine thread ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Engine {
    jobs: mpsc::Sender<Job>,
    state: watch::Receiver<State>,
    queue: QueueCounters,
    offloaded_bytes: OffloadedBytes,
    clear_requests: Arc<AtomicU64>,
}

/// Bytes of main memory that offloaded sequences occupy, shared by the engine thread and its handles.
#[derive(Debug, Clone, Default)]
pub(crate) struct OffloadedBytes(Arc<AtomicU64>);

impl OffloadedBytes {
    pub(crate) fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// Requests in the queue and in the decode loop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Queued requests, by [`Priority`].
    pub waiting_by_priority: [usize; 3],
    /// Requests that occupy a slot.
    pub active: usize,
    /// Maximum of queued and active requests together.
    pub capacity: usize,
}

impl QueueDepth {
    /// Queued requests of all priorities.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting_by_priority.iter().sum()
    }
}

impl Engine {
    /// A handle, and the engine thread's end of its channels. At most `capacity` requests are queued and active together.
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

    /// The model's load state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// The loaded model.
    ///
    /// # Errors
    /// [`Error::NoModel`], [`Error::Loading`] or [`Error::LoadFailed`] if the state is not [`State::Ready`].
    pub fn model(&self) -> Result<Model, Error> {
        match &*self.state.borrow() {
            State::NoModel => Err(Error::NoModel),
            State::Unloaded | State::Loading { .. } => Err(Error::Loading),
            State::Failed { message } => Err(Error::LoadFailed(message.clone())),
            State::Ready(model) => Ok(model.clone()),
        }
    }

    /// A subscription to the model's load state. It closes when the engine thread ends.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Number of queued and active requests.
    #[must_use]
    pub fn queue_depth(&self) -> QueueDepth {
        let waiting_by_priority = std::array::from_fn(|priority| self.queue.waiting[priority].load(Ordering::Relaxed));
        QueueDepth {
            waiting_by_priority,
            active: self.queue.active.load(Ordering::Relaxed),
            capacity: self.queue.capacity,
        }
    }

    /// Clears the KV cache of every sequence without a running request: in the model's context, in main memory and on disk.
    pub fn clear_cache(&self) {
        self.clear_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes of main memory that KV states occupy which were offloaded from the model's context.
    #[must_use]
    pub fn offloaded_bytes(&self) -> u64 {
        self.offloaded_bytes.0.load(Ordering::Relaxed)
    }

    /// Puts a request into the queue.
    ///
    /// # Errors
    /// [`Error::Overloaded`] if the queue is full, [`Error::EngineStopped`], or the error of [`Engine::model`]. An error in the
    /// request itself is the first event of the stream, since only the model can count its tokens.
    pub fn submit(&self, request: Request) -> Result<TokenStream, Error> {
        self.model()?;
        let permit = self.acquire(request.priority)?;
        // Capacity for every event that the request can cause: the engine thread never waits for a slow receiver.
        let (sender, events) = mpsc::channel(request.max_tokens as usize + MAX_OTHER_EVENTS);
        self.enqueue(Job::Generate(GenerateJob { request, responder: JobResponder { events: sender, permit } }))?;
        Ok(TokenStream { events })
    }

    /// Counts the tokens of a prompt after truncation, without prefill.
    ///
    /// # Errors
    /// As of [`Engine::submit`], and [`Error::ContextTooLong`] if the prompt exceeds the context limit.
    pub async fn count_tokens(&self, prompt: Prompt) -> Result<PromptTokens, Error> {
        self.model()?;
        let permit = self.acquire(Priority::Chat)?;
        let (reply, counted) = oneshot::channel();
        self.enqueue(Job::CountTokens(CountTokensJob { prompt, reply, permit }))?;
        counted.await.unwrap_or(Err(Error::EngineStopped))
    }

    fn acquire(&self, priority: Priority) -> Result<QueuePermit, Error> {
        let permit = Arc::clone(&self.queue.semaphore).try_acquire_owned().map_err(|_| Error::Overloaded)?;
        Ok(QueuePermit::new(permit, &self.queue, priority))
    }

    fn enqueue(&self, job: Job) -> Result<(), Error> {
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Error::EngineStopped,
        })
    }
}

/// Token count of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptTokens {
    /// Tokens after truncation.
    pub tokens: usize,
    /// Messages that were dropped because the context is too small.
    pub dropped: usize,
}

/// The receiving half of a token stream. Dropping it cancels the request before the next decode step.
#[derive(Debug)]
pub struct TokenStream {
    events: mpsc::Receiver<Result<Event, Error>>,
}

/// The sending half of a [`TokenStream`] of another backend.
#[derive(Debug)]
pub struct TokenSender(mpsc::Sender<Result<Event, Error>>);

impl TokenSender {
    /// Sends the next event, and waits while the channel is full. Returns `false` if the receiver was dropped.
    pub async fn send(&self, event: Result<Event, Error>) -> bool {
        self.0.send(event).await.is_ok()
    }

    /// Resolves when the receiver is dropped.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

impl TokenStream {
    /// A token stream that another backend feeds, with capacity for `capacity` events.
    #[must_use]
    pub fn channel(capacity: usize) -> (TokenSender, Self) {
        let (sender, events) = mpsc::channel(capacity);
        (TokenSender(sender), Self { events })
    }

    /// The next event. `None` after [`Event::Done`] or an error.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        self.events.recv().await
    }
}

/// The engine thread's end of a handle's channels.
pub(crate) struct WorkerEnd {
    pub jobs: mpsc::Receiver<Job>,
    pub state: watch::Sender<State>,
    pub offloaded_bytes: OffloadedBytes,
    /// Number of calls of [`Engine::clear_cache`].
    pub clear_requests: Arc<AtomicU64>,
}

/// A job of the engine thread.
pub(crate) enum Job {
    Generate(GenerateJob),
    CountTokens(CountTokensJob),
}

/// A request with its responder.
pub(crate) struct GenerateJob {
    pub request: Request,
    pub responder: JobResponder,
}

/// A prompt to count the tokens of, and where to reply.
pub(crate) struct CountTokensJob {
    pub prompt: Prompt,
    pub reply: oneshot::Sender<Result<PromptTokens, Error>>,
    pub permit: QueuePermit,
}

/// The sending half of a request's stream, and its permit, which is returned to the queue on drop.
pub(crate) struct JobResponder {
    events: mpsc::Sender<Result<Event, Error>>,
    permit: QueuePermit,
}

impl JobResponder {
    /// Sends an event. It is lost if the request was cancelled, see [`JobResponder::is_cancelled`].
    pub(crate) fn send(&self, event: Result<Event, Error>) {
        // It cannot be full: the channel has capacity for all events that a request can cause.
        let _ = self.events.try_send(event);
    }

    /// Whether the stream was dropped.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.events.is_closed()
    }

    /// Resolves when the stream is dropped.
    pub(crate) async fn cancelled(&self) {
        self.events.closed().await;
    }

    /// Counts the request as active instead of queued.
    pub(crate) fn mark_active(&mut self) {
        self.permit.mark_active();
    }
}

/// The semaphore that bounds the queue, and its counters.
#[derive(Debug, Clone)]
struct QueueCounters {
    semaphore: Arc<Semaphore>,
    waiting: Arc<[AtomicUsize; 3]>,
    active: Arc<AtomicUsize>,
    capacity: usize,
}

/// A permit of the queue. It is counted as waiting in its priority class, then as active, until it is dropped.
pub(crate) struct QueuePermit {
    _permit: OwnedSemaphorePermit,
    queue: QueueCounters,
    priority: usize,
    active: bool,
}

impl QueuePermit {
    fn new(permit: OwnedSemaphorePermit, queue: &QueueCounters, priority: Priority) -> Self {
        let permit = Self { _permit: permit, queue: queue.clone(), priority: priority as usize, active: false };
        permit.counter().fetch_add(1, Ordering::Relaxed);
        permit
    }

    fn counter(&self) -> &AtomicUsize {
        if self.active { &self.queue.active } else { &self.queue.waiting[self.priority] }
    }

    fn mark_active(&mut self) {
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
