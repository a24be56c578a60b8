//! What a run came to, as `hgnnc train` prints it.

use super::table::{plain_table, write_table};
use super::watcher::{epochs, seconds};
use super::{Failure, Format};
use crate::check::Checked;
use crate::data::Dataset;
use crate::ir::Model;
use crate::train::{RunSummary, Spread, Status};
use std::collections::BTreeMap;
use std::io::{self, Write};

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
    if n_done > 0 {
        let runs = if summary.n_units > 1 {
            format!(", {n_done} of {} runs (mean ± standard deviation)", summary.n_units)
        } else {
            String::new()
        };
        let task = model.get().task.name().replace('_', " ");
        writeln!(out, "\n{} on {}, {task}{runs}\n", summary.name, dataset.name)?;
        let mut table = plain_table();
        let has_published = !summary.published.is_empty();
        let mut head = vec!["", "train", "validation", "test"];
        if has_published {
            head.push("published");
        }
        table.add_row(head);
        let names = std::iter::once("loss".to_string()).chain(summary.metrics.iter().cloned());
        for name in names {
            let cell = |part: &BTreeMap<String, Spread>| {
                part.get(&name).map_or_else(|| "–".into(), Spread::to_string)
            };
            let mut row =
                vec![name.clone(), cell(&summary.train), cell(&summary.validation), cell(&summary.test)];
            if has_published {
                row.push(summary.published.get(&name).map_or_else(String::new, |value| format!("{value}")));
            }
            table.add_row(row);
        }
        write_table(out, &table)?;
        writeln!(out)?;
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
    if !place.is_empty() {
        writeln!(out, "  written to {place}")?;
    }
    if summary.status == Status::Interrupted {
        writeln!(out, "  interrupted; resume with `hgnnc train --resume {place}`")?;
    }
    Ok(())
}
