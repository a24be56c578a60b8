//! What a set of a few lines is read as.

use super::*;
use crate::data::Features;

#[test]
fn the_order_of_the_lines_of_the_edges_does_not_matter() {
    let expected = load(&folder(&[]), &[]).expect("readable").fingerprint;
    let shuffled = folder(&[("A", "4,5\n3,2\n1,2\n2,1\n2,3\n5 4")]);
    assert_eq!(load(&shuffled, &[]).expect("readable").fingerprint, expected);
    // What was read as it is now has the fingerprint that it always had.
    assert_eq!(expected, "d3078d18a76bd32634430dc9b9ab411fd8294156e38fd655a7f0e186740c6744");
}

#[test]
fn loops_and_parallel_edges_stay_unless_they_are_dropped() {
    let plain = load(&folder(&[]), &[]).expect("readable");
    let root = folder(&[("A", "4,5\n3,2\n1,2\n2,2\n2,1\n2,3\n4,5\n5 4\n1,2")]);
    let kept = load(&root, &[]).expect("readable");
    assert_eq!((kept.adjacency.row(1), kept.adjacency.row(4)), (&[0, 0, 1, 2][..], &[3, 3][..]));
    let facts = kept.facts();
    assert_eq!((facts.total_edges, facts.n_loops, facts.n_parallel_edges), (9, 1, 2));
    // 1 → 2 and 4 → 5 are there twice, their reverses once.
    assert_eq!((facts.n_one_way_edges, kept.n_published_edges()), (2, 9));
    let options = [("loops", ArgValue::Choice("drop")), ("parallel", ArgValue::Choice("drop"))];
    let dropped = load(&root, &options).expect("readable");
    assert_eq!(dropped.fingerprint, plain.fingerprint);
    assert_eq!((dropped.edits.dropped_loops, dropped.edits.merged), (1, 2));
    let both = load(&root, &[("undirected", ArgValue::Bool(true))]).expect("readable");
    assert!(both.is_symmetric());
    // 0 – 1 twice, 1 – 2, 3 – 4 twice, and the loop.
    assert_eq!((both.n_edges(), both.n_published_edges(), both.n_one_way_edges()), (11, 6, 0));
    // A degree counts every edge into a node.
    let degrees = load(&root, &[("features", ArgValue::Choice("degree"))]).expect("degrees");
    let Features::OneHot { columns, .. } = &degrees.features else { panic!("one-hot degrees") };
    assert_eq!(columns, &[1, 4, 1, 1, 2]);
}

fn edge_rows(data: &Dataset) -> Vec<Vec<f32>> {
    let features = data.edge_features.as_ref().expect("edges have features");
    let row = |entry: usize| {
        let mut row = Vec::new();
        features.write_rows(entry..entry + 1, &mut row);
        row
    };
    (0..data.n_edges()).map(row).collect()
}

#[test]
fn each_choice_of_edge_features_gives_its_columns() {
    let root = folder(&CARRIED);
    let with = |choice| load(&root, &[("edge_features", ArgValue::Choice(choice))]).expect(choice);
    // By target and source: 2→1, 1→2, 3→2, 2→3, 5→4, 4→5. Labels 2 to 5; the unused 3 has a column too.
    let labels =
        [4, 2, 2, 2, 4, 5].map(|label| (2..6).map(|column| f32::from(column == label)).collect::<Vec<_>>());
    let attributes = [0.1, 0.2, 0.4, 0.3, 0.5, 0.6];
    assert_eq!(edge_rows(&with("auto")), labels);
    assert_eq!(edge_rows(&with("labels")), labels);
    assert_eq!(edge_rows(&with("attributes")).concat(), attributes);
    assert_eq!(edge_rows(&with("both"))[2], [0.4, 1., 0., 0., 0.]);
    assert_eq!(with("none").edge_features, None);
    for choice in ["auto", "labels", "attributes", "both", "none"] {
        let kinds = with(choice).edge_kinds.expect("labels are kinds whatever the features are");
        assert_eq!((kinds.of_entry.as_slice(), kinds.n_kinds), (&[2, 0, 0, 0, 2, 3][..], 4), "{choice}");
    }
    let facts = with("both").facts();
    assert_eq!((facts.edge_features, facts.edge_kinds), (5, 4));
    assert_eq!(facts.edge_columns, "1 edge attribute and 4 edge labels (2, 3, 4, 5)");
    let unread = |data: &Dataset| data.unread.iter().map(|unread| unread.what.clone()).collect::<Vec<_>>();
    assert!(unread(&with("both")).iter().all(|what| !what.contains("edge")));
    let auto = load(&root, &[]).expect("readable");
    let attributes = auto.unread.iter().find(|unread| unread.what == "edge attributes").expect("not read");
    assert_eq!(attributes.setting, Some("edge_features = both"));
    // Two columns of labels are features and no kinds.
    let two = folder(&[("edge_labels", "0 1\n0 2\n0 1\n0 1\n0 2\n0 1\n")]);
    let data = load(&two, &[]).expect("readable");
    assert_eq!((data.n_edge_features(), data.n_edge_kinds()), (3, 0));
    let bare = load(&folder(&[]), &[]).expect("readable");
    assert_eq!((bare.edge_features, bare.edge_kinds), (None, None));
}

#[test]
fn values_follow_their_edges_into_the_batch() {
    let changes = [("A", "4,5\n2,1\n2,1\n1,2\n2,2\n2,1\n"), CARRIED[0], CARRIED[1]];
    let data =
        load(&folder(&changes), &[("edge_features", ArgValue::Choice("attributes"))]).expect("readable");
    // Lines 2, 3 and 6 are parallel: by label first, then in the order of the file.
    assert_eq!(data.adjacency.row(0), [1, 1, 1]);
    assert_eq!(edge_rows(&data).concat(), [0.2, 0.3, 0.6, 0.4, 0.5, 0.1]);
    let batch = data.batch(&[1, 0, 1], candle_core::DType::F32, &candle_core::Device::Cpu).expect("small");
    let edge_x =
        batch.edge_x.expect("asked for").flatten_all().and_then(|x| x.to_vec1::<f32>()).expect("small");
    assert_eq!(edge_x, [0.1, 0.2, 0.3, 0.6, 0.4, 0.5, 0.1]);
    let kinds = batch.graph.kinds.as_ref().expect("asked for");
    assert_eq!((kinds.of_entry.as_slice(), kinds.n_kinds), (&[2, 0, 0, 3, 0, 2, 2][..], 4));
    // By source: node 1 sends three edges to node 0 and one to itself.
    assert_eq!(batch.graph.adjacency.transpose_entries(), [0, 4, 1, 2, 3, 5, 6]);
    let nothing = data
        .batch_for(data::EdgeReads::NOTHING, &[0], candle_core::DType::F32, &candle_core::Device::Cpu)
        .expect("small");
    assert!(nothing.edge_x.is_none() && nothing.graph.kinds.is_none());
}

#[test]
fn what_edges_carry_follows_the_graphs_that_are_kept() {
    let data = load(&folder(&CARRIED), &[("max_nodes", ArgValue::Int(2))]).expect("the pair");
    assert_eq!(data.adjacency.indices, [1, 0]);
    assert_eq!(data.edge_kinds.expect("labels").of_entry.as_slice(), [2, 3]);
}

#[test]
fn the_fingerprint_covers_what_edges_carry() {
    let print = |changes: &[(&str, &str)], choice| {
        load(&folder(changes), &[("edge_features", ArgValue::Choice(choice))]).expect(choice).fingerprint
    };
    let other_label = [("edge_labels", "4\n2\n2\n4\n4\n5\n"), CARRIED[1]];
    let other_value = [CARRIED[0], ("edge_attributes", "0.1\n0.2\n0.3\n0.4\n0.5\n0.7\n")];
    let all = [
        print(&[], "auto"),
        print(&CARRIED, "auto"),
        print(&CARRIED, "attributes"),
        print(&CARRIED, "none"),
        print(&other_label, "none"),
        print(&other_value, "attributes"),
    ];
    for (idx, one) in all.iter().enumerate() {
        assert!(all[..idx].iter().all(|other| other != one), "{idx}");
    }
    assert_eq!(print(&CARRIED, "none"), print(&other_value, "none"));
    // A run of a version that did not read them knows its data again.
    let carried = load(&folder(&CARRIED), &[]).expect("readable");
    assert!(carried.has_fingerprint(&all[0]) && carried.has_fingerprint(&all[1]));
    assert!(!carried.has_fingerprint(&all[2]));
}

#[test]
fn edges_of_different_labels_that_are_merged_are_of_no_kind() {
    let changes = [("A", "4,5\n2,1\n2,1\n1,2\n2,2\n2,1\n"), CARRIED[0]];
    let data = load(&folder(&changes), &[("parallel", ArgValue::Choice("sum"))]).expect("readable");
    assert_eq!(edge_rows(&data)[0], [2., 0., 0., 1.]);
    assert_eq!((data.edge_kinds.is_none(), data.edits.merged), (true, 2));
    assert!(data.unread.iter().any(|unread| unread.setting == Some("parallel = drop")));
    let error = load(&folder(&[]), &[("parallel", ArgValue::Choice("mean"))]).expect_err("no features");
    assert_eq!(
        (error.code, error.message.as_str()),
        ("data::no_effect", "`parallel = mean` has no effect here: the edges of this data have no features")
    );
    let none = [("parallel", ArgValue::Choice("max")), ("edge_features", ArgValue::Choice("none"))];
    let error = load(&folder(&changes), &none).expect_err("asked for none");
    assert_eq!(error.code, "data::no_effect");
}

#[test]
fn a_directed_set_keeps_its_directions() {
    let data = load(&folder(&[("A", "1, 2\n2, 3\n4, 5\n")]), &[]).expect("readable");
    assert!(!data.is_symmetric());
    // A line is `source, target`, as in PyG: node 2 (row 1) hears node 1.
    assert_eq!((data.adjacency.row(0), data.adjacency.row(1)), (&[][..], &[0][..]));
    assert_eq!(data.reverse, Some(data.adjacency.transpose().held_as()));
}

#[test]
fn each_choice_of_features_gives_its_columns() {
    let root = folder(&[]);
    let with = |choice| rows(&load(&root, &[("features", ArgValue::Choice(choice))]).expect(choice));
    // Labels 3, 5 and 6: like PyG, the unused 4 has a column too.
    let labels = [[1., 0., 0., 0.], [0., 0., 1., 0.], [1., 0., 0., 0.], [1., 0., 0., 0.], [0., 0., 0., 1.]];
    assert_eq!(with("auto"), labels);
    assert_eq!(with("labels"), labels);
    assert_eq!(with("attributes")[4], [9., 10.]);
    assert_eq!(with("both")[1], [3., 4., 0., 0., 1., 0.]);
    assert_eq!(with("constant"), [[1.]; 5]);
    assert_eq!(with("degree"), [[0., 1., 0.], [0., 0., 1.], [0., 1., 0.], [0., 1., 0.], [0., 1., 0.]]);
    let capped = [("features", ArgValue::Choice("degree")), ("max_degree", ArgValue::Int(1))];
    assert_eq!(rows(&load(&root, &capped).expect("capped")), [[0., 1.]; 5]);
    let without = folder(&[("node_labels", "")]);
    assert_eq!(rows(&load(&without, &[]).expect("attributes"))[4], [9., 10.]);
    let bare = folder(&[("node_labels", ""), ("node_attributes", "")]);
    assert_eq!(load(&bare, &[]).expect("no features").n_features(), 0);
    // Scattered labels get a column each, two columns of labels a block each.
    let scattered = folder(&[("node_labels", "3 0\n-900000000000 1\n3 1\n3 1\n70 0\n")]);
    let data = load(&scattered, &[]).expect("scattered");
    assert_eq!(rows(&data)[1], [1., 0., 0., 0., 1.]);
    let labels: Vec<&[i64]> = data.vocabulary.labels().into_iter().map(|(values, _)| values).collect();
    assert_eq!(labels, [&[-900_000_000_000, 3, 70][..], &[0, 1]]);
}

#[test]
fn graph_attributes_are_the_target_where_there_are_no_labels_or_when_asked_for() {
    let values = Targets::Values { values: vec![0.5, 1., -2., 3.], n_values: 2 };
    let asked = load(&folder(&[]), &[("target", ArgValue::Choice("attributes"))]).expect("attributes");
    let found = load(&folder(&[("graph_labels", "")]), &[]).expect("attributes");
    assert_eq!((&asked.targets, &found.targets), (&values, &values));
    assert_eq!(found.task.map(Task::name), Some("graph_regression"));
    let unlabelled =
        load(&folder(&[("graph_labels", ""), ("graph_attributes", "")]), &[]).expect("unlabelled");
    assert_eq!((unlabelled.targets, unlabelled.task), (Targets::None, None));
}

#[test]
fn several_columns_of_graph_labels_are_labels_of_which_a_graph_can_have_several() {
    let expected = Targets::Values { values: vec![1., 0., 1., 0., 0., 1.], n_values: 3 };
    for text in ["1, 0, 1\n0, 0, 1\n", "1 -1 1\n-1 -1 1\n"] {
        let data = load(&folder(&[("graph_labels", text)]), &[]).expect("labels");
        assert_eq!(data.targets, expected, "{text}");
        assert_eq!(data.task.map(Task::name), Some("graph_multilabel_classification"));
        assert_eq!(data.class_names, ["1", "2", "3"]);
        assert_eq!(data.facts().n_outputs, 3);
        assert_eq!(data.vocabulary.target_in_words(), "3 labels");
    }
    let error = load(&folder(&[("graph_labels", "1 0\n0 2\n")]), &[]).expect_err("no label");
    assert_eq!((error.code, error.line), ("data::not_a_label", Some(2)));
    assert_eq!(error.message, "column 2: 2 is neither 1 nor 0");
    let summary =
        crate::data::summary::Summary::of(&load(&folder(&[("graph_labels", "1 0\n1 1\n")]), &[]).unwrap());
    let counts: Vec<_> = summary.classes.iter().map(|label| (label.count, label.n_known)).collect();
    assert_eq!((counts, summary.values.len()), (vec![(2, Some(2)), (1, Some(2))], 0));
}

#[test]
fn large_graphs_are_dropped_only_when_asked() {
    let root = folder(&[]);
    let data = load(&root, &[("max_nodes", ArgValue::Int(2))]).expect("the pair");
    assert_eq!((data.n_graphs(), data.n_nodes(), data.graph_ids.as_slice()), (1, 2, &[2][..]));
    assert_eq!(data.adjacency.indices, [1, 0]);
    assert_eq!(data.targets, Targets::Classes(vec![1]));
    assert_eq!(rows(&data), [[1., 0., 0., 0.], [0., 0., 0., 1.]]);
    let error = load(&root, &[("max_nodes", ArgValue::Int(1))]).expect_err("none is left");
    assert_eq!((error.code, error.message.as_str()), ("data::empty", "no graph of TINY has at most 1 node"));
}

#[test]
fn an_argument_without_effect_is_an_error() {
    let error = load(&folder(&[]), &[("max_degree", ArgValue::Int(3))]).expect_err("no degree features");
    assert_eq!(error.code, "data::no_effect");
    assert_eq!(error.message, "`max_degree` has no effect here: the node features are `auto`");
}

#[test]
fn graphs_without_nodes_are_left_out_with_their_labels() {
    let folder = folder(&[
        ("graph_indicator", "2\n2\n2\n5\n5\n"),
        ("graph_labels", "9\n-1\n9\n8\n7\n"),
        ("graph_attributes", "0\n1\n2\n3\n4\n"),
    ]);
    let set = load(&folder, &[]).expect("whole");
    assert_eq!((set.n_graphs(), set.n_nodes(), set.graph_ids.as_slice()), (2, 5, &[2, 5][..]));
    assert_eq!(set.targets, Targets::Classes(vec![0, 1]));
    assert!(
        set.unread.iter().any(|unread| unread.what == "3 graphs without nodes (1, 3, 4)"),
        "{:?}",
        set.unread
    );
    let set = load(&folder, &[("target", ArgValue::Choice("attributes"))]).expect("whole");
    assert_eq!(set.targets, Targets::Values { values: vec![1.0, 4.0], n_values: 1 });
}

#[test]
fn what_changes_with_time_is_refused_with_the_reason() {
    let folder = folder(&[("node_labels", "0, 1\n0, 1, 5, 0\n0, 1\n0, 0\n0, 1\n")]);
    let error = load(&folder, &[]).expect_err("labels with times");
    assert_eq!((error.code, error.line), ("data::ragged", Some(2)));
    assert!(error.help.expect("a help").contains("change with time"));
}
