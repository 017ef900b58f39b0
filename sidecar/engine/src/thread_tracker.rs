//! Which engine threads there still are. llama.cpp takes itself apart at the end of a process, and whoever computes then crashes.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static THREADS: Mutex<usize> = Mutex::new(0);
static THREAD_ENDED: Condvar = Condvar::new();

/// Waits until no engine of this process has a thread any more, for `patience` at most. To be called before a process ends, when
/// all handles are gone. Gives back whether none is left.
#[must_use]
pub fn wait_for_threads(timeout: Duration) -> bool {
    let waited = THREAD_ENDED.wait_timeout_while(threads(), timeout, |threads| *threads > 0);
    *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
}

/// A thread of an engine, from before it starts until it has given everything back.
pub(crate) struct ThreadGuard(());

impl ThreadGuard {
    pub fn new() -> Self {
        *threads() += 1;
        Self(())
    }
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        *threads() -= 1;
        THREAD_ENDED.notify_all();
    }
}

fn threads() -> MutexGuard<'static, usize> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}
