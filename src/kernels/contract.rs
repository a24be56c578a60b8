//! Contraction of edges: nodes that are joined become one, for poolings that merge nodes and keep a sparse graph.

use super::custom::values_f64;
use super::device;
use super::float::{Float, View, by_dtype, finish, values};
use super::parallel::fill_rows;
use super::summation;
use super::tape::{Reads, Recorded};
use crate::kernels::graph::{Csr, SparseGraph};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use std::cmp::Ordering;
use std::sync::Arc;

/// Which nodes became one, along which edges, and the graph of what they became. A row of the lists is one of the new
/// nodes, which stand in the order of the first node of each.
#[derive(Debug, Clone)]
pub struct Contraction {
    /// The nodes of each new one, ascending.
    pub members: Arc<Csr>,
    /// The entries of the adjacency before whose edges were contracted to make it; none where a node stayed alone.
    pub contracted: Arc<Csr>,
    pub graph: Arc<SparseGraph>,
}

/// Contracts edges by falling score: an edge is taken if both its ends are still free, which then are not. Where scores are
/// equal the next ones decide. Edges that are equal in all are taken together, and those of them that share a node make one
/// node of all their ends, because choosing among them would depend on how the nodes are numbered; an edge and its reverse
/// with the same scores are one choice. Scores tie where they are equal to the last bit:
/// [`Summation::Reproducible`](super::Summation) gives them the same bits in every numbering. Not differentiable: scores get
/// their gradient by being multiplied into the merged features.
///
/// Paper: Diehl 2019, "Edge Contraction Pooling for Graph Neural Networks", section 3. PyG: `EdgePooling`, which lets the
/// order of the edges break ties and numbers the new nodes by falling score.
///
/// # Shapes
/// - `scores`: each `[E]` or `[E, 1]`, in the order of the adjacency
///
/// # Errors
/// Where the scores are not one an edge.
pub fn contract(scores: &[Tensor], graph: &SparseGraph, self_loops: bool) -> Result<Contraction> {
    let csr = &graph.adjacency;
    let mut columns: Vec<Vec<f64>> = Vec::with_capacity(scores.len());
    for scores in scores {
        // Adding 0 makes −0 and 0 equal.
        let column: Vec<f64> = values_f64(scores)?.iter().map(|score| score + 0.0).collect();
        if column.len() != csr.n_entries() {
            bail!("contract: {} scores for {} edges", column.len(), csr.n_entries());
        }
        columns.push(column);
    }
    let falling = |&a: &u32, &b: &u32| {
        let by_column = columns.iter().map(|column| column[b as usize].total_cmp(&column[a as usize]));
        by_column.fold(Ordering::Equal, Ordering::then)
    };
    let n = graph.n_nodes();
    let targets = targets_of(graph);
    let ends = |entry: u32| [targets[entry as usize], csr.indices[entry as usize]];
    let mut nodes = Joined::new(n);
    let mut is_free = vec![true; n];
    let mut taken: Vec<u32> = Vec::new();
    let mut order: Vec<u32> = Vec::new();
    for bounds in graph.graph_offsets.windows(2) {
        order.clear();
        order.extend(csr.offsets[bounds[0] as usize]..csr.offsets[bounds[1] as usize]);
        order.sort_unstable_by(falling);
        for tied in order.chunk_by(|a, b| falling(a, b).is_eq()) {
            let first = taken.len();
            taken.extend(tied.iter().filter(|&&entry| ends(entry).iter().all(|&end| is_free[end as usize])));
            for &entry in &taken[first..] {
                let [target, source] = ends(entry);
                nodes.join(target, source);
                is_free[target as usize] = false;
                is_free[source as usize] = false;
            }
        }
    }
    taken.sort_unstable();
    let of_node = |&entry: &u32| (entry, targets[entry as usize]);
    let taken = Chosen { items: taken.iter().map(of_node).collect(), n_items: csr.n_entries() };
    Ok(contraction(graph, &targets, nodes, &taken, self_loops))
}

/// What the nodes became one for: edges or nodes, ascending, each with a node of the cluster.
pub(super) struct Chosen {
    pub items: Vec<(u32, u32)>,
    pub n_items: usize,
}

/// The row that each entry of the adjacency leads to.
pub(super) fn targets_of(graph: &SparseGraph) -> Vec<u32> {
    let csr = &graph.adjacency;
    (0..graph.n_nodes()).flat_map(|row| std::iter::repeat_n(row as u32, csr.row(row).len())).collect()
}

/// The level of the sets of nodes. Without `self_loops` edges inside of a set go.
pub(super) fn contraction(
    graph: &SparseGraph,
    targets: &[u32],
    mut nodes: Joined,
    chosen: &Chosen,
    self_loops: bool,
) -> Contraction {
    let n = graph.n_nodes();
    // New nodes are numbered by their first members, which are the roots.
    let mut new = vec![0u32; n];
    let mut n_new = 0;
    let mut graph_offsets = vec![0];
    for bounds in graph.graph_offsets.windows(2) {
        for node in bounds[0]..bounds[1] {
            let root = nodes.root(node);
            if root == node {
                new[node as usize] = n_new;
                n_new += 1;
            } else {
                new[node as usize] = new[root as usize];
            }
        }
        graph_offsets.push(n_new);
    }
    let n_new = n_new as usize;
    let of_chosen: Vec<(u32, u32)> =
        chosen.items.iter().map(|&(item, node)| (item, new[node as usize])).collect();
    let contracted = lists(n_new, chosen.n_items, &of_chosen);
    let of_nodes: Vec<(u32, u32)> = (0..n as u32).map(|node| (node, new[node as usize])).collect();
    let members = lists(n_new, n, &of_nodes);
    let members = Arc::new(members);
    Contraction {
        graph: Arc::new(merged_graph(graph, targets, &new, graph_offsets, members.clone(), self_loops)),
        members,
        contracted: Arc::new(contracted),
    }
}

/// Sets of nodes that are joined; the root of a set is its first node.
pub(super) struct Joined {
    parents: Vec<u32>,
}

impl Joined {
    pub fn new(n: usize) -> Self {
        Self { parents: (0..n as u32).collect() }
    }

    /// The first node of a set.
    pub fn root(&mut self, node: u32) -> u32 {
        let mut root = node;
        while self.parents[root as usize] != root {
            root = self.parents[root as usize];
        }
        let mut at = node;
        while at != root {
            at = std::mem::replace(&mut self.parents[at as usize], root);
        }
        root
    }

    pub fn join(&mut self, a: u32, b: u32) {
        let [a, b] = [self.root(a), self.root(b)];
        self.parents[a.max(b) as usize] = a.min(b);
    }
}

/// `(item, list)` pairs with ascending items as one list a row.
fn lists(n_lists: usize, n_items: usize, pairs: &[(u32, u32)]) -> Csr {
    let mut offsets = vec![0u32; n_lists + 1];
    pairs.iter().for_each(|&(_, list)| offsets[list as usize + 1] += 1);
    (0..n_lists).for_each(|list| offsets[list + 1] += offsets[list]);
    let mut next = offsets.clone();
    let mut indices = vec![0u32; pairs.len()];
    for &(item, list) in pairs {
        let place = &mut next[list as usize];
        indices[*place as usize] = item;
        *place += 1;
    }
    Csr { offsets, indices, n_cols: n_items }
}

/// The graph of the new nodes: one edge for all that lead from the members of one to those of another, a loop for those
/// between members.
fn merged_graph(
    graph: &SparseGraph,
    targets: &[u32],
    new: &[u32],
    graph_offsets: Vec<u32>,
    members: Arc<Csr>,
    self_loops: bool,
) -> SparseGraph {
    let n_new = graph_offsets.last().map_or(0, |&n| n as usize);
    let ends = graph.adjacency.indices.iter().zip(targets);
    let ends = ends.map(|(&source, &target)| (new[source as usize], new[target as usize]));
    let stays = |(_, (source, target)): &(u32, (u32, u32))| self_loops || source != target;
    let (entries, edges): (Vec<u32>, Vec<(u32, u32)>) = (0u32..).zip(ends).filter(stays).unzip();
    let (all, order) = Csr::from_edges_with_order(n_new, &edges, None);
    let (mut offsets, mut indices) = (vec![0u32], Vec::new());
    let mut starts = vec![0u32];
    for row in 0..n_new {
        let mut entry = all.offsets[row];
        for alike in all.row(row).chunk_by(|a, b| a == b) {
            indices.push(alike[0]);
            entry += alike.len() as u32;
            starts.push(entry);
        }
        offsets.push(indices.len() as u32);
    }
    let order = order.into_iter().map(|edge| entries[edge as usize]).collect();
    let merged = Csr { offsets: starts, indices: order, n_cols: targets.len() };
    let adjacency = Arc::new(Csr { offsets, indices, n_cols: n_new });
    let transpose = if Arc::ptr_eq(&graph.adjacency, &graph.transpose) {
        adjacency.clone()
    } else {
        Arc::new(adjacency.transpose())
    };
    SparseGraph::new(adjacency, transpose, Arc::new(graph_offsets)).merged(Arc::new(merged), members)
}

/// `Σ` over the rows of `x` that each list names: `[n_lists, F]`, the same bits in any order of them.
///
/// # Errors
/// Where the lists are not of the rows of `x`, or the type is neither f32 nor f64.
pub fn sum_of_lists(x: &Tensor, lists: &Arc<Csr>) -> Result<Tensor> {
    merge(x, MergeRows { lists: lists.clone(), is_mean: false, empty: 0.0 })
}

/// The mean of the rows of `x` that each list names, and `empty` where it names none.
///
/// # Errors
/// As [`sum_of_lists`].
pub fn mean_of_lists(x: &Tensor, lists: &Arc<Csr>, empty: f64) -> Result<Tensor> {
    merge(x, MergeRows { lists: lists.clone(), is_mean: true, empty })
}

fn merge(x: &Tensor, merging: MergeRows) -> Result<Tensor> {
    let n_rows = x.dims2()?.0;
    if n_rows != merging.lists.n_cols {
        bail!("`merge_rows` got {n_rows} rows and lists of {}", merging.lists.n_cols)
    }
    if device::is_elsewhere(x) {
        return device::on_host([x], |[x]| merge(&x, merging));
    }
    x.contiguous()?.recorded1(merging, Reads::NOTHING)
}

/// The largest of the rows of `x` that each list names, feature by feature, and 0 where it names none. Equal largest ones share
/// a gradient.
///
/// # Errors
/// As [`sum_of_lists`].
pub fn max_of_lists(x: &Tensor, lists: &Arc<Csr>) -> Result<Tensor> {
    let n_rows = x.dims2()?.0;
    if n_rows != lists.n_cols {
        bail!("`max_rows` got {n_rows} rows and lists of {}", lists.n_cols)
    }
    if device::is_elsewhere(x) {
        return device::on_host([x], |[x]| max_of_lists(&x, lists));
    }
    x.contiguous()?.recorded1(MaxRows { lists: lists.clone() }, Reads::ALL)
}

struct MaxRows {
    lists: Arc<Csr>,
}

impl CustomOp1 for MaxRows {
    fn name(&self) -> &'static str {
        "max_rows"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n_lists, width) = (self.lists.n_rows(), layout.dims()[1]);
        by_dtype!(x.dtype(), T => {
            let x = values::<T>(x, layout)?;
            // SAFETY: each row is filled.
            let out = unsafe {
                fill_rows(n_lists, width, x.len(), |rows, out| {
                    for (list, to) in rows.zip(out.chunks_exact_mut(width.max(1))) {
                        let mut named = self.lists.row(list).iter().map(|&row| &x[row as usize * width..][..width]);
                        match named.next() {
                            Some(first) => to.copy_from_slice(first),
                            None => to.fill(T::ZERO),
                        }
                        for row in named {
                            to.iter_mut().zip(row).for_each(|(to, &x)| *to = if x > *to { x } else { *to });
                        }
                    }
                })
            };
            Ok(finish(out, (n_lists, width)))
        })
    }
    fn bwd(&self, x: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (x, result, grad) = (x.contiguous()?, result.contiguous()?, grad.contiguous()?);
        let (n_rows, width) = x.dims2()?;
        let naming = self.lists.transpose();
        by_dtype!(x.dtype(), T => {
            let (values, largest, g) = (View::<T>::new(&x)?, View::<T>::new(&result)?, View::<T>::new(&grad)?);
            // SAFETY: each row is filled.
            let dx = unsafe {
                fill_rows(n_rows, width, (self.lists.n_entries() + n_rows) * width, |rows, out| {
                    for (row, to) in rows.zip(out.chunks_exact_mut(width.max(1))) {
                        to.fill(T::ZERO);
                        for &list in naming.row(row) {
                            for (column, to) in to.iter_mut().enumerate() {
                                let most = largest[list as usize * width + column];
                                let is_most = |row: usize| values[row * width + column] == most;
                                if is_most(row) {
                                    let named = self.lists.row(list as usize).iter();
                                    let n = named.filter(|&&other| is_most(other as usize)).count();
                                    *to += T::of(1.0 / n as f64) * g[list as usize * width + column];
                                }
                            }
                        }
                    }
                })
            };
            Ok(Some(Tensor::from_vec(dx, (n_rows, width), x.device())?))
        })
    }
}

struct MergeRows {
    lists: Arc<Csr>,
    is_mean: bool,
    empty: f64,
}

impl MergeRows {
    fn scale(&self, list: usize) -> f64 {
        if self.is_mean { 1.0 / self.lists.row(list).len().max(1) as f64 } else { 1.0 }
    }
}

impl CustomOp1 for MergeRows {
    fn name(&self) -> &'static str {
        "merge_rows"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n_lists, width) = (self.lists.n_rows(), layout.dims()[1]);
        by_dtype!(x.dtype(), T => {
            let x = values::<T>(x, layout)?;
            // SAFETY: each row is filled.
            let out = unsafe {
                fill_rows(n_lists, width, x.len(), |rows, out| {
                    let (mut grids, mut sums) = (vec![0.0; width], vec![0.0; width]);
                    for (list, to) in rows.zip(out.chunks_exact_mut(width.max(1))) {
                        let named = self.lists.row(list);
                        if named.is_empty() {
                            to.fill(T::of(self.empty));
                            continue;
                        }
                        let terms = named.iter().map(|&row| (T::ONE, &x[row as usize * width..][..width]));
                        summation::sum_rows(named.len(), terms, &mut grids, &mut sums);
                        let scale = self.scale(list);
                        to.iter_mut().zip(&sums).for_each(|(to, sum)| *to = T::of(sum * scale));
                    }
                })
            };
            Ok(finish(out, (n_lists, width)))
        })
    }
    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let (n_rows, width) = x.dims2()?;
        let naming = self.lists.transpose();
        by_dtype!(x.dtype(), T => {
            let g = View::<T>::new(&grad)?;
            // SAFETY: each row is filled.
            let dx = unsafe {
                fill_rows(n_rows, width, (self.lists.n_entries() + n_rows) * width, |rows, out| {
                    for (row, to) in rows.zip(out.chunks_exact_mut(width.max(1))) {
                        to.fill(T::ZERO);
                        for &list in naming.row(row) {
                            let scale = T::of(self.scale(list as usize));
                            let from = &g[list as usize * width..][..width];
                            to.iter_mut().zip(from).for_each(|(to, &from)| *to += scale * from);
                        }
                    }
                })
            };
            Ok(Some(Tensor::from_vec(dx, (n_rows, width), x.device())?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::reference::Matrix;
    use crate::kernels::testing::{Case, random, random_graph};
    use crate::kernels::testkit::{Golden, graph};
    use candle_core::Device;

    fn rows(csr: &Csr) -> Vec<Vec<u32>> {
        (0..csr.n_rows()).map(|row| csr.row(row).to_vec()).collect()
    }

    /// The result for scores by edge `(source, target)`.
    fn contracted(n_nodes: &[u32], edges: &[((u32, u32), f32)]) -> Contraction {
        let pairs: Vec<(u32, u32)> = edges.iter().map(|&(pair, _)| pair).collect();
        let n: u32 = n_nodes.iter().sum();
        let (_, order) = Csr::from_edges_with_order(n as usize, &pairs, None);
        let scores: Vec<f32> = order.iter().map(|&edge| edges[edge as usize].1).collect();
        let scores = Tensor::new(scores.as_slice(), &Device::Cpu).unwrap();
        contract(&[scores], &graph(n_nodes, &pairs), true).unwrap()
    }

    #[test]
    fn the_best_edges_whose_ends_are_free_are_contracted() {
        // A path 0 – 1 – 2 – 3, and a graph of two nodes without an edge.
        let path = [((0, 1), 0.2), ((1, 2), 0.9), ((2, 3), 0.3), ((3, 2), 0.1)];
        let made = contracted(&[4, 2], &path);
        assert_eq!(rows(&made.members), [vec![0], vec![1, 2], vec![3], vec![4], vec![5]]);
        assert_eq!(rows(&made.contracted), [vec![], vec![1], vec![], vec![], vec![]]);
        assert_eq!(*made.graph.graph_offsets, [0, 3, 5]);
        // The contracted edge is a loop; each row names where its edges come from.
        assert_eq!(rows(&made.graph.adjacency), [vec![], vec![0, 1, 2], vec![1], vec![], vec![]]);
        assert_eq!(*made.graph.transpose, made.graph.adjacency.transpose());
    }

    #[test]
    fn edges_between_the_same_new_nodes_are_one_and_name_all_that_they_were() {
        let square = [((0, 1), 0.9), ((2, 3), 0.8), ((0, 2), 0.1), ((1, 3), 0.2), ((0, 3), 0.3)];
        let made = contracted(&[4], &square);
        assert_eq!(rows(&made.members), [vec![0, 1], vec![2, 3]]);
        assert_eq!(rows(&made.graph.adjacency), [vec![0], vec![0, 1]]);
        // By target and source: (0, 1), (0, 2), (0, 3), (1, 3), (2, 3).
        assert_eq!(rows(made.graph.merged_entries().unwrap()), [vec![0], vec![1, 2, 3], vec![4]]);
    }

    #[test]
    fn edges_that_tie_and_share_a_node_make_one_node() {
        // Either half of the path could be contracted; both are.
        let made = contracted(&[4], &[((0, 1), 0.5), ((1, 2), 0.5), ((3, 2), 0.4)]);
        assert_eq!(rows(&made.members), [vec![0, 1, 2], vec![3]]);
        assert_eq!(rows(&made.contracted), [vec![0, 1], vec![]]);
        // An edge and its reverse are one choice, and −0 is 0.
        let made = contracted(&[3], &[((0, 1), 0.0), ((1, 0), -0.0), ((2, 2), -1.0)]);
        assert_eq!(rows(&made.members), [vec![0, 1], vec![2]]);
        // A loop is an edge whose ends are one node, which stays alone.
        assert_eq!(rows(&made.contracted), [vec![0, 1], vec![2]]);
    }

    #[test]
    fn the_next_scores_decide_where_the_first_tie() {
        // Of a node with one edge that leads to it, a softmax makes 1: leaves of a star tie at its centre.
        let star = graph(&[4], &[(0, 1), (0, 2), (0, 3)]);
        let column = |values: &[f64]| Tensor::new(values, &Device::Cpu).unwrap();
        let made = contract(&[column(&[1.0; 3]), column(&[0.1, 0.3, 0.2])], &star, true).unwrap();
        assert_eq!(rows(&made.members), [vec![0, 2], vec![1], vec![3]]);
        let error = contract(&[column(&[1.0; 2])], &star, true).unwrap_err().to_string();
        assert!(error.contains("2 scores for 3 edges"), "{error}");
    }

    /// With ties broken by the order of the edges, as PyG breaks them.
    #[test]
    fn the_choice_and_the_values_are_pygs() {
        for (case, sizes) in [("edge_pooling", [5u32, 4]), ("edge_pooling_softmax_unpool", [6, 5])] {
            let golden = Golden::load(case);
            let (x, weight) = (golden.tensor("inputs/x"), golden.tensor("params/lin.weight"));
            let bias: f64 = golden.tensor("params/lin.bias").to_vec1::<f64>().unwrap()[0];
            let x: Vec<Vec<f64>> = x.to_dtype(candle_core::DType::F64).unwrap().to_vec2().unwrap();
            let weight: Vec<f64> = weight.to_vec2::<f64>().unwrap().remove(0);
            let edges = golden.edges();
            let raw = |&(source, target): &(u32, u32)| -> f64 {
                let ends = x[source as usize].iter().chain(&x[target as usize]);
                ends.zip(&weight).map(|(x, w)| x * w).sum::<f64>() + bias
            };
            let terms: Vec<f64> = edges.iter().map(|edge| raw(edge).exp()).collect();
            let total = |target: u32| -> f64 {
                edges.iter().zip(&terms).filter(|(edge, _)| edge.1 == target).map(|(_, term)| term).sum()
            };
            let scores: Vec<f64> =
                edges.iter().zip(&terms).map(|(edge, term)| term / total(edge.1) + 0.5).collect();
            let (_, order) = Csr::from_edges_with_order(x.len(), &edges, None);
            let first = |edge: &u32| (scores[*edge as usize] * 1e9).round();
            let column = |of: &dyn Fn(&u32) -> f64| {
                Tensor::new(order.iter().map(of).collect::<Vec<f64>>().as_slice(), &Device::Cpu).unwrap()
            };
            let keys = [column(&first), column(&|&edge| -f64::from(edge))];
            let made = contract(&keys, &graph(&sizes, &edges), true).unwrap();
            let column = column(&|&edge| scores[edge as usize]).reshape((edges.len(), 1)).unwrap();
            let score = mean_of_lists(&column, &made.contracted, 1.0).unwrap().flatten_all().unwrap();
            let score: Vec<f64> = score.to_vec1().unwrap();
            let mut ours: Vec<Vec<f64>> = (rows(&made.members).iter().zip(&score))
                .map(|(members, score)| {
                    (0..x[0].len())
                        .map(|col| score * members.iter().map(|&row| x[row as usize][col]).sum::<f64>())
                        .collect()
                })
                .collect();
            let theirs = golden.tensor("outputs/x").to_dtype(candle_core::DType::F64).unwrap();
            let mut theirs: Vec<Vec<f64>> = theirs.to_vec2().unwrap();
            for rows in [&mut ours, &mut theirs] {
                rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
            }
            assert_eq!(ours.len(), theirs.len(), "{case}");
            for (ours, theirs) in ours.concat().iter().zip(theirs.concat()) {
                assert!((ours - theirs).abs() < 1e-6, "{case}: {ours}, not {theirs}");
            }
            assert_eq!(made.graph.n_edges(), golden.integers("outputs/edge_index").len() / 2, "{case}");
        }
    }

    #[test]
    fn the_choice_moves_with_the_numbers_of_the_nodes() {
        let before = random_graph(&[9, 1, 14], 3.0, true, 3);
        // Few values, so that many edges tie.
        let score = |a: u32, b: u32| f64::from((a * b + a + b) % 3);
        let scores = |graph: &SparseGraph, name: &dyn Fn(u32) -> u32| -> Tensor {
            let all: Vec<f64> = (0..graph.n_nodes() as u32)
                .flat_map(|row| {
                    graph.adjacency.row(row as usize).iter().map(move |&col| score(name(row), name(col)))
                })
                .collect();
            Tensor::new(all.as_slice(), &Device::Cpu).unwrap()
        };
        let first = contract(&[scores(&before, &|node| node)], &before, true).unwrap();
        // Within each graph the other way round.
        let turned = |node: u32| match node {
            0..=8 => 8 - node,
            9 => 9,
            _ => 33 - node,
        };
        let mut edges: Vec<(u32, u32)> = (0..24u32)
            .flat_map(|row| {
                before.adjacency.row(row as usize).iter().map(move |&col| (turned(col), turned(row)))
            })
            .collect();
        edges.sort_unstable();
        let after = graph(&[9, 1, 14], &edges);
        let second = contract(&[scores(&after, &turned)], &after, true).unwrap();
        let mut moved: Vec<Vec<u32>> = rows(&first.members);
        for members in &mut moved {
            members.iter_mut().for_each(|node| *node = turned(*node));
            members.sort_unstable();
        }
        moved.sort_unstable();
        assert_eq!(moved, rows(&second.members));
        assert!(moved.iter().any(|members| members.len() > 2));
    }

    #[test]
    fn merged_rows_are_sums_means_and_maxima() {
        let lists =
            Arc::new(Csr { offsets: vec![0, 2, 2, 5, 6], indices: vec![0, 3, 1, 2, 5, 4], n_cols: 6 });
        let sum = |x: &Matrix, list: usize, col: usize| -> f64 {
            lists.row(list).iter().map(|&row| x.at(row as usize, col)).sum()
        };
        Case::new(&[random(&[6, 3], 1)], |x| sum_of_lists(&x[0], &lists))
            .equals(|x| Matrix::make(4, 3, |list, col| sum(&x[0], list, col)));
        Case::new(&[random(&[6, 1], 2)], |x| mean_of_lists(&x[0], &lists, 1.0)).equals(|x| {
            Matrix::make(4, 1, |list, col| match lists.row(list).len() {
                0 => 1.0,
                n => sum(&x[0], list, col) / n as f64,
            })
        });
        Case::new(&[random(&[6, 3], 5)], |x| max_of_lists(&x[0], &lists)).equals(|x| {
            Matrix::make(4, 3, |list, col| {
                let named = lists.row(list).iter().map(|&row| x[0].at(row as usize, col));
                named.reduce(f64::max).unwrap_or(0.0)
            })
        });
        let error = sum_of_lists(&random(&[5, 3], 1).tensor(candle_core::DType::F32), &lists).unwrap_err();
        assert!(error.to_string().contains("5 rows and lists of 6"), "{error}");
    }
}
