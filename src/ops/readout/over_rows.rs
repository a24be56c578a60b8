//! `sum`, `mean`, `max`: the rows of each graph as one.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::levels;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Pyg, WidthRule};
use crate::program::composite::{Composite, Over};
use crate::types::{Entity, Type};

/// A readout that takes one number of each feature over the rows of each graph.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: one vector per graph, `F` features; a graph without rows gives 0
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph.
#[derive(Debug)]
pub struct OverRows {
    name: &'static str,
    doc: Doc,
    /// Function in PyTorch Geometric.
    pyg: &'static str,
    over: Over,
    gather: Gather,
}

/// `Σ_i x_i`. Tells apart multisets that mean and max confuse. PyG: `torch_geometric.nn.global_add_pool`.
pub static SUM: OverRows = OverRows {
    name: "sum",
    doc: Doc {
        summary: "Adds up the rows of each graph.",
        formula: "Σ_i x_i",
        paper: "Xu et al. 2019, \"How Powerful are Graph Neural Networks?\"",
        example: "gcn(32) -> relu -> sum -> linear",
    },
    pyg: "torch_geometric.nn.global_add_pool",
    over: Over::Sum,
    gather: Gather::Sum,
};

/// `1/n Σ_i x_i`. Clusters that no node is assigned to count as rows. PyG: `torch_geometric.nn.global_mean_pool`.
pub static MEAN: OverRows = OverRows {
    name: "mean",
    doc: Doc {
        summary: "Averages the rows of each graph.",
        formula: "1/n Σ_i x_i",
        paper: "Duvenaud et al. 2015, \"Convolutional Networks on Graphs for Learning Molecular Fingerprints\"",
        example: "gcn(32) -> relu -> mean -> linear",
    },
    pyg: "torch_geometric.nn.global_mean_pool",
    over: Over::Mean,
    gather: Gather::Mean,
};

/// `max_i x_i`. PyG: `torch_geometric.nn.global_max_pool`.
pub static MAX: OverRows = OverRows {
    name: "max",
    doc: Doc {
        summary: "Takes the largest value of each feature over the rows of each graph.",
        formula: "max_i x_i",
        paper: "Hamilton et al. 2017, \"Inductive Representation Learning on Large Graphs\"",
        example: "gcn(32) -> relu -> max -> linear",
    },
    pyg: "torch_geometric.nn.global_max_pool",
    over: Over::Max,
    gather: Gather::Max,
};

impl Operator for OverRows {
    fn name(&self) -> &'static str {
        self.name
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        self.doc
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        Ok(super::one_row(cx))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        Some(Outcome::graphs(cx.b.call(Composite::Readout(self.over), &[cx.x()])))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: self.pyg, weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(self.gather)
    }
}
