//! Connected subgraphs of a few nodes.

use super::counts::{Graph, hashed};
use super::four;
use crate::kernels::mixed;
use std::collections::HashMap;
use std::sync::OnceLock;

pub(super) const MAX_K: usize = 5;

/// Pairs of `MAX_K` nodes.
const MAX_PAIRS: usize = MAX_K * (MAX_K - 1) / 2;

/// How many sets of `k` nodes induce each connected graph, by its edges and labels.
pub(super) fn counts(graph: &Graph, k: usize) -> Vec<(u64, u64)> {
    let n = graph.n_nodes();
    let mut neighbours: Vec<Vec<u32>> = vec![Vec::new(); n];
    for target in 0..n {
        for source in graph.sources(target).filter(|&source| source != target) {
            neighbours[target].push(source as u32);
            neighbours[source].push(target as u32);
        }
    }
    for list in &mut neighbours {
        list.sort_unstable();
        list.dedup();
    }
    let (labels, ranks) = graph.ranked_labels();
    let counts = match k {
        four::K => four::counts(&neighbours, &ranks, forms(k)),
        _ => enumerated(&neighbours, &ranks, k),
    };
    let of_key = |(form, of_nodes): &Key| {
        let first = mixed(mixed(4, k as u64), u64::from(*form));
        of_nodes[..k].iter().fold(first, |hash, &rank| mixed(hash, labels[rank as usize]))
    };
    hashed(counts, of_key)
}

/// [`counts`], every set by itself.
fn enumerated(neighbours: &[Vec<u32>], ranks: &[u32], k: usize) -> HashMap<Key, u64> {
    let n = neighbours.len();
    let mut search = Search {
        neighbours,
        ranks,
        forms: forms(k),
        k,
        chosen: Vec::with_capacity(k),
        covered: vec![0; n],
        counts: HashMap::new(),
    };
    (0..n as u32).for_each(|first| search.begin(first));
    search.counts
}

/// The smallest picture of the edges, and the labels in its order.
pub(super) type Key = (u16, [u32; MAX_K]);

/// The enumeration of Wernicke 2006 (ESU): each connected set of nodes is met once, from its smallest node.
struct Search<'a> {
    neighbours: &'a [Vec<u32>],
    ranks: &'a [u32],
    forms: &'a [Form],
    k: usize,
    chosen: Vec<u32>,
    /// How many chosen nodes each node is, or is next to.
    covered: Vec<u32>,
    counts: HashMap<Key, u64>,
}

impl Search<'_> {
    fn begin(&mut self, first: u32) {
        let behind = self.neighbours[first as usize].iter().copied().filter(|&node| node > first).collect();
        self.choose(first);
        self.extend(behind, first);
        self.take_back(first);
    }

    fn choose(&mut self, node: u32) {
        self.chosen.push(node);
        self.covered[node as usize] += 1;
        self.neighbours[node as usize].iter().for_each(|&other| self.covered[other as usize] += 1);
    }

    fn take_back(&mut self, node: u32) {
        self.chosen.pop();
        self.covered[node as usize] -= 1;
        self.neighbours[node as usize].iter().for_each(|&other| self.covered[other as usize] -= 1);
    }

    /// Every set that has the chosen nodes and some of `open`, or of what lies behind those.
    fn extend(&mut self, mut open: Vec<u32>, first: u32) {
        while let Some(node) = open.pop() {
            if self.chosen.len() + 1 == self.k {
                self.count(node);
                continue;
            }
            let fresh = self.neighbours[node as usize].iter().copied();
            let fresh = fresh.filter(|&other| other > first && self.covered[other as usize] == 0);
            let next = open.iter().copied().chain(fresh).collect();
            self.choose(node);
            self.extend(next, first);
            self.take_back(node);
        }
    }

    fn count(&mut self, last: u32) {
        let mut nodes = [0u32; MAX_K];
        nodes[..self.k - 1].copy_from_slice(&self.chosen);
        nodes[self.k - 1] = last;
        let is_edge =
            |a: usize, b: usize| self.neighbours[nodes[a] as usize].binary_search(&nodes[b]).is_ok();
        let picture = picture(self.k, is_edge);
        let mut labels = [0; MAX_K];
        labels[..self.k].iter_mut().zip(nodes).for_each(|(to, node)| *to = self.ranks[node as usize]);
        *self.counts.entry(key(self.forms, self.k, picture, &labels)).or_insert(0) += 1;
    }
}

/// The key of `k` nodes with this picture and these labels.
pub(super) fn key(forms: &[Form], k: usize, picture: u16, labels: &[u32; MAX_K]) -> Key {
    let form = &forms[picture as usize];
    let of_order = |order: &[u8; MAX_K]| {
        let mut of_order = [0u32; MAX_K];
        for (label, &place) in of_order[..k].iter_mut().zip(order) {
            *label = labels[place as usize];
        }
        of_order
    };
    let smallest = form.orders.iter().map(of_order).min().expect("some order makes the smallest picture");
    (form.smallest, smallest)
}

/// Edges between `k` nodes as bits, pairs in the order (0, 1), (0, 2), (1, 2), …
pub(super) fn picture(k: usize, is_edge: impl Fn(usize, usize) -> bool) -> u16 {
    let mut bits = 0;
    let mut place = 0;
    for b in 1..k {
        for a in 0..b {
            bits |= u16::from(is_edge(a, b)) << place;
            place += 1;
        }
    }
    bits
}

/// Of a picture: the smallest that its nodes can have in any order, and the orders in which they have it.
pub(super) struct Form {
    smallest: u16,
    /// Which node comes at each place.
    orders: Vec<[u8; MAX_K]>,
}

/// Of every picture of `k` nodes.
pub(super) fn forms(k: usize) -> &'static [Form] {
    static FORMS: [OnceLock<Vec<Form>>; MAX_K + 1] = [const { OnceLock::new() }; MAX_K + 1];
    FORMS[k].get_or_init(|| {
        let orders = orders(k);
        let n_pairs = k * (k - 1) / 2;
        debug_assert!(n_pairs <= MAX_PAIRS);
        (0..1u16 << n_pairs)
            .map(|bits| {
                let is_edge = |a: usize, b: usize| {
                    let (a, b) = (a.min(b), a.max(b));
                    bits >> (b * (b - 1) / 2 + a) & 1 == 1
                };
                let moved =
                    |order: &[u8; MAX_K]| picture(k, |a, b| is_edge(order[a] as usize, order[b] as usize));
                let smallest = orders.iter().map(moved).min().expect("there is an order");
                let orders = orders.iter().copied().filter(|order| moved(order) == smallest).collect();
                Form { smallest, orders }
            })
            .collect()
    })
}

/// The orders of `k` nodes.
fn orders(k: usize) -> Vec<[u8; MAX_K]> {
    let mut orders = vec![[0u8; MAX_K]];
    for place in 1..k {
        orders = orders
            .iter()
            .flat_map(|order| {
                (0..=place).map(move |at| {
                    let mut longer = *order;
                    longer.copy_within(at..place, at + 1);
                    longer[at] = place as u8;
                    longer
                })
            })
            .collect();
    }
    orders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_of_a_few_nodes_are_told_apart_up_to_numbering() {
        // OEIS A000088: graphs of n nodes.
        for (k, n_graphs) in [(3, 4), (4, 11), (5, 34)] {
            let mut smallest: Vec<u16> = forms(k).iter().map(|form| form.smallest).collect();
            smallest.sort_unstable();
            smallest.dedup();
            assert_eq!(smallest.len(), n_graphs, "{k} nodes");
        }
        assert_eq!(orders(5).len(), 120);
    }
}
