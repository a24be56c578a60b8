//! Steps and measures of tasks on links: which edges pass messages, which pairs are asked about, and where links stand among others.
//!
//! Edges are parted as courses draw it: those of the training part pass messages while the network is trained and while the validation part
//! is measured, those of the validation part too while the test part is, and no edge of a part that is measured ever does.

use super::feed::Step;
use super::queries::Queries;
use crate::args::BoundCall;
use crate::data::batch::Reading;
use crate::data::links::{Links, Sampler};
use crate::data::{Dataset, EdgeReads, GraphBatch, Split};
use crate::kernels::graph::{Csr, EdgeKinds, SparseGraph};
use crate::kernels::{self, Activation, Summation};
use crate::lower::{Encoded, Factors, Network};
use crate::rng::{below, generator};
use crate::settings::metric::Rank;
use crate::settings::negatives::k_vs_all;
use candle_core::{DType, Device, Result, Tensor};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Pairs that are scored at a time where links are ranked, about.
const PAIRS_AT_ONCE: usize = 1 << 20;

/// The seed of the pairs that a part is measured with: the same after every epoch and in every run.
const MEASURED: u64 = 0x6c69_6e6b;

/// Tells the draws of which end a link is asked from apart from other draws of a step.
const TURNED: u64 = 0x7475_726e_6564;

/// Where the scores of each question begin, and how far they are apart.
type Places = Vec<(usize, usize)>;

/// How many questions are answered together, each by the scores of so many nodes.
pub fn questions_at_once(n_nodes: usize) -> usize {
    (PAIRS_AT_ONCE / n_nodes.max(1)).max(1)
}

/// The ends of a link that are exchanged when it is ranked, the second being `true`: between two parts items are ranked for users alone.
pub fn ranked_ends(links: &Links) -> &'static [bool] {
    if links.n_left > 0 { &[true] } else { &[false, true] }
}

/// One part of the links of a data set.
pub struct LinkPart<'a> {
    dataset: &'a Dataset,
    links: Arc<Links>,
    /// By link: whether its edges pass messages.
    passes: Vec<bool>,
    /// By link: whether a drawn pair must not be it.
    is_known: Vec<bool>,
    sampler: Sampler,
    /// What a step asks where every node is scored instead of a draw.
    queries: Option<Queries>,
    /// The edges that pass messages, made once.
    messages: Mutex<Option<GraphBatch>>,
}

impl<'a> LinkPart<'a> {
    /// # Panics
    /// Where the data set was not made for a task on links.
    pub fn new(
        dataset: &'a Dataset,
        items: &[u32],
        split: Option<&Split>,
        negatives: Option<&BoundCall>,
    ) -> Self {
        let links = dataset.links.clone().expect("a data set with links");
        let mut passes = vec![split.is_none(); links.len()];
        // All of the training part, or a share of it.
        let is_trained =
            split.is_some_and(|split| items.first().is_some_and(|first| split.train.contains(first)));
        if let Some(split) = split {
            let is_test = !is_trained && items != split.validation;
            let messages = split.train.iter().chain(split.validation.iter().filter(|_| is_test));
            messages.for_each(|&link| passes[link as usize] = true);
        }
        let asked = negatives.filter(|call| is_trained && k_vs_all::is_it(call));
        let queries = asked.map(|call| Queries::of(&links, items, &passes, call));
        let sampler = match negatives.filter(|_| is_trained && queries.is_none()) {
            Some(call) => Sampler::new(call, &links, &passes),
            None => Sampler::for_measuring(&links),
        };
        // While training, nothing is known of links that are measured later.
        let is_known = if is_trained { passes.clone() } else { vec![true; links.len()] };
        // What is asked about passes no messages, unless it is all there is.
        if split.is_none_or(|split| items != split.train) {
            items.iter().for_each(|&link| passes[link as usize] = false);
        }
        Self { dataset, links, passes, is_known, sampler, queries, messages: Mutex::new(None) }
    }

    /// How many queries a step asks, where every node is scored instead of a draw.
    pub fn n_queries(&self) -> Option<usize> {
        self.queries.as_ref().map(Queries::len)
    }

    /// The edges that pass messages, with features of the nodes.
    ///
    /// # Errors
    /// Where Candle cannot allocate.
    pub fn messages(&self, reading: &Reading, device: &Device) -> Result<GraphBatch> {
        let mut known = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|_| reading.sign_seed.is_none()) {
            return Ok(known.clone());
        }
        let all: Vec<u32> = (0..self.dataset.n_graphs() as u32).collect();
        let features = Reading { edges: EdgeReads::NOTHING, ..*reading };
        let mut batch = self.dataset.batch_with(&features, &all, DType::F32, device)?;
        let (graph, entries) = self.links.messages(self.dataset, &self.passes);
        if let Some(features) = self.dataset.edge_features.as_ref().filter(|_| reading.edges.features) {
            let (n, width) = (entries.len(), features.width());
            let mut rows = Vec::with_capacity(n * width);
            features.picked(&entries).write_rows(0..n, &mut rows);
            batch.edge_x = Some(Tensor::from_vec(rows, (n, width), device)?);
        }
        batch.graph = Arc::new(graph.with_types(batch.graph.types.clone()));
        // What no weight touches is the same in every step.
        let batch = batch.kept();
        if reading.sign_seed.is_none() {
            *known = Some(batch.clone());
        }
        Ok(batch)
    }

    /// The step over these links. Without a seed the pairs that they are told from are those that they are always measured with.
    ///
    /// # Errors
    /// Where Candle cannot allocate.
    pub fn step(&self, reading: &Reading, items: &[u32], seed: Option<u64>, device: &Device) -> Result<Step> {
        let draws_signs = !self.dataset.random_signs.is_empty();
        let reading = Reading { sign_seed: seed.filter(|_| draws_signs), ..*reading };
        let batch = self.messages(&reading, device)?;
        let (ends, kinds) = self.drawn(items, seed);
        self.step_of(batch, items, &ends, &kinds, device)
    }

    /// The same of training, as the network has it: with those of the drawn pairs that it scores highest, where the file asks for them; with
    /// links asked from either end where it has reverses of relations; and over queries where every node is scored.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn training_step(
        &self,
        reading: &Reading,
        items: &[u32],
        seed: Option<u64>,
        network: &Network,
        device: &Device,
    ) -> Result<Step> {
        let draws_signs = !self.dataset.random_signs.is_empty();
        let reading = Reading { sign_seed: seed.filter(|_| draws_signs), ..*reading };
        let batch = self.messages(&reading, device)?;
        let reverse = self.links.first_reverse.filter(|_| network.asks_by_reverse());
        if let Some(queries) = &self.queries {
            return self.query_step(batch, queries, items, reverse, device);
        }
        let (mut ends, mut kinds) = self.drawn(items, seed);
        if let (Some(first_reverse), Some(seed)) = (reverse, seed) {
            let beside = 1 + self.sampler.count;
            let pairs = ends.chunks_exact_mut(beside).zip(kinds.chunks_exact_mut(beside));
            for (&link, (ends, kinds)) in items.iter().zip(pairs) {
                if below(&mut generator(seed ^ TURNED, u64::from(link)), 2) == 1 {
                    ends.iter_mut().for_each(|ends| ends.reverse());
                    kinds.iter_mut().for_each(|kind| *kind += first_reverse);
                }
            }
        }
        let Some(n_hardest) = self.sampler.n_hardest else {
            return self.step_of(batch, items, &ends, &kinds, device);
        };
        let scores = self.scores(network, &network.encode(&batch)?, &batch, &ends, &kinds)?;
        let beside = 1 + self.sampler.count;
        let mut chosen = Vec::with_capacity(items.len() * (1 + n_hardest));
        for first in (0..ends.len()).step_by(beside) {
            // Pairs that tie stay in the order in which they were drawn.
            let mut others: Vec<usize> = (first + 1..first + beside).collect();
            others.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            chosen.push(first);
            chosen.extend(&others[..n_hardest]);
        }
        ends = chosen.iter().map(|&pair| ends[pair]).collect();
        kinds = if kinds.is_empty() { kinds } else { chosen.iter().map(|&pair| kinds[pair]).collect() };
        self.step_of(batch, items, &ends, &kinds, device)
    }

    /// Each link with the pairs that are drawn for it behind it, and the kinds of all.
    fn drawn(&self, items: &[u32], seed: Option<u64>) -> (Vec<[u32; 2]>, Vec<u32>) {
        let links = &self.links;
        let beside = 1 + self.sampler.count;
        let mut ends = Vec::with_capacity(items.len() * beside);
        let mut kinds = Vec::with_capacity(if links.kinds.is_empty() { 0 } else { ends.capacity() });
        for &link in items {
            ends.push(links.ends[link as usize]);
            let is_known = |link: u32| self.is_known[link as usize];
            self.sampler.draw(self.dataset, links, link, seed.unwrap_or(MEASURED), &is_known, &mut ends);
            if !links.kinds.is_empty() {
                kinds.resize(ends.len(), links.kind(link));
            }
        }
        (ends, kinds)
    }

    fn step_of(
        &self,
        mut batch: GraphBatch,
        items: &[u32],
        ends: &[[u32; 2]],
        kinds: &[u32],
        device: &Device,
    ) -> Result<Step> {
        let (pairs, order) = self.links.pairs(ends, kinds, &batch.graph.graph_offsets);
        let mut rows = vec![0u32; order.len()];
        (0u32..).zip(&order).for_each(|(row, &pair)| rows[pair as usize] = row);
        batch.pairs = Some(Arc::new(pairs));
        batch.graphs = items.to_vec();
        let targets = Tensor::zeros(items.len(), DType::I64, device)?;
        Ok(Step::of_links(batch, items.to_vec(), rows, targets))
    }

    /// The step over these queries: a row of scores for each, one for each node, and the labels of all nodes.
    fn query_step(
        &self,
        mut batch: GraphBatch,
        queries: &Queries,
        items: &[u32],
        reverse: Option<u32>,
        device: &Device,
    ) -> Result<Step> {
        let links = &self.links;
        let nodes = links.nodes_at(queries.end());
        // The end of each query, its kind, and whether the second end is asked for.
        let asked: Vec<(u32, u32, bool)> = items
            .iter()
            .map(|&item| match (queries.get(item), reverse) {
                ((end, kind, false), Some(first_reverse)) => (end, kind + first_reverse, true),
                (query, _) => query,
            })
            .collect();
        let mut rows = vec![0u32; items.len() * nodes.len()];
        let pairs = if asked.iter().all(|query| query.2) {
            let mut order: Vec<usize> = (0..asked.len()).collect();
            order.sort_unstable_by_key(|&place| asked[place]);
            let keys: Vec<(u32, u32)> = order.iter().map(|&at| (asked[at].0, asked[at].1)).collect();
            for (rank, &place) in order.iter().enumerate() {
                let row = &mut rows[place * nodes.len()..][..nodes.len()];
                row.iter_mut().enumerate().for_each(|(node, row)| *row = (node * keys.len() + rank) as u32);
            }
            self.candidates(&keys, true, &batch.graph.graph_offsets)
        } else {
            let (mut ends, mut kinds) = (Vec::with_capacity(rows.len()), Vec::new());
            for &(end, kind, is_tail) in &asked {
                ends.extend(nodes.clone().map(|node| if is_tail { [end, node] } else { [node, end] }));
                if links.n_kinds > 0 {
                    kinds.resize(ends.len(), kind);
                }
            }
            let (pairs, order) = links.pairs(&ends, &kinds, &batch.graph.graph_offsets);
            (0u32..).zip(&order).for_each(|(row, &pair)| rows[pair as usize] = row);
            pairs
        };
        batch.pairs = Some(Arc::new(pairs));
        batch.graphs = items.to_vec();
        let labels = Tensor::from_vec(queries.labels(items, &nodes), (items.len(), nodes.len()), device)?;
        Ok(Step::of_queries(batch, items.to_vec(), rows, labels))
    }

    /// Where each of these links stands among the pairs with another node at one of its ends, all other links left out. Between two
    /// parts only the second end is exchanged: items are ranked for users.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn ranks(
        &self,
        network: &Network,
        encoded: &Encoded,
        batch: &GraphBatch,
        items: &[u32],
    ) -> Result<Vec<Rank>> {
        let sides = ranked_ends(&self.links);
        let mut ranks = Vec::with_capacity(items.len() * sides.len());
        for &is_tail in sides {
            let known = Answers::of(&self.links, is_tail);
            let mut questions: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
            for &link in items {
                questions.entry(self.question(link, is_tail)).or_default().push(link);
            }
            let questions: Vec<((u32, u32), Vec<u32>)> = questions.into_iter().collect();
            let n_nodes = self.links.nodes_at(usize::from(is_tail)).len();
            for part in questions.chunks(questions_at_once(n_nodes)) {
                let keys: Vec<(u32, u32)> = part.iter().map(|(key, _)| *key).collect();
                let (scores, places) = self.scores_of_all(network, encoded, batch, &keys, is_tail)?;
                self.rank(part, is_tail, &scores, &places, &known, &mut ranks);
            }
        }
        Ok(ranks)
    }

    /// The pairs with the highest scores that are no links yet: for each node that has links, and each kind of them, up to `top` second
    /// ends, the highest first, those that tie in the order of the nodes.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn best(
        &self,
        network: &Network,
        encoded: &Encoded,
        batch: &GraphBatch,
        top: usize,
        mut each: impl FnMut(&Suggested),
    ) -> Result<()> {
        let links = &self.links;
        let mut answers: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
        for link in 0..links.len() as u32 {
            let ([first, second], kind) = (links.ends[link as usize], links.kind(link));
            answers.entry((first, kind)).or_default().push(second);
            if !links.is_directed && links.n_left == 0 {
                answers.entry((second, kind)).or_default().push(first);
            }
        }
        let questions: Vec<((u32, u32), Vec<u32>)> = answers.into_iter().collect();
        let nodes = links.nodes_at(1);
        for part in questions.chunks(questions_at_once(nodes.len())) {
            let keys: Vec<(u32, u32)> = part.iter().map(|(key, _)| *key).collect();
            let (scores, places) = self.scores_of_all(network, encoded, batch, &keys, true)?;
            for ((start, step), ((first, kind), known)) in places.into_iter().zip(part) {
                let mut is_out = vec![false; nodes.len()];
                known.iter().for_each(|&node| is_out[(node - nodes.start) as usize] = true);
                if links.kinds.is_empty() && nodes.contains(first) {
                    is_out[(first - nodes.start) as usize] = true;
                }
                let score = |node: u32| scores[start + (node - nodes.start) as usize * step];
                let mut best: Vec<u32> =
                    nodes.clone().filter(|node| !is_out[(node - nodes.start) as usize]).collect();
                let by_score = |a: &u32, b: &u32| score(*b).total_cmp(&score(*a)).then(a.cmp(b));
                if best.len() > top {
                    best.select_nth_unstable_by(top, by_score);
                    best.truncate(top);
                }
                best.sort_unstable_by(by_score);
                let seconds = best.into_iter().map(|node| (node, score(node))).collect();
                each(&Suggested { first: *first, kind: *kind, seconds });
            }
        }
        Ok(())
    }

    /// The scores of some pairs, in their order.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn scores(
        &self,
        network: &Network,
        encoded: &Encoded,
        batch: &GraphBatch,
        ends: &[[u32; 2]],
        kinds: &[u32],
    ) -> Result<Vec<f32>> {
        let mut scores = vec![0.0; ends.len()];
        for start in (0..ends.len()).step_by(PAIRS_AT_ONCE) {
            let part = start..(start + PAIRS_AT_ONCE).min(ends.len());
            let kinds = if self.links.n_kinds > 0 { &kinds[part.clone()] } else { &[] };
            let (pairs, order) = self.links.pairs(&ends[part], kinds, &batch.graph.graph_offsets);
            let found = network.decode(encoded, batch, &Arc::new(pairs))?;
            let found: Vec<f32> = found.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            order.iter().zip(found).for_each(|(&pair, score)| scores[start + pair as usize] = score);
        }
        Ok(scores)
    }

    /// The scores of all nodes as the other end of some ends with kinds, which ascend; and for each of these where its scores begin, and how
    /// far they are apart. Where the score is a product of both ends, a product of matrices has them all.
    fn scores_of_all(
        &self,
        network: &Network,
        encoded: &Encoded,
        batch: &GraphBatch,
        keys: &[(u32, u32)],
        is_tail: bool,
    ) -> Result<(Vec<f32>, Places)> {
        let reverse = self.links.first_reverse.filter(|_| !is_tail && network.asks_by_reverse());
        let turned: Vec<(u32, u32)>;
        let (keys, is_tail) = match reverse {
            Some(first_reverse) => {
                turned = keys.iter().map(|&(end, kind)| (end, kind + first_reverse)).collect();
                (&turned[..], true)
            }
            None => (keys, is_tail),
        };
        let nodes = self.links.nodes_at(usize::from(is_tail));
        let by_node = (0..keys.len()).map(|question| (question, keys.len())).collect();
        let numbers = |scores: Tensor| scores.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>();
        if let Some(Factors { of_ends, of_nodes }) =
            network.factors(encoded, batch, keys, self.links.n_kinds, is_tail)?
        {
            let of_nodes = of_nodes.narrow(0, nodes.start as usize, nodes.len())?.contiguous()?;
            let of_ends = of_ends.t()?.contiguous()?;
            // Nodes with equal rows tie, wherever they stand.
            let product = || kernels::linear(&of_nodes, &of_ends, None, Activation::Identity);
            return Ok((numbers(Summation::Reproducible.during(product)?)?, by_node));
        }
        let pairs = Arc::new(self.candidates(keys, is_tail, &batch.graph.graph_offsets));
        let scores = numbers(network.decode(encoded, batch, &pairs)?)?;
        if is_tail {
            return Ok((scores, by_node));
        }
        let (mut places, mut start) = (Vec::with_capacity(keys.len()), 0);
        for alike in keys.chunk_by(|a, b| a.0 == b.0) {
            places.extend((0..alike.len()).map(|place| (start + place, alike.len())));
            start += alike.len() * nodes.len();
        }
        Ok((scores, places))
    }

    /// The end of a link that stays, and its kind.
    fn question(&self, link: u32, is_tail: bool) -> (u32, u32) {
        (self.links.ends[link as usize][usize::from(!is_tail)], self.links.kind(link))
    }

    /// All nodes as the other end of some ends with kinds, which ascend. Where the second end is exchanged, the row of a node has
    /// an entry for each question; where the first is, the row of an end has one for each node and kind.
    fn candidates(&self, keys: &[(u32, u32)], is_tail: bool, offsets: &Arc<Vec<u32>>) -> SparseGraph {
        let n_nodes = self.links.n_nodes;
        let nodes = self.links.nodes_at(usize::from(is_tail));
        let n_pairs = keys.len() * nodes.len();
        let own: Vec<u32> = keys.iter().map(|key| key.0).collect();
        // By questions, and by nodes: rows of ends that stay, and rows of all nodes.
        let mut of_ends =
            Csr { offsets: vec![0; n_nodes + 1], indices: Vec::with_capacity(n_pairs), n_cols: n_nodes };
        let mut kinds_of_ends = Vec::with_capacity(n_pairs);
        for alike in keys.chunk_by(|a, b| a.0 == b.0) {
            for node in nodes.clone() {
                of_ends.indices.extend(std::iter::repeat_n(node, alike.len()));
                kinds_of_ends.extend(alike.iter().map(|key| key.1));
            }
            of_ends.offsets[alike[0].0 as usize + 1] = (alike.len() * nodes.len()) as u32;
        }
        (0..n_nodes).for_each(|row| of_ends.offsets[row + 1] += of_ends.offsets[row]);
        let mut of_nodes =
            Csr { offsets: vec![0; n_nodes + 1], indices: Vec::with_capacity(n_pairs), n_cols: n_nodes };
        for node in 0..n_nodes {
            if nodes.contains(&(node as u32)) {
                of_nodes.indices.extend_from_slice(&own);
            }
            of_nodes.offsets[node + 1] = of_nodes.indices.len() as u32;
        }
        let (adjacency, transpose) = if is_tail { (of_nodes, of_ends) } else { (of_ends, of_nodes) };
        let kinds = (self.links.n_kinds > 0).then(|| EdgeKinds {
            of_entry: Arc::new(match is_tail {
                true => nodes.flat_map(|_| keys.iter().map(|key| key.1)).collect(),
                false => kinds_of_ends,
            }),
            n_kinds: self.links.n_kinds,
        });
        SparseGraph::new(Arc::new(adjacency), Arc::new(transpose), offsets.clone()).with_kinds(kinds)
    }

    fn rank(
        &self,
        part: &[((u32, u32), Vec<u32>)],
        is_tail: bool,
        scores: &[f32],
        places: &[(usize, usize)],
        known: &Answers,
        ranks: &mut Vec<Rank>,
    ) {
        let nodes = self.links.nodes_at(usize::from(is_tail));
        let n_nodes = nodes.len();
        for ((key, links), &(start, step)) in part.iter().zip(places) {
            let score = |node: u32| scores[start + (node - nodes.start) as usize * step];
            for &link in links {
                let node = self.links.ends[link as usize][usize::from(is_tail)];
                let own = score(node);
                // What is no number is above all, so that it helps no figure.
                let is_above = |score: f32| score > own || score.is_nan() || own.is_nan();
                let (mut n_above, mut n_ties) = (0i64, 0i64);
                for &score in scores[start..].iter().step_by(step).take(n_nodes) {
                    n_above += i64::from(is_above(score));
                    n_ties += i64::from(score == own);
                }
                for &other in known.to(*key) {
                    let score = score(other);
                    n_above -= i64::from(is_above(score));
                    n_ties -= i64::from(score == own);
                }
                ranks.push(Rank {
                    question: (key.0, key.1, is_tail),
                    n_above: n_above.max(0) as u32,
                    n_ties: n_ties.max(0) as u32,
                    score: own,
                });
            }
        }
    }
}

/// Pairs of a node that are no links, the highest score first.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggested {
    pub first: u32,
    /// 0 where links have no kinds.
    pub kind: u32,
    /// Second ends with their scores.
    pub seconds: Vec<(u32, f32)>,
}

/// The other ends of all links by the end that stays and the kind.
struct Answers {
    keys: Vec<(u32, u32)>,
    offsets: Vec<usize>,
    nodes: Vec<u32>,
}

impl Answers {
    fn of(links: &Links, is_tail: bool) -> Self {
        let (stays, other) = (usize::from(!is_tail), usize::from(is_tail));
        let mut all: Vec<((u32, u32), u32)> = (0..links.len() as u32)
            .map(|link| {
                let ends = links.ends[link as usize];
                ((ends[stays], links.kind(link)), ends[other])
            })
            .collect();
        all.sort_unstable();
        let mut answers = Self { keys: Vec::new(), offsets: vec![0], nodes: Vec::with_capacity(all.len()) };
        for alike in all.chunk_by(|a, b| a.0 == b.0) {
            answers.keys.push(alike[0].0);
            answers.nodes.extend(alike.iter().map(|(_, node)| node));
            answers.offsets.push(answers.nodes.len());
        }
        answers
    }

    fn to(&self, key: (u32, u32)) -> &[u32] {
        let place = self.keys.binary_search(&key);
        place.map_or(&[], |place| &self.nodes[self.offsets[place]..self.offsets[place + 1]])
    }
}

#[cfg(test)]
mod tests;
