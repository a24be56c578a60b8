//! Text broken into lines that fit the terminal.

use textwrap::core::Word;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// Breaks `text` so that no line is wider than `width` columns where its words allow it. The first line begins with
/// `first`, every other one with `rest`.
///
/// Lines break at spaces alone: a path stays whole, and so does code in backquotes, which is there to be pasted.
pub fn fill(text: &str, width: usize, first: &str, rest: &str) -> String {
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_separator(WordSeparator::Custom(words))
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::fill(text, options)
}

/// Breaks one line of text. What goes on stands under the beginning of the text: of the second column where the line
/// has a short first one, behind the dash of a list, and a little to the right of a line that begins with a path.
pub fn fit(line: &str, width: usize) -> String {
    let text = line.trim_start_matches(' ');
    let indent = line.len() - text.len();
    let column = second_column(text).map(|at| indent + columns(&text[..at]));
    let rest = match column.filter(|&column| column <= width / 2) {
        Some(column) => column,
        None if text.starts_with("- ") => indent + 2,
        None if indent == 0 && text.split(' ').next().is_some_and(|word| word.ends_with(':')) => 2,
        None => indent,
    };
    // A long word may need the room in front of it. The spaces between columns are kept, because a word has the spaces
    // behind it.
    let rest = rest.min(width.saturating_sub(widest_word(text)).max(indent));
    fill(text, width, &" ".repeat(indent), &" ".repeat(rest))
}

/// Where the text behind the first gap of two spaces or more begins.
fn second_column(text: &str) -> Option<usize> {
    let gap = text.find("  ")?;
    let rest = text[gap..].trim_start_matches(' ');
    (!rest.is_empty()).then(|| text.len() - rest.len())
}

/// Code in backquotes that is longer than this may break like any other text.
const MAX_CODE_CHARS: usize = 50;

/// The words of a line, where code in backquotes is one word.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let mut starts = vec![0];
    // Whether the code that is open is short; none is open at first.
    let (mut code, mut was_space) = (None, false);
    for (at, ch) in line.char_indices() {
        if ch != ' ' && was_space && code != Some(true) && !belongs(&line[..at], &line[at..]) {
            starts.push(at);
        }
        if ch == '`' {
            code = if code.is_some() { None } else { Some(is_short_code(&line[at..])) };
        }
        was_space = ch == ' ';
    }
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([line.len()]).collect();
    Box::new(starts.into_iter().zip(ends).map(|(start, end)| Word::from(&line[start..end])))
}

/// Whether `after` stays on the line of `before`: the unit of a number, or a part of `name = value`.
fn belongs(before: &str, after: &str) -> bool {
    const UNITS: &[&str] =
        &["ms", "s", "min", "h", "d", "%", "B", "kB", "MB", "GB", "TB", "k", "M", "G", "±"];
    let unit = after.split([' ', ',', ';', '.', ')']).next().unwrap_or_default();
    let before = before.trim_end();
    let is_unit = before.ends_with(|ch: char| ch.is_ascii_digit()) && UNITS.contains(&unit);
    is_unit || before.ends_with(" =") || before.ends_with(" ±") || after.starts_with("= ")
}

/// Columns of the widest part that does not break.
pub fn widest_word(text: &str) -> usize {
    text.lines().flat_map(words).map(|word| columns(&word)).max().unwrap_or(0)
}

/// Whether `text`, which begins with a backquote, closes it soon.
fn is_short_code(text: &str) -> bool {
    text.chars().skip(1).take(MAX_CODE_CHARS).any(|ch| ch == '`')
}

/// The columns that `text` takes on a terminal.
pub fn columns(text: &str) -> usize {
    textwrap::core::display_width(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_never_in_code() {
        let text = "gather the nodes first: `sort_pool(k = 8)`, or a path like runs/a-b/c, or 漢字漢字";
        let expected = "  help: gather the nodes first:\n        `sort_pool(k = 8)`, or a\n        path like runs/a-b/c, or\n        漢字漢字";
        assert_eq!(fill(text, 33, "  help: ", "        "), expected);
    }

    #[test]
    fn numbers_keep_their_units_and_an_open_backquote_is_text() {
        let line = "  FLOPs       5 Mflop forward and 15 Mflop a step";
        assert_eq!(
            fit(line, 32),
            "  FLOPs       5 Mflop forward\n              and 15 Mflop a\n              step"
        );
        assert_eq!(fit("a.hgnn: correct, 3 stages", 20), "a.hgnn: correct, 3\n  stages");
        assert_eq!(fit("  - one two three", 12), "  - one two\n    three");
        assert_eq!(
            fill("after 3 epochs, 15.82 s, 7 in all", 23, "", ""),
            "after 3 epochs,\n15.82 s, 7 in all"
        );
        assert_eq!(fill("a ` b c d e f", 5, "", ""), "a ` b\nc d e\nf");
        let long = format!("`{}`", "word ".repeat(20));
        assert!(fill(&long, 20, "", "").lines().all(|line| columns(line) <= 20));
    }
}
