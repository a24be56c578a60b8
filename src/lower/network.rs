//! A checked model as a network that runs.

use super::contrast::Contrasting;
use super::fixed_point::{self, Implicit, Loop};
use super::hetero::{PerPart, part_names};
use super::parameters::{Parameter, Parameters, initialise};
use super::{ForwardCx, LowerCx, Module, NodeWeights, Structure, Value};
use crate::check::Checked;
use crate::data::{GraphBatch, links};
use crate::ir::{LossTerm, Model, misfit};
use crate::kernels::graph::{Csr, SparseGraph};
use crate::kernels::sparse::StandIns;
use crate::kernels::{self, tape};
use crate::ops::hetero::Lifted;
use crate::ops::loss::balanced_weights;
use crate::ops::{self, FactCx, Init, LossKind};
use crate::plan::{Plan, Step, plan};
use crate::types::{DataFacts, Degrees, Entity, Type};
use candle_core::{DType, Device, Result, Tensor, Var};
use petgraph::graph::NodeIndex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The buffer of the weights that a loss gives the classes.
const CLASS_WEIGHTS: &str = "loss.class_weights";

/// Why a checked model could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The data lacks what the model takes from it.
    #[error("stage {stage} (`{operator}`) has a {weight} of unknown size {size}: {data} does not say it")]
    SymbolicSize { stage: usize, operator: &'static str, weight: &'static str, size: String, data: String },
    /// Rounds of a `repeat` that share their weights need others with this data.
    #[error("stage {stage} cannot share its weights with this data: {reason}")]
    Shared { stage: usize, reason: String },
    #[error("the network could not be built: {0}")]
    Candle(#[from] candle_core::Error),
}

/// A network with its parameters, ready to run.
pub struct Network {
    plan: Plan,
    /// By step of the plan.
    modules: Vec<Box<dyn Module>>,
    /// The width that the type of each step's result declares.
    widths: Vec<Option<usize>>,
    parameters: Parameters,
    pub(super) losses: Vec<LossTerm>,
    /// By term: the stages that report it.
    pub(super) reporters: Vec<Vec<NodeIndex>>,
    wanted_losses: Vec<&'static str>,
    /// `[C]`, where a loss weighs classes.
    pub(super) class_weights: Option<Var>,
    /// Buffers of means of the degree.
    of_degrees: Vec<(Init, Var)>,
    n_features: Option<usize>,
    /// Pipelines that are repeated until nothing changes any more.
    pub(super) loops: Vec<Loop>,
    /// What the data hands to each step without inputs.
    given: Vec<Option<Entity>>,
    /// By step: whether it is the types of the nodes.
    is_of_types: Vec<bool>,
    /// By step: whether its result has a row for each pair that the task asks about.
    is_of_pairs: Vec<bool>,
    /// The step whose rows the score is a product of, where it is one: see [`Network::factors`].
    product_of: Option<usize>,
    /// Whether the first end of a pair is asked for as the second end of the reverse relation.
    asks_by_reverse: bool,
    n_edge_features: Option<usize>,
    n_edge_kinds: Option<usize>,
    /// The loss, where it compares with no targets.
    pub(super) contrasting: Option<Contrasting>,
    pub(super) device: Device,
}

/// The values that stages on pairs read, of one batch.
#[derive(Debug)]
pub struct Encoded {
    /// By step of the plan.
    values: Vec<Option<Value>>,
    stand_ins: Arc<StandIns>,
}

/// What scores are the products of: see [`Network::factors`].
#[derive(Debug)]
pub struct Factors {
    /// A row for each end that was asked about.
    pub of_ends: Tensor,
    /// A row for each node.
    pub of_nodes: Tensor,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Network {
    /// Takes the means of the degree and of the size over the graphs that are trained on; without effect where no stage reads them, or
    /// where they are trained.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn count_degrees(&self, degrees: Degrees) -> Result<()> {
        self.of_degrees.iter().try_for_each(|(init, var)| {
            let mean = match init {
                Init::MeanLogDegree => degrees.mean_log(),
                Init::MeanSize => degrees.mean_size(),
                Init::MeanLogSize => degrees.mean_log_size(),
                _ => degrees.mean(),
            };
            var.set(&Tensor::full(mean, var.shape(), var.device())?.to_dtype(var.dtype())?)
        })
    }

    /// Builds the modules and initialises every parameter from `seed` and its name.
    ///
    /// # Errors
    /// Where a size is still symbolic with the data filled in, or Candle cannot allocate.
    pub fn build(
        model: &Checked<Model>,
        data: &DataFacts,
        dtype: DType,
        device: &Device,
        seed: u64,
    ) -> std::result::Result<Self, BuildError> {
        let plan = plan(model);
        let model = filled_in(model.get(), data);
        let mut parameters = Parameters::default();
        let mut modules = Vec::with_capacity(plan.steps.len());
        let mut of_degrees = Vec::new();
        // Of each stage with weights, for those that share them.
        let mut known: HashMap<NodeIndex, NodeWeights> = HashMap::new();
        let is_shared: HashSet<NodeIndex> = model.nodes().filter_map(|(_, node)| node.shares).collect();
        for step in &plan.steps {
            let node = &model.graph[step.node];
            let inputs: Vec<&Type> =
                model.inputs(step.node).into_iter().map(|input| &model.graph[input].ty).collect();
            let cx = FactCx { args: &node.args, inputs: &inputs, output: &node.ty };
            // Of all parts, one part after another.
            let mut weights = NodeWeights::default();
            if let Some(owner) = node.shares {
                let Some(shared) = known.get(&owner) else {
                    let reason = "what they belong to is no stage before it".to_owned();
                    return Err(BuildError::Shared { stage: step.node.index(), reason });
                };
                if let Some(misfit) = misfit(&model.graph, step.node) {
                    let (stage, reason) = (step.node.index(), misfit.words(&model.graph));
                    return Err(BuildError::Shared { stage, reason });
                }
                weights = shared.clone();
            }
            // One set of weights, or one for each relation or type of nodes.
            let lifted = Lifted::of(&node.args);
            let parts = lifted.map_or_else(|| vec![None], |lifted| part_names(lifted, data));
            let own = if node.shares.is_some() { Vec::new() } else { node.op.weights_of_part(&cx) };
            let mut modules_of_parts = Vec::with_capacity(parts.len());
            let mut all = NodeWeights::default();
            for (place, part) in parts.iter().enumerate() {
                let n_shared = weights.0.len() / parts.len();
                let mut weights = NodeWeights(weights.0[place * n_shared..(place + 1) * n_shared].to_vec());
                for spec in &own {
                    let shape: Option<Vec<usize>> = spec.shape.iter().map(|dim| dim.known()).collect();
                    let Some(shape) = shape else {
                        let size = spec.shape.iter().find(|dim| dim.known().is_none());
                        return Err(BuildError::SymbolicSize {
                            stage: step.node.index(),
                            operator: node.op.name(),
                            weight: spec.name,
                            size: size.map(|dim| dim.size.to_string()).unwrap_or_default(),
                            data: data.name.clone(),
                        });
                    };
                    let scope = ops::weight_scope(node.op);
                    let name = match part {
                        None => parameter_name(step.node, scope, spec.name),
                        Some(part) => parameter_name(step.node, scope, &format!("{part}.{}", spec.name)),
                    };
                    let var = initialise(spec.init, data.degrees, &shape, dtype, device, seed, &name)?;
                    if !spec.is_trained && spec.init.is_counted() {
                        of_degrees.push((spec.init, var.clone()));
                    }
                    weights.0.push((spec.name, var.clone()));
                    parameters.push(Parameter { name, var, is_trained: spec.is_trained });
                }
                modules_of_parts.push(
                    LowerCx {
                        idx: step.node,
                        node,
                        args: &node.args,
                        inputs: &inputs,
                        output: &node.ty,
                        activation: step.activation,
                        needs_adjacency: step.needs_adjacency,
                        needs_assignment: step.needs_assignment,
                        losses: &step.losses,
                        weights: &weights,
                    }
                    .module()?,
                );
                all.0.extend(weights.0);
            }
            if is_shared.contains(&step.node) {
                known.insert(step.node, all);
            }
            modules.push(match lifted {
                None => modules_of_parts.remove(0),
                Some(by) => Box::new(PerPart { by, modules: modules_of_parts }),
            });
        }
        // Kept as a buffer, so that a checkpoint has the weights that it was trained with.
        let class_weights = match model.losses.iter().find(|term| term.loss.weighs_classes(&term.args)) {
            Some(_) => {
                let weights = balanced_weights(&data.class_counts);
                let weights = Tensor::new(weights, device)?.to_dtype(dtype)?;
                let var = Var::from_tensor(&weights)?;
                parameters.push(Parameter {
                    name: CLASS_WEIGHTS.into(),
                    var: var.clone(),
                    is_trained: false,
                });
                Some(var)
            }
            None => None,
        };
        let contrasting = Contrasting::new(&model, data, dtype, device, seed, &mut parameters)?;
        let step_of = |node: NodeIndex| plan.steps.iter().position(|step| step.node == node);
        let loops: Vec<Loop> = model
            .fixed_points()
            .into_iter()
            .filter_map(|found| Some(Loop { state: step_of(found.state)?, end: step_of(found.end)?, found }))
            .collect();
        let auxiliary = model.losses.iter().filter(|term| term.loss.kind() == LossKind::Auxiliary);
        let nodes = || plan.steps.iter().map(|step| &model.graph[step.node]);
        let width_of =
            |input: &str| nodes().find(|node| node.op.name() == input).and_then(|node| node.ty.width.known());
        let network = Self {
            wanted_losses: auxiliary.map(|term| term.loss.name()).collect(),
            widths: plan
                .steps
                .iter()
                .map(|step| &model.graph[step.result].ty)
                // The width of kinds is how many there are.
                .map(|ty| if ty.entity == Entity::EdgeKinds { Some(1) } else { ty.width.known() })
                .collect(),
            given: plan
                .steps
                .iter()
                .map(|step| step.inputs.is_empty().then(|| model.graph[step.node].ty.entity))
                .collect(),
            is_of_types: plan
                .steps
                .iter()
                .map(|step| model.graph[step.node].op.name() == ops::NODE_TYPES.name())
                .collect(),
            product_of: product_of(&model, &plan),
            asks_by_reverse: nodes().any(|node| node.op.asks_by_reverse()),
            is_of_pairs: plan
                .steps
                .iter()
                .map(|step| model.graph[step.result].ty.entity == Entity::Pairs)
                .collect(),
            n_edge_features: width_of(ops::EDGES.name()),
            n_edge_kinds: width_of(ops::EDGE_LABELS.name()),
            n_features: model.graph[model.input].ty.width.known(),
            reporters: model.losses.iter().map(|term| model.reporters(term)).collect(),
            losses: model.losses,
            class_weights,
            of_degrees,
            loops,
            contrasting,
            plan,
            modules,
            parameters,
            device: device.clone(),
        };
        network.keep_bounds()?;
        Ok(network)
    }

    /// Makes the weights of every `fixed_point` with a bound as small as its bound says, where they are larger: after each step
    /// of training.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn keep_bounds(&self) -> Result<()> {
        for bound in self.loops.iter().filter_map(|found| found.found.bound.as_ref()) {
            for (owner, weight) in &bound.weights {
                let prefix = format!("{}.", owner.index());
                let is_it = |parameter: &&Parameter| {
                    let rest = parameter.name.strip_prefix(&prefix);
                    rest.and_then(|rest| rest.split_once('.')).is_some_and(|(_, name)| name == *weight)
                };
                if let Some(parameter) = self.parameters.iter().find(is_it) {
                    fixed_point::keep_small(&parameter.var, bound.largest_sum)?;
                }
            }
        }
        Ok(())
    }

    /// Runs the network on a batch. In evaluation nothing is kept for a backward pass.
    ///
    /// # Errors
    /// Where the batch has another number of features or of kinds of edges than the model was built for, or not one row
    /// for each node and edge; where a stage makes another width than its type declares, or Candle fails.
    pub fn forward(&self, batch: &GraphBatch, cx: &mut ForwardCx) -> Result<Value> {
        self.forward_observed(batch, cx, &mut |_, _| ())
    }

    /// [`Network::forward`], showing `observe` the value of each step of the plan, in order.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn forward_observed(
        &self,
        batch: &GraphBatch,
        cx: &mut ForwardCx,
        observe: &mut dyn FnMut(&Step, &Value),
    ) -> Result<Value> {
        if cx.train {
            if cx.is_taped && batch.x.device().is_cpu() { tape::start() } else { tape::stop() }
        }
        self.run_observed(batch, cx, observe)
    }

    /// [`Network::forward`] on the tape that runs: a second pass of one step.
    pub(super) fn forward_on(&self, batch: &GraphBatch, cx: &mut ForwardCx) -> Result<Value> {
        self.run_observed(batch, cx, &mut |_, _| ())
    }

    /// The stage whose value the last one reads.
    pub(super) fn read_by_last(&self) -> Option<NodeIndex> {
        let read = *self.plan.steps.last()?.inputs.first()?;
        Some(self.plan.steps[read].node)
    }

    fn run_observed(
        &self,
        batch: &GraphBatch,
        cx: &mut ForwardCx,
        observe: &mut dyn FnMut(&Step, &Value),
    ) -> Result<Value> {
        if batch.pairs.is_some() {
            cx.pairs.clone_from(&batch.pairs);
            cx.pair_edges.clone_from(&batch.pair_edges);
        }
        let mut values = vec![None; self.modules.len()];
        let output = self.steps(batch, cx, observe, &mut values, |_| true)?;
        let output = output.and_then(|idx| values[idx].take());
        let Some(mut output) = output else { candle_core::bail!("the model has no stages") };
        output.x = cx.stand_ins.written_out(output.x)?;
        Ok(output)
    }

    /// The values of the nodes of a batch, for many sets of pairs: what [`Network::forward`] computes before it comes to pairs.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn encode(&self, batch: &GraphBatch) -> Result<Encoded> {
        self.encode_observed(batch, &mut |_, _| ())
    }

    /// [`Network::encode`], showing `observe` the value of each step of the plan, in order.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn encode_observed(
        &self,
        batch: &GraphBatch,
        observe: &mut dyn FnMut(&Step, &Value),
    ) -> Result<Encoded> {
        let mut values = vec![None; self.modules.len()];
        let is_of_nodes = |idx: usize| !self.is_of_pairs[idx];
        let mut cx = ForwardCx::evaluation();
        self.steps(batch, &mut cx, observe, &mut values, is_of_nodes)?;
        Ok(Encoded { values, stand_ins: cx.stand_ins })
    }

    /// The rest of [`Network::forward`] for some pairs, without gradients: a row for each.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn decode(&self, encoded: &Encoded, batch: &GraphBatch, pairs: &Arc<SparseGraph>) -> Result<Tensor> {
        let mut values = encoded.values.clone();
        let mut cx = ForwardCx {
            pairs: Some(pairs.clone()),
            stand_ins: encoded.stand_ins.clone(),
            ..ForwardCx::evaluation()
        };
        let is_of_pairs = |idx: usize| self.is_of_pairs[idx];
        let output = self.steps(batch, &mut cx, &mut |_, _| (), &mut values, is_of_pairs)?;
        match output.and_then(|idx| values[idx].take()) {
            Some(value) => Ok(value.x),
            None => candle_core::bail!("the model has no stage on pairs"),
        }
    }

    /// Whether the first end of a pair is asked for as the second end of the reverse relation, where the data has reverses.
    pub fn asks_by_reverse(&self) -> bool {
        self.asks_by_reverse
    }

    /// The rows whose products are the scores of all nodes as the other end of some ends with kinds (`n_kinds` of 0 where there are none),
    /// where the model ends in a score that is linear in the rows of either end; `None` for other models.
    ///
    /// What is linear is known by what it is of unit rows: each end is scored beside one for each column.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn factors(
        &self,
        encoded: &Encoded,
        batch: &GraphBatch,
        keys: &[(u32, u32)],
        n_kinds: usize,
        is_tail: bool,
    ) -> Result<Option<Factors>> {
        let Some(nodes) = self.product_of else { return Ok(None) };
        let Some(Value { x, structure: Structure::Sparse(_) }) = &encoded.values[nodes] else {
            return Ok(None);
        };
        let x = encoded.stand_ins.written_out(x.clone())?;
        let (n_nodes, width) = x.dims2()?;
        let units = Tensor::eye(width, x.dtype(), x.device())?;
        let mut ends = Vec::with_capacity(keys.len() * width);
        let mut kinds = Vec::with_capacity(if n_kinds > 0 { ends.capacity() } else { 0 });
        for &(end, kind) in keys {
            for unit in 0..width {
                let unit = (n_nodes + unit) as u32;
                ends.push(if is_tail { [end, unit] } else { [unit, end] });
            }
            kinds.extend(std::iter::repeat_n(kind, if n_kinds > 0 { width } else { 0 }));
        }
        let n_rows = n_nodes + width;
        let offsets = Arc::new(vec![0, n_rows as u32]);
        let (pairs, order) = links::pairs(n_rows, n_kinds, &ends, &kinds, &offsets);
        let empty = Arc::new(Csr { offsets: vec![0; n_rows + 1], indices: Vec::new(), n_cols: n_rows });
        let alone = SparseGraph::new(empty.clone(), empty, offsets);
        let mut values = encoded.values.clone();
        let beside = Tensor::cat(&[&x, &units], 0)?;
        values[nodes] = Some(Value { x: beside, structure: Structure::Sparse(Arc::new(alone)) });
        let with_units = Encoded { values, stand_ins: encoded.stand_ins.clone() };
        let scores = self.decode(&with_units, batch, &Arc::new(pairs))?;
        let mut places = vec![0u32; order.len()];
        (0u32..).zip(&order).for_each(|(row, &pair)| places[pair as usize] = row);
        let of_ends = kernels::gather_rows(&scores, &Arc::new(places))?.reshape((keys.len(), width))?;
        Ok(Some(Factors { of_ends, of_nodes: x }))
    }

    /// Runs some steps of the plan on what is there of the values; the last one that ran.
    fn steps(
        &self,
        batch: &GraphBatch,
        cx: &mut ForwardCx,
        observe: &mut dyn FnMut(&Step, &Value),
        values: &mut [Option<Value>],
        is_wanted: impl Fn(usize) -> bool,
    ) -> Result<Option<usize>> {
        let (n_rows, width) = batch.x.dims2()?;
        if let Some(expected) = self.n_features.filter(|&expected| expected != width) {
            candle_core::bail!("the network was built for {expected} node features, the batch has {width}");
        }
        if n_rows != batch.graph.n_nodes() {
            candle_core::bail!("the batch has {} nodes, but features of {n_rows}", batch.graph.n_nodes());
        }
        if let Some(matrix) = &batch.sparse {
            cx.stand_ins.add(&batch.x, matrix.clone());
        }
        let wanted_rows = cx.wanted_rows.take();
        cx.constants = batch.constants.as_ref().map(|known| (known.clone(), batch.graph.clone()));
        let nodes = Value { x: batch.x.clone(), structure: Structure::Sparse(batch.graph.clone()) };
        let mut output = None;
        let mut implicit: Vec<(usize, Implicit)> = Vec::new();
        let steps = self.plan.steps.iter().zip(&self.modules).enumerate();
        for (idx, (step, module)) in steps.filter(|(idx, _)| is_wanted(*idx)) {
            let mut inputs: Vec<&Value> =
                step.inputs.iter().map(|&made_by| values[made_by].as_ref().expect("made before")).collect();
            let given;
            match self.given[idx] {
                None => {}
                Some(entity) if entity.is_of_edges() => {
                    given = self.of_edges(entity, batch)?;
                    inputs.push(&given);
                }
                Some(_) if self.is_of_types[idx] => {
                    given = self.of_types(idx, batch)?;
                    inputs.push(&given);
                }
                Some(_) => inputs.push(&nodes),
            }
            // Only the last stage may leave rows out.
            let wanted =
                if idx + 1 == self.modules.len() && self.loops.is_empty() { &wanted_rows } else { &None };
            cx.wanted_rows.clone_from(wanted);
            let mut value = step.summation.during(|| module.forward(&inputs, cx))?;
            for found in self.loops.iter().filter(|found| found.state == idx) {
                value.x = cx.stand_ins.written_out(value.x)?;
                let (settled, back) = self.settle(found, &value, values, batch, cx)?;
                value = settled;
                implicit.extend(back.map(|back| (found.end, back)));
            }
            if let Some(place) = implicit.iter().position(|(end, _)| *end == idx) {
                value.x = implicit.swap_remove(place).1.attach(&value.x)?;
            }
            if !cx.train {
                // Weights are variables, so Candle would keep every step for gradients that nobody asks for.
                value.detach();
            }
            if let Some(declared) = self.widths[idx]
                && value.x.dims().get(1) != Some(&declared)
            {
                let (stage, shape) = (step.node.index(), value.x.dims());
                candle_core::bail!("stage {stage} declares {declared} features a row, but makes {shape:?}");
            }
            observe(step, &value);
            values[idx] = Some(value);
            for &dead in &step.frees {
                values[dead] = None;
            }
            output = Some(idx);
        }
        Ok(output)
    }

    /// What one step of a `fixed_point` makes of a state. `outer` are the values of the steps before.
    pub(super) fn result_of(
        &self,
        found: &Loop,
        state: Value,
        outer: &[Option<Value>],
        batch: &GraphBatch,
        cx: &mut ForwardCx,
    ) -> Result<Tensor> {
        let first = found.state;
        let mut made: Vec<Value> = Vec::with_capacity(found.end - first + 1);
        made.push(state);
        for idx in first + 1..=found.end {
            let step = &self.plan.steps[idx];
            let value_of = |&made_by: &usize| match made_by.checked_sub(first) {
                Some(place) => &made[place],
                None => outer[made_by].as_ref().expect("made before"),
            };
            let mut inputs: Vec<&Value> = step.inputs.iter().map(value_of).collect();
            let given;
            match self.given[idx] {
                None => {}
                Some(entity) if entity.is_of_edges() => {
                    given = self.of_edges(entity, batch)?;
                    inputs.push(&given);
                }
                Some(_) if self.is_of_types[idx] => {
                    given = self.of_types(idx, batch)?;
                    inputs.push(&given);
                }
                Some(_) => {
                    let structure = Structure::Sparse(batch.graph.clone());
                    given = Value { x: batch.x.clone(), structure };
                    inputs.push(&given);
                }
            }
            let mut value = step.summation.during(|| self.modules[idx].forward(&inputs, cx))?;
            if !cx.wants_gradients {
                value.detach();
            }
            made.push(value);
        }
        Ok(made.pop().expect("the state at least").x)
    }

    /// The types of the nodes of a batch, a column for each.
    fn of_types(&self, idx: usize, batch: &GraphBatch) -> Result<Value> {
        let n_types = batch.graph.types.as_ref().map_or(1, |types| types.n_types);
        if let Some(expected) = self.widths[idx].filter(|&expected| expected != n_types) {
            candle_core::bail!(
                "the network was built for {expected} types of nodes, the batch has {n_types}"
            );
        }
        let n_nodes = batch.graph.n_nodes();
        let mut x = vec![0f32; n_nodes * n_types];
        for node in 0..n_nodes {
            let of = batch.graph.types.as_ref().map_or(0, |types| types.of_node[node] as usize);
            x[node * n_types + of] = 1.0;
        }
        let x = Tensor::from_vec(x, (n_nodes, n_types), batch.x.device())?.to_dtype(batch.x.dtype())?;
        Ok(Value { x, structure: Structure::Sparse(batch.graph.clone()) })
    }

    /// What the edges of a batch carry: their features, or of which kind each of them is.
    fn of_edges(&self, entity: Entity, batch: &GraphBatch) -> Result<Value> {
        let structure = Structure::Edges(batch.graph.clone());
        if entity == Entity::EdgeKinds {
            let Some(kinds) = &batch.graph.kinds else {
                candle_core::bail!("the network reads the kinds of edges, the batch has none");
            };
            if let Some(expected) = self.n_edge_kinds.filter(|&expected| expected != kinds.n_kinds) {
                let n_kinds = kinds.n_kinds;
                candle_core::bail!(
                    "the network was built for {expected} kinds of edges, the batch has {n_kinds}"
                );
            }
            entries_of(batch, kinds.of_entry.len(), "kinds")?;
            let x = Tensor::from_slice(&kinds.of_entry, (kinds.of_entry.len(), 1), batch.x.device())?;
            return Ok(Value { x, structure });
        }
        let Some(x) = &batch.edge_x else {
            candle_core::bail!("the network reads the features of edges, the batch has none");
        };
        let (n_rows, width) = x.dims2()?;
        entries_of(batch, n_rows, "features")?;
        if let Some(expected) = self.n_edge_features.filter(|&expected| expected != width) {
            candle_core::bail!("the network was built for {expected} edge features, the batch has {width}");
        }
        Ok(Value { x: x.clone(), structure })
    }

    /// The context of a training step. `step_seed` is a function of the run's seed, epoch and batch.
    pub fn training_cx(&self, step_seed: u64) -> ForwardCx<'_> {
        ForwardCx::training(step_seed, &self.wanted_losses)
    }

    /// Names of the auxiliary losses that the model's loss asks for.
    pub fn wanted_losses(&self) -> &[&'static str] {
        &self.wanted_losses
    }

    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    pub fn device(&self) -> &Device {
        &self.device
    }
}

/// Whether there is one row for each edge.
fn entries_of(batch: &GraphBatch, n_rows: usize, what: &str) -> Result<()> {
    match batch.graph.adjacency.n_entries() {
        n_edges if n_edges == n_rows => Ok(()),
        n_edges => candle_core::bail!("the batch has {n_edges} edges, but {what} of {n_rows}"),
    }
}

impl Value {
    /// The same numbers, which no backward pass goes through.
    pub(super) fn without_past(&self) -> Self {
        let mut value = self.clone();
        value.detach();
        value
    }

    /// Lets go of everything that was kept for a backward pass.
    fn detach(&mut self) {
        self.x = self.x.detach();
        if let Structure::Clusters { adjacency, assignment, .. } = &mut self.structure {
            for kept in [adjacency, assignment].into_iter().flatten() {
                *kept = kept.detach();
            }
        }
    }
}

/// The step that makes the rows of nodes, where the last step is a score that is linear in them and the only one on pairs.
fn product_of(model: &Model, plan: &Plan) -> Option<usize> {
    let last = plan.steps.last()?;
    let node = &model.graph[last.node];
    let of_pairs = plan.steps.iter().filter(|step| model.graph[step.result].ty.entity == Entity::Pairs);
    let is_product = node.op.is_linear_in_ends() && last.activation.is_none() && of_pairs.count() == 1;
    let &made_by = last.inputs.first().filter(|_| is_product)?;
    (model.graph[plan.steps[made_by].result].ty.entity == Entity::Nodes).then_some(made_by)
}

/// How wide the rows are whose products are the scores of all pairs: see [`Network::factors`]; `None` where scores are none.
pub fn width_of_product(model: &Model, plan: &Plan) -> Option<usize> {
    let step = &plan.steps[product_of(model, plan)?];
    model.graph[step.result].ty.width.size.known()
}

/// `3.sage.weight`
fn parameter_name(node: NodeIndex, operator: &str, weight: &str) -> String {
    format!("{}.{operator}.{weight}", node.index())
}

/// The model with the data's numbers for every symbol, so that one checked without data can be built too.
fn filled_in(model: &Model, data: &DataFacts) -> Model {
    let mut model = model.clone();
    model.fill_in(data);
    model
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::data::synthetic::{RandomGraphs, random_graphs};
    use crate::lower::testing::{compile, graphs};

    const TEXT: &str = "linear(8) -> batch_norm -> relu -> mean -> dropout -> mlp";

    fn build(text: &str, seed: u64) -> (Network, Dataset) {
        let data = graphs();
        let model = compile(text, Some(&data.facts()));
        (Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, seed).unwrap(), data)
    }

    fn numbers(network: &Network) -> Vec<Vec<f64>> {
        let flat = |parameter: &Parameter| parameter.var.flatten_all().unwrap().to_vec1().unwrap();
        network.parameters().iter().map(flat).collect()
    }

    fn batch(data: &Dataset) -> (GraphBatch, Tensor) {
        let all: Vec<u32> = (0..data.n_graphs() as u32).collect();
        let targets = data.target_tensor(&all, DType::F64, &Device::Cpu).unwrap().unwrap();
        (data.batch(&all, DType::F64, &Device::Cpu).unwrap(), targets)
    }

    /// What a network says to a batch of its data after `change`.
    fn refusal(text: &str, change: impl Fn(&mut GraphBatch)) -> String {
        let data = random_graphs(&RandomGraphs {
            n_graphs: 3,
            n_edge_features: 2,
            n_edge_kinds: 3,
            ..RandomGraphs::default()
        });
        let model = compile(text, Some(&data.facts()));
        let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
        let mut batch = data.batch(&[0, 1, 2], DType::F64, &Device::Cpu).unwrap();
        assert!(network.forward(&batch, &mut ForwardCx::evaluation()).is_ok(), "{text}");
        change(&mut batch);
        network.forward(&batch, &mut ForwardCx::evaluation()).unwrap_err().to_string()
    }

    #[test]
    fn a_batch_that_is_not_of_the_networks_data_is_refused_by_name_and_number() {
        let narrower = |x: &Tensor| x.narrow(1, 0, x.dim(1).unwrap() - 1).unwrap();
        let shorter = |x: &Tensor| x.narrow(0, 0, x.dim(0).unwrap() - 1).unwrap();
        let message = refusal(TEXT, |batch| batch.x = narrower(&batch.x));
        assert!(message.contains("built for 5 node features, the batch has 4"), "{message}");
        let message = refusal(TEXT, |batch| batch.x = shorter(&batch.x));
        assert!(message.contains("nodes, but features of"), "{message}");

        let text = "gine(8, edge = edges) -> mean -> linear";
        let message = refusal(text, |batch| batch.edge_x = batch.edge_x.as_ref().map(narrower));
        assert!(message.contains("edge features, the batch has"), "{message}");
        let message = refusal(text, |batch| batch.edge_x = batch.edge_x.as_ref().map(shorter));
        assert!(message.contains("edges, but features of"), "{message}");
        let message = refusal(text, |batch| batch.edge_x = None);
        assert!(message.contains("reads the features of edges, the batch has none"), "{message}");

        let text = "rgcn(8, relation = edge_labels) -> mean -> linear";
        let message = refusal(text, |batch| {
            let mut kinds = batch.graph.kinds.clone().unwrap();
            kinds.n_kinds += 1;
            batch.graph = std::sync::Arc::new((*batch.graph).clone().with_kinds(Some(kinds)));
        });
        assert!(message.contains("kinds of edges, the batch has"), "{message}");
    }

    #[test]
    fn parameters_are_named_by_stage_operator_and_weight() {
        let (network, _) = build(TEXT, 0);
        let names: Vec<&str> = network.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(names[..3], ["1.linear.weight", "1.linear.bias", "2.batch_norm.weight"]);
        // linear 5·8 + 8, batch norm 8 + 8 (running statistics are not trained), mlp 8·8 + 8 + 8·3 + 3.
        assert_eq!(network.parameters().n_trained(), 48 + 16 + 72 + 27);
    }

    /// Rounds that share their weights compute what rounds with equal ones do, and their gradient is the sum of those.
    #[test]
    fn shared_weights_are_one_and_their_gradients_are_added_up() {
        let rounds = |share: &str| {
            let block = "block round() = residual(linear(6) -> batch_norm -> tanh -> dropout(0.2))";
            let model = format!("linear(6) -> repeat(2, repeat(2, round){share}) -> mean -> linear");
            build(&format!("{block}\nmodel = {model}"), 3)
        };
        let ((shared, data), (apart, _)) = (rounds(", share = true"), rounds(""));
        let names = |network: &Network| -> Vec<String> {
            network.parameters().iter().map(|parameter| parameter.name.clone()).collect()
        };
        // Of four rounds the first two have weights.
        let own =
            shared.parameters().iter().filter(|parameter| apart.parameters().get(&parameter.name).is_some());
        assert_eq!(own.count(), names(&shared).len());
        assert_eq!(names(&apart).len() - names(&shared).len(), 2 * 6);
        let stage = |name: &str| -> usize { name.split('.').next().unwrap().parse().unwrap() };
        let owner = |name: &str| match shared.parameters().get(name) {
            Some(parameter) => parameter.clone(),
            None => {
                let (from, n_stages) = (stage(name), 2 * 5);
                let (_, rest) = name.split_once('.').unwrap();
                shared.parameters().get(&format!("{}.{rest}", from - n_stages)).unwrap().clone()
            }
        };
        for parameter in apart.parameters().iter() {
            parameter.var.set(&owner(&parameter.name).var).unwrap();
        }
        let (batch, targets) = batch(&data);
        let step = |network: &Network| {
            let mut cx = network.training_cx(5);
            let output = network.forward(&batch, &mut cx).unwrap();
            let gradients = network.loss(&output, &targets, &cx, None).unwrap().backward().unwrap();
            (output.x.to_vec2::<f64>().unwrap(), gradients)
        };
        let ((one, of_shared), (other, of_apart)) = (step(&shared), step(&apart));
        assert_eq!(one, other);
        for parameter in shared.parameters().trained() {
            let users =
                apart.parameters().trained().filter(|other| owner(&other.name).name == parameter.name);
            let sum =
                users.map(|other| of_apart.get(&other.var).unwrap().clone()).reduce(|a, b| (a + b).unwrap());
            let (sum, own) = (sum.unwrap(), of_shared.get(&parameter.var).unwrap());
            let off = (sum - own).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            assert!(off < 1e-12, "{}: {off}", parameter.name);
        }
    }

    #[test]
    fn weights_that_fit_without_data_alone_are_not_shared() {
        let data = graphs();
        let text = "repeat(2, linear(8) -> tanh, share = true) -> mean -> linear";
        let error =
            Network::build(&compile(text, None), &data.facts(), DType::F32, &Device::Cpu, 0).unwrap_err();
        assert!(
            error.to_string().contains("needs a `weight` of [8, 8], and shares that of stage 1, of [5, 8]"),
            "{error}"
        );
    }

    #[test]
    fn the_seed_decides_every_parameter() {
        assert_eq!(numbers(&build(TEXT, 1).0), numbers(&build(TEXT, 1).0));
        assert_ne!(numbers(&build(TEXT, 1).0), numbers(&build(TEXT, 2).0));
    }

    #[test]
    fn weights_begin_within_one_over_the_root_of_fan_in() {
        let (network, _) = build("mean -> linear(400) -> linear", 0);
        let weight: Vec<f64> = numbers(&network)[0].clone();
        let bound = 1.0 / 5f64.sqrt();
        let largest = weight.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        assert!(largest <= bound && largest > 0.95 * bound, "{largest}");
        let mean = weight.iter().sum::<f64>() / weight.len() as f64;
        assert!(mean.abs() < 0.03, "{mean}");
    }

    #[test]
    fn a_model_checked_without_data_is_built_with_it() {
        let data = graphs();
        let network =
            Network::build(&compile(TEXT, None), &data.facts(), DType::F32, &Device::Cpu, 0).unwrap();
        assert_eq!(network.parameters().get("1.linear.weight").unwrap().var.dims(), [5, 8]);
    }

    #[test]
    fn evaluation_keeps_nothing_for_a_backward_pass_and_does_not_drop() {
        let (network, data) = build(TEXT, 0);
        let (batch, _) = batch(&data);
        let run = || network.forward(&batch, &mut ForwardCx::evaluation()).unwrap().x;
        assert!(!run().track_op());
        assert_eq!(run().to_vec2::<f64>().unwrap(), run().to_vec2::<f64>().unwrap());
    }

    #[test]
    fn dropout_follows_the_seed_of_the_step() {
        let (network, data) = build("mean -> dropout -> linear", 0);
        let (batch, _) = batch(&data);
        let run = |seed| {
            let value = network.forward(&batch, &mut network.training_cx(seed)).unwrap();
            value.x.to_vec2::<f64>().unwrap()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn the_loss_is_the_weighted_sum_of_its_terms() {
        let (network, data) = build("model = mean -> linear\nloss = 3 * cross_entropy", 0);
        let (batch, targets) = batch(&data);
        let mut cx = network.training_cx(0);
        let output = network.forward(&batch, &mut cx).unwrap();
        let loss = network.loss(&output, &targets, &cx, None).unwrap();
        let [(name, part)] = loss.parts.as_slice() else { panic!("one term") };
        assert_eq!(name, "cross_entropy");
        let (total, part) = (loss.total.to_scalar::<f64>().unwrap(), part.to_scalar::<f64>().unwrap());
        assert!((total - 3.0 * part).abs() < 1e-12);
    }

    #[test]
    fn means_of_the_degree_are_buffers_that_follow_the_graphs() {
        let (network, data) = build("degree_scaler([mean], scalers = [linear, attenuation]) -> linear", 0);
        let of_sizes = |name: &str| {
            let buffer = network.parameters().get(&format!("1.degree_scaler.{name}")).unwrap();
            buffer.var.to_vec1::<f64>().unwrap()[0]
        };
        let mean = data.n_nodes() as f64 / data.n_graphs() as f64;
        assert!((of_sizes("mean_size") - mean).abs() < 1e-12);
        let sizes = Degrees::of([1, 1, 1, 1].into_iter()).with_sizes([1, 3].into_iter());
        network.count_degrees(sizes).unwrap();
        assert_eq!([of_sizes("mean_size"), of_sizes("mean_log_size")], [2.0, (2f64.ln() + 4f64.ln()) / 2.0]);

        let (network, data) = build("pna(4, scalers = [linear, attenuation]) -> mean -> linear", 0);
        let means = || {
            ["mean_degree", "mean_log_degree"].map(|name| {
                let buffer = network.parameters().get(&format!("1.pna.{name}")).unwrap();
                assert!(!buffer.is_trained);
                buffer.var.to_vec1::<f64>().unwrap()[0]
            })
        };
        let edges = data.n_edges() as f64 / data.n_nodes() as f64;
        assert!((means()[0] - edges).abs() < 1e-12, "{:?}", means());
        network.count_degrees(Degrees::of([1, 3].into_iter())).unwrap();
        assert_eq!(means(), [2.0, (2f64.ln() + 4f64.ln()) / 2.0]);
        network.count_degrees(Degrees::of([0, 0].into_iter())).unwrap();
        assert_eq!(means(), [1.0, 1.0]);
    }

    #[test]
    fn balanced_class_weights_are_a_buffer_that_follows_the_counts() {
        let (network, data) =
            build("model = mean -> linear\nloss = cross_entropy(class_weights = balanced)", 0);
        let (batch, targets) = batch(&data);
        let loss = || {
            let mut cx = network.training_cx(0);
            let output = network.forward(&batch, &mut cx).unwrap();
            network.loss(&output, &targets, &cx, None).unwrap().total.to_scalar::<f64>().unwrap()
        };
        let buffer = network.parameters().get(CLASS_WEIGHTS).unwrap();
        assert!(!buffer.is_trained);
        network.count_classes(&[1, 1, 1]).unwrap();
        let equal = loss();
        network.count_classes(&[4, 1, 1]).unwrap();
        assert_eq!(buffer.var.to_vec1::<f64>().unwrap(), [0.5, 2.0, 2.0]);
        assert_ne!(loss(), equal);
    }

    #[test]
    fn a_batch_of_other_features_is_an_error() {
        let (network, data) = build(TEXT, 0);
        let (mut batch, _) = batch(&data);
        batch.x = batch.x.narrow(1, 0, 2).unwrap();
        let error = network.forward(&batch, &mut ForwardCx::evaluation()).unwrap_err();
        assert!(error.to_string().contains("built for 5 node features, the batch has 2"), "{error}");
    }
}
