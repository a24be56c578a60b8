//! `degree_scaler([mean, max], scalers)`: readouts that the number of rows scales.

use super::one_row;
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::aggregate::{Aggregate, Rows, SCALERS, scaled_by};
use crate::ops::conv::{fixed, times};
use crate::ops::findings::{args, levels};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Pyg, WeightMap, WeightSpec, WidthRule,
};
use crate::program::{Index, V};
use crate::types::{Dim, Entity, Type};

/// Several aggregations of the rows of each graph, each scaled in several ways by the number `n` of rows: by 1, `ln(n + 1) / δ`,
/// `δ / ln(n + 1)`, `n / n̄` and `n̄ / n`, with the means over the graphs that are trained on. It is what `pna` does with the neighbours of a
/// node.
///
/// Paper: Corso et al. 2020, "Principal Neighbourhood Aggregation for Graph Nets", eq. 5.
/// PyG: `torch_geometric.nn.DegreeScalerAggregation`.
///
/// # Shapes
/// - `x`: nodes, `F` features
/// - result: one vector per graph, `s a F` features of `a` aggregations and `s` scalers, scaler by scaler
///
/// # Errors
/// `levels::needs_nodes` on clusters, slots and vectors, whose number is the same for every graph; `args::does_not_fit` for an empty list,
/// `args::no_effect` for `train_norm` where no scaler reads a mean.
#[derive(Debug)]
pub struct DegreeScaler;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "aggregates",
        kind: ArgKind::ChoiceList(Aggregate::NAMES),
        default: Default::ChoiceList(&["mean"]),
        positional: true,
        doc: "How the rows are read, side by side.",
    },
    ArgSpec {
        name: "scalers",
        kind: ArgKind::ChoiceList(SCALERS),
        default: Default::ChoiceList(&["identity", "amplification", "attenuation"]),
        positional: false,
        doc: "By what the number of rows scales them, side by side.",
    },
    ArgSpec::flag("train_norm", false, "Whether the means of the number of rows are trained."),
];

impl Operator for DegreeScaler {
    fn name(&self) -> &'static str {
        "degree_scaler"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Reads the rows of each graph in several ways, scaled by how many they are.",
            formula: "‖_s ‖_a s(n) a(x)",
            paper: "Corso et al. 2020, \"Principal Neighbourhood Aggregation for Graph Nets\"",
            example: "gin(32) -> relu -> degree_scaler([mean, max]) -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity != Entity::Nodes {
            return Err(levels::needs_nodes(cx));
        }
        let [ways, scalers] = ["aggregates", "scalers"].map(|name| cx.args.choice_list(name));
        for (name, list, example) in [("aggregates", ways, "[mean]"), ("scalers", scalers, "[linear]")] {
            if list.is_empty() {
                let help = format!("write for example `{name} = {example}`, or leave it out");
                return Err(args::does_not_fit(
                    cx,
                    name,
                    "`degree_scaler` needs at least one word here",
                    &help,
                ));
            }
        }
        if cx.args.bool("train_norm") && scalers == ["identity"] {
            return Err(args::no_effect(cx, "train_norm", "no scaler here divides by a mean"));
        }
        let Dim { size, .. } = times(ways.len() * scalers.len(), &cx.inputs[0].width);
        let reason = format!("{} aggregations, each scaled in {} ways", ways.len(), scalers.len());
        Ok(Type { width: Dim::new(size, Some(cx.span), reason), ..one_row(cx) })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, b, a) = (cx.x(), cx.b, cx.args);
        let ways = a.choice_list("aggregates").iter();
        let all: Vec<V> = ways.filter_map(|word| Some(Aggregate::find(word)?.of(&Rows(x), x))).collect();
        let all = b.concat(&all);
        let scalers = a.choice_list("scalers");
        let mean = |words: [&str; 2], name, init| {
            let is_read = scalers.iter().any(|word| words.contains(word));
            let is_trained = a.bool("train_norm");
            is_read.then(|| b.any_weight(WeightSpec { name, shape: vec![fixed(1)], init, is_trained }))
        };
        let n = b.count(Index::Graph).view(&[crate::types::Size::Known(1)]);
        let mean_size = mean(["linear", "inverse_linear"], "mean_size", Init::MeanSize);
        let mean_log = mean(["amplification", "attenuation"], "mean_log_size", Init::MeanLogSize);
        let scaled = scalers
            .iter()
            .map(|word| scaled_by(word, n, mean_size, mean_log).map_or(all, |scale| all * scale));
        Some(Outcome::graphs(b.concat(&scaled.collect::<Vec<_>>())))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.DegreeScalerAggregation",
            weights: &[
                ("avg_deg_lin", "mean_size", WeightMap::Same),
                ("avg_deg_log", "mean_log_size", WeightMap::Same),
            ],
            arguments: &[("aggr", "aggregates"), ("scaler", "scalers")],
            note: "PyG's `deg` are the numbers of rows in the training data, which are counted here.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let has_sum = args.choice_list("aggregates").contains(&"sum");
        Action::Readout(if has_sum { Gather::Sum } else { Gather::Other })
    }
}
