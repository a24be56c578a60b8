//! Memory of the process: the allocator of our programs, and what the system says of it.
//!
//! A training step allocates some hundred tensors of 16 KiB to a few MB, frees them, and the next step asks for other
//! sizes, because its graphs are others. An allocator of size classes keeps pages for each class: measured with
//! mimalloc 3, two levels of DiffPool on PROTEINS used 20 MB and held 92, another run of the same 118. So blocks of
//! that size come from one [`Pool`] that joins what is free: it holds little more than the most that was in use.

pub mod exhausted;
pub mod room;

use std::alloc::{GlobalAlloc, Layout};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{c_int, c_long};
use std::sync::{Mutex, MutexGuard, PoisonError};

unsafe extern "C" {
    // Of mimalloc, which the crate `mimalloc` links.
    fn mi_option_set(option: c_int, value: c_long);
}

/// `mi_option_purge_delay` of `mimalloc.h`, the same number in versions 2 and 3.
const PURGE_DELAY: c_int = 15;

/// Makes mimalloc keep the pages of freed memory. For programs whose allocator is mimalloc, first thing in `main`.
///
/// A step frees its activations and the next allocates them again. By default mimalloc hands their pages back
/// to the system after 10 ms, and the system's zeroing of fresh pages then took as long as half of all
/// computing (measured on a linear layer of 5,400 × 64 numbers).
pub fn keep_pages() {
    // SAFETY: the option exists in every version that the crate builds, and may be set at any time.
    unsafe { mi_option_set(PURGE_DELAY, -1) }
}

/// The allocator of our programs: mimalloc for what is small, a pool for tensors.
pub struct Allocator {
    small: mimalloc::MiMalloc,
    large: Mutex<Pool>,
}

/// Smaller blocks are mimalloc's.
const LARGE_BYTES: usize = 16 << 10;

/// Blocks of the pool begin and end at multiples of this.
const GRAIN_BYTES: usize = 4 << 10;

/// What the pool asks the system for at a time. Only what is touched becomes resident.
const REGION_BYTES: usize = 256 << 20;

/// The system's large pages; a region begins at one.
const REGION_ALIGN: usize = 2 << 20;

impl Allocator {
    #[allow(clippy::new_without_default)] // A static needs a constant.
    pub const fn new() -> Self {
        Self { small: mimalloc::MiMalloc, large: Mutex::new(Pool::new()) }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        // Nothing panics while it is locked.
        self.large.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block of the pool, which gets another region where it has none; null where the system has no more memory.
    fn take(&self, bytes: usize) -> *mut u8 {
        let mut pool = self.pool();
        if let Some(block) = pool.take(bytes) {
            return block as *mut u8;
        }
        let Some(least) = bytes.checked_next_multiple_of(REGION_ALIGN) else { return std::ptr::null_mut() };
        // Near a limit there may be no room for a whole region, but for this block.
        for region in [least.max(REGION_BYTES), least] {
            // Aligned here: mimalloc serves such a request out of the gigabyte of addresses that it reserves anyway, and
            // one with an alignment of its own beside it, which a limit on addresses does not bear.
            let Ok(layout) = Layout::from_size_align(region.saturating_add(REGION_ALIGN), GRAIN_BYTES) else {
                break;
            };
            // SAFETY: the layout is not empty.
            let start = unsafe { self.small.alloc(layout) };
            if !start.is_null() {
                pool.give((start as usize).next_multiple_of(REGION_ALIGN), region);
                return pool.take(bytes).map_or(std::ptr::null_mut(), |block| block as *mut u8);
            }
        }
        std::ptr::null_mut()
    }
}

/// A block, or what follows where there is none.
fn block_or_end(block: *mut u8, bytes: usize) -> *mut u8 {
    if block.is_null() { exhausted::refused(bytes) } else { block }
}

/// The bytes of the block that holds a layout; `None` where it is mimalloc's.
fn block_bytes(layout: Layout) -> Option<usize> {
    let is_large = layout.size() >= LARGE_BYTES && layout.align() <= GRAIN_BYTES;
    is_large.then(|| layout.size().next_multiple_of(GRAIN_BYTES))
}

// SAFETY: a layout alone decides who serves it, so a block goes back where it came from. The pool's blocks do not
// overlap (its tests), are aligned to `GRAIN_BYTES` and as long as asked for. The pool's own lists have nodes far below
// `LARGE_BYTES`, so they never ask the pool while it is locked.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = match block_bytes(layout) {
            Some(bytes) => self.take(bytes),
            // SAFETY: the caller's promise.
            None => unsafe { self.small.alloc(layout) },
        };
        block_or_end(block, layout.size())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match block_bytes(layout) {
            Some(bytes) => self.pool().give(block as usize, bytes),
            // SAFETY: the caller's promise.
            None => unsafe { self.small.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises a size that a layout can have.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (block_bytes(layout), block_bytes(new_layout)) {
            // SAFETY: the caller's promise.
            (None, None) => {
                return block_or_end(unsafe { self.small.realloc(block, layout, new_size) }, new_size);
            }
            (Some(old), Some(new)) if self.pool().resize(block as usize, old, new) => return block,
            _ => {}
        }
        // SAFETY: the caller's promise; the blocks are distinct, and both hold what is copied.
        unsafe {
            let moved = self.alloc(new_layout);
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// Free blocks by place and by size. Neighbours are joined at once; a request gets the smallest block that holds it,
/// and of these the one with the lowest address, so that memory that was never touched is taken last.
#[derive(Debug, Default)]
struct Pool {
    /// Bytes of each free block.
    by_place: BTreeMap<usize, usize>,
    /// (bytes, place)
    by_size: BTreeSet<(usize, usize)>,
}

impl Pool {
    const fn new() -> Self {
        Self { by_place: BTreeMap::new(), by_size: BTreeSet::new() }
    }

    fn take(&mut self, bytes: usize) -> Option<usize> {
        let &(size, place) = self.by_size.range((bytes, 0)..).next()?;
        self.remove(place, size);
        if size > bytes {
            self.insert(place + bytes, size - bytes);
        }
        Some(place)
    }

    fn give(&mut self, place: usize, bytes: usize) {
        let (mut place, mut bytes) = (place, bytes);
        if let Some((&before, &size)) = self.by_place.range(..place).next_back()
            && before + size == place
        {
            self.remove(before, size);
            (place, bytes) = (before, size + bytes);
        }
        if let Some(&size) = self.by_place.get(&(place + bytes)) {
            self.remove(place + bytes, size);
            bytes += size;
        }
        self.insert(place, bytes);
    }

    /// Makes a block in use longer or shorter where it stands; false where something is in the way.
    fn resize(&mut self, place: usize, old: usize, new: usize) -> bool {
        if new < old {
            self.give(place + new, old - new);
        } else if new > old {
            let Some(&size) = self.by_place.get(&(place + old)).filter(|&&size| old + size >= new) else {
                return false;
            };
            self.remove(place + old, size);
            if old + size > new {
                self.insert(place + new, old + size - new);
            }
        }
        true
    }

    fn insert(&mut self, place: usize, bytes: usize) {
        self.by_place.insert(place, bytes);
        self.by_size.insert((bytes, place));
    }

    fn remove(&mut self, place: usize, bytes: usize) {
        self.by_place.remove(&place);
        self.by_size.remove(&(bytes, place));
    }
}

/// The pool without memory behind it: how far a sequence of requests would reach into its region.
#[derive(Debug)]
pub(crate) struct Places {
    pool: Pool,
    reached: usize,
}

impl Places {
    pub(crate) fn new() -> Self {
        let mut pool = Pool::new();
        pool.give(0, usize::MAX / 2);
        Self { pool, reached: 0 }
    }

    /// Where a block would lie; `None` where it is too small for the pool.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<usize> {
        let bytes = Self::block_bytes(bytes)?;
        let place = self.pool.take(bytes)?;
        self.reached = self.reached.max(place + bytes);
        Some(place)
    }

    /// A block of so many bytes is given back.
    pub(crate) fn give(&mut self, place: usize, bytes: usize) {
        if let Some(bytes) = Self::block_bytes(bytes) {
            self.pool.give(place, bytes);
        }
    }

    fn block_bytes(bytes: usize) -> Option<usize> {
        Layout::from_size_align(bytes, 1).ok().and_then(block_bytes)
    }

    /// Bytes of the region that were in use at some time.
    pub(crate) fn reached_bytes(&self) -> usize {
        self.reached
    }
}

/// Largest resident size of this process so far, in bytes; `None` where the system does not say.
pub fn peak_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// Resident size of this process now, in bytes; `None` where the system does not say.
pub fn resident_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// Bytes of files, the program's own above all, that this process has in memory now; `None` where the system does not say.
pub fn file_bytes() -> Option<u64> {
    status_bytes("RssFile:")
}

fn status_bytes(key: &str) -> Option<u64> {
    room::kib(&std::fs::read_to_string("/proc/self/status").ok()?, key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{below, generator};

    #[test]
    fn blocks_never_overlap_and_everything_given_back_is_one_block_again() {
        const REGION: usize = 1 << 20;
        for seed in 0..20 {
            let mut rng = generator(seed, 0);
            let mut pool = Pool::new();
            pool.give(REGION, REGION);
            let mut in_use: Vec<(usize, usize)> = Vec::new();
            for _ in 0..2000 {
                let bytes = GRAIN_BYTES * (1 + below(&mut rng, 16));
                match below(&mut rng, 3) {
                    0 => {
                        if let Some(place) = pool.take(bytes) {
                            in_use.push((place, bytes));
                        }
                    }
                    1 if !in_use.is_empty() => {
                        let block = below(&mut rng, in_use.len());
                        let (place, bytes) = in_use.swap_remove(block);
                        pool.give(place, bytes);
                    }
                    _ if !in_use.is_empty() => {
                        let block = below(&mut rng, in_use.len());
                        let (place, old) = in_use[block];
                        if pool.resize(place, old, bytes) {
                            in_use[block] = (place, bytes);
                        }
                    }
                    _ => {}
                }
                let mut all: Vec<(usize, usize)> = pool.by_place.iter().map(|(&at, &n)| (at, n)).collect();
                assert_eq!(all.len(), pool.by_size.len());
                all.extend(&in_use);
                all.sort_unstable();
                let mut end = REGION;
                for (place, bytes) in all {
                    assert_eq!(place, end, "a gap or an overlap");
                    end = place + bytes;
                }
                assert_eq!(end, 2 * REGION);
            }
            in_use.into_iter().for_each(|(place, bytes)| pool.give(place, bytes));
            assert_eq!(pool.by_place, BTreeMap::from([(REGION, REGION)]));
        }
    }

    #[test]
    fn the_smallest_block_that_fits_is_taken() {
        let mut pool = Pool::new();
        for (place, grains) in [(0, 8), (100, 3), (200, 5)] {
            pool.give(place * GRAIN_BYTES, grains * GRAIN_BYTES);
        }
        assert_eq!(pool.take(4 * GRAIN_BYTES), Some(200 * GRAIN_BYTES));
        assert_eq!(pool.take(9 * GRAIN_BYTES), None);
    }

    #[test]
    fn contents_survive_growing_and_shrinking_across_the_border_of_the_pool() {
        static ALLOCATOR: Allocator = Allocator::new();
        let layout = |size| Layout::from_size_align(size, 8).unwrap();
        let sizes = [100, LARGE_BYTES, 5 * LARGE_BYTES, LARGE_BYTES + 1, 64, 40 * LARGE_BYTES, 8];
        // SAFETY: every block is read and written within its size, and given back with its layout.
        unsafe {
            let mut block = ALLOCATOR.alloc(layout(sizes[0]));
            block.write_bytes(7, 8);
            for pair in sizes.windows(2) {
                // Something in the way now and then.
                let other = ALLOCATOR.alloc(layout(pair[1]));
                other.write_bytes(1, pair[1]);
                block = ALLOCATOR.realloc(block, layout(pair[0]), pair[1]);
                assert!(!block.is_null() && block.addr().is_multiple_of(8));
                assert_eq!(std::slice::from_raw_parts(block, 8), [7; 8]);
                ALLOCATOR.dealloc(other, layout(pair[1]));
            }
            ALLOCATOR.dealloc(block, layout(8));
            let zeroed = ALLOCATOR.alloc_zeroed(layout(3 * LARGE_BYTES));
            assert!(std::slice::from_raw_parts(zeroed, 3 * LARGE_BYTES).iter().all(|&byte| byte == 0));
            ALLOCATOR.dealloc(zeroed, layout(3 * LARGE_BYTES));
        }
    }
}
