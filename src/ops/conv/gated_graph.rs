//! `gated_graph(out)`: messages read by a GRU.

use super::{ANY_AGGREGATE, BIAS, OUT, WEIGHT, aggregated, convolved, fits_clusters, gather_of, times};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::ops::{facts, findings};
use crate::program::V;
use crate::types::{Dim, Size, Type};

/// Gated graph network: from the features, filled up with zeros to `F_out`, `steps` times `h_i ← GRU(Σ_{j ∈ N(i)} w_ij
/// h_j W_t, h_i)`, with a matrix for each step and one GRU.
///
/// Paper: Li et al. 2016, "Gated Graph Sequence Neural Networks", eqs. 1 to 6.
/// PyG: `torch_geometric.nn.GatedGraphConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F_out]`, `F_out ≥ F_in`
///
/// # Errors
/// `args::does_not_fit` where the result is narrower than the features; those of `graph_conv`.
#[derive(Debug)]
pub struct GatedGraph;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "steps",
        kind: ArgKind::Int { min: 1, max: 64 },
        default: Default::Int(3),
        positional: false,
        doc: "How many times messages are sent and read.",
    },
    ANY_AGGREGATE,
    ArgSpec { doc: "Whether the GRU has learned vectors.", ..BIAS },
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
];

/// # Errors
/// `args::does_not_fit` where a state of this width does not hold the features.
pub fn holds_features(cx: &InferCx, width: &Dim) -> Result<(), Diagnostic> {
    let name = cx.op.name();
    match (cx.inputs[0].width.known(), width.known()) {
        (Some(n_in), Some(n_out)) if n_out < n_in => Err(findings::args::does_not_fit(
            cx,
            "out",
            &format!("`{name}` keeps the {n_in} features in its state, which is {n_out} wide"),
            &format!("write `out = {n_in}` or more, or `linear({n_out})` before it"),
        )),
        _ => Ok(()),
    }
}

impl Operator for GatedGraph {
    fn name(&self) -> &'static str {
        "gated_graph"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Gated graph network: messages through a matrix for each step, read by a GRU that keeps a node's state.",
            formula: "h_i ← GRU(Σ_{j ∈ N(i)} w_ij W_tᵀ h_j, h_i), t = 1 … T, from h = [x ∥ 0]",
            paper: "Li et al. 2016, \"Gated Graph Sequence Neural Networks\"",
            example: "gated_graph(64, steps = 3) -> mean -> linear",
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
        fits_clusters(cx)?;
        let width = findings::shape::output_width(cx, "out")?;
        holds_features(cx, &width)?;
        convolved(cx, width)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (n_in, width) = (&cx.inputs[0].width, &cx.output.width);
        let init = Init::KaimingUniform { fan_in: facts::known(width) };
        let steps = Dim::new(Size::Known(a.int("steps") as usize), None, "");
        let matrices = b.weight("weight", &[steps, width.clone(), width.clone()], init);
        let gru = Gru::new(
            cx,
            ["gru_input", "gru_hidden", "gru_input_bias", "gru_hidden_bias"],
            width,
            a.bool("bias"),
        );
        let weight = cx.named("weight").map(|weight| weight.view(&[]));
        let mut h = if n_in.size == width.size { x } else { x.pad(0, Size::Known(0), width.size.clone()) };
        for step in 0..a.int("steps") as usize {
            let w = matrices.slice(0, Size::Known(step), Size::Known(1));
            let message = e.source(h.linear(w.view(&[width.size.clone(), width.size.clone()])));
            let message = weight.map_or(message, |weight| message.mul_rows(weight));
            let gathered = aggregated(a, e, message);
            h = gru.read(gathered, h);
        }
        Some(Outcome::rows(h))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GatedGraphConv",
            weights: &[
                ("weight", "weight", WeightMap::Same),
                ("rnn.weight_ih", "gru_input", WeightMap::Transposed),
                ("rnn.weight_hh", "gru_hidden", WeightMap::Transposed),
                ("rnn.bias_ih", "gru_input_bias", WeightMap::Same),
                ("rnn.bias_hh", "gru_hidden_bias", WeightMap::Same),
            ],
            arguments: &[("num_layers", "steps")],
            note: "",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let gather = gather_of(args);
        Action::Messages { gather, own: Own::Root, is_linear: false }
    }
}

/// A gated recurrent unit, `torch.nn.GRUCell`.
pub struct Gru<'b> {
    input: V<'b>,
    hidden: V<'b>,
    biases: Option<[V<'b>; 2]>,
    width: Size,
}

impl<'b> Gru<'b> {
    /// Weights and biases of the input and of the state, all three gates beside each other: reset, update, new.
    pub fn new(cx: &ProgramCx<'_, 'b>, names: [&'static str; 4], width: &Dim, has_bias: bool) -> Self {
        let init = Init::KaimingUniform { fan_in: facts::known(width) };
        let gates = times(3, width);
        let matrix = |name| cx.b.weight(name, &[width.clone(), gates.clone()], init);
        let (input, hidden) = (matrix(names[0]), matrix(names[1]));
        let biases = has_bias
            .then(|| [names[2], names[3]].map(|name| cx.b.weight(name, std::slice::from_ref(&gates), init)));
        Self { input, hidden, biases, width: width.size.clone() }
    }

    /// The state after an input was read.
    pub fn read(&self, x: V<'b>, h: V<'b>) -> V<'b> {
        let (mut of_x, mut of_h) = (x.linear(self.input), h.linear(self.hidden));
        if let Some([input, hidden]) = self.biases {
            (of_x, of_h) = (of_x + input, of_h + hidden);
        }
        let gate = |v: V<'b>, n: usize| {
            v.slice(0, Size::product([Size::Known(n), self.width.clone()]), self.width.clone())
        };
        let reset = (gate(of_x, 0) + gate(of_h, 0)).sigmoid();
        let update = (gate(of_x, 1) + gate(of_h, 1)).sigmoid();
        let new = (gate(of_x, 2) + reset * gate(of_h, 2)).tanh();
        new + update * (h - new)
    }
}
