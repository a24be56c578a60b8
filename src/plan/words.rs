//! Sizes and costs written for reading.

use crate::ir::Size;
use std::collections::BTreeMap;

/// A size multiplied out: factors that are symbolic, in order, with their number.
type Terms = BTreeMap<Vec<String>, usize>;

fn terms(size: &Size) -> Terms {
    if let Some(count) = size.known() {
        return Terms::from([(Vec::new(), count)]);
    }
    match size {
        Size::Sum(parts) => {
            let mut sum = Terms::new();
            for (factors, count) in parts.iter().flat_map(terms) {
                *sum.entry(factors).or_default() += count;
            }
            sum
        }
        Size::Product(parts) => parts.iter().fold(Terms::from([(Vec::new(), 1)]), |product, part| {
            let mut next = Terms::new();
            for (factors, count) in &product {
                for (others, by) in terms(part) {
                    let mut all = [factors.as_slice(), &others].concat();
                    all.sort_unstable();
                    *next.entry(all).or_default() += count * by;
                }
            }
            next
        }),
        other => Terms::from([(vec![other.to_string()], 1)]),
    }
}

/// The sum of sizes that may be symbolic.
pub fn sum(sizes: impl Iterator<Item = Size>) -> Size {
    Size::Sum(sizes.collect())
}

/// `12,345`, `64·F + 64`; nothing for 0.
pub fn count(size: &Size) -> String {
    let mut all: Vec<_> = terms(size).into_iter().filter(|&(_, count)| count > 0).collect();
    // The plain number, which sorts first, is written last.
    if all.first().is_some_and(|(factors, _)| factors.is_empty()) {
        all.rotate_left(1);
    }
    let term = |(factors, count): &(Vec<String>, usize)| match (*count, factors.as_slice()) {
        (count, []) => grouped(count),
        (1, factors) => factors.join("·"),
        (count, factors) => format!("{}·{}", grouped(count), factors.join("·")),
    };
    all.iter().map(term).collect::<Vec<_>>().join(" + ")
}

/// `12,345`
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or(""));
    groups.collect::<Vec<_>>().join(",")
}

/// `1.5 MB`; nothing for 0.
pub fn bytes(count: f64) -> String {
    scaled(count, "B")
}

/// Three digits and a decimal prefix; nothing for 0.
pub fn scaled(value: f64, unit: &str) -> String {
    if value == 0.0 {
        return String::new();
    }
    let (mut value, mut prefix) = (value, "");
    for next in ["k", "M", "G", "T", "P"] {
        // 999.95 would be written as 1000.0.
        if value < 999.5 {
            break;
        }
        (value, prefix) = (value / 1000.0, next);
    }
    let digits = usize::from(!prefix.is_empty() && value < 99.95);
    let space = if unit.is_empty() && prefix.is_empty() { "" } else { " " };
    format!("{value:.digits$}{space}{prefix}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_reading() {
        assert_eq!(count(&Size::Known(1_234_567)), "1,234,567");
        assert_eq!(
            [bytes(1536.0), bytes(2.5e9), bytes(12.0), bytes(999_960.0)],
            ["1.5 kB", "2.5 GB", "12 B", "1.0 MB"]
        );
        assert_eq!(scaled(12_345_678.0, ""), "12.3 M");
        assert_eq!(scaled(0.0, ""), "");
    }

    #[test]
    fn sums_keep_what_is_symbolic() {
        let product = Size::Product(vec![Size::Symbol("F"), Size::Known(64)]);
        let total = sum([Size::Known(64), product, Size::Known(6)].into_iter());
        assert_eq!(count(&total), "64·F + 70");
        let joined = Size::Sum(vec![Size::Symbol("F"), Size::Known(8)]);
        let matrix = Size::Product(vec![joined, Size::Symbol("C")]);
        assert_eq!(count(&sum([matrix, Size::Symbol("C")].into_iter())), "9·C + C·F");
    }
}
