//! `rgcn(out, relation)`: a matrix for each kind of edge.

use super::{BIAS, OUT, convolved, fixed, glorot};
use crate::args::{ArgKind, ArgSpec, Args, Default, EdgeValue};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::program::V;
use crate::types::{Dim, Size, Type};

/// Relational graph convolution: `h_i = Θᵀ x_i + Σ_r W_rᵀ aggregate_{j ∈ N_r(i)} x_j + b` over the kinds `r` of edges, where
/// `N_r(i)` are the neighbours of `i` along edges of kind `r`. With `bases`, `W_r = Σ_b c_rb V_b`; with `blocks`, `W_r` is
/// block diagonal.
///
/// Paper: Schlichtkrull et al. 2018, "Modeling Relational Data with Graph Convolutional Networks", eqs. 2 to 4.
/// PyG: `torch_geometric.nn.RGCNConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes; `relation`: `[E]`, one of `R` kinds
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred, `args::conflict` for
/// `bases` with `blocks`, `args::does_not_fit` where the blocks do not divide the widths, and those of the argument
/// `relation`.
#[derive(Debug)]
pub struct Rgcn;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "relation",
        kind: ArgKind::Edges(EdgeValue::Kind),
        default: Default::Required,
        positional: false,
        doc: "The kind of each edge, `r`.",
    },
    ArgSpec {
        name: "aggregate",
        kind: ArgKind::Choice(&["mean", "sum", "max"]),
        default: Default::Choice("mean"),
        positional: false,
        doc: "How the neighbours along edges of one kind are gathered.",
    },
    ArgSpec {
        name: "bases",
        kind: ArgKind::Int { min: 1, max: super::MAX_WIDTH },
        default: Default::Inferred("a matrix of its own for each kind"),
        positional: false,
        doc: "Number of matrices of which those of the kinds are weighted sums, PyG's `num_bases`.",
    },
    ArgSpec {
        name: "blocks",
        kind: ArgKind::Int { min: 1, max: 1024 },
        default: Default::Inferred("matrices without zeros"),
        positional: false,
        doc: "Number of blocks on the diagonal of each matrix, PyG's `num_blocks`.",
    },
    ArgSpec::flag("root_weight", true, "Whether a linear map of the node's own features is added."),
    BIAS,
];

/// A part of `n` of a width.
fn part(width: &Dim, n: usize) -> Size {
    match width.known() {
        Some(width) => Size::Known(width / n),
        None => Size::ratio(1.0 / n as f64, width.size.clone()),
    }
}

impl Rgcn {
    /// `W_rᵀ v` of each edge, with the matrices as the arguments say. `of_edges` takes values of rows to the edges.
    fn by_kind<'b>(cx: &ProgramCx<'_, 'b>, of_edges: impl Fn(V<'b>) -> V<'b>) -> Option<V<'b>> {
        let (x, args, b) = (cx.x(), cx.args, cx.b);
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let kinds = &cx.inputs[args.port("relation")?].width;
        let matrices = [kinds.size.clone(), n_in.size.clone(), n_out.size.clone()];
        if let Some(n) = args.opt_int("bases") {
            let n = fixed(n as usize);
            let bases = b.weight("weight", &[n.clone(), n_in.clone(), n_out.clone()], glorot(n_in, n_out));
            let shares = b.weight("coefficients", &[kinds.clone(), n.clone()], glorot(kinds, &n));
            let entries = Size::product([n_in.size.clone(), n_out.size.clone()]);
            let all = shares.contract(bases.view(&[n.size, entries])).view(&matrices);
            return Some(of_edges(x).typed_linear(all));
        }
        let Some(n) = args.opt_int("blocks") else {
            let shape = [kinds.clone(), n_in.clone(), n_out.clone()];
            return Some(of_edges(x).typed_linear(b.weight("weight", &shape, glorot(n_in, n_out))));
        };
        let n = n as usize;
        let (from, to) = (part(n_in, n), part(n_out, n));
        let dim = |size: &Size| Dim::new(size.clone(), None, "");
        let shape = [kinds.clone(), fixed(n), dim(&from), dim(&to)];
        let w = b.weight("weight", &shape, glorot(&shape[2], &shape[3]));
        let blocks: Vec<V> = (0..n)
            .map(|block| {
                let start = Size::product([Size::Known(block), from.clone()]);
                let matrix = w.slice(1, Size::Known(block), Size::Known(1));
                let matrix = matrix.view(&[kinds.size.clone(), from.clone(), to.clone()]);
                of_edges(x.slice(0, start, from.clone())).typed_linear(matrix)
            })
            .collect();
        Some(b.concat(&blocks).view(std::slice::from_ref(&n_out.size)))
    }
}

impl Operator for Rgcn {
    fn name(&self) -> &'static str {
        "rgcn"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Relational graph convolution: neighbours are mapped by a matrix for each kind of edge.",
            formula: "h_i = Θᵀ x_i + Σ_r W_rᵀ aggregate_{j ∈ N_r(i)} x_j + b",
            paper: "Schlichtkrull et al. 2018, \"Modeling Relational Data with Graph Convolutional Networks\"",
            example: "rgcn(16, relation = edge_labels) -> relu -> rgcn(16, relation = edge_labels) -> relu -> sum -> mlp",
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
        if cx.args.opt_int("bases").is_some() && cx.args.opt_int("blocks").is_some() {
            return Err(findings::args::conflict(cx, "bases", "blocks"));
        }
        let width = findings::shape::output_width(cx, "out")?;
        if cx.args.opt_int("blocks") == Some(1) {
            return Err(findings::args::no_effect(cx, "blocks", "one block is the whole matrix"));
        }
        if let Some(blocks) = cx.args.opt_int("blocks") {
            let sides = [("input", cx.inputs[0].width.known()), ("result", width.known())];
            for (what, n) in sides {
                if let Some(n) = n.filter(|n| n % blocks as usize != 0) {
                    return Err(findings::args::does_not_fit(
                        cx,
                        "blocks",
                        &format!(
                            "the {what} of `rgcn` is {n} wide, which {blocks} blocks cannot share evenly"
                        ),
                        "write a number of blocks that divides both widths, or leave `blocks` out",
                    ));
                }
            }
        }
        convolved(cx, width)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, args, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        // The mean and the maximum are taken over the edges of one kind, and a node sums over the kinds: each of those
        // edges brings its share.
        let share = |v: V<'b>| v.mul_rows(e.count_alike().reciprocal());
        let messages = match args.choice("aggregate") {
            "mean" => share(Self::by_kind(cx, |x| e.source(x))?),
            "max" => share(Self::by_kind(cx, |x| e.source(x).largest_alike())?),
            _ => Self::by_kind(cx, |x| e.source(x))?,
        };
        let mut y = e.sum(messages);
        if args.bool("root_weight") {
            y = y + x.linear(b.weight("root", &[n_in.clone(), n_out.clone()], glorot(n_in, n_out)));
        }
        Some(Outcome::rows(match args.bool("bias") {
            true => y + b.weight("bias", std::slice::from_ref(n_out), Init::Zeros),
            false => y,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.RGCNConv",
            weights: &[
                ("weight", "weight", WeightMap::Same),
                ("comp", "coefficients", WeightMap::Same),
                ("root", "root", WeightMap::Same),
                ("bias", "bias", WeightMap::Same),
            ],
            arguments: &[("num_bases", "bases"), ("num_blocks", "blocks")],
            note: "",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let gather = match args.choice("aggregate") {
            "sum" => Gather::Sum,
            "max" => Gather::Max,
            _ => Gather::Mean,
        };
        let own = if args.bool("root_weight") { Own::Root } else { Own::Absent };
        Action::Messages { gather, own, is_linear: gather != Gather::Max }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn blocks_have_to_divide_both_widths_and_exclude_bases() {
        let codes = |text: &str| codes(&format!("linear(6) -> {text} -> sum -> linear"));
        assert_eq!(codes("rgcn(8, relation = edge_labels, blocks = 2)"), [""; 0]);
        assert_eq!(codes("rgcn(8, relation = edge_labels, blocks = 4)"), ["args::does_not_fit"]);
        assert_eq!(codes("rgcn(8, relation = edge_labels, blocks = 3)"), ["args::does_not_fit"]);
        assert_eq!(codes("rgcn(8, relation = edge_labels, blocks = 2, bases = 2)"), ["args::conflict"]);
        assert_eq!(codes("rgcn(8)"), ["args::missing"]);
        assert_eq!(codes("rgcn(8, relation = edges)"), ["levels::edges_needed"]);
    }

    #[test]
    fn its_result_is_as_wide_as_asked() {
        assert_eq!(types("rgcn(7, relation = edge_labels) -> sum -> linear", None)[2], "nodes[N, 7]");
    }
}
