//! Data read for a model that was trained before.

use super::*;

#[test]
fn a_model_s_vocabulary_gives_other_data_the_same_columns() {
    let trained = load(&folder(&[]), &[]).expect("readable").vocabulary;
    let fewer = folder(&[("node_labels", "5\n5\n5\n5\n5\n"), ("graph_labels", "7\n7\n")]);
    let options = |root: &TempDir| DataOptions {
        vocabulary: Some(trained.clone()),
        ..DataOptions::folder(root.path())
    };
    let data = data::load(&call("TINY", &[]), &options(&fewer)).expect("known labels");
    assert_eq!(rows(&data), [[0., 0., 1., 0.]; 5]);
    assert_eq!(data.targets, Targets::Classes(vec![1, 1]));
    for (part, text, message) in [
        (
            "node_labels",
            "5\n5\n8\n5\n5\n",
            "node label 8 does not occur in the data that the model was trained with",
        ),
        ("graph_labels", "7\n6\n", "graph label 6 is none of the model's classes (-1, 7)"),
    ] {
        let root = folder(&[(part, text)]);
        let error = data::load(&call("TINY", &[]), &options(&root)).expect_err(message);
        assert_eq!((error.code, error.message.as_str()), ("data::unknown_label", message));
    }
}
