//! Host cache: KV states that were offloaded from the model's context, bounded in bytes of main memory, and the index of those on
//! disk.

use std::collections::HashMap;

use llama_cpp_2::context::session::SeqState;
use llama_cpp_2::token::LlamaToken;

use super::cached_logits::CachedLogits;
use super::disk_cache::StateFile;
use crate::prefix_cache::{KvFidelity, PrefixIndex, common_prefix_len};

/// Offloaded states, by key.
pub(super) struct HostKvCache {
    index: PrefixIndex<u64, LlamaToken>,
    states: HashMap<u64, OffloadedState>,
    last_key: u64,
    /// Bytes of main memory that the states take.
    bytes: u64,
    /// Maximum of `bytes`.
    max_bytes: u64,
}

/// The KV state of an offloaded sequence.
pub(super) struct OffloadedState {
    /// Where its bytes are.
    pub location: StateLocation,
    /// Logits at its prompt ends.
    pub logits: CachedLogits,
}

/// Where the bytes of a state are.
pub(super) enum StateLocation {
    Host(SeqState),
    Disk(StateFile),
}

impl OffloadedState {
    fn host_bytes(&self) -> u64 {
        match &self.location {
            StateLocation::Host(state) => state.byte_len() as u64,
            StateLocation::Disk(_) => 0,
        }
    }
}

impl HostKvCache {
    /// An empty cache that takes at most `max_bytes` of main memory.
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self { index: PrefixIndex::default(), states: HashMap::new(), last_key: 0, bytes: 0, max_bytes }
    }

    /// Bytes of main memory that the states take.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The token sequences of the states.
    pub(crate) fn index(&self) -> &PrefixIndex<u64, LlamaToken> {
        &self.index
    }

    pub(crate) fn get(&self, key: u64) -> Option<&OffloadedState> {
        self.states.get(&key)
    }

    /// Marks a state as the most recently used one.
    pub(crate) fn touch(&mut self, key: u64) {
        self.index.touch(key);
    }

    /// Adds a state as the most recently used one.
    pub(crate) fn insert(&mut self, tokens: Vec<LlamaToken>, fidelity: KvFidelity, state: OffloadedState) {
        self.last_key += 1;
        self.bytes += state.host_bytes();
        self.index.insert(self.last_key, tokens, fidelity);
        self.states.insert(self.last_key, state);
    }

    pub(crate) fn remove(&mut self, key: u64) {
        self.index.remove(key);
        if let Some(state) = self.states.remove(&key) {
            self.bytes -= state.host_bytes();
        }
    }

    /// Removes the states that are mostly a prefix of `tokens`. Returns their logits within the shared prefix, if their fidelity is
    /// the same.
    pub(crate) fn remove_subsumed(&mut self, tokens: &[LlamaToken], fidelity: KvFidelity) -> CachedLogits {
        let mut logits = CachedLogits::new();
        for older in self.index.mostly_subsumed_by(tokens, fidelity) {
            let shared = self.index.get(older).map_or(0, |older| common_prefix_len(older, tokens));
            let state = self.states.get(&older).filter(|_| self.index.fidelity(older) == fidelity);
            let cached = state.map(|state| state.logits.clone()).unwrap_or_default();
            logits.extend(cached.into_iter().filter(|(count, _)| *count <= shared));
            self.remove(older);
        }
        logits
    }

    /// Whether a state of this size fits into the empty cache.
    pub(crate) fn can_hold(&self, bytes: u64) -> bool {
        bytes <= self.max_bytes
    }

    /// Evicts the least recently used states in main memory until a state of this size fits.
    pub(crate) fn evict_until_fits(&mut self, bytes: u64) {
        while self.bytes + bytes > self.max_bytes
            && let Some(oldest) = self.least_recently_used_in_memory()
        {
            self.remove(oldest);
        }
    }

    fn least_recently_used_in_memory(&self) -> Option<u64> {
        let in_memory =
            |key: &u64| matches!(self.get(*key), Some(OffloadedState { location: StateLocation::Host(_), .. }));
        self.index.most_recent_first().into_iter().rev().map(|(key, _)| key).find(in_memory)
    }

    /// Removes all states.
    pub(crate) fn clear(&mut self) {
        self.index = PrefixIndex::default();
        self.states.clear();
        self.bytes = 0;
    }
}
