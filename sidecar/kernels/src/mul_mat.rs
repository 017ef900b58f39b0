//! One mul_mat node of a graph, computed by all threads of ggml's thread pool together.

use core::cell::RefCell;
use core::sync::atomic::{AtomicUsize, Ordering};

use llama_cpp_sys_2::{GGML_TYPE_F32, GGML_TYPE_Q5_0, GGML_TYPE_Q8_0, ggml_tensor};

use crate::activations::{ActivationBuffer, Activations, Layout};
use crate::matmul;
use crate::repack::{BLOCK_SIZE, Format, Q5_0, Q8_0, TILE_ROWS, Tile};

/// Chunks of tiles per thread. More than one, so that a thread that was preempted takes fewer chunks.
const CHUNKS_PER_THREAD: usize = 8;

/// Spins at the barrier before a thread yields its CPU.
const SPINS_BEFORE_YIELD: u32 = 1 << 14;

/// A mul_mat node to be computed: `weights * activations`.
#[derive(Debug)]
pub(crate) struct MulMat {
    weight_type: WeightType,
    /// Number of tiles in the weights.
    tiles: usize,
    /// The tensor with the activations in f32.
    source: *const ggml_tensor,
    /// Layout of the quantised activations.
    layout: Layout,
    /// The quantised activations; `None` until [`MulMat::bind`].
    activations: Option<Activations>,
    /// The previous node has already quantised the same activations with the same layout.
    activations_ready: bool,
    /// Number of threads that have quantised their rows.
    barrier: AtomicUsize,
    /// Index of the next unclaimed chunk.
    next_chunk: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WeightType {
    Q5_0,
    Q8_0,
}

thread_local! {
    /// The tile that this thread is working on.
    static THREAD_TILE: RefCell<Tile> = RefCell::default();
}

impl MulMat {
    /// The mul_mat of a `GGML_OP_MUL_MAT` node, or `None` if there is no kernel for its types or shape. `previous` is the last
    /// mul_mat before it that has a kernel; its quantised activations are reused if they are the same. Call [`MulMat::bind`]
    /// before computing it.
    pub(crate) fn from_node(node: &ggml_tensor, previous: Option<&Self>) -> Option<Self> {
        // SAFETY: `src[0]` and `src[1]` of a mul_mat node are tensors or null.
        let (weights, source) = unsafe { (node.src[0].as_ref()?, node.src[1].as_ref()?) };
        let weight_type = match weights.type_ {
            GGML_TYPE_Q5_0 => WeightType::Q5_0,
            GGML_TYPE_Q8_0 => WeightType::Q8_0,
            _ => return None,
        };
        let size = |size: i64| usize::try_from(size).unwrap_or(0);
        let (columns, rows, count) = (size(weights.ne[0]), size(weights.ne[1]), size(source.ne[1]));
        let bytes = match weight_type {
            WeightType::Q5_0 => Q5_0::BLOCK_BYTES,
            WeightType::Q8_0 => Q8_0::BLOCK_BYTES,
        };
        let is_matrix = |tensor: &ggml_tensor| tensor.ne[2] == 1 && tensor.ne[3] == 1;
        let is_f32_matrix = |tensor: &ggml_tensor| {
            tensor.type_ == GGML_TYPE_F32 && is_matrix(tensor) && tensor.nb[0] == 4 && tensor.nb[1].is_multiple_of(4)
        };
        // For a single row, llama.cpp is as fast.
        let is_supported = count > 1
            && columns > 0
            && columns.is_multiple_of(BLOCK_SIZE)
            && rows.is_multiple_of(TILE_ROWS)
            // `extra` is set where a backend has repacked the weights itself.
            && weights.extra.is_null()
            && is_matrix(weights)
            && weights.nb[1] == columns / BLOCK_SIZE * bytes
            && is_f32_matrix(source)
            && is_f32_matrix(node);
        if !is_supported {
            return None;
        }
        let layout = match weight_type {
            WeightType::Q5_0 => Layout::new::<Q5_0>(count, columns / BLOCK_SIZE),
            WeightType::Q8_0 => Layout::new::<Q8_0>(count, columns / BLOCK_SIZE),
        };
        Some(Self {
            weight_type,
            tiles: rows / TILE_ROWS,
            source,
            layout,
            activations: None,
            activations_ready: previous
                .is_some_and(|previous| core::ptr::eq(previous.source, source) && previous.layout == layout),
            barrier: AtomicUsize::new(0),
            next_chunk: AtomicUsize::new(0),
        })
    }

    /// Layout of the activations. Reserve the buffer for all nodes of a graph before the first call of [`MulMat::bind`].
    pub(crate) const fn layout(&self) -> Layout {
        self.layout
    }

    /// Stores the quantised activations in `buffer`.
    pub(crate) fn bind(&mut self, buffer: &mut ActivationBuffer) {
        self.activations = Some(buffer.view(self.layout));
    }

    /// Computes one thread's part. All `threads` threads must call it, since they wait for each other at a barrier.
    ///
    /// # Safety
    ///
    /// `node` is the node that was passed to [`MulMat::from_node`], and this is thread `thread` of the `threads` that ggml
    /// computes it with. The CPU has AVX2, FMA and F16C.
    pub(crate) unsafe fn run(&self, node: &ggml_tensor, thread: usize, threads: usize) {
        // SAFETY: the caller guarantees it, and `from_node` has checked types and shapes.
        unsafe {
            let (weights, source) = (&*node.src[0], &*node.src[1]);
            let activations = &self.activations.expect("`bind` is called before the graph is computed");
            if !self.activations_ready {
                for row in (thread..self.layout.rows).step_by(threads) {
                    activations.quantise(row, source.data.cast::<u8>().add(row * source.nb[1]).cast());
                }
                self.wait_at_barrier(threads);
            }
            let (from, to) = (weights.data.cast::<u8>().cast_const(), node.data.cast::<f32>());
            match self.weight_type {
                WeightType::Q5_0 => self.compute_tiles::<Q5_0>((from, activations), (to, node.nb[1] / 4), threads),
                WeightType::Q8_0 => self.compute_tiles::<Q8_0>((from, activations), (to, node.nb[1] / 4), threads),
            }
        }
    }

    /// Waits until all threads have reached the barrier.
    fn wait_at_barrier(&self, threads: usize) {
        self.barrier.fetch_add(1, Ordering::AcqRel);
        let mut spins = 0_u32;
        while self.barrier.load(Ordering::Acquire) < threads {
            spins += 1;
            if spins.is_multiple_of(SPINS_BEFORE_YIELD) { std::thread::yield_now() } else { core::hint::spin_loop() }
        }
    }

    /// Claims and multiplies chunks of tiles until none is left.
    unsafe fn compute_tiles<F: Format>(
        &self,
        (weights, activations): (*const u8, &Activations),
        (out, stride): (*mut f32, usize),
        threads: usize,
    ) {
        let Layout { rows, blocks, .. } = self.layout;
        let chunk = self.tiles.div_ceil(threads * CHUNKS_PER_THREAD).max(1);
        THREAD_TILE.with_borrow_mut(|tile| {
            loop {
                let first = self.next_chunk.fetch_add(1, Ordering::Relaxed) * chunk;
                if first >= self.tiles {
                    return;
                }
                for index in first..(first + chunk).min(self.tiles) {
                    let weights = weights.wrapping_add(index * TILE_ROWS * blocks * F::BLOCK_BYTES);
                    let out = (out.wrapping_add(index * TILE_ROWS), stride);
                    // SAFETY: the tile is within the weights, and only this thread has claimed it.
                    unsafe { matmul::matmul_tile::<F>((weights, blocks), tile, (activations, rows), out) };
                }
            }
        });
    }
}
