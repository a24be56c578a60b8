//! `partition(by)`: nodes with equal values become one.

use super::merging::{REDUCE, SELF_LOOPS, merged, reduced};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule};
use crate::program::composite::{Composite, Join};
use crate::types::Type;

/// Pools by a given partition: the nodes of a graph whose values of `by` are equal, to the last bit, become one, linked or
/// not. What is given may be a column of the data, such as the number of a part, or anything that a network makes of it.
///
/// Paper: Defferrard et al. 2016, "Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering", section
/// 2.2, pools so by a partition that was worked out before.
/// PyG: `torch_geometric.nn.max_pool` and `avg_pool`.
///
/// # Shapes
/// - port 0, `x`: `[N, F]`, nodes of a sparse graph
/// - port 1, `by`: `[N, F_b]`, without gradient
/// - result: `[N', F]`, at most `N` nodes of each graph, in the order of the first node of each part, joined by one edge where
///   edges lead from part to part. Values of the edges go on as the sums over the edges that became one.
///
/// # Errors
/// `levels::needs_nodes` and `levels::needs_rows` on anything but nodes, `levels::mixed_levels` where `by` leaves the level.
#[derive(Debug)]
pub struct Partition;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "by",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Required,
        positional: false,
        doc: "A value of the nodes; those that are equal in all of it become one.",
    },
    REDUCE,
    SELF_LOOPS,
];

impl Operator for Partition {
    fn name(&self) -> &'static str {
        "partition"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Pools by a given partition: nodes of a graph with equal values become one.",
            formula: "x_c = Σ_{i ∈ c} x_i,  c the nodes with one value of `by`",
            paper: "Defferrard et al. 2016, \"Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering\"",
            example: "partition(by = identity, reduce = max) -> gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let ty = merged(cx)?;
        if let Some(by) = cx.inputs.get(1)
            && (by.entity, by.level) != (cx.inputs[0].entity, cx.inputs[0].level)
        {
            return Err(findings::levels::mixed_levels(cx, 1));
        }
        Ok(ty)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let rule = Composite::Join { rule: Join::Equal, self_loops: cx.args.bool("self_loops") };
        let level = cx.b.call(rule, &[cx.input(1)?]);
        Some(Outcome::kept(reduced(cx, cx.x(), level), level))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.max_pool",
            weights: &[],
            arguments: &[("cluster", "by")],
            note: "With `reduce = max`; `avg_pool` is `reduce = mean`. PyG orders the parts by their numbers.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Merge)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn what_the_nodes_are_parted_by_is_a_value_of_theirs() {
        let text = "identity as given -> gcn(8) -> partition(by = given) -> gcn(4) -> mean -> linear";
        assert_eq!(codes(text), [""; 0]);
        assert!(types(text, None).contains(&"nodes[N, 8]".to_owned()));
        assert_eq!(codes("gcn(8) -> partition -> mean -> linear"), ["args::missing"]);
        assert_eq!(codes("gcn(8) -> partition(by = mean) -> mean -> linear"), ["levels::mixed_levels"]);
    }
}
