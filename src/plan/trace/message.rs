//! Message passing: on the sparse input graph, and on the dense coarse graphs of poolings.

use super::{FLOAT_BYTES, Graphs, Matrix, Structure, Trace, Work, exponentials, partials, split};
use crate::kernels::{self, Activation, Summation};

impl Trace {
    /// `kernels::gcn_layer` and, with `has_root`, `kernels::sage_layer`: aggregation and product in one.
    /// `loops`: whether each node is its own neighbour.
    #[allow(clippy::too_many_arguments)] // The layer's own list.
    pub fn convolve(
        &mut self,
        x: Matrix,
        graphs: &Graphs,
        width: f64,
        has_root: bool,
        loops: bool,
        has_bias: bool,
        activation: Activation,
    ) -> Matrix {
        let (rows, n_in) = (x.rows, x.width);
        let entries = graphs.n_edges() + if loops { rows } else { 0.0 };
        if x.density < 1.0 {
            return self.sparse_layer(
                x,
                entries,
                width,
                if has_root { 2.0 } else { 1.0 },
                has_bias,
                activation,
            );
        }
        let (inside, after) = split(activation);
        let sums = self.sums(Work::by_rows(rows), entries, n_in.min(width));
        let y = self.kernel("convolution", &[x], true, [rows, width], |kernel| {
            let numbers = rows * width;
            let parts = if has_root { 2.0 } else { 1.0 };
            let (weights, bias) = (parts * n_in * width, if has_bias { width } else { 0.0 });
            let mut work = sums.product(rows, n_in, width);
            if has_root {
                work = work.product(rows, n_in, width);
            }
            // Where the product comes first, it is stored before its rows are fetched.
            let between = if n_in > width { numbers } else { 0.0 };
            let read = if has_root || n_in > width { rows * n_in } else { 0.0 };
            kernel.forward = work
                .stream(if has_bias { numbers } else { 0.0 }, read + numbers + between)
                .exponentials(numbers * exponentials(inside));
            if n_in > width {
                kernel.scratch_bytes = FLOAT_BYTES * numbers;
            }

            // dWₐ = xᵀ H, dWᵣ = xᵀ G and dx = H Wₐᵀ + G Wᵣᵀ, with H = Pᵀ G; or dWₐ = (P x)ᵀ G, where no dx is wanted.
            let blocks = partials(rows);
            let mut back = Work { jobs: blocks, longest: 1.0 / blocks.max(1.0), ..Work::default() };
            let gathered = if !x.is_tracked && n_in <= width { n_in } else { width };
            let own = if x.is_tracked { 2.0 } else { 1.0 } * rows * n_in;
            back = back.gather(entries, gathered).stream(bias * rows, numbers + own);
            for _ in 0..parts as usize {
                back = back.product(n_in, rows, width);
                // Each tile of 64 rows adds to all of the weight's gradient.
                back.outputs += n_in * width * (rows / 64.0);
                if x.is_tracked {
                    back = back.product(rows, width, n_in);
                }
            }
            if inside != Activation::Identity {
                back = back.stream(numbers, 3.0 * numbers);
                kernel.backward_scratch_bytes += FLOAT_BYTES * numbers;
            }
            if x.is_tracked {
                kernel.backward_scratch_bytes += FLOAT_BYTES * weights;
            }
            back = back.element(2.0 * weights * blocks).single(if x.is_tracked { weights } else { 0.0 });
            kernel.backward = back;
            kernel.backward_scratch_bytes += FLOAT_BYTES * (weights + bias) * (blocks - 1.0).max(0.0);
            kernel.weight_gradients = weights + bias;
            kernel.reads_result = inside != Activation::Identity;
        });
        self.activate(y, after)
    }

    /// `kernels::sparse::linear`, and with entries that rows are gathered along `kernels::sparse::convolution`: a row of the weight for
    /// each number that is not zero, `parts` times.
    pub fn sparse_layer(
        &mut self,
        x: Matrix,
        entries: f64,
        width: f64,
        parts: f64,
        has_bias: bool,
        activation: Activation,
    ) -> Matrix {
        let stored = x.density * x.numbers();
        let x = Matrix { density: 1.0, ..x };
        let (inside, after) = split(activation);
        let (numbers, weights) = (x.rows * width, parts * x.width * width);
        let sums = self.sums(Work::by_rows(x.rows), entries, width);
        let y = self.kernel("sparse_layer", &[x], true, [x.rows, width], |kernel| {
            kernel.forward = sums
                .gather(parts * stored, width)
                .stream(0.0, (1.0 + parts) * numbers)
                .exponentials(numbers * exponentials(inside));
            kernel.backward =
                Work::by_rows(x.width).gather(entries + parts * stored, width).stream(0.0, numbers + weights);
            // What is gathered comes behind the product, and before it on the way back.
            if entries > 0.0 {
                kernel.scratch_bytes = FLOAT_BYTES * parts * numbers;
                kernel.backward_scratch_bytes = FLOAT_BYTES * numbers;
            }
            if inside != Activation::Identity {
                kernel.backward_scratch_bytes += FLOAT_BYTES * numbers;
            }
            // Both parts of the gradient, before they are one.
            if parts > 1.0 {
                kernel.backward_scratch_bytes += FLOAT_BYTES * weights;
            }
            kernel.weight_gradients = weights + if has_bias { width } else { 0.0 };
            kernel.reads_nothing();
            kernel.reads_result = inside != Activation::Identity;
        });
        self.activate(y, after)
    }

    /// `kernels::propagate`
    pub fn propagate(&mut self, x: Matrix, graphs: &Graphs, loops: bool) -> Matrix {
        let entries = graphs.n_edges() + if loops { x.rows } else { 0.0 };
        let sums = self.sums(Work::by_rows(x.rows), entries, x.width).stream(0.0, x.numbers());
        self.kernel("propagate", &[x], false, [x.rows, x.width], |kernel| {
            kernel.forward = sums;
            kernel.backward = Work::by_rows(x.rows).gather(entries, x.width).stream(0.0, x.numbers());
            kernel.reads_nothing();
        })
    }

    /// `kernels::propagate_max`
    pub fn propagate_max(&mut self, x: Matrix, graphs: &Graphs) -> Matrix {
        let entries = graphs.n_edges();
        self.kernel("propagate_max", &[x], false, [x.rows, x.width], |kernel| {
            kernel.forward = Work::by_rows(x.rows).gather(entries, x.width);
            // Ties are counted first, then the shares are handed out.
            kernel.backward =
                Work::by_rows(x.rows).gather(2.0 * entries, x.width).stream(0.0, 3.0 * x.numbers());
            kernel.backward_scratch_bytes = FLOAT_BYTES * x.numbers();
            kernel.reads_result = true;
        })
    }

    /// `kernels::lstm_aggregate`
    pub fn lstm_aggregate(&mut self, x: Matrix, graphs: &Graphs) -> Matrix {
        let (rows, width, entries) = (x.rows, x.width, graphs.n_edges());
        let gates = 4.0 * width;
        // The gates' input part once a node, their hidden part once an edge.
        let forward = Work { jobs: (rows / 64.0).ceil(), longest: 64.0 / rows.max(64.0), ..Work::default() }
            .product(rows, width, gates)
            .product(entries, width, gates)
            .stream(6.0 * entries * width, 2.0 * entries * gates)
            .exponentials(5.0 * entries * width);
        self.kernel("lstm_aggregate", &[x], true, [rows, width], |kernel| {
            kernel.forward = forward;
            kernel.scratch_bytes = FLOAT_BYTES * rows * gates;
            // All of the forward pass again, then two products for each of its own.
            kernel.backward = forward
                .and(forward.product(entries, gates, width).product(rows, gates, width))
                .stream(entries * gates, 3.0 * entries * gates);
            let per_block = (rows / 64.0).ceil() * width * gates;
            kernel.backward_scratch_bytes = FLOAT_BYTES * (entries * gates + 2.0 * rows * gates + per_block);
            kernel.weight_gradients = 2.0 * width * gates + gates;
        })
    }

    /// `kernels::gat_attention`, over `entries` of the adjacency and one self-loop a node where `loops`.
    pub fn gat_attention(&mut self, h: Matrix, entries: f64, heads: f64, loops: bool) -> Matrix {
        let (rows, inner) = (h.rows, h.width);
        let entries = entries + if loops { rows } else { 0.0 };
        let jobs = (rows / 64.0).ceil().max(1.0);
        let by_blocks = Work { jobs, longest: 1.0 / jobs, ..Work::default() };
        let sums = self.sums(by_blocks, entries, inner);
        self.kernel("gat_attention", &[h], true, [rows, inner], |kernel| {
            kernel.forward = sums
                .stream(4.0 * rows * inner, 3.0 * rows * inner)
                // Two scores a node and head; the terms of each softmax are summed, then computed again one by one.
                .dot(2.0 * rows * heads)
                .visit(3.0 * entries * heads)
                .lone_exponentials(2.0 * entries * heads);
            kernel.scratch_bytes = FLOAT_BYTES * 2.0 * rows * heads;
            // Once over the targets, once over the sources.
            kernel.backward = by_blocks
                .stream(10.0 * rows * inner, 6.0 * rows * inner)
                .gather(3.0 * entries, inner)
                .dot(2.0 * rows * heads + 2.0 * entries * heads)
                .visit(6.0 * entries * heads)
                .lone_exponentials(3.0 * entries * heads);
            kernel.backward_scratch_bytes = FLOAT_BYTES * 7.0 * rows * heads;
            kernel.weight_gradients = 2.0 * inner;
        })
    }

    /// `kernels::dense_gat_attention`: every entry of the coarse adjacency that is not 0, which softmax leaves none to be.
    pub fn dense_gat_attention(&mut self, h: Matrix, adjacency: Matrix, heads: f64, loops: bool) -> Matrix {
        let entries = adjacency.numbers();
        let y = self.gat_attention(h, entries, heads, loops);
        if let Some(kernel) = self.kernels.last_mut() {
            // The pattern and its transpose stay, two copies of the adjacency in f64 do not.
            kernel.kept_bytes += 2.0 * FLOAT_BYTES * entries;
            kernel.scratch_bytes += 4.0 * FLOAT_BYTES * entries;
            kernel.forward = kernel.forward.stream(entries, 8.0 * entries);
            kernel.forward.sorted += 2.0 * entries;
        }
        y
    }

    /// `kernels::self_attention`: all pairs of rows of each graph, some rows at a time.
    pub fn self_attention(&mut self, x: Matrix, of: &Structure, heads: f64) -> Matrix {
        let (rows, width) = (x.rows, x.width / 3.0);
        let each = width / heads;
        let sizes = of.rows();
        let blocks = |n: f64| (n / kernels::rows_at_a_time(n.ceil() as usize).max(1) as f64).ceil().max(1.0);
        let pairs: f64 = sizes.iter().map(|n| n * n).sum();
        let largest = sizes.iter().map(|&n| n * n / blocks(n)).fold(0.0, f64::max);
        let jobs: f64 = sizes.iter().map(|&n| blocks(n)).sum();
        let work = Work { jobs: jobs.max(1.0), longest: largest / pairs.max(1e-9), ..Work::default() };
        // A product for the scores of pairs, their softmax, and a product with them.
        let scores = |work: Work, n: f64| {
            let of_pairs = heads * n * n;
            work.product(heads * n, each, n).exponentials(of_pairs).stream(3.0 * of_pairs, 6.0 * of_pairs)
        };
        let read = |work: Work, n: f64| work.product(heads * n, n, each);
        let forward = match self.summation {
            Summation::Sequential => sizes.iter().fold(work, |work, &n| read(scores(work, n), n)),
            // A dot product and a sum without a trace of its order for each pair.
            Summation::Reproducible => Work { exact: pairs * (width + heads), ..work }
                .dot(heads * pairs)
                .exponentials(heads * pairs)
                .stream(4.0 * pairs * width, 4.0 * pairs * width),
        };
        // Scores again, the slopes of shares, and a product each for queries, keys and values; of a graph in blocks, scores
        // and slopes once for queries and once for the others.
        let of_graph = |work: Work, &n: &f64| {
            let times = if blocks(n) > 1.0 { 2 } else { 1 };
            let work = (0..times).fold(work, |work, _| {
                scores(work, n).product(heads * n, each, n).stream(3.0 * heads * n * n, 4.0 * heads * n * n)
            });
            read(read(read(work, n), n), n)
        };
        let backward = sizes.iter().fold(work, of_graph);
        self.kernel("self_attention", &[x], false, [rows, width], |kernel| {
            kernel.forward = forward.stream(0.0, 4.0 * rows * width);
            kernel.scratch_bytes = FLOAT_BYTES * largest;
            kernel.backward = backward.stream(0.0, 7.0 * rows * width);
            kernel.backward_scratch_bytes = FLOAT_BYTES * (2.0 * largest + 3.0 * rows * heads);
        })
    }

    /// `kernels::dense_propagate`, and `kernels::dense_propagate_beside` with `beside`.
    /// `has_degrees`: whether sums are scaled by the row sums of the adjacency.
    pub fn dense_propagate(
        &mut self,
        adjacency: Matrix,
        x: Matrix,
        beside: bool,
        has_degrees: bool,
    ) -> Matrix {
        let (k, width) = (adjacency.width, x.width);
        let n_graphs = x.rows / k.max(1.0);
        let each = Work { jobs: n_graphs, longest: 1.0 / n_graphs.max(1.0), ..Work::default() };
        let result = if beside { 2.0 * width } else { width };
        self.kernel("dense_propagate", &[adjacency, x], false, [x.rows, result], |kernel| {
            let (a, rows, numbers) = (adjacency.numbers(), x.rows, x.numbers());
            // The sum of a row, one number after another; rows are scaled before and after.
            let degrees = |work: Work| {
                if has_degrees { work.single(a).element(2.0 * numbers).visit(2.0 * rows) } else { work }
            };
            kernel.forward = degrees(each).product(rows, k, width).stream(a, a + numbers + rows * result);
            kernel.backward = each;
            if adjacency.is_tracked {
                // The rows are turned around for the product, one number at a time.
                let mut of_a =
                    each.product(rows, width, k).single(numbers).stream(a, 2.0 * a + 2.0 * numbers);
                if has_degrees {
                    // Through the degrees: their sums again, those of the gradient, and what each number gets of them.
                    of_a = of_a.single(2.0 * a).element(a).visit(2.0 * rows);
                }
                kernel.backward = kernel.backward.and(of_a);
            }
            if x.is_tracked {
                let of_x = degrees(each).product(rows, k, width).stream(a, a + rows * result + numbers);
                kernel.backward = kernel.backward.and(of_x);
            }
        })
    }
}
