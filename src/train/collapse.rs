//! Warns when a pooling no longer distinguishes its clusters.

use super::record::PoolingRecord;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Epochs in a row before anything is reported: assignments waver at the start.
const PATIENCE: usize = 3;
/// The first epochs, in which nearly even assignments are how training starts.
const N_START_EPOCHS: usize = 10;

/// Watches the poolings of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CollapseWatch {
    /// By stage: bad epochs in a row, all into one and all alike.
    bad_epochs: BTreeMap<String, [usize; 2]>,
}

impl CollapseWatch {
    /// Warnings that this epoch (counted from 1) gives rise to, each once per run.
    pub fn observe(&mut self, epoch: usize, poolings: &[PoolingRecord]) -> Vec<String> {
        let mut warnings = Vec::new();
        for pooling in poolings.iter().filter(|pooling| pooling.n_clusters > 1) {
            let k = pooling.n_clusters as f64;
            let bad = self.bad_epochs.entry(pooling.stage.clone()).or_default();
            let is_one = pooling.clusters_in_use < 1.5;
            let is_even = epoch > N_START_EPOCHS && pooling.assignment_entropy > 0.99 * k.ln();
            for (bad, is_bad) in bad.iter_mut().zip([is_one, is_even]) {
                // Once reported, the count stays above the limit and nothing is reported again.
                *bad = if *bad > PATIENCE {
                    *bad
                } else if is_bad {
                    *bad + 1
                } else {
                    0
                };
            }
            if bad[0] == PATIENCE {
                bad[0] += 1;
                warnings.push(format!(
                    "`{}` puts nearly all nodes into one of its {k} clusters ({:.2} in use): it has collapsed. Try \
                     `loss = … + link_prediction`, fewer clusters or a lower learning rate",
                    pooling.stage, pooling.clusters_in_use
                ));
            }
            if bad[1] == PATIENCE {
                bad[1] += 1;
                warnings.push(format!(
                    "`{}` spreads each node evenly over all its {k} clusters (assignment entropy {:.2} of at most \
                     {:.2} nats), so all clusters are alike. Try `loss = … + 0.1 * entropy` or fewer clusters",
                    pooling.stage,
                    pooling.assignment_entropy,
                    k.ln()
                ));
            }
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pooling(clusters_in_use: f64, assignment_entropy: f64) -> [PoolingRecord; 1] {
        [PoolingRecord { stage: "5.diffpool".into(), n_clusters: 8, clusters_in_use, assignment_entropy }]
    }

    fn n_warnings(epochs: &[[PoolingRecord; 1]]) -> Vec<usize> {
        let mut watch = CollapseWatch::default();
        (11..).zip(epochs).map(|(epoch, poolings)| watch.observe(epoch, poolings).len()).collect()
    }

    #[test]
    fn one_cluster_for_three_epochs_is_said_once() {
        let (good, bad) = (pooling(4.0, 1.0), pooling(1.1, 0.1));
        let epochs = [&bad, &bad, &good, &bad, &bad, &bad, &bad, &good, &bad, &bad, &bad].map(Clone::clone);
        assert_eq!(n_warnings(&epochs), [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn an_even_assignment_is_said_after_the_first_epochs() {
        let even = pooling(8.0, 8f64.ln());
        assert_eq!(n_warnings(&[even.clone(), even.clone(), even.clone()]), [0, 0, 1]);
        let mut watch = CollapseWatch::default();
        assert!((1..=10).all(|epoch| watch.observe(epoch, &even).is_empty()));
    }
}
