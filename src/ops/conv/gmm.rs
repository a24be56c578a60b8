//! `gmm(out, edge)`: Gaussian kernels of what the edges carry.

use super::{ANY_AGGREGATE, BIAS, EDGE, OUT, aggregated, convolved, fixed, gather_of, glorot};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts};
use crate::program::V;
use crate::types::{Dim, Size, Type};

/// Gaussian mixture model convolution (MoNet): `h_i = Θᵀ x_i + aggregate_{j ∈ N(i)} Σ_k w_k(e_ij) G_kᵀ x_j + b`, with the Gaussian
/// kernels `w_k(e) = exp(−½ Σ_d (e_d − μ_kd)² / σ_kd²)` of pseudo-coordinates `e`. With `separate` each pair of an input and an
/// output feature has kernels of its own.
///
/// Paper: Monti et al. 2017, "Geometric Deep Learning on Graphs and Manifolds using Mixture Model CNNs", eqs. 9 to 11.
/// PyG: `torch_geometric.nn.GMMConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes; `edge`: `[E, D]`
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred, and those of the argument
/// `edge`.
#[derive(Debug)]
pub struct Gmm;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        default: Default::Required,
        doc: "Pseudo-coordinates of the edges, for example relative positions, `e_ij`.",
        ..EDGE
    },
    ArgSpec {
        name: "kernels",
        kind: ArgKind::Int { min: 1, max: 1024 },
        default: Default::Int(3),
        positional: false,
        doc: "Number of Gaussian kernels, `K`.",
    },
    ArgSpec::flag(
        "separate",
        false,
        "Whether each pair of an input and an output feature has kernels of its own.",
    ),
    ArgSpec {
        default: Default::Choice("mean"),
        doc: "How the messages of a node are gathered.",
        ..ANY_AGGREGATE
    },
    ArgSpec::flag("root_weight", true, "Whether a linear map of the node's own features is added."),
    BIAS,
    super::DIRECTION,
    super::AGAINST,
];

/// Added to variances, so that a kernel without width is finite.
const EPS: f64 = 1e-15;

impl Operator for Gmm {
    fn name(&self) -> &'static str {
        "gmm"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Mixture model convolution: neighbours mapped by matrices that Gaussian kernels of the edges weigh.",
            formula: "h_i = Θᵀ x_i + mean_{j ∈ N(i)} Σ_k w_k(e_ij) G_kᵀ x_j + b,  w_k(e) = exp(−½ Σ_d (e_d − μ_kd)² / σ_kd²)",
            paper: "Monti et al. 2017, \"Geometric Deep Learning on Graphs and Manifolds using Mixture Model CNNs\"",
            example: "gmm(16, edge = edges) -> relu -> gmm(16, edge = edges, kernels = 2) -> relu -> mean -> linear",
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
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (edge, n_dims) = cx.named_with_width("edge")?;
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let kernels = fixed(a.int("kernels") as usize);
        let dim = |sizes: &[&Size]| Dim::new(Size::product(sizes.iter().map(|&size| size.clone())), None, "");
        let columns = dim(&[&n_out.size, &kernels.size]);
        let g = b.weight("weight", &[n_in.clone(), columns.clone()], glorot(n_in, &columns));
        let shape = match a.bool("separate") {
            true => vec![n_in.clone(), n_out.clone(), kernels.clone(), n_dims.clone()],
            false => vec![kernels.clone(), n_dims.clone()],
        };
        let init = Init::Glorot { fan_in: facts::known(&kernels), fan_out: facts::known(n_dims) };
        let (centre, width) = (b.weight("centre", &shape, init), b.weight("width", &shape, init));
        let rows = dim(&shape[..shape.len() - 1].iter().map(|dim| &dim.size).collect::<Vec<_>>());
        let row = |v: V<'b>| v.view(&[rows.size.clone(), n_dims.size.clone()]);
        let apart = (edge.view(&[Size::Known(1), n_dims.size.clone()]) - row(centre)).square();
        let kernel = (apart * row(width).square().offset(EPS).reciprocal()).fold_sum(1).scale(-0.5).exp();
        let message = if a.bool("separate") {
            let entries = [n_in.size.clone(), n_out.size.clone(), kernels.size.clone()];
            let matrix = (kernel.view(&entries) * g.view(&entries)).fold_sum(2);
            let row = e.source(x).view(&[Size::Known(1), n_in.size.clone()]);
            row.contract(matrix).view(std::slice::from_ref(&n_out.size))
        } else {
            let h = x.linear(g).view(&[kernels.size.clone(), n_out.size.clone()]);
            (e.source(h) * kernel.column()).fold_sum(0)
        };
        let mut y = aggregated(a, e, message);
        if a.bool("root_weight") {
            y = y + x.linear(b.weight("root", &[n_in.clone(), n_out.clone()], glorot(n_in, n_out)));
        }
        Some(Outcome::rows(match a.bool("bias") {
            true => y + b.weight("bias", std::slice::from_ref(n_out), Init::Zeros),
            false => y,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GMMConv",
            weights: &[
                ("g", "weight", WeightMap::Same),
                ("mu", "centre", WeightMap::Same),
                ("sigma", "width", WeightMap::Same),
                ("root.weight", "root", WeightMap::Transposed),
                ("bias", "bias", WeightMap::Same),
            ],
            arguments: &[("kernel_size", "kernels"), ("separate_gaussians", "separate")],
            note: "PyG fails without a root.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let own = if args.bool("root_weight") { Own::Root } else { Own::Absent };
        Action::Messages { gather: gather_of(args), own, is_linear: false }
    }
}
