//! Which classes a part of the data holds, and what can be measured on it: said when the split is made, before a
//! figure that is not defined can be watched in silence.

use super::fit::Unit;
use super::settings::Settings;
use crate::args::listed;
use crate::data::{Dataset, Split, Targets};
use crate::ir::Model;
use crate::settings::metric::{self, Metric, Predictions};
use crate::settings::monitor;
use crate::train::error::{Result, TrainError};
use std::collections::BTreeSet;

/// Names of the classes that none of these items has.
pub fn absent_classes(dataset: &Dataset, items: &[u32]) -> Vec<String> {
    let Targets::Classes(classes) = &dataset.targets else { return Vec::new() };
    let present = present(classes, items);
    let absent =
        dataset.class_names.iter().enumerate().filter(|(class, _)| !present.contains(&(*class as i64)));
    absent.map(|(_, name)| name.clone()).collect()
}

fn present(classes: &[i64], items: &[u32]) -> BTreeSet<i64> {
    items.iter().map(|&item| classes[item as usize]).collect()
}

/// Whether a metric has a value on these items. That depends on what was to be predicted alone: a constant target has no
/// variance to explain, one class alone no ranking.
fn is_defined(metric: &dyn Metric, dataset: &Dataset, items: &[u32]) -> bool {
    match &dataset.targets {
        // Pairs that are none are drawn beside each link.
        Targets::Classes(_) if dataset.links.is_some() => true,
        Targets::Classes(classes) => {
            metric::is_defined_on(metric, dataset.class_names.len(), &present(classes, items))
        }
        Targets::Values { values, n_values } => {
            let of_item = |&item: &u32| &values[item as usize * n_values..][..*n_values];
            let values: Vec<f32> = items.iter().flat_map(of_item).copied().collect();
            let outputs = vec![0.0; values.len()];
            metric
                .compute(&Predictions { width: *n_values, outputs, values, ..Predictions::default() })
                .is_some()
        }
        Targets::None => true,
    }
}

/// A part of a split with its name.
fn parts(split: &Split) -> [(&'static str, &[u32]); 3] {
    [("training", &split.train), ("validation", &split.validation), ("test", &split.test)]
}

/// Looks at every split of a protocol: what a reader of its figures has to know.
///
/// # Errors
/// Where a schedule or an early stop watches a figure that is not defined on the validation part of some run.
pub(super) fn look(
    settings: &Settings,
    model: &Model,
    dataset: &Dataset,
    units: &[Unit],
) -> Result<Vec<String>> {
    let watched: Vec<&'static dyn Metric> = settings.monitors().filter_map(monitor::metric_of).collect();
    for unit in units {
        let items = &unit.split.validation;
        if let Some(metric) =
            watched.iter().find(|metric| !items.is_empty() && !is_defined(**metric, dataset, items))
        {
            return Err(undefined_monitor(settings, dataset, unit, *metric));
        }
    }
    let mut said = lacks(settings, model, dataset, units);
    for metric in settings.all_metrics() {
        for (idx, part) in ["training", "validation", "test"].into_iter().enumerate() {
            let is_undefined = |unit: &&Unit| {
                let (_, items) = parts(&unit.split)[idx];
                !items.is_empty() && !is_defined(metric, dataset, items)
            };
            let n = units.iter().filter(is_undefined).count();
            if n > 0 {
                let of = of_runs(n, units.len());
                let why = if matches!(dataset.targets, Targets::Classes(_)) {
                    "which holds one class alone"
                } else {
                    "whose targets are all the same"
                };
                said.push(format!("`{}` is not defined on the {part} part{of}, {why}", metric.name()));
            }
        }
    }
    Ok(said)
}

/// ` of 3 of 10 runs`; empty for a run alone.
fn of_runs(n: usize, n_runs: usize) -> String {
    if n_runs == 1 { String::new() } else { format!(" of {n} of {n_runs} runs") }
}

fn undefined_monitor(settings: &Settings, dataset: &Dataset, unit: &Unit, metric: &dyn Metric) -> TrainError {
    let monitor = format!("val_{}", metric.name());
    let who: Vec<&str> = settings.watching(&monitor).collect();
    let items = &unit.split.validation;
    let of = unit.name.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
    let holds = match &dataset.targets {
        Targets::Classes(classes) => {
            let classes = present(classes, items);
            let name = |class: &i64| dataset.class_names.get(*class as usize).cloned().unwrap_or_default();
            let classes: Vec<String> = classes.iter().map(name).collect();
            format!("all its {} items are of class {}", items.len(), classes.join(", "))
        }
        _ => format!("the targets of its {} items are all the same", items.len()),
    };
    TrainError::setup(
        format!(
            "`{}` watches `{monitor}`, which is not defined on the validation part{of}: {holds}",
            who.join("` and `")
        ),
        "watch a figure that is (`monitor = val_loss`), or keep more for validation, as in `protocol = \
         holdout(validation = 0.2, test = 0.1)`",
    )
}

/// Classes that are shown; of more, their number is.
const N_SHOWN: usize = 5;

/// The classes that parts do not hold, a sentence each.
fn lacks(settings: &Settings, model: &Model, dataset: &Dataset, units: &[Unit]) -> Vec<String> {
    let Targets::Classes(classes) = &dataset.targets else { return Vec::new() };
    let n_labelled = classes.iter().filter(|&&class| class >= 0).count();
    let items = model.task.ends_on().items;
    let over_classes: Vec<String> = settings
        .all_metrics()
        .iter()
        .filter(|metric| metric.is_over_classes())
        .map(|metric| format!("`{}`", metric.name()))
        .collect();
    let mut said = Vec::new();
    let held: Vec<[BTreeSet<i64>; 3]> =
        units.iter().map(|unit| parts(&unit.split).map(|(_, items)| present(classes, items))).collect();
    for (class, name) in dataset.class_names.iter().enumerate() {
        let mut lacking = Vec::new();
        for (idx, part) in ["training", "validation", "test"].into_iter().enumerate() {
            let lacks =
                held.iter().filter(|held| !held[idx].is_empty() && !held[idx].contains(&(class as i64)));
            let n = lacks.count();
            if n > 0 {
                lacking.push(format!("the {part} part{}", of_runs(n, units.len())));
            }
        }
        if lacking.is_empty() {
            continue;
        }
        let n = classes.iter().filter(|&&of| of == class as i64).count();
        said.push(format!("class {name} ({n} of {n_labelled} {items}) is absent from {}", listed(&lacking)));
    }
    let n_more = said.len().saturating_sub(N_SHOWN);
    said.truncate(N_SHOWN);
    if n_more > 0 {
        said.push(format!("{n_more} more classes are absent from some part"));
    }
    if let Some(last) = said.last_mut() {
        *last += ": figures there say nothing about it";
        if !over_classes.is_empty() {
            let (are, means) = if over_classes.len() == 1 { ("is", "the mean") } else { ("are", "means") };
            *last += &format!(", and {} {are} {means} over the other classes", listed(&over_classes));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synthetic::{RandomGraphs, random_graphs};

    fn dataset(targets: Targets, n_classes: usize) -> Dataset {
        let class_names = (0..n_classes).map(|class| format!("c{class}")).collect();
        Dataset { targets, class_names, ..random_graphs(&RandomGraphs::default()) }
    }

    #[test]
    fn what_is_defined_follows_from_the_targets_alone() {
        let classes = dataset(Targets::Classes(vec![0, 0, 1, 2]), 3);
        let defined =
            |data: &Dataset, name: &str, items: &[u32]| is_defined(metric::find(name).unwrap(), data, items);
        assert!(!defined(&classes, "roc_auc", &[0, 1]));
        assert!(defined(&classes, "roc_auc", &[0, 2]));
        assert!(["accuracy", "macro_f1", "balanced_accuracy"].iter().all(|name| defined(
            &classes,
            name,
            &[0]
        )));
        let two = dataset(Targets::Classes(vec![0, 0, 1]), 2);
        assert!(!defined(&two, "roc_auc", &[0, 1]) && !defined(&two, "roc_auc", &[2]));
        assert!(defined(&two, "roc_auc", &[1, 2]));
        // Two values an item: R² is defined where one of them varies.
        let values = dataset(Targets::Values { values: vec![1., 5., 1., 6., 1., 5.], n_values: 2 }, 0);
        assert!(defined(&values, "r2", &[0, 1]) && !defined(&values, "r2", &[0, 2]));
        assert!(defined(&values, "mae", &[0, 2]));
    }

    #[test]
    fn classes_without_an_item_are_named() {
        let data = dataset(Targets::Classes(vec![0, 2, -1, 2]), 3);
        assert_eq!(absent_classes(&data, &[1, 3]), ["c0", "c1"]);
        assert_eq!(absent_classes(&data, &[0, 1, 2, 3]), ["c1"]);
        assert!(absent_classes(&dataset(Targets::None, 0), &[0]).is_empty());
    }
}
