//! GGUF header parser: validates a model file before llama.cpp opens it, so that a damaged or malicious file is rejected with a
//! reason.
//!
//! The format is described in the GGUF specification of the ggml project. Nothing in the file is trusted: counts and lengths are
//! compared with the rest of the file before anything is read or allocated for them.

mod metadata;
mod reader;
mod tensors;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

pub use self::metadata::ModelMetadata;
use self::reader::{Array, Reader, Value};
use self::tensors::Tensors;

/// Maximum size of a header in bytes. The vocabularies of the largest models take some 20 MiB.
const MAX_HEADER_BYTES: u64 = 256 * 1024 * 1024;

/// Maximum number of metadata entries.
const MAX_ENTRIES: u64 = 65_536;

/// Alignment of tensors in bytes, if the file does not specify it.
const DEFAULT_ALIGNMENT: u64 = 32;

/// Why a model file was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It has no GGUF magic.
    #[error("it is not a GGUF file")]
    NotGguf,
    /// Its version of the format is not supported.
    #[error("it has version {0} of the format, and only 2 and 3 are supported")]
    UnsupportedVersion(u32),
    /// It ends too early.
    #[error("it ends before {0} does; it may have been cut off")]
    Truncated(&'static str),
    /// A count or a length exceeds the file or a limit.
    #[error("{what} has a size of {count}, which is too large")]
    TooLarge {
        /// What has this size.
        what: String,
        /// The size in the file.
        count: u64,
    },
    /// A metadata key or a tensor name is duplicated.
    #[error("`{0}` is there twice")]
    DuplicateName(String),
    /// A value or a tensor has an unknown type.
    #[error("`{name}` has type {type_id}, which is not known")]
    UnknownType {
        /// Its name.
        name: String,
        /// Its type id.
        type_id: u32,
    },
    /// A value or a tensor is invalid.
    #[error("`{name}` {problem}")]
    InvalidValue {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
}

/// A valid header.
#[derive(Debug)]
struct Header {
    values: HashMap<String, Value>,
    tensors: Tensors,
}

/// Parses the header of a model file, and checks that the file is consistent with it.
///
/// # Errors
/// Why the file is invalid.
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
    if reader.bytes::<4>("its magic").is_ok_and(|magic| magic != *b"GGUF") || reader.position() < 4 {
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
