//! The line that shows where a run is, composed for a width.

use super::wrap::columns;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// What the line shows, the most important on the left.
#[derive(Debug, Clone, Default)]
pub struct ProgressLine {
    /// "fold 3 of 10"; empty where the protocol asks for one run.
    pub unit: String,
    /// The one that is being trained, counted from 1.
    pub epoch: usize,
    pub n_epochs: usize,
    pub pace: Pace,
    /// "loss 0.5123", "val_loss 0.6007", …
    pub figures: Vec<String>,
    /// "12.3k graphs/s"
    pub rate: Option<String>,
}

/// Columns of the bar where the line has room for it and for the figures.
const BAR: [usize; 2] = [20, 10];

impl ProgressLine {
    /// The line at this moment, at most `width` columns wide: what does not fit is left out from the right, field by
    /// field. The unit and the epoch always stay.
    pub fn compose(&self, width: usize, now: Instant) -> String {
        // A machine that is solved at once has no epochs.
        let step = match self.n_epochs {
            0 => "solving".to_owned(),
            n_epochs => format!("epoch {}/{n_epochs}", self.epoch.min(n_epochs)),
        };
        let place = if self.unit.is_empty() { step } else { format!("{}  {step}", self.unit) };
        let times = self.pace.times(now);
        let mut fields: Vec<&str> = vec![&times];
        fields.extend(self.figures.iter().map(String::as_str));
        fields.extend(self.rate.as_deref());
        let needed =
            |n: usize| columns(&place) + fields[..n].iter().map(|field| 2 + columns(field)).sum::<usize>();
        // The bar gives way to the times and to the first figure, and the others give way to the bar.
        let at_least = fields.len().min(2);
        let bar = BAR.into_iter().find(|bar| needed(at_least) + bar + 2 <= width);
        let room = width - bar.map_or(0, |bar| bar + 2).min(width);
        let n_shown = (0..=fields.len()).rev().find(|&n| needed(n) <= room).unwrap_or(0);
        let mut line = place;
        if let Some(bar) = bar {
            let _ = write!(line, "  {}", drawn(self.pace.share(), bar));
        }
        for field in &fields[..n_shown] {
            let _ = write!(line, "  {field}");
        }
        line
    }
}

/// A bar of `columns` columns, filled as far as `share` of 1.
fn drawn(share: f64, columns: usize) -> String {
    let n_full = (share.clamp(0.0, 1.0) * columns as f64).floor() as usize;
    format!("{}{}", "█".repeat(n_full), "░".repeat(columns - n_full))
}

/// How far a whole protocol is, all its folds and seeds together, and how long it has taken.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// When this process began to train.
    pub begun: Option<Instant>,
    /// Seconds of the processes before it, where the run was resumed.
    pub earlier_s: f64,
    pub n_units: usize,
    /// Epochs of each unit at most.
    pub n_epochs: usize,
    /// Epochs that the finished units took.
    pub finished: Vec<usize>,
    /// Epochs of the unit at work, with the part of the present one.
    pub at: f64,
    /// Epochs of all units that were done before this process began.
    pub done_before: f64,
}

impl Pace {
    /// Epochs that a unit is expected to take: as many as the finished ones on average, where they stopped early.
    fn epochs_of_unit(&self) -> f64 {
        match self.finished.len() {
            0 => self.n_epochs as f64,
            n => self.finished.iter().sum::<usize>() as f64 / n as f64,
        }
    }

    /// Epochs done by this process.
    fn done(&self) -> f64 {
        self.finished.iter().sum::<usize>() as f64 + self.at - self.done_before
    }

    /// Epochs that are left in all units.
    fn left(&self) -> f64 {
        let of_unit = self.epochs_of_unit();
        let n_later = self.n_units.saturating_sub(self.finished.len() + 1);
        (of_unit - self.at).max(0.0) + n_later as f64 * of_unit
    }

    /// What is done of the whole, between 0 and 1.
    pub fn share(&self) -> f64 {
        // Machines that are solved at once have no epochs: each counts as a whole.
        if self.n_epochs == 0 {
            return self.finished.len() as f64 / self.n_units.max(1) as f64;
        }
        let done = self.finished.iter().sum::<usize>() as f64 + self.at;
        if done > 0.0 { done / (done + self.left()) } else { 0.0 }
    }

    /// Seconds that all processes of the run have taken.
    pub fn elapsed_s(&self, now: Instant) -> f64 {
        self.earlier_s + self.here(now).as_secs_f64()
    }

    /// Seconds that the run still needs; `None` before there is anything to tell it from.
    pub fn left_s(&self, now: Instant) -> Option<f64> {
        let here = self.here(now);
        let done = self.done();
        (done > 0.0 && here >= Duration::from_secs(1)).then(|| here.as_secs_f64() / done * self.left())
    }

    fn here(&self, now: Instant) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun))
    }

    /// "1:23, 12:40 left"
    fn times(&self, now: Instant) -> String {
        let elapsed = clock(self.elapsed_s(now));
        match self.left_s(now) {
            Some(left) => format!("{elapsed}, {} left", clock(left)),
            None => elapsed,
        }
    }
}

/// `0:07`, `12:40`, `1:02:03`, `2 d 03 h`
fn clock(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..3600 => format!("{}:{:02}", s / 60, s % 60),
        3600..86_400 => format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
        _ => format!("{} d {:02} h", s / 86_400, s / 3600 % 24),
    }
}

/// A figure with its name: `loss 0.5123`. Large and tiny values are written with an exponent.
pub fn figure(name: &str, value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e5).contains(&size) && value.is_finite() {
        format!("{name} {value:.3e}")
    } else {
        format!("{name} {value:.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fold 3 of 10 in epoch 21 of at most 200, after folds of 60 and 100 epochs, 200 s after the start.
    fn sample() -> (ProgressLine, Instant) {
        let begun = Instant::now();
        let line = ProgressLine {
            unit: "fold 3 of 10".into(),
            epoch: 21,
            n_epochs: 200,
            pace: Pace {
                begun: Some(begun),
                n_units: 10,
                n_epochs: 200,
                finished: vec![60, 100],
                at: 20.0,
                ..Pace::default()
            },
            figures: vec![figure("loss", 0.51234), figure("val_loss", 0.6), figure("val_accuracy", 0.71875)],
            rate: Some("12.3k graphs/s".into()),
        };
        (line, begun + Duration::from_secs(200))
    }

    #[test]
    fn fields_go_from_the_right_and_whole() {
        let (line, now) = sample();
        let at = |width| line.compose(width, now);
        // 180 epochs of 80 + 80 + … are done: two folds of 80 on average, and 20 of the third; 620 are left
        // (60 of this fold, 7 folds of 80), at 200 s / 180 epochs each: 688.9 s. The bar is at 180 / 800.
        assert_eq!(
            at(120),
            "fold 3 of 10  epoch 21/200  ████░░░░░░░░░░░░░░░░  3:20, 11:29 left  loss 0.5123  val_loss 0.6000  \
             val_accuracy 0.7188"
        );
        assert_eq!(
            at(200),
            "fold 3 of 10  epoch 21/200  ████░░░░░░░░░░░░░░░░  3:20, 11:29 left  loss 0.5123  val_loss 0.6000  \
             val_accuracy 0.7188  12.3k graphs/s"
        );
        assert_eq!(at(80), "fold 3 of 10  epoch 21/200  ████░░░░░░░░░░░░░░░░  3:20, 11:29 left  loss 0.5123");
        assert_eq!(at(70), "fold 3 of 10  epoch 21/200  ██░░░░░░░░  3:20, 11:29 left  loss 0.5123");
        assert_eq!(at(60), "fold 3 of 10  epoch 21/200  3:20, 11:29 left  loss 0.5123");
        assert_eq!(at(50), "fold 3 of 10  epoch 21/200  3:20, 11:29 left");
        assert_eq!(at(20), "fold 3 of 10  epoch 21/200");
    }

    #[test]
    fn every_width_from_60_columns_on_is_kept_whatever_the_fields_are() {
        let (mut line, now) = sample();
        line.unit = "seed 18446744073709551615, fold 10".into();
        line.figures = vec![figure("loss", -1.5e300), figure("val_balanced_accuracy", f64::NAN)];
        for width in 60..=200 {
            let shown = line.compose(width, now);
            assert!(columns(&shown) <= width, "{width}: {shown}");
            assert!(shown.starts_with("seed 18446744073709551615, fold 10  epoch 21/200"), "{shown}");
            let all = line.compose(1000, now);
            assert!(shown.split("  ").all(|field| all.contains(field) || field.contains('░')), "{shown}");
        }
    }

    #[test]
    fn a_resumed_run_counts_the_time_before_and_its_own_speed() {
        let (mut line, now) = sample();
        // Both folds and 10 epochs of the third were done by an earlier process in 1000 s; this one did 10 epochs in
        // 200 s, so each of the 620 that are left takes 20 s.
        line.pace.earlier_s = 1000.0;
        line.pace.done_before = 170.0;
        assert_eq!(line.pace.elapsed_s(now), 1200.0);
        assert_eq!(line.pace.left_s(now), Some(12_400.0));
    }

    #[test]
    fn one_run_that_stops_late_and_one_that_has_just_begun() {
        let (mut line, now) = sample();
        let begun = line.pace.begun.expect("set above");
        // Of a run alone all epochs are to come: 180 of 200, at 10 s each.
        line.pace = Pace { begun: Some(begun), n_units: 1, n_epochs: 200, at: 20.0, ..Pace::default() };
        assert_eq!((line.pace.left_s(now), line.pace.share()), (Some(1800.0), 0.1));
        line.pace.at = 0.0;
        assert_eq!((line.pace.left_s(now), line.pace.share()), (None, 0.0));
        // A fold that has passed the average is expected to end any moment: 5 more folds of 10 epochs, at 200 / 70 s.
        line.pace = Pace { finished: vec![10; 4], n_units: 10, at: 30.0, ..line.pace };
        let left = line.pace.left_s(now).expect("epochs are done");
        assert!((left - 50.0 * 200.0 / 70.0).abs() < 1e-9, "{left}");
    }

    #[test]
    fn times_and_figures_are_short() {
        let shown = [0.4, 59.6, 760.0, 3723.0, 183_600.0].map(clock);
        assert_eq!(shown, ["0:00", "1:00", "12:40", "1:02:03", "2 d 03 h"]);
        let shown = [0.5, 123.45678, 1.5e7, 2.5e-5, 0.0, f64::INFINITY].map(|value| figure("loss", value));
        let expected =
            ["loss 0.5000", "loss 123.4568", "loss 1.500e7", "loss 2.500e-5", "loss 0.0000", "loss inf"];
        assert_eq!(shown, expected);
    }
}
