//! `linear(out)`: one dense layer.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{shape, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WidthRule, facts};
use crate::types::Type;

/// Dense layer on each row: `x W + b`.
///
/// PyG: `torch_geometric.nn.Linear`, `torch.nn.Linear`.
///
/// # Shapes
/// - `x`: any rows, `F_in` features
/// - result: those rows, `out` features
///
/// # Errors
/// `shape::width_mismatch` if `F_in` differs from a stated `in`; `shape::no_width` if `out` is left out
/// where neither the task nor a pooling asks for a width.
#[derive(Debug)]
pub struct Linear;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "out",
        kind: ArgKind::Int { min: 1, max: 1 << 20 },
        default: Default::Inferred(
            "inferred from the task, or from the clusters of the pooling that it assigns nodes to",
        ),
        positional: true,
        doc: "Number of features of the result.",
    },
    ArgSpec {
        name: "in",
        kind: ArgKind::Int { min: 1, max: 1 << 20 },
        default: Default::Inferred("the width of the input"),
        positional: false,
        doc: "Number of features expected of the input; any other is an error.",
    },
    ArgSpec::flag("bias", true, "Whether a learned vector is added."),
];

impl Operator for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }
    fn family(&self) -> Family {
        Family::Dense
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "A dense layer on the features of each row.",
            formula: "x W + b",
            paper: "",
            example: "gcn(32) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }

    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        if let Some(expected) = shape::written_width(cx, "in")
            && shape::differ(&expected.size, &cx.inputs[0].width.size)
        {
            let help =
                format!("write `in = {}`, or leave `in` out and it is inferred", cx.inputs[0].width.size);
            return Err(shape::width_mismatch(cx, 0, &expected, help));
        }
        let width = shape::output_width(cx, "out")?;
        Ok(Type { width, symmetry: symmetry::kept(cx), ..cx.inputs[0].clone() })
    }

    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (b, width) = (cx.b, &cx.output.width);
        let init = Init::KaimingUniform { fan_in: facts::known(&cx.inputs[0].width) };
        let w = b.weight("weight", &[cx.inputs[0].width.clone(), width.clone()], init);
        let bias = cx.args.bool("bias").then(|| b.weight("bias", std::slice::from_ref(width), init));
        Some(Outcome::rows(cx.affine(cx.x(), w, bias)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.Linear",
            weights: &[("weight", "weight", WeightMap::Transposed), ("bias", "bias", WeightMap::Same)],
            arguments: &[],
            note: "",
        }
    }

    fn action(&self, _: &Args) -> Action {
        Action::Dense { is_affine: true, has_batch_norm: false }
    }
}
