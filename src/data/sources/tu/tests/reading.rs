//! What a set of a few lines is read as.

use super::*;

#[test]
fn line_order_duplicates_and_self_loops_of_the_edges_do_not_matter() {
    let expected = load(&folder(&[]), &[]).expect("readable").fingerprint;
    let shuffled = folder(&[("A", "4,5\n3,2\n1,2\n2,2\n2,1\n2,3\n4,5\n5 4\n1,2")]);
    assert_eq!(load(&shuffled, &[]).expect("readable").fingerprint, expected);
}

#[test]
fn a_directed_set_keeps_its_directions() {
    let data = load(&folder(&[("A", "1, 2\n2, 3\n4, 5\n")]), &[]).expect("readable");
    assert!(!data.is_symmetric());
    // A line is `source, target`, as in PyG: node 2 (row 1) hears node 1.
    assert_eq!((data.adjacency.row(0), data.adjacency.row(1)), (&[][..], &[0][..]));
    assert_eq!(data.reverse, Some(data.adjacency.transpose()));
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
