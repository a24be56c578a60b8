//! Programs of operators: what their phases cost together.

use super::{FLOAT_BYTES, Graphs, Kernel, Matrix, Reported, SharedWeight, Structure, Trace, Value, Work};
use crate::kernels::program::{Compiled, Direction, Launch, Sizes};
use crate::kernels::{Activation, Summation};
use crate::ops::hetero::Lifted;
use crate::ops::program::{self, Described, Options, Place};
use crate::ops::{Action, FactCx, Operator};
use crate::program::composite::{Composite, Keep, Norm};
use crate::program::pieces::{PartOf, Piece};
use crate::program::{Id, Op, Space, WeightSpec};
use crate::types::Size;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// A program of a step, with the sizes of its batch.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub compiled: Arc<Compiled>,
    pub sizes: Sizes,
    /// By result of the program.
    pub results: Vec<Matrix>,
}

/// Two runs of one program.
impl PartialEq for Ran {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.compiled, &other.compiled) && self.results == other.results
    }
}

/// What a stage records: the pieces of its program, in their order.
pub(crate) fn stage(op: &dyn Operator, cx: &FactCx, inputs: &[Value], step: &mut Trace) -> Value {
    match Lifted::of(cx.args) {
        Some(by) => {
            super::hetero::stage(by, inputs, step, |inputs, step| stage_of_part(op, cx, inputs, step))
        }
        None => stage_of_part(op, cx, inputs, step),
    }
}

fn stage_of_part(op: &dyn Operator, cx: &FactCx, inputs: &[Value], step: &mut Trace) -> Value {
    let wanted_losses = step.wanted_losses.clone();
    let options = Options {
        activation: step.activation,
        wanted_losses: &wanted_losses,
        wants_adjacency: step.needs_adjacency,
        wants_assignment: step.needs_assignment,
        has_loops: step.has_loops || inputs.iter().any(|input| input.structure.is_merged()),
        is_of_file: op.is_of_file(),
    };
    let place = step.stage.map(|stage| (stage, options.has_loops));
    let known = place.and_then(|place| step.programs.borrow().get(&place).cloned());
    let known = known.unwrap_or_else(|| {
        let made = program::of(op, cx, options).map(|described| Rc::new(Known::new(described)));
        if let Some(place) = place {
            step.programs.borrow_mut().insert(place, made.clone());
        }
        made
    });
    match known {
        Some(known) => described_stage(&known, inputs, step),
        // What the data brings, and the edges that a selection leaves.
        None => match (&op.action(cx.args), inputs) {
            (Action::RemainingEdges, [edges, Value { structure: Structure::Sparse(graphs), .. }]) => {
                let x = match graphs.is_merged {
                    false => step.gather_rows(edges.x, graphs.n_edges()),
                    true => step.merge_rows(edges.x, graphs.n_edges()),
                };
                Value { x, structure: Structure::Edges(graphs.clone()) }
            }
            (Action::EdgesOfPairs, [edges, Value { structure: Structure::Sparse(graphs), .. }]) => {
                let x = step.merge_rows(edges.x, graphs.pairs);
                Value { x, structure: Structure::Edges(graphs.clone()) }
            }
            (Action::Lift, [of, to]) => {
                let x = match &of.structure {
                    Structure::Clusters { n_graphs, k, assignment: Some(s), .. } => {
                        let program =
                            crate::ops::structure::lift::of_shares(*k as usize, of.x.width as usize);
                        let compiled = Arc::new(Compiled::new(&program, &[true, true]));
                        let sizes = Sizes { graphs: *n_graphs, rows: to.x.rows, edges: 0.0 };
                        step.primitives(&compiled, &[*s, of.x], sizes).remove(0)
                    }
                    Structure::Sparse(graphs) if graphs.is_merged => step.gather_rows(of.x, to.x.rows),
                    _ => step.merge_rows(of.x, to.x.rows),
                };
                Value { x, structure: to.structure.clone() }
            }
            (Action::Colours { buckets, steps }, [x, ..]) => {
                let counted = step.colours(x.x, *steps as f64, *buckets as f64);
                Value { x: counted, structure: x.structure.clone() }
            }
            _ => inputs[0].clone(),
        },
    }
}

/// Programs of the stages of a model, by stage and by whether some row may have an edge to itself: they are the same for
/// every batch.
pub type Programs = Rc<RefCell<HashMap<(usize, bool), Option<Rc<Known>>>>>;

/// A program with its passes.
#[derive(Debug)]
pub struct Known {
    described: Described,
    /// By piece; `None` for composites.
    compiled: Vec<Option<Arc<Compiled>>>,
}

impl Known {
    fn new(described: Described) -> Self {
        let compile = |piece: &Piece| match piece {
            Piece::Call(_) => None,
            Piece::Primitives(part) => Some(Arc::new(Compiled::new(&part.program, &part.wanted))),
        };
        Self { compiled: described.pieces.iter().map(compile).collect(), described }
    }
}

/// The values of a program on sizes.
struct Values<'a> {
    described: &'a Described,
    inputs: &'a [Value],
    made: Vec<Option<Matrix>>,
}

impl Values<'_> {
    fn get(&self, id: Id) -> Option<Matrix> {
        match (self.made[id.index()], &self.described.program.value(id).op) {
            (Some(made), _) => Some(made),
            (None, Op::Input(port)) => match (self.described.ports.get(*port), &self.inputs[0].structure) {
                (Some(&port), _) => Some(self.inputs[port].x),
                (None, Structure::Clusters { adjacency, .. }) => *adjacency,
                (None, _) => None,
            },
            _ => None,
        }
    }
}

fn described_stage(known: &Known, inputs: &[Value], step: &mut Trace) -> Value {
    let described = &known.described;
    let (first, program) = (&inputs[0], &described.program);
    let structure = &first.structure;
    let n_edges = match structure {
        Structure::Sparse(graphs) => graphs.n_edges(),
        Structure::Clusters { n_graphs, k, .. } => n_graphs * k * k,
        Structure::Edges(_) | Structure::Slots { .. } | Structure::Graphs { .. } => 0.0,
    };
    let n_edges = match structure {
        Structure::Sparse(graphs) if described.place == Place::Pairs => graphs.pairs,
        _ => n_edges,
    };
    let n_queries = match structure {
        Structure::Sparse(graphs) if graphs.queries > 0.0 => graphs.queries,
        _ => n_edges,
    };
    let mut sizes = Sizes { graphs: structure.n_graphs(), rows: first.x.rows, edges: n_edges };
    let mut values = Values { described, inputs, made: vec![None; program.values.len()] };
    let mut kept: Option<Rc<Graphs>> = None;
    for (piece, compiled) in described.pieces.iter().zip(&known.compiled) {
        let before = step.kernels.len();
        match piece {
            Piece::Call(id) => {
                let Op::Call { what, args, then } = &program.value(*id).op else {
                    unreachable!("a call is one")
                };
                let mut matrix = |arg: Id| {
                    let (value, made) = (program.value(arg), values.get(arg)?);
                    // A weight made of weights came out as a row.
                    if value.space != Space::One {
                        return Some(made);
                    }
                    let axes = value.known_axes();
                    let width = axes.last().copied().unwrap_or(1);
                    Some(step.reshape(made, (value.known_width() / width.max(1)) as f64, width as f64))
                };
                if matches!(what, Composite::Table) {
                    let width = program.value(*id).known_width() as f64;
                    let x = Matrix { is_tracked: true, ..step.given(first.x.rows, width) };
                    values.made[id.index()] = Some(x);
                    continue;
                }
                let matrices: Vec<Matrix> = args.iter().filter_map(|&arg| matrix(arg)).collect();
                let Some(&x) = matrices.first() else { continue };
                let width = program.value(*id).axes.last().and_then(Size::known).unwrap_or(0) as f64;
                let made = match (what, structure) {
                    (Composite::Select(keep, connect), Structure::Sparse(graphs)) => {
                        kept = Some(Rc::new(step.select_top(x, graphs, *connect, |n| n_kept(*keep, n))));
                        continue;
                    }
                    (Composite::Contract { .. }, Structure::Sparse(graphs)) => {
                        kept = Some(Rc::new(step.contract(x, graphs)));
                        continue;
                    }
                    (Composite::Join { rule, .. }, Structure::Sparse(graphs)) => {
                        kept = Some(Rc::new(step.join(x, graphs, *rule, n_kept)));
                        continue;
                    }
                    (Composite::Nearest { k }, _) => {
                        sizes.edges = step.nearest(x, structure, *k as f64);
                        continue;
                    }
                    (Composite::MergedMax, _) => {
                        step.max_rows(x, kept.as_ref().map_or(x.rows, |kept| kept.n_nodes()))
                    }
                    (Composite::Bands { modes, .. }, Structure::Sparse(graphs)) => step.bands(
                        x,
                        graphs,
                        [kept.as_ref().map_or(x.rows, |kept| kept.n_nodes()), *modes as f64],
                        args.len() > 2,
                    ),
                    (Composite::Answers, _) => match matrices.get(1) {
                        Some(&ends) => step.answers(x, ends, n_edges),
                        None => continue,
                    },
                    (Composite::BatchNorm { .. }, _) if program.value(*id).axes.len() == 2 => {
                        let places = step.reshape(x, x.numbers() / width.max(1.0), width);
                        let normed = step.composite(what, &[places], width, Activation::of(*then), structure);
                        step.reshape(normed, x.rows, x.width)
                    }
                    (Composite::Kept, _) => {
                        step.gather_rows(x, kept.as_ref().map_or(x.rows, |kept| kept.n_nodes()))
                    }
                    (Composite::Merged | Composite::OfContracted, _) => {
                        step.merge_rows(x, kept.as_ref().map_or(x.rows, |kept| kept.n_nodes()))
                    }
                    _ => step.composite(what, &matrices, width, Activation::of(*then), structure),
                };
                values.made[id.index()] = Some(made);
            }
            Piece::Primitives(part) => {
                let rows = match &kept {
                    Some(kept) if part.of == PartOf::Kept => kept.n_nodes(),
                    _ => sizes.rows,
                };
                let edges = if part.of == PartOf::Queries { n_queries } else { sizes.edges };
                let args: Vec<Matrix> = part.inputs.iter().filter_map(|&id| values.get(id)).collect();
                let compiled = compiled.as_ref().expect("made of primitives");
                let results = step.primitives(compiled, &args, Sizes { rows, edges, ..sizes });
                for (&id, result) in part.results.iter().zip(results) {
                    values.made[id.index()] = Some(result);
                }
            }
        }
        // The first kernel of a program does its work, and the last of a composite multiplies.
        let (reader, weights): (_, Vec<usize>) = match piece {
            Piece::Primitives(part) => (before, part.weights.clone()),
            Piece::Call(id) => {
                let weight = |arg: Id| match program.value(arg).op {
                    Op::Weight(weight) => Some(weight),
                    _ => None,
                };
                let args = program.value(*id).op.args();
                (step.kernels.len().saturating_sub(1), args.into_iter().filter_map(weight).collect())
            }
        };
        if let Some(kernel) = step.kernels.get_mut(reader).filter(|_| reader >= before) {
            let trained = weights.into_iter().filter(|&weight| program.weights[weight].is_trained);
            kernel.weights = trained
                .map(|place| {
                    let WeightSpec { name, shape, .. } = &program.weights[place];
                    let sizes = shape.iter().map(|dim| dim.known().unwrap_or(0) as f64);
                    SharedWeight { place, name, numbers: sizes.product() }
                })
                .collect();
        }
    }
    for (k, name) in described.losses.iter().enumerate() {
        if let Some(loss) = values.get(program.outputs[described.first_loss() + k]) {
            step.losses.push(Reported { loss: name, stage: step.stage, of_graphs: loss });
        }
    }
    let x = values.get(program.outputs[0]).unwrap_or(first.x);
    let n_graphs = sizes.graphs;
    let k = || program.value(program.outputs[0]).axes[0].known().unwrap_or(0) as f64;
    let structure = match described.place {
        Place::Rows => structure.clone(),
        Place::Graphs => Structure::Graphs { n_graphs },
        Place::Slots => Structure::Slots { n_graphs, k: k() },
        // Edges were counted as the pairs.
        Place::Pairs => Structure::Edges(Rc::new(Graphs { edges: vec![n_edges], ..Graphs::default() })),
        Place::Kept(_) => kept.map_or_else(|| structure.clone(), Structure::Sparse),
        Place::Clusters => {
            let adjacency = described.adjacency().and_then(|place| values.get(program.outputs[place]));
            let assignment = described.assignment().and_then(|place| values.get(program.outputs[place]));
            Structure::Clusters { n_graphs, k: k(), adjacency, assignment }
        }
    };
    Value { x, structure }
}

/// How many of `n` nodes a selection keeps, where no scores tie.
fn n_kept(keep: Keep, n: f64) -> f64 {
    match keep {
        // As in the checker, a tolerance keeps 0.1 · 30 from being rounded up to 4.
        Keep::Ratio(ratio) => (ratio * n - 1e-9).ceil().max(1.0),
        Keep::Count(k) => k as f64,
        Keep::MinScore(_) => n,
    }
}

impl Trace {
    /// `kernels::program::run`
    fn primitives(&mut self, compiled: &Arc<Compiled>, inputs: &[Matrix], sizes: Sizes) -> Vec<Matrix> {
        let (program, compiled) = (&compiled.whole.program, compiled.clone());
        let mut args = inputs.to_vec();
        // An input that the program takes no gradient to, as attention takes none to how strongly clusters are joined.
        for (arg, gradient) in args.iter_mut().zip(&compiled.whole.of_inputs) {
            arg.is_tracked &= gradient.is_some();
        }
        let has_weights = !program.weights.is_empty();
        let shape = |id: Id| -> [f64; 2] {
            let value = program.value(id);
            let axes: Vec<f64> = value.axes.iter().map(|size| size.known().unwrap_or(0) as f64).collect();
            let rows = sizes.of(value.space);
            match axes[..] {
                [] => [rows, 1.0],
                // Of each graph a matrix: its rows are those of a level to come.
                [k, width] if value.space == Space::Graphs => [rows * k, width],
                _ => [rows, axes.iter().product()],
            }
        };
        let is_exact = self.summation == Summation::Reproducible;
        let bytes = compiled.map_bytes(sizes);
        let is_first = bytes > 0.0 && !self.mapped.contains(&sizes.rows);
        let map_bytes = if is_first { bytes } else { 0.0 };
        self.mapped.extend(is_first.then_some(sizes.rows));
        let at = self.kernels.len();
        let mut results = Vec::new();
        for (k, &id) in program.outputs.iter().enumerate() {
            let of: &[Matrix] = if k == 0 { &args } else { &results[..1] };
            results.push(self.kernel("program", of, has_weights && k == 0, shape(id), |kernel| {
                let tracked: Vec<bool> = args.iter().map(|arg| arg.is_tracked).collect();
                kernel.reads_result = compiled.reads_result(&tracked, k);
                if k == 0 {
                    fill(kernel, &compiled, sizes, is_exact);
                    kernel.kept_bytes += map_bytes;
                    kernel.reads = compiled.reads(&tracked);
                } else {
                    kernel.reads_nothing();
                }
            }));
        }
        self.kernels[at].program = Some(Ran { compiled, sizes, results: results.clone() });
        results
    }

    /// The kernels that `lower` runs for a composite.
    fn composite(
        &mut self,
        what: &Composite,
        args: &[Matrix],
        width: f64,
        then: Activation,
        of: &Structure,
    ) -> Matrix {
        let x = args[0];
        match (what, of) {
            (Composite::Table, _) => x,
            (Composite::Affine { has_bias }, _) => self.linear(x, width, *has_bias, then),
            (Composite::Convolve { norm, has_root, has_bias }, Structure::Sparse(graphs)) => {
                let loops = matches!(norm, Norm::Gcn { self_loops: true } | Norm::SelfPlus { .. });
                self.convolve(x, graphs, width, *has_root, loops, *has_bias, then)
            }
            (Composite::Convolve { norm, has_root, has_bias }, _) => {
                let gathered = self.gathered(of, x, *norm, *has_root);
                self.linear(gathered, width, *has_bias, then)
            }
            (Composite::Propagate(norm), Structure::Sparse(graphs)) => {
                let loops = matches!(norm, Norm::Gcn { self_loops: true } | Norm::SelfPlus { .. });
                self.propagate(x, graphs, loops)
            }
            (Composite::Propagate(norm), _) => self.gathered(of, x, *norm, false),
            (Composite::PropagateMax, Structure::Sparse(graphs)) => self.propagate_max(x, graphs),
            (Composite::PropagateLstm, Structure::Sparse(graphs)) => self.lstm_aggregate(x, graphs),
            (Composite::Attend(options), Structure::Sparse(graphs)) => {
                self.gat_attention(x, graphs.n_edges(), options.heads as f64, options.self_loops)
            }
            (Composite::Attend(options), Structure::Clusters { adjacency: Some(adjacency), .. }) => {
                self.dense_gat_attention(x, *adjacency, options.heads as f64, options.self_loops)
            }
            (Composite::SelfAttention { heads, .. }, _) => self.self_attention(x, of, *heads as f64),
            (Composite::Activate(_), _) => self.activate(x, activation_of(what)),
            (Composite::Dropout { p, .. }, _) => {
                if *p == 0.0 {
                    x
                } else {
                    self.dropout(x)
                }
            }
            (Composite::BatchNorm { .. }, _) => self.batch_norm(x, then),
            (Composite::RowNorm { .. } | Composite::GraphNorm { .. }, _) => self.layer_norm(x, then),
            (Composite::Beside, _) => self.concat(args),
            (Composite::Plus, _) => args[1..].iter().fold(x, |sum, &arg| self.add(sum, arg)),
            (Composite::SoftmaxRows, _) => self.softmax_rows(x),
            (Composite::Readout(over), _) => self.segment_reduce(x, *over, of),
            (Composite::Sort { k }, _) => self.sort_rows(x, of, k.known().unwrap_or(0) as f64),
            (Composite::Flatten { .. }, _) => self.reshape(x, of.n_graphs(), width),
            (Composite::Pool, _) => self.segment_product(x, args[1], of),
            (Composite::CoarseAdjacency, _) => self.assignment_adjacency(x, of),
            (Composite::LinkLoss, _) => self.link_loss(x, of),
            (Composite::Entropy, _) => self.assignment_entropy(x, of),
            (Composite::CutSides, _) => self.cut_sides(x, of),
            (Composite::Factors { .. }, _) => self.factors(x, width, of),
            (Composite::GammaDraws { .. }, _) => self.gamma_draws(x),
            (Composite::PairSoftplus, _) => self.pair_softplus(x, args[1], of),
            (Composite::Nearness, _) => self.nearness(x, of),
            (Composite::Fields { w, k, .. }, _) => self.fields(x, of, *w as f64, *k as f64),
            (Composite::UnlinkedSoftplus { per_edge, own_loops, .. }, Structure::Sparse(graphs)) => {
                self.unlinked_softplus(x, args[1], graphs, *per_edge, *own_loops)
            }
            // Refused by the shape rules, or handled by the caller.
            (
                Composite::PropagateMax
                | Composite::PropagateLstm
                | Composite::Attend(_)
                | Composite::UnlinkedSoftplus { .. }
                | Composite::Bands { .. }
                | Composite::Nearest { .. }
                | Composite::Select(..)
                | Composite::Answers
                | Composite::Kept
                | Composite::Contract { .. }
                | Composite::Join { .. }
                | Composite::Merged
                | Composite::MergedMax
                | Composite::OfContracted,
                _,
            ) => x,
        }
    }

    fn gathered(&mut self, of: &Structure, x: Matrix, norm: Norm, is_beside: bool) -> Matrix {
        let Structure::Clusters { adjacency: Some(adjacency), .. } = of else { return x };
        let adjacency = *adjacency;
        let has_degrees = matches!(norm, Norm::Mean | Norm::Gcn { .. });
        self.shared((norm, is_beside), &[adjacency, x], |step| {
            step.dense_propagate(adjacency, x, is_beside, has_degrees)
        })
    }
}

fn activation_of(what: &Composite) -> Activation {
    match what {
        Composite::Activate(f) => Activation::of(Some(*f)),
        _ => Activation::Identity,
    }
}

/// Bytes of a tensor beside its numbers: its shape, strides, locks and counts of readers.
const TENSOR_BYTES: f64 = 400.0;

/// What the passes of a program cost and keep.
fn fill(kernel: &mut Kernel, compiled: &Compiled, sizes: Sizes, is_exact: bool) {
    let tracked: Vec<bool> = kernel.args.iter().map(|arg| arg.is_tracked).collect();
    let works = |direction| -> Vec<Work> {
        compiled.launches_with(direction, sizes, is_exact).iter().map(work).collect()
    };
    kernel.forward_phases = works(Direction::Forward);
    kernel.backward_phases = works(Direction::Backward(&tracked));
    let sum = |phases: &[Work]| phases.iter().fold(Work::default(), |sum, &work| sum.and(work));
    (kernel.forward, kernel.backward) = (sum(&kernel.forward_phases), sum(&kernel.backward_phases));
    let program = &compiled.whole.program;
    let results: f64 = program.outputs.iter().map(|&id| compiled.numbers(id, sizes)).sum();
    let kept = compiled.kept_numbers(&tracked, sizes);
    let made: f64 = compiled.gradients(&tracked).into_iter().map(|id| compiled.numbers(id, sizes)).sum();
    kernel.kept_bytes = FLOAT_BYTES * kept + TENSOR_BYTES * compiled.n_kept(&tracked) as f64;
    kernel.scratch_bytes =
        FLOAT_BYTES * (compiled.peak_numbers(true, &tracked, sizes) - results - kept).max(0.0);
    kernel.backward_scratch_bytes =
        FLOAT_BYTES * (compiled.peak_numbers(false, &tracked, sizes) - made).max(0.0);
    kernel.weight_gradients = program
        .weights
        .iter()
        .map(|spec| spec.shape.iter().map(|dim| dim.known().unwrap_or(0) as f64).product::<f64>())
        .sum();
}

fn work(launch: &Launch) -> Work {
    Work {
        flops: launch.flops,
        products: launch.products,
        outputs: launch.outputs,
        exponentials: launch.exponentials,
        gathered: launch.gathered,
        lookups: launch.lookups,
        streamed: launch.streamed,
        elements: launch.elements,
        singles: launch.singles,
        general: launch.general,
        copies: 0.0,
        row_visits: launch.visits,
        dots: launch.dots,
        erfs: launch.erfs,
        lone_exponentials: 0.0,
        exact: launch.exact,
        random: launch.random,
        dropped: 0.0,
        sorted: 0.0,
        calls: 0.0,
        jobs: launch.jobs,
        longest: 1.0 / launch.jobs,
    }
}
