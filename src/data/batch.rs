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
}

impl SparseGraph {
    /// `transpose` is the same `Arc` as `adjacency` where the graph is symmetric.
    pub fn new(adjacency: Arc<Csr>, transpose: Arc<Csr>, graph_offsets: Arc<Vec<u32>>) -> Self {
        Self { adjacency, transpose, graph_offsets, degrees: Default::default() }
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
