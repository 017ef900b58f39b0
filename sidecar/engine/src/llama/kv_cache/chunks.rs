//! Reuse of chunks by KV shift: a chunk of an offloaded state is moved to the position that it has in a new prompt.

use llama_cpp_2::token::LlamaToken;

use super::{KvCache, SeqId};
use crate::prefix_cache::SharedChunk;

/// Minimum length of a chunk in tokens; a shorter one is not worth the shift.
const MIN_CHUNK_TOKENS: usize = 96;

/// A shifted chunk in a sequence of its own, until the prefill of the prompt has reached it.
#[derive(Debug)]
pub(in super::super) struct ShiftedChunk {
    seq_id: SeqId,
    /// Position of its first token in the prompt.
    pub target: usize,
    /// Number of its tokens.
    length: usize,
}

impl KvCache<'_> {
    /// Finds a chunk of the prompt, behind its first `n_past` tokens, in an offloaded state, restores it into a sequence of its own
    /// and shifts it to its position in the prompt. It is not copied from a sequence in the context: copies share their cells, so
    /// the shift would move those of the other sequence too.
    pub(super) fn find_reusable_chunk(&mut self, prompt: &[LlamaToken], n_past: usize) -> Option<ShiftedChunk> {
        let (key, chunk) = self.host_cache.index().find_chunk(prompt, n_past, MIN_CHUNK_TOKENS)?;
        let restored = self.restore_state(key);
        let (Ok(seq_id) | Err(seq_id)) = restored;
        if restored.is_ok() && self.shift_chunk(seq_id, chunk) {
            return Some(ShiftedChunk { seq_id, target: chunk.target, length: chunk.length });
        }
        self.free_sequence(seq_id);
        None
    }

    /// Removes everything but a chunk from a sequence, and shifts the chunk to its target. Returns `false` if llama.cpp refuses.
    fn shift_chunk(&mut self, seq_id: SeqId, SharedChunk { source, target, length }: SharedChunk) -> bool {
        let position = |tokens: usize| u32::try_from(tokens).ok();
        let id = u32::try_from(seq_id).ok();
        let (begin, end) = (position(source), position(source + length));
        let Ok(delta) = i32::try_from(target as i64 - source as i64) else { return false };
        self.context.clear_kv_cache_seq(id, end, None) == Ok(true)
            && self.context.clear_kv_cache_seq(id, Some(0), begin) == Ok(true)
            && self.context.kv_cache_seq_add(seq_id, begin, end, delta).is_ok()
    }

    /// Attaches a chunk to a sequence whose prefill has reached it. Returns the number of attached tokens.
    pub(crate) fn attach_chunk(
        &mut self,
        seq_id: SeqId,
        ShiftedChunk { seq_id: from, target, length }: ShiftedChunk,
    ) -> usize {
        let (begin, end) = (u32::try_from(target).ok(), u32::try_from(target + length).ok());
        let attached = self.context.copy_kv_cache_seq(from, seq_id, begin, end).is_ok();
        self.free_sequence(from);
        if attached { length } else { 0 }
    }

    /// Frees a chunk that no prefill will reach.
    pub(crate) fn drop_chunk(&mut self, ShiftedChunk { seq_id, .. }: ShiftedChunk) {
        self.free_sequence(seq_id);
    }
}
