//! A canonical order of the nodes of each graph, and the fields around those that stand in it.

use super::custom::{Kernel, Shared, apply1, plain1, where_needed};
use super::float::Float;
use super::graph::{Csr, SparseGraph};
use super::parallel::{each, map_each};
use super::per_graph::Wanted;
use super::tape::Reads;
use candle_core::{Result, Shape, Tensor};
use std::ops::Range;
use std::sync::Arc;

pub use crate::program::composite::Order;

/// Of each graph, `w` fields of `k` nodes: `[G · w · k, F]`, zeros where a graph has no more nodes.
///
/// Nodes stand in falling order of how central they are, and where they are as central in that of their neighbours, and so on, as
/// Weisfeiler and Leman refine colours; fields are those around the first, the one `stride` places behind, and so on. A field is the
/// node itself, then what is one edge away, then two, each in that order. Of nodes that nothing of this tells apart every place has
/// their mean, so that nothing depends on how nodes are numbered. Edges lead both ways.
///
/// Paper: Niepert et al. 2016, "Learning Convolutional Neural Networks for Graphs", algorithms 1 to 4.
///
/// # Errors
/// Where `x` has other rows.
pub fn fields(
    x: &Tensor,
    graph: &SparseGraph,
    w: usize,
    k: usize,
    stride: usize,
    order: Order,
) -> Result<Tensor> {
    let (places, roots) = lists(graph, w, k, stride, order);
    apply1(Fields { places, roots, k, graphs: graph.graph_offsets.clone() }, x)
}

#[derive(Clone)]
struct Fields {
    /// The nodes of each place of each field, and the fields of each place of each graph.
    places: Arc<Csr>,
    roots: Arc<Csr>,
    k: usize,
    graphs: Arc<Vec<u32>>,
}

impl Fields {
    /// What each node counts at each place of each slot of a graph: `f(slot, place, node, share)`.
    fn each_share(&self, graph: usize, mut f: impl FnMut(usize, usize, usize, f64)) {
        let w = self.roots.n_rows() / (self.graphs.len() - 1);
        for slot in graph * w..(graph + 1) * w {
            let roots = self.roots.row(slot);
            for &root in roots {
                for place in 0..self.k {
                    let nodes = self.places.row(root as usize * self.k + place);
                    let share = 1.0 / (roots.len() * nodes.len()) as f64;
                    nodes.iter().for_each(|&node| f(slot, place, node as usize, share));
                }
            }
        }
    }

    fn work(&self, width: usize) -> usize {
        (self.roots.n_entries() * self.k + self.places.n_entries()) * width
    }
}

impl Kernel<1> for Fields {
    fn name(&self) -> &'static str {
        "fields"
    }
    fn forward<T: Float>(&self, [x]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let (n_rows, width) = shape.dims2()?;
        if n_rows != self.places.n_cols {
            candle_core::bail!("fields: {n_rows} rows and fields of {}", self.places.n_cols)
        }
        let n_graphs = self.graphs.len() - 1;
        let n_slots = self.roots.n_rows();
        let of_graph = n_slots / n_graphs.max(1) * self.k * width;
        let mut out = vec![T::ZERO; n_slots * self.k * width];
        let shared = Shared::new(&mut out);
        each(n_graphs, self.work(width), |graph| {
            let start = graph * of_graph;
            // SAFETY: every graph has slots of its own.
            let to = unsafe { shared.part(start..start + of_graph) };
            let mut sums = vec![0.0; of_graph];
            self.each_share(graph, |slot, place, node, share| {
                let at = (slot * self.k + place) * width - start;
                let sums = &mut sums[at..at + width];
                sums.iter_mut().zip(&x[node * width..]).for_each(|(sum, x)| *sum += share * x.wide());
            });
            to.iter_mut().zip(sums).for_each(|(to, sum)| *to = T::of(sum));
        });
        Ok((out, (n_slots * self.k, width).into()))
    }
    fn reads(&self) -> Reads {
        Reads::NOTHING
    }
    fn backward(&self, [x]: [&Tensor; 1], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([where_needed(x, || plain1(FieldsGrad(self.clone()), grad))?])
    }
}

struct FieldsGrad(Fields);

impl Kernel<1> for FieldsGrad {
    fn name(&self) -> &'static str {
        "fields_grad"
    }
    fn forward<T: Float>(&self, [grad]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let of = &self.0;
        let (n_rows, width) = (of.places.n_cols, shape.dims2()?.1);
        let mut out = vec![T::ZERO; n_rows * width];
        let shared = Shared::new(&mut out);
        each(of.graphs.len() - 1, of.work(width), |graph| {
            let rows = of.graphs[graph] as usize * width..of.graphs[graph + 1] as usize * width;
            let start = rows.start;
            // SAFETY: every graph has rows of its own.
            let to = unsafe { shared.part(rows) };
            let mut sums = vec![0.0; to.len()];
            of.each_share(graph, |slot, place, node, share| {
                let sums = &mut sums[node * width - start..][..width];
                let grad = &grad[(slot * of.k + place) * width..];
                sums.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += share * grad.wide());
            });
            to.iter_mut().zip(sums).for_each(|(to, sum)| *to = T::of(sum));
        });
        Ok((out, (n_rows, width).into()))
    }
}

/// The nodes of each place of each field, and the fields of each place of each graph.
fn lists(graph: &SparseGraph, w: usize, k: usize, stride: usize, order: Order) -> (Arc<Csr>, Arc<Csr>) {
    let bounds = |graph_idx: usize| {
        graph.graph_offsets[graph_idx] as usize..graph.graph_offsets[graph_idx + 1] as usize
    };
    let work = 64 * (graph.n_nodes() + 2 * graph.n_edges());
    let wanted = Wanted::Fields { w, k, stride, order };
    let graphs = map_each(graph.n_graphs(), work, |graph_idx| {
        graph.known(wanted, graph_idx, || of_graph(graph, bounds(graph_idx), w, k, stride, order))
    });
    let mut places = Csr { offsets: vec![0], indices: Vec::new(), n_cols: graph.n_nodes() };
    let mut roots = Csr { offsets: vec![0], indices: Vec::new(), n_cols: 0 };
    for (graph_idx, of) in graphs.iter().enumerate() {
        let [first, n_fields] = [bounds(graph_idx).start as u32, roots.n_cols as u32];
        push(&mut roots, &of.roots, n_fields);
        roots.n_cols += of.places.n_rows() / k;
        push(&mut places, &of.places, first);
    }
    (Arc::new(places), Arc::new(roots))
}

/// Appends lists, whose items are counted from `first`.
fn push(all: &mut Csr, lists: &Csr, first: u32) {
    let n_before = all.indices.len() as u32;
    all.indices.extend(lists.indices.iter().map(|&item| item + first));
    all.offsets.extend(lists.offsets[1..].iter().map(|&end| end + n_before));
}

/// [`lists`] of one graph, with nodes and fields counted from 0.
struct OfGraph {
    places: Csr,
    roots: Csr,
}

fn of_graph(
    graph: &SparseGraph,
    rows: Range<usize>,
    w: usize,
    k: usize,
    stride: usize,
    order: Order,
) -> OfGraph {
    let n = rows.len();
    let near: Vec<Vec<u32>> = (0..n)
        .map(|node| {
            let both = [&graph.adjacency, &graph.transpose];
            let others = both.iter().flat_map(|csr| csr.row(rows.start + node));
            let mut near: Vec<u32> = others.map(|&other| other - rows.start as u32).collect();
            near.sort_unstable();
            near.dedup();
            near.retain(|&other| other as usize != node);
            near
        })
        .collect();
    let ranks = ranks(&near, order);
    let mut sorted: Vec<u32> = (0..n as u32).collect();
    let rank = |node: u32| ranks[node as usize];
    sorted.sort_by_key(|&node| rank(node));
    let classes: Vec<&[u32]> = sorted.chunk_by(|&a, &b| rank(a) == rank(b)).collect();
    // Of each place in the order, its class.
    let at: Vec<usize> = classes.iter().enumerate().flat_map(|(idx, of)| vec![idx; of.len()]).collect();
    let wanted: Vec<Option<usize>> = (0..w).map(|place| at.get(place * stride).copied()).collect();
    let mut used: Vec<usize> = wanted.iter().flatten().copied().collect();
    used.dedup();
    let fields: Vec<(usize, u32)> =
        used.iter().flat_map(|&class| classes[class].iter().map(move |&root| (class, root))).collect();
    let mut places = Csr { offsets: vec![0], indices: Vec::new(), n_cols: n };
    for nodes in fields.iter().flat_map(|&(_, root)| field(&near, root, k, rank)) {
        places.indices.extend(nodes);
        places.offsets.push(places.indices.len() as u32);
    }
    let mut roots = Csr { offsets: vec![0], indices: Vec::new(), n_cols: fields.len() };
    for class in &wanted {
        let is_of = |(_, field): &(usize, &(usize, u32))| Some(field.0) == *class;
        roots.indices.extend(fields.iter().enumerate().filter(is_of).map(|(idx, _)| idx as u32));
        roots.offsets.push(roots.indices.len() as u32);
    }
    OfGraph { places, roots }
}

/// The nodes of each of `k` places around a root.
fn field(near: &[Vec<u32>], root: u32, k: usize, rank: impl Fn(u32) -> u32) -> Vec<Vec<u32>> {
    let mut seen = std::collections::HashSet::from([root]);
    let (mut found, mut level) = (vec![(0, root)], vec![root]);
    let mut distance = 0;
    while found.len() < k && !level.is_empty() {
        distance += 1;
        let around = level.iter().flat_map(|&row| &near[row as usize]).copied();
        level = around.filter(|&row| seen.insert(row)).collect();
        found.extend(level.iter().map(|&row| (distance, row)));
    }
    let key = |&(distance, row): &(u32, u32)| (distance, rank(row));
    found.sort_by_key(|of| (key(of), of.1));
    let mut places = Vec::with_capacity(k);
    for alike in found.chunk_by(|a, b| key(a) == key(b)) {
        let rows: Vec<u32> = alike.iter().map(|&(_, row)| row).collect();
        let free = k - places.len();
        places.extend(std::iter::repeat_n(rows, alike.len().min(free)));
    }
    places.resize(k, Vec::new());
    places
}

/// The place of each node's class in the order, from 0.
fn ranks(near: &[Vec<u32>], order: Order) -> Vec<u32> {
    let n = near.len();
    let of_row = |row: usize| match order {
        Order::Degree => near[row].len() as f64,
        Order::Closeness => closeness(near, row),
        Order::Colours => 0.0,
    };
    let keys: Vec<f64> = (0..n).map(of_row).collect();
    let mut ranks = dense_ranks(n, |a, b| keys[b].total_cmp(&keys[a]));
    loop {
        // What the neighbours are is compared from the most central one on; more of them come first.
        let signatures: Vec<Vec<u32>> = near
            .iter()
            .map(|near| {
                let mut of: Vec<u32> = near.iter().map(|&other| ranks[other as usize]).collect();
                of.sort_unstable();
                of.push(u32::MAX);
                of
            })
            .collect();
        let next =
            dense_ranks(n, |a, b| ranks[a].cmp(&ranks[b]).then_with(|| signatures[a].cmp(&signatures[b])));
        let n_classes = |ranks: &[u32]| ranks.iter().max().map_or(0, |&last| last + 1);
        let is_stable = n_classes(&next) == n_classes(&ranks);
        ranks = next;
        if is_stable {
            return ranks;
        }
    }
}

/// Of each of `n`, how many classes stand before its own.
fn dense_ranks(n: usize, compare: impl Fn(usize, usize) -> std::cmp::Ordering) -> Vec<u32> {
    let mut sorted: Vec<usize> = (0..n).collect();
    sorted.sort_by(|&a, &b| compare(a, b));
    let mut ranks = vec![0; n];
    for pair in sorted.windows(2) {
        ranks[pair[1]] = ranks[pair[0]] + u32::from(compare(pair[0], pair[1]).is_ne());
    }
    ranks
}

/// `Σ 1 / d` over the other nodes, with `d` edges between: a number of nodes at each distance, so that the sum has the same bits in
/// any numbering.
fn closeness(near: &[Vec<u32>], row: usize) -> f64 {
    let mut seen = vec![false; near.len()];
    seen[row] = true;
    let (mut level, mut distance, mut sum) = (vec![row as u32], 0.0, 0.0);
    while !level.is_empty() {
        if distance > 0.0 {
            sum += level.len() as f64 / distance;
        }
        distance += 1.0;
        let around = level.iter().flat_map(|&row| &near[row as usize]).copied();
        level = around.filter(|&row| !std::mem::replace(&mut seen[row as usize], true)).collect();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::per_graph::OfData;
    use crate::kernels::testkit::{assert_gradients, graph, random};

    fn both(links: &[(u32, u32)]) -> Vec<(u32, u32)> {
        links.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).collect()
    }

    fn rows(csr: &Csr) -> Vec<Vec<u32>> {
        (0..csr.n_rows()).map(|row| csr.row(row).to_vec()).collect()
    }

    #[test]
    fn nodes_stand_in_falling_order_and_fields_by_distance() {
        // Node 1 has three neighbours, of which 3 has another; 0 and 2 are alike.
        let graph = graph(&[5, 1], &both(&[(0, 1), (1, 2), (1, 3), (3, 4)]));
        for order in [Order::Degree, Order::Closeness, Order::Colours] {
            let (places, roots) = lists(&graph, 3, 4, 1, order);
            assert_eq!(rows(&places)[..4], [vec![1], vec![3], vec![0, 2], vec![0, 2]], "{order:?}");
            assert_eq!(rows(&places)[4..8], [vec![3], vec![1], vec![4], vec![0, 2]], "{order:?}");
            // Of the second graph one field, and one node in it.
            let last: Vec<Vec<u32>> = rows(&places).into_iter().rev().take(4).collect();
            assert_eq!(last, [vec![], vec![], vec![], vec![5]]);
            assert_eq!(rows(&roots)[3..], [vec![roots.n_cols as u32 - 1], vec![], vec![]]);
        }
        let (_, roots) = lists(&graph, 3, 4, 2, Order::Degree);
        assert_eq!(rows(&roots)[..3].iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1]);
    }

    /// Of a ring nothing tells nodes apart: every field is the mean of all, place by place.
    #[test]
    fn nodes_that_nothing_tells_apart_share_their_places() {
        let ring = graph(&[5], &both(&[(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]));
        let x = random(&[5, 2], 1);
        let found: Vec<Vec<f64>> = fields(&x, &ring, 2, 3, 1, Order::Closeness).unwrap().to_vec2().unwrap();
        let mean: Vec<f64> = x.mean(0).unwrap().to_vec1().unwrap();
        for row in found {
            assert!(row.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-12), "{row:?}");
        }
    }

    #[test]
    fn fields_of_a_graph_of_the_data_are_found_once() {
        let kept = Arc::default();
        let of_data = |graph: Arc<SparseGraph>, graphs: &[u32]| SparseGraph {
            of_data: Some(OfData::new(&kept, graphs)),
            ..(*graph).clone()
        };
        let found = |graph: &SparseGraph| {
            let (places, roots) = lists(graph, 3, 4, 1, Order::Closeness);
            (rows(&places), rows(&roots))
        };
        let five = [(0, 1), (1, 2), (1, 3), (3, 4)];
        let first = graph(&[5, 1], &both(&five));
        assert_eq!(found(&of_data(first.clone(), &[7, 3])), found(&first));
        // The same graphs in another order, and one more.
        let moved: Vec<(u32, u32)> = five.iter().map(|&(a, b)| (a + 1, b + 1)).chain([(6, 7)]).collect();
        let second = graph(&[1, 5, 2], &both(&moved));
        assert_eq!(found(&of_data(second.clone(), &[3, 7, 0])), found(&second));
        // Whatever has their numbers is taken for them, so nothing was worked out again.
        let other = graph(&[1, 5, 2], &both(&[(1, 5), (6, 7)]));
        assert_eq!(found(&of_data(other.clone(), &[3, 7, 0])), found(&second));
        assert_ne!(found(&other), found(&second));
    }

    #[test]
    fn gradients_match_finite_differences() {
        let graph = graph(&[5, 2], &both(&[(0, 1), (1, 2), (1, 3), (3, 4), (5, 6)]));
        assert_gradients(|args| fields(&args[0], &graph, 3, 3, 1, Order::Degree), &[random(&[7, 2], 2)]);
    }
}
