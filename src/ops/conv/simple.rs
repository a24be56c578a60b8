//! `simple()`: neighbours gathered, without weights.

use super::gathered::Gathered;
use super::{AGGREGATE, WEIGHT, convolved, refuse_of_clusters, times};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Own, Pyg, WidthRule};
use crate::types::Type;

/// Neighbours gathered as they are: `h_i = aggregate_{j ∈ N(i)} w_ij x_j`, with the node itself not at all, added, beside it, or as
/// one more neighbour. Nothing is learned.
///
/// PyG: `torch_geometric.nn.SimpleConv`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F]`, `[N, 2 F]` with `root = concat`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `args::does_not_fit` for `max` and `min` on clusters.
#[derive(Debug)]
pub struct Simple;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        kind: ArgKind::Choice(&["sum", "mean", "max", "min"]),
        doc: "How the neighbours are gathered; `max` and `min` work on nodes only.",
        ..AGGREGATE
    },
    ArgSpec {
        name: "root",
        kind: ArgKind::Choice(&["none", "sum", "concat", "self_loop"]),
        default: Default::Choice("none"),
        positional: false,
        doc: "How the node itself takes part: not at all, added to what was gathered, in front of it, or as one more neighbour.",
    },
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Simple {
    fn name(&self) -> &'static str {
        "simple"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Gathers the neighbours as they are; nothing is learned.",
            formula: "h_i = aggregate_{j ∈ N(i)} w_ij x_j",
            paper: "",
            example: "linear(32) -> relu -> simple(aggregate = mean, root = self_loop) -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::has_edges(cx)?;
        refuse_of_clusters(cx, &["max", "min"])?;
        let n_parts = if cx.args.choice("root") == "concat" { 2 } else { 1 };
        convolved(cx, times(n_parts, &cx.inputs[0].width))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let message = e.source(x);
        let message = cx.named("weight").map_or(message, |weight| message.mul_rows(weight.view(&[])));
        let gathered = Gathered { edges: e, has_own: a.choice("root") == "self_loop" };
        let y = match a.choice("aggregate") {
            "mean" => gathered.mean(message, x),
            "max" => gathered.largest(message, x),
            "min" => gathered.smallest(message, x),
            _ => gathered.sum(message, x),
        };
        Some(Outcome::rows(match a.choice("root") {
            "sum" => y + x,
            "concat" => b.concat(&[x, y]),
            _ => y,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SimpleConv",
            weights: &[],
            arguments: &[("combine_root", "root")],
            note: "PyG's `cat` is `concat` here.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let gather = match args.choice("aggregate") {
            "mean" => Gather::Mean,
            "max" | "min" => Gather::Max,
            _ => Gather::Sum,
        };
        let own = match args.choice("root") {
            "none" => Own::Absent,
            "self_loop" => Own::SelfLoop,
            _ => Own::Root,
        };
        Action::Messages { gather, own, is_linear: gather != Gather::Max }
    }
}
