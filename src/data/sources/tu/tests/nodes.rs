//! What is predicted of the nodes.

use super::*;
use crate::types::TargetKind;

#[test]
fn labels_or_attributes_of_nodes_are_predicted_and_are_no_features() {
    let folder = folder(&[]);
    let load = |args: &[(&str, ArgValue)]| {
        data::load(&call("TINY", args), &data::DataOptions::folder(folder.path()))
            .map(|set| (set.facts(), set))
    };
    let target = |word| ("target", ArgValue::Choice(word));
    let (facts, set) = load(&[target("node_labels")]).unwrap();
    assert_eq!(set.targets, Targets::Classes(vec![0, 1, 0, 0, 2]));
    assert_eq!((set.class_names.as_slice(), facts.n_features), (&["3", "5", "6"].map(str::to_owned)[..], 2));
    assert_eq!(
        (facts.task, set.n_items()),
        (Some(Task { entity: Entity::Nodes, kind: TargetKind::Classification }), 5)
    );
    let (facts, set) = load(&[target("node_attributes")]).unwrap();
    let values = (1..=10).map(|value| value as f32).collect();
    assert_eq!(set.targets, Targets::Values { values, n_values: 2 });
    // The labels, from 3 to 6.
    assert_eq!(facts.n_features, 4);
    for (word, features) in [("node_labels", "labels"), ("node_attributes", "both")] {
        let error = load(&[target(word), ("features", ArgValue::Choice(features))]).unwrap_err();
        assert_eq!(error.code, "data::target_among_features");
    }
    // Graphs that are left out take the targets of their nodes along.
    let (_, set) = load(&[target("node_labels"), ("max_nodes", ArgValue::Int(2))]).unwrap();
    assert_eq!(set.targets, Targets::Classes(vec![0, 2]));
}

#[test]
fn a_set_without_the_part_says_so() {
    let folder = folder(&[("node_labels", "")]);
    let call = call("TINY", &[("target", ArgValue::Choice("node_labels"))]);
    let error = data::load(&call, &data::DataOptions::folder(folder.path())).unwrap_err();
    assert_eq!(error.code, "data::missing_part");
}
