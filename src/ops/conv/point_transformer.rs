//! `point_transformer(out, position)`: attention of vectors by where neighbours lie.

use super::position::{POSITION, Perceptron, SELF_LOOPS, is_beside, widths};
use super::{MAX_WIDTH, OUT, convolved};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::program::V;
use crate::types::Type;

/// Point transformer: `h_i = Σ_{j ∈ N(i) ∪ {i}} α_ij ⊙ (W x_j + δ_ij)`, with `α_ij` the softmax over `j`, feature by feature, of
/// `γ(W_t x_i − W_s x_j + δ_ij)` and `δ_ij = φ(p_i − p_j)`, where `φ` is a perceptron and `γ` is one or nothing.
///
/// Paper: Zhao et al. 2021, "Point Transformer", eqs. 2 to 4.
/// PyG: `torch_geometric.nn.PointTransformerConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `position`: the same rows, `D` columns
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `levels::mixed_levels` where `position` is not of the same rows, `shape::no_width`
/// where `out` cannot be inferred.
#[derive(Debug)]
pub struct PointTransformer;

const LAYERS: usize = 3;

static PLACE: [[&str; 2]; LAYERS] = [
    ["position_weight_0", "position_bias_0"],
    ["position_weight_1", "position_bias_1"],
    ["position_weight_2", "position_bias_2"],
];
static ATTENTION: [[&str; 2]; LAYERS] = [
    ["attention_weight_0", "attention_bias_0"],
    ["attention_weight_1", "attention_bias_1"],
    ["attention_weight_2", "attention_bias_2"],
];

static ARGS: &[ArgSpec] = &[
    OUT,
    POSITION,
    ArgSpec {
        name: "position_hidden",
        kind: ArgKind::IntList { min: 1, max: MAX_WIDTH, max_len: LAYERS - 1 },
        default: Default::IntList(&[]),
        positional: false,
        doc: "Widths of the hidden layers of the perceptron `φ`, with `relu` between its layers.",
    },
    ArgSpec {
        name: "attention_hidden",
        kind: ArgKind::IntList { min: 1, max: MAX_WIDTH, max_len: LAYERS - 1 },
        default: Default::Inferred("no perceptron `γ`"),
        positional: false,
        doc: "Widths of the hidden layers of the perceptron `γ`; `[]` for a single linear layer.",
    },
    SELF_LOOPS,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for PointTransformer {
    fn name(&self) -> &'static str {
        "point_transformer"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Point transformer: attention of its own for each feature, by differences of rows and of positions.",
            formula: "h_i = Σ_{j ∈ N(i) ∪ {i}} softmax_j(γ(W_t x_i − W_s x_j + δ_ij)) ⊙ (W x_j + δ_ij),  δ_ij = φ(p_i − p_j)",
            paper: "Zhao et al. 2021, \"Point Transformer\"",
            example: "linear(32) -> relu -> point_transformer(32, position = input, attention_hidden = [32]) -> relu -> max -> linear",
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
        is_beside(cx, "position")?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a) = (cx.x(), cx.args);
        let (p, n_dims) = cx.named_with_width("position")?;
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let has_loops = a.bool("self_loops");
        let e = if has_loops { cx.edges_without_loops() } else { cx.edges() };
        let [value, source, target] = ["weight", "source", "target"].map(|name| cx.map(x, name, n_in, n_out));
        let place = Perceptron::new(cx, &widths(a, "position_hidden", n_dims, n_out)?, &PLACE);
        let attention = widths(a, "attention_hidden", n_out, n_out);
        let attention = attention.map(|widths| Perceptron::new(cx, &widths, &ATTENTION));
        let score = |v: V<'b>| attention.as_ref().map_or(v, |network| network.of(&[(Some(v), n_out)]));
        let delta = place.of(&[(Some(e.target(p) - e.source(p)), n_dims)]);
        let message = e.source(value) + delta;
        let pair = score(e.target(target) - e.source(source) + delta);
        Some(Outcome::rows(if has_loops {
            // A node lies where it lies.
            let delta = place.of(&[(None, n_dims)]);
            let (shares, own) = e.softmax_beside(pair, score(target - source + delta));
            e.sum_of_shares(message * shares) + (value + delta) * own
        } else {
            e.sum_of_shares(message * e.softmax(pair))
        }))
    }
    fn pyg(&self) -> Pyg {
        use WeightMap::{Same, Transposed};
        Pyg {
            class: "torch_geometric.nn.PointTransformerConv",
            weights: &[
                ("lin.weight", "weight", Transposed),
                ("lin_src.weight", "source", Transposed),
                ("lin_dst.weight", "target", Transposed),
                ("pos_nn.weight", "position_weight_0", Transposed),
                ("pos_nn.bias", "position_bias_0", Same),
                ("pos_nn.0.weight", "position_weight_0", Transposed),
                ("pos_nn.0.bias", "position_bias_0", Same),
                ("pos_nn.2.weight", "position_weight_1", Transposed),
                ("pos_nn.2.bias", "position_bias_1", Same),
                ("pos_nn.4.weight", "position_weight_2", Transposed),
                ("pos_nn.4.bias", "position_bias_2", Same),
                ("attn_nn.0.weight", "attention_weight_0", Transposed),
                ("attn_nn.0.bias", "attention_bias_0", Same),
                ("attn_nn.2.weight", "attention_weight_1", Transposed),
                ("attn_nn.2.bias", "attention_bias_1", Same),
                ("attn_nn.4.weight", "attention_weight_2", Transposed),
                ("attn_nn.4.bias", "attention_bias_2", Same),
            ],
            arguments: &[("pos", "position"), ("pos_nn", "position_hidden"), ("attn_nn", "attention_hidden")],
            note: "Its networks are those of `Sequential`s of `Linear` and `ReLU`.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let own = if args.bool("self_loops") { Own::SelfLoop } else { Own::Absent };
        Action::Messages { gather: Gather::Attention, own, is_linear: false }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn positions_lie_beside_the_rows() {
        let text = "linear(8) -> point_transformer(6, position = input) -> max -> linear";
        assert_eq!(types(text, None)[2], "nodes[N, 6]");
        let of = |args: &str| codes(&format!("linear(8) -> point_transformer({args}) -> max -> linear"));
        assert_eq!(of("6, position = input -> mean"), ["levels::mixed_levels"]);
        assert_eq!(of("6"), ["args::missing"]);
        assert_eq!(of("6, position = input, position_hidden = [4], attention_hidden = []"), [""; 0]);
    }
}
