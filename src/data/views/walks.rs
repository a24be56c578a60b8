//! Random walks of the second order, and the pairs that their windows compare: those of node2vec.
//!
//! A step is drawn by rejection, as the reference implementations do: a neighbour is drawn evenly and kept with its share of the largest
//! weight. So a walk takes no table of the size of the edges times the degree.

use super::{Pairs, seed_of};
use crate::args::Args;
use crate::data::{Dataset, links};
use crate::files::Array;
use crate::kernels::graph::Csr;
use crate::kernels::map_each;
use crate::rng::{below, generator, unit};
use candle_core::{DType, Device, Result, Tensor};
use rand_chacha::ChaCha8Rng;
use std::ops::Deref;
use std::sync::Arc;

/// How walks are drawn and cut into windows: the arguments of `skip_gram`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Walks {
    /// Steps.
    pub length: usize,
    /// Nodes of a window.
    pub context: usize,
    /// From each node.
    pub per_node: usize,
    pub p: f64,
    pub q: f64,
    /// Drawn walks for each walk.
    pub negatives: usize,
}

impl Walks {
    pub fn of(args: &Args) -> Self {
        let int = |name| args.int(name) as usize;
        Self {
            length: int("walk_length"),
            context: int("context"),
            per_node: int("walks"),
            p: args.float("p"),
            q: args.float("q"),
            negatives: int("negatives"),
        }
    }

    /// Pairs of walks from one node; `negatives` times as many are drawn.
    pub fn n_pairs(&self) -> usize {
        self.per_node * (self.length + 2).saturating_sub(self.context) * (self.context - 1)
    }

    /// A walk from a node: `length + 1` nodes, the first included.
    pub fn walk<W: Deref<Target = [u32]>>(
        &self,
        edges: &Csr<W>,
        start: u32,
        rng: &mut ChaCha8Rng,
    ) -> Vec<u32> {
        let mut walk = Vec::with_capacity(self.length + 1);
        walk.push(start);
        let most = (1.0 / self.p).max(1.0).max(1.0 / self.q);
        let is_even = self.p == 1.0 && self.q == 1.0;
        for step in 0..self.length {
            let here = walk[step];
            let ways = edges.row(here as usize);
            if ways.is_empty() {
                walk.push(here);
                continue;
            }
            let next = loop {
                let next = ways[below(rng, ways.len())];
                if is_even || step == 0 {
                    break next;
                }
                let before = walk[step - 1];
                let weight = if next == before {
                    1.0 / self.p
                } else if edges.row(before as usize).binary_search(&next).is_ok() {
                    1.0
                } else {
                    1.0 / self.q
                };
                if unit(rng) * most < weight {
                    break next;
                }
            };
            walk.push(next);
        }
        walk
    }

    /// The pairs of the windows of a walk: the first node of each with the others.
    pub fn pairs_of(&self, walk: &[u32], pairs: &mut Vec<[u32; 2]>) {
        for window in walk.windows(self.context) {
            pairs.extend(window[1..].iter().map(|&node| [window[0], node]));
        }
    }

    /// The pairs of one node: those of its walks, then those that were drawn.
    fn of_node(&self, edges: &Csr<Array<u32>>, node: u32, seed: u64) -> Vec<[u32; 2]> {
        let mut rng = generator(seed_of(seed, u64::from(node)), 0);
        let mut pairs = Vec::with_capacity(self.n_pairs() * (1 + self.negatives));
        for _ in 0..self.per_node {
            self.pairs_of(&self.walk(edges, node, &mut rng), &mut pairs);
        }
        let n_nodes = edges.n_rows();
        for _ in 0..self.per_node * self.negatives {
            let drawn = (0..self.length).map(|_| below(&mut rng, n_nodes) as u32);
            let walk: Vec<u32> = std::iter::once(node).chain(drawn).collect();
            self.pairs_of(&walk, &mut pairs);
        }
        pairs
    }

    /// The pairs of some nodes of a data set of one graph. Those of the walks of a node count the same together as those that were drawn.
    ///
    /// # Errors
    /// Where Candle cannot allocate.
    pub fn pairs(&self, dataset: &Dataset, nodes: &[u32], seed: u64, device: &Device) -> Result<Pairs> {
        // Row `i`: where the edges of node `i` lead.
        let edges = dataset.reverse.as_ref().unwrap_or(&dataset.adjacency);
        let n_each = self.n_pairs() * (1 + self.negatives);
        let ends =
            map_each(nodes.len(), nodes.len() * n_each * 8, |place| self.of_node(edges, nodes[place], seed));
        self.compared(&ends.concat(), edges.n_rows(), nodes.len(), device)
    }

    /// Pairs of some items, of each those of its walks and then those that were drawn.
    ///
    /// # Errors
    /// Where Candle cannot allocate.
    pub fn compared(
        &self,
        ends: &[[u32; 2]],
        n_nodes: usize,
        n_items: usize,
        device: &Device,
    ) -> Result<Pairs> {
        let n_each = self.n_pairs() * (1 + self.negatives);
        let offsets = Arc::new(vec![0, n_nodes as u32]);
        let (graph, order) = links::pairs(n_nodes, 0, ends, &[], &offsets);
        let n_met = self.n_pairs();
        let (met, drawn) = ([1.0, 1.0 / n_met as f32], [-1.0, 1.0 / (n_each - n_met) as f32]);
        let mut signs = Vec::with_capacity(2 * order.len());
        let mut places = vec![0u32; order.len()];
        for (edge, &pair) in (0u32..).zip(&order) {
            places[pair as usize] = edge;
            signs.extend(if pair as usize % n_each < n_met { met } else { drawn });
        }
        let signs = Tensor::from_vec(signs, (order.len(), 2), device)?.to_dtype(DType::F32)?;
        Ok(Pairs { graph: Arc::new(graph), signs, edges: Arc::new(places), n_items })
    }
}
