//! Warnings about models that are valid, but probably unintended: one lint, one file, entered
//! in [`LINTS`]. Each has its page in `src/findings/explanations/lint/`, shown by `hgnnc explain`.
//!
//! A lint reads the typed model and asks the catalogue what each operator does ([`crate::ops::Action`]); what it
//! needs of the data is counted when it asks ([`Statistics`]).

mod activation_before_loss;
mod attention_without_edges;
mod batch_of_one;
mod class_balance;
pub mod config;
mod constant_features;
mod cx;
mod dead_assignment;
mod dead_dropout;
mod distinct_labels;
mod idle_bases;
mod idle_class_weights;
mod idle_edge_option;
mod idle_loss_option;
mod idle_schedule;
mod idle_stage;
mod inexpressive_pooling;
mod missing_activation;
mod one_way_edges;
mod over_smoothing;
mod single_cluster;
mod statistics;
#[cfg(test)]
mod testing;
mod unread_data;
mod unread_neighbours;
mod unused_allow;
mod unused_clusters;

pub use config::Config;
pub use cx::Cx;
pub use statistics::{Depth, Statistics};

use crate::args::Range;
use crate::check::Checked;
use crate::data::Dataset;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ir::Model;
use crate::source::{SourceMap, Span};
use crate::syntax::Program;
use crate::syntax::ast::{Ident, ItemKind};
use std::collections::BTreeSet;

/// One kind of warning.
#[derive(Debug)]
pub struct Lint {
    /// `lint::over_smoothing`
    pub code: &'static str,
    /// One line of `hgnnc lint --list`.
    pub summary: &'static str,
    pub needs_data: NeedsData,
    /// Numbers that `hgnn.toml` can set.
    pub thresholds: &'static [Threshold],
    pub find: fn(&Cx) -> Vec<Diagnostic>,
}

/// When a lint needs the data to report anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedsData {
    /// Everything that it reports follows from the file.
    Never,
    /// It reports more with data.
    Sometimes,
    /// Without data it reports nothing.
    Always,
}

/// A number from which a lint reports.
#[derive(Debug)]
pub struct Threshold {
    pub name: &'static str,
    pub default: f64,
    pub range: Range,
    /// One sentence.
    pub doc: &'static str,
}

/// Every lint, in the order of `hgnnc lint --list`.
pub static LINTS: &[&Lint] = &[
    &over_smoothing::LINT,
    &constant_features::LINT,
    &distinct_labels::LINT,
    &inexpressive_pooling::LINT,
    &single_cluster::LINT,
    &unused_clusters::LINT,
    &dead_assignment::LINT,
    &attention_without_edges::LINT,
    &batch_of_one::LINT,
    &class_balance::LINT,
    &idle_class_weights::LINT,
    &unread_data::LINT,
    &one_way_edges::LINT,
    &idle_edge_option::LINT,
    &idle_loss_option::LINT,
    &idle_bases::LINT,
    &dead_dropout::LINT,
    &idle_stage::LINT,
    &unread_neighbours::LINT,
    &missing_activation::LINT,
    &activation_before_loss::LINT,
    &idle_schedule::LINT,
    &unused_allow::LINT,
];

impl Lint {
    /// As `allow(…)` has it: the code without `lint::`.
    pub fn name(&self) -> &'static str {
        self.code.trim_start_matches("lint::")
    }
}

/// The lint of that name, with or without `lint::` in front.
pub fn lint_named(name: &str) -> Option<&'static Lint> {
    let name = name.strip_prefix("lint::").unwrap_or(name);
    LINTS.iter().copied().find(|lint| lint.name() == name)
}

/// The names of all lints, as `allow(…)` takes them.
pub fn names() -> impl Iterator<Item = &'static str> {
    LINTS.iter().map(|lint| lint.name())
}

/// Everything that the lints report about a model, in the order of the places; a lint that is denied gives errors.
/// What the main file allows is left out, and an `allow` without anything to allow is reported.
pub fn lint(
    program: &Program,
    sources: &SourceMap,
    model: &Checked<Model>,
    data: Option<&Dataset>,
    config: &Config,
) -> Vec<Diagnostic> {
    let statistics = data.map(|data| Statistics::new(data, model.get()));
    let cx = Cx::new(model.get(), sources, statistics.as_ref(), config);
    let allowed = allowed(program);
    let mut found = Vec::new();
    let mut occurred: BTreeSet<&str> = BTreeSet::new();
    for lint in LINTS.iter().filter(|lint| !config.allows(lint)) {
        let findings = (lint.find)(&cx);
        if !findings.is_empty() {
            occurred.insert(lint.name());
        }
        if !allowed.iter().any(|name| name.text == lint.name()) {
            found.extend(findings);
        }
    }
    let is_quiet = |name: &str| {
        let lint = lint_named(name);
        // What is not looked for cannot occur; nor can what needs data that is not there.
        lint.is_none_or(|lint| config.allows(lint) || (data.is_none() && lint.needs_data != NeedsData::Never))
    };
    let without_effect = allowed.iter().filter(|name| !occurred.contains(name.text.as_str()));
    let without_effect: Vec<&Ident> = without_effect.copied().filter(|name| !is_quiet(&name.text)).collect();
    if !config.allows(&unused_allow::LINT)
        && !allowed.iter().any(|name| name.text == unused_allow::LINT.name())
    {
        found.extend(without_effect.into_iter().map(|name| unused_allow::finding(name, data.is_some())));
    }
    for finding in &mut found {
        if lint_named(finding.code).is_some_and(|lint| config.denies(lint)) {
            finding.severity = Severity::Error;
        }
    }
    // A stage in a block or a `repeat` is several times in the model and once in the file.
    let mut seen: BTreeSet<(&str, Span)> = BTreeSet::new();
    found.retain(|finding| seen.insert((finding.code, finding.labels[0].span)));
    found.sort_by_key(|finding| finding.labels[0].span);
    crate::syntax::cut::widen(program, &mut found);
    found
}

/// What `allow(…)` of the main file names; other files' own models are theirs.
fn allowed(program: &Program) -> Vec<&Ident> {
    let items = program.file(program.main).into_iter().flat_map(|file| &file.items);
    items
        .filter_map(|item| match &item.kind {
            ItemKind::Allow { codes } => Some(codes),
            _ => None,
        })
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::names;
    use crate::args::default_args;
    use crate::ops::CATALOGUE;
    use std::collections::BTreeSet;

    /// `allow(…)` knows the lints by their pages.
    #[test]
    fn every_lint_has_its_page_and_every_page_its_lint() {
        let pages: BTreeSet<_> = crate::findings::names::lints().collect();
        assert_eq!(names().collect::<BTreeSet<_>>(), pages);
    }

    #[test]
    fn every_operator_says_what_it_does_with_its_defaults() {
        for op in CATALOGUE {
            op.action(&default_args(op.args()));
        }
    }
}
