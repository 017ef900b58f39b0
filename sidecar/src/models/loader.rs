//! Loads and unloads models in the background, so that the assigned models match the settings and fit into the memory budget.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::memory_plan::{AvailableMemory, DoesNotFit, MemoryPlan, ModelSize};
use engine::{DiskCacheOptions, Engine, Options, QueueDepth, State};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::crash_markers::CrashMarkers;
use super::roles::{Assignment, LoadState};
use super::{Models, Role, files, memory_budget};
use crate::base::model_id::ModelId;
use crate::config::Config;
use crate::settings::Settings;

/// How often idle models and new files are looked for.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// A command to the loader.
#[derive(Debug)]
pub(crate) enum Command {
    /// Load unloaded models; with `retry_failed`, retry those whose load failed too.
    Load { retry_failed: bool },
    /// Rescan the models folder.
    Rescan,
    /// Unload a model until the next request that needs it.
    Unload(ModelId),
    /// Clear the KV cache on disk; a loaded engine clears its own.
    ClearKvCache,
}

/// The background task that loads and unloads models.
pub(crate) struct ModelLoader {
    models: Models,
    commands: mpsc::Receiver<Command>,
    disk_cache_folder: PathBuf,
    /// The budget that the assigned models were planned with, in bytes.
    budget: u64,
}

impl ModelLoader {
    /// A loader of these models, which handles the commands of the handles.
    pub(crate) fn new(models: Models, config: &Config, commands: mpsc::Receiver<Command>) -> Self {
        let budget = memory_budget::total(&models.0.settings.current());
        let mut loader = Self { models, commands, disk_cache_folder: config.states(), budget };
        // Before the first request, the assignments show what is going to be loaded.
        loader.reconcile();
        loader
    }

    /// Reconciles the assignments with the settings until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut settings = self.models.0.settings.watch();
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        let models = self.models.clone();
        let roles = &models.0.roles;
        let _watcher = super::watcher::watch(&models.0.folder, models.clone());
        loop {
            self.reconcile();
            // No model is loaded before the engines that are draining have released their memory.
            let draining = roles.is_draining();
            if !draining {
                self.load_pending().await;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = settings.changed() => if changed.is_err() { return },
                command = self.commands.recv() => match command {
                    Some(command) => self.handle(command),
                    None => return,
                },
                () = roles.drained(), if draining => {}
                _ = poll.tick() => self.unload_idle(),
            }
        }
    }

    fn settings(&self) -> Arc<Settings> {
        self.models.0.settings.current()
    }

    /// Assigns the configured model to each role. An assignment that is already correct is left alone, unless the budget has changed.
    fn reconcile(&mut self) {
        let settings = self.settings();
        let inner = &self.models.0;
        let file = |id: &Option<ModelId>| {
            id.as_ref().and_then(|id| files::find(&inner.folder, inner.env_model.as_deref(), id))
        };
        let chat = inner
            .env_model
            .clone()
            .or_else(|| file(&settings.chat_model))
            .or_else(|| files::default_model(&inner.folder));
        let completion = file(&settings.completion_model).filter(|own| Some(own) != chat.as_ref());
        let budget = memory_budget::total(&settings);
        let changed = budget != std::mem::replace(&mut self.budget, budget);
        let assignment = self.models.0.roles.get(Role::Chat);
        if assignment.as_ref().and_then(|assignment| assignment.file.as_deref()) != chat.as_deref() || changed {
            self.assign_role(Role::Chat, chat);
        }
        let assignment = self.models.0.roles.get(Role::Completion);
        let current = assignment.as_ref().and_then(|assignment| assignment.file.as_deref());
        if current != completion.as_deref() || changed && assignment.is_some() {
            self.assign_role(Role::Completion, completion);
        }
    }

    /// Assigns a model to a role. It is loaded when its memory is available.
    fn assign_role(&mut self, role: Role, file: Option<PathBuf>) {
        let load_state = if file.is_some() { LoadState::Pending } else { LoadState::Empty };
        let assignment = Assignment { file, load_state, last_used: None };
        let assigned = role == Role::Chat || assignment.file.is_some();
        self.models.0.roles.set(role, assigned.then_some(assignment));
    }

    /// Loads the pending models, as far as the memory budget allows.
    async fn load_pending(&mut self) {
        let is_pending = |assignment: &Option<Assignment>| {
            assignment.as_ref().is_some_and(|assignment| matches!(assignment.load_state, LoadState::Pending))
        };
        let (chat, completion) = (self.models.0.roles.get(Role::Chat), self.models.0.roles.get(Role::Completion));
        if !is_pending(&chat) && !is_pending(&completion) {
            return;
        }
        let main = self.budget;
        let Ok(memory) = tokio::task::spawn_blocking(move || memory_budget::available(main)).await else { return };
        match (chat.filter(|assignment| assignment.file.is_some()), completion) {
            (Some(chat), Some(completion)) => self.load_both(chat, completion, &memory).await,
            (Some(chat), None) => {
                if let Some(size) = self.model_size(Role::Chat, &chat).await {
                    self.load(Role::Chat, &chat, memory_budget::plan_chat(&size, &memory));
                }
            }
            _ => {}
        }
    }

    async fn load_both(&mut self, chat: Assignment, completion: Assignment, memory: &AvailableMemory) {
        let Some(chat_size) = self.model_size(Role::Chat, &chat).await else { return };
        let Some(completion_size) = self.model_size(Role::Completion, &completion).await else {
            // The chat model fills both roles then.
            if matches!(chat.load_state, LoadState::Pending) {
                self.load(Role::Chat, &chat, memory_budget::plan_chat(&chat_size, memory));
            }
            return;
        };
        let pair = memory_budget::plan_pair(&chat_size, &completion_size, memory);
        match (&chat.load_state, &completion.load_state) {
            (LoadState::Pending, LoadState::Loaded(_, Some(plan))) => {
                match (memory_budget::plan_chat(&chat_size, &memory_budget::remaining(memory, plan)), pair) {
                    (Err(_), Ok(_)) => self.assign_role(Role::Completion, completion.file),
                    (plan, _) => self.load(Role::Chat, &chat, plan),
                }
            }
            (LoadState::Loaded(_, Some(plan)), LoadState::Pending) => {
                match (memory_budget::plan_completion(&completion_size, &memory_budget::remaining(memory, plan)), pair)
                {
                    (Err(_), Ok(_)) => self.assign_role(Role::Chat, chat.file),
                    (plan, _) => self.load(Role::Completion, &completion, plan),
                }
            }
            (first, second) => match pair {
                Ok((chat_plan, completion_plan)) => {
                    if matches!(first, LoadState::Pending) {
                        self.load(Role::Chat, &chat, Ok(chat_plan));
                    }
                    if matches!(second, LoadState::Pending) {
                        self.load(Role::Completion, &completion, Ok(completion_plan));
                    }
                }
                Err(shortage) => {
                    if matches!(first, LoadState::Pending) {
                        self.load(Role::Chat, &chat, memory_budget::plan_chat(&chat_size, memory));
                    }
                    if matches!(second, LoadState::Pending) {
                        self.load(Role::Completion, &completion, Err(shortage));
                    }
                }
            },
        }
    }

    /// The size of an assigned model, for memory planning. If its file is not usable, the assignment fails and `None` is returned.
    async fn model_size(&self, role: Role, assignment: &Assignment) -> Option<ModelSize> {
        let file = assignment.file.clone()?;
        let name = file.display().to_string();
        let read = tokio::task::spawn_blocking(move || engine::gguf::read(&file)).await.ok()?;
        let on_error = |error: &engine::gguf::Error| {
            let message = format!("could not open model `{}`: {error}; choose another file or download it again", name);
            self.mark_failed(role, assignment, message);
        };
        read.inspect_err(on_error).ok().map(|facts| facts.model_size())
    }

    /// Starts to load a model with its memory plan, or marks it failed if it does not fit or crashed before.
    fn load(&self, role: Role, assignment: &Assignment, plan: Result<MemoryPlan, DoesNotFit>) {
        let (Some(file), plan) = (&assignment.file, plan) else { return };
        match plan {
            Ok(_) if self.models.0.crash_markers.crashed_on(file) => {
                let message = format!(
                    "HAPA crashed when it last loaded `{}`; choose another model, or load this one again to retry",
                    file.display()
                );
                self.mark_failed(role, assignment, message);
            }
            Ok(plan) => {
                self.models.0.crash_markers.mark_loading(file);
                let engine = Engine::start(self.options(file, &plan));
                tokio::spawn(clear_when_loaded(engine.watch(), self.models.0.crash_markers.clone(), file.clone()));
                let load_state = LoadState::Loaded(engine, Some(plan));
                self.set(
                    role,
                    Assignment { load_state, last_used: Some(Instant::now()), file: assignment.file.clone() },
                );
            }
            Err(DoesNotFit { needed, available }) => {
                let mebibytes = |bytes: u64| bytes.div_ceil(1024 * 1024);
                let message = format!(
                    "`{}` needs {} MiB of memory and the budget has {}; raise `memory_budget_mb`, or choose a smaller model",
                    file.display(),
                    mebibytes(needed),
                    mebibytes(available),
                );
                self.mark_failed(role, assignment, message);
            }
        }
    }

    fn mark_failed(&self, role: Role, assignment: &Assignment, message: String) {
        if matches!(assignment.load_state, LoadState::Pending) {
            tracing::error!("{message}");
            self.set(role, Assignment { load_state: LoadState::Failed(message), ..assignment.clone() });
        }
    }

    fn set(&self, role: Role, assignment: Assignment) {
        self.models.0.roles.set(role, Some(assignment));
    }

    fn options(&self, file: &Path, plan: &MemoryPlan) -> Options {
        let bytes = u64::from(self.settings().saved_states_mb) * 1024 * 1024;
        Options {
            context: plan.context,
            kv_tokens: plan.kv_tokens,
            kv_cache_type: plan.kv_cache_type,
            batch_size: plan.batch_size,
            gpu_layers: plan.gpu_layers,
            host_cache_bytes: plan.main.host_cache,
            disk_cache: (bytes > 0)
                .then(|| DiskCacheOptions { folder: self.disk_cache_folder.clone(), max_bytes: bytes }),
            ..Options::for_model(file.to_owned())
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Load { retry_failed } => {
                for role in [Role::Chat, Role::Completion] {
                    let Some(assignment) = self.models.0.roles.get(role) else { continue };
                    let failed = matches!(&assignment.load_state, LoadState::Failed(_))
                        || assignment.engine().is_some_and(|engine| matches!(engine.state(), State::Failed { .. }));
                    if retry_failed && let Some(file) = &assignment.file {
                        self.models.0.crash_markers.clear(file);
                    }
                    if matches!(assignment.load_state, LoadState::Unloaded) || retry_failed && failed {
                        self.assign_role(role, assignment.file);
                    }
                }
            }
            // Files are assigned after every command. A file that failed may have been incomplete at that time.
            Command::Rescan => {
                for role in [Role::Chat, Role::Completion] {
                    if let Some(assignment) = self.models.0.roles.get(role)
                        && matches!(assignment.load_state, LoadState::Failed(_))
                    {
                        self.assign_role(role, assignment.file);
                    }
                }
            }
            Command::Unload(id) => {
                let file = files::find(&self.models.0.folder, self.models.0.env_model.as_deref(), &id);
                self.unload(|assignment| assignment.file == file);
            }
            Command::ClearKvCache => {
                if self.models.0.roles.engines().is_empty() {
                    engine::clear_disk_cache(&self.disk_cache_folder);
                }
            }
        }
    }

    /// Unloads models that have been idle for longer than the setting `idle_unload_minutes`.
    fn unload_idle(&mut self) {
        let Some(minutes) = self.settings().idle_unload_minutes else { return };
        let limit = Duration::from_secs(u64::from(minutes) * 60);
        self.unload(|assignment| {
            let idle =
                assignment.engine().is_some_and(|engine| is_idle(&engine.queue_depth()) && engine.model().is_ok());
            idle && assignment.last_used.is_none_or(|last_used| last_used.elapsed() >= limit)
        });
    }

    fn unload(&mut self, which: impl Fn(&Assignment) -> bool) {
        for role in [Role::Chat, Role::Completion] {
            let Some(assignment) =
                self.models.0.roles.get(role).filter(|assignment| assignment.engine().is_some() && which(assignment))
            else {
                continue;
            };
            self.set(role, Assignment { load_state: LoadState::Unloaded, ..assignment });
        }
    }
}

/// Clears the crash marker of a model when its load has ended, with or without an error.
async fn clear_when_loaded(mut engine: watch::Receiver<State>, crash_markers: CrashMarkers, model: PathBuf) {
    // An error means that the engine was dropped during the load, which is no crash.
    let _ = engine.wait_for(|state| !matches!(state, State::Loading { .. })).await;
    crash_markers.clear(&model);
}

fn is_idle(depth: &QueueDepth) -> bool {
    depth.active == 0 && depth.waiting() == 0
}
