//! The tensor table: each tensor must have a known type and lie within the file.

use std::collections::HashSet;

use super::Error;
use super::reader::Reader;

/// Maximum number of tensors.
pub(super) const MAX_TENSORS: u64 = 65_536;

/// Minimum bytes of an entry: a name of one byte, one dimension.
pub(super) const MIN_ENTRY_BYTES: u64 = 8 + 1 + 4 + 8 + 4 + 8;

/// Maximum dimensions of a tensor.
const MAX_DIMENSIONS: u32 = 4;

/// Totals of all tensors of a file.
#[derive(Debug, Default)]
pub(super) struct Tensors {
    /// Bytes of all tensors.
    pub bytes: u64,
    /// Elements of all tensors.
    pub elements: u64,
    /// Bytes of the token embeddings.
    embedding_bytes: u64,
    /// Bytes of the output layer.
    output_bytes: u64,
    /// Names of all tensors.
    names: HashSet<String>,
}

/// Tensor types: type id, elements per block, bytes per block. From ggml's table of types (`ggml_type`).
const TYPES: &[(u32, u64, u64)] = &[
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
    pub(crate) fn read(reader: &mut Reader, count: u64, alignment: u64) -> Result<Self, Error> {
        let (mut tensors, mut extents) = (Self::default(), Vec::new());
        for _ in 0..count {
            let name = reader.name()?;
            let (size, offset) = tensors.entry(reader, &name, alignment)?;
            extents.push((name.clone(), size, offset));
            if !tensors.names.insert(name.clone()) {
                return Err(Error::DuplicateName(name));
            }
        }
        let data_bytes = reader.size().saturating_sub(reader.data_start(alignment));
        extents.sort_by_key(|(_, _, offset)| *offset);
        let mut free = 0;
        for (name, size, offset) in extents {
            if offset.checked_add(size).is_none_or(|end| end > data_bytes) {
                return Err(Error::InvalidValue {
                    name,
                    problem: "lies beyond the end of the file; it may have been cut off",
                });
            }
            if offset < free {
                return Err(Error::InvalidValue { name, problem: "overlaps another tensor" });
            }
            free = offset + size;
        }
        Ok(tensors)
    }

    /// Bytes of the token embeddings and of the output layer. Tied embeddings count as output layer.
    pub(crate) fn embedding_and_output_bytes(&self) -> (u64, u64) {
        if self.names.contains("output.weight") {
            (self.embedding_bytes, self.output_bytes)
        } else {
            (0, self.embedding_bytes.saturating_add(self.output_bytes))
        }
    }

    /// Reads one entry. Returns the size of its tensor and its offset in the tensor data, in bytes.
    fn entry(&mut self, reader: &mut Reader, name: &str, alignment: u64) -> Result<(u64, u64), Error> {
        const WHAT: &str = "the table of tensors";
        let invalid = |problem| Error::InvalidValue { name: name.into(), problem };
        let dimensions = reader.u32(WHAT)?;
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return Err(invalid("must have one to four dimensions"));
        }
        let (mut elements, mut row) = (1_u64, None);
        for _ in 0..dimensions {
            let extent = reader.u64(WHAT)?;
            row.get_or_insert(extent);
            let product = elements.checked_mul(extent).filter(|elements| *elements > 0 && *elements < 1 << 62);
            elements = product.ok_or_else(|| invalid("has dimensions that are empty or too large"))?;
        }
        let type_id = reader.u32(WHAT)?;
        let known = TYPES.iter().find(|(number, _, _)| *number == type_id);
        let (_, block, bytes) = known.ok_or_else(|| Error::UnknownType { name: name.into(), type_id })?;
        if row.unwrap_or(0) % block != 0 {
            return Err(invalid("has rows that are not a multiple of its block size"));
        }
        let size = (elements / block)
            .checked_mul(*bytes)
            .ok_or_else(|| invalid("has dimensions that are empty or too large"))?;
        let offset = reader.u64(WHAT)?;
        if offset % alignment != 0 {
            return Err(invalid("is not aligned"));
        }
        self.bytes = self.bytes.saturating_add(size);
        self.elements = self.elements.saturating_add(elements);
        if name.starts_with("token_embd.") {
            self.embedding_bytes = self.embedding_bytes.saturating_add(size);
        } else if name.starts_with("output") {
            self.output_bytes = self.output_bytes.saturating_add(size);
        }
        Ok((size, offset))
    }
}
