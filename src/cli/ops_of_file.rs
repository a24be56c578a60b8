//! `hgnnc ops NAME FILE`: the page of a convolution that a file defines, as that of an operator.

use super::ops::{Example, arguments_json, write_arguments, write_weights};
use super::source::{self, Compiled, Need};
use super::{Exit, Failure, Format, Global};
use crate::args::words_list;
use crate::check::{self, Checked};
use crate::conv::operator::{Defined, EDGE};
use crate::conv::text::OUT;
use crate::conv::{Parameter, Takes};
use crate::ir::Model;
use crate::ops::{Operator, find};
use crate::source::FileId;
use crate::syntax::ast::{Conv, Item, ItemKind};
use crate::syntax::{Program, parse};
use petgraph::graph::NodeIndex;
use serde_json::json;
use std::io::{self, Write};

/// A convolution of a file, with its page.
struct Page {
    op: &'static Defined,
    /// Its `///` lines.
    doc: String,
    file: String,
    line: usize,
    /// As the file writes it.
    text: String,
    example: Example,
    /// The call that the example is.
    call: String,
}

/// Prints the convolution `name` of a file.
pub fn run(name: &str, path: &str, global: &Global) -> Result<Exit, Failure> {
    let compiled = source::compile_with(path, None, Need::Facts)?;
    if compiled.has_errors() {
        source::print_findings(&compiled, global)?;
        return Ok(Exit::Findings);
    }
    let Some((file, item, conv)) = defined(&compiled.program).find(|(.., conv)| conv.name.text == name)
    else {
        return Err(unknown(name, path, &compiled.program));
    };
    let Some((example, call)) = used(&compiled, path, name).or_else(|| alone(&compiled, file, conv)) else {
        return Err(Failure::new(format!("no call of `{name}` was found that fits its widths"))
            .help(format!("use it in a model; `hgnnc ops {name} {path}` then has the sizes of that stage")));
    };
    let node = &example.model.get().graph[example.stage];
    let op = Defined::of(node.op).expect("the stage is of a convolution that a file defines");
    let sources = &compiled.sources;
    let page = Page {
        op,
        doc: item.doc.clone().unwrap_or_default(),
        file: sources.file(file).name.clone(),
        line: sources.line_column(file, conv.name.span.start).0,
        text: sources.text(conv.span).to_owned(),
        example,
        call,
    };
    let out = &mut super::stdout();
    match global.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &page.json()).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Format::Short => writeln!(out, "{name}: {}", page.summary())?,
        Format::Full => page.print(out)?,
    }
    Ok(Exit::Clean)
}

/// The convolutions that a program defines, those of the given file first.
fn defined(program: &Program) -> impl Iterator<Item = (FileId, &Item, &Conv)> {
    let (main, others): (Vec<_>, Vec<_>) = program.files.iter().partition(|file| file.id == program.main);
    main.into_iter().chain(others).flat_map(|file| {
        file.items.iter().filter_map(move |item| match &item.kind {
            ItemKind::Conv(conv) => Some((file.id, item, conv)),
            _ => None,
        })
    })
}

fn unknown(name: &str, path: &str, program: &Program) -> Failure {
    let failure = Failure::of_usage(format!("`{path}` defines no convolution `{name}`"));
    let names: Vec<&str> = defined(program).map(|(.., conv)| conv.name.text.as_str()).collect();
    let is_block = program
        .files
        .iter()
        .flat_map(|file| &file.items)
        .any(|item| matches!(&item.kind, ItemKind::Block { name: block, .. } if block.text == name));
    failure.help(match (super::closest(name, names.iter().copied()), find(name)) {
        (Some(close), _) => format!("did you mean `{close}`?"),
        (None, Some(_)) => format!("it is an operator: `hgnnc ops {name}`"),
        (None, None) if is_block => format!("it is a block; `hgnnc show {path}` prints its stages"),
        (None, None) if names.is_empty() => "it defines none; `conv name(out) { … }` would be one".to_owned(),
        (None, None) => format!("it defines {}", words_list(&names)),
    })
}

/// The first stage of the file's own model that is of this convolution.
fn used(compiled: &Compiled, path: &str, name: &str) -> Option<(Example, String)> {
    let model = compiled.model.clone()?;
    let stage = stage_of(&model, name)?;
    let node = &model.get().graph[stage];
    // As the file writes it; a block may have been given the name.
    let written = compiled.sources.text(node.span);
    let call = match written.starts_with(name) {
        true => written.to_owned(),
        false => super::show::stage_text(node),
    };
    let sizes = format!("stage {} of {path}", stage.index());
    Some((Example { model, stage, sizes }, call))
}

/// A call of a convolution that no stage uses, with numbers that its widths allow.
fn alone(compiled: &Compiled, file: FileId, conv: &Conv) -> Option<(Example, String)> {
    let program = &compiled.program;
    let definition = check::definition_of(program, file, conv)?;
    // Heads have to divide a width, so there is more than one to try.
    [(64, 4), (60, 3), (64, 1), (1, 1)].into_iter().find_map(|(out, count)| {
        let value = |param: &Parameter| match param.takes {
            Takes::Count if param.name == OUT => out.to_string(),
            Takes::Count => count.to_string(),
            Takes::Number | Takes::Nothing => "1.0".to_owned(),
            Takes::Probability => "0.5".to_owned(),
            Takes::Flag => "true".to_owned(),
            Takes::Aggregate => "mean".to_owned(),
            Takes::Function => "relu".to_owned(),
        };
        let required = definition.params.iter().filter(|param| param.default.is_none());
        let edge = definition.reads_edges.then(|| format!("{EDGE} = edges"));
        let args: Vec<String> =
            required.map(|param| format!("{} = {}", param.name, value(param))).chain(edge).collect();
        let call = format!("{}({})", conv.name.text, args.join(", "));
        // The file with this model in place of its own, if it has one.
        let mut sources = compiled.sources.clone();
        let written = sources.add("example", format!("model = {call} -> mean -> mlp"));
        let mut program = Program { main: file, ..program.clone() };
        let main = program.files.iter_mut().find(|known| known.id == file)?;
        main.items.retain(|item| {
            matches!(
                item.kind,
                ItemKind::Use { .. } | ItemKind::Let { .. } | ItemKind::Block { .. } | ItemKind::Conv(_)
            )
        });
        main.items.extend(parse(&sources, written).0.items);
        let model = check::check(&program, None).model?;
        let stage = stage_of(&model, &conv.name.text)?;
        Some((Example { model, stage, sizes: format!("`{call}`") }, call))
    })
}

/// The first stage that is of a convolution of this name.
fn stage_of(model: &Checked<Model>, name: &str) -> Option<NodeIndex> {
    let is_it = |op| Defined::of(op).is_some_and(|op| op.name() == name);
    model.get().nodes().find(|(_, node)| is_it(node.op)).map(|(stage, _)| stage)
}

impl Page {
    fn summary(&self) -> String {
        let first = self.doc.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        if first.is_empty() { self.op.doc().summary.to_owned() } else { first }
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "name": self.op.name(),
            "group": "Convolutions",
            "summary": self.summary(),
            "doc": (!self.doc.is_empty()).then_some(&self.doc),
            "file": self.file,
            "line": self.line,
            "text": self.text,
            "example": self.call,
            "weights": self.example.weights_json(),
            "program": self.example.program_json(),
            "arguments": arguments_json(self.op.args()),
        })
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} (convolution of {}, line {})\n", self.op.name(), self.file, self.line)?;
        if self.doc.is_empty() {
            writeln!(out, "  {}", self.summary())?;
        }
        self.doc.lines().try_for_each(|line| writeln!(out, "{}", format!("  {line}").trim_end()))?;
        write_arguments(out, "Arguments", self.op.args())?;
        write_weights(out, &self.example)?;
        self.example.write_steps(out)?;
        writeln!(out, "\nText")?;
        self.text.lines().try_for_each(|line| writeln!(out, "{}", format!("  {line}").trim_end()))?;
        writeln!(out, "\nExample\n  {}", self.call)
    }
}
