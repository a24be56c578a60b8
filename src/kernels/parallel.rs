//! Work over rows in blocks. Blocks are cut by the size of the data, never by the number of threads, so a
//! result has the same bits on one thread and on many.

use super::custom::Shared;
use super::threads;
use multiversion::multiversion;
use std::ops::Range;
use std::sync::OnceLock;

/// Rows of one block, at most: at 64 floats a row, the operands of a product on it stay in the second-level cache.
pub(crate) const BLOCK_ROWS: usize = 256;

/// Blocks that rows are cut into, if they are long enough: where two threads share the 680 rows of a small batch in three
/// blocks, one of them waits for a third of the time.
const BLOCKS: usize = 8;

/// Rows that are worth a block of their own.
const MIN_BLOCK_ROWS: usize = 32;

/// Elementary operations (additions, bytes touched / 4) below which a kernel stays on the calling thread,
/// because waking another costs about as much.
pub(crate) const MIN_PARALLEL_WORK: usize = 1 << 16;

/// Blocks of a reduction, if they are long enough: the partial sums of each are added up on one thread.
const CHUNKS: usize = 4;

/// Rows that are worth partial sums of their own.
const MIN_CHUNK_ROWS: usize = 64;

/// Blocks whose partial sums are kept apart, at most; more rows make longer blocks.
const MAX_PARTIALS: usize = 64;

/// Equal parts of `n`, in multiples of 16: as few as it takes for none to have more than `most`, but `wanted` where each
/// has at least `least`.
fn part(n: usize, most: usize, wanted: usize, least: usize) -> usize {
    let n_parts = n.div_ceil(most).max(wanted.min(n.div_ceil(least))).max(1);
    n.div_ceil(n_parts).next_multiple_of(16).max(1)
}

/// Rows of a block of `n_rows`.
pub(crate) fn block_rows(n_rows: usize) -> usize {
    part(n_rows, BLOCK_ROWS, BLOCKS, MIN_BLOCK_ROWS)
}

/// Rows of a block of a reduction over `n_rows`.
pub(crate) fn chunk_rows(n_rows: usize) -> usize {
    let most = BLOCK_ROWS.max(n_rows.div_ceil(MAX_PARTIALS).next_multiple_of(BLOCK_ROWS));
    part(n_rows, most, CHUNKS, MIN_CHUNK_ROWS)
}

/// Elements of a block of `n`.
pub(crate) fn block_elements(n: usize) -> usize {
    part(n, BLOCK_ELEMENTS, BLOCKS, MIN_BLOCK_ELEMENTS)
}

/// Calls `f` once for each of `n` jobs, in parallel if `work` is worth it.
pub(crate) fn each(n: usize, work: usize, f: impl Fn(usize) + Sync) {
    if n <= 1 || work < MIN_PARALLEL_WORK { (0..n).for_each(f) } else { threads::each(n, &f) }
}

/// Calls `f` for each block of `block_rows` rows.
pub(crate) fn each_block(n_rows: usize, block_rows: usize, work: usize, f: impl Fn(Range<usize>) + Sync) {
    let n_blocks = n_rows.div_ceil(block_rows);
    each(n_blocks, work, |block| f(block * block_rows..((block + 1) * block_rows).min(n_rows)));
}

/// The results of `f` for each of `n` jobs, in their order.
pub(crate) fn map_each<R: Send + Sync>(n: usize, work: usize, f: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let results: Vec<OnceLock<R>> = (0..n).map(|_| OnceLock::new()).collect();
    each(n, work, |job| {
        // Each job has a place of its own, so it is still empty.
        let _ = results[job].set(f(job));
    });
    results.into_iter().map(|result| result.into_inner().expect("every job was done")).collect()
}

/// The results of `f` for each block of [`chunk_rows`] rows, in their order.
pub(crate) fn map_chunks<R: Send + Sync>(
    n_rows: usize,
    work: usize,
    f: impl Fn(Range<usize>) -> R + Sync,
) -> Vec<R> {
    let rows = chunk_rows(n_rows);
    map_each(n_rows.div_ceil(rows), work, |chunk| f(chunk * rows..((chunk + 1) * rows).min(n_rows)))
}

/// The sum of equally long vectors, in their order, put together in f64 and without another vector of that length.
pub(crate) fn sum_partials<T: super::float::Float>(partials: Vec<Vec<T>>, len: usize) -> Vec<T> {
    let mut partials = partials.into_iter();
    let Some(mut sum) = partials.next() else { return vec![T::ZERO; len] };
    let rest: Vec<Vec<T>> = partials.collect();
    if !rest.is_empty() {
        add_wide(&mut sum, &rest);
    }
    sum
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn add_wide<T: super::float::Float>(sum: &mut [T], rest: &[Vec<T>]) {
    const RUN: usize = 256;
    let mut wide = [0.0; RUN];
    for (run, sum) in sum.chunks_mut(RUN).enumerate() {
        let wide = &mut wide[..sum.len()];
        for (wide, value) in wide.iter_mut().zip(&*sum) {
            *wide = value.wide();
        }
        for partial in rest {
            for (wide, value) in wide.iter_mut().zip(&partial[run * RUN..]) {
                *wide += value.wide();
            }
        }
        for (sum, &wide) in sum.iter_mut().zip(&*wide) {
            *sum = T::of(wide);
        }
    }
}

/// Runs of segments (`offsets`: `[n + 1]`) with about [`BLOCK_ROWS`] rows or more each, so that a job is neither
/// tiny nor dependent on the number of threads.
pub(crate) fn segment_runs(offsets: &[u32]) -> Vec<Range<usize>> {
    let n_segments = offsets.len().saturating_sub(1);
    let mut runs = Vec::new();
    let mut first = 0;
    for segment in 0..n_segments {
        let rows = (offsets[segment + 1] - offsets[first]) as usize;
        if rows >= BLOCK_ROWS || segment + 1 - first >= BLOCK_ROWS || segment + 1 == n_segments {
            runs.push(first..segment + 1);
            first = segment + 1;
        }
    }
    runs
}

/// A row-major result that several threads fill, allocated without being zeroed.
pub(crate) struct Output<T> {
    data: Vec<T>,
    start: *mut T,
    n_rows: usize,
    width: usize,
}

// SAFETY: the pointer is only used by `rows`, whose callers take disjoint rows.
unsafe impl<T: Send> Sync for Output<T> {}

impl<T: Copy + Send> Output<T> {
    pub fn new(n_rows: usize, width: usize) -> Self {
        let mut data = Vec::with_capacity(n_rows * width);
        let start = data.as_mut_ptr();
        Self { data, start, n_rows, width }
    }

    /// The rows `range`, uninitialised.
    ///
    /// # Safety
    /// No two calls whose results are in use at the same time may share a row, and nothing may be read from
    /// the result before it is written.
    #[allow(clippy::mut_from_ref)] // Disjointness is the caller's promise.
    pub unsafe fn rows(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.n_rows);
        // SAFETY: within the allocation by the assertion, disjoint by the caller's promise.
        unsafe {
            std::slice::from_raw_parts_mut(self.start.add(range.start * self.width), range.len() * self.width)
        }
    }

    /// All of it as one row, for tasks that write parts of any length.
    pub fn shared(&self) -> Shared<T> {
        // SAFETY: `new` reserved this many. A part is unusable after `finish`, because no two live parts overlap and the
        // vector has all of them.
        unsafe { Shared::from_raw(self.start, self.n_rows * self.width) }
    }

    /// # Safety
    /// Every row must have been written.
    pub unsafe fn finish(mut self) -> Vec<T> {
        // SAFETY: `new` reserved this many, and the caller wrote them.
        unsafe { self.data.set_len(self.n_rows * self.width) };
        self.data
    }
}

/// A row-major `[n_rows, width]` made block by block.
///
/// # Safety
/// `f` must write every element of the slice it gets, and read none before.
pub(crate) unsafe fn fill_rows<T: Copy + Send>(
    n_rows: usize,
    width: usize,
    work: usize,
    f: impl Fn(Range<usize>, &mut [T]) + Sync,
) -> Vec<T> {
    let output = Output::new(n_rows, width);
    each_block(n_rows, block_rows(n_rows), work, |rows| {
        // SAFETY: blocks are disjoint; `f` only writes.
        f(rows.clone(), unsafe { output.rows(rows) });
    });
    // SAFETY: the blocks cover all rows.
    unsafe { output.finish() }
}

/// Elements of one block of an elementwise kernel, at most.
const BLOCK_ELEMENTS: usize = 1 << 14;

/// Elements that are worth a block of their own.
const MIN_BLOCK_ELEMENTS: usize = 1 << 12;

/// `n` elements made block by block.
///
/// # Safety
/// `f` must write every element of the slice it gets, and read none before.
pub(crate) unsafe fn fill_elements<T: Copy + Send>(
    n: usize,
    work: usize,
    f: impl Fn(Range<usize>, &mut [T]) + Sync,
) -> Vec<T> {
    let output = Output::new(n, 1);
    each_block(n, block_elements(n), work, |range| {
        // SAFETY: blocks are disjoint; `f` only writes.
        f(range.clone(), unsafe { output.rows(range) });
    });
    // SAFETY: the blocks cover all elements.
    unsafe { output.finish() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_runs_cover_all_segments_in_order() {
        let offsets: Vec<u32> = vec![0, 0, 10, 700, 700, 701, 800, 1100];
        let runs = segment_runs(&offsets);
        assert_eq!(runs.iter().flat_map(|run| run.clone()).collect::<Vec<_>>(), (0..7).collect::<Vec<_>>());
        assert!(runs.len() > 1);
        assert!(segment_runs(&[0]).is_empty());
    }

    #[test]
    fn many_rows_make_few_partials() {
        assert_eq!(10usize.div_ceil(chunk_rows(10)), 1);
        for n_rows in [10usize, 63, 100, 680, 1025, 16_384, 1_000_000] {
            assert!(n_rows.div_ceil(chunk_rows(n_rows)) <= MAX_PARTIALS, "{n_rows}");
        }
    }

    #[test]
    fn a_small_batch_has_a_block_for_each_of_two_threads_at_every_time() {
        let n_blocks = |n: usize, block: usize| n.div_ceil(block);
        assert_eq!(n_blocks(680, block_rows(680)), 8);
        assert_eq!(n_blocks(680, chunk_rows(680)), 4);
        assert_eq!(n_blocks(43_520, block_elements(43_520)), 8);
        assert_eq!((block_rows(0), block_rows(1), block_rows(31)), (1, 16, 32));
        assert!(block_rows(1_000_000) <= BLOCK_ROWS);
    }
}
