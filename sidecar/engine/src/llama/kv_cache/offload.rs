//! Offloading of idle sequences from the model's context to main memory and disk, and restoring them.

use llama_cpp_2::context::session::LlamaStateSeqFlags;
use llama_cpp_2::token::LlamaToken;

use super::cached_logits::{CachedLogits, dedup};
use super::disk_cache::MIN_TOKENS as MIN_PERSIST_TOKENS;
use super::host_cache::{OffloadedState, StateLocation};
use super::{KvCache, SeqId};
use crate::prefix_cache::KvFidelity;

/// Sequences with fewer tokens are not offloaded: their prefill is as fast.
const MIN_OFFLOAD_TOKENS: usize = 16;

/// Tokens of an offloaded state that are restored in the time of one prefill token, at the least.
const RESTORED_PER_PREFILL_TOKEN: usize = 512;

impl KvCache<'_> {
    /// Offloads every idle sequence that fits into the host cache. One that is needed is restored to the front of the context:
    /// a single token shared with a sequence further back would extend the range of cells that every step visits.
    pub(super) fn offload_idle(&mut self) {
        for seq_id in self.cached.most_recent_first().into_iter().rev().map(|(seq_id, _)| seq_id).collect::<Vec<_>>() {
            let Some(tokens) = self.cached.get(seq_id).map(<[LlamaToken]>::to_vec) else { continue };
            let fidelity = self.cached.fidelity(seq_id);
            let logits = self.cached_logits.get(&seq_id).cloned().unwrap_or_default();
            let is_offloaded = |cache: &Self| cache.host_cache.index().contains_prefix(&tokens, fidelity);
            if tokens.len() < MIN_OFFLOAD_TOKENS
                || is_offloaded(self)
                || self.offload(seq_id, tokens.clone(), fidelity, logits)
            {
                self.cached.remove(seq_id);
                self.free_sequence(seq_id);
            }
        }
    }

    /// Copies one idle sequence to the host cache, so that the next request does not wait for it; it stays in the context until then.
    /// Returns `false` if all are copied.
    pub(crate) fn copy_one_to_host(&mut self) -> bool {
        let is_resident_only = |(seq_id, tokens): &(SeqId, &[LlamaToken])| {
            tokens.len() >= MIN_OFFLOAD_TOKENS
                && !self.host_cache.index().contains_prefix(tokens, self.cached.fidelity(*seq_id))
        };
        let Some((seq_id, tokens)) = self.cached.most_recent_first().into_iter().find(is_resident_only) else {
            return false;
        };
        let tokens = tokens.to_vec();
        let logits = self.cached_logits.get(&seq_id).cloned().unwrap_or_default();
        self.offload(seq_id, tokens, self.cached.fidelity(seq_id), logits)
    }

    /// Offloads the sequence of a preempted request, if it fits into the host cache, and frees it.
    pub(crate) fn offload_running(&mut self, seq_id: SeqId, tokens: Vec<LlamaToken>, fidelity: KvFidelity) {
        self.offload(seq_id, tokens, fidelity, CachedLogits::new());
        self.free_sequence(seq_id);
    }

    /// Copies the state of a sequence to the host cache. Returns `false` if it is too short, already there, or does not fit.
    pub(super) fn offload(
        &mut self,
        seq_id: SeqId,
        tokens: Vec<LlamaToken>,
        fidelity: KvFidelity,
        mut logits: CachedLogits,
    ) -> bool {
        if tokens.len() < MIN_OFFLOAD_TOKENS || self.host_cache.index().contains_prefix(&tokens, fidelity) {
            return false;
        }
        let size = self.context.state_seq_get_size_ext(seq_id, LlamaStateSeqFlags::empty()) as u64;
        if !self.host_cache.can_hold(size) {
            return false;
        }
        logits.extend(self.host_cache.remove_subsumed(&tokens, fidelity));
        self.host_cache.evict_until_fits(size);
        match self.context.state_seq_get(seq_id, LlamaStateSeqFlags::empty()) {
            Ok(state) => {
                let state = OffloadedState { location: StateLocation::Host(state), logits: dedup(logits) };
                self.host_cache.insert(tokens, fidelity, state);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "could not offload a sequence from the KV cache");
                false
            }
        }
    }

    /// Writes one idle sequence to disk, the most recently used first, so that it outlives the process. Returns `false` if none is
    /// left to write, or if the write failed.
    pub(crate) fn persist_one(&mut self) -> bool {
        let Some(disk_cache) = &mut self.disk_cache else { return false };
        let is_due = |tokens: &[LlamaToken]| tokens.len() >= MIN_PERSIST_TOKENS && !disk_cache.contains(tokens);
        let is_exact = |fidelity: KvFidelity| fidelity == KvFidelity::Exact;
        let in_context = self.cached.most_recent_first().into_iter();
        let mut in_context = in_context.filter(|(key, _)| is_exact(self.cached.fidelity(*key)));
        if let Some((seq_id, tokens)) = in_context.find(|(_, tokens)| is_due(tokens)) {
            return disk_cache.persist(&self.context, seq_id, tokens);
        }
        let index = self.host_cache.index();
        let mut offloaded = index.most_recent_first().into_iter().filter(|(key, _)| is_exact(index.fidelity(*key)));
        let Some((key, tokens)) = offloaded.find(|(_, tokens)| is_due(tokens)) else { return false };
        let tokens = tokens.to_vec();
        let seq_id = self.take_free();
        let Some(OffloadedState { location: StateLocation::Host(state), .. }) = self.host_cache.get(key) else {
            self.free_sequence(seq_id);
            return false;
        };
        let persisted = self.context.state_seq_set(state, seq_id).is_ok()
            && self.disk_cache.as_mut().is_some_and(|disk_cache| disk_cache.persist(&self.context, seq_id, &tokens));
        self.free_sequence(seq_id);
        persisted
    }

    /// Restores the offloaded state with the longest shared prefix, if that saves more prefill than the sequences in the context.
    pub(super) fn restore(&mut self, prompt: &[LlamaToken], allowed: KvFidelity) {
        let in_context = self.cached.find(prompt, self.partial_reuse, allowed).map_or(0, |hit| hit.shared);
        let Some(hit) = self.host_cache.index().find(prompt, self.partial_reuse, allowed) else { return };
        let length = self.host_cache.index().get(hit.key).map_or(0, <[LlamaToken]>::len);
        if hit.shared <= in_context + length / RESTORED_PER_PREFILL_TOKEN {
            return;
        }
        let logits = self.host_cache.get(hit.key).map(|state| state.logits.clone()).unwrap_or_default();
        match self.restore_state(hit.key) {
            Ok(seq_id) => {
                self.host_cache.touch(hit.key);
                let index = self.host_cache.index();
                let tokens = index.get(hit.key).map(<[LlamaToken]>::to_vec).unwrap_or_default();
                self.cached.insert(seq_id, tokens, index.fidelity(hit.key));
                self.cached_logits.insert(seq_id, logits);
            }
            Err(empty) => {
                self.free_sequence(empty);
                self.host_cache.remove(hit.key);
            }
        }
    }

    /// Restores an offloaded state into a new sequence; idle sequences are evicted if the context has no free KV cells. The error
    /// is the sequence, empty.
    pub(super) fn restore_state(&mut self, key: u64) -> Result<SeqId, SeqId> {
        let seq_id = self.take_free();
        let restored = match self.host_cache.get(key).map(|state| &state.location) {
            Some(StateLocation::Host(state)) => loop {
                match self.context.state_seq_set(state, seq_id) {
                    Ok(()) => break true,
                    Err(_) if self.cached.len() > 0 => {
                        // Not by `evict`: offloading could remove the state that is being restored from the host cache.
                        let oldest = self.cached.least_recently_used().expect("the index is not empty");
                        self.cached.remove(oldest);
                        self.cached_logits.remove(&oldest);
                        let _ = self.context.clear_kv_cache_seq(u32::try_from(oldest).ok(), None, None);
                        self.free.push(oldest);
                    }
                    Err(_) => break false,
                }
            },
            Some(StateLocation::Disk(file)) => {
                file.load(&mut self.context, seq_id, self.host_cache.index().get(key).unwrap_or_default())
            }
            None => false,
        };
        if restored { Ok(seq_id) } else { Err(seq_id) }
    }

    /// Bytes of main memory that offloaded states take.
    pub(crate) fn offloaded_bytes(&self) -> u64 {
        self.host_cache.bytes()
    }

    /// Whether offloading a sequence is too fast to delay a request that arrives meanwhile.
    pub(crate) fn offloads_eagerly(&self) -> bool {
        !self.on_gpu
    }
}
