//! Single operators, forward and with gradients, beside PyTorch Geometric's figures.
//!
//! ```text
//! HGNN_DATA=… cargo bench --bench operators              every case
//! HGNN_DATA=… cargo bench --bench operators -- gine      cases whose name contains a word
//! HGNN_DATA=… cargo bench --bench operators -- --memory  bytes in place of times
//! ```
//!
//! Poolings are followed by a sum over each graph. Left out: soft assignments, whose losses and adjacencies PyG's figures
//! count and which `--bench pooling` and `--bench epochs` measure, and readouts that go by the order of nodes.
//!
//! `proteins`: one pass over all graphs of PROTEINS in batches of 64 made beforehand. `random100k`: 100,000 nodes and
//! 1,000,000 random distinct edges, one graph. `rows100k`: 100,000 rows in 1,000 graphs. Features are random, 64 wide in and out; edges have 8 numbers and one of
//! 4 kinds. With gradients, the sum of the results is differentiated for the node features and the weights. The figures
//! beside are those of the same workloads in `PYG_OPERATORS.md` (PyG 2.8.1, torch 2.15.0, 2 threads on a 2-core AMD EPYC
//! virtual machine); compare ratios measured on one machine, not times of two.

mod layer;

use hgnn::lower::Network;
use hgnn::types::Entity;
use layer::{WIDTH, Workload, is_wanted, median, network, network_of, pass, rounds, timed};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[global_allocator]
static ALLOCATOR: layer::memory::Counting = layer::memory::Counting::new();

/// A name, the call, the width of its result, and PyG's milliseconds on PROTEINS and on the other workload: forward, and
/// with gradients.
type Case = (&'static str, &'static str, usize, [Option<[f64; 2]>; 2]);

/// Coordinates of the edges, which one call names.
const PLACES: &str = "edges -> columns(0, 2) -> sigmoid as place";

const fn ms(forward: f64, both: f64) -> Option<[f64; 2]> {
    Some([forward, both])
}

/// No figure: the class needs a package that is not there, or another setting than ours.
const NONE: Option<[f64; 2]> = None;

/// Results of nodes.
static CONVOLUTIONS: &[Case] = &[
    ("simple", "simple", 64, [ms(1.27, 11.6), ms(16.1, 102.0)]),
    ("gcn", "gcn(64)", 64, [ms(15.6, 33.3), ms(72.9, 163.0)]),
    ("graph_conv", "graph_conv(64)", 64, [ms(5.99, 23.2), ms(30.0, 115.0)]),
    ("sage", "sage(64)", 64, [ms(7.78, 24.4), ms(34.8, 119.0)]),
    ("sage max", "sage(64, aggregate = max)", 64, [ms(7.89, 32.1), ms(29.2, 174.0)]),
    ("sage normalize", "sage(64, normalize = true)", 64, [NONE, NONE]),
    ("sage both ways", "sage(64, direction = both)", 64, [ms(20.4, 52.5), ms(241.0, 507.0)]),
    ("gin", "gin(64)", 64, [ms(5.71, 24.5), ms(57.5, 128.0)]),
    ("gine", "gine(64, edge = edges)", 64, [ms(29.2, 40.9), ms(384.0, 714.0)]),
    ("gat", "gat(16, heads = 4)", 64, [ms(30.9, 61.9), ms(258.0, 641.0)]),
    ("gat 16 heads", "gat(4, heads = 16)", 64, [NONE, NONE]),
    ("gat edge", "gat(16, heads = 4, edge = edges)", 64, [ms(35.6, 97.2), ms(442.0, 1134.0)]),
    ("gatv2", "gatv2(16, heads = 4)", 64, [NONE, NONE]),
    ("gatv2 edge", "gatv2(16, heads = 4, edge = edges)", 64, [ms(62.5, 146.0), ms(813.0, 1789.0)]),
    ("transformer edge", "transformer(16, heads = 4, edge = edges)", 64, [ms(61.2, 94.6), ms(699.0, 1560.0)]),
    ("supergat", "supergat(16, heads = 4)", 64, [ms(61.2, 292.0), ms(637.0, 5531.0)]),
    ("agnn", "agnn", 64, [ms(34.7, 62.8), ms(489.0, 1073.0)]),
    ("feast", "feast(64, heads = 4)", 64, [ms(132.0, 239.0), ms(1251.0, 2979.0)]),
    ("fa", "fa(initial = identity, eps = 0.1)", 64, [ms(23.1, 82.9), ms(231.0, 617.0)]),
    ("cheb", "cheb(64, terms = 3)", 64, [ms(34.9, 70.4), ms(456.0, 903.0)]),
    ("sg", "sg(64, hops = 2)", 64, [ms(17.6, 41.3), ms(84.4, 196.0)]),
    ("ssg", "ssg(64, alpha = 0.1, hops = 2)", 64, [ms(20.2, 48.3), ms(101.0, 236.0)]),
    ("appnp", "appnp(hops = 10, alpha = 0.1)", 64, [ms(30.5, 137.0), ms(276.0, 810.0)]),
    (
        "gcn2",
        "gcn2(initial = identity, alpha = 0.1, theta = 0.5, layer = 1)",
        64,
        [ms(14.7, 39.7), ms(76.8, 159.0)],
    ),
    ("tag", "tag(64, hops = 3)", 64, [ms(23.0, 79.7), ms(103.0, 314.0)]),
    ("arma", "arma(64, stacks = 2, layers = 2)", 64, [ms(84.5, 212.0), ms(1282.0, 2908.0)]),
    ("mixhop", "mixhop(64)", 192, [ms(32.4, 70.4), ms(170.0, 289.0)]),
    ("lg", "lg", 64, [ms(3.09, 14.0), ms(23.6, 98.5)]),
    ("cluster_gcn", "cluster_gcn(64)", 64, [ms(18.6, 41.4), ms(104.0, 162.0)]),
    ("le", "le(64)", 64, [ms(16.1, 46.3), ms(330.0, 623.0)]),
    ("mf", "mf(64, max_degree = 10)", 64, [ms(13.8, 60.7), ms(161.0, 389.0)]),
    ("eg", "eg(64)", 64, [ms(20.7, 33.2), ms(68.1, 145.0)]),
    ("pan", "pan(64)", 64, [NONE, NONE]),
    ("wl_continuous", "wl_continuous", 64, [ms(6.58, 15.1), ms(115.0, 212.0)]),
    ("antisymmetric", "antisymmetric", 64, [ms(25.6, 46.9), ms(93.0, 184.0)]),
    ("general", "general(64)", 64, [ms(16.1, 46.1), ms(297.0, 583.0)]),
    ("gated_graph", "gated_graph(64, steps = 3)", 64, [ms(71.5, 211.0), ms(335.0, 800.0)]),
    ("res_gated", "res_gated(64)", 64, [ms(31.3, 64.6), ms(549.0, 1084.0)]),
    ("gen", "gen(64)", 64, [ms(121.0, 102.0), ms(917.0, 1877.0)]),
    ("cg", "cg(edge = edges)", 64, [ms(96.2, 184.0), ms(951.0, 2449.0)]),
    ("edge_conv", "edge_conv(64, hidden = 64)", 64, [ms(57.9, 190.0), ms(763.0, 2319.0)]),
    ("gmm", "gmm(64, kernels = 4, edge = edges)", 64, [ms(65.6, 185.0), ms(951.0, 2615.0)]),
    ("spline", "spline(64, edge = place, dim = 2)", 64, [NONE, NONE]),
    ("pdn", "pdn(64, hidden = 64, edge = edges)", 64, [ms(23.1, 71.8), ms(318.0, 1044.0)]),
    ("nn_conv", "nn_conv(64, hidden = 16, edge = edges)", 64, [ms(927.0, 2463.0), NONE]),
    ("pna", "pna(64)", 64, [ms(125.0, 372.0), ms(1137.0, 5304.0)]),
    ("rgcn", "rgcn(64, relation = edge_labels)", 64, [ms(37.7, 79.8), ms(180.0, 364.0)]),
    ("rgcn bases", "rgcn(64, bases = 4, relation = edge_labels)", 64, [ms(36.7, 84.2), ms(166.0, 333.0)]),
    ("rgat", "rgat(64, relation = edge_labels)", 64, [ms(1037.0, 3047.0), NONE]),
    ("film", "film(64)", 64, [ms(46.6, 92.6), ms(553.0, 1031.0)]),
    ("film relations", "film(64, relation = edge_labels)", 64, [ms(64.0, 190.0), ms(570.0, 1273.0)]),
    ("gps", "gps(gin(64), heads = 4)", 64, [ms(1390.0, 1072.0), NONE]),
];

/// With a sum over each graph behind.
static POOLINGS: &[Case] = &[
    ("topk", "topk(ratio = 0.5) -> sum", 64, [ms(9.02, 19.1), NONE]),
    ("sag", "sag(ratio = 0.5) -> sum", 64, [ms(12.4, 28.1), NONE]),
    ("asap", "asap(ratio = 0.5) -> sum", 64, [ms(86.8, 310.0), NONE]),
    ("edge_pool", "edge_pool -> sum", 64, [ms(653.0, 703.0), NONE]),
    ("cluster_pool", "cluster_pool -> sum", 64, [ms(1286.0, 2187.0), NONE]),
    ("mem_pool", "mem_pool(64, k = 20, heads = 4) -> sum", 64, [ms(222.0, 535.0), NONE]),
    ("graclus", "graclus -> sum", 64, [NONE, NONE]),
    ("kmis", "kmis -> sum", 64, [NONE, NONE]),
    ("ndp", "ndp -> sum", 64, [NONE, NONE]),
];

/// Results of graphs.
static READOUTS: &[Case] = &[
    ("sum", "sum", 64, [ms(0.453, 2.62), ms(0.839, 5.72)]),
    ("mean", "mean", 64, [ms(0.681, 1.65), ms(0.953, 2.1)]),
    ("max", "max", 64, [ms(0.55, 9.18), ms(0.716, 21.7)]),
    ("min", "min", 64, [ms(0.509, 9.62), ms(0.701, 23.9)]),
    ("mul", "mul", 64, [ms(0.486, 9.11), ms(0.695, 27.4)]),
    ("var", "var", 64, [ms(1.68, 4.69), ms(3.22, 15.5)]),
    ("std", "std", 64, [ms(1.94, 5.78), ms(3.13, 28.4)]),
    ("softmax_sum", "softmax_sum(learn_t = true)", 64, [ms(6.0, 13.6), ms(42.6, 61.8)]),
    ("power_mean", "power_mean(learn_p = true)", 64, [ms(3.9, 26.6), ms(24.5, 50.0)]),
    ("median", "median", 64, [ms(179.0, 182.0), ms(1054.0, 1464.0)]),
    ("quantile", "quantile(0.25)", 64, [ms(180.0, 180.0), ms(1691.0, 1175.0)]),
    ("attentional", "attentional", 64, [ms(2.12, 7.77), ms(4.53, 31.0)]),
    ("set2set", "set2set(steps = 3)", 128, [ms(15.1, 73.4), ms(39.9, 161.0)]),
    ("sort_pool", "sort_pool(30) -> flatten", 1920, [ms(18.8, 70.3), ms(16.7, 56.2)]),
    ("deep_sets", "deep_sets(64, local = [64, 64], hidden = [64])", 64, [ms(6.38, 16.1), ms(34.0, 48.8)]),
    ("set_transformer", "set_transformer(heads = 4)", 64, [ms(1441.0, 1555.0), ms(573.0, 843.0)]),
    (
        "multiset_transformer",
        "multiset_transformer(seeds = 20, heads = 4)",
        64,
        [ms(173.0, 459.0), ms(129.0, 343.0)],
    ),
];

/// Results of nodes.
static NORMS: &[Case] = &[
    ("batch_norm", "batch_norm", 64, [ms(0.456, 6.27), ms(1.32, 55.8)]),
    ("layer_norm graph", "layer_norm(mode = graph)", 64, [ms(6.13, 12.9), ms(16.6, 39.6)]),
    ("layer_norm node", "layer_norm(mode = node)", 64, [ms(0.857, 2.41), ms(1.78, 17.4)]),
    ("instance_norm", "instance_norm", 64, [ms(4.46, 8.78), ms(30.1, 32.2)]),
    ("graph_norm", "graph_norm", 64, [ms(9.09, 13.8), ms(21.5, 47.4)]),
    ("graph_size_norm", "graph_size_norm", 64, [ms(0.423, 1.75), ms(1.31, 3.44)]),
    ("pair_norm", "pair_norm", 64, [ms(4.37, 9.42), ms(24.4, 34.1)]),
    ("mean_subtraction", "mean_subtraction", 64, [ms(1.85, 11.1), ms(1.31, 13.9)]),
    ("diff_group_norm", "diff_group_norm(groups = 10)", 64, [ms(23.6, 58.5), ms(190.0, 553.0)]),
];

/// Aggregations alone, over the random graph: as a file writes them, and whether they are held to a gather of the same
/// rows. PyG's side is `benches/pyg/epochs.py aggregate`.
static AGGREGATIONS: &[(&str, &str, bool)] = &[
    ("sum", "conv gathered { message = x_j, aggregate = sum }", true),
    ("mean", "conv gathered { message = x_j, aggregate = mean }", true),
    ("max", "conv gathered { message = x_j, aggregate = max }", false),
    ("softmax", "conv gathered { message = softmax(x_j) * x_j, aggregate = sum }", false),
];

/// 100,000 rows without edges in 1,000 graphs of random sizes.
fn rows100k() -> Workload {
    let (n, n_graphs) = (100_000u32, 1_000);
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut offsets: Vec<u32> = (1..n_graphs).map(|_| rng.random_range(0..=n)).collect();
    offsets.extend([0, n]);
    offsets.sort_unstable();
    layer::workload("rows100k", offsets, Vec::new(), n_graphs, &mut rng)
}

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
    let is_of_memory = std::env::args().any(|arg| arg == "--memory");
    match is_of_memory {
        true => {
            println!("| operator | workload | peak MB | of what it needs | PyG's MB | of PyG's | |");
            println!("|---|---|---|---|---|---|---|");
        }
        false => {
            println!("| operator | workload | forward ms | with gradients ms | of PyG's |");
            println!("|---|---|---|---|---|");
        }
    }
    let (proteins, random, rows) = (layer::proteins(), layer::random100k(), rows100k());
    let (nodes, graphs) = (Entity::Nodes, Entity::Graph);
    // A pooling needs edges, and the random graph is one graph.
    let families = [
        (CONVOLUTIONS, nodes, Some(&random)),
        (POOLINGS, graphs, None),
        (READOUTS, graphs, Some(&rows)),
        (NORMS, nodes, Some(&random)),
    ];
    for (cases, of, other) in families {
        for case in cases {
            for (place, (workload, pyg)) in [proteins.as_ref(), other].into_iter().zip(case.3).enumerate() {
                let Some(workload) = workload else { continue };
                match is_of_memory {
                    true => weigh(case, of, workload, place),
                    false => measure(case, of, workload, pyg),
                }
            }
        }
    }
    if !is_of_memory {
        aggregations(&random);
    }
}

/// The network of a case; `None` where it was not asked for.
fn wanted(&(name, call, width, _): &Case, of: Entity, workload: &Workload) -> Option<Network> {
    // Matrices of all edges of the random graph would take 16 GB, and attention of all its rows to each other hours.
    let is_too_large = matches!(name, "nn_conv" | "gps") && workload.name == "random100k";
    if is_too_large || !is_wanted(&format!("{name} {}", workload.name)) {
        return None;
    }
    let before = if call.contains("place") { PLACES } else { "" };
    Some(network_of(before, call, &workload.facts, of, width))
}

/// Bytes of one pass with gradients, which are the same in every build and on a busy machine.
fn weigh(case: &Case, of: Entity, workload: &Workload, place: usize) {
    let Some(network) = wanted(case, of, workload) else { return };
    let used = layer::memory::used(&network, workload, case.1);
    let pyg = layer::memory::PYG.iter().find(|(name, _)| *name == case.0).and_then(|(_, mb)| mb[place]);
    let of_needed = used.peak / used.needed;
    let of_pyg = pyg.map(|pyg| used.peak / f64::from(pyg));
    let is_within = of_needed <= 1.2 || of_pyg.is_some_and(|of| of <= 1.0 / 3.0);
    println!(
        "| {} | {} | {:.1} | {of_needed:.2} | {} | {} | {} |",
        case.0,
        workload.name,
        used.peak,
        pyg.map_or_else(String::new, |pyg| pyg.to_string()),
        of_pyg.map_or_else(String::new, |of| format!("{of:.2}")),
        if is_within { "" } else { "above" }
    );
}

fn measure(case: &Case, of: Entity, workload: &Workload, pyg: Option<[f64; 2]>) {
    let Some(network) = wanted(case, of, workload) else { return };
    let name = case.0;
    let [forward, both] = [false, true].map(|has_gradients| {
        let run = || pass(&network, workload, has_gradients).expect("runs");
        median(rounds(1.0, || timed(run)).into_iter().map(|[wall, _]| wall * 1e3))
    });
    let beside = pyg.map_or_else(String::new, |[pyg_forward, pyg_both]| {
        format!("{:.2} / {:.2}", forward / pyg_forward, both / pyg_both)
    });
    println!("| {name} | {} | {forward:.1} | {both:.1} | {beside} |", workload.name);
}
