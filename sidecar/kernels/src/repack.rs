//! Weights as a model file has them, and as the processor multiplies them: the rows of a tile side by side.
//!
//! A block is 32 weights of a row that share a scale. The formats are those of ggml's `block_q5_0` and `block_q8_0` (`ggml-common.h`).

use core::arch::x86_64::*;

/// Weights in a block.
pub const BLOCK_SIZE: usize = 32;

/// Rows that are multiplied at a time, one in each lane of a vector of 32-bit numbers.
pub const TILE_ROWS: usize = 8;

/// A format of weights that there is a kernel for.
pub trait Format {
    /// Bytes of a block.
    const BLOCK_BYTES: usize;
    /// Vectors of a block of a tile.
    const VECTORS_PER_BLOCK: usize;
    /// Bytes of each number that the weights of a tile are multiplied with.
    const QUANT_BYTES: usize;
    /// Weights are stored larger by so much.
    const ZERO_POINT: i32;
}

/// A scale of 16 bits, and weights of 5 bits: the fifth bits of all first, then the others, two halves of the block sharing bytes.
#[derive(Debug, Clone, Copy)]
pub struct Q5_0;

impl Format for Q5_0 {
    const BLOCK_BYTES: usize = 22;
    const VECTORS_PER_BLOCK: usize = 8;
    const QUANT_BYTES: usize = 1;
    const ZERO_POINT: i32 = 16;
}

/// A scale of 16 bits, and weights of 8 bits.
#[derive(Debug, Clone, Copy)]
pub struct Q8_0;

impl Format for Q8_0 {
    const BLOCK_BYTES: usize = 34;
    const VECTORS_PER_BLOCK: usize = 16;
    const QUANT_BYTES: usize = 2;
    const ZERO_POINT: i32 = 0;
}

/// The rows of a tile, block by block: of each block first the scales of all rows, then their weights, so many of each row in one
/// vector as a lane holds. Of [`Q5_0`] those are four bytes without sign, of [`Q8_0`] two numbers of 16 bits.
#[derive(Debug, Default)]
pub struct Tile(Vec<__m256i>);

impl Tile {
    /// Vectors of each block: its scales and its weights.
    pub const fn stride<F: Format>() -> usize {
        1 + F::VECTORS_PER_BLOCK
    }

    /// The vectors.
    pub fn as_ptr(&self) -> *const __m256i {
        self.0.as_ptr()
    }

    /// Unpacks `TILE_ROWS` rows of `blocks` blocks each, which lie one after another from `rows`.
    ///
    /// # Safety
    ///
    /// `rows` points to as many blocks of that format.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub unsafe fn repack<F: Format>(&mut self, rows: *const u8, blocks: usize) {
        let stride = Self::stride::<F>();
        if self.0.len() < blocks * stride {
            self.0.resize(blocks * stride, _mm256_setzero_si256());
        }
        for (block, vectors) in self.0.chunks_exact_mut(stride).take(blocks).enumerate() {
            // SAFETY: block `block` of row `row` lies within the rows.
            let at = |row: usize| unsafe { rows.add((row * blocks + block) * F::BLOCK_BYTES) };
            prefetch::<F>(rows, blocks, block);
            // SAFETY: every block begins with its scale.
            vectors[0] = _mm256_castps_si256(unsafe { load_scales(at) });
            if F::QUANT_BYTES == 1 {
                // SAFETY: a block of this format lies there.
                let rows = core::array::from_fn(|row| unsafe { unpack_q5_bits(at(row)) });
                vectors[1..].copy_from_slice(&transpose(rows));
            } else {
                for half in 0..2 {
                    // SAFETY: behind the scale lie 32 bytes, of which this reads one half.
                    let wide = |row| unsafe { _mm_loadu_si128(at(row).add(2 + 16 * half).cast()) };
                    let rows = core::array::from_fn(|row| _mm256_cvtepi8_epi16(wide(row)));
                    vectors[1 + 8 * half..][..8].copy_from_slice(&transpose(rows));
                }
            }
        }
    }
}

/// Brings a part of the tile behind this one near, as large as a block of it. The processor would not see by itself that it comes
/// next, since the rows of a tile are read side by side, and each of them is short.
#[inline]
pub fn prefetch<F: Format>(rows: *const u8, blocks: usize, block: usize) {
    const LINE: usize = 64;
    let bytes = TILE_ROWS * F::BLOCK_BYTES;
    for line in 0..bytes.div_ceil(LINE) {
        let next = rows.wrapping_add(blocks * bytes + block * bytes + line * LINE);
        // SAFETY: wherever this points, nothing is read that could not be.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(next.cast()) };
    }
}

/// The scales of a block of each row.
///
/// # Safety
///
/// A block lies at each of these places.
#[target_feature(enable = "avx2,f16c")]
#[inline]
pub unsafe fn load_scales(at: impl Fn(usize) -> *const u8) -> __m256 {
    // SAFETY: every block begins with its scale.
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

/// The weights of a block of [`Q5_0`] in their order, 0 to 31 each.
///
/// # Safety
///
/// A block of that format lies at `block`.
#[target_feature(enable = "avx2")]
#[inline]
pub unsafe fn unpack_q5_bits(block: *const u8) -> __m256i {
    // SAFETY: a block is 2 bytes of scale, 4 of fifth bits, and 16 of the others.
    let (fifth, low) = unsafe { (block.add(2).cast::<i32>().read_unaligned(), _mm_loadu_si128(block.add(6).cast())) };
    let low = _mm256_srlv_epi64(_mm256_broadcastsi128_si256(low), _mm256_setr_epi64x(0, 0, 4, 4));
    let low = _mm256_and_si256(low, _mm256_set1_epi8(15));
    // Byte n / 8 goes to place n, and bit n % 8 of it is looked at.
    let spread = _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303);
    let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
    let bits = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(fifth), spread), bit);
    _mm256_or_si256(low, _mm256_and_si256(_mm256_cmpeq_epi8(bits, bit), _mm256_set1_epi8(16)))
}

/// Lane `n` of vector `m` becomes lane `m` of vector `n`.
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
