//! `coarsen(select, reduce, connect)`: a pooling put together of named parts.

use super::assignment::{Assigned, connected};
use super::merging::{merged, reduced};
use super::selection::{kept_nodes, nodes};
use super::{K, RATIO, graclus, kept_rows, kmis, largest_rows};
use crate::args::{ArgKind, ArgSpec, ArgValue, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{On, Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, InferCx, Init, Operator, Pyg, Select, WidthRule, conv, facts, findings,
};
use crate::program::composite::{Composite, Connect, Join};
use crate::program::{Index, Space, V};
use crate::types::{Dim, Entity, Size, Type};

/// A pooling as its parts, each of which is exchanged by a word. *Select* says which rows become one: the `best` nodes stay
/// alone, `clusters` are soft shares of all, `pairs` are linked by the heaviest edges, `balanced` parts are pairs of pairs of one size, as
/// METIS makes them, `equal` ones have one value, `around` puts
/// every node to the best centre within reach, and `votes` to the one of the best nodes that most of its neighbours joined.
/// *Reduce* says what the features of those that become one are put together by, *connect* how the new rows are joined.
/// What `lift` brings back follows from the selection.
///
/// What a selection goes by is the value of `by`, mapped by one matrix of the pooling: to one number for each node, `y`, or with
/// `clusters` to `k`, whose softmax are the shares `S`. So that the matrix learns, `best` multiplies the features by `tanh(y)`,
/// `votes` as well, and `around` by `sigmoid(y)`. `equal` compares the value as it is, `pairs` and
/// `balanced` read none. Where nodes that nothing tells apart do not fit into one of the `balanced` parts, they are left as they are, so that
/// the parts are the same in every numbering.
///
/// Each selection with the parts that its paper gives it is an operator of its own: `topk`, `diffpool`, `graclus`, `partition`,
/// `kmis`, `max_cut`.
///
/// Paper: Grattarola et al. 2022, "Understanding Pooling in Graph Neural Networks", section 3.
/// tgp: `tgp.src.SRCPooling`.
///
/// # Shapes
/// - port 0, `x`: `[N, F]`, nodes, of `clusters` also clusters
/// - `by`: `[N, F_b]`; without it `x`
/// - `weight`: `[E, 1]`, what edges count in `pairs`, or in the graph of the `clusters`
/// - result: nodes of a new level, `[⌈ratio · N⌉, F]` or `[min(k, N), F]` of `best`, at most `N` where nodes become one; of
///   `clusters` `[G · k, F]`, with the coarse adjacency `[G, k, k]`
///
/// # Errors
/// `args::missing` and `args::conflict` for `ratio` and `k`, `args::no_effect` for what a selection does not read,
/// `args::does_not_fit` for parts that do not go together, `levels::needs_nodes`, `levels::needs_rows` and `levels::needs_edges` on
/// other levels, `levels::mixed_levels` where `by` leaves the level.
#[derive(Debug)]
pub struct Coarsen;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "select",
        kind: ArgKind::Choice(&["best", "clusters", "pairs", "balanced", "equal", "around", "votes"]),
        default: Default::Required,
        positional: false,
        doc: "Which rows become one.",
    },
    ArgSpec {
        name: "by",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Inferred("the value that is pooled"),
        positional: false,
        doc: "The network whose result the selection goes by.",
    },
    ArgSpec {
        default: Default::Inferred("given by `k`, where the selection has a number"),
        doc: "Share of the nodes that are the best ones, or of clusters of the largest graph, rounded up.",
        ..RATIO
    },
    ArgSpec {
        default: Default::Inferred("given by `ratio`, where the selection has a number"),
        doc: "Number of the best nodes, or of clusters, of each graph.",
        ..K
    },
    ArgSpec {
        name: "hops",
        kind: ArgKind::Int { min: 1, max: 64 },
        default: Default::Inferred("1 with `around`"),
        positional: false,
        doc: "How many edges centres are more than apart, with `around`.",
    },
    ArgSpec {
        name: "reduce",
        kind: ArgKind::Choice(&["sum", "mean", "max"]),
        default: Default::Choice("sum"),
        positional: false,
        doc: "What the features of the rows that become one are put together by.",
    },
    ArgSpec {
        name: "connect",
        kind: ArgKind::Choice(&["edges", "walks", "neighbourhoods", "degrees", "largest"]),
        default: Default::Choice("edges"),
        positional: false,
        doc: "How the new rows are joined: by the `edges` between them, of clusters `Sᵀ A S`. The `best` nodes also by an edge for each of \
              the `walks` of one or two edges, or where their `neighbourhoods` touch, and values of the edges end; of clusters each \
              entry may be divided by the roots of both `degrees`, or by the `largest`.",
    },
    ArgSpec::flag(
        "self_loops",
        false,
        "Whether what became one is joined to itself by the edges inside of it.",
    ),
    conv::WEIGHT,
];

/// The word of `select`; none where a call that cannot do without has none.
fn selection(args: &Args) -> &'static str {
    match args.get("select").map(|arg| &arg.value) {
        Some(ArgValue::Choice(word)) => word,
        _ => "",
    }
}

/// What a selection reads and goes with.
struct Parts {
    has_number: bool,
    connects: &'static [&'static str],
    reads_weight: bool,
}

fn parts(select: &str) -> Parts {
    let merges = &["edges"];
    match select {
        "best" => {
            Parts { has_number: true, connects: &["edges", "walks", "neighbourhoods"], reads_weight: false }
        }
        "clusters" => {
            Parts { has_number: true, connects: &["edges", "degrees", "largest"], reads_weight: true }
        }
        "votes" => Parts { has_number: true, connects: merges, reads_weight: false },
        "pairs" => Parts { has_number: false, connects: merges, reads_weight: true },
        "balanced" => Parts { has_number: true, connects: merges, reads_weight: true },
        _ => Parts { has_number: false, connects: merges, reads_weight: false },
    }
}

/// # Errors
/// `args::no_effect` and `args::does_not_fit` for parts that do not go together.
fn go_together(cx: &InferCx) -> Result<(), Diagnostic> {
    let (select, connect) = (selection(cx.args), cx.args.choice("connect"));
    let parts = parts(select);
    let idle = |name, why: &str| match cx.args.is_written(name) {
        true => Err(findings::args::no_effect(cx, name, why)),
        false => Ok(()),
    };
    if !parts.has_number {
        let why = format!("how many rows `select = {select}` leaves follows from the graph");
        idle("ratio", &why)?;
        idle("k", &why)?;
    }
    if !parts.reads_weight {
        idle("weight", &format!("`select = {select}` does not ask what edges count"))?;
    }
    if select != "around" {
        idle("hops", "only `select = around` reaches further than one edge")?;
    }
    if matches!(select, "pairs" | "balanced") {
        idle("by", &format!("`select = {select}` goes by what edges weigh alone"))?;
    }
    if select == "best" {
        idle("reduce", "a node that stays is put together with no other")?;
        if connect != "neighbourhoods" {
            idle("self_loops", "nodes that stay keep the loops that they have")?;
        }
    }
    if select == "clusters" && cx.args.choice("reduce") == "max" {
        let message = "`reduce = max` of `coarsen` does not fit `select = clusters`: every cluster has a share of every node";
        return Err(findings::args::does_not_fit(
            cx,
            "reduce",
            message,
            "write `reduce = sum` or `reduce = mean`",
        ));
    }
    if !parts.connects.contains(&connect) {
        let message = format!("`connect = {connect}` of `coarsen` does not fit `select = {select}`");
        let help = format!("it goes with {}", crate::args::words_list(parts.connects));
        return Err(findings::args::does_not_fit(cx, "connect", &message, &help));
    }
    Ok(())
}

impl Operator for Coarsen {
    fn name(&self) -> &'static str {
        "coarsen"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "A pooling put together of parts: how rows are selected, reduced and connected.",
            formula: "x_c = reduce_{i ∈ c} x_i,  c by `select`,  A' by `connect`",
            paper: "Grattarola et al. 2022, \"Understanding Pooling in Graph Neural Networks\"",
            example: "gcn(64) -> relu -> coarsen(select = best, by = gcn(8) -> relu, ratio = 0.5) -> gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let (input, select) = (cx.inputs[0], selection(cx.args));
        match select {
            "clusters" => conv::has_edges(cx)?,
            _ => nodes(cx)?,
        }
        go_together(cx)?;
        if let Some(port) = cx.port("by")
            && (cx.inputs[port].entity, cx.inputs[port].level) != (input.entity, input.level)
        {
            return Err(findings::levels::mixed_levels(cx, port));
        }
        match select {
            "clusters" => Ok(Type {
                entity: Entity::Clusters,
                level: cx.new_level,
                rows: kept_rows(cx, &largest_rows(cx, &input.rows), "ratio = 0.25")?,
                width: input.width.clone(),
                symmetry: findings::symmetry::of_entity(cx, Entity::Clusters),
            }),
            "best" => Ok(Type { rows: kept_rows(cx, &input.rows, "ratio = 0.5")?, ..merged(cx)? }),
            "votes" | "balanced" => {
                kept_rows(cx, &input.rows, "ratio = 0.5")?;
                merged(cx)
            }
            _ => merged(cx),
        }
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (a, b, x) = (cx.args, cx.b, cx.x());
        let (by, width) = cx.named_with_width("by").unwrap_or((x, &cx.inputs[0].width));
        let mapped = |to: &Dim| -> V<'b> {
            let init = Init::KaimingUniform { fan_in: facts::known(width) };
            by.linear(b.weight("by", &[width.clone(), to.clone()], init))
        };
        let score = || mapped(&conv::fixed(1));
        let self_loops = a.bool("self_loops");
        let join = |rule, numbers: V<'b>| b.call(Composite::Join { rule, self_loops }, &[numbers.stop()]);
        Some(match selection(a) {
            "best" => {
                let score = score();
                let connect = match a.choice("connect") {
                    "walks" => Connect::Walks,
                    "neighbourhoods" => Connect::Neighbourhoods { self_loops },
                    _ => Connect::Edges,
                };
                let level = b.call(Composite::Select(kept_nodes(a), connect), &[score]);
                let kept = |v: V<'b>| b.call(Composite::Kept, &[v, level]);
                Outcome::kept(kept(x) * kept(score).tanh(), level)
            }
            "clusters" => {
                let of = Assigned::of(cx, mapped(&cx.output.rows));
                let sum = of.s.outer(x, Index::Graph);
                let size = of.s.sum(Index::Graph).at_least(super::assignment::TINY);
                Outcome {
                    x: if a.choice("reduce") == "mean" { sum * size.reciprocal().column() } else { sum },
                    on: On::Clusters { adjacency: connected(cx, of.s.outer(of.gathered, Index::Graph)) },
                    losses: Vec::new(),
                    assignment: Some(of.s),
                }
            }
            "balanced" => {
                let ones = || b.constant(1.0).in_space(Space::Edges).view(&[Size::Known(1)]);
                let level = join(Join::Balanced(kept_nodes(a)), cx.named("weight").unwrap_or_else(ones));
                Outcome::kept(reduced(cx, x, level), level)
            }
            "pairs" => {
                let level = graclus::pairs(cx, self_loops);
                Outcome::kept(reduced(cx, x, level), level)
            }
            "around" => {
                let score = score().sigmoid();
                let hops = a.opt_int("hops").unwrap_or(1) as usize;
                let level = join(Join::Around { hops }, kmis::alone(cx, score, "greedy", hops));
                Outcome::kept(reduced(cx, x * score, level), level)
            }
            "votes" => {
                let score = score();
                let level = join(Join::Votes(kept_nodes(a)), score);
                Outcome::kept(reduced(cx, x * score.tanh(), level), level)
            }
            _ => {
                let level = join(Join::Equal, by);
                Outcome::kept(reduced(cx, x, level), level)
            }
        })
    }
    fn joins_anew(&self, args: &Args) -> bool {
        matches!(args.choice("connect"), "walks" | "neighbourhoods")
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "tgp.src.SRCPooling",
            weights: &[],
            arguments: &[("selector", "select"), ("reducer", "reduce"), ("connector", "connect")],
            note: "Its selectors, reducers and connectors are words here.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        Action::Pooling(match selection(args) {
            "best" => Select::Keep,
            "clusters" => Select::Assign,
            _ => Select::Merge,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    fn of(args: &str) -> Vec<&'static str> {
        codes(&format!("gcn(8) -> coarsen({args}) -> gcn(8) -> mean -> linear"))
    }

    #[test]
    fn every_selection_has_its_rows() {
        let rows = |args: &str| types(&format!("gcn(8) -> coarsen({args}) -> mean -> linear"), None);
        let has =
            |args: &str, row: &str| assert!(rows(args).contains(&row.to_owned()), "{args}: {:?}", rows(args));
        has("select = best, ratio = 0.5", "nodes[⌈N/2⌉, 8]");
        has("select = best, by = gcn(3) -> relu, k = 4, connect = neighbourhoods", "nodes[4, 8]");
        has("select = clusters, k = 3, reduce = mean, connect = degrees", "clusters[3, 8]");
        for args in [
            "pairs, reduce = max",
            "equal",
            "around, hops = 2",
            "votes, ratio = 0.5, by = gcn(3)",
            "balanced, k = 3",
        ] {
            assert_eq!(of(&format!("select = {args}")), [""; 0], "{args}");
        }
    }

    #[test]
    fn parts_that_do_not_go_together_are_refused() {
        assert_eq!(of(""), ["args::missing"]);
        assert_eq!(of("select = best"), ["args::missing"]);
        assert_eq!(of("select = best, ratio = 0.5, reduce = max"), ["args::no_effect"]);
        assert_eq!(of("select = best, ratio = 0.5, connect = degrees"), ["args::does_not_fit"]);
        assert_eq!(of("select = clusters, k = 3, connect = walks"), ["args::does_not_fit"]);
        assert_eq!(of("select = clusters, k = 3, reduce = max"), ["args::does_not_fit"]);
        assert_eq!(of("select = pairs, k = 3"), ["args::no_effect"]);
        assert_eq!(of("select = pairs, by = gcn(3)"), ["args::no_effect"]);
        assert_eq!(of("select = balanced, k = 3, by = gcn(3)"), ["args::no_effect"]);
        assert_eq!(of("select = balanced"), ["args::missing"]);
        assert_eq!(of("select = equal, hops = 2"), ["args::no_effect"]);
        assert_eq!(of("select = votes, k = 3, weight = edges -> linear(1)"), ["args::no_effect"]);
        assert_eq!(of("select = best, k = 3, by = mean"), ["levels::mixed_levels"]);
        let text =
            "coarsen(select = best, k = 4, connect = walks) -> gine(8, edge = edges) -> mean -> linear";
        assert_eq!(codes(text), ["levels::edges_end"]);
        assert_eq!(
            codes("diffpool(k = 4) -> coarsen(select = best, k = 2) -> mean -> linear"),
            ["levels::needs_nodes"]
        );
        assert_eq!(codes("diffpool(k = 4) -> coarsen(select = clusters, k = 2) -> max -> linear"), [""; 0]);
    }
}
