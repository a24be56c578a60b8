//! What happens where the system refuses memory. Rust ends a process then, in the middle of its work and without a
//! word about it; our programs end too, with a message that says what was kept.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static HANDLER: OnceLock<fn(usize) -> !> = OnceLock::new();
/// A thread is ending the process.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_IN_HANDLER: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C" {
    // Of C's library, which the standard library links.
    fn _exit(code: std::ffi::c_int) -> !;
}

/// Sets what is called, with the bytes that were asked for, where there is no more memory; the first call counts. The
/// handler may be called anywhere, so it takes no locks that it could wait for, and allocates little.
pub fn on_exhausted(handler: fn(usize) -> !) {
    let _ = HANDLER.set(handler);
}

/// Ends this process at once: nothing is dropped or flushed.
pub fn end(code: u8) -> ! {
    // SAFETY: it takes any number and never returns.
    unsafe { _exit(code.into()) }
}

/// Calls the handler, where one is set, and ends the process; else gives the null pointer back.
pub(super) fn refused(bytes: usize) -> *mut u8 {
    let Some(handler) = HANDLER.get() else { return std::ptr::null_mut() };
    if IS_IN_HANDLER.try_with(|is_in| is_in.replace(true)).unwrap_or(true) {
        // The handler itself gets no memory.
        end(2);
    }
    if IS_ENDING.swap(true, Ordering::Relaxed) {
        // Another thread is about to end the process; until it has written its message, this one waits.
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    handler(bytes)
}
