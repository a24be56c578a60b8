//! Work over rows in blocks. Blocks are cut by the size of the data, never by the number of threads, so a
//! result has the same bits on one thread and on many.

use super::custom::Shared;
use super::threads;
use multiversion::multiversion;
use std::ops::Range;
use std::sync::OnceLock;

/// Rows of one block: at 64 floats a row, the operands of a product on it stay in the second-level cache.
pub(crate) const BLOCK_ROWS: usize = 256;

/// Elementary operations (additions, bytes touched / 4) below which a kernel stays on the calling thread,
/// because waking another costs about as much.
pub(crate) const MIN_PARALLEL_WORK: usize = 1 << 17;

/// Blocks whose partial sums are kept apart, at most; more rows make longer blocks.
const MAX_PARTIALS: usize = 64;

/// Rows of a block of a reduction over `n_rows`.
pub(crate) fn chunk_rows(n_rows: usize) -> usize {
    BLOCK_ROWS.max(n_rows.div_ceil(MAX_PARTIALS).next_multiple_of(BLOCK_ROWS))
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
    each_block(n_rows, BLOCK_ROWS, work, |rows| {
        // SAFETY: blocks are disjoint; `f` only writes.
        f(rows.clone(), unsafe { output.rows(rows) });
    });
    // SAFETY: the blocks cover all rows.
    unsafe { output.finish() }
}

/// Elements of one block of an elementwise kernel.
const BLOCK_ELEMENTS: usize = 1 << 14;

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
    each_block(n, BLOCK_ELEMENTS, work, |range| {
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
        assert_eq!(chunk_rows(10), BLOCK_ROWS);
        assert!(1_000_000usize.div_ceil(chunk_rows(1_000_000)) <= MAX_PARTIALS);
    }
}
