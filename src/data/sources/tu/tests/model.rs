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

#[test]
fn why_labels_of_edges_are_no_kinds_is_known() {
    use crate::types::NoKinds;
    // 1 → 2 stands there twice, as a bond of kind 0 and one of kind 1.
    let edges = ("A", "1, 2\n1, 2\n2, 1\n4, 5\n5, 4\n4, 4\n");
    let labels = |text| folder(&[edges, ("edge_labels", text)]);
    let why = |root: &TempDir, how: &'static str| {
        let facts = load(root, &[("parallel", ArgValue::Choice(how))]).expect("readable").facts();
        (facts.edge_kinds, facts.no_kinds)
    };
    let one = labels("0\n1\n0\n0\n0\n0\n");
    assert_eq!(why(&one, "keep"), (2, None));
    assert_eq!(why(&one, "drop"), (2, None));
    assert_eq!(why(&one, "sum"), (0, Some(NoKinds::Merged)));
    let two = labels("0, 1\n1, 1\n0, 1\n0, 0\n0, 1\n0, 1\n");
    assert_eq!(why(&two, "keep"), (0, Some(NoKinds::Columns(2))));
    assert_eq!(why(&folder(&[]), "keep"), (0, None));
}

#[test]
fn a_model_s_vocabulary_gives_other_edges_the_same_columns_and_kinds() {
    let trained = load(&folder(&CARRIED), &[]).expect("readable").vocabulary;
    let options = |root: &TempDir, vocabulary: &Vocabulary| DataOptions {
        vocabulary: Some(vocabulary.clone()),
        ..DataOptions::folder(root.path())
    };
    // Labels 2, 4 and 5 occurred; alone, this set would have a single column.
    let fewer = folder(&[("edge_labels", "5\n5\n5\n5\n5\n5\n"), CARRIED[1]]);
    let data = data::load(&call("TINY", &[]), &options(&fewer, &trained)).expect("known labels");
    assert_eq!((data.n_edge_features(), data.n_edge_kinds()), (4, 4));
    assert_eq!(data.edge_kinds.expect("labels").of_entry.as_slice(), [3; 6]);
    for label in [3, 7] {
        let root = folder(&[("edge_labels", &format!("5\n5\n{label}\n5\n5\n5\n"))]);
        let error = data::load(&call("TINY", &[]), &options(&root, &trained)).expect_err("unseen");
        let message =
            format!("edge label {label} does not occur in the data that the model was trained with");
        assert_eq!((error.code, error.message, error.line), ("data::unknown_label", message, Some(3)));
        // Of a model that does not read edges nothing is asked.
        let blind = trained.clone().reading(data::EdgeReads::NOTHING);
        let data = data::load(&call("TINY", &[]), &options(&root, &blind)).expect("not read");
        assert!(data.edge_kinds.is_some());
    }
    let bare = folder(&[]);
    let error = data::load(&call("TINY", &[]), &options(&bare, &trained)).expect_err("no labels");
    assert_eq!(error.code, "data::other_columns");
    assert_eq!(
        error.message,
        "the model was trained with 4 edge labels (2, 3, 4, 5), and TINY has no edge labels"
    );
    // What the model read is read again, unless the call says otherwise.
    let both = [("edge_features", ArgValue::Choice("both"))];
    let trained = load(&folder(&CARRIED), &both).expect("readable").vocabulary;
    let again = data::load(&call("TINY", &[]), &options(&fewer, &trained)).expect("as the model's");
    assert_eq!(again.vocabulary.edges_in_words(), "1 edge attribute and 4 edge labels (2, 3, 4, 5)");
    let other = call("TINY", &[("edge_features", ArgValue::Choice("attributes"))]);
    let error = data::load(&other, &options(&fewer, &trained)).expect_err("other columns");
    assert_eq!(
        error.help.as_deref(),
        Some("leave `edge_features` out, and the data is read as the model's was: `edge_features = both`")
    );
    // A model of kinds alone knows them, whatever the features are.
    let kinds = trained.clone().reading(data::EdgeReads { features: false, kinds: true });
    let none = call("TINY", &[("edge_features", ArgValue::Choice("none"))]);
    let data = data::load(&none, &options(&fewer, &kinds)).expect("kinds");
    assert_eq!((data.n_edge_features(), data.n_edge_kinds()), (0, 4));
}

#[test]
fn added_loops_are_a_kind_that_the_vocabulary_knows() {
    let add = [("loops", ArgValue::Choice("add"))];
    let data = load(&folder(&CARRIED), &add).expect("readable");
    assert_eq!(data.n_edge_kinds(), 5);
    let kinds = data.vocabulary.edge_kinds.as_ref().expect("labels");
    assert_eq!(kinds.n_kinds(), 5);
    assert_eq!(kinds.words(), "4 edge labels (2, 3, 4, 5) and added self-loops");
    let plain = load(&folder(&CARRIED), &[]).expect("readable");
    assert!(!data.vocabulary.has_edges_of(&plain.vocabulary));
    let text = serde_json::to_string(&data.vocabulary).expect("JSON");
    assert_eq!(serde_json::from_str::<Vocabulary>(&text).expect("as written"), data.vocabulary);
}
