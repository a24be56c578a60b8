//! Every `hgnn` example of the language reference says what it says it does.
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
fn every_example_of_the_reference_does_what_it_says() {
    let page = include_str!("../../grammar/README.md");
    let mut files: HashMap<&str, String> = HashMap::new();
    let mut wrong = Vec::new();
    let examples = examples(page);
    assert!(examples.len() > 30, "the page has lost its examples");
    for Example { line, mark, text } in examples {
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
            wrong.push(format!("grammar/README.md:{line}: expected {expected:?}, found {messages:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
