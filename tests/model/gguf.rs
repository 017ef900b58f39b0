//! Model files that are damaged, or made to do harm, and are refused before llama.cpp opens them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use engine::gguf::{self, ModelMetadata};

use super::model;

/// A model file in the making.
#[derive(Clone)]
struct Made {
    version: u32,
    tensors: u64,
    entries: u64,
    head: Vec<u8>,
    data: usize,
}

impl Made {
    /// A file with all that a file needs.
    fn whole() -> Self {
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
fn a_small_model_tells_what_it_is() {
    let facts = gguf::read(&model()).unwrap();
    assert_eq!((facts.architecture.as_str(), facts.layers, facts.context, facts.n_embd), ("llama", 30, 8192, 576));
    assert_eq!((facts.n_vocab, facts.quantization.as_deref()), (49_152, Some("Q4_1")));
    // 30 layers, 3 heads with keys and values of their own, 64 numbers each, 2 bytes a number.
    assert_eq!(facts.kv_bytes_per_token, 30 * 3 * 2 * 64 * 2);
    let size = model().metadata().unwrap().len();
    assert!(facts.weights < size && facts.weights > size * 9 / 10, "{facts:?}");
    assert!(facts.chat_template.is_some() && facts.parameters > 100_000_000);
}

#[test]
fn a_file_in_order_is_read() {
    let facts = Made::whole().tensor("a", &[8, 2], 1, 0).tensor("b", &[8], 0, 32).read().unwrap();
    assert_eq!((facts.weights, facts.parameters, facts.layers), (64, 24, 2));
    assert_eq!((facts.kv_bytes_per_token, facts.license.as_deref()), (2 * 2 * 8 * 2, Some("mit")));
    assert!(!facts.supports_fim);
    let mark = [&5_u64.to_le_bytes()[..], b"<PRE>"].concat();
    let fills = Made::whole().array("tokenizer.ggml.tokens", 8, 1, &mark).tensor("a", &[8], 0, 0);
    assert!(fills.read().unwrap().supports_fim);
}

#[test]
fn what_cannot_be_is_refused_and_said() {
    let whole = || Made::whole().tensor("a", &[8], 0, 0);
    let many = |made: Made| Made { tensors: u64::MAX, ..made };
    for (what, made, expected) in [
        ("a version of tomorrow", Made { version: 4, ..whole() }, "version 4"),
        ("more tensors than bytes", many(whole()), "table of tensors"),
        ("more entries than bytes", Made { entries: u64::MAX / 2, ..whole() }, "table of metadata"),
        ("one entry too many", Made { entries: 60, ..whole() }, ""),
        ("a tensor too many", Made { tensors: 2, ..whole() }, ""),
        ("a name of all memory", Made { entries: 1, ..Made::whole() }.bytes(&u64::MAX.to_le_bytes()), ""),
        ("a text without end", Made::whole().entry("x", 8).bytes(&(1_u64 << 60).to_le_bytes()), "1152921504606846976"),
        ("an array without end", Made::whole().array("x", 0, 1 << 60, &[]), "`x`"),
        ("texts without end", Made::whole().array("x", 8, 1 << 50, &[]), "`x`"),
        ("arrays of arrays", Made::whole().array("x", 9, 1, &[0; 32]), "type 9"),
        ("a value of no type", Made::whole().entry("x", 13).bytes(&[0; 8]), "type 13"),
        ("a truth that is none", Made::whole().entry("x", 7).bytes(&[2]), "neither true nor false"),
        ("a name twice", whole().tensor("a", &[8], 0, 32), "`a` is there twice"),
        ("an entry twice", Made::whole().number("x", 1).number("x", 2), "`x` is there twice"),
        ("a name that is none", Made::whole().number("", 1), "no name"),
        ("no architecture", Made { entries: 0, head: Vec::new(), ..whole() }.tensor("a", &[8], 0, 0), ""),
        ("an alignment of three", Made::whole().number("general.alignment", 3).tensor("a", &[8], 0, 0), "power of two"),
        (
            "an alignment of nothing",
            Made::whole().number("general.alignment", 0).tensor("a", &[8], 0, 0),
            "power of two",
        ),
        ("no layers", Made::whole().tensor("a", &[8], 0, 0).swap(b"block_count", b"block_kount"), "llama.block_count"),
        ("no dimensions", Made::whole().tensor("a", &[], 0, 0), "dimensions"),
        ("five dimensions", Made::whole().tensor("a", &[1; 5], 0, 0), "dimensions"),
        ("nothing in it", Made::whole().tensor("a", &[8, 0], 0, 0), "dimensions"),
        ("a product beyond all numbers", Made::whole().tensor("a", &[1 << 40, 1 << 40], 0, 0), "dimensions"),
        ("half a block", Made::whole().tensor("a", &[16], 2, 0), "block size"),
        ("a tensor of no type", Made::whole().tensor("a", &[8], 4, 0), "type 4"),
        ("a tensor beyond the end", Made::whole().tensor("a", &[8], 0, 64), "beyond the end"),
        ("an offset beyond all numbers", Made::whole().tensor("a", &[8], 0, u64::MAX - 31), "beyond the end"),
        ("a tensor between places", Made::whole().tensor("a", &[8], 0, 4), "not aligned"),
        ("one tensor over another", Made::whole().tensor("a", &[16], 0, 0).tensor("b", &[8], 0, 32), "another tensor"),
        ("no tensors", Made::whole(), "table of tensors"),
    ] {
        let refused = made.read().expect_err(what);
        assert!(refused.contains(expected), "{what}: {refused}");
    }
}

impl Made {
    /// The same with one word for another of the same length.
    fn swap(mut self, word: &[u8], other: &[u8]) -> Self {
        let place = self.head.windows(word.len()).position(|window| window == word).unwrap();
        self.head[place..place + word.len()].copy_from_slice(other);
        self
    }
}

#[test]
fn a_real_head_with_anything_wrong_in_it_is_read_or_refused_and_nothing_worse() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    let mut head = vec![0; 1_800_000];
    let mut file = File::open(model()).unwrap();
    file.read_exact(&mut head).unwrap();
    // The weights are a hole: they are not looked at.
    let changed = File::create(&path).unwrap();
    changed.set_len(model().metadata().unwrap().len()).unwrap();
    write(&path, 0, &head);
    assert!(gguf::read(&path).is_ok());
    let mut dice = 1_u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % sides
    };
    let extremes = [0, 1, 0x7f, 0xff, u64::from(u32::MAX), 1 << 62, i64::MAX as u64, u64::MAX];
    let mut refused = 0;
    for _ in 0..1500 {
        // The beginning and the table of tensors are where lengths are; the vocabulary lies between.
        let place = if roll(2) == 0 { roll(3000) } else { head.len() - 60_000 + roll(59_000) };
        let value = extremes[roll(extremes.len())].to_le_bytes();
        let bytes = &value[..[1, 4, 8][roll(3)]];
        write(&path, place, bytes);
        refused += usize::from(gguf::read(&path).is_err());
        write(&path, place, &head[place..place + bytes.len()]);
    }
    assert!(refused > 100, "{refused}");
    for length in (0..head.len()).step_by(37_001) {
        let cut = File::options().write(true).open(&path).unwrap();
        cut.set_len(length as u64).unwrap();
        assert!(gguf::read(&path).is_err(), "{length}");
        write(&path, length, &head[length..]);
    }
}

fn write(path: &Path, place: usize, bytes: &[u8]) {
    let mut file = File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(place as u64)).unwrap();
    file.write_all(bytes).unwrap();
}
