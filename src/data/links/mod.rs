//! Links: the pairs of nodes that tasks on links are about, parted from the edges that pass messages.
//!
//! A link is what an edge and its reverse are together, or of data with a direction each edge. Parallel edges of one kind are one
//! link; an edge from a node to itself is one only where edges have kinds.

mod negatives;

pub use negatives::Sampler;

use super::{Dataset, PartedBy, Split, Targets};
use crate::files::Array;
use crate::kernels::graph::{Csr, EdgeKinds, SparseGraph};
use crate::types::{TargetKind, Task};
use std::sync::Arc;

/// Of an entry that belongs to no link: an edge from a node to itself.
const NONE: u32 = u32::MAX;

/// The links of a data set, in the order of its edges: by the second end, then by the first, then by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// First and second end of each: where it leads from and to, or the lower and the higher node.
    pub ends: Vec<[u32; 2]>,
    /// The kind of each; empty where there are none.
    pub kinds: Vec<u32>,
    /// How many kinds of edges there are, those of added reverses among them.
    pub n_kinds: usize,
    /// The link that each entry of the adjacency belongs to.
    of_entry: Vec<u32>,
    /// Whether a link leads from one end to the other.
    pub is_directed: bool,
    /// The kind of the reverses of the first relation, where those of each have a kind of their own, in the same order.
    pub first_reverse: Option<u32>,
    /// Nodes of the first of two parts, between which all links are; 0 where there are none.
    pub n_left: usize,
    pub n_nodes: usize,
}

/// How many links a data set has: [`Links::of`] without making them.
pub fn count(data: &Dataset) -> usize {
    let mut n_links = 0;
    each_first(data, |_, _, is_new| n_links += usize::from(is_new));
    n_links
}

/// Whether a link leads from one end to the other.
pub fn are_directed(data: &Dataset) -> bool {
    !data.is_symmetric() || data.n_own_kinds.is_some()
}

/// Goes over the entries that stand for a link themselves and not as the reverse of another: entry, row, and whether the link is
/// another than that of the entry before.
fn each_first(data: &Dataset, mut f: impl FnMut(usize, usize, bool)) {
    let (csr, kinds) = (&data.adjacency, data.edge_kinds.as_ref());
    let is_directed = are_directed(data);
    let n_own = data.n_own_kinds.unwrap_or(usize::MAX);
    let kind_of = |entry: usize| kinds.map_or(0, |kinds| kinds.of_entry[entry]);
    for row in 0..csr.n_rows() {
        let mut last = None;
        for entry in csr.offsets[row] as usize..csr.offsets[row + 1] as usize {
            let (source, kind) = (csr.indices[entry] as usize, kind_of(entry));
            let is_first = match is_directed {
                true => (kind as usize) < n_own && (source != row || kinds.is_some()),
                false => source < row || (source == row && kinds.is_some()),
            };
            if is_first {
                f(entry, row, last != Some((source, kind)));
                last = Some((source, kind));
            }
        }
    }
}

impl Links {
    pub fn of(data: &Dataset) -> Self {
        let (csr, kinds) = (&data.adjacency, data.edge_kinds.as_ref());
        let mut links = Self {
            ends: Vec::new(),
            kinds: Vec::new(),
            n_kinds: data.n_edge_kinds(),
            of_entry: vec![NONE; csr.n_entries()],
            is_directed: are_directed(data),
            first_reverse: data
                .n_own_kinds
                .filter(|&n_own| n_own > 0 && 2 * n_own == data.n_edge_kinds())
                .map(|n_own| n_own as u32),
            n_left: data.n_left,
            n_nodes: data.n_nodes(),
        };
        each_first(data, |entry, row, is_new| {
            if is_new {
                links.ends.push([csr.indices[entry], row as u32]);
                links.kinds.extend(kinds.map(|kinds| kinds.of_entry[entry]));
            }
            links.of_entry[entry] = (links.ends.len() - 1) as u32;
        });
        // The reverses belong to the links of their edges.
        let n_own = data.n_own_kinds.unwrap_or(0) as u32;
        for row in 0..csr.n_rows() {
            for entry in csr.offsets[row] as usize..csr.offsets[row + 1] as usize {
                if links.of_entry[entry] == NONE {
                    let kind = kinds.map_or(0, |kinds| kinds.of_entry[entry]);
                    let kind = if links.is_directed { kind.wrapping_sub(n_own) } else { kind };
                    let (first, second) = (row as u32, csr.indices[entry]);
                    if let Some(link) = links.place_of(csr, kinds, first, second, kind) {
                        links.of_entry[entry] = link;
                    }
                }
            }
        }
        links
    }

    /// The link of the entry from `first` to `second` of a kind.
    fn place_of(
        &self,
        csr: &Csr<Array<u32>>,
        kinds: Option<&EdgeKinds<Array<u32>>>,
        first: u32,
        second: u32,
        kind: u32,
    ) -> Option<u32> {
        let start = csr.offsets[second as usize] as usize;
        let row = csr.row(second as usize);
        let key = |place: usize| (row[place], kinds.map_or(0, |kinds| kinds.of_entry[start + place]));
        let (mut low, mut high) = (0, row.len());
        while low < high {
            let middle = (low + high) / 2;
            if key(middle) < (first, kind) { low = middle + 1 } else { high = middle }
        }
        (low < row.len() && key(low) == (first, kind))
            .then(|| self.of_entry[start + low])
            .filter(|&link| link != NONE)
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The kind of a link; 0 where there are none.
    pub fn kind(&self, link: u32) -> u32 {
        self.kinds.get(link as usize).copied().unwrap_or(0)
    }

    /// The link between two nodes of a kind, in this direction where links have one.
    pub fn find(&self, data: &Dataset, first: u32, second: u32, kind: u32) -> Option<u32> {
        let (first, second) =
            if self.is_directed { (first, second) } else { (first.min(second), first.max(second)) };
        self.place_of(&data.adjacency, data.edge_kinds.as_ref(), first, second, kind)
    }

    /// The graph of those edges whose links pass messages, with the entries of the whole one that they are. Edges from a node to itself
    /// stay.
    ///
    /// # Panics
    /// Where `passes` does not speak of every link.
    pub fn messages(&self, data: &Dataset, passes: &[bool]) -> (SparseGraph, Vec<u32>) {
        assert_eq!(passes.len(), self.len(), "one for every link");
        let before = &data.adjacency;
        let mut offsets = Vec::with_capacity(before.offsets.len());
        let (mut indices, mut entries) = (Vec::new(), Vec::new());
        offsets.push(0);
        for row in 0..before.n_rows() {
            for entry in before.offsets[row]..before.offsets[row + 1] {
                let link = self.of_entry[entry as usize];
                if link == NONE || passes[link as usize] {
                    indices.push(before.indices[entry as usize]);
                    entries.push(entry);
                }
            }
            offsets.push(indices.len() as u32);
        }
        let adjacency = Arc::new(Csr { offsets, indices, n_cols: before.n_cols });
        let transpose = if data.is_symmetric() { adjacency.clone() } else { Arc::new(adjacency.transpose()) };
        let kinds = data.edge_kinds.as_ref().map(|EdgeKinds { of_entry, n_kinds }| EdgeKinds {
            of_entry: Arc::new(entries.iter().map(|&entry| of_entry[entry as usize]).collect()),
            n_kinds: *n_kinds,
        });
        let graph = SparseGraph::new(adjacency, transpose, Arc::new(data.node_offsets.to_vec()));
        (graph.with_kinds(kinds), entries)
    }

    /// [`pairs`] of these nodes and kinds.
    pub fn pairs(
        &self,
        ends: &[[u32; 2]],
        kinds: &[u32],
        offsets: &Arc<Vec<u32>>,
    ) -> (SparseGraph, Vec<u32>) {
        pairs(self.n_nodes, self.n_kinds, ends, kinds, offsets)
    }

    /// The nodes that can stand at an end of a link: `0` for the first, `1` for the second.
    pub fn nodes_at(&self, end: usize) -> std::ops::Range<u32> {
        let (n_left, n_nodes) = (self.n_left as u32, self.n_nodes as u32);
        match (n_left, end) {
            (0, _) => 0..n_nodes,
            (_, 0) => 0..n_left,
            _ => n_left..n_nodes,
        }
    }
}

/// Pairs of nodes with their kinds as a graph whose edges lead from the first end to the second, and the pair that each of its entries
/// is. `kinds` may be empty where there are none.
pub fn pairs(
    n_nodes: usize,
    n_kinds: usize,
    ends: &[[u32; 2]],
    kinds: &[u32],
    offsets: &Arc<Vec<u32>>,
) -> (SparseGraph, Vec<u32>) {
    let edges: Vec<(u32, u32)> = ends.iter().map(|&[first, second]| (first, second)).collect();
    let kinds = (n_kinds > 0).then(|| EdgeKinds { of_entry: Arc::new(kinds.to_vec()), n_kinds });
    let (csr, order) = Csr::from_edges_with_order(n_nodes, &edges, kinds.as_ref());
    let transpose = csr.transpose();
    let kinds = kinds.map(|EdgeKinds { of_entry, n_kinds }| EdgeKinds {
        of_entry: Arc::new(order.iter().map(|&pair| of_entry[pair as usize]).collect()),
        n_kinds,
    });
    let graph = SparseGraph::new(Arc::new(csr), Arc::new(transpose), offsets.clone());
    (graph.with_kinds(kinds), order)
}

impl Dataset {
    /// The same as a task sees it that need not be the data's own.
    #[must_use]
    pub fn for_task(mut self, task: Task) -> Self {
        self.take_up(task);
        self
    }

    /// Has itself ready for a task that need not be its own: of a task on links the items are its links, of one on edges its edges, and
    /// one that learns vectors reads no targets.
    pub fn take_up(&mut self, task: Task) {
        match task.kind {
            TargetKind::Links => self.make_links(),
            TargetKind::Embedding => self.put_targets_aside(task),
            _ if task.is_of_edges() => self.make_edge_items(task, false),
            _ => {}
        }
    }

    /// Has its links ready as the items of a task on links, where they are not.
    pub fn make_links(&mut self) {
        if self.links.is_none() {
            self.set_links(None);
        }
    }

    /// With its links as the items, and a split of them that comes with the data.
    pub fn set_links(&mut self, split: Option<Split>) {
        let links = Links::of(self);
        self.task = Task::from_name("link_prediction");
        self.targets = Targets::Classes(vec![0; links.len()]);
        self.class_names = vec!["link".to_owned()];
        self.fixed_split = split;
        // Those were of graphs or nodes.
        self.parted_by = PartedBy::default();
        self.links = Some(Arc::new(links));
        self.edge_items = None;
    }
}

#[cfg(test)]
mod tests;
