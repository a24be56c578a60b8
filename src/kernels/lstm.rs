//! Aggregation of neighbours by a recurrent network: the one aggregation that reads an order.

use super::custom::{Kernel, Mat, Shared, add_to, apply3, blocks, plain3, product, where_needed};
use super::float::Float;
use super::parallel::{Output, each};
use crate::kernels::graph::{Csr, SparseGraph};
use candle_core::{Result, Shape, Tensor};
use std::ops::Range;
use std::sync::Arc;

/// The last hidden state of an LSTM that reads the neighbours of each node in their stored order (ascending
/// sources), so the result depends on how the nodes are numbered.
///
/// Paper: Hamilton et al. 2017, "Inductive Representation Learning on Large Graphs", section 3.3. PyG:
/// `LSTMAggregation`, which pads shorter sequences with zeros and reads those too; here a sequence ends with its
/// last neighbour, so a node's result does not depend on the other nodes of the batch.
///
/// # Shapes
/// - `x`: `[N, I]`
/// - `w`: `[I + H, 4 · H]`, rows for the input, then for the hidden state; columns: input, forget, cell, output gate
/// - `bias`: `[4 · H]`
/// - result: `[N, H]`; a node without neighbours gets zeros
///
/// # Errors
/// Where the shapes do not fit.
pub fn lstm_aggregate(x: &Tensor, graph: &Arc<SparseGraph>, w: &Tensor, bias: &Tensor) -> Result<Tensor> {
    apply3(LstmAggregate(graph.adjacency.clone()), [x, w, bias])
}

/// Sequences that one task reads side by side.
const BLOCK: usize = 64;

struct LstmAggregate(Arc<Csr>);

#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    input: usize,
    hidden: usize,
}

impl LstmAggregate {
    fn sizes(&self, x: &Shape, w: &Shape) -> Result<Sizes> {
        let ((n, input), (w_rows, gates)) = (x.dims2()?, w.dims2()?);
        let hidden = gates / 4;
        if gates % 4 != 0 || w_rows != input + hidden || n != self.0.n_rows() {
            candle_core::bail!("lstm_aggregate: weights {w:?} do not fit features {x:?}");
        }
        Ok(Sizes { n, input, hidden })
    }

    fn work(&self, sizes: Sizes) -> usize {
        8 * (self.0.n_entries() * sizes.hidden * sizes.hidden + sizes.n * sizes.input * sizes.hidden)
    }

    /// `x W_x + b` of every node: a neighbour's part of the gates, the same in every sequence it is read in.
    fn input_gates<T: Float>(&self, x: &[T], w: &[T], bias: &[T], sizes: Sizes) -> Vec<T> {
        let gates = 4 * sizes.hidden;
        let out = Output::new(sizes.n * gates, 1);
        let shared = out.shared();
        let tasks: Vec<_> = blocks(sizes.n, 256).collect();
        each(tasks.len(), 2 * sizes.n * sizes.input * gates, |task| {
            let rows = tasks[task].clone();
            // SAFETY: blocks of rows do not overlap.
            let out = unsafe { shared.part(rows.start * gates..rows.end * gates) };
            for out in out.chunks_exact_mut(gates.max(1)) {
                out.copy_from_slice(bias);
            }
            let x = &x[rows.start * sizes.input..rows.end * sizes.input];
            let left = Mat::new(x, rows.len(), sizes.input, sizes.input);
            product(out, gates, left, Mat::new(w, sizes.input, gates, gates), true);
        });
        // SAFETY: the tasks cover all nodes, into each of which the bias was copied.
        unsafe { out.finish() }
    }

    /// Nodes of a block, longest sequence first: those still reading at any step are a prefix.
    fn by_length(&self, rows: Range<usize>) -> Vec<usize> {
        let mut nodes: Vec<_> = rows.collect();
        nodes.sort_by_key(|&node| std::cmp::Reverse(self.0.row(node).len()));
        nodes
    }

    /// Nodes of `by_length` whose sequence is longer than `step`.
    fn n_active(&self, nodes: &[usize], step: usize) -> usize {
        nodes.partition_point(|&node| self.0.row(node).len() > step)
    }
}

#[inline(always)]
fn sigmoid<T: Float>(x: T) -> T {
    T::ONE / (T::ONE + (-x).exp())
}

/// One step of the cell on the gates' sums, in place: `gates` become (i, f, g, o); gives the new cell and hidden state.
fn step<T: Float>(gates: &mut [T], cell: &mut [T], hidden: &mut [T]) {
    let width = cell.len();
    for unit in 0..width {
        let i = sigmoid(gates[unit]);
        let f = sigmoid(gates[width + unit]);
        let g = gates[2 * width + unit].tanh();
        let o = sigmoid(gates[3 * width + unit]);
        cell[unit] = f * cell[unit] + i * g;
        hidden[unit] = o * cell[unit].tanh();
        gates[unit] = i;
        gates[width + unit] = f;
        gates[2 * width + unit] = g;
        gates[3 * width + unit] = o;
    }
}

impl Kernel<3> for LstmAggregate {
    fn name(&self) -> &'static str {
        "lstm_aggregate"
    }

    fn forward<T: Float>(
        &self,
        [x, w, bias]: [&[T]; 3],
        [x_shape, w_shape, _]: [&Shape; 3],
    ) -> Result<(Vec<T>, Shape)> {
        let sizes = self.sizes(x_shape, w_shape)?;
        let Sizes { n, input, hidden } = sizes;
        let gates = 4 * hidden;
        let inputs = self.input_gates(x, w, bias, sizes);
        let recurrent = Mat::new(&w[input * gates..], hidden, gates, gates);
        let out = Output::new(n * hidden, 1);
        let shared = out.shared();
        let tasks: Vec<_> = blocks(n, BLOCK).collect();
        each(tasks.len(), self.work(sizes), |task| {
            let nodes = self.by_length(tasks[task].clone());
            let mut states = vec![T::ZERO; nodes.len() * hidden];
            let mut cells = states.clone();
            let mut sums = vec![T::ZERO; nodes.len() * gates];
            for t in 0.. {
                let n_active = self.n_active(&nodes, t);
                if n_active == 0 {
                    break;
                }
                for (&node, sums) in nodes[..n_active].iter().zip(sums.chunks_exact_mut(gates.max(1))) {
                    let source = self.0.row(node)[t] as usize;
                    sums.copy_from_slice(&inputs[source * gates..(source + 1) * gates]);
                }
                product(&mut sums, gates, Mat::new(&states, n_active, hidden, hidden), recurrent, true);
                for row in 0..n_active {
                    let unit = row * hidden..(row + 1) * hidden;
                    let sums = &mut sums[row * gates..(row + 1) * gates];
                    step(sums, &mut cells[unit.clone()], &mut states[unit]);
                }
            }
            for (row, &node) in nodes.iter().enumerate() {
                // SAFETY: every node is in one block.
                let out = unsafe { shared.part(node * hidden..(node + 1) * hidden) };
                out.copy_from_slice(&states[row * hidden..(row + 1) * hidden]);
            }
        });
        // SAFETY: the tasks cover all nodes, into each of which its last state was copied.
        Ok((unsafe { out.finish() }, (n, hidden).into()))
    }

    fn backward(&self, [x, w, bias]: [&Tensor; 3], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 3]> {
        // One pass gives all three: the gates' gradients, from which the rest are products.
        let packed = Tensor::cat(&[&w.detach(), &bias.detach().reshape((1, bias.elem_count()))?], 0)?;
        let of_all = plain3(LstmGrad(self.0.clone()), [x, &packed, grad])?;
        let (n_x, n_w) = (x.elem_count(), w.elem_count());
        Ok([
            where_needed(x, || of_all.narrow(0, 0, n_x)?.reshape(x.shape()))?,
            where_needed(w, || of_all.narrow(0, n_x, n_w)?.reshape(w.shape()))?,
            where_needed(bias, || of_all.narrow(0, n_x + n_w, bias.elem_count())?.reshape(bias.shape()))?,
        ])
    }
}

/// `[dx | dw | dbias]`, flat; the second argument is `w` with the bias as its last row. The states of the forward
/// pass are computed again and kept for one block of sequences at a time.
struct LstmGrad(Arc<Csr>);

impl Kernel<3> for LstmGrad {
    fn name(&self) -> &'static str {
        "lstm_aggregate_grad"
    }

    fn forward<T: Float>(
        &self,
        [x, packed, grad]: [&[T]; 3],
        [x_shape, packed_shape, _]: [&Shape; 3],
    ) -> Result<(Vec<T>, Shape)> {
        let lstm = LstmAggregate(self.0.clone());
        let (packed_rows, gates) = packed_shape.dims2()?;
        let (w, bias) = packed.split_at((packed_rows - 1) * gates);
        let sizes = lstm.sizes(x_shape, &(packed_rows - 1, gates).into())?;
        let Sizes { n, input, hidden } = sizes;
        let inputs = lstm.input_gates(x, w, bias, sizes);
        let recurrent = Mat::new(&w[input * gates..], hidden, gates, gates);

        // Gradients of the gates' sums, at the place of each entry of the adjacency.
        let of_gates = Output::new(self.0.n_entries() * gates, 1);
        let tasks: Vec<_> = blocks(n, BLOCK).collect();
        let mut of_recurrent: Vec<T> = vec![T::ZERO; tasks.len() * hidden * gates];
        let (shared, shared_w) = (of_gates.shared(), Shared::new(&mut of_recurrent));
        each(tasks.len(), 3 * lstm.work(sizes), |task| {
            let nodes = lstm.by_length(tasks[task].clone());
            let places: Vec<_> = nodes.iter().map(|&node| self.0.offsets[node] as usize).collect();
            // SAFETY: one matrix a block.
            let of_w = unsafe { shared_w.part(task * hidden * gates..(task + 1) * hidden * gates) };
            let mut run = Run::default();
            let (mut states, mut cells) =
                (vec![T::ZERO; nodes.len() * hidden], vec![T::ZERO; nodes.len() * hidden]);
            for t in 0.. {
                let n_active = lstm.n_active(&nodes, t);
                if n_active == 0 {
                    break;
                }
                let start = run.gates.len();
                for &node in &nodes[..n_active] {
                    let source = self.0.row(node)[t] as usize;
                    run.gates.extend_from_slice(&inputs[source * gates..(source + 1) * gates]);
                }
                run.states.extend_from_slice(&states[..n_active * hidden]);
                run.cells.extend_from_slice(&cells[..n_active * hidden]);
                let sums = &mut run.gates[start..];
                product(sums, gates, Mat::new(&states, n_active, hidden, hidden), recurrent, true);
                for row in 0..n_active {
                    let unit = row * hidden..(row + 1) * hidden;
                    step(
                        &mut sums[row * gates..(row + 1) * gates],
                        &mut cells[unit.clone()],
                        &mut states[unit],
                    );
                }
                run.active.push(n_active);
            }
            let mut of_states: Vec<T> =
                nodes.iter().flat_map(|&node| &grad[node * hidden..(node + 1) * hidden]).copied().collect();
            let mut of_cells = vec![T::ZERO; nodes.len() * hidden];
            // `cells` holds the cell after each step while going back; each step restores the one before.
            for (t, &n_active) in run.active.iter().enumerate().rev() {
                let gate_values = run.gates.split_off(run.gates.len() - n_active * gates);
                let before = run.cells.split_off(run.cells.len() - n_active * hidden);
                let states_before = run.states.split_off(run.states.len() - n_active * hidden);
                let mut of_sums = gate_values;
                for row in 0..n_active {
                    let unit = row * hidden..(row + 1) * hidden;
                    step_back(
                        &mut of_sums[row * gates..(row + 1) * gates],
                        &cells[unit.clone()],
                        &before[unit.clone()],
                        &of_states[unit.clone()],
                        &mut of_cells[unit],
                    );
                    let place = (places[row] + t) * gates;
                    // SAFETY: every entry of the adjacency belongs to one node.
                    unsafe { shared.part(place..place + gates) }
                        .copy_from_slice(&of_sums[row * gates..(row + 1) * gates]);
                }
                cells[..n_active * hidden].copy_from_slice(&before);
                let of_sums = Mat::new(&of_sums, n_active, gates, gates);
                product(&mut of_states, hidden, of_sums, recurrent.transposed(), false);
                let left = Mat::new(&states_before, n_active, hidden, hidden).transposed();
                product(of_w, gates, left, of_sums, true);
            }
        });
        // SAFETY: the tasks cover all nodes, and each copied the gradients of every entry of its nodes.
        let of_gates = unsafe { of_gates.finish() };

        // A neighbour's part of the gates collects from every sequence that read it, in the order of the entries.
        let mut of_inputs = vec![T::ZERO; n * gates];
        for (entry, &source) in self.0.indices.iter().enumerate() {
            let source = source as usize * gates;
            add_to(&mut of_inputs[source..source + gates], &of_gates[entry * gates..(entry + 1) * gates]);
        }
        let mut out = vec![T::ZERO; n * input + (input + hidden + 1) * gates];
        let (of_x, rest) = out.split_at_mut(n * input);
        let (of_w, of_bias) = rest.split_at_mut((input + hidden) * gates);
        let of_inputs_mat = Mat::new(&of_inputs, n, gates, gates);
        product(of_x, input, of_inputs_mat, Mat::new(w, input, gates, gates).transposed(), false);
        product(of_w, gates, Mat::new(x, n, input, input).transposed(), of_inputs_mat, false);
        for part in of_recurrent.chunks_exact((hidden * gates).max(1)) {
            add_to(&mut of_w[input * gates..], part);
        }
        for row in of_inputs.chunks_exact(gates.max(1)) {
            add_to(of_bias, row);
        }
        let len = out.len();
        Ok((out, len.into()))
    }
}

/// What a forward pass over one block leaves for the way back, step after step.
struct Run<T> {
    /// Sequences that read at each step.
    active: Vec<usize>,
    /// (i, f, g, o)
    gates: Vec<T>,
    /// Hidden states and cells before each step.
    states: Vec<T>,
    cells: Vec<T>,
}

impl<T> Default for Run<T> {
    fn default() -> Self {
        Self { active: Vec::new(), gates: Vec::new(), states: Vec::new(), cells: Vec::new() }
    }
}

/// `gates` (i, f, g, o) become the gradients of their sums; `of_cell` moves to the step before.
fn step_back<T: Float>(gates: &mut [T], cell: &[T], before: &[T], of_state: &[T], of_cell: &mut [T]) {
    let width = cell.len();
    for unit in 0..width {
        let (i, f) = (gates[unit], gates[width + unit]);
        let (g, o) = (gates[2 * width + unit], gates[3 * width + unit]);
        let bent = cell[unit].tanh();
        let of_o = of_state[unit] * bent;
        let of_c = of_cell[unit] + of_state[unit] * o * (T::ONE - bent * bent);
        gates[unit] = of_c * g * i * (T::ONE - i);
        gates[width + unit] = of_c * before[unit] * f * (T::ONE - f);
        gates[2 * width + unit] = of_c * i * (T::ONE - g * g);
        gates[3 * width + unit] = of_o * o * (T::ONE - o);
        of_cell[unit] = of_c * f;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::{
        Golden, assert_close, assert_gradients, graph, only, random, random_graph, same_bits_for_any_threads,
        values,
    };
    use candle_core::{DType, Device, Var};

    #[test]
    fn sequences_match_pyg() {
        // PyG pads a sequence that is shorter than another with rows of zeros: one before the second of the first case.
        check_sequences("aggr_lstm", 9, &[1]);
        check_sequences("aggr_lstm_single", 7, &[]);
    }

    /// `n` rows go to the sequences that the case tells, then a row of zeros to each sequence of `padded`. A node for each
    /// sequence reads it.
    fn check_sequences(name: &str, n: u32, padded: &[u32]) {
        let golden = Golden::load(name);
        let of_row: Vec<u32> =
            golden.integers("inputs/index").into_iter().chain(padded.iter().copied()).collect();
        let (n_rows, n_sequences) = (of_row.len(), *of_row.iter().max().unwrap() as usize + 1);
        let edges: Vec<_> =
            of_row.into_iter().zip(0..).map(|(to, from)| (from, n_rows as u32 + to)).collect();
        let graph = graph(&[(n_rows + n_sequences) as u32], &edges);
        let x = golden.tensor("inputs/x");
        let zeros = Tensor::zeros((padded.len() + n_sequences, 4), x.dtype(), x.device()).unwrap();
        let x = Tensor::cat(&[&x, &zeros], 0).unwrap();
        let part = |name: &str| golden.tensor(&format!("params/lstm.{name}"));
        let w = [part("weight_ih_l0").t().unwrap(), part("weight_hh_l0").t().unwrap()];
        let w = Tensor::cat(&[&w[0].contiguous().unwrap(), &w[1].contiguous().unwrap()], 0).unwrap();
        let bias = (part("bias_ih_l0") + part("bias_hh_l0")).unwrap();
        let [x, w, bias] = [&x, &w, &bias].map(|tensor| Var::from_tensor(tensor).unwrap());
        let out = lstm_aggregate(&x, &graph, &w, &bias).unwrap();
        let of_sequences = out.narrow(0, n_rows, n_sequences).unwrap();
        assert_close(&of_sequences, &golden.tensor("outputs/out"), 1e-8);
        assert!(values(&out.narrow(0, 0, n_rows).unwrap()).iter().all(|&value| value == 0.0));
        let loss = (of_sequences * golden.tensor("cotangents/out")).unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        let of_x = grads.get(&x).unwrap().narrow(0, 0, n as usize).unwrap();
        assert_close(&of_x, &golden.tensor("grads/x"), 1e-8);
        let of_w = grads.get(&w).unwrap();
        let expected = golden.tensor("grads/param:lstm.weight_ih_l0").t().unwrap();
        assert_close(&of_w.narrow(0, 0, 4).unwrap(), &expected, 1e-8);
        let expected = golden.tensor("grads/param:lstm.weight_hh_l0").t().unwrap();
        assert_close(&of_w.narrow(0, 4, 6).unwrap(), &expected, 1e-8);
        assert_close(grads.get(&bias).unwrap(), &golden.tensor("grads/param:lstm.bias_ih_l0"), 1e-8);
    }

    #[test]
    fn gradients_match_finite_differences() {
        for degree in [2.0, 0.0] {
            let graph = random_graph(&[4, 1, 3], degree, false, 1);
            let args = [random(&[8, 3], 2), random(&[5, 8], 3), random(&[8], 4)];
            assert_gradients(|args| lstm_aggregate(&args[0], &graph, &args[1], &args[2]), &args);
        }
    }

    #[test]
    fn the_numbering_matters() {
        let forward = graph(&[3], &[(0, 2), (1, 2)]);
        let x = Tensor::new(&[[1f64, 0.0], [0.0, 1.0], [0.0, 0.0]], &Device::Cpu).unwrap();
        let swapped = Tensor::new(&[[0f64, 1.0], [1.0, 0.0], [0.0, 0.0]], &Device::Cpu).unwrap();
        let (w, bias) = (random(&[5, 12], 5), random(&[12], 6));
        let run = |x: &Tensor| values(&lstm_aggregate(x, &forward, &w, &bias).unwrap());
        assert_ne!(run(&x)[6..], run(&swapped)[6..]);
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits_and_so_does_a_graph_alone() {
        let graph = random_graph(&[150, 30, 200], 6.0, false, 7);
        let x = Var::from_tensor(&random(&[380, 8], 8).to_dtype(DType::F32).unwrap()).unwrap();
        let w = Var::from_tensor(&random(&[16, 32], 9).to_dtype(DType::F32).unwrap()).unwrap();
        let bias = random(&[32], 10).to_dtype(DType::F32).unwrap();
        let gradient = |of: &Var| {
            let loss = lstm_aggregate(&x, &graph, &w, &bias).unwrap().sqr().unwrap().sum_all().unwrap();
            loss.backward().unwrap().get(of).unwrap().clone()
        };
        same_bits_for_any_threads(|| gradient(&x));
        same_bits_for_any_threads(|| gradient(&w));
        let alone = lstm_aggregate(&x.narrow(0, 150, 30).unwrap(), &only(&graph, 1), &w, &bias).unwrap();
        let batch = lstm_aggregate(&x, &graph, &w, &bias).unwrap().narrow(0, 150, 30).unwrap();
        assert_close(&alone, &batch, 1e-6);
    }
}
