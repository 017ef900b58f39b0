//! One request while the model works on it: first its prompt is read in steps, then one token follows another.

use std::time::{Duration, Instant};

use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;

use super::{Memory, PREFILL_STEP};
use crate::handle::Job;
use crate::utf8::Decoder;
use crate::{Error, Event, Finish, Sampling, Summary};

pub(super) struct Turn {
    job: Job,
    prompt: Vec<LlamaToken>,
    reused: usize,
    /// Tokens of the answer so far; all but the last are in memory.
    answer: Vec<LlamaToken>,
    sampler: LlamaSampler,
    decoder: Decoder,
    started: Instant,
    prefill: Option<Duration>,
}

impl Turn {
    /// A turn whose first `reused` prompt tokens are in memory already.
    pub fn new(job: Job, prompt: Vec<LlamaToken>, reused: usize) -> Self {
        let sampler = sampler(job.request.sampling);
        let (answer, decoder, started) = (Vec::new(), Decoder::default(), Instant::now());
        Self { job, prompt, reused, answer, sampler, decoder, started, prefill: None }
    }

    /// One step of the model. `None` when the turn is over: finished, failed, or nobody waits for it any more.
    pub fn step(mut self, model: &LlamaModel, memory: &mut Memory<'_>, limit: usize) -> Option<Self> {
        if self.job.reply.is_abandoned() {
            return None;
        }
        if let Err(error) = self.feed(memory) {
            self.job.reply.send(Err(error));
            return None;
        }
        if memory.tokens.len() < self.prompt.len() {
            self.job.reply.send(Ok(Event::Reading { tokens: memory.tokens.len() }));
            return Some(self);
        }
        self.prefill.get_or_insert_with(|| self.started.elapsed());
        let token = self.sampler.sample(&memory.context, -1);
        if model.vocab().is_eog(token) {
            self.finish(Finish::Stop);
            return None;
        }
        self.answer.push(token);
        let text = self.decoder.push(&model.vocab().token_to_piece(token, false, None));
        if !text.is_empty() {
            let log_probability =
                self.job.request.probabilities.then(|| log_probability(memory.context.get_logits_ith(-1), token));
            self.job.reply.send(Ok(Event::Text { text, log_probability, tokens: 1 }));
        }
        let full = memory.tokens.len() + 1 >= limit;
        if full || self.answer.len() >= self.job.request.max_tokens as usize {
            self.finish(Finish::Length);
            return None;
        }
        Some(self)
    }

    /// Reads the next tokens into memory: a step of the prompt, or the last token of the answer.
    fn feed(&mut self, memory: &mut Memory<'_>) -> Result<(), Error> {
        let done = memory.tokens.len();
        let next: &[LlamaToken] = match self.answer.last() {
            Some(token) => std::slice::from_ref(token),
            None => &self.prompt[done..self.prompt.len().min(done + PREFILL_STEP)],
        };
        let mut batch = LlamaBatch::new(next.len(), 1);
        let last_of_prompt = done + next.len() >= self.prompt.len();
        for (offset, token) in next.iter().enumerate() {
            let position = i32::try_from(done + offset).expect("a context has fewer than 2^31 tokens");
            let logits = last_of_prompt && offset + 1 == next.len();
            batch.add(*token, position, &[0], logits).expect("the batch was made for these tokens");
        }
        memory.context.decode(&mut batch).map_err(|error| Error::Broken(error.to_string()))?;
        memory.tokens.extend_from_slice(next);
        Ok(())
    }

    fn finish(&mut self, finish: Finish) {
        let rest = self.decoder.finish();
        if !rest.is_empty() {
            self.job.reply.send(Ok(Event::Text { text: rest, log_probability: None, tokens: 0 }));
        }
        let prefill = self.prefill.unwrap_or_default();
        self.job.reply.send(Ok(Event::Done(Summary {
            finish,
            prompt_tokens: self.prompt.len(),
            reused_tokens: self.reused,
            completion_tokens: self.answer.len(),
            prefill,
            decode: self.started.elapsed().saturating_sub(prefill),
        })));
    }
}

/// The natural logarithm of a token's probability: its logit, less the logarithm of the sum of all exponentials, computed
/// from the greatest logit so that nothing overflows.
fn log_probability(logits: &[f32], token: LlamaToken) -> f32 {
    let chosen =
        usize::try_from(token.0).ok().and_then(|index| logits.get(index)).copied().unwrap_or(f32::NEG_INFINITY);
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - greatest).exp()).sum();
    chosen - greatest - sum.ln()
}

/// llama.cpp's chain for these settings. Only the 40 likeliest tokens are ever looked at, which costs nothing in quality and
/// spares sorting a vocabulary of 150,000.
fn sampler(sampling: Sampling) -> LlamaSampler {
    if sampling.temperature <= 0.0 {
        return LlamaSampler::greedy();
    }
    let chain = [
        LlamaSampler::top_k(40),
        LlamaSampler::top_p(sampling.top_p, 1),
        LlamaSampler::temp(sampling.temperature),
        LlamaSampler::dist(sampling.seed),
    ];
    LlamaSampler::chain(chain, true)
}
