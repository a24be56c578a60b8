//! `gcn2(initial)`: a deep graph convolution that goes back to the first features.

use super::gcn_norm::{ALPHA, GcnNorm, NORMALIZE, SELF_LOOPS, of_normalized};
use super::{INITIAL, WEIGHT, convolved, glorot, is_like_input};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::types::Type;

/// Graph convolution with an initial residual and an identity mapping: `h = (1 − β) z + β z W` with
/// `z = (1 − α) P x + α x_0` and `β = ln(θ / layer + 1)`, where `P` propagates as in `gcn`. Without `share_weights` the two
/// parts of `z` have a matrix each.
///
/// Paper: Chen et al. 2020, "Simple and Deep Graph Convolutional Networks", eqs. 5 and 6.
/// PyG: `torch_geometric.nn.GCN2Conv`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes or clusters; `initial`: the same; `weight`: `[E, 1]`
/// - result: `[N, F]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `levels::mixed_levels` and `shape::widths_differ` where `initial` is not
/// like `x`, `args::does_not_fit` for `theta` without `layer`, `args::no_effect` for `layer` without `theta`.
#[derive(Debug)]
pub struct Gcn2;

static ARGS: &[ArgSpec] = &[
    INITIAL,
    ArgSpec { doc: "The share of the first features, α.", ..ALPHA },
    ArgSpec {
        name: "theta",
        kind: ArgKind::Float(Range::closed(1e-6, 1e6)),
        default: Default::Inferred("β = 1: the matrix acts on the whole"),
        positional: false,
        doc: "How fast the matrix loses weight from layer to layer, θ; 0.5 in the paper, which calls it λ.",
    },
    ArgSpec {
        name: "layer",
        kind: ArgKind::Int { min: 1, max: 65_536 },
        default: Default::Inferred("needed where `theta` is given"),
        positional: false,
        doc: "The number of this layer, from 1.",
    },
    ArgSpec::flag("share_weights", true, "Whether what is gathered and the first features have one matrix."),
    SELF_LOOPS,
    NORMALIZE,
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Gcn2 {
    fn name(&self) -> &'static str {
        "gcn2"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Deep graph convolution: what is gathered is mixed with the first features, and mapped a little.",
            formula: "h = (1 − β) z + β z W,  z = (1 − α) P x + α x_0,  β = ln(θ / layer + 1)",
            paper: "Chen et al. 2020, \"Simple and Deep Graph Convolutional Networks\"",
            example: "linear(64) -> relu as first -> gcn2(initial = first, theta = 0.5, layer = 1) -> relu -> gcn2(initial = first, theta = 0.5, layer = 2) -> relu -> mean -> linear",
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
        let has = |name: &str| cx.args.is_written(name);
        if has("theta") && !has("layer") {
            return Err(findings::args::does_not_fit(
                cx,
                "theta",
                "`theta` of `gcn2` loses weight from layer to layer, and the number of the layer is not given",
                "write `layer = 1` in the first layer, `layer = 2` in the second",
            ));
        }
        if has("layer") && !has("theta") {
            return Err(findings::args::no_effect(cx, "layer", "without `theta` all layers are alike"));
        }
        convolved(cx, cx.inputs[0].width.clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let (first, width, alpha) = (cx.named("initial")?, &cx.output.width, a.float("alpha"));
        let beta = a.opt_float("theta").map_or(1.0, |theta| (theta / a.int("layer") as f64 + 1.0).ln());
        let mapped = |z: crate::program::V<'b>, name| {
            let w = b.weight(name, &[width.clone(), width.clone()], glorot(width, width));
            z.scale(1.0 - beta) + z.linear(w).scale(beta)
        };
        let norm = GcnNorm::new(cx, a.bool("self_loops").then_some(1.0), a.bool("normalize"));
        let (gathered, first) = (norm.apply(x).scale(1.0 - alpha), first.scale(alpha));
        Some(Outcome::rows(match a.bool("share_weights") {
            true => mapped(gathered + first, "weight"),
            false => mapped(gathered, "weight") + mapped(first, "initial_weight"),
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GCN2Conv",
            weights: &[
                ("weight1", "weight", WeightMap::Same),
                ("weight2", "initial_weight", WeightMap::Same),
            ],
            arguments: &[("x_0", "initial"), ("shared_weights", "share_weights")],
            note: "",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let Action::Messages { gather, is_linear, .. } = super::gcn_norm::gathered(args) else {
            return Action::Messages { gather: Gather::DegreeWeighted, own: Own::Root, is_linear: true };
        };
        Action::Messages { gather, own: Own::Root, is_linear }
    }
}

#[cfg(test)]
mod tests {

    use crate::ops::testing::codes;

    #[test]
    fn theta_needs_the_number_of_the_layer() {
        let codes = |text: &str| codes(&format!("linear(6) as first -> {text} -> sum -> linear"));
        assert_eq!(codes("gcn2(initial = first, theta = 0.5, layer = 1)"), [""; 0]);
        assert_eq!(codes("gcn2(initial = first, theta = 0.5)"), ["args::does_not_fit"]);
        assert_eq!(codes("gcn2(initial = first, layer = 2)"), ["args::no_effect"]);
        assert_eq!(codes("linear(7) -> gcn2(initial = first)"), ["shape::widths_differ"]);
        assert_eq!(codes("gcn2(initial = first -> mean)"), ["levels::mixed_levels"]);
    }
}
