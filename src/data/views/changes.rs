//! Copies of graphs with something left out: the augmentations of GraphCL.

use super::corruption::picked;
use super::seed_of;
use crate::args::Args;
use crate::data::GraphBatch;
use crate::kernels::graph::{Csr, EdgeKinds, NodeTypes, SparseGraph};
use crate::ops::loss::contrast::graphcl::CHANGES;
use crate::rng::{below, generator, shuffle, unit};
use candle_core::{DType, Result, Tensor};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// A way to change a graph, with the share that it is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    DropNodes(f64),
    DropEdges(f64),
    MaskFeatures(f64),
    Subgraph(f64),
}

/// What a loss asks for: those that are not 0, in the order of [`CHANGES`].
pub fn asked(args: &Args) -> Vec<Change> {
    let make: [fn(f64) -> Change; 4] =
        [Change::DropNodes, Change::DropEdges, Change::MaskFeatures, Change::Subgraph];
    let shares = CHANGES.iter().map(|name| args.float(name));
    shares.zip(make).filter(|(share, _)| *share > 0.0).map(|(share, make)| make(share)).collect()
}

/// What is left of a batch.
struct Left {
    nodes: Vec<bool>,
    /// By entry of the adjacency.
    edges: Vec<bool>,
    /// Nodes whose features become those of the mean of their graph.
    masked: Vec<bool>,
}

/// A copy of each graph, changed in one of these ways, which is drawn for the graph. A graph keeps one node at least.
///
/// # Errors
/// Where Candle cannot allocate.
pub fn changed(batch: &GraphBatch, changes: &[Change], seed: u64) -> Result<GraphBatch> {
    let (graph, n_nodes) = (&batch.graph, batch.graph.n_nodes());
    let mut left = Left {
        nodes: vec![true; n_nodes],
        edges: vec![true; graph.adjacency.n_entries()],
        masked: vec![false; n_nodes],
    };
    for (ends, &number) in graph.graph_offsets.windows(2).zip(&batch.graphs) {
        let (start, end) = (ends[0] as usize, ends[1] as usize);
        let mut rng = generator(seed_of(seed, u64::from(number)), 0);
        let Some(&change) = changes.get(below(&mut rng, changes.len().max(1))).filter(|_| end > start) else {
            continue;
        };
        let n_of = |share: f64| (share * (end - start) as f64) as usize;
        match change {
            Change::DropNodes(share) => {
                drawn(start..end, n_of(share), &mut rng).for_each(|node| left.nodes[node] = false);
            }
            Change::MaskFeatures(share) => {
                drawn(start..end, n_of(share), &mut rng).for_each(|node| left.masked[node] = true);
            }
            Change::DropEdges(share) => {
                let seed = seed_of(seed, u64::MAX ^ u64::from(number));
                for target in start..end {
                    let entries = graph.adjacency.offsets[target] as usize..;
                    for (entry, &source) in entries.zip(graph.adjacency.row(target)) {
                        left.edges[entry] = !is_dropped(seed, start, [target, source as usize], share);
                    }
                }
            }
            Change::Subgraph(share) => {
                left.nodes[start..end].fill(false);
                let n_kept = end - start - n_of(share);
                grown(&graph.adjacency, start..end, n_kept, &mut rng)
                    .into_iter()
                    .for_each(|node| left.nodes[node] = true);
            }
        }
    }
    left.copy(batch)
}

/// `n` of these numbers.
fn drawn(of: std::ops::Range<usize>, n: usize, rng: &mut ChaCha8Rng) -> impl Iterator<Item = usize> {
    let mut all: Vec<usize> = of.collect();
    shuffle(rng, &mut all);
    all.truncate(n);
    all.into_iter()
}

/// An edge and its reverse are dropped together, whatever else is in the batch.
fn is_dropped(seed: u64, start: usize, [a, b]: [usize; 2], share: f64) -> bool {
    let (low, high) = ((a.min(b) - start) as u64, (a.max(b) - start) as u64);
    unit(&mut generator(seed_of(seed_of(seed, low), high), 0)) < share
}

/// A connected part that grows from a node that is drawn, by neighbours that are drawn, until it has `n` nodes or no neighbours.
fn grown(adjacency: &Csr, nodes: std::ops::Range<usize>, n: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let first = nodes.start + below(rng, nodes.len());
    let mut is_seen = vec![false; nodes.len()];
    is_seen[first - nodes.start] = true;
    let (mut part, mut border) = (Vec::with_capacity(n), vec![first]);
    while part.len() < n && !border.is_empty() {
        let node = border.swap_remove(below(rng, border.len()));
        part.push(node);
        for &next in adjacency.row(node) {
            let seen = &mut is_seen[next as usize - nodes.start];
            if !*seen {
                *seen = true;
                border.push(next as usize);
            }
        }
    }
    part
}

impl Left {
    fn copy(&self, batch: &GraphBatch) -> Result<GraphBatch> {
        let graph = &batch.graph;
        let adjacency = &graph.adjacency;
        let rows: Vec<u32> =
            (0u32..).zip(&self.nodes).filter(|(_, kept)| **kept).map(|(row, _)| row).collect();
        let mut place = vec![0u32; self.nodes.len()];
        (0u32..).zip(&rows).for_each(|(new, &old)| place[old as usize] = new);
        let (mut offsets, mut indices, mut entries) = (vec![0u32], Vec::new(), Vec::new());
        for &target in &rows {
            let first = adjacency.offsets[target as usize];
            for (entry, &source) in (first..).zip(adjacency.row(target as usize)) {
                if self.nodes[source as usize] && self.edges[entry as usize] {
                    indices.push(place[source as usize]);
                    entries.push(entry);
                }
            }
            offsets.push(indices.len() as u32);
        }
        let kept = Csr { offsets, indices, n_cols: rows.len() };
        let transpose = kept.transpose();
        let ends = graph.graph_offsets.iter().map(|&end| rows.partition_point(|&row| row < end) as u32);
        let ends = Arc::new(ends.collect());
        let kinds = graph.kinds.as_ref().map(|kinds| EdgeKinds {
            of_entry: Arc::new(entries.iter().map(|&entry| kinds.of_entry[entry as usize]).collect()),
            n_kinds: kinds.n_kinds,
        });
        let types = graph.types.as_ref().map(|types| NodeTypes {
            of_node: Arc::new(rows.iter().map(|&row| types.of_node[row as usize]).collect()),
            ..types.clone()
        });
        let edge_x = batch.edge_x.as_ref().map(|x| picked(x, &entries)).transpose()?;
        Ok(GraphBatch {
            x: picked(&self.masked_features(batch)?, &rows)?,
            sparse: None,
            constants: None,
            edge_x,
            graph: Arc::new(
                SparseGraph::new(Arc::new(kept), Arc::new(transpose), ends)
                    .with_kinds(kinds)
                    .with_types(types),
            ),
            ..batch.clone()
        })
    }

    /// Features with those of masked nodes set to the mean of their graph.
    fn masked_features(&self, batch: &GraphBatch) -> Result<Tensor> {
        let (dtype, device) = (batch.x.dtype(), batch.x.device());
        let x = match &batch.sparse {
            Some(matrix) => matrix.written_out(dtype)?,
            None => batch.x.clone(),
        };
        if !self.masked.contains(&true) {
            return Ok(x);
        }
        let (n_rows, width) = x.dims2()?;
        let mut values: Vec<f64> = x.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        for ends in batch.graph.graph_offsets.windows(2) {
            let (start, end) = (ends[0] as usize, ends[1] as usize);
            if !self.masked[start..end].contains(&true) {
                continue;
            }
            let mut mean = vec![0.0; width];
            for row in start..end {
                mean.iter_mut().zip(&values[row * width..]).for_each(|(sum, value)| *sum += value);
            }
            mean.iter_mut().for_each(|sum| *sum /= (end - start) as f64);
            for row in (start..end).filter(|&row| self.masked[row]) {
                values[row * width..][..width].copy_from_slice(&mean);
            }
        }
        Tensor::from_vec(values, (n_rows, width), device)?.to_dtype(dtype)
    }
}
