//! `eg(out)`: a few aggregates, mixed anew by each node.

use super::gathered::Gathered;
use super::gcn_norm::{GcnNorm, SELF_LOOPS};
use super::{BIAS, OUT, convolved, fixed, glorot, part, times};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::program::V;
use crate::types::{Size, Type};

/// Efficient graph convolution: `h_i = ‖_h Σ_{a, b} w_i,h,a,b a_{j ∈ N(i) ∪ {i}} Θ_bᵀ x_j + b`. A few bases are gathered in several
/// ways, and each node mixes what comes out by weights made of its own features, head by head.
///
/// Paper: Tailor et al. 2022, "Do We Need Anisotropic Graph Neural Networks?", eqs. 3 and 4.
/// PyG: `torch_geometric.nn.EGConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters
/// - result: `[N, F_out]`, `F_out / heads` of each head
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred, `args::does_not_fit` where the
/// heads do not divide the width or `aggregators` is empty.
#[derive(Debug)]
pub struct Eg;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "aggregators",
        kind: ArgKind::ChoiceList(&["symnorm", "sum", "mean", "min", "max", "var", "std"]),
        default: Default::ChoiceList(&["symnorm"]),
        positional: false,
        doc: "How the bases are gathered; `symnorm` weighs neighbours by degree as `gcn` does.",
    },
    ArgSpec {
        name: "heads",
        kind: ArgKind::Int { min: 1, max: 256 },
        default: Default::Int(8),
        positional: false,
        doc: "Number of heads, each with weights of its own.",
    },
    ArgSpec {
        name: "bases",
        kind: ArgKind::Int { min: 1, max: 1024 },
        default: Default::Int(4),
        positional: false,
        doc: "Number of bases that are gathered.",
    },
    SELF_LOOPS,
    BIAS,
    super::DIRECTION,
    super::AGAINST,
];

/// The least variance that a standard deviation is taken of.
const LEAST: f64 = 1e-5;

impl Operator for Eg {
    fn name(&self) -> &'static str {
        "eg"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Efficient graph convolution: a few bases are gathered, and each node mixes them by weights of its own.",
            formula: "h_i = ‖_h Σ_{a, b} w_i,h,a,b a_{j ∈ N(i) ∪ {i}} Θ_bᵀ x_j + b,  w_i = Φᵀ x_i + c",
            paper: "Tailor et al. 2022, \"Do We Need Anisotropic Graph Neural Networks?\"",
            example: "eg(32) -> relu -> eg(32, heads = 4, aggregators = [symnorm, max, std]) -> relu -> mean -> linear",
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
        if cx.args.choice_list("aggregators").is_empty() {
            return Err(findings::args::does_not_fit(
                cx,
                "aggregators",
                "`eg` needs at least one word here",
                "write for example `aggregators = [symnorm, max]`, or leave it out",
            ));
        }
        let (width, heads) = (findings::shape::output_width(cx, "out")?, cx.args.int("heads") as usize);
        if let Some(n) = width.known().filter(|n| n % heads != 0) {
            return Err(findings::args::does_not_fit(
                cx,
                "heads",
                &format!("the result of `eg` is {n} wide, which {heads} heads cannot share evenly"),
                "write another number of heads, or a width that they divide",
            ));
        }
        convolved(cx, width)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let (heads, n_bases) = (a.int("heads") as usize, a.int("bases") as usize);
        let (ways, head) = (a.choice_list("aggregators"), part(n_out, heads));
        let all = times(n_bases, &head);
        let bases = x.linear(b.weight("bases", &[n_in.clone(), all.clone()], glorot(n_in, &all)));
        let n_mixed = n_bases * ways.len();
        let shares = cx.linear(x, ["weight", "weight_bias"], n_in, &fixed(heads * n_mixed));
        let has_own = a.bool("self_loops");
        let edges = if has_own { cx.edges_without_loops() } else { cx.edges() };
        let (gathered, message) = (Gathered { edges, has_own }, edges.source(bases));
        let by = |how: &&str| match *how {
            "symnorm" => GcnNorm::new(cx, has_own.then_some(1.0), true).apply(bases),
            "sum" => gathered.sum(message, bases),
            "mean" => gathered.mean(message, bases),
            "min" => gathered.smallest(message, bases),
            "max" => gathered.largest(message, bases),
            "var" => gathered.variance(message, bases),
            _ => gathered.variance(message, bases).at_least(LEAST).sqrt(),
        };
        let parts: Vec<V> = ways.iter().map(by).collect();
        let parts = b.concat(&parts).view(&[Size::Known(n_mixed), head.size.clone()]);
        let y = shares.view(&[Size::Known(heads), Size::Known(n_mixed)]).contract(parts);
        let y = y.view(std::slice::from_ref(&n_out.size));
        Some(Outcome::rows(match a.bool("bias") {
            true => y + b.weight("bias", std::slice::from_ref(n_out), Init::Zeros),
            false => y,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.EGConv",
            weights: &[
                ("bases_lin.weight", "bases", WeightMap::Transposed),
                ("comb_lin.weight", "weight", WeightMap::Transposed),
                ("comb_lin.bias", "weight_bias", WeightMap::Same),
                ("bias", "bias", WeightMap::Same),
            ],
            arguments: &[("num_bases", "bases"), ("num_heads", "heads")],
            note: "PyG refuses parallel edges of `symnorm` nowhere and counts each, as here.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let has = |word: &str| args.choice_list("aggregators").contains(&word);
        let gather = match (has("sum"), has("symnorm"), has("mean")) {
            (true, ..) => Gather::Sum,
            (_, true, _) => Gather::DegreeWeighted,
            (.., true) => Gather::Mean,
            _ => Gather::Max,
        };
        Action::Messages {
            gather,
            own: if args.bool("self_loops") { Own::SelfLoop } else { Own::Root },
            is_linear: false,
        }
    }
}

#[cfg(test)]
mod tests {

    use crate::ops::testing::codes;

    #[test]
    fn heads_share_the_width_evenly() {
        assert_eq!(codes("eg(32) -> mean -> linear"), [""; 0]);
        assert_eq!(codes("eg(30) -> mean -> linear"), ["args::does_not_fit"]);
        assert_eq!(codes("eg(32, aggregators = []) -> mean -> linear"), ["args::does_not_fit"]);
    }
}
