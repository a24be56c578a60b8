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
fn port_labels<'s>(scene: &'s Scene, unit: usize) -> impl Iterator<Item = &'s str> + Clone {
    scene.edges.iter().filter(move |edge| edge.to == unit).map(|edge| edge.label.as_str())
}

fn node_box(unit: &Unit, form: &Form, direction: Direction, scene: &Scene) -> NodeBox {
    let idx = scene.units.iter().position(|other| std::ptr::eq(other, unit)).unwrap_or(0);
    let has_labels = port_labels(scene, idx).any(|label| !label.is_empty());
    match direction {
        Direction::Down => NodeBox {
            group: unit.group,
            length: form.height,
            half_width: form.width / 2.0,
            tail: if form.tail.is_empty() { 0.0 } else { 14.0 },
            tail_width: if form.tail.is_empty() { 0.0 } else { width_of(&form.tail) + 8.0 },
            pin_gap: pin_gap(scene, idx),
        },
        Direction::Right => NodeBox {
            group: unit.group,
            length: form.width,
            half_width: form.height / 2.0,
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
                    form.width = form.width.max(reach + 24.0);
                }
                Direction::Right => {
                    let gap = if has_ports[idx] { 12.0 } else { 9.0 };
                    let reach = others * gap * if has_main[idx] { 2.0 } else { 1.0 };
                    if form.height < reach + 14.0 {
                        stretch(&mut form, reach + 14.0);
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
        let text = format!("{} parameters", head.parameters);
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
