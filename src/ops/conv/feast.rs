//! `feast(out)`: several matrices, weighed by the difference of both ends.

use super::gat::{HEADS, SELF_LOOPS};
use super::{BIAS, OUT, convolved, fixed, times};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::V;
use crate::types::Type;

/// Feature-steered convolution: `h_i = 1/|N| Σ_{j ∈ N(i) ∪ {i}} Σ_k q_k(x_i, x_j) W_kᵀ x_j + b`, with `q = softmax_k(u_k · (x_j − x_i) + c_k)`.
///
/// Paper: Verma et al. 2018, "FeaStNet: Feature-Steered Graph Convolutions for 3D Shape Analysis", eqs. 4 and 5.
/// PyG: `torch_geometric.nn.FeaStConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Feast;

static ARGS: &[ArgSpec] = &[
    OUT,
    HEADS,
    ArgSpec { doc: "Whether each node counts as its own neighbour.", ..SELF_LOOPS },
    BIAS,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Feast {
    fn name(&self) -> &'static str {
        "feast"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Feature-steered convolution: several matrices, of which each pair of nodes takes a mixture.",
            formula: "h_i = 1/|N| Σ_{j ∈ N(i) ∪ {i}} Σ_k q_k(x_i, x_j) W_kᵀ x_j + b,  q = softmax_k(u_k · (x_j − x_i) + c_k)",
            paper: "Verma et al. 2018, \"FeaStNet: Feature-Steered Graph Convolutions for 3D Shape Analysis\"",
            example: "feast(32, heads = 4) -> relu -> feast(32, heads = 4) -> relu -> mean -> linear",
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
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let heads = a.int("heads") as usize;
        let h = cx.map(x, "weight", n_in, &times(heads, n_out)).heads(heads, &n_out.size);
        // With one head every share is 1, and nothing steers.
        let steered = (heads > 1).then(|| {
            let shift =
                b.weight("shift", &[fixed(heads)], Init::KaimingUniform { fan_in: facts::known(n_in) });
            (cx.map(x, "steer", n_in, &fixed(heads)), shift)
        });
        let e = if a.bool("self_loops") { cx.edges_without_loops() } else { cx.edges() };
        let sum = match steered {
            Some((u, c)) => {
                let shares = (e.source(u) - e.target(u) + c).softmax_columns();
                e.sum((e.source(h) * shares.column()).fold_sum(0))
            }
            None => e.sum(e.source(h.fold_sum(0))),
        };
        let mean = if a.bool("self_loops") {
            let own: V<'b> = match steered {
                Some((_, c)) => (h * c.softmax_columns().column()).fold_sum(0),
                None => h.fold_sum(0),
            };
            (sum + own).div_rows(e.degree().offset(1.0))
        } else {
            sum.div_rows(e.degree().at_least(1.0))
        };
        Some(Outcome::rows(match a.bool("bias") {
            true => mean + b.weight("bias", std::slice::from_ref(n_out), Init::Zeros),
            false => mean,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.FeaStConv",
            weights: &[
                ("lin.weight", "weight", WeightMap::Transposed),
                ("u.weight", "steer", WeightMap::Transposed),
                ("c", "shift", WeightMap::Same),
                ("bias", "bias", WeightMap::Same),
            ],
            arguments: &[],
            note: "With one head PyG keeps a `u` and a `c` that change nothing.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let own = if args.bool("self_loops") { Own::SelfLoop } else { Own::Absent };
        Action::Messages { gather: Gather::Mean, own, is_linear: args.int("heads") == 1 }
    }
}
