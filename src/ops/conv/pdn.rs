//! `pdn(out)`: edges whose weights are learned of what they carry.

use super::gcn_norm::{GcnNorm, NORMALIZE, SELF_LOOPS, gathered, of_normalized};
use super::gin::HIDDEN;
use super::{BIAS, EDGE, OUT, convolved, fixed, glorot};
use crate::args::{ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WidthRule, findings};
use crate::program::V;
use crate::types::{Dim, Size, Type};

/// Pathfinder discovery: `h_i = Θᵀ Σ_{j ∈ N(i) ∪ {i}} w_ij x_j / √(d_i d_j) + b` as in `gcn`, where `w_ij = σ(MLP(e_ij))` is learned of the
/// edge's features and loops count 1.
///
/// Paper: Rozemberczki et al. 2021, "Pathfinder Discovery Networks for Neural Message Passing".
/// PyG: `torch_geometric.nn.PDNConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes; `edge`: `[E, F_e]`
/// - result: `[N, F_out]`
///
/// # Errors
/// Those of `gcn`.
#[derive(Debug)]
pub struct Pdn;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec { default: Default::Required, doc: "Features of the edges, `e_ij`.", ..EDGE },
    ArgSpec {
        default: Default::Int(16),
        doc: "Width of the hidden layer of the network that makes the weights.",
        ..HIDDEN
    },
    SELF_LOOPS,
    NORMALIZE,
    BIAS,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Pdn {
    fn name(&self) -> &'static str {
        "pdn"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Graph convolution whose edges count what a small network makes of their features.",
            formula: "h_i = Θᵀ Σ_{j ∈ N(i) ∪ {i}} w_ij x_j / √(d_i d_j) + b,  w_ij = σ(MLP(e_ij))",
            paper: "Rozemberczki et al. 2021, \"Pathfinder Discovery Networks for Neural Message Passing\"",
            example: "pdn(64, edge = edges) -> relu -> mean -> linear",
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
        of_normalized(cx, &["self_loops"])?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let (edge, n_edge) = cx.named_with_width("edge")?;
        let hidden = Dim::new(Size::Known(a.int("hidden") as usize), None, "");
        let layer = |v: V<'b>, [w, bias]: [&'static str; 2], from: &Dim, to: &Dim| {
            let w = b.weight(w, &[from.clone(), to.clone()], glorot(from, to));
            v.linear(w) + b.weight(bias, std::slice::from_ref(to), Init::Zeros)
        };
        let inner = layer(edge, ["weight_0", "bias_0"], n_edge, &hidden).relu();
        let weight = layer(inner, ["weight_1", "bias_1"], &hidden, &fixed(1)).sigmoid().view(&[]);
        let norm =
            GcnNorm::weighted(cx, Some(weight), a.bool("self_loops").then_some(1.0), a.bool("normalize"));
        let w = b.weight("weight", &[n_in.clone(), n_out.clone()], glorot(n_in, n_out));
        let bias = a.bool("bias").then(|| b.weight("bias", std::slice::from_ref(n_out), Init::Zeros));
        Some(Outcome::rows(norm.convolve(x, w, bias)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.PDNConv",
            weights: &[
                ("lin.weight", "weight", WeightMap::Transposed),
                ("mlp.0.weight", "weight_0", WeightMap::Transposed),
                ("mlp.0.bias", "bias_0", WeightMap::Same),
                ("mlp.2.weight", "weight_1", WeightMap::Transposed),
                ("mlp.2.bias", "bias_1", WeightMap::Same),
                ("bias", "bias", WeightMap::Same),
            ],
            arguments: &[("hidden_channels", "hidden")],
            note: "`hidden` is `hidden_channels`.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        // Linear in the node's features, given those of the edges.
        gathered(args)
    }
}
