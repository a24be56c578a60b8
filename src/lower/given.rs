//! Stages that compute nothing: what the data brings, and edges laid out anew.

use super::{ForwardCx, Module, Structure, Value};
use crate::kernels::graph::{Csr, Origin, Remaining};
use crate::kernels::program::{Arguments, Compiled, Random, Topology, run};
use crate::kernels::{self, tape};
use crate::ops::Action;
use crate::ops::structure::lift;
use crate::types::Entity;
use candle_core::{DType, Device, Result, Tensor, bail};
use petgraph::graph::NodeIndex;
use std::sync::Arc;

/// The module of an operator without a program.
///
/// # Errors
/// Where it has to have one.
pub fn module(name: &str, action: Action, entity: Entity, node: NodeIndex) -> Result<Box<dyn Module>> {
    match action {
        Action::Input => Ok(Box::new(Given)),
        Action::RemainingEdges => Ok(Box::new(RemainingEdges { is_kind: entity == Entity::EdgeKinds })),
        Action::EdgesOfPairs => Ok(Box::new(EdgesOfPairs)),
        Action::Lift => Ok(Box::new(Lift)),
        Action::Colours { buckets, steps } => Ok(Box::new(Colours { buckets, steps })),
        Action::DropEdge { p } => Ok(Box::new(DropEdge { p, node })),
        _ => bail!("`{name}` has no program"),
    }
}

struct Lift;

impl Module for Lift {
    fn forward(&self, inputs: &[&Value], _: &mut ForwardCx) -> Result<Value> {
        let (x, to) = (&inputs[0].x, inputs[1]);
        let n_rows = to.x.dims()[0];
        let lifted = match &inputs[0].structure {
            Structure::Clusters { n_graphs, k, assignment: Some(s), .. } => {
                let width = x.dims()[1];
                let compiled = Arc::new(Compiled::new(&lift::of_shares(*k, width), &[true, true]));
                let of_graphs = tape::reshape(x, (*n_graphs, *k, width))?;
                let topology = Topology::rows(to.structure.offsets());
                let mut results = run(&Arguments {
                    compiled: &compiled,
                    inputs: &[s.clone(), of_graphs],
                    weights: &[],
                    topology: &topology,
                    random: Random { seed: None },
                    like: s,
                })?;
                results.remove(0)
            }
            Structure::Sparse(graph) => match &graph.origin {
                Some(Origin::Merged(members)) if members.n_cols == n_rows => {
                    let mut of_nodes = vec![0u32; n_rows];
                    for row in 0..members.n_rows() {
                        members.row(row).iter().for_each(|&node| of_nodes[node as usize] = row as u32);
                    }
                    kernels::gather_rows(x, &Arc::new(of_nodes))?
                }
                Some(Origin::Kept(nodes)) if nodes.last().is_none_or(|&last| (last as usize) < n_rows) => {
                    let mut offsets = vec![0u32; n_rows + 1];
                    nodes.iter().for_each(|&node| offsets[node as usize + 1] = 1);
                    (0..n_rows).for_each(|row| offsets[row + 1] += offsets[row]);
                    let indices = (0..nodes.len() as u32).collect();
                    kernels::sum_of_lists(x, &Arc::new(Csr { offsets, indices, n_cols: nodes.len() }))?
                }
                _ => bail!("`lift` got nodes that no pooling of the rows it leads to made"),
            },
            _ => bail!("`lift` got a value that no pooling made"),
        };
        Ok(Value { x: lifted, structure: to.structure.clone() })
    }
}

struct Colours {
    buckets: usize,
    steps: usize,
}

impl Module for Colours {
    fn forward(&self, inputs: &[&Value], cx: &mut ForwardCx) -> Result<Value> {
        let (x, structure) = (cx.stand_ins.written_out(inputs[0].x.clone())?, &inputs[0].structure);
        let Structure::Sparse(graph) = structure else { bail!("`wl` got a value that is not on nodes") };
        let (n_rows, width) = x.dims2()?;
        let rows: Vec<f64> =
            x.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let colours = kernels::colours(&rows, width, &graph.adjacency, self.steps);
        let counts = kernels::counted_colours(&colours, self.buckets);
        let counts = Tensor::from_vec(counts, (n_rows, self.buckets), &Device::Cpu)?.to_dtype(x.dtype())?;
        Ok(Value { x: counts.to_device(x.device())?, structure: structure.clone() })
    }
}

struct DropEdge {
    p: f64,
    /// Its place in the model, which its random numbers follow from.
    node: NodeIndex,
}

impl Module for DropEdge {
    fn forward(&self, inputs: &[&Value], cx: &mut ForwardCx) -> Result<Value> {
        let Structure::Sparse(graph) = &inputs[0].structure else {
            bail!("`drop_edge` got a value that is not on nodes")
        };
        let left = match cx.train && self.p > 0.0 {
            true => graph.without_edges(self.p, cx.seed_of(self.node.index() as u64, 0)),
            false => graph.with_all_edges(),
        };
        Ok(Value { x: inputs[0].x.clone(), structure: Structure::Sparse(Arc::new(left)) })
    }
}

struct Given;

impl Module for Given {
    fn forward(&self, inputs: &[&Value], _: &mut ForwardCx) -> Result<Value> {
        Ok(inputs[0].clone())
    }
}

struct EdgesOfPairs;

impl Module for EdgesOfPairs {
    fn forward(&self, inputs: &[&Value], cx: &mut ForwardCx) -> Result<Value> {
        let (Some(pairs), Some(edges)) = (&cx.pairs, &cx.pair_edges) else {
            bail!("a stage that reads the edges of pairs got pairs that are no edges")
        };
        let x = kernels::mean_of_lists(&inputs[0].x, edges, 0.0)?;
        Ok(Value { x, structure: Structure::Edges(pairs.clone()) })
    }
}

struct RemainingEdges {
    is_kind: bool,
}

impl Module for RemainingEdges {
    fn forward(&self, inputs: &[&Value], _: &mut ForwardCx) -> Result<Value> {
        let (Structure::Edges(_), Structure::Sparse(selected)) = (&inputs[0].structure, &inputs[1].structure)
        else {
            bail!("`remaining_edges` got a value that is not on edges, or nodes without edges")
        };
        let Some(entries) = &selected.remaining else {
            bail!("`remaining_edges` got nodes that no pooling made")
        };
        let structure = Structure::Edges(selected.clone());
        let Some(kinds) = selected.kinds.as_ref().filter(|_| self.is_kind) else {
            let x = match entries {
                Remaining::Kept(entries) => kernels::gather_rows(&inputs[0].x, entries)?,
                Remaining::Merged(lists) => kernels::sum_of_lists(&inputs[0].x, lists)?,
            };
            return Ok(Value { x, structure });
        };
        let shape = (kinds.of_entry.len(), 1);
        Ok(Value { x: Tensor::from_slice(&kinds.of_entry, shape, inputs[0].x.device())?, structure })
    }
}
