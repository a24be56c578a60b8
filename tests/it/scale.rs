//! Large models: every command that reads a model takes time and memory about in proportion to its stages, whatever
//! they are. No time is measured; the models are so large that a step which looks at each pair of stages would take
//! minutes.

use hgnn::diff::{self, Side};
use hgnn::draw::{self, Detail, Look, Scene};
use hgnn::ir::{Canonical, canonical::Part};
use hgnn::lint::{Config, lint};
use hgnn::source::SourceMap;

/// Stages of a model.
const N: usize = 12_000;

fn side(text: &str) -> Side {
    let mut sources = SourceMap::default();
    let main = sources.add("model.hgnn", text);
    let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let (program, found) = hgnn::syntax::load_program(&mut sources, main, &none);
    assert!(found.is_empty(), "{:?}", &found[0]);
    let outcome = hgnn::check::check(&program, None);
    let model = outcome.model.unwrap_or_else(|| panic!("{:?}", outcome.diagnostics.first()));
    for finding in lint(&program, &sources, &model, None, &Config::default()) {
        assert!(finding.message.len() < 1000 && finding.labels.len() < 100, "{finding:?}");
    }
    assert!(hgnn::fmt::format(&sources, main).is_ok());
    Side { name: "model".into(), model: model.get().clone(), facts: None, text: Some(text.to_owned()) }
}

/// Checks, lints, lays out, hashes, draws and compares two models; the headline of the comparison.
fn run(before: &str, after: &str) -> String {
    let (before, after) = (side(before), side(after));
    assert_eq!(Canonical::of(&before.model).hash(Part::All).len(), 64);
    let scene = Scene::of(&before.model, None, Detail::Stages);
    assert!(scene.units.len() < 1000, "{}", scene.units.len());
    assert!(draw::svg(&scene, &Look::default()).len() < 2_000_000);
    let found = diff::compare(&before, &after);
    assert!(diff::svg(&before, &after, &found).len() < 4_000_000);
    let text = diff::text(&found, false);
    // The first change, behind its class.
    text.lines().find_map(|line| line.strip_prefix("  weight-")).unwrap_or("same").to_owned()
}

fn check(before: &str, after: &str, expected: &str) {
    assert_eq!(run(before, after), expected);
}

#[test]
fn one_value_read_by_every_stage() {
    let model = |width: usize, last: &str| {
        format!("gcn({width}) -> add({}{last}) -> mean -> linear(2)", "relu, ".repeat(N))
    };
    check(&model(8, "relu"), &model(8, "tanh"), "compatible  relu → tanh (stage 12002)");
}

#[test]
fn a_width_that_every_stage_keeps() {
    let model = |width: usize| format!("gcn({width}){} -> mean -> linear(2)", " -> batch_norm".repeat(N));
    check(&model(8), &model(9), "breaking  gcn 8 → 9 (stage 1)");
}

#[test]
fn a_long_row_of_averaging_layers_and_of_dropped_nodes() {
    let model = |n: usize| format!("gcn(8) -> repeat({n}, topk(ratio = 0.99)) -> mean -> linear(2)");
    check(&model(10_000), &model(9_998), "breaking  repeat 10000 → 9998 times: topk(ratio = 0.99)");
    let model = |n: usize| format!("repeat({n}, gcn(8) -> relu) -> mean -> linear(2)");
    check(&model(N / 2), &model(N / 2 + 7), "breaking  repeat 6000 → 6007 times: gcn(8) -> relu");
}

#[test]
fn a_chain_of_ratios() {
    let model = |n: usize| format!("repeat({n}, diffpool(ratio = 0.5)) -> mean -> linear(2)");
    let changed = run(&model(N / 10), &model(N / 10 + 1));
    assert!(changed.starts_with("breaking  repeat 1200 → 1201 times: "), "{changed}");
}

#[test]
fn a_chain_that_becomes_branches() {
    let chain = format!("gcn(8){} -> mean -> linear(2)", " -> relu".repeat(N));
    let branches = format!("gcn(8) -> add({}relu) -> mean -> linear(2)", "relu, ".repeat(N));
    let changed = run(&chain, &branches);
    assert!(changed.contains("reads gcn (stage 1) instead of relu"), "{changed}");
}

#[test]
fn many_branches_with_a_pooling_each() {
    let model = |k: usize| {
        let branches = vec!["topk(k = 4) -> max"; N / 2].join(", ");
        format!("model = gcn(8) -> repeat(3, gcn(8)) -> topk(k = {k}) -> add({branches}) -> linear(2)")
    };
    check(&model(20), &model(30), "compatible  topk: k 20 → 30 (stage 5)");
}

#[test]
fn blocks_of_many_kinds() {
    let model = |first: usize| {
        let calls: Vec<String> = (0..N / 2).map(|idx| format!("b({})", first + idx % 3)).collect();
        format!("block b(w) = gcn(w) -> relu\nmodel = {} -> mean -> linear(2)", calls.join(" -> "))
    };
    assert_eq!(run(&model(8), &model(8)), "same");
    assert_ne!(run(&model(8), &model(9)), "same");
}
