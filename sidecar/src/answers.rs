//! Answers that are given more than once: finished ones are kept for a while, and one in the making is shared by all who ask for it.

mod shared;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Error, Event, TokenStream};
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use self::shared::Shared;
pub use self::shared::{Listener, Origin};
use crate::backend::{By, Voice};
use crate::settings;

/// What kind of question an answer belongs to; each kind has a cache of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Questions, of all model types.
    Generation,
    /// Code under the cursor.
    Completion,
}

/// Everything that changes an answer, as one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// Of these parts, whose order and borders count.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

/// A question as answers to it are known.
#[derive(Debug, Clone)]
pub struct Question {
    /// What kind it is.
    pub kind: Kind,
    /// Everything that changes the answer, the voice too.
    pub key: Key,
    /// Who is to answer. An answer of somebody else is not kept.
    pub voice: Voice,
    /// Whether an answer that is there already will do.
    pub reuse: Reuse,
}

/// Whether an answer that is there already will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// One that is finished, or one in the making, will do.
    Allowed,
    /// The model is to answer afresh.
    Refused,
}

/// How the cache does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Questions that were answered without the model.
    pub hits: u64,
    /// Of those, how many listened to an answer that was in the making.
    pub shared: u64,
    /// Questions that were put to the model.
    pub misses: u64,
    /// Finished answers to questions that are kept now.
    pub generations: u64,
    /// Finished completions that are kept now.
    pub completions: u64,
}

/// A handle to all answers. Clones share them.
#[derive(Debug, Clone)]
pub struct Answers {
    settings: settings::Handle,
    inside: Arc<Inside>,
}

#[derive(Debug)]
struct Inside {
    kept: Mutex<Kept>,
    /// Answers in the making, by key.
    growing: Mutex<HashMap<Key, Arc<Shared>>>,
    hits: AtomicU64,
    joined: AtomicU64,
    misses: AtomicU64,
}

/// The caches, and the settings that they were made for.
#[derive(Debug)]
struct Kept {
    time_to_live: u32,
    size: u32,
    generations: Cache<Key, Arc<Shared>>,
    completions: Cache<Key, Arc<Shared>>,
}

impl Kept {
    fn new(time_to_live: u32, size: u32) -> Self {
        let cache = || {
            Cache::builder().max_capacity(size.into()).time_to_live(Duration::from_secs(time_to_live.into())).build()
        };
        Self { time_to_live, size, generations: cache(), completions: cache() }
    }

    fn of(&self, kind: Kind) -> &Cache<Key, Arc<Shared>> {
        match kind {
            Kind::Generation => &self.generations,
            Kind::Completion => &self.completions,
        }
    }
}

impl Answers {
    /// None yet. Size and time to live are those of the settings.
    #[must_use]
    pub fn new(settings: settings::Handle) -> Self {
        let now = settings.current();
        let inside = Inside {
            kept: Mutex::new(Kept::new(now.cache_ttl, now.cache_size)),
            growing: Mutex::default(),
            hits: AtomicU64::new(0),
            joined: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        };
        Self { settings, inside: Arc::new(inside) }
    }

    /// The answer to a question: a finished one, one in the making, or a new one, for which `submit` asks the model.
    ///
    /// # Errors
    /// What `submit` fails with.
    pub fn ask(
        &self,
        question: &Question,
        submit: impl FnOnce() -> Result<(TokenStream, By), Error>,
    ) -> Result<Listener, Error> {
        let Question { kind, key, reuse, .. } = *question;
        if reuse == Reuse::Refused {
            self.inside.misses.fetch_add(1, Ordering::Relaxed);
            let (answer, by) = submit()?;
            let (shared, listener) = Shared::begin(by);
            self.tend(question.clone(), shared, answer);
            return Ok(listener);
        }
        if let Some(shared) = self.cache(kind).get(&key) {
            self.inside.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(shared.listen(Origin::Kept));
        }
        let mut growing = lock(&self.inside.growing);
        if let Some(shared) = growing.get(&key) {
            self.inside.hits.fetch_add(1, Ordering::Relaxed);
            self.inside.joined.fetch_add(1, Ordering::Relaxed);
            return Ok(shared.listen(Origin::Shared));
        }
        self.inside.misses.fetch_add(1, Ordering::Relaxed);
        let (answer, by) = submit()?;
        let (shared, listener) = Shared::begin(by);
        growing.insert(key, Arc::clone(&shared));
        drop(growing);
        self.tend(question.clone(), shared, answer);
        Ok(listener)
    }

    /// Takes what the model says to all listeners, until it has said all or nobody listens any more; keeps what is whole.
    fn tend(&self, question: Question, shared: Arc<Shared>, mut answer: TokenStream) {
        let answers = self.clone();
        let Question { kind, key, voice, reuse } = question;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = shared.deserted() => {
                        let mut growing = lock(&answers.inside.growing);
                        // Somebody may have come in this very moment; nobody can while the lock is held.
                        if shared.is_deserted() {
                            if reuse == Reuse::Allowed {
                                growing.remove(&key);
                            }
                            return;
                        }
                    }
                    event = answer.next() => {
                        if shared.say(event.unwrap_or(Err(Error::EngineStopped))) {
                            continue;
                        }
                        if let Some(whole) = shared.whole().filter(|_| shared.by.voice().as_ref() == Some(&voice)) {
                            answers.cache(kind).insert(key, whole);
                        }
                        if reuse == Reuse::Allowed {
                            lock(&answers.inside.growing).remove(&key);
                        }
                        return;
                    }
                }
            }
        });
    }

    /// Keeps an answer that its listener has cut short because it had heard enough.
    pub fn keep(&self, question: &Question, by: &By, events: Vec<Event>) {
        if by.voice().as_ref() == Some(&question.voice) {
            self.cache(question.kind).insert(question.key, Shared::finished(by.clone(), events));
        }
    }

    /// Counts an answer that was given again by somebody who remembered it.
    pub fn count_hit(&self) {
        self.inside.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets finished answers of one kind, or of all. Gives back how many there were.
    pub fn clear(&self, kind: Option<Kind>) -> u64 {
        let kinds = kind.map_or_else(|| vec![Kind::Generation, Kind::Completion], |kind| vec![kind]);
        let cleared = kinds.into_iter().map(|kind| {
            let cache = self.cache(kind);
            cache.run_pending_tasks();
            let count = cache.entry_count();
            cache.invalidate_all();
            cache.run_pending_tasks();
            count
        });
        cleared.sum()
    }

    /// How the cache does.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let count = |kind| {
            let cache = self.cache(kind);
            cache.run_pending_tasks();
            cache.entry_count()
        };
        Stats {
            hits: self.inside.hits.load(Ordering::Relaxed),
            shared: self.inside.joined.load(Ordering::Relaxed),
            misses: self.inside.misses.load(Ordering::Relaxed),
            generations: count(Kind::Generation),
            completions: count(Kind::Completion),
        }
    }

    /// The cache of one kind. When its settings have changed, it begins anew.
    fn cache(&self, kind: Kind) -> Cache<Key, Arc<Shared>> {
        let now = self.settings.current();
        let mut kept = lock(&self.inside.kept);
        if (kept.time_to_live, kept.size) != (now.cache_ttl, now.cache_size) {
            *kept = Kept::new(now.cache_ttl, now.cache_size);
        }
        kept.of(kind).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
