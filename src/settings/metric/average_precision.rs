//! How well scores tell links from pairs that were drawn. One table.

use super::roc_auc::area;
use super::{Metric, Predictions};
use crate::types::TargetKind;

/// A figure of the scores of links and of pairs that are none, as many as were drawn to be measured with.
pub struct OfScores {
    name: &'static str,
    doc: &'static str,
    of: fn(links: &[f64], others: &[f64]) -> Option<f64>,
}

pub static AUC: OfScores = OfScores {
    name: "auc",
    doc: "Area under the ROC curve of links against drawn pairs that are none: the chance that a link has the higher score, ties counted half.",
    of: |links, others| {
        let all: Vec<f64> = links.iter().chain(others).copied().collect();
        area(&all, |item| item < links.len())
    },
};

pub static AVERAGE_PRECISION: OfScores = OfScores {
    name: "average_precision",
    doc: "Average precision of links against drawn pairs that are none: the mean over the links of the share of links among all pairs with a score no lower, as scikit-learn has it.",
    of: average_precision,
};

fn average_precision(links: &[f64], others: &[f64]) -> Option<f64> {
    if links.is_empty() || others.is_empty() {
        return None;
    }
    let mut all: Vec<(f64, bool)> =
        links.iter().map(|&score| (score, true)).chain(others.iter().map(|&score| (score, false))).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut n_links, mut n_seen, mut sum) = (0.0, 0.0, 0.0);
    for tied in all.chunk_by(|a, b| a.0 == b.0) {
        let of_tied = tied.iter().filter(|(_, is_link)| *is_link).count() as f64;
        n_links += of_tied;
        n_seen += tied.len() as f64;
        sum += of_tied * n_links / n_seen;
    }
    Some(sum / links.len() as f64)
}

impl Metric for OfScores {
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
    fn compute(&self, predictions: &Predictions) -> Option<f64> {
        if predictions.width < 2 {
            return None;
        }
        let rows = || predictions.outputs.chunks_exact(predictions.width);
        let links: Vec<f64> = rows().map(|row| f64::from(row[0])).collect();
        let others: Vec<f64> = rows().flat_map(|row| &row[1..]).map(|&score| f64::from(score)).collect();
        (self.of)(&links, &others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `sklearn.metrics.average_precision_score` and `roc_auc_score`.
    #[test]
    fn figures_are_those_of_scikit_learn() {
        // Links 0.8, 0.4, 0.4; others 0.9, 0.4, 0.1.
        let predictions = Predictions {
            width: 2,
            outputs: vec![0.8, 0.9, 0.4, 0.4, 0.4, 0.1],
            classes: vec![0; 3],
            ..Predictions::default()
        };
        let precision = AVERAGE_PRECISION.compute(&predictions).unwrap();
        // 1/2 for the first, then three of five for the two that tie with one other.
        assert!((precision - (0.5 + 2.0 * 0.6) / 3.0).abs() < 1e-12, "{precision}");
        // Of nine pairs: 0.8 is above two, 0.4 above one and level with one, twice.
        assert!((AUC.compute(&predictions).unwrap() - 5.0 / 9.0).abs() < 1e-12);
        assert_eq!(AUC.compute(&Predictions::default()), None);
    }
}
