//! Which model is assigned to each role, and its load state.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use engine::memory_plan::MemoryPlan;
use engine::{Engine, Error, State};
use tokio::sync::watch;

use super::Role;
use super::memory_budget::Memory;

/// The assignments of both roles.
#[derive(Debug)]
pub(crate) struct RoleAssignments {
    assignments: RwLock<Assignments>,
    /// State of the chat model.
    state: watch::Sender<State>,
    /// Engines that are no longer assigned, and finish their running requests.
    draining: Mutex<Vec<watch::Receiver<State>>>,
    /// Incremented with each new assignment of the chat role, so that the state of a previous engine is no longer forwarded.
    generation: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Default)]
struct Assignments {
    chat: Assignment,
    /// `None` if the chat model fills this role too.
    completion: Option<Assignment>,
}

/// The model of a role.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assignment {
    /// Its file; `None` if there is no model.
    pub file: Option<PathBuf>,
    /// Its load state.
    pub load_state: LoadState,
    /// When a request last used it.
    pub last_used: Option<Instant>,
}

/// The load state of an assigned model.
#[derive(Debug, Clone, Default)]
pub(crate) enum LoadState {
    /// There is no model.
    #[default]
    Empty,
    /// To be loaded as soon as its memory is available.
    Pending,
    /// Unloaded; the next request loads it.
    Unloaded,
    /// The load failed, with this message.
    Failed(String),
    /// Loading or loaded, with its memory plan; `None` for a test script.
    Loaded(Engine, Option<MemoryPlan>),
}

impl Assignment {
    /// The state of the model.
    pub(crate) fn state(&self) -> State {
        match &self.load_state {
            LoadState::Empty => State::NoModel,
            LoadState::Pending => State::Loading { progress: 0.0 },
            LoadState::Unloaded => State::Unloaded,
            LoadState::Failed(message) => State::Failed { message: message.clone() },
            LoadState::Loaded(engine, _) => engine.state(),
        }
    }

    /// Its engine and memory plan, if it is loading or loaded.
    pub(crate) fn engine_and_plan(&self) -> Option<(&Engine, &MemoryPlan)> {
        if let LoadState::Loaded(engine, Some(plan)) = &self.load_state { Some((engine, plan)) } else { None }
    }

    /// Its engine, if it is loading or loaded.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        if let LoadState::Loaded(engine, _) = &self.load_state { Some(engine) } else { None }
    }
}

impl Default for RoleAssignments {
    fn default() -> Self {
        let state = watch::Sender::new(State::NoModel);
        Self { assignments: RwLock::default(), state, draining: Mutex::default(), generation: Arc::default() }
    }
}

impl RoleAssignments {
    /// Assigns a test script to the chat role.
    pub(crate) fn set_scripted(&self, engine: Engine) {
        self.set(
            Role::Chat,
            Some(Assignment { file: None, load_state: LoadState::Loaded(engine, None), last_used: None }),
        );
    }

    /// The assignment of a role; `None` for the completion role if the chat model fills it.
    pub(crate) fn get(&self, role: Role) -> Option<Assignment> {
        let assignments = self.read();
        match role {
            Role::Chat => Some(assignments.chat),
            Role::Completion => assignments.completion,
        }
    }

    /// Replaces an assignment. The previous engine finishes its running requests.
    pub(crate) fn set(&self, role: Role, assignment: Option<Assignment>) {
        let previous = {
            let mut assignments = self.assignments.write().unwrap_or_else(PoisonError::into_inner);
            match role {
                Role::Chat => Some(std::mem::replace(&mut assignments.chat, assignment.clone().unwrap_or_default())),
                Role::Completion => std::mem::replace(&mut assignments.completion, assignment.clone()),
            }
        };
        self.draining().extend(previous.as_ref().and_then(Assignment::engine).map(Engine::watch));
        if role == Role::Chat {
            self.publish_state(&assignment.unwrap_or_default());
        }
    }

    /// Removes all assignments.
    pub(crate) fn clear(&self) {
        self.set(Role::Completion, None);
        self.set(Role::Chat, None);
    }

    /// Whether engines that are no longer assigned are still running.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining().retain(|engine| engine.has_changed().is_ok());
        !self.draining().is_empty()
    }

    /// Resolves when all engines that are no longer assigned have stopped.
    pub(crate) async fn drained(&self) {
        loop {
            let Some(mut engine) = self.draining().last().cloned() else { return };
            while engine.changed().await.is_ok() {}
            self.draining().retain(|engine| engine.has_changed().is_ok());
        }
    }

    fn draining(&self) -> MutexGuard<'_, Vec<watch::Receiver<State>>> {
        self.draining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine for a role. Completions use the chat model while their own is not ready.
    pub(crate) fn engine(&self, role: Role) -> Result<Engine, Error> {
        let mut assignments = self.assignments.write().unwrap_or_else(PoisonError::into_inner);
        let dedicated = assignments.completion.as_mut().filter(|_| role == Role::Completion);
        if let Some(assignment) = dedicated {
            assignment.last_used = Some(Instant::now());
            if let Some(engine) = assignment.engine().filter(|engine| engine.model().is_ok()) {
                return Ok(engine.clone());
            }
        }
        assignments.chat.last_used = Some(Instant::now());
        match &assignments.chat.load_state {
            LoadState::Loaded(engine, _) => Ok(engine.clone()),
            LoadState::Empty => Err(Error::NoModel),
            LoadState::Pending | LoadState::Unloaded => Err(Error::Loading),
            LoadState::Failed(message) => Err(Error::LoadFailed(message.clone())),
        }
    }

    /// The files of all assigned models.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let assignments = self.read();
        [Some(assignments.chat), assignments.completion]
            .into_iter()
            .flatten()
            .filter_map(|assignment| assignment.file)
            .collect()
    }

    /// All assigned engines.
    pub(crate) fn engines(&self) -> Vec<Engine> {
        let assignments = self.read();
        let all = [Some(assignments.chat), assignments.completion];
        all.into_iter().flatten().filter_map(|assignment| assignment.engine().cloned()).collect()
    }

    /// State of the model of a role.
    pub(crate) fn state(&self, role: Role) -> State {
        self.get(role).unwrap_or_else(|| self.read().chat).state()
    }

    /// State of the chat model, with updates.
    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// The roles that a file is assigned to, and its assignment.
    pub(crate) fn roles_for(&self, file: &Path) -> (Vec<Role>, Option<Assignment>) {
        let assignments = self.read();
        let has_file = |assignment: &Assignment| assignment.file.as_deref() == Some(file);
        let (is_chat, is_completion) = (
            has_file(&assignments.chat),
            assignments.completion.as_ref().map_or_else(|| has_file(&assignments.chat), has_file),
        );
        let roles = [(Role::Chat, is_chat), (Role::Completion, is_completion)];
        let roles: Vec<Role> = roles.into_iter().filter(|(_, assigned)| *assigned).map(|(role, _)| role).collect();
        let assignment =
            if is_chat { Some(assignments.chat) } else { assignments.completion.filter(|_| is_completion) };
        (roles, assignment)
    }

    /// The memory of all loaded models. `budget`: in bytes.
    pub(crate) fn memory(&self, budget: u64) -> Memory {
        let assignments = self.read();
        let mut memory = Memory { budget_bytes: budget, ..Memory::default() };
        for assignment in [Some(assignments.chat), assignments.completion].into_iter().flatten() {
            if let LoadState::Loaded(engine, Some(plan)) = assignment.load_state {
                memory.add(&plan, engine.offloaded_bytes());
            }
        }
        memory
    }

    fn read(&self) -> Assignments {
        self.assignments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Publishes the state of the chat model's new engine, and forwards its updates.
    fn publish_state(&self, assignment: &Assignment) {
        let generation = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        self.state.send_replace(assignment.state());
        let Some(mut states) = assignment.engine().map(Engine::watch) else { return };
        let (current, state) = (Arc::clone(&self.generation), self.state.clone());
        tokio::spawn(async move {
            while states.changed().await.is_ok() && current.load(Ordering::SeqCst) == generation {
                state.send_replace(states.borrow_and_update().clone());
            }
        });
    }
}
