//! `graphlet(k)`: the graphlet kernel.

use super::{GraphKernel, LABELS, NORMALIZE};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::Type;

/// Graphlet kernel: `k(G, G') = Σ_g n(g, G) n(g, G')`, where `n(g, G)` is how many sets of `k` nodes of `G` are joined as in `g`, with
/// the labels of `g`. Counted are the connected graphs of `k` nodes, each set exactly once (Wernicke 2006): two for `k = 3`, six for 4
/// and 21 for 5 without labels.
///
/// Edges count without their direction, and each pair of nodes once; self-loops do not count. Of `k = 3` and 5 every set is met by itself,
/// about `N d^(k-1)` steps for `d` neighbours a node, hours for `k = 5` on dense sets such as COLLAB; of `k = 4` most are counted by
/// formulas from neighbours, triangles and four-cycles, so that a node with thousands of neighbours takes no more than its labels ask for.
/// Shervashidze et al. count sets that are not connected too and draw some of them; an exact count has no seed, and the same graph has
/// the same counts in every numbering.
///
/// Papers: Shervashidze et al. 2009, "Efficient Graphlet Kernels for Large Graph Comparison"; Wernicke 2006, "Efficient Detection of
/// Network Motifs", for the enumeration; Ahmed et al. 2015, "Efficient Graphlet Counting for Large Networks", for the formulas.
/// GraKeL: `GraphletSampling(k)`, which draws sets and ignores labels.
///
/// # Shapes
/// - `x`: `[N, F]`, the nodes of the data
/// - result: counts of each graph, for `svm`
///
/// # Errors
/// `kernel::not_first` behind another stage; `kernel::no_machine` where something else than `svm` reads it.
#[derive(Debug)]
pub struct Graphlet;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "k",
        kind: ArgKind::Int { min: 3, max: 5 },
        default: Default::Int(3),
        positional: true,
        doc: "Nodes of a graphlet.",
    },
    LABELS,
    NORMALIZE,
];

impl Operator for Graphlet {
    fn name(&self) -> &'static str {
        "graphlet"
    }
    fn family(&self) -> Family {
        Family::Kernel
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Graphlet kernel: connected subgraphs of 3, 4 or 5 nodes with their labels, each counted once.",
            formula: "k(G, G') = Σ_g n(g, G) n(g, G')",
            paper: "Shervashidze et al. 2009, \"Efficient Graphlet Kernels for Large Graph Comparison\"",
            example: "graphlet(k = 3) -> svm",
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
    fn action(&self, args: &Args) -> Action {
        Action::Kernel(GraphKernel::Graphlet { k: args.int("k") as usize })
    }
}
