//! Programs of operators: what their phases cost together.

use super::{FLOAT_BYTES, Kernel, Matrix, Structure, Trace, Value, Work};
use crate::kernels::program::{Compiled, Direction, Launch, Rowwise, Sizes};
use crate::ops::program::{Described, Place};
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

impl Trace {
    /// `kernels::program::run`
    pub(crate) fn program(
        &mut self,
        described: &Described,
        compiled: &Arc<Compiled>,
        inputs: &[Value],
    ) -> Value {
        let first = &inputs[0];
        let n_edges = match &first.structure {
            Structure::Sparse(graphs) => graphs.n_edges(),
            Structure::Clusters { n_graphs, k, .. } => n_graphs * k * k,
            Structure::Edges(_) | Structure::Slots { .. } | Structure::Graphs { .. } => 0.0,
        };
        let sizes = Sizes { graphs: first.structure.n_graphs(), rows: first.x.rows, edges: n_edges };
        let mut args: Vec<Matrix> = described.ports.iter().map(|&port| inputs[port].x).collect();
        if let (true, Structure::Clusters { adjacency: Some(adjacency), .. }) =
            (described.reads_adjacency, &first.structure)
        {
            args.push(*adjacency);
        }
        // An input that the program takes no gradient to, as attention takes none to how strongly clusters are joined.
        for (arg, gradient) in args.iter_mut().zip(&compiled.whole.of_inputs) {
            arg.is_tracked &= gradient.is_some();
        }
        let has_weights = !described.program.weights.is_empty();
        let program = &described.program;
        let width_of = |k: usize| -> f64 {
            let axes = &program.value(program.outputs[k]).axes;
            axes.iter().map(|size| size.known().unwrap_or(0) as f64).product()
        };
        let (rows, width, structure) = match described.place {
            Place::Rows => (first.x.rows, width_of(0), None),
            Place::Graphs => (sizes.graphs, width_of(0), Some(Structure::Graphs { n_graphs: sizes.graphs })),
            Place::Clusters => {
                let axes = &program.value(program.outputs[0]).axes;
                let k = axes[0].known().unwrap_or(0) as f64;
                let adjacency = described
                    .adjacency()
                    .map(|_| self.kernel("program", &args, has_weights, [sizes.graphs, k * k], |_| ()));
                let clusters = Structure::Clusters { n_graphs: sizes.graphs, k, adjacency };
                (sizes.graphs * k, width_of(0) / k.max(1.0), Some(clusters))
            }
        };
        let bytes = compiled.map_bytes(sizes);
        let is_first = bytes > 0.0 && !self.mapped.contains(&sizes.rows);
        let map_bytes = if is_first { bytes } else { 0.0 };
        self.mapped.extend(is_first.then_some(sizes.rows));
        let x = self.kernel("program", &args, has_weights, [rows, width], |kernel| {
            fill(kernel, compiled, sizes);
            kernel.kept_bytes += map_bytes;
        });
        let at = self.kernels.len() - 1;
        let mut results = vec![x];
        if let Some(Structure::Clusters { adjacency, .. }) = &structure {
            results.extend(*adjacency);
        }
        let first_loss = described.first_loss();
        for (k, name) in described.losses.iter().enumerate() {
            let loss = self.kernel("program", &[x], false, [sizes.graphs, width_of(first_loss + k)], |_| ());
            self.losses.push((name, loss));
            results.push(loss);
        }
        self.kernels[at].program = Some(Ran { compiled: compiled.clone(), sizes, results });
        Value { x, structure: structure.unwrap_or_else(|| first.structure.clone()) }
    }
}

impl Trace {
    /// `kernels::program::Rowwise::run`
    pub(crate) fn rowwise(
        &mut self,
        name: &'static str,
        rowwise: &Rowwise,
        args: &[Matrix],
        shapes: &[&[usize]],
    ) -> Matrix {
        let widths: Vec<usize> = args.iter().map(|arg| arg.width as usize).collect();
        let compiled = rowwise.compiled(&widths, shapes);
        let program = &compiled.whole.program;
        let rows = args[0].rows;
        let width = program.value(program.outputs[0]).known_width() as f64;
        let sizes = Sizes { graphs: 1.0, rows, edges: 0.0 };
        let result = self
            .kernel(name, args, !shapes.is_empty(), [rows, width], |kernel| fill(kernel, compiled, sizes));
        let ran = Ran { compiled: compiled.clone(), sizes, results: vec![result] };
        self.kernels.last_mut().expect("recorded").program = Some(ran);
        result
    }
}

/// Bytes of a tensor beside its numbers: its shape, strides, locks and counts of readers.
const TENSOR_BYTES: f64 = 400.0;

/// What the passes of a program cost and keep.
fn fill(kernel: &mut Kernel, compiled: &Compiled, sizes: Sizes) {
    let tracked: Vec<bool> = kernel.args.iter().map(|arg| arg.is_tracked).collect();
    kernel.forward = work(&compiled.launches(Direction::Forward, sizes), sizes.rows);
    kernel.backward = work(&compiled.launches(Direction::Backward(&tracked), sizes), sizes.rows);
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

fn work(launches: &[Launch], rows: f64) -> Work {
    let mut all = Work::by_rows(rows);
    for launch in launches {
        all.flops += launch.flops;
        all.products += launch.products;
        all.outputs += launch.outputs;
        all.exponentials += launch.exponentials;
        all.gathered += launch.gathered;
        all.lookups += launch.lookups;
        all.streamed += launch.streamed;
    }
    all
}
