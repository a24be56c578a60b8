//! `hgnnc predict`: what a saved model says of every graph or node.

use super::data::DataArgs;
use super::device::DeviceArg;
use super::eval::data_for;
use super::predicted_links;
use super::room::MemoryArgs;
use super::{Exit, Failure, Format, Global, help, note};
use crate::data::{Dataset, EdgeItems, Split, Target};
use crate::memory;
use crate::train::{Found, Outputs, SavedModel, find_run, write_file};
use crate::types::{Entity, TargetKind};
use serde_json::{Map, Value, json};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// Predict with a saved model, one line per graph (or node, or edge); the data needs no labels
///
/// A model that predicts links proposes new ones: for each node that has links, and each relation, the pairs that score highest.
///
/// A line names the item, counted from 0 (of an edge both ends), its number in the data's files and its name where it has one, of a node or an edge of the data that the model was trained
/// on the part of the split that it is in, the predicted class and the probability of each class (of a support vector machine scores, the highest of the predicted class); for values, the values. Lines are CSV; JSON lines with `--format jsonl` or a file that ends in .jsonl.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc predict runs/first --data ./my/NEW.zip\n  \
    hgnnc predict runs/first --data PROTEINS -o predictions.jsonl\n  \
    hgnnc predict runs/first --format jsonl\n\n\
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
    /// File to write, as JSON lines if its name ends in .jsonl; standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Of a model that predicts links: how many new links are proposed for each node, the likeliest first: 1 to 100000, 10 where nothing is said
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    top: u32,
    /// Of a model that predicts links: a CSV file of pairs to score in place of new links, by the names of the data
    #[arg(long, value_name = "FILE", conflicts_with = "top")]
    pairs: Option<PathBuf>,
}

impl Predict {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let device = self.device.open()?;
        let base_bytes = memory::resident_bytes();
        let Found { checkpoints: paths, notes } = find_run(&self.run)?;
        notes.iter().for_each(|text| note(text));
        let [path] = paths.as_slice() else {
            let first =
                paths.first().and_then(|path| path.parent()).map(|folder| folder.display().to_string());
            return Err(Failure::of_usage(format!("`{}` holds {} runs", self.run.display(), paths.len()))
                .help(format!("name one of them, as in `hgnnc predict {}`", first.unwrap_or_default())));
        };
        let model = SavedModel::open(path, &device)?;
        model.notes.iter().for_each(|text| note(text));
        let Some(data) = data_for(&model, self.data.as_deref(), &self.place, global)? else {
            return Ok(Exit::Findings);
        };
        model.check_data(&data, false)?;
        let as_json = global.format == Format::Json
            || self
                .output
                .as_ref()
                .is_some_and(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
        if model.model.get().task.kind == TargetKind::Links {
            return self.predict_links(&model, &data, as_json);
        }
        if self.pairs.is_some() {
            return Err(Failure::of_usage("`--pairs` is for models that predict links").help(format!(
                "leave it out: this model is for {}",
                model.model.get().task.name().replace('_', " ")
            )));
        }
        let graphs: Vec<u32> = (0..data.n_graphs() as u32).collect();
        let what = format!("predicting for {}", data.name);
        self.memory.judge_use(&what, &model, &data, &[graphs], base_bytes)?;
        let outputs = model.predict(&data)?;
        let parts = match data.item_offsets(model.model.get().task) {
            Some(_) => model.split(&data)?.map(|split| part_names(&split, outputs.items.len())),
            None => None,
        };
        let lines = Lines { model: &model, data: &data, outputs: &outputs, parts };
        let write = |out: &mut dyn Write| if as_json { lines.write_json(out) } else { lines.write_csv(out) };
        match &self.output {
            Some(path) => write_file(path, write)?,
            None => {
                let mut out = BufWriter::new(super::data_stdout());
                write(&mut out)?;
                out.flush()?;
            }
        }
        Ok(Exit::Clean)
    }
}

impl Predict {
    /// New links of each node, or the scores of given pairs.
    fn predict_links(&self, model: &SavedModel, data: &Dataset, as_json: bool) -> Result<Exit, Failure> {
        let lines = predicted_links::Lines { model, data, as_json };
        let mut text = Vec::new();
        match &self.pairs {
            Some(path) => lines.score(path, &mut text)?,
            None => lines.suggest(self.top as usize, &mut text)?,
        }
        match &self.output {
            Some(path) => write_file(path, |out| out.write_all(&text))?,
            None => super::data_stdout().write_all(&text)?,
        }
        Ok(Exit::Clean)
    }
}

struct Lines<'a> {
    model: &'a SavedModel,
    data: &'a Dataset,
    outputs: &'a Outputs,
    /// Of each node, where it is known.
    parts: Option<Vec<&'static str>>,
}

/// The part of a split that each node or edge is in; nothing for one in none.
fn part_names(split: &Split, n_items: usize) -> Vec<&'static str> {
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

    /// The graph that an item is, or lies in.
    fn graph(&self, item: u32) -> usize {
        if let Some(edges) = self.edges() {
            return edges.graph_of(item);
        }
        if !self.is_of_nodes() {
            return item as usize;
        }
        self.data.node_offsets.partition_point(|&offset| offset <= item) - 1
    }

    /// Columns that say which item a line is of: place from 0, and the number in the data's own files.
    fn places(&self, item: u32) -> Vec<(&'static str, u64)> {
        let graph = self.graph(item);
        let numbers = if let Some(edges) = self.edges() {
            let [source, target] = edges.ends[item as usize];
            vec![u64::from(source), u64::from(target), graph as u64]
        } else if self.is_of_nodes() {
            vec![u64::from(item), graph as u64]
        } else {
            vec![graph as u64, u64::from(self.data.graph_ids[graph])]
        };
        self.places_head().iter().copied().zip(numbers).collect()
    }

    /// What the data calls an item, or the ends of an edge, where it has names for them.
    fn names(&self, item: u32) -> Vec<(&'static str, &str)> {
        let names = &self.data.names;
        let of_items = if self.is_of_nodes() { &names.nodes } else { &names.graphs };
        let named = match self.edges() {
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

    fn value_name(&self, idx: usize) -> String {
        if let Some(Target::Columns(names)) = &self.model.checkpoint.facts.vocabulary.target
            && let Some(name) = names.get(idx)
        {
            return name.clone();
        }
        if self.outputs.width == 1 { "value".into() } else { format!("value_{}", idx + 1) }
    }

    fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        let mut head: Vec<String> = self.places_head().iter().map(ToString::to_string).collect();
        if let Some(&first) = self.outputs.items.first() {
            head.extend(self.names(first).iter().map(|(name, _)| (*name).to_owned()));
        }
        head.extend(self.parts.as_ref().map(|_| "part".to_owned()));
        if self.is_classes() {
            head.push("class".into());
            let kind = if self.outputs.are_probabilities { "p" } else { "score" };
            head.extend((0..self.outputs.width).map(|class| format!("{kind}_{}", self.class_name(class))));
        } else if self.is_of_labels() {
            head.push("labels".into());
            head.extend((0..self.outputs.width).map(|label| format!("p_{}", self.class_name(label))));
        } else {
            head.extend((0..self.outputs.width).map(|idx| self.value_name(idx)));
        }
        csv.write_record(&head)?;
        for (item, row) in self.outputs.rows() {
            let mut line: Vec<String> =
                self.places(item).iter().map(|(_, number)| number.to_string()).collect();
            line.extend(self.names(item).iter().map(|(_, name)| (*name).to_owned()));
            line.extend(self.parts.as_ref().map(|parts| parts[item as usize].to_owned()));
            if self.is_classes() {
                line.push(self.class_name(highest(row)));
            } else if self.is_of_labels() {
                line.push(self.labels(row).join(" "));
            }
            line.extend(row.iter().map(f32::to_string));
            csv.write_record(&line)?;
        }
        csv.flush()
    }

    fn places_head(&self) -> &'static [&'static str] {
        match self.edges() {
            Some(_) => &["source", "target", "graph"],
            None if self.is_of_nodes() => &["node", "graph"],
            None => &["graph", "id"],
        }
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        for (item, row) in self.outputs.rows() {
            let mut line: Map<String, Value> = self
                .places(item)
                .into_iter()
                .map(|(name, number)| (name.to_string(), number.into()))
                .collect();
            line.extend(self.names(item).iter().map(|(head, name)| ((*head).to_owned(), (*name).into())));
            if let Some(parts) = &self.parts {
                let part = Some(parts[item as usize]).filter(|part| !part.is_empty());
                line.insert("part".into(), part.into());
            }
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
