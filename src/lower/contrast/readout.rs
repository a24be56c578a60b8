//! `infograph`: nodes against the vectors of all graphs of the batch.

use super::{ContrastEntry, axes, dim, rows};
use crate::kernels::{self, Activation};
use crate::ops::loss::Contrast;
use crate::program::{Build, Fun, Init, Program, Space, V};
use crate::types::Size;
use candle_core::{DType, Tensor};

pub(super) const ENTRY: ContrastEntry = ContrastEntry {
    what: Contrast::Readout,
    heads: |width| vec![("nodes", layers(width)), ("graphs", layers(width))],
    of_items: |step| {
        let (graphs, nodes) = step.first()?;
        let (n_nodes, n_graphs) = (nodes.x.dim(0)?, graphs.x.dim(0)?);
        let local = step.own.run(0, std::slice::from_ref(&nodes.x), &rows(n_nodes))?;
        let global = step.own.run(1, &[graphs.x], &rows(n_graphs))?;
        let scores = kernels::linear(&local, &kernels::transpose(&global)?, None, Activation::Identity)?;
        // The graph of each node, as a number.
        let mut own = Vec::with_capacity(n_nodes);
        for (graph, ends) in nodes.structure.offsets().windows(2).enumerate() {
            own.resize(ends[1] as usize, graph as f64);
        }
        let own = Tensor::from_vec(own, (n_nodes, 1), scores.device())?.to_dtype(DType::F32)?;
        let own = own.to_dtype(scores.dtype())?;
        step.own.run_for(n_graphs, |b| estimator(b, n_graphs), &[scores, own])
    },
};

/// Three layers with a linear map beside them, all of one width.
fn layers(width: usize) -> Program {
    const NAMES: [[&str; 2]; 4] = [
        ["first.weight", "first.bias"],
        ["second.weight", "second.bias"],
        ["third.weight", "third.bias"],
        ["beside.weight", "beside.bias"],
    ];
    let b = Build::new();
    let x = b.input(0, Space::Rows, &axes(width));
    let deep = (0..3).fold(x, |x, layer| affine(&b, x, NAMES[layer], width).relu());
    b.finish(&[deep + affine(&b, x, NAMES[3], width)])
}

/// A linear layer that keeps the width, which begins as the authors' do.
pub(super) fn affine<'b>(b: &'b Build, x: V<'b>, [weight, bias]: [&'static str; 2], width: usize) -> V<'b> {
    let init = Init::Glorot { fan_in: width, fan_out: width };
    let weight = b.weight(weight, &[dim(width), dim(width)], init);
    x.linear(weight) + b.weight(bias, &[dim(width)], Init::Zeros)
}

/// What each node costs, by its scores with all graphs and the number of its own: `softplus(−s) − log 2` of its own, and the mean of
/// `softplus(s) − log 2` of the others. Where there is one graph alone, there are no others.
fn estimator(b: &Build, n_graphs: usize) -> Program {
    let ln2 = std::f64::consts::LN_2;
    let scores = b.input(0, Space::Rows, &axes(n_graphs));
    let own = b.input(1, Space::Rows, &axes(1));
    let is_own = b.map(Fun::Equal, &[b.iota(&Size::Known(n_graphs)), own]);
    let of_own = ((-scores).softplus().offset(-ln2) * is_own).fold_sum(0);
    let is_other = (-is_own).offset(1.0);
    let others = (scores.softplus().offset(-ln2) * is_other).fold_sum(0);
    let others = others.scale(1.0 / (n_graphs.max(2) - 1) as f64);
    b.finish(&[(of_own + others).view(&axes(1))])
}
