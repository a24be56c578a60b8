//! `graphcl`: cosines of changed copies.

use super::readout::affine;
use super::{ContrastEntry, axes, rows};
use crate::kernels::{self, Activation};
use crate::ops::loss::Contrast;
use crate::program::{Build, Fun, Program, Space};
use crate::types::Size;
use candle_core::{DType, Tensor};

pub(super) const ENTRY: ContrastEntry = ContrastEntry {
    what: Contrast::Views,
    heads: |width| vec![("projection", projection(width))],
    of_items: |step| {
        let (first, _) = step.first()?;
        let second = step.second()?;
        let n_graphs = first.x.dim(0)?;
        let first = step.own.run(0, &[first.x], &rows(n_graphs))?;
        let second = step.own.run(0, &[second.x], &rows(n_graphs))?;
        let cosines = kernels::linear(&first, &kernels::transpose(&second)?, None, Activation::Identity)?;
        let own: Vec<f64> = (0..n_graphs).map(|graph| graph as f64).collect();
        let own = Tensor::from_vec(own, (n_graphs, 1), cosines.device())?.to_dtype(DType::F32)?;
        let own = own.to_dtype(cosines.dtype())?;
        let temperature = step.own.args.float("temperature");
        step.own.run_for(n_graphs, |b| told_apart(b, n_graphs, temperature), &[cosines, own])
    },
};

/// Two layers, and rows of length 1.
fn projection(width: usize) -> Program {
    let b = Build::new();
    let x = b.input(0, Space::Rows, &axes(width));
    let hidden = affine(&b, x, ["first.weight", "first.bias"], width).relu();
    let z = affine(&b, hidden, ["second.weight", "second.bias"], width);
    let length = z.square().fold_sum(0).view(&axes(1)).at_least(1e-16).sqrt();
    b.finish(&[z * length.reciprocal()])
}

/// `log Σ_{g' ≠ g} exp(c_gg' / τ) − c_gg / τ`, with the largest of the others taken off before the exponentials, so that some are left at any
/// temperature. Of one graph alone, which cannot be told from others, it is 0.
fn told_apart(b: &Build, n_graphs: usize, temperature: f64) -> Program {
    let cosines = b.input(0, Space::Rows, &axes(n_graphs));
    let own = b.input(1, Space::Rows, &axes(1));
    let is_own = b.map(Fun::Equal, &[b.iota(&Size::Known(n_graphs)), own]);
    let scores = cosines.scale(1.0 / temperature);
    let of_own = (scores * is_own).fold_sum(0);
    if n_graphs < 2 {
        return b.finish(&[(of_own * of_own.scale(0.0)).view(&axes(1))]);
    }
    // A cosine is at least −1, so the own one is below all others then.
    let others = scores - is_own.scale(4.0 / temperature);
    let largest = others.fold_max(0).stop();
    let sum = ((others - largest.view(&axes(1))).exp() * (-is_own).offset(1.0)).fold_sum(0);
    b.finish(&[(sum.ln() + largest - of_own).view(&axes(1))])
}
