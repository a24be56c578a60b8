//! The local degree profile.

use super::{Block, Graphs};
use crate::args::BoundCall;
use crate::data::DataError;
use crate::data::columns::Vocabulary;

const WIDTH: usize = 5;

pub(super) fn compute(_: &BoundCall, graphs: &Graphs, _: Option<&Vocabulary>) -> Result<Block, DataError> {
    let degree = |node: usize| graphs.incoming.row(node).len() as f64;
    let values = graphs.by_rows(WIDTH, |_, nodes| {
        let mut rows = Vec::with_capacity(nodes.len() * WIDTH);
        for node in nodes {
            let others = graphs.incoming.row(node).iter().map(|&source| degree(source as usize));
            let n = degree(node);
            let (mut min, mut max, mut sum, mut squares) = (f64::INFINITY, 0.0f64, 0.0, 0.0);
            for other in others {
                (min, max) = (min.min(other), max.max(other));
                (sum, squares) = (sum + other, squares + other * other);
            }
            if n == 0.0 {
                rows.extend([0.0; WIDTH]);
                continue;
            }
            let mean = sum / n;
            // Sums of whole numbers are exact, so equal degrees have a deviation of zero.
            let deviation = ((squares * n - sum * sum).max(0.0)).sqrt() / n;
            rows.extend([n, min, max, mean, deviation].map(|value| value as f32));
        }
        rows
    });
    Ok(Block::computed(values, WIDTH, ["columns of the local degree profile"; 2]))
}
