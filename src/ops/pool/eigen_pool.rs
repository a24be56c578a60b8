//! `eigen_pool(ratio | k | by)`: parts of the graph, each by the lowest frequencies of what its nodes carry.

use super::merging::{SELF_LOOPS, merged};
use super::selection::kept_nodes;
use super::{K, RATIO, kept_rows};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv, findings};
use crate::program::Space;
use crate::program::composite::{Composite, Join};
use crate::types::{Dim, Size, Type};

/// EigenPooling: the nodes of each part of the graph become one, which carries the part's features by frequency: for each of the `modes`
/// lowest eigenvalues of the Laplacian of the edges inside of the part, how much of a feature lies in its eigenspace,
/// `x'_{c,h} = ‖P_h x_c‖` with the projection `P_h` onto it. Where an eigenvalue has one eigenvector `u` that is `|u · x_c|`, the paper's
/// feature without its sign.
///
/// An eigenvector may be turned round, and of several with one eigenvalue each mixture is one: the length of a projection depends on
/// neither, so that the result is the same in every numbering. Lowest frequencies come first, those of the mean; a part with fewer
/// eigenvalues that differ has zeros behind them.
///
/// Parts are `balanced` ones as `coarsen` makes them, about as many as `ratio` or `k` says, or those of equal values of `by`; the paper
/// parts graphs by spectral clustering, from random starts. Eigenvectors of a part take the cube of its nodes: those of a graph of the data are
/// worked out once for all epochs, unless `weight`, `by` or a selection before makes others of them at every step.
///
/// Paper: Ma et al. 2019, "Graph Convolutional Networks with EigenPooling", section 3.2. tgp: `tgp.poolers.EigenPooling`.
///
/// # Shapes
/// - port 0, `x`: `[N, F]`, nodes of a sparse graph
/// - `by`: `[N, F_b]`, without gradient
/// - `weight`: `[E, 1]`, the entries `A_ij` of the edges in the Laplacian and in balancing parts, without gradient
/// - result: `[N', modes · F]`, at most `N` nodes of each graph, joined by one edge where edges lead from part to part
///
/// # Errors
/// `args::missing` where nothing says how to part graphs, `args::conflict` for `ratio` with `k` and `args::no_effect` for either beside
/// `by`, `levels::needs_nodes` and `levels::needs_rows` on anything but nodes, `levels::mixed_levels` where `by` leaves the level.
#[derive(Debug)]
pub struct EigenPool;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        default: Default::Inferred("given by `k` or `by`"),
        doc: "Number of parts, as a share of the nodes, rounded up.",
        ..RATIO
    },
    ArgSpec {
        default: Default::Inferred("given by `ratio` or `by`"),
        doc: "Number of parts of each graph.",
        ..K
    },
    ArgSpec {
        name: "by",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Inferred("balanced parts"),
        positional: false,
        doc: "A value of the nodes; those that are equal in all of it are one part.",
    },
    ArgSpec {
        name: "modes",
        kind: ArgKind::Int { min: 1, max: 64 },
        default: Default::Int(5),
        positional: false,
        doc: "How many eigenvalues of each part are taken, from the lowest on, tgp's `num_modes`.",
    },
    ArgSpec::flag("normalized", true, "Whether the Laplacian is `I − D^-½ A D^-½`; else it is `D − A`."),
    conv::WEIGHT,
    SELF_LOOPS,
];

impl Operator for EigenPool {
    fn name(&self) -> &'static str {
        "eigen_pool"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "EigenPooling: parts of the graph by the lowest frequencies of their features.",
            formula: "x'_{c,h} = ‖P_h x_c‖,  P_h of the h-th lowest eigenvalue of the Laplacian of part c",
            paper: "Ma et al. 2019, \"Graph Convolutional Networks with EigenPooling\"",
            example: "gcn(32) -> relu -> eigen_pool(ratio = 0.25, modes = 3) -> gcn(32) -> relu -> mean -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let ty = merged(cx)?;
        let input = cx.inputs[0];
        match cx.args.port("by") {
            Some(_) => {
                if let Some(name) = ["ratio", "k"].into_iter().find(|name| cx.args.is_written(name)) {
                    return Err(findings::args::no_effect(cx, name, "`by` says which nodes are one part"));
                }
                if let Some(port) = cx.port("by")
                    && (cx.inputs[port].entity, cx.inputs[port].level) != (input.entity, input.level)
                {
                    return Err(findings::levels::mixed_levels(cx, port));
                }
            }
            None => {
                kept_rows(cx, &input.rows, "ratio = 0.25")?;
            }
        }
        let modes = cx.args.int("modes") as usize;
        let size = match input.width.known() {
            Some(width) => Size::Known(modes * width),
            None => Size::product([Size::Known(modes), input.width.size.clone()]),
        };
        Ok(Type { width: Dim::new(size, Some(cx.span), format!("{modes} modes of each feature")), ..ty })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (a, b) = (cx.args, cx.b);
        let weight = cx.named("weight").map(|weight| weight.stop());
        let self_loops = a.bool("self_loops");
        let (rule, numbers) = match cx.named("by") {
            Some(by) => (Join::Equal, by.stop()),
            None => {
                let ones = || b.constant(1.0).in_space(Space::Edges).view(&[Size::Known(1)]);
                (Join::Balanced(kept_nodes(a)), weight.unwrap_or_else(ones))
            }
        };
        let level = b.call(Composite::Join { rule, self_loops }, &[numbers]);
        let bands = Composite::Bands { modes: a.int("modes") as usize, normalized: a.bool("normalized") };
        let given: Vec<_> = [cx.x(), level].into_iter().chain(weight).collect();
        let power = b.call(Composite::Merged, &[b.call(bands, &given).square(), level]);
        // The slope of a root is infinite at 0, where no frequency is.
        let length = power.at_least(LEAST).sqrt();
        Some(Outcome::kept(power.offset(-LEAST).above(0.0).choose(length, b.constant(0.0)), level))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "tgp.poolers.EigenPooling",
            weights: &[],
            arguments: &[("num_modes", "modes")],
            note: "tgp turns each eigenvector so that its first entry is not below 0, which depends on the numbering, loses the \
                   features of a part of one node without a loop, and repeats the last mode where a part has fewer.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Merge)
    }
}

/// What the square of a length counts as 0 below.
const LEAST: f64 = 1e-30;

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn parts_are_given_or_balanced() {
        let of = |args: &str| codes(&format!("gcn(8) -> eigen_pool({args}) -> gcn(8) -> mean -> linear"));
        assert_eq!(of("k = 3"), [""; 0]);
        assert_eq!(of("ratio = 0.25, modes = 2, normalized = false, weight = edges -> linear(1)"), [""; 0]);
        assert_eq!(of("by = input"), [""; 0]);
        assert_eq!(of(""), ["args::missing"]);
        assert_eq!(of("k = 3, ratio = 0.5"), ["args::conflict"]);
        assert_eq!(of("k = 3, by = input"), ["args::no_effect"]);
        assert_eq!(of("by = input -> mean"), ["levels::mixed_levels"]);
        assert_eq!(of("k = 3, modes = 0"), ["args::out_of_range"]);
        assert_eq!(
            types("gcn(8) -> eigen_pool(k = 3, modes = 2) -> mean -> linear", None)[2],
            "nodes[N, 16]"
        );
        assert_eq!(codes("diffpool(k = 4) -> eigen_pool(k = 2) -> mean -> linear"), ["levels::needs_nodes"]);
    }
}
