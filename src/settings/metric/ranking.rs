//! Where links stand among all pairs that could be in their place. One table.

use super::{Metric, Predictions, Rank};
use crate::types::TargetKind;
use std::collections::BTreeMap;

/// A figure of ranks. Pairs that are links of any part are left out when a link is ranked (Bordes et al. 2013, "filtered"); of pairs
/// that tie with it, half count as above.
pub struct OfRanks {
    name: &'static str,
    doc: &'static str,
    what: What,
}

enum What {
    ReciprocalRank,
    Hits(f64),
    Recall(usize),
    Ndcg(usize),
}

macro_rules! table {
    ($($id:ident $name:literal $what:expr, $doc:literal;)*) => {
        $(pub static $id: OfRanks = OfRanks { name: $name, doc: $doc, what: $what };)*
    };
}

table! {
    MRR "mrr" What::ReciprocalRank, "Mean reciprocal rank of links among all pairs with another node at one end, other links left out; pairs that tie share the mean of their places.";
    HITS_AT_1 "hits_at_1" What::Hits(1.0), "Share of the links that rank first, as `mrr` ranks them.";
    HITS_AT_3 "hits_at_3" What::Hits(3.0), "Share of the links among the first 3, as `mrr` ranks them.";
    HITS_AT_10 "hits_at_10" What::Hits(10.0), "Share of the links among the first 10, as `mrr` ranks them.";
    HITS_AT_20 "hits_at_20" What::Hits(20.0), "Share of the links among the first 20, as `mrr` ranks them.";
    HITS_AT_50 "hits_at_50" What::Hits(50.0), "Share of the links among the first 50, as `mrr` ranks them.";
    HITS_AT_100 "hits_at_100" What::Hits(100.0), "Share of the links among the first 100, as `mrr` ranks them.";
    RECALL_AT_10 "recall_at_10" What::Recall(10), "Share of a node's links among the 10 highest of its pairs, without those it was trained on; the mean over the nodes.";
    RECALL_AT_20 "recall_at_20" What::Recall(20), "Share of a node's links among the 20 highest of its pairs, without those it was trained on; the mean over the nodes.";
    RECALL_AT_50 "recall_at_50" What::Recall(50), "Share of a node's links among the 50 highest of its pairs, without those it was trained on; the mean over the nodes.";
    NDCG_AT_10 "ndcg_at_10" What::Ndcg(10), "Normalised discounted cumulative gain of the 10 highest of a node's pairs (Järvelin and Kekäläinen 2002); the mean over the nodes.";
    NDCG_AT_20 "ndcg_at_20" What::Ndcg(20), "Normalised discounted cumulative gain of the 20 highest of a node's pairs (Järvelin and Kekäläinen 2002); the mean over the nodes.";
    NDCG_AT_50 "ndcg_at_50" What::Ndcg(50), "Normalised discounted cumulative gain of the 50 highest of a node's pairs (Järvelin and Kekäläinen 2002); the mean over the nodes.";
}

/// The mean over the questions of a figure of the places of their links in one list, ascending.
fn mean_over_questions(ranks: &[Rank], of: impl Fn(&[f64]) -> f64) -> f64 {
    let mut questions: BTreeMap<(u32, u32, bool), Vec<&Rank>> = BTreeMap::new();
    ranks.iter().for_each(|rank| questions.entry(rank.question).or_default().push(rank));
    let figure = |links: &Vec<&Rank>| {
        let mut links = links.clone();
        links.sort_by(|a, b| b.score.total_cmp(&a.score));
        // Links were left out of each other's ranks.
        let places: Vec<f64> =
            links.iter().enumerate().map(|(n_before, rank)| rank.place() + n_before as f64).collect();
        of(&places)
    };
    questions.values().map(figure).sum::<f64>() / questions.len() as f64
}

fn gain(place: f64) -> f64 {
    1.0 / (place + 1.0).log2()
}

impl Metric for OfRanks {
    fn name(&self) -> &'static str {
        self.name
    }
    fn doc(&self) -> &'static str {
        self.doc
    }
    fn applies_to(&self) -> TargetKind {
        TargetKind::Links
    }
    fn higher_is_better(&self) -> bool {
        true
    }
    fn is_of_ranks(&self) -> bool {
        true
    }
    fn compute(&self, predictions: &Predictions) -> Option<f64> {
        let ranks = &predictions.ranks;
        if ranks.is_empty() {
            return None;
        }
        let mean = |of: &dyn Fn(&Rank) -> f64| ranks.iter().map(of).sum::<f64>() / ranks.len() as f64;
        Some(match self.what {
            What::ReciprocalRank => mean(&|rank| 1.0 / rank.place()),
            What::Hits(k) => mean(&|rank| f64::from(u8::from(rank.place() <= k))),
            What::Recall(k) => mean_over_questions(ranks, |places| {
                places.iter().filter(|&&place| place <= k as f64).count() as f64 / places.len() as f64
            }),
            What::Ndcg(k) => mean_over_questions(ranks, |places| {
                let found: f64 =
                    places.iter().filter(|&&place| place <= k as f64).map(|&place| gain(place)).sum();
                let best: f64 = (1..=places.len().min(k)).map(|place| gain(place as f64)).sum();
                found / best
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(node: u32, n_above: u32, n_ties: u32, score: f32) -> Rank {
        Rank { question: (node, 0, true), n_above, n_ties, score }
    }

    #[test]
    fn figures_are_worked_out_by_hand() {
        // Node 0 has links at the places 1 and 4 of its list (two others between them), node 1 one at 12.
        let ranks = vec![rank(0, 2, 0, 0.3), rank(0, 0, 0, 0.9), rank(1, 10, 2, 0.1)];
        let predictions = Predictions { ranks, ..Predictions::default() };
        let of = |metric: &OfRanks| metric.compute(&predictions).unwrap();
        assert!((of(&MRR) - (1.0 / 3.0 + 1.0 + 1.0 / 12.0) / 3.0).abs() < 1e-12);
        assert!((of(&HITS_AT_3) - 2.0 / 3.0).abs() < 1e-12);
        assert!((of(&HITS_AT_1) - 1.0 / 3.0).abs() < 1e-12);
        assert!((of(&RECALL_AT_10) - 0.5).abs() < 1e-12);
        assert!((of(&RECALL_AT_20) - 1.0).abs() < 1e-12);
        let first = (1.0 + 1.0 / 5f64.log2()) / (1.0 + 1.0 / 3f64.log2());
        assert!((of(&NDCG_AT_10) - first / 2.0).abs() < 1e-12);
        assert!((of(&NDCG_AT_20) - (first + 1.0 / 13f64.log2()) / 2.0).abs() < 1e-12);
        assert_eq!(MRR.compute(&Predictions::default()), None);
    }
}
