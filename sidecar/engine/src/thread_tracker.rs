//! Counts the live engine threads, so that a process can wait for them before it exits.
//!
//! llama.cpp destroys its global state when the process exits, and a thread that is computing at that moment crashes.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static THREADS: Mutex<usize> = Mutex::new(0);
static THREAD_ENDED: Condvar = Condvar::new();

/// Blocks until no engine of this process has a live thread, or until `timeout` has passed. Returns whether none is left. Call it
/// before the process exits, after the last handle was dropped.
#[must_use]
pub fn wait_for_threads(timeout: Duration) -> bool {
    let waited = THREAD_ENDED.wait_timeout_while(threads(), timeout, |threads| *threads > 0);
    *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
}

/// Counts one engine thread, from before it starts until it has released its resources.
pub(crate) struct ThreadGuard(());

impl ThreadGuard {
    pub(crate) fn new() -> Self {
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
