//! The loop of the engine's thread: take in requests, divide the next step among them, make it, tell everyone what came of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::kv_cache::{DecodeFailure, KvCache};
use super::turn::{Progress, Step, Turn};
use crate::handle::{Job, OffloadedBytes};
use crate::prefix_cache::KvFidelity;
use crate::scheduler::{self, Allocation, Demand, LatencyClass, StepCostModel};
use crate::{Error, Priority};

/// Tokens that one request may have guessed ahead.
const MOST_GUESSES: usize = 31;

/// An editor is in use for so long after its last completion.
const EDITING: Duration = Duration::from_secs(60);

/// After this long without work, states are written to disk.
const IDLE: Duration = Duration::from_secs(5);

/// How long to wait for somebody between one state and the next.
const BREATH: Duration = Duration::from_millis(1);

/// How long states may be written when the engine ends.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A request whose prompt is laid out, and how what was read of other texts may be used for it.
pub(super) type Laid = (Job, Vec<LlamaToken>, KvFidelity);

/// The loop, and all that it works on.
pub(super) struct Worker<'model> {
    model: &'model LlamaModel,
    limit: usize,
    slots: usize,
    /// Tokens of the largest step.
    largest: usize,
    /// When a completion was last asked for.
    completed: Option<Instant>,
    kv_cache: KvCache<'model>,
    batch: LlamaBatch<'static>,
    /// Requests at work.
    turns: Vec<Turn>,
    /// Requests that wait for a slot.
    waiting: VecDeque<Turn>,
    /// Somebody had to give way: until a request is over, no other chat begins.
    crowded: bool,
    step_cost: StepCostModel,
    mail: Receiver<Laid>,
    offloaded_bytes: OffloadedBytes,
    forgetting: Forgetting,
}

/// How much may be worked on at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Requests.
    pub slots: usize,
    /// Tokens of one request.
    pub limit: usize,
    /// Tokens of the largest step.
    pub step: usize,
}

/// How often everything was to be forgotten, and was.
pub(super) struct Forgetting {
    /// It was asked for so often.
    pub asked: Arc<AtomicU64>,
    /// It was done so often.
    pub done: u64,
}

impl<'model> Worker<'model> {
    /// A worker that reads its mail.
    pub fn new(
        model: &'model LlamaModel,
        kv_cache: KvCache<'model>,
        (Sizes { slots, limit, step }, step_cost): (Sizes, StepCostModel),
        mail: Receiver<Laid>,
        (offloaded_bytes, forgetting): (OffloadedBytes, Forgetting),
    ) -> Self {
        let batch = LlamaBatch::new(step, 1);
        let (turns, waiting) = (Vec::new(), VecDeque::new());
        Self {
            model,
            limit,
            slots,
            largest: step,
            completed: None,
            kv_cache,
            batch,
            turns,
            waiting,
            crowded: false,
            step_cost,
            mail,
            offloaded_bytes,
            forgetting,
        }
    }

    /// Works until no request will ever come again.
    pub fn work(mut self) {
        while self.take_mail() {
            self.drop_abandoned();
            self.forget();
            self.admit();
            if !self.turns.is_empty() {
                self.step();
            }
            self.offloaded_bytes.set(self.kv_cache.offloaded_bytes());
        }
        self.forget();
        let deadline = Instant::now() + LAST_WORDS;
        while Instant::now() < deadline && self.kv_cache.persist_one() {}
    }

    /// Takes all requests that have come in, and waits for one if there is nothing else to do. `false` when there will never be
    /// another.
    fn take_mail(&mut self) -> bool {
        let mut patience = Duration::ZERO;
        while self.turns.is_empty() && self.waiting.is_empty() {
            match self.mail.recv_timeout(patience) {
                Ok(laid) => self.enqueue(laid),
                Err(RecvTimeoutError::Disconnected) => return false,
                // One at a time, so that nobody who comes meanwhile waits for more than one.
                Err(RecvTimeoutError::Timeout) => {
                    self.forget();
                    patience = self.rest(patience);
                }
            }
        }
        while let Ok(laid) = self.mail.try_recv() {
            self.enqueue(laid);
        }
        true
    }

    /// Does one of the things for which there is time when nobody asks. Gives back how long to wait for somebody before the next.
    fn rest(&mut self, waited: Duration) -> Duration {
        let at_once = waited.is_zero();
        if at_once == self.kv_cache.offloads_eagerly() && self.kv_cache.offload_one() {
            return if at_once { Duration::ZERO } else { BREATH };
        }
        if !at_once && self.kv_cache.persist_one() { BREATH } else { IDLE }
    }

    /// Forgets everything that no request works on, if that was asked for.
    fn forget(&mut self) {
        let asked = self.forgetting.asked.load(Ordering::Relaxed);
        if asked != self.forgetting.done {
            self.kv_cache.clear();
            self.forgetting.done = asked;
        }
    }

    fn enqueue(&mut self, (job, prompt, likeness): Laid) {
        if job.request.priority == Priority::Completion {
            self.completed = Some(Instant::now());
        }
        self.waiting.push_back(Turn::new(job, prompt, likeness, self.kv_cache.supports_truncation()));
    }

    /// Ends the requests whose callers have gone; what was read of them is remembered.
    fn drop_abandoned(&mut self) {
        self.waiting.retain(|turn| !turn.job.responder.is_cancelled());
        let (gone, here) =
            std::mem::take(&mut self.turns).into_iter().partition(|turn| turn.job.responder.is_cancelled());
        self.turns = here;
        self.end(gone);
    }

    fn end(&mut self, turns: Vec<Turn>) {
        for turn in turns {
            turn.end(&mut self.kv_cache);
            self.crowded = false;
        }
    }

    /// Gives free slots to those who wait, the urgent first.
    fn admit(&mut self) {
        while let Some(next) = self.next_waiting() {
            let mut turn = self.waiting.remove(next).expect("it waits");
            let started = Instant::now();
            let beside = self.kv_cache.supports_truncation().then(|| turn.neighbour(&self.turns)).flatten();
            let progress = turn.begin(&mut self.kv_cache, beside, self.model, self.limit);
            tracing::trace!(lane = ?turn.job.request.priority, ms = started.elapsed().as_millis(), "began a request");
            match progress {
                Progress::GoesOn => self.turns.push(turn),
                Progress::Over => self.end(vec![turn]),
            }
        }
    }

    /// Who may begin now. One slot is always left to completions, and one more to chats. Who would read what another is just
    /// reading waits until that is read.
    fn next_waiting(&self) -> Option<usize> {
        let lane = |index: usize| self.waiting[index].job.request.priority;
        let patient = |index: &usize| {
            self.kv_cache.supports_truncation() && self.waiting[*index].would_follow(&self.turns, &self.kv_cache)
        };
        let first = (0..self.waiting.len()).filter(|index| !patient(index)).min_by_key(|index| lane(*index))?;
        let reserved = match lane(first) {
            Priority::Completion => 0,
            Priority::Chat => 1,
            Priority::Background => 2,
        };
        let crowded = self.crowded && lane(first) != Priority::Completion && !self.turns.is_empty();
        (!crowded && self.turns.len() + reserved < self.slots.max(reserved + 1)).then_some(first)
    }

    /// One step of the model for everyone who has a share of it.
    fn step(&mut self) {
        let started = Instant::now();
        let demands = self.demands();
        let editor = self.completed.is_some_and(|last| last.elapsed() < EDITING);
        let allocations = scheduler::allocate(
            &demands,
            self.step_cost.max_tokens_for(LatencyClass::of(&demands, editor), self.largest),
            &self.step_cost,
        );
        let firsts = self.lay_out(&allocations);
        match self.kv_cache.decode(&mut self.batch) {
            Ok(()) => self.take_in(&allocations, &firsts),
            Err(DecodeFailure::NoKvSpace) => return self.make_room(),
            Err(DecodeFailure::Failed(error)) => return self.fail(&error),
        }
        let tokens = usize::try_from(self.batch.n_tokens()).unwrap_or(0);
        let took = started.elapsed();
        let guesses: usize = allocations.iter().map(|allocation| allocation.draft_tokens).sum();
        tracing::trace!(tokens, guesses, ms = took.as_millis(), "made a step");
        self.step_cost.observe(tokens, took);
    }

    fn demands(&mut self) -> Vec<Demand> {
        let urgent = |turn: &Turn| turn.job.request.priority == Priority::Completion;
        let urgent_count = self.turns.iter().filter(|turn| urgent(turn)).count();
        // Nobody's guesses keep a completion waiting.
        let most = |turn: &Turn| if urgent_count > usize::from(urgent(turn)) { 0 } else { MOST_GUESSES };
        self.turns.iter_mut().map(|turn| turn.demand(most(turn))).collect()
    }

    /// Writes the step's batch. Gives back the row at which each turn's share begins.
    fn lay_out(&mut self, allocations: &[Allocation]) -> Vec<usize> {
        self.batch.clear();
        let mut firsts = Vec::with_capacity(allocations.len());
        for (turn, allocation) in self.turns.iter().zip(allocations) {
            firsts.push(usize::try_from(self.batch.n_tokens()).unwrap_or(0));
            if allocation.tokens == 0 {
                continue;
            }
            for fed in turn.tokens(*allocation) {
                let position = i32::try_from(fed.position).expect("a context has fewer than 2^31 tokens");
                let added = self.batch.add(fed.token, position, &[fed.sequence], fed.judged);
                added.expect("the batch was made for the largest step");
            }
        }
        firsts
    }

    fn take_in(&mut self, allocations: &[Allocation], firsts: &[usize]) {
        let mut step = Step { kv_cache: &mut self.kv_cache, model: self.model, limit: self.limit };
        let mut over = Vec::new();
        let turns = std::mem::take(&mut self.turns);
        for ((mut turn, allocation), first) in turns.into_iter().zip(allocations).zip(firsts) {
            match turn.take(*allocation, *first, &mut step) {
                Progress::GoesOn => self.turns.push(turn),
                Progress::Over => over.push(turn),
            }
        }
        self.end(over);
    }

    /// There is no room for the next step: the least urgent request that began last gives way, and goes on when another is over.
    fn make_room(&mut self) {
        let last = (0..self.turns.len()).max_by_key(|index| (self.turns[*index].job.request.priority, *index));
        let Some(last) = last else { return };
        let mut turn = self.turns.remove(last);
        if self.turns.is_empty() {
            turn.fail(Error::Inference("the model's memory is too small for this".into()));
            return self.end(vec![turn]);
        }
        turn.give_way(&mut self.kv_cache);
        self.waiting.push_front(turn);
        self.crowded = true;
    }

    /// llama.cpp failed: nobody who took part in the step can trust what it left behind.
    fn fail(&mut self, error: &Error) {
        tracing::error!(%error, "{error}");
        for turn in std::mem::take(&mut self.turns) {
            turn.fail(error.clone());
            turn.discard(&mut self.kv_cache);
        }
        self.crowded = false;
    }
}
