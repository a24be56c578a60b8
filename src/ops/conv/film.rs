//! `film(out)`: messages scaled and shifted by the node that gets them.

use super::rgcn::{RELATION, Typed};
use super::{AGGREGATE, OUT, aggregated, convolved, fixed, gather_of, refuse_of_clusters, times};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts};
use crate::program::V;
use crate::types::{Dim, Size, Type};

/// Feature-wise linear modulation: `h_i = σ(γ_0 ⊙ W_0 x_i + β_0) + Σ_r aggregate_{j ∈ N_r(i)} σ(γ_r ⊙ W_r x_j + β_r)`, where
/// `β_r ∥ γ_r = Φ_r x_i + c_r` are made of the node that gets the messages, for each kind `r` of edges.
///
/// Paper: Brockschmidt 2020, "GNN-FiLM: Graph Neural Networks with Feature-wise Linear Modulation", eq. 6.
/// PyG: `torch_geometric.nn.FiLMConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes, and clusters without `relation`; `relation`: `[E]`, one of `R` kinds
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred, `args::does_not_fit` for
/// `aggregate = max` on clusters.
#[derive(Debug)]
pub struct Film;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec { default: Default::Inferred("all edges are alike"), ..RELATION },
    ArgSpec {
        default: Default::Choice("mean"),
        doc: "How the messages along edges of one kind are gathered; `max` works on nodes only.",
        ..AGGREGATE
    },
    ArgSpec {
        name: "activation",
        kind: ArgKind::Choice(&["relu", "tanh", "none"]),
        default: Default::Choice("relu"),
        positional: false,
        doc: "The function of each message, σ.",
    },
    ArgSpec::flag("film_bias", true, "Whether `β_r` and `γ_r` of messages have learned vectors, `c_r`."),
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Film {
    fn name(&self) -> &'static str {
        "film"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Relational layer whose messages are scaled and shifted, feature by feature, by the node that gets them.",
            formula: "h_i = σ(γ_0 ⊙ W_0 x_i + β_0) + Σ_r aggregate_{j ∈ N_r(i)} σ(γ_r ⊙ W_r x_j + β_r),  β_r ∥ γ_r = Φ_r x_i + c_r",
            paper: "Brockschmidt 2020, \"GNN-FiLM: Graph Neural Networks with Feature-wise Linear Modulation\"",
            example: "film(32, relation = edge_labels) -> relu -> film(32, relation = edge_labels) -> relu -> sum -> mlp",
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
        refuse_of_clusters(cx, &["max"])?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let act = |v: V<'b>| match a.choice("activation") {
            "relu" => v.relu(),
            "tanh" => v.tanh(),
            _ => v,
        };
        let half = |film: V<'b>, n: usize| {
            film.slice(0, Size::product([Size::Known(n), n_out.size.clone()]), n_out.size.clone())
        };
        let modulated = |film: V<'b>, h: V<'b>| act(half(film, 1) * h + half(film, 0));
        let both = times(2, n_out);
        let skip = modulated(cx.map(x, "film_skip", n_in, &both), cx.map(x, "skip", n_in, n_out));
        let gathered = match Typed::of(cx) {
            Some(kinds) => {
                let h = kinds.map(e.source(x), "weight", n_in, n_out);
                let film = match a.bool("film_bias") {
                    true => kinds.linear(e.target(x), ["film", "film_bias"], n_in, &both),
                    false => kinds.map(e.target(x), "film", n_in, &both),
                };
                kinds.aggregated(modulated(film, h))
            }
            None => {
                // As of one kind, so that weights have the same shapes.
                let init = Init::KaimingUniform { fan_in: facts::known(n_in) };
                let matrix = |name, to: &Dim| {
                    let w = b.weight(name, &[fixed(1), n_in.clone(), to.clone()], init);
                    w.view(&[n_in.size.clone(), to.size.clone()])
                };
                let h = x.linear(matrix("weight", n_out));
                let film = x.linear(matrix("film", &both));
                let film = match a.bool("film_bias") {
                    true => {
                        film + b
                            .weight("film_bias", &[fixed(1), both.clone()], init)
                            .view(std::slice::from_ref(&both.size))
                    }
                    false => film,
                };
                aggregated(a, e, modulated(e.target(film), e.source(h)))
            }
        };
        Some(Outcome::rows(skip + gathered))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.FiLMConv",
            weights: &[
                ("lins.0.weight", "weight", WeightMap::Tower(0)),
                ("lins.1.weight", "weight", WeightMap::Tower(1)),
                ("lins.2.weight", "weight", WeightMap::Tower(2)),
                ("lins.3.weight", "weight", WeightMap::Tower(3)),
                ("films.0.weight", "film", WeightMap::Tower(0)),
                ("films.1.weight", "film", WeightMap::Tower(1)),
                ("films.2.weight", "film", WeightMap::Tower(2)),
                ("films.3.weight", "film", WeightMap::Tower(3)),
                ("films.0.bias", "film_bias", WeightMap::Tower(0)),
                ("films.1.bias", "film_bias", WeightMap::Tower(1)),
                ("films.2.bias", "film_bias", WeightMap::Tower(2)),
                ("films.3.bias", "film_bias", WeightMap::Tower(3)),
                ("lin_skip.weight", "skip", WeightMap::Transposed),
                ("film_skip.weight", "film_skip", WeightMap::Transposed),
            ],
            arguments: &[("act", "activation")],
            note: "The map names the weights of four kinds; further ones go on alike. PyG takes any network for `β_r` and `γ_r`, here they are linear.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        Action::Messages { gather: gather_of(args), own: Own::Root, is_linear: false }
    }
}
