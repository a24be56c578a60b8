//! What batches are made of: graphs of a data set one after another, and their targets.

use super::batch::{EdgeReads, Reading};
use super::features::parts;
use super::features::scaling::Scaling;
use super::{Dataset, Features, GraphBatch, SparseRows, Targets, Types};
use crate::files::Array;
use crate::kernels::graph::{Csr, EdgeKinds, NodeTypes, SparseGraph};
use crate::kernels::sparse::SparseMatrix;
use crate::rng::{below, generator};
use std::ops::Range;
use std::sync::Arc;

/// The share of a graph set that a batch is made of, ready to be sent to a device.
impl Dataset {
    /// Copies the graphs in the order given into one disjoint union: features as they are, edges with their
    /// node numbers moved and all that they carry. The transpose is the same array where the graphs are symmetric and
    /// copied from the data set's own otherwise, so nothing is sorted per batch.
    ///
    /// # Errors
    /// Where Candle cannot allocate on `device`.
    ///
    /// # Panics
    /// Where a graph index is not below [`Dataset::n_graphs`].
    pub fn batch(
        &self,
        graphs: &[u32],
        dtype: candle_core::DType,
        device: &candle_core::Device,
    ) -> candle_core::Result<GraphBatch> {
        self.batch_for(EdgeReads::ALL, graphs, dtype, device)
    }

    /// [`Dataset::batch`] with what a model reads of its edges and nothing else.
    ///
    /// # Errors
    /// Where Candle cannot allocate on `device`.
    ///
    /// # Panics
    /// Where a graph index is not below [`Dataset::n_graphs`].
    pub fn batch_for(
        &self,
        reads: EdgeReads,
        graphs: &[u32],
        dtype: candle_core::DType,
        device: &candle_core::Device,
    ) -> candle_core::Result<GraphBatch> {
        self.batch_with(&Reading::of(reads), graphs, dtype, device)
    }

    /// [`Dataset::batch_for`] with features as a run reads them: scaled by its training part, with signs drawn.
    ///
    /// # Errors
    /// Where Candle cannot allocate on `device`.
    ///
    /// # Panics
    /// Where a graph index is not below [`Dataset::n_graphs`].
    pub fn batch_with(
        &self,
        &Reading { edges: reads, scaling, sign_seed }: &Reading,
        graphs: &[u32],
        dtype: candle_core::DType,
        device: &candle_core::Device,
    ) -> candle_core::Result<GraphBatch> {
        let mut graph = self.union(graphs);
        let n_nodes = graph.n_nodes();
        let is_plain = scaling.is_none() && sign_seed.is_none() && device.is_cpu();
        let (x, sparse) = match &self.features {
            Features::Sparse(rows) if is_plain => {
                let matrix = self.sparse_union(rows, graphs);
                (matrix.stand_in(dtype)?, Some(matrix))
            }
            features => {
                let mut rows = Vec::with_capacity(n_nodes * self.n_features());
                for &g in graphs {
                    features.write_rows(self.graph_nodes(g as usize), &mut rows);
                }
                if let Some(seed) = sign_seed {
                    self.flip(&mut rows, graphs, seed);
                }
                if let Some(scaling) = scaling {
                    scaling.apply(&mut rows);
                }
                let shape = (n_nodes, self.n_features());
                (candle_core::Tensor::from_vec(rows, shape, device)?.to_dtype(dtype)?, None)
            }
        };
        let mut edge_x = None;
        if let Some(features) = self.edge_features.as_ref().filter(|_| reads.features) {
            let shape = (graph.n_edges(), features.width());
            let mut rows = Vec::with_capacity(shape.0 * shape.1);
            graphs.iter().for_each(|&g| features.write_rows(self.graph_edges(g as usize), &mut rows));
            edge_x = Some(candle_core::Tensor::from_vec(rows, shape, device)?.to_dtype(dtype)?);
        }
        if let Some(kinds) = self.edge_kinds.as_ref().filter(|_| reads.kinds) {
            let mut of_entry = Vec::with_capacity(graph.n_edges());
            for &g in graphs {
                of_entry.extend_from_slice(&kinds.of_entry[self.graph_edges(g as usize)]);
            }
            let of_entry = Arc::new(of_entry);
            graph = graph.with_kinds(Some(EdgeKinds { of_entry, n_kinds: kinds.n_kinds }));
        }
        let graph = Arc::new(graph.with_types(self.types_of(graphs)));
        Ok(GraphBatch {
            graphs: graphs.to_vec(),
            x,
            sparse,
            constants: None,
            edge_x,
            graph,
            pairs: None,
            pair_edges: None,
        })
    }

    /// The types of the nodes of these graphs.
    fn types_of(&self, graphs: &[u32]) -> Option<NodeTypes> {
        let Types { schema, of_node } = self.types.as_ref()?;
        let nodes = graphs.iter().flat_map(|&graph| &of_node[self.graph_nodes(graph as usize)]);
        let ends = schema.relations.iter().map(|relation| [relation.source as u32, relation.target as u32]);
        Some(NodeTypes {
            of_node: Arc::new(nodes.copied().collect()),
            n_types: schema.nodes.len(),
            relations: Arc::new(ends.collect()),
        })
    }

    /// The features of these graphs, without their zeros.
    fn sparse_union(&self, rows: &SparseRows, graphs: &[u32]) -> SparseMatrix {
        let (mut offsets, mut indices, mut values) = (vec![0u32], Vec::new(), Vec::new());
        for &g in graphs {
            let nodes = self.graph_nodes(g as usize);
            let entries = rows.offsets[nodes.start] as usize..rows.offsets[nodes.end] as usize;
            let moved = offsets[offsets.len() - 1];
            let ends = &rows.offsets[nodes.start + 1..=nodes.end];
            offsets.extend(ends.iter().map(|&end| end - entries.start as u32 + moved));
            indices.extend_from_slice(&rows.columns[entries.clone()]);
            values.extend_from_slice(&rows.values[entries]);
        }
        SparseMatrix::new(Csr { offsets, indices, n_cols: rows.width }, values)
    }

    /// Draws the signs of [`Dataset::random_signs`] in the rows of these graphs.
    fn flip(&self, rows: &mut [f32], graphs: &[u32], seed: u64) {
        let width = self.n_features();
        let mut rng = generator(seed, 0);
        let mut row = 0;
        for &g in graphs {
            let nodes = self.graph_nodes(g as usize);
            let (part_of, n_parts) = parts::of_graph(&nodes, &self.adjacency, self.reverse.as_ref());
            for columns in &self.random_signs {
                let n_drawn = n_parts * columns.len();
                let is_flipped: Vec<bool> = (0..n_drawn).map(|_| below(&mut rng, 2) == 1).collect();
                for (at, &part) in part_of.iter().enumerate() {
                    let values = &mut rows[(row + at) * width..][columns.clone()];
                    let drawn = &is_flipped[part as usize * columns.len()..];
                    values.iter_mut().zip(drawn).filter(|(_, flipped)| **flipped).for_each(|(v, _)| *v = -*v);
                }
            }
            row += nodes.len();
        }
    }

    /// The structure alone, without what edges carry: see [`Dataset::batch`].
    pub fn union(&self, graphs: &[u32]) -> SparseGraph {
        let mut graph_offsets = Vec::with_capacity(graphs.len() + 1);
        graph_offsets.push(0u32);
        let mut n_nodes = 0;
        for &g in graphs {
            n_nodes += self.graph_nodes(g as usize).len() as u32;
            graph_offsets.push(n_nodes);
        }
        let adjacency = Arc::new(self.union_of(&self.adjacency, graphs, n_nodes as usize));
        let transpose = match &self.reverse {
            None => Arc::clone(&adjacency),
            Some(reverse) => Arc::new(self.union_of(reverse, graphs, n_nodes as usize)),
        };
        let union = SparseGraph::new(adjacency, transpose, Arc::new(graph_offsets));
        SparseGraph { of_data: Some(self.kept.of(graphs)), ..union }
    }

    fn union_of(&self, csr: &Csr<Array<u32>>, graphs: &[u32], n_nodes: usize) -> Csr {
        let entries =
            |nodes: &Range<usize>| csr.offsets[nodes.start] as usize..csr.offsets[nodes.end] as usize;
        let n_entries = graphs.iter().map(|&g| entries(&self.graph_nodes(g as usize)).len()).sum();
        let mut offsets = Vec::with_capacity(n_nodes + 1);
        let mut indices = Vec::with_capacity(n_entries);
        offsets.push(0u32);
        for &g in graphs {
            let nodes = self.graph_nodes(g as usize);
            let node_base = (offsets.len() - 1) as u32;
            let entry_base = indices.len() as u32;
            let (first_node, first_entry) = (nodes.start as u32, csr.offsets[nodes.start]);
            // Every index of the graph is at least `first_node`, so the difference cannot wrap.
            indices.extend(csr.indices[entries(&nodes)].iter().map(|&col| col - first_node + node_base));
            offsets.extend(
                csr.offsets[nodes.start + 1..=nodes.end]
                    .iter()
                    .map(|&offset| offset - first_entry + entry_base),
            );
        }
        Csr { offsets, indices, n_cols: n_nodes }
    }

    /// The targets of some items as a tensor: classes as `i64` `[n]`, values in `dtype` `[n, n_values]`;
    /// `None` where the data carries no labels.
    ///
    /// # Errors
    /// Where Candle cannot allocate on `device`.
    pub fn target_tensor(
        &self,
        items: &[u32],
        dtype: candle_core::DType,
        device: &candle_core::Device,
    ) -> candle_core::Result<Option<candle_core::Tensor>> {
        self.scaled_targets(items, None, dtype, device)
    }

    /// The same with values scaled.
    ///
    /// # Errors
    /// Where Candle cannot allocate on `device`.
    pub fn scaled_targets(
        &self,
        items: &[u32],
        scaling: Option<&Scaling>,
        dtype: candle_core::DType,
        device: &candle_core::Device,
    ) -> candle_core::Result<Option<candle_core::Tensor>> {
        use candle_core::Tensor;
        match &self.targets {
            Targets::Classes(classes) => {
                let picked: Vec<i64> = items.iter().map(|&item| classes[item as usize]).collect();
                Tensor::from_vec(picked, items.len(), device).map(Some)
            }
            Targets::Values { values, n_values } => {
                let mut picked: Vec<f32> = items
                    .iter()
                    .flat_map(|&item| &values[item as usize * n_values..][..*n_values])
                    .copied()
                    .collect();
                if let Some(scaling) = scaling {
                    scaling.apply(&mut picked);
                }
                Tensor::from_vec(picked, (items.len(), *n_values), device)?.to_dtype(dtype).map(Some)
            }
            Targets::None => Ok(None),
        }
    }

    /// The classes of all items with -1 for those not in `items`: a node task computes its loss over these
    /// while the whole graph passes through the network.
    ///
    /// # Panics
    /// Where targets are not classes.
    pub fn masked_classes(&self, items: &[u32]) -> Vec<i64> {
        let Targets::Classes(classes) = &self.targets else { panic!("targets are not classes") };
        let mut masked = vec![-1; classes.len()];
        items.iter().for_each(|&item| masked[item as usize] = classes[item as usize]);
        masked
    }
}
