//! Quantised activations: the f32 inputs of a mul_mat node as int8 blocks of 32 values that share a scale.

use core::arch::x86_64::*;

use crate::matmul::SMALL_BATCH;
use crate::repack::{BLOCK_SIZE, Format};

/// Reusable storage for quantised activations. Several threads fill it through [`Activations`], each its own rows.
#[derive(Debug, Default)]
pub(crate) struct ActivationBuffer {
    /// Sized for i16 quants; [`Layout`] decides whether they are i8 or i16.
    quants: Vec<i16>,
    /// One entry per block.
    scales: Vec<BlockScale>,
}

/// Scale and zero-point correction of a block of activations.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct BlockScale {
    /// Factor from quant to value.
    pub scale: f32,
    /// Added to the integer dot product of a block: `-ZERO_POINT * sum(quants)`, see [`Format::ZERO_POINT`].
    pub correction: i32,
}

/// Memory layout of the quantised activations of one mul_mat node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Number of rows (the batch size).
    pub rows: usize,
    /// Blocks per row.
    pub blocks: usize,
    /// Bytes per quant: 1 (i8) or 2 (i16).
    quant_bytes: usize,
    /// Zero point of the weights, see [`Format::ZERO_POINT`].
    zero_point: i32,
}

impl Layout {
    /// Layout of `rows` rows of `blocks` blocks each, for weights of format `F`.
    pub(crate) const fn new<F: Format>(rows: usize, blocks: usize) -> Self {
        Self {
            rows,
            blocks,
            quant_bytes: if rows <= SMALL_BATCH { 1 } else { F::QUANT_BYTES },
            zero_point: F::ZERO_POINT,
        }
    }
}

impl ActivationBuffer {
    /// Grows the buffer to hold activations of this layout. Invalidates every earlier [`ActivationBuffer::view`].
    pub(crate) fn reserve(&mut self, Layout { rows, blocks, .. }: Layout) {
        self.quants.resize(self.quants.len().max(rows * blocks * BLOCK_SIZE), 0);
        self.scales.resize(self.scales.len().max(rows * blocks), BlockScale::default());
    }

    /// View of the buffer with this layout, for which it must have been reserved.
    pub(crate) fn view(&mut self, layout: Layout) -> Activations {
        assert!(self.scales.len() >= layout.rows * layout.blocks, "the buffer was reserved for this layout");
        Activations { quants: self.quants.as_mut_ptr().cast(), scales: self.scales.as_mut_ptr(), layout }
    }
}

/// View of an [`ActivationBuffer`] with a layout, shared by the threads that compute a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activations {
    quants: *mut i8,
    scales: *mut BlockScale,
    layout: Layout,
}

impl Activations {
    /// Pointers to the quants and to the scales of a row.
    pub(crate) fn row(&self, row: usize) -> (*mut i8, *mut BlockScale) {
        let block = row * self.layout.blocks;
        (self.quants.wrapping_add(block * self.layout.quant_bytes * BLOCK_SIZE), self.scales.wrapping_add(block))
    }

    /// Quantises a row as ggml's `quantize_row_q8_0` does: the largest magnitude of a block becomes 127, ties round to even, and
    /// the scale is rounded to f16.
    ///
    /// # Safety
    ///
    /// `values` points to `blocks * BLOCK_SIZE` finite numbers, `row` is below the layout's `rows`, and no other thread accesses
    /// that row.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(crate) unsafe fn quantise(&self, row: usize, values: *const f32) {
        let (mut quants, mut scales) = self.row(row);
        for block in 0..self.layout.blocks {
            // SAFETY: the block is within `values`, and each quarter within the block.
            let quarters: [__m256; 4] = core::array::from_fn(|quarter| unsafe {
                _mm256_loadu_ps(values.add(block * BLOCK_SIZE + 8 * quarter))
            });
            let max_abs = max_abs(quarters);
            let inverse_scale = if max_abs == 0.0 { 0.0 } else { 127.0 / max_abs };
            let integers = quarters.map(|quarter| {
                let scaled = _mm256_mul_ps(quarter, _mm256_set1_ps(inverse_scale));
                _mm256_cvtps_epi32(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(scaled))
            });
            // `packs` works within 128-bit lanes; the permutation restores the order of the quarters.
            let pack = |a, b| _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(a, b));
            let wide = [pack(integers[0], integers[1]), pack(integers[2], integers[3])];
            let rounded = _mm_cvtph_ps(_mm_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm_set_ss(max_abs / 127.0)));
            let mut scale = BlockScale { scale: _mm_cvtss_f32(rounded), correction: 0 };
            // SAFETY: the buffer holds the block's quants and its scale.
            unsafe {
                if self.layout.quant_bytes == 1 {
                    let narrow = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi16(wide[0], wide[1]));
                    _mm256_storeu_si256(quants.cast(), narrow);
                    let pairs = _mm256_madd_epi16(_mm256_add_epi16(wide[0], wide[1]), _mm256_set1_epi16(1));
                    scale.correction = -self.layout.zero_point * horizontal_sum(pairs);
                } else {
                    _mm256_storeu_si256(quants.cast(), wide[0]);
                    _mm256_storeu_si256(quants.add(BLOCK_SIZE).cast(), wide[1]);
                }
                scales.write(scale);
                quants = quants.add(self.layout.quant_bytes * BLOCK_SIZE);
                scales = scales.add(1);
            }
        }
    }
}

/// Largest magnitude of 32 numbers.
#[target_feature(enable = "avx2")]
fn max_abs(quarters: [__m256; 4]) -> f32 {
    let sign = _mm256_set1_ps(-0.0);
    let [a, b, c, d] = quarters.map(|quarter| _mm256_andnot_ps(sign, quarter));
    let max = _mm256_max_ps(_mm256_max_ps(a, b), _mm256_max_ps(c, d));
    let max = _mm_max_ps(_mm256_extractf128_ps::<1>(max), _mm256_castps256_ps128(max));
    let max = _mm_max_ps(max, _mm_movehl_ps(max, max));
    _mm_cvtss_f32(_mm_max_ss(max, _mm_movehdup_ps(max)))
}

/// Horizontal sum of eight i32 lanes.
#[target_feature(enable = "avx2")]
fn horizontal_sum(lanes: __m256i) -> i32 {
    let four = _mm_add_epi32(_mm256_extracti128_si256::<1>(lanes), _mm256_castsi256_si128(lanes));
    let two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<1>(two)))
}
