//! The table of tensors: each must be of a known type, and lie within the file.

use std::collections::HashSet;

use super::Flaw;
use super::reader::Reader;

/// Tensors of the largest model.
pub(super) const MOST: u64 = 65_536;

/// Bytes of an entry with the shortest name and one dimension.
pub(super) const LEAST_BYTES: u64 = 8 + 1 + 4 + 8 + 4 + 8;

/// Dimensions of a tensor at most.
const MOST_DIMENSIONS: u32 = 4;

/// All tensors of a file.
#[derive(Debug, Default)]
pub(super) struct Tensors {
    /// Bytes of all of them.
    pub bytes: u64,
    /// Numbers in all of them.
    pub elements: u64,
    /// Bytes of those that a token goes in by.
    input: u64,
    /// Bytes of those that a token comes out by.
    output: u64,
    /// Their names.
    names: HashSet<String>,
}

/// The types that a tensor can have: their number, the numbers in a block, the bytes of a block. From ggml's table of types.
const KINDS: &[(u32, u64, u64)] = &[
    (0, 1, 4),      // F32
    (1, 1, 2),      // F16
    (2, 32, 18),    // Q4_0
    (3, 32, 20),    // Q4_1
    (6, 32, 22),    // Q5_0
    (7, 32, 24),    // Q5_1
    (8, 32, 34),    // Q8_0
    (9, 32, 36),    // Q8_1
    (10, 256, 84),  // Q2_K
    (11, 256, 110), // Q3_K
    (12, 256, 144), // Q4_K
    (13, 256, 176), // Q5_K
    (14, 256, 210), // Q6_K
    (15, 256, 292), // Q8_K
    (16, 256, 66),  // IQ2_XXS
    (17, 256, 74),  // IQ2_XS
    (18, 256, 98),  // IQ3_XXS
    (19, 256, 50),  // IQ1_S
    (20, 32, 18),   // IQ4_NL
    (21, 256, 110), // IQ3_S
    (22, 256, 82),  // IQ2_S
    (23, 256, 136), // IQ4_XS
    (24, 1, 1),     // I8
    (25, 1, 2),     // I16
    (26, 1, 4),     // I32
    (27, 1, 8),     // I64
    (28, 1, 8),     // F64
    (29, 256, 56),  // IQ1_M
    (30, 1, 2),     // BF16
    (34, 256, 54),  // TQ1_0
    (35, 256, 66),  // TQ2_0
    (39, 32, 17),   // MXFP4
];

impl Tensors {
    pub fn read(reader: &mut Reader, count: u64, alignment: u64) -> Result<Self, Flaw> {
        let (mut tensors, mut places) = (Self::default(), Vec::new());
        for _ in 0..count {
            let name = reader.name()?;
            let (size, offset) = tensors.entry(reader, &name, alignment)?;
            places.push((name.clone(), size, offset));
            if !tensors.names.insert(name.clone()) {
                return Err(Flaw::Twice(name));
            }
        }
        let room = reader.size().saturating_sub(reader.data_start(alignment));
        places.sort_by_key(|(_, _, offset)| *offset);
        let mut free = 0;
        for (name, size, offset) in places {
            if offset.checked_add(size).is_none_or(|end| end > room) {
                return Err(Flaw::Value { name, problem: "lies beyond the end of the file; it may have been cut off" });
            }
            if offset < free {
                return Err(Flaw::Value { name, problem: "lies where another tensor lies" });
            }
            free = offset + size;
        }
        Ok(tensors)
    }

    /// Bytes of those that a token goes in by, and of those that it comes out by. A model with one table for both has it at its end.
    pub fn ends(&self) -> (u64, u64) {
        if self.names.contains("output.weight") {
            (self.input, self.output)
        } else {
            (0, self.input.saturating_add(self.output))
        }
    }

    /// One entry: the bytes of its tensor, and where they are.
    fn entry(&mut self, reader: &mut Reader, name: &str, alignment: u64) -> Result<(u64, u64), Flaw> {
        const WHAT: &str = "the table of tensors";
        let flaw = |problem| Flaw::Value { name: name.into(), problem };
        let dimensions = reader.u32(WHAT)?;
        if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
            return Err(flaw("must have one to four dimensions"));
        }
        let (mut elements, mut row) = (1_u64, None);
        for _ in 0..dimensions {
            let extent = reader.u64(WHAT)?;
            row.get_or_insert(extent);
            let product = elements.checked_mul(extent).filter(|elements| *elements > 0 && *elements < 1 << 62);
            elements = product.ok_or_else(|| flaw("has dimensions that cannot be"))?;
        }
        let kind = reader.u32(WHAT)?;
        let known = KINDS.iter().find(|(number, _, _)| *number == kind);
        let (_, block, bytes) = known.ok_or_else(|| Flaw::Type { name: name.into(), kind })?;
        if row.unwrap_or(0) % block != 0 {
            return Err(flaw("has rows that are no whole blocks"));
        }
        let size = (elements / block).checked_mul(*bytes).ok_or_else(|| flaw("has dimensions that cannot be"))?;
        let offset = reader.u64(WHAT)?;
        if offset % alignment != 0 {
            return Err(flaw("begins where no tensor may begin"));
        }
        self.bytes = self.bytes.saturating_add(size);
        self.elements = self.elements.saturating_add(elements);
        if name.starts_with("token_embd.") {
            self.input = self.input.saturating_add(size);
        } else if name.starts_with("output") {
            self.output = self.output.saturating_add(size);
        }
        Ok((size, offset))
    }
}
