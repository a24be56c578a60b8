//! `arma(out)`: stacks of recursive filters.

use super::gcn_norm::GcnNorm;
use super::{BIAS, OUT, WEIGHT, convolved, fixed, glorot};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, findings,
};
use crate::program::V;
use crate::types::{Dim, Size, Type};

/// Auto-regressive moving average filters: `h = 1/K Σ_k h_k^(T)`, `h_k^(t+1) = σ(P h_k^(t) W_k^(t) + x V_k^(t) + b_k^(t))` from
/// `h_k^(0) = x`, with `P = D^(−1/2) A D^(−1/2)` without loops.
///
/// Paper: Bianchi et al. 2021, "Graph Neural Networks with Convolutional ARMA Filters", eqs. 14 and 15.
/// PyG: `torch_geometric.nn.ARMAConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F_out]`
///
/// # Errors
/// `args::no_effect` for `share_weights` with one layer; `levels::needs_edges` on slots or graph vectors,
/// `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Arma;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "stacks",
        kind: ArgKind::Int { min: 1, max: 64 },
        default: Default::Int(1),
        positional: false,
        doc: "How many filters are averaged, `K`.",
    },
    ArgSpec {
        name: "layers",
        kind: ArgKind::Int { min: 1, max: 64 },
        default: Default::Int(1),
        positional: false,
        doc: "How often each filter gathers, `T`.",
    },
    ArgSpec::flag("share_weights", false, "Whether all layers of a filter have the same weights."),
    ArgSpec {
        name: "activation",
        kind: ArgKind::Choice(&["relu", "tanh", "sigmoid", "elu", "none"]),
        default: Default::Choice("relu"),
        positional: false,
        doc: "The function behind each layer, `σ`.",
    },
    ArgSpec {
        name: "dropout",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(0.0),
        positional: false,
        doc: "Probability with which a number of the node's own features is dropped in each layer, in training.",
    },
    BIAS,
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Arma {
    fn name(&self) -> &'static str {
        "arma"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The mean of recursive filters, each of which gathers several times and reads the features anew each time.",
            formula: "h = 1/K Σ_k h_k^(T),  h_k^(t+1) = σ(D^(−1/2) A D^(−1/2) h_k^(t) W_k^(t) + x V_k^(t) + b_k^(t))",
            paper: "Bianchi et al. 2021, \"Graph Neural Networks with Convolutional ARMA Filters\"",
            example: "arma(32, stacks = 2, layers = 2) -> dropout(0.5) -> mean -> linear",
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
        if cx.args.bool("share_weights") && cx.args.int("layers") == 1 {
            return Err(findings::args::no_effect(cx, "share_weights", "there is one layer"));
        }
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let (stacks, layers) = (a.int("stacks") as usize, a.int("layers") as usize);
        let kept = if a.bool("share_weights") { 1 } else { layers };
        let norm = GcnNorm::new(cx, None, true);
        let shape = |n: usize, from: &Dim| [fixed(n), fixed(stacks), from.clone(), n_out.clone()];
        // With one layer PyG keeps a matrix that nothing reads.
        let w =
            (layers > 1).then(|| b.weight("weight", &shape((kept - 1).max(1), n_out), glorot(n_out, n_out)));
        let first = b.weight("init_weight", &shape(1, n_in)[1..], glorot(n_in, n_out));
        let root = b.weight("root_weight", &shape(kept, n_in), glorot(n_in, n_out));
        let bias = a
            .bool("bias")
            .then(|| b.weight("bias", &[fixed(kept), fixed(stacks), n_out.clone()], Init::Zeros));
        let at = |w: V<'b>, layer: usize, stack: usize, axes: &[Size]| {
            let of_layer = if a.bool("share_weights") { 0 } else { layer };
            let one = Size::Known(1);
            w.slice(0, Size::Known(of_layer), one.clone()).slice(1, Size::Known(stack), one).view(axes)
        };
        let matrix = |from: &Dim| [from.size.clone(), n_out.size.clone()];
        let filter = |stack: usize| {
            let mut h = x;
            for layer in 0..layers {
                let mapped = match (layer, w) {
                    (0, _) | (_, None) => {
                        let first = first.slice(0, Size::Known(stack), Size::Known(1));
                        h.linear(first.view(&matrix(n_in)))
                    }
                    (_, Some(w)) => h.linear(at(w, layer - 1, stack, &matrix(n_out))),
                };
                let own = x.dropout(a.float("dropout")).linear(at(root, layer, stack, &matrix(n_in)));
                h = norm.apply(mapped) + own;
                if let Some(bias) = bias {
                    h = h + at(bias, layer, stack, std::slice::from_ref(&n_out.size));
                }
                h = match a.choice("activation") {
                    "relu" => h.relu(),
                    "tanh" => h.tanh(),
                    "sigmoid" => h.sigmoid(),
                    "elu" => h.elu(1.0),
                    _ => h,
                };
            }
            h
        };
        let sum = (0..stacks).map(filter).reduce(|sum, h| sum + h)?;
        Some(Outcome::rows(sum.scale(1.0 / stacks as f64)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.ARMAConv",
            weights: &[
                ("weight", "weight", WeightMap::Same),
                ("init_weight", "init_weight", WeightMap::Same),
                ("root_weight", "root_weight", WeightMap::Same),
                ("bias", "bias", WeightMap::Reshaped),
            ],
            arguments: &[
                ("num_stacks", "stacks"),
                ("num_layers", "layers"),
                ("shared_weights", "share_weights"),
                ("act", "activation"),
            ],
            note: "With one layer PyG keeps a `weight` that nothing reads.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let is_linear = args.choice("activation") == "none";
        Action::Messages { gather: Gather::DegreeWeighted, own: Own::Root, is_linear }
    }
}
