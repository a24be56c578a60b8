//! DOT, for Graphviz.

use super::figure::{Direction, call};
use super::scene::{GroupKind, Kind, Scene, Unit};
use super::svg::{Look, description};
use crate::ops::Family;
use std::fmt::Write;

/// The drawing in the language of Graphviz: groups as clusters, types in the boxes.
pub fn dot(scene: &Scene, look: &Look) -> String {
    let palette = look.theme.palette();
    let mut out = format!("// {}\n", description(scene).replace('\n', " "));
    let direction = if look.direction == Direction::Down { "TB" } else { "LR" };
    let _ = writeln!(
        out,
        "digraph {} {{\n  rankdir={direction} compound=true nodesep=0.4 ranksep=0.35 bgcolor={} fontcolor={}",
        quote(&look.title),
        quote(palette.background),
        quote(palette.text),
    );
    let _ = writeln!(
        out,
        "  graph [fontname=\"Helvetica\" fontsize=11 labeljust=l style=\"rounded,filled\"]\n  \
         node [fontname=\"Helvetica\" fontsize=11 fontcolor={} style=filled margin=\"0.15,0.06\"]\n  \
         edge [fontname=\"Helvetica\" fontsize=9 fontcolor={} color={} arrowsize=0.7]",
        quote(palette.text),
        quote(palette.faint_text),
        quote(palette.arrow)
    );
    write_group(scene, look, 0, 1, &mut out);
    for edge in &scene.edges {
        let mut attributes = Vec::new();
        if !edge.label.is_empty() {
            attributes.push(format!("label={}", quote(&edge.label)));
        }
        if edge.is_structure {
            attributes.push("style=dotted".to_owned());
        }
        if edge.is_main {
            attributes.push("weight=8".to_owned());
        }
        let attributes =
            if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(" ")) };
        let _ = writeln!(out, "  s{} -> s{}{attributes}", edge.from, edge.to);
    }
    out.push_str("}\n");
    out
}

fn write_group(scene: &Scene, look: &Look, group: usize, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    for (idx, unit) in scene.units.iter().enumerate().filter(|(_, unit)| unit.group == group) {
        let paint = look.theme.paint(unit.kind);
        let _ = writeln!(
            out,
            "{indent}s{idx} [label={} {} fillcolor={} color={}]",
            label(unit),
            shape(unit.kind, look.direction),
            quote(paint.fill),
            quote(paint.line)
        );
    }
    for (idx, inner) in scene.groups.iter().enumerate().skip(1).filter(|(_, inner)| inner.parent == group) {
        let is_level = matches!(inner.kind, GroupKind::Level(_));
        let palette = look.theme.palette();
        let paint = if is_level { palette.level } else { palette.block };
        let _ = writeln!(
            out,
            "{indent}subgraph cluster_{idx} {{\n{indent}  label={} fillcolor={} color={} style={}",
            quote(&group_text(inner)),
            quote(paint.fill),
            quote(paint.line),
            if is_level || inner.times > 1 { "\"rounded,filled\"" } else { "\"rounded,filled,dashed\"" }
        );
        write_group(scene, look, idx, depth + 1, out);
        let _ = writeln!(out, "{indent}}}");
    }
}

/// `encoder × 2`
pub(super) fn group_text(group: &super::scene::Group) -> String {
    match (group.label.as_str(), group.times) {
        (label, 1) => label.to_owned(),
        ("", times) => format!("× {times}"),
        (label, times) => format!("{label} × {times}"),
    }
}

/// The lines of a box: its stages with parameters, its losses, its type.
pub(super) fn lines(unit: &Unit) -> Vec<String> {
    let part = |part: &super::scene::Part| match part.parameters.as_str() {
        "" => call(part),
        parameters => format!("{} · {parameters}", call(part)),
    };
    let mut lines: Vec<String> = unit.parts.iter().map(part).collect();
    if !unit.losses.is_empty() {
        lines.push(format!("loss: {}", unit.losses.join(" + ")));
    }
    match (&unit.name, unit.ty.as_str()) {
        (_, "") => {}
        (Some(name), ty) => lines.push(format!("{name}: {ty}")),
        (None, ty) => lines.push(ty.to_owned()),
    }
    lines
}

fn label(unit: &Unit) -> String {
    let lines: Vec<String> = lines(unit).iter().map(|line| escape(line)).collect();
    format!("\"{}\"", lines.join("\\n"))
}

fn shape(kind: Kind, direction: Direction) -> &'static str {
    match (kind, direction) {
        (Kind::Stage(Family::Pooling), Direction::Down) => "shape=invtrapezium",
        (Kind::Stage(Family::Pooling), Direction::Right) => "shape=trapezium orientation=270",
        (Kind::Stage(Family::Readout), Direction::Down) => "shape=invhouse",
        (Kind::Stage(Family::Readout), Direction::Right) => "shape=cds",
        (Kind::Stage(Family::Dense), _) => "shape=box style=\"filled,rounded\"",
        (Kind::Stage(Family::Input | Family::Structure) | Kind::Output, _) => {
            "shape=box style=\"filled,rounded\" penwidth=1.5"
        }
        (Kind::Folded, _) => "shape=box3d",
        (Kind::Stage(_), _) => "shape=box",
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ")
}

fn quote(text: &str) -> String {
    format!("\"{}\"", escape(text))
}
