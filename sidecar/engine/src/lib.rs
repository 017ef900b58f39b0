//! A model behind a handle: [`Engine`] takes a [`Request`], gives back a [`TokenStream`] that streams, and stops when it is dropped.
//!
//! The model itself lives on one thread that owns it; nobody locks it. A handle is cheap to clone and knows three things: the
//! thread's mailbox, its [`State`], and how many places the queue has left.

pub mod gguf;
mod handle;
mod llama;
pub mod memory_plan;
mod mock;
mod prefix_cache;
mod prompt_lookup;
mod request;
mod scheduler;
mod template;
mod thread_tracker;
mod utf8;

pub use handle::{Engine, PromptTokens, QueueDepth, TokenSender, TokenStream};
pub use llama::{Device, DiskCacheOptions, Options, clear_disk_cache, default_backends, devices};
pub use mock::{Ending, Script, ScriptedAnswer};
pub use request::{
    BYTES_PER_TOKEN, ChatMessage, ChunkReuse, EosPolicy, Event, FinishReason, Priority, Prompt, PromptAccepted,
    RepoFile, Request, Role, Sampling, Speculation, Truncation, Usage,
};
pub use thread_tracker::wait_for_threads;

use std::path::PathBuf;

/// What the engine is doing with its model.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// There is no model to load.
    NoModel,
    /// The model was taken out of memory, and comes back when it is asked.
    Unloaded,
    /// The model is being read; `progress` goes from 0 to 1.
    Loading {
        /// Share of the file that is in place, 0 to 1.
        progress: f32,
    },
    /// Requests are answered.
    Ready(Model),
    /// The model could not be loaded, or its thread died.
    Failed {
        /// What was being done, to what, and what helps.
        message: String,
    },
}

/// Facts about a loaded model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The file's name without its ending.
    pub name: String,
    /// Bytes of weights.
    pub size_bytes: u64,
    /// Context limit of one request in tokens, prompt and answer together. `None` if it is unknown, as with remote servers.
    pub context: Option<u32>,
    /// Where it runs, such as `CPU (AMD EPYC, AVX512)`.
    pub device: String,
    /// Whether it can fill a gap in a text, which [`Prompt::Fim`] asks for.
    pub supports_fim: bool,
    /// Whether it knows where one file ends and the next begins, so that it can be shown several.
    pub supports_repo_context: bool,
}

/// Why a request was not answered, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No model is there to answer.
    #[error("no model is loaded")]
    NoModel,
    /// The model is not in memory yet.
    #[error("the model is still loading")]
    Loading,
    /// The model could not be loaded.
    #[error("{0}")]
    LoadFailed(String),
    /// Every place in the queue is taken.
    #[error("too many requests wait for the model")]
    Overloaded,
    /// The prompt does not fit, even without what may be left out.
    #[error("the prompt has {tokens} tokens, and the model holds {limit}")]
    ContextTooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// Tokens that fit, with room for an answer kept free.
        limit: usize,
    },
    /// The model was not trained to fill gaps.
    #[error("this model cannot fill a gap in a text")]
    FimUnsupported,
    /// llama.cpp reported an error in the middle of the work.
    #[error("could not go on with the answer: {0}")]
    Inference(String),
    /// The engine's thread has ended.
    #[error("the engine has stopped")]
    EngineStopped,
    /// What was asked elsewhere, see [`TokenStream::channel`], did not answer; whoever asked there knows this word for why.
    #[error("what was asked elsewhere did not answer: {0}")]
    Remote(&'static str),
}

/// Why a model file could not be loaded; becomes [`State::Failed`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("could not open model `{path}`: {reason}; choose another file or download it again", path = path.display())]
    InvalidFile { path: PathBuf, reason: gguf::Error },
    #[error("could not load model `{path}`: {reason}; the file may be damaged or too new, download it again or choose another", path = path.display())]
    LoadFailed { path: PathBuf, reason: String },
    #[error("could not load model `{path}`: no CPU or GPU backend was found in `{folder}`; install HAPA again", path = path.display(), folder = folder.display())]
    NoBackend { path: PathBuf, folder: PathBuf },
    #[error("could not make room for {context} tokens: {reason}; choose a smaller model or context")]
    Context { context: u32, reason: String },
}
