//! Permutation symmetry as a type: how a stage changes the way its value moves with the node numbering.

use crate::args::BoundCall;
use crate::diagnostic::Diagnostic;
use crate::ops::InferCx;
use crate::settings::data::features;
use crate::source::Span;
use crate::types::{Cause, Causes, Entity, Symmetry, Type};

/// The symmetry of a result whose rows are those of input 0 (`linear`, `gcn`, `add`): as input 0, unless
/// an input is poisoned already.
pub fn kept(cx: &InferCx) -> Symmetry {
    of_entity(cx, cx.inputs.first().map_or(Entity::Nodes, |ty| ty.entity))
}

/// The symmetry of a result on rows of `entity`, made without reading any order (`mean`, `diffpool`, `sort_pool`):
/// nodes move with the numbering, everything else does not move, and poison stays.
pub fn of_entity(cx: &InferCx, entity: Entity) -> Symmetry {
    if let Some(causes) = carried_poison(cx) {
        return Symmetry::Poisoned(causes);
    }
    match entity {
        Entity::Nodes | Entity::Edges | Entity::EdgeKinds | Entity::Pairs => Symmetry::Equivariant,
        Entity::Clusters | Entity::Slots | Entity::Graph => Symmetry::Invariant,
    }
}

/// The symmetry of a result that depends on the order of the nodes. `text` is a sentence about this
/// operator: "`flatten` lays the nodes out in the order they are numbered".
pub fn reads_order(cx: &InferCx, text: impl Into<String>) -> Symmetry {
    let mut causes = carried_poison(cx).unwrap_or_default();
    causes = causes.and(Cause { span: cx.span, text: text.into() });
    if let (Some(ty), Some(&span)) = (cx.inputs.first(), cx.input_spans.first())
        && span != cx.span
        && ty.symmetry == Symmetry::Equivariant
    {
        causes = causes.and(Cause { span, text: format!("{ty}: rows in the order of the node numbers") });
    }
    Symmetry::Poisoned(causes)
}

/// The causes that came in.
fn carried_poison(cx: &InferCx) -> Option<Causes> {
    cx.inputs.iter().find_map(|ty| match &ty.symmetry {
        Symmetry::Poisoned(causes) => Some(causes.clone()),
        Symmetry::Equivariant | Symmetry::Invariant => None,
    })
}

/// No feature of the data has signs that the numbering or the solver settles.
pub fn signs_are_settled(data: &BoundCall) -> Option<Diagnostic> {
    let feature = features::with_signs(data, "fixed")?;
    let written = feature.args.get("signs").and_then(|arg| arg.span).unwrap_or(feature.span);
    Some(
        Diagnostic::warning(
            "symmetry::eigenvector_signs",
            "the result depends on the signs of eigenvectors, which no graph determines",
        )
        .label(written, "the same graph has them with either sign")
        .help(
            "write `signs = random`, which draws them for each training batch, or `signs = absolute`, which is invariant",
        )
        .guess(written, "signs = random"),
    )
}

/// The result of the model does not depend on how the nodes are numbered: a graph's stays, a node's moves along.
pub fn output_is_symmetric(ty: &Type, place: Span) -> Option<Diagnostic> {
    let Symmetry::Poisoned(causes) = &ty.symmetry else { return None };
    let message = if ty.entity == Entity::Nodes {
        "the result of a node depends on how the nodes are numbered"
    } else {
        "the result of a graph depends on how its nodes are numbered"
    };
    let mut finding = Diagnostic::error("symmetry::depends_on_numbering", message);
    for cause in causes.first() {
        finding = finding.label(cause.span, &*cause.text);
    }
    if causes.first().iter().all(|cause| cause.span != place) {
        let more = match causes.n_more() {
            0 => String::new(),
            1 => ", through 1 more operator that reads the order".to_owned(),
            n => format!(", through {n} more operators that read the order"),
        };
        finding = finding.label(place, format!("the result is computed from it{more}"));
    }
    Some(finding.help(
        "gather the nodes without their order first: a readout (`sum`, `mean`, `max`), `sort_pool(k)`, or a pooling \
         with a fixed number of clusters such as `diffpool(k = 8)`",
    ))
}
