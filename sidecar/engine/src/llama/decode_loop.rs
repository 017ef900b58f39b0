//! The decode loop of the engine thread: receives requests, schedules them into batches, decodes, and samples.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::kv_cache::{DecodeFailure, KvCache};
use super::sequence::{Sequence, Status, StepContext};
use crate::handle::{GenerateJob, OffloadedBytes};
use crate::prefix_cache::KvFidelity;
use crate::scheduler::{self, Allocation, Demand, LatencyClass, StepCostModel};
use crate::{Error, Priority};

/// Maximum draft tokens of one request.
const MAX_DRAFT: usize = 31;

/// An editor counts as active for this long after its last completion request.
const EDITOR_ACTIVE_FOR: Duration = Duration::from_secs(60);

/// Idle time before KV states are written to disk.
const IDLE_BEFORE_PERSIST: Duration = Duration::from_secs(5);

/// Time to wait for requests between two units of idle work.
const IDLE_TICK: Duration = Duration::from_millis(1);

/// Maximum time for writing KV states to disk when the engine shuts down.
const FLUSH_DEADLINE: Duration = Duration::from_secs(3);

/// A request, its tokenized prompt, and the bound on the fidelity of reused KV states.
pub(super) type TokenizedJob = (GenerateJob, Vec<LlamaToken>, KvFidelity);

/// The decode loop and its state.
pub(super) struct DecodeLoop<'model> {
    model: &'model LlamaModel,
    /// Context limit of one request, in tokens.
    context_limit: usize,
    /// Maximum number of running requests.
    slots: usize,
    /// Maximum tokens of a step.
    max_batch: usize,
    /// Arrival of the last completion request.
    last_completion_at: Option<Instant>,
    kv_cache: KvCache<'model>,
    batch: LlamaBatch<'static>,
    /// Requests that occupy a slot.
    running: Vec<Sequence>,
    /// Requests that wait for a slot.
    waiting: VecDeque<Sequence>,
    /// A request was preempted: until another one finishes, only completions are admitted.
    has_preempted: bool,
    step_cost: StepCostModel,
    incoming: Receiver<TokenizedJob>,
    offloaded_bytes: OffloadedBytes,
    clear_requests: ClearRequests,
}

/// Limits of the decode loop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Maximum number of running requests.
    pub slots: usize,
    /// Context limit of one request, in tokens.
    pub context: usize,
    /// Maximum tokens of a step.
    pub batch_size: usize,
}

/// Requests to clear the KV cache.
pub(super) struct ClearRequests {
    /// Number of requests so far.
    pub requested: Arc<AtomicU64>,
    /// Number of requests when it was last cleared.
    pub handled: u64,
}

impl<'model> DecodeLoop<'model> {
    /// A decode loop that receives tokenized requests from `incoming`.
    pub(crate) fn new(
        model: &'model LlamaModel,
        kv_cache: KvCache<'model>,
        (Limits { slots, context, batch_size }, step_cost): (Limits, StepCostModel),
        incoming: Receiver<TokenizedJob>,
        (offloaded_bytes, clear_requests): (OffloadedBytes, ClearRequests),
    ) -> Self {
        let batch = LlamaBatch::new(batch_size, 1);
        let (running, waiting) = (Vec::new(), VecDeque::new());
        Self {
            model,
            context_limit: context,
            slots,
            max_batch: batch_size,
            last_completion_at: None,
            kv_cache,
            batch,
            running,
            waiting,
            has_preempted: false,
            step_cost,
            incoming,
            offloaded_bytes,
            clear_requests,
        }
    }

    /// Runs until the last handle is dropped and all requests are finished.
    pub(crate) fn run(mut self) {
        while self.receive() {
            self.drop_cancelled();
            self.clear_if_requested();
            self.admit();
            if !self.running.is_empty() {
                self.step();
            }
            self.offloaded_bytes.set(self.kv_cache.offloaded_bytes());
        }
        self.clear_if_requested();
        let deadline = Instant::now() + FLUSH_DEADLINE;
        while Instant::now() < deadline && self.kv_cache.persist_one() {}
    }

    /// Receives all new requests; without a running or queued one, does idle work and waits. Returns `false` once the last handle
    /// is dropped.
    fn receive(&mut self) -> bool {
        let mut timeout = Duration::ZERO;
        while self.running.is_empty() && self.waiting.is_empty() {
            match self.incoming.recv_timeout(timeout) {
                Ok(tokenized) => self.enqueue(tokenized),
                Err(RecvTimeoutError::Disconnected) => return false,
                // One unit at a time, so that a request that arrives meanwhile waits for no more than one.
                Err(RecvTimeoutError::Timeout) => {
                    self.clear_if_requested();
                    timeout = self.idle_work(timeout);
                }
            }
        }
        while let Ok(tokenized) = self.incoming.try_recv() {
            self.enqueue(tokenized);
        }
        true
    }

    /// Does one unit of idle work: offloads or persists a sequence. Returns how long to wait for requests before the next.
    fn idle_work(&mut self, waited: Duration) -> Duration {
        let immediately = waited.is_zero();
        if immediately == self.kv_cache.offloads_eagerly() && self.kv_cache.copy_one_to_host() {
            return if immediately { Duration::ZERO } else { IDLE_TICK };
        }
        if !immediately && self.kv_cache.persist_one() { IDLE_TICK } else { IDLE_BEFORE_PERSIST }
    }

    /// Clears the KV cache of idle sequences if a handle requested it.
    fn clear_if_requested(&mut self) {
        let requested = self.clear_requests.requested.load(Ordering::Relaxed);
        if requested != self.clear_requests.handled {
            self.kv_cache.clear();
            self.clear_requests.handled = requested;
        }
    }

    fn enqueue(&mut self, (job, prompt, allowed_reuse): TokenizedJob) {
        if job.request.priority == Priority::Completion {
            self.last_completion_at = Some(Instant::now());
        }
        self.waiting.push_back(Sequence::new(job, prompt, allowed_reuse, self.kv_cache.supports_truncation()));
    }

    /// Releases the requests whose stream was dropped; their KV state stays cached.
    fn drop_cancelled(&mut self) {
        self.waiting.retain(|sequence| !sequence.job.responder.is_cancelled());
        let (cancelled, running) =
            std::mem::take(&mut self.running).into_iter().partition(|sequence| sequence.job.responder.is_cancelled());
        self.running = running;
        self.release(cancelled);
    }

    fn release(&mut self, sequences: Vec<Sequence>) {
        for sequence in sequences {
            sequence.release(&mut self.kv_cache);
            self.has_preempted = false;
        }
    }

    /// Admits queued requests to free slots, highest priority first.
    fn admit(&mut self) {
        while let Some(next) = self.next_waiting() {
            let mut sequence = self.waiting.remove(next).expect("the index is one of the queue");
            let started = Instant::now();
            let running_prefix =
                self.kv_cache.supports_truncation().then(|| sequence.longest_shared_prefix(&self.running)).flatten();
            let status = sequence.start(&mut self.kv_cache, running_prefix, self.model, self.context_limit);
            tracing::trace!(priority = ?sequence.job.request.priority, ms = started.elapsed().as_millis(), "started a request");
            match status {
                Status::Running => self.running.push(sequence),
                Status::Finished => self.release(vec![sequence]),
            }
        }
    }

    /// The queued request to admit next. One slot is reserved for completions, and one more for chats. A request that shares an
    /// uncached prefix with a running one waits until that prefix is in the KV cache.
    fn next_waiting(&self) -> Option<usize> {
        let priority = |index: usize| self.waiting[index].job.request.priority;
        let waits_for_prefix = |index: &usize| {
            self.kv_cache.supports_truncation()
                && self.waiting[*index].should_wait_for_prefix(&self.running, &self.kv_cache)
        };
        let first =
            (0..self.waiting.len()).filter(|index| !waits_for_prefix(index)).min_by_key(|index| priority(*index))?;
        let reserved = match priority(first) {
            Priority::Completion => 0,
            Priority::Chat => 1,
            Priority::Background => 2,
        };
        let must_wait = self.has_preempted && priority(first) != Priority::Completion && !self.running.is_empty();
        (!must_wait && self.running.len() + reserved < self.slots.max(reserved + 1)).then_some(first)
    }

    /// One decode step of the running requests.
    fn step(&mut self) {
        let started = Instant::now();
        let demands = self.demands();
        let editor_active = self.last_completion_at.is_some_and(|last| last.elapsed() < EDITOR_ACTIVE_FOR);
        let allocations = scheduler::allocate(
            &demands,
            self.step_cost.max_tokens_for(LatencyClass::of(&demands, editor_active), self.max_batch),
            &self.step_cost,
        );
        let first_rows = self.fill_batch(&allocations);
        match self.kv_cache.decode(&mut self.batch) {
            Ok(()) => self.apply_results(&allocations, &first_rows),
            Err(DecodeFailure::NoKvSpace) => return self.preempt_one(),
            Err(DecodeFailure::Failed(error)) => return self.fail_step(&error),
        }
        let tokens = usize::try_from(self.batch.n_tokens()).unwrap_or(0);
        let took = started.elapsed();
        let draft_tokens: usize = allocations.iter().map(|allocation| allocation.draft_tokens).sum();
        tracing::trace!(tokens, draft_tokens, ms = took.as_millis(), "decoded a step");
        self.step_cost.observe(tokens, took);
    }

    fn demands(&mut self) -> Vec<Demand> {
        let is_completion = |sequence: &Sequence| sequence.job.request.priority == Priority::Completion;
        let completions = self.running.iter().filter(|sequence| is_completion(sequence)).count();
        // No request's drafts delay another one's completion.
        let max_draft =
            |sequence: &Sequence| if completions > usize::from(is_completion(sequence)) { 0 } else { MAX_DRAFT };
        self.running.iter_mut().map(|sequence| sequence.demand(max_draft(sequence))).collect()
    }

    /// Fills the batch. Returns the row at which each sequence's tokens begin.
    fn fill_batch(&mut self, allocations: &[Allocation]) -> Vec<usize> {
        self.batch.clear();
        let mut first_rows = Vec::with_capacity(allocations.len());
        for (sequence, allocation) in self.running.iter().zip(allocations) {
            first_rows.push(usize::try_from(self.batch.n_tokens()).unwrap_or(0));
            if allocation.tokens == 0 {
                continue;
            }
            for token in sequence.batch_tokens(*allocation) {
                let position = i32::try_from(token.position).expect("a context has fewer than 2^31 tokens");
                let added = self.batch.add(token.token, position, &[token.seq_id], token.wants_logits);
                added.expect("the batch was made for the largest step");
            }
        }
        first_rows
    }

    fn apply_results(&mut self, allocations: &[Allocation], first_rows: &[usize]) {
        let mut step = StepContext { kv_cache: &mut self.kv_cache, model: self.model, limit: self.context_limit };
        let mut finished = Vec::new();
        let sequences = std::mem::take(&mut self.running);
        for ((mut sequence, allocation), first_row) in sequences.into_iter().zip(allocations).zip(first_rows) {
            match sequence.on_decoded(*allocation, *first_row, &mut step) {
                Status::Running => self.running.push(sequence),
                Status::Finished => finished.push(sequence),
            }
        }
        self.release(finished);
    }

    /// Preempts the most recently started request of the lowest priority, for want of KV cells. It is resumed when another one
    /// finishes.
    fn preempt_one(&mut self) {
        let last = (0..self.running.len()).max_by_key(|index| (self.running[*index].job.request.priority, *index));
        let Some(last) = last else { return };
        let mut sequence = self.running.remove(last);
        if self.running.is_empty() {
            sequence.fail(Error::Inference("the KV cache is too small for this request".into()));
            return self.release(vec![sequence]);
        }
        sequence.preempt(&mut self.kv_cache);
        self.waiting.push_front(sequence);
        self.has_preempted = true;
    }

    /// Fails all running requests after an error of llama.cpp: their KV states are unusable.
    fn fail_step(&mut self, error: &Error) {
        tracing::error!(%error, "{error}");
        for sequence in std::mem::take(&mut self.running) {
            sequence.fail(error.clone());
            sequence.abort(&mut self.kv_cache);
        }
        self.has_preempted = false;
    }
}
