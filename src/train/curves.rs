//! Learning curves as SVG: the loss and one metric by epoch.

use super::record::{EpochRecord, Figures};
use plotters::coord::Shift;
use plotters::prelude::*;
use std::collections::BTreeMap;

const TRAINING: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const VALIDATION: RGBColor = RGBColor(0xd6, 0x5f, 0x0e);
const ONE_OF_MANY: RGBColor = RGBColor(0xf0, 0xc4, 0xa4);
const KEPT: RGBColor = RGBColor(0x66, 0x66, 0x66);
const FONT: &str = "sans-serif";

/// The drawing of one run as SVG text: loss on the left, `metric` on the right, a dashed line at the epoch whose
/// weights are kept.
pub fn draw(title: &str, records: &[EpochRecord], metric: &str) -> String {
    let kept = records.iter().rev().find(|record| record.is_kept).map(|record| record.epoch);
    draw_panels(title, metric, |figure| Panel {
        curves: vec![
            Curve::new("training", TRAINING, 2, series(records, |record| &record.train, figure)),
            Curve::new("validation", VALIDATION, 2, series(records, |record| &record.validation, figure)),
        ],
        kept,
    })
}

/// The drawing of several runs: the validation curve of each, and their mean over the runs that reach an epoch.
pub fn draw_runs(title: &str, runs: &[Vec<EpochRecord>], metric: &str) -> String {
    draw_panels(title, metric, |figure| {
        let runs: Vec<_> = runs.iter().map(|run| series(run, |record| &record.validation, figure)).collect();
        let mut by_epoch: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for &(epoch, value) in runs.iter().flatten() {
            by_epoch.entry(epoch as u64).or_default().push(value);
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let means = by_epoch.iter().map(|(&epoch, values)| (epoch as f64, mean(values))).collect();
        let name = |idx: usize| if idx == 0 { "validation, each run" } else { "" };
        let mut curves: Vec<_> = runs
            .into_iter()
            .enumerate()
            .map(|(idx, run)| Curve::new(name(idx), ONE_OF_MANY, 1, run))
            .collect();
        curves.push(Curve::new("mean", VALIDATION, 2, means));
        Panel { curves, kept: None }
    })
}

struct Panel {
    curves: Vec<Curve>,
    /// The epoch of the dashed line.
    kept: Option<usize>,
}

struct Curve {
    /// Empty for one without a place in the legend.
    name: &'static str,
    color: RGBColor,
    width: u32,
    /// Epoch and value.
    points: Vec<(f64, f64)>,
}

impl Curve {
    fn new(name: &'static str, color: RGBColor, width: u32, points: Vec<(f64, f64)>) -> Self {
        Self { name, color, width, points }
    }
}

fn series(records: &[EpochRecord], part: impl Fn(&EpochRecord) -> &Figures, figure: &str) -> Vec<(f64, f64)> {
    let point =
        |record: &EpochRecord| Some((record.epoch as f64, part(record).get(figure).copied().flatten()?));
    records.iter().filter_map(point).collect()
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Refused = Box<dyn std::error::Error>;

fn draw_panels(title: &str, metric: &str, panel: impl Fn(&str) -> Panel) -> String {
    let draw = |area: &Area| -> Result<(), Refused> {
        area.fill(&WHITE)?;
        let area = area.titled(title, (FONT, 18))?;
        let (left, right) = area.split_horizontally(500);
        draw_panel(&left, "loss", &panel("loss"))?;
        if !metric.is_empty() {
            draw_panel(&right, metric, &panel(metric))?;
        }
        Ok(())
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (1000, 420)).into_drawing_area();
        // Drawing into a string cannot fail for lack of room; a panel that plotters refuses stays empty.
        let _ = draw(&area);
        let _ = area.present();
    }
    svg
}

fn draw_panel(area: &Area, figure: &str, panel: &Panel) -> Result<(), Refused> {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let (low, high) = points().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &(_, value)| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return Ok(());
    }
    let margin = if high > low { (high - low) * 0.06 } else { high.abs().max(1.0) * 0.1 };
    let last_epoch = points().fold(2.0, |last: f64, &(epoch, _)| last.max(epoch));
    let (bottom, top) = (low - margin, high + margin);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(figure.replace('_', " "), (FONT, 15))
        .x_label_area_size(38)
        .y_label_area_size(54)
        .build_cartesian_2d(1.0..last_epoch, bottom..top)?;
    // As many decimals as tell two neighbouring labels apart.
    let decimals = (1.0 - (top - bottom).log10()).ceil().clamp(0.0, 8.0) as usize;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .x_labels(8)
        .y_labels(8)
        // There is no epoch between two others.
        .x_label_formatter(&|epoch| {
            if (epoch - epoch.round()).abs() < 1e-6 { format!("{epoch:.0}") } else { String::new() }
        })
        .y_label_formatter(&|value| format!("{value:.decimals$}"))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.5))
        .label_style((FONT, 13))
        .axis_desc_style((FONT, 13))
        .draw()?;
    for &Curve { name, color, width, ref points } in &panel.curves {
        let drawn = match points.as_slice() {
            [] => continue,
            // A line of one point would not be seen.
            [point] => chart.draw_series([Circle::new(*point, 3, color.filled())])?,
            points => {
                chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(width)))?
            }
        };
        if !name.is_empty() {
            drawn
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(width)));
        }
    }
    if let Some(kept) = panel.kept {
        let epoch = kept as f64;
        chart
            .draw_series(DashedLineSeries::new([(epoch, bottom), (epoch, top)], 4, 4, KEPT.stroke_width(1)))?
            .label(format!("kept: epoch {kept}"))
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], KEPT.stroke_width(1)));
    }
    // The legend goes where the curves end up farthest from it.
    let late = || points().filter(|&&(epoch, _)| epoch > last_epoch * 0.6);
    let n_late_above = late().filter(|&&(_, value)| value > (low + high) / 2.0).count();
    let is_high_late = 2 * n_late_above > late().count();
    chart
        .configure_series_labels()
        .position(if is_high_late {
            SeriesLabelPosition::LowerRight
        } else {
            SeriesLabelPosition::UpperRight
        })
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 13))
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize, loss: Option<f64>) -> EpochRecord {
        let figures = |loss| Figures::from([("loss".into(), loss), ("accuracy".into(), Some(0.5))]);
        EpochRecord {
            epoch,
            lr: 0.1,
            train: figures(loss),
            validation: figures(loss.map(|loss| loss + 0.1)),
            loss_terms: Default::default(),
            pooling: Vec::new(),
            fixed_points: Vec::new(),
            gradient_norm: 1.0,
            is_kept: epoch == 2,
            train_s: 0.1,
            validation_s: 0.1,
        }
    }

    #[test]
    fn both_panels_name_their_axes_and_curves() {
        let records: Vec<_> = (1..=30).map(|epoch| record(epoch, Some(1.0 / epoch as f64))).collect();
        let svg = draw("gcn on PROTEINS", &records, "accuracy");
        for text in
            ["gcn on PROTEINS", "epoch", "loss", "accuracy", "training", "validation", "kept: epoch 2"]
        {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn several_runs_are_drawn_with_their_mean() {
        let run = |n_epochs| (1..=n_epochs).map(|epoch| record(epoch, Some(1.0 / epoch as f64))).collect();
        let svg = draw_runs("title", &[run(5), run(9), Vec::new()], "accuracy");
        assert_eq!(svg.matches("validation, each run").count(), 2);
        assert_eq!(svg.matches("mean").count(), 2);
    }

    #[test]
    fn no_epoch_one_epoch_and_gaps_are_drawn() {
        for records in
            [vec![], vec![record(1, Some(0.5))], vec![record(1, None), record(2, Some(1.0)), record(3, None)]]
        {
            assert!(draw("title", &records, "accuracy").ends_with("</svg>\n"));
        }
    }
}
