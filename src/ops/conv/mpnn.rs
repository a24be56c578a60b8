//! `mpnn(out, edge)`: messages by matrices of the edges, read by a GRU.

use super::gated_graph::Gru;
use super::nn_conv::EdgeMatrices;
use super::{AGGREGATE, EDGE, OUT, convolved, gather_of};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Own, Pyg, WidthRule};
use crate::types::{Size, Type};

/// Message passing neural network: from the features, filled up with zeros to `F_out`, `steps` times
/// `h_i ← GRU(Σ_{j ∈ N(i)} A(e_ij)ᵀ h_j, h_i)`, where a perceptron makes the matrix `A(e_ij)` of an edge's features, the same in every step.
/// With `set2set` behind it, this is the network of the paper.
///
/// Paper: Gilmer et al. 2017, "Neural Message Passing for Quantum Chemistry", sections 2 and 5.1.
/// PyG: none; its example `qm9_nn_conv.py` writes it with `NNConv` and `torch.nn.GRU`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes; `edge`: `[E, F_e]`
/// - result: `[N, F_out]`, `F_out ≥ F_in`
///
/// # Errors
/// Those of `gated_graph` and `nn_conv`.
#[derive(Debug)]
pub struct Mpnn;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec { default: Default::Required, ..EDGE },
    ArgSpec {
        name: "steps",
        kind: ArgKind::Int { min: 1, max: 64 },
        default: Default::Int(3),
        positional: false,
        doc: "How many times messages are sent and read.",
    },
    ArgSpec {
        doc: "Width of the hidden layers of the network that makes the matrices.",
        ..super::gin::HIDDEN
    },
    ArgSpec { doc: "Number of linear layers of the network that makes the matrices.", ..super::gin::LAYERS },
    AGGREGATE,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Mpnn {
    fn name(&self) -> &'static str {
        "mpnn"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Message passing network: messages by matrices made of the edges, read by a GRU that keeps a node's state.",
            formula: "h_i ← GRU(Σ_{j ∈ N(i)} A(e_ij)ᵀ h_j, h_i), T times, from h = [x ∥ 0]",
            paper: "Gilmer et al. 2017, \"Neural Message Passing for Quantum Chemistry\"",
            example: "mpnn(16, edge = edges, steps = 3) -> set2set(3) -> mlp",
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
        let width = findings::shape::output_width(cx, "out")?;
        super::gated_graph::holds_features(cx, &width)?;
        convolved(cx, width)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a) = (cx.x(), cx.args);
        let (n_in, width) = (&cx.inputs[0].width, &cx.output.width);
        let matrices = EdgeMatrices::new(cx, width, width)?;
        let gru = Gru::new(cx, ["gru_input", "gru_hidden", "gru_input_bias", "gru_hidden_bias"], width, true);
        let start = if n_in.size == width.size { x } else { x.pad(0, Size::Known(0), width.size.clone()) };
        Some(Outcome::rows((0..a.int("steps")).fold(start, |h, _| gru.read(matrices.gathered(cx, h), h))))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, args: &Args) -> Action {
        Action::Messages { gather: gather_of(args), own: Own::Root, is_linear: false }
    }
}
