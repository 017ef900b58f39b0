//! How much memory models may take, and how two of them share it.

use std::sync::OnceLock;

use engine::memory_plan::{AvailableMemory, DoesNotFit, MemoryPlan, ModelSize, PlanTargets};
use serde::Serialize;
use utoipa::ToSchema;

use crate::settings::Settings;
use crate::system;

const MIB: u64 = 1024 * 1024;

/// What would be good for the model that chats: room for the longest question that the API takes with its answer, and beside it
/// for what an editor asks meanwhile.
const CHAT: PlanTargets =
    PlanTargets { context: 16_384, kv_tokens: 24_576, host_cache_bytes: 256 * MIB, batch_size: 512 };

/// The same for a model that only completes.
const COMPLETION: PlanTargets =
    PlanTargets { context: 8192, kv_tokens: 8192, host_cache_bytes: 64 * MIB, batch_size: 512 };

/// Tenths of the machine's memory that models may take where nobody has said anything.
const TENTHS: u64 = 6;

/// The memory of a machine that does not tell.
const UNTOLD: u64 = 8 * 1024 * MIB;

/// Bytes of main memory that models may take together.
pub fn of(settings: &Settings) -> u64 {
    settings.memory_budget_mb.map_or_else(|| machine() / 10 * TENTHS, |mebibytes| u64::from(mebibytes) * MIB)
}

/// What there is for models: `main` bytes of main memory, and what the best GPU has free. Asks the drivers, which takes a moment.
pub fn room(main: u64) -> AvailableMemory {
    let devices = engine::devices(&engine::default_backends());
    let gpu = devices.into_iter().find(|device| device.gpu);
    AvailableMemory {
        main,
        gpu: gpu.as_ref().map(|gpu| gpu.free_bytes),
        shared: gpu.is_some_and(|gpu| gpu.shares_memory),
    }
}

/// Bytes of this machine's memory.
fn machine() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| system::memory().unwrap_or(UNTOLD))
}

/// The memory of models, in bytes. What they may come to take is counted, so that the budget holds whatever is asked of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ModelMemory)]
pub struct Memory {
    /// What models may take of main memory together.
    pub budget_bytes: u64,
    /// What those that are there take at most: the four parts below, and not the GPU's.
    pub used_bytes: u64,
    /// Weights.
    pub weights_bytes: u64,
    /// The models' memory of what they have read.
    pub conversations_bytes: u64,
    /// What a step is calculated in, and the process itself.
    pub work_bytes: u64,
    /// Conversations that had to leave the models' memory, at most.
    pub saved_bytes: u64,
    /// Of that, what is taken just now.
    pub saved_now_bytes: u64,
    /// What models take of the GPU's memory.
    pub gpu_bytes: u64,
}

impl Memory {
    /// Counts one more model.
    pub fn add(&mut self, fit: &MemoryPlan, saved_now: u64) {
        self.used_bytes += fit.main.total();
        self.weights_bytes += fit.main.weights;
        self.conversations_bytes += fit.main.kv_cache;
        self.work_bytes += fit.main.compute;
        self.saved_bytes += fit.main.host_cache;
        self.saved_now_bytes += saved_now;
        self.gpu_bytes += fit.gpu.total();
    }
}

/// How a model fits that chats, where nobody else takes anything of `room`.
pub fn chat(need: &ModelSize, room: &AvailableMemory) -> Result<MemoryPlan, DoesNotFit> {
    need.plan(room, &CHAT)
}

/// How a model fits that only completes.
pub fn completion(need: &ModelSize, room: &AvailableMemory) -> Result<MemoryPlan, DoesNotFit> {
    need.plan(room, &COMPLETION)
}

/// What is left of `room` beside a model that is there.
pub fn beside(room: &AvailableMemory, fit: &MemoryPlan) -> AvailableMemory {
    AvailableMemory {
        main: room.main.saturating_sub(fit.main.total()),
        gpu: room.gpu.map(|free| free.saturating_sub(fit.gpu.total())),
        shared: room.shared,
    }
}

/// How two models share a room: the one that chats gets at least its smallest form, then the other what it would like, and the
/// rest is the first one's.
pub fn both(
    chats: &ModelSize,
    completes: &ModelSize,
    room: &AvailableMemory,
) -> Result<(MemoryPlan, MemoryPlan), DoesNotFit> {
    let least = match chats.plan(&AvailableMemory { main: 0, ..*room }, &CHAT) {
        Ok(_) => 0,
        Err(misfit) => misfit.needed,
    };
    let gpu = room.gpu.map(|free| free.saturating_sub(chat(chats, room).map_or(0, |fit| fit.gpu.total())));
    let left = AvailableMemory { main: room.main.saturating_sub(least), gpu, shared: room.shared };
    let second = completion(completes, &left)
        .map_err(|misfit| DoesNotFit { needed: misfit.needed + least, available: room.main })?;
    let main = room.main - second.main.total();
    Ok((chat(chats, &AvailableMemory { main, ..*room })?, second))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: ModelSize = ModelSize {
        weights: 469 * MIB,
        embedding_bytes: 0,
        output_bytes: 138 * MIB,
        layers: 24,
        kv_bytes_per_token: 12_288,
        n_vocab: 151_936,
        n_embd: 896,
        n_head: 14,
        context: 32_768,
    };

    const LARGE: ModelSize = ModelSize {
        weights: 4460 * MIB,
        embedding_bytes: 292 * MIB,
        output_bytes: 426 * MIB,
        layers: 28,
        kv_bytes_per_token: 57_344,
        n_vocab: 152_064,
        n_embd: 3584,
        n_head: 28,
        context: 131_072,
    };

    #[test]
    fn two_models_never_take_more_than_the_budget() {
        let mut shared = 0;
        for mib in (1000..9000).step_by(50) {
            let room = AvailableMemory { main: mib * MIB, gpu: None, shared: false };
            if let Ok((chats, completes)) = both(&LARGE, &SMALL, &room) {
                assert!(chats.main.total() + completes.main.total() <= room.main, "{mib}");
                shared += 1;
            }
        }
        assert!(shared > 20, "{shared}");
    }

    #[test]
    fn two_that_do_not_fit_say_what_they_need() {
        let room = AvailableMemory { main: 4000 * MIB, gpu: None, shared: false };
        let misfit = both(&LARGE, &SMALL, &room).unwrap_err();
        assert!(both(&LARGE, &SMALL, &AvailableMemory { main: misfit.needed, ..room }).is_ok(), "{misfit:?}");
    }
}
