//! One suggestion: the generated text, cut to what is inserted at the cursor, and the model's confidence in it.

use std::time::Duration;

use engine::{FinishReason, Usage};

use super::request::CompletionRequest;
use super::stop::{CompletionStop, after_indent};
use crate::assistant::generate::ModelType;
use crate::assistant::generate::markdown_splitter::Splitter;
use crate::inference::response_cache::Source;
use crate::metrics::GenerationMetrics;

/// The confidence where the model reports no probabilities.
const UNKNOWN_CONFIDENCE: f64 = 0.5;

/// One suggestion.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// Its id, under which the editor reports whether it was accepted.
    pub id: String,
    /// The text to insert at the cursor.
    pub code: String,
    /// The deltas in which the model generated it.
    pub(super) pieces: Vec<Piece>,
}

/// A delta of an answer: where it ends, in bytes, and its log probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Piece {
    pub end: usize,
    pub logprob: f64,
    pub tokens: usize,
}

impl Suggestion {
    /// The model's confidence, 0 to 1: the geometric mean of the probabilities of its tokens; 0.5 where it reports
    /// none.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        let (mut sum, mut count, mut start) = (0.0, 0, 0);
        for piece in self.pieces.iter().take_while(|piece| {
            let piece_start = start;
            start = piece.end;
            piece_start < self.code.len()
        }) {
            sum += piece.logprob;
            count += piece.tokens;
        }
        if self.pieces.is_empty() {
            UNKNOWN_CONFIDENCE
        } else if count == 0 {
            0.0
        } else {
            (sum / count as f64).exp().clamp(0.0, 1.0)
        }
    }

    /// What remains of it after `typed` has been typed, with the same id. `None` if nothing remains.
    pub(super) fn remaining_after(&self, typed: &str) -> Option<Self> {
        let code = self.code.strip_prefix(typed).filter(|rest| !rest.trim().is_empty())?.to_owned();
        Some(Self { id: self.id.clone(), code, pieces: without_start(&self.pieces, typed.len()) })
    }
}

/// The pieces of a text without its first `length` bytes.
fn without_start(pieces: &[Piece], length: usize) -> Vec<Piece> {
    let rest = pieces.iter().filter(|piece| piece.end > length);
    rest.map(|piece| Piece { end: piece.end - length, ..*piece }).collect()
}

/// What the model generated for one request.
#[derive(Debug)]
pub(super) struct RawCompletion {
    pub text: String,
    pub pieces: Vec<Piece>,
    /// Whether the model stopped by itself.
    pub is_complete: bool,
    pub prompt_tokens: usize,
    /// The context size, for prompt and completion together, in tokens; `None` where a remote server does not report
    /// it.
    pub limit: Option<usize>,
    pub tokens: usize,
    pub source: Source,
}

impl RawCompletion {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            text: String::new(),
            pieces: Vec::new(),
            is_complete: true,
            prompt_tokens: 0,
            limit: None,
            tokens: 0,
            source,
        }
    }

    /// Appends a piece of text.
    pub(crate) fn push(&mut self, text: &str, logprob: Option<f32>, tokens: usize) {
        self.text.push_str(text);
        self.tokens += tokens;
        if let Some(logarithm) = logprob.filter(|logarithm| logarithm.is_finite()) {
            self.pieces.push(Piece { end: self.text.len(), logprob: logarithm.into(), tokens });
        }
    }

    /// The text without the indentation that is before the cursor already.
    pub(crate) fn after_indent(mut self, indent: &str) -> Self {
        let skipped = self.text.len() - after_indent(&self.text, indent).len();
        self.text.drain(..skipped);
        self.pieces = without_start(&self.pieces, skipped);
        self
    }

    /// Its first `end` bytes.
    pub(crate) fn up_to(mut self, end: usize) -> Self {
        self.text.truncate(end);
        self
    }

    /// The code block of a chat model's answer, without the line that the model may have repeated.
    pub(crate) fn extract_code(mut self, request: &CompletionRequest, stop: &CompletionStop) -> Self {
        let mut splitter = Splitter::new(&request.language);
        splitter.push(&self.text);
        splitter.finish();
        let code = if splitter.code().is_empty() { self.text.trim_end() } else { splitter.code() };
        let line = request.prefix.rsplit('\n').next().unwrap_or_default().trim_start();
        let repeated = if line.is_empty() { None } else { code.find(line).map(|start| start + line.len()) };
        let code = &code[repeated.unwrap_or(0)..];
        let code = code[..stop.find(code).unwrap_or(code.len())].to_owned();
        let start = self.text.find(&code).unwrap_or(0);
        self.pieces = without_start(&self.pieces, start);
        self.text = code;
        self
    }

    /// Its metrics, `duration` after the request.
    pub(crate) fn metrics(&self, duration: Duration) -> GenerationMetrics {
        GenerationMetrics {
            model_type: ModelType::CodeCompletion.as_str(),
            success: true,
            duration,
            first_token: None,
            tokens_per_second: None,
            prompt_tokens: self.prompt_tokens as u64,
            reused_tokens: 0,
            completion_tokens: self.tokens as u64,
        }
    }

    /// The usage of an answer that was cut at its stop.
    pub(crate) fn summary(&self) -> Usage {
        Usage {
            finish_reason: FinishReason::Stop,
            prompt_tokens: self.prompt_tokens,
            cached_tokens: 0,
            completion_tokens: self.tokens,
            drafted_tokens: 0,
            accepted_tokens: 0,
            prefill: Duration::ZERO,
            decode: Duration::ZERO,
        }
    }
}
