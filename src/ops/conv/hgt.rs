//! `hgt(out, type, relation, heads)`: attention with matrices for types of nodes and for relations.

use super::gat::HEADS;
use super::rgcn::RELATION;
use super::{OUT, convolved, fixed, glorot, part, times};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::{Space, V};
use crate::types::{Dim, Entity, Size, Type};

/// Heterogeneous graph transformer: keys, queries and values by the type of a node, attention and messages by relation, and one softmax
/// over all edges that lead to a node, whatever their relation: `h_i = A_{τ(i)} GELU(Σ_j α_ij v_j M_r)`,
/// `α_ij = softmax_j(μ_r q_i · (k_j W_r) / √d)` of each head. Where the width stays, `σ(s_τ) h_i + (1 − σ(s_τ)) x_i`.
///
/// Paper: Hu et al. 2020, "Heterogeneous Graph Transformer", eqs. 1 to 5.
/// PyG: `torch_geometric.nn.HGTConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes; `type`: `[N, T]`, the types of the nodes; `relation`: `[E]`, one of `R` kinds
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `levels::mixed_levels` where `type` is of other nodes, `args::does_not_fit` where the
/// heads do not divide the width, and those of the argument `relation`.
#[derive(Debug)]
pub struct Hgt;

/// Shared with `han`.
pub const TYPE: ArgSpec = ArgSpec {
    name: "type",
    kind: ArgKind::Pipeline { port: 1 },
    default: Default::Required,
    positional: false,
    doc: "The type of each node: `node_types`.",
};

static ARGS: &[ArgSpec] = &[OUT, TYPE, RELATION, HEADS];

/// # Errors
/// `levels::needs_edges`, `levels::mixed_levels` and `args::does_not_fit`: what `hgt` and `han` have to be given.
pub fn typed_width(cx: &InferCx) -> Result<Type, Diagnostic> {
    super::has_edges(cx)?;
    if cx.inputs[0].entity != Entity::Nodes {
        return Err(findings::levels::needs_nodes(cx));
    }
    if let Some(port) = cx.port("type")
        && (cx.inputs[port].entity, cx.inputs[port].level) != (cx.inputs[0].entity, cx.inputs[0].level)
    {
        return Err(findings::levels::mixed_levels(cx, port));
    }
    let width = findings::shape::output_width(cx, "out")?;
    let heads = cx.args.int("heads") as usize;
    if let Some(n) = width.known().filter(|n| n % heads != 0) {
        let message = format!("{heads} heads cannot share a width of {n} evenly");
        return Err(findings::args::does_not_fit(
            cx,
            "heads",
            &message,
            "write a number of heads that divides `out`",
        ));
    }
    convolved(cx, width)
}

/// The number of the type of each row, and a linear layer for each type.
pub struct Typed<'a, 'b> {
    cx: &'a ProgramCx<'a, 'b>,
    number: V<'b>,
    pub n_types: Dim,
    pub types: V<'b>,
}

impl<'a, 'b> Typed<'a, 'b> {
    pub fn of(cx: &'a ProgramCx<'a, 'b>) -> Option<Self> {
        let (types, n_types) = cx.named_with_width("type")?;
        let number = (types * cx.b.iota(&n_types.size)).fold_sum(0).view(&[Size::Known(1)]);
        Some(Self { cx, number, n_types: n_types.clone(), types })
    }

    /// A vector of the type of each row, `w [T, n]`.
    pub fn vector(&self, w: V<'b>) -> V<'b> {
        let one = self.cx.b.constant(1.0).view(&[Size::Known(1)]).in_space(Space::Rows);
        one.typed_linear_of(self.number, w.view(&[self.n_types.size.clone(), Size::Known(1), w.width()]))
    }

    /// `x W_τ + b_τ`, initialised as `torch.nn.Linear`.
    pub fn linear(&self, x: V<'b>, [weight, bias]: [&'static str; 2], from: &Dim, to: &Dim) -> V<'b> {
        let init = Init::KaimingUniform { fan_in: facts::known(from) };
        let w = self.cx.b.weight(weight, &[self.n_types.clone(), from.clone(), to.clone()], init);
        x.typed_linear_of(self.number, w)
            + self.vector(self.cx.b.weight(bias, &[self.n_types.clone(), to.clone()], init))
    }
}

impl Operator for Hgt {
    fn name(&self) -> &'static str {
        "hgt"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Heterogeneous graph transformer: attention with matrices for types of nodes and for relations.",
            formula: "h_i = A_τ GELU(Σ_j α_ij v_j M_r),  α_ij = softmax_j(μ_r q_i · k_j W_r / √d),  σ(s_τ) h_i + (1 − σ(s_τ)) x_i",
            paper: "Hu et al. 2020, \"Heterogeneous Graph Transformer\"",
            example: "linear(32) -> hgt(32, type = node_types, relation = edge_labels, heads = 4) -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        typed_width(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, b, e) = (cx.x(), cx.b, cx.edges());
        let heads = cx.args.int("heads") as usize;
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let kinds = &cx.inputs[cx.args.port("relation")?].width;
        let typed = Typed::of(cx)?;
        let head = part(n_out, heads);
        let all = typed.linear(x, ["weight", "bias"], n_in, &times(3, n_out));
        let third = |place: usize| {
            all.slice(0, Size::product([Size::Known(place), n_out.size.clone()]), n_out.size.clone())
        };
        let (k, q, v) = (third(0), third(1), third(2));
        // A matrix for each head and relation.
        let shape = [fixed(heads), kinds.clone(), head.clone(), head.clone()];
        let of_relations = |name, x: V<'b>| {
            let w = b.weight(name, &shape, glorot(&head, &head));
            let mapped = |place: usize| {
                let start = Size::product([Size::Known(place), head.size.clone()]);
                let matrix = w.slice(0, Size::Known(place), Size::Known(1));
                let matrix = matrix.view(&[kinds.size.clone(), head.size.clone(), head.size.clone()]);
                e.source(x.slice(0, start, head.size.clone())).typed_linear(matrix)
            };
            b.concat(&(0..heads).map(mapped).collect::<Vec<_>>()).heads(heads, &head.size)
        };
        let key = of_relations("relation_key", k);
        let value = of_relations("relation_value", v);
        let prior = b.weight("prior", &[kinds.clone(), fixed(heads)], Init::Ones);
        let one = b.constant(1.0).view(&[Size::Known(1)]).in_space(Space::Edges);
        let prior = one.typed_linear(prior.view(&[kinds.size.clone(), Size::Known(1), Size::Known(heads)]));
        let score = (e.target(q.heads(heads, &head.size)) * key).fold_sum(1) * prior;
        let shares = e.softmax(score.scale(1.0 / (facts::known(&head).max(1) as f64).sqrt()));
        let sum = e.sum(value * shares.column()).flat();
        let y =
            typed.linear(b.map(crate::program::Fun::Gelu, &[sum]), ["out_weight", "out_bias"], n_out, n_out);
        if n_in.size != n_out.size {
            return Some(Outcome::rows(y));
        }
        let skip = b.weight("skip", &[typed.n_types.clone(), fixed(1)], Init::Ones);
        let skip = typed.vector(skip).sigmoid();
        Some(Outcome::rows(skip * y + (-skip).offset(1.0) * x))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.HGTConv",
            weights: &[
                ("k_rel.weight", "relation_key", WeightMap::Reshaped),
                ("v_rel.weight", "relation_value", WeightMap::Reshaped),
            ],
            arguments: &[],
            note: "Layers of types and relations, in dictionaries there, are one tensor each, `kqv_lin` `weight`, `out_lin` `out_weight`, `p_rel` `prior`.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::Attention, own: Own::Root, is_linear: false }
    }
}
