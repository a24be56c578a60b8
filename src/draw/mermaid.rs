//! Mermaid flowcharts, which GitHub and other sites draw from Markdown.

use super::dot::{group_text, lines};
use super::figure::Direction;
use super::scene::{GroupKind, Kind, Scene};
use super::svg::{Look, description};
use crate::ops::Family;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The drawing as a Mermaid flowchart: groups as subgraphs, types in the boxes.
pub fn mermaid(scene: &Scene, look: &Look) -> String {
    let direction = if look.direction == Direction::Down { "TD" } else { "LR" };
    let mut out = format!(
        "flowchart {direction}\n  accTitle: {}\n  accDescr: {}\n",
        look.title.replace(['\n', '\r'], " "),
        description(scene).replace(['\n', '\r'], " ")
    );
    write_group(scene, 0, 1, direction, &mut out);
    for edge in &scene.edges {
        let arrow = if edge.is_structure { "-.->" } else { "-->" };
        let label =
            if edge.label.is_empty() { String::new() } else { format!("|\"{}\"|", escape(&edge.label)) };
        let _ = writeln!(out, "  s{} {arrow}{label} s{}", edge.from, edge.to);
    }
    let palette = look.theme.palette();
    for (idx, group) in scene.groups.iter().enumerate().skip(1) {
        let paint = if matches!(group.kind, GroupKind::Level(_)) { palette.level } else { palette.block };
        let _ =
            writeln!(out, "  style g{idx} fill:{},stroke:{},color:{}", paint.fill, paint.line, palette.text);
    }
    let mut members: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (idx, unit) in scene.units.iter().enumerate() {
        members.entry(class(unit.kind)).or_default().push(format!("s{idx}"));
    }
    for (class_name, members) in members {
        let kind = scene.units.iter().map(|unit| unit.kind).find(|&kind| class(kind) == class_name);
        let Some(kind) = kind else { continue };
        let paint = look.theme.paint(kind);
        let _ = writeln!(
            out,
            "  classDef {class_name} fill:{},stroke:{},color:{}\n  class {} {class_name}",
            paint.fill,
            paint.line,
            palette.text,
            members.join(",")
        );
    }
    out
}

fn write_group(scene: &Scene, group: usize, depth: usize, direction: &str, out: &mut String) {
    let indent = "  ".repeat(depth);
    for (idx, unit) in scene.units.iter().enumerate().filter(|(_, unit)| unit.group == group) {
        let text = lines(unit).iter().map(|line| escape(line)).collect::<Vec<_>>().join("<br/>");
        let (open, close) = match unit.kind {
            Kind::Stage(Family::Pooling) => ("[\\", "/]"),
            Kind::Stage(Family::Readout) => ("{{", "}}"),
            Kind::Stage(Family::Dense) => ("(", ")"),
            Kind::Stage(Family::Input | Family::Structure) | Kind::Output => ("([", "])"),
            Kind::Folded => ("[[", "]]"),
            Kind::Stage(_) => ("[", "]"),
        };
        let _ = writeln!(out, "{indent}s{idx}{open}\"{text}\"{close}");
    }
    for (idx, inner) in scene.groups.iter().enumerate().skip(1).filter(|(_, inner)| inner.parent == group) {
        let _ = writeln!(out, "{indent}subgraph g{idx}[\"{}\"]", escape(&group_text(inner)));
        let _ = writeln!(out, "{indent}  direction {}", if direction == "TD" { "TB" } else { direction });
        write_group(scene, idx, depth + 1, direction, out);
        let _ = writeln!(out, "{indent}end");
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Stage(Family::Convolution) => "convolution",
        Kind::Stage(Family::Pooling) => "pooling",
        Kind::Stage(Family::Readout | Family::Decoder | Family::Kernel) => "readout",
        Kind::Stage(Family::Normalization) => "normalisation",
        Kind::Stage(Family::Activation) => "activation",
        Kind::Stage(Family::Dense) => "dense",
        Kind::Stage(Family::Input | Family::Structure) => "structure",
        Kind::Folded => "folded",
        Kind::Output => "output",
    }
}

/// Mermaid writes characters of its own as entities with `#`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("#quot;"),
            '#' => escaped.push_str("#35;"),
            '<' => escaped.push_str("#lt;"),
            '>' => escaped.push_str("#gt;"),
            '&' => escaped.push_str("#amp;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
