//! One run of a model without a network: a support vector machine, fitted to the training part on a graph kernel.

use super::error::{Result, TrainError};
use super::feed::predictions;
use super::fit::{FitCx, Outcome, Unit};
use super::folder::Folder;
use super::measure::figures;
use super::presence::absent_classes;
use super::progress::{Event, Progress};
use super::record::{Figures, Status, UnitSummary};
use crate::data::{Dataset, Targets};
use crate::gram::{self, Counts, Gram, Kernel};
use crate::ir::Model;
use crate::settings::metric::Metric;
use std::collections::BTreeMap;
use std::time::Instant;

/// What all runs of a protocol share: the counts of all graphs, and how alike each two are.
pub(super) struct Compared {
    kernel: Kernel,
    steps: Vec<Counts>,
    /// By the kernel's depths.
    grams: Vec<Gram>,
    cs: Vec<f64>,
    tolerance: f64,
    /// Seconds that all this took.
    pub wall_s: f64,
}

impl Compared {
    /// Of a model that is a kernel and a machine; `None` of any other.
    pub fn new(model: &Model, dataset: &Dataset) -> Option<Self> {
        let [kernel, machine] = model.machine()?;
        let started = Instant::now();
        let kernel = Kernel::of(&model.graph[kernel])?;
        let args = &model.graph[machine].args;
        let graphs: Vec<u32> = (0..dataset.n_graphs() as u32).collect();
        let steps = kernel.counts(dataset, &graphs, kernel.depth());
        let grams = gram::grams(&kernel, &steps);
        Some(Self {
            cs: args.floats("c").to_vec(),
            tolerance: args.float("tolerance"),
            wall_s: started.elapsed().as_secs_f64(),
            kernel,
            steps,
            grams,
        })
    }

    fn n_candidates(&self) -> usize {
        self.grams.len() * self.cs.len()
    }
}

/// Whether a model without a network can be trained as it was asked.
///
/// # Errors
/// Where an option asks for something that only networks have, or there is nothing to choose on.
pub(super) fn check(model: &Model, request: Asked, units: &[Unit]) -> Result<()> {
    let Some([kernel, machine]) = model.machine() else { return Ok(()) };
    let name = model.graph[machine].op.name();
    if request.has_epochs {
        return Err(TrainError::setup(
            format!("`--epochs` has no effect: `{name}` is solved at once"),
            "leave `--epochs` out",
        ));
    }
    if request.has_initial {
        return Err(TrainError::setup(
            format!("`--init-from` has no effect: `{name}` begins without weights"),
            "leave `--init-from` out",
        ));
    }
    if !request.is_on_cpu {
        return Err(TrainError::setup(
            format!("`{}` and `{name}` are computed on the CPU alone", model.graph[kernel].op.name()),
            "leave `--device cuda` out",
        ));
    }
    let of_kernel = Kernel::of(&model.graph[kernel]).map_or(1, |kernel| kernel.depths.len());
    let n_ways = of_kernel * model.graph[machine].args.floats("c").len();
    if n_ways > 1 && units.iter().any(|unit| unit.split.validation.is_empty()) {
        return Err(TrainError::setup(
            format!(
                "{n_ways} ways to fit `{name}` are compared on the validation part, but the protocol leaves none"
            ),
            format!(
                "keep some, as in `k_fold(10, inner_holdout = 0.1)`, or write one value each, as in `{name}(c = 1)`"
            ),
        ));
    }
    Ok(())
}

/// What the command asks beside the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub has_epochs: bool,
    pub has_initial: bool,
    pub is_on_cpu: bool,
}

/// Fits one run, measures its parts and writes the result.
///
/// # Errors
/// Where a file cannot be written.
pub(super) fn fit(
    cx: &FitCx,
    compared: &Compared,
    unit: &Unit,
    folder: Option<&Folder>,
    number: (usize, usize),
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let started = Instant::now();
    let split = &unit.split;
    progress.on(Event::UnitStarted {
        name: unit.name.as_deref(),
        number: number.0,
        n_units: number.1,
        is_trial: false,
        n_items: [split.train.len(), split.validation.len(), split.test.len()],
        n_parameters: 0,
        n_epochs: 0,
        n_done: 0,
        earlier_s: 0.0,
        dir: folder.map(Folder::path),
    });
    let mut summary = UnitSummary {
        name: unit.name.clone(),
        folder: unit.folder.clone(),
        seed: unit.seed,
        fold: unit.fold,
        run: unit.run,
        status: Status::Interrupted,
        epochs: 0,
        kept_epoch: None,
        train: Figures::new(),
        validation: Figures::new(),
        test: Figures::new(),
        absent_classes: BTreeMap::new(),
        n_parameters: 0,
        chosen: BTreeMap::new(),
        searched: BTreeMap::new(),
        n_support: None,
        epoch_s: None,
        wall_s: 0.0,
    };
    if !(cx.stop)() {
        finish(cx, compared, unit, folder, &mut summary, progress)?;
    }
    summary.wall_s = started.elapsed().as_secs_f64();
    if let Some(folder) = folder {
        folder.write_unit_summary(&summary)?;
    }
    progress.on(Event::UnitFinished(&summary));
    Ok(Outcome { summary, not_finite: None, records: Vec::new(), is_paused: false, is_pruned: false })
}

fn finish(
    cx: &FitCx,
    compared: &Compared,
    unit: &Unit,
    folder: Option<&Folder>,
    summary: &mut UnitSummary,
    progress: &mut dyn Progress,
) -> Result<()> {
    let (dataset, split) = (cx.dataset, &unit.split);
    let Targets::Classes(classes) = &dataset.targets else {
        return Err(TrainError::setup(
            format!("{} has no classes to tell apart", dataset.name),
            "name data with classes",
        ));
    };
    let metrics = &cx.settings.metrics;
    let n_classes = cx.facts.n_outputs;
    let first: &dyn Metric = *metrics.first().expect("there is a metric by default");
    let figure = |outputs: Vec<f32>| {
        let value = first.compute(&predictions(dataset, outputs, n_classes, &split.validation))?;
        Some(if first.higher_is_better() { value } else { -value })
    };
    let task = gram::machine::Task {
        grams: &compared.grams,
        classes,
        n_classes,
        train: &split.train,
        cs: &compared.cs,
        tolerance: compared.tolerance,
    };
    let trained = gram::train(&task, &split.validation, figure);
    let of = |name: &str| unit.name.as_ref().map_or_else(String::new, |unit| format!(" of {unit}{name}"));
    if !trained.is_optimal {
        progress.on(Event::Warning(&format!(
            "the machine{} was given up before it reached its optimum: try a smaller `c`, or `normalize = true`",
            of("")
        )));
    }
    let machine = trained.machine(&compared.kernel, &compared.steps);
    if let Some(folder) = folder {
        folder.write_checkpoint(cx.checkpoint, unit, 0, Default::default(), &machine.tensors()?)?;
    }
    let gram = &compared.grams[trained.gram];
    let measured = |items: &[u32]| match items {
        [] => Figures::new(),
        items => {
            let outputs = predictions(dataset, trained.outputs(gram, items), n_classes, items);
            let mut figures = figures(None, &outputs, metrics);
            // What is minimised is no mean over items.
            figures.remove("loss");
            figures
        }
    };
    summary.status = Status::Finished;
    summary.train = measured(&split.train);
    summary.validation = measured(&split.validation);
    summary.test = measured(&split.test);
    let parts = [("train", &split.train), ("validation", &split.validation), ("test", &split.test)];
    summary.absent_classes = parts
        .into_iter()
        .filter(|(_, items)| !items.is_empty())
        .map(|(part, items)| (part.to_owned(), absent_classes(dataset, items)))
        .filter(|(_, absent)| !absent.is_empty())
        .collect();
    if compared.n_candidates() > 1 {
        if compared.cs.len() > 1 {
            summary.chosen.insert("c".into(), trained.c);
        }
        if compared.grams.len() > 1 {
            summary.chosen.insert("h".into(), machine.depth as f64);
        }
    }
    summary.n_support = Some(machine.n_support());
    Ok(())
}
