//! Reads numbers, strings and values from an untrusted GGUF file.

use std::fs::File;
use std::io::{BufReader, Read};

use super::Error;

/// Maximum bytes of a name.
const MAX_NAME_BYTES: u64 = 65_535;

/// Maximum bytes of a string value, such as a template or a licence.
const MAX_TEXT_BYTES: u64 = 8 * 1024 * 1024;

/// Minimum bytes of a metadata entry.
pub(super) const MIN_ENTRY_BYTES: u64 = 8 + 1 + 4 + 1;

/// A file with the current position.
#[derive(Debug)]
pub(super) struct Reader {
    file: BufReader<File>,
    position: u64,
    size: u64,
    /// Maximum position in the header.
    limit: u64,
}

/// A metadata value. Of arrays, only the length and short lists of integers are stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(u64),
    Negative(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Array(Array),
}

/// A metadata array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Array {
    /// Number of elements.
    pub count: u64,
    /// The elements of a short array of integers.
    pub numbers: Vec<u64>,
    /// Whether one of its strings is in [`FIM_PREFIX_TOKENS`].
    pub has_fim_prefix: bool,
}

/// The FIM prefix tokens of known models.
const FIM_PREFIX_TOKENS: [&str; 7] = [
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<PRE>",
    "\u{2581}<PRE>",
    "<\u{ff5c}fim\u{2581}begin\u{ff5c}>",
    "<|code_prefix|>",
];

/// Maximum length of an array whose elements are stored: as many as a model may have layers.
const MAX_STORED_ELEMENTS: u64 = 4096;

impl Value {
    /// The value as a count, if it is one.
    pub(crate) fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }
}

impl Reader {
    pub(crate) fn new(file: File, size: u64, limit: u64) -> Self {
        Self { file: BufReader::new(file), position: 0, size, limit: limit.min(size) }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    fn remaining(&self) -> u64 {
        self.limit - self.position
    }

    pub(crate) fn bytes<const COUNT: usize>(&mut self, what: &'static str) -> Result<[u8; COUNT], Error> {
        let mut bytes = [0; COUNT];
        if self.remaining() < COUNT as u64 {
            return Err(Error::Truncated(what));
        }
        self.file.read_exact(&mut bytes).map_err(|error| Error::Unreadable(error.to_string()))?;
        self.position += COUNT as u64;
        Ok(bytes)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Error> {
        self.bytes(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, Error> {
        self.bytes(what).map(u64::from_le_bytes)
    }

    /// Reads a count of items of at least `min_bytes` bytes each; at most `max` are allowed.
    pub(crate) fn count(&mut self, what: &'static str, min_bytes: u64, max: u64) -> Result<u64, Error> {
        let count = self.u64(what)?;
        if count > max || count.saturating_mul(min_bytes) > self.size {
            return Err(Error::TooLarge { what: what.into(), count });
        }
        Ok(count)
    }

    /// Reads a name, which must not be empty.
    pub(crate) fn name(&mut self) -> Result<String, Error> {
        let name = self.text("a name", MAX_NAME_BYTES)?;
        if name.is_empty() {
            return Err(Error::InvalidValue { name, problem: "is no name" });
        }
        Ok(name)
    }

    fn text(&mut self, what: &'static str, max_bytes: u64) -> Result<String, Error> {
        let length = self.u64(what)?;
        if length > max_bytes {
            return Err(Error::TooLarge { what: what.into(), count: length });
        }
        if length > self.remaining() {
            return Err(Error::Truncated(what));
        }
        // At most the rest of the file and `max_bytes`, which is little.
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.file.read_exact(&mut bytes).map_err(|error| Error::Unreadable(error.to_string()))?;
        self.position += length;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Reads the value of the entry `name`.
    pub(crate) fn value(&mut self, name: &str) -> Result<Value, Error> {
        const WHAT: &str = "a value";
        let type_id = self.u32(WHAT)?;
        Ok(match type_id {
            8 => Value::Text(self.text(WHAT, MAX_TEXT_BYTES)?),
            9 => Value::Array(self.array(name)?),
            _ => self.scalar(name, type_id)?,
        })
    }

    fn scalar(&mut self, name: &str, type_id: u32) -> Result<Value, Error> {
        const WHAT: &str = "a value";
        let signed = |number: i64| u64::try_from(number).map_or(Value::Negative(number), Value::Number);
        Ok(match type_id {
            0 => Value::Number(u8::from_le_bytes(self.bytes(WHAT)?).into()),
            1 => signed(i8::from_le_bytes(self.bytes(WHAT)?).into()),
            2 => Value::Number(u16::from_le_bytes(self.bytes(WHAT)?).into()),
            3 => signed(i16::from_le_bytes(self.bytes(WHAT)?).into()),
            4 => Value::Number(self.u32(WHAT)?.into()),
            5 => signed(i32::from_le_bytes(self.bytes(WHAT)?).into()),
            6 => Value::Float(f32::from_le_bytes(self.bytes(WHAT)?).into()),
            7 => match self.bytes::<1>(WHAT)? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                _ => return Err(Error::InvalidValue { name: name.into(), problem: "is neither true nor false" }),
            },
            10 => Value::Number(self.u64(WHAT)?),
            11 => signed(i64::from_le_bytes(self.bytes(WHAT)?)),
            12 => Value::Float(f64::from_le_bytes(self.bytes(WHAT)?)),
            type_id => return Err(Error::UnknownType { name: name.into(), type_id }),
        })
    }

    fn array(&mut self, name: &str) -> Result<Array, Error> {
        const WHAT: &str = "an array";
        let type_id = self.u32(WHAT)?;
        let element_bytes = match type_id {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            // Nested arrays are part of the format, but no model has them, and they would allow unbounded recursion.
            type_id => return Err(Error::UnknownType { name: name.into(), type_id }),
        };
        let count = self.u64(WHAT)?;
        if count.saturating_mul(element_bytes) > self.remaining() {
            return Err(Error::TooLarge { what: format!("`{name}`"), count });
        }
        let mut array = Array { count, numbers: Vec::new(), has_fim_prefix: false };
        if type_id == 8 {
            for _ in 0..count {
                array.has_fim_prefix |= self.is_fim_prefix()?;
            }
        } else if count <= MAX_STORED_ELEMENTS {
            for _ in 0..count {
                array.numbers.extend(self.scalar(name, type_id)?.number());
            }
        } else {
            self.skip(count * element_bytes, WHAT)?;
        }
        Ok(array)
    }

    /// Reads a string, and returns whether it is a FIM prefix token.
    fn is_fim_prefix(&mut self) -> Result<bool, Error> {
        const WHAT: &str = "a text";
        let length = self.u64(WHAT)?;
        if length > MAX_TEXT_BYTES {
            return Err(Error::TooLarge { what: WHAT.into(), count: length });
        }
        if FIM_PREFIX_TOKENS.iter().all(|token| token.len() as u64 != length) {
            return self.skip(length, WHAT).map(|()| false);
        }
        let mut text = [0; 32];
        let text = &mut text[..usize::try_from(length).unwrap_or(0)];
        if length > self.remaining() {
            return Err(Error::Truncated(WHAT));
        }
        self.file.read_exact(text).map_err(|error| Error::Unreadable(error.to_string()))?;
        self.position += length;
        Ok(FIM_PREFIX_TOKENS.iter().any(|token| token.as_bytes() == text))
    }

    fn skip(&mut self, bytes: u64, what: &'static str) -> Result<(), Error> {
        if bytes > self.remaining() {
            return Err(Error::Truncated(what));
        }
        let offset = i64::try_from(bytes).map_err(|_| Error::Truncated(what))?;
        self.file.seek_relative(offset).map_err(|error| Error::Unreadable(error.to_string()))?;
        self.position += bytes;
        Ok(())
    }

    /// Start of the tensor data: the end of the header, aligned.
    pub(crate) fn data_start(&self, alignment: u64) -> u64 {
        self.position.next_multiple_of(alignment)
    }
}
