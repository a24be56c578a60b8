//! SVG: vector text in a common font, no outside resources, the same bytes for the same model.

use super::figure::{Area, Direction, Figure, Form, SMALL, Strip, StripKind, TAPER, call, card, group_label};
use super::scene::{Edge, GroupKind, Kind, Scene, Unit};
use super::text::{FONT_STACK, Face};
use super::theme::{Palette, Theme};
use crate::diagnostic::count;
use crate::ops::Family;
use std::fmt::Write;

/// What a drawing looks like.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Of the drawing, for readers that cannot see it: the file's name.
    pub title: String,
    pub direction: Direction,
    pub theme: Theme,
}

/// The drawing as a document.
pub fn svg(scene: &Scene, look: &Look) -> String {
    let figure = Figure::of(scene, look.direction);
    let legend = Legend::new(scene, look, figure.width);
    let (width, height) = (figure.width.max(legend.width), figure.height + legend.height);
    let mut canvas = Canvas::new(look.theme);
    canvas.open(width, height, &look.title, &description(scene));
    canvas.shifted((width - figure.width) / 2.0, 0.0, |canvas| canvas.figure(scene, &figure, &Plain));
    legend.draw(&mut canvas, width, figure.height);
    canvas.close()
}

/// One sentence for readers that cannot see the drawing.
pub fn description(scene: &Scene) -> String {
    let mut text = format!("Architecture for {}: {}", scene.task, count(scene.n_stages, "stage"));
    if let Some(parameters) = scene.parameters {
        let noun = if parameters == 1 { "parameter" } else { "parameters" };
        let _ = write!(text, ", {} {noun}", super::scene::grouped(parameters));
    }
    let levels: Vec<&str> = scene
        .groups
        .iter()
        .filter(|group| matches!(group.kind, GroupKind::Level(_)))
        .map(|group| group.label.as_str())
        .collect();
    let _ = write!(text, ". Parts: {}.", levels.join(", "));
    text
}

/// How units and edges stand out.
pub(super) trait Emphasis {
    /// The look of a part of a unit; `None` for what belongs to the whole unit.
    fn mark(&self, unit: usize, part: Option<usize>) -> Mark;
    fn edge_mark(&self, edge: &Edge) -> Mark;
}

/// Why a box is drawn as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mark {
    #[default]
    Plain,
    /// Pale, because nothing happened here.
    Pale,
    Changed,
    Added,
    Removed,
}

impl Mark {
    /// The sign that says it without colours.
    pub fn sign(self) -> &'static str {
        match self {
            Mark::Plain | Mark::Pale => "",
            Mark::Changed => "~",
            Mark::Added => "+",
            Mark::Removed => "−",
        }
    }
}

struct Plain;

impl Emphasis for Plain {
    fn mark(&self, _unit: usize, _part: Option<usize>) -> Mark {
        Mark::Plain
    }
    fn edge_mark(&self, _edge: &Edge) -> Mark {
        Mark::Plain
    }
}

/// SVG text that grows.
pub(super) struct Canvas {
    pub text: String,
    pub theme: Theme,
    pub palette: Palette,
}

/// A number with at most two digits behind the point.
pub(super) fn n(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no way to write other control characters.
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

impl Canvas {
    pub fn new(theme: Theme) -> Self {
        Self { text: String::new(), theme, palette: theme.palette() }
    }

    pub fn open(&mut self, width: f64, height: f64, title: &str, description: &str) {
        let (w, h) = (n(width.ceil()), n(height.ceil()));
        let _ = write!(
            self.text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
             role=\"img\" aria-labelledby=\"hgnn-title hgnn-description\" font-family=\"{FONT_STACK}\" fill=\"{}\">\n\
             <title id=\"hgnn-title\">{}</title>\n<desc id=\"hgnn-description\">{}</desc>\n\
             <rect width=\"{w}\" height=\"{h}\" fill=\"{}\"/>\n",
            self.palette.text,
            escape(title),
            escape(description),
            self.palette.background
        );
    }

    pub fn close(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    pub fn shifted(&mut self, x: f64, y: f64, draw: impl FnOnce(&mut Self)) {
        let is_moved = x.abs() + y.abs() > 1e-9;
        if is_moved {
            let _ = writeln!(self.text, "<g transform=\"translate({} {})\">", n(x), n(y));
        }
        draw(self);
        if is_moved {
            self.text.push_str("</g>\n");
        }
    }

    pub fn figure(&mut self, scene: &Scene, figure: &Figure, emphasis: &dyn Emphasis) {
        for (group, (area, label)) in
            scene.groups.iter().zip(figure.groups.iter().zip(&figure.labels)).skip(1)
        {
            self.group(group, area, *label);
        }
        for (idx, (edge, line)) in scene.edges.iter().zip(&figure.lines).enumerate() {
            let mark = emphasis.edge_mark(edge);
            let same = scene.edges[..idx].iter().zip(&figure.lines).filter(|(other, _)| {
                other.from == edge.from
                    && other.is_structure == edge.is_structure
                    && emphasis.edge_mark(other) == mark
            });
            let line = own_part(line, same.map(|(_, line)| line.as_slice()));
            self.edge(edge, &line, figure.direction, mark);
        }
        for (idx, unit) in scene.units.iter().enumerate() {
            let ports: Vec<(&str, (f64, f64))> = scene
                .edges
                .iter()
                .zip(&figure.lines)
                .filter(|(edge, _)| edge.to == idx && !edge.label.is_empty())
                .filter_map(|(edge, line)| Some((edge.label.as_str(), *line.last()?)))
                .collect();
            self.unit(idx, unit, &figure.forms[idx], &figure.units[idx], figure.direction, &ports, emphasis);
        }
    }

    fn group(&mut self, group: &super::scene::Group, area: &Area, label: f64) {
        let is_level = matches!(group.kind, GroupKind::Level(_));
        let paint = if is_level { self.palette.level } else { self.palette.block };
        let (radius, dash) = if is_level { (8.0, "") } else { (6.0, " stroke-dasharray=\"4 2.5\"") };
        // Repeated blocks have a second edge behind them, as a stack of cards.
        let area = &card(group, area);
        if group.times > 1 {
            for back in [6.0, 3.0] {
                self.rect(
                    &Area { x: area.x + back, y: area.y - back, ..*area },
                    radius,
                    &format!("fill=\"{}\" stroke=\"{}\" stroke-width=\"0.8\"", paint.fill, paint.line),
                );
            }
        }
        let dash = if group.times > 1 { "" } else { dash };
        self.rect(
            area,
            radius,
            &format!("fill=\"{}\" stroke=\"{}\" stroke-width=\"0.9\"{dash}", paint.fill, paint.line),
        );
        let pieces = group_label(group);
        if !pieces.is_empty() {
            self.pieces(label + 8.0, area.y + 11.5, "start", &pieces);
        }
    }

    pub fn rect(&mut self, area: &Area, radius: f64, style: &str) {
        let _ = writeln!(
            self.text,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" {style}/>",
            n(area.x),
            n(area.y),
            n(area.width),
            n(area.height),
            n(radius)
        );
    }

    /// Text whose middle is at `y`.
    pub fn pieces(&mut self, x: f64, y: f64, anchor: &str, pieces: &[(String, Face, bool)]) {
        let size = pieces.iter().map(|piece| piece.1.size).fold(0.0, f64::max);
        let anchor = if anchor == "start" { String::new() } else { format!(" text-anchor=\"{anchor}\"") };
        // Capital letters reach 0.72 of the size above the baseline.
        let _ = write!(self.text, "<text x=\"{}\" y=\"{}\"{anchor}>", n(x), n(y + 0.36 * size));
        for (text, face, is_faint) in pieces {
            let weight = if face.is_bold { " font-weight=\"bold\"" } else { "" };
            let fill =
                if *is_faint { format!(" fill=\"{}\"", self.palette.faint_text) } else { String::new() };
            let space =
                if text.starts_with(' ') || text.ends_with(' ') { " xml:space=\"preserve\"" } else { "" };
            let _ = write!(
                self.text,
                "<tspan font-size=\"{}\"{weight}{fill}{space}>{}</tspan>",
                n(face.size),
                escape(text)
            );
        }
        self.text.push_str("</text>\n");
    }

    fn edge(&mut self, edge: &Edge, line: &[(f64, f64)], direction: Direction, mark: Mark) {
        let (Some(&(x, y)), true) = (line.last(), line.len() >= 2) else { return };
        const HEAD: f64 = 6.0;
        let (colour, opacity) = match mark {
            Mark::Plain => (self.palette.arrow, ""),
            Mark::Pale => (self.palette.arrow, " opacity=\"0.35\""),
            Mark::Changed => (self.palette.changed.line, ""),
            Mark::Added => (self.palette.added.line, ""),
            Mark::Removed => (self.palette.removed.line, ""),
        };
        let dash = match (edge.is_structure, mark) {
            (true, _) => " stroke-dasharray=\"1.5 2.5\"",
            (_, Mark::Removed) => " stroke-dasharray=\"5 3\"",
            _ => "",
        };
        let mut shaft = line.to_vec();
        if let Some(last) = shaft.last_mut() {
            match direction {
                Direction::Down => last.1 -= HEAD - 1.0,
                Direction::Right => last.0 -= HEAD - 1.0,
            }
        }
        let _ = writeln!(
            self.text,
            "<path class=\"edge\" data-from=\"{}\" data-to=\"{}\" d=\"{}\" fill=\"none\" stroke=\"{colour}\" \
             stroke-width=\"1.2\"{dash}{opacity}/>",
            edge.from,
            edge.to,
            path(&shaft)
        );
        let points = match direction {
            Direction::Down => [(x, y), (x - 3.2, y - HEAD), (x + 3.2, y - HEAD)],
            Direction::Right => [(x, y), (x - HEAD, y - 3.2), (x - HEAD, y + 3.2)],
        };
        let _ = writeln!(self.text, "<polygon points=\"{}\" fill=\"{colour}\"{opacity}/>", polygon(&points));
    }

    #[allow(clippy::too_many_arguments)]
    fn unit(
        &mut self,
        idx: usize,
        unit: &Unit,
        form: &Form,
        area: &Area,
        direction: Direction,
        ports: &[(&str, (f64, f64))],
        emphasis: &dyn Emphasis,
    ) {
        let whole = emphasis.mark(idx, None);
        let opacity = if whole == Mark::Pale { " opacity=\"0.45\"" } else { "" };
        let _ = writeln!(self.text, "<g class=\"unit\" data-unit=\"{idx}\"{opacity}>");
        let _ = writeln!(self.text, "<title>{}</title>", escape(&hover(unit)));
        for strip in &form.strips {
            let mark = emphasis.mark(idx, strip.part);
            self.strip(unit, strip, area, direction, mark);
        }
        for &(label, (x, y)) in ports {
            let label = [(label.to_owned(), SMALL, true)];
            match direction {
                Direction::Down => self.pieces(x, y + 7.0, "middle", &label),
                Direction::Right => self.pieces(x + 4.0, y, "start", &label),
            }
        }
        if !form.tail.is_empty() {
            self.pieces(area.centre_x() + 5.0, area.bottom() + 8.0, "start", &form.tail);
        }
        if whole.sign().is_empty() {
            for strip in &form.strips {
                let mark = emphasis.mark(idx, strip.part);
                if strip.part.is_some() && !mark.sign().is_empty() {
                    self.sign(mark, area.x - 1.0, area.y + strip.top + strip.height / 2.0);
                }
            }
        } else {
            let head = form.strips.first().map_or(area.height, |strip| strip.height);
            self.sign(whole, area.x - 1.0, area.y + head / 2.0);
        }
        self.text.push_str("</g>\n");
    }

    /// The sign of a mark in a disc.
    pub fn sign(&mut self, mark: Mark, x: f64, y: f64) {
        let _ = writeln!(
            self.text,
            "<circle cx=\"{}\" cy=\"{}\" r=\"6.5\" fill=\"{}\"/><text x=\"{}\" y=\"{}\" font-size=\"11\" \
             font-weight=\"bold\" text-anchor=\"middle\" fill=\"{}\">{}</text>",
            n(x),
            n(y),
            self.mark_paint(mark).line,
            n(x),
            n(y + 3.8),
            self.palette.background,
            mark.sign()
        );
    }

    /// Fill, line and kind of line of a mark.
    pub fn mark_style(&self, mark: Mark) -> Option<String> {
        let line = match mark {
            Mark::Plain | Mark::Pale => return None,
            Mark::Changed => "stroke-width=\"2\" stroke-dasharray=\"7 2 2 2\"",
            Mark::Added => "stroke-width=\"2\"",
            Mark::Removed => "stroke-width=\"2\" stroke-dasharray=\"5 3\"",
        };
        let paint = self.mark_paint(mark);
        Some(format!("fill=\"{}\" stroke=\"{}\" {line}", paint.fill, paint.line))
    }

    fn mark_paint(&self, mark: Mark) -> super::theme::Paint {
        match mark {
            Mark::Added => self.palette.added,
            Mark::Removed => self.palette.removed,
            _ => self.palette.changed,
        }
    }

    fn strip(&mut self, unit: &Unit, strip: &Strip, area: &Area, direction: Direction, mark: Mark) {
        let is_tapered = unit.kind == Kind::Stage(Family::Pooling);
        let kind = match strip.part {
            Some(0) | None => unit.kind,
            Some(part) => Kind::Stage(unit.parts[part].family),
        };
        let paint = match strip.kind {
            StripKind::Losses => self.palette.loss,
            StripKind::Type => {
                super::theme::Paint { fill: self.palette.background, line: self.theme.paint(unit.kind).line }
            }
            _ => self.theme.paint(kind),
        };
        let style = match strip.kind {
            StripKind::Losses => "stroke-width=\"1\" stroke-dasharray=\"3 2\"",
            StripKind::Head => "stroke-width=\"1.2\"",
            _ => "stroke-width=\"0.9\"",
        };
        let style = self
            .mark_style(mark)
            .unwrap_or_else(|| format!("fill=\"{}\" stroke=\"{}\" {style}", paint.fill, paint.line));
        let inset = if is_tapered && strip.kind != StripKind::Head && direction == Direction::Down {
            TAPER
        } else {
            0.0
        };
        let place = Area {
            x: area.x + inset,
            y: area.y + strip.top,
            width: area.width - 2.0 * inset,
            height: strip.height,
        };
        if strip.kind == StripKind::Head {
            self.shape(unit.kind, &place, direction, &style);
        } else {
            self.rect(&place, 0.0, &style);
        }
        for line in &strip.lines {
            self.pieces(area.centre_x(), area.y + strip.top + line.y, "middle", &line.pieces);
        }
    }

    /// The outline that shows the kind of a stage.
    pub fn shape(&mut self, kind: Kind, area: &Area, direction: Direction, style: &str) {
        let (x, y, right, bottom) = (area.x, area.y, area.right(), area.bottom());
        let points = match (kind, direction) {
            (Kind::Stage(Family::Pooling), Direction::Down) => {
                vec![(x, y), (right, y), (right - TAPER, bottom), (x + TAPER, bottom)]
            }
            (Kind::Stage(Family::Pooling), Direction::Right) => {
                let taper = TAPER.min(area.height / 4.0);
                vec![(x, y), (right, y + taper), (right, bottom - taper), (x, bottom)]
            }
            (Kind::Stage(Family::Readout), Direction::Down) => {
                let point = 5.0;
                vec![
                    (x, y),
                    (right, y),
                    (right, bottom - point),
                    (area.centre_x(), bottom),
                    (x, bottom - point),
                ]
            }
            (Kind::Stage(Family::Readout), Direction::Right) => {
                let point = 6.0;
                vec![
                    (x, y),
                    (right - point, y),
                    (right, area.centre_y()),
                    (right - point, bottom),
                    (x, bottom),
                ]
            }
            (Kind::Stage(Family::Dense), _) => return self.rect(area, 7.0_f64.min(area.height / 3.0), style),
            (Kind::Stage(Family::Input | Family::Structure) | Kind::Output, _) => {
                return self.rect(area, (area.height / 2.0).min(13.0), style);
            }
            (Kind::Folded, _) => {
                self.rect(&Area { x: x + 4.0, y: y - 4.0, ..*area }, 2.0, style);
                return self.rect(area, 2.0, style);
            }
            (Kind::Stage(_), _) => return self.rect(area, 2.0, style),
        };
        let _ = writeln!(
            self.text,
            "<polygon points=\"{}\" stroke-linejoin=\"round\" {style}/>",
            polygon(&points)
        );
    }
}

/// The part of a line that no other line of the same value has drawn already.
fn own_part<'l>(line: &[(f64, f64)], drawn: impl Iterator<Item = &'l [(f64, f64)]>) -> Vec<(f64, f64)> {
    // Lines of one value run together from its box on: how far is counted in whole corners and then in length.
    let shared = |other: &[(f64, f64)]| {
        let corners = line.iter().zip(other).take_while(|(a, b)| a == b).count();
        let (Some(&from), Some(&ours), Some(&theirs)) =
            (line.get(corners.wrapping_sub(1)), line.get(corners), other.get(corners))
        else {
            return (corners, 0.0);
        };
        let way = |to: (f64, f64)| (to.0 - from.0, to.1 - from.1);
        let (a, b) = (way(ours), way(theirs));
        let is_same_way = (a.0 * b.1 - a.1 * b.0).abs() < 1e-6 && a.0 * b.0 + a.1 * b.1 > 0.0;
        let length = if is_same_way { a.0.hypot(a.1).min(b.0.hypot(b.1)) } else { 0.0 };
        (corners, length)
    };
    let longest = drawn.map(shared).max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let Some((corners, length)) = longest.filter(|shared| shared.0 > 0 && shared.0 < line.len()) else {
        return line.to_vec();
    };
    let (from, to) = (line[corners - 1], line[corners]);
    let whole = (to.0 - from.0).hypot(to.1 - from.1);
    // A little earlier, so that a rounded corner begins on the line that is there.
    let at = (length - 6.0).max(0.0) / whole.max(1e-9);
    let mut own = vec![(from.0 + (to.0 - from.0) * at, from.1 + (to.1 - from.1) * at)];
    own.extend_from_slice(&line[corners..]);
    own
}

/// What a viewer shows when the pointer rests on a box.
fn hover(unit: &Unit) -> String {
    let mut text = unit.parts.iter().map(call).collect::<Vec<_>>().join(" → ");
    if let Some(name) = &unit.name {
        let _ = write!(text, " as {name}");
    }
    if !unit.ty.is_empty() {
        let _ = write!(text, ": {}", unit.ty);
    }
    text
}

fn polygon(points: &[(f64, f64)]) -> String {
    points.iter().map(|&(x, y)| format!("{},{}", n(x), n(y))).collect::<Vec<_>>().join(" ")
}

/// A line with rounded corners.
pub(super) fn path(points: &[(f64, f64)]) -> String {
    const RADIUS: f64 = 5.0;
    let mut text = String::new();
    for (idx, &(x, y)) in points.iter().enumerate() {
        if idx == 0 {
            let _ = write!(text, "M{} {}", n(x), n(y));
            continue;
        }
        let Some(&(next_x, next_y)) = points.get(idx + 1) else {
            let _ = write!(text, "L{} {}", n(x), n(y));
            continue;
        };
        let (last_x, last_y) = points[idx - 1];
        let before = (x - last_x).hypot(y - last_y);
        let after = (next_x - x).hypot(next_y - y);
        let radius = RADIUS.min(before / 2.0).min(after / 2.0);
        if radius < 0.5 {
            let _ = write!(text, "L{} {}", n(x), n(y));
            continue;
        }
        let at = |from: (f64, f64), length: f64| {
            (x + (from.0 - x) * radius / length, y + (from.1 - y) * radius / length)
        };
        let (start, end) = (at((last_x, last_y), before), at((next_x, next_y), after));
        let _ = write!(text, "L{} {}Q{} {} {} {}", n(start.0), n(start.1), n(x), n(y), n(end.0), n(end.1));
    }
    text
}

/// Families, kinds of lines and totals, below the drawing.
struct Legend {
    entries: Vec<(Kind, &'static str)>,
    has_losses: bool,
    has_structure: bool,
    totals: String,
    direction: Direction,
    rows: Vec<Vec<usize>>,
    width: f64,
    height: f64,
}

const SWATCH: f64 = 22.0;
const LEGEND_ROW: f64 = 17.0;

impl Legend {
    fn new(scene: &Scene, look: &Look, width: f64) -> Self {
        let families = [
            (Family::Convolution, "convolution"),
            (Family::Pooling, "pooling"),
            (Family::Readout, "readout"),
            (Family::Kernel, "kernel"),
            (Family::Normalization, "normalisation"),
            (Family::Activation, "activation"),
            (Family::Dense, "dense"),
        ];
        let parts =
            || scene.units.iter().filter(|unit| unit.kind != Kind::Folded).flat_map(|unit| &unit.parts);
        let entries: Vec<(Kind, &str)> = families
            .into_iter()
            .filter(|(family, _)| parts().any(|part| part.family == *family))
            .map(|(family, name)| (Kind::Stage(family), name))
            .collect();
        let mut totals = match scene.parameters {
            Some(1) => "1 parameter".to_owned(),
            Some(parameters) => format!("{} parameters", super::scene::grouped(parameters)),
            None => "sizes without data".to_owned(),
        };
        if let Some(data) = &scene.data {
            let _ = write!(totals, " on {data}");
        }
        if scene.n_hidden > 0 {
            let _ = write!(totals, " · {} stages, folded", super::scene::grouped(scene.n_stages));
        }
        let mut legend = Self {
            entries,
            has_losses: scene.units.iter().any(|unit| unit.kind != Kind::Output && !unit.losses.is_empty()),
            has_structure: scene.edges.iter().any(|edge| edge.is_structure),
            totals,
            direction: look.direction,
            rows: Vec::new(),
            width: 0.0,
            height: 0.0,
        };
        let room = (width - 24.0).max(260.0);
        let mut row = Vec::new();
        let mut used = 0.0;
        for idx in 0..legend.len() {
            let entry = legend.entry_width(idx);
            if used + entry > room && !row.is_empty() {
                legend.rows.push(std::mem::take(&mut row));
                used = 0.0;
            }
            used += entry;
            legend.width = legend.width.max(used + 24.0);
            row.push(idx);
        }
        legend.rows.push(row);
        legend.height = legend.rows.len() as f64 * LEGEND_ROW + 10.0;
        legend
    }

    /// Entries, the extra ones and the totals.
    fn len(&self) -> usize {
        self.entries.len() + usize::from(self.has_losses) + usize::from(self.has_structure) + 1
    }

    fn text(&self, idx: usize) -> &str {
        let extra = idx.checked_sub(self.entries.len());
        match extra {
            None => self.entries[idx].1,
            Some(0) if self.has_losses => "auxiliary loss",
            Some(extra) if self.has_structure && extra == usize::from(self.has_losses) => "graph only",
            Some(_) => &self.totals,
        }
    }

    fn entry_width(&self, idx: usize) -> f64 {
        let swatch = if idx + 1 == self.len() { 0.0 } else { SWATCH + 5.0 };
        swatch + SMALL.width(self.text(idx)) + 14.0
    }

    fn draw(&self, canvas: &mut Canvas, width: f64, top: f64) {
        for (row_idx, row) in self.rows.iter().enumerate() {
            let row_width: f64 = row.iter().map(|&idx| self.entry_width(idx)).sum::<f64>() - 14.0;
            let mut x = (width - row_width) / 2.0;
            let y = top + LEGEND_ROW * row_idx as f64 + LEGEND_ROW / 2.0;
            for &idx in row {
                let text = self.text(idx).to_owned();
                let mut text_x = x;
                if idx + 1 < self.len() {
                    let area = Area { x, y: y - 5.0, width: SWATCH, height: 10.0 };
                    self.swatch(canvas, idx, &area);
                    text_x += SWATCH + 5.0;
                }
                canvas.pieces(text_x, y, "start", &[(text, SMALL, true)]);
                x += self.entry_width(idx);
            }
        }
    }

    fn swatch(&self, canvas: &mut Canvas, idx: usize, area: &Area) {
        match self.entries.get(idx) {
            Some(&(kind, _)) => {
                let paint = canvas.theme.paint(kind);
                let style = format!("fill=\"{}\" stroke=\"{}\" stroke-width=\"1\"", paint.fill, paint.line);
                let area = match kind {
                    // The taper of a whole box would close a small one.
                    Kind::Stage(Family::Pooling) => {
                        let points = match self.direction {
                            Direction::Down => vec![
                                (area.x, area.y),
                                (area.right(), area.y),
                                (area.right() - 5.0, area.bottom()),
                                (area.x + 5.0, area.bottom()),
                            ],
                            Direction::Right => vec![
                                (area.x, area.y - 1.0),
                                (area.right(), area.y + 2.0),
                                (area.right(), area.bottom() - 2.0),
                                (area.x, area.bottom() + 1.0),
                            ],
                        };
                        let _ = writeln!(canvas.text, "<polygon points=\"{}\" {style}/>", polygon(&points));
                        return;
                    }
                    _ => area,
                };
                canvas.shape(kind, area, self.direction, &style);
            }
            None if self.has_losses && idx == self.entries.len() => {
                let paint = canvas.palette.loss;
                let style = format!(
                    "fill=\"{}\" stroke=\"{}\" stroke-width=\"1\" stroke-dasharray=\"3 2\"",
                    paint.fill, paint.line
                );
                canvas.rect(area, 0.0, &style);
            }
            None => {
                let _ = writeln!(
                    canvas.text,
                    "<path d=\"M{} {}H{}\" stroke=\"{}\" stroke-width=\"1.2\" stroke-dasharray=\"1.5 2.5\"/>",
                    n(area.x),
                    n(area.centre_y()),
                    n(area.right()),
                    canvas.palette.arrow
                );
            }
        }
    }
}
