//! Whole runs on small data: results, bytes, breaks and what goes wrong.

use super::*;
use crate::data::features::scaling::Scale;
use crate::data::synthetic::{RandomGraphs, random_graphs};
use crate::data::{DatasetParts, Features, Vocabulary};
use crate::train::progress::{Event, Silent};
use crate::train::{Checkpoint, EpochRecord, Figures, SavedModel, checkpoints};
use crate::types::{Entity, TargetKind, Task};
use std::cell::Cell;
use std::fs;
use std::path::Path;

const POOLED: &str = "model = sage(8) -> batch_norm -> relu -> diffpool(k = 3) -> sage(8) -> relu -> mean
        -> dropout(0.3) -> mlp
    loss = cross_entropy + link_prediction + 0.1 * entropy
    train { optimizer = adam(0.01, weight_decay = 1e-3), schedule = plateau(patience = 0)
            epochs = 4, batch_size = 7, clip_norm = 1.0, seed = 3 }";

/// Forty cycles of three to eight nodes. Their first feature has another sign for each of two classes; the
/// values to predict are linear in it.
pub(super) fn cycles(kind: TargetKind) -> Dataset {
    let (mut node_offsets, mut edges, mut values) = (vec![0u32], Vec::new(), Vec::new());
    let (mut classes, mut targets) = (Vec::new(), Vec::new());
    for graph in 0..40u32 {
        let (start, n_nodes) = (*node_offsets.last().unwrap(), 3 + graph % 6);
        let sign = if graph % 2 == 0 { 1.0 } else { -1.0 };
        for node in 0..n_nodes {
            let next = start + (node + 1) % n_nodes;
            edges.extend([(start + node, next), (next, start + node)]);
            values.extend([sign * (1.0 + 0.1 * node as f32), (graph * 7 % 5) as f32 * 0.2]);
        }
        node_offsets.push(start + n_nodes);
        classes.push(i64::from(graph % 2));
        targets.push(3.0 * sign);
    }
    Dataset::new(DatasetParts {
        name: "cycles".into(),
        task: Some(Task { entity: Entity::Graph, kind }),
        node_offsets,
        edges,
        edge_features: None,
        edge_kinds: None,
        features: Features::Dense { values: values.into(), width: 2 },
        targets: match kind {
            TargetKind::Classification => Targets::Classes(classes),
            // Whether a graph is even, and the same where it is known.
            TargetKind::MultiLabel => {
                let is_even = |graph: usize| if graph.is_multiple_of(2) { 1.0 } else { 0.0 };
                let labels = |graph| [is_even(graph), if graph % 5 == 0 { f32::NAN } else { is_even(graph) }];
                Targets::Values { values: (0..40).flat_map(labels).collect(), n_values: 2 }
            }
            _ => Targets::Values { values: targets, n_values: 1 },
        },
        class_names: match kind {
            TargetKind::Classification => vec!["even".into(), "odd".into()],
            TargetKind::MultiLabel => vec!["even".into(), "also".into()],
            _ => Vec::new(),
        },
        fixed_split: None,
        graph_ids: (1..=40).collect(),
        vocabulary: Vocabulary::default(),
    })
}

fn classes() -> Dataset {
    cycles(TargetKind::Classification)
}

/// A progress that asks for a stop at a place.
struct StopAt<'a> {
    place: (usize, usize),
    stop: &'a Cell<bool>,
}
impl Progress for StopAt<'_> {
    fn on(&mut self, event: Event) {
        if let Event::Batch { epoch, batch, .. } = event {
            self.stop.set(self.stop.get() || (epoch, batch) == self.place);
        }
    }
}

/// Trains; with `stop_at` until that epoch and batch of the first run (both counted from 1).
pub(super) fn train(
    text: &str,
    dataset: &Dataset,
    out: Output,
    stop_at: Option<(usize, usize)>,
) -> Result<RunSummary> {
    train_from(None, text, dataset, out, stop_at)
}

/// The same, with the weights of another run to begin with.
fn train_from(
    init_from: Option<&Path>,
    text: &str,
    dataset: &Dataset,
    out: Output,
    stop_at: Option<(usize, usize)>,
) -> Result<RunSummary> {
    let source = ModelSource::single(text);
    let outcome = source.compile(Some(&dataset.facts())).outcome;
    let model = outcome.model.unwrap_or_else(|| panic!("{:#?}", outcome.diagnostics));
    let stop = Cell::new(false);
    let request = TrainRequest {
        room: None,
        name: "toy".into(),
        file: "toy.hgnn".into(),
        model: &model,
        dataset,
        source,
        overrides: Overrides::default(),
        origin: Origin::default(),
        init_from: init_from.map(Path::to_path_buf),
        device: Device::Cpu,
        out,
        stop: &|| stop.get(),
    };
    match stop_at {
        Some(place) => run(&request, &mut StopAt { place, stop: &stop }),
        None => run(&request, &mut Silent),
    }
}

pub(super) fn at(path: &Path) -> Output {
    Output::Folder { path: path.to_path_buf(), force: false }
}

pub(super) fn records(folder: &Path) -> Vec<EpochRecord> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let parse = |line| EpochRecord { train_s: 0.0, validation_s: 0.0, ..serde_json::from_str(line).unwrap() };
    text.lines().map(parse).collect()
}

fn assert_same_run(a: &Path, b: &Path) {
    let bytes = |folder: &Path| fs::read(folder.join("checkpoint.safetensors")).unwrap();
    assert!(bytes(a) == bytes(b), "the checkpoints differ");
    assert_eq!(records(a), records(b));
}

#[test]
fn separable_graphs_are_learned_without_a_mistake() {
    let text = "model = sage(8) -> relu -> mean -> mlp
        train { optimizer = adam(0.05), epochs = 40, batch_size = 8 }
        evaluate { protocol = holdout(validation = 0.2, test = 0.2), metrics = [accuracy, macro_f1] }";
    let summary = train(text, &classes(), Output::Nothing, None).unwrap();
    for part in [&summary.train, &summary.validation, &summary.test] {
        assert_eq!(part["accuracy"].mean, 1.0);
        assert_eq!(part["macro_f1"].mean, 1.0);
    }
    assert_eq!(summary.status, Status::Finished);
}

#[test]
fn values_are_learned_too() {
    let text = "model = sage(8) -> relu -> mean -> mlp
        loss = mse
        train { optimizer = adam(0.05), epochs = 60, batch_size = 8 }";
    let summary = train(text, &cycles(TargetKind::Regression), Output::Nothing, None).unwrap();
    assert!(summary.test["mae"].mean < 0.5, "{:?}", summary.test);
    assert_eq!(summary.metrics, ["mae", "rmse"]);
}

/// A run with scaled targets is the run on targets that were scaled beforehand, here by loops of its own, and its metrics and
/// predictions are in the units of the data.
#[test]
fn values_are_learned_on_a_common_scale_and_reported_in_their_units() {
    let folder = tempfile::tempdir().unwrap();
    let text = |scale: &str| {
        format!(
            "model = sage(8) -> relu -> mean -> mlp
            loss = mse
            train {{ optimizer = adam(0.05), epochs = 12, batch_size = 7 {scale} }}
            evaluate {{ protocol = holdout(validation = 0.2, test = 0.2), metrics = [mae, r2] }}"
        )
    };
    let mut data = cycles(TargetKind::Regression);
    let raw: Vec<f32> =
        (0..40).map(|graph| 1000.0 + 80.0 * (graph % 2) as f32 + (graph % 7) as f32).collect();
    data.targets = Targets::Values { values: raw.clone(), n_values: 1 };
    for name in ["standard", "minmax"] {
        let path = folder.path().join(name);
        let scaled = train(&text(&format!(", scale_targets = {name}")), &data, at(&path), None).unwrap();
        let split: crate::data::Split =
            serde_json::from_slice(&fs::read(path.join("split.json")).unwrap()).unwrap();
        let seen: Vec<f64> = split.train.iter().map(|&graph| f64::from(raw[graph as usize])).collect();
        let mean = seen.iter().sum::<f64>() / seen.len() as f64;
        let least = seen.iter().copied().fold(f64::MAX, f64::min);
        let (offset, unit) = match name {
            "standard" => (
                mean,
                (seen.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / seen.len() as f64).sqrt(),
            ),
            _ => (least, seen.iter().copied().fold(f64::MIN, f64::max) - least),
        };
        let mut beforehand = cycles(TargetKind::Regression);
        let values = raw.iter().map(|&value| ((f64::from(value) - offset) / unit) as f32).collect();
        beforehand.targets = Targets::Values { values, n_values: 1 };
        let plain_path = folder.path().join(format!("{name}-beforehand"));
        let plain = train(&text(""), &beforehand, at(&plain_path), None).unwrap();
        let saved = SavedModel::open(&checkpoints(&path).unwrap()[0], &Device::Cpu).unwrap();
        let plain_saved = SavedModel::open(&checkpoints(&plain_path).unwrap()[0], &Device::Cpu).unwrap();
        for (ours, theirs) in [
            (&scaled.units[0].train, &plain.units[0].train),
            (&scaled.units[0].validation, &plain.units[0].validation),
            (&scaled.units[0].test, &plain.units[0].test),
        ] {
            let near = |key: &str, factor: f64| {
                let (ours, theirs) = (ours[key].unwrap(), factor * theirs[key].unwrap());
                assert!(
                    (ours - theirs).abs() < 2e-4 * theirs.abs().max(1.0),
                    "{name} {key}: {ours} {theirs}"
                );
            };
            near("loss", 1.0);
            near("mae", unit);
            near("r2", 1.0);
        }
        let (ours, theirs) = (saved.predict(&data).unwrap(), plain_saved.predict(&beforehand).unwrap());
        for (ours, theirs) in ours.values.iter().zip(&theirs.values) {
            let theirs = f64::from(*theirs) * unit + offset;
            assert!((f64::from(*ours) - theirs).abs() < 1e-2, "{name}: {ours} {theirs}");
        }
        assert_eq!(saved.score(&data, &split.test).unwrap(), scaled.units[0].test);
        assert!(ours.values.iter().all(|value| (800.0..1300.0).contains(value)), "{:?}", ours.values);
    }
}

/// Numbers of scikit-learn: `StandardScaler` and `MinMaxScaler` fitted on the first three rows, applied to all.
#[test]
fn targets_are_scaled_as_scikit_learn_scales() {
    let mut data = cycles(TargetKind::Regression);
    let rows = [[1.0f32, 10.0], [2.0, 10.0], [6.0, 10.0], [-4.0, 12.0]];
    let values = (0..40).flat_map(|row| rows[row % 4]).collect();
    data.targets = Targets::Values { values, n_values: 2 };
    for (scale, expected) in [
        (Scale::Standard, [-0.9258201, -0.46291005, 1.3887302, -3.2403703]),
        (Scale::MinMax, [0.0, 0.2, 1.0, -1.0]),
    ] {
        let scaling = crate::data::features::scaling::Scaling::of_targets(&data, &[0, 1, 2], scale).unwrap();
        for (row, expected) in rows.iter().zip(expected) {
            let mut values = *row;
            scaling.apply(&mut values);
            assert!((values[0] - expected as f32).abs() < 1e-6, "{values:?} {expected}");
            scaling.undo(&mut values);
            assert!((values[0] - row[0]).abs() < 1e-5, "{values:?}");
            // A column that was the same everywhere is predicted as that.
            assert_eq!(values[1], 10.0);
        }
    }
}

#[test]
fn one_and_two_threads_write_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let run_with = |n_threads: usize| {
        let path = folder.path().join(n_threads.to_string());
        let run = || train(POOLED, &classes(), at(&path), None).unwrap();
        crate::kernels::threads::with_count(n_threads, run);
        path
    };
    assert_same_run(&run_with(1), &run_with(2));
}

#[test]
fn a_resumed_run_ends_like_one_that_was_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let straight = folder.path().join("straight");
    let whole = train(POOLED, &classes(), at(&straight), None).unwrap();
    // In the middle of an epoch, after its last batch (32 graphs are trained on), and in the first epoch.
    for place in [(3, 2), (2, 5), (1, 1)] {
        let path = folder.path().join(format!("{}-{}", place.0, place.1));
        let summary = train(POOLED, &classes(), at(&path), Some(place)).unwrap();
        assert_eq!(summary.status, Status::Interrupted);
        assert!(path.join("state.safetensors").is_file());
        let resumed = train(POOLED, &classes(), Output::Resume(path.clone()), None).unwrap();
        assert_eq!(resumed.status, Status::Finished);
        assert!(!path.join("state.safetensors").exists());
        assert_same_run(&straight, &path);
        assert_eq!(resumed.test, whole.test);
    }
}

/// Columns that are scaled by the training part, and a sign that is drawn for each batch.
#[test]
fn scaled_columns_and_drawn_signs_are_those_of_the_run_after_a_break_and_in_its_checkpoint() {
    let mut dataset = classes();
    dataset.draw_signs(std::iter::once(0..1).collect());
    dataset.scales_columns = Some(Scale::Standard);
    let folder = tempfile::tempdir().unwrap();
    for (name, batch_size) in [("many", 7), ("one", 64)] {
        let text = POOLED.replace("batch_size = 7", &format!("batch_size = {batch_size}"));
        let [straight, broken] =
            ["straight", "broken"].map(|run| folder.path().join(format!("{name}-{run}")));
        let whole = train(&text, &dataset, at(&straight), None).unwrap();
        train(&text, &dataset, at(&broken), Some((2, 1))).unwrap();
        train(&text, &dataset, Output::Resume(broken.clone()), None).unwrap();
        assert_same_run(&straight, &broken);
        let saved = SavedModel::open(&checkpoints(&straight).unwrap()[0], &Device::Cpu).unwrap();
        let split = saved.split(&dataset).unwrap().unwrap();
        assert_eq!(saved.score(&dataset, &split.test).unwrap(), whole.units[0].test);
        assert!(saved.checkpoint.scaling.is_some());
        // Neither is there without being asked for, and a model without scaling is not given scaled columns.
        let plain_path = folder.path().join(format!("{name}-plain"));
        train(&text, &classes(), at(&plain_path), None).unwrap();
        assert_ne!(records(&plain_path), records(&straight));
        let plain = SavedModel::open(&checkpoints(&plain_path).unwrap()[0], &Device::Cpu).unwrap();
        let error = plain.check_data(&dataset, true).unwrap_err().to_string();
        assert!(error.contains("not scaled in training"), "{error}");
    }
}

#[test]
fn folds_are_resumed_where_they_were_broken_off() {
    let text = "model = sage(4) -> relu -> mean -> mlp
        train { epochs = 3, batch_size = 8 }
        evaluate { protocol = k_fold(3, inner_holdout = 0.2) }";
    let folder = tempfile::tempdir().unwrap();
    let (straight, broken) = (folder.path().join("straight"), folder.path().join("broken"));
    let whole = train(text, &classes(), at(&straight), None).unwrap();
    assert_eq!(whole.units.len(), 3);
    assert_eq!(whole.test["accuracy"].n_runs, 3);
    assert!(whole.test["accuracy"].std.is_some());
    let stopped = train(text, &classes(), at(&broken), Some((2, 1))).unwrap();
    assert_eq!((stopped.status, stopped.units.len()), (Status::Interrupted, 1));
    let resumed = train(text, &classes(), Output::Resume(broken.clone()), None).unwrap();
    assert_eq!(resumed.test, whole.test);
    for fold in ["fold-1", "fold-2", "fold-3"] {
        assert_same_run(&straight.join(fold), &broken.join(fold));
    }
    let error = train(text, &classes(), Output::Resume(broken), None).unwrap_err();
    assert!(error.to_string().contains("finished"), "{error}");
}

#[test]
fn a_run_is_resumed_only_with_its_own_model_and_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    train(POOLED, &classes(), at(&path), Some((1, 1))).unwrap();
    let other = POOLED.replace("k = 3", "k = 4");
    let error = train(&other, &classes(), Output::Resume(path.clone()), None).unwrap_err();
    assert!(error.to_string().contains("model has changed"), "{error}");
    let mut changed = classes();
    (changed.fingerprint, changed.structure_fingerprint) = ("other".into(), "other".into());
    let error = train(POOLED, &changed, Output::Resume(path), None).unwrap_err();
    assert!(error.to_string().contains("content of cycles has changed"), "{error}");
}

const FOLDS: &str = "model = sage(4) -> relu -> mean -> mlp
    train { epochs = 3, batch_size = 8 }
    evaluate { protocol = k_fold(3, inner_holdout = 0.2) }";

#[test]
fn each_fold_begins_with_the_weights_of_its_own_and_goes_on_after_a_break() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    train(FOLDS, &classes(), at(&path("first")), None).unwrap();
    let text = FOLDS.replace("-> mean", "-> sage(4) -> mean");
    let from = path("first");
    train_from(Some(&from), &text, &classes(), at(&path("straight")), None).unwrap();
    let broken = path("broken");
    let stopped = train_from(Some(&from), &text, &classes(), at(&broken), Some((2, 1))).unwrap();
    assert_eq!((stopped.status, stopped.units.len()), (Status::Interrupted, 1));
    // What it needs of the first run lies in its own folder.
    fs::remove_dir_all(&from).unwrap();
    train(&text, &classes(), Output::Resume(broken.clone()), None).unwrap();
    for fold in ["fold-1", "fold-2", "fold-3"] {
        assert_same_run(&path("straight").join(fold), &broken.join(fold));
    }
    let record = RunFolder::open(&broken).unwrap().record().unwrap().init_from.unwrap();
    assert_eq!((record.of_run.as_slice(), record.checkpoints.len()), ([0, 1, 2].as_slice(), 3));
    let moved = ("4.mlp.layer0.weight".to_owned(), "5.mlp.layer0.weight".to_owned());
    assert!(record.loaded.contains(&moved), "{record:?}");
    assert_eq!(record.new[0].0, "3.sage.weight");
    assert!(record.notes.is_empty(), "{:?}", record.notes);
    let session = Session::here(&Origin::default(), &Device::Cpu);
    drop(RunFolder::create(&broken, true, &session).unwrap());
    assert_eq!(fs::read_dir(&broken).unwrap().count(), 0);
}

#[test]
fn weights_that_saw_the_test_part_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    train(FOLDS, &classes(), at(&first), None).unwrap();
    let text = FOLDS.replace("k_fold(3, inner_holdout = 0.2)", "holdout(validation = 0.2, test = 0.5)");
    train_from(Some(&first), &text, &classes(), at(&second), None).unwrap();
    let record = RunFolder::open(&second).unwrap().record().unwrap().init_from.unwrap();
    assert!(
        record.notes[0].contains("split differently") && record.notes[0].contains("fold-1"),
        "{record:?}"
    );
    assert!(record.notes[1].contains("20 test items were trained or validated on before"), "{record:?}");
}

#[test]
fn weights_that_learned_targets_of_another_scale_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = |more: &str| {
        format!(
            "model = sage(4) -> mean -> mlp\nloss = mse\ntrain {{ epochs = 1 {more} }}
             evaluate {{ protocol = holdout(validation = 0.2, test = 0.2) }}"
        )
    };
    let of_values = |value: &dyn Fn(usize) -> f32| {
        let mut data = cycles(TargetKind::Regression);
        data.targets = Targets::Values { values: (0..40).map(value).collect(), n_values: 1 };
        data
    };
    // Ones and zeros in turn: both their mean and their deviation are about a half.
    let near = of_values(&|graph| (graph % 2) as f32);
    let far = of_values(&|graph| 100.0 + 8.0 * (graph % 2) as f32);
    let (scaled, plain) = (text(", scale_targets = standard"), text(""));
    let [first, unscaled] = ["first", "unscaled"].map(|name| folder.path().join(name));
    train(&scaled, &near, at(&first), None).unwrap();
    train(&plain, &near, at(&unscaled), None).unwrap();
    let mut n_runs = 0;
    let mut notes = |from: &Path, text: &str, data: &Dataset| {
        n_runs += 1;
        let path = folder.path().join(n_runs.to_string());
        train_from(Some(from), text, data, at(&path), None).unwrap();
        let notes = RunFolder::open(&path).unwrap().record().unwrap().init_from.unwrap().notes;
        notes.into_iter().filter(|note| note.contains("scale_targets")).collect::<Vec<_>>()
    };
    let found = notes(&first, &scaled, &far);
    assert!(found.len() == 1 && found[0].contains("and is learned as (y - 10"), "{found:?}");
    let found = notes(&first, &plain, &near);
    assert!(found.len() == 1 && found[0].contains("and is learned as y on"), "{found:?}");
    let found = notes(&unscaled, &scaled, &near);
    assert!(found.len() == 1 && found[0].contains("was learned as y on"), "{found:?}");
    for (from, text) in [(&first, &scaled), (&unscaled, &plain)] {
        assert_eq!(notes(from, text, &near), Vec::<String>::new());
    }
}

#[test]
fn links_of_the_training_part_are_measured_again_as_training_did() {
    let folder = tempfile::tempdir().unwrap();
    let data =
        random_graphs(&RandomGraphs { n_graphs: 1, min_nodes: 30, max_nodes: 30, ..RandomGraphs::default() });
    let data = data.for_task(Task::from_name("link_prediction").unwrap());
    for (idx, more) in
        ["", ", disjoint = 0.3", ", disjoint = 0.3, negatives = uniform(3)"].into_iter().enumerate()
    {
        let path = folder.path().join(idx.to_string());
        let text = format!(
            "task = link_prediction\nmodel = gcn(6) -> relu -> gcn(4) -> inner_product
             train {{ epochs = 2, batch_size = 16 {more} }}
             evaluate {{ protocol = holdout(validation = 0.2, test = 0.2), metrics = [auc, mrr] }}"
        );
        let trained = train(&text, &data, at(&path), None).unwrap();
        let saved = SavedModel::open(&checkpoints(&path).unwrap()[0], &Device::Cpu).unwrap();
        let split = saved.split(&data).unwrap().unwrap();
        let asked = saved.supervised(&split);
        assert_eq!(asked.len() < split.train.len(), more.contains("disjoint"));
        assert_eq!(saved.score_training(&data, &asked).unwrap(), trained.units[0].train, "{more}");
        assert_eq!(saved.score(&data, &split.test).unwrap(), trained.units[0].test, "{more}");
    }
}

#[test]
fn weights_without_a_place_are_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first");
    train("model = sage(4) -> mean -> linear\ntrain { epochs = 1 }", &classes(), at(&first), None).unwrap();
    let other = "model = gin(5) -> mean -> mlp\ntrain { epochs = 1 }";
    let error = train_from(Some(&first), other, &classes(), Output::Nothing, None).unwrap_err().to_string();
    assert!(error.contains("no weight") && error.contains("sage(4) → gin(5)"), "{error}");
}

#[test]
fn the_best_epoch_is_restored() {
    let text = "model = sage(4) -> relu -> mean -> mlp
        train { optimizer = sgd(0.5), epochs = 30, batch_size = 5, early_stop = patience(5, monitor = val_loss) }";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let summary = train(text, &classes(), at(&path), None).unwrap();
    let records = records(&path);
    let unit = &summary.units[0];
    let kept = unit.kept_epoch.unwrap();
    let loss = |record: &EpochRecord| record.validation["loss"].unwrap();
    assert!(records.iter().all(|record| loss(record) >= loss(&records[kept - 1])));
    assert_eq!(unit.validation["loss"], records[kept - 1].validation["loss"]);
}

#[test]
fn a_loss_that_is_not_finite_names_the_batch_and_keeps_the_last_good_weights() {
    // Far above the largest stable rate, the error grows in every step until f32 ends.
    let text = "model = mean -> linear
        loss = mse
        train { optimizer = sgd(2.0), epochs = 200, batch_size = 16, early_stop = last }";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let error = train(text, &cycles(TargetKind::Regression), at(&path), None).unwrap_err();
    let TrainError::NotFinite { epoch, batch, n_batches, graphs, kept, .. } = &error else {
        panic!("{error}")
    };
    assert!(*epoch > 1 && (1..=*n_batches).contains(batch) && !graphs.is_empty(), "{error}");
    assert!(error.to_string().contains(&format!("epoch {epoch}")), "{error}");
    let (kept_epoch, kept_path) = kept.clone().unwrap();
    assert_eq!(kept_epoch, epoch - 1);
    let saved = SavedModel::open(&kept_path.unwrap(), &Device::Cpu).unwrap();
    assert_eq!(saved.checkpoint.epoch, kept_epoch);
    let summary = fs::read_to_string(path.join("summary.json")).unwrap();
    assert!(summary.contains("diverged"), "{summary}");
}

#[test]
fn a_saved_model_measures_what_its_run_reported() {
    let dataset = classes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let summary = train(POOLED, &dataset, at(&path), None).unwrap();
    let checkpoint = checkpoints(&path).unwrap().remove(0);
    let saved = SavedModel::open(&checkpoint, &Device::Cpu).unwrap();
    saved.check_data(&dataset, true).unwrap();
    let split = saved.split(&dataset).unwrap().unwrap();
    assert_eq!(saved.score(&dataset, &split.test).unwrap(), summary.units[0].test);
    let outputs = saved.predict(&dataset).unwrap();
    assert_eq!(outputs.items.len(), dataset.n_graphs());
    assert!(outputs.rows().all(|(_, row)| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
}

#[test]
fn class_weights_are_counted_in_the_training_part_and_kept_with_the_weights() {
    let mut dataset = classes();
    if let Targets::Classes(classes) = &mut dataset.targets {
        (0..).zip(classes).for_each(|(graph, class)| *class = i64::from(graph % 8 == 0));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let text = "model = gin(4) -> relu -> sum -> mlp\nloss = cross_entropy(class_weights = balanced)
        train { epochs = 2, batch_size = 7 }";
    let summary = train(text, &dataset, at(&path), None).unwrap();
    let checkpoint = checkpoints(&path).unwrap().remove(0);
    let saved = SavedModel::open(&checkpoint, &Device::Cpu).unwrap();
    let split = saved.split(&dataset).unwrap().unwrap();
    let n_rare = split.train.iter().filter(|&&graph| graph % 8 == 0).count();
    let n_train = split.train.len();
    let expected = [n_train as f32 / (2 * (n_train - n_rare)) as f32, n_train as f32 / (2 * n_rare) as f32];
    let kept = Checkpoint::read(&checkpoint).unwrap();
    assert_eq!(kept.tensors["loss.class_weights"].to_vec1::<f32>().unwrap(), expected);
    assert_eq!(saved.score(&dataset, &split.test).unwrap(), summary.units[0].test);
}

#[test]
fn a_checkpoint_says_what_differs_from_the_file_and_the_data() {
    let dataset = classes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    train("model = sage(4) -> relu -> mean -> mlp\ntrain { epochs = 1 }", &dataset, at(&path), None).unwrap();
    let checkpoint = path.join("checkpoint.safetensors");
    let open = || SavedModel::open(&checkpoint, &Device::Cpu);

    let narrow = Dataset {
        features: Features::Dense { values: vec![1.0; dataset.n_nodes()].into(), width: 1 },
        ..dataset
    };
    let error = open().unwrap().check_data(&narrow, false).unwrap_err();
    assert!(error.to_string().contains("2 node features, but cycles has 1"), "{error}");
    let renamed = Dataset { class_names: vec!["even".into(), "other".into()], ..classes() };
    let error = open().unwrap().check_data(&renamed, true).unwrap_err();
    assert!(error.to_string().contains("(even, other)"), "{error}");
    open().unwrap().check_data(&renamed, false).unwrap();

    let model = path.join("model.hgnn");
    fs::write(&model, "model = sage(4) -> relu -> mean -> mlp\ntrain { epochs = 9 }").unwrap();
    open().unwrap();
    fs::write(&model, "model = sage(5) -> relu -> mean -> mlp\ntrain { epochs = 1 }").unwrap();
    let error = open().unwrap_err();
    assert!(error.to_string().contains("sage 4 → 5"), "{error}");
    fs::write(&model, "model = sage(").unwrap();
    assert!(open().unwrap_err().to_string().contains("does not compile"));
}

#[test]
fn nodes_of_one_graph_are_classified_by_their_own_split() {
    let karate = crate::data::load(&crate::data::call("karate", &[]), &crate::data::DataOptions::folder("."));
    let text = "model = gcn(16) -> relu -> gcn
        train { optimizer = adam(0.02), epochs = 30, early_stop = last }
        evaluate { protocol = holdout(validation = 0, test = 0.3) }";
    let summary = train(text, &karate.unwrap(), Output::Nothing, None).unwrap();
    assert!(summary.train["accuracy"].mean > 0.9, "{:?}", summary.train);
    assert_eq!(summary.units[0].validation, Figures::new());
}

/// A model may be trained from Rust on data that it was not checked against.
#[test]
fn settings_that_do_not_fit_the_data_are_refused_before_training() {
    let refusal = |protocol: &str| {
        let text = format!("model = sage(4) -> mean -> mlp\nevaluate {{ protocol = {protocol} }}");
        let model = ModelSource::single(&text).compile(None).outcome.model.expect("a sound model");
        let dataset = classes();
        let settings = Settings::new(model.get(), Overrides::default());
        units(&settings, &dataset).err().expect("refused").to_string()
    };
    assert!(refusal("k_fold(41)").contains("at least 41"));
    assert!(refusal("fixed").contains("without a split"));
}

#[test]
fn a_folder_that_cannot_be_made_stops_the_run_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for out in [Output::NewIn(file.clone()), at(&file.join("run"))] {
        let error = train(POOLED, &classes(), out, None).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
