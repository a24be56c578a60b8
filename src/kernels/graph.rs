//! Sparse graphs as kernels read them.

use std::ops::Deref;
use std::sync::Arc;

/// Sparse adjacency in CSR. Row `i` is a target node, its entries are the sources of its incoming edges, ascending.
/// Parallel edges are entries of their own, beside each other; a self-loop is an entry on the diagonal.
/// `W` holds the numbers: a vector, or an [`Array`](crate::files::Array) where they may lie in a mapped file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr<W = Vec<u32>> {
    /// `[n_rows + 1]`
    pub offsets: W,
    /// Column of each entry.
    pub indices: W,
    pub n_cols: usize,
}

impl<W: Deref<Target = [u32]>> Csr<W> {
    pub fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }
    pub fn n_entries(&self) -> usize {
        self.indices.len()
    }
    pub fn row(&self, row: usize) -> &[u32] {
        &self.indices[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Entries of a row on the diagonal.
    pub fn loops_of(&self, node: usize) -> usize {
        let row = self.row(node);
        let first = row.partition_point(|&source| (source as usize) < node);
        row[first..].iter().take_while(|&&source| source as usize == node).count()
    }

    /// The reverse edges, rows ascending.
    pub fn transpose(&self) -> Csr {
        let mut offsets = vec![0u32; self.n_cols + 1];
        for &col in self.indices.iter() {
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

    /// The entry of `self` that each entry of [`Csr::transpose`] is: a bijection that maps the k-th of several parallel
    /// edges to the k-th of their reverses. Linear in the entries.
    pub fn transpose_entries(&self) -> Vec<u32> {
        let mut next = vec![0u32; self.n_cols + 1];
        for &col in self.indices.iter() {
            next[col as usize + 1] += 1;
        }
        for col in 0..self.n_cols {
            next[col + 1] += next[col];
        }
        let mut entries = vec![0u32; self.indices.len()];
        for (entry, &col) in (0u32..).zip(self.indices.iter()) {
            let place = &mut next[col as usize];
            entries[*place as usize] = entry;
            *place += 1;
        }
        entries
    }
}

impl Csr {
    /// The same with its numbers held in another way.
    pub fn held_as<W: From<Vec<u32>>>(self) -> Csr<W> {
        Csr { offsets: self.offsets.into(), indices: self.indices.into(), n_cols: self.n_cols }
    }

    /// Sorts directed edges (source, target) into rows by target, sources ascending.
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
        Csr { offsets, indices, n_cols: n_nodes }
    }

    /// [`Csr::from_edges`] with the edge of each entry, so that values of edges can follow. Parallel edges stand in the
    /// order of their kinds, those of one kind in the order given.
    ///
    /// # Panics
    /// Where an edge names a node that is not below `n_nodes`, or `kinds` is not one an edge.
    pub fn from_edges_with_order(
        n_nodes: usize,
        edges: &[(u32, u32)],
        kinds: Option<&EdgeKinds>,
    ) -> (Csr, Vec<u32>) {
        let mut order: Vec<u32> = (0..edges.len() as u32).collect();
        if let Some(kinds) = kinds {
            assert_eq!(kinds.of_entry.len(), edges.len(), "a kind for every edge");
            order = counting_sort(&order, kinds.n_kinds, |edge| kinds.of_entry[edge as usize]).0;
        }
        order = counting_sort(&order, n_nodes, |edge| edges[edge as usize].0).0;
        let (order, offsets) = counting_sort(&order, n_nodes, |edge| edges[edge as usize].1);
        let indices = order.iter().map(|&edge| edges[edge as usize].0).collect();
        (Csr { offsets, indices, n_cols: n_nodes }, order)
    }
}

/// SplitMix64 of one number.
fn mixed(number: u64) -> u64 {
    let mut state = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Items in the order of their keys, equal keys in the order given, and where each key begins.
fn counting_sort(items: &[u32], n_keys: usize, key: impl Fn(u32) -> u32) -> (Vec<u32>, Vec<u32>) {
    let mut offsets = vec![0u32; n_keys + 1];
    for &item in items {
        offsets[key(item) as usize + 1] += 1;
    }
    for key in 0..n_keys {
        offsets[key + 1] += offsets[key];
    }
    let mut next = offsets.clone();
    let mut sorted = vec![0u32; items.len()];
    for &item in items {
        let place = &mut next[key(item) as usize];
        sorted[*place as usize] = item;
        *place += 1;
    }
    (sorted, offsets)
}

/// What kind of edge (which relation) each entry of an adjacency is; `W` holds the numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeKinds<W = Arc<Vec<u32>>> {
    /// Below `n_kinds`, in the order of the entries.
    pub of_entry: W,
    pub n_kinds: usize,
}

impl<W> EdgeKinds<W> {
    /// The same with its numbers held in another way.
    pub fn held_as<V: From<W>>(self) -> EdgeKinds<V> {
        EdgeKinds { of_entry: self.of_entry.into(), n_kinds: self.n_kinds }
    }
}

/// Which type each node is of, and which types the kinds of edges join.
#[derive(Debug, Clone)]
pub struct NodeTypes {
    pub of_node: Arc<Vec<u32>>,
    pub n_types: usize,
    /// By kind of edge: the type it leads from and the type it leads to.
    pub relations: Arc<Vec<[u32; 2]>>,
}

/// What the edges of a graph were in the one that a pooling made it of.
#[derive(Debug, Clone)]
pub(crate) enum Remaining {
    /// One entry there for each here.
    Kept(Arc<Vec<u32>>),
    /// A list of entries there for each here.
    Merged(Arc<Csr>),
}

/// Which nodes of the graph before the nodes of a pooled one were.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// One there for each here.
    Kept(Arc<Vec<u32>>),
    /// A list of nodes there for each here; each is in one.
    Merged(Arc<Csr>),
}

/// The sparse graph of one level: adjacency of all graphs of the batch and their boundaries.
#[derive(Debug, Clone)]
pub struct SparseGraph {
    pub adjacency: Arc<Csr>,
    /// The transpose; the same `Arc` where the graph is symmetric.
    pub transpose: Arc<Csr>,
    /// Graph `g` has the rows `graph_offsets[g] .. graph_offsets[g + 1]`: `[n_graphs + 1]`.
    pub graph_offsets: Arc<Vec<u32>>,
    /// Of each entry of `adjacency`, where the data names kinds and the batch was asked for them.
    pub kinds: Option<EdgeKinds>,
    /// Types of the nodes, where the data has several and they are those of the input.
    pub types: Option<NodeTypes>,
    /// Where a pooling made this graph out of another one: what each entry of `adjacency` was there.
    pub(crate) remaining: Option<Remaining>,
    /// The same of its nodes.
    pub(crate) origin: Option<Origin>,
    /// Functions of the degrees, computed by the first kernel that asks.
    pub(crate) degrees: crate::kernels::DegreeCache,
    /// Maps between edges and nodes, computed by the first program that asks.
    pub(crate) maps: crate::kernels::program::MapCache,
    /// The graph cut into its relations and into its types of nodes, by the first stage that asks.
    pub(crate) parts: super::parts::PartsCache,
    /// Where its graphs are those of a data set as they are: what follows from each alone. Whatever changes edges has none.
    pub(crate) of_data: Option<super::per_graph::OfData>,
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
            kinds: None,
            types: None,
            remaining: None,
            origin: None,
            degrees: Default::default(),
            maps: Default::default(),
            parts: Default::default(),
            of_data: None,
            #[cfg(feature = "cuda")]
            on_device: Default::default(),
        }
    }
    /// The same as a selection from another graph: `remaining` has the entry there for each entry of `adjacency`, `nodes` the
    /// node there for each node.
    #[must_use]
    pub(crate) fn selected(self, remaining: Arc<Vec<u32>>, nodes: Arc<Vec<u32>>) -> Self {
        Self { remaining: Some(Remaining::Kept(remaining)), origin: Some(Origin::Kept(nodes)), ..self }
    }
    /// The same as nodes kept of another graph, which are joined anew.
    #[must_use]
    pub(crate) fn kept(self, nodes: Arc<Vec<u32>>) -> Self {
        Self { origin: Some(Origin::Kept(nodes)), ..self }
    }
    /// The same as a graph whose nodes were several of another one: `entries` lists the entries there for each entry of
    /// `adjacency`, `members` the nodes there for each node.
    #[must_use]
    pub(crate) fn merged(self, entries: Arc<Csr>, members: Arc<Csr>) -> Self {
        Self { remaining: Some(Remaining::Merged(entries)), origin: Some(Origin::Merged(members)), ..self }
    }
    /// The same nodes without some of the edges: each goes with probability `p`, its reverse and parallel edges with it. Which
    /// ones follows from `seed`.
    #[must_use]
    pub(crate) fn without_edges(&self, p: f64, seed: u64) -> Self {
        let before = &self.adjacency;
        let mut offsets = Vec::with_capacity(before.offsets.len());
        let (mut indices, mut entries) = (Vec::new(), Vec::new());
        offsets.push(0);
        for row in 0..before.n_rows() {
            for (entry, &col) in (before.offsets[row]..).zip(before.row(row)) {
                let ends = (row as u64).min(u64::from(col)) << 32 | (row as u64).max(u64::from(col));
                // The upper 53 bits are a number in [0, 1).
                let drawn = (mixed(seed ^ mixed(ends)) >> 11) as f64 / (1u64 << 53) as f64;
                if drawn >= p {
                    indices.push(col);
                    entries.push(entry);
                }
            }
            offsets.push(indices.len() as u32);
        }
        let adjacency = Arc::new(Csr { offsets, indices, n_cols: before.n_cols });
        let transpose = match Arc::ptr_eq(&self.adjacency, &self.transpose) {
            true => adjacency.clone(),
            false => Arc::new(adjacency.transpose()),
        };
        let kinds = self.kinds.as_ref().map(|EdgeKinds { of_entry, n_kinds }| EdgeKinds {
            of_entry: Arc::new(entries.iter().map(|&entry| of_entry[entry as usize]).collect()),
            n_kinds: *n_kinds,
        });
        let origin = self.origin.clone();
        let remaining = Some(Remaining::Kept(Arc::new(entries)));
        let left = Self::new(adjacency, transpose, self.graph_offsets.clone()).with_kinds(kinds);
        Self { remaining, origin, types: self.types.clone(), ..left }
    }
    /// The same graph as one without edges that have gone, for values of its edges that follow.
    #[must_use]
    pub(crate) fn with_all_edges(&self) -> Self {
        let all = (0..self.n_edges() as u32).collect();
        Self { remaining: Some(Remaining::Kept(Arc::new(all))), ..self.clone() }
    }
    /// The entries before of what a selection has left.
    #[cfg(test)]
    pub(crate) fn entries_before(&self) -> Option<&[u32]> {
        match &self.remaining {
            Some(Remaining::Kept(entries)) => Some(entries),
            _ => None,
        }
    }
    /// What [`SparseGraph::merged`] was given.
    #[cfg(test)]
    pub(crate) fn merged_entries(&self) -> Option<&Csr> {
        match &self.remaining {
            Some(Remaining::Merged(entries)) => Some(entries),
            _ => None,
        }
    }
    /// The same with the kind of each entry of `adjacency`.
    ///
    /// # Panics
    /// Where there is not one kind for every entry.
    #[must_use]
    pub fn with_kinds(self, kinds: Option<EdgeKinds>) -> Self {
        let fits = |kinds: &EdgeKinds| kinds.of_entry.len() == self.adjacency.n_entries();
        assert!(kinds.as_ref().is_none_or(fits), "a kind for every entry");
        Self { kinds, ..self }
    }
    /// The same with the type of each node.
    #[must_use]
    pub fn with_types(self, types: Option<NodeTypes>) -> Self {
        Self { types, ..self }
    }
    pub fn n_nodes(&self) -> usize {
        self.adjacency.n_rows()
    }
    pub fn n_graphs(&self) -> usize {
        self.graph_offsets.len() - 1
    }
    /// Directed edges, parallel ones and self-loops among them.
    pub fn n_edges(&self) -> usize {
        self.adjacency.n_entries()
    }
}
