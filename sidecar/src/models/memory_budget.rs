//! The memory budget of all models, and how two models share it.

use std::sync::OnceLock;

use engine::memory_plan::{AvailableMemory, DoesNotFit, MemoryPlan, ModelSize, PlanTargets};
use serde::Serialize;
use utoipa::ToSchema;

use crate::settings::Settings;
use crate::system;

const MIB: u64 = 1024 * 1024;

/// Targets of a chat model: a context for the API's longest request and its answer, and KV cache for concurrent completions.
const CHAT_TARGETS: PlanTargets =
    PlanTargets { context: 16_384, kv_tokens: 24_576, host_cache_bytes: 256 * MIB, batch_size: 512 };

/// Targets of a completion model.
const COMPLETION_TARGETS: PlanTargets =
    PlanTargets { context: 8192, kv_tokens: 8192, host_cache_bytes: 64 * MIB, batch_size: 512 };

/// Default budget, in tenths of the machine's memory.
const DEFAULT_SHARE_TENTHS: u64 = 6;

/// Memory that is assumed if the system does not report it, in bytes.
const ASSUMED_MEMORY: u64 = 8 * 1024 * MIB;

/// The memory budget of all models together, in bytes of main memory.
pub(crate) fn total(settings: &Settings) -> u64 {
    settings
        .memory_budget_mb
        .map_or_else(|| machine_memory() / 10 * DEFAULT_SHARE_TENTHS, |mebibytes| u64::from(mebibytes) * MIB)
}

/// The memory that is available to models: `main` bytes, and the free memory of the first GPU. Queries the drivers, which is slow.
pub(crate) fn available(main: u64) -> AvailableMemory {
    let devices = engine::devices(&engine::default_backends());
    let gpu = devices.into_iter().find(|device| device.gpu);
    AvailableMemory {
        main,
        gpu: gpu.as_ref().map(|gpu| gpu.free_bytes),
        shared: gpu.is_some_and(|gpu| gpu.shares_memory),
    }
}

/// The machine's memory, in bytes.
fn machine_memory() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| system::memory().unwrap_or(ASSUMED_MEMORY))
}

/// Memory of the models, in bytes. Maximums are counted, so that the budget holds under any load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ModelMemory)]
pub struct Memory {
    /// Budget of main memory for all models.
    pub budget_bytes: u64,
    /// Maximum main memory of the loaded models: the sum of the four parts below, without GPU memory.
    pub used_bytes: u64,
    /// Model weights.
    pub weights_bytes: u64,
    /// KV cache.
    pub conversations_bytes: u64,
    /// Compute buffers, and the process itself.
    pub work_bytes: u64,
    /// Maximum of the KV cache that is offloaded to host memory.
    pub saved_bytes: u64,
    /// Of that, currently used.
    pub saved_now_bytes: u64,
    /// GPU memory of the models.
    pub gpu_bytes: u64,
}

impl Memory {
    /// Adds a loaded model. `saved_now`: bytes of KV cache that are currently offloaded.
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

/// The memory plan of a chat model that has `memory` for itself.
pub(crate) fn plan_chat(size: &ModelSize, memory: &AvailableMemory) -> Result<MemoryPlan, DoesNotFit> {
    size.plan(memory, &CHAT_TARGETS)
}

/// The memory plan of a completion model that has `memory` for itself.
pub(crate) fn plan_completion(size: &ModelSize, memory: &AvailableMemory) -> Result<MemoryPlan, DoesNotFit> {
    size.plan(memory, &COMPLETION_TARGETS)
}

/// The memory that remains beside a loaded model.
pub(crate) fn remaining(memory: &AvailableMemory, plan: &MemoryPlan) -> AvailableMemory {
    AvailableMemory {
        main: memory.main.saturating_sub(plan.main.total()),
        gpu: memory.gpu.map(|free| free.saturating_sub(plan.gpu.total())),
        shared: memory.shared,
    }
}

/// Plans a chat and a completion model together: the minimum is reserved for the chat model, the completion model is planned with the
/// remaining memory, and the chat model gets the rest.
pub(crate) fn plan_pair(
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
    fn two_models_never_exceed_the_budget() {
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
