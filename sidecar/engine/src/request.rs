//! What is asked of the engine, and the events that come back.

use std::sync::Arc;
use std::time::Duration;

/// One generation: what is there, and how to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is there.
    pub prompt: Prompt,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// The answer ends after this many tokens, at least 1.
    pub max_tokens: u32,
    /// Whether each piece of the answer tells its probability, which costs a look at the whole vocabulary.
    pub logprobs: bool,
    /// Who it may keep waiting, and who may keep it waiting.
    pub priority: Priority,
    /// Whether the answer may be guessed ahead.
    pub speculation: Speculation,
    /// Whether what was read in another place of another text will do.
    pub chunk_reuse: ChunkReuse,
    /// What follows when the model has said all.
    pub eos_policy: EosPolicy,
}

impl Request {
    /// A request of the chat lane that drafts nothing, reads all that was not read exactly so, and ends where the model does.
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

/// Bytes of text per token, a rough estimate for code and prose in English.
pub const BYTES_PER_TOKEN: usize = 4;

/// How urgent a request is. Each lane overtakes those below it; none of them starves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody has stopped typing and waits for the next words.
    Completion,
    /// Somebody reads along.
    Chat,
    /// Nobody waits.
    Background,
}

/// Whether the answer may be guessed ahead from what the prompt and the answer say already. Guesses are checked by the model,
/// so they change the speed and never the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speculation {
    /// Token by token.
    Off,
    /// Where the last tokens have occurred before, what followed them is tried.
    PromptLookup,
}

/// Whether parts of a prompt that were read in another place of another text will do: that is nearly the same, for much less work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkReuse {
    /// The answer does not depend on what was asked before.
    Off,
    /// Where the window over a long file has moved on, and behind the gap where earlier messages were dropped.
    KvShift,
}

/// What follows when the model has said all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EosPolicy {
    /// The answer ends.
    Stop,
    /// The model must go on up to `max_tokens`, as benchmarks ask for.
    Ignore,
}

/// What the model is to go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, oldest message first; the last one is to be answered, or gone on with where it is the model's own.
    Chat(Vec<ChatMessage>),
    /// Text as it is, in which the model's control tokens are meant where they are written out.
    Text(String),
    /// Text with a gap, to be filled by models that were trained for it; see [`crate::Model::supports_fim`].
    Fim {
        /// Other files, shown before it to models that know where a file begins, the most useful first; see
        /// [`crate::Model::supports_repo_context`]. Where room is short, the last are left out.
        files: Vec<RepoFile>,
        /// The path of the file that has the gap, shown to the same models.
        path: Option<String>,
        /// What stands before the gap. Where room is short, its beginning is left out.
        prefix: String,
        /// What stands after the gap. Where room is short, its end is left out.
        suffix: String,
    },
}

/// A file of the project that a text with a gap belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoFile {
    /// Its path in the project.
    pub path: String,
    /// What is in it, or a part of that.
    pub text: String,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who said it.
    pub role: Role,
    /// What was said, as text; never read as the model's control tokens.
    pub content: String,
    /// Whether it may be left out where the context is too small.
    pub truncation: Truncation,
}

impl ChatMessage {
    /// A message that is never left out.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), truncation: Truncation::Never }
    }

    /// A message that gives way, oldest first, where room is short.
    pub fn truncatable(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), truncation: Truncation::Allowed }
    }
}

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The instructions that stand above the conversation.
    System,
    /// The person who asks.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The word that chat templates use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// Whether a message may be left out of a prompt that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncation {
    /// The request fails rather than lose it.
    Never,
    /// It is dropped where room is short, and the answer says so.
    Allowed,
}

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0 takes the likeliest token each time; 2 is wild.
    pub temperature: f32,
    /// Only the likeliest tokens that together have this probability are drawn from, 0 to 1.
    pub top_p: f32,
    /// The same seed, prompt and model give the same answer.
    pub seed: u32,
}

/// What a request yields, in this order: one `Started`, any number of `Reading` and then of `Text`, one `Done`.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The prompt fits; the request is queued or in prefill.
    PromptAccepted(PromptAccepted),
    /// The model reads the prompt; this many of its tokens are in memory.
    Prefill {
        /// Tokens read so far, those reused from memory included.
        tokens: usize,
    },
    /// The next piece of the answer.
    Delta {
        /// Whole characters, never half of one.
        text: String,
        /// The natural logarithm of the probability that the model gave these tokens, before any sampling, where
        /// the request asks for it.
        logprob: Option<f32>,
        /// How many tokens the piece stands for.
        tokens: usize,
    },
    /// The end.
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
    /// Messages marked [`Truncation::Allowed`] that were dropped, or for [`Prompt::Fim`] the number of repository files and ends
    /// of the text that were dropped.
    pub dropped: usize,
}

/// How a generation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Prompt tokens that were already in memory from an earlier request.
    pub cached_tokens: usize,
    /// Tokens of the answer.
    pub completion_tokens: usize,
    /// Tokens that were guessed ahead, see [`Speculation::PromptLookup`].
    pub drafted_tokens: usize,
    /// Of those, tokens that were right: each spared a step of the model.
    pub accepted_tokens: usize,
    /// Time spent on reading the prompt.
    pub prefill: Duration,
    /// Time from the first token of the answer to its last.
    pub decode: Duration,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model had said all.
    Stop,
    /// `max_tokens` or the context was used up.
    Length,
}
