//! The inference engine: [`Engine`] takes a [`Request`], returns a [`TokenStream`], and cancels the request when that is dropped.
//!
//! One thread owns the model, so it needs no lock. A handle is cheap to clone and holds three things: the sender of the job queue,
//! the model's [`State`], and the counters of the queue.

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

/// Load state of the model.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// No model is configured.
    NoModel,
    /// The model was unloaded while idle; the next request loads it again.
    Unloaded,
    /// The model is being loaded.
    Loading {
        /// Share of the file that is loaded, 0 to 1.
        progress: f32,
    },
    /// The model is loaded and serves requests.
    Ready(Model),
    /// The model could not be loaded, or its thread panicked.
    Failed {
        /// What was attempted, why it failed, and what to do.
        message: String,
    },
}

/// A loaded model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// File name without its extension.
    pub name: String,
    /// Size of the weights in bytes.
    pub size_bytes: u64,
    /// Context limit of one request in tokens, prompt and answer together. `None` if it is unknown, as with remote servers.
    pub context: Option<u32>,
    /// Device it runs on, such as `CPU (AMD EPYC, AVX512)`.
    pub device: String,
    /// Whether it supports fill-in-the-middle prompts ([`Prompt::Fim`]).
    pub supports_fim: bool,
    /// Whether it has a file separator token, so that a FIM prompt can include other files of the repository.
    pub supports_repo_context: bool,
}

/// Why a request failed, before or during generation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No model is configured.
    #[error("no model is loaded")]
    NoModel,
    /// The model is not loaded yet.
    #[error("the model is still loading")]
    Loading,
    /// The model could not be loaded; the message is that of [`State::Failed`].
    #[error("{0}")]
    LoadFailed(String),
    /// The request queue is full.
    #[error("too many requests wait for the model")]
    Overloaded,
    /// The prompt exceeds the context limit, even after truncation.
    #[error("the prompt has {tokens} tokens, and at most {limit} fit")]
    ContextTooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// Tokens that fit, without those reserved for the answer.
        limit: usize,
    },
    /// The model has no fill-in-the-middle tokens.
    #[error("the model does not support fill-in-the-middle prompts")]
    FimUnsupported,
    /// llama.cpp or the chat template failed during the request.
    #[error("inference failed: {0}")]
    Inference(String),
    /// The engine thread has ended.
    #[error("the engine has stopped")]
    EngineStopped,
    /// The backend behind a [`TokenStream::channel`] failed. The word is one of that backend's failure codes.
    #[error("the remote backend failed: {0}")]
    Remote(&'static str),
}

/// Why a model could not be loaded; its text becomes [`State::Failed`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("could not open model `{path}`: {reason}; choose another file or download it again", path = path.display())]
    InvalidFile { path: PathBuf, reason: gguf::Error },
    #[error("could not load model `{path}`: {reason}; the file may be damaged or too new, download it again or choose another", path = path.display())]
    LoadFailed { path: PathBuf, reason: String },
    #[error("could not load model `{path}`: no CPU or GPU backend was found in `{folder}`; install HAPA again", path = path.display(), folder = folder.display())]
    NoBackend { path: PathBuf, folder: PathBuf },
    #[error("could not allocate the KV cache for {tokens} tokens: {reason}; choose a smaller model or context")]
    Context { tokens: u32, reason: String },
}
