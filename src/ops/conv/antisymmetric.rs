//! `antisymmetric()`: steps of a stable differential equation on the graph.

use super::gcn_norm::GcnNorm;
use super::{BIAS, convolved, glorot, times};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::{Norm, V};
use crate::types::{Size, Type};

/// Anti-symmetric deep graph network: `steps` times `x ← x + ε σ((W − Wᵀ − γ I) x + Φ(x) + b)`, with one `W` and one convolution
/// `Φ` for all steps. The eigenvalues of an anti-symmetric matrix are imaginary, so that many steps neither fade nor explode.
///
/// Paper: Gravina et al. 2023, "Anti-Symmetric DGN: a stable architecture for Deep Graph Networks", eq. 6.
/// PyG: `torch_geometric.nn.AntiSymmetricConv`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes or clusters
/// - result: `[N, F]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors.
#[derive(Debug)]
pub struct Antisymmetric;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "phi",
        kind: ArgKind::Choice(&["gcn", "sage"]),
        default: Default::Choice("gcn"),
        positional: false,
        doc: "The convolution Φ: `gcn` without a bias, or `sage` of the mean.",
    },
    ArgSpec {
        name: "steps",
        kind: ArgKind::Int { min: 1, max: 256 },
        default: Default::Int(1),
        positional: false,
        doc: "How many steps are taken with the same weights.",
    },
    ArgSpec {
        name: "epsilon",
        kind: ArgKind::Float(Range::open_closed(0.0, 1.0)),
        default: Default::Float(0.1),
        positional: false,
        doc: "The size of a step, ε.",
    },
    ArgSpec {
        name: "gamma",
        kind: ArgKind::Float(Range::closed(0.0, 1.0)),
        default: Default::Float(0.1),
        positional: false,
        doc: "How strongly features fade, γ.",
    },
    ArgSpec {
        name: "activation",
        kind: ArgKind::Choice(&["tanh", "relu", "none"]),
        default: Default::Choice("tanh"),
        positional: false,
        doc: "The function σ of a step.",
    },
    BIAS,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Antisymmetric {
    fn name(&self) -> &'static str {
        "antisymmetric"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Steps of a stable differential equation: an anti-symmetric map of the node and a convolution, added a little at a time.",
            formula: "x ← x + ε σ((W − Wᵀ − γ I) x + Φ(x) + b), T times",
            paper: "Gravina et al. 2023, \"Anti-Symmetric DGN: a stable architecture for Deep Graph Networks\"",
            example: "linear(32) -> antisymmetric -> antisymmetric(phi = sage) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::has_edges(cx)?;
        convolved(cx, cx.inputs[0].width.clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (mut x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let width = &cx.output.width;
        let init = Init::KaimingUniform { fan_in: facts::known(width) };
        let w = b.weight("weight", &[width.clone(), width.clone()], init);
        let vector = |name, init| b.weight(name, std::slice::from_ref(width), init);
        let bias = a.bool("bias").then(|| vector("bias", Init::Zeros));
        // Weights that several steps read are read by products, whose gradients add up in one place.
        let phi: Box<dyn Fn(V<'b>) -> V<'b>> = if a.choice("phi") == "gcn" {
            let norm = GcnNorm::new(cx, Some(1.0), true);
            let w = b.weight("phi_weight", &[width.clone(), width.clone()], glorot(width, width));
            Box::new(move |x| norm.apply(x.linear(w)))
        } else {
            let w = b.weight("phi_weight", &[times(2, width), width.clone()], init);
            let bias = vector("phi_bias", init);
            let [neighbours, root] =
                [Size::Known(0), width.size.clone()].map(|start| w.slice(0, start, width.size.clone()));
            Box::new(move |x| e.propagate(x.linear(neighbours), Norm::Mean) + x.linear(root) + bias)
        };
        for _ in 0..a.int("steps") {
            let h = x.linear_by(w, true) - x.linear(w) - x.scale(a.float("gamma")) + phi(x);
            let h = bias.map_or(h, |bias| h + bias);
            let h = match a.choice("activation") {
                "tanh" => h.tanh(),
                "relu" => h.relu(),
                _ => h,
            };
            x = x + h.scale(a.float("epsilon"));
        }
        Some(Outcome::rows(x))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.AntiSymmetricConv",
            weights: &[
                ("W", "weight", WeightMap::Same),
                ("bias", "bias", WeightMap::Same),
                ("phi.lin.weight", "phi_weight", WeightMap::Transposed),
                ("phi.lin_l.weight", "phi_weight", WeightMap::TransposedRows { part: 0, of: 2 }),
                ("phi.lin_r.weight", "phi_weight", WeightMap::TransposedRows { part: 1, of: 2 }),
                ("phi.lin_l.bias", "phi_bias", WeightMap::Same),
            ],
            arguments: &[("num_iters", "steps"), ("act", "activation")],
            note: "PyG takes any convolution for `phi`.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let gather = if args.choice("phi") == "gcn" { Gather::DegreeWeighted } else { Gather::Mean };
        Action::Messages { gather, own: Own::Root, is_linear: args.choice("activation") == "none" }
    }
}
