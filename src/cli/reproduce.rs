//! `hgnnc reproduce`: published figures, and ours beside them.

use super::data::DataArgs;
use super::device::DeviceArg;
use super::room::MemoryArgs;
use super::table::{plain_table, write_table};
use super::train::{Session, Train, Trained};
use super::{Exit, Failure, Format, Global, files, note};
use crate::settings::metric;
use crate::train::{Output, RunSummary, Status};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;

/// Run the protocol of files, and set the figures beside the published ones
///
/// Each file is trained as it says, and its `published` block says what to compare with. A figure reproduces the published one where it
/// is not worse by more than the tolerance: `--tolerance`, or `tolerance = …` of the block, or the standard deviation over our own folds
/// or seeds.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc reproduce models/proteins_diffpool.hgnn\n  \
    hgnnc reproduce models/nodes --out reproduced --tolerance 0.01\n\n\
    Exit codes: 0 every figure is reproduced, 1 some are not, or a file has errors, 2 could not run, 130 interrupted")]
pub struct Reproduce {
    /// Files, or folders of files
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,
    /// Folder of the runs
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    /// How far below the published figure ours may be, in units of the metric
    #[arg(long, value_name = "DIFFERENCE")]
    tolerance: Option<f64>,
    #[command(flatten)]
    place: DataArgs,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    memory: MemoryArgs,
}

/// One published figure.
struct Line {
    model: String,
    metric: String,
    published: f64,
    ours: Option<crate::train::Spread>,
    tolerance: f64,
    source: Option<String>,
    is_reproduced: bool,
}

impl Reproduce {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if let Some(tolerance) =
            self.tolerance.filter(|tolerance| !(tolerance.is_finite() && *tolerance >= 0.0))
        {
            return Err(Failure::of_usage(format!("a tolerance is a number from 0 on, not {tolerance}")));
        }
        let train = Train::plain(self.place.clone(), self.device.clone(), self.memory.clone());
        let session = Session::open(&train, global.format)?;
        let models = files::find(&self.models)?;
        let (mut lines, mut has_errors) = (Vec::new(), false);
        for (idx, model) in models.iter().enumerate() {
            let file = model.display().to_string();
            if global.format != Format::Json {
                note(&format!("{file} ({} of {})", idx + 1, models.len()));
            }
            let output = Output::NewIn(self.out.clone());
            match train.train_file(&file, output, &session, &Global::to_people(), global.format)? {
                Trained::Refused => has_errors = true,
                Trained::Done(summary) if summary.status == Status::Interrupted => {
                    return Ok(Exit::Interrupted);
                }
                Trained::Done(summary) => {
                    let before = lines.len();
                    lines.extend(self.lines(&file, &summary));
                    if lines.len() == before {
                        note(&format!(
                            "{file} has no `published` block, so there is nothing to compare with"
                        ));
                    }
                }
            }
        }
        let is_clean = !has_errors && lines.iter().all(|line| line.is_reproduced);
        write(&lines, global)?;
        Ok(if is_clean { Exit::Clean } else { Exit::Findings })
    }

    fn lines(&self, file: &str, summary: &RunSummary) -> Vec<Line> {
        let line = |(name, &published): (&String, &f64)| {
            let ours = summary.test.get(name).copied();
            let tolerance = self.tolerance.or(summary.published_tolerance);
            let tolerance = tolerance.or(ours.and_then(|ours| ours.std)).unwrap_or(0.0);
            let sign =
                if metric::find(name).is_none_or(|metric| metric.higher_is_better()) { 1.0 } else { -1.0 };
            let is_reproduced = ours.is_some_and(|ours| sign * (ours.mean - published) >= -tolerance);
            let (model, metric, source) = (file.to_owned(), name.clone(), summary.published_source.clone());
            Line { model, metric, published, ours, tolerance, source, is_reproduced }
        };
        summary.published.iter().map(line).collect()
    }
}

fn write(lines: &[Line], global: &Global) -> Result<(), Failure> {
    let out = &mut super::stdout();
    if global.format == Format::Json {
        let all: Vec<Value> = lines
            .iter()
            .map(|line| {
                json!({
                    "model": line.model, "metric": line.metric, "published": line.published, "source": line.source,
                    "mean": line.ours.map(|ours| ours.mean), "std": line.ours.and_then(|ours| ours.std),
                    "n_runs": line.ours.map(|ours| ours.n_runs), "tolerance": line.tolerance, "is_reproduced": line.is_reproduced,
                })
            })
            .collect();
        serde_json::to_writer_pretty(&mut *out, &all).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    if lines.is_empty() {
        return Ok(());
    }
    let mut table = plain_table();
    table.set_header(["model", "metric", "ours", "published", "difference", "tolerance", ""]);
    for line in lines {
        table.add_row([
            line.model.clone(),
            line.metric.clone(),
            line.ours.map_or_else(|| "–".into(), |ours| ours.to_string()),
            line.published.to_string(),
            line.ours.map_or_else(String::new, |ours| format!("{:+.4}", ours.mean - line.published)),
            format!("{:.4}", line.tolerance),
            if line.is_reproduced { "reproduced".into() } else { "not reproduced".to_owned() },
        ]);
    }
    write_table(out, &table)?;
    writeln!(out)?;
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for line in lines {
        let Some(source) = line.source.as_deref() else { continue };
        if !seen.contains(&(&line.model, source)) {
            writeln!(out, "  {}: {source}", line.model)?;
            seen.push((&line.model, source));
        }
    }
    Ok(())
}
