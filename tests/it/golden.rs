//! Values and gradients of PyTorch Geometric, from `tests/golden`: each case goes through the operator's own
//! shape rule, weight map (`pyg()`), lowering and backward pass, in f64 and in f32.

use crate::operator::{self, Lone, args, numbers, sparse_graph, ty};
use candle_core::{DType, Device, Tensor, Var};
use hgnn::args::{ArgKind, ArgSpec, ArgValue, EdgeValue};
use hgnn::elsewhere::Meaning;
use hgnn::kernels::graph::{EdgeKinds, SparseGraph};
use hgnn::lower::task_loss::{self, Items, LossCx};
use hgnn::lower::{ForwardCx, Structure, Value};
use hgnn::ops::{CATALOGUE, Family, Operator, WeightMap, WeightSpec};
use hgnn::types::{Entity, Type};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// f64 within the nine significant digits of the files, which are those of the inputs too; gradients pass through
/// more products of them. f32 within its own rounding.
pub(crate) struct Tolerance {
    pub dtype: DType,
    pub values: f64,
    pub gradients: f64,
}

pub(crate) static TOLERANCES: [Tolerance; 2] = [
    Tolerance { dtype: DType::F64, values: 1e-8, gradients: 3e-8 },
    Tolerance { dtype: DType::F32, values: 1e-5, gradients: 1e-4 },
];

// The losses of poolings.
const LINK: &str = "link_prediction";
const ENTROPY: &str = "entropy";
const MINCUT: &str = "mincut";
const ORTHOGONALITY: &str = "orthogonality";

#[derive(serde::Deserialize, Clone)]
pub(crate) struct Stored {
    pub shape: Vec<usize>,
    #[serde(deserialize_with = "numbers_or_truths")]
    pub data: Vec<f64>,
}

/// Masks hold `true` and `false`.
fn numbers_or_truths<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    let values = <Vec<Json> as serde::Deserialize>::deserialize(from)?;
    let number = |value: &Json| value.as_f64().or_else(|| value.as_bool().map(|is| f64::from(u8::from(is))));
    let numbers = values.iter().map(|value| number(value).ok_or_else(|| serde::de::Error::custom(value)));
    numbers.collect()
}

impl Stored {
    pub fn tensor(&self, dtype: DType) -> Tensor {
        Tensor::from_slice(&self.data, self.shape.as_slice(), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
    }
    pub fn indices(&self) -> Vec<usize> {
        self.data.iter().map(|&value| value as usize).collect()
    }
}

type Named = BTreeMap<String, Stored>;

impl Case {
    pub fn buffer(&self, name: &str) -> &Stored {
        &self.buffers[name]
    }

    /// After a call in training.
    pub fn buffer_after(&self, name: &str) -> &Stored {
        &self.buffers_after[name]
    }
}

#[derive(serde::Deserialize, Clone)]
pub(crate) struct Case {
    pub case: String,
    /// The class.
    pyg: String,
    mode: String,
    /// In PyG's terms.
    pub args: BTreeMap<String, serde_json::Value>,
    pub inputs: Named,
    pub params: Named,
    buffers: Named,
    #[serde(default)]
    buffers_after: Named,
    pub outputs: Named,
    pub cotangents: Named,
    pub grads: Named,
}

pub(crate) fn load(name: &str) -> Case {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut case: Case =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // Of points that carry nothing, positions are the rows.
    if !case.inputs.contains_key("x")
        && let Some(pos) = case.inputs.remove("pos")
    {
        case.inputs.insert("x".to_owned(), pos);
        let slope = case.grads.remove("pos").unwrap();
        case.grads.insert("x".to_owned(), slope);
    }
    of_signs(case)
}

/// Edges of both signs as one list with their kinds: the second kind is the positive one.
fn of_signs(mut case: Case) -> Case {
    if !case.inputs.contains_key("pos_edge_index") {
        return case;
    }
    let [negative, positive] =
        ["neg_edge_index", "pos_edge_index"].map(|name| case.inputs.remove(name).unwrap());
    let counts = [&negative, &positive].map(|list| list.shape[1]);
    let ((a, b), (c, d)) = (negative.data.split_at(counts[0]), positive.data.split_at(counts[1]));
    let data = [a, c, b, d].concat();
    let kinds = [vec![0.0; counts[0]], vec![1.0; counts[1]]].concat();
    let n = kinds.len();
    case.inputs.insert("edge_index".into(), Stored { shape: vec![2, n], data });
    case.inputs.insert("edge_type".into(), Stored { shape: vec![n], data: kinds });
    case.args.insert("num_relations".into(), 2.into());
    // With halves, the case names the width of one.
    case.args.insert("in".into(), case.inputs["x"].shape[1].into());
    case
}

#[track_caller]
pub(crate) fn assert_close(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}: numbers");
    // The numbers of one tensor are sums of terms of about the same size, each stored with nine digits.
    let scale = theirs.iter().fold(1.0f64, |largest, value| largest.max(value.abs()));
    for (idx, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let deviation = (ours - theirs).abs() / scale;
        assert!(deviation <= tolerance, "{what}[{idx}]: {ours} here, {theirs} in PyG");
    }
}

/// What an argument of PyG is called here: as the operator declares it, or as it is for every call.
fn ours(op: &dyn Operator, theirs: &str) -> &'static str {
    let has = |name: &str| op.args().iter().any(|spec| spec.name == name);
    if let Some((_, ours)) = op.pyg().arguments.iter().find(|(name, _)| *name == theirs) {
        return ours;
    }
    match hgnn::elsewhere::argument(theirs).map(|argument| argument.meaning) {
        _ if has(theirs) => Box::leak(theirs.to_owned().into_boxed_str()),
        // The edges' width, which says nothing of the result's.
        Some(Meaning::Called(names)) if theirs != "dim" && names.iter().any(|name| has(name)) => {
            names.iter().find(|name| has(name)).unwrap()
        }
        Some(Meaning::Behind(name)) if has(name) => name,
        _ => Box::leak(theirs.to_owned().into_boxed_str()),
    }
}

/// The file's arguments as ours; what PyG takes and we infer is compared with the tensors.
fn written(case: &Case, op: &dyn Operator) -> Vec<(&'static str, ArgValue)> {
    let has = |name: &str| op.args().iter().any(|spec| spec.name == name);
    let mut written = Vec::new();
    for (theirs, value) in &case.args {
        let ours = ours(op, theirs);
        let value = match value {
            Json::Bool(value) => ArgValue::Bool(*value),
            Json::Number(value) if value.is_i64() => ArgValue::Int(value.as_i64().unwrap()),
            Json::Number(value) => ArgValue::Float(value.as_f64().unwrap()),
            // One of what is a list here.
            Json::String(word) if ["aggregates", "scalers"].contains(&ours) => {
                ArgValue::ChoiceList(vec![Box::leak(word.clone().into_boxed_str())])
            }
            // What a maker of cases says of a network that is no perceptron.
            Json::String(_) if theirs == "nn" => {
                written.push(("film_bias", ArgValue::Bool(false)));
                continue;
            }
            // An aggregate that is a word of its own there.
            Json::String(word) if word == "softmax_sg" => {
                written.push(("semi_grad", ArgValue::Bool(true)));
                ArgValue::Choice("softmax_sum")
            }
            Json::String(word) => ArgValue::Choice(choice(op, ours, word)),
            Json::Array(words) if words.iter().all(Json::is_string) => {
                let word = |word: &Json| &*Box::leak(word.as_str().unwrap().to_owned().into_boxed_str());
                ArgValue::ChoiceList(words.iter().map(word).collect())
            }
            // Of the aggregation.
            Json::Object(of) if theirs == "aggr_kwargs" => {
                written.push(("t", ArgValue::Float(of["t"].as_f64().unwrap())));
                written.push(("learn_t", ArgValue::Bool(of["learn"] == true)));
                continue;
            }
            // Widths: input, then those of the layers.
            Json::Array(widths) if theirs == "local_nn" => {
                // Without a network behind, messages are as wide as the result.
                if !case.args.contains_key("global_nn") {
                    written.push(("out", ArgValue::Int(widths[widths.len() - 1].as_i64().unwrap())));
                }
                ArgValue::IntList(widths[1..].iter().map(|width| width.as_i64().unwrap()).collect())
            }
            // Widths: input, hidden ones, output.
            Json::Array(widths) if theirs == "channel_list" || theirs == "global_nn" => {
                let width = |width: &Json| width.as_i64().unwrap();
                let hidden = widths[1..widths.len() - 1].iter().map(width).collect();
                written.push(("hidden", ArgValue::IntList(hidden)));
                written.push(("out", ArgValue::Int(width(&widths[widths.len() - 1]))));
                continue;
            }
            Json::Array(widths)
                if ["pos_nn", "attn_nn", "mlp_h", "mlp_f", "mlp_g"].contains(&theirs.as_str()) =>
            {
                if theirs == "mlp_f" {
                    written.push(("message", ArgValue::Int(widths[widths.len() - 1].as_i64().unwrap())));
                }
                let hidden = widths[1..widths.len() - 1].iter().map(|width| width.as_i64().unwrap());
                ArgValue::IntList(hidden.collect())
            }
            // No function, where leaving it out means one.
            Json::Null if ["act", "norm"].contains(&theirs.as_str()) => ArgValue::Choice("none"),
            Json::Null => continue,
            Json::Array(powers) if theirs == "powers" => {
                ArgValue::IntList(powers.iter().map(|power| power.as_i64().unwrap()).collect())
            }
            // The degrees, whose means are buffers.
            Json::Array(_) if theirs == "deg" => continue,
            other => {
                // The widths of a perceptron: input, hidden, output.
                assert_eq!(
                    (theirs.as_str(), other.as_array().map(Vec::len)),
                    ("nn", Some(3)),
                    "{}",
                    case.case
                );
                if !case.args.contains_key("out") {
                    written.push(("out", ArgValue::Int(other[2].as_i64().unwrap())));
                }
                continue;
            }
        };
        match ours {
            // One for each feature.
            "channels" if has("per_channel") => written.push(("per_channel", ArgValue::Bool(true))),
            "in" => {
                let width = *case.inputs["x"].shape.last().unwrap() as i64;
                assert_eq!(value, ArgValue::Int(width), "{}: the input's width", case.case);
            }
            // The maker of the cases names a width of layers that take none.
            "out" if !has("out") => {}
            // As wide as it is, on nodes and on edges.
            "channels" => {
                let width = *case.inputs["x"].shape.last().unwrap() as i64;
                assert_eq!(value, ArgValue::Int(width), "{}: the input's width", case.case);
            }
            "dim" if has("edge") && !has("dim") => {
                let width = case.inputs.get("edge_attr").map_or(0, |edge| edge.shape[1]) as i64;
                assert_eq!(value, ArgValue::Int(width), "{}: the edges' width", case.case);
            }
            "dim" if has("position") => {
                let width = case.inputs["pos"].shape[1] as i64;
                assert_eq!(value, ArgValue::Int(width), "{}: the positions' width", case.case);
            }
            // Without learned scales: they are 1 and 0, `from_pyg`.
            "affine" if !has("affine") => assert_eq!(value, ArgValue::Bool(false)),
            // How many groups there are, the empty ones behind included: `inputs`.
            "dim_size" => {}
            "ratio" if op.family() == Family::Pooling && matches!(value, ArgValue::Int(_)) => {
                written.push(("k", value));
            }
            // The network that stands beside: `gps_is_pygs`.
            "conv" => written.push(("conv", ArgValue::Pipeline)),
            // The network of the scores: `of_scores`.
            "score" if theirs == "GNN" => {}
            // Loops belong to the normalisation.
            "self_loops" if case.args.get("normalize") == Some(&Json::Bool(false)) => {}
            // A weight's initial value, where it is trained.
            "eps" if case.params.contains_key("eps") => {}
            // Its words say whether there is any.
            "attention" if matches!(value, ArgValue::Bool(_)) => {}
            "edge_dim" | "in_edge_channels" => {
                let width = *case.inputs["edge_attr"].shape.last().unwrap() as i64;
                assert_eq!(value, ArgValue::Int(width), "{}: the edges' width", case.case);
            }
            "num_relations" => assert_eq!(value, ArgValue::Int(n_kinds(case) as i64)),
            // A word of its own where it is one.
            "fill_value" if matches!(value, ArgValue::Choice(_)) => written.push(("fill", value)),
            // The loss is divided or not: `diffpool_is_pygs`.
            "normalize" if op.name() == "diffpool" => {}
            ours => {
                let spec = op.args().iter().find(|spec| spec.name == ours);
                let spec = spec.unwrap_or_else(|| panic!("{}: `{ours}` is no argument here", case.case));
                written.push((spec.name, value));
            }
        }
    }
    // Widths that only the weights tell.
    for (name, tensor, dim) in [("hidden", "nn.0.weight", 0), ("heads", "att_src", 1)] {
        if let Some(stored) = case.params.get(tensor)
            && has(name)
            && !written.iter().any(|(given, _)| *given == name)
        {
            // Attention vectors of dense cases have one dimension more in front.
            let dims = &stored.shape[if tensor == "att_src" { stored.shape.len() - 3 } else { 0 }..];
            written.push((name, ArgValue::Int(dims[dim] as i64)));
        }
    }
    // The default of PyG is the mean.
    if op.name() == "power_mean" && !case.args.contains_key("p") {
        written.push(("p", ArgValue::Float(1.0)));
    }
    if let ("dna", [_, layers, _]) = (op.name(), &case.inputs["x"].shape[..]) {
        written.push(("layers", ArgValue::Int(*layers as i64)));
    }
    // A number that is learned is a weight there.
    for (name, param) in [("learn_t", "aggr_module.t"), ("learn_p", "aggr_module.p")] {
        if has(name) && case.params.contains_key(param) && !written.iter().any(|(given, _)| *given == name) {
            written.push((name, ArgValue::Bool(true)));
        }
    }
    for spec in op.args() {
        if value_of(op, spec).is_some_and(|of| case.inputs.contains_key(of)) {
            written.push((spec.name, ArgValue::Pipeline));
        }
    }
    if case.inputs.contains_key("attn") {
        written.push(("attn", ArgValue::Pipeline));
    }
    if op.name() == "sag" {
        written.push(("score", ArgValue::Pipeline));
    }
    if let Some(s) = case.inputs.get("s") {
        written.push(("k", ArgValue::Int(*s.shape.last().unwrap() as i64)));
    }
    written
}

/// The word of ours that a word of PyG is: `add` is `sum`, and a longer one begins with ours.
fn choice(op: &dyn Operator, argument: &str, theirs: &str) -> &'static str {
    let words = op.args().iter().find(|spec| spec.name == argument).map(|spec| spec.kind);
    let plain = theirs.to_lowercase().replace(['-', ' '], "_").replace("conv", "");
    let meant = match plain.as_str() {
        "add" => "sum",
        "cat" => "concat",
        // All numbers of a graph together.
        "layer_norm" if op.name() == "gps" => "graph_layer_norm",
        "mx" => "mixed",
        "sd" => "scaled",
        other => other,
    };
    // Where no word is called so, another name of it.
    let other = match meant {
        "softmax" => "softmax_sum",
        "power" => "power_mean",
        "cat" => "concat",
        "proj" => "project",
        "attn" => "attention",
        other => other,
    };
    let is_it = |word: &str, meant: &str| {
        meant == word || meant.strip_prefix(word).is_some_and(|rest| rest.starts_with('_'))
    };
    let found = match words {
        Some(ArgKind::Choice(words) | ArgKind::Words(words)) => {
            let of = |meant: &str| words.iter().find(|word| is_it(word, meant)).copied();
            of(meant).or_else(|| of(other))
        }
        _ => None,
    };
    found.unwrap_or_else(|| Box::leak(theirs.to_owned().into_boxed_str()))
}

/// PyG's name of the input that an argument takes; `None` where it takes none.
fn value_of(op: &dyn Operator, spec: &ArgSpec) -> Option<&'static str> {
    match spec.kind {
        ArgKind::Edges(EdgeValue::Features) => Some("edge_attr"),
        ArgKind::Edges(EdgeValue::Weight) => Some("edge_weight"),
        ArgKind::Edges(EdgeValue::Kind) => Some("edge_type"),
        ArgKind::Pipeline { .. } => {
            let theirs =
                op.pyg().arguments.iter().find(|(_, ours)| *ours == spec.name).map(|(theirs, _)| *theirs);
            theirs.or((spec.name == "normal").then_some("normal"))
        }
        _ => None,
    }
}

/// How many relations a case has.
fn n_kinds(case: &Case) -> usize {
    case.args["num_relations"].as_u64().unwrap() as usize
}

/// The shape without dimensions of one: PyG's dense cases have one in front, columns of one number have one behind.
fn plain(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|&n| n != 1).collect()
}

/// A weight as PyG stores it, out of ours.
pub(crate) fn to_pyg(ours: &Tensor, map: WeightMap, shape: &[usize]) -> Tensor {
    match map {
        WeightMap::Same => ours.clone(),
        WeightMap::Transposed => ours.t().unwrap(),
        WeightMap::TransposedRows { part, .. } => {
            ours.narrow(0, part * shape[1], shape[1]).unwrap().t().unwrap()
        }
        WeightMap::Reshaped => ours.reshape(shape).unwrap(),
        WeightMap::Tower(tower) => {
            let ours = ours.get(tower).unwrap();
            if shape.len() == 2 { ours.t().unwrap() } else { ours }
        }
    }
}

/// Our weight out of PyG's: every one that the map names and the case has, laid into place.
pub(crate) fn from_pyg(case: &Case, map: &[(&str, &str, WeightMap)], spec: &WeightSpec) -> Tensor {
    let shape: Vec<usize> = spec.shape.iter().map(|dim| dim.known().unwrap()).collect();
    let missing = match (case.args.get("affine"), spec.name) {
        (Some(Json::Bool(false)), "weight") => 1.0,
        (Some(Json::Bool(false)), "bias") => 0.0,
        _ => f64::NAN,
    };
    let mut values = vec![missing; shape.iter().product()];
    for &(theirs, ours, how) in map {
        let Some(stored) = case.params.get(theirs).or_else(|| case.buffers.get(theirs)) else { continue };
        if ours != spec.name {
            continue;
        }
        let place = match how {
            WeightMap::Same | WeightMap::Reshaped => {
                values.copy_from_slice(&stored.data);
                continue;
            }
            WeightMap::Transposed => 0,
            WeightMap::TransposedRows { part, .. } => part * stored.shape[1],
            WeightMap::Tower(tower) if stored.shape.len() == 1 => {
                values[tower * stored.shape[0]..][..stored.shape[0]].copy_from_slice(&stored.data);
                continue;
            }
            WeightMap::Tower(tower) => tower * stored.shape[1],
        };
        let (n_out, n_in) = (stored.shape[0], stored.shape[1]);
        // The root of a convolution that has none here.
        if (place + n_in) * n_out > values.len() {
            continue;
        }
        for row in 0..n_in {
            for col in 0..n_out {
                values[(place + row) * n_out + col] = stored.data[col * n_in + row];
            }
        }
    }
    assert!(
        values.iter().all(|value| !value.is_nan()),
        "{}: `{}` is not wholly mapped",
        case.case,
        spec.name
    );
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The inputs of a case as values with their types. Floating ones are variables, by PyG's name.
struct Inputs {
    variables: BTreeMap<&'static str, Var>,
    values: Vec<Value>,
    types: Vec<Type>,
}

fn inputs(case: &Case, op: &dyn Operator, dtype: DType) -> Inputs {
    let variable = |name: &str| Var::from_tensor(&case.inputs[name].tensor(dtype)).unwrap();
    let mut x = variable("x");
    // What several layers made stands side by side here.
    if let ([n, layers, width], false) = (x.dims(), case.inputs.contains_key("adj")) {
        let shape = (*n, layers * width);
        x = Var::from_tensor(&x.reshape(shape).unwrap()).unwrap();
    }
    if case.inputs.contains_key("adj") {
        let adj = variable("adj");
        let (n_graphs, n, width) = x.dims3().unwrap();
        let structure = Structure::Clusters {
            n_graphs,
            k: n,
            adjacency: Some(adj.as_tensor().clone()),
            assignment: None,
        };
        let mut values = vec![Value { x: x.reshape(((), width)).unwrap(), structure: structure.clone() }];
        let mut types = vec![ty(Entity::Clusters, 1, Some(n), width)];
        let mut variables = BTreeMap::from([("x", x), ("adj", adj)]);
        if case.inputs.contains_key("s") {
            let s = variable("s");
            let k = s.dims()[2];
            values.push(Value { x: s.reshape((n, k)).unwrap(), structure });
            types.push(ty(Entity::Clusters, 1, Some(n), k));
            variables.insert("s", s);
        }
        return Inputs { variables, values, types };
    }
    let (n, width) = x.dims2().unwrap();
    let graphs = case.inputs.get("batch").or_else(|| case.inputs.get("index")).map(Stored::indices);
    let n_nodes = match &graphs {
        Some(graphs) => {
            assert!(graphs.is_sorted(), "{}: graphs are mixed", case.case);
            let n_graphs =
                case.args.get("dim_size").map_or(graphs[n - 1] + 1, |n| n.as_u64().unwrap() as usize);
            (0..n_graphs).map(|graph| graphs.iter().filter(|&&of| of == graph).count()).collect()
        }
        None => vec![n],
    };
    let edges = case.inputs.get("edge_index").map_or(Vec::new(), edges);
    let graph = sparse_graph(&edges, &n_nodes);
    let mut values = vec![Value { x: x.as_tensor().clone(), structure: Structure::Sparse(graph.clone()) }];
    let mut types = vec![ty(Entity::Nodes, 0, None, width)];
    let mut variables = BTreeMap::from([("x", x)]);
    // The file's place of each entry of the adjacency.
    let mut entries: Vec<u32> = (0..edges.len() as u32).collect();
    let kind = |edge: u32| case.inputs.get("edge_type").map(|kinds| kinds.data[edge as usize] as u32);
    entries.sort_by_key(|&edge| (edges[edge as usize].1, edges[edge as usize].0, kind(edge)));
    for spec in op.args() {
        let Some(name) = value_of(op, spec).filter(|name| case.inputs.contains_key(*name)) else { continue };
        if matches!(spec.kind, ArgKind::Pipeline { .. }) {
            let given = variable(name);
            types.push(ty(Entity::Nodes, 0, None, given.dims()[1]));
            values.push(Value { x: given.as_tensor().clone(), structure: Structure::Sparse(graph.clone()) });
            variables.insert(name, given);
            continue;
        }
        if name == "edge_type" {
            let of_entry: Vec<u32> = entries.iter().map(|&edge| kind(edge).unwrap()).collect();
            let x = Tensor::from_slice(&of_entry, (of_entry.len(), 1), &Device::Cpu).unwrap();
            let kinds = EdgeKinds { of_entry: Arc::new(of_entry), n_kinds: n_kinds(case) };
            let graph = (*graph).clone().with_kinds(Some(kinds));
            values.push(Value { x, structure: Structure::Edges(Arc::new(graph)) });
            types.push(ty(Entity::EdgeKinds, 0, None, n_kinds(case)));
            continue;
        }
        let given = variable(name);
        let value = on_edges(&given, &entries, &graph);
        types.push(ty(Entity::Edges, 0, None, value.x.dims()[1]));
        values.push(value);
        variables.insert(name, given);
    }
    if case.inputs.contains_key("attn") {
        let attn = variable("attn");
        types.push(ty(Entity::Nodes, 0, None, attn.dims()[1]));
        values.push(Value { x: attn.as_tensor().clone(), structure: Structure::Sparse(graph.clone()) });
        variables.insert("attn", attn);
    }
    // Below a selection, values of the edges go on without it.
    if op.name() == "topk" && case.inputs.contains_key("edge_attr") {
        variables.insert("edge_attr", variable("edge_attr"));
    }
    Inputs { variables, values, types }
}

/// Values of edges in the file's order as those of the entries of the adjacency.
fn on_edges(given: &Tensor, entries: &[u32], graph: &Arc<SparseGraph>) -> Value {
    let places = Tensor::from_slice(entries, entries.len(), &Device::Cpu).unwrap();
    let x = given.reshape((entries.len(), ())).unwrap().index_select(&places, 0).unwrap();
    Value { x, structure: Structure::Edges(graph.clone()) }
}

impl Inputs {
    /// Features of the edges that are no input of the operator.
    fn edge_attr(&self, case: &Case) -> Value {
        let Structure::Sparse(graph) = &self.values[0].structure else { panic!("not sparse") };
        let edges = edges(&case.inputs["edge_index"]);
        let mut entries: Vec<u32> = (0..edges.len() as u32).collect();
        entries.sort_by_key(|&edge| (edges[edge as usize].1, edges[edge as usize].0));
        on_edges(&self.variables["edge_attr"], &entries, graph)
    }
}

/// `(source, target)` pairs.
pub(crate) fn edges(stored: &Stored) -> Vec<(u32, u32)> {
    let (sources, targets) = stored.data.split_at(stored.data.len() / 2);
    sources.iter().zip(targets).map(|(&source, &target)| (source as u32, target as u32)).collect()
}

/// The operator's own map, and for `mlp` its pattern continued.
fn weight_map(op: &dyn Operator) -> Vec<(&'static str, &'static str, WeightMap)> {
    let mut map = op.pyg().weights.to_vec();
    // Of `DirGNNConv`, which has the convolution twice.
    for &(theirs, ours, how) in op.pyg().weights {
        let leaked = |name: String| &*Box::leak(name.into_boxed_str());
        map.push((leaked(format!("conv_in.{theirs}")), ours, how));
        map.push((leaked(format!("conv_out.{theirs}")), leaked(format!("against_{ours}")), how));
    }
    if op.name() == "mlp" {
        map.push(("lins.2.weight", "layer2.weight", WeightMap::Transposed));
        map.push(("lins.2.bias", "layer2.bias", WeightMap::Same));
        for (theirs, ours) in [
            ("norms.1.module.weight", "norm1.weight"),
            ("norms.1.module.bias", "norm1.bias"),
            ("norms.1.module.running_mean", "norm1.running_mean"),
            ("norms.1.module.running_var", "norm1.running_var"),
            ("norms.2.module.weight", "norm2.weight"),
            ("norms.2.module.bias", "norm2.bias"),
            ("norms.2.module.running_mean", "norm2.running_mean"),
            ("norms.2.module.running_var", "norm2.running_var"),
        ] {
            map.push((theirs, ours, WeightMap::Same));
        }
    }
    map
}

/// Runs one case in both precisions. `results` names what came out as PyG does.
fn check_with(
    name: &str,
    op: &str,
    results: impl Fn(&Case, &Inputs, &Lone, &Value, &ForwardCx) -> BTreeMap<&'static str, Tensor>,
) {
    check_loaded(&|| load(name), op, results);
}

/// [`check_with`] of a case that is made.
fn check_loaded(
    load: &dyn Fn() -> Case,
    op: &str,
    results: impl Fn(&Case, &Inputs, &Lone, &Value, &ForwardCx) -> BTreeMap<&'static str, Tensor>,
) {
    let op = operator::find(op);
    for tolerance in &TOLERANCES {
        let case = load();
        let name = case.case.as_str();
        let map = &weight_map(op);
        let mut inputs = inputs(&case, op, tolerance.dtype);
        let scores = (op.name() == "sag").then(|| Scores::of(&case, &mut inputs, tolerance.dtype));
        let types: Vec<&Type> = inputs.types.iter().collect();
        let lone = Lone::build(op, &args(op, &written(&case, op)), &types, tolerance.dtype, |spec| {
            from_pyg(&case, map, spec)
        });
        let wanted = [LINK, ENTROPY, MINCUT, ORTHOGONALITY, "kl"];
        let mut cx = ForwardCx { train: case.mode == "train", ..ForwardCx::training(0, &wanted) };
        let value = lone.run(&inputs.values.iter().collect::<Vec<_>>(), &mut cx).unwrap();
        let results = results(&case, &inputs, &lone, &value, &cx);

        let mut scalar = Tensor::zeros((), tolerance.dtype, &Device::Cpu).unwrap();
        for (output, ours) in &results {
            let what = format!("{name} {:?} output {output}", tolerance.dtype);
            let theirs = &case.outputs[*output];
            assert_eq!(plain(ours.dims()), plain(&theirs.shape), "{what}: shape");
            assert_close(&what, &numbers(ours), &theirs.data, tolerance.values);
            let cotangent = case.cotangents[*output].tensor(tolerance.dtype).flatten_all().unwrap();
            let product = (ours.flatten_all().unwrap() * cotangent).unwrap().sum_all().unwrap();
            scalar = (scalar + product).unwrap();
        }
        let covered = case.cotangents.keys().all(|output| results.contains_key(output.as_str()));
        assert!(covered, "{name}: an output of PyG is not compared");

        let gradients = scalar.backward().unwrap();
        for (of, theirs) in &case.grads {
            let what = format!("{name} {:?} gradient of {of}", tolerance.dtype);
            let ours = match of.strip_prefix("param:") {
                None => gradients.get(&inputs.variables[of.as_str()]).cloned(),
                Some(param) if scores.is_some() => {
                    scores.as_ref().unwrap().gradient(param, &gradients, &theirs.shape)
                }
                Some(param) => {
                    let mapped = map.iter().find(|(theirs, ours, _)| {
                        *theirs == param && lone.weights.0.iter().any(|(name, _)| name == ours)
                    });
                    let (_, weight, how) =
                        mapped.unwrap_or_else(|| panic!("{name}: `{param}` is not mapped"));
                    gradients.get(lone.weights.get(weight)).map(|ours| to_pyg(ours, *how, &theirs.shape))
                }
            };
            let ours = ours.unwrap_or_else(|| panic!("{what} is missing"));
            assert_close(&what, &numbers(&ours), &theirs.data, tolerance.gradients);
        }
        for (theirs, after) in &case.buffers_after {
            if let Some((_, weight, how)) = map.iter().find(|(name, ..)| name == theirs) {
                let ours = to_pyg(lone.weights.get(weight).as_tensor(), *how, &after.shape);
                assert_close(
                    &format!("{name} buffer {theirs}"),
                    &numbers(&ours),
                    &after.data,
                    tolerance.values,
                );
            }
        }
    }
}

/// The convolution that makes the scores of a case.
struct Scores {
    lone: Lone,
    map: &'static [(&'static str, &'static str, WeightMap)],
    /// The factor of the scores in PyG.
    factor: Var,
}

impl Scores {
    /// Puts the scores beside the other inputs.
    fn of(case: &Case, inputs: &mut Inputs, dtype: DType) -> Self {
        let op = match case.args.get("GNN").and_then(Json::as_str).unwrap_or("GraphConv") {
            "GATConv" => "gat",
            "GCNConv" => "gcn",
            "LEConv" => "le",
            "SAGEConv" => "sage",
            _ => "graph_conv",
        };
        let op = operator::find(op);
        let map = op.pyg().weights;
        let mut inner = case.clone();
        inner.params = (case.params.iter())
            .filter_map(|(name, of)| Some((name.strip_prefix("gnn.")?.to_owned(), of.clone())))
            .collect();
        let written = [("out", ArgValue::Int(1))];
        let lone = Lone::build(op, &args(op, &written), &[&inputs.types[0]], dtype, |spec| {
            from_pyg(&inner, map, spec)
        });
        let value = lone.run(&[&inputs.values[0]], &mut ForwardCx::training(0, &[])).unwrap();
        let factor = Var::from_tensor(&case.params["select.weight"].tensor(dtype)).unwrap();
        // Divided by its length where no softmax follows, it is a sign.
        let by = match case.args.contains_key("min_score") {
            true => factor.as_tensor().clone(),
            false => factor.broadcast_div(&factor.abs().unwrap()).unwrap(),
        };
        inputs.values.push(Value { x: value.x.broadcast_mul(&by).unwrap(), structure: value.structure });
        inputs.types.push(ty(Entity::Nodes, 0, None, 1));
        Self { lone, map, factor }
    }

    fn gradient(
        &self,
        param: &str,
        gradients: &candle_core::backprop::GradStore,
        shape: &[usize],
    ) -> Option<Tensor> {
        let Some(param) = param.strip_prefix("gnn.") else { return gradients.get(&self.factor).cloned() };
        let is_there = |ours: &str| self.lone.weights.0.iter().any(|(name, _)| *name == ours);
        let (_, weight, how) =
            self.map.iter().find(|(theirs, ours, _)| *theirs == param && is_there(ours))?;
        gradients.get(self.lone.weights.get(weight)).map(|ours| to_pyg(ours, *how, shape))
    }
}

fn check(name: &str, op: &str) {
    check_with(name, op, |_, _, _, value, _| BTreeMap::from([("out", value.x.clone())]));
}

/// Two graphs of one padded size; PyG sets the rows behind the mask to zero.
fn check_padded(name: &str, op: &str) {
    check_with(name, op, |case, inputs, _, value, _| {
        let mask = case.inputs["mask"].tensor(inputs.values[0].x.dtype());
        let x = value.x.broadcast_mul(&mask.flatten_all().unwrap().unsqueeze(1).unwrap()).unwrap();
        BTreeMap::from([("out", x.reshape(case.outputs["out"].shape.as_slice()).unwrap())])
    });
}

/// Convolutions whose counterpart runs nowhere here (`spline`), or follows another convention (`pan`), and those of nodes of several
/// types, which `hetero.rs` compares; hyperedges are rows of their own in `hypergraphs_are_pygs`.
const WITHOUT_FILES: [&str; 5] = ["spline", "pan", "hgt", "han", "hypergraph"];

/// Every file of a class that a convolution names as its counterpart.
#[test]
fn convolutions_are_pygs() {
    // One run names all that differ.
    let mut failed = Vec::new();
    for op in CATALOGUE.iter().filter(|op| op.family() == Family::Convolution) {
        // Of what PyG does not have, the operator's own file has the formula.
        if op.pyg().class.is_empty() || WITHOUT_FILES.contains(&op.name()) || op.name() == "gps" {
            continue;
        }
        let cases = cases_of(op.pyg().class);
        assert!(!cases.is_empty(), "`{}` is compared with nothing", op.name());
        // Whose loss is a result: `attention_learns_as_pygs`.
        for case in cases.into_iter().filter(|case| !load(case).outputs.contains_key("att_loss")) {
            let name = op.name();
            let outcome = std::panic::catch_unwind(|| check(&case, name));
            failed.extend(outcome.is_err().then_some(case));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// Nodes and hyperedges as rows of one graph, whose edges lead from members to hyperedges, or both ways: the rows of the nodes are PyG's.
#[test]
fn hypergraphs_are_pygs() {
    let op = operator::find("hypergraph");
    let map = weight_map(op);
    let cases = cases_of(op.pyg().class);
    assert_eq!(cases.len(), 4);
    for (name, tolerance, goes_back) in cases.iter().flat_map(|name| {
        TOLERANCES.iter().flat_map(move |tolerance| [false, true].map(move |back| (name, tolerance, back)))
    }) {
        let case = load(name);
        let (n, width) = (case.inputs["x"].shape[0], case.inputs["x"].shape[1]);
        let members = edges(&case.inputs["hyperedge_index"]);
        let n_hyperedges = members.iter().map(|member| member.1 as usize + 1).max().unwrap();
        let zeros = Stored { shape: vec![n_hyperedges, width], data: vec![0.0; n_hyperedges * width] };
        let of_hyperedges = case.inputs.get("hyperedge_attr").unwrap_or(&zeros);
        assert_eq!(of_hyperedges.shape, zeros.shape);
        let rows = Stored {
            shape: vec![n + n_hyperedges, width],
            data: [&case.inputs["x"].data[..], &of_hyperedges.data].concat(),
        };
        let there = members.iter().map(|&(node, hyperedge)| (node, n as u32 + hyperedge));
        let back = there.clone().filter(|_| goes_back).map(|(node, hyperedge)| (hyperedge, node));
        let edges: Vec<(u32, u32)> = there.clone().chain(back).collect();
        let graph = sparse_graph(&edges, &[n + n_hyperedges]);
        let variable = |stored: &Stored| Var::from_tensor(&stored.tensor(tolerance.dtype)).unwrap();
        let value = |x: &Var| Value { x: x.as_tensor().clone(), structure: Structure::Sparse(graph.clone()) };
        let x = variable(&rows);
        // Numbers of nodes are those of no hyperedge.
        let weight = case.inputs.get("hyperedge_weight").map(|weight| {
            let data = [vec![7.0; n], weight.data.clone()].concat();
            variable(&Stored { shape: vec![n + n_hyperedges, 1], data })
        });
        let mut given = written(&case, op);
        if weight.is_some() {
            given.push(("hyperedge_weight", ArgValue::Pipeline));
            given.push(("weighted_messages", ArgValue::Bool(false)));
        }
        let mut types = vec![ty(Entity::Nodes, 0, None, width)];
        types.extend(weight.is_some().then(|| ty(Entity::Nodes, 0, None, 1)));
        let types: Vec<&Type> = types.iter().collect();
        let lone =
            Lone::build(op, &args(op, &given), &types, tolerance.dtype, |spec| from_pyg(&case, &map, spec));
        let values: Vec<Value> = [&x].into_iter().chain(&weight).map(value).collect();
        let made = lone.run(&values.iter().collect::<Vec<_>>(), &mut following()).unwrap();
        let made = made.x.narrow(0, 0, n).unwrap();
        let what = format!("{name} {:?}, way back: {goes_back}", tolerance.dtype);
        assert_close(&what, &numbers(&made), &case.outputs["out"].data, tolerance.values);
        let cotangent = case.cotangents["out"].tensor(tolerance.dtype);
        let gradients = (made * cotangent).unwrap().sum_all().unwrap().backward().unwrap();
        for (of, theirs) in &case.grads {
            let of_rows = |var: &Var, start: usize, len: usize| {
                gradients.get(var).unwrap().narrow(0, start, len).unwrap()
            };
            let ours = match of.as_str() {
                "x" => of_rows(&x, 0, n),
                "hyperedge_attr" => of_rows(&x, n, n_hyperedges),
                "hyperedge_weight" => of_rows(weight.as_ref().unwrap(), n, n_hyperedges),
                param => {
                    let param = param.strip_prefix("param:").unwrap();
                    let (_, ours, how) = map.iter().find(|(theirs, ..)| *theirs == param).unwrap();
                    to_pyg(gradients.get(lone.weights.get(ours)).unwrap(), *how, &theirs.shape)
                }
            };
            let what = format!("{what}, gradient of {of}");
            assert_close(&what, &numbers(&ours), &theirs.data, tolerance.gradients);
        }
    }
}

/// The loss of attention. Which pairs are drawn is given there, and here a graph that links all others leaves one: the term of that pair
/// is what the loss has more than without pairs.
#[test]
fn attention_learns_as_pygs() {
    let op = operator::find("supergat");
    for (name, tolerance) in ["supergat_conv_mx_loss", "supergat_conv_sd_loss"]
        .iter()
        .flat_map(|name| TOLERANCES.iter().map(move |tolerance| (name, tolerance)))
    {
        let mut case = load(name);
        let pairs = edges(&case.inputs.remove("neg_edge_index").unwrap());
        let n = case.inputs["x"].shape[0] as u32;
        let map = weight_map(op);
        let (mut out, mut loss, mut slopes) = (Vec::new(), 0.0, BTreeMap::<String, Vec<f64>>::new());
        // The result counts so much, and the loss, of the edges with so many pairs for each.
        let mut add = |edges: Option<&[(u32, u32)]>, negatives: f64, [of_out, of_loss]: [f64; 2]| {
            let mut case = case.clone();
            if let Some(edges) = edges {
                let data = edges.iter().map(|edge| edge.0).chain(edges.iter().map(|edge| edge.1));
                let stored = Stored { shape: vec![2, edges.len()], data: data.map(f64::from).collect() };
                case.inputs.insert("edge_index".into(), stored);
            }
            let inputs = inputs(&case, op, tolerance.dtype);
            let mut given = written(&case, op);
            given.push(("negatives", ArgValue::Float(negatives)));
            let lone = Lone::build(op, &args(op, &given), &[&inputs.types[0]], tolerance.dtype, |spec| {
                from_pyg(&case, &map, spec)
            });
            let mut cx = ForwardCx { train: false, ..ForwardCx::training(0, &["attention"]) };
            let value = lone.run(&[&inputs.values[0]], &mut cx).unwrap();
            if of_out != 0.0 {
                out = numbers(&value.x);
            }
            let of_graph = cx.losses[0].of_graphs.sum_all().unwrap();
            loss += of_loss * numbers(&of_graph)[0];
            let cotangent = |name: &str| case.cotangents[name].tensor(tolerance.dtype).flatten_all().unwrap();
            let by_out = (value.x.flatten_all().unwrap() * cotangent("out")).unwrap().sum_all().unwrap();
            let by_loss = (of_graph * case.cotangents["att_loss"].data[0]).unwrap();
            let scalar = ((by_out * of_out).unwrap() + (by_loss * of_loss).unwrap()).unwrap();
            let gradients = scalar.backward().unwrap();
            for (of, theirs) in &case.grads {
                let ours = match of.strip_prefix("param:") {
                    None => gradients.get(&inputs.variables["x"]).cloned(),
                    Some(param) => {
                        let (_, ours, how) = map.iter().find(|(theirs, ..)| *theirs == param).unwrap();
                        gradients.get(lone.weights.get(ours)).map(|ours| to_pyg(ours, *how, &theirs.shape))
                    }
                };
                let sums = slopes.entry(of.clone()).or_insert_with(|| vec![0.0; theirs.data.len()]);
                // The loss reads no weights of attention.
                if let Some(ours) = ours {
                    sums.iter_mut().zip(numbers(&ours)).for_each(|(sum, slope)| *sum += slope);
                }
            }
        };
        const NONE: f64 = 1e-9;
        let n_edges = f64::from(n) + case.inputs["edge_index"].shape[1] as f64;
        let all = n_edges + pairs.len() as f64;
        add(None, NONE, [1.0, n_edges / all]);
        for &(source, target) in &pairs {
            let is_other =
                |&(a, b): &(u32, u32)| a != b && (a, b) != (source, target) && (b, a) != (source, target);
            let others: Vec<(u32, u32)> =
                (0..n).flat_map(|a| (0..n).map(move |b| (a, b))).filter(is_other).collect();
            let n_others = f64::from(n) + others.len() as f64;
            // The pair counts twice, once each way.
            add(Some(&others), 1.0, [0.0, 0.5 * (n_others + 2.0) / all]);
            add(Some(&others), NONE, [0.0, -0.5 * n_others / all]);
        }
        let what = format!("{name} {:?}", tolerance.dtype);
        assert_close(&what, &out, &case.outputs["out"].data, tolerance.values);
        assert_close(&format!("{what} loss"), &[loss], &case.outputs["att_loss"].data, tolerance.values);
        for (of, theirs) in &case.grads {
            assert_close(&format!("{what} gradient of {of}"), &slopes[of], &theirs.data, tolerance.gradients);
        }
    }
}

/// The names of all files of a class. Those with nodes of several types are compared in `hetero.rs`.
fn cases_of(class: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let names = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let is_of = |name: &String| {
        let case = load(name);
        case.pyg == class && !case.inputs.keys().any(|input| input.starts_with("x:"))
    };
    let mut names: Vec<String> = names.filter(is_of).collect();
    names.sort_unstable();
    names
}

#[test]
fn convolutions_of_clusters_are_pygs() {
    check("dense_gcn_conv", "gcn");
    check_padded("dense_gcn_conv_padded", "gcn");
    check("dense_graph_conv", "graph_conv");
    check_padded("dense_graph_mean_conv_padded", "graph_conv");
    check("dense_sage_conv", "sage");
    check_padded("dense_sage_conv_padded", "sage");
    check("dense_gin_conv", "gin");
    check_padded("dense_gin_conv_padded", "gin");
    check("dense_gat_conv", "gat");
    check_padded("dense_gat_mean_heads_conv_padded", "gat");
}

/// `DirGNNConv`: the convolution along the edges and against them, without loops and roots of its own. The linear layer
/// that it adds is one beside the convolution here, so its part is taken from the values and from the gradient of `x`.
#[test]
fn convolutions_both_ways_are_pygs() {
    let cases = [
        ("dir_gcn_conv", "gcn", "self_loops"),
        ("dir_sage_conv", "sage", "root_weight"),
        ("dir_gat_no_root_conv", "gat", "self_loops"),
    ];
    for (name, op, without) in cases {
        let both_ways = || {
            let mut case = load(name);
            let against = case.args.remove("alpha").unwrap();
            case.args.retain(|name, _| !["conv", "root_weight"].contains(&name.as_str()));
            let added = [("direction", "both".into()), ("against", against), ("out", 6.into())];
            let added = added.into_iter().chain([(without, false.into())]);
            case.args.extend(added.map(|(name, value)| (name.to_owned(), value)));
            let (Some(w), Some(bias)) = (case.params.remove("lin.weight"), case.params.remove("lin.bias"))
            else {
                return case;
            };
            let (n_in, n_out) = (w.shape[1], w.shape[0]);
            let (x, cotangent) = (&case.inputs["x"].data, &case.cotangents["out"].data);
            let out = &mut case.outputs.get_mut("out").unwrap().data;
            for (place, value) in out.iter_mut().enumerate() {
                let (row, col) = (place / n_out, place % n_out);
                let product = |k: usize| x[row * n_in + k] * w.data[col * n_in + k];
                *value -= bias.data[col] + (0..n_in).map(product).sum::<f64>();
            }
            let slope = &mut case.grads.get_mut("x").unwrap().data;
            for (place, value) in slope.iter_mut().enumerate() {
                let (row, k) = (place / n_in, place % n_in);
                let product = |col: usize| cotangent[row * n_out + col] * w.data[col * n_in + k];
                *value -= (0..n_out).map(product).sum::<f64>();
            }
            case.grads.retain(|name, _| !name.starts_with("param:lin."));
            case
        };
        check_loaded(&both_ways, op, |_, _, _, value, _| BTreeMap::from([("out", value.x.clone())]));
    }
}

/// The convolution stands before, with weights of its own.
#[test]
fn gps_is_pygs() {
    let (op, cases) = (operator::find("gps"), cases_of("torch_geometric.nn.GPSConv"));
    assert_eq!(cases.len(), 7);
    for (name, tolerance) in cases.iter().flat_map(|name| TOLERANCES.iter().map(move |of| (name, of))) {
        let mut case = load(name);
        // Without a batch PyG's layer norm adds `eps` to the deviation, not to the variance.
        let by_eps = if name == "gps_conv_performer" { 1e-5 } else { 0.0 };
        let conv = match case.args["conv"].as_str() {
            Some("SAGEConv") => Some(operator::find("sage")),
            Some("GINEConv") => Some(operator::find("gine")),
            _ => None,
        };
        let mut inner = case.clone();
        let of_conv =
            |(name, of): (&String, &Stored)| Some((name.strip_prefix("conv.")?.to_owned(), of.clone()));
        inner.params = case.params.iter().filter_map(of_conv).collect();
        inner.args.retain(|name, _| ["nn", "edge_dim", "channels"].contains(&name.as_str()));
        let width = inner.args.remove("channels").unwrap();
        inner.args.insert("out".to_owned(), width);
        case.args.retain(|name, _| !["nn", "edge_dim"].contains(&name.as_str()));
        let inputs = inputs(&inner, conv.unwrap_or(op), tolerance.dtype);
        let cx = || ForwardCx { train: case.mode == "train", ..ForwardCx::training(0, &[]) };
        let values: Vec<&Value> = inputs.values.iter().collect();
        let types: Vec<&Type> = inputs.types.iter().collect();
        let conv = conv.map(|op| {
            let map = op.pyg().weights;
            let lone = Lone::build(op, &args(op, &written(&inner, op)), &types, tolerance.dtype, |spec| {
                from_pyg(&inner, map, spec)
            });
            let value = lone.run(&values, &mut cx()).unwrap();
            (lone, map, value)
        });
        let (mut values, mut types) = (vec![values[0]], vec![types[0]]);
        if let Some((lone, _, value)) = &conv {
            values.push(value);
            types.push(&lone.output);
        }
        let map = op.pyg().weights;
        let lone = Lone::build(op, &args(op, &written(&case, op)), &types, tolerance.dtype, |spec| {
            from_pyg(&case, map, spec)
        });
        let out = lone.run(&values, &mut cx()).unwrap().x;

        let what = format!("{name} {:?}", tolerance.dtype);
        assert_close(&what, &numbers(&out), &case.outputs["out"].data, tolerance.values.max(by_eps));
        let cotangent = case.cotangents["out"].tensor(tolerance.dtype);
        let gradients = (out * cotangent).unwrap().sum_all().unwrap().backward().unwrap();
        let of = |lone: &Lone, map: &[(&str, &str, WeightMap)], param: &str, shape: &[usize]| {
            let is_there = |ours: &str| lone.weights.0.iter().any(|(name, _)| *name == ours);
            let (_, weight, how) = map.iter().find(|(theirs, ours, _)| *theirs == param && is_there(ours))?;
            gradients.get(lone.weights.get(weight)).map(|ours| to_pyg(ours, *how, shape))
        };
        for (name, theirs) in &case.grads {
            let ours = match (name.strip_prefix("param:"), &conv) {
                (None, _) => gradients.get(&inputs.variables[name.as_str()]).cloned(),
                (Some(param), Some((lone, map, _))) if param.starts_with("conv.") => {
                    of(lone, map, &param["conv.".len()..], &theirs.shape)
                }
                (Some(param), _) => of(&lone, map, param, &theirs.shape),
            };
            let ours = ours.unwrap_or_else(|| panic!("{what}: no gradient of {name}"));
            let what = format!("{what} gradient of {name}");
            assert_close(&what, &numbers(&ours), &theirs.data, tolerance.gradients.max(by_eps));
        }
        for (theirs, after) in &case.buffers_after {
            if let Some((_, weight, _)) = map.iter().find(|(name, ..)| name == theirs) {
                let ours = numbers(lone.weights.get(weight).as_tensor());
                assert_close(&format!("{what} buffer {theirs}"), &ours, &after.data, tolerance.values);
            }
        }
    }
}

/// PyG's attention is one of several graphs of one size.
#[test]
fn performer_attention_is_pygs() {
    let one_graph = || {
        let mut case = load("performer_attention");
        case.inputs.get_mut("x").unwrap().shape.remove(0);
        case.args.insert("kind".to_owned(), "performer".into());
        case
    };
    let results = |value: &Value| BTreeMap::from([("out", value.x.clone())]);
    check_loaded(&one_graph, "self_attention", |_, _, _, value, _| results(value));
}

#[test]
fn fast_rgcn_is_pygs() {
    check("fast_rgcn_conv", "rgcn");
    check("fast_rgcn_conv_blocks", "rgcn");
}

#[test]
fn diffpool_is_pygs() {
    for name in ["dense_diff_pool", "dense_diff_pool_normalized"] {
        check_with(name, "diffpool", |case, inputs, _, value, cx| {
            let Structure::Clusters { adjacency: Some(adjacency), .. } = &value.structure else {
                panic!("{name}: no coarse adjacency")
            };
            let loss = |name| cx.losses.iter().find(|found| found.loss == name).unwrap().of_graphs.clone();
            // Ours is always divided by the number of entries of the adjacency, PyG's with `normalize`.
            let entries = inputs.variables["adj"].elem_count() as f64;
            let scale = if case.args["normalize"] == true { 1.0 } else { entries };
            BTreeMap::from([
                ("x", value.x.clone()),
                ("adj", adjacency.clone()),
                ("link_loss", (loss("link_prediction") * scale).unwrap()),
                ("ent_loss", loss("entropy")),
            ])
        });
    }
}

#[test]
fn mincut_is_pygs() {
    check_with("dense_mincut_pool", "mincut", |_, _, _, value, cx| {
        let Structure::Clusters { adjacency: Some(adjacency), .. } = &value.structure else {
            panic!("no coarse adjacency")
        };
        let loss = |name| cx.losses.iter().find(|found| found.loss == name).unwrap().of_graphs.clone();
        BTreeMap::from([
            ("x", value.x.clone()),
            ("adj", adjacency.clone()),
            ("mincut_loss", loss("mincut")),
            ("ortho_loss", loss("orthogonality")),
        ])
    });
}

/// The graphs of a padded batch one by one, each with its own number of rows.
#[test]
fn mincut_on_graphs_of_their_own_size_is_pygs_on_padded_ones() {
    let names = ["dense_mincut_pool_padded", "dense_mincut_pool_temp"];
    for (name, tolerance) in names.iter().flat_map(|name| TOLERANCES.iter().map(move |of| (name, of))) {
        let (case, op) = (load(name), operator::find("mincut"));
        let [n_graphs, n, width] = case.inputs["x"].shape[..] else { panic!("padded graphs") };
        let k = *case.inputs["s"].shape.last().unwrap();
        let mask = &case.inputs["mask"].data;
        let sizes: Vec<usize> = mask.chunks(n).map(|graph| graph.iter().sum::<f64>() as usize).collect();
        // The rows and columns of a graph that are no padding.
        let part = |of: &Stored, graph: usize| -> Vec<f64> {
            let each = of.data.len() / (n_graphs * n);
            let kept = if each == n { sizes[graph] } else { each };
            let rows = of.data[graph * n * each..].chunks(each).take(sizes[graph]);
            rows.flat_map(|row| &row[..kept]).copied().collect()
        };
        assert!(n != width && n != k, "only the adjacency is as wide as long");
        let mut scalar = Tensor::zeros((), tolerance.dtype, &Device::Cpu).unwrap();
        let mut losses = [0.0; 2];
        let mut variables = Vec::new();
        for (graph, &n) in sizes.iter().enumerate() {
            let variable = |name: &str, shape: &[usize]| {
                let values = Tensor::from_vec(part(&case.inputs[name], graph), shape, &Device::Cpu).unwrap();
                Var::from_tensor(&values.to_dtype(tolerance.dtype).unwrap()).unwrap()
            };
            let (x, s, adj) =
                (variable("x", &[n, width]), variable("s", &[n, k]), variable("adj", &[1, n, n]));
            let structure = Structure::Clusters {
                n_graphs: 1,
                k: n,
                adjacency: Some(adj.as_tensor().clone()),
                assignment: None,
            };
            let types = [width, k].map(|width| ty(Entity::Clusters, 1, Some(n), width));
            let inputs =
                [&x, &s].map(|var| Value { x: var.as_tensor().clone(), structure: structure.clone() });
            let written = args(op, &written(&case, op));
            let lone =
                Lone::build(op, &written, &[&types[0], &types[1]], tolerance.dtype, |_| unreachable!());
            let mut cx = ForwardCx::training(0, &["mincut", "orthogonality"]);
            let value = lone.run(&[&inputs[0], &inputs[1]], &mut cx).unwrap();
            let Structure::Clusters { adjacency: Some(adjacency), .. } = &value.structure else {
                panic!("no coarse adjacency")
            };
            for (output, ours) in [("x", &value.x), ("adj", adjacency)] {
                let len = ours.elem_count();
                let theirs = &case.outputs[output].data[graph * len..][..len];
                assert_close(&format!("{name} {output}"), &numbers(ours), theirs, tolerance.values);
                let cotangent = &case.cotangents[output].data[graph * len..][..len];
                let cotangent = Tensor::from_slice(cotangent, len, &Device::Cpu).unwrap();
                let cotangent = cotangent.to_dtype(tolerance.dtype).unwrap();
                let product = (ours.flatten_all().unwrap() * cotangent).unwrap().sum_all().unwrap();
                scalar = (scalar + product).unwrap();
            }
            for (sum, (found, output)) in
                losses.iter_mut().zip(cx.losses.iter().zip(["mincut_loss", "ortho_loss"]))
            {
                let loss = (found.of_graphs.sum_all().unwrap() / n_graphs as f64).unwrap();
                *sum += numbers(&loss)[0];
                scalar = (scalar + (loss * case.cotangents[output].data[0]).unwrap()).unwrap();
            }
            variables.push([("x", x), ("s", s), ("adj", adj)]);
        }
        for (ours, output) in losses.iter().zip(["mincut_loss", "ortho_loss"]) {
            assert_close(output, &[*ours], &case.outputs[output].data, tolerance.values);
        }
        let gradients = scalar.backward().unwrap();
        for (graph, variables) in variables.iter().enumerate() {
            for (of, variable) in variables {
                let ours = numbers(gradients.get(variable).unwrap());
                let what = format!("{name} gradient of {of}");
                assert_close(&what, &ours, &part(&case.grads[*of], graph), tolerance.gradients);
            }
        }
    }
}

/// The first level works on edges instead of the dense adjacency, with the same result.
#[test]
fn poolings_on_a_sparse_graph_are_pygs() {
    let cases = [
        ("dense_diff_pool_normalized", "diffpool", [("link_loss", LINK), ("ent_loss", ENTROPY)]),
        ("dense_mincut_pool", "mincut", [("mincut_loss", MINCUT), ("ortho_loss", ORTHOGONALITY)]),
    ];
    for ((name, op, losses), tolerance) in
        cases.into_iter().flat_map(|case| TOLERANCES.iter().map(move |of| (case, of)))
    {
        let (case, op) = (load(name), operator::find(op));
        let [_, n, width] = case.inputs["x"].shape[..] else { panic!("x is one dense graph") };
        let k = *case.inputs["s"].shape.last().unwrap();
        let dense = &case.inputs["adj"].data;
        assert!((0..n * n).all(|entry| dense[entry] == dense[entry % n * n + entry / n]));
        // It is symmetric, so either index can be the source.
        let edges: Vec<(u32, u32)> = (0..n * n)
            .filter(|&entry| dense[entry] != 0.0)
            .map(|entry| ((entry / n) as u32, (entry % n) as u32))
            .collect();
        let structure = Structure::Sparse(sparse_graph(&edges, &[n]));
        let variable = |name: &str| Var::from_tensor(&case.inputs[name].tensor(tolerance.dtype)).unwrap();
        let (x, s) = (variable("x"), variable("s"));
        let types = [ty(Entity::Nodes, 0, None, width), ty(Entity::Nodes, 0, None, k)];
        let inputs = [
            Value { x: x.reshape((n, width)).unwrap(), structure: structure.clone() },
            Value { x: s.reshape((n, k)).unwrap(), structure },
        ];
        let written = args(op, &written(&case, op));
        let lone = Lone::build(op, &written, &[&types[0], &types[1]], tolerance.dtype, |_| unreachable!());
        let wanted = losses.map(|(_, ours)| ours);
        let mut cx = ForwardCx::training(0, &wanted);
        let value = lone.run(&[&inputs[0], &inputs[1]], &mut cx).unwrap();
        let Structure::Clusters { adjacency: Some(adjacency), .. } = &value.structure else {
            panic!("no coarse adjacency")
        };
        assert_eq!([cx.losses[0].loss, cx.losses[1].loss], wanted);
        let results = [
            ("x", &value.x),
            ("adj", adjacency),
            (losses[0].0, &cx.losses[0].of_graphs),
            (losses[1].0, &cx.losses[1].of_graphs),
        ];
        let mut scalar = Tensor::zeros((), tolerance.dtype, &Device::Cpu).unwrap();
        for (output, ours) in results {
            assert_close(output, &numbers(ours), &case.outputs[output].data, tolerance.values);
            let cotangent = case.cotangents[output].tensor(tolerance.dtype).flatten_all().unwrap();
            let product = (ours.flatten_all().unwrap() * cotangent).unwrap().sum_all().unwrap();
            scalar = (scalar + product).unwrap();
        }
        let gradients = scalar.backward().unwrap();
        for (name, variable) in [("x", &x), ("s", &s)] {
            let ours = numbers(gradients.get(variable).unwrap());
            assert_close(name, &ours, &case.grads[name].data, tolerance.gradients);
        }
    }
}

/// Softmax over the rows of each graph.
pub(crate) fn softmax_of_graphs(case: &Case, score: &Tensor) -> Tensor {
    let graphs = case.inputs["batch"].indices();
    let parts = graphs.chunk_by(|a, b| a == b).scan(0, |start, graph| {
        let part = score.narrow(0, *start, graph.len()).unwrap();
        *start += graph.len();
        Some(candle_nn::ops::softmax(&part, 0).unwrap())
    });
    Tensor::cat(&parts.collect::<Vec<_>>(), 0).unwrap()
}

/// A selection, with PyG's order of nodes and edges.
fn check_selection(name: &str, op: &str) {
    check_with(name, op, |case, inputs, lone, value, _| {
        let Structure::Sparse(graph) = &value.structure else { panic!("not sparse") };
        // PyG lays the kept nodes by falling score, we keep their order: `place[p]` is where PyG's row `p` is here.
        let kept = case.outputs["perm"].indices();
        let mut ascending = kept.clone();
        ascending.sort_unstable();
        let place: Vec<u32> = kept
            .iter()
            .map(|node| ascending.iter().position(|other| other == node).unwrap() as u32)
            .collect();
        let theirs: Vec<(u32, u32)> = edges(&case.outputs["edge_index"])
            .into_iter()
            .map(|(source, target)| (place[target as usize], place[source as usize]))
            .collect();
        let mut sorted = theirs.clone();
        sorted.sort_unstable();
        let ours: Vec<(u32, u32)> = (0..graph.n_nodes())
            .flat_map(|row| graph.adjacency.row(row).iter().map(move |&source| (row as u32, source)))
            .collect();
        assert_eq!(ours, sorted, "edges between kept nodes, as (target, source)");

        // The score is inside of our result; computed again here, so that its cotangent counts.
        let has_least = case.args.contains_key("min_score");
        let score = match (lone.specs.is_empty(), has_least) {
            (true, _) => inputs.values[1].x.clone(),
            (false, _) => {
                let direction = lone.weights.get("direction");
                let length = direction.sqr().unwrap().sum_all().unwrap().sqrt().unwrap();
                let direction = if has_least {
                    direction.as_tensor().clone()
                } else {
                    direction.broadcast_div(&length).unwrap()
                };
                let of = inputs.variables.get("attn").unwrap_or(&inputs.variables["x"]);
                of.matmul(&direction).unwrap()
            }
        };
        let score = if has_least { softmax_of_graphs(case, &score) } else { score };
        let rows = |x: &Tensor, rows: Vec<u32>| {
            let n = rows.len();
            x.index_select(&Tensor::from_vec(rows, n, &Device::Cpu).unwrap(), 0).unwrap()
        };
        let kept: Vec<u32> = kept.iter().map(|&node| node as u32).collect();
        let score = match case.args.get("nonlinearity").and_then(Json::as_str) {
            _ if has_least => score,
            Some("sigmoid") => (((score.neg().unwrap().exp().unwrap()) + 1.0).unwrap()).recip().unwrap(),
            _ => score.tanh().unwrap(),
        };
        let score = rows(&score, kept);
        let mut results = BTreeMap::from([("x", rows(&value.x, place)), ("score", score)]);
        if case.inputs.contains_key("edge_attr") {
            let remaining = remaining_edges(&inputs.edge_attr(case), value);
            let place = |edge: &(u32, u32)| ours.iter().position(|other| other == edge).unwrap() as u32;
            results.insert("edge_attr", rows(&remaining, theirs.iter().map(place).collect()));
        }
        results
    });
}

/// The values of the edges that a selection leaves, in the order of its adjacency.
fn remaining_edges(values: &Value, selected: &Value) -> Tensor {
    let width = values.x.dims()[1];
    let types = [ty(Entity::Edges, 0, None, width), ty(Entity::Nodes, 1, None, selected.x.dims()[1])];
    let op = hgnn::ops::REMAINING_EDGES;
    let dtype = values.x.dtype();
    let lone = Lone::build(op, &args(op, &[]), &[&types[0], &types[1]], dtype, |_| unreachable!());
    lone.run(&[values, selected], &mut ForwardCx::evaluation()).unwrap().x
}

/// Every file of their classes is compared.
const SELECTIONS: [&str; 2] = ["topk", "sag"];

#[test]
fn selections_are_pygs() {
    for op in SELECTIONS {
        let cases = cases_of(operator::find(op).pyg().class);
        assert!(cases.len() > 6, "{op}: {cases:?}");
        cases.iter().for_each(|case| check_selection(case, op));
    }
}

#[test]
fn memory_is_pygs() {
    for name in ["mem_pooling", "mem_pooling_one_head", "mem_pooling_tau"] {
        check_with(name, "mem_pool", |case, inputs, lone, value, cx| {
            // The shares are inside of our result; computed again here, so that their cotangents count.
            let (x, keys) = (inputs.variables["x"].as_tensor(), lone.weights.get("keys").as_tensor());
            let (heads, k) =
                (case.args["heads"].as_u64().unwrap() as usize, case.args["num_clusters"].as_u64());
            let tau = case.args.get("tau").map_or(1.0, |tau| tau.as_f64().unwrap());
            let (n, k) = (x.dims()[0], k.unwrap() as usize);
            let apart = x.unsqueeze(1).unwrap().broadcast_sub(&keys.unsqueeze(0).unwrap()).unwrap();
            let distance = apart.sqr().unwrap().sum(2).unwrap();
            let near = ((distance / tau).unwrap() + 1.0).unwrap().powf(-(tau + 1.0) / 2.0).unwrap();
            let near = near.reshape((n, heads, k)).unwrap();
            let shares = near.broadcast_div(&near.sum_keepdim(2).unwrap()).unwrap();
            let of_heads = lone.weights.get("head_weights").reshape((1, heads, 1)).unwrap();
            let logits = shares.broadcast_mul(&of_heads).unwrap().sum(1).unwrap();
            let s = candle_nn::ops::softmax(&logits, 1).unwrap();
            let out = value.x.reshape(case.outputs["x"].shape.as_slice()).unwrap();
            let mut results = BTreeMap::from([("x", out), ("s", padded(case, &s))]);
            if case.outputs.contains_key("kl_loss") {
                let kl =
                    cx.losses.iter().find(|found| found.loss == "kl").unwrap().of_graphs.mean_all().unwrap();
                results.insert("kl_loss", kl);
            }
            results
        });
    }
}

/// Rows of nodes as `[graphs, largest, width]`, zeros behind each graph's own.
fn padded(case: &Case, rows: &Tensor) -> Tensor {
    let graphs = case.inputs["batch"].indices();
    let (n, width) = rows.dims2().unwrap();
    let zero = Tensor::zeros((1, width), rows.dtype(), &Device::Cpu).unwrap();
    let rows = Tensor::cat(&[rows, &zero], 0).unwrap();
    let sizes: Vec<usize> = graphs.chunk_by(|a, b| a == b).map(<[usize]>::len).collect();
    let largest = *sizes.iter().max().unwrap();
    let places = sizes.iter().scan(0, |start, &size| {
        let first = *start;
        *start += size;
        Some((0..largest).map(move |row| if row < size { (first + row) as u32 } else { n as u32 }))
    });
    let places: Vec<u32> = places.flatten().collect();
    let places = Tensor::from_slice(&places, places.len(), &Device::Cpu).unwrap();
    rows.index_select(&places, 0).unwrap().reshape((sizes.len(), largest, width)).unwrap()
}

/// Contractions, with PyG's order of clusters and edges.
#[test]
fn edge_pool_is_pygs() {
    // With a softmax many scores are 1, and PyG takes the first edge: `kernels/contract.rs` has these cases.
    for name in
        ["edge_pooling_sigmoid_unpool", "edge_pooling_sigmoid_no_add_unpool", "edge_pooling_tanh_unpool"]
    {
        check_with(name, "edge_pool", |case, inputs, lone, value, _| {
            let Structure::Sparse(graph) = &value.structure else { panic!("not sparse") };
            // PyG lays clusters by falling score, we keep the order of their first nodes: features tell them apart.
            let (ours, width) = (numbers(&value.x), value.x.dims()[1]);
            let place = |theirs: &[f64]| {
                let distance = |row: &[f64]| row.iter().zip(theirs).map(|(a, b)| (a - b).abs()).sum::<f64>();
                let rows = ours.chunks(width).enumerate();
                rows.min_by(|a, b| distance(a.1).total_cmp(&distance(b.1))).unwrap().0 as u32
            };
            let place: Vec<u32> = case.outputs["x"].data.chunks(width).map(place).collect();
            assert_eq!(std::collections::BTreeSet::from_iter(&place).len(), graph.n_nodes());
            let theirs = edges(&case.outputs["edge_index"]).into_iter();
            let mut theirs: Vec<(u32, u32)> =
                theirs.map(|(source, target)| (place[target as usize], place[source as usize])).collect();
            theirs.sort_unstable();
            let entries: Vec<(u32, u32)> = (0..graph.n_nodes())
                .flat_map(|row| graph.adjacency.row(row).iter().map(move |&source| (row as u32, source)))
                .collect();
            assert_eq!(entries, theirs, "edges between clusters, as (target, source)");

            let rows = |x: &Tensor, rows: &[u32]| {
                x.index_select(&Tensor::from_slice(rows, rows.len(), &Device::Cpu).unwrap(), 0).unwrap()
            };
            let x = rows(&value.x, &place);
            let mut results = BTreeMap::from([("x", x.clone())]);
            let cluster = case.outputs["cluster"].indices();
            // The scores are inside of our result; computed again here, so that their cotangents count.
            let (fine, of) = (edges(&case.inputs["edge_index"]), &inputs.variables["x"]);
            let end = |end: fn(&(u32, u32)) -> u32| rows(of, &fine.iter().map(end).collect::<Vec<_>>());
            let ends = Tensor::cat(&[end(|edge| edge.0), end(|edge| edge.1)], 1).unwrap();
            let raw = ends.matmul(lone.weights.get("weight")).unwrap();
            let raw = raw.broadcast_add(lone.weights.get("bias")).unwrap();
            let score = match case.args["edge_score_method"].as_str().unwrap() {
                "tanh" => raw.tanh().unwrap(),
                _ => (raw.neg().unwrap().exp().unwrap() + 1.0).unwrap().recip().unwrap(),
            };
            let score = (score + case.args["add_to_edge_score"].as_f64().unwrap()).unwrap();
            let found = numbers(&score);
            // Of each cluster of two the better of the edges between them; behind the scores stands a one.
            let best = |of: usize| {
                let inside =
                    |edge: &(u32, u32)| cluster[edge.0 as usize] == of && cluster[edge.1 as usize] == of;
                let inside = (0..fine.len()).filter(|&edge| inside(&fine[edge]));
                inside.max_by(|&a, &b| found[a].total_cmp(&found[b])).unwrap_or(fine.len()) as u32
            };
            let best: Vec<u32> = (0..graph.n_nodes()).map(best).collect();
            let one = Tensor::ones((1, 1), score.dtype(), &Device::Cpu).unwrap();
            let score = rows(&Tensor::cat(&[score, one], 0).unwrap(), &best);
            let cluster: Vec<u32> = cluster.iter().map(|&of| of as u32).collect();
            results.insert("unpooled_x", rows(&x.broadcast_div(&score).unwrap(), &cluster));
            results.insert("new_edge_score", score.flatten_all().unwrap());
            results
        });
    }
}

#[test]
fn mlp_is_pygs() {
    check("mlp_model_no_norm", "mlp");
    check("mlp_model_batch_norm", "mlp");
}

/// Readouts and norms whose cases need more than one input, or come out in another form.
const APART: [&str; 7] = ["attentional", "quantile", "sort_pool", "mem_pool", "message_norm", "lstm", "gru"];

/// Every file of a class that a readout or a norm names as its counterpart.
#[test]
fn readouts_and_norms_are_pygs() {
    let mut n_cases = 0;
    for op in CATALOGUE.iter().filter(|op| is_of_rows(**op)) {
        let cases = cases_of(op.pyg().class);
        n_cases += cases.len();
        cases.iter().for_each(|case| check(case, op.name()));
    }
    assert!(n_cases > 40, "{n_cases}");
}

fn is_of_rows(op: &dyn Operator) -> bool {
    matches!(op.family(), Family::Readout | Family::Normalization) && !APART.contains(&op.name())
}

#[test]
fn plain_readouts_are_pygs() {
    // Graphs of one size: PyG reads zeros behind the rows of smaller ones.
    check("aggr_lstm_single", "lstm");
    check("aggr_gru_single", "gru");
    check("aggr_sum", "sum");
    check("aggr_mean", "mean");
    check("aggr_max", "max");
    check("aggr_sum_empty_group", "sum");
    check("aggr_mean_empty_group", "mean");
    check("aggr_max_empty_group", "max");
    for name in ["aggr_sort", "aggr_sort_k_above_size"] {
        check_with(name, "sort_pool", |_, _, _, value, _| {
            // PyG lays the places of a graph side by side, as `flatten` does here.
            let Structure::Slots { n_graphs, .. } = value.structure else { panic!("no slots") };
            BTreeMap::from([("out", value.x.reshape((n_graphs, ())).unwrap())])
        });
    }
}

/// One quantile at a time; PyG's several stand side by side.
#[test]
fn quantiles_are_pygs() {
    for name in cases_of("torch_geometric.nn.QuantileAggregation") {
        for tolerance in &TOLERANCES {
            let (case, op) = (load(&name), operator::find("quantile"));
            let inputs = inputs(&case, op, tolerance.dtype);
            let types: Vec<&Type> = inputs.types.iter().collect();
            let parts = case.args["q"].as_array().unwrap().iter().map(|q| {
                let mut written = vec![("q", ArgValue::Float(q.as_f64().unwrap()))];
                if let Some(word) = case.args.get("interpolation") {
                    let word = Box::leak(word.as_str().unwrap().to_owned().into_boxed_str());
                    written.push(("interpolation", ArgValue::Choice(word)));
                }
                let lone = Lone::build(op, &args(op, &written), &types, tolerance.dtype, |_| unreachable!());
                lone.run(&inputs.values.iter().collect::<Vec<_>>(), &mut following()).unwrap().x
            });
            let ours = Tensor::cat(&parts.collect::<Vec<_>>(), 1).unwrap();
            compare(&case, tolerance, &ours, &[("x", &inputs.variables["x"])]);
        }
    }
}

/// In evaluation, with gradients.
fn following() -> ForwardCx<'static> {
    ForwardCx { train: false, ..ForwardCx::training(0, &[]) }
}

/// A result and the gradients of some variables, by PyG's names: every gradient that the case has.
fn compare(case: &Case, tolerance: &Tolerance, ours: &Tensor, variables: &[(&str, &Var)]) {
    let what = format!("{} {:?}", case.case, tolerance.dtype);
    assert_close(&what, &numbers(ours), &case.outputs["out"].data, tolerance.values);
    let cotangent = case.cotangents["out"].tensor(tolerance.dtype).flatten_all().unwrap();
    let scalar = (ours.flatten_all().unwrap() * cotangent).unwrap().sum_all().unwrap();
    let gradients = scalar.backward().unwrap();
    for (of, theirs) in &case.grads {
        let name = of.strip_prefix("param:").unwrap_or(of);
        let Some((_, variable)) = variables.iter().find(|(known, _)| *known == name) else {
            // A bias before a softmax, which takes it away.
            let is_dead = theirs.data.iter().all(|gradient| gradient.abs() < 1e-12);
            assert!(is_dead, "{what}: nothing is `{name}`");
            continue;
        };
        let ours = gradients.get(variable).unwrap_or_else(|| panic!("{what}: no gradient of {of}"));
        // Matrices stand the other way round.
        let ours = if name.contains("weight") && ours.rank() == 2 { ours.t().unwrap() } else { ours.clone() };
        assert_close(&format!("{what} gradient of {of}"), &numbers(&ours), &theirs.data, tolerance.gradients);
    }
}

/// The networks of the gate and of the values are perceptrons before the readout.
#[test]
fn attentional_readouts_are_pygs() {
    for (name, tolerance) in
        ["aggr_attentional", "aggr_attentional_gate_only", "aggr_attentional_per_channel"]
            .iter()
            .flat_map(|name| TOLERANCES.iter().map(move |tolerance| (name, tolerance)))
    {
        let (case, mlp, op) = (load(name), operator::find("mlp"), operator::find("attentional"));
        let inputs = inputs(&case, op, tolerance.dtype);
        let network = |prefix: &str, widths: &Json| {
            let width = |idx: usize| widths[idx].as_i64().unwrap();
            let written = [("out", ArgValue::Int(width(2))), ("hidden", ArgValue::IntList(vec![width(1)]))];
            let lone = Lone::build(mlp, &args(mlp, &written), &[&inputs.types[0]], tolerance.dtype, |spec| {
                let (layer, what) = spec.name.split_once('.').unwrap();
                let layer = if layer == "layer0" { 0 } else { 2 };
                let stored = case.params[&format!("{prefix}.{layer}.{what}")].tensor(DType::F64);
                if what == "weight" { stored.t().unwrap().contiguous().unwrap() } else { stored }
            });
            let value = lone.run(&[&inputs.values[0]], &mut following()).unwrap();
            (lone, value)
        };
        let mut networks = vec![("gate_nn", network("gate_nn", &case.args["gate_nn"]))];
        let mut written = vec![("gate", ArgValue::Pipeline)];
        if case.args["nn"] != Json::Null {
            networks.push(("nn", network("nn", &case.args["nn"])));
            written.push(("value", ArgValue::Pipeline));
        }
        let mut types = vec![&inputs.types[0]];
        types.extend(networks.iter().map(|(_, (lone, _))| &lone.output));
        let mut values = vec![&inputs.values[0]];
        values.extend(networks.iter().map(|(_, (_, value))| value));
        let lone = Lone::build(op, &args(op, &written), &types, tolerance.dtype, |_| unreachable!());
        let result = lone.run(&values, &mut following()).unwrap().x;
        let mut variables = vec![("x".to_owned(), &inputs.variables["x"])];
        for (prefix, (lone, _)) in &networks {
            for (name, var) in &lone.weights.0 {
                let (layer, what) = name.split_once('.').unwrap();
                let layer = if layer == "layer0" { 0 } else { 2 };
                variables.push((format!("{prefix}.{layer}.{what}"), var));
            }
        }
        let variables: Vec<(&str, &Var)> =
            variables.iter().map(|(name, var)| (name.as_str(), *var)).collect();
        compare(&case, tolerance, &result, &variables);
    }
}

#[test]
fn message_norm_is_pygs() {
    for (name, tolerance) in ["message_norm", "message_norm_fixed"]
        .iter()
        .flat_map(|name| TOLERANCES.iter().map(move |tolerance| (name, tolerance)))
    {
        let (case, op) = (load(name), operator::find("message_norm"));
        let inputs = inputs(&case, op, tolerance.dtype);
        let messages = Var::from_tensor(&case.inputs["msg"].tensor(tolerance.dtype)).unwrap();
        let other = Value { x: messages.as_tensor().clone(), structure: inputs.values[0].structure.clone() };
        let learns = case.args["learn_scale"] == true;
        let written = [("messages", ArgValue::Pipeline), ("learn_scale", ArgValue::Bool(learns))];
        let types = [&inputs.types[0], &inputs.types[0]];
        let lone = Lone::build(op, &args(op, &written), &types, tolerance.dtype, |_| {
            case.params["scale"].tensor(DType::F64)
        });
        let result = lone.run(&[&inputs.values[0], &other], &mut following()).unwrap().x;
        let mut variables = vec![("x", &inputs.variables["x"]), ("msg", &messages)];
        variables.extend(lone.weights.0.iter().map(|(name, var)| (*name, var)));
        compare(&case, tolerance, &result, &variables);
    }
}

/// Jumping knowledge reads several layers.
#[test]
fn jumps_are_pygs() {
    for (name, tolerance) in ["jk_cat", "jk_max", "jk_max_three", "jk_lstm", "jk_lstm_three"]
        .iter()
        .flat_map(|name| TOLERANCES.iter().map(move |tolerance| (name, tolerance)))
    {
        let (case, op) = (load(name), operator::find("jump"));
        let layers: Vec<(&String, Var)> = case
            .inputs
            .iter()
            .map(|(name, stored)| (name, Var::from_tensor(&stored.tensor(tolerance.dtype)).unwrap()))
            .collect();
        let n = layers[0].1.dims()[0];
        let structure = Structure::Sparse(sparse_graph(&[], &[n]));
        let values: Vec<Value> = layers
            .iter()
            .map(|(_, x)| Value { x: x.as_tensor().clone(), structure: structure.clone() })
            .collect();
        let types: Vec<Type> = layers.iter().map(|(_, x)| ty(Entity::Nodes, 0, None, x.dims()[1])).collect();
        let mode = case.args["mode"].as_str().unwrap();
        let mode = ["concat", "max", "lstm"].into_iter().find(|ours| *ours == mode).unwrap_or("concat");
        let mut written = vec![("mode", ArgValue::Choice(mode))];
        if mode == "lstm" {
            let number = |name: &str| case.args[name].as_i64().unwrap();
            written.push(("hidden", ArgValue::Int(number("num_layers") * number("channels") / 2)));
        }
        let map = op.pyg().weights;
        let lone = Lone::build(
            op,
            &args(op, &written),
            &types.iter().collect::<Vec<_>>(),
            tolerance.dtype,
            |spec| from_pyg(&case, map, spec),
        );
        let result = lone.run(&values.iter().collect::<Vec<_>>(), &mut following()).unwrap().x;
        let mut variables: Vec<(&str, &Var)> = layers.iter().map(|(name, x)| (name.as_str(), x)).collect();
        for (theirs, ours, _) in map {
            variables
                .extend(lone.weights.0.iter().find(|(name, _)| name == ours).map(|(_, var)| (*theirs, var)));
        }
        compare(&case, tolerance, &result, &variables);
    }
}

/// Losses of the task, by PyTorch; what our arguments are called is PyTorch's.
#[test]
fn losses_are_pytorchs() {
    let of_class = |class: &str| match class.rsplit('.').next().unwrap() {
        "binary_cross_entropy_with_logits" => "bce",
        "multi_margin_loss" => "hinge",
        "l1_loss" => "mae",
        other => other.trim_end_matches("_loss").to_owned().leak(),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let names: Vec<String> = names.filter(|name| name.starts_with("loss_")).collect();
    assert!(names.len() > 10, "{names:?}");
    for (name, tolerance) in
        names.iter().flat_map(|name| TOLERANCES.iter().map(move |tolerance| (name, tolerance)))
    {
        let case = load(name);
        let loss = hgnn::ops::find_loss(of_class(&case.pyg)).unwrap_or_else(|| panic!("{}", case.pyg));
        let mut given = hgnn::args::default_args(loss.args());
        for (name, value) in &case.args {
            let arg = given.0.iter_mut().find(|arg| arg.name == name).unwrap();
            arg.value = match value.as_i64() {
                Some(value) => ArgValue::Int(value),
                None => ArgValue::Float(value.as_f64().unwrap()),
            };
        }
        let output = Var::from_tensor(&case.inputs["output"].tensor(tolerance.dtype)).unwrap();
        let targets = &case.inputs["target"];
        let targets = if targets.shape.len() == 1 {
            targets.tensor(DType::I64)
        } else {
            targets.tensor(tolerance.dtype)
        };
        let class_weights = case.inputs.get("class_weights").map(|weights| &weights.data[..]);
        let cx = LossCx {
            args: &given,
            output: output.as_tensor(),
            targets: &targets,
            class_weights,
            total: None,
        };
        let value = task_loss::compute(loss, &cx).unwrap();
        let what = format!("{name} {:?}", tolerance.dtype);
        assert_close(&what, &numbers(&value), &case.outputs["loss"].data, tolerance.values);
        let gradients = value.backward().unwrap();
        let gradient = numbers(gradients.get(&output).unwrap());
        assert_close(&what, &gradient, &case.grads["output"].data, tolerance.gradients);

        // The same item by item, over what carries a label.
        let rows: Vec<usize> = (0..case.inputs["target"].shape[0])
            .filter(|&row| case.inputs["target"].shape.len() > 1 || case.inputs["target"].data[row] >= 0.0)
            .collect();
        let of_rows = |stored: &Stored| -> Vec<f32> {
            let width = stored.data.len() / stored.shape[0];
            rows.iter().flat_map(|&row| &stored.data[row * width..][..width]).map(|&x| x as f32).collect()
        };
        let (outputs, targets) = (of_rows(&case.inputs["output"]), of_rows(&case.inputs["target"]));
        let is_classes = case.inputs["target"].shape.len() == 1;
        let classes: Vec<u32> =
            if is_classes { targets.iter().map(|&class| class as u32).collect() } else { Vec::new() };
        let values = if is_classes { &[][..] } else { &targets[..] };
        let width = case.inputs["output"].shape[1];
        let items = Items { width, outputs: &outputs, classes: &classes, values };
        let all = task_loss::of_items(loss, &given, &items, class_weights).unwrap();
        let mean = all.iter().sum::<f64>() / loss.weight(rows.len() as f64, &classes, class_weights);
        assert_close(&format!("{what} by items"), &[mean], &case.outputs["loss"].data, 1e-6);
    }
}

#[test]
fn every_file_is_compared() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &str| {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    };
    // Kernels read some files without an operator around them.
    let mut source = [
        include_str!("golden.rs"),
        include_str!("hetero.rs"),
        include_str!("links.rs"),
        include_str!("poolers.rs"),
        include_str!("embedding.rs"),
    ]
    .concat();
    files("src/kernels").for_each(|path| source += &std::fs::read_to_string(path).unwrap());
    for path in files("tests/golden") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_none_or(|ending| ending != "json")
            || source.contains(&format!("{name:?}"))
            || name.starts_with("aggr_quantile")
            || name.starts_with("loss_")
        {
            continue;
        }
        let class = load(name).pyg;
        let has_all = |op: &dyn Operator| {
            op.family() == Family::Convolution || SELECTIONS.contains(&op.name()) || is_of_rows(op)
        };
        let is_of = |op: &&dyn Operator| has_all(*op) && op.pyg().class == class;
        assert!(CATALOGUE.iter().any(is_of), "no test reads {name}.json");
    }
    let (_, without) = include_str!("../golden/README.md").split_once("## Without a file").unwrap();
    let rows = without.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let names: Vec<&str> = rows.flat_map(|row| row.split(", ")).map(|name| name.trim_matches('`')).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let path = root.join("tests/golden").join(format!("{name}.json"));
        assert!(!path.exists(), "{name}.json is there, and so is its reason not to be");
    }
}
