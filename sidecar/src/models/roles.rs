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

/// The seats of all roles.
#[derive(Debug)]
pub struct Seats {
    taken: RwLock<Taken>,
    /// What the model that chats is doing.
    state: watch::Sender<State>,
    /// Engines that have no seat any more, and finish what they were at.
    leaving: Mutex<Vec<watch::Receiver<State>>>,
    /// Changes when another engine takes the first seat, so that nobody listens to the old one.
    generation: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Default)]
struct Taken {
    chat: Seat,
    /// `None` where the model that chats completes too.
    completion: Option<Seat>,
}

/// One seat.
#[derive(Debug, Clone, Default)]
pub struct Seat {
    /// The file of the model that is to sit here.
    pub file: Option<PathBuf>,
    /// Whether it does.
    pub sitter: Sitter,
    /// When it was last asked for.
    pub asked: Option<Instant>,
}

/// What is in a seat.
#[derive(Debug, Clone, Default)]
pub enum Sitter {
    /// Nobody, since there is no model.
    #[default]
    Nobody,
    /// A model that waits until there is room for it.
    Waiting,
    /// A model that was taken out of memory, and comes back when it is asked.
    Asleep,
    /// A model that cannot be loaded.
    Refused(String),
    /// An engine, and how its model fits.
    Engine(Engine, Option<MemoryPlan>),
}

impl Seat {
    /// What its model is doing.
    pub fn state(&self) -> State {
        match &self.sitter {
            Sitter::Nobody => State::NoModel,
            Sitter::Waiting => State::Loading { progress: 0.0 },
            Sitter::Asleep => State::Unloaded,
            Sitter::Refused(message) => State::Failed { message: message.clone() },
            Sitter::Engine(engine, _) => engine.state(),
        }
    }

    /// Its engine with how its model fits, if a model of this machine sits there.
    pub fn fitted(&self) -> Option<(&Engine, &MemoryPlan)> {
        if let Sitter::Engine(engine, Some(fit)) = &self.sitter { Some((engine, fit)) } else { None }
    }

    /// Its engine, if one sits there.
    pub fn engine(&self) -> Option<&Engine> {
        if let Sitter::Engine(engine, _) = &self.sitter { Some(engine) } else { None }
    }
}

impl Default for Seats {
    fn default() -> Self {
        let state = watch::Sender::new(State::NoModel);
        Self { taken: RwLock::default(), state, leaving: Mutex::default(), generation: Arc::default() }
    }
}

impl Seats {
    /// Puts a script into the first seat.
    pub fn sit_scripted(&self, engine: Engine) {
        self.set(Role::Chat, Some(Seat { file: None, sitter: Sitter::Engine(engine, None), asked: None }));
    }

    /// What sits in a seat; `None` for a role that the other model fills too.
    pub fn seat(&self, role: Role) -> Option<Seat> {
        let taken = self.read();
        match role {
            Role::Chat => Some(taken.chat),
            Role::Completion => taken.completion,
        }
    }

    /// Fills a seat. Whoever sat there finishes what it is at, and leaves.
    pub fn set(&self, role: Role, seat: Option<Seat>) {
        let before = {
            let mut taken = self.taken.write().unwrap_or_else(PoisonError::into_inner);
            match role {
                Role::Chat => Some(std::mem::replace(&mut taken.chat, seat.clone().unwrap_or_default())),
                Role::Completion => std::mem::replace(&mut taken.completion, seat.clone()),
            }
        };
        self.leaving().extend(before.as_ref().and_then(Seat::engine).map(Engine::watch));
        if role == Role::Chat {
            self.announce(&seat.unwrap_or_default());
        }
    }

    /// Empties all seats.
    pub fn clear(&self) {
        self.set(Role::Completion, None);
        self.set(Role::Chat, None);
    }

    /// Whether engines without a seat are still there.
    pub fn is_anyone_leaving(&self) -> bool {
        self.leaving().retain(|engine| engine.has_changed().is_ok());
        !self.leaving().is_empty()
    }

    /// Resolves when all engines without a seat have gone.
    pub async fn all_left(&self) {
        loop {
            let Some(mut engine) = self.leaving().last().cloned() else { return };
            while engine.changed().await.is_ok() {}
            self.leaving().retain(|engine| engine.has_changed().is_ok());
        }
    }

    fn leaving(&self) -> MutexGuard<'_, Vec<watch::Receiver<State>>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine that fills a role: for completions, the other one while their own is not ready.
    pub fn engine(&self, role: Role) -> Result<Engine, Error> {
        let mut taken = self.taken.write().unwrap_or_else(PoisonError::into_inner);
        let own = taken.completion.as_mut().filter(|_| role == Role::Completion);
        if let Some(seat) = own {
            seat.asked = Some(Instant::now());
            if let Some(engine) = seat.engine().filter(|engine| engine.model().is_ok()) {
                return Ok(engine.clone());
            }
        }
        taken.chat.asked = Some(Instant::now());
        match &taken.chat.sitter {
            Sitter::Engine(engine, _) => Ok(engine.clone()),
            Sitter::Nobody => Err(Error::NoModel),
            Sitter::Waiting | Sitter::Asleep => Err(Error::Loading),
            Sitter::Refused(message) => Err(Error::LoadFailed(message.clone())),
        }
    }

    /// The files of all models that sit or are to sit.
    pub fn files(&self) -> Vec<PathBuf> {
        let taken = self.read();
        [Some(taken.chat), taken.completion].into_iter().flatten().filter_map(|seat| seat.file).collect()
    }

    /// All engines that sit.
    pub fn engines(&self) -> Vec<Engine> {
        let taken = self.read();
        let seats = [Some(taken.chat), taken.completion];
        seats.into_iter().flatten().filter_map(|seat| seat.engine().cloned()).collect()
    }

    /// What the model of a role is doing.
    pub fn state(&self, role: Role) -> State {
        self.seat(role).unwrap_or_else(|| self.read().chat).state()
    }

    /// What the model that chats is doing, as it changes.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// The roles that a file fills, and what it is doing.
    pub fn roles_of(&self, file: &Path) -> (Vec<Role>, Option<Seat>) {
        let taken = self.read();
        let is = |seat: &Seat| seat.file.as_deref() == Some(file);
        let (chats, completes) = (is(&taken.chat), taken.completion.as_ref().map_or_else(|| is(&taken.chat), is));
        let roles = [(Role::Chat, chats), (Role::Completion, completes)];
        let roles: Vec<Role> = roles.into_iter().filter(|(_, fills)| *fills).map(|(role, _)| role).collect();
        let seat = if chats { Some(taken.chat) } else { taken.completion.filter(|_| completes) };
        (roles, seat)
    }

    /// The memory that is taken, of `budget` bytes.
    pub fn memory(&self, budget: u64) -> Memory {
        let taken = self.read();
        let mut memory = Memory { budget_bytes: budget, ..Memory::default() };
        for seat in [Some(taken.chat), taken.completion].into_iter().flatten() {
            if let Sitter::Engine(engine, Some(fit)) = seat.sitter {
                memory.add(&fit, engine.offloaded_bytes());
            }
        }
        memory
    }

    fn read(&self) -> Taken {
        self.taken.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells those who watch about the new one in the first seat, and about all that it does.
    fn announce(&self, seat: &Seat) {
        let generation = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        self.state.send_replace(seat.state());
        let Some(mut states) = seat.engine().map(Engine::watch) else { return };
        let (current, state) = (Arc::clone(&self.generation), self.state.clone());
        tokio::spawn(async move {
            while states.changed().await.is_ok() && current.load(Ordering::SeqCst) == generation {
                state.send_replace(states.borrow_and_update().clone());
            }
        });
    }
}
