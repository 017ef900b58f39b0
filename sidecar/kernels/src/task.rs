//! One product of a matrix of weights with rows of inputs, which several threads work on together.

use core::cell::RefCell;
use core::sync::atomic::{AtomicUsize, Ordering};

use llama_cpp_sys_2::{GGML_TYPE_F32, GGML_TYPE_Q5_0, GGML_TYPE_Q8_0, ggml_tensor};

use crate::blocks::{BLOCK, Format, Q5, Q8, TILE, Tile};
use crate::inputs::{Inputs, Layout, Places};
use crate::product;

/// Shares of the work for each thread: several, since a thread that is held up takes fewer.
const SHARES: usize = 8;

/// How often a thread looks whether the others have come before it lets somebody else run.
const PATIENCE: u32 = 1 << 14;

/// A product to be computed.
#[derive(Debug)]
pub struct Task {
    kind: Kind,
    /// Tiles of the weights.
    tiles: usize,
    /// Whose rows the inputs are, how they are laid out once quantised, and where.
    source: *const ggml_tensor,
    layout: Layout,
    places: Option<Places>,
    /// The task before this one has left the same inputs there.
    ready: bool,
    /// Threads that have quantised their rows.
    arrived: AtomicUsize,
    /// The next share of the work.
    next: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Q5,
    Q8,
}

thread_local! {
    /// Room for the tile that a thread works on.
    static TILE_OF_THREAD: RefCell<Tile> = RefCell::default();
}

impl Task {
    /// The task that a product of two matrices is, if there is a kernel for it. `before` is the one that is
    /// computed before. [`Task::place`] says where its inputs go.
    pub fn of(product: &ggml_tensor, before: Option<&Self>) -> Option<Self> {
        // SAFETY: a product has two factors.
        let (weights, numbers) = unsafe { (product.src[0].as_ref()?, product.src[1].as_ref()?) };
        let kind = match weights.type_ {
            GGML_TYPE_Q5_0 => Kind::Q5,
            GGML_TYPE_Q8_0 => Kind::Q8,
            _ => return None,
        };
        let size = |size: i64| usize::try_from(size).unwrap_or(0);
        let (columns, rows, count) = (size(weights.ne[0]), size(weights.ne[1]), size(numbers.ne[1]));
        let bytes = match kind {
            Kind::Q5 => Q5::BYTES,
            Kind::Q8 => Q8::BYTES,
        };
        let is_matrix = |tensor: &ggml_tensor| tensor.ne[2] == 1 && tensor.ne[3] == 1;
        let is_plain = |tensor: &ggml_tensor| {
            tensor.type_ == GGML_TYPE_F32 && is_matrix(tensor) && tensor.nb[0] == 4 && tensor.nb[1].is_multiple_of(4)
        };
        // One row is multiplied as fast by llama.cpp.
        let fits = count > 1
            && columns > 0
            && columns.is_multiple_of(BLOCK)
            && rows.is_multiple_of(TILE)
            // Where weights are laid out otherwise, ggml keeps beside them how.
            && weights.extra.is_null()
            && is_matrix(weights)
            && weights.nb[1] == columns / BLOCK * bytes
            && is_plain(numbers)
            && is_plain(product);
        if !fits {
            return None;
        }
        let layout = match kind {
            Kind::Q5 => Layout::new::<Q5>(count, columns / BLOCK),
            Kind::Q8 => Layout::new::<Q8>(count, columns / BLOCK),
        };
        Some(Self {
            kind,
            tiles: rows / TILE,
            source: numbers,
            layout,
            places: None,
            ready: before.is_some_and(|before| core::ptr::eq(before.source, numbers) && before.layout == layout),
            arrived: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
        })
    }

    /// How its inputs are laid out: room has to be made for those of all tasks of a graph before the first is given its place.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Has its inputs laid out there.
    pub fn place(&mut self, inputs: &mut Inputs) {
        self.places = Some(inputs.places(self.layout));
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
            let places = &self.places.expect("a task has its place before its graph is computed");
            if !self.ready {
                for row in (thread..self.layout.rows).step_by(threads) {
                    places.quantise(row, numbers.data.cast::<u8>().add(row * numbers.nb[1]).cast());
                }
                self.wait_for(threads);
            }
            let (from, to) = (weights.data.cast::<u8>().cast_const(), product.data.cast::<f32>());
            match self.kind {
                Kind::Q5 => self.multiply::<Q5>((from, places), (to, product.nb[1] / 4), threads),
                Kind::Q8 => self.multiply::<Q8>((from, places), (to, product.nb[1] / 4), threads),
            }
        }
    }

    /// Waits until all threads have come so far.
    fn wait_for(&self, threads: usize) {
        self.arrived.fetch_add(1, Ordering::AcqRel);
        let mut looks = 0_u32;
        while self.arrived.load(Ordering::Acquire) < threads {
            looks += 1;
            if looks.is_multiple_of(PATIENCE) { std::thread::yield_now() } else { core::hint::spin_loop() }
        }
    }

    /// Multiplies tiles for as long as there are some that nobody has taken.
    unsafe fn multiply<F: Format>(
        &self,
        (weights, inputs): (*const u8, &Places),
        (out, stride): (*mut f32, usize),
        threads: usize,
    ) {
        let Layout { rows, blocks, .. } = self.layout;
        let share = self.tiles.div_ceil(threads * SHARES).max(1);
        TILE_OF_THREAD.with_borrow_mut(|tile| {
            loop {
                let first = self.next.fetch_add(1, Ordering::Relaxed) * share;
                if first >= self.tiles {
                    return;
                }
                for index in first..(first + share).min(self.tiles) {
                    let weights = weights.wrapping_add(index * TILE * blocks * F::BYTES);
                    let out = (out.wrapping_add(index * TILE), stride);
                    // SAFETY: the tile lies within the weights, and nobody else has it.
                    unsafe { product::multiply::<F>((weights, blocks), tile, (inputs, rows), out) };
                }
            }
        });
    }
}
