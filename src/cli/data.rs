//! `hgnnc data`: which data there is, and what a data set holds.

use super::table::{plain_table, write_table};
use super::{Exit, Failure, Format, Global, help, report, stderr_look, stdout_look};
use crate::data::download::{DownloadProgress, PUBLISHED};
use crate::data::files::parse_size;
use crate::data::report::{self as data_report, ColumnFacts, Report};
use crate::data::summary::{Quantiles, Summary};
use crate::data::{self, DataError, DataOptions, EdgeEdits, Unread, locate};
use crate::diagnostic::{Diagnostic, count};
use crate::settings;
use crate::source::SourceMap;
use crate::train::write_file;
use crate::types::NodeType;
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// List the data sources and the data sets found, or summarise one data set
///
/// Edges are counted as published sets count them, an edge and its reverse as one, with the directed number beside.
/// The columns of the edges, their kinds, self-loops, parallel edges and edges without their reverse are listed, and
/// what the files carry beyond that (further columns, weights). `hgnnc ops tu` describes the files of a set.
///
/// Data sets are looked for in --data-dir, then in the cache. A published set that is named and not found is
/// downloaded, unless --offline is given; `hgnnc data fetch` gets many others.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Examples:\n  hgnnc data\n  hgnnc data PROTEINS\n  hgnnc data import ./my/edges.csv\n  hgnnc data ./sets/MINE.zip\n  \
                        hgnnc data 'tu(\"REDDIT-BINARY\", features = degree)'\n\n\
                        Exit codes: 0 done, 1 the call is wrong, 2 the data cannot be found or read"
)]
pub struct Data {
    #[command(subcommand)]
    command: Option<DataCommand>,
    #[arg(value_name = "CALL", help = help::data_call("Data to summarise"))]
    call: Option<String>,
    /// Write a page of plots (HTML) to this file
    #[arg(long, value_name = "FILE", requires = "call")]
    html: Option<PathBuf>,
    #[command(flatten)]
    place: DataArgs,
}

/// What else can be done with data.
#[derive(Debug, clap::Subcommand)]
enum DataCommand {
    Import(super::import::Import),
    Fetch(super::fetch::Fetch),
}

/// Where data is looked for: options of every command that reads data.
#[derive(Debug, Clone, clap::Args)]
pub struct DataArgs {
    // The environment is read by `options`, because clap refuses a variable that is set and empty.
    /// Folder of data sets, searched before the cache [env: HGNN_DATA]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Download nothing [env: HGNN_OFFLINE=1]
    #[arg(long)]
    pub offline: bool,
    /// Read at most this much of a data set, unpacked: a number of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB
    /// [env: HGNN_MAX_DATA_SIZE] [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_data_size: Option<u64>,
}

impl DataArgs {
    /// With the environment's settings for what is not written, and a progress bar for downloads on a terminal.
    pub fn options(&self) -> DataOptions {
        let env = DataOptions::from_env();
        DataOptions {
            data_dir: self.data_dir.clone().or(env.data_dir),
            offline: self.offline || env.offline,
            progress: io::stderr().is_terminal().then(download_bar),
            max_size: self.max_data_size.map_or(env.max_size, Ok),
            ..env
        }
    }
}

fn download_bar() -> Arc<dyn Fn(DownloadProgress) + Send + Sync> {
    let bar: Mutex<Option<indicatif::ProgressBar>> = Mutex::new(None);
    Arc::new(move |progress| {
        // A poisoned lock means that another thread panicked: the bar is not worth another panic.
        let Ok(mut bar) = bar.lock() else { return };
        let bar = bar.get_or_insert_with(|| {
            let template = "downloading {msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}";
            let style = indicatif::ProgressStyle::with_template(template)
                .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
            indicatif::ProgressBar::no_length().with_style(style).with_message(progress.name.clone())
        });
        if let Some(total) = progress.total_bytes {
            bar.set_length(total);
        }
        bar.set_position(progress.received_bytes);
        if progress.total_bytes == Some(progress.received_bytes) {
            bar.finish_and_clear();
        }
    })
}

/// Data that cannot be read stops a command.
impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        let failure = Failure::new(error.to_string()).code(error.code);
        match error.help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl Data {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        match &self.command {
            Some(DataCommand::Import(import)) => return import.run(global),
            Some(DataCommand::Fetch(fetch)) => return fetch.run(global),
            None => {}
        }
        let options = self.place.options();
        let out = &mut super::stdout();
        let Some(text) = &self.call else {
            list(out, &options, global.format)?;
            return Ok(Exit::Clean);
        };
        let mut sources = SourceMap::default();
        let call = match data::parse_call(text, &mut sources) {
            Ok(call) => call,
            Err(findings) => return found(&sources, &findings, global),
        };
        let data = match data::load(&call, &options) {
            Ok(data) => data,
            // A name that nobody knows is wrong itself; data that is not here or broken stops the command.
            Err(error) if error.is_unknown() => {
                return found(&sources, &[error.to_diagnostic(call.span)], global);
            }
            Err(error) => return Err(error.into()),
        };
        let summary = Summary::with_facts(&data, &data::facts_of(&call, &options, &data));
        let report = (global.format != Format::Short || self.html.is_some())
            .then(|| Report::of_call(&call, &options, &data));
        if let (Some(path), Some(report)) = (&self.html, &report) {
            let page = data_report::page::html(&data, &summary, report);
            write_file(path, |out| out.write_all(page.as_bytes()))?;
        }
        match global.format {
            Format::Full => page(out, &summary, report.as_ref())?,
            Format::Short => writeln!(out, "{}", line(&summary))?,
            Format::Json => {
                let mut all = serde_json::to_value(&summary).map_err(io::Error::from)?;
                all["report"] = serde_json::to_value(&report).map_err(io::Error::from)?;
                serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
                writeln!(out)?;
            }
        }
        Ok(Exit::Clean)
    }
}

/// Reports what is wrong with the call: JSON is what a program reads from standard output, findings for people go where
/// errors go.
fn found(sources: &SourceMap, findings: &[Diagnostic], global: &Global) -> Result<Exit, Failure> {
    if global.format == Format::Json {
        report::write(&mut io::stdout().lock(), sources, findings, global.format, stdout_look())?;
    } else {
        report::write(&mut io::stderr().lock(), sources, findings, global.format, stderr_look())?;
    }
    Ok(Exit::Findings)
}

fn list(out: &mut dyn Write, options: &DataOptions, format: Format) -> io::Result<()> {
    let found = locate::list(options);
    let folders = locate::folders(options);
    let missing: Vec<&str> = PUBLISHED
        .iter()
        .map(|known| known.name)
        .filter(|name| found.iter().all(|listed| listed.name != *name))
        .collect();
    match format {
        Format::Json => {
            let sources: Vec<_> = settings::data::SPECS
                .iter()
                .map(|spec| json!({ "name": spec.name, "doc": spec.doc }))
                .collect();
            let all = json!({
                "sources": sources,
                "found": found,
                "folders": folders,
                "downloadable": missing,
                "offline": options.offline,
            });
            serde_json::to_writer_pretty(&mut *out, &all)?;
            writeln!(out)
        }
        Format::Short => {
            found.iter().try_for_each(|listed| writeln!(out, "{}: {}", listed.name, listed.path.display()))
        }
        Format::Full => {
            writeln!(out, "Sources")?;
            for spec in settings::data::SPECS {
                let first = spec.doc.split_once(". ").map_or(spec.doc, |(first, _)| first);
                writeln!(out, "  {:<12}{}", spec.name, first.trim_end_matches('.'))?;
            }
            writeln!(out, "\nData sets found")?;
            if found.is_empty() {
                writeln!(out, "  none")?;
            }
            let width = found.iter().map(|listed| listed.name.chars().count()).max().unwrap_or(0) + 2;
            for listed in &found {
                writeln!(out, "  {:<width$}{}", listed.name, listed.path.display())?;
            }
            writeln!(out, "\nLooked in")?;
            for folder in &folders {
                let state = if folder.is_dir() { "" } else { " (no such folder)" };
                writeln!(out, "  {}{state}", folder.display())?;
            }
            if options.data_dir.is_none() {
                writeln!(out, "  name a folder of your own with --data-dir or HGNN_DATA")?;
            }
            if !missing.is_empty() && !options.offline {
                writeln!(out, "\nDownloaded when a file names them\n  {}", missing.join(", "))?;
            }
            writeln!(
                out,
                "\n`hgnnc ops tu` prints the arguments of a source, `hgnnc data NAME` what a set holds."
            )
        }
    }
}

/// `graph_classification` in words.
fn task(summary: &Summary) -> String {
    summary.task.map_or("no labels".into(), |task| task.replace('_', " "))
}

pub(super) fn line(summary: &Summary) -> String {
    let outputs = match (summary.values.len(), summary.classes.len()) {
        (0, 1) if summary.classes[0].n_known.is_none() => "1 class".to_owned(),
        (0, n) if summary.classes.first().is_some_and(|class| class.n_known.is_some()) => {
            format!("{n} labels")
        }
        (0, 0) => summary.n_links.map_or_else(|| "no classes".to_owned(), |n| count(n, "link")),
        (0, n) => format!("{n} classes"),
        (n, _) => count(n, "value"),
    };
    let edge_features = match summary.n_edge_features {
        0 => String::new(),
        n => format!(", {}", count(n, "edge feature")),
    };
    format!(
        "{}: {}, {}, {}, {} ({} directed), {}{edge_features}, {outputs}",
        summary.name,
        task(summary),
        count(summary.n_graphs, "graph"),
        count(summary.n_nodes, "node"),
        count(summary.n_edges, "edge"),
        summary.n_directed_edges,
        count(summary.n_features, "feature")
    )
}

/// `3721, each with its reverse (7442 directed)`
fn edges(summary: &Summary) -> String {
    let (n, directed, one_way) = (summary.n_edges, summary.n_directed_edges, summary.n_one_way_edges);
    match one_way {
        0 => format!("{n} undirected ({directed} directed)"),
        n if n == directed => format!("{directed} directed, none with its reverse"),
        1 => format!("{directed} directed, 1 of them without its reverse"),
        _ => format!("{directed} directed, {one_way} of them without their reverse"),
    }
}

/// `3 node labels (0, 1, 2)`, with the number of columns where they are of several kinds.
pub(super) fn features(summary: &Summary) -> String {
    let (n, words) = (summary.n_features, &summary.features);
    if n == 0 {
        "none: ask for `features = degree` or `features = constant`".into()
    } else {
        with_count(n, words)
    }
}

/// Words that begin with their number as they are, others behind it.
fn with_count(n: usize, words: &str) -> String {
    if words.starts_with(&format!("{n} ")) { words.to_owned() } else { format!("{n}: {words}") }
}

/// `2 self-loops dropped, 6 parallel edges merged, 4 reverse edges added`
fn edits(summary: &Summary) -> Option<String> {
    let EdgeEdits { dropped_loops, merged, added_reverses, added_loops } = summary.edits;
    let all: Vec<String> = [
        (dropped_loops, "self-loop", "dropped"),
        (merged, "parallel edge", "merged"),
        (added_reverses, "reverse edge", "added"),
        (added_loops, "self-loop", "added"),
    ]
    .into_iter()
    .filter(|(n, ..)| *n > 0)
    .map(|(n, what, done)| format!("{} {done}", count(n, what)))
    .collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// What the edges carry: nothing is said where they carry nothing.
fn edge_values(summary: &Summary) -> Vec<(&'static str, String)> {
    let columns = with_count(summary.n_edge_features, &summary.edge_features);
    let mut facts = Vec::new();
    if summary.n_edge_features > 0 {
        facts.push(("edge features", columns));
    }
    if let Some(schema) = &summary.schema {
        let of_type = |of: &NodeType| {
            let columns = count(of.n_columns, "feature");
            format!("{} ({}, {columns})", of.name, of.n_nodes)
        };
        let relation =
            |place: usize| format!("{} ({})", schema.words(place), schema.relations[place].n_edges);
        let all: Vec<String> = schema.nodes.iter().map(of_type).collect();
        facts.push(("node types", all.join(", ")));
        let all: Vec<String> = (0..schema.relations.len()).map(relation).collect();
        facts.push(("relations", all.join(", ")));
        return facts;
    }
    // Kinds that are the only columns need no second line.
    if summary.n_edge_kinds > 0 && summary.edge_kinds != summary.edge_features {
        facts.push(("edge kinds", with_count(summary.n_edge_kinds, &summary.edge_kinds)));
    }
    facts
}

/// `node attributes, 18 columns of ENZYMES_node_attributes.txt; features = both reads them`
fn not_read(unread: &Unread) -> String {
    let columns = unread.n_columns.map_or_else(String::new, |n| format!("{} of ", count(n, "column")));
    let setting = unread.setting.map_or_else(String::new, |setting| format!("; `{setting}` reads them"));
    format!("{}: {columns}{}{setting}", unread.what, unread.file)
}

/// Whole numbers as they are, others to four digits.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let decimals = (3 - value.abs().log10().floor().clamp(-3.0, 3.0) as i32).max(0) as usize;
    format!("{value:.decimals$}")
}

/// Columns of numbers, each with its range; those that say yes or no are counted by what they are.
fn columns(out: &mut dyn Write, title: &str, columns: &[ColumnFacts]) -> io::Result<()> {
    const N_SHOWN: usize = 12;
    let is_number = |column: &&ColumnFacts| {
        !(column.min == 0.0 || column.min == 1.0)
            || !(column.max == 0.0 || column.max == 1.0)
            || (column.mean - column.share_nonzero).abs() > 1e-9
    };
    let numbers: Vec<&ColumnFacts> = columns.iter().filter(is_number).collect();
    if numbers.is_empty() {
        return Ok(());
    }
    let mut table = plain_table();
    table.set_header([title, "min", "mean", "max", "not zero"]);
    for column in numbers.iter().take(N_SHOWN) {
        let share = format!("{:.1} %", 100.0 * column.share_nonzero);
        let cells = [number(column.min), number(column.mean), number(column.max), share];
        table.add_row(std::iter::once(column.name.clone()).chain(cells));
    }
    table.align_right(&[1, 2, 3, 4]);
    writeln!(out)?;
    write_table(out, &table)?;
    match numbers.len().saturating_sub(N_SHOWN) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more: `--format json` or `--html FILE` has them"),
    }
}

fn page(out: &mut dyn Write, summary: &Summary, report: Option<&Report>) -> io::Result<()> {
    writeln!(out, "{}: {}\n", summary.name, task(summary))?;
    let mut facts = vec![
        ("graphs", summary.n_graphs.to_string()),
        ("nodes", summary.n_nodes.to_string()),
        ("edges", edges(summary)),
        ("features", features(summary)),
    ];
    facts.extend(summary.n_links.map(|n| ("links", n.to_string())));
    facts.extend(summary.edge_items.map(|items| {
        let how = match items.are_directed {
            true => "each edge in its direction",
            false => "an edge and its reverse are one",
        };
        ("predicted", format!("{} ({how})", count(items.n_items, "edge")))
    }));
    facts.extend(edge_values(summary));
    for (name, count) in [
        ("self-loops", summary.n_self_loops),
        ("parallel edges", summary.n_parallel_edges),
        ("isolated nodes", summary.n_isolated_nodes),
    ] {
        if count > 0 {
            facts.push((name, count.to_string()));
        }
    }
    facts.extend(report.map(Report::lines).unwrap_or_default());
    facts.extend(edits(summary).map(|edits| ("edited", edits)));
    facts.extend(summary.unread.iter().map(|unread| ("not read", not_read(unread))));
    if let Some(split) = summary.fixed_split {
        facts.push((
            "split",
            format!("{} train, {} validation, {} test", split.train, split.validation, split.test),
        ));
    }
    facts.push(("fingerprint", summary.fingerprint.clone()));
    for (name, value) in facts {
        writeln!(out, "  {name:<16}{value}")?;
    }
    writeln!(out)?;
    let mut rows: Vec<(String, Quantiles)> = vec![("degree".into(), summary.degree)];
    if summary.n_graphs > 1 {
        rows.insert(0, ("nodes per graph".into(), summary.nodes_per_graph));
        rows.insert(1, ("edges per graph".into(), summary.edges_per_graph));
    }
    for (idx, value) in summary.values.iter().enumerate() {
        let name = if summary.values.len() == 1 { "target".into() } else { format!("target {}", idx + 1) };
        rows.push((name, *value));
    }
    let mut table = plain_table();
    table.set_header(["", "min", "25 %", "median", "75 %", "max", "mean"]);
    for (name, of) in rows {
        let cells = [of.min, of.lower_quartile, of.median, of.upper_quartile, of.max, of.mean].map(number);
        table.add_row(std::iter::once(name).chain(cells));
    }
    table.align_right(&[1, 2, 3, 4, 5, 6]);
    write_table(out, &table)?;
    if let Some(report) = report {
        columns(out, "feature column", &report.feature_columns)?;
        columns(out, "edge feature column", &report.edge_feature_columns)?;
    }
    let labelled: usize = summary.classes.iter().map(|class| class.count).sum();
    if !summary.classes.is_empty() {
        writeln!(out)?;
    }
    for class in &summary.classes {
        let of = class.n_known.unwrap_or(labelled);
        let percent = 100.0 * class.count as f64 / of.max(1) as f64;
        if class.n_known.is_some() {
            writeln!(out, "  label {:<10}{:>8} of {of:<8}  {percent:>5.1} %", class.name, class.count)?;
            continue;
        }
        writeln!(out, "  class {:<10}{:>8}  {percent:>5.1} %", class.name, class.count)?;
    }
    if summary.n_unlabelled > 0 && !summary.classes.is_empty() {
        writeln!(out, "  without class   {:>8}", summary.n_unlabelled)?;
    }
    Ok(())
}
