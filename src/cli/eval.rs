//! `hgnnc eval`: measure a saved model.

use super::data::DataArgs;
use super::device::DeviceArg;
use super::table::{plain_table, write_table};
use super::train::{load_data, named_data, run_data};
use super::{Exit, Failure, Format, Global, help, note};
use crate::data::{DataOptions, Dataset};
use crate::train::{Figures, Found, SavedModel, Spread, find_run};
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;

/// Measure a saved model on data with labels
///
/// Without `--data`, on the data it was trained on, each part of its split separately.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hgnnc eval runs/first\n  hgnnc eval runs/first --data 'tu(\"MUTAG\")'\n  \
    hgnnc eval runs/first/fold-03 --format json\n\n\
    Exit codes: 0 done, 1 the data is wrong, 2 could not run"
)]
pub struct Eval {
    /// The folder of a run, one of its folds, or a checkpoint
    #[arg(value_name = "RUN")]
    run: PathBuf,
    #[arg(long, value_name = "CALL", help = help::data_call("Data in place of that of the run"))]
    data: Option<String>,
    #[command(flatten)]
    place: DataArgs,
    #[command(flatten)]
    device: DeviceArg,
}

/// Figures of one checkpoint by part.
struct Scored {
    checkpoint: PathBuf,
    /// "train", "validation", "test" or "all", how many items, and their figures.
    parts: Vec<(&'static str, usize, Figures)>,
}

impl Scored {
    fn part(&self, name: &str) -> Option<&Figures> {
        self.parts.iter().find(|(part, ..)| *part == name).map(|(_, _, figures)| figures)
    }
}

/// The data to run a saved model on, read with the columns and classes of its training data; `None` where `--data` is
/// wrong, which was reported.
///
/// # Errors
/// Where it cannot be read.
pub fn data_for(
    model: &SavedModel,
    named: Option<&str>,
    place: &DataArgs,
    global: &Global,
) -> Result<Option<Dataset>, Failure> {
    let facts = &model.checkpoint.facts;
    let options = DataOptions { vocabulary: Some(facts.vocabulary.clone()), ..place.options() };
    match named {
        Some(text) => match named_data(text, global)? {
            Some((sources, call)) => load_data(&call, &sources, &options, global),
            None => Ok(None),
        },
        None => run_data(&facts.source, &model.checkpoint.path, options).map(Some),
    }
}

impl Eval {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let device = self.device.open()?;
        let mut all = Vec::new();
        let mut dataset: Option<Dataset> = None;
        let mut metrics = Vec::new();
        let Found { checkpoints, notes } = find_run(&self.run)?;
        notes.iter().for_each(|text| note(text));
        for path in checkpoints {
            let model = SavedModel::open(&path, &device)?;
            model.notes.iter().for_each(|text| note(text));
            // Every fold has the same data, so it is read once.
            let data = match dataset.take() {
                Some(data) => data,
                None => match data_for(&model, self.data.as_deref(), &self.place, global)? {
                    Some(data) => data,
                    None => return Ok(Exit::Findings),
                },
            };
            model.check_data(&data, true)?;
            let parts: Vec<(&'static str, Vec<u32>)> = match model.split(&data)? {
                Some(split) => {
                    vec![("train", split.train), ("validation", split.validation), ("test", split.test)]
                }
                None => {
                    if data.fingerprint == model.checkpoint.facts.data_fingerprint {
                        note(&format!(
                            "there is no split beside {}, so the items that it was trained on are measured too",
                            path.display()
                        ));
                    }
                    vec![("all", model.labelled(&data))]
                }
            };
            let mut scored = Scored { checkpoint: path, parts: Vec::new() };
            for (name, items) in parts.into_iter().filter(|(_, items)| !items.is_empty()) {
                scored.parts.push((name, items.len(), model.score(&data, &items)?));
            }
            metrics = model.metrics().collect();
            all.push(scored);
            dataset = Some(data);
        }
        let name = dataset.map(|data| data.name).unwrap_or_default();
        print(&mut super::stdout(), &name, &metrics, &all, global.format)?;
        Ok(Exit::Clean)
    }
}

fn print(
    out: &mut dyn Write,
    data: &str,
    metrics: &[&str],
    all: &[Scored],
    format: Format,
) -> Result<(), Failure> {
    let names: Vec<&str> = std::iter::once("loss").chain(metrics.iter().copied()).collect();
    let cell = |figures: &Figures, name: &str| match figures.get(name) {
        Some(Some(value)) => format!("{value:.4}"),
        _ => "–".into(),
    };
    match format {
        Format::Json => {
            let part = |(name, n_items, figures): &(&str, usize, Figures)| json!({ "part": name, "items": n_items, "figures": figures });
            let all: Vec<_> = all
                .iter()
                .map(|scored| {
                    let parts: Vec<_> = scored.parts.iter().map(part).collect();
                    json!({ "checkpoint": scored.checkpoint, "data": data, "parts": parts })
                })
                .collect();
            serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Format::Short => {
            for scored in all {
                for (part, n_items, figures) in &scored.parts {
                    let figures: Vec<String> =
                        names.iter().map(|name| format!("{name} {}", cell(figures, name))).collect();
                    let path = scored.checkpoint.display();
                    writeln!(out, "{path}: {part} ({n_items}): {}", figures.join(", "))?;
                }
            }
        }
        Format::Full => match all {
            [scored] => {
                writeln!(out, "{} on {data}\n", scored.checkpoint.display())?;
                let mut table = plain_table();
                let head = scored.parts.iter().map(|(part, n_items, _)| format!("{part} ({n_items})"));
                table.add_row(std::iter::once(String::new()).chain(head));
                for name in &names {
                    let cells = scored.parts.iter().map(|(_, _, figures)| cell(figures, name));
                    table.add_row(std::iter::once((*name).to_string()).chain(cells));
                }
                write_table(out, &table)?;
            }
            all => {
                // Of several runs the test part counts.
                let part =
                    if all.iter().all(|scored| scored.part("test").is_some()) { "test" } else { "all" };
                writeln!(out, "{} runs on {data}, {part} part\n", all.len())?;
                let mut table = plain_table();
                table.add_row(std::iter::once("").chain(names.iter().copied()));
                let figures: Vec<&Figures> = all.iter().filter_map(|scored| scored.part(part)).collect();
                for (scored, figures) in all.iter().zip(&figures) {
                    let folder = scored.checkpoint.parent().and_then(|folder| folder.file_name());
                    let folder = folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    let cells = names.iter().map(|name| cell(figures, name));
                    table.add_row(std::iter::once(folder).chain(cells));
                }
                let means = names.iter().map(|name| {
                    let values = figures.iter().filter_map(|figures| *figures.get(*name)?);
                    Spread::of(values).map_or_else(|| "–".into(), |spread| spread.to_string())
                });
                table.add_row(std::iter::once("mean".to_string()).chain(means));
                write_table(out, &table)?;
            }
        },
    }
    Ok(())
}
