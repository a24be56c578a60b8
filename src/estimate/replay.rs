//! Memory of one step, replayed from its trace: results pile up on the way forward, gradients come and go on the way back.

use crate::plan::trace::{FLOAT_BYTES, Kernel, Trace};

/// Bytes of a step beside weights and the batch itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepMemory {
    /// Results that are kept for the backward pass, all of them until it has ended.
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

fn result_bytes(kernel: &Kernel) -> f64 {
    if kernel.is_view { 0.0 } else { FLOAT_BYTES * kernel.result.numbers() }
}

/// A training step.
pub fn training(trace: &Trace) -> StepMemory {
    let (mut kept, mut peak) = (0.0, 0.0f64);
    for kernel in trace.kernels() {
        let result = result_bytes(kernel) + kernel.kept_bytes;
        peak = peak.max(kept + result + kernel.scratch_bytes);
        kept += result;
    }
    // Gradients that wait for the kernel that made their tensor.
    let mut waiting = vec![0.0; trace.n_matrices()];
    let mut live = 0.0;
    for kernel in trace.kernels().iter().rev().filter(|kernel| kernel.result.is_tracked) {
        let own = std::mem::take(&mut waiting[kernel.result.id]);
        let wanted = kernel.args.iter().filter(|arg| arg.is_tracked && !kernel.is_view);
        let new: f64 = wanted.clone().map(|arg| FLOAT_BYTES * arg.numbers()).sum();
        let weights = FLOAT_BYTES * kernel.weight_gradients;
        peak = peak.max(kept + live + new + weights + kernel.backward_scratch_bytes);
        for arg in wanted {
            let bytes = FLOAT_BYTES * arg.numbers();
            if waiting[arg.id] > 0.0 {
                // The sum of two gradients stands beside both for a moment.
                peak = peak.max(kept + live + new + weights + bytes);
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
        let bytes = result_bytes(kernel) + kernel.kept_bytes;
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
        // weights' transpose. The first layer's has less.
        let gradients = 4.0 * (4.0 * 5.0 + 4.0 * 3.0 + (15.0 + 5.0) + 15.0);
        assert_eq!(memory.peak_bytes, kept + gradients);
    }

    #[test]
    fn evaluation_lets_go_of_what_nothing_reads() {
        assert_eq!(evaluation(&two_layers(), 3), 4.0 * (4.0 * 3.0 + 4.0 * 5.0));
    }
}
