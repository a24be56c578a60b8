//! `sage(out)`: GraphSAGE.

use super::{BIAS, OUT, convolved, dense, mean_entries, times};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::check;
use crate::diagnostic::Diagnostic;
use crate::ir::{Entity, Type};
use crate::kernels::{self, Activation, Norm};
use crate::lower::{ForwardCx, LowerCx, Module, Structure, Value};
use crate::ops::{
    Cost, CostSizes, Doc, FactCx, Family, InferCx, Init, Operator, Ports, Pyg, WeightMap, WeightSpec,
    WidthRule,
    facts::{self, FLOAT_BYTES, mean_rows},
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
/// `levels::needs_edges` on slots or graph vectors, `args::does_not_fit` for `max` on clusters,
/// `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Sage;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "aggregate",
        kind: ArgKind::Choice(&["mean", "sum", "max"]),
        default: Default::Choice("mean"),
        positional: false,
        doc: "How the neighbours are gathered; `max` works on nodes only.",
    },
    ArgSpec {
        name: "root",
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
        if cx.inputs[0].entity == Entity::Clusters && aggregate == "max" {
            // Every pair of clusters is linked, more or less, so a maximum over neighbours says nothing.
            return Err(check::args::does_not_fit(
                cx,
                "aggregate",
                &format!("`sage(aggregate = {aggregate})` works on nodes, but gets {}", cx.inputs[0]),
                "clusters are linked by weights: write `aggregate = mean` or `aggregate = sum`",
            ));
        }
        convolved(cx, check::shape::output_width(cx, "out")?)
    }
    fn weights(&self, cx: &FactCx) -> Vec<WeightSpec> {
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let n_parts = if cx.args.bool("root") { 2 } else { 1 };
        let uniform = Init::KaimingUniform { fan_in: facts::known(n_in) };
        let spec = |name, shape| WeightSpec { name, shape, init: uniform, is_trained: true };
        let mut weights = vec![spec("weight", vec![times(n_parts, n_in), n_out.clone()])];
        if cx.args.bool("bias") {
            weights.push(spec("bias", vec![n_out.clone()]));
        }
        weights
    }
    fn cost(&self, cx: &FactCx, sizes: CostSizes) -> Cost {
        let (rows, entries) = (mean_rows(cx.output, sizes), mean_entries(cx.output, sizes));
        let (n_in, n_out) = (facts::width(cx.inputs[0]), facts::width(cx.output));
        let n_parts = if cx.args.bool("root") { 2.0 } else { 1.0 };
        Cost {
            flops: 2.0 * entries * n_in + 2.0 * rows * n_parts * n_in * n_out,
            memory_bytes: FLOAT_BYTES * rows * (n_in + n_out),
        }
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
            ],
            note: "On clusters `torch_geometric.nn.DenseSAGEConv`, whose weights are `lin_rel` and `lin_root`. \
                   Without a root, `lin_l` is the whole of `weight`.",
        }
    }
    fn fuses_activation(&self) -> bool {
        true
    }
    fn as_activation(&self, _args: &Args) -> Option<Activation> {
        None
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        let get = |name| cx.weights.tensor(name);
        let aggregate = match cx.args.choice("aggregate") {
            "sum" => Aggregate::Sum,
            "max" => Aggregate::Max,
            _ => Aggregate::Mean,
        };
        Ok(Box::new(SageModule {
            aggregate,
            root: cx.args.bool("root"),
            normalize: cx.args.bool("normalize"),
            weight: get("weight"),
            bias: cx.args.bool("bias").then(|| get("bias")),
            activation: cx.activation,
        }))
    }
}

enum Aggregate {
    Mean,
    Sum,
    Max,
}

struct SageModule {
    aggregate: Aggregate,
    root: bool,
    normalize: bool,
    weight: Tensor,
    bias: Option<Tensor>,
    activation: Activation,
}

impl Module for SageModule {
    fn forward(&self, inputs: &[&Value], _cx: &mut ForwardCx) -> Result<Value> {
        let (input, bias) = (inputs[0], self.bias.as_ref());
        // The length is taken before the activation, as a stage that follows would see it.
        let activation = if self.normalize { Activation::Identity } else { self.activation };
        let transform = |aggregate: Tensor| -> Result<Tensor> {
            let rows =
                if self.root { kernels::concat_columns(&[aggregate, input.x.clone()])? } else { aggregate };
            kernels::linear(&rows, &self.weight, bias, activation)
        };
        let x = match (&input.structure, &self.aggregate) {
            (Structure::Sparse(graph), Aggregate::Mean) => {
                kernels::sage_layer(&input.x, graph, Norm::Mean, &self.weight, bias, activation)?
            }
            (Structure::Sparse(graph), Aggregate::Sum) => {
                kernels::sage_layer(&input.x, graph, Norm::Sum, &self.weight, bias, activation)?
            }
            (Structure::Sparse(graph), Aggregate::Max) => {
                transform(kernels::propagate_max(&input.x, graph)?)?
            }
            (Structure::Clusters { adjacency, .. }, Aggregate::Mean) => {
                transform(dense::dense_mean(super::coarse_adjacency(adjacency)?, &input.x)?)?
            }
            (Structure::Clusters { adjacency, .. }, Aggregate::Sum) => {
                transform(dense::dense_product(super::coarse_adjacency(adjacency)?, &input.x)?)?
            }
            (Structure::Clusters { .. }, Aggregate::Max)
            | (Structure::Slots { .. } | Structure::Graphs { .. }, _) => return super::no_edges("sage"),
        };
        let x = if self.normalize { kernels::activate(&super::unit_rows(&x)?, self.activation)? } else { x };
        Ok(super::with_features(input, x))
    }
}
