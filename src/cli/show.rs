//! `hgnnc show`: what a file builds, stage by stage, and every setting with its default filled in.

use super::source::{self, Compiled, Data, LocalData, Need};
use super::table::{Table, plain_table, write_table};
use super::{Exit, Failure, Format, Global, describe, steps};
use crate::args::{ArgSpec, ArgValue, Args, listed};
use crate::check;
use crate::ir::{Author, LossTerm, Model, Node, Scope};
use crate::ops::{self, LossKind};
use crate::plan::words::{Count, bytes, grouped, scaled};
use crate::plan::{Launch, average_costs, listing};
use crate::settings::data::features;
use crate::types::{Dim, Entity, SizesWithData};
use petgraph::graph::NodeIndex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Print what a file builds: stages with types, symmetry, parameters and cost, and all settings
///
/// Every default is filled in and marked. The data that the file names is read if it is on this machine; then sizes
/// are numbers, and memory and FLOPs are those of an average graph. Otherwise sizes stay symbolic.
///
/// With `--program`: the steps of one pass of training, forward and backward, in the order in which they run. Of each
/// the kernel, and what it makes: rows, widths, symmetry, cost.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hgnnc show model.hgnn\n  hgnnc show models/proteins_gcn.hgnn --data-dir data\n  \
    hgnnc show model.hgnn --format json\n  hgnnc show model.hgnn --program --stage 3\n\nExit codes: 0 shown, 1 the file has errors, 2 could not run"
)]
pub struct Show {
    /// The file; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: String,
    /// Print the steps as they will run, forward and backward, instead of the stages
    #[arg(long)]
    program: bool,
    /// Only the steps of this stage, counted from 0 as in `hgnnc show FILE`
    #[arg(long, value_name = "N", requires = "program")]
    stage: Option<usize>,
    #[command(flatten)]
    data: LocalData,
}

impl Show {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let options = self.data.options();
        let compiled = source::compile_with(&self.file, options.as_ref(), Need::Facts)?;
        let Some(model) = &compiled.model else {
            // As JSON, what is printed is one document: the findings or the failure.
            if compiled.has_errors() || global.format != Format::Json {
                source::print_findings(&compiled, global)?;
            }
            if !compiled.has_errors() {
                return Err(Failure::new(format!("`{}` defines no model to show", self.file))
                    .help("its definitions are for other files; show one that uses them"));
            }
            return Ok(Exit::Findings);
        };
        if self.program {
            return self.show_program(model.get(), &compiled, global);
        }
        let shown = Shown::new(model.get(), &compiled);
        let out = &mut super::stdout();
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

impl Show {
    /// The steps of one pass of training.
    fn show_program(&self, model: &Model, compiled: &Compiled, global: &Global) -> Result<Exit, Failure> {
        let n_stages = model.graph.node_count();
        if let Some(stage) = self.stage.filter(|&stage| stage >= n_stages) {
            let last = n_stages - 1;
            return Err(Failure::of_usage(format!("`{}` has no stage {stage}", self.file))
                .help(format!("its stages are 0 to {last}; `hgnnc show {}` lists them", self.file)));
        }
        let facts = compiled.data.facts();
        let listing = listing(model, facts.as_ref());
        // An activation runs inside of the stage before, and a stage that nothing reads does not run.
        let of = self.stage.map(|stage| listing.runs(stage).unwrap_or(stage));
        let out = &mut super::stdout();
        if global.format == Format::Json {
            let steps = json!({
                "data": facts.as_ref().map(|facts| &facts.name),
                "forward": steps::json_of(&listing.forward, of),
                "backward": steps::json_of(&listing.backward, of),
            });
            serde_json::to_writer_pretty(&mut *out, &steps).map_err(io::Error::from)?;
            writeln!(out)?;
            return Ok(Exit::Clean);
        }
        source::print_findings(compiled, global)?;
        if let Some(stages) = model.machine() {
            let [kernel, machine] = stages.map(|stage| model.graph[stage].op.name());
            writeln!(
                out,
                "{}: no steps of training: `{kernel}` is counted and compared once, and `{machine}` is solved",
                self.file
            )?;
            return Ok(Exit::Clean);
        }
        let what = self.stage.map_or(String::new(), |stage| format!(" of stage {stage}"));
        writeln!(out, "{}: the steps{what} in one pass of training\n", self.file)?;
        let is_shown = |launch: &&Launch| of.is_none() || launch.stage == of;
        let shown: Vec<&Launch> = listing.forward.iter().chain(&listing.backward).filter(is_shown).collect();
        if shown.is_empty() {
            let stage = self.stage.unwrap_or(0);
            let why = match listing.runs(stage) {
                Some(_) => "it runs no kernel",
                None => "nothing reads its value, so it is not run",
            };
            writeln!(out, "Stage {stage} is {}: {why}.", stage_text(&model.graph[NodeIndex::new(stage)]))?;
            return Ok(Exit::Clean);
        }
        writeln!(out, "Forward")?;
        steps::write_pass(out, model, &listing, &listing.forward, of)?;
        writeln!(out, "\nBackward")?;
        steps::write_pass(out, model, &listing, &listing.backward, of)?;
        writeln!(out)?;
        steps::write_legend(out, &shown)?;
        match &facts {
            Some(facts) if shown.iter().any(|launch| launch.cost.is_some()) => {
                writeln!(out, "Memory and FLOPs are those of an average graph of {}.", facts.name)?;
            }
            _ => writeln!(out, "Sizes stay symbolic without data.")?,
        }
        steps::write_words(out, &shown)?;
        Ok(Exit::Clean)
    }
}

/// One row of the stage table.
struct Stage<'a> {
    idx: NodeIndex,
    node: &'a Node,
    inputs: Vec<NodeIndex>,
    weights: Vec<(&'static str, Count)>,
    parameters: Count,
    /// Per average graph; `None` while sizes are symbolic.
    flops: Option<f64>,
    memory_bytes: Option<f64>,
}

struct Shown<'a> {
    model: &'a Model,
    data: &'a Data,
    stages: Vec<Stage<'a>>,
    /// What the file leaves open: the name of each value, and what it may be.
    open: Vec<[String; 2]>,
}

impl<'a> Shown<'a> {
    fn new(model: &'a Model, compiled: &'a Compiled) -> Self {
        let costs = compiled.data.facts().and_then(|facts| average_costs(model, &facts));
        let mut sizes = compiled.data.facts().map(|facts| SizesWithData::new(&facts));
        let mut filled = |dim: Dim| match &mut sizes {
            Some(sizes) => Dim { size: sizes.of(&dim.size), ..dim },
            None => dim,
        };
        let stage = |(idx, node): (NodeIndex, &'a Node)| {
            let inputs = model.inputs(idx);
            let trained = model.own_weights(idx).into_iter().filter(|weight| weight.is_trained);
            let weights: Vec<_> = trained
                .map(|weight| {
                    let shape: Vec<Dim> = weight.shape.into_iter().map(&mut filled).collect();
                    (weight.name, Count::of_shapes([shape.as_slice()]))
                })
                .collect();
            let parameters = total(weights.iter().map(|(_, count)| count));
            let cost = costs.as_ref().map(|costs| costs[idx.index()]);
            Stage {
                idx,
                node,
                inputs,
                weights,
                parameters,
                flops: cost.map(|cost| cost.flops),
                memory_bytes: cost.map(|cost| cost.kept_bytes),
            }
        };
        let space = crate::search::find(&compiled.program).space;
        let open = space.iter().flat_map(|space| &space.sites).map(|site| {
            let text = compiled.sources.text(site.span);
            let values = text.strip_prefix("search(").and_then(|text| text.strip_suffix(')')).unwrap_or(text);
            [site.name.clone(), values.split_whitespace().collect::<Vec<_>>().join(" ")]
        });
        let open = open.collect();
        Self { model, data: &compiled.data, stages: model.nodes().map(stage).collect(), open }
    }

    fn parameters(&self) -> Count {
        total(self.stages.iter().map(|stage| &stage.parameters))
    }

    fn print(&self, out: &mut dyn Write, path: &str) -> io::Result<()> {
        let model = self.model;
        let task = model.task.name().replace('_', " ");
        let outputs = if model.outputs.known() == Some(1) { "output" } else { "outputs" };
        writeln!(out, "{path}: {task}, {} {outputs}\n", model.outputs.size)?;
        self.print_stages(out)?;
        self.print_defaults(out)?;
        writeln!(out, "\nLoss")?;
        if let Some([_, machine]) = model.machine() {
            writeln!(out, "  hinge loss, in `{}`", model.graph[machine].op.name())?;
        }
        let mut table = plain_table();
        for term in &model.losses {
            let args = term.args.0.iter().filter(|arg| arg.value != ArgValue::Absent);
            let args = args.map(|arg| format!("{} = {}", arg.name, describe::value(&arg.value, None)));
            let levels: Vec<String> = levels_of(model, term).iter().map(u32::to_string).collect();
            let levels = match levels.len() {
                0 => String::new(),
                1 => format!("of level {}", levels[0]),
                _ => format!("of levels {}", listed(&levels)),
            };
            let call = call_text(term.loss.name(), args.collect());
            table.add_row([call, format!("weight {}", term.weight), levels]);
        }
        write_table(out, &table)?;
        let train = trained_by(model);
        for (title, args, specs) in [
            ("Train", &train, crate::settings::TRAIN_SECTION),
            ("Evaluate", &measured_by(model), crate::settings::EVALUATE_SECTION),
        ] {
            writeln!(out, "\n{title}")?;
            write_table(out, &settings(args, specs))?;
        }
        if !self.open.is_empty() {
            writeln!(out, "\nOpen values; the model above has the first of each")?;
            let mut table = plain_table();
            self.open.iter().for_each(|row| table.add_row(row));
            write_table(out, &table)?;
        }
        if let Some(data) = &model.data {
            writeln!(out, "\nData\n  {}", describe::call(data))?;
            if let Some(facts) = self.data.facts().filter(|facts| !facts.feature_columns.is_empty()) {
                writeln!(out, "  columns: {}", facts.feature_columns)?;
            }
            if features::with_signs(data, "random").is_some() {
                writeln!(
                    out,
                    "  symmetry: up to the signs of eigenvectors, which each training batch draws anew"
                )?;
            }
        }
        if let Some(published) = &model.published {
            writeln!(out, "\nPublished")?;
            for (name, value) in &published.figures {
                writeln!(out, "  {name} {value}")?;
            }
            if let Some(tolerance) = published.tolerance {
                writeln!(out, "  tolerance {tolerance}")?;
            }
            if let Some(source) = &published.source {
                writeln!(out, "  {source}")?;
            }
        }
        writeln!(out)?;
        if let Some(facts) = self.data.facts() {
            return writeln!(
                out,
                "Memory (kept for the backward pass) and FLOPs (forward) are those of an average graph of {}.",
                facts.name
            );
        }
        match self.data {
            Data::Absent(finding) => {
                writeln!(out, "Sizes stay symbolic: {}.", finding.message)?;
                let mut help = finding.help.iter().flat_map(|help| help.lines());
                help.try_for_each(|line| writeln!(out, "  {line}"))
            }
            _ => writeln!(out, "Sizes stay symbolic without data."),
        }
    }

    fn print_stages(&self, out: &mut dyn Write) -> io::Result<()> {
        let has_costs = self.stages.iter().any(|stage| stage.flops.is_some());
        let mut header = vec!["#", "Stage", "From", "Result", "Symmetry", "Parameters"];
        if has_costs {
            header.extend(["Memory", "FLOPs"]);
        }
        let mut table = plain_table();
        table.set_header(header);
        let mut scope = &Scope::default();
        for stage in &self.stages {
            let node = stage.node;
            if !scope.reads_like(&node.scope) && !node.scope.is_empty() {
                table.add_row(["", &format!("{}:", node.scope.texts().join(" › "))]);
            }
            scope = &node.scope;
            let from = numbers(&stage.inputs);
            let is_plain = stage.inputs.len() == 1 && stage.inputs[0].index() + 1 == stage.idx.index();
            let mut row = vec![
                stage.idx.index().to_string(),
                stage_text(node),
                if is_plain { String::new() } else { from },
                node.ty.to_string(),
                node.ty.symmetry.word().to_owned(),
                match node.shares {
                    Some(owner) => format!("of {}", owner.index()),
                    None => stage.parameters.to_string(),
                },
            ];
            if has_costs {
                row.push(bytes(stage.memory_bytes.unwrap_or(0.0)));
                row.push(scaled(stage.flops.unwrap_or(0.0), ""));
            }
            table.add_row(row);
        }
        table.align_right(&[0, 5, 6, 7]);
        write_table(out, &table)?;
        let parameters = self.parameters().to_string();
        let parameters = if parameters.is_empty() { "no" } else { &parameters };
        write!(out, "\nTotal: {parameters} parameters")?;
        if has_costs {
            let sum = |of: fn(&Stage) -> Option<f64>| self.stages.iter().filter_map(of).sum();
            let (memory, flops) = (bytes(sum(|stage| stage.memory_bytes)), sum(|stage| stage.flops));
            write!(out, ", {memory}, {} FLOPs", scaled(flops, ""))?;
        }
        writeln!(out)?;
        self.print_added(out)
    }

    /// Where stages come from that the file does not have.
    fn print_added(&self, out: &mut dyn Write) -> io::Result<()> {
        let has = |author: Author| self.stages.iter().any(|stage| stage.node.author == author);
        if has(Author::Default) {
            writeln!(out, "(default): the value of an argument that is left out")?;
        }
        let added = |is_of_edges: bool| {
            let mut added = self.stages.iter().filter(|stage| stage.node.author == Author::Compiler);
            added.any(|stage| {
                let entity = stage.node.ty.entity;
                entity != Entity::Pairs && entity.is_of_edges() == is_of_edges
            })
        };
        if self.stages.iter().any(|stage| ops::is_same(stage.node.op, ops::EDGES_OF_PAIRS)) {
            let mean = "of an edge that stands for its reverse too, the mean of both";
            writeln!(out, "edges_of_pairs (added): the values of the edges that are asked about; {mean}")?;
        }
        if added(false) {
            writeln!(
                out,
                "(added): an assignment has one feature per cluster, and `assign` ends in another width"
            )?;
        }
        if self.stages.iter().any(|stage| stage.node.shares.is_some()) {
            writeln!(out, "(of 2): a stage that shares the weights of stage 2")?;
        }
        if added(true) {
            let (rows, sums) =
                ("of those that a selection keeps", "the sums over those that a contraction makes one");
            writeln!(out, "(added): of a value of the edges, the rows {rows}, or {sums}")?;
        }
        Ok(())
    }

    /// What the operators do that the file does not say.
    fn print_defaults(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = plain_table();
        let mut seen: Vec<(&str, String)> = Vec::new();
        for stage in &self.stages {
            let (name, defaults) = (stage.node.op.name(), arguments_where(stage.node, false).join(", "));
            if !defaults.is_empty() && !seen.contains(&(name, defaults.clone())) {
                table.add_row([name, &defaults]);
                seen.push((name, defaults));
            }
        }
        if seen.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nDefaults of the stages")?;
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
                "symmetry": node.ty.symmetry.word(),
                "weights": stage.weights.iter().map(|(name, size)| json!({ "name": name, "size": size })).collect::<Vec<_>>(),
                "parameters": stage.parameters,
                "shares_weights_of": node.shares.map(NodeIndex::index),
                "memory_bytes": stage.memory_bytes,
                "flops": stage.flops,
                "scope": node.scope.texts(),
                "inferred": node.author != Author::File,
                "author": match node.author {
                    Author::File => "file",
                    Author::Default => "default",
                    Author::Compiler => "compiler",
                },
            })
        };
        json!({
            "task": model.task.name(),
            "outputs": Count::from(&model.outputs.size),
            "stages": self.stages.iter().map(stage).collect::<Vec<_>>(),
            "parameters": self.parameters(),
            "loss": model.losses.iter().map(|term| loss_json(model, term)).collect::<Vec<_>>(),
            "data": model.data.as_ref().map(describe::call),
            "train": arguments(&trained_by(model), crate::settings::TRAIN_SECTION),
            "evaluate": arguments(&measured_by(model), crate::settings::EVALUATE_SECTION),
            "open": self.open.iter().map(|[name, values]| json!({ "name": name, "values": values })).collect::<Vec<_>>(),
            "published": model.published.as_ref().map(|published| json!({
                "figures": published.figures.iter().map(|(name, value)| json!({ "metric": name, "value": value })).collect::<Vec<_>>(),
                "source": published.source,
                "tolerance": published.tolerance,
            })),
        })
    }
}

/// The settings of `train` that have an effect.
fn trained_by(model: &Model) -> Args {
    let mut args = model.train.clone();
    args.0.retain(|arg| check::kernel::has_effect(model, arg.name));
    args
}

/// The settings of `evaluate` that have an effect: those of a search where values are open.
fn measured_by(model: &Model) -> Args {
    let mut args = model.evaluate.clone();
    let is_searched = !model.search.is_empty();
    args.0.retain(|arg| is_searched || !["search", "prune", "choose_by"].contains(&arg.name));
    args
}

/// Stages that are listed as the inputs of one; of more, the others are counted.
const MAX_INPUTS: usize = 12;

/// `1, 4`; of many inputs the first ones, and how many more there are.
fn numbers(inputs: &[NodeIndex]) -> String {
    let shown = inputs.iter().take(MAX_INPUTS).map(|input| input.index().to_string());
    let n_more = inputs.len().saturating_sub(MAX_INPUTS);
    let more = (n_more > 0).then(|| format!("and {} more", grouped(n_more)));
    shown.chain(more).collect::<Vec<_>>().join(", ")
}

/// The stage as a call with the arguments written, and its name.
pub(super) fn stage_text(node: &Node) -> String {
    let mut text = call_text(node.op.name(), arguments_where(node, true));
    text.push_str(match node.author {
        Author::File => "",
        Author::Default => " (default)",
        Author::Compiler => " (added)",
    });
    if let Some(name) = &node.name {
        text.push_str(&format!(" as {name}"));
    }
    text
}

fn call_text(name: &str, args: Vec<String>) -> String {
    if args.is_empty() { name.to_owned() } else { format!("{name}({})", args.join(", ")) }
}

/// `name = value` of the arguments that are written, or of those that are not.
fn arguments_where(node: &Node, is_written: bool) -> Vec<String> {
    let args = node.args.0.iter().filter(|arg| arg.span.is_some() == is_written);
    let args = args.filter(|arg| !matches!(arg.value, ArgValue::Absent | ArgValue::Pipeline));
    args.map(|arg| format!("{} = {}", arg.name, describe::value(&arg.value, None))).collect()
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

fn loss_json(model: &Model, term: &LossTerm) -> Value {
    let mut entry = json!({
        "loss": term.loss.name(),
        "arguments": arguments(&term.args, term.loss.args()),
        "weight": term.weight,
    });
    if term.loss.kind() == LossKind::Auxiliary {
        entry["levels"] = json!(levels_of(model, term));
    }
    entry
}

/// The levels whose stages a term adds up; none of a loss of the task.
fn levels_of(model: &Model, term: &LossTerm) -> BTreeSet<u32> {
    model.reporters(term).into_iter().map(|node| model.graph[node].ty.level.0).collect()
}

fn arguments(args: &Args, specs: &[ArgSpec]) -> Value {
    let all = args.0.iter().map(|arg| {
        let spec = specs.iter().find(|spec| spec.name == arg.name);
        // A pipeline that is the default is as little written as a value that is inferred.
        let absent = ArgValue::Absent;
        let is_left_out = arg.value == ArgValue::Pipeline && arg.span.is_none();
        let given = if is_left_out { &absent } else { &arg.value };
        let value = match given {
            ArgValue::Int(value) => json!(value),
            ArgValue::Float(value) => json!(value),
            ArgValue::Bool(value) => json!(value),
            ArgValue::Text(text) => json!(text),
            ArgValue::Choice(word) => json!(word),
            ArgValue::IntList(list) => json!(list),
            ArgValue::FloatList(list) => json!(list),
            ArgValue::ChoiceList(list) => json!(list),
            ArgValue::Absent => Value::Null,
            ArgValue::Calls(calls) => calls.iter().map(describe::call).collect(),
            ArgValue::Pipeline | ArgValue::Call(_) => json!(describe::value(&arg.value, spec)),
        };
        let mut entry = json!({ "value": value, "is_default": arg.span.is_none() });
        if *given == absent {
            entry["inferred"] = json!(describe::value(given, spec));
        }
        (arg.name.to_owned(), entry)
    });
    Value::Object(all.collect())
}

fn total<'a>(counts: impl Iterator<Item = &'a Count>) -> Count {
    let mut sum = Count::default();
    counts.for_each(|count| sum.add(count));
    sum
}
