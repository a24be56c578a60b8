//! Every `hgnn` example of the README and of the language reference does what it is said to do.
//!
//! A fence marked `error=CODE,…` has to give exactly these codes; `file=NAME` keeps the text as a file that
//! examples can `use`; any other has to check without a word.

use hgnn::source::SourceMap;
use std::collections::HashMap;

struct Example<'a> {
    line: usize,
    /// What follows `hgnn` on the fence.
    mark: &'a str,
    text: String,
}

fn examples(page: &str) -> Vec<Example<'_>> {
    let mut examples: Vec<Example> = Vec::new();
    let mut is_open = false;
    for (idx, line) in page.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if is_open => is_open = false,
            Some(info) => {
                if let Some(mark) = info.strip_prefix("hgnn") {
                    examples.push(Example { line: idx + 1, mark: mark.trim(), text: String::new() });
                    is_open = true;
                }
            }
            None if is_open => {
                let text = &mut examples.last_mut().expect("a fence is open").text;
                text.push_str(line);
                text.push('\n');
            }
            None => {}
        }
    }
    examples
}

#[test]
fn every_example_of_the_readme_is_correct_and_in_layout() {
    let page = include_str!("../../README.md");
    assert!(examples(page).len() >= 3, "the page has lost its examples");
    assert!(wrong_examples("README.md", page).is_empty(), "{}", wrong_examples("README.md", page).join("\n"));
    for Example { line, text, .. } in examples(page) {
        let mut sources = SourceMap::default();
        let main = sources.add("example.hgnn", text.clone());
        let laid_out = hgnn::fmt::format(&sources, main).expect("it parses");
        assert_eq!(laid_out, text, "README.md:{line}: the layout");
    }
}

#[test]
fn every_example_of_the_reference_does_what_it_says() {
    let page = include_str!("../../grammar/README.md");
    assert!(examples(page).len() > 30, "the page has lost its examples");
    let wrong = wrong_examples("grammar/README.md", page);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A line for each example that does something else.
fn wrong_examples(name: &str, page: &str) -> Vec<String> {
    let mut files: HashMap<&str, String> = HashMap::new();
    let mut wrong = Vec::new();
    for Example { line, mark, text } in examples(page) {
        if let Some(name) = mark.strip_prefix("file=") {
            files.insert(name, text);
            continue;
        }
        let expected: Vec<&str> =
            mark.strip_prefix("error=").map_or(Vec::new(), |codes| codes.split(',').collect());
        let mut sources = SourceMap::default();
        let main = sources.add("example.hgnn", text);
        let read = |path: &str| {
            files.get(path).cloned().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))
        };
        let (program, mut found) = hgnn::syntax::load_program(&mut sources, main, &read);
        found.extend(hgnn::check::check(&program, None).diagnostics);
        let codes: Vec<&str> = found.iter().map(|diagnostic| diagnostic.code).collect();
        if codes != expected {
            let messages: Vec<_> =
                found.iter().map(|found| format!("{}: {}", found.code, found.message)).collect();
            wrong.push(format!("{name}:{line}: expected {expected:?}, found {messages:#?}"));
        }
    }
    wrong
}
