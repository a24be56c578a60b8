//! A whole protocol: every seed and fold, with their summary.

use crate::check::Checked;
use crate::data::{Dataset, EdgeReads, Split, Targets};
use crate::diff::Side;
use crate::ir::{Canonical, Model};
use crate::stats;
use crate::train::checkpoint::CheckpointFacts;
use crate::train::error::{Result, TrainError};
use crate::train::fit::{self, FitCx, Unit};
use crate::train::folder::{RECORD_FORMAT, RunFolder, RunRecord};
use crate::train::initial::{self, Initial};
use crate::train::presence;
use crate::train::probe;
use crate::train::progress::{Event, Progress};
use crate::train::protocol;
use crate::train::record::{EpochRecord, RunSummary, Status, UnitSummary, median, of_folds, spreads};
use crate::train::search::{self, Room, SearchRun, Searched, Variant};
use crate::train::session::{Origin, Session};
use crate::train::settings::{Overrides, Settings};
use crate::train::solve::{self, Compared};
use crate::train::source::ModelSource;
use crate::types::TargetKind;
use candle_core::Device;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

/// What to train, and where to write it.
pub struct TrainRequest<'a> {
    /// Name of the run: the model file's, without its ending.
    pub name: String,
    /// Path of the model file as given.
    pub file: String,
    pub model: &'a Checked<Model>,
    pub dataset: &'a Dataset,
    /// Texts from which the model can be compiled again.
    pub source: ModelSource,
    pub overrides: Overrides,
    /// What this process was asked, and the state of the repository, for the run's record.
    pub origin: Origin,
    /// A run or checkpoint to begin with the weights of, as far as they fit; not where a run is resumed, which has
    /// them in its folder.
    pub init_from: Option<PathBuf>,
    /// Says why a trial of a search needs more memory than there is.
    pub room: Option<&'a Room<'a>>,
    pub device: Device,
    pub out: Output,
    /// Asked after every batch: true ends the run there, ready to be resumed.
    pub stop: &'a dyn Fn() -> bool,
}

/// Where a run is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Nowhere.
    Nothing,
    /// Into a new folder `NAME-TIMESTAMP` in this one.
    NewIn(PathBuf),
    /// Into this folder; `force` replaces a run that is there.
    Folder { path: PathBuf, force: bool },
    /// On with the run in this folder.
    Resume(PathBuf),
}

/// Trains as the model's `train` and `evaluate` sections say.
///
/// # Errors
/// Where the settings do not fit the data, a loss is not finite, a file cannot be written, or Candle fails.
/// A request to stop is no error: the summary says so.
pub fn run(request: &TrainRequest, progress: &mut dyn Progress) -> Result<RunSummary> {
    let (model, dataset) = (request.model.get(), request.dataset);
    if matches!(dataset.targets, Targets::None) && model.task.kind != TargetKind::Embedding {
        return Err(TrainError::setup(
            format!("{} carries no labels, so there is nothing to learn from", dataset.name),
            "name data with labels; data without them is for `hgnnc predict`",
        ));
    }
    let settings = Settings::new(model, request.overrides);
    let units = units(&settings, dataset)?;
    let has_validation = units.iter().all(|unit| !unit.split.validation.is_empty());
    settings.check(model, has_validation && model.task.kind != TargetKind::Embedding)?;
    let asked = solve::Asked {
        has_epochs: request.overrides.epochs.is_some(),
        has_initial: request.init_from.is_some(),
        is_on_cpu: request.device.is_cpu(),
    };
    solve::check(model, asked, &units)?;
    if model.task.kind == TargetKind::Embedding {
        probe::check(dataset, &settings.metrics)?;
    }
    let mut lacks = presence::look(&settings, model, dataset, &units)?;
    if model.task.kind == TargetKind::Embedding && dataset.labels.is_none() {
        let items = model.task.ends_on().items;
        lacks
            .push(format!("{} has no classes of its {items}, so the vectors are not measured", dataset.name));
    }
    let checkpoint = CheckpointFacts::new(request.source.clone(), model, dataset, request.overrides);
    let is_new = !matches!(request.out, Output::Resume(_));
    let mut initial = match request.init_from.as_ref().filter(|_| is_new) {
        Some(from) => Some(Initial::read(from, request.model, dataset, &settings, &units)?),
        None => None,
    };
    let folder = open_folder(request, &settings, &units, &checkpoint, initial.as_ref(), progress)?;
    if let (false, Some(folder)) = (is_new, &folder)
        && let Some(record) = folder.record()?.init_from
    {
        initial = Some(Initial::reopen(folder, record)?);
    }
    if let (true, Some(initial)) = (is_new, &initial) {
        progress.on(Event::Initial(&initial.record));
    }
    let mut finished: Vec<UnitSummary> = match (&request.out, &folder) {
        (Output::Resume(_), Some(folder)) => finished_units(folder)?,
        _ => Vec::new(),
    };
    if finished.len() == units.len() {
        return Err(TrainError::setup(
            "this run is finished: there is nothing to resume",
            "start another one with `hgnnc train FILE`",
        ));
    }
    let facts = dataset.facts();
    let title = format!("{} on {}", request.name, dataset.name);
    let plain = BTreeMap::new();
    let cx = FitCx {
        model: request.model,
        dataset,
        facts: &facts,
        settings: &settings,
        device: &request.device,
        stop: request.stop,
        checkpoint: &checkpoint,
        title: &title,
        shared: Default::default(),
        searched: &plain,
        trial: None,
    };
    let searched = Searched::of(&request.source, model, &settings);
    if searched.is_some() && initial.is_some() {
        return Err(TrainError::setup(
            "a file that leaves values open stands for models of several shapes, which no weights fit",
            "leave `--init-from` out, or write the values that were chosen into the file",
        ));
    }
    // Of the fold whose runs are being trained.
    let mut chosen: Option<(String, Box<Variant>)> = None;
    lacks.iter().for_each(|text| progress.on(Event::Warning(text)));
    // What is solved at once has no epochs.
    let n_epochs = if model.machine().is_some() { 0 } else { settings.epochs };
    let n_groups = units.len() / settings.final_runs.max(1);
    let n_trials = searched.as_ref().map_or(0, |searched| {
        let n_inner = units.first().map_or(1, |unit| unit.inner.len());
        n_groups * searched.n_trials() * n_inner
    });
    progress.on(Event::RunStarted { finished: &finished, n_units: units.len() + n_trials, n_epochs });
    let mut compared = Compared::new(model, dataset);
    // Of a protocol that chooses an epoch at its end.
    let (mut records, mut mean_epoch) = (BTreeMap::new(), None);
    for (idx, unit) in units.iter().enumerate() {
        if finished.iter().any(|done| done.folder == unit.folder) {
            continue;
        }
        let begun = Instant::now();
        let mut searched_s = 0.0;
        if let Some(searched) = &searched
            && chosen.as_ref().is_none_or(|(group, _)| *group != unit.group())
        {
            let search = SearchRun {
                searched,
                dataset,
                facts: &facts,
                overrides: request.overrides,
                device: &request.device,
                stop: request.stop,
                room: request.room,
                title: &title,
            };
            match search.choose(unit, folder.as_ref(), progress)? {
                search::Choice::Chosen(variant) => {
                    chosen = Some((unit.group(), variant));
                    searched_s = begun.elapsed().as_secs_f64();
                }
                search::Choice::Interrupted => {
                    let summary = summarise(request, &settings, &finished, &units, folder.as_ref());
                    return Ok(RunSummary { status: Status::Interrupted, ..summary });
                }
            }
        }
        let own = chosen.as_ref().map(|(_, variant)| FitCx {
            model: &variant.model,
            settings: &variant.settings,
            checkpoint: &variant.checkpoint,
            searched: &variant.words,
            shared: Default::default(),
            ..cx
        });
        let cx = own.as_ref().unwrap_or(&cx);
        let (unit_folder, state) = match &folder {
            Some(folder) => {
                let (unit_folder, state) = folder.unit(unit)?;
                (Some(unit_folder), state)
            }
            None => (None, None),
        };
        let initial = initial.as_ref().map(|initial| initial.of(idx));
        let number = (idx + 1, units.len());
        let unit_folder = unit_folder.as_ref();
        let mut outcome = match &compared {
            Some(compared) => solve::fit(cx, compared, unit, unit_folder, number, progress)?,
            None => fit::fit(cx, unit, unit_folder, number, state, initial, progress)?,
        };
        if let Some(compared) = &mut compared {
            // All graphs are compared once, before the first run.
            outcome.summary.wall_s += std::mem::take(&mut compared.wall_s);
        }
        // A fold's search is a part of what its first run takes.
        outcome.summary.wall_s += searched_s;
        let status = outcome.summary.status;
        if settings.chooses_mean_epoch {
            records.insert(unit.folder.clone(), outcome.records);
        }
        finished.push(outcome.summary);
        if settings.chooses_mean_epoch && finished.len() == units.len() {
            mean_epoch = Some(best_mean_epoch(&settings, &mut finished, &records, folder.as_ref())?);
        }
        let summary = summarise(request, &settings, &finished, &units, folder.as_ref());
        // What the test parts chose says nothing of new data.
        let test_intervals = if mean_epoch.is_some() { BTreeMap::new() } else { summary.test_intervals };
        let summary = RunSummary { best_mean_epoch: mean_epoch, test_intervals, ..summary };
        if let Some(folder) = &folder {
            // Before the summary, which says that the run needs nothing more.
            if units.len() > 1 && compared.is_none() {
                let folders: Vec<&str> = finished.iter().map(|unit| unit.folder.as_str()).collect();
                let metric = settings.metrics.first().map_or("", |metric| metric.name());
                folder.write_curves_of_runs(cx.title, &folders, metric)?;
            }
            folder.write_summary(&summary)?;
        }
        if let Some(error) = outcome.not_finite {
            return Err(error);
        }
        if status == Status::Interrupted || idx + 1 == units.len() {
            return Ok(summary);
        }
    }
    Ok(summarise(request, &settings, &finished, &units, folder.as_ref()))
}

/// The epoch, counted from 1, with the best mean of the first metric over the test parts of all runs, whose figures become those of the runs.
fn best_mean_epoch(
    settings: &Settings,
    finished: &mut [UnitSummary],
    records: &BTreeMap<String, Vec<EpochRecord>>,
    folder: Option<&RunFolder>,
) -> Result<usize> {
    let metric = settings.metrics.first().copied();
    let mut runs: Vec<Vec<EpochRecord>> = Vec::new();
    for unit in finished.iter() {
        runs.push(match (records.get(&unit.folder), folder) {
            (Some(records), _) => records.clone(),
            (None, Some(folder)) => folder.records(&unit.folder)?,
            (None, None) => Vec::new(),
        });
    }
    let name = metric.map_or("loss", |metric| metric.name());
    let sign = if metric.is_some_and(|metric| metric.higher_is_better()) { 1.0 } else { -1.0 };
    let n_epochs = runs.iter().map(Vec::len).min().unwrap_or(0);
    let mean = |epoch: usize| {
        let figures: Option<Vec<f64>> =
            runs.iter().map(|records| records[epoch].validation.get(name).copied().flatten()).collect();
        figures.map(|figures| sign * figures.iter().sum::<f64>() / figures.len() as f64)
    };
    let mut best: Option<(usize, f64)> = None;
    for epoch in 0..n_epochs {
        if let Some(mean) = mean(epoch)
            && best.is_none_or(|(_, least)| mean > least)
        {
            best = Some((epoch, mean));
        }
    }
    let (epoch, _) = best.ok_or_else(|| {
        TrainError::setup(
            format!("`{name}` is not defined on all test parts in any epoch, so no epoch can be chosen"),
            "name a metric first that is defined on every part, as in `metrics = [accuracy]`",
        )
    })?;
    for (unit, records) in finished.iter_mut().zip(&runs) {
        unit.test.clone_from(&records[epoch].validation);
    }
    Ok(epoch + 1)
}

/// Every run of the protocol: folds within seeds, and runs within folds.
///
/// # Errors
/// Where the data cannot be cut so.
pub(crate) fn units(settings: &Settings, dataset: &Dataset) -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    for seed in (0..settings.seeds as u64).map(|idx| settings.seed + idx) {
        let (splits, has_folds) = protocol::splits(settings.protocol.as_ref(), dataset, seed)?;
        let width = splits.len().to_string().len();
        for (idx, split) in splits.into_iter().enumerate() {
            let fold = has_folds.then_some(idx + 1);
            let (mut names, mut folders) = (Vec::new(), Vec::new());
            if settings.seeds > 1 {
                names.push(format!("seed {seed}"));
                folders.push(format!("seed-{seed}"));
            }
            if let Some(fold) = fold {
                names.push(format!("fold {fold}"));
                folders.push(format!("fold-{fold:0width$}"));
            }
            let is_shared = dataset.task.is_some_and(|task| task.kind == TargetKind::Embedding);
            let inner = protocol::inner(settings.protocol.as_ref(), dataset, &split, seed);
            for run in 1..=settings.final_runs {
                let run = (settings.final_runs > 1).then_some(run);
                let (mut names, mut folders) = (names.clone(), folders.clone());
                if let Some(run) = run {
                    names.push(format!("run {run}"));
                    folders.push(format!("run-{run}"));
                }
                let name = (!names.is_empty()).then(|| names.join(", "));
                let (folder, split, inner) = (folders.join("-"), split.clone(), inner.clone());
                units.push(Unit { name, folder, seed, fold, run, is_shared, split, inner });
            }
        }
    }
    Ok(units)
}

/// Those of an interrupted run that need not be trained again.
fn finished_units(folder: &RunFolder) -> Result<Vec<UnitSummary>> {
    let Some(summary) = folder.summary()? else { return Ok(Vec::new()) };
    let finished = summary.units.into_iter().filter(|unit| unit.status == Status::Finished);
    let finished: Vec<UnitSummary> = finished.collect();
    if !finished.is_empty() {
        // Their results are taken over, so their files have to be there.
        folder.checkpoints()?;
    }
    Ok(finished)
}

/// Makes the run's folder and writes what it was asked to do, or opens the one to resume. Nobody else writes into it
/// until it is dropped.
fn open_folder(
    request: &TrainRequest,
    settings: &Settings,
    units: &[Unit],
    checkpoint: &CheckpointFacts,
    initial: Option<&Initial>,
    progress: &mut dyn Progress,
) -> Result<Option<RunFolder>> {
    let session = Session::here(&request.origin, &request.device);
    let folder = match &request.out {
        Output::Nothing => return Ok(None),
        Output::Resume(path) => {
            let folder = RunFolder::reopen(path, &session)?;
            resume_folder(request, &folder, checkpoint, progress)?;
            folder.add_session(session)?;
            warn_without_lock(&folder, progress);
            return Ok(Some(folder));
        }
        Output::NewIn(parent) => RunFolder::create_in(parent, &request.name, &session)?,
        Output::Folder { path, force } => RunFolder::create(path, *force, &session)?,
    };
    warn_without_lock(&folder, progress);
    let record = RunRecord {
        format: RECORD_FORMAT,
        hgnnc: env!("CARGO_PKG_VERSION").into(),
        name: request.name.clone(),
        file: request.file.clone(),
        task: request.model.get().task.name().into(),
        data: request.dataset.name.clone(),
        data_fingerprint: request.dataset.fingerprint.clone(),
        data_folder: request.origin.data_folder.clone(),
        file_folder: request.origin.file_folder.clone(),
        columns: request.dataset.vocabulary.clone().reading(EdgeReads::of(request.model.get())),
        overrides: request.overrides,
        settings: settings.to_json(request.dataset),
        canonical_hash: checkpoint.canonical_hash.clone(),
        files: BTreeMap::new(),
        units: units.iter().map(|unit| unit.folder.clone()).collect(),
        init_from: initial.map(|initial| initial.record.clone()),
        sessions: vec![session],
    };
    let written = initial.map_or(Ok(()), |initial| initial.write(&folder));
    if let Err(error) = written.and_then(|()| folder.write_start(record, checkpoint)) {
        folder.clear();
        return Err(error);
    }
    Ok(Some(folder))
}

fn warn_without_lock(folder: &RunFolder, progress: &mut dyn Progress) {
    if !folder.is_locked() {
        let path = folder.path().display();
        let text =
            format!("the file system of {path} has no locks: make sure that no other process writes there");
        progress.on(Event::Warning(&text));
    }
}

/// Whether the run in a folder can go on with this model and this data.
fn resume_folder(
    request: &TrainRequest,
    folder: &RunFolder,
    checkpoint: &CheckpointFacts,
    progress: &mut dyn Progress,
) -> Result<()> {
    let path = folder.path();
    let record_path = path.join("run.json");
    let record = folder.record()?;
    if record.format != RECORD_FORMAT {
        return Err(TrainError::unusable(
            &record_path,
            "an earlier hgnnc began this run, and this one would not end it with the same result",
            format!("start another run from its weights: `hgnnc train FILE --init-from {}`", path.display()),
        ));
    }
    // Hashes of another version of the form differ for the same model.
    let is_same = record.canonical_hash == checkpoint.canonical_hash
        || folder.began_with(&Canonical::of(request.model.get()));
    if !is_same {
        return Err(TrainError::unusable(
            &record_path,
            format!("the model has changed since this run began{}", changes(request, folder)),
            format!(
                "restore model.hgnn, or start another run from the weights of this one:\n\
                 `hgnnc train FILE --init-from {}`",
                path.display()
            ),
        ));
    }
    if !request.dataset.has_fingerprint(&record.data_fingerprint) {
        return Err(TrainError::unusable(
            &record_path,
            format!("the content of {} has changed since this run began", record.data),
            "name the data that it was trained on with `--data-dir` or HGNN_DATA, or train again",
        ));
    }
    let (then, now) = (&record.columns, &request.dataset.vocabulary);
    if !then.has_columns_of(now) || !then.has_edges_of(now) || !then.has_target_of(now) {
        return Err(TrainError::unusable(
            &record_path,
            format!(
                "the columns of {} mean something else than when this run began: {}, {} and {} then, {}, {} and {} now",
                record.data,
                then.features_in_words(),
                then.edges_in_words(),
                then.target_in_words(),
                now.features_in_words(),
                now.edges_in_words(),
                now.target_in_words()
            ),
            "name the data that it was trained on with `--data-dir` or HGNN_DATA, or train again",
        ));
    }
    for name in folder.changed_texts(&record)? {
        let text = format!(
            "{} has changed since this run began, but the model is the same",
            path.join(name).display()
        );
        progress.on(Event::Warning(&text));
    }
    Ok(())
}

/// How the model differs from the one that a run began with, as the end of a message.
fn changes(request: &TrainRequest, folder: &RunFolder) -> String {
    let now = Side {
        name: "the model now".into(),
        model: request.model.get().clone(),
        facts: Some(request.dataset.facts()),
        text: None,
    };
    let facts = now.facts.as_ref();
    let then = folder.began_as().and_then(|form| form.model(facts).ok()).map(|model| Side {
        name: "the run as it began".into(),
        model,
        ..now.clone()
    });
    then.map_or_else(String::new, |then| {
        let (_, difference) = initial::difference(&then, &now);
        format!("\n\n{difference}\n")
    })
}

/// 95 % intervals of the means of the test part: of folds and seeds with Nadeau and Bengio's correction for the overlap of their training
/// parts, of one run Wilson's, where the figure is a share of the items.
fn intervals(done: &[UnitSummary], all: &[Unit]) -> BTreeMap<String, [f64; 2]> {
    let splits: Vec<&Split> = done
        .iter()
        .filter_map(|unit| Some(&all.iter().find(|other| other.folder == unit.folder)?.split))
        .collect();
    let share =
        |split: &&Split| split.test.len() as f64 / (split.train.len() + split.validation.len()).max(1) as f64;
    let test_share = splits.iter().map(share).sum::<f64>() / splits.len().max(1) as f64;
    let folds = of_folds(done, |unit| &unit.test);
    let names: BTreeSet<&String> = folds.iter().flat_map(BTreeMap::keys).collect();
    let of = |name: &String| {
        let values: Vec<f64> = folds.iter().filter_map(|fold| fold.get(name).copied().flatten()).collect();
        let interval = match (values.as_slice(), splits.as_slice()) {
            ([share], [split, ..]) if name == "accuracy" && all.len() == 1 => {
                Some(stats::wilson(*share, split.test.len()))
            }
            (values, _) => stats::corrected_t(values, test_share).map(|test| test.interval),
        };
        Some((name.clone(), interval?))
    };
    names.into_iter().filter_map(of).collect()
}

fn summarise(
    request: &TrainRequest,
    settings: &Settings,
    units: &[UnitSummary],
    all: &[Unit],
    folder: Option<&RunFolder>,
) -> RunSummary {
    let n_units = all.len();
    let status = units
        .iter()
        .map(|unit| unit.status)
        .find(|status| *status != Status::Finished)
        .unwrap_or(if units.len() == n_units { Status::Finished } else { Status::Interrupted });
    let published = request.model.get().published.as_ref();
    RunSummary {
        name: request.name.clone(),
        status,
        metrics: settings.metrics.iter().map(|metric| metric.name().to_string()).collect(),
        train: spreads(of_folds(units, |unit| &unit.train).iter()),
        validation: spreads(of_folds(units, |unit| &unit.validation).iter()),
        test: spreads(of_folds(units, |unit| &unit.test).iter()),
        test_intervals: intervals(units, all),
        best_mean_epoch: None,
        published: published.map(|published| published.figures.iter().cloned().collect()).unwrap_or_default(),
        published_source: published.and_then(|published| published.source.clone()),
        published_tolerance: published.and_then(|published| published.tolerance),
        epoch_s: median(units.iter().filter_map(|unit| unit.epoch_s)),
        wall_s: units.iter().map(|unit| unit.wall_s).sum(),
        n_parameters: units.first().map_or(0, |unit| unit.n_parameters),
        peak_memory_bytes: crate::memory::peak_bytes(),
        n_units,
        units: units.to_vec(),
        dir: folder.map(|folder| folder.path().to_path_buf()),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod whole_parts;
