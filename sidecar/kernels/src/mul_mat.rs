//! One product of a matrix of weights with rows of inputs, which several threads work on together.

use core::cell::RefCell;
use core::sync::atomic::{AtomicUsize, Ordering};

use llama_cpp_sys_2::{GGML_TYPE_F32, GGML_TYPE_Q5_0, GGML_TYPE_Q8_0, ggml_tensor};

use crate::activations::{ActivationBuffer, Activations, Layout};
use crate::matmul;
use crate::repack::{BLOCK_SIZE, Format, Q5_0, Q8_0, TILE_ROWS, Tile};

/// Shares of the work for each thread: several, since a thread that is held up takes fewer.
const CHUNKS_PER_THREAD: usize = 8;

/// How often a thread spins whether the others have come before it lets somebody else run.
const SPINS_BEFORE_YIELD: u32 = 1 << 14;

/// A product to be computed.
#[derive(Debug)]
pub struct MulMat {
    weight_type: WeightType,
    /// Tiles of the weights.
    tiles: usize,
    /// Whose rows the inputs are, how they are laid out once quantised, and where.
    source: *const ggml_tensor,
    layout: Layout,
    activations: Option<Activations>,
    /// The task before this one has left the same inputs there.
    activations_ready: bool,
    /// Threads that have quantised their rows.
    barrier: AtomicUsize,
    /// The next share of the work.
    next_chunk: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WeightType {
    Q5_0,
    Q8_0,
}

thread_local! {
    /// Room for the tile that a thread works on.
    static THREAD_TILE: RefCell<Tile> = RefCell::default();
}

impl MulMat {
    /// The task that a product of two matrices is, if there is a kernel for it. `before` is the one that is
    /// computed before. [`MulMat::bind`] says where its inputs go.
    pub fn from_node(product: &ggml_tensor, before: Option<&Self>) -> Option<Self> {
        // SAFETY: a product has two factors.
        let (weights, numbers) = unsafe { (product.src[0].as_ref()?, product.src[1].as_ref()?) };
        let weight_type = match weights.type_ {
            GGML_TYPE_Q5_0 => WeightType::Q5_0,
            GGML_TYPE_Q8_0 => WeightType::Q8_0,
            _ => return None,
        };
        let size = |size: i64| usize::try_from(size).unwrap_or(0);
        let (columns, rows, count) = (size(weights.ne[0]), size(weights.ne[1]), size(numbers.ne[1]));
        let bytes = match weight_type {
            WeightType::Q5_0 => Q5_0::BLOCK_BYTES,
            WeightType::Q8_0 => Q8_0::BLOCK_BYTES,
        };
        let is_matrix = |tensor: &ggml_tensor| tensor.ne[2] == 1 && tensor.ne[3] == 1;
        let is_plain = |tensor: &ggml_tensor| {
            tensor.type_ == GGML_TYPE_F32 && is_matrix(tensor) && tensor.nb[0] == 4 && tensor.nb[1].is_multiple_of(4)
        };
        // One row is multiplied as fast by llama.cpp.
        let fits = count > 1
            && columns > 0
            && columns.is_multiple_of(BLOCK_SIZE)
            && rows.is_multiple_of(TILE_ROWS)
            // Where weights are laid out otherwise, ggml keeps beside them how.
            && weights.extra.is_null()
            && is_matrix(weights)
            && weights.nb[1] == columns / BLOCK_SIZE * bytes
            && is_plain(numbers)
            && is_plain(product);
        if !fits {
            return None;
        }
        let layout = match weight_type {
            WeightType::Q5_0 => Layout::new::<Q5_0>(count, columns / BLOCK_SIZE),
            WeightType::Q8_0 => Layout::new::<Q8_0>(count, columns / BLOCK_SIZE),
        };
        Some(Self {
            weight_type,
            tiles: rows / TILE_ROWS,
            source: numbers,
            layout,
            activations: None,
            activations_ready: before
                .is_some_and(|before| core::ptr::eq(before.source, numbers) && before.layout == layout),
            barrier: AtomicUsize::new(0),
            next_chunk: AtomicUsize::new(0),
        })
    }

    /// How its inputs are laid out: room has to be made for those of all tasks of a graph before the first is given its place.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Has its inputs laid out there.
    pub fn bind(&mut self, inputs: &mut ActivationBuffer) {
        self.activations = Some(inputs.view(self.layout));
    }

    /// Does one thread's part. All of `threads` threads have to come.
    ///
    /// # Safety
    ///
    /// `product` is what this task was made of, and this is one of `threads` threads that ggml computes it with. The processor has
    /// AVX2, FMA and F16C.
    pub unsafe fn run(&self, product: &ggml_tensor, thread: usize, threads: usize) {
        // SAFETY: the caller promises it, and `of` has looked at sizes and types.
        unsafe {
            let (weights, numbers) = (&*product.src[0], &*product.src[1]);
            let activations = &self.activations.expect("a task has its place before its graph is computed");
            if !self.activations_ready {
                for row in (thread..self.layout.rows).step_by(threads) {
                    activations.quantise(row, numbers.data.cast::<u8>().add(row * numbers.nb[1]).cast());
                }
                self.wait_at_barrier(threads);
            }
            let (from, to) = (weights.data.cast::<u8>().cast_const(), product.data.cast::<f32>());
            match self.weight_type {
                WeightType::Q5_0 => self.compute_tiles::<Q5_0>((from, activations), (to, product.nb[1] / 4), threads),
                WeightType::Q8_0 => self.compute_tiles::<Q8_0>((from, activations), (to, product.nb[1] / 4), threads),
            }
        }
    }

    /// Waits until all threads have come so far.
    fn wait_at_barrier(&self, threads: usize) {
        self.barrier.fetch_add(1, Ordering::AcqRel);
        let mut spins = 0_u32;
        while self.barrier.load(Ordering::Acquire) < threads {
            spins += 1;
            if spins.is_multiple_of(SPINS_BEFORE_YIELD) { std::thread::yield_now() } else { core::hint::spin_loop() }
        }
    }

    /// Multiplies tiles for as long as there are some that nobody has taken.
    unsafe fn compute_tiles<F: Format>(
        &self,
        (weights, inputs): (*const u8, &Activations),
        (out, stride): (*mut f32, usize),
        threads: usize,
    ) {
        let Layout { rows, blocks, .. } = self.layout;
        let share = self.tiles.div_ceil(threads * CHUNKS_PER_THREAD).max(1);
        THREAD_TILE.with_borrow_mut(|tile| {
            loop {
                let first = self.next_chunk.fetch_add(1, Ordering::Relaxed) * share;
                if first >= self.tiles {
                    return;
                }
                for index in first..(first + share).min(self.tiles) {
                    let weights = weights.wrapping_add(index * TILE_ROWS * blocks * F::BLOCK_BYTES);
                    let out = (out.wrapping_add(index * TILE_ROWS), stride);
                    // SAFETY: the tile lies within the weights, and nobody else has it.
                    unsafe { matmul::matmul_tile::<F>((weights, blocks), tile, (inputs, rows), out) };
                }
            }
        });
    }
}
