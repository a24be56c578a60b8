//! Sizes and costs written for reading.

use crate::types::{Dim, Size};
use std::collections::BTreeMap;
use std::fmt;

/// Sums are multiplied out into this many terms at most; beyond, a sum is a factor like any other.
const MAX_MULTIPLIED: usize = 100;

/// Symbolic terms of a sum that are written; more are counted.
const MAX_WRITTEN: usize = 24;

/// A number of things that may be symbolic, such as the parameters of a model: `Σ count · Π sizes`. It is exact up to
/// 2¹²⁸, which is far beyond any machine; larger numbers stay there and are written with "or more".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Count {
    /// Symbolic factors in order, with their number.
    terms: BTreeMap<Vec<Factor>, u128>,
}

/// A symbolic factor: its text, by which it is sorted, and itself.
type Factor = (String, u128);

impl From<&Size> for Count {
    fn from(size: &Size) -> Self {
        let mut count = Self::default();
        count.add_product([size]);
        count
    }
}

impl Count {
    /// How many numbers tensors of these shapes hold together.
    pub fn of_shapes<'a>(shapes: impl IntoIterator<Item = &'a [Dim]>) -> Self {
        let mut sum = Self::default();
        for shape in shapes {
            sum.add_product(shape.iter().map(|dim| &dim.size));
        }
        sum
    }

    /// Adds a product of sizes.
    pub fn add_product<'a>(&mut self, sizes: impl IntoIterator<Item = &'a Size>) {
        let mut product = vec![(Vec::new(), 1u128)];
        for size in sizes {
            product = multiplied(&product, size);
        }
        product.into_iter().for_each(|(factors, count)| self.add_term(factors, count));
    }

    /// Adds what another one counts.
    pub fn add(&mut self, other: &Self) {
        other.terms.iter().for_each(|(factors, &count)| self.add_term(factors.clone(), count));
    }

    fn add_term(&mut self, mut factors: Vec<Factor>, count: u128) {
        if count == 0 {
            return;
        }
        factors.sort_unstable();
        let total = self.terms.entry(factors).or_default();
        *total = total.saturating_add(count);
    }

    /// The number, where nothing symbolic is in it.
    pub fn known(&self) -> Option<u128> {
        match self.terms.first_key_value() {
            None => Some(0),
            Some((factors, &count)) if factors.is_empty() && self.terms.len() == 1 => Some(count),
            Some(_) => None,
        }
    }
}

/// A number in JSON, where it is known and JSON has it; else the text.
impl serde::Serialize for Count {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.known().and_then(|count| u64::try_from(count).ok()) {
            Some(count) => serializer.serialize_u64(count),
            None => serializer.collect_str(self),
        }
    }
}

/// Each term times a size.
fn multiplied(terms: &[(Vec<Factor>, u128)], size: &Size) -> Vec<(Vec<Factor>, u128)> {
    let n_terms = size.n_terms();
    if n_terms > 1 && n_terms * terms.len() > MAX_MULTIPLIED {
        let whole = (format!("({size})"), size.fingerprint());
        let with_whole = |(factors, count): &(Vec<Factor>, u128)| {
            (factors.iter().cloned().chain([whole.clone()]).collect(), *count)
        };
        return terms.iter().map(with_whole).collect();
    }
    let mut product = Vec::with_capacity(n_terms * terms.len());
    for (factors, count) in terms {
        for (by, others) in size.terms() {
            let mut part = vec![(factors.clone(), count.saturating_mul(by as u128))];
            for other in others {
                match other {
                    // A product may hold a sum.
                    Size::Sum(_) => part = multiplied(&part, other),
                    other => {
                        let factor = (other.to_string(), other.fingerprint());
                        part.iter_mut().for_each(|(factors, _)| factors.push(factor.clone()));
                    }
                }
            }
            product.extend(part);
        }
    }
    product
}

/// `12,345`, `64·F + 64`; nothing for 0.
impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The plain number, which sorts first, is written last.
        let (plain, symbolic): (Vec<_>, Vec<_>) =
            self.terms.iter().partition(|(factors, _)| factors.is_empty());
        let n_more = symbolic.len().saturating_sub(MAX_WRITTEN);
        for (idx, (factors, &count)) in symbolic.into_iter().take(MAX_WRITTEN).chain(plain).enumerate() {
            if idx > 0 {
                f.write_str(" + ")?;
            }
            let factors: Vec<&str> = factors.iter().map(|(text, _)| text.as_str()).collect();
            match (count, factors.as_slice()) {
                (count, []) => f.write_str(&grouped(count))?,
                (1, factors) => f.write_str(&factors.join("·"))?,
                (count, factors) => write!(f, "{}·{}", grouped(count), factors.join("·"))?,
            }
        }
        match n_more {
            0 => Ok(()),
            1 => f.write_str(" + 1 more term"),
            n => write!(f, " + {} more terms", grouped(n)),
        }
    }
}

/// A size as [`Count`] writes it.
pub fn count(size: &Size) -> String {
    Count::from(size).to_string()
}

/// How many numbers a tensor of this shape holds; `None` where it is symbolic. Saturates.
pub fn numbers(shape: &[Dim]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, dim| Some(product.saturating_mul(dim.known()?)))
}

/// A whole number that may have saturated at the end of its type.
pub trait Counted: Copy + fmt::Display + PartialEq {
    const MAX: Self;
}

impl Counted for usize {
    const MAX: Self = usize::MAX;
}

impl Counted for u128 {
    const MAX: Self = u128::MAX;
}

/// `12,345`; the largest number of a type stands for all that are as large, and is written "… or more".
pub fn grouped<N: Counted>(count: N) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or(""));
    let grouped = groups.collect::<Vec<_>>().join(",");
    if count == N::MAX { format!("{grouped} or more") } else { grouped }
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

    fn total(products: &[&[Size]]) -> String {
        let mut total = Count::default();
        products.iter().for_each(|sizes| total.add_product(*sizes));
        total.to_string()
    }

    #[test]
    fn sums_keep_what_is_symbolic() {
        const F: Size = Size::Symbol("F");
        const C: Size = Size::Symbol("C");
        assert_eq!(total(&[&[Size::Known(64)], &[F, Size::Known(64)], &[Size::Known(6)]]), "64·F + 70");
        let joined = Size::sum([F, Size::Known(8)]);
        assert_eq!(total(&[&[joined.clone(), C], &[C]]), "9·C + C·F");
        // (F + 8)² · N
        let flat = Size::product([Size::Symbol("N"), joined.clone()]);
        assert_eq!(total(&[&[flat, joined]]), "F·F·N + 16·F·N + 64·N");
        assert_eq!(total(&[&[Size::Known(0), F]]), "");
    }

    #[test]
    fn long_sums_are_not_multiplied_out() {
        let joined = Size::sum((2..=12).map(|n| Size::ratio(1.0 / n as f64, Size::Symbol("N"))));
        let text = total(&[&[joined.clone(), joined.clone()]]);
        assert!(text.starts_with("(⌈N/2⌉+") && text.len() < 2000, "{text}");
    }

    #[test]
    fn counts_beyond_a_machine_are_exact_and_then_say_so() {
        // 2⁴⁰ · 2⁴⁰, as `bc` has it.
        let width = Size::product([Size::Known(1 << 40), Size::Symbol("F")]);
        assert_eq!(total(&[&[width, Size::Known(1 << 40)]]), "1,208,925,819,614,629,174,706,176·F");
        let large = Size::Known(usize::MAX - 1);
        let text = total(&[&[large.clone(), large.clone(), large]]);
        assert_eq!(text, "340,282,366,920,938,463,463,374,607,431,768,211,455 or more");
        assert_eq!(grouped(usize::MAX), "18,446,744,073,709,551,615 or more");
        let dim = |n: usize| Dim::new(Size::Known(n), None, "");
        assert_eq!(numbers(&[dim(1 << 40), dim(1 << 40)]), Some(usize::MAX));
        assert_eq!(numbers(&[dim(usize::MAX), dim(0)]), Some(0));
    }
}
