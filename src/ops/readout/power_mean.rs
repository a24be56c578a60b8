//! `power_mean(p)`: the mean of powers, and the root of it.

use super::one_row;
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::fixed;
use crate::ops::findings::{args, levels};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Pyg, WeightMap, WidthRule};
use crate::program::{Index, V};
use crate::types::{Entity, Type};

/// `(1/n Σ_i x_i^p)^(1/p)`, feature by feature: the mean for `p = 1`, near the maximum for large `p`, near the minimum for
/// small ones. Powers are taken of positive numbers, so values count as `clamp_min` at least and `clamp_max` at most, before
/// and after the mean.
///
/// Paper: Li et al. 2020, "DeeperGCN: All You Need to Train Deeper GCNs", section 3.2.
/// PyG: `torch_geometric.nn.PowerMeanAggregation`, whose default `p = 1` without training is the mean; here 2.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: one vector per graph, `F` features; a graph without rows gives `clamp_min`
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph; `args::does_not_fit` for `p = 0`, for a fixed `p = 1`, and
/// for bounds that leave nothing between them; `args::no_effect` for `per_channel` where `p` is not trained.
#[derive(Debug)]
pub struct PowerMean;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "p",
        kind: ArgKind::Float(Range::closed(-100.0, 100.0)),
        default: Default::Float(2.0),
        positional: true,
        doc: "The power, not 0; where it is trained, what it begins at.",
    },
    ArgSpec::flag("learn_p", false, "Whether `p` is trained."),
    ArgSpec::flag("per_channel", false, "Whether each feature has a trained `p` of its own."),
    ArgSpec {
        name: "clamp_min",
        kind: ArgKind::Float(Range::closed(1e-12, 1e6)),
        default: Default::Float(1e-4),
        positional: false,
        doc: "What smaller values count as.",
    },
    ArgSpec {
        name: "clamp_max",
        kind: ArgKind::Float(Range::closed(1e-12, 1e6)),
        default: Default::Float(100.0),
        positional: false,
        doc: "What larger values count as.",
    },
];

impl Operator for PowerMean {
    fn name(&self) -> &'static str {
        "power_mean"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Takes the power mean of each feature over the rows of each graph.",
            formula: "(1/n Σ_i x_i^p)^(1/p)",
            paper: "Li et al. 2020, \"DeeperGCN: All You Need to Train Deeper GCNs\"",
            example: "gcn(32) -> relu -> power_mean(3, learn_p = true) -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        let (p, is_trained) = (cx.args.float("p"), cx.args.bool("learn_p"));
        if p == 0.0 {
            let message = "`power_mean` takes the root of order `p`, and there is none of order 0";
            return Err(args::does_not_fit(cx, "p", message, "write another number, for example `p = 2`"));
        }
        if p == 1.0 && !is_trained {
            let help = "write `mean`, another `p`, or `learn_p = true` to learn it";
            return Err(args::does_not_fit(cx, "p", "`power_mean(1)` is the mean", help));
        }
        if cx.args.bool("per_channel") && !is_trained {
            return Err(args::no_effect(
                cx,
                "per_channel",
                "`p` is not trained, so it is the same everywhere",
            ));
        }
        let [min, max] = ["clamp_min", "clamp_max"].map(|name| cx.args.float(name));
        if min >= max {
            let arg = if cx.args.is_written("clamp_min") { "clamp_min" } else { "clamp_max" };
            let message =
                format!("`clamp_min` = {min} is not below `clamp_max` = {max}: nothing lies between them");
            return Err(args::does_not_fit(cx, arg, &message, "write bounds between which the values lie"));
        }
        Ok(one_row(cx))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a) = (cx.x(), cx.args);
        let p = a.float("p");
        let bounded = |x: V<'b>| x.at_least(a.float("clamp_min")).at_most(a.float("clamp_max"));
        if !a.bool("learn_p") {
            let mean = bounded(x).power(p).mean(Index::Graph);
            return Some(Outcome::graphs(bounded(mean).power(1.0 / p)));
        }
        let width = if a.bool("per_channel") { cx.inputs[0].width.clone() } else { fixed(1) };
        let p = cx.b.weight("p", &[width], Init::Constant(p));
        let mean = (bounded(x).ln() * p).exp().mean(Index::Graph);
        Some(Outcome::graphs((bounded(mean).ln() / p).exp()))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.PowerMeanAggregation",
            weights: &[("p", "p", WeightMap::Same)],
            arguments: &[("learn", "learn_p")],
            note: "PyG's `learn` is `learn_p`, and `channels = F` is `per_channel`; its default `p` is 1.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Other)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::codes;

    #[test]
    fn powers_that_are_none_are_refused() {
        let codes = |text: &str| codes(&format!("gcn(8) -> relu -> power_mean({text}) -> linear"));
        assert_eq!(codes("3"), [""; 0]);
        assert_eq!(codes("1, learn_p = true, per_channel = true"), [""; 0]);
        for text in ["0", "1", "0, learn_p = true", "2, clamp_min = 3, clamp_max = 2"] {
            assert_eq!(codes(text), ["args::does_not_fit"], "{text}");
        }
        assert_eq!(codes("2, per_channel = true"), ["args::no_effect"]);
    }
}
