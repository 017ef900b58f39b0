//! The head of a model file, read by ourselves before llama.cpp opens it: a file that is damaged, or made to do harm, is refused
//! here with a sentence that says what is wrong.
//!
//! The format is described in the GGUF specification of the ggml project. Nothing in the file is believed: counts and lengths are
//! held against what is left of the file before anything is read or remembered for them.

mod metadata;
mod reader;
mod tensors;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

pub use self::metadata::ModelMetadata;
use self::reader::{Array, Reader, Value};
use self::tensors::Tensors;

/// Bytes of the largest head that is read. Vocabularies of the largest models take some 20 MiB.
const MAX_HEADER_BYTES: u64 = 256 * 1024 * 1024;

/// Entries of the largest table of metadata.
const MAX_ENTRIES: u64 = 65_536;

/// Where tensors begin at a multiple of, if the file says nothing.
const DEFAULT_ALIGNMENT: u64 = 32;

/// Why a model file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It is something else.
    #[error("it is not a GGUF file")]
    NotGguf,
    /// It is of a version that nobody here knows.
    #[error("it has version {0} of the format, and only 2 and 3 are known")]
    UnsupportedVersion(u32),
    /// It ends in the middle of something.
    #[error("it ends before {0} does; it may have been cut off")]
    Truncated(&'static str),
    /// Something is larger than it can be.
    #[error("{what} is said to have {count}, which cannot be")]
    TooLarge {
        /// What has a size.
        what: String,
        /// The size that it is said to have.
        count: u64,
    },
    /// A name is there twice.
    #[error("`{0}` is there twice")]
    DuplicateName(String),
    /// A value, or a tensor, is of a type that nobody here knows.
    #[error("`{name}` has type {type_id}, which is not known")]
    UnknownType {
        /// Its name.
        name: String,
        /// The number of its type.
        type_id: u32,
    },
    /// A value is not what it must be.
    #[error("`{name}` {problem}")]
    InvalidValue {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
}

/// The head of a file that is in order.
#[derive(Debug)]
struct Header {
    values: HashMap<String, Value>,
    tensors: Tensors,
}

/// Reads the head of a model file, and checks that the whole of it can be what it says.
///
/// # Errors
/// What is wrong with it.
pub fn read(path: &Path) -> Result<ModelMetadata, Error> {
    let unreadable = |error: std::io::Error| Error::Unreadable(error.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Error::NotGguf);
    }
    header(Reader::new(file, metadata.len(), MAX_HEADER_BYTES)).and_then(|header| ModelMetadata::of(&header))
}

fn header(mut reader: Reader) -> Result<Header, Error> {
    if reader.bytes::<4>("its first word").is_ok_and(|magic| magic != *b"GGUF") || reader.position() < 4 {
        return Err(Error::NotGguf);
    }
    let version = reader.u32("its version")?;
    if !(2..=3).contains(&version) {
        return Err(Error::UnsupportedVersion(version));
    }
    let tensors = reader.count("the table of tensors", tensors::MIN_ENTRY_BYTES, tensors::MAX_TENSORS)?;
    let entries = reader.count("the table of metadata", reader::MIN_ENTRY_BYTES, MAX_ENTRIES)?;
    let mut values = HashMap::new();
    for _ in 0..entries {
        let name = reader.name()?;
        let value = reader.value(&name)?;
        if values.insert(name.clone(), value).is_some() {
            return Err(Error::DuplicateName(name));
        }
    }
    let alignment = alignment(&values)?;
    let tensors = Tensors::read(&mut reader, tensors, alignment)?;
    Ok(Header { values, tensors })
}

fn alignment(values: &HashMap<String, Value>) -> Result<u64, Error> {
    const NAME: &str = "general.alignment";
    let Some(value) = values.get(NAME) else { return Ok(DEFAULT_ALIGNMENT) };
    let alignment = value.number().filter(|number| number.is_power_of_two() && (8..=1 << 20).contains(number));
    alignment.ok_or(Error::InvalidValue { name: NAME.into(), problem: "must be a power of two from 8 to 1048576" })
}

impl Header {
    fn text(&self, name: &str) -> Option<&str> {
        if let Value::Text(text) = self.values.get(name)? { Some(text) } else { None }
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.values.get(name)?.number()
    }

    fn array(&self, name: &str) -> Option<&Array> {
        if let Value::Array(array) = self.values.get(name)? { Some(array) } else { None }
    }
}
