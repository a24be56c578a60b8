//! Poolings and readouts: assignments and what they are judged by, selection, one row per graph.

use super::{FLOAT_BYTES, Graphs, LANES, Matrix, Structure, Trace, Work};
use crate::kernels;
use crate::program::composite::{Connect, Join, Keep, Over};

/// Pairs for each node of a matching that takes edges as they come: 0.39 in MUTAG, 0.43 in PROTEINS and ENZYMES.
const MATCHED: f64 = 0.4;

/// Nodes that are gone for each node where half of the edges of a random graph, those above 0, link what becomes one.
const LINKED: f64 = 0.55;

/// Nodes that are gone for each node around a maximal independent set of a random graph of four edges a node.
const AROUND: f64 = 0.45;

/// Steps of Lanczos's method, and rounds of a factorisation (`kernels/spectral.rs`).
const LANCZOS_STEPS: f64 = 160.0;
const FACTOR_ROUNDS: f64 = 100.0;

/// Terms of a series that one draw from a gamma distribution adds up.
const GAMMA_TERMS: f64 = 400.0;

/// Rows of a block of a Gram matrix (`kernels/assignment_loss.rs`).
const GRAM_ROWS: f64 = 64.0;

/// Rows of a graph beyond which its part of `SᵀZ` is summed in chunks (`kernels/assignment.rs`).
fn chunk_rows(p: f64, q: f64) -> f64 {
    if p * q <= 65_536.0 { 1024.0 } else { 4096.0 }
}

/// Numbers of the partial sums of `AᵀB`, `p × q` each, over graphs of these sizes.
fn partial_numbers(rows: &[f64], p: f64, q: f64) -> f64 {
    let chunks = rows.iter().map(|n| (n / chunk_rows(p, q)).ceil()).filter(|&chunks| chunks > 1.0);
    chunks.sum::<f64>() * p * q
}

/// Jobs of a product over the rows of each graph: whole graphs, the largest ones in chunks.
fn by_chunks(rows: &[f64], p: f64, q: f64) -> Work {
    let chunk = chunk_rows(p, q);
    let jobs: f64 = rows.iter().map(|n| (n / chunk).ceil().max(1.0)).sum();
    let (total, largest) = (rows.iter().sum::<f64>(), rows.iter().fold(0.0, |a: f64, &b| a.max(b)));
    Work { jobs, longest: largest.min(chunk) / total.max(1.0), ..Work::default() }
}

impl Trace {
    /// `kernels::softmax_rows`
    pub fn softmax_rows(&mut self, x: Matrix) -> Matrix {
        let numbers = x.numbers();
        let n = numbers.ceil() as usize;
        let jobs = n.div_ceil(kernels::block_elements(n)).max(1) as f64;
        let blocks = Work { jobs, longest: 1.0 / jobs, ..Work::default() };
        self.kernel("softmax_rows", &[x], false, [x.rows, x.width], |kernel| {
            // Whole vectors first, and one more for what is left of a row, which may be nothing.
            let (whole, left) = ((x.width / LANES).floor() * LANES, x.width % LANES);
            kernel.forward = blocks
                .stream(4.0 * numbers, 2.0 * numbers)
                .element(2.0 * numbers)
                .exponentials(x.rows * (whole + LANES))
                .visit(3.0 * x.rows);
            // A dot product and a function; what is left of a row is computed one number at a time.
            kernel.backward = blocks
                .stream(4.0 * numbers, 3.0 * numbers)
                .element(numbers)
                .single(2.0 * x.rows * left)
                .visit(2.0 * x.rows);
            kernel.reads_nothing();
            kernel.reads_result = true;
        })
    }

    /// `kernels::segment_product` and `kernels::cluster_segment_product`: `SᵀZ` of each graph.
    pub fn segment_product(&mut self, s: Matrix, z: Matrix, of: &Structure) -> Matrix {
        let rows = of.rows();
        let (n, k, width, n_graphs) = (s.rows, s.width, z.width, of.n_graphs());
        self.kernel("segment_product", &[s, z], false, [n_graphs * k, width], |kernel| {
            let result = n_graphs * k * width;
            kernel.forward =
                by_chunks(&rows, k, width).product(k, n, width).stream(0.0, n * (k + width) + result);
            kernel.forward.outputs += rows.iter().map(|rows| (rows / 256.0).ceil()).sum::<f64>() * k * width;
            kernel.scratch_bytes = FLOAT_BYTES * partial_numbers(&rows, k, width);
            kernel.backward = Work::by_rows(n);
            if s.is_tracked {
                // Each graph's rows of the gradient are turned around, one number at a time.
                kernel.backward =
                    kernel.backward.product(n, width, k).stream(0.0, n * (k + width) + result).single(result);
            }
            if z.is_tracked {
                kernel.backward = kernel.backward.product(n, k, width).stream(0.0, n * (k + width) + result);
            }
        })
    }

    /// `kernels::assignment_adjacency` and `kernels::cluster_assignment_adjacency`: `SᵀAS` of each graph.
    pub fn assignment_adjacency(&mut self, s: Matrix, of: &Structure) -> Matrix {
        let (n, k, n_graphs) = (s.rows, s.width, of.n_graphs());
        let result = [n_graphs * k, k];
        match of {
            Structure::Clusters { k: k1, adjacency: Some(fine), .. } => {
                let (k1, fine) = (*k1, *fine);
                self.kernel("assignment_adjacency", &[s, fine], false, result, |kernel| {
                    let each = Work { jobs: n_graphs, longest: 1.0 / n_graphs.max(1.0), ..Work::default() };
                    kernel.forward = each.product(n, k1, k).product(n_graphs * k, k1, k);
                    let of_s = each.product(n, k, k).product(n, k, k).product(n, k1, k).product(n, k1, k);
                    let of_a = each.product(n, k, k).product(n, k, k1);
                    kernel.backward = match (s.is_tracked, fine.is_tracked) {
                        (true, true) => of_s.and(of_a),
                        (true, false) => of_s,
                        (false, _) => of_a,
                    };
                })
            }
            _ => {
                let (rows, is_symmetric) = (of.rows(), self.is_symmetric);
                let entries = match of {
                    Structure::Sparse(graphs) => graphs.n_edges(),
                    _ => 0.0,
                };
                let sums = self.sums(by_chunks(&rows, k, k), entries, k);
                self.kernel("assignment_adjacency", &[s], false, result, |kernel| {
                    kernel.forward = sums.product(k, n, k).stream(0.0, n * k + n_graphs * k * k);
                    kernel.forward.outputs +=
                        rows.iter().map(|rows| (rows / 256.0).ceil()).sum::<f64>() * k * k;
                    kernel.scratch_bytes = FLOAT_BYTES * partial_numbers(&rows, k, k);
                    let sides = if is_symmetric { 1.0 } else { 2.0 };
                    let mut back = Work::by_rows(n)
                        .gather(sides * entries, k)
                        .stream(0.0, 2.0 * n * k + n_graphs * k * k);
                    for _ in 0..sides as usize {
                        back = back.product(n, k, k);
                    }
                    if is_symmetric {
                        let coarse = n_graphs * k * k;
                        back = back.stream(coarse, 3.0 * coarse);
                        kernel.backward_scratch_bytes = FLOAT_BYTES * coarse;
                    }
                    kernel.backward = back;
                })
            }
        }
    }

    /// `kernels::link_loss` and `kernels::dense_link_loss`: one value per graph.
    pub fn link_loss(&mut self, s: Matrix, of: &Structure) -> Matrix {
        let (n, k, n_graphs) = (s.rows, s.width, of.n_graphs());
        match of {
            Structure::Clusters { k: k1, adjacency: Some(fine), .. } => {
                let (k1, fine) = (*k1, *fine);
                let each = Work { jobs: n_graphs, longest: 1.0 / n_graphs.max(1.0), ..Work::default() };
                self.kernel("link_loss", &[s, fine], false, [n_graphs, 1.0], |kernel| {
                    kernel.forward = each.product(n, k, k1).stream(3.0 * n * k1, 2.0 * n * k1);
                    // One factor a graph is computed by Candle, inside the backward pass.
                    let of_s = each.product(n, k, k1).product(n, k1, k).product(n, k1, k);
                    let of_a = each.product(n, k, k1).stream(n * k1, 2.0 * n * k1);
                    kernel.backward = if fine.is_tracked { of_s.and(of_a) } else { of_s };
                    kernel.reads_result = true;
                })
            }
            _ => {
                let rows = of.rows();
                let entries = match of {
                    Structure::Sparse(graphs) => graphs.n_edges(),
                    _ => 0.0,
                };
                // The Gram matrix of the smaller side.
                let grams: Vec<f64> = rows.iter().map(|rows| rows * k * rows.min(k)).collect();
                let gram: f64 = 2.0 * grams.iter().sum::<f64>();
                let scratch = rows.iter().map(|rows| rows.min(k).powi(2)).fold(0.0, f64::max);
                let outputs = rows.iter().map(|rows| rows.min(k).powi(2)).sum::<f64>();
                self.kernel("link_loss", &[s], false, [n_graphs, 1.0], |kernel| {
                    // A block of the Gram matrix at a time; where nodes are fewer than clusters, all rows are turned around
                    // for each of them, one number at a time.
                    let turned: f64 = rows
                        .iter()
                        .filter(|&&rows| rows < k)
                        .map(|rows| rows * k * (rows / GRAM_ROWS).ceil())
                        .sum();
                    let mut forward =
                        Work::by_graph(&grams).gather(entries, k).single(turned).stream(0.0, n * k);
                    forward.flops += gram;
                    forward.products += gram;
                    forward.outputs += outputs;
                    kernel.forward = forward;
                    let mut back = forward.stream(0.0, n * k);
                    back.flops += gram;
                    back.products += gram;
                    back.outputs += n * k;
                    kernel.backward = back;
                    kernel.backward_scratch_bytes = FLOAT_BYTES * scratch;
                    kernel.reads_result = true;
                })
            }
        }
    }

    /// `kernels::assignment_entropy` and `kernels::cluster_assignment_entropy`: one value per graph.
    pub fn assignment_entropy(&mut self, s: Matrix, of: &Structure) -> Matrix {
        let (rows, numbers) = (of.rows(), s.numbers());
        let each = Work::by_graph(&rows);
        self.kernel("assignment_entropy", &[s], false, [of.n_graphs(), 1.0], |kernel| {
            kernel.forward = each.stream(2.0 * numbers, numbers).exponentials(numbers);
            kernel.backward = each.stream(3.0 * numbers, 2.0 * numbers).exponentials(numbers);
        })
    }

    /// `kernels::spectral::cut_sides`
    pub fn cut_sides(&mut self, x: Matrix, of: &Structure) -> Matrix {
        let rows = of.rows();
        // Lanczos's vectors, each made orthogonal to those before.
        let steps = |n: f64| n.min(LANCZOS_STEPS);
        let flops: f64 = rows.iter().map(|&n| 4.0 * n * steps(n).powi(2)).sum();
        let most = rows.iter().map(|&n| n * steps(n)).fold(0.0, f64::max);
        self.kernel("cut_sides", &[Matrix { is_tracked: false, ..x }], false, [x.rows, 1.0], |kernel| {
            kernel.forward = Work::serial().stream(flops, flops);
            kernel.scratch_bytes = FLOAT_BYTES * (2.0 * most + 40.0 * x.rows);
        })
    }

    /// `kernels::spectral::factors`
    pub fn factors(&mut self, x: Matrix, k: f64, of: &Structure) -> Matrix {
        let entries = match of {
            Structure::Sparse(graphs) => graphs.n_edges(),
            _ => 0.0,
        };
        let flops = FACTOR_ROUNDS * 4.0 * (entries * k + 2.0 * x.rows * k * k);
        self.kernel("factors", &[Matrix { is_tracked: false, ..x }], false, [x.rows, k], |kernel| {
            kernel.forward = Work::serial().stream(flops, flops);
            kernel.scratch_bytes = FLOAT_BYTES * (4.0 * x.rows * k + 12.0 * entries);
        })
    }

    /// `kernels::ln_gamma_draws`
    pub fn gamma_draws(&mut self, a: Matrix) -> Matrix {
        let numbers = a.numbers();
        self.kernel("gamma_draws", &[a], false, [a.rows, a.width], |kernel| {
            // About ten of Newton's steps, each with a series of some tens of terms.
            let each = Work::elementwise(numbers, 2.0);
            kernel.forward = each.single(GAMMA_TERMS * numbers).exponentials(30.0 * numbers);
            kernel.backward = Work::elementwise(numbers, 5.0).single(0.1 * GAMMA_TERMS * numbers);
            kernel.backward_scratch_bytes = FLOAT_BYTES * numbers;
            kernel.reads_result = true;
        })
    }

    /// `kernels::pair_softplus`: one value per graph.
    pub fn pair_softplus(&mut self, a: Matrix, b: Matrix, of: &Structure) -> Matrix {
        let pairs: f64 = of.rows().iter().map(|rows| rows * rows).sum();
        let (n, q) = (a.rows, a.width);
        self.kernel("pair_softplus", &[a, b], false, [of.n_graphs(), 1.0], |kernel| {
            let each = Work::by_rows(n);
            kernel.forward = each.stream(2.0 * pairs * q, n * q).single(pairs).exponentials(2.0 * pairs);
            kernel.scratch_bytes = 3.0 * FLOAT_BYTES * n;
            let side = each.stream(4.0 * pairs * q, 2.0 * n * q).single(pairs).exponentials(pairs);
            kernel.backward = match (a.is_tracked, b.is_tracked) {
                (true, true) => side.and(side),
                _ => side,
            };
            kernel.backward_scratch_bytes = FLOAT_BYTES * n;
        })
    }

    /// `kernels::unlinked_softplus` in training: two values per graph.
    pub fn unlinked_softplus(
        &mut self,
        a: Matrix,
        b: Matrix,
        graphs: &Graphs,
        per_edge: f64,
        own_loops: bool,
    ) -> Matrix {
        let sizes = graphs.nodes.iter().zip(&graphs.edges);
        let pairs: f64 = sizes
            .map(|(&nodes, &edges)| {
                let edges_there = if own_loops { edges + nodes } else { edges };
                (per_edge * edges_there).min((nodes * (nodes - 1.0) - edges).max(0.0))
            })
            .sum();
        let (n, q, edges) = (a.rows, a.width, graphs.n_edges());
        self.kernel("unlinked_softplus", &[a, b], false, [graphs.nodes.len() as f64, 2.0], |kernel| {
            let each = Work::by_rows(n);
            // Rows that edges link, either way, are sorted; pairs are tried, and sorted twice.
            let listing = Work::serial().stream(8.0 * edges, 8.0 * edges).single(30.0 * pairs);
            let products = each.gather(pairs, q).stream(2.0 * pairs * q, n * q);
            kernel.forward = products.and(listing).single(pairs).exponentials(2.0 * pairs);
            kernel.kept_bytes = FLOAT_BYTES * (2.0 * edges + 2.0 * pairs + 4.0 * n);
            kernel.scratch_bytes = FLOAT_BYTES * (3.0 * n + 8.0 * pairs);
            let side = each.gather(pairs, q).stream(4.0 * pairs * q, 2.0 * n * q).exponentials(pairs);
            kernel.backward = match (a.is_tracked, b.is_tracked) {
                (true, true) => side.and(side),
                _ => side,
            };
            kernel.backward_scratch_bytes = FLOAT_BYTES * n;
        })
    }

    /// `kernels::bands`, of parts of one size each.
    pub fn bands(
        &mut self,
        x: Matrix,
        graphs: &Graphs,
        [parts, modes]: [f64; 2],
        has_weights: bool,
    ) -> Matrix {
        let (rows, width) = (x.rows, x.width);
        let size = rows / parts.max(1.0);
        let entries = graphs.n_edges();
        let jobs = Work { jobs: parts.max(1.0), longest: 1.0 / parts.max(1.0), ..Work::default() };
        self.kernel("bands", &[x], false, [rows, modes * width], |kernel| {
            let products = 4.0 * rows * modes * width;
            kernel.forward = jobs.stream(products, products);
            kernel.backward = jobs.stream(products, products);
            kernel.kept_bytes = 2.0 * FLOAT_BYTES * parts;
            kernel.scratch_bytes = 2.0 * FLOAT_BYTES * rows * width;
            // Without weights what follows is done once for all epochs.
            if has_weights {
                // Nine operations for each number of a matrix, row by row, find all eigenvectors of a part.
                let solving = 9.0 * parts * size.powi(3);
                kernel.forward = jobs
                    .single(solving)
                    .stream(products, products)
                    .and(Work::serial().single(30.0 * entries));
                kernel.kept_bytes += 2.0 * FLOAT_BYTES * rows * modes;
                kernel.scratch_bytes += 2.0 * FLOAT_BYTES * (2.0 * size * size + 12.0 * entries);
            }
            kernel.backward_scratch_bytes = 2.0 * FLOAT_BYTES * rows * width;
            kernel.reads_nothing();
        })
    }

    /// `kernels::hops::nearness`
    pub fn nearness(&mut self, marks: Matrix, of: &Structure) -> Matrix {
        let entries = match of {
            Structure::Sparse(graphs) => 2.0 * graphs.n_edges(),
            _ => of.rows().iter().map(|rows| rows * rows).sum(),
        };
        let numbers = marks.numbers();
        self.kernel(
            "nearness",
            &[Matrix { is_tracked: false, ..marks }],
            false,
            [marks.rows, marks.width],
            |kernel| {
                let jobs = Work {
                    jobs: marks.width.max(1.0),
                    longest: 1.0 / marks.width.max(1.0),
                    ..Work::default()
                };
                kernel.forward = jobs.element(marks.width * (entries + marks.rows));
                kernel.scratch_bytes = FLOAT_BYTES * (6.0 * numbers + entries);
                kernel.reads_nothing();
            },
        )
    }

    /// `kernels::fields`
    pub fn fields(&mut self, x: Matrix, of: &Structure, w: f64, k: f64) -> Matrix {
        let rows = of.rows();
        let roots: f64 = rows.iter().map(|&rows| rows.min(w)).sum();
        let jobs = Work::by_graph(&rows);
        self.kernel("fields", &[x], false, [of.n_graphs() * w * k, x.width], |kernel| {
            let numbers = roots * k * x.width;
            // Fields are found once for all epochs, and laid beside each other for a batch.
            let laying = 4.0 * roots * k;
            kernel.forward = jobs.stream(2.0 * numbers, 2.0 * numbers).single(laying);
            kernel.backward = jobs.stream(2.0 * numbers, 2.0 * numbers);
            kernel.kept_bytes = FLOAT_BYTES * (2.0 * roots * k + 2.0 * roots);
            kernel.scratch_bytes = FLOAT_BYTES * 2.0 * numbers;
            kernel.backward_scratch_bytes = 2.0 * FLOAT_BYTES * x.numbers();
            kernel.reads_nothing();
        })
    }

    /// `kernels::sum_over_graphs`: a scalar.
    pub fn sum_over_graphs(&mut self, per_graph: Matrix) -> Matrix {
        let numbers = per_graph.numbers();
        self.kernel("sum_over_graphs", &[per_graph], false, [1.0, 1.0], |kernel| {
            kernel.forward = Work::serial().stream(numbers, numbers);
            kernel.backward = Work::serial().stream(numbers, numbers);
            kernel.reads_nothing();
        })
    }

    /// `kernels::segment_reduce`: one row per graph.
    pub fn segment_reduce(&mut self, x: Matrix, over: Over, of: &Structure) -> Matrix {
        let numbers = x.numbers();
        let work = Work::by_rows(x.rows);
        self.kernel("segment_reduce", &[x], false, [of.n_graphs(), x.width], |kernel| {
            kernel.forward = work.stream(numbers, numbers).copy(x.rows);
            kernel.backward = work.stream(numbers, 2.0 * numbers).copy(x.rows);
            // A maximum is handed back to those that it came from.
            kernel.reads_result = over == Over::Max;
            kernel.reads.fill(kernel.reads_result);
        })
    }

    /// `kernels::sort_rows`: the first `k` rows of each graph.
    pub fn sort_rows(&mut self, x: Matrix, of: &Structure, k: f64) -> Matrix {
        let places = of.n_graphs() * k;
        let sorted: f64 = of.rows().iter().map(|rows| rows * rows.max(2.0).log2()).sum();
        self.kernel("sort_rows", &[x], false, [places, x.width], |kernel| {
            // The order is decided on f64 copies of all values, on one thread.
            kernel.forward =
                Work::serial().sort(sorted).stream(0.0, 6.0 * x.numbers() + 2.0 * places * x.width);
            kernel.scratch_bytes = 4.0 * FLOAT_BYTES * x.numbers();
            kernel.kept_bytes = FLOAT_BYTES * places;
            kernel.backward = Work::by_rows(x.rows).stream(0.0, 2.0 * x.numbers());
            kernel.backward_scratch_bytes = FLOAT_BYTES * x.rows;
            kernel.reads_nothing();
        })
    }

    /// `kernels::nearest`: how many edges are found, where none tie.
    pub fn nearest(&mut self, x: Matrix, of: &Structure, k: f64) -> f64 {
        let sizes = of.rows();
        let edges: f64 = sizes.iter().map(|&n| n * k.min(n)).sum();
        let pairs: f64 = sizes.iter().map(|n| n * n).sum();
        let jobs: f64 = sizes.iter().map(|n| (n / 32.0).ceil()).sum();
        let work = Work { jobs: jobs.max(1.0), longest: 1.0 / jobs.max(1.0), ..Work::default() };
        let largest = sizes.iter().fold(0.0f64, |most, &n| most.max(n));
        // A step of its own, without a tensor: the choice is not differentiated.
        self.kernel("nearest", &[Matrix { is_tracked: false, ..x }], false, [0.0, 0.0], |kernel| {
            kernel.forward = work.stream(3.0 * pairs * x.width, 4.0 * edges).element(pairs * (x.width + 8.0));
            // The edges, turned round too, with where those of each row begin.
            kernel.kept_bytes = FLOAT_BYTES * (2.0 * edges + 2.0 * x.rows);
            kernel.scratch_bytes = FLOAT_BYTES * (2.0 * x.numbers() + edges + 4.0 * largest);
            kernel.reads_nothing();
        });
        edges
    }

    /// `kernels::select_top`: what of each graph stays, given how many rows do. Of the edges, those between two kept
    /// nodes stay; with every choice of nodes equally likely that is the square of the kept share.
    pub fn select_top(
        &mut self,
        score: Matrix,
        graphs: &Graphs,
        connect: Connect,
        kept: impl Fn(f64) -> f64,
    ) -> Graphs {
        // Of the nodes on two sides of a cut those on one.
        let side = if matches!(connect, Connect::Through { .. }) { 0.5 } else { 1.0 };
        let nodes: Vec<f64> = graphs.nodes.iter().map(|&nodes| (side * kept(nodes)).min(nodes)).collect();
        let shares = nodes.iter().zip(&graphs.nodes).map(|(kept, all)| kept / all.max(1.0));
        // Walks of two edges are as many as if every node had the mean degree.
        let reached = graphs.edges.iter().zip(&graphs.nodes).map(|(&edges, &nodes)| {
            let walks = edges * edges / nodes.max(1.0);
            match connect {
                Connect::Edges => edges,
                Connect::Walks => 2.0 * edges + walks,
                Connect::Neighbourhoods { .. } | Connect::Through { .. } => {
                    (edges + walks * edges / nodes.max(1.0)).min(nodes * nodes)
                }
            }
        });
        let edges: Vec<f64> = shares.zip(reached).map(|(share, edges)| share * share * edges).collect();
        let selected = Graphs { nodes, edges, is_merged: graphs.is_merged, ..Graphs::default() };
        let sorted: f64 = graphs.nodes.iter().map(|rows| rows * rows.max(2.0).log2()).sum();
        let kept_bytes = FLOAT_BYTES * (2.0 * selected.n_nodes() + selected.n_edges());
        // A step of its own, without a tensor: the selection is not differentiated.
        let n_edges = graphs.n_edges();
        self.kernel("select_top", &[Matrix { is_tracked: false, ..score }], false, [0.0, 0.0], |kernel| {
            kernel.forward = Work::serial().sort(sorted).stream(0.0, 2.0 * n_edges);
            kernel.kept_bytes = kept_bytes;
            kernel.scratch_bytes = 6.0 * FLOAT_BYTES * score.rows;
        });
        selected
    }

    /// `kernels::contract`: the graph of what nodes become. A greedy matching joins most nodes of a graph in pairs, as
    /// far as it has edges; of each pair an edge and its reverse become one loop. The sides of a triangle become one edge
    /// too, which the sizes of a graph do not tell.
    pub fn contract(&mut self, score: Matrix, graphs: &Graphs) -> Graphs {
        let sizes = graphs.nodes.iter().zip(&graphs.edges);
        let pairs: Vec<f64> = sizes.map(|(nodes, edges)| (MATCHED * nodes).min(edges / 2.0)).collect();
        self.merge(score, graphs, &pairs)
    }

    /// `kernels::join`: how many nodes become one is up to values, of which sizes tell little.
    pub fn join(
        &mut self,
        score: Matrix,
        graphs: &Graphs,
        rule: Join,
        kept: impl Fn(Keep, f64) -> f64,
    ) -> Graphs {
        let sizes = graphs.nodes.iter().zip(&graphs.edges);
        let less = sizes.map(|(&nodes, &edges)| {
            let gone = match rule {
                Join::Equal => 0.0,
                Join::Above(_) => LINKED * nodes,
                Join::Around { .. } => AROUND * nodes,
                Join::Votes(keep) | Join::Balanced(keep) => nodes - kept(keep, nodes).min(nodes),
            };
            gone.min(edges / 2.0)
        });
        self.merge(score, graphs, &less.collect::<Vec<f64>>())
    }

    /// The graph of nodes so many of which are gone in each graph, each with an edge.
    fn merge(&mut self, score: Matrix, graphs: &Graphs, pairs: &[f64]) -> Graphs {
        let less = |all: &[f64]| all.iter().zip(pairs).map(|(all, pairs)| all - pairs).collect();
        let made = Graphs {
            nodes: less(&graphs.nodes),
            edges: less(&graphs.edges),
            is_merged: true,
            ..Graphs::default()
        };
        let sorted: f64 = graphs.edges.iter().map(|edges| edges * edges.max(2.0).log2()).sum();
        let (n_nodes, n_edges) = (graphs.n_nodes(), graphs.n_edges());
        // The lists of members and of contracted edges, the new graph, and what each of its edges was.
        let numbers = n_nodes + 2.0 * made.n_nodes() + 2.0 * made.n_edges() + n_edges;
        // A step of its own, without a tensor: the choice is not differentiated.
        self.kernel("contract", &[Matrix { is_tracked: false, ..score }], false, [0.0, 0.0], |kernel| {
            kernel.forward = Work::serial().sort(sorted).stream(0.0, 8.0 * n_edges + 6.0 * n_nodes);
            kernel.kept_bytes = FLOAT_BYTES * numbers;
            kernel.scratch_bytes = FLOAT_BYTES * (7.0 * n_edges + 4.0 * n_nodes);
        });
        made
    }

    /// `kernels::max_of_lists`: the largest of rows that become one.
    pub fn max_rows(&mut self, x: Matrix, rows: f64) -> Matrix {
        self.kernel("max_rows", &[x], false, [rows, x.width], |kernel| {
            kernel.forward = Work::by_rows(rows).stream(x.numbers(), x.numbers() + rows * x.width);
            kernel.backward =
                Work::by_rows(x.rows).stream(x.numbers(), 2.0 * x.numbers() + 2.0 * rows * x.width);
            kernel.backward_scratch_bytes = FLOAT_BYTES * 2.0 * x.rows;
            kernel.reads_result = true;
        })
    }

    /// `kernels::sum_of_lists` and `kernels::mean_of_lists`: rows that become one.
    pub fn merge_rows(&mut self, x: Matrix, rows: f64) -> Matrix {
        self.kernel("merge_rows", &[x], false, [rows, x.width], |kernel| {
            kernel.forward = Work::by_rows(rows).stream(x.numbers(), x.numbers() + rows * x.width);
            kernel.backward = Work::by_rows(x.rows).stream(x.numbers(), x.numbers() + rows * x.width);
            kernel.backward_scratch_bytes = FLOAT_BYTES * 2.0 * x.rows;
            kernel.reads_nothing();
        })
    }
}
