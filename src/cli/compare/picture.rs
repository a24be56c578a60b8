//! Differences of folds as SVG: a dot for each fold, and the mean with its interval.

use plotters::prelude::*;

const DOT: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const MEAN: RGBColor = RGBColor(0xd6, 0x5f, 0x0e);
const FONT: &str = "sans-serif";
const ROW: u32 = 64;

/// A run: its name, the differences of its folds, and the interval of their mean.
pub struct Row<'a> {
    pub name: &'a str,
    pub values: &'a [f64],
    pub interval: Option<[f64; 2]>,
}

/// The drawing, a row for each run: its name, the differences of its folds, and the interval of their mean.
pub fn draw(title: &str, rows: &[Row]) -> String {
    let mut svg = String::new();
    {
        let size = (820, 110 + ROW * rows.len() as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        // Drawing into a string cannot fail for lack of room; what plotters refuses stays empty.
        let _ = paint(&area, title, rows);
        let _ = area.present();
    }
    svg
}

fn paint(
    area: &DrawingArea<SVGBackend, plotters::coord::Shift>,
    title: &str,
    rows: &[Row],
) -> Result<(), Box<dyn std::error::Error>> {
    area.fill(&WHITE)?;
    let values =
        rows.iter().flat_map(|row| row.values.iter().copied().chain(row.interval.iter().flatten().copied()));
    let far = values.fold(0.0f64, |far, value| far.max(value.abs()));
    let far = if far > 0.0 { far * 1.1 } else { 1.0 };
    let n = rows.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .caption(title, (FONT, 18))
        .x_label_area_size(34)
        .y_label_area_size(170)
        .build_cartesian_2d(-far..far, 0.0..n)?;
    let decimals = (1.0 - (2.0 * far).log10()).ceil().clamp(0.0, 8.0) as usize;
    let name = |place: &f64| {
        let idx = (n - place).floor();
        let is_middle = (place.fract() - 0.5).abs() < 1e-6;
        if is_middle {
            rows.get(idx as usize).map_or_else(String::new, |row| row.name.to_owned())
        } else {
            String::new()
        }
    };
    chart
        .configure_mesh()
        .x_labels(9)
        .y_labels(2 * rows.len() + 1)
        .x_label_formatter(&|value| format!("{value:+.decimals$}"))
        .y_label_formatter(&name)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.5))
        .label_style((FONT, 13))
        .draw()?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (0.0, n)], BLACK.mix(0.6)))?;
    for (idx, Row { values, interval, .. }) in rows.iter().enumerate() {
        let middle = n - idx as f64 - 0.5;
        // Equal differences stand above each other.
        let dots = values.iter().enumerate().map(|(place, &value)| {
            let n_before =
                values[..place].iter().filter(|other| (**other - value).abs() < far * 0.02).count();
            Circle::new((value, middle + 0.12 + 0.09 * (n_before % 4) as f64), 4, DOT.mix(0.7).filled())
        });
        chart.draw_series(dots)?;
        if let Some([low, high]) = *interval {
            let line = [(low, middle - 0.15), (high, middle - 0.15)];
            chart.draw_series(LineSeries::new(line, MEAN.stroke_width(3)))?;
            chart.draw_series([Circle::new(((low + high) / 2.0, middle - 0.15), 5, MEAN.filled())])?;
        }
    }
    Ok(())
}
