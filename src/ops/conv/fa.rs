//! `fa(initial)`: neighbours weighed between −1 and 1.

use super::gat::DROPOUT;
use super::gcn_norm::{GcnNorm, NORMALIZE, SELF_LOOPS, of_normalized};
use super::{INITIAL, WEIGHT, convolved, fixed, is_like_input};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::types::Type;

/// Frequency adaptive graph convolution: `h_i = ε x_0,i + Σ_{j ∈ N(i) ∪ {i}} tanh(a_l · x_j + a_r · x_i) / √(d_i d_j) x_j`.
/// A weight below 0 lets a neighbour count for its difference.
///
/// Paper: Bo et al. 2021, "Beyond Low-frequency Information in Graph Convolutional Networks", eqs. 7 and 9.
/// PyG: `torch_geometric.nn.FAConv`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes or clusters; `initial`: the same; `weight`: `[E, 1]`
/// - result: `[N, F]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `levels::mixed_levels` and `shape::widths_differ` where `initial` is not
/// like `x`.
#[derive(Debug)]
pub struct Fa;

static ARGS: &[ArgSpec] = &[
    INITIAL,
    ArgSpec {
        name: "eps",
        kind: ArgKind::Float(Range::closed(0.0, 1.0)),
        default: Default::Float(0.1),
        positional: false,
        doc: "The share of the first features, ε.",
    },
    ArgSpec { doc: "Probability with which a weight is dropped in training, for each edge.", ..DROPOUT },
    SELF_LOOPS,
    NORMALIZE,
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Fa {
    fn name(&self) -> &'static str {
        "fa"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Weighs neighbours between −1 and 1, so that layers keep differences as well as what is common.",
            formula: "h_i = ε x_0,i + Σ_{j ∈ N(i) ∪ {i}} tanh(a_l · x_j + a_r · x_i) / √(d_i d_j) x_j",
            paper: "Bo et al. 2021, \"Beyond Low-frequency Information in Graph Convolutional Networks\"",
            example: "linear(64) -> relu as first -> fa(initial = first) -> fa(initial = first) -> mean -> linear",
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
        of_normalized(cx, &["self_loops"])?;
        is_like_input(cx, "initial")?;
        convolved(cx, cx.inputs[0].width.clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a) = (cx.x(), cx.args);
        let (first, n_in, p) = (cx.named("initial")?, &cx.inputs[0].width, a.float("dropout"));
        let score = |name| cx.map(x, name, n_in, &fixed(1)).view(&[]);
        let (source, target) = (score("source"), score("target"));
        let own = a.bool("self_loops").then_some(1.0);
        let weight = cx.named("weight").map(|weight| weight.view(&[]));
        let norm = GcnNorm::written(cx, weight, own, a.bool("normalize"));
        let e = cx.edges();
        let share = (e.source(source) + e.target(target)).tanh().dropout(p);
        let own = (source + target).tanh().dropout(p);
        let y = norm.apply_by(x, share, own);
        Some(Outcome::rows(match a.float("eps") {
            0.0 => y,
            eps => y + first.scale(eps),
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.FAConv",
            weights: &[
                ("att_l.weight", "source", WeightMap::Transposed),
                ("att_r.weight", "target", WeightMap::Transposed),
            ],
            arguments: &[("x_0", "initial")],
            note: "PyG takes weights of the edges only without `normalize`.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let Action::Messages { gather, .. } = super::gcn_norm::gathered(args) else {
            return super::gcn_norm::gathered(args);
        };
        Action::Messages { gather, own: Own::Root, is_linear: false }
    }
}
