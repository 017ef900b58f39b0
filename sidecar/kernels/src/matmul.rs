//! The product of a tile of weights with rows of inputs.
//!
//! The sum of a block's products is a whole number, and exact. Blocks are then added one after another in 32-bit floating point, for
//! every row alike: what comes out does not depend on how many rows are multiplied at a time.

use core::arch::x86_64::*;

use crate::activations::{Activations, BlockScale};
use crate::repack::{BLOCK_SIZE, Format, Tile, load_scales, prefetch, unpack_q5_bits};

/// Up to so many rows of inputs are multiplied without a tile: to lay it out would take longer.
pub const SMALL_BATCH: usize = 4;

/// Rows of inputs that are multiplied with a tile at a time: as many as the processor's registers hold sums of.
const ROWS_PER_PASS: usize = 4;

/// Multiplies `TILE_ROWS` rows of weights, as they lie in the file, with the first `count` rows of inputs. `out` is where the results of the
/// first one go, `TILE_ROWS` numbers, and those of each further one lie `stride` numbers behind.
///
/// # Safety
///
/// `weights` points to `TILE_ROWS` rows of so many blocks of that format, the inputs have as many blocks, and were quantised for that
/// format and `count`. Nobody else uses the place of the results.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn matmul_tile<F: Format>(
    (weights, blocks): (*const u8, usize),
    tile: &mut Tile,
    (inputs, count): (&Activations, usize),
    (out, stride): (*mut f32, usize),
) {
    // SAFETY: the caller promises it for all rows.
    unsafe {
        match count {
            1 => return small_batch::<F, 1>((weights, blocks), inputs, (out, stride)),
            2 => return small_batch::<F, 2>((weights, blocks), inputs, (out, stride)),
            3 => return small_batch::<F, 3>((weights, blocks), inputs, (out, stride)),
            SMALL_BATCH => return small_batch::<F, SMALL_BATCH>((weights, blocks), inputs, (out, stride)),
            _ => tile.repack::<F>(weights, blocks),
        }
        for first in (0..count).step_by(ROWS_PER_PASS) {
            let (tile, inputs) = ((&*tile, blocks), (inputs, first));
            let out = (out.wrapping_add(first * stride), stride);
            match count - first {
                1 => tiled::<F, 1>(tile, inputs, out),
                2 => tiled::<F, 2>(tile, inputs, out),
                3 => tiled::<F, 3>(tile, inputs, out),
                _ => tiled::<F, ROWS_PER_PASS>(tile, inputs, out),
            }
        }
    }
}

/// Multiplies a tile with rows `first` to `first + N` of the inputs.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn tiled<F: Format, const N: usize>(
    (tile, blocks): (&Tile, usize),
    (inputs, first): (&Activations, usize),
    out: (*mut f32, usize),
) {
    let mut rows: [_; N] = core::array::from_fn(|row| inputs.row(first + row));
    let mut sums = [_mm256_setzero_ps(); N];
    let mut weights = tile.as_ptr();
    for _ in 0..blocks {
        // SAFETY: this reads one block of the tile and of each row, and then goes on to the next.
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
    // SAFETY: the caller has room for the results.
    unsafe { store(sums, out) };
}

/// The sums of products of a block: weights of 0 to 31 with numbers of 8 bits. Eight products are at most 31,496, which is less
/// than 16 bits hold.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn dot_i8(weights: *const __m256i, quants: *const i8) -> __m256i {
    let half = |half: usize| {
        let product = |index: usize| {
            let index = 4 * half + index;
            // SAFETY: a block of the tile has eight vectors, and one of the row eight times four bytes.
            let (weights, four) =
                unsafe { (_mm256_loadu_si256(weights.add(index)), quants.cast::<i32>().add(index).read_unaligned()) };
            _mm256_maddubs_epi16(weights, _mm256_set1_epi32(four))
        };
        let sum = _mm256_add_epi16(_mm256_add_epi16(product(0), product(1)), _mm256_add_epi16(product(2), product(3)));
        _mm256_madd_epi16(sum, _mm256_set1_epi16(1))
    };
    _mm256_add_epi32(half(0), half(1))
}

/// The same where both have 16 bits.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn dot_i16(weights: *const __m256i, quants: *const i8) -> __m256i {
    let mut sums = [_mm256_setzero_si256(); 2];
    for index in 0..BLOCK_SIZE / 2 {
        // SAFETY: a block of the tile has 16 vectors, and one of the row 16 times two numbers of two bytes.
        let (weights, two) =
            unsafe { (_mm256_loadu_si256(weights.add(index)), quants.cast::<i32>().add(index).read_unaligned()) };
        sums[index % 2] = _mm256_add_epi32(sums[index % 2], _mm256_madd_epi16(weights, _mm256_set1_epi32(two)));
    }
    _mm256_add_epi32(sums[0], sums[1])
}

/// Multiplies weights as they lie in the file with the first `N` rows of inputs: row by row, whose products are then added together
/// crosswise until each lane has the sum of one row.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn small_batch<F: Format, const N: usize>(
    (weights, blocks): (*const u8, usize),
    inputs: &Activations,
    out: (*mut f32, usize),
) {
    let rows: [_; N] = core::array::from_fn(|row| inputs.row(row));
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
                // SAFETY: a block of this format lies there.
                let weights = unsafe { unpack_q5_bits(at(row)) };
                quants.map(|quants| _mm256_madd_epi16(_mm256_maddubs_epi16(weights, quants), ones))
            } else {
                // SAFETY: behind the scale lie 32 bytes.
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
    // SAFETY: the caller has room for the results.
    unsafe { store(sums, out) };
}

/// Adds what a block comes to: its products, corrected, times both scales.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn accumulate(sum: __m256, products: __m256i, scales: __m256, BlockScale { scale, correction }: BlockScale) -> __m256 {
    let products = _mm256_add_epi32(products, _mm256_set1_epi32(correction));
    _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), _mm256_mul_ps(scales, _mm256_set1_ps(scale)), sum)
}

/// Writes the results of some rows of inputs.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn store<const N: usize>(sums: [__m256; N], (out, stride): (*mut f32, usize)) {
    for (row, sum) in sums.into_iter().enumerate() {
        // SAFETY: the caller has room for a tile's results of each row.
        unsafe { _mm256_storeu_ps(out.add(row * stride), sum) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations::{ActivationBuffer, Layout};
    use crate::repack::{Q5_0, Q8_0, TILE_ROWS};

    /// Numbers that are the same each time.
    fn noise(seed: u32) -> impl FnMut() -> u32 {
        let mut state = u64::from(seed) + 1;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(state >> 40).expect("24 bits")
        }
    }

    /// A tile in a file: scales of 16 bits that are powers of two, and any weights.
    fn weights<F: Format>(blocks: usize, mut next: impl FnMut() -> u32) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..TILE_ROWS * blocks * F::BLOCK_BYTES).map(|_| next().to_le_bytes()[0]).collect();
        for block in bytes.chunks_exact_mut(F::BLOCK_BYTES) {
            let exponent = u16::try_from(10 + next() % 8).expect("it is small");
            block[..2].copy_from_slice(&(exponent << 10).to_le_bytes());
        }
        bytes
    }

    /// A weight by its definition.
    fn weight<F: Format>(block: &[u8], index: usize) -> f64 {
        let scale = 2_f64.powi((i32::from(u16::from_le_bytes([block[0], block[1]])) >> 10) - 15);
        let whole = if F::ZERO_POINT == 0 {
            i32::from(block[2 + index].cast_signed())
        } else {
            let low = if index < 16 { block[6 + index] & 15 } else { block[6 + index - 16] >> 4 };
            let fifth = block[2 + index / 8] >> (index % 8) & 1;
            i32::from(low | fifth << 4) - F::ZERO_POINT
        };
        scale * f64::from(whole)
    }

    fn product<F: Format>(weights: &[u8], numbers: &[f32], (blocks, count): (usize, usize)) -> Vec<f32> {
        let (mut inputs, mut tile, mut out) =
            (ActivationBuffer::default(), Tile::default(), vec![0.0; TILE_ROWS * count]);
        let layout = Layout::new::<F>(count, blocks);
        inputs.reserve(layout);
        let activations = inputs.view(layout);
        // SAFETY: everything is as large as it is said to be, and the test has made sure of the processor.
        unsafe {
            for row in 0..count {
                activations.quantise(row, numbers[row * blocks * BLOCK_SIZE..].as_ptr());
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
        let max_count = 11;
        let mut next = noise(u32::try_from(blocks).expect("it is small"));
        let weights = weights::<F>(blocks, &mut next);
        let mut numbers: Vec<f32> =
            (0..max_count * blocks * BLOCK_SIZE).map(|_| next() as f32 / 8_388_608.0 - 1.0).collect();
        numbers[..BLOCK_SIZE].fill(0.0);
        let all = product::<F>(&weights, &numbers, (blocks, max_count));
        for (index, result) in all.iter().enumerate() {
            let (input, row) = (index / TILE_ROWS, index % TILE_ROWS);
            let (mut sum, mut size) = (0.0, 0.0);
            for column in 0..blocks * BLOCK_SIZE {
                let block = &weights[(row * blocks + column / BLOCK_SIZE) * F::BLOCK_BYTES..];
                let part =
                    weight::<F>(block, column % BLOCK_SIZE) * f64::from(numbers[input * blocks * BLOCK_SIZE + column]);
                (sum, size) = (sum + part, size + part.abs());
            }
            // Activations are rounded to a 127th of the largest of their block.
            let error = (f64::from(*result) - sum).abs();
            assert!(error <= size / 60.0 + 1e-9, "row {row} with {input}: {result} and not {sum}");
        }
        for count in 1..max_count {
            assert_eq!(
                product::<F>(&weights, &numbers, (blocks, count)),
                all[..TILE_ROWS * count],
                "{count} at a time"
            );
        }
    }

    #[test]
    fn a_product_is_right_and_the_same_for_any_number_of_rows() {
        if !crate::is_supported() {
            return;
        }
        for blocks in [1, 2, 7, 28] {
            check::<Q5_0>(blocks);
            check::<Q8_0>(blocks);
        }
    }
}
