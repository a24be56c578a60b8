//! What messages advise, followed: each fix of each finding of the specification, the reference and the explanation pages
//! is made, and the file is checked again. Advice that is refused itself is no advice.

use crate::explanations::{lint_findings, small_data};
use crate::spec::{Case, all_cases, diagnose, facts};
use hgnn::diagnostic::Diagnostic;
use hgnn::findings::EXPLANATIONS;
use hgnn::source::SourceMap;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The wrong models of the explanation pages, beside the specification.
fn cases() -> Vec<Case> {
    let mut cases = all_cases();
    for (code, page) in EXPLANATIONS.iter().filter(|(code, _)| !code.starts_with("lint::")) {
        for block in page.split("```hgnn wrong").skip(1) {
            let (info, rest) = block.split_once('\n').expect("a fence has its line");
            let text = rest[..rest.find("```").expect("a fence is closed")].to_owned();
            let data = info.split_whitespace().find_map(|word| word.strip_prefix("data=")).map(facts);
            cases.push(Case { place: (*code).to_owned(), text, files: BTreeMap::new(), data });
        }
    }
    cases
}

fn found(case: &Case, text: &str, files: &BTreeMap<String, String>) -> (SourceMap, Vec<Diagnostic>) {
    let (sources, found, _) = diagnose("model.hgnn", text, files, case.data.as_ref());
    (sources, found)
}

/// What is wrong with following a finding's advice; `None` where it helps.
fn followed(case: &Case, sources: &SourceMap, before: &[Diagnostic], finding: &Diagnostic) -> Option<String> {
    let fix = finding.fix.as_deref()?;
    let file = sources.file(fix.edits.first()?.span.file);
    let mended = fix.apply(&file.text);
    let (mut text, mut files) = (case.text.clone(), case.files.clone());
    if file.name == "model.hgnn" {
        text = mended.clone();
    } else {
        files.insert(file.name.clone(), mended.clone());
    }
    let (_, after) = found(case, &text, &files);
    // The places of what was put in, in the mended text.
    let mut edits: Vec<_> = fix.edits.iter().collect();
    edits.sort_by_key(|edit| edit.span);
    let (mut places, mut shift) = (Vec::new(), 0i64);
    for edit in edits {
        let start = i64::from(edit.span.start) + shift;
        places.push((start, start + edit.text.len() as i64));
        shift += edit.text.len() as i64 - i64::from(edit.span.end - edit.span.start);
    }
    let touches = |other: &Diagnostic| {
        other.labels.first().is_some_and(|label| {
            let (start, end) = (i64::from(label.span.start), i64::from(label.span.end));
            label.span.file == fix.edits[0].span.file
                && places.iter().any(|&(from, to)| start < to && from < end)
        })
    };
    // Where the finding would stand in the mended text.
    let place = finding.labels.first().map(|label| {
        let start = i64::from(label.span.start);
        let before = fix.edits.iter().filter(|edit| i64::from(edit.span.end) <= start);
        let shift: i64 =
            before.map(|edit| edit.text.len() as i64 - i64::from(edit.span.end - edit.span.start)).sum();
        start + shift
    });
    let is_same = |other: &&Diagnostic| {
        let start = other.labels.first().map(|label| i64::from(label.span.start));
        other.code == finding.code && other.message == finding.message && start == place
    };
    // Facts about the data stay as they are in this test, whatever the file says.
    let is_about_data = finding.code == "data::no_features";
    // A definition that was used wrongly may be used no more.
    let counts = |other: &&Diagnostic| other.is_error() || !other.code.starts_with("unused::");
    let refused: Vec<&Diagnostic> = after.iter().filter(counts).filter(|other| touches(other)).collect();
    // What was hidden behind the mistake was there before.
    let was_there = |other: &&&Diagnostic| {
        other.code != finding.code && before.iter().any(|known| known.code == other.code)
    };
    let refused: Vec<_> = refused.iter().filter(|other| !was_there(other)).collect();
    let why = if is_about_data {
        return None;
    } else if after.iter().any(|other| is_same(&other)) {
        "changes nothing"
    } else if !refused.is_empty() {
        "is refused itself"
    } else if after.iter().filter(counts).count() > before.len() {
        "makes more mistakes than it mends"
    } else {
        return None;
    };
    let said: String =
        after.iter().map(|other| format!("\n      {}: {}", other.code, other.message)).collect();
    Some(format!("the advice on {}: {} {why}\n{mended}{said}", finding.code, finding.message))
}

#[test]
fn every_advice_of_every_page_is_accepted_when_it_is_followed() {
    let mut report = String::new();
    let mut n_followed = 0;
    for case in cases() {
        let (sources, before) = found(&case, &case.text, &case.files);
        for finding in &before {
            n_followed += usize::from(finding.fix.is_some());
            if let Some(why) = followed(&case, &sources, &before, finding) {
                let _ = writeln!(report, "── {}\n{}\n{why}", case.place, case.text);
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
    assert!(n_followed > 150, "only {n_followed} advices were followed");
}

/// Words of a help that says what to write.
const SAYS: &[&str] = &["write `", "leave ", "delete ", "for example `", "name it", "add one"];

/// Findings whose advice no edit can make: the code, a part of the message, and the reason.
const OPEN: &[(&str, &str, &str)] = &[
    ("data::no_features", "", "data of the command line stands nowhere in the file"),
    ("args::missing", "needs the parameter", "what a parameter of the file means is not known"),
    ("args::unknown", "", "the argument is listed, and none is near"),
    ("kernel::no_kernel", "", "whether a kernel or a network is meant is the author's choice"),
    ("kernel::not_first", "", "what stands before may be meant for a network, and the kernel be the mistake"),
    ("levels::needs_relations", "", "whether the stage or the data is meant is the author's choice"),
    ("levels::mixed_levels", "", "a branch that begins with a named value has no place to end in a readout"),
    ("names::duplicate", "the section", "entries of both sections may be about the same"),
    ("names::unknown_setting", "a matter of the model", "which stage is meant is not known"),
    ("names::unknown_setting", "there is no setting `train`", "what stands behind `=` is no section"),
    ("names::unknown_section", "", "what stands inside the brackets is no value"),
    ("syntax::unexpected", "", "what is missing is not known"),
    ("syntax::number", "", "a product or a number may be meant"),
    ("syntax::string", "", "where the string was to end is not known"),
    ("training::no_relatives", "", "which column says it, only the author of the data knows"),
    ("training::absent_class", "", "how much is held out, and in how many runs, is the author's choice"),
    ("unused::parameter", "", "calls may give it a value"),
    ("unused::weights", "", "whether the stages are to stand elsewhere or to go is the author's choice"),
];

#[test]
fn what_says_what_to_write_can_be_applied() {
    let mut report = BTreeSet::new();
    for case in cases() {
        let (_, before) = found(&case, &case.text, &case.files);
        for finding in before.iter().filter(|finding| finding.fix.is_none()) {
            let help = finding.help.as_deref().unwrap_or_default();
            let is_open = |(code, part, _): &&(&str, &str, &str)| {
                *code == finding.code && finding.message.contains(part)
            };
            if SAYS.iter().any(|word| help.contains(word)) && !OPEN.iter().any(|open| is_open(&open)) {
                report.insert(format!("{}: {}: {help}", finding.code, finding.message));
            }
        }
    }
    let report: Vec<String> = report.into_iter().collect();
    assert!(report.is_empty(), "\n{}", report.join("\n"));
}

#[test]
fn the_advice_of_lints_is_accepted_when_it_is_followed() {
    let mut report = String::new();
    let mut n_followed = 0;
    for (code, page) in EXPLANATIONS.iter().filter(|(code, _)| code.starts_with("lint::")) {
        for block in page.split("```hgnn wrong").skip(1) {
            let (info, rest) = block.split_once('\n').expect("a fence has its line");
            let text = &rest[..rest.find("```").expect("a fence is closed")];
            let data = info.split_whitespace().find_map(|word| word.strip_prefix("data=")).map(small_data);
            for finding in lint_findings(text, data.as_ref()) {
                let Some(fix) = &finding.fix else { continue };
                n_followed += 1;
                let mended = fix.apply(text);
                let after = lint_findings(&mended, data.as_ref());
                if !after.is_empty() {
                    let said: Vec<_> = after.iter().map(|other| (other.code, &other.message)).collect();
                    let _ = writeln!(report, "── {code}\n{text}\n{}\n{mended}{said:#?}", finding.message);
                }
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
    assert!(n_followed > 6, "only {n_followed} advices were followed");
}
