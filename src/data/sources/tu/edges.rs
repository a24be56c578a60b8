//! `NAME_A.txt`: the edges.

use crate::data::DataError;
use crate::data::scan::{FileName, Text};

/// The first row at fault, with its ends as written.
#[derive(Debug, Clone, Copy)]
struct Wrong {
    row: usize,
    ends: [u32; 2],
}

/// Directed edges (source, target) from 0 with both ends in one graph, as the file has them: line `i` is edge `i`.
///
/// # Errors
/// Where a number is no node, or an edge joins two graphs.
pub fn read(text: Text, graph_of: &[u32], node_offsets: &[u32]) -> Result<Vec<(u32, u32)>, DataError> {
    let name = text.name.clone();
    let n_nodes = graph_of.len();
    // An edge takes eight bytes here and about as many in the file; what is not touched takes no memory.
    let mut edges = Vec::with_capacity(text.rows_of(8));
    let mut wrong: Option<Wrong> = None;
    let n_rows = text.pairs("two node numbers, `source, target`", |row, source, target| {
        // Node 0 wraps to the largest number, so one comparison finds both ends of the range.
        let (from, to) = (source.wrapping_sub(1), target.wrapping_sub(1));
        let is_right = (from as usize) < n_nodes
            && (to as usize) < n_nodes
            && graph_of[from as usize] == graph_of[to as usize];
        if !is_right && wrong.is_none() {
            wrong = Some(Wrong { row, ends: [source, target] });
        }
        edges.push((from, to));
        Ok(())
    });
    let n_rows = n_rows.map_err(|error| match error.code {
        "data::ragged" => error.help(
            "a line is `source, target`; what an edge carries (a weight, a label) belongs in NAME_edge_attributes.txt \
             or NAME_edge_labels.txt, on the line of the same number",
        ),
        _ => error,
    })?;
    if u32::try_from(n_rows).is_err() {
        return Err(name.whole("data::too_large", "more than 4294967295 edges").help("split the data set"));
    }
    // Numbers of all nodes reach beyond the largest graph, so this looks at few files more closely.
    if let Some(error) = restarting(&name, &edges, node_offsets) {
        return Err(error);
    }
    match wrong {
        Some(wrong) => Err(misnumbered(&name, wrong, &edges, graph_of)),
        None => Ok(edges),
    }
}

/// What is wrong with the numbers as a whole; the first row at fault would often have another name.
#[cold]
fn misnumbered(name: &FileName, wrong: Wrong, pairs: &[(u32, u32)], graph_of: &[u32]) -> DataError {
    let n_nodes = graph_of.len();
    let Wrong { row, ends } = wrong;
    let node = ends[0].max(ends[1]);
    if node as usize > n_nodes {
        return name
            .error("data::out_of_range", row, format!("node {node} is not one of 1 to {n_nodes}"))
            .help(format!(
                "the graph indicator has {n_nodes} lines, one per node: correct the edge, or add the node there"
            ));
    }
    let written = || pairs.iter().flat_map(|&(from, to)| [from.wrapping_add(1), to.wrapping_add(1)]);
    // Numbered from 0, edges are refused at the first 0 or at the first end that falls into the next graph.
    let is_from_zero = written().any(|end| end == 0) && written().all(|end| (end as usize) < n_nodes);
    if is_from_zero {
        return name
            .error("data::out_of_range", row, format!("node 0 is not one of 1 to {n_nodes}"))
            .help("nodes are numbered from 1 over the whole data set: add 1 to every number of this file");
    }
    if ends.contains(&0) {
        return name
            .error("data::out_of_range", row, format!("node 0 is not one of 1 to {n_nodes}"))
            .help("nodes are numbered from 1 over the whole data set: correct the edge");
    }
    let [a, b] = ends.map(|end| graph_of[end as usize - 1] + 1);
    name.error(
        "data::edge_between_graphs",
        row,
        format!("the edge {}, {} joins graph {a} and graph {b}", ends[0], ends[1]),
    )
    .help("both ends of an edge belong to one graph: correct the edge, or the graph indicator")
}

/// Numbers that begin anew in every graph: none is larger than the largest graph, and the same line stands there for
/// several graphs. Where the first graph is the largest, no edge leads out of it, and all others would lose theirs.
fn restarting(name: &FileName, pairs: &[(u32, u32)], node_offsets: &[u32]) -> Option<DataError> {
    let largest = node_offsets.windows(2).map(|pair| pair[1] - pair[0]).max()?;
    let n_nodes = *node_offsets.last()?;
    let ends = || pairs.iter().flat_map(|&(from, to)| [from.wrapping_add(1), to.wrapping_add(1)]);
    if largest == n_nodes || ends().any(|end| end > largest) {
        return None;
    }
    // Parallel edges that stand beside each other are no sign of a second graph.
    let mut sorted = pairs.to_vec();
    sorted.dedup();
    sorted.sort_unstable();
    if sorted.windows(2).all(|pair| pair[0] != pair[1]) {
        return None;
    }
    let from_zero = if ends().any(|end| end == 0) { ", and 1" } else { "" };
    Some(
        name.whole(
            "data::numbers_restart",
            format!(
                "the node numbers seem to start over in every graph: none is above {largest}, the size of \
                 the largest graph"
            ),
        )
        .help(format!(
            "nodes are numbered from 1 to {n_nodes} over the whole data set: add to the numbers of each graph the \
             number of nodes of all graphs before it{from_zero}"
        )),
    )
}
