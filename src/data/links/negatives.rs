//! Pairs that are no links, drawn to tell links from.

use super::Links;
use crate::args::BoundCall;
use crate::data::Dataset;
use crate::rng::{below, generator, unit};
use crate::settings::negatives::{hard, in_range};
use std::collections::BTreeSet;

/// How often a pair that is a link is drawn again. Of a node that is linked to all others no pair is left, and the last one stays.
const TRIES: usize = 16;

/// Draws pairs for links, each from the seed of its step and the link's own number, so that what shares a batch with it changes nothing.
#[derive(Debug, Clone)]
pub struct Sampler {
    /// Pairs drawn for each link.
    pub count: usize,
    /// How many of them stay, where those that score highest are chosen.
    pub n_hardest: Option<usize>,
    end: End,
    /// Nodes at each end of links of each kind, where none but these are drawn.
    ranges: Option<[Vec<Vec<u32>>; 2]>,
    /// Running sums of what each node counts; empty where all count the same.
    weights: Vec<f64>,
}

/// Which end of a link another node takes the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Head,
    Tail,
    /// One of both, each as likely.
    Either,
    Both,
}

impl Sampler {
    /// As `negatives = …` says. `passes` are the links whose ends count where nodes are drawn by how many they have.
    ///
    /// # Panics
    /// Where the call is not of the catalogue.
    pub fn new(call: &BoundCall, links: &Links, passes: &[bool]) -> Self {
        let args = &call.args;
        let end = match args.choice("end") {
            "head" => End::Head,
            "tail" => End::Tail,
            "both" => End::Both,
            _ => End::Either,
        };
        let weights = match args.get("power") {
            Some(_) => {
                let power = args.float("power");
                let mut degrees = vec![0u32; links.n_nodes];
                for (ends, _) in links.ends.iter().zip(passes).filter(|(_, passes)| **passes) {
                    ends.iter().for_each(|&node| degrees[node as usize] += 1);
                }
                let mut sum = 0.0;
                let running = |degree: &u32| {
                    sum += f64::from(*degree).powf(power);
                    sum
                };
                degrees.iter().map(running).collect()
            }
            None => Vec::new(),
        };
        let ranges = (call.name == in_range::SPEC.name).then(|| ranges(links, passes));
        let count = args.int("count") as usize;
        let (count, n_hardest) = match args.get(hard::OF) {
            Some(_) => (args.int(hard::OF) as usize, Some(count)),
            None => (count, None),
        };
        Self { count, n_hardest, end, ranges, weights }
    }

    /// One pair for each link, to be measured with: of links without kinds both ends are drawn, as in graph autoencoders, else one.
    pub fn for_measuring(links: &Links) -> Self {
        let end = if links.n_kinds > 0 || links.n_left > 0 { End::Either } else { End::Both };
        Self { count: 1, n_hardest: None, end, ranges: None, weights: Vec::new() }
    }

    /// The pairs for a link, none of which `is_link` unless there are hardly any others.
    pub fn draw(
        &self,
        data: &Dataset,
        links: &Links,
        link: u32,
        seed: u64,
        is_link: &dyn Fn(u32) -> bool,
        out: &mut Vec<[u32; 2]>,
    ) {
        let mut rng = generator(seed, u64::from(link));
        for _ in 0..self.count {
            let mut ends = links.ends[link as usize];
            let n_tries = if self.ranges.is_some() { 2 * TRIES } else { TRIES };
            for n_tried in 0..n_tries {
                ends = links.ends[link as usize];
                let replaced = match self.end {
                    End::Head => [true, false],
                    End::Tail => [false, true],
                    End::Both => [true, true],
                    End::Either => {
                        let end = below(&mut rng, 2);
                        [end == 0, end == 1]
                    }
                };
                for (end, _) in replaced.iter().enumerate().filter(|(_, is_replaced)| **is_replaced) {
                    let range = self.ranges.as_ref().filter(|_| n_tried < TRIES);
                    let range = range.and_then(|ranges| ranges[end].get(links.kind(link) as usize));
                    ends[end] = match range.filter(|nodes| !nodes.is_empty()) {
                        Some(nodes) => nodes[below(&mut rng, nodes.len())],
                        None => self.node(&mut rng, links, end),
                    };
                }
                let is_loop = ends[0] == ends[1] && links.kinds.is_empty();
                let found = links.find(data, ends[0], ends[1], links.kind(link));
                if !is_loop && !found.is_some_and(is_link) {
                    break;
                }
            }
            out.push(ends);
        }
    }

    fn node(&self, rng: &mut rand_chacha::ChaCha8Rng, links: &Links, end: usize) -> u32 {
        let nodes = links.nodes_at(end);
        if self.weights.is_empty() {
            return nodes.start + below(rng, nodes.len()) as u32;
        }
        let below_first = |node: u32| if node == 0 { 0.0 } else { self.weights[node as usize - 1] };
        let (from, to) = (below_first(nodes.start), below_first(nodes.end));
        let drawn = from + unit(rng) * (to - from);
        let place = self.weights.partition_point(|&sum| sum <= drawn) as u32;
        place.clamp(nodes.start, nodes.end - 1)
    }
}

/// The nodes at both ends of the links of each kind that pass messages, ascending. Of links that lead nowhere, each end is both.
fn ranges(links: &Links, passes: &[bool]) -> [Vec<Vec<u32>>; 2] {
    let mut found = vec![[BTreeSet::new(), BTreeSet::new()]; links.n_kinds.max(1)];
    let is_either = !links.is_directed && links.n_left == 0;
    for link in (0..links.len() as u32).filter(|&link| passes[link as usize]) {
        let [first, second] = links.ends[link as usize];
        let sides = &mut found[links.kind(link) as usize];
        sides[0].extend(std::iter::once(first).chain(is_either.then_some(second)));
        sides[1].extend(std::iter::once(second).chain(is_either.then_some(first)));
    }
    [0, 1].map(|end| found.iter().map(|sides| sides[end].iter().copied().collect()).collect())
}
