//! Eigenvectors of the normalised Laplacian of each connected part.
//!
//! An eigenvector is determined up to its sign, several of one eigenvalue up to a rotation among them. `absolute` is what
//! both leave as it is: the root of the mean square of the vectors of an eigenvalue, which is the absolute value of a single
//! one. Renumbering a graph permutes its rows and changes nothing else.

use super::eigen::{self, Links, Pairs};
use super::{Block, Graphs, parts};
use crate::args::BoundCall;
use crate::data::DataError;
use crate::data::columns::Vocabulary;
use crate::diagnostic::count;
use crate::kernels::parallel;
use std::ops::Range;

pub(super) fn compute(
    call: &BoundCall,
    graphs: &Graphs,
    known: Option<&Vocabulary>,
) -> Result<Block, DataError> {
    let (k, signs) = (call.args.int("k") as usize, call.args.choice("signs"));
    let used = graphs.used();
    if known.is_none() {
        let largest = used.iter().map(|nodes| largest_part(graphs, nodes)).max().unwrap_or(0);
        let nodes = count(largest, "node");
        let why = format!("the largest connected part has {nodes}, and one eigenvector is trivial");
        graphs.expect_used(call, k, largest.saturating_sub(1), &why)?;
    }
    let work = graphs.incoming.n_entries().saturating_mul(100 * k);
    let found =
        parallel::map_each(used.len(), work, |graph| of_graph(graphs, &used[graph], k, signs == "absolute"));
    let mut values = vec![0.0; graphs.n_nodes() * k];
    for (nodes, rows) in used.iter().zip(found) {
        let Some(rows) = rows else {
            return Err(DataError::new(
                "data::no_eigenvectors",
                format!("{} of a graph of {} were not found", count(k, "eigenvector"), count(nodes.len(), "node")),
            )
            .help("ask for fewer, `laplacian(4)`, or leave large graphs out with `max_nodes`; `random_walk(16)` is another encoding"));
        };
        values[nodes.start * k..nodes.end * k].copy_from_slice(&rows);
    }
    let what = match signs {
        "absolute" => ["absolute Laplacian eigenvector", "absolute Laplacian eigenvectors"],
        _ => ["Laplacian eigenvector", "Laplacian eigenvectors"],
    };
    Ok(Block::computed(values, k, what))
}

/// Nodes of the largest connected part.
fn largest_part(graphs: &Graphs, nodes: &Range<usize>) -> usize {
    let (part_of, n_parts) = parts::of_graph(nodes, &graphs.incoming, Some(&graphs.outgoing));
    let mut sizes = vec![0; n_parts];
    part_of.iter().for_each(|&part| sizes[part as usize] += 1);
    sizes.into_iter().max().unwrap_or(0)
}

/// Rows of `k` numbers; `None` where the solver did not find them.
fn of_graph(graphs: &Graphs, nodes: &Range<usize>, k: usize, is_absolute: bool) -> Option<Vec<f32>> {
    let (part_of, n_parts) = parts::of_graph(nodes, &graphs.incoming, Some(&graphs.outgoing));
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); n_parts];
    // The place of each node in its part.
    let mut place = Vec::with_capacity(nodes.len());
    for (node, &part) in (0u32..).zip(&part_of) {
        place.push(members[part as usize].len() as u32);
        members[part as usize].push(node);
    }
    let mut rows = vec![0.0; nodes.len() * k];
    for part in members.iter().filter(|part| part.len() > 1) {
        let links = links(graphs, nodes.start, part, &place);
        // One more shows whether the eigenvalue of the last has more vectors.
        let wanted = k + usize::from(is_absolute);
        let pairs = eigen::lowest(&links, wanted.min(part.len() - 1))?;
        let columns = if is_absolute { absolute(&pairs, k) } else { with_settled_signs(&pairs, k) };
        for (column, vector) in columns.iter().enumerate() {
            for (&node, &value) in part.iter().zip(vector) {
                rows[node as usize * k + column] = value as f32;
            }
        }
    }
    Some(rows)
}

/// `D^(-1/2) A D^(-1/2)` of a part: of two nodes the larger number of edges of both directions, loops left out.
fn links(graphs: &Graphs, first: usize, part: &[u32], place: &[u32]) -> Links {
    let weights = |node: u32| -> Vec<(u32, f64)> {
        let runs = |row: &[u32]| -> Vec<(u32, f64)> {
            let runs = row.chunk_by(|one, other| one == other);
            let count = runs.map(|run| (run[0] - first as u32, run.len() as f64));
            count.filter(|&(other, _)| other != node).collect()
        };
        let at = first + node as usize;
        let (mut incoming, outgoing) = (runs(graphs.incoming.row(at)), runs(graphs.outgoing.row(at)));
        for (other, count) in outgoing {
            match incoming.binary_search_by_key(&other, |link| link.0) {
                Ok(known) => incoming[known].1 = incoming[known].1.max(count),
                Err(at) => incoming.insert(at, (other, count)),
            }
        }
        incoming
    };
    let all: Vec<Vec<(u32, f64)>> = part.iter().map(|&node| weights(node)).collect();
    let degrees: Vec<f64> = all.iter().map(|links| links.iter().map(|(_, weight)| weight).sum()).collect();
    let mut offsets = vec![0];
    let mut entries = Vec::new();
    for (row, links) in all.iter().enumerate() {
        for &(other, weight) in links {
            let other = place[other as usize];
            entries.push((other, weight / (degrees[row] * degrees[other as usize]).sqrt()));
        }
        offsets.push(entries.len());
    }
    Links { offsets, entries, trivial: degrees.iter().map(|degree| degree.sqrt()).collect() }
}

/// The largest entry positive; of entries that are as large up to rounding, the first.
fn with_settled_signs(pairs: &Pairs, k: usize) -> Vec<Vec<f64>> {
    let settled = |vector: &Vec<f64>| {
        let largest = vector.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        let leading = vector.iter().find(|value| value.abs() >= largest * (1.0 - 1e-6));
        let sign = if leading.is_some_and(|&value| value < 0.0) { -1.0 } else { 1.0 };
        vector.iter().map(|value| sign * value).collect()
    };
    pairs.vectors.iter().take(k).map(settled).collect()
}

/// The root of the mean square of the vectors of each eigenvalue, in each of their columns. Zeros for an eigenvalue of
/// which the solver has not found all vectors: a part of them is no part in another numbering.
fn absolute(pairs: &Pairs, k: usize) -> Vec<Vec<f64>> {
    let are_equal = |one: &f64, other: &f64| (one - other).abs() <= 1e-9 + 1e-6 * one.abs();
    let mut columns = Vec::new();
    for group in pairs.values.chunk_by(are_equal) {
        if columns.len() >= k {
            break;
        }
        let vectors = &pairs.vectors[columns.len()..columns.len() + group.len()];
        let is_whole = pairs.is_all || columns.len() + group.len() < pairs.values.len();
        let root = (0..vectors[0].len()).map(|node| {
            let squares: f64 = vectors.iter().map(|vector| vector[node] * vector[node]).sum();
            if is_whole { (squares / group.len() as f64).sqrt() } else { 0.0 }
        });
        let root: Vec<f64> = root.collect();
        columns.extend(std::iter::repeat_n(root, group.len()));
    }
    columns.truncate(k);
    columns
}
