//! `hgnnc estimate`: what a training run takes, before it begins.

use super::device::DeviceArg;
use super::source::{self, Loaded, LocalData};
use super::table::{plain_table, write_table};
use super::train::named_data;
use super::{Exit, Failure, Format, Global, help, report, stderr_look, stdout_look};
use crate::check::{self, Checked};
use crate::data::files::parse_size;
use crate::data::{self, DataOptions, Dataset};
use crate::diagnostic::Diagnostic;
use crate::estimate::kernels::KernelEstimate;
use crate::estimate::limit::Proposal;
use crate::estimate::machine::Machine;
use crate::estimate::{Estimate, EstimateError, Estimator, OF_QUERIES, OF_WALKS, ProcessMemory, Request};
use crate::ir::Model;
use crate::memory;
use crate::plan;
use crate::plan::words::{self, Count, grouped};
use crate::source::SourceMap;
use crate::train::{Overrides, Settings};
use petgraph::graph::NodeIndex;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;

/// Estimate what training a file takes: parameters, FLOPs, memory and time
///
/// Nothing is trained. The data is read, because the estimate depends on its sizes; the seed determines the shuffles,
/// so the batches themselves are known. Times are for this machine, whose speed is measured once, in a quarter of a
/// second.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc estimate models/proteins_diffpool.hgnn\n  \
    hgnnc estimate one_line.hgnn --data PROTEINS --batch-size 64\n  \
    hgnnc estimate models/dd_diffpool.hgnn --memory-limit 2GB\n\n\
    Exit codes: 0 done, 1 the file has errors, 2 could not run")]
pub struct EstimateCommand {
    /// The file; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: String,
    #[arg(long, value_name = "CALL", conflicts_with = "no_data", help = help::data_call("Data in place of the file's"))]
    data: Option<String>,
    #[command(flatten)]
    place: LocalData,
    /// Graphs per batch in place of the file's, 1 to 10,000,000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    batch_size: Option<u32>,
    /// Propose the largest batch size whose peak memory stays below this: a number of B, kB, MB, GB, TB, KiB, MiB, GiB
    /// or TiB, as in `2GB` or `512MiB`; bytes without a unit
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory_limit: Option<u64>,
    /// Seed in place of the file's, a whole number from 0
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Epochs in place of the file's, 1 to 1,000,000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    epochs: Option<u32>,
    /// Leave the time out and measure nothing
    #[arg(long)]
    no_time: bool,
    #[command(flatten)]
    device: DeviceArg,
}

/// A file with its model, and its data where that is there.
struct Ready {
    model: Checked<Model>,
    dataset: Option<Dataset>,
    /// Why there is no data, and what to give.
    missing: Option<(String, String)>,
}

impl EstimateCommand {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if !self.device.is_cpu() {
            return Err(Failure::new("estimates are for training on the CPU").help(
                "leave `--device cuda` out; on a GPU the sum of weights and activations is a lower bound",
            ));
        }
        let (base_bytes, file_bytes) = (memory::resident_bytes(), memory::file_bytes());
        let Some(ready) = self.compile(global)? else { return Ok(Exit::Findings) };
        let process = ProcessMemory::new(base_bytes, memory::peak_bytes());
        let out = &mut super::stdout();
        let (Some(dataset), model) = (&ready.dataset, ready.model.get()) else {
            self.print_symbolic(out, &ready, global)?;
            return Ok(Exit::Clean);
        };
        let overrides = Overrides { seed: self.seed, epochs: self.epochs.map(|epochs| epochs as usize) };
        let mut settings = Settings::new(model, overrides);
        settings.batch_size = self.batch_size.map_or(settings.batch_size, |size| size as usize);
        let cache = data::DataOptions::from_env().cache_dir;
        // What is solved at once has no kernels whose rates are known.
        let measured = (!self.no_time && model.machine().is_none())
            .then(|| Machine::cached(cache.as_deref()))
            .transpose();
        let machine =
            measured.map_err(|error| Failure::new(format!("this machine cannot be measured: {error}")))?;
        let process = process.with_pages(file_bytes, machine.as_ref());
        let request = Request { model, dataset, settings: &settings, process, machine };
        if let Some(estimate) = KernelEstimate::new(&request).map_err(EstimateError::from)? {
            self.print_kernel(out, &estimate, dataset, global)?;
            return Ok(Exit::Clean);
        }
        let estimator = Estimator::new(request)?;
        let estimate = estimator.estimate();
        let proposal = self.memory_limit.map(|limit| estimator.propose(limit as f64));
        if global.format == Format::Json {
            let mut value = serde_json::to_value(&estimate).expect("names and numbers become JSON");
            value["file"] = json!(self.file);
            value["data"] = json!(dataset.name);
            value["proposal"] = json!(proposal);
            serde_json::to_writer_pretty(&mut *out, &value).map_err(io::Error::from)?;
            writeln!(out)?;
        } else if global.format == Format::Short {
            let time = estimate
                .time
                .map_or_else(String::new, |time| format!(", {} per epoch", seconds(time.epoch_s)));
            let (n, peak) = (grouped(estimate.n_parameters), bytes(estimate.memory.peak_bytes));
            writeln!(out, "{}: {n} parameters, peak {peak}{time}", self.file)?;
        } else {
            let items = estimator.items();
            print(out, &self.file, &estimate, dataset, items, proposal.as_ref(), estimator.machine())?;
        }
        Ok(Exit::Clean)
    }

    /// What a graph kernel with its machine takes.
    fn print_kernel(
        &self,
        out: &mut dyn Write,
        estimate: &KernelEstimate,
        dataset: &Dataset,
        global: &Global,
    ) -> Result<(), Failure> {
        let no_effect = [
            ("--batch-size", self.batch_size.is_some()),
            ("--memory-limit", self.memory_limit.is_some()),
            ("--epochs", self.epochs.is_some()),
        ];
        if let Some((option, _)) = no_effect.into_iter().find(|(_, is_given)| *is_given) {
            return Err(Failure::of_usage(format!(
                "`{option}` has no effect: the model is solved at once, without batches"
            ))
            .help(format!("leave `{option}` out")));
        }
        let KernelEstimate { n_graphs, n_runs, n_matrices, n_ways, memory, .. } = estimate;
        if global.format == Format::Json {
            let mut value = serde_json::to_value(estimate).expect("names and numbers become JSON");
            value["file"] = json!(self.file);
            value["data"] = json!(dataset.name);
            serde_json::to_writer_pretty(&mut *out, &value).map_err(io::Error::from)?;
            writeln!(out)?;
            return Ok(());
        }
        if global.format == Format::Short {
            writeln!(out, "{}: 0 parameters, peak {}", self.file, bytes(memory.peak_bytes))?;
            return Ok(());
        }
        writeln!(out, "{} on {}, an estimate\n", self.file, dataset.name)?;
        let each = if *n_runs > 1 { format!(", for each of {n_runs} runs") } else { String::new() };
        writeln!(out, "Parameters  none")?;
        writeln!(out, "Machines    {}{each}", plural(*n_ways, "fit"))?;
        writeln!(out, "\nPeak memory {}", bytes(memory.peak_bytes))?;
        let mut table = plain_table();
        let n = grouped(*n_graphs);
        let matrices = if *n_matrices == 1 { "matrix".to_owned() } else { format!("{n_matrices} matrices") };
        for (name, value, note) in [
            ("process", memory.process_bytes, "the program itself".to_owned()),
            ("data set", memory.dataset_bytes, String::new()),
            (
                "counts",
                memory.counts_bytes,
                "what the kernel counts in each graph, by some of them".to_owned(),
            ),
            (
                "similarities",
                memory.matrices_bytes,
                format!("{matrices} of {n} × {n} numbers, and one of sums"),
            ),
        ] {
            table.add_row([name, &bytes(value), &note]);
        }
        table.align_right(&[1]);
        write_table(out, &table)?;
        writeln!(out, "\nTime is not estimated: it depends on what the graphs have in common.")?;
        Ok(())
    }

    /// Compiles the file against its data; `None` where it has errors, which were reported.
    fn compile(&self, global: &Global) -> Result<Option<Ready>, Failure> {
        let Loaded { sources, program, mut diagnostics, base } = source::load(&self.file)?;
        let named = match &self.data {
            Some(text) => match named_data(text, global)? {
                Some((_, call)) => Some(call),
                None => return Ok(None),
            },
            None => None,
        };
        let is_named = named.is_some();
        // What is wrong with the file's own call is reported by the check below.
        let call = named.or_else(|| check::data_call(&program).unwrap_or(None));
        let mut dataset = None;
        let mut missing = None;
        match (&call, self.place.options()) {
            (None, _) => {
                missing = Some((
                    format!("`{}` names no data", self.file),
                    "give some with `--data`, as in `--data PROTEINS`, or write `data = tu(\"PROTEINS\")` into it"
                        .to_owned(),
                ));
            }
            (Some(_), None) => {
                missing = Some(("no data was read".to_owned(), "leave `--no-data` out".to_owned()));
            }
            (Some(call), Some(options)) => match data::load(call, &from_base(options, base, is_named)) {
                Ok(loaded) => dataset = Some(loaded),
                Err(error) if error.is_absent() && !is_named => {
                    missing = Some((error.to_string(), error.help.unwrap_or_default()));
                }
                Err(error) => return Err(error.into()),
            },
        }
        let facts = dataset.as_ref().map(Dataset::facts);
        let outcome = check::check(&program, facts.as_ref());
        diagnostics.extend(outcome.diagnostics);
        print_findings(&sources, &diagnostics, global)?;
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Ok(None);
        }
        let Some(model) = outcome.model else {
            return Err(Failure::new(format!("`{}` defines no model to estimate", self.file))
                .help("estimate a file that uses it"));
        };
        // As training sees it: its links, say, where the task is about them.
        let task = model.get().task;
        Ok(Some(Ready { dataset: dataset.map(|dataset| dataset.for_task(task)), model, missing }))
    }

    /// What can be said without data.
    fn print_symbolic(&self, out: &mut dyn Write, ready: &Ready, global: &Global) -> Result<(), Failure> {
        let model = ready.model.get();
        let stages = plan::stages(model, None);
        let sizes: Vec<Count> = model.nodes().map(|(idx, _)| trained(model, idx)).collect();
        let mut parameters = Count::default();
        sizes.iter().for_each(|size| parameters.add(size));
        let (why, what) = ready.missing.clone().unwrap_or_default();
        if global.format == Format::Json {
            let stages: Vec<_> = stages
                .iter()
                .zip(&sizes)
                .map(|(stage, size)| {
                    json!({
                        "index": stage.index,
                        "text": stage.text,
                        "result": stage.ty.to_string(),
                        "parameters": size,
                    })
                })
                .collect();
            let value =
                json!({ "file": self.file, "data": null, "n_parameters": parameters, "stages": stages });
            serde_json::to_writer_pretty(&mut *out, &value).map_err(io::Error::from)?;
            writeln!(out)?;
            return Ok(());
        }
        let mut table = plain_table();
        table.set_header(["#", "Stage", "Result", "Parameters"]);
        for (stage, size) in stages.iter().zip(&sizes) {
            let row = [stage.index.to_string(), stage.text.clone(), stage.ty.to_string(), size.to_string()];
            table.add_row(row);
        }
        table.align_right(&[0, 3]);
        write_table(out, &table)?;
        match parameters.known() {
            Some(n) => writeln!(out, "\n{} parameters, {} as f32", grouped(n), bytes(4.0 * n as f64))?,
            None => writeln!(out, "\n{parameters} parameters")?,
        }
        writeln!(out, "FLOPs, memory and time depend on the sizes of the graphs: {why}")?;
        writeln!(out, "  help: {}", what.replace('\n', "\n        "))?;
        Ok(())
    }
}

/// Trained numbers of a stage, symbolic where they depend on the data.
fn trained(model: &Model, idx: NodeIndex) -> Count {
    let weights = model.own_weights(idx);
    Count::of_shapes(weights.iter().filter(|weight| weight.is_trained).map(|weight| weight.shape.as_slice()))
}

/// A path on the command line starts from the current folder, one in the file from the file's.
fn from_base(options: DataOptions, base: Option<PathBuf>, is_named: bool) -> DataOptions {
    // Paths of the file's own settings start from it, whatever data is named.
    if is_named { DataOptions { file_folder: base, ..options } } else { DataOptions { base, ..options } }
}

impl From<EstimateError> for Failure {
    fn from(error: EstimateError) -> Self {
        match error {
            EstimateError::Train(error) => (*error).into(),
            EstimateError::Symbolic { .. } => Failure::new(error.to_string())
                .help("give the width in the file, or name data that carries labels"),
        }
    }
}

/// On standard output as JSON, else on standard error, since standard output belongs to the estimate.
fn print_findings(sources: &SourceMap, findings: &[Diagnostic], global: &Global) -> Result<(), Failure> {
    if global.format == Format::Json {
        if findings.iter().any(Diagnostic::is_error) {
            report::write(&mut super::stdout(), sources, findings, global.format, stdout_look())?;
        }
    } else {
        // Where standard error is closed, the exit code still reports it.
        let _ = report::write(&mut io::stderr().lock(), sources, findings, global.format, stderr_look());
    }
    Ok(())
}

fn print(
    out: &mut dyn Write,
    path: &str,
    estimate: &Estimate,
    dataset: &Dataset,
    items: &str,
    proposal: Option<&Proposal>,
    machine: Option<&Machine>,
) -> io::Result<()> {
    let Estimate { batches, memory, flops, .. } = estimate;
    writeln!(out, "{path} on {}, an estimate\n", dataset.name)?;
    print_stages(out, estimate, items)?;

    let runs =
        if estimate.n_runs > 1 { format!(" (of each of {} runs)", estimate.n_runs) } else { String::new() };
    let unit = match items {
        "links" => "a link with what it is told from",
        OF_QUERIES => "a query with every node",
        OF_WALKS => "the walks of a node",
        _ => "an average graph",
    };
    writeln!(out, "\nParameters  {}", grouped(estimate.n_parameters))?;
    writeln!(
        out,
        "FLOPs       {} forward and {} per training step, for {unit}; {} per epoch",
        count(flops.forward_per_graph),
        count(flops.step_per_graph),
        count(flops.epoch)
    )?;
    let graphs = match (items, estimate.n_train_graphs) {
        (OF_QUERIES, 1) => "query",
        (OF_QUERIES, _) => "queries",
        ("links", 1) => "link",
        ("links", _) => "links",
        (OF_WALKS, _) => "nodes that walks begin at",
        (_, 1) => "graph",
        _ => "graphs",
    };
    writeln!(
        out,
        "Batches     {} of {} per epoch, from {} training {graphs}{runs}",
        grouped(batches.per_epoch),
        grouped(batches.size.min(estimate.n_train_graphs.max(1))),
        grouped(estimate.n_train_graphs),
    )?;
    let seen = if batches.epochs_seen < estimate.epochs {
        format!(" in the first {}", plural(batches.epochs_seen, "epoch"))
    } else {
        String::new()
    };
    // As published sets count edges: an edge and its reverse are one, with the directed number beside.
    let edges = |directed: f64| match dataset.is_symmetric() {
        true => {
            format!("{} ({} directed)", plural((directed / 2.0) as usize, "edge"), grouped(directed as usize))
        }
        false => plural(directed as usize, "directed edge"),
    };
    let size =
        |nodes: f64, directed: f64| format!("{} and {}", plural(nodes as usize, "node"), edges(directed));
    writeln!(out, "            {} on average", size(batches.mean_nodes.round(), batches.mean_edges.round()))?;
    writeln!(
        out,
        "            {} in the largest that this seed's shuffles make{seen}",
        size(batches.largest_nodes, batches.largest_edges)
    )?;
    if batches.bound_nodes > batches.largest_nodes {
        writeln!(
            out,
            "            {} if the largest {items_of} fell into one batch, which would peak at {}",
            size(batches.bound_nodes, batches.bound_edges),
            bytes(batches.bound_peak_bytes),
            items_of = if items == "nodes" { "graphs" } else { items },
        )?;
    }
    writeln!(out, "\nPeak memory {}", bytes(memory.peak_bytes))?;
    let mut table = plain_table();
    let weights =
        memory.weights_bytes + memory.gradients_bytes + memory.optimizer_bytes + memory.kept_weights_bytes;
    for (name, value, note) in [
        ("process", memory.process_bytes, "the program itself"),
        ("data set", memory.dataset_bytes, ""),
        ("weights", weights, "with gradients, the optimiser's state and the best epoch's copy"),
        ("validation", memory.validation_bytes, "its batches are made once and kept"),
        ("batch", memory.batch_bytes, "features and edges of the largest batch"),
        ("activations", memory.activations_bytes, "results of the largest batch, kept for the backward pass"),
        ("temporary", memory.temporary_bytes, "gradients in flight, and scratch space"),
        ("allocator", memory.allocator_bytes, "pages that it keeps beyond what is in use"),
        (
            "evaluation",
            memory.evaluation_bytes,
            "measuring the largest batch of any part, beyond a training step",
        ),
    ] {
        if value > 0.0 {
            let share = format!("{:.0} %", 100.0 * value / memory.peak_bytes.max(1.0));
            table.add_row([name, &bytes(value), &share, note]);
        }
    }
    table.align_right(&[1, 2]);
    write_table(out, &table)?;
    if let (Some(time), Some(machine)) = (&estimate.time, machine) {
        writeln!(
            out,
            "\nTime        {} per training epoch, {} for its validation; {} for {} of {}",
            seconds(time.epoch_s),
            seconds(time.validation_s),
            seconds(time.total_s),
            plural(estimate.n_runs, "run"),
            plural(estimate.epochs, "epoch"),
        )?;
        let threads = plural(machine.threads, "thread");
        writeln!(out, "            on {threads} of {}, without early stopping", machine.name())?;
    }
    if let Some(proposal) = proposal {
        writeln!(out)?;
        let limit = bytes(proposal.limit_bytes);
        match proposal.batch_size {
            Some(size) => {
                write!(
                    out,
                    "Batch size  {} stays below {limit}: peak {}",
                    grouped(size),
                    bytes(proposal.peak_bytes)
                )?;
                match proposal.any_order {
                    Some(any) if any == size => writeln!(out, ", with any seed")?,
                    Some(any) => writeln!(out, " with this seed; {} with any", grouped(any))?,
                    None => writeln!(out, " with this seed; no size does with every seed")?,
                }
            }
            None => writeln!(
                out,
                "Batch size  none stays below {limit}: a single graph per batch peaks at {}",
                bytes(proposal.peak_bytes)
            )?,
        }
    }
    Ok(())
}

fn print_stages(out: &mut dyn Write, estimate: &Estimate, items: &str) -> io::Result<()> {
    let unit = match items {
        "links" => "an average link",
        OF_QUERIES => "an average query",
        OF_WALKS => "the walks of a node",
        _ => "an average training graph",
    };
    let has_time = estimate.time.is_some();
    let mut table = plain_table();
    let mut header = vec!["#", "Stage", "Result", "Parameters", "Forward", "Backward", "Kept", "Share"];
    if has_time {
        header.push("Time");
    }
    table.set_header(header);
    let kept = estimate.memory.activations_bytes.max(1.0);
    let epoch_s = estimate.time.map_or(1.0, |time| time.epoch_s).max(1e-12);
    let dash = |text: String, is_shown: bool| if is_shown { text } else { String::new() };
    for stage in &estimate.stages {
        // The input, and activations that were moved into the stage before, cost nothing of their own.
        if stage.parameters == 0 && stage.forward_flops == 0.0 && stage.kept_bytes == 0.0 {
            continue;
        }
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let mut row = vec![
            stage.index.to_string(),
            stage.operator.to_owned(),
            stage.result.clone(),
            dash(grouped(stage.parameters), stage.parameters > 0),
            dash(count(stage.forward_flops), stage.forward_flops > 0.0),
            dash(count(stage.backward_flops), stage.backward_flops > 0.0),
            dash(bytes(stage.kept_bytes), stage.kept_bytes > 0.0),
            dash(percent(stage.kept_bytes / kept), stage.kept_bytes > 0.0),
        ];
        if has_time {
            row.push(percent(stage.epoch_s.unwrap_or(0.0) / epoch_s));
        }
        table.add_row(row);
    }
    table.align_right(&[0, 3, 4, 5, 6, 7, 8]);
    write_table(out, &table)?;
    writeln!(
        out,
        "\nForward and backward are FLOPs of {unit}; kept is for the backward pass of the largest batch."
    )
}

/// `1 run`, `10 runs`
fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(count)) }
}

/// `12.3 M`
fn count(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { words::scaled(value, "") }
}

/// `1.5 MB`
fn bytes(value: f64) -> String {
    if value == 0.0 { "0 B".to_owned() } else { words::bytes(value) }
}

/// `8.3 ms`, `1.2 s`, `3 min`, `2.1 h`
fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_reading() {
        assert_eq!([bytes(1536.0), bytes(2.5e9), bytes(12.0)], ["1.5 kB", "2.5 GB", "12 B"]);
        assert_eq!([count(12_345_678.0), count(950.0)], ["12.3 M", "950"]);
        assert_eq!([seconds(0.0083), seconds(12.4), seconds(600.0)], ["8.3 ms", "12 s", "10 min"]);
    }
}
