//! Convolutions: every node or cluster gathers from its neighbours. On nodes they run on the sparse
//! graph, on clusters with the coarse adjacency of the pooling, as PyG's `Dense…Conv`.

pub mod agnn;
pub mod antisymmetric;
pub mod appnp;
pub mod arma;
pub mod cg;
pub mod cheb;
pub mod cluster_gcn;
pub mod dna;
pub mod dynamic_edge;
pub mod edge_conv;
pub mod eg;
pub mod fa;
pub mod feast;
pub mod film;
pub mod gat;
pub mod gated_graph;
pub mod gathered;
pub mod gatv2;
pub mod gcn;
pub mod gcn2;
pub mod gcn_norm;
pub mod gen_conv;
pub mod general;
pub mod gin;
pub mod gine;
pub mod gmm;
pub mod gnn_mlp;
pub mod gps;
pub mod graph_conv;
pub mod gravnet;
pub mod han;
pub mod hgt;
pub mod hypergraph;
pub mod le;
pub mod lg;
pub mod mf;
pub mod mixhop;
pub mod mpnn;
pub mod nn_conv;
pub mod pan;
pub mod pdn;
pub mod plain;
pub mod pna;
pub mod point;
pub mod point_gnn;
pub mod point_transformer;
pub mod position;
pub mod ppf;
pub mod res_gated;
pub mod rgat;
pub mod rgcn;
pub mod rgdcn;
pub mod rgin;
pub mod sage;
pub mod sg;
pub mod signed;
pub mod simple;
pub mod spline;
pub mod ssg;
pub mod supergat;
pub mod tag;
pub mod transformer;
pub mod wl_continuous;
pub mod x_conv;

use crate::args::{ArgKind, ArgSpec, Args, Default, EdgeValue, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::aggregate::Aggregate;
use crate::ops::findings;
use crate::ops::program::{self, ProgramCx};
use crate::ops::{Gather, InferCx, Init, facts};
use crate::program::{Edges, V};
use crate::types::{Dim, Entity, Size, Type};

/// The largest width that can be written.
pub const MAX_WIDTH: i64 = 65_536;

/// The argument that every convolution begins with.
pub const OUT: ArgSpec = ArgSpec {
    name: "out",
    kind: ArgKind::Int { min: 1, max: MAX_WIDTH },
    default: Default::Inferred("from the task, or from the clusters of the pooling that it assigns nodes to"),
    positional: true,
    doc: "Width of the result, `F_out`.",
};

/// A number for each edge.
pub const WEIGHT: ArgSpec = ArgSpec {
    name: "weight",
    kind: ArgKind::Edges(EdgeValue::Weight),
    default: Default::Inferred("every edge counts 1"),
    positional: false,
    doc: "What each edge counts, `w_ij`.",
};

/// The features that the first of several layers got.
pub const INITIAL: ArgSpec = ArgSpec {
    name: "initial",
    kind: ArgKind::Pipeline { port: 1 },
    default: Default::Required,
    positional: false,
    doc: "The features that the first of these layers got, `x_0`: the name of a stage, given with `as`.",
};

/// # Errors
/// `levels::mixed_levels` and `shape::widths_differ` where the value of a pipeline argument does not lie beside the input.
pub fn is_like_input(cx: &InferCx, name: &str) -> std::result::Result<(), Diagnostic> {
    let Some(port) = cx.port(name) else { return Ok(()) };
    let (x, other) = (cx.inputs[0], cx.inputs[port]);
    if (x.entity, x.level) != (other.entity, other.level) {
        return Err(findings::levels::mixed_levels(cx, port));
    }
    if findings::shape::differ(&x.width.size, &other.width.size) {
        return Err(findings::shape::widths_differ(cx, port));
    }
    Ok(())
}

/// Which way messages go.
pub const DIRECTION: ArgSpec = ArgSpec {
    name: program::DIRECTION,
    kind: ArgKind::Choice(&["along", "against", "both"]),
    default: Default::Choice("along"),
    positional: false,
    doc: "Which way messages go: along the edges, against them, or both ways, each with weights of its own, the two added.",
};

/// How much the messages against the edges count.
pub const AGAINST: ArgSpec = ArgSpec {
    name: program::AGAINST,
    kind: ArgKind::Float(Range::closed(0.0, 1.0)),
    default: Default::Inferred("0.5: both ways count alike"),
    positional: false,
    doc: "The share of what was gathered against the edges, α, with `direction = both`; what came along them has the rest.",
};

/// Whether messages go along the edges or against them, and not both ways.
fn is_one_way(args: &Args) -> bool {
    program::direction(args) != "both"
}

/// What [`DIRECTION`] asks for has to be there.
///
/// # Errors
/// `args::no_effect` for `against` where one way is gone, `args::does_not_fit` for another direction of what reads kinds of
/// edges or an order.
fn direction_fits(cx: &InferCx) -> std::result::Result<(), Diagnostic> {
    let (name, direction) = (cx.op.name(), program::direction(cx.args));
    if cx.args.is_written(program::AGAINST) && direction != "both" {
        return Err(findings::args::no_effect(cx, program::AGAINST, "messages go one way"));
    }
    if direction == "along" {
        return Ok(());
    }
    let aggregate = cx.args.get("aggregate").map(|_| cx.args.choice("aggregate"));
    let why = if cx.args.port("relation").is_some() {
        "kinds of edges are told apart among those that lead to a node"
    } else if matches!(aggregate, Some("lstm" | "gru")) {
        "neighbours are read in the order of the edges that lead to a node"
    } else {
        return Ok(());
    };
    let message = format!("`{name}` cannot take messages `{direction}` here: {why}");
    let help = "leave `direction` out, or turn the edges round in the data";
    Err(findings::args::does_not_fit(cx, program::DIRECTION, &message, help))
}

/// Features of the edges, where an operator works without them too.
pub const EDGE: ArgSpec = ArgSpec {
    name: "edge",
    kind: ArgKind::Edges(EdgeValue::Features),
    default: Default::Inferred("not used"),
    positional: false,
    doc: "Features of the edges, `e_ij`.",
};

/// How messages become one, where a sum, a mean and a maximum are all there is.
pub const AGGREGATE: ArgSpec = ArgSpec {
    name: "aggregate",
    kind: ArgKind::Choice(&["sum", "mean", "max"]),
    default: Default::Choice("sum"),
    positional: false,
    doc: "How the messages of a node are gathered; `max` works on nodes only.",
};

/// How messages become one, in any way there is.
pub const ANY_AGGREGATE: ArgSpec = ArgSpec {
    kind: ArgKind::Choice(Aggregate::NAMES),
    doc: "How the messages of a node are gathered; `max`, `min`, `mul` and `median` work on nodes only.",
    ..AGGREGATE
};

/// What [`AGGREGATE`] or [`ANY_AGGREGATE`] says.
pub fn aggregate_of(args: &Args) -> Aggregate {
    Aggregate::find(args.choice("aggregate")).unwrap_or(Aggregate::Sum)
}

/// The messages of each node, gathered as [`aggregate_of`] says.
pub fn aggregated<'b>(args: &Args, e: Edges<'b>, message: V<'b>) -> V<'b> {
    aggregate_of(args).of(&e, message)
}

/// What [`aggregate_of`] tells.
pub fn gather_of(args: &Args) -> Gather {
    aggregate_of(args).gather()
}

pub const BIAS: ArgSpec = ArgSpec::flag("bias", true, "Whether a learned vector is added to the result.");

/// The type of a convolution's result: the rows of its input with a new width.
///
/// # Errors
/// `levels::needs_edges` where the input has no edges.
pub fn convolved(cx: &InferCx, width: Dim) -> std::result::Result<Type, Diagnostic> {
    has_edges(cx)?;
    Ok(Type { width, symmetry: findings::symmetry::kept(cx), ..cx.inputs[0].clone() })
}

/// # Errors
/// `levels::needs_edges` where the input has no edges.
pub fn has_edges(cx: &InferCx) -> std::result::Result<(), Diagnostic> {
    match cx.inputs[0].entity {
        Entity::Nodes | Entity::Clusters => direction_fits(cx),
        Entity::Edges | Entity::EdgeKinds | Entity::Pairs | Entity::Slots | Entity::Graph => {
            Err(findings::levels::needs_edges(cx))
        }
    }
}

/// Glorot initialisation of an `[in, out]` matrix.
pub fn glorot(fan_in: &Dim, fan_out: &Dim) -> Init {
    Init::Glorot { fan_in: facts::known(fan_in), fan_out: facts::known(fan_out) }
}

/// `n` times a size.
pub fn times(n: usize, dim: &Dim) -> Dim {
    match n {
        1 => dim.clone(),
        _ => Dim { size: Size::product([Size::Known(n), dim.size.clone()]), origin: dim.origin.clone() },
    }
}

/// `[p_0 ∥ p_1 ∥ …] W`, initialised as `torch.nn.Linear`, without putting the parts beside each other: what is gathered of a
/// node is mapped before it is gathered.
pub fn map_of<'b>(cx: &ProgramCx<'_, 'b>, parts: &[(V<'b>, &Dim)], weight: &'static str, to: &Dim) -> V<'b> {
    let from = joined(parts);
    let init = Init::KaimingUniform { fan_in: facts::known(&from) };
    let w = cx.b.weight(weight, &[from, to.clone()], init);
    let mut start = Vec::new();
    let mapped = parts.iter().map(|(part, width)| {
        let rows = w.slice(0, Size::sum(start.clone()), width.size.clone());
        start.push(width.size.clone());
        part.linear(rows)
    });
    mapped.reduce(|sum, part| sum + part).expect("at least one part")
}

/// [`map_of`] `+ b`.
pub fn linear_of<'b>(
    cx: &ProgramCx<'_, 'b>,
    parts: &[(V<'b>, &Dim)],
    [weight, bias]: [&'static str; 2],
    to: &Dim,
) -> V<'b> {
    let init = Init::KaimingUniform { fan_in: facts::known(&joined(parts)) };
    map_of(cx, parts, weight, to) + cx.b.weight(bias, std::slice::from_ref(to), init)
}

fn joined(parts: &[(V, &Dim)]) -> Dim {
    match parts {
        [(_, only)] => (*only).clone(),
        _ => Dim::new(Size::sum(parts.iter().map(|(_, width)| width.size.clone())), None, ""),
    }
}

/// Every pair of clusters is linked, more or less, so a maximum or an order of neighbours carries no information.
///
/// # Errors
/// `args::does_not_fit` where the argument `aggregate` is one of `words` on clusters.
pub fn refuse_of_clusters(cx: &InferCx, words: &[&str]) -> std::result::Result<(), Diagnostic> {
    match cx.args.words("aggregate").iter().find(|word| words.contains(word)) {
        Some(word) if cx.inputs[0].entity == Entity::Clusters => Err(not_of_clusters(cx, word)),
        _ => Ok(()),
    }
}

/// [`refuse_of_clusters`] of every word that means nothing where edges count by weights.
///
/// # Errors
/// As there.
pub fn fits_clusters(cx: &InferCx) -> std::result::Result<(), Diagnostic> {
    let counts = |word: &&&str| Aggregate::find(word).is_some_and(Aggregate::counts_by_weight);
    match cx.args.words("aggregate").iter().find(|word| !counts(word)) {
        Some(word) if cx.inputs[0].entity == Entity::Clusters => Err(not_of_clusters(cx, word)),
        _ => Ok(()),
    }
}

fn not_of_clusters(cx: &InferCx, word: &str) -> Diagnostic {
    let finding = findings::args::does_not_fit(
        cx,
        "aggregate",
        &format!("`{}(aggregate = {word})` works on nodes, but gets {}", cx.op.name(), cx.inputs[0]),
        "clusters are linked by weights: write `aggregate = mean` or `aggregate = sum`",
    );
    finding.guess(findings::args::place(cx, "aggregate"), "aggregate = mean")
}

/// One of `n` equal parts of a size.
pub fn part(dim: &Dim, n: usize) -> Dim {
    let size = match dim.known() {
        _ if n == 1 => return dim.clone(),
        Some(whole) => Size::Known(whole / n),
        None => Size::ratio(1.0 / n as f64, dim.size.clone()),
    };
    Dim { size, origin: dim.origin.clone() }
}

/// A size that stands in this program only.
pub fn fixed(n: usize) -> Dim {
    Dim::new(Size::Known(n), None, "")
}

/// Each row divided by its Euclidean length, as `torch.nn.functional.normalize`: lengths below 1e-12 count as 1e-12.
pub fn unit_rows(x: V) -> V {
    // The floor lies under the root, because the root's slope at 0 is infinite and a row of zeros is common.
    let length = x.square().fold_sum(0).at_least(1e-24).sqrt();
    x.div_rows(length)
}
