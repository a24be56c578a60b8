//! Memory of one step, replayed from its trace: what gradients read piles up on the way forward; on the way back it goes
//! with the kernel that reads it last, and gradients come and go.

use crate::plan::trace::{self, FLOAT_BYTES, Kernel, Trace};

/// Bytes of a step beside weights and the batch itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepMemory {
    /// Results that are kept when the backward pass begins.
    pub kept_bytes: f64,
    /// The most that is in use at one time.
    pub peak_bytes: f64,
}

impl StepMemory {
    /// What is in use at that time beyond the results that are kept: gradients in flight, and scratch space.
    pub fn temporary_bytes(&self) -> f64 {
        self.peak_bytes - self.kept_bytes
    }
}

/// A training step.
pub fn training(trace: &Trace) -> StepMemory {
    let kernels = trace.kernels();
    let owners = trace::owners(kernels, trace.n_matrices());
    let backward_readers = trace::last_backward_readers(kernels, trace.n_matrices());
    // A value goes with the stage that reads it last, one inside of a stage with the kernel that does, unless a gradient is
    // computed from it.
    let stage_of = |kernel: &Kernel| kernel.stage.unwrap_or(usize::MAX);
    let mut last_stage = vec![0; trace.n_matrices()];
    let mut last_kernel = vec![0; trace.n_matrices()];
    for (at, kernel) in kernels.iter().enumerate() {
        for id in kernel.args.iter().map(|arg| arg.id).chain([kernel.result.id]) {
            last_stage[owners[id]] = stage_of(kernel).max(last_stage[owners[id]]);
            last_kernel[owners[id]] = at;
        }
    }
    let (mut kept, mut peak) = (0.0, 0.0f64);
    let mut passing: Vec<(usize, usize, f64)> = Vec::new();
    for (at, kernel) in kernels.iter().enumerate() {
        let stage = stage_of(kernel);
        passing.retain(
            |&(id, of, _)| {
                if last_stage[id] == of { last_kernel[id] >= at } else { last_stage[id] >= stage }
            },
        );
        let result = kernel.result_bytes();
        let in_passing: f64 = passing.iter().map(|(.., bytes)| bytes).sum();
        peak = peak.max(kept + in_passing + result + kernel.kept_bytes + kernel.scratch_bytes);
        kept += kernel.kept_bytes;
        if backward_readers[kernel.result.id].is_some() {
            kept += result;
        } else if result > 0.0 {
            passing.push((kernel.result.id, stage, result));
        }
    }
    // The loss and what it reads stay with whoever asked for them.
    kept += passing.iter().map(|(.., bytes)| bytes).sum::<f64>();

    // What each kernel is the last to read.
    let mut frees: Vec<f64> = kernels.iter().map(|kernel| kernel.kept_bytes).collect();
    for kernel in kernels {
        if let Some(reader) = backward_readers[kernel.result.id] {
            frees[reader] += kernel.result_bytes();
        }
    }
    // Gradients that wait for the kernel that made their tensor.
    let mut waiting = vec![0.0; trace.n_matrices()];
    let (mut held, mut live) = (kept, 0.0);
    for (at, kernel) in kernels.iter().enumerate().rev().filter(|(_, kernel)| kernel.result.is_tracked) {
        let own = std::mem::take(&mut waiting[kernel.result.id]);
        let wanted = kernel.args.iter().filter(|arg| arg.is_tracked && !kernel.is_view);
        let new: f64 = wanted.clone().map(|arg| FLOAT_BYTES * arg.numbers()).sum();
        let weights = FLOAT_BYTES * kernel.weight_gradients;
        peak = peak.max(held + live + new + weights + kernel.backward_scratch_bytes);
        for arg in wanted {
            let bytes = FLOAT_BYTES * arg.numbers();
            if waiting[arg.id] > 0.0 {
                // The sum of two gradients stands beside both for a moment.
                peak = peak.max(held + live + new + weights + bytes);
            }
            if waiting[arg.id] == 0.0 {
                waiting[arg.id] = bytes;
                live += bytes;
            }
        }
        if kernel.is_view
            && let Some(arg) = kernel.args.first()
        {
            // The gradient is handed on in another shape.
            waiting[arg.id] = own.max(waiting[arg.id]);
        } else {
            live -= own;
        }
        live += weights;
        held -= frees[at];
    }
    StepMemory { kept_bytes: kept, peak_bytes: peak }
}

/// A forward pass alone: the result of a stage is freed once its last reader has run.
pub fn evaluation(trace: &Trace, n_stages: usize) -> f64 {
    let stage_of = |kernel: &Kernel| kernel.stage.unwrap_or(n_stages);
    let mut last_reader = vec![0; trace.n_matrices()];
    for kernel in trace.kernels() {
        for arg in &kernel.args {
            last_reader[arg.id] = stage_of(kernel).max(last_reader[arg.id]);
        }
        last_reader[kernel.result.id] = stage_of(kernel).max(last_reader[kernel.result.id]);
    }
    let (mut peak, mut live) = (0.0f64, 0.0);
    let mut held: Vec<(usize, f64)> = Vec::new();
    let mut stage = 0;
    for kernel in trace.kernels() {
        if stage_of(kernel) != stage {
            stage = stage_of(kernel);
            held.retain(|&(last, bytes)| {
                let stays = last >= stage;
                if !stays {
                    live -= bytes;
                }
                stays
            });
        }
        let bytes = kernel.result_bytes() + kernel.kept_bytes;
        peak = peak.max(live + bytes + kernel.scratch_bytes);
        live += bytes;
        held.push((last_reader[kernel.result.id], bytes));
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Activation, Summation};

    /// Two dense layers and a loss over four rows; widths 2 → 3 → 5.
    fn two_layers() -> Trace {
        let mut trace = Trace::new(true, Vec::new());
        let x = trace.given(4.0, 2.0);
        trace.begin(Some(1), None, false, Summation::Sequential);
        let y = trace.linear(x, 3.0, true, Activation::Relu);
        trace.begin(Some(2), None, false, Summation::Sequential);
        let y = trace.linear(y, 5.0, true, Activation::Identity);
        trace.begin(None, None, false, Summation::Sequential);
        trace.task_loss("mse", y, 0.0);
        trace
    }

    #[test]
    fn results_are_kept_and_gradients_come_on_top() {
        let memory = training(&two_layers());
        let kept = 4.0 * (4.0 * 3.0 + 4.0 * 5.0 + 1.0);
        assert_eq!(memory.kept_bytes, kept);
        // In the second layer's backward pass: its own gradient, that of its input, those of its weights, and the
        // weights' transpose. Its result has gone with the loss, which alone read it. The first layer's has less.
        let gradients = 4.0 * (4.0 * 5.0 + 4.0 * 3.0 + (15.0 + 5.0) + 15.0);
        assert_eq!(memory.peak_bytes, kept + gradients - 4.0 * (4.0 * 5.0));
    }

    #[test]
    fn evaluation_lets_go_of_what_nothing_reads() {
        assert_eq!(evaluation(&two_layers(), 3), 4.0 * (4.0 * 3.0 + 4.0 * 5.0));
    }
}
