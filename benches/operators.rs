//! Single operators, forward and with gradients, beside PyTorch Geometric's figures.
//!
//! ```text
//! HGNN_DATA=… cargo bench --bench operators              every case
//! HGNN_DATA=… cargo bench --bench operators -- gine      cases whose name contains a word
//! ```
//!
//! `proteins`: one pass over all graphs of PROTEINS in batches of 64 made beforehand. `random100k`: 100,000 nodes and
//! 1,000,000 random distinct edges, one graph. Features are random, 64 wide in and out; edges have 8 numbers and one of
//! 4 kinds. With gradients, the sum of the results is differentiated for the node features and the weights. The figures
//! beside are those of the same workloads in `PYG_OPERATORS.md` (PyG 2.8.1, torch 2.15.0, 2 threads on a 2-core AMD EPYC
//! virtual machine); compare ratios measured on one machine, not times of two.

mod layer;

use layer::{WIDTH, Workload, is_wanted, median, network, pass, rounds, timed};

#[global_allocator]
static ALLOCATOR: hgnn::memory::Allocator = hgnn::memory::Allocator::new();

struct Case {
    name: &'static str,
    call: &'static str,
    /// PyG's milliseconds on PROTEINS and on the random graph: forward, and with gradients.
    pyg: [Option<[f64; 2]>; 2],
}

static CASES: &[Case] = &[
    Case { name: "gcn", call: "gcn(64)", pyg: [Some([15.6, 33.3]), Some([72.9, 163.0])] },
    Case { name: "sage", call: "sage(64)", pyg: [Some([7.78, 24.4]), Some([34.8, 119.0])] },
    Case {
        name: "sage max",
        call: "sage(64, aggregate = max)",
        pyg: [Some([7.89, 32.1]), Some([29.2, 174.0])],
    },
    Case { name: "gat", call: "gat(16, heads = 4)", pyg: [Some([30.9, 61.9]), Some([258.0, 641.0])] },
    Case {
        name: "gat edge",
        call: "gat(16, heads = 4, edge = edges)",
        pyg: [Some([35.6, 97.2]), Some([442.0, 1134.0])],
    },
    Case { name: "gatv2", call: "gatv2(16, heads = 4)", pyg: [None, None] },
    Case {
        name: "gatv2 edge",
        call: "gatv2(16, heads = 4, edge = edges)",
        pyg: [Some([62.5, 146.0]), Some([813.0, 1789.0])],
    },
    Case { name: "gin", call: "gin(64)", pyg: [Some([5.71, 24.5]), Some([57.5, 128.0])] },
    Case { name: "gine", call: "gine(64, edge = edges)", pyg: [Some([29.2, 40.9]), Some([384.0, 714.0])] },
    Case { name: "pna", call: "pna(64)", pyg: [Some([125.0, 372.0]), Some([1137.0, 5304.0])] },
    Case {
        name: "rgcn",
        call: "rgcn(64, relation = edge_labels)",
        pyg: [Some([37.7, 79.8]), Some([180.0, 364.0])],
    },
    Case {
        name: "rgcn bases",
        call: "rgcn(64, bases = 4, relation = edge_labels)",
        pyg: [Some([36.7, 84.2]), Some([166.0, 333.0])],
    },
    Case {
        name: "nn_conv",
        call: "nn_conv(64, hidden = 16, edge = edges)",
        pyg: [Some([927.0, 2463.0]), None],
    },
];

/// Aggregations alone, over the random graph: as a file writes them, and whether they are held to a gather of the same
/// rows. PyG's side is `benches/pyg/epochs.py aggregate`.
static AGGREGATIONS: &[(&str, &str, bool)] = &[
    ("sum", "conv gathered { message = x_j, aggregate = sum }", true),
    ("mean", "conv gathered { message = x_j, aggregate = mean }", true),
    ("max", "conv gathered { message = x_j, aggregate = max }", false),
    ("softmax", "conv gathered { message = softmax(x_j) * x_j, aggregate = sum }", false),
];

/// Copies the row of each edge's source: what an aggregation has to read, and a library without fused aggregation writes.
fn gather(x: &[f32], sources: &[u32], rows: &mut [f32]) {
    let half = sources.len() / 2;
    let (first, second) = rows.split_at_mut(half * WIDTH);
    std::thread::scope(|scope| {
        for (sources, rows) in [(&sources[..half], first), (&sources[half..], second)] {
            scope.spawn(move || {
                for (&source, row) in sources.iter().zip(rows.chunks_exact_mut(WIDTH)) {
                    row.copy_from_slice(&x[source as usize * WIDTH..][..WIDTH]);
                }
            });
        }
    });
}

fn aggregations(workload: &Workload) {
    let wanted = |name: &str| is_wanted(&format!("aggregate {name}"));
    if !AGGREGATIONS.iter().any(|(name, ..)| wanted(name)) {
        return;
    }
    println!("\n| aggregation | forward ms | with gradients ms | forward, of a gather of the rows |");
    println!("|---|---|---|---|");
    let batch = &workload.batches[0].batch;
    let x = batch.x.flatten_all().and_then(|x| x.to_vec1::<f32>()).expect("numbers");
    let graph = &batch.graph.adjacency;
    let sources: Vec<u32> = (0..graph.n_rows()).flat_map(|row| graph.row(row).to_vec()).collect();
    let mut rows = vec![0.0f32; sources.len() * WIDTH];
    for &(name, defined, is_held) in AGGREGATIONS.iter().filter(|(name, ..)| wanted(name)) {
        let network = network(defined, "gathered", &workload.facts);
        let run = |has_gradients| {
            let network = &network;
            move || pass(network, workload, has_gradients).expect("runs")
        };
        let all = rounds(2.0, || {
            let gathered = timed(|| gather(&x, &sources, &mut rows));
            [timed(run(false)), timed(run(true)), gathered].map(|[wall, _]| wall * 1e3)
        });
        let [forward, both] = [0, 1].map(|side| median(all.iter().map(|round| round[side])));
        let of_gather = median(all.iter().map(|round| round[0] / round[2]));
        let verdict = match is_held {
            true if of_gather <= 1.5 => ", within 1.5",
            true => ", above 1.5",
            false => "",
        };
        println!("| {name} | {forward:.1} | {both:.1} | {of_gather:.2}{verdict} |");
    }
}

fn main() {
    hgnn::memory::keep_pages();
    hgnn::cli::threads::set_up(None);
    println!("| operator | workload | forward ms | with gradients ms | of PyG's |");
    println!("|---|---|---|---|---|");
    let workloads: [Option<Workload>; 2] = [layer::proteins(), Some(layer::random100k())];
    for case in CASES {
        for (workload, pyg) in workloads.iter().zip(case.pyg) {
            let Some(workload) = workload else { continue };
            let name = format!("{} {}", case.name, workload.name);
            // The matrices of all edges of the random graph would take 16 GB.
            let is_too_large = case.name == "nn_conv" && workload.name == "random100k";
            if is_too_large || !is_wanted(&name) {
                continue;
            }
            let network = network("", case.call, &workload.facts);
            let [forward, both] = [false, true].map(|has_gradients| {
                let run = || pass(&network, workload, has_gradients).expect("runs");
                median(rounds(1.0, || timed(run)).into_iter().map(|[wall, _]| wall * 1e3))
            });
            let beside = pyg.map_or_else(String::new, |[pyg_forward, pyg_both]| {
                format!("{:.2} / {:.2}", forward / pyg_forward, both / pyg_both)
            });
            println!("| {} | {} | {forward:.1} | {both:.1} | {beside} |", case.name, workload.name);
        }
    }
    for workload in workloads.iter().flatten().filter(|workload| workload.name == "random100k") {
        aggregations(workload);
    }
}
