//! Edges as items: what tasks on edges are about.
//!
//! Where every edge has its reverse and both have the same target, the two are one item, and which end comes first means nothing; else
//! each directed edge is one. Parallel edges are items of their own. Edges that an option of the source added and that have no target,
//! as self-loops, are none.

use super::dataset::Targets;
use super::{Dataset, DatasetParts, GraphBatch, Split, links};
use crate::files::Array;
use crate::kernels::graph::Csr;
use crate::types::{Entity, Task};
use std::sync::Arc;

/// The row of an edge that has no target.
pub const NO_ROW: u32 = u32::MAX;

/// The edges of a data set that have targets, graph by graph, in the order of the adjacency: by the second end, then by the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeItems {
    /// First and second end of each: where it leads from and to, or the lower and the higher node.
    pub ends: Array<[u32; 2]>,
    /// The entries of the adjacency that each is: that of the edge and that of its reverse, twice the same where there is one alone.
    pub entries: Array<[u32; 2]>,
    /// `[n_graphs + 1]`, where the items of each graph begin.
    pub offsets: Array<u32>,
    /// Whether an item leads from one end to the other.
    pub is_directed: bool,
}

impl EdgeItems {
    /// The items of edges with targets in these rows, one for each entry.
    fn of(adjacency: &Csr<Array<u32>>, node_offsets: &[u32], rows: &[u32], targets: &Targets) -> Self {
        let reverses = reverses(adjacency, rows, targets);
        let (mut ends, mut entries, mut offsets) = (Vec::new(), Vec::new(), vec![0]);
        for nodes in node_offsets.windows(2) {
            for second in nodes[0]..nodes[1] {
                let first_entry = adjacency.offsets[second as usize];
                for (entry, &first) in (first_entry..).zip(adjacency.row(second as usize)) {
                    if rows[entry as usize] == NO_ROW || (reverses.is_some() && first > second) {
                        continue;
                    }
                    let reverse = match &reverses {
                        Some(reverses) if first != second => reverses[entry as usize],
                        _ => entry,
                    };
                    ends.push([first, second]);
                    entries.push([entry, reverse]);
                }
            }
            offsets.push(ends.len() as u32);
        }
        Self {
            ends: ends.into(),
            entries: entries.into(),
            offsets: offsets.into(),
            is_directed: reverses.is_none(),
        }
    }

    /// Every edge as an item, whatever is known of it: an edge and its reverse are one where every edge has one, unless edges are to
    /// lead from one end to the other.
    pub fn all(data: &Dataset, is_directed: bool) -> Self {
        let rows: Vec<u32> =
            if is_directed { (0..data.n_edges() as u32).collect() } else { vec![0; data.n_edges()] };
        // Values of which no two are the same tell both directions apart.
        let targets = match is_directed {
            true => Targets::Classes((0..data.n_edges() as i64).collect()),
            false => Targets::None,
        };
        Self::of(&data.adjacency, &data.node_offsets, &rows, &targets)
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The items of a graph.
    pub fn of_graph(&self, graph: usize) -> std::ops::Range<usize> {
        self.offsets[graph] as usize..self.offsets[graph + 1] as usize
    }

    /// The graph that an item lies in.
    pub fn graph_of(&self, item: u32) -> usize {
        self.offsets.partition_point(|&offset| offset <= item) - 1
    }
}

/// The reverse of each entry with the same target, of parallel edges each with one of its own; `None` where some entry has none, so
/// that edges lead from one end to the other.
fn reverses(adjacency: &Csr<Array<u32>>, rows: &[u32], targets: &Targets) -> Option<Vec<u32>> {
    let key = |entry: u32| -> Vec<u64> {
        match (rows[entry as usize], targets) {
            (NO_ROW, _) => vec![0],
            (_, Targets::None) => vec![1],
            (row, Targets::Classes(classes)) => vec![1, classes[row as usize] as u64],
            (row, Targets::Values { values, n_values }) => {
                let of_row = &values[row as usize * n_values..][..*n_values];
                [1].into_iter().chain(of_row.iter().map(|value| u64::from(value.to_bits()))).collect()
            }
        }
    };
    let mut reverses = vec![NO_ROW; rows.len()];
    for target in 0..adjacency.n_rows() {
        let row = adjacency.row(target);
        let mut start = 0;
        while start < row.len() {
            let source = row[start];
            let n = row[start..].iter().take_while(|&&other| other == source).count();
            let place = start;
            start += n;
            if source as usize >= target {
                continue;
            }
            let back = adjacency.row(source as usize);
            let first = back.partition_point(|&other| (other as usize) < target);
            let n_back = back[first..].iter().take_while(|&&other| other as usize == target).count();
            if n != n_back {
                return None;
            }
            let by_target = |start: u32| {
                let mut entries: Vec<u32> = (start..start + n as u32).collect();
                entries.sort_by_key(|&entry| key(entry));
                entries
            };
            let there = by_target(adjacency.offsets[target] + place as u32);
            let back = by_target(adjacency.offsets[source as usize] + first as u32);
            for (&one, &other) in there.iter().zip(&back) {
                if key(one) != key(other) {
                    return None;
                }
                (reverses[one as usize], reverses[other as usize]) = (other, one);
            }
        }
        // An edge from a higher node was met there, or has no reverse.
        let higher = &row[row.partition_point(|&source| source as usize <= target)..];
        let has_reverse =
            |&source: &u32| adjacency.row(source as usize).binary_search(&(target as u32)).is_ok();
        if !higher.iter().all(has_reverse) {
            return None;
        }
    }
    Some(reverses)
}

impl Dataset {
    /// A data set for a task on edges: `rows` has for each of the edges the row of the targets that is its own, or [`NO_ROW`]. A split
    /// is one of rows.
    ///
    /// # Errors
    /// Where an edge and its reverse are one item, and the split has their rows in two parts: the two rows.
    ///
    /// # Panics
    /// As [`Dataset::new`], and where there is no such row.
    pub fn of_edges(mut parts: DatasetParts, rows: &[u32]) -> Result<Self, [u32; 2]> {
        assert_eq!(rows.len(), parts.edges.len(), "a row for every edge");
        let targets = std::mem::replace(&mut parts.targets, Targets::None);
        let split = parts.fixed_split.take();
        let n_nodes = parts.node_offsets.last().map_or(0, |&end| end as usize);
        // The order in which the edges are going to stand.
        let (_, order) = Csr::from_edges_with_order(n_nodes, &parts.edges, parts.edge_kinds.as_ref());
        let rows: Vec<u32> = order.iter().map(|&edge| rows[edge as usize]).collect();
        let mut data = Self::unfinished(parts);
        let items = EdgeItems::of(&data.adjacency, &data.node_offsets, &rows, &targets);
        let rows_of: Vec<[u32; 2]> =
            items.entries.iter().map(|entries| entries.map(|entry| rows[entry as usize])).collect();
        data.targets = match targets {
            Targets::Classes(classes) => {
                Targets::Classes(rows_of.iter().map(|rows| classes[rows[0] as usize]).collect())
            }
            Targets::Values { values, n_values } => {
                let row = |rows: &[u32; 2]| &values[rows[0] as usize * n_values..][..n_values];
                Targets::Values { values: rows_of.iter().flat_map(row).copied().collect(), n_values }
            }
            Targets::None => Targets::None,
        };
        data.fixed_split = split.map(|split| of_items(&split, &rows_of)).transpose()?;
        data.edge_items = Some(Arc::new(items));
        Ok(data.sealed())
    }

    /// Has its edges ready as the items of a task on edges, without targets, where they are not: for predictions.
    pub fn make_edge_items(&mut self, task: Task, is_directed: bool) {
        if self.edge_items.is_none() {
            let items = EdgeItems::all(self, is_directed);
            (self.task, self.targets) = (Some(task), Targets::None);
            (self.fixed_split, self.links) = (None, None);
            self.edge_items = Some(Arc::new(items));
        }
    }

    /// Where the items of each graph begin, of a task whose items are nodes or edges of graphs.
    pub fn item_offsets(&self, task: Task) -> Option<&[u32]> {
        match task.entity {
            Entity::Nodes => Some(&self.node_offsets),
            _ if task.is_of_edges() => self.edge_items.as_ref().map(|items| items.offsets.as_slice()),
            _ => None,
        }
    }

    /// Asks about these edges in a batch of these graphs. Both ascend graph by graph in the order of the batch.
    ///
    /// # Panics
    /// Where the data set was not made for a task on edges, or an item lies in none of the graphs.
    pub fn ask_about_edges(&self, items: &[u32], graphs: &[u32], batch: &mut GraphBatch) {
        let all = self.edge_items.as_ref().expect("a data set with edges as items");
        let mut ends = Vec::with_capacity(items.len());
        let mut lists = Csr { offsets: vec![0], indices: Vec::new(), n_cols: batch.graph.n_edges() };
        let (mut node_base, mut entry_base, mut at) = (0, 0, 0);
        for &graph in graphs {
            let (nodes, edges) = (self.graph_nodes(graph as usize), self.graph_edges(graph as usize));
            let of_graph = all.of_graph(graph as usize);
            while let Some(&item) = items.get(at).filter(|item| of_graph.contains(&(**item as usize))) {
                let moved = |node: u32| node - nodes.start as u32 + node_base;
                ends.push(all.ends[item as usize].map(moved));
                let [entry, reverse] = all.entries[item as usize];
                for entry in [Some(entry), (reverse != entry).then_some(reverse)].into_iter().flatten() {
                    lists.indices.push(entry - edges.start as u32 + entry_base);
                }
                lists.offsets.push(lists.indices.len() as u32);
                at += 1;
            }
            node_base += nodes.len() as u32;
            entry_base += edges.len() as u32;
        }
        assert_eq!(at, items.len(), "every item lies in one of the graphs");
        let (pairs, order) = links::pairs(batch.graph.n_nodes(), 0, &ends, &[], &batch.graph.graph_offsets);
        debug_assert!(order.is_sorted(), "items stand in the order of their ends");
        (batch.pairs, batch.pair_edges) = (Some(Arc::new(pairs)), Some(Arc::new(lists)));
    }
}

/// A split of rows as one of the items that they belong to.
fn of_items(split: &Split, rows_of: &[[u32; 2]]) -> Result<Split, [u32; 2]> {
    let n_rows = rows_of.iter().flatten().max().map_or(0, |&last| last as usize + 1);
    let mut part_of = vec![3u8; n_rows];
    for (part, rows) in (0u8..).zip([&split.train, &split.validation, &split.test]) {
        rows.iter().filter(|row| (**row as usize) < n_rows).for_each(|&row| part_of[row as usize] = part);
    }
    let mut parts: [Vec<u32>; 3] = Default::default();
    for (item, rows) in (0u32..).zip(rows_of) {
        let [part, other] = rows.map(|row| part_of[row as usize]);
        if part != other {
            return Err(*rows);
        }
        if let Some(items) = parts.get_mut(part as usize) {
            items.push(item);
        }
    }
    let [train, validation, test] = parts;
    Ok(Split { train, validation, test })
}

#[cfg(test)]
mod tests;
