//! `mf(out)`: matrices for each degree.

use super::{BIAS, OUT, convolved, fixed};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::{Norm, Space};
use crate::types::{Entity, Size, Type};

/// Molecular fingerprints: `h_i = R_dᵀ x_i + W_dᵀ Σ_{j ∈ N(i)} x_j + b_d`, with matrices for each number `d` of neighbours, those
/// above `max_degree` together.
///
/// Paper: Duvenaud et al. 2015, "Convolutional Networks on Graphs for Learning Molecular Fingerprints", algorithm 2.
/// PyG: `torch_geometric.nn.MFConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `levels::needs_nodes` on clusters, which have no number of neighbours,
/// `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Mf;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "max_degree",
        kind: ArgKind::Int { min: 0, max: 64 },
        default: Default::Int(10),
        positional: false,
        doc: "The largest number of neighbours that has matrices of its own.",
    },
    ArgSpec { doc: "Whether each degree has a learned vector.", ..BIAS },
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Mf {
    fn name(&self) -> &'static str {
        "mf"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Molecular fingerprints: the sum of the neighbours and the node itself, mapped by matrices for its degree.",
            formula: "h_i = R_dᵀ x_i + W_dᵀ Σ_{j ∈ N(i)} x_j + b_d,  d the number of neighbours of i",
            paper: "Duvenaud et al. 2015, \"Convolutional Networks on Graphs for Learning Molecular Fingerprints\"",
            example: "mf(32) -> relu -> mf(32, max_degree = 4) -> relu -> sum -> mlp",
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
        if cx.inputs[0].entity != Entity::Nodes {
            return Err(findings::levels::needs_nodes(cx));
        }
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let n_degrees = a.int("max_degree") as usize + 1;
        let init = Init::KaimingUniform { fan_in: facts::known(n_in) };
        let of = |name| b.weight(name, &[fixed(n_degrees), n_in.clone(), n_out.clone()], init);
        let (neighbours, root) = (of("weight"), of("root"));
        let bias = a.bool("bias").then(|| b.weight("bias", &[fixed(n_degrees), n_out.clone()], init));
        let sum = e.propagate(x, Norm::Sum);
        let degree = e.degree().at_most((n_degrees - 1) as f64).view(&[Size::Known(1)]);
        let y = sum.typed_linear_of(degree, neighbours) + x.typed_linear_of(degree, root);
        let y = match bias {
            // Rows of one number, times a matrix of one row for each degree.
            Some(bias) => {
                let one = b.constant(1.0).view(&[Size::Known(1)]).in_space(Space::Rows);
                let rows = [Size::Known(n_degrees), Size::Known(1), n_out.size.clone()];
                y + one.typed_linear_of(degree, bias.view(&rows))
            }
            None => y,
        };
        Some(Outcome::rows(y))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.MFConv",
            weights: &[
                ("lins_l.0.weight", "weight", WeightMap::Tower(0)),
                ("lins_l.0.bias", "bias", WeightMap::Tower(0)),
                ("lins_r.0.weight", "root", WeightMap::Tower(0)),
                ("lins_l.1.weight", "weight", WeightMap::Tower(1)),
                ("lins_l.1.bias", "bias", WeightMap::Tower(1)),
                ("lins_r.1.weight", "root", WeightMap::Tower(1)),
                ("lins_l.2.weight", "weight", WeightMap::Tower(2)),
                ("lins_l.2.bias", "bias", WeightMap::Tower(2)),
                ("lins_r.2.weight", "root", WeightMap::Tower(2)),
                ("lins_l.3.weight", "weight", WeightMap::Tower(3)),
                ("lins_l.3.bias", "bias", WeightMap::Tower(3)),
                ("lins_r.3.weight", "root", WeightMap::Tower(3)),
                ("lins_l.4.weight", "weight", WeightMap::Tower(4)),
                ("lins_l.4.bias", "bias", WeightMap::Tower(4)),
                ("lins_r.4.weight", "root", WeightMap::Tower(4)),
                ("lins_l.5.weight", "weight", WeightMap::Tower(5)),
                ("lins_l.5.bias", "bias", WeightMap::Tower(5)),
                ("lins_r.5.weight", "root", WeightMap::Tower(5)),
                ("lins_l.6.weight", "weight", WeightMap::Tower(6)),
                ("lins_l.6.bias", "bias", WeightMap::Tower(6)),
                ("lins_r.6.weight", "root", WeightMap::Tower(6)),
                ("lins_l.7.weight", "weight", WeightMap::Tower(7)),
                ("lins_l.7.bias", "bias", WeightMap::Tower(7)),
                ("lins_r.7.weight", "root", WeightMap::Tower(7)),
                ("lins_l.8.weight", "weight", WeightMap::Tower(8)),
                ("lins_l.8.bias", "bias", WeightMap::Tower(8)),
                ("lins_r.8.weight", "root", WeightMap::Tower(8)),
                ("lins_l.9.weight", "weight", WeightMap::Tower(9)),
                ("lins_l.9.bias", "bias", WeightMap::Tower(9)),
                ("lins_r.9.weight", "root", WeightMap::Tower(9)),
                ("lins_l.10.weight", "weight", WeightMap::Tower(10)),
                ("lins_l.10.bias", "bias", WeightMap::Tower(10)),
                ("lins_r.10.weight", "root", WeightMap::Tower(10)),
            ],
            arguments: &[],
            note: "The map names the weights of eleven degrees, which is the default; further ones go on alike.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::Sum, own: Own::Root, is_linear: false }
    }
}
