//! `sage(out)`: GraphSAGE.

use super::{BIAS, OUT, convolved, times};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::check;
use crate::diagnostic::Diagnostic;
use crate::ir::{Entity, Type};
use crate::kernels::program::Rowwise;
use crate::kernels::{self, Activation, Norm};
use crate::lower::{ForwardCx, LowerCx, Module, Structure, Value};
use crate::ops::{
    Action, Doc, FactCx, Family, Gather, InferCx, Init, Operator, Own, Ports, Pyg, WeightMap, WeightSpec,
    WidthRule, facts,
    program::function,
    trace::{self, Trace},
};
use candle_core::{Result, Tensor};

/// GraphSAGE: `h_i = W_lᵀ AGG_{j ∈ N(i)} x_j + W_rᵀ x_i + b`.
///
/// Paper: Hamilton et al. 2017, "Inductive Representation Learning on Large Graphs", algorithm 1 and section 3.3.
/// PyG: `torch_geometric.nn.SAGEConv`; on clusters `torch_geometric.nn.DenseSAGEConv`.
///
/// Rows `0 .. F_in` of `weight` are `W_l`, of the aggregate; rows `F_in .. 2 F_in` are `W_r`, of the root.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `args::does_not_fit` for `max` and `lstm` on clusters,
/// `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Sage;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "aggregate",
        kind: ArgKind::Choice(&["mean", "sum", "max", "lstm"]),
        default: Default::Choice("mean"),
        positional: false,
        doc: "How the neighbours are gathered. `lstm` reads them one after another, so its result depends on \
              the numbering; `max` and `lstm` work on nodes only.",
    },
    ArgSpec {
        name: "root_weight",
        kind: ArgKind::Bool,
        default: Default::Bool(true),
        positional: false,
        doc: "Whether the node's own features are added through their own matrix `W_r`.",
    },
    ArgSpec {
        name: "normalize",
        kind: ArgKind::Bool,
        default: Default::Bool(false),
        positional: false,
        doc: "Whether each row of the result is divided by its Euclidean length (algorithm 1, line 7).",
    },
    BIAS,
];

impl Operator for Sage {
    fn name(&self) -> &'static str {
        "sage"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "GraphSAGE: the neighbours' aggregate and the node itself, each through its own linear map.",
            formula: "h_i = W_lᵀ AGG_{j ∈ N(i)} x_j + W_rᵀ x_i + b",
            paper: "Hamilton et al. 2017, \"Inductive Representation Learning on Large Graphs\"",
            example: "sage(64) -> relu -> sage(64, aggregate = max) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn ports(&self) -> Ports {
        Ports::One
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        super::has_edges(cx)?;
        let aggregate = cx.args.choice("aggregate");
        if cx.inputs[0].entity == Entity::Clusters && matches!(aggregate, "max" | "lstm") {
            // Every pair of clusters is linked, more or less, so a maximum or an order of neighbours carries no
            // information.
            return Err(check::args::does_not_fit(
                cx,
                "aggregate",
                &format!("`sage(aggregate = {aggregate})` works on nodes, but gets {}", cx.inputs[0]),
                "clusters are linked by weights: write `aggregate = mean` or `aggregate = sum`",
            )
            .guess(check::args::place(cx, "aggregate"), "aggregate = mean"));
        }
        let mut ty = convolved(cx, check::shape::output_width(cx, "out")?)?;
        if aggregate == "lstm" {
            ty.symmetry = check::symmetry::reads_order(
                cx,
                "`sage(aggregate = lstm)` reads the neighbours in the order they are numbered",
            );
        }
        Ok(ty)
    }
    fn weights(&self, cx: &FactCx) -> Vec<WeightSpec> {
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let n_parts = if cx.args.bool("root_weight") { 2 } else { 1 };
        let uniform = Init::KaimingUniform { fan_in: facts::known(n_in) };
        let spec = |name, shape| WeightSpec { name, shape, init: uniform, is_trained: true };
        let mut weights = vec![spec("weight", vec![times(n_parts, n_in), n_out.clone()])];
        if cx.args.bool("bias") {
            weights.push(spec("bias", vec![n_out.clone()]));
        }
        if cx.args.choice("aggregate") == "lstm" {
            // Rows for the neighbour that is read, then for the hidden state; columns by gate.
            let gates = times(4, n_in);
            weights.push(spec("lstm_weight", vec![times(2, n_in), gates.clone()]));
            weights.push(spec("lstm_bias", vec![gates]));
        }
        weights
    }
    fn trace(&self, cx: &FactCx, inputs: &[trace::Value], step: &mut Trace) -> trace::Value {
        let (input, width, has_bias) = (&inputs[0], facts::width(cx.output), cx.args.bool("bias"));
        let (root, normalize) = (cx.args.bool("root_weight"), cx.args.bool("normalize"));
        let aggregate = cx.args.choice("aggregate");
        let last = step.activation;
        let activation = if normalize { Activation::Identity } else { last };
        let mut x = match &input.structure {
            trace::Structure::Sparse(graphs) if matches!(aggregate, "max" | "lstm") => {
                let gathered = match aggregate {
                    "lstm" => step.lstm_aggregate(input.x, graphs),
                    _ => step.propagate_max(input.x, graphs),
                };
                let rows = if root { step.concat(&[gathered, input.x]) } else { gathered };
                step.linear(rows, width, has_bias, activation)
            }
            trace::Structure::Sparse(graphs) => {
                step.convolve(input.x, graphs, width, root, false, has_bias, activation)
            }
            trace::Structure::Clusters { adjacency: Some(adjacency), .. } => {
                let what = match (root, aggregate) {
                    (true, "mean") => "mean beside",
                    (true, _) => "sum beside",
                    (false, "mean") => "mean",
                    (false, _) => "sum",
                };
                let (adjacency, x) = (*adjacency, input.x);
                let gathered =
                    step.shared(what, &[adjacency, x], |step| step.dense_propagate(adjacency, x, root));
                step.linear(gathered, width, has_bias, activation)
            }
            _ => input.x,
        };
        if normalize {
            x = step.rowwise("unit_rows", &normalized(last), &[x], &[]);
        }
        input.with(x)
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SAGEConv",
            weights: &[
                ("lin_l.weight", "weight", WeightMap::TransposedRows { part: 0, of: 2 }),
                ("lin_r.weight", "weight", WeightMap::TransposedRows { part: 1, of: 2 }),
                ("lin_l.bias", "bias", WeightMap::Same),
                ("lin_rel.weight", "weight", WeightMap::TransposedRows { part: 0, of: 2 }),
                ("lin_root.weight", "weight", WeightMap::TransposedRows { part: 1, of: 2 }),
                ("lin_root.bias", "bias", WeightMap::Same),
                (
                    "aggr_module.lstm.weight_ih_l0",
                    "lstm_weight",
                    WeightMap::TransposedRows { part: 0, of: 2 },
                ),
                (
                    "aggr_module.lstm.weight_hh_l0",
                    "lstm_weight",
                    WeightMap::TransposedRows { part: 1, of: 2 },
                ),
            ],
            note: "On clusters `torch_geometric.nn.DenseSAGEConv`, whose weights are `lin_rel` and `lin_root`. \
                   Without a root, `lin_l` is the whole of `weight`. `lstm_bias` is the sum of PyG's `bias_ih_l0` \
                   and `bias_hh_l0`; PyG goes on reading zeros until the longest row of the batch ends, here each \
                   node's reading ends with its last neighbour.",
        }
    }
    fn fuses_activation(&self) -> bool {
        true
    }
    fn as_activation(&self, _args: &Args) -> Option<Activation> {
        None
    }
    fn action(&self, args: &Args) -> Action {
        let gather = match args.choice("aggregate") {
            "sum" => Gather::Sum,
            "max" => Gather::Max,
            "lstm" => Gather::Ordered,
            _ => Gather::Mean,
        };
        let own = if args.bool("root_weight") { Own::Root } else { Own::Absent };
        let is_linear = matches!(gather, Gather::Sum | Gather::Mean) && !args.bool("normalize");
        Action::Messages { gather, own, is_linear }
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        let get = |name| cx.weights.tensor(name);
        let aggregate = match cx.args.choice("aggregate") {
            "sum" => Aggregate::Sum,
            "max" => Aggregate::Max,
            "lstm" => Aggregate::Lstm { weight: get("lstm_weight"), bias: get("lstm_bias") },
            _ => Aggregate::Mean,
        };
        let normalize = cx.args.bool("normalize").then(|| normalized(cx.activation));
        Ok(Box::new(SageModule {
            aggregate,
            root: cx.args.bool("root_weight"),
            normalize,
            weight: get("weight"),
            bias: cx.args.bool("bias").then(|| get("bias")),
            activation: cx.activation,
        }))
    }
}

/// Divides rows by their length, and applies the activation.
fn normalized(activation: Activation) -> Rowwise {
    Rowwise::new(&[], move |b, x, _| {
        let x = super::unit_rows(x[0]);
        function(activation).map_or(x, |f| b.map(f, &[x]))
    })
}

enum Aggregate {
    Mean,
    Sum,
    Max,
    Lstm { weight: Tensor, bias: Tensor },
}

impl Aggregate {
    /// The aggregations that are sums with scales.
    fn norm(&self) -> Option<Norm> {
        match self {
            Aggregate::Mean => Some(Norm::Mean),
            Aggregate::Sum => Some(Norm::Sum),
            Aggregate::Max | Aggregate::Lstm { .. } => None,
        }
    }
}

struct SageModule {
    aggregate: Aggregate,
    root: bool,
    /// Divides rows by their length, and applies the activation.
    normalize: Option<Rowwise>,
    weight: Tensor,
    bias: Option<Tensor>,
    activation: Activation,
}

impl Module for SageModule {
    fn forward(&self, inputs: &[&Value], cx: &mut ForwardCx) -> Result<Value> {
        let (input, weight, bias) = (inputs[0], &self.weight, self.bias.as_ref());
        // Rows are normalised before the activation, as a stage that follows would see them.
        let activation = if self.normalize.is_some() { Activation::Identity } else { self.activation };
        let transform = |rows: &Tensor| kernels::linear(rows, weight, bias, activation);
        let x = match (&input.structure, self.aggregate.norm()) {
            (Structure::Sparse(graph), Some(norm)) => {
                kernels::sage_layer(&input.x, graph, norm, weight, bias, activation)?
            }
            (Structure::Sparse(graph), None) => {
                let gathered = match &self.aggregate {
                    Aggregate::Lstm { weight, bias } => {
                        kernels::lstm_aggregate(&input.x, graph, weight, bias)?
                    }
                    _ => kernels::propagate_max(&input.x, graph)?,
                };
                if self.root {
                    transform(&kernels::concat_columns(&[gathered, input.x.clone()])?)?
                } else {
                    transform(&gathered)?
                }
            }
            (Structure::Clusters { adjacency, .. }, Some(norm)) => {
                let adjacency = super::coarse_adjacency(adjacency)?;
                let what = match (self.root, norm) {
                    (true, Norm::Mean) => "mean beside",
                    (true, _) => "sum beside",
                    (false, Norm::Mean) => "mean",
                    (false, _) => "sum",
                };
                let propagate =
                    if self.root { kernels::dense_propagate_beside } else { kernels::dense_propagate };
                let of = [adjacency, &input.x];
                transform(&cx.shared(what, &of, || propagate(adjacency, &input.x, norm))?)?
            }
            (Structure::Clusters { .. }, None)
            | (Structure::Edges(_) | Structure::Slots { .. } | Structure::Graphs { .. }, _) => {
                return super::no_edges("sage");
            }
        };
        let x = match &self.normalize {
            Some(normalize) => normalize.run(&[&x], &[])?,
            None => x,
        };
        Ok(super::with_features(input, x))
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{assert_close, codes, nodes, run, transformed, weight};

    #[test]
    fn the_first_rows_of_the_weight_are_for_the_neighbours() {
        let data = nodes(3, &[(1, 0)]);
        for aggregate in ["mean", "sum", "max"] {
            let (rows, network) = run(&format!("model = sage(aggregate = {aggregate})"), &data);
            let (matrix, bias) = (weight(&network, "1.sage.weight"), weight(&network, "1.sage.bias"));
            assert_close(&rows[2], &transformed(&data, 2, &matrix[3..], &bias[0]));
            let root = transformed(&data, 0, &matrix[3..], &bias[0]);
            assert_close(&rows[0], &transformed(&data, 1, &matrix[..3], &root));
        }
    }

    #[test]
    fn the_mean_counts_parallel_edges_and_loops_each() {
        let data = nodes(2, &[(0, 1), (0, 1), (1, 1)]);
        let (rows, network) =
            run("task = node_classification\nmodel = sage(root_weight = false, bias = false)", &data);
        let of = |node| transformed(&data, node, &weight(&network, "1.sage.weight"), &[0.0, 0.0]);
        let expected: Vec<f64> =
            of(0).iter().zip(of(1)).map(|(&from, own)| (2.0 * from + own) / 3.0).collect();
        assert_close(&rows[1], &expected);
        assert_close(&rows[0], &[0.0, 0.0]);
    }

    #[test]
    fn normalized_rows_have_length_one() {
        let (rows, _) = run("model = sage(normalize = true)", &nodes(4, &[(0, 1), (2, 1)]));
        for row in rows {
            let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            assert!((length - 1.0).abs() < 1e-12, "{row:?}");
        }
    }

    #[test]
    fn an_aggregation_by_order_is_refused_where_order_must_not_matter() {
        assert_eq!(codes("sage(8) -> relu -> mean -> linear"), [""; 0]);
        let codes = codes("sage(8, aggregate = lstm) -> relu -> mean -> linear");
        assert!(codes.iter().any(|code| code.starts_with("symmetry::")), "{codes:?}");
    }

    #[test]
    fn clusters_have_no_maximum_of_neighbours() {
        let codes = codes("sage(8) -> diffpool(k = 4) -> sage(8, aggregate = max) -> mean -> linear");
        assert_eq!(codes, ["args::does_not_fit"]);
    }
}
