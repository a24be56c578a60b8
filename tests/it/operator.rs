//! One operator alone: arguments and weights by hand.

use candle_core::{DType, Result, Tensor};
use hgnn::args::{ArgKind, ArgValue, Args, BoundArg, Default};
use hgnn::kernels::graph::{Csr, SparseGraph};
use hgnn::lower::single::{self, Single, SingleError};
use hgnn::lower::{ForwardCx, NodeWeights, Structure, Value};
use hgnn::ops::{self, Operator, WeightSpec};
use hgnn::source::Span;
use hgnn::types::{DataFacts, Dim, Entity, Level, Size, Symmetry, Type};
use std::sync::Arc;

/// An operator that runs, with all that it was made of.
pub struct Lone {
    pub output: Type,
    pub specs: Vec<WeightSpec>,
    pub weights: NodeWeights,
    single: Single,
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
        let single = Single::new(op, args, inputs, &facts(), dtype, needs_assignment, |spec| Ok(make(spec)))
            .unwrap_or_else(|error| panic!("{error}"));
        let (output, specs) = (single.output().clone(), single.specs().to_vec());
        Lone { output, specs, weights: single.weights().clone(), single }
    }

    pub fn run(&self, inputs: &[&Value], cx: &mut ForwardCx) -> Result<Value> {
        self.single.forward(inputs, cx)
    }
}

/// An operator alone is checked as in a model before anything runs.
#[test]
fn an_operator_alone_runs_nothing_unchecked() {
    let linear = find("linear");
    let four = args(linear, &[("out", ArgValue::Int(4))]);
    let rows = ty(Entity::Nodes, 0, None, 3);
    let build = |args: &Args, inputs: &[&Type], shape: (usize, usize)| {
        let make = |spec: &WeightSpec| match spec.shape.len() {
            1 => Tensor::zeros(4, DType::F32, &candle_core::Device::Cpu),
            _ => Tensor::zeros(shape, DType::F32, &candle_core::Device::Cpu),
        };
        Single::new(linear, args, inputs, &facts(), DType::F32, false, make)
    };
    let refused = |built: std::result::Result<Single, SingleError>| built.err().expect("refused").to_string();
    assert_eq!(
        refused(build(&Args(Vec::new()), &[&rows], (3, 4))),
        "`linear` is not given `out`, written or by default"
    );
    assert_eq!(refused(build(&four, &[], (3, 4))), "`linear` takes one input with these arguments, not 0");
    assert_eq!(
        refused(build(&four, &[&rows; 2], (3, 4))),
        "`linear` takes one input with these arguments, not 2"
    );
    assert_eq!(
        refused(build(&four, &[&rows], (4, 3))),
        "`weight` of `linear` is of the shape [3, 4], not [4, 3]"
    );
    let single = build(&four, &[&rows], (3, 4)).unwrap_or_else(|error| panic!("{error}"));
    let value = |width: usize| Value {
        x: Tensor::zeros((2, width), DType::F32, &candle_core::Device::Cpu).unwrap(),
        structure: Structure::Sparse(sparse_graph(&[], &[2])),
    };
    let run = |width| single.forward(&[&value(width)], &mut ForwardCx::evaluation());
    assert_eq!(run(3).unwrap().x.dims(), &[2, 4]);
    // A trace of calls may follow.
    let error = run(5).unwrap_err().to_string();
    assert!(error.starts_with("3 features a row are declared, and [2, 5] comes in"), "{error}");
    let gcn = find("gcn");
    let written = args(gcn, &[("out", ArgValue::Int(4))]);
    let graphs = ty(Entity::Graph, 1, None, 3);
    assert!(matches!(infer(gcn, &written, &[&graphs]), Err(SingleError::Refused { .. })));
}

/// What the operator says of its inputs.
pub fn infer(
    op: &'static dyn Operator,
    args: &Args,
    inputs: &[&Type],
) -> std::result::Result<Type, SingleError> {
    single::infer(op, args, inputs, &facts())
}

fn facts() -> DataFacts {
    DataFacts {
        name: "test".into(),
        n_graphs: 1,
        n_features: 4,
        n_outputs: 2,
        max_nodes: MAX_NODES,
        mean_nodes: MAX_NODES as f64,
        total_nodes: MAX_NODES,
        ..DataFacts::default()
    }
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
        Default::FloatList(list) => ArgValue::FloatList(list.to_vec()),
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
            Entity::Nodes | Entity::Edges | Entity::EdgeKinds | Entity::Pairs => Symmetry::Equivariant,
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
