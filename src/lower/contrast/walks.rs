//! `skip_gram`: inner products of the pairs of walks.

use super::{ContrastEntry, axes};
use crate::data::views::Views;
use crate::kernels;
use crate::kernels::program::Topology;
use crate::ops::loss::Contrast;
use crate::program::{Build, Index, Program, Space};
use candle_core::bail;
use std::sync::Arc;

pub(super) const ENTRY: ContrastEntry = ContrastEntry {
    what: Contrast::Walks,
    heads: |width| vec![("", of_pairs(width)), ("", of_items())],
    of_items: |step| {
        let Views::Walks(pairs) = step.views else { bail!("the step has no walks") };
        let (output, _) = step.first()?;
        let inputs = [output.x, pairs.signs.to_dtype(step.batch.x.dtype())?];
        let costs = step.own.run(0, &inputs, &Topology::sparse(&pairs.graph))?;
        let costs = kernels::gather_rows(&costs, &pairs.edges)?;
        let n_each = pairs.edges.len() / pairs.n_items.max(1);
        let ends = (0..=pairs.n_items).map(|item| (item * n_each) as u32).collect();
        step.own.run(1, &[costs], &Topology::rows(Arc::new(ends)))
    },
};

/// `−c log σ(±h_i · h_j)` of each edge, which says its sign and what it counts.
fn of_pairs(width: usize) -> Program {
    let b = Build::new();
    let x = b.input(0, Space::Rows, &axes(width));
    let signs = b.input(1, Space::Edges, &axes(2));
    let [sign, share] = [0, 1].map(|column| signs.slice(0, axes(column)[0].clone(), axes(1)[0].clone()));
    let e = b.edges();
    let score = e.source(x).dot(e.target(x)).view(&axes(1));
    b.finish(&[(-(score * sign)).softplus() * share])
}

/// The sum over the pairs of each item.
fn of_items() -> Program {
    let b = Build::new();
    let costs = b.input(0, Space::Rows, &axes(1));
    b.finish(&[costs.sum(Index::Graph)])
}
