//! Values that a file leaves open, searched for one fold: trials on its training and validation part, and the choice among them. The
//! test part takes no part in it.

mod record;

pub use record::{TrialRecord, TrialStatus, Trials};

use super::checkpoint::CheckpointFacts;
use super::error::{Result, TrainError};
use super::fit::{self, FitCx, Unit};
use super::folder::{RunFolder, SearchFolder};
use super::progress::{Event, Progress};
use super::record::{EpochRecord, Status};
use super::seed;
use super::settings::{Overrides, Settings};
use super::source::ModelSource;
use crate::args::BoundCall;
use crate::check::Checked;
use crate::data::Dataset;
use crate::ir::Model;
use crate::search::{self, Assignment, Space};
use crate::settings::monitor;
use crate::settings::protocol;
use crate::settings::prune;
use crate::settings::search::{self as kinds, Ask, SearchCx, Tried};
use crate::source::{SourceMap, Span};
use crate::syntax::Program;
use crate::syntax::ast::{Entry, ItemKind};
use crate::types::DataFacts;
use std::collections::BTreeMap;

/// Stream of a fold's seed from which trials are drawn.
const TRIALS: u64 = 16;

/// A file that leaves values open.
pub(super) struct Searched {
    source: ModelSource,
    /// Of the texts of `source`, which the places in `space` are of.
    sources: SourceMap,
    pub space: Space,
    /// How it is searched.
    pub call: BoundCall,
    prune: Option<BoundCall>,
    /// `evaluate` without what is said of the search, which has no effect where nothing is open.
    settled: Option<(Span, String)>,
    /// The figure that decides.
    pub choose_by: &'static str,
}

/// One of the models that a file stands for, with what follows from it.
pub(super) struct Variant {
    pub model: Checked<Model>,
    pub settings: Settings,
    pub checkpoint: CheckpointFacts,
    /// What was chosen: names with texts. Empty where the file leaves nothing open.
    pub words: BTreeMap<String, String>,
}

/// What the search of one fold came to.
pub(super) enum Choice {
    Chosen(Box<Variant>),
    /// A stop was asked for; the folder has what a later process goes on from.
    Interrupted,
}

/// What searches of all folds share.
pub(super) struct SearchRun<'a> {
    pub searched: &'a Searched,
    pub dataset: &'a Dataset,
    pub facts: &'a DataFacts,
    pub overrides: Overrides,
    pub device: &'a candle_core::Device,
    pub stop: &'a dyn Fn() -> bool,
    /// Why a model cannot be trained here: it needs more memory than there is.
    pub room: Option<&'a Room<'a>>,
    pub title: &'a str,
}

/// Says why a model needs more memory than there is; `None` where it fits.
pub type Room<'a> = dyn Fn(&Checked<Model>, &Settings) -> Option<String> + 'a;

impl Searched {
    /// What the texts leave open; `None` where that is nothing.
    pub fn of(source: &ModelSource, model: &Model, settings: &Settings) -> Option<Self> {
        let (sources, program, _) = source.parse();
        let space = search::find(&program).space?;
        let call = model.evaluate.call("search").cloned().unwrap_or_else(|| kinds::usual(&space));
        let prune = model.evaluate.call("prune").cloned();
        let settled = settled(&program, &sources, model);
        Some(Self {
            source: source.clone(),
            sources,
            space,
            call,
            prune,
            settled,
            choose_by: settings.choose_by,
        })
    }

    /// Trials of one fold, at most.
    pub fn n_trials(&self) -> usize {
        kinds::kind(&self.call).n_trials(&self.call.args, &self.space)
    }

    fn words(&self, assignment: &Assignment) -> BTreeMap<String, String> {
        self.space.words(&self.sources, assignment)
    }

    /// The model with these values, or why it is none.
    fn variant(
        &self,
        assignment: &Assignment,
        dataset: &Dataset,
        overrides: Overrides,
    ) -> std::result::Result<Variant, String> {
        let mut edits = self.space.edits(&self.sources, assignment);
        edits.extend(self.settled.clone());
        let source = self.source.edited(&self.sources, &edits);
        let compiled = source.compile(Some(&dataset.facts()));
        let Some(model) = compiled.outcome.model else {
            let errors = compiled.outcome.diagnostics.iter().filter(|finding| finding.is_error());
            return Err(errors.map(|finding| finding.message.clone()).next().unwrap_or_default());
        };
        let settings = Settings::new(model.get(), overrides);
        let checkpoint = CheckpointFacts::new(source, model.get(), dataset, overrides);
        Ok(Variant { model, settings, checkpoint, words: self.words(assignment) })
    }
}

/// The place of `evaluate`, and its text without what is said of the search; `None` where nothing is.
fn settled(program: &Program, sources: &SourceMap, model: &Model) -> Option<(Span, String)> {
    let items = program.file(program.main)?.items.iter();
    let (span, entries) = items.clone().find_map(|item| match &item.kind {
        ItemKind::Section { name, entries } if name.text == "evaluate" => Some((item.span, entries)),
        _ => None,
    })?;
    let is_of_search = |entry: &&Entry| ["search", "prune", "choose_by"].contains(&entry.key.text.as_str());
    // Inner folds are for trials alone.
    let outer =
        model.evaluate.call("protocol").filter(|call| protocol::kind(call).n_inner(&call.args).is_some());
    let outer = outer.map(|call| {
        let (k, holdout) = (call.args.int("k"), call.args.float("inner_holdout"));
        let by = call.args.get("by").filter(|by| by.span.is_some());
        let by = by.map_or_else(String::new, |_| format!(", by = {}", call.args.choice("by")));
        format!("protocol = k_fold({k}, inner_holdout = {holdout}{by})")
    });
    if outer.is_none() {
        entries.iter().find(is_of_search)?;
    }
    let others = entries.iter().filter(|entry| !is_of_search(entry));
    let others: Vec<&str> = others
        .map(|entry| match &outer {
            Some(outer) if entry.key.text == "protocol" => outer,
            _ => sources.text(entry.key.span.to(entry.value.span)),
        })
        .collect();
    let text =
        if others.is_empty() { String::new() } else { format!("evaluate {{ {} }}", others.join(", ")) };
    Some((span, text))
}

/// The figure of a trial's kept epoch, the larger the better.
fn score(choose_by: &str, records: &[EpochRecord]) -> Option<f64> {
    let kept = records.iter().rev().find(|record| record.is_kept)?;
    let figure = kept.monitored(choose_by)?;
    Some(if monitor::higher_is_better(choose_by) { figure } else { -figure })
}

impl SearchRun<'_> {
    /// Tries values for one fold until the search ends, and chooses. `inner` are the parts that trials are trained and judged on.
    ///
    /// # Errors
    /// Where a file cannot be written, or no trial could be trained.
    pub fn choose(
        &self,
        unit: &Unit,
        folder: Option<&RunFolder>,
        progress: &mut dyn Progress,
    ) -> Result<Choice> {
        let searched = self.searched;
        let folder = folder.map(|folder| folder.search(&unit.group())).transpose()?;
        let mut trials = match &folder {
            Some(folder) => folder.trials()?.unwrap_or_default(),
            None => Trials::default(),
        };
        let holds = |record: &TrialRecord| searched.space.holds(&record.choices);
        if let (Some(folder), false) = (&folder, trials.trials.iter().all(holds)) {
            return Err(TrainError::unusable(
                &folder.trials_path(),
                "its trials are of other open values than those of model.hgnn",
                "restore the run from an intact copy, or train again",
            ));
        }
        // Trials of another place where nothing is written would be lost between two judgements.
        let scratch = match folder {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(|source| TrainError::Io {
                action: "create a folder in",
                path: std::env::temp_dir(),
                source,
            })?),
        };
        let folder = match (folder, &scratch) {
            (Some(folder), _) => folder,
            (None, Some(scratch)) => SearchFolder::at(scratch.path()),
            (None, None) => unreachable!("one of them is there"),
        };
        let last = (unit.inner.len() > 1).then_some(unit.inner.len());
        // A trial that failed has no epochs.
        let mut curves: Vec<Vec<Option<f64>>> = trials
            .trials
            .iter()
            .map(|record| self.curve(&folder.records(record.trial, last).unwrap_or_default()))
            .collect();
        let epochs = self.epochs(&trials)?;
        let cx = SearchCx {
            space: &searched.space,
            seed: seed::derive(unit.seed, &[unit.fold.unwrap_or(0) as u64, TRIALS]),
            epochs,
        };
        while trials.chosen.is_none() {
            let tried: Vec<Tried> = trials.trials.iter().map(TrialRecord::tried).collect();
            let kind = kinds::kind(&searched.call);
            let Some(ask) = kind.next(&searched.call.args, &cx, &tried) else {
                trials.chosen = Some(best(&trials.trials).ok_or_else(|| self.none_trained(&trials))?);
                // Before the choice is written: a process that is killed in between chooses again.
                folder.drop_states(trials.trials.len())?;
                folder.write_trials(&trials)?;
                break;
            };
            let Some((record, curve)) = self.trial(&ask, unit, &trials, &curves, &folder, progress)? else {
                return Ok(Choice::Interrupted);
            };
            let of = unit.group_name();
            progress.on(Event::TrialFinished {
                of: of.as_deref(),
                trial: &record,
                choose_by: searched.choose_by,
            });
            match trials.trials.get_mut(ask.trial) {
                Some(known) => *known = record,
                None => trials.trials.push(record),
            }
            match curves.get_mut(ask.trial) {
                Some(known) => *known = curve,
                None => curves.push(curve),
            }
            folder.write_trials(&trials)?;
        }
        let chosen = trials.chosen.and_then(|chosen| trials.trials.get(chosen));
        let chosen = chosen.ok_or_else(|| self.none_trained(&trials))?;
        let variant = searched.variant(&chosen.choices, self.dataset, self.overrides);
        variant.map(|variant| Choice::Chosen(Box::new(variant))).map_err(|why| {
            TrainError::setup(format!("the chosen model does not compile: {why}"), "train again")
        })
    }

    /// The epochs of a whole trial: of searches that stop trials early, by the first model.
    fn epochs(&self, _: &Trials) -> Result<usize> {
        let first = self.searched.variant(&self.searched.space.first(), self.dataset, self.overrides);
        first
            .map(|variant| variant.settings.epochs)
            .map_err(|why| TrainError::setup(why, "run `hgnnc check` on the file"))
    }

    fn none_trained(&self, trials: &Trials) -> TrainError {
        let reasons = trials.trials.iter().filter_map(|record| record.reason.as_deref());
        let first = reasons.clone().next().unwrap_or("the figure that decides was not defined");
        TrainError::setup(
            format!(
                "none of {} could be trained and judged: {first}",
                crate::diagnostic::count(trials.trials.len(), "trial")
            ),
            "write values with which the model can be trained, or another `choose_by`",
        )
    }

    /// The best figure up to each epoch, the larger the better.
    fn curve(&self, records: &[EpochRecord]) -> Vec<Option<f64>> {
        let sign = if monitor::higher_is_better(self.searched.choose_by) { 1.0 } else { -1.0 };
        let mut best: Option<f64> = None;
        let best_so_far = |record: &EpochRecord| {
            let score = record.monitored(self.searched.choose_by).map(|figure| sign * figure);
            best = match (best, score) {
                (Some(best), Some(score)) => Some(best.max(score)),
                (best, score) => best.or(score),
            };
            best
        };
        records.iter().map(best_so_far).collect()
    }

    /// Begins a trial or goes on with it; `None` where a stop was asked for.
    fn trial(
        &self,
        ask: &Ask,
        unit: &Unit,
        trials: &Trials,
        curves: &[Vec<Option<f64>>],
        folder: &SearchFolder,
        progress: &mut dyn Progress,
    ) -> Result<Option<(TrialRecord, Vec<Option<f64>>)>> {
        let searched = self.searched;
        let mut record = match trials.trials.get(ask.trial) {
            Some(known) => known.clone(),
            None => TrialRecord::new(ask.trial, ask.assignment.clone(), searched.words(&ask.assignment)),
        };
        if record.status == TrialStatus::Finished && !record.scores.is_empty() {
            // It ended before it was to be judged, so more epochs would not change it.
            record.scores.push(record.scores.last().copied().flatten());
            let curve = curves.get(ask.trial).cloned().unwrap_or_default();
            return Ok(Some((record, curve)));
        }
        let failed = |mut record: TrialRecord, status: TrialStatus, reason: String| {
            (record.status, record.reason) = (status, Some(reason));
            record.scores.push(None);
            Ok(Some((record, Vec::new())))
        };
        let variant = match searched.variant(&ask.assignment, self.dataset, self.overrides) {
            Ok(variant) => variant,
            Err(why) => return failed(record, TrialStatus::Refused, why),
        };
        if let Some(reason) = self.room.and_then(|room| room(&variant.model, &variant.settings)) {
            return failed(record, TrialStatus::OutOfMemory, reason);
        }
        let of = unit.group_name().map_or_else(String::new, |name| format!("{name}, "));
        let n_trials = searched.n_trials();
        let prunes = |records: &[EpochRecord]| {
            let others =
                curves.iter().enumerate().filter(|(idx, _)| *idx != ask.trial).map(|(_, curve)| curve);
            searched.prune.as_ref().is_some_and(|call| {
                prune::is_hopeless(call, &self.curve(records), &others.map(Vec::as_slice).collect::<Vec<_>>())
            })
        };
        let mut scores: Vec<Option<f64>> = Vec::new();
        let mut whole: Vec<EpochRecord> = Vec::new();
        record.status = TrialStatus::Finished;
        for (idx, split) in unit.inner.iter().enumerate() {
            let inner = (unit.inner.len() > 1).then_some(idx + 1);
            let part = Unit {
                name: Some(match inner {
                    Some(inner) => format!("{of}trial {}, inner fold {inner}", ask.trial + 1),
                    None => format!("{of}trial {}", ask.trial + 1),
                }),
                folder: unit.folder.clone(),
                seed: unit.seed,
                fold: unit.fold,
                run: None,
                is_shared: false,
                split: split.clone(),
                inner: Vec::new(),
            };
            let (at, state) = folder.trial(ask.trial, inner, split)?;
            let cx = FitCx {
                model: &variant.model,
                dataset: self.dataset,
                facts: self.facts,
                settings: &variant.settings,
                device: self.device,
                stop: self.stop,
                checkpoint: &variant.checkpoint,
                title: self.title,
                shared: Default::default(),
                searched: &variant.words,
                trial: Some(fit::Trial { until: ask.until, prunes: &prunes }),
            };
            let number = (ask.trial + 1, n_trials);
            let outcome = match fit::fit(&cx, &part, Some(&at), number, state, None, progress) {
                Ok(outcome) => outcome,
                Err(error @ (TrainError::Build(_) | TrainError::Candle(_) | TrainError::Setup { .. })) => {
                    folder.end_trial(ask.trial)?;
                    return failed(record, TrialStatus::Failed, error.to_string());
                }
                Err(error) => return Err(error),
            };
            if let Some(error) = outcome.not_finite {
                folder.end_trial(ask.trial)?;
                return failed(record, TrialStatus::Diverged, error.to_string());
            }
            if outcome.summary.status == Status::Interrupted && !outcome.is_paused {
                return Ok(None);
            }
            record.n_parameters = outcome.summary.n_parameters;
            if outcome.is_pruned {
                record.status = TrialStatus::Pruned;
            } else if outcome.is_paused {
                record.status = TrialStatus::Paused;
            }
            scores.push(score(searched.choose_by, &outcome.records));
            whole = outcome.records;
            if record.status == TrialStatus::Pruned {
                break;
            }
        }
        let kept = whole.iter().rev().find(|epoch| epoch.is_kept);
        (record.epochs, record.kept_epoch) = (whole.len(), kept.map(|epoch| epoch.epoch));
        let known: Option<Vec<f64>> = scores.into_iter().collect();
        let mean = known
            .filter(|scores| !scores.is_empty())
            .map(|scores| scores.iter().sum::<f64>() / scores.len() as f64);
        record.scores.push(mean);
        let sign = if monitor::higher_is_better(searched.choose_by) { 1.0 } else { -1.0 };
        record.figure = mean.map(|score| sign * score);
        record.validation =
            kept.map(|epoch| epoch.validation.clone()).filter(|_| unit.inner.len() == 1).unwrap_or_default();
        let curve = self.curve(&whole);
        if record.status != TrialStatus::Paused {
            folder.end_trial(ask.trial)?;
        }
        Ok(Some((record, curve)))
    }
}

/// The trial of the best figure, of equals that of the lowest loss on the validation part, and of these the earliest: a small part
/// has few different accuracies. Trials that were stopped early do not count where others went on for longer.
fn best(trials: &[TrialRecord]) -> Option<usize> {
    let longest =
        trials.iter().filter(|trial| trial.figure.is_some()).map(|trial| trial.scores.len()).max()?;
    let mut best: Option<(usize, f64, f64)> = None;
    for trial in trials.iter().filter(|trial| trial.is_whole() && trial.scores.len() == longest) {
        let Some(score) = trial.scores.last().copied().flatten() else { continue };
        let loss = trial.validation.get("loss").copied().flatten().unwrap_or(f64::INFINITY);
        if best.is_none_or(|(_, most, least)| score > most || score == most && loss < least) {
            best = Some((trial.trial, score, loss));
        }
    }
    best.map(|(trial, ..)| trial)
}
