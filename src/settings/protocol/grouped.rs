//! Splits that keep groups of items whole: what is measured has no relative in training.

use super::split::{Split, labelled};
use crate::rng::{generator, shuffle};
use std::collections::BTreeMap;

/// Streams of the generator, apart from those of splits item by item.
const HOLDOUT: u64 = 17;
const FOLDS: u64 = 18;
const INNER: u64 = 1 << 33;

/// A split by shares of all items, whose parts have nearly the same share of every class, and no group in two of them.
pub fn holdout(classes: &[i64], groups: &[u32], validation: f64, test: f64, seed: u64) -> Split {
    let items = labelled(classes);
    let shares = [1.0 - validation - test, validation, test];
    let [train, validation, test] =
        deal(&items, classes, groups, &shares, seed, HOLDOUT).try_into().expect("as many parts as shares");
    Split { train, validation, test }
}

/// `k` splits whose test parts cover every item with a class once, and each group in one of them. `inner_holdout` is the
/// share of the other groups' items that becomes the validation part, whole groups again.
pub fn k_fold(classes: &[i64], groups: &[u32], k: usize, inner_holdout: f64, seed: u64) -> Vec<Split> {
    let folds = deal(&labelled(classes), classes, groups, &vec![1.0 / k as f64; k], seed, FOLDS);
    (0..k)
        .map(|fold| {
            let mut rest: Vec<u32> = folds
                .iter()
                .enumerate()
                .filter(|(idx, _)| *idx != fold)
                .flat_map(|(_, items)| items)
                .copied()
                .collect();
            rest.sort_unstable();
            let shares = [1.0 - inner_holdout, inner_holdout];
            let [train, validation] = deal(&rest, classes, groups, &shares, seed, INNER + fold as u64)
                .try_into()
                .expect("as many parts as shares");
            Split { train, validation, test: folds[fold].clone() }
        })
        .collect()
}

/// The split of DeepChem and OGB: the largest groups train, the rarest are measured. Nothing is drawn.
pub fn largest_first(classes: &[i64], groups: &[u32], validation: f64, test: f64) -> Split {
    let items = labelled(classes);
    let n_items = items.len() as f64;
    let (train_end, validation_end) = ((1.0 - validation - test) * n_items, (1.0 - test) * n_items);
    let mut sorted: Vec<Vec<u32>> = by_group(&items, groups).into_values().collect();
    // As DeepChem sorts: by size, and of equal ones that whose first item comes last.
    sorted.sort_by_key(|members| std::cmp::Reverse((members.len(), members[0])));
    let mut split = Split::default();
    for members in sorted {
        let n_train = split.train.len();
        // What rounding makes of shares of all items keeps none of them out.
        let part = if (n_train + members.len()) as f64 <= train_end + 1e-9 {
            &mut split.train
        } else if (n_train + split.validation.len() + members.len()) as f64 <= validation_end + 1e-9 {
            &mut split.validation
        } else {
            &mut split.test
        };
        part.extend(members);
    }
    [&mut split.train, &mut split.validation, &mut split.test]
        .into_iter()
        .for_each(|part| part.sort_unstable());
    split
}

fn by_group(items: &[u32], groups: &[u32]) -> BTreeMap<u32, Vec<u32>> {
    let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    items.iter().for_each(|&item| members.entry(groups[item as usize]).or_default().push(item));
    members
}

/// Deals whole groups over parts of these shares: the largest first, each to the part that is then nearest to its share of
/// every class (the least sum of squares over what is expected).
fn deal(
    items: &[u32],
    classes: &[i64],
    groups: &[u32],
    shares: &[f64],
    seed: u64,
    stream: u64,
) -> Vec<Vec<u32>> {
    let n_classes = items.iter().map(|&item| classes[item as usize] as usize + 1).max().unwrap_or(0);
    let counts = |members: &[u32]| {
        let mut counts = vec![0.0; n_classes];
        members.iter().for_each(|&item| counts[classes[item as usize] as usize] += 1.0);
        counts
    };
    let of_class = counts(items);
    let mut members: Vec<Vec<u32>> = by_group(items, groups).into_values().collect();
    shuffle(&mut generator(seed, stream), &mut members);
    members.sort_by_key(|members| std::cmp::Reverse(members.len()));
    let mut parts: Vec<Vec<u32>> = vec![Vec::new(); shares.len()];
    let mut dealt = vec![vec![0.0; n_classes]; shares.len()];
    for group in members {
        let added = counts(&group);
        let cost = |part: usize| -> f64 {
            let of = added.iter().zip(&dealt[part]).zip(&of_class).filter(|((added, _), _)| **added > 0.0);
            of.map(|((added, dealt), all)| {
                let expected = shares[part] * all;
                added * (2.0 * (dealt - expected) + added) / expected
            })
            .sum()
        };
        let open = (0..shares.len()).filter(|&part| shares[part] > 0.0);
        let best =
            open.min_by(|&one, &other| cost(one).total_cmp(&cost(other))).expect("a part with a share");
        dealt[best].iter_mut().zip(&added).for_each(|(dealt, added)| *dealt += added);
        parts[best].extend(group);
    }
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 300 items of three classes in groups of one to nine, ten items without a label.
    fn items() -> (Vec<i64>, Vec<u32>) {
        let classes = (0..300).map(|item| if item % 30 == 29 { -1 } else { item * item % 3 }).collect();
        let groups = (0..300u32).map(|item| (item * 7919 % 300) / (1 + item % 9)).collect();
        (classes, groups)
    }

    fn check(split: &Split, groups: &[u32], n_items: usize) {
        let mut part_of = std::collections::HashMap::new();
        let mut all = Vec::<u32>::new();
        for (part, items) in [&split.train, &split.validation, &split.test].into_iter().enumerate() {
            for &item in items {
                assert_eq!(
                    *part_of.entry(groups[item as usize]).or_insert(part),
                    part,
                    "a group in two parts"
                );
            }
            assert!(items.is_sorted());
            all.extend(items);
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n_items);
    }

    #[test]
    fn no_group_is_in_two_parts_and_sizes_are_near_the_shares() {
        let (classes, groups) = items();
        for seed in 0..3 {
            let split = holdout(&classes, &groups, 0.1, 0.2, seed);
            check(&split, &groups, 290);
            assert!(
                split.validation.len().abs_diff(29) <= 3 && split.test.len().abs_diff(58) <= 4,
                "{split:?}"
            );
            let folds = k_fold(&classes, &groups, 5, 0.25, seed);
            let mut tested: Vec<u32> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
            tested.sort_unstable();
            assert_eq!(tested, labelled(&classes));
            for fold in &folds {
                check(fold, &groups, 290);
                assert!(fold.test.len().abs_diff(58) <= 4 && fold.validation.len().abs_diff(58) <= 5);
            }
        }
        assert_eq!(holdout(&classes, &groups, 0.1, 0.2, 4), holdout(&classes, &groups, 0.1, 0.2, 4));
        assert_ne!(holdout(&classes, &groups, 0.1, 0.2, 4), holdout(&classes, &groups, 0.1, 0.2, 5));
        assert!(holdout(&classes, &groups, 0.0, 0.2, 4).validation.is_empty());
    }

    /// Computed with the loop of DeepChem's `ScaffoldSplitter.split` over the same groups.
    #[test]
    fn the_largest_groups_train_as_in_deepchem() {
        let groups = [0, 0, 1, 2, 2, 2, 3, 4, 4, 5];
        let split = largest_first(&[0; 10], &groups, 0.2, 0.2);
        assert_eq!(
            [split.train, split.validation, split.test],
            [vec![3, 4, 5, 7, 8, 9], vec![0, 1], vec![2, 6]]
        );
    }
}
