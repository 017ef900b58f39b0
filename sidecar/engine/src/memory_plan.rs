//! Whether a model fits, and how: which part of it goes where, and what is made smaller where there is less room than it would
//! like. Numbers in, numbers out; nothing is loaded for it.

/// Tokens that one conversation must be able to hold; a model with less room for it is of no use.
const LEAST_CONTEXT: u32 = 2048;

/// Bytes of a GPU's memory that are left to the desktop, and to what drivers take for themselves.
const LEFT_TO_DESKTOP: u64 = 512 * MIB;

/// Bytes that the process takes beside its model.
const PROCESS: u64 = 64 * MIB;

/// Tokens of the largest step on the processor. Beyond that none of those that were measured read faster, and room to calculate in
/// grows with it.
const PROCESSOR_STEP: u32 = 128;

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
    pub fn of(gpu_layers: u32, cells: KvCacheType) -> Self {
        if gpu_layers == 0 && cells == KvCacheType::F16 { Self::Eager } else { Self::Flash }
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
    /// How the model fits. As many layers as possible go to the GPU. Where main memory does not do for the wish, its memory
    /// first keeps numbers at 8 bits, and then has fewer tokens.
    ///
    /// # Errors
    /// When the model does not fit at all.
    pub fn plan(&self, room: &AvailableMemory, wish: &PlanTargets) -> Result<MemoryPlan, DoesNotFit> {
        let context = wish.context.min(self.context.max(1));
        let least = LEAST_CONTEXT.min(context);
        let smaller = std::iter::successors(Some(context), |tokens| (*tokens > least).then(|| (tokens / 2).max(least)));
        let half = wish.batch_size / 2;
        let choices = [(context, KvCacheType::F16, wish.batch_size), (context, KvCacheType::F16, half)].into_iter();
        let choices = choices.chain(smaller.map(|tokens| (tokens, KvCacheType::Q8_0, half)));
        let mut smallest = u64::MAX;
        for (context, cells, step) in choices {
            let fit = self.with(context, cells, step, room);
            if fit.main.total() <= room.main {
                return Ok(self.filled(fit, room, wish));
            }
            smallest = smallest.min(fit.main.total());
        }
        Err(DoesNotFit { needed: smallest, available: room.main })
    }

    /// With a memory for one conversation of `context` tokens, and nothing saved.
    fn with(&self, context: u32, cells: KvCacheType, step: u32, room: &AvailableMemory) -> MemoryPlan {
        let memory = u64::from(context) * cells.bytes(self.kv_bytes_per_token);
        let layers = |step| self.gpu_layers(memory, self.work(step, Attention::Flash, context), room.gpu);
        let step = if layers(step / 2) > layers(step) { step / 2 } else { step };
        let gpu_layers = layers(step);
        let step = if gpu_layers == 0 { step.min(PROCESSOR_STEP) } else { step };
        let work = self.work(step, Attention::of(gpu_layers, cells), context);
        let part = |bytes: u64| bytes * u64::from(gpu_layers) / u64::from(self.layers.max(1));
        if room.shared {
            let main = Bytes { weights: self.weights, kv_cache: memory, compute: PROCESS + work, host_cache: 0 };
            let gpu = Bytes::default();
            return MemoryPlan {
                context,
                kv_tokens: context,
                kv_cache_type: cells,
                batch_size: step,
                layers: self.layers,
                gpu_layers,
                main,
                gpu,
            };
        }
        let gpu = Bytes {
            weights: part(self.in_layers()) + if gpu_layers > 0 { self.output_bytes } else { 0 },
            kv_cache: part(memory),
            compute: if gpu_layers > 0 { work } else { 0 },
            host_cache: 0,
        };
        let main = Bytes {
            weights: self.weights - gpu.weights,
            kv_cache: memory - gpu.kv_cache,
            compute: PROCESS + if gpu_layers == self.layers { 0 } else { work },
            host_cache: 0,
        };
        MemoryPlan {
            context,
            kv_tokens: context,
            kv_cache_type: cells,
            batch_size: step,
            layers: self.layers,
            gpu_layers,
            main,
            gpu,
        }
    }

    /// The same with what is left put to use: room for more conversations, and for some that were put aside.
    fn filled(&self, fit: MemoryPlan, room: &AvailableMemory, wish: &PlanTargets) -> MemoryPlan {
        let left = room.main - fit.main.total();
        let saved = wish.host_cache_bytes.min(left);
        let memory = wish.kv_tokens.max(fit.context);
        let more = u64::from(memory - fit.context) * fit.kv_cache_type.bytes(self.kv_bytes_per_token);
        let work = |memory| self.work(fit.batch_size, Attention::of(fit.gpu_layers, fit.kv_cache_type), memory);
        let more_work = work(memory) - work(fit.context);
        let aside = MemoryPlan { main: Bytes { host_cache: saved, ..fit.main }, ..fit };
        if fit.gpu_layers > 0 && !room.shared {
            // Where every layer is on the GPU, its memory is too; else all its room is taken.
            let taken = fit.gpu.total() + more + more_work + LEFT_TO_DESKTOP;
            if fit.gpu_layers < fit.layers || taken > room.gpu.unwrap_or(0) {
                return aside;
            }
            let gpu = Bytes { kv_cache: fit.gpu.kv_cache + more, compute: fit.gpu.compute + more_work, ..fit.gpu };
            return MemoryPlan { kv_tokens: memory, gpu, ..aside };
        }
        if saved + more + more_work > left {
            return aside;
        }
        let main = Bytes {
            kv_cache: fit.main.kv_cache + more,
            compute: fit.main.compute + more_work,
            host_cache: saved,
            ..fit.main
        };
        MemoryPlan { kv_tokens: memory, main, ..fit }
    }

    /// Layers for which a GPU has room, with their part of the model's memory.
    fn gpu_layers(&self, memory: u64, work: u64, gpu: Option<u64>) -> u32 {
        let layer = (self.in_layers() + memory) / u64::from(self.layers.max(1));
        let free = gpu.unwrap_or(0).saturating_sub(LEFT_TO_DESKTOP + work + self.output_bytes);
        u32::try_from(free / layer.max(1)).unwrap_or(u32::MAX).min(self.layers)
    }

    /// Bytes of weights that are divided among the layers.
    fn in_layers(&self) -> u64 {
        self.weights.saturating_sub(self.embedding_bytes + self.output_bytes)
    }

    /// Bytes that a step of so many tokens is calculated in, behind `memory` others: some rows of the model's width, and the larger
    /// of what is never there at the same time: what the model thinks of every token it knows, twice, and what plain attention
    /// finds in all that was read, at 32 bits and again at 16.
    fn work(&self, step: u32, attention: Attention, memory: u32) -> u64 {
        let thoughts = 2 * 4 * u64::from(self.n_vocab);
        let attention = match attention {
            Attention::Eager => u64::from(memory) * (u64::from(self.n_head) * (4 + 2) + 4),
            Attention::Flash => 0,
        };
        u64::from(step) * (thoughts.max(attention) + 64 * u64::from(self.n_embd))
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

    const WISH: PlanTargets =
        PlanTargets { context: 16_384, kv_tokens: 32_768, host_cache_bytes: 256 * MIB, batch_size: 512 };

    fn fit(need: &ModelSize, main: u64, gpu: Option<u64>) -> Result<MemoryPlan, DoesNotFit> {
        need.plan(&AvailableMemory { main, gpu, shared: false }, &WISH)
    }

    #[test]
    fn with_room_enough_all_wishes_come_true() {
        let fit = fit(&SMALL, 8 * GIB, None).unwrap();
        assert_eq!((fit.context, fit.kv_tokens, fit.kv_cache_type), (16_384, 32_768, KvCacheType::F16));
        assert_eq!((fit.layers, fit.gpu_layers, fit.main.host_cache), (24, 0, 256 * MIB));
        assert_eq!(fit.main.kv_cache, 32_768 * 12_288);
    }

    #[test]
    fn with_less_room_it_is_made_smaller_step_by_step_and_never_takes_more_than_there_is() {
        let mut last = (u32::MAX, KvCacheType::F16);
        for mib in (600..2000).rev().step_by(5) {
            let Ok(fit) = fit(&SMALL, mib * MIB, None) else {
                assert!(mib < 800, "{mib}");
                continue;
            };
            assert!(fit.main.total() <= mib * MIB, "{mib}: {fit:?}");
            assert!(fit.context >= LEAST_CONTEXT && fit.kv_tokens >= fit.context);
            assert!(
                fit.context < last.0
                    || fit.context == last.0 && (fit.kv_cache_type == last.1 || last.1 == KvCacheType::F16)
            );
            last = (fit.context, fit.kv_cache_type);
        }
        assert_eq!(last, (LEAST_CONTEXT, KvCacheType::Q8_0), "the smallest form was reached");
    }

    #[test]
    fn what_does_not_fit_says_how_much_it_needs() {
        let misfit = fit(&LARGE, 4 * GIB, None).unwrap_err();
        assert_eq!(misfit.available, 4 * GIB);
        assert!(fit(&LARGE, misfit.needed, None).is_ok());
        assert!(fit(&LARGE, misfit.needed - 1, None).is_err());
    }

    #[test]
    fn a_gpu_takes_as_many_layers_as_it_has_room_for() {
        for (gpu, layers) in [(0, 0), (GIB, 0), (4 * GIB, 16), (5 * GIB, 23), (6 * GIB, 28), (80 * GIB, 28)] {
            let fit = fit(&LARGE, 16 * GIB, Some(gpu)).unwrap();
            assert_eq!(fit.gpu_layers, layers, "{gpu}");
            assert!(fit.gpu.total() + LEFT_TO_DESKTOP <= gpu.max(LEFT_TO_DESKTOP), "{fit:?}");
            assert_eq!(fit.main.weights + fit.gpu.weights, LARGE.weights);
            assert!(fit.main.weights >= LARGE.embedding_bytes, "{fit:?}");
        }
    }

    #[test]
    fn steps_on_a_gpu_are_large_and_its_memory_too_where_that_costs_no_layer() {
        for (gpu, layers, step, memory) in [(6 * GIB, 28, 256, 16_384), (8 * GIB, 28, 512, 32_768)] {
            let fit = fit(&LARGE, 16 * GIB, Some(gpu)).unwrap();
            assert_eq!((fit.gpu_layers, fit.batch_size, fit.kv_tokens), (layers, step, memory), "{fit:?}");
            assert!(fit.gpu.total() + LEFT_TO_DESKTOP <= gpu, "{fit:?}");
            assert_eq!(fit.gpu.kv_cache, u64::from(memory) * LARGE.kv_bytes_per_token);
        }
        assert_eq!(fit(&LARGE, 16 * GIB, None).unwrap().step, PROCESSOR_STEP);
    }

    #[test]
    fn the_first_layer_on_a_gpu_brings_the_output_with_it() {
        let room = |fit: &MemoryPlan| LEFT_TO_DESKTOP + fit.gpu.total();
        let one = (GIB..).step_by(usize::try_from(MIB).unwrap()).find_map(|gpu| {
            let fit = fit(&LARGE, 16 * GIB, Some(gpu)).unwrap();
            (fit.gpu_layers > 0).then_some((gpu, fit))
        });
        let (gpu, fit) = one.unwrap();
        assert_eq!(fit.gpu_layers, 1);
        assert!(
            fit.gpu.weights > LARGE.output_bytes && room(&fit) <= gpu && room(&fit) + 2 * MIB > gpu,
            "{gpu}: {fit:?}"
        );
    }

    #[test]
    fn a_gpu_without_memory_of_its_own_takes_it_from_the_budget() {
        let shared = |main: u64| LARGE.plan(&AvailableMemory { main, gpu: Some(12 * GIB), shared: true }, &WISH);
        let whole = shared(8 * GIB).unwrap();
        assert_eq!((whole.gpu_layers, whole.gpu), (28, Bytes::default()));
        assert_eq!(whole.main.weights, LARGE.weights);
        assert!(whole.main.total() <= 8 * GIB, "{whole:?}");
        assert!(shared(4 * GIB).is_err(), "its weights do not fit");
    }

    #[test]
    fn a_model_that_knows_only_short_texts_gets_no_more() {
        let short = ModelSize { context: 512, ..SMALL };
        let fit = fit(&short, 8 * GIB, None).unwrap();
        assert_eq!(fit.context, 512);
    }
}
