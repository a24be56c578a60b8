//! `mem_pool(out, ratio | k)`: rows shared out over learned keys.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{levels, shape, symmetry};
use crate::ops::loss::KL;
use crate::ops::pool::{K, RATIO, kept_rows, largest_rows};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Pyg, WeightMap, WidthRule, conv, facts,
};
use crate::program::Index;
use crate::types::{Entity, Size, Type};

/// Memory-based pooling: `heads` sets of `k` learned keys, and the rows of each graph are shared out over them by their
/// distance, `C_hij ∝ (1 + ‖x_i − κ_hj‖² / τ)^(−(τ + 1) / 2)`; the heads are put together by learned weights,
/// `S = softmax(Σ_h w_h C_h)`, and the keys get `X' = Sᵀ X W`. It reads no edges and makes none. The loss `kl` draws the
/// shares to those that are clear already.
///
/// Paper: Khasahmadi et al. 2020, "Memory-Based Graph Networks", eqs. 1 to 5.
/// PyG: `torch_geometric.nn.MemPooling`, here without padding.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes, clusters or slots
/// - result: `slots[k, F_out]` of each graph, a slot for each key
///
/// # Errors
/// `args::missing` for `out`, `args::missing` and `args::conflict` for `ratio` and `k`, `levels::needs_rows` if the value is
/// one vector per graph.
#[derive(Debug)]
pub struct MemPool;

static ARGS: &[ArgSpec] = &[
    ArgSpec { default: Default::Required, doc: "Width of the result, `F_out`.", ..conv::OUT },
    ArgSpec { doc: "Keys per graph, as a share of the largest graph of the data, rounded up.", ..RATIO },
    ArgSpec { doc: "Keys per graph, PyG's `num_clusters`.", ..K },
    ArgSpec {
        name: "heads",
        kind: ArgKind::Int { min: 1, max: 1024 },
        default: Default::Int(1),
        positional: false,
        doc: "Number of sets of keys.",
    },
    ArgSpec {
        name: "tau",
        kind: ArgKind::Float(Range::closed(1e-3, 1e3)),
        default: Default::Float(1.0),
        positional: false,
        doc: "Degrees of freedom of the distribution of distances, `τ`.",
    },
];

impl Operator for MemPool {
    fn name(&self) -> &'static str {
        "mem_pool"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Memory-based pooling: shares the rows of each graph out over learned keys by their distance.",
            formula: "C_hij ∝ (1 + ‖x_i − κ_hj‖² / τ)^(−(τ + 1) / 2),  S = softmax(Σ_h w_h C_h),  X' = Sᵀ X W",
            paper: "Khasahmadi et al. 2020, \"Memory-Based Graph Networks\"",
            example: "gat(32) -> relu -> mem_pool(32, k = 8, heads = 4) -> mem_pool(32, k = 2) -> flatten -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        match cx.inputs[0].entity {
            Entity::Nodes | Entity::Clusters | Entity::Slots => {}
            Entity::Graph => return Err(levels::needs_rows(cx)),
            Entity::Edges | Entity::EdgeKinds | Entity::Pairs => return Err(levels::needs_nodes(cx)),
        }
        Ok(Type {
            entity: Entity::Slots,
            level: cx.new_level,
            rows: kept_rows(cx, &largest_rows(cx, &cx.inputs[0].rows), "k = 8")?,
            width: shape::output_width(cx, "out")?,
            symmetry: symmetry::of_entity(cx, Entity::Slots),
        })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, b, tau) = (cx.x(), cx.b, cx.args.float("tau"));
        let (from, keys) = (&cx.inputs[0].width, &cx.output.rows);
        let heads = conv::fixed(cx.args.int("heads") as usize);
        let all = conv::times(cx.args.int("heads") as usize, keys);
        let one = Size::Known(1);
        let key = b.weight("keys", &[all.clone(), from.clone()], Init::KaimingUniform { fan_in: 1 });
        let of_heads = Init::KaimingUniform { fan_in: facts::known(&heads) };
        let of_heads = b.weight("head_weights", std::slice::from_ref(&heads), of_heads);

        let distance = (x.view(&[one.clone(), from.size.clone()]) - key).square().fold_sum(1);
        let near = distance.scale(1.0 / tau).offset(1.0).power(-(tau + 1.0) / 2.0);
        let near = near.view(&[heads.size.clone(), keys.size.clone()]);
        let shares = near * near.fold_sum(1).reciprocal().column();
        let s = (shares * of_heads.column()).fold_sum(0).softmax_columns();

        let clear = s.square() * s.sum(Index::Graph).at_least(LEAST).reciprocal().gather(Index::Graph);
        let clear = clear * clear.fold_sum(0).at_least(LEAST).reciprocal().column();
        let log = |x: crate::program::V<'b>| x.at_least(LEAST).ln();
        let kl = (clear * (log(clear) - log(s))).fold_sum(0).sum(Index::Graph);
        Some(Outcome {
            losses: vec![(KL, kl)],
            ..Outcome::slots(cx.map(s.outer(x, Index::Graph), "weight", from, &cx.output.width))
        })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[KL]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.MemPooling",
            weights: &[
                ("k", "keys", WeightMap::Reshaped),
                ("conv.weight", "head_weights", WeightMap::Reshaped),
                ("lin.weight", "weight", WeightMap::Transposed),
            ],
            arguments: &[("num_clusters", "k")],
            note: "",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Attention)
    }
}

/// What a number counts as at least where a logarithm is taken of it or something is divided by it, as in PyG.
const LEAST: f64 = 1e-15;

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn keys_are_slots_that_can_be_laid_side_by_side_and_pooled_again() {
        let text = "mem_pool(8, k = 4, heads = 2) -> mem_pool(6, k = 2) -> flatten -> linear";
        assert_eq!(types(text, None)[1..4], ["slots[4, 8]", "slots[2, 6]", "graph[12]"]);
        assert_eq!(codes("mem_pool(8) -> mean -> linear"), ["args::missing"]);
        assert_eq!(codes("mean -> mem_pool(8, k = 2) -> linear"), ["levels::needs_rows"]);
        assert_eq!(codes("mem_pool(8, k = 2) -> gcn(8) -> mean -> linear"), ["levels::needs_edges"]);
    }
}
