//! `rgin(out, relation)`: isomorphism layer with a perceptron for each kind of edge.

use super::gin::{HIDDEN, LAYERS, MLP_WEIGHTS, mlp_widths};
use super::rgcn::{RELATION, Typed};
use super::{AGGREGATE, OUT, convolved, gather_of};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Own, Pyg, WidthRule};
use crate::types::Type;

/// Relational graph isomorphism network: `h_i = MLP(Σ_r aggregate_{j ∈ N_r(i)} MLP_r(x_j))`, with a perceptron for each kind `r` of
/// edges, and one of what they add up to. A node is its own neighbour where the data says so.
///
/// Paper: Brockschmidt 2020, "GNN-FiLM: Graph Neural Networks with Feature-wise Linear Modulation", section 2.
/// PyG: none.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes; `relation`: `[E]`, one of `R` kinds
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred, `args::no_effect` for
/// `hidden` with one layer.
#[derive(Debug)]
pub struct Rgin;

static ARGS: &[ArgSpec] = &[
    OUT,
    RELATION,
    HIDDEN,
    ArgSpec { doc: "Number of linear layers of the MLP of each kind.", ..LAYERS },
    ArgSpec {
        name: "update_layers",
        kind: ArgKind::Int { min: 0, max: UPDATE.len() as i64 },
        default: Default::Int(1),
        positional: false,
        doc: "Number of linear layers of the MLP behind the sum; 0 for none.",
    },
    ArgSpec { doc: "How the messages along edges of one kind are gathered.", ..AGGREGATE },
];

/// Names of the weight and bias of each layer of the MLP behind the sum.
const UPDATE: &[[&str; 2]] = &[
    ["update_weight_0", "update_bias_0"],
    ["update_weight_1", "update_bias_1"],
    ["update_weight_2", "update_bias_2"],
    ["update_weight_3", "update_bias_3"],
];

impl Operator for Rgin {
    fn name(&self) -> &'static str {
        "rgin"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Relational isomorphism layer: neighbours through a perceptron for each kind of edge, summed, then another.",
            formula: "h_i = MLP(Σ_r Σ_{j ∈ N_r(i)} MLP_r(x_j))",
            paper: "Brockschmidt 2020, \"GNN-FiLM: Graph Neural Networks with Feature-wise Linear Modulation\"",
            example: "rgin(32, relation = edge_labels) -> relu -> rgin(32, relation = edge_labels) -> relu -> sum -> mlp",
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
        super::gin::hidden_has_effect(cx)?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, e) = (cx.x(), cx.args, cx.edges());
        let n_out = &cx.output.width;
        let kinds = Typed::of(cx)?;
        let widths = mlp_widths(a, &cx.inputs[0].width, n_out);
        let layers = widths.windows(2).zip(MLP_WEIGHTS).enumerate();
        let message = layers.fold(e.source(x), |message, (layer, (pair, &names))| {
            kinds.linear(if layer == 0 { message } else { message.relu() }, names, &pair[0], &pair[1])
        });
        let gathered = kinds.aggregated(message);
        let update = vec![n_out.clone(); a.int("update_layers") as usize + 1];
        let gathered = if update.len() > 1 { gathered.relu() } else { gathered };
        Some(Outcome::rows(cx.mlp(gathered, &update, UPDATE)))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, args: &Args) -> Action {
        Action::Messages { gather: gather_of(args), own: Own::Absent, is_linear: false }
    }
}
