//! `sg(out)`: a linear map of neighbourhoods of several hops.

use super::gcn_norm::{GcnNorm, HOPS, SELF_LOOPS, gathered};
use super::{BIAS, OUT, WEIGHT, convolved};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WidthRule};
use crate::ops::{facts, findings};

use crate::types::Type;

/// Simple graph convolution: `h = P^K x Θ + b`, `P = D^(−1/2) Â D^(−1/2)` as in `gcn`.
///
/// Paper: Wu et al. 2019, "Simplifying Graph Convolutional Networks", eq. 8.
/// PyG: `torch_geometric.nn.SGConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Sg;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec { default: crate::args::Default::Int(1), ..HOPS },
    SELF_LOOPS,
    BIAS,
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Sg {
    fn name(&self) -> &'static str {
        "sg"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Simple graph convolution: neighbourhoods of several hops, weighted by degree, then one linear map.",
            formula: "h = (D^(−1/2) Â D^(−1/2))^K x Θ + b",
            paper: "Wu et al. 2019, \"Simplifying Graph Convolutional Networks\"",
            example: "sg(64, hops = 2) -> relu -> mean -> linear",
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
        let norm = GcnNorm::new(cx, a.bool("self_loops").then_some(1.0), true);
        let x = (1..a.int("hops")).fold(x, |x, _| norm.apply(x));
        Some(Outcome::rows(norm.convolve(x, w, bias)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SGConv",
            weights: &[
                ("lin.weight", "weight", WeightMap::Transposed),
                ("lin.bias", "bias", WeightMap::Same),
            ],
            arguments: &[("K", "hops")],
            note: "",
        }
    }
    fn action(&self, args: &Args) -> Action {
        gathered(args)
    }
}
