//! The canonical form of a model: what it computes and how it is trained, without formatting, comments, names
//! and the choice of writing a default out. It has a text, which checkpoints carry, and a hash.
//!
//! ```text
//! hgnn-ir 3
//! stage 0 = input()
//! stage 1 = gcn(out = 64, self_loops = true, bias = true) of 0
//! output 1
//! task node_classification
//! loss 1.0 cross_entropy(class_weights = none)
//! data tu(name = "PROTEINS", …)
//! train epochs = 100
//! evaluate seeds = 1
//! ```
//!
//! `grammar/CANONICAL.md` says what each line means and what later versions will read.

mod read;
mod rebuild;
#[cfg(test)]
mod tests;

pub use read::CanonicalError;

use super::{Model, infer::inputs_of};
use crate::args::{ArgKind, ArgValue, Args, BoundCall, float_text};
use crate::conv::operator::Defined;
use crate::ops::hetero::{Lifted, MARK};
use crate::ops::{self, Operator};
use crate::syntax::quoted;
use crate::types::Task;
use petgraph::graph::NodeIndex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{self, Write};

/// The version that is written. It goes up when the text of an unchanged model changes.
pub const VERSION: u32 = 3;

/// The first line up to its number.
const HEAD: &str = "hgnn-ir ";

/// What stands between the inputs of a stage and the number of the one whose weights it uses.
const SHARES: &str = " with weights of ";

/// What stands behind the inputs of a stage inside `hetero`: `sum`, or another word of [`Lifted`].
const LIFTED: &str = " by ";

/// The operator that passes its input on. It computes nothing and is left out.
const IDENTITY: &str = "identity";

/// A model in its canonical form.
#[derive(Debug, Clone)]
pub struct Canonical {
    /// Inputs before what reads them, in the order of the ports; stages that do not reach the output and those
    /// that only pass a value on are left out.
    pub stages: Vec<Stage>,
    /// The stage whose value is the result.
    pub output: usize,
    pub task: Task,
    /// By name.
    pub losses: Vec<Loss>,
    pub data: Option<BoundCall>,
    pub train: Args,
    pub evaluate: Args,
    /// What the file leaves open, a line each; the rest is then the first of the models that it stands for.
    pub search: Vec<String>,
}

/// One operator with every argument, and the stages whose values come in, by port.
#[derive(Debug, Clone)]
pub struct Stage {
    pub op: &'static dyn Operator,
    pub args: Args,
    pub inputs: Vec<usize>,
    /// The stage whose weights it uses, where it has none of its own.
    pub shares: Option<usize>,
}

/// A term of the loss with every argument.
#[derive(Debug, Clone)]
pub struct Loss {
    pub weight: f64,
    pub loss: &'static dyn ops::Loss,
    pub args: Args,
}

/// What of a model is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// Network and task: which weights there are and what they compute.
    Architecture,
    /// Loss, data, training and evaluation: how the weights are found and measured.
    Training,
    #[default]
    All,
}

impl Canonical {
    /// The canonical form of a model. Published figures are remarks and have no part in it.
    pub fn of(model: &Model) -> Self {
        Self::with_nodes(model).0
    }

    /// The same, with the node of the model that each stage stands for.
    pub fn with_nodes(model: &Model) -> (Self, Vec<NodeIndex>) {
        let mut nodes = Vec::new();
        let mut number: HashMap<NodeIndex, usize> = HashMap::new();
        let mut stages = Vec::new();
        // By the stage whose weights are used, the first that uses them.
        let mut owners: HashMap<NodeIndex, usize> = HashMap::new();
        for node in order(model) {
            let inputs: Vec<usize> =
                inputs_of(&model.graph, node).into_iter().map(|input| number[&input]).collect();
            let place = &model.graph[node];
            if let (IDENTITY, [input]) = (place.op.name(), inputs.as_slice()) {
                number.insert(node, *input);
                continue;
            }
            number.insert(node, stages.len());
            nodes.push(node);
            let shares = match owners.entry(place.shares.unwrap_or(node)) {
                Entry::Occupied(owner) => Some(*owner.get()),
                Entry::Vacant(slot) => {
                    slot.insert(stages.len());
                    None
                }
            };
            stages.push(Stage { op: place.op, args: place.args.clone(), inputs, shares });
        }
        let of_level = levels(model, &nodes);
        let losses = model.losses.iter();
        let losses = losses
            .map(|term| Loss {
                weight: term.weight,
                loss: term.loss,
                args: with_levels(term.loss, &term.args, &of_level),
            })
            .collect();
        let canonical = Self {
            output: number[&model.output],
            stages,
            task: model.task,
            losses,
            data: model.data.clone(),
            train: model.train.clone(),
            evaluate: model.evaluate.clone(),
            search: model.search.clone(),
        };
        (canonical.settled(), nodes)
    }

    /// Reads a canonical text of this or an earlier version, each argument through the catalogue.
    ///
    /// # Errors
    /// Where a line is damaged or names what this version does not know; the line is named.
    pub fn parse(text: &str) -> Result<Self, CanonicalError> {
        read::parse(text)
    }

    /// The version that a canonical text was written in; `None` where it is none.
    pub fn version_of(text: &str) -> Option<u32> {
        text.lines().next()?.strip_prefix(HEAD)?.trim().parse().ok()
    }

    /// What does not depend on how it was written: losses in order, and the metrics that the task implies.
    fn settled(mut self) -> Self {
        // A sum is the same in any order.
        self.losses.sort_by_cached_key(|term| (term.loss.name(), levels_of(term)));
        let metrics = crate::settings::metric::defaults(self.task.kind);
        for arg in &mut self.evaluate.0 {
            if arg.name == "metrics" && arg.value == ArgValue::Absent {
                arg.value = ArgValue::ChoiceList(metrics.to_vec());
            }
        }
        self
    }

    /// The text of a part: the version, then a line for each fact.
    pub fn text(&self, part: Part) -> String {
        let mut text = format!("{HEAD}{VERSION}\n");
        if part != Part::Training {
            for (idx, stage) in self.stages.iter().enumerate() {
                let _ = write!(text, "stage {idx} = {}", stage.call());
                for (place, input) in stage.inputs.iter().enumerate() {
                    let name = stage.arg_of_edges(place).map_or(String::new(), |name| format!("{name} = "));
                    let _ = write!(text, "{}{name}{input}", if place == 0 { " of " } else { ", " });
                }
                if let Some(lifted) = Lifted::of(&stage.args) {
                    let _ = write!(text, "{LIFTED}{}", lifted.word());
                }
                if let Some(owner) = stage.shares {
                    let _ = write!(text, "{SHARES}{owner}");
                }
                text.push('\n');
            }
            let _ = writeln!(text, "output {}", self.output);
            let _ = writeln!(text, "task {}", self.task.name());
        }
        if part != Part::Architecture {
            for term in &self.losses {
                let _ = writeln!(text, "loss {:?} {}", term.weight, term.call());
            }
            if let Some(data) = &self.data {
                let _ = writeln!(text, "data {}", call_text(data));
            }
            for (section, args) in [("train", &self.train), ("evaluate", &self.evaluate)] {
                let is_as_before = |name: &str, value: &str| ADDED.contains(&(section, name, value));
                for (name, value) in written(args).filter(|(name, value)| !is_as_before(name, value)) {
                    let _ = writeln!(text, "{section} {name} = {value}");
                }
            }
            for open in &self.search {
                let _ = writeln!(text, "search {open}");
            }
        }
        text
    }

    /// SHA-256 of [`Self::text`], in hex.
    pub fn hash(&self, part: Part) -> String {
        Sha256::digest(self.text(part).as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Whether a part is the same.
    pub fn agrees_with(&self, other: &Self, part: Part) -> bool {
        self.text(part) == other.text(part)
    }
}

impl Stage {
    /// `gcn(out = 64, self_loops = true, bias = true)`
    ///
    /// Of a convolution that a file defines, its body with the values of the stage.
    pub fn call(&self) -> String {
        match Defined::of(self.op) {
            Some(defined) => crate::conv::text::call(defined.definition(), &self.args),
            None => named_call(self.op.name(), &self.args),
        }
    }

    /// The argument that an input is given as, where it is a value of the edges: several such arguments may each be given
    /// or not, so that the place alone does not tell.
    fn arg_of_edges(&self, place: usize) -> Option<&'static str> {
        let of_edges = self.op.args().iter().filter(|spec| matches!(spec.kind, ArgKind::Edges(_)));
        of_edges.map(|spec| spec.name).find(|name| self.args.port(name) == Some(place))
    }
}

impl Loss {
    /// `cross_entropy(class_weights = none)`
    pub fn call(&self) -> String {
        named_call(self.loss.name(), &self.args)
    }

    /// What tells the term from the others: `entropy`, or `entropy(level = 1)`.
    pub fn label(&self) -> String {
        ops::loss::label(self.loss, &self.args)
    }

    fn overlaps(&self, other: &Loss) -> bool {
        self.loss.name() == other.loss.name() && ops::loss::share_a_level(self.loss, &self.args, &other.args)
    }
}

impl PartialEq for Canonical {
    fn eq(&self, other: &Self) -> bool {
        self.agrees_with(other, Part::All)
    }
}

/// The whole text.
impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Part::All))
    }
}

/// SHA-256 of a model's whole canonical text, in hex.
pub fn hash(model: &Model) -> String {
    Canonical::of(model).hash(Part::All)
}

/// The number of each level in the order of the canonical stages: a file may write its poolings in another order than
/// that in which the output reads them.
fn levels(model: &Model, nodes: &[NodeIndex]) -> HashMap<i64, i64> {
    let mut of_level = HashMap::from([(0, 0)]);
    for &node in nodes {
        let next = of_level.len() as i64;
        of_level.entry(i64::from(model.graph[node].ty.level.0)).or_insert(next);
    }
    of_level
}

/// The arguments of a term with its levels in order; one alone is no list.
fn with_levels(loss: &dyn ops::Loss, args: &Args, of_level: &HashMap<i64, i64>) -> Args {
    let mut args = args.clone();
    let mut list: Vec<i64> = match ops::loss::levels(loss, &args) {
        Some((levels, _)) => levels.iter().map(|level| *of_level.get(level).unwrap_or(level)).collect(),
        None => return args,
    };
    list.sort_unstable();
    let value = if let [level] = list[..] { ArgValue::Int(level) } else { ArgValue::IntList(list) };
    for arg in args.0.iter_mut().filter(|arg| arg.name == ops::loss::auxiliary::LEVEL) {
        arg.value = value.clone();
    }
    args
}

fn levels_of(term: &Loss) -> Vec<i64> {
    ops::loss::levels(term.loss, &term.args).map_or(Vec::new(), |(levels, _)| levels.to_vec())
}

/// Inputs before what reads them, following ports from the output; what the output does not need is left out.
fn order(model: &Model) -> Vec<NodeIndex> {
    let mut order = Vec::new();
    let mut is_done = vec![false; model.graph.node_count()];
    let mut stack = vec![(model.output, false)];
    while let Some((node, are_inputs_done)) = stack.pop() {
        if is_done[node.index()] {
            continue;
        }
        if are_inputs_done {
            is_done[node.index()] = true;
            order.push(node);
            continue;
        }
        stack.push((node, true));
        let inputs = inputs_of(&model.graph, node);
        stack.extend(inputs.into_iter().rev().map(|input| (input, false)));
    }
    order
}

/// A call with every argument: `tu(name = "PROTEINS", …)`.
pub fn call_text(call: &BoundCall) -> String {
    named_call(call.name, &call.args)
}

/// Arguments that their calls were given within this version, with their defaults: left out where they have these values,
/// so that texts and hashes of older files stay.
const ADDED: &[(&str, &str, &str)] = &[
    ("tu", "edge_features", "auto"),
    ("tu", "undirected", "false"),
    ("tu", "loops", "keep"),
    ("tu", "parallel", "keep"),
    ("tu", "normalize", "none"),
    ("holdout", "by", "auto"),
    ("k_fold", "by", "auto"),
    ("holdout", "together", "nothing"),
    ("k_fold", "together", "nothing"),
    ("adam", "decayed", "all"),
    ("adamw", "decayed", "all"),
    ("sgd", "decayed", "all"),
    ("karate", "normalize", "none"),
    ("hierarchy", "normalize", "none"),
    ("hierarchy", "features", "colours"),
    ("gcn", "improved", "false"),
    ("gcn", "normalize", "true"),
    ("gin", "aggregate", "sum"),
    ("sage", "project", "false"),
    ("gat", "residual", "false"),
    ("gat", "fill", "mean"),
    ("gatv2", "fill", "mean"),
    ("diffpool", "connect", "sum"),
    ("diffpool", "self_loops", "true"),
    ("mincut", "connect", "degrees"),
    ("mincut", "self_loops", "false"),
    ("topk", "multiplier", "1.0"),
    ("topk", "connect", "edges"),
    ("sage", "t", "1.0"),
    ("sage", "learn_t", "false"),
    ("mlp", "plain_last", "true"),
    ("cross_entropy", "label_smoothing", "0.0"),
    ("supergat", "negatives", "0.5"),
    ("la_pool", "shortest_path", "false"),
    ("supergat", "positives", "1.0"),
    ("evaluate", "final_runs", "1"),
];

fn named_call(name: &str, args: &Args) -> String {
    // Every convolution was given its direction within this version.
    let is_as_before = |arg: &str, value: &str| {
        ADDED.contains(&(name, arg, value)) || (arg, value) == ("direction", "along")
    };
    let parts: Vec<_> = written(args)
        .filter(|(arg, value)| !is_as_before(arg, value))
        .map(|(arg, value)| format!("{arg} = {value}"))
        .collect();
    format!("{name}({})", parts.join(", "))
}

/// Arguments with their texts. What is inferred stays out; a pipeline is an input of its stage, whether it was
/// written or is the default.
fn written(args: &Args) -> impl Iterator<Item = (&'static str, String)> {
    let present = args.0.iter().filter(|arg| !matches!(arg.value, ArgValue::Absent | ArgValue::Pipeline));
    let present = present.filter(|arg| arg.name != MARK);
    present.map(|arg| (arg.name, value_text(&arg.value)))
}

/// A value as the language writes it, so that the language's own parser reads it back.
pub fn value_text(value: &ArgValue) -> String {
    match value {
        ArgValue::Int(value) => value.to_string(),
        ArgValue::Float(value) => float_text(*value),
        ArgValue::Bool(value) => value.to_string(),
        ArgValue::Text(text) => quoted(text),
        ArgValue::Choice(word) => (*word).to_owned(),
        ArgValue::IntList(list) => {
            let items: Vec<_> = list.iter().map(i64::to_string).collect();
            format!("[{}]", items.join(", "))
        }
        ArgValue::FloatList(list) => {
            let items: Vec<_> = list.iter().map(|&number| float_text(number)).collect();
            format!("[{}]", items.join(", "))
        }
        ArgValue::ChoiceList(list) => format!("[{}]", list.join(", ")),
        ArgValue::Call(call) => call_text(call),
        ArgValue::Calls(calls) => {
            let call = |call: &BoundCall| {
                let text = call_text(call);
                text.strip_suffix("()").map_or(text.clone(), str::to_owned)
            };
            format!("[{}]", calls.iter().map(call).collect::<Vec<_>>().join(", "))
        }
        ArgValue::Pipeline | ArgValue::Absent => String::new(),
    }
}
