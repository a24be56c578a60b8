//! `deep_sets(out)`: a network of the sum of what a network makes of each row.

use super::one_row;
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::{MAX_WIDTH, OUT, fixed};
use crate::ops::findings::{levels, shape};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Pyg, WeightMap, WidthRule};
use crate::program::Index;
use crate::types::{Dim, Entity, Type};

/// Deep sets: `ρ(Σ_i φ(x_i))` with perceptrons `φ` and `ρ`. Every function of a set that does not depend on an order can be
/// written so.
///
/// Paper: Zaheer et al. 2017, "Deep Sets", theorem 2.
/// PyG: `torch_geometric.nn.DeepSetsAggregation`; other networks than perceptrons are written
/// `… -> sum -> …`.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: one vector per graph, `out` features
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct DeepSets;

/// Names of the weight and bias of each layer before the sum.
const LOCAL: &[[&str; 2]] = &[
    ["local_weight_0", "local_bias_0"],
    ["local_weight_1", "local_bias_1"],
    ["local_weight_2", "local_bias_2"],
];

/// Names of the weight and bias of each layer behind it.
const GLOBAL: &[[&str; 2]] = &[
    ["global_weight_0", "global_bias_0"],
    ["global_weight_1", "global_bias_1"],
    ["global_weight_2", "global_bias_2"],
];

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "local",
        kind: ArgKind::IntList { min: 1, max: MAX_WIDTH, max_len: LOCAL.len() },
        default: Default::Inferred("two layers as wide as the input"),
        positional: false,
        doc: "Widths of the layers of `φ`, first to last, with `relu` between them; `[]` for none.",
    },
    ArgSpec {
        name: "hidden",
        kind: ArgKind::IntList { min: 1, max: MAX_WIDTH, max_len: GLOBAL.len() - 1 },
        default: Default::Inferred("one hidden layer as wide as what is summed"),
        positional: false,
        doc: "Widths of the hidden layers of `ρ`, which ends in `out`; `[]` for none.",
    },
];

impl Operator for DeepSets {
    fn name(&self) -> &'static str {
        "deep_sets"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "A network of the sum of what a network makes of each row.",
            formula: "ρ(Σ_i φ(x_i))",
            paper: "Zaheer et al. 2017, \"Deep Sets\"",
            example: "gcn(32) -> relu -> deep_sets(16) -> relu -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        Ok(Type { width: shape::output_width(cx, "out")?, ..one_row(cx) })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let n_in = &cx.inputs[0].width;
        let fixed = |widths: &[i64]| -> Vec<Dim> { widths.iter().map(|&n| fixed(n as usize)).collect() };
        let mut local = vec![n_in.clone()];
        match cx.args.int_list("local") {
            Some(widths) => local.extend(fixed(widths)),
            None => local.extend([n_in.clone(), n_in.clone()]),
        }
        let summed = local[local.len() - 1].clone();
        let mut global = vec![summed.clone()];
        match cx.args.int_list("hidden") {
            Some(widths) => global.extend(fixed(widths)),
            None => global.push(summed),
        }
        global.push(cx.output.width.clone());
        let sum = cx.mlp(cx.x(), &local, LOCAL).sum(Index::Graph);
        Some(Outcome::graphs(cx.mlp(sum, &global, GLOBAL)))
    }
    fn pyg(&self) -> Pyg {
        use WeightMap::{Same, Transposed};
        Pyg {
            class: "torch_geometric.nn.DeepSetsAggregation",
            weights: &[
                ("local_nn.0.weight", "local_weight_0", Transposed),
                ("local_nn.0.bias", "local_bias_0", Same),
                ("local_nn.2.weight", "local_weight_1", Transposed),
                ("local_nn.2.bias", "local_bias_1", Same),
                ("global_nn.0.weight", "global_weight_0", Transposed),
                ("global_nn.0.bias", "global_bias_0", Same),
                ("global_nn.2.weight", "global_weight_1", Transposed),
                ("global_nn.2.bias", "global_bias_1", Same),
            ],
            arguments: &[("local_nn", "local"), ("global_nn", "hidden")],
            note: "`local_nn` and `global_nn` are networks in PyG and widths here; further layers follow the pattern.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Other)
    }
}
