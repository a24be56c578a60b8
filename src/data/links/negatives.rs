//! Pairs that are no links, drawn to tell links from.

use super::Links;
use crate::args::BoundCall;
use crate::data::Dataset;
use crate::rng::{below, generator, unit};

/// How often a pair that is a link is drawn again. Of a node that is linked to all others no pair is left, and the last one stays.
const TRIES: usize = 16;

/// Draws pairs for links, each from the seed of its step and the link's own number, so that what shares a batch with it changes nothing.
#[derive(Debug, Clone)]
pub struct Sampler {
    /// Pairs for each link.
    pub count: usize,
    end: End,
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
        Self { count: args.int("count") as usize, end, weights }
    }

    /// One pair for each link, to be measured with: of links without kinds both ends are drawn, as in graph autoencoders, else one.
    pub fn for_measuring(links: &Links) -> Self {
        let end = if links.n_kinds > 0 || links.n_left > 0 { End::Either } else { End::Both };
        Self { count: 1, end, weights: Vec::new() }
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
            for _ in 0..TRIES {
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
                    ends[end] = self.node(&mut rng, links, end);
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
