//! The index maps of a batch as arrays.

use crate::kernels::graph::{Csr, EdgeKinds, SparseGraph};
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

/// The maps of a sparse graph or of pairs of clusters; each is computed by the first program that asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct MapCache(Arc<Lazy>);

#[derive(Debug, Default)]
struct Lazy {
    targets: OnceLock<Vec<u32>>,
    sources: OnceLock<Vec<u32>>,
    entries: OnceLock<Vec<u32>>,
    graph_of: OnceLock<Vec<u32>>,
    alike: OnceLock<Groups>,
    has_loops: OnceLock<bool>,
}

/// Entries in groups: those of group `t` are `entries[offsets[t] .. offsets[t + 1]]`, ascending.
#[derive(Debug)]
pub(super) struct Groups {
    pub offsets: Vec<u32>,
    pub entries: Vec<u32>,
}

/// The row of each entry.
fn rows_of(offsets: &[u32]) -> Vec<u32> {
    let mut rows = Vec::with_capacity(offsets.last().map_or(0, |&end| end as usize));
    for (row, pair) in offsets.windows(2).enumerate() {
        rows.resize(pair[1] as usize, row as u32);
        debug_assert!(pair[0] <= pair[1]);
    }
    rows
}

/// What a program runs on.
#[derive(Clone)]
pub(crate) struct Topology {
    /// Graph `g` has the rows `offsets[g] .. offsets[g + 1]`.
    pub offsets: Arc<Vec<u32>>,
    adjacency: Option<[Arc<Csr>; 2]>,
    kinds: Option<EdgeKinds>,
    cache: MapCache,
}

impl Topology {
    pub fn sparse(graph: &SparseGraph) -> Self {
        Self {
            offsets: graph.graph_offsets.clone(),
            adjacency: Some([graph.adjacency.clone(), graph.transpose.clone()]),
            kinds: graph.kinds.clone(),
            cache: graph.maps.clone(),
        }
    }

    /// The same with the kinds of the edges.
    pub fn with_kinds(self, kinds: Option<EdgeKinds>) -> Self {
        Self { kinds: kinds.or(self.kinds), ..self }
    }

    /// Rows of graphs without edges.
    pub fn rows(offsets: Arc<Vec<u32>>) -> Self {
        Self { offsets, adjacency: None, kinds: None, cache: MapCache::default() }
    }

    /// All pairs of the `k` rows of each graph: entry `(g k + i) k + j` leads from row `g k + j` to row `g k + i`.
    pub fn pairs(n_graphs: usize, k: usize) -> Self {
        thread_local! {
            /// Batches of one run are mostly alike.
            static LAST: RefCell<Option<(usize, usize, Topology)>> = const { RefCell::new(None) };
        }
        let known = LAST.with_borrow(|last| {
            last.as_ref().filter(|last| (last.0, last.1) == (n_graphs, k)).map(|last| last.2.clone())
        });
        if let Some(known) = known {
            return known;
        }
        let n_rows = n_graphs * k;
        let offsets = (0..=n_rows).map(|row| (row * k) as u32).collect();
        let indices =
            (0..n_rows).flat_map(|row| (row / k.max(1) * k..(row / k.max(1) + 1) * k).map(|j| j as u32));
        let csr = Arc::new(Csr { offsets, indices: indices.collect(), n_cols: n_rows });
        let graphs = (0..=n_graphs).map(|graph| (graph * k) as u32).collect();
        let pairs = Self {
            offsets: Arc::new(graphs),
            adjacency: Some([csr.clone(), csr]),
            kinds: None,
            cache: MapCache::default(),
        };
        LAST.set(Some((n_graphs, k, pairs.clone())));
        pairs
    }

    pub fn n_rows(&self) -> usize {
        self.offsets.last().map_or(0, |&end| end as usize)
    }
    pub fn n_graphs(&self) -> usize {
        self.offsets.len() - 1
    }
    pub fn n_edges(&self) -> usize {
        self.adjacency.as_ref().map_or(0, |[csr, _]| csr.n_entries())
    }
    fn csr(&self, side: usize) -> &Csr {
        &self.adjacency.as_ref().expect("the stage works on a level with edges")[side]
    }
    /// Of rows in entries.
    pub fn target_offsets(&self) -> &[u32] {
        &self.csr(0).offsets
    }
    /// The source of each entry.
    pub fn sources(&self) -> &[u32] {
        &self.csr(0).indices
    }
    /// The target of each entry.
    pub fn targets(&self) -> &[u32] {
        self.cache.0.targets.get_or_init(|| rows_of(&self.csr(0).offsets))
    }
    /// Of rows in entries of the transpose.
    pub fn source_offsets(&self) -> &[u32] {
        &self.csr(1).offsets
    }
    /// The target of each entry of the transpose.
    pub fn turned_targets(&self) -> &[u32] {
        &self.csr(1).indices
    }
    /// The source of each entry of the transpose.
    pub fn turned_sources(&self) -> &[u32] {
        self.cache.0.sources.get_or_init(|| rows_of(&self.csr(1).offsets))
    }
    /// The entry of each entry of the transpose.
    pub fn turned_entries(&self) -> &[u32] {
        self.cache.0.entries.get_or_init(|| self.csr(0).transpose_entries())
    }
    /// Whether some row has an edge to itself.
    pub fn has_loops(&self) -> bool {
        let is_loop = |(target, source): (&u32, &u32)| target == source;
        *self.cache.0.has_loops.get_or_init(|| self.targets().iter().zip(self.sources()).any(is_loop))
    }
    /// The graph of each row.
    pub fn graph_of(&self) -> &[u32] {
        self.cache.0.graph_of.get_or_init(|| rows_of(&self.offsets))
    }
    /// The kind of each entry, where edges have kinds.
    pub(super) fn kinds(&self) -> Option<&[u32]> {
        self.kinds.as_ref().map(|kinds| &kinds.of_entry[..])
    }
    /// Entries in groups of those of one kind that lead to the same row.
    pub(super) fn alike(&self) -> &Groups {
        self.cache.0.alike.get_or_init(|| {
            let kinds = &self.kinds.as_ref().expect("the stage reads the kinds of edges").of_entry;
            let mut entries: Vec<u32> = (0..kinds.len() as u32).collect();
            let mut offsets = vec![0];
            for pair in self.target_offsets().windows(2) {
                let row = &mut entries[pair[0] as usize..pair[1] as usize];
                row.sort_by_key(|&entry| kinds[entry as usize]);
                let groups = row.chunk_by(|&a, &b| kinds[a as usize] == kinds[b as usize]);
                offsets.extend(groups.scan(pair[0], |end, group| {
                    *end += group.len() as u32;
                    Some(*end)
                }));
            }
            Groups { offsets, entries }
        })
    }
}
