//! `virtual_node`: a node that all nodes of a graph are linked to.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::aggregate::{Aggregate, Rows};
use crate::ops::conv::{MAX_WIDTH, fixed};
use crate::ops::findings::levels;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::program::Index;
use crate::types::{Entity, Type};

/// Every row gets what a node beside the graph knows of all rows: `x_i + W_2 relu(W_1 a_j(x_j) + b_1) + b_2`, with an aggregation `a` over
/// all rows of the graph. So two rows are two steps apart, however large the graph is.
///
/// Paper: Gilmer et al. 2017, "Neural Message Passing for Quantum Chemistry", section 5.2; as a perceptron of the sum: Hu et al. 2020,
/// "Open Graph Benchmark", section 5.1. PyG: `torch_geometric.transforms.VirtualNode` puts such a node into the graph, with edges of
/// its own.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: as the input
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph.
#[derive(Debug)]
pub struct VirtualNode;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "hidden",
        kind: ArgKind::Int { min: 1, max: MAX_WIDTH },
        default: Default::Inferred("as wide as the input"),
        positional: true,
        doc: "Width of the hidden layer of the node's perceptron.",
    },
    ArgSpec {
        name: "aggregate",
        kind: ArgKind::Choice(Aggregate::NAMES),
        default: Default::Choice("sum"),
        positional: false,
        doc: "How the node reads the rows.",
    },
    ArgSpec {
        name: "dropout",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(0.0),
        positional: false,
        doc: "Probability that a number that the node gives is set to zero while training.",
    },
];

impl Operator for VirtualNode {
    fn name(&self) -> &'static str {
        "virtual_node"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Adds to every row what a node that is linked to all rows of the graph makes of them.",
            formula: "x_i + MLP(Σ_j x_j)",
            paper: "Gilmer et al. 2017, \"Neural Message Passing for Quantum Chemistry\"",
            example: "gin(32) -> relu -> virtual_node -> gin(32) -> relu -> sum -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, width) = (cx.x(), cx.args, &cx.output.width);
        let hidden = a.opt_int("hidden").map_or(width.clone(), |n| fixed(n as usize));
        let read = Aggregate::find(a.choice("aggregate"))?.of(&Rows(x), x);
        let widths = [width.clone(), hidden, width.clone()];
        let names = [["weight_0", "bias_0"], ["weight_1", "bias_1"]];
        let node = cx.mlp(read, &widths, &names).dropout(a.float("dropout"));
        Some(Outcome::rows(x + node.gather(Index::Graph)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "",
            weights: &[],
            arguments: &[],
            note: "`transforms.VirtualNode` changes the data instead.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Exchange
    }
}

#[cfg(test)]
mod tests {
    use crate::lower::{ForwardCx, Network};
    use crate::ops::testing::{assert_close, codes, forward, nodes, weight};
    use candle_core::{DType, Device};

    #[test]
    fn every_row_gets_what_is_made_of_all_rows() {
        let data = nodes(4, &[(0, 1)]);
        let text = "model = virtual_node(5)\ntask = node_regression";
        let model = crate::lower::testing::compile(text, None);
        let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
        let rows = forward(&network, &data, ForwardCx::evaluation());
        let crate::data::Features::Dense { values, width } = &data.features else { panic!("dense features") };
        let at = |row: usize, col: usize| f64::from(values[row * width + col]);
        let sum: Vec<f64> = (0..*width).map(|col| (0..4).map(|row| at(row, col)).sum()).collect();
        let layer = |x: &[f64], layer: usize| -> Vec<f64> {
            let matrix = weight(&network, &format!("1.virtual_node.weight_{layer}"));
            let bias = &weight(&network, &format!("1.virtual_node.bias_{layer}"))[0];
            let of = |col: usize| x.iter().zip(&matrix).map(|(x, row)| x * row[col]).sum::<f64>() + bias[col];
            (0..bias.len()).map(of).collect()
        };
        let hidden: Vec<f64> = layer(&sum, 0).into_iter().map(|x| x.max(0.0)).collect();
        let node = layer(&hidden, 1);
        for (row, found) in rows.iter().enumerate() {
            let wanted: Vec<f64> = (0..*width).map(|col| at(row, col) + node[col]).collect();
            assert_close(found, &wanted);
        }
        assert_eq!(codes("gcn(8) -> mean -> virtual_node -> linear"), ["levels::needs_rows"]);
    }
}
