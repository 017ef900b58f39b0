//! Who answers a request: the one place where that is decided.

use std::sync::{Arc, OnceLock};

use engine::{Answer, Error, Lane, Model, Request};

use crate::models::Models;

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
}

/// All who can answer. Clones share them.
#[derive(Debug, Clone)]
pub struct Backend {
    models: Models,
}

impl Backend {
    /// The models of this process, and nobody else.
    #[must_use]
    pub fn new(models: Models) -> Self {
        Self { models }
    }

    /// The model that would answer a request of this lane now.
    ///
    /// # Errors
    /// Why none does.
    pub fn model(&self, lane: Lane) -> Result<Model, Error> {
        self.models.model(lane)
    }

    /// Asks whoever is to answer.
    ///
    /// # Errors
    /// Why nobody can.
    pub fn submit(&self, request: Request) -> Result<(Answer, By), Error> {
        let (answer, model) = self.models.submit(request)?;
        Ok((answer, By::known(Voice { model: model.name, place: Place::Local })))
    }
}
