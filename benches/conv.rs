//! Convolutions of a file's own beside the built-in ones, and beside loops written by hand.
//!
//! ```text
//! HGNN_DATA=… cargo bench --bench conv             every case
//! HGNN_DATA=… cargo bench --bench conv -- gine     cases whose name contains a word
//! ```
//!
//! The workloads are those of `cargo bench --bench operators`. Both sides run in turn in one process, forward and with
//! gradients; a ratio is the median over the rounds, of processor time, which work beside does not stretch. A convolution
//! with a built-in twin may take 1.33 times as long, one without 1.5 times as long as the loops in `hand`.

mod hand;
mod layer;

use hand::Loops;
use layer::{Workload, is_wanted, median, network, pass, rounds, timed};

#[global_allocator]
static ALLOCATOR: hgnn::memory::Allocator = hgnn::memory::Allocator::new();

const LIMIT_OF_TWINS: f64 = 1.33;
const LIMIT_OF_LOOPS: f64 = 1.5;

struct Twin {
    name: &'static str,
    built_in: &'static str,
    defined: &'static str,
    call: &'static str,
}

/// The convolutions of `tests/spec/15_convolutions.md` that a built-in operator computes too.
static TWINS: &[Twin] = &[
    Twin {
        name: "gcn",
        built_in: "gcn(64)",
        defined: "conv mine(out) {
            self_loops = true
            message    = linear(out, x_j, bias = false, init = glorot) * rsqrt(degree_i) * rsqrt(degree_j)
            aggregate  = sum
            update     = aggregated + weight(out, init = zeros)
        }",
        call: "mine(64)",
    },
    Twin { name: "sage", built_in: "sage(64)", defined: SAGE, call: "mine(64)" },
    Twin { name: "sage max", built_in: "sage(64, aggregate = max)", defined: SAGE, call: "mine(64, max)" },
    Twin {
        name: "gin",
        built_in: "gin(64)",
        defined: "conv mine(out, hidden = out, eps = 0.0) {
            message   = x_j
            aggregate = sum
            update    = linear(out, relu(linear(hidden, (1 + eps) * x_i + aggregated)))
        }",
        call: "mine(64)",
    },
    Twin {
        name: "gat",
        built_in: "gat(16, heads = 4)",
        defined: "conv mine(out, n = 4, slope = 0.2) {
            self_loops = true
            h          = heads(linear(n * out, x, bias = false, init = glorot), n)
            score      = dot(h, weight(n, out))
            message    = softmax(leaky_relu(score_j + dot(h_i, weight(n, out)), slope)) * h_j
            aggregate  = sum
            update     = flat(aggregated) + weight(n * out, init = zeros)
        }",
        call: "mine(16)",
    },
    Twin {
        name: "gat edge",
        built_in: "gat(16, heads = 4, edge = edges)",
        defined: "conv mine(out, n = 4, slope = 0.2) {
            self_loops = true
            h          = heads(linear(n * out, x, bias = false, init = glorot), n)
            message    = softmax(leaky_relu(
                dot(h_j, weight(n, out)) + dot(h_i, weight(n, out))
                    + dot(heads(linear(n * out, e_ij, bias = false, init = glorot), n), weight(n, out)),
                slope,
            )) * h_j
            aggregate  = sum
            update     = flat(aggregated) + weight(n * out, init = zeros)
        }",
        call: "mine(16, edge = edges)",
    },
    Twin {
        name: "gatv2",
        built_in: "gatv2(16, heads = 4)",
        defined: "conv mine(out, n = 4, slope = 0.2) {
            self_loops = true
            source     = linear(n * out, x, init = glorot)
            target     = linear(n * out, x, init = glorot)
            message    = softmax(dot(
                leaky_relu(heads(source_j + target_i, n), slope),
                weight(n, out),
            )) * heads(source_j, n)
            aggregate  = sum
            update     = flat(aggregated) + weight(n * out, init = zeros)
        }",
        call: "mine(16)",
    },
    Twin {
        name: "gatv2 edge",
        built_in: "gatv2(16, heads = 4, edge = edges)",
        defined: "conv mine(out, n = 4, slope = 0.2) {
            self_loops = true
            source     = linear(n * out, x, init = glorot)
            target     = linear(n * out, x, init = glorot)
            message    = softmax(dot(
                leaky_relu(
                    heads(source_j + target_i + linear(n * out, e_ij, bias = false, init = glorot), n),
                    slope,
                ),
                weight(n, out),
            )) * heads(source_j, n)
            aggregate  = sum
            update     = flat(aggregated) + weight(n * out, init = zeros)
        }",
        call: "mine(16, edge = edges)",
    },
    Twin {
        name: "gine",
        built_in: "gine(64, edge = edges)",
        defined: "conv mine(out, hidden = out, eps = 0.0) {
            message   = relu(x_j + linear(width(x_j), e_ij))
            aggregate = sum
            update    = linear(out, relu(linear(hidden, (1 + eps) * x_i + aggregated)))
        }",
        call: "mine(64, edge = edges)",
    },
    Twin {
        name: "mpnn",
        built_in: "nn_conv(64, hidden = 16, layers = 2, aggregate = mean, edge = edges)",
        defined: "conv mine(out, hidden = 16) {
            message   = matvec(linear(width(x_j) * out, relu(linear(hidden, e_ij))), x_j)
            aggregate = mean
            update    = aggregated + linear(out, x_i, bias = false) + weight(out, init = zeros)
        }",
        call: "mine(64, edge = edges)",
    },
    Twin {
        name: "pna",
        built_in: "pna(64)",
        defined: "conv mine(out, delta = 1.0) {
            message   = linear(width(x_i), x_i, x_j)
            aggregate = [mean, min, max, std]
            update    = linear(out, linear(
                out,
                x_i,
                aggregated,
                aggregated * (log(degree_i + 1) / delta),
                aggregated * (delta / log(max(degree_i, 1) + 1)),
            ))
        }",
        call: "mine(64)",
    },
];

const SAGE: &str = "conv mine(out, how = mean) {
    message   = x_j
    aggregate = how
    update    = linear(out, aggregated, x_i)
}";

/// Time of `own` beside `other`, run in turn: wall milliseconds of both, and the ratio of processor times.
fn compare(own: impl Fn(), other: impl Fn()) -> ([f64; 2], f64) {
    let all = rounds(2.0, || [timed(&own), timed(&other)]);
    let wall = |side: usize| median(all.iter().map(|round| round[side][0] * 1e3));
    ([wall(0), wall(1)], median(all.iter().map(|[[_, own], [_, other]]| own / other)))
}

/// One line of the table: forward, and with gradients.
fn report(name: &str, workload: &str, [forward, both]: [([f64; 2], f64); 2], limit: f64) {
    let times = |([own, other], _): ([f64; 2], f64)| format!("{own:.1} / {other:.1}");
    let verdict = |ratio: f64| if ratio <= limit { "within" } else { "above" };
    println!(
        "| {name} | {workload} | {} | {:.2} | {} | {:.2} | {} {limit} |",
        times(forward),
        forward.1,
        times(both),
        both.1,
        verdict(forward.1.max(both.1)),
    );
}

fn main() {
    hgnn::memory::keep_pages();
    hgnn::cli::threads::set_up(None);
    println!(
        "| convolution | workload | forward ms, own / other | ratio | with gradients ms | ratio | limit |"
    );
    println!("|---|---|---|---|---|---|---|");
    let workloads: [Option<Workload>; 2] = [layer::proteins(), Some(layer::random100k())];
    let workloads: Vec<&Workload> = workloads.iter().flatten().collect();
    for Twin { name, built_in, defined, call } in TWINS {
        for workload in &workloads {
            // The matrices of all edges of the random graph would take 16 GB.
            let is_too_large = *name == "mpnn" && workload.name == "random100k";
            if is_too_large || !is_wanted(&format!("{name} {}", workload.name)) {
                continue;
            }
            let own = network(defined, call, &workload.facts);
            let built_in = network("", built_in, &workload.facts);
            let found = [false, true].map(|has_gradients| {
                let run = |network| move || pass(network, workload, has_gradients).expect("runs");
                compare(run(&own), run(&built_in))
            });
            report(name, workload.name, found, LIMIT_OF_TWINS);
        }
    }
    for &(name, defined, call, make) in hand::BODIES {
        for workload in &workloads {
            if !is_wanted(&format!("{name} {}", workload.name)) {
                continue;
            }
            let own = network(defined, call, &workload.facts);
            let mut loops: Box<dyn Loops> = make(&own);
            hand::assert_same(&own, &mut *loops, workload);
            let loops = std::cell::RefCell::new(loops);
            let found = [false, true].map(|has_gradients| {
                let by_hand = || {
                    for batch in &workload.batches {
                        loops.borrow_mut().step(batch, has_gradients).expect("runs");
                    }
                };
                compare(|| pass(&own, workload, has_gradients).expect("runs"), by_hand)
            });
            report(name, workload.name, found, LIMIT_OF_LOOPS);
        }
    }
}
