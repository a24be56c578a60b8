//! Figures of vectors that were learned without targets, beside the classes of the data. One table.

use super::{Metric, Predictions, Probe};
use crate::types::TargetKind;
use std::collections::BTreeMap;

/// A figure of what was made of vectors.
pub struct OfProbe {
    name: &'static str,
    doc: &'static str,
    probe: Probe,
    of: fn(classes: &[u32], found: &[u32]) -> f64,
}

pub static LINEAR_PROBE: OfProbe = OfProbe {
    name: "linear_probe",
    doc: "Share of items that a logistic regression gives the right class, fitted to the vectors of the training part with the penalty ½ ‖W‖² beside the sum of its losses: scikit-learn's `LogisticRegression` with `C = 1`.",
    probe: Probe::Linear,
    of: share_of_equal,
};

pub static SVM_PROBE: OfProbe = OfProbe {
    name: "svm_probe",
    doc: "Share of items that a support vector machine with a Gaussian kernel gives the right class, fitted to the vectors of the training part; its `C` of 0.001 to 1000 is chosen on the validation part (Sun et al. 2020).",
    probe: Probe::Svm,
    of: share_of_equal,
};

pub static NMI: OfProbe = OfProbe {
    name: "nmi",
    doc: "Normalised mutual information of classes and of clusters by k-means, as many as there are classes, divided by the mean of both entropies. Clusters are those of all items.",
    probe: Probe::Clusters,
    of: mutual_information,
};

pub static ARI: OfProbe = OfProbe {
    name: "ari",
    doc: "Adjusted Rand index of the clusters of `nmi` (Hubert and Arabie 1985): pairs of items that classes and clusters agree on, 0 on average where they have nothing to do with each other.",
    probe: Probe::Clusters,
    of: rand_index,
};

pub static CLUSTERING_ACCURACY: OfProbe = OfProbe {
    name: "clustering_accuracy",
    doc: "Share of items whose cluster, of those of `nmi`, stands for their class, where clusters stand for classes such that it is largest.",
    probe: Probe::Clusters,
    of: best_match,
};

impl Metric for OfProbe {
    fn name(&self) -> &'static str {
        self.name
    }
    fn doc(&self) -> &'static str {
        self.doc
    }
    fn applies_to(&self) -> TargetKind {
        TargetKind::Embedding
    }
    fn higher_is_better(&self) -> bool {
        true
    }
    fn probe(&self) -> Option<Probe> {
        Some(self.probe)
    }
    fn compute(&self, predictions: &Predictions) -> Option<f64> {
        let (_, found) = predictions.probed.iter().find(|(probe, _)| *probe == self.probe)?;
        (!found.is_empty()).then(|| (self.of)(&predictions.classes, found))
    }
}

fn share_of_equal(classes: &[u32], found: &[u32]) -> f64 {
    classes.iter().zip(found).filter(|(class, found)| class == found).count() as f64 / classes.len() as f64
}

/// Items by class and cluster, and by each of both.
struct Counts {
    both: BTreeMap<(u32, u32), f64>,
    of_class: BTreeMap<u32, f64>,
    of_cluster: BTreeMap<u32, f64>,
    n: f64,
}

impl Counts {
    fn new(classes: &[u32], found: &[u32]) -> Self {
        let mut counts = Self {
            both: BTreeMap::new(),
            of_class: BTreeMap::new(),
            of_cluster: BTreeMap::new(),
            n: classes.len() as f64,
        };
        for (&class, &cluster) in classes.iter().zip(found) {
            *counts.both.entry((class, cluster)).or_default() += 1.0;
            *counts.of_class.entry(class).or_default() += 1.0;
            *counts.of_cluster.entry(cluster).or_default() += 1.0;
        }
        counts
    }
}

/// As scikit-learn's `normalized_mutual_info_score`; 1 where classes and clusters are one each.
fn mutual_information(classes: &[u32], found: &[u32]) -> f64 {
    let Counts { both, of_class, of_cluster, n } = Counts::new(classes, found);
    if of_class.len() == 1 && of_cluster.len() == 1 {
        return 1.0;
    }
    let entropy =
        |counts: &BTreeMap<u32, f64>| -counts.values().map(|count| count / n * (count / n).ln()).sum::<f64>();
    let shared: f64 = both
        .iter()
        .map(|((class, cluster), count)| {
            count / n * (n * count / (of_class[class] * of_cluster[cluster])).ln()
        })
        .sum();
    let mean = 0.5 * (entropy(&of_class) + entropy(&of_cluster));
    if shared <= 0.0 { 0.0 } else { shared / mean }
}

/// As scikit-learn's `adjusted_rand_score`; 1 where both are the same.
fn rand_index(classes: &[u32], found: &[u32]) -> f64 {
    let Counts { both, of_class, of_cluster, n } = Counts::new(classes, found);
    let pairs = |n: &f64| n * (n - 1.0) / 2.0;
    let together: f64 = both.values().map(pairs).sum();
    let (in_classes, in_clusters): (f64, f64) =
        (of_class.values().map(pairs).sum(), of_cluster.values().map(pairs).sum());
    let expected = in_classes * in_clusters / pairs(&n).max(1.0);
    let most = 0.5 * (in_classes + in_clusters);
    if most == expected { 1.0 } else { (together - expected) / (most - expected) }
}

/// The share of items on the best one-to-one match of classes and clusters: the assignment problem, by shortest augmenting paths
/// (Kuhn 1955; Jonker and Volgenant 1987).
fn best_match(classes: &[u32], found: &[u32]) -> f64 {
    let Counts { both, of_class, of_cluster, n } = Counts::new(classes, found);
    let (rows, columns): (Vec<u32>, Vec<u32>) =
        (of_class.keys().copied().collect(), of_cluster.keys().copied().collect());
    let size = rows.len().max(columns.len());
    let cost = |row: usize, column: usize| match (rows.get(row), columns.get(column)) {
        (Some(class), Some(cluster)) => -both.get(&(*class, *cluster)).copied().unwrap_or(0.0),
        _ => 0.0,
    };
    // Rows and columns are counted from 1; 0 stands for none.
    let (mut of_row, mut of_column) = (vec![0.0; size + 1], vec![0.0; size + 1]);
    let mut row_of = vec![0usize; size + 1];
    for row in 1..=size {
        row_of[0] = row;
        let mut column = 0;
        let (mut least, mut is_used) = (vec![f64::INFINITY; size + 1], vec![false; size + 1]);
        let mut way = vec![0usize; size + 1];
        loop {
            is_used[column] = true;
            let (at, mut step, mut next) = (row_of[column], f64::INFINITY, 0);
            for other in (1..=size).filter(|&other| !is_used[other]) {
                let reduced = cost(at - 1, other - 1) - of_row[at] - of_column[other];
                if reduced < least[other] {
                    (least[other], way[other]) = (reduced, column);
                }
                if least[other] < step {
                    (step, next) = (least[other], other);
                }
            }
            for other in 0..=size {
                if is_used[other] {
                    of_row[row_of[other]] += step;
                    of_column[other] -= step;
                } else {
                    least[other] -= step;
                }
            }
            column = next;
            if row_of[column] == 0 {
                break;
            }
        }
        while column != 0 {
            row_of[column] = row_of[way[column]];
            column = way[column];
        }
    }
    let matched: f64 = (1..=size).map(|column| -cost(row_of[column] - 1, column - 1)).sum();
    matched / n
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [u32; 14] = [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2];
    const FOUND: [u32; 14] = [2, 2, 2, 1, 2, 1, 1, 0, 1, 0, 0, 0, 2, 3];

    fn check(name: &str, classes: &[u32], found: &[u32], expected: f64) {
        let predictions = Predictions {
            classes: classes.to_vec(),
            probed: vec![(Probe::Clusters, found.to_vec()), (Probe::Linear, found.to_vec())],
            ..Predictions::default()
        };
        let value = super::super::find(name).unwrap().compute(&predictions).unwrap();
        assert!((value - expected).abs() < 1e-12, "{name} is {value}, not {expected}");
    }

    /// `normalized_mutual_info_score`, `adjusted_rand_score` and, for the match, `linear_sum_assignment` of scipy on the counts.
    #[test]
    fn clusters_are_compared_as_scikit_learn_does() {
        check("nmi", &CLASSES, &FOUND, 0.501_656_377_657_444);
        check("ari", &CLASSES, &FOUND, 0.322_580_645_161_290_3);
        check("clustering_accuracy", &CLASSES, &FOUND, 10.0 / 14.0);
        check("linear_probe", &CLASSES, &FOUND, 4.0 / 14.0);
    }

    #[test]
    fn names_of_clusters_do_not_matter() {
        let renamed: Vec<u32> = CLASSES.iter().map(|class| 7 - 3 * (class % 3)).collect();
        for name in ["nmi", "ari", "clustering_accuracy"] {
            check(name, &CLASSES, &renamed, 1.0);
            check(name, &[0; 4], &[3; 4], 1.0);
        }
        check("nmi", &[0, 0, 1, 1], &[0; 4], 0.0);
        check("ari", &[0, 0, 1, 1], &[0; 4], 0.0);
        check("clustering_accuracy", &[0, 0, 1, 1], &[0; 4], 0.5);
    }

    #[test]
    fn without_items_nothing_is_defined() {
        let nothing = Predictions { probed: vec![(Probe::Clusters, Vec::new())], ..Predictions::default() };
        assert_eq!(NMI.compute(&nothing), None);
        assert_eq!(LINEAR_PROBE.compute(&nothing), None);
    }
}
