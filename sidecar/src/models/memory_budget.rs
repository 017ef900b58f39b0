//! How much memory models may take, and how two of them share it.

use std::sync::OnceLock;

use engine::memory_plan::{AvailableMemory, DoesNotFit, MemoryPlan, ModelSize, PlanTargets};
use serde::Serialize;
use utoipa::ToSchema;

use crate::settings::Settings;
use crate::system;

const MIB: u64 = 1024 * 1024;

/// What would be good for the model that chat: memory for the longest question that the API takes with its answer, and beside it
/// for what an editor asks meanwhile.
const CHAT_TARGETS: PlanTargets =
    PlanTargets { context: 16_384, kv_tokens: 24_576, host_cache_bytes: 256 * MIB, batch_size: 512 };

/// The same for a model that only completion.
const COMPLETION_TARGETS: PlanTargets =
    PlanTargets { context: 8192, kv_tokens: 8192, host_cache_bytes: 64 * MIB, batch_size: 512 };

/// Tenths of the machine's memory that models may take where nobody has said anything.
const DEFAULT_SHARE_TENTHS: u64 = 6;

/// The memory of a machine that does not tell.
const ASSUMED_MEMORY: u64 = 8 * 1024 * MIB;

/// Bytes of main memory that models may take together.
pub fn total(settings: &Settings) -> u64 {
    settings
        .memory_budget_mb
        .map_or_else(|| machine_memory() / 10 * DEFAULT_SHARE_TENTHS, |mebibytes| u64::from(mebibytes) * MIB)
}

/// What there is for models: `main` bytes of main memory, and what the best GPU has free. Asks the drivers, which takes a moment.
pub fn available(main: u64) -> AvailableMemory {
    let devices = engine::devices(&engine::default_backends());
    let gpu = devices.into_iter().find(|device| device.gpu);
    AvailableMemory {
        main,
        gpu: gpu.as_ref().map(|gpu| gpu.free_bytes),
        shared: gpu.is_some_and(|gpu| gpu.shares_memory),
    }
}

/// Bytes of this machine's memory.
fn machine_memory() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| system::memory().unwrap_or(ASSUMED_MEMORY))
}

/// The memory of models, in bytes. What they may come to take is counted, so that the budget holds whatever is last_used of them.
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
    pub fn add(&mut self, plan: &MemoryPlan, saved_now: u64) {
        self.used_bytes += plan.main.total();
        self.weights_bytes += plan.main.weights;
        self.conversations_bytes += plan.main.kv_cache;
        self.work_bytes += plan.main.compute;
        self.saved_bytes += plan.main.host_cache;
        self.saved_now_bytes += saved_now;
        self.gpu_bytes += plan.gpu.total();
    }
}

/// How a model fits that chat, where nobody else takes anything of `memory`.
pub fn plan_chat(size: &ModelSize, memory: &AvailableMemory) -> Result<MemoryPlan, DoesNotFit> {
    size.plan(memory, &CHAT_TARGETS)
}

/// How a model fits that only completion.
pub fn plan_completion(size: &ModelSize, memory: &AvailableMemory) -> Result<MemoryPlan, DoesNotFit> {
    size.plan(memory, &COMPLETION_TARGETS)
}

/// What is left of `memory` beside a model that is there.
pub fn remaining(memory: &AvailableMemory, plan: &MemoryPlan) -> AvailableMemory {
    AvailableMemory {
        main: memory.main.saturating_sub(plan.main.total()),
        gpu: memory.gpu.map(|free| free.saturating_sub(plan.gpu.total())),
        shared: memory.shared,
    }
}

/// How two models share a memory: the one that chat gets at min_chat its smallest form, then the other what it would like, and the
/// rest is the first one's.
pub fn plan_pair(
    chat: &ModelSize,
    completion: &ModelSize,
    memory: &AvailableMemory,
) -> Result<(MemoryPlan, MemoryPlan), DoesNotFit> {
    let min_chat = match chat.plan(&AvailableMemory { main: 0, ..*memory }, &CHAT_TARGETS) {
        Ok(_) => 0,
        Err(shortage) => shortage.needed,
    };
    let gpu = memory.gpu.map(|free| free.saturating_sub(plan_chat(chat, memory).map_or(0, |plan| plan.gpu.total())));
    let remaining = AvailableMemory { main: memory.main.saturating_sub(min_chat), gpu, shared: memory.shared };
    let completion_plan = plan_completion(completion, &remaining)
        .map_err(|shortage| DoesNotFit { needed: shortage.needed + min_chat, available: memory.main })?;
    let main = memory.main - completion_plan.main.total();
    Ok((plan_chat(chat, &AvailableMemory { main, ..*memory })?, completion_plan))
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
        let mut fitting = 0;
        for mib in (1000..9000).step_by(50) {
            let memory = AvailableMemory { main: mib * MIB, gpu: None, shared: false };
            if let Ok((chat, completion)) = plan_pair(&LARGE, &SMALL, &memory) {
                assert!(chat.main.total() + completion.main.total() <= memory.main, "{mib}");
                fitting += 1;
            }
        }
        assert!(fitting > 20, "{fitting}");
    }

    #[test]
    fn two_models_that_do_not_fit_report_the_needed_memory() {
        let memory = AvailableMemory { main: 4000 * MIB, gpu: None, shared: false };
        let shortage = plan_pair(&LARGE, &SMALL, &memory).unwrap_err();
        assert!(
            plan_pair(&LARGE, &SMALL, &AvailableMemory { main: shortage.needed, ..memory }).is_ok(),
            "{shortage:?}"
        );
    }
}
