//! `gnn_mlp(out, relation)`: messages by a perceptron of both ends, for each kind of edge.

use super::gin::{HIDDEN, LAYERS, MLP_WEIGHTS, mlp_widths};
use super::rgcn::{RELATION, Typed};
use super::{AGGREGATE, OUT, convolved, gather_of};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Own, Pyg, WidthRule};
use crate::types::Type;

/// GNN with edge perceptrons: `h_i = Σ_r aggregate_{j ∈ N_r(i)} MLP_r(x_j ∥ x_i)`, with a perceptron for each kind `r` of edges.
///
/// Paper: Brockschmidt 2020, "GNN-FiLM: Graph Neural Networks with Feature-wise Linear Modulation", section 2, GNN-MLP.
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
pub struct GnnMlp;

static ARGS: &[ArgSpec] = &[
    OUT,
    RELATION,
    HIDDEN,
    ArgSpec { doc: "Number of linear layers of the MLP of each kind.", ..LAYERS },
    ArgSpec { doc: "How the messages along edges of one kind are gathered.", ..AGGREGATE },
];

impl Operator for GnnMlp {
    fn name(&self) -> &'static str {
        "gnn_mlp"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Relational layer whose messages are a perceptron of both ends, one for each kind of edge.",
            formula: "h_i = Σ_r Σ_{j ∈ N_r(i)} MLP_r(x_j ∥ x_i)",
            paper: "Brockschmidt 2020, \"GNN-FiLM: Graph Neural Networks with Feature-wise Linear Modulation\"",
            example: "gnn_mlp(32, relation = edge_labels) -> relu -> gnn_mlp(32, relation = edge_labels) -> relu -> sum -> mlp",
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
        let kinds = Typed::of(cx)?;
        let widths = mlp_widths(a, &cx.inputs[0].width, &cx.output.width);
        let ends = kinds.map(e.source(x), "weight_0", &widths[0], &widths[1])
            + kinds.map(e.target(x), "target", &widths[0], &widths[1]);
        let first = ends + kinds.bias("bias_0", &widths[0], &widths[1]);
        let layers = widths[1..].windows(2).zip(&MLP_WEIGHTS[1..]);
        let message = layers
            .fold(first, |message, (pair, &names)| kinds.linear(message.relu(), names, &pair[0], &pair[1]));
        Some(Outcome::rows(kinds.aggregated(message)))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, args: &Args) -> Action {
        Action::Messages { gather: gather_of(args), own: Own::Root, is_linear: false }
    }
}
