//! `hgnnc data import`: what lies at a path, and the line that reads it.

use super::data::{DataArgs, features, line};
use super::{Exit, Failure, Format, Global};
use crate::data::recognise::{self, Recognised};
use crate::data::summary::Summary;
use crate::data::{self, DataError, DataOptions, Dataset};
use crate::source::SourceMap;
use serde_json::json;
use std::io::{self, Write};

/// Say what a file or folder holds, and print the `data = …` line that reads it
///
/// Files are recognised by what they hold: TU sets, tables, JSON, GraphML, lists of edges and others that `hgnnc data` lists as
/// sources. The line can be pasted into a model file in the current folder. Of something that no source reads, it says what it is
/// and shows the nearest layout.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc data import ./my/graphs.jsonl\n  hgnnc data import exported/\n\n\
                        Exit codes: 0 done, 1 no source reads it, 2 it cannot be found or read")]
pub struct Import {
    /// A file or folder
    #[arg(value_name = "PATH")]
    path: String,
    #[command(flatten)]
    place: DataArgs,
}

impl Import {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let options = self.place.options();
        let found = recognise::recognise(&self.path, &options);
        let found = match found {
            Ok(found) if !found.is_empty() => found,
            // What cannot be opened may still be known by its name.
            _ => {
                let advice = recognise::advice(&self.path, &options)?;
                return self.refuse(&advice, global);
            }
        };
        let (first, others) = (&found[0], &found[1..]);
        let mut dataset = load(first, &options);
        let mut first = first.clone();
        // The line is to be one that a model can use; models of links begin with learned rows.
        if dataset.as_ref().is_ok_and(|data| data.n_features() == 0 && data.links.is_none())
            && let Some(call) = first.call.strip_suffix(')')
        {
            let with_degrees =
                Recognised { call: format!("{call}, features = degree)"), what: first.what.clone() };
            if let Ok(data) = load(&with_degrees, &options) {
                (first, dataset) = (with_degrees, Ok(data));
            }
        }
        let first = &first;
        let out = &mut super::stdout();
        match global.format {
            Format::Json => {
                let all = json!({
                    "path": self.path,
                    "what": first.what,
                    "data": first.call,
                    "also": others.iter().map(|other| &other.call).collect::<Vec<_>>(),
                    "summary": dataset.as_ref().ok().map(Summary::of),
                    "error": dataset.as_ref().err().map(ToString::to_string),
                });
                serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
                writeln!(out)?;
            }
            Format::Short => writeln!(out, "data = {}", first.call)?,
            Format::Full => self.page(out, first, others, dataset.as_ref().ok())?,
        }
        match dataset {
            Ok(_) => Ok(Exit::Clean),
            Err(error) => Err(error.into()),
        }
    }

    fn page(
        &self,
        out: &mut dyn Write,
        first: &Recognised,
        others: &[Recognised],
        data: Option<&Dataset>,
    ) -> io::Result<()> {
        writeln!(out, "{}: {}", self.path, first.what)?;
        if let Some(data) = data {
            let summary = Summary::of(data);
            writeln!(out, "{}", line(&summary))?;
            writeln!(out, "features: {}", features(&summary))?;
            if data.task.is_some() {
                let what = match summary.n_links {
                    Some(_) => "links".to_owned(),
                    None => data.vocabulary.target_in_words(),
                };
                writeln!(out, "predicted: {what}")?;
            }
        }
        writeln!(out, "\ndata = {}", first.call)?;
        if let Some(data) = data {
            let mut notes = Vec::new();
            if first.call.ends_with("features = degree)") {
                notes.push("nodes have no features of their own, so their degrees are taken".to_owned());
            }
            if data.task.is_none() {
                notes.push("nothing says what is predicted: name the column with `target = \"…\"`, where there is one".to_owned());
            }
            if data.n_edges() > 0 && data.n_one_way_edges() == data.n_edges() {
                notes.push(
                    "no edge has its reverse: add `undirected = true`, if messages go both ways".to_owned(),
                );
            }
            if !notes.is_empty() {
                writeln!(out)?;
            }
            notes.iter().try_for_each(|note| writeln!(out, "{note}"))?;
        }
        if !others.is_empty() {
            writeln!(out, "\nIt can also be read as")?;
            others.iter().try_for_each(|other| writeln!(out, "  data = {}", other.call))?;
        }
        Ok(())
    }

    fn refuse(&self, advice: &DataError, global: &Global) -> Result<Exit, Failure> {
        if global.format == Format::Json {
            let out = &mut super::stdout();
            let all = json!({ "path": self.path, "error": advice.to_string(), "help": advice.help });
            serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
            writeln!(out)?;
            return Ok(Exit::Findings);
        }
        let mut out = io::stderr().lock();
        writeln!(out, "{advice}")?;
        if let Some(help) = &advice.help {
            help.lines().try_for_each(|line| writeln!(out, "  {line}"))?;
        }
        Ok(Exit::Findings)
    }
}

fn load(found: &Recognised, options: &DataOptions) -> Result<Dataset, DataError> {
    let call = data::parse_call(&found.call, &mut SourceMap::default());
    let call = call.map_err(|findings| {
        let why = findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
        DataError::new("data::not_recognised", format!("`{}` is no call: {why}", found.call))
    })?;
    data::load(&call, options)
}
