//! Names of other libraries: each is answered in one message, and what the message says to write is accepted.

use crate::spec::diagnose;
use hgnn::diagnostic::Diagnostic;
use hgnn::elsewhere::{self, Here, Word};
use hgnn::types::TargetKind;
use std::collections::BTreeMap;
use std::fmt::Write;

fn check(text: &str) -> Vec<Diagnostic> {
    diagnose("model.hgnn", text, &BTreeMap::new(), None).1
}

fn shown(found: &[Diagnostic]) -> String {
    found
        .iter()
        .map(|finding| format!("\n    {}: {} ({:?})", finding.code, finding.message, finding.help))
        .collect()
}

/// Each text has one finding, whose fix is accepted without another.
fn one_message(texts: &[String]) {
    let mut report = String::new();
    for text in texts {
        let found = check(text);
        let [finding] = &found[..] else {
            let _ = writeln!(report, "{text}: {} findings{}", found.len(), shown(&found));
            continue;
        };
        let Some(fix) = &finding.fix else {
            let _ = writeln!(report, "{text}: nothing to apply{}", shown(&found));
            continue;
        };
        let mended = fix.apply(text);
        let after = check(&mended);
        if !after.is_empty() {
            let _ = writeln!(report, "{text}\n  → {mended}:{}", shown(&after));
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

fn names(list: &'static [Word]) -> impl Iterator<Item = (&'static str, &'static Word)> {
    list.iter().flat_map(|word| word.names.iter().map(move |name| (*name, word)))
}

/// A model in which a name can stand where it would in its own library, with its usual arguments.
fn around(name: &str, word: &Word) -> Option<Vec<String>> {
    let op = match word.here {
        Here::Is { op, .. } | Here::NotYet { nearest: op, .. } => op,
        Here::LeaveOut(_) => return None,
        Here::Write { .. } => return None,
    };
    let op = hgnn::ops::find(op)?;
    let stages: Vec<String> = match op.family() {
        hgnn::ops::Family::Convolution => [format!("{name}(16, 32)"), format!("{name}(32)"), name.to_owned()]
            .map(|conv| format!("{conv} -> relu -> mean -> mlp"))
            .into(),
        hgnn::ops::Family::Pooling => [format!("{name}(32, ratio = 0.5)"), name.to_owned()]
            .map(|pool| format!("gcn(32) -> relu -> {pool} -> gcn(32) -> relu -> mean -> mlp"))
            .into(),
        hgnn::ops::Family::Kernel if op.name() == "svm" => {
            vec![format!("wl_kernel -> {name}"), format!("wl_oa -> {name}(C = 10)")]
        }
        hgnn::ops::Family::Kernel => vec![format!("{name} -> svm")],
        hgnn::ops::Family::Readout if op.name() == "flatten" => {
            vec![format!("gcn(32) -> relu -> sort_pool(8) -> {name} -> mlp")]
        }
        hgnn::ops::Family::Readout if op.name() == "patchy_san" => {
            vec![format!("gcn(32) -> relu -> {name}(8, 4) -> flatten -> mlp")]
        }
        hgnn::ops::Family::Readout if op.name() == "sort_pool" => {
            vec![
                format!("gcn(32) -> relu -> {name}(k = 8) -> flatten -> mlp"),
                format!("gcn(32) -> relu -> {name} -> flatten -> mlp"),
            ]
        }
        hgnn::ops::Family::Readout if op.name() == "set2set" => {
            vec![
                format!("gcn(32) -> relu -> {name} -> mlp"),
                format!("gcn(32) -> relu -> {name}(32, 3) -> mlp"),
            ]
        }
        hgnn::ops::Family::Readout if op.name() == "mem_pool" => {
            vec![
                format!("gcn(32) -> relu -> {name} -> mean -> mlp"),
                format!("gcn(32) -> relu -> {name}(32, 16, heads = 2, num_clusters = 4) -> mean -> mlp"),
            ]
        }
        hgnn::ops::Family::Readout if op.name() == "multiset_transformer" => {
            vec![format!("gcn(32) -> relu -> {name}(32, 4, heads = 2) -> mlp")]
        }
        hgnn::ops::Family::Readout if op.name() == "quantile" => {
            vec![format!("gcn(32) -> relu -> {name}(0.25) -> mlp")]
        }
        hgnn::ops::Family::Readout if !op.args().is_empty() && !["var", "std"].contains(&op.name()) => {
            // A width that the task does not ask for has to be written.
            let call =
                if op.name() == "deep_sets" { format!("{name}(out_channels = 16)") } else { name.to_owned() };
            vec![format!("gcn(32) -> relu -> {call} -> mlp")]
        }
        hgnn::ops::Family::Readout => vec![
            format!("gcn(32) -> relu -> {name} -> mlp"),
            format!("gcn(32) -> relu -> {name}(x, batch) -> mlp"),
        ],
        _ if op.name() == "linear" => vec![
            format!("gcn(32) -> relu -> mean -> {name}(32, 2)"),
            format!("gcn(32) -> relu -> mean -> {name}"),
        ],
        _ if op.name() == "mlp" => vec![format!("gcn(32) -> relu -> mean -> {name}")],
        _ if op.name() == "dropout" => vec![
            format!("gcn(32) -> relu -> {name}(0.3) -> mean -> mlp"),
            format!("gcn(32) -> relu -> {name}(p = 0.3) -> mean -> mlp"),
        ],
        _ if ["conv1d", "max_pool1d"].contains(&op.name()) => {
            let call =
                if op.name() == "conv1d" { format!("{name}(32, 16, 3)") } else { format!("{name}(3)") };
            vec![format!("gcn(32) -> sort_pool(9) -> {call} -> flatten -> mlp")]
        }
        _ if op.name() == "diff_group_norm" => vec![format!("gcn(32) -> {name}(32, 4) -> mean -> mlp")],
        _ if op.name() == "wl" => vec![format!("{name} -> sum -> mlp")],
        _ if op.name() == "identity" => return None,
        _ => vec![format!("gcn(32) -> {name} -> mean -> mlp"), format!("gcn(32) -> {name}() -> mean -> mlp")],
    };
    Some(stages)
}

#[test]
fn every_stage_of_the_list_is_answered_in_one_message() {
    let texts: Vec<String> =
        names(elsewhere::STAGES).filter_map(|(name, word)| around(name, word)).flatten().collect();
    assert!(texts.len() > 400, "{}", texts.len());
    one_message(&texts);
}

#[test]
fn every_loss_and_every_setting_of_training_is_answered_in_one_message() {
    let mut texts = Vec::new();
    let losses = |word: &Word| match word.here {
        Here::Is { op, .. } | Here::NotYet { nearest: op, .. } => op,
        _ => "",
    };
    for (name, word) in names(elsewhere::LOSSES) {
        texts.push(match losses(word) {
            "mse" => {
                format!("task = graph_regression\nmodel = gcn(32) -> relu -> mean -> mlp\nloss = {name}")
            }
            "mae" | "huber" | "smooth_l1" => {
                format!("task = graph_regression\nmodel = gcn(32) -> relu -> mean -> mlp\nloss = {name}")
            }
            "cross_entropy" | "bce" | "hinge" | "focal" => {
                format!("model = gcn(32) -> relu -> mean -> mlp\nloss = {name}()")
            }
            "dgi" | "skip_gram" => {
                format!("task = node_embedding\nmodel = gcn(32) -> relu\nloss = {name}()")
            }
            "infograph" | "graphcl" => {
                format!("task = graph_embedding\nmodel = gin(32) -> relu -> sum\nloss = {name}()")
            }
            "prior" => format!(
                "task = link_prediction\nmodel = gcn(32) -> relu as h -> gcn(16) -> variational(log_deviation = h -> gcn(16)) \
                 -> inner_product\nloss = bce + {name}"
            ),
            loss => {
                let pooling = hgnn::ops::find_loss(loss).unwrap().reported_by()[0];
                format!(
                    "model = gcn(32) -> relu -> {pooling}(k = 8) -> mean -> mlp\nloss = cross_entropy + {name}"
                )
            }
        });
    }
    for (key, list) in [
        ("optimizer", elsewhere::OPTIMIZERS),
        ("schedule", elsewhere::SCHEDULES),
        ("early_stop", elsewhere::STOPS),
    ] {
        texts.extend(
            names(list)
                .map(|(name, _)| format!("model = gcn(32) -> mean -> mlp\ntrain {{ {key} = {name} }}")),
        );
    }
    texts.extend(names(elsewhere::OPTIMIZERS).map(|(name, _)| {
        format!("model = gcn(32) -> mean -> mlp\ntrain {{ optimizer = {name}(learning_rate = 0.01) }}")
    }));
    // The parts of a name that are the language's own are no other library's.
    texts.retain(|text| !check(text).is_empty());
    assert!(texts.len() > 120, "{}", texts.len());
    let is_about_data = |text: &String| text.contains("public") || text.contains("standard");
    texts.retain(|text| !is_about_data(text));
    one_message(&texts);
}

/// A model of a task on links.
const LINKS: &str = "gcn(32) -> relu -> gcn(16) -> inner_product";

#[test]
fn every_task_and_metric_is_answered_in_one_message() {
    let mut texts = Vec::new();
    for (name, word) in names(elsewhere::TASKS) {
        let (Here::Is { op, .. } | Here::NotYet { nearest: op, .. }) = word.here else { continue };
        let model = match op {
            op if op.starts_with("node") => "gcn(32) -> relu -> gcn",
            "link_prediction" => LINKS,
            _ => "gcn(32) -> mean -> mlp",
        };
        texts.push(format!("model = {model}\ntask = {name}"));
    }
    for (name, word) in names(elsewhere::METRICS) {
        let (Here::Is { op, .. } | Here::NotYet { nearest: op, .. }) = word.here else { continue };
        let of_graphs = "gcn(32) -> mean -> mlp";
        let kind = hgnn::settings::metric::find(op).map(hgnn::settings::metric::Metric::applies_to);
        let (task, model) = match kind {
            Some(TargetKind::Regression) => ("task = graph_regression\n", of_graphs),
            Some(TargetKind::MultiLabel) => ("task = graph_multilabel_classification\n", of_graphs),
            Some(TargetKind::Links) => ("task = link_prediction\n", LINKS),
            _ => ("", of_graphs),
        };
        texts.push(format!("{task}model = {model}\nevaluate {{ metrics = [{name}] }}"));
        texts.push(format!("{task}model = {model}\npublished {{ {name} = 0.5 }}"));
    }
    texts.retain(|text| !check(text).is_empty());
    one_message(&texts);
}

/// What is written and what one message says to write in its place.
const LINES: &[(&str, &str)] = &[
    (
        "GCNConv(16, 64) -> ReLU -> GCNConv(64, 64) -> ReLU -> global_mean_pool -> Linear(64, 2)",
        "gcn(64) -> relu -> gcn(64) -> relu -> mean -> linear(2)",
    ),
    (
        "SAGEConv(in_channels = 3, out_channels = 64, aggr = max) -> ReLU -> Dropout(p = 0.5) -> global_add_pool -> Linear",
        "sage(64, aggregate = max) -> relu -> dropout(0.5) -> sum -> linear",
    ),
    ("GraphConv(64) -> relu -> mean -> mlp", "graph_conv(64) -> relu -> mean -> mlp"),
    ("APPNP(K=10, alpha=0.1) -> mean -> mlp", "appnp(hops = 10, alpha = 0.1) -> mean -> mlp"),
    ("gcn(64) -> GlobalAttention(gate_nn = mlp(1)) -> mlp", "gcn(64) -> attentional(gate = mlp(1)) -> mlp"),
    ("gcn(64) -> SoftmaxAggregation(learn = True) -> mlp", "gcn(64) -> softmax_sum(learn_t = true) -> mlp"),
    ("gcn(64) -> Hardtanh(min_val = 0.0) -> mean -> mlp", "gcn(64) -> hardtanh(0) -> mean -> mlp"),
    (
        "gcn(64) -> DiffGroupNorm(64, 4, lamda = 0.1) -> mean -> mlp",
        "gcn(64) -> diff_group_norm(4, lambda = 0.1) -> mean -> mlp",
    ),
    ("appnp(K = 10) -> mean -> mlp", "appnp(hops = 10) -> mean -> mlp"),
    ("gated_graph(64, num_layers = 3) -> mean -> mlp", "gated_graph(64, steps = 3) -> mean -> mlp"),
    ("cluster_gcn(64, diag_lambda = 0.5) -> mean -> mlp", "cluster_gcn(64, diagonal = 0.5) -> mean -> mlp"),
    ("GatedGraphConv(64, num_layers=3) -> mean -> mlp", "gated_graph(64, steps = 3) -> mean -> mlp"),
    (
        "GINConv(Sequential(Linear(3, 64), ReLU(), Linear(64, 32)), train_eps = True) -> relu -> sum -> mlp",
        "gin(32, hidden = 64, train_eps = true) -> relu -> sum -> mlp",
    ),
    // Networks and layers as arguments.
    (
        "GPSConv(64, GINEConv(Sequential(Linear(64, 32), ReLU(), Linear(32, 64))), heads = 4) -> mean -> mlp",
        "gps(gine(64, edge = edges, hidden = 32), heads = 4) -> mean -> mlp",
    ),
    ("gcn(64) -> GPSConv(64, None, heads = 4) -> mean -> mlp", "gcn(64) -> gps(heads = 4) -> mean -> mlp"),
    (
        "PointNetConv(Sequential(Linear(6, 32), ReLU(), Linear(32, 64)), MLP([64, 48, 16])) -> relu -> max -> mlp",
        "point(16, local = [32, 64], hidden = [48]) -> relu -> max -> mlp",
    ),
    ("PointNetConv(global_nn = Linear(6, 32)) -> relu -> max -> mlp", "point(32) -> relu -> max -> mlp"),
    (
        "EdgeConv(MLP([6, 64, 64, 32]), aggr = \"max\") -> relu -> max -> mlp",
        "edge_conv(32, hidden = 64, layers = 3, aggregate = max) -> relu -> max -> mlp",
    ),
    (
        "DynamicEdgeConv(Linear(6, 32), 4) -> relu -> max -> mlp",
        "dynamic_edge(32, 4, layers = 1) -> relu -> max -> mlp",
    ),
    (
        "NNConv(8, 64, Sequential(Linear(4, 25), ReLU(), Linear(25, 512))) -> relu -> mean -> mlp",
        "nn_conv(64, edge = edges, hidden = 25) -> relu -> mean -> mlp",
    ),
    ("gcn(64) -> relu -> mean -> MLP([64, 32, 2])", "gcn(64) -> relu -> mean -> mlp(2, hidden = [32])"),
    (
        "gcn(64) -> SAGPooling(64, ratio = 0.5, GNN = GATConv) -> mean -> mlp",
        "gcn(64) -> sag(ratio = 0.5, score = gat) -> mean -> mlp",
    ),
    (
        "AntiSymmetricConv(16, phi = GCNConv(16, 16)) -> mean -> mlp",
        "antisymmetric(phi = gcn) -> mean -> mlp",
    ),
    (
        "gcn(64) -> AttentionalAggregation(Linear(64, 1), Sequential(Linear(64, 32), ReLU())) -> mlp",
        "gcn(64) -> attentional(gate = linear(1), value = linear(32) -> relu) -> mlp",
    ),
    (
        "GATConv(16, 8, heads = 4, dropout = 0.6) -> elu -> mean -> mlp",
        "gat(8, heads = 4, dropout = 0.6) -> elu -> mean -> mlp",
    ),
    ("gcn(in_channels = 3, out_channels = 64) -> relu -> mean -> mlp", "gcn(64) -> relu -> mean -> mlp"),
    ("gcn(64, num_layers = 3) -> mean -> mlp", "repeat(3, gcn(64) -> relu) -> mean -> mlp"),
    (
        "gcn(hidden_channels = 64, num_layers = 3, act = \"relu\", dropout = 0.2) -> mean -> mlp",
        "repeat(3, gcn(64) -> relu -> dropout(0.2)) -> mean -> mlp",
    ),
    ("gcn(64, num_layers = 1) -> mean -> mlp", "gcn(64) -> relu -> mean -> mlp"),
    ("gcn(64, activation = relu) -> mean -> mlp", "gcn(64) -> relu -> mean -> mlp"),
    (
        "gcn(64, activation = \"elu\", batch_norm = true) -> mean -> mlp",
        "gcn(64) -> batch_norm -> elu -> mean -> mlp",
    ),
    ("GCN(16, 64, 3) -> mean -> mlp", "repeat(3, gcn(64) -> relu) -> mean -> mlp"),
    ("gcn(64) -> relu -> mean -> Dense(units = 2)", "gcn(64) -> relu -> mean -> linear(2)"),
    (
        "gcn(64) -> relu -> mean -> Dense(32, activation = relu) -> linear",
        "gcn(64) -> relu -> mean -> linear(32) -> relu -> linear",
    ),
    ("gcn(64) -> relu -> mean -> mlp(hidden_channels = 32)", "gcn(64) -> relu -> mean -> mlp(hidden = [32])"),
    ("gcn(64) -> relu -> mean -> linear -> logits", "gcn(64) -> relu -> mean -> linear"),
    ("gcn(64) -> relu -> mean -> linear -> softmax(dim = 1)", "gcn(64) -> relu -> mean -> linear"),
    (
        "gcn(64) -> relu -> TopKPooling(64, ratio = 0.8) -> gcn(64) -> relu -> mean -> mlp",
        "gcn(64) -> relu -> topk(ratio = 0.8) -> gcn(64) -> relu -> mean -> mlp",
    ),
    (
        "gcn(64) -> relu -> dense_diff_pool -> gcn(64) -> relu -> mean -> mlp",
        "gcn(64) -> relu -> diffpool(ratio = 0.25) -> gcn(64) -> relu -> mean -> mlp",
    ),
    (
        "gcn(64) -> relu -> SAGPooling(64, ratio = 0.5) -> mean -> mlp",
        "gcn(64) -> relu -> sag(ratio = 0.5) -> mean -> mlp",
    ),
    ("GINEConv(64, edge_dim = 4) -> relu -> mean -> mlp", "gine(64, edge = edges) -> relu -> mean -> mlp"),
    ("NNConv(8, 64) -> relu -> mean -> mlp", "nn_conv(64, edge = edges) -> relu -> mean -> mlp"),
    (
        "RGCNConv(8, 64, num_relations = 3, num_bases = 2) -> relu -> mean -> mlp",
        "rgcn(64, relation = edge_labels, bases = 2) -> relu -> mean -> mlp",
    ),
    ("gcn(8) -> Set2Set(8, processing_steps = 4) -> mlp", "gcn(8) -> set2set(4) -> mlp"),
    (
        "Sequential(GCNConv(3, 16), ReLU(), global_mean_pool, Linear(16, 2))",
        "gcn(16) -> relu -> mean -> linear(2)",
    ),
    (
        "repeat(num_layers = 3, pipeline = gcn(16) -> relu) -> mean -> mlp",
        "repeat(n = 3, pipeline = gcn(16) -> relu) -> mean -> mlp",
    ),
    (
        "gat(16, num_heads = 4, edge_dim = 3) -> elu -> mean -> mlp",
        "gat(16, heads = 4, edge = edges) -> elu -> mean -> mlp",
    ),
    ("sage(64, aggregate = add) -> relu -> mean -> mlp", "sage(64, aggregate = sum) -> relu -> mean -> mlp"),
    ("nn.Linear(8) -> relu -> mean -> mlp", "linear(8) -> relu -> mean -> mlp"),
    ("gcn(64) -> F.relu -> mean -> mlp", "gcn(64) -> relu -> mean -> mlp"),
    ("gcn(64) -> torch.nn.ReLU -> mean -> mlp", "gcn(64) -> relu -> mean -> mlp"),
    (
        "gcn(64) -> mean -> mlp\ntrain { early_stop = patience(20, monitor = val_acc) }",
        "gcn(64) -> mean -> mlp\ntrain { early_stop = patience(20, monitor = val_accuracy) }",
    ),
    (
        "model = gcn(64) -> mean -> mlp\nloss = BCEWithLogitsLoss",
        "model = gcn(64) -> mean -> mlp\nloss = bce",
    ),
    (
        "model = gcn(64) -> mean -> mlp\nloss = CrossEntropyLoss()",
        "model = gcn(64) -> mean -> mlp\nloss = cross_entropy",
    ),
    (
        "model = gcn(64) -> mean -> mlp\nloss = NLLLoss",
        "model = gcn(64) -> mean -> mlp\nloss = cross_entropy",
    ),
    (
        "model = gcn(64) -> mean -> mlp\ntrain { lr = 0.01 }",
        "model = gcn(64) -> mean -> mlp\ntrain { optimizer = adam(lr = 0.01) }",
    ),
    (
        "model = gcn(64) -> mean -> mlp\ntrain { lr = 0.01, epochs = 3, weight_decay = 5e-4 }",
        "model = gcn(64) -> mean -> mlp\ntrain { optimizer = adam(lr = 0.01, weight_decay = 5e-4), epochs = 3 }",
    ),
    (
        "model = gcn(64) -> mean -> mlp\ntrain { optimizer = sgd, lr = 0.1, momentum = 0.9 }",
        "model = gcn(64) -> mean -> mlp\ntrain { optimizer = sgd(lr = 0.1, momentum = 0.9) }",
    ),
    (
        "model = gcn(64) -> mean -> mlp\ntrain { max_epoch = 20 }",
        "model = gcn(64) -> mean -> mlp\ntrain { epochs = 20 }",
    ),
    (
        "model = gcn(64) -> mean -> mlp\ntrain { patience = 20 }",
        "model = gcn(64) -> mean -> mlp\ntrain { early_stop = patience(20) }",
    ),
    (
        "model = gcn(64) -> mean -> mlp\ntrain { num_workers = 4, epochs = 2 }",
        "model = gcn(64) -> mean -> mlp\ntrain { epochs = 2 }",
    ),
    ("model = gcn(64) -> mean -> mlp\nepochs = 20", "model = gcn(64) -> mean -> mlp\ntrain { epochs = 20 }"),
    (
        "model = gcn(64) -> mean -> mlp\nlr = 0.01",
        "model = gcn(64) -> mean -> mlp\ntrain { optimizer = adam(lr = 0.01) }",
    ),
    (
        "model = gcn(64) -> mean -> mlp\nmetrics = [acc]",
        "model = gcn(64) -> mean -> mlp\nevaluate { metrics = [accuracy] }",
    ),
    (
        "model = gcn(64) -> mean -> mlp\ndataset = \"PROTEINS\"",
        "model = gcn(64) -> mean -> mlp\ndata = tu(\"PROTEINS\")",
    ),
    (
        "model = gcn(64) -> mean -> mlp\ndata = TUDataset(root = \"/tmp\", name = \"PROTEINS\")",
        "model = gcn(64) -> mean -> mlp\ndata = tu(\"PROTEINS\")",
    ),
    (
        "model = gcn(64) -> mean -> mlp\ncriterion = CrossEntropyLoss()",
        "model = gcn(64) -> mean -> mlp\nloss = cross_entropy",
    ),
    (
        "model = gcn(64) -> mean -> mlp\ntrain { schedule = StepLR(step_size = 50, gamma = 0.5) }",
        "model = gcn(64) -> mean -> mlp\ntrain { schedule = step(50, factor = 0.5) }",
    ),
    (
        "model = gcn(64) -> mean -> mlp\ntrain { early_stop = EarlyStopping(patience = 10) }",
        "model = gcn(64) -> mean -> mlp\ntrain { early_stop = patience(10) }",
    ),
    (
        "model = gcn(64) -> mean -> mlp\ntrain { optimizer = adam(learning_rate = 0.01) }",
        "model = gcn(64) -> mean -> mlp\ntrain { optimizer = adam(lr = 0.01) }",
    ),
];

#[test]
fn what_is_written_elsewhere_has_a_line_here() {
    let mut report = String::new();
    for (text, right) in LINES {
        let found = check(text);
        let mended = found.first().and_then(|finding| finding.fix.as_deref()).map(|fix| fix.apply(text));
        if found.len() != 1 || mended.as_deref() != Some(*right) {
            let _ = writeln!(
                report,
                "{text}\n  → {}\n  in place of {right}{}",
                mended.unwrap_or_default(),
                shown(&found)
            );
        } else if !check(right).is_empty() {
            let _ = writeln!(report, "{right}: {}", shown(&check(right)));
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn a_section_of_graphgym_becomes_a_model() {
    for (text, line) in [
        (
            "gnn { layers_pre_mp = 1, layers_mp = 3, layers_post_mp = 2, dim_inner = 64, layer_type = gcnconv, stage_type = skipsum, act = relu, batchnorm = true }",
            "model = linear(64) -> relu -> repeat(3, residual(gcn(64) -> batch_norm -> relu)) -> mean -> mlp",
        ),
        (
            "optim { optimizer = adam, base_lr = 0.01, max_epoch = 100, weight_decay = 5e-4 }",
            "train { optimizer = adam(lr = 0.01, weight_decay = 5e-4), epochs = 100 }",
        ),
        ("dataset { name = TU_ENZYMES, task = graph }", "data = tu(\"ENZYMES\")"),
    ] {
        let model = if line.starts_with("model") { "" } else { "model = gcn(8) -> mean -> mlp\n" };
        let found = check(&format!("{model}{text}"));
        let found: Vec<_> = found.iter().filter(|finding| finding.code != "names::no_model").collect();
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert_eq!(found[0].help.as_deref(), Some(&*format!("write `{line}`")), "{text}");
        let after = check(&format!("{model}{line}"));
        assert!(after.is_empty(), "{line}: {after:#?}");
    }
}

#[test]
fn a_name_that_the_field_knows_is_no_slip_of_the_keyboard() {
    for (text, word) in [
        ("xenet_conv(64) -> relu -> mean -> mlp", "no operator reads edge features in its way"),
        ("concat(edge_features -> mean, mean) -> mlp", "`edges` here"),
        ("gcn(64) -> relu -> set_transformer_encoder -> mlp", "has no counterpart here yet"),
    ] {
        let found = check(text);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].message.contains(word), "{}", found[0].message);
    }
}

#[test]
fn many_names_of_another_library_are_one_message_of_bounded_size() {
    let text = format!("{} -> mean -> mlp", vec!["GCNConv(64) -> ReLU"; 20_000].join(" -> "));
    let found = check(&text);
    assert_eq!(found.len(), 1, "{}", found.len());
    assert!(
        found[0].labels.len() <= 12 && found[0].help.as_ref().is_some_and(|help| help.len() < 400),
        "{:?}",
        found[0].help
    );
    let mended = found[0].fix.as_deref().map(|fix| fix.apply(&text)).unwrap_or_default();
    assert!(check(&mended).is_empty());
}

#[test]
fn a_line_of_a_configuration_file_is_answered_with_its_place_here() {
    for (text, help) in [
        ("gnn:\n  layers_mp: 2\n", "write the model as a pipeline"),
        ("optim:\n  base_lr: 0.01\n", "write `train { … }`"),
        ("base_lr: 0.01\nmodel = gcn(8) -> mean -> mlp\n", "write `train { optimizer = adam(lr = …) }`"),
        ("gnn.layers_mp = 2\nmodel = gcn(8) -> mean -> mlp\n", "as in `repeat(3, gcn(64) -> relu)`"),
        ("model = gcn(dataset.num_features, 8) -> mean -> mlp\n", "are inferred"),
    ] {
        let found = check(text);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(
            found[0].help.as_ref().is_some_and(|said| said.contains(help)),
            "{text}: {:?}",
            found[0].help
        );
    }
}

/// Transforms of the data that make features, in a list of features or as PyTorch Geometric has them.
#[test]
fn features_of_other_libraries_are_answered_with_ours() {
    let model = "model = gcn(8) -> mean -> mlp";
    let texts = names(elsewhere::FEATURES).filter_map(|(name, word)| {
        let Here::Is { op, .. } = word.here else { return None };
        let given = if ["laplacian", "random_walk", "distances"].contains(&op) { "(4)" } else { "" };
        Some(format!("data = tu(\"X\", features = [degree(raw), {name}{given}])\n{model}"))
    });
    let mut texts: Vec<String> = texts.collect();
    for transform in
        ["AddLaplacianEigenvectorPE(k = 4)", "AddRandomWalkPE(walk_length = 16)", "LocalDegreeProfile()"]
    {
        texts.push(format!("data = tu(\"X\", transform = {transform})\n{model}"));
        texts.push(format!("data = TUDataset(name = \"X\", pre_transform = {transform})\n{model}"));
    }
    one_message(&texts);
    let found = check(&format!("data = tu(\"X\", transform = AddRandomWalkPE(walk_length = 16))\n{model}"));
    assert!(found[0].help.as_ref().unwrap().contains("features = [random_walk(16)]"), "{}", shown(&found));
}
