//! One training step of a model as a list: which kernels run, forward and backward, in their order, and what each makes.
//!
//! Everything is read off a traced step ([`Tracer`]): of an operator with a program its phases, with what they store and
//! what their blocks compute on the way; of the others the kernels that their trace records. Sizes that nobody knows yet
//! stay symbolic: the step is traced with two sets of numbers in their place, and a number that follows them is written
//! as the size that it follows.

use super::{Step, Tracer};
use crate::ir::Model;
use crate::kernels::program::Direction;
use crate::ops::{Action, FactCx};
use crate::plan::trace::{
    FLOAT_BYTES, Graphs, Kernel, Matrix, Ran, Reported, SharedWeight, Structure, Trace, Value, Work,
};
use crate::program::symmetry::{Moves, symmetry};
use crate::program::text::{self, Words};
use crate::program::{Id, Op, Program, Space};
use crate::types::{DataFacts, Entity, Size, SizesWithData, TargetKind, Task, Type};
use petgraph::graph::NodeIndex;
use std::collections::{HashMap, HashSet};

/// The kernels of one training step.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// In the order in which they run, the loss last.
    pub forward: Vec<Launch>,
    /// The loss first.
    pub backward: Vec<Launch>,
    /// The stages that run together: the one whose operator runs, and the one whose value comes out, which is another
    /// where an activation was moved into it. Stages that are in none are not run, because nothing reads them.
    pub steps: Vec<(usize, usize)>,
}

impl Listing {
    /// The stage whose kernels compute the value of `stage`; `None` where it is not run.
    pub fn runs(&self, stage: usize) -> Option<usize> {
        let found = self.steps.iter().find(|&&(node, result)| node == stage || result == stage);
        found.map(|&(node, _)| node)
    }
}

/// One kernel that runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// The stage whose operator runs it; `None` for the loss.
    pub stage: Option<usize>,
    /// `convolution`; of a program the phase: `linear`, `targets`, `rows`, …
    pub kernel: &'static str,
    /// Whether it is a phase of a program.
    pub is_phase: bool,
    /// Whether nothing runs: the numbers of the argument under another shape.
    pub is_view: bool,
    pub values: Vec<Listed>,
    /// For an average graph; `None` without data.
    pub cost: Option<Cost>,
}

/// What a kernel costs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations: multiply and add are two, an exponential is one.
    pub flops: f64,
    /// Those of them that are exponentials or logarithms.
    pub exponentials: f64,
    /// Bytes of rows that edges name.
    pub gathered_bytes: f64,
    /// Bytes read or written in order.
    pub streamed_bytes: f64,
    /// Bytes of what it stores.
    pub stored_bytes: f64,
}

/// A value that a kernel makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// `#3`, the value of a stage; `%a`, one that passes between its kernels; `%5`, one inside of a program; `∂#3`, the gradient
    /// of the loss with respect to one.
    pub name: String,
    /// How it is made, in the words of the printed program. Empty for what a kernel of the operator's own gives back.
    pub step: String,
    /// Names that stages or weights have for it: `#3`, `∂weight`.
    pub becomes: Vec<String>,
    /// What its rows stand for: `nodes`, `edges`, `clusters`, `pairs` of clusters, `slots`, `graphs`, `one`; empty for what
    /// is no tensor.
    pub space: &'static str,
    /// Sizes of its feature axes.
    pub axes: Vec<String>,
    /// `equivariant` or `invariant`, for a renumbering of the nodes of the input.
    pub symmetry: &'static str,
    /// Whether it has memory of its own. Others are computed by blocks on the way and are gone with the block.
    pub is_stored: bool,
    /// Bytes that it takes, for an average graph; `None` without data, and where it is not stored.
    pub bytes: Option<f64>,
}

impl Listed {
    /// `nodes[4, 16]`
    pub fn shape(&self) -> String {
        if self.space.is_empty() {
            String::new()
        } else {
            format!("{}[{}]", self.space, self.axes.join(", "))
        }
    }
}

/// Numbers that stand in for sizes which nobody knows: primes, larger than what files say.
const STAND_INS: [[usize; 5]; 2] =
    [[10_007, 20_011, 30_011, 40_009, 50_021], [11_003, 21_001, 32_003, 43_003, 54_001]];

/// A batch that tells nodes, edges, graphs and clusters apart: shares of a node are none of the others.
fn stand_in_batch() -> Graphs {
    Graphs {
        nodes: vec![100_003.0, 200_003.0, 0.375],
        edges: vec![700_001.0, 900_001.0, 0.125],
        ..Graphs::default()
    }
}

/// One training step of a model. With `data`, sizes are numbers and costs those of an average graph, as far as the data
/// says them.
pub fn listing(model: &Model, data: Option<&DataFacts>) -> Listing {
    // What is counted and solved at once has no steps.
    if model.machine().is_some() {
        return Listing { forward: Vec::new(), backward: Vec::new(), steps: Vec::new() };
    }
    let exact = data.and_then(|data| Tracer::new(model, data, data.n_one_way_edges == 0));
    let average = data.zip(exact.as_ref()).map(|(data, tracer)| {
        let edges = data.total_edges as f64 / data.n_graphs.max(1) as f64;
        let pairs = data.n_edge_items as f64 / data.n_graphs.max(1) as f64;
        tracer.step(
            Graphs { nodes: vec![data.mean_nodes], edges: vec![edges], pairs, ..Graphs::default() },
            None,
        )
    });
    let facts = STAND_INS.map(|numbers| filled(data.cloned().unwrap_or_default(), numbers));
    let tracers = match exact {
        Some(tracer) => vec![tracer],
        None => facts.iter().filter_map(|facts| Tracer::new(model, facts, true)).collect(),
    };
    let steps: Vec<(Trace, Vec<Value>)> =
        tracers.iter().map(|tracer| tracer.step_with_values(stand_in_batch(), None)).collect();
    let (Some(tracer), Some((trace, values))) = (tracers.first(), steps.first()) else {
        unreachable!("every symbol has a number that stands in for it")
    };
    let other = steps.get(1).map(|(trace, _)| trace);
    let sizes = other.map(|_| facts.each_ref().map(SizesWithData::new));
    let mut lister = Lister {
        model,
        plan: &tracer.plan().steps,
        trace,
        values,
        other,
        average: average.as_ref(),
        sizes,
        widths: widths(model, &tracer.plan().steps, values),
        candidates: HashMap::new(),
        names: Names::new(&tracer.plan().steps, trace, values),
    };
    Listing {
        forward: lister.forward(),
        backward: lister.backward(),
        steps: tracer.plan().steps.iter().map(|step| (step.node.index(), step.result.index())).collect(),
    }
}

/// The data with numbers for what it does not say.
fn filled(data: DataFacts, [nodes, features, outputs, edge_features, kinds]: [usize; 5]) -> DataFacts {
    let or = |known: usize, number: usize| if known > 0 { known } else { number };
    DataFacts {
        max_nodes: or(data.max_nodes, nodes),
        n_features: or(data.n_features, features),
        n_outputs: or(data.n_outputs, outputs),
        edge_features: or(data.edge_features, edge_features),
        edge_kinds: or(data.edge_kinds, kinds),
        task: data.task.or(Some(Task { entity: Entity::Graph, kind: TargetKind::Classification })),
        ..data
    }
}

/// The widths that the types of stages declare, by the matrix that is the value of one. Types know more than the numbers
/// that stand in: that `residual(gcn(5))` has 5 features, whatever the width of the input is called.
fn widths(model: &Model, plan: &[Step], values: &[Value]) -> HashMap<usize, String> {
    let mut widths = HashMap::new();
    for (step, value) in plan.iter().zip(values) {
        let ty = &model.graph[step.result].ty;
        if ty.entity != Entity::EdgeKinds {
            widths.entry(value.x.id).or_insert_with(|| ty.width.size.to_string());
        }
    }
    widths
}

/// What matrices of a step are called.
struct Names(Vec<Option<Name>>);

#[derive(Clone)]
struct Name {
    stage: Option<usize>,
    text: String,
    /// Whether it is only known inside of its stage.
    is_local: bool,
}

impl Names {
    fn new(plan: &[Step], trace: &Trace, values: &[Value]) -> Self {
        let mut names: Vec<Option<Name>> = vec![None; trace.n_matrices()];
        let mut give = |matrix: &Matrix, stage: Option<usize>, text: String, is_local: bool| {
            let name = &mut names[matrix.id];
            if name.is_none() {
                *name = Some(Name { stage, text, is_local });
                return true;
            }
            false
        };
        for (step, value) in plan.iter().zip(values) {
            let (stage, result) = (step.node.index(), step.result.index());
            give(&value.x, Some(stage), format!("#{result}"), false);
            if let Structure::Clusters { adjacency: Some(adjacency), .. } = &value.structure {
                give(adjacency, Some(stage), format!("A#{result}"), false);
            }
        }
        for Reported { loss, of_graphs, .. } in &trace.losses {
            let stage = trace.kernels().iter().find(|kernel| kernel.result.id == of_graphs.id);
            let stage = stage.and_then(|kernel| kernel.stage);
            let of = stage.map_or(String::new(), |stage| format!("#{stage}"));
            give(of_graphs, stage, format!("{loss}{of}"), false);
        }
        if let Some(last) = trace.kernels().last().filter(|kernel| kernel.stage.is_none()) {
            give(&last.result, None, "loss".to_owned(), false);
        }
        let mut n_of_stage: HashMap<Option<usize>, usize> = HashMap::new();
        for kernel in trace.kernels() {
            let n = n_of_stage.entry(kernel.stage).or_default();
            if give(&kernel.result, kernel.stage, format!("%{}", letters(*n)), true) {
                *n += 1;
            }
        }
        Self(names)
    }

    /// As a kernel of `stage` calls it.
    fn of(&self, matrix: &Matrix, stage: Option<usize>) -> String {
        match &self.0[matrix.id] {
            Some(name) if name.is_local && name.stage != stage => {
                let of = name.stage.map_or("the loss".to_owned(), |stage| format!("#{stage}"));
                format!("{} of {of}", name.text)
            }
            Some(name) => name.text.clone(),
            None => "?".to_owned(),
        }
    }
}

/// `a`, `b`, …, `z`, `aa`: values that pass from one kernel of a stage to another, beside the numbers inside of programs.
fn letters(n: usize) -> String {
    let last = char::from(b'a' + (n % 26) as u8);
    let before = if n < 26 { String::new() } else { letters(n / 26 - 1) };
    format!("{before}{last}")
}

struct Lister<'a> {
    model: &'a Model,
    plan: &'a [Step],
    trace: &'a Trace,
    values: &'a [Value],
    /// The same step with other numbers for what is symbolic.
    other: Option<&'a Trace>,
    /// The same step over an average graph.
    average: Option<&'a Trace>,
    sizes: Option<[SizesWithData; 2]>,
    /// By matrix that is the value of a stage: its width.
    widths: HashMap<usize, String>,
    /// By stage: symbolic sizes that its numbers may follow.
    candidates: HashMap<Option<usize>, Vec<([f64; 2], String)>>,
    names: Names,
}

impl Lister<'_> {
    fn forward(&mut self) -> Vec<Launch> {
        (0..self.trace.kernels().len()).flat_map(|at| self.launches(at, true)).collect()
    }

    fn backward(&mut self) -> Vec<Launch> {
        let trace = self.trace;
        let mut launches = Vec::new();
        // Values that have a gradient already: a further one is added to it.
        let mut has_gradient: HashSet<usize> = HashSet::new();
        let mut weights: HashSet<(Option<usize>, usize)> = HashSet::new();
        for (at, kernel) in trace.kernels().iter().enumerate().rev() {
            let is_further_result = kernel.name == "program" && kernel.program.is_none();
            if !kernel.result.is_tracked || is_further_result {
                continue;
            }
            if !kernel.is_view {
                launches.extend(self.launches(at, false));
            }
            for arg in kernel.args.iter().filter(|arg| arg.is_tracked) {
                if !has_gradient.insert(arg.id) {
                    launches.push(self.sum_of_gradients(at, arg));
                }
            }
            let again = kernel.weights.iter().filter(|weight| !weights.insert((kernel.stage, weight.place)));
            launches.extend(again.map(|weight| self.sum_for_weight(kernel.stage, weight)));
        }
        launches
    }

    /// The kernels that one of the trace stands for.
    fn launches(&mut self, at: usize, is_forward: bool) -> Vec<Launch> {
        let kernel = &self.trace.kernels()[at];
        match &kernel.program {
            Some(ran) => self.phases(at, ran, is_forward),
            None if kernel.name == "program" => Vec::new(),
            None => vec![self.own(at, is_forward)],
        }
    }

    /// A kernel of an operator without a program.
    fn own(&mut self, at: usize, is_forward: bool) -> Launch {
        let (trace, average) = (self.trace, self.average.map(|trace| &trace.kernels()[at]));
        let kernel = &trace.kernels()[at];
        let mut values = Vec::new();
        let (mut stored, work);
        if is_forward {
            let args: Vec<String> = kernel.args.iter().map(|arg| self.names.of(arg, kernel.stage)).collect();
            let step = format!("{}({})", kernel.name, args.join(", "));
            let bytes = average.map(|kernel| FLOAT_BYTES * kernel.result.numbers());
            let bytes = bytes.filter(|_| !kernel.is_view);
            values.push(self.matrix(at, None, self.names.of(&kernel.result, kernel.stage), step, bytes));
            stored = bytes.unwrap_or(0.0) + average.map_or(0.0, |kernel| kernel.kept_bytes);
            work = average.map(|kernel| kernel.forward);
        } else {
            stored = 0.0;
            let mut given = HashSet::new();
            for (k, arg) in kernel.args.iter().enumerate().filter(|(_, arg)| arg.is_tracked) {
                if given.insert(arg.id) {
                    let bytes = average.map(|kernel| FLOAT_BYTES * kernel.args[k].numbers());
                    stored += bytes.unwrap_or(0.0);
                    let name = format!("∂{}", self.names.of(arg, kernel.stage));
                    values.push(self.matrix(at, Some(k), name, String::new(), bytes));
                }
            }
            if kernel.weight_gradients > 0.0 {
                let bytes = average.map(|kernel| FLOAT_BYTES * kernel.weight_gradients);
                stored += bytes.unwrap_or(0.0);
                values.push(Listed {
                    name: "∂weights".to_owned(),
                    step: String::new(),
                    becomes: Vec::new(),
                    space: "",
                    axes: Vec::new(),
                    symmetry: Moves::Invariant.word(),
                    is_stored: true,
                    bytes,
                });
            }
            work = average.map(|kernel| kernel.backward);
        }
        Launch {
            stage: kernel.stage,
            kernel: kernel.name,
            is_phase: false,
            is_view: kernel.is_view,
            values,
            cost: work.map(|work| cost(&work, stored)),
        }
    }

    /// A second gradient of one value is added to the first.
    fn sum_of_gradients(&mut self, at: usize, arg: &Matrix) -> Launch {
        let kernel = &self.trace.kernels()[at];
        let k = kernel.args.iter().position(|other| other.id == arg.id).unwrap_or(0);
        let numbers = self.average.map(|trace| trace.kernels()[at].args[k].numbers());
        let bytes = numbers.map(|numbers| FLOAT_BYTES * numbers);
        let name = format!("∂{}", self.names.of(arg, kernel.stage));
        let step = format!("add({name}, {name} of another reader)");
        Launch {
            stage: kernel.stage,
            kernel: "add",
            is_phase: false,
            is_view: false,
            values: vec![self.matrix(at, Some(k), name, step, bytes)],
            cost: numbers.map(|numbers| Cost {
                flops: numbers,
                streamed_bytes: 3.0 * FLOAT_BYTES * numbers,
                stored_bytes: FLOAT_BYTES * numbers,
                ..Cost::default()
            }),
        }
    }

    fn sum_for_weight(&self, stage: Option<usize>, weight: &SharedWeight) -> Launch {
        let name = format!("∂{}", weight.name);
        let bytes = self.average.map(|_| FLOAT_BYTES * weight.numbers);
        Launch {
            stage,
            kernel: "add",
            is_phase: false,
            is_view: false,
            values: vec![Listed {
                step: format!("add({name}, {name} of another reader)"),
                name,
                becomes: Vec::new(),
                space: "",
                axes: Vec::new(),
                symmetry: Moves::Invariant.word(),
                is_stored: true,
                bytes,
            }],
            cost: bytes.map(|bytes| Cost {
                flops: weight.numbers,
                streamed_bytes: 3.0 * bytes,
                stored_bytes: bytes,
                ..Cost::default()
            }),
        }
    }

    /// The result of a kernel, or its argument `k`.
    fn matrix(
        &mut self,
        at: usize,
        k: Option<usize>,
        name: String,
        step: String,
        bytes: Option<f64>,
    ) -> Listed {
        let of = |kernel: &Kernel| k.map_or(kernel.result, |k| kernel.args[k]);
        let kernel = &self.trace.kernels()[at];
        let matrix = of(kernel);
        let stage = kernel.stage;
        let other = self.other.map_or(matrix, |trace| of(&trace.kernels()[at]));
        let is_tensor = matrix.rows > 0.0;
        let space = if is_tensor { self.space(stage, matrix.rows) } else { "" };
        let axes = match self.widths.get(&matrix.id).filter(|_| self.other.is_some()) {
            _ if !is_tensor => Vec::new(),
            Some(width) => vec![width.clone()],
            None => vec![self.number(stage, [matrix.width, other.width])],
        };
        let symmetry = if is_of_nodes(space) { Moves::Equivariant } else { Moves::Invariant };
        let symmetry = if is_tensor { symmetry.word() } else { "" };
        Listed { name, step, becomes: Vec::new(), space, axes, symmetry, is_stored: true, bytes }
    }

    /// The phases of a program.
    fn phases(&mut self, at: usize, ran: &Ran, is_forward: bool) -> Vec<Launch> {
        let kernel = &self.trace.kernels()[at];
        let stage = kernel.stage;
        let of_program = |trace: &'_ Trace| trace.kernels()[at].program.clone();
        let other = self.other.and_then(of_program);
        let average = self.average.and_then(of_program);
        let whole = &ran.compiled.whole;
        let program = &whole.program;
        let rows = self.space(stage, ran.sizes.rows);
        let spaces = |space: Space| match space {
            Space::Rows => rows,
            Space::Edges if rows == "clusters" => "pairs",
            other => other.word(),
        };
        let pairs = sizes_of(program, other.as_ref().map(|other| &other.compiled.whole.program));
        // Words for numbers are found before they are written, because finding them remembers.
        let mut texts: HashMap<[usize; 2], String> = HashMap::new();
        for pair in pairs.values().flatten() {
            let text = self.number(stage, pair.map(|n| n as f64));
            texts.insert(*pair, text);
        }
        // Who else has a name for a value.
        let mut becomes: HashMap<Id, Vec<String>> = HashMap::new();
        let mut call = |id: Id, name: String| {
            let names = becomes.entry(program.source(id)).or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        };
        if is_forward {
            for (&id, matrix) in program.outputs.iter().zip(&ran.results) {
                call(id, self.names.of(matrix, stage));
            }
        } else {
            for (id, arg) in whole.of_inputs.iter().zip(&kernel.args) {
                id.iter().for_each(|&id| call(id, format!("∂{}", self.names.of(arg, stage))));
            }
            for (id, spec) in whole.of_weights.iter().zip(&program.weights) {
                id.iter().for_each(|&id| call(id, format!("∂{}", spec.name)));
            }
        }
        let n_ports = whole.of_inputs.len();
        let input = |port: usize| match port.checked_sub(n_ports) {
            None => kernel.args.get(port).map_or("A".to_owned(), |arg| self.names.of(arg, stage)),
            Some(k) => match ran.results.get(k) {
                Some(matrix) => format!("∂{}", self.names.of(matrix, stage)),
                None => "∂".to_owned(),
            },
        };
        let size = |id: Id, size: &Size| {
            let a = size.known().unwrap_or(0);
            let pair = pairs.get(&id).and_then(|pairs| pairs.iter().find(|pair| pair[0] == a));
            pair.and_then(|pair| texts.get(pair)).cloned().unwrap_or_else(|| size.to_string())
        };
        let words = Words { input: &input, size: &size, through_views: true };
        let moves = symmetry(program);
        let tracked: Vec<bool> = kernel.args.iter().map(|arg| arg.is_tracked).collect();
        let direction = if is_forward { Direction::Forward } else { Direction::Backward(&tracked) };
        let launches = ran.compiled.launches(direction, ran.sizes);
        let costs = average.as_ref().map(|ran| ran.compiled.launches(direction, ran.sizes));
        let listed = |id: Id, is_stored: bool| {
            let value = program.value(id);
            let space = spaces(value.space);
            let symmetry = if is_of_nodes(rows) { moves[id.index()] } else { Moves::Invariant };
            let bytes = average.as_ref().map(|ran| FLOAT_BYTES * ran.compiled.numbers(id, ran.sizes));
            Listed {
                name: format!("%{}", id.0),
                step: text::step(program, id, &words),
                becomes: becomes.get(&id).cloned().unwrap_or_default(),
                space,
                axes: value.axes.iter().map(|axis| size(id, axis)).collect(),
                symmetry: symmetry.word(),
                is_stored,
                bytes: bytes.filter(|_| is_stored),
            }
        };
        let launch = |(idx, launch): (usize, &crate::kernels::program::Launch)| {
            let mut ids: Vec<(Id, bool)> = launch.results.iter().map(|&id| (id, true)).collect();
            ids.extend(launch.inner.iter().map(|&id| (id, false)));
            ids.sort_unstable();
            Launch {
                stage,
                kernel: launch.name,
                is_phase: true,
                is_view: false,
                values: ids.into_iter().map(|(id, is_stored)| listed(id, is_stored)).collect(),
                cost: costs.as_ref().map(|costs| {
                    let launch = &costs[idx];
                    Cost {
                        flops: launch.flops,
                        exponentials: launch.exponentials,
                        gathered_bytes: FLOAT_BYTES * launch.gathered,
                        streamed_bytes: FLOAT_BYTES * launch.streamed,
                        stored_bytes: FLOAT_BYTES * launch.stored,
                    }
                }),
            }
        };
        launches.iter().enumerate().map(launch).collect()
    }

    /// What so many rows of a stage stand for.
    fn space(&self, stage: Option<usize>, rows: f64) -> &'static str {
        let step = match stage {
            Some(stage) => self.plan.iter().position(|step| step.node.index() == stage),
            // The loss reads what comes out.
            None => self.plan.len().checked_sub(1),
        };
        let Some(step) = step else { return "rows" };
        let inputs = self.plan[step].inputs.iter().map(|&input| &self.values[input].structure);
        let mut words = Vec::new();
        inputs.chain([&self.values[step].structure]).for_each(|structure| name_rows(structure, &mut words));
        words.push((1.0, "one"));
        // Edges that a stage finds itself are those of no value.
        let node = &self.model.graph[self.plan[step].node];
        let other = if node.op.action(&node.args) == Action::Nearest { "edges" } else { "rows" };
        words.iter().find(|(n, _)| *n == rows).map_or(other, |&(_, word)| word)
    }

    /// A number of a stage in words, given what it is with the one and with the other numbers for symbols.
    fn number(&mut self, stage: Option<usize>, [a, b]: [f64; 2]) -> String {
        if a == b {
            return a.to_string();
        }
        if !self.candidates.contains_key(&stage) {
            let candidates = self.symbolic_sizes(stage);
            self.candidates.insert(stage, candidates);
        }
        let candidates = &self.candidates[&stage];
        let times = |[x, y]: [f64; 2], text: &str| {
            let factor = a / x;
            let fits = factor.fract() == 0.0 && factor * y == b;
            fits.then(|| if factor == 1.0 { text.to_owned() } else { format!("{factor}·{text}") })
        };
        let single = candidates.iter().find_map(|(pair, text)| times(*pair, text));
        let product = || {
            candidates.iter().enumerate().find_map(|(k, (one, first))| {
                candidates[k..].iter().find_map(|(two, second)| {
                    times([one[0] * two[0], one[1] * two[1]], &format!("{first}·{second}"))
                })
            })
        };
        single.or_else(product).unwrap_or_else(|| "…".to_owned())
    }

    /// Symbolic sizes of what a stage reads, makes and learns, with their numbers.
    fn symbolic_sizes(&mut self, stage: Option<usize>) -> Vec<([f64; 2], String)> {
        let node = stage.map_or(self.model.output, NodeIndex::new);
        let result = self.plan.iter().find(|step| step.node == node).map_or(node, |step| step.result);
        let inputs = self.model.inputs(node);
        let types: Vec<&Type> = inputs.iter().map(|&input| &self.model.graph[input].ty).collect();
        let node = &self.model.graph[node];
        let cx = FactCx { args: &node.args, inputs: &types, output: &node.ty };
        let mut sizes: Vec<Size> = Vec::new();
        for ty in types.iter().copied().chain([&node.ty, &self.model.graph[result].ty]) {
            sizes.extend([ty.width.size.clone(), ty.rows.size.clone()]);
        }
        let weights = node.op.weights(&cx);
        sizes.extend(weights.iter().flat_map(|spec| &spec.shape).map(|dim| dim.size.clone()));
        let Some(known) = &mut self.sizes else { return Vec::new() };
        let mut seen = HashSet::new();
        let mut pairs = Vec::new();
        for size in sizes.into_iter().filter(|size| size.known().is_none()) {
            if seen.insert(size.fingerprint()) {
                let numbers = known.each_mut().map(|known| known.of(&size).known());
                if let [Some(a), Some(b)] = numbers {
                    pairs.push(([a as f64, b as f64], size.to_string()));
                }
            }
        }
        pairs
    }
}

/// By value: the sizes of its axes, and of its operation, in both programs.
fn sizes_of(program: &Program, other: Option<&Program>) -> HashMap<Id, Vec<[usize; 2]>> {
    let numbers = |program: &Program, id: Id| -> Vec<usize> {
        let value = program.value(id);
        let start = match &value.op {
            Op::Slice { start, .. } | Op::Pad { start, .. } => Some(start),
            _ => None,
        };
        value.axes.iter().chain(start).map(|size| size.known().unwrap_or(0)).collect()
    };
    let other = other.filter(|other| other.values.len() == program.values.len()).unwrap_or(program);
    let ids = (0..program.values.len()).map(|idx| Id(idx as u32));
    ids.map(|id| {
        let pairs = numbers(program, id).into_iter().zip(numbers(other, id));
        (id, pairs.map(|(a, b)| [a, b]).collect())
    })
    .collect()
}

/// Whether rows are renumbered with the nodes of the input.
fn is_of_nodes(space: &str) -> bool {
    matches!(space, "nodes" | "edges")
}

/// What numbers of rows stand for, where values have this structure.
fn name_rows(structure: &Structure, words: &mut Vec<(f64, &'static str)>) {
    match structure {
        Structure::Sparse(graphs) => words.extend([(graphs.n_nodes(), "nodes"), (graphs.n_edges(), "edges")]),
        Structure::Edges(graphs) => words.extend([(graphs.n_edges(), "edges"), (graphs.n_nodes(), "nodes")]),
        Structure::Clusters { n_graphs, k, .. } => {
            words.extend([(n_graphs * k, "clusters"), (n_graphs * k * k, "pairs")]);
        }
        Structure::Slots { n_graphs, k } => words.push((n_graphs * k, "slots")),
        Structure::Graphs { .. } => {}
    }
    words.push((structure.n_graphs(), "graphs"));
}

fn cost(work: &Work, stored_bytes: f64) -> Cost {
    Cost {
        flops: work.flops,
        exponentials: work.exponentials,
        gathered_bytes: FLOAT_BYTES * work.gathered,
        streamed_bytes: FLOAT_BYTES * work.streamed,
        stored_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::data::synthetic::{RandomGraphs, random_graphs};
    use crate::kernels::recorder;
    use crate::lower::Network;
    use crate::lower::testing::compile;
    use crate::ops::program::{Options, describe};
    use crate::plan::average_costs;
    use crate::types::Symmetry;
    use candle_core::{DType, Device};

    /// Examples of all operators, and what else there is to run.
    fn texts() -> Vec<String> {
        let more = [
            "gin(8, train_eps = true) -> sage(8, normalize = true) -> sage(8, aggregate = max) -> mean -> linear",
            "gat(4, heads = 2, concat = false) -> relu -> topk(k = 3) -> gatv2(4, heads = 2) -> tanh -> max -> mlp",
            "model = sage(8) as fine -> diffpool(k = 4) -> gatv2(4) -> elu -> gat(4) -> sage(4) -> gin(4)
                 -> concat(fine -> max, max) -> linear
             loss = cross_entropy + 0.5 * link_prediction + entropy",
            "conv gated(out) {
                message = sigmoid(linear(out, x_i, x_j, e_ij)) * linear(out, x_j)
                aggregate = mean
                update = relu(linear(out, x_i) + aggregated)
            }
            edges -> linear(4) -> relu as bonds
            model = gated(8, edge = edges) -> relu -> topk(ratio = 0.5) -> gated(8, edge = bonds) -> mean -> mlp",
            "gat(4) -> relu -> edge_pool -> gine(8, edge = edges -> linear(4)) -> edge_pool(score = tanh) -> gatv2(4) -> mean -> mlp",
            "residual(gcn(5)) -> residual(gcn(5) -> relu) -> dropout -> batch_norm -> sort_pool(k = 3) -> flatten -> mlp",
        ];
        let networks = crate::ops::for_any_graphs();
        networks.map(|op| op.doc().example.to_owned()).chain(more.map(str::to_owned)).collect()
    }

    fn graphs(parallel: bool) -> Dataset {
        let wanted =
            RandomGraphs { n_graphs: 6, n_edge_features: 3, n_edge_kinds: 2, ..RandomGraphs::default() };
        random_graphs(&RandomGraphs { parallel, ..wanted })
    }

    /// What a pass of the listing runs, in the words of the recorder.
    fn planned(launches: &[Launch]) -> Vec<String> {
        let words = |launch: &Launch| {
            let stored = launch.values.iter().filter(|value| launch.is_phase && value.is_stored);
            let stored: String = stored.map(|value| format!(" {}", value.name)).collect();
            format!("{}{stored}", launch.kernel)
        };
        // What makes a level or finds edges makes no tensor, so it is none of the tape's kernels.
        let runs = |launch: &&Launch| {
            !launch.is_view && !["select_top", "contract", "nearest"].contains(&launch.kernel)
        };
        launches.iter().filter(runs).map(words).collect()
    }

    #[test]
    fn a_step_runs_what_is_listed() {
        // With self-loops, programs leave them out where they have to.
        for (text, data) in texts().iter().flat_map(|text| [false, true].map(|loops| (text, graphs(loops)))) {
            let facts = data.facts();
            let model = compile(text, Some(&facts));
            let listing = listing(model.get(), Some(&facts));
            let network = Network::build(&model, &facts, DType::F32, &Device::Cpu, 1).unwrap();
            let all: Vec<u32> = (0..data.n_graphs() as u32).collect();
            let batch = data.batch(&all, DType::F32, &Device::Cpu).unwrap();
            let targets = data.target_tensor(&all, DType::F32, &Device::Cpu).unwrap().unwrap();
            let (loss, forward) = recorder::record(|| {
                let mut cx = network.training_cx(1);
                let output = network.forward(&batch, &mut cx).unwrap();
                network.loss(&output, &targets, &cx, None).unwrap()
            });
            let (_, backward) = recorder::record(|| loss.backward().unwrap());
            assert_eq!(planned(&listing.forward), forward, "forward: {text}");
            assert_eq!(planned(&listing.backward), backward, "backward: {text}");
        }
    }

    #[test]
    fn costs_are_those_of_the_stages() {
        let facts = graphs(false).facts();
        for text in texts() {
            let model = compile(&text, Some(&facts));
            let listing = listing(model.get(), Some(&facts));
            let costs = average_costs(model.get(), &facts).unwrap();
            for (stage, cost) in costs.iter().enumerate() {
                let of_stage = |launches: &[Launch]| -> f64 {
                    let launches = launches.iter().filter(|launch| launch.stage == Some(stage));
                    launches.map(|launch| launch.cost.unwrap().flops).sum()
                };
                let flops = of_stage(&listing.forward);
                assert!((flops - cost.flops).abs() <= 1e-9 * cost.flops, "{text}: stage {stage}: {flops}");
            }
        }
    }

    #[test]
    fn without_data_the_same_runs_with_symbols() {
        let facts = graphs(false).facts();
        let kernels = |launches: &[Launch]| launches.iter().map(|launch| launch.kernel).collect::<Vec<_>>();
        for text in texts() {
            let with = listing(compile(&text, Some(&facts)).get(), Some(&facts));
            let without = listing(compile(&text, None).get(), None);
            assert_eq!(kernels(&with.forward), kernels(&without.forward), "{text}");
            assert_eq!(kernels(&with.backward), kernels(&without.backward), "{text}");
            for launch in without.forward.iter().chain(&without.backward) {
                for value in &launch.values {
                    let shape = format!("{} {} {}", value.name, value.step, value.shape());
                    let is_named = !shape.contains(['…', '?']) && value.space != "rows";
                    let is_plain = !STAND_INS.concat().iter().any(|n| shape.contains(&n.to_string()));
                    assert!(is_named && is_plain, "{text}: {}: {shape}", launch.kernel);
                }
            }
        }
        let text = "linear(8) -> flatten -> linear(4) -> linear";
        let text = text.replace("linear(8)", "linear(8) -> diffpool(ratio = 0.5, assign = linear)");
        let without = listing(compile(&text, None).get(), None);
        let shapes: Vec<String> = without.forward.iter().map(|launch| launch.values[0].shape()).collect();
        assert_eq!(shapes[0], "nodes[8]");
        assert!(shapes.contains(&"nodes[⌈N/2⌉]".to_owned()), "{shapes:?}");
        assert!(shapes.contains(&"graphs[8·⌈N/2⌉]".to_owned()), "{shapes:?}");
        assert!(shapes.contains(&"graphs[C]".to_owned()), "{shapes:?}");
    }

    /// What a program proves of its result is what the operator declares.
    #[test]
    fn programs_move_as_operators_declare() {
        let mut n_programs = 0;
        for text in texts() {
            let model = compile(&text, None);
            let model = model.get();
            for (idx, node) in model.nodes() {
                let inputs = model.inputs(idx);
                let types: Vec<&Type> = inputs.iter().map(|&input| &model.graph[input].ty).collect();
                if types.is_empty() {
                    continue;
                }
                let cx = FactCx { args: &node.args, inputs: &types, output: &node.ty };
                let Some(described) = describe(&cx, Options::plain(), |cx| node.op.program(cx)) else {
                    continue;
                };
                n_programs += 1;
                let moves = symmetry(&described.program)[described.program.outputs[0].index()];
                // Clusters and graphs stay where they are, so what moves with them does too.
                let proved = match (&types[0].symmetry, moves) {
                    (Symmetry::Equivariant, Moves::Equivariant) => Symmetry::Equivariant,
                    (Symmetry::Poisoned(causes), _) => Symmetry::Poisoned(causes.clone()),
                    _ => Symmetry::Invariant,
                };
                assert_eq!(proved, node.ty.symmetry, "{text}: stage {}", idx.index());
            }
        }
        assert!(n_programs > 0, "no operator of the catalogue has a program");
    }
}
