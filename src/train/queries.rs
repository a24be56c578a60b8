//! Queries: the ends of training links with their kinds, each once, and the nodes that answer them.

use crate::args::BoundCall;
use crate::data::links::Links;
use crate::settings::negatives::k_vs_all;
use std::collections::BTreeMap;
use std::ops::Range;

/// The queries of a training part, in ascending order.
pub(super) struct Queries {
    /// The end that is known, its kind, and whether the second end is asked for.
    all: Vec<(u32, u32, bool)>,
    /// The answers of query `q` are `nodes[offsets[q] .. offsets[q + 1]]`.
    offsets: Vec<usize>,
    nodes: Vec<u32>,
    smoothing: f64,
    /// Whether the second end is asked for where links are between two parts.
    asks_for_second: bool,
}

impl Queries {
    /// Those of `items`, answered by the links that are known.
    pub fn of(links: &Links, items: &[u32], is_known: &[bool], call: &BoundCall) -> Self {
        let is_between = links.n_left > 0;
        let [heads, tails] = match call.args.choice("end") {
            "head" => [true, false],
            "tail" => [false, true],
            _ => [!is_between, true],
        };
        // Both ends of a link without a direction are asked from alike.
        let is_either = !links.is_directed && !is_between;
        let of_link = |link: u32| {
            let ([first, second], kind) = (links.ends[link as usize], links.kind(link));
            let along = ((first, kind, true), second);
            let against = ((second, kind, is_either), first);
            [(tails || is_either).then_some(along), (heads || is_either).then_some(against)]
                .into_iter()
                .flatten()
        };
        let mut answers: BTreeMap<(u32, u32, bool), Vec<u32>> =
            items.iter().flat_map(|&link| of_link(link)).map(|(query, _)| (query, Vec::new())).collect();
        for link in (0..links.len() as u32).filter(|&link| is_known[link as usize]) {
            for (query, node) in of_link(link) {
                answers.entry(query).and_modify(|nodes| nodes.push(node));
            }
        }
        let mut queries = Self {
            all: Vec::with_capacity(answers.len()),
            offsets: vec![0],
            nodes: Vec::new(),
            smoothing: call.args.float(k_vs_all::LABEL_SMOOTHING),
            asks_for_second: tails || is_either,
        };
        for (query, nodes) in answers {
            queries.all.push(query);
            queries.nodes.extend(nodes);
            queries.offsets.push(queries.nodes.len());
        }
        queries
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Which end the nodes stand at that are scored: 1 for the second.
    pub fn end(&self) -> usize {
        usize::from(self.asks_for_second)
    }

    /// The end that is known, its kind, and whether the second end is asked for.
    pub fn get(&self, query: u32) -> (u32, u32, bool) {
        self.all[query as usize]
    }

    /// `(1 − ε) y + ε / N` for each of these queries and each of `N` nodes, row by row.
    pub fn labels(&self, queries: &[u32], nodes: &Range<u32>) -> Vec<f32> {
        let rest = (self.smoothing / nodes.len().max(1) as f64) as f32;
        let known = (1.0 - self.smoothing + self.smoothing / nodes.len().max(1) as f64) as f32;
        let mut labels = vec![rest; queries.len() * nodes.len()];
        for (row, &query) in labels.chunks_exact_mut(nodes.len().max(1)).zip(queries) {
            for &node in &self.nodes[self.offsets[query as usize]..self.offsets[query as usize + 1]] {
                row[(node - nodes.start) as usize] = known;
            }
        }
        labels
    }
}
