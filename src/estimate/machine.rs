//! A small model of this machine: how fast each kind of work is, measured on kernels alone. A step's time is the sum
//! of its work over these rates.

use crate::files::{self, sealed};
use crate::kernels::graph::{Csr, SparseGraph};
use crate::kernels::{self, Activation, Norm, tape, threads};
use crate::plan::trace::dense::NORM_VISITS;
use crate::plan::trace::{FLOAT_BYTES, Kernel, Trace, Work};
use crate::regular;
use crate::system::processor;
use candle_core::{DType, Device, Result, Tensor, Var};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Rates of one thread in units a second, and what a call costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// As the system names it; empty where it does not.
    pub processor: String,
    pub threads: usize,
    /// FLOPs inside a matrix product.
    pub product_flops: f64,
    /// Numbers that a product writes, beyond its FLOPs.
    pub product_outputs: f64,
    /// FLOPs inside the products of a dense layer's backward pass.
    pub backward_product_flops: f64,
    /// Numbers fetched from rows that edges name.
    pub gathered: f64,
    /// Runs of columns that such rows are fetched in.
    pub lookups: f64,
    /// Numbers read or written in order.
    pub streamed: f64,
    /// Rows that a loop begins anew.
    pub row_visits: f64,
    pub exponentials: f64,
    /// Numbers sorted, times the logarithm of how many.
    pub sorted: f64,
    /// Seconds of a kernel that has nothing to do, forward and backward.
    pub call_s: f64,
    pub backward_call_s: f64,
    /// How many times faster all threads are than one, at work in their caches.
    pub speedup: f64,
    /// The same at work that goes through memory, which threads share.
    pub memory_speedup: f64,
    /// How many times longer it takes to fetch rows that lie anywhere in [`FAR_BYTES`] than in [`NEAR_BYTES`].
    pub far: f64,
}

/// Rows of the graph that gathering is measured on, and numbers of one.
const ROWS: usize = 2048;
const WIDTH: usize = 64;

/// Rows of the graph on which it is measured how long rows take that no cache holds.
const FAR_ROWS: usize = 1 << 16;

/// Bytes of all rows of either graph.
const NEAR_BYTES: f64 = (4 * ROWS * WIDTH) as f64;
const FAR_BYTES: f64 = (4 * FAR_ROWS * WIDTH) as f64;

/// The version of what is measured; rates of another one are measured again.
const VERSION: u32 = 5;

/// Saved rates have at most as many bytes.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    hgnnc: String,
    optimised: bool,
    machine: Machine,
}

/// Work below which a kernel stays on the calling thread, in seconds of one thread (`kernels/parallel.rs`).
const MIN_PARALLEL_S: f64 = 20e-6;

impl Machine {
    /// The rates saved in `folder` where they are of this processor and number of threads, else measured and saved there.
    ///
    /// # Errors
    /// Where Candle cannot allocate the few megabytes that are measured on.
    pub fn cached(folder: Option<&Path>) -> Result<Self> {
        let path = folder.map(|folder| folder.join(format!("machine-{}.json", threads::count())));
        // Rates that their checksum does not confirm are measured again.
        let saved = path.as_ref().and_then(|path| regular::read(path, MAX_BYTES).ok());
        let saved = saved.and_then(|bytes| sealed::open::<Saved>(&bytes).ok()?.sealed().ok());
        if let Some(saved) = saved
            && saved.version == VERSION
            && saved.hgnnc == env!("CARGO_PKG_VERSION")
            && saved.optimised != cfg!(debug_assertions)
            && saved.machine.processor == processor()
            && saved.machine.threads == threads::count()
        {
            return Ok(saved.machine);
        }
        let machine = Self::measure()?;
        if let (Some(folder), Some(path)) = (folder, path) {
            let saved = Saved {
                version: VERSION,
                hgnnc: env!("CARGO_PKG_VERSION").into(),
                optimised: !cfg!(debug_assertions),
                machine: machine.clone(),
            };
            // Without a folder to write to, the rates are measured again next time.
            let _ = std::fs::create_dir_all(folder);
            let _ = files::replace(&path, |out| out.write_all(sealed::seal(&saved).as_bytes()));
        }
        Ok(machine)
    }

    /// Measures for about a quarter of a second.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn measure() -> Result<Self> {
        let matrix = |rows: usize, width: usize| {
            let values: Vec<f32> = (0..rows * width).map(|i| (i * 7 % 23) as f32 * 0.1 - 1.0).collect();
            Tensor::from_vec(values, (rows, width), &Device::Cpu)
        };
        let (x, narrow) = (matrix(ROWS, WIDTH)?, matrix(ROWS, 4)?);
        let (w, w_narrow) = (matrix(WIDTH, WIDTH)?, matrix(4, WIDTH)?);
        let identity = Activation::Identity;
        let numbers = (ROWS * WIDTH) as f64;

        let alone = |f: &dyn Fn() -> Result<()>| threads::with_count(1, || best_of(f));
        let dense_s = alone(&|| kernels::linear(&x, &w, None, identity).map(drop))?;
        let narrow_s = alone(&|| kernels::linear(&narrow, &w_narrow, None, identity).map(drop))?;
        // Two products of one result size: what differs is the FLOPs, what is left are the outputs.
        let flops = |n_in: usize| 2.0 * n_in as f64 * numbers;
        let product_flops = (flops(WIDTH) - flops(4)) / (dense_s - narrow_s).max(1e-9);
        let product_outputs = numbers / (narrow_s - flops(4) / product_flops).max(1e-9);
        let all_s = best_of(&|| kernels::linear(&x, &w, None, identity).map(drop))?;

        let variable = Var::from_tensor(&x)?;
        let weight = Var::from_tensor(&w)?;
        let both_s = alone(&|| {
            tape::start();
            let y = kernels::linear(&variable, &weight, None, identity)?;
            tape::backward(&y).map(drop)
        })?;

        // Larger than the caches of one core, as the tensors of a step are together.
        let large = matrix(8 * ROWS, WIDTH)?;
        let relu_s = alone(&|| kernels::activate(&large, Activation::Relu).map(drop))?;
        let streamed = 2.0 * 8.0 * numbers / relu_s;
        let tanh_s = alone(&|| kernels::activate(&x, Activation::Tanh).map(drop))?;
        let graph = Arc::new(ring(ROWS));
        let edges = graph.adjacency.n_entries() as f64;
        let short_s = alone(&|| kernels::propagate(&narrow, &graph, Norm::Sum).map(drop))?;
        let sum_s = alone(&|| kernels::propagate(&x, &graph, Norm::Sum).map(drop))?;
        let scale = [Var::ones(4, DType::F32, &Device::Cpu)?, Var::zeros(4, DType::F32, &Device::Cpu)?];
        let running = (&scale[1], &scale[0]);
        let norm_s = alone(&|| {
            kernels::batch_norm(&narrow, &scale[0], &scale[1], running, 0.0, 1e-5, true, identity).map(drop)
        })?;
        let offsets = Arc::new(vec![0, ROWS as u32]);
        let sort_s = alone(&|| kernels::sort_rows(&narrow, &offsets, 8).map(drop))?;

        let one = Var::from_tensor(&matrix(1, 1)?)?;
        let call_s = alone(&|| kernels::linear(&one, &one, None, identity).map(drop))?;
        let chain = || -> Result<Tensor> {
            let mut y = one.as_tensor().clone();
            for _ in 0..8 {
                y = kernels::linear(&y, &one, None, identity)?;
            }
            Ok(y)
        };
        let taped_s = alone(&|| {
            tape::start();
            let y = chain()?;
            tape::backward(&y).map(drop)
        })? / 8.0;
        let large_s = best_of(&|| kernels::activate(&large, Activation::Relu).map(drop))?;
        // One large graph: neighbours lie anywhere in it.
        let (far_x, far_graph) = (matrix(FAR_ROWS, WIDTH)?, Arc::new(scattered(FAR_ROWS)));
        let far_edges = far_graph.adjacency.n_entries() as f64;
        let far_s = threads::with_count(1, || {
            few_of(&|| kernels::propagate(&far_x, &far_graph, Norm::Sum).map(drop))
        })?;
        let sorted = ROWS as f64 * (ROWS as f64).log2();
        Ok(Self {
            processor: processor(),
            threads: threads::count(),
            product_flops,
            product_outputs,
            backward_product_flops: 2.0 * flops(WIDTH) / (both_s - dense_s).max(1e-9),
            // A run of four columns and one of 64: what differs are the numbers, what is left is the run.
            gathered: edges * 60.0 / (sum_s - short_s).max(1e-9),
            lookups: edges / short_s,
            streamed,
            row_visits: NORM_VISITS * ROWS as f64 / norm_s,
            exponentials: numbers / (tanh_s - relu_s / 8.0).max(1e-9),
            sorted: sorted / sort_s,
            call_s,
            backward_call_s: (taped_s - call_s).max(call_s),
            speedup: (dense_s / all_s).clamp(1.0, threads::count() as f64),
            memory_speedup: (relu_s / large_s).clamp(1.0, threads::count() as f64),
            far: (far_s / far_edges / (sum_s / edges)).max(1.0),
        })
    }

    /// What the threads run on.
    pub fn name(&self) -> &str {
        if self.processor.is_empty() { "this machine" } else { &self.processor }
    }

    /// Seconds of a training step without the optimiser: every kernel forward and backward.
    pub fn step_s(&self, trace: &Trace) -> f64 {
        trace.kernels().iter().map(|kernel| self.forward_s(kernel) + self.backward_s(kernel)).sum()
    }

    /// Seconds of a kernel's forward pass.
    pub fn forward_s(&self, kernel: &Kernel) -> f64 {
        if kernel.is_view {
            return 0.0;
        }
        self.call_s + self.work_s(kernel, &kernel.forward, self.product_flops)
    }

    /// Seconds of its backward pass.
    pub fn backward_s(&self, kernel: &Kernel) -> f64 {
        if !kernel.result.is_tracked || kernel.is_view {
            return 0.0;
        }
        self.backward_call_s + self.work_s(kernel, &kernel.backward, self.backward_product_flops)
    }

    fn work_s(&self, kernel: &Kernel, work: &Work, product_flops: f64) -> f64 {
        let gathered = work.gathered / self.gathered + work.lookups / self.lookups;
        let computed = work.products / product_flops
            + work.outputs / self.product_outputs
            + gathered
            + work.row_visits / self.row_visits
            + work.exponentials / self.exponentials;
        let through_memory = work.streamed / self.streamed + gathered * (self.slowdown(kernel) - 1.0);
        let alone = computed + through_memory;
        let shared = if alone < MIN_PARALLEL_S || work.jobs <= 1.0 {
            alone
        } else {
            let threads = self.threads as f64;
            // Whole jobs are handed out, so the last round may keep some threads idle.
            let rounds = (work.jobs / threads).ceil() * threads / work.jobs;
            let share = |speedup: f64| (rounds / speedup).max(work.longest).min(1.0);
            computed * share(self.speedup) + through_memory * share(self.memory_speedup)
        };
        shared + work.sorted / self.sorted
    }

    /// How many times longer a kernel's rows take to fetch than rows in the caches: a graph's neighbours lie anywhere
    /// in its rows.
    fn slowdown(&self, kernel: &Kernel) -> f64 {
        let width = kernel.args.first().map_or(kernel.result.width, |x| x.width.min(kernel.result.width));
        let bytes = FLOAT_BYTES * kernel.graph_rows * width;
        let share = (bytes.max(1.0) / NEAR_BYTES).log2() / (FAR_BYTES / NEAR_BYTES).log2();
        1.0 + (self.far - 1.0) * share.clamp(0.0, 1.0)
    }
}

/// The shortest of three runs, where one takes long.
fn few_of(f: &dyn Fn() -> Result<()>) -> Result<f64> {
    f()?;
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let run = Instant::now();
        f()?;
        best = best.min(run.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// A graph in which each node hears two others that lie anywhere.
fn scattered(n: usize) -> SparseGraph {
    // Steps of a full period: every node is heard, and no two in a row lie near each other.
    let other = |node: usize, factor: usize| (node.wrapping_mul(factor) + 12_345) % n;
    let edges: Vec<(u32, u32)> = (0..n)
        .flat_map(|node| [40_503, 58_997].map(|factor| (other(node, factor) as u32, node as u32)))
        .collect();
    of_edges(n, &edges)
}

/// The shortest of several runs, of which each is long enough to be timed.
fn best_of(f: &dyn Fn() -> Result<()>) -> Result<f64> {
    f()?;
    let began = Instant::now();
    let mut best = f64::INFINITY;
    let mut n_runs = 0;
    while n_runs < 5 || (began.elapsed().as_secs_f64() < 0.015 && n_runs < 200) {
        let run = Instant::now();
        f()?;
        best = best.min(run.elapsed().as_secs_f64());
        n_runs += 1;
    }
    Ok(best)
}

/// A graph in which each node has four in-neighbours, near and far.
fn ring(n: usize) -> SparseGraph {
    let edges: Vec<(u32, u32)> = (0..n)
        .flat_map(|node| [1, 2, 17, 40].map(|step| (((node + step) % n) as u32, node as u32)))
        .collect();
    of_edges(n, &edges)
}

fn of_edges(n: usize, edges: &[(u32, u32)]) -> SparseGraph {
    let adjacency = Csr::from_edges(n, edges);
    let transpose = Arc::new(adjacency.transpose());
    SparseGraph::new(Arc::new(adjacency), transpose, Arc::new(vec![0, n as u32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_is_measured() {
        let machine = Machine::measure().unwrap();
        let rates = [
            machine.product_flops,
            machine.product_outputs,
            machine.backward_product_flops,
            machine.gathered,
            machine.lookups,
            machine.row_visits,
            machine.streamed,
            machine.exponentials,
            machine.sorted,
            machine.memory_speedup,
            machine.far,
        ];
        assert!(rates.iter().all(|rate| rate.is_finite() && *rate > 0.0), "{machine:?}");
        assert!(machine.call_s > 0.0 && machine.backward_call_s >= machine.call_s);
    }

    #[test]
    fn rates_are_read_from_where_they_were_saved() {
        let folder = tempfile::tempdir().unwrap();
        let first = Machine::cached(Some(folder.path())).unwrap();
        assert_eq!(Machine::cached(Some(folder.path())).unwrap(), first);
        let path = folder.path().join(format!("machine-{}.json", threads::count()));
        let text = std::fs::read_to_string(&path).unwrap();
        let faster = text.replace("\"speedup\": ", "\"speedup\": 9");
        assert_ne!(text, faster);
        std::fs::write(&path, faster).unwrap();
        assert!(Machine::cached(Some(folder.path())).unwrap().speedup <= threads::count() as f64);
        // The rates that were measured instead are saved.
        assert_ne!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
