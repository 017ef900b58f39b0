//! What the weights are multiplied with, in 8 bits: blocks of 32 numbers that share a scale.

use core::arch::x86_64::*;

use crate::matmul::SMALL_BATCH;
use crate::repack::{BLOCK_SIZE, Format};

/// Rows of numbers to be multiplied with, and room for them. They are written by several threads, each its own rows.
#[derive(Debug, Default)]
pub struct ActivationBuffer {
    /// Numbers in 8 or 16 bits each, as the kernel wants them.
    quants: Vec<i16>,
    /// Of each block the scale, and what the result has to be corrected by.
    scales: Vec<BlockScale>,
}

/// What belongs to a block of inputs.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct BlockScale {
    /// What the numbers are multiples of.
    pub scale: f32,
    /// What is added to the sum of a block's products: weights may be stored larger than they are, see [`Format::ZERO_POINT`].
    pub correction: i32,
}

/// How rows of inputs are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Rows.
    pub rows: usize,
    /// Blocks of each row.
    pub blocks: usize,
    /// Bytes of each number.
    quant_bytes: usize,
    /// By how much the weights are stored larger than they are.
    zero_point: i32,
}

impl Layout {
    /// The layout of so many rows and blocks, to be multiplied with weights of that format.
    pub const fn new<F: Format>(rows: usize, blocks: usize) -> Self {
        Self {
            rows,
            blocks,
            quant_bytes: if rows <= SMALL_BATCH { 1 } else { F::QUANT_BYTES },
            zero_point: F::ZERO_POINT,
        }
    }
}

impl ActivationBuffer {
    /// Makes room for such rows. What [`ActivationBuffer::view`] gave back before is no place any more.
    pub fn reserve(&mut self, Layout { rows, blocks, .. }: Layout) {
        self.quants.resize(self.quants.len().max(rows * blocks * BLOCK_SIZE), 0);
        self.scales.resize(self.scales.len().max(rows * blocks), BlockScale::default());
    }

    /// Where such rows are. Room was made for them.
    pub fn view(&mut self, layout: Layout) -> Activations {
        assert!(self.scales.len() >= layout.rows * layout.blocks, "there is room");
        Activations { quants: self.quants.as_mut_ptr().cast(), scales: self.scales.as_mut_ptr(), layout }
    }
}

/// Where rows of [`ActivationBuffer`] are.
#[derive(Debug, Clone, Copy)]
pub struct Activations {
    quants: *mut i8,
    scales: *mut BlockScale,
    layout: Layout,
}

impl Activations {
    /// Where the numbers and the scales of a row are.
    pub fn row(&self, row: usize) -> (*mut i8, *mut BlockScale) {
        let block = row * self.layout.blocks;
        (self.quants.wrapping_add(block * self.layout.quant_bytes * BLOCK_SIZE), self.scales.wrapping_add(block))
    }

    /// Quantises a row as ggml's `quantize_row_q8_0` does: the largest number becomes 127, halves go to the even neighbour, and
    /// the scale is rounded to 16 bits.
    ///
    /// # Safety
    ///
    /// `numbers` points to `blocks` blocks of finite numbers, `row` is one of the rows that there is room for, and nobody else uses it.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub unsafe fn quantise(&self, row: usize, numbers: *const f32) {
        let (mut quants, mut scales) = self.row(row);
        for block in 0..self.layout.blocks {
            // SAFETY: the block lies within the numbers, and each quarter within the block.
            let quarters: [__m256; 4] = core::array::from_fn(|quarter| unsafe {
                _mm256_loadu_ps(numbers.add(block * BLOCK_SIZE + 8 * quarter))
            });
            let max_abs = max_abs(quarters);
            let multiple = if max_abs == 0.0 { 0.0 } else { 127.0 / max_abs };
            let whole = quarters.map(|quarter| {
                let scaled = _mm256_mul_ps(quarter, _mm256_set1_ps(multiple));
                _mm256_cvtps_epi32(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(scaled))
            });
            // Packing goes lane by lane; this brings the quarters of each pair into their order.
            let pack = |a, b| _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(a, b));
            let wide = [pack(whole[0], whole[1]), pack(whole[2], whole[3])];
            let rounded = _mm_cvtph_ps(_mm_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm_set_ss(max_abs / 127.0)));
            let mut scale = BlockScale { scale: _mm_cvtss_f32(rounded), correction: 0 };
            // SAFETY: there is room for the block's numbers and its scale.
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

/// The largest of 32 numbers without their signs.
#[target_feature(enable = "avx2")]
fn max_abs(quarters: [__m256; 4]) -> f32 {
    let sign = _mm256_set1_ps(-0.0);
    let [a, b, c, d] = quarters.map(|quarter| _mm256_andnot_ps(sign, quarter));
    let most = _mm256_max_ps(_mm256_max_ps(a, b), _mm256_max_ps(c, d));
    let most = _mm_max_ps(_mm256_extractf128_ps::<1>(most), _mm256_castps256_ps128(most));
    let most = _mm_max_ps(most, _mm_movehl_ps(most, most));
    _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)))
}

/// The sum of eight numbers.
#[target_feature(enable = "avx2")]
fn horizontal_sum(numbers: __m256i) -> i32 {
    let four = _mm_add_epi32(_mm256_extracti128_si256::<1>(numbers), _mm256_castsi256_si128(numbers));
    let two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<1>(two)))
}
