//! `diff_group_norm(groups)`: each row normalised in the groups that it belongs to.

use super::batch_norm::batch_norm;
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::{fixed, times};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WeightMap, WidthRule};
use crate::types::{Size, Type};

/// Differentiable group normalisation: rows belong softly to `groups`, `S = softmax(x U)`, each group's rows are normalised as batch norm
/// does it, and their sum is added: `x + λ Σ_g BN_g(s_g ∘ x)`. Rows of one group stay alike, and groups stay apart.
///
/// Paper: Zhou et al. 2020, "Towards Deeper Graph Neural Networks with Differentiable Group Normalization", eqs. 4 and 5.
/// PyG: `torch_geometric.nn.DiffGroupNorm`.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct DiffGroupNorm;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "groups",
        kind: ArgKind::Int { min: 1, max: 1024 },
        default: Default::Required,
        positional: true,
        doc: "Number of groups.",
    },
    ArgSpec {
        name: "lambda",
        kind: ArgKind::Float(Range::closed(0.0, 100.0)),
        default: Default::Float(0.01),
        positional: false,
        doc: "Weight of the normalised groups, `λ`.",
    },
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

const NAMES: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

impl Operator for DiffGroupNorm {
    fn name(&self) -> &'static str {
        "diff_group_norm"
    }
    fn family(&self) -> Family {
        Family::Normalization
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Normalises each row in the groups that it softly belongs to.",
            formula: "x + λ Σ_g BN_g(s_g ∘ x),  S = softmax(x U)",
            paper: "Zhou et al. 2020, \"Towards Deeper Graph Neural Networks with Differentiable Group Normalization\"",
            example: "gcn(32) -> diff_group_norm(4) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a) = (cx.x(), cx.args);
        let (n, width) = (a.int("groups") as usize, &cx.output.width);
        let groups = fixed(n);
        let shares = cx.map(x, "group_weight", width, &groups).softmax_columns();
        let all = times(n, width);
        let parts = shares.column() * x.view(&[Size::Known(1), width.size.clone()]);
        let parts = parts.view(std::slice::from_ref(&all.size));
        let numbers = ["momentum", "eps"].map(|name| a.float(name));
        let normed = batch_norm(cx, parts, NAMES, &all, numbers).heads(n, &width.size);
        Some(Outcome::rows(x + normed.fold_sum(0).scale(a.float("lambda"))))
    }
    fn pyg(&self) -> Pyg {
        use WeightMap::{Same, Transposed};
        Pyg {
            class: "torch_geometric.nn.DiffGroupNorm",
            weights: &[
                ("lin.weight", "group_weight", Transposed),
                ("norm.weight", "weight", Same),
                ("norm.bias", "bias", Same),
                ("norm.running_mean", "running_mean", Same),
                ("norm.running_var", "running_var", Same),
            ],
            arguments: &[("lamda", "lambda")],
            note: "",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::BatchNorm
    }
}
