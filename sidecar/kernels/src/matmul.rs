//! GEMM micro-kernels: multiply a tile of eight weight rows with rows of quantised activations.
//!
//! The dot product of a block is computed in integers and exact. Blocks are then accumulated in f32 in the same order for every
//! row, so the result of a row does not depend on the batch size.

use core::arch::x86_64::*;

use crate::activations::{Activations, BlockScale};
use crate::repack::{BLOCK_SIZE, Format, Tile, load_scales, prefetch, unpack_q5_bits};

/// Largest batch that is multiplied without a tile: for so few rows of activations, repacking costs more than it saves.
pub(crate) const SMALL_BATCH: usize = 4;

/// Rows of activations per pass over a tile: as many accumulators as fit the vector registers.
const ROWS_PER_PASS: usize = 4;

/// Multiplies `TILE_ROWS` rows of weights in file format with the first `count` rows of activations. Writes `TILE_ROWS` numbers
/// per row of activations: the first row's to `out`, and each further row's `stride` numbers after the previous one.
///
/// # Safety
///
/// `weights` points to `TILE_ROWS` rows of `blocks` blocks of format `F`. The activations have as many blocks per row and were
/// quantised for `F` and `count`. `out` is valid for the results, and no other thread accesses them.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) unsafe fn matmul_tile<F: Format>(
    (weights, blocks): (*const u8, usize),
    tile: &mut Tile,
    (activations, count): (&Activations, usize),
    (out, stride): (*mut f32, usize),
) {
    // SAFETY: the caller guarantees it for all rows.
    unsafe {
        match count {
            1 => return small_batch::<F, 1>((weights, blocks), activations, (out, stride)),
            2 => return small_batch::<F, 2>((weights, blocks), activations, (out, stride)),
            3 => return small_batch::<F, 3>((weights, blocks), activations, (out, stride)),
            SMALL_BATCH => return small_batch::<F, SMALL_BATCH>((weights, blocks), activations, (out, stride)),
            _ => tile.repack::<F>(weights, blocks),
        }
        for first in (0..count).step_by(ROWS_PER_PASS) {
            let (tile, activations) = ((&*tile, blocks), (activations, first));
            let out = (out.wrapping_add(first * stride), stride);
            match count - first {
                1 => tiled::<F, 1>(tile, activations, out),
                2 => tiled::<F, 2>(tile, activations, out),
                3 => tiled::<F, 3>(tile, activations, out),
                _ => tiled::<F, ROWS_PER_PASS>(tile, activations, out),
            }
        }
    }
}

/// Multiplies a repacked tile with rows `first` to `first + N` of the activations.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn tiled<F: Format, const N: usize>(
    (tile, blocks): (&Tile, usize),
    (activations, first): (&Activations, usize),
    out: (*mut f32, usize),
) {
    let mut rows: [_; N] = core::array::from_fn(|row| activations.row(first + row));
    let mut sums = [_mm256_setzero_ps(); N];
    let mut weights = tile.as_ptr();
    for _ in 0..blocks {
        // SAFETY: this reads one block of the tile and of each row, then advances to the next.
        unsafe {
            let scales = _mm256_castsi256_ps(_mm256_loadu_si256(weights));
            for (sum, (quants, scale)) in sums.iter_mut().zip(&mut rows) {
                let products = if F::QUANT_BYTES == 1 {
                    dot_i8(weights.add(1), *quants)
                } else {
                    dot_i16(weights.add(1), *quants)
                };
                *sum = accumulate(*sum, products, scales, **scale);
                *quants = quants.add(F::QUANT_BYTES * BLOCK_SIZE);
                *scale = scale.add(1);
            }
            weights = weights.add(Tile::stride::<F>());
        }
    }
    // SAFETY: the caller guarantees that `out` holds the results.
    unsafe { store(sums, out) };
}

/// Dot products of a block of eight rows: u8 weights (0 to 31) with i8 activations. The sum of eight products is at most 31,496,
/// so it fits an i16.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn dot_i8(weights: *const __m256i, quants: *const i8) -> __m256i {
    let half = |half: usize| {
        let product = |index: usize| {
            let index = 4 * half + index;
            // SAFETY: a block of the tile is eight vectors, a block of the row eight times four bytes.
            let (weights, four) =
                unsafe { (_mm256_loadu_si256(weights.add(index)), quants.cast::<i32>().add(index).read_unaligned()) };
            _mm256_maddubs_epi16(weights, _mm256_set1_epi32(four))
        };
        let sum = _mm256_add_epi16(_mm256_add_epi16(product(0), product(1)), _mm256_add_epi16(product(2), product(3)));
        _mm256_madd_epi16(sum, _mm256_set1_epi16(1))
    };
    _mm256_add_epi32(half(0), half(1))
}

/// Dot products of a block of eight rows: i16 weights with i16 activations.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn dot_i16(weights: *const __m256i, quants: *const i8) -> __m256i {
    let mut sums = [_mm256_setzero_si256(); 2];
    for index in 0..BLOCK_SIZE / 2 {
        // SAFETY: a block of the tile is 16 vectors, a block of the row 16 pairs of i16.
        let (weights, two) =
            unsafe { (_mm256_loadu_si256(weights.add(index)), quants.cast::<i32>().add(index).read_unaligned()) };
        sums[index % 2] = _mm256_add_epi32(sums[index % 2], _mm256_madd_epi16(weights, _mm256_set1_epi32(two)));
    }
    _mm256_add_epi32(sums[0], sums[1])
}

/// Multiplies weights in file format with the first `N` rows of activations, without a tile: computes the products of each weight
/// row, then adds them horizontally until each lane holds the dot product of one row.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn small_batch<F: Format, const N: usize>(
    (weights, blocks): (*const u8, usize),
    activations: &Activations,
    out: (*mut f32, usize),
) {
    let rows: [_; N] = core::array::from_fn(|row| activations.row(row));
    let mut sums = [_mm256_setzero_ps(); N];
    for block in 0..blocks {
        prefetch::<F>(weights, blocks, block);
        let at = |row: usize| weights.wrapping_add((row * blocks + block) * F::BLOCK_BYTES);
        // SAFETY: this reads one block of each row.
        let (quants, scales): ([__m256i; N], _) = unsafe {
            (
                core::array::from_fn(|row| _mm256_loadu_si256(rows[row].0.add(block * BLOCK_SIZE).cast())),
                load_scales(at),
            )
        };
        let one = |row: usize| -> [__m256i; N] {
            let ones = _mm256_set1_epi16(1);
            if F::QUANT_BYTES == 1 {
                // SAFETY: `at(row)` points to a block of this format.
                let weights = unsafe { unpack_q5_bits(at(row)) };
                quants.map(|quants| _mm256_madd_epi16(_mm256_maddubs_epi16(weights, quants), ones))
            } else {
                // SAFETY: 32 bytes of weights follow the scale.
                let weights = unsafe { _mm256_loadu_si256(at(row).add(2).cast()) };
                let size = _mm256_abs_epi8(weights);
                quants.map(|quants| {
                    _mm256_madd_epi16(_mm256_maddubs_epi16(size, _mm256_sign_epi8(quants, weights)), ones)
                })
            }
        };
        let two = |row: usize| -> [__m256i; N] {
            let (a, b) = (one(row), one(row + 1));
            core::array::from_fn(|n| {
                _mm256_add_epi32(_mm256_unpacklo_epi32(a[n], b[n]), _mm256_unpackhi_epi32(a[n], b[n]))
            })
        };
        let four = |row: usize| -> [__m256i; N] {
            let (a, b) = (two(row), two(row + 2));
            core::array::from_fn(|n| {
                _mm256_add_epi32(_mm256_unpacklo_epi64(a[n], b[n]), _mm256_unpackhi_epi64(a[n], b[n]))
            })
        };
        let (a, b) = (four(0), four(4));
        for n in 0..N {
            let products = _mm256_add_epi32(
                _mm256_permute2x128_si256::<0x20>(a[n], b[n]),
                _mm256_permute2x128_si256::<0x31>(a[n], b[n]),
            );
            // SAFETY: every block of a row has its scale.
            sums[n] = accumulate(sums[n], products, scales, unsafe { *rows[n].1.add(block) });
        }
    }
    // SAFETY: the caller guarantees that `out` holds the results.
    unsafe { store(sums, out) };
}

/// Accumulates a block: `(products + correction) * scale of the weights * scale of the activations`.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn accumulate(sum: __m256, products: __m256i, scales: __m256, BlockScale { scale, correction }: BlockScale) -> __m256 {
    let products = _mm256_add_epi32(products, _mm256_set1_epi32(correction));
    _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), _mm256_mul_ps(scales, _mm256_set1_ps(scale)), sum)
}

/// Writes the results of `N` rows of activations.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn store<const N: usize>(sums: [__m256; N], (out, stride): (*mut f32, usize)) {
    for (row, sum) in sums.into_iter().enumerate() {
        // SAFETY: the caller guarantees that `out` holds a tile's results of each row.
        unsafe { _mm256_storeu_ps(out.add(row * stride), sum) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations::{ActivationBuffer, Layout};
    use crate::repack::{Q5_0, Q8_0, TILE_ROWS};

    /// A deterministic pseudo-random generator of 24-bit numbers.
    fn noise(seed: u32) -> impl FnMut() -> u32 {
        let mut state = u64::from(seed) + 1;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(state >> 40).expect("24 bits")
        }
    }

    /// A tile in file format: f16 scales that are powers of two, and random weights.
    fn weights<F: Format>(blocks: usize, mut next: impl FnMut() -> u32) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..TILE_ROWS * blocks * F::BLOCK_BYTES).map(|_| next().to_le_bytes()[0]).collect();
        for block in bytes.chunks_exact_mut(F::BLOCK_BYTES) {
            let exponent = u16::try_from(10 + next() % 8).expect("it is small");
            block[..2].copy_from_slice(&(exponent << 10).to_le_bytes());
        }
        bytes
    }

    /// Reference dequantisation of one weight.
    fn weight<F: Format>(block: &[u8], index: usize) -> f64 {
        let scale = 2_f64.powi((i32::from(u16::from_le_bytes([block[0], block[1]])) >> 10) - 15);
        let quant = if F::ZERO_POINT == 0 {
            i32::from(block[2 + index].cast_signed())
        } else {
            let low = if index < 16 { block[6 + index] & 15 } else { block[6 + index - 16] >> 4 };
            let high_bit = block[2 + index / 8] >> (index % 8) & 1;
            i32::from(low | high_bit << 4) - F::ZERO_POINT
        };
        scale * f64::from(quant)
    }

    fn matmul<F: Format>(weights: &[u8], values: &[f32], (blocks, count): (usize, usize)) -> Vec<f32> {
        let (mut buffer, mut tile, mut out) =
            (ActivationBuffer::default(), Tile::default(), vec![0.0; TILE_ROWS * count]);
        let layout = Layout::new::<F>(count, blocks);
        buffer.reserve(layout);
        let activations = buffer.view(layout);
        // SAFETY: all buffers have the stated sizes, and the test has checked the CPU features.
        unsafe {
            for row in 0..count {
                activations.quantise(row, values[row * blocks * BLOCK_SIZE..].as_ptr());
            }
            matmul_tile::<F>(
                (weights.as_ptr(), blocks),
                &mut tile,
                (&activations, count),
                (out.as_mut_ptr(), TILE_ROWS),
            );
        }
        out
    }

    fn check<F: Format>(blocks: usize) {
        let max_batch = 11;
        let mut next = noise(u32::try_from(blocks).expect("it is small"));
        let weights = weights::<F>(blocks, &mut next);
        let mut values: Vec<f32> =
            (0..max_batch * blocks * BLOCK_SIZE).map(|_| next() as f32 / 8_388_608.0 - 1.0).collect();
        values[..BLOCK_SIZE].fill(0.0);
        let all = matmul::<F>(&weights, &values, (blocks, max_batch));
        for (index, result) in all.iter().enumerate() {
            let (input, row) = (index / TILE_ROWS, index % TILE_ROWS);
            let (mut sum, mut size) = (0.0, 0.0);
            for column in 0..blocks * BLOCK_SIZE {
                let block = &weights[(row * blocks + column / BLOCK_SIZE) * F::BLOCK_BYTES..];
                let part =
                    weight::<F>(block, column % BLOCK_SIZE) * f64::from(values[input * blocks * BLOCK_SIZE + column]);
                (sum, size) = (sum + part, size + part.abs());
            }
            // Activations are rounded to 1/127 of the largest in their block.
            let error = (f64::from(*result) - sum).abs();
            assert!(
                error <= size / 60.0 + 1e-9,
                "weight row {row}, activation row {input}: got {result}, expected {sum}"
            );
        }
        for count in 1..max_batch {
            assert_eq!(matmul::<F>(&weights, &values, (blocks, count)), all[..TILE_ROWS * count], "batch size {count}");
        }
    }

    #[test]
    fn matmul_matches_the_reference_and_does_not_depend_on_the_batch_size() {
        if !crate::is_supported() {
            return;
        }
        for blocks in [1, 2, 7, 28] {
            check::<Q5_0>(blocks);
            check::<Q8_0>(blocks);
        }
    }
}
