//! A page of plots of a data set: HTML with everything in one file.

use super::{ColumnFacts, Report};
use crate::data::dataset::{Dataset, Targets};
use crate::data::summary::Summary;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::fmt::Write;

const BAR: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const FONT: &str = "sans-serif";

/// Bars of a histogram.
const N_BINS: usize = 40;

/// Classes that get a bar, and columns that get a row.
const N_SHOWN: usize = 40;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Refused = Box<dyn std::error::Error>;

/// The page.
pub fn html(data: &Dataset, summary: &Summary, report: &Report) -> String {
    let mut page = String::new();
    let title = escape(&summary.name);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>\n\
         body {{ font: 15px/1.5 sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}\n\
         table {{ border-collapse: collapse; margin: 1rem 0; }}\n\
         td, th {{ padding: 0.15rem 0.9rem 0.15rem 0; text-align: left; border-bottom: 1px solid #ddd; }}\n\
         td.n, th.n {{ text-align: right; }}\n\
         .plots {{ display: flex; flex-wrap: wrap; gap: 1rem; }}\n\
         svg {{ max-width: 100%; height: auto; }}\n</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    table(&mut page, &facts(summary, report));
    page.push_str("<div class=\"plots\">\n");
    let sizes = || (0..data.n_graphs()).map(|graph| data.graph_nodes(graph));
    if data.n_graphs() > 1 {
        histogram(&mut page, "nodes per graph", "graphs", sizes().map(|nodes| nodes.len() as f64));
        histogram(
            &mut page,
            "edges per graph",
            "graphs",
            sizes().map(|nodes| data.published_edges(nodes) as f64),
        );
    }
    histogram(
        &mut page,
        "edges into a node",
        "nodes",
        data.adjacency.offsets.windows(2).map(|pair| f64::from(pair[1] - pair[0])),
    );
    if !summary.classes.is_empty() {
        let bars: Vec<(String, f64)> = summary
            .classes
            .iter()
            .take(N_SHOWN)
            .map(|class| (class.name.clone(), class.count as f64))
            .collect();
        bars_of(&mut page, "classes", &bars);
    }
    if let Targets::Values { values, n_values } = &data.targets {
        for value in 0..(*n_values).min(N_SHOWN) {
            let name = if *n_values == 1 { "target".to_owned() } else { format!("target {}", value + 1) };
            let column = values.iter().skip(value).step_by(*n_values).map(|&value| f64::from(value));
            histogram(&mut page, &name, "items", column);
        }
    }
    page.push_str("</div>\n");
    columns(&mut page, "Node features", &report.feature_columns);
    columns(&mut page, "Edge features", &report.edge_feature_columns);
    page.push_str("</body>\n</html>\n");
    page
}

/// The figures in words, a line each.
fn facts(summary: &Summary, report: &Report) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = vec![
        ("predicted".into(), summary.task.map_or("nothing".into(), |task| task.replace('_', " "))),
        ("graphs".into(), summary.n_graphs.to_string()),
        ("nodes".into(), summary.n_nodes.to_string()),
        ("edges".into(), format!("{} ({} directed)", summary.n_edges, summary.n_directed_edges)),
        ("one-way edges".into(), summary.n_one_way_edges.to_string()),
        ("self-loops".into(), summary.n_self_loops.to_string()),
        ("parallel edges".into(), summary.n_parallel_edges.to_string()),
        ("isolated nodes".into(), summary.n_isolated_nodes.to_string()),
        ("node features".into(), summary.features.clone()),
        ("edge features".into(), summary.edge_features.clone()),
    ];
    facts.extend(report.lines().into_iter().map(|(name, value)| (name.to_owned(), value)));
    facts
}

fn table(page: &mut String, rows: &[(String, String)]) {
    page.push_str("<table>\n");
    for (name, value) in rows {
        let _ = writeln!(page, "<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(value));
    }
    page.push_str("</table>\n");
}

fn columns(page: &mut String, title: &str, columns: &[ColumnFacts]) {
    if columns.is_empty() {
        return;
    }
    let _ = write!(
        page,
        "<h2>{title}</h2>\n<table>\n<tr><th>column</th><th class=\"n\">min</th><th class=\"n\">mean</th>\
         <th class=\"n\">max</th><th class=\"n\">not zero</th></tr>\n"
    );
    for column in columns.iter().take(N_SHOWN) {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{:.1} %</td></tr>",
            escape(&column.name),
            short(column.min),
            short(column.mean),
            short(column.max),
            100.0 * column.share_nonzero
        );
    }
    page.push_str("</table>\n");
    if columns.len() > N_SHOWN {
        let _ = writeln!(page, "<p>and {} more</p>", columns.len() - N_SHOWN);
    }
}

fn short(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e9 { format!("{value:.0}") } else { format!("{value:.4}") }
}

/// How often values of each size occur.
fn histogram(page: &mut String, title: &str, items: &str, values: impl Iterator<Item = f64>) {
    let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
    if values.is_empty() {
        return;
    }
    let are_whole = values.iter().all(|value| value.fract() == 0.0);
    // Whole numbers get bars of whole widths.
    let mut width = ((high - low) / N_BINS as f64).max(f64::MIN_POSITIVE);
    if are_whole {
        width = width.ceil().max(1.0);
    }
    if !are_whole && high == low {
        width = 1.0;
    }
    let n_bins = (((high - low) / width).floor() as usize + 1).min(N_BINS + 1);
    let mut counts = vec![0usize; n_bins];
    for value in values {
        counts[(((value - low) / width) as usize).min(n_bins - 1)] += 1;
    }
    let top = counts.iter().copied().max().unwrap_or(0) as f64;
    let draw = |area: &Area| -> Result<(), Refused> {
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .caption(title, (FONT, 16))
            .x_label_area_size(34)
            .y_label_area_size(60)
            .build_cartesian_2d(low..low + n_bins as f64 * width, 0.0..top * 1.05)?;
        chart
            .configure_mesh()
            .y_desc(items)
            .x_labels(8)
            .y_labels(6)
            .x_label_formatter(&|value| short(*value))
            .y_label_formatter(&|value| format!("{value:.0}"))
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .axis_style(BLACK.mix(0.5))
            .label_style((FONT, 12))
            .axis_desc_style((FONT, 12))
            .draw()?;
        chart.draw_series(counts.iter().enumerate().map(|(bin, &count)| {
            let left = low + bin as f64 * width;
            Rectangle::new([(left, 0.0), (left + width * 0.92, count as f64)], BAR.filled())
        }))?;
        Ok(())
    };
    push_drawing(page, (460, 280), &draw);
}

/// A bar for each name.
fn bars_of(page: &mut String, title: &str, bars: &[(String, f64)]) {
    let top = bars.iter().fold(1.0, |top: f64, (_, count)| top.max(*count));
    let height = 60 + 22 * bars.len() as u32;
    let draw = |area: &Area| -> Result<(), Refused> {
        area.fill(&WHITE)?;
        let style = (FONT, 13).into_text_style(area);
        area.draw(&Text::new(title.to_owned(), (200, 12), (FONT, 16).into_font()))?;
        for (idx, (name, count)) in bars.iter().enumerate() {
            let y = 40 + 22 * idx as i32;
            let short: String = name.chars().take(22).collect();
            let width = (230.0 * count / top).round() as i32;
            area.draw_text(&short, &style, (12, y))?;
            area.draw(&Rectangle::new([(170, y), (170 + width.max(1), y + 15)], BAR.filled()))?;
            area.draw_text(&format!("{count:.0}"), &style, (176 + width, y))?;
        }
        Ok(())
    };
    push_drawing(page, (460, height), &draw);
}

fn push_drawing(page: &mut String, size: (u32, u32), draw: &dyn Fn(&Area) -> Result<(), Refused>) {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        // Drawing into a string cannot fail for lack of room; a panel that plotters refuses stays empty.
        let _ = draw(&area);
        let _ = area.present();
    }
    page.push_str(&svg);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataOptions, call, load};

    #[test]
    fn the_page_shows_every_figure_and_escapes_names() {
        for name in ["karate", "hierarchy"] {
            let mut data = load(&call(name, &[]), &DataOptions::folder("")).expect("built in");
            data.class_names[0] = "<b>&".into();
            let (mut summary, report) = (Summary::of(&data), Report::of(&data));
            summary.name = "<script>".into();
            let page = html(&data, &summary, &report);
            assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{name}");
            assert!(page.matches("<svg").count() >= 2 && page.contains("diameter"), "{name}");
            // Each drawing is XML of its own.
            for drawing in page.split("<svg").skip(1) {
                let end = drawing.find("</svg>").expect("closed");
                roxmltree::Document::parse(&format!("<svg{}</svg>", &drawing[..end])).expect("well-formed");
            }
        }
    }
}
