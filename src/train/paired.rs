//! Runs beside each other: which of their folds are the same, and how their figures differ there.

use super::error::{Result, TrainError};
use super::folder::{RunFolder, RunRecord};
use super::record::{RunSummary, Status, of_folds};
use crate::data::Split;
use std::path::{Path, PathBuf};

/// A run that is finished, with its figures fold by fold.
#[derive(Debug)]
pub struct FinishedRun {
    pub path: PathBuf,
    pub record: RunRecord,
    pub summary: RunSummary,
    pub folds: Vec<FinishedFold>,
}

/// One fold of one seed: of several runs of it their mean.
#[derive(Debug)]
pub struct FinishedFold {
    pub split: Split,
    pub test: super::record::Figures,
}

impl FinishedRun {
    /// # Errors
    /// Where it is no run, not finished, or damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let folder = RunFolder::open(path)?;
        let record = folder.record()?;
        let summary =
            folder.summary()?.filter(|summary| summary.status == Status::Finished).ok_or_else(|| {
                TrainError::unusable(
                    path,
                    "the run is not finished, so its figures are not those of its protocol",
                    format!("end it with `hgnnc train --resume {}`", path.display()),
                )
            })?;
        let tests = of_folds(&summary.units, |unit| &unit.test);
        let first_runs =
            summary.units.chunk_by(|a, b| a.run.is_some() && (a.seed, a.fold) == (b.seed, b.fold));
        let folds: Result<Vec<FinishedFold>> = first_runs
            .zip(tests)
            .map(|(runs, test)| Ok(FinishedFold { split: folder.split(&runs[0].folder)?, test }))
            .collect();
        Ok(Self { path: path.to_path_buf(), folds: folds?, record, summary })
    }

    /// The figures of a metric, one for each fold in which it is defined.
    pub fn figures(&self, metric: &str) -> Vec<f64> {
        self.folds.iter().filter_map(|fold| fold.test.get(metric).copied().flatten()).collect()
    }

    /// Items of the test part by those of the training part, a mean over folds.
    pub fn test_share(&self) -> f64 {
        share(self.folds.iter().map(|fold| &fold.split))
    }
}

fn share<'a>(splits: impl Iterator<Item = &'a Split>) -> f64 {
    let shares: Vec<f64> = splits
        .map(|split| split.test.len() as f64 / (split.train.len() + split.validation.len()).max(1) as f64)
        .collect();
    shares.iter().sum::<f64>() / shares.len().max(1) as f64
}

/// The same folds of two runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// Figures of the first and of the second run.
    pub figures: Vec<[f64; 2]>,
    /// Test items by training items, a mean over these folds.
    pub test_share: f64,
}

/// Folds of two runs that test on the same items after training on the same others, in the order of the first. Several runs on one split
/// (seeds) are paired in their order.
pub fn pairs(a: &FinishedRun, b: &FinishedRun, metric: &str) -> Pairs {
    let mut is_taken = vec![false; b.folds.len()];
    let (mut figures, mut splits) = (Vec::new(), Vec::new());
    if a.record.data_fingerprint == b.record.data_fingerprint {
        for fold in &a.folds {
            let same =
                (0..b.folds.len()).find(|&idx| !is_taken[idx] && is_same(&fold.split, &b.folds[idx].split));
            let Some(idx) = same else { continue };
            is_taken[idx] = true;
            let of = |fold: &FinishedFold| fold.test.get(metric).copied().flatten();
            if let (Some(first), Some(second)) = (of(fold), of(&b.folds[idx])) {
                figures.push([first, second]);
                splits.push(&fold.split);
            }
        }
    }
    Pairs { figures, test_share: share(splits.into_iter()) }
}

/// Whether two splits test on the same items and leave the same others, however these are parted for validation.
fn is_same(a: &Split, b: &Split) -> bool {
    let others = |split: &Split| {
        let mut others = [split.train.as_slice(), split.validation.as_slice()].concat();
        others.sort_unstable();
        others
    };
    a.test == b.test && others(a) == others(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(train: &[u32], validation: &[u32], test: &[u32]) -> Split {
        Split { train: train.into(), validation: validation.into(), test: test.into() }
    }

    #[test]
    fn splits_are_the_same_whatever_was_kept_for_validation() {
        let first = split(&[0, 1, 2], &[3], &[4, 5]);
        assert!(is_same(&first, &split(&[0, 2, 3], &[1], &[4, 5])));
        assert!(!is_same(&first, &split(&[0, 1, 2], &[3], &[4])));
        assert!(!is_same(&first, &split(&[0, 1], &[3], &[4, 5])));
        assert!((share([&first].into_iter()) - 0.5).abs() < 1e-12);
    }
}
