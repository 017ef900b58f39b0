//! Repacks quantised weight blocks into tiles: eight rows interleaved, one row per 32-bit SIMD lane.
//!
//! A block is 32 weights of one row that share a scale. The formats are ggml's `block_q5_0` and `block_q8_0` (`ggml-common.h`).

use core::arch::x86_64::*;

/// Weights per block (ggml's `QK5_0` and `QK8_0`).
pub(crate) const BLOCK_SIZE: usize = 32;

/// Weight rows per tile: one per 32-bit lane of a 256-bit vector.
pub(crate) const TILE_ROWS: usize = 8;

/// A quantisation format of weights with a kernel.
pub(crate) trait Format {
    /// Size of a block in bytes.
    const BLOCK_BYTES: usize;
    /// 256-bit vectors of weights per block of a tile.
    const VECTORS_PER_BLOCK: usize;
    /// Bytes per quantised activation that a tile is multiplied with: 1 (i8) or 2 (i16).
    const QUANT_BYTES: usize;
    /// Zero point: subtracted from a stored quant to get its signed value.
    const ZERO_POINT: i32;
}

/// ggml's `Q5_0`: an f16 scale, 32 high bits, then 32 low nibbles, where byte `n` holds those of weights `n` and `n + 16`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Q5_0;

impl Format for Q5_0 {
    const BLOCK_BYTES: usize = 22;
    const VECTORS_PER_BLOCK: usize = 8;
    const QUANT_BYTES: usize = 1;
    const ZERO_POINT: i32 = 16;
}

/// ggml's `Q8_0`: an f16 scale, then 32 i8 weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Q8_0;

impl Format for Q8_0 {
    const BLOCK_BYTES: usize = 34;
    const VECTORS_PER_BLOCK: usize = 16;
    const QUANT_BYTES: usize = 2;
    const ZERO_POINT: i32 = 0;
}

/// A repacked tile. For each block: one vector with the scales of all rows (f32), then [`Format::VECTORS_PER_BLOCK`] vectors of
/// weights. Each 32-bit lane of those belongs to one row: four u8 for [`Q5_0`], two i16 for [`Q8_0`].
#[derive(Debug, Default)]
pub(crate) struct Tile(Vec<__m256i>);

impl Tile {
    /// Vectors per block: the scales and the weights.
    pub(crate) const fn stride<F: Format>() -> usize {
        1 + F::VECTORS_PER_BLOCK
    }

    /// Pointer to the first vector.
    pub(crate) fn as_ptr(&self) -> *const __m256i {
        self.0.as_ptr()
    }

    /// Repacks `TILE_ROWS` consecutive rows of `blocks` blocks each, starting at `rows`.
    ///
    /// # Safety
    ///
    /// `rows` points to `TILE_ROWS * blocks` blocks of format `F`.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(crate) unsafe fn repack<F: Format>(&mut self, rows: *const u8, blocks: usize) {
        let stride = Self::stride::<F>();
        if self.0.len() < blocks * stride {
            self.0.resize(blocks * stride, _mm256_setzero_si256());
        }
        for (block, vectors) in self.0.chunks_exact_mut(stride).take(blocks).enumerate() {
            // SAFETY: block `block` of row `row` is within the rows.
            let at = |row: usize| unsafe { rows.add((row * blocks + block) * F::BLOCK_BYTES) };
            prefetch::<F>(rows, blocks, block);
            // SAFETY: every block starts with its scale.
            vectors[0] = _mm256_castps_si256(unsafe { load_scales(at) });
            if F::QUANT_BYTES == 1 {
                // SAFETY: `at(row)` points to a block of this format.
                let rows = core::array::from_fn(|row| unsafe { unpack_q5_bits(at(row)) });
                vectors[1..].copy_from_slice(&transpose(rows));
            } else {
                for half in 0..2 {
                    // SAFETY: 32 bytes of weights follow the scale; this reads half of them.
                    let wide = |row| unsafe { _mm_loadu_si128(at(row).add(2 + 16 * half).cast()) };
                    let rows = core::array::from_fn(|row| _mm256_cvtepi8_epi16(wide(row)));
                    vectors[1 + 8 * half..][..8].copy_from_slice(&transpose(rows));
                }
            }
        }
    }
}

/// Prefetches part of the next tile into the L1 cache, as many bytes as one block of all rows. The hardware prefetcher does not
/// predict it, because the rows of a tile are read in parallel and each is short.
#[inline]
pub(crate) fn prefetch<F: Format>(rows: *const u8, blocks: usize, block: usize) {
    const LINE: usize = 64;
    let bytes = TILE_ROWS * F::BLOCK_BYTES;
    for line in 0..bytes.div_ceil(LINE) {
        let next = rows.wrapping_add(blocks * bytes + block * bytes + line * LINE);
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(next.cast()) };
    }
}

/// Loads the f16 scales of one block of each row as f32.
///
/// # Safety
///
/// `at(row)` points to a block for every row below `TILE_ROWS`.
#[target_feature(enable = "avx2,f16c")]
#[inline]
pub(crate) unsafe fn load_scales(at: impl Fn(usize) -> *const u8) -> __m256 {
    // SAFETY: every block starts with its scale.
    let scale = |row| i32::from(unsafe { at(row).cast::<i16>().read_unaligned() });
    let scales = _mm_cvtsi32_si128(scale(0));
    let scales = _mm_insert_epi16::<1>(scales, scale(1));
    let scales = _mm_insert_epi16::<2>(scales, scale(2));
    let scales = _mm_insert_epi16::<3>(scales, scale(3));
    let scales = _mm_insert_epi16::<4>(scales, scale(4));
    let scales = _mm_insert_epi16::<5>(scales, scale(5));
    let scales = _mm_insert_epi16::<6>(scales, scale(6));
    let scales = _mm_insert_epi16::<7>(scales, scale(7));
    _mm256_cvtph_ps(scales)
}

/// Unpacks the weights of a [`Q5_0`] block in order, as u8 from 0 to 31.
///
/// # Safety
///
/// `block` points to a block of that format.
#[target_feature(enable = "avx2")]
#[inline]
pub(crate) unsafe fn unpack_q5_bits(block: *const u8) -> __m256i {
    // SAFETY: a block is 2 bytes of scale, 4 of high bits and 16 of low nibbles.
    let (high, low) = unsafe { (block.add(2).cast::<i32>().read_unaligned(), _mm_loadu_si128(block.add(6).cast())) };
    let low = _mm256_srlv_epi64(_mm256_broadcastsi128_si256(low), _mm256_setr_epi64x(0, 0, 4, 4));
    let low = _mm256_and_si256(low, _mm256_set1_epi8(15));
    // Broadcast byte n / 8 of the high bits to byte n, then test its bit n % 8.
    let spread = _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303);
    let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
    let bits = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(high), spread), bit);
    _mm256_or_si256(low, _mm256_and_si256(_mm256_cmpeq_epi8(bits, bit), _mm256_set1_epi8(16)))
}

/// Transposes an 8 by 8 matrix of 32-bit lanes: lane `n` of vector `m` becomes lane `m` of vector `n`.
#[target_feature(enable = "avx2")]
#[inline]
fn transpose(rows: [__m256i; TILE_ROWS]) -> [__m256i; TILE_ROWS] {
    let pairs = |a: usize| {
        let (even, odd) = (rows[a], rows[a + 1]);
        (_mm256_unpacklo_epi32(even, odd), _mm256_unpackhi_epi32(even, odd))
    };
    let fours = |(low0, high0): (__m256i, __m256i), (low1, high1): (__m256i, __m256i)| {
        [
            _mm256_unpacklo_epi64(low0, low1),
            _mm256_unpackhi_epi64(low0, low1),
            _mm256_unpacklo_epi64(high0, high1),
            _mm256_unpackhi_epi64(high0, high1),
        ]
    };
    let (upper, lower) = (fours(pairs(0), pairs(2)), fours(pairs(4), pairs(6)));
    core::array::from_fn(|lane| {
        let (upper, lower) = (upper[lane % 4], lower[lane % 4]);
        if lane < 4 {
            _mm256_permute2x128_si256::<0x20>(upper, lower)
        } else {
            _mm256_permute2x128_si256::<0x31>(upper, lower)
        }
    })
}
