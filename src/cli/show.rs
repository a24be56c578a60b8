//! `hgnnc show`: what a file builds, stage by stage, and every setting with its default filled in.

use super::source::{self, Compiled, Data, LocalData};
use super::table::{plain_table, write_table};
use super::{Exit, Failure, Format, Global, describe};
use crate::args::{ArgSpec, ArgValue, Args};
use crate::ir::{Model, Node, Size, Symmetry, Type};
use crate::ops::{CostSizes, FactCx};
use comfy_table::{CellAlignment, Table};
use petgraph::graph::NodeIndex;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Print what a file builds: stages with types, symmetry, parameters and cost, and all settings
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The file; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: String,
    #[command(flatten)]
    data: LocalData,
}

impl Show {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let options = self.data.options();
        let compiled = source::compile(&self.file, options.as_ref())?;
        let Some(model) = &compiled.model else {
            source::print_findings(&compiled, global)?;
            return Ok(Exit::Findings);
        };
        let shown = Shown::new(model.get(), &compiled);
        let out = &mut io::stdout().lock();
        if global.format == Format::Json {
            serde_json::to_writer_pretty(&mut *out, &shown.json()).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            // Warnings do not belong to the table, but are not to be missed.
            source::print_findings(&compiled, global)?;
            shown.print(out, &self.file)?;
        }
        Ok(Exit::Clean)
    }
}

/// One row of the stage table.
struct Stage<'a> {
    idx: NodeIndex,
    node: &'a Node,
    inputs: Vec<NodeIndex>,
    weights: Vec<(&'static str, Size)>,
    parameters: Size,
    /// Per average graph; `None` while sizes are symbolic.
    flops: Option<f64>,
    memory_bytes: Option<f64>,
}

struct Shown<'a> {
    model: &'a Model,
    data: &'a Data,
    stages: Vec<Stage<'a>>,
}

impl<'a> Shown<'a> {
    fn new(model: &'a Model, compiled: &'a Compiled) -> Self {
        let sizes = match &compiled.data {
            Data::Loaded(data) => {
                let facts = data.facts();
                let mean = |total: usize| total as f64 / facts.n_graphs.max(1) as f64;
                Some(CostSizes { nodes: facts.mean_nodes, edges: mean(facts.total_edges) })
            }
            _ => None,
        };
        let stage = |(idx, node): (NodeIndex, &'a Node)| {
            let inputs = model.inputs(idx);
            let types: Vec<&Type> = inputs.iter().map(|&input| &model.graph[input].ty).collect();
            let cx = FactCx { args: &node.args, inputs: &types, output: &node.ty };
            let trained = node.op.weights(&cx).into_iter().filter(|weight| weight.is_trained);
            let shape =
                |dims: Vec<crate::ir::Dim>| Size::Product(dims.into_iter().map(|dim| dim.size).collect());
            let weights: Vec<_> = trained.map(|weight| (weight.name, shape(weight.shape))).collect();
            let parameters = sum(weights.iter().map(|(_, size)| size.clone()));
            let cost = sizes.map(|sizes| node.op.cost(&cx, sizes));
            Stage {
                idx,
                node,
                inputs,
                weights,
                parameters,
                flops: cost.map(|cost| cost.flops),
                memory_bytes: cost.map(|cost| cost.memory_bytes),
            }
        };
        Self { model, data: &compiled.data, stages: model.nodes().map(stage).collect() }
    }

    fn parameters(&self) -> Size {
        sum(self.stages.iter().map(|stage| stage.parameters.clone()))
    }

    fn print(&self, out: &mut dyn Write, path: &str) -> io::Result<()> {
        let model = self.model;
        let task = model.task.name().replace('_', " ");
        writeln!(out, "{path}: {task}, {} outputs\n", model.outputs.size)?;
        self.print_stages(out)?;
        writeln!(out, "\nLoss")?;
        let mut table = plain_table();
        for term in &model.losses {
            table.add_row([term.loss.name().to_owned(), format!("weight {}", term.weight)]);
        }
        write_table(out, &table)?;
        for (title, args, specs) in [
            ("Train", &model.train, crate::train::TRAIN_SECTION),
            ("Evaluate", &model.evaluate, crate::train::EVALUATE_SECTION),
        ] {
            writeln!(out, "\n{title}")?;
            write_table(out, &settings(args, specs))?;
        }
        if let Some(data) = &model.data {
            writeln!(out, "\nData\n  {}", describe::call(data))?;
        }
        if let Some(published) = &model.published {
            writeln!(out, "\nPublished")?;
            for (name, value) in &published.figures {
                writeln!(out, "  {name} {value}")?;
            }
            if let Some(source) = &published.source {
                writeln!(out, "  {source}")?;
            }
        }
        writeln!(out)?;
        match self.data {
            Data::Loaded(data) => {
                writeln!(
                    out,
                    "Memory (kept for the backward pass) and FLOPs (forward) are those of an average graph of {}.",
                    data.name
                )
            }
            Data::Missing { name } => {
                writeln!(
                    out,
                    "Sizes stay symbolic: {name} is not on this machine; name its folder with --data-dir."
                )
            }
            Data::None => writeln!(out, "Sizes stay symbolic without data."),
        }
    }

    fn print_stages(&self, out: &mut dyn Write) -> io::Result<()> {
        let has_costs = self.stages.iter().any(|stage| stage.flops.is_some());
        let mut header = vec!["#", "Stage", "From", "Result", "Moves", "Parameters"];
        if has_costs {
            header.extend(["Memory", "FLOPs"]);
        }
        let mut table = plain_table();
        table.set_header(header);
        let mut scope: &[String] = &[];
        for stage in &self.stages {
            let node = stage.node;
            if scope != node.scope.as_slice() && !node.scope.is_empty() {
                table.add_row(["", &format!("{}:", node.scope.join(", "))]);
            }
            scope = &node.scope;
            let from =
                stage.inputs.iter().map(|input| input.index().to_string()).collect::<Vec<_>>().join(", ");
            let is_plain = stage.inputs.len() == 1 && stage.inputs[0].index() + 1 == stage.idx.index();
            let mut row = vec![
                stage.idx.index().to_string(),
                stage_text(node),
                if is_plain { String::new() } else { from },
                node.ty.to_string(),
                symmetry(&node.ty.symmetry).to_owned(),
                count(&stage.parameters),
            ];
            if has_costs {
                row.push(bytes(stage.memory_bytes.unwrap_or(0.0)));
                row.push(scaled(stage.flops.unwrap_or(0.0), "", 1000.0));
            }
            table.add_row(row);
        }
        let mut total = vec![String::new(), "total".into(), String::new(), String::new(), String::new()];
        total.push(count(&self.parameters()));
        if has_costs {
            let sum = |of: fn(&Stage) -> Option<f64>| self.stages.iter().filter_map(of).sum();
            total.push(bytes(sum(|stage| stage.memory_bytes)));
            total.push(scaled(sum(|stage| stage.flops), "", 1000.0));
        }
        table.add_row(total);
        for column in if has_costs { vec![0, 5, 6, 7] } else { vec![0, 5] } {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        write_table(out, &table)
    }

    fn json(&self) -> Value {
        let model = self.model;
        let stage = |stage: &Stage| {
            let node = stage.node;
            json!({
                "index": stage.idx.index(),
                "operator": node.op.name(),
                "name": node.name,
                "arguments": arguments(&node.args, node.op.args()),
                "inputs": stage.inputs.iter().map(|input| input.index()).collect::<Vec<_>>(),
                "type": node.ty.to_string(),
                "symmetry": symmetry(&node.ty.symmetry),
                "weights": stage.weights.iter().map(|(name, size)| json!({ "name": name, "size": size_json(size) })).collect::<Vec<_>>(),
                "parameters": size_json(&stage.parameters),
                "memory_bytes": stage.memory_bytes,
                "flops": stage.flops,
                "scope": node.scope,
                "inferred": node.is_inferred,
            })
        };
        json!({
            "task": model.task.name(),
            "outputs": size_json(&model.outputs.size),
            "stages": self.stages.iter().map(stage).collect::<Vec<_>>(),
            "parameters": size_json(&self.parameters()),
            "loss": model.losses.iter().map(|term| json!({ "loss": term.loss.name(), "weight": term.weight })).collect::<Vec<_>>(),
            "data": model.data.as_ref().map(describe::call),
            "train": arguments(&model.train, crate::train::TRAIN_SECTION),
            "evaluate": arguments(&model.evaluate, crate::train::EVALUATE_SECTION),
            "published": model.published.as_ref().map(|published| json!({
                "figures": published.figures.iter().map(|(name, value)| json!({ "metric": name, "value": value })).collect::<Vec<_>>(),
                "source": published.source,
            })),
        })
    }
}

/// The stage as a call with the arguments written, its name, and below it the defaults filled in.
fn stage_text(node: &Node) -> String {
    let args = |is_written: bool| {
        let args = node.args.0.iter().filter(move |arg| arg.span.is_some() == is_written);
        let args = args.filter(|arg| !matches!(arg.value, ArgValue::Absent | ArgValue::Pipeline));
        args.map(|arg| format!("{} = {}", arg.name, describe::value(&arg.value, None))).collect::<Vec<_>>()
    };
    let mut text = node.op.name().to_owned();
    if node.is_inferred {
        text.push_str(" (put in)");
    }
    let written = args(true);
    if !written.is_empty() {
        text.push_str(&format!("({})", written.join(", ")));
    }
    if let Some(name) = &node.name {
        text.push_str(&format!(" as {name}"));
    }
    let mut width = usize::MAX;
    for default in args(false) {
        // Defaults fill lines of their own, so that the column stays narrow.
        let len = default.chars().count() + 2;
        let is_new_line = width.saturating_add(len) > 34;
        text.push_str(if !is_new_line {
            ", "
        } else if width == usize::MAX {
            "\n  default "
        } else {
            ",\n  "
        });
        width = if is_new_line { len + if width == usize::MAX { 8 } else { 0 } } else { width + len };
        text.push_str(&default);
    }
    text
}

fn symmetry(symmetry: &Symmetry) -> &'static str {
    match symmetry {
        Symmetry::Equivariant => "with the nodes",
        Symmetry::Invariant => "not at all",
        Symmetry::Poisoned(_) => "unpredictably",
    }
}

/// Keys with their values; a value that the file does not give is marked.
fn settings(args: &Args, specs: &[ArgSpec]) -> Table {
    let mut table = plain_table();
    for arg in &args.0 {
        let spec = specs.iter().find(|spec| spec.name == arg.name);
        let origin = if arg.span.is_some() { "" } else { "(default)" };
        table.add_row([arg.name, &describe::value(&arg.value, spec), origin]);
    }
    table
}

fn arguments(args: &Args, specs: &[ArgSpec]) -> Value {
    let all = args.0.iter().map(|arg| {
        let spec = specs.iter().find(|spec| spec.name == arg.name);
        let value = match &arg.value {
            ArgValue::Int(value) => json!(value),
            ArgValue::Float(value) => json!(value),
            ArgValue::Bool(value) => json!(value),
            ArgValue::Text(text) => json!(text),
            ArgValue::Choice(word) => json!(word),
            ArgValue::IntList(list) => json!(list),
            ArgValue::ChoiceList(list) => json!(list),
            ArgValue::Absent => Value::Null,
            ArgValue::Pipeline | ArgValue::Call(_) => json!(describe::value(&arg.value, spec)),
        };
        let mut entry = json!({ "value": value, "is_default": arg.span.is_none() });
        if arg.value == ArgValue::Absent {
            entry["inferred"] = json!(describe::value(&arg.value, spec));
        }
        (arg.name.to_owned(), entry)
    });
    Value::Object(all.collect())
}

/// A number where the size is known, else its symbolic text.
fn size_json(size: &Size) -> Value {
    size.known().map_or_else(|| json!(size.to_string()), |count| json!(count))
}

/// The known parts as one number, the symbolic ones as they are.
fn sum(sizes: impl Iterator<Item = Size>) -> Size {
    let (mut known, mut symbolic) = (0, Vec::new());
    for size in sizes {
        match (size.known(), size) {
            (Some(count), _) => known += count,
            (None, Size::Sum(parts)) => {
                for part in parts {
                    match part.known() {
                        Some(count) => known += count,
                        None => symbolic.push(part),
                    }
                }
            }
            (None, size) => symbolic.push(size),
        }
    }
    if known > 0 || symbolic.is_empty() {
        symbolic.push(Size::Known(known));
    }
    if symbolic.len() == 1 { symbolic.remove(0) } else { Size::Sum(symbolic) }
}

/// `12,345`; nothing for 0.
fn count(size: &Size) -> String {
    match size.known() {
        Some(0) => String::new(),
        Some(count) => {
            let digits = count.to_string();
            let groups: Vec<&str> = digits
                .as_bytes()
                .rchunks(3)
                .rev()
                .map(|group| std::str::from_utf8(group).unwrap_or(""))
                .collect();
            groups.join(",")
        }
        None => size.to_string(),
    }
}

/// `1.5 MiB`
fn bytes(count: f64) -> String {
    scaled(count, "B", 1024.0)
}

/// Three digits and a prefix; nothing for 0.
fn scaled(value: f64, unit: &str, step: f64) -> String {
    if value == 0.0 {
        return String::new();
    }
    let infix = if step == 1024.0 { "i" } else { "" };
    let (mut value, mut prefix) = (value, "");
    for next in ["k", "M", "G", "T"] {
        if value < step {
            break;
        }
        (value, prefix) = (value / step, next);
    }
    let digits = if prefix.is_empty() || value >= 100.0 { 0 } else { 1 };
    let infix = if prefix.is_empty() { "" } else { infix };
    let space = if unit.is_empty() && prefix.is_empty() { "" } else { " " };
    format!("{value:.digits$}{space}{prefix}{infix}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_reading() {
        assert_eq!(count(&Size::Known(1_234_567)), "1,234,567");
        assert_eq!(bytes(1536.0), "1.5 kiB");
        assert_eq!(scaled(12_345_678.0, "", 1000.0), "12.3 M");
        assert_eq!(scaled(0.0, "", 1000.0), "");
    }

    #[test]
    fn sums_keep_what_is_symbolic() {
        let product = Size::Product(vec![Size::Symbol("F"), Size::Known(64)]);
        let total = sum([Size::Known(64), product, Size::Known(6)].into_iter());
        assert_eq!(total.to_string(), "F·64+70");
    }
}
