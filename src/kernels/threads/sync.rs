//! What [`super::team`] needs of the system. `tests/loom` has the same names for a model of it.

pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
pub(super) use std::sync::{Arc, Condvar, Mutex, MutexGuard};
pub(super) use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a helper waits for the next job before it sleeps.
pub(super) const PATIENCE: Duration = Duration::from_micros(200);

/// Pauses between two offers of the processor to others.
const PAUSES: u32 = 16;

/// A cell whose uses a model can follow.
pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(super) fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }
    /// Lends the contents to be read.
    pub(super) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }
    /// Lends the contents to be written.
    pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

pub(super) fn spawn(name: String, f: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(f)
}

/// A short wait; every [`PAUSES`] of them the processor is offered to others.
pub(super) fn pause(rounds: &mut u32) {
    *rounds = rounds.wrapping_add(1);
    if rounds.is_multiple_of(PAUSES) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

/// The wait of a helper between two jobs.
pub(super) struct Patience {
    began: Instant,
    rounds: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), rounds: 0 }
    }
    /// Pauses; then whether it is time to sleep.
    pub(super) fn is_over_after_a_pause(&mut self) -> bool {
        pause(&mut self.rounds);
        self.rounds.is_multiple_of(PAUSES) && self.began.elapsed() > PATIENCE
    }
}
