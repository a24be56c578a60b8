//! What changed between two models, by meaning: stages added, removed, moved or changed, losses, data, training and
//! evaluation, what it costs, and which trained weights still fit. Each change has a [`Class`].

mod align;
mod network;
mod render;
mod settings;
#[cfg(test)]
mod tests;
mod view;

pub use render::{json, markdown, svg, text};
pub(crate) use settings::count_words;
pub use view::shape_text;

use crate::ir::Model;
use crate::ir::canonical::Part;
use crate::plan::{self, words::Count};
use crate::types::{DataFacts, Size};
use petgraph::graph::NodeIndex;
use serde::Serialize;
use view::View;

/// One of the two models that are compared.
#[derive(Debug, Clone)]
pub struct Side {
    /// As the user named it.
    pub name: String,
    pub model: Model,
    /// What is known of its data; sizes stay symbolic without.
    pub facts: Option<DataFacts>,
    /// The text that it was compiled from, with the files that it uses; `None` where only the canonical form is known.
    pub text: Option<String>,
}

/// How far a change goes, from nothing to what other programs notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Nothing differs.
    Same,
    /// Formatting, comments, names, defaults written out.
    Cosmetic,
    /// Loss, data, optimiser, schedule, seeds, evaluation, dropout probability.
    Training,
    /// The network computes something else, but every trained weight still loads.
    WeightCompatible,
    /// A weight is new, is dropped or has another shape.
    WeightBreaking,
    /// Input features, task or number of outputs differ.
    InterfaceBreaking,
}

impl Class {
    /// All of them, the mildest first.
    pub const ALL: [Class; 6] = [
        Class::Same,
        Class::Cosmetic,
        Class::Training,
        Class::WeightCompatible,
        Class::WeightBreaking,
        Class::InterfaceBreaking,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Class::Same => "same",
            Class::Cosmetic => "cosmetic",
            Class::Training => "training",
            Class::WeightCompatible => "weight-compatible",
            Class::WeightBreaking => "weight-breaking",
            Class::InterfaceBreaking => "interface-breaking",
        }
    }

    pub fn explanation(self) -> &'static str {
        match self {
            Class::Same => "nothing differs",
            Class::Cosmetic => "formatting, comments, names or written-out defaults; the model is the same",
            Class::Training => "loss, data, optimiser, seeds or evaluation; the network is the same",
            Class::WeightCompatible => {
                "the network computes something else, but every trained weight still loads"
            }
            Class::WeightBreaking => "a weight is new, is dropped or has another shape",
            Class::InterfaceBreaking => "input features, task or number of outputs differ",
        }
    }
}

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Task,
    Input,
    Outputs,
    Added,
    Removed,
    Moved,
    Repeated,
    Changed,
    Rewired,
    Data,
    Loss,
    Train,
    Evaluate,
    Name,
    Published,
    Text,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub class: Class,
    pub kind: Kind,
    /// In words.
    pub text: String,
    /// The stages that it is about, as nodes of each model.
    pub before: Vec<NodeIndex>,
    pub after: Vec<NodeIndex>,
}

impl Change {
    fn of(class: Class, kind: Kind, text: String) -> Self {
        Self { class, kind, text, before: Vec::new(), after: Vec::new() }
    }
}

/// What becomes of a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightState {
    /// The same shape in both.
    Kept,
    /// Another shape.
    Reshaped,
    /// Only before.
    Dropped,
    /// Only after.
    New,
}

/// A weight or buffer of either model: its name, as checkpoints have it, and its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightMatch {
    pub before: Option<(String, Vec<Size>)>,
    pub after: Option<(String, Vec<Size>)>,
    pub state: WeightState,
}

/// What a model takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Costs {
    /// Trained numbers; symbolic without data.
    pub parameters: Count,
    /// Bytes kept for the backward pass, and operations of a forward pass, for an average graph; `None` without data.
    pub memory_bytes: Option<f64>,
    pub flops: Option<f64>,
    /// The data that sizes were taken from.
    pub data: Option<String>,
}

/// All that differs between two models.
#[derive(Debug, Clone)]
pub struct Diff {
    /// Names of the two.
    pub names: [String; 2],
    /// That of the change that goes furthest.
    pub class: Class,
    /// Those that go furthest first.
    pub changes: Vec<Change>,
    /// Before and after.
    pub costs: [Costs; 2],
    pub weights: Vec<WeightMatch>,
    /// Stages that belong together, and which of them changed.
    pub pairs: Vec<(NodeIndex, NodeIndex)>,
    /// The canonical forms line by line, without the numbers of stages: `' '` in both, `'-'` before, `'+'` after.
    pub lines: Vec<(char, String)>,
}

/// Compares two models. The class does not depend on which one is `before`.
pub fn compare(before: &Side, after: &Side) -> Diff {
    let (a, b) = (View::new(before), View::new(after));
    let alignment = align::align(&a, &b);
    let pairs: Vec<(usize, usize)> =
        alignment.after.iter().enumerate().filter_map(|(i, j)| Some((i, (*j)?))).collect();
    let is_same = a.canonical.agrees_with(&b.canonical, Part::All);
    let (mut changes, weights) = network::Network::compare(&a, &b, &alignment);
    changes.extend(settings::compare(&a, &b));
    changes.extend(settings::cosmetic(&a, &b, &pairs, is_same && changes.is_empty()));
    if !is_same && changes.iter().all(|change| change.class <= Class::Cosmetic) {
        let is_network = !a.canonical.agrees_with(&b.canonical, Part::Architecture);
        let is_of_width = changes.iter().any(|change| change.kind == Kind::Changed);
        if !is_of_width {
            let class = if is_network { Class::WeightCompatible } else { Class::Training };
            changes.push(Change::of(class, Kind::Changed, "the canonical forms differ".to_owned()));
        }
    }
    // Sorting keeps the order of equals.
    changes.sort_by_key(|change| std::cmp::Reverse(change.class));
    let of_changes = changes.first().map_or(Class::Same, |change| change.class);
    let of_weights = match weights.iter().all(|weight| weight.state == WeightState::Kept) {
        true => Class::Same,
        false => Class::WeightBreaking,
    };
    Diff {
        names: [before.name.clone(), after.name.clone()],
        class: of_changes.max(of_weights),
        changes,
        costs: [costs(&a), costs(&b)],
        weights,
        pairs: pairs.iter().map(|&(i, j)| (a.stages[i].node, b.stages[j].node)).collect(),
        lines: render::canonical_lines(&a, &b, &alignment),
    }
}

fn costs(view: &View) -> Costs {
    let side = view.side;
    let weights = view.stages.iter().flat_map(|stage| &stage.weights).filter(|weight| weight.is_trained);
    let mut parameters = Count::default();
    weights.for_each(|weight| parameters.add_product(&weight.shape));
    let rows = side.facts.as_ref().map(|facts| plan::stages(&side.model, Some(facts)));
    let total = |of: fn(&plan::StageRow) -> Option<f64>| {
        rows.as_ref().and_then(|rows| rows.iter().map(of).sum::<Option<f64>>())
    };
    Costs {
        parameters,
        memory_bytes: total(|row| row.memory_bytes),
        flops: total(|row| row.flops),
        data: side.facts.as_ref().map(|facts| facts.name.clone()),
    }
}
