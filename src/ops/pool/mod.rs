//! Poolings: a smaller graph out of a graph.

pub mod asap;
pub mod assignment;
pub mod asym_cheeger;
pub mod bn_pool;
pub mod cluster_pool;
pub mod coarsen;
pub mod diffpool;
pub mod dmon;
pub mod edge_pool;
pub mod eigen_pool;
pub mod graclus;
pub mod hosc;
pub mod just_balance;
pub mod kmis;
pub mod la_pool;
pub mod max_cut;
pub mod merging;
pub mod mincut;
pub mod ndp;
pub mod nmf;
pub mod pan_pool;
pub mod partition;
pub mod sag;
pub mod selection;
pub mod spa_pool;
pub mod topk;

use crate::args::{ArgKind, ArgSpec, Default, Range};
use crate::diagnostic::{Diagnostic, count};
use crate::ops::InferCx;
use crate::ops::findings;
use crate::types::{Dim, Size};

/// The largest number of clusters or kept nodes that can be written.
const MAX_ROWS: i64 = 65_536;

/// How many rows to keep, as a share.
pub const RATIO: ArgSpec = ArgSpec {
    name: "ratio",
    kind: ArgKind::Float(Range::open_closed(0.0, 1.0)),
    default: Default::Inferred("given by `k`"),
    positional: false,
    doc: "",
};

/// How many rows to keep, as a number.
pub const K: ArgSpec = ArgSpec {
    name: "k",
    kind: ArgKind::Int { min: 1, max: MAX_ROWS },
    default: Default::Inferred("given by `ratio`"),
    positional: false,
    doc: "",
};

/// The rows of a pooling's result out of `ratio` and `k`, one of which has to be written.
/// `rows` is what `ratio` is a share of.
///
/// # Errors
/// `args::conflict` where both are written, `args::missing` where neither is.
pub fn kept_rows(cx: &InferCx, rows: &Dim, example: &str) -> Result<Dim, Diagnostic> {
    let place = |name| Some(findings::args::place(cx, name));
    match (cx.args.opt_float("ratio"), cx.args.opt_int("k")) {
        (Some(_), Some(_)) => Err(findings::args::conflict(cx, "ratio", "k")),
        (None, None) => Err(findings::args::needs_one_of(cx, &["ratio", "k"], example)),
        (None, Some(k)) => {
            Ok(Dim::new(Size::Known(k as usize), place("k"), format!("the {k} comes from here")))
        }
        (Some(ratio), None) => {
            let size = Size::ratio(ratio, rows.size.clone());
            let reason = match size.known() {
                Some(k) => format!("{k} is ⌈{ratio} · {}⌉{}", rows.size, because(&rows.origin.reason)),
                None => format!("{size} comes from here"),
            };
            Ok(Dim::new(size, place("ratio"), reason))
        }
    }
}

/// Whether the networks of a pooling stay on its level, and the assignment at port 1 has a column for each cluster.
///
/// # Errors
/// `levels::mixed_levels` and `shape::width_mismatch`.
pub fn assigned(cx: &InferCx, rows: &Dim) -> Result<(), Diagnostic> {
    let weight = cx.port("weight");
    for (port, ty) in cx.inputs.iter().enumerate().skip(1).filter(|(port, _)| weight != Some(*port)) {
        if (ty.entity, ty.level) != (cx.inputs[0].entity, cx.inputs[0].level) {
            return Err(findings::levels::mixed_levels(cx, port));
        }
    }
    if let Some(assignment) = cx.inputs.get(1)
        && findings::shape::differ(&assignment.width.size, &rows.size)
    {
        let help = format!(
            "the assignment has a column for each cluster: end `assign` in {} features, or leave its last width \
             out and it is inferred",
            rows.size
        );
        return Err(findings::shape::width_mismatch(cx, 1, rows, help));
    }
    Ok(())
}

/// Reasons of reasons up to this length are written out; a long chain of poolings has no more of them.
const MAX_REASON: usize = 300;

fn because(reason: &str) -> String {
    if reason.is_empty() || reason.len() > MAX_REASON { String::new() } else { format!(": {reason}") }
}

/// The rows of the largest graph of the data; symbolic without data.
pub fn largest_rows(cx: &InferCx, rows: &Dim) -> Dim {
    let Some(data) = cx.data else { return rows.clone() };
    let size = cx.with_data(&rows.size);
    if size == rows.size {
        return rows.clone();
    }
    Dim::new(size, None, format!("the largest graph of {} has {}", data.name, count(data.max_nodes, "node")))
}
