//! Learning curves as SVG: the loss and one metric by epoch.

use super::record::EpochRecord;
use plotters::coord::Shift;
use plotters::prelude::*;

const TRAINING: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const VALIDATION: RGBColor = RGBColor(0xd6, 0x5f, 0x0e);
const KEPT: RGBColor = RGBColor(0x66, 0x66, 0x66);
const FONT: &str = "sans-serif";

/// The drawing as SVG text: loss on the left, `metric` on the right, a dashed line at the epoch whose weights are kept.
pub fn draw(title: &str, records: &[EpochRecord], metric: &str) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (1000, 420)).into_drawing_area();
        // Drawing into a string cannot fail for lack of room; a panel that plotters refuses stays empty.
        let _ = draw_panels(&area, title, records, metric);
        let _ = area.present();
    }
    svg
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Refused = Box<dyn std::error::Error>;

fn draw_panels(area: &Area, title: &str, records: &[EpochRecord], metric: &str) -> Result<(), Refused> {
    area.fill(&WHITE)?;
    let area = area.titled(title, (FONT, 18))?;
    let (left, right) = area.split_horizontally(500);
    draw_panel(&left, "loss", records)?;
    if !metric.is_empty() {
        draw_panel(&right, metric, records)?;
    }
    Ok(())
}

fn series(records: &[EpochRecord], of: impl Fn(&EpochRecord) -> Option<f64>) -> Vec<(f64, f64)> {
    records.iter().filter_map(|record| Some((record.epoch as f64, of(record)?))).collect()
}

fn draw_panel(area: &Area, figure: &str, records: &[EpochRecord]) -> Result<(), Refused> {
    let training = series(records, |record| record.train.get(figure).copied().flatten());
    let validation = series(records, |record| record.validation.get(figure).copied().flatten());
    let values = || training.iter().chain(&validation).map(|&(_, value)| value);
    let (low, high) = values()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return Ok(());
    }
    let margin = if high > low { (high - low) * 0.06 } else { high.abs().max(1.0) * 0.1 };
    let last_epoch = records.len().max(2) as f64;
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
        .x_label_formatter(&|epoch| format!("{epoch:.0}"))
        .y_label_formatter(&|value| format!("{value:.decimals$}"))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.5))
        .label_style((FONT, 13))
        .axis_desc_style((FONT, 13))
        .draw()?;
    let mut curve = |points: &[(f64, f64)], color: RGBColor, name: &str| -> Result<(), Refused> {
        if points.is_empty() {
            return Ok(());
        }
        let line = if points.len() == 1 {
            // A line of one point would not be seen.
            chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, color.filled())))?
        } else {
            chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?
        };
        line.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        Ok(())
    };
    curve(&training, TRAINING, "training")?;
    curve(&validation, VALIDATION, "validation")?;
    if let Some(kept) = records.iter().rev().find(|record| record.is_kept) {
        let epoch = kept.epoch as f64;
        chart
            .draw_series(DashedLineSeries::new([(epoch, bottom), (epoch, top)], 4, 4, KEPT.stroke_width(1)))?
            .label(format!("kept: epoch {}", kept.epoch))
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], KEPT.stroke_width(1)));
    }
    chart
        .configure_series_labels()
        .position(if figure == "loss" {
            SeriesLabelPosition::UpperRight
        } else {
            SeriesLabelPosition::LowerRight
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
    use crate::train::record::Figures;

    fn record(epoch: usize, loss: Option<f64>) -> EpochRecord {
        let figures = |loss| Figures::from([("loss".into(), loss), ("accuracy".into(), Some(0.5))]);
        EpochRecord {
            epoch,
            lr: 0.1,
            train: figures(loss),
            validation: figures(loss.map(|loss| loss + 0.1)),
            loss_terms: Default::default(),
            pooling: Vec::new(),
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
    fn no_epoch_one_epoch_and_gaps_are_drawn() {
        for records in
            [vec![], vec![record(1, Some(0.5))], vec![record(1, None), record(2, Some(1.0)), record(3, None)]]
        {
            assert!(draw("title", &records, "accuracy").ends_with("</svg>\n"));
        }
    }
}
