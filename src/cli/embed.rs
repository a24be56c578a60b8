//! `hgnnc embed`: the vectors that a saved model makes of nodes or graphs, as files that other programs read.

use super::data::DataArgs;
use super::device::DeviceArg;
use super::eval::data_for;
use super::predict::part_names;
use super::room::MemoryArgs;
use super::{Exit, Failure, Global, help, note};
use crate::data::Dataset;
use crate::memory;
use crate::train::{Found, Outputs, SavedModel, find_run, write_file};
use crate::types::{Entity, TargetKind};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Write the vectors of a model that learned them without labels, one for each node or graph
///
/// The end of the name says how. `.npy` is an array of NumPy, `[items, width]` in float32; `.tsv` is what TensorFlow's projector reads; both get a file of
/// metadata beside them, `NAME.metadata.tsv`, with a line for each vector: its place from 0, its graph, its name, its class and the part of the split
/// that it is in, as far as the data has them. `.csv` has the same columns and the vector in one line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc embed runs/dgi -o vectors.npy\n  \
    hgnnc embed runs/dgi -o vectors.tsv\n  \
    hgnnc embed runs/graphcl --data ./my/NEW.zip -o vectors.csv\n\n\
    Exit codes: 0 done, 1 the data is wrong, 2 could not run")]
pub struct Embed {
    /// The folder of a run, one of its folds, or a checkpoint
    #[arg(value_name = "RUN")]
    run: PathBuf,
    #[arg(
        long,
        value_name = "CALL",
        help = help::data_call("What to make vectors of, in place of the data that the model was trained on")
    )]
    data: Option<String>,
    #[command(flatten)]
    place: DataArgs,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    memory: MemoryArgs,
    /// File to write: .npy, .tsv or .csv
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// How vectors are written.
#[derive(Debug, Clone, Copy)]
enum Form {
    Npy,
    Tsv,
    Csv,
}

impl Embed {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let form = match self.output.extension().and_then(|ending| ending.to_str()) {
            Some("npy") => Form::Npy,
            Some("tsv") => Form::Tsv,
            Some("csv") => Form::Csv,
            _ => {
                return Err(Failure::of_usage(format!(
                    "`{}` does not say how vectors are to be written",
                    self.output.display()
                ))
                .help("name a file that ends in .npy, .tsv or .csv"));
            }
        };
        let device = self.device.open()?;
        let base_bytes = memory::resident_bytes();
        let Found { checkpoints, notes } = find_run(&self.run)?;
        notes.iter().for_each(|text| note(text));
        let [path] = checkpoints.as_slice() else {
            let first = checkpoints.first().and_then(|path| path.parent());
            let first = first.map(|folder| folder.display().to_string()).unwrap_or_default();
            return Err(Failure::of_usage(format!(
                "`{}` holds {} runs",
                self.run.display(),
                checkpoints.len()
            ))
            .help(format!("name one of them, as in `hgnnc embed {first} -o {}`", self.output.display())));
        };
        let model = SavedModel::open(path, &device)?;
        model.notes.iter().for_each(|text| note(text));
        let task = model.model.get().task;
        if task.kind != TargetKind::Embedding {
            return Err(Failure::of_usage(format!(
                "`{}` predicts {}, and learned no vectors",
                path.display(),
                task.kind.words()
            ))
            .help("write `hgnnc predict` for its predictions, or train a model with `task = node_embedding` or `task = graph_embedding`"));
        }
        let Some(data) = data_for(&model, self.data.as_deref(), &self.place, global)? else {
            return Ok(Exit::Findings);
        };
        model.check_data(&data, false)?;
        let graphs: Vec<u32> = (0..data.n_graphs() as u32).collect();
        let what = format!("making vectors of {}", data.name);
        self.memory.judge_use(&what, &model, &data, &[graphs], &[], base_bytes)?;
        let vectors = model.predict(&data)?;
        let columns = Columns::new(&model, &data)?;
        match form {
            Form::Csv => write_file(&self.output, |out| columns.write_csv(&vectors, out))?,
            Form::Npy | Form::Tsv => {
                let beside = metadata_path(&self.output);
                write_file(&self.output, |out| match form {
                    Form::Npy => write_npy(&vectors, out),
                    _ => write_tsv(&vectors, out),
                })?;
                write_file(&beside, |out| columns.write_metadata(&vectors, out))?;
                note(&format!("what each vector is of stands in {}", beside.display()));
            }
        }
        Ok(Exit::Clean)
    }
}

/// `vectors.metadata.tsv` of `vectors.npy`.
fn metadata_path(path: &Path) -> PathBuf {
    path.with_extension("metadata.tsv")
}

/// What is known of each item beside its vector.
struct Columns<'a> {
    data: &'a Dataset,
    is_of_nodes: bool,
    /// Names of the data's own, one an item.
    names: Option<&'a [String]>,
    parts: Option<Vec<&'static str>>,
}

impl<'a> Columns<'a> {
    fn new(model: &SavedModel, data: &'a Dataset) -> Result<Self, Failure> {
        let is_of_nodes = model.model.get().task.entity == Entity::Nodes;
        let names = if is_of_nodes { &data.names.nodes } else { &data.names.graphs };
        let parts = model.split(data)?.map(|split| part_names(&split, data.n_items()));
        Ok(Self { data, is_of_nodes, names: (!names.is_empty()).then_some(names.as_slice()), parts })
    }

    fn head(&self) -> Vec<&'static str> {
        let mut head = if self.is_of_nodes { vec!["node", "graph"] } else { vec!["graph", "id"] };
        head.extend(self.names.map(|_| "name"));
        head.extend(self.data.labels.as_ref().map(|_| "class"));
        head.extend(self.parts.as_ref().map(|_| "part"));
        head
    }

    fn of_item(&self, item: u32) -> Vec<String> {
        let second = match self.is_of_nodes {
            true => self.data.node_offsets.partition_point(|&offset| offset <= item) as u32 - 1,
            false => self.data.graph_ids[item as usize],
        };
        let mut line = vec![item.to_string(), second.to_string()];
        line.extend(self.names.map(|names| names[item as usize].clone()));
        if let Some(classes) = &self.data.labels {
            let class = usize::try_from(classes[item as usize]).ok();
            let name = class.and_then(|class| self.data.class_names.get(class)).cloned();
            line.push(name.unwrap_or_default());
        }
        line.extend(self.parts.as_ref().map(|parts| parts[item as usize].to_owned()));
        line
    }

    fn write_metadata(&self, vectors: &Outputs, out: &mut dyn Write) -> io::Result<()> {
        let mut tsv = csv::WriterBuilder::new().delimiter(b'\t').from_writer(out);
        tsv.write_record(self.head())?;
        vectors.items.iter().try_for_each(|&item| tsv.write_record(self.of_item(item)))?;
        tsv.flush()
    }

    fn write_csv(&self, vectors: &Outputs, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        let numbers = (1..=vectors.width).map(|column| format!("x{column}"));
        csv.write_record(self.head().into_iter().map(str::to_owned).chain(numbers))?;
        for (item, row) in vectors.rows() {
            csv.write_record(self.of_item(item).into_iter().chain(row.iter().map(f32::to_string)))?;
        }
        csv.flush()
    }
}

/// Numbers alone, without a head.
fn write_tsv(vectors: &Outputs, out: &mut dyn Write) -> io::Result<()> {
    for (_, row) in vectors.rows() {
        let line: Vec<String> = row.iter().map(f32::to_string).collect();
        writeln!(out, "{}", line.join("\t"))?;
    }
    Ok(())
}

/// Version 1.0 of NumPy's format: little-endian floats, row-major.
fn write_npy(vectors: &Outputs, out: &mut dyn Write) -> io::Result<()> {
    let (n, width) = (vectors.items.len(), vectors.width);
    let mut head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, {width}), }}");
    // The numbers begin at a multiple of 64 bytes.
    while (10 + head.len() + 1) % 64 != 0 {
        head.push(' ');
    }
    head.push('\n');
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(head.len() as u16).to_le_bytes())?;
    out.write_all(head.as_bytes())?;
    vectors.values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
}
