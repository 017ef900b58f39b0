//! Who answers a request: the one place where that is decided.
//!
//! The setting `remote_policy` says who may. Where it says `local_then_remote`, the remote server is asked if the model of this
//! machine is absent, cannot be loaded, has too much to do, or breaks before its first word. One that is on its way into memory is
//! waited for by whoever asks, as with `local_only`: it is there in seconds, and nothing need leave the machine.

mod stand_in;

use std::sync::{Arc, OnceLock};

use engine::{Error, Model, Priority, Prompt, PromptTokens, Request, TokenStream};

use self::stand_in::StandIn;
use crate::models::Models;
use crate::remote::Remote;
use crate::settings::{self, RemotePolicy};

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// In this process.
    Local,
    /// On a server that the user has chosen.
    Remote,
}

impl Place {
    /// The API's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
        }
    }
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// The model's name.
    pub model: String,
    /// Where it runs.
    pub place: Place,
}

/// Tells who answers as soon as that is certain: with the answer's first event at the latest.
#[derive(Debug, Clone, Default)]
pub struct By(Arc<OnceLock<Voice>>);

impl By {
    /// Somebody who is known already.
    #[must_use]
    pub fn known(voice: Voice) -> Self {
        Self(Arc::new(OnceLock::from(voice)))
    }

    /// Who it is; `None` while that is open.
    #[must_use]
    pub fn voice(&self) -> Option<Voice> {
        self.0.get().cloned()
    }

    /// Says who it is. What was said first counts.
    fn is(&self, voice: Voice) {
        let _ = self.0.set(voice);
    }
}

/// Who is to answer, with what there is to know about the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The model.
    pub model: Model,
    /// Where it runs.
    pub place: Place,
}

impl Candidate {
    /// What is told of it.
    #[must_use]
    pub fn voice(&self) -> Voice {
        Voice { model: self.model.name.clone(), place: self.place }
    }
}

/// All who can answer. Clones share them.
#[derive(Debug, Clone)]
pub struct Backend {
    models: Models,
    remote: Remote,
    settings: settings::Handle,
}

impl Backend {
    /// The models of this process, and the remote server where the settings allow it.
    #[must_use]
    pub fn new(models: Models, remote: Remote, settings: settings::Handle) -> Self {
        Self { models, remote, settings }
    }

    /// Who would answer a request of this lane now.
    ///
    /// # Errors
    /// Why nobody would.
    pub async fn candidate(&self, lane: Priority) -> Result<Candidate, Error> {
        let policy = self.policy();
        if policy == RemotePolicy::Remote {
            return self.elsewhere().await;
        }
        let model = self.models.model(lane).and_then(|model| {
            let load = self.models.load();
            // Known beforehand, so that the question is laid out for whoever is going to answer.
            let full = load.capacity > 0 && load.waiting() + load.active >= load.capacity;
            if full && policy == RemotePolicy::LocalThenRemote { Err(Error::Overloaded) } else { Ok(model) }
        });
        match model {
            Ok(model) => Ok(Candidate { model, place: Place::Local }),
            Err(error) if policy == RemotePolicy::LocalThenRemote && gives_way(&error) => self.elsewhere().await,
            Err(error) => Err(error),
        }
    }

    /// Who answers instead of a candidate that has failed and of whom nothing was shown; `None` if nobody does.
    pub async fn instead_of(&self, candidate: &Candidate, error: &Error) -> Option<Candidate> {
        let is_local = candidate.place == Place::Local && self.policy() == RemotePolicy::LocalThenRemote;
        if is_local && gives_way(error) { self.elsewhere().await.ok() } else { None }
    }

    /// Counts the tokens of a prompt of the chat lane for this candidate; `None` for a remote server, which does not tell.
    pub async fn count(&self, candidate: &Candidate, prompt: Prompt) -> Option<Result<PromptTokens, Error>> {
        match candidate.place {
            Place::Local => Some(self.models.count(prompt).await),
            Place::Remote => None,
        }
    }

    /// Asks this candidate, and nobody else.
    ///
    /// # Errors
    /// Why it cannot answer.
    pub fn ask(&self, candidate: &Candidate, request: Request) -> Result<(TokenStream, By), Error> {
        match candidate.place {
            Place::Local => {
                let (answer, model) = self.models.submit(request)?;
                Ok((answer, By::known(Voice { model: model.name, place: Place::Local })))
            }
            Place::Remote => {
                let answer = self.remote.submit(request, candidate.model.name.clone())?;
                Ok((answer, By::known(candidate.voice())))
            }
        }
    }

    /// Asks this candidate, and whoever answers instead if it fails before its first word.
    ///
    /// # Errors
    /// Why nobody can.
    pub fn submit(&self, candidate: &Candidate, request: Request) -> Result<(TokenStream, By), Error> {
        let is_local = candidate.place == Place::Local && self.policy() == RemotePolicy::LocalThenRemote;
        // A gap can be filled by models that were trained for it, and by nobody else.
        if !is_local || matches!(request.prompt, Prompt::Fim { .. }) {
            return self.ask(candidate, request);
        }
        let asked = self.ask(candidate, request.clone());
        if let Err(error) = &asked
            && !gives_way(error)
        {
            return Err(error.clone());
        }
        let stand_in = StandIn { backend: self.clone(), candidate: candidate.clone(), request };
        Ok(stand_in.hear(asked, self.settings.current().request_timeout))
    }

    fn policy(&self) -> RemotePolicy {
        self.settings.current().remote_policy
    }

    async fn elsewhere(&self) -> Result<Candidate, Error> {
        Ok(Candidate { model: self.remote.model().await?, place: Place::Remote })
    }
}

/// Whether an error of a model here is a reason to ask elsewhere: the model cannot answer, and waiting would not help.
fn gives_way(error: &Error) -> bool {
    match error {
        Error::NoModel | Error::LoadFailed(_) | Error::Overloaded | Error::Inference(_) | Error::EngineStopped => true,
        Error::Loading | Error::ContextTooLong { .. } | Error::FimUnsupported | Error::Remote(_) => false,
    }
}
