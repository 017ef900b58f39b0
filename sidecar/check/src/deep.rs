//! Work on text that may be nested as deep as it is long: on a thread with a stack for that, and with panics caught.

use std::thread;

/// Bytes of stack. Only what is used of it takes memory, and only code of hostile shape uses more than a little.
const STACK: usize = 512 << 20;

/// Runs `work` there. `None` if it panicked, or if there is no memory for the thread.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("check".into()).stack_size(STACK);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}
