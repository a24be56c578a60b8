//! Selection of the best nodes of each graph, for poolings that drop nodes.

use super::custom::values_f64;
use super::spectral::kron;
use crate::kernels::graph::{Csr, EdgeKinds, SparseGraph};
use crate::program::composite::{Connect, Keep};
use candle_core::{Result, Tensor};
use std::sync::Arc;

/// The nodes that stay, and the edges between them.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Rows of the batch, ascending.
    pub rows: Arc<Vec<u32>>,
    /// Entries of the adjacency before, ascending: those of the edges that stay, in the order of the new entries.
    pub entries: Arc<Vec<u32>>,
    pub graph: Arc<SparseGraph>,
}

/// The nodes of each graph with the highest scores. Nodes that tie with the last one kept stay too, because choosing
/// among them would depend on how the nodes are numbered. Scores tie where they are equal to the last bit:
/// [`Summation::Reproducible`](super::Summation) gives them the same bits in every numbering. Not differentiable: the scores get their gradient by
/// being multiplied into the kept features.
///
/// Paper: Gao and Ji 2019, "Graph U-Nets", eq. 2. PyG: `SelectTopK` and `FilterEdges` of `TopKPooling`; the kept
/// nodes stay in their order here instead of being sorted by score, and PyG lets the numbering break ties.
///
/// # Shapes
/// - `scores`: `[N]` or `[N, 1]`
///
/// # Errors
/// Where the scores are not one a node.
pub fn select_top(scores: &Tensor, graph: &SparseGraph, keep: Keep, connect: Connect) -> Result<Selection> {
    select_joined(scores, None, graph, keep, connect)
}

/// [`select_top`] of edges that count by `weights`, `[E, 1]`, which [`Connect::Through`] reads.
///
/// # Errors
/// Where the scores are not one a node, or the weights not one an edge.
pub fn select_joined(
    scores: &Tensor,
    weights: Option<&Tensor>,
    graph: &SparseGraph,
    keep: Keep,
    connect: Connect,
) -> Result<Selection> {
    let (rows, graph_offsets) = best_rows(scores, graph, keep)?;
    if connect != Connect::Edges {
        let adjacency = Arc::new(match connect {
            Connect::Neighbourhoods { self_loops } => neighbourhoods(graph, &rows, self_loops),
            Connect::Through { least } => kron(graph, weights, &rows, least)?.0,
            _ => walks(graph, &rows),
        });
        let transpose = match connect {
            // Links have both ways.
            Connect::Through { .. } => adjacency.clone(),
            _ => Arc::new(adjacency.transpose()),
        };
        let rows = Arc::new(rows);
        let joined = SparseGraph::new(adjacency, transpose, Arc::new(graph_offsets)).kept(rows.clone());
        return Ok(Selection { rows, graph: Arc::new(joined), entries: Arc::default() });
    }
    let (adjacency, entries) = filter(&graph.adjacency, &rows);
    let adjacency = Arc::new(adjacency);
    let kinds = graph.kinds.as_ref().map(|EdgeKinds { of_entry, n_kinds }| EdgeKinds {
        of_entry: Arc::new(entries.iter().map(|&entry| of_entry[entry as usize]).collect()),
        n_kinds: *n_kinds,
    });
    let transpose = if Arc::ptr_eq(&graph.adjacency, &graph.transpose) {
        adjacency.clone()
    } else {
        Arc::new(adjacency.transpose())
    };
    let entries = Arc::new(entries);
    let selected = SparseGraph::new(adjacency, transpose, Arc::new(graph_offsets)).with_kinds(kinds);
    let rows = Arc::new(rows);
    let graph = Arc::new(selected.selected(entries.clone(), rows.clone()));
    Ok(Selection { rows, graph, entries })
}

/// The rows of each graph with the highest scores, ascending, and where those of each graph begin.
pub(super) fn best_rows(scores: &Tensor, graph: &SparseGraph, keep: Keep) -> Result<(Vec<u32>, Vec<u32>)> {
    // Adding 0 makes −0 and 0 equal.
    let scores: Vec<f64> = values_f64(scores)?.iter().map(|score| score + 0.0).collect();
    if scores.len() != graph.n_nodes() {
        candle_core::bail!("select_top: {} scores for {} nodes", scores.len(), graph.n_nodes());
    }
    let mut rows = Vec::new();
    let mut graph_offsets = vec![0];
    let mut order: Vec<u32> = Vec::new();
    for bounds in graph.graph_offsets.windows(2) {
        order.clear();
        order.extend(bounds[0]..bounds[1]);
        order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
        let n = order.len();
        let with_ties = |count: usize| {
            let Some(&last) = order[..count].last() else { return 0 };
            let lowest = scores[last as usize];
            count + order[count..].iter().take_while(|&&row| scores[row as usize] == lowest).count()
        };
        let kept = match keep {
            // As in the checker, a tolerance keeps 0.1 · 30 from being rounded up to 4.
            Keep::Ratio(ratio) => with_ties(((ratio * n as f64 - 1e-9).ceil().max(1.0) as usize).min(n)),
            Keep::Count(count) => with_ties(count.min(n)),
            Keep::MinScore(min) => {
                let best = order.first().map_or(0.0, |&row| scores[row as usize]);
                let above = min.min(best - 1e-7);
                order.iter().take_while(|&&row| scores[row as usize] > above).count()
            }
        };
        order.truncate(kept);
        order.sort_unstable();
        rows.extend_from_slice(&order);
        graph_offsets.push(rows.len() as u32);
    }
    Ok((rows, graph_offsets))
}

/// The entries of `(A + I)²` between different kept nodes, each as many parallel edges as it counts.
fn walks(graph: &SparseGraph, kept: &[u32]) -> Csr {
    let mut new_idx = vec![u32::MAX; graph.n_nodes()];
    for (new, &old) in (0u32..).zip(kept) {
        new_idx[old as usize] = new;
    }
    let (mut offsets, mut indices) = (vec![0], Vec::new());
    let others =
        |node: u32| graph.adjacency.row(node as usize).iter().copied().filter(move |&from| from != node);
    for &node in kept {
        let start = indices.len();
        for near in others(node) {
            // Staying before the edge or behind it.
            indices.extend([near; 2]);
            indices.extend(others(near).filter(|&far| far != node));
        }
        let mut end = start;
        for at in start..indices.len() {
            let source = new_idx[indices[at] as usize];
            if source != u32::MAX {
                indices[end] = source;
                end += 1;
            }
        }
        indices.truncate(end);
        indices[start..].sort_unstable();
        offsets.push(indices.len() as u32);
    }
    Csr { offsets, indices, n_cols: kept.len() }
}

/// Of kept nodes: a row gathers from each node from whose neighbours an edge, or a node itself, leads to its own neighbours.
/// Neighbours of a node are those that it gathers from, and the node.
fn neighbourhoods(graph: &SparseGraph, kept: &[u32], self_loops: bool) -> Csr {
    let n = graph.n_nodes();
    let mut new_idx = vec![u32::MAX; n];
    for (new, &old) in (0u32..).zip(kept) {
        new_idx[old as usize] = new;
    }
    let (mut offsets, mut indices) = (vec![0], Vec::new());
    let mut seen_by = vec![u32::MAX; n];
    let mut round = 0u32;
    // The nodes and what they are linked to.
    let mut spread = |nodes: &[u32], csr: &Csr| -> Vec<u32> {
        let mut found = Vec::new();
        for &node in nodes {
            for &other in std::iter::once(&node).chain(csr.row(node as usize)) {
                if std::mem::replace(&mut seen_by[other as usize], round) != round {
                    found.push(other);
                }
            }
        }
        round += 1;
        found
    };
    for (new, &node) in (0u32..).zip(kept) {
        let near = spread(&[node], &graph.adjacency);
        let before = spread(&near, &graph.adjacency);
        let reached = spread(&before, &graph.transpose);
        let start = indices.len();
        let sources = reached.iter().map(|&node| new_idx[node as usize]);
        indices.extend(sources.filter(|&source| source != u32::MAX && (source != new)));
        indices.extend(self_loops.then_some(new));
        indices[start..].sort_unstable();
        offsets.push(indices.len() as u32);
    }
    Csr { offsets, indices, n_cols: kept.len() }
}

/// The rows and columns `kept` (ascending), renumbered, and the entry that each of the new ones was.
fn filter(csr: &Csr, kept: &[u32]) -> (Csr, Vec<u32>) {
    let mut new_idx = vec![u32::MAX; csr.n_cols];
    for (new, &old) in (0u32..).zip(kept) {
        new_idx[old as usize] = new;
    }
    let mut offsets = vec![0];
    let (mut indices, mut entries) = (Vec::new(), Vec::new());
    for &old in kept {
        for (entry, &col) in (csr.offsets[old as usize]..).zip(csr.row(old as usize)) {
            let col = new_idx[col as usize];
            if col != u32::MAX {
                indices.push(col);
                entries.push(entry);
            }
        }
        offsets.push(indices.len() as u32);
    }
    (Csr { offsets, indices, n_cols: kept.len() }, entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::{Golden, graph, random, random_graph};
    use candle_core::Device;

    fn scores(values: &[f32]) -> Tensor {
        Tensor::new(values, &Device::Cpu).unwrap()
    }

    #[test]
    fn the_best_stay_in_their_order_with_the_edges_between_them() {
        let graph = graph(&[4, 0, 3], &[(0, 1), (1, 3), (3, 1), (2, 3), (4, 6), (6, 5)]);
        let picked = select_top(
            &scores(&[0.1, 0.9, 0.2, 0.5, 3.0, 1.0, 2.0]),
            &graph,
            Keep::Ratio(0.5),
            Connect::Edges,
        )
        .unwrap();
        assert_eq!(*picked.rows, [1, 3, 4, 6]);
        assert_eq!(*picked.graph.graph_offsets, [0, 2, 2, 4]);
        let edges = |csr: &Csr| -> Vec<_> {
            (0..4).flat_map(|row| csr.row(row).iter().map(move |&col| (col, row as u32))).collect()
        };
        assert_eq!(edges(&picked.graph.adjacency), [(1, 0), (0, 1), (2, 3)]);
        assert_eq!(*picked.graph.transpose, picked.graph.adjacency.transpose());
    }

    #[test]
    fn neighbourhoods_are_joined_where_they_touch() {
        // A path 0 – 1 – 2 – 3 – 4 – 5, of which the ends and a node in between stay.
        let pairs: Vec<(u32, u32)> = (0..5).flat_map(|node| [(node, node + 1), (node + 1, node)]).collect();
        let graph = graph(&[6], &pairs);
        for (self_loops, expected) in [(false, vec![1, 0, 2, 1]), (true, vec![0, 1, 0, 1, 2, 1, 2])] {
            let connect = Connect::Neighbourhoods { self_loops };
            let made = select_top(&scores(&[3.0, 0.0, 0.0, 2.0, 0.0, 1.0]), &graph, Keep::Count(3), connect);
            let made = made.unwrap();
            assert_eq!(*made.rows, [0, 3, 5]);
            assert_eq!(made.graph.adjacency.indices, expected);
        }
    }

    #[test]
    fn walks_are_the_entries_of_a_square() {
        let edges = [(0, 1), (1, 0), (1, 2), (2, 3), (3, 1), (2, 2), (0, 3)];
        let graph = graph(&[4], &edges);
        let made =
            select_top(&scores(&[1.0, 2.0, 0.5, 3.0]), &graph, Keep::Count(3), Connect::Walks).unwrap();
        assert_eq!(*made.rows, [0, 1, 3]);
        let mut matrix = [[0u32; 4]; 4];
        edges.iter().filter(|(source, target)| source != target).for_each(|&(source, target)| {
            matrix[target as usize][source as usize] += 1;
        });
        (0..4).for_each(|node| matrix[node][node] += 1);
        for (row, &i) in made.rows.iter().enumerate() {
            for (column, &j) in made.rows.iter().enumerate().filter(|(_, j)| **j != i) {
                let entry: u32 = (0..4).map(|via| matrix[i as usize][via] * matrix[via][j as usize]).sum();
                let sources = made.graph.adjacency.row(row);
                let found = sources.iter().filter(|&&source| source as usize == column).count();
                assert_eq!(found, entry as usize, "from {j} to {i}");
            }
            assert!(!made.graph.adjacency.row(row).contains(&(row as u32)));
        }
    }

    #[test]
    fn parallel_edges_and_loops_stay_with_their_kinds() {
        let edges = [(0, 2), (0, 2), (1, 2), (2, 2), (2, 0)];
        let (csr, order) = Csr::from_edges_with_order(3, &edges, None);
        assert_eq!(order, [4, 0, 1, 2, 3]);
        let (adjacency, transpose) = (Arc::new(csr.clone()), Arc::new(csr.transpose()));
        let kinds = EdgeKinds { of_entry: Arc::new(vec![4, 0, 1, 2, 3]), n_kinds: 5 };
        let graph = SparseGraph::new(adjacency, transpose, Arc::new(vec![0, 3])).with_kinds(Some(kinds));
        let picked = select_top(&scores(&[2.0, 0.0, 1.0]), &graph, Keep::Count(2), Connect::Edges).unwrap();
        assert_eq!((picked.rows.as_slice(), picked.entries.as_slice()), (&[0, 2][..], &[0, 1, 2, 4][..]));
        assert_eq!(picked.graph.adjacency.indices, [1, 0, 0, 1]);
        assert_eq!(*picked.graph.kinds.as_ref().unwrap().of_entry, [4, 0, 1, 3]);
    }

    #[test]
    fn ties_stay_together_and_counts_stop_at_the_graph() {
        let graph = graph(&[3, 2], &[]);
        let equal = scores(&[0.0, -0.0, 0.0, 1.0, 1.0]);
        assert_eq!(
            *select_top(&equal, &graph, Keep::Ratio(0.34), Connect::Edges).unwrap().rows,
            [0, 1, 2, 3, 4]
        );
        // However close, a larger score is larger, whatever else the graph holds.
        let near = scores(&[0.5, 0.500001, -1e6, 1.0, 0.9]);
        assert_eq!(*select_top(&near, &graph, Keep::Count(1), Connect::Edges).unwrap().rows, [1, 3]);
        assert_eq!(
            *select_top(&equal, &graph, Keep::Count(9), Connect::Edges).unwrap().rows,
            [0, 1, 2, 3, 4]
        );
        assert_eq!(
            *select_top(&equal, &graph, Keep::MinScore(0.5), Connect::Edges).unwrap().rows,
            [0, 1, 2, 3, 4]
        );
        assert_eq!(
            *select_top(&scores(&[0.0, 0.2, 0.0, 1.0, 0.6]), &graph, Keep::MinScore(0.5), Connect::Edges)
                .unwrap()
                .rows,
            [1, 3, 4]
        );
    }

    #[test]
    fn an_outlier_does_not_make_other_scores_equal() {
        let graph = graph(&[12], &[]);
        let falling = [0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0, -8.0, -9.0, -10.0, -1e6];
        assert_eq!(
            *select_top(&scores(&falling), &graph, Keep::Ratio(0.25), Connect::Edges).unwrap().rows,
            [0, 1, 2]
        );
    }

    #[test]
    fn a_ratio_rounds_up_but_not_past_its_product() {
        let graph = random_graph(&[30], 2.0, true, 1);
        let picked = select_top(&random(&[30, 1], 2), &graph, Keep::Ratio(0.1), Connect::Edges).unwrap();
        assert_eq!(picked.rows.len(), 3);
        assert!(Arc::ptr_eq(&picked.graph.adjacency, &picked.graph.transpose));
    }

    #[test]
    fn the_choice_matches_pyg() {
        for (case, keep) in
            [("topk_pooling", Keep::Ratio(0.5)), ("topk_pooling_min_score", Keep::MinScore(0.2))]
        {
            let golden = Golden::load(case);
            let x = golden.tensor("inputs/x");
            let weight = golden.tensor("params/select.weight");
            let mut score = x.matmul(&weight.t().unwrap()).unwrap();
            let graph = graph(&[5, 4], &golden.edges());
            score = if keep == Keep::Ratio(0.5) {
                let norm = weight.sqr().unwrap().sum_all().unwrap().sqrt().unwrap();
                score.broadcast_div(&norm).unwrap().tanh().unwrap()
            } else {
                let part =
                    |start, len| candle_nn::ops::softmax(&score.narrow(0, start, len).unwrap(), 0).unwrap();
                Tensor::cat(&[part(0, 5), part(5, 4)], 0).unwrap()
            };
            let picked = select_top(&score, &graph, keep, Connect::Edges).unwrap();
            let perm = golden.integers("outputs/perm");
            let mut expected = perm.clone();
            expected.sort_unstable();
            assert_eq!(*picked.rows, expected, "{case}");
            let edges = golden.integers("outputs/edge_index");
            let (sources, targets) = edges.split_at(edges.len() / 2);
            let old = |new: &u32| perm[*new as usize];
            let mut expected: Vec<_> = sources.iter().map(old).zip(targets.iter().map(old)).collect();
            expected.sort_unstable();
            let csr = &picked.graph.adjacency;
            let mut edges: Vec<_> = (0..csr.n_rows())
                .flat_map(|row| csr.row(row).iter().map(move |&col| (col, row)))
                .map(|(col, row)| (picked.rows[col as usize], picked.rows[row]))
                .collect();
            edges.sort_unstable();
            assert_eq!(edges, expected, "{case}");
        }
    }
}
