//! `signed(out, relation)`: friends and foes.

use super::rgcn::RELATION;
use super::{BIAS, OUT, convolved, times};
use crate::args::{ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::{Space, V};
use crate::types::{Dim, Size, Type};

/// Convolution of a graph with positive and negative edges, by the theory of balance: a friend of a friend and a foe of a foe are
/// friends. Every node has a positive half `p` and a negative half `n`: `p_i = Θ_p [mean_{j ∈ N⁺(i)} p_j ‖ mean_{j ∈ N⁻(i)} n_j] + Φ_p p_i + b_p`,
/// and `n_i = Θ_n [mean_{j ∈ N⁺(i)} n_j ‖ mean_{j ∈ N⁻(i)} p_j] + Φ_n n_i + b_n`. With `first` the input has no halves:
/// `p_i = Θ_p mean_{j ∈ N⁺(i)} x_j + Φ_p x_i + b_p`, and `n_i` over `N⁻`.
///
/// Edges are of two kinds, of which the second is the positive one, as labels −1 and 1 are in order.
///
/// Paper: Derr et al. 2018, "Signed Graph Convolutional Network", eqs. 3 to 6.
/// PyG: `torch_geometric.nn.SignedConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes, or with `first = false` both halves side by side; `relation`: `[E]`, one of 2 kinds
/// - result: `[N, 2 F_out]`, the positive half and the negative one
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `args::does_not_fit` where there are not two kinds of edges or no two halves.
#[derive(Debug)]
pub struct Signed;

static ARGS: &[ArgSpec] = &[
    ArgSpec { default: Default::Required, doc: "Width of each half of the result, `F_out`.", ..OUT },
    RELATION,
    ArgSpec::flag(
        "first",
        false,
        "Whether the input has no halves yet: features, and no result of `signed`. PyG's `first_aggr`.",
    ),
    BIAS,
];

fn half(width: &Dim) -> Dim {
    Dim::new(Size::ratio(0.5, width.size.clone()), None, "half of the input")
}

impl Operator for Signed {
    fn name(&self) -> &'static str {
        "signed"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Convolution of a graph with positive and negative edges, by the theory of balance.",
            formula: "p_i = Θ_p [mean_{N⁺} p_j ‖ mean_{N⁻} n_j] + Φ_p p_i + b_p,  n_i = Θ_n [mean_{N⁺} n_j ‖ mean_{N⁻} p_j] + Φ_n n_i + b_n",
            paper: "Derr et al. 2018, \"Signed Graph Convolutional Network\"",
            example: "signed(16, relation = edge_labels, first = true) -> tanh -> signed(16, relation = edge_labels) -> tanh -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::has_edges(cx)?;
        let kinds = cx.args.port("relation").and_then(|port| cx.inputs.get(port)).map(|ty| &ty.width);
        if let Some(n) = kinds.and_then(Dim::known).filter(|&n| n != 2) {
            let message =
                format!("`signed` needs two kinds of edges, negative and positive, and there are {n}");
            let help = "take data whose edges have two labels, or `rgcn`, which takes any number of kinds";
            return Err(findings::args::does_not_fit(cx, "relation", &message, help));
        }
        let width = &cx.inputs[0].width;
        if let Some(n) = width.known().filter(|n| n % 2 == 1 && !cx.args.bool("first")) {
            let message = format!("`signed` takes two halves, and {n} features have none");
            let help = "write `first = true` for features that have no halves, or let a `signed` make them";
            return Err(findings::args::does_not_fit(cx, "first", &message, help));
        }
        let out = cx.args.int("out") as usize;
        convolved(
            cx,
            Dim::new(Size::Known(2 * out), Some(cx.span), "two halves of the width that is asked for"),
        )
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, b, e) = (cx.x(), cx.b, cx.edges());
        let is_first = cx.args.bool("first");
        let n_in = &cx.inputs[0].width;
        let n_out = super::fixed(cx.args.int("out") as usize);
        let kinds = &cx.inputs[cx.args.port("relation")?].width;
        // The number of the kind of each edge: 1 for a positive one.
        let one = b.constant(1.0).view(&[Size::Known(1)]).in_space(Space::Edges);
        let numbers = b.iota(&kinds.size).view(&[kinds.size.clone(), Size::Known(1), Size::Known(1)]);
        let positive = one.typed_linear(numbers).view(&[]);
        let negative = (-positive).offset(1.0);
        let mean = |x: V<'b>, of_kind: V<'b>| {
            let degree = e.sum(of_kind);
            // Where no edge of the kind comes in, the sum is 0 already.
            e.sum(e.source(x).mul_rows(of_kind)).div_rows(degree.at_least(1.0))
        };
        let part =
            |gathered: V<'b>, own: V<'b>, [from_near, from_own]: [&Dim; 2], names: [&'static str; 3]| {
                let near = cx.map(gathered, names[0], from_near, &n_out);
                let own = cx.map(own, names[1], from_own, &n_out);
                let y = near + own;
                match cx.args.bool("bias") {
                    true => {
                        y + b.weight(
                            names[2],
                            std::slice::from_ref(&n_out),
                            Init::KaimingUniform { fan_in: facts::known(from_own) },
                        )
                    }
                    false => y,
                }
            };
        let positive_names = ["positive_weight", "positive_root", "positive_bias"];
        let negative_names = ["negative_weight", "negative_root", "negative_bias"];
        let halves = if is_first {
            [(positive, positive_names), (negative, negative_names)]
                .map(|(of_kind, names)| part(mean(x, of_kind), x, [n_in, n_in], names))
        } else {
            let width = half(n_in);
            let both = times(2, &width);
            let p = x.slice(0, Size::Known(0), width.size.clone());
            let n = x.slice(0, width.size.clone(), width.size.clone());
            [([p, n], positive_names), ([n, p], negative_names)].map(|([own, other], names)| {
                let gathered = b.concat(&[mean(own, positive), mean(other, negative)]);
                part(gathered, own, [&both, &width], names)
            })
        };
        Some(Outcome::rows(b.concat(&halves)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SignedConv",
            weights: &[
                ("lin_pos_l.weight", "positive_weight", WeightMap::Transposed),
                ("lin_pos_r.weight", "positive_root", WeightMap::Transposed),
                ("lin_pos_r.bias", "positive_bias", WeightMap::Same),
                ("lin_neg_l.weight", "negative_weight", WeightMap::Transposed),
                ("lin_neg_r.weight", "negative_root", WeightMap::Transposed),
                ("lin_neg_r.bias", "negative_bias", WeightMap::Same),
            ],
            arguments: &[("first_aggr", "first")],
            note: "`pos_edge_index` and `neg_edge_index` are the edges of the second and of the first kind.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::Mean, own: Own::Root, is_linear: true }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn it_makes_two_halves_and_takes_two() {
        let text = "signed(5, relation = edge_labels, first = true) -> signed(3, relation = edge_labels) -> mean -> linear";
        assert_eq!(codes(text), [""; 0]);
        assert_eq!(types(text, None)[2..4], ["nodes[N, 10]", "nodes[N, 6]"].map(str::to_owned));
        let odd = "linear(7) -> signed(3, relation = edge_labels) -> mean -> linear";
        assert_eq!(codes(odd), ["args::does_not_fit"]);
        assert_eq!(codes(&odd.replace("labels)", "labels, first = true)")), [""; 0]);
    }

    #[test]
    fn three_kinds_are_no_signs() {
        use crate::data::synthetic::{RandomGraphs, random_graphs};
        let facts =
            |n_edge_kinds| random_graphs(&RandomGraphs { n_edge_kinds, ..RandomGraphs::default() }).facts();
        let text = "signed(5, relation = edge_labels, first = true) -> mean -> linear";
        let codes = |n| -> Vec<&str> {
            let outcome = crate::ops::testing::outcome(text, Some(&facts(n)));
            outcome.diagnostics.iter().map(|finding| finding.code).collect()
        };
        assert_eq!((codes(2), codes(3)), (vec![], vec!["args::does_not_fit"]));
    }
}
