//! What poolings by a soft assignment share: arguments, the shape rule, the graph of the clusters, and sums that several
//! losses are made of.

use super::{K, RATIO, kept_rows, largest_rows};
use crate::args::{ArgKind, ArgSpec, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::ProgramCx;
use crate::ops::{InferCx, conv, findings};
use crate::program::{Edges, Index, V};
use crate::types::{Entity, Type};

/// What a sum that may be 0 is at least where it is divided by.
pub const TINY: f64 = 1e-30;

/// The square of the least distance from an orthogonal assignment: with one cluster it is 0, where a root has no slope.
const NEAR: f64 = 1e-24;

/// [`RATIO`] of an assignment.
pub const SHARE: ArgSpec =
    ArgSpec { doc: "Clusters per graph, as a share of the largest graph of the data, rounded up.", ..RATIO };

/// [`K`] of an assignment.
pub const CLUSTERS: ArgSpec = ArgSpec { doc: "Clusters per graph.", ..K };

pub const ASSIGN: ArgSpec = ArgSpec {
    name: "assign",
    kind: ArgKind::Pipeline { port: 1 },
    default: Default::Source("linear"),
    positional: false,
    doc: "The network whose result, `k` wide, becomes the assignment by a softmax over the clusters, as with `diffpool`.",
};

pub const TEMPERATURE: ArgSpec = ArgSpec {
    name: "temperature",
    kind: ArgKind::Float(Range::closed(1e-4, 1e4)),
    default: Default::Float(1.0),
    positional: false,
    doc: "What the assignment is divided by before the softmax: the smaller, the harder, PyG's `temp`.",
};

pub const CONNECT: ArgSpec = ArgSpec {
    name: "connect",
    kind: ArgKind::Choice(&["sum", "degrees", "largest"]),
    default: Default::Choice("degrees"),
    positional: false,
    doc: "How strongly clusters are joined: `sum` is `Sᵀ A S` as it is, `degrees` divides each entry by the roots of both \
          row sums, and `largest` by the largest entry of the graph.",
};

pub const SELF_LOOPS: ArgSpec =
    ArgSpec::flag("self_loops", false, "Whether a cluster is joined to itself by the edges inside of it.");

/// The type of the clusters that keep the width of what is pooled.
///
/// # Errors
/// Those of `diffpool`.
pub fn clusters(cx: &InferCx) -> Result<Type, Diagnostic> {
    let ty = clusters_of(cx)?;
    super::assigned(cx, &ty.rows)?;
    Ok(ty)
}

/// [`clusters`] that no network assigns.
///
/// # Errors
/// `levels::needs_edges`, `args::missing` and `args::conflict` for `ratio` and `k`.
pub fn clusters_of(cx: &InferCx) -> Result<Type, Diagnostic> {
    conv::has_edges(cx)?;
    Ok(Type {
        entity: Entity::Clusters,
        level: cx.new_level,
        rows: kept_rows(cx, &largest_rows(cx, &cx.inputs[0].rows), "ratio = 0.25")?,
        width: cx.inputs[0].width.clone(),
        symmetry: findings::symmetry::of_entity(cx, Entity::Clusters),
    })
}

/// An assignment with what it gathers along the edges.
pub struct Assigned<'b> {
    /// `S`, `[k]` a row.
    pub s: V<'b>,
    pub edges: Edges<'b>,
    /// `A S`
    pub gathered: V<'b>,
}

impl<'b> Assigned<'b> {
    /// The softmax of what comes in at the port of `assign`, over edges that count by `weight` where there is one.
    pub fn of(cx: &ProgramCx<'_, 'b>, logits: V<'b>) -> Self {
        let edges = cx.named("weight").map_or(cx.edges(), |weight| cx.b.weighted_edges(weight));
        let s = logits.softmax_columns();
        Self { s, edges, gathered: edges.sum(edges.source(s)) }
    }

    /// The graph of the clusters, by [`CONNECT`] and [`SELF_LOOPS`].
    pub fn adjacency(&self, cx: &ProgramCx<'_, 'b>) -> V<'b> {
        connected(cx, self.s.outer(self.gathered, Index::Graph))
    }

    /// `tr(Sᵀ A S) / tr(Sᵀ D S)` of each graph; 0 where it has no edges.
    pub fn kept(&self) -> V<'b> {
        share(self.s, self.gathered, self.edges.degree())
    }

    /// `‖SᵀS / ‖SᵀS‖_F − I / √k‖_F` of each graph.
    pub fn orthogonality(&self) -> V<'b> {
        let shared = self.s.outer(self.s, Index::Graph);
        let identity = self.s.b.identity(&self.s.width());
        length(shared / length(shared, TINY) - identity / length(identity, TINY), NEAR)
    }

    /// How many rows each graph has, 1 at least.
    pub fn n_rows(&self) -> V<'b> {
        self.s.b.count(Index::Graph).at_least(1.0)
    }

    /// `√k`
    pub fn root_of_clusters(&self) -> V<'b> {
        length(self.s.b.identity(&self.s.width()), TINY)
    }
}

/// What [`CONNECT`] and [`SELF_LOOPS`] make of `Sᵀ A S`.
pub fn connected<'b>(cx: &ProgramCx<'_, 'b>, coarse: V<'b>) -> V<'b> {
    let b = cx.b;
    let coarse = match cx.args.bool("self_loops") {
        true => coarse,
        false => coarse * b.identity(&coarse.width()).scale(-1.0).offset(1.0),
    };
    match cx.args.choice("connect") {
        "degrees" => {
            let degree = coarse.fold_sum(1);
            // A cluster without edges keeps none; like PyG's `gcn_norm`, 1/√0 counts as 0.
            let root = degree.above(0.0).choose(degree.at_least(TINY).sqrt().reciprocal(), b.constant(0.0));
            coarse * root.column() * root
        }
        "largest" => {
            let most = coarse.flat().fold_max(0);
            let most = most.above(0.0).choose(most, b.constant(1.0));
            coarse.div_rows(most)
        }
        _ => coarse,
    }
}

/// `Σ_i s_i · (M s)_i / Σ_i d_i ‖s_i‖²` of each graph, 0 where nothing is joined.
pub fn share<'b>(s: V<'b>, gathered: V<'b>, degree: V<'b>) -> V<'b> {
    let kept = s.dot(gathered).sum(Index::Graph);
    let volume = s.square().fold_sum(0).mul_rows(degree).sum(Index::Graph);
    volume.above(0.0).choose(kept / volume.at_least(TINY), s.b.constant(0.0))
}

/// The Frobenius norm, the square of which counts as `least` at least.
pub fn length(matrix: V, least: f64) -> V {
    matrix.flat().square().fold_sum(0).at_least(least).sqrt()
}
