//! `batch_norm`: each feature normalised over all rows of the batch.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WeightSpec, WidthRule};
use crate::program::V;
use crate::program::composite::Composite;
use crate::types::{Dim, Type};

/// Normalises each feature over all rows of the batch: `γ (x − E[x]) / √(Var[x] + ε) + β`. While training
/// the statistics are those of the batch (variance biased), and running ones are updated (variance
/// unbiased); in evaluation the running ones are used.
///
/// Paper: Ioffe and Szegedy 2015, "Batch Normalization".
/// PyG: `torch_geometric.nn.BatchNorm`, `torch.nn.BatchNorm1d`. On clusters it counts every cluster as a
/// row, as PyG's DiffPool example does.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct BatchNorm;

const NAMES: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// Batch norm with weights of these names: weight, bias, running mean and variance.
pub fn batch_norm<'b>(
    cx: &ProgramCx<'_, 'b>,
    x: V<'b>,
    names: [&'static str; 4],
    width: &Dim,
    [momentum, eps]: [f64; 2],
) -> V<'b> {
    let vector = |name, init, is_trained| {
        cx.b.any_weight(WeightSpec { name, shape: vec![width.clone()], init, is_trained })
    };
    let [weight, bias, mean, var] = names;
    let args = [
        x,
        vector(weight, Init::Ones, true),
        vector(bias, Init::Zeros, true),
        vector(mean, Init::Zeros, false),
        vector(var, Init::Ones, false),
    ];
    cx.b.call(Composite::BatchNorm { momentum, eps }, &args)
}

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "momentum",
        kind: ArgKind::Float(Range::open_closed(0.0, 1.0)),
        default: Default::Float(0.1),
        positional: false,
        doc: "Weight of the newest batch in the running statistics.",
    },
    ArgSpec {
        name: "eps",
        kind: ArgKind::Float(Range::closed(1e-15, 1.0)),
        default: Default::Float(1e-5),
        positional: false,
        doc: "Added to the variance, so that a constant feature does not divide by zero.",
    },
];

impl Operator for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }
    fn family(&self) -> Family {
        Family::Normalization
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Normalises each feature over all rows of the batch.",
            formula: "γ (x − E[x]) / √(Var[x] + ε) + β",
            paper: "Ioffe and Szegedy 2015, \"Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift\"",
            example: "gcn(32) -> batch_norm -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        Ok(cx.inputs[0].clone())
    }

    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let numbers = ["momentum", "eps"].map(|name| cx.args.float(name));
        Some(Outcome::rows(batch_norm(cx, cx.x(), NAMES, &cx.output.width, numbers)))
    }
    fn pyg(&self) -> Pyg {
        use WeightMap::Same;
        Pyg {
            class: "torch_geometric.nn.BatchNorm",
            weights: &[
                ("module.weight", "weight", Same),
                ("module.bias", "bias", Same),
                ("module.running_mean", "running_mean", Same),
                ("module.running_var", "running_var", Same),
            ],
            arguments: &[],
            note: "`torch.nn.BatchNorm1d` has the same names without `module.`",
        }
    }

    fn action(&self, _: &Args) -> Action {
        Action::BatchNorm
    }
}
