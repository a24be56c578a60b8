//! Convolutions that are written in the language beside the built-in ones: the same values and gradients.

use super::Aggregate;
use crate::data::Dataset;
use crate::data::synthetic::{RandomGraphs, random_graphs};
use crate::lower::testing::{compile, graphs};
use crate::lower::{ForwardCx, Network};
use crate::syntax::lex::{Kind, Token};
use candle_core::{DType, Device, Tensor};

/// The convolutions of `tests/spec/15_convolutions.md` that have a built-in twin.
const GCN: &str = "conv mine(out) {
    self_loops = true
    message    = linear(out, x_j, bias = false, init = glorot) * rsqrt(degree_i) * rsqrt(degree_j)
    aggregate  = sum
    update     = aggregated + weight(out, init = zeros)
}";
const SAGE: &str = "conv mine(out, how = mean) {
    message   = x_j
    aggregate = how
    update    = linear(out, aggregated, x_i)
}";
const GIN: &str = "conv mine(out, hidden = out, eps = 0.0) {
    message   = x_j
    aggregate = sum
    update    = linear(out, relu(linear(hidden, (1 + eps) * x_i + aggregated)))
}";
const GAT: &str = "conv mine(out, n = 4, slope = 0.2) {
    self_loops = true
    h          = heads(linear(n * out, x, bias = false, init = glorot), n)
    message    = softmax(leaky_relu(dot(h_j, weight(n, out)) + dot(h_i, weight(n, out)), slope)) * h_j
    aggregate  = sum
    update     = flat(aggregated) + weight(n * out, init = zeros)
}";
const GATV2: &str = "conv mine(out, n = 4, slope = 0.2) {
    self_loops = true
    source     = linear(n * out, x, init = glorot)
    target     = linear(n * out, x, init = glorot)
    message    = softmax(dot(leaky_relu(heads(source_j + target_i, n), slope), weight(n, out))) * heads(source_j, n)
    aggregate  = sum
    update     = flat(aggregated) + weight(n * out, init = zeros)
}";

const GINE: &str = "conv mine(out, hidden = out, eps = 0.0) {
    message   = relu(x_j + linear(width(x_j), e_ij))
    aggregate = sum
    update    = linear(out, relu(linear(hidden, (1 + eps) * x_i + aggregated)))
}";
const MPNN: &str = "conv mine(out, hidden = 7, how = sum) {
    message   = matvec(linear(width(x_j) * out, relu(linear(hidden, e_ij))), x_j)
    aggregate = how
    update    = aggregated + linear(out, x_i, bias = false) + weight(out, init = zeros)
}";

const EDGE_GAT: &str = "conv mine(out, n = 4, slope = 0.2) {
    self_loops = true
    h          = heads(linear(n * out, x, bias = false, init = glorot), n)
    message    = softmax(leaky_relu(
        dot(h_j, weight(n, out)) + dot(h_i, weight(n, out))
            + dot(heads(linear(n * out, e_ij, bias = false, init = glorot), n), weight(n, out)),
        slope,
    )) * h_j
    aggregate  = sum
    update     = flat(aggregated) + weight(n * out, init = zeros)
}";
const EDGE_GATV2: &str = "conv mine(out, n = 4, slope = 0.2) {
    self_loops = true
    source     = linear(n * out, x, init = glorot)
    target     = linear(n * out, x, init = glorot)
    message    = softmax(dot(
        leaky_relu(heads(source_j + target_i + linear(n * out, e_ij, bias = false, init = glorot), n), slope),
        weight(n, out),
    )) * heads(source_j, n)
    aggregate  = sum
    update     = flat(aggregated) + weight(n * out, init = zeros)
}";

struct Twin {
    definition: &'static str,
    /// Both calls, with all they need beside the width.
    calls: [&'static str; 2],
    /// Names of the weights behind the operator's, built-in and defined.
    weights: &'static [(&'static str, &'static str)],
}

const TWINS: &[Twin] = &[
    Twin {
        definition: GCN,
        calls: ["gcn(6)", "mine(6)"],
        weights: &[("weight", "message.linear1.weight"), ("bias", "update.weight1")],
    },
    Twin {
        definition: SAGE,
        calls: ["sage(6)", "mine(6)"],
        weights: &[("weight", "update.linear1.weight"), ("bias", "update.linear1.bias")],
    },
    Twin {
        definition: SAGE,
        calls: ["sage(6, aggregate = sum)", "mine(6, how = sum)"],
        weights: &[("weight", "update.linear1.weight"), ("bias", "update.linear1.bias")],
    },
    Twin {
        definition: SAGE,
        calls: ["sage(6, aggregate = max)", "mine(6, max)"],
        weights: &[("weight", "update.linear1.weight"), ("bias", "update.linear1.bias")],
    },
    Twin {
        definition: GIN,
        calls: ["gin(6, hidden = 5, eps = 0.3)", "mine(6, 5, 0.3)"],
        weights: &[
            ("weight_0", "update.linear2.weight"),
            ("bias_0", "update.linear2.bias"),
            ("weight_1", "update.linear1.weight"),
            ("bias_1", "update.linear1.bias"),
        ],
    },
    Twin {
        definition: GAT,
        calls: ["gat(3, heads = 4)", "mine(3)"],
        weights: &[
            ("weight", "node1.linear1.weight"),
            ("attention_source", "message.weight1"),
            ("attention_target", "message.weight2"),
            ("bias", "update.weight1"),
        ],
    },
    Twin {
        definition: GATV2,
        calls: ["gatv2(3, heads = 4)", "mine(3)"],
        weights: &[
            ("source", "node1.linear1.weight"),
            ("source_bias", "node1.linear1.bias"),
            ("target", "node2.linear1.weight"),
            ("target_bias", "node2.linear1.bias"),
            ("attention", "message.weight1"),
            ("bias", "update.weight1"),
        ],
    },
];

/// Those that read the values of the edges.
const TWINS_ON_EDGES: &[Twin] = &[
    Twin {
        definition: GINE,
        calls: ["gine(6, edge = edges)", "mine(6, edge = edges)"],
        weights: &[
            ("edge_weight", "message.linear1.weight"),
            ("edge_bias", "message.linear1.bias"),
            ("weight_0", "update.linear2.weight"),
            ("bias_0", "update.linear2.bias"),
            ("weight_1", "update.linear1.weight"),
            ("bias_1", "update.linear1.bias"),
        ],
    },
    Twin {
        definition: MPNN,
        calls: [
            "nn_conv(6, hidden = 7, layers = 2, aggregate = mean, edge = edges)",
            "mine(6, how = mean, edge = edges)",
        ],
        weights: &[
            ("edge_weight_0", "message.linear2.weight"),
            ("edge_bias_0", "message.linear2.bias"),
            ("edge_weight_1", "message.linear1.weight"),
            ("edge_bias_1", "message.linear1.bias"),
            ("root", "update.linear1.weight"),
            ("bias", "update.weight1"),
        ],
    },
];

/// Those whose added loops have the mean of a node's edges as their value.
const ATTENTION_ON_EDGES: &[Twin] = &[
    Twin {
        definition: EDGE_GAT,
        calls: ["gat(3, heads = 4, edge = edges)", "mine(3, edge = edges)"],
        weights: &[
            ("weight", "node1.linear1.weight"),
            ("attention_source", "message.weight1"),
            ("attention_target", "message.weight2"),
            ("edge_weight", "message.linear1.weight"),
            ("attention_edge", "message.weight3"),
            ("bias", "update.weight1"),
        ],
    },
    Twin {
        definition: EDGE_GATV2,
        calls: ["gatv2(3, heads = 4, edge = edges)", "mine(3, edge = edges)"],
        weights: &[
            ("source", "node1.linear1.weight"),
            ("source_bias", "node1.linear1.bias"),
            ("target", "node2.linear1.weight"),
            ("target_bias", "node2.linear1.bias"),
            ("edge_weight", "message.linear1.weight"),
            ("attention", "message.weight1"),
            ("bias", "update.weight1"),
        ],
    },
];

fn network(text: &str, data: &Dataset) -> Network {
    let facts = data.facts();
    Network::build(&compile(text, Some(&facts)), &facts, DType::F64, &Device::Cpu, 3).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The result on all graphs, and the gradient of each trained weight by its name.
fn step(network: &Network, data: &Dataset) -> (Vec<f64>, Vec<(String, Vec<f64>)>) {
    let all: Vec<u32> = (0..data.facts().n_graphs as u32).collect();
    let batch = data.batch(&all, DType::F64, &Device::Cpu).unwrap();
    let targets = data.target_tensor(&all, DType::F64, &Device::Cpu).unwrap().unwrap();
    let values = numbers(&network.forward(&batch, &mut ForwardCx::evaluation()).unwrap().x);
    let mut cx = network.training_cx(7);
    let output = network.forward(&batch, &mut cx).unwrap();
    let gradients = network.loss(&output, &targets, &cx, None).unwrap().backward().unwrap();
    let of = network.parameters().trained().map(|parameter| {
        let gradient = gradients.get(&parameter.var).unwrap_or_else(|| panic!("{}", parameter.name));
        (parameter.name.clone(), numbers(gradient))
    });
    (values, of.collect())
}

#[track_caller]
fn assert_same(name: &str, ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len(), "{name}");
    let size = theirs.iter().fold(1e-3f64, |most, value| most.max(value.abs()));
    let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst <= 1e-10 * size, "{name}: off by {worst:e} of {size:e}");
}

/// Both models with the weights of the built-in one; the stage stands at the place `stage`.
fn compare(twin: &Twin, before: &str, after: &str, stage: usize, data: &Dataset) {
    let [theirs, ours] = twin.calls;
    let built_in = network(&format!("model = {before} -> {theirs} -> {after}"), data);
    let defined = network(&format!("{}\nmodel = {before} -> {ours} -> {after}", twin.definition), data);
    let operator = theirs.split('(').next().unwrap();
    let renamed = |name: &str| -> String {
        match name.strip_prefix(&format!("{stage}.{operator}.")) {
            Some(weight) => {
                let (_, own) = twin.weights.iter().find(|(known, _)| *known == weight).expect(weight);
                format!("{stage}.conv.{own}")
            }
            None => name.to_owned(),
        }
    };
    assert_eq!(built_in.parameters().iter().count(), defined.parameters().iter().count());
    for parameter in built_in.parameters().iter() {
        let name = renamed(&parameter.name);
        let own = defined.parameters().get(&name).unwrap_or_else(|| panic!("no `{name}`"));
        own.var.set(parameter.var.as_tensor()).unwrap();
    }
    let (values, gradients) = step(&built_in, data);
    let (own_values, own_gradients) = step(&defined, data);
    assert_same(ours, &own_values, &values);
    for (name, gradient) in &gradients {
        let (_, own) = own_gradients.iter().find(|(own, _)| *own == renamed(name)).unwrap();
        assert_same(name, own, gradient);
    }
}

#[test]
fn convolutions_in_the_language_compute_what_the_built_in_ones_do() {
    let directed =
        random_graphs(&RandomGraphs { n_graphs: 5, min_nodes: 1, directed: true, ..Default::default() });
    for data in [graphs(), directed] {
        for twin in TWINS {
            compare(twin, "linear(5)", "tanh -> mean -> linear", 2, &data);
        }
    }
}

#[test]
fn also_with_the_values_of_edges() {
    let data = random_graphs(&RandomGraphs {
        n_graphs: 5,
        min_nodes: 1,
        parallel: true,
        n_edge_features: 3,
        ..Default::default()
    });
    for twin in TWINS_ON_EDGES.iter().chain(ATTENTION_ON_EDGES) {
        compare(twin, "linear(5)", "tanh -> mean -> linear", 3, &data);
    }
}

#[test]
fn also_with_several_aggregates_and_scalers() {
    let data = graphs();
    let model = |stage: &str| format!("model = linear(5) -> {stage} -> tanh -> mean -> linear");
    let built_in = network(&model("pna(6)"), &data);
    let get = |name: &str| built_in.parameters().get(&format!("2.pna.{name}")).unwrap().var.clone();
    let delta = numbers(get("mean_log_degree").as_tensor())[0];
    let text = format!(
        "conv mine(out, delta) {{
            message   = linear(width(x_i), x_i, x_j)
            aggregate = [mean, min, max, std]
            update    = linear(out, linear(
                out,
                x_i,
                aggregated,
                aggregated * (log(degree_i + 1) / delta),
                aggregated * (delta / log(max(degree_i, 1) + 1)),
            ))
        }}\n{}",
        model(&format!("mine(6, {delta:?})"))
    );
    let defined = network(&text, &data);
    let weights = [
        ("pre_weight_0", "message.linear1.weight"),
        ("pre_bias_0", "message.linear1.bias"),
        ("post_weight_0", "update.linear2.weight"),
        ("post_bias_0", "update.linear2.bias"),
        ("weight", "update.linear1.weight"),
        ("bias", "update.linear1.bias"),
    ];
    let own_name = |name: &str| match name.strip_prefix("2.pna.") {
        Some(weight) => {
            let (_, own) = weights.iter().find(|(known, _)| *known == weight).expect(weight);
            format!("2.conv.{own}")
        }
        None => name.to_owned(),
    };
    for parameter in built_in.parameters().trained() {
        let own = defined.parameters().get(&own_name(&parameter.name)).unwrap();
        // The built-in one has an axis for its towers, of which there is one.
        own.var.set(&parameter.var.as_tensor().reshape(own.var.shape()).unwrap()).unwrap();
    }
    let (values, gradients) = step(&built_in, &data);
    let (own_values, own_gradients) = step(&defined, &data);
    assert_same("pna", &own_values, &values);
    for (name, gradient) in &gradients {
        let (_, own) = own_gradients.iter().find(|(own, _)| *own == own_name(name)).unwrap();
        assert_same(name, own, gradient);
    }
}

#[test]
fn also_on_clusters() {
    // There `sage` refuses the maximum of neighbours, and PyG has no second version of attention to agree with.
    let is_there = |call: &str| !call.contains("max") && !call.starts_with("gatv2");
    for twin in TWINS.iter().filter(|twin| is_there(twin.calls[0])) {
        compare(twin, "diffpool(k = 3, assign = linear)", "tanh -> mean -> linear", 3, &graphs());
    }
}

/// The same model written in two ways, with the weights of the first: `ours` names a weight of the second, and `turned`
/// brings it into the shape that it has there.
fn compare_texts(
    texts: [&str; 2],
    data: &Dataset,
    ours: impl Fn(&str) -> String,
    turned: impl Fn(&str, &Tensor) -> Tensor,
) {
    let [first, second] = texts.map(|text| network(text, data));
    for parameter in first.parameters().trained() {
        let name = ours(&parameter.name);
        let own = second.parameters().get(&name).unwrap_or_else(|| panic!("no `{name}`"));
        own.var.set(&turned(&parameter.name, parameter.var.as_tensor())).unwrap();
    }
    assert_eq!(first.parameters().trained().count(), second.parameters().trained().count());
    let ((values, gradients), (own_values, own_gradients)) = (step(&first, data), step(&second, data));
    assert_same(texts[1], &own_values, &values);
    for (name, gradient) in &gradients {
        let (_, own) = own_gradients.iter().find(|(own, _)| *own == ours(name)).unwrap();
        let shape = first.parameters().get(name).unwrap().var.shape().clone();
        let gradient = Tensor::from_vec(gradient.clone(), shape, &Device::Cpu).unwrap();
        assert_same(name, own, &numbers(&turned(name, &gradient)));
    }
}

#[test]
fn towers_are_linear_maps_of_heads() {
    let data = graphs();
    let update = "linear(out, flat(linear(out / n, own, aggregated, aggregated * (log(degree_i + 1) / delta), \
                  aggregated * (delta / log(max(degree_i, 1) + 1)))))";
    let divided = (
        "pna(6, towers = 3, divide_input = true)",
        "linear(width(x_i) / n, heads(x_i, n), heads(x_j, n))",
        update.replace("own", "heads(x_i, n)"),
    );
    let whole =
        ("pna(6, towers = 3)", "heads(linear(n * width(x_i), x_i, x_j), n)", update.replace("own", "x_i"));
    for (call, message, update) in [divided, whole] {
        let model = |stage: &str| format!("model = linear(6) -> {stage} -> tanh -> mean -> linear");
        let theirs = model(call);
        let built_in = network(&theirs, &data);
        let delta = built_in.parameters().get("2.pna.mean_log_degree").unwrap();
        let delta = numbers(delta.var.as_tensor())[0];
        let text = format!(
            "conv mine(out, n, delta) {{
                message = {message}, aggregate = [mean, min, max, std]
                update = {update}
            }}\n{}",
            model(&format!("mine(6, 3, {delta:?})"))
        );
        let of_towers = message.contains("heads(x_i, n)");
        let ours = |name: &str| {
            let weights = [
                ("pre_weight_0", "message.linear1.weight"),
                ("pre_bias_0", "message.linear1.bias"),
                ("post_weight_0", "update.linear2.weight"),
                ("post_bias_0", "update.linear2.bias"),
                ("weight", "update.linear1.weight"),
                ("bias", "update.linear1.bias"),
            ];
            let Some(weight) = name.strip_prefix("2.pna.") else { return name.to_owned() };
            let own = weights.iter().find(|(known, _)| *known == weight).expect(weight).1;
            format!("2.conv.{own}")
        };
        let turned = |name: &str, tensor: &Tensor| match name {
            // One matrix for all towers has them side by side.
            "2.pna.pre_weight_0" if !of_towers => {
                let (_, rows, _) = tensor.dims3().unwrap();
                tensor.permute((1, 0, 2)).unwrap().reshape((rows, ())).unwrap()
            }
            "2.pna.pre_bias_0" if !of_towers => tensor.flatten_all().unwrap(),
            _ => tensor.clone(),
        };
        compare_texts([&theirs, &text], &data, ours, turned);
    }
}

#[test]
fn an_mlp_is_linear_maps_with_a_function_between_them() {
    let data =
        random_graphs(&RandomGraphs { n_graphs: 4, min_nodes: 1, n_edge_features: 3, ..Default::default() });
    let text = |message: &str, update: &str| {
        format!(
            "conv mine(out, act = tanh) {{
                self_loops = true
                message = {message}, aggregate = mean
                update = {update}
            }}\nmodel = linear(4) -> mine(6, elu, edge = edges) -> tanh -> mean -> linear"
        )
    };
    let long = text(
        "linear(out, act(linear(3, act(linear(2 * out, x_i, x_j, e_ij)))))",
        "linear(out, relu(linear(2 * out, aggregated, x_i)))",
    );
    // Six features come in twice, which is how wide the hidden layer is where nothing says so.
    let short = text(
        "mlp(out, x_i, x_j, e_ij, hidden = [2 * out, 3], activation = act)",
        "mlp(out, concat(aggregated, linear(out, x_i)))",
    );
    let long = long.replace("aggregated, x_i", "aggregated, linear(out, x_i)");
    let ours = |name: &str| {
        let Some(weight) = name.strip_prefix("3.conv.") else { return name.to_owned() };
        let (map, kind) = weight.rsplit_once('.').unwrap();
        let own = match map {
            "message.linear1" => "message.mlp1.layer2",
            "message.linear2" => "message.mlp1.layer1",
            "message.linear3" => "message.mlp1.layer0",
            "update.linear1" => "update.mlp1.layer1",
            "update.linear2" => "update.mlp1.layer0",
            _ => "update.linear1",
        };
        format!("3.conv.{own}.{kind}")
    };
    compare_texts([&long, &short], &data, ours, |_, tensor| tensor.clone());
}

/// The two sides of a formula, of which a test says that they are one.
fn values_of(text: &str, data: &Dataset) -> Vec<f64> {
    step(&network(text, data), data).0
}

#[test]
fn aggregates_are_what_their_names_say() {
    let data = graphs();
    let with = |aggregate: &str, update: &str| {
        let text = format!(
            "conv mine {{ message = tanh(x_j), aggregate = {aggregate}, update = {update} }}\nmodel = mine -> mean -> linear"
        );
        values_of(&text, &data)
    };
    for &aggregate in Aggregate::NAMES {
        let alone = with(aggregate, "aggregated + 0 * x_i");
        assert!(alone.iter().any(|value| value.abs() > 1e-6), "{aggregate}");
    }
    assert_same("sum and mean", &with("mean", "aggregated * max(degree_i, 1)"), &with("sum", "aggregated"));
    // The product of e^tanh is e to the sum, and 1 for a node without neighbours.
    let product = "conv mine { message = exp(tanh(x_j)), aggregate = mul }\nmodel = mine -> mean -> linear";
    assert_same("product and sum", &values_of(product, &data), &with("sum", "exp(aggregated)"));
    let smallest = with("min", "aggregated");
    let negated = "conv mine { message = -tanh(x_j), aggregate = max, update = -aggregated }\nmodel = mine -> mean -> linear";
    assert_same("min and max", &values_of(negated, &data), &smallest);
}

#[test]
fn a_product_over_clusters_is_one_over_the_pairs_that_are_joined() {
    // A graph without edges has none.
    let data = random_graphs(&RandomGraphs { n_graphs: 6, min_nodes: 1, ..Default::default() });
    let values = |conv: &str| {
        values_of(
            &format!(
                "{conv}\nmodel = linear(5) -> diffpool(k = 3, assign = linear) -> mine -> mean -> linear"
            ),
            &data,
        )
    };
    let product = values("conv mine { message = exp(tanh(x_j)), aggregate = mul }");
    // Equal weights of three pairs, which a softmax does not weigh again.
    let sum = values(
        "conv mine { message = softmax(0 * dot(x_j, x_j)) * tanh(x_j), aggregate = sum, update = exp(3 * aggregated) }",
    );
    assert_same("product and sum", &product, &sum);
}

#[test]
fn towers_products_and_mlps_run_on_clusters_with_finite_gradients() {
    let text = "conv mine(out, n = 2) {
            self_loops = true
            message    = linear(out, heads(x_i, n), heads(mlp(n * 3, x_j), n), degree_j)
            aggregate  = [mul, max]
            update     = mlp(out, flat(aggregated), x_i, hidden = [])
        }
        model = linear(4) -> diffpool(k = 3, assign = mine) -> mine(4) -> diffpool(k = 2, assign = mine)
            -> mine(2, n = 4) -> mean -> linear";
    let data = graphs();
    let (values, gradients) = step(&network(text, &data), &data);
    assert!(values.iter().all(|value| value.is_finite()));
    for (name, gradient) in gradients {
        assert!(gradient.iter().all(|value| value.is_finite()), "{name}");
    }
}

#[test]
fn every_part_of_the_language_runs_with_finite_gradients() {
    let data = random_graphs(&RandomGraphs {
        n_graphs: 4,
        min_nodes: 1,
        parallel: true,
        n_edge_features: 3,
        ..Default::default()
    });
    let text = "conv all(out, hidden = 2 * out, slope = 0.2, act = elu, how = max, loops = true) {
        self_loops = loops
        h          = linear(2 * out, x) * log(degree + 2)
        g          = h + square(h)
        message    = softmax(leaky_relu(dot(
            heads(h_i, 2) - heads(linear(2 * out, x_j, e_ij, bias = false), 2), weight(2, out, init = ones),
        ), slope)) * heads(matvec(linear(width(x_j) * 2 * out, e_ij), x_j), 2) / (1 + degree_j) * rsqrt(degree_i)
            + heads(gelu(g_j), 2)
        aggregate  = [how, std, mean, min, var, sum]
        update     = dropout(linear(out, act(linear(hidden, flat(aggregated), init = glorot)), -x_i), 0.5)
            + max(mean_heads(heads(linear(4, x_i), 4)), -(slope + 1) * log(degree_i + 2))
            - min(sqrt(abs(dot(x_i, x_i)) + 1), 1.5) + exp(-softplus(dot(x_i, x_i))) + sigmoid(g_i - g_i) * 0
    }
    model = linear(4) -> all(1, edge = edges) -> relu -> all(1, act = relu, loops = false, edge = edges -> linear(2))
        -> mean -> linear";
    let text = text.replace("sigmoid(g_i - g_i) * 0", "dot(sigmoid(g_i), g_i) * 0.01");
    let (values, gradients) = step(&network(&text, &data), &data);
    assert!(values.iter().all(|value| value.is_finite()));
    for (name, gradient) in gradients {
        assert!(gradient.iter().all(|value| value.is_finite()), "{name}");
    }
}

/// Whether a token is a number, or a name that is neither called nor set.
fn is_value(tokens: &[Token], idx: usize) -> bool {
    let after = tokens.get(idx + 1).map(|token| token.kind);
    let is_alone = !matches!(after, Some(Kind::Open(_) | Kind::Equals));
    matches!(tokens[idx].kind, Kind::Name | Kind::Number) && is_alone
}

/// A body with some of its words replaced by others.
fn mutated(text: &str, seed: u64) -> String {
    const POOL: &[&str] = &[
        "x_i",
        "x_j",
        "e_ij",
        "degree_i",
        "degree_j",
        "aggregated",
        "x",
        "degree",
        "h",
        "h_i",
        "h_j",
        "out",
        "slope",
        "2",
        "0",
        "1",
        "-1",
        "0.5",
        "mean",
        "[mean, std]",
        "max",
        "relu",
        "relu(x_j)",
        "linear(out, x_j)",
        "linear(3, h_i)",
        "softmax(x_j)",
        "heads(x_j, 2)",
        "flat(h_j)",
        "weight(out)",
        "weight(2, out)",
        "linear(out, weight(2, out))",
        "width(x_j)",
        "true",
        "+",
        "*",
        "concat(x_i, x_j)",
        "dot(x_i, x_j)",
        "matvec(x_i, x_j)",
        "mean_heads(h_i)",
        "dropout(x_j, 0.5)",
        "mlp(out, x_j)",
        "linear(out, heads(x_j, 2))",
        "[]",
        "mul",
        "(",
        ")",
        ",",
    ];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % n
    };
    let (head, body) = text.split_once('{').unwrap();
    let (body, tail) = body.rsplit_once('}').unwrap();
    let lexed = crate::syntax::lex::lex(body);
    let mut words: Vec<String> = Vec::new();
    let mut at = 0;
    for token in &lexed.tokens {
        words.push(body[at..token.start].to_owned());
        words.push(body[token.start..token.end].to_owned());
        at = token.end;
    }
    for _ in 0..1 + next(2) {
        // Mostly a value, which more often leaves something that can be read.
        let place = match next(8) {
            0 => next(lexed.tokens.len()),
            _ => (0..20)
                .map(|_| next(lexed.tokens.len()))
                .find(|&idx| is_value(&lexed.tokens, idx))
                .unwrap_or(0),
        };
        words[1 + 2 * place] = POOL[next(POOL.len())].to_owned();
    }
    format!("{head}{{{}{}}}{tail}", words.concat(), &body[at..])
}

#[test]
fn whatever_a_body_says_it_is_refused_or_runs() {
    let bodies = [
        "conv mine(out, slope = 0.2) {
            self_loops = true
            h          = heads(linear(2 * out, x, bias = false), 2)
            message    = softmax(leaky_relu(dot(h_j, weight(2, out)) + dot(h_i, weight(2, out)), slope)) * h_j
            aggregate  = sum
            update     = flat(aggregated) + weight(2 * out, init = zeros)
        }\nmodel = ",
        "conv mine(out, slope = 0.2) {
            h         = linear(out, x) * log(degree + 2)
            message   = matvec(linear(width(x_j) * out, e_ij), x_j) + h_i * slope / max(degree_j, 1)
            aggregate = [mean, std]
            update    = relu(linear(out, aggregated, x_i)) - abs(h_i)
        }\nmodel = ",
        "conv mine(out, act = elu) {
            h         = heads(mlp(2 * out, x), 2)
            message   = mlp(out, h_i, h_j, x_j, e_ij, hidden = [3, out], activation = act, dropout = 0.1)
            aggregate = [mul, max]
            update    = linear(out, flat(linear(2 * out, x_i, aggregated)), x_i)
        }\nmodel = ",
    ];
    let calls = [
        "mine(4) -> mean -> linear",
        "mine(4, edge = edges) -> mean -> linear",
        "linear(4) -> mine(2, edge = edges -> linear(8)) -> mine(3, edge = edges) -> mean -> linear",
    ];
    let data =
        random_graphs(&RandomGraphs { n_graphs: 3, min_nodes: 1, n_edge_features: 2, ..Default::default() });
    let facts = data.facts();
    let mut n_accepted = 0;
    for seed in 0..500u64 {
        let body = mutated(bodies[seed as usize % bodies.len()], seed);
        for call in calls {
            let text = format!("{body}{call}");
            // Without data, widths are symbols, and the cost of a stage is asked for all the same.
            for facts in [None, Some(&facts)] {
                let outcome = crate::ops::testing::parsed(&text, facts);
                for finding in outcome.iter().flat_map(|outcome| &outcome.diagnostics) {
                    for label in &finding.labels {
                        let (start, end) = (label.span.start as usize, label.span.end as usize);
                        assert!(
                            label.span.file.0 == 0 && text.get(start..end).is_some(),
                            "{text}\n{finding:?}"
                        );
                    }
                }
                let Some(model) = outcome.and_then(|outcome| outcome.model) else { continue };
                let canonical = crate::ir::Canonical::of(model.get()).to_string();
                let back = crate::ir::Canonical::parse(&canonical)
                    .unwrap_or_else(|error| panic!("{error}\n{text}\n{canonical}"));
                assert_eq!(back.to_string(), canonical, "{text}");
                for (idx, node) in model.get().nodes() {
                    let inputs: Vec<_> =
                        model.get().inputs(idx).iter().map(|&input| &model.get().graph[input].ty).collect();
                    let _ = node.op.weights(&crate::ops::FactCx {
                        args: &node.args,
                        inputs: &inputs,
                        output: &node.ty,
                    });
                }
                if let Some(facts) = facts {
                    n_accepted += 1;
                    let network = Network::build(&model, facts, DType::F64, &Device::Cpu, 3);
                    step(&network.unwrap_or_else(|error| panic!("{error}\n{text}")), &data);
                }
            }
        }
    }
    assert!(n_accepted > 40, "{n_accepted}");
}
