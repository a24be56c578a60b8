//! How data is parted: by folds out of files, by time, by groups, by scaffolds.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn hgnnc(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.current_dir(folder).env("HGNN_DATA", folder).env_remove("COLUMNS").env("HGNN_OFFLINE", "1");
    let output = command.args(args).output().expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Twenty paths of three nodes; graph `g` is of the year 2000 + g / 4, on site g % 5, and of class g % 2.
fn tables(path: &Path) {
    let mut edges = "source,target,graph\n".to_owned();
    let mut nodes = "id,graph,x\n".to_owned();
    let mut graphs = "graph,label,year,day,site\n".to_owned();
    for graph in 0..20 {
        let (a, b, c) = (3 * graph, 3 * graph + 1, 3 * graph + 2);
        edges += &format!("{a},{b},{graph}\n{b},{c},{graph}\n");
        (a..=c).for_each(|node| nodes += &format!("{node},{graph},{}\n", node % 7));
        let year = 2000 + graph / 4;
        graphs += &format!("{graph},c{},{year},{year}-0{}-15,site {}\n", graph % 2, 1 + graph % 4, graph % 5);
    }
    for (name, text) in [("edges.csv", edges), ("nodes.csv", nodes), ("graphs.csv", graphs)] {
        fs::write(path.join(name), text).unwrap();
    }
}

const DATA: &str =
    "tables(edges = \"edges.csv\", nodes = \"nodes.csv\", graphs = \"graphs.csv\", undirected = true";

fn model(options: &str, protocol: &str) -> String {
    format!(
        "data = {DATA}{options})\nmodel = sage(4) -> relu -> mean -> mlp\ntrain {{ epochs = 1 }}\n\
         evaluate {{ protocol = {protocol} }}\n"
    )
}

/// The split of a run of one part, trained on the model.
fn split(path: &Path, text: &str) -> [Vec<u64>; 3] {
    fs::write(path.join("m.hgnn"), text).unwrap();
    let (code, _, err) = hgnnc(path, &["train", "m.hgnn", "--out", "run", "--force"]);
    assert_eq!(code, Some(0), "{text}{err}");
    read(&path.join("run/split.json"))
}

fn read(path: &Path) -> [Vec<u64>; 3] {
    let split: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    ["train", "validation", "test"]
        .map(|part| split[part].as_array().unwrap().iter().map(|place| place.as_u64().unwrap()).collect())
}

#[test]
fn the_past_trains_and_the_future_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tables(path);
    let time = ", time = \"year\", ignore = \"day, site\"";
    let [train, validation, test] =
        split(path, &model(time, "by_time(validation_from = 2003, test_from = 2004)"));
    assert_eq!(
        [train, validation, test],
        [(0..12).collect::<Vec<u64>>(), (12..16).collect(), (16..20).collect()]
    );
    // A fifth is a year; an eighth is less, and items of one year stay together.
    let [train, validation, test] = split(path, &model(time, "by_time(validation = 0.2, test = 0.2)"));
    assert_eq!((train.len(), validation.len(), test), (12, 4, (16..20).collect::<Vec<u64>>()));
    let [_, validation, test] = split(path, &model(time, "by_time(validation = 0, test = 0.125)"));
    assert_eq!((validation.len(), test.len()), (0, 4));
    // Dates: the 15th of March 2004 is 2004 + (31 + 29 + 14) / 366.
    let days = ", time = \"day\", ignore = \"year, site\"";
    let [train, _, test] =
        split(path, &model(days, "by_time(validation_from = 2004, test_from = 2004.2021)"));
    assert_eq!((train.len(), test), (16, vec![18, 19]));

    let wrong = |options: &str, protocol: &str, said: &str| {
        fs::write(path.join("w.hgnn"), model(options, protocol)).unwrap();
        let (code, _, err) = hgnnc(path, &["train", "w.hgnn", "--out", "wrong"]);
        assert!(code.is_some_and(|code| code > 0) && err.contains(said), "{said} in {err}");
    };
    wrong(time, "by_time(test_from = 1999)", "leaves nothing to train on");
    wrong(time, "by_time(validation_from = 2003, test_from = 2040)", "are of 2000 to 2004");
    wrong(time, "by_time(validation = 0.1, test_from = 2004)", "`validation` has no effect here");
    wrong("", "by_time()", "names no column of times");
    wrong(", time = \"site\"", "by_time()", "`site 0` of `site` is no time");
    wrong(", time = \"yaer\"", "by_time()", "did you mean `year`?");
}

#[test]
fn groups_are_never_parted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tables(path);
    let site = ", groups = \"site\", ignore = \"day\"";
    let [train, validation, test] =
        split(path, &model(site, "holdout(validation = 0.2, test = 0.2, together = groups)"));
    let sites = |items: &[u64]| items.iter().map(|item| item % 5).collect::<std::collections::BTreeSet<_>>();
    assert_eq!((train.len(), validation.len(), test.len()), (12, 4, 4));
    assert_eq!((sites(&train).len(), sites(&validation).len(), sites(&test).len()), (3, 1, 1));

    fs::write(path.join("k.hgnn"), model(site, "k_fold(5, inner_holdout = 0.25, together = groups)"))
        .unwrap();
    let (code, _, err) = hgnnc(path, &["train", "k.hgnn", "--out", "folds"]);
    assert_eq!(code, Some(0), "{err}");
    let mut tested = Vec::new();
    for fold in 1..=5 {
        let [train, validation, test] = read(&path.join(format!("folds/fold-{fold}/split.json")));
        assert_eq!((train.len(), validation.len(), test.len()), (12, 4, 4));
        assert_eq!(sites(&test).len(), 1);
        assert!(sites(&train).is_disjoint(&sites(&validation)));
        tested.extend(test);
    }
    tested.sort_unstable();
    assert_eq!(tested, (0..20).collect::<Vec<u64>>());

    let wrong = |options: &str, protocol: &str, said: &str| {
        fs::write(path.join("w.hgnn"), model(options, protocol)).unwrap();
        let (code, _, err) = hgnnc(path, &["train", "w.hgnn", "--out", "wrong"]);
        assert!(code.is_some_and(|code| code > 0) && err.contains(said), "{said} in {err}");
    };
    wrong(site, "k_fold(6, together = groups)", "needs at least 6 of them");
    wrong("", "k_fold(2, together = groups)", "names no column of groups");
    wrong("", "k_fold(2, together = group)", "did you mean `groups`?");
    // All twenty paths have no ring, and so one scaffold.
    wrong("", "k_fold(2, together = scaffolds)", "needs at least 2 of them");
    wrong("", "by_scaffold()", "leaves nothing of");
}

#[test]
fn published_folds_are_used_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tables(path);
    fs::create_dir(path.join("inner")).unwrap();
    let list = |from: u64, to: u64| (from..to).map(|item| item.to_string()).collect::<Vec<_>>().join(", ");
    let fold = |test: String, validation: String, train: String| {
        format!(
            "{{\"test\": [{test}], \"model_selection\": [{{\"train\": [{train}], \"validation\": [{validation}]}}]}}"
        )
    };
    let text = format!(
        "[{}, {}]",
        fold(list(0, 5), list(5, 8), list(8, 20)),
        fold(list(5, 20), list(0, 1), list(1, 5))
    );
    fs::write(path.join("inner/SET_splits.json"), text).unwrap();
    let data = DATA.replace("= \"", "= \"../");
    let file = |protocol: &str| {
        format!(
            "data = {data})\nmodel = sage(4) -> relu -> mean -> mlp\ntrain {{ epochs = 1 }}\nevaluate {{ protocol = {protocol} }}\n"
        )
    };
    fs::write(path.join("inner/m.hgnn"), file("published_folds(\"SET_splits.json\")")).unwrap();
    // Paths start from the file's folder, also where the data is named on the command line.
    for data in [None, Some(format!("{DATA})"))] {
        let mut args = vec!["train", "inner/m.hgnn", "--out", "run", "--force"];
        args.extend(data.iter().flat_map(|data| ["--data", data.as_str()]));
        let (code, out, err) = hgnnc(path, &args);
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains("2 of 2 runs"), "{out}");
        let parts = read(&path.join("run/fold-2/split.json"));
        assert_eq!(parts, [(1..5).collect::<Vec<u64>>(), vec![0], (5..20).collect()]);
    }
    let (code, _, err) = hgnnc(path, &["lint", "inner/m.hgnn"]);
    assert_eq!(code, Some(0), "{err}");

    let wrong = |protocol: &str, said: &str| {
        fs::write(path.join("inner/w.hgnn"), file(protocol)).unwrap();
        let (code, _, err) = hgnnc(path, &["train", "inner/w.hgnn", "--out", "wrong"]);
        assert!(code.is_some_and(|code| code > 0) && err.contains(said), "{said} in {err}");
    };
    wrong("published_folds(\"absent.json\")", "absent.json: there are no folds here");
    wrong("published_folds(\"SET_splits.json\", inner_holdout = 0.2)", "have validation parts of their own");
    wrong("published_folds(\"\")", "names no file");
    fs::write(path.join("inner/far.json"), "[{\"train\": [0, 1], \"test\": [20]}]").unwrap();
    wrong("published_folds(\"far.json\")", "graph 20 of the test part of fold 1 does not exist");

    // The other layout has no validation part, which is then drawn from the training part.
    fs::create_dir(path.join("inner/idx")).unwrap();
    for (name, items) in
        [("train_idx-1", 0..10), ("test_idx-1", 10..20), ("train_idx-2", 10..20), ("test_idx-2", 0..10)]
    {
        let lines: String = items.map(|item| format!("{item}\n")).collect();
        fs::write(path.join(format!("inner/idx/{name}.txt")), lines).unwrap();
    }
    fs::write(path.join("inner/m.hgnn"), file("published_folds(\"idx\", inner_holdout = 0.2)")).unwrap();
    let (code, _, err) = hgnnc(path, &["train", "inner/m.hgnn", "--out", "idx"]);
    assert_eq!(code, Some(0), "{err}");
    let [train, validation, test] = read(&path.join("idx/fold-1/split.json"));
    assert_eq!((train.len(), validation.len(), test), (8, 2, (10..20).collect::<Vec<u64>>()));
}
