//! Broken files get messages, never a panic; large ones get an answer.

use crate::spec::{diagnose, facts, snippets};
use hgnn::data::Dataset;
use hgnn::data::synthetic::{RandomGraphs, random_graphs};
use hgnn::lint::{Config, lint};
use hgnn::source::SourceMap;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Real models: those of the specification and those that are shipped.
fn models() -> &'static [String] {
    static MODELS: OnceLock<Vec<String>> = OnceLock::new();
    MODELS.get_or_init(|| {
        let mut models = snippets();
        let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models");
        for entry in std::fs::read_dir(shipped).into_iter().flatten() {
            let path = entry.expect("readable").path();
            if path.extension().is_some_and(|extension| extension == "hgnn") {
                models.push(std::fs::read_to_string(path).expect("models are text"));
            }
        }
        models
    })
}

/// Words, numbers, spaces and single signs.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |char: char| char.is_alphanumeric() || char == '_';
        let len = if is_word(first) {
            rest.find(|char| !is_word(char)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..len]);
        rest = &rest[len..];
    }
    tokens
}

#[derive(Debug, Clone)]
enum Mutation {
    Delete(usize),
    Duplicate(usize),
    Swap(usize, usize),
    /// A token of another model.
    Insert(usize, usize, usize),
    Replace(usize, usize),
    Random(usize, String),
    Cut(usize),
}

/// What slips of the keyboard and of the mind leave behind.
const ODD: &[&str] = &[
    "->",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "=",
    "as",
    "let",
    "block",
    "use",
    "\"",
    "-",
    "/",
    "*",
    "+",
    "0",
    "-1",
    "1e9",
    "1e400",
    "9007199254740993",
    "identity",
    "input",
    "repeat",
    "residual",
    "concat",
    "diffpool",
    "flatten",
    "mean",
    "k",
    "model",
    "loss",
    "task",
    "entropy",
    "//",
    "\n",
    "\u{0}",
    "é",
    "→",
    ".",
    "true",
    "conv",
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let idx = 0usize..10_000;
    prop_oneof![
        idx.clone().prop_map(Mutation::Delete),
        idx.clone().prop_map(Mutation::Duplicate),
        (idx.clone(), idx.clone()).prop_map(|(a, b)| Mutation::Swap(a, b)),
        (idx.clone(), idx.clone(), idx.clone())
            .prop_map(|(at, model, token)| Mutation::Insert(at, model, token)),
        (idx.clone(), 0..ODD.len()).prop_map(|(at, odd)| Mutation::Replace(at, odd)),
        (idx.clone(), ".{0,8}").prop_map(|(at, text)| Mutation::Random(at, text)),
        idx.prop_map(Mutation::Cut),
    ]
}

fn mutate(text: &str, mutations: &[Mutation]) -> String {
    let mut tokens: Vec<String> = tokens(text).into_iter().map(str::to_owned).collect();
    for mutation in mutations {
        if tokens.is_empty() {
            break;
        }
        let n = tokens.len();
        match mutation {
            Mutation::Delete(at) => drop(tokens.remove(at % n)),
            Mutation::Duplicate(at) => tokens.insert(at % n, tokens[at % n].clone()),
            Mutation::Swap(a, b) => tokens.swap(a % n, b % n),
            Mutation::Insert(at, model, token) => {
                let other = self::tokens(&models()[model % models().len()]);
                if !other.is_empty() {
                    tokens.insert(at % n, other[token % other.len()].to_owned());
                }
            }
            Mutation::Replace(at, odd) => tokens[at % n] = ODD[*odd].to_owned(),
            Mutation::Random(at, text) => tokens[at % n] = text.clone(),
            Mutation::Cut(at) => tokens.truncate(at % n),
        }
    }
    tokens.concat()
}

/// Checks a text twice; every finding points into the file, and both times say the same.
fn assert_sound(text: &str) {
    let data = [None, Some(facts("proteins"))];
    for data in &data {
        let (sources, first, outcome) = diagnose("model.hgnn", text, &BTreeMap::new(), data.as_ref());
        for label in first.iter().flat_map(|finding| &finding.labels) {
            let text = &sources.file(label.span.file).text;
            let range = label.span.start as usize..label.span.end as usize;
            assert!(text.get(range).is_some(), "{label:?} is not a place of the file");
        }
        let has_errors = first.iter().any(|finding| finding.is_error());
        assert!(outcome.model.is_none() || !has_errors, "accepted with errors");
        assert!(has_errors || outcome.model.is_some() || outcome.is_library, "refused without an error");
        if let Some(model) = &outcome.model {
            hgnn::ir::Canonical::of(model.get()).hash(hgnn::ir::canonical::Part::All);
        }
        let (_, second, _) = diagnose("model.hgnn", text, &BTreeMap::new(), data.as_ref());
        assert_eq!(first, second);
    }
}

/// Lints a text where it is right, without data and with some; every finding points into the file.
fn assert_lints(text: &str) {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    let data = DATA.get_or_init(|| random_graphs(&RandomGraphs { n_graphs: 21, ..RandomGraphs::default() }));
    for data in [None, Some(data)] {
        let mut sources = SourceMap::default();
        let main = sources.add("model.hgnn", text);
        let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
        let (program, _) = hgnn::syntax::load_program(&mut sources, main, &none);
        let Some(model) = hgnn::check::check(&program, data.map(Dataset::facts).as_ref()).model else {
            continue;
        };
        for finding in lint(&program, &sources, &model, data, &Config::default()) {
            assert!(finding.help.is_some() && !finding.labels.is_empty(), "{finding:?}");
            for label in finding.labels {
                let range = label.span.start as usize..label.span.end as usize;
                assert!(
                    text.get(range).is_some_and(|text| !text.is_empty()),
                    "{label:?} is not a place of the file"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_models_get_messages_and_no_panic(
        model in 0usize..10_000,
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let models = models();
        let text = mutate(&models[model % models.len()], &mutations);
        assert_sound(&text);
        assert_lints(&text);
    }

    #[test]
    fn any_text_gets_an_answer(text in "(?s).{0,200}") {
        assert_sound(&text);
    }
}

fn codes(text: &str) -> Vec<&'static str> {
    let (_, diagnostics, _) = diagnose("model.hgnn", text, &BTreeMap::new(), None);
    diagnostics.iter().map(|finding| finding.code).collect()
}

#[test]
fn five_thousand_stages_are_checked() {
    let mut text = "model = gcn(8) as s0\n".to_owned();
    for idx in 0..2500 {
        text += &format!("    -> gcn(8) -> relu as s{}\n", idx + 1);
        if idx % 5 == 4 {
            text += &format!("    -> add(s{idx}, identity)\n");
        }
    }
    text += "    -> mean -> mlp\n";
    // Names that nothing reads are told; all else is fine.
    assert!(codes(&text).iter().all(|code| *code == "unused::name"));
    let chain = format!("gcn(8){} -> mean -> mlp", " -> gcn(8) -> relu".repeat(2500));
    assert_eq!(codes(&chain), Vec::<&str>::new());
}

#[test]
fn long_chains_of_definitions_do_not_end_the_stack() {
    let chain = |line: &dyn Fn(usize) -> String| (0..3000).map(line).collect::<String>();
    let lets =
        chain(&|idx| format!("let a{idx} = a{} + 1\n", idx + 1)) + "let a3000 = 1\ngcn(a0) -> mean -> mlp";
    assert_eq!(codes(&lets), ["names::too_deep"]);
    let blocks = chain(&|idx| format!("block b{idx} = b{} -> relu\n", idx + 1))
        + "block b3000 = gcn(3)\nb0 -> mean -> mlp";
    assert_eq!(codes(&blocks), ["names::too_deep"]);
    // In the other order, each `let` is known when the next one asks.
    let lets = "let a0 = 1\n".to_owned()
        + &chain(&|idx| format!("let a{} = a{idx} + 1\n", idx + 1))
        + "train { epochs = a3000 }\ngcn(3) -> mean -> mlp";
    assert_eq!(codes(&lets), Vec::<&str>::new());
}

#[test]
fn values_that_double_each_other_are_given_up() {
    let blocks: String =
        (0..60).map(|idx| format!("block b{idx}(x) = b{}(x + x)\n", idx + 1)).collect::<String>();
    let text = blocks + "block b60(x) = gcn(x)\nb0(1) -> mean -> mlp";
    assert_eq!(codes(&text), ["names::too_many_stages"]);
    let lets: String = (1..60).map(|idx| format!("let e{idx} = e{} + e{}\n", idx - 1, idx - 1)).collect();
    let text = format!("let e0 = entropy\n{lets}model = gcn(3) -> mean -> mlp\nloss = cross_entropy + e59");
    assert!(codes(&text).contains(&"args::arithmetic"));
}
