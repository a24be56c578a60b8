//! What a run shows while it goes.

use super::Format;
use crate::ir::{Entity, Model};
use crate::train::{EpochRecord, Event, InitialRecord, Overrides, Progress, Settings, Status, UnitSummary};
use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

/// Shows a run: a bar on a terminal, some lines otherwise.
pub struct Watcher {
    bar: Option<ProgressBar>,
    is_quiet: bool,
    /// "graphs", "nodes"
    items: &'static str,
    /// As the file orders them.
    metrics: Vec<String>,
    /// "fold 3 of 10"; empty for a run alone.
    unit: String,
    n_units: usize,
    n_epochs: usize,
    last: Option<EpochRecord>,
    epoch_begun: Instant,
    n_items_done: usize,
}

/// Epochs that get a line where there is no terminal: of a run alone, and of each of several.
const N_PLAIN_LINES: [usize; 2] = [20, 4];

impl Watcher {
    pub fn new(model: &Model, overrides: Overrides, format: Format) -> Self {
        let metrics = Settings::new(model, overrides).metrics;
        Self {
            bar: None,
            is_quiet: format == Format::Json,
            items: if model.task.entity == Entity::Nodes { "nodes" } else { "graphs" },
            metrics: metrics.iter().map(|metric| metric.name().to_string()).collect(),
            unit: String::new(),
            n_units: 1,
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

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln_lossy(line)),
            None => eprintln_lossy(line),
        }
    }

    fn figures(&self, record: &EpochRecord) -> String {
        let mut text = String::new();
        if let Some(Some(loss)) = record.train.get("loss") {
            text.push_str(&format!("loss {loss:.4}"));
        }
        let shown = std::iter::once("loss").chain(self.metrics.iter().map(String::as_str));
        for name in shown {
            if let Some(Some(value)) = record.validation.get(name) {
                text.push_str(&format!("  val_{name} {value:.4}"));
            }
        }
        text
    }

    /// Whether an epoch gets a line of its own where there is no terminal.
    fn is_told(&self, epoch: usize) -> bool {
        let every = self.n_epochs.div_ceil(N_PLAIN_LINES[usize::from(self.n_units > 1)]);
        epoch == 1 || epoch == self.n_epochs || epoch.is_multiple_of(every)
    }
}

/// Standard error may be closed; then there is no one to tell.
fn eprintln_lossy(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

impl Progress for Watcher {
    fn on(&mut self, event: Event) {
        match event {
            Event::UnitStarted { name, number, n_units, n_items, n_parameters, n_epochs, n_done, dir } => {
                self.n_units = n_units;
                self.n_epochs = n_epochs;
                self.last = None;
                self.unit = match name {
                    // "fold 3 of 10"; with seeds, "seed 8, fold 3 (13 of 30)".
                    Some(name) if name.starts_with("fold") => format!("{name} of {n_units}"),
                    Some(name) => format!("{name} ({number} of {n_units})"),
                    None => String::new(),
                };
                if self.is_quiet {
                    return;
                }
                let [train, validation, test] = n_items;
                let resumed =
                    if n_done > 0 { format!(", going on after epoch {n_done}") } else { String::new() };
                let place = dir.map_or_else(String::new, |dir| format!(" → {}", dir.display()));
                if n_units == 1 || !io::stderr().is_terminal() {
                    let of = if self.unit.is_empty() { String::new() } else { format!("{}: ", self.unit) };
                    self.say(&format!(
                        "{of}{train} {} to train on, {validation} for validation, {test} for the test; {n_parameters} \
                         parameters{resumed}{place}",
                        self.items
                    ));
                }
                if io::stderr().is_terminal() {
                    let template = "{prefix}{bar:20} epoch {pos}/{len}{left}  {wide_msg}";
                    let style = ProgressStyle::with_template(template)
                        .unwrap_or_else(|_| ProgressStyle::default_bar())
                        .with_key("left", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                            // Before the first epoch is done there is nothing to tell the time from.
                            if !state.eta().is_zero() {
                                let _ = write!(out, ", {:#} left", HumanDuration(state.eta()));
                            }
                        });
                    let bar = self.bar.get_or_insert_with(|| ProgressBar::new(0).with_style(style));
                    bar.set_length(n_epochs as u64);
                    bar.set_position(n_done as u64);
                    bar.reset_eta();
                    let prefix =
                        if self.unit.is_empty() { String::new() } else { format!("{}  ", self.unit) };
                    bar.set_prefix(prefix);
                    bar.set_message("");
                }
            }
            Event::Initial(record) => {
                if !self.is_quiet {
                    initial_lines(record).iter().for_each(|line| self.say(line));
                }
                record.notes.iter().for_each(|note| self.say(&format!("warning: {note}")));
            }
            Event::Batch { batch, n_items, loss, .. } => {
                if batch == 1 {
                    // Counted from the end of the first batch on: evaluation and writing lie before it.
                    self.epoch_begun = Instant::now();
                    self.n_items_done = 0;
                } else {
                    self.n_items_done += n_items;
                }
                if let Some(bar) = &self.bar {
                    let seconds = self.epoch_begun.elapsed().as_secs_f64();
                    let rate = (self.n_items_done > 0).then(|| {
                        format!("  {} {}/s", short_count(self.n_items_done as f64 / seconds), self.items)
                    });
                    let last = self
                        .last
                        .as_ref()
                        .map_or_else(|| format!("loss {loss:.4}"), |record| self.figures(record));
                    // What does not fit on the line is cut off at its end, so the loss comes first.
                    bar.set_message(format!("{last}{}", rate.unwrap_or_default()));
                }
            }
            Event::Epoch(record) => {
                if let Some(bar) = &self.bar {
                    bar.set_position(record.epoch as u64);
                } else if !self.is_quiet && self.is_told(record.epoch) {
                    let seconds = seconds(record.train_s);
                    self.say(&format!(
                        "epoch {}/{}  {}  {seconds}",
                        record.epoch,
                        self.n_epochs,
                        self.figures(record)
                    ));
                }
                self.last = Some(record.clone());
            }
            Event::Warning(text) => self.say(&format!("warning: {text}")),
            Event::UnitFinished(summary) => {
                if self.n_units > 1 && !self.is_quiet {
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
        "begins with {} of {n_tensors} tensors ({} of {} numbers) of {from}; the models differ: {}",
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
        ["other shape".into(), name.clone(), format!("{from} → {to}, begins at random")]
    }));
    rows.extend(
        record
            .new
            .iter()
            .map(|(name, shape)| ["new".into(), name.clone(), format!("{shape}, begins at random")]),
    );
    rows.extend(record.dropped.iter().map(|(name, shape)| ["dropped".into(), name.clone(), shape.clone()]));
    let widths = [0, 1].map(|idx| rows.iter().map(|row| row[idx].chars().count()).max().unwrap_or(0));
    lines.extend(
        rows.iter()
            .map(|[what, name, shape]| format!("  {what:0$}  {name:1$}  {shape}", widths[0], widths[1])),
    );
    lines
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
    format!("{unit}: {what} after {}{kept}, {}", epochs(summary.epochs), seconds(summary.wall_s))
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
    match seconds {
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 60.0 => format!("{s:.2} s"),
        s if s < 3600.0 => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
        s => format!("{:.0} h {:02.0} min", (s / 3600.0).floor(), (s % 3600.0 / 60.0).floor()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_in_the_unit_that_suits_them() {
        for (value, expected) in
            [(0.0083, "8.3 ms"), (1.237, "1.24 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 05 min")]
        {
            assert_eq!(seconds(value), expected);
        }
    }
}
