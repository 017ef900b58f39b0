//! A sequence: one request from prefill to the last token (a slot of llama-server), with its sampler and its draft verification.

use std::time::{Duration, Instant};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::kv_cache::{KvCache, PrefixHit, SeqId, ShiftedChunk};
use super::sampler::{Sampler, TopLogits};
use crate::handle::GenerateJob;
use crate::prefix_cache::{KvFidelity, common_prefix_len};
use crate::prompt_lookup::{Draft, PromptLookup};
use crate::scheduler::{Allocation, Demand};
use crate::utf8::Utf8Decoder;
use crate::{EosPolicy, Error, Event, FinishReason, Speculation, Usage};

/// A request with its tokens, its place in the KV cache, and its sampling state.
pub(super) struct Sequence {
    pub job: GenerateJob,
    /// Tokens of prompt and answer.
    tokens: Vec<LlamaToken>,
    prompt_len: usize,
    /// Number of its tokens that are in the KV cache.
    n_past: usize,
    /// Number of prompt tokens that were served from the KV cache.
    n_cached: usize,
    /// Its sequence in the KV cache; `None` while it is queued or preempted.
    seq_id: Option<SeqId>,
    /// Bound on the fidelity of reused KV states.
    allowed_reuse: KvFidelity,
    /// How its own KV state was computed.
    fidelity: KvFidelity,
    /// A shifted chunk further on in the prompt, which needs no prefill.
    pending_chunk: Option<ShiftedChunk>,
    sampler: Sampler,
    decoder: Utf8Decoder,
    prompt_lookup: Option<PromptLookup<LlamaToken>>,
    /// Draft tokens to verify in the next step.
    draft: Vec<LlamaToken>,
    /// Moving average of how often the logit margin is large enough to accept a token beside drafts, 0 to 1.
    confidence: f64,
    /// Decode the last token again without drafts, because the logit margin after it was too small beside drafts.
    redecode_single: bool,
    draft_stats: DraftStats,
    /// Logits after the prompt, to be cached for the same prompt.
    prompt_logits: Option<TopLogits>,
    started_at: Instant,
    /// `None` until the first token is sampled.
    prefill_time: Option<Duration>,
}

/// Draft tokens so far.
#[derive(Debug, Default)]
struct DraftStats {
    drafted: usize,
    accepted: usize,
}

/// Whether a sequence needs another step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Running,
    Finished,
}

/// Outcome of sampling after a step.
struct SampleOutcome {
    status: Status,
    /// Number of sampled tokens.
    sampled: usize,
    /// Whether sampling stopped at a logit margin below [`MIN_LOGIT_MARGIN`].
    uncertain: bool,
}

/// Minimum top-1/top-2 logit margin for accepting a token in a step that also verifies drafts. A batch of tokens is computed in
/// another order than single tokens, and quantised models amplify the rounding: for 600 tokens of two models, probabilities
/// differed by 0.01 at the ninetieth percentile and by 0.18 at most.
const MIN_LOGIT_MARGIN: f32 = 0.25;

/// Prior of [`Sequence::confidence`].
const PRIOR_CONFIDENCE: f64 = 0.95;

/// Weight of a new token in its moving average.
const EMA_WEIGHT: f64 = 0.05;

/// Minimum saving in prefill tokens for waiting until a running request has them in the KV cache.
const MIN_SHARED_PREFIX: usize = 32;

impl Sequence {
    /// A request with its tokenized prompt. `can_draft` is whether the KV cache supports truncation.
    pub(crate) fn new(job: GenerateJob, prompt: Vec<LlamaToken>, allowed_reuse: KvFidelity, can_draft: bool) -> Self {
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

    /// Whether a running request of at least the same priority will soon have a longer prefix of this prompt in the KV cache than
    /// is cached now.
    pub(crate) fn should_wait_for_prefix(&self, running: &[Self], kv_cache: &KvCache<'_>) -> bool {
        let cached = || kv_cache.cached_prefix_len(&self.tokens, self.allowed_reuse);
        running.iter().any(|other| {
            let shared = common_prefix_len(&other.tokens, &self.tokens);
            other.job.request.priority <= self.job.request.priority
                && other.n_past < shared
                && shared > MIN_SHARED_PREFIX
                && shared > cached() + MIN_SHARED_PREFIX
        })
    }

    /// The running sequence that shares the longest computed prefix, and its length in tokens.
    pub(crate) fn longest_shared_prefix(&self, running: &[Self]) -> Option<(SeqId, usize)> {
        let shared_prefix = |other: &Self| {
            let computed = &other.tokens[..other.n_past];
            other.seq_id.map(|seq_id| (seq_id, common_prefix_len(computed, &self.tokens)))
        };
        let compatible = running.iter().filter(|other| other.fidelity <= self.allowed_reuse);
        compatible.filter_map(shared_prefix).max_by_key(|(_, shared)| *shared)
    }

    /// Starts, or resumes after preemption, from the KV cache or from the prefix of a running sequence. If the logits after the
    /// prompt are cached, the first token is sampled at once.
    pub(crate) fn start(
        &mut self,
        kv_cache: &mut KvCache<'_>,
        running_prefix: Option<(SeqId, usize)>,
        model: &LlamaModel,
        limit: usize,
    ) -> Status {
        // After preemption, it may resume from its own shifted state.
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
            // The cached logits have no log-probabilities: decode the last token again.
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

    /// What it could use of the next step, with at most `max_draft` draft tokens.
    pub(crate) fn demand(&mut self, max_draft: usize) -> Demand {
        let target = self.pending_chunk.as_ref().map_or(self.tokens.len(), |chunk| chunk.target);
        let pending = target - self.n_past;
        let remaining = (self.job.request.max_tokens as usize).saturating_sub(self.generated() + 1);
        let is_decoding = pending == 1 && self.n_past >= self.prompt_len && !self.redecode_single;
        let lookup = self.prompt_lookup.as_mut().filter(|_| is_decoding && max_draft > 0);
        let draft = lookup.map(|lookup| lookup.propose(&self.tokens, max_draft.min(remaining)));
        let Draft { tokens, acceptance } = draft.unwrap_or_default();
        self.draft = tokens;
        Demand { priority: self.job.request.priority, pending, acceptance, confidence: self.confidence }
    }

    /// The tokens of its allocation, for the batch.
    pub(crate) fn batch_tokens(&self, allocation: Allocation) -> impl Iterator<Item = BatchToken> {
        let seq_id = self.seq_id.expect("a running request has a sequence");
        let pending = self.tokens[self.n_past..self.n_past + allocation.tokens].iter();
        let is_last_chunk = self.n_past + allocation.tokens == self.tokens.len();
        let last = allocation.tokens.wrapping_sub(1);
        let pending = pending.enumerate().map(move |(index, token)| (*token, is_last_chunk && index == last));
        let draft = self.draft[..allocation.draft_tokens].iter().map(|token| (*token, true));
        pending.chain(draft).zip(self.n_past..).map(move |((token, wants_logits), position)| BatchToken {
            token,
            position,
            seq_id,
            wants_logits,
        })
    }

    /// Processes the results of a step, in which its tokens began at row `first_row` of the batch.
    pub(crate) fn on_decoded(
        &mut self,
        allocation: Allocation,
        first_row: usize,
        step: &mut StepContext<'_, '_>,
    ) -> Status {
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
        // A row is used only if all draft tokens before it were accepted.
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

    /// Attaches the shifted chunk once the prefill has reached it.
    fn attach_chunk(&mut self, kv_cache: &mut KvCache<'_>) {
        if let Some(seq_id) = self.seq_id
            && let Some(chunk) = self.pending_chunk.take_if(|chunk| chunk.target == self.n_past)
        {
            let attached = kv_cache.attach_chunk(seq_id, chunk);
            self.n_past += attached;
            self.n_cached += attached;
            self.fidelity = KvFidelity::Shifted;
        }
    }

    /// Samples one token, and one more for each accepted draft token.
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
            // A draft token that the sampler did not choose is rejected, with all that follow it.
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

    /// Number of generated tokens.
    fn generated(&self) -> usize {
        self.tokens.len() - self.prompt_len
    }

    /// Releases a finished or cancelled request; its KV state stays cached.
    pub(crate) fn release(mut self, kv_cache: &mut KvCache<'_>) {
        self.drop_chunk(kv_cache);
        let Some(seq_id) = self.seq_id.take() else { return };
        self.tokens.truncate(self.n_past);
        let logits = self
            .prompt_logits
            .take()
            .filter(|_| self.n_past >= self.prompt_len)
            .map(|logits| (self.prompt_len, logits));
        kv_cache.release(seq_id, self.tokens, self.fidelity, logits);
    }

    /// Releases a failed request, whose KV state is not reused.
    pub(crate) fn abort(mut self, kv_cache: &mut KvCache<'_>) {
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

    /// Offloads the sequence to free KV cells for others; the request is resumed later.
    pub(crate) fn preempt(&mut self, kv_cache: &mut KvCache<'_>) {
        self.drop_chunk(kv_cache);
        if let Some(seq_id) = self.seq_id.take() {
            kv_cache.offload_running(seq_id, self.tokens[..self.n_past].to_vec(), self.fidelity);
        }
        self.n_past = 0;
    }

    /// Ends the stream with an error.
    pub(crate) fn fail(&self, error: Error) {
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

/// A token of a batch.
pub(super) struct BatchToken {
    pub token: LlamaToken,
    pub position: usize,
    pub seq_id: SeqId,
    /// Whether the logits after it are needed.
    pub wants_logits: bool,
}

/// What a sequence needs to process the results of a step.
pub(super) struct StepContext<'a, 'model> {
    pub kv_cache: &'a mut KvCache<'model>,
    pub model: &'a LlamaModel,
    /// Context limit in tokens, prompt and answer together.
    pub limit: usize,
}
