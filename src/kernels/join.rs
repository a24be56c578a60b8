//! Nodes that become one by a rule, for poolings that merge nodes and keep a sparse graph.

use super::contract::{Chosen, Contraction, Joined, contraction, targets_of};
use super::custom::values_f64;
use super::per_graph::Wanted;
use super::select::best_rows;
use crate::kernels::graph::SparseGraph;
use crate::program::composite::{Join, Keep};
use candle_core::{Result, Tensor, bail};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Joins nodes as the rule says. No choice depends on how the nodes are numbered: where numbers tie, to the last bit, nodes that
/// could be chosen among become one together. Not differentiable. Without `self_loops` edges inside of what became one go.
///
/// The lists of [`Contraction::contracted`] name the edges that joined, of [`Join::Around`] and [`Join::Votes`] the nodes that others
/// gathered around.
///
/// # Shapes
/// - `x`: `[E, 1]` in the order of the adjacency for [`Join::Above`] and [`Join::Balanced`], `[N, F]` for [`Join::Equal`], `[N, 1]` for the others
///
/// # Errors
/// Where `x` has not one row for each edge or node.
pub fn join(x: &Tensor, graph: &SparseGraph, rule: Join, self_loops: bool) -> Result<Contraction> {
    // Adding 0 makes −0 and 0 equal.
    let numbers: Vec<f64> = values_f64(x)?.iter().map(|number| number + 0.0).collect();
    let is_of_edges = matches!(rule, Join::Above(_) | Join::Balanced(_));
    let n_rows = if is_of_edges { graph.n_edges() } else { graph.n_nodes() };
    if x.dims()[0] != n_rows || (numbers.len() != n_rows && rule != Join::Equal) {
        bail!("join: numbers of the shape {:?} for {n_rows} rows", x.dims());
    }
    let targets = targets_of(graph);
    let mut nodes = Joined::new(graph.n_nodes());
    // What is made of the graph alone is known for every batch that a graph of the data is in.
    let mut of_data = None;
    let chosen = match rule {
        Join::Above(least) => {
            let mut items = Vec::new();
            for (entry, (&source, &target)) in graph.adjacency.indices.iter().zip(&targets).enumerate() {
                if numbers[entry] > least && source != target {
                    nodes.join(source, target);
                    items.push((entry as u32, target));
                }
            }
            Chosen { items, n_items: graph.n_edges() }
        }
        Join::Equal => {
            equal(&numbers, x.dims()[1], graph, &mut nodes);
            Chosen { items: Vec::new(), n_items: graph.n_nodes() }
        }
        Join::Balanced(keep) => {
            let wanted = Wanted::Balanced(keep.into());
            let is_plain = numbers.iter().all(|&weight| weight == 1.0);
            of_data = graph.of_data.as_ref().filter(|_| is_plain).map(|of| of.level(wanted, self_loops));
            for (graph_idx, bounds) in graph.graph_offsets.windows(2).enumerate() {
                let parts = || balanced(&numbers, keep, graph, [bounds[0], bounds[1]]);
                let parts = if is_plain { graph.known(wanted, graph_idx, parts) } else { Arc::new(parts()) };
                for (node, &of) in (bounds[0]..).zip(parts.iter()) {
                    nodes.join(node, bounds[0] + of);
                }
            }
            Chosen { items: Vec::new(), n_items: graph.n_nodes() }
        }
        Join::Votes(keep) => {
            let (centres, _) = best_rows(x, graph, keep)?;
            votes(&numbers, &centres, graph, &mut nodes);
            Chosen { items: centres.iter().map(|&node| (node, node)).collect(), n_items: graph.n_nodes() }
        }
        Join::Around { hops } => {
            Chosen { items: around(&numbers, hops, graph, &mut nodes), n_items: graph.n_nodes() }
        }
    };
    let made = contraction(graph, &targets, nodes, &chosen, self_loops);
    if of_data.is_none() {
        return Ok(made);
    }
    let level = SparseGraph { of_data, ..(*made.graph).clone() };
    Ok(Contraction { graph: Arc::new(level), ..made })
}

/// Joins nodes into about as many parts as `keep` says, of at most the nodes that would be their equal share. In rounds, two parts become
/// one that each have their best link to the other: it weighs most beyond what the degrees of both would have by chance. Of links that tie
/// and share a part all are taken if they fit into one, and none if they do not.
///
/// Paper: Karypis and Kumar 1998, "A Fast and High Quality Multilevel Scheme for Partitioning Irregular Graphs", section 3.1, for the
/// rounds of matchings; Clauset et al. 2004, "Finding community structure in very large networks", eq. 8, for what a link counts.
///
/// Of each node of a graph, the first one of its part, both counted from 0.
fn balanced(weights: &[f64], keep: Keep, graph: &SparseGraph, [first, end]: [u32; 2]) -> Vec<u32> {
    let csr = &graph.adjacency;
    let n = (end - first) as usize;
    let n_wanted = match keep {
        Keep::Ratio(ratio) => (ratio * n as f64 - 1e-9).ceil() as usize,
        Keep::Count(k) => k,
        Keep::MinScore(_) => n,
    };
    let n_wanted = n_wanted.clamp(1, n.max(1));
    let most = n.div_ceil(n_wanted);
    // By node, and by part: the first node of the part.
    let mut part: Vec<usize> = (0..n).collect();
    let mut n_parts = n;
    loop {
        let mut sizes = vec![0usize; n];
        part.iter().for_each(|&of| sizes[of] += 1);
        let mut links: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        let mut degrees = vec![0.0; n];
        for node in 0..n {
            let row = first as usize + node;
            for entry in csr.offsets[row] as usize..csr.offsets[row + 1] as usize {
                let (a, b) = (part[node], part[(csr.indices[entry] - first) as usize]);
                degrees[a] += weights[entry];
                degrees[b] += weights[entry];
                if a != b {
                    *links.entry((a.min(b), a.max(b))).or_insert(0.0) += weights[entry];
                }
            }
        }
        let total: f64 = degrees.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        // Sums that differ by a rounding count as the same.
        let key = |(a, b): (usize, usize), weight: f64| {
            [weight - degrees[a] * degrees[b] / total, -((sizes[a] + sizes[b]) as f64)].map(|x| x as f32)
        };
        let mut order: Vec<([f32; 2], [usize; 2])> = (links.iter())
            .filter(|((a, b), _)| sizes[*a] + sizes[*b] <= most)
            .map(|(&ends, &weight)| (key(ends, weight), [ends.0, ends.1]))
            .collect();
        let compare = |a: &[f32; 2], b: &[f32; 2]| b[0].total_cmp(&a[0]).then(b[1].total_cmp(&a[1]));
        order.sort_by(|a, b| compare(&a.0, &b.0));
        let mut best: Vec<Option<[f32; 2]>> = vec![None; n];
        for (key, ends) in &order {
            ends.iter().for_each(|&end| best[end] = best[end].or(Some(*key)));
        }
        let mut sets = Joined::new(n);
        let before = n_parts;
        for tied in order.chunk_by(|a, b| compare(&a.0, &b.0).is_eq()) {
            if n_parts <= n_wanted {
                break;
            }
            let is_best =
                |(key, ends): &&([f32; 2], [usize; 2])| ends.iter().all(|&end| best[end] == Some(*key));
            let ends: Vec<[usize; 2]> = tied.iter().filter(is_best).map(|(_, ends)| *ends).collect();
            let mut alike = Joined::new(n);
            ends.iter().for_each(|&[a, b]| alike.join(a as u32, b as u32));
            let of_ties: BTreeSet<usize> = ends.into_iter().flatten().collect();
            let mut whole: BTreeMap<u32, usize> = BTreeMap::new();
            for &end in &of_ties {
                *whole.entry(alike.root(end as u32)).or_insert(0) += sizes[end];
            }
            for &end in &of_ties {
                let root = alike.root(end as u32);
                if whole[&root] <= most {
                    sets.join(root, end as u32);
                    n_parts -= usize::from(root as usize != end);
                }
            }
        }
        if n_parts == before {
            break;
        }
        part.iter_mut().for_each(|of| *of = sets.root(*of as u32) as usize);
    }
    part.into_iter().map(|of| of as u32).collect()
}

/// Joins each node to the centre that most of the edges to it come from nodes of, step by step from the centres on.
fn votes(numbers: &[f64], centres: &[u32], graph: &SparseGraph, nodes: &mut Joined) {
    const NONE: u32 = u32::MAX;
    let mut centre_of = vec![NONE; graph.n_nodes()];
    centres.iter().for_each(|&centre| centre_of[centre as usize] = centre);
    let mut found: Vec<u32> = Vec::new();
    loop {
        let mut joined: Vec<(u32, u32)> = Vec::new();
        for node in (0..graph.n_nodes() as u32).filter(|&node| centre_of[node as usize] == NONE) {
            found.clear();
            let sources = graph.adjacency.row(node as usize).iter();
            found.extend(sources.map(|&source| centre_of[source as usize]).filter(|&centre| centre != NONE));
            found.sort_unstable();
            let runs = || found.chunk_by(|a, b| a == b);
            let better = |run: &&[u32]| (run.len(), numbers[run[0] as usize]);
            let compare = |a: (usize, f64), b: (usize, f64)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));
            let Some(best) = runs().max_by(|a, b| compare(better(a), better(b))).map(|run| better(&run))
            else {
                continue;
            };
            let alike = runs().filter(|run| compare(better(run), best).is_eq()).map(|run| run[0]);
            joined.extend(alike.map(|centre| (node, centre)));
        }
        if joined.is_empty() {
            return;
        }
        for &(node, centre) in &joined {
            nodes.join(node, centre);
            centre_of[node as usize] = centre;
        }
    }
}

/// Joins the nodes of each graph whose rows are equal.
fn equal(numbers: &[f64], width: usize, graph: &SparseGraph, nodes: &mut Joined) {
    let row = |node: u32| &numbers[node as usize * width..][..width];
    let compare = |&a: &u32, &b: &u32| {
        let pairs = row(a).iter().zip(row(b));
        pairs.fold(Ordering::Equal, |order, (a, b)| order.then(a.total_cmp(b)))
    };
    let mut order: Vec<u32> = Vec::new();
    for bounds in graph.graph_offsets.windows(2) {
        order.clear();
        order.extend(bounds[0]..bounds[1]);
        order.sort_by(compare);
        for pair in order.windows(2).filter(|pair| compare(&pair[0], &pair[1]).is_eq()) {
            nodes.join(pair[0], pair[1]);
        }
    }
}

/// A maximal set of nodes more than `hops` edges apart, of falling numbers, and each other node joined to the first of them
/// that it is within reach of. The nodes of the set, ascending, each twice.
///
/// Paper: Bacciu et al. 2023, "Generalizing Downsampling from Regular Data to Graphs", algorithm 1.
fn around(numbers: &[f64], hops: usize, graph: &SparseGraph, nodes: &mut Joined) -> Vec<(u32, u32)> {
    const NONE: u32 = u32::MAX;
    let n = graph.n_nodes();
    // By node: the place in the order of those it is within reach of.
    let mut reached = vec![NONE; n];
    let mut seen_by = vec![NONE; n];
    let mut centres: Vec<(u32, u32)> = Vec::new();
    let mut order: Vec<u32> = Vec::new();
    let mut rank = 0;
    for bounds in graph.graph_offsets.windows(2) {
        order.clear();
        order.extend(bounds[0]..bounds[1]);
        order.sort_by(|&a, &b| numbers[b as usize].total_cmp(&numbers[a as usize]));
        for tied in order.chunk_by(|&a, &b| numbers[a as usize].total_cmp(&numbers[b as usize]).is_eq()) {
            let free: Vec<u32> =
                tied.iter().copied().filter(|&node| reached[node as usize] == NONE).collect();
            for &centre in &free {
                centres.push((centre, centre));
                let (mut ring, mut next) = (vec![centre], Vec::new());
                seen_by[centre as usize] = centre;
                reached[centre as usize] = rank;
                for _ in 0..hops {
                    for &node in &ring {
                        for &other in graph.transpose.row(node as usize) {
                            if std::mem::replace(&mut seen_by[other as usize], centre) == centre {
                                continue;
                            }
                            next.push(other);
                            // What ties for a node becomes one with it.
                            if reached[other as usize] == NONE || reached[other as usize] == rank {
                                reached[other as usize] = rank;
                                nodes.join(centre, other);
                            }
                        }
                    }
                    ring = std::mem::take(&mut next);
                }
            }
            rank += 1;
        }
    }
    centres.sort_unstable();
    centres
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::per_graph::OfData;
    use crate::kernels::testkit::graph;
    use candle_core::Device;

    fn members(numbers: &[f64], graph: &SparseGraph, rule: Join) -> Vec<Vec<u32>> {
        let width = if rule == Join::Equal { numbers.len() / graph.n_nodes() } else { 1 };
        let x = Tensor::from_slice(numbers, (numbers.len() / width, width), &Device::Cpu).unwrap();
        let made = join(&x, graph, rule, false).unwrap();
        (0..made.members.n_rows()).map(|row| made.members.row(row).to_vec()).collect()
    }

    /// Undirected edges.
    fn undirected(sizes: &[u32], pairs: &[(u32, u32)]) -> std::sync::Arc<SparseGraph> {
        let edges: Vec<(u32, u32)> = pairs.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).collect();
        graph(sizes, &edges)
    }

    #[test]
    fn edges_above_a_number_join_all_that_they_link() {
        let graph = graph(&[4, 2], &[(0, 1), (1, 2), (2, 3), (4, 5), (5, 5)]);
        let found = members(&[0.6, 0.7, 0.5, 0.1, 0.9], &graph, Join::Above(0.5));
        assert_eq!(found, [vec![0, 1, 2], vec![3], vec![4], vec![5]]);
    }

    #[test]
    fn parts_have_an_equal_share_at_most() {
        let of = |graph: &SparseGraph, keep: Keep| {
            members(&vec![1.0; graph.n_edges()], graph, Join::Balanced(keep))
        };
        // From its ends on: three of two nodes, or two of three.
        let path = undirected(&[6, 1], &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]);
        assert_eq!(of(&path, Keep::Count(3)), [vec![0, 1], vec![2, 3], vec![4, 5], vec![6]]);
        assert_eq!(of(&path, Keep::Ratio(1.0)).len(), 7);
        assert_eq!(of(&path, Keep::Count(1)), [vec![0, 1, 2, 3, 4, 5], vec![6]]);
        // Two cliques that one edge joins.
        let inside = |first: u32| (0..4).flat_map(move |a| (a + 1..4).map(move |b| (first + a, first + b)));
        let pairs: Vec<(u32, u32)> = inside(0).chain(inside(4)).chain([(3, 4)]).collect();
        let cliques = undirected(&[8], &pairs);
        assert_eq!(of(&cliques, Keep::Count(2)), [vec![0, 1, 2, 3], vec![4, 5, 6, 7]]);
        // Leaves of a star that nothing tells apart do not fit into one part, and stay as they are.
        let star = undirected(&[5], &[(0, 1), (0, 2), (0, 3), (0, 4)]);
        assert_eq!(of(&star, Keep::Count(2)).len(), 5);
    }

    #[test]
    fn parts_and_levels_of_a_graph_of_the_data_are_found_once() {
        let path = undirected(&[6, 1], &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]);
        let kept = std::sync::Arc::default();
        let of_data =
            |graph: &SparseGraph| SparseGraph { of_data: Some(OfData::new(&kept, &[2, 0])), ..graph.clone() };
        let parts = |graph: &SparseGraph, keep: usize, weights: &[f64]| {
            let x = Tensor::from_slice(weights, (weights.len(), 1), &Device::Cpu).unwrap();
            let made = join(&x, graph, Join::Balanced(Keep::Count(keep)), false).unwrap();
            let rows: Vec<Vec<u32>> =
                (0..made.members.n_rows()).map(|row| made.members.row(row).to_vec()).collect();
            (rows, made.graph)
        };
        let ones = vec![1.0; path.n_edges()];
        let (expected, plain) = parts(&path, 3, &ones);
        assert!(plain.of_data.is_none());
        let (found, level) = parts(&of_data(&path), 3, &ones);
        assert_eq!(found, expected);
        // Of other edges with the numbers of these graphs the same is taken, and a level below has its own.
        let other = of_data(&undirected(&[6, 1], &[(0, 5), (1, 4), (2, 3), (3, 4), (4, 5)]));
        assert_eq!(parts(&other, 3, &ones).0, expected);
        assert_eq!(
            parts(&level, 2, &vec![1.0; level.n_edges()]).0,
            parts(&plain, 2, &vec![1.0; plain.n_edges()]).0
        );
        // What edges weigh is of the step.
        let weights: Vec<f64> = (0..path.n_edges()).map(|edge| 1.0 + (edge / 2) as f64).collect();
        let (found, level) = parts(&of_data(&path), 3, &weights);
        assert_eq!(found, parts(&path, 3, &weights).0);
        assert!(level.of_data.is_none());
    }

    #[test]
    fn equal_rows_of_one_graph_become_one() {
        let graph = graph(&[3, 2], &[(0, 1), (1, 2)]);
        let found = members(&[1.0, 0.0, 2.0, 1.0, 1.0, -0.0, 1.0, 0.0, 1.0, 0.0], &graph, Join::Equal);
        assert_eq!(found, [vec![0, 2], vec![1], vec![3, 4]]);
    }

    #[test]
    fn nodes_gather_around_the_best_within_reach() {
        let path = undirected(&[5, 1], &[(0, 1), (1, 2), (2, 3), (3, 4)]);
        let numbers = [0.1, 0.9, 0.3, 0.2, 0.4, 0.0];
        let found = members(&numbers, &path, Join::Around { hops: 1 });
        assert_eq!(found, [vec![0, 1, 2], vec![3, 4], vec![5]]);
        assert_eq!(members(&numbers, &path, Join::Around { hops: 2 }), [vec![0, 1, 2, 3], vec![4], vec![5]]);
        // Two centres as good as each other have the node between them in common.
        let tied = [0.1, 0.9, 0.3, 0.9, 0.4, 0.0];
        assert_eq!(members(&tied, &path, Join::Around { hops: 1 }), [vec![0, 1, 2, 3, 4], vec![5]]);
        let far = [0.9, 0.1, 0.3, 0.2, 0.9, 0.0];
        assert_eq!(
            members(&far, &path, Join::Around { hops: 1 }),
            [vec![0, 1], vec![2], vec![3, 4], vec![5]]
        );
    }

    #[test]
    fn nodes_join_the_centre_that_most_of_their_neighbours_joined() {
        let graph = undirected(&[6, 1], &[(0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 3)]);
        // Both centres reach 2 and 5 by one edge: the better one takes them.
        let keep = Join::Votes(crate::program::composite::Keep::Count(2));
        let found = members(&[0.0, 0.9, 0.1, 0.8, 0.0, 0.2, 0.0], &graph, keep);
        assert_eq!(found, [vec![0, 1, 2, 5], vec![3, 4], vec![6]]);
        let tied = members(&[0.0, 0.9, 0.1, 0.9, 0.0, 0.2, 0.0], &graph, keep);
        assert_eq!(tied, [vec![0, 1, 2, 3, 4, 5], vec![6]]);
    }

    #[test]
    fn loops_inside_of_what_became_one_go_where_they_are_not_wanted() {
        let graph = undirected(&[3], &[(0, 1), (1, 2)]);
        let x = Tensor::from_slice(&[1.0, 1.0, 2.0], (3, 1), &Device::Cpu).unwrap();
        for (self_loops, n_edges) in [(true, 3), (false, 2)] {
            let made = join(&x, &graph, Join::Equal, self_loops).unwrap();
            assert_eq!(made.graph.n_edges(), n_edges);
            let merged = made.graph.merged_entries().unwrap();
            assert_eq!((merged.n_rows(), merged.n_cols), (n_edges, 4));
        }
        let error = join(&x, &graph, Join::Above(0.0), true).unwrap_err().to_string();
        assert!(error.contains("for 4 rows"), "{error}");
    }
}
