//! What runs on a thread, in its order: tests compare it with what was planned.

use std::cell::{Cell, RefCell};

thread_local! {
    static RECORD: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    /// How many kernels are running that count as one.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Runs `step`, and tells which kernels it ran on this thread.
pub(crate) fn record<T>(step: impl FnOnce() -> T) -> (T, Vec<String>) {
    RECORD.set(Some(Vec::new()));
    let result = step();
    (result, RECORD.take().unwrap_or_default())
}

/// A kernel runs.
pub(crate) fn note(name: impl FnOnce() -> String) {
    if DEPTH.get() == 0 {
        RECORD.with_borrow_mut(|record| {
            if let Some(record) = record {
                record.push(name());
            }
        });
    }
}

/// The backward pass of a kernel runs until the guard goes: the kernels inside of it are parts of it.
pub(crate) fn begin(name: &str) -> Inside {
    note(|| name.to_owned());
    DEPTH.set(DEPTH.get() + 1);
    Inside
}

pub(crate) struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
