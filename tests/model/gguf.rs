//! Damaged and malicious GGUF files, which are rejected before llama.cpp opens them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use engine::gguf::{self, ModelMetadata};

use super::model;

/// Builds a GGUF file.
#[derive(Clone)]
struct GgufBuilder {
    version: u32,
    tensors: u64,
    entries: u64,
    head: Vec<u8>,
    data: usize,
}

impl GgufBuilder {
    /// A file with all required metadata and no tensors.
    fn valid() -> Self {
        let empty = Self { version: 3, tensors: 0, entries: 0, head: Vec::new(), data: 64 };
        let numbers = [("block_count", 2_u32), ("context_length", 512), ("embedding_length", 8)];
        let made = empty.text("general.architecture", "llama").text("general.license", "mit");
        let made = numbers.iter().fold(made, |made, (name, number)| made.number(&format!("llama.{name}"), *number));
        made.number("llama.attention.head_count", 2).number("general.file_type", 1)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.head.extend_from_slice(bytes);
        self
    }

    fn name(self, name: &str) -> Self {
        self.bytes(&(name.len() as u64).to_le_bytes()).bytes(name.as_bytes())
    }

    fn entry(mut self, name: &str, kind: u32) -> Self {
        self.entries += 1;
        self.name(name).bytes(&kind.to_le_bytes())
    }

    fn text(self, name: &str, text: &str) -> Self {
        self.entry(name, 8).name(text)
    }

    fn number(self, name: &str, number: u32) -> Self {
        self.entry(name, 4).bytes(&number.to_le_bytes())
    }

    fn array(self, name: &str, kind: u32, count: u64, bytes: &[u8]) -> Self {
        self.entry(name, 9).bytes(&kind.to_le_bytes()).bytes(&count.to_le_bytes()).bytes(bytes)
    }

    fn tensor(mut self, name: &str, extents: &[u64], kind: u32, offset: u64) -> Self {
        self.tensors += 1;
        let made = self.name(name).bytes(&u32::try_from(extents.len()).unwrap().to_le_bytes());
        let made = extents.iter().fold(made, |made, extent| made.bytes(&extent.to_le_bytes()));
        made.bytes(&kind.to_le_bytes()).bytes(&offset.to_le_bytes())
    }

    fn read(&self) -> Result<ModelMetadata, String> {
        let mut file = b"GGUF".to_vec();
        file.extend(self.version.to_le_bytes());
        file.extend(self.tensors.to_le_bytes());
        file.extend(self.entries.to_le_bytes());
        file.extend(&self.head);
        file.resize(file.len().next_multiple_of(32) + self.data, 0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made.gguf");
        std::fs::write(&path, file).unwrap();
        gguf::read(&path).map_err(|flaw| flaw.to_string())
    }
}

#[test]
fn the_metadata_of_a_real_model_is_read() {
    let facts = gguf::read(&model()).unwrap();
    assert_eq!((facts.architecture.as_str(), facts.layers, facts.context, facts.n_embd), ("llama", 30, 8192, 576));
    assert_eq!((facts.n_vocab, facts.quantization.as_deref()), (49_152, Some("Q4_1")));
    // 30 layers, 3 KV heads with a key and a value of 64 numbers each, 2 bytes per number.
    assert_eq!(facts.kv_bytes_per_token, 30 * 3 * 2 * 64 * 2);
    let size = model().metadata().unwrap().len();
    assert!(facts.weights < size && facts.weights > size * 9 / 10, "{facts:?}");
    assert!(facts.chat_template.is_some() && facts.parameters > 100_000_000);
}

#[test]
fn a_valid_file_is_read() {
    let facts = GgufBuilder::valid().tensor("a", &[8, 2], 1, 0).tensor("b", &[8], 0, 32).read().unwrap();
    assert_eq!((facts.weights, facts.parameters, facts.layers), (64, 24, 2));
    assert_eq!((facts.kv_bytes_per_token, facts.license.as_deref()), (2 * 2 * 8 * 2, Some("mit")));
    assert!(!facts.supports_fim);
    let mark = [&5_u64.to_le_bytes()[..], b"<PRE>"].concat();
    let fills = GgufBuilder::valid().array("tokenizer.ggml.tokens", 8, 1, &mark).tensor("a", &[8], 0, 0);
    assert!(fills.read().unwrap().supports_fim);
}

#[test]
fn invalid_files_are_rejected_with_the_reason() {
    let valid = || GgufBuilder::valid().tensor("a", &[8], 0, 0);
    let many = |made: GgufBuilder| GgufBuilder { tensors: u64::MAX, ..made };
    for (what, made, expected) in [
        ("an unknown version", GgufBuilder { version: 4, ..valid() }, "version 4"),
        ("more tensors than bytes", many(valid()), "table of tensors"),
        ("more entries than bytes", GgufBuilder { entries: u64::MAX / 2, ..valid() }, "table of metadata"),
        ("one entry too many", GgufBuilder { entries: 60, ..valid() }, ""),
        ("a tensor too many", GgufBuilder { tensors: 2, ..valid() }, ""),
        (
            "a name with a huge length",
            GgufBuilder { entries: 1, ..GgufBuilder::valid() }.bytes(&u64::MAX.to_le_bytes()),
            "",
        ),
        (
            "a string with a huge length",
            GgufBuilder::valid().entry("x", 8).bytes(&(1_u64 << 60).to_le_bytes()),
            "1152921504606846976",
        ),
        ("an array with a huge length", GgufBuilder::valid().array("x", 0, 1 << 60, &[]), "`x`"),
        ("an array of strings with a huge length", GgufBuilder::valid().array("x", 8, 1 << 50, &[]), "`x`"),
        ("arrays of arrays", GgufBuilder::valid().array("x", 9, 1, &[0; 32]), "type 9"),
        ("an unknown value type", GgufBuilder::valid().entry("x", 13).bytes(&[0; 8]), "type 13"),
        ("an invalid bool", GgufBuilder::valid().entry("x", 7).bytes(&[2]), "neither true nor false"),
        ("a duplicate tensor", valid().tensor("a", &[8], 0, 32), "`a` is there twice"),
        ("a duplicate key", GgufBuilder::valid().number("x", 1).number("x", 2), "`x` is there twice"),
        ("an empty key", GgufBuilder::valid().number("", 1), "no name"),
        ("no architecture", GgufBuilder { entries: 0, head: Vec::new(), ..valid() }.tensor("a", &[8], 0, 0), ""),
        (
            "an alignment of three",
            GgufBuilder::valid().number("general.alignment", 3).tensor("a", &[8], 0, 0),
            "power of two",
        ),
        (
            "an alignment of zero",
            GgufBuilder::valid().number("general.alignment", 0).tensor("a", &[8], 0, 0),
            "power of two",
        ),
        (
            "no layers",
            GgufBuilder::valid().tensor("a", &[8], 0, 0).swap(b"block_count", b"block_kount"),
            "llama.block_count",
        ),
        ("no dimensions", GgufBuilder::valid().tensor("a", &[], 0, 0), "dimensions"),
        ("five dimensions", GgufBuilder::valid().tensor("a", &[1; 5], 0, 0), "dimensions"),
        ("a dimension of zero", GgufBuilder::valid().tensor("a", &[8, 0], 0, 0), "dimensions"),
        ("an overflowing size", GgufBuilder::valid().tensor("a", &[1 << 40, 1 << 40], 0, 0), "dimensions"),
        ("half a quantization block", GgufBuilder::valid().tensor("a", &[16], 2, 0), "block size"),
        ("an unknown tensor type", GgufBuilder::valid().tensor("a", &[8], 4, 0), "type 4"),
        ("a tensor beyond the end", GgufBuilder::valid().tensor("a", &[8], 0, 64), "beyond the end"),
        ("an overflowing offset", GgufBuilder::valid().tensor("a", &[8], 0, u64::MAX - 31), "beyond the end"),
        ("an unaligned tensor", GgufBuilder::valid().tensor("a", &[8], 0, 4), "not aligned"),
        (
            "overlapping tensors",
            GgufBuilder::valid().tensor("a", &[16], 0, 0).tensor("b", &[8], 0, 32),
            "another tensor",
        ),
        ("no tensors", GgufBuilder::valid(), "table of tensors"),
    ] {
        let error = made.read().expect_err(what);
        assert!(error.contains(expected), "{what}: {error}");
    }
}

impl GgufBuilder {
    /// Replaces a byte string in the header by another of the same length.
    fn swap(mut self, old: &[u8], new: &[u8]) -> Self {
        let start = self.head.windows(old.len()).position(|window| window == old).unwrap();
        self.head[start..start + old.len()].copy_from_slice(new);
        self
    }
}

#[test]
fn a_randomly_corrupted_header_is_read_or_rejected_without_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    let mut head = vec![0; 1_800_000];
    let mut file = File::open(model()).unwrap();
    file.read_exact(&mut head).unwrap();
    // The weights are a hole in the file: they are not read.
    let changed = File::create(&path).unwrap();
    changed.set_len(model().metadata().unwrap().len()).unwrap();
    write(&path, 0, &head);
    assert!(gguf::read(&path).is_ok());
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let extremes = [0, 1, 0x7f, 0xff, u64::from(u32::MAX), 1 << 62, i64::MAX as u64, u64::MAX];
    let mut rejected = 0;
    for _ in 0..1500 {
        // Lengths are at the start and in the table of tensors; the vocabulary is between them.
        let position = if random(2) == 0 { random(3000) } else { head.len() - 60_000 + random(59_000) };
        let value = extremes[random(extremes.len())].to_le_bytes();
        let bytes = &value[..[1, 4, 8][random(3)]];
        write(&path, position, bytes);
        rejected += usize::from(gguf::read(&path).is_err());
        write(&path, position, &head[position..position + bytes.len()]);
    }
    assert!(rejected > 100, "{rejected}");
    for length in (0..head.len()).step_by(37_001) {
        let cut = File::options().write(true).open(&path).unwrap();
        cut.set_len(length as u64).unwrap();
        assert!(gguf::read(&path).is_err(), "{length}");
        write(&path, length, &head[length..]);
    }
}

fn write(path: &Path, position: usize, bytes: &[u8]) {
    let mut file = File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(position as u64)).unwrap();
    file.write_all(bytes).unwrap();
}
