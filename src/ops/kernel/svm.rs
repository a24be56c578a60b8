//! `svm(c)`: a support vector machine on a graph kernel.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::{Dim, Size, Type};

/// Support vector machine: for each two classes it maximises `Σ_i α_i - ½ Σ_ij α_i α_j y_i y_j k(x_i, x_j)` over `0 ≤ α_i ≤ C` with
/// `Σ_i α_i y_i = 0`, and decides by `Σ_i α_i y_i k(x_i, x) + b`.
///
/// Of several classes each pair has a machine, and each machine a vote; where votes are equal, the sums of the decisions decide. An
/// output is the votes of a class with that sum, squeezed below 1/3: no probability. With two classes the outputs are the decision
/// with either sign. Nothing is drawn by chance, and the result has the same bits for any number of threads.
///
/// It is solved by sequential minimal optimisation on the Gram matrix of the training graphs. `C` and the `h` of the kernel are
/// those of the lists that are best on the validation part by the first metric, of equal ones the first; without a list nothing is
/// chosen, and no validation part is needed. The machine is fitted to the training part alone, as networks are.
///
/// Papers: Cortes and Vapnik 1995, "Support-Vector Networks"; Fan et al. 2005, "Working Set Selection Using Second Order Information
/// for Training Support Vector Machines", for the solver.
/// scikit-learn: `SVC(C, kernel = "precomputed", tol = tolerance, break_ties = True)`.
///
/// # Shapes
/// - `x`: what a graph kernel counts
/// - result: an output for each class
///
/// # Errors
/// `kernel::no_kernel` on anything but a kernel; `kernel::not_last` where a stage follows; `kernel::needs_classes` for values.
#[derive(Debug)]
pub struct Svm;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "c",
        kind: ArgKind::Floats { range: Range::closed(1e-9, 1e9), max_len: 100 },
        default: Default::FloatList(&[1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3]),
        positional: true,
        doc: "`C`, what a training graph on the wrong side costs: the larger, the closer the machine keeps to the training graphs. \
              Of a list, that which is best on the validation part.",
    },
    ArgSpec {
        name: "tolerance",
        kind: ArgKind::Float(Range::closed(1e-12, 1.0)),
        default: Default::Float(1e-3),
        positional: false,
        doc: "By how much conditions of the optimum may be missed where the solver ends.",
    },
];

impl Operator for Svm {
    fn name(&self) -> &'static str {
        "svm"
    }
    fn family(&self) -> Family {
        Family::Kernel
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "A support vector machine on a graph kernel, one for each two classes.",
            formula: "sign(Σ_i α_i y_i k(x_i, x) + b),  0 ≤ α_i ≤ C",
            paper: "Cortes and Vapnik 1995, \"Support-Vector Networks\"",
            example: "wl_kernel(h = [0, 1, 2, 3]) -> svm(c = [0.1, 1, 10])",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let width = match cx.data.filter(|data| data.n_outputs > 0) {
            Some(data) => Dim::new(
                Size::Known(data.n_outputs),
                Some(cx.span),
                format!("an output for each class of {}", data.name),
            ),
            None => Dim::new(Size::Symbol("C"), Some(cx.span), "an output for each class"),
        };
        Ok(Type { width, ..cx.inputs[0].clone() })
    }
    fn program<'b>(&self, _: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        None
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Machine
    }
}
