//! `src/ops/README.md`: every operator in one table, made of the catalogue. `SNAPSHOTS=overwrite cargo test --test it
//! catalogue` writes the page anew.

use crate::laws::entities;
use hgnn::args::ArgKind;
use hgnn::check::check;
use hgnn::ops::{Action, CATALOGUE, Family, Operator};
use hgnn::source::SourceMap;
use hgnn::syntax::load_program;
use hgnn::types::{Entity, Symmetry};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write;
use std::process::Command;

/// What `hgnnc ops` says of each argument, by operator.
fn arguments() -> HashMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .args(["ops", "--format", "json"])
        .output()
        .expect("it runs");
    let entries: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let groups = [
        "Convolutions",
        "Pooling",
        "Readouts",
        "Normalisation",
        "Activations",
        "Dense layers",
        "Decoders",
        "Graph kernels",
        "Structure",
    ];
    let of_operators = entries.iter().filter(|entry| groups.contains(&entry["group"].as_str().unwrap_or("")));
    of_operators
        .map(|entry| {
            let all = entry["arguments"].as_array().expect("a list").iter();
            let argument = |argument: &Value| {
                let (name, default) = (text(&argument["name"]), text(&argument["default"]));
                // What is left out by saying nothing is a sentence.
                let is_value = !default.contains(' ') || default.starts_with('[');
                if is_value && default != "required" {
                    format!("`{name} = {default}`")
                } else {
                    format!("`{name}`")
                }
            };
            (text(&entry["name"]), all.map(argument).collect())
        })
        .collect()
}

/// The entity of the result where the operator stands in its example, and how it moves when rows are renumbered.
fn in_example(op: &dyn Operator) -> (Entity, &'static str) {
    let mut sources = SourceMap::default();
    let main = sources.add(op.name(), op.doc().example);
    let (program, _) = load_program(&mut sources, main, &|_| Err(std::io::ErrorKind::NotFound.into()));
    let model = check(&program, None).model.unwrap_or_else(|| panic!("the example of `{}`", op.name()));
    let model = model.get();
    let (idx, node) = model.nodes().find(|(_, node)| node.op.name() == op.name()).expect("it is used");
    let input = &model.graph[model.inputs(idx)[0]].ty;
    let symmetry = match (&input.symmetry, &node.ty.symmetry) {
        (_, Symmetry::Poisoned(_)) => "reads the order",
        (Symmetry::Equivariant, Symmetry::Invariant) => "invariant",
        // Of a vector for each graph, what moves with its input stays where it is.
        _ => "equivariant",
    };
    (node.ty.entity, symmetry)
}

fn level(entity: &Entity) -> &'static str {
    match entity {
        Entity::Nodes => "nodes",
        Entity::Edges | Entity::EdgeKinds => "edges",
        Entity::Pairs => "pairs",
        Entity::Clusters => "clusters",
        Entity::Slots => "slots",
        Entity::Graph => "graphs",
    }
}

#[test]
fn every_operator_stands_in_the_table() {
    let arguments = arguments();
    let mut page = String::from(
        "# Operators\n\nEvery operator that a file can name, made of the catalogue (`SNAPSHOTS=overwrite cargo test --test it \
         catalogue` writes\nthis page anew). `hgnnc ops NAME` prints one in full: what each argument takes and means, \
         formula, weights, program;\n`hgnnc ops` also finds one by its class in PyTorch Geometric and by a word of its \
         paper. Symmetry is that of the result in\nthe operator's example; levels are what it can stand on.\n",
    );
    let families = [
        (Family::Convolution, "Convolutions"),
        (Family::Pooling, "Poolings"),
        (Family::Readout, "Readouts"),
        (Family::Normalization, "Normalisation"),
        (Family::Activation, "Activations"),
        (Family::Dense, "Dense layers"),
        (Family::Decoder, "Decoders"),
        (Family::Kernel, "Graph kernels"),
        (Family::Structure, "Structure"),
    ];
    let mut n_rows = 0;
    for (family, title) in families {
        writeln!(page, "\n## {title}\n").unwrap();
        page.push_str("| operator | arguments | symmetry | levels | PyTorch Geometric | paper |\n|---|---|---|---|---|---|\n");
        for &op in CATALOGUE.iter().filter(|op| op.family() == family) {
            let (entity, symmetry) = in_example(op);
            let mut levels: Vec<&str> = entities(op).iter().map(level).collect();
            // A machine stands behind a kernel only.
            if op.action(&hgnn::args::default_args(op.args())) == Action::Machine {
                levels = vec![level(&Entity::Graph)];
            }
            // What stands beside another stage only.
            if levels.is_empty() {
                levels.push(level(&entity));
            }
            let class = op.pyg().class.rsplit('.').next().unwrap_or("");
            let class = if class.is_empty() { String::new() } else { format!("`{class}`") };
            writeln!(
                page,
                "| `{}` | {} | {} | {} | {class} | {} |",
                op.name(),
                arguments[op.name()].join(", "),
                symmetry,
                levels.join(", "),
                op.doc().paper
            )
            .unwrap();
            n_rows += 1;
        }
    }
    assert_eq!(n_rows, CATALOGUE.len(), "a family has no table");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops/README.md");
    snapbox::assert_data_eq!(page, snapbox::Data::read_from(path.as_ref(), None).raw());
}

/// What a number is divided by, multiplied by or added to does not become infinite or nothing in 32 bits: bounds leave room for a square
/// and for a power of the data's own numbers.
#[test]
fn numbers_that_32_bits_cannot_hold_are_refused() {
    let of_ops = CATALOGUE.iter().map(|op| (op.name(), op.args()));
    let of_losses = hgnn::ops::LOSSES.iter().map(|loss| (loss.name(), loss.args()));
    for (name, specs) in of_ops.chain(of_losses) {
        for spec in specs {
            let ArgKind::Float(range) = spec.kind else { continue };
            let what = format!("`{}` of `{name}`", spec.name);
            assert!(!range.contains(1e9) && !range.contains(-1e9), "{what} may be huge");
            // A share, a probability or a bound that may be near nothing is no divisor.
            let may_be_tiny = ["ratio", "gamma", "epsilon", "momentum", "learning_rate"];
            assert!(
                range.contains(0.0) || !range.contains(1e-18) || may_be_tiny.contains(&spec.name),
                "{what} may be tiny"
            );
        }
    }
}
