//! Names: unknown ones with what was probably meant, those defined twice, and definitions that form a cycle.

use super::elsewhere::{self, Found, written};
use super::explanations::EXPLANATIONS;
use crate::args::{BoundArg, EdgeValue, listed, words_list};
use crate::diagnostic::Diagnostic;
use crate::migrate::{self, Rename};
use crate::ops;
use crate::ops::combinators::COMBINATORS;
use crate::source::Span;
use crate::syntax::ast::{Entry, Expr, ExprKind, Ident, Stage};

/// The candidate that is nearest to what was written, where one is near: a slip of the keyboard, another
/// way to write it (`batchnorm`).
pub fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
    let wanted = plain(given);
    let allowed = (wanted.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let name = plain(candidate);
        let distance = strsim::damerau_levenshtein(&wanted, &name);
        // Two names of two letters are at distance 1 or 2 by chance.
        let is_near = distance <= allowed && distance < name.chars().count().max(1);
        if is_near && best.is_none_or(|(least, text)| (distance, candidate) < (least, text)) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Labels a finding about an unknown word: what was probably meant, or what there is.
pub fn suggested(
    finding: Diagnostic,
    place: Span,
    suggestion: Option<&str>,
    otherwise: &str,
    all: &str,
) -> Diagnostic {
    match suggestion {
        Some(name) => finding.label(place, format!("did you mean `{name}`?")).help(all).guess(place, name),
        None => finding.label(place, otherwise).help(all),
    }
}

/// A name of an older version of the language. `of` is what it is an argument of.
pub fn renamed(of: Option<&str>, rename: &Rename, place: Span) -> Diagnostic {
    let Rename { from, to, since, reason, .. } = rename;
    let of = of.map_or_else(String::new, |of| format!(" of `{of}`"));
    Diagnostic::error(
        "names::renamed",
        format!("`{from}`{of} has been called `{to}` since version {since} of the language"),
    )
    .label(place, format!("write `{to}`"))
    .help(format!("it is {reason}; `hgnnc migrate FILE` rewrites it"))
    .fix(place, *to)
}

/// An unknown stage of a pipeline. `visible` are the names in scope besides the operators.
pub fn unknown_stage(found: Found, visible: &[&str]) -> Diagnostic {
    let Found { name: given, place, .. } = found;
    if let Some(rename) = migrate::renamed_call(given) {
        return renamed(None, rename, place);
    }
    // A name that the field knows is no slip of the keyboard, unless it is near one that the file defines.
    let is_slip = did_you_mean(given, visible.iter().copied()).is_some();
    if let Some(finding) = elsewhere::stage(found).filter(|_| !is_slip) {
        return finding;
    }
    let finding = Diagnostic::error("names::unknown", no_stage(given));
    let combinators = COMBINATORS.iter().map(|combinator| combinator.spec.name);
    let operators = ops::CATALOGUE.iter().map(|op| op.name());
    let suggestion = did_you_mean(given, visible.iter().copied().chain(operators).chain(combinators));
    suggested(finding, place, suggestion, "not known here", "`hgnnc ops` lists every operator")
}

/// What is said of a stage whose name nothing has.
pub fn no_stage(given: &str) -> String {
    format!("there is no operator or block `{given}`")
}

/// A name where a value is expected.
pub fn unknown_value(given: &str, place: Span, expected: &str, visible: &[&str]) -> Diagnostic {
    let finding = Diagnostic::error("names::unknown", format!("`{given}` is not defined"));
    let suggestion = did_you_mean(given, visible.iter().copied());
    suggested(
        finding,
        place,
        suggestion,
        &format!("{expected} is expected here"),
        &format!("define it with `let {given} = …`, or write the value"),
    )
}

/// A call that the catalogue (`optimizer`, `data`, …) does not have.
pub fn unknown_call(kind: &str, found: Found, known: &[&str]) -> Diagnostic {
    let Found { name: given, place, .. } = found;
    if let Some(rename) = migrate::renamed_call(given) {
        return renamed(None, rename, place);
    }
    if let Some(finding) = elsewhere::call(kind, found) {
        return finding;
    }
    let what = kind.replace('_', " ");
    let finding = Diagnostic::error("names::unknown", format!("there is no {what} `{given}`"));
    let all = format!("`{kind}` can be {}", words_list(known));
    suggested(finding, place, did_you_mean(given, known.iter().copied()), "not known", &all)
}

/// `modell = …`: the word before `=` at the top of a file.
pub fn unknown_setting(
    key: &Ident,
    value: &Expr,
    whole: Span,
    section_end: &dyn Fn(&str) -> Option<Span>,
    known: &[&str],
    sections: &[&str],
) -> Diagnostic {
    let (given, place) = (key.text.as_str(), key.span);
    if let Some(rename) = migrate::renamed_setting(given) {
        return renamed(None, rename, place);
    }
    let finding = Diagnostic::error("names::unknown_setting", format!("there is no setting `{given}`"));
    if sections.contains(&given) {
        return finding
            .label(place, format!("`{given}` is a section"))
            .help(format!("write `{given} {{ … }}` without `=`"));
    }
    if let Some(finding) = elsewhere::setting(given, place, value, whole, section_end) {
        return finding;
    }
    let is_taken = ops::find(given).is_some() || ops::find_input(given).is_some();
    let let_line = match is_taken {
        true => format!("`{given}` is a word of the language; `let my_{given} = …` names a value"),
        false => format!("`let {given} = …` names a value"),
    };
    let all = format!("a file sets {}; {let_line}", words_list(known));
    let finding = suggested(finding, place, did_you_mean(given, known.iter().copied()), "not known", &all);
    match (finding.fix.is_some(), is_taken) {
        (true, _) => finding,
        (false, false) => finding.guess(Span { end: place.start, ..place }, "let "),
        (false, true) => finding.guess(place, format!("let my_{given}")),
    }
}

/// `trian { … }`
pub fn unknown_section(name: &Ident, entries: &[Entry], known: &[&str], settings: &[&str]) -> Diagnostic {
    let (given, place) = (name.text.as_str(), name.span);
    if let Some(rename) = migrate::renamed_setting(given) {
        return renamed(None, rename, place);
    }
    if let Some(finding) = elsewhere::section(given, place, entries).filter(|_| !entries.is_empty()) {
        return finding;
    }
    let finding = Diagnostic::error("names::unknown_section", format!("there is no section `{given}`"));
    if settings.contains(&given) {
        return finding.label(place, format!("`{given}` is a setting")).help(format!("write `{given} = …`"));
    }
    let all = format!("sections are {}", words_list(known));
    suggested(finding, place, did_you_mean(given, known.iter().copied()), "not known", &all)
}

/// A term of `loss` that is no loss.
pub fn unknown_loss(found: Found) -> Diagnostic {
    let Found { name: given, place, .. } = found;
    if let Some(rename) = migrate::renamed_call(given) {
        return renamed(None, rename, place);
    }
    if let Some(finding) = elsewhere::loss(found) {
        return finding;
    }
    let known: Vec<_> = ops::LOSSES.iter().map(|loss| loss.name()).collect();
    let finding = Diagnostic::error("names::unknown_loss", format!("there is no loss `{given}`"));
    let all = format!("losses are {}", words_list(&known));
    suggested(finding, place, did_you_mean(given, known.iter().copied()), "not known", &all)
}

/// A figure of `published` that is no metric.
pub fn unknown_metric(given: &str, place: Span, known: &[&str]) -> Diagnostic {
    if let Some(finding) = elsewhere::plain_word("names::unknown_metric", "metric", given, place) {
        return finding;
    }
    let finding = Diagnostic::error("names::unknown_metric", format!("there is no metric `{given}`"));
    let all = format!("metrics are {}; `source` says where the figures come from", words_list(known));
    suggested(finding, place, did_you_mean(given, known.iter().copied()), "not known", &all)
}

/// `task = …` with a word that is no task.
pub fn unknown_task(given: &str, place: Span, known: &[&str]) -> Diagnostic {
    if let Some(finding) = elsewhere::plain_word("names::unknown_task", "task", given, place) {
        return finding;
    }
    let finding = Diagnostic::error("names::unknown_task", format!("there is no task `{given}`"));
    let all = format!("tasks are {}", words_list(known));
    suggested(finding, place, did_you_mean(given, known.iter().copied()), "not known", &all)
}

/// The names of all lints, as `allow(…)` takes them: each has its page.
pub fn lints() -> impl Iterator<Item = &'static str> {
    EXPLANATIONS.iter().filter_map(|(code, _)| code.strip_prefix("lint::"))
}

/// `allow(over_smothing)`
pub fn unknown_lint(given: &str, place: Span) -> Diagnostic {
    let finding = Diagnostic::error("names::unknown_lint", format!("there is no lint `{given}`"));
    let suggestion = did_you_mean(given, lints());
    suggested(finding, place, suggestion, "not known", "`hgnnc lint --list` lists what can be allowed")
}

/// The same lint in `allow(…)` twice.
pub fn allowed_twice(name: &str, place: Span, first: Span) -> Diagnostic {
    Diagnostic::error("names::duplicate", format!("the lint `{name}` is allowed twice"))
        .label(place, "allowed again here")
        .label(first, "allowed here first")
        .help(format!("leave one `{name}` out"))
        .fix(place, "")
}

/// A setting or a section that stands in the file twice.
pub fn set_twice(is_section: bool, name: &str, place: Span, first: Span) -> Diagnostic {
    let (what, help) = match is_section {
        true => ("section", "put all entries into one section"),
        false => ("setting", "leave one of them out"),
    };
    Diagnostic::error("names::duplicate", format!("the {what} `{name}` is given twice"))
        .label(place, "given again here")
        .label(first, "given here first")
        .help(help)
        .guess(place, "")
}

/// A loss that stands in the sum twice.
pub fn loss_twice(name: &str, place: Span, first: Span) -> Diagnostic {
    Diagnostic::error("names::duplicate", format!("the loss `{name}` appears twice in the sum"))
        .label(place, "again here")
        .label(first, "here first")
        .help(format!("write it once, with one weight: `2 * {name}`"))
        .guess(place, "")
}

/// Two terms of one auxiliary loss that are both about a level: those of the later and of the earlier term, none where it
/// is about all.
pub fn loss_of_level_twice(
    name: &str,
    levels: [Option<(&[i64], &BoundArg)>; 2],
    [place, first]: [Span; 2],
) -> Diagnostic {
    let what = match levels {
        [Some((later, _)), Some((earlier, _))] => {
            let both: Vec<_> =
                later.iter().filter(|level| earlier.contains(level)).map(i64::to_string).collect();
            let noun = if both.len() == 1 { "level" } else { "levels" };
            format!("{noun} {} twice", listed(&both))
        }
        [later, earlier] => {
            let levels = later.or(earlier).map_or(&[][..], |(levels, _)| levels);
            let levels: Vec<_> = levels.iter().map(i64::to_string).collect();
            let noun = if levels.len() == 1 { "level" } else { "levels" };
            format!("{noun} {} twice: a term without `level` is about all", listed(&levels))
        }
    };
    let [place, first] = [(levels[0], place), (levels[1], first)]
        .map(|(levels, term)| levels.and_then(|(_, arg)| arg.span).unwrap_or(term));
    Diagnostic::error("names::duplicate", format!("the loss `{name}` weighs {what}"))
        .label(place, "again here")
        .label(first, "here first")
        .help(format!("give each term levels of its own: `{name}(level = 1) + 0.1 * {name}(level = [2, 3])`"))
}

/// The same name defined twice where both can be seen.
pub fn duplicate(what: &str, name: &str, place: Span, first: Span) -> Diagnostic {
    Diagnostic::error("names::duplicate", format!("{what} `{name}` is defined twice"))
        .label(place, "defined again here")
        .label(first, "defined here first")
        .help("give one of them another name, or leave it out")
        .guess(place, "")
}

/// A definition with the name of an operator or combinator.
pub fn reserved(name: &str, place: Span, is_operator: bool) -> Diagnostic {
    let what = if is_operator { "an operator" } else { "a word of the language" };
    Diagnostic::error("names::reserved", format!("`{name}` is already {what}"))
        .label(place, "this name is taken")
        .help(format!("choose another name, for example `my_{name}`"))
        .guess(place, format!("my_{name}"))
}

/// Definitions that need each other: `chain[0]` is where the cycle closes.
pub fn recursive(chain: &[&Ident]) -> Diagnostic {
    let names: Vec<_> = chain.iter().chain(chain.first()).map(|name| format!("`{}`", name.text)).collect();
    let mut finding = Diagnostic::error(
        "names::recursive",
        format!("`{}` is defined by itself: {}", chain[0].text, names.join(" → ")),
    )
    .label(chain[0].span, "the cycle begins here");
    for pair in chain.windows(2) {
        finding = finding.label(pair[1].span, format!("`{}` needs `{}`", pair[0].text, pair[1].text));
    }
    finding.help(
        "a definition is expanded where it is used, so it cannot contain itself; `repeat(n, …)` repeats",
    )
}

/// Expressions or blocks lie too deep inside each other.
pub fn too_deep(place: Span, max: usize) -> Diagnostic {
    Diagnostic::error("names::too_deep", format!("blocks, calls or values nest more than {max} deep"))
        .label(place, "this is nested too deep")
        .help("write stages one after another, or use `repeat(n, …)`")
}

/// The model is too large after its blocks and repeats are expanded.
pub fn too_many_stages(place: Span, max: usize) -> Diagnostic {
    Diagnostic::error(
        "names::too_many_stages",
        format!("the model has more than {max} stages after blocks and repeats are expanded"),
    )
    .label(place, "expanding this exceeds the limit")
    .help("repeat less often")
}

/// Evaluating the file's values takes too long: parameters that are doubled again and again.
pub fn too_much(place: Span) -> Diagnostic {
    Diagnostic::error("names::too_many_stages", "the values of this file take too long to evaluate")
        .label(place, "given up here")
        .help("name intermediate values with `let`; each is evaluated once")
}

/// A named value stands behind other stages, whose result would be lost.
pub fn not_first(name: &str, place: Span, defined: Span) -> Diagnostic {
    Diagnostic::error(
        "names::not_first",
        format!("`{name}` is a value and can only begin a pipeline; the stages before it would be lost"),
    )
    .label(place, "a pipeline cannot continue with another value")
    .label(defined, format!("`{name}` is named here"))
    .help(format!("combine both: `add({name}, identity)` or `concat({name}, identity)`"))
    .guess(place, format!("concat({name}, identity)"))
}

/// A value of the edges stands behind other stages: a model is about nodes, and takes such values as arguments.
pub fn edges_not_first(name: &str, place: Span) -> Diagnostic {
    let finding = Diagnostic::error(
        "names::not_first",
        format!("`{name}` is a value of the edges and can only begin a pipeline"),
    )
    .label(place, "a pipeline on nodes cannot continue with values of the edges");
    let value = if name == ops::EDGE_LABELS.name() { EdgeValue::Kind } else { EdgeValue::Features };
    finding.help(match ops::takes_edges(value) {
        Some((op, arg)) => format!("give it to a convolution: `{}({arg} = {name})`", op.name()),
        None => "give it to a convolution that takes values of the edges".to_owned(),
    })
}

/// A pipeline on edges that stands alone and has no name, so that nothing can read it.
pub fn unnamed_edges(place: Span) -> Diagnostic {
    Diagnostic::error("names::unnamed_edges", "a pipeline on edges needs a name to be read by")
        .label(place, "this is no model, and nothing can read it")
        .help("end it with a name, for example `as bonds`, and give that to a convolution; or leave it out")
        .guess(place, "")
}

/// A pipeline on edges that stands alone, and begins with the value of another one.
pub fn continues_edges(first: &str, stages: &[Stage], whole: Span, name: &Ident) -> Diagnostic {
    let (begin, last) = (&stages[0].value, &stages[stages.len() - 1].value);
    let rest: Vec<String> = stages[1..].iter().map(|stage| written(&stage.value)).collect();
    Diagnostic::error(
        "names::continues_edges",
        format!("`{first}` is a value of the edges, and a line of its own cannot begin with it"),
    )
    .label(begin.span, "a line that names a value of the edges begins with `edges`")
    .help(format!("write `let {} = {first} -> {}`", name.text, rest.join(" -> ")))
    .guess(Span { end: whole.start, ..whole }, format!("let {} = ", name.text))
    .guess(Span { start: last.span.end, end: name.span.end, ..whole }, "")
}

/// A name that is given inside of a pipeline.
#[derive(Debug, Clone, Copy)]
pub struct Inside<'p> {
    pub name: &'p Ident,
    /// The whole pipeline, and which of its stages has the name.
    pub stages: &'p [Stage],
    pub idx: usize,
    /// The item that it stands in.
    pub item: Span,
    /// The pipeline is the item.
    pub is_item: bool,
}

/// The name of a value inside of a pipeline is read outside of it.
pub fn known_inside(known: &Inside, place: Span) -> Diagnostic {
    let Inside { name: Ident { text: name, span: defined }, stages, idx, item, is_item } = *known;
    let defined = *defined;
    let finding = Diagnostic::error(
        "names::unknown",
        format!("`{name}` is known only further on in the pipeline that names it"),
    )
    .label(place, "not known here")
    .label(defined, format!("`{name}` is named here"));
    let words = [ops::EDGES.name(), ops::EDGE_LABELS.name()];
    let is_of_edges =
        matches!(&stages[0].value.kind, ExprKind::Name(first) if words.contains(&first.as_str()));
    if !is_of_edges {
        return finding.help("a name is seen in the rest of its pipeline and in the pipelines inside that");
    }
    let own: Vec<String> = stages[..=idx].iter().map(|stage| written(&stage.value)).collect();
    let line = format!("{} as {name}", own.join(" -> "));
    let finding = finding.help(format!("name it on a line of its own: `{line}`"));
    let after = Span { start: defined.end, ..defined };
    match (&stages[stages.len() - 1], is_item) {
        (Stage { name: Some(last), value }, true) => finding
            .guess(after, format!("\nlet {} = {name}", last.text))
            .guess(Span { start: value.span.end, end: last.span.end, ..last.span }, ""),
        (_, true) => finding,
        (_, false) => finding
            .guess(Span { end: item.start, ..item }, format!("{line}\n"))
            .guess(Span { start: stages[0].value.span.start, ..defined }, name.clone()),
    }
}

/// A file that has settings for a model, but no model.
pub fn no_model(place: Option<Span>) -> Diagnostic {
    let finding = Diagnostic::error("names::no_model", "the file has no model")
        .help("add one, for example `model = gcn(64) -> relu -> mean -> mlp`");
    match place {
        Some(place) => finding
            .label(place, "this belongs to a model, which is missing")
            .guess(Span { end: place.start, ..place }, "model = gcn(64) -> relu -> mean -> mlp\n"),
        None => finding,
    }
}
