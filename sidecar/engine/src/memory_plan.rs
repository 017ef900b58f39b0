//! Whether a model fits, and how: which part of it goes where, and what is made smaller where there is less room than it would
//! like. Numbers in, numbers out; nothing is loaded for it.

/// Tokens that one conversation must be able to hold; a model with less room for it is of no use.
const MIN_CONTEXT: u32 = 2048;

/// Bytes of a GPU's memory that are left to the desktop, and to what drivers take for themselves.
const RESERVED_FOR_DESKTOP: u64 = 512 * MIB;

/// Bytes that the process takes beside its model.
const PROCESS_OVERHEAD: u64 = 64 * MIB;

/// Tokens of the largest step on the processor. Beyond that none of those that were measured read faster, and room to calculate in
/// grows with it.
const MAX_CPU_BATCH: u32 = 128;

const MIB: u64 = 1024 * 1024;

/// What a model needs, as its file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelSize {
    /// Bytes of weights.
    pub weights: u64,
    /// Of those, bytes in front of the layers, which stay in main memory: a GPU gains nothing by them.
    pub embedding_bytes: u64,
    /// Of those, bytes behind the layers, which go to the GPU with the first layer that does.
    pub output_bytes: u64,
    /// Layers that the other weights are divided into.
    pub layers: u32,
    /// Bytes that each token of a conversation takes, at 16 bits a number.
    pub kv_bytes_per_token: u64,
    /// Tokens that the model knows.
    pub n_vocab: u32,
    /// Numbers that a token is to the model.
    pub n_embd: u32,
    /// Times that each token looks back at all before it, in the layer that does so most often: its attention heads.
    pub n_head: u32,
    /// Tokens of the longest text that it was trained on.
    pub context: u32,
}

/// What is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvailableMemory {
    /// Bytes of main memory that the model may take with everything around it.
    pub main: u64,
    /// Bytes of the GPU's memory that are free, if there is a GPU.
    pub gpu: Option<u64>,
    /// Whether that is main memory too, as for a GPU that is part of the processor.
    pub shared: bool,
}

/// What would be good to have, if there is room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanTargets {
    /// Tokens of one conversation.
    pub context: u32,
    /// Tokens of all conversations together.
    pub kv_tokens: u32,
    /// Bytes for conversations that had to leave the model's memory.
    pub host_cache_bytes: u64,
    /// Tokens of the largest step; half of them where room is short, or a GPU then takes more layers.
    pub batch_size: u32,
}

/// How exactly the model's memory keeps its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvCacheType {
    /// At 16 bits, as the model was made for.
    F16,
    /// At 8 bits and a half, which takes half the room and changes answers a little.
    Q8_0,
}

impl KvCacheType {
    /// Bytes that a token takes which takes `exact` at 16 bits: 34 bytes for each 32 numbers at 8 bits, which is the block of
    /// llama.cpp's `q8_0`.
    #[must_use]
    fn bytes(self, exact: u64) -> u64 {
        match self {
            Self::F16 => exact,
            Self::Q8_0 => exact * 34 / 64,
        }
    }
}

/// How a step looks back at what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Each part of the calculation on its own, with all that lies between in memory. On a processor this is the faster way,
    /// most of all for a few tokens after many.
    Eager,
    /// All in one, which needs next to no memory. A GPU is faster so, and memory at 8 bits cannot do otherwise.
    Flash,
}

impl Attention {
    /// Of a model with so many layers on a GPU.
    #[must_use]
    pub fn of(gpu_layers: u32, kv_cache_type: KvCacheType) -> Self {
        if gpu_layers == 0 && kv_cache_type == KvCacheType::F16 { Self::Eager } else { Self::Flash }
    }
}

/// How a model is to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Tokens that one conversation may have.
    pub context: u32,
    /// Tokens that the model's memory has room for.
    pub kv_tokens: u32,
    /// How the model's memory keeps them.
    pub kv_cache_type: KvCacheType,
    /// Tokens of the largest step.
    pub batch_size: u32,
    /// Layers of the model.
    pub layers: u32,
    /// Of those, layers on the GPU.
    pub gpu_layers: u32,
    /// What it takes of main memory.
    pub main: Bytes,
    /// What it takes of the GPU's memory, where that is not main memory.
    pub gpu: Bytes,
}

/// Bytes, by what they are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bytes {
    /// The weights.
    pub weights: u64,
    /// The model's memory of the conversations at work, and of earlier ones.
    pub kv_cache: u64,
    /// What a step is calculated in, and the process itself.
    pub compute: u64,
    /// Conversations that had to leave the model's memory, at most.
    pub host_cache: u64,
}

impl Bytes {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.weights + self.kv_cache + self.compute + self.host_cache
    }
}

/// A model for which there is not enough room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoesNotFit {
    /// Bytes of main memory that it needs at least.
    pub needed: u64,
    /// Bytes that there are.
    pub available: u64,
}

impl ModelSize {
    /// How the model fits. As many layers as possible go to the GPU. Where main memory does not do for the targets, its memory
    /// first keeps numbers at 8 bits, and then has fewer tokens.
    ///
    /// # Errors
    /// When the model does not fit at all.
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

    /// With a memory for one conversation of `context` tokens, and nothing saved.
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

    /// The same with what is left put to use: room for more conversations, and for some that were put aside.
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
            // Where every layer is on the GPU, its memory is too; else all its room is taken.
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

    /// Layers for which a GPU has room, with their part of the model's memory.
    fn gpu_layers(&self, kv_cache: u64, compute: u64, gpu: Option<u64>) -> u32 {
        let layer = (self.in_layers() + kv_cache) / u64::from(self.layers.max(1));
        let free = gpu.unwrap_or(0).saturating_sub(RESERVED_FOR_DESKTOP + compute + self.output_bytes);
        u32::try_from(free / layer.max(1)).unwrap_or(u32::MAX).min(self.layers)
    }

    /// Bytes of weights that are divided among the layers.
    fn in_layers(&self) -> u64 {
        self.weights.saturating_sub(self.embedding_bytes + self.output_bytes)
    }

    /// Bytes that a step of so many tokens is calculated in, behind `memory` others: some rows of the model's width, and the larger
    /// of what is never there at the same time: what the model thinks of every token it knows, twice, and what plain attention
    /// finds in all that was read, at 32 bits and again at 16.
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

    /// A model of 0.5 billion numbers at 4 to 5 bits.
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

    /// One of 7 billion.
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
    fn with_room_enough_all_wishes_come_true() {
        let plan = plan(&SMALL, 8 * GIB, None).unwrap();
        assert_eq!((plan.context, plan.kv_tokens, plan.kv_cache_type), (16_384, 32_768, KvCacheType::F16));
        assert_eq!((plan.layers, plan.gpu_layers, plan.main.host_cache), (24, 0, 256 * MIB));
        assert_eq!(plan.main.kv_cache, 32_768 * 12_288);
    }

    #[test]
    fn with_less_room_it_is_made_smaller_step_by_step_and_never_takes_more_than_there_is() {
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
        assert_eq!(last, (MIN_CONTEXT, KvCacheType::Q8_0), "the smallest form was reached");
    }

    #[test]
    fn what_does_not_fit_says_how_much_it_needs() {
        let error = plan(&LARGE, 4 * GIB, None).unwrap_err();
        assert_eq!(error.available, 4 * GIB);
        assert!(plan(&LARGE, error.needed, None).is_ok());
        assert!(plan(&LARGE, error.needed - 1, None).is_err());
    }

    #[test]
    fn a_gpu_takes_as_many_layers_as_it_has_room_for() {
        for (gpu, layers) in [(0, 0), (GIB, 0), (4 * GIB, 16), (5 * GIB, 23), (6 * GIB, 28), (80 * GIB, 28)] {
            let plan = plan(&LARGE, 16 * GIB, Some(gpu)).unwrap();
            assert_eq!(plan.gpu_layers, layers, "{gpu}");
            assert!(plan.gpu.total() + RESERVED_FOR_DESKTOP <= gpu.max(RESERVED_FOR_DESKTOP), "{plan:?}");
            assert_eq!(plan.main.weights + plan.gpu.weights, LARGE.weights);
            assert!(plan.main.weights >= LARGE.embedding_bytes, "{plan:?}");
        }
    }

    #[test]
    fn steps_on_a_gpu_are_large_and_its_memory_too_where_that_costs_no_layer() {
        for (gpu, layers, batch_size, memory) in [(6 * GIB, 28, 256, 16_384), (8 * GIB, 28, 512, 32_768)] {
            let plan = plan(&LARGE, 16 * GIB, Some(gpu)).unwrap();
            assert_eq!((plan.gpu_layers, plan.batch_size, plan.kv_tokens), (layers, batch_size, memory), "{plan:?}");
            assert!(plan.gpu.total() + RESERVED_FOR_DESKTOP <= gpu, "{plan:?}");
            assert_eq!(plan.gpu.kv_cache, u64::from(kv_tokens) * LARGE.kv_bytes_per_token);
        }
        assert_eq!(plan(&LARGE, 16 * GIB, None).unwrap().batch_size, MAX_CPU_BATCH);
    }

    #[test]
    fn the_first_layer_on_a_gpu_brings_the_output_with_it() {
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
    fn a_gpu_without_memory_of_its_own_takes_it_from_the_budget() {
        let shared = |main: u64| LARGE.plan(&AvailableMemory { main, gpu: Some(12 * GIB), shared: true }, &TARGETS);
        let whole = shared(8 * GIB).unwrap();
        assert_eq!((whole.gpu_layers, whole.gpu), (28, Bytes::default()));
        assert_eq!(whole.main.weights, LARGE.weights);
        assert!(whole.main.total() <= 8 * GIB, "{whole:?}");
        assert!(shared(4 * GIB).is_err(), "its weights do not fit");
    }

    #[test]
    fn a_model_that_knows_only_short_texts_gets_no_more() {
        let short = ModelSize { context: 512, ..SMALL };
        let plan = plan(&short, 8 * GIB, None).unwrap();
        assert_eq!(plan.context, 512);
    }
}
