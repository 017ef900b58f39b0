//! One request at work: its text as far as it is known, how much of it the model has read, and what its caller was told.

use std::time::{Duration, Instant};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::kv_cache::{KvCache, PrefixHit, SeqId, ShiftedChunk};
use super::sampler::{Sampler, TopLogits};
use crate::handle::Job;
use crate::prefix_cache::{self, KvFidelity};
use crate::prompt_lookup::{Draft, PromptLookup};
use crate::scheduler::{Allocation, Demand};
use crate::utf8::Decoder;
use crate::{EosPolicy, Error, Event, FinishReason, Speculation, Usage};

pub(super) struct Turn {
    pub job: Job,
    /// Prompt and answer.
    text: Vec<LlamaToken>,
    prompt: usize,
    /// Tokens of the text that are in the model's kv_cache.
    read: usize,
    reused: usize,
    /// Where they are; none while the request has to give way.
    sequence: Option<SeqId>,
    /// How what was read of other texts may be used, and how what is there was read.
    wanted: KvFidelity,
    likeness: KvFidelity,
    /// A part of the prompt further on that need not be read.
    ahead: Option<ShiftedChunk>,
    sampler: Sampler,
    decoder: Decoder,
    lookup: Option<PromptLookup<LlamaToken>>,
    /// What is guessed to come next, as far as it is checked.
    drafts: Vec<LlamaToken>,
    /// How often the next token is certain enough to be believed beside guesses, 0 to 1.
    certainty: f64,
    /// The last token is read once more by itself, because guesses beside it made what follows it uncertain.
    alone: bool,
    /// Tokens guessed so far, and how many of them were right.
    guesses: (usize, usize),
    /// What comes after the prompt: for the next one who asks the same.
    after_prompt: Option<TopLogits>,
    started: Instant,
    prefill: Option<Duration>,
}

/// Whether a request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    GoesOn,
    Over,
}

/// What was said in a step.
struct Spoken {
    progress: Progress,
    /// Tokens.
    said: usize,
    /// What would have followed was too close to call.
    uncertain: bool,
}

/// The lead in logits below which the likeliest token is not believed where guesses were checked beside it. Many tokens at a time
/// are computed in another order than one by one, and quantised models round the difference: of 600 tokens of two models,
/// probabilities differed by 0.01 at the ninetieth percentile and by 0.18 at most.
const MIN_LOGIT_MARGIN: f32 = 0.25;

/// How often the next token is certain, before any was seen.
const USUALLY_CERTAIN: f64 = 0.95;

/// Weight of the newest token in that.
const NEWEST: f64 = 0.05;

/// So many tokens to read are worth waiting for somebody who reads them already.
const WORTH_WAITING: usize = 32;

impl Turn {
    /// A request whose prompt is laid out.
    pub fn new(job: Job, prompt: Vec<LlamaToken>, wanted: KvFidelity, can_guess: bool) -> Self {
        let sampler = Sampler::new(job.request.sampling);
        let lookup = (can_guess && job.request.speculation == Speculation::PromptLookup).then(PromptLookup::default);
        Self {
            sampler,
            lookup,
            prompt: prompt.len(),
            text: prompt,
            read: 0,
            reused: 0,
            sequence: None,
            wanted,
            likeness: KvFidelity::Exact,
            ahead: None,
            decoder: Decoder::default(),
            drafts: Vec::new(),
            certainty: USUALLY_CERTAIN,
            alone: false,
            guesses: (0, 0),
            after_prompt: None,
            started: Instant::now(),
            prefill: None,
            job,
        }
    }

    /// Whether somebody of no less urgency is at work who will have read more of what this one has to read than anybody before.
    pub fn would_follow(&self, turns: &[Self], kv_cache: &KvCache<'_>) -> bool {
        let remembered = || kv_cache.cached_prefix_len(&self.text, self.wanted);
        turns.iter().any(|turn| {
            let common = prefix_cache::common_prefix_len(&turn.text, &self.text);
            turn.job.request.priority <= self.job.request.priority
                && turn.read < common
                && common > WORTH_WAITING
                && common > remembered() + WORTH_WAITING
        })
    }

    /// Where somebody at work has read the same, and how many tokens of it.
    pub fn neighbour(&self, turns: &[Self]) -> Option<(SeqId, usize)> {
        let read = |turn: &Self| {
            let read = &turn.text[..turn.read];
            turn.sequence.map(|sequence| (sequence, prefix_cache::common_prefix_len(read, &self.text)))
        };
        let fitting = turns.iter().filter(|turn| turn.likeness <= self.wanted);
        fitting.filter_map(read).max_by_key(|(_, common)| *common)
    }

    /// Begins, or goes on after giving way, from what is remembered or from what somebody else has just read. What is known
    /// already of the first word is said at once.
    pub fn begin(
        &mut self,
        kv_cache: &mut KvCache<'_>,
        beside: Option<(SeqId, usize)>,
        model: &LlamaModel,
        limit: usize,
    ) -> Progress {
        // After giving way, it goes on from where it was.
        let wanted = self.wanted.max(self.likeness);
        let PrefixHit { seq_id, n_past, logits, fidelity, chunk } = kv_cache.acquire(&self.text, beside, wanted);
        (self.sequence, self.read, self.likeness, self.ahead) = (Some(sequence), read, likeness, ahead);
        self.join(kv_cache);
        let is_fresh = self.text.len() == self.prompt;
        if is_fresh {
            self.job.responder.mark_active();
            self.started = Instant::now();
            self.reused = self.read;
        }
        match next {
            Some(next) if is_fresh && (next.has_logprobs() || !self.job.request.logprobs) => {
                self.speak(vec![next], model, limit).progress
            }
            // It is known, but not well enough: the last token is read again.
            Some(_) => {
                self.read = self.read.saturating_sub(1);
                if let Err(error) = kv_cache.truncate(sequence, self.read) {
                    self.fail(error);
                    return Progress::Over;
                }
                Progress::GoesOn
            }
            None => Progress::GoesOn,
        }
    }

    /// What it would like of the next step. `most` tokens may be guessed.
    pub fn demand(&mut self, most: usize) -> Demand {
        let until = self.ahead.as_ref().map_or(self.text.len(), |ahead| ahead.target);
        let pending = until - self.read;
        let room = (self.job.request.max_tokens as usize).saturating_sub(self.said() + 1);
        let speaks = pending == 1 && self.read >= self.prompt && !self.alone;
        let lookup = self.lookup.as_mut().filter(|_| speaks && most > 0);
        let draft = lookup.map(|lookup| lookup.propose(&self.text, most.min(room)));
        let Draft { tokens, acceptance } = draft.unwrap_or_default();
        self.drafts = tokens;
        Demand { priority: self.job.request.priority, pending, acceptance, confidence: self.certainty }
    }

    /// The tokens of its share of a step, and where in its sequence they go. All of those marked are to be judged by the model.
    pub fn tokens(&self, allocation: Allocation) -> impl Iterator<Item = Fed> {
        let sequence = self.sequence.expect("only who has a sequence takes part in a step");
        let read = self.text[self.read..self.read + allocation.tokens].iter();
        let whole = self.read + allocation.tokens == self.text.len();
        let last = allocation.tokens.wrapping_sub(1);
        let read = read.enumerate().map(move |(index, token)| (*token, whole && index == last));
        let drafts = self.drafts[..allocation.draft_tokens].iter().map(|token| (*token, true));
        read.chain(drafts).zip(self.read..).map(move |((token, judged), position)| Fed {
            token,
            position,
            sequence,
            judged,
        })
    }

    /// Takes in what came of its share of a step, which began at row `first` of it.
    pub fn take(&mut self, allocation: Allocation, first: usize, step: &mut Step<'_, '_>) -> Progress {
        let Step { kv_cache, model, limit } = step;
        self.read += allocation.tokens;
        if allocation.tokens == 0 {
            return Progress::GoesOn;
        }
        self.join(kv_cache);
        if self.read < self.text.len() {
            self.job.responder.send(Ok(Event::Prefill { tokens: self.read }));
            return Progress::GoesOn;
        }
        self.drafts.truncate(allocation.draft_tokens);
        let rows = first + allocation.tokens - 1..first + allocation.tokens + allocation.draft_tokens;
        let probabilities = self.job.request.logprobs;
        // Later rows count only as far as the guesses before them were right.
        let likely = rows.map(|row| TopLogits::of(kv_cache.logits(row), probabilities));
        let Spoken { progress, said, uncertain } = self.speak(likely, model, *limit);
        let right = if uncertain { said } else { said.saturating_sub(1) };
        self.alone = uncertain;
        let kept = self.read + right - usize::from(uncertain);
        if allocation.draft_tokens > 0 {
            self.guesses = (self.guesses.0 + allocation.draft_tokens, self.guesses.1 + right);
            if kept < self.read + allocation.draft_tokens
                && let Some(sequence) = self.sequence
                && let Err(error) = kv_cache.truncate(sequence, kept)
            {
                self.fail(error);
                return Progress::Over;
            }
        }
        self.read = kept;
        progress
    }

    /// Joins what was read further on, once everything before it is read too.
    fn join(&mut self, kv_cache: &mut KvCache<'_>) {
        if let Some(sequence) = self.sequence
            && let Some(ahead) = self.ahead.take_if(|ahead| ahead.target == self.read)
        {
            let joined = kv_cache.attach_chunk(sequence, ahead);
            self.read += joined;
            self.reused += joined;
            self.likeness = KvFidelity::Shifted;
        }
    }

    /// Says one token, and more as far as what was guessed turns out right.
    fn speak(&mut self, likely: impl IntoIterator<Item = TopLogits>, model: &LlamaModel, limit: usize) -> Spoken {
        let vocab = model.vocab();
        self.prefill.get_or_insert_with(|| self.started.elapsed());
        let (mut text, mut said, mut finish, mut uncertain) = (String::new(), 0, None, false);
        let guessing = !self.drafts.is_empty() && self.job.request.sampling.temperature <= 0.0;
        let mut certainty = self.job.request.logprobs.then_some(0.0_f32);
        for likely in likely {
            if self.text.len() == self.prompt {
                self.after_prompt = Some(likely.clone());
            }
            let likely = match self.job.request.eos_policy {
                EosPolicy::Stop => likely,
                EosPolicy::Ignore => likely.excluding(|token| vocab.is_eog(token)),
            };
            let is_uncertain = likely.margin() < MIN_LOGIT_MARGIN;
            if said == 0 && !self.alone {
                self.certainty += NEWEST * (f64::from(u8::from(!is_uncertain)) - self.certainty);
            }
            if guessing && is_uncertain {
                uncertain = true;
                break;
            }
            let token = self.sampler.sample(&likely);
            if vocab.is_eog(token) && self.job.request.eos_policy == EosPolicy::Stop {
                finish = Some(FinishReason::Stop);
                break;
            }
            let guessed = self.drafts.get(said).copied();
            certainty = certainty.zip(likely.logprob(token)).map(|(sum, one)| sum + one);
            self.text.push(token);
            said += 1;
            text += &self.decoder.push(&vocab.token_to_piece(token, false, None));
            if self.said() >= self.job.request.max_tokens as usize || self.text.len() >= limit {
                finish = Some(FinishReason::Length);
                break;
            }
            if guessed != Some(token) {
                break;
            }
        }
        if said > 0 {
            self.job.responder.send(Ok(Event::Delta { text, logprob: certainty, tokens: said }));
        }
        if let Some(finish) = finish {
            self.finish(finish);
            return Spoken { progress: Progress::Over, said, uncertain };
        }
        Spoken { progress: Progress::GoesOn, said, uncertain }
    }

    /// Tokens of the answer so far.
    fn said(&self) -> usize {
        self.text.len() - self.prompt
    }

    /// The request is over; what the model has read of it stays for the next one.
    pub fn end(mut self, kv_cache: &mut KvCache<'_>) {
        self.leave(kv_cache);
        let Some(sequence) = self.sequence.take() else { return };
        self.text.truncate(self.read);
        let next = self.after_prompt.take().filter(|_| self.read >= self.prompt).map(|likely| (self.prompt, likely));
        kv_cache.release(sequence, self.text, self.likeness, next);
    }

    /// The request is over, and what the model has read of it cannot be trusted.
    pub fn discard(mut self, kv_cache: &mut KvCache<'_>) {
        self.leave(kv_cache);
        if let Some(sequence) = self.sequence.take() {
            kv_cache.release(sequence, Vec::new(), self.likeness, None);
        }
    }

    fn leave(&mut self, kv_cache: &mut KvCache<'_>) {
        if let Some(ahead) = self.ahead.take() {
            kv_cache.drop_chunk(ahead);
        }
    }

    /// The request makes room for others, and will go on later.
    pub fn give_way(&mut self, kv_cache: &mut KvCache<'_>) {
        self.leave(kv_cache);
        if let Some(sequence) = self.sequence.take() {
            kv_cache.offload_running(sequence, self.text[..self.read].to_vec(), self.likeness);
        }
        self.read = 0;
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
        let prefill = self.prefill.unwrap_or_default();
        self.job.responder.send(Ok(Event::Done(Usage {
            finish_reason: finish,
            prompt_tokens: self.prompt,
            cached_tokens: self.reused,
            completion_tokens: self.said(),
            drafted_tokens: self.guesses.0,
            accepted_tokens: self.guesses.1,
            prefill,
            decode: self.started.elapsed().saturating_sub(prefill),
        })));
    }
}

/// A token on its way into the model.
pub(super) struct Fed {
    pub token: LlamaToken,
    pub position: usize,
    pub sequence: SeqId,
    /// Whether the model is asked what follows it.
    pub judged: bool,
}

/// What a turn needs to take in the outcome of a step.
pub(super) struct Step<'a, 'model> {
    pub kv_cache: &'a mut KvCache<'model>,
    pub model: &'a LlamaModel,
    /// Tokens that prompt and answer may have together.
    pub limit: usize,
}
