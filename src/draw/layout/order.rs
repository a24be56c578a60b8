//! The order within layers, so that few lines cross.

/// A line between neighbouring layers: places in the upper and in the lower one.
pub(super) type Pair = (usize, usize);

/// Orders of the layers (each a permutation of what was put in) with few crossings. What is put in first stays on
/// the left where nothing prevents it.
pub(super) fn order(n_slots: &[usize], pairs: &[Vec<Pair>]) -> Vec<Vec<usize>> {
    let mut orders: Vec<Vec<usize>> = n_slots.iter().map(|&n| (0..n).collect()).collect();
    let mut best = (crossings(&orders, pairs), orders.clone());
    for sweep in 0..12 {
        if best.0 == 0 {
            break;
        }
        if sweep % 2 == 0 {
            for layer in 1..orders.len() {
                let above = places(&orders[layer - 1]);
                let mut lists = vec![Vec::new(); n_slots[layer]];
                pairs[layer - 1].iter().for_each(|&(upper, lower)| lists[lower].push(above[upper]));
                sort(&mut orders[layer], &lists);
            }
        } else {
            for layer in (0..orders.len().saturating_sub(1)).rev() {
                let below = places(&orders[layer + 1]);
                let mut lists = vec![Vec::new(); n_slots[layer]];
                pairs[layer].iter().for_each(|&(upper, lower)| lists[upper].push(below[lower]));
                sort(&mut orders[layer], &lists);
            }
        }
        let found = crossings(&orders, pairs);
        if found < best.0 {
            best = (found, orders.clone());
        }
    }
    best.1
}

fn places(order: &[usize]) -> Vec<usize> {
    let mut places = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, &slot)| places[slot] = place);
    places
}

/// Sorts by the mean place of the neighbours; what has none stays where it is.
fn sort(order: &mut [usize], neighbours: &[Vec<usize>]) {
    let mean = |slot: usize| {
        let list = &neighbours[slot];
        (!list.is_empty()).then(|| list.iter().sum::<usize>() as f64 / list.len() as f64)
    };
    let mut movable: Vec<(f64, usize)> =
        order.iter().filter_map(|&slot| mean(slot).map(|mean| (mean, slot))).collect();
    movable.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut next = movable.into_iter();
    for place in order.iter_mut() {
        if mean(*place).is_some()
            && let Some((_, slot)) = next.next()
        {
            *place = slot;
        }
    }
}

fn crossings(orders: &[Vec<usize>], pairs: &[Vec<Pair>]) -> usize {
    let mut count = 0;
    for (layer, pairs) in pairs.iter().enumerate() {
        let (above, below) = (places(&orders[layer]), places(&orders[layer + 1]));
        let mut lines: Vec<Pair> = pairs.iter().map(|&(upper, lower)| (above[upper], below[lower])).collect();
        lines.sort_unstable();
        // Inversions, counted with a Fenwick tree, so that wide layers stay quick.
        let width = orders[layer + 1].len();
        let mut tree = vec![0usize; width + 1];
        for (seen, &(_, lower)) in lines.iter().enumerate() {
            let (mut not_right, mut at) = (0, lower + 1);
            while at > 0 {
                not_right += tree[at];
                at &= at - 1;
            }
            count += seen - not_right;
            at = lower + 1;
            while at <= width {
                tree[at] += 1;
                at += at & at.wrapping_neg();
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_need_not_cross_do_not() {
        let pairs = vec![vec![(0, 1), (1, 0)], vec![(0, 0), (1, 1)]];
        let orders = order(&[2, 2, 2], &pairs);
        assert_eq!(crossings(&orders, &pairs), 0);
    }

    #[test]
    fn crossings_are_inversions() {
        let orders = vec![vec![0, 1, 2], vec![0, 1, 2]];
        assert_eq!(crossings(&orders, &[vec![(0, 2), (1, 1), (2, 0)]]), 3);
        assert_eq!(crossings(&orders, &[vec![(0, 0), (0, 2), (2, 2)]]), 0);
    }
}
