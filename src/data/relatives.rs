//! Graphs that are relatives of each other, for protocols that keep them on one side: copies, and molecules with one scaffold.

use super::report::copies;
use super::{Columns, Dataset, DatasetParts, Features, SparseRows, Targets, Vocabulary};
use crate::files::Array;
use crate::kernels::graph::EdgeKinds;
use std::ops::Range;
use std::sync::Arc;

/// The group of each graph: graphs that are the same, but for the numbering of their nodes.
pub fn copies(data: &Dataset) -> Vec<u32> {
    copies::Alike::of(data).first_of
}

/// The group of each graph: molecules with the same scaffold. Molecules without a ring have none, and are one group.
pub fn scaffolds(data: &Dataset) -> Vec<u32> {
    copies(&scaffolds_of(data))
}

/// The scaffold of each graph, after Bemis and Murcko 1996: what is left when nodes with one neighbour are taken away
/// until there are none. Nodes and edges keep their labels, and no numbers: these say where an atom lies, not what it is.
fn scaffolds_of(data: &Dataset) -> Dataset {
    let n_nodes = data.n_nodes();
    let neighbours = |node: usize| {
        let mut all: Vec<u32> = data.adjacency.row(node).to_vec();
        all.extend(data.reverse.iter().flat_map(|reverse| reverse.row(node)));
        all.retain(|&other| other as usize != node);
        all.sort_unstable();
        all.dedup();
        all
    };
    let mut degrees: Vec<usize> = (0..n_nodes).map(|node| neighbours(node).len()).collect();
    let mut is_kept = vec![true; n_nodes];
    let mut ends: Vec<usize> = (0..n_nodes).filter(|&node| degrees[node] <= 1).collect();
    while let Some(node) = ends.pop() {
        if !std::mem::replace(&mut is_kept[node], false) {
            continue;
        }
        for other in neighbours(node).into_iter().map(|other| other as usize).filter(|&other| is_kept[other])
        {
            degrees[other] -= 1;
            if degrees[other] <= 1 {
                ends.push(other);
            }
        }
    }
    let mut place = vec![u32::MAX; n_nodes];
    let (mut kept, mut node_offsets) = (Vec::new(), vec![0]);
    for graph in 0..data.n_graphs() {
        for node in data.graph_nodes(graph).filter(|&node| is_kept[node]) {
            place[node] = kept.len() as u32;
            kept.push(node as u32);
        }
        node_offsets.push(kept.len() as u32);
    }
    let (mut edges, mut entries) = (Vec::new(), Vec::new());
    for node in (0..n_nodes).filter(|&node| is_kept[node]) {
        for entry in data.adjacency.offsets[node]..data.adjacency.offsets[node + 1] {
            let source = data.adjacency.indices[entry as usize] as usize;
            if is_kept[source] && source != node {
                edges.push((place[source], place[node]));
                entries.push(entry);
            }
        }
    }
    let of_entries = |kinds: &EdgeKinds<Array<u32>>| EdgeKinds {
        of_entry: Arc::new(entries.iter().map(|&entry| kinds.of_entry[entry as usize]).collect()),
        n_kinds: kinds.n_kinds,
    };
    let edge_labels = label_columns(&data.vocabulary.edge_columns);
    let edge_features = data.edge_features.as_ref().map(|features| labels(features, &edge_labels, &entries));
    Dataset::new(DatasetParts {
        name: data.name.clone(),
        task: data.task,
        features: labels(&data.features, &label_columns(&data.vocabulary.columns), &kept),
        node_offsets,
        edge_features: edge_features.filter(|_| !entries.is_empty()),
        edge_kinds: data.edge_kinds.as_ref().map(of_entries).filter(|_| !entries.is_empty()),
        edges,
        targets: Targets::None,
        class_names: Vec::new(),
        fixed_split: None,
        graph_ids: data.graph_ids.to_vec(),
        vocabulary: Vocabulary::default(),
    })
}

/// Where the columns lie that stand for kinds.
fn label_columns(blocks: &[Columns]) -> Vec<Range<u32>> {
    let mut start = 0;
    let mut labels = Vec::new();
    for block in blocks {
        let end = start + block.width() as u32;
        if matches!(block, Columns::Labels { .. } | Columns::Categories { .. }) {
            labels.push(start..end);
        }
        start = end;
    }
    labels
}

/// These columns of these rows.
fn labels(features: &Features, columns: &[Range<u32>], rows: &[u32]) -> Features {
    let mut picked = SparseRows::new(features.width());
    for &row in rows {
        let mut entries = Vec::new();
        features.each_of_row(row as usize, |column, value| {
            if columns.iter().any(|range| range.contains(&column)) {
                entries.push((column, value));
            }
        });
        picked.push_row(entries.into_iter());
    }
    Features::Sparse(picked)
}

#[cfg(test)]
mod tests;
