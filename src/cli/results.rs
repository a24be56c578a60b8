//! What a run came to, as `hgnnc train` prints it.

use super::describe;
use super::table::{plain_table, write_table};
use super::watcher::{epochs, seconds, vectors};
use super::{Failure, Format};
use crate::args::listed;
use crate::check::Checked;
use crate::data::Dataset;
use crate::ir::Model;
use crate::settings::metric;
use crate::train::{RunSummary, Spread, Status, UnitSummary};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Stands behind a figure that leaves out classes that its part does not hold.
pub const MARK: &str = "*";

/// What the mark says: `mean over the classes that are there; absent: class 2 in validation and test`. `absent` are
/// the classes that parts of one run, or of some of several, do not hold.
pub fn absent_in_words<'a>(
    absent: impl Iterator<Item = (&'a str, &'a [String])>,
    is_of_several: bool,
) -> String {
    let mut parts: BTreeMap<&[String], Vec<String>> = BTreeMap::new();
    for (part, classes) in absent {
        let parts = parts.entry(classes).or_default();
        if !parts.iter().any(|known| known == part) {
            parts.push(part.to_owned());
        }
    }
    let several = if is_of_several { " of some run" } else { "" };
    let lines = parts
        .into_iter()
        .map(|(classes, parts)| format!("{} in {}{several}", classes_in_words(classes), listed(&parts)));
    format!("{MARK} mean over the classes that are there; absent: {}", lines.collect::<Vec<_>>().join("; "))
}

/// `class 2`, `classes 2, 5, 7 and 12 more`
fn classes_in_words(classes: &[String]) -> String {
    const N_SHOWN: usize = 10;
    let noun = if classes.len() == 1 { "class" } else { "classes" };
    let shown = classes[..classes.len().min(N_SHOWN)].join(", ");
    let more = match classes.len().saturating_sub(N_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{noun} {shown}{more}")
}

/// `310 support vectors, c = 10, h = 3; in 0.8 s`; of several runs `298 to 320 support vectors; c = 1 (7 runs), 10 (3 runs); …`
fn solved_in_words(units: &[UnitSummary], wall_s: f64) -> String {
    let counts: Vec<usize> = units.iter().filter_map(|unit| unit.n_support).collect();
    let (least, most) =
        (counts.iter().min().copied().unwrap_or(0), counts.iter().max().copied().unwrap_or(0));
    let mut text = match least == most {
        true => vectors(most),
        false => format!("{least} to {}", vectors(most)),
    };
    let names: BTreeSet<&String> = units.iter().flat_map(|unit| unit.chosen.keys()).collect();
    for name in names {
        let mut values: Vec<f64> = units.iter().filter_map(|unit| unit.chosen.get(name).copied()).collect();
        values.sort_by(f64::total_cmp);
        let words = values.chunk_by(|a, b| a == b).map(|equal| match units.len() {
            1 => describe::real(equal[0]),
            _ => {
                format!("{} ({} runs)", describe::real(equal[0]), equal.len()).replace("(1 runs)", "(1 run)")
            }
        });
        text += &format!("; {name} = {}", words.collect::<Vec<_>>().join(", "));
    }
    format!("{text}; in {}", seconds(wall_s))
}

/// What searches chose, a line for each open value: `width = 64 (7 folds), 32 (3 folds)`.
fn searched_in_words(units: &[UnitSummary]) -> Vec<String> {
    let folds: Vec<&UnitSummary> = units
        .chunk_by(|a, b| a.run.is_some() && (a.seed, a.fold) == (b.seed, b.fold))
        .map(|runs| &runs[0])
        .collect();
    let names: BTreeSet<&String> = folds.iter().flat_map(|unit| unit.searched.keys()).collect();
    let line = |name: &String| {
        let mut counts: Vec<(&String, usize)> = Vec::new();
        for value in folds.iter().filter_map(|unit| unit.searched.get(name)) {
            match counts.iter_mut().find(|(known, _)| *known == value) {
                Some((_, n)) => *n += 1,
                None => counts.push((value, 1)),
            }
        }
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let words = counts.iter().map(|(value, n)| match folds.len() {
            1 => (*value).clone(),
            _ => format!("{value} ({})", crate::diagnostic::count(*n, "fold")),
        });
        format!("chosen: {name} = {}", words.collect::<Vec<_>>().join(", "))
    };
    names.into_iter().map(line).collect()
}

/// A table for people, one line, or the whole summary as JSON.
///
/// # Errors
/// Where it cannot be written.
pub fn print(
    out: &mut dyn Write,
    summary: &RunSummary,
    model: &Checked<Model>,
    dataset: &Dataset,
    format: Format,
) -> Result<(), Failure> {
    let place = summary.dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default();
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &summary.to_json()).map_err(io::Error::from)?;
            writeln!(out)?;
            return Ok(());
        }
        Format::Short => {
            let figures = summary
                .metrics
                .iter()
                .filter_map(|name| Some(format!("test {name} {}", summary.test.get(name)?)));
            let figures: Vec<String> = figures.collect();
            writeln!(out, "{}: {}; {place}", summary.name, figures.join(", "))?;
            return Ok(());
        }
        Format::Full => {}
    }
    let n_done = summary.units.iter().filter(|unit| unit.status == Status::Finished).count();
    let n_folds =
        summary.units.chunk_by(|a, b| a.run.is_some() && (a.seed, a.fold) == (b.seed, b.fold)).count();
    if n_done > 0 {
        let runs = if summary.n_units > 1 {
            let of_folds =
                if summary.units.iter().any(|unit| unit.run.is_some()) { " over means of folds" } else { "" };
            format!(", {n_done} of {} runs (mean ± standard deviation{of_folds})", summary.n_units)
        } else {
            String::new()
        };
        let task = model.get().task.name().replace('_', " ");
        writeln!(out, "\n{} on {}, {task}{runs}\n", summary.name, dataset.name)?;
        let mut table = plain_table();
        let mut has_marks = false;
        let has_published = !summary.published.is_empty();
        let mut head = vec!["", "train", "validation", "test"];
        if has_published {
            head.push("published");
        }
        table.add_row(head);
        // A machine that is solved has no loss that is a mean over items.
        let has_loss = summary.units.iter().all(|unit| unit.n_support.is_none());
        let loss = has_loss.then(|| "loss".to_string());
        let names = loss.into_iter().chain(summary.metrics.iter().cloned());
        for name in names {
            let is_over_classes = metric::find(&name).is_some_and(|metric| metric.is_over_classes());
            let mut cell = |part: &str, figures: &BTreeMap<String, Spread>| {
                let Some(spread) = figures.get(&name) else { return "–".to_owned() };
                let is_marked = is_over_classes
                    && summary.units.iter().any(|unit| unit.absent_classes.contains_key(part));
                has_marks |= is_marked;
                let of = if spread.n_runs < n_folds.min(n_done) {
                    format!(" ({} of {} runs)", spread.n_runs, n_folds.min(n_done))
                } else {
                    String::new()
                };
                format!("{spread}{}{of}", if is_marked { MARK } else { "" })
            };
            let mut row = vec![
                name.clone(),
                cell("train", &summary.train),
                cell("validation", &summary.validation),
                cell("test", &summary.test),
            ];
            if has_published {
                row.push(summary.published.get(&name).map_or_else(String::new, |value| format!("{value}")));
            }
            table.add_row(row);
        }
        write_table(out, &table)?;
        writeln!(out)?;
        if has_marks {
            let parts = ["train", "validation", "test"];
            let of_unit = |part: &'static str| {
                summary
                    .units
                    .iter()
                    .filter_map(move |unit| Some((part, unit.absent_classes.get(part)?.as_slice())))
            };
            let absent = parts.into_iter().flat_map(of_unit);
            writeln!(out, "  {}", absent_in_words(absent, summary.n_units > 1))?;
        }
        if let Some((name, [low, high])) =
            summary.metrics.iter().find_map(|name| Some((name, *summary.test_intervals.get(name)?)))
        {
            writeln!(out, "  95 % interval of the test {name}: {low:.4} to {high:.4}")?;
        }
        if let Some(epoch) = summary.best_mean_epoch {
            writeln!(
                out,
                "  the test parts chose epoch {epoch}, whose mean over them is the best of all: the figure is better than one of new data"
            )?;
        }
        for line in searched_in_words(&summary.units) {
            writeln!(out, "  {line}")?;
        }
        if let Some(source) = &summary.published_source {
            writeln!(out, "  published: {source}")?;
        }
    }
    if let Some(epoch_s) = summary.epoch_s {
        let n_epochs: usize = summary.units.iter().map(|unit| unit.epochs).sum();
        let kept = match summary.units.as_slice() {
            [unit] => unit.kept_epoch.map_or_else(String::new, |epoch| format!(", weights of epoch {epoch}")),
            _ => String::new(),
        };
        writeln!(
            out,
            "  {} per training epoch; {} in {}{kept}",
            seconds(epoch_s),
            epochs(n_epochs),
            seconds(summary.wall_s)
        )?;
    }
    if summary.units.iter().any(|unit| unit.n_support.is_some()) {
        writeln!(out, "  {}", solved_in_words(&summary.units, summary.wall_s))?;
    }
    if !place.is_empty() {
        writeln!(out, "  written to {place}")?;
    }
    if summary.status == Status::Interrupted {
        writeln!(out, "  interrupted; resume with `hgnnc train --resume {place}`")?;
    }
    Ok(())
}
