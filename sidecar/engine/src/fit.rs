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
pub struct Need {
    /// Bytes of weights.
    pub weights: u64,
    /// Of those, bytes in front of the layers, which stay in main memory: a GPU gains nothing by them.
    pub input: u64,
    /// Of those, bytes behind the layers, which go to the GPU with the first layer that does.
    pub output: u64,
    /// Layers that the other weights are divided into.
    pub layers: u32,
    /// Bytes that each token of a conversation takes, at 16 bits a number.
    pub token: u64,
    /// Tokens that the model knows.
    pub vocabulary: u32,
    /// Numbers that a token is to the model.
    pub width: u32,
    /// Times that each token looks back at all before it, in the layer that does so most often: its attention heads.
    pub heads: u32,
    /// Tokens of the longest text that it was trained on.
    pub context: u32,
}

/// What is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes of main memory that the model may take with everything around it.
    pub main: u64,
    /// Bytes of the GPU's memory that are free, if there is a GPU.
    pub gpu: Option<u64>,
    /// Whether that is main memory too, as for a GPU that is part of the processor.
    pub shared: bool,
}

/// What would be good to have, if there is room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Tokens of one conversation.
    pub context: u32,
    /// Tokens of all conversations together.
    pub memory: u32,
    /// Bytes for conversations that had to leave the model's memory.
    pub saved: u64,
    /// Tokens of the largest step; half of them where room is short, or a GPU then takes more layers.
    pub step: u32,
}

/// How exactly the model's memory keeps its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cells {
    /// At 16 bits, as the model was made for.
    Exact,
    /// At 8 bits and a half, which takes half the room and changes answers a little.
    Small,
}

impl Cells {
    /// Bytes that a token takes which takes `exact` at 16 bits: 34 bytes for each 32 numbers at 8 bits, which is the block of
    /// llama.cpp's `q8_0`.
    #[must_use]
    fn bytes(self, exact: u64) -> u64 {
        match self {
            Self::Exact => exact,
            Self::Small => exact * 34 / 64,
        }
    }
}

/// How a step looks back at what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Each part of the calculation on its own, with all that lies between in memory. On a processor this is the faster way,
    /// most of all for a few tokens after many.
    Plain,
    /// All in one, which needs next to no memory. A GPU is faster so, and memory at 8 bits cannot do otherwise.
    Flash,
}

impl Attention {
    /// Of a model with so many layers on a GPU.
    #[must_use]
    pub fn of(gpu_layers: u32, cells: Cells) -> Self {
        if gpu_layers == 0 && cells == Cells::Exact { Self::Plain } else { Self::Flash }
    }
}

/// How a model is to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Tokens that one conversation may have.
    pub context: u32,
    /// Tokens that the model's memory has room for.
    pub memory: u32,
    /// How the model's memory keeps them.
    pub cells: Cells,
    /// Tokens of the largest step.
    pub step: u32,
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
    pub memory: u64,
    /// What a step is calculated in, and the process itself.
    pub work: u64,
    /// Conversations that had to leave the model's memory, at most.
    pub saved: u64,
}

impl Bytes {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.weights + self.memory + self.work + self.saved
    }
}

/// A model for which there is not enough room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misfit {
    /// Bytes of main memory that it needs at least.
    pub needs: u64,
    /// Bytes that there are.
    pub has: u64,
}

impl Need {
    /// How the model fits. As many layers as possible go to the GPU. Where main memory does not do for the wish, its memory
    /// first keeps numbers at 8 bits, and then has fewer tokens.
    ///
    /// # Errors
    /// When the model does not fit at all.
    pub fn fit(&self, room: &Room, wish: &Wish) -> Result<Fit, Misfit> {
        let context = wish.context.min(self.context.max(1));
        let least = LEAST_CONTEXT.min(context);
        let smaller = std::iter::successors(Some(context), |tokens| (*tokens > least).then(|| (tokens / 2).max(least)));
        let half = wish.step / 2;
        let choices = [(context, Cells::Exact, wish.step), (context, Cells::Exact, half)].into_iter();
        let choices = choices.chain(smaller.map(|tokens| (tokens, Cells::Small, half)));
        let mut smallest = u64::MAX;
        for (context, cells, step) in choices {
            let fit = self.with(context, cells, step, room);
            if fit.main.total() <= room.main {
                return Ok(self.filled(fit, room, wish));
            }
            smallest = smallest.min(fit.main.total());
        }
        Err(Misfit { needs: smallest, has: room.main })
    }

    /// With a memory for one conversation of `context` tokens, and nothing saved.
    fn with(&self, context: u32, cells: Cells, step: u32, room: &Room) -> Fit {
        let memory = u64::from(context) * cells.bytes(self.token);
        let layers = |step| self.gpu_layers(memory, self.work(step, Attention::Flash, context), room.gpu);
        let step = if layers(step / 2) > layers(step) { step / 2 } else { step };
        let gpu_layers = layers(step);
        let step = if gpu_layers == 0 { step.min(PROCESSOR_STEP) } else { step };
        let work = self.work(step, Attention::of(gpu_layers, cells), context);
        let part = |bytes: u64| bytes * u64::from(gpu_layers) / u64::from(self.layers.max(1));
        if room.shared {
            let main = Bytes { weights: self.weights, memory, work: PROCESS + work, saved: 0 };
            let gpu = Bytes::default();
            return Fit { context, memory: context, cells, step, layers: self.layers, gpu_layers, main, gpu };
        }
        let gpu = Bytes {
            weights: part(self.in_layers()) + if gpu_layers > 0 { self.output } else { 0 },
            memory: part(memory),
            work: if gpu_layers > 0 { work } else { 0 },
            saved: 0,
        };
        let main = Bytes {
            weights: self.weights - gpu.weights,
            memory: memory - gpu.memory,
            work: PROCESS + if gpu_layers == self.layers { 0 } else { work },
            saved: 0,
        };
        Fit { context, memory: context, cells, step, layers: self.layers, gpu_layers, main, gpu }
    }

    /// The same with what is left put to use: room for more conversations, and for some that were put aside.
    fn filled(&self, fit: Fit, room: &Room, wish: &Wish) -> Fit {
        let left = room.main - fit.main.total();
        let saved = wish.saved.min(left);
        let memory = wish.memory.max(fit.context);
        let more = u64::from(memory - fit.context) * fit.cells.bytes(self.token);
        let work = |memory| self.work(fit.step, Attention::of(fit.gpu_layers, fit.cells), memory);
        let more_work = work(memory) - work(fit.context);
        let aside = Fit { main: Bytes { saved, ..fit.main }, ..fit };
        if fit.gpu_layers > 0 && !room.shared {
            // Where every layer is on the GPU, its memory is too; else all its room is taken.
            let taken = fit.gpu.total() + more + more_work + LEFT_TO_DESKTOP;
            if fit.gpu_layers < fit.layers || taken > room.gpu.unwrap_or(0) {
                return aside;
            }
            let gpu = Bytes { memory: fit.gpu.memory + more, work: fit.gpu.work + more_work, ..fit.gpu };
            return Fit { memory, gpu, ..aside };
        }
        if saved + more + more_work > left {
            return aside;
        }
        let main = Bytes { memory: fit.main.memory + more, work: fit.main.work + more_work, saved, ..fit.main };
        Fit { memory, main, ..fit }
    }

    /// Layers for which a GPU has room, with their part of the model's memory.
    fn gpu_layers(&self, memory: u64, work: u64, gpu: Option<u64>) -> u32 {
        let layer = (self.in_layers() + memory) / u64::from(self.layers.max(1));
        let free = gpu.unwrap_or(0).saturating_sub(LEFT_TO_DESKTOP + work + self.output);
        u32::try_from(free / layer.max(1)).unwrap_or(u32::MAX).min(self.layers)
    }

    /// Bytes of weights that are divided among the layers.
    fn in_layers(&self) -> u64 {
        self.weights.saturating_sub(self.input + self.output)
    }

    /// Bytes that a step of so many tokens is calculated in, behind `memory` others: some rows of the model's width, and the larger
    /// of what is never there at the same time: what the model thinks of every token it knows, twice, and what plain attention
    /// finds in all that was read, at 32 bits and again at 16.
    fn work(&self, step: u32, attention: Attention, memory: u32) -> u64 {
        let thoughts = 2 * 4 * u64::from(self.vocabulary);
        let attention = match attention {
            Attention::Plain => u64::from(memory) * (u64::from(self.heads) * (4 + 2) + 4),
            Attention::Flash => 0,
        };
        u64::from(step) * (thoughts.max(attention) + 64 * u64::from(self.width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1024 * MIB;

    /// A model of 0.5 billion numbers at 4 to 5 bits.
    const SMALL: Need = Need {
        weights: 469 * MIB,
        input: 0,
        output: 138 * MIB,
        layers: 24,
        token: 12_288,
        vocabulary: 151_936,
        width: 896,
        heads: 14,
        context: 32_768,
    };

    /// One of 7 billion.
    const LARGE: Need = Need {
        weights: 4460 * MIB,
        input: 292 * MIB,
        output: 426 * MIB,
        layers: 28,
        token: 57_344,
        vocabulary: 152_064,
        width: 3584,
        heads: 28,
        context: 131_072,
    };

    const WISH: Wish = Wish { context: 16_384, memory: 32_768, saved: 256 * MIB, step: 512 };

    fn fit(need: &Need, main: u64, gpu: Option<u64>) -> Result<Fit, Misfit> {
        need.fit(&Room { main, gpu, shared: false }, &WISH)
    }

    #[test]
    fn with_room_enough_all_wishes_come_true() {
        let fit = fit(&SMALL, 8 * GIB, None).unwrap();
        assert_eq!((fit.context, fit.memory, fit.cells), (16_384, 32_768, Cells::Exact));
        assert_eq!((fit.layers, fit.gpu_layers, fit.main.saved), (24, 0, 256 * MIB));
        assert_eq!(fit.main.memory, 32_768 * 12_288);
    }

    #[test]
    fn with_less_room_it_is_made_smaller_step_by_step_and_never_takes_more_than_there_is() {
        let mut last = (u32::MAX, Cells::Exact);
        for mib in (600..2000).rev().step_by(5) {
            let Ok(fit) = fit(&SMALL, mib * MIB, None) else {
                assert!(mib < 800, "{mib}");
                continue;
            };
            assert!(fit.main.total() <= mib * MIB, "{mib}: {fit:?}");
            assert!(fit.context >= LEAST_CONTEXT && fit.memory >= fit.context);
            assert!(fit.context < last.0 || fit.context == last.0 && (fit.cells == last.1 || last.1 == Cells::Exact));
            last = (fit.context, fit.cells);
        }
        assert_eq!(last, (LEAST_CONTEXT, Cells::Small), "the smallest form was reached");
    }

    #[test]
    fn what_does_not_fit_says_how_much_it_needs() {
        let misfit = fit(&LARGE, 4 * GIB, None).unwrap_err();
        assert_eq!(misfit.has, 4 * GIB);
        assert!(fit(&LARGE, misfit.needs, None).is_ok());
        assert!(fit(&LARGE, misfit.needs - 1, None).is_err());
    }

    #[test]
    fn a_gpu_takes_as_many_layers_as_it_has_room_for() {
        for (gpu, layers) in [(0, 0), (GIB, 0), (4 * GIB, 16), (5 * GIB, 23), (6 * GIB, 28), (80 * GIB, 28)] {
            let fit = fit(&LARGE, 16 * GIB, Some(gpu)).unwrap();
            assert_eq!(fit.gpu_layers, layers, "{gpu}");
            assert!(fit.gpu.total() + LEFT_TO_DESKTOP <= gpu.max(LEFT_TO_DESKTOP), "{fit:?}");
            assert_eq!(fit.main.weights + fit.gpu.weights, LARGE.weights);
            assert!(fit.main.weights >= LARGE.input, "{fit:?}");
        }
    }

    #[test]
    fn steps_on_a_gpu_are_large_and_its_memory_too_where_that_costs_no_layer() {
        for (gpu, layers, step, memory) in [(6 * GIB, 28, 256, 16_384), (8 * GIB, 28, 512, 32_768)] {
            let fit = fit(&LARGE, 16 * GIB, Some(gpu)).unwrap();
            assert_eq!((fit.gpu_layers, fit.step, fit.memory), (layers, step, memory), "{fit:?}");
            assert!(fit.gpu.total() + LEFT_TO_DESKTOP <= gpu, "{fit:?}");
            assert_eq!(fit.gpu.memory, u64::from(memory) * LARGE.token);
        }
        assert_eq!(fit(&LARGE, 16 * GIB, None).unwrap().step, PROCESSOR_STEP);
    }

    #[test]
    fn the_first_layer_on_a_gpu_brings_the_output_with_it() {
        let room = |fit: &Fit| LEFT_TO_DESKTOP + fit.gpu.total();
        let one = (GIB..).step_by(usize::try_from(MIB).unwrap()).find_map(|gpu| {
            let fit = fit(&LARGE, 16 * GIB, Some(gpu)).unwrap();
            (fit.gpu_layers > 0).then_some((gpu, fit))
        });
        let (gpu, fit) = one.unwrap();
        assert_eq!(fit.gpu_layers, 1);
        assert!(fit.gpu.weights > LARGE.output && room(&fit) <= gpu && room(&fit) + 2 * MIB > gpu, "{gpu}: {fit:?}");
    }

    #[test]
    fn a_gpu_without_memory_of_its_own_takes_it_from_the_budget() {
        let shared = |main: u64| LARGE.fit(&Room { main, gpu: Some(12 * GIB), shared: true }, &WISH);
        let whole = shared(8 * GIB).unwrap();
        assert_eq!((whole.gpu_layers, whole.gpu), (28, Bytes::default()));
        assert_eq!(whole.main.weights, LARGE.weights);
        assert!(whole.main.total() <= 8 * GIB, "{whole:?}");
        assert!(shared(4 * GIB).is_err(), "its weights do not fit");
    }

    #[test]
    fn a_model_that_knows_only_short_texts_gets_no_more() {
        let short = Need { context: 512, ..SMALL };
        let fit = fit(&short, 8 * GIB, None).unwrap();
        assert_eq!(fit.context, 512);
    }
}
