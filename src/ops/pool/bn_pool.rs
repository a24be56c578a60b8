//! `bn_pool(k)`: clusters by sticks that are broken at random, of which as many are used as the graph needs.

use super::assignment::{Assigned, CONNECT, SELF_LOOPS};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::loss::{CONNECTIVITY, RECONSTRUCTION, STICK_BREAKING};
use crate::ops::program::{On, Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, InferCx, Init, Operator, Pyg, Select, WeightMap, WidthRule, conv, findings,
};
use crate::program::composite::Composite;
use crate::program::{Fun, Index, Space, V};
use crate::types::{Dim, Entity, Size, Type};

/// BN-Pool, Bayesian nonparametric pooling: every node breaks a stick, `v_c ~ Beta(α_c, β_c)` with `[α | β] = softplus(x W + b)`,
/// and belongs to cluster `c` by the part that falls there, `S_c = v_c Π_{j<c} (1 − v_j)`, to the last one by what is left. Of
/// `k` clusters at most, those are used that the loss `reconstruction` needs: it says of every pair of nodes whether they are
/// linked, by `sigmoid(S_i K S_jᵀ)` with a learned matrix `K`. The loss `stick_breaking` draws the sticks to their prior, which
/// has few long parts, and `connectivity` draws `K` to clusters that are linked inside and not to one another. Clusters get the
/// features `X' = Sᵀ X` and the adjacency of `mincut`.
///
/// Sticks are drawn anew at every step of training, with gradients through the draw; otherwise each is broken at
/// `α / (α + β)`, the mean.
///
/// Paper: Castellana and Bianchi 2025, "BN-Pool: Bayesian Nonparametric Graph Pooling", eqs. 3 to 9.
/// tgp: `tgp.poolers.BNPool`, here without padding and, at the input graph, on sparse edges.
///
/// # Shapes
/// - port 0, `x`: `[N, F]`, nodes or clusters
/// - `by`: `[N, F_b]`, what the sticks are broken by; without it `x`
/// - `weight`: `[E, 1]`, the entries `A_ij` of the edges, which are 1 without it
/// - result: `k` clusters per graph, `[G · k, F]`, with the coarse adjacency `[G, k, k]`
///
/// # Errors
/// `levels::needs_edges` on anything but nodes and clusters, `levels::mixed_levels` where `by` leaves the level.
#[derive(Debug)]
pub struct BnPool;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "k",
        kind: ArgKind::Int { min: 2, max: 1024 },
        default: Default::Required,
        positional: false,
        doc: "Clusters per graph, at most: those that a graph does not need stay almost empty.",
    },
    ArgSpec {
        name: "by",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Inferred("the value that is pooled"),
        positional: false,
        doc: "The network whose result the sticks are broken by, mapped by a layer of the pooling.",
    },
    ArgSpec {
        name: "concentration",
        kind: ArgKind::Float(Range::closed(1e-3, 1e3)),
        default: Default::Float(1.0),
        positional: false,
        doc: "How many clusters the prior of the sticks, Beta(1, concentration), expects: more where it is larger, tgp's `alpha_DP`.",
    },
    ArgSpec {
        name: "mean",
        kind: ArgKind::Float(Range::closed(-1e4, 1e4)),
        default: Default::Float(10.0),
        positional: false,
        doc: "The mean of the diagonal of K in its prior, and less 0 that of the other entries, tgp's `K_mu`.",
    },
    ArgSpec {
        name: "variance",
        kind: ArgKind::Float(Range::closed(1e-6, 1e6)),
        default: Default::Float(1.0),
        positional: false,
        doc: "The variance of the entries of K in their prior, tgp's `K_var`.",
    },
    ArgSpec {
        name: "init",
        kind: ArgKind::Float(Range::closed(-1e4, 1e4)),
        default: Default::Float(1.0),
        positional: false,
        doc: "What the diagonal of K begins with, and less 0 the other entries, tgp's `K_init`.",
    },
    ArgSpec::flag("learned", true, "Whether K is learned, tgp's `train_K`; else it stays as it begins."),
    conv::WEIGHT,
    CONNECT,
    SELF_LOOPS,
];

impl Operator for BnPool {
    fn name(&self) -> &'static str {
        "bn_pool"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Bayesian pooling: clusters by sticks broken at random, as many as the graph needs.",
            formula: "v ~ Beta(α(x), β(x)),  S_c = v_c Π_{j<c} (1 − v_j),  X' = Sᵀ X,  A' of Sᵀ A S",
            paper: "Castellana and Bianchi 2025, \"BN-Pool: Bayesian Nonparametric Graph Pooling\"",
            example: "model = gcn(64) -> relu -> bn_pool(k = 8) -> gcn(64) -> relu -> mean -> mlp\n\
                      loss = cross_entropy + reconstruction + stick_breaking + connectivity",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        conv::has_edges(cx)?;
        if let Some(port) = cx.port("by")
            && (cx.inputs[port].entity, cx.inputs[port].level) != (cx.inputs[0].entity, cx.inputs[0].level)
        {
            return Err(findings::levels::mixed_levels(cx, port));
        }
        if !cx.args.bool("learned")
            && let Some(name) = ["mean", "variance"].into_iter().find(|name| cx.args.is_written(name))
        {
            return Err(findings::args::no_effect(cx, name, "without `learned` K has no prior"));
        }
        let k = cx.args.int("k") as usize;
        let place = Some(findings::args::place(cx, "k"));
        Ok(Type {
            entity: Entity::Clusters,
            level: cx.new_level,
            rows: Dim::new(Size::Known(k), place, format!("the {k} comes from here")),
            width: cx.inputs[0].width.clone(),
            symmetry: findings::symmetry::of_entity(cx, Entity::Clusters),
        })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (b, a) = (cx.b, cx.args);
        let (given, width) = cx.named_with_width("by").unwrap_or((cx.x(), &cx.inputs[0].width));
        let n_clusters = a.int("k") as usize;
        let [k, n_sticks] = [n_clusters, n_clusters - 1].map(Size::Known);
        let both = conv::fixed(2 * (n_clusters - 1));
        // The range of tgp, which keeps draws and their slopes finite.
        let shapes =
            cx.linear(given, ["sticks", "sticks_bias"], width, &both).softplus().at_least(1e-3).at_most(1e3);
        let part = |first: usize| shapes.slice(0, Size::Known(first * (n_clusters - 1)), n_sticks.clone());
        let [alpha, beta] = [0, 1].map(part);
        let draw = |shape: V<'b>, place| b.call(Composite::GammaDraws { place }, &[shape]);
        let odds = draw(alpha, 0) - draw(beta, 1);

        // ln v_c, and ln (1 − v_j) of all before: the last cluster gets what is left.
        let (sticks, clusters) = (b.iota(&n_sticks).column(), b.iota(&k));
        let is_own = b.map(Fun::Equal, &[sticks, clusters]);
        let is_before = (clusters - sticks).above(0.5);
        let s = (-((-odds).softplus().linear(is_own) + odds.softplus().linear(is_before))).exp();

        let edges = cx.named("weight").map_or(cx.edges(), |weight| b.weighted_edges(weight));
        let of = Assigned { s, edges, gathered: edges.sum(edges.source(s)) };

        let sign = b.identity(&k).scale(2.0).offset(-1.0);
        let start = sign.scale(a.float("init"));
        let matrix = match a.bool("learned") {
            true => {
                start
                    + b.weight(
                        "connectivity",
                        &[conv::fixed(n_clusters), conv::fixed(n_clusters)],
                        Init::Zeros,
                    )
            }
            false => start,
        };
        let n_pairs = of.n_rows().square();
        let mapped = s.linear(matrix);
        let logit = edges.target(mapped).dot(edges.source(s)).view(&[Size::Known(1)]);
        // Of each pair softplus(l) − A l; those that are linked count as much as all others together.
        let n_linked = edges.count().sum(Index::Graph);
        let balance = (n_pairs - n_linked).at_least(1.0) / n_linked.at_least(1.0);
        let total = |rows: V<'b>| rows.fold_sum(0).sum(Index::Graph);
        let linked = total(edges.sum_of_counted(logit.softplus()));
        let reconstruction = b.call(Composite::PairSoftplus, &[mapped, s])
            + (balance.offset(-1.0) * linked - balance * total(edges.sum(logit)));

        // The divergence of Beta(α, β) from Beta(1, concentration).
        let prior = a.float("concentration");
        let ln_beta = alpha.ln_gamma() + beta.ln_gamma() - (alpha + beta).ln_gamma();
        let [of_alpha, of_beta] = [alpha, beta].map(|shape| shape.polygamma(0.0));
        let apart = alpha.offset(-1.0) * of_alpha + beta.offset(-prior) * of_beta
            - (alpha + beta).offset(-1.0 - prior) * (alpha + beta).polygamma(0.0)
            - ln_beta.offset(prior.ln());
        let sticks = apart.fold_sum(0).sum(Index::Graph);

        let far = match a.bool("learned") {
            true => {
                let off = matrix - sign.scale(a.float("mean"));
                off.flat().square().fold_sum(0).scale(0.5 / a.float("variance"))
            }
            false => b.constant(0.0),
        };
        Some(Outcome {
            x: s.outer(cx.x(), Index::Graph),
            on: On::Clusters { adjacency: of.adjacency(cx) },
            losses: vec![
                (RECONSTRUCTION, reconstruction / n_pairs),
                (STICK_BREAKING, sticks / n_pairs),
                (CONNECTIVITY, far.in_space(Space::Graphs) / n_pairs),
            ],
            assignment: Some(s),
        })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[RECONSTRUCTION, STICK_BREAKING, CONNECTIVITY]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "tgp.poolers.BNPool",
            weights: &[
                ("selector.mlp.lins.0.weight", "sticks", WeightMap::Transposed),
                ("selector.mlp.lins.0.bias", "sticks_bias", WeightMap::Same),
            ],
            arguments: &[
                ("alpha_DP", "concentration"),
                ("K_mu", "mean"),
                ("K_var", "variance"),
                ("K_init", "init"),
                ("train_K", "learned"),
            ],
            note: "Its perceptron is `by` and the layer behind it; `connectivity` is by how much its matrix K has moved; `eta` is \
                   the weight of `stick_breaking`. tgp draws sticks in evaluation too, and unbatched compares pairs that it draws.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Assign)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn sticks_are_broken_by_the_value_or_by_a_network() {
        let of = |args: &str| codes(&format!("gcn(8) -> bn_pool({args}) -> gcn(8) -> mean -> linear"));
        assert_eq!(of("k = 3"), [""; 0]);
        assert_eq!(of("k = 3, by = gcn(5) -> relu, weight = edges -> linear(1)"), [""; 0]);
        assert_eq!(of(""), ["args::missing"]);
        assert_eq!(of("k = 1"), ["args::out_of_range"]);
        assert_eq!(of("k = 3, by = gcn(5) -> mean"), ["levels::mixed_levels"]);
        assert_eq!(of("k = 3, learned = false, mean = 3.0"), ["args::no_effect"]);
        assert_eq!(types("gcn(8) -> bn_pool(k = 3) -> mean -> linear", None)[2], "clusters[3, 8]");
    }
}
