//! Scores of triples: head, relation and tail. One table.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::rgcn::RELATION;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WidthRule};
use crate::program::{Space, V};
use crate::types::{Dim, Size, Type};

/// A score of triples `(h, r, t)` with learned rows of the relations.
///
/// # Shapes
/// - `h`, `t`: `[N, F]`, rows of the nodes; `relation`: one of `R` kinds for each pair
/// - result: `[P, 1]`, a row for each pair that the task asks about, the higher the more likely
///
/// # Errors
/// `levels::needs_nodes` on clusters, slots and graph vectors, `args::does_not_fit` where complex rows have an odd width, and those of the
/// argument `relation`.
#[derive(Debug)]
pub struct Relational {
    name: &'static str,
    doc: Doc,
    args: &'static [ArgSpec],
    /// Class in PyG, its weight of the relations, and what differs.
    pyg: (&'static str, &'static [(&'static str, &'static str, WeightMap)], &'static str),
    /// Whether a row is complex, its real half first.
    is_complex: bool,
    score: for<'b> fn(&Ends<'_, 'b>) -> V<'b>,
}

/// What a score is made of.
struct Ends<'a, 'b> {
    cx: &'a ProgramCx<'a, 'b>,
    /// Rows of the nodes.
    x: V<'b>,
}

/// Which side of a pair.
#[derive(Clone, Copy)]
enum End {
    Head,
    Tail,
}

impl<'b> Ends<'_, 'b> {
    /// A value of the nodes at one end of each pair.
    fn at(&self, end: End, x: V<'b>) -> V<'b> {
        let e = self.cx.edges();
        match end {
            End::Head => e.source(x),
            End::Tail => e.target(x),
        }
    }

    /// The number of relations and the width of the nodes.
    fn sizes(&self) -> (Dim, Dim) {
        let kinds = self.cx.args.port("relation").map(|port| self.cx.inputs[port].width.clone());
        (kinds.unwrap_or_else(|| Dim::new(Size::Known(1), None, "")), self.cx.inputs[0].width.clone())
    }

    /// A learned row for each relation.
    fn relations(&self, name: &'static str, width: &Dim) -> V<'b> {
        let (kinds, _) = self.sizes();
        let init = Init::Glorot { fan_in: kinds.known().unwrap_or(1), fan_out: width.known().unwrap_or(1) };
        self.cx.b.weight(name, &[kinds, width.clone()], init)
    }

    /// The row of each pair's relation, of a value with a row for each.
    fn of_relation(&self, rows: V<'b>) -> V<'b> {
        let (kinds, width) = (rows.axes()[0].clone(), rows.axes()[1].clone());
        let one = self.cx.b.constant(1.0).in_space(Space::Edges).view(&[Size::Known(1)]);
        one.typed_linear(rows.view(&[kinds, Size::Known(1), width]))
    }

    /// Real and imaginary half of a row.
    fn halves(&self, x: V<'b>) -> [V<'b>; 2] {
        let half = half(&self.sizes().1).size;
        [
            x.slice(x.axes().len() - 1, Size::Known(0), half.clone()),
            x.slice(x.axes().len() - 1, half.clone(), half),
        ]
    }
}

fn half(width: &Dim) -> Dim {
    match width.known() {
        Some(width) => Dim::new(Size::Known(width / 2), None, "half of the input"),
        None => Dim::new(Size::ratio(0.5, width.size.clone()), None, "half of the input"),
    }
}

/// The length of a difference, by the norm that the arguments name.
fn length<'b>(args: &Args, x: V<'b>) -> V<'b> {
    match args.int("norm") {
        1 => x.abs().fold_sum(x.axes().len() - 1),
        // A root has no slope at 0.
        _ => x.square().fold_sum(x.axes().len() - 1).at_least(1e-24).sqrt(),
    }
}

/// Each row by its length.
fn normalised<'b>(args: &Args, x: V<'b>) -> V<'b> {
    x * length(args, x).at_least(1e-12).reciprocal().column()
}

const NORM: ArgSpec = ArgSpec {
    name: "norm",
    kind: ArgKind::Int { min: 1, max: 2 },
    default: Default::Int(1),
    positional: false,
    doc: "Which length a difference has: 1 for the sum of absolute values, 2 for the root of the sum of squares. PyG's `p_norm`.",
};

/// DistMult: `s(h, r, t) = Σ_k h_k r_k t_k`.
///
/// Paper: Yang et al. 2015, "Embedding Entities and Relations for Learning and Inference in Knowledge Bases", eq. 2.
pub static DISTMULT: Relational = Relational {
    name: "distmult",
    doc: Doc {
        summary: "Scores triples by the product of head, relation and tail, summed.",
        formula: "s(h, r, t) = Σ_k h_k r_k t_k",
        paper: "Yang et al. 2015, \"Embedding Entities and Relations for Learning and Inference in Knowledge Bases\"",
        example: "task = link_prediction\nmodel = embedding(32) -> distmult(relation = edge_labels)",
    },
    args: &[RELATION],
    pyg: ("torch_geometric.nn.DistMult", &[("rel_emb.weight", "relation", WeightMap::Same)], ""),
    is_complex: false,
    score: |ends| {
        let (_, width) = ends.sizes();
        let relation = ends.of_relation(ends.relations("relation", &width));
        (ends.at(End::Head, ends.x) * relation).dot(ends.at(End::Tail, ends.x))
    },
};

/// TransE: `s(h, r, t) = −‖h + r − t‖`, with `h` and `t` of length 1.
///
/// Paper: Bordes et al. 2013, "Translating Embeddings for Modeling Multi-relational Data", eq. 1.
pub static TRANSE: Relational = Relational {
    name: "transe",
    doc: Doc {
        summary: "Scores triples by how far the head, moved by its relation, is from the tail.",
        formula: "s(h, r, t) = −‖h/‖h‖ + r − t/‖t‖‖",
        paper: "Bordes et al. 2013, \"Translating Embeddings for Modeling Multi-relational Data\"",
        example: "task = link_prediction\nmodel = embedding(32) -> transe(relation = edge_labels)\nloss = margin_ranking",
    },
    args: &[
        RELATION,
        NORM,
        ArgSpec::flag(
            "normalize",
            true,
            "Whether rows of the nodes are divided by their length, as in the paper.",
        ),
    ],
    pyg: (
        "torch_geometric.nn.TransE",
        &[("rel_emb.weight", "relation", WeightMap::Same)],
        "Its rows of relations are divided by their length once, as they are initialised.",
    ),
    is_complex: false,
    score: |ends| {
        let (args, (_, width)) = (ends.cx.args, ends.sizes());
        let x = if args.bool("normalize") { normalised(args, ends.x) } else { ends.x };
        let relation = ends.of_relation(ends.relations("relation", &width));
        -length(args, ends.at(End::Head, x) + relation - ends.at(End::Tail, x))
    },
};

/// ComplEx: `s(h, r, t) = Re Σ_k h_k r_k t̄_k` of complex rows, their real half first.
///
/// Paper: Trouillon et al. 2016, "Complex Embeddings for Simple Link Prediction", eq. 9.
pub static COMPLEX: Relational = Relational {
    name: "complex",
    doc: Doc {
        summary: "Scores triples by the real part of the product of head, relation and conjugate tail, of complex rows.",
        formula: "s(h, r, t) = Re Σ_k h_k r_k t̄_k",
        paper: "Trouillon et al. 2016, \"Complex Embeddings for Simple Link Prediction\"",
        example: "task = link_prediction\nmodel = embedding(32) -> complex(relation = edge_labels)",
    },
    args: &[RELATION],
    pyg: (
        "torch_geometric.nn.ComplEx",
        &[],
        "Real and imaginary parts are tables of their own there, and halves of one row here.",
    ),
    is_complex: true,
    score: |ends| {
        let (_, width) = ends.sizes();
        let relation = ends.of_relation(ends.relations("relation", &width));
        let [re_r, im_r] = ends.halves(relation);
        let [re_x, im_x] = ends.halves(ends.x);
        let (re_h, im_h) = (ends.at(End::Head, re_x), ends.at(End::Head, im_x));
        let (re_t, im_t) = (ends.at(End::Tail, re_x), ends.at(End::Tail, im_x));
        (re_h * re_r - im_h * im_r).dot(re_t) + (re_h * im_r + im_h * re_r).dot(im_t)
    },
};

/// RotatE: `s(h, r, t) = margin − Σ_k |h_k e^{iθ_rk} − t_k|` of complex rows, their real half first: relations are rotations.
///
/// Paper: Sun et al. 2019, "RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space", eq. 3.
pub static ROTATE: Relational = Relational {
    name: "rotate",
    doc: Doc {
        summary: "Scores triples by how far the head, turned by its relation, is from the tail, of complex rows.",
        formula: "s(h, r, t) = margin − ‖h ∘ e^{iθ_r} − t‖",
        paper: "Sun et al. 2019, \"RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space\"",
        example: "task = link_prediction\nmodel = embedding(32) -> rotate(relation = edge_labels, margin = 6.0)",
    },
    args: &[
        RELATION,
        ArgSpec {
            name: "margin",
            kind: ArgKind::Float(Range::closed(0.0, 1e6)),
            default: Default::Float(1.0),
            positional: false,
            doc: "Score of a triple that fits exactly.",
        },
    ],
    pyg: (
        "torch_geometric.nn.RotatE",
        &[("rel_emb.weight", "angle", WeightMap::Same)],
        "The length is that of all real and imaginary parts together, as PyG takes it. Real and imaginary parts of nodes are tables of their own there.",
    ),
    is_complex: true,
    score: |ends| {
        let (_, width) = ends.sizes();
        let angle = ends.relations("angle", &half(&width));
        let (re_r, im_r) = (ends.of_relation(angle.cos()), ends.of_relation(angle.sin()));
        let [re_x, im_x] = ends.halves(ends.x);
        let (re_h, im_h) = (ends.at(End::Head, re_x), ends.at(End::Head, im_x));
        let (re_t, im_t) = (ends.at(End::Tail, re_x), ends.at(End::Tail, im_x));
        let re = re_h * re_r - im_h * im_r - re_t;
        let im = re_h * im_r + im_h * re_r - im_t;
        let length = (re.square().fold_sum(0) + im.square().fold_sum(0)).at_least(1e-24).sqrt();
        (-length).offset(ends.cx.args.float("margin"))
    },
};

impl Operator for Relational {
    fn name(&self) -> &'static str {
        self.name
    }
    fn family(&self) -> Family {
        Family::Decoder
    }
    fn doc(&self) -> Doc {
        self.doc
    }
    fn args(&self) -> &'static [ArgSpec] {
        self.args
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if let Some(width) = cx.inputs[0].width.known().filter(|width| self.is_complex && width % 2 == 1) {
            return Err(findings::args::does_not_fit(
                cx,
                "relation",
                &format!(
                    "`{}` reads complex rows, a real and an imaginary half, but {width} numbers come in",
                    self.name
                ),
                "make the width before it even",
            ));
        }
        super::score(cx, None)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let score = (self.score)(&Ends { cx, x: cx.x() });
        Some(Outcome::pairs(score.view(&[Size::Known(1)])))
    }
    fn pyg(&self) -> Pyg {
        let (class, weights, note) = self.pyg;
        Pyg {
            class,
            weights,
            arguments: if self.name == TRANSE.name { &[("p_norm", "norm")] } else { &[] },
            note,
        }
    }
    fn is_linear_in_ends(&self) -> bool {
        [DISTMULT.name, COMPLEX.name].contains(&self.name)
    }
    fn action(&self, _: &Args) -> Action {
        Action::Decoder
    }
}
