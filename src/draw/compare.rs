//! Two models side by side: what stayed is pale, what changed, came or went stands out by colour, line and sign.

use super::figure::{Area, Direction, Figure};
use super::scene::{Detail, Edge, Part, Scene};
use super::svg::{Canvas, Emphasis, Mark, description, n};
use super::text::Face;
use super::theme::Theme;
use crate::ir::Model;
use crate::plan;
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::rc::Rc;

/// What became of the stages from one model to another.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// Stages that are the same in both, changed ones left out: before, after.
    pub pairs: Vec<(NodeIndex, NodeIndex)>,
    /// Stages with other arguments or sizes: before, after.
    pub changed: Vec<(NodeIndex, NodeIndex)>,
    pub removed: Vec<NodeIndex>,
    pub added: Vec<NodeIndex>,
}

/// What a box shows of a stage.
struct Shown {
    title: String,
    arguments: String,
    parameters: String,
    ty: String,
}

impl Shown {
    fn of(part: &Part, ty: &str) -> Self {
        Self {
            title: part.title.clone(),
            arguments: part.arguments.clone(),
            parameters: part.parameters.clone(),
            ty: ty.to_owned(),
        }
    }
}

/// Marks of one side, by unit and part.
struct Side {
    scene: Scene,
    figure: Figure,
    marks: Vec<Vec<Mark>>,
}

const KEPT: u8 = 0;
const CHANGED: u8 = 1;
const ALONE: u8 = 2;
/// Room between the two drawings.
const BETWEEN: f64 = 70.0;
const HEADER: f64 = 26.0;
const LEGEND: f64 = 30.0;

impl Side {
    /// `before` gives the part that a changed node was, for the numbers that changed.
    fn new(
        model: &Model,
        marked: &BTreeMap<NodeIndex, u8>,
        alone: Mark,
        before: &BTreeMap<NodeIndex, Rc<Shown>>,
    ) -> Self {
        let mark = |node: NodeIndex| marked.get(&node).copied().unwrap_or(KEPT);
        let mut scene = Scene::marked(model, None, Detail::Blocks, &mark);
        for unit in &mut scene.units {
            let last = unit.parts.len().saturating_sub(1);
            for (idx, part) in unit.parts.iter_mut().enumerate() {
                let Some(old) = part.nodes.iter().find_map(|node| before.get(node)) else {
                    continue;
                };
                part.title = arrow(&old.title, &part.title);
                part.arguments = words_changed(&old.arguments, &part.arguments);
                if !old.parameters.is_empty() || !part.parameters.is_empty() {
                    let none = |text: &str| if text.is_empty() { "0".to_owned() } else { text.to_owned() };
                    part.parameters = arrow(&none(&old.parameters), &none(&part.parameters));
                }
                if idx == last {
                    unit.ty = words_changed(&old.ty, &unit.ty);
                }
            }
        }
        let marks = scene
            .units
            .iter()
            .map(|unit| {
                let of_part = |part: &super::scene::Part| {
                    let strongest = part.nodes.iter().map(|&node| mark(node)).max().unwrap_or(KEPT);
                    match strongest {
                        KEPT => Mark::Pale,
                        CHANGED => Mark::Changed,
                        _ => alone,
                    }
                };
                unit.parts.iter().map(of_part).collect()
            })
            .collect();
        let figure = Figure::of(&scene, Direction::Down);
        Self { scene, figure, marks }
    }

    /// Where room for a unit is gained: above the frames that begin with it, but not with the matched unit before.
    fn room_before(&self, unit: usize, before: Option<usize>) -> f64 {
        let groups = &self.scene.groups;
        let around = |unit: usize| {
            let mut chain = vec![self.scene.units[unit].group];
            while let Some(&group) = chain.last().filter(|&&group| group != 0) {
                chain.push(groups[group].parent);
            }
            chain
        };
        let shared = before.map(around).unwrap_or_default();
        let own = around(unit).into_iter().take_while(|group| *group != 0 && !shared.contains(group));
        let tops = own.map(|group| self.figure.groups[group].y);
        tops.fold(self.figure.units[unit].y, f64::min) - 4.0
    }

    /// Moves everything down as `map` says for each height.
    fn stretch(&mut self, map: &dyn Fn(f64) -> f64) {
        let figure = &mut self.figure;
        for unit in &mut figure.units {
            let centre = unit.centre_y();
            unit.y += map(centre) - centre;
        }
        for group in figure.groups.iter_mut() {
            let (top, bottom) = (map(group.y), map(group.bottom()));
            (group.y, group.height) = (top, bottom - top);
        }
        for (edge, line) in self.scene.edges.iter().zip(&mut figure.lines) {
            line.iter_mut().for_each(|point| point.1 = map(point.1));
            // The ends stay at their boxes.
            if let Some(first) = line.first_mut() {
                first.1 = figure.units[edge.from].bottom();
            }
            if let Some(last) = line.last_mut() {
                last.1 = figure.units[edge.to].y;
            }
        }
        figure.height = map(figure.height);
    }
}

impl Emphasis for Side {
    fn mark(&self, unit: usize, part: Option<usize>) -> Mark {
        let marks = &self.marks[unit];
        match part {
            Some(part) => marks[part],
            None => {
                let first = marks.first().copied().unwrap_or(Mark::Pale);
                if marks.iter().all(|&mark| mark == first) {
                    return first;
                }
                // Some parts changed: the whole is neither pale nor new.
                Mark::Plain
            }
        }
    }
    fn edge_mark(&self, edge: &Edge) -> Mark {
        let of = |unit: usize| self.mark(unit, None);
        match (of(edge.from), of(edge.to)) {
            (mark @ (Mark::Added | Mark::Removed), _) | (_, mark @ (Mark::Added | Mark::Removed)) => mark,
            _ => Mark::Pale,
        }
    }
}

/// Both architectures beside one another as SVG, equal stages at the same height.
pub fn side_by_side(before: &Model, after: &Model, marks: &Marks) -> String {
    let marks = &with_inferred_changes(before, after, marks);
    let own = |changed: fn(&(NodeIndex, NodeIndex)) -> NodeIndex, alone: &[NodeIndex]| {
        let mut marked: BTreeMap<NodeIndex, u8> = BTreeMap::new();
        marked.extend(marks.changed.iter().map(|pair| (changed(pair), CHANGED)));
        marked.extend(alone.iter().map(|&node| (node, ALONE)));
        marked
    };
    let mut left = Side::new(before, &own(|pair| pair.0, &marks.removed), Mark::Removed, &BTreeMap::new());
    // A folded box stands for many stages, which share what it shows.
    let mut of_left: BTreeMap<NodeIndex, Rc<Shown>> = BTreeMap::new();
    for unit in &left.scene.units {
        for part in &unit.parts {
            let shown = Rc::new(Shown::of(part, &unit.ty));
            of_left.extend(part.nodes.iter().map(|&node| (node, Rc::clone(&shown))));
        }
    }
    let changed = marks.changed.iter().filter_map(|(a, b)| Some((*b, Rc::clone(of_left.get(a)?))));
    let old: BTreeMap<NodeIndex, Rc<Shown>> = changed.collect();
    let mut right = Side::new(after, &own(|pair| pair.1, &marks.added), Mark::Added, &old);
    let pairs = matched_units(&left, &right, marks);
    align(&mut left, &mut right, &pairs);
    write(&left, &right, &pairs)
}

/// `64 → 128`, or the text where it stayed.
fn arrow(old: &str, new: &str) -> String {
    if old == new { new.to_owned() } else { format!("{old} → {new}") }
}

/// The same for each of several words: `nodes[N, 64 → 128]`.
fn words_changed(old: &str, new: &str) -> String {
    let (old_words, new_words): (Vec<&str>, Vec<&str>) =
        (old.split(", ").collect(), new.split(", ").collect());
    // `nodes[N, 64]` and `clusters[8, 64]` have nothing in common that could be left out.
    let entity = |text: &str| text.split_once('[').map(|(entity, _)| entity.to_owned());
    if old_words.len() != new_words.len() || old.is_empty() != new.is_empty() || entity(old) != entity(new) {
        return arrow(if old.is_empty() { "–" } else { old }, if new.is_empty() { "–" } else { new });
    }
    // What both begin or end with stands once.
    let word = |(old, new): (&&str, &&str)| {
        if old == new {
            return (*new).to_owned();
        }
        let is_part = |c: char| c.is_alphanumeric() || "._·+⌈⌉/".contains(c);
        let cut = |text: &str| -> (usize, usize) {
            let start =
                text.rfind("= ").map(|at| at + 2).or_else(|| text.find('[').map(|at| at + 1)).unwrap_or(0);
            let end = text[start..].find(|c: char| !is_part(c)).map_or(text.len(), |at| start + at);
            (start, end)
        };
        let (a, b) = (cut(old), cut(new));
        if old[..a.0] == new[..b.0] && old[a.1..] == new[b.1..] {
            return format!("{}{} → {}{}", &new[..b.0], &old[a.0..a.1], &new[b.0..b.1], &new[b.1..]);
        }
        arrow(old, new)
    };
    old_words.iter().zip(&new_words).map(word).collect::<Vec<_>>().join(", ")
}

/// The marks, where stages whose width or number of weights follows from a change elsewhere have changed as well.
fn with_inferred_changes(before: &Model, after: &Model, marks: &Marks) -> Marks {
    let (old, new) = (plan::stages(before, None), plan::stages(after, None));
    let is_changed = |&(a, b): &(NodeIndex, NodeIndex)| match (old.get(a.index()), new.get(b.index())) {
        (Some(a), Some(b)) => a.parameters != b.parameters || a.ty.width.size != b.ty.width.size,
        _ => false,
    };
    let (inferred, pairs): (Vec<_>, Vec<_>) = marks.pairs.iter().copied().partition(is_changed);
    Marks { pairs, changed: [marks.changed.as_slice(), &inferred].concat(), ..marks.clone() }
}

/// Boxes that show matching stages, each once, from top to bottom.
fn matched_units(left: &Side, right: &Side, marks: &Marks) -> Vec<(usize, usize)> {
    let units = |side: &Side| -> BTreeMap<NodeIndex, usize> {
        let parts = side.scene.units.iter().enumerate().flat_map(|(idx, unit)| {
            unit.parts.iter().flat_map(move |part| part.nodes.iter().map(move |&node| (node, idx)))
        });
        parts.collect()
    };
    let (of_left, of_right) = (units(left), units(right));
    let all = marks.pairs.iter().chain(&marks.changed);
    let found: BTreeSet<(usize, usize)> =
        all.filter_map(|(a, b)| Some((*of_left.get(a)?, *of_right.get(b)?))).collect();
    let (mut seen_left, mut seen_right) = (BTreeSet::new(), BTreeSet::new());
    let mut pairs: Vec<(usize, usize)> =
        found.into_iter().filter(|&(a, b)| seen_left.insert(a) && seen_right.insert(b)).collect();
    // The outputs belong together whatever leads to them.
    pairs.push((left.scene.units.len() - 1, right.scene.units.len() - 1));
    pairs
}

/// Brings matching boxes to the same height: where they come in the same order on both sides, the side that is
/// higher up waits.
fn align(left: &mut Side, right: &mut Side, pairs: &[(usize, usize)]) {
    let centre = |side: &Side, unit: usize| side.figure.units[unit].centre_y();
    let mut sorted: Vec<(usize, usize)> = pairs.to_vec();
    sorted.sort_by(|a, b| {
        let of = |pair: &(usize, usize)| (centre(left, pair.0), centre(right, pair.1));
        of(a).0.total_cmp(&of(b).0).then(of(a).1.total_cmp(&of(b).1))
    });
    let heights: Vec<(f64, f64)> = sorted.iter().map(|&(a, b)| (centre(left, a), centre(right, b))).collect();
    // From each height on, everything of a side moves by this much.
    let (mut moves_left, mut moves_right) = (vec![(0.0, 0.0)], vec![(0.0, 0.0)]);
    let (mut last, mut at) = ((0.0, 0.0), 0.0);
    let mut last_units = None;
    for idx in rising(&heights) {
        let ((a, b), units) = (heights[idx], sorted[idx]);
        at += (a - last.0).max(b - last.1);
        let from_left = left.room_before(units.0, last_units.map(|units: (usize, usize)| units.0));
        let from_right = right.room_before(units.1, last_units.map(|units: (usize, usize)| units.1));
        moves_left.push((from_left.max(last.0 + 1.0), at - a));
        moves_right.push((from_right.max(last.1 + 1.0), at - b));
        (last, last_units) = ((a, b), Some(units));
    }
    let map = |moves: &[(f64, f64)], at: f64| {
        at + moves.iter().rev().find(|(from, _)| *from <= at + 1e-6).map_or(0.0, |(_, by)| *by)
    };
    left.stretch(&|at| map(&moves_left, at));
    right.stretch(&|at| map(&moves_right, at));
}

/// The longest part of a list sorted by its first values in which the second ones rise as well, as places in it.
fn rising(list: &[(f64, f64)]) -> Vec<usize> {
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(list.len());
    for (idx, &(a, b)) in list.iter().enumerate() {
        let before = (0..idx).filter(|&other| list[other].0 < a && list[other].1 < b);
        let longest = before.max_by_key(|&other| (best[other].0, std::cmp::Reverse(other)));
        best.push((longest.map_or(1, |other| best[other].0 + 1), longest));
    }
    let mut at = (0..list.len()).max_by_key(|&idx| (best[idx].0, std::cmp::Reverse(idx)));
    let mut found = Vec::new();
    while let Some(idx) = at {
        found.push(idx);
        at = best[idx].1;
    }
    found.reverse();
    found
}

fn write(left: &Side, right: &Side, pairs: &[(usize, usize)]) -> String {
    let height = HEADER + left.figure.height.max(right.figure.height) + LEGEND;
    let width = (left.figure.width + BETWEEN + right.figure.width).max(380.0);
    let mut canvas = Canvas::new(Theme::Light);
    let text = format!("Before: {} After: {}", description(&left.scene), description(&right.scene));
    canvas.open(width, height, "Two architectures compared", &text);
    let shift = left.figure.width + BETWEEN;
    let title = Face::bold(13.0);
    canvas.pieces(left.figure.width / 2.0, 14.0, "middle", &[("before".to_owned(), title, false)]);
    canvas.pieces(shift + right.figure.width / 2.0, 14.0, "middle", &[("after".to_owned(), title, false)]);
    for &(a, b) in pairs {
        let (from, to) = (&left.figure.units[a], &right.figure.units[b]);
        let is_changed = left.mark(a, None) == Mark::Changed || right.mark(b, None) == Mark::Changed;
        let (x1, y1) = (from.right() + 2.0, from.centre_y() + HEADER);
        let (x2, y2) = (to.x + shift - 2.0, to.centre_y() + HEADER);
        let middle = (left.figure.width + shift) / 2.0;
        let colour = if is_changed { canvas.palette.changed.line } else { canvas.palette.level.line };
        let _ = writeln!(
            canvas.text,
            "<path d=\"M{} {}C{} {} {} {} {} {}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"0.8\"/>",
            n(x1),
            n(y1),
            n(middle),
            n(y1),
            n(middle),
            n(y2),
            n(x2),
            n(y2)
        );
    }
    canvas.shifted(0.0, HEADER, |canvas| canvas.figure(&left.scene, &left.figure, left));
    canvas.shifted(shift, HEADER, |canvas| canvas.figure(&right.scene, &right.figure, right));
    legend(&mut canvas, width, height - LEGEND / 2.0);
    canvas.close()
}

/// What the colours, lines and signs mean.
fn legend(canvas: &mut Canvas, width: f64, y: f64) {
    const ENTRIES: [(Mark, &str); 4] = [
        (Mark::Pale, "unchanged"),
        (Mark::Changed, "changed"),
        (Mark::Added, "added"),
        (Mark::Removed, "removed"),
    ];
    let face = Face::regular(10.0);
    let room = |text: &str| 26.0 + face.width(text) + 20.0;
    let mut x = (width - ENTRIES.iter().map(|(_, text)| room(text)).sum::<f64>()) / 2.0;
    for (mark, text) in ENTRIES {
        let area = Area { x, y: y - 6.0, width: 20.0, height: 12.0 };
        let pale = format!("fill=\"{}\" stroke=\"{}\"", canvas.palette.level.fill, canvas.palette.level.line);
        let style = canvas.mark_style(mark).unwrap_or(pale);
        canvas.rect(&area, 2.0, &style);
        if !mark.sign().is_empty() {
            canvas.sign(mark, x, y - 6.0);
        }
        canvas.pieces(x + 26.0, y, "start", &[(text.to_owned(), face, false)]);
        x += room(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_changed_stand_beside_one_another() {
        assert_eq!(words_changed("nodes[N, 64]", "nodes[N, 128]"), "nodes[N, 64 → 128]");
        assert_eq!(words_changed("graph[64]", "graph[128]"), "graph[64 → 128]");
        assert_eq!(words_changed("64, heads = 4", "64, heads = 8"), "64, heads = 4 → 8");
        assert_eq!(words_changed("64", "64"), "64");
        assert_eq!(words_changed("nodes[N, 8]", "clusters[4, 8]"), "nodes[N, 8] → clusters[4, 8]");
        assert_eq!(words_changed("", "k = 8"), "– → k = 8");
    }

    #[test]
    fn the_longest_rising_part_keeps_its_order() {
        let list = [(0.0, 0.0), (1.0, 9.0), (2.0, 1.0), (3.0, 2.0)];
        assert_eq!(rising(&list), [0, 2, 3]);
    }
}
