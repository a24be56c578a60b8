//! Values that a file leaves open: `search(…)`, what it may become, and the file with one of them in its place.
//!
//! A call of `search` stands for one value, and a file with such calls for many models, which differ in nothing else. Where one of
//! them is meant, its values are put into the tree ([`Space::resolved`]) or into the text ([`Space::edits`]), and what comes out is a
//! file without `search`: no later step knows that there was any.

mod find;
#[cfg(test)]
mod tests;

use crate::source::{SourceMap, Span};
use crate::syntax::Program;
use crate::syntax::ast::{Expr, ExprKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

pub use find::{Found, find};

/// The call that leaves a value open.
pub const SEARCH: &str = "search";

/// As many models a file is checked as, where it stands for no more; of one that stands for more, those that differ from the first
/// in one value.
const MAX_CHECKED: usize = 64;

/// Every value that a program leaves open, in the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    pub sites: Vec<Site>,
}

/// One call of `search`.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Where it stands: `width` of `let width = search(…)`, `train.optimizer.lr`, `model.sage.out`.
    pub name: String,
    /// The whole call.
    pub span: Span,
    pub domain: Domain,
}

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// One of these expressions, as written.
    Choices(Vec<Expr>),
    Range(Range),
}

/// Numbers from `low` to `high`, both among them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    pub low: f64,
    pub high: f64,
    /// Whether equal ratios are equally far apart, and not equal differences.
    pub is_log: bool,
    /// Whether both ends are whole numbers, and so is what lies between.
    pub is_integer: bool,
    /// So many of them, evenly spaced; all where absent.
    pub points: Option<usize>,
}

/// What was chosen for one site.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Choice {
    /// The place in [`Domain::Choices`], counted from 0.
    Place(usize),
    Number(f64),
}

/// A choice for each site, in their order.
pub type Assignment = Vec<Choice>;

impl Range {
    /// The number that lies this share of the way from `low` to `high`.
    pub fn at(&self, share: f64) -> f64 {
        let value = match self.is_log {
            // Ends are met exactly, which logarithms there and back do not promise.
            true if share <= 0.0 => self.low,
            true if share >= 1.0 => self.high,
            true => (self.low.ln() + share * (self.high.ln() - self.low.ln())).exp(),
            false => self.low + share * (self.high - self.low),
        };
        if self.is_integer {
            return value.round().clamp(self.low, self.high);
        }
        // Four digits say as much as a search can, and are read and written without a remainder.
        let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
        rounded.clamp(self.low, self.high)
    }

    /// How far a number lies on the way from `low` to `high`: the inverse of [`Range::at`].
    pub fn share(&self, value: f64) -> f64 {
        let share = match self.is_log {
            true => (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln()),
            false => (value - self.low) / (self.high - self.low),
        };
        share.clamp(0.0, 1.0)
    }

    /// Its numbers where they are few: those of `points`.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        let n = self.points?;
        let mut numbers: Vec<f64> = (0..n).map(|idx| self.at(idx as f64 / (n - 1) as f64)).collect();
        numbers.dedup();
        Some(numbers)
    }
}

impl Domain {
    /// Every choice, where they can be counted.
    pub fn choices(&self) -> Option<Vec<Choice>> {
        match self {
            Self::Choices(list) => Some((0..list.len()).map(Choice::Place).collect()),
            Self::Range(range) => Some(range.numbers()?.into_iter().map(Choice::Number).collect()),
        }
    }

    /// The choice that lies this share, in [0, 1), of the way through the domain.
    pub fn at(&self, share: f64) -> Choice {
        let nth = |n: usize| ((share * n as f64) as usize).min(n - 1);
        match self {
            Self::Choices(list) => Choice::Place(nth(list.len())),
            Self::Range(range) => match range.numbers() {
                Some(numbers) => Choice::Number(numbers[nth(numbers.len())]),
                None => Choice::Number(range.at(share)),
            },
        }
    }

    /// What stands for the value where nothing was chosen: the first of a list, the lower end of a range.
    fn first(&self) -> Choice {
        match self {
            Self::Choices(_) => Choice::Place(0),
            Self::Range(range) => Choice::Number(range.low),
        }
    }

    /// The choices that are worth a check: all of a list, the ends of a range.
    fn extremes(&self) -> Vec<Choice> {
        match self {
            Self::Choices(list) => (0..list.len()).map(Choice::Place).collect(),
            Self::Range(range) => vec![Choice::Number(range.low), Choice::Number(range.high)],
        }
    }
}

impl Space {
    /// What the file means where nothing is chosen: the first of each list, the lower end of each range.
    pub fn first(&self) -> Assignment {
        self.sites.iter().map(|site| site.domain.first()).collect()
    }

    /// Every assignment, where they can be counted and are at most `limit`; the last site changes first.
    pub fn grid(&self, limit: usize) -> Option<Vec<Assignment>> {
        let domains: Option<Vec<Vec<Choice>>> = self.sites.iter().map(|site| site.domain.choices()).collect();
        product(&domains?, limit)
    }

    /// How many assignments there are; `None` where a range has as many as there are numbers.
    pub fn n_assignments(&self) -> Option<usize> {
        let mut each = self.sites.iter().map(|site| Some(site.domain.choices()?.len()));
        each.try_fold(1usize, |product, n| product.checked_mul(n?))
    }

    /// The assignments that a check goes through, the first of all first.
    pub fn to_check(&self) -> Vec<Assignment> {
        let extremes: Vec<Vec<Choice>> = self.sites.iter().map(|site| site.domain.extremes()).collect();
        if let Some(all) = product(&extremes, MAX_CHECKED) {
            return all;
        }
        let first = self.first();
        let mut list = vec![first.clone()];
        for (idx, choices) in extremes.iter().enumerate() {
            for &choice in choices.iter().filter(|&&choice| choice != first[idx]) {
                let mut other = first.clone();
                other[idx] = choice;
                list.push(other);
            }
        }
        list
    }

    /// The program with these choices in place of the calls.
    ///
    /// # Panics
    /// Where the assignment is not one of this space.
    pub fn resolved(&self, program: &Program, assignment: &[Choice]) -> Program {
        find::replaced(program, &self.values(assignment))
    }

    /// What stands at the place of each call.
    fn values(&self, assignment: &[Choice]) -> HashMap<Span, Expr> {
        let values = self.sites.iter().zip(assignment).map(|(site, &choice)| {
            let value = match (&site.domain, choice) {
                (Domain::Choices(list), Choice::Place(place)) => list[place].clone(),
                (_, choice) => Expr { kind: number(choice.number(), &site.domain), span: site.span },
            };
            (site.span, value)
        });
        values.collect()
    }

    /// What to replace in the texts so that they say the same: the place of each call and the text for it.
    pub fn edits(&self, sources: &SourceMap, assignment: &[Choice]) -> Vec<(Span, String)> {
        self.sites
            .iter()
            .zip(assignment)
            .map(|(site, &choice)| (site.span, site.text(sources, choice)))
            .collect()
    }

    /// The choices as a reader knows them: names with texts.
    pub fn words(&self, sources: &SourceMap, assignment: &[Choice]) -> BTreeMap<String, String> {
        let words = self.sites.iter().zip(assignment);
        words.map(|(site, &choice)| (site.name.clone(), site.text(sources, choice))).collect()
    }

    /// Whether an assignment is one of this space.
    pub fn holds(&self, assignment: &[Choice]) -> bool {
        assignment.len() == self.sites.len()
            && self.sites.iter().zip(assignment).all(|(site, choice)| match (&site.domain, choice) {
                (Domain::Choices(list), Choice::Place(place)) => *place < list.len(),
                (Domain::Range(range), Choice::Number(value)) => (range.low..=range.high).contains(value),
                _ => false,
            })
    }
}

impl Site {
    /// A choice as the file would write it.
    pub fn text(&self, sources: &SourceMap, choice: Choice) -> String {
        match (&self.domain, choice) {
            (Domain::Choices(list), Choice::Place(place)) => {
                let text = sources.text(list[place].span);
                // What stands for one value among others of a sum or a pipeline stays one.
                let is_loose = matches!(list[place].kind, ExprKind::Binary { .. } | ExprKind::Pipeline(_));
                if is_loose { format!("({text})") } else { text.to_owned() }
            }
            (domain, choice) => number_text(choice.number(), domain),
        }
    }
}

impl Choice {
    /// As a number: the place of a choice among those of a list.
    pub fn number(self) -> f64 {
        match self {
            Self::Place(place) => place as f64,
            Self::Number(value) => value,
        }
    }
}

/// Every combination, the last changing first; `None` where they are more than `limit`.
fn product(domains: &[Vec<Choice>], limit: usize) -> Option<Vec<Assignment>> {
    let mut all: Vec<Assignment> = vec![Vec::new()];
    for choices in domains {
        if all.len().checked_mul(choices.len())? > limit {
            return None;
        }
        all = all
            .iter()
            .flat_map(|begun| choices.iter().map(|&choice| [begun.as_slice(), &[choice]].concat()))
            .collect();
    }
    Some(all)
}

fn is_integer(domain: &Domain) -> bool {
    matches!(domain, Domain::Range(Range { is_integer: true, .. }))
}

fn number_text(value: f64, domain: &Domain) -> String {
    if is_integer(domain) { format!("{value:.0}") } else { crate::args::float_text(value) }
}

/// A number as the parser reads it.
fn number(value: f64, domain: &Domain) -> ExprKind {
    let number = |value: f64| ExprKind::Number { value, is_integer: is_integer(domain) };
    if value >= 0.0 {
        return number(value);
    }
    ExprKind::Neg(Box::new(Expr { kind: number(-value), span: Span::default() }))
}
