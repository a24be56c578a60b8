//! Losses that compare no targets: what a network makes of the data is told from what it makes of something else. One file each,
//! entered in [`crate::ops::LOSSES`]; what is drawn for a step is in `data/views`, what is computed in `lower/contrast`.

pub mod dgi;
pub mod graphcl;
pub mod infograph;
pub mod skip_gram;

use super::LossCx;
use crate::args::{ArgSpec, Args};
use crate::ops::{Doc, Loss, LossKind, Pyg};
use crate::program::V;
use crate::types::{Entity, TargetKind};

/// What a loss without targets compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contrast {
    /// Nodes that random walks meet, with nodes that were drawn.
    Walks,
    /// Nodes with those of the same graph whose features were shuffled.
    Corruption,
    /// Nodes with the vectors of their own graph and of the others of the batch.
    Readout,
    /// Two changed copies of each graph.
    Views,
}

impl Contrast {
    /// What the model ends on: a row a node, or a row a graph.
    pub fn entity(self) -> Entity {
        match self {
            Contrast::Walks | Contrast::Corruption => Entity::Nodes,
            Contrast::Readout | Contrast::Views => Entity::Graph,
        }
    }
}

/// A loss without targets. Its value of each item is made in `lower/contrast`; the mean over the items is minimised.
#[derive(Debug)]
pub struct Contrastive {
    name: &'static str,
    doc: Doc,
    args: &'static [ArgSpec],
    contrast: Contrast,
    pyg: Pyg,
}

impl Loss for Contrastive {
    fn name(&self) -> &'static str {
        self.name
    }
    fn doc(&self) -> Doc {
        self.doc
    }
    fn args(&self) -> &'static [ArgSpec] {
        self.args
    }
    fn kind(&self) -> LossKind {
        LossKind::Task(TargetKind::Embedding)
    }
    fn reported_by(&self) -> &'static [&'static str] {
        &[]
    }
    fn pyg(&self) -> Pyg {
        self.pyg
    }
    fn weight(&self, n_items: f64, _: &[u32], _: Option<&[f64]>) -> f64 {
        n_items
    }
    fn weighs_classes(&self, _: &Args) -> bool {
        false
    }
    /// What comes in is the value of the item already.
    fn program<'b>(&self, cx: &LossCx<'_, 'b>) -> Option<V<'b>> {
        Some(cx.output.fold_sum(0))
    }
    fn contrast(&self) -> Option<Contrast> {
        Some(self.contrast)
    }
}
