//! Bodies of convolutions (`conv`): parts, what each can read, and what would depend on an order.

use super::analyse::reads_any;
use super::functions::{FUNCTIONS, Function};
use super::{Aggregate, Input, Part, Takes};
use crate::args::words_list;
use crate::diagnostic::Diagnostic;
use crate::findings::elsewhere::written;
use crate::findings::names::{did_you_mean, suggested};
use crate::source::Span;
use crate::syntax::ast::{Entry, Expr, Ident, Stage};

/// The part that a misspelt key most likely means. `aggr` and `reduce` are what other libraries call it.
pub fn meant_part(key: &str, parts: &[&'static str]) -> Option<&'static str> {
    match key {
        "aggr" | "aggregation" | "reduce" | "reducer" => Some("aggregate"),
        "messages" | "msg" | "edge" => Some("message"),
        "apply" | "node" | "output" => Some("update"),
        "add_self_loops" | "loops" => Some("self_loops"),
        _ => did_you_mean(key, parts.iter().copied())
            .and_then(|meant| parts.iter().copied().find(|part| *part == meant)),
    }
}

/// `mesage = …`
pub fn unknown_part(conv: &str, key: &Ident, parts: &[&'static str], meant: &str) -> Diagnostic {
    let given = &key.text;
    let finding = Diagnostic::error("conv::unknown_part", format!("a convolution has no part `{given}`"));
    let all = format!("the parts of `{conv}` can be {}", words_list(parts));
    suggested(finding, key.span, Some(meant), "not known", &all)
}

/// A body without `message` or `aggregate`.
pub fn missing_part(name: &Ident, part: &str, example: &str, whole: Span, entries: &[Entry]) -> Diagnostic {
    let line = format!("{part} = {example}");
    let what = match part {
        "message" => "what goes along each edge",
        _ => "how the messages of a node's edges become one value",
    };
    let finding = Diagnostic::error(
        "conv::missing_part",
        format!("the convolution `{}` has no `{part}`: {what}", name.text),
    )
    .label(name.span, format!("`{part}` is missing"))
    .help(format!("for example `{line}`"));
    match entries.last() {
        Some(last) => {
            let end = last.value.span.end;
            finding.guess(Span { start: end, end, ..whole }, format!("\n    {line}"))
        }
        None => {
            let end = whole.end - 1;
            finding.guess(Span { start: end, end, ..whole }, format!("\n    {line}\n"))
        }
    }
}

/// A formula of the documentation, as a part can read it: with the node itself in a value of each node, and without
/// `out` in a convolution that has no such parameter.
pub fn example(formula: &str, part: Part, has_out: bool) -> String {
    let values = match part {
        Part::Message => [("x_i", "x_i"), ("x_j", "x_j"), ("e_ij", "e_ij"), ("degree_i", "degree_i")],
        Part::Node => [("x_i", "x"), ("x_j", "x"), ("e_ij", "x"), ("degree_i", "degree")],
        Part::Update => {
            [("x_i", "x_i"), ("x_j", "aggregated"), ("e_ij", "aggregated"), ("degree_i", "degree_i")]
        }
    };
    let width = if part == Part::Node { "width(x)" } else { "width(x_i)" };
    let is_of_word = |char: char| char.is_alphanumeric() || char == '_';
    let (mut text, mut rest) = (String::new(), formula);
    while let Some(start) = rest.find(is_of_word) {
        text.push_str(&rest[..start]);
        let end = rest[start..].find(|char| !is_of_word(char)).map_or(rest.len(), |len| start + len);
        let word = &rest[start..end];
        text.push_str(match values.iter().find(|(name, _)| *name == word) {
            Some((_, value)) => value,
            None if word == "out" && !has_out => width,
            None => word,
        });
        rest = &rest[end..];
    }
    text + rest
}

/// A value of each node, or a parameter, that has the name of another one at an end of an edge.
pub fn end_is_taken(end: &Ident, base: &Ident, place: &Ident) -> Diagnostic {
    let (name, value) = (&end.text, &base.text);
    let other = if end.span == place.span { base } else { end };
    let which = if name.ends_with("_i") { "the node that gathers" } else { "its neighbour" };
    Diagnostic::error("names::reserved", format!("`{name}` already is the value `{value}` of {which}"))
        .label(place.span, "both would have the same name in `message`")
        .label(other.span, format!("`{}` is named here", other.text))
        .help(format!("choose another name for `{name}`"))
        .guess(place.span, format!("my_{}", place.text))
}

/// A name that a `let` of the file has too.
pub fn input_of_file(name: &str, place: Span, defined: Span) -> Diagnostic {
    Diagnostic::error("names::reserved", format!("`{name}` of the file cannot be read in a convolution"))
        .label(defined, "this name is taken: bodies of convolutions have their own value of this name")
        .label(place, "read here")
        .help(format!("choose another name for the `let`, for example `my_{name}`"))
        .guess(defined, format!("my_{name}"))
}

/// `x_j` in `update`, `aggregated` in `message`, `x_i` in a value of each node.
pub fn wrong_space(part: Part, input: Input, place: Span) -> Diagnostic {
    let name = input.name();
    let (message, label, help) = match (part, input) {
        (Part::Message, Input::Own | Input::OwnDegree) => (
            format!("`message` cannot read `{name}`: an edge has two ends"),
            "which end is meant?",
            "write `x_i` for the node that gathers and `x_j` for its neighbour, `degree_i` and `degree_j` alike",
        ),
        (Part::Message, _) => (
            "`message` cannot read `aggregated`: it is made of the messages".to_owned(),
            "known in `update` only",
            "read it in `update`, as in `update = relu(linear(out, x_i) + aggregated)`",
        ),
        (Part::Node, Input::Aggregated) => (
            "a value of each node cannot read `aggregated`: messages are made of it".to_owned(),
            "known in `update` only",
            "read it in `update`, as in `update = relu(linear(out, x_i) + aggregated)`",
        ),
        (Part::Node, Input::Edge) => (
            "a value of each node cannot read `e_ij`: a node has many edges".to_owned(),
            "a value of each edge",
            "read it in `message`",
        ),
        (Part::Node, _) => (
            format!("a value of each node cannot read `{name}`: here is one node and no edge"),
            "the node itself is `x`, and its degree `degree`",
            "write `h = linear(out, x)`, and `h_i` and `h_j` in `message`",
        ),
        (Part::Update, Input::Own | Input::OwnDegree) => (
            format!("`update` cannot read `{name}`: the node itself is `{name}_i`"),
            "written with the end that it is",
            "in `message` and `update`, `x_i` and `degree_i` are of the node that gathers",
        ),
        (Part::Update, Input::Edge) => (
            format!("`update` cannot read `{name}`: a node has many edges"),
            "a value of each edge",
            "read it in `message`; `aggregated` is what comes of all edges of the node",
        ),
        (Part::Update, _) => (
            format!("`update` cannot read `{name}`: a node has many neighbours"),
            "a value of each edge",
            "read it in `message`; `aggregated` is what comes of all neighbours, and `x_i` is the node itself",
        ),
    };
    let finding = Diagnostic::error("conv::wrong_space", message).label(place, label).help(help);
    match (part, input) {
        (Part::Message, Input::Own) => finding.guess(place, "x_j"),
        (Part::Message, Input::OwnDegree) | (Part::Update, Input::OwnDegree | Input::SourceDegree) => {
            finding.guess(place, "degree_i")
        }
        (Part::Node, Input::Target | Input::Source) => finding.guess(place, "x"),
        (Part::Node, Input::TargetDegree | Input::SourceDegree) => finding.guess(place, "degree"),
        (Part::Update, Input::Own) => finding.guess(place, "x_i"),
        (Part::Update, Input::Source) => finding.guess(place, "aggregated"),
        _ => finding,
    }
}

/// A value of each node that is read at an end which the part does not have: `h_j` in `update`, `h` in `message`.
pub fn wrong_end(part: Part, base: &str, name: &str, place: Span) -> Diagnostic {
    let (message, meant) = match part {
        Part::Node => {
            (format!("a value of each node reads others as they are called: `{base}`"), base.to_owned())
        }
        Part::Message => {
            (format!("`message` cannot read `{name}`: an edge has two ends"), format!("{base}_j"))
        }
        Part::Update if name.ends_with("_j") => {
            (format!("`update` cannot read `{name}`: a node has many neighbours"), format!("{base}_i"))
        }
        Part::Update => {
            (format!("`update` cannot read `{name}`: the node's own is `{base}_i`"), format!("{base}_i"))
        }
    };
    let help = match part {
        Part::Node => format!("write `{base}`"),
        Part::Message => {
            format!("write `{base}_i` for the node that gathers and `{base}_j` for its neighbour")
        }
        Part::Update => {
            format!("write `{base}_i` for the node itself; `aggregated` is what comes of all neighbours")
        }
    };
    Diagnostic::error("conv::wrong_space", message)
        .label(place, "not known here")
        .help(help)
        .guess(place, meant)
}

/// `softmax` where there are no edges.
pub fn softmax_outside(part: Part, place: Span) -> Diagnostic {
    let what = if part == Part::Update { "`update`" } else { "this value" };
    Diagnostic::error(
        "conv::wrong_space",
        format!("`softmax` weighs the edges of a node, and {what} is computed for each node"),
    )
    .label(place, "no edges here")
    .help("write it in `message`, as in `message = softmax(dot(x_i, x_j)) * x_j`")
}

/// An operator, block or convolution where a value is expected.
pub fn stage_in_body(part: Part, name: &str, what: &str, place: Span) -> Diagnostic {
    let each = if part == Part::Message { "edge" } else { "node" };
    let help = match name {
        "batch_norm" | "layer_norm" => {
            format!("write it behind the convolution, as in `gated(64) -> {name}`")
        }
        "input" | "identity" => "write `x_i` for the node and `x_j` for its neighbour".to_owned(),
        _ => "write the formula itself; stages are put together in pipelines, outside of `conv`".to_owned(),
    };
    Diagnostic::error(
        "conv::stage_in_body",
        format!("`{name}` is {what}, and {} is a formula for each {each}", part.quoted()),
    )
    .label(place, "not a function of a value")
    .help(help)
}

/// A pipeline where a value is expected.
pub fn pipeline(part: Part, place: Span, stages: &[Stage]) -> Diagnostic {
    let finding =
        Diagnostic::error("conv::stage_in_body", format!("{} is a formula, not a pipeline", part.quoted()))
            .label(place, "functions are called here, as in `relu(linear(out, x_j))`");
    match stages {
        [Stage { name: Some(name), .. }] => finding.help(format!("leave `as {}` out", name.text)),
        _ => finding
            .help("functions are called: `relu(linear(out, x_j))` stands for `x_j -> linear(out) -> relu`"),
    }
}

/// Words that would read the edges or nodes in an order.
pub fn reads_order(name: &str) -> bool {
    matches!(
        name,
        "lstm"
            | "gru"
            | "rnn"
            | "flatten"
            | "first"
            | "last"
            | "index"
            | "i"
            | "j"
            | "arange"
            | "position"
            | "sort"
            | "sort_pool"
            | "cat"
            | "stack"
            | "cumsum"
    )
}

/// `lstm`, `flatten`: something that depends on how nodes or edges are numbered.
pub fn order(name: &str, place: Span, part: Option<Part>) -> Diagnostic {
    if name == "cat" {
        return Diagnostic::error("names::unknown", "`cat` is called `concat` here")
            .label(place, "did you mean `concat`?")
            .help("to put values side by side write `concat(x_i, x_j)`")
            .guess(place, "concat");
    }
    let finding = Diagnostic::error(
        "conv::reads_order",
        format!("`{name}` would depend on how the nodes and their edges are numbered"),
    )
    .label(place, "edges of a node have no order");
    if name == "stack" {
        return finding.help("to put values side by side write `concat(x_i, x_j)`").guess(place, "concat");
    }
    match part {
        Some(_) if matches!(name, "i" | "j" | "index" | "arange" | "position") => finding.help(
            "a formula knows nodes by what they carry: `x_i` and `x_j`, and `degree_i` and `degree_j`; a number of a node \
             that means something can be one of its features",
        ),
        Some(part) => finding.help(format!(
            "{} is a formula for each {} alone; `aggregate` puts the messages of a node together, with {}",
            part.quoted(),
            if part == Part::Message { "edge" } else { "node" },
            words_list(Aggregate::NAMES)
        )),
        None => finding.help(format!(
            "aggregate with {}, which are the same in every order",
            words_list(Aggregate::NAMES)
        )),
    }
}

/// A name that neither the language nor the file gives a meaning.
pub fn unknown_name(
    part: Part,
    name: &str,
    place: Span,
    is_call: bool,
    inputs: &[&str],
    visible: &[&str],
    head: Span,
) -> Diagnostic {
    let said = match is_call {
        true => format!("there is no function `{name}`"),
        false => format!("{} has no value `{name}` to read", part.quoted()),
    };
    let finding = Diagnostic::error("names::unknown", said);
    if name == "out" {
        return finding
            .label(place, "not defined")
            .help("make it a parameter: write `(out)` behind the name of the convolution")
            .guess(Span { start: head.end, ..head }, "(out)");
    }
    let functions: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
    let foreign = match name {
        "h" | "h_j" | "x_source" if part == Part::Message => Some("x_j"),
        "h" | "h_i" | "x_target" if part != Part::Node => Some("x_i"),
        "edge_attr" | "edge_weight" | "e" | "e_ji" | "edge" | "edges" if part == Part::Message => {
            Some("e_ij")
        }
        "deg" | "deg_i" if part != Part::Node => Some("degree_i"),
        "deg" => Some("degree"),
        "deg_j" if part == Part::Message => Some("degree_j"),
        "aggr" | "aggr_out" | "inputs" | "messages" if part == Part::Update => Some("aggregated"),
        "Linear" | "lin" | "dense" if is_call => Some("linear"),
        "maximum" | "max_" if is_call => Some("max"),
        "minimum" if is_call => Some("min"),
        "bmm" | "matmul" | "mm" if is_call => Some("matvec"),
        "ln" if is_call => Some("log"),
        _ => None,
    };
    let candidates = if is_call { functions.clone() } else { [inputs, visible].concat() };
    let meant = foreign.or_else(|| did_you_mean(name, candidates.iter().copied()));
    let all = match is_call {
        true => format!("functions are {}", words_list(&functions)),
        false => format!("{} can read {} and the parameters", part.quoted(), words_list(inputs)),
    };
    suggested(finding, place, meant, "not known here", &all)
}

/// `relu` without its value.
pub fn not_called(function: &Function, place: Span, example: &str) -> Diagnostic {
    Diagnostic::error("args::missing", format!("`{}` is a function and needs its arguments", function.name))
        .label(place, "called without arguments")
        .help(format!("for example `{example}`"))
        .guess(place, example)
}

/// A parameter that stands for a function of one value is called otherwise.
pub fn one_value(name: &str, place: Span) -> Diagnostic {
    Diagnostic::error("args::missing", format!("the function `{name}` takes one value"))
        .label(place, "one value is expected here")
        .help(format!("write `{name}(x_j)`"))
}

/// `dot(x_i)`; `missing` is the first argument that is not given, where it is one of the slots.
pub fn too_few_values(function: &Function, missing: Option<&str>, place: Span, example: &str) -> Diagnostic {
    let name = function.name;
    let needs = match missing {
        Some(slot) => format!("needs the argument `{slot}`"),
        None if function.many == Some(2) => "needs at least two values".to_owned(),
        None => "needs a value to be applied to".to_owned(),
    };
    Diagnostic::error("args::missing", format!("`{name}` {needs}"))
        .label(place, "arguments are missing")
        .help(format!("for example `{example}`"))
        .guess(place, example)
}

/// `dot(x_i, x_j, x_j)`
pub fn too_many_values(function: &Function, place: Span, example: &str) -> Diagnostic {
    let slots: Vec<&str> = function.slots.iter().map(|slot| slot.name).collect();
    Diagnostic::error("args::too_many", format!("`{}` has too many values without a name", function.name))
        .label(place, format!("`{}` takes {}", function.name, words_list(&slots)))
        .help(format!("leave it out; for example `{example}`"))
        .guess(place, "")
}

/// A value of each edge or node where a number is needed: `linear(x_j, out)`.
pub fn not_a_number(what: &str, row: &str, place: Span) -> Diagnostic {
    Diagnostic::error("args::wrong_kind", format!("{what} expects a number, but gets a value of each {row}"))
        .label(place, "this has to be a number or a parameter")
        .help("numbers come first, as in `linear(out, x_j)`; `width(x_j)` is how many features `x_j` has")
}

/// `hidden = 64`, where a list is expected; `text` is what was written.
pub fn not_a_list(what: &str, got: &str, text: Option<&str>, place: Span) -> Diagnostic {
    let finding =
        Diagnostic::error("args::wrong_kind", format!("{what} expects a list of widths, but gets {got}"))
            .label(place, "this has to be a list");
    match text {
        Some(text) => finding.help(format!("write `[{text}]`")).fix(place, format!("[{text}]")),
        None => finding.help("for example `hidden = [64, 32]`, and `[]` for no hidden layer"),
    }
}

/// `mlp(out, x_j, hidden = [], activation = elu)`
pub fn no_hidden_layer(argument: &str, place: Span) -> Diagnostic {
    Diagnostic::error(
        "args::no_effect",
        format!("`{argument}` of `mlp` has no effect here: there is no hidden layer"),
    )
    .label(place, "changes nothing")
    .help(format!("leave `{argument}` out"))
    .fix(place, "")
}

/// `width(relu(x_j))`
pub fn width_of(place: Span) -> Diagnostic {
    Diagnostic::error("args::wrong_kind", "`width` expects `x_i`, `x_j` or `e_ij`")
        .label(place, "this has to be one of them")
        .help("for example `width(x_j)`")
}

fn in_words(takes: Takes) -> &'static str {
    match takes {
        Takes::Count => "a whole number",
        Takes::Number => "a number",
        Takes::Probability => "a number in [0, 1)",
        Takes::Flag => "`true` or `false`",
        Takes::Aggregate => "a way to aggregate",
        Takes::Function => "a function",
        Takes::Nothing => "nothing",
    }
}

/// A parameter that is a number at one place and something else at another.
pub fn used_as_two(name: &str, first: (Takes, Span), second: (Takes, Span)) -> Diagnostic {
    let (a, b) = (in_words(first.0), in_words(second.0));
    Diagnostic::error("args::wrong_kind", format!("the parameter `{name}` is used as {b} and as {a}"))
        .label(second.1, format!("has to be {b} here"))
        .label(first.1, format!("has to be {a} here"))
        .help("use two parameters")
}

/// `aggregate = []`
pub fn no_aggregate(place: Span) -> Diagnostic {
    Diagnostic::error("args::missing", "`aggregate` names nothing")
        .label(place, "the list is empty")
        .help("for example `aggregate = mean`")
        .guess(place, "mean")
}

/// `aggregate = mean(…)`
pub fn called_aggregate(name: &str, place: Span) -> Diagnostic {
    Diagnostic::error("args::too_many", format!("the aggregate `{name}` takes no arguments"))
        .label(place, "what it gathers is the `message`")
        .help(format!("write `aggregate = {name}`"))
        .fix(place, name)
}

/// `aggregate = lstm`, `aggregate = average`
pub fn unknown_aggregate(name: &str, place: Span, message: Option<&Expr>) -> Diagnostic {
    if reads_order(name) && name != "cat" {
        return order(name, place, None);
    }
    let finding = Diagnostic::error("args::wrong_word", format!("`aggregate` cannot be `{name}`"));
    let foreign = match name {
        "add" | "plus" => Some("sum"),
        "avg" | "average" => Some("mean"),
        "amax" | "maximum" => Some("max"),
        "amin" | "minimum" => Some("min"),
        "prod" | "product" | "multiply" => Some("mul"),
        _ => None,
    };
    if name == "softmax" || name == "attention" {
        let finding = finding.label(place, "no such aggregate");
        const WEIGHTS: &str = "softmax(dot(x_i, x_j))";
        return match message {
            Some(message) if !reads_any(message, &["softmax"]) => {
                let (start, end) = (message.span.start, message.span.end);
                finding
                    .help(format!("write `message = {WEIGHTS} * {}` and `aggregate = sum`", written(message)))
                    .guess(Span { end: start, ..message.span }, format!("{WEIGHTS} * ("))
                    .guess(Span { start: end, ..message.span }, ")")
            }
            _ => finding.help("the weights are part of `message`: write `aggregate = sum`"),
        }
        .guess(place, "sum");
    }
    let meant = foreign.or_else(|| did_you_mean(name, Aggregate::NAMES.iter().copied()));
    let all = format!("allowed: {}, or a list such as `[mean, max]`", words_list(Aggregate::NAMES));
    suggested(finding, place, meant, "no such aggregate", &all)
}
