//! `point(out, position)`: set layer of PointNet.

use super::position::{
    AGGREGATE, GLOBAL, LOCAL, NETWORKS, POSITION, Parts, SELF_LOOPS, fits, gathered, is_beside,
};
use super::{OUT, convolved, gather_of};
use crate::args::{ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Own, Pyg, WidthRule};
use crate::types::Type;

/// Set layer of PointNet: `h_i = γ(max_{j ∈ N(i) ∪ {i}} φ(x_j ∥ p_j − p_i))` with perceptrons `φ` and `γ`. Without `position` the rows
/// that come in are the positions, and messages are `φ(p_j − p_i)`.
///
/// Paper: Qi et al. 2017, "PointNet: Deep Learning on Point Sets for 3D Classification and Segmentation", eq. 1; of neighbourhoods:
/// Qi et al. 2017, "PointNet++: Deep Hierarchical Feature Learning on Point Sets in a Metric Space", section 3.2.
/// PyG: `torch_geometric.nn.PointNetConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `position`: the same rows, `D` columns
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `levels::mixed_levels` where `position` is not of the same rows, `shape::no_width`
/// where `out` cannot be inferred, `args::does_not_fit` for `max` on clusters and for networks whose ends do not fit.
#[derive(Debug)]
pub struct Point;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        default: Default::Inferred("the rows that come in, which nothing else is read of then"),
        ..POSITION
    },
    LOCAL,
    GLOBAL,
    AGGREGATE,
    SELF_LOOPS,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Point {
    fn name(&self) -> &'static str {
        "point"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Set layer of PointNet: the largest of a perceptron of each neighbour and where it lies beside the node.",
            formula: "h_i = γ(max_{j ∈ N(i) ∪ {i}} φ(x_j ∥ p_j − p_i))",
            paper: "Qi et al. 2017, \"PointNet: Deep Learning on Point Sets for 3D Classification and Segmentation\"",
            example: "point(32) -> relu -> point(32, position = input, hidden = [32]) -> relu -> max -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        is_beside(cx, "position")?;
        fits(cx)?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let has_loops = cx.args.bool("self_loops");
        let (x, n_in) = (cx.x(), &cx.inputs[0].width);
        let e = if has_loops { cx.edges_without_loops() } else { cx.edges() };
        let apart = |p| Some(e.source(p) - e.target(p));
        let (parts, own): (Box<Parts>, Box<Parts>) = match cx.named_with_width("position") {
            Some((p, width)) => (
                Box::new([(Some(e.source(x)), n_in), (apart(p), width)]),
                Box::new([(Some(x), n_in), (None, width)]),
            ),
            None => (Box::new([(apart(x), n_in)]), Box::new([(None, n_in)])),
        };
        Some(Outcome::rows(gathered(cx, e, &parts, has_loops.then_some(&*own))))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.PointNetConv",
            weights: &NETWORKS,
            arguments: &[("pos", "position"), ("local_nn", "local"), ("global_nn", "hidden")],
            note: "Its networks are those of `Sequential`s of `Linear` and `ReLU`.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let own = if args.bool("self_loops") { Own::SelfLoop } else { Own::Absent };
        Action::Messages { gather: gather_of(args), own, is_linear: false }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::codes;

    #[test]
    fn positions_lie_beside_the_rows_and_networks_end_where_they_should() {
        let of = |args: &str| codes(&format!("linear(8) -> point({args}) -> max -> linear"));
        for args in ["8", "8, position = input", "8, position = linear(3)", "8, local = [4, 8]"] {
            assert_eq!(of(args), [""; 0], "{args}");
        }
        assert_eq!(of("8, local = [4], hidden = []"), [""; 0]);
        assert_eq!(of("8, local = [4]"), ["args::does_not_fit"]);
        assert_eq!(of("8, local = []"), ["args::does_not_fit"]);
        assert_eq!(of("8, position = input -> mean"), ["levels::mixed_levels"]);
    }
}
