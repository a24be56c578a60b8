//! Kernels on rows alone: dense layers, activations, norms, moving rows, losses of a task.

use super::{FLOAT_BYTES, Matrix, Trace, Work, erfs, exponentials, partials, split};
use crate::kernels::Activation;

/// What moving the mean and the variance towards those of a batch takes in operations of Candle's: each is read as f64,
/// and a new one made, converted and written.
const MOVED: f64 = 10.0;

impl Trace {
    /// `kernels::linear`
    pub fn linear(&mut self, x: Matrix, width: f64, has_bias: bool, activation: Activation) -> Matrix {
        if x.density < 1.0 {
            return self.sparse_layer(x, 0.0, width, 1.0, has_bias, activation);
        }
        let (rows, n_in) = (x.rows, x.width);
        let (inside, after) = split(activation);
        let y = self.kernel("linear", &[x], true, [rows, width], |kernel| {
            let weights = n_in * width;
            let bias = if has_bias { width } else { 0.0 };
            let numbers = rows * width;
            kernel.forward = Work::by_rows(rows)
                .product(rows, n_in, width)
                .stream(if has_bias { numbers } else { 0.0 }, rows * n_in + numbers)
                .exponentials(numbers * exponentials(inside));
            let blocks = partials(rows);
            let back = Work { jobs: blocks, longest: 1.0 / blocks.max(1.0), ..Work::default() };
            // dW = xᵀ g, and dx = g Wᵀ where a weight stands behind x.
            let mut back = back.stream(bias * rows, numbers + rows * n_in).product(n_in, rows, width);
            // Each block's own sums, zeroed before and added up after.
            back = back.element(2.0 * weights * blocks);
            if inside != Activation::Identity {
                back = back.element(numbers).stream(numbers, numbers);
                kernel.backward_scratch_bytes += FLOAT_BYTES * numbers / blocks.max(1.0);
            }
            if x.is_tracked {
                // The weights are turned around, one number at a time.
                back = back.product(rows, width, n_in).stream(0.0, rows * n_in).single(weights);
                kernel.backward_scratch_bytes += FLOAT_BYTES * weights;
            }
            kernel.backward = back;
            kernel.backward_scratch_bytes += FLOAT_BYTES * (weights + bias) * (blocks - 1.0).max(0.0);
            kernel.weight_gradients = weights + bias;
            kernel.reads_result = inside != Activation::Identity;
        });
        self.activate(y, after)
    }

    /// `kernels::activate`
    pub fn activate(&mut self, x: Matrix, activation: Activation) -> Matrix {
        if activation == Activation::Identity {
            return x;
        }
        let numbers = x.numbers();
        let erf = numbers * erfs(activation);
        let work = Work::elementwise(numbers, 2.0).exponentials(numbers * exponentials(activation)).erf(erf);
        self.kernel("activate", &[x], false, [x.rows, x.width], |kernel| {
            kernel.forward = work;
            // The slope of a Gaussian error unit takes the error function and an exponential again.
            kernel.backward = Work::elementwise(numbers, 3.0).erf(erf).lone_exponentials(erf);
            kernel.reads_result = activation.is_known_by_result();
            kernel.reads.fill(!kernel.reads_result);
        })
    }

    /// `kernels::dropout`
    pub fn dropout(&mut self, x: Matrix) -> Matrix {
        // The same places with other values, made between the kernels.
        if x.density < 1.0 {
            return x;
        }
        // The mask is mixed from the place, both ways.
        let work = Work { dropped: x.numbers(), ..Work::elementwise(x.numbers(), 0.0) };
        self.kernel("dropout", &[x], false, [x.rows, x.width], |kernel| {
            (kernel.forward, kernel.backward) = (work, work);
            kernel.reads_nothing();
        })
    }

    /// `kernels::batch_norm`
    pub fn batch_norm(&mut self, x: Matrix, activation: Activation) -> Matrix {
        self.norm("batch_norm", x, activation, MOVED)
    }

    /// `kernels::layer_norm` and `kernels::graph_layer_norm`
    pub fn layer_norm(&mut self, x: Matrix, activation: Activation) -> Matrix {
        self.norm("layer_norm", x, activation, 0.0)
    }

    fn norm(&mut self, name: &'static str, x: Matrix, activation: Activation, calls: f64) -> Matrix {
        let (inside, after) = split(activation);
        let numbers = x.numbers();
        let y = self.kernel(name, &[x], true, [x.rows, x.width], |kernel| {
            // Mean (1), centred square (3), scale and shift (2): three loops, of which the first two read a block of rows
            // once from memory.
            kernel.forward = Work::by_rows(x.rows)
                .visit(3.0 * x.rows)
                .element(3.0 * numbers)
                .stream(6.0 * numbers, 3.0 * numbers)
                .exponentials(numbers * exponentials(inside));
            kernel.forward.calls = calls;
            // Two sums over the gradient, then the gradient of the input.
            kernel.backward = Work::by_rows(x.rows)
                .visit(3.0 * x.rows)
                .element(3.0 * numbers)
                .stream(10.0 * numbers, 5.0 * numbers);
            if inside != Activation::Identity {
                kernel.backward = kernel.backward.element(2.0 * numbers).stream(2.0 * numbers, 2.0 * numbers);
            }
            // Moments are f64, a mean and a variance a column.
            kernel.kept_bytes = 16.0 * x.width;
            kernel.weight_gradients = 2.0 * x.width;
            kernel.reads_result = inside != Activation::Identity;
        });
        self.activate(y, after)
    }

    /// `kernels::add`
    pub fn add(&mut self, a: Matrix, b: Matrix) -> Matrix {
        let numbers = a.numbers();
        self.kernel("add", &[a, b], false, [a.rows, a.width], |kernel| {
            kernel.forward = Work::elementwise(numbers, 3.0);
            kernel.reads_nothing();
        })
    }

    /// `kernels::concat_columns`
    pub fn concat(&mut self, parts: &[Matrix]) -> Matrix {
        match parts {
            [only] => *only,
            [..] if parts.len() > 3 => {
                let parts: Vec<Matrix> = parts.chunks(3).map(|parts| self.concat(parts)).collect();
                self.concat(&parts)
            }
            _ => {
                let rows = parts.first().map_or(0.0, |part| part.rows);
                let width: f64 = parts.iter().map(|part| part.width).sum();
                let work =
                    Work::by_rows(rows).stream(0.0, 2.0 * rows * width).copy(rows * parts.len() as f64);
                self.kernel("concat_columns", parts, false, [rows, width], |kernel| {
                    (kernel.forward, kernel.backward) = (work, work);
                    kernel.reads_nothing();
                })
            }
        }
    }

    /// `kernels::gather_rows`
    pub fn gather_rows(&mut self, x: Matrix, rows: f64) -> Matrix {
        let numbers = rows * x.width;
        self.kernel("gather_rows", &[x], false, [rows, x.width], |kernel| {
            kernel.forward = Work::by_rows(rows).stream(0.0, 2.0 * numbers).copy(rows);
            kernel.backward =
                Work::by_rows(x.rows).stream(numbers, 2.0 * x.numbers() + numbers).copy(x.rows + rows);
            kernel.backward_scratch_bytes = FLOAT_BYTES * (2.0 * x.rows + 2.0 * rows);
            kernel.reads_nothing();
        })
    }

    /// `kernels::counted_colours`: a sort of all neighbourhoods in each step, and counts of `width` features.
    pub fn colours(&mut self, x: Matrix, steps: f64, width: f64) -> Matrix {
        self.kernel("colours", &[x], false, [x.rows, width], |kernel| {
            kernel.forward = Work::by_rows(x.rows).stream(2.0 * x.numbers() + steps * x.rows, x.rows * width);
            kernel.scratch_bytes = 2.0 * FLOAT_BYTES * (x.numbers() + (steps + 1.0) * x.rows);
            kernel.reads_nothing();
        })
    }

    /// `tape::reshape`: the same memory.
    pub fn reshape(&mut self, x: Matrix, rows: f64, width: f64) -> Matrix {
        self.kernel("reshape", &[x], false, [rows, width], |kernel| {
            kernel.is_view = true;
            kernel.reads_nothing();
        })
    }

    /// The loss of a task over `output`: a scalar.
    pub fn task_loss(&mut self, name: &'static str, output: Matrix, n_exponentials: f64) -> Matrix {
        let numbers = output.numbers();
        self.kernel(name, &[output], false, [1.0, 1.0], |kernel| {
            kernel.forward = Work::by_rows(output.rows)
                .stream(3.0 * numbers, numbers)
                .exponentials(n_exponentials * numbers);
            kernel.backward = Work::by_rows(output.rows)
                .stream(3.0 * numbers, 2.0 * numbers)
                .exponentials(n_exponentials * numbers);
        })
    }

    /// What pairs of rows cost by their inner products: a number each.
    pub fn pair_costs(&mut self, x: Matrix, pairs: f64) -> Matrix {
        // The ends of each pair, both ways, with what it counts.
        let given = self.given(pairs, 6.0);
        self.kernel("pair_costs", &[x, given], false, [pairs, 1.0], |kernel| {
            kernel.forward = Work::by_rows(x.rows).gather(2.0 * pairs, x.width).exponentials(2.0 * pairs);
            kernel.backward = Work::by_rows(x.rows)
                .gather(4.0 * pairs, x.width)
                .stream(0.0, x.numbers())
                .exponentials(2.0 * pairs);
        })
    }

    /// `kernels::answers`: a product of matrices where all queries have the same second ends, else a product for each pair.
    pub fn answers(&mut self, phi: Matrix, x: Matrix, pairs: f64) -> Matrix {
        self.kernel("answers", &[phi, x], false, [pairs, 1.0], |kernel| {
            kernel.forward = Work::by_rows(x.rows).product(x.rows, x.width, pairs / x.rows.max(1.0));
            kernel.backward = Work::by_rows(x.rows)
                .product(x.rows, x.width, pairs / x.rows.max(1.0))
                .product(x.rows, pairs / x.rows.max(1.0), x.width)
                .stream(0.0, x.numbers() + phi.numbers());
            kernel.kept_bytes = FLOAT_BYTES * 2.0 * pairs;
        })
    }

    /// `kernels::scaled`
    pub fn scaled(&mut self, x: Matrix) -> Matrix {
        self.kernel("scaled", &[x], false, [x.rows, x.width], |kernel| {
            kernel.forward = Work::serial().stream(x.numbers(), 2.0 * x.numbers());
            kernel.backward = kernel.forward;
            kernel.reads_nothing();
        })
    }
}
