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

use candle_core::{DType, Device, Result, Tensor, Var};
use hgnn::args::{ArgKind, ArgValue, Args, BoundArg, Default as ArgDefault};
use hgnn::data::{self, DataOptions};
use hgnn::ir::{Author, Node, Scope};
use hgnn::kernels::graph::{Csr, EdgeKinds, SparseGraph};
use hgnn::kernels::{self, Activation, tape};
use hgnn::lower::{ForwardCx, LowerCx, Module, NodeWeights, Structure, Value};
use hgnn::ops::{self, FactCx, InferCx, Operator};
use hgnn::source::Span;
use hgnn::types::{Dim, Entity, Level, Size, Symmetry, Type};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: hgnn::memory::Allocator = hgnn::memory::Allocator::new();

const WIDTH: usize = 64;
const EDGE_WIDTH: usize = 8;
const N_KINDS: usize = 4;

struct Case {
    name: &'static str,
    operator: &'static str,
    /// Whole numbers and words; `edge` and `relation` are given by the case.
    args: &'static [(&'static str, Written)],
    reads: Reads,
    /// PyG's milliseconds on PROTEINS and on the random graph: forward, and with gradients.
    pyg: [Option<[f64; 2]>; 2],
}

#[derive(Clone, Copy)]
enum Written {
    Int(i64),
    Word(&'static str),
}

#[derive(Clone, Copy, PartialEq)]
enum Reads {
    Nothing,
    Features,
    Kinds,
}

use Reads::{Features, Kinds, Nothing};
use Written::{Int, Word};

static CASES: &[Case] = &[
    Case {
        name: "gcn",
        operator: "gcn",
        args: &[("out", Int(64))],
        reads: Nothing,
        pyg: [Some([15.6, 33.3]), Some([72.9, 163.0])],
    },
    Case {
        name: "sage",
        operator: "sage",
        args: &[("out", Int(64))],
        reads: Nothing,
        pyg: [Some([7.78, 24.4]), Some([34.8, 119.0])],
    },
    Case {
        name: "sage max",
        operator: "sage",
        args: &[("out", Int(64)), ("aggregate", Word("max"))],
        reads: Nothing,
        pyg: [Some([7.89, 32.1]), Some([29.2, 174.0])],
    },
    Case {
        name: "gat",
        operator: "gat",
        args: &[("out", Int(16)), ("heads", Int(4))],
        reads: Nothing,
        pyg: [Some([30.9, 61.9]), Some([258.0, 641.0])],
    },
    Case {
        name: "gat edge",
        operator: "gat",
        args: &[("out", Int(16)), ("heads", Int(4))],
        reads: Features,
        pyg: [Some([35.6, 97.2]), Some([442.0, 1134.0])],
    },
    Case {
        name: "gatv2",
        operator: "gatv2",
        args: &[("out", Int(16)), ("heads", Int(4))],
        reads: Nothing,
        pyg: [None, None],
    },
    Case {
        name: "gatv2 edge",
        operator: "gatv2",
        args: &[("out", Int(16)), ("heads", Int(4))],
        reads: Features,
        pyg: [Some([62.5, 146.0]), Some([813.0, 1789.0])],
    },
    Case {
        name: "gin",
        operator: "gin",
        args: &[("out", Int(64))],
        reads: Nothing,
        pyg: [Some([5.71, 24.5]), Some([57.5, 128.0])],
    },
    Case {
        name: "gine",
        operator: "gine",
        args: &[("out", Int(64))],
        reads: Features,
        pyg: [Some([29.2, 40.9]), Some([384.0, 714.0])],
    },
    Case {
        name: "pna",
        operator: "pna",
        args: &[("out", Int(64))],
        reads: Nothing,
        pyg: [Some([125.0, 372.0]), Some([1137.0, 5304.0])],
    },
    Case {
        name: "rgcn",
        operator: "rgcn",
        args: &[("out", Int(64))],
        reads: Kinds,
        pyg: [Some([37.7, 79.8]), Some([180.0, 364.0])],
    },
    Case {
        name: "rgcn bases",
        operator: "rgcn",
        args: &[("out", Int(64)), ("bases", Int(4))],
        reads: Kinds,
        pyg: [Some([36.7, 84.2]), Some([166.0, 333.0])],
    },
    Case {
        name: "nn_conv",
        operator: "nn_conv",
        args: &[("out", Int(64)), ("hidden", Int(16))],
        reads: Features,
        pyg: [Some([927.0, 2463.0]), None],
    },
];

/// Graphs of one step with what their edges carry.
struct Batch {
    x: Var,
    graph: Arc<SparseGraph>,
    edges: Tensor,
}

fn random(rows: usize, width: usize, rng: &mut ChaCha8Rng) -> Tensor {
    let values: Vec<f32> = (0..rows * width).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(values, (rows, width), &Device::Cpu).unwrap()
}

fn batch(graph: SparseGraph, rng: &mut ChaCha8Rng) -> Batch {
    let n_edges = graph.adjacency.n_entries();
    let of_entry = Arc::new((0..n_edges).map(|_| rng.random_range(0..N_KINDS as u32)).collect());
    let kinds = EdgeKinds { of_entry, n_kinds: N_KINDS };
    Batch {
        x: Var::from_tensor(&random(graph.n_nodes(), WIDTH, rng)).unwrap(),
        edges: random(n_edges, EDGE_WIDTH, rng),
        graph: Arc::new(graph.with_kinds(Some(kinds))),
    }
}

fn proteins() -> Option<Vec<Batch>> {
    let mut options = DataOptions::from_env();
    options.offline = true;
    let call = data::call("tu", &[("name", ArgValue::Text("PROTEINS".into()))]);
    let data = data::load(&call, &options).ok()?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let all: Vec<u32> = (0..data.n_graphs() as u32).collect();
    Some(all.chunks(64).map(|graphs| batch(data.union(graphs), &mut rng)).collect())
}

fn random100k() -> Vec<Batch> {
    let (n, m) = (100_000u32, 1_000_000);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut edges: Vec<(u32, u32)> =
        (0..m).map(|_| (rng.random_range(0..n), rng.random_range(0..n))).collect();
    edges.sort_unstable();
    edges.dedup();
    let adjacency = Arc::new(Csr::from_edges(n as usize, &edges));
    let transpose = Arc::new(adjacency.transpose());
    vec![batch(SparseGraph::new(adjacency, transpose, Arc::new(vec![0, n])), &mut rng)]
}

struct Built {
    module: Box<dyn Module>,
    weights: NodeWeights,
}

/// The operator alone; `None` where the catalogue does not have it, or it does not take what the case gives it.
fn build(case: &Case) -> Option<Built> {
    let op: &'static dyn Operator = ops::find(case.operator)?;
    let given = match case.reads {
        Nothing => None,
        Features => Some("edge"),
        Kinds => Some("relation"),
    };
    let mut args = Vec::new();
    for spec in op.args() {
        let written = case.args.iter().find(|(name, _)| *name == spec.name).map(|(_, value)| match value {
            Int(value) => ArgValue::Int(*value),
            Word(word) => ArgValue::Choice(word),
        });
        let value = match (written, spec.default) {
            _ if Some(spec.name) == given => ArgValue::Pipeline,
            (Some(value), _) => value,
            (None, ArgDefault::Required) => return None,
            (None, default) => default.value().unwrap_or(ArgValue::Absent),
        };
        let is_left_out = matches!(spec.kind, ArgKind::Edges(_)) && Some(spec.name) != given;
        let value = if is_left_out { ArgValue::Absent } else { value };
        args.push(BoundArg { name: spec.name, value, span: Some(Span::default()) });
    }
    if given.is_some_and(|given| args.iter().all(|arg| arg.name != given)) {
        return None;
    }
    let args = Args(args);
    let ty = |entity, width| Type {
        entity,
        level: Level(0),
        rows: Dim::new(Size::Symbol("N"), None, ""),
        width: Dim::new(Size::Known(width), None, ""),
        symmetry: Symmetry::Equivariant,
    };
    let mut types = vec![ty(Entity::Nodes, WIDTH)];
    match case.reads {
        Nothing => {}
        Features => types.push(ty(Entity::Edges, EDGE_WIDTH)),
        Kinds => types.push(ty(Entity::EdgeKinds, N_KINDS)),
    }
    let types: Vec<&Type> = types.iter().collect();
    let spans = vec![Span::default(); types.len()];
    let output = op
        .infer(&InferCx {
            op,
            args: &args,
            inputs: &types,
            input_spans: &spans,
            span: Span::default(),
            target: None,
            new_level: Level(1),
            data: None,
            sizes: None,
            definition: None,
        })
        .unwrap_or_else(|finding| panic!("{}: {finding:?}", case.name));
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let specs = op.weights(&FactCx { args: &args, inputs: &types, output: &output });
    let weights = specs.iter().map(|spec| {
        let shape: Vec<usize> = spec.shape.iter().map(|dim| dim.known().unwrap()).collect();
        let n = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|_| rng.random_range(-0.2..0.2)).collect();
        (spec.name, Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap())
    });
    let weights = NodeWeights(weights.collect());
    let node = Node {
        op,
        args: args.clone(),
        ty: output.clone(),
        name: None,
        span: Span::default(),
        scope: Scope::default(),
        author: Author::File,
    };
    let module = LowerCx {
        idx: petgraph::graph::NodeIndex::new(0),
        node: &node,
        args: &args,
        inputs: &types,
        output: &output,
        activation: None,
        needs_adjacency: true,
        weights: &weights,
    }
    .module()
    .unwrap();
    Some(Built { module, weights })
}

fn pass(built: &Built, case: &Case, batches: &[Batch], has_gradients: bool) -> Result<()> {
    for batch in batches {
        let x = if has_gradients { batch.x.as_tensor().clone() } else { batch.x.as_tensor().detach() };
        let mut values = vec![Value { x, structure: Structure::Sparse(batch.graph.clone()) }];
        let structure = Structure::Edges(batch.graph.clone());
        match case.reads {
            Nothing => {}
            Features => values.push(Value { x: batch.edges.clone(), structure }),
            Kinds => {
                let kinds = batch.graph.kinds.as_ref().expect("every batch has kinds");
                let x = Tensor::from_slice(&kinds.of_entry, (kinds.of_entry.len(), 1), &Device::Cpu)?;
                values.push(Value { x, structure });
            }
        }
        let inputs: Vec<&Value> = values.iter().collect();
        if !has_gradients {
            tape::stop();
            built.module.forward(&inputs, &mut ForwardCx::evaluation())?.x.detach();
            continue;
        }
        tape::start();
        let y = built.module.forward(&inputs, &mut ForwardCx::training(1, &[]))?.x;
        let n = y.elem_count();
        let row = tape::reshape(&y, (1, n))?;
        let ones = Tensor::ones((n, 1), DType::F32, &Device::Cpu)?;
        let loss = kernels::linear(&row, &ones, None, Activation::Identity)?;
        let gradients = tape::backward(&loss)?;
        assert!(built.weights.0.iter().any(|(_, weight)| gradients.get(weight).is_some()));
    }
    Ok(())
}

/// The median of passes: three or more, for about a second.
fn median_ms(mut pass: impl FnMut()) -> f64 {
    pass();
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || start.elapsed() < Duration::from_secs(1) && times.len() < 50 {
        let start = Instant::now();
        pass();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    println!("| operator | workload | forward ms | with gradients ms | of PyG's |");
    println!("|---|---|---|---|---|");
    let workloads: [(&str, Option<Vec<Batch>>); 2] =
        [("proteins", proteins()), ("random100k", Some(random100k()))];
    for case in CASES {
        let Some(built) = build(case) else { continue };
        for (k, (workload, batches)) in workloads.iter().enumerate() {
            let name = format!("{} {workload}", case.name);
            let Some(batches) = batches.as_ref().filter(|_| is_wanted(&name)) else { continue };
            if case.name == "nn_conv" && *workload == "random100k" {
                // The matrices of all edges would take 16 GB.
                continue;
            }
            let forward = median_ms(|| pass(&built, case, batches, false).unwrap());
            let both = median_ms(|| pass(&built, case, batches, true).unwrap());
            let beside = case.pyg[k].map_or_else(String::new, |[pyg_forward, pyg_both]| {
                format!("{:.2} / {:.2}", forward / pyg_forward, both / pyg_both)
            });
            println!("| {} | {workload} | {forward:.1} | {both:.1} | {beside} |", case.name);
        }
    }
}
