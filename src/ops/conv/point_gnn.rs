//! `point_gnn(position)`: messages of points whose places are adjusted.

use super::position::{AGGREGATE, POSITION, Perceptron, fits_aggregate, is_beside, together, widths};
use super::{MAX_WIDTH, convolved, gather_of};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::aggregate::Aggregate;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::types::Type;

/// Message passing between points: `x_i + g(max_{j ∈ N(i)} f(p_j − p_i + h(x_i) ∥ x_j))` with perceptrons `f`, `g` and `h`. `h` moves the
/// place that neighbours are seen from, so that the result depends less on where exactly a point lies.
///
/// Paper: Shi and Rajkumar 2020, "Point-GNN: Graph Neural Network for 3D Object Detection in a Point Cloud", eqs. 4 and 5.
/// PyG: `torch_geometric.nn.PointGNNConv`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes or clusters; `position`: the same rows, `D` columns
/// - result: `[N, F]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `levels::mixed_levels` where `position` is not of the same rows,
/// `args::does_not_fit` for `max` on clusters.
#[derive(Debug)]
pub struct PointGnn;

const LAYERS: usize = 3;

macro_rules! names {
    ($prefix:literal) => {
        [
            [concat!($prefix, "_weight_0"), concat!($prefix, "_bias_0")],
            [concat!($prefix, "_weight_1"), concat!($prefix, "_bias_1")],
            [concat!($prefix, "_weight_2"), concat!($prefix, "_bias_2")],
        ]
    };
}

static MOVE: [[&str; 2]; LAYERS] = names!("move");
static MESSAGE: [[&str; 2]; LAYERS] = names!("message");
static UPDATE: [[&str; 2]; LAYERS] = names!("update");

const fn hidden(name: &'static str, doc: &'static str) -> ArgSpec {
    ArgSpec {
        name,
        kind: ArgKind::IntList { min: 1, max: MAX_WIDTH, max_len: LAYERS - 1 },
        default: Default::Inferred("one as wide as the input"),
        positional: false,
        doc,
    }
}

static ARGS: &[ArgSpec] = &[
    ArgSpec { positional: true, ..POSITION },
    hidden("move_hidden", "Widths of the hidden layers of the perceptron `h`; `[]` for none."),
    hidden(
        "message_hidden",
        "Widths of the hidden layers of the perceptron `f`, whose result is as wide as the input; `[]` for none.",
    ),
    hidden("hidden", "Widths of the hidden layers of the perceptron `g`; `[]` for none."),
    ArgSpec {
        name: "message",
        kind: ArgKind::Int { min: 1, max: MAX_WIDTH },
        default: Default::Inferred("as wide as the input"),
        positional: false,
        doc: "Width of the messages, the result of `f`.",
    },
    AGGREGATE,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for PointGnn {
    fn name(&self) -> &'static str {
        "point_gnn"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Messages between points, seen from a place that a perceptron of the node moves.",
            formula: "x_i + g(max_{j ∈ N(i)} f(p_j − p_i + h(x_i) ∥ x_j))",
            paper: "Shi and Rajkumar 2020, \"Point-GNN: Graph Neural Network for 3D Object Detection in a Point Cloud\"",
            example: "linear(32) -> relu -> point_gnn(input) -> relu -> point_gnn(input) -> max -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        is_beside(cx, "position")?;
        fits_aggregate(cx)?;
        convolved(cx, cx.inputs[0].width.clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, e) = (cx.x(), cx.args, cx.edges());
        let (p, n_dims) = cx.named_with_width("position")?;
        let width = &cx.output.width;
        let message = a.opt_int("message").map_or(width.clone(), |n| super::fixed(n as usize));
        let network = |name, names: &[[&'static str; 2]], from, to| {
            let usual = || vec![from, width, to].into_iter().cloned().collect();
            Perceptron::new(cx, &widths(a, name, from, to).unwrap_or_else(usual), names)
        };
        let moved = network("move_hidden", &MOVE, width, n_dims).of(&[(Some(x), width)]);
        let place = e.source(p) + e.target(moved - p);
        let from = together([n_dims, width]);
        let network_of_messages = network("message_hidden", &MESSAGE, &from, &message);
        let messages = network_of_messages.of(&[(Some(place), n_dims), (Some(e.source(x)), width)]);
        let read = Aggregate::find(a.choice("aggregate"))?.of(&e, messages);
        Some(Outcome::rows(x + network("hidden", &UPDATE, &message, width).of(&[(Some(read), &message)])))
    }
    fn pyg(&self) -> Pyg {
        use WeightMap::{Same, Transposed};
        Pyg {
            class: "torch_geometric.nn.PointGNNConv",
            weights: &[
                ("mlp_h.0.weight", "move_weight_0", Transposed),
                ("mlp_h.0.bias", "move_bias_0", Same),
                ("mlp_h.2.weight", "move_weight_1", Transposed),
                ("mlp_h.2.bias", "move_bias_1", Same),
                ("mlp_h.4.weight", "move_weight_2", Transposed),
                ("mlp_h.4.bias", "move_bias_2", Same),
                ("mlp_f.0.weight", "message_weight_0", Transposed),
                ("mlp_f.0.bias", "message_bias_0", Same),
                ("mlp_f.2.weight", "message_weight_1", Transposed),
                ("mlp_f.2.bias", "message_bias_1", Same),
                ("mlp_f.4.weight", "message_weight_2", Transposed),
                ("mlp_f.4.bias", "message_bias_2", Same),
                ("mlp_g.0.weight", "update_weight_0", Transposed),
                ("mlp_g.0.bias", "update_bias_0", Same),
                ("mlp_g.2.weight", "update_weight_1", Transposed),
                ("mlp_g.2.bias", "update_bias_1", Same),
                ("mlp_g.4.weight", "update_weight_2", Transposed),
                ("mlp_g.4.bias", "update_bias_2", Same),
            ],
            arguments: &[
                ("pos", "position"),
                ("mlp_h", "move_hidden"),
                ("mlp_f", "message_hidden"),
                ("mlp_g", "hidden"),
            ],
            note: "Its networks are those of `Sequential`s of `Linear` and `ReLU`.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        Action::Messages { gather: gather_of(args), own: Own::Root, is_linear: false }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn the_width_stays() {
        assert_eq!(
            types("linear(8) -> point_gnn(input, message = 5) -> max -> linear", None)[2],
            "nodes[N, 8]"
        );
        assert_eq!(codes("linear(8) -> point_gnn(input -> mean) -> max -> linear"), ["levels::mixed_levels"]);
        assert_eq!(codes("linear(8) -> point_gnn -> max -> linear"), ["args::missing"]);
    }
}
