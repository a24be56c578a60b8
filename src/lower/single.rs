//! One operator alone, for programs that compare or measure operators without a model around them.

use super::{ForwardCx, LowerCx, Module, NodeWeights, Value};
use crate::args::{ArgValue, Args};
use crate::diagnostic::Diagnostic;
use crate::ir::{Author, Node, Scope};
use crate::ops::{FactCx, InferCx, Operator, Ports, WeightSpec};
use crate::source::Span;
use crate::types::{DataFacts, Entity, Level, SizesWithData, Type};
use candle_core::{DType, Result, Tensor, Var, bail};
use petgraph::graph::NodeIndex;
use std::cell::RefCell;

/// Why an operator cannot run alone.
#[derive(Debug, thiserror::Error)]
pub enum SingleError {
    #[error("`{operator}` is not given `{argument}`, written or by default")]
    NoArgument { operator: &'static str, argument: &'static str },
    #[error("`{operator}` takes {wanted} with these arguments, not {found}")]
    Inputs { operator: &'static str, wanted: String, found: usize },
    /// What the operator's own shape rule finds.
    #[error("`{operator}`: {}", finding.message)]
    Refused { operator: &'static str, finding: Box<Diagnostic> },
    #[error("`{weight}` of `{operator}` has no known shape with this data")]
    SymbolicSize { operator: &'static str, weight: &'static str },
    #[error("`{weight}` of `{operator}` is of the shape {wanted:?}, not {found:?}")]
    Weight { operator: &'static str, weight: &'static str, wanted: Vec<usize>, found: Vec<usize> },
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// An operator that was proved to fit its inputs and arguments by its own shape rule, as in a model, with its weights.
pub struct Single {
    output: Type,
    inputs: Vec<Type>,
    specs: Vec<WeightSpec>,
    weights: NodeWeights,
    module: Box<dyn Module>,
}

impl Single {
    /// `make` gives each weight its values, which are converted to `dtype`. A pooling keeps the shares of its rows where
    /// `needs_assignment`, as a `lift` asks for.
    ///
    /// # Errors
    /// Where arguments or inputs are missing, where the operator refuses them, and where a weight has another shape.
    pub fn new(
        op: &'static dyn Operator,
        args: &Args,
        inputs: &[&Type],
        data: &DataFacts,
        dtype: DType,
        needs_assignment: bool,
        mut make: impl FnMut(&WeightSpec) -> Result<Tensor>,
    ) -> std::result::Result<Self, SingleError> {
        let output = infer(op, args, inputs, data)?;
        let wanted = 1 + n_beside(args);
        if op.ports() == Ports::One && inputs.len() != wanted {
            return Err(inputs_error(op, counted(wanted), inputs));
        }
        let specs = op.weights(&FactCx { args, inputs, output: &output });
        let mut weights = NodeWeights::default();
        for spec in &specs {
            let shape: Option<Vec<usize>> = spec.shape.iter().map(|dim| dim.known()).collect();
            let (operator, weight) = (op.name(), spec.name);
            let wanted = shape.ok_or(SingleError::SymbolicSize { operator, weight })?;
            let values = make(spec)?.to_dtype(dtype)?;
            if values.dims() != wanted {
                let found = values.dims().to_vec();
                return Err(SingleError::Weight { operator, weight, wanted, found });
            }
            weights.0.push((weight, Var::from_tensor(&values)?));
        }
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
            losses: op.losses(),
            weights: &weights,
        }
        .module()?;
        let inputs = inputs.iter().map(|&ty| ty.clone()).collect();
        Ok(Self { output, inputs, specs, weights, module })
    }

    pub fn output(&self) -> &Type {
        &self.output
    }
    pub fn specs(&self) -> &[WeightSpec] {
        &self.specs
    }
    /// By the names of [`Single::specs`].
    pub fn weights(&self) -> &NodeWeights {
        &self.weights
    }

    /// # Errors
    /// Where values are missing or of another width than the types that were proved, and where Candle fails.
    pub fn forward(&self, inputs: &[&Value], cx: &mut ForwardCx) -> Result<Value> {
        if inputs.len() != self.inputs.len() {
            bail!("{} values come in where {} are declared", inputs.len(), self.inputs.len());
        }
        for (input, ty) in inputs.iter().zip(&self.inputs) {
            let (width, shape) = (ty.width.known(), input.x.dims());
            if ty.entity != Entity::EdgeKinds && width.is_some_and(|width| shape.get(1) != Some(&width)) {
                bail!("{} features a row are declared, and {shape:?} comes in", ty.width.size);
            }
        }
        self.module.forward(inputs, cx)
    }
}

/// Values of arguments that come in beside the first.
fn n_beside(args: &Args) -> usize {
    args.0.iter().filter(|arg| arg.value == ArgValue::Pipeline).count()
}

fn counted(n: usize) -> String {
    if n == 1 { "one input".to_owned() } else { format!("{n} inputs") }
}

fn inputs_error(op: &dyn Operator, wanted: String, inputs: &[&Type]) -> SingleError {
    SingleError::Inputs { operator: op.name(), wanted, found: inputs.len() }
}

/// What the shape rule says of these inputs. Those of arguments may be left out, as in a model where their pipelines ask
/// the rule how wide they are to be.
///
/// # Errors
/// See [`Single::new`].
pub fn infer(
    op: &'static dyn Operator,
    args: &Args,
    inputs: &[&Type],
    data: &DataFacts,
) -> std::result::Result<Type, SingleError> {
    let operator = op.name();
    if let Some(spec) = op.args().iter().find(|spec| args.get(spec.name).is_none()) {
        return Err(SingleError::NoArgument { operator, argument: spec.name });
    }
    let n_beside = n_beside(args);
    let (is_right, wanted) = match op.ports() {
        Ports::One => ((1..=1 + n_beside).contains(&inputs.len()), counted(1 + n_beside)),
        Ports::Many(least) => (inputs.len() >= least, format!("{least} inputs or more")),
        Ports::None => (inputs.is_empty(), "no inputs".to_owned()),
    };
    if !is_right {
        return Err(inputs_error(op, wanted, inputs));
    }
    let spans = vec![Span::default(); inputs.len()];
    let sizes = RefCell::new(SizesWithData::new(data));
    let found = op.infer(&InferCx {
        definition: None,
        op,
        args,
        inputs,
        input_spans: &spans,
        span: Span::default(),
        target: None,
        new_level: Level(inputs.iter().map(|ty| ty.level.0).max().unwrap_or(0) + 1),
        data: Some(data),
        sizes: Some(&sizes),
    });
    found.map_err(|finding| SingleError::Refused { operator, finding: Box::new(finding) })
}
