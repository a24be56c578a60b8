//! `supergat(out)`: attention that also looks at the product of both ends.

use super::gat::{CONCAT, DROPOUT, HEADS, SELF_LOOPS, SLOPE, attended_width, head_width};
use super::{BIAS, OUT, fixed, glorot, times};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::loss::ATTENTION;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::composite::Composite;
use crate::program::{Index, Space, V};
use crate::types::{Entity, Size, Type};

/// Attention as `gat`'s whose score also reads the product of both ends, which tells how likely an edge is: with `score = mixed`
/// `(a_src · h_j + a_dst · h_i) σ(h_i · h_j)`, with `score = scaled` `h_i · h_j / √F_out`, under a leaky relu and a softmax.
///
/// Trained by the loss `attention` too, scores tell edges from pairs without one (eqs. 6 to 8); without it in the loss of the file they
/// learn from the task alone, and `negatives` and `positives` do nothing.
///
/// Paper: Kim and Oh 2021, "How to Find Your Friendly Neighborhood: Graph Attention Design with Self-Supervision", eqs. 2 to 5.
/// PyG: `torch_geometric.nn.SuperGATConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters
/// - result: `[N, heads · F_out]`, head by head, or `[N, F_out]`, their mean, with `concat = false`
///
/// # Errors
/// Those of `gat`.
#[derive(Debug)]
pub struct SuperGat;

static ARGS: &[ArgSpec] = &[
    ArgSpec { doc: "Width of each head's result, `F_out`, as in PyG.", ..OUT },
    HEADS,
    CONCAT,
    ArgSpec {
        name: "score",
        kind: ArgKind::Choice(&["mixed", "scaled"]),
        default: Default::Choice("mixed"),
        positional: false,
        doc: "Of what attention is a softmax: the paper's MX, `gat`'s score times a gate, or its SD, scaled dot products.",
    },
    SLOPE,
    SELF_LOOPS,
    DROPOUT,
    BIAS,
    ArgSpec {
        name: "negatives",
        kind: ArgKind::Float(Range::closed(1e-9, 100.0)),
        default: Default::Float(0.5),
        positional: false,
        doc: "How many pairs without an edge the loss `attention` draws for each edge that it reads, PyG's `neg_sample_ratio`.",
    },
    ArgSpec {
        name: "positives",
        kind: ArgKind::Float(Range::closed(1e-3, 1.0)),
        default: Default::Float(1.0),
        positional: false,
        doc: "Share of the edges that the loss `attention` reads in a step of training, PyG's `edge_sample_ratio`.",
    },
    super::DIRECTION,
    super::AGAINST,
];

/// The loss [`ATTENTION`] of each graph. `scale` is that of a head's score.
fn attention_loss<'b>(cx: &ProgramCx<'_, 'b>, h: V<'b>, heads: usize, scale: f64) -> V<'b> {
    let (a, b) = (cx.args, cx.b);
    let has_own = a.bool("self_loops");
    let scale = if a.choice("score") == "mixed" { 1.0 } else { scale };
    let flat = h.flat();
    let mean = flat.scale(scale / heads as f64);
    let e = if has_own { cx.edges_without_loops() } else { cx.edges() };
    // Of edges that are read, a number that counts 1 in the mean.
    let positives = a.float("positives");
    let read = |v: V<'b>| v.dropout(1.0 - positives);
    let of_edges = (-e.target(mean).dot(e.source(flat))).softplus();
    let one = b.constant(1.0);
    let which = read(one.in_space(Space::Edges));
    let mut sum = e.sum(of_edges * which);
    let mut count = e.sum(which);
    if has_own {
        let own = (-mean.dot(flat)).softplus();
        let which = read(one.in_space(Space::Rows));
        (sum, count) = (sum + own * which, count + which);
    }
    // A dropout of the others made each of them count more.
    let of_graphs = |rows: V<'b>| rows.sum(Index::Graph).scale(positives);
    let draw = Composite::UnlinkedSoftplus {
        per_edge: a.float("negatives") * positives,
        own_loops: has_own,
        place: 0,
    };
    let others = b.call(draw, &[mean, flat]);
    let part = |start: usize| others.slice(0, Size::Known(start), Size::Known(1)).view(&[]);
    (of_graphs(sum) + part(0)) / (of_graphs(count) + part(1)).at_least(1.0)
}

impl Operator for SuperGat {
    fn name(&self) -> &'static str {
        "supergat"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Graph attention whose scores also tell how likely an edge is, by the product of both ends.",
            formula: "h_i = ‖_k Σ_{j ∈ N(i) ∪ {i}} α_ij^k h_j^k + b,  α_ij = softmax_j LeakyReLU((a_src · h_j + a_dst · h_i) σ(h_i · h_j))",
            paper: "Kim and Oh 2021, \"How to Find Your Friendly Neighborhood: Graph Attention Design with Self-Supervision\"",
            example: "supergat(16, heads = 4) -> elu -> supergat(16, heads = 4, score = scaled) -> elu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        attended_width(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let heads = a.int("heads") as usize;
        let (n_in, n_out, head) = (&cx.inputs[0].width, &cx.output.width, head_width(a, &cx.output.width));
        let inner = times(heads, &head);
        let h = x
            .linear(b.weight("weight", &[n_in.clone(), inner.clone()], glorot(n_in, &inner)))
            .heads(heads, &head.size);
        let attention = Init::Glorot { fan_in: heads, fan_out: facts::known(&head) };
        let ends = (a.choice("score") == "mixed").then(|| {
            let of = |name| h.dot(b.weight(name, &[fixed(heads), head.clone()], attention));
            [of("attention_source"), of("attention_target")]
        });
        // As wide as it will be: a program of symbolic widths is read and not run.
        let scale = head.known().map_or(1.0, |width| 1.0 / (width as f64).sqrt());
        let act = |product: V<'b>, ends: Option<V<'b>>| {
            let score = ends.map_or_else(|| product.scale(scale), |ends| ends * product.sigmoid());
            score.leaky_relu(a.float("negative_slope"))
        };
        let p = a.float("dropout");
        let y = if a.bool("self_loops") {
            let e = cx.edges_without_loops();
            let of_edges = ends.map(|[source, target]| e.source(source) + e.target(target));
            let own = ends.map(|[source, target]| source + target);
            let score = act(e.target(h).dot(e.source(h)), of_edges);
            let (shares, own) = e.softmax_beside(score, act(h.dot(h), own));
            e.sum_of_shares(e.source(h) * shares.dropout(p).column()) + h * own.dropout(p).column()
        } else {
            let e = cx.edges();
            let of_edges = ends.map(|[source, target]| e.source(source) + e.target(target));
            let shares = e.softmax(act(e.target(h).dot(e.source(h)), of_edges));
            e.sum_of_shares(e.source(h) * shares.dropout(p).column())
        };
        let y = if a.bool("concat") { y.flat() } else { y.fold_mean(0) };
        let y = match a.bool("bias") {
            true => y + b.weight("bias", std::slice::from_ref(n_out), Init::Zeros),
            false => y,
        };
        let losses = match cx.inputs[0].entity {
            Entity::Nodes => vec![(ATTENTION, attention_loss(cx, h, heads, scale))],
            // All clusters are linked, more or less.
            _ => Vec::new(),
        };
        Some(Outcome { losses, ..Outcome::rows(y) })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[ATTENTION]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SuperGATConv",
            weights: &[
                ("lin.weight", "weight", WeightMap::Transposed),
                ("att_l", "attention_source", WeightMap::Reshaped),
                ("att_r", "attention_target", WeightMap::Reshaped),
                ("bias", "bias", WeightMap::Same),
            ],
            arguments: &[
                ("attention_type", "score"),
                ("neg_sample_ratio", "negatives"),
                ("edge_sample_ratio", "positives"),
            ],
            note: "PyG's `MX` is `mixed`, its `SD` `scaled`.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let own = if args.bool("self_loops") { Own::SelfLoop } else { Own::Absent };
        Action::Messages { gather: Gather::Attention, own, is_linear: false }
    }
}
