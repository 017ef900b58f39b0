//! GGUF header parser: its memory is bounded by the size of the file, and no header overflows the memory plan that is made from it.

use std::cell::RefCell;
use std::fs;

use engine::gguf;
use engine::memory_plan::{AvailableMemory, PlanTargets};
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
        let Some(Ok(metadata)) = result else { return };
        assert!(metadata.layers <= MAX_LAYERS, "{} layers", metadata.layers);
        assert!(metadata.weights <= size, "the weights are larger than the file");
        let outside_layers = metadata.embedding_bytes.checked_add(metadata.output_bytes);
        assert!(
            outside_layers.is_some_and(|bytes| bytes <= metadata.weights),
            "input and output layer are larger than all weights: {metadata:?}"
        );
        let targets = PlanTargets { context: 8192, kv_tokens: 32768, host_cache_bytes: GIB, batch_size: 512 };
        for (gpu, shared) in [(None, false), (Some(4 * GIB), false), (Some(8 * GIB), true)] {
            let available = AvailableMemory { main: 8 * GIB, gpu, shared };
            match metadata.model_size().plan(&available, &targets) {
                Ok(plan) => assert!(plan.main.total() <= available.main, "{plan:?}"),
                Err(error) => assert!(error.needed > available.main, "{error:?}"),
            }
        }
    });
}
