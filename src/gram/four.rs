//! Connected subgraphs of four nodes by formulas: sets of four nodes are not met one by one, but for complete ones.
//!
//! Ahmed et al. 2015, "Efficient Graphlet Counting for Large Networks": what has three edges or a triangle and one edge more is counted by
//! the neighbours and the triangles of each edge, four-cycles by pairs of paths of two edges, complete sets by common neighbours of
//! triangles; subtraction makes induced subgraphs of these. Here nodes have labels, so that each count is one of labels too. A node with `d`
//! neighbours of `l` labels takes about `d + l³` steps for its stars, where enumeration takes `d³`.

use super::graphlet::{Form, Key, MAX_K, key};
use std::collections::{BTreeMap, HashMap};

pub(super) const K: usize = 4;

/// The pair of places `a < b` in a picture.
const fn edge(a: usize, b: usize) -> u16 {
    1 << (b * (b - 1) / 2 + a)
}

/// Around place 0.
const STAR: u16 = edge(0, 1) | edge(0, 2) | edge(0, 3);
/// 2 – 0 – 1 – 3.
const PATH: u16 = edge(0, 1) | edge(0, 2) | edge(1, 3);
/// A triangle of 0, 1 and 2, and an edge from 0 to 3.
const PAW: u16 = edge(0, 1) | edge(0, 2) | edge(1, 2) | edge(0, 3);
/// 0 – 2 – 1 – 3 – 0.
const CYCLE: u16 = edge(0, 2) | edge(1, 2) | edge(0, 3) | edge(1, 3);
/// Two triangles with the edge between 0 and 1 in common.
const DIAMOND: u16 = CYCLE | edge(0, 1);
const COMPLETE: u16 = DIAMOND | edge(2, 3);

/// How many sets of four nodes induce each connected graph. `neighbours` are sorted, without loops and each once; `ranks` are labels as
/// numbers from 0.
pub(super) fn counts(neighbours: &[Vec<u32>], ranks: &[u32], forms: &[Form]) -> HashMap<Key, u64> {
    let n_labels = ranks.iter().max().map_or(0, |&last| last as usize + 1);
    let mut found = Found { forms, all: BTreeMap::new() };
    let labels: Vec<Vec<(u32, u64)>> =
        neighbours.iter().map(|near| by_label(near, ranks, n_labels)).collect();
    stars(&labels, ranks, &mut found);
    edges(neighbours, &labels, ranks, n_labels, &mut found);
    let order = Order::of(neighbours);
    cycles(&order, neighbours, ranks, &mut found);
    complete(&order, ranks, n_labels, &mut found);
    found.induced()
}

/// How often each shape is there with these labels at its places, whatever other edges there are.
struct Found<'a> {
    forms: &'a [Form],
    /// By edges: the most last.
    all: BTreeMap<(u32, Key), u64>,
}

impl Found<'_> {
    fn add(&mut self, picture: u16, labels: [u32; K], count: u64) {
        if count > 0 {
            let key = self.key(picture, labels);
            *self.all.entry((picture.count_ones(), key)).or_insert(0) += count;
        }
    }

    fn key(&self, picture: u16, labels: [u32; K]) -> Key {
        let mut of = [0; MAX_K];
        of[..K].copy_from_slice(&labels);
        key(self.forms, K, picture, &of)
    }

    /// From the most edges on, each induced graph is taken out of what it has with fewer edges.
    fn induced(mut self) -> HashMap<Key, u64> {
        let parts: Vec<Vec<u16>> = (0..1 << 6)
            .map(|whole: u16| {
                (1..whole).filter(|part| part & whole == *part && is_connected(*part)).collect()
            })
            .collect();
        let mut induced = HashMap::new();
        while let Some(((_, found), count)) = self.all.pop_last() {
            if count == 0 {
                continue;
            }
            let (picture, labels) = found;
            let labels = [labels[0], labels[1], labels[2], labels[3]];
            for &part in &parts[picture as usize] {
                let key = (part.count_ones(), self.key(part, labels));
                let of_part = self.all.get_mut(&key).expect("a graph has all that is a part of it");
                *of_part -= count;
            }
            induced.insert(found, count);
        }
        induced
    }
}

/// Whether four nodes are joined.
fn is_connected(picture: u16) -> bool {
    let mut reached = 1u8;
    for _ in 0..K {
        for b in 1..K {
            for a in 0..b {
                let is_reached = reached >> a & 1 == 1 || reached >> b & 1 == 1;
                if picture & edge(a, b) != 0 && is_reached {
                    reached |= 1 << a | 1 << b;
                }
            }
        }
    }
    reached == (1 << K) - 1
}

/// How many nodes have each label, ascending.
fn by_label(nodes: &[u32], ranks: &[u32], n_labels: usize) -> Vec<(u32, u64)> {
    if n_labels == 1 {
        return if nodes.is_empty() { Vec::new() } else { vec![(0, nodes.len() as u64)] };
    }
    let mut labels: Vec<u32> = nodes.iter().map(|&node| ranks[node as usize]).collect();
    labels.sort_unstable();
    labels.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len() as u64)).collect()
}

/// How many ways there are to take one of each of these, where equal labels are one set to take from.
fn taken<const N: usize>(of: [(u32, u64); N]) -> u64 {
    let mut ways = 1;
    let mut first = 0;
    while first < N {
        let n_equal = of[first..].iter().take_while(|next| next.0 == of[first].0).count() as u64;
        let n = of[first].1;
        ways *= (0..n_equal).fold(1, |ways, taken| ways * n.saturating_sub(taken) / (taken + 1));
        first += n_equal as usize;
    }
    ways
}

/// Three neighbours of a node.
fn stars(labels: &[Vec<(u32, u64)>], ranks: &[u32], found: &mut Found) {
    for (node, of) in labels.iter().enumerate() {
        for (idx, &a) in of.iter().enumerate() {
            for (next, &b) in of.iter().enumerate().skip(idx) {
                for &c in &of[next..] {
                    found.add(STAR, [ranks[node], a.0, b.0, c.0], taken([a, b, c]));
                }
            }
        }
    }
}

/// What is around an edge: paths that it is the middle of, two triangles on it, and triangles with an edge more at its ends.
fn edges(
    neighbours: &[Vec<u32>],
    labels: &[Vec<(u32, u64)>],
    ranks: &[u32],
    n_labels: usize,
    found: &mut Found,
) {
    let n = neighbours.len();
    let mut is_near = vec![false; n];
    let mut common = vec![0u64; n_labels];
    // Triangles at each node by the labels of the other two; each is met on two of its edges.
    let mut corners: Vec<BTreeMap<(u32, u32), u64>> = vec![BTreeMap::new(); n];
    for u in 0..n {
        neighbours[u].iter().for_each(|&other| is_near[other as usize] = true);
        for &v in &neighbours[u] {
            let v = v as usize;
            // Neighbours of the end that has fewer are looked at.
            if (neighbours[v].len(), v) > (neighbours[u].len(), u) {
                continue;
            }
            let shared = neighbours[v].iter().filter(|&&w| is_near[w as usize]);
            shared.for_each(|&w| common[ranks[w as usize] as usize] += 1);
            let triangles: Vec<(u32, u64)> = (0u32..)
                .zip(&common)
                .filter(|(_, count)| **count > 0)
                .map(|(label, &count)| (label, count))
                .collect();
            let [of_u, of_v] = [ranks[u], ranks[v]];
            for &(a, n_a) in &labels[u] {
                let n_a = n_a - u64::from(a == of_v);
                for &(b, n_b) in &labels[v] {
                    let n_b = n_b - u64::from(b == of_u);
                    // A common neighbour is no two nodes.
                    let n_same = if a == b { common[a as usize] } else { 0 };
                    found.add(PATH, [of_u, of_v, a, b], n_a * n_b - n_same);
                }
            }
            for (idx, &a) in triangles.iter().enumerate() {
                for &b in &triangles[idx..] {
                    found.add(DIAMOND, [of_u, of_v, a.0, b.0], taken([a, b]));
                }
                for (corner, other) in [(u, of_v), (v, of_u)] {
                    *corners[corner].entry((other.min(a.0), other.max(a.0))).or_insert(0) += a.1;
                }
            }
            triangles.iter().for_each(|&(label, _)| common[label as usize] = 0);
        }
        neighbours[u].iter().for_each(|&other| is_near[other as usize] = false);
    }
    for (node, corners) in corners.iter().enumerate() {
        for (&(a, b), &twice) in corners {
            for &(c, n_c) in &labels[node] {
                let n_c = n_c - u64::from(a == c) - u64::from(b == c);
                found.add(PAW, [ranks[node], a, b, c], twice / 2 * n_c);
            }
        }
    }
}

/// Nodes by their number of neighbours.
struct Order {
    /// The place of each node.
    places: Vec<u32>,
    /// Of each node the neighbours that stand behind it, in the order.
    behind: Vec<Vec<u32>>,
}

impl Order {
    fn of(neighbours: &[Vec<u32>]) -> Self {
        let mut sorted: Vec<u32> = (0..neighbours.len() as u32).collect();
        sorted.sort_by_key(|&node| (neighbours[node as usize].len(), node));
        let mut places = vec![0; neighbours.len()];
        (0u32..).zip(&sorted).for_each(|(place, &node)| places[node as usize] = place);
        let behind = (0..neighbours.len()).map(|node| {
            let mut behind = neighbours[node].clone();
            behind.retain(|&other| places[other as usize] > places[node]);
            behind.sort_by_key(|&other| places[other as usize]);
            behind
        });
        Self { behind: behind.collect(), places }
    }
}

/// Two paths of two edges from a node, the last of its cycle in the order, to the one across.
///
/// Chiba and Nishizeki 1985, "Arboricity and Subgraph Listing Algorithms".
fn cycles(order: &Order, neighbours: &[Vec<u32>], ranks: &[u32], found: &mut Found) {
    let place = |node: u32| order.places[node as usize];
    let mut middles: Vec<Vec<(u32, u64)>> = vec![Vec::new(); neighbours.len()];
    let mut across: Vec<u32> = Vec::new();
    for last in 0..neighbours.len() as u32 {
        let before = |other: &&u32| place(**other) < place(last);
        for &middle in neighbours[last as usize].iter().filter(before) {
            for &other in neighbours[middle as usize].iter().filter(before) {
                let middles = &mut middles[other as usize];
                if middles.is_empty() {
                    across.push(other);
                }
                let label = ranks[middle as usize];
                match middles.iter_mut().find(|(of, _)| *of == label) {
                    Some((_, count)) => *count += 1,
                    None => middles.push((label, 1)),
                }
            }
        }
        for other in across.drain(..) {
            let middles = &mut middles[other as usize];
            for (idx, &a) in middles.iter().enumerate() {
                for &b in &middles[idx..] {
                    let labels = [ranks[last as usize], ranks[other as usize], a.0, b.0];
                    found.add(CYCLE, labels, taken([a, b]));
                }
            }
            middles.clear();
        }
    }
}

/// Complete sets, each from the first of its nodes in the order: the others are among the neighbours behind it, whose edges are rows of bits.
fn complete(order: &Order, ranks: &[u32], n_labels: usize, found: &mut Found) {
    let mut at = vec![usize::MAX; order.places.len()];
    let mut sums: HashMap<[u32; K], u64> = HashMap::new();
    for (first, behind) in order.behind.iter().enumerate().filter(|(_, behind)| behind.len() >= K - 1) {
        let n_words = behind.len().div_ceil(64);
        behind.iter().enumerate().for_each(|(place, &node)| at[node as usize] = place);
        let mut rows = vec![0u64; behind.len() * n_words];
        for (place, &node) in behind.iter().enumerate() {
            for other in order.behind[node as usize].iter().map(|&other| at[other as usize]) {
                if other != usize::MAX {
                    rows[place * n_words + other / 64] |= 1 << (other % 64);
                }
            }
        }
        let mut of_labels: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for (place, &node) in behind.iter().enumerate() {
            let words = of_labels.entry(ranks[node as usize]).or_insert_with(|| vec![0; n_words]);
            words[place / 64] |= 1 << (place % 64);
        }
        let row = |place: usize| &rows[place * n_words..][..n_words];
        let label = |place: usize| ranks[behind[place] as usize];
        for second in 0..behind.len() {
            for third in
                (second + 1..behind.len()).filter(|third| row(second)[third / 64] >> (third % 64) & 1 == 1)
            {
                let words = row(second).iter().zip(row(third)).map(|(a, b)| a & b);
                for (&of, words_of) in &of_labels {
                    let words = words.clone().zip(words_of);
                    let count: u64 = words.map(|(word, of)| u64::from((word & of).count_ones())).sum();
                    if count > 0 {
                        *sums.entry([ranks[first], label(second), label(third), of]).or_insert(0) += count;
                    }
                }
            }
        }
        behind.iter().for_each(|&node| at[node as usize] = usize::MAX);
        // Labels of few sets do not pile up.
        if n_labels == 1 || sums.len() > 1 << 16 {
            sums.drain().for_each(|(labels, count)| found.add(COMPLETE, labels, count));
        }
    }
    sums.into_iter().for_each(|(labels, count)| found.add(COMPLETE, labels, count));
}

#[cfg(test)]
mod tests {
    use super::super::graphlet::{forms, picture};
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Every set of four nodes by itself.
    fn one_by_one(neighbours: &[Vec<u32>], ranks: &[u32]) -> HashMap<Key, u64> {
        let n = neighbours.len() as u32;
        let mut counts = HashMap::new();
        for d in 0..n {
            for c in 0..d {
                for b in 0..c {
                    for a in 0..b {
                        let nodes = [a, b, c, d];
                        let is_edge = |x: usize, y: usize| neighbours[nodes[x] as usize].contains(&nodes[y]);
                        let found = picture(K, is_edge);
                        if is_connected(found) {
                            let labels = nodes.map(|node| ranks[node as usize]);
                            let key = Found { forms: forms(K), all: BTreeMap::new() }.key(found, labels);
                            *counts.entry(key).or_insert(0) += 1;
                        }
                    }
                }
            }
        }
        counts
    }

    fn random(n: usize, density: f64, n_labels: u32, seed: u64) -> (Vec<Vec<u32>>, Vec<u32>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut neighbours = vec![Vec::new(); n];
        for a in 0..n {
            for b in 0..a {
                // Node 0 is a hub.
                if b == 0 && rng.random_bool(0.8) || rng.random_bool(density) {
                    neighbours[a].push(b as u32);
                    neighbours[b].push(a as u32);
                }
            }
        }
        neighbours.iter_mut().for_each(|near| near.sort_unstable());
        // Ranks without gaps.
        let labels: Vec<u32> = (0..n).map(|_| rng.random_range(0..n_labels)).collect();
        let mut known = labels.clone();
        known.sort_unstable();
        known.dedup();
        let ranks = labels.iter().map(|label| known.binary_search(label).unwrap() as u32).collect();
        (neighbours, ranks)
    }

    #[test]
    fn formulas_count_what_an_enumeration_counts() {
        for seed in 0..40 {
            let density = [0.05, 0.2, 0.5, 0.9, 1.0][seed as usize % 5];
            for n_labels in [1, 2, 4, 30] {
                let (neighbours, ranks) = random(4 + seed as usize % 14, density, n_labels, seed);
                let expected = one_by_one(&neighbours, &ranks);
                assert_eq!(counts(&neighbours, &ranks, forms(K)), expected, "seed {seed}, {n_labels} labels");
            }
        }
        assert!(counts(&[], &[], forms(K)).is_empty());
    }

    /// 4,000 leaves around a node, two of which are joined: closed forms, which no enumeration reaches.
    #[test]
    fn a_hub_takes_no_time() {
        let n = 4_000u64;
        let mut neighbours: Vec<Vec<u32>> = vec![(1..=n as u32).collect()];
        neighbours.extend((0..n).map(|_| vec![0]));
        neighbours[1].push(2);
        neighbours[2].push(1);
        let found = counts(&neighbours, &vec![0; n as usize + 1], forms(K));
        let key = |shape: u16| Found { forms: forms(K), all: BTreeMap::new() }.key(shape, [0; K]);
        let others = n - 2;
        // Three leaves that are not joined: none of the two, or one of them.
        let n_stars = others * (others - 1) * (others - 2) / 6 + 2 * (others * (others - 1) / 2);
        assert_eq!(found, HashMap::from([(key(STAR), n_stars), (key(PAW), others)]));
    }

    /// `C(n, 4)` of a complete graph, whose sets are counted by rows of bits.
    #[test]
    fn a_complete_graph_has_complete_sets_alone() {
        let n = 200u32;
        let neighbours: Vec<Vec<u32>> = (0..n).map(|a| (0..n).filter(|&b| b != a).collect()).collect();
        let found = counts(&neighbours, &vec![0; n as usize], forms(K));
        assert_eq!(found.into_values().collect::<Vec<_>>(), [200 * 199 * 198 * 197 / 24]);
    }
}
