use super::*;
use crate::data::{self, DataOptions};
use std::io::Write;
use tempfile::TempDir;

/// Five nodes on a path, of two classes and one without, with sparse words and a split.
const NODES: [(&str, &str); 8] = [
    ("edge.csv", "0,1\n1,2\n2,3\n3,4\n"),
    ("node-label.csv", "7\n7\n-1\n3\n3\n"),
    ("node-feat-sparse.csv", "0,2,1\n0,5,0.5\n3,0,2\n"),
    ("meta.json", r#"{"num_nodes": 5, "num_features": 8}"#),
    ("split/public/train.csv", "0\n3\n"),
    ("split/public/valid.csv", "1\n"),
    ("split/public/test.csv", "4\n"),
    ("node_year.csv", "1990\n1991\n1992\n1993\n1994\n"),
];

/// Two graphs, a path of three nodes and a pair, with a value each.
const GRAPHS: [(&str, &str); 9] = [
    ("raw/edge.csv", "0,1\n1,2\n0,1\n"),
    ("raw/num-node-list.csv", "3\n2\n"),
    ("raw/num-edge-list.csv", "2\n1\n"),
    ("raw/node-feat.csv", "1,0\n2,0\n3,0\n4,1\n5,1\n"),
    ("raw/edge-feat.csv", "0.5\n1.5\n2.5\n"),
    ("raw/graph-label.csv", "-0.5\n2\n"),
    ("split/scaffold/train.csv", "0\n"),
    ("split/scaffold/valid.csv", ""),
    ("split/scaffold/test.csv", "1\n"),
];

/// The files with some replaced or added, or left out where the replacement is `-`.
fn folder(files: &[(&str, &str)], changes: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let is_new = |(file, _): &&(&str, &str)| files.iter().all(|(known, _)| known != file);
    for (file, text) in files.iter().chain(changes.iter().filter(is_new)) {
        let changed = changes.iter().find(|(changed, _)| changed == file);
        let text = changed.map_or(*text, |(_, text)| text);
        if text == "-" {
            continue;
        }
        let path = folder.path().join("SET").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn load_as(source: &str, folder: &Path, args: &[(&str, ArgValue)]) -> Result<Dataset, DataError> {
    let name = ("name", ArgValue::Text("SET".into()));
    let call = data::call(source, &[std::slice::from_ref(&name), args].concat());
    data::load(&call, &DataOptions::folder(folder))
}

/// The code and the words of what is wrong with a set.
fn wrong(
    source: &str,
    files: &[(&str, &str)],
    changes: &[(&str, &str)],
    args: &[(&str, ArgValue)],
) -> (String, String) {
    let folder = folder(files, changes);
    let error = load_as(source, folder.path(), args).expect_err("it is wrong");
    let place = folder.path().join("SET").display().to_string();
    assert!(error.help.is_some(), "{error}");
    (error.code.to_owned(), error.to_string().replace(&format!("{place}/"), "").replace(&place, "SET"))
}

#[test]
fn nodes_of_one_graph_have_classes_words_and_a_split() {
    let folder = folder(&NODES, &[]);
    for source in ["nodeprop", "ogb"] {
        let set = load_as(source, folder.path(), &[]).unwrap();
        assert_eq!((set.name.as_str(), set.n_graphs(), set.n_nodes(), set.n_edges()), ("SET", 1, 5, 8));
        assert!(set.is_symmetric() && set.edits.added_reverses == 4);
        assert_eq!(set.targets, Targets::Classes(vec![1, 1, -1, 0, 0]));
        assert_eq!(set.class_names, ["3", "7"]);
        let Features::Sparse(rows) = &set.features else { panic!("sparse") };
        assert_eq!(
            (rows.width, &rows.columns[..], &rows.values[..]),
            (8, &[2, 5, 0][..], &[1.0, 0.5, 2.0][..])
        );
        let split = Split { train: vec![0, 3], validation: vec![1], test: vec![4] };
        assert_eq!((set.fixed_split.as_ref(), set.unread.len()), (Some(&split), 1));
        assert_eq!(set.unread[0].what, "node year");
    }
    let directed = load_as("ogb", folder.path(), &[("undirected", ArgValue::Bool(false))]).unwrap();
    assert_eq!(directed.n_one_way_edges(), 4);
    let rows = load_as("ogb", folder.path(), &[("normalize", ArgValue::Choice("rows"))]).unwrap();
    let mut written = Vec::new();
    rows.features.write_rows(0..1, &mut written);
    assert_eq!(written, [0.0, 0.0, (1.0 / 1.5) as f32, 0.0, 0.0, (0.5 / 1.5) as f32, 0.0, 0.0]);
}

#[test]
fn graphs_have_nodes_and_edges_of_their_own() {
    let folder = folder(&GRAPHS, &[]);
    let set = load_as("ogb", folder.path(), &[]).unwrap();
    assert_eq!((set.n_graphs(), set.node_offsets.as_slice(), set.n_edges()), (2, &[0, 3, 5][..], 6));
    assert_eq!(set.targets, Targets::Values { values: vec![-0.5, 2.0], n_values: 1 });
    // Several columns of 0 and 1 are labels, as `ogbg-molpcba` has them; some are unknown.
    let of_labels = self::folder(&GRAPHS, &[("raw/graph-label.csv", "0,,1\n1,-1,0\n")]);
    let labels = load_as("ogb", of_labels.path(), &[]).unwrap();
    let Targets::Values { values, n_values: 3 } = &labels.targets else { panic!("{:?}", labels.targets) };
    let seen: Vec<String> = values.iter().map(f32::to_string).collect();
    assert_eq!(seen, ["0", "NaN", "1", "1", "NaN", "0"]);
    assert_eq!(labels.task.map(Task::name), Some("graph_multilabel_classification"));
    assert_eq!(labels.class_names, ["1", "2", "3"]);
    assert_eq!(set.adjacency.row(4), [3]);
    let edge_features = set.edge_features.as_ref().unwrap();
    let mut rows = Vec::new();
    edge_features.write_rows(0..6, &mut rows);
    // Into 0, 1, 1, 2, 3, 4: the reverse of an edge has its values.
    assert_eq!(rows, [0.5, 0.5, 1.5, 1.5, 2.5, 2.5]);
    assert_eq!(set.fixed_split.as_ref().unwrap().test, [1]);
    let bare = load_as("ogb", folder.path(), &[("edge_features", ArgValue::Choice("none"))]).unwrap();
    assert_eq!((bare.n_edge_features(), bare.unread[0].setting), (0, Some("edge_features = auto")));
    assert_eq!(wrong("nodeprop", &GRAPHS, &[], &[]).0, "data::unsupported_set");
}

#[test]
fn packed_tables_are_read_alike() {
    let plain = folder(&NODES, &[]);
    let expected = load_as("ogb", plain.path(), &[]).unwrap();
    let packed = tempfile::tempdir().unwrap();
    for (file, text) in NODES {
        let path = packed.path().join("dataset/set").join(format!("{file}.gz"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut out =
            flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap();
    }
    assert_eq!(load_as("ogb", packed.path(), &[]).unwrap().fingerprint, expected.fingerprint);
    // Half of a packed file.
    let path = packed.path().join("dataset/set/edge.csv.gz");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(load_as("ogb", packed.path(), &[]).unwrap_err().code, "data::corrupt_archive");
}

#[test]
fn classes_have_the_names_of_the_mapping() {
    let mapping = ("mapping/labelidx2word.csv", "label idx,name\n3,cold\n7,\"warm, or hot\"\n");
    let folder = folder(&NODES, &[mapping]);
    assert_eq!(load_as("nodeprop", folder.path(), &[]).unwrap().class_names, ["cold", "warm, or hot"]);
}

#[test]
fn of_several_splits_one_is_chosen() {
    let other =
        [("split/other/train.csv", "0\n"), ("split/other/valid.csv", ""), ("split/other/test.csv", "3\n")];
    let folder = folder(&NODES, &other);
    let split = |name: &str| [("split", ArgValue::Text(name.into()))];
    assert_eq!(load_as("nodeprop", folder.path(), &split("other")).unwrap().fixed_split.unwrap().test, [3]);
    let (code, text) = wrong("nodeprop", &NODES, &other, &[]);
    assert_eq!(
        (code.as_str(), text.as_str()),
        ("data::ambiguous", "split: holds 2 splits: `other` and `public`")
    );
    let (code, text) = wrong("nodeprop", &NODES, &[], &split("private"));
    assert_eq!(
        (code.as_str(), text.as_str()),
        ("data::wrong_split", "split: there is no split `private`: the set has `public`")
    );
}

#[test]
fn mistakes_name_file_line_and_cause() {
    for (changes, code, text) in [
        (
            ("edge.csv", "0,1\n1,5\n"),
            "data::out_of_range",
            "edge.csv:2: names node 5, but the graph has 5 nodes",
        ),
        (
            ("edge.csv", "0,1\n1,-2\n"),
            "data::not_a_number",
            "edge.csv:2: expected two numbers of nodes, `source,target`, but found `-2`",
        ),
        (
            ("node-label.csv", "7\n7\n"),
            "data::count",
            "node-label.csv: has 2 lines, but meta.json states 5 nodes",
        ),
        (
            ("node-label.csv", "7\n7\n1\nx\n3\n"),
            "data::not_a_number",
            "node-label.csv:4: column 1: expected a label (a number), but found `x`",
        ),
        (
            ("node-label.csv", "7\n7,1\n1\n2\n3\n"),
            "data::ragged",
            "node-label.csv:2: has 2 values, but the lines before have 1",
        ),
        (
            ("node-feat-sparse.csv", "0,2,1\n0,1,1\n"),
            "data::graph_order",
            "node-feat-sparse.csv:2: feature 1 of node 0 does not stand behind the entry before",
        ),
        (
            ("node-feat-sparse.csv", "0,8,1\n"),
            "data::out_of_range",
            "node-feat-sparse.csv:1: names feature 8, but meta.json states 8",
        ),
        (
            ("node-feat-sparse.csv", "0,1,nan\n"),
            "data::not_finite",
            "node-feat-sparse.csv:1: expected a node, a feature and its value, but `nan` is not finite",
        ),
        (
            ("split/public/test.csv", "0\n"),
            "data::wrong_split",
            "split/public/test.csv:1: names node 0, which is in a part already",
        ),
        (
            ("split/public/test.csv", "2\n"),
            "data::wrong_split",
            "split/public/test.csv:1: names node 2, which has no label",
        ),
        (
            ("split/public/test.csv", "9\n"),
            "data::out_of_range",
            "split/public/test.csv:1: names node 9, but there are 5 nodes",
        ),
        (
            ("split/public/test.csv", "-"),
            "data::missing_part",
            "split/public: `test.csv` is missing: it names the items to test on",
        ),
        (
            ("meta.json", "{"),
            "data::not_a_number",
            "meta.json:1: is no JSON: EOF while parsing an object at line 1 column 1",
        ),
    ] {
        let (found, message) = wrong("nodeprop", &NODES, &[changes], &[]);
        assert_eq!((found.as_str(), message.as_str()), (code, text), "{changes:?}");
    }
    for (changes, code, text) in [
        (
            ("raw/num-edge-list.csv", "2\n2\n"),
            "data::count",
            "raw/edge.csv: has 3 lines, but num-edge-list.csv states 4 edges",
        ),
        (
            ("raw/num-edge-list.csv", "-"),
            "data::missing_part",
            "raw: `num-edge-list.csv` is missing: it says which edges are of which graph",
        ),
        (
            ("raw/num-node-list.csv", "3\n0\n"),
            "data::empty_graph",
            "raw/num-node-list.csv:2: graph 1 has no nodes",
        ),
        (
            ("raw/graph-label.csv", "1\n\n0.5,1\n"),
            "data::ragged",
            "raw/graph-label.csv:2: has 2 values, but the lines before have 1",
        ),
        (
            ("raw/graph-label.csv", "0.5,\n1,2\n"),
            "data::unsupported_set",
            "raw/graph-label.csv:1: column 2: there is no value to predict",
        ),
        (
            ("raw/graph-label.csv", "0,\n1,3\n"),
            "data::not_a_label",
            "raw/graph-label.csv:2: column 2: 3 is neither 1 nor 0",
        ),
    ] {
        let (found, message) = wrong("ogb", &GRAPHS, &[changes], &[]);
        assert_eq!((found.as_str(), message.as_str()), (code, text), "{changes:?}");
    }
}

#[test]
fn a_name_that_is_not_here_is_distinguished_from_one_that_is_none() {
    let folder = folder(&NODES, &[]);
    let error = |name: &str| {
        let call = data::call("ogb", &[("name", ArgValue::Text(name.into()))]);
        data::load(&call, &DataOptions::folder(folder.path())).unwrap_err()
    };
    assert_eq!(error("ogbn-arxiv").code, "data::not_here");
    let unknown = error("SETT");
    assert_eq!(unknown.code, "data::unknown_set");
    assert!(unknown.help.unwrap().contains("did you mean `SET`?"));
    assert_eq!(error("./nowhere").code, "data::missing");
}

#[test]
fn the_published_sets_are_those_of_the_literature() {
    let Some(folder) = data::real_data("nodeprop") else { return };
    for (name, nodes, edges, features, entries, parts) in [
        ("cora", 2708, 5278, 1433, 49_216, [140, 500, 1000]),
        ("citeseer", 3327, 4552, 3703, 105_165, [120, 500, 1000]),
    ] {
        let call = data::call("nodeprop", &[("name", ArgValue::Text(name.into()))]);
        let set = data::load(&call, &DataOptions::folder(&folder)).unwrap();
        assert_eq!((set.n_nodes(), set.n_published_edges(), set.n_features()), (nodes, edges, features));
        assert_eq!(set.features.n_stored(), entries);
        let split = set.fixed_split.unwrap();
        assert_eq!([split.train.len(), split.validation.len(), split.test.len()], parts);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(48))]

    /// What a small writer puts down is read back: edges, sparse features, labels.
    #[test]
    fn written_tables_are_read_back(
        edges in proptest::collection::vec((0u32..6, 0u32..6), 0..12),
        rows in proptest::collection::vec(proptest::collection::btree_map(0u32..9, -50i16..50, 0..4), 6),
        labels in proptest::collection::vec(-1i64..4, 6),
    ) {
        let text = |lines: Vec<String>| lines.concat();
        let edge = text(edges.iter().map(|(a, b)| format!("{a},{b}\n")).collect());
        let label = text(labels.iter().map(|label| format!("{label}\n")).collect());
        let entries = rows.iter().enumerate().flat_map(|(node, row)| {
            row.iter().map(move |(column, value)| format!("{node},{column},{}\n", f32::from(*value) / 8.0))
        });
        let files = [("edge.csv", &*edge), ("node-label.csv", &*label), ("node-feat-sparse.csv", &*text(entries.collect()))];
        let folder = folder(&files, &[]);
        let set = load_as("nodeprop", folder.path(), &[("undirected", ArgValue::Bool(false))]).unwrap();
        let mut read: Vec<(u32, u32)> =
            (0..6).flat_map(|node| set.adjacency.row(node).iter().map(move |&source| (source, node as u32))).collect();
        read.sort_unstable();
        let mut edges = edges;
        edges.sort_unstable();
        proptest::prop_assert_eq!(read, edges);
        for (node, row) in rows.iter().enumerate() {
            let mut read = Vec::new();
            set.features.each_of_row(node, |column, value| read.push((column, value)));
            let expected: Vec<(u32, f32)> =
                row.iter().filter(|(_, value)| **value != 0).map(|(&column, &value)| (column, f32::from(value) / 8.0)).collect();
            proptest::prop_assert_eq!(read, expected);
        }
        let Targets::Classes(classes) = &set.targets else { panic!("classes") };
        for (class, label) in classes.iter().zip(labels) {
            let name = if *class < 0 { "-1" } else { &set.class_names[*class as usize] };
            proptest::prop_assert_eq!(name, label.to_string());
        }
    }
}
