//! Memory planning: whether a model fits into memory, how many layers are offloaded to the GPU, and the size and type of its KV
//! cache. Pure: nothing is loaded.

/// Minimum context of one request in tokens; a model that fits only with less is of no use.
const MIN_CONTEXT: u32 = 2048;

/// Bytes of GPU memory that are reserved for the desktop and the driver.
const RESERVED_FOR_DESKTOP: u64 = 512 * MIB;

/// Bytes of main memory that the process takes beside its model.
const PROCESS_OVERHEAD: u64 = 64 * MIB;

/// Maximum batch size on the CPU, in tokens. Prefill was not faster with more on any CPU that was measured, and the compute
/// buffers grow with it.
const MAX_CPU_BATCH: u32 = 128;

const MIB: u64 = 1024 * 1024;

/// The dimensions of a model that determine its memory use, from its GGUF header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelSize {
    /// Bytes of all weights.
    pub weights: u64,
    /// Of those, bytes of the token embeddings, which stay in main memory: a GPU gains nothing by them.
    pub embedding_bytes: u64,
    /// Of those, bytes of the output layer, which is offloaded with the first layer.
    pub output_bytes: u64,
    /// Number of layers, which share the other weights evenly.
    pub layers: u32,
    /// Bytes of one token in the KV cache, as F16.
    pub kv_bytes_per_token: u64,
    /// Vocabulary size in tokens.
    pub n_vocab: u32,
    /// Embedding width.
    pub n_embd: u32,
    /// Attention heads, of the layer that has the most.
    pub n_head: u32,
    /// Context length that it was trained with, in tokens.
    pub context: u32,
}

/// The memory that is available to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvailableMemory {
    /// Bytes of main memory for the model and the process.
    pub main: u64,
    /// Free bytes of GPU memory, if there is a GPU.
    pub gpu: Option<u64>,
    /// Whether the GPU's memory is main memory, as with integrated GPUs.
    pub shared: bool,
}

/// Targets of a plan, which are reduced if memory is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanTargets {
    /// Context of one request, in tokens.
    pub context: u32,
    /// Capacity of the KV cache in tokens, all sequences together.
    pub kv_tokens: u32,
    /// Bytes of main memory for offloaded KV states.
    pub host_cache_bytes: u64,
    /// Maximum tokens of a step. It is halved if memory is short, or if more layers then fit on the GPU.
    pub batch_size: u32,
}

/// Data type of the KV cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvCacheType {
    /// 16-bit floats.
    F16,
    /// 8.5 bits per value: half the memory, slightly different answers.
    Q8_0,
}

impl KvCacheType {
    /// Bytes of what takes `f16_bytes` as F16. A block of llama.cpp's `q8_0` has 32 values in 34 bytes.
    #[must_use]
    fn bytes(self, f16_bytes: u64) -> u64 {
        match self {
            Self::F16 => f16_bytes,
            Self::Q8_0 => f16_bytes * 34 / 64,
        }
    }
}

/// Implementation of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Separate operations with intermediate results in memory. Faster on a CPU, most of all for few tokens after a long context.
    Eager,
    /// Flash attention: one fused operation that needs hardly any memory. Faster on a GPU, and required for a Q8_0 KV cache.
    Flash,
}

impl Attention {
    /// The implementation for a model with `gpu_layers` layers on the GPU.
    #[must_use]
    pub fn of(gpu_layers: u32, kv_cache_type: KvCacheType) -> Self {
        if gpu_layers == 0 && kv_cache_type == KvCacheType::F16 { Self::Eager } else { Self::Flash }
    }
}

/// How to load a model, and the memory that it will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Context limit of one request, in tokens.
    pub context: u32,
    /// Capacity of the KV cache in tokens.
    pub kv_tokens: u32,
    /// Data type of the KV cache.
    pub kv_cache_type: KvCacheType,
    /// Maximum tokens of a step.
    pub batch_size: u32,
    /// Number of layers.
    pub layers: u32,
    /// Of those, layers to offload to the GPU.
    pub gpu_layers: u32,
    /// Use of main memory.
    pub main: Bytes,
    /// Use of the GPU's own memory.
    pub gpu: Bytes,
}

/// Memory use in bytes, by purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Weights.
    pub weights: u64,
    /// KV cache in the model's context.
    pub kv_cache: u64,
    /// Compute buffers, and the process itself.
    pub compute: u64,
    /// Maximum for offloaded KV states.
    pub host_cache: u64,
}

impl Bytes {
    /// The sum.
    #[must_use]
    pub fn total(self) -> u64 {
        self.weights + self.kv_cache + self.compute + self.host_cache
    }
}

/// A model does not fit into main memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoesNotFit {
    /// Bytes of main memory that it needs at least.
    pub needed: u64,
    /// Bytes of main memory that are available.
    pub available: u64,
}

impl ModelSize {
    /// Plans how to load the model. As many layers as possible are offloaded to the GPU. If main memory is short, the batch size is
    /// halved first, then the KV cache becomes Q8_0, then the context is halved repeatedly.
    ///
    /// # Errors
    /// If not even the smallest plan fits.
    pub fn plan(&self, available: &AvailableMemory, targets: &PlanTargets) -> Result<MemoryPlan, DoesNotFit> {
        let context = targets.context.min(self.context.max(1));
        let min_context = MIN_CONTEXT.min(context);
        let smaller = std::iter::successors(Some(context), |tokens| {
            (*tokens > min_context).then(|| (tokens / 2).max(min_context))
        });
        let half_batch = targets.batch_size / 2;
        let candidates =
            [(context, KvCacheType::F16, targets.batch_size), (context, KvCacheType::F16, half_batch)].into_iter();
        let candidates = candidates.chain(smaller.map(|tokens| (tokens, KvCacheType::Q8_0, half_batch)));
        let mut smallest = u64::MAX;
        for (context, kv_cache_type, batch_size) in candidates {
            let plan = self.plan_for(context, kv_cache_type, batch_size, available);
            if plan.main.total() <= available.main {
                return Ok(self.extend_with_leftover(plan, available, targets));
            }
            smallest = smallest.min(plan.main.total());
        }
        Err(DoesNotFit { needed: smallest, available: available.main })
    }

    /// The plan with a KV cache of `context` tokens and without a host cache.
    fn plan_for(
        &self,
        context: u32,
        kv_cache_type: KvCacheType,
        batch_size: u32,
        available: &AvailableMemory,
    ) -> MemoryPlan {
        let kv_cache = u64::from(context) * kv_cache_type.bytes(self.kv_bytes_per_token);
        let layers = |batch_size| {
            self.gpu_layers(kv_cache, self.compute_buffer_bytes(batch_size, Attention::Flash, context), available.gpu)
        };
        let batch_size = if layers(batch_size / 2) > layers(batch_size) { batch_size / 2 } else { batch_size };
        let gpu_layers = layers(batch_size);
        let batch_size = if gpu_layers == 0 { batch_size.min(MAX_CPU_BATCH) } else { batch_size };
        let compute = self.compute_buffer_bytes(batch_size, Attention::of(gpu_layers, kv_cache_type), context);
        let part = |bytes: u64| bytes * u64::from(gpu_layers) / u64::from(self.layers.max(1));
        if available.shared {
            let main = Bytes { weights: self.weights, kv_cache, compute: PROCESS_OVERHEAD + compute, host_cache: 0 };
            let gpu = Bytes::default();
            return MemoryPlan {
                context,
                kv_tokens: context,
                kv_cache_type,
                batch_size,
                layers: self.layers,
                gpu_layers,
                main,
                gpu,
            };
        }
        let gpu = Bytes {
            weights: part(self.in_layers()) + if gpu_layers > 0 { self.output_bytes } else { 0 },
            kv_cache: part(kv_cache),
            compute: if gpu_layers > 0 { compute } else { 0 },
            host_cache: 0,
        };
        let main = Bytes {
            weights: self.weights - gpu.weights,
            kv_cache: kv_cache - gpu.kv_cache,
            compute: PROCESS_OVERHEAD + if gpu_layers == self.layers { 0 } else { compute },
            host_cache: 0,
        };
        MemoryPlan {
            context,
            kv_tokens: context,
            kv_cache_type,
            batch_size,
            layers: self.layers,
            gpu_layers,
            main,
            gpu,
        }
    }

    /// The plan with the leftover memory used for a larger KV cache and for the host cache.
    fn extend_with_leftover(&self, plan: MemoryPlan, available: &AvailableMemory, targets: &PlanTargets) -> MemoryPlan {
        let left = available.main - plan.main.total();
        let host_cache = targets.host_cache_bytes.min(left);
        let kv_tokens = targets.kv_tokens.max(plan.context);
        let more = u64::from(kv_tokens - plan.context) * plan.kv_cache_type.bytes(self.kv_bytes_per_token);
        let compute = |kv_tokens| {
            self.compute_buffer_bytes(plan.batch_size, Attention::of(plan.gpu_layers, plan.kv_cache_type), kv_tokens)
        };
        let more_compute = compute(kv_tokens) - compute(plan.context);
        let minimal = MemoryPlan { main: Bytes { host_cache, ..plan.main }, ..plan };
        if plan.gpu_layers > 0 && !available.shared {
            // With all layers on the GPU the KV cache is there too; otherwise its memory is used up by layers.
            let used = plan.gpu.total() + more + more_compute + RESERVED_FOR_DESKTOP;
            if plan.gpu_layers < plan.layers || used > available.gpu.unwrap_or(0) {
                return minimal;
            }
            let gpu =
                Bytes { kv_cache: plan.gpu.kv_cache + more, compute: plan.gpu.compute + more_compute, ..plan.gpu };
            return MemoryPlan { kv_tokens, gpu, ..minimal };
        }
        if host_cache + more + more_compute > left {
            return minimal;
        }
        let main = Bytes {
            kv_cache: plan.main.kv_cache + more,
            compute: plan.main.compute + more_compute,
            host_cache,
            ..plan.main
        };
        MemoryPlan { kv_tokens, main, ..plan }
    }

    /// Number of layers that fit on the GPU with their share of the KV cache.
    fn gpu_layers(&self, kv_cache: u64, compute: u64, gpu: Option<u64>) -> u32 {
        let layer = (self.in_layers() + kv_cache) / u64::from(self.layers.max(1));
        let free = gpu.unwrap_or(0).saturating_sub(RESERVED_FOR_DESKTOP + compute + self.output_bytes);
        u32::try_from(free / layer.max(1)).unwrap_or(u32::MAX).min(self.layers)
    }

    /// Bytes of the weights that the layers share.
    fn in_layers(&self) -> u64 {
        self.weights.saturating_sub(self.embedding_bytes + self.output_bytes)
    }

    /// Bytes of the compute buffers for a step of `batch_size` tokens with `kv_tokens` in the KV cache: some rows of embedding
    /// width, and the larger of two buffers that are not used at the same time, the logits (32 bits, twice) and the attention
    /// scores of eager attention (32 bits and 16 bits, and a mask of 32 bits).
    fn compute_buffer_bytes(&self, batch_size: u32, attention: Attention, kv_tokens: u32) -> u64 {
        let logits_bytes = 2 * 4 * u64::from(self.n_vocab);
        let attention_bytes = match attention {
            Attention::Eager => u64::from(kv_tokens) * (u64::from(self.n_head) * (4 + 2) + 4),
            Attention::Flash => 0,
        };
        u64::from(batch_size) * (logits_bytes.max(attention_bytes) + 64 * u64::from(self.n_embd))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1024 * MIB;

    /// A model with 0.5 billion parameters of 4 to 5 bits.
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

    /// One with 7 billion.
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

    const TARGETS: PlanTargets =
        PlanTargets { context: 16_384, kv_tokens: 32_768, host_cache_bytes: 256 * MIB, batch_size: 512 };

    fn plan(size: &ModelSize, main: u64, gpu: Option<u64>) -> Result<MemoryPlan, DoesNotFit> {
        size.plan(&AvailableMemory { main, gpu, shared: false }, &TARGETS)
    }

    #[test]
    fn with_enough_memory_all_targets_are_met() {
        let plan = plan(&SMALL, 8 * GIB, None).unwrap();
        assert_eq!((plan.context, plan.kv_tokens, plan.kv_cache_type), (16_384, 32_768, KvCacheType::F16));
        assert_eq!((plan.layers, plan.gpu_layers, plan.main.host_cache), (24, 0, 256 * MIB));
        assert_eq!(plan.main.kv_cache, 32_768 * 12_288);
    }

    #[test]
    fn with_less_memory_the_plan_shrinks_step_by_step_and_never_exceeds_it() {
        let mut last = (u32::MAX, KvCacheType::F16);
        for mib in (600..2000).rev().step_by(5) {
            let Ok(plan) = plan(&SMALL, mib * MIB, None) else {
                assert!(mib < 800, "{mib}");
                continue;
            };
            assert!(plan.main.total() <= mib * MIB, "{mib}: {plan:?}");
            assert!(plan.context >= MIN_CONTEXT && plan.kv_tokens >= plan.context);
            assert!(
                plan.context < last.0
                    || plan.context == last.0 && (plan.kv_cache_type == last.1 || last.1 == KvCacheType::F16)
            );
            last = (plan.context, plan.kv_cache_type);
        }
        assert_eq!(last, (MIN_CONTEXT, KvCacheType::Q8_0), "the smallest plan was reached");
    }

    #[test]
    fn a_model_that_does_not_fit_reports_how_much_it_needs() {
        let error = plan(&LARGE, 4 * GIB, None).unwrap_err();
        assert_eq!(error.available, 4 * GIB);
        assert!(plan(&LARGE, error.needed, None).is_ok());
        assert!(plan(&LARGE, error.needed - 1, None).is_err());
    }

    #[test]
    fn as_many_layers_are_offloaded_as_fit_on_the_gpu() {
        for (gpu, layers) in [(0, 0), (GIB, 0), (4 * GIB, 16), (5 * GIB, 23), (6 * GIB, 28), (80 * GIB, 28)] {
            let plan = plan(&LARGE, 16 * GIB, Some(gpu)).unwrap();
            assert_eq!(plan.gpu_layers, layers, "{gpu}");
            assert!(plan.gpu.total() + RESERVED_FOR_DESKTOP <= gpu.max(RESERVED_FOR_DESKTOP), "{plan:?}");
            assert_eq!(plan.main.weights + plan.gpu.weights, LARGE.weights);
            assert!(plan.main.weights >= LARGE.embedding_bytes, "{plan:?}");
        }
    }

    #[test]
    fn on_a_gpu_batch_and_kv_cache_are_large_unless_that_costs_a_layer() {
        for (gpu, layers, batch_size, kv_tokens) in [(6 * GIB, 28, 256, 16_384), (8 * GIB, 28, 512, 32_768)] {
            let plan = plan(&LARGE, 16 * GIB, Some(gpu)).unwrap();
            assert_eq!((plan.gpu_layers, plan.batch_size, plan.kv_tokens), (layers, batch_size, kv_tokens), "{plan:?}");
            assert!(plan.gpu.total() + RESERVED_FOR_DESKTOP <= gpu, "{plan:?}");
            assert_eq!(plan.gpu.kv_cache, u64::from(kv_tokens) * LARGE.kv_bytes_per_token);
        }
        assert_eq!(plan(&LARGE, 16 * GIB, None).unwrap().batch_size, MAX_CPU_BATCH);
    }

    #[test]
    fn the_output_layer_is_offloaded_with_the_first_layer() {
        let needed = |plan: &MemoryPlan| RESERVED_FOR_DESKTOP + plan.gpu.total();
        let one = (GIB..).step_by(usize::try_from(MIB).unwrap()).find_map(|gpu| {
            let plan = plan(&LARGE, 16 * GIB, Some(gpu)).unwrap();
            (plan.gpu_layers > 0).then_some((gpu, plan))
        });
        let (gpu, plan) = one.unwrap();
        assert_eq!(plan.gpu_layers, 1);
        assert!(
            plan.gpu.weights > LARGE.output_bytes && needed(&plan) <= gpu && needed(&plan) + 2 * MIB > gpu,
            "{gpu}: {plan:?}"
        );
    }

    #[test]
    fn an_integrated_gpu_takes_its_memory_from_the_budget() {
        let shared = |main: u64| LARGE.plan(&AvailableMemory { main, gpu: Some(12 * GIB), shared: true }, &TARGETS);
        let plan = shared(8 * GIB).unwrap();
        assert_eq!((plan.gpu_layers, plan.gpu), (28, Bytes::default()));
        assert_eq!(plan.main.weights, LARGE.weights);
        assert!(plan.main.total() <= 8 * GIB, "{plan:?}");
        assert!(shared(4 * GIB).is_err(), "its weights do not fit");
    }

    #[test]
    fn the_context_is_bounded_by_the_trained_length() {
        let short = ModelSize { context: 512, ..SMALL };
        let plan = plan(&short, 8 * GIB, None).unwrap();
        assert_eq!(plan.context, 512);
    }
}
