//! Loading and unloading in the background: the seats are made to look as the settings say, within the budget.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::memory_plan::{AvailableMemory, DoesNotFit, MemoryPlan, ModelSize};
use engine::{DiskCacheOptions, Engine, Options, QueueDepth, State};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::crash_markers::Suspects;
use super::roles::{Seat, Sitter};
use super::{Models, Role, files, memory_budget};
use crate::base::model_id::ModelId;
use crate::config::Config;
use crate::settings::Settings;

/// How often it is looked whether a model rests, and whether files have come.
const GLANCE: Duration = Duration::from_secs(5);

/// What the keeper is asked to do.
#[derive(Debug)]
pub enum Order {
    /// Bring back models that sleep; with `again`, try those once more that could not be loaded.
    Wake { again: bool },
    /// Look at the files again.
    Look,
    /// Take a model out of memory until it is asked.
    Sleep(ModelId),
    /// Forget what is on the disk for models that are not in memory.
    Forget,
}

/// The one that loads and unloads.
pub struct Keeper {
    models: Models,
    orders: mpsc::Receiver<Order>,
    states: PathBuf,
    /// The budget that those who sit were given.
    budget: u64,
}

impl Keeper {
    /// A keeper of these models, which takes the orders of others.
    pub fn new(models: Models, config: &Config, orders: mpsc::Receiver<Order>) -> Self {
        let budget = memory_budget::of(&models.0.settings.current());
        let mut keeper = Self { models, orders, states: config.states(), budget };
        // Before the first request, the seats show what is going to be loaded.
        keeper.assign();
        keeper
    }

    /// Keeps the seats as the settings say until `shutdown`.
    pub async fn keep(mut self, shutdown: CancellationToken) {
        let mut settings = self.models.0.settings.watch();
        let mut glance = tokio::time::interval(GLANCE);
        let models = self.models.clone();
        let seats = &models.0.seats;
        let _watcher = super::watcher::watch(&models.0.folder, models.clone());
        loop {
            self.assign();
            // Nobody sits down before those who have to go have left with their memory.
            let crowded = seats.is_anyone_leaving();
            if !crowded {
                self.fill().await;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = settings.changed() => if changed.is_err() { return },
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                () = seats.all_left(), if crowded => {}
                _ = glance.tick() => self.rest(),
            }
        }
    }

    fn settings(&self) -> Arc<Settings> {
        self.models.0.settings.current()
    }

    /// Gives each seat to the model that the settings name for it. Whoever sits there rightly stays.
    fn assign(&mut self) {
        let settings = self.settings();
        let inner = &self.models.0;
        let file =
            |id: &Option<ModelId>| id.as_ref().and_then(|id| files::find(&inner.folder, inner.named.as_deref(), id));
        let chat = inner.named.clone().or_else(|| file(&settings.chat_model)).or_else(|| files::usual(&inner.folder));
        let completion = file(&settings.completion_model).filter(|own| Some(own) != chat.as_ref());
        let budget = memory_budget::of(&settings);
        let changed = budget != std::mem::replace(&mut self.budget, budget);
        let seat = self.models.0.seats.seat(Role::Chat);
        if seat.as_ref().and_then(|seat| seat.file.as_deref()) != chat.as_deref() || changed {
            self.seat(Role::Chat, chat);
        }
        let seat = self.models.0.seats.seat(Role::Completion);
        let now = seat.as_ref().and_then(|seat| seat.file.as_deref());
        if now != completion.as_deref() || changed && seat.is_some() {
            self.seat(Role::Completion, completion);
        }
    }

    /// Gives a seat to a model, which waits until there is room.
    fn seat(&mut self, role: Role, file: Option<PathBuf>) {
        let sitter = if file.is_some() { Sitter::Waiting } else { Sitter::Nobody };
        let seat = Seat { file, sitter, asked: None };
        let kept = role == Role::Chat || seat.file.is_some();
        self.models.0.seats.set(role, kept.then_some(seat));
    }

    /// Loads the models that wait, as far as the budget has room for them.
    async fn fill(&mut self) {
        let waiting = |seat: &Option<Seat>| seat.as_ref().is_some_and(|seat| matches!(seat.sitter, Sitter::Waiting));
        let (chat, completion) = (self.models.0.seats.seat(Role::Chat), self.models.0.seats.seat(Role::Completion));
        if !waiting(&chat) && !waiting(&completion) {
            return;
        }
        let main = self.budget;
        let Ok(room) = tokio::task::spawn_blocking(move || memory_budget::room(main)).await else { return };
        match (chat.filter(|seat| seat.file.is_some()), completion) {
            (Some(chat), Some(completion)) => self.fill_both(chat, completion, &room).await,
            (Some(chat), None) => {
                if let Some(need) = self.need(Role::Chat, &chat).await {
                    self.sit(Role::Chat, &chat, memory_budget::chat(&need, &room));
                }
            }
            _ => {}
        }
    }

    async fn fill_both(&mut self, chat: Seat, completion: Seat, room: &AvailableMemory) {
        let Some(chats) = self.need(Role::Chat, &chat).await else { return };
        let Some(completes) = self.need(Role::Completion, &completion).await else {
            // The other one does both then.
            if matches!(chat.sitter, Sitter::Waiting) {
                self.sit(Role::Chat, &chat, memory_budget::chat(&chats, room));
            }
            return;
        };
        let shared = memory_budget::both(&chats, &completes, room);
        match (&chat.sitter, &completion.sitter) {
            (Sitter::Waiting, Sitter::Engine(_, Some(fit))) => {
                match (memory_budget::chat(&chats, &memory_budget::beside(room, fit)), shared) {
                    (Err(_), Ok(_)) => self.seat(Role::Completion, completion.file),
                    (alone, _) => self.sit(Role::Chat, &chat, alone),
                }
            }
            (Sitter::Engine(_, Some(fit)), Sitter::Waiting) => {
                match (memory_budget::completion(&completes, &memory_budget::beside(room, fit)), shared) {
                    (Err(_), Ok(_)) => self.seat(Role::Chat, chat.file),
                    (alone, _) => self.sit(Role::Completion, &completion, alone),
                }
            }
            (first, second) => match shared {
                Ok((of_chat, of_completion)) => {
                    if matches!(first, Sitter::Waiting) {
                        self.sit(Role::Chat, &chat, Ok(of_chat));
                    }
                    if matches!(second, Sitter::Waiting) {
                        self.sit(Role::Completion, &completion, Ok(of_completion));
                    }
                }
                Err(misfit) => {
                    if matches!(first, Sitter::Waiting) {
                        self.sit(Role::Chat, &chat, memory_budget::chat(&chats, room));
                    }
                    if matches!(second, Sitter::Waiting) {
                        self.sit(Role::Completion, &completion, Err(misfit));
                    }
                }
            },
        }
    }

    /// What a model needs. One whose file cannot be used is refused, and `None` is given back.
    async fn need(&self, role: Role, seat: &Seat) -> Option<ModelSize> {
        let file = seat.file.clone()?;
        let name = file.display().to_string();
        let read = tokio::task::spawn_blocking(move || engine::gguf::read(&file)).await.ok()?;
        let refused = |flaw: &engine::gguf::Error| {
            let message = format!("could not open model `{}`: {flaw}; choose another file or download it again", name);
            self.refuse(role, seat, message);
        };
        read.inspect_err(refused).ok().map(|facts| facts.model_size())
    }

    /// Begins to load a model that fits, and says why it does not otherwise.
    fn sit(&self, role: Role, seat: &Seat, fit: Result<MemoryPlan, DoesNotFit>) {
        let (Some(file), fit) = (&seat.file, fit) else { return };
        match fit {
            Ok(_) if self.models.0.suspects.has(file) => {
                let message = format!(
                    "HAPA crashed when it last loaded `{}`; choose another model, or load this one again to try once more",
                    file.display()
                );
                self.refuse(role, seat, message);
            }
            Ok(fit) => {
                self.models.0.suspects.begin(file);
                let engine = Engine::start(self.options(file, &fit));
                tokio::spawn(cleared(engine.watch(), self.models.0.suspects.clone(), file.clone()));
                let sitter = Sitter::Engine(engine, Some(fit));
                self.set(role, Seat { sitter, asked: Some(Instant::now()), file: seat.file.clone() });
            }
            Err(DoesNotFit { needed: needs, available: has }) => {
                let mebibytes = |bytes: u64| bytes.div_ceil(1024 * 1024);
                let message = format!(
                    "`{}` needs {} MiB of memory and the budget has {}; raise `memory_budget_mb`, or choose a smaller model",
                    file.display(),
                    mebibytes(needs),
                    mebibytes(has),
                );
                self.refuse(role, seat, message);
            }
        }
    }

    fn refuse(&self, role: Role, seat: &Seat, message: String) {
        if matches!(seat.sitter, Sitter::Waiting) {
            tracing::error!("{message}");
            self.set(role, Seat { sitter: Sitter::Refused(message), ..seat.clone() });
        }
    }

    fn set(&self, role: Role, seat: Seat) {
        self.models.0.seats.set(role, Some(seat));
    }

    fn options(&self, file: &Path, fit: &MemoryPlan) -> Options {
        let bytes = u64::from(self.settings().saved_states_mb) * 1024 * 1024;
        Options {
            context: fit.context,
            kv_tokens: fit.kv_tokens,
            kv_cache_type: fit.kv_cache_type,
            batch_size: fit.batch_size,
            gpu_layers: fit.gpu_layers,
            host_cache_bytes: fit.main.host_cache,
            disk_cache: (bytes > 0).then(|| DiskCacheOptions { folder: self.states.clone(), max_bytes: bytes }),
            ..Options::for_model(file.to_owned())
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Wake { again } => {
                for role in [Role::Chat, Role::Completion] {
                    let Some(seat) = self.models.0.seats.seat(role) else { continue };
                    let failed = matches!(&seat.sitter, Sitter::Refused(_))
                        || seat.engine().is_some_and(|engine| matches!(engine.state(), State::Failed { .. }));
                    if again && let Some(file) = &seat.file {
                        self.models.0.suspects.end(file);
                    }
                    if matches!(seat.sitter, Sitter::Asleep) || again && failed {
                        self.seat(role, seat.file);
                    }
                }
            }
            // Seats are assigned after every order. A file that could not be used may have been copied just then.
            Order::Look => {
                for role in [Role::Chat, Role::Completion] {
                    if let Some(seat) = self.models.0.seats.seat(role)
                        && matches!(seat.sitter, Sitter::Refused(_))
                    {
                        self.seat(role, seat.file);
                    }
                }
            }
            Order::Sleep(id) => {
                let file = files::find(&self.models.0.folder, self.models.0.named.as_deref(), &id);
                self.put_to_sleep(|seat| seat.file == file);
            }
            Order::Forget => {
                if self.models.0.seats.engines().is_empty() {
                    engine::clear_disk_cache(&self.states);
                }
            }
        }
    }

    /// Takes models out of memory that nobody has asked for long enough.
    fn rest(&mut self) {
        let Some(minutes) = self.settings().idle_unload_minutes else { return };
        let patience = Duration::from_secs(u64::from(minutes) * 60);
        self.put_to_sleep(|seat| {
            let idle = seat.engine().is_some_and(|engine| is_idle(&engine.queue_depth()) && engine.model().is_ok());
            idle && seat.asked.is_none_or(|asked| asked.elapsed() >= patience)
        });
    }

    fn put_to_sleep(&mut self, which: impl Fn(&Seat) -> bool) {
        for role in [Role::Chat, Role::Completion] {
            let Some(seat) = self.models.0.seats.seat(role).filter(|seat| seat.engine().is_some() && which(seat))
            else {
                continue;
            };
            self.set(role, Seat { sitter: Sitter::Asleep, ..seat });
        }
    }
}

/// Clears a model of suspicion when its load is over, however it went, as long as the process lives.
async fn cleared(mut engine: watch::Receiver<State>, suspects: Suspects, model: PathBuf) {
    // An error says that it was given up, in order too.
    let _ = engine.wait_for(|state| !matches!(state, State::Loading { .. })).await;
    suspects.end(&model);
}

fn is_idle(load: &QueueDepth) -> bool {
    load.active == 0 && load.waiting() == 0
}
