//! `batch_norm`: each feature normalised over all rows of the batch.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ir::Type;
use crate::kernels::{self, Activation};
use crate::lower::{LowerCx, Module, map_rows};
use crate::ops::{
    Action, Doc, FactCx, Family, InferCx, Init, Operator, Ports, Pyg, WeightMap, WeightSpec, WidthRule,
    trace::{self, Trace},
};
use candle_core::Result;

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
        kind: ArgKind::Float(Range::open_closed(0.0, 1.0)),
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
    fn ports(&self) -> Ports {
        Ports::One
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        Ok(cx.inputs[0].clone())
    }

    fn weights(&self, cx: &FactCx) -> Vec<WeightSpec> {
        let vector = |name, init, is_trained| WeightSpec {
            name,
            shape: vec![cx.output.width.clone()],
            init,
            is_trained,
        };
        vec![
            vector("weight", Init::Ones, true),
            vector("bias", Init::Zeros, true),
            vector("running_mean", Init::Zeros, false),
            vector("running_var", Init::Ones, false),
        ]
    }
    fn trace(&self, _: &FactCx, inputs: &[trace::Value], step: &mut Trace) -> trace::Value {
        inputs[0].with(step.batch_norm(inputs[0].x, step.activation))
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
            note: "`torch.nn.BatchNorm1d` has the same names without `module.`",
        }
    }
    fn fuses_activation(&self) -> bool {
        true
    }
    fn as_activation(&self, _: &Args) -> Option<Activation> {
        None
    }

    fn action(&self, _: &Args) -> Action {
        Action::BatchNorm
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        let (weight, bias) = (cx.weights.tensor("weight"), cx.weights.tensor("bias"));
        let mean = cx.weights.get("running_mean").clone();
        let var = cx.weights.get("running_var").clone();
        let (momentum, eps) = (cx.args.float("momentum"), cx.args.float("eps"));
        let activation = cx.activation;
        Ok(map_rows(move |value, step| {
            let running = (&mean, &var);
            kernels::batch_norm(&value.x, &weight, &bias, running, momentum, eps, step.train, activation)
        }))
    }
}
