use super::*;
use crate::diagnostic::Diagnostic;
use crate::source::SourceMap;
use crate::syntax::load_program;
use std::io;

fn read(text: &str) -> (SourceMap, Program) {
    let mut sources = SourceMap::default();
    let main = sources.add("m.hgnn", text);
    let none = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
    let (program, diagnostics) = load_program(&mut sources, main, &none);
    assert_eq!(diagnostics, []);
    (sources, program)
}

fn space(text: &str) -> (SourceMap, Program, Space) {
    let (sources, program) = read(text);
    let found = find(&program);
    assert_eq!(found.findings, []);
    (sources, program, found.space.expect("the text leaves something open"))
}

const OPEN: &str = "let width = search(16, 32)
let layer = search(gcn(width) -> relu, sage(width))
model = layer -> dropout(search(0.1 .. 0.5, points = 3)) -> gcn
train { optimizer = adam(lr = search(1e-4 .. 1e-2, log)), epochs = search(10 .. 20) }";

#[test]
fn sites_are_named_by_their_place() {
    let (_, _, space) = space(OPEN);
    let names: Vec<&str> = space.sites.iter().map(|site| site.name.as_str()).collect();
    assert_eq!(names, ["width", "layer", "model.dropout.1", "train.optimizer.lr", "train.epochs"]);
    let Domain::Range(epochs) = &space.sites[4].domain else { panic!("a range") };
    assert!(epochs.is_integer && epochs.at(0.5) == 15.0);
    let Domain::Range(lr) = &space.sites[3].domain else { panic!("a range") };
    assert_eq!([lr.at(0.0), lr.at(0.5), lr.at(1.0)], [1e-4, 1e-3, 1e-2]);
    assert!((lr.share(1e-3) - 0.5).abs() < 1e-12);
}

#[test]
fn a_choice_stands_in_the_text_as_in_the_tree() {
    let (sources, program, space) = space(OPEN);
    let assignment = [
        Choice::Place(1),
        Choice::Place(0),
        Choice::Number(0.3),
        Choice::Number(2.5e-3),
        Choice::Number(12.0),
    ];
    assert!(space.holds(&assignment));
    let mut text = OPEN.to_owned();
    let mut edits = space.edits(&sources, &assignment);
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    for (span, value) in edits {
        text.replace_range(span.start as usize..span.end as usize, &value);
    }
    let expected = "let width = 32
let layer = (gcn(width) -> relu)
model = layer -> dropout(0.3) -> gcn
train { optimizer = adam(lr = 0.0025), epochs = 12 }";
    assert_eq!(text, expected);
    let (_, written) = read(&text);
    assert!(find(&written).is_plain());
    // The same model in both ways.
    let hash = |program: &Program| {
        let outcome = crate::check::check(program, None);
        assert_eq!(outcome.diagnostics, []);
        crate::ir::canonical::hash(outcome.model.expect("a model").get())
    };
    assert_eq!(hash(&space.resolved(&program, &assignment)), hash(&written));
}

#[test]
fn the_first_of_each_list_is_meant_where_nothing_is_chosen() {
    let (sources, _, space) = space(OPEN);
    let words = space.words(&sources, &space.first());
    let expected = [("layer", "(gcn(width) -> relu)"), ("model.dropout.1", "0.1"), ("width", "16")];
    for (name, value) in expected {
        assert_eq!(words[name], value);
    }
    assert_eq!(space.n_assignments(), None);
    assert_eq!(space.to_check().len(), 32, "both ends of the ranges and every word of the lists");
}

fn codes(text: &str) -> Vec<&'static str> {
    let (_, program) = read(text);
    crate::check::check(&program, None)
        .diagnostics
        .iter()
        .filter(|found| found.is_error())
        .map(|found: &Diagnostic| found.code)
        .collect()
}

#[test]
fn what_cannot_be_left_open_is_one_mistake() {
    let model = "model = gcn(16) -> relu -> gcn(2)";
    for (text, code) in [
        ("evaluate { seeds = search(1, 2) }", "search::not_here"),
        ("let x = search()", "search::values"),
        ("let x = search(3)", "search::values"),
        ("let x = search(3, 3)", "search::values"),
        ("let x = search(2 .. 1)", "search::values"),
        ("let x = search(0 .. 1, log)", "search::values"),
        ("let x = search(1 .. 2, points = 1)", "search::values"),
        ("let x = search(1 .. 2, steps = 3)", "search::values"),
        ("let x = search(1, 2 .. 3)", "search::values"),
        ("let x = search(1, search(2, 3))", "search::values"),
        ("let x = 1 .. 2", "search::range"),
        ("evaluate { search = grid }", "args::no_effect"),
        ("evaluate { choose_by = val_loss }", "args::no_effect"),
        ("evaluate { prune = median }", "args::no_effect"),
    ] {
        let found = codes(&format!("{text}\n{}", model.replace("relu", "relu -> dropout(0.5)")));
        assert_eq!(found, [code], "{text}");
    }
}

#[test]
fn each_model_that_a_file_stands_for_is_checked() {
    let wrong = "model = gcn(16) -> search(relu, flatten, meann) -> gcn(2)";
    let found = codes(wrong);
    assert!(found.contains(&"names::unknown"), "{found:?}");
    let endless = "model = gcn(search(2 .. 8)) -> relu -> gcn(2)\nevaluate { search = grid }";
    assert_eq!(codes(endless), ["search::endless"]);
    let none =
        "model = gcn(search(2, 8)) -> relu -> gcn(2)\nevaluate { protocol = k_fold(3, inner_holdout = 0) }";
    assert_eq!(codes(none), ["training::no_validation"]);
    let learned = none.replace("protocol = k_fold(3, inner_holdout = 0)", "choose_by = train_loss");
    assert_eq!(codes(&learned), ["training::no_validation"]);
    let idle = "model = gcn(8) -> relu -> gcn(2)\nevaluate { protocol = nested_k_fold(3) }";
    assert_eq!(codes(idle), ["args::no_effect"]);
    // A block that only one of the choices uses is used.
    let named = "block a() = gcn(8)\nblock b() = sage(8)\nmodel = search(a, b) -> relu -> gcn(2)";
    let (_, program) = read(named);
    assert_eq!(crate::check::check(&program, None).diagnostics, []);
}

#[test]
fn the_canonical_form_says_what_is_open_whatever_it_is_called() {
    let form = |text: &str| {
        let (_, program) = read(text);
        let outcome = crate::check::check(&program, None);
        assert_eq!(outcome.diagnostics, []);
        crate::ir::Canonical::of(outcome.model.expect("a model").get()).to_string()
    };
    let first = form("let width = search(16, 32)\nmodel = gcn(width) -> relu -> gcn(2)");
    assert_eq!(form("let w = search(16,  32) // wide\nmodel = gcn(w) -> relu -> gcn(2)"), first);
    assert_ne!(form("let w = search(16, 64)\nmodel = gcn(w) -> relu -> gcn(2)"), first);
    assert_ne!(
        form("let w = search(32, 16)\nmodel = gcn(w) -> relu -> gcn(2)"),
        first,
        "another model is the first"
    );
    assert_ne!(form("model = gcn(16) -> relu -> gcn(2)"), first);
    let read = crate::ir::Canonical::parse(&first).expect("its own text");
    assert_eq!(read.to_string(), first);
}
