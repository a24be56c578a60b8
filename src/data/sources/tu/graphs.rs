//! `NAME_graph_indicator.txt`: which graph each node belongs to.

use crate::data::DataError;
use crate::data::scan::{FileName, Text};
use crate::diagnostic::count;

/// The graphs that have nodes.
pub struct Graphs {
    /// The graph of each node, from 0.
    pub graph_of: Vec<u32>,
    /// Where each graph's nodes begin, and where those of the last one end.
    pub node_offsets: Vec<u32>,
    /// The number of each graph, from 1; some are left out where graphs have no nodes.
    pub ids: Vec<u32>,
    /// What is wrong with numbers that leave some out, unless other files have lines for these graphs.
    pub gap: Option<DataError>,
}

/// The graphs by the numbers of their nodes.
///
/// # Errors
/// Where they are not numbered from 1 on, ascending in the order of their nodes.
pub fn read(indicator: Text) -> Result<Graphs, DataError> {
    let name = indicator.name.clone();
    let mut graph_of = indicator.naturals(1, usize::MAX, "the number of the node's graph")?.values;
    if graph_of.is_empty() {
        return Err(name
            .whole("data::empty", "the file is empty, so the data set has no nodes")
            .help("line i holds the number of the graph of node i, from 1"));
    }
    if u32::try_from(graph_of.len()).is_err() {
        return Err(name.whole("data::too_large", "more than 4294967295 nodes").help("split the data set"));
    }
    let mut node_offsets = vec![0u32];
    let mut ids = Vec::new();
    let (mut last, mut has_gap) = (0, false);
    for (node, &graph) in graph_of.iter().enumerate() {
        if graph == last && graph > 0 {
            continue;
        }
        if graph <= last {
            return Err(misnumbered(&name, &graph_of));
        }
        has_gap |= graph != last + 1;
        last = graph;
        ids.push(graph);
        if node > 0 {
            node_offsets.push(node as u32);
        }
    }
    node_offsets.push(graph_of.len() as u32);
    let gap = has_gap.then(|| misnumbered(&name, &graph_of));
    // Places among the graphs that have nodes.
    let mut place = 0;
    for node in 0..graph_of.len() {
        while node >= node_offsets[place + 1] as usize {
            place += 1;
        }
        graph_of[node] = place as u32;
    }
    Ok(Graphs { graph_of, node_offsets, ids, gap })
}

/// What is wrong with the numbers as a whole; the first line at fault would often have another name.
#[cold]
fn misnumbered(name: &FileName, graphs: &[u32]) -> DataError {
    if let Some(node) = graphs.iter().position(|&graph| graph == 0) {
        return name
            .error("data::out_of_range", node, "graph 0 is named, but graphs are numbered from 1")
            .help("add 1 to every number of this file");
    }
    let falls = || (1..graphs.len()).filter(|&node| graphs[node] < graphs[node - 1]);
    if let Some(node) = falls().next() {
        let (graph, before) = (graphs[node], graphs[node - 1]);
        // Sets that were written one after another begin at graph 1 again.
        if graphs[0] == 1 && falls().all(|node| graphs[node] == 1) && rises_by_one(graphs) {
            return name
                .error(
                    "data::graph_order",
                    node,
                    format!("the graph numbers start over: graph 1 comes after graph {before}"),
                )
                .help(format!(
                    "this looks like several data sets in one file: add {before} to the numbers from this line on"
                ));
        }
        return name
            .error(
                "data::graph_order",
                node,
                format!("the nodes are not sorted by graph: graph {graph} comes after graph {before}"),
            )
            .help(
                "the nodes of a graph stand together, and graphs in ascending order: sort the nodes by graph, with \
                 their labels and attributes, and renumber the ends of the edges",
            );
    }
    // Ascending, so a number is missing.
    let mut missing = Vec::new();
    let (mut last, mut first_node) = (0, 0);
    for (node, &graph) in graphs.iter().enumerate() {
        if graph > last + 1 {
            if missing.is_empty() {
                first_node = node;
            }
            missing.push((last + 1, graph - 1));
        }
        last = graph;
    }
    let n_missing: usize = missing.iter().map(|&(from, to)| (to - from + 1) as usize).sum();
    let &(graph, _) = missing.first().expect("the numbers are ascending and not 1, 2, 3, …");
    let place = match graph {
        1 => format!("graph {} comes first", graphs[first_node]),
        _ => format!("graph {} follows graph {}", graphs[first_node], graph - 1),
    };
    let (which, what) = if n_missing == 1 {
        (format!("graph {graph} has no nodes"), format!("drop the label of graph {graph}"))
    } else {
        (
            format!("{} have no nodes, graph {graph} first", count(n_missing, "graph")),
            "drop their labels".to_owned(),
        )
    };
    name.error("data::empty_graph", first_node, format!("{place}: {which}"))
        .help(format!("number the graphs without gaps, and {what}"))
}

/// Whether numbers that do not fall stay or rise by one.
fn rises_by_one(graphs: &[u32]) -> bool {
    graphs.windows(2).all(|pair| pair[1] < pair[0] || pair[1] - pair[0] <= 1)
}
