//! `le(out)`: local extrema: what a node has more or less than its neighbours.

use super::{BIAS, OUT, WEIGHT, convolved};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Own, Pyg, WeightMap, WidthRule};

use crate::types::Type;

/// Local extremum layer: `h_i = Θ_1ᵀ x_i + b_1 + Σ_{j ∈ N(i)} w_ij (Θ_2ᵀ x_j + b_2 − Θ_3ᵀ x_i)`.
///
/// Paper: Ranjan et al. 2020, "ASAP: Adaptive Structure Aware Pooling for Learning Hierarchical Graph Representations",
/// eq. 12.
/// PyG: `torch_geometric.nn.LEConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Le;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec { doc: "Whether learned vectors are added to the node and to its neighbours.", ..BIAS },
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Le {
    fn name(&self) -> &'static str {
        "le"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Local extremum layer: the node itself and its differences to its neighbours, through three linear maps.",
            formula: "h_i = Θ_1ᵀ x_i + b_1 + Σ_{j ∈ N(i)} w_ij (Θ_2ᵀ x_j + b_2 − Θ_3ᵀ x_i)",
            paper: "Ranjan et al. 2020, \"ASAP: Adaptive Structure Aware Pooling for Learning Hierarchical Graph Representations\"",
            example: "le(64) -> relu -> le(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::has_edges(cx)?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, e) = (cx.x(), cx.args, cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let mapped = |names: [&'static str; 2]| match a.bool("bias") {
            true => cx.linear(x, names, n_in, n_out),
            false => cx.map(x, names[0], n_in, n_out),
        };
        let (root, near) = (mapped(["root", "root_bias"]), mapped(["neighbour", "neighbour_bias"]));
        let own = cx.map(x, "own", n_in, n_out);
        let weight = cx.named("weight").map(|weight| weight.view(&[]));
        let total = weight.map_or_else(|| e.degree(), |weight| e.sum(weight));
        let message = e.source(near);
        let sum = e.sum(weight.map_or(message, |weight| message.mul_rows(weight)));
        Some(Outcome::rows(root + sum - own.mul_rows(total)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.LEConv",
            weights: &[
                ("lin1.weight", "neighbour", WeightMap::Transposed),
                ("lin1.bias", "neighbour_bias", WeightMap::Same),
                ("lin2.weight", "own", WeightMap::Transposed),
                ("lin3.weight", "root", WeightMap::Transposed),
                ("lin3.bias", "root_bias", WeightMap::Same),
            ],
            arguments: &[],
            note: "`lin1` is of the neighbours, `lin3` of the node, `lin2` of what is taken from it for each edge.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::Sum, own: Own::Root, is_linear: true }
    }
}
