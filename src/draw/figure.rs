//! A scene with a place and a size for everything, in the coordinates of the page.

use super::layout::{self, GroupBox, Link, NodeBox};
use super::scene::{GroupKind, Kind, Part, Scene, Unit};
use super::text::Face;
use crate::ops::Family;

/// Which way values flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Direction {
    /// From top to bottom
    #[default]
    Down,
    /// From left to right
    Right,
}

pub const TITLE: Face = Face::bold(11.0);
pub const SMALL: Face = Face::regular(9.0);
pub const STRIP: Face = Face::regular(9.5);
pub const LEVEL_LABEL: Face = Face::bold(10.0);
pub const BLOCK_LABEL: Face = Face::regular(9.5);
pub const BLOCK_TIMES: Face = Face::bold(10.5);

/// No line of text in a box is wider.
const WIDEST: f64 = 190.0;
/// Stages are made equally wide, up to this.
const COMMON_WIDTH: f64 = 128.0;
const PADDING: f64 = 10.0;
/// How far a pooling becomes narrower on each side.
pub const TAPER: f64 = 11.0;
const STRIP_HEIGHT: f64 = 15.0;
const PORT_HEIGHT: f64 = 11.0;

/// A rectangle on the page.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub fn right(&self) -> f64 {
        self.x + self.width
    }
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }
    pub fn centre_x(&self) -> f64 {
        self.x + self.width / 2.0
    }
    pub fn centre_y(&self) -> f64 {
        self.y + self.height / 2.0
    }
}

/// One line of text, centred.
#[derive(Debug, Clone)]
pub struct Line {
    /// Middle of the line, from the top of its box.
    pub y: f64,
    /// Pieces with their face, and whether they are faint.
    pub pieces: Vec<(String, Face, bool)>,
}

impl Line {
    fn new(pieces: Vec<(String, Face, bool)>) -> Self {
        Self { y: 0.0, pieces }
    }
    fn width(&self) -> f64 {
        self.pieces.iter().map(|(text, face, _)| face.width(text)).sum()
    }
}

/// A part of a box with its text.
#[derive(Debug, Clone)]
pub struct Strip {
    /// The part of the unit; `None` for losses and types.
    pub part: Option<usize>,
    pub kind: StripKind,
    /// From the top of the box.
    pub top: f64,
    pub height: f64,
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripKind {
    /// The stage that the box is for.
    Head,
    /// A stage that is attached.
    Attached,
    Losses,
    /// The type of the result, where it is written in the box.
    Type,
}

/// How the box of a unit is filled.
#[derive(Debug, Clone)]
pub struct Form {
    pub width: f64,
    pub height: f64,
    pub strips: Vec<Strip>,
    /// The label behind the box.
    pub tail: Vec<(String, Face, bool)>,
}

impl Form {
    fn head_middle(&self) -> f64 {
        self.strips.first().map_or(self.height / 2.0, |head| head.height / 2.0)
    }
}

/// Everything in its place.
#[derive(Debug, Clone)]
pub struct Figure {
    pub direction: Direction,
    pub width: f64,
    pub height: f64,
    pub forms: Vec<Form>,
    pub units: Vec<Area>,
    pub groups: Vec<Area>,
    /// Where the label of each group begins.
    pub labels: Vec<f64>,
    /// By edge of the scene.
    pub lines: Vec<Vec<(f64, f64)>>,
}

impl Figure {
    pub fn of(scene: &Scene, direction: Direction) -> Self {
        let forms = forms(scene, direction);
        let nodes: Vec<NodeBox> = scene
            .units
            .iter()
            .zip(&forms)
            .map(|(unit, form)| node_box(unit, form, direction, scene))
            .collect();
        let groups: Vec<GroupBox> = scene.groups.iter().map(|group| group_box(group, direction)).collect();
        let links: Vec<Link> = scene
            .edges
            .iter()
            .map(|edge| Link { from: edge.from, to: edge.to, is_main: edge.is_main })
            .collect();
        let placed = layout::place(&nodes, &groups, &links);
        let area = |rect: &layout::Rect| match direction {
            Direction::Down => Area { x: rect.across, y: rect.along, width: rect.width, height: rect.length },
            Direction::Right => {
                Area { x: rect.along, y: rect.across, width: rect.length, height: rect.width }
            }
        };
        let point = |point: &layout::Point| match direction {
            Direction::Down => (point.across, point.along),
            Direction::Right => (point.along, point.across),
        };
        let group_areas: Vec<Area> = placed.groups.iter().map(area).collect();
        let labels = match direction {
            Direction::Down => placed.labels.clone(),
            Direction::Right => group_areas.iter().map(|area| area.x).collect(),
        };
        Self {
            direction,
            width: group_areas[0].width,
            height: group_areas[0].height,
            forms,
            units: placed.nodes.iter().map(area).collect(),
            groups: group_areas,
            labels,
            lines: placed.lines.iter().map(|line| line.iter().map(point).collect()).collect(),
        }
    }
}

/// `encoder as fine × 3`: the label of a frame in pieces.
pub fn group_label(group: &super::scene::Group) -> Vec<(String, Face, bool)> {
    match group.kind {
        GroupKind::Drawing => Vec::new(),
        GroupKind::Level(_) => vec![(group.label.clone(), LEVEL_LABEL, true)],
        GroupKind::Block => {
            let mut pieces = vec![(BLOCK_LABEL.fit(&group.label, WIDEST), BLOCK_LABEL, true)];
            if group.times > 1 {
                let space = if group.label.is_empty() { "" } else { " " };
                pieces.push((format!("{space}× {}", super::scene::grouped(group.times)), BLOCK_TIMES, false));
            }
            pieces
        }
    }
}

pub fn width_of(pieces: &[(String, Face, bool)]) -> f64 {
    pieces.iter().map(|(text, face, _)| face.width(text)).sum()
}

/// How far the cards behind a repeated block stand out.
const CARDS: f64 = 6.0;

/// The front card of a group within its frame.
pub fn card(group: &super::scene::Group, area: &Area) -> Area {
    if group.times == 1 {
        return *area;
    }
    Area { x: area.x, y: area.y + CARDS, width: area.width - CARDS, height: area.height - CARDS }
}

fn group_box(group: &super::scene::Group, direction: Direction) -> GroupBox {
    let label = width_of(&group_label(group));
    let (header, side, ends) = match group.kind {
        GroupKind::Drawing => (12.0, 12.0, 6.0),
        GroupKind::Level(_) => (20.0, 12.0, 12.0),
        GroupKind::Block => (18.0, 10.0, 9.0),
    };
    let has_label = label > 0.0;
    let cards = if group.times > 1 { CARDS } else { 0.0 };
    match direction {
        Direction::Down => GroupBox {
            parent: group.parent,
            start: if has_label { header } else { ends } + cards,
            end: ends,
            left: side,
            right: side + cards,
            label_across: if has_label { label + 16.0 + cards } else { 0.0 },
            min_length: 0.0,
        },
        Direction::Right => GroupBox {
            parent: group.parent,
            start: ends + 6.0,
            end: ends + 4.0 + cards,
            left: if has_label { header } else { side } + cards,
            right: side - 2.0,
            label_across: 0.0,
            min_length: if has_label { label + 18.0 } else { 0.0 },
        },
    }
}

/// The labels of the arrows into a unit.
fn port_labels(scene: &Scene, unit: usize) -> impl Iterator<Item = &str> {
    scene.edges.iter().filter(move |edge| edge.to == unit).map(|edge| edge.label.as_str())
}

fn node_box(unit: &Unit, form: &Form, direction: Direction, scene: &Scene) -> NodeBox {
    let idx = scene.units.iter().position(|other| std::ptr::eq(other, unit)).unwrap_or(0);
    let has_labels = port_labels(scene, idx).any(|label| !label.is_empty());
    match direction {
        Direction::Down => NodeBox {
            group: unit.group,
            length: form.height,
            left: form.width / 2.0,
            right: form.width / 2.0,
            tail: if form.tail.is_empty() { 0.0 } else { 14.0 },
            tail_width: if form.tail.is_empty() { 0.0 } else { width_of(&form.tail) + 8.0 },
            pin_gap: pin_gap(scene, idx),
        },
        Direction::Right => NodeBox {
            group: unit.group,
            length: form.width,
            // Lines run through the middle of the stage, past what is attached to it.
            left: form.head_middle(),
            right: form.height - form.head_middle(),
            tail: 0.0,
            tail_width: 0.0,
            pin_gap: if has_labels { 12.0 } else { 9.0 },
        },
    }
}

/// The distance of the pins of a unit in a drawing from top to bottom: their labels fit beside one another.
fn pin_gap(scene: &Scene, unit: usize) -> f64 {
    let widest = port_labels(scene, unit).map(|label| SMALL.width(label)).fold(0.0, f64::max);
    (widest + 8.0).max(14.0)
}

fn forms(scene: &Scene, direction: Direction) -> Vec<Form> {
    let mut inputs = vec![0usize; scene.units.len()];
    let mut has_main = vec![false; scene.units.len()];
    let mut has_ports = vec![false; scene.units.len()];
    for edge in &scene.edges {
        inputs[edge.to] += 1;
        has_main[edge.to] |= edge.is_main;
        has_ports[edge.to] |= !edge.label.is_empty();
    }
    let mut forms: Vec<Form> = (0..scene.units.len())
        .map(|idx| {
            let unit = &scene.units[idx];
            let mut form = form(unit, direction, has_ports[idx]);
            // Pins lie on the start of the box, all on one side of the main one in the worst case.
            let others = (inputs[idx].max(1) - 1) as f64;
            match direction {
                Direction::Down => {
                    let reach = others * pin_gap(scene, idx) * if has_main[idx] { 2.0 } else { 1.0 };
                    let widest = port_labels(scene, idx).map(|label| SMALL.width(label)).fold(0.0, f64::max);
                    form.width = form.width.max(reach + widest + 20.0);
                }
                Direction::Right => {
                    let gap = if has_ports[idx] { 12.0 } else { 9.0 };
                    let reach = others * gap * if has_main[idx] { 2.0 } else { 1.0 };
                    let head = form.strips.first().map_or(0.0, |strip| strip.height);
                    let taper = if unit.kind == Kind::Stage(Family::Pooling) { TAPER } else { 0.0 };
                    if head < reach + 12.0 + taper {
                        let height = form.height + reach + 12.0 + taper - head;
                        stretch(&mut form, height);
                    }
                    if has_ports[idx] {
                        let widest =
                            port_labels(scene, idx).map(|label| SMALL.width(label)).fold(0.0, f64::max);
                        form.width += 2.0 * widest;
                    }
                }
            }
            form
        })
        .collect();
    let is_plain = |idx: usize| match scene.units[idx].kind {
        Kind::Stage(family) => !matches!(family, Family::Structure | Family::Input),
        Kind::Folded => true,
        Kind::Output => false,
    };
    let natural = (0..forms.len()).filter(|&idx| is_plain(idx)).map(|idx| forms[idx].width);
    let common = natural.fold(0.0, f64::max).min(COMMON_WIDTH);
    for (idx, form) in forms.iter_mut().enumerate() {
        if is_plain(idx) {
            form.width = form.width.max(common);
        }
    }
    forms
}

/// Makes a box higher; its first strip takes the room.
fn stretch(form: &mut Form, height: f64) {
    let more = height - form.height;
    form.height = height;
    for (idx, strip) in form.strips.iter_mut().enumerate() {
        if idx == 0 {
            strip.height += more;
            strip.lines.iter_mut().for_each(|line| line.y += more / 2.0);
        } else {
            strip.top += more;
        }
    }
}

fn form(unit: &Unit, direction: Direction, has_ports: bool) -> Form {
    let mut strips = Vec::new();
    let mut top = 0.0;
    let mut add = |part: Option<usize>, kind: StripKind, height: f64, lines: Vec<Line>| {
        strips.push(Strip { part, kind, top, height, lines });
        top += height;
    };
    let head = &unit.parts[0];
    let is_pill = matches!(unit.kind, Kind::Stage(Family::Structure | Family::Input) | Kind::Output);
    let mut lines = head_lines(head, unit);
    let above = if has_ports && direction == Direction::Down { PORT_HEIGHT } else { 0.0 };
    let margin = if is_pill { 4.5 } else { 6.0 };
    let mut y = margin + above;
    for (idx, line) in lines.iter_mut().enumerate() {
        let height = if idx == 0 { 13.0 } else { 11.5 };
        line.y = y + height / 2.0;
        y += height;
    }
    add(Some(0), StripKind::Head, y + margin, lines);
    for (idx, part) in unit.parts.iter().enumerate().skip(1) {
        let mut text = call(part);
        if !part.parameters.is_empty() {
            text = format!("{text} · {}", part.parameters);
        }
        let mut line = Line::new(vec![(STRIP.fit(&text, WIDEST), STRIP, false)]);
        line.y = STRIP_HEIGHT / 2.0;
        add(Some(idx), StripKind::Attached, STRIP_HEIGHT, vec![line]);
    }
    if !unit.losses.is_empty() && unit.kind != Kind::Output {
        let text = format!("loss: {}", unit.losses.join(" + "));
        let mut line = Line::new(vec![(STRIP.fit(&text, 240.0), STRIP, false)]);
        line.y = STRIP_HEIGHT / 2.0;
        add(None, StripKind::Losses, STRIP_HEIGHT, vec![line]);
    }
    let mut tail = Vec::new();
    if !unit.ty.is_empty() {
        if let Some(name) = &unit.name {
            tail.push((SMALL.fit(name, 90.0), Face::bold(9.0), false));
            tail.push((": ".to_owned(), SMALL, true));
        }
        tail.push((SMALL.fit(&unit.ty, 150.0), SMALL, true));
        if direction == Direction::Right {
            let mut line = Line::new(std::mem::take(&mut tail));
            line.y = 7.0;
            add(None, StripKind::Type, 14.0, vec![line]);
        }
    }
    let taper = if unit.kind == Kind::Stage(Family::Pooling) { 2.0 * TAPER } else { 0.0 };
    let widest = strips.iter().flat_map(|strip| &strip.lines).map(Line::width).fold(0.0, f64::max);
    Form { width: widest + 2.0 * PADDING + taper, height: top, strips, tail }
}

fn head_lines(head: &Part, unit: &Unit) -> Vec<Line> {
    let title = TITLE.fit(&head.title, WIDEST);
    let arguments = format!("({})", head.arguments);
    let room = COMMON_WIDTH - 2.0 * PADDING;
    let mut lines = Vec::new();
    if head.arguments.is_empty() {
        lines.push(Line::new(vec![(title, TITLE, false)]));
    } else if TITLE.width(&title) + TITLE.width(&arguments) <= room && unit.kind != Kind::Folded {
        lines.push(Line::new(vec![(title + &arguments, TITLE, false)]));
    } else {
        lines.push(Line::new(vec![(title, TITLE, false)]));
        lines.push(Line::new(vec![(SMALL.fit(&head.arguments, WIDEST), SMALL, false)]));
    }
    if !head.parameters.is_empty() {
        let noun = if head.parameters == "1" { "parameter" } else { "parameters" };
        let text = format!("{} {noun}", head.parameters);
        lines.push(Line::new(vec![(SMALL.fit(&text, WIDEST), SMALL, true)]));
    }
    if unit.kind == Kind::Output && !unit.losses.is_empty() {
        let text = format!("loss: {}", unit.losses.join(" + "));
        lines.push(Line::new(vec![(STRIP.fit(&text, 240.0), STRIP, false)]));
    }
    lines
}

/// `dropout(0.5)`
pub fn call(part: &Part) -> String {
    if part.arguments.is_empty() { part.title.clone() } else { format!("{}({})", part.title, part.arguments) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Detail;
    use crate::ir::Model;
    use crate::source::SourceMap;
    use rand::{Rng, SeedableRng};

    fn model(name: &str, text: &str) -> Model {
        let mut sources = SourceMap::default();
        let main = sources.add(name, text);
        let (program, _) =
            crate::syntax::load_program(&mut sources, main, &|path| std::fs::read_to_string(path));
        let outcome = crate::check::check(&program, None);
        outcome.model.unwrap_or_else(|| panic!("{text}: {:?}", outcome.diagnostics)).get().clone()
    }

    fn overlap(a: &Area, b: &Area) -> bool {
        a.x < b.right() - 0.01 && b.x < a.right() - 0.01 && a.y < b.bottom() - 0.01 && b.y < a.bottom() - 0.01
    }

    fn lies_in(inner: &Area, outer: &Area) -> bool {
        inner.x >= outer.x
            && inner.right() <= outer.right()
            && inner.y >= outer.y
            && inner.bottom() <= outer.bottom()
    }

    /// Boxes do not overlap, frames hold their members and nothing else, lines keep out of boxes, text fits.
    fn check(text: &str) {
        let model = model("m.hgnn", text);
        for detail in [Detail::Blocks, Detail::Stages] {
            let scene = Scene::of(&model, None, detail);
            for direction in [Direction::Down, Direction::Right] {
                check_figure(&scene, &Figure::of(&scene, direction), text);
            }
        }
    }

    fn check_figure(scene: &Scene, figure: &Figure, text: &str) {
        let is_in = |unit: usize, group: usize| {
            let mut at = scene.units[unit].group;
            while at != group && at != 0 {
                at = scene.groups[at].parent;
            }
            at == group
        };
        for (a, area) in figure.units.iter().enumerate() {
            for (b, other) in figure.units.iter().enumerate().skip(a + 1) {
                assert!(!overlap(area, other), "boxes {a} and {b} overlap\n{text}");
            }
            for (group, frame) in figure.groups.iter().enumerate() {
                let is_inside = lies_in(area, frame);
                assert_eq!(is_inside, is_in(a, group), "box {a} and frame {group}\n{text}");
                assert!(is_inside || !overlap(area, frame), "box {a} lies half in frame {group}\n{text}");
            }
            for strip in &figure.forms[a].strips {
                let taper = if scene.units[a].kind == Kind::Stage(Family::Pooling) { TAPER } else { 0.0 };
                let room = figure.forms[a].width - 2.0 * taper;
                assert!(strip.lines.iter().all(|line| line.width() <= room), "text leaves box {a}\n{text}");
            }
        }
        for (edge, line) in scene.edges.iter().zip(&figure.lines) {
            assert!(line.len() >= 2, "no line from {} to {}\n{text}", edge.from, edge.to);
            for part in line.windows(2) {
                let [(x1, y1), (x2, y2)] = [part[0], part[1]];
                assert!((x1 - x2).abs() < 1e-6 || (y1 - y2).abs() < 1e-6, "a slanted line\n{text}");
                let area =
                    Area { x: x1.min(x2), y: y1.min(y2), width: (x1 - x2).abs(), height: (y1 - y2).abs() };
                // As wide as a line is drawn.
                let area = Area {
                    x: area.x - 0.3,
                    y: area.y - 0.3,
                    width: area.width + 0.6,
                    height: area.height + 0.6,
                };
                for (unit, other) in figure.units.iter().enumerate() {
                    let touches = unit == edge.from || unit == edge.to;
                    let inner = Area {
                        x: other.x + 1.0,
                        y: other.y + 1.0,
                        width: other.width - 2.0,
                        height: other.height - 2.0,
                    };
                    assert!(
                        !overlap(&area, if touches { &inner } else { other }),
                        "the line from {} to {} runs through box {unit}\n{text}",
                        edge.from,
                        edge.to
                    );
                }
            }
        }
    }

    #[test]
    fn shipped_models_are_laid_out_cleanly() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let mut n_models = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "hgnn") {
                check(&std::fs::read_to_string(path).unwrap());
                n_models += 1;
            }
        }
        assert!(n_models > 5);
    }

    #[test]
    fn crowded_models_are_laid_out_cleanly() {
        for text in [
            "sage(64) -> diffpool(ratio = 0.25) -> mean -> mlp",
            "gcn(8) -> concat(gcn(8), gat(8), sage(8) -> relu, gin(8), gcn(8) -> gcn(8), linear(8), identity) -> mean -> mlp",
            "model = gcn(8) as a -> gcn(8) as b -> gcn(8) as c -> add(a, b, identity) -> gcn(8) -> add(a, c, identity)
                 -> concat(a -> sum, b -> max, c -> mean, mean, sort_pool(k = 10) -> flatten) -> mlp",
            "block stage(w) = gcn(w) -> relu -> diffpool(k = 8) -> residual(gcn(w))
             model = repeat(2, stage(32)) -> add(mean, max, sum) -> mlp",
            "block a_block_with_a_name_that_is_longer_than_anything(w) = repeat(3, residual(gcn(w) -> residual(gcn(w))))
             model = gcn(8) -> a_block_with_a_name_that_is_longer_than_anything(8) as a_value_with_a_long_name
                 -> topk(ratio = 0.123456789) -> concat(a_value_with_a_long_name -> sum, mean) -> mlp(hidden = [64, 32, 16, 64])",
        ] {
            check(text);
        }
    }

    /// A random pipeline of nodes: names, residuals, branches, poolings and repeats inside one another.
    fn pipeline(rng: &mut rand_chacha::ChaCha8Rng, depth: usize) -> String {
        let n = rng.random_range(1..4);
        let stage =
            |rng: &mut rand_chacha::ChaCha8Rng| match rng.random_range(0..if depth == 0 { 3 } else { 8 }) {
                0 => "gcn(8)".to_owned(),
                1 => "sage(8) -> relu".to_owned(),
                2 => "batch_norm".to_owned(),
                3 => format!("residual({} -> gcn(8))", pipeline(rng, depth - 1)),
                4 => format!("repeat({}, {})", rng.random_range(2..5), pipeline(rng, depth - 1)),
                5 => format!("concat(identity, {}, gcn(4)) -> gcn(8)", pipeline(rng, depth - 1)),
                6 => format!("add({} -> gcn(8), input -> gcn(8)) -> relu", pipeline(rng, depth - 1)),
                _ => format!("part({})", 8),
            };
        (0..n).map(|_| stage(rng)).collect::<Vec<_>>().join(" -> ")
    }

    #[test]
    fn generated_models_are_laid_out_cleanly() {
        for seed in 0..60 {
            let rng = &mut rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let mut text = format!(
                "block part(w) = {} -> gcn(w)\nmodel = part(8) -> ",
                pipeline(rng, 1).replace("part(8)", "gcn(8)").replace("input", "identity")
            );
            let n_levels = rng.random_range(1..4);
            let mut read = Vec::new();
            for level in 0..n_levels {
                text.push_str(&format!(
                    "{} -> gcn(8) as v{level}",
                    pipeline(rng, 2).replace("input", if level == 0 { "input" } else { "identity" })
                ));
                let assign = pipeline(rng, 1).replace("input", "identity");
                text.push_str(&match rng.random_range(0..3) {
                    0 => format!("\n -> diffpool(k = 4, assign = {assign} -> linear)\n -> "),
                    1 => format!("\n -> diffpool(k = 4, assign = {assign}, embed = gcn(8))\n -> "),
                    _ => "\n -> ".to_owned(),
                });
                read.push(format!("v{level} -> max"));
            }
            text.push_str(&format!("gcn(8) -> concat({}, mean) -> mlp", read.join(", ")));
            check(&text);
        }
    }
}
