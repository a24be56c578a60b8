//! Memory of the process.

use std::ffi::{c_int, c_long};

unsafe extern "C" {
    // Of mimalloc, which the crate `mimalloc` links.
    fn mi_option_set(option: c_int, value: c_long);
}

/// `mi_option_purge_delay` of `mimalloc.h`, the same number in versions 2 and 3.
const PURGE_DELAY: c_int = 15;

/// Tells mimalloc to keep the pages of freed memory. For programs whose allocator is mimalloc, first thing in `main`.
///
/// A step frees its activations and the next allocates them again. By default mimalloc hands their pages back
/// to the system after 10 ms, and the system's zeroing of fresh pages then took as long as half of all
/// computing (measured on a linear layer of 5,400 × 64 numbers).
pub fn keep_pages() {
    // SAFETY: the option exists in every version that the crate builds, and may be set at any time.
    unsafe { mi_option_set(PURGE_DELAY, -1) }
}

/// Largest resident size of this process so far, in bytes; `None` where the system does not say.
pub fn peak_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// Resident size of this process now, in bytes; `None` where the system does not say.
pub fn resident_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

fn status_bytes(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
