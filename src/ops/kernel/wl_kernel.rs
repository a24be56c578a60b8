//! `wl_kernel(h)`: the Weisfeiler-Lehman subtree kernel.

use super::{GraphKernel, H, LABELS, NORMALIZE};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::Type;

/// Weisfeiler-Lehman subtree kernel: `k(G, G') = Σ_{t ≤ h} Σ_c n_t(c, G) n_t(c, G')`, where `n_t(c, G)` is how many nodes of `G`
/// have the colour `c` after `t` steps of refinement, `c_iᵗ = hash(c_iᵗ⁻¹, {{c_jᵗ⁻¹ : j ∈ N(i)}})`.
///
/// A node gathers along the edges that lead to it, parallel edges each and itself where it has a self-loop. Labels of edges are not
/// used. Colours are hashed to 64 bits, so that a colour is the same in every graph and in every numbering: of ten million different
/// ones, two are taken for one with probability 3e-6. A graph without nodes is like none, itself included: 0.
///
/// Paper: Shervashidze et al. 2011, "Weisfeiler-Lehman Graph Kernels", definition 5.
/// GraKeL: `WeisfeilerLehman(n_iter = h, normalize = True)` over `VertexHistogram`; without `normalize`, the same numbers too.
///
/// # Shapes
/// - `x`: `[N, F]`, the nodes of the data
/// - result: counts of each graph, for `svm`
///
/// # Errors
/// `kernel::not_first` behind another stage; `kernel::no_machine` where something else than `svm` reads it.
#[derive(Debug)]
pub struct WlKernel;

static ARGS: &[ArgSpec] = &[H, LABELS, NORMALIZE];

impl Operator for WlKernel {
    fn name(&self) -> &'static str {
        "wl_kernel"
    }
    fn family(&self) -> Family {
        Family::Kernel
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Weisfeiler-Lehman subtree kernel: graphs are alike in the neighbourhoods that they share.",
            formula: "k(G, G') = Σ_t Σ_c n_t(c, G) n_t(c, G'),  c_iᵗ = hash(c_iᵗ⁻¹, {{c_jᵗ⁻¹}})",
            paper: "Shervashidze et al. 2011, \"Weisfeiler-Lehman Graph Kernels\"",
            example: "wl_kernel(h = 5) -> svm",
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
        Action::Kernel(GraphKernel::Subtree)
    }
}
