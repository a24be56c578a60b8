//! `ssg(out)`: the mean of neighbourhoods of growing size, through a linear map.

use super::gcn_norm::{ALPHA, GcnNorm, HOPS, SELF_LOOPS, gathered};
use super::{BIAS, OUT, WEIGHT, convolved};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::ops::{facts, findings};

use crate::types::Type;

/// Simple spectral graph convolution: `h = (α x + (1 − α)/K Σ_{k=1}^K P^k x) Θ + b`, `P = D^(−1/2) Â D^(−1/2)` as in `gcn`.
///
/// Paper: Zhu and Koniusz 2021, "Simple Spectral Graph Convolution", eq. 7.
/// PyG: `torch_geometric.nn.SSGConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Ssg;

static ARGS: &[ArgSpec] = &[OUT, ALPHA, HOPS, SELF_LOOPS, BIAS, WEIGHT, super::DIRECTION, super::AGAINST];

impl Operator for Ssg {
    fn name(&self) -> &'static str {
        "ssg"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Simple spectral graph convolution: the mean of neighbourhoods of one to `hops` hops beside the node itself, then one linear map.",
            formula: "h = (α x + (1 − α)/K Σ_{k=1}^K P^k x) Θ + b,  P = D^(−1/2) Â D^(−1/2)",
            paper: "Zhu and Koniusz 2021, \"Simple Spectral Graph Convolution\"",
            example: "ssg(64, hops = 4) -> relu -> mean -> linear",
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
        let init = Init::KaimingUniform { fan_in: facts::known(n_in) };
        let w = b.weight("weight", &[n_in.clone(), n_out.clone()], init);
        let bias = a.bool("bias").then(|| b.weight("bias", std::slice::from_ref(n_out), init));
        let (hops, alpha) = (a.int("hops"), a.float("alpha"));
        let norm = GcnNorm::new(cx, a.bool("self_loops").then_some(1.0), true);
        let mut hop = norm.apply(x);
        let mut sum = hop;
        for _ in 1..hops {
            hop = norm.apply(hop);
            sum = sum + hop;
        }
        let mixed = x.scale(alpha) + sum.scale((1.0 - alpha) / hops as f64);
        Some(Outcome::rows(cx.affine(mixed, w, bias)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SSGConv",
            weights: &[
                ("lin.weight", "weight", WeightMap::Transposed),
                ("lin.bias", "bias", WeightMap::Same),
            ],
            arguments: &[("K", "hops")],
            note: "",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let Action::Messages { gather, is_linear, .. } = gathered(args) else { return gathered(args) };
        Action::Messages { gather, own: Own::Root, is_linear }
    }
}
