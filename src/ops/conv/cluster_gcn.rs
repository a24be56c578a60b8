//! `cluster_gcn(out)`: the mean of neighbours and node, with a stronger diagonal.

use super::{BIAS, OUT, convolved};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::ops::{facts, findings};

use crate::types::Type;

/// Convolution of Cluster-GCN: `h = (Â + λ diag(Â)) x W_l + b + x W_r`, with `Â = D^(−1) (A + I)` and `D` the in-degrees with
/// the loop.
///
/// Paper: Chiang et al. 2019, "Cluster-GCN: An Efficient Algorithm for Training Deep and Large Graph Convolutional
/// Networks", eq. 11.
/// PyG: `torch_geometric.nn.ClusterGCNConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct ClusterGcn;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "diagonal",
        kind: ArgKind::Float(Range::closed(0.0, 100.0)),
        default: Default::Float(0.0),
        positional: false,
        doc: "How much more the node itself counts than a neighbour, λ.",
    },
    BIAS,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for ClusterGcn {
    fn name(&self) -> &'static str {
        "cluster_gcn"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The mean of the neighbours and the node, of which the node can count more, beside the node through its own linear map.",
            formula: "h = (Â + λ diag(Â)) x W_l + b + x W_r,  Â = D^(−1) (A + I)",
            paper: "Chiang et al. 2019, \"Cluster-GCN: An Efficient Algorithm for Training Deep and Large Graph Convolutional Networks\"",
            example: "cluster_gcn(64) -> relu -> cluster_gcn(64) -> relu -> mean -> linear",
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
        let all = cx.edges();
        let e = if all.weight().is_some() { all.without_loops() } else { cx.edges_without_loops() };
        let gathered = e.sum(e.source(x)) + x.scale(1.0 + a.float("diagonal"));
        let gathered = gathered.div_rows(e.degree().offset(1.0));
        let init = Init::KaimingUniform { fan_in: facts::known(n_in) };
        let h = cx.map(gathered, "weight", n_in, n_out) + cx.map(x, "root", n_in, n_out);
        Some(Outcome::rows(match a.bool("bias") {
            true => h + b.weight("bias", std::slice::from_ref(n_out), init),
            false => h,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.ClusterGCNConv",
            weights: &[
                ("lin_out.weight", "weight", WeightMap::Transposed),
                ("lin_out.bias", "bias", WeightMap::Same),
                ("lin_root.weight", "root", WeightMap::Transposed),
            ],
            arguments: &[("diag_lambda", "diagonal")],
            note: "",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::Mean, own: Own::Root, is_linear: true }
    }
}
