//! Generation requests, and the events of their token streams.

use std::sync::Arc;
use std::time::Duration;

/// One generation request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What the model continues.
    pub prompt: Prompt,
    /// Sampling parameters.
    pub sampling: Sampling,
    /// Maximum tokens of the answer, at least 1.
    pub max_tokens: u32,
    /// Whether each [`Event::Delta`] carries its log-probability, which costs a pass over the whole vocabulary per token.
    pub logprobs: bool,
    /// Scheduling priority.
    pub priority: Priority,
    /// Speculative decoding.
    pub speculation: Speculation,
    /// Reuse of KV cache chunks at other positions.
    pub chunk_reuse: ChunkReuse,
    /// What happens at an end-of-sequence token.
    pub eos_policy: EosPolicy,
}

impl Request {
    /// A request of chat priority, without speculative decoding, without chunk reuse, that stops at the end of the sequence.
    #[must_use]
    pub fn new(prompt: Prompt, sampling: Sampling, max_tokens: u32) -> Self {
        Self {
            prompt,
            sampling,
            max_tokens,
            logprobs: false,
            priority: Priority::Chat,
            speculation: Speculation::Off,
            chunk_reuse: ChunkReuse::Off,
            eos_policy: EosPolicy::Stop,
        }
    }
}

/// Bytes of text per token, a rough estimate.
pub const BYTES_PER_TOKEN: usize = 4;

/// Priority class of a request. Each class overtakes those below it; none of them starves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Completion in an editor: the user has stopped typing and waits for a suggestion.
    Completion,
    /// Chat: the user reads the answer while it streams.
    Chat,
    /// Background work, for which no user waits.
    Background,
}

/// Speculative decoding. The model verifies every draft token, so it changes the speed; the text can differ only where two tokens are
/// about equally likely, since batched arithmetic rounds differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speculation {
    /// One token per step.
    Off,
    /// Prompt lookup: if the last tokens occurred before in prompt or answer, the tokens after them are the draft.
    PromptLookup,
}

/// Reuse of KV cache chunks that were computed at another position, after other tokens (llama.cpp: `--cache-reuse`). The result is
/// nearly the same as with a full prefill, for much less computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkReuse {
    /// No reuse: the answer does not depend on earlier requests.
    Off,
    /// Reuse by KV shift, if the prompt was truncated: behind dropped messages, and behind the moved start of a FIM window.
    KvShift,
}

/// What happens at an end-of-sequence token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EosPolicy {
    /// The answer ends.
    Stop,
    /// The token is never sampled, so that the answer has `max_tokens` tokens, as benchmarks need it.
    Ignore,
}

/// What the model continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, oldest message first. If the last message is the assistant's, the model continues it.
    Chat(Vec<ChatMessage>),
    /// Raw text without a chat template. Control tokens that are written out in it are parsed as such.
    Text(String),
    /// Fill in the middle, for models that support it; see [`crate::Model::supports_fim`].
    Fim {
        /// Other files of the repository, the most relevant first, for models with
        /// [`crate::Model::supports_repo_context`]. The last ones are dropped if the context is too small.
        files: Vec<RepoFile>,
        /// Path of the file to complete, for the same models.
        path: Option<String>,
        /// Text before the cursor. Its beginning is dropped if the context is too small.
        prefix: String,
        /// Text after the cursor. Its end is dropped if the context is too small.
        suffix: String,
    },
}

/// A file of the repository that a FIM prompt includes as context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoFile {
    /// Path in the repository.
    pub path: String,
    /// Content, or an excerpt.
    pub text: String,
}

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Its author.
    pub role: Role,
    /// Its text. Control tokens that are written out in it are never parsed as such.
    pub content: String,
    /// Whether it may be dropped if the context is too small.
    pub truncation: Truncation,
}

impl ChatMessage {
    /// A message that is never dropped.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), truncation: Truncation::Never }
    }

    /// A message that may be dropped, oldest first, if the context is too small.
    pub fn truncatable(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), truncation: Truncation::Allowed }
    }
}

/// Author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// System instructions.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The role's name in chat templates.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// Whether a message may be dropped if the prompt exceeds the context limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncation {
    /// Never: the request fails instead.
    Never,
    /// Allowed. [`PromptAccepted::dropped`] has the number of dropped messages.
    Allowed,
}

/// Sampling parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Temperature, 0 to 2; 0 is greedy sampling.
    pub temperature: f32,
    /// Nucleus sampling: cumulative probability of the tokens to sample from, 0 to 1.
    pub top_p: f32,
    /// RNG seed. The same seed, prompt and model give the same answer.
    pub seed: u32,
}

/// An event of a token stream, in this order: one `PromptAccepted`, any number of `Prefill`, any number of `Delta`, one `Done`.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The prompt fits; the request is queued or in prefill.
    PromptAccepted(PromptAccepted),
    /// Prefill progress.
    Prefill {
        /// Prompt tokens in the KV cache, cached ones included.
        tokens: usize,
    },
    /// The next piece of the answer.
    Delta {
        /// Complete characters, never part of one.
        text: String,
        /// Natural logarithm of the probability that the model gave these tokens before sampling, if the request asks for it.
        logprob: Option<f32>,
        /// Number of tokens of the piece.
        tokens: usize,
    },
    /// The answer is complete.
    Done(Usage),
}

/// The first event of every answer: which model answers, and how the prompt fits into its context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptAccepted {
    /// Name of the model that answers, see [`crate::Model::name`].
    pub model: Arc<str>,
    /// Tokens of the prompt. `None` if they are reported only in [`Usage`], as by remote servers.
    pub prompt_tokens: Option<usize>,
    /// Context limit in tokens, prompt and answer together. `None` if it is unknown, as with remote servers.
    pub limit: Option<usize>,
    /// Number of dropped messages; for [`Prompt::Fim`], of dropped files plus truncated ends of the text.
    pub dropped: usize,
}

/// Token usage and timings of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Why the answer ended.
    pub finish_reason: FinishReason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Prompt tokens that were served from the KV cache.
    pub cached_tokens: usize,
    /// Tokens of the answer.
    pub completion_tokens: usize,
    /// Draft tokens, see [`Speculation::PromptLookup`].
    pub drafted_tokens: usize,
    /// Draft tokens that the model accepted. Each of them saved a decode step.
    pub accepted_tokens: usize,
    /// Duration of the prefill.
    pub prefill: Duration,
    /// Time from the first token of the answer to the last.
    pub decode: Duration,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// An end-of-sequence token.
    Stop,
    /// `max_tokens` or the context limit was reached.
    Length,
}
