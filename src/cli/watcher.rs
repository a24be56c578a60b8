//! What a run shows while it goes.

use super::progress_line::{ProgressLine, figure};
use super::{Format, describe, wrap};
use crate::ir::Model;
use crate::train::{
    EpochRecord, Event, InitialRecord, Overrides, Progress, Settings, Status, TrialRecord, TrialStatus,
    UnitSummary,
};
use crate::types::TargetKind;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Shows a run: one line that changes on a terminal, some lines otherwise.
pub struct Watcher {
    bar: Option<ProgressBar>,
    /// What the bar shows. It is drawn by another thread now and then, so that the time goes on.
    line: Arc<Mutex<ProgressLine>>,
    is_quiet: bool,
    /// "graphs", "nodes"
    items: &'static str,
    /// Whether vectors are learned of all items, and the parts are those of probes.
    is_of_vectors: bool,
    /// As the file orders them.
    metrics: Vec<String>,
    /// "fold 3 of 10"; empty for a run alone.
    unit: String,
    n_units: usize,
    is_trial: bool,
    n_epochs: usize,
    last: Option<EpochRecord>,
    epoch_begun: Instant,
    n_items_done: usize,
}

/// Epochs that get a line where there is no terminal: of a run alone, and of each of several.
const N_PLAIN_LINES: [usize; 2] = [20, 4];

const REDRAWN_EVERY: Duration = Duration::from_millis(200);

impl Watcher {
    pub fn new(model: &Model, overrides: Overrides, format: Format) -> Self {
        let metrics = Settings::new(model, overrides).metrics;
        Self {
            bar: None,
            line: Arc::default(),
            is_quiet: format == Format::Json,
            items: model.task.ends_on().items,
            is_of_vectors: model.task.kind == TargetKind::Embedding,
            metrics: metrics.iter().map(|metric| metric.name().to_string()).collect(),
            unit: String::new(),
            n_units: 1,
            is_trial: false,
            n_epochs: 0,
            last: None,
            epoch_begun: Instant::now(),
            n_items_done: 0,
        }
    }

    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn line(&self) -> MutexGuard<'_, ProgressLine> {
        self.line.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn say(&self, line: &str) {
        let line = wrap::fill(line, super::prose_width(&io::stderr()), "", "    ");
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln_lossy(&line)),
            None => eprintln_lossy(&line),
        }
    }

    /// "loss 0.5123", "val_loss 0.6007", "val_accuracy 0.7188"
    fn figures(&self, record: &EpochRecord) -> Vec<String> {
        let shown = std::iter::once("loss").chain(self.metrics.iter().map(String::as_str));
        let validation = shown.filter_map(|name| {
            let value = record.validation.get(name).copied().flatten()?;
            Some(figure(&format!("val_{name}"), value))
        });
        let loss = record.train.get("loss").copied().flatten().map(|loss| figure("loss", loss));
        loss.into_iter().chain(validation).collect()
    }

    /// The bar of a terminal, made when the first run begins.
    fn show_bar(&mut self) {
        if self.bar.is_some() {
            return;
        }
        let line = Arc::clone(&self.line);
        let drawn = Arc::new(AtomicUsize::new(0));
        // The line is composed anew whenever it is drawn, for the width that the terminal has then. One column stays
        // free: some terminals begin a new line when the last one is written.
        let compose = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let line = line.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let width = super::terminal_width().unwrap_or(80).saturating_sub(1);
            let composed = line.compose(width, Instant::now());
            clear_wrapped_rows(drawn.swap(wrap::columns(&composed), Ordering::Relaxed), width + 1);
            let _ = out.write_str(&composed);
        };
        let style = ProgressStyle::with_template("{line}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new_spinner().with_style(style.with_key("line", compose));
        bar.enable_steady_tick(REDRAWN_EVERY);
        self.bar = Some(bar);
    }

    /// Whether an epoch gets a line of its own where there is no terminal.
    fn is_told(&self, epoch: usize) -> bool {
        let every = self.n_epochs.div_ceil(N_PLAIN_LINES[usize::from(self.n_units > 1)]);
        epoch == 1 || epoch == self.n_epochs || epoch.is_multiple_of(every)
    }
}

/// Most terminals that become narrower break the line that stands there into several rows. The bar, which is drawn
/// next, clears the last of them; this one goes up to the first and clears all.
fn clear_wrapped_rows(columns: usize, width: usize) {
    let is_set = |name: &str| std::env::var_os(name).is_some();
    // These cut the line off instead, and the rows above are not ours.
    let cuts_lines = is_set("XTERM_VERSION")
        || (is_set("STY") && !is_set("TMUX"))
        || std::env::var_os("TERM").is_some_and(|name| name == "linux");
    if columns > width && width > 0 && cfg!(unix) && !cuts_lines {
        let n_above = (columns - 1) / width;
        // Where standard error is closed, there is nothing to clear.
        let _ = write!(io::stderr(), "\r\x1b[{n_above}A\x1b[J");
    }
}

/// Standard error may be closed; then no one reads it.
fn eprintln_lossy(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

impl Progress for Watcher {
    fn on(&mut self, event: Event) {
        match event {
            Event::RunStarted { finished, n_units, n_epochs } => {
                let pace = &mut self.line().pace;
                pace.begun = Some(Instant::now());
                (pace.n_units, pace.n_epochs) = (n_units, n_epochs);
                pace.finished = finished.iter().map(|unit| unit.epochs).collect();
                pace.earlier_s = finished.iter().map(|unit| unit.wall_s).sum();
                pace.done_before = pace.finished.iter().sum::<usize>() as f64;
            }
            Event::UnitStarted {
                name,
                number,
                n_units,
                is_trial,
                n_items,
                n_parameters,
                n_epochs,
                n_done,
                earlier_s,
                dir,
            } => {
                if let Some(dir) = dir {
                    super::room::note_run(dir, name.is_some());
                }
                self.n_units = n_units;
                self.is_trial = is_trial;
                self.n_epochs = n_epochs;
                self.last = None;
                self.unit = match name {
                    // "fold 3 of 10"; with seeds, "seed 8, fold 3 (13 of 30)".
                    Some(name) if is_trial => format!("{name} of {n_units}"),
                    Some(name) if name.starts_with("fold") && !name.contains(',') => {
                        format!("{name} of {n_units}")
                    }
                    Some(name) => format!("{name} ({number} of {n_units})"),
                    None => String::new(),
                };
                if self.is_quiet {
                    return;
                }
                let [train, validation, test] = n_items;
                let resumed =
                    if n_done > 0 { format!(", resumed after epoch {n_done}") } else { String::new() };
                let place = dir.map_or_else(String::new, |dir| format!(" → {}", dir.display()));
                if !is_trial && (n_units == 1 || !io::stderr().is_terminal()) {
                    // A machine that is solved has none.
                    let numbers = match n_epochs {
                        0 => String::new(),
                        _ => format!("; {n_parameters} parameters"),
                    };
                    let of = if self.unit.is_empty() { String::new() } else { format!("{}: ", self.unit) };
                    let to = if self.is_of_vectors { "to fit probes on" } else { "to train on" };
                    self.say(&format!(
                        "{of}{train} {} {to}, {validation} for validation, {test} for the test{numbers}{resumed}{place}",
                        if train == 1 { self.items.trim_end_matches('s') } else { self.items }
                    ));
                }
                {
                    let mut line = self.line();
                    line.unit = self.unit.clone();
                    (line.epoch, line.n_epochs) = (n_done + 1, n_epochs);
                    line.figures.clear();
                    line.rate = None;
                    line.pace.at = n_done as f64;
                    line.pace.done_before += n_done as f64;
                    line.pace.earlier_s += earlier_s;
                }
                if io::stderr().is_terminal() {
                    self.show_bar();
                }
            }
            Event::Initial(record) => {
                if !self.is_quiet {
                    initial_lines(record).iter().for_each(|line| self.say(line));
                }
                record.notes.iter().for_each(|note| self.say(&format!("warning: {note}")));
            }
            Event::Batch { epoch, batch, n_batches, n_items, loss } => {
                if batch == 1 {
                    // Counted from the end of the first batch on: evaluation and writing lie before it.
                    self.epoch_begun = Instant::now();
                    self.n_items_done = 0;
                } else {
                    self.n_items_done += n_items;
                }
                if self.bar.is_some() {
                    let seconds = self.epoch_begun.elapsed().as_secs_f64();
                    let rate = short_count(self.n_items_done as f64 / seconds);
                    let mut line = self.line();
                    line.epoch = epoch;
                    line.pace.at = (epoch - 1) as f64 + batch as f64 / n_batches as f64;
                    line.rate = (self.n_items_done > 0).then(|| format!("{rate} {}/s", self.items));
                    if self.last.is_none() {
                        line.figures = vec![figure("loss", loss)];
                    }
                }
            }
            Event::Epoch(record) => {
                let figures = self.figures(record);
                if self.bar.is_some() {
                    self.line().figures = figures;
                } else if !self.is_quiet && !self.is_trial && self.is_told(record.epoch) {
                    let (figures, seconds) = (figures.join("  "), seconds(record.train_s));
                    self.say(&format!("epoch {}/{}  {figures}  {seconds}", record.epoch, self.n_epochs));
                }
                self.last = Some(record.clone());
            }
            Event::Warning(text) => self.say(&format!("warning: {text}")),
            Event::TrialFinished { of, trial, choose_by } => {
                {
                    let pace = &mut self.line().pace;
                    pace.finished.push(trial.epochs);
                    pace.at = 0.0;
                }
                if !self.is_quiet {
                    self.say(&trial_line(of, trial, choose_by));
                }
            }
            Event::UnitFinished(summary) => {
                {
                    let pace = &mut self.line().pace;
                    pace.finished.push(summary.epochs);
                    pace.at = 0.0;
                }
                if (self.n_units > 1 || !summary.searched.is_empty()) && !self.is_quiet {
                    self.say(&unit_line(&self.unit, summary));
                }
            }
        }
    }
}

/// What a run takes over from another one, as lines of a table.
fn initial_lines(record: &InitialRecord) -> Vec<String> {
    let n_tensors = record.loaded.len() + record.new.len() + record.reshaped.len();
    let n_checkpoints = record.checkpoints.len();
    let from = match record.checkpoints.as_slice() {
        [one] => one.display().to_string(),
        _ => format!("{}, {n_checkpoints} checkpoints, each run from its own", record.from.display()),
    };
    let mut lines = vec![format!(
        "starts from {} of {n_tensors} tensors ({} of {} numbers) of {from}; the models differ: {}",
        record.loaded.len(),
        record.n_loaded,
        record.n_numbers,
        record.class
    )];
    if record.class == "same" {
        lines[0] = lines[0].replace("; the models differ: same", "");
    }
    let mut rows: Vec<[String; 3]> = Vec::new();
    rows.extend(record.reshaped.iter().map(|(name, from, to)| {
        ["other shape".into(), name.clone(), format!("{from} → {to}, starts at random")]
    }));
    rows.extend(
        record
            .new
            .iter()
            .map(|(name, shape)| ["new".into(), name.clone(), format!("{shape}, starts at random")]),
    );
    rows.extend(record.dropped.iter().map(|(name, shape)| ["dropped".into(), name.clone(), shape.clone()]));
    let widths = [0, 1].map(|idx| rows.iter().map(|row| row[idx].chars().count()).max().unwrap_or(0));
    lines.extend(
        rows.iter()
            .map(|[what, name, shape]| format!("  {what:0$}  {name:1$}  {shape}", widths[0], widths[1])),
    );
    lines
}

/// "fold 3, trial 2: val_accuracy 0.7143 after 95 epochs; lr = 0.003, width = 64"
fn trial_line(of: Option<&str>, trial: &TrialRecord, choose_by: &str) -> String {
    let of = of.map_or_else(String::new, |of| format!("{of}, "));
    let outcome = match trial.figure {
        Some(figure) => format!("{choose_by} {figure:.4} after {}", epochs(trial.epochs)),
        None => format!("`{choose_by}` is not defined"),
    };
    let outcome = match (&trial.reason, trial.status) {
        (Some(reason), status) => format!("{}: {reason}", status.in_words()),
        (None, TrialStatus::Finished) => outcome,
        (None, status) => format!("{outcome}, {}", status.in_words()),
    };
    format!("{of}trial {}: {outcome}; {}", trial.trial + 1, in_words(&trial.values))
}

/// `lr = 0.003, width = 64`
pub fn in_words(values: &BTreeMap<String, String>) -> String {
    values.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
}

/// "fold 3 (3 of 10): test accuracy 0.7232 after 95 epochs (kept: 65), 7.1 s"
fn unit_line(unit: &str, summary: &UnitSummary) -> String {
    let test = summary.test.iter().filter(|(name, _)| *name != "loss");
    let figures: Vec<String> =
        test.filter_map(|(name, value)| Some(format!("{name} {:.4}", (*value)?))).collect();
    let what = match summary.status {
        Status::Finished => format!("test {}", figures.join(", ")),
        Status::Interrupted => "interrupted".into(),
        Status::Diverged => "diverged".into(),
    };
    let kept = summary.kept_epoch.map_or_else(String::new, |epoch| format!(" (kept: {epoch})"));
    let after = match summary.n_support {
        Some(n) => format!(" with {}{}", vectors(n), chosen(summary)),
        None => format!(" after {}{kept}", epochs(summary.epochs)),
    };
    let searched = match summary.searched.is_empty() {
        true => String::new(),
        false => format!("; {}", in_words(&summary.searched)),
    };
    let unit = if unit.is_empty() { "chosen" } else { unit };
    format!("{unit}: {what}{after}, {}{searched}", seconds(summary.wall_s))
}

/// `1 support vector`, `310 support vectors`
pub fn vectors(n: usize) -> String {
    if n == 1 { "1 support vector".into() } else { format!("{n} support vectors") }
}

/// `, c = 10, h = 3`
fn chosen(summary: &UnitSummary) -> String {
    summary.chosen.iter().map(|(name, value)| format!(", {name} = {}", describe::real(*value))).collect()
}

/// `1 epoch`, `95 epochs`
pub fn epochs(n_epochs: usize) -> String {
    if n_epochs == 1 { "1 epoch".into() } else { format!("{n_epochs} epochs") }
}

/// `950`, `12.3k`
fn short_count(count: f64) -> String {
    if count < 9_999.5 { format!("{count:.0}") } else { format!("{:.1}k", count / 1000.0) }
}

/// `8.3 ms`, `1.24 s`, `3 min 20 s`, `2 h 05 min`
pub fn seconds(seconds: f64) -> String {
    // Rounded before they are split, so that no part becomes 60.
    let (whole_s, whole_min) = (seconds.round() as u64, (seconds / 60.0).floor() as u64);
    match seconds {
        s if s < 0.0999 => format!("{:.1} ms", s * 1e3),
        s if s < 59.995 => format!("{s:.2} s"),
        s if s < 3599.5 => format!("{} min {} s", whole_s / 60, whole_s % 60),
        _ => format!("{} h {:02} min", whole_min.max(60) / 60, whole_min.max(60) % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_in_the_unit_that_suits_them() {
        for (value, expected) in [
            (0.0083, "8.3 ms"),
            (1.237, "1.24 s"),
            (59.999, "1 min 0 s"),
            (119.7, "2 min 0 s"),
            (200.0, "3 min 20 s"),
            (3599.9, "1 h 00 min"),
            (7500.0, "2 h 05 min"),
        ] {
            assert_eq!(seconds(value), expected);
        }
    }
}
