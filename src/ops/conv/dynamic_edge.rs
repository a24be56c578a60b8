//! `dynamic_edge(out, k)`: edge convolution over the nearest rows.

use super::gin::{HIDDEN, LAYERS, hidden_has_effect};
use super::{ANY_AGGREGATE, OUT, aggregated, edge_conv};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{levels, shape, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::{Dim, Entity, Type};

/// Dynamic edge convolution: `h_i = max_{j ∈ kNN(i)} MLP([x_i ∥ x_j − x_i])`, or the sum or the mean, over the `k` rows of the graph that
/// are nearest to row `i`, itself among them, found anew by the features that come in. The edges of the graph are not read. Rows that
/// tie with the last of the `k` are read too, so that the choice does not depend on the numbering; of a graph of fewer rows all are.
///
/// Paper: Wang et al. 2019, "Dynamic Graph CNN for Learning on Point Clouds", eqs. 2 and 8.
/// PyG: `torch_geometric.nn.DynamicEdgeConv` around `Sequential(Linear, ReLU, Linear)`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes, clusters or slots
/// - result: `[N, F_out]`, the last width of the MLP `[2 F_in, hidden, …, F_out]`, with `relu` between its layers
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph, `shape::no_width` where `out` cannot be inferred, `args::no_effect` for
/// `hidden` with one layer.
#[derive(Debug)]
pub struct DynamicEdge;

/// How many rows are read.
pub const K: ArgSpec = ArgSpec {
    name: "k",
    kind: ArgKind::Int { min: 1, max: 4096 },
    default: Default::Required,
    positional: false,
    doc: "Number of nearest rows that each row reads, itself among them.",
};

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec { positional: true, ..K },
    HIDDEN,
    LAYERS,
    ArgSpec {
        default: Default::Choice("max"),
        doc: "How the messages of a row are gathered.",
        ..ANY_AGGREGATE
    },
];

/// The rows that come in, with another width.
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph.
pub fn rows_of(cx: &InferCx, width: Dim) -> Result<Type, Diagnostic> {
    if cx.inputs[0].entity == Entity::Graph {
        return Err(levels::needs_rows(cx));
    }
    Ok(Type { width, symmetry: symmetry::kept(cx), ..cx.inputs[0].clone() })
}

impl Operator for DynamicEdge {
    fn name(&self) -> &'static str {
        "dynamic_edge"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Edge convolution over the k nearest rows of the graph, found anew by their features.",
            formula: "h_i = max_{j ∈ kNN(i)} MLP([x_i ∥ x_j − x_i])",
            paper: "Wang et al. 2019, \"Dynamic Graph CNN for Learning on Point Clouds\"",
            example: "dynamic_edge(32, k = 4) -> relu -> dynamic_edge(32, k = 4) -> relu -> max -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        hidden_has_effect(cx)?;
        rows_of(cx, shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a) = (cx.x(), cx.args);
        let e = cx.b.nearest(x, a.int("k") as usize);
        let message = edge_conv::message_of(cx, x, e);
        Some(Outcome::rows(aggregated(a, e, message)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.DynamicEdgeConv",
            weights: edge_conv::WEIGHTS,
            arguments: &[],
            note: "`nn` is a `Sequential` of `Linear` and `ReLU`. PyG lets its search choose among rows that are as near.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Nearest
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{assert_close, codes, nodes, run, types, weight};

    #[test]
    fn rows_that_tie_are_read_and_edges_are_not() {
        assert_eq!(types("dynamic_edge(8, 3) -> max -> linear", None)[1], "nodes[N, 8]");
        assert_eq!(codes("diffpool(k = 4) -> dynamic_edge(8, k = 2) -> mean -> linear"), [""; 0]);
        assert_eq!(codes("sort_pool(4) -> dynamic_edge(8, k = 2) -> flatten -> linear"), [""; 0]);
        assert_eq!(codes("mean -> dynamic_edge(8, k = 2) -> linear"), ["levels::needs_rows"]);
        assert_eq!(codes("dynamic_edge(8) -> max -> linear"), ["args::missing"]);

        let data = nodes(5, &[(0, 1), (3, 4)]);
        let (rows, network) = run("model = dynamic_edge(k = 2, layers = 1, aggregate = mean)", &data);
        let crate::data::Features::Dense { values, width } = &data.features else { panic!("dense features") };
        let row = |node: usize| -> Vec<f64> {
            values[node * width..][..*width].iter().map(|&x| x.into()).collect()
        };
        let w = weight(&network, "1.dynamic_edge.weight_0");
        let bias = &weight(&network, "1.dynamic_edge.bias_0")[0];
        for (node, found) in rows.iter().enumerate() {
            let own = row(node);
            let apart = |other: usize| own.iter().zip(row(other)).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            let mut all: Vec<f64> = (0..5).map(apart).collect();
            all.sort_by(f64::total_cmp);
            let near: Vec<usize> = (0..5).filter(|&other| apart(other) <= all[1]).collect();
            let mut wanted = bias.clone();
            for &other in &near {
                let input = own.iter().copied().chain(row(other).into_iter().zip(&own).map(|(b, a)| b - a));
                for (x, row) in input.zip(&w) {
                    wanted.iter_mut().zip(row).for_each(|(y, w)| *y += x * w / near.len() as f64);
                }
            }
            assert_close(found, &wanted);
        }
    }
}
