//! Splits into training, validation and test items, stratified by class and the same for the same seed.

use crate::diagnostic::count;
use crate::rng::{generator, shuffle};
use std::collections::BTreeMap;

/// Streams of the generator, so that a holdout and folds of one seed are independent.
const HOLDOUT: u64 = 1;
const FOLDS: u64 = 2;
const INNER: u64 = 3;
const PER_CLASS: u64 = 1 << 32;

/// Indices of graphs (graph tasks) or nodes (node tasks), ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Split {
    pub train: Vec<u32>,
    pub validation: Vec<u32>,
    pub test: Vec<u32>,
}

impl Split {
    /// Whether the split can be of a data set whose items have these classes (-1 where it has none).
    ///
    /// # Errors
    /// What is wrong with it: an item that the data does not have, that has no label, or that stands twice.
    pub fn check(&self, strata: &[i64]) -> Result<(), String> {
        let mut is_taken = vec![false; strata.len()];
        let parts = [("training", &self.train), ("validation", &self.validation), ("test", &self.test)];
        for (part, items) in parts {
            for &item in items {
                let what = format!("item {item} of the {part} part");
                match (strata.get(item as usize), is_taken.get_mut(item as usize)) {
                    (Some(&class), Some(is_taken)) => {
                        if class < 0 {
                            return Err(format!("{what} has no label"));
                        }
                        if std::mem::replace(is_taken, true) {
                            return Err(format!("{what} occurs twice in it"));
                        }
                    }
                    _ => {
                        let n_items = count(strata.len(), "item");
                        return Err(format!("{what} does not exist: the data has {n_items}"));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Splits the items with a class (≥ 0) so that each part has nearly the same share of every class: `validation`
/// and `test` are fractions of all items, the rest is for training. The parts' sizes are those fractions,
/// rounded, whatever the classes.
///
/// # Panics
/// Where a fraction is negative or both leave nothing for training.
pub fn stratified_holdout(classes: &[i64], validation: f64, test: f64, seed: u64) -> Split {
    assert!(validation >= 0.0 && test >= 0.0 && validation + test < 1.0, "fractions below 1 in all");
    let items = labelled(classes);
    let (test_items, rest) = take_share(&items, classes, test, seed, HOLDOUT);
    let n_validation = validation * items.len() as f64;
    let share = if rest.is_empty() { 0.0 } else { n_validation / rest.len() as f64 };
    let (validation_items, train) = take_share(&rest, classes, share, seed, INNER);
    Split { train, validation: validation_items, test: test_items }
}

/// `k` splits whose test parts cover every item with a class once. Each class is dealt over the folds as evenly
/// as its size allows, and so are all items. `inner_holdout` is the fraction of the remaining items that becomes
/// the validation part of each split (stratified too); 0 leaves it empty.
///
/// # Panics
/// Where `k < 2` or `inner_holdout` is not in [0, 1).
pub fn k_fold(classes: &[i64], k: usize, inner_holdout: f64, seed: u64) -> Vec<Split> {
    assert!(k >= 2 && (0.0..1.0).contains(&inner_holdout));
    let mut rng = generator(seed, FOLDS);
    let mut fold_of = vec![usize::MAX; classes.len()];
    let mut dealt = 0;
    for (_, mut members) in by_class(&labelled(classes), classes) {
        shuffle(&mut rng, &mut members);
        for item in members {
            fold_of[item as usize] = dealt % k;
            dealt += 1;
        }
    }
    (0..k)
        .map(|fold| {
            let items = labelled(classes);
            let (test, rest): (Vec<u32>, Vec<u32>) =
                items.into_iter().partition(|&item| fold_of[item as usize] == fold);
            let (validation, train) =
                take_share(&rest, classes, inner_holdout, seed, INNER + 1 + fold as u64);
            Split { train, validation, test }
        })
        .collect()
}

/// A share of the training part of a fold that was given, for validation, and the rest.
pub(super) fn inner_holdout(
    train: &[u32],
    classes: &[i64],
    share: f64,
    seed: u64,
    fold: usize,
) -> (Vec<u32>, Vec<u32>) {
    take_share(train, classes, share, seed, INNER + 1 + fold as u64)
}

/// `train` items of each class, and of the other items with a class `validation` and `test` (all that are left, where it
/// is absent).
pub fn per_class(classes: &[i64], train: usize, validation: usize, test: Option<usize>, seed: u64) -> Split {
    let mut rng = generator(seed, PER_CLASS);
    let (mut split, mut rest) = (Split::default(), Vec::new());
    for (_, mut members) in by_class(&labelled(classes), classes) {
        shuffle(&mut rng, &mut members);
        rest.extend(members.split_off(train.min(members.len())));
        split.train.extend(members);
    }
    shuffle(&mut rng, &mut rest);
    let mut rest = rest.into_iter();
    split.validation = rest.by_ref().take(validation).collect();
    split.test = rest.take(test.unwrap_or(usize::MAX)).collect();
    for part in [&mut split.train, &mut split.validation, &mut split.test] {
        part.sort_unstable();
    }
    split
}

pub(super) fn labelled(classes: &[i64]) -> Vec<u32> {
    (0..classes.len() as u32).filter(|&item| classes[item as usize] >= 0).collect()
}

fn by_class(items: &[u32], classes: &[i64]) -> BTreeMap<i64, Vec<u32>> {
    let mut groups: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for &item in items {
        groups.entry(classes[item as usize]).or_default().push(item);
    }
    groups
}

/// A random share of `items`, stratified, and the rest; both ascending. Seats are given by largest remainder, so
/// their sum is exactly the rounded share.
fn take_share(items: &[u32], classes: &[i64], share: f64, seed: u64, stream: u64) -> (Vec<u32>, Vec<u32>) {
    let mut rng = generator(seed, stream);
    let groups = by_class(items, classes);
    let total = (share * items.len() as f64).round() as usize;
    let mut seats: Vec<usize> =
        groups.values().map(|group| (share * group.len() as f64 + 1e-9).floor() as usize).collect();
    let mut by_remainder: Vec<usize> = (0..seats.len()).collect();
    let remainders: Vec<f64> = groups
        .values()
        .zip(&seats)
        .map(|(group, &seats)| share * group.len() as f64 - seats as f64)
        .collect();
    by_remainder.sort_by(|&a, &b| remainders[b].total_cmp(&remainders[a]).then(a.cmp(&b)));
    let missing = total.saturating_sub(seats.iter().sum());
    by_remainder.iter().take(missing).for_each(|&group| seats[group] += 1);

    let (mut taken, mut rest) = (Vec::with_capacity(total), Vec::with_capacity(items.len()));
    for ((_, mut members), seats) in groups.into_iter().zip(seats) {
        shuffle(&mut rng, &mut members);
        taken.extend_from_slice(&members[..seats]);
        rest.extend_from_slice(&members[seats..]);
    }
    taken.sort_unstable();
    rest.sort_unstable();
    (taken, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 663 of one class and 450 of the other, as in PROTEINS, and 7 items without a class.
    fn classes() -> Vec<i64> {
        (0..1120)
            .map(|item| if item % 160 == 0 { -1 } else { i64::from(item * 7919 % 1113 >= 663) })
            .collect()
    }

    fn share_of_ones(items: &[u32], classes: &[i64]) -> f64 {
        items.iter().map(|&item| classes[item as usize] as f64).sum::<f64>() / items.len() as f64
    }

    #[test]
    fn folds_test_every_labelled_item_once_and_keep_the_class_shares() {
        let classes = classes();
        let labelled = labelled(&classes);
        let share = share_of_ones(&labelled, &classes);
        let folds = k_fold(&classes, 10, 0.1, 7);
        let mut tested: Vec<u32> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
        tested.sort_unstable();
        assert_eq!(tested, labelled);
        for fold in &folds {
            assert!(fold.test.len().abs_diff(labelled.len() / 10) <= 1);
            assert_eq!(
                fold.validation.len(),
                ((labelled.len() - fold.test.len()) as f64 * 0.1).round() as usize
            );
            let mut all = [fold.train.as_slice(), &fold.validation, &fold.test].concat();
            all.sort_unstable();
            assert_eq!(all, labelled);
            for part in [&fold.train, &fold.validation, &fold.test] {
                assert!((share_of_ones(part, &classes) - share).abs() < 0.01);
                assert!(part.is_sorted());
            }
        }
    }

    #[test]
    fn holdout_sizes_are_the_fractions_whatever_the_classes() {
        // Eleven classes of nine items: each class alone would round its tenth down to nothing.
        let classes: Vec<i64> = (0..99).map(|item| item % 11).collect();
        let split = stratified_holdout(&classes, 0.1, 0.1, 3);
        assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (79, 10, 10));
        let mut all = [split.train, split.validation, split.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..99).collect::<Vec<u32>>());
    }

    #[test]
    fn the_seed_alone_decides_a_split() {
        let classes = classes();
        assert_eq!(k_fold(&classes, 5, 0.1, 1), k_fold(&classes, 5, 0.1, 1));
        assert_ne!(k_fold(&classes, 5, 0.1, 1), k_fold(&classes, 5, 0.1, 2));
        assert_ne!(stratified_holdout(&classes, 0.1, 0.1, 1), stratified_holdout(&classes, 0.1, 0.1, 2));
    }
}
