//! `spline(out, edge, dim)`: matrices that change smoothly with pseudo-coordinates.

use super::{AGGREGATE, BIAS, EDGE, OUT, aggregated, convolved, fixed, gather_of};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts};
use crate::program::V;
use crate::types::{Dim, Size, Type};

/// Spline convolution: `h_i = Θᵀ x_i + aggregate_{j ∈ N(i)} Σ_k B_k(e_ij) W_kᵀ x_j + b`, with tensor products `B_k` of B-splines of pseudo-coordinates
/// `e_ij ∈ [0, 1]^D`, one matrix for each of the `kernel_size^D` control points. The first coordinate varies fastest.
///
/// Paper: Fey et al. 2018, "SplineCNN: Fast Geometric Deep Learning with Continuous B-Spline Kernels", eqs. 2 to 4.
/// PyG: `torch_geometric.nn.SplineConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes; `edge`: `[E, D]`, numbers between 0 and 1
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred, `args::does_not_fit` where `dim` is not
/// the width of `edge`, there are too many control points, or an open spline has fewer than its degree asks for.
#[derive(Debug)]
pub struct Spline;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        default: Default::Required,
        doc: "Pseudo-coordinates of the edges in [0, 1], for example relative positions, `e_ij`.",
        ..EDGE
    },
    ArgSpec {
        name: "dim",
        kind: ArgKind::Int { min: 1, max: 8 },
        default: Default::Required,
        positional: false,
        doc: "The number of pseudo-coordinates, `D`.",
    },
    ArgSpec {
        name: "kernel_size",
        kind: ArgKind::Int { min: 2, max: 256 },
        default: Default::Int(5),
        positional: false,
        doc: "Number of control points along each coordinate.",
    },
    ArgSpec {
        name: "degree",
        kind: ArgKind::Int { min: 1, max: 3 },
        default: Default::Int(1),
        positional: false,
        doc: "Degree of the splines.",
    },
    ArgSpec::flag(
        "open",
        true,
        "Whether the splines are open; otherwise 0 and 1 are the same place, as of angles.",
    ),
    ArgSpec {
        default: Default::Choice("mean"),
        doc: "How the messages of a node are gathered.",
        ..AGGREGATE
    },
    ArgSpec::flag("root_weight", true, "Whether a linear map of the node's own features is added."),
    BIAS,
    super::DIRECTION,
    super::AGAINST,
];

/// Control points of all coordinates together.
const MAX_POINTS: usize = 4096;

/// `n! / (k! (n − k)!)`
fn choose(n: usize, k: usize) -> f64 {
    (0..k).fold(1.0, |product, i| product * (n - i) as f64 / (i + 1) as f64)
}

/// The cardinal B-spline of this degree at `u`: not 0 between 0 and `degree + 1`.
fn cardinal(u: V<'_>, degree: usize) -> V<'_> {
    let term = |k: usize| {
        let power = u.offset(-(k as f64)).relu();
        let power = (1..degree).fold(power, |product, _| product * u.offset(-(k as f64)).relu());
        let sign = if k.is_multiple_of(2) { 1.0 } else { -1.0 };
        power.scale(sign * choose(degree + 1, k) / (1..=degree).product::<usize>() as f64)
    };
    (1..=degree + 1).fold(term(0), |sum, k| sum + term(k))
}

/// The weights of the control points along one coordinate, `[kernel_size]`.
fn basis(coordinate: V<'_>, size: usize, degree: usize, is_open: bool) -> V<'_> {
    let stretched = coordinate.scale((size - if is_open { degree } else { 0 }) as f64);
    // How far each control point lies from the place, so that the spline of the first that counts ends there.
    let u = coordinate.b.iota(&Size::Known(size)) - stretched;
    let u = u.offset(1.0);
    match is_open {
        true => cardinal(u, degree),
        // Behind the last control point follows the first.
        false => cardinal(u, degree) + cardinal(u.offset(size as f64), degree),
    }
}

impl Operator for Spline {
    fn name(&self) -> &'static str {
        "spline"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Spline convolution: neighbours mapped by a matrix that changes smoothly with the coordinates of the edge.",
            formula: "h_i = Θᵀ x_i + mean_{j ∈ N(i)} Σ_k B_k(e_ij) W_kᵀ x_j + b",
            paper: "Fey et al. 2018, \"SplineCNN: Fast Geometric Deep Learning with Continuous B-Spline Kernels\"",
            example: "spline(16, edge = edges -> linear(2) -> sigmoid, dim = 2) -> relu -> mean -> linear",
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
        let (args, dim) = (cx.args, cx.args.int("dim"));
        let (size, degree) = (args.int("kernel_size"), args.int("degree"));
        if let Some(port) = cx.port("edge") {
            let width = &cx.inputs[port].width;
            if let Some(n) = width.known().filter(|&n| n != dim as usize) {
                return Err(findings::args::does_not_fit(
                    cx,
                    "dim",
                    &format!("`spline` is told of {dim} coordinates, but edges have {n}"),
                    &format!("write `dim = {n}`"),
                ));
            }
        }
        if args.bool("open") && size <= degree {
            return Err(findings::args::does_not_fit(
                cx,
                "kernel_size",
                &format!("an open spline of degree {degree} has more than {degree} control points"),
                &format!("write `kernel_size = {}` or more", degree + 1),
            ));
        }
        let n_points = (size as usize).checked_pow(dim as u32).filter(|&n| n <= MAX_POINTS);
        if n_points.is_none() {
            return Err(findings::args::does_not_fit(
                cx,
                "kernel_size",
                &format!(
                    "{size} control points along each of {dim} coordinates are more than {MAX_POINTS} matrices"
                ),
                "write a smaller `kernel_size`",
            ));
        }
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let edge = cx.named("edge")?;
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let (dim, size) = (a.int("dim") as usize, a.int("kernel_size") as usize);
        let degree = a.int("degree") as usize;
        let n_points = fixed(size.pow(dim as u32));
        let fan_in = facts::known(n_in) * size.pow(dim as u32);
        let columns = Dim::new(Size::product([n_points.size.clone(), n_out.size.clone()]), None, "");
        let init = Init::KaimingUniform { fan_in };
        let w = b.weight("weight", &[n_in.clone(), columns.clone()], init);
        // The last coordinate stands outermost.
        let along = |d: usize| {
            let coordinate = edge.slice(0, Size::Known(d), Size::Known(1));
            basis(coordinate, size, degree, a.bool("open"))
        };
        let weights = (1..dim).fold(along(0), |inner, d| {
            let n_inner = inner.width();
            (along(d).column() * inner.view(&[Size::Known(1), n_inner])).flat()
        });
        // A neighbour is mapped by every control point once, and each edge takes its mixture.
        let h = x.linear(w).view(&[n_points.size.clone(), n_out.size.clone()]);
        let message = (e.source(h) * weights.column()).fold_sum(0);
        let mut y = aggregated(a, e, message);
        if a.bool("root_weight") {
            y = y + cx.map(x, "root", n_in, n_out);
        }
        Some(Outcome::rows(match a.bool("bias") {
            true => y + b.weight("bias", std::slice::from_ref(n_out), Init::Zeros),
            false => y,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SplineConv",
            weights: &[("lin.weight", "root", WeightMap::Transposed), ("bias", "bias", WeightMap::Same)],
            arguments: &[("is_open_spline", "open")],
            note: "Its `weight`, `[K, F_in, F_out]`, lies as `[F_in, K · F_out]` here. PyG takes a `kernel_size` and an `is_open_spline` for each coordinate; here they are one for all.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let own = if args.bool("root_weight") { Own::Root } else { Own::Absent };
        Action::Messages { gather: gather_of(args), own, is_linear: false }
    }
}

#[cfg(test)]
mod tests {
    use super::basis;
    use crate::ops::testing::{codes, types};
    use crate::program::Build;
    use crate::program::reference::{Maps, run};
    use crate::types::Size;

    /// The basis functions of `torch-spline-conv` at a place, with the control point that each belongs to.
    fn expected(place: f64, size: usize, degree: usize, is_open: bool) -> Vec<f64> {
        let stretched = place * (size - if is_open { degree } else { 0 }) as f64;
        let (bottom, f) = (stretched.floor() as usize, stretched.fract());
        let weights = match degree {
            1 => vec![1.0 - f, f],
            2 => vec![0.5 * f * f - f + 0.5, -f * f + f + 0.5, 0.5 * f * f],
            _ => vec![
                (1.0 - f).powi(3) / 6.0,
                (3.0 * f.powi(3) - 6.0 * f * f + 4.0) / 6.0,
                (-3.0 * f.powi(3) + 3.0 * f * f + 3.0 * f + 1.0) / 6.0,
                f.powi(3) / 6.0,
            ],
        };
        let mut all = vec![0.0; size];
        weights.iter().enumerate().for_each(|(k, weight)| all[(bottom + k) % size] += weight);
        all
    }

    #[test]
    fn control_points_weigh_as_the_splines_of_their_degree() {
        for (degree, is_open) in [(1, true), (2, true), (3, true), (1, false), (2, false), (3, false)] {
            for place in [0.0, 0.13, 0.4, 0.5, 0.77, 0.99] {
                let b = Build::new();
                let at = b.constant(place).view(&[Size::Known(1)]);
                let program = b.finish(&[basis(at, 5, degree, is_open)]);
                let maps = Maps { graph_of: Vec::new(), n_graphs: 0, edges: Vec::new() };
                let all = run(&program, &maps, &[], &[], &|_, _, _, _| 1.0);
                let found = &all[program.outputs[0].index()];
                let expected = expected(place, 5, degree, is_open);
                for (ours, theirs) in found.iter().zip(&expected) {
                    assert!(
                        (ours - theirs).abs() < 1e-12,
                        "degree {degree} at {place}: {found:?}, {expected:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn coordinates_and_control_points_fit() {
        let text = |inside: &str| format!("spline(8, edge = edges -> linear(2), {inside}) -> sum -> linear");
        assert!(types(&text("dim = 2"), None).contains(&"nodes[N, 8]".to_owned()));
        assert_eq!(codes(&text("dim = 3")), ["args::does_not_fit"]);
        assert_eq!(codes(&text("dim = 2, kernel_size = 2, degree = 2")), ["args::does_not_fit"]);
        assert_eq!(codes(&text("dim = 2, kernel_size = 256")), ["args::does_not_fit"]);
    }
}
