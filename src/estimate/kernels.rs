//! What a support vector machine on a graph kernel takes: no network and no steps, so memory for counts and Gram matrices alone.

use super::fits::Shortage;
use super::{ProcessMemory, Request, dataset_bytes};
use crate::data::Dataset;
use crate::gram::Kernel;
use crate::memory::room::Room;
use crate::train::{TrainError, units};
use serde::Serialize;

/// Graphs whose counts stand for those of all.
const N_COUNTED: usize = 32;

/// Bytes of a count with its feature, and what it takes beside that while its step is compared.
const COUNT_BYTES: f64 = 16.0;
const COMPARED_BYTES: f64 = 48.0;

/// A run in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelEstimate {
    pub n_parameters: usize,
    pub n_graphs: usize,
    pub n_runs: usize,
    /// Gram matrices: one for each `h` that is tried.
    pub n_matrices: usize,
    /// Machines of several classes that are fitted in each run: one for each `h` and `c`.
    pub n_ways: usize,
    pub memory: KernelMemory,
}

/// Bytes, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct KernelMemory {
    /// The process before it has read anything.
    pub process_bytes: f64,
    pub dataset_bytes: f64,
    /// Features of all graphs with their counts; by some of the graphs.
    pub counts_bytes: f64,
    pub matrices_bytes: f64,
    pub peak_bytes: f64,
}

impl KernelEstimate {
    /// Of a model that is a kernel and a machine; `None` of any other.
    ///
    /// # Errors
    /// Where the data cannot be cut as the protocol asks.
    pub fn new(request: &Request) -> Result<Option<Self>, TrainError> {
        let Some([kernel, machine]) = request.model.machine() else { return Ok(None) };
        let Some(kernel) = Kernel::of(&request.model.graph[kernel]) else { return Ok(None) };
        let (dataset, process) = (request.dataset, request.process);
        let n_matrices = kernel.depths.len();
        Ok(Some(Self {
            n_parameters: 0,
            n_graphs: dataset.n_graphs(),
            n_runs: units(request.settings, dataset)?.len(),
            n_matrices,
            n_ways: n_matrices * request.model.graph[machine].args.floats("c").len(),
            memory: memory(&kernel, dataset, process),
        }))
    }
}

fn memory(kernel: &Kernel, dataset: &Dataset, process: ProcessMemory) -> KernelMemory {
    let n = dataset.n_graphs() as f64;
    let entries = entries(kernel, dataset);
    let counts_bytes = entries.iter().sum::<f64>() * COUNT_BYTES
        + entries.iter().copied().fold(0.0, f64::max) * COMPARED_BYTES;
    // One more holds the sums over the steps.
    let matrices_bytes = 8.0 * n * n * (kernel.depths.len() + 1) as f64;
    let peak_bytes = process.read_bytes + process.code_bytes + counts_bytes + matrices_bytes;
    KernelMemory {
        process_bytes: process.base_bytes + process.code_bytes,
        dataset_bytes: dataset_bytes(dataset),
        counts_bytes,
        matrices_bytes,
        peak_bytes,
    }
}

/// Counts of all graphs at each step, by those of some graphs for each of their nodes.
fn entries(kernel: &Kernel, dataset: &Dataset) -> Vec<f64> {
    let step = dataset.n_graphs().div_ceil(N_COUNTED).max(1);
    let graphs: Vec<u32> = (0..dataset.n_graphs() as u32).step_by(step).collect();
    let n_nodes: usize = graphs.iter().map(|&graph| dataset.graph_nodes(graph as usize).len()).sum();
    let share = dataset.n_nodes() as f64 / n_nodes.max(1) as f64;
    let counts = kernel.counts(dataset, &graphs, kernel.depth());
    counts.iter().map(|step| step.features.len() as f64 * share).collect()
}

/// Whether the run fits; `None` where it does.
///
/// # Errors
/// Where the data cannot be cut as the protocol asks.
pub(super) fn shortage(
    request: &Request,
    room: Room,
    allowed_bytes: f64,
) -> Result<Option<Shortage>, TrainError> {
    let Some(estimate) = KernelEstimate::new(request)? else { return Ok(None) };
    let peak_bytes = estimate.memory.peak_bytes;
    Ok((peak_bytes > allowed_bytes).then(|| Shortage {
        peak_bytes,
        allowed_bytes,
        room,
        n_graphs: estimate.n_graphs,
        n_nodes: request.dataset.n_nodes() as f64,
        n_edges: request.dataset.n_edges() as f64,
        n_matrices: estimate.n_matrices,
        ways: Vec::new(),
    }))
}
