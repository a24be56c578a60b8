//! `hgnnc compare`: runs beside each other, with tests that fit folds.

use super::table::{plain_table, write_table};
use super::{Exit, Failure, Format, Global};
use crate::settings::metric;
use crate::stats::{self, CorrectedT, SignPosterior, Wilcoxon};
use crate::train::{FinishedRun, pairs, write_file};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;

mod picture;

/// Compare runs on the folds that they have in common: differences, intervals, tests, effect sizes
///
/// Figures are those of the test parts. Folds are the same where they test on the same items after training on the same others;
/// other folds are left out. The first run is the one that others are compared with.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc compare runs/gcn runs/gin\n  \
    hgnnc compare runs/gcn runs/gin runs/diffpool --metric macro_f1 --svg differences.svg\n  \
    hgnnc compare runs/gcn runs/gin --latex > table.tex\n\n\
    Training parts of folds overlap, so a plain t test finds differences that are none: the variance is corrected for it \
    (Nadeau and Bengio 2003). Wilcoxon's signed-rank test and the Bayesian sign test make no assumption of a distribution. \
    With several runs, p values are adjusted by Holm's method.\n\n\
    Exit codes: 0 done, 2 could not run")]
pub struct Compare {
    /// Folders of finished runs, the one to compare with first
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    runs: Vec<PathBuf>,
    /// The metric [default: the first that all runs have]
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,
    /// Differences up to this count as none in the Bayesian sign test
    #[arg(long, value_name = "DIFFERENCE", default_value_t = 0.01, value_parser = positive)]
    rope: f64,
    /// Write the table as Markdown
    #[arg(long, conflicts_with_all = ["latex", "csv"])]
    markdown: bool,
    /// Write the table as LaTeX, for the package booktabs
    #[arg(long, conflicts_with = "csv")]
    latex: bool,
    /// Write the table as CSV
    #[arg(long)]
    csv: bool,
    /// Draw the differences of the folds into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if value >= 0.0 && value.is_finite() { Ok(value) } else { Err("a number from 0 on is expected".into()) }
}

/// One run, as a row.
struct Row {
    label: String,
    n_folds: usize,
    mean: f64,
    deviation: Option<f64>,
    /// Of the mean, 95 %.
    interval: Option<[f64; 2]>,
    n_parameters: usize,
    wall_s: f64,
}

/// A run against the first.
struct Difference {
    label: String,
    /// Of the common folds, the second less the first.
    values: Vec<f64>,
    test: Option<CorrectedT>,
    /// Adjusted for the number of runs.
    p: Option<f64>,
    wilcoxon: Option<Wilcoxon>,
    signs: SignPosterior,
    /// The mean by the deviation, paired: Cohen's d.
    d: Option<f64>,
}

impl Compare {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let runs: Result<Vec<FinishedRun>, _> =
            self.runs.iter().map(|path| FinishedRun::read(path)).collect();
        let runs = runs?;
        let metric = self.metric_of(&runs)?;
        let higher_is_better = metric::find(&metric).is_none_or(|metric| metric.higher_is_better());
        let labels = labels(&runs);
        let rows: Result<Vec<Row>, Failure> =
            runs.iter().zip(&labels).map(|(run, label)| row(run, label, &metric)).collect();
        let rows = rows?;
        let mut differences: Vec<Difference> = runs
            .iter()
            .zip(&labels)
            .skip(1)
            .map(|(run, label)| self.difference(&runs[0], run, label, &metric, higher_is_better))
            .collect();
        let p: Vec<f64> =
            differences.iter().filter_map(|difference| difference.test.map(|test| test.p)).collect();
        let mut adjusted = stats::holm(&p).into_iter();
        for difference in differences.iter_mut().filter(|difference| difference.test.is_some()) {
            difference.p = adjusted.next();
        }
        if let Some(path) = &self.svg {
            let drawn = differences.iter().map(|difference| picture::Row {
                name: &difference.label,
                values: &difference.values,
                interval: difference.test.map(|test| test.interval),
            });
            let drawn: Vec<picture::Row> = drawn.collect();
            let title = format!("{metric}: difference to {}", labels[0]);
            let svg = picture::draw(&title, &drawn);
            write_file(path, |out| out.write_all(svg.as_bytes()))?;
        }
        let out = &mut super::stdout();
        if global.format == Format::Json {
            serde_json::to_writer_pretty(&mut *out, &self.json(&metric, &runs, &rows, &differences))
                .map_err(std::io::Error::from)?;
            writeln!(out)?;
        } else if self.csv {
            self.write_csv(out, &metric, &rows, &differences)?;
        } else if self.markdown {
            self.write_markdown(out, &metric, &rows, &differences)?;
        } else if self.latex {
            self.write_latex(out, &metric, &rows, &differences)?;
        } else {
            self.write_text(out, &metric, &runs, &rows, &differences)?;
        }
        Ok(Exit::Clean)
    }

    /// The metric to compare by: the one asked for, or the first that all runs have.
    fn metric_of(&self, runs: &[FinishedRun]) -> Result<String, Failure> {
        let has = |run: &FinishedRun, name: &str| run.summary.test.contains_key(name);
        if let Some(name) = &self.metric {
            if let Some(run) = runs.iter().find(|run| !has(run, name)) {
                let known: Vec<&str> = run.summary.test.keys().map(String::as_str).collect();
                return Err(Failure::of_usage(format!(
                    "{} has no figure `{name}` of its test part",
                    run.path.display()
                ))
                .help(format!("it has {}", known.join(", "))));
            }
            return Ok(name.clone());
        }
        let mut names = runs[0].summary.metrics.iter();
        let common = names.find(|name| runs.iter().all(|run| has(run, name)));
        common.cloned().ok_or_else(|| {
            Failure::new("these runs have no metric of the test part in common")
                .help("train them with the same `metrics = […]` in `evaluate`")
        })
    }

    fn difference(
        &self,
        first: &FinishedRun,
        run: &FinishedRun,
        label: &str,
        metric: &str,
        higher_is_better: bool,
    ) -> Difference {
        let pairs = pairs(first, run, metric);
        let values: Vec<f64> = pairs.figures.iter().map(|[a, b]| b - a).collect();
        let test = stats::corrected_t(&values, pairs.test_share);
        // Positive where the run is better.
        let gains: Vec<f64> =
            values.iter().map(|value| if higher_is_better { *value } else { -value }).collect();
        Difference {
            label: label.to_owned(),
            test,
            p: None,
            wilcoxon: stats::wilcoxon(&values),
            signs: stats::sign_posterior(&gains, self.rope),
            d: test.filter(|test| test.deviation > 0.0).map(|test| test.mean / test.deviation),
            values,
        }
    }

    fn json(&self, metric: &str, runs: &[FinishedRun], rows: &[Row], differences: &[Difference]) -> Value {
        let rows: Vec<Value> = runs
            .iter()
            .zip(rows)
            .map(|(run, row)| {
                json!({
                    "run": run.path,
                    "label": row.label,
                    "data": run.record.data,
                    "n_folds": row.n_folds,
                    "mean": row.mean,
                    "std": row.deviation,
                    "interval_95": row.interval,
                    "n_parameters": row.n_parameters,
                    "wall_s": row.wall_s,
                })
            })
            .collect();
        let differences: Vec<Value> = differences
            .iter()
            .map(|difference| {
                json!({
                    "label": difference.label,
                    "n_common_folds": difference.values.len(),
                    "differences": difference.values,
                    "corrected_t": difference.test.map(|test| json!({
                        "mean": test.mean, "std": test.deviation, "interval_95": test.interval, "t": test.t,
                        "degrees_of_freedom": test.degrees_of_freedom, "p": test.p, "p_holm": difference.p,
                    })),
                    "wilcoxon": difference.wilcoxon.map(|test| json!({
                        "n": test.n, "rank_sum": test.rank_sum, "p": test.p, "rank_biserial": test.effect,
                    })),
                    "bayesian_signs": json!({
                        "rope": self.rope, "worse": difference.signs.worse, "equal": difference.signs.equal, "better": difference.signs.better,
                    }),
                    "cohens_d": difference.d,
                })
            })
            .collect();
        json!({ "metric": metric, "runs": rows, "differences": differences })
    }

    fn write_text(
        &self,
        out: &mut dyn Write,
        metric: &str,
        runs: &[FinishedRun],
        rows: &[Row],
        differences: &[Difference],
    ) -> Result<(), Failure> {
        writeln!(out, "{metric} of the test part on {}\n", runs[0].record.data)?;
        let mut table = plain_table();
        table.set_header(["", "mean ± sd", "95 % interval", "folds", "parameters", "time"]);
        for row in rows {
            table.add_row(row.cells(true));
        }
        write_table(out, &table)?;
        writeln!(out, "\n  difference to {}\n", rows[0].label)?;
        let mut table = plain_table();
        table.set_header([
            "",
            "difference",
            "95 % interval",
            "p (t)",
            "p (Wilcoxon)",
            "worse/equal/better",
            "d",
            "folds",
        ]);
        for difference in differences {
            table.add_row(difference.cells());
        }
        write_table(out, &table)?;
        writeln!(out)?;
        let holm = if differences.len() > 1 { ", adjusted for several runs by Holm's method" } else { "" };
        writeln!(out, "  t: corrected for the overlap of training parts (Nadeau and Bengio 2003){holm}")?;
        writeln!(
            out,
            "  worse/equal/better: chances by the Bayesian sign test, differences up to {} being none",
            self.rope
        )?;
        if differences.iter().any(|difference| difference.values.is_empty()) {
            writeln!(
                out,
                "  no fold in common: train both on the same data with the same `protocol` and `seed`, or nothing can be tested"
            )?;
        } else if differences.iter().any(|difference| difference.values.len() < 5) {
            writeln!(out, "  fewer than five common folds: no test can find much in them")?;
        }
        Ok(())
    }

    fn write_csv(
        &self,
        out: &mut dyn Write,
        metric: &str,
        rows: &[Row],
        differences: &[Difference],
    ) -> Result<(), Failure> {
        let failed = |error: csv::Error| Failure::new(format!("the table cannot be written: {error}"));
        let mut csv = csv::Writer::from_writer(out);
        let head = [
            "run",
            "metric",
            "folds",
            "mean",
            "std",
            "interval_low",
            "interval_high",
            "parameters",
            "seconds",
            "common_folds",
            "difference",
            "difference_low",
            "difference_high",
            "p_t",
            "p_t_holm",
            "p_wilcoxon",
            "worse",
            "equal",
            "better",
            "cohens_d",
        ];
        csv.write_record(head).map_err(failed)?;
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        for (idx, row) in rows.iter().enumerate() {
            let mut cells = vec![
                row.label.clone(),
                metric.to_owned(),
                row.n_folds.to_string(),
                row.mean.to_string(),
                number(row.deviation),
                number(row.interval.map(|interval| interval[0])),
                number(row.interval.map(|interval| interval[1])),
                row.n_parameters.to_string(),
                row.wall_s.to_string(),
            ];
            match idx.checked_sub(1).map(|idx| &differences[idx]) {
                Some(difference) => {
                    let test = difference.test;
                    cells.push(difference.values.len().to_string());
                    cells.extend([
                        number(test.map(|test| test.mean)),
                        number(test.map(|test| test.interval[0])),
                        number(test.map(|test| test.interval[1])),
                        number(test.map(|test| test.p)),
                        number(difference.p),
                        number(difference.wilcoxon.map(|test| test.p)),
                        number(Some(difference.signs.worse)),
                        number(Some(difference.signs.equal)),
                        number(Some(difference.signs.better)),
                        number(difference.d),
                    ]);
                }
                None => cells.resize(head.len(), String::new()),
            }
            csv.write_record(&cells).map_err(failed)?;
        }
        csv.flush()?;
        Ok(())
    }

    fn write_markdown(
        &self,
        out: &mut dyn Write,
        metric: &str,
        rows: &[Row],
        differences: &[Difference],
    ) -> Result<(), Failure> {
        writeln!(
            out,
            "| run | {metric} | 95 % interval | parameters | difference | 95 % interval | p (t) | p (Wilcoxon) |"
        )?;
        writeln!(out, "|---|---|---|---|---|---|---|---|")?;
        for (idx, row) in rows.iter().enumerate() {
            let [label, mean, interval, _, parameters, _] = row.cells(true);
            let of = idx.checked_sub(1).map(|idx| differences[idx].cells());
            let [_, difference, own, p, wilcoxon, ..] = of.unwrap_or_default();
            writeln!(
                out,
                "| {} | {mean} | {interval} | {parameters} | {difference} | {own} | {p} | {wilcoxon} |",
                label.replace('|', "\\|")
            )?;
        }
        Ok(())
    }

    fn write_latex(
        &self,
        out: &mut dyn Write,
        metric: &str,
        rows: &[Row],
        differences: &[Difference],
    ) -> Result<(), Failure> {
        writeln!(out, "% needs \\usepackage{{booktabs}}")?;
        writeln!(out, "\\begin{{tabular}}{{lrrr}}\n\\toprule")?;
        writeln!(out, "Model & {} & Difference & $p$ \\\\\n\\midrule", latex(&metric.replace('_', " ")))?;
        let best = rows.iter().enumerate().max_by(|a, b| {
            let sign =
                if metric::find(metric).is_none_or(|metric| metric.higher_is_better()) { 1.0 } else { -1.0 };
            (sign * a.1.mean).total_cmp(&(sign * b.1.mean))
        });
        for (idx, row) in rows.iter().enumerate() {
            let mean = match row.deviation {
                Some(deviation) => format!("{:.4} \\pm {deviation:.4}", row.mean),
                None => format!("{:.4}", row.mean),
            };
            let is_best = best.is_some_and(|(best, _)| best == idx);
            let mean = if is_best { format!("$\\mathbf{{{mean}}}$") } else { format!("${mean}$") };
            let (difference, p) = match idx.checked_sub(1).map(|idx| &differences[idx]) {
                Some(of) => (
                    of.test.map_or_else(String::new, |test| format!("${:+.4}$", test.mean)),
                    of.p.map_or_else(String::new, |p| format!("${}$", small(p).replace('<', "< "))),
                ),
                None => (String::new(), String::new()),
            };
            writeln!(out, "{} & {mean} & {difference} & {p} \\\\", latex(&row.label))?;
        }
        writeln!(out, "\\bottomrule\n\\end{{tabular}}")?;
        Ok(())
    }
}

/// A name as LaTeX prints it.
fn latex(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '_' | '&' | '%' | '#' | '$' | '{' | '}' => escaped.extend(['\\', char]),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            char => escaped.push(char),
        }
    }
    escaped
}

/// `0.0312`, `<0.0001`
fn small(p: f64) -> String {
    if p < 1e-4 { "<0.0001".into() } else { format!("{p:.4}") }
}

fn interval_text(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(|| "–".into(), |[low, high]| format!("{low:.4} … {high:.4}"))
}

impl Row {
    fn cells(&self, with_deviation: bool) -> [String; 6] {
        let mean = match self.deviation.filter(|_| with_deviation) {
            Some(deviation) => format!("{:.4} ± {deviation:.4}", self.mean),
            None => format!("{:.4}", self.mean),
        };
        [
            self.label.clone(),
            mean,
            interval_text(self.interval),
            self.n_folds.to_string(),
            crate::plan::words::grouped(self.n_parameters),
            super::watcher::seconds(self.wall_s),
        ]
    }
}

impl Difference {
    fn cells(&self) -> [String; 8] {
        let SignPosterior { worse, equal, better } = self.signs;
        let none = || "–".to_owned();
        [
            self.label.clone(),
            self.test.map_or_else(none, |test| format!("{:+.4}", test.mean)),
            interval_text(self.test.map(|test| test.interval)),
            self.p.map_or_else(none, small),
            self.wilcoxon.map_or_else(none, |test| small(test.p)),
            if self.values.is_empty() { none() } else { format!("{worse:.2} / {equal:.2} / {better:.2}") },
            self.d.map_or_else(none, |d| format!("{d:+.2}")),
            self.values.len().to_string(),
        ]
    }
}

/// The mean over folds with its interval: of folds by Nadeau and Bengio's correction, of one test part by Wilson's where the figure is a
/// share of its items.
fn row(run: &FinishedRun, label: &str, metric: &str) -> Result<Row, Failure> {
    let figures = run.figures(metric);
    if figures.is_empty() {
        return Err(Failure::new(format!(
            "`{metric}` is not defined on any test part of {}",
            run.path.display()
        ))
        .help("name another with `--metric`"));
    }
    let (mean, deviation) = stats::mean_and_deviation(&figures);
    let interval = match (figures.len(), metric) {
        (1, "accuracy") => Some(stats::wilson(mean, run.folds[0].split.test.len())),
        _ => stats::corrected_t(&figures, run.test_share()).map(|test| test.interval),
    };
    let (n_parameters, wall_s) = (run.summary.n_parameters, run.summary.wall_s);
    Ok(Row {
        label: label.to_owned(),
        n_folds: figures.len(),
        mean,
        deviation,
        interval,
        n_parameters,
        wall_s,
    })
}

/// Names of the runs; their folders where names are not enough to tell them apart.
fn labels(runs: &[FinishedRun]) -> Vec<String> {
    let is_unique =
        |run: &FinishedRun| runs.iter().filter(|other| other.record.name == run.record.name).count() == 1;
    runs.iter()
        .map(|run| if is_unique(run) { run.record.name.clone() } else { run.path.display().to_string() })
        .collect()
}
