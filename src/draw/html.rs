//! One page with the drawing, which shows each stage's arguments, type, cost and reference. It needs no network.

use super::fold::MIDDLE;
use super::scene::{Part, Scene, grouped, loss_text};
use super::svg::{Look, description, escape, svg};
use crate::args::ArgValue;
use crate::ir::Model;
use crate::ops::WidthRule;
use crate::ops::findings::shape::counted;
use crate::plan::{self, StageRow};
use crate::types::DataFacts;
use serde_json::{Value, json};

/// The drawing as a page.
pub fn html(scene: &Scene, model: &Model, data: Option<&DataFacts>, look: &Look) -> String {
    let rows = plan::stages(model, data);
    let facts: Vec<Value> = scene.units.iter().map(|unit| unit_facts(unit, model, &rows, scene)).collect();
    // In a script, `<` could begin the end of it.
    let facts = Value::from(facts).to_string().replace('<', "\\u003c");
    let palette = look.theme.palette();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n:root {{ --background: {}; --text: {}; --faint: {}; --line: {}; }}\n{}</style>\n</head>\n<body>\n\
         <main id=\"stage\">\n<div id=\"tools\"><button id=\"in\" aria-label=\"zoom in\">+</button>\
         <button id=\"out\" aria-label=\"zoom out\">−</button><button id=\"fit\">fit</button></div>\n{}</main>\n\
         <aside aria-live=\"polite\">\n<h1>{title}</h1>\n<p class=\"faint\">{}</p>\n<div id=\"panel\"></div>\n</aside>\n\
         <script type=\"application/json\" id=\"facts\">{facts}</script>\n<script>\n{}</script>\n</body>\n</html>\n",
        palette.background,
        palette.text,
        palette.faint_text,
        palette.level.line,
        include_str!("page/page.css"),
        svg(scene, look),
        escape(&description(scene)),
        include_str!("page/page.js"),
        title = escape(&look.title),
    )
}

fn unit_facts(unit: &super::scene::Unit, model: &Model, rows: &[StageRow], scene: &Scene) -> Value {
    let mut losses: Vec<[String; 3]> = Vec::new();
    for term in &model.losses {
        let is_here = unit.losses.iter().any(|loss| *loss == loss_text(term));
        if is_here {
            losses.push([
                term.label(),
                format!("weight {}", term.weight),
                term.loss.doc().summary.to_owned(),
            ]);
        }
    }
    let parts: Vec<Value> = match unit.kind {
        super::scene::Kind::Output => vec![json!({
            "title": scene.task,
            "summary": format!("What the model predicts: {}.", counted(&model.outputs.size, "output")),
            "facts": [], "arguments": [],
        })],
        super::scene::Kind::Folded => vec![folded_facts(&unit.parts[0], model, rows)],
        super::scene::Kind::Stage(_) => unit.parts.iter().map(|part| part_facts(part, model, rows)).collect(),
    };
    let label = unit.parts.iter().map(|part| part.title.as_str()).collect::<Vec<_>>().join(", ");
    json!({ "label": label, "parts": parts, "losses": losses })
}

/// What stands for several stages.
fn folded_facts(part: &Part, model: &Model, rows: &[StageRow]) -> Value {
    json!({
        "title": part.title,
        "summary": format!("{}, drawn as one.", part.arguments),
        "facts": facts(part, rows, model), "arguments": [],
    })
}

fn part_facts(part: &Part, model: &Model, rows: &[StageRow]) -> Value {
    if part.title == MIDDLE {
        return folded_facts(part, model, rows);
    }
    let Some(&idx) = part.nodes.first() else { return Value::Null };
    let node = &model.graph[idx];
    let doc = node.op.doc();
    let arguments: Vec<Value> = node
        .args
        .0
        .iter()
        .zip(node.op.args())
        .filter(|(arg, _)| !matches!(arg.value, ArgValue::Pipeline))
        .map(|(arg, spec)| {
            let value = match &arg.value {
                ArgValue::Absent if node.op.width_rule() == WidthRule::Argument(arg.name) => {
                    format!("{} (inferred)", rows[idx.index()].ty.width.size)
                }
                ArgValue::Absent => "not set".to_owned(),
                value => plan::value_text(value),
            };
            let origin = if arg.span.is_none() && arg.value != ArgValue::Absent { " (default)" } else { "" };
            json!([arg.name, format!("{value}{origin}"), spec.doc])
        })
        .collect();
    json!({
        "title": part.title, "summary": doc.summary, "formula": doc.formula, "paper": doc.paper,
        "facts": facts(part, rows, model), "arguments": arguments,
    })
}

/// Type, symmetry, cost and place of a part; sums where it stands for several rounds.
fn facts(part: &Part, rows: &[StageRow], model: &Model) -> Vec<[String; 2]> {
    let of_part: Vec<&StageRow> = part.nodes.iter().map(|node| &rows[node.index()]).collect();
    let Some(last) = of_part.last() else { return Vec::new() };
    let mut facts = vec![["type".to_owned(), last.ty.to_string()]];
    facts.push(["symmetry".to_owned(), last.ty.symmetry.word().to_owned()]);
    if of_part.len() > 1 {
        facts.push(["stages".to_owned(), grouped(of_part.len())]);
    }
    match of_part.iter().map(|row| row.parameters).sum::<Option<usize>>() {
        Some(0) => {}
        Some(count) => facts.push(["parameters".to_owned(), grouped(count)]),
        None => facts.push(["parameters".to_owned(), "not known without data".to_owned()]),
    }
    let sum = |of: fn(&StageRow) -> Option<f64>| of_part.iter().map(|row| of(row)).sum::<Option<f64>>();
    if let Some(flops) = sum(|row| row.flops).filter(|&flops| flops > 0.0) {
        facts.push(["FLOPs per graph".to_owned(), grouped(flops.round() as usize)]);
    }
    if let Some(bytes) = sum(|row| row.memory_bytes).filter(|&bytes| bytes > 0.0) {
        facts.push(["bytes per graph".to_owned(), grouped(bytes.round() as usize)]);
    }
    let scope = &model.graph[part.nodes[0]].scope;
    if !scope.is_empty() {
        facts.push(["in".to_owned(), scope.texts().join(" › ")]);
    }
    facts
}
