//! One training step of a model on sizes alone.

use super::trace::{self, Graphs, Matrix, Programs, Structure, Trace, Value};
use super::{Plan, plan_of};
use crate::ir::Model;
use crate::kernels::Summation;
use crate::ops::hetero::Lifted;
use crate::ops::loss::Contrast;
use crate::ops::{Action, FactCx, LossKind};
use crate::types::{DataFacts, Entity, Schema, Type};
use petgraph::graph::NodeIndex;
use std::rc::Rc;

/// Steps that a `fixed_point` is taken to need where it may take more: a difference becomes a thousandth in so many steps of
/// which each takes off a third.
const TYPICAL_STEPS: f64 = 17.0;

/// Traces steps of one model over any batches of its data.
#[derive(Debug, Clone)]
pub struct Tracer {
    /// With the data's numbers for every symbol.
    model: Model,
    plan: Plan,
    is_symmetric: bool,
    has_loops: bool,
    /// See [`Matrix::density`], of the features.
    density: f64,
    schema: Option<Rc<Schema>>,
    n_kinds: usize,
    programs: Programs,
}

impl Tracer {
    /// `None` where a width or a number of clusters is not known even with the data.
    pub fn new(model: &Model, data: &DataFacts, is_symmetric: bool) -> Option<Self> {
        let plan = plan_of(model);
        let mut model = model.clone();
        model.fill_in(data);
        let is_known = |ty: &Type| {
            ty.width.known().is_some() && (ty.entity != Entity::Clusters || ty.rows.known().is_some())
        };
        if !plan.steps.iter().all(|step| is_known(&model.graph[step.result].ty)) {
            return None;
        }
        Some(Self {
            model,
            plan,
            is_symmetric,
            has_loops: data.n_loops > 0,
            density: match data.n_feature_entries {
                0 => 1.0,
                n => n as f64 / (data.total_nodes * data.n_features).max(1) as f64,
            },
            schema: data.schema.clone().map(Rc::new),
            n_kinds: data.edge_kinds,
            programs: Programs::default(),
        })
    }

    /// For how many relations or types of nodes a stage has weights.
    pub fn n_parts(&self, by: Lifted) -> usize {
        match (by, &self.schema) {
            (Lifted::Relations(_), Some(schema)) => schema.relations.len(),
            (Lifted::Relations(_), None) => self.n_kinds,
            (Lifted::Types, Some(schema)) => schema.nodes.len(),
            (Lifted::Types, None) => 1,
        }
    }

    /// The model with the data's numbers for every symbol.
    pub fn model(&self) -> &Model {
        &self.model
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A step over one batch, with its loss. `n_items`: rows of the output that are compared with targets, where it is
    /// not all of them.
    pub fn step(&self, graphs: Graphs, n_items: Option<f64>) -> Trace {
        self.step_with_values(graphs, n_items).0
    }

    /// [`Tracer::step`], with the value of each step of the plan.
    pub(crate) fn step_with_values(&self, graphs: Graphs, n_items: Option<f64>) -> (Trace, Vec<Value>) {
        let mut trace = Trace::new(self.is_symmetric, Vec::new());
        trace.has_loops = self.has_loops;
        (trace.schema, trace.n_kinds) = (self.schema.clone(), self.n_kinds);
        trace.programs = self.programs.clone();
        trace.graph_rows = graphs.rows_around_a_node();
        let graphs = Rc::new(graphs);
        let n_features = self.model.graph[self.model.input].ty.width.known().unwrap_or(0) as f64;
        let x = Matrix { density: self.density, ..trace.given(graphs.n_nodes(), n_features) };
        let input = Value { x, structure: Structure::Sparse(graphs.clone()) };
        let mut values: Vec<Value> = Vec::with_capacity(self.plan.steps.len());
        for step in &self.plan.steps {
            let node = &self.model.graph[step.node];
            let types: Vec<&Type> =
                self.model.inputs(step.node).into_iter().map(|input| &self.model.graph[input].ty).collect();
            let mut inputs: Vec<Value> = step.inputs.iter().map(|&made_by| values[made_by].clone()).collect();
            if inputs.is_empty() {
                let width = match node.ty.entity {
                    Entity::Edges => node.ty.width.known().unwrap_or(0) as f64,
                    // A number a row says which kind it is.
                    Entity::EdgeKinds => 1.0,
                    _ => 0.0,
                };
                inputs.push(match node.ty.entity.is_of_edges() {
                    true => Value {
                        x: trace.given(graphs.n_edges(), width),
                        structure: Structure::Edges(graphs.clone()),
                    },
                    false => input.clone(),
                });
            }
            trace.needs_assignment = step.needs_assignment;
            trace.wanted_losses.clone_from(&step.losses);
            trace.begin(Some(step.node.index()), step.activation, step.needs_adjacency, step.summation);
            let cx = FactCx { args: &node.args, inputs: &types, output: &node.ty };
            values.push(trace::stage(node.op, &cx, &inputs, &mut trace));
            if node.op.action(&node.args) == Action::FixedPoint {
                let state = self.model.inputs(step.node)[0].index();
                trace.repeated(state, (node.args.int("max_steps") as f64).min(TYPICAL_STEPS));
            }
        }
        trace.begin(None, None, false, Summation::Sequential);
        if let Some(output) = values.last() {
            let picked = match n_items {
                Some(rows) => trace.gather_rows(output.x, rows),
                None => output.x,
            };
            self.loss(&mut trace, picked, graphs.pairs);
        }
        (trace, values)
    }

    /// The weighted sum of the terms, as `lower::Network::loss` takes it.
    fn loss(&self, trace: &mut Trace, output: Matrix, n_pairs: f64) {
        let mut total: Option<Matrix> = None;
        for term in &self.model.losses {
            let name = term.loss.name();
            let reported: Vec<Matrix> = match term.loss.kind() {
                LossKind::Task(_) if term.loss.contrast() == Some(Contrast::Walks) => {
                    let costs = trace.pair_costs(output, n_pairs.max(1.0));
                    vec![trace.task_loss(name, costs, 0.0)]
                }
                LossKind::Task(_) => vec![trace.task_loss(name, output, term.loss.exponentials())],
                LossKind::Auxiliary => {
                    let is_asked = |reported: &&trace::Reported| {
                        let stage = reported.stage.map(NodeIndex::new);
                        reported.loss == name && stage.is_some_and(|stage| self.model.reports(stage, term))
                    };
                    trace.losses.iter().filter(is_asked).map(|reported| reported.of_graphs).collect()
                }
            };
            let Some(mut part) = reported.into_iter().reduce(|sum, loss| trace.add(sum, loss)) else {
                continue;
            };
            if term.loss.kind() == LossKind::Auxiliary {
                part = trace.sum_over_graphs(part);
            }
            let part = if term.weight == 1.0 { part } else { trace.scaled(part) };
            total = Some(match total {
                Some(total) => trace.add(total, part),
                None => part,
            });
        }
        if let Some(total) = total {
            trace.differentiate(total);
        }
    }
}
