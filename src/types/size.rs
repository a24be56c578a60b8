//! Sizes, symbolic until data is known: numbers of rows, and widths.
//!
//! A size is always in its shortest form, cheap to clone and to compare, however many stages it went through: a
//! model of a hundred thousand poolings shares one chain of ratios, and no step walks it again for each stage.

use super::DataFacts;
use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// A width may be a sum of this many sizes that are not known without data.
pub const MAX_TERMS: usize = 100;

/// Ratios inside each other that are written out, and terms of a sum; more are shortened.
const MAX_WRITTEN: usize = 12;

/// Of a chain of ratios that is shortened, those that are written.
const N_OUTERMOST: usize = 2;

/// Of a sum that is shortened, the terms that are written besides the last.
const N_WRITTEN: usize = 8;

/// A size, symbolic until data is known. Numbers saturate: `usize::MAX` stands for all that are as large or larger,
/// and whatever prints a size says so.
#[derive(Debug, Clone)]
pub enum Size {
    Known(usize),
    /// `N`, `E`, `F` (input feature width), `D` (edge feature width), `C` (outputs of the task).
    Symbol(&'static str),
    /// `⌈ratio · size⌉` of a symbolic size. Made by [`Size::ratio`].
    Ratio(Arc<Ratio>),
    /// `Σ sizes` (concat), of which at most the last is a number. Made by [`Size::sum`].
    Sum(Arc<Parts>),
    /// `Π sizes` (flatten), of which at most the first is a number. Made by [`Size::product`].
    Product(Arc<Parts>),
}

/// A share of a symbolic size.
#[derive(Debug)]
pub struct Ratio {
    ratio: f64,
    of: Size,
    /// How many ratios lie inside each other.
    depth: usize,
    print: Print,
}

/// The terms of a sum or the factors of a product.
#[derive(Debug)]
pub struct Parts {
    parts: Vec<Size>,
    print: Print,
}

/// Two sizes are the same where their fingerprints are: 128 bits over their structure.
type Print = u128;

impl Size {
    /// `⌈ratio · of⌉`, at least 1.
    pub fn ratio(ratio: f64, of: Size) -> Size {
        if let Size::Known(n) = of {
            // A tolerance keeps 0.1 · 30 from being rounded up to 4.
            return Size::Known((ratio * n as f64 - 1e-9).ceil().max(1.0) as usize);
        }
        let depth = if let Size::Ratio(inner) = &of { inner.depth + 1 } else { 1 };
        let print = fingerprint(|state| (1u8, ratio.to_bits(), of.fingerprint()).hash(state));
        Size::Ratio(Arc::new(Ratio { ratio, of, depth, print }))
    }

    /// `Σ sizes`: nested sums opened, numbers added up, equal terms counted.
    pub fn sum(sizes: impl IntoIterator<Item = Size>) -> Size {
        let mut number = 0usize;
        // Each term once, with how often it stands in the sum.
        let mut terms: Vec<(usize, Vec<Size>)> = Vec::new();
        let mut known: HashMap<Print, usize> = HashMap::new();
        let mut add = |part: &Size| {
            let (count, factors) = match part {
                Size::Known(n) => {
                    number = number.saturating_add(*n);
                    return;
                }
                Size::Product(product) => product.factors(),
                other => (1, std::slice::from_ref(other)),
            };
            match known.entry(print_of(factors)) {
                std::collections::hash_map::Entry::Occupied(at) => {
                    let (total, _) = &mut terms[*at.get()];
                    *total = total.saturating_add(count);
                }
                std::collections::hash_map::Entry::Vacant(slot) => {
                    slot.insert(terms.len());
                    terms.push((count, factors.to_vec()));
                }
            }
        };
        for size in sizes {
            match &size {
                Size::Sum(inner) => inner.parts.iter().for_each(&mut add),
                other => add(other),
            }
        }
        let mut sum: Vec<Size> =
            terms.into_iter().map(|(count, factors)| whole_product(count, factors)).collect();
        if number > 0 || sum.is_empty() {
            sum.push(Size::Known(number));
        }
        if sum.len() == 1 { sum.remove(0) } else { Size::Sum(Arc::new(Parts::new(2, sum))) }
    }

    /// `Π sizes`: nested products opened, numbers multiplied.
    pub fn product(sizes: impl IntoIterator<Item = Size>) -> Size {
        let mut factor = 1usize;
        let mut rest = Vec::new();
        for size in sizes {
            match size {
                Size::Known(n) => factor = factor.saturating_mul(n),
                Size::Product(inner) => {
                    let (n, factors) = inner.factors();
                    factor = factor.saturating_mul(n);
                    rest.extend_from_slice(factors);
                }
                other => rest.push(other),
            }
        }
        if factor == 0 || rest.is_empty() {
            return Size::Known(factor);
        }
        whole_product(factor, rest)
    }

    /// The number, where nothing symbolic is in it.
    pub fn known(&self) -> Option<usize> {
        if let Size::Known(n) = self { Some(*n) } else { None }
    }

    /// Whether the size is larger than `max` for certain: its number is, or one of its numbers was too large to be
    /// counted.
    pub fn exceeds(&self, max: usize) -> bool {
        match self {
            Size::Known(n) => *n > max || *n == usize::MAX,
            Size::Symbol(_) | Size::Ratio(_) => false,
            Size::Sum(parts) | Size::Product(parts) => {
                parts.parts.iter().any(|part| part.exceeds(usize::MAX))
            }
        }
    }

    /// How many terms the size is a sum of.
    pub fn n_terms(&self) -> usize {
        if let Size::Sum(parts) = self { parts.parts.len() } else { 1 }
    }

    /// The terms of the sum that the size is, each with its number and its symbolic factors.
    pub fn terms(&self) -> Vec<(usize, &[Size])> {
        match self {
            Size::Sum(parts) => parts.parts.iter().map(Size::term).collect(),
            other => vec![other.term()],
        }
    }

    fn term(&self) -> (usize, &[Size]) {
        match self {
            Size::Known(n) => (*n, &[]),
            Size::Product(parts) => parts.factors(),
            other => (1, std::slice::from_ref(other)),
        }
    }

    /// The same for equal sizes alone.
    pub fn fingerprint(&self) -> u128 {
        match self {
            Size::Known(n) => fingerprint(|state| (3u8, n).hash(state)),
            Size::Symbol(name) => fingerprint(|state| (4u8, name).hash(state)),
            Size::Ratio(ratio) => ratio.print,
            Size::Sum(parts) | Size::Product(parts) => parts.print,
        }
    }
}

impl Parts {
    fn new(kind: u8, parts: Vec<Size>) -> Self {
        let print = fingerprint(|state| {
            kind.hash(state);
            parts.iter().for_each(|part| part.fingerprint().hash(state));
        });
        Self { parts, print }
    }

    /// Of a product: its number, and its other factors.
    fn factors(&self) -> (usize, &[Size]) {
        match self.parts.split_first() {
            Some((Size::Known(n), rest)) => (*n, rest),
            _ => (1, &self.parts),
        }
    }
}

fn whole_product(factor: usize, mut rest: Vec<Size>) -> Size {
    if factor != 1 {
        rest.insert(0, Size::Known(factor));
    }
    if rest.len() == 1 { rest.remove(0) } else { Size::Product(Arc::new(Parts::new(5, rest))) }
}

fn print_of(parts: &[Size]) -> Print {
    fingerprint(|state| parts.iter().for_each(|part| part.fingerprint().hash(state)))
}

fn fingerprint(feed: impl Fn(&mut DefaultHasher)) -> Print {
    let half = |seed: u8| {
        let mut state = DefaultHasher::new();
        seed.hash(&mut state);
        feed(&mut state);
        Print::from(state.finish())
    };
    half(0) << 64 | half(1)
}

impl PartialEq for Size {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl Eq for Size {}

impl Hash for Size {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint().hash(state);
    }
}

/// A chain of ratios is let go one by one, however long it is.
impl Drop for Ratio {
    fn drop(&mut self) {
        let mut next = std::mem::replace(&mut self.of, Size::Known(0));
        while let Size::Ratio(ratio) = next {
            match Arc::try_unwrap(ratio) {
                Ok(mut ratio) => next = std::mem::replace(&mut ratio.of, Size::Known(0)),
                // Something else holds the rest.
                Err(_) => break,
            }
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Known(n) => write!(f, "{n}"),
            Size::Symbol(name) => f.write_str(name),
            Size::Ratio(ratio) => {
                ratio.write(f, if ratio.depth > MAX_WRITTEN { N_OUTERMOST } else { ratio.depth })
            }
            Size::Sum(sum) => {
                let n = sum.parts.len();
                let n_written = if n > MAX_WRITTEN { N_WRITTEN } else { n };
                write_joined(f, &sum.parts[..n_written], "+")?;
                if n_written < n { write!(f, "+…+{}", sum.parts[n - 1]) } else { Ok(()) }
            }
            Size::Product(product) => write_joined(f, &product.parts, "·"),
        }
    }
}

impl Ratio {
    /// `⌈N/4⌉`, `⌈0.3·N⌉`: the outermost `n_written` ratios of a chain.
    fn write(&self, f: &mut fmt::Formatter<'_>, n_written: usize) -> fmt::Result {
        let inverse = 1.0 / self.ratio;
        let divisor = Some(inverse.round()).filter(|divisor| (inverse - divisor).abs() < 1e-9);
        match divisor {
            Some(_) => f.write_str("⌈")?,
            None => write!(f, "⌈{}·", self.ratio)?,
        }
        match &self.of {
            Size::Ratio(_) if n_written == 1 => f.write_str("…")?,
            Size::Ratio(inner) => inner.write(f, n_written - 1)?,
            other => write!(f, "{other}")?,
        }
        match divisor {
            Some(divisor) => write!(f, "/{divisor}⌉"),
            None => f.write_str("⌉"),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, parts: &[Size], sign: &str) -> fmt::Result {
    for (idx, part) in parts.iter().enumerate() {
        if idx > 0 {
            f.write_str(sign)?;
        }
        write!(f, "{part}")?;
    }
    Ok(())
}

/// Sizes with the numbers of the data for their symbols: `N` is the largest graph, `F` the width of the features, `C`
/// the outputs of the task. What the data does not say stays symbolic.
///
/// It remembers what it worked out, so that a chain of ratios costs one step for each stage of it.
#[derive(Debug, Clone)]
pub struct SizesWithData {
    symbols: Vec<(&'static str, usize)>,
    ratios: HashMap<Print, Size>,
}

impl SizesWithData {
    pub fn new(data: &DataFacts) -> Self {
        let mut symbols = vec![
            ("N", data.max_nodes),
            ("F", data.n_features),
            ("F_e", data.edge_features),
            ("R", data.edge_kinds),
            ("T", data.n_node_types()),
        ];
        symbols.extend(data.task.map(|_| ("C", data.n_outputs)));
        Self::of_symbols(symbols)
    }

    /// Numbers for these symbols alone.
    pub fn of_symbols(symbols: impl Into<Vec<(&'static str, usize)>>) -> Self {
        Self { symbols: symbols.into(), ratios: HashMap::new() }
    }

    /// The size with the data's numbers.
    pub fn of(&mut self, size: &Size) -> Size {
        match size {
            Size::Known(n) => Size::Known(*n),
            Size::Symbol(name) => {
                let number = self.symbols.iter().find(|(known, _)| known == name);
                number.map_or(Size::Symbol(name), |&(_, n)| Size::Known(n))
            }
            Size::Ratio(ratio) => self.of_ratio(ratio),
            Size::Sum(sum) => Size::sum(sum.parts.iter().map(|part| self.of(part)).collect::<Vec<_>>()),
            Size::Product(product) => {
                Size::product(product.parts.iter().map(|part| self.of(part)).collect::<Vec<_>>())
            }
        }
    }

    fn of_ratio(&mut self, outer: &Arc<Ratio>) -> Size {
        // Down to what is known already, then up again; a chain may be longer than the stack.
        let mut open: Vec<&Ratio> = Vec::new();
        let mut next = &**outer;
        let mut size = loop {
            if let Some(known) = self.ratios.get(&next.print) {
                break known.clone();
            }
            open.push(next);
            match &next.of {
                Size::Ratio(inner) => next = inner,
                other => break self.of(other),
            }
        };
        while let Some(ratio) = open.pop() {
            size = Size::ratio(ratio.ratio, size);
            self.ratios.insert(ratio.print, size.clone());
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: Size = Size::Symbol("N");
    const F: Size = Size::Symbol("F");

    #[track_caller]
    fn shows(size: Size, expected: &str) {
        assert_eq!(size.to_string(), expected);
    }

    #[test]
    fn sums_and_products_are_in_their_shortest_form() {
        shows(Size::sum([F, Size::Known(3), Size::sum([F, Size::Known(5)])]), "2·F+8");
        shows(Size::product([Size::Known(4), N, Size::product([Size::Known(2), F])]), "8·N·F");
        shows(Size::sum([Size::Known(3), Size::Known(4)]), "7");
        shows(Size::product([Size::Known(3), Size::Known(4)]), "12");
        shows(Size::product([Size::Known(0), F]), "0");
        shows(Size::sum([Size::product([N, F]), Size::product([Size::Known(2), N, F])]), "3·N·F");
        shows(Size::sum([]), "0");
    }

    #[test]
    fn a_ratio_is_rounded_up_and_at_least_one() {
        let of = |ratio: f64, n: usize| Size::ratio(ratio, Size::Known(n)).known();
        assert_eq!([of(0.25, 10), of(0.1, 30), of(0.5, 1), of(0.5, 0)], [Some(3), Some(3), Some(1), Some(1)]);
        shows(Size::ratio(0.25, Size::ratio(0.3, N)), "⌈⌈0.3·N⌉/4⌉");
    }

    #[test]
    fn doubling_is_exact_up_to_the_largest_number_and_then_too_large() {
        let mut size = F;
        for _ in 0..63 {
            size = Size::sum([size.clone(), size]);
        }
        // 2⁶³, as `bc` has it.
        shows(size.clone(), "9223372036854775808·F");
        assert!(!size.exceeds(1 << 24));
        let twice = Size::sum([size.clone(), size]);
        assert!(twice.exceeds(usize::MAX));
        assert!(Size::product([twice, N]).exceeds(usize::MAX));
        assert!(Size::Known(9).exceeds(8) && !Size::Known(8).exceeds(8));
    }

    #[test]
    fn equal_sizes_are_equal_however_they_were_made() {
        assert_eq!(Size::ratio(0.5, N), Size::ratio(0.5, N));
        assert_ne!(Size::ratio(0.5, N), Size::ratio(0.25, N));
        assert_eq!(Size::sum([N, F]), Size::sum([Size::sum([N]), Size::product([F])]));
        assert_ne!(Size::product([Size::Known(2), F]), Size::sum([F, Size::Known(2)]));
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_ratios_is_one_step_a_ratio() {
        let symbols = [("N", 1 << 20)];
        let mut sizes = SizesWithData::of_symbols(symbols);
        let mut size = N;
        let mut largest = 0;
        for depth in 1..=100_000 {
            size = Size::ratio(0.5, size);
            let known = sizes.of(&size).known().expect("the data has it");
            // ⌈2²⁰ / 2ᵈ⌉, at least 1.
            assert_eq!(known, (1usize << 20).checked_shr(depth).unwrap_or(0).max(1));
            largest = largest.max(size.to_string().len());
        }
        assert_eq!(sizes.ratios.len(), 100_000);
        assert!(largest < 100, "{largest}");
        shows(size.clone(), "⌈⌈…/2⌉/2⌉");
        // Neither comparing nor letting go walks along it in the stack, nor does starting from its end.
        let again = SizesWithData::of_symbols(symbols).of(&size);
        assert_eq!(again, Size::Known(1));
        assert_eq!(size, size.clone());
    }

    #[test]
    fn a_long_sum_is_shortened_where_it_is_written() {
        let ratio = |n: usize| Size::ratio(1.0 / n as f64, N);
        shows(Size::sum((2..=4).map(ratio)), "⌈N/2⌉+⌈N/3⌉+⌈N/4⌉");
        let long = Size::sum((2..=40).map(ratio));
        assert_eq!(long.n_terms(), 39);
        assert!(long.to_string().ends_with("⌈N/9⌉+…+⌈N/40⌉"), "{long}");
    }
}
