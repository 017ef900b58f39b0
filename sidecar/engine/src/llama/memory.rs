//! The model's working memory: which sequences it holds, what of a new prompt is there already, and what gives way when it is full.

mod nexts;
mod outside;

use std::collections::HashMap;

use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::session::LlamaStateSeqFlags;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use super::sampler::TopLogits;
use super::states::States;
use crate::Error;
use crate::prefix_cache::{KvFidelity, PartialReuse, PrefixIndex, SharedChunk};
use nexts::{Nexts, tidy};
use outside::{Kept, Outside, State};

/// Texts shorter than this are read again rather than remembered outside the model's memory.
const WORTH_SAVING: usize = 16;

/// A part of another text is worth moving from so many tokens on.
const WORTH_MOVING: usize = 96;

/// To bring back a text from outside takes less time than to read one token for so many that it has.
const RESTORED_AT_ONCE: usize = 512;

/// A sequence of llama.cpp's memory.
pub(super) type SeqId = i32;

/// Where a request reads its prompt to, and what of it is there already.
#[derive(Debug)]
pub(super) struct Place {
    pub sequence: SeqId,
    /// Tokens of the prompt that are there.
    pub read: usize,
    /// What comes next, where the whole prompt has been read before.
    pub next: Option<TopLogits>,
    /// How what is there was read.
    pub likeness: KvFidelity,
    /// A part further on that is there too.
    pub ahead: Option<Ahead>,
}

/// A part of a text that was read before, in a sequence of its own until the text is read up to it.
#[derive(Debug)]
pub(super) struct Ahead {
    sequence: SeqId,
    /// The position in the text at which it begins.
    pub target: usize,
    /// Its tokens.
    length: usize,
}

/// Why a step could not be made.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no room, and nothing left that nobody uses.
    Full,
    /// llama.cpp reported an error.
    Broken(Error),
}

/// What can be done with a model's memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Abilities {
    /// Whether it can be used in part.
    pub cut: PartialReuse,
    /// Whether a part can be moved to another place of a text.
    pub can_move: bool,
    /// Whether it is a GPU's. To take a text out of that takes long: 90 ms for 1,500 tokens where they are read in 45.
    pub on_gpu: bool,
}

/// What llama.cpp's memory holds, and texts that were taken out of it and can be put back.
pub(super) struct Memory<'model> {
    context: LlamaContext<'model>,
    cut: PartialReuse,
    /// Whether what was read can be moved to another place of a text.
    can_move: bool,
    /// Whether texts are taken out of it only when nobody waits.
    on_gpu: bool,
    /// Tokens that idle sequences may have together when somebody begins. Whatever lies there is looked at in every step, also by
    /// those whom it does not concern: a processor is the slower for it, a GPU hardly.
    at_hand: usize,
    free: Vec<SeqId>,
    /// Sequences that no request works on.
    idle: PrefixIndex<SeqId, LlamaToken>,
    /// What comes next in an idle sequence.
    next: HashMap<SeqId, Nexts>,
    saved: Outside,
    states: Option<States>,
}

impl<'model> Memory<'model> {
    /// Of a fresh context with this many sequences. `most_bytes` of main memory may be used for texts that have to give way.
    pub fn new(
        context: LlamaContext<'model>,
        sequences: u32,
        Abilities { cut, can_move, on_gpu }: Abilities,
        most_bytes: u64,
        states: Option<States>,
    ) -> Self {
        let at_hand = if on_gpu { context.n_ctx() as usize / 2 } else { 0 };
        let mut memory = Self {
            context,
            cut,
            can_move,
            on_gpu,
            at_hand,
            free: (0..SeqId::try_from(sequences).unwrap_or(1)).rev().collect(),
            idle: PrefixIndex::default(),
            next: HashMap::new(),
            saved: Outside::new(most_bytes),
            states,
        };
        let stored = memory.states.as_mut().map(States::all).unwrap_or_default();
        for (text, stored) in stored {
            memory.saved.put(text, KvFidelity::Exact, Kept { state: State::Disk(stored), next: Nexts::new() });
        }
        memory
    }

    /// Whether the end of a sequence can be taken back, which guessing ahead needs.
    pub fn can_cut(&self) -> bool {
        self.cut == PartialReuse::Allowed
    }

    /// Bytes of main memory that saved texts take.
    pub fn saved_bytes(&self) -> u64 {
        self.saved.bytes()
    }

    /// A sequence for a text, with as much of it as is remembered, or as `beside`, a sequence at work, has in common with it. The
    /// last token is left to be read, unless it is known what follows. `likeness` is how what is there may have been read.
    pub fn begin(&mut self, text: &[LlamaToken], beside: Option<(SeqId, usize)>, likeness: KvFidelity) -> Place {
        let common = beside.map_or(0, |(_, common)| common.min(text.len().saturating_sub(1)));
        if self.at_hand == 0 {
            self.clear_up();
        }
        let mut place = match beside {
            Some((neighbour, _)) if common > self.remembered(text, likeness) => self.copy(neighbour, common),
            _ => self.find_place(text, likeness),
        };
        while self.idle.total_tokens() > self.at_hand && self.evict() {}
        if likeness == KvFidelity::Shifted && self.can_move {
            place.ahead = self.find_ahead(text, place.read);
        }
        place
    }

    /// Takes everything out that nobody works on, as far as it is kept outside. What of it is wanted is put back, and then lies at
    /// the front of the memory: a single token that a new text shared with one further back would have all steps look that far.
    fn clear_up(&mut self) {
        for sequence in
            self.idle.most_recent_first().into_iter().rev().map(|(sequence, _)| sequence).collect::<Vec<_>>()
        {
            let Some(text) = self.idle.get(sequence).map(<[LlamaToken]>::to_vec) else { continue };
            let likeness = self.idle.fidelity(sequence);
            let next = self.next.get(&sequence).cloned().unwrap_or_default();
            let is_kept = |memory: &Self| memory.saved.texts().contains_prefix(&text, likeness);
            if text.len() < WORTH_SAVING || is_kept(self) || self.save(sequence, text.clone(), likeness, next) {
                self.idle.remove(sequence);
                self.release(sequence);
            }
        }
    }

    /// How many tokens at the beginning of a text need not be read, at the least.
    pub fn remembered(&self, text: &[LlamaToken], likeness: KvFidelity) -> usize {
        let idle = self.idle.find(text, self.cut, likeness).map_or(0, |hit| hit.shared);
        idle.max(self.saved.texts().find(text, self.cut, likeness).map_or(0, |hit| hit.shared))
    }

    /// A sequence with the first tokens of another one that is at work.
    fn copy(&mut self, from: SeqId, tokens: usize) -> Place {
        let sequence = self.sequence();
        let end = u32::try_from(tokens).ok();
        let copied = self.context.copy_kv_cache_seq(from, sequence, None, end).is_ok();
        Place::exact(sequence, if copied { tokens } else { 0 }, None)
    }

    fn find_place(&mut self, text: &[LlamaToken], likeness: KvFidelity) -> Place {
        self.restore(text, likeness);
        let found = self.idle.find(text, self.cut, likeness).map(|hit| {
            let known = self.next.get(&hit.key).filter(|_| hit.shared == text.len());
            let next = known.and_then(|known| known.iter().find(|(count, _)| *count == text.len()));
            (hit, next.map(|(_, likely)| likely.clone()))
        });
        let Some((hit, next)) = found else { return self.blank() };
        let read = if next.is_some() { text.len() } else { hit.shared.min(text.len().saturating_sub(1)) };
        let left_over = !hit.is_entire || read < hit.shared;
        if left_over && !self.can_cut() || read == 0 {
            return self.blank();
        }
        let likeness = self.idle.fidelity(hit.key);
        if !left_over && next.is_none() {
            self.idle.remove(hit.key);
            return Place { likeness, ..Place::exact(hit.key, read, next) };
        }
        self.idle.touch(hit.key);
        let sequence = self.sequence();
        let end = if left_over { u32::try_from(read).ok() } else { None };
        if self.context.copy_kv_cache_seq(hit.key, sequence, None, end).is_err() {
            return Place::exact(sequence, 0, None);
        }
        let known = self.next.get(&hit.key).into_iter().flatten().filter(|(count, _)| *count <= read);
        self.next.insert(sequence, known.cloned().collect());
        Place { likeness, ..Place::exact(sequence, read, next) }
    }

    /// A part of a text, behind its first `read` tokens, that was read as a part of another one: its state is put into a sequence
    /// of its own and moved to where the text has it. It is put there from outside and not copied from another sequence, whose
    /// cells would be moved with it.
    fn find_ahead(&mut self, text: &[LlamaToken], read: usize) -> Option<Ahead> {
        let (number, chunk) = self.saved.texts().find_chunk(text, read, WORTH_MOVING)?;
        let put_back = self.put_back(number);
        let (Ok(sequence) | Err(sequence)) = put_back;
        if put_back.is_ok() && self.keep_and_move(sequence, chunk) {
            return Some(Ahead { sequence, target: chunk.target, length: chunk.length });
        }
        self.release(sequence);
        None
    }

    /// Leaves nothing but a part in a sequence, and moves that to its new place. `false` if it cannot be done.
    fn keep_and_move(&mut self, sequence: SeqId, SharedChunk { source, target, length }: SharedChunk) -> bool {
        let position = |tokens: usize| u32::try_from(tokens).ok();
        let whose = u32::try_from(sequence).ok();
        let (begin, end) = (position(source), position(source + length));
        let Ok(by) = i32::try_from(target as i64 - source as i64) else { return false };
        self.context.clear_kv_cache_seq(whose, end, None) == Ok(true)
            && self.context.clear_kv_cache_seq(whose, Some(0), begin) == Ok(true)
            && self.context.kv_cache_seq_add(sequence, begin, end, by).is_ok()
    }

    /// Joins a part to the sequence of a text that is read up to it. Gives back how many tokens were joined.
    pub fn join(&mut self, sequence: SeqId, Ahead { sequence: from, target, length }: Ahead) -> usize {
        let (begin, end) = (u32::try_from(target).ok(), u32::try_from(target + length).ok());
        let joined = self.context.copy_kv_cache_seq(from, sequence, begin, end).is_ok();
        self.release(from);
        if joined { length } else { 0 }
    }

    /// Gives up a part that no text will be read up to.
    pub fn leave(&mut self, Ahead { sequence, .. }: Ahead) {
        self.release(sequence);
    }

    /// A request is done with a sequence, in which `text` is, read so. `next` is what comes after its first so many tokens.
    pub fn end(
        &mut self,
        sequence: SeqId,
        text: Vec<LlamaToken>,
        likeness: KvFidelity,
        next: Option<(usize, TopLogits)>,
    ) {
        if text.is_empty() || self.idle.contains_prefix(&text, likeness) {
            self.release(sequence);
            return;
        }
        // What it went on from knew more.
        let mut nexts = self.next.remove(&sequence).unwrap_or_default();
        for shorter in self.idle.subsumed_by(&text, likeness) {
            // What follows something that was moved is not known as exactly.
            if self.idle.fidelity(shorter) == likeness {
                nexts.extend(self.next.remove(&shorter).unwrap_or_default());
            }
            self.idle.remove(shorter);
            self.release(shorter);
        }
        nexts.extend(next);
        self.idle.insert(sequence, text, likeness);
        self.next.insert(sequence, tidy(nexts));
    }

    /// A request has to give way for a while: its sequence goes outside if it can.
    pub fn park(&mut self, sequence: SeqId, text: Vec<LlamaToken>, likeness: KvFidelity) {
        self.save(sequence, text, likeness, Nexts::new());
        self.release(sequence);
    }

    /// Whether a text is taken out in less time than somebody notices who comes meanwhile.
    pub fn saves_at_once(&self) -> bool {
        !self.on_gpu
    }

    /// Saves one of the texts that nobody works on, so that no time is lost for that when the next request comes. `false` when
    /// all are saved.
    pub fn save_one(&mut self) -> bool {
        let unsaved = |(sequence, text): &(SeqId, &[LlamaToken])| {
            text.len() >= WORTH_SAVING && !self.saved.texts().contains_prefix(text, self.idle.fidelity(*sequence))
        };
        let Some((sequence, text)) = self.idle.most_recent_first().into_iter().find(unsaved) else { return false };
        let text = text.to_vec();
        let next = self.next.get(&sequence).cloned().unwrap_or_default();
        self.save(sequence, text, self.idle.fidelity(sequence), next)
    }

    /// Takes back what a sequence has from position `from` on.
    pub fn forget(&mut self, sequence: SeqId, from: usize) -> Result<(), Error> {
        let from = u32::try_from(from).ok();
        let done = self.context.clear_kv_cache_seq(u32::try_from(sequence).ok(), from, None);
        if done == Ok(true) {
            Ok(())
        } else {
            Err(Error::Inference("the end of a text could not be taken back".into()))
        }
    }

    /// Makes a step. What nobody uses gives way if there is no room.
    pub fn decode(&mut self, batch: &mut LlamaBatch<'_>) -> Result<(), Failure> {
        loop {
            match self.context.decode(batch) {
                Ok(()) => return Ok(()),
                Err(DecodeError::NoKvCacheSlot) if self.evict() => {}
                Err(DecodeError::NoKvCacheSlot) => return Err(Failure::Full),
                Err(error) => return Err(Failure::Broken(Error::Inference(error.to_string()))),
            }
        }
    }

    /// What the model thinks of each token after the step's token `row`.
    pub fn logits(&self, row: usize) -> &[f32] {
        self.context.get_logits_ith(i32::try_from(row).expect("a step has fewer than 2^31 tokens"))
    }

    /// Writes one of the texts that nobody works on to disk, the one used last first, so that they outlive the process. `false`
    /// when there is nothing left to write.
    pub fn store_one(&mut self) -> bool {
        let Some(states) = &mut self.states else { return false };
        let worth = |text: &[LlamaToken]| text.len() >= super::states::WORTH_STORING && !states.has(text);
        let exact = |likeness: KvFidelity| likeness == KvFidelity::Exact;
        let mut idle = self.idle.most_recent_first().into_iter().filter(|(key, _)| exact(self.idle.fidelity(*key)));
        if let Some((sequence, text)) = idle.find(|(_, text)| worth(text)) {
            return states.store(&self.context, sequence, text);
        }
        let texts = self.saved.texts();
        let mut saved = texts.most_recent_first().into_iter().filter(|(key, _)| exact(texts.fidelity(*key)));
        let Some((number, text)) = saved.find(|(_, text)| worth(text)) else { return false };
        let text = text.to_vec();
        let sequence = self.sequence();
        let Some(Kept { state: State::Memory(state), .. }) = self.saved.kept(number) else {
            self.release(sequence);
            return false;
        };
        let stored = self.context.state_seq_set(state, sequence).is_ok()
            && self.states.as_mut().is_some_and(|states| states.store(&self.context, sequence, &text));
        self.release(sequence);
        stored
    }

    /// Gives up every text that no request works on, on disk too.
    pub fn forget_all(&mut self) {
        while let Some(sequence) = self.idle.least_recently_used() {
            self.idle.remove(sequence);
            self.release(sequence);
        }
        self.saved.clear();
        if let Some(states) = &mut self.states {
            states.clear();
        }
    }

    fn blank(&mut self) -> Place {
        Place::exact(self.sequence(), 0, None)
    }

    /// A sequence without anything in it. There are more of them than requests at work, so one can always be had.
    fn sequence(&mut self) -> SeqId {
        while self.free.is_empty() && self.evict() {}
        self.free.pop().expect("there are more sequences than requests at work")
    }

    fn release(&mut self, sequence: SeqId) {
        self.next.remove(&sequence);
        // The removal of a whole sequence never fails.
        let _ = self.context.clear_kv_cache_seq(u32::try_from(sequence).ok(), None, None);
        self.free.push(sequence);
    }

    /// Makes room by giving up the idle sequence that was used longest ago, which is kept outside unless that would take long.
    /// `false` if there is none.
    fn evict(&mut self) -> bool {
        let Some(sequence) = self.idle.least_recently_used() else { return false };
        let likeness = self.idle.fidelity(sequence);
        let text = self.idle.remove(sequence).expect("it was there just now");
        let next = self.next.remove(&sequence).unwrap_or_default();
        if !self.on_gpu {
            self.save(sequence, text, likeness, next);
        }
        self.release(sequence);
        true
    }

    /// Keeps the state of a sequence in main memory, unless it is not worth it or does not fit. `false` if it is not kept.
    fn save(&mut self, sequence: SeqId, text: Vec<LlamaToken>, likeness: KvFidelity, mut next: Nexts) -> bool {
        if text.len() < WORTH_SAVING || self.saved.texts().contains_prefix(&text, likeness) {
            return false;
        }
        let size = self.context.state_seq_get_size_ext(sequence, LlamaStateSeqFlags::empty()) as u64;
        if !self.saved.can_have(size) {
            return false;
        }
        next.extend(self.saved.make_needless(&text, likeness));
        self.saved.make_room(size);
        match self.context.state_seq_get(sequence, LlamaStateSeqFlags::empty()) {
            Ok(state) => {
                self.saved.put(text, likeness, Kept { state: State::Memory(state), next: tidy(next) });
                true
            }
            Err(error) => {
                tracing::warn!(%error, "could not take a text out of the model's memory");
                false
            }
        }
    }

    /// Brings back a saved text if it spares more reading than those that are in the model's memory.
    fn restore(&mut self, text: &[LlamaToken], likeness: KvFidelity) {
        let there = self.idle.find(text, self.cut, likeness).map_or(0, |hit| hit.shared);
        let Some(hit) = self.saved.texts().find(text, self.cut, likeness) else { return };
        let length = self.saved.texts().get(hit.key).map_or(0, <[LlamaToken]>::len);
        if hit.shared <= there + length / RESTORED_AT_ONCE {
            return;
        }
        let next = self.saved.kept(hit.key).map(|kept| kept.next.clone()).unwrap_or_default();
        match self.put_back(hit.key) {
            Ok(sequence) => {
                self.saved.touch(hit.key);
                let texts = self.saved.texts();
                let whole = texts.get(hit.key).map(<[LlamaToken]>::to_vec).unwrap_or_default();
                self.idle.insert(sequence, whole, texts.fidelity(hit.key));
                self.next.insert(sequence, next);
            }
            Err(empty) => {
                self.release(empty);
                self.saved.remove(hit.key);
            }
        }
    }

    /// Puts the state of a saved text into a sequence; what nobody uses gives way if there is no room. An error gives back the
    /// sequence, with nothing in it.
    fn put_back(&mut self, number: u64) -> Result<SeqId, SeqId> {
        let sequence = self.sequence();
        let done = match self.saved.kept(number).map(|kept| &kept.state) {
            Some(State::Memory(state)) => loop {
                match self.context.state_seq_set(state, sequence) {
                    Ok(()) => break true,
                    Err(_) if self.idle.len() > 0 => {
                        // Not through `evict`: what is taken out here would need the room that the state is in.
                        let oldest = self.idle.least_recently_used().expect("there is one");
                        self.idle.remove(oldest);
                        self.next.remove(&oldest);
                        let _ = self.context.clear_kv_cache_seq(u32::try_from(oldest).ok(), None, None);
                        self.free.push(oldest);
                    }
                    Err(_) => break false,
                }
            },
            Some(State::Disk(stored)) => {
                stored.load(&mut self.context, sequence, self.saved.texts().get(number).unwrap_or_default())
            }
            None => false,
        };
        if done { Ok(sequence) } else { Err(sequence) }
    }
}

impl Place {
    /// A place in which all was read in order, with nothing further on.
    fn exact(sequence: SeqId, read: usize, next: Option<TopLogits>) -> Self {
        Self { sequence, read, next, likeness: KvFidelity::Exact, ahead: None }
    }
}
