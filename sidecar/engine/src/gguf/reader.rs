//! Reading numbers, texts and values from a file that may say anything.

use std::fs::File;
use std::io::{BufReader, Read};

use super::Error;

/// Bytes of the longest name.
const LONGEST_NAME: u64 = 65_535;

/// Bytes of the longest text that is not a name: templates and licences are among them.
const LONGEST_TEXT: u64 = 8 * 1024 * 1024;

/// Bytes of an entry with the shortest name and value.
pub(super) const LEAST_ENTRY: u64 = 8 + 1 + 4 + 1;

/// A file and how much of it is left.
#[derive(Debug)]
pub(super) struct Reader {
    file: BufReader<File>,
    position: u64,
    size: u64,
    /// Where the head must have ended.
    limit: u64,
}

/// A value of the metadata. Of arrays, only numbers are remembered, and how many elements there are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(u64),
    Negative(i64),
    Real(f64),
    Truth(bool),
    Text(String),
    Array(Array),
}

/// An array of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Array {
    /// Its elements.
    pub count: u64,
    /// Those of a short array of whole numbers.
    pub numbers: Vec<u64>,
    /// Whether one of them is a text that marks the beginning of a gap to fill.
    pub fills: bool,
}

/// What models call the token that stands before the text before a gap.
const GAP_MARKS: [&str; 7] = [
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<PRE>",
    "\u{2581}<PRE>",
    "<\u{ff5c}fim\u{2581}begin\u{ff5c}>",
    "<|code_prefix|>",
];

/// Elements of an array that are remembered: as many as a model may have layers.
const REMEMBERED: u64 = 4096;

impl Value {
    /// The value as a count, if it is one.
    pub fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }
}

impl Reader {
    pub fn new(file: File, size: u64, limit: u64) -> Self {
        Self { file: BufReader::new(file), position: 0, size, limit: limit.min(size) }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    fn left(&self) -> u64 {
        self.limit - self.position
    }

    pub fn bytes<const COUNT: usize>(&mut self, what: &'static str) -> Result<[u8; COUNT], Error> {
        let mut bytes = [0; COUNT];
        if self.left() < COUNT as u64 {
            return Err(Error::Truncated(what));
        }
        self.file.read_exact(&mut bytes).map_err(|error| Error::Unreadable(error.to_string()))?;
        self.position += COUNT as u64;
        Ok(bytes)
    }

    pub fn u32(&mut self, what: &'static str) -> Result<u32, Error> {
        self.bytes(what).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, what: &'static str) -> Result<u64, Error> {
        self.bytes(what).map(u64::from_le_bytes)
    }

    /// A count of things of at least `least` bytes each, of which there may be `most`.
    pub fn count(&mut self, what: &'static str, least: u64, most: u64) -> Result<u64, Error> {
        let count = self.u64(what)?;
        if count > most || count.saturating_mul(least) > self.size {
            return Err(Error::TooLarge { what: what.into(), count });
        }
        Ok(count)
    }

    /// A name: a text that is not empty.
    pub fn name(&mut self) -> Result<String, Error> {
        let name = self.text("a name", LONGEST_NAME)?;
        if name.is_empty() {
            return Err(Error::InvalidValue { name, problem: "is no name" });
        }
        Ok(name)
    }

    fn text(&mut self, what: &'static str, longest: u64) -> Result<String, Error> {
        let length = self.u64(what)?;
        if length > longest {
            return Err(Error::TooLarge { what: what.into(), count: length });
        }
        if length > self.left() {
            return Err(Error::Truncated(what));
        }
        // No more than the file has, and no more than the longest text, which is little.
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.file.read_exact(&mut bytes).map_err(|error| Error::Unreadable(error.to_string()))?;
        self.position += length;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// The value of an entry called `name`.
    pub fn value(&mut self, name: &str) -> Result<Value, Error> {
        const WHAT: &str = "a value";
        let kind = self.u32(WHAT)?;
        Ok(match kind {
            8 => Value::Text(self.text(WHAT, LONGEST_TEXT)?),
            9 => Value::Array(self.array(name)?),
            _ => self.scalar(name, kind)?,
        })
    }

    fn scalar(&mut self, name: &str, kind: u32) -> Result<Value, Error> {
        const WHAT: &str = "a value";
        let signed = |number: i64| u64::try_from(number).map_or(Value::Negative(number), Value::Number);
        Ok(match kind {
            0 => Value::Number(u8::from_le_bytes(self.bytes(WHAT)?).into()),
            1 => signed(i8::from_le_bytes(self.bytes(WHAT)?).into()),
            2 => Value::Number(u16::from_le_bytes(self.bytes(WHAT)?).into()),
            3 => signed(i16::from_le_bytes(self.bytes(WHAT)?).into()),
            4 => Value::Number(self.u32(WHAT)?.into()),
            5 => signed(i32::from_le_bytes(self.bytes(WHAT)?).into()),
            6 => Value::Real(f32::from_le_bytes(self.bytes(WHAT)?).into()),
            7 => match self.bytes::<1>(WHAT)? {
                [0] => Value::Truth(false),
                [1] => Value::Truth(true),
                _ => return Err(Error::InvalidValue { name: name.into(), problem: "is neither true nor false" }),
            },
            10 => Value::Number(self.u64(WHAT)?),
            11 => signed(i64::from_le_bytes(self.bytes(WHAT)?)),
            12 => Value::Real(f64::from_le_bytes(self.bytes(WHAT)?)),
            kind => return Err(Error::UnknownType { name: name.into(), kind }),
        })
    }

    fn array(&mut self, name: &str) -> Result<Array, Error> {
        const WHAT: &str = "an array";
        let kind = self.u32(WHAT)?;
        let least = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            // Arrays of arrays are in the format, in no model, and a way to make readers call themselves for ever.
            kind => return Err(Error::UnknownType { name: name.into(), kind }),
        };
        let count = self.u64(WHAT)?;
        if count.saturating_mul(least) > self.left() {
            return Err(Error::TooLarge { what: format!("`{name}`"), count });
        }
        let mut array = Array { count, numbers: Vec::new(), fills: false };
        if kind == 8 {
            for _ in 0..count {
                array.fills |= self.is_gap_mark()?;
            }
        } else if count <= REMEMBERED {
            for _ in 0..count {
                array.numbers.extend(self.scalar(name, kind)?.number());
            }
        } else {
            self.skip(count * least, WHAT)?;
        }
        Ok(array)
    }

    /// Reads a text, and only tells whether it marks a gap.
    fn is_gap_mark(&mut self) -> Result<bool, Error> {
        const WHAT: &str = "a text";
        let length = self.u64(WHAT)?;
        if length > LONGEST_TEXT {
            return Err(Error::TooLarge { what: WHAT.into(), count: length });
        }
        if GAP_MARKS.iter().all(|mark| mark.len() as u64 != length) {
            return self.skip(length, WHAT).map(|()| false);
        }
        let mut text = [0; 32];
        let text = &mut text[..usize::try_from(length).unwrap_or(0)];
        if length > self.left() {
            return Err(Error::Truncated(WHAT));
        }
        self.file.read_exact(text).map_err(|error| Error::Unreadable(error.to_string()))?;
        self.position += length;
        Ok(GAP_MARKS.iter().any(|mark| mark.as_bytes() == text))
    }

    fn skip(&mut self, bytes: u64, what: &'static str) -> Result<(), Error> {
        if bytes > self.left() {
            return Err(Error::Truncated(what));
        }
        let offset = i64::try_from(bytes).map_err(|_| Error::Truncated(what))?;
        self.file.seek_relative(offset).map_err(|error| Error::Unreadable(error.to_string()))?;
        self.position += bytes;
        Ok(())
    }

    /// The place after the head, at a multiple of `alignment`, from which on there are tensors.
    pub fn data_start(&self, alignment: u64) -> u64 {
        self.position.next_multiple_of(alignment)
    }
}
