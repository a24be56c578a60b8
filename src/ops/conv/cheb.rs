//! `cheb(out)`: Chebyshev polynomials of the Laplacian.

use super::tag::{PYG_WEIGHTS, WEIGHTS};
use super::{BIAS, OUT, WEIGHT, convolved};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WidthRule, facts, findings,
};
use crate::program::V;
use crate::types::Type;

/// Chebyshev spectral convolution: `h = Σ_{k=0}^{K−1} T_k x Θ_k + b`, `T_0 x = x`, `T_1 x = L̂ x`, `T_k x = 2 L̂ T_{k−1} x − T_{k−2} x`,
/// with `L̂ = 2 L / λ − I`. The Laplacian is `I − D^(−1/2) A D^(−1/2)`, or with `normalization = rw` `I − A D^(−1)`, or with
/// `none` `D − A`; loops are left out, and `D` counts outgoing edges, as PyG has it.
///
/// Paper: Defferrard et al. 2016, "Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering", eq. 4.
/// PyG: `torch_geometric.nn.ChebConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F_out]`
///
/// # Errors
/// `args::needs_one_of` where `normalization = none` comes without `lambda_max`; `levels::needs_edges` on slots or graph
/// vectors, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Cheb;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "terms",
        kind: ArgKind::Int { min: 1, max: WEIGHTS.len() as i64 },
        default: Default::Int(3),
        positional: false,
        doc: "Number of polynomials, `K`: a term reaches one hop further than the one before, the first none.",
    },
    ArgSpec {
        name: "normalization",
        kind: ArgKind::Choice(&["sym", "rw", "none"]),
        default: Default::Choice("sym"),
        positional: false,
        doc: "How the Laplacian is normalised: symmetrically, as a random walk, or not.",
    },
    ArgSpec {
        name: "lambda_max",
        kind: ArgKind::Float(Range::closed(1e-2, 1e6)),
        default: Default::Float(2.0),
        positional: false,
        doc: "The largest eigenvalue of the Laplacian, λ; at most 2 where it is normalised.",
    },
    BIAS,
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Cheb {
    fn name(&self) -> &'static str {
        "cheb"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Chebyshev polynomials of the Laplacian, each through its own linear map.",
            formula: "h = Σ_{k=0}^{K−1} T_k(L̂) x Θ_k + b,  L̂ = 2 L / λ − I",
            paper: "Defferrard et al. 2016, \"Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering\"",
            example: "cheb(64, terms = 3) -> relu -> mean -> linear",
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
        let a = cx.args;
        if a.int("terms") == 1
            && let Some(name) = ["normalization", "lambda_max"].into_iter().find(|name| a.is_written(name))
        {
            return Err(findings::args::no_effect(cx, name, "one term gathers nothing"));
        }
        // PyG takes twice the largest entry of the batch, so that a graph's result depends on what shares the batch.
        if a.choice("normalization") == "none" && !a.is_written("lambda_max") {
            return Err(findings::args::needs_one_of(cx, &["lambda_max"], "lambda_max = 8.0"));
        }
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let init = Init::KaimingUniform { fan_in: facts::known(n_in) };
        let term = |k: usize| b.weight(WEIGHTS[k], &[n_in.clone(), n_out.clone()], init);
        let mut sum = x.linear(term(0));
        if a.int("terms") > 1 {
            let all = cx.edges();
            let e = if all.weight().is_some() { all.without_loops() } else { cx.edges_without_loops() };
            let given = cx.named("weight").map(|weight| weight.view(&[]));
            // What each edge counts, for the degrees of the rows that edges leave.
            let counted = match (given, e.weight().map(|weight| weight.view(&[]))) {
                (Some(given), Some(counted)) => given * counted,
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => b.constant(1.0).in_space(crate::program::Space::Edges),
            };
            let degree = counted.sum(e.from());
            let zero = b.constant(0.0);
            let has_edges = degree.above(0.0);
            let root = has_edges.choose(degree.at_least(1e-30).sqrt().reciprocal(), zero);
            let inverse = has_edges.choose(degree.at_least(1e-30).reciprocal(), zero);
            let gather = |x: V<'b>| {
                let message = e.source(x);
                e.sum(given.map_or(message, |given| message.mul_rows(given)))
            };
            let scale = 2.0 / a.float("lambda_max");
            let step = |x: V<'b>| match a.choice("normalization") {
                "rw" => x.scale(scale - 1.0) - gather(x.mul_rows(inverse)).scale(scale),
                "none" => (x.mul_rows(degree) - gather(x)).scale(scale) - x,
                _ => x.scale(scale - 1.0) - gather(x.mul_rows(root)).mul_rows(root).scale(scale),
            };
            let (mut before, mut last) = (x, step(x));
            sum = sum + last.linear(term(1));
            for k in 2..a.int("terms") as usize {
                (before, last) = (last, step(last).scale(2.0) - before);
                sum = sum + last.linear(term(k));
            }
        }
        Some(Outcome::rows(match a.bool("bias") {
            true => sum + b.weight("bias", std::slice::from_ref(n_out), Init::Zeros),
            false => sum,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.ChebConv",
            weights: PYG_WEIGHTS,
            arguments: &[("K", "terms")],
            note: "PyG takes `lambda_max` a graph, and without it twice the largest entry of the batch's Laplacian, \
                   which is 2 where it is normalised.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::DegreeWeighted, own: Own::Root, is_linear: true }
    }
}
