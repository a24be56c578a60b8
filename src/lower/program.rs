//! Operators as modules: each runs the pieces of its program.

use super::composite::{self, Place as At};
use super::{ForwardCx, LowerCx, Module, PoolingStats, Reported, Structure, Value};
use crate::kernels::graph::SparseGraph;
use crate::kernels::program::{Arguments, Compiled, Random, Topology, run};
use crate::kernels::sparse::{self, Constants, Made, StandIns};
use crate::kernels::{self, Activation, Contraction, Queries, Selection, Summation, tape};
use crate::ops::FactCx;
use crate::ops::program::{self, Described, Options, Place};
use crate::program::composite::Composite;
use crate::program::pieces::{Part, PartOf, Piece};
use crate::program::{Id, Op, Space};
use candle_core::{Result, Tensor, TensorId, Var, bail};
use petgraph::graph::NodeIndex;
use std::sync::Arc;

/// The module of an operator.
///
/// # Errors
/// Where the operator has no program and has to have one.
pub fn lower(cx: &LowerCx) -> Result<Box<dyn Module>> {
    let op = cx.node.op;
    let facts = FactCx { args: cx.args, inputs: cx.inputs, output: cx.output };
    let variant = |wanted_losses: &[&'static str], wants_assignment: bool, has_loops| {
        let options = Options {
            activation: cx.activation,
            wanted_losses,
            // Statistics of an assignment read nothing else.
            wants_adjacency: cx.needs_adjacency && !wants_assignment,
            wants_assignment: wants_assignment || cx.needs_assignment,
            has_loops,
            is_of_file: op.is_of_file(),
        };
        let described = program::of(op, &facts, options);
        #[cfg(test)]
        let described =
            described.map(|described| if tests::is_expanded() { described.expanded() } else { described });
        described.map(Variant::new)
    };
    // Losses and statistics are results of their own, which most passes do not ask for.
    let losses = cx.losses;
    let variants = |has_loops| -> Option<Variants> {
        let plain = variant(&[], false, has_loops)?;
        let with_losses: Vec<_> =
            subsets(losses).into_iter().filter_map(|wanted| variant(&wanted, false, has_loops)).collect();
        let with_stats = variant(&[], true, has_loops)?;
        let with_stats = with_stats.described.has_assignment.then_some(with_stats);
        Some(Variants { plain, with_losses, with_stats })
    };
    // Most data has no loops, and what leaves them out need not look.
    let (Some(without), Some(with)) = (variants(false), variants(true)) else {
        return super::given::module(op.name(), op.action(cx.args), cx.output.entity, cx.idx);
    };
    let is_same = without.plain.described.program == with.plain.described.program;
    let with_loops = (!is_same).then_some(with);
    let plain = &without.plain;
    let weights =
        plain.described.program.weights.iter().map(|spec| cx.weights.get(spec.name).clone()).collect();
    Ok(Box::new(ProgramModule { node: cx.idx, variants: without, with_loops, weights }))
}

/// Every choice of some of the losses.
fn subsets(losses: &[&'static str]) -> Vec<Vec<&'static str>> {
    let choice = |bits: usize| {
        let chosen = losses.iter().enumerate().filter(|(k, _)| bits >> k & 1 == 1);
        chosen.map(|(_, &loss)| loss).collect()
    };
    (1..1usize << losses.len()).map(choice).collect()
}

struct Variant {
    described: Described,
    steps: Vec<Step>,
    /// By step: the values that nothing reads after it.
    frees: Vec<Vec<Id>>,
}

/// One piece, ready to run.
enum Step {
    Call(Id),
    Primitives { part: Box<Part>, compiled: Arc<Compiled> },
}

impl Variant {
    fn new(described: Described) -> Self {
        let step = |piece: &Piece| match piece {
            Piece::Call(id) => Step::Call(*id),
            Piece::Primitives(part) => {
                let compiled = Arc::new(Compiled::new(&part.program, &part.wanted));
                Step::Primitives { part: Box::new(part.clone()), compiled }
            }
        };
        let steps: Vec<Step> = described.pieces.iter().map(step).collect();
        let reads = |step: &Step| match step {
            Step::Call(id) => described.program.value(*id).op.args(),
            Step::Primitives { part, .. } => part.inputs.clone(),
        };
        let mut last_reader = vec![None; described.program.values.len()];
        for (at, step) in steps.iter().enumerate() {
            reads(step).iter().for_each(|id| last_reader[id.index()] = Some(at));
        }
        let mut frees = vec![Vec::new(); steps.len()];
        for (idx, &at) in last_reader.iter().enumerate() {
            let id = Id(idx as u32);
            if let Some(at) = at.filter(|_| !described.program.outputs.contains(&id)) {
                frees[at].push(id);
            }
        }
        Self { described, steps, frees }
    }
}

/// Steps of a program that never change, and which of their results others read.
struct ConstantSteps {
    /// By step.
    is_constant: Vec<bool>,
    kept: Vec<Id>,
}

impl Variant {
    /// The steps that never change where some ports do not: no weights, no random numbers. `None` where there are none.
    fn constant_steps(&self, is_constant_port: impl Fn(usize) -> bool) -> Option<ConstantSteps> {
        let (program, ports) = (&self.described.program, &self.described.ports);
        let mut is_constant_value = vec![false; program.values.len()];
        let is_known = |id: &Id, made: &[bool]| match program.value(*id).op {
            Op::Input(port) => ports.get(port).is_some_and(|&port| is_constant_port(port)),
            _ => made[id.index()],
        };
        let reads = |step: &Step| match step {
            Step::Call(id) => program.value(*id).op.args(),
            Step::Primitives { part, .. } => part.inputs.clone(),
        };
        let mut is_constant = vec![false; self.steps.len()];
        for (step, is_constant) in self.steps.iter().zip(&mut is_constant) {
            let results = match step {
                Step::Call(id) => match &program.value(*id).op {
                    Op::Call { what, .. } if what.makes_level() => break,
                    Op::Call {
                        what:
                            Composite::Propagate(_)
                            | Composite::PropagateMax
                            | Composite::Plus
                            | Composite::Beside,
                        ..
                    } => vec![*id],
                    _ => continue,
                },
                Step::Primitives { part, .. } => {
                    let is_drawn = part
                        .program
                        .values
                        .iter()
                        .any(|value| matches!(value.op, Op::Random { .. } | Op::Noise { .. }));
                    if !part.weights.is_empty()
                        || is_drawn
                        || part.of != PartOf::Level
                        || part.inputs.is_empty()
                    {
                        continue;
                    }
                    part.results.clone()
                }
            };
            if reads(step).iter().all(|id| is_known(id, &is_constant_value)) {
                *is_constant = true;
                results.iter().for_each(|id| is_constant_value[id.index()] = true);
            }
        }
        let is_read = |id: &Id| {
            let others = self.steps.iter().zip(&is_constant).filter(|(_, is_constant)| !**is_constant);
            program.outputs.contains(id) || others.into_iter().any(|(step, _)| reads(step).contains(id))
        };
        let made = (0..program.values.len() as u32).map(Id).filter(|id| is_constant_value[id.index()]);
        let kept: Vec<Id> = made.filter(is_read).collect();
        (!kept.is_empty()).then_some(ConstantSteps { is_constant, kept })
    }
}

struct Variants {
    plain: Variant,
    /// With some of the losses that the operator has, for each choice of them.
    with_losses: Vec<Variant>,
    /// With the assignment, for statistics.
    with_stats: Option<Variant>,
}

struct ProgramModule {
    /// Its place in the model, which its random numbers follow from.
    node: NodeIndex,
    variants: Variants,
    /// For graphs with loops, where that makes a difference.
    with_loops: Option<Variants>,
    /// By weight of the program.
    weights: Vec<Var>,
}

/// The level that a pooling makes, with how it was made.
enum NextLevel {
    Selected(Selection),
    Contracted(Contraction),
}

impl NextLevel {
    fn graph(&self) -> &Arc<SparseGraph> {
        match self {
            NextLevel::Selected(selection) => &selection.graph,
            NextLevel::Contracted(contraction) => &contraction.graph,
        }
    }
}

/// What a layer reads.
struct LayerInputs {
    x: Tensor,
    w: Tensor,
    bias: Option<Tensor>,
}

/// The values of a program while it runs.
struct Values<'a> {
    inputs: &'a [&'a Value],
    stand_ins: Arc<StandIns>,
    described: &'a Described,
    weights: &'a [Var],
    /// By value: what was made.
    made: Vec<Option<Tensor>>,
}

impl Values<'_> {
    /// A value that another piece made, or that comes in, with all its numbers.
    fn get(&self, id: Id) -> Result<Tensor> {
        self.stand_ins.written_out(self.as_it_came(id)?)
    }

    /// The same, where it may stand for a sparse matrix.
    fn as_it_came(&self, id: Id) -> Result<Tensor> {
        if let Some(made) = &self.made[id.index()] {
            return Ok(made.clone());
        }
        match &self.described.program.value(id).op {
            Op::Input(port) => match self.described.ports.get(*port) {
                Some(&port) => Ok(self.inputs[port].x.clone()),
                None => self.adjacency(),
            },
            Op::Weight(weight) => Ok(self.weights[*weight].as_tensor().clone()),
            _ => bail!("%{} is read before it is made", id.0),
        }
    }

    /// What clusters are joined by, a row a pair.
    fn adjacency(&self) -> Result<Tensor> {
        let Structure::Clusters { n_graphs, k, adjacency, .. } = &self.inputs[0].structure else {
            bail!("a stage on clusters got another value")
        };
        // Where nothing reads the edges, the pooling made none, and the program does not either.
        match adjacency {
            Some(adjacency) => tape::reshape(adjacency, (n_graphs * k * k, 1)),
            None => Tensor::zeros((n_graphs * k * k, 1), self.inputs[0].x.dtype(), self.inputs[0].x.device()),
        }
    }
}

impl ProgramModule {
    /// The results of the program, and the level that it makes.
    fn run(
        &self,
        variant: &Variant,
        inputs: &[&Value],
        cx: &mut ForwardCx,
    ) -> Result<(Vec<Tensor>, Option<NextLevel>)> {
        // The kinds of the edges come with the value that names them.
        let kinds = inputs.iter().find_map(|input| match &input.structure {
            Structure::Edges(graph) => graph.kinds.clone(),
            _ => None,
        });
        let structure = &inputs[0].structure;
        let (described, program) = (&variant.described, &variant.described.program);
        let pairs = match described.place {
            Place::Pairs => Some(pairs_of(cx, inputs[0])?),
            _ => None,
        };
        let random = Random { seed: cx.train.then(|| cx.seed_of(self.node.index() as u64, 0)) };
        let mut values = Values {
            inputs,
            stand_ins: cx.stand_ins.clone(),
            described,
            weights: &self.weights,
            made: vec![None; program.values.len()],
        };
        let constants = cx.constants.clone().filter(|(_, graph)| {
            let is_its_own = matches!(structure, Structure::Sparse(own) if Arc::ptr_eq(own, graph));
            // What pairs come to depends on which are asked about.
            is_its_own && pairs.is_none() && !Summation::current().is_reproducible()
        });
        let constants = constants.map(|(constants, _)| constants);
        // What never changes is there from an earlier run, or is kept in this one.
        let fixed = constants.as_ref().and_then(|constants| {
            variant.constant_steps(|port| constants.are_constant(std::slice::from_ref(&inputs[port].x)))
        });
        let made_by = |step: Option<usize>, of: Vec<TensorId>| Made {
            stage: std::ptr::from_ref(variant) as usize,
            step,
            is_picked: false,
            of,
        };
        let of_constants = |constants: &Arc<Constants>| {
            let fixed = inputs.iter().filter(|input| constants.are_constant(std::slice::from_ref(&input.x)));
            fixed.map(|input| input.x.id()).collect()
        };
        let key = made_by(None, constants.as_ref().map_or_else(Vec::new, of_constants));
        let mut is_known = false;
        if let (Some(constants), Some(fixed)) = (&constants, &fixed)
            && let Some(known) = constants.known(&key)
        {
            fixed.kept.iter().zip(known).for_each(|(id, tensor)| values.made[id.index()] = Some(tensor));
            is_known = true;
        }
        let mut newly_kept: Vec<(Id, Tensor)> = Vec::new();
        // What pairs have in common is made once for all of them.
        let has_queries = program.values.iter().any(|value| value.space == Space::Queries);
        let queries = pairs.as_deref().filter(|_| has_queries).map(Queries::of);
        let of_queries = queries.as_ref().map(|queries| Topology::sparse(&queries.graph));
        let mut topology = pairs.as_deref().map(Topology::sparse);
        let mut next: Option<NextLevel> = None;
        for (idx, (step, frees)) in variant.steps.iter().zip(&variant.frees).enumerate() {
            let is_fixed = fixed.as_ref().is_some_and(|fixed| fixed.is_constant[idx]);
            if is_fixed && is_known {
                continue;
            }
            let made = |of: Vec<TensorId>| made_by(Some(idx), of);
            match step {
                Step::Call(id) => {
                    let Op::Call { what, args, then } = &program.value(*id).op else {
                        unreachable!("a call is one")
                    };
                    let level = || match structure {
                        Structure::Sparse(graph) => Ok(graph),
                        _ => bail!("a stage that selects or merges nodes got another value"),
                    };
                    match (what, &next) {
                        (Composite::Select(keep, connect), _) => {
                            let scores = values.get(args[0])?;
                            let weights = args.get(1).map(|&id| values.get(id)).transpose()?;
                            let selection =
                                kernels::select_joined(&scores, weights.as_ref(), level()?, *keep, *connect)?;
                            next = Some(NextLevel::Selected(selection));
                        }
                        (Composite::Contract { self_loops }, _) => {
                            let scores: Vec<Tensor> =
                                args.iter().map(|&id| values.get(id)).collect::<Result<_>>()?;
                            let contraction = kernels::contract(&scores, level()?, *self_loops)?;
                            next = Some(NextLevel::Contracted(contraction));
                        }
                        (Composite::Join { rule, self_loops }, _) => {
                            let contraction =
                                kernels::join(&values.get(args[0])?, level()?, *rule, *self_loops)?;
                            next = Some(NextLevel::Contracted(contraction));
                        }
                        // What comes next goes by these edges.
                        (Composite::Nearest { k }, _) => {
                            let found = kernels::nearest(&values.get(args[0])?, &structure.offsets(), *k)?;
                            topology = Some(Topology::sparse(&found));
                        }
                        (Composite::MergedMax, Some(NextLevel::Contracted(contraction))) => {
                            let x = kernels::max_of_lists(&values.get(args[0])?, &contraction.members)?;
                            values.made[id.index()] = Some(x);
                        }
                        (
                            Composite::Bands { modes, normalized },
                            Some(NextLevel::Contracted(contraction)),
                        ) => {
                            let weights = args.get(2).map(|&id| values.get(id)).transpose()?;
                            let (x, parts) = (values.get(args[0])?, &contraction.members);
                            let x =
                                kernels::bands(&x, parts, level()?, weights.as_ref(), *modes, *normalized)?;
                            values.made[id.index()] = Some(x);
                        }
                        (Composite::Answers, _) => {
                            let Some(queries) = &queries else { bail!("pairs that ask nothing") };
                            let (phi, x) = (values.get(args[0])?, values.get(args[1])?);
                            values.made[id.index()] = Some(kernels::answers(&phi, &x, queries)?);
                        }
                        (Composite::Kept, Some(NextLevel::Selected(selection))) => {
                            let x = kernels::gather_rows(&values.get(args[0])?, &selection.rows)?;
                            values.made[id.index()] = Some(x);
                        }
                        (Composite::Merged, Some(NextLevel::Contracted(contraction))) => {
                            let x = kernels::sum_of_lists(&values.get(args[0])?, &contraction.members)?;
                            values.made[id.index()] = Some(x);
                        }
                        (Composite::OfContracted, Some(NextLevel::Contracted(contraction))) => {
                            let x =
                                kernels::mean_of_lists(&values.get(args[0])?, &contraction.contracted, 1.0)?;
                            values.made[id.index()] = Some(x);
                        }
                        _ => {
                            let wanted = cx.wanted_rows.clone().filter(|_| program.outputs == [*id]);
                            let layer = match &constants {
                                Some(constants) => self.layer_of_constants(
                                    what,
                                    args,
                                    &values,
                                    constants,
                                    made,
                                    wanted.as_ref(),
                                )?,
                                None => None,
                            };
                            let result = match layer {
                                Some(LayerInputs { x, w, bias }) => {
                                    cx.has_picked = wanted.is_some();
                                    kernels::linear(&x, &w, bias.as_ref(), Activation::of(*then))?
                                }
                                None => self.call(what, args, Activation::of(*then), &values, cx)?,
                            };
                            values.made[id.index()] = Some(result);
                        }
                    }
                }
                Step::Primitives { part, compiled } => {
                    let of_kept;
                    let topology = match (&next, &of_queries, part.of) {
                        (Some(next), _, PartOf::Kept) => {
                            of_kept = Topology::rows(next.graph().graph_offsets.clone());
                            &of_kept
                        }
                        (_, Some(of_queries), PartOf::Queries) => of_queries,
                        _ => topology.get_or_insert_with(|| topology_of(structure).with_kinds(kinds.clone())),
                    };
                    let followed = |tensor: Tensor| if cx.wants_gradients { tensor } else { tensor.detach() };
                    let arguments = part.inputs.iter().map(|&id| values.get(id).map(followed));
                    let arguments: Vec<Tensor> = arguments.collect::<Result<_>>()?;
                    let weights = part.weights.iter().map(|&weight| self.weights[weight].as_tensor().clone());
                    let weights: Vec<Tensor> = weights.map(followed).collect();
                    let results = run(&Arguments {
                        compiled,
                        inputs: &arguments,
                        weights: &weights,
                        topology,
                        random,
                        like: &inputs[0].x,
                    })?;
                    for (&id, result) in part.results.iter().zip(results) {
                        values.made[id.index()] = Some(result);
                    }
                }
            }
            if let (true, Some(constants), Some(fixed)) = (is_fixed, &constants, &fixed) {
                for &id in &fixed.kept {
                    let is_new = newly_kept.iter().all(|(known, _)| *known != id);
                    if let Some(made) = values.made[id.index()].as_mut().filter(|_| is_new) {
                        *made = made.detach();
                        constants.add(made);
                        newly_kept.push((id, made.clone()));
                    }
                }
            }
            frees.iter().for_each(|id| values.made[id.index()] = None);
        }
        if let (false, Some(constants), Some(fixed)) = (is_known, &constants, &fixed) {
            newly_kept.sort_by_key(|(id, _)| fixed.kept.iter().position(|kept| kept == id));
            constants.keep(key, newly_kept.into_iter().map(|(_, tensor)| tensor).collect());
        }
        // What comes next may read it without its zeros.
        let results = program.outputs.iter().map(|&id| values.as_it_came(id)).collect::<Result<_>>()?;
        Ok((results, next))
    }

    /// A layer of numbers that never change: what it gathers is made once for all runs, and where nothing comes after it,
    /// only the rows that are compared with targets.
    fn layer_of_constants(
        &self,
        what: &Composite,
        args: &[Id],
        values: &Values,
        constants: &Constants,
        made: impl Fn(Vec<TensorId>) -> Made,
        wanted: Option<&Arc<Vec<u32>>>,
    ) -> Result<Option<LayerInputs>> {
        let (Composite::Affine { has_bias } | Composite::Convolve { has_root: false, has_bias, .. }) = what
        else {
            return Ok(None);
        };
        let x = values.as_it_came(args[0])?;
        // Of sparse features the product comes first, and little is left to gather.
        if values.stand_ins.of(&x).is_some() || !constants.are_constant(std::slice::from_ref(&x)) {
            return Ok(None);
        }
        let structure = &values.inputs[0].structure;
        if matches!(what, Composite::Convolve { .. }) && !matches!(structure, Structure::Sparse(_)) {
            return Ok(None);
        }
        let key = Made { is_picked: wanted.is_some(), ..made(vec![x.id()]) };
        let make = || {
            tape::beside(|| {
                let gathered = match (what, structure) {
                    (Composite::Convolve { norm, .. }, Structure::Sparse(graph)) => {
                        kernels::propagate(&x, graph, *norm)?
                    }
                    _ => x.clone(),
                };
                let rows = |rows| kernels::gather_rows(&gathered, rows);
                Ok(vec![wanted.map_or_else(|| Ok(gathered.clone()), rows)?])
            })
        };
        let x = constants.once(key, make)?.remove(0);
        let bias = args.get(2).filter(|_| *has_bias).map(|&id| values.get(id)).transpose()?;
        Ok(Some(LayerInputs { x, w: values.get(args[1])?, bias }))
    }

    /// A call that reads sparse features without writing them out; `None` where it is another, or its features are not sparse.
    fn sparse_call(
        &self,
        what: &Composite,
        args: &[Id],
        then: Activation,
        values: &Values,
        cx: &ForwardCx,
    ) -> Result<Option<Tensor>> {
        if !matches!(what, Composite::Affine { .. } | Composite::Convolve { .. } | Composite::Dropout { .. })
        {
            return Ok(None);
        }
        let x = values.as_it_came(args[0])?;
        let Some(matrix) = cx.stand_ins.of(&x) else { return Ok(None) };
        let argument = |place: usize, is_there: bool| match args.get(place) {
            Some(&id) if is_there => values.get(id).map(Some),
            _ => Ok(None),
        };
        match (what, &values.inputs[0].structure) {
            (Composite::Dropout { p, place }, _) => {
                if !cx.train || *p == 0.0 {
                    return Ok(Some(x));
                }
                let dropped = matrix.dropped(*p, cx.seed_of(self.node.index() as u64, *place as u64))?;
                let stand_in = dropped.stand_in(x.dtype())?;
                cx.stand_ins.add(&stand_in, dropped);
                Ok(Some(stand_in))
            }
            (Composite::Affine { has_bias }, _) => {
                let (w, bias) = (values.get(args[1])?, argument(2, *has_bias)?);
                sparse::linear(&matrix, &w, bias.as_ref(), then).map(Some)
            }
            (Composite::Convolve { norm, has_root, has_bias }, Structure::Sparse(graph)) => {
                let (w, bias) = (values.get(args[1])?, argument(2, *has_bias)?);
                sparse::convolution(&matrix, graph, *norm, *has_root, &w, bias.as_ref(), then).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn call(
        &self,
        what: &Composite,
        args: &[Id],
        then: Activation,
        values: &Values,
        cx: &mut ForwardCx,
    ) -> Result<Tensor> {
        if let Some(result) = self.sparse_call(what, args, then, values, cx)? {
            return Ok(result);
        }
        // Kernels read the adjacency of clusters where it is.
        let program = &values.described.program;
        let is_tensor = |id: &&Id| !matches!(program.value(**id).op, Op::Input(port) if port >= values.described.ports.len());
        let tensor = |id: &Id| {
            let (value, made) = (program.value(*id), values.get(*id)?);
            // A weight made of weights came out as a row.
            match value.op {
                Op::Weight(_) => Ok(made),
                _ if value.space == Space::One => tape::reshape(&made, value.known_axes()),
                _ => Ok(made),
            }
        };
        let tensors: Vec<Tensor> = args.iter().filter(is_tensor).map(tensor).collect::<Result<_>>()?;
        let of_buffer = |id: &Id| match program.value(*id).op {
            Op::Weight(weight) if !program.weights[weight].is_trained => Some(&self.weights[weight]),
            _ => None,
        };
        let buffers: Vec<&Var> = args.iter().filter_map(of_buffer).collect();
        let place = At { structure: &values.inputs[0].structure, node: self.node.index() as u64 };
        composite::run(what, &tensors.iter().collect::<Vec<_>>(), &buffers, then, &place, cx)
    }
}

impl Module for ProgramModule {
    fn forward(&self, inputs: &[&Value], cx: &mut ForwardCx) -> Result<Value> {
        let has_loops = match &inputs[0].structure {
            Structure::Sparse(graph) => self.with_loops.is_some() && Topology::sparse(graph).has_loops(),
            _ => true,
        };
        let variants = self.with_loops.as_ref().filter(|_| has_loops).unwrap_or(&self.variants);
        // A variant for each choice of losses, so that no other is computed.
        let is_wanted = |variant: &&Variant| {
            let of_variant = &variant.described.losses;
            of_variant.iter().all(|loss| cx.wanted_losses.contains(loss))
        };
        let most = variants
            .with_losses
            .iter()
            .filter(is_wanted)
            .max_by_key(|variant| variant.described.losses.len());
        let variant = most.unwrap_or(&variants.plain);
        let (results, next) = self.run(variant, inputs, cx)?;
        let described = &variant.described;
        for (k, &name) in described.losses.iter().enumerate() {
            let of_graphs = results[described.first_loss() + k].clone();
            cx.losses.push(Reported { loss: name, stage: self.node, of_graphs });
        }
        let structure = &inputs[0].structure;
        let n_graphs = structure.n_graphs();
        let x = results[0].clone();
        // `[k, F]` of each graph as rows.
        let rows = |x: &Tensor| -> Result<(Tensor, usize)> {
            let axes = &described.program.value(described.program.outputs[0]).axes;
            let k = axes[0].known().unwrap_or(0);
            match x.dims() {
                &[_, _, width] => Ok((tape::reshape(x, (n_graphs * k, width))?, k)),
                _ => Ok((x.clone(), k)),
            }
        };
        Ok(match described.place {
            Place::Rows => Value { x, structure: structure.clone() },
            Place::Graphs => Value { x, structure: Structure::Graphs { n_graphs } },
            Place::Slots => {
                let (x, k) = rows(&x)?;
                Value { x, structure: Structure::Slots { n_graphs, k } }
            }
            Place::Pairs => Value { x, structure: Structure::Edges(pairs_of(cx, inputs[0])?) },
            Place::Kept(_) => {
                let Some(next) = next else { bail!("no level was made") };
                Value { x, structure: Structure::Sparse(next.graph().clone()) }
            }
            Place::Clusters => {
                let (x, k) = rows(&x)?;
                if let (true, Some(variant)) = (cx.wants_pooling_stats, &variants.with_stats) {
                    let (results, _) = self.run(variant, inputs, cx)?;
                    let assignment = variant.described.assignment().expect("asked for");
                    let graphs = kernels::pooling_stats(&results[assignment], &structure.offsets())?;
                    cx.pooling.push(PoolingStats { node: self.node, n_clusters: k, graphs });
                }
                let adjacency = described.adjacency().map(|place| results[place].clone());
                let assignment = described.assignment().map(|place| results[place].clone());
                Value { x, structure: Structure::Clusters { n_graphs, k, adjacency, assignment } }
            }
        })
    }
}

/// The pairs that this step asks about, between the rows of a value.
fn pairs_of(cx: &ForwardCx, x: &Value) -> Result<Arc<SparseGraph>> {
    let Some(pairs) = &cx.pairs else { bail!("a stage that scores pairs got none") };
    match &x.structure {
        Structure::Sparse(graph) if graph.n_nodes() == pairs.n_nodes() => Ok(pairs.clone()),
        _ => bail!("a stage that scores pairs of {} nodes got other rows", pairs.n_nodes()),
    }
}

/// The index maps of a level.
fn topology_of(structure: &Structure) -> Topology {
    match structure {
        Structure::Sparse(graph) => Topology::sparse(graph),
        Structure::Clusters { n_graphs, k, .. } => Topology::pairs(*n_graphs, *k),
        Structure::Edges(_) | Structure::Slots { .. } | Structure::Graphs { .. } => {
            Topology::rows(structure.offsets())
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::data::synthetic::{RandomGraphs, random_graphs};
    use crate::data::{Dataset, Features, SparseRows};
    use crate::lower::Network;
    use crate::lower::testing::compile;
    use crate::ops::FactCx;
    use crate::ops::program::{Options, of};
    use crate::program::Op;
    use candle_core::{DType, Device};
    use std::cell::Cell;
    use std::collections::BTreeSet;

    thread_local! {
        static EXPANDED: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether modules run the expansions of composites.
    pub(super) fn is_expanded() -> bool {
        EXPANDED.get()
    }

    /// Every composite that has an expansion, on nodes and, as far as it can be there, on clusters.
    const TEXTS: &[&str] = &[
        "gcn(3) -> relu -> gcn(8, self_loops = false, bias = false) -> gelu -> sum -> linear",
        "sage(3) -> tanh -> sage(8, aggregate = sum, root_weight = false) -> elu -> max -> linear(bias = false)",
        "sage(4, aggregate = max) -> gin(6, eps = 0.5) -> sage(5, normalize = true) -> mean -> mlp(norm = batch_norm)",
        "gat(4, heads = 3) -> leaky_relu(0.1) -> gat(5, self_loops = false, bias = false) -> mean -> linear",
        "gat(4, heads = 3, concat = false) -> sigmoid -> batch_norm -> relu -> layer_norm -> tanh -> mean -> linear",
        "gcn(6) -> layer_norm(mode = graph) -> relu -> concat(identity, linear(3)) -> add(identity, linear(9)) -> mean
         -> layer_norm -> linear",
        "model = sage(6) -> diffpool(k = 5) -> gcn(6) -> relu -> sage(6) -> gin(6, train_eps = true) -> gcn(6, self_loops = false)
                 -> diffpool(k = 3) -> sage(4, aggregate = sum, root_weight = false) -> batch_norm -> max -> linear
         loss = cross_entropy + 0.5 * link_prediction + 0.3 * entropy",
        "sage(6) -> diffpool(k = 5) -> gat(4, heads = 2) -> layer_norm(mode = graph) -> gat(3, self_loops = false)
         -> sum -> linear",
    ];

    /// A share of a node's own row that is learned, behind which all gradients pass through what has no kernel.
    const OWN_SHARE: &str = "gin(8, eps = 0.1, train_eps = true) -> sage(8, normalize = true) -> sage(8, aggregate = max) -> mean -> linear";

    /// The loss of a step and the gradient of each parameter.
    fn step(text: &str, data: &Dataset) -> Vec<(String, Vec<f64>)> {
        step_by(text, data, true)
    }

    fn step_by(text: &str, data: &Dataset, is_taped: bool) -> Vec<(String, Vec<f64>)> {
        let facts = data.facts();
        let model = compile(text, Some(&facts));
        let network = Network::build(&model, &facts, DType::F64, &Device::Cpu, 3).unwrap();
        let all: Vec<u32> = (0..data.n_graphs() as u32).collect();
        let batch = data.batch(&all, DType::F64, &Device::Cpu).unwrap();
        let targets = data.target_tensor(&all, DType::F64, &Device::Cpu).unwrap().unwrap();
        let mut cx = network.training_cx(1);
        cx.is_taped = is_taped;
        let output = network.forward(&batch, &mut cx).unwrap();
        let loss = network.loss(&output, &targets, &cx, None).unwrap();
        let mut found = vec![("the loss".to_owned(), vec![loss.total.to_scalar::<f64>().unwrap()])];
        found.push(("the output".to_owned(), output.x.flatten_all().unwrap().to_vec1().unwrap()));
        let gradients = loss.backward().unwrap();
        for parameter in network.parameters().trained() {
            let gradient = gradients.get(&parameter.var).unwrap().flatten_all().unwrap();
            found.push((parameter.name.clone(), gradient.to_vec1().unwrap()));
        }
        found
    }

    /// The same data with its zeros left out.
    fn without_zeros(data: &Dataset) -> Dataset {
        let mut rows = SparseRows::new(data.n_features());
        for node in 0..data.n_nodes() {
            let mut row = Vec::new();
            data.features.each_of_row(node, |column, value| row.push((column, value)));
            rows.push_row(row.into_iter());
        }
        Dataset { features: Features::Sparse(rows), ..data.clone() }
    }

    /// Models that read the features in every way: at first in a layer, dropped, gathered, written out.
    const FIRST_LAYERS: &[&str] = &[
        "dropout(0.5) -> gcn(6) -> relu -> mean -> linear",
        "gcn(3, bias = false) -> mean -> linear",
        "linear(5) -> relu -> dropout(0.2) -> mean -> linear",
        "dropout(0.3) -> sage(4) -> mean -> linear",
        "sage(4, aggregate = max) -> mean -> linear",
        "dropout(0.5) -> gat(4, heads = 2, dropout = 0.3) -> elu -> mean -> linear",
        "gin(4) -> gin(3) -> sum -> linear",
        "sg(4, hops = 2) -> mean -> linear",
        "ssg(4, hops = 3) -> mean -> linear",
        "gcn(64) -> relu -> mean -> linear",
        "concat(identity, gcn(3)) -> mean -> linear",
        "drop_edge(0.5) -> sg(4, hops = 2) -> mean -> linear",
        "topk(ratio = 0.5) -> gcn(3) -> mean -> linear",
        "mean -> linear",
        "model = sage(6) -> diffpool(k = 3) -> mean -> linear
         loss = cross_entropy + link_prediction",
    ];

    #[test]
    fn features_without_their_zeros_are_the_same_features() {
        let data = random_graphs(&RandomGraphs { n_graphs: 7, n_features: 9, ..RandomGraphs::default() });
        let Features::Dense { values, width } = &data.features else { panic!("dense") };
        let values = values.iter().map(|&value| if value.abs() < 0.6 { 0.0 } else { value }).collect();
        let data = Dataset { features: Features::Dense { values, width: *width }, ..data.clone() };
        let sparse = without_zeros(&data);
        for text in FIRST_LAYERS {
            for ((name, expected), (_, found)) in step(text, &data).iter().zip(step(text, &sparse)) {
                for (a, b) in expected.iter().zip(&found) {
                    assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{name} of `{text}`: {a} {b}");
                }
            }
        }
    }

    /// What reads the features first runs on what is not zero, whatever stands between.
    #[test]
    fn first_layers_do_not_write_the_features_out() {
        let data = random_graphs(&RandomGraphs { n_graphs: 3, n_features: 9, ..RandomGraphs::default() });
        let (facts, sparse) = (data.facts(), without_zeros(&data));
        for text in &FIRST_LAYERS[..4] {
            let network =
                Network::build(&compile(text, Some(&facts)), &facts, DType::F32, &Device::Cpu, 3).unwrap();
            let batch = sparse.batch(&[0, 1, 2], DType::F32, &Device::Cpu).unwrap();
            let (output, kernels) = crate::kernels::recorder::record(|| {
                network.forward(&batch, &mut network.training_cx(1)).unwrap().x
            });
            assert!(output.elem_count() > 0);
            let layers = kernels.iter().filter(|kernel| *kernel == "sparse_layer").count();
            assert_eq!(layers, 1, "`{text}`: {kernels:?}");
        }
    }

    #[test]
    fn what_never_changes_is_made_once_and_stays_the_same() {
        let data = random_graphs(&RandomGraphs { n_graphs: 7, n_features: 9, ..RandomGraphs::default() });
        let facts = data.facts();
        let all: Vec<u32> = (0..data.n_graphs() as u32).collect();
        for (text, data) in
            FIRST_LAYERS.iter().flat_map(|text| [(text, data.clone()), (text, without_zeros(&data))])
        {
            let network =
                Network::build(&compile(text, Some(&facts)), &facts, DType::F64, &Device::Cpu, 3).unwrap();
            let batch = data.batch(&all, DType::F64, &Device::Cpu).unwrap();
            let kept = batch.clone().kept();
            for seed in [1, 2, 1] {
                let run = |batch| {
                    let output = network.forward(batch, &mut network.training_cx(seed)).unwrap().x;
                    output.flatten_all().unwrap().to_vec1::<f64>().unwrap()
                };
                for (a, b) in run(&batch).iter().zip(run(&kept)) {
                    assert!((a - b).abs() < 1e-9, "`{text}`: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn kernels_of_composites_compute_their_expansions() {
        for parallel in [false, true] {
            let data = random_graphs(&RandomGraphs {
                n_graphs: 7,
                min_nodes: 1,
                parallel,
                ..RandomGraphs::default()
            });
            for text in TEXTS {
                let by_kernel = step(text, &data);
                EXPANDED.set(true);
                let expanded = step(text, &data);
                EXPANDED.set(false);
                assert_eq!(by_kernel.len(), expanded.len());
                for ((name, ours), (_, theirs)) in by_kernel.iter().zip(&expanded) {
                    let scale = theirs.iter().fold(1.0f64, |scale, x| scale.max(x.abs()));
                    for (ours, theirs) in ours.iter().zip(theirs) {
                        assert!(
                            (ours - theirs).abs() < 1e-10 * scale,
                            "{text}: {name}: {ours}, not {theirs}"
                        );
                    }
                }
            }
        }
    }

    /// What a device without a tape takes: Candle's own backward pass through the same kernels and programs.
    #[test]
    fn without_a_tape_gradients_are_the_same() {
        let data = random_graphs(&RandomGraphs { n_graphs: 7, min_nodes: 1, ..RandomGraphs::default() });
        for text in TEXTS.iter().chain([&OWN_SHARE]) {
            let (taped, plain) = (step_by(text, &data, true), step_by(text, &data, false));
            for ((name, taped), (_, plain)) in taped.iter().zip(&plain) {
                let scale = taped.iter().fold(1e-6f64, |scale, x| scale.max(x.abs()));
                for (taped, plain) in taped.iter().zip(plain) {
                    assert!((taped - plain).abs() < 1e-9 * scale, "{text}: {name}: {plain}, not {taped}");
                }
            }
        }
    }

    /// All of a step as on a device: composed of Candle's operators, or copied to the host and back.
    #[test]
    fn a_step_as_on_a_device_computes_the_same() {
        let data = random_graphs(&RandomGraphs { n_graphs: 7, min_nodes: 1, ..RandomGraphs::default() });
        let mut off = Vec::new();
        for text in TEXTS.iter().chain([&OWN_SHARE]) {
            let here = step_by(text, &data, true);
            let there = crate::kernels::pretending(|| step_by(text, &data, false));
            for ((name, here), (_, there)) in here.iter().zip(&there) {
                let scale = here.iter().fold(1e-6f64, |scale, x| scale.max(x.abs()));
                let most =
                    here.iter().zip(there).fold(0.0f64, |most, (a, b)| most.max((a - b).abs())) / scale;
                if most.is_nan() || most > 1e-9 {
                    off.push(format!("{text}: {name}: {most:.1e}"));
                }
            }
        }
        assert!(off.is_empty(), "{}", off.join("\n"));
    }

    /// The list above leaves none out, and what an expansion proves of its result is what the composite says.
    #[test]
    fn every_expansion_is_compared_and_moves_as_its_composite() {
        let mut seen = BTreeSet::new();
        let mut others = BTreeSet::new();
        let more = [
            "sage(4) -> topk(k = 2) -> dropout -> sort_pool(k = 3) -> flatten -> linear",
            "sage(4) -> edge_pool -> mean -> linear",
            "sage(4) -> self_attention -> dynamic_edge(4, k = 2) -> mean -> linear",
            "sage(4) -> partition(by = identity, reduce = max) -> mean -> linear",
        ];
        let facts = random_graphs(&RandomGraphs::default()).facts();
        for text in TEXTS.iter().chain(&more) {
            let model = compile(text, Some(&facts));
            let model = model.get();
            for (idx, node) in model.nodes() {
                let inputs = model.inputs(idx);
                let types: Vec<_> = inputs.iter().map(|&input| &model.graph[input].ty).collect();
                let cx = FactCx { args: &node.args, inputs: &types, output: &node.ty };
                let losses = node.op.losses();
                let Some(described) = of(node.op, &cx, Options { wanted_losses: losses, ..Options::plain() })
                else {
                    continue;
                };
                let program = &described.program;
                let expanded = program.expanded();
                let moves = |program: &crate::program::Program| -> Vec<_> {
                    let all = crate::program::symmetry::symmetry(program);
                    program.outputs.iter().map(|output| all[output.index()]).collect()
                };
                assert_eq!(moves(program), moves(&expanded), "{text}: stage {}", idx.index());
                let calls = |program: &crate::program::Program| -> BTreeSet<String> {
                    let is_live = program.live(program.outputs.iter().copied());
                    let live = program.values.iter().zip(is_live).filter(|(_, is_live)| *is_live);
                    live.filter_map(|(value, _)| match &value.op {
                        Op::Call { what, .. } => Some(what.name().to_owned()),
                        _ => None,
                    })
                    .collect()
                };
                others.extend(calls(&expanded));
                seen.extend(calls(program));
            }
        }
        let without: Vec<&str> = others.iter().map(String::as_str).collect();
        assert_eq!(
            without,
            [
                "contract",
                "flatten",
                "join",
                "kept",
                "link_loss",
                "merged",
                "merged_max",
                "nearest",
                "of_contracted",
                "select",
                "self_attention",
                "sort"
            ]
        );
        let compared: Vec<&str> = seen.difference(&others).map(String::as_str).collect();
        let expected = [
            "affine",
            "assignment_entropy",
            "attend",
            "batch_norm",
            "beside",
            "coarse_adjacency",
            "convolve",
            "dropout",
            "elu",
            "gelu",
            "graph_max",
            "graph_mean",
            "graph_norm",
            "graph_sum",
            "leaky_relu",
            "plus",
            "pool",
            "propagate",
            "propagate_max",
            "relu",
            "row_norm",
            "sigmoid",
            "softmax_rows",
            "tanh",
        ];
        assert_eq!(compared, expected);
    }
}
