//! The local models: which files there are, which one is assigned to each role, and their memory budget.
//!
//! There are two roles, chat and completion, filled by one model or by two. A background task, the loader, loads and unloads models as
//! the settings say. A request gets the engine that is assigned to its role, or an error that says why there is none.

mod crash_markers;
mod files;
mod import;
mod loader;
mod memory_budget;
pub mod plan_summary;
mod roles;
mod watcher;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use engine::memory_plan::{DoesNotFit, MemoryPlan, ModelSize};
use engine::{Device, Engine, Model, Priority, Prompt, PromptTokens, QueueDepth, Request, State, TokenStream};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use self::crash_markers::CrashMarkers;
pub use self::files::{ModelEntry, configured};
use self::loader::{Command, ModelLoader};
pub use self::memory_budget::Memory;
use self::roles::RoleAssignments;
use crate::base::fs::DiskError;
use crate::base::i18n::LocalizedText;
use crate::base::model_id::ModelId;
use crate::base::validation::ValidationErrors;
use crate::config::Config;
use crate::settings;
use crate::settings::{Patch, Update};

/// What a model is assigned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ModelRole)]
pub enum Role {
    /// Chats and generations; completions too if no completion model is selected.
    Chat,
    /// Completions.
    Completion,
}

impl Role {
    fn for_priority(priority: Priority) -> Self {
        if priority == Priority::Completion { Self::Completion } else { Self::Chat }
    }
}

/// Why a model could not be selected, unloaded, imported or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no model with this id.
    #[error("there is no such model")]
    NotFound,
    /// Settings name models that do not exist.
    #[error("unknown models: {0}")]
    Unknown(ValidationErrors),
    /// `HAPA_MODEL` sets the chat model.
    #[error("HAPA_MODEL sets the chat model")]
    FixedByEnvironment,
    /// The file that `HAPA_MODEL` names cannot be removed.
    #[error("HAPA_MODEL names this file")]
    NamedByEnvironment,
    /// The model is loaded.
    #[error("the model is loaded")]
    InUse,
    /// The file could not be removed.
    #[error("could not remove the model `{}`", .id.0)]
    Remove {
        /// The model's id.
        id: ModelId,
        /// Why it failed.
        source: io::Error,
    },
    /// A settings change failed.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// A model of this name exists already.
    #[error("a model of this name exists already")]
    NameTaken,
    /// The name or the content of an import is not that of a model.
    #[error("not a model file: {0}")]
    InvalidImport(#[from] ValidationErrors),
    /// The upload of an import was interrupted.
    #[error("the import was interrupted: {0}")]
    Interrupted(String),
    /// An import could not be written.
    #[error("the import could not be written: {0}")]
    Disk(#[from] DiskError),
    /// A blocking task failed.
    #[error("a background task failed")]
    Task(#[from] tokio::task::JoinError),
}

/// A handle to the local models. Clones share one state.
#[derive(Debug, Clone)]
pub struct Models(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    roles: RoleAssignments,
    commands: mpsc::Sender<Command>,
    settings: settings::Handle,
    /// The models folder.
    folder: PathBuf,
    /// The file that `HAPA_MODEL` names, which then is the chat model.
    env_model: Option<PathBuf>,
    /// Models whose load crashed the process.
    crash_markers: CrashMarkers,
    /// Whether a test script replaces the model.
    scripted: bool,
}

/// Capacity of the loader's queue; it handles a command in milliseconds.
const COMMAND_CAPACITY: usize = 64;

impl Models {
    /// Starts the loader, which follows the settings until `shutdown`. Returns at once.
    ///
    /// # Errors
    /// If the test script, in debug builds, cannot be read.
    pub fn start(config: &Config, settings: settings::Handle, shutdown: CancellationToken) -> Result<Self, String> {
        let (models, commands) = Self::open(config, settings);
        Self::remove_partial_imports(&config.models());
        if let Some(script) = &config.script {
            let unreadable = |error: &dyn std::fmt::Display| format!("could not read `{}`: {error}", script.display());
            let text = std::fs::read_to_string(script).map_err(|error| unreadable(&error))?;
            let script = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
            models.0.roles.set_scripted(Engine::mock(script));
            return Ok(models);
        }
        let loader = ModelLoader::new(models.clone(), config, commands);
        tokio::spawn(loader.run(shutdown));
        Ok(models)
    }

    /// A handle without a loader, for commands that only change stored data: no model is loaded.
    #[must_use]
    pub fn none(config: &Config, settings: settings::Handle) -> Self {
        Self::open(config, settings).0
    }

    fn open(config: &Config, settings: settings::Handle) -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(COMMAND_CAPACITY);
        let inner = Inner {
            roles: RoleAssignments::default(),
            commands,
            settings,
            folder: config.models(),
            env_model: config.model.clone(),
            crash_markers: CrashMarkers::new(config.data.join("loading")),
            scripted: config.script.is_some(),
        };
        (Self(Arc::new(inner)), receiver)
    }

    /// State of the chat model.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.roles.state(Role::Chat)
    }

    /// State of the chat model, with updates.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<State> {
        self.0.roles.watch()
    }

    /// The model that a request of this priority would use. An unloaded one is loaded.
    ///
    /// # Errors
    /// If no model is ready.
    pub fn model(&self, priority: Priority) -> Result<Model, engine::Error> {
        self.engine(Role::for_priority(priority))?.model()
    }

    /// Submits a request to the model of its role. An unloaded one is loaded.
    ///
    /// # Errors
    /// If no model is ready, or its queue is full.
    pub fn submit(&self, request: Request) -> Result<TokenStream, engine::Error> {
        self.engine(Role::for_priority(request.priority))?.submit(request)
    }

    /// Counts the tokens of a prompt with the chat model.
    ///
    /// # Errors
    /// If no model is ready, or the prompt is too long for the context.
    pub async fn count_tokens(&self, prompt: Prompt) -> Result<PromptTokens, engine::Error> {
        self.engine(Role::Chat)?.count_tokens(prompt).await
    }

    /// The queue depths of all models, summed.
    #[must_use]
    pub fn queue_depth(&self) -> QueueDepth {
        self.0.roles.engines().iter().map(Engine::queue_depth).fold(QueueDepth::default(), |all, one| QueueDepth {
            waiting_by_priority: std::array::from_fn(|priority| {
                all.waiting_by_priority[priority] + one.waiting_by_priority[priority]
            }),
            active: all.active + one.active,
            capacity: all.capacity + one.capacity,
        })
    }

    /// Clears the KV cache of every model, in memory and on disk. Running requests are finished first.
    pub fn clear_kv_cache(&self) {
        for engine in self.0.roles.engines() {
            engine.clear_cache();
        }
        self.send(Command::ClearKvCache);
    }

    /// The memory budget, and how much of it is used.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.0.roles.memory(memory_budget::total(&self.0.settings.current()))
    }

    /// How many layers of the chat model are offloaded to the GPU, and what was reduced to fit; `None` while it is not loaded.
    #[must_use]
    pub fn plan_summary(&self) -> Option<LocalizedText> {
        let assignment = self.0.roles.get(Role::Chat)?;
        let (engine, plan) = assignment.engine_and_plan()?;
        engine.model().ok().map(|_| plan_summary::summary(plan, None))
    }

    /// The devices that models can run on.
    pub async fn devices(&self) -> Vec<Device> {
        if self.0.scripted {
            return Vec::new();
        }
        let work = || {
            let mut devices = engine::devices(&engine::default_backends());
            for processor in devices.iter_mut().filter(|device| !device.gpu) {
                // llama.cpp reports all of main memory as free.
                processor.free_bytes = crate::system::free_memory().unwrap_or(processor.free_bytes);
            }
            devices
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_default()
    }

    /// Lists all models, selected ones first, and plans the memory of `sizes`, each as the only model.
    pub async fn list(&self, sizes: Vec<ModelSize>) -> (Vec<ModelEntry>, Vec<Result<MemoryPlan, DoesNotFit>>) {
        let models = self.clone();
        // Reading a file's header takes milliseconds.
        let work = move || {
            let memory = files::available_memory(&models);
            (files::list(&models, &memory), sizes.iter().map(|size| memory_budget::plan_chat(size, &memory)).collect())
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_default()
    }

    /// Selects a model for a role, stores the selection, and starts to load it.
    ///
    /// # Errors
    /// If there is no such model, or `HAPA_MODEL` sets another chat model.
    pub async fn select(&self, id: &ModelId, role: Role) -> Result<(), Error> {
        let env_model = self.0.env_model.as_deref();
        let file = self.find(id).ok_or(Error::NotFound)?;
        if role == Role::Chat && env_model.is_some_and(|env_model| env_model != file) {
            return Err(Error::FixedByEnvironment);
        }
        if env_model.is_none() || role == Role::Completion {
            let mut patch = Patch::default();
            let selected = Update::Set(Some(id.clone()));
            match role {
                Role::Chat => patch.chat_model = selected,
                Role::Completion => patch.completion_model = selected,
            }
            self.0.settings.change(&patch).await?;
        }
        self.send(Command::Load { retry_failed: true });
        Ok(())
    }

    /// Unloads a model. The next request that needs it loads it again.
    ///
    /// # Errors
    /// If there is no such model.
    pub fn unload(&self, id: &ModelId) -> Result<(), Error> {
        self.find(id).ok_or(Error::NotFound)?;
        self.send(Command::Unload(id.clone()));
        Ok(())
    }

    /// The path of a model's file.
    ///
    /// # Errors
    /// If there is no such model.
    pub fn file(&self, id: &ModelId) -> Result<PathBuf, Error> {
        self.find(id).ok_or(Error::NotFound)
    }

    /// Deletes a model's file.
    ///
    /// # Errors
    /// If there is no such model, it is loaded, or `HAPA_MODEL` names it.
    pub async fn remove(&self, id: &ModelId) -> Result<(), Error> {
        let file = self.file(id)?;
        if self.0.env_model.as_ref() == Some(&file) {
            return Err(Error::NamedByEnvironment);
        }
        if self.0.roles.roles_for(&file).1.is_some_and(|assignment| assignment.engine().is_some()) {
            return Err(Error::InUse);
        }
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_file(file)).await;
        let removed = removed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        removed.map_err(|source| Error::Remove { id: id.clone(), source })?;
        self.rescan();
        Ok(())
    }

    /// Rescans the models folder.
    pub fn rescan(&self) {
        self.send(Command::Rescan);
    }

    /// Checks that the models of a settings patch exist.
    ///
    /// # Errors
    /// With the fields whose model does not exist.
    pub fn check(&self, patch: &Patch) -> Result<(), Error> {
        let mut unknown = ValidationErrors::default();
        for (field, change) in [("chat_model", &patch.chat_model), ("completion_model", &patch.completion_model)] {
            if let Update::Set(Some(id)) = change
                && self.find(id).is_none()
            {
                let problem = LocalizedText::new("모델 목록에 없습니다", "is not in the list of models");
                unknown.add(field, problem);
            }
        }
        if unknown.0.is_empty() { Ok(()) } else { Err(Error::Unknown(unknown)) }
    }

    /// Unloads all models and waits until their engines have stopped. Running requests end soon after the server's shutdown.
    pub async fn shut_down(&self) {
        for file in self.0.roles.files() {
            // A shutdown during a load is no crash.
            self.0.crash_markers.clear(&file);
        }
        self.0.roles.clear();
        self.0.roles.drained().await;
    }

    fn engine(&self, role: Role) -> Result<Engine, engine::Error> {
        let engine = self.0.roles.engine(role);
        if self.0.roles.state(role) == State::Unloaded {
            self.send(Command::Load { retry_failed: false });
        }
        engine
    }

    fn find(&self, id: &ModelId) -> Option<PathBuf> {
        files::find(&self.0.folder, self.0.env_model.as_deref(), id)
    }

    fn send(&self, command: Command) {
        // If the queue is full, an equal command is in it already.
        let _ = self.0.commands.try_send(command);
    }
}
