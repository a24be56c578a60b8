//! Graphs with the features of their nodes shuffled.

use super::seed_of;
use crate::data::GraphBatch;
use crate::rng::{generator, shuffle};
use candle_core::{Result, Tensor};

/// The row that each row of a batch gets its features from: another of the same graph, and of the same type where nodes have types.
fn shuffled_rows(batch: &GraphBatch, seed: u64) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..batch.graph.n_nodes() as u32).collect();
    for (ends, &graph) in batch.graph.graph_offsets.windows(2).zip(&batch.graphs) {
        let mut rng = generator(seed_of(seed, u64::from(graph)), 0);
        let Some(types) = &batch.graph.types else {
            shuffle(&mut rng, &mut rows[ends[0] as usize..ends[1] as usize]);
            continue;
        };
        for of_type in 0..types.n_types as u32 {
            let places: Vec<u32> =
                (ends[0]..ends[1]).filter(|&row| types.of_node[row as usize] == of_type).collect();
            let mut from = places.clone();
            shuffle(&mut rng, &mut from);
            places.iter().zip(from).for_each(|(&place, row)| rows[place as usize] = row);
        }
    }
    rows
}

/// The same graphs with features shuffled over the nodes of each.
///
/// # Errors
/// Where Candle cannot allocate.
pub fn corrupted(batch: &GraphBatch, seed: u64) -> Result<GraphBatch> {
    with_features_of(batch, &shuffled_rows(batch, seed))
}

/// The same graphs, with the features of these rows.
///
/// # Errors
/// Where Candle cannot allocate.
pub fn with_features_of(batch: &GraphBatch, rows: &[u32]) -> Result<GraphBatch> {
    let (x, sparse) = match &batch.sparse {
        Some(matrix) => {
            let picked = matrix.picked(rows);
            (picked.stand_in(batch.x.dtype())?, Some(picked))
        }
        None => (picked(&batch.x, rows)?, None),
    };
    // What never changes was kept of other features.
    Ok(GraphBatch { x, sparse, constants: None, ..batch.clone() })
}

/// Some rows of what no gradient goes to.
pub(super) fn picked(x: &Tensor, rows: &[u32]) -> Result<Tensor> {
    x.index_select(&Tensor::from_slice(rows, rows.len(), x.device())?, 0)
}
