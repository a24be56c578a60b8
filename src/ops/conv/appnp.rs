//! `appnp()`: personalised PageRank of the features.

use super::gcn_norm::{ALPHA, GcnNorm, HOPS, NORMALIZE, SELF_LOOPS, gathered, of_normalized};
use super::{WEIGHT, convolved};
use crate::args::{ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Own, Pyg, WidthRule};

use crate::types::Type;

/// Approximate personalised propagation of neural predictions: `z ← (1 − α) P z + α x`, `K` times from `z = x`, with
/// `P = D^(−1/2) Â D^(−1/2)` as in `gcn`. There are no weights: an `mlp` stands before it.
///
/// Paper: Gasteiger et al. 2019, "Predict then Propagate: Graph Neural Networks meet Personalized PageRank", eq. 4.
/// PyG: `torch_geometric.nn.APPNP`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors.
#[derive(Debug)]
pub struct Appnp;

static ARGS: &[ArgSpec] = &[
    ArgSpec { default: Default::Int(10), ..HOPS },
    ALPHA,
    SELF_LOOPS,
    NORMALIZE,
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Appnp {
    fn name(&self) -> &'static str {
        "appnp"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Personalised PageRank: the features spread along the edges, and return to the node with a fixed probability.",
            formula: "z ← (1 − α) P z + α x, K times from z = x,  P = D^(−1/2) Â D^(−1/2)",
            paper: "Gasteiger et al. 2019, \"Predict then Propagate: Graph Neural Networks meet Personalized PageRank\"",
            example: "mlp(64) -> appnp(hops = 10, alpha = 0.1) -> mean -> linear",
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
        convolved(cx, cx.inputs[0].width.clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a) = (cx.x(), cx.args);
        let alpha = a.float("alpha");
        let norm = GcnNorm::new(cx, a.bool("self_loops").then_some(1.0), a.bool("normalize"));
        let own = x.scale(alpha);
        Some(Outcome::rows((0..a.int("hops")).fold(x, |z, _| norm.apply(z).scale(1.0 - alpha) + own)))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch_geometric.nn.APPNP", weights: &[], arguments: &[("K", "hops")], note: "" }
    }
    fn action(&self, args: &Args) -> Action {
        let Action::Messages { gather, is_linear, .. } = gathered(args) else { return gathered(args) };
        Action::Messages { gather, own: Own::Root, is_linear }
    }
}
