//! Memory of one step, replayed from its trace: what gradients read piles up on the way forward; on the way back it goes
//! with the kernel that reads it last, and gradients come and go.

use crate::memory::Places;
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

/// What happens to memory in a step: blocks are taken and given back by number.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Take {
        block: usize,
        bytes: f64,
    },
    Give {
        block: usize,
    },
    /// The forward pass has ended.
    Turn,
}

/// The events of a step, in their order.
#[derive(Debug, Default)]
struct Events {
    all: Vec<Event>,
    n_blocks: usize,
}

impl Events {
    /// A block that stays until it is given back; `None` where there is nothing to take.
    fn take(&mut self, bytes: f64) -> Option<usize> {
        if bytes <= 0.0 {
            return None;
        }
        let block = self.n_blocks;
        self.n_blocks += 1;
        self.all.push(Event::Take { block, bytes });
        Some(block)
    }

    fn give(&mut self, block: Option<usize>) {
        self.all.extend(block.map(|block| Event::Give { block }));
    }

    /// A block for as long as a kernel runs.
    fn use_for_a_while(&mut self, bytes: f64) {
        let block = self.take(bytes);
        self.give(block);
    }

    /// Of a training step: what gradients read is kept until the kernel has run backward that reads it last, a gradient
    /// until the kernel has read it that made its tensor.
    fn of_training(trace: &Trace) -> Self {
        let kernels = trace.kernels();
        let owners = trace::owners(kernels, trace.n_matrices());
        let backward_readers = trace::last_backward_readers(kernels, trace.n_matrices());
        // A value goes with the stage that reads it last, one inside of a stage with the kernel that does, unless a gradient
        // is computed from it.
        let stage_of = |kernel: &Kernel| kernel.stage.unwrap_or(usize::MAX);
        let mut last_stage = vec![0; trace.n_matrices()];
        let mut last_kernel = vec![0; trace.n_matrices()];
        for (at, kernel) in kernels.iter().enumerate() {
            for id in kernel.args.iter().map(|arg| arg.id).chain([kernel.result.id]) {
                last_stage[owners[id]] = stage_of(kernel).max(last_stage[owners[id]]);
                last_kernel[owners[id]] = at;
            }
        }
        let mut events = Self::default();
        let mut passing: Vec<(usize, usize, Option<usize>)> = Vec::new();
        // By kernel: what it is the last to read.
        let mut frees: Vec<Vec<Option<usize>>> = vec![Vec::new(); kernels.len()];
        for (at, kernel) in kernels.iter().enumerate() {
            let stage = stage_of(kernel);
            passing.retain(|&(id, of, block)| {
                let stays =
                    if last_stage[id] == of { last_kernel[id] >= at } else { last_stage[id] >= stage };
                if !stays {
                    events.give(block);
                }
                stays
            });
            let result = events.take(kernel.result_bytes());
            frees[at].push(events.take(kernel.kept_bytes));
            events.use_for_a_while(kernel.scratch_bytes);
            match backward_readers[kernel.result.id] {
                Some(reader) => frees[reader].push(result),
                None => passing.push((kernel.result.id, stage, result)),
            }
        }
        events.all.push(Event::Turn);
        // Gradients that wait for the kernel that made their tensor.
        let mut waiting: Vec<Option<usize>> = vec![None; trace.n_matrices()];
        let mut of_weights = Vec::new();
        for (at, kernel) in kernels.iter().enumerate().rev().filter(|(_, kernel)| kernel.result.is_tracked) {
            let own = waiting[kernel.result.id].take();
            if kernel.is_view {
                // The gradient is handed on in another shape.
                match kernel.args.first() {
                    Some(arg) if waiting[arg.id].is_none() => waiting[arg.id] = own,
                    _ => events.give(own),
                }
            } else {
                let wanted: Vec<_> = kernel.args.iter().filter(|arg| arg.is_tracked).collect();
                let made: Vec<_> =
                    wanted.iter().map(|arg| events.take(FLOAT_BYTES * arg.numbers())).collect();
                of_weights.push(events.take(FLOAT_BYTES * kernel.weight_gradients));
                events.use_for_a_while(kernel.backward_scratch_bytes);
                for (arg, made) in wanted.into_iter().zip(made) {
                    waiting[arg.id] = match waiting[arg.id] {
                        None => made,
                        // The sum of two gradients stands beside both for a moment.
                        before => {
                            let sum = events.take(FLOAT_BYTES * arg.numbers());
                            events.give(before);
                            events.give(made);
                            sum
                        }
                    };
                }
                events.give(own);
            }
            for block in std::mem::take(&mut frees[at]) {
                events.give(block);
            }
        }
        // The loss and what it reads stay with whoever asked for them, gradients of weights until the update.
        let passing = passing.into_iter().map(|(.., block)| block);
        for block in passing.chain(frees.into_iter().flatten()).chain(of_weights).chain(waiting) {
            events.give(block);
        }
        events
    }

    /// Of a forward pass alone: the result of a stage is freed once its last reader has run.
    fn of_evaluation(trace: &Trace, n_stages: usize) -> Self {
        let stage_of = |kernel: &Kernel| kernel.stage.unwrap_or(n_stages);
        let mut last_reader = vec![0; trace.n_matrices()];
        for kernel in trace.kernels() {
            for arg in kernel.args.iter().chain([&kernel.result]) {
                last_reader[arg.id] = stage_of(kernel).max(last_reader[arg.id]);
            }
        }
        let mut events = Self::default();
        let mut held: Vec<(usize, Option<usize>)> = Vec::new();
        let mut stage = 0;
        for kernel in trace.kernels() {
            if stage_of(kernel) != stage {
                stage = stage_of(kernel);
                held.retain(|&(last, block)| {
                    if last < stage {
                        events.give(block);
                    }
                    last >= stage
                });
            }
            let block = events.take(kernel.result_bytes() + kernel.kept_bytes);
            held.push((last_reader[kernel.result.id], block));
            events.use_for_a_while(kernel.scratch_bytes);
        }
        held.into_iter().for_each(|(_, block)| events.give(block));
        events
    }
}

/// A training step.
pub fn training(trace: &Trace) -> StepMemory {
    run(&Events::of_training(trace))
}

fn run(events: &Events) -> StepMemory {
    let mut bytes_of = vec![0.0; events.n_blocks];
    let mut memory = StepMemory::default();
    let mut live = 0.0;
    for &event in &events.all {
        match event {
            Event::Take { block, bytes } => {
                bytes_of[block] = bytes;
                live += bytes;
                memory.peak_bytes = memory.peak_bytes.max(live);
            }
            Event::Give { block } => live -= bytes_of[block],
            Event::Turn => memory.kept_bytes = live,
        }
    }
    memory
}

/// Bytes that the pool of tensors holds beyond what is in use while these steps run one after another: a block that is
/// free is too short for the next request, or lies between two that are not.
pub fn gaps(traces: &[&Trace]) -> f64 {
    gaps_of(&traces.iter().map(|trace| Events::of_training(trace)).collect::<Vec<_>>())
}

fn gaps_of(steps: &[Events]) -> f64 {
    let mut places = Places::new();
    let mut most = 0.0f64;
    for events in steps {
        let mut blocks: Vec<(Option<usize>, f64)> = vec![(None, 0.0); events.n_blocks];
        let mut live = 0.0;
        for &event in &events.all {
            match event {
                Event::Take { block, bytes } => {
                    let place = places.take(bytes as usize);
                    blocks[block] = (place, bytes);
                    live += place.map_or(0.0, |_| bytes);
                    most = most.max(live);
                }
                Event::Give { block } => {
                    if let (Some(place), bytes) = blocks[block] {
                        places.give(place, bytes as usize);
                        live -= bytes;
                    }
                }
                Event::Turn => {}
            }
        }
    }
    (places.reached_bytes() as f64 - most).max(0.0)
}

/// A forward pass alone: the most that is in use, and what the pool holds beyond it.
pub fn evaluation(trace: &Trace, n_stages: usize) -> (f64, f64) {
    let events = [Events::of_evaluation(trace, n_stages)];
    (run(&events[0]).peak_bytes, gaps_of(&events))
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
    fn steps_of_one_kind_fit_into_what_the_first_one_held() {
        let mut small = Trace::new(true, Vec::new());
        let mut large = Trace::new(true, Vec::new());
        for (trace, rows) in [(&mut small, 3000.0), (&mut large, 5000.0)] {
            let mut x = trace.given(rows, 16.0);
            for _ in 0..4 {
                x = trace.linear(x, 32.0, true, Activation::Relu);
            }
        }
        let once = gaps(&[&large]);
        assert_eq!(gaps(&[&large, &large, &large]), once);
        // Blocks of another size leave gaps between them, but far fewer than the steps hold.
        let mixed = gaps(&[&large, &small, &large]);
        assert!(mixed >= once && mixed < training(&large).peak_bytes, "{mixed} {once}");
    }

    #[test]
    fn evaluation_lets_go_of_what_nothing_reads() {
        assert_eq!(evaluation(&two_layers(), 3).0, 4.0 * (4.0 * 3.0 + 4.0 * 5.0));
    }
}
