//! `dgi`: a bilinear discriminator by the summary of each graph.

use super::{ContrastEntry, axes, dim};
use crate::kernels::program::Topology;
use crate::ops::loss::Contrast;
use crate::program::{Build, Index, Init, Program, Space};

pub(super) const ENTRY: ContrastEntry = ContrastEntry {
    what: Contrast::Corruption,
    heads: |width| vec![("", discriminator(width))],
    of_items: |step| {
        let (output, _) = step.first()?;
        let corrupted = step.second()?;
        let topology = Topology::rows(output.structure.offsets());
        step.own.run(0, &[output.x, corrupted.x], &topology)
    },
};

/// `−log σ(h_iᵀ W s) − log(1 − σ(h̃_iᵀ W s))` of each row.
fn discriminator(width: usize) -> Program {
    let b = Build::new();
    let [x, corrupted] = [0, 1].map(|port| b.input(port, Space::Rows, &axes(width)));
    let init = Init::KaimingUniform { fan_in: width };
    let weight = b.weight("weight", &[dim(width), dim(width)], init);
    let summary = x.mean(Index::Graph).sigmoid();
    let towards = summary.linear_by(weight, true).gather(Index::Graph);
    let [own, other] = [x, corrupted].map(|x| x.dot(towards).view(&axes(1)));
    b.finish(&[(-own).softplus() + other.softplus()])
}
