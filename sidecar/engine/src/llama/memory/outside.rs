//! Texts that were taken out of the model's memory and can be put back: so many bytes of them in main memory, and some on disk.

use std::collections::HashMap;

use llama_cpp_2::context::session::SeqState;
use llama_cpp_2::token::LlamaToken;

use super::super::states::Stored;
use super::nexts::Nexts;
use crate::prefix_cache::{self, KvFidelity, PrefixIndex};

/// The texts, by number.
pub(super) struct Outside {
    texts: PrefixIndex<u64, LlamaToken>,
    kept: HashMap<u64, Kept>,
    numbers: u64,
    /// Bytes of main memory that they take, and may take.
    bytes: u64,
    most_bytes: u64,
}

/// What is kept of a text.
pub(super) struct Kept {
    /// Its state.
    pub state: State,
    /// What comes next in it.
    pub next: Nexts,
}

/// Where a state is.
pub(super) enum State {
    Memory(SeqState),
    Disk(Stored),
}

impl Kept {
    fn bytes(&self) -> u64 {
        match &self.state {
            State::Memory(state) => state.byte_len() as u64,
            State::Disk(_) => 0,
        }
    }
}

impl Outside {
    /// None yet. They may take so many bytes of main memory.
    pub fn new(most_bytes: u64) -> Self {
        Self { texts: PrefixIndex::default(), kept: HashMap::new(), numbers: 0, bytes: 0, most_bytes }
    }

    /// Bytes of main memory that they take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The texts, to look for one.
    pub fn texts(&self) -> &PrefixIndex<u64, LlamaToken> {
        &self.texts
    }

    /// What is kept of one.
    pub fn kept(&self, number: u64) -> Option<&Kept> {
        self.kept.get(&number)
    }

    /// One was used just now.
    pub fn touch(&mut self, number: u64) {
        self.texts.touch(number);
    }

    /// Takes in one more.
    pub fn put(&mut self, text: Vec<LlamaToken>, likeness: KvFidelity, kept: Kept) {
        self.numbers += 1;
        self.bytes += kept.bytes();
        self.texts.insert(self.numbers, text, likeness);
        self.kept.insert(self.numbers, kept);
    }

    /// Gives one up.
    pub fn remove(&mut self, number: u64) {
        self.texts.remove(number);
        if let Some(kept) = self.kept.remove(&number) {
            self.bytes -= kept.bytes();
        }
    }

    /// Gives up those that a new one makes needless, and gives back what comes next where they are the same.
    pub fn make_needless(&mut self, text: &[LlamaToken], likeness: KvFidelity) -> Nexts {
        let mut nexts = Nexts::new();
        for older in self.texts.mostly_subsumed_by(text, likeness) {
            let same = self.texts.get(older).map_or(0, |older| prefix_cache::common_prefix_len(older, text));
            let known = self.kept.get(&older).filter(|_| self.texts.fidelity(older) == likeness);
            let known = known.map(|kept| kept.next.clone()).unwrap_or_default();
            nexts.extend(known.into_iter().filter(|(count, _)| *count <= same));
            self.remove(older);
        }
        nexts
    }

    /// Whether there can be room for so many bytes.
    pub fn can_have(&self, bytes: u64) -> bool {
        bytes <= self.most_bytes
    }

    /// Gives up those in main memory that were used longest ago until there is room for so many bytes.
    pub fn make_room(&mut self, bytes: u64) {
        while self.bytes + bytes > self.most_bytes
            && let Some(oldest) = self.oldest_in_memory()
        {
            self.remove(oldest);
        }
    }

    fn oldest_in_memory(&self) -> Option<u64> {
        let in_memory = |number: &u64| matches!(self.kept(*number), Some(Kept { state: State::Memory(_), .. }));
        self.texts.most_recent_first().into_iter().rev().map(|(number, _)| number).find(in_memory)
    }

    /// Gives up all of them.
    pub fn clear(&mut self) {
        self.texts = PrefixIndex::default();
        self.kept.clear();
        self.bytes = 0;
    }
}
