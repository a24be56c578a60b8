//! `gat(out)`: graph attention.

use super::{BIAS, EDGE, OUT, convolved, fixed, glorot, times};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::composite::Attention;
use crate::program::{Edges, V};
use crate::types::{Dim, Size, Type};

/// Graph attention: `h_i = ‖_k Σ_{j ∈ N(i) ∪ {i}} α_ij^k Θ_kᵀ x_j + b`, where `α_ij^k` is the softmax over the
/// neighbours `j` of `i` of `LeakyReLU(a_src^k · Θ_kᵀ x_j + a_dst^k · Θ_kᵀ x_i + a_edge^k · Θ_e,kᵀ e_ij)`. A node's loop has
/// the mean features of the edges that lead to it.
///
/// Paper: Veličković et al. 2018, "Graph Attention Networks", eqs. 1 to 6.
/// PyG: `torch_geometric.nn.GATConv`; on clusters `torch_geometric.nn.DenseGATConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `edge`: `[E, F_e]`
/// - result: `[N, heads · F_out]`, head by head, or `[N, F_out]`, their mean, with `concat = false`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred,
/// `args::does_not_fit` where an inferred width cannot be shared by the heads, `args::no_effect` for
/// `concat` with one head.
#[derive(Debug)]
pub struct Gat;

/// Shared by the attention of both versions.
pub const HEADS: ArgSpec = ArgSpec {
    name: "heads",
    kind: ArgKind::Int { min: 1, max: 256 },
    default: Default::Int(1),
    positional: false,
    doc: "Number of attention heads, `K`.",
};

/// Shared by the attention of both versions.
pub const CONCAT: ArgSpec = ArgSpec::flag(
    "concat",
    true,
    "Whether the results of the heads are concatenated; otherwise their mean is taken.",
);

/// Shared by the attention of both versions.
pub const SLOPE: ArgSpec = ArgSpec {
    name: "negative_slope",
    kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
    default: Default::Float(0.2),
    positional: false,
    doc: "Slope of the attention's leaky relu below 0.",
};

/// Shared by the attention of both versions.
pub const SELF_LOOPS: ArgSpec =
    ArgSpec::flag("self_loops", true, "Whether each node also attends to itself.");

/// Shared by the attention of both versions.
pub const DROPOUT: ArgSpec = ArgSpec {
    name: "dropout",
    kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
    default: Default::Float(0.0),
    positional: false,
    doc: "Probability with which a weight `α_ij` is dropped in training, for each edge and head.",
};

static ARGS: &[ArgSpec] = &[
    ArgSpec { doc: "Width of each head's result, `F_out`, as in PyG.", ..OUT },
    HEADS,
    CONCAT,
    SLOPE,
    SELF_LOOPS,
    DROPOUT,
    BIAS,
    EDGE,
    ArgSpec::flag("residual", false, "Whether a linear map of the node's own features is added."),
    FILL,
    FILL_VALUE,
    super::DIRECTION,
    super::AGAINST,
];

/// Shared by the attention of both versions.
pub const FILL: ArgSpec = ArgSpec {
    name: "fill",
    kind: ArgKind::Choice(&["mean", "max", "min", "sum"]),
    default: Default::Choice("mean"),
    positional: false,
    doc: "What the loop of a node has of the features of the edges that lead to it.",
};

/// Shared by the attention of both versions.
pub const FILL_VALUE: ArgSpec = ArgSpec {
    name: "fill_value",
    kind: ArgKind::Float(Range::closed(-1e6, 1e6)),
    default: Default::Inferred("loops have what `fill` says"),
    positional: false,
    doc: "The number that all features of loops are.",
};

/// The features of the loop of each node.
pub fn of_loops<'b>(cx: &ProgramCx<'_, 'b>, e: Edges<'b>, (edge, width): (V<'b>, &Dim)) -> V<'b> {
    if let Some(value) = cx.args.opt_float("fill_value") {
        return cx.b.constant(value).expand(std::slice::from_ref(&width.size));
    }
    match cx.args.choice("fill") {
        "max" => e.largest(edge),
        "min" => e.smallest(edge),
        "sum" => e.sum(edge),
        _ => e.mean(edge),
    }
}

/// # Errors
/// `args::no_effect` for what loops have where no loop has anything, `args::conflict` where it is said twice.
pub fn loops_have_features(cx: &InferCx) -> std::result::Result<(), Diagnostic> {
    let written = ["fill", "fill_value"].into_iter().find(|name| cx.args.is_written(name));
    let Some(name) = written else { return Ok(()) };
    if cx.args.is_written("fill") && cx.args.is_written("fill_value") {
        return Err(findings::args::conflict(cx, "fill", "fill_value"));
    }
    if !cx.args.bool("self_loops") {
        return Err(findings::args::no_effect(cx, name, "no loop is added"));
    }
    if cx.port("edge").is_none() {
        return Err(findings::args::no_effect(cx, name, "edges have no features without `edge`"));
    }
    Ok(())
}

/// The width of one head, given the width of the whole result.
pub fn head_width(args: &Args, output: &Dim) -> Dim {
    let heads = args.int("heads") as usize;
    if args.bool("concat") { super::part(output, heads) } else { output.clone() }
}

/// The type of the result of several heads.
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred,
/// `args::does_not_fit` where an inferred width cannot be shared by the heads, `args::no_effect` for `concat` with one
/// head.
pub fn attended_width(cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
    attended_width_by(cx, 1)
}

/// [`attended_width`] of heads that make `n_results` results each, `F_out` wide.
///
/// # Errors
/// Those of [`attended_width`].
pub fn attended_width_by(cx: &InferCx, n_results: usize) -> std::result::Result<Type, Diagnostic> {
    super::has_edges(cx)?;
    let heads = cx.args.int("heads") as usize;
    let is_concat = cx.args.bool("concat");
    if heads == 1 && cx.args.is_written("concat") {
        return Err(findings::args::no_effect(cx, "concat", "there is one head"));
    }
    let width = findings::shape::output_width(cx, "out")?;
    let n_parts = n_results * if is_concat { heads } else { 1 };
    if cx.args.opt_int("out").is_some() {
        let mut whole = times(n_parts, &width);
        if n_parts > 1 {
            let out = findings::shape::counted(&width.size, "feature");
            let what = if is_concat { "heads" } else { "results" };
            whole.origin.reason = format!("{n_parts} {what} of {out} come from here").into();
        }
        return convolved(cx, whole);
    }
    if let Some(n) = width.known()
        && n % n_parts != 0
    {
        let finding = findings::args::does_not_fit(
            cx,
            "heads",
            &format!("the result of `{}` is {n} wide, which {heads} heads cannot share evenly", cx.op.name()),
            "write `concat = false`, which takes the mean of the heads, or another number of heads",
        );
        return Err(match cx.args.get("concat").and_then(|arg| arg.span) {
            Some(place) => finding.guess(place, "concat = false"),
            None => findings::args::with_argument(cx, finding, "concat = false"),
        });
    }
    convolved(cx, width)
}

impl Operator for Gat {
    fn name(&self) -> &'static str {
        "gat"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Graph attention: each node weighs its neighbours by a learned score, in several heads.",
            formula: "h_i = ‖_k Σ_{j ∈ N(i) ∪ {i}} α_ij^k Θ_kᵀ x_j + b,  \
                      α_ij^k = softmax_j LeakyReLU(a_src^k · Θ_kᵀ x_j + a_dst^k · Θ_kᵀ x_i + a_edge^k · Θ_e,kᵀ e_ij)",
            paper: "Veličković et al. 2018, \"Graph Attention Networks\"",
            example: "gat(16, heads = 4) -> elu -> gat(16, heads = 4) -> elu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        loops_have_features(cx)?;
        attended_width(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let heads = a.int("heads") as usize;
        let head = head_width(a, &cx.output.width);
        let (n_in, inner) = (&cx.inputs[0].width, times(heads, &head));
        let w = b.weight("weight", &[n_in.clone(), inner.clone()], glorot(n_in, &inner));
        let attention = Init::Glorot { fan_in: heads, fan_out: facts::known(&head) };
        let attention = |name| b.weight(name, &[fixed(heads), head.clone()], attention);
        let (from, to) = (attention("attention_source"), attention("attention_target"));
        let bias =
            a.bool("bias").then(|| b.weight("bias", std::slice::from_ref(&cx.output.width), Init::Zeros));
        let residual = a.bool("residual").then(|| {
            let width = &cx.output.width;
            x.linear(b.weight("residual", &[n_in.clone(), width.clone()], glorot(n_in, width)))
        });
        let (slope, self_loops, p) = (a.float("negative_slope"), a.bool("self_loops"), a.float("dropout"));
        let finished = |y: V<'b>| {
            let y = if a.bool("concat") { y.flat() } else { y.fold_mean(0) };
            let y = residual.map_or(y, |residual| y + residual);
            Some(Outcome::rows(bias.map_or(y, |bias| y + bias)))
        };
        let edge = cx.named_with_width("edge");
        // Between clusters, where everything is linked, the pattern of the adjacency is read once for all heads.
        if edge.is_none() && cx.edges().weight().is_some() {
            let options = Attention { heads, slope, self_loops, dropout: p };
            let y = cx.edges().attend(cx.affine(x, w, None), [from, to], options);
            // With all heads side by side the result is there as it is.
            let is_whole = a.bool("concat") && residual.is_none();
            return match (is_whole, bias) {
                (true, None) => Some(Outcome::rows(y)),
                (true, Some(bias)) => Some(Outcome::rows(y + bias)),
                (false, _) => finished(y.heads(heads, &head.size)),
            };
        }
        // Of an edge only its score is needed, so both linear maps become one: `[F_e, heads]`.
        let edge = edge.map(|(edge, n_edge)| {
            let given = (edge, n_edge);
            let w = b.weight("edge_weight", &[n_edge.clone(), inner.clone()], glorot(n_edge, &inner));
            let w = w.view(&[n_edge.size.clone(), Size::Known(heads), head.size.clone()]);
            (given, w.dot(attention("attention_edge")))
        });
        let h = x.linear(w).heads(heads, &head.size);
        let act = |score: V<'b>| score.leaky_relu(slope);
        let (of_source, of_target) = (h.dot(from), h.dot(to));
        let scored = |e: Edges<'b>| {
            let pair = e.source(of_source) + e.target(of_target);
            edge.map_or(pair, |((edge, _), w)| pair + edge.linear(w))
        };
        let y = if self_loops {
            let e = cx.edges_without_loops();
            let own = of_source + of_target;
            let own = edge.map_or(own, |(edge, w)| own + of_loops(cx, e, edge).linear(w));
            let (shares, own) = e.softmax_beside(act(scored(e)), act(own));
            e.sum(e.source(h) * shares.dropout(p).column()) + h * own.dropout(p).column()
        } else {
            let e = cx.edges();
            e.sum(e.source(h) * e.softmax(act(scored(e))).dropout(p).column())
        };
        finished(y)
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GATConv",
            weights: &[
                ("lin.weight", "weight", WeightMap::Transposed),
                ("att_src", "attention_source", WeightMap::Reshaped),
                ("att_dst", "attention_target", WeightMap::Reshaped),
                ("lin_edge.weight", "edge_weight", WeightMap::Transposed),
                ("att_edge", "attention_edge", WeightMap::Reshaped),
                ("res.weight", "residual", WeightMap::Transposed),
                ("bias", "bias", WeightMap::Same),
            ],
            arguments: &[],
            note: "On clusters `torch_geometric.nn.DenseGATConv`, with the same weights. PyG's `fill_value` is a word, \
                   `fill` here, or a number.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let own = if args.bool("self_loops") { Own::SelfLoop } else { Own::Absent };
        Action::Messages { gather: Gather::Attention, own, is_linear: false }
    }
}

#[cfg(test)]
mod tests {
    use crate::lower::ForwardCx;
    use crate::ops::testing::{
        assert_close, codes, forward, nodes, outcome, run, transformed, types, weight,
    };

    #[test]
    fn an_isolated_node_attends_to_itself() {
        let data = nodes(3, &[(0, 1)]);
        let (rows, network) = run("model = gat(heads = 2)", &data);
        let own = transformed(&data, 2, &weight(&network, "1.gat.weight"), &[0.0, 0.0]);
        assert_close(&rows[2], &own);
    }

    #[test]
    fn attention_is_dropped_in_training_only() {
        let data = nodes(6, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0), (0, 3)]);
        let [dropping, keeping] = [", dropout = 0.5", ""].map(|dropout| {
            let (rows, network) = run(&format!("model = gat(4, heads = 2{dropout}) -> gat"), &data);
            (rows, forward(&network, &data, ForwardCx::training(7, &[])))
        });
        assert_eq!(dropping.0, keeping.0);
        assert_eq!(keeping.1, keeping.0);
        assert_ne!(dropping.1, keeping.1);
    }

    #[test]
    fn the_mean_of_heads_is_as_wide_as_one() {
        let text = |concat| format!("gat(8, heads = 4{concat}) -> mean -> linear");
        assert_eq!(types(&text(""), None)[1], "nodes[N, 32]");
        assert_eq!(types(&text(", concat = false"), None)[1], "nodes[N, 8]");
        let (rows, _) = run("model = gat(heads = 3, concat = false)", &nodes(3, &[(0, 1)]));
        assert_eq!(rows[0].len(), 2);
    }

    #[test]
    fn heads_that_cannot_share_the_width_are_refused() {
        let outcome = outcome("model = gat(heads = 3)", Some(&nodes(3, &[(0, 1)]).facts()));
        assert_eq!(outcome.diagnostics[0].code, "args::does_not_fit");
        assert_eq!(codes("gat(8, concat = false) -> mean -> linear"), ["args::no_effect"]);
    }
}
