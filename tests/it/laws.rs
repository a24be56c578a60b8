//! What holds of every operator of the catalogue, with every word and switch of its arguments, on every kind of
//! value that it takes. A new operator is tested here by being entered in the catalogue.

use crate::operator::{Lone, args, infer, numbers, sparse_graph, ty};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use hgnn::args::{ArgKind, ArgValue, Args, Default, EdgeValue};
use hgnn::check::check;
use hgnn::data::Dataset;
use hgnn::data::batch::EdgeReads;
use hgnn::data::synthetic::{RandomGraphs, random_graphs, renumber};
use hgnn::kernels::Summation;
use hgnn::kernels::graph::EdgeKinds;
use hgnn::lower::single::SingleError;
use hgnn::lower::{ForwardCx, Network, Structure, Value};
use hgnn::ops::{self, Action, Family, Operator, Ports, Select, WeightSpec};
use hgnn::source::SourceMap;
use hgnn::types::{Entity, Size, SizesWithData, Symmetry, Type};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

const WIDTH: usize = 4;
/// Clusters or slots a graph of inputs that have a fixed number of rows.
const ROWS: usize = 5;
/// Kinds of edges.
const N_KINDS: usize = 3;

/// Kinds of edges that an operator takes.
fn n_kinds(op: &dyn Operator) -> usize {
    if op.name() == "signed" { 2 } else { N_KINDS }
}

const WANTED: [&str; 18] = [
    "prior",
    "adversarial",
    "attention",
    "reconstruction",
    "stick_breaking",
    "connectivity",
    "total_variation",
    "asymmetric_norm",
    "link_prediction",
    "entropy",
    "mincut",
    "orthogonality",
    "spectral",
    "cluster",
    "balance",
    "hosc",
    "kl",
    "max_cut",
];

/// An operator with arguments, on inputs that it takes.
struct Setting {
    name: String,
    op: &'static dyn Operator,
    args: Args,
    inputs: Vec<Type>,
}

impl Setting {
    fn lone(&self, dtype: DType) -> Lone {
        let types: Vec<&Type> = self.inputs.iter().collect();
        Lone::build(self.op, &self.args, &types, dtype, random_weight)
    }
}

/// Weights in ±1 of a stream of their own; a running variance has to be positive.
pub(crate) fn random_weight(spec: &WeightSpec) -> Tensor {
    let shape: Vec<usize> = spec.shape.iter().map(|dim| dim.known().expect("a known size")).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(spec.name.bytes().map(u64::from).sum());
    let low = if spec.is_trained { -1.0 } else { 0.5 };
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| rng.random_range(low..1.5)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

type Written = Vec<(&'static str, ArgValue)>;

/// Every value of every argument once, beside the defaults of the others: whatever the operators' own shape rules accept.
fn settings() -> Vec<Setting> {
    accepted(|op, bases| {
        let Some(first) = bases.first() else { return Vec::new() };
        bases.iter().cloned().chain(variations(op, first)).collect()
    })
}

/// As [`settings`], but for values of all arguments at once where the operator takes them together: where what is told of
/// one setting holds for each of its parts.
fn together() -> Vec<Setting> {
    accepted(|op, bases| {
        let Some(first) = bases.first() else { return Vec::new() };
        let singles = variations(op, first);
        let mut all = bases.to_vec();
        let is_on = |written: &Written, entity| inputs_for(op, &args(op, written), entity).is_some();
        // Wherever both are.
        let is_accepted = |round: &Written, single: &Written, with: &Written| {
            ENTITIES.iter().all(|&on| is_on(with, on) || !is_on(round, on) || !is_on(single, on))
        };
        let mut rounds: Vec<Written> = Vec::new();
        for single in singles {
            let new = single.last().expect("one more than the first").clone();
            let fits = |round: &Written| {
                let has_it = round.iter().any(|(name, _)| *name == new.0);
                let with: Written = round.iter().cloned().chain([new.clone()]).collect();
                (!has_it && is_accepted(round, &single, &with)).then_some(with)
            };
            match rounds.iter_mut().find_map(|round| fits(round).map(|with| (round, with))) {
                Some((round, with)) => *round = with,
                None => rounds.push(single),
            }
        }
        all.extend(rounds);
        all
    })
}

/// As [`settings`], each also beside other ways to write what has no default: pairs of arguments.
fn pairs() -> Vec<Setting> {
    accepted(|op, bases| {
        let with =
            |base: &Written| std::iter::once(base.clone()).chain(variations(op, base)).collect::<Vec<_>>();
        bases.iter().flat_map(with).collect()
    })
}

fn accepted(written: impl Fn(&'static dyn Operator, &[Written]) -> Vec<Written>) -> Vec<Setting> {
    let mut settings = Vec::new();
    // Graph kernels have their laws in `kernels.rs`, decoders and tables of rows theirs in `links.rs`.
    for op in ops::for_any_graphs() {
        // What undoes a pooling stands behind one: its laws are in its file.
        if op.name() == "lift" {
            continue;
        }
        let before = settings.len();
        for entity in ENTITIES {
            let inputs = |written: &Written| inputs_for(op, &args(op, written), entity);
            let mut bases: Vec<Written> = (0..2)
                .map(|nth| bases(op, nth).into_iter().filter(|base| inputs(base).is_some()).collect())
                .find(|bases: &Vec<Written>| !bases.is_empty())
                .unwrap_or_default();
            // A result that must not be narrower than what comes in.
            if bases.is_empty() {
                bases.extend(wide(op).filter(|wide| inputs(wide).is_some()));
            }
            let mut tried: Vec<Written> = Vec::new();
            for written in written(op, &bases) {
                if tried.contains(&written) {
                    continue;
                }
                if let Some(inputs) = inputs(&written) {
                    settings.push(Setting {
                        name: format!("{}{written:?} on {entity:?}", op.name()),
                        op,
                        args: args(op, &written),
                        inputs,
                    });
                }
                tried.push(written);
            }
        }
        assert!(settings.len() > before, "`{}` accepts nothing that this test offers", op.name());
    }
    settings
}

const ENTITIES: [Entity; 5] = [Entity::Nodes, Entity::Edges, Entity::Clusters, Entity::Slots, Entity::Graph];

fn wide(op: &dyn Operator) -> Option<Written> {
    let has_out = op.args().iter().any(|spec| spec.name == "out");
    has_out.then(|| required(op, 0).into_iter().chain([("out", ArgValue::Int(8))]).collect())
}

/// What an operator can stand on.
pub(crate) fn entities(op: &'static dyn Operator) -> Vec<Entity> {
    let bases = bases(op, 0).into_iter().chain(bases(op, 1)).chain(wide(op));
    let bases: Vec<Written> = bases.collect();
    let is_accepted = |entity| bases.iter().any(|base| inputs_for(op, &args(op, base), entity).is_some());
    ENTITIES.into_iter().filter(|&entity| is_accepted(entity)).collect()
}

/// What a call cannot do without, in one of two ways.
fn required(op: &dyn Operator, nth: usize) -> Written {
    let required = op.args().iter().filter(|spec| matches!(spec.default, Default::Required));
    let sample = |kind| {
        let mut samples = samples(kind);
        samples.swap_remove(nth.min(samples.len() - 1))
    };
    required.map(|spec| (spec.name, sample(spec.kind))).collect()
}

/// Ways to write the arguments that have no default: those that have to be there, and one of the others.
fn bases(op: &dyn Operator, nth: usize) -> Vec<Written> {
    let required = required(op, nth);
    let mut bases = vec![required.clone()];
    for spec in op.args().iter().filter(|spec| matches!(spec.default, Default::Inferred(_))) {
        for value in samples(spec.kind) {
            bases.push(required.iter().cloned().chain([(spec.name, value)]).collect());
        }
    }
    bases
}

/// The same call with one more argument written, in each of its ways.
fn variations(op: &dyn Operator, base: &Written) -> Vec<Written> {
    let free = op.args().iter().filter(|spec| base.iter().all(|(name, _)| *name != spec.name));
    // How both directions are added is a number.
    let free = free.filter(|spec| spec.name != "against");
    free.flat_map(|spec| {
        let others =
            samples(spec.kind).into_iter().filter(|value| spec.default.value().as_ref() != Some(value));
        others.map(|value| base.iter().cloned().chain([(spec.name, value)]).collect())
    })
    .collect()
}

fn samples(kind: ArgKind) -> Vec<ArgValue> {
    match kind {
        ArgKind::Int { min, max } => vec![ArgValue::Int(3.clamp(min, max)), ArgValue::Int(2.clamp(min, max))],
        ArgKind::Float(range) => [0.3, 0.6, 1e-3, 2.0]
            .into_iter()
            .filter(|&value| range.contains(value))
            .take(2)
            .map(ArgValue::Float)
            .collect(),
        ArgKind::Bool => vec![ArgValue::Bool(true), ArgValue::Bool(false)],
        ArgKind::Choice(words) | ArgKind::WordOrNumbers { words, .. } => {
            words.iter().map(|word| ArgValue::Choice(word)).collect()
        }
        ArgKind::Words(words) => {
            let single = words.iter().map(|word| ArgValue::Choice(word));
            single.chain([ArgValue::ChoiceList(words[..3].to_vec())]).collect()
        }
        ArgKind::IntList { min, max, .. } => {
            vec![ArgValue::IntList(vec![3.clamp(min, max), 6.clamp(min, max)])]
        }
        ArgKind::Pipeline { .. } | ArgKind::Edges(_) => vec![ArgValue::Pipeline],
        ArgKind::ChoiceList(words) => {
            vec![ArgValue::ChoiceList(words.to_vec()), ArgValue::ChoiceList(words[..1].to_vec())]
        }
        ArgKind::Ints { min, max, .. } => {
            vec![ArgValue::Int(3.clamp(min, max)), ArgValue::IntList(vec![min, 2.clamp(min, max)])]
        }
        ArgKind::Floats { range, .. } => {
            [0.3, 2.0].into_iter().filter(|&value| range.contains(value)).map(ArgValue::Float).collect()
        }
        ArgKind::Text | ArgKind::Call(_) | ArgKind::CallList { .. } => Vec::new(),
    }
}

/// Inputs of one kind that the operator accepts with these arguments.
fn inputs_for(op: &'static dyn Operator, args: &Args, entity: Entity) -> Option<Vec<Type>> {
    // What the compiler asks before the operator is asked.
    if entity == Entity::Edges && !op.action(args).is_by_rows() {
        return None;
    }
    let rows = (!entity.is_ragged()).then_some(if entity == Entity::Graph { 1 } else { ROWS });
    let level = if entity.is_ragged() { 0 } else { 1 };
    let mut inputs = vec![ty(entity, level, rows, WIDTH)];
    match op.ports() {
        Ports::None => return None,
        Ports::Many(n) => inputs = vec![inputs[0].clone(); n.max(2)],
        Ports::One => {
            for spec in op.args() {
                if let ArgKind::Edges(of) = spec.kind
                    && let Some(port) = args.port(spec.name)
                {
                    assert_eq!(port, inputs.len(), "`{}`: ports in the order of the arguments", op.name());
                    // Clusters have edges of their own.
                    if entity != Entity::Nodes {
                        return None;
                    }
                    // An operator may be told how many columns there are.
                    let told = args.get("dim").map_or(&ArgValue::Absent, |arg| &arg.value);
                    let columns = if let ArgValue::Int(n) = told { *n as usize } else { WIDTH };
                    inputs.push(match of {
                        EdgeValue::Features => ty(Entity::Edges, 0, None, columns),
                        EdgeValue::Weight => ty(Entity::Edges, 0, None, 1),
                        EdgeValue::Kind => ty(Entity::EdgeKinds, 0, None, n_kinds(op)),
                    });
                }
                if let ArgKind::Pipeline { port } = spec.kind
                    && args.get(spec.name).is_some_and(|arg| arg.value == ArgValue::Pipeline)
                {
                    assert_eq!(port, inputs.len(), "`{}`: ports in the order of the arguments", op.name());
                    // A pipeline with a default is asked for as many features as the result has rows, or for a score.
                    let width = match spec.default {
                        Default::Source(_) if spec.name == "score" => 1,
                        Default::Source(_) => infer(op, args, &[&inputs[0]]).ok()?.rows.known()?,
                        // What stands beside the input is as wide.
                        Default::Required => WIDTH,
                        _ => WIDTH + 1,
                    };
                    inputs.push(ty(entity, level, rows, width));
                }
            }
        }
    }
    let is_accepted = |inputs: &[Type]| infer(op, args, &inputs.iter().collect::<Vec<_>>()).is_ok();
    // What stands beside the input may have to be as wide, to lie in space, or to be one number.
    for width in [WIDTH, 3, 1] {
        if is_accepted(&inputs) {
            break;
        }
        let beside = inputs.iter_mut().skip(1).filter(|ty| ty.entity == entity);
        beside.for_each(|of| *of = ty(entity, level, rows, width));
    }
    is_accepted(&inputs).then_some(inputs)
}

/// A size with this many nodes for `N`.
fn size_of(size: &Size, n_nodes: usize) -> usize {
    SizesWithData::of_symbols([("N", n_nodes)]).of(size).known().expect("rows depend on `N` alone")
}

/// Graphs in memory, to be renumbered and split.
#[derive(Clone)]
struct Graphs {
    n_nodes: Vec<usize>,
    edges: Vec<(u32, u32)>,
    /// One row-major `[rows, width]` a port; those of edges in the order of `edges`.
    features: Vec<Vec<f64>>,
    /// `[n_graphs, ROWS, ROWS]`
    coarse: Vec<f64>,
}

/// Numbers a row; which kind an edge is of is one.
fn columns(ty: &Type) -> usize {
    if ty.entity == Entity::EdgeKinds { 1 } else { ty.width.known().unwrap() }
}

/// Directed graphs with parallel edges, self-loops and a few isolated nodes, and one without edges.
fn graphs_for(setting: &Setting, n_nodes: &[usize], seed: u64) -> Graphs {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut edges, mut start) = (Vec::new(), 0u32);
    for (graph, &n) in n_nodes.iter().enumerate() {
        let linked = (n as u32 - 1).max(1);
        if graph != 1 {
            for _ in 0..3 * n {
                let (source, target) = (rng.random_range(0..linked), rng.random_range(0..linked));
                edges.push((start + source, start + target));
            }
        }
        start += n as u32;
    }
    edges.sort_unstable();
    let rows = |entity: Entity| match entity {
        Entity::Nodes => start as usize,
        Entity::Edges | Entity::EdgeKinds | Entity::Pairs => edges.len(),
        Entity::Graph => n_nodes.len(),
        Entity::Clusters | Entity::Slots => n_nodes.len() * ROWS,
    };
    let sizes: Vec<usize> = setting.inputs.iter().map(|ty| rows(ty.entity) * columns(ty)).collect();
    let mut random = |n: usize, low: f64| (0..n).map(|_| rng.random_range(low..1.0)).collect::<Vec<f64>>();
    Graphs {
        n_nodes: n_nodes.to_vec(),
        edges,
        features: sizes.into_iter().map(|n| random(n, -1.0)).collect(),
        coarse: random(n_nodes.len() * ROWS * ROWS, 0.05),
    }
}

impl Graphs {
    fn n_graphs(&self) -> usize {
        self.n_nodes.len()
    }

    /// The values of the ports, with their features as variables.
    fn values(&self, setting: &Setting, dtype: DType) -> (Vec<Value>, Vec<Var>) {
        let n_graphs = self.n_graphs();
        let tensor = |data: &[f64], shape: &[usize]| {
            Tensor::from_slice(data, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
        };
        let graph = sparse_graph(&self.edges, &self.n_nodes);
        // The edge of each entry of the adjacency.
        let mut entries: Vec<usize> = (0..self.edges.len()).collect();
        entries.sort_by_key(|&edge| (self.edges[edge].1, self.edges[edge].0));
        let structure = |entity: Entity, kinds: Option<EdgeKinds>| match entity {
            Entity::Nodes => Structure::Sparse(graph.clone()),
            Entity::Edges | Entity::Pairs => Structure::Edges(graph.clone()),
            Entity::EdgeKinds => Structure::Edges(Arc::new((*graph).clone().with_kinds(kinds))),
            Entity::Clusters => Structure::Clusters {
                n_graphs,
                k: ROWS,
                adjacency: Some(tensor(&self.coarse, &[n_graphs, ROWS, ROWS])),
                assignment: None,
            },
            Entity::Slots => Structure::Slots { n_graphs, k: ROWS },
            Entity::Graph => Structure::Graphs { n_graphs },
        };
        let ports = setting.inputs.iter().zip(&self.features);
        ports
            .map(|(ty, features)| {
                let width = columns(ty);
                let features = match ty.entity.is_of_edges() {
                    true => {
                        entries.iter().flat_map(|&edge| &features[edge * width..][..width]).copied().collect()
                    }
                    false => features.clone(),
                };
                let x = Var::from_tensor(&tensor(&features, &[features.len() / width, width])).unwrap();
                if ty.entity == Entity::EdgeKinds {
                    let n_kinds = ty.width.known().unwrap();
                    let kind = |&value: &f64| ((value + 1.0) / 2.0 * n_kinds as f64) as u32;
                    let of_entry: Vec<u32> = features.iter().map(kind).collect();
                    let kinds = Tensor::from_slice(&of_entry, (of_entry.len(), 1), &Device::Cpu).unwrap();
                    let of_edges = EdgeKinds { of_entry: Arc::new(of_entry), n_kinds };
                    return (Value { x: kinds, structure: structure(ty.entity, Some(of_edges)) }, x);
                }
                (Value { x: x.as_tensor().clone(), structure: structure(ty.entity, None) }, x)
            })
            .unzip()
    }

    /// Node `i` becomes node `places[i]`, each within its graph.
    fn renumbered(&self, setting: &Setting, places: &[usize]) -> Graphs {
        let mut other = self.clone();
        for edge in &mut other.edges {
            *edge = (places[edge.0 as usize] as u32, places[edge.1 as usize] as u32);
        }
        for ((to, from), ty) in other.features.iter_mut().zip(&self.features).zip(&setting.inputs) {
            // Edges keep their values.
            if ty.entity != Entity::Nodes {
                continue;
            }
            let width = ty.width.known().unwrap();
            for (node, &place) in places.iter().enumerate() {
                to[place * width..][..width].copy_from_slice(&from[node * width..][..width]);
            }
        }
        other
    }

    /// One graph alone.
    fn alone(&self, setting: &Setting, graph: usize) -> Graphs {
        let start: usize = self.n_nodes[..graph].iter().sum();
        let end = start + self.n_nodes[graph];
        let inside = |node: u32| (start..end).contains(&(node as usize));
        let features = self.features.iter().zip(&setting.inputs).map(|(features, ty)| {
            let width = columns(ty);
            let (first, last) = match ty.entity {
                Entity::Nodes => (start, end),
                Entity::Graph => (graph, graph + 1),
                Entity::Edges | Entity::EdgeKinds | Entity::Pairs => {
                    let rows = features.chunks(width).zip(&self.edges);
                    return rows
                        .filter(|(_, edge)| inside(edge.0))
                        .flat_map(|(row, _)| row)
                        .copied()
                        .collect();
                }
                Entity::Clusters | Entity::Slots => (graph * ROWS, (graph + 1) * ROWS),
            };
            features[first * width..last * width].to_vec()
        });
        let moved = |node: u32| node - start as u32;
        Graphs {
            n_nodes: vec![self.n_nodes[graph]],
            edges: self
                .edges
                .iter()
                .filter(|edge| inside(edge.0))
                .map(|&(source, target)| (moved(source), moved(target)))
                .collect(),
            features: features.collect(),
            coarse: self.coarse[graph * ROWS * ROWS..(graph + 1) * ROWS * ROWS].to_vec(),
        }
    }
}

fn run(lone: &Lone, values: &[Value], cx: &mut ForwardCx) -> Value {
    lone.run(&values.iter().collect::<Vec<_>>(), cx).unwrap()
}

/// The rows of a result with what its structure says of them: the coarse adjacency, or the sums over the
/// neighbours where the nodes are new ones.
fn rows_of(value: &Value, level: u32) -> Vec<Vec<f64>> {
    let width = value.x.dims()[1];
    let mut rows: Vec<Vec<f64>> = numbers(&value.x).chunks(width).map(<[f64]>::to_vec).collect();
    match &value.structure {
        Structure::Clusters { k, adjacency: Some(adjacency), .. } => {
            let entries = numbers(adjacency);
            rows.iter_mut().zip(entries.chunks(*k)).for_each(|(row, entries)| row.extend(entries));
        }
        Structure::Sparse(graph) if level > 0 => {
            let sums: Vec<Vec<f64>> = (0..graph.n_nodes())
                .map(|node| {
                    let sources = graph.adjacency.row(node).iter();
                    (0..width)
                        .map(|col| sources.clone().map(|&source| rows[source as usize][col]).sum())
                        .collect()
                })
                .collect();
            rows.iter_mut().zip(sums).for_each(|(row, sums)| row.extend(sums));
        }
        _ => {}
    }
    rows
}

fn deviation(ours: &[Vec<f64>], theirs: &[Vec<f64>]) -> f64 {
    assert_eq!(ours.len(), theirs.len(), "rows");
    let pairs = ours.iter().flatten().zip(theirs.iter().flatten());
    pairs.map(|(ours, theirs)| (ours - theirs).abs() / theirs.abs().max(1.0)).fold(0.0, f64::max)
}

/// Rows of each graph in an order that their numbers give.
fn sorted(rows: &[Vec<f64>], offsets: &[u32]) -> Vec<Vec<f64>> {
    let mut rows = rows.to_vec();
    for bounds in offsets.windows(2) {
        rows[bounds[0] as usize..bounds[1] as usize].sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    }
    rows
}

const SIZES: [usize; 4] = [6, 3, 9, 5];

#[test]
fn declared_types_are_the_real_ones() {
    for setting in pairs() {
        let lone = setting.lone(DType::F64);
        let graphs = graphs_for(&setting, &SIZES, 1);
        let (values, _) = graphs.values(&setting, DType::F64);
        let value = run(&lone, &values, &mut ForwardCx::training(1, &WANTED));
        let (name, ty) = (&setting.name, &lone.output);
        assert!(numbers(&value.x).iter().all(|number| number.is_finite()), "{name}: {:?}", numbers(&value.x));
        assert_eq!(Some(value.x.dims()[1]), ty.width.known(), "{name}: width");
        let offsets = value.structure.offsets();
        assert_eq!(value.x.dims()[0], offsets[SIZES.len()] as usize, "{name}: rows of the structure");
        for (graph, &n) in SIZES.iter().enumerate() {
            let expected = match ty.entity {
                Entity::Nodes => size_of(&ty.rows.size, n).min(n),
                Entity::Edges => graphs.alone(&setting, graph).edges.len(),
                _ => ty.rows.known().unwrap(),
            };
            let rows = (offsets[graph + 1] - offsets[graph]) as usize;
            // How many nodes become one, or have a score above a least one, is seen in the data; the type names the most.
            let is_above = setting.args.get("min_score").is_some_and(|least| least.value != ArgValue::Absent);
            let is_merged = setting.op.action(&setting.args) == Action::Pooling(Select::Merge);
            let has_number = |name| setting.op.args().iter().any(|spec| spec.name == name);
            let is_by_graph = setting.op.action(&setting.args) == Action::Pooling(Select::Keep)
                && !["ratio", "k"].into_iter().any(has_number);
            if (is_merged || is_above || is_by_graph) && rows <= expected && rows >= n.min(1) {
                continue;
            }
            assert_eq!(rows, expected, "{name}: rows of graph {graph}");
        }
        let is_right = match (&value.structure, ty.entity) {
            (Structure::Sparse(_), Entity::Nodes) | (Structure::Graphs { .. }, Entity::Graph) => true,
            (Structure::Edges(_), Entity::Edges) => true,
            (Structure::Clusters { k, .. }, Entity::Clusters)
            | (Structure::Slots { k, .. }, Entity::Slots) => Some(*k) == ty.rows.known(),
            _ => false,
        };
        assert!(is_right, "{name}: {ty} came out as {:?}", value.structure);
    }
}

/// Another numbering of the nodes of each graph.
fn new_places(seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut places, mut start) = (Vec::new(), 0);
    for n in SIZES {
        let mut inside: Vec<usize> = (start..start + n).collect();
        inside.shuffle(&mut rng);
        places.extend(inside);
        start += n;
    }
    places
}

/// What choices by value rest on, in the numbers that models are trained in.
#[test]
fn reproducible_sums_give_the_same_bits_in_every_numbering() {
    let mut n_rounded_otherwise = 0;
    for setting in settings().iter().filter(|setting| setting.inputs[0].entity == Entity::Nodes) {
        let (name, lone) = (&setting.name, setting.lone(DType::F32));
        if matches!(lone.output.symmetry, Symmetry::Poisoned(_)) {
            continue;
        }
        let level = lone.output.level.0;
        let graphs = graphs_for(setting, &SIZES, 5);
        let result = |graphs: &Graphs, summation: Summation| {
            let (values, _) = graphs.values(setting, DType::F32);
            summation.during(|| run(&lone, &values, &mut ForwardCx::evaluation()))
        };
        for seed in 0..5 {
            let places = new_places(seed);
            let other = graphs.renumbered(setting, &places);
            let is_same = |summation: Summation| {
                let (before, after) = (result(&graphs, summation), result(&other, summation));
                let offsets = before.structure.offsets();
                let [before, after] = [before, after].map(|value| match &value.structure {
                    Structure::Sparse(_) => {
                        let rows = numbers(&value.x);
                        rows.chunks(value.x.dims()[1]).map(<[f64]>::to_vec).collect()
                    }
                    _ => rows_of(&value, level),
                });
                match lone.output.entity {
                    Entity::Nodes if level == 0 => {
                        places.iter().zip(&before).all(|(&place, before)| after[place] == *before)
                    }
                    Entity::Nodes => sorted(&after, &offsets) == sorted(&before, &offsets),
                    _ => after == before,
                }
            };
            assert!(is_same(Summation::Reproducible), "{name}: other bits in numbering {seed}");
            n_rounded_otherwise += usize::from(!is_same(Summation::Sequential));
        }
    }
    assert!(n_rounded_otherwise > 20, "the graphs would not tell: {n_rounded_otherwise}");
}

#[test]
fn renumbering_moves_results_as_declared() {
    for setting in settings().iter().filter(|setting| setting.inputs[0].entity == Entity::Nodes) {
        let (name, lone) = (&setting.name, setting.lone(DType::F64));
        let level = lone.output.level.0;
        let graphs = graphs_for(setting, &SIZES, 2);
        let before = run(&lone, &graphs.values(setting, DType::F64).0, &mut ForwardCx::evaluation());
        let offsets = before.structure.offsets();
        let before = rows_of(&before, level);
        let mut largest = 0.0f64;
        for seed in 0..3 {
            let places = new_places(seed);
            let (values, _) = graphs.renumbered(setting, &places).values(setting, DType::F64);
            let after = rows_of(&run(&lone, &values, &mut ForwardCx::evaluation()), level);
            let (after, before) = match lone.output.entity {
                Entity::Nodes if level == 0 => {
                    (places.iter().map(|&place| after[place].clone()).collect(), before.clone())
                }
                // New nodes have no known place, so they are compared as a set.
                Entity::Nodes => (sorted(&after, &offsets), sorted(&before, &offsets)),
                _ => (after, before.clone()),
            };
            largest = largest.max(deviation(&after, &before));
        }
        match lone.output.symmetry {
            Symmetry::Poisoned(_) => assert!(largest > 1e-3, "{name}: poisoned, but nothing moved"),
            Symmetry::Equivariant | Symmetry::Invariant => {
                assert!(largest < 1e-9, "{name}: moved by {largest:e}");
            }
        }
    }
}

#[test]
fn a_graph_is_the_same_alone_and_in_a_batch() {
    for setting in settings() {
        let (name, lone) = (&setting.name, setting.lone(DType::F64));
        let level = lone.output.level.0;
        let graphs = graphs_for(&setting, &SIZES, 3);
        let cx =
            || ForwardCx { wanted_losses: &WANTED, wants_pooling_stats: true, ..ForwardCx::evaluation() };
        let mut whole_cx = cx();
        let whole = rows_of(&run(&lone, &graphs.values(&setting, DType::F64).0, &mut whole_cx), level);
        let (mut parts, mut losses) = (Vec::new(), vec![Vec::new(); whole_cx.losses.len()]);
        for graph in 0..SIZES.len() {
            let mut cx = cx();
            let (values, _) = graphs.alone(&setting, graph).values(&setting, DType::F64);
            parts.extend(rows_of(&run(&lone, &values, &mut cx), level));
            for (alone, found) in losses.iter_mut().zip(&cx.losses) {
                alone.extend(numbers(&found.of_graphs));
            }
        }
        let apart = deviation(&parts, &whole);
        assert!(apart < 1e-12, "{name}: moved by {apart:e}");
        for (found, alone) in whole_cx.losses.iter().zip(losses) {
            let apart = deviation(&[numbers(&found.of_graphs)], &[alone]);
            let loss = found.loss;
            assert!(apart < 1e-12, "{name}: {loss} depends on the batch");
        }
        for stats in whole_cx.pooling {
            let k = stats.n_clusters as f64;
            assert_eq!(stats.graphs.len(), SIZES.len(), "{name}");
            for graph in &stats.graphs {
                assert!((1.0..=k + 1e-9).contains(&graph.clusters_in_use), "{name}: {stats:?}");
                assert!((0.0..=k.ln() + 1e-9).contains(&graph.assignment_entropy), "{name}: {stats:?}");
            }
        }
    }
}

/// `Σ result · cotangent`, the coarse adjacency and auxiliary losses included, with cotangents of a fixed stream.
fn scalar(value: &Value, cx: &ForwardCx) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut parts = vec![value.x.clone()];
    if let Structure::Clusters { adjacency: Some(adjacency), .. } = &value.structure {
        parts.push(adjacency.clone());
    }
    parts.extend(cx.losses.iter().map(|found| found.of_graphs.clone()));
    let mut sum = Tensor::zeros((), value.x.dtype(), &Device::Cpu).unwrap();
    for part in parts {
        let cotangent: Vec<f64> = (0..part.elem_count()).map(|_| rng.random_range(-1.0..1.0)).collect();
        let cotangent = Tensor::from_vec(cotangent, part.shape(), &Device::Cpu).unwrap();
        let cotangent = cotangent.to_dtype(part.dtype()).unwrap();
        sum = (sum + (part * cotangent).unwrap().sum_all().unwrap()).unwrap();
    }
    sum
}

#[test]
fn gradients_are_slopes_and_no_weight_is_dead() {
    for setting in settings() {
        // Its gradient is another one on purpose.
        if setting.args.get("semi_grad").is_some_and(|arg| arg.value == ArgValue::Bool(true)) {
            continue;
        }
        // Two sides take gradients of their own parts, which `links.rs` compares with differences.
        if setting.op.name() == "adversarial" {
            continue;
        }
        // Eigenvectors follow what edges weigh, without a gradient.
        let is_of_eigenvectors = setting.op.name() == "eigen_pool";
        if is_of_eigenvectors && setting.args.get("weight").is_some_and(|arg| arg.value == ArgValue::Pipeline)
        {
            continue;
        }
        // A small change of a row makes another colour or none.
        if matches!(setting.op.action(&setting.args), Action::Colours { .. }) {
            continue;
        }
        let (name, lone) = (&setting.name, setting.lone(DType::F64));
        let graphs = graphs_for(&setting, &SIZES, 4);
        let (values, inputs) = graphs.values(&setting, DType::F64);
        let evaluate = || {
            let mut cx = ForwardCx::training(5, &WANTED);
            let value = run(&lone, &values, &mut cx);
            scalar(&value, &cx)
        };
        let gradients = evaluate().backward().unwrap();
        let trained = lone.specs.iter().zip(&lone.weights.0).filter(|(spec, _)| spec.is_trained);
        let weights = trained.map(|(_, (weight, var))| (format!("weight `{weight}`"), var, true));
        let features = inputs.iter().enumerate().map(|(port, var)| (format!("input {port}"), var, false));
        let all: Vec<(String, &Var, bool)> = weights.chain(features).collect();
        for (what, var, is_weight) in &all {
            let gradient = gradients.get(var).map_or_else(|| vec![0.0; var.elem_count()], numbers);
            let is_finite = gradient.iter().all(|value| value.is_finite());
            assert!(is_finite, "{name}: {what} has a gradient that is no number");
            let is_alive = gradient.iter().any(|&value| value != 0.0);
            // What counts along the edges counts against them, but where it cancels it may do so without rounding.
            let is_usual = hgnn::ops::program::direction(&setting.args) == "along";
            // Where a few shares are all that a weight is read for, dropout may drop each.
            let is_kept = !setting.args.get("dropout").is_some_and(|p| p.value == ArgValue::Float(0.6));
            assert!(is_alive || !is_weight || !is_usual || !is_kept, "{name}: {what} is dead");
        }
        // Along a direction of everything at once; where that is off, one after another to say what it is.
        let vars: Vec<&Var> = all.iter().map(|(_, var, _)| *var).collect();
        if slope_along(&vars, &gradients, &evaluate).is_err() {
            for (what, var, _) in &all {
                if let Err((slope, expected)) = slope_along(&[var], &gradients, &evaluate) {
                    panic!("{name}: {what} has slope {slope}, gradient {expected}");
                }
            }
        }
    }
}

/// The slope along a random direction of some variables, by a central difference, beside what their gradients say; an
/// error where the two differ.
fn slope_along(
    vars: &[&Var],
    gradients: &GradStore,
    evaluate: &dyn Fn() -> Tensor,
) -> Result<(), (f64, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut expected = 0.0;
    let originals: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().copy().unwrap()).collect();
    let directions: Vec<Tensor> = vars
        .iter()
        .map(|var| {
            let gradient = gradients.get(var).map_or_else(|| vec![0.0; var.elem_count()], numbers);
            // One with large gradients moves less, so that it does not hide another.
            let largest = gradient.iter().fold(1.0f64, |largest, slope| largest.max(slope.abs()));
            let direction: Vec<f64> =
                gradient.iter().map(|_| rng.random_range(-1.0..1.0) / largest).collect();
            expected += gradient.iter().zip(&direction).map(|(slope, step)| slope * step).sum::<f64>();
            Tensor::from_vec(direction, var.shape(), &Device::Cpu).unwrap()
        })
        .collect();
    let at = |step: f64| {
        for ((var, original), direction) in vars.iter().zip(&originals).zip(&directions) {
            var.set(&(original + (direction * step).unwrap()).unwrap()).unwrap();
        }
        numbers(&evaluate())[0]
    };
    // A shorter step keeps clear of the kinks of functions.
    let slopes = [1e-6, 1e-7].map(|step| (at(step) - at(-step)) / (2.0 * step));
    // What rounding leaves of a difference of two large numbers.
    let rounding = 4.0 * f64::EPSILON * at(0.0).abs() / 1e-6;
    for (var, original) in vars.iter().zip(&originals) {
        var.set(original).unwrap();
    }
    let [far, near] = slopes.map(|slope| (slope - expected).abs() / expected.abs().max(1.0));
    let (slope, apart) = if near < far { (slopes[1], near) } else { (slopes[0], far) };
    if apart < 1e-6 + rounding { Ok(()) } else { Err((slope, expected)) }
}

#[test]
fn results_are_the_same_bits_on_one_and_two_threads() {
    let sizes: Vec<usize> = (0..24).map(|graph| 20 + 17 * (graph % 7)).collect();
    for setting in together() {
        let lone = setting.lone(DType::F32);
        let (values, inputs) = graphs_for(&setting, &sizes, 7).values(&setting, DType::F32);
        let bits = [1, 2].map(|n_threads| {
            hgnn::kernels::threads::with_count(n_threads, || {
                let mut cx = ForwardCx::training(8, &WANTED);
                let value = run(&lone, &values, &mut cx);
                let gradients = scalar(&value, &cx).backward().unwrap();
                let vars = inputs.iter().chain(lone.weights.0.iter().map(|(_, var)| var));
                let mut all = numbers(&value.x);
                all.extend(vars.filter_map(|var| gradients.get(var)).flat_map(numbers));
                all.into_iter().map(f64::to_bits).collect::<Vec<_>>()
            })
        });
        assert!(bits[0] == bits[1], "{}: one and two threads differ", setting.name);
    }
}

/// A row of the result changes with the rows that it gathers from and with its own, and with no other.
#[test]
fn convolutions_read_the_sources_of_incoming_edges() {
    // By operator and level: which rows have been seen to change with which.
    let mut seen: BTreeMap<(&str, String), Vec<bool>> = BTreeMap::new();
    let mut wanted = BTreeMap::new();
    let sizes = [ROWS, ROWS];
    let n = 2 * ROWS;
    let mut rng = ChaCha8Rng::seed_from_u64(41);
    let coarse: Vec<f64> = (0..n * ROWS)
        .map(|_| f64::from(u8::from(rng.random_bool(0.3))) * rng.random_range(0.2..1.0))
        .collect();
    for setting in settings() {
        // What reads all rows of a graph has no edges to follow.
        let is_along_edges = matches!(setting.op.action(&setting.args), Action::Messages { .. });
        if setting.op.family() != Family::Convolution || !is_along_edges {
            continue;
        }
        let lone = setting.lone(DType::F64);
        let mut graphs = graphs_for(&setting, &sizes, 43);
        graphs.coarse.clone_from(&coarse);
        let mut reads = vec![false; n * n];
        if setting.inputs[0].entity == Entity::Nodes {
            graphs
                .edges
                .iter()
                .for_each(|&(source, target)| reads[target as usize * n + source as usize] = true);
        } else {
            for (entry, &weight) in coarse.iter().enumerate() {
                let (target, source) = (entry / ROWS, entry / ROWS / ROWS * ROWS + entry % ROWS);
                reads[target * n + source] = weight != 0.0;
            }
        }
        let direction = hgnn::ops::program::direction(&setting.args);
        if direction != "along" {
            let along = reads.clone();
            for pair in 0..n * n {
                let turned = along[pair % n * n + pair / n];
                reads[pair] = turned || (direction == "both" && along[pair]);
            }
        }
        // Members of a hyperedge read each other, and what is a member of none reads its own.
        if setting.op.name() == "hypergraph" {
            let leads = reads.clone();
            let leads = |from: usize, to: usize| leads[to * n + from];
            for pair in 0..n * n {
                let (row, other) = (pair / n, pair % n);
                let is_in_none = !(0..n).any(|hyperedge| leads(row, hyperedge));
                reads[pair] = match is_in_none {
                    true => leads(other, row),
                    false => (0..n).any(|hyperedge| leads(row, hyperedge) && leads(other, hyperedge)),
                };
            }
        }
        // What several steps of messages reach.
        let n_steps = match setting.op.name() {
            "gated_graph" | "mpnn" | "antisymmetric" => setting.args.int("steps"),
            "pan" => setting.args.int("length"),
            "cheb" => setting.args.int("terms") - 1,
            "arma" => setting.args.int("layers"),
            "mixhop" => {
                setting.args.int_list("powers").and_then(|powers| powers.iter().copied().max()).unwrap_or(0)
            }
            _ if setting.args.get("hops").is_some() => setting.args.int("hops"),
            _ => 1,
        };
        let mut reached: Vec<bool> = (0..n * n).map(|pair| pair / n == pair % n).collect();
        for _ in 0..n_steps {
            let before = reached.clone();
            for pair in 0..n * n {
                reached[pair] |= (0..n).any(|over| reads[pair / n * n + over] && before[over * n + pair % n]);
            }
        }
        // How much a relation counts depends on all nodes of a graph.
        if setting.op.name() == "han" {
            reached.fill(true);
        }
        // Attention reads the row of the hyperedge, too, and those of the others that a member is in.
        let attends = setting.args.get("attention").is_some_and(|of| of.value != ArgValue::Choice("none"));
        if setting.op.name() == "hypergraph" && (attends || setting.inputs.len() > 1) {
            reached.fill(true);
        }
        let place = (setting.op.name(), format!("{:?} {direction}", setting.inputs[0].entity));
        let changed = seen.entry(place.clone()).or_insert_with(|| vec![false; n * n]);
        for source in 0..n {
            let mut other = graphs.clone();
            other.features[0][source * WIDTH..][..WIDTH].iter_mut().for_each(|value| *value = 1.5 - *value);
            let [before, after] = [&graphs, &other].map(|graphs| {
                let (values, _) = graphs.values(&setting, DType::F64);
                run(&lone, &values, &mut ForwardCx::evaluation()).x.to_vec2::<f64>().unwrap()
            });
            for target in 0..n {
                let is_read = reached[target * n + source];
                let is_same = before[target] == after[target];
                assert!(is_same || is_read, "{}: row {target} changes with row {source}", setting.name);
                changed[target * n + source] |= !is_same;
            }
        }
        // Every edge is read in some setting; of the other directions, which have few, some edge.
        let some_other = (0..n * n).any(|pair| changed[pair] && pair / n != pair % n);
        match direction {
            "along" => drop(wanted.insert(place, reads)),
            _ => assert!(some_other, "{}: no row reads another", setting.name),
        }
    }
    for (place, reads) in wanted {
        let unread = (0..n * n).find(|&pair| reads[pair] && !seen[&place][pair]);
        assert_eq!(unread, None, "{place:?} does not read an edge");
    }
}

#[test]
fn operators_without_edges_refuse_them_with_a_message() {
    for &op in ops::CATALOGUE {
        let with_out = bases(op, 0)
            .into_iter()
            .find(|base| base.iter().any(|(_, value)| matches!(value, ArgValue::Int(_))));
        let Some(written) = with_out.map(|written| args(op, &written)) else { continue };
        let reads_edges =
            matches!(op.action(&written), Action::Messages { .. } | Action::Pooling(Select::Assign));
        if !reads_edges
            || op
                .args()
                .iter()
                .any(|spec| matches!((spec.kind, spec.default), (ArgKind::Edges(_), Default::Required)))
        {
            continue;
        }
        let name = op.name();
        for entity in [Entity::Slots, Entity::Graph] {
            let error = infer(op, &written, &[&ty(entity, 1, Some(ROWS), WIDTH)]).unwrap_err();
            let SingleError::Refused { finding, .. } = error else { panic!("{name} on {entity:?}: {error}") };
            assert_eq!(finding.code, "levels::needs_edges", "{name} on {entity:?}");
        }
    }
}

/// The model of a text, built on these graphs.
fn network(text: &str, data: &Dataset) -> Network {
    let facts = data.facts();
    let mut sources = SourceMap::default();
    let main = sources.add("example.hgnn", text);
    let read = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let (program, findings) = hgnn::syntax::load_program(&mut sources, main, &read);
    assert!(findings.is_empty(), "{text}: {findings:?}");
    for data in [None, Some(&facts)] {
        // Few graphs are warned of: a part may lack a class.
        let found = check(&program, data).diagnostics;
        let errors: Vec<_> = found.iter().filter(|finding| finding.is_error()).collect();
        assert!(errors.is_empty(), "{text}: {errors:?}");
    }
    let model = check(&program, Some(&facts)).model.expect("checked clean");
    Network::build(&model, &facts, DType::F64, &Device::Cpu, 1)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What the whole compiler makes of each operator's own example: written in any order of nodes and edges, alone or
/// in a batch, a graph gets the same answer.
#[test]
fn examples_do_not_depend_on_numbering_edge_order_or_batch() {
    let of_kinds = |n_edge_kinds| {
        let data = random_graphs(&RandomGraphs {
            n_graphs: 6,
            directed: true,
            parallel: true,
            n_edge_features: 2,
            n_edge_kinds,
            ..RandomGraphs::default()
        });
        assert!(data.n_loops() > 0 && data.n_parallel_edges() > 0);
        // Renumbering lays the edges of every node in another order too.
        let (renumbered, _) = renumber(&data, 4);
        (data, renumbered)
    };
    let all = [2, N_KINDS].map(of_kinds);
    for op in ops::for_any_graphs() {
        let text = op.doc().example;
        let (data, renumbered) = &all[usize::from(n_kinds(op) == N_KINDS)];
        let graphs: Vec<u32> = (0..data.n_graphs() as u32).collect();
        let network = network(text, data);
        let answers = |data: &Dataset, graphs: &[u32]| {
            let batch = data.batch_for(EdgeReads::ALL, graphs, DType::F64, &Device::Cpu).unwrap();
            let value = network.forward(&batch, &mut ForwardCx::evaluation()).unwrap();
            assert_eq!(value.x.dims(), [graphs.len(), 3], "`{}`: {text}", op.name());
            value.x.to_vec2::<f64>().unwrap()
        };
        let whole = answers(data, &graphs);
        let moved = deviation(&answers(renumbered, &graphs), &whole);
        assert!(moved < 1e-9, "`{}` moved by {moved:e}: {text}", op.name());
        let alone: Vec<Vec<f64>> = graphs.iter().flat_map(|&graph| answers(data, &[graph])).collect();
        let moved = deviation(&alone, &whole);
        assert!(moved < 1e-12, "`{}` is {moved:e} apart alone: {text}", op.name());
    }
}
