//! Damaged runs: whatever changes in a file of a run, a command says so or gives the same answer.

use candle_core::Device;
use hgnn::compile::compile;
use hgnn::data::{DataOptions, Dataset};
use hgnn::train::{
    self, Checkpoint, Event, Origin, Output, Overrides, Progress, RunFolder, SavedModel, TrainRequest,
    find_run,
};
use std::cell::Cell;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

const MODEL: &str = "data = karate()
model = gcn(4) -> batch_norm -> relu -> dropout(0.2) -> gcn
train { optimizer = adam(0.01), epochs = 4 }
evaluate { metrics = [accuracy, macro_f1] }
published { accuracy = 0.75, source = \"table 1\" }
";

/// Asks for a stop in the middle of an epoch, and collects what is said.
struct Watch<'a> {
    stop_at: Option<(usize, usize)>,
    stop: &'a Cell<bool>,
    warnings: Vec<String>,
}

impl Progress for Watch<'_> {
    fn on(&mut self, event: Event) {
        match event {
            Event::Batch { epoch, batch, .. } => {
                self.stop.set(self.stop.get() || self.stop_at == Some((epoch, batch)));
            }
            Event::Warning(text) => self.warnings.push(text.to_owned()),
            _ => {}
        }
    }
}

/// Trains, and gives what the run came to and the warnings; with `stop_at` to that epoch and batch only.
fn trained(out: Output, init_from: Option<&Path>, stop_at: Option<(usize, usize)>) -> Result<String, String> {
    trained_on(MODEL, out, init_from, stop_at)
}

/// The same of another model.
pub fn trained_on(
    text: &str,
    out: Output,
    init_from: Option<&Path>,
    stop_at: Option<(usize, usize)>,
) -> Result<String, String> {
    let compiled = compile("m.hgnn", text, &DataOptions::from_env()).map_err(|error| error.to_string())?;
    let source = match &out {
        Output::Resume(path) => {
            let folder = RunFolder::open(path).map_err(|error| error.to_string())?;
            folder.source().map_err(|error| error.to_string())?
        }
        _ => compiled.source,
    };
    let model = source.compile(Some(&compiled.dataset.facts())).outcome.model.ok_or("it does not compile")?;
    let stop = Cell::new(false);
    let request = TrainRequest {
        room: None,
        name: "m".into(),
        file: "m.hgnn".into(),
        model: &model,
        dataset: &compiled.dataset,
        source,
        overrides: Overrides { seed: Some(3), epochs: None },
        origin: Origin::default(),
        init_from: init_from.map(Path::to_path_buf),
        device: Device::Cpu,
        out,
        stop: &|| stop.get(),
    };
    let mut watch = Watch { stop_at, stop: &stop, warnings: Vec::new() };
    let summary = train::run(&request, &mut watch).map_err(|error| error.to_string())?;
    let folder = summary.dir.clone().expect("it is written");
    let mut text = serde_json::to_string(&summary).unwrap();
    for name in ["checkpoint.safetensors", "metrics.jsonl", "split.json"] {
        let bytes = fs::read(folder.join(name)).map_err(|error| error.to_string())?;
        text += &format!("{bytes:?}");
    }
    if watch.warnings.is_empty() { Ok(text) } else { Err(watch.warnings.join("; ")) }
}

fn data() -> Dataset {
    compile("m.hgnn", MODEL, &DataOptions::from_env()).expect("the model is right").dataset
}

/// What `eval`, `predict`, `hash`, `diff` and `show` answer from, where they do so without a word.
fn answer(run: &Path, data: &Dataset) -> Result<String, String> {
    let (text, notes) = answer_and_notes(run, data)?;
    // Notes go to standard error beside the answer.
    if notes.is_empty() { Ok(text) } else { Err(notes.join("; ")) }
}

fn answer_and_notes(run: &Path, data: &Dataset) -> Result<(String, Vec<String>), String> {
    let told = |error: train::TrainError| error.to_string();
    let found = find_run(run).map_err(told)?;
    let saved = SavedModel::open(&found.checkpoints[0], &Device::Cpu).map_err(told)?;
    let checkpoint = Checkpoint::read(&found.checkpoints[0]).map_err(told)?;
    saved.check_data(data, true).map_err(told)?;
    let split = saved.split(data).map_err(told)?.ok_or("no split")?;
    let mut text = format!("{} {:?}\n", checkpoint.epoch, checkpoint.facts.overrides);
    for part in [&split.train, &split.validation, &split.test] {
        text += &format!("{:?}\n", saved.score(data, part).map_err(told)?);
    }
    let side = checkpoint.side().map_err(told)?;
    text += &format!("{:?}\n{}", saved.predict(data).map_err(told)?, hgnn::ir::Canonical::of(&side.model));
    Ok((text, [found.notes, saved.notes].concat()))
}

/// Copies a folder of files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Files of a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Calls `check` with each damage of each file in turn: flipped bits, cuts, and the file gone.
fn damage(folder: &Path, n_flips: usize, n_cuts: usize, mut check: impl FnMut(&str)) {
    for path in files(folder) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let whole = fs::read(&path).unwrap();
        let n_bits = 8 * whole.len();
        // An odd stride, so that every bit of a byte has its turn.
        let stride = (n_bits / n_flips.max(1)) | 1;
        for bit in (0..n_bits).step_by(stride) {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &changed).unwrap();
            check(&format!("{name}, bit {bit}"));
        }
        for length in (0..whole.len()).step_by(whole.len().div_ceil(n_cuts.max(1))) {
            fs::write(&path, &whole[..length]).unwrap();
            check(&format!("{name}, cut to {length} bytes"));
        }
        fs::remove_file(&path).unwrap();
        check(&format!("{name}, gone"));
        fs::write(&path, &whole).unwrap();
    }
}

#[track_caller]
fn assert_said_or_same(what: &str, expected: &str, ask: impl FnOnce() -> Result<String, String>) -> bool {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Err(_) => panic!("{what}: a panic"),
        Ok(Ok(found)) => {
            assert!(found == expected, "{what}: another answer, and not a word");
            false
        }
        Ok(Err(message)) => {
            assert!(!message.is_empty() && message.len() < 4000, "{what}: {message}");
            true
        }
    }
}

#[test]
fn a_damaged_run_is_named_or_answers_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let out = Output::Folder { path: run.clone(), force: false };
    trained(out, None, None).unwrap();
    let data = data();
    let expected = answer(&run, &data).unwrap();
    let mut named = std::collections::BTreeSet::new();
    damage(&run, 120, 25, |what| {
        if assert_said_or_same(what, &expected, || answer(&run, &data)) {
            named.insert(what.split(',').next().unwrap().to_owned());
        }
    });
    assert_eq!(answer(&run, &data).unwrap(), expected);
    for name in ["checkpoint.safetensors", "run.json", "split.json", "summary.json", "model.hgnn"] {
        assert!(named.contains(name), "no damage of {name} is ever found");
    }
}

#[test]
fn a_damaged_run_goes_on_to_the_same_end_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let (open, run) = (folder.path().join("open"), folder.path().join("run"));
    trained(Output::Folder { path: open.clone(), force: false }, None, Some((3, 1))).unwrap();
    let resume = || {
        let _ = fs::remove_dir_all(&run);
        copy(&open, &run);
        trained(Output::Resume(run.clone()), None, None)
    };
    let expected = resume().unwrap();
    let mut n_named = 0;
    damage(&open, 40, 12, |what| {
        // Without a state, a run begins again; without any mark of it, the other files are written anew.
        n_named += usize::from(assert_said_or_same(what, &expected, resume));
    });
    assert!(n_named > 150, "{n_named}");
}

#[test]
fn damaged_weights_are_not_begun_with() {
    let folder = tempfile::tempdir().unwrap();
    let (first, run) = (folder.path().join("first"), folder.path().join("run"));
    trained(Output::Folder { path: first.clone(), force: false }, None, None).unwrap();
    let begin = || {
        let _ = fs::remove_dir_all(&run);
        trained(Output::Folder { path: run.clone(), force: false }, Some(&first), None)
    };
    let expected = begin().unwrap();
    damage(&first, 12, 4, |what| {
        assert_said_or_same(what, &expected, begin);
    });
}

/// A whole safetensors file with other numbers in one tensor and a checksum that is right, as a hostile writer makes
/// it: read through its header, written through `train`'s own writer.
#[test]
fn weights_that_are_not_finite_and_splits_out_of_range_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    trained(Output::Folder { path: run.clone(), force: false }, None, None).unwrap();
    let path = run.join("checkpoint.safetensors");
    // The first format has no checksum, so nothing but the numbers themselves can be looked at.
    let mut bytes = unsealed(&fs::read(&path).unwrap());
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let error = answer(&run, &data()).unwrap_err();
    assert!(error.contains("holds a number that is not finite"), "{error}");

    bytes[end - 4..].copy_from_slice(&0.5f32.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let (_, notes) = answer_and_notes(&run, &data()).unwrap();
    assert!(notes[0].contains("without a checksum"), "{notes:?}");
    let split = run.join("split.json");
    for (text, expected) in [
        (r#"{"train":[0,1,99],"validation":[2],"test":[3]}"#, "item 99 of the training part does not exist"),
        (r#"{"train":[0,1],"validation":[1],"test":[3]}"#, "item 1 of the validation part occurs twice"),
        (r#"{"train":[0,1],"validation":[2],"test":[3],"test":[4]}"#, "`test` occurs twice"),
    ] {
        fs::write(&split, text).unwrap();
        let error = answer_and_notes(&run, &data()).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

/// A checkpoint as the first format has it: without a checksum, and without what came later.
pub fn unsealed(bytes: &[u8]) -> Vec<u8> {
    let n_header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + n_header]).unwrap();
    let metadata = header["__metadata__"].as_object_mut().unwrap();
    for name in ["checksum", "split", "overrides"] {
        metadata.remove(name);
    }
    metadata["format"] = "hgnnc checkpoint 1".into();
    let header = serde_json::to_vec(&header).unwrap();
    let mut changed = (header.len() as u64).to_le_bytes().to_vec();
    changed.extend_from_slice(&header);
    changed.extend_from_slice(&bytes[8 + n_header..]);
    changed
}

fn hgnnc(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.current_dir(folder).env_remove("HGNN_DATA").env("HGNN_OFFLINE", "1").args(args);
    let output = command.output().expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn an_older_checkpoint_is_read_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("m.hgnn"), MODEL).unwrap();
    assert_eq!(hgnnc(path, &["train", "m.hgnn", "--out", "run"]).0, Some(0));
    let (_, before, silent) = hgnnc(path, &["predict", "run"]);
    assert_eq!(silent, "");
    let checkpoint = path.join("run/checkpoint.safetensors");
    fs::write(&checkpoint, unsealed(&fs::read(&checkpoint).unwrap())).unwrap();
    let (code, after, note) = hgnnc(path, &["predict", "run"]);
    assert_eq!((code, after), (Some(0), before));
    assert!(note.contains("note: ") && note.contains("was written without a checksum"), "{note}");
}

/// The commands themselves, on a few damages of each file.
#[test]
fn no_command_answers_from_half_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("m.hgnn"), MODEL).unwrap();
    let train = ["train", "m.hgnn", "--out", "run", "--seed", "5", "--epochs", "3"];
    assert_eq!(hgnnc(path, &train).0, Some(0));
    let commands: [&[&str]; 5] = [
        &["eval", "run"],
        &["predict", "run"],
        &["hash", "run"],
        &["diff", "run", "m.hgnn", "--no-data"],
        &["show", "run/checkpoint.safetensors", "--no-data"],
    ];
    let expected = commands.map(|args| hgnnc(path, args));
    damage(&path.join("run"), 2, 1, |what| {
        for (args, (code, out, _)) in commands.iter().zip(&expected) {
            let (found_code, found, err) = hgnnc(path, args);
            assert!(!err.contains("panicked"), "{what}, {args:?}: {err}");
            let is_said = found_code == Some(2) && !err.is_empty();
            assert!(is_said || (found_code, &found) == (*code, out), "{what}, {args:?}: {found}\n{err}");
        }
    });
    fs::remove_file(path.join("run/run.json")).unwrap();
    for args in [["eval", "run"], ["hash", "run"], ["predict", "run"]] {
        let (code, _, err) = hgnnc(path, &args);
        assert!(code == Some(2) && err.contains("not a complete run"), "{args:?}: {err}");
    }
    // The checkpoint alone is one whole file.
    let alone = ["hash", "run/checkpoint.safetensors"];
    assert_eq!(hgnnc(path, &alone).0, Some(0));
}

#[test]
fn a_fold_that_is_gone_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let folds = MODEL.replace("evaluate {", "evaluate { protocol = k_fold(3)\n");
    fs::write(path.join("m.hgnn"), folds).unwrap();
    assert_eq!(hgnnc(path, &["train", "m.hgnn", "--out", "run", "--epochs", "1"]).0, Some(0));
    assert_eq!(hgnnc(path, &["eval", "run"]).0, Some(0));
    fs::remove_file(path.join("run/fold-2/checkpoint.safetensors")).unwrap();
    let (code, _, err) = hgnnc(path, &["eval", "run"]);
    assert!(code == Some(2) && err.contains("fold-2") && err.contains("missing"), "{err}");
}
