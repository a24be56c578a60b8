//! `agnn()`: attention by the cosine of the features.

use super::{convolved, fixed, unit_rows};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};

use crate::types::Type;

/// Attention by likeness: `h_i = Σ_{j ∈ N(i) ∪ {i}} α_ij x_j`, `α_ij` the softmax over `j` of `β cos(x_i, x_j)`.
///
/// Paper: Thekumparampil et al. 2018, "Attention-based Graph Neural Network for Semi-supervised Learning", eq. 6.
/// PyG: `torch_geometric.nn.AGNNConv`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes or clusters
/// - result: `[N, F]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors.
#[derive(Debug)]
pub struct Agnn;

static ARGS: &[ArgSpec] = &[
    ArgSpec::flag("train_beta", true, "Whether `β` is learned, beginning with 1; otherwise it stays 1."),
    ArgSpec::flag("self_loops", true, "Whether each node also attends to itself."),
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Agnn {
    fn name(&self) -> &'static str {
        "agnn"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Attention by the cosine of the features of node and neighbour, with one learned number.",
            formula: "h_i = Σ_{j ∈ N(i) ∪ {i}} α_ij x_j,  α_ij = softmax_j β cos(x_i, x_j)",
            paper: "Thekumparampil et al. 2018, \"Attention-based Graph Neural Network for Semi-supervised Learning\"",
            example: "linear(64) -> relu -> agnn -> agnn -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        convolved(cx, cx.inputs[0].width.clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let unit = unit_rows(x);
        let scaled = match a.bool("train_beta") {
            true => unit * b.weight("beta", &[fixed(1)], Init::Ones),
            false => unit,
        };
        let all = cx.edges();
        if !a.bool("self_loops") {
            let shares = all.softmax(all.target(scaled).dot(all.source(unit)));
            return Some(Outcome::rows(all.sum_of_shares(all.source(x).mul_rows(shares))));
        }
        let e = if all.weight().is_some() { all.without_loops() } else { cx.edges_without_loops() };
        let score = e.target(scaled).dot(e.source(unit));
        let (shares, own) = e.softmax_beside(score, scaled.dot(unit));
        Some(Outcome::rows(e.sum_of_shares(e.source(x).mul_rows(shares)) + x.mul_rows(own)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.AGNNConv",
            weights: &[("beta", "beta", WeightMap::Same)],
            arguments: &[("requires_grad", "train_beta")],
            note: "",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let own = if args.bool("self_loops") { Own::SelfLoop } else { Own::Absent };
        Action::Messages { gather: Gather::Attention, own, is_linear: false }
    }
}
