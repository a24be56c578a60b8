//! Graph kernels and support vector machines: Gram matrices and decisions of other libraries (`tests/kernels`), laws, and whole runs.

use hgnn::check::check;
use hgnn::data::synthetic::{RandomGraphs, random_graphs, renumber};
use hgnn::data::{Dataset, DatasetParts, Features, Targets, Vocabulary};
use hgnn::gram::{self, Gram, Kernel, machine};
use hgnn::source::SourceMap;
use hgnn::types::{Entity, TargetKind, Task};
use serde::Deserialize;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The kernel of a text like `wl_kernel(3)`.
fn kernel(text: &str) -> Kernel {
    let mut sources = SourceMap::default();
    let main = sources.add("model.hgnn", format!("model = {text} -> svm(c = 1)"));
    let read = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let (program, _) = hgnn::syntax::load_program(&mut sources, main, &read);
    let outcome = check(&program, None);
    let model = outcome.model.unwrap_or_else(|| panic!("{text}: {:?}", outcome.diagnostics));
    let [kernel, _] = model.get().machine().expect("a kernel and a machine");
    Kernel::of(&model.get().graph[kernel]).expect("a kernel")
}

/// A graph: its nodes, its directed edges, and the labels of the nodes.
type Drawn = (u32, Vec<(u32, u32)>, Vec<u32>);

/// The data of some graphs, of alternating classes.
fn dataset(graphs: &[Drawn]) -> Dataset {
    let (mut node_offsets, mut edges, mut columns) = (vec![0u32], Vec::new(), Vec::new());
    for (n, of_graph, labels) in graphs {
        let first = *node_offsets.last().unwrap();
        edges.extend(of_graph.iter().map(|&(from, to)| (first + from, first + to)));
        columns.extend(labels);
        node_offsets.push(first + n);
    }
    let n_graphs = graphs.len();
    Dataset::new(DatasetParts {
        name: "FIXTURE".into(),
        task: Some(Task { entity: Entity::Graph, kind: TargetKind::Classification }),
        node_offsets,
        edges,
        edge_features: None,
        edge_kinds: None,
        features: Features::OneHot { columns: columns.into(), width: 3 },
        targets: Targets::Classes((0..n_graphs as i64).map(|graph| graph % 2).collect()),
        class_names: vec!["0".into(), "1".into()],
        fixed_split: None,
        graph_ids: (1..=n_graphs as u32).collect(),
        vocabulary: Vocabulary::default(),
    })
}

fn both(edges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    edges.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).collect()
}

fn alike(text: &str, data: &Dataset) -> Vec<Vec<f64>> {
    let graphs: Vec<u32> = (0..data.n_graphs() as u32).collect();
    gram::alike(&kernel(text), data, &graphs)
}

fn fixture<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernels").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[derive(Deserialize)]
struct Grams {
    graphs: Vec<FixtureGraph>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct FixtureGraph {
    n: u32,
    edges: Vec<(u32, u32)>,
    labels: Vec<u32>,
}

#[derive(Deserialize)]
struct Case {
    kernel: String,
    gram: Vec<Vec<f64>>,
}

#[test]
fn gram_matrices_are_those_of_other_libraries() {
    let Grams { graphs, cases } = fixture("grams.json");
    let graphs: Vec<_> =
        graphs.into_iter().map(|graph| (graph.n, both(&graph.edges), graph.labels)).collect();
    let data = dataset(&graphs);
    assert!(cases.len() > 10);
    for Case { kernel, gram } in cases {
        for (i, (row, expected)) in alike(&kernel, &data).iter().zip(&gram).enumerate() {
            for (j, (value, expected)) in row.iter().zip(expected).enumerate() {
                let is_close = (value - expected).abs() <= 1e-12 * expected.abs().max(1.0);
                assert!(is_close, "{kernel}: graphs {i} and {j}: {value} is not {expected}");
            }
        }
    }
}

#[derive(Deserialize)]
struct Machines {
    gram: Vec<Vec<f64>>,
    train: Vec<u32>,
    machines: Vec<Fitted>,
}

#[derive(Deserialize)]
struct Fitted {
    classes: Vec<i64>,
    c: f64,
    decisions: Vec<Vec<f64>>,
}

#[test]
fn machines_decide_as_those_of_libsvm() {
    let Machines { gram, train, machines } = fixture("machines.json");
    let n = gram.len();
    let grams = [Gram::new(n, gram.concat())];
    let items: Vec<u32> = (0..n as u32).collect();
    for Fitted { classes, c, decisions } in machines {
        let n_classes = *classes.iter().max().unwrap() as usize + 1;
        let task = machine::Task {
            grams: &grams,
            classes: &classes,
            n_classes,
            train: &train,
            cs: &[c],
            tolerance: 1e-10,
        };
        let trained = gram::train(&task, &[], |_| unreachable!("there is nothing to choose"));
        assert!(trained.is_optimal);
        let outputs = trained.outputs(&grams[0], &items);
        for (item, expected) in decisions.iter().enumerate() {
            let row = &outputs[item * n_classes..(item + 1) * n_classes];
            // Outputs of three classes are votes with the squeezed sum of the decisions.
            let wanted: Vec<f64> = if n_classes == 2 {
                vec![expected[0], -expected[0]]
            } else {
                let (mut votes, mut sums) = ([0.0; 3], [0.0; 3]);
                for ((a, b), decision) in [(0, 1), (0, 2), (1, 2)].into_iter().zip(expected) {
                    votes[if *decision > 0.0 { a } else { b }] += 1.0;
                    sums[a] += decision;
                    sums[b] -= decision;
                }
                (0..3)
                    .map(|class| votes[class] + sums[class] / (3.0 * (f64::abs(sums[class]) + 1.0)))
                    .collect()
            };
            for (value, wanted) in row.iter().zip(&wanted) {
                assert!(
                    (f64::from(*value) - wanted).abs() < 1e-5,
                    "c = {c}, item {item}: {row:?}, {wanted:?}"
                );
            }
        }
    }
}

const KERNELS: [&str; 9] = [
    "wl_kernel(h = [0, 1, 4])",
    "wl_kernel(2, labels = none, normalize = false)",
    "wl_oa(3)",
    "wl_oa(2, labels = degree)",
    "shortest_path",
    "shortest_path(labels = none, normalize = false)",
    "graphlet(3)",
    "graphlet(4, labels = degree)",
    "graphlet(5, labels = none)",
];

/// Graphs with edges in one direction, parallel ones, loops and nodes without any; some features are equal.
fn ragged() -> Dataset {
    let wanted = RandomGraphs { n_graphs: 9, directed: true, parallel: true, ..RandomGraphs::default() };
    let mut data = random_graphs(&wanted);
    let columns = (0..data.n_nodes() as u32).map(|node| node % 3).collect();
    data.features = Features::OneHot { columns, width: 3 };
    assert!(data.n_loops() > 0 && data.n_parallel_edges() > 0);
    data
}

#[test]
fn numbering_and_company_leave_kernels_equal_to_the_bit() {
    let data = ragged();
    let (renumbered, _) = renumber(&data, 5);
    for text in KERNELS {
        let whole = alike(text, &data);
        assert_eq!(alike(text, &renumbered), whole, "{text}");
        let (kernel, part) = (kernel(text), [6, 2, 3]);
        for (row, graph) in gram::alike(&kernel, &data, &part).iter().zip(part) {
            for (place, other) in part.into_iter().enumerate() {
                assert_eq!(row[place], whole[graph as usize][other as usize], "{text}");
            }
        }
        for (i, row) in whole.iter().enumerate() {
            assert!(row.iter().all(|value| value.is_finite() && *value >= 0.0), "{text}");
            assert!((0..whole.len()).all(|j| row[j] == whole[j][i]), "{text}: symmetric");
        }
    }
}

/// Two sets of the same rows, one-hot and written out.
#[test]
fn labels_do_not_depend_on_how_features_are_kept() {
    let data = ragged();
    let mut written = data.clone();
    let mut values = Vec::new();
    data.features.write_rows(0..data.n_nodes(), &mut values);
    written.features = Features::Dense { values: values.into(), width: 3 };
    assert_eq!(alike("wl_kernel(3)", &written), alike("wl_kernel(3)", &data));
}

#[test]
fn graphs_without_anything_to_count_are_like_none() {
    let data = dataset(&[
        (0, vec![], vec![]),
        (1, vec![], vec![0]),
        (3, vec![], vec![0, 0, 1]),
        (1, vec![(0, 0)], vec![0]),
        (3, both(&[(0, 1), (1, 2)]), vec![0, 0, 1]),
        // Parallel edges and loops.
        (3, both(&[(0, 1), (0, 1), (1, 2), (2, 2)]), vec![0, 0, 1]),
    ]);
    let squares = |text: &str| -> Vec<f64> {
        alike(text, &data).iter().enumerate().map(|(graph, row)| row[graph]).collect()
    };
    // No node; a node; nodes alone: labels are counted in every step.
    assert_eq!(squares("wl_kernel(1)"), [0.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!(squares("wl_kernel(1, normalize = false)")[..3], [0.0, 2.0, 10.0]);
    // Pairs that no way joins, and a node with itself, count nothing.
    assert_eq!(squares("shortest_path"), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    assert_eq!(squares("graphlet(3)"), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    let path = |text: &str| alike(text, &data)[4][5];
    // Distances and graphlets see an edge once; colours see parallel edges and loops.
    assert_eq!((path("shortest_path"), path("graphlet(3)")), (1.0, 1.0));
    assert!(path("wl_kernel(1)") < 1.0);
}

#[test]
fn paths_follow_the_direction_of_edges() {
    let one_way = vec![(0, 1), (1, 2)];
    let back = vec![(1, 0), (2, 1)];
    let data = dataset(&[
        (3, one_way, vec![0, 1, 2]),
        (3, back, vec![0, 1, 2]),
        (3, vec![(2, 1), (1, 0)], vec![2, 1, 0]),
    ]);
    let rows = alike("shortest_path(normalize = false)", &data);
    assert_eq!(rows[0], [3.0, 0.0, 3.0]);
}

/// Rings and stars, of which a kernel tells the class.
fn rings_and_stars() -> Vec<Drawn> {
    (0..24)
        .map(|graph| {
            let n = 5 + graph / 2 % 4;
            let edges: Vec<(u32, u32)> = match graph % 2 {
                0 => (0..n).map(|node| (node, (node + 1) % n)).collect(),
                _ => (1..n).map(|node| (0, node)).collect(),
            };
            (n, both(&edges), vec![0; n as usize])
        })
        .collect()
}

#[test]
fn a_machine_read_back_gives_the_same_bits() {
    let data = dataset(&rings_and_stars());
    let Targets::Classes(classes) = &data.targets else { unreachable!() };
    let (train, others): (Vec<u32>, Vec<u32>) = ((0..16).collect(), (16..24).collect());
    for text in KERNELS {
        let kernel = kernel(text);
        let graphs: Vec<u32> = (0..24).collect();
        let steps = kernel.counts(&data, &graphs, kernel.depth());
        let grams = gram::grams(&kernel, &steps);
        let task = machine::Task {
            grams: &grams,
            classes,
            n_classes: 2,
            train: &train,
            cs: &[0.1, 10.0],
            tolerance: 1e-3,
        };
        let trained = gram::train(&task, &others, |outputs| Some(f64::from(outputs[0])));
        let machine = trained.machine(&kernel, &steps);
        let tensors = machine.tensors().unwrap().into_iter().collect();
        let again = gram::Machine::of_tensors(&kernel, 2, &tensors).unwrap();
        assert_eq!(again, machine, "{text}");
        let outputs = trained.outputs(&grams[trained.gram], &graphs);
        assert_eq!(again.outputs(&kernel, &data, &graphs), outputs, "{text}");
        for name in tensors.keys() {
            let mut lacking = tensors.clone();
            lacking.remove(name);
            assert!(gram::Machine::of_tensors(&kernel, 2, &lacking).is_err(), "{text} without {name}");
        }
    }
}

#[test]
fn what_a_training_part_lacks_is_never_predicted() {
    let data = dataset(&rings_and_stars());
    let kernel = kernel("wl_kernel(1)");
    let graphs: Vec<u32> = (0..24).collect();
    let steps = kernel.counts(&data, &graphs, 1);
    let grams = gram::grams(&kernel, &steps);
    let predicted = |classes: &[i64], train: &[u32]| -> Vec<usize> {
        let task = machine::Task { grams: &grams, classes, n_classes: 3, train, cs: &[1.0], tolerance: 1e-3 };
        let outputs = gram::train(&task, &[], |_| None).outputs(&grams[0], &graphs);
        let best = |row: &[f32]| (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        outputs.chunks(3).map(best).collect()
    };
    // Class 1 alone; classes 0 and 2.
    assert!(predicted(&[1; 24], &[0, 1, 2]).iter().all(|&class| class == 1));
    let two: Vec<i64> = (0..24).map(|graph| graph % 2 * 2).collect();
    assert_eq!(predicted(&two, &graphs), two.iter().map(|&class| class as usize).collect::<Vec<_>>());
}

/// Writes graphs in the format of the TU sets.
fn write_tu(folder: &Path, graphs: &[Drawn]) {
    let set = folder.join("RINGS");
    fs::create_dir_all(&set).unwrap();
    let (mut edges, mut of_graph, mut labels, mut classes) =
        (String::new(), String::new(), String::new(), String::new());
    let mut first = 1;
    for (graph, (n, of_edges, of_labels)) in graphs.iter().enumerate() {
        of_edges.iter().for_each(|(from, to)| edges += &format!("{}, {}\n", first + from, first + to));
        of_labels.iter().for_each(|label| {
            of_graph += &format!("{}\n", graph + 1);
            labels += &format!("{label}\n");
        });
        classes += &format!("{}\n", graph % 2);
        first += n;
    }
    for (name, text) in
        [("A", edges), ("graph_indicator", of_graph), ("node_labels", labels), ("graph_labels", classes)]
    {
        fs::write(set.join(format!("RINGS_{name}.txt")), text).unwrap();
    }
}

#[track_caller]
fn hgnnc(folder: &Path, args: &[&str], code: i32) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    let output =
        command.current_dir(folder).env("HGNN_DATA", folder).env("HGNN_OFFLINE", "1").args(args).output();
    let output = output.expect("the command starts");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    (out, err)
}

const MODEL: &str = "data = tu(\"RINGS\", features = labels)
model = wl_kernel(h = [0, 1]) -> svm(c = [0.1, 10])
evaluate { protocol = k_fold(3, inner_holdout = 0.2) }
published { accuracy = 0.99, source = \"nobody\" }
";

#[test]
fn a_machine_is_trained_measured_and_used_to_predict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_tu(path, &rings_and_stars());
    fs::write(path.join("m.hgnn"), MODEL).unwrap();
    hgnnc(path, &["check", "m.hgnn", "--witness"], 0);
    hgnnc(path, &["lint", "m.hgnn", "--deny", "all"], 0);
    let (out, _) = hgnnc(path, &["estimate", "m.hgnn"], 0);
    assert!(out.contains("Parameters  none") && out.contains("2 matrices of 24 × 24"), "{out}");
    let (out, _) = hgnnc(path, &["show", "m.hgnn"], 0);
    assert!(
        out.contains("graph[2]") && out.contains("hinge loss, in `svm`") && !out.contains("adam"),
        "{out}"
    );
    assert!(out.contains("\nTotal: no parameters"), "{out}");
    hgnnc(path, &["show", "m.hgnn", "--program"], 0);
    for format in ["svg", "dot", "mermaid", "html"] {
        hgnnc(path, &["graph", "m.hgnn", "--as", format], 0);
    }
    let (out, err) = hgnnc(path, &["train", "m.hgnn", "--out", "run"], 0);
    for expected in [
        "accuracy",
        "published",
        "3 of 3 runs",
        "support vectors",
        "c = ",
        "h = 1 (3 runs)",
        "written to run",
    ] {
        assert!(out.contains(expected), "{expected} in\n{out}");
    }
    assert!(!out.contains("loss") && !out.contains("epoch") && !err.contains("epoch"), "{out}\n{err}");
    let summary: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path.join("run/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["units"][0]["test"]["accuracy"], 1.0);
    let (out, _) = hgnnc(path, &["eval", "run", "--format", "json"], 0);
    let scored: serde_json::Value = serde_json::from_str(&out).unwrap();
    for fold in 0..3 {
        for (part, name) in ["train", "validation", "test"].into_iter().enumerate() {
            assert_eq!(scored[fold]["parts"][part]["figures"], summary["units"][fold][name]);
        }
    }
    let (out, _) = hgnnc(path, &["predict", "run/fold-1"], 0);
    assert!(out.starts_with("graph,id,class,score_0,score_1\n"), "{out}");
    // Rings are class 0: the model knows them in other data too, alone.
    write_tu(path, &rings_and_stars()[..1]);
    let (out, _) = hgnnc(path, &["predict", "run/fold-1", "--format", "jsonl"], 0);
    let line: serde_json::Value = serde_json::from_str(out.trim()).unwrap();
    assert!(line["class"] == "0" && line["scores"]["0"].as_f64() > line["scores"]["1"].as_f64(), "{out}");
}

#[test]
fn what_a_machine_cannot_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_tu(path, &rings_and_stars());
    fs::write(path.join("m.hgnn"), MODEL).unwrap();
    for (args, expected) in [
        (vec!["train", "m.hgnn", "--epochs", "3"], "`--epochs` has no effect"),
        (vec!["estimate", "m.hgnn", "--batch-size", "3"], "`--batch-size` has no effect"),
    ] {
        let (_, err) = hgnnc(path, &args, 2);
        assert!(err.contains(expected), "{args:?}: {err}");
    }
    hgnnc(path, &["train", "m.hgnn", "--out", "run"], 0);
    let (_, err) = hgnnc(path, &["train", "m.hgnn", "--init-from", "run"], 2);
    assert!(err.contains("`--init-from` has no effect"), "{err}");
    for (text, code) in [
        ("model = wl_kernel -> svm\ntrain { epochs = 3 }", "args::no_effect"),
        ("model = wl_kernel -> svm\ntrain { optimizer = adam }", "args::no_effect"),
        ("model = wl_kernel -> svm\nloss = hinge", "args::no_effect"),
        (
            "model = wl_kernel -> svm\nevaluate { protocol = k_fold(5, inner_holdout = 0) }",
            "training::no_validation",
        ),
        ("data = tu(\"RINGS\", normalize = columns)\nmodel = wl_kernel -> svm", "args::no_effect"),
        ("model = wl_kernel(h = []) -> svm", "args::out_of_range"),
        ("model = wl_kernel(h = [1, 1]) -> svm", "args::duplicate"),
        ("model = wl_kernel -> svm(c = 0)", "args::out_of_range"),
        ("model = graphlet(6) -> svm", "args::out_of_range"),
        ("model = graphlet(k = [3, 4]) -> svm", "args::wrong_kind"),
        ("model = gcn(8) -> diffpool(k = 4) -> wl_oa -> svm", "levels::needs_nodes"),
        ("model = concat(wl_kernel, wl_oa) -> svm", "kernel::no_machine"),
    ] {
        fs::write(path.join("m.hgnn"), text).unwrap();
        let (out, _) = hgnnc(path, &["check", "m.hgnn", "--format", "json"], 1);
        assert!(out.contains(code), "{text}: {out}");
    }
    // One value each leaves nothing to choose, so no validation part is needed.
    fs::write(
        path.join("m.hgnn"),
        "model = wl_kernel(1) -> svm(1)\nevaluate { protocol = k_fold(5, inner_holdout = 0) }",
    )
    .unwrap();
    hgnnc(path, &["check", "m.hgnn"], 0);
    hgnnc(path, &["train", "m.hgnn", "--data", "RINGS", "--out", "one"], 0);
}
