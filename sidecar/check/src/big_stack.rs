//! Runs work on a thread with a large stack and catches its panics: parsers recurse as deep as hostile code is nested.

use std::thread;

/// Stack size in bytes. Only pages that are touched take memory, and only hostile code touches more than a few.
const STACK_BYTES: usize = 512 << 20;

/// Runs `work` on such a thread and waits for it. `None` if it panicked, or if the thread could not be created.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("check".into()).stack_size(STACK_BYTES);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}
