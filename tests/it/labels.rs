//! Labels stand under the characters they mean, for every message of the specification and however its model is
//! written: tabs, wide characters, CRLF, no end of the last line. The picture is read back without the renderer.

use crate::spec;
use hgnn::cli::Look;
use hgnn::cli::report::{self, Places};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a text before its end, with tabs to every fourth column.
fn columns(text: &str) -> usize {
    text.chars().fold(0, |column, ch| match ch {
        '\t' => column + 4 - column % 4,
        ch => column + ch.width().unwrap_or(0),
    })
}

/// Underlines below the row of a source line, as columns of its text: runs of `─` with one `┬`, or a `▲`.
fn underlines(shown: &str, line: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut rows = shown.lines();
    while let Some(row) = rows.next() {
        let Some((number, _)) = row.split_once(" │ ") else { continue };
        if number.trim() != line.to_string() {
            continue;
        }
        let gutter = number.chars().count() + 3;
        for row in rows.by_ref() {
            let chars: Vec<char> = row.chars().collect();
            if chars.get(gutter - 2) != Some(&'·') {
                break;
            }
            let is_line = |ch: char| matches!(ch, '─' | '┬' | '▲');
            // A row of text has a corner or a stem, a row of underlines has neither.
            if chars.iter().any(|ch| matches!(ch, '╰' | '├' | '│')) {
                continue;
            }
            let mut at = gutter;
            while at < chars.len() {
                let end = at + chars[at..].iter().take_while(|&&ch| is_line(ch)).count();
                if end > at {
                    found.push((at - gutter, end - gutter));
                }
                at = end.max(at + 1);
            }
        }
    }
    found
}

#[test]
fn every_label_starts_and_ends_at_the_characters_it_means() {
    type Variant = (&'static str, fn(&str) -> String);
    let variants: [Variant; 5] = [
        ("as it is", |text| text.to_owned()),
        ("with CRLF", |text| text.replace('\n', "\r\n")),
        ("without an end of its last line", |text| text.trim_end().to_owned()),
        ("with tabs", |text| text.replace("    ", "\t")),
        ("with wide characters", |text| {
            text.replace("model = ", "model = /* */ ").replace("/* */", "\"漢字\" + ")
        }),
    ];
    let look = Look { colours: false, width: 400 };
    let (mut n_labels, mut n_nested) = (0, 0);
    for case in spec::all_cases() {
        for (variant, change) in variants {
            let text = change(&case.text);
            let (sources, diagnostics, _) = spec::diagnose("m.hgnn", &text, &case.files, case.data.as_ref());
            let places = Places::new(&sources);
            for found in &diagnostics {
                let shown = report::full(&places, found, look);
                let ranges: Vec<_> = found.labels.iter().map(|label| label.span).collect();
                n_nested += usize::from(ranges.iter().any(|a| {
                    ranges.iter().any(|b| a != b && a.file == b.file && a.start <= b.start && b.end <= a.end)
                }));
                for label in &found.labels {
                    let file = sources.file(label.span.file);
                    let (start, end) = (label.span.start as usize, label.span.end as usize);
                    if file.text[start..end].contains('\n') {
                        continue;
                    }
                    let line_start = file.text[..start].rfind('\n').map_or(0, |at| at + 1);
                    let from = columns(&file.text[line_start..start]);
                    let to = columns(&file.text[line_start..end]).max(from + 1);
                    let line = places.line_column(label.span.file, label.span.start).0;
                    // The picture of another file in the same message may have a line of that number too.
                    assert!(
                        underlines(&shown, line).contains(&(from, to)),
                        "{}, {variant}: `{}` belongs under columns {from} to {to}\n{shown}",
                        case.place,
                        label.text
                    );
                    n_labels += 1;
                }
            }
        }
    }
    assert!(n_labels > 500 && n_nested > 20, "{n_labels} labels, {n_nested} messages with nested ones");
}

#[test]
fn messages_fit_the_terminal() {
    for width in [60, 80, 120] {
        let look = Look { colours: false, width };
        for case in spec::all_cases() {
            let (sources, diagnostics, _) =
                spec::diagnose("m.hgnn", &case.text, &case.files, case.data.as_ref());
            let places = Places::new(&sources);
            for found in &diagnostics {
                let shown = report::full(&places, found, look);
                for line in shown.lines().filter(|line| line.width() > width) {
                    // Code to paste stays whole; at 60 columns some of it is wider than the terminal.
                    let is_code = line.trim_start().trim_start_matches("help: ").starts_with('`');
                    assert!(
                        is_code,
                        "{}: {width} columns, and this has {}:\n{line}",
                        case.place,
                        line.width()
                    );
                }
            }
        }
    }
}
