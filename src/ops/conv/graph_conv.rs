//! `graph_conv(out)`: neighbours and the node itself, each through a linear map.

use super::{ANY_AGGREGATE, BIAS, OUT, WEIGHT, aggregate_of, convolved, fits_clusters, times};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::aggregate::Aggregate;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::ops::{facts, findings};
use crate::program::composite::Composite;
use crate::program::{Norm, V};
use crate::types::Type;

/// Higher-order graph layer of one dimension: `h_i = W_lᵀ Σ_{j ∈ N(i)} w_ij x_j + W_rᵀ x_i + b`, or the mean or the maximum
/// over the neighbours. A mean divides by the number of edges, whatever they count.
///
/// Paper: Morris et al. 2019, "Weisfeiler and Leman Go Neural: Higher-order Graph Neural Networks", eq. 5.
/// PyG: `torch_geometric.nn.GraphConv`; on clusters `torch_geometric.nn.DenseGraphConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F_out]`
///
/// # Errors
/// Those of `sage` without `lstm`.
#[derive(Debug)]
pub struct GraphConv;

static ARGS: &[ArgSpec] = &[OUT, ANY_AGGREGATE, BIAS, WEIGHT, super::DIRECTION, super::AGAINST];

impl Operator for GraphConv {
    fn name(&self) -> &'static str {
        "graph_conv"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The sum of the neighbours and the node itself, each through its own linear map.",
            formula: "h_i = W_lᵀ Σ_{j ∈ N(i)} w_ij x_j + W_rᵀ x_i + b",
            paper: "Morris et al. 2019, \"Weisfeiler and Leman Go Neural: Higher-order Graph Neural Networks\"",
            example: "graph_conv(64) -> relu -> graph_conv(64) -> relu -> mean -> linear",
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
        fits_clusters(cx)?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let init = Init::KaimingUniform { fan_in: facts::known(n_in) };
        let w = b.weight("weight", &[times(2, n_in), n_out.clone()], init);
        let bias = a.bool("bias").then(|| b.weight("bias", std::slice::from_ref(n_out), init));
        let beside = |gathered: V<'b>| cx.affine(b.call(Composite::Beside, &[gathered, x]), w, bias);
        let weighted = cx.named("weight").map(|weight| e.source(x).mul_rows(weight.view(&[])));
        Some(Outcome::rows(match (aggregate_of(a), weighted) {
            (Aggregate::Max, None) => beside(e.propagate_max(x)),
            (Aggregate::Mean, None) => e.convolve(x, Norm::Mean, true, w, bias),
            (Aggregate::Sum, None) => e.convolve(x, Norm::Sum, true, w, bias),
            (other, message) => beside(other.of(&e, message.unwrap_or_else(|| e.source(x)))),
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GraphConv",
            weights: &[
                ("lin_rel.weight", "weight", WeightMap::TransposedRows { part: 0, of: 2 }),
                ("lin_root.weight", "weight", WeightMap::TransposedRows { part: 1, of: 2 }),
                ("lin_rel.bias", "bias", WeightMap::Same),
                ("lin_root.bias", "bias", WeightMap::Same),
            ],
            arguments: &[],
            note: "On clusters `torch_geometric.nn.DenseGraphConv`, where the bias is `lin_root`'s.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let how = aggregate_of(args);
        Action::Messages { gather: how.gather(), own: Own::Root, is_linear: how.is_linear() }
    }
}
