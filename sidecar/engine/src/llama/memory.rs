//! The model's working memory: which sequences it holds, what of a new prompt is there already, and what gives way when it is full.

use std::collections::HashMap;

use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::session::{LlamaStateSeqFlags, SeqState};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use super::choice::Likely;
use super::states::{States, Stored};
use crate::Error;
use crate::prefix::{Cut, Shelf};

/// Texts shorter than this are read again rather than remembered outside the model's memory.
const WORTH_SAVING: usize = 64;

/// A text from outside is brought back only if it spares the reading of this many tokens more.
const WORTH_RESTORING: usize = 32;

/// A sequence of llama.cpp's memory.
pub(super) type Sequence = i32;

/// Where a request reads its prompt to, and what of it is there already.
#[derive(Debug)]
pub(super) struct Place {
    pub sequence: Sequence,
    /// Tokens of the prompt that are there.
    pub read: usize,
    /// What comes next, where the whole prompt has been read before.
    pub next: Option<Likely>,
}

/// Why a step could not be made.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no room, and nothing left that nobody uses.
    Full,
    /// llama.cpp reported an error.
    Broken(Error),
}

/// What llama.cpp's memory holds, and texts that were taken out of it and can be put back.
pub(super) struct Memory<'model> {
    context: LlamaContext<'model>,
    cut: Cut,
    free: Vec<Sequence>,
    /// Sequences that no request works on.
    idle: Shelf<Sequence, LlamaToken>,
    /// What comes after the first so many tokens of an idle sequence.
    next: HashMap<Sequence, (usize, Likely)>,
    /// Texts outside, by number.
    saved: Shelf<u64, LlamaToken>,
    kept: HashMap<u64, Kept>,
    numbers: u64,
    /// Bytes that saved texts take in main memory, and may take.
    bytes: u64,
    most_bytes: u64,
    states: Option<States>,
}

/// Where the state of a saved text is.
enum Kept {
    Memory(SeqState),
    Disk(Stored),
}

impl<'model> Memory<'model> {
    /// Of a fresh context with this many sequences. `most_bytes` of main memory may be used for texts that have to give way.
    pub fn new(
        context: LlamaContext<'model>,
        sequences: u32,
        cut: Cut,
        most_bytes: u64,
        states: Option<States>,
    ) -> Self {
        let mut memory = Self {
            context,
            cut,
            free: (0..Sequence::try_from(sequences).unwrap_or(1)).rev().collect(),
            idle: Shelf::default(),
            next: HashMap::new(),
            saved: Shelf::default(),
            kept: HashMap::new(),
            numbers: 0,
            bytes: 0,
            most_bytes,
            states,
        };
        let stored = memory.states.as_mut().map(States::all).unwrap_or_default();
        for (text, stored) in stored {
            memory.keep(text, Kept::Disk(stored));
        }
        memory
    }

    /// Whether the end of a sequence can be taken back, which guessing ahead needs.
    pub fn can_cut(&self) -> bool {
        self.cut == Cut::Anywhere
    }

    /// Bytes of main memory that saved texts take.
    pub fn saved_bytes(&self) -> u64 {
        self.bytes
    }

    /// A sequence for a text, with as much of it as is remembered. `fresh` text has nothing after it yet, so its last token is
    /// left to be read, unless it is known what follows.
    pub fn begin(&mut self, text: &[LlamaToken]) -> Place {
        self.restore(text);
        let found = self.idle.find(text, self.cut).map(|find| {
            let next = self.next.get(&find.key).filter(|(count, _)| *count == text.len() && find.common == *count);
            (find, next.map(|(_, likely)| likely.clone()))
        });
        let Some((find, next)) = found else { return self.blank() };
        let read = if next.is_some() { text.len() } else { find.common.min(text.len().saturating_sub(1)) };
        let left_over = !find.whole || read < find.common;
        if left_over && !self.can_cut() || read == 0 {
            return self.blank();
        }
        if !left_over && next.is_none() {
            self.idle.take(find.key);
            self.next.remove(&find.key);
            return Place { sequence: find.key, read, next };
        }
        self.idle.touch(find.key);
        let sequence = self.sequence();
        let end = if left_over { u32::try_from(read).ok() } else { None };
        if self.context.copy_kv_cache_seq(find.key, sequence, None, end).is_err() {
            return Place { sequence, read: 0, next: None };
        }
        Place { sequence, read, next }
    }

    /// A request is done with a sequence, in which `text` is. `next` is what comes after its first so many tokens.
    pub fn end(&mut self, sequence: Sequence, text: Vec<LlamaToken>, next: Option<(usize, Likely)>) {
        if text.is_empty() || self.idle.covers(&text) {
            self.release(sequence);
            return;
        }
        for shorter in self.idle.covered_by(&text) {
            self.idle.take(shorter);
            self.release(shorter);
        }
        self.idle.put(sequence, text);
        if let Some(next) = next {
            self.next.insert(sequence, next);
        }
    }

    /// A request has to give way for a while: its sequence goes outside if it can.
    pub fn park(&mut self, sequence: Sequence, text: Vec<LlamaToken>) {
        self.save(sequence, text);
        self.release(sequence);
    }

    /// Takes back what a sequence has from position `from` on.
    pub fn forget(&mut self, sequence: Sequence, from: usize) -> Result<(), Error> {
        let from = u32::try_from(from).ok();
        let done = self.context.clear_kv_cache_seq(u32::try_from(sequence).ok(), from, None);
        if done == Ok(true) { Ok(()) } else { Err(Error::Broken("the end of a text could not be taken back".into())) }
    }

    /// Makes a step. What nobody uses gives way if there is no room.
    pub fn decode(&mut self, batch: &mut LlamaBatch<'_>) -> Result<(), Failure> {
        loop {
            match self.context.decode(batch) {
                Ok(()) => return Ok(()),
                Err(DecodeError::NoKvCacheSlot) if self.evict() => {}
                Err(DecodeError::NoKvCacheSlot) => return Err(Failure::Full),
                Err(error) => return Err(Failure::Broken(Error::Broken(error.to_string()))),
            }
        }
    }

    /// What the model thinks of each token after the step's token `row`.
    pub fn logits(&self, row: usize) -> &[f32] {
        self.context.get_logits_ith(i32::try_from(row).expect("a step has fewer than 2^31 tokens"))
    }

    /// Writes the longest of the texts that nobody uses to disk, the one used last first, so that they outlive the process.
    /// `false` when there is nothing left to write.
    pub fn store_one(&mut self) -> bool {
        let Some(states) = &mut self.states else { return false };
        let worth = |text: &[LlamaToken]| text.len() >= super::states::WORTH_STORING && !states.has(text);
        let Some((sequence, text)) = self.idle.newest_first().into_iter().find(|(_, text)| worth(text)) else {
            return false;
        };
        states.store(&self.context, sequence, text)
    }

    fn blank(&mut self) -> Place {
        Place { sequence: self.sequence(), read: 0, next: None }
    }

    /// A sequence without anything in it. There are more of them than requests at work, so one can always be had.
    fn sequence(&mut self) -> Sequence {
        while self.free.is_empty() && self.evict() {}
        self.free.pop().expect("there are more sequences than requests at work")
    }

    fn release(&mut self, sequence: Sequence) {
        self.next.remove(&sequence);
        // The removal of a whole sequence never fails.
        let _ = self.context.clear_kv_cache_seq(u32::try_from(sequence).ok(), None, None);
        self.free.push(sequence);
    }

    /// Makes room by giving up the idle sequence that was used longest ago. `false` if there is none.
    fn evict(&mut self) -> bool {
        let Some(sequence) = self.idle.oldest() else { return false };
        let text = self.idle.take(sequence).expect("it was there just now");
        self.save(sequence, text);
        self.release(sequence);
        true
    }

    /// Keeps the state of a sequence in main memory, unless it is not worth it or does not fit.
    fn save(&mut self, sequence: Sequence, text: Vec<LlamaToken>) {
        if text.len() < WORTH_SAVING || self.saved.covers(&text) {
            return;
        }
        let size = self.context.state_seq_get_size_ext(sequence, LlamaStateSeqFlags::empty()) as u64;
        if size > self.most_bytes {
            return;
        }
        for shorter in self.saved.covered_by(&text) {
            self.drop_saved(shorter);
        }
        while self.bytes + size > self.most_bytes
            && let Some(oldest) = self.oldest_in_memory()
        {
            self.drop_saved(oldest);
        }
        match self.context.state_seq_get(sequence, LlamaStateSeqFlags::empty()) {
            Ok(state) => self.keep(text, Kept::Memory(state)),
            Err(error) => tracing::warn!(%error, "could not take a text out of the model's memory"),
        }
    }

    fn keep(&mut self, text: Vec<LlamaToken>, kept: Kept) {
        self.numbers += 1;
        if let Kept::Memory(state) = &kept {
            self.bytes += state.byte_len() as u64;
        }
        self.saved.put(self.numbers, text);
        self.kept.insert(self.numbers, kept);
    }

    fn oldest_in_memory(&self) -> Option<u64> {
        let in_memory = |number: &u64| matches!(self.kept.get(number), Some(Kept::Memory(_)));
        self.saved.newest_first().into_iter().rev().map(|(number, _)| number).find(in_memory)
    }

    fn drop_saved(&mut self, number: u64) {
        self.saved.take(number);
        if let Some(Kept::Memory(state)) = self.kept.remove(&number) {
            self.bytes -= state.byte_len() as u64;
        }
    }

    /// Brings back a saved text if it spares more reading than those that are in the model's memory.
    fn restore(&mut self, text: &[LlamaToken]) {
        let there = self.idle.find(text, self.cut).map_or(0, |find| find.common);
        let Some(find) = self.saved.find(text, self.cut).filter(|find| find.common >= there + WORTH_RESTORING) else {
            return;
        };
        let sequence = self.sequence();
        let restored = match self.kept.get(&find.key) {
            Some(Kept::Memory(state)) => loop {
                match self.context.state_seq_set(state, sequence) {
                    Ok(()) => break true,
                    Err(_) if self.idle.len() > 0 => {
                        // Not through `evict`: what is taken out here would need the room that the state is in.
                        let oldest = self.idle.oldest().expect("there is one");
                        self.idle.take(oldest);
                        self.next.remove(&oldest);
                        let _ = self.context.clear_kv_cache_seq(u32::try_from(oldest).ok(), None, None);
                        self.free.push(oldest);
                    }
                    Err(_) => break false,
                }
            },
            Some(Kept::Disk(stored)) => {
                stored.load(&mut self.context, sequence, self.saved.get(find.key).unwrap_or_default())
            }
            None => false,
        };
        if !restored {
            self.release(sequence);
            self.drop_saved(find.key);
            return;
        }
        self.saved.touch(find.key);
        let whole = self.saved.get(find.key).map(<[LlamaToken]>::to_vec).unwrap_or_default();
        if find.whole && matches!(self.kept.get(&find.key), Some(Kept::Memory(_))) {
            self.drop_saved(find.key);
        }
        self.idle.put(sequence, whole);
    }
}
