//! Who sits where: the model that fills each role, or what is in its place.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use engine::memory_plan::MemoryPlan;
use engine::{Engine, Error, State};
use tokio::sync::watch;

use super::Role;
use super::memory_budget::Memory;

/// The roles of all roles.
#[derive(Debug)]
pub struct RoleAssignments {
    assignments: RwLock<Assignments>,
    /// What the model that chats is doing.
    state: watch::Sender<State>,
    /// Engines that have no assignment any more, and finish what they were at.
    draining: Mutex<Vec<watch::Receiver<State>>>,
    /// Changes when another engine takes the first assignment, so that nobody listens to the old one.
    generation: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Default)]
struct Assignments {
    chat: Assignment,
    /// `None` where the model that chats completes too.
    completion: Option<Assignment>,
}

/// One assignment.
#[derive(Debug, Clone, Default)]
pub struct Assignment {
    /// The file of the model that is to sit here.
    pub file: Option<PathBuf>,
    /// Whether it does.
    pub load_state: LoadState,
    /// When it was last last_used for.
    pub last_used: Option<Instant>,
}

/// What is in a assignment.
#[derive(Debug, Clone, Default)]
pub enum LoadState {
    /// Nobody, since there is no model.
    #[default]
    Empty,
    /// A model that waits until there is memory for it.
    Pending,
    /// A model that was assignments out of memory, and comes back when it is last_used.
    Unloaded,
    /// A model that cannot be loaded.
    Failed(String),
    /// An engine, and how its model fits.
    Loaded(Engine, Option<MemoryPlan>),
}

impl Assignment {
    /// What its model is doing.
    pub fn state(&self) -> State {
        match &self.load_state {
            LoadState::Empty => State::NoModel,
            LoadState::Pending => State::Loading { progress: 0.0 },
            LoadState::Unloaded => State::Unloaded,
            LoadState::Failed(message) => State::Failed { message: message.clone() },
            LoadState::Loaded(engine, _) => engine.state(),
        }
    }

    /// Its engine with how its model fits, if a model of this machine sits there.
    pub fn engine_and_plan(&self) -> Option<(&Engine, &MemoryPlan)> {
        if let LoadState::Loaded(engine, Some(plan)) = &self.load_state { Some((engine, plan)) } else { None }
    }

    /// Its engine, if one sits there.
    pub fn engine(&self) -> Option<&Engine> {
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
    /// Puts a script into the first assignment.
    pub fn set_scripted(&self, engine: Engine) {
        self.set(
            Role::Chat,
            Some(Assignment { file: None, load_state: LoadState::Loaded(engine, None), last_used: None }),
        );
    }

    /// What sits in a assignment; `None` for a role that the other model fills too.
    pub fn get(&self, role: Role) -> Option<Assignment> {
        let assignments = self.read();
        match role {
            Role::Chat => Some(assignments.chat),
            Role::Completion => assignments.completion,
        }
    }

    /// Fills a assignment. Whoever sat there finishes what it is at, and leaves.
    pub fn set(&self, role: Role, assignment: Option<Assignment>) {
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

    /// Empties all roles.
    pub fn clear(&self) {
        self.set(Role::Completion, None);
        self.set(Role::Chat, None);
    }

    /// Whether engines without a assignment are still there.
    pub fn is_draining(&self) -> bool {
        self.draining().retain(|engine| engine.has_changed().is_ok());
        !self.draining().is_empty()
    }

    /// Resolves when all engines without a assignment have gone.
    pub async fn drained(&self) {
        loop {
            let Some(mut engine) = self.draining().last().cloned() else { return };
            while engine.changed().await.is_ok() {}
            self.draining().retain(|engine| engine.has_changed().is_ok());
        }
    }

    fn draining(&self) -> MutexGuard<'_, Vec<watch::Receiver<State>>> {
        self.draining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine that fills a role: for completions, the other one while their own is not ready.
    pub fn engine(&self, role: Role) -> Result<Engine, Error> {
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

    /// The files of all models that sit or are to sit.
    pub fn files(&self) -> Vec<PathBuf> {
        let assignments = self.read();
        [Some(assignments.chat), assignments.completion]
            .into_iter()
            .flatten()
            .filter_map(|assignment| assignment.file)
            .collect()
    }

    /// All engines that sit.
    pub fn engines(&self) -> Vec<Engine> {
        let assignments = self.read();
        let all = [Some(assignments.chat), assignments.completion];
        all.into_iter().flatten().filter_map(|assignment| assignment.engine().cloned()).collect()
    }

    /// What the model of a role is doing.
    pub fn state(&self, role: Role) -> State {
        self.get(role).unwrap_or_else(|| self.read().chat).state()
    }

    /// What the model that chats is doing, as it changes.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// The roles that a file fills, and what it is doing.
    pub fn roles_for(&self, file: &Path) -> (Vec<Role>, Option<Assignment>) {
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

    /// The memory that is assignments, of `budget` bytes.
    pub fn memory(&self, budget: u64) -> Memory {
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

    /// Tells those who watch about the new one in the first assignment, and about all that it does.
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
