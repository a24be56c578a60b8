//! The names of `src/kernels/threads/sync.rs`, as loom models them.

pub(super) use loom::cell::UnsafeCell;
pub(super) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
pub(super) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
pub(super) use loom::thread::JoinHandle;
use std::cell::Cell;

pub(super) fn spawn(_name: String, f: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    Ok(loom::thread::spawn(f))
}

/// Lets the others go on: a model has no time to pass.
pub(super) fn pause(rounds: &mut u32) {
    *rounds = rounds.wrapping_add(1);
    loom::thread::yield_now();
}

thread_local! {
    /// How often a helper looks for a job before it sleeps. A pause lets others go first, so with none a helper may be
    /// asleep before a job comes, and with some it may be awake.
    pub(super) static LOOKS: Cell<u32> = const { Cell::new(0) };
}

pub(super) struct Patience {
    rounds: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { rounds: 0 }
    }
    pub(super) fn is_over_after_a_pause(&mut self) -> bool {
        if self.rounds < LOOKS.get() {
            pause(&mut self.rounds);
            return false;
        }
        true
    }
}
