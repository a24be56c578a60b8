//! A model as the comparison sees it: its stages in canonical order, with sizes filled in.

use super::Side;
use crate::args::{ArgKind, ArgSpec, ArgValue, Args};
use crate::ir::canonical::value_text;
use crate::ir::{Author, Canonical, Scope};
use crate::ops::{FactCx, Operator};
use crate::plan::words;
use crate::types::{Dim, Size, SizesWithData, Type};
use petgraph::graph::NodeIndex;

/// As many stages are named by their numbers; of more, the others are counted.
const MAX_NUMBERS: usize = 24;

/// One weight or buffer of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Weight {
    pub name: &'static str,
    pub shape: Vec<Size>,
    pub is_trained: bool,
}

/// One stage.
pub(super) struct Stage<'a> {
    pub node: NodeIndex,
    pub op: &'static dyn Operator,
    pub args: &'a Args,
    pub inputs: Vec<usize>,
    /// Stages that read its value.
    pub readers: Vec<usize>,
    pub ty: Type,
    pub name: Option<&'a str>,
    pub author: Author,
    /// Blocks and repeats around it.
    pub scope: &'a Scope,
    /// Those that belong to it: none where it shares those of another stage.
    pub weights: Vec<Weight>,
    /// The stage whose weights it uses, where it has none of its own.
    pub shares: Option<usize>,
    /// Operator and arguments, for comparing.
    pub call: String,
}

impl Stage<'_> {
    /// The call as a person would write it; what no file has is marked.
    pub fn short_call(&self) -> String {
        let call = short_call(self.op, self.args);
        if self.author == Author::Compiler { format!("{call} (by the compiler)") } else { call }
    }
}

/// All stages of a side.
pub(super) struct View<'a> {
    pub side: &'a Side,
    pub canonical: Canonical,
    pub stages: Vec<Stage<'a>>,
}

impl<'a> View<'a> {
    pub fn new(side: &'a Side) -> Self {
        let (canonical, nodes) = Canonical::with_nodes(&side.model);
        let mut sizes = side.facts.as_ref().map(SizesWithData::new);
        let types: Vec<Type> = nodes
            .iter()
            .map(|&node| {
                let mut ty = side.model.graph[node].ty.clone();
                ty.width.size = filled(&ty.width.size, &mut sizes);
                if !ty.entity.is_ragged() {
                    ty.rows.size = filled(&ty.rows.size, &mut sizes);
                }
                ty
            })
            .collect();
        let mut readers = vec![Vec::new(); nodes.len()];
        for (idx, stage) in canonical.stages.iter().enumerate() {
            stage.inputs.iter().for_each(|&input| readers[input].push(idx));
        }
        let mut stages = Vec::with_capacity(nodes.len());
        for (idx, (stage, node)) in canonical.stages.iter().zip(nodes).enumerate() {
            let place = &side.model.graph[node];
            let inputs: Vec<&Type> = stage.inputs.iter().map(|&input| &types[input]).collect();
            let cx = FactCx { args: &place.args, inputs: &inputs, output: &types[idx] };
            let mut shape =
                |dims: Vec<Dim>| dims.into_iter().map(|dim| filled(&dim.size, &mut sizes)).collect();
            let own = if stage.shares.is_some() { Vec::new() } else { place.op.weights(&cx) };
            let weights = own.into_iter().map(|spec| Weight {
                name: spec.name,
                shape: shape(spec.shape),
                is_trained: spec.is_trained,
            });
            stages.push(Stage {
                node,
                op: stage.op,
                args: &place.args,
                inputs: stage.inputs.clone(),
                readers: std::mem::take(&mut readers[idx]),
                ty: types[idx].clone(),
                name: place.name.as_deref(),
                author: place.author,
                scope: &place.scope,
                weights: weights.collect(),
                shares: stage.shares,
                call: stage.call(),
            });
        }
        Self { side, canonical, stages }
    }

    /// Classes or values of the task.
    pub fn outputs(&self) -> Size {
        filled(&self.side.model.outputs.size, &mut self.side.facts.as_ref().map(SizesWithData::new))
    }

    /// `relu (stage 3)`, numbered as `hgnnc show` does.
    pub fn place(&self, idx: usize) -> String {
        let stage = &self.stages[idx];
        match stage.inputs.is_empty() {
            true if stage.ty.entity.is_of_edges() => format!("`{}`", stage.op.name()),
            true => "the input".to_owned(),
            false => {
                let by = if stage.author == Author::Compiler { ", by the compiler" } else { "" };
                format!("{} (stage {}{by})", stage.op.name(), stage.node.index())
            }
        }
    }

    /// `stage 3`, `stages 3, 7`; of many, the first ones and how many more there are.
    pub fn numbers(&self, stages: &[usize]) -> String {
        let mut numbers: Vec<usize> = stages.iter().map(|&idx| self.stages[idx].node.index()).collect();
        numbers.sort_unstable();
        let shown: Vec<String> = numbers.iter().take(MAX_NUMBERS).map(usize::to_string).collect();
        match numbers.len() - shown.len() {
            0 if shown.len() == 1 => format!("stage {}", shown[0]),
            0 => format!("stages {}", shown.join(", ")),
            n_more => format!("stages {} and {} more", shown.join(", "), words::grouped(n_more)),
        }
    }
}

fn filled(size: &Size, sizes: &mut Option<SizesWithData>) -> Size {
    sizes.as_mut().map_or_else(|| size.clone(), |sizes| sizes.of(size))
}

/// The call as a person would write it: arguments with another value than their default.
pub(super) fn short_call(op: &dyn Operator, args: &Args) -> String {
    let mut words = Vec::new();
    let mut is_positional = true;
    for (arg, spec) in args.0.iter().zip(op.args()) {
        let is_default = spec.default.value().as_ref() == Some(&arg.value);
        if is_default || matches!(arg.value, ArgValue::Absent | ArgValue::Pipeline) {
            is_positional = false;
            continue;
        }
        let value = value_words(&arg.value);
        let can_stand_alone = spec.positional && is_positional;
        words.push(if can_stand_alone { value } else { format!("{} = {value}", spec.name) });
    }
    if words.is_empty() { op.name().to_owned() } else { format!("{}({})", op.name(), words.join(", ")) }
}

/// A value as a person would write it: `0.5`, `2`, `1e-7`.
pub(super) fn value_words(value: &ArgValue) -> String {
    match value {
        ArgValue::Float(value) => {
            let text = value_text(&ArgValue::Float(*value));
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
        other => value_text(other),
    }
}

/// A value, or the words for its absence.
pub(super) fn value_or_absence(value: Option<&ArgValue>, spec: Option<&ArgSpec>) -> String {
    match value {
        Some(ArgValue::Pipeline) => "given".to_owned(),
        None | Some(ArgValue::Absent) => match spec.map(|spec| (spec.default, spec.kind)) {
            Some((crate::args::Default::Inferred(words), kind)) => match kind {
                ArgKind::Int { .. }
                | ArgKind::IntList { .. }
                | ArgKind::Ints { .. }
                | ArgKind::Pipeline { .. } => "inferred".to_owned(),
                _ => words.to_owned(),
            },
            _ => "none".to_owned(),
        },
        Some(value) => value_words(value),
    }
}

/// `[64, 128]`, `[F, 64]`
pub fn shape_text(shape: &[Size]) -> String {
    let sizes: Vec<String> = shape.iter().map(words::count).collect();
    format!("[{}]", sizes.join(", "))
}
