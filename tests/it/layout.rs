//! What `fmt` promises, held over generated files and over real ones that were changed at random: laying out again
//! changes nothing, the syntax tree stays the same, and so do all comments, in their order.

use hgnn::source::SourceMap;
use hgnn::syntax::ast::ItemKind;
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The syntax tree without places; `None` where the text does not parse.
fn tree(text: &str) -> Option<Vec<String>> {
    let mut sources = SourceMap::default();
    let id = sources.add("m.hgnn", text);
    let (file, diagnostics) = hgnn::syntax::parse(&sources, id);
    let shown = |kind: &ItemKind| {
        let full = format!("{kind:?}");
        let mut pieces = full.split("Span {");
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |shown, piece| shown + piece.split_once('}').expect("a span is closed").1)
    };
    diagnostics.is_empty().then(|| file.items.iter().map(|item| shown(&item.kind)).collect())
}

pub fn layout(text: &str) -> Result<String, usize> {
    let mut sources = SourceMap::default();
    let id = sources.add("m.hgnn", text);
    hgnn::fmt::format(&sources, id).map_err(|found| found.len())
}

fn comments(text: &str) -> Vec<&str> {
    let mut comments = Vec::new();
    for line in text.split('\n') {
        let (mut is_text, mut is_escaped) = (false, false);
        for (at, char) in line.char_indices() {
            match char {
                _ if is_escaped => is_escaped = false,
                '\\' if is_text => is_escaped = true,
                '"' => is_text = !is_text,
                '/' if !is_text && line[at..].starts_with("//") => {
                    comments.push(line[at..].trim_end());
                    break;
                }
                _ => {}
            }
        }
    }
    comments
}

/// Whether the text parses; where it does, its layout keeps every promise.
fn holds_for(text: &str) -> bool {
    let Some(before) = tree(text) else {
        assert!(layout(text).is_err(), "laid out, but does not parse:\n{text}");
        return false;
    };
    let once = layout(text).expect("it parses");
    assert_eq!(tree(&once).as_ref(), Some(&before), "another meaning:\n{text}\n=>\n{once}");
    assert_eq!(comments(&once), comments(text), "other comments:\n{text}\n=>\n{once}");
    assert_eq!(layout(&once).as_ref(), Ok(&once), "not stable:\n{text}\n=>\n{once}");
    assert!(once.is_empty() || (once.ends_with('\n') && !once.starts_with('\n')), "{once:?}");
    for line in once.lines().filter(|line| !line.contains('"')) {
        let code = line.split("//").next().unwrap_or_default().trim_end();
        let is_whole = !code.contains(", ") && !code.trim_start().trim_start_matches("-> ").contains(" -> ");
        assert!(code.chars().count() <= hgnn::fmt::MAX_WIDTH || is_whole, "could be broken: {line}");
    }
    assert!(!once.contains("\n\n\n") && !once.contains(" \n"), "{once:?}");
    true
}

type Tokens = Vec<String>;

fn words(choice: &'static [&'static str]) -> impl Strategy<Value = Tokens> {
    prop::sample::select(choice).prop_map(|word| vec![word.to_owned()])
}

fn name() -> impl Strategy<Value = Tokens> {
    words(&["gcn", "a", "width", "diffpool", "mean", "a_rather_long_name_of_a_block", "user", "as_is"])
}

fn joined(parts: Vec<Tokens>, sign: &str) -> Tokens {
    let mut all = Tokens::new();
    for (idx, part) in parts.into_iter().enumerate() {
        if idx > 0 {
            all.push(sign.to_owned());
        }
        all.extend(part);
    }
    all
}

fn in_brackets([open, close]: [&str; 2], parts: Vec<Tokens>, has_comma: bool) -> Tokens {
    let mut all = vec![open.to_owned()];
    let is_empty = parts.is_empty();
    all.extend(joined(parts, ","));
    all.extend((has_comma && !is_empty).then(|| ",".to_owned()));
    all.push(close.to_owned());
    all
}

/// A pipeline of the language.
fn value() -> impl Strategy<Value = Tokens> {
    let leaf = prop_oneof![
        name(),
        words(&["64", "0.25", "1e-3", "1E-3", "\"PROTEINS\"", "\"a // \\\" b\"", "true", "false"]),
    ];
    leaf.prop_recursive(5, 80, 6, |inner| {
        let argument = (prop::option::of(name()), inner.clone()).prop_map(|(name, value)| match name {
            Some(name) => [name, vec!["=".to_owned()], value].concat(),
            None => value,
        });
        let call = (name(), prop::collection::vec(argument, 0..6), any::<bool>())
            .prop_map(|(name, arguments, comma)| [name, in_brackets(["(", ")"], arguments, comma)].concat());
        let list = (prop::collection::vec(inner.clone(), 0..6), any::<bool>())
            .prop_map(|(elements, comma)| in_brackets(["[", "]"], elements, comma));
        let group = inner.prop_map(|value| in_brackets(["(", ")"], vec![value], false));
        let atom = prop_oneof![name(), words(&["7", "0.5"]), call, list, group];
        let operand = (prop::bool::weighted(0.1), atom).prop_map(|(is_negative, atom)| {
            if is_negative { [vec!["-".to_owned()], atom].concat() } else { atom }
        });
        let more = (prop::sample::select(&["+", "-", "*", "/"][..]), operand.clone());
        let sum = (operand, prop::collection::vec(more, 0..3)).prop_map(|(first, more)| {
            more.into_iter()
                .fold(first, |sum, (sign, operand)| [sum, vec![sign.to_owned()], operand].concat())
        });
        let stage = (sum, prop::option::weighted(0.2, name())).prop_map(|(sum, name)| match name {
            Some(name) => [sum, vec!["as".to_owned()], name].concat(),
            None => sum,
        });
        prop::collection::vec(stage, 1..4).prop_map(|stages| joined(stages, "->"))
    })
}

fn item() -> impl Strategy<Value = Tokens> {
    let word = |word: &str| vec![word.to_owned()];
    let param = (name(), prop::option::of(value())).prop_map(|(name, default)| match default {
        Some(default) => [name, vec!["=".to_owned()], default].concat(),
        None => name,
    });
    let params = prop::option::of((prop::collection::vec(param, 0..4), any::<bool>()));
    let entry = (name(), value()).prop_map(|(name, value)| [name, vec!["=".to_owned()], value].concat());
    let entries = (prop::collection::vec(entry, 0..5), prop::collection::vec(any::<bool>(), 5));
    prop_oneof![
        Just(vec!["use".to_owned(), "\"b.hgnn\"".to_owned()]),
        (name(), value()).prop_map(move |(name, value)| [word("let"), name, word("="), value].concat()),
        (name(), params, value()).prop_map(move |(name, params, value)| {
            let params = params.map(|(params, comma)| in_brackets(["(", ")"], params, comma));
            [word("block"), name, params.unwrap_or_default(), word("="), value].concat()
        }),
        (words(&["model", "data", "loss"]), value())
            .prop_map(move |(key, value)| [key, word("="), value].concat()),
        entries.prop_map(move |(entries, commas)| {
            let mut all = vec!["train".to_owned(), "{".to_owned()];
            for (idx, (entry, has_comma)) in entries.into_iter().zip(commas).enumerate() {
                // An entry that no comma separates begins on its own line.
                all.extend((idx > 0 && !has_comma).then(|| "\n".to_owned()));
                all.extend((idx > 0 && has_comma).then(|| ",".to_owned()));
                all.extend(entry);
            }
            all.push("}".to_owned());
            all
        }),
        Just(["allow", "(", "over_smoothing", ")"].map(str::to_owned).to_vec()),
    ]
}

/// The tokens with spaces, line ends and comments between them; what goes on is indented, so that it goes on.
fn spread(items: &[Tokens], gaps: &[u8]) -> String {
    let mut text = String::new();
    let mut gaps = gaps.iter().copied().chain(std::iter::repeat(20));
    let mut n_comments = 0;
    let mut comment = |slashes: &str| {
        n_comments += 1;
        format!("{slashes} comment {n_comments}")
    };
    for item in items {
        match gaps.next() {
            Some(0) => text.push_str(&format!("\n\n\n{}\n", comment("//"))),
            Some(1) => text.push_str(&format!("{}\n", comment("///"))),
            Some(2) => text.push_str(&format!("\n  {}\n\n", comment("//"))),
            Some(3..6) => text.push_str("\n\n"),
            _ => {}
        }
        for (idx, token) in item.iter().enumerate() {
            let before = idx.checked_sub(1).map_or("", |before| item[before].as_str());
            let is_sign = |token: &str| ["(", ")", "[", "]", ",", "=", "{", "}"].contains(&token);
            match gaps.next() {
                _ if idx == 0 || token == "\n" => {}
                Some(0) => text.push_str(&format!(" {}\n     ", comment("//"))),
                Some(1) => text.push_str(&format!("\n\n       {}\r\n     ", comment("///"))),
                Some(2) => text.push_str(&format!(" {}\n{}\n\n     ", comment("//"), comment("//a"))),
                Some(3..5) => text.push_str("\n     "),
                Some(5) => text.push_str("\t\r\n\n\n\n         "),
                Some(6..9) if is_sign(token) || is_sign(before) => {}
                _ => text.push(' '),
            }
            text.push_str(token);
        }
        if gaps.next() == Some(0) {
            text.push_str(&comment(" //"));
        }
        text.push('\n');
    }
    text
}

fn real_files() -> &'static [String] {
    static FILES: OnceLock<Vec<String>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = crate::spec::snippets();
        let top = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        for entry in std::fs::read_dir(top.join("models")).into_iter().flatten() {
            let path = entry.expect("readable").path();
            if path.extension().is_some_and(|extension| extension == "hgnn") {
                files.push(std::fs::read_to_string(path).expect("models are text"));
            }
        }
        let page = std::fs::read_to_string(top.join("grammar/README.md")).expect("the reference is there");
        let fenced = page.split("```hgnn").skip(1).filter_map(|part| part.split_once('\n'));
        files.extend(fenced.filter_map(|(_, part)| part.split_once("```")).map(|(text, _)| text.to_owned()));
        files
    })
}

const PIECES: &[&str] = &[
    " ",
    "\n",
    "\n\n\n",
    "    ",
    "// c\n",
    " // c\n    ",
    "\n// c\n",
    "\n/// d\n",
    "\r\n",
    "\t",
    "(",
    ")",
    ",",
    "->",
    "\n->",
    "as",
    " x ",
    "= ",
    "[",
    "]",
    "{",
    "}",
    "-",
    "+ 1",
    "train { a = 1 }\n",
    "let a = (b)\n",
    "\"//\"",
    "allow(x)",
    "\r",
    "\u{feff}",
    "é",
    "conv ",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_files_keep_their_meaning_and_comments(
        items in prop::collection::vec(item(), 0..6),
        gaps in prop::collection::vec(0u8..60, 0..400),
    ) {
        prop_assert!(holds_for(&spread(&items, &gaps)), "{}", spread(&items, &gaps));
    }

    #[test]
    fn changed_files_keep_their_meaning_and_comments_or_are_refused(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..PIECES.len(), 0usize..3), 0..12),
    ) {
        let mut text = file.get(real_files()).clone();
        for (at, piece, n_removed) in changes {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let at = at.index(places.len());
            let end = places[(at + n_removed).min(places.len() - 1)];
            text.replace_range(places[at]..end, PIECES[piece]);
        }
        holds_for(&text);
    }
}

#[test]
fn real_files_keep_their_meaning_and_comments() {
    let n_parsed = real_files().iter().filter(|text| holds_for(text)).count();
    assert!(n_parsed > 100, "{n_parsed}");
}
