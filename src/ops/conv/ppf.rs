//! `ppf(out, position, normal)`: messages of point pair features.

use super::position::{
    AGGREGATE, GLOBAL, LOCAL, NETWORKS, POSITION, SELF_LOOPS, fits, gathered, is_beside, is_in_space,
};
use super::{OUT, convolved, fixed, gather_of};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Own, Pyg, WidthRule};
use crate::program::V;
use crate::types::{Size, Type};

/// Point pair features: `h_i = γ(max_{j ∈ N(i) ∪ {i}} φ(x_j ∥ ‖d‖ ∥ ∠(n_i, d) ∥ ∠(n_j, d) ∥ ∠(n_i, n_j)))` with `d = p_j − p_i`, normals `n`,
/// and perceptrons `φ` and `γ`. Lengths and angles stay where the cloud is turned or moved.
///
/// Paper: Deng et al. 2018, "PPFNet: Global Context Aware Local Features for Robust 3D Point Matching", eq. 2.
/// PyG: `torch_geometric.nn.PPFConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `position` and `normal`: the same rows, three columns
/// - result: `[N, F_out]`
///
/// # Errors
/// Those of `point`, and `args::does_not_fit` where positions or normals do not have three columns.
#[derive(Debug)]
pub struct Ppf;

static ARGS: &[ArgSpec] = &[
    OUT,
    POSITION,
    ArgSpec {
        name: "normal",
        kind: ArgKind::Pipeline { port: 2 },
        default: Default::Required,
        positional: false,
        doc: "Which way the surface looks at each node, `n_i`: a value of the same nodes, for example `input -> columns(3, 3)`.",
    },
    LOCAL,
    GLOBAL,
    AGGREGATE,
    SELF_LOOPS,
    super::DIRECTION,
    super::AGAINST,
];

/// The length of a vector; the slope at 0 is 0, where none is better than another.
fn length(square: V) -> V {
    let root = square.at_least(1e-24).sqrt();
    square.above(0.0).choose(root, square.build().constant(0.0))
}

/// The angle between two vectors of space, as a column.
fn angle<'b>(u: V<'b>, v: V<'b>) -> V<'b> {
    let at = |v: V<'b>, axis: usize| v.slice(0, Size::Known(axis % 3), Size::Known(1));
    let cross = |axis: usize| at(u, axis + 1) * at(v, axis + 2) - at(u, axis + 2) * at(v, axis + 1);
    let square = cross(0).square() + cross(1).square() + cross(2).square();
    length(square).angle(u.dot(v).column())
}

impl Operator for Ppf {
    fn name(&self) -> &'static str {
        "ppf"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Messages of a perceptron of each neighbour, how far it is, and the angles between normals and the way to it.",
            formula: "h_i = γ(max_{j ∈ N(i) ∪ {i}} φ(x_j ∥ ‖d‖ ∥ ∠(n_i, d) ∥ ∠(n_j, d) ∥ ∠(n_i, n_j))),  d = p_j − p_i",
            paper: "Deng et al. 2018, \"PPFNet: Global Context Aware Local Features for Robust 3D Point Matching\"",
            example: "linear(16) -> relu -> ppf(32, position = input -> linear(3), normal = input -> linear(3)) -> relu -> max -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        for name in ["position", "normal"] {
            is_beside(cx, name)?;
            is_in_space(cx, name)?;
        }
        fits(cx)?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let has_loops = cx.args.bool("self_loops");
        let (x, n_in) = (cx.x(), &cx.inputs[0].width);
        let e = if has_loops { cx.edges_without_loops() } else { cx.edges() };
        let (p, normal) = (cx.named("position")?, cx.named("normal")?);
        let way = e.source(p) - e.target(p);
        let (here, there) = (e.target(normal), e.source(normal));
        let far = length(way.square().fold_sum(0)).column();
        let pair = cx.b.concat(&[far, angle(here, way), angle(there, way), angle(here, there)]);
        let four = fixed(4);
        let parts = [(Some(e.source(x)), n_in), (Some(pair), &four)];
        // A node is no way from itself.
        let own = [(Some(x), n_in), (None, &four)];
        Some(Outcome::rows(gathered(cx, e, &parts, has_loops.then_some(&own[..]))))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.PPFConv",
            weights: &NETWORKS,
            arguments: &[("pos", "position"), ("local_nn", "local"), ("global_nn", "hidden")],
            note: "Its networks are those of `Sequential`s of `Linear` and `ReLU`. The slopes of a pair of no length are 0 here and no \
                   numbers there.",
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
    fn angles_are_those_of_space() {
        let of = |args: &str| codes(&format!("linear(8) -> ppf(8, {args}) -> max -> linear"));
        assert_eq!(of("position = linear(3), normal = linear(3)"), [""; 0]);
        assert_eq!(of("position = linear(2), normal = linear(3)"), ["args::does_not_fit"]);
        assert_eq!(of("position = linear(3), normal = linear(1)"), ["args::does_not_fit"]);
        assert_eq!(of("position = linear(3), normal = linear(3) -> mean"), ["levels::mixed_levels"]);
    }
}
