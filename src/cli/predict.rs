//! `hgnnc predict`: what a saved model says of every graph or node.

use super::data::DataArgs;
use super::device::DeviceArg;
use super::eval::data_for;
use super::predicted_links;
use super::report::Binary;
use super::room::MemoryArgs;
use super::sheet::{Cells, Sheet};
use super::{Exit, Failure, Format, Global, help, note};
use crate::data::{Dataset, EdgeItems, Split, Target};
use crate::diagnostic::count;
use crate::files::npy;
use crate::memory;
use crate::train::{Embedded, Found, Outputs, SavedModel, find_run, write_file};
use crate::types::{Entity, TargetKind};
use serde_json::{Map, Value, json};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Predict with a saved model, one line per graph (or node, or edge); the data needs no labels
///
/// A model that predicts links proposes new ones: for each node that has links, and each relation, the pairs that score highest.
///
/// A line names the item, counted from 0 (of an edge both ends), its number in the data's files and its name where it has one, of a node or an edge of the data that the model was trained
/// on the part of the split that it is in, the predicted class and the probability of each class (of a support vector machine scores, the highest of the predicted class); for values, the values. Lines are CSV; JSON lines with `--format jsonl` or a file that ends in .jsonl; a Parquet table of the same columns with `--format parquet` or .parquet; and with `--format npy` or .npy the probabilities, scores or values alone, a row for each item in the order of the data, as `numpy.load` reads it.
///
/// `--embeddings` writes what the last layer reads in place of predictions, or a value that the model names: a row of numbers for each graph or node.
///
/// Of a run with several folds or seeds the first predicts, and a line on standard error says so; `--folds average` takes the mean of the probabilities, scores or values of all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc predict runs/first --data ./my/NEW.zip\n  \
    hgnnc predict runs/first --data PROTEINS -o predictions.jsonl\n  \
    hgnnc predict runs/first --format jsonl\n  \
    hgnnc predict runs/ten-folds --folds average -o mean.parquet\n  \
    hgnnc predict runs/first --embeddings -o rows.npy\n\n\
    Exit codes: 0 done, 1 the data is wrong, 2 could not run")]
pub struct Predict {
    /// The folder of a run, one of its folds, or a checkpoint
    #[arg(value_name = "RUN")]
    run: PathBuf,
    #[arg(
        long,
        value_name = "CALL",
        help = help::data_call("What to predict for, in place of the data that the model was trained on")
    )]
    data: Option<String>,
    #[command(flatten)]
    place: DataArgs,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    memory: MemoryArgs,
    /// File to write, in the format of its ending (.csv, .jsonl, .npy, .parquet); standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Of a model that predicts links: how many new links are proposed for each node, the likeliest first: 1 to 100000, 10 where nothing is said
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    top: u32,
    /// Of a model that predicts links: a CSV file of pairs to score in place of new links, by the names of the data
    #[arg(long, value_name = "FILE", conflicts_with = "top")]
    pairs: Option<PathBuf>,
    /// Of a run with several folds or seeds: which of them predict
    #[arg(long, value_enum, value_name = "WHICH")]
    folds: Option<Folds>,
    /// Write what the last layer reads, or with `--embeddings=NAME` the value that the model calls so
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "",
          conflicts_with_all = ["top", "pairs", "folds"])]
    embeddings: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Folds {
    /// The first
    First,
    /// All: the mean of their probabilities, scores or values
    Average,
}

/// How predictions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Csv,
    JsonLines,
    Npy,
    Parquet,
}

impl Predict {
    /// As the command line asks, else by the ending of the file.
    ///
    /// # Errors
    /// Where both say something else, or numbers that are no text would go to a terminal.
    fn written(&self, global: &Global) -> Result<Written, Failure> {
        let ending = self.output.as_deref().and_then(Path::extension).and_then(|ending| ending.to_str());
        let by_name = match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("jsonl") => Some(Written::JsonLines),
            Some("npy") => Some(Written::Npy),
            Some("parquet") => Some(Written::Parquet),
            _ => None,
        };
        let asked = match (global.binary, global.format) {
            (Some(Binary::Npy), _) => Some(Written::Npy),
            (Some(Binary::Parquet), _) => Some(Written::Parquet),
            (None, Format::Json) => Some(Written::JsonLines),
            (None, _) => None,
        };
        if let (Some(asked), Some(by_name)) = (asked, by_name)
            && asked != by_name
        {
            return Err(Failure::of_usage("`--format` and the ending of `--output` name different formats")
                .help("leave `--format` out, or give the file another ending"));
        }
        let written = asked.or(by_name).unwrap_or(Written::Csv);
        let is_binary = matches!(written, Written::Npy | Written::Parquet);
        if is_binary && self.output.is_none() && io::stdout().is_terminal() {
            return Err(Failure::of_usage("this format is no text, and standard output is a terminal")
                .help("name a file: `--output predictions.npy`"));
        }
        Ok(written)
    }

    /// Writes to the file or standard output.
    fn write(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        match &self.output {
            Some(path) => write_file(path, write)?,
            None => {
                let mut out = BufWriter::new(super::data_stdout());
                write(&mut out)?;
                out.flush()?;
            }
        }
        Ok(())
    }

    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let device = self.device.open()?;
        let base_bytes = memory::resident_bytes();
        let Found { checkpoints: paths, notes } = find_run(&self.run)?;
        notes.iter().for_each(|text| note(text));
        let written = self.written(global)?;
        let (path, others) = paths.split_first().expect("a run has a checkpoint");
        if others.is_empty() && self.folds.is_some() {
            return Err(Failure::of_usage(format!("`{}` is a single run", self.run.display()))
                .help("leave `--folds` out, or name the folder of a run with folds or seeds"));
        }
        let averaged = if self.folds == Some(Folds::Average) { others } else { &[] };
        if !others.is_empty() && self.folds.is_none() {
            let folder = path.parent().unwrap_or(Path::new(".")).display();
            note(&format!(
                "`{}` holds {}, and {folder} predicts; `--folds average` takes the mean of all, and a folder names another",
                self.run.display(),
                count(paths.len(), "run"),
            ));
        }
        let model = SavedModel::open(path, &device)?;
        model.notes.iter().for_each(|text| note(text));
        let Some(data) = data_for(&model, self.data.as_deref(), &self.place, global)? else {
            return Ok(Exit::Findings);
        };
        model.check_data(&data, false)?;
        if let Some(name) = &self.embeddings {
            let graphs: Vec<u32> = (0..data.n_graphs() as u32).collect();
            self.memory.judge_use(
                &format!("predicting for {}", data.name),
                &model,
                &data,
                &[graphs],
                &[],
                base_bytes,
            )?;
            let embedded = model.embed(&data, Some(name.as_str()).filter(|name| !name.is_empty()))?;
            note(&format!(
                "{}, {} for each {}",
                embedded.what,
                count(embedded.width, "number"),
                if embedded.of_nodes { "node" } else { "graph" }
            ));
            return self.write_embeddings(&model, &data, &embedded, written);
        }
        if model.model.get().task.kind == TargetKind::Links {
            if !averaged.is_empty() {
                return Err(Failure::of_usage(
                    "scores of links are not averaged: each run has a scale of its own",
                )
                .help("name the folder of one of the runs"));
            }
            let all = || (0..data.n_items() as u32).collect();
            let ranked: Vec<Vec<u32>> = self.pairs.is_none().then(all).into_iter().collect();
            let what = format!("predicting links of {}", data.name);
            self.memory.judge_use(&what, &model, &data, &[], &ranked, base_bytes)?;
            return self.predict_links(&model, &data, written);
        }
        if self.pairs.is_some() {
            return Err(Failure::of_usage("`--pairs` is for models that predict links").help(format!(
                "leave it out: this model is for {}",
                model.model.get().task.name().replace('_', " ")
            )));
        }
        let graphs: Vec<u32> = (0..data.n_graphs() as u32).collect();
        let what = format!("predicting for {}", data.name);
        self.memory.judge_use(&what, &model, &data, &[graphs], &[], base_bytes)?;
        let mut outputs = model.predict(&data)?;
        if !averaged.is_empty() {
            let mut sums: Vec<f64> = outputs.values.iter().map(|&value| f64::from(value)).collect();
            for path in averaged {
                let model = SavedModel::open(path, &device)?;
                model.check_data(&data, false)?;
                let of_fold = model.predict(&data)?;
                sums.iter_mut().zip(&of_fold.values).for_each(|(sum, &value)| *sum += f64::from(value));
            }
            let n_runs = (averaged.len() + 1) as f64;
            outputs.values = sums.into_iter().map(|sum| (sum / n_runs) as f32).collect();
        }
        // Which part a node is in differs from run to run.
        let parts = match averaged {
            [] => parts_of(&model, &data, outputs.items.len())?,
            _ => None,
        };
        let lines = Lines { model: &model, data: &data, outputs: &outputs, parts };
        self.write(|out| match written {
            Written::Csv => lines.sheet().write_csv(out),
            Written::JsonLines => lines.write_json(out),
            Written::Npy => npy::write(out, &outputs.values, outputs.width),
            Written::Parquet => lines.sheet().write_parquet(out),
        })?;
        Ok(Exit::Clean)
    }
}

/// The part of the split that each node or edge is in, where the model was trained on this data.
fn parts_of(
    model: &SavedModel,
    data: &Dataset,
    n_items: usize,
) -> Result<Option<Vec<&'static str>>, Failure> {
    match data.item_offsets(model.model.get().task) {
        Some(_) => Ok(model.split(data)?.map(|split| part_names(&split, n_items))),
        None => Ok(None),
    }
}

impl Predict {
    /// New links of each node, or the scores of given pairs.
    fn predict_links(&self, model: &SavedModel, data: &Dataset, written: Written) -> Result<Exit, Failure> {
        if written == Written::Npy && self.pairs.is_none() {
            return Err(Failure::of_usage("new links have names, and an array of numbers has none")
                .help("write them as CSV, JSON lines or Parquet; scores of `--pairs FILE` can be an array"));
        }
        let lines = predicted_links::Lines { model, data, written };
        let mut text = Vec::new();
        match &self.pairs {
            Some(path) => lines.score(path, &mut text)?,
            None => lines.suggest(self.top as usize, &mut text)?,
        }
        self.write(|out| out.write_all(&text))?;
        Ok(Exit::Clean)
    }

    /// A row of numbers for each graph or node.
    fn write_embeddings(
        &self,
        model: &SavedModel,
        data: &Dataset,
        embedded: &Embedded,
        written: Written,
    ) -> Result<Exit, Failure> {
        let Embedded { of_nodes, width, values, .. } = embedded;
        let n_items = if *of_nodes { data.n_nodes() } else { data.n_graphs() };
        let places = Places { data, of_nodes: *of_nodes, edges: None };
        let is_of_nodes = model.model.get().task.entity == Entity::Nodes;
        let parts = if *of_nodes && is_of_nodes { parts_of(model, data, n_items)? } else { None };
        self.write(|out| match written {
            Written::Npy => npy::write(out, values, *width),
            Written::Csv | Written::Parquet => {
                let mut sheet = places.sheet(n_items as u32, parts.as_deref());
                sheet.push_matrix((1..=*width).map(|idx| format!("e_{idx}")), values, *width);
                if written == Written::Csv { sheet.write_csv(out) } else { sheet.write_parquet(out) }
            }
            Written::JsonLines => {
                for (item, row) in (0..).zip(values.chunks_exact((*width).max(1))) {
                    let mut line = places.json(item, parts.as_deref());
                    line.insert("embedding".into(), row.iter().map(|value| short(*value)).collect());
                    serde_json::to_writer(&mut *out, &line)?;
                    writeln!(out)?;
                }
                Ok(())
            }
        })?;
        Ok(Exit::Clean)
    }
}

/// What says which item a line is of.
struct Places<'a> {
    data: &'a Dataset,
    of_nodes: bool,
    /// Of a task on edges.
    edges: Option<&'a EdgeItems>,
}

impl Places<'_> {
    fn head(&self) -> &'static [&'static str] {
        match self.edges {
            Some(_) => &["source", "target", "graph"],
            None if self.of_nodes => &["node", "graph"],
            None => &["graph", "id"],
        }
    }

    /// Place from 0, and the number in the data's own files, or of a node or edge the graph that it lies in.
    fn numbers(&self, item: u32) -> Vec<u64> {
        if let Some(edges) = self.edges {
            let [source, target] = edges.ends[item as usize];
            return vec![u64::from(source), u64::from(target), edges.graph_of(item) as u64];
        }
        if !self.of_nodes {
            return vec![u64::from(item), u64::from(self.data.graph_ids[item as usize])];
        }
        let graph = self.data.node_offsets.partition_point(|&offset| offset <= item) - 1;
        vec![u64::from(item), graph as u64]
    }

    /// What the data calls an item, or the ends of an edge, where it has names for them.
    fn names(&self, item: u32) -> Vec<(&'static str, &str)> {
        let names = &self.data.names;
        let of_items = if self.of_nodes { &names.nodes } else { &names.graphs };
        let named = match self.edges {
            Some(edges) => {
                let [source, target] = edges.ends[item as usize];
                vec![("source_name", &names.nodes, source), ("target_name", &names.nodes, target)]
            }
            None => vec![("name", of_items, item)],
        };
        named
            .into_iter()
            .filter_map(|(head, names, place)| Some((head, names.get(place as usize)?.as_str())))
            .collect()
    }

    fn sheet(&self, n_items: u32, parts: Option<&[&'static str]>) -> Sheet {
        let mut sheet = Sheet::default();
        let numbers: Vec<Vec<u64>> = (0..n_items).map(|item| self.numbers(item)).collect();
        for (idx, name) in self.head().iter().enumerate() {
            sheet.push(*name, Cells::Whole(numbers.iter().map(|row| row[idx] as i64).collect()));
        }
        let heads = if n_items > 0 { self.names(0) } else { Vec::new() };
        for (idx, (head, _)) in heads.into_iter().enumerate() {
            let name = |item| self.names(item).get(idx).map(|(_, name)| (*name).to_owned());
            sheet.push(head, Cells::Texts((0..n_items).map(name).collect()));
        }
        if let Some(parts) = parts {
            let text = |part: &&str| Some((*part).to_owned()).filter(|part| !part.is_empty());
            sheet.push("part", Cells::Texts(parts.iter().map(text).collect()));
        }
        sheet
    }

    fn json(&self, item: u32, parts: Option<&[&'static str]>) -> Map<String, Value> {
        let numbers = self.head().iter().zip(self.numbers(item));
        let mut line: Map<String, Value> =
            numbers.map(|(name, number)| ((*name).to_owned(), number.into())).collect();
        line.extend(self.names(item).into_iter().map(|(head, name)| (head.to_owned(), name.into())));
        if let Some(parts) = parts {
            let part = Some(parts[item as usize]).filter(|part| !part.is_empty());
            line.insert("part".into(), part.into());
        }
        line
    }
}

struct Lines<'a> {
    model: &'a SavedModel,
    data: &'a Dataset,
    outputs: &'a Outputs,
    /// Of each node, where it is known.
    parts: Option<Vec<&'static str>>,
}

/// The part of a split that each item is in; nothing for one in none.
pub fn part_names(split: &Split, n_items: usize) -> Vec<&'static str> {
    let mut names = vec![""; n_items];
    for (part, items) in [("train", &split.train), ("validation", &split.validation), ("test", &split.test)] {
        items.iter().for_each(|&item| names[item as usize] = part);
    }
    names
}

impl Lines<'_> {
    fn is_of_nodes(&self) -> bool {
        self.model.model.get().task.entity == Entity::Nodes
    }

    /// The edges that lines are about, of a task on these.
    fn edges(&self) -> Option<&EdgeItems> {
        self.data.edge_items.as_deref().filter(|_| self.model.model.get().task.is_of_edges())
    }

    fn is_classes(&self) -> bool {
        self.model.model.get().task.kind == TargetKind::Classification
    }

    fn is_of_labels(&self) -> bool {
        self.model.model.get().task.kind == TargetKind::MultiLabel
    }

    /// The labels that are more likely there than not.
    fn labels(&self, row: &[f32]) -> Vec<String> {
        let likely = row.iter().enumerate().filter(|(_, p)| **p > 0.5);
        likely.map(|(label, _)| self.class_name(label)).collect()
    }

    /// As the training data names it.
    fn class_name(&self, class: usize) -> String {
        let name = self.model.checkpoint.facts.class_names.get(class);
        name.cloned().unwrap_or_else(|| class.to_string())
    }

    fn places(&self) -> Places<'_> {
        Places { data: self.data, of_nodes: self.is_of_nodes(), edges: self.edges() }
    }

    fn value_name(&self, idx: usize) -> String {
        if self.model.model.get().task.kind == TargetKind::Embedding {
            return format!("x{}", idx + 1);
        }
        if let Some(Target::Columns(names)) = &self.model.checkpoint.facts.vocabulary.target
            && let Some(name) = names.get(idx)
        {
            return name.clone();
        }
        if self.outputs.width == 1 { "value".into() } else { format!("value_{}", idx + 1) }
    }

    /// The same columns for every item.
    fn sheet(&self) -> Sheet {
        let n_items = self.outputs.items.len() as u32;
        let mut sheet = self.places().sheet(n_items, self.parts.as_deref());
        let width = self.outputs.width;
        let texts = |of: &dyn Fn(&[f32]) -> String| {
            Cells::Texts(self.outputs.rows().map(|(_, row)| Some(of(row))).collect())
        };
        let names: Vec<String> = if self.is_classes() {
            sheet.push("class", texts(&|row| self.class_name(highest(row))));
            let kind = if self.outputs.are_probabilities { "p" } else { "score" };
            (0..width).map(|class| format!("{kind}_{}", self.class_name(class))).collect()
        } else if self.is_of_labels() {
            sheet.push("labels", texts(&|row| self.labels(row).join(" ")));
            (0..width).map(|label| format!("p_{}", self.class_name(label))).collect()
        } else {
            (0..width).map(|idx| self.value_name(idx)).collect()
        };
        sheet.push_matrix(names.into_iter(), &self.outputs.values, width);
        sheet
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        for (item, row) in self.outputs.rows() {
            let mut line = self.places().json(item, self.parts.as_deref());
            if self.is_classes() {
                line.insert("class".into(), self.class_name(highest(row)).into());
                let named = row.iter().enumerate().map(|(class, p)| (self.class_name(class), short(*p)));
                let kind = if self.outputs.are_probabilities { "probabilities" } else { "scores" };
                line.insert(kind.into(), Value::Object(named.collect()));
            } else if self.is_of_labels() {
                line.insert("labels".into(), self.labels(row).into());
                let named = row.iter().enumerate().map(|(label, p)| (self.class_name(label), short(*p)));
                line.insert("probabilities".into(), Value::Object(named.collect()));
            } else {
                line.extend(row.iter().enumerate().map(|(idx, value)| (self.value_name(idx), short(*value))));
            }
            serde_json::to_writer(&mut *out, &line)?;
            writeln!(out)?;
        }
        Ok(())
    }
}

/// The number with as many digits as an f32 has.
fn short(value: f32) -> Value {
    json!(value.to_string().parse::<f64>().unwrap_or(f64::from(value)))
}

/// The first of the highest values.
fn highest(row: &[f32]) -> usize {
    row.iter().enumerate().fold(0, |best, (idx, value)| if *value > row[best] { idx } else { best })
}
