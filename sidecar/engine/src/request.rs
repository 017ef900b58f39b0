//! What is asked of the engine, and the events that come back.

use std::time::Duration;

/// One generation: what is there, and how to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is there.
    pub prompt: Prompt,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// The answer ends after this many tokens. With 0 the prompt is only laid out and counted: nothing follows [`Event::Started`].
    pub max_tokens: u32,
    /// Whether each piece of the answer tells its probability, which costs a look at the whole vocabulary.
    pub probabilities: bool,
    /// Who it may keep waiting, and who may keep it waiting.
    pub lane: Lane,
    /// Whether the answer may be guessed ahead.
    pub drafts: Drafts,
    /// Whether what was read in another place of another text will do.
    pub moves: Moves,
    /// What follows when the model has said all.
    pub at_end: AtEnd,
}

impl Request {
    /// A request of the chat lane that drafts nothing, reads all that was not read exactly so, and ends where the model does.
    #[must_use]
    pub fn new(prompt: Prompt, sampling: Sampling, max_tokens: u32) -> Self {
        Self {
            prompt,
            sampling,
            max_tokens,
            probabilities: false,
            lane: Lane::Chat,
            drafts: Drafts::Off,
            moves: Moves::Never,
            at_end: AtEnd::Stop,
        }
    }
}

/// How urgent a request is. Each lane overtakes those below it; none of them starves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
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
pub enum Drafts {
    /// Token by token.
    Off,
    /// Where the last tokens have occurred before, what followed them is tried.
    Lookup,
}

/// Whether parts of a prompt that were read in another place of another text will do: that is nearly the same, for much less work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moves {
    /// The answer does not depend on what was asked before.
    Never,
    /// Where the window over a long file has moved on, and behind the gap where earlier messages were dropped.
    WhereCut,
}

/// What follows when the model has said all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// The answer ends.
    Stop,
    /// The model must go on up to `max_tokens`, as benchmarks ask for.
    GoOn,
}

/// What the model is to go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, oldest message first; the last one is to be answered, or gone on with where it is the model's own.
    Chat(Vec<Message>),
    /// Text as it is, in which the model's control tokens are meant where they are written out.
    Text(String),
    /// Text with a gap, to be filled by models that were trained for it; see [`crate::Model::fills`].
    Fill {
        /// Other files, shown before it to models that know where a file begins, the most useful first; see
        /// [`crate::Model::knows_files`]. Where room is short, the last are left out.
        files: Vec<File>,
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
pub struct File {
    /// Its path in the project.
    pub path: String,
    /// What is in it, or a part of that.
    pub text: String,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said, as text; never read as the model's control tokens.
    pub content: String,
    /// Whether it may be left out where the context is too small.
    pub keep: Keep,
}

impl Message {
    /// A message that is never left out.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), keep: Keep::Always }
    }

    /// A message that gives way, oldest first, where room is short.
    pub fn if_room(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), keep: Keep::IfRoom }
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
pub enum Keep {
    /// The request fails rather than lose it.
    Always,
    /// It is dropped where room is short, and the answer says so.
    IfRoom,
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
    /// The prompt was accepted and waits for its turn, or is being read.
    Started {
        /// Tokens of the prompt; 0 where they are told at the end only.
        prompt_tokens: usize,
        /// Tokens that prompt and answer may have together; 0 where nobody tells.
        limit: usize,
        /// How many of the messages marked [`Keep::IfRoom`] were left out, or how many files and ends of a text
        /// with a gap.
        dropped: usize,
    },
    /// The model reads the prompt; this many of its tokens are in memory.
    Reading {
        /// Tokens read so far, those reused from memory included.
        tokens: usize,
    },
    /// The next piece of the answer.
    Text {
        /// Whole characters, never half of one.
        text: String,
        /// The natural logarithm of the probability that the model gave these tokens, before any sampling, where
        /// the request asks for it.
        log_probability: Option<f32>,
        /// How many tokens the piece stands for.
        tokens: usize,
    },
    /// The end.
    Done(Summary),
}

/// How a generation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Why it ended.
    pub finish: Finish,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Prompt tokens that were already in memory from an earlier request.
    pub reused_tokens: usize,
    /// Tokens of the answer.
    pub completion_tokens: usize,
    /// Tokens that were guessed ahead, see [`Drafts::Lookup`].
    pub guessed_tokens: usize,
    /// Of those, tokens that were right: each spared a step of the model.
    pub right_tokens: usize,
    /// Time spent on reading the prompt.
    pub prefill: Duration,
    /// Time from the first token of the answer to its last.
    pub decode: Duration,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model had said all.
    Stop,
    /// `max_tokens` or the context was used up.
    Length,
}
