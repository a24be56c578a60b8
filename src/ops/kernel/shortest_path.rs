//! `shortest_path`: the shortest-path kernel.

use super::{GraphKernel, LABELS, NORMALIZE};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::Type;

/// Shortest-path kernel: `k(G, G') = Σ_{a, b, d} n(a, b, d, G) n(a, b, d, G')`, where `n(a, b, d, G)` is how many pairs of different
/// nodes there are of which the first has the label `a`, the second `b`, and `d` edges lead from the first to the second at least.
///
/// Each edge counts as one step, in its direction; pairs that no way joins count nothing. Edges have no labels here. One search from
/// every node: `O(N E)` time for a graph, and memory for its nodes and the kinds of pairs that it has.
///
/// Paper: Borgwardt and Kriegel 2005, "Shortest-Path Kernels on Graphs", definition 5, with equality of labels and of lengths.
/// GraKeL: `ShortestPath(with_labels = True, normalize = True)`; `labels = none` is `with_labels = False`.
///
/// # Shapes
/// - `x`: `[N, F]`, the nodes of the data
/// - result: counts of each graph, for `svm`
///
/// # Errors
/// `kernel::not_first` behind another stage; `kernel::no_machine` where something else than `svm` reads it.
#[derive(Debug)]
pub struct ShortestPath;

static ARGS: &[ArgSpec] = &[LABELS, NORMALIZE];

impl Operator for ShortestPath {
    fn name(&self) -> &'static str {
        "shortest_path"
    }
    fn family(&self) -> Family {
        Family::Kernel
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Shortest-path kernel: pairs of nodes by their labels and their distance.",
            formula: "k(G, G') = Σ_{a, b, d} n(a, b, d, G) n(a, b, d, G')",
            paper: "Borgwardt and Kriegel 2005, \"Shortest-Path Kernels on Graphs\"",
            example: "shortest_path -> svm",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::counts_of_nodes(cx)
    }
    fn program<'b>(&self, _: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        None
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Kernel(GraphKernel::ShortestPath)
    }
}
