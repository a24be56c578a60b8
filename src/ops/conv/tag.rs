//! `tag(out)`: a linear map for each number of hops.

use super::gcn_norm::{GcnNorm, HOPS, NORMALIZE};
use super::{BIAS, OUT, WEIGHT, convolved};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::ops::{facts, findings};

use crate::types::Type;

/// Topology adaptive graph convolution: `h = Σ_{k=0}^K P^k x Θ_k + b`, `P = D^(−1/2) A D^(−1/2)` without loops.
///
/// Paper: Du et al. 2017, "Topology Adaptive Graph Convolutional Networks", eq. 4.
/// PyG: `torch_geometric.nn.TAGConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Tag;

/// Names of the weights, by the number of hops.
pub const WEIGHTS: &[&str] = &[
    "weight_0", "weight_1", "weight_2", "weight_3", "weight_4", "weight_5", "weight_6", "weight_7",
    "weight_8",
];

/// The same as PyG has them, with the bias.
pub const PYG_WEIGHTS: &[(&str, &str, WeightMap)] = &[
    ("lins.0.weight", "weight_0", WeightMap::Transposed),
    ("lins.1.weight", "weight_1", WeightMap::Transposed),
    ("lins.2.weight", "weight_2", WeightMap::Transposed),
    ("lins.3.weight", "weight_3", WeightMap::Transposed),
    ("lins.4.weight", "weight_4", WeightMap::Transposed),
    ("lins.5.weight", "weight_5", WeightMap::Transposed),
    ("lins.6.weight", "weight_6", WeightMap::Transposed),
    ("lins.7.weight", "weight_7", WeightMap::Transposed),
    ("lins.8.weight", "weight_8", WeightMap::Transposed),
    ("bias", "bias", WeightMap::Same),
];

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        kind: ArgKind::Int { min: 0, max: WEIGHTS.len() as i64 - 1 },
        default: Default::Int(3),
        ..HOPS
    },
    NORMALIZE,
    BIAS,
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Tag {
    fn name(&self) -> &'static str {
        "tag"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Topology adaptive graph convolution: neighbourhoods of no to `hops` hops, each through its own linear map.",
            formula: "h = Σ_{k=0}^K P^k x Θ_k + b,  P = D^(−1/2) A D^(−1/2)",
            paper: "Du et al. 2017, \"Topology Adaptive Graph Convolutional Networks\"",
            example: "tag(64, hops = 3) -> relu -> mean -> linear",
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
        if cx.args.int("hops") == 0 && cx.args.is_written("normalize") {
            return Err(findings::args::no_effect(cx, "normalize", "`hops = 0` gathers nothing"));
        }
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let init = Init::KaimingUniform { fan_in: facts::known(n_in) };
        let of_hop = |hop: usize| b.weight(WEIGHTS[hop], &[n_in.clone(), n_out.clone()], init);
        let norm = GcnNorm::new(cx, None, a.bool("normalize"));
        let (mut hop, mut sum) = (x, x.linear(of_hop(0)));
        for k in 1..=a.int("hops") as usize {
            hop = norm.apply(hop);
            sum = sum + hop.linear(of_hop(k));
        }
        Some(Outcome::rows(match a.bool("bias") {
            true => sum + b.weight("bias", std::slice::from_ref(n_out), Init::Zeros),
            false => sum,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.TAGConv",
            weights: PYG_WEIGHTS,
            arguments: &[("K", "hops")],
            note: "",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let gather = if args.bool("normalize") { Gather::DegreeWeighted } else { Gather::Sum };
        Action::Messages { gather, own: Own::Root, is_linear: true }
    }
}
