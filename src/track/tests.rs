use super::*;
use std::fs;

fn record(epoch: usize) -> EpochRecord {
    let text = format!(
        "{{\"epoch\":{epoch},\"lr\":0.01,\"train\":{{\"loss\":0.5}},\"validation\":{{\"accuracy\":0.75}},\"gradient_norm\":1.5,\"is_kept\":true}}"
    );
    serde_json::from_str(&text).unwrap()
}

/// Begins a run of one unit, and writes two epochs.
fn written(track: &mut dyn Track) {
    track.begin("fold-1").unwrap();
    track.epoch(&record(1)).unwrap();
    track.epoch(&record(2)).unwrap();
}

fn about() -> About {
    let pair = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    About {
        run: "gcn".into(),
        data: "PROTEINS".into(),
        params: pair("train.epochs", "2"),
        tags: pair("hgnnc.file", "gcn.hgnn"),
    }
}

#[test]
fn records_have_the_checksums_that_tensorflow_reads() {
    // Written by TensorBoard's own `RecordWriter`: version `brain.Event:2` at second 1.5.
    let content = [&[0x09][..], &1.5f64.to_le_bytes(), &[0x1a, 0x0d], b"brain.Event:2"].concat();
    let expected = include_str!("tests/tensorboard.hex").lines().nth(1).unwrap();
    let hex: String = super::tensorboard::record(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
}

#[test]
fn events_are_in_a_file_of_their_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut events = tensorboard::Events::new(folder.path(), &about()).unwrap();
    written(&mut events);
    let file = fs::read_dir(folder.path().join("gcn/fold-1")).unwrap().next().unwrap().unwrap();
    assert!(file.file_name().to_string_lossy().starts_with("events.out.tfevents."));
    let bytes = fs::read(file.path()).unwrap();
    let mut at = 0;
    let mut n_records = 0;
    while at < bytes.len() {
        at += 16 + u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        n_records += 1;
    }
    assert_eq!((at, n_records), (bytes.len(), 3), "the version and two epochs");
    assert!(bytes.windows(19).any(|window| window == b"accuracy/validation"));
}

#[test]
fn a_run_of_mlflow_has_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = mlflow::Store::new(folder.path(), &about()).unwrap();
    written(&mut store);
    let experiment = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    assert!(fs::read_to_string(experiment.join("meta.yaml")).unwrap().contains("name: \"PROTEINS\""));
    let run = fs::read_dir(&experiment)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    assert_eq!(read("params/train.epochs"), "2");
    assert_eq!(read("tags/mlflow.runName"), "gcn/fold-1");
    let lines = read("metrics/accuracy/validation");
    let steps: Vec<&str> = lines.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(steps, ["0.75 1", "0.75 2"]);
    assert!(read("meta.yaml").contains("status: 1"));
    let mut summary = crate::train::UnitSummary::empty("fold-1");
    summary.searched.insert("width".into(), "32".into());
    store.end(&summary).unwrap();
    assert_eq!(read("params/searched.width"), "32");
    assert!(read("meta.yaml").contains("status: 3"));
}

#[test]
fn a_table_has_a_line_for_each_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/epochs.csv");
    let mut table = csv::Table::new(&path).unwrap();
    written(&mut table);
    let summary = crate::train::UnitSummary::empty("fold-1");
    table.end(&summary).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        "run,epoch,accuracy/validation,gradient_norm,learning_rate,loss/train,seconds/train\nfold-1,1,0.75,1.5,0.01,0.5,0\nfold-1,2,0.75,1.5,0.01,0.5,0\n"
    );
}
