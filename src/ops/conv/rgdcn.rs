//! `rgdcn(out, relation)`: matrices made by the node that gathers.

use super::rgcn::{RELATION, Typed};
use super::{AGGREGATE, OUT, convolved, gather_of, part};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Own, Pyg, WidthRule};
use crate::types::{Dim, Size, Type};

/// Relational graph dynamic convolution: `h_i = Σ_r aggregate_{j ∈ N_r(i)} ‖_c W_r,c(x_i)ᵀ x_j,c`. The features are cut into chunks,
/// and the matrix of each chunk is a linear function of the features of the node that gathers, one for each kind `r` of edges.
///
/// Paper: Brockschmidt 2020, "GNN-FiLM: Graph Neural Networks with Feature-wise Linear Modulation", section 3.1, after Wu et al.
/// 2019, "Pay Less Attention with Lightweight and Dynamic Convolutions".
/// PyG: none.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes; `relation`: `[E]`, one of `R` kinds
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred, `args::does_not_fit` where the
/// chunks do not divide both widths.
#[derive(Debug)]
pub struct Rgdcn;

static ARGS: &[ArgSpec] = &[
    OUT,
    RELATION,
    ArgSpec {
        name: "chunks",
        kind: ArgKind::Int { min: 1, max: 1024 },
        default: Default::Int(1),
        positional: false,
        doc: "Number of chunks of the features. An edge has a matrix of `F_in · F_out / chunks` numbers.",
    },
    ArgSpec { doc: "How the messages along edges of one kind are gathered.", ..AGGREGATE },
];

impl Operator for Rgdcn {
    fn name(&self) -> &'static str {
        "rgdcn"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Relational layer whose matrices are made of the features of the node that gathers.",
            formula: "h_i = Σ_r Σ_{j ∈ N_r(i)} ‖_c W_r,c(x_i)ᵀ x_j,c,  W_r,c(x) = Θ_r,c x + B_r,c",
            paper: "Brockschmidt 2020, \"GNN-FiLM: Graph Neural Networks with Feature-wise Linear Modulation\"",
            example: "linear(16) -> rgdcn(16, relation = edge_labels, chunks = 4) -> relu -> sum -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::has_edges(cx)?;
        let (width, chunks) = (findings::shape::output_width(cx, "out")?, cx.args.int("chunks") as usize);
        for (what, n) in [("input", cx.inputs[0].width.known()), ("result", width.known())] {
            if let Some(n) = n.filter(|n| n % chunks != 0) {
                return Err(findings::args::does_not_fit(
                    cx,
                    "chunks",
                    &format!("the {what} of `rgdcn` is {n} wide, which {chunks} chunks cannot share evenly"),
                    "write a number of chunks that divides both widths, or leave `chunks` out",
                ));
            }
        }
        convolved(cx, width)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, e) = (cx.x(), cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let chunks = cx.args.int("chunks") as usize;
        let (from, to) = (part(n_in, chunks), part(n_out, chunks));
        let kinds = Typed::of(cx)?;
        let entries = Size::product([Size::Known(chunks), from.size.clone(), to.size.clone()]);
        let matrix = kinds.linear(e.target(x), ["weight", "bias"], n_in, &Dim::new(entries, None, ""));
        let source = e.source(x);
        let mapped = |chunk: usize| {
            let start = |each: Size| Size::product([Size::Known(chunk), each]);
            let each = Size::product([from.size.clone(), to.size.clone()]);
            let matrix = matrix.slice(0, start(each.clone()), each);
            let row = source.slice(0, start(from.size.clone()), from.size.clone());
            let row = row.view(&[Size::Known(1), from.size.clone()]);
            row.contract(matrix.view(&[from.size.clone(), to.size.clone()])).flat()
        };
        let message: Vec<_> = (0..chunks).map(mapped).collect();
        let message = cx.b.concat(&message).view(std::slice::from_ref(&n_out.size));
        Some(Outcome::rows(kinds.aggregated(message)))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, args: &Args) -> Action {
        Action::Messages { gather: gather_of(args), own: Own::Root, is_linear: false }
    }
}
