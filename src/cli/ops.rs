//! `hgnnc ops`: the reference of everything that a file can call, out of the catalogue's own data.

use super::table::{plain_table, write_table};
use super::{Exit, Failure, Format, Global, describe, steps};
use crate::args::{ArgKind, ArgSpec, CallSpec};
use crate::check::Checked;
use crate::elsewhere::reads_the_same;
use crate::ir::Model;
use crate::ops::combinators::{COMBINATORS, Combinator};
use crate::ops::program::{Described, Options, describe as described};
use crate::ops::{CATALOGUE, FactCx, Family, LOSSES, Loss, LossKind, Operator, Pyg, WeightSpec};
use crate::plan::{Launch, listing};
use crate::program::symmetry::symmetry;
use crate::program::words::meanings;
use crate::program::{Id, Op, Program, text};
use crate::settings::catalogue;
use crate::source::SourceMap;
use crate::types::Type;
use crate::{check, settings, syntax};
use petgraph::graph::NodeIndex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Print the reference: all operators, losses, data sources and training settings, or one in full
///
/// The reference is made from the operators themselves: arguments with their ranges and defaults, shapes, weights, the
/// program that computes the formula and the counterpart in PyTorch Geometric. A convolution that a file defines has such
/// a page too: its `///` lines, arguments, weights and program, with the sizes of the first stage that uses it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hgnnc ops\n  hgnnc ops diffpool\n  hgnnc ops convolution --format short\n  \
    hgnnc ops train\n  hgnnc ops GATv2Conv\n  hgnnc ops Kipf\n  hgnnc ops gated model.hgnn\n\n\
    Exit codes: 0 printed, 1 the file has errors, 2 nothing has that name"
)]
pub struct Ops {
    #[arg(value_name = "NAME", help = super::help::groups())]
    name: Option<String>,
    /// A file that defines a convolution of that name with `conv`; `-` reads standard input
    #[arg(value_name = "FILE", requires = "name")]
    file: Option<String>,
}

/// One thing that a file can name.
enum Entry {
    Operator(&'static dyn Operator),
    Loss(&'static dyn Loss),
    Combinator(&'static Combinator),
    Call(&'static CallSpec),
    /// The keys of a section.
    Section {
        name: &'static str,
        doc: &'static str,
        keys: &'static [ArgSpec],
    },
}

struct Group {
    /// As a file calls it (`optimizer`), to print the group alone.
    key: &'static str,
    title: &'static str,
    entries: Vec<Entry>,
}

/// What a group is called by.
pub fn group_names() -> Vec<&'static str> {
    groups().iter().map(|group| group.key).collect()
}

fn groups() -> Vec<Group> {
    let family = |key, title, family| Group {
        key,
        title,
        entries: CATALOGUE.iter().filter(|op| op.family() == family).map(|&op| Entry::Operator(op)).collect(),
    };
    let calls = |key, title| Group {
        key,
        title,
        entries: catalogue(key).iter().map(|&spec| Entry::Call(spec)).collect(),
    };
    let mut structure = family("structure", "Structure", Family::Structure);
    structure.entries.extend(COMBINATORS.iter().map(Entry::Combinator));
    structure.entries.extend(crate::ops::INPUTS.iter().map(|&op| Entry::Operator(op)));
    let mut groups = vec![
        family("convolution", "Convolutions", Family::Convolution),
        family("pooling", "Pooling", Family::Pooling),
        family("readout", "Readouts", Family::Readout),
        family("normalization", "Normalisation", Family::Normalization),
        family("activation", "Activations", Family::Activation),
        family("dense", "Dense layers", Family::Dense),
        family("decoder", "Decoders", Family::Decoder),
        family("kernel", "Graph kernels", Family::Kernel),
        structure,
        Group {
            key: "loss",
            title: "Losses",
            entries: LOSSES.iter().map(|&loss| Entry::Loss(loss)).collect(),
        },
        calls("data", "Data sources"),
        calls("feature", "Node features"),
        calls("negatives", "Negative sampling"),
        calls("optimizer", "Optimisers"),
        calls("schedule", "Learning-rate schedules"),
        calls("early_stop", "Early stopping"),
        calls("protocol", "Evaluation protocols"),
        Group {
            key: "section",
            title: "Sections",
            entries: vec![
                Entry::Section {
                    name: "train",
                    doc: "How the weights are found: `train { … }`.",
                    keys: crate::settings::TRAIN_SECTION,
                },
                Entry::Section {
                    name: "evaluate",
                    doc: "How the result is measured: `evaluate { … }`.",
                    keys: crate::settings::EVALUATE_SECTION,
                },
            ],
        },
    ];
    groups.retain(|group| !group.entries.is_empty());
    groups
}

impl Entry {
    fn name(&self) -> &'static str {
        match self {
            Entry::Operator(op) => op.name(),
            Entry::Loss(loss) => loss.name(),
            Entry::Combinator(combinator) => combinator.spec.name,
            Entry::Call(spec) => spec.name,
            Entry::Section { name, .. } => name,
        }
    }

    fn summary(&self) -> &'static str {
        match self {
            Entry::Operator(op) => op.doc().summary,
            Entry::Loss(loss) => loss.doc().summary,
            Entry::Combinator(combinator) => combinator.doc.summary,
            Entry::Call(spec) => spec.doc,
            Entry::Section { doc, .. } => doc,
        }
    }

    /// How the files of a data source are laid out, or empty.
    fn reference(&self) -> &'static str {
        match self {
            Entry::Call(spec) => settings::data::find(spec.name).map_or("", |source| source.reference()),
            _ => "",
        }
    }

    fn args(&self) -> &'static [ArgSpec] {
        match self {
            Entry::Operator(op) => op.args(),
            Entry::Loss(loss) => loss.args(),
            Entry::Combinator(combinator) => combinator.spec.args,
            Entry::Call(spec) => spec.args,
            Entry::Section { keys, .. } => keys,
        }
    }

    /// The counterpart in PyTorch Geometric.
    fn pyg(&self) -> Option<Pyg> {
        let pyg = match self {
            Entry::Operator(op) => op.pyg(),
            Entry::Loss(loss) => loss.pyg(),
            _ => return None,
        };
        (!pyg.class.is_empty()).then_some(pyg)
    }

    fn doc(&self) -> Option<crate::ops::Doc> {
        match self {
            Entry::Operator(op) => Some(op.doc()),
            Entry::Loss(loss) => Some(loss.doc()),
            Entry::Combinator(combinator) => Some(combinator.doc),
            _ => None,
        }
    }

    /// The operator where it stands in its example.
    fn in_example(&self) -> Option<Example> {
        let Entry::Operator(op) = *self else { return None };
        let mut sources = SourceMap::default();
        let main = sources.add("example", op.doc().example);
        let no_files = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
        let (program, _) = syntax::load_program(&mut sources, main, &no_files);
        let model = check::check(&program, None).model?;
        let stage = model.get().nodes().find(|(_, node)| node.op.name() == op.name())?.0;
        Some(Example { model, stage, sizes: "the example".to_owned() })
    }

    fn json(&self, group: &str) -> Value {
        let pyg = self.pyg();
        let renamed = pyg.map(|pyg| pyg.arguments).unwrap_or_default();
        let doc = self.doc();
        let example = self.in_example();
        json!({
            "name": self.name(),
            "group": group,
            "summary": self.summary(),
            "formula": doc.map(|doc| doc.formula),
            "paper": doc.map(|doc| doc.paper).filter(|paper| !paper.is_empty()),
            "example": doc.map(|doc| doc.example).filter(|example| !example.is_empty()),
            "files": Some(self.reference()).filter(|reference| !reference.is_empty()),
            "pyg": pyg.map(|pyg| pyg.class),
            "pyg_arguments": renamed.iter().copied().collect::<BTreeMap<_, _>>(),
            "pyg_note": pyg.map(|pyg| pyg.note).filter(|note| !note.is_empty()),
            "weights": example.as_ref().map_or_else(|| json!([]), Example::weights_json),
            "program": example.as_ref().map_or(Value::Null, Example::program_json),
            "arguments": arguments_json(self.args()),
        })
    }
}

/// An operator in a model.
pub(super) struct Example {
    pub model: Checked<Model>,
    pub stage: NodeIndex,
    /// What the sizes are those of.
    pub sizes: String,
}

/// One step of an operator's program.
struct ProgramStep {
    name: String,
    text: String,
    space: &'static str,
    axes: Vec<String>,
    symmetry: &'static str,
    is_result: bool,
}

impl Example {
    fn with_facts<T>(&self, ask: impl FnOnce(&'static dyn Operator, &FactCx) -> T) -> T {
        let model = self.model.get();
        let node = &model.graph[self.stage];
        let inputs: Vec<&Type> =
            model.inputs(self.stage).into_iter().map(|input| &model.graph[input].ty).collect();
        ask(node.op, &FactCx { args: &node.args, inputs: &inputs, output: &node.ty })
    }

    fn weights(&self) -> Vec<WeightSpec> {
        self.with_facts(|op, cx| op.weights(cx))
    }

    /// The program as the operator writes it; `None` where it has none.
    fn program(&self) -> Option<Vec<ProgramStep>> {
        self.steps_of(|program| Some(program.clone()))
    }

    /// The program with its composites replaced by what they stand for; `None` where none is.
    fn in_primitives(&self) -> Option<Vec<ProgramStep>> {
        self.steps_of(|program| {
            let expanded = program.expanded();
            (expanded.values.len() != program.values.len()).then_some(expanded)
        })
    }

    fn steps_of(&self, choose: impl Fn(&Program) -> Option<Program>) -> Option<Vec<ProgramStep>> {
        let model = self.model.get();
        if model.inputs(self.stage).is_empty() {
            return None;
        }
        let Described { program, ports, .. } =
            self.with_facts(|op, cx| described(cx, Options::plain(), |cx| op.program(cx)))?;
        let program = choose(&program)?;
        // What comes in besides `x` is called by its argument, and the coarse adjacency `A`.
        let node = &model.graph[self.stage];
        let is_port = |spec: &&ArgSpec| matches!(spec.kind, ArgKind::Pipeline { .. } | ArgKind::Edges(_));
        let input = |k: usize| match ports.get(k) {
            Some(0) => "x".to_owned(),
            Some(&port) => {
                let named = node.op.args().iter().filter(is_port);
                let name = named.map(|spec| spec.name).find(|name| node.args.port(name) == Some(port));
                name.map_or_else(|| format!("x{port}"), str::to_owned)
            }
            None => "A".to_owned(),
        };
        let size = |_: Id, size: &crate::types::Size| size.to_string();
        let words = text::Words { input: &input, size: &size, through_views: false };
        let (moves, is_live) = (symmetry(&program), program.live(program.outputs.iter().copied()));
        let steps = program.values.iter().enumerate().filter(|&(idx, value)| {
            is_live[idx] && !matches!(value.op, Op::Input(_) | Op::Weight(_) | Op::Constant(_))
        });
        let step = |(idx, value): (usize, &crate::program::Value)| {
            let id = Id(idx as u32);
            ProgramStep {
                name: words.name(&program, id),
                text: text::step(&program, id, &words),
                space: value.space.word(),
                axes: value.axes.iter().map(ToString::to_string).collect(),
                symmetry: moves[idx].word(),
                is_result: program.outputs.contains(&id),
            }
        };
        Some(steps.map(step).collect())
    }

    pub fn weights_json(&self) -> Value {
        let weight = |weight: &WeightSpec| {
            json!({
                "name": weight.name,
                "shape": weight.shape.iter().map(|dim| dim.size.to_string()).collect::<Vec<_>>(),
                "is_trained": weight.is_trained,
            })
        };
        self.weights().iter().map(weight).collect()
    }

    /// Null for an operator that has no program.
    pub fn program_json(&self) -> Value {
        let step = |step: &ProgramStep| {
            json!({
                "name": step.name,
                "step": step.text,
                "space": step.space,
                "axes": step.axes,
                "symmetry": step.symmetry,
                "is_result": step.is_result,
            })
        };
        self.program().map_or(Value::Null, |steps| steps.iter().map(step).collect())
    }

    /// The program, or the kernels of an operator that has none.
    pub fn write_steps(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(steps) = self.program() {
            writeln!(out, "\nProgram, with the sizes of {}", self.sizes)?;
            write_program(out, &steps)?;
            let primitives = self.in_primitives().unwrap_or_default();
            if !primitives.is_empty() {
                writeln!(out, "\nThe same without the parts that have kernels of their own")?;
                write_program(out, &primitives)?;
            }
            return write_words(out, steps.iter().chain(&primitives).map(|step| step.text.as_str()));
        }
        let model = self.model.get();
        let listing = listing(model, None);
        let Some(stage) = listing.runs(self.stage.index()) else { return Ok(()) };
        let has = |launches: &[Launch]| launches.iter().any(|launch| launch.stage == Some(stage));
        for (title, launches) in [("forward", &listing.forward), ("backward", &listing.backward)] {
            if has(launches) {
                writeln!(out, "\nKernels {title}, with the sizes of {}", self.sizes)?;
                steps::write_pass(out, model, &listing, launches, Some(stage))?;
            }
        }
        if has(&listing.forward) {
            writeln!(
                out,
                "\n  #n is the value of stage n of the example, %a and %n are ones inside of it, ∂ is a gradient"
            )?;
        }
        Ok(())
    }
}

fn write_program(out: &mut dyn Write, steps: &[ProgramStep]) -> io::Result<()> {
    let mut table = plain_table();
    table.set_header(["Step", "Value", "Symmetry"]);
    for step in steps {
        let result = if step.is_result { " → result" } else { "" };
        let shape = format!("{}[{}]", step.space, step.axes.join(", "));
        table.add_row([&format!("{} = {}{result}", step.name, step.text), &shape, step.symmetry]);
    }
    write_table(out, &table)
}

/// What the words in steps mean.
pub(super) fn write_words<'a>(out: &mut dyn Write, steps: impl Iterator<Item = &'a str>) -> io::Result<()> {
    let told = meanings(steps);
    if told.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nWords; x, y are the values of a step, c is its number")?;
    let mut table = plain_table();
    told.into_iter().for_each(|(word, meaning)| {
        table.add_row([word, meaning]);
    });
    write_table(out, &table)
}

impl Ops {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if let (Some(name), Some(file)) = (&self.name, &self.file) {
            return super::ops_of_file::run(name, file, global);
        }
        let out = &mut super::stdout();
        let groups = groups();
        let Some(name) = &self.name else {
            print_all(out, &groups, global.format)?;
            return Ok(Exit::Clean);
        };
        // A pooling and its loss may share a name.
        let found: Vec<(&'static str, &Entry)> = groups
            .iter()
            .flat_map(|group| group.entries.iter().map(|entry| (group.title, entry)))
            .filter(|(_, entry)| entry.name() == name)
            .collect();
        if let (true, Some(group)) = (found.is_empty(), groups.iter().position(|group| group.key == name)) {
            print_all(out, &groups[group..=group], global.format)?;
            return Ok(Exit::Clean);
        }
        let (found, is_of_paper) = match found.is_empty() {
            true => found_otherwise(&groups, name),
            false => (found, false),
        };
        if is_of_paper && !found.is_empty() {
            return by_paper(out, &found, name, global.format).map(|()| Exit::Clean).map_err(Failure::from);
        }
        if found.is_empty() {
            let names =
                groups.iter().flat_map(|group| group.entries.iter().map(Entry::name).chain([group.key]));
            // A name that another library has for something is no slip of the keyboard.
            if let Some(help) = crate::findings::elsewhere::in_the_reference(name) {
                return Err(Failure::of_usage(format!("there is no `{name}` in the reference")).help(help));
            }
            return Err(Failure::of_usage(format!("there is no `{name}` in the reference")).help(
                match super::closest(name, names) {
                    Some(close) => format!("did you mean `{close}`? `hgnnc ops` lists all names"),
                    None if name.ends_with(".hgnn") => {
                        format!("write the name of a convolution before its file: `hgnnc ops NAME {name}`")
                    }
                    None => format!(
                        "`hgnnc ops` lists all names; `hgnnc ops {name} FILE` prints a convolution of a file's own"
                    ),
                },
            ));
        }
        match global.format {
            Format::Json => {
                let mut all: Vec<Value> = found.iter().map(|(title, entry)| entry.json(title)).collect();
                let json = if all.len() == 1 { all.remove(0) } else { Value::Array(all) };
                serde_json::to_writer_pretty(&mut *out, &json).map_err(io::Error::from)?;
                writeln!(out)?;
            }
            Format::Short => {
                found
                    .iter()
                    .try_for_each(|(_, entry)| writeln!(out, "{}: {}", entry.name(), entry.summary()))?;
            }
            Format::Full => {
                if found.iter().all(|(_, entry)| entry.name() != name) {
                    let names: Vec<String> =
                        found.iter().map(|(_, entry)| format!("`{}`", entry.name())).collect();
                    writeln!(out, "`{name}` is called {} here.\n", names.join(" or "))?;
                }
                for (k, (title, entry)) in found.iter().enumerate() {
                    if k > 0 {
                        writeln!(out)?;
                    }
                    page(out, title, entry)?;
                }
            }
        }
        Ok(Exit::Clean)
    }
}

/// What a name leads to that nothing here has: the counterpart of a class of another library, else what a paper proposed
/// whose authors, year or title have the word; and whether it is the latter.
fn found_otherwise<'a>(groups: &'a [Group], name: &str) -> (Vec<(&'static str, &'a Entry)>, bool) {
    let all = || groups.iter().flat_map(|group| group.entries.iter().map(|entry| (group.title, entry)));
    let called = crate::findings::elsewhere::called_here(name);
    let is_class = |class: &str| class.rsplit('.').next().is_some_and(|last| reads_the_same(last, name));
    let by_class: Vec<_> = all()
        .filter(|(_, entry)| {
            is_class(entry.pyg().map_or("", |pyg| pyg.class)) || called == Some(entry.name())
        })
        .collect();
    if !by_class.is_empty() {
        return (by_class, false);
    }
    let word = name.to_lowercase();
    let has_word = |(_, entry): &(&str, &Entry)| {
        if let Entry::Call(spec) = entry {
            return names_author(spec.doc, &word);
        }
        let paper = entry.doc().map_or("", |doc| doc.paper).to_lowercase();
        paper.split(|c: char| !c.is_alphanumeric() && c != '-').any(|part| part == word)
    };
    (all().filter(has_word).collect(), true)
}

/// Whether a text cites an author of this name, which is given in small letters.
fn names_author(text: &str, word: &str) -> bool {
    let mut letters = word.chars();
    let Some(first) = letters.next() else { return false };
    let name: String = first.to_uppercase().chain(letters).collect();
    let cited = [format!("{name} et al."), format!("{name} & "), format!("& {name} "), format!("{name} 19")];
    cited.iter().any(|cited| text.contains(cited))
}

fn by_paper(
    out: &mut dyn Write,
    found: &[(&'static str, &Entry)],
    word: &str,
    format: Format,
) -> io::Result<()> {
    let paper = |entry: &Entry| entry.doc().map_or("", |doc| doc.paper);
    match format {
        Format::Json => {
            let all: Vec<Value> = found.iter().map(|(title, entry)| entry.json(title)).collect();
            serde_json::to_writer_pretty(&mut *out, &all)?;
            writeln!(out)
        }
        Format::Short => {
            found.iter().try_for_each(|(_, entry)| writeln!(out, "{}: {}", entry.name(), paper(entry)))
        }
        Format::Full => {
            writeln!(out, "Of papers with `{word}`\n")?;
            let mut table = plain_table();
            for (_, entry) in found {
                table.add_row([entry.name(), paper(entry), entry.summary()]);
            }
            write_table(out, &table)?;
            writeln!(out, "\n`hgnnc ops NAME` prints one in full.")
        }
    }
}

fn print_all(out: &mut dyn Write, groups: &[Group], format: Format) -> io::Result<()> {
    match format {
        Format::Json => {
            let all =
                groups.iter().flat_map(|group| group.entries.iter().map(|entry| entry.json(group.title)));
            serde_json::to_writer_pretty(&mut *out, &all.collect::<Vec<_>>()).map_err(io::Error::from)?;
            writeln!(out)
        }
        Format::Short => {
            let mut entries = groups.iter().flat_map(|group| &group.entries);
            entries.try_for_each(|entry| writeln!(out, "{}: {}", entry.name(), entry.summary()))
        }
        Format::Full => list(out, groups),
    }
}

fn list(out: &mut dyn Write, groups: &[Group]) -> io::Result<()> {
    for group in groups {
        writeln!(out, "{}", group.title)?;
        let mut table = plain_table();
        for entry in &group.entries {
            table.add_row([entry.name(), entry.summary()]);
        }
        let width = groups.iter().flat_map(|group| &group.entries).map(|entry| entry.name().len()).max();
        table.widen(0, width.unwrap_or(0));
        write_table(out, &table)?;
        writeln!(out)?;
    }
    writeln!(out, "`hgnnc ops NAME` prints one in full: arguments with ranges and defaults, formula, paper.")
}

fn page(out: &mut dyn Write, title: &str, entry: &Entry) -> io::Result<()> {
    writeln!(out, "{} ({})\n", entry.name(), title.to_lowercase())?;
    let mut facts = plain_table();
    facts.add_row(["What", entry.summary()]);
    if let Some(doc) = entry.doc() {
        for (name, text) in [("Formula", doc.formula), ("Paper", doc.paper)] {
            if !text.is_empty() {
                facts.add_row([name, text]);
            }
        }
    }
    if let Some(pyg) = entry.pyg() {
        facts.add_row(["PyG", pyg.class]);
        let renamed = |(theirs, ours): &(&str, &str)| format!("its `{theirs}` is `{ours}`");
        if !pyg.arguments.is_empty() {
            facts.add_row(["", &pyg.arguments.iter().map(renamed).collect::<Vec<_>>().join(", ")]);
        }
        if !pyg.note.is_empty() {
            facts.add_row(["", pyg.note]);
        }
    }
    if let Entry::Loss(loss) = entry {
        let what = match loss.kind() {
            LossKind::Task(_) if loss.contrast().is_some() => {
                let of_nodes =
                    loss.contrast().is_some_and(|what| what.entity() == crate::types::Entity::Nodes);
                let task = if of_nodes { "node_embedding" } else { "graph_embedding" };
                format!("compares no targets: of `task = {task}`")
            }
            LossKind::Task(kind) => {
                let kinds = std::iter::once(kind)
                    .chain(loss.also_of().iter().copied())
                    .map(crate::types::TargetKind::words);
                format!("compares the output with {}", kinds.collect::<Vec<_>>().join(", or "))
            }
            LossKind::Auxiliary => "auxiliary: summed over the poolings that report it".to_owned(),
        };
        facts.add_row(["Kind", &what]);
    }
    write_table(out, &facts)?;
    write_arguments(
        out,
        if matches!(entry, Entry::Section { .. }) { "Keys" } else { "Arguments" },
        entry.args(),
    )?;
    if let Some(example) = &entry.in_example() {
        write_weights(out, example)?;
        example.write_steps(out)?;
    }
    let reference = entry.reference();
    if !reference.is_empty() {
        writeln!(out, "\nFiles")?;
        reference.lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    if let Some(doc) = entry.doc().filter(|doc| !doc.example.is_empty()) {
        writeln!(out, "\nExample")?;
        doc.example.lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    Ok(())
}

pub(super) fn arguments_json(args: &[ArgSpec]) -> Value {
    args.iter().map(describe::json).collect()
}

pub(super) fn write_arguments(out: &mut dyn Write, heading: &str, args: &[ArgSpec]) -> io::Result<()> {
    if args.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{heading}")?;
    let mut table = plain_table();
    table.set_header(["Name", "Takes", "Default", "Meaning"]);
    for spec in args {
        let name = if spec.positional { format!("{} *", spec.name) } else { spec.name.to_owned() };
        table.add_row([name, describe::kind(&spec.kind), describe::default(spec), spec.doc.to_owned()]);
    }
    write_table(out, &table)?;
    if args.iter().any(|spec| spec.positional) {
        writeln!(out, "\n  * may be given without its name, in this order")?;
    }
    Ok(())
}

pub(super) fn write_weights(out: &mut dyn Write, example: &Example) -> io::Result<()> {
    let weights = example.weights();
    if weights.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nWeights, with the sizes of {}", example.sizes)?;
    let mut table = plain_table();
    for weight in &weights {
        let dims: Vec<_> = weight.shape.iter().map(|dim| dim.size.to_string()).collect();
        let note = if weight.is_trained { "" } else { "saved, not trained" };
        table.add_row([weight.name, &format!("[{}]", dims.join(", ")), note]);
    }
    write_table(out, &table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::words::{MEANINGS, words_of};

    #[test]
    fn every_word_of_every_program_is_told() {
        for &op in CATALOGUE {
            let Some(example) = Entry::Operator(op).in_example() else { continue };
            let mut texts: Vec<String> = Vec::new();
            for steps in [example.program(), example.in_primitives()].into_iter().flatten() {
                texts.extend(steps.into_iter().map(|step| step.text));
            }
            let listing = listing(example.model.get(), None);
            for launch in listing.forward.iter().chain(&listing.backward) {
                texts.extend(launch.values.iter().map(|value| value.step.clone()));
            }
            for word in texts.iter().flat_map(|text| words_of(text)) {
                let is_told = MEANINGS.iter().any(|(known, _)| *known == word);
                // A weight stands with its axes where a view of it is read: `weight[4, 16]`.
                let is_weight = example.weights().iter().any(|weight| weight.name == word);
                assert!(is_told || is_weight, "`{word}` of `{}`", op.name());
            }
        }
    }
}
