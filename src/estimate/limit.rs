//! The largest batch size that fits into a memory limit.

use super::{Estimator, Graphs};
use serde::Serialize;

/// What a memory limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Proposal {
    pub limit_bytes: f64,
    /// The largest batch size whose batches, as this seed shuffles them, stay below the limit; `None` where not even
    /// one graph a batch does.
    pub batch_size: Option<usize>,
    /// The largest batch size that stays below the limit whichever graphs meet.
    pub any_order: Option<usize>,
    /// Peak memory with `batch_size`, or with one graph a batch where there is none.
    pub peak_bytes: f64,
}

impl Estimator<'_> {
    /// The largest batch sizes, up to the whole training part, that stay below `limit_bytes`.
    pub fn propose(&self, limit_bytes: f64) -> Proposal {
        let [train, ..] = self.parts.first();
        let most = train.graphs.len().max(1);
        let peak = |graphs: Graphs| {
            let trace = self.tracer.step(graphs.clone(), self.parts.picked(train));
            self.memory(&graphs, &trace).peak_bytes
        };
        let shuffled = |size: usize| self.run_memory(size).1.peak_bytes;
        let bound = |size: usize| peak(self.parts.sizes(&self.parts.heaviest(size, &self.graph_bytes)));
        let batch_size = largest_that(most, |size| shuffled(size) <= limit_bytes);
        Proposal {
            limit_bytes,
            batch_size,
            any_order: largest_that(most, |size| bound(size) <= limit_bytes),
            peak_bytes: shuffled(batch_size.unwrap_or(1)),
        }
    }
}

/// The largest size in `1 ..= most` that fits, where all below one that fits do. Shuffles make a size now and then fit
/// that is larger than one that does not; the result fits in any case.
fn largest_that(most: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    if fits(most) {
        return Some(most);
    }
    let (mut fitting, mut failing) = (0, most);
    while failing - fitting > 1 {
        let middle = fitting + (failing - fitting) / 2;
        if fits(middle) { fitting = middle } else { failing = middle }
    }
    (fitting > 0).then_some(fitting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_ends_at_the_last_size_that_fits() {
        for most in 1..20 {
            for last in 0..=most {
                assert_eq!(largest_that(most, |size| size <= last), (last > 0).then_some(last));
            }
        }
    }
}
