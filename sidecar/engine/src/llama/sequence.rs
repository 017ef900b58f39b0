//! One request at work: its text as far as it is known, how much of it the model has read, and what its caller was told.

use std::time::{Duration, Instant};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::kv_cache::{KvCache, PrefixHit, SeqId, ShiftedChunk};
use super::sampler::{Sampler, TopLogits};
use crate::handle::GenerateJob;
use crate::prefix_cache::{self, KvFidelity};
use crate::prompt_lookup::{Draft, PromptLookup};
use crate::scheduler::{Allocation, Demand};
use crate::utf8::Utf8Decoder;
use crate::{EosPolicy, Error, Event, FinishReason, Speculation, Usage};

pub(super) struct Sequence {
    pub job: GenerateJob,
    /// Prompt and answer.
    tokens: Vec<LlamaToken>,
    prompt_len: usize,
    /// Tokens of the text that are in the model's memory.
    n_past: usize,
    n_cached: usize,
    /// Where they are; none while the request has to give way.
    seq_id: Option<SeqId>,
    /// How what was read of other texts may be used, and how what is there was read.
    allowed_reuse: KvFidelity,
    fidelity: KvFidelity,
    /// A part of the prompt further on that need not be read.
    pending_chunk: Option<ShiftedChunk>,
    sampler: Sampler,
    decoder: Utf8Decoder,
    prompt_lookup: Option<PromptLookup<LlamaToken>>,
    /// What is guessed to come next, as far as it is checked.
    draft: Vec<LlamaToken>,
    /// How often the next token is certain enough to be believed beside guesses, 0 to 1.
    confidence: f64,
    /// The last token is read once more by itself, because guesses beside it made what follows it uncertain.
    redecode_single: bool,
    /// Tokens guessed so far, and how many of them were right.
    draft_stats: DraftStats,
    /// What comes after the prompt: for the next one who asks the same.
    prompt_logits: Option<TopLogits>,
    started_at: Instant,
    prefill_time: Option<Duration>,
}

/// Draft tokens of a request so far.
#[derive(Debug, Default)]
struct DraftStats {
    drafted: usize,
    accepted: usize,
}

/// Whether a request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Running,
    Finished,
}

/// What was said in a step.
struct SampleOutcome {
    status: Status,
    /// Tokens.
    sampled: usize,
    /// What would have followed was too close to call.
    uncertain: bool,
}

/// The lead in logits below which the likeliest token is not believed where guesses were checked beside it. Many tokens at a time
/// are computed in another order than one by one, and quantised models round the difference: of 600 tokens of two models,
/// probabilities differed by 0.01 at the ninetieth percentile and by 0.18 at most.
const MIN_LOGIT_MARGIN: f32 = 0.25;

/// How often the next token is certain, before any was seen.
const PRIOR_CONFIDENCE: f64 = 0.95;

/// Weight of the newest token in that.
const EMA_WEIGHT: f64 = 0.05;

/// So many tokens to read are worth waiting for somebody who reads them already.
const MIN_SHARED_PREFIX: usize = 32;

impl Sequence {
    /// A request whose prompt is laid out.
    pub fn new(job: GenerateJob, prompt: Vec<LlamaToken>, allowed_reuse: KvFidelity, can_draft: bool) -> Self {
        let sampler = Sampler::new(job.request.sampling);
        let prompt_lookup =
            (can_draft && job.request.speculation == Speculation::PromptLookup).then(PromptLookup::default);
        Self {
            sampler,
            prompt_lookup,
            prompt_len: prompt.len(),
            tokens: prompt,
            n_past: 0,
            n_cached: 0,
            seq_id: None,
            allowed_reuse,
            fidelity: KvFidelity::Exact,
            pending_chunk: None,
            decoder: Utf8Decoder::default(),
            draft: Vec::new(),
            confidence: PRIOR_CONFIDENCE,
            redecode_single: false,
            draft_stats: DraftStats::default(),
            prompt_logits: None,
            started_at: Instant::now(),
            prefill_time: None,
            job,
        }
    }

    /// Whether somebody of no less urgency is at work who will have read more of what this one has to read than anybody before.
    pub fn should_wait_for_prefix(&self, running: &[Self], kv_cache: &KvCache<'_>) -> bool {
        let cached = || kv_cache.cached_prefix_len(&self.tokens, self.allowed_reuse);
        running.iter().any(|other| {
            let shared = prefix_cache::common_prefix_len(&other.tokens, &self.tokens);
            other.job.request.priority <= self.job.request.priority
                && other.n_past < shared
                && shared > MIN_SHARED_PREFIX
                && shared > cached() + MIN_SHARED_PREFIX
        })
    }

    /// Where somebody at work has read the same, and how many tokens of it.
    pub fn longest_shared_prefix(&self, running: &[Self]) -> Option<(SeqId, usize)> {
        let read = |other: &Self| {
            let read = &other.tokens[..other.n_past];
            other.seq_id.map(|seq_id| (seq_id, prefix_cache::common_prefix_len(read, &self.tokens)))
        };
        let compatible = running.iter().filter(|other| other.fidelity <= self.allowed_reuse);
        compatible.filter_map(read).max_by_key(|(_, shared)| *shared)
    }

    /// Begins, or goes on after giving way, from what is remembered or from what somebody else has just read. What is known
    /// already of the first word is said at once.
    pub fn start(
        &mut self,
        kv_cache: &mut KvCache<'_>,
        running_prefix: Option<(SeqId, usize)>,
        model: &LlamaModel,
        limit: usize,
    ) -> Status {
        // After giving way, it goes on from where it was.
        let allowed = self.allowed_reuse.max(self.fidelity);
        let PrefixHit { seq_id, n_past, logits, fidelity, chunk } =
            kv_cache.acquire(&self.tokens, running_prefix, allowed);
        (self.seq_id, self.n_past, self.fidelity, self.pending_chunk) = (Some(seq_id), n_past, fidelity, chunk);
        self.attach_chunk(kv_cache);
        let is_fresh = self.tokens.len() == self.prompt_len;
        if is_fresh {
            self.job.responder.mark_active();
            self.started_at = Instant::now();
            self.n_cached = self.n_past;
        }
        match logits {
            Some(logits) if is_fresh && (logits.has_logprobs() || !self.job.request.logprobs) => {
                self.sample(vec![logits], model, limit).status
            }
            // It is known, but not well enough: the last token is read again.
            Some(_) => {
                self.n_past = self.n_past.saturating_sub(1);
                if let Err(error) = kv_cache.truncate(seq_id, self.n_past) {
                    self.fail(error);
                    return Status::Finished;
                }
                Status::Running
            }
            None => Status::Running,
        }
    }

    /// What it would like of the next step. `most` tokens may be guessed.
    pub fn demand(&mut self, max_draft: usize) -> Demand {
        let until = self.pending_chunk.as_ref().map_or(self.tokens.len(), |chunk| chunk.target);
        let pending = until - self.n_past;
        let remaining = (self.job.request.max_tokens as usize).saturating_sub(self.generated() + 1);
        let is_decoding = pending == 1 && self.n_past >= self.prompt_len && !self.redecode_single;
        let lookup = self.prompt_lookup.as_mut().filter(|_| is_decoding && max_draft > 0);
        let draft = lookup.map(|lookup| lookup.propose(&self.tokens, max_draft.min(remaining)));
        let Draft { tokens, acceptance } = draft.unwrap_or_default();
        self.draft = tokens;
        Demand { priority: self.job.request.priority, pending, acceptance, confidence: self.confidence }
    }

    /// The tokens of its share of a step, and where in its sequence they go. All of those marked are to be judged by the model.
    pub fn batch_tokens(&self, allocation: Allocation) -> impl Iterator<Item = BatchToken> {
        let seq_id = self.seq_id.expect("only who has a sequence takes part in a step");
        let read = self.tokens[self.n_past..self.n_past + allocation.tokens].iter();
        let is_last_chunk = self.n_past + allocation.tokens == self.tokens.len();
        let last = allocation.tokens.wrapping_sub(1);
        let read = read.enumerate().map(move |(index, token)| (*token, is_last_chunk && index == last));
        let draft = self.draft[..allocation.draft_tokens].iter().map(|token| (*token, true));
        read.chain(draft).zip(self.n_past..).map(move |((token, wants_logits), position)| BatchToken {
            token,
            position,
            seq_id,
            wants_logits,
        })
    }

    /// Takes in what came of its share of a step, which began at row `first` of it.
    pub fn on_decoded(&mut self, allocation: Allocation, first_row: usize, step: &mut StepContext<'_, '_>) -> Status {
        let StepContext { kv_cache, model, limit } = step;
        self.n_past += allocation.tokens;
        if allocation.tokens == 0 {
            return Status::Running;
        }
        self.attach_chunk(kv_cache);
        if self.n_past < self.tokens.len() {
            self.job.responder.send(Ok(Event::Prefill { tokens: self.n_past }));
            return Status::Running;
        }
        self.draft.truncate(allocation.draft_tokens);
        let rows = first_row + allocation.tokens - 1..first_row + allocation.tokens + allocation.draft_tokens;
        let logprobs = self.job.request.logprobs;
        // Later rows count only as far as the guesses before them were right.
        let logits = rows.map(|row| TopLogits::of(kv_cache.logits(row), logprobs));
        let SampleOutcome { status, sampled, uncertain } = self.sample(logits, model, *limit);
        let accepted = if uncertain { sampled } else { sampled.saturating_sub(1) };
        self.redecode_single = uncertain;
        let n_past = self.n_past + accepted - usize::from(uncertain);
        if allocation.draft_tokens > 0 {
            self.draft_stats.drafted += allocation.draft_tokens;
            self.draft_stats.accepted += accepted;
            if n_past < self.n_past + allocation.draft_tokens
                && let Some(seq_id) = self.seq_id
                && let Err(error) = kv_cache.truncate(seq_id, n_past)
            {
                self.fail(error);
                return Status::Finished;
            }
        }
        self.n_past = n_past;
        status
    }

    /// Joins what was read further on, once everything before it is read too.
    fn attach_chunk(&mut self, kv_cache: &mut KvCache<'_>) {
        if let Some(seq_id) = self.seq_id
            && let Some(chunk) = self.pending_chunk.take_if(|chunk| chunk.target == self.n_past)
        {
            let joined = kv_cache.attach_chunk(seq_id, chunk);
            self.n_past += joined;
            self.n_cached += joined;
            self.fidelity = KvFidelity::Shifted;
        }
    }

    /// Says one token, and more as far as what was guessed turns out right.
    fn sample(&mut self, rows: impl IntoIterator<Item = TopLogits>, model: &LlamaModel, limit: usize) -> SampleOutcome {
        let vocab = model.vocab();
        self.prefill_time.get_or_insert_with(|| self.started_at.elapsed());
        let (mut text, mut sampled, mut finish, mut uncertain) = (String::new(), 0, None, false);
        let has_draft = !self.draft.is_empty() && self.job.request.sampling.temperature <= 0.0;
        let mut logprob = self.job.request.logprobs.then_some(0.0_f32);
        for logits in rows {
            if self.tokens.len() == self.prompt_len {
                self.prompt_logits = Some(logits.clone());
            }
            let logits = match self.job.request.eos_policy {
                EosPolicy::Stop => logits,
                EosPolicy::Ignore => logits.excluding(|token| vocab.is_eog(token)),
            };
            let is_uncertain = logits.margin() < MIN_LOGIT_MARGIN;
            if sampled == 0 && !self.redecode_single {
                self.confidence += EMA_WEIGHT * (f64::from(u8::from(!is_uncertain)) - self.confidence);
            }
            if has_draft && is_uncertain {
                uncertain = true;
                break;
            }
            let token = self.sampler.sample(&logits);
            if vocab.is_eog(token) && self.job.request.eos_policy == EosPolicy::Stop {
                finish = Some(FinishReason::Stop);
                break;
            }
            let drafted = self.draft.get(sampled).copied();
            logprob = logprob.zip(logits.logprob(token)).map(|(sum, one)| sum + one);
            self.tokens.push(token);
            sampled += 1;
            text += &self.decoder.push(&vocab.token_to_piece(token, false, None));
            if self.generated() >= self.job.request.max_tokens as usize || self.tokens.len() >= limit {
                finish = Some(FinishReason::Length);
                break;
            }
            if drafted != Some(token) {
                break;
            }
        }
        if sampled > 0 {
            self.job.responder.send(Ok(Event::Delta { text, logprob, tokens: sampled }));
        }
        if let Some(finish) = finish {
            self.finish(finish);
            return SampleOutcome { status: Status::Finished, sampled, uncertain };
        }
        SampleOutcome { status: Status::Running, sampled, uncertain }
    }

    /// Tokens of the answer so far.
    fn generated(&self) -> usize {
        self.tokens.len() - self.prompt_len
    }

    /// The request is over; what the model has read of it stays for the next one.
    pub fn release(mut self, kv_cache: &mut KvCache<'_>) {
        self.drop_chunk(kv_cache);
        let Some(seq_id) = self.seq_id.take() else { return };
        self.tokens.truncate(self.n_past);
        let next = self
            .prompt_logits
            .take()
            .filter(|_| self.n_past >= self.prompt_len)
            .map(|logits| (self.prompt_len, logits));
        kv_cache.release(seq_id, self.tokens, self.fidelity, next);
    }

    /// The request is over, and what the model has read of it cannot be trusted.
    pub fn abort(mut self, kv_cache: &mut KvCache<'_>) {
        self.drop_chunk(kv_cache);
        if let Some(seq_id) = self.seq_id.take() {
            kv_cache.release(seq_id, Vec::new(), self.fidelity, None);
        }
    }

    fn drop_chunk(&mut self, kv_cache: &mut KvCache<'_>) {
        if let Some(chunk) = self.pending_chunk.take() {
            kv_cache.drop_chunk(chunk);
        }
    }

    /// The request makes room for others, and will go on later.
    pub fn preempt(&mut self, kv_cache: &mut KvCache<'_>) {
        self.drop_chunk(kv_cache);
        if let Some(seq_id) = self.seq_id.take() {
            kv_cache.offload_running(seq_id, self.tokens[..self.n_past].to_vec(), self.fidelity);
        }
        self.n_past = 0;
    }

    /// Tells the caller that it cannot go on.
    pub fn fail(&self, error: Error) {
        self.job.responder.send(Err(error));
    }

    fn finish(&mut self, finish: FinishReason) {
        let rest = self.decoder.finish();
        if !rest.is_empty() {
            self.job.responder.send(Ok(Event::Delta { text: rest, logprob: None, tokens: 0 }));
        }
        let prefill = self.prefill_time.unwrap_or_default();
        self.job.responder.send(Ok(Event::Done(Usage {
            finish_reason: finish,
            prompt_tokens: self.prompt_len,
            cached_tokens: self.n_cached,
            completion_tokens: self.generated(),
            drafted_tokens: self.draft_stats.drafted,
            accepted_tokens: self.draft_stats.accepted,
            prefill,
            decode: self.started_at.elapsed().saturating_sub(prefill),
        })));
    }
}

/// A token on its way into the model.
pub(super) struct BatchToken {
    pub token: LlamaToken,
    pub position: usize,
    pub seq_id: SeqId,
    /// Whether the model is asked what follows it.
    pub wants_logits: bool,
}

/// What a turn needs to take in the outcome of a step.
pub(super) struct StepContext<'a, 'model> {
    pub kv_cache: &'a mut KvCache<'model>,
    pub model: &'a LlamaModel,
    /// Tokens that prompt and answer may have together.
    pub limit: usize,
}
