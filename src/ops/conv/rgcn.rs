//! `rgcn(out, relation)`: a matrix for each kind of edge.

use super::{BIAS, OUT, convolved, fixed, glorot};
use crate::args::{ArgKind, ArgSpec, Args, Default, EdgeValue};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::{Space, V};
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

/// Shared by the operators that tell kinds of edges apart.
pub const RELATION: ArgSpec = ArgSpec {
    name: "relation",
    kind: ArgKind::Edges(EdgeValue::Kind),
    default: Default::Required,
    positional: false,
    doc: "The kind of each edge, `r`.",
};

/// Shared with `rgat`.
pub const BASES: ArgSpec = ArgSpec {
    name: "bases",
    kind: ArgKind::Int { min: 1, max: super::MAX_WIDTH },
    default: Default::Inferred("a matrix of its own for each kind"),
    positional: false,
    doc: "Number of matrices of which those of the kinds are weighted sums, PyG's `num_bases`.",
};

/// Shared with `rgat`.
pub const BLOCKS: ArgSpec = ArgSpec {
    name: "blocks",
    kind: ArgKind::Int { min: 1, max: 1024 },
    default: Default::Inferred("matrices without zeros"),
    positional: false,
    doc: "Number of blocks on the diagonal of each matrix, PyG's `num_blocks`.",
};

static ARGS: &[ArgSpec] = &[
    OUT,
    RELATION,
    ArgSpec {
        name: "aggregate",
        kind: ArgKind::Choice(&["mean", "sum", "max"]),
        default: Default::Choice("mean"),
        positional: false,
        doc: "How the neighbours along edges of one kind are gathered.",
    },
    BASES,
    BLOCKS,
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

/// # Errors
/// `args::conflict` for `bases` with `blocks`, `args::no_effect` for one block, `args::does_not_fit` where the blocks do not
/// divide the width of the input or of what the matrices make.
pub fn decomposed(cx: &InferCx, made: &Dim) -> Result<(), Diagnostic> {
    if cx.args.opt_int("bases").is_some() && cx.args.opt_int("blocks").is_some() {
        return Err(findings::args::conflict(cx, "bases", "blocks"));
    }
    let Some(blocks) = cx.args.opt_int("blocks") else { return Ok(()) };
    if blocks == 1 {
        return Err(findings::args::no_effect(cx, "blocks", "one block is the whole matrix"));
    }
    let sides = [("input", cx.inputs[0].width.known()), ("result", made.known())];
    for (what, n) in sides {
        if let Some(n) = n.filter(|n| n % blocks as usize != 0) {
            let name = cx.op.name();
            return Err(findings::args::does_not_fit(
                cx,
                "blocks",
                &format!("the {what} of `{name}` is {n} wide, which {blocks} blocks cannot share evenly"),
                "write a number of blocks that divides both widths, or leave `blocks` out",
            ));
        }
    }
    Ok(())
}

/// The matrices `W_r` of the kinds of edges, as `bases` and `blocks` say.
pub enum Matrices<'b> {
    /// `[R, F_in, F_out]`
    Whole {
        all: V<'b>,
        kinds: Size,
        from: Size,
    },
    Blocks {
        blocks: Vec<Block<'b>>,
        to: Size,
    },
}

/// A block of each matrix: which part of the features it maps, `[R, F_in / n, F_out / n]`.
pub struct Block<'b> {
    start: Size,
    from: Size,
    matrix: V<'b>,
}

impl<'b> Matrices<'b> {
    pub fn new(cx: &ProgramCx<'_, 'b>, n_in: &Dim, n_out: &Dim) -> Option<Self> {
        let (args, b) = (cx.args, cx.b);
        let kinds = &cx.inputs[args.port("relation")?].width;
        let whole = |all| Some(Self::Whole { all, kinds: kinds.size.clone(), from: n_in.size.clone() });
        if let Some(n) = args.opt_int("bases") {
            let n = fixed(n as usize);
            let bases = b.weight("weight", &[n.clone(), n_in.clone(), n_out.clone()], glorot(n_in, n_out));
            let shares = b.weight("coefficients", &[kinds.clone(), n.clone()], glorot(kinds, &n));
            let entries = Size::product([n_in.size.clone(), n_out.size.clone()]);
            let matrices = [kinds.size.clone(), n_in.size.clone(), n_out.size.clone()];
            return whole(shares.contract(bases.view(&[n.size, entries])).view(&matrices));
        }
        let Some(n) = args.opt_int("blocks") else {
            let shape = [kinds.clone(), n_in.clone(), n_out.clone()];
            return whole(b.weight("weight", &shape, glorot(n_in, n_out)));
        };
        let n = n as usize;
        let (from, to) = (part(n_in, n), part(n_out, n));
        let dim = |size: &Size| Dim::new(size.clone(), None, "");
        let shape = [kinds.clone(), fixed(n), dim(&from), dim(&to)];
        let w = b.weight("weight", &shape, glorot(&shape[2], &shape[3]));
        let block = |block: usize| {
            let matrix = w.slice(1, Size::Known(block), Size::Known(1));
            Block {
                start: Size::product([Size::Known(block), from.clone()]),
                from: from.clone(),
                matrix: matrix.view(&[kinds.size.clone(), from.clone(), to.clone()]),
            }
        };
        Some(Self::Blocks { blocks: (0..n).map(block).collect(), to: n_out.size.clone() })
    }

    /// `W_rᵀ x` of each edge. `of_edges` takes values of rows to the edges.
    pub fn apply(&self, x: V<'b>, of_edges: impl Fn(V<'b>) -> V<'b>) -> V<'b> {
        match self {
            Self::Whole { all, .. } => of_edges(x).typed_linear(*all),
            Self::Blocks { blocks, to } => {
                let mapped = |block: &Block<'b>| {
                    of_edges(x.slice(0, block.start.clone(), block.from.clone())).typed_linear(block.matrix)
                };
                let mapped: Vec<V> = blocks.iter().map(mapped).collect();
                x.b.concat(&mapped).view(std::slice::from_ref(to))
            }
        }
    }

    /// `(W_rᵀ x) w` of each edge, `w [F_out, n]`.
    pub fn apply_then(&self, x: V<'b>, of_edges: impl Fn(V<'b>) -> V<'b>, w: V<'b>) -> V<'b> {
        let Self::Whole { all, kinds, from } = self else { return self.apply(x, of_edges).linear(w) };
        // The product of both is a matrix for each kind, much narrower where `n` is.
        let rows = Size::product([kinds.clone(), from.clone()]);
        let product = all.view(&[rows, all.width()]).contract(w);
        of_edges(x).typed_linear(product.view(&[kinds.clone(), from.clone(), w.width()]))
    }
}

/// Linear layers of which each kind of edge has its own.
pub struct Typed<'a, 'b> {
    cx: &'a ProgramCx<'a, 'b>,
    kinds: &'a Dim,
}

impl<'a, 'b> Typed<'a, 'b> {
    /// `None` where the operator was not given the kinds of the edges.
    pub fn of(cx: &'a ProgramCx<'a, 'b>) -> Option<Self> {
        Some(Self { cx, kinds: &cx.inputs[cx.args.port("relation")?].width })
    }

    /// `x W_r` of a value of the edges, initialised as `torch.nn.Linear`.
    pub fn map(&self, x: V<'b>, weight: &'static str, from: &Dim, to: &Dim) -> V<'b> {
        let init = Init::KaimingUniform { fan_in: facts::known(from) };
        x.typed_linear(self.cx.b.weight(weight, &[self.kinds.clone(), from.clone(), to.clone()], init))
    }

    /// `x W_r + b_r` of a value of the edges, initialised as `torch.nn.Linear`.
    pub fn linear(&self, x: V<'b>, [weight, bias]: [&'static str; 2], from: &Dim, to: &Dim) -> V<'b> {
        self.map(x, weight, from, to) + self.bias(bias, from, to)
    }

    /// `b_r` of each edge, of a layer that maps from this width.
    pub fn bias(&self, bias: &'static str, from: &Dim, to: &Dim) -> V<'b> {
        let init = Init::KaimingUniform { fan_in: facts::known(from) };
        let bias = self.cx.b.weight(bias, &[self.kinds.clone(), to.clone()], init);
        let one = self.cx.b.constant(1.0).view(&[Size::Known(1)]).in_space(Space::Edges);
        one.typed_linear(bias.view(&[self.kinds.size.clone(), Size::Known(1), to.size.clone()]))
    }

    /// Messages gathered over the edges of each kind as `aggregate` says, and summed over the kinds.
    pub fn aggregated(&self, message: V<'b>) -> V<'b> {
        let e = self.cx.edges();
        // The mean and the maximum are taken over the edges of one kind, and a node sums over the kinds: each of those
        // edges brings its share.
        let share = |v: V<'b>| v.mul_rows(e.count_alike().reciprocal());
        e.sum(match self.cx.args.choice("aggregate") {
            "mean" => share(message),
            "max" => share(message.largest_alike()),
            _ => message,
        })
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
        let width = findings::shape::output_width(cx, "out")?;
        decomposed(cx, &width)?;
        convolved(cx, width)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, args, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        // The mean and the maximum are taken over the edges of one kind, and a node sums over the kinds: each of those
        // edges brings its share.
        let matrices = Matrices::new(cx, n_in, n_out)?;
        let share = |v: V<'b>| v.mul_rows(e.count_alike().reciprocal());
        let mut y = e.sum(match args.choice("aggregate") {
            "mean" => share(matrices.apply(x, |x| e.source(x))),
            "max" => share(matrices.apply(x, |x| e.source(x).largest_alike())),
            _ => matrices.apply(x, |x| e.source(x)),
        });
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
