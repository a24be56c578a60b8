//! `topk(ratio | k)`: top-k pooling.

use super::{K, RATIO, kept_rows};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::check;
use crate::diagnostic::Diagnostic;
use crate::ir::{Entity, Type};
use crate::kernels::program::Rowwise;
use crate::kernels::{self, Activation};
use crate::lower::{ForwardCx, LowerCx, Module, Structure, Value};
use crate::ops::{
    Action, Doc, FactCx, Family, InferCx, Init, Operator, Ports, Pyg, Select, WeightMap, WeightSpec,
    WidthRule, conv, facts,
    trace::{self, Trace},
};
use candle_core::{Result, Tensor};

/// Top-k pooling: each node gets a score by a learned direction `p`, the best nodes of each graph are kept and
/// weighted by it: `y = x p / ‖p‖`, `X' = (x ⊙ tanh(y))[best]`, `A' = A[best, best]`.
///
/// Paper: Gao and Ji 2019, "Graph U-Nets", eq. 2. PyG: `torch_geometric.nn.TopKPooling`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes of a sparse graph
/// - result: `[⌈ratio · N⌉, F]` or `[min(k, N), F]` of each graph, in the order of the nodes; nodes with the
///   same score as the last one kept stay too, so that the choice does not depend on the numbering
///
/// # Errors
/// `args::missing` and `args::conflict` for `ratio` and `k`, `levels::needs_nodes` on anything but nodes.
#[derive(Debug)]
pub struct TopK;

static ARGS: &[ArgSpec] = &[
    ArgSpec { doc: "Share of the nodes of each graph to keep, rounded up.", ..RATIO },
    ArgSpec { doc: "Number of nodes of each graph to keep; a graph with fewer keeps them all.", ..K },
    ArgSpec {
        name: "nonlinearity",
        kind: ArgKind::Choice(&["tanh", "sigmoid"]),
        default: Default::Choice("tanh"),
        positional: false,
        doc: "Function that maps the score of a node to its weight.",
    },
];

impl Operator for TopK {
    fn name(&self) -> &'static str {
        "topk"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Top-k pooling: keeps the nodes with the best learned scores and the edges between them.",
            formula: "y = x p / ‖p‖,  X' = (x ⊙ tanh(y))[best],  A' = A[best, best]",
            paper: "Gao and Ji 2019, \"Graph U-Nets\"",
            example: "gcn(64) -> relu -> topk(ratio = 0.5) -> gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn ports(&self) -> Ports {
        Ports::One
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        let input = cx.inputs[0];
        match input.entity {
            Entity::Nodes => {}
            Entity::Graph => return Err(check::levels::needs_rows(cx)),
            Entity::Edges | Entity::EdgeKinds | Entity::Clusters | Entity::Slots => {
                return Err(check::levels::needs_nodes(cx));
            }
        }
        Ok(Type {
            entity: Entity::Nodes,
            level: cx.new_level,
            rows: kept_rows(cx, &input.rows, "ratio = 0.5")?,
            width: input.width.clone(),
            symmetry: check::symmetry::kept(cx),
        })
    }
    fn weights(&self, cx: &FactCx) -> Vec<WeightSpec> {
        let width = &cx.inputs[0].width;
        vec![WeightSpec {
            name: "direction",
            shape: vec![width.clone(), conv::fixed(1)],
            init: Init::KaimingUniform { fan_in: facts::known(width) },
            is_trained: true,
        }]
    }
    fn trace(&self, cx: &FactCx, inputs: &[trace::Value], step: &mut Trace) -> trace::Value {
        let input = &inputs[0];
        let trace::Structure::Sparse(graphs) = &input.structure else { return input.clone() };
        let width = input.x.width;
        let score = step.rowwise("score", &score(), &[input.x], &[&[width as usize, 1]]);
        let kept = |nodes: f64| match (cx.args.opt_float("ratio"), cx.args.opt_int("k")) {
            // As in the checker, a tolerance keeps 0.1 · 30 from being rounded up to 4.
            (Some(ratio), _) => (ratio * nodes - 1e-9).ceil().max(1.0),
            (None, k) => k.unwrap_or(1) as f64,
        };
        let selected = step.select_top(score, graphs, kept);
        let rows = selected.n_nodes();
        let x = step.gather_rows(input.x, rows);
        let score = step.gather_rows(score, rows);
        let x = step.rowwise("weigh", &weigh(is_sigmoid(cx.args)), &[x, score], &[]);
        trace::Value { x, structure: trace::Structure::Sparse(selected.into()) }
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.TopKPooling",
            weights: &[("select.weight", "direction", WeightMap::Transposed)],
            note: "PyG orders the kept nodes by falling score and lets the numbering break ties; here they keep the order of the nodes, and nodes that tie with the last one kept stay too.",
        }
    }
    fn fuses_activation(&self) -> bool {
        false
    }
    fn as_activation(&self, _args: &Args) -> Option<Activation> {
        None
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Keep)
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        Ok(Box::new(TopKModule {
            keep: match (cx.args.opt_float("ratio"), cx.args.opt_int("k")) {
                (Some(ratio), _) => kernels::Keep::Ratio(ratio),
                (None, k) => kernels::Keep::Count(k.unwrap_or(1) as usize),
            },
            direction: cx.weights.tensor("direction"),
            score: score(),
            weigh: weigh(is_sigmoid(cx.args)),
        }))
    }
}

/// The place of each row along the direction.
fn score() -> Rowwise {
    Rowwise::new(&["direction"], |_, x, weights| {
        let length = weights[0].flat().dot(weights[0].flat()).sqrt();
        x[0].linear(weights[0].div_rows(length))
    })
}

fn is_sigmoid(args: &Args) -> bool {
    args.choice("nonlinearity") == "sigmoid"
}

/// Rows times what the nonlinearity makes of their scores.
fn weigh(is_sigmoid: bool) -> Rowwise {
    Rowwise::new(&[], move |_, x, _| x[0] * if is_sigmoid { x[1].sigmoid() } else { x[1].tanh() })
}

struct TopKModule {
    keep: kernels::Keep,
    /// `[F, 1]`
    direction: Tensor,
    /// Rows along the direction: `[N, 1]`.
    score: Rowwise,
    /// Kept rows times what the nonlinearity makes of their scores.
    weigh: Rowwise,
}

impl Module for TopKModule {
    fn forward(&self, inputs: &[&Value], _cx: &mut ForwardCx) -> Result<Value> {
        let input = inputs[0];
        let Structure::Sparse(graph) = &input.structure else { return conv::no_edges("topk") };
        // Nodes are chosen by the score before the nonlinearity, which rises with it: the choice is the same,
        // but scores that the nonlinearity rounds to one value are still distinguished.
        let score = self.score.run(&[&input.x], &[&self.direction])?;
        let selection = kernels::select_top(&score, graph, self.keep)?;
        let kept = kernels::gather_rows(&input.x, &selection.rows)?;
        let score = kernels::gather_rows(&score, &selection.rows)?;
        Ok(Value { x: self.weigh.run(&[&kept, &score], &[])?, structure: Structure::Sparse(selection.graph) })
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn the_kept_nodes_are_nodes_of_a_new_level() {
        let text = "gcn(8) -> topk(ratio = 0.5) -> gcn(8) -> topk(k = 4) -> mean -> linear";
        let types = types(text, None);
        assert_eq!(types[2], "nodes[⌈N/2⌉, 8]");
        assert_eq!(types[4], "nodes[4, 8]");
        let mixed = "gcn(8) as fine -> topk(ratio = 0.5) -> add(fine, identity) -> mean -> linear";
        assert_eq!(codes(mixed), ["levels::mixed_levels"]);
    }

    #[test]
    fn only_nodes_can_be_selected() {
        assert_eq!(codes("diffpool(k = 4) -> topk(k = 2) -> mean -> linear"), ["levels::needs_nodes"]);
        assert_eq!(codes("mean -> topk(k = 2) -> linear"), ["levels::needs_rows"]);
    }
}
