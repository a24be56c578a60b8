//! A small model of this machine: how fast each kind of work is, measured on kernels alone. A step's time is the sum
//! of its work over these rates.

use crate::files::{self, sealed};
use crate::kernels::graph::{Csr, SparseGraph};
use crate::kernels::program::Loops;
use crate::kernels::{self, Activation, Norm, tape, threads};
use crate::plan::trace::{FLOAT_BYTES, Kernel, Trace, Work};
use crate::regular;
use crate::system::processor;
use candle_core::{Device, Result, Tensor, Var};
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
    /// Numbers computed from others in a cache: vectors of them, and one at a time.
    pub elements: f64,
    pub singles: f64,
    pub general: f64,
    /// Rows copied, or added to another, as they stand.
    pub copies: f64,
    /// Numbers summed so that their order leaves no trace.
    pub exact: f64,
    /// Random numbers, and numbers that are dropped or kept by one.
    pub random: f64,
    pub dropped: f64,
    pub exponentials: f64,
    /// Those computed one at a time, and values of the error function.
    pub lone_exponentials: f64,
    pub erfs: f64,
    /// Dot products of short rows.
    pub dots: f64,
    /// Numbers sorted, times the logarithm of how many.
    pub sorted: f64,
    /// Seconds of a kernel that has nothing to do, forward and backward.
    pub call_s: f64,
    pub backward_call_s: f64,
    /// Seconds of handing jobs out to all threads and waiting for the last.
    pub share_s: f64,
    /// How many times faster all threads are than one, at work in their caches.
    pub speedup: f64,
    /// The same at work that goes through memory, which threads share.
    pub memory_speedup: f64,
    /// How many times longer it takes to fetch rows that lie anywhere in [`FAR_BYTES`] than in [`NEAR_BYTES`].
    pub far: f64,
    /// Bytes of files that a process has in memory once it has trained; `None` where the system does not say.
    pub trained_file_bytes: Option<f64>,
}

/// Rows of the graph that gathering is measured on, and numbers of one.
const ROWS: usize = 2048;
const WIDTH: usize = 64;

/// Nodes of a graph whose nodes are sorted.
const SORTED: usize = 32;

/// Rows of the graph on which it is measured how long rows take that no cache holds.
const FAR_ROWS: usize = 1 << 16;

/// Bytes of all rows of either graph.
const NEAR_BYTES: f64 = (4 * ROWS * WIDTH) as f64;
const FAR_BYTES: f64 = (4 * FAR_ROWS * WIDTH) as f64;

/// The version of what is measured; rates of another one are measured again.
const VERSION: u32 = 6;

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
        let all_s = patient(&|| kernels::linear(&x, &w, None, identity).map(drop))?;

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
        let dropout_s = alone(&|| kernels::dropout(&x, 0.5, 1).map(drop))?;
        let graph = Arc::new(ring(ROWS));
        let edges = graph.adjacency.n_entries() as f64;
        let short_s = alone(&|| kernels::propagate(&narrow, &graph, Norm::Sum).map(drop))?;
        let sum_s = alone(&|| kernels::propagate(&x, &graph, Norm::Sum).map(drop))?;
        // Graphs of 32 nodes, with scores in no order.
        let offsets = Arc::new((0..=ROWS as u32).step_by(SORTED).collect::<Vec<u32>>());
        let scores: Vec<f32> =
            (0..ROWS as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32).collect();
        let scores = Tensor::from_vec(scores, (ROWS, 1), &Device::Cpu)?;
        let sort_s = alone(&|| kernels::sort_rows(&scores, &offsets, 8).map(drop))?;
        let segment_s =
            alone(&|| kernels::segment_reduce(&narrow, &offsets, kernels::Reduce::Sum).map(drop))?;

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
        let large_s = patient(&|| kernels::activate(&large, Activation::Relu).map(drop))?;
        // One large graph: neighbours lie anywhere in it.
        let (far_x, far_graph) = (matrix(FAR_ROWS, WIDTH)?, Arc::new(scattered(FAR_ROWS)));
        let far_edges = far_graph.adjacency.n_entries() as f64;
        let far_s = threads::with_count(1, || {
            few_of(&|| kernels::propagate(&far_x, &far_graph, Norm::Sum).map(drop))
        })?;
        let loops = Loops::measure(&mut |run| best_time(run));
        let sorted = ROWS as f64 * (SORTED as f64).log2();
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
            row_visits: loops.visits,
            elements: loops.elements,
            singles: loops.singles,
            general: loops.general,
            copies: ROWS as f64 / segment_s,
            exact: loops.exact,
            random: loops.random,
            lone_exponentials: loops.lone_exponentials,
            erfs: loops.erfs,
            dots: loops.dots,
            dropped: numbers / dropout_s,
            exponentials: numbers / (tanh_s - relu_s / 8.0).max(1e-9),
            sorted: sorted / sort_s,
            call_s,
            backward_call_s: (taped_s - call_s).max(call_s),
            share_s: best_time(&mut || threads::each(threads::count(), &|_| {})),
            speedup: (dense_s / all_s).clamp(1.0, threads::count() as f64),
            memory_speedup: (relu_s / large_s).clamp(1.0, threads::count() as f64),
            trained_file_bytes: super::pages::after_training(),
            far: (far_s / far_edges / (sum_s / edges)).max(1.0),
        })
    }

    /// What the threads run on.
    pub fn name(&self) -> &str {
        if self.processor.is_empty() { "this machine" } else { &self.processor }
    }

    /// Seconds of a training step without the optimiser: every kernel forward and backward.
    pub fn step_s(&self, trace: &Trace) -> f64 {
        let kernels = trace.kernels().iter().map(|kernel| self.forward_s(kernel) + self.backward_s(kernel));
        let sums = trace.sums_of_gradients().into_iter().map(|numbers| self.sum_s(numbers));
        kernels.sum::<f64>() + sums.sum::<f64>()
    }

    /// Seconds of adding up two gradients of so many numbers.
    fn sum_s(&self, numbers: f64) -> f64 {
        self.call_s + self.alone_and_shared_s(&Work::elementwise(numbers, 3.0), self.product_flops, 1.0)
    }

    /// Seconds of a kernel's forward pass.
    pub fn forward_s(&self, kernel: &Kernel) -> f64 {
        if kernel.is_view || kernel.is_further_result() {
            return 0.0;
        }
        if kernel.forward_phases.is_empty() {
            return self.call_s + self.work_s(kernel, &kernel.forward, self.product_flops);
        }
        self.phases_s(kernel, &kernel.forward_phases)
    }

    /// Seconds of its backward pass.
    pub fn backward_s(&self, kernel: &Kernel) -> f64 {
        if !kernel.result.is_tracked || kernel.is_view || kernel.is_further_result() {
            return 0.0;
        }
        if kernel.backward_phases.is_empty() {
            return self.backward_call_s + self.work_s(kernel, &kernel.backward, self.backward_product_flops);
        }
        self.phases_s(kernel, &kernel.backward_phases)
    }

    /// The phases of a program, one after another. Each has its launch; products are those of blocks, in both directions.
    fn phases_s(&self, kernel: &Kernel, phases: &[Work]) -> f64 {
        self.call_s
            + phases
                .iter()
                .map(|work| self.call_s + self.work_s(kernel, work, self.product_flops))
                .sum::<f64>()
    }

    fn work_s(&self, kernel: &Kernel, work: &Work, product_flops: f64) -> f64 {
        self.alone_and_shared_s(work, product_flops, self.slowdown(kernel))
    }

    /// Seconds of work on one thread, in the caches.
    pub fn alone_s(&self, work: &Work) -> f64 {
        self.alone_and_shared_s(&Work { jobs: 1.0, ..*work }, self.product_flops, 1.0)
    }

    fn alone_and_shared_s(&self, work: &Work, product_flops: f64, slowdown: f64) -> f64 {
        let gathered = work.gathered / self.gathered + work.lookups / self.lookups;
        let computed = work.products / product_flops
            + work.outputs / self.product_outputs
            + gathered
            + work.row_visits / self.row_visits
            + work.exponentials / self.exponentials
            + work.lone_exponentials / self.lone_exponentials
            + work.erfs / self.erfs
            + work.dots / self.dots
            + work.elements / self.elements
            + work.singles / self.singles
            + work.general / self.general
            + work.copies / self.copies
            + work.exact / self.exact
            + work.random / self.random
            + work.dropped / self.dropped;
        let through_memory = work.streamed / self.streamed + gathered * (slowdown - 1.0);
        let alone = computed + through_memory;
        let shared = if alone < MIN_PARALLEL_S || work.jobs <= 1.0 {
            alone
        } else {
            let threads = self.threads as f64;
            // Whole jobs are handed out, so the last round may keep some threads idle.
            let rounds = (work.jobs / threads).ceil() * threads / work.jobs;
            let share = |speedup: f64| (rounds / speedup).max(work.longest).min(1.0);
            self.share_s + computed * share(self.speedup) + through_memory * share(self.memory_speedup)
        };
        shared + work.sorted / self.sorted + work.calls * self.call_s
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

/// The shortest of many runs: all threads have to be at work at once, which takes a while to happen beside other programs.
fn patient(f: &dyn Fn() -> Result<()>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..4 {
        best = best.min(best_of(f)?);
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

/// [`best_of`] of what cannot fail.
fn best_time(f: &mut dyn FnMut()) -> f64 {
    f();
    let began = Instant::now();
    let mut best = f64::INFINITY;
    let mut n_runs = 0;
    while n_runs < 5 || (began.elapsed().as_secs_f64() < 0.015 && n_runs < 200) {
        let run = Instant::now();
        f();
        best = best.min(run.elapsed().as_secs_f64());
        n_runs += 1;
    }
    best
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
            machine.elements,
            machine.singles,
            machine.general,
            machine.copies,
            machine.exact,
            machine.lone_exponentials,
            machine.erfs,
            machine.dots,
            machine.random,
            machine.dropped,
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
