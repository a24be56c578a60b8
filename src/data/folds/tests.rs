use super::*;
use crate::data::synthetic::{RandomGraphs, random_graphs};
use std::fs;

fn graphs(n_graphs: usize) -> Dataset {
    let mut data = random_graphs(&RandomGraphs { n_graphs, ..RandomGraphs::default() });
    data.name = "SET".into();
    data
}

fn wrong(path: &Path, set: Option<&str>) -> (String, String) {
    let error = read(path, set, &graphs(6)).expect_err("wrong folds");
    let text = error.to_string();
    let text = text.strip_prefix(&path.display().to_string()).unwrap_or(&text).to_owned();
    assert!(error.help.as_ref().is_some_and(|help| !help.is_empty()), "{text}");
    (text, error.help.unwrap_or_default())
}

#[test]
fn both_layouts_of_published_folds_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("SET_splits.json");
    fs::write(
        &json,
        r#"[{"test": [5, 0], "model_selection": [{"train": [1, 4], "validation": [2, 3]}]},
            {"test": [1], "model_selection": [{"validation": [5], "train": [0, 2, 3, 4]}]}]"#,
    )
    .unwrap();
    let folds = read(&json, None, &graphs(6)).unwrap();
    assert_eq!(folds[0], Split { train: vec![1, 4], validation: vec![2, 3], test: vec![0, 5] });
    assert_eq!(folds[1].train, [0, 2, 3, 4]);

    for (set, first) in [("SET", 1), ("OTHER", 0)] {
        let inner = folder.path().join("10fold_idx").join(set);
        fs::create_dir_all(&inner).unwrap();
        for fold in first..first + 2 {
            let test = [4 + fold - first, 0];
            let train: Vec<String> =
                (0..6).filter(|item| !test.contains(item)).map(|item| item.to_string()).collect();
            fs::write(inner.join(format!("train_idx-{fold}.txt")), train.join("\n")).unwrap();
            fs::write(inner.join(format!("test_idx-{fold}.txt")), format!("{}\r\n{}\r\n", test[0], test[1]))
                .unwrap();
        }
    }
    for set in [None, Some("OTHER")] {
        let folds = read(&folder.path().join("10fold_idx"), set, &graphs(6)).unwrap();
        assert_eq!(folds.len(), 2);
        assert_eq!(folds[1], Split { train: vec![1, 2, 3, 4], validation: vec![], test: vec![0, 5] });
    }
    let (text, help) = wrong(&folder.path().join("10fold_idx"), Some("ELSE"));
    assert_eq!(text, ": holds no folds of `ELSE`");
    assert!(help.contains("`OTHER` and `SET`"), "{help}");
    fs::remove_file(folder.path().join("10fold_idx/SET/train_idx-1.txt")).unwrap();
    let (text, _) = wrong(&folder.path().join("10fold_idx"), None);
    assert_eq!(text, ": `train_idx-1.txt` is missing, of 2 folds");
    fs::write(folder.path().join("10fold_idx/SET/train_idx-1.txt"), "1\n2 x\n").unwrap();
    let (text, _) = wrong(&folder.path().join("10fold_idx"), None);
    assert!(text.ends_with("train_idx-1.txt:2: `x` is no place of an item"), "{text}");
}

#[test]
fn folds_of_other_data_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("splits.json");
    for (content, message) in [
        (
            r#"[{"train": [0, 1], "test": [2, 6]}]"#,
            "graph 6 of the test part of fold 1 does not exist: SET has 6 graphs, counted from 0",
        ),
        (
            r#"[{"train": [0, 1, 2, 3, 4, 5], "test": [3]}]"#,
            "graph 3 of the test part of fold 1 is in the training part too",
        ),
        (r#"{"train": [0, 1, 1], "test": [3]}"#, "graph 1 of the training part of fold 1 occurs twice"),
        (
            r#"[{"train": [0, 1], "validation": [4], "test": [5]}]"#,
            "2 of the 6 graphs of SET are in no part of any fold, the first is graph 2",
        ),
        (r#"[{"train": [0, 1], "test": []}]"#, "the test part of fold 1 is empty"),
        (r#"[{"test": [1]}]"#, "fold 1 has no `train`"),
        (r#"[{"train": [-1], "test": [1]}]"#, "`train` of fold 1 holds -1, which is no place from 0"),
        (r#"[{"train": 3, "test": [1]}]"#, "`train` of fold 1 is no list"),
        (
            r#"[{"test": [1], "model_selection": []}]"#,
            "fold 1 has 0 splits in `model_selection`, where one is expected",
        ),
        ("[]", "lists no folds"),
        ("7", "lists no folds"),
    ] {
        fs::write(&json, content).unwrap();
        assert_eq!(wrong(&json, None).0, format!(": {message}"));
    }
    fs::write(&json, "[{").unwrap();
    assert!(wrong(&json, None).0.starts_with(":1: is no JSON: "));
    assert_eq!(
        wrong(&folder.path().join("absent"), None).0.split(':').nth(1),
        Some(" there are no folds here")
    );
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(wrong(&empty, None).0, ": holds no folds");
}

/// Facts of the files, counted with Python's `json` and `zipfile`: see the folder of splits beside the real data.
#[test]
fn published_folds_fit_their_data() {
    let Some(splits) = crate::data::real_data("splits") else { return };
    let Some(tu) = crate::data::real_data("tu") else { return };
    let options = crate::data::DataOptions::folder(tu);
    let load = |name: &str| {
        crate::data::load(
            &crate::data::call("tu", &[("name", crate::args::ArgValue::Text(name.into()))]),
            &options,
        )
        .unwrap()
    };
    let enzymes = load("ENZYMES");
    let folds = read(&splits.join("gnn-comparison/ENZYMES_splits.json"), None, &enzymes).unwrap();
    assert_eq!(folds.len(), 10);
    assert!(
        folds.iter().all(|fold| (fold.train.len(), fold.validation.len(), fold.test.len()) == (486, 54, 60))
    );
    assert_eq!(folds[0].test[..3], [1, 15, 25]);
    let folds = read(&splits.join("10fold_idx.zip"), None, &enzymes).unwrap();
    assert_eq!((folds.len(), folds[0].train.len(), folds[0].test.len()), (10, 540, 60));
    // The folds of another set.
    let error = read(&splits.join("10fold_idx.zip"), Some("PROTEINS"), &enzymes).unwrap_err().to_string();
    assert!(error.contains("does not exist: ENZYMES has 600 graphs"), "{error}");
}
