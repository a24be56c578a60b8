//! What convolutions of point clouds share: positions of the nodes, and networks before and behind the gathering.

use super::MAX_WIDTH;
use super::gathered::Gathered;
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{args, levels};
use crate::ops::program::ProgramCx;
use crate::ops::{InferCx, WeightMap};
use crate::program::{Edges, Space, V};
use crate::types::{Dim, Size};

/// Where nodes lie.
pub const POSITION: ArgSpec = ArgSpec {
    name: "position",
    kind: ArgKind::Pipeline { port: 1 },
    default: Default::Required,
    positional: false,
    doc: "Where the nodes lie, `p_i`: a value of the same nodes, for example `input` where the data's columns are positions, or \
          `input -> columns(0, 3)`.",
};

pub const SELF_LOOPS: ArgSpec = ArgSpec::flag(
    "self_loops",
    true,
    "Whether each node counts once as its own neighbour; loops of the graph are left out then.",
);

/// How messages become one.
pub const AGGREGATE: ArgSpec = ArgSpec { default: Default::Choice("max"), ..super::AGGREGATE };

/// Names of the weight and bias of each layer of the network of messages.
pub const LOCAL_WEIGHTS: &[[&str; 2]] = &[
    ["local_weight_0", "local_bias_0"],
    ["local_weight_1", "local_bias_1"],
    ["local_weight_2", "local_bias_2"],
    ["local_weight_3", "local_bias_3"],
];

/// Names of the weight and bias of each layer of the network behind the gathering.
pub const GLOBAL_WEIGHTS: &[[&str; 2]] = &[
    ["global_weight_0", "global_bias_0"],
    ["global_weight_1", "global_bias_1"],
    ["global_weight_2", "global_bias_2"],
    ["global_weight_3", "global_bias_3"],
];

/// Widths of the network of messages.
pub const LOCAL: ArgSpec = ArgSpec {
    name: "local",
    kind: ArgKind::IntList { min: 1, max: MAX_WIDTH, max_len: LOCAL_WEIGHTS.len() },
    default: Default::Inferred("two layers as wide as the result"),
    positional: false,
    doc: "Widths of the layers of the network of messages, first to last, with `relu` between them.",
};

/// Widths inside of the network behind the gathering.
pub const GLOBAL: ArgSpec = ArgSpec {
    name: "hidden",
    kind: ArgKind::IntList { min: 1, max: MAX_WIDTH, max_len: GLOBAL_WEIGHTS.len() - 1 },
    default: Default::Inferred("no such network"),
    positional: false,
    doc: "Widths of the hidden layers of the network behind the gathering, which ends in `out`; `[]` for a single linear layer.",
};

/// The layers of two perceptrons, by PyG's names.
pub const NETWORKS: [(&str, &str, WeightMap); 16] = [
    ("local_nn.0.weight", "local_weight_0", WeightMap::Transposed),
    ("local_nn.0.bias", "local_bias_0", WeightMap::Same),
    ("local_nn.2.weight", "local_weight_1", WeightMap::Transposed),
    ("local_nn.2.bias", "local_bias_1", WeightMap::Same),
    ("local_nn.4.weight", "local_weight_2", WeightMap::Transposed),
    ("local_nn.4.bias", "local_bias_2", WeightMap::Same),
    ("local_nn.6.weight", "local_weight_3", WeightMap::Transposed),
    ("local_nn.6.bias", "local_bias_3", WeightMap::Same),
    ("global_nn.0.weight", "global_weight_0", WeightMap::Transposed),
    ("global_nn.0.bias", "global_bias_0", WeightMap::Same),
    ("global_nn.2.weight", "global_weight_1", WeightMap::Transposed),
    ("global_nn.2.bias", "global_bias_1", WeightMap::Same),
    ("global_nn.4.weight", "global_weight_2", WeightMap::Transposed),
    ("global_nn.4.bias", "global_bias_2", WeightMap::Same),
    ("global_nn.6.weight", "global_weight_3", WeightMap::Transposed),
    ("global_nn.6.bias", "global_bias_3", WeightMap::Same),
];

/// # Errors
/// `levels::mixed_levels` where the value of a pipeline argument is not of the rows that come in.
pub fn is_beside(cx: &InferCx, name: &str) -> Result<(), Diagnostic> {
    let Some(port) = cx.port(name) else { return Ok(()) };
    let (x, other) = (cx.inputs[0], cx.inputs[port]);
    match (x.entity, x.level) == (other.entity, other.level) {
        true => Ok(()),
        false => Err(levels::mixed_levels(cx, port)),
    }
}

/// # Errors
/// `args::does_not_fit` where a value does not have three columns.
pub fn is_in_space(cx: &InferCx, name: &str) -> Result<(), Diagnostic> {
    let Some(port) = cx.port(name) else { return Ok(()) };
    match cx.inputs[port].width.known().filter(|&n| n != 3) {
        None => Ok(()),
        Some(n) => {
            let columns = if n == 1 { "1 column".to_owned() } else { format!("{n} columns") };
            let message = format!("`{name}` of `{}` needs three columns, but has {columns}", cx.op.name());
            let help = format!(
                "angles are those of space: choose the columns, for example `{name} = input -> columns(0, 3)`"
            );
            Err(args::does_not_fit(cx, name, &message, &help))
        }
    }
}

/// # Errors
/// `levels::needs_edges`, `args::does_not_fit` for `max` on clusters.
pub fn fits_aggregate(cx: &InferCx) -> Result<(), Diagnostic> {
    super::has_edges(cx)?;
    super::refuse_of_clusters(cx, &["max"])
}

/// What is gathered by [`gathered`]: a maximum needs edges that are there or not, and something has to end in `out`.
///
/// # Errors
/// `levels::needs_edges`, `args::does_not_fit` for `max` on clusters, and for messages of another width than the result where no
/// network stands behind.
pub fn fits(cx: &InferCx) -> Result<(), Diagnostic> {
    fits_aggregate(cx)?;
    let (local, out) = (cx.args.int_list(LOCAL.name), cx.args.opt_int("out"));
    let end = local.and_then(|widths| widths.last().copied());
    match (end, out) {
        _ if local.is_some_and(<[i64]>::is_empty) => {
            let message = format!("`local` of `{}` names no layer", cx.op.name());
            Err(args::does_not_fit(
                cx,
                LOCAL.name,
                &message,
                "name the width of one at least, or leave `local` out",
            ))
        }
        (Some(end), Some(out)) if end != out && cx.args.int_list(GLOBAL.name).is_none() => {
            let message =
                format!("messages of `{}` are {end} wide, and its result is to be {out} wide", cx.op.name());
            let help =
                format!("end `local` in {out}, or write `hidden = []` for a network behind the gathering");
            Err(args::does_not_fit(cx, LOCAL.name, &message, &help))
        }
        _ => Ok(()),
    }
}

fn hidden(args: &Args, name: &str) -> Option<Vec<Dim>> {
    let span = args.get(name).and_then(|arg| arg.span);
    let dim = |&n: &i64| Dim::new(Size::Known(n as usize), span, format!("the {n} comes from here"));
    args.int_list(name).map(|widths| widths.iter().map(dim).collect())
}

/// What stands beside each other, each as wide as it says; `None` for zeros.
pub type Parts<'b, 'd> = [(Option<V<'b>>, &'d Dim)];

/// A perceptron with its weights.
pub struct Perceptron<'b>(Vec<[V<'b>; 2]>);

impl<'b> Perceptron<'b> {
    /// # Panics
    /// Where there are more layers than names.
    pub fn new(cx: &ProgramCx<'_, 'b>, widths: &[Dim], names: &[[&'static str; 2]]) -> Self {
        assert!(widths.len() <= names.len() + 1, "a name for each layer");
        let layers = widths.windows(2).zip(names);
        Self(layers.map(|(pair, &names)| cx.dense_weights(names, [&pair[0], &pair[1]])).collect())
    }

    /// What it makes of values beside each other, for each of which the first layer has rows of its own.
    pub fn of(&self, parts: &Parts<'b, '_>) -> V<'b> {
        let [w, bias] = self.0[0];
        let (mut start, mut sum): (Vec<Size>, Option<V<'b>>) = (Vec::new(), None);
        for (part, width) in parts {
            let rows = w.slice(0, Size::sum(start.clone()), width.size.clone());
            start.push(width.size.clone());
            let mapped = part.map(|part| part.linear(rows));
            sum = match (sum, mapped) {
                (Some(sum), Some(mapped)) => Some(sum + mapped),
                (sum, mapped) => sum.or(mapped),
            };
        }
        let first = sum.map_or_else(|| bias.in_space(Space::Rows), |sum| sum + bias);
        self.0[1..].iter().fold(first, |y, &[w, bias]| y.relu().linear(w) + bias)
    }
}

/// What several values are wide together.
pub fn together<'d>(widths: impl IntoIterator<Item = &'d Dim>) -> Dim {
    Dim::new(Size::sum(widths.into_iter().map(|width| width.size.clone())), None, "")
}

/// Widths of a perceptron with the hidden layers of an argument.
pub fn widths(args: &Args, name: &str, from: &Dim, to: &Dim) -> Option<Vec<Dim>> {
    let hidden = hidden(args, name)?;
    Some(std::iter::once(from.clone()).chain(hidden).chain([to.clone()]).collect())
}

/// Messages of a perceptron of what stands along the edges, gathered, and what the perceptron behind makes of them, where there is
/// one: the arguments [`LOCAL`], [`GLOBAL`] and [`AGGREGATE`]. `own` are the parts of a node as its own neighbour, where it is one.
pub fn gathered<'b>(
    cx: &ProgramCx<'_, 'b>,
    edges: Edges<'b>,
    parts: &Parts<'b, '_>,
    own: Option<&Parts<'b, '_>>,
) -> V<'b> {
    let (a, out) = (cx.args, &cx.output.width);
    let mut local = hidden(a, LOCAL.name).unwrap_or_else(|| vec![out.clone(), out.clone()]);
    local.insert(0, together(parts.iter().map(|(_, width)| *width)));
    let network = Perceptron::new(cx, &local, LOCAL_WEIGHTS);
    let message = network.of(parts);
    let of_own = own.map_or(message, |own| network.of(own));
    let gathered = Gathered { edges, has_own: own.is_some() };
    let y = match a.choice(AGGREGATE.name) {
        "sum" => gathered.sum(message, of_own),
        "mean" => gathered.mean(message, of_own),
        _ => gathered.largest(message, of_own),
    };
    let end = &local[local.len() - 1];
    match hidden(a, GLOBAL.name) {
        None => y,
        Some(hidden) => {
            let widths: Vec<Dim> = std::iter::once(end.clone()).chain(hidden).chain([out.clone()]).collect();
            Perceptron::new(cx, &widths, GLOBAL_WEIGHTS).of(&[(Some(y), end)])
        }
    }
}
