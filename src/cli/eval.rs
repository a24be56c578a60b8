//! `hgnnc eval`: measure a saved model.

use super::data::DataArgs;
use super::device::DeviceArg;
use super::results::{MARK, absent_in_words};
use super::room::MemoryArgs;
use super::table::{plain_table, write_table};
use super::train::{load_data, named_data, run_data};
use super::{Exit, Failure, Format, Global, help, note};
use crate::check;
use crate::data::{DataOptions, Dataset};
use crate::memory;
use crate::settings::data::{columns, edges, features};
use crate::settings::metric;
use crate::train::{Figures, Found, SavedModel, Spread, absent_classes, find_run, run_of};
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
    #[command(flatten)]
    memory: MemoryArgs,
}

/// Figures of one checkpoint by part.
struct Scored {
    checkpoint: PathBuf,
    parts: Vec<Part>,
}

/// Figures of one part.
struct Part {
    /// "train", "validation", "test" or "all"
    name: &'static str,
    n_items: usize,
    figures: Figures,
    /// Classes of the data that the part does not hold: means over classes leave them out.
    absent_classes: Vec<String>,
}

impl Part {
    /// A figure as it is shown; `–` where it is not defined.
    fn cell(&self, name: &str) -> String {
        match self.figures.get(name) {
            Some(Some(value)) => format!("{value:.4}{}", if self.is_marked(name) { MARK } else { "" }),
            _ => "–".into(),
        }
    }

    fn is_marked(&self, name: &str) -> bool {
        !self.absent_classes.is_empty() && metric::find(name).is_some_and(|metric| metric.is_over_classes())
    }
}

impl Scored {
    fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}

/// The data to run a saved model on, read with the columns, classes and edges of its training data; `None` where `--data` is
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
    let ready = |mut data: Dataset| {
        let task = model.model.get().task;
        if task.is_of_edges() {
            data.make_edge_items(task, facts.data.has_directed_items);
        }
        data.for_task(task)
    };
    let options = DataOptions { vocabulary: Some(facts.vocabulary.clone()), ..place.options() };
    match named {
        Some(text) => match named_data(text, global)? {
            Some((sources, mut call)) => {
                let trained = check::data_call(&facts.source.parse().1).ok().flatten();
                let mut differs = Vec::new();
                if let Some(trained) = &trained {
                    differs.extend(edges::read_as_in_training(&mut call, trained));
                    differs.extend(features::read_as_in_training(&mut call, trained));
                    columns::read_as_in_training(&mut call, trained);
                }
                for (now, then) in differs {
                    note(&format!(
                        "`{now}` differs from training, where the data was read with `{then}`; leave it out to read \
                         this data in the same way"
                    ));
                }
                load_data(&call, &sources, &options, global).map(|data| data.map(ready))
            }
            None => Ok(None),
        },
        None => {
            let record = run_of(&model.checkpoint.path).map(|run| run.record()).transpose()?;
            let options = DataOptions { base: record.and_then(|record| record.data_folder()), ..options };
            run_data(&facts.source, &model.checkpoint.path, options).map(|data| Some(ready(data)))
        }
    }
}

impl Eval {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let device = self.device.open()?;
        let base_bytes = memory::resident_bytes();
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
                    let asked = model.supervised(&split).into_owned();
                    if asked.len() < split.train.len() {
                        note(&format!(
                            "of the {} links of the training part the {} are measured that training asked about \
                             (`disjoint`); the others pass messages",
                            split.train.len(),
                            asked.len()
                        ));
                    }
                    vec![("train", asked), ("validation", split.validation), ("test", split.test)]
                }
                None => {
                    if data.has_fingerprint(&model.checkpoint.facts.data_fingerprint) {
                        note(&format!(
                            "there is no split beside {}, so the items that it was trained on are measured too",
                            path.display()
                        ));
                    }
                    vec![("all", model.labelled(&data))]
                }
            };
            let graphs: Vec<Vec<u32>> =
                parts.iter().map(|(_, items)| model.graphs_of(&data, items)).collect();
            // Links that were learned are not ranked.
            let ranked = || {
                graphs
                    .iter()
                    .zip(&parts)
                    .filter(|(_, (name, _))| *name != "train")
                    .map(|(part, _)| part.clone())
            };
            let ranked: Vec<Vec<u32>> = if model.ranks_links() { ranked().collect() } else { Vec::new() };
            self.memory.judge_use(
                &format!("measuring {}", path.display()),
                &model,
                &data,
                &graphs,
                &ranked,
                base_bytes,
            )?;
            let mut scored = Scored { checkpoint: path, parts: Vec::new() };
            for (name, items) in parts.into_iter().filter(|(_, items)| !items.is_empty()) {
                let figures = match name {
                    "train" => model.score_training(&data, &items)?,
                    _ => model.score(&data, &items)?,
                };
                let absent_classes = absent_classes(&data, &items);
                scored.parts.push(Part { name, n_items: items.len(), figures, absent_classes });
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

/// Says what the mark means, where one was written.
fn explain_marks(
    out: &mut dyn Write,
    parts: &[&Part],
    metrics: &[&str],
    is_of_several: bool,
) -> io::Result<()> {
    let marked = parts.iter().filter(|part| metrics.iter().any(|name| part.is_marked(name)));
    let mut absent = marked.map(|part| (part.name, part.absent_classes.as_slice())).peekable();
    match absent.peek() {
        Some(_) => writeln!(out, "\n  {}", absent_in_words(absent, is_of_several)),
        None => Ok(()),
    }
}

fn print(
    out: &mut dyn Write,
    data: &str,
    metrics: &[&str],
    all: &[Scored],
    format: Format,
) -> Result<(), Failure> {
    // A support vector machine has no loss that is a mean over items.
    let has_loss = all.iter().flat_map(|scored| &scored.parts).any(|part| part.figures.contains_key("loss"));
    let names: Vec<&str> = has_loss.then_some("loss").into_iter().chain(metrics.iter().copied()).collect();
    match format {
        Format::Json => {
            let part = |part: &Part| {
                let mut value = json!({ "part": part.name, "items": part.n_items, "figures": part.figures });
                if !part.absent_classes.is_empty() {
                    value["absent_classes"] = json!(part.absent_classes);
                }
                value
            };
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
                for part in &scored.parts {
                    let figures: Vec<String> =
                        names.iter().map(|name| format!("{name} {}", part.cell(name))).collect();
                    let path = scored.checkpoint.display();
                    writeln!(out, "{path}: {} ({}): {}", part.name, part.n_items, figures.join(", "))?;
                }
            }
        }
        Format::Full => match all {
            [scored] => {
                writeln!(out, "{} on {data}\n", scored.checkpoint.display())?;
                let mut table = plain_table();
                let head = scored.parts.iter().map(|part| format!("{} ({})", part.name, part.n_items));
                table.add_row(std::iter::once(String::new()).chain(head));
                for name in &names {
                    let cells = scored.parts.iter().map(|part| part.cell(name));
                    table.add_row(std::iter::once((*name).to_string()).chain(cells));
                }
                write_table(out, &table)?;
                explain_marks(out, &scored.parts.iter().collect::<Vec<_>>(), metrics, false)?;
            }
            all => {
                // Of several runs the test part counts.
                let part =
                    if all.iter().all(|scored| scored.part("test").is_some()) { "test" } else { "all" };
                writeln!(out, "{} runs on {data}, {part} part\n", all.len())?;
                let mut table = plain_table();
                table.add_row(std::iter::once("").chain(names.iter().copied()));
                let parts: Vec<&Part> = all.iter().filter_map(|scored| scored.part(part)).collect();
                for (scored, part) in all.iter().zip(&parts) {
                    let folder = scored.checkpoint.parent().and_then(|folder| folder.file_name());
                    let folder = folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    let cells = names.iter().map(|name| part.cell(name));
                    table.add_row(std::iter::once(folder).chain(cells));
                }
                let means = names.iter().map(|name| {
                    let values = parts.iter().filter_map(|part| *part.figures.get(*name)?);
                    let spread = Spread::of(values);
                    let mark = if parts.iter().any(|part| part.is_marked(name)) { MARK } else { "" };
                    spread.map_or_else(
                        || "–".into(),
                        |spread| match spread.n_runs < parts.len() {
                            true => format!("{spread}{mark} ({} of {} runs)", spread.n_runs, parts.len()),
                            false => format!("{spread}{mark}"),
                        },
                    )
                });
                table.add_row(std::iter::once("mean".to_string()).chain(means));
                write_table(out, &table)?;
                explain_marks(out, &parts, metrics, true)?;
            }
        },
    }
    Ok(())
}
