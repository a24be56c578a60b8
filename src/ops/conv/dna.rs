//! `dna(layers)`: each pair of nodes chooses among earlier layers.

use super::gat::{DROPOUT, HEADS};
use super::gcn_norm::{GcnNorm, NORMALIZE, SELF_LOOPS, of_normalized};
use super::{BIAS, WEIGHT, convolved, fixed, part};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts};
use crate::program::V;
use crate::types::{Size, Type};

/// Dynamic neighbourhood aggregation: `h_i = Σ_{j ∈ N(i) ∪ {i}} w_ij / √(d_i d_j) Σ_l α_ij,l V x_j^l`, where `x^1 … x^L` are what earlier
/// layers made, side by side, and `α_ij` is a softmax over the layers of `Q x_i^L · K x_j^l / √d`, with 1 added below, so that a node may
/// take nothing.
///
/// Paper: Fey 2019, "Just Jump: Dynamic Neighborhood Aggregation in Graph Neural Networks", eqs. 1 to 4.
/// PyG: `torch_geometric.nn.DNAConv`.
///
/// # Shapes
/// - `x`: `[N, layers · F]`, nodes or clusters, what earlier layers made beside each other, the last at the end; `weight`: `[E, 1]`
/// - result: `[N, F]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `args::does_not_fit` where `layers`, `heads` or `groups` do not divide a width.
#[derive(Debug)]
pub struct Dna;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "layers",
        kind: ArgKind::Int { min: 1, max: 256 },
        default: Default::Required,
        positional: true,
        doc: "How many layers stand beside each other in what comes in, as `concat` puts them.",
    },
    HEADS,
    ArgSpec {
        name: "groups",
        kind: ArgKind::Int { min: 1, max: 256 },
        default: Default::Int(1),
        positional: false,
        doc: "In how many parts features are mapped, each by itself.",
    },
    ArgSpec {
        doc: "Probability with which a weight `α` is dropped in training, for each edge, head and layer.",
        ..DROPOUT
    },
    SELF_LOOPS,
    NORMALIZE,
    BIAS,
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Dna {
    fn name(&self) -> &'static str {
        "dna"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Each pair of nodes chooses among what earlier layers made of the neighbour, by attention.",
            formula: "h_i = Σ_{j ∈ N(i) ∪ {i}} 1/√(d_i d_j) Σ_l α_ij,l V x_j^l,  α_ij = softmax_l Q x_i^L · K x_j^l / √d",
            paper: "Fey 2019, \"Just Jump: Dynamic Neighborhood Aggregation in Graph Neural Networks\"",
            example: "linear(32) -> relu as first -> gcn(32) -> relu as second -> concat(first, second) -> dna(2, heads = 4) -> mean -> linear",
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
        of_normalized(cx, &["self_loops"])?;
        let width = &cx.inputs[0].width;
        let whole = width.known();
        let layers = cx.args.int("layers") as usize;
        if let Some(n) = whole.filter(|n| n % layers != 0) {
            return Err(findings::args::does_not_fit(
                cx,
                "layers",
                &format!("{n} features are no {layers} layers of one width"),
                "write how many layers `concat` joins before `dna`, all of one width",
            ));
        }
        for name in ["heads", "groups"] {
            let parts = cx.args.int(name) as usize;
            if let Some(n) = whole.map(|n| n / layers).filter(|n| n % parts != 0) {
                return Err(findings::args::does_not_fit(
                    cx,
                    name,
                    &format!("a layer of `dna` is {n} wide, which {parts} {name} cannot share evenly"),
                    &format!("write a number of {name} that divides {n}"),
                ));
            }
        }
        convolved(cx, part(width, layers))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let width = &cx.output.width;
        let (layers, heads) = (a.int("layers") as usize, a.int("heads") as usize);
        let (n_groups, head) = (a.int("groups") as usize, part(width, heads));
        let group = part(width, n_groups);
        let (group, head) = (&group, &head);
        let mapped = |weight: &'static str, bias: &'static str| {
            let init = Init::KaimingUniform { fan_in: facts::known(group) };
            let w = b.weight(weight, &[fixed(n_groups), group.clone(), group.clone()], init);
            let bias = a.bool("bias").then(|| b.weight(bias, std::slice::from_ref(width), init));
            move |layer: usize| {
                let start = Size::product([Size::Known(layer), width.size.clone()]);
                let y = x.slice(0, start, width.size.clone()).heads(n_groups, &group.size).linear(w);
                let y = y.view(std::slice::from_ref(&width.size));
                bias.map_or(y, |bias| y + bias).heads(heads, &head.size)
            }
        };
        let (query, key) = (mapped("query", "query_bias"), mapped("key", "key_bias"));
        let value = mapped("value", "value_bias");
        let (keys, values): (Vec<V>, Vec<V>) = (0..layers).map(|layer| (key(layer), value(layer))).unzip();
        let query = query(layers - 1);
        // As wide as it will be: a program of symbolic widths is read and not run.
        let scale = head.known().map_or(1.0, |width| 1.0 / (width as f64).sqrt());
        // Of values that `at` brings to where messages are made.
        let chosen = |query: V<'b>, at: &dyn Fn(V<'b>) -> V<'b>| {
            let scores: Vec<V> = keys.iter().map(|&key| query.dot(at(key)).scale(scale)).collect();
            // One more score of 0 has no value.
            let largest = scores.iter().fold(None, |largest: Option<V<'b>>, &score| {
                Some(largest.map_or(score, |largest| largest.max(score)))
            });
            let largest = largest.map(|largest| largest.at_least(0.0).stop());
            let shares: Vec<V> = scores.iter().filter_map(|&score| Some((score - largest?).exp())).collect();
            let rest = largest.map(|largest| (-largest).exp());
            let total = shares.iter().fold(rest, |total, &share| total.map(|total| total + share));
            let all = shares.iter().zip(&values).filter_map(|(&share, &value)| {
                Some(at(value) * (share / total?).dropout(a.float("dropout")).column())
            });
            all.reduce(|sum, one| sum + one).map(V::flat)
        };
        let message = chosen(e.target(query), &|v| e.source(v))?;
        let own = chosen(query, &|v| v)?;
        let loops = a.bool("self_loops").then_some(1.0);
        let weight = cx.named("weight").map(|weight| weight.view(&[]));
        Some(Outcome::rows(GcnNorm::written(cx, weight, loops, a.bool("normalize")).gathered(message, own)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.DNAConv",
            weights: &[
                ("multi_head.lin_q.weight", "query", WeightMap::Same),
                ("multi_head.lin_q.bias", "query_bias", WeightMap::Same),
                ("multi_head.lin_k.weight", "key", WeightMap::Same),
                ("multi_head.lin_k.bias", "key_bias", WeightMap::Same),
                ("multi_head.lin_v.weight", "value", WeightMap::Same),
                ("multi_head.lin_v.bias", "value_bias", WeightMap::Same),
            ],
            arguments: &[],
            note: "PyG takes the layers as `[N, layers, F]`.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let Action::Messages { gather, own, .. } = super::gcn_norm::gathered(args) else {
            return super::gcn_norm::gathered(args);
        };
        // The node's own last layer asks.
        let own = if own == Own::Absent { Own::Root } else { own };
        Action::Messages { gather, own, is_linear: false }
    }
}

#[cfg(test)]
mod tests {

    use crate::ops::testing::{codes, types};

    #[test]
    fn layers_heads_and_groups_divide_the_width() {
        let text = |inside: &str| format!("linear(12) -> dna({inside}) -> sum -> linear");
        assert_eq!(types(&text("3, heads = 2, groups = 4"), None)[2], "nodes[N, 4]");
        assert_eq!(codes(&text("5")), ["args::does_not_fit"]);
        assert_eq!(codes(&text("3, heads = 3")), ["args::does_not_fit"]);
        assert_eq!(codes(&text("3, groups = 3")), ["args::does_not_fit"]);
    }
}
