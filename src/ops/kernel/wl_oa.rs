//! `wl_oa(h)`: the Weisfeiler-Lehman optimal assignment kernel.

use super::{GraphKernel, H, LABELS, NORMALIZE};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::Type;

/// Weisfeiler-Lehman optimal assignment kernel: `k(G, G') = Σ_{t ≤ h} Σ_c min(n_t(c, G), n_t(c, G'))`, the most that an assignment
/// of the nodes of one graph to those of the other can reach, where two nodes are as alike as the steps for which they have the same
/// colour. Colours are those of `wl_kernel`.
///
/// Paper: Kriege et al. 2016, "On Valid Optimal Assignment Kernels and Applications to Graph Classification", section 4.2.
/// GraKeL: `WeisfeilerLehmanOptimalAssignment(n_iter = h)`, normalised.
///
/// # Shapes
/// - `x`: `[N, F]`, the nodes of the data
/// - result: counts of each graph, for `svm`
///
/// # Errors
/// `kernel::not_first` behind another stage; `kernel::no_machine` where something else than `svm` reads it.
#[derive(Debug)]
pub struct WlOa;

static ARGS: &[ArgSpec] = &[H, LABELS, NORMALIZE];

impl Operator for WlOa {
    fn name(&self) -> &'static str {
        "wl_oa"
    }
    fn family(&self) -> Family {
        Family::Kernel
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Weisfeiler-Lehman optimal assignment kernel: the best matching of nodes by their neighbourhoods.",
            formula: "k(G, G') = Σ_t Σ_c min(n_t(c, G), n_t(c, G'))",
            paper: "Kriege et al. 2016, \"On Valid Optimal Assignment Kernels and Applications to Graph Classification\"",
            example: "wl_oa(h = 5) -> svm",
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
        Action::Kernel(GraphKernel::Assignment)
    }
}
