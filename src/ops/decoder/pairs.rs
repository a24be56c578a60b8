//! `pairs(combine)`: the rows of both ends as one, for layers that follow.

use crate::args::{ArgKind, ArgSpec, Args, Default, EdgeValue};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::{Dim, Size, Type};

/// The rows of both ends of a pair as one: their product number by number, sum, mean, maximum, absolute difference, or one beside the
/// other. An `mlp` behind it makes a score of it. With `edge`, on tasks on edges, what the edge carries stands behind it.
///
/// Paper: Grover and Leskovec 2016, "node2vec: Scalable Feature Learning for Networks", table 1. PyG: none.
///
/// # Shapes
/// - `h`: `[N, F]`, nodes of the input graph
/// - `edge`: `[E, F_e]`
/// - result: `[P, F]`, `[P, 2 F]` with `concat`: a row for each pair that the task asks about, wider by `F_e` with `edge`
///
/// # Errors
/// `levels::needs_nodes` on clusters, slots and graph vectors. On links without a direction `concat` depends on which end has the lower
/// number, which the check of symmetry refuses. `task::pairs_without_edges` where `edge` is given and the task is about links.
#[derive(Debug)]
pub struct Pairs;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "combine",
        kind: ArgKind::Choice(&["mul", "sum", "mean", "max", "difference", "concat"]),
        default: Default::Choice("mul"),
        positional: true,
        doc: "What becomes of both rows: the Hadamard product, the sum, the mean, the maximum, the absolute difference, or both beside each other.",
    },
    ArgSpec {
        name: "edge",
        kind: ArgKind::Edges(EdgeValue::Features),
        default: Default::Inferred("not used"),
        positional: false,
        doc: "Of tasks on edges, features of the edge that is asked about, which stand behind those of its ends; of an edge that \
              stands for its reverse too the mean of both.",
    },
];

impl Operator for Pairs {
    fn name(&self) -> &'static str {
        "pairs"
    }
    fn family(&self) -> Family {
        Family::Decoder
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Makes one row of those of both ends of a pair of nodes.",
            formula: "p_ij = h_i ⊙ h_j",
            paper: "Grover and Leskovec 2016, \"node2vec: Scalable Feature Learning for Networks\"",
            example: "task = link_prediction\nmodel = sage(32) -> relu -> sage(16) -> pairs -> mlp(hidden = [16])",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let is_concat = cx.args.choice("combine") == "concat";
        let mut width = cx.inputs[0].width.clone();
        if is_concat {
            let both = Size::product([Size::Known(2), width.size]);
            width = Dim::new(both, Some(cx.span), "both ends side by side");
        }
        if let Some(port) = cx.port("edge") {
            let with_edge = Size::sum([width.size, cx.inputs[port].width.size.clone()]);
            width = Dim::new(with_edge, Some(cx.span), "both ends, and the edge behind them");
        }
        if !is_concat {
            return super::pairs_of(cx, width, None);
        }
        let order = "`pairs(concat)` lays the end with the lower number first; `mul`, `sum`, `max` and `difference` do not";
        super::pairs_of(cx, width, Some(order))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, e) = (cx.x(), cx.edges());
        let (head, tail) = (e.source(x), e.target(x));
        let of_ends = match cx.args.choice("combine") {
            "sum" => head + tail,
            "mean" => (head + tail).scale(0.5),
            "max" => head.max(tail),
            "difference" => (head - tail).abs(),
            "concat" => cx.b.concat(&[head, tail]),
            _ => head * tail,
        };
        Some(Outcome::pairs(match cx.named("edge") {
            Some(edge) => cx.b.concat(&[of_ends, edge]),
            None => of_ends,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "",
            weights: &[],
            arguments: &[],
            note: "`z[edge_label_index[0]] * z[edge_label_index[1]]` in its examples; with `edge`, `torch.cat([…, edge_attr], -1)`.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Decoder
    }
}
