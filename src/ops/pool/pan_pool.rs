//! `pan_pool(ratio | k | min_score)`: the best nodes by their features and by what leads from them.

use super::selection::{COUNT, MIN_SCORE, MULTIPLIER, NONLINEARITY, SHARE, kept, selected};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, Select, WeightMap, WidthRule, conv};
use crate::program::{Index, Space};
use crate::types::{Size, Type};

/// Path integral based pooling: a node's score is made of its features, by a learned direction `p`, and of how much leads from
/// it to others, `y_i = β_1 x_i · p + β_2 Σ_j m_ji`; the best nodes of each graph are kept and weighted by it as with `topk`. The
/// entries `m_ji` of edges from `i` to `j` are `weight`, for example what `pan` makes of paths, and 1 without it.
///
/// Paper: Ma et al. 2020, "Path Integral Based Convolution and Pooling for Graph Neural Networks", section 3.
/// PyG: `torch_geometric.nn.PANPooling`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes of a sparse graph; `weight`: `[E, 1]`
/// - result: as that of `topk`. Values of the edges between kept nodes go on.
///
/// # Errors
/// Those of `topk`.
#[derive(Debug)]
pub struct PanPool;

static ARGS: &[ArgSpec] = &[SHARE, COUNT, MIN_SCORE, NONLINEARITY, MULTIPLIER, conv::WEIGHT];

impl Operator for PanPool {
    fn name(&self) -> &'static str {
        "pan_pool"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Path integral based pooling: keeps the nodes with the best features and from which most leads on.",
            formula: "y_i = β_1 x_i · p + β_2 Σ_j m_ji,  X' = (x ⊙ tanh(y))[best],  A' = A[best, best]",
            paper: "Ma et al. 2020, \"Path Integral Based Convolution and Pooling for Graph Neural Networks\"",
            example: "gcn(64) -> relu -> pan_pool(ratio = 0.5) -> gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        kept(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, b) = (cx.x(), cx.b);
        let direction = b.weight("direction", &[cx.inputs[0].width.clone(), conv::fixed(1)], Init::Ones);
        let beta = b.weight("beta", &[conv::fixed(2)], Init::Constant(0.5));
        let part = |place: usize| beta.slice(0, Size::Known(place), Size::Known(1));
        let one = b.constant(1.0).in_space(Space::Edges).view(&[Size::Known(1)]);
        let leaving = cx.named("weight").unwrap_or(one).sum(Index::Source);
        Some(selected(cx, x.linear(direction) * part(0) + leaving * part(1)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.PANPooling",
            weights: &[("p", "direction", WeightMap::Reshaped), ("beta", "beta", WeightMap::Same)],
            arguments: &[("M", "weight")],
            note: "PyG multiplies the score by the sign of one more weight, which never learns, and with `min_score` by the weight \
                   itself; it is left out here.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Keep)
    }
}
