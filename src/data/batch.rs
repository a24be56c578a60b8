//! A batch: the disjoint union of its graphs. Nothing is padded.

use std::sync::Arc;

/// Sparse adjacency in CSR. Row `i` is a target node, its entries are the sources of its incoming edges, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    /// `[n_rows + 1]`
    pub offsets: Vec<u32>,
    /// Column of each entry.
    pub indices: Vec<u32>,
    pub n_cols: usize,
}

impl Csr {
    pub fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }
    pub fn n_entries(&self) -> usize {
        self.indices.len()
    }
    pub fn row(&self, row: usize) -> &[u32] {
        &self.indices[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Sorts directed edges (source, target) into rows by target, sources ascending; duplicates are dropped.
    ///
    /// # Panics
    /// Where an edge names a node that is not below `n_nodes`.
    pub fn from_edges(n_nodes: usize, edges: &[(u32, u32)]) -> Csr {
        // Two counting sorts, by source and then by target, leave each row ascending and are linear in the edges.
        let mut by_source = vec![0u32; n_nodes + 1];
        let mut offsets = vec![0u32; n_nodes + 1];
        for &(source, target) in edges {
            by_source[source as usize + 1] += 1;
            offsets[target as usize + 1] += 1;
        }
        for node in 0..n_nodes {
            by_source[node + 1] += by_source[node];
            offsets[node + 1] += offsets[node];
        }
        let mut sorted = vec![(0u32, 0u32); edges.len()];
        for &edge in edges {
            let place = &mut by_source[edge.0 as usize];
            sorted[*place as usize] = edge;
            *place += 1;
        }
        let mut next = offsets.clone();
        let mut indices = vec![0u32; edges.len()];
        for &(source, target) in &sorted {
            let place = &mut next[target as usize];
            indices[*place as usize] = source;
            *place += 1;
        }
        let mut csr = Csr { offsets, indices, n_cols: n_nodes };
        csr.drop_duplicates();
        csr
    }

    /// Rows are ascending, so duplicates are neighbours.
    fn drop_duplicates(&mut self) {
        let mut kept = 0usize;
        let mut start = 0usize;
        for row in 0..self.n_rows() {
            let end = self.offsets[row + 1] as usize;
            let row_start = kept;
            for entry in start..end {
                let col = self.indices[entry];
                if kept == row_start || self.indices[kept - 1] != col {
                    self.indices[kept] = col;
                    kept += 1;
                }
            }
            start = end;
            self.offsets[row + 1] = kept as u32;
        }
        self.indices.truncate(kept);
    }

    /// The reverse edges, rows ascending.
    pub fn transpose(&self) -> Csr {
        let mut offsets = vec![0u32; self.n_cols + 1];
        for &col in &self.indices {
            offsets[col as usize + 1] += 1;
        }
        for col in 0..self.n_cols {
            offsets[col + 1] += offsets[col];
        }
        let mut next = offsets.clone();
        let mut indices = vec![0u32; self.indices.len()];
        for row in 0..self.n_rows() {
            for &col in self.row(row) {
                let place = &mut next[col as usize];
                indices[*place as usize] = row as u32;
                *place += 1;
            }
        }
        Csr { offsets, indices, n_cols: self.n_rows() }
    }
}

/// The sparse graph of one level: adjacency of all graphs of the batch and their boundaries.
#[derive(Debug, Clone)]
pub struct SparseGraph {
    pub adjacency: Arc<Csr>,
    /// The transpose; the same `Arc` where the graph is symmetric.
    pub transpose: Arc<Csr>,
    /// Graph `g` has the rows `graph_offsets[g] .. graph_offsets[g + 1]`: `[n_graphs + 1]`.
    pub graph_offsets: Arc<Vec<u32>>,
    /// Functions of the degrees, computed by the first kernel that asks.
    pub(crate) degrees: crate::kernels::DegreeCache,
    /// Adjacency and transpose on the device, uploaded by the first kernel that asks.
    #[cfg(feature = "cuda")]
    pub(crate) on_device: Arc<[crate::kernels::device::cuda::DeviceCsr; 2]>,
}

impl SparseGraph {
    /// `transpose` is the same `Arc` as `adjacency` where the graph is symmetric.
    pub fn new(adjacency: Arc<Csr>, transpose: Arc<Csr>, graph_offsets: Arc<Vec<u32>>) -> Self {
        Self {
            adjacency,
            transpose,
            graph_offsets,
            degrees: Default::default(),
            #[cfg(feature = "cuda")]
            on_device: Default::default(),
        }
    }
    pub fn n_nodes(&self) -> usize {
        self.adjacency.n_rows()
    }
    pub fn n_graphs(&self) -> usize {
        self.graph_offsets.len() - 1
    }
}

/// Graphs of one step, concatenated.
#[derive(Debug, Clone)]
pub struct GraphBatch {
    /// Which graphs of the data set, in this order.
    pub graphs: Vec<u32>,
    /// Node features `[N, F]`.
    pub x: candle_core::Tensor,
    pub graph: Arc<SparseGraph>,
}
