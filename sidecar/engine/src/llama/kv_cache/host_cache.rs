//! Texts that were taken out of the model's memory and can be put back: so many bytes of them in main memory, and some on disk.

use std::collections::HashMap;

use llama_cpp_2::context::session::SeqState;
use llama_cpp_2::token::LlamaToken;

use super::cached_logits::CachedLogits;
use super::disk_cache::StateFile;
use crate::prefix_cache::{self, KvFidelity, PrefixIndex};

/// The texts, by number.
pub(super) struct HostKvCache {
    index: PrefixIndex<u64, LlamaToken>,
    states: HashMap<u64, OffloadedState>,
    last_number: u64,
    /// Bytes of main memory that they take, and may take.
    bytes: u64,
    max_bytes: u64,
}

/// What is kept of a text.
pub(super) struct OffloadedState {
    /// Its state.
    pub location: StateLocation,
    /// What comes next in it.
    pub logits: CachedLogits,
}

/// Where a state is.
pub(super) enum StateLocation {
    Host(SeqState),
    Disk(StateFile),
}

impl OffloadedState {
    fn bytes(&self) -> u64 {
        match &self.location {
            StateLocation::Host(state) => state.byte_len() as u64,
            StateLocation::Disk(_) => 0,
        }
    }
}

impl HostKvCache {
    /// None yet. They may take so many bytes of main memory.
    pub fn new(max_bytes: u64) -> Self {
        Self { index: PrefixIndex::default(), states: HashMap::new(), last_number: 0, bytes: 0, max_bytes }
    }

    /// Bytes of main memory that they take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The texts, to look for one.
    pub fn index(&self) -> &PrefixIndex<u64, LlamaToken> {
        &self.index
    }

    /// What is kept of one.
    pub fn get(&self, number: u64) -> Option<&OffloadedState> {
        self.states.get(&number)
    }

    /// One was used just now.
    pub fn touch(&mut self, number: u64) {
        self.index.touch(number);
    }

    /// Takes in one more.
    pub fn insert(&mut self, tokens: Vec<LlamaToken>, fidelity: KvFidelity, state: OffloadedState) {
        self.last_number += 1;
        self.bytes += state.bytes();
        self.index.insert(self.last_number, tokens, fidelity);
        self.states.insert(self.last_number, state);
    }

    /// Gives one up.
    pub fn remove(&mut self, number: u64) {
        self.index.remove(number);
        if let Some(state) = self.states.remove(&number) {
            self.bytes -= state.bytes();
        }
    }

    /// Gives up those that a new one makes needless, and gives back what comes next where they are the same.
    pub fn remove_subsumed(&mut self, tokens: &[LlamaToken], fidelity: KvFidelity) -> CachedLogits {
        let mut logits = CachedLogits::new();
        for older in self.index.mostly_subsumed_by(tokens, fidelity) {
            let shared = self.index.get(older).map_or(0, |older| prefix_cache::common_prefix_len(older, tokens));
            let known = self.states.get(&older).filter(|_| self.index.fidelity(older) == fidelity);
            let known = known.map(|state| state.logits.clone()).unwrap_or_default();
            logits.extend(known.into_iter().filter(|(count, _)| *count <= shared));
            self.remove(older);
        }
        logits
    }

    /// Whether there can be room for so many bytes.
    pub fn can_hold(&self, bytes: u64) -> bool {
        bytes <= self.max_bytes
    }

    /// Gives up those in main memory that were used longest ago until there is room for so many bytes.
    pub fn evict_until_fits(&mut self, bytes: u64) {
        while self.bytes + bytes > self.max_bytes
            && let Some(oldest) = self.least_recently_used_in_memory()
        {
            self.remove(oldest);
        }
    }

    fn least_recently_used_in_memory(&self) -> Option<u64> {
        let in_memory =
            |number: &u64| matches!(self.get(*number), Some(OffloadedState { location: StateLocation::Host(_), .. }));
        self.index.most_recent_first().into_iter().rev().map(|(number, _)| number).find(in_memory)
    }

    /// Gives up all of them.
    pub fn clear(&mut self) {
        self.index = PrefixIndex::default();
        self.states.clear();
        self.bytes = 0;
    }
}
