//! Response cache with request coalescing: complete answers are cached for a while, and an answer that is being
//! generated is shared by all requests for it.

mod broadcast;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::Error;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use self::broadcast::ReplayBroadcast;
pub use self::broadcast::{Source, Subscriber};
use super::event::{Event, EventStream, ModelIdentity};
use super::router::ModelStream;
use crate::settings;

/// The kind of a cached answer; each kind has a cache of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheKind {
    /// Generations, of all model types.
    Generation,
    /// Completions at the cursor.
    Completion,
}

/// A SHA-256 hash of everything that changes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// Hashes these parts, with their lengths and their order.
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

/// What the cache needs to know about a request.
#[derive(Debug, Clone)]
pub struct CacheLookup {
    /// Which cache it belongs to.
    pub kind: CacheKind,
    /// The cache key: everything that changes the answer, the model included.
    pub key: CacheKey,
    /// The selected model. An answer of another model is not cached.
    pub model: ModelIdentity,
    /// Whether a cached answer may be returned.
    pub policy: CachePolicy,
}

/// Whether a request may be answered from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// Yes, a cached answer, or one that is being generated.
    Use,
    /// No: the model generates a new answer, which is cached.
    Bypass,
}

/// Counters of the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests that were answered without the model.
    pub hits: u64,
    /// Of those, requests that joined an answer that was being generated.
    pub coalesced: u64,
    /// Requests that were sent to the model.
    pub misses: u64,
    /// Cached generations.
    pub generations: u64,
    /// Cached completions.
    pub completions: u64,
}

/// A handle to the cache. Clones share it.
#[derive(Debug, Clone)]
pub struct ResponseCache {
    settings: settings::Handle,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    entries: Mutex<Entries>,
    /// Answers that are being generated, by key.
    in_flight: Mutex<HashMap<CacheKey, Arc<ReplayBroadcast>>>,
    hits: AtomicU64,
    coalesced: AtomicU64,
    misses: AtomicU64,
}

/// The caches, and the settings that they were created with.
#[derive(Debug)]
struct Entries {
    time_to_live: u32,
    size: u32,
    generations: Cache<CacheKey, Arc<ReplayBroadcast>>,
    completions: Cache<CacheKey, Arc<ReplayBroadcast>>,
}

impl Entries {
    fn new(time_to_live: u32, size: u32) -> Self {
        let cache = || {
            Cache::builder().max_capacity(size.into()).time_to_live(Duration::from_secs(time_to_live.into())).build()
        };
        Self { time_to_live, size, generations: cache(), completions: cache() }
    }

    fn of(&self, kind: CacheKind) -> &Cache<CacheKey, Arc<ReplayBroadcast>> {
        match kind {
            CacheKind::Generation => &self.generations,
            CacheKind::Completion => &self.completions,
        }
    }
}

impl ResponseCache {
    /// An empty cache. Its size and time to live are those of the settings.
    #[must_use]
    pub fn new(settings: settings::Handle) -> Self {
        let now = settings.current();
        let inner = Inner {
            entries: Mutex::new(Entries::new(now.cache_ttl, now.cache_size)),
            in_flight: Mutex::default(),
            hits: AtomicU64::new(0),
            coalesced: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        };
        Self { settings, inner: Arc::new(inner) }
    }

    /// A cached answer, or one that is being generated; `None` where the model has to generate one.
    #[must_use]
    pub fn get(&self, lookup: &CacheLookup) -> Option<Subscriber> {
        if lookup.policy == CachePolicy::Use {
            if let Some(broadcast) = self.cache(lookup.kind).get(&lookup.key) {
                self.count_hit();
                return Some(broadcast.subscribe(Source::Cached));
            }
            if let Some(broadcast) = lock(&self.inner.in_flight).get(&lookup.key) {
                return Some(self.join(broadcast));
            }
        }
        None
    }

    /// Shares an answer that the model generates with later requests for it, and caches it once it is complete. If
    /// another request was faster, its answer is joined and this one is dropped.
    #[must_use]
    pub fn share(&self, lookup: CacheLookup, stream: ModelStream) -> Subscriber {
        let mut in_flight = lock(&self.inner.in_flight);
        if lookup.policy == CachePolicy::Use
            && let Some(broadcast) = in_flight.get(&lookup.key)
        {
            return self.join(broadcast);
        }
        self.inner.misses.fetch_add(1, Ordering::Relaxed);
        let (broadcast, subscriber) = ReplayBroadcast::start();
        if lookup.policy == CachePolicy::Use {
            in_flight.insert(lookup.key, Arc::clone(&broadcast));
        }
        drop(in_flight);
        self.drive(lookup, broadcast, stream);
        subscriber
    }

    fn join(&self, broadcast: &Arc<ReplayBroadcast>) -> Subscriber {
        self.count_hit();
        self.inner.coalesced.fetch_add(1, Ordering::Relaxed);
        broadcast.subscribe(Source::Coalesced)
    }

    /// Forwards the model's events to all subscribers until the answer has ended or no subscriber is left. Caches a
    /// complete answer.
    fn drive(&self, lookup: CacheLookup, broadcast: Arc<ReplayBroadcast>, mut stream: ModelStream) {
        let cache = self.clone();
        let CacheLookup { kind, key, model, policy } = lookup;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = broadcast.all_unsubscribed() => {
                        let mut in_flight = lock(&cache.inner.in_flight);
                        // A request may have subscribed just now; none can while the lock is held.
                        if broadcast.has_no_subscriber() {
                            if policy == CachePolicy::Use {
                                in_flight.remove(&key);
                            }
                            return;
                        }
                    }
                    event = stream.next() => {
                        if broadcast.send(event.unwrap_or(Err(Error::EngineStopped))) {
                            continue;
                        }
                        if let Some(complete) = broadcast.cacheable(&model) {
                            cache.cache(kind).insert(key, complete);
                        }
                        if policy == CachePolicy::Use {
                            lock(&cache.inner.in_flight).remove(&key);
                        }
                        return;
                    }
                }
            }
        });
    }

    /// Caches the events of an answer that was cut at its stop.
    pub fn insert(&self, lookup: &CacheLookup, events: Vec<Event>) {
        if matches!(events.first(), Some(Event::Accepted(accepted)) if accepted.model == lookup.model) {
            self.cache(lookup.kind).insert(lookup.key, ReplayBroadcast::complete(events));
        }
    }

    /// Counts a hit of another cache, such as the suggestion cache.
    pub fn count_hit(&self) {
        self.inner.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes the cached answers of one kind, or of all. Returns how many there were.
    pub fn clear(&self, kind: Option<CacheKind>) -> u64 {
        let kinds = kind.map_or_else(|| vec![CacheKind::Generation, CacheKind::Completion], |kind| vec![kind]);
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

    /// The cache's counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let count = |kind| {
            let cache = self.cache(kind);
            cache.run_pending_tasks();
            cache.entry_count()
        };
        Stats {
            hits: self.inner.hits.load(Ordering::Relaxed),
            coalesced: self.inner.coalesced.load(Ordering::Relaxed),
            misses: self.inner.misses.load(Ordering::Relaxed),
            generations: count(CacheKind::Generation),
            completions: count(CacheKind::Completion),
        }
    }

    /// The cache of one kind. It starts empty when its settings have changed.
    fn cache(&self, kind: CacheKind) -> Cache<CacheKey, Arc<ReplayBroadcast>> {
        let now = self.settings.current();
        let mut entries = lock(&self.inner.entries);
        if (entries.time_to_live, entries.size) != (now.cache_ttl, now.cache_size) {
            *entries = Entries::new(now.cache_ttl, now.cache_size);
        }
        entries.of(kind).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
