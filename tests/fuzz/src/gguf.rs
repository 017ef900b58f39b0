//! GGUF header parser: its memory is bounded by the size of the file, and no header overflows the memory plan that is made from it.

use std::cell::RefCell;
use std::fs;

use engine::fit::{Room, Wish};
use engine::gguf;
use tempfile::NamedTempFile;

/// Bytes that reading any file may allocate: buffers and tables that do not depend on the file.
const BASE_ALLOCATION: u64 = 64 * 1024;

/// Bytes that may be allocated for each byte of the file. A metadata entry of 14 bytes becomes an entry of a hash table that is
/// copied when it grows, and an array of bytes becomes one of `u64` that grows in the same way.
const ALLOCATION_PER_BYTE: u64 = 64;

/// Layers that a model may have: the time to plan its memory grows with them, so that a header must not claim any number.
const MAX_LAYERS: u32 = 4096;

const GIB: u64 = 1024 * 1024 * 1024;

thread_local! {
    static FILE: RefCell<NamedTempFile> =
        RefCell::new(NamedTempFile::new().expect("the folder for temporary files is writable"));
}

/// Parses a header and plans the model's memory.
pub(crate) fn gguf(bytes: &[u8]) {
    let size = bytes.len() as u64;
    FILE.with_borrow_mut(|file| {
        fs::write(file.path(), bytes).expect("a temporary file is writable");
        let mut result = None;
        let allocated = allocation_counter::measure(|| result = Some(gguf::read(file.path())));
        assert!(
            allocated.bytes_max <= BASE_ALLOCATION + ALLOCATION_PER_BYTE * size,
            "{} bytes are allocated for a file of {size}",
            allocated.bytes_max
        );
        let Some(Ok(facts)) = result else { return };
        assert!(facts.layers <= MAX_LAYERS, "{} layers", facts.layers);
        assert!(facts.weights <= size, "the weights are larger than the file");
        let outside_layers = facts.input.checked_add(facts.output);
        assert!(
            outside_layers.is_some_and(|bytes| bytes <= facts.weights),
            "input and output layer are larger than all weights: {facts:?}"
        );
        let wish = Wish { context: 8192, memory: 32768, saved: GIB, step: 512 };
        for (gpu, shared) in [(None, false), (Some(4 * GIB), false), (Some(8 * GIB), true)] {
            let room = Room { main: 8 * GIB, gpu, shared };
            match facts.need().fit(&room, &wish) {
                Ok(fit) => assert!(fit.main.total() <= room.main, "{fit:?}"),
                Err(misfit) => assert!(misfit.needs > room.main, "{misfit:?}"),
            }
        }
    });
}
