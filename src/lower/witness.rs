//! The witness: runs a lowered model on graphs and on the same graphs renumbered, and measures what changes.
//! For an accepted model that is rounding alone; for one that was refused for its symmetry it is the evidence.
//!
//! A model that sorts or selects rows by their values is run in the numbers that it is trained in: there, rounding
//! would make equal rows differ.

use super::{BuildError, ForwardCx, Network};
use crate::args::{ArgKind, EdgeValue};
use crate::check::Checked;
use crate::data::batch::EdgeReads;
use crate::data::synthetic::{RandomGraphs, random_graphs, renumber, twin_graphs};
use crate::data::{Dataset, EdgeItems, GraphBatch, links};
use crate::gram::{self, Kernel};
use crate::ir::Model;
use crate::kernels::graph::Csr;
use crate::ops::Action;
use crate::ops::input::edges;
use crate::plan::{chooses_by_value, stages};
use crate::types::{Entity, Size};
use candle_core::{DType, Device, Tensor};
use petgraph::graph::NodeIndex;
use std::sync::Arc;

/// How often each graph is renumbered.
const N_RENUMBERINGS: u64 = 3;

/// Graphs of a data set that are run, at most; fewer where they are large.
const MAX_GRAPHS: usize = 16;
const MAX_NODES: usize = 4000;

/// Deviations up to here, relative to the largest output, are rounding: sums of a few thousand terms in
/// another order, in 64-bit numbers.
pub const ROUNDING: f64 = 1e-9;

/// The same in 32-bit numbers.
pub const ROUNDING_F32: f64 = 1e-4;

/// Stages, weights and operations on an average graph of a model that [`choice_witness`] runs, at most.
const MAX_CHOICE_STAGES: usize = 200;
const MAX_CHOICE_PARAMETERS: usize = 1_000_000;
const MAX_CHOICE_FLOPS: f64 = 2e7;

/// What renumbering changed.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Witness {
    /// As messages call the data.
    pub data: String,
    pub n_graphs: usize,
    /// Renumberings of each graph.
    pub n_renumberings: u64,
    /// Largest difference of an output, divided by the largest output.
    pub deviation: f64,
    /// The output that changed most.
    pub largest: Option<Change>,
    /// Deviations up to here are rounding.
    pub rounding: f64,
}

/// One output before and after the nodes were renumbered.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Change {
    /// Index of the graph in the data.
    pub graph: u32,
    /// For a result of nodes: index in the graph, before.
    pub node: Option<u32>,
    /// Which output: a class, or a value.
    pub output: usize,
    pub before: f64,
    pub after: f64,
}

impl Witness {
    /// Whether what changed is no more than rounding.
    pub fn is_symmetric(&self) -> bool {
        self.deviation <= self.rounding
    }
}

/// Why there is no witness.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("the model could not be run: {0}")]
    Run(#[from] candle_core::Error),
    #[error("output {output} of graph {graph} of {data} is not finite")]
    NotFinite { data: String, graph: u32, output: usize },
}

/// Runs `model`, freshly initialised and in evaluation, on graphs of `data`, or on random ones.
///
/// # Errors
/// Where the model cannot be built or run, or an output is not finite.
pub fn witness(model: &Checked<Model>, data: Option<&Dataset>) -> Result<Witness, WitnessError> {
    match data {
        Some(data) => witness_on(model, data),
        None => witness_on(model, &random_graphs(&wanted_graphs(model.get()))),
    }
}

/// The witness of a model that sorts or selects rows by their values, on small random graphs in which many rows are
/// equal; `None` for any other model, and for one that is too large to be run within milliseconds, so that every check
/// can have it.
///
/// # Errors
/// Where the model cannot be built or run, or an output is not finite.
pub fn choice_witness(model: &Checked<Model>) -> Option<Result<Witness, WitnessError>> {
    if model.get().graph.node_count() > MAX_CHOICE_STAGES || !chooses_by_value(model.get()) {
        return None;
    }
    let graphs = RandomGraphs { n_graphs: 4, mean_degree: 3.0, ..wanted_graphs(model.get()) };
    let data = twin_graphs(&graphs);
    let costs = stages(model.get(), Some(&data.facts()));
    let parameters: usize = costs.iter().map(|stage| stage.parameters.unwrap_or(0)).sum();
    let flops: f64 = costs.iter().map(|stage| stage.flops.unwrap_or(f64::INFINITY)).sum();
    let is_small = parameters <= MAX_CHOICE_PARAMETERS && flops <= MAX_CHOICE_FLOPS;
    is_small.then(|| witness_on(model, &data))
}

fn witness_on(model: &Checked<Model>, data: &Dataset) -> Result<Witness, WitnessError> {
    let (dtype, rounding) =
        if chooses_by_value(model.get()) { (DType::F32, ROUNDING_F32) } else { (DType::F64, ROUNDING) };
    let kernel = model.get().machine().and_then(|[kernel, _]| Kernel::of(&model.get().graph[kernel]));
    let network = match &kernel {
        Some(_) => None,
        None => Some(Network::build(model, &data.facts(), dtype, &Device::Cpu, 0)?),
    };
    let of_pairs = (model.get().graph[model.get().output].ty.entity == Entity::Pairs)
        .then(|| Pairs::of(model.get(), data));
    // Pairs are of all nodes, and so are the rows that a table learns.
    let graphs = if of_pairs.is_some() { (0..data.n_graphs() as u32).collect() } else { some_graphs(data) };
    let run = |data: &Dataset, moved: Option<&[u32]>| -> Result<Vec<Vec<f64>>, WitnessError> {
        // A machine reads of a graph what it has in common with others.
        if let Some(kernel) = &kernel {
            return Ok(gram::alike(kernel, data, &graphs));
        }
        let Some(network) = &network else { unreachable!("a model is a kernel or a network") };
        let mut batch = data.batch_for(EdgeReads::of(model.get()), &graphs, dtype, &Device::Cpu)?;
        if let Some(pairs) = &of_pairs {
            return Ok(pairs.run(model.get(), network, &mut batch, moved)?);
        }
        Ok(network.forward(&batch, &mut ForwardCx::evaluation())?.x.to_dtype(DType::F64)?.to_vec2()?)
    };
    let of_nodes = model.get().graph[model.get().output].ty.entity == Entity::Nodes;
    let before = run(data, None)?;
    let rows = match &of_pairs {
        Some(_) => before.iter().map(|_| Row { graph: 0, node: None, first_row: 0 }).collect(),
        None => rows(data, &graphs, of_nodes),
    };
    let scale = before.iter().flatten().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let mut found = Witness {
        data: data.name.clone(),
        n_graphs: graphs.len(),
        n_renumberings: N_RENUMBERINGS,
        deviation: 0.0,
        largest: None,
        rounding,
    };
    for seed in 0..N_RENUMBERINGS {
        let (renumbered, moved) = renumber(data, seed);
        let after = run(&renumbered, Some(&moved))?;
        for (place, row) in rows.iter().enumerate() {
            let new_place = match row.node {
                Some(node) => {
                    let first = data.graph_nodes(row.graph as usize).start;
                    row.first_row + (moved[first + node as usize] as usize - first)
                }
                None => place,
            };
            for (output, (&before, &after)) in before[place].iter().zip(&after[new_place]).enumerate() {
                if !before.is_finite() || !after.is_finite() {
                    return Err(WitnessError::NotFinite {
                        data: data.name.clone(),
                        graph: row.graph,
                        output,
                    });
                }
                let deviation = (before - after).abs() / if scale > 0.0 { scale } else { 1.0 };
                if deviation > found.deviation || found.largest.is_none() {
                    found.deviation = deviation;
                    found.largest = Some(Change { graph: row.graph, node: row.node, output, before, after });
                }
            }
        }
    }
    Ok(found)
}

/// Pairs of nodes that a model is asked about.
struct Pairs {
    ends: Vec<[u32; 2]>,
    kinds: Vec<u32>,
    n_kinds: usize,
    is_directed: bool,
    /// Whether they are edges, of a task on these.
    are_edges: bool,
}

/// Edges that are tried.
const MAX_EDGES: usize = 2_000;

/// Pairs of a node that are tried.
const PAIRS_A_NODE: usize = 3;

impl Pairs {
    fn of(model: &Model, data: &Dataset) -> Self {
        if model.task.is_of_edges() {
            let items = match &data.edge_items {
                Some(items) => items.clone(),
                None => Arc::new(EdgeItems::all(data, false)),
            };
            // Of parallel edges no two are told apart.
            let is_one = |[first, second]: &[u32; 2]| {
                let row = data.adjacency.row(*second as usize);
                row.partition_point(|other| other <= first) - row.partition_point(|other| other < first) == 1
            };
            let step = items.len().div_ceil(MAX_EDGES).max(1);
            let ends: Vec<[u32; 2]> =
                items.ends.iter().step_by(step).filter(|ends| is_one(ends)).copied().collect();
            return Self {
                ends,
                kinds: Vec::new(),
                n_kinds: 0,
                is_directed: items.is_directed,
                are_edges: true,
            };
        }
        let mut ends = Vec::new();
        for graph in 0..data.n_graphs() {
            let nodes = data.graph_nodes(graph);
            for (place, node) in nodes.clone().enumerate().filter(|_| nodes.len() > 1) {
                // Other nodes of the graph, at distances that are no multiples of each other.
                let other = |step: usize| (nodes.start + (place * 5 + step) % nodes.len()) as u32;
                let steps = (1..).step_by(7).take(PAIRS_A_NODE);
                ends.extend(steps.map(|step| [node as u32, other(step)]).filter(|ends| ends[0] != ends[1]));
            }
        }
        let n_kinds = data.n_edge_kinds();
        let kinds = (0..ends.len() * usize::from(n_kinds > 0)).map(|pair| (pair % n_kinds.max(1)) as u32);
        Self {
            kinds: kinds.collect(),
            n_kinds,
            ends,
            is_directed: links::are_directed(data),
            are_edges: false,
        }
    }

    /// The result for each pair, on the same graphs with their nodes moved.
    fn run(
        &self,
        model: &Model,
        network: &Network,
        batch: &mut GraphBatch,
        moved: Option<&[u32]>,
    ) -> candle_core::Result<Vec<Vec<f64>>> {
        let place = |node: u32| moved.map_or(node, |moved| moved[node as usize]);
        let ends = self.ends.iter().map(|ends| {
            let [first, second] = ends.map(place);
            // Of a link that leads nowhere the numbers of the nodes say which end comes first.
            if self.is_directed { [first, second] } else { [first.min(second), first.max(second)] }
        });
        let ends: Vec<[u32; 2]> = ends.collect();
        let n_nodes = batch.graph.n_nodes();
        let (pairs, order) =
            links::pairs(n_nodes, self.n_kinds, &ends, &self.kinds, &batch.graph.graph_offsets);
        batch.pairs = Some(Arc::new(pairs));
        if self.are_edges {
            let csr = &batch.graph.adjacency;
            let entry = |first: u32, second: u32| {
                csr.offsets[second as usize]
                    + csr.row(second as usize).partition_point(|&other| other < first) as u32
            };
            let mut lists = Csr { offsets: vec![0], indices: Vec::new(), n_cols: csr.n_entries() };
            for &pair in &order {
                let [first, second] = ends[pair as usize];
                lists.indices.push(entry(first, second));
                if !self.is_directed && first != second {
                    lists.indices.push(entry(second, first));
                }
                lists.offsets.push(lists.indices.len() as u32);
            }
            batch.pair_edges = Some(Arc::new(lists));
        }
        // Learned rows stay with their nodes.
        let is_table =
            |stage: NodeIndex| model.graph[stage].op.action(&model.graph[stage].args) == Action::Table;
        let tables: Vec<_> = network
            .parameters()
            .iter()
            .filter(|parameter| {
                let stage = parameter.name.split('.').next().and_then(|stage| stage.parse().ok());
                stage.is_some_and(|stage: usize| is_table(NodeIndex::new(stage)))
            })
            .map(|parameter| Ok((&parameter.var, parameter.var.copy()?.detach())))
            .collect::<candle_core::Result<_>>()?;
        if let Some(moved) = moved {
            let mut old_of = vec![0u32; moved.len()];
            (0u32..).zip(moved).for_each(|(old, &new)| old_of[new as usize] = old);
            let old_of = Tensor::new(old_of, &Device::Cpu)?;
            for (var, rows) in &tables {
                var.set(&rows.index_select(&old_of, 0)?)?;
            }
        }
        let rows = network.forward(batch, &mut ForwardCx::evaluation())?.x.to_dtype(DType::F64)?.to_vec2()?;
        for (var, rows) in &tables {
            var.set(rows)?;
        }
        let mut by_pair = vec![Vec::new(); rows.len()];
        order.iter().zip(rows).for_each(|(&pair, row)| by_pair[pair as usize] = row);
        Ok(by_pair)
    }
}

/// What a row of the result stands for.
struct Row {
    graph: u32,
    node: Option<u32>,
    /// First row of its graph in the batch.
    first_row: usize,
}

fn rows(data: &Dataset, graphs: &[u32], of_nodes: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for &graph in graphs {
        let first_row = rows.len();
        if of_nodes {
            let n_nodes = data.graph_nodes(graph as usize).len() as u32;
            rows.extend((0..n_nodes).map(|node| Row { graph, node: Some(node), first_row }));
        } else {
            rows.push(Row { graph, node: None, first_row });
        }
    }
    rows
}

/// Graphs spread over the data, as many as are run quickly; at least one.
fn some_graphs(data: &Dataset) -> Vec<u32> {
    let n_graphs = data.n_graphs();
    let step = n_graphs.div_ceil(MAX_GRAPHS).max(1);
    let mut n_nodes = 0;
    let mut graphs = Vec::new();
    for graph in (0..n_graphs).step_by(step) {
        n_nodes += data.graph_nodes(graph).len();
        if n_nodes > MAX_NODES && !graphs.is_empty() {
            break;
        }
        graphs.push(graph as u32);
    }
    graphs
}

/// Whether the columns of the data's edges are read as one number each (`weight = edges`).
fn reads_edges_as_weight(model: &Model) -> bool {
    model.nodes().any(|(idx, node)| {
        let weights = node.op.args().iter().filter(|spec| spec.kind == ArgKind::Edges(EdgeValue::Weight));
        let inputs = model.inputs(idx);
        let given = weights.filter_map(|spec| inputs.get(node.args.port(spec.name)?));
        given.into_iter().any(|&input| model.graph[input].ty.width.size == edges::COLUMNS)
    })
}

/// Kinds of edges of random graphs.
const N_EDGE_KINDS: usize = 3;

/// Random graphs with as many features and classes as the model asks for.
fn wanted_graphs(model: &Model) -> RandomGraphs {
    // A table of rows is of one graph.
    let has_table = model.nodes().any(|(_, node)| node.op.action(&node.args) == Action::Table);
    let n_graphs = if has_table { 1 } else { 8 };
    let default = RandomGraphs { n_graphs, ..RandomGraphs::default() };
    // `linear(8, in = 4)` right at the input fixes what the data has to bring.
    let stated = |columns: Size| {
        model.nodes().find_map(|(idx, node)| {
            let input = *model.inputs(idx).first()?;
            let reads_features = model.graph[input].ty.width.size == columns;
            let arg = node.args.get("in").filter(|_| reads_features)?;
            if let crate::args::ArgValue::Int(width) = arg.value { usize::try_from(width).ok() } else { None }
        })
    };
    let reads = EdgeReads::of(model);
    let n_features = stated(Size::Symbol("F")).unwrap_or(default.n_features);
    RandomGraphs {
        n_features,
        n_classes: model.outputs.known().unwrap_or(default.n_classes).max(1),
        n_edge_features: if !reads.features {
            0
        } else if reads_edges_as_weight(model) {
            1
        } else {
            // As many as nodes have, for a convolution that adds both.
            stated(edges::COLUMNS).unwrap_or(n_features)
        },
        n_edge_kinds: if reads.kinds { N_EDGE_KINDS } else { 0 },
        ..default
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::lower::testing::{compile, graphs};
    use crate::source::SourceMap;

    fn refused(text: &str) -> Checked<Model> {
        let mut sources = SourceMap::default();
        let main = sources.add("test.hgnn", text);
        let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
        let (program, _) = crate::syntax::load_program(&mut sources, main, &none);
        Checked::for_witness(check(&program, None).refused.expect("refused for its symmetry"))
    }

    #[test]
    fn accepted_models_change_by_rounding_alone() {
        for text in [
            "gcn(16) -> relu -> mean -> mlp",
            "gcn(16) -> diffpool(ratio = 0.25) -> flatten -> mlp",
            "linear(8, in = 4) -> sort_pool(3) -> flatten -> linear(7)",
            "gcn(16) -> relu -> gcn",
            "conv near(out) {\n message = linear(out, relu(x_j + e_ij))\n aggregate = [mean, max]\n}\n\
             model = near(8, edge = edges) -> relu -> topk(ratio = 0.5) -> near(8, edge = bonds) -> sum -> linear\n\
             edges -> linear(16) -> tanh as bonds",
        ] {
            let found = witness(&compile(text, None), None).unwrap();
            let bound = if found.rounding == ROUNDING { 1e-13 } else { 2e-6 };
            assert!(found.deviation < bound, "{text}: {found:?}");
        }
        let data = graphs();
        let found = witness(&compile("sage(8) -> sum -> mlp", Some(&data.facts())), Some(&data)).unwrap();
        assert!(found.is_symmetric() && found.n_graphs == 6, "{found:?}");
    }

    #[test]
    fn choices_among_equal_rows_are_the_same_in_every_numbering() {
        for text in [
            "gcn(16) -> relu -> sort_pool(3) -> flatten -> linear",
            "gat(8, heads = 2) -> layer_norm(mode = graph) -> sage(8) -> sort_pool(3) -> flatten -> linear",
            "concat(identity, sage(1, root_weight = false)) -> sort_pool(4) -> flatten -> linear",
            "gin(16) -> topk(ratio = 0.3) -> gcn(8) -> topk(k = 2) -> sum -> linear",
            "sage(16, aggregate = max) -> sage(8, aggregate = sum) -> topk(k = 2) -> sum -> linear",
        ] {
            let found = choice_witness(&compile(text, None)).unwrap().unwrap();
            assert!(found.deviation < 2e-6, "{text}: {found:?}");
        }
        assert!(choice_witness(&compile("gcn(16) -> mean -> linear", None)).is_none());
        assert!(choice_witness(&compile("linear(999999) -> topk(k = 2) -> mean -> linear", None)).is_none());
    }

    /// Without sums that are the same in every numbering, the twin graphs tell.
    #[test]
    fn twin_graphs_show_sums_that_follow_the_numbering() {
        use crate::kernels::{self, Norm};
        let data = twin_graphs(&RandomGraphs { n_graphs: 4, mean_degree: 3.0, ..RandomGraphs::default() });
        let (renumbered, _) = renumber(&data, 0);
        let run = |data: &Dataset| {
            let graphs: Vec<u32> = (0..data.n_graphs() as u32).collect();
            let batch = data.batch(&graphs, DType::F32, &Device::Cpu).unwrap();
            let x = kernels::propagate(&batch.x, &batch.graph, Norm::Mean).unwrap();
            let sorted = kernels::sort_rows(&x, &batch.graph.graph_offsets, 8).unwrap();
            sorted.to_vec2::<f32>().unwrap()
        };
        assert_ne!(run(&data), run(&renumbered));
        let reproducible = |data: &Dataset| kernels::Summation::Reproducible.during(|| run(data));
        assert_eq!(reproducible(&data), reproducible(&renumbered));
    }

    #[test]
    fn models_refused_for_their_symmetry_are_shown_to_change() {
        for text in ["gcn(16) -> flatten -> mlp", "sage(16, aggregate = lstm) -> mean -> mlp"] {
            let found = witness(&refused(text), None).unwrap();
            assert!(found.deviation > 1e-4, "{text}: {found:?}");
            let change = found.largest.clone().unwrap();
            assert!(change.before != change.after && !found.is_symmetric());
        }
    }
}
