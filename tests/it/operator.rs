//! One operator alone: arguments and weights by hand, typed by its own shape rule, lowered by its own `lower`.

use candle_core::{DType, Result, Tensor, Var};
use hgnn::args::{ArgKind, ArgValue, Args, BoundArg, Default};
use hgnn::ir::{Author, Node, Scope};
use hgnn::kernels::graph::{Csr, SparseGraph};
use hgnn::lower::{ForwardCx, LowerCx, Module, NodeWeights, Value};
use hgnn::ops::{self, FactCx, InferCx, Operator, WeightSpec};
use hgnn::source::Span;
use hgnn::types::{DataFacts, Dim, Entity, Level, Size, SizesWithData, Symmetry, Type};
use petgraph::graph::NodeIndex;
use std::cell::RefCell;
use std::sync::Arc;

/// A lowered operator with all that it was made of.
pub struct Lone {
    pub output: Type,
    pub specs: Vec<WeightSpec>,
    pub weights: NodeWeights,
    pub module: Box<dyn Module>,
}

impl Lone {
    /// `make` gives each weight its values.
    pub fn build(
        op: &'static dyn Operator,
        args: &Args,
        inputs: &[&Type],
        dtype: DType,
        make: impl FnMut(&WeightSpec) -> Tensor,
    ) -> Lone {
        Self::build_for(op, args, inputs, dtype, false, make)
    }

    /// [`Lone::build`], of a pooling with the shares of the rows where `needs_assignment`.
    pub fn build_for(
        op: &'static dyn Operator,
        args: &Args,
        inputs: &[&Type],
        dtype: DType,
        needs_assignment: bool,
        mut make: impl FnMut(&WeightSpec) -> Tensor,
    ) -> Lone {
        let output = infer(op, args, inputs).unwrap_or_else(|finding| panic!("{}: {finding:?}", op.name()));
        let specs = op.weights(&FactCx { args, inputs, output: &output });
        let weights = NodeWeights(
            specs
                .iter()
                .map(|spec| {
                    let values = make(spec).to_dtype(dtype).unwrap();
                    (spec.name, Var::from_tensor(&values).unwrap())
                })
                .collect(),
        );
        let node = Node {
            op,
            args: args.clone(),
            ty: output.clone(),
            name: None,
            span: Span::default(),
            scope: Scope::default(),
            author: Author::File,
            shares: None,
        };
        let module = LowerCx {
            idx: NodeIndex::new(0),
            node: &node,
            args,
            inputs,
            output: &output,
            activation: None,
            needs_adjacency: true,
            needs_assignment,
            weights: &weights,
        }
        .module()
        .unwrap_or_else(|error| panic!("{}: {error}", op.name()));
        Lone { output, specs, weights, module }
    }

    pub fn run(&self, inputs: &[&Value], cx: &mut ForwardCx) -> Result<Value> {
        self.module.forward(inputs, cx)
    }
}

/// What the operator says of its inputs.
pub fn infer(
    op: &'static dyn Operator,
    args: &Args,
    inputs: &[&Type],
) -> std::result::Result<Type, hgnn::diagnostic::Diagnostic> {
    let spans = vec![Span::default(); inputs.len()];
    let data = DataFacts {
        name: "test".into(),
        n_graphs: 1,
        n_features: 4,
        n_outputs: 2,
        task: None,
        class_counts: Vec::new(),
        max_nodes: MAX_NODES,
        mean_nodes: MAX_NODES as f64,
        total_nodes: MAX_NODES,
        total_edges: 0,
        n_graphs_without_edges: 0,
        has_split: false,
        ..DataFacts::default()
    };
    let sizes = RefCell::new(SizesWithData::new(&data));
    op.infer(&InferCx {
        definition: None,
        op,
        args,
        inputs,
        input_spans: &spans,
        span: Span::default(),
        target: None,
        new_level: Level(inputs.iter().map(|ty| ty.level.0).max().unwrap_or(0) + 1),
        data: Some(&data),
        sizes: Some(&sizes),
    })
}

/// The largest graph that operators are told of.
pub const MAX_NODES: usize = 10;

pub fn find(name: &str) -> &'static dyn Operator {
    ops::find(name).unwrap_or_else(|| panic!("no operator `{name}`"))
}

/// The arguments of a call with these ones written.
pub fn args(op: &dyn Operator, written: &[(&str, ArgValue)]) -> Args {
    for (name, _) in written {
        assert!(op.args().iter().any(|spec| spec.name == *name), "`{}` has no argument `{name}`", op.name());
    }
    Args(
        op.args()
            .iter()
            .map(|spec| {
                let given = written.iter().find(|(name, _)| *name == spec.name);
                let value =
                    given.map_or_else(|| default_value(spec.kind, spec.default), |(_, value)| value.clone());
                BoundArg { name: spec.name, value, span: given.map(|_| Span::default()) }
            })
            .collect(),
    )
}

fn default_value(kind: ArgKind, default: Default) -> ArgValue {
    match default {
        Default::Required | Default::Inferred(_) => ArgValue::Absent,
        Default::Int(value) => ArgValue::Int(value),
        Default::Float(value) => ArgValue::Float(value),
        Default::Bool(value) => ArgValue::Bool(value),
        Default::Choice(word) => ArgValue::Choice(word),
        Default::IntList(list) => ArgValue::IntList(list.to_vec()),
        Default::ChoiceList(list) => ArgValue::ChoiceList(list.to_vec()),
        Default::Source(_) => match kind {
            ArgKind::Pipeline { .. } => ArgValue::Pipeline,
            other => panic!("a default of {other:?} in source form"),
        },
    }
}

/// A type with known sizes; `rows` is `None` for the nodes of the input graph.
pub fn ty(entity: Entity, level: u32, rows: Option<usize>, width: usize) -> Type {
    let known = |n| Dim::new(Size::Known(n), None, "");
    Type {
        entity,
        level: Level(level),
        rows: rows.map_or_else(
            || Dim::new(Size::Symbol(if entity.is_of_edges() { "E" } else { "N" }), None, ""),
            known,
        ),
        width: known(width),
        symmetry: match entity {
            Entity::Nodes | Entity::Edges | Entity::EdgeKinds => Symmetry::Equivariant,
            Entity::Clusters | Entity::Slots | Entity::Graph => Symmetry::Invariant,
        },
    }
}

/// The sparse graph of edges `(source, target)` over graphs of these numbers of nodes.
pub fn sparse_graph(edges: &[(u32, u32)], n_nodes: &[usize]) -> Arc<SparseGraph> {
    let mut offsets = vec![0u32];
    for &n in n_nodes {
        offsets.push(offsets[offsets.len() - 1] + n as u32);
    }
    let total = offsets[n_nodes.len()] as usize;
    let mut sorted: Vec<(u32, u32)> = edges.iter().map(|&(source, target)| (target, source)).collect();
    sorted.sort_unstable();
    let mut rows = vec![0u32; total + 1];
    sorted.iter().for_each(|&(target, _)| rows[target as usize + 1] += 1);
    (0..total).for_each(|row| rows[row + 1] += rows[row]);
    let indices = sorted.iter().map(|&(_, source)| source).collect();
    let adjacency = Csr { offsets: rows, indices, n_cols: total };
    let transpose = adjacency.transpose();
    let adjacency = Arc::new(adjacency);
    let transpose = if *adjacency == transpose { adjacency.clone() } else { Arc::new(transpose) };
    Arc::new(SparseGraph::new(adjacency, transpose, Arc::new(offsets)))
}

/// All numbers of a tensor in row-major order.
pub fn numbers(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}
