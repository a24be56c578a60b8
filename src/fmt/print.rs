//! A tree to text. What fits on its line is written there; what does not is broken at its outermost separators.

use super::tree::*;
use super::{INDENT, MAX_WIDTH};

/// Keys longer than this do not move the `=` of the others.
const MAX_ALIGNED_KEY: usize = 30;

pub fn print(file: &File) -> String {
    let mut printer = Printer::default();
    for item in &file.items {
        printer.comments(&item.comments);
        printer.begin_line(item.has_blank_before);
        match &item.kind {
            ItemKind::Statement { words, params, value } => {
                printer.statement(words, params.as_ref(), value.as_ref());
            }
            ItemKind::Section(section) => {
                printer.atom(&section.name);
                printer.body(&section.body);
            }
            ItemKind::Conv { words, params, body } => {
                // ` {` stands behind the parameters.
                printer.words(words, params.as_ref(), 2);
                printer.body(body);
            }
        }
    }
    printer.comments(&file.end);
    printer.finish()
}

#[derive(Default)]
struct Printer {
    out: String,
    /// Characters on the line so far.
    column: usize,
    /// Of the line that a separator begins. A line that a comment inside a value forces is indented deeper, so
    /// that it never looks like the start of an item or entry.
    indent: usize,
    /// The line ends with a comment, so nothing else can stand on it.
    is_closed: bool,
    /// Nothing stands on the line yet.
    is_empty_line: bool,
    /// A bracket has just been opened, or the file begins: no blank line here.
    is_at_start: bool,
}

impl Printer {
    fn finish(mut self) -> String {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.out
    }

    fn end_line(&mut self) {
        self.out.push('\n');
        self.column = 0;
        self.is_closed = false;
        self.is_empty_line = true;
    }

    /// A new line at the indentation of the structure.
    fn begin_line(&mut self, has_blank_before: bool) {
        if self.out.is_empty() {
            self.is_empty_line = true;
        } else if !self.is_empty_line {
            self.end_line();
            if has_blank_before && !self.is_at_start {
                self.out.push('\n');
            }
        }
        self.is_at_start = false;
        self.pad(self.indent);
    }

    fn pad(&mut self, columns: usize) {
        self.out.extend(std::iter::repeat_n(' ', columns));
        self.column = columns;
    }

    fn word(&mut self, text: &str) {
        if self.is_closed {
            self.end_line();
            self.pad(self.indent + INDENT);
        }
        self.is_empty_line = false;
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    /// A space, where something stands before it on the line.
    fn space(&mut self) {
        if !self.is_closed && !self.is_empty_line {
            self.word(" ");
        }
    }

    /// Whether so much still fits on the line.
    fn fits(&self, width: usize) -> bool {
        let column = if self.is_closed { self.indent + INDENT } else { self.column };
        column + width <= MAX_WIDTH
    }

    /// Comments where a line can end: the first may stand behind what was written.
    fn comments(&mut self, comments: &[Comment]) {
        for (idx, comment) in comments.iter().enumerate() {
            if idx == 0 && !comment.is_own_line {
                self.space();
            } else {
                self.begin_line(comment.has_blank_before);
            }
            self.word(comment.text);
            self.is_closed = true;
        }
    }

    /// Comments inside a value, where only they end the line.
    fn inner_comments(&mut self, comments: &[Comment]) {
        self.indent += INDENT;
        self.comments(comments);
        self.indent -= INDENT;
    }

    fn atom(&mut self, atom: &Atom) {
        self.inner_comments(&atom.comments);
        self.word(&atom.text);
    }

    fn spaced_atom(&mut self, atom: &Atom) {
        self.inner_comments(&atom.comments);
        self.space();
        self.word(&atom.text);
    }

    fn statement(&mut self, words: &[Atom], params: Option<&Bracket>, value: Option<&Value>) {
        // ` = ` and what has to stand behind it.
        let after = value.and_then(|value| value.pipeline.width_before_break()).map_or(2, |width| 3 + width);
        self.words(words, params, after);
        match value {
            Some(value) if words.is_empty() => self.pipeline(&value.pipeline, 0, true),
            Some(value) => {
                self.space();
                self.value(value, 0, true);
            }
            None => {}
        }
    }

    /// What an item begins with; `after` columns have to stay free behind the parameters.
    fn words(&mut self, words: &[Atom], params: Option<&Bracket>, after: usize) {
        for (idx, word) in words.iter().enumerate() {
            if idx > 0 { self.spaced_atom(word) } else { self.atom(word) }
        }
        if let Some(params) = params {
            self.bracket(params, after);
        }
    }

    /// The entries of a section or convolution, behind its name and parameters.
    fn body(&mut self, section: &Body) {
        // Of what stands before it; the extent has the rest.
        let before = self.column;
        self.space();
        self.word("{");
        let is_one_line = section.was_one_line && !section.extent.breaks;
        if section.entries.is_empty() && section.end.is_empty() {
            self.word("}");
            return;
        }
        if is_one_line && before + section.extent.width <= MAX_WIDTH {
            for (idx, entry) in section.entries.iter().enumerate() {
                self.word(if idx > 0 { ", " } else { " " });
                self.atom(&entry.key);
                self.space();
                self.value(&entry.value, 0, false);
            }
            self.word(" }");
            return;
        }
        let length = |entry: &Entry| entry.key.text.chars().count();
        let longest =
            section.entries.iter().map(length).filter(|&length| length <= MAX_ALIGNED_KEY).max().unwrap_or(0);
        self.open();
        for entry in &section.entries {
            self.comments(&entry.comments);
            self.begin_line(entry.has_blank_before);
            self.atom(&entry.key);
            self.word(&" ".repeat(1 + longest.saturating_sub(length(entry))));
            self.value(&entry.value, 0, true);
        }
        self.close(&section.end, "}");
    }

    /// After an opening bracket whose inside begins on the next line.
    fn open(&mut self) {
        self.indent += INDENT;
        self.is_at_start = true;
    }

    fn close(&mut self, comments: &[Comment], bracket: &str) {
        self.comments(comments);
        self.indent -= INDENT;
        self.begin_line(false);
        self.word(bracket);
    }

    /// `= …`; `after` columns have to stay free behind it.
    fn value(&mut self, value: &Value, after: usize, keeps_lines: bool) {
        self.word("=");
        self.inner_comments(&value.comments);
        let pipeline = &value.pipeline;
        let is_first_long =
            pipeline.first_part().is_some_and(|first| first.breaks || !self.fits(1 + first.width));
        // Arrows and signs below a closing bracket would hang in the air; then all parts are indented alike.
        if self.is_closed || is_first_long {
            self.indent += INDENT;
            self.begin_line(false);
            self.stages(pipeline, after, keeps_lines, 0);
            self.indent -= INDENT;
        } else {
            self.space();
            self.stages(pipeline, after, keeps_lines, INDENT);
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, after: usize, keeps_lines: bool) {
        self.stages(pipeline, after, keeps_lines, INDENT);
    }

    /// On one line, or one stage per line with its arrow `indent` deeper than the first; `keeps_lines` where a pipeline
    /// stays broken because it was.
    fn stages(&mut self, pipeline: &Pipeline, after: usize, keeps_lines: bool, indent: usize) {
        let (first, rest) = pipeline.stages.split_first().expect("a pipeline has a stage");
        let is_broken = pipeline.extent.breaks
            || (keeps_lines && pipeline.was_broken)
            || !self.fits(pipeline.extent.width + after);
        let sum_indent = if rest.is_empty() { indent } else { INDENT };
        self.stage(first, if rest.is_empty() { after } else { 0 }, sum_indent);
        self.indent += indent;
        for (idx, stage) in rest.iter().enumerate() {
            if is_broken {
                self.comments(&stage.comments);
                self.begin_line(false);
            } else {
                self.space();
            }
            self.word("-> ");
            self.stage(stage, if idx + 1 == rest.len() { after } else { 0 }, INDENT);
        }
        self.indent -= indent;
    }

    fn stage(&mut self, stage: &Stage, after: usize, indent: usize) {
        let name_width = stage.extent.width - stage.sum.extent.width;
        self.sum(&stage.sum, name_width + after, indent);
        for word in stage.name.iter().flatten() {
            self.spaced_atom(word);
        }
    }

    /// On one line, or a term a line with its sign `indent` deeper than the first.
    fn sum(&mut self, sum: &Sum, after: usize, indent: usize) {
        let is_broken = sum.extent.breaks || !self.fits(sum.extent.width + after);
        let n_terms = sum.terms.len();
        for (idx, term) in sum.terms.iter().enumerate() {
            let is_alone = n_terms == 1;
            if let Some(sign) = term.sign {
                self.indent += indent;
                if is_broken {
                    self.comments(&term.comments);
                    self.begin_line(false);
                } else {
                    self.space();
                }
                self.word(sign);
                self.space();
            }
            let after = if idx + 1 == n_terms { after } else { 0 };
            match &term.value {
                TermValue::Product(product) => {
                    self.sum(product, after, if is_alone { indent } else { INDENT })
                }
                TermValue::Operand(operand) => self.operand(operand, after),
            }
            if term.sign.is_some() {
                self.indent -= indent;
            }
        }
    }

    fn operand(&mut self, operand: &Operand, after: usize) {
        for atom in operand.minus.iter().chain(&operand.word) {
            self.atom(atom);
        }
        if let Some(bracket) = &operand.bracket {
            self.bracket(bracket, after);
        }
    }

    fn bracket(&mut self, bracket: &Bracket, after: usize) {
        let (open, close) = if bracket.kind == BracketKind::List { ("[", "]") } else { ("(", ")") };
        let comma = if bracket.kind == BracketKind::Group { "" } else { "," };
        let is_broken =
            !bracket.is_empty() && (bracket.extent.breaks || !self.fits(bracket.extent.width + after));
        self.word(open);
        if !is_broken {
            for (idx, element) in bracket.elements.iter().enumerate() {
                if idx > 0 {
                    self.word(", ");
                }
                self.element(element, 0);
            }
            self.word(close);
            return;
        }
        self.open();
        let is_filled = bracket.is_filled();
        for (idx, element) in bracket.elements.iter().enumerate() {
            if is_filled && idx > 0 && self.fits(element.extent.width + 2) {
                self.space();
            } else {
                self.comments(&element.comments);
                self.begin_line(false);
            }
            self.element(element, comma.len());
            self.word(comma);
        }
        self.close(&bracket.end, close);
    }

    fn element(&mut self, element: &Element, after: usize) {
        match &element.name {
            Some(name) => {
                self.atom(name);
                self.space();
                self.value(&element.value, after, false);
            }
            None => self.pipeline(&element.value.pipeline, after, false),
        }
    }
}
