//! Operators that are described by a program, as modules.

use super::{ForwardCx, LowerCx, Module, PoolingStats, Structure, Value};
use crate::kernels::program::{Arguments, Compiled, Random, Topology, run};
use crate::kernels::{self, tape};
use crate::ops::FactCx;
use crate::ops::program::{Described, Options, Place};
use candle_core::{Result, Tensor};
use petgraph::graph::NodeIndex;
use std::sync::Arc;

/// The module of an operator whose program `describe` gives for some options.
///
/// # Errors
/// Where the operator has no program: then it has to be lowered by itself.
pub fn lower(
    cx: &mut LowerCx,
    describe: impl Fn(&FactCx, Options) -> Option<Described>,
) -> Result<Box<dyn Module>> {
    let facts = FactCx { args: cx.args, inputs: cx.inputs, output: cx.output };
    let options = |wanted_losses, wants_assignment: bool, has_loops| Options {
        activation: cx.activation,
        wanted_losses,
        // Statistics of an assignment read nothing else.
        wants_adjacency: cx.needs_adjacency && !wants_assignment,
        wants_assignment,
        has_loops,
    };
    let variant = |options: Options| -> Result<Variant> {
        let Some(described) = describe(&facts, options) else {
            candle_core::bail!("`{}` has neither a program nor a module", cx.node.op.name())
        };
        let wanted = vec![true; described.program.inputs.len()];
        let compiled = Arc::new(Compiled::new(&described.program, &wanted));
        Ok(Variant { described, compiled })
    };
    // Losses and statistics are results of their own, which most passes do not ask for.
    let losses = cx.node.op.losses();
    let variants = |has_loops| -> Result<Variants> {
        let plain = variant(options(&[], false, has_loops))?;
        let with_losses =
            if losses.is_empty() { None } else { Some(variant(options(losses, false, has_loops))?) };
        let with_stats = variant(options(&[], true, has_loops))?;
        let with_stats = with_stats.described.has_assignment.then_some(with_stats);
        Ok(Variants { plain, with_losses, with_stats })
    };
    // Most data has no loops, and what leaves them out need not look.
    let [without, with] = [variants(false)?, variants(true)?];
    let is_same = without.plain.described.program == with.plain.described.program;
    let with_loops = (!is_same).then_some(with);
    let plain = &without.plain;
    let weights = plain.described.program.weights.iter().map(|spec| cx.weights.tensor(spec.name)).collect();
    Ok(Box::new(ProgramModule { node: cx.idx, variants: without, with_loops, weights }))
}

struct Variant {
    described: Described,
    compiled: Arc<Compiled>,
}

struct Variants {
    plain: Variant,
    /// With every loss that the operator has.
    with_losses: Option<Variant>,
    /// With the assignment, for statistics.
    with_stats: Option<Variant>,
}

struct ProgramModule {
    /// Its place in the model, which its random numbers follow from.
    node: NodeIndex,
    variants: Variants,
    /// For graphs with loops, where that makes a difference.
    with_loops: Option<Variants>,
    weights: Vec<Tensor>,
}

impl ProgramModule {
    fn run(&self, variant: &Variant, inputs: &[&Value], cx: &ForwardCx) -> Result<Vec<Tensor>> {
        // The kinds of the edges come with the value that names them.
        let kinds = inputs.iter().find_map(|input| match &input.structure {
            Structure::Edges(graph) => graph.kinds.clone(),
            _ => None,
        });
        let topology = topology(&inputs[0].structure).with_kinds(kinds);
        let mut tensors: Vec<Tensor> =
            variant.described.ports.iter().map(|&port| inputs[port].x.clone()).collect();
        if variant.described.reads_adjacency {
            let Structure::Clusters { n_graphs, k, adjacency } = &inputs[0].structure else {
                candle_core::bail!("a stage on clusters got another value")
            };
            // Where nothing reads the edges, the pooling made none, and the program does not either.
            tensors.push(match adjacency {
                Some(adjacency) => tape::reshape(adjacency, (n_graphs * k * k, 1))?,
                None => Tensor::zeros((n_graphs * k * k, 1), inputs[0].x.dtype(), inputs[0].x.device())?,
            });
        }
        run(&Arguments {
            compiled: &variant.compiled,
            inputs: &tensors,
            weights: &self.weights,
            topology: &topology,
            random: Random { seed: cx.train.then(|| cx.seed_of(self.node.index() as u64, 0)) },
        })
    }
}

impl Module for ProgramModule {
    fn forward(&self, inputs: &[&Value], cx: &mut ForwardCx) -> Result<Value> {
        let is_wanted =
            |variant: &&Variant| variant.described.losses.iter().any(|loss| cx.wanted_losses.contains(loss));
        let has_loops = match &inputs[0].structure {
            Structure::Sparse(graph) => self.with_loops.is_some() && Topology::sparse(graph).has_loops(),
            _ => true,
        };
        let variants = self.with_loops.as_ref().filter(|_| has_loops).unwrap_or(&self.variants);
        let variant = variants.with_losses.as_ref().filter(is_wanted).unwrap_or(&variants.plain);
        let results = self.run(variant, inputs, cx)?;
        let described = &variant.described;
        for (k, &name) in described.losses.iter().enumerate() {
            if cx.wanted_losses.contains(&name) {
                cx.losses.push((name, results[described.first_loss() + k].clone()));
            }
        }
        let structure = &inputs[0].structure;
        let x = results[0].clone();
        Ok(match described.place {
            Place::Rows => Value { x, structure: structure.clone() },
            Place::Graphs => Value { x, structure: Structure::Graphs { n_graphs: structure.n_graphs() } },
            Place::Clusters => {
                let (n_graphs, k, width) = x.dims3()?;
                if let (true, Some(variant)) = (cx.wants_pooling_stats, &variants.with_stats) {
                    let results = self.run(variant, inputs, cx)?;
                    let assignment = variant.described.assignment().expect("asked for");
                    let graphs = kernels::pooling_stats(&results[assignment], &structure.offsets())?;
                    cx.pooling.push(PoolingStats { node: self.node, n_clusters: k, graphs });
                }
                let x = tape::reshape(&x, (n_graphs * k, width))?;
                let adjacency = described.adjacency().map(|place| results[place].clone());
                Value { x, structure: Structure::Clusters { n_graphs, k, adjacency } }
            }
        })
    }
}

/// The index maps of a level.
fn topology(structure: &Structure) -> Topology {
    match structure {
        Structure::Sparse(graph) => Topology::sparse(graph),
        Structure::Clusters { n_graphs, k, .. } => Topology::pairs(*n_graphs, *k),
        Structure::Edges(_) | Structure::Slots { .. } | Structure::Graphs { .. } => {
            Topology::rows(structure.offsets())
        }
    }
}
