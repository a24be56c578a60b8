//! Names of other libraries where ours are expected: one message with a line to paste. [`crate::elsewhere`] has the names.

use crate::args::{ArgKind, ArgSpec, Default, EdgeValue, words_list};
use crate::diagnostic::{Diagnostic, Edit, Fix};
use crate::elsewhere::{self, Argument, Here, Library, Meaning, Place, Word};
use crate::ops::{self, Family, Operator, WidthRule};
use crate::settings::catalogue;
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, Given, Stage};
use crate::syntax::quoted;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// An expression as a file writes it.
pub fn written(expr: &Expr) -> String {
    rewritten(expr, &[])
}

/// An expression with edits of whole expressions and stages made.
fn rewritten(expr: &Expr, edits: &[Edit]) -> String {
    if let Some(edit) = edits.iter().find(|edit| edit.span == expr.span) {
        return edit.text.clone();
    }
    let written = |expr: &Expr| rewritten(expr, edits);
    let list = |items: &[Expr]| items.iter().map(written).collect::<Vec<_>>().join(", ");
    match &expr.kind {
        ExprKind::Number { value, .. } => number(*value),
        ExprKind::String(text) => quoted(text),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Name(name) => name.clone(),
        ExprKind::List(items) => format!("[{}]", list(items)),
        ExprKind::Neg(inner) => format!("-{}", written(inner)),
        ExprKind::Binary { op, lhs, rhs, .. } => {
            format!("({} {} {})", written(lhs), op.sign(), written(rhs))
        }
        ExprKind::Call(call) => {
            let args = call.args.iter().map(|arg| match &arg.name {
                Some(name) => format!("{} = {}", name.text, written(&arg.value)),
                None => written(&arg.value),
            });
            format!("{}({})", call.callee.text, args.collect::<Vec<_>>().join(", "))
        }
        ExprKind::Pipeline(stages) => {
            let is_cut = |stage: &Stage| {
                let (start, end) = (stage.value.span.start, stage.value.span.end);
                edits.iter().any(|edit| {
                    edit.text.is_empty()
                        && edit.span.file == expr.span.file
                        && edit.span.start <= start
                        && end <= edit.span.end
                })
            };
            let stages = stages.iter().filter(|stage| !is_cut(stage)).map(|stage| match &stage.name {
                Some(name) => format!("{} as {}", written(&stage.value), name.text),
                None => written(&stage.value),
            });
            stages.collect::<Vec<_>>().join(" -> ")
        }
    }
}

/// `0.001` as `1e-3`, other numbers as they are.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.005 { format!("{value:e}") } else { value.to_string() }
}

/// A call in the names of this language.
struct Translated {
    text: String,
    /// What it had that is left out, each with the reason.
    without: Vec<(String, String)>,
}

/// The word that an expression consists of: a name, a text, or what a call calls (`ReLU()`).
fn word_of(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Name(name) | ExprKind::String(name) => Some(name),
        ExprKind::Call(call) => Some(&call.callee.text),
        _ => None,
    }
}

/// The last whole number in an expression: the width that `GINConv(Sequential(Linear(3, 64)))` ends in.
fn last_number(expr: &Expr) -> Option<i64> {
    match &expr.kind {
        ExprKind::Number { value, is_integer: true } => Some(*value as i64),
        ExprKind::Call(call) => call.args.iter().rev().find_map(|arg| last_number(&arg.value)),
        ExprKind::List(items) => items.iter().rev().find_map(last_number),
        ExprKind::Pipeline(stages) => stages.iter().rev().find_map(|stage| last_number(&stage.value)),
        _ => None,
    }
}

/// `linear` of `torch.nn.Linear`.
fn last_part(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_lowercase()
}

/// The widths that the layers of a network make: `Sequential(Linear(3, 64), ReLU(), Linear(64, 7))`, `MLP([3, 64, 7])` and `[3, 64, 7]`
/// make 64 and 7. `None` for what is no network.
fn layer_widths(expr: &Expr) -> Option<Vec<i64>> {
    match &expr.kind {
        ExprKind::List(items) => {
            let widths: Option<Vec<i64>> = items.iter().map(last_number).collect();
            // The first is that of what comes in.
            widths.filter(|widths| widths.len() > 1).map(|widths| widths[1..].to_vec())
        }
        ExprKind::Call(call) => match last_part(&call.callee.text).as_str() {
            "sequential" | "seq" => {
                let layers = call.args.iter().filter_map(|arg| layer_widths(&arg.value));
                Some(layers.flatten().collect()).filter(|widths: &Vec<i64>| !widths.is_empty())
            }
            "mlp" => {
                let list = call.args.iter().find(|arg| matches!(arg.value.kind, ExprKind::List(_)));
                list.map_or_else(
                    || last_number(expr).map(|width| vec![width]),
                    |arg| layer_widths(&arg.value),
                )
            }
            "linear" | "lin" => last_number(expr).map(|width| vec![width]),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an expression is a network or a layer, and no number.
fn is_module(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Call(_) | ExprKind::List(_))
}

/// A stage by its name in another library: of the list, or the class that an operator names as its counterpart.
fn stage_word(name: &str) -> Option<&'static Word> {
    static CLASSES: OnceLock<Vec<Word>> = OnceLock::new();
    let classes = CLASSES.get_or_init(|| {
        let class =
            |op: &'static dyn Operator| op.pyg().class.rsplit('.').next().filter(|class| !class.is_empty());
        let word = |op: &&'static dyn Operator| {
            let args: &[&str] = match op.family() {
                Family::Convolution => &["in_channels", "out_channels"],
                Family::Pooling => &["in_channels"],
                _ => &[],
            };
            let names: &[&str] = Vec::leak(vec![class(*op)?]);
            Some(Word { names, of: Library::Pyg, args, here: Here::Is { op: op.name(), with: &[] } })
        };
        ops::CATALOGUE.iter().filter_map(word).collect()
    });
    elsewhere::find(elsewhere::STAGES, name)
        .or_else(|| classes.iter().find(|word| elsewhere::reads_the_same(word.names[0], name)))
}

/// The activation of this name here; `None` for one that the language does not have.
fn activation(name: &str) -> Option<&'static str> {
    let own = ops::CATALOGUE.iter().find(|op| op.family() == Family::Activation && op.name() == name);
    own.map(|op| op.name()).or_else(|| match stage_word(name)?.here {
        Here::Is { op, .. } if ops::find(op)?.family() == Family::Activation => Some(op),
        Here::NotYet { nearest, .. } if ops::find(nearest)?.family() == Family::Activation => Some(nearest),
        _ => None,
    })
}

/// The argument that is called so in a call of `callee`: what the operator's own counterpart calls it goes first.
fn argument(callee: &str, specs: &[ArgSpec], name: &str) -> Option<Argument> {
    let operator = ops::find(callee).filter(|op| std::ptr::eq(op.args(), specs));
    let own = operator.and_then(|op| op.pyg().arguments.iter().find(|(theirs, _)| *theirs == name));
    match own {
        Some((theirs, ours)) => Some(Argument {
            names: std::slice::from_ref(theirs),
            of: Library::Pyg,
            meaning: Meaning::Called(std::slice::from_ref(ours)),
        }),
        None => elsewhere::argument(name).copied(),
    }
}

/// Whether an expression says that something is not wanted.
fn is_no(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Bool(value) => !value,
        ExprKind::Number { value, .. } => *value == 0.0,
        ExprKind::Name(word) | ExprKind::String(word) => {
            ["none", "false", "no", "off", "linear", "identity", "null", "stack"]
                .contains(&word.to_lowercase().as_str())
        }
        _ => false,
    }
}

/// A value as an argument takes it; `None` where it cannot.
fn value(spec: &ArgSpec, expr: &Expr) -> Option<String> {
    let is_number = matches!(expr.kind, ExprKind::Number { .. } | ExprKind::Neg(_) | ExprKind::Binary { .. });
    let lower = word_of(expr).map(str::to_lowercase);
    match spec.kind {
        ArgKind::Bool => match (&expr.kind, lower.as_deref()) {
            (ExprKind::Bool(value), _) => Some(value.to_string()),
            (_, Some(word @ ("true" | "false"))) => Some(word.to_owned()),
            (_, Some("none")) => Some("false".into()),
            _ => None,
        },
        ArgKind::Words(_)
        | ArgKind::CallList { .. }
        | ArgKind::WordOrNumbers { .. }
        | ArgKind::Ints { .. }
        | ArgKind::Floats { .. }
            if matches!(expr.kind, ExprKind::List(_)) =>
        {
            Some(written(expr))
        }
        ArgKind::CallList { catalogue, .. } if translated_call(catalogue, expr).is_some() => {
            translated_call(catalogue, expr).map(|call| format!("[{call}]"))
        }
        ArgKind::Choice(words)
        | ArgKind::Words(words)
        | ArgKind::CallList { words, .. }
        | ArgKind::WordOrNumbers { words, .. } => {
            let lower = lower?;
            let meant = match lower.as_str() {
                "add" => "sum",
                "avg" | "average" => "mean",
                "bn" | "batchnorm" | "batch" => "batch_norm",
                other => other,
            };
            let meant = activation(&lower).filter(|name| words.contains(name)).unwrap_or(meant);
            // A layer whose name here is one of the words.
            let layer = word_of(expr).and_then(stage_word).and_then(|word| match word.here {
                Here::Is { op, .. } => Some(op),
                _ => None,
            });
            let meant = layer.filter(|name| words.contains(name)).unwrap_or(meant);
            words.iter().find(|word| **word == meant).map(|word| (*word).to_owned())
        }
        ArgKind::IntList { .. } => match &expr.kind {
            ExprKind::List(_) => Some(written(expr)),
            _ if is_number || matches!(expr.kind, ExprKind::Name(_)) => Some(format!("[{}]", written(expr))),
            // The widths of a network; those of hidden layers without the last.
            _ => layer_widths(expr).map(|mut widths| {
                if spec.name.ends_with("hidden") {
                    widths.pop();
                }
                int_list(&widths)
            }),
        },
        ArgKind::Pipeline { .. } => (!is_number).then(|| stage_text(expr)).flatten(),
        ArgKind::Int { min, max } | ArgKind::Ints { min, max, .. }
            if is_outside(expr, |value| value < min as f64 || value > max as f64) =>
        {
            None
        }
        ArgKind::Float(range) | ArgKind::Floats { range, .. }
            if is_outside(expr, |value| !range.contains(value)) =>
        {
            None
        }
        ArgKind::Int { .. } | ArgKind::Float(_) | ArgKind::Ints { .. } | ArgKind::Floats { .. } => {
            let is_plain = is_number || matches!(&expr.kind, ExprKind::Name(name) if !is_python(name));
            is_plain.then(|| written(expr))
        }
        ArgKind::Text => matches!(expr.kind, ExprKind::String(_)).then(|| written(expr)),
        _ => Some(written(expr)),
    }
}

/// A call with a name of another library as the catalogue of `kind` has it: `laplacian(4)`.
fn translated_call(kind: &str, expr: &Expr) -> Option<String> {
    let (name, given): (&str, Vec<Given>) = match &expr.kind {
        ExprKind::Name(name) => (name, Vec::new()),
        ExprKind::Call(call) => (&call.callee.text, call.args.iter().map(Given::from).collect()),
        _ => return None,
    };
    match elsewhere::find(words_of(kind)?, name)?.here {
        Here::Is { op, with } => {
            let args = elsewhere::find(words_of(kind)?, name)?.args;
            Some(translate(op, with, args, call_spec(op)?.args, &given).text)
        }
        _ => None,
    }
}

fn int_list(numbers: &[i64]) -> String {
    format!("[{}]", numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", "))
}

/// Whether an expression is a number that is not accepted.
fn is_outside(expr: &Expr, is_refused: impl Fn(f64) -> bool) -> bool {
    matches!(expr.kind, ExprKind::Number { value, .. } if is_refused(value))
}

fn is_python(name: &str) -> bool {
    ["True", "False", "None"].contains(&name)
}

/// A call of ours that an example of the reference shows: `topk(ratio = 0.5)`.
fn example_call(op: &str) -> Option<&'static str> {
    let example = ops::find(op)?.doc().example;
    let start = example.find(&format!("{op}("))?;
    let mut depth = 0;
    let end = example[start..].find(|char| {
        depth += i32::from(char == '(') - i32::from(char == ')');
        char == ')' && depth == 0
    })?;
    Some(&example[start..=start + end])
}

/// A call of `op` with these arguments in our names. `with` are arguments that it has in any case, and `positions` the
/// names of those that were given without one. `specs` are the arguments of `op`.
fn translate(
    op: &'static str,
    with: &[&str],
    positions: &[&'static str],
    specs: &[ArgSpec],
    given: &[Given],
) -> Translated {
    let mut args: Vec<(&str, String)> = Vec::new();
    let mut behind: Vec<String> = Vec::new();
    let (mut times, mut is_residual, mut without) = (None, false, Vec::new());
    // A loss may have the name of an operator.
    let operator = ops::find(op).filter(|op| std::ptr::eq(op.args(), specs));
    let family = operator.map(|op| op.family());
    let unnamed: Vec<&Given> = given.iter().filter(|arg| arg.name.is_none()).collect();
    // One number alone is the width of the result, as it is here.
    let is_width_alone = unnamed.len() == 1
        && !is_module(unnamed[0].value)
        && positions.first().is_some_and(|first| {
            ["in_channels", "in_features", "nn", "local_nn", "x", "channel_list"].contains(first)
        })
        && matches!(operator.map(|op| op.width_rule()), Some(WidthRule::Argument(_)));
    let mut place = 0;
    for arg in given {
        let name = match arg.name {
            Some(name) => name.text.as_str(),
            None if is_width_alone => "out",
            None => {
                place += 1;
                positions.get(place - 1).copied().unwrap_or("")
            }
        };
        let spec_named = |name: &str| specs.iter().find(|spec| spec.name == name);
        let mut put = |args: &mut Vec<(&str, String)>, spec: &ArgSpec| {
            let text = value(spec, arg.value).or_else(|| match spec.name {
                "out" => last_number(arg.value).map(|width| width.to_string()),
                _ => None,
            });
            match text {
                Some(text) if args.iter().all(|(known, _)| *known != spec.name) => {
                    args.push((spec.name, text))
                }
                Some(_) => {}
                None => without.push((name.to_owned(), format!("it takes {}", spec.kind.expects()))),
            }
        };
        let meaning = argument(op, specs, name).map(|argument| argument.meaning);
        let own = match meaning {
            _ if spec_named(name).is_some() => spec_named(name),
            Some(Meaning::Called(names)) => names.iter().find_map(|name| spec_named(name)),
            _ => None,
        };
        // A layer that is left out.
        if own.is_some_and(|spec| matches!(spec.kind, ArgKind::Pipeline { .. })) && is_no(arg.value) {
            continue;
        }
        // A network behind which nothing stands: its last layer makes what the argument beside is the width of.
        if let Some(spec) = own
            && let (ArgKind::IntList { .. }, Some(widths)) = (spec.kind, layer_widths(arg.value))
            && let Some(before) = spec.name.strip_suffix("hidden")
            && is_module(arg.value)
            && matches!(arg.value.kind, ExprKind::Call(_))
        {
            let beside = if before.is_empty() { "out" } else { before.trim_end_matches('_') };
            if let (Some(beside), Some(last)) = (spec_named(beside), widths.last())
                && matches!(beside.kind, ArgKind::Int { .. })
                && args.iter().all(|(known, _)| *known != beside.name)
            {
                args.push((beside.name, last.to_string()));
            }
            if widths.len() > 1 {
                put(&mut args, spec);
            }
            continue;
        }
        if spec_named(name).is_some()
            && let Some(spec) = own
        {
            put(&mut args, spec);
            continue;
        }
        match meaning {
            _ if (name == "nn" && own.is_none()) || (name == "channel_list" && operator.is_some()) => {
                let widths = layer_widths(arg.value).filter(|_| is_module(arg.value)).unwrap_or_default();
                // Beside a width of its own, a network makes something else.
                let is_result = !positions.contains(&"out_channels");
                if let (true, Some(spec), Some(last)) = (is_result, spec_named("out"), last_number(arg.value))
                    && args.iter().all(|(known, _)| *known != spec.name)
                {
                    args.push((spec.name, last.to_string()));
                }
                let [inner @ .., last] = &widths[..] else { continue };
                match (spec_named("hidden"), inner) {
                    (Some(spec), [first, others @ ..]) if matches!(spec.kind, ArgKind::Int { .. }) => {
                        if others.iter().any(|width| width != first) {
                            let why = "its hidden layers have one width here".to_owned();
                            without.push((name.to_owned(), why));
                        } else if !is_result || first != last {
                            args.push((spec.name, first.to_string()));
                        }
                    }
                    (Some(spec), [_, ..]) if matches!(spec.kind, ArgKind::IntList { .. }) => {
                        args.push((spec.name, int_list(inner)));
                    }
                    _ => {}
                }
                if let Some(spec) = spec_named("layers")
                    && spec.default != Default::Int(widths.len() as i64)
                {
                    args.push((spec.name, widths.len().to_string()));
                }
            }
            Some(Meaning::Inferred) | None if name.is_empty() || meaning.is_some() => {}
            Some(Meaning::Called(names)) => match names.iter().find_map(|name| spec_named(name)) {
                Some(spec) => put(&mut args, spec),
                None => without.push((name.to_owned(), format!("`{op}` has no such argument"))),
            },
            Some(Meaning::Times) => match spec_named("steps") {
                Some(spec) => put(&mut args, spec),
                None => times = Some(written(arg.value)),
            },
            Some(Meaning::Residual) => is_residual = !is_no(arg.value),
            Some(Meaning::OfEdges(_)) if is_no(arg.value) => {}
            Some(Meaning::OfEdges(of)) => match specs.iter().find(|spec| spec.kind == ArgKind::Edges(of)) {
                Some(spec) if args.iter().all(|(known, _)| *known != spec.name) => {
                    args.push((spec.name, of.example().to_owned()));
                }
                Some(_) => {}
                None => without.push((name.to_owned(), reads_no_edges(op, of))),
            },
            Some(Meaning::Behind(what)) => match spec_named(what) {
                Some(spec) => put(&mut args, spec),
                None if is_no(arg.value) => {}
                None if what == "dropout" => behind.push(format!("dropout({})", written(arg.value))),
                None if what == "norm" => {
                    let is_layer = name.starts_with("layer")
                        || word_of(arg.value).is_some_and(|word| {
                            stage_word(word)
                                .is_some_and(|word| matches!(word.here, Here::Is { op: "layer_norm", .. }))
                                || word == "layer_norm"
                        });
                    behind.insert(0, if is_layer { "layer_norm" } else { "batch_norm" }.to_owned());
                }
                None => match word_of(arg.value).and_then(activation) {
                    Some(name) => {
                        let at = usize::from(behind.first().is_some_and(|first| first.ends_with("_norm")));
                        behind.insert(at, name.to_owned());
                    }
                    None => without.push((name.to_owned(), "the language has no such activation".to_owned())),
                },
            },
            Some(Meaning::NoEffect(why)) => {
                if arg.name.is_some() {
                    without.push((name.to_owned(), why.to_owned()));
                }
            }
            Some(Meaning::NotYet(why)) => without.push((name.to_owned(), format!("{why} yet"))),
            _ if name.is_empty() => {}
            _ => without.push((name.to_owned(), "it has no counterpart here yet".to_owned())),
        }
    }
    // What an operator reads of the edges in any case is what the data has.
    for spec in specs.iter().filter(|spec| spec.default == Default::Required) {
        if let ArgKind::Edges(of) = spec.kind
            && args.iter().all(|(known, _)| *known != spec.name)
        {
            args.push((spec.name, of.example().to_owned()));
        }
    }
    // What another layer made stands beside what comes in, which is all that a call of another library tells.
    for spec in specs.iter().filter(|spec| spec.default == Default::Required) {
        if matches!(spec.kind, ArgKind::Pipeline { .. })
            && family == Some(Family::Convolution)
            && args.iter().all(|(known, _)| *known != spec.name)
        {
            args.push((spec.name, "identity".to_owned()));
        }
    }
    // Where both say how many rows there are, the number without a name is something else.
    if family == Some(Family::Pooling) && args.iter().any(|(name, _)| *name == "ratio") {
        args.retain(|(name, _)| *name != "k");
    }
    // In the order of the reference; what may stand without its name does.
    let order = |name: &str| specs.iter().position(|spec| spec.name == name).unwrap_or(usize::MAX);
    args.sort_by_key(|(name, _)| order(name));
    let mut parts: Vec<String> = Vec::new();
    let mut is_positional = true;
    for (name, text) in &args {
        let spec = specs.iter().find(|spec| spec.name == *name);
        // Only what a call cannot do without goes without its name outside of pipelines.
        let is_short = |spec: &ArgSpec| operator.is_some() || spec.default == Default::Required;
        is_positional &= spec.is_some_and(|spec| spec.positional && is_short(spec))
            && specs.iter().filter(|spec| spec.positional).nth(parts.len()).map(|spec| spec.name)
                == Some(*name);
        parts.push(if is_positional { text.clone() } else { format!("{name} = {text}") });
    }
    parts.extend(with.iter().map(|text| (*text).to_owned()));
    let has = |name: &str| args.iter().any(|(known, _)| *known == name);
    let takes_width = specs.iter().any(|spec| spec.name == "out");
    let lacks_width = family == Some(Family::Convolution) && takes_width && !has("out");
    let takes = |name: &str| specs.iter().any(|spec| spec.name == name);
    let lacks_size =
        takes("ratio") && takes("k") && !["ratio", "k", "min_score"].iter().any(|name| has(name));
    let is_lacking = specs.iter().any(|spec| spec.default == Default::Required && !has(spec.name));
    // What a call cannot do without, as the example of the reference has it.
    let example = example_call(op).or_else(|| call_spec(op).map(|spec| spec.example)).unwrap_or(op);
    let inside = example.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
    // A width comes first below.
    let is_lacking_here = |spec: &&ArgSpec| {
        spec.default == Default::Required && !has(spec.name) && !(lacks_width && spec.name == "out")
    };
    let lacking = specs.iter().filter(is_lacking_here);
    let shown = |spec: &ArgSpec| {
        let mut all = inside.split(", ");
        let named = all.clone().find(|one| one.split(" = ").next() == Some(spec.name));
        named.or_else(|| all.next().filter(|first| spec.positional && !first.contains(" = ")))
    };
    match lacking.map(shown).collect::<Option<Vec<&str>>>() {
        Some(lacking) if !lacks_size && (lacks_width || !parts.is_empty()) => {
            for one in lacking {
                let at = if one.contains(" = ") { parts.len() } else { 0 };
                parts.insert(at, one.to_owned());
            }
        }
        _ if lacks_size || is_lacking => parts.insert(0, inside.to_owned()),
        _ => {}
    }
    if lacks_width {
        let width = if family == Some(Family::Convolution) && op == "gat" { "16" } else { "64" };
        parts.insert(0, width.to_owned());
    }
    let mut text = if parts.is_empty() { op.to_owned() } else { format!("{op}({})", parts.join(", ")) };
    if times.is_some() && behind.is_empty() && family == Some(Family::Convolution) {
        behind.push("relu".into());
    }
    for stage in behind {
        text = format!("{text} -> {stage}");
    }
    if is_residual {
        text = format!("residual({text})");
    }
    // Once is no repetition.
    if let Some(times) = times.filter(|times| times != "1") {
        text = format!("repeat({times}, {text})");
    }
    Translated { text, without }
}

fn call_spec(name: &str) -> Option<&'static crate::args::CallSpec> {
    ["optimizer", "schedule", "early_stop", "protocol", "data", "feature"]
        .into_iter()
        .flat_map(catalogue)
        .find(|spec| spec.name == name)
        .copied()
}

/// "without `edge_dim` (`gin` reads no features of edges)"
fn without(left_out: &[(String, String)]) -> String {
    let parts: Vec<_> = left_out.iter().map(|(name, why)| format!("`{name}` ({why})")).collect();
    if parts.is_empty() { String::new() } else { format!("; without {}", parts.join(" and ")) }
}

/// What the list of a catalogue of calls is; `None` for others.
fn words_of(kind: &str) -> Option<&'static [Word]> {
    Some(match kind {
        "optimizer" => elsewhere::OPTIMIZERS,
        "schedule" => elsewhere::SCHEDULES,
        "early_stop" => elsewhere::STOPS,
        "protocol" => elsewhere::PROTOCOLS,
        "data" => elsewhere::SOURCES,
        "feature" => elsewhere::FEATURES,
        _ => return None,
    })
}

/// What stands where a name of another library was found.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a, 'p> {
    pub name: &'a str,
    pub place: Span,
    /// The whole call, where the name is called at its place, with its arguments.
    pub call: Option<(Span, &'a [Given<'p>])>,
    /// What to delete so that the stage is gone, its arrow included.
    pub cut: Option<Span>,
}

/// What can have a page in the reference, by its name in another library.
fn reference_word(name: &str) -> Option<&'static Word> {
    let lists = [
        elsewhere::FEATURES,
        elsewhere::STAGES,
        elsewhere::LOSSES,
        elsewhere::OPTIMIZERS,
        elsewhere::SCHEDULES,
        elsewhere::STOPS,
        elsewhere::PROTOCOLS,
        elsewhere::SOURCES,
        elsewhere::METRICS,
    ];
    let listed = lists.into_iter().find_map(|list| elsewhere::find(list, name));
    listed.or_else(|| stage_word(name))
}

/// What another library's name is called here, where it is one call.
pub fn called_here(name: &str) -> Option<&'static str> {
    match reference_word(name)?.here {
        Here::Is { op, .. } => Some(op),
        _ => None,
    }
}

/// What `hgnnc ops` says of a name of another library.
pub fn in_the_reference(name: &str) -> Option<String> {
    let word = reference_word(name)?;
    let full_name = word.of.with_name(name);
    Some(match word.here {
        Here::Is { op, .. } => format!("{full_name} is called `{op}` here: `hgnnc ops {op}`"),
        Here::NotYet { why, nearest } => format!(
            "{full_name} has no counterpart here yet ({why}); what comes nearest is `{nearest}`: `hgnnc ops {nearest}`"
        ),
        Here::Write { text, why } => format!("{why}: `{text}`"),
        Here::LeaveOut(why) => format!("{full_name} is not written here: {why}"),
    })
}

/// A stage with a name of another library.
pub fn stage(found: Found) -> Option<Diagnostic> {
    let word = stage_word(found.name)?;
    let specs = |op: &str| ops::find(op).map_or(&[][..], |op| op.args());
    Some(message("names::unknown", "operator or block", word, found, &specs))
}

/// Whether another library has a call of a catalogue under this name.
pub fn knows_call(kind: &str, name: &str) -> bool {
    words_of(kind).is_some_and(|list| elsewhere::find(list, name).is_some())
}

/// A call of a catalogue (`optimizer`, `data`, …) with a name of another library.
pub fn call(kind: &str, found: Found) -> Option<Diagnostic> {
    let word = elsewhere::find(words_of(kind)?, found.name)?;
    let specs = |name: &str| call_spec(name).map_or(&[][..], |spec| spec.args);
    Some(message("names::unknown", crate::args::kind_in_words(kind), word, found, &specs))
}

/// A loss with a name of another library.
pub fn loss(found: Found) -> Option<Diagnostic> {
    let word = elsewhere::find(elsewhere::LOSSES, found.name)?;
    let specs = |name: &str| ops::find_loss(name).map_or(&[][..], |loss| loss.args());
    Some(message("names::unknown_loss", "loss", word, found, &specs))
}

/// A metric or task with a name of another library. `kind` is "metric" or "task".
pub fn plain_word(code: &'static str, kind: &str, name: &str, place: Span) -> Option<Diagnostic> {
    let list = if kind == "task" { elsewhere::TASKS } else { elsewhere::METRICS };
    let word = elsewhere::find(list, name)?;
    let found = Found { name, place, call: None, cut: None };
    Some(message(code, kind, word, found, &|_| &[]))
}

fn message(
    code: &'static str,
    kind: &str,
    word: &Word,
    found: Found,
    specs: &dyn Fn(&str) -> &'static [ArgSpec],
) -> Diagnostic {
    let Found { name, place, call, cut } = found;
    let (whole, given) = call.unwrap_or((place, &[]));
    let full_name = word.of.with_name(name);
    match word.here {
        Here::Is { op, with } => {
            let new = translate(op, with, word.args, specs(op), given);
            let text = match kind {
                "metric" | "task" => op.to_owned(),
                _ => new.text,
            };
            Diagnostic::error(code, format!("{full_name} is called `{op}` here"))
                .label(place, format!("write `{text}`"))
                .help(format!("write `{text}`{}", without(&new.without)))
                .fix(whole, text)
        }
        Here::NotYet { why, nearest } => {
            let new = translate(nearest, &[], word.args, specs(nearest), given);
            let text = match kind {
                "metric" | "task" => nearest.to_owned(),
                _ => new.text,
            };
            Diagnostic::error(code, format!("{full_name} has no counterpart here yet: {why}"))
                .label(place, "not part of the language")
                .help(format!("what comes nearest is `{text}`{}", without(&new.without)))
                .guess(whole, text)
        }
        Here::Write { why, .. } if name == "Sequential" && !given.is_empty() => {
            let stages: Vec<String> = given.iter().filter_map(|arg| stage_text(arg.value)).collect();
            let text = stages.join(" -> ");
            Diagnostic::error(code, format!("there is no {kind} `{name}`: {why}"))
                .label(place, "not part of the language")
                .help(format!("write `{text}`"))
                .guess(whole, text)
        }
        Here::Write { text, why } => Diagnostic::error(code, format!("there is no {kind} `{name}`: {why}"))
            .label(place, "not part of the language")
            .help(format!("for example `{text}`")),
        Here::LeaveOut(why) => {
            let finding = Diagnostic::error(code, format!("{full_name} is not written here: {why}"))
                .label(place, "leave this out")
                .help(format!("leave `{name}` out"));
            match cut {
                Some(cut) => finding.fix(cut, ""),
                None => finding,
            }
        }
    }
}

/// A stage of a list of layers in our names; `None` where nothing is to be written for it.
fn stage_text(expr: &Expr) -> Option<String> {
    if let ExprKind::Call(call) = &expr.kind
        && ["sequential", "seq"].contains(&last_part(&call.callee.text).as_str())
    {
        let stages: Vec<String> = call.args.iter().filter_map(|arg| stage_text(&arg.value)).collect();
        return (!stages.is_empty()).then(|| stages.join(" -> "));
    }
    // The class alone, of which the library makes a layer itself.
    if let ExprKind::Name(name) = &expr.kind
        && ops::find(name).is_none()
        && let Some(Here::Is { op, with: [] }) = stage_word(name).map(|word| word.here)
    {
        return Some(op.to_owned());
    }
    let Some(word) = word_of(expr).filter(|name| ops::find(name).is_none()) else {
        return Some(written(expr));
    };
    let Some(word) = stage_word(word) else { return Some(written(expr)) };
    let given: Vec<Given> = match &expr.kind {
        ExprKind::Call(call) => call.args.iter().map(Given::from).collect(),
        _ => Vec::new(),
    };
    let specs = |op: &str| ops::find(op).map_or(&[][..], |op| op.args());
    match word.here {
        Here::Is { op, with } => Some(translate(op, with, word.args, specs(op), &given).text),
        Here::NotYet { nearest, .. } => Some(translate(nearest, &[], word.args, specs(nearest), &given).text),
        Here::Write { .. } => Some(written(expr)),
        Here::LeaveOut(_) => None,
    }
}

/// Arguments of other libraries in a call of ours: one message for all of them. `known` are the names that the callee
/// takes; `call` is the place of the whole call where it is an operator's.
pub fn arguments(
    callee: &str,
    specs: &'static [ArgSpec],
    given: &[Given],
    call: Option<Span>,
) -> Option<(Vec<usize>, Diagnostic)> {
    let of_another = |(idx, arg): (usize, &Given)| {
        let name = arg.name?;
        if specs.iter().any(|spec| spec.name == name.text) {
            return None;
        }
        applies(&argument(callee, specs, &name.text)?, callee, specs).then_some(idx)
    };
    let places: Vec<usize> = given.iter().enumerate().filter_map(of_another).collect();
    let finding = arguments_finding(callee, specs, given, call, &places)?;
    Some((places, finding))
}

fn arguments_finding(
    callee: &str,
    specs: &'static [ArgSpec],
    given: &[Given],
    call: Option<Span>,
    places: &[usize],
) -> Option<Diagnostic> {
    let foreign: Vec<(&Given, &str, Argument)> = places
        .iter()
        .filter_map(|&idx| {
            let name = given[idx].name?;
            Some((&given[idx], name.text.as_str(), argument(callee, specs, &name.text)?))
        })
        .collect();
    let (_, first, one) = *foreign.first()?;
    let label = |argument: &Argument| match argument.meaning {
        Meaning::Inferred => "the width of the input is inferred".to_owned(),
        Meaning::Called(names) => {
            let own = names.iter().find(|name| specs.iter().any(|spec| spec.name == **name));
            format!("called `{}` here", own.unwrap_or(&names[0]))
        }
        Meaning::Times if own_name(argument, specs).is_some() => "called `n` here".to_owned(),
        Meaning::Times => "`repeat` puts stages in a row".to_owned(),
        Meaning::Behind(what) => match specs.iter().any(|spec| spec.name == what) {
            true => format!("called `{what}` here"),
            false => "a stage of its own".to_owned(),
        },
        Meaning::Residual => "`residual` adds the input of a pipeline to its result".to_owned(),
        Meaning::OfEdges(of) => match specs.iter().find(|spec| spec.kind == ArgKind::Edges(of)) {
            Some(spec) => format!("called `{}` here", spec.name),
            None => reads_no_edges(callee, of),
        },
        Meaning::NoEffect(why) => why.to_owned(),
        Meaning::NotYet(why) => format!("{why} yet"),
        Meaning::Unknown => "it has no counterpart here yet".to_owned(),
    };
    let message = match foreign.len() {
        1 => match one.meaning {
            Meaning::NotYet(why) => format!("`{callee}` has no argument `{first}`: {why} yet"),
            Meaning::NoEffect(_) | Meaning::Inferred => {
                format!("`{callee}` takes no `{first}`: {}", label(&one))
            }
            _ => format!("`{callee}` has no argument `{first}`: {}", label(&one)),
        },
        _ => {
            let names: Vec<_> = foreign.iter().map(|(_, name, _)| *name).collect();
            format!("`{callee}` has no arguments {}", words_list(&names))
        }
    };
    let mut finding = Diagnostic::error("args::unknown", message);
    for (arg, _, argument) in &foreign {
        finding = finding.label(arg.name.map_or(arg.value.span, |name| name.span), label(argument));
    }
    let name = ops::find(callee).map(|op| op.name()).or_else(|| call_spec(callee).map(|spec| spec.name));
    let Some(name) = name.or_else(|| ops::find_loss(callee).map(|loss| loss.name())) else {
        let own = |argument: &Argument| own_name(argument, specs);
        let renamed = foreign.iter().filter_map(|(arg, _, argument)| Some((arg.name?.span, own(argument)?)));
        for (span, name) in renamed {
            finding = finding.fix(span, name);
        }
        return Some(finding.help(format!(
            "`{callee}` takes {}",
            words_list(&specs.iter().map(|spec| spec.name).collect::<Vec<_>>())
        )));
    };
    let positions: Vec<&'static str> =
        specs.iter().filter(|spec| spec.positional).map(|spec| spec.name).collect();
    let new = translate(name, &[], &positions, specs, given);
    let left_out: Vec<_> = new
        .without
        .into_iter()
        // Their labels say why.
        .filter(|(name, _)| foreign.len() == 1 && !foreign.iter().any(|(_, known, _)| known == name))
        .collect();
    let finding = finding.help(format!("write `{}`{}", new.text, without(&left_out)));
    let is_sure = foreign.iter().all(|(_, _, argument)| match argument.meaning {
        Meaning::NotYet(_) | Meaning::Unknown => false,
        Meaning::OfEdges(of) => specs.iter().any(|spec| spec.kind == ArgKind::Edges(of)),
        _ => true,
    });
    Some(match (call, is_sure) {
        (Some(call), true) => finding.fix(call, new.text),
        (Some(call), false) => finding.guess(call, new.text),
        (None, _) => finding,
    })
}

/// Why an operator takes no such values of the edges, with one that does.
fn reads_no_edges(op: &str, of: EdgeValue) -> String {
    let what = match of {
        EdgeValue::Features => "features",
        EdgeValue::Weight => "weights",
        EdgeValue::Kind => "kinds",
    };
    match ops::takes_edges(of) {
        Some((other, arg)) => {
            format!("`{op}` reads no {what} of edges, `{}({arg} = {})` does", other.name(), of.example())
        }
        None => format!("`{op}` reads no {what} of edges"),
    }
}

/// The argument of ours that an argument of another library is.
fn own_name(argument: &Argument, specs: &[ArgSpec]) -> Option<&'static str> {
    let names: &[&'static str] = match argument.meaning {
        Meaning::Called(names) => names,
        Meaning::Times => &["n"],
        _ => &[],
    };
    names.iter().copied().find(|name| specs.iter().any(|spec| spec.name == *name))
}

/// Whether an argument of another library means something in a call of `callee`.
fn applies(argument: &Argument, callee: &str, specs: &[ArgSpec]) -> bool {
    let has = |name: &str| specs.iter().any(|spec| spec.name == name);
    let operator = ops::find(callee);
    let family = operator.map(|op| op.family());
    match argument.meaning {
        Meaning::Called(names) => names.iter().any(|name| has(name)),
        Meaning::Inferred => operator.is_some() || ops::find_loss(callee).is_some(),
        Meaning::Times if has("n") => true,
        Meaning::Times | Meaning::Residual => family.is_some() && family != Some(Family::Readout),
        Meaning::Behind(what) => has(what) || operator.is_some(),
        Meaning::OfEdges(_) => family == Some(Family::Convolution),
        Meaning::NoEffect(_) => true,
        Meaning::NotYet(_) | Meaning::Unknown => true,
    }
}

/// A word that an argument cannot take, in the words of another library: `aggregate = add`.
pub fn choice(given: &str, words: &'static [&'static str]) -> Option<&'static str> {
    let found = |wanted: &str| words.iter().copied().find(|word| *word == wanted);
    let metric = |name: &str| match elsewhere::find(elsewhere::METRICS, name)?.here {
        Here::Is { op, .. } | Here::NotYet { nearest: op, .. } => Some(op),
        _ => None,
    };
    if words == crate::settings::metric::NAMES {
        return metric(given).and_then(found);
    }
    if words.contains(&"val_loss") {
        let name = given.strip_prefix("val_").unwrap_or(given);
        return match name {
            "loss" => Some("val_loss"),
            name => found(&format!("val_{}", found_metric(name).or_else(|| metric(name))?)),
        };
    }
    let lower = given.to_lowercase();
    let meant = match lower.as_str() {
        "add" => "sum",
        "avg" | "average" => "mean",
        "prod" | "product" => "mul",
        "softmax" => "softmax_sum",
        "bn" | "batchnorm" | "batch" => "batch_norm",
        other => other,
    };
    found(meant).or_else(|| match stage_word(given)?.here {
        Here::Is { op, .. } => found(op),
        _ => None,
    })
}

/// A metric of ours by its name.
fn found_metric(name: &str) -> Option<&'static str> {
    crate::settings::metric::NAMES.iter().copied().find(|own| *own == name)
}

/// Where a setting of another library stands here, as text to paste: the section that it belongs into, or `None` for
/// the top of the file, and what is written there.
fn pasted(key: &elsewhere::Key, expr: &Expr, optimizer: &str) -> Option<(Option<&'static str>, String)> {
    let text = written(expr);
    Some(match key.place {
        Place::Optimizer(arg) => (Some("train"), format!("optimizer = {optimizer}({arg} = {text})")),
        Place::Stop => (Some("train"), format!("early_stop = patience({})", stop_epochs(expr))),
        Place::Train(name) => (Some("train"), format!("{name} = {}", train_value(name, expr))),
        Place::Evaluate("metrics") => {
            let names = match &expr.kind {
                ExprKind::List(items) => items.iter().collect(),
                _ => vec![expr],
            };
            let names: Vec<_> = names.into_iter().filter_map(word_of).map(metric).collect();
            (Some("evaluate"), format!("metrics = [{}]", names.join(", ")))
        }
        Place::Evaluate("protocol") => {
            (Some("evaluate"), format!("protocol = {}", call_value("protocol", expr)))
        }
        Place::Evaluate(name) => (Some("evaluate"), format!("{name} = {text}")),
        Place::Protocol { call, arg: "" } => (Some("evaluate"), format!("protocol = {call}({text})")),
        Place::Protocol { call, arg } => (Some("evaluate"), format!("protocol = {call}({arg} = {text})")),
        Place::Loss => (None, format!("loss = {}", loss_value(expr))),
        Place::Elsewhere("data") => (None, format!("data = {}", data_value(expr))),
        Place::Elsewhere("task") => (None, format!("task = {}", task_value(expr))),
        Place::Elsewhere(name) => (None, format!("{name} = {text}")),
        Place::Stage(_) | Place::NotHere(_) => return None,
    })
}

fn stop_epochs(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Number { value, .. } => value.to_string(),
        ExprKind::Name(name) if !is_python(name) => name.clone(),
        _ => last_number(expr).unwrap_or(30).to_string(),
    }
}

fn train_value(key: &str, expr: &Expr) -> String {
    match key {
        "optimizer" | "schedule" | "early_stop" => call_value(key, expr),
        _ => written(expr),
    }
}

/// A call of a catalogue, from whatever was written for one.
fn call_value(kind: &str, expr: &Expr) -> String {
    let Some(name) = word_of(expr) else { return written(expr) };
    if let Some(spec) = catalogue(kind).iter().find(|spec| spec.name == name.to_lowercase()) {
        return match &expr.kind {
            ExprKind::Call(call) => {
                let given: Vec<Given> = call.args.iter().map(Given::from).collect();
                translate(spec.name, &[], &[], spec.args, &given).text
            }
            _ => translate(spec.name, &[], &[], spec.args, &[]).text,
        };
    }
    let word = words_of(kind).and_then(|list| elsewhere::find(list, name));
    match word.map(|word| (word, word.here)) {
        Some((word, Here::Is { op, .. } | Here::NotYet { nearest: op, .. })) => {
            let given: Vec<Given> = match &expr.kind {
                ExprKind::Call(call) => call.args.iter().map(Given::from).collect(),
                _ => Vec::new(),
            };
            translate(op, &[], word.args, call_spec(op).map_or(&[], |spec| spec.args), &given).text
        }
        _ => catalogue(kind).first().map_or("…", |spec| spec.example).to_owned(),
    }
}

fn metric(name: &str) -> &str {
    match elsewhere::find(elsewhere::METRICS, name).map(|word| word.here) {
        Some(Here::Is { op, .. } | Here::NotYet { nearest: op, .. }) => op,
        _ => name,
    }
}

fn loss_value(expr: &Expr) -> String {
    let Some(name) = word_of(expr) else { return written(expr) };
    match elsewhere::find(elsewhere::LOSSES, name).map(|word| word.here) {
        Some(Here::Is { op, .. } | Here::NotYet { nearest: op, .. }) => op.to_owned(),
        _ => name.to_owned(),
    }
}

fn task_value(expr: &Expr) -> String {
    let Some(name) = word_of(expr) else { return written(expr) };
    match elsewhere::find(elsewhere::TASKS, name).map(|word| word.here) {
        Some(Here::Is { op, .. } | Here::NotYet { nearest: op, .. }) => op.to_owned(),
        _ => name.to_owned(),
    }
}

fn data_value(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::String(name) => format!("tu({})", quoted(name)),
        ExprKind::Name(name) if catalogue("data").iter().all(|spec| spec.name != name) => {
            format!("tu({})", quoted(name))
        }
        _ => written(expr),
    }
}

/// The section that one of our own keys belongs into.
fn own_section(name: &str) -> Option<&'static str> {
    let has = |specs: &[ArgSpec]| specs.iter().any(|spec| spec.name == name);
    if has(crate::settings::TRAIN_SECTION) {
        Some("train")
    } else {
        has(crate::settings::EVALUATE_SECTION).then_some("evaluate")
    }
}

/// A setting at the top of a file that belongs into a section, or has another name here. `section` is the place behind
/// the last entry of a section of the file, where there is one, and the line that is deleted is `line`.
pub fn setting(
    name: &str,
    place: Span,
    value: &Expr,
    whole: Span,
    sections: &dyn Fn(&str) -> Option<Span>,
) -> Option<Diagnostic> {
    let key = elsewhere::key(name)?;
    let of = key.of.with_name(name);
    let finding = |message: String| Diagnostic::error("names::unknown_setting", message);
    Some(match (key.place, pasted(key, value, "adam")) {
        (_, Some((Some(section), text))) => {
            let message = match own_section(name) {
                Some(_) => format!("`{name}` belongs into `{section} {{ … }}`"),
                None => format!("there is no setting `{name}`; it belongs into `{section} {{ … }}`"),
            };
            let finding = finding(message).label(place, "not at the top of a file");
            match sections(section) {
                Some(end) => finding
                    .help(format!("write `{text}` in `{section}`"))
                    .fix(whole, "")
                    .fix(Span { start: end.end, ..end }, format!("\n    {text}")),
                None => {
                    let line = format!("{section} {{ {text} }}");
                    finding.help(format!("write `{line}`")).fix(whole, line)
                }
            }
        }
        (_, Some((None, text))) => finding(format!("there is no setting `{name}`"))
            .label(place, format!("called `{}` here", text.split(' ').next().unwrap_or_default()))
            .help(format!("write `{text}`"))
            .fix(whole, text),
        (Place::Stage(example), None) => {
            finding(format!("there is no setting `{name}`: it is a matter of the model"))
                .label(place, "a stage or an argument of one")
                .help(format!("write it in the model, as in `{example}`"))
        }
        (Place::NotHere(why), None) => finding(format!("{of} is not set here: {why}"))
            .label(place, "leave this out")
            .help(format!("leave `{name}` out"))
            .fix(whole, ""),
        (_, None) => return None,
    })
}

/// The entries of a section that another library would have there, in one message for those of one optimiser.
/// `entries` are all of the section, by place.
pub fn entries(section: &'static str, given: &[Given], known: &[&str]) -> Vec<(Vec<usize>, Diagnostic)> {
    let keys: Vec<Option<&'static elsewhere::Key>> = given
        .iter()
        .map(|arg| {
            let name = &arg.name?.text;
            if known.contains(&name.as_str()) { None } else { elsewhere::key(name) }
        })
        .collect();
    let mut found = Vec::new();
    let of_optimizer: Vec<usize> = (0..given.len())
        .filter(|&idx| keys[idx].is_some_and(|key| matches!(key.place, Place::Optimizer(_))))
        .collect();
    if let (Some(&first), "train") = (of_optimizer.first(), section) {
        found.push((of_optimizer.clone(), optimizer_entries(given, &keys, &of_optimizer, first)));
    }
    for (idx, arg) in given.iter().enumerate() {
        let (Some(key), Some(name)) = (keys[idx], arg.name) else { continue };
        if of_optimizer.contains(&idx) && section == "train" {
            continue;
        }
        found.push((vec![idx], entry(section, given, idx, key, &name.text, known)));
    }
    found
}

/// What to delete so that an entry is gone, with what separates it.
fn entry_cut(given: &[Given], idx: usize) -> Span {
    let own = given[idx].span();
    match (idx.checked_sub(1), given.get(idx + 1)) {
        (Some(before), _) => Span { start: given[before].span().end, ..own },
        (None, Some(next)) => Span { end: next.span().start, ..own },
        (None, None) => own,
    }
}

fn optimizer_entries(
    given: &[Given],
    keys: &[Option<&'static elsewhere::Key>],
    places: &[usize],
    first: usize,
) -> Diagnostic {
    let own = given.iter().position(|arg| arg.name.is_some_and(|name| name.text == "optimizer"));
    let has_momentum =
        places.iter().any(|&idx| keys[idx].is_some_and(|key| key.place == Place::Optimizer("momentum")));
    let base = match own {
        Some(own) => call_value("optimizer", given[own].value),
        None if has_momentum => "sgd".to_owned(),
        None => "adam".to_owned(),
    };
    let (name, inside) = base.split_once('(').unwrap_or((&base, ""));
    let mut args: Vec<String> = Vec::new();
    let inside = inside.trim_end_matches(')');
    if !inside.is_empty() {
        args.push(inside.to_owned());
    }
    for &idx in places {
        if let Some(Place::Optimizer(arg)) = keys[idx].map(|key| key.place) {
            args.push(format!("{arg} = {}", written(given[idx].value)));
        }
    }
    let text = format!("optimizer = {name}({})", args.join(", "));
    let names: Vec<&str> =
        places.iter().filter_map(|&idx| given[idx].name).map(|name| name.text.as_str()).collect();
    let message = match names.len() {
        1 => format!("`{}` belongs to the optimiser, not to `train`", names[0]),
        _ => format!("{} belong to the optimiser, not to `train`", words_list(&names)),
    };
    let mut finding = Diagnostic::error("args::unknown", message);
    for &idx in places {
        let place = given[idx].name.map_or(given[idx].value.span, |name| name.span);
        finding = finding.label(place, "an argument of the optimiser");
    }
    finding = finding.help(format!("write `{text}`"));
    // The first place takes the new entry; the others, with the old optimiser, go.
    let mut edits = vec![Edit { span: given[first].span(), text }];
    for &idx in places.iter().skip(1).chain(own.iter()) {
        let span = given[idx].span();
        let start = idx.checked_sub(1).map_or(span.start, |before| given[before].span().end);
        let end = match idx {
            0 => given.get(1).map_or(span.end, |next| next.span().start),
            _ => span.end,
        };
        edits.push(Edit { span: Span { start, end, ..span }, text: String::new() });
    }
    finding.fix = Some(Box::new(Fix { edits, is_guess: false }));
    finding
}

fn entry(
    section: &'static str,
    given: &[Given],
    idx: usize,
    key: &'static elsewhere::Key,
    name: &str,
    known: &[&str],
) -> Diagnostic {
    let arg = &given[idx];
    let place = arg.name.map_or(arg.value.span, |name| name.span);
    let finding = |message: String| Diagnostic::error("args::unknown", message);
    let has = |wanted: &str| given.iter().any(|arg| arg.name.is_some_and(|name| name.text == wanted));
    match (key.place, pasted(key, arg.value, "adam")) {
        (_, Some((Some(meant), text))) if meant == section => {
            let own = text.split(' ').next().unwrap_or_default().to_owned();
            let finding = finding(format!("`{section}` has no key `{name}`"))
                .label(place, format!("called `{own}` here"))
                .help(format!("write `{text}`"));
            if has(&own) || !known.contains(&own.as_str()) { finding } else { finding.fix(arg.span(), text) }
        }
        (_, Some((meant, text))) => {
            let line = match meant {
                Some(meant) => format!("{meant} {{ {text} }}"),
                None => text,
            };
            let place_here = match meant {
                Some(meant) => format!("belongs into `{meant} {{ … }}`"),
                None => "belongs at the top of the file".to_owned(),
            };
            finding(format!("`{section}` has no key `{name}`: it {place_here}"))
                .label(place, place_here)
                .help(format!("write `{line}` on a line of its own"))
        }
        (Place::Stage(example), None) => {
            finding(format!("`{section}` has no key `{name}`: it is a matter of the model"))
                .label(place, "a stage or an argument of one")
                .help(format!("write it in the model, as in `{example}`"))
        }
        (Place::NotHere(why), None) => finding(format!("`{section}` has no key `{name}`: {why}"))
            .label(place, "leave this out")
            .help(format!("leave `{name}` out"))
            .fix(entry_cut(given, idx), ""),
        (_, None) => finding(format!("`{section}` has no key `{name}`")).label(place, "no such key"),
    }
}

/// A section of another library's configuration, such as `gnn { … }` of GraphGym.
pub fn section(name: &str, place: Span, entries: &[crate::syntax::ast::Entry]) -> Option<Diagnostic> {
    let (of, meant) = elsewhere::section(name)?;
    let text = match meant {
        "model" => format!("model = {}", graphgym_model(entries)),
        "data" => {
            let named = |wanted: &str| entries.iter().find(|entry| entry.key.text == wanted);
            let name = named("name").or_else(|| named("dataset")).map(|entry| &entry.value).and_then(word_of);
            let name = name.map_or("PROTEINS", |name| name.trim_start_matches("TU_"));
            format!("data = tu({})", quoted(name))
        }
        section => section_text(section, entries),
    };
    let finding = Diagnostic::error(
        "names::unknown_section",
        match meant {
            "model" | "data" => format!("there is no section `{name}`: `{meant}` is a setting"),
            _ => format!("there is no section `{name}`"),
        },
    )
    .label(
        place,
        match of {
            Library::Common => format!("called `{meant}` here"),
            of => format!("{} is `{meant}` here", of.with_name(name)),
        },
    );
    Some(finding.help(format!("write `{text}`")))
}

/// The entries that belong into one of our sections.
fn section_text(section: &'static str, entries: &[crate::syntax::ast::Entry]) -> String {
    let given: Vec<Given> = entries.iter().map(Given::from).collect();
    let mut parts: Vec<String> = Vec::new();
    let mut optimizer: (Option<String>, Vec<String>) = (None, Vec::new());
    for arg in &given {
        let Some(key) = arg.name.and_then(|name| elsewhere::key(&name.text)) else { continue };
        match key.place {
            Place::Optimizer(name) => optimizer.1.push(format!("{name} = {}", written(arg.value))),
            Place::Train("optimizer") => optimizer.0 = Some(call_value("optimizer", arg.value)),
            _ => match pasted(key, arg.value, "adam") {
                Some((Some(meant), text)) if meant == section => parts.push(text),
                _ => {}
            },
        }
    }
    if optimizer.0.is_some() || !optimizer.1.is_empty() {
        let name = optimizer.0.unwrap_or_else(|| "adam".to_owned());
        let args = optimizer.1.join(", ");
        parts.insert(
            0,
            if args.is_empty() {
                format!("optimizer = {name}")
            } else {
                format!("optimizer = {name}({args})")
            },
        );
    }
    if parts.is_empty() {
        format!("{section} {{ … }}")
    } else {
        format!("{section} {{ {} }}", parts.join(", "))
    }
}

/// The model that GraphGym's `gnn` section describes.
fn graphgym_model(entries: &[crate::syntax::ast::Entry]) -> String {
    let named = |wanted: &[&str]| {
        entries.iter().find(|entry| wanted.contains(&entry.key.text.as_str())).map(|entry| &entry.value)
    };
    let int = |wanted: &[&str], usual: i64| named(wanted).and_then(last_number).unwrap_or(usual);
    let width = int(&["dim_inner", "hidden_dim", "hidden_channels", "hidden"], 64);
    let conv = named(&["layer_type", "conv", "conv_type", "type"]).and_then(word_of).and_then(|name| {
        let own = ops::find(name).map(|op| op.name());
        own.or_else(|| match stage_word(name)?.here {
            Here::Is { op, .. } | Here::NotYet { nearest: op, .. } => Some(op),
            _ => None,
        })
    });
    let conv =
        conv.filter(|op| ops::find(op).is_some_and(|op| op.family() == Family::Convolution)).unwrap_or("gcn");
    let act = named(&["act", "activation"]).and_then(word_of).and_then(activation).unwrap_or("relu");
    let mut layer = format!("{conv}({width})");
    if named(&["batchnorm", "batch_norm", "norm"]).is_some_and(|value| !is_no(value)) {
        layer = format!("{layer} -> batch_norm");
    }
    layer = format!("{layer} -> {act}");
    if let Some(dropout) = named(&["dropout", "dropout_rate"]).filter(|value| !is_no(value)) {
        layer = format!("{layer} -> dropout({})", written(dropout));
    }
    let is_skip = named(&["stage_type"]).and_then(word_of).is_some_and(|word| word.starts_with("skip"));
    let mut parts = Vec::new();
    let n_before = int(&["layers_pre_mp"], i64::from(is_skip));
    if n_before > 0 {
        let before = format!("linear({width}) -> {act}");
        parts.push(if n_before > 1 { format!("repeat({n_before}, {before})") } else { before });
    }
    if is_skip {
        layer = format!("residual({layer})");
    }
    let n = int(&["layers_mp", "num_layers", "layers", "n_layers"], 2);
    parts.push(if n > 1 { format!("repeat({n}, {layer})") } else { layer });
    let pool = named(&["graph_pooling", "pooling", "readout"]).and_then(word_of);
    parts.push(match pool {
        Some("add" | "sum") => "sum".into(),
        Some("max") => "max".into(),
        _ => "mean".to_owned(),
    });
    parts.push(if int(&["layers_post_mp"], 2) > 1 { "mlp".into() } else { "linear".to_owned() });
    parts.join(" -> ")
}

/// A pipeline in the names of another library is one mistake: findings about its stages become one, with the whole
/// pipeline to paste. `pipelines` are those of the files, by place, each with what stands in front of it (`model = `).
pub fn together(findings: Vec<Diagnostic>, pipelines: &[(String, &Expr)]) -> Vec<Diagnostic> {
    let place = |span: Span| (span.file, span.start);
    let pipeline_of = |finding: &Diagnostic| {
        let is_sure = finding.fix.as_deref().is_some_and(|fix| !fix.is_guess);
        let span = finding.labels.first().filter(|_| is_sure && finding.code == "names::unknown")?.span;
        let behind = pipelines.partition_point(|(_, expr)| place(expr.span) <= place(span));
        let idx = behind.checked_sub(1)?;
        let around = pipelines[idx].1.span;
        (around.file == span.file && span.end <= around.end).then_some(idx)
    };
    let mut groups: BTreeMap<usize, Vec<Diagnostic>> = BTreeMap::new();
    let mut all = Vec::new();
    for finding in findings {
        match pipeline_of(&finding) {
            Some(idx) => groups.entry(idx).or_default().push(finding),
            None => all.push(finding),
        }
    }
    for (idx, found) in groups {
        let (head, pipeline) = &pipelines[idx];
        all.push(match <[Diagnostic; 1]>::try_from(found) {
            Ok([only]) => only,
            Err(found) => as_one(found, head, pipeline),
        });
    }
    all
}

/// A longer line is not shown whole.
const MAX_STAGES_SHOWN: usize = 40;

/// So many places are labelled.
const MAX_LABELS: usize = 12;

fn as_one(found: Vec<Diagnostic>, head: &str, pipeline: &Expr) -> Diagnostic {
    let n = found.len();
    let mut one =
        Diagnostic::error("names::unknown", format!("{n} stages go by the names of another library"));
    for mut finding in found {
        // One label a stage, as long as they can be overseen.
        finding.labels.truncate(usize::from(one.labels.len() < MAX_LABELS));
        one.labels.extend(finding.labels);
        let edits = finding.fix.map(|fix| fix.edits).unwrap_or_default();
        one.fix.get_or_insert_default().edits.extend(edits);
    }
    let edits: &[Edit] = one.fix.as_deref().map_or(&[], |fix| &fix.edits);
    let help = if n <= MAX_STAGES_SHOWN {
        format!("write `{head}{}`", rewritten(pipeline, edits))
    } else {
        let mut names: Vec<&str> = Vec::new();
        for edit in edits.iter().filter(|edit| !edit.text.is_empty() && edit.text.len() < 40) {
            if names.len() < MAX_LABELS && !names.contains(&edit.text.as_str()) {
                names.push(&edit.text);
            }
        }
        format!("write {} in their places", words_list(&names))
    };
    one.help(help)
}
