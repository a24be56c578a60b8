//! Whether a run fits into the memory that there is, and what would.

use super::batches::{around_links, batch_bytes};
use super::{
    EstimateError, Estimator, FLOAT_BYTES, Graphs, ProcessMemory, Request, dataset_bytes, forward_bytes,
    ranking, weight_counts,
};
use crate::args::{ArgValue, Args};
use crate::data::{Dataset, EdgeReads};
use crate::ir::{Canonical, Model};
use crate::memory::room::Room;
use crate::plan::Tracer;
use crate::types::Entity;

/// What a run takes beyond the memory that is left.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortage {
    /// At the fullest moment, with what the process has now.
    pub peak_bytes: f64,
    /// What this process may come to: what it has now, and what is left.
    pub allowed_bytes: f64,
    pub room: Room,
    /// The batch of that moment.
    pub n_graphs: usize,
    pub n_nodes: f64,
    pub n_edges: f64,
    /// Of a graph kernel: Gram matrices over all graphs; 0 of a network.
    pub n_matrices: usize,
    /// What would fit.
    pub ways: Vec<Way>,
}

/// A change with which a run fits.
#[derive(Debug, Clone, PartialEq)]
pub enum Way {
    /// This many clusters in place of what is written; the clusters that this makes now.
    Clusters { operator: &'static str, written: String, n_clusters: usize, k: i64, peak_bytes: f64 },
    /// This many graphs a batch.
    BatchSize { size: usize, peak_bytes: f64 },
}

/// Numbers of clusters that are proposed.
const ROUND: [i64; 12] = [5000, 2000, 1000, 500, 200, 100, 50, 20, 10, 5, 2, 1];

/// Share of the allowed memory up to which something is proposed: an estimate is one.
const PROPOSED_SHARE: f64 = 0.9;

/// Whether a training run fits; `None` where it does, or where a width is not known before it begins.
///
/// # Errors
/// Where the data cannot be cut as the protocol asks.
pub fn training(request: &Request, room: Room) -> Result<Option<Shortage>, EstimateError> {
    if request.model.machine().is_some() {
        let allowed_bytes = allowed(&room, request.process);
        return Ok(super::kernels::shortage(request, room, allowed_bytes)?);
    }
    let estimator = match Estimator::new(request.clone()) {
        Err(EstimateError::Symbolic { .. }) => return Ok(None),
        estimator => estimator?,
    };
    let (batch_size, allowed_bytes) = (request.settings.batch_size, allowed(&room, request.process));
    // Whichever graphs meet: this needs no look at all the shuffles.
    if estimator.most(batch_size) <= allowed_bytes {
        return Ok(None);
    }
    let (largest, memory) = estimator.run_memory(batch_size);
    if memory.peak_bytes <= allowed_bytes {
        return Ok(None);
    }
    let largest =
        if memory.evaluation_bytes > 0.0 { estimator.evaluation(batch_size, &memory).0 } else { largest };
    let proposed_bytes = PROPOSED_SHARE * allowed_bytes;
    let mut ways: Vec<Way> = clusters(request, proposed_bytes).into_iter().collect();
    if let Some(size) = estimator.propose(proposed_bytes).batch_size.filter(|&size| size < batch_size) {
        ways.push(Way::BatchSize { size, peak_bytes: estimator.run_memory(size).1.peak_bytes });
    }
    Ok(Some(Shortage { ways, ..shortage(memory.peak_bytes, allowed_bytes, room, &largest) }))
}

/// Whether measuring parts of the data with a trained model, or predicting for them, fits; `None` where it does. Parts
/// are lists of graphs, in the order in which batches are cut from them; `ranked` are lists of links that are ranked.
pub fn evaluation(
    model: &Model,
    dataset: &Dataset,
    parts: &[Vec<u32>],
    ranked: &[Vec<u32>],
    batch_size: usize,
    process: ProcessMemory,
    room: Room,
) -> Option<Shortage> {
    let tracer = Tracer::new(model, &dataset.facts(), dataset.is_symmetric())?;
    let numbers: usize =
        tracer.plan().steps.iter().flat_map(|step| weight_counts(&tracer, step.node)).map(|(n, _)| n).sum();
    // The weights as read and as used.
    let lasting =
        process.base_bytes + process.code_bytes + dataset_bytes(dataset) + 2.0 * FLOAT_BYTES * numbers as f64;
    let allowed_bytes = allowed(&room, process);
    let peak = |graphs: &Graphs| {
        let (forward, gaps) = forward_bytes(&tracer, graphs);
        let step = forward + batch_bytes(dataset, EdgeReads::of(model), graphs);
        (lasting + step + gaps).max(process.read_bytes)
    };
    let mut worst: Option<(f64, Graphs)> = None;
    for graphs in parts.iter().flat_map(|part| part.chunks(batch_size)) {
        let sizes = sizes(dataset, graphs);
        let peak = peak(&sizes);
        if worst.as_ref().is_none_or(|(most, _)| peak > *most) {
            worst = Some((peak, sizes));
        }
    }
    for links in ranked {
        let messages = sizes(dataset, &[]);
        let step = ranking::bytes(&tracer, dataset, &messages, links)
            + batch_bytes(dataset, EdgeReads::of(model), &messages);
        if worst.as_ref().is_none_or(|(most, _)| lasting + step > *most) {
            worst = Some((lasting + step, messages));
        }
    }
    let (peak_bytes, graphs) = worst.filter(|(peak, _)| *peak > allowed_bytes)?;
    Some(shortage(peak_bytes, allowed_bytes, room, &graphs))
}

fn shortage(peak_bytes: f64, allowed_bytes: f64, room: Room, graphs: &Graphs) -> Shortage {
    Shortage {
        peak_bytes,
        allowed_bytes,
        room,
        n_graphs: graphs.nodes.len(),
        n_nodes: graphs.n_nodes(),
        n_edges: graphs.n_edges(),
        n_matrices: 0,
        ways: Vec::new(),
    }
}

/// Bytes that the process may come to in all.
fn allowed(room: &Room, process: ProcessMemory) -> f64 {
    process.read_bytes + room.left_bytes as f64
}

fn sizes(dataset: &Dataset, graphs: &[u32]) -> Graphs {
    if dataset.links.is_some() {
        // Each beside one that is none.
        let all: Vec<u32> = (0..dataset.n_graphs() as u32).collect();
        let Graphs { nodes, edges, .. } = whole(dataset, &all);
        return around_links(&nodes, &edges, 2 * graphs.len());
    }
    whole(dataset, graphs)
}

fn whole(dataset: &Dataset, graphs: &[u32]) -> Graphs {
    let offsets = &dataset.adjacency.offsets;
    let nodes = || graphs.iter().map(|&graph| dataset.graph_nodes(graph as usize));
    Graphs {
        nodes: nodes().map(|nodes| nodes.len() as f64).collect(),
        edges: nodes().map(|nodes| f64::from(offsets[nodes.end] - offsets[nodes.start])).collect(),
        pairs: dataset.edge_items.as_ref().map_or(0.0, |items| {
            graphs.iter().map(|&graph| items.of_graph(graph as usize).len() as f64).sum()
        }),
        ..Graphs::default()
    }
}

/// The largest round number of clusters, in place of what the poolings of the input's nodes say, with which the run
/// stays below a limit.
fn clusters(request: &Request, limit_bytes: f64) -> Option<Way> {
    let facts = request.dataset.facts();
    let mut filled = request.model.clone();
    filled.fill_in(&facts);
    let (form, nodes) = Canonical::with_nodes(request.model);
    let is_first = |stage: usize| {
        let (stage, node) = (&form.stages[stage], nodes[stage]);
        let of_nodes =
            stage.inputs.first().is_some_and(|&input| filled.graph[nodes[input]].ty.entity == Entity::Nodes);
        of_nodes && filled.graph[node].ty.entity == Entity::Clusters && stage.args.get("k").is_some()
    };
    let stages: Vec<usize> = (0..form.stages.len()).filter(|&stage| is_first(stage)).collect();
    let rows = |&stage: &usize| filled.graph[nodes[stage]].ty.rows.size.known();
    // The one with most clusters is named; where there are several, all get as many.
    let named = *stages.iter().max_by_key(|stage| rows(stage))?;
    let n_clusters = rows(&named)?;
    let peak = |k: i64| {
        let mut form = form.clone();
        for &stage in &stages {
            set_clusters(&mut form.stages[stage].args, k);
        }
        let model = form.model(Some(&facts)).ok()?;
        let estimator = Estimator::new(Request { model: &model, ..request.clone() }).ok()?;
        Some(estimator.run_memory(request.settings.batch_size).1.peak_bytes)
    };
    let fitting = ROUND.into_iter().filter(|&k| (k as usize) < n_clusters).find_map(|k| {
        let peak_bytes = peak(k)?;
        (peak_bytes <= limit_bytes).then_some((k, peak_bytes))
    });
    let (k, peak_bytes) = fitting?;
    let stage = &form.stages[named];
    let written = match stage.args.get("ratio").map(|arg| &arg.value) {
        Some(ArgValue::Float(ratio)) => format!("ratio = {ratio}"),
        Some(ArgValue::Int(ratio)) => format!("ratio = {ratio}"),
        _ => format!("k = {n_clusters}"),
    };
    Some(Way::Clusters { operator: stage.op.name(), written, n_clusters, k, peak_bytes })
}

fn set_clusters(args: &mut Args, k: i64) {
    for arg in &mut args.0 {
        match arg.name {
            "ratio" => arg.value = ArgValue::Absent,
            "k" => arg.value = ArgValue::Int(k),
            _ => {}
        }
    }
}
