//! The model's working memory: which sequences it holds, what of a new prompt is there already, and what gives way when it is full.

mod cached_logits;
pub(super) mod disk_cache;
mod host_cache;

use std::collections::HashMap;

use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::session::LlamaStateSeqFlags;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use self::cached_logits::{CachedLogits, dedup};
pub use self::disk_cache::clear as clear_disk_cache;
use self::disk_cache::{DiskKvCache, MIN_TOKENS as MIN_PERSIST_TOKENS};
use self::host_cache::{HostKvCache, OffloadedState, StateLocation};
use super::sampler::TopLogits;
use crate::Error;
use crate::prefix_cache::{KvFidelity, PartialReuse, PrefixIndex, SharedChunk};

/// Texts shorter than this are read again rather than remembered outside the model's memory.
const MIN_OFFLOAD_TOKENS: usize = 16;

/// A part of another text is worth moving from so many tokens on.
const MIN_CHUNK_TOKENS: usize = 96;

/// To bring back a text from outside takes less time than to read one token for so many that it has.
const RESTORED_PER_PREFILL_TOKEN: usize = 512;

/// A sequence of llama.cpp's memory.
pub(super) type SeqId = i32;

/// Where a request reads its prompt to, and what of it is there already.
#[derive(Debug)]
pub(super) struct PrefixHit {
    pub seq_id: SeqId,
    /// Tokens of the prompt that are there.
    pub n_past: usize,
    /// What comes next, where the whole prompt has been read before.
    pub logits: Option<TopLogits>,
    /// How what is there was read.
    pub fidelity: KvFidelity,
    /// A part further on that is there too.
    pub chunk: Option<ShiftedChunk>,
}

/// A part of a text that was read before, in a sequence of its own until the text is read up to it.
#[derive(Debug)]
pub(super) struct ShiftedChunk {
    seq_id: SeqId,
    /// The position in the text at which it begins.
    pub target: usize,
    /// Its tokens.
    length: usize,
}

/// Why a step could not be made.
#[derive(Debug)]
pub(super) enum DecodeFailure {
    /// There is no room, and nothing left that nobody uses.
    NoKvSpace,
    /// llama.cpp reported an error.
    Failed(Error),
}

/// What can be done with a model's memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct CacheCapabilities {
    /// Whether it can be used in part.
    pub partial_reuse: PartialReuse,
    /// Whether a part can be moved to another place of a text.
    pub supports_shift: bool,
    /// Whether it is a GPU's. To take a text out of that takes long: 90 ms for 1,500 tokens where they are read in 45.
    pub on_gpu: bool,
}

/// What llama.cpp's memory holds, and texts that were taken out of it and can be put back.
pub(super) struct KvCache<'model> {
    context: LlamaContext<'model>,
    partial_reuse: PartialReuse,
    /// Whether what was read can be moved to another place of a text.
    supports_shift: bool,
    /// Whether texts are taken out of it only when nobody waits.
    on_gpu: bool,
    /// Tokens that idle sequences may have together when somebody begins. Whatever lies there is looked at in every step, also by
    /// those whom it does not concern: a processor is the slower for it, a GPU hardly.
    resident_tokens: usize,
    free: Vec<SeqId>,
    /// Sequences that no request works on.
    cached: PrefixIndex<SeqId, LlamaToken>,
    /// What comes next in an idle seq_id.
    cached_logits: HashMap<SeqId, CachedLogits>,
    host_cache: HostKvCache,
    disk_cache: Option<DiskKvCache>,
}

impl<'model> KvCache<'model> {
    /// Of a fresh context with this many sequences. `max_host_bytes` of main memory may be used for texts that have to give way.
    pub fn new(
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
        let stored = cache.disk_cache.as_mut().map(DiskKvCache::load_index).unwrap_or_default();
        for (text, stored) in stored {
            cache.host_cache.insert(
                text,
                KvFidelity::Exact,
                OffloadedState { location: StateLocation::Disk(stored), logits: CachedLogits::new() },
            );
        }
        cache
    }

    /// Whether the end of a sequence can be taken back, which guessing ahead needs.
    pub fn supports_truncation(&self) -> bool {
        self.partial_reuse == PartialReuse::Allowed
    }

    /// Bytes of main memory that saved texts take.
    pub fn offloaded_bytes(&self) -> u64 {
        self.host_cache.bytes()
    }

    /// A sequence for a text, with as much of it as is remembered, or as `beside`, a sequence at work, has in common with it. The
    /// last token is left to be read, unless it is known what follows. `fidelity` is how what is there may have been read.
    pub fn acquire(
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

    /// Takes everything out that nobody works on, as far as it is kept outside. What of it is wanted is put back, and then lies at
    /// the front of the memory: a single token that a new text shared with one further back would have all steps look that far.
    fn offload_idle(&mut self) {
        for seq_id in self.cached.most_recent_first().into_iter().rev().map(|(seq_id, _)| seq_id).collect::<Vec<_>>() {
            let Some(text) = self.cached.get(seq_id).map(<[LlamaToken]>::to_vec) else { continue };
            let fidelity = self.cached.fidelity(seq_id);
            let next = self.cached_logits.get(&seq_id).cloned().unwrap_or_default();
            let is_kept = |cache: &Self| cache.host_cache.index().contains_prefix(&text, fidelity);
            if text.len() < MIN_OFFLOAD_TOKENS || is_kept(self) || self.offload(seq_id, text.clone(), fidelity, next) {
                self.cached.remove(seq_id);
                self.free_sequence(seq_id);
            }
        }
    }

    /// How many tokens at the beginning of a text need not be read, at the least.
    pub fn cached_prefix_len(&self, text: &[LlamaToken], fidelity: KvFidelity) -> usize {
        let idle = self.cached.find(text, self.partial_reuse, fidelity).map_or(0, |hit| hit.shared);
        idle.max(self.host_cache.index().find(text, self.partial_reuse, fidelity).map_or(0, |hit| hit.shared))
    }

    /// A sequence with the first tokens of another one that is at work.
    fn copy(&mut self, from: SeqId, tokens: usize) -> PrefixHit {
        let seq_id = self.take_free();
        let end = u32::try_from(tokens).ok();
        let copied = self.context.copy_kv_cache_seq(from, seq_id, None, end).is_ok();
        PrefixHit::exact(seq_id, if copied { tokens } else { 0 }, None)
    }

    fn lookup_prefix(&mut self, text: &[LlamaToken], fidelity: KvFidelity) -> PrefixHit {
        self.restore(text, fidelity);
        let found = self.cached.find(text, self.partial_reuse, fidelity).map(|hit| {
            let known = self.cached_logits.get(&hit.key).filter(|_| hit.shared == text.len());
            let next = known.and_then(|known| known.iter().find(|(count, _)| *count == text.len()));
            (hit, next.map(|(_, likely)| likely.clone()))
        });
        let Some((hit, next)) = found else { return self.allocate() };
        let read = if next.is_some() { text.len() } else { hit.shared.min(text.len().saturating_sub(1)) };
        let left_over = !hit.is_entire || read < hit.shared;
        if left_over && !self.supports_truncation() || read == 0 {
            return self.allocate();
        }
        let fidelity = self.cached.fidelity(hit.key);
        if !left_over && next.is_none() {
            self.cached.remove(hit.key);
            return PrefixHit { fidelity, ..PrefixHit::exact(hit.key, read, next) };
        }
        self.cached.touch(hit.key);
        let seq_id = self.take_free();
        let end = if left_over { u32::try_from(read).ok() } else { None };
        if self.context.copy_kv_cache_seq(hit.key, seq_id, None, end).is_err() {
            return PrefixHit::exact(seq_id, 0, None);
        }
        let known = self.cached_logits.get(&hit.key).into_iter().flatten().filter(|(count, _)| *count <= read);
        self.cached_logits.insert(seq_id, known.cloned().collect());
        PrefixHit { fidelity, ..PrefixHit::exact(seq_id, read, next) }
    }

    /// A part of a text, behind its first `read` tokens, that was read as a part of another one: its state is put into a sequence
    /// of its own and moved to where the text has it. It is put there from outside and not copied from another seq_id, whose
    /// cells would be moved with it.
    fn find_reusable_chunk(&mut self, text: &[LlamaToken], read: usize) -> Option<ShiftedChunk> {
        let (number, chunk) = self.host_cache.index().find_chunk(text, read, MIN_CHUNK_TOKENS)?;
        let put_back = self.restore_state(number);
        let (Ok(seq_id) | Err(seq_id)) = put_back;
        if put_back.is_ok() && self.shift_chunk(seq_id, chunk) {
            return Some(ShiftedChunk { seq_id, target: chunk.target, length: chunk.length });
        }
        self.free_sequence(seq_id);
        None
    }

    /// Leaves nothing but a part in a seq_id, and moves that to its new place. `false` if it cannot be done.
    fn shift_chunk(&mut self, seq_id: SeqId, SharedChunk { source, target, length }: SharedChunk) -> bool {
        let position = |tokens: usize| u32::try_from(tokens).ok();
        let whose = u32::try_from(seq_id).ok();
        let (begin, end) = (position(source), position(source + length));
        let Ok(by) = i32::try_from(target as i64 - source as i64) else { return false };
        self.context.clear_kv_cache_seq(whose, end, None) == Ok(true)
            && self.context.clear_kv_cache_seq(whose, Some(0), begin) == Ok(true)
            && self.context.kv_cache_seq_add(seq_id, begin, end, by).is_ok()
    }

    /// Joins a part to the sequence of a text that is read up to it. Gives back how many tokens were joined.
    pub fn attach_chunk(
        &mut self,
        seq_id: SeqId,
        ShiftedChunk { seq_id: from, target, length }: ShiftedChunk,
    ) -> usize {
        let (begin, end) = (u32::try_from(target).ok(), u32::try_from(target + length).ok());
        let joined = self.context.copy_kv_cache_seq(from, seq_id, begin, end).is_ok();
        self.free_sequence(from);
        if joined { length } else { 0 }
    }

    /// Gives up a part that no text will be read up to.
    pub fn drop_chunk(&mut self, ShiftedChunk { seq_id, .. }: ShiftedChunk) {
        self.free_sequence(seq_id);
    }

    /// A request is done with a seq_id, in which `text` is, read so. `next` is what comes after its first so many tokens.
    pub fn release(
        &mut self,
        seq_id: SeqId,
        text: Vec<LlamaToken>,
        fidelity: KvFidelity,
        next: Option<(usize, TopLogits)>,
    ) {
        if text.is_empty() || self.cached.contains_prefix(&text, fidelity) {
            self.free_sequence(seq_id);
            return;
        }
        // What it went on from knew more.
        let mut nexts = self.cached_logits.remove(&seq_id).unwrap_or_default();
        for shorter in self.cached.subsumed_by(&text, fidelity) {
            // What follows something that was moved is not known as exactly.
            if self.cached.fidelity(shorter) == fidelity {
                nexts.extend(self.cached_logits.remove(&shorter).unwrap_or_default());
            }
            self.cached.remove(shorter);
            self.free_sequence(shorter);
        }
        nexts.extend(next);
        self.cached.insert(seq_id, text, fidelity);
        self.cached_logits.insert(seq_id, dedup(nexts));
    }

    /// A request has to give way for a while: its sequence goes outside if it can.
    pub fn offload_running(&mut self, seq_id: SeqId, text: Vec<LlamaToken>, fidelity: KvFidelity) {
        self.offload(seq_id, text, fidelity, CachedLogits::new());
        self.free_sequence(seq_id);
    }

    /// Whether a text is taken out in less time than somebody notices who comes meanwhile.
    pub fn offloads_eagerly(&self) -> bool {
        !self.on_gpu
    }

    /// Saves one of the texts that nobody works on, so that no time is lost for that when the next request comes. `false` when
    /// all are saved.
    pub fn offload_one(&mut self) -> bool {
        let unsaved = |(seq_id, text): &(SeqId, &[LlamaToken])| {
            text.len() >= MIN_OFFLOAD_TOKENS
                && !self.host_cache.index().contains_prefix(text, self.cached.fidelity(*seq_id))
        };
        let Some((seq_id, text)) = self.cached.most_recent_first().into_iter().find(unsaved) else { return false };
        let text = text.to_vec();
        let next = self.cached_logits.get(&seq_id).cloned().unwrap_or_default();
        self.offload(seq_id, text, self.cached.fidelity(seq_id), next)
    }

    /// Takes back what a sequence has from position `from` on.
    pub fn truncate(&mut self, seq_id: SeqId, from: usize) -> Result<(), Error> {
        let from = u32::try_from(from).ok();
        let done = self.context.clear_kv_cache_seq(u32::try_from(seq_id).ok(), from, None);
        if done == Ok(true) {
            Ok(())
        } else {
            Err(Error::Inference("the end of a text could not be taken back".into()))
        }
    }

    /// Makes a step. What nobody uses gives way if there is no room.
    pub fn decode(&mut self, batch: &mut LlamaBatch<'_>) -> Result<(), DecodeFailure> {
        loop {
            match self.context.decode(batch) {
                Ok(()) => return Ok(()),
                Err(DecodeError::NoKvCacheSlot) if self.evict() => {}
                Err(DecodeError::NoKvCacheSlot) => return Err(DecodeFailure::NoKvSpace),
                Err(error) => return Err(DecodeFailure::Failed(Error::Inference(error.to_string()))),
            }
        }
    }

    /// What the model thinks of each token after the step's token `row`.
    pub fn logits(&self, row: usize) -> &[f32] {
        self.context.get_logits_ith(i32::try_from(row).expect("a step has fewer than 2^31 tokens"))
    }

    /// Writes one of the texts that nobody works on to disk, the one used last first, so that they outlive the process. `false`
    /// when there is nothing left to write.
    pub fn persist_one(&mut self) -> bool {
        let Some(disk_cache) = &mut self.disk_cache else { return false };
        let worth = |text: &[LlamaToken]| text.len() >= MIN_PERSIST_TOKENS && !disk_cache.contains(text);
        let exact = |fidelity: KvFidelity| fidelity == KvFidelity::Exact;
        let mut idle = self.cached.most_recent_first().into_iter().filter(|(key, _)| exact(self.cached.fidelity(*key)));
        if let Some((seq_id, text)) = idle.find(|(_, text)| worth(text)) {
            return disk_cache.persist(&self.context, seq_id, text);
        }
        let texts = self.host_cache.index();
        let mut saved = texts.most_recent_first().into_iter().filter(|(key, _)| exact(texts.fidelity(*key)));
        let Some((number, text)) = saved.find(|(_, text)| worth(text)) else { return false };
        let text = text.to_vec();
        let seq_id = self.take_free();
        let Some(OffloadedState { location: StateLocation::Host(state), .. }) = self.host_cache.get(number) else {
            self.free_sequence(seq_id);
            return false;
        };
        let stored = self.context.state_seq_set(state, seq_id).is_ok()
            && self.disk_cache.as_mut().is_some_and(|disk_cache| disk_cache.persist(&self.context, seq_id, &text));
        self.free_sequence(seq_id);
        stored
    }

    /// Gives up every text that no request works on, on disk too.
    pub fn clear(&mut self) {
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

    /// A sequence without anything in it. There are more of them than requests at work, so one can always be had.
    fn take_free(&mut self) -> SeqId {
        while self.free.is_empty() && self.evict() {}
        self.free.pop().expect("there are more sequences than requests at work")
    }

    fn free_sequence(&mut self, seq_id: SeqId) {
        self.cached_logits.remove(&seq_id);
        // The removal of a whole sequence never fails.
        let _ = self.context.clear_kv_cache_seq(u32::try_from(seq_id).ok(), None, None);
        self.free.push(seq_id);
    }

    /// Makes room by giving up the idle sequence that was used longest ago, which is kept outside unless that would take long.
    /// `false` if there is none.
    fn evict(&mut self) -> bool {
        let Some(seq_id) = self.cached.least_recently_used() else { return false };
        let fidelity = self.cached.fidelity(seq_id);
        let text = self.cached.remove(seq_id).expect("it was there just now");
        let next = self.cached_logits.remove(&seq_id).unwrap_or_default();
        if !self.on_gpu {
            self.offload(seq_id, text, fidelity, next);
        }
        self.free_sequence(seq_id);
        true
    }

    /// Keeps the state of a sequence in main memory, unless it is not worth it or does not fit. `false` if it is not kept.
    fn offload(&mut self, seq_id: SeqId, text: Vec<LlamaToken>, fidelity: KvFidelity, mut next: CachedLogits) -> bool {
        if text.len() < MIN_OFFLOAD_TOKENS || self.host_cache.index().contains_prefix(&text, fidelity) {
            return false;
        }
        let size = self.context.state_seq_get_size_ext(seq_id, LlamaStateSeqFlags::empty()) as u64;
        if !self.host_cache.can_hold(size) {
            return false;
        }
        next.extend(self.host_cache.remove_subsumed(&text, fidelity));
        self.host_cache.evict_until_fits(size);
        match self.context.state_seq_get(seq_id, LlamaStateSeqFlags::empty()) {
            Ok(state) => {
                self.host_cache.insert(
                    text,
                    fidelity,
                    OffloadedState { location: StateLocation::Host(state), logits: dedup(next) },
                );
                true
            }
            Err(error) => {
                tracing::warn!(%error, "could not take a text out of the model's memory");
                false
            }
        }
    }

    /// Brings back a saved text if it spares more reading than those that are in the model's memory.
    fn restore(&mut self, text: &[LlamaToken], fidelity: KvFidelity) {
        let there = self.cached.find(text, self.partial_reuse, fidelity).map_or(0, |hit| hit.shared);
        let Some(hit) = self.host_cache.index().find(text, self.partial_reuse, fidelity) else { return };
        let length = self.host_cache.index().get(hit.key).map_or(0, <[LlamaToken]>::len);
        if hit.shared <= there + length / RESTORED_PER_PREFILL_TOKEN {
            return;
        }
        let next = self.host_cache.get(hit.key).map(|state| state.logits.clone()).unwrap_or_default();
        match self.restore_state(hit.key) {
            Ok(seq_id) => {
                self.host_cache.touch(hit.key);
                let texts = self.host_cache.index();
                let whole = texts.get(hit.key).map(<[LlamaToken]>::to_vec).unwrap_or_default();
                self.cached.insert(seq_id, whole, texts.fidelity(hit.key));
                self.cached_logits.insert(seq_id, next);
            }
            Err(empty) => {
                self.free_sequence(empty);
                self.host_cache.remove(hit.key);
            }
        }
    }

    /// Puts the state of a saved text into a seq_id; what nobody uses gives way if there is no room. An error gives back the
    /// seq_id, with nothing in it.
    fn restore_state(&mut self, number: u64) -> Result<SeqId, SeqId> {
        let seq_id = self.take_free();
        let done = match self.host_cache.get(number).map(|state| &state.location) {
            Some(StateLocation::Host(state)) => loop {
                match self.context.state_seq_set(state, seq_id) {
                    Ok(()) => break true,
                    Err(_) if self.cached.len() > 0 => {
                        // Not through `evict`: what is taken out here would need the room that the state is in.
                        let oldest = self.cached.least_recently_used().expect("there is one");
                        self.cached.remove(oldest);
                        self.cached_logits.remove(&oldest);
                        let _ = self.context.clear_kv_cache_seq(u32::try_from(oldest).ok(), None, None);
                        self.free.push(oldest);
                    }
                    Err(_) => break false,
                }
            },
            Some(StateLocation::Disk(stored)) => {
                stored.load(&mut self.context, seq_id, self.host_cache.index().get(number).unwrap_or_default())
            }
            None => false,
        };
        if done { Ok(seq_id) } else { Err(seq_id) }
    }
}

impl PrefixHit {
    /// A place in which all was read in order, with nothing further on.
    fn exact(seq_id: SeqId, n_past: usize, logits: Option<TopLogits>) -> Self {
        Self { seq_id, n_past, logits, fidelity: KvFidelity::Exact, chunk: None }
    }
}
