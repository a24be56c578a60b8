//! Pipelines that are repeated until nothing changes any more, and their gradients.

use super::network::Network;
use super::{ForwardCx, Value};
use crate::data::GraphBatch;
use crate::ir::FixedPoint;
use crate::kernels::tape::{self, Reads, Recorded, Recording};
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, Var};
use petgraph::graph::NodeIndex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A `fixed_point` among the steps of a plan.
#[derive(Debug, Clone)]
pub(super) struct Loop {
    pub found: FixedPoint,
    /// The steps that the pipeline stands between.
    pub state: usize,
    pub end: usize,
}

/// How the steps of a `fixed_point` went in one batch.
#[derive(Debug, Clone)]
pub struct FixedPointStats {
    pub node: NodeIndex,
    /// Steps that each graph took.
    pub steps: Vec<u32>,
    /// Graphs that were not done after the last step.
    pub n_left: usize,
    /// The same of the steps of the gradient, once it was asked for.
    pub n_gradients_left: Arc<AtomicUsize>,
}

/// Where the rows of each graph are, and when the numbers of one count as found.
#[derive(Debug, Clone)]
struct Rows {
    offsets: Arc<Vec<u32>>,
    width: usize,
    tolerance: f64,
    max_steps: usize,
}

/// What steps came to.
struct Settled {
    numbers: Vec<f64>,
    /// Steps that each graph took.
    steps: Vec<u32>,
    n_left: usize,
}

impl Rows {
    fn graph(&self, graph: usize) -> std::ops::Range<usize> {
        self.offsets[graph] as usize * self.width..self.offsets[graph + 1] as usize * self.width
    }

    /// Steps until no number of a graph changes by more than its tolerance. A graph that is done stays as it is, so that no
    /// other graph of the batch has an influence on it.
    fn settle(
        &self,
        start: Vec<f64>,
        tolerance_of: impl Fn(&[f64]) -> f64,
        mut step: impl FnMut(&[f64]) -> Result<Vec<f64>>,
    ) -> Result<Settled> {
        let n_graphs = self.offsets.len() - 1;
        let tolerances: Vec<f64> =
            (0..n_graphs).map(|graph| tolerance_of(&start[self.graph(graph)])).collect();
        let mut settled = Settled { numbers: start, steps: vec![0; n_graphs], n_left: 0 };
        let mut open: Vec<usize> = (0..n_graphs).filter(|&graph| !self.graph(graph).is_empty()).collect();
        for _ in 0..self.max_steps {
            if open.is_empty() {
                break;
            }
            let next = step(&settled.numbers)?;
            open.retain(|&graph| {
                let rows = self.graph(graph);
                let (old, new) = (&mut settled.numbers[rows.clone()], &next[rows]);
                let change = old.iter().zip(new).fold(0.0f64, |most, (old, new)| most.max((new - old).abs()));
                let is_finite = new.iter().all(|number| number.is_finite());
                old.copy_from_slice(new);
                settled.steps[graph] += 1;
                let is_done = is_finite && change <= tolerances[graph];
                // What is no number stays none, and the loss says so.
                settled.n_left += usize::from(!is_finite);
                !is_done && is_finite
            });
        }
        settled.n_left += open.len();
        Ok(settled)
    }
}

fn numbers(x: &Tensor) -> Result<Vec<f64>> {
    x.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// Scales what leads to a feature, a column of the matrix, where its absolute values add up to more.
///
/// # Errors
/// Where Candle fails.
pub(super) fn keep_small(matrix: &Var, largest_sum: f64) -> Result<()> {
    let (n_in, n_out) = matrix.dims2()?;
    let mut all = numbers(matrix.as_tensor())?;
    let mut is_changed = false;
    for column in 0..n_out {
        let sum: f64 = (0..n_in).map(|row| all[row * n_out + column].abs()).sum();
        // A little less, because a rounding to narrower numbers may go up.
        let most = largest_sum * (1.0 - 1e-6);
        if sum > largest_sum {
            is_changed = true;
            (0..n_in).for_each(|row| all[row * n_out + column] *= most / sum);
        }
    }
    if is_changed { matrix.set(&tensor(&all, matrix.as_tensor())?) } else { Ok(()) }
}

fn tensor(numbers: &[f64], like: &Tensor) -> Result<Tensor> {
    let tensor = match like.dtype() {
        // On the CPU, without a detour over another tensor.
        DType::F32 => {
            let narrow: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
            Tensor::from_vec(narrow, like.shape(), &Device::Cpu)?
        }
        dtype => Tensor::from_slice(numbers, like.shape(), &Device::Cpu)?.to_dtype(dtype)?,
    };
    tensor.to_device(like.device())
}

/// Goes back from a result to the state that it was made of.
enum Way {
    Tape(Recording),
    /// What runs without a tape is followed by Candle.
    Candle,
}

/// Gives the gradient of a fixed point to the one step that is made of it: `v = g + (∂f/∂h)ᵀ v`.
pub(super) struct Implicit {
    way: Way,
    state: Var,
    result: Tensor,
    rows: Rows,
    n_left: Arc<AtomicUsize>,
}

impl Implicit {
    /// `(∂f/∂h)ᵀ v`
    fn back(&self, v: &Tensor) -> Result<Option<Tensor>> {
        match &self.way {
            Way::Tape(recording) => recording.gradient(&self.result, v, &self.state),
            Way::Candle => {
                let product = (&self.result * &v.to_device(self.result.device())?)?.sum_all()?;
                Ok(product.backward()?.get(self.state.as_tensor()).cloned())
            }
        }
    }

    /// The value of the step, which the gradient goes back through.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn attach(self, x: &Tensor) -> Result<Tensor> {
        if tape::is_running() {
            return x.recorded1(self, Reads::NOTHING);
        }
        let device = x.device().clone();
        x.to_device(&Device::Cpu)?.contiguous()?.apply_op1(self)?.to_device(&device)
    }
}

impl CustomOp1 for Implicit {
    fn name(&self) -> &'static str {
        "fixed_point"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("a fixed point is one block of numbers")
        };
        let copy = match x {
            CpuStorage::F32(x) => CpuStorage::F32(x[start..end].to_vec()),
            CpuStorage::F64(x) => CpuStorage::F64(x[start..end].to_vec()),
            _ => candle_core::bail!("fixed points are computed in f32 or f64"),
        };
        Ok((copy, layout.shape().clone()))
    }
    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let given = numbers(gradient)?;
        let share_of_largest = |of_graph: &[f64]| {
            self.rows.tolerance * of_graph.iter().fold(0.0f64, |most, number| most.max(number.abs()))
        };
        let settled = self.rows.settle(given.clone(), share_of_largest, |v| {
            let back = self.back(&tensor(v, gradient)?)?;
            let Some(back) = back else { return Ok(given.clone()) };
            Ok(numbers(&back)?.iter().zip(&given).map(|(back, given)| back + given).collect())
        })?;
        self.n_left.fetch_add(settled.n_left, Ordering::Relaxed);
        tensor(&settled.numbers, gradient).map(Some)
    }
}

impl Network {
    /// The state that a pipeline no longer changes, as a value without a past, and what gives its gradient to the step that is
    /// made of it. `values` are those of the steps before.
    pub(super) fn settle(
        &self,
        found: &Loop,
        start: &Value,
        values: &[Option<Value>],
        batch: &GraphBatch,
        cx: &mut ForwardCx,
    ) -> Result<(Value, Option<Implicit>)> {
        let FixedPoint { tolerance, max_steps, end, .. } = found.found;
        let (_, width) = start.x.dims2()?;
        let rows = Rows { offsets: start.structure.offsets(), width, tolerance, max_steps };
        // What the pipeline reads has no past here; it is recorded once, by the step that is made of the state.
        let outer: Vec<Option<Value>> =
            values.iter().map(|value| value.as_ref().map(Value::without_past)).collect();
        let like = start.x.detach();
        let state = |x: Tensor| Value { x, structure: start.structure.clone() }.without_past();
        let stand_ins = cx.stand_ins.clone();
        let inner = |wants_gradients: bool| ForwardCx {
            train: cx.train,
            wants_gradients,
            is_taped: cx.is_taped,
            step_seed: cx.step_seed,
            stand_ins: stand_ins.clone(),
            ..ForwardCx::evaluation()
        };
        let settled = rows.settle(
            numbers(&like)?,
            |_| tolerance,
            |h| {
                let step = || {
                    let h = state(tensor(h, &like)?);
                    self.result_of(found, h, &outer, batch, &mut inner(false))
                };
                numbers(&tape::beside(step)?)
            },
        )?;
        let h = tensor(&settled.numbers, &like)?;
        let n_gradients_left = Arc::new(AtomicUsize::new(0));
        cx.fixed_points.push(FixedPointStats {
            node: end,
            steps: settled.steps,
            n_left: settled.n_left,
            n_gradients_left: n_gradients_left.clone(),
        });
        if !cx.wants_gradients {
            return Ok((state(h), None));
        }
        let var = Var::from_tensor(&h)?;
        let of_var = || {
            let h = Value { x: var.as_tensor().clone(), structure: state(h.clone()).structure };
            self.result_of(found, h, &outer, batch, &mut inner(true))
        };
        let (result, way) = match tape::is_running() {
            true => {
                let (result, recording) = tape::record(of_var)?;
                (result, Way::Tape(recording))
            }
            false => (of_var()?, Way::Candle),
        };
        Ok((state(h), Some(Implicit { way, state: var, result, rows, n_left: n_gradients_left })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::lower::testing::{compile, graphs};

    const BEHIND: &str = "-> sum -> linear";

    fn build(text: &str, data: &Dataset) -> Network {
        let model = compile(text, Some(&data.facts()));
        Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 3).unwrap()
    }

    fn exact(pipeline: &str, more: &str) -> String {
        format!("linear(4) as first -> fixed_point({pipeline}, 1e-13, 2000{more}) {BEHIND}")
    }

    struct Ran {
        output: Vec<f64>,
        loss: f64,
        /// By parameter.
        gradients: Vec<(String, Vec<f64>)>,
        stats: Vec<FixedPointStats>,
    }

    fn run(network: &Network, data: &Dataset, graphs: &[u32], is_taped: bool) -> Ran {
        let batch = data.batch(graphs, DType::F64, &Device::Cpu).unwrap();
        let targets = data.target_tensor(graphs, DType::F64, &Device::Cpu).unwrap().unwrap();
        let mut cx = network.training_cx(5);
        cx.is_taped = is_taped;
        let output = network.forward(&batch, &mut cx).unwrap();
        let loss = network.loss(&output, &targets, &cx, None).unwrap();
        let value = loss.total.to_scalar::<f64>().unwrap();
        let of = loss.backward().unwrap();
        let gradient = |parameter: &crate::lower::Parameter| {
            let gradient = of.get(&parameter.var).map(|gradient| numbers(gradient).unwrap());
            (parameter.name.clone(), gradient.unwrap_or_default())
        };
        let gradients = network.parameters().trained().map(gradient).collect();
        Ran { output: numbers(&output.x).unwrap(), loss: value, gradients, stats: cx.fixed_points }
    }

    fn all(data: &Dataset) -> Vec<u32> {
        (0..data.n_graphs() as u32).collect()
    }

    const SCARSELLI: &str = "add(sage(4), first) -> tanh";

    #[test]
    fn gradients_are_those_of_the_equation() {
        let data = graphs();
        for (pipeline, more) in [
            (SCARSELLI, ", contraction = 0.8"),
            (
                "add(linear(4) -> sage(4, aggregate = max), first) -> dropout(0.3) -> layer_norm -> linear(4) -> tanh",
                "",
            ),
        ] {
            let network = build(&exact(pipeline, more), &data);
            for parameter in network.parameters().trained().filter(|_| more.is_empty()) {
                // Without a bound, weights that are small enough.
                parameter.var.set(&(parameter.var.as_tensor() * 0.4).unwrap()).unwrap();
            }
            let ran = run(&network, &data, &all(&data), true);
            assert_eq!(ran.stats[0].n_left, 0, "{pipeline}");
            assert_eq!(ran.stats[0].n_gradients_left.load(Ordering::Relaxed), 0, "{pipeline}");
            let loss = || run(&network, &data, &all(&data), true).loss;
            for (parameter, (name, gradient)) in network.parameters().trained().zip(&ran.gradients) {
                let before = numbers(parameter.var.as_tensor()).unwrap();
                // Some of each parameter, in all its parts.
                for place in (0..before.len()).step_by(1 + before.len() / 4) {
                    let at = |change: f64| {
                        let mut numbers = before.clone();
                        numbers[place] += change;
                        parameter.var.set(&tensor(&numbers, parameter.var.as_tensor()).unwrap()).unwrap();
                        loss()
                    };
                    let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                    at(0.0);
                    let own = gradient[place];
                    assert!(
                        (slope - own).abs() < 1e-7 * (1.0 + own.abs()),
                        "{pipeline}: {name}[{place}]: {own}, not {slope}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_fixed_point_is_what_a_long_repetition_comes_to() {
        let data = graphs();
        let found = build(&exact(SCARSELLI, ", contraction = 0.7"), &data);
        let unrolled =
            build(&format!("linear(4) as first -> repeat(90, {SCARSELLI}, share = true) {BEHIND}"), &data);
        for (one, other) in found.parameters().trained().zip(unrolled.parameters().trained()) {
            other.var.set(one.var.as_tensor()).unwrap();
        }
        let (one, other) = (run(&found, &data, &all(&data), true), run(&unrolled, &data, &all(&data), true));
        let close = |one: &[f64], other: &[f64], what: &str| {
            assert_eq!(one.len(), other.len());
            for (one, other) in one.iter().zip(other) {
                assert!((one - other).abs() < 1e-10 * (1.0 + other.abs()), "{what}: {one}, not {other}");
            }
        };
        close(&one.output, &other.output, "output");
        for ((name, one), (_, other)) in one.gradients.iter().zip(&other.gradients) {
            close(one, other, name);
        }
        // Without a tape Candle goes back, to the same gradients.
        let plain = run(&found, &data, &all(&data), false);
        for ((name, one), (_, other)) in one.gradients.iter().zip(&plain.gradients) {
            close(other, one, name);
        }
    }

    #[test]
    fn a_graph_comes_to_rest_by_itself() {
        let data = graphs();
        let text = format!("linear(4) as first -> fixed_point({SCARSELLI}, 1e-3) {BEHIND}");
        let network = build(&text, &data);
        let whole = run(&network, &data, &all(&data), true);
        let n_outputs = whole.output.len() / data.n_graphs();
        for graph in all(&data) {
            let own = run(&network, &data, &[graph], true);
            assert_eq!(own.stats[0].steps, [whole.stats[0].steps[graph as usize]]);
            assert_eq!(own.output, whole.output[graph as usize * n_outputs..][..n_outputs]);
        }
        let steps = &whole.stats[0].steps;
        assert!(steps.iter().min() != steps.iter().max(), "{steps:?}");
    }

    #[test]
    fn what_is_not_found_is_counted() {
        let data = graphs();
        let text = format!("linear(4) as first -> fixed_point({SCARSELLI}, 1e-9, 2) {BEHIND}");
        let ran = run(&build(&text, &data), &data, &all(&data), true);
        let found = &ran.stats[0];
        let n_left = found.steps.iter().filter(|&&steps| steps == 2).count();
        assert!(n_left > 0 && found.n_left == n_left, "{found:?}");
        assert!(found.n_gradients_left.load(Ordering::Relaxed) > 0);
    }

    #[test]
    fn weights_are_kept_as_small_as_a_contraction_asks() {
        let data = graphs();
        let text =
            exact("add(sage(4) -> tanh -> linear(4), first) -> leaky_relu(0.5)", ", contraction = 0.5");
        let network = build(&text, &data);
        for parameter in network.parameters().trained() {
            parameter.var.set(&(parameter.var.as_tensor() * 100.0).unwrap()).unwrap();
        }
        assert!(run(&network, &data, &all(&data), true).stats[0].n_left > 0);
        network.keep_bounds().unwrap();
        let found = &run(&network, &data, &all(&data), true).stats[0];
        assert_eq!(found.n_left, 0);
        // A difference of at most 200 halves in each step.
        assert!(found.steps.iter().all(|&steps| steps < 60), "{:?}", found.steps);
        let bound = network.loops[0].found.bound.clone().unwrap();
        assert!((bound.largest_sum.powi(2) - 0.5).abs() < 1e-9 && bound.weights.len() == 2, "{bound:?}");
        let before: Vec<Vec<f64>> = network
            .parameters()
            .trained()
            .map(|parameter| numbers(parameter.var.as_tensor()).unwrap())
            .collect();
        network.keep_bounds().unwrap();
        let after =
            network.parameters().trained().map(|parameter| numbers(parameter.var.as_tensor()).unwrap());
        assert_eq!(before, after.collect::<Vec<_>>());
    }
}
