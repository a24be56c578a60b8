//! `mixhop(out)`: neighbourhoods of several distances beside each other.

use super::gcn_norm::{GcnNorm, SELF_LOOPS, gathered};
use super::tag::{PYG_WEIGHTS, WEIGHTS};
use super::{BIAS, OUT, WEIGHT, convolved, part, times};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WidthRule, facts, findings};
use crate::types::Type;

/// Mixed-hop convolution: `h = ‖_{p ∈ P} Â^p x Θ_p + b`, `Â = D^(−1/2) (A + I) D^(−1/2)` as in `gcn`.
///
/// Paper: Abu-El-Haija et al. 2019, "MixHop: Higher-Order Graph Convolutional Architectures via Sparsified Neighborhood
/// Mixing", eq. 6.
/// PyG: `torch_geometric.nn.MixHopConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, |P| · F_out]`, power by power
///
/// # Errors
/// `args::does_not_fit` where a power stands twice or none is given; those of `gat` for its width.
#[derive(Debug)]
pub struct MixHop;

static ARGS: &[ArgSpec] = &[
    ArgSpec { doc: "Width of the result of each power, `F_out`, as in PyG.", ..OUT },
    ArgSpec {
        name: "powers",
        kind: ArgKind::IntList { min: 0, max: WEIGHTS.len() as i64 - 1, max_len: WEIGHTS.len() },
        default: Default::IntList(&[0, 1, 2]),
        positional: false,
        doc: "How many hops each part of the result reaches, 0 being the node itself.",
    },
    SELF_LOOPS,
    BIAS,
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for MixHop {
    fn name(&self) -> &'static str {
        "mixhop"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Neighbourhoods of several distances, each through its own linear map, beside each other.",
            formula: "h = ‖_{p ∈ P} Â^p x Θ_p + b,  Â = D^(−1/2) (A + I) D^(−1/2)",
            paper: "Abu-El-Haija et al. 2019, \"MixHop: Higher-Order Graph Convolutional Architectures via Sparsified Neighborhood Mixing\"",
            example: "mixhop(32, powers = [0, 1, 2]) -> relu -> mean -> linear",
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
        let powers = cx.args.int_list("powers").unwrap_or_default();
        let mut sorted = powers.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        if powers.is_empty() || sorted.len() < powers.len() {
            return Err(findings::args::does_not_fit(
                cx,
                "powers",
                "`mixhop` needs powers that differ, one or more",
                "write for example `powers = [0, 1, 2]`",
            ));
        }
        let (n, width) = (powers.len(), findings::shape::output_width(cx, "out")?);
        if cx.args.opt_int("out").is_some() {
            return convolved(cx, times(n, &width));
        }
        match width.known() {
            Some(whole) if whole % n != 0 => Err(findings::args::does_not_fit(
                cx,
                "powers",
                &format!("the result of `mixhop` is {whole} wide, which {n} powers cannot share evenly"),
                "write another number of powers, or `linear` behind it",
            )),
            _ => convolved(cx, width),
        }
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let powers: Vec<usize> =
            a.int_list("powers").unwrap_or_default().iter().map(|&power| power as usize).collect();
        let (n_in, each) = (&cx.inputs[0].width, part(&cx.output.width, powers.len()));
        let init = Init::KaimingUniform { fan_in: facts::known(n_in) };
        let norm = GcnNorm::new(cx, a.bool("self_loops").then_some(1.0), true);
        let mut hops = vec![x];
        for hop in 0..powers.iter().copied().max()? {
            hops.push(norm.apply(hops[hop]));
        }
        let mut sorted = powers.clone();
        sorted.sort_unstable();
        let mut made: Vec<_> = sorted
            .iter()
            .map(|&power| {
                let w = b.weight(WEIGHTS[power], &[n_in.clone(), each.clone()], init);
                (power, hops[power].linear(w))
            })
            .collect();
        made.sort_by_key(|(power, _)| powers.iter().position(|known| known == power));
        let y = b.concat(&made.into_iter().map(|(_, part)| part).collect::<Vec<_>>());
        Some(Outcome::rows(match a.bool("bias") {
            true => y + b.weight("bias", std::slice::from_ref(&cx.output.width), Init::Zeros),
            false => y,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch_geometric.nn.MixHopConv", weights: PYG_WEIGHTS, arguments: &[], note: "" }
    }
    fn action(&self, args: &Args) -> Action {
        gathered(args)
    }
}
