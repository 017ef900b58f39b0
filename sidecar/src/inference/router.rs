//! Routes each request to the local models or the remote server.
//!
//! The setting `remote_policy` decides. With `local_then_remote`, the remote server answers if there is no local model,
//! if it cannot be loaded, if its queue is full, or if it fails before its first token. A model that is being loaded is
//! waited for, as with `local_only`: it is ready in seconds, and no request has to leave the machine.

use engine::{Error, Model, Priority, Prompt, PromptAccepted, PromptTokens, Request, TokenStream};

use super::event::{Accepted, BackendKind, Event, EventStream, ModelIdentity, Progress};
use super::fallback::Fallback;
use crate::models::Models;
use crate::remote::Remote;
use crate::settings::{self, RemotePolicy};

/// The model that a request is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The model.
    pub model: Model,
    /// Where it runs.
    pub backend: BackendKind,
}

impl Target {
    /// The name of the model, and where it runs.
    #[must_use]
    pub fn identity(&self) -> ModelIdentity {
        ModelIdentity { model: self.model.name.clone(), backend: self.backend }
    }

    /// The context size, for prompt and answer together, in tokens; `None` where a remote server does not report it.
    #[must_use]
    pub fn context(&self) -> Option<usize> {
        self.model.context.map(|tokens| tokens as usize)
    }
}

/// All backends. Clones share them.
#[derive(Debug, Clone)]
pub struct ModelRouter {
    models: Models,
    remote: Remote,
    settings: settings::Handle,
}

impl ModelRouter {
    /// Routes to the models of this process, and to the remote server where the settings allow it.
    #[must_use]
    pub fn new(models: Models, remote: Remote, settings: settings::Handle) -> Self {
        Self { models, remote, settings }
    }

    /// The model that a request of this priority would be sent to now.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn select(&self, lane: Priority) -> Result<Target, Error> {
        let policy = self.policy();
        if policy == RemotePolicy::Remote {
            return self.remote_target().await;
        }
        let model = self.models.model(lane).and_then(|model| {
            let load = self.models.queue_depth();
            // Checked before the prompt is built, so that it is built for the model that will answer.
            let full = load.capacity > 0 && load.waiting() + load.active >= load.capacity;
            if full && policy == RemotePolicy::LocalThenRemote { Err(Error::Overloaded) } else { Ok(model) }
        });
        match model {
            Ok(model) => Ok(Target { model, backend: BackendKind::Local }),
            Err(error) if policy == RemotePolicy::LocalThenRemote && should_fall_back(&error) => {
                self.remote_target().await
            }
            Err(error) => Err(error),
        }
    }

    /// The target that takes over from one that failed before its first token; `None` if there is none.
    pub async fn fallback_for(&self, target: &Target, error: &Error) -> Option<Target> {
        if self.has_fallback(target) && should_fall_back(error) { self.remote_target().await.ok() } else { None }
    }

    /// Counts the tokens of a chat prompt for this target; `None` for a remote server, whose tokenizer is not
    /// available.
    pub async fn count(&self, target: &Target, prompt: Prompt) -> Option<Result<PromptTokens, Error>> {
        match target.backend {
            BackendKind::Local => Some(self.models.count_tokens(prompt).await),
            BackendKind::Remote => None,
        }
    }

    /// Sends a request to this target, without fallback.
    ///
    /// # Errors
    /// Why the target does not accept it.
    pub fn submit_to(&self, target: &Target, request: Request) -> Result<ModelStream, Error> {
        self.backend_stream(target, request).map(ModelStream::Direct)
    }

    /// Sends a request to this target, and to its fallback if it fails before its first token.
    ///
    /// # Errors
    /// Why no target accepts it.
    pub fn submit(&self, target: &Target, request: Request) -> Result<ModelStream, Error> {
        // Fill-in-the-middle needs a model that was trained for it.
        if !self.has_fallback(target) || matches!(request.prompt, Prompt::Fim { .. }) {
            return self.submit_to(target, request);
        }
        let first = self.backend_stream(target, request.clone());
        if let Err(error) = &first
            && !should_fall_back(error)
        {
            return Err(error.clone());
        }
        let idle = self.settings.current().request_timeout;
        let fallback = Fallback::new(self.clone(), target.clone(), request, first, idle);
        Ok(ModelStream::WithFallback(Box::new(fallback)))
    }

    pub(super) fn backend_stream(&self, target: &Target, request: Request) -> Result<BackendStream, Error> {
        let stream = match target.backend {
            BackendKind::Local => self.models.submit(request)?,
            BackendKind::Remote => self.remote.submit(request, target.model.name.clone())?,
        };
        Ok(BackendStream { stream, backend: target.backend, progress: Progress::start() })
    }

    fn has_fallback(&self, target: &Target) -> bool {
        target.backend == BackendKind::Local && self.policy() == RemotePolicy::LocalThenRemote
    }

    fn policy(&self) -> RemotePolicy {
        self.settings.current().remote_policy
    }

    async fn remote_target(&self) -> Result<Target, Error> {
        Ok(Target { model: self.remote.model().await?, backend: BackendKind::Remote })
    }
}

/// Whether a local model's error is a reason to use the fallback: the model cannot answer, and waiting would not help.
fn should_fall_back(error: &Error) -> bool {
    match error {
        Error::NoModel | Error::LoadFailed(_) | Error::Overloaded | Error::Inference(_) | Error::EngineStopped => true,
        Error::Loading | Error::ContextTooLong { .. } | Error::FimUnsupported | Error::Remote(_) => false,
    }
}

/// The answer to a request. Dropping it stops the model at its next step.
#[derive(Debug)]
pub enum ModelStream {
    /// From one backend.
    Direct(BackendStream),
    /// From the first of two backends that yields a token.
    WithFallback(Box<Fallback>),
}

impl EventStream for ModelStream {
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        match self {
            Self::Direct(stream) => stream.next().await,
            Self::WithFallback(fallback) => fallback.next().await,
        }
    }

    fn progress(&self) -> Progress {
        match self {
            Self::Direct(stream) => stream.progress(),
            Self::WithFallback(fallback) => fallback.progress(),
        }
    }
}

/// The answer of one backend.
#[derive(Debug)]
pub struct BackendStream {
    stream: TokenStream,
    backend: BackendKind,
    progress: Progress,
}

impl EventStream for BackendStream {
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        let event = match self.stream.next().await? {
            Ok(engine::Event::PromptAccepted(PromptAccepted { model, prompt_tokens, limit, dropped })) => {
                let model = ModelIdentity { model: model.as_ref().to_owned(), backend: self.backend };
                Ok(Event::Accepted(Accepted { model, prompt_tokens, limit, dropped }))
            }
            Ok(engine::Event::Prefill { .. }) => Ok(Event::Prefill),
            Ok(engine::Event::Delta { text, logprob, tokens }) => Ok(Event::Delta { text, logprob, tokens }),
            Ok(engine::Event::Done(summary)) => Ok(Event::Done(summary)),
            Err(error) => Err(error),
        };
        self.progress.record(&event);
        Some(event)
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}
