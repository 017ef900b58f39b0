//! KV cache of the model: allocates its sequences, reuses the cached prefix of a new prompt, and evicts or offloads idle sequences.
//!
//! A KV state is in one of three places: in llama.cpp's context, offloaded to main memory ([`host_cache`]), or on disk
//! ([`disk_cache`]).

mod cached_logits;
mod chunks;
pub(super) mod disk_cache;
mod host_cache;
mod offload;

use std::collections::HashMap;

use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use self::cached_logits::{CachedLogits, dedup};
pub(super) use self::chunks::ShiftedChunk;
use self::disk_cache::DiskKvCache;
pub use self::disk_cache::clear as clear_disk_cache;
use self::host_cache::{HostKvCache, OffloadedState, StateLocation};
use super::sampler::TopLogits;
use crate::Error;
use crate::prefix_cache::{KvFidelity, PartialReuse, PrefixIndex};

/// llama.cpp's id of a sequence (`llama_seq_id`).
pub(super) type SeqId = i32;

/// The sequence that was allocated for a prompt, with the part of the prompt that is in the KV cache.
#[derive(Debug)]
pub(super) struct PrefixHit {
    pub seq_id: SeqId,
    /// Prompt tokens that are in the KV cache.
    pub n_past: usize,
    /// Logits after the last token of the prompt, if they are cached. Then no token has to be decoded.
    pub logits: Option<TopLogits>,
    /// How the cached part was computed.
    pub fidelity: KvFidelity,
    /// A chunk further on in the prompt that is cached too.
    pub chunk: Option<ShiftedChunk>,
}

/// Why a decode step failed.
#[derive(Debug)]
pub(super) enum DecodeFailure {
    /// The context has no free KV cells, and no idle sequence is left to evict.
    NoKvSpace,
    /// llama.cpp reported an error.
    Failed(Error),
}

/// What the KV cache of a model supports.
#[derive(Debug, Clone, Copy)]
pub(super) struct CacheCapabilities {
    /// Whether a sequence can be truncated.
    pub partial_reuse: PartialReuse,
    /// Whether a chunk can be shifted to another position.
    pub supports_shift: bool,
    /// Whether it is in a GPU's memory. Offloading from there is slow: 90 ms for 1,500 tokens whose prefill takes 45.
    pub on_gpu: bool,
}

/// The sequences in llama.cpp's context, and the offloaded ones.
pub(super) struct KvCache<'model> {
    context: LlamaContext<'model>,
    partial_reuse: PartialReuse,
    supports_shift: bool,
    /// Sequences are then offloaded only while no request runs, see [`CacheCapabilities::on_gpu`].
    on_gpu: bool,
    /// Maximum tokens of idle sequences that stay in the context when a request starts. Attention visits their cells in every step,
    /// also for other sequences: this slows a CPU down, and a GPU hardly.
    resident_tokens: usize,
    /// Ids without a sequence.
    free: Vec<SeqId>,
    /// Idle sequences in the context.
    cached: PrefixIndex<SeqId, LlamaToken>,
    /// Logits at the prompt ends of sequences in the context.
    cached_logits: HashMap<SeqId, CachedLogits>,
    host_cache: HostKvCache,
    disk_cache: Option<DiskKvCache>,
}

impl<'model> KvCache<'model> {
    /// The KV cache of an empty context with `sequences` sequence ids. Offloaded states take at most `max_host_bytes` of main
    /// memory.
    pub(crate) fn new(
        context: LlamaContext<'model>,
        sequences: u32,
        CacheCapabilities { partial_reuse, supports_shift, on_gpu }: CacheCapabilities,
        max_host_bytes: u64,
        disk_cache: Option<DiskKvCache>,
    ) -> Self {
        let resident_tokens = if on_gpu { context.n_ctx() as usize / 2 } else { 0 };
        let mut cache = Self {
            context,
            partial_reuse,
            supports_shift,
            on_gpu,
            resident_tokens,
            free: (0..SeqId::try_from(sequences).unwrap_or(1)).rev().collect(),
            cached: PrefixIndex::default(),
            cached_logits: HashMap::new(),
            host_cache: HostKvCache::new(max_host_bytes),
            disk_cache,
        };
        let persisted = cache.disk_cache.as_mut().map(DiskKvCache::load_index).unwrap_or_default();
        for (tokens, file) in persisted {
            let state = OffloadedState { location: StateLocation::Disk(file), logits: CachedLogits::new() };
            cache.host_cache.insert(tokens, KvFidelity::Exact, state);
        }
        cache
    }

    /// Whether the end of a sequence can be truncated, which draft verification needs.
    pub(crate) fn supports_truncation(&self) -> bool {
        self.partial_reuse == PartialReuse::Allowed
    }

    /// Allocates a sequence for a prompt, with its longest cached prefix. `running` is a running sequence and the length of the
    /// prefix that it shares with the prompt; it is copied if that is longer than the cached one. The last token of the prompt is
    /// left to be decoded, unless the logits after it are cached. `allowed` bounds the fidelity of the reused part.
    pub(crate) fn acquire(
        &mut self,
        prompt: &[LlamaToken],
        running: Option<(SeqId, usize)>,
        allowed: KvFidelity,
    ) -> PrefixHit {
        let shared = running.map_or(0, |(_, shared)| shared.min(prompt.len().saturating_sub(1)));
        if self.resident_tokens == 0 {
            self.offload_idle();
        }
        let mut hit = match running {
            Some((from, _)) if shared > self.cached_prefix_len(prompt, allowed) => self.copy(from, shared),
            _ => self.lookup_prefix(prompt, allowed),
        };
        while self.cached.total_tokens() > self.resident_tokens && self.evict() {}
        if allowed == KvFidelity::Shifted && self.supports_shift {
            hit.chunk = self.find_reusable_chunk(prompt, hit.n_past);
        }
        hit
    }

    /// Length of the longest cached prefix of a prompt, in tokens; a reusable chunk can add to it.
    pub(crate) fn cached_prefix_len(&self, prompt: &[LlamaToken], allowed: KvFidelity) -> usize {
        let in_context = self.cached.find(prompt, self.partial_reuse, allowed).map_or(0, |hit| hit.shared);
        let offloaded = self.host_cache.index().find(prompt, self.partial_reuse, allowed).map_or(0, |hit| hit.shared);
        in_context.max(offloaded)
    }

    /// A new sequence with the first tokens of a running one.
    fn copy(&mut self, from: SeqId, tokens: usize) -> PrefixHit {
        let seq_id = self.take_free();
        let end = u32::try_from(tokens).ok();
        let copied = self.context.copy_kv_cache_seq(from, seq_id, None, end).is_ok();
        PrefixHit::exact(seq_id, if copied { tokens } else { 0 }, None)
    }

    fn lookup_prefix(&mut self, prompt: &[LlamaToken], allowed: KvFidelity) -> PrefixHit {
        self.restore(prompt, allowed);
        let found = self.cached.find(prompt, self.partial_reuse, allowed).map(|hit| {
            let cached = self.cached_logits.get(&hit.key).filter(|_| hit.shared == prompt.len());
            let logits = cached.and_then(|cached| cached.iter().find(|(count, _)| *count == prompt.len()));
            (hit, logits.map(|(_, logits)| logits.clone()))
        });
        let Some((hit, logits)) = found else { return self.allocate() };
        let n_past = if logits.is_some() { prompt.len() } else { hit.shared.min(prompt.len().saturating_sub(1)) };
        let needs_truncation = !hit.is_entire || n_past < hit.shared;
        if needs_truncation && !self.supports_truncation() || n_past == 0 {
            return self.allocate();
        }
        let fidelity = self.cached.fidelity(hit.key);
        if !needs_truncation && logits.is_none() {
            self.cached.remove(hit.key);
            return PrefixHit { fidelity, ..PrefixHit::exact(hit.key, n_past, logits) };
        }
        self.cached.touch(hit.key);
        let seq_id = self.take_free();
        let end = if needs_truncation { u32::try_from(n_past).ok() } else { None };
        if self.context.copy_kv_cache_seq(hit.key, seq_id, None, end).is_err() {
            return PrefixHit::exact(seq_id, 0, None);
        }
        let cached = self.cached_logits.get(&hit.key).into_iter().flatten().filter(|(count, _)| *count <= n_past);
        self.cached_logits.insert(seq_id, cached.cloned().collect());
        PrefixHit { fidelity, ..PrefixHit::exact(seq_id, n_past, logits) }
    }

    /// Releases the sequence of a request, which stays cached. `tokens` are its tokens, `fidelity` how they were computed, `logits`
    /// those after its first so many tokens.
    pub(crate) fn release(
        &mut self,
        seq_id: SeqId,
        tokens: Vec<LlamaToken>,
        fidelity: KvFidelity,
        logits: Option<(usize, TopLogits)>,
    ) {
        if tokens.is_empty() || self.cached.contains_prefix(&tokens, fidelity) {
            self.free_sequence(seq_id);
            return;
        }
        // The sequence that it was copied from may have had more of them.
        let mut cached_logits = self.cached_logits.remove(&seq_id).unwrap_or_default();
        for shorter in self.cached.subsumed_by(&tokens, fidelity) {
            // Logits of another fidelity are not those of this sequence.
            if self.cached.fidelity(shorter) == fidelity {
                cached_logits.extend(self.cached_logits.remove(&shorter).unwrap_or_default());
            }
            self.cached.remove(shorter);
            self.free_sequence(shorter);
        }
        cached_logits.extend(logits);
        self.cached.insert(seq_id, tokens, fidelity);
        self.cached_logits.insert(seq_id, dedup(cached_logits));
    }

    /// Removes the tokens of a sequence from position `from` on.
    pub(crate) fn truncate(&mut self, seq_id: SeqId, from: usize) -> Result<(), Error> {
        let from = u32::try_from(from).ok();
        let removed = self.context.clear_kv_cache_seq(u32::try_from(seq_id).ok(), from, None);
        if removed == Ok(true) {
            Ok(())
        } else {
            Err(Error::Inference("the end of a sequence could not be truncated".into()))
        }
    }

    /// Decodes a batch. Idle sequences are evicted if the context has no free KV cells.
    pub(crate) fn decode(&mut self, batch: &mut LlamaBatch<'_>) -> Result<(), DecodeFailure> {
        loop {
            match self.context.decode(batch) {
                Ok(()) => return Ok(()),
                Err(DecodeError::NoKvCacheSlot) if self.evict() => {}
                Err(DecodeError::NoKvCacheSlot) => return Err(DecodeFailure::NoKvSpace),
                Err(error) => return Err(DecodeFailure::Failed(Error::Inference(error.to_string()))),
            }
        }
    }

    /// Logits after token `row` of the last batch, one per token of the vocabulary.
    pub(crate) fn logits(&self, row: usize) -> &[f32] {
        self.context.get_logits_ith(i32::try_from(row).expect("a step has fewer than 2^31 tokens"))
    }

    /// Clears every sequence without a running request: in the context, in main memory and on disk.
    pub(crate) fn clear(&mut self) {
        while let Some(seq_id) = self.cached.least_recently_used() {
            self.cached.remove(seq_id);
            self.free_sequence(seq_id);
        }
        self.host_cache.clear();
        if let Some(disk_cache) = &mut self.disk_cache {
            disk_cache.clear();
        }
    }

    fn allocate(&mut self) -> PrefixHit {
        PrefixHit::exact(self.take_free(), 0, None)
    }

    /// An empty sequence. The context has more ids than requests can run, so there is always one.
    fn take_free(&mut self) -> SeqId {
        while self.free.is_empty() && self.evict() {}
        self.free.pop().expect("there are more sequence ids than running requests")
    }

    fn free_sequence(&mut self, seq_id: SeqId) {
        self.cached_logits.remove(&seq_id);
        // The removal of an entire sequence never fails.
        let _ = self.context.clear_kv_cache_seq(u32::try_from(seq_id).ok(), None, None);
        self.free.push(seq_id);
    }

    /// Evicts the least recently used idle sequence, after offloading it unless that is slow. Returns `false` if there is none.
    fn evict(&mut self) -> bool {
        let Some(seq_id) = self.cached.least_recently_used() else { return false };
        let fidelity = self.cached.fidelity(seq_id);
        let tokens = self.cached.remove(seq_id).expect("the key is from the index");
        let logits = self.cached_logits.remove(&seq_id).unwrap_or_default();
        if !self.on_gpu {
            self.offload(seq_id, tokens, fidelity, logits);
        }
        self.free_sequence(seq_id);
        true
    }
}

impl PrefixHit {
    /// A hit without a shifted part.
    fn exact(seq_id: SeqId, n_past: usize, logits: Option<TopLogits>) -> Self {
        Self { seq_id, n_past, logits, fidelity: KvFidelity::Exact, chunk: None }
    }
}
