//! `gravnet(out, k)`: neighbours in a space that is learned.

use super::dynamic_edge::{K, rows_of};
use super::{MAX_WIDTH, OUT, fixed, times};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::shape;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WeightMap, WidthRule};
use crate::types::Type;

/// Layer over the nearest rows in a learned space: rows lie at `s_i = W_s x_i + b_s` and carry `h_i = W_h x_i + b_h`; each reads the mean and
/// the maximum of `e^(−10 ‖s_i − s_j‖²) h_j` over the `k` rows of the graph nearest to it, itself among them:
/// `W_1 x_i + W_2 [mean ∥ max] + b_2`. The edges of the graph are not read; rows that tie with the last of the `k` are.
///
/// Paper: Qasim et al. 2019, "Learning Representations of Irregular Particle-detector Geometry with Distance-weighted Graph Networks",
/// section 3.
/// PyG: `torch_geometric.nn.GravNetConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes, clusters or slots
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct GravNet;

static ARGS: &[ArgSpec] = &[
    OUT,
    K,
    ArgSpec {
        name: "space",
        kind: ArgKind::Int { min: 1, max: MAX_WIDTH },
        default: Default::Int(4),
        positional: false,
        doc: "Dimensions of the space in which rows are near.",
    },
    ArgSpec {
        name: "carried",
        kind: ArgKind::Int { min: 1, max: MAX_WIDTH },
        default: Default::Int(22),
        positional: false,
        doc: "Features that are passed on.",
    },
];

/// How fast what a row gives falls with the square of its distance.
const DECAY: f64 = 10.0;

impl Operator for GravNet {
    fn name(&self) -> &'static str {
        "gravnet"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Gathers from the k nearest rows of a learned space, weighed by their distance there.",
            formula: "W_1 x_i + W_2 [mean_j m_ij ∥ max_j m_ij] + b_2,  m_ij = e^(−10 ‖s_i − s_j‖²) h_j",
            paper: "Qasim et al. 2019, \"Learning Representations of Irregular Particle-detector Geometry with Distance-weighted Graph Networks\"",
            example: "gravnet(32, k = 4) -> relu -> gravnet(32, k = 4, space = 3, carried = 8) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        rows_of(cx, shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a) = (cx.x(), cx.args);
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let [space, carried] = ["space", "carried"].map(|name| fixed(a.int(name) as usize));
        let s = cx.linear(x, ["space_weight", "space_bias"], n_in, &space);
        let h = cx.linear(x, ["carried_weight", "carried_bias"], n_in, &carried);
        let e = cx.b.nearest(s, a.int("k") as usize);
        let far = (e.source(s) - e.target(s)).square().fold_sum(0);
        let message = e.source(h).mul_rows(far.scale(-DECAY).exp());
        let read = cx.b.concat(&[e.mean(message), e.largest(message)]);
        let y = cx.linear(read, ["out_weight", "out_bias"], &times(2, &carried), n_out);
        Some(Outcome::rows(y + cx.map(x, "weight", n_in, n_out)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GravNetConv",
            weights: &[
                ("lin_s.weight", "space_weight", WeightMap::Transposed),
                ("lin_s.bias", "space_bias", WeightMap::Same),
                ("lin_h.weight", "carried_weight", WeightMap::Transposed),
                ("lin_h.bias", "carried_bias", WeightMap::Same),
                ("lin_out1.weight", "weight", WeightMap::Transposed),
                ("lin_out2.weight", "out_weight", WeightMap::Transposed),
                ("lin_out2.bias", "out_bias", WeightMap::Same),
            ],
            arguments: &[("space_dimensions", "space"), ("propagate_dimensions", "carried")],
            note: "`space` and `carried` have no defaults there; those here are the paper's. PyG lets its search choose among rows that are \
                   as near.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Nearest
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn it_stands_on_all_kinds_of_rows() {
        assert_eq!(types("gravnet(8, k = 3) -> max -> linear", None)[1], "nodes[N, 8]");
        assert_eq!(codes("diffpool(k = 4) -> gravnet(8, k = 2) -> mean -> linear"), [""; 0]);
        assert_eq!(codes("mean -> gravnet(8, k = 2) -> linear"), ["levels::needs_rows"]);
    }
}
