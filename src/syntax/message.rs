//! What the parser reports, in plain words: one function per mistake, and pest's expectations translated.
//! Codes are `syntax::…`.

use super::lex::{Bracket, Fault, ITEM_WORDS, Kind, Lexed, MAX_TOKENS, RESERVED};
use super::split::{MAX_NESTING, SETTINGS, Splitter};
use crate::diagnostic::Diagnostic;
use crate::elsewhere::{self, Here, Place as Where};
use crate::source::{FileId, Span};
use std::ops::Range;

/// How deep an expression may nest, brackets and operators together: `a + b + c` is two deep.
pub const MAX_DEPTH: usize = 256;

/// The largest whole number that is exact where numbers are computed with.
pub const MAX_INTEGER: f64 = 9_007_199_254_740_992.0;

/// A word or sign in backquotes, shortened so that the message stays one line.
fn quoted(word: &str) -> String {
    match word {
        "\r" => "a carriage return".into(),
        word if word.chars().all(char::is_control) => {
            format!("the control character U+{:04X}", word.chars().next().map_or(0, u32::from))
        }
        word => {
            let line = word.lines().next().unwrap_or(word);
            let short: String = line.chars().take(32).collect();
            if short.len() < word.len() { format!("`{short}…`") } else { format!("`{short}`") }
        }
    }
}

/// A file with more words and signs than any model has.
pub fn too_many_tokens(file: FileId, lexed: &Lexed) -> Diagnostic {
    let finding = Diagnostic::error(
        "syntax::too_large",
        format!("the file has more than {MAX_TOKENS} words and signs, or as many comments"),
    )
    .help("a model has at most 100000 stages; `repeat(n, …)` and blocks write many in a few words");
    match lexed.tokens.last() {
        Some(last) => finding.label(Span::new(file, last.start, last.end), "nothing is read from here on"),
        None => finding,
    }
}

// ── Words and strings ───────────────────────────────────────────────────────────────────────────

/// A token that the language does not have.
pub fn bad_token(text: &Splitter, idx: usize, fault: Fault) -> Diagnostic {
    let (span, word) = (text.span(idx..idx + 1), text.word(idx));
    match fault {
        Fault::UnclosedText => {
            let inside = word.trim_end_matches([')', ']', '}', ',', ' ', '\\']).trim_start_matches('"');
            Diagnostic::error("syntax::string", "this string has no closing quote")
                .label(span, "opened here, and the line ends without `\"`")
                .help(if inside.is_empty() {
                    "close it with `\"` on the same line".to_owned()
                } else {
                    let short: String = inside.chars().take(60).collect();
                    format!("write `\"{short}\"`")
                })
        }
        Fault::Escape { at, len } => {
            let escape = &text.text[at..at + len];
            Diagnostic::error("syntax::string", format!("{} is not an escape of a string", quoted(escape)))
                .label(Span::new(text.file, at, at + len), "a backslash begins an escape")
                .help("the escapes are `\\\"`, `\\\\`, `\\n` and `\\t`; for a backslash write `\\\\`")
        }
        Fault::Number => bad_number(span, word),
        Fault::Character if matches!(word, "<" | ">") && is_in_conv(text, idx) => {
            Diagnostic::error("syntax::character", format!("a formula has no comparison `{word}`"))
                .label(span, "not understood here")
                .help("`max` and `min` take the larger and the smaller of two, and `relu(x_j)` is 0 below 0")
        }
        Fault::Character if is_dotted(text, idx) => dotted_name(text, idx),
        Fault::Character => yaml_name(text, idx).unwrap_or_else(|| bad_character(span, word)),
    }
}

/// Whether a token stands in the body of a convolution, as far as the tokens just before it show.
fn is_in_conv(text: &Splitter, idx: usize) -> bool {
    const N_TOKENS: usize = 2000;
    let before = |idx: usize| (idx.saturating_sub(N_TOKENS)..idx).rev();
    let bracket = before(idx)
        .find(|&at| matches!(text.kind(at), Some(Kind::Open(Bracket::Curly) | Kind::Close(Bracket::Curly))));
    let Some(open) = bracket.filter(|&at| text.kind(at) == Some(Kind::Open(Bracket::Curly))) else {
        return false;
    };
    before(open).find(|&at| text.tokens[at].is_first_on_line).is_some_and(|at| text.word(at) == "conv")
}

/// Whether a point stands in the middle of a name, as in `nn.ReLU`.
fn is_dotted(text: &Splitter, idx: usize) -> bool {
    let is_name = |idx: usize| text.kind(idx) == Some(Kind::Name);
    let joins = |idx: usize| text.tokens[idx].end == text.tokens[idx + 1].start;
    text.word(idx) == "." && idx > 0 && is_name(idx - 1) && is_name(idx + 1) && joins(idx - 1) && joins(idx)
}

/// Where a setting of another library is written here.
fn where_written(place: Where) -> String {
    match place {
        Where::Optimizer(arg) => format!("write `train {{ optimizer = adam({arg} = …) }}`"),
        Where::Stop => "write `train { early_stop = patience(30) }`".to_owned(),
        Where::Train(key) => format!("write `train {{ {key} = … }}`"),
        Where::Evaluate(key) => format!("write `evaluate {{ {key} = … }}`"),
        Where::Protocol { call, .. } => format!("write `evaluate {{ protocol = {call}(…) }}`"),
        Where::Loss => "write `loss = cross_entropy`".to_owned(),
        Where::Elsewhere(setting) => format!("write `{setting} = …`"),
        Where::Stage(example) => format!("it is a matter of the model, as in `{example}`"),
        Where::NotHere(why) => format!("leave it out: {why}"),
    }
}

/// `gnn:` and `base_lr: 0.01`, as GraphGym's configuration files have them: what the name is here.
fn yaml_name(text: &Splitter, idx: usize) -> Option<Diagnostic> {
    let before =
        idx.checked_sub(1).filter(|before| text.word(idx) == ":" && text.tokens[*before].is_first_on_line)?;
    let name = text.word(before);
    // Settings of our own with a colon are a slip of the keyboard.
    if SETTINGS.contains(&name) {
        return None;
    }
    let help = match (elsewhere::section(name), elsewhere::key(name)) {
        (Some((_, "model")), _) => {
            "write the model as a pipeline: `model = repeat(3, gcn(64) -> relu) -> mean -> mlp`".to_owned()
        }
        (Some((_, "data")), _) => "write `data = tu(\"PROTEINS\")`".to_owned(),
        (Some((_, section)), _) => format!("write `{section} {{ … }}` with entries such as `epochs = 200`"),
        (None, Some(key)) => match key.place {
            Where::Train(own) | Where::Evaluate(own) if own == name => return None,
            place => where_written(place),
        },
        (None, None) => return None,
    };
    Some(
        Diagnostic::error("syntax::character", "`:` is not part of the language")
            .label(text.span(before..idx + 1), "a line of a configuration file")
            .help(help),
    )
}

/// `nn.ReLU`, `torch.nn.functional.relu`, `gnn.layers_mp`: names of other libraries with what they stand in.
fn dotted_name(text: &Splitter, idx: usize) -> Diagnostic {
    let mut end = idx + 1;
    while end + 1 < text.tokens.len() && is_dotted(text, end + 1) {
        end += 2;
    }
    let (first, last) = (text.tokens[idx - 1].start, text.tokens[end].end);
    let (span, name) = (Span::new(text.file, first, last), &text.text[first..last]);
    let (tail, is_call) = (text.word(end), text.kind(end + 1) == Some(Kind::Open(Bracket::Round)));
    let finding =
        Diagnostic::error("syntax::character", format!("names have no points, as in {}", quoted(name)))
            .label(span, "a name is letters, digits and `_`");
    let is_setting =
        text.kind(end + 1) == Some(Kind::Equals) || !is_call && !text.word(idx - 1).contains("nn");
    let setting = elsewhere::key(tail).filter(|_| is_setting).map(|key| where_written(key.place));
    if let Some(help) = setting {
        return finding.help(help);
    }
    match elsewhere::find(elsewhere::STAGES, tail).map(|word| word.here) {
        Some(Here::Is { op, .. }) => {
            let lower = tail.to_lowercase();
            let own = if lower == op { lower } else { tail.to_owned() };
            match is_call {
                // Its arguments are translated where the name is looked up.
                true => finding.help(format!("write `{own}`")).fix(span, own),
                false => finding.help(format!("write `{op}`")).fix(span, op),
            }
        }
        Some(Here::NotYet { why, nearest }) => finding
            .help(format!("there is no counterpart here yet ({why}); what comes nearest is `{nearest}`"))
            .guess(span, nearest),
        Some(Here::LeaveOut(why)) => finding.help(format!("leave it out: {why}")),
        _ if tail.starts_with("num_") => finding
            .help("write a number; widths of the input and the output are inferred where they are left out"),
        _ => finding.help(format!("write `{tail}` alone")).guess(span, tail),
    }
}

fn bad_number(span: Span, word: &str) -> Diagnostic {
    let mut meant = None;
    let digits: String = word.chars().filter(|ch| *ch != '_').collect();
    let help = if digits.len() < word.len() && digits.parse::<f64>().is_ok_and(f64::is_finite) {
        meant = Some(digits.clone());
        format!("write `{digits}`, without `_`")
    } else if word.starts_with('.') && word[1..].bytes().all(|byte| byte.is_ascii_digit()) {
        meant = Some(format!("0{word}"));
        format!("write `0{word}`")
    } else if word.ends_with('.') && word[..word.len() - 1].bytes().all(|byte| byte.is_ascii_digit()) {
        meant = Some(format!("{word}0"));
        format!("write `{word}0`, or `{}` for a whole number", &word[..word.len() - 1])
    } else {
        let end = word.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = word.split_at(end);
        if !number.is_empty()
            && unit.bytes().all(|byte| byte.is_ascii_alphabetic())
            && unit.to_lowercase() != "e"
        {
            format!("for a product write `{number} * {unit}`; a name begins with a letter")
        } else {
            "numbers are written `64`, `0.25` or `1e-3`".to_owned()
        }
    };
    let finding = Diagnostic::error("syntax::number", format!("{} is not a number", quoted(word)))
        .label(span, "not a number and not a name")
        .help(help);
    match meant {
        Some(meant) => finding.fix(span, meant),
        None => finding,
    }
}

fn bad_character(span: Span, word: &str) -> Diagnostic {
    let help = match word {
        "=>" | "|>" | "→" | "⟶" | "⇒" | ">" | "|" => {
            "stages are joined with `->`, as in `gcn(64) -> mean`"
        }
        "::" => "a lint is named without the part before `::`, as in `allow(over_smoothing)`",
        "==" | ":" => "values are given with one `=`, as in `lr = 1e-3`",
        "**" | "^" => "powers are written as products, `width * width`",
        "×" | "·" | "∗" => "a product is written `*`",
        "−" | "–" | "—" => "minus is written `-`, and stages are joined with `->`",
        "÷" | "%" => "arithmetic has `+`, `-`, `*` and `/`",
        "/*" | "#" => "comments begin with `//` and go to the end of the line",
        "'" | "“" | "”" | "„" | "‘" | "’" | "`" => {
            "strings stand in straight double quotes, as in `\"PROTEINS\"`"
        }
        ";" => "leave it out: an item ends with its line",
        "\u{feff}" => "a byte order mark may only stand at the very start: delete it here",
        "\u{a0}" | "\u{2003}" | "\u{2002}" | "\u{3000}" | "\u{200b}" => {
            "delete it, and write an ordinary space"
        }
        word if word.chars().all(char::is_alphanumeric) => {
            "names are made of the letters a–z and A–Z, digits and `_`"
        }
        _ => "delete it, or put it into a string",
    };
    let finding =
        Diagnostic::error("syntax::character", format!("{} is not part of the language", quoted(word)))
            .label(span, "not understood here")
            .help(help);
    let meant = match word {
        "=>" | "|>" | "→" | "⟶" | "⇒" | ">" | "|" => "->",
        "==" | ":" => "=",
        "×" | "·" | "∗" => "*",
        "−" | "–" | "—" => "-",
        "÷" => "/",
        "#" => "//",
        ";" => "",
        "\u{a0}" | "\u{2003}" | "\u{2002}" | "\u{3000}" => " ",
        _ => return finding,
    };
    finding.guess(span, meant)
}

/// A number that a 64-bit float cannot hold, or a whole number that it cannot hold exactly.
pub fn number_too_large(span: Span, word: &str) -> Diagnostic {
    Diagnostic::error("syntax::number", format!("{} is too large", quoted(word)))
        .label(span, "beyond the range of numbers")
        .help(format!("whole numbers go up to {MAX_INTEGER}, others up to 1e308"))
}

// ── Brackets ────────────────────────────────────────────────────────────────────────────────────

pub fn too_deep(text: &Splitter, idx: usize) -> Diagnostic {
    Diagnostic::error("syntax::too_deep", format!("brackets nest more than {MAX_NESTING} deep"))
        .label(text.span(idx..idx + 1), "one too many opens here")
        .help("name an inner part with `let` or `block` and use the name")
}

/// An expression whose operators make it deeper than any step should walk.
pub fn expression_too_deep(span: Span) -> Diagnostic {
    Diagnostic::error("syntax::too_deep", format!("this expression nests more than {MAX_DEPTH} deep"))
        .label(span, "too many operators and brackets in one expression")
        .help("name a part of it with `let` and use the name")
}

/// The call or list that opens at `open`, up to where it most likely should close.
fn closed_here(text: &Splitter, open: usize, end: usize) -> Option<(String, Span)> {
    let Some(Kind::Open(bracket)) = text.kind(open) else { return None };
    let start = match open.checked_sub(1).map(|before| text.tokens[before]) {
        Some(token) if token.kind == Kind::Name && bracket == Bracket::Round => token.start,
        _ => text.tokens[open].start,
    };
    let line = text.tokens[open].line;
    let mut depth = 0usize;
    let mut last = open;
    for idx in open + 1..end.min(text.tokens.len()) {
        let token = text.tokens[idx];
        match token.kind {
            _ if token.line != line => break,
            Kind::Arrow if depth == 0 => break,
            Kind::Open(_) => depth += 1,
            Kind::Close(_) if depth == 0 => break,
            Kind::Close(_) => depth -= 1,
            _ => {}
        }
        last = idx;
    }
    if text.tokens[last].kind == Kind::Comma {
        last -= 1;
    }
    let written = &text.text[start..text.tokens[last].end];
    let behind = Span::new(text.file, text.tokens[last].end, text.tokens[last].end);
    (depth == 0 && last > open && written.len() < 80)
        .then(|| (format!("write `{written}{}`", bracket.close()), behind))
}

/// `(` or `[` without its partner; `end` is the token before which it should have come.
pub fn unclosed(text: &Splitter, open: usize, end: usize) -> Diagnostic {
    let Some(Kind::Open(bracket)) = text.kind(open) else {
        return stray_bracket(text, open);
    };
    let owner = match open.checked_sub(1) {
        Some(before) if text.kind(before) == Some(Kind::Name) && bracket == Bracket::Round => {
            format!(" of {}", quoted(text.word(before)))
        }
        _ => String::new(),
    };
    let (sign, partner) = (bracket.open(), bracket.close());
    let closed = closed_here(text, open, end);
    let finding = Diagnostic::error(
        "syntax::unclosed",
        format!("the `{sign}`{owner} is never closed; did you forget `{partner}`?"),
    )
    .label(text.span(open..open + 1), format!("no `{partner}` for this"));
    match closed {
        Some((help, behind)) => finding.help(help).guess(behind, partner.to_string()),
        None => finding.help(format!("add `{partner}` where it ends")),
    }
}

/// The `{` at `open` of a section or convolution without its partner; what stands at `end` begins an item.
pub fn unclosed_section(text: &Splitter, open: usize, end: usize) -> Diagnostic {
    // `train {`, `conv gated(out) {`
    let mut name = open.saturating_sub(1);
    let mut depth = 0usize;
    while name > 0 && (depth > 0 || matches!(text.kind(name), Some(Kind::Close(_)))) {
        match text.kind(name) {
            Some(Kind::Close(_)) => depth += 1,
            Some(Kind::Open(_)) => depth = depth.saturating_sub(1),
            _ => {}
        }
        name -= 1;
    }
    let name = quoted(text.word(name));
    let diagnostic = Diagnostic::error(
        "syntax::unclosed",
        format!("the `{{` of {name} is never closed; did you forget `}}`?"),
    )
    .label(text.span(open..open + 1), "no `}` for this");
    let diagnostic = match text.tokens.get(end) {
        Some(_) => diagnostic.label(text.span(end..end + 1), "a new item begins here"),
        None => diagnostic,
    };
    diagnostic.help("write `}` on a line of its own after the last entry")
}

pub fn mismatch(text: &Splitter, open: usize, close: usize) -> Diagnostic {
    let (opened, closed) = (text.word(open), text.word(close));
    let partner = match text.kind(open) {
        Some(Kind::Open(bracket)) => bracket.close(),
        _ => ')',
    };
    Diagnostic::error("syntax::unclosed", format!("`{opened}` is closed by `{closed}`"))
        .label(text.span(close..close + 1), format!("`{partner}` is expected here"))
        .label(text.span(open..open + 1), "opened here")
        .help(format!("write `{partner}`"))
        .guess(text.span(close..close + 1), partner.to_string())
}

pub fn stray_bracket(text: &Splitter, idx: usize) -> Diagnostic {
    let word = quoted(text.word(idx));
    Diagnostic::error("syntax::stray_bracket", format!("{word} closes nothing"))
        .label(text.span(idx..idx + 1), "no open bracket before it")
        .help(format!("delete {word}"))
        .fix(text.span(idx..idx + 1), "")
}

pub fn lone_comma(text: &Splitter, idx: usize) -> Diagnostic {
    Diagnostic::error("syntax::unexpected", "this `,` has no entry before it")
        .label(text.span(idx..idx + 1), "an entry such as `epochs = 200` is expected before it")
        .help("delete the `,`; entries are separated by a new line or one `,`")
        .fix(text.span(idx..idx + 1), "")
}

/// Something in a section that does not begin with `key =`.
pub fn not_an_entry(text: &Splitter, tokens: Range<usize>) -> Diagnostic {
    let first = text.word(tokens.start);
    let span = text.span(tokens.clone());
    let is_key = text.kind(tokens.start) == Some(Kind::Name) && !RESERVED.contains(&first);
    if !is_key {
        return Diagnostic::error(
            "syntax::unexpected",
            format!("an entry cannot begin with {}", quoted(first)),
        )
        .label(text.span(tokens.start..tokens.start + 1), "the name of an entry is expected here")
        .help("entries are written `epochs = 200`");
    }
    let rest = tokens.start + 1..tokens.end;
    let help = match text.kind(rest.start).filter(|_| !rest.is_empty()) {
        Some(Kind::Name | Kind::Number | Kind::Text) if !text.text[text.range(&rest)].contains('\n') => {
            format!("write `{first} = {}`", &text.text[text.range(&rest)])
        }
        _ => "entries are written `epochs = 200`".to_owned(),
    };
    Diagnostic::error("syntax::unexpected", format!("the entry `{first}` expects `=` and a value"))
        .label(span, format!("`=` is expected after `{first}`"))
        .help(help)
}

// ── Items ───────────────────────────────────────────────────────────────────────────────────────

/// A convolution without its `{ … }`, or with something before it that is no name and no parameters.
pub fn conv_without_body(text: &Splitter, tokens: Range<usize>) -> Diagnostic {
    let (head, name) = (text.span(tokens.start..tokens.start + 1), text.word(tokens.start + 1));
    let is_named =
        tokens.len() > 1 && text.kind(tokens.start + 1) == Some(Kind::Name) && !RESERVED.contains(&name);
    let name = if is_named { name } else { "gated" };
    let message = match is_named {
        true => format!("the convolution `{name}` has no body; it expects `{{` with its entries"),
        false => "`conv` expects a name, its parameters and a body in `{ … }`".to_owned(),
    };
    Diagnostic::error("syntax::unexpected", message)
        .label(
            if is_named { text.span(tokens.start..tokens.start + 2) } else { head },
            "begins a convolution",
        )
        .help(format!("write `conv {name}(out) {{ message = linear(out, x_j), aggregate = mean }}`"))
}

/// `conv gated(out) = {`
pub fn conv_with_equals(place: Span) -> Diagnostic {
    Diagnostic::error("syntax::unexpected", "a convolution has no `=` in front of its body")
        .label(place, "not expected here")
        .help("leave `=` out: `conv gated(out) { message = linear(out, x_j), aggregate = mean }`")
        .fix(place, "")
}

pub fn empty_allow(span: Span) -> Diagnostic {
    Diagnostic::error("syntax::unexpected", "`allow` names no lint")
        .label(span, "allows nothing")
        .help("write `allow(over_smoothing)`, or delete it; `hgnnc lint --list` lists what can be allowed")
}

/// What stands before the place where an item stopped making sense.
struct Place<'a> {
    /// The token before, if it belongs to the item.
    before: Option<(&'a str, Kind)>,
    found: Option<(&'a str, Kind)>,
    span: Span,
    /// The bracket around it and the word before that bracket.
    around: Option<(Bracket, &'a str)>,
    /// The found token stands on a later line than the one before.
    is_new_line: bool,
    /// The token after the found one is `=`.
    is_named: bool,
    /// From the found token to the end of its line, as far as it belongs to the item.
    rest: &'a str,
    /// The `=` of the item has been passed.
    is_after_equals: bool,
}

/// Translates where pest stopped (`offset` in the text, `wants_value` where it expected the start of
/// an expression) into one message.
pub fn unexpected(text: &Splitter, tokens: Range<usize>, offset: usize, wants_value: bool) -> Diagnostic {
    let idx = tokens.start + text.tokens[tokens.clone()].partition_point(|token| token.start < offset);
    let found = (idx < tokens.end).then(|| text.tokens[idx]);
    let before = (idx > tokens.start).then(|| text.tokens[idx - 1]);
    let word = |token: crate::syntax::lex::Token| (&text.text[token.start..token.end], token.kind);
    let mut around = Vec::new();
    let mut is_after_equals = false;
    for at in tokens.start..idx {
        match text.tokens[at].kind {
            Kind::Open(bracket) => {
                let is_call = at > tokens.start && text.kind(at - 1) == Some(Kind::Name);
                around.push((bracket, if is_call { text.word(at - 1) } else { "" }));
            }
            Kind::Close(_) => {
                around.pop();
            }
            Kind::Equals => is_after_equals |= around.is_empty(),
            _ => {}
        }
    }
    let rest = found.map_or("", |found| {
        let on_line = text.tokens[idx..tokens.end].partition_point(|token| token.line == found.line);
        let rest = &text.text[found.start..text.tokens[idx + on_line - 1].end];
        if rest.len() < 60 { rest } else { &text.text[found.start..found.end] }
    });
    let span = match (found, before) {
        (Some(_), _) => text.span(idx..idx + 1),
        // At the end of the item the caret points at what something is missing after.
        (None, Some(_)) => text.span(idx - 1..idx),
        (None, None) => text.span(tokens.clone()),
    };
    let place = Place {
        before: before.map(word),
        found: found.map(word),
        span,
        around: around.last().copied(),
        is_new_line: matches!((before, found), (Some(before), Some(found)) if found.line > before.line),
        is_named: idx + 1 < tokens.end && text.kind(idx + 1) == Some(Kind::Equals),
        rest,
        is_after_equals,
    };
    let head = text.word(tokens.start);
    let in_head = idx <= tokens.start + 2 && ITEM_WORDS.contains(&head);
    item_head(&place, head, in_head)
        .or_else(|| reserved_word(&place, wants_value))
        .or_else(|| wants_value.then(|| missing_value(&place)))
        .unwrap_or_else(|| extra_word(&place, head))
}

fn error(
    place: &Place,
    message: impl Into<String>,
    label: impl Into<String>,
    help: impl Into<String>,
) -> Diagnostic {
    Diagnostic::error("syntax::unexpected", message).label(place.span, label).help(help)
}

/// `, but got …`, empty at the end of an item.
fn but_finds(place: &Place) -> String {
    match place.found {
        Some((word, _)) => format!(", but got {}", quoted(word)),
        None => String::new(),
    }
}

/// The words that an item begins with, before any expression.
fn item_head(place: &Place, head: &str, in_head: bool) -> Option<Diagnostic> {
    let (before, _) = place.before?;
    let finds = but_finds(place);
    if head == "use" && in_head && before == "use" {
        return Some(error(
            place,
            format!("`use` expects the path of a file in quotes{finds}"),
            "a path in quotes is expected here",
            "write `use \"encoders.hgnn\"`",
        ));
    }
    if head == "use" {
        return Some(error(
            place,
            format!("`use` takes one path and nothing else{finds}"),
            "not part of a `use`",
            "write each item on its own line",
        ));
    }
    if head == "allow" {
        let example = "write `allow(over_smoothing, dead_dropout)` on a line of its own";
        return Some(match place.found {
            Some((word, Kind::Name)) if place.around.is_some() && before != "(" && before != "," => error(
                place,
                format!("expected `,` between the lints of `allow`{finds}"),
                format!("`,` is expected before {}", quoted(word)),
                example,
            ),
            _ if before == "allow" => error(
                place,
                format!("`allow` expects the names of lints in parentheses{finds}"),
                "`(` is expected here",
                example,
            ),
            _ if place.around.is_some() => error(
                place,
                format!("`allow` expects the name of a lint{finds}"),
                "a name is expected here",
                example,
            ),
            _ => error(
                place,
                format!("expected a new line after `allow(…)`{finds}"),
                "not part of an `allow`",
                example,
            ),
        });
    }
    if matches!(head, "let" | "block" | "conv") && in_head && before == head {
        let example = match head {
            "let" => "let width = 64",
            "block" => "block encoder(width) = gcn(width) -> relu",
            _ => "conv gated(out) { message = linear(out, x_j), aggregate = mean }",
        };
        return Some(match place.found {
            Some((word, Kind::Name)) if RESERVED.contains(&word) => error(
                place,
                format!("`{word}` is a word of the language and cannot be a name"),
                "another name is expected here",
                format!("write `{word}_` or another name"),
            ),
            _ => error(
                place,
                format!("`{head}` expects a name{finds}"),
                "a name is expected here",
                format!("write `{example}`"),
            ),
        });
    }
    if head == "let" && in_head {
        return Some(error(
            place,
            format!("`let {before}` expects `=` and a value{finds}"),
            "`=` is expected here",
            format!("write `let {before} = {}`", if place.rest.is_empty() { "64" } else { place.rest }),
        ));
    }
    let is_params = matches!(place.around, Some((Bracket::Round, _)));
    if head == "block" && in_head && !is_params {
        return Some(error(
            place,
            format!("`block {before}` expects its parameters and `=`{finds}"),
            "`(` or `=` is expected here",
            format!("write `block {before}(width) = gcn(width) -> relu`"),
        ));
    }
    if head == "conv" && in_head && !is_params {
        return Some(error(
            place,
            format!("`conv {before}` expects its parameters and `{{`{finds}"),
            "`(` or `{` is expected here",
            format!("write `conv {before}(out) {{ message = linear(out, x_j), aggregate = mean }}`"),
        ));
    }
    if head == "conv" && is_params && !matches!(place.found, Some((_, Kind::Name | Kind::Equals))) {
        return Some(error(
            place,
            format!("expected a parameter of the convolution{finds}"),
            "a name is expected here",
            "parameters are names with or without a default: `(out, slope = 0.2)`",
        ));
    }
    None
}

fn reserved_word(place: &Place, wants_value: bool) -> Option<Diagnostic> {
    let (word, _) = place.found.filter(|&(word, kind)| kind == Kind::Name && RESERVED.contains(&word))?;
    let is_named = place.before.is_some_and(|(before, _)| before == "as");
    if ITEM_WORDS.contains(&word) && !wants_value && !is_named {
        return Some(error(
            place,
            format!("`{word}` begins a new item"),
            "on the same line as the item before",
            format!("write `{word} …` on a line of its own"),
        ));
    }
    if word == "as" {
        return match place.before {
            Some((before, _)) if wants_value => Some(error(
                place,
                format!("expected a stage between `{before}` and `as`"),
                "a stage is expected here",
                "write a stage and then its name, as in `gcn(64) as fine`",
            )),
            _ if is_named => None,
            _ => Some(error(
                place,
                "`as` names a stage, and there is none here",
                "not expected here",
                "write a stage and then its name, as in `gcn(64) as fine`",
            )),
        };
    }
    if wants_value || is_named {
        return Some(error(
            place,
            format!("`{word}` is a word of the language and cannot be a name"),
            "another name is expected here",
            format!("write `{word}_` or another name"),
        ));
    }
    None
}

/// A stage, value or argument is expected and does not come.
fn missing_value(place: &Place) -> Diagnostic {
    let finds = but_finds(place);
    match place.before {
        _ if matches!(place.found, Some((_, Kind::Open(Bracket::Curly)))) => brace(place),
        Some((_, Kind::Arrow)) if matches!(place.found, Some((_, Kind::Arrow))) => error(
            place,
            "expected a stage between `->` and `->`",
            "a stage is expected here",
            "delete one `->`, or write a stage between, as in `-> relu ->`",
        ),
        Some((_, Kind::Arrow)) => error(
            place,
            format!("expected a stage after `->`{finds}"),
            "a stage is expected here",
            "write a stage, as in `-> mean`, or delete the `->`",
        ),
        Some((_, Kind::Equals)) if matches!(place.found, Some((_, Kind::Arrow))) => error(
            place,
            "expected a stage before `->`",
            "a stage is expected here",
            "begin with a stage, as in `= gcn(64) -> mean`",
        ),
        Some((_, Kind::Equals)) => error(
            place,
            format!("expected a value after `=`{finds}"),
            "a value is expected here",
            "write a number, a name, a call or a pipeline after `=`",
        ),
        Some((sign, Kind::Operator)) => error(
            place,
            format!("expected a value after `{sign}`{finds}"),
            "a number, a name or a call is expected here",
            if sign == "-" { "for the next stage write `->`" } else { "write a value, as in `2 * width`" },
        ),
        None if matches!(place.found, Some((_, Kind::Arrow))) => error(
            place,
            "expected a stage before `->`",
            "nothing stands before it",
            "begin with a stage, as in `gcn(64) -> mean`",
        ),
        _ if matches!(place.found, Some((_, Kind::Arrow))) => error(
            place,
            "expected a stage before `->`",
            "a stage is expected here",
            "begin with a stage, as in `gcn(64) -> mean`",
        ),
        Some((_, Kind::Comma | Kind::Open(Bracket::Square)))
            if matches!(
                (place.found, place.around),
                (Some((_, Kind::Comma)), Some((Bracket::Square, _)))
            ) =>
        {
            error(place, "expected an element of the list before `,`", "one `,` too many", "delete one `,`")
        }
        Some((_, Kind::Comma)) if matches!(place.found, Some((_, Kind::Comma))) => {
            error(place, "expected an argument between `,` and `,`", "one `,` too many", "delete one `,`")
        }
        Some((_, Kind::Open(Bracket::Round))) if matches!(place.found, Some((_, Kind::Comma))) => {
            error(place, "expected an argument before `,`", "one `,` too many", "delete the `,`")
        }
        _ => match (place.around, place.found) {
            (_, Some((word, Kind::Equals))) => error(
                place,
                format!("expected a name before `{word}`"),
                "no name stands before it",
                "write it like `width = 64`",
            ),
            (Some((Bracket::Round, "")), Some((word, Kind::Close(_)))) => error(
                place,
                format!("expected a value before `{word}`"),
                "a value is expected here",
                "put a value into the parentheses, or delete them",
            ),
            (Some((Bracket::Round, callee)), _) if !callee.is_empty() => error(
                place,
                format!("expected an argument of {}{finds}", quoted(callee)),
                "an argument is expected here",
                "arguments are written `64` or `ratio = 0.25`, separated by `,`",
            ),
            (Some((Bracket::Square, _)), _) => error(
                place,
                format!("expected an element of the list{finds}"),
                "a value is expected here",
                "lists are written `[64, 32]`",
            ),
            _ => error(
                place,
                match place.found {
                    Some((word, _)) => format!("an item cannot begin with {}", quoted(word)),
                    None => "expected a value".to_owned(),
                },
                "not expected here",
                "an item is a pipeline such as `gcn(64) -> mean`, or begins with a word: `data = …`, `let …`, `train { … }`",
            ),
        },
    }
}

fn brace(place: &Place) -> Diagnostic {
    error(
        place,
        "`{` is only written after the name of a section",
        "not expected here",
        "sections are written `train { epochs = 200 }`, without `=`",
    )
}

/// Something complete stands before, and what follows cannot continue it.
fn extra_word(place: &Place, head: &str) -> Diagnostic {
    let Some((before, before_kind)) = place.before else {
        return missing_value(place);
    };
    let Some((word, kind)) = place.found else {
        return match before {
            "as" => error(
                place,
                "expected a name after `as`",
                "a name is expected after this",
                "write a name, as in `gcn(64) as fine`",
            ),
            _ if head == "block" && !place.is_after_equals => error(
                place,
                "the block has no body; it expects `=` and a pipeline",
                "`=` is expected after this",
                "write `= gcn(width) -> relu` after the parameters",
            ),
            _ => error(
                place,
                "ends too early",
                "something is missing after this",
                "finish the line, or delete it",
            ),
        };
    };
    if before == "as" {
        return error(
            place,
            format!("expected a name after `as`, but got {}", quoted(word)),
            "a name is expected here",
            "write a name, as in `gcn(64) as fine`",
        );
    }
    let found = quoted(word);
    match (kind, place.around) {
        (Kind::Open(Bracket::Curly), _) => brace(place),
        (Kind::Equals, None) if before_kind == Kind::Close(Bracket::Round) => error(
            place,
            "expected one name before `=`",
            "a call cannot be set",
            "to define a pipeline with parameters write `block encoder(width) = …`",
        ),
        (Kind::Equals, _) => error(
            place,
            "expected one name before `=`",
            "what stands before it is not a name",
            "write it like `width = 64`",
        ),
        (Kind::Open(Bracket::Round), _) if matches!(before_kind, Kind::Close(_)) => error(
            place,
            "a call cannot be called again",
            "only a name can stand before `(`",
            "put all arguments into one pair of parentheses",
        ),
        (Kind::Open(Bracket::Round), _) => error(
            place,
            format!("{} cannot be called", quoted(before)),
            "only a name can stand before `(`",
            "write the name of an operator or block before `(`",
        ),
        (_, None) if head == "block" && !place.is_after_equals => error(
            place,
            format!("expected `=` and the body of the block, but got {found}"),
            "`=` is expected here",
            format!("write `= {}`", place.rest),
        ),
        (_, Some((Bracket::Round, _))) if head == "block" && !place.is_after_equals && kind != Kind::Name => {
            error(
                place,
                format!("expected a parameter of the block, but got {found}"),
                "a name is expected here",
                "parameters are names with or without a default: `(width, depth = 2)`",
            )
        }
        (Kind::Open(Bracket::Square), Some((Bracket::Round, _)))
            if matches!(before, "x" | "x_i" | "x_j" | "e_ij" | "aggregated") =>
        {
            error(
                place,
                format!("{} is read as a whole: its features have no numbers", quoted(before)),
                "no element can be chosen",
                format!("a learned map takes of it what it needs, as in `linear(1, {before})`"),
            )
        }
        (Kind::Name | Kind::Number | Kind::Text | Kind::Open(_), Some((bracket, callee))) => {
            let what = match (bracket, callee) {
                (Bracket::Round, callee) if head == "block" && !place.is_after_equals => {
                    format!("parameters of {}", quoted(callee))
                }
                (Bracket::Square, _) => "elements of a list".to_owned(),
                (_, "") => "values".to_owned(),
                (_, callee) => format!("arguments of {}", quoted(callee)),
            };
            let help = if before_kind == Kind::Name && !place.is_named && kind != Kind::Name {
                format!("did you forget `,` or `=`? Write `{before} = {word}` or `{before}, {word}`")
            } else {
                format!("did you forget `,`? Write `{before}, {word}`")
            };
            error(
                place,
                format!("{what} are separated by `,`"),
                format!("`,` is expected before {found}"),
                help,
            )
        }
        (Kind::Name, None) if SETTINGS.contains(&before) => error(
            place,
            format!("`{before}` expects `=`"),
            format!("`=` is expected before {found}"),
            format!("write `{before} = {}`", place.rest),
        ),
        (Kind::Name, _) if before_kind == Kind::Number && !place.is_named => error(
            place,
            format!("expected an operator between `{before}` and {found}"),
            format!("`*` is expected before {found}"),
            format!("write `{before} * {word}`"),
        ),
        (Kind::Name, None) if place.is_named => error(
            place,
            format!("`{word} = …` begins something new"),
            "on the same line as what stands before",
            format!("write `{}` on a line of its own, or in a section after a `,`", place.rest),
        ),
        (Kind::Name, None) if place.is_new_line => error(
            place,
            format!("expected `->` before {found}"),
            "did you forget `->`?",
            format!("write `-> {word}`; a new item begins at the start of a line"),
        ),
        (Kind::Name | Kind::Number | Kind::Text | Kind::Open(_), None) => error(
            place,
            format!("expected `->` or the end of the line, but got {found}"),
            "did you forget `->`?",
            format!(
                "to apply a next stage write `-> {word}`; arguments stand in parentheses, as in `gcn(64)`"
            ),
        ),
        (Kind::Comma, None) => error(
            place,
            "`,` separates arguments, and there are none here",
            "outside of parentheses",
            "stages are joined with `->`; delete the `,`",
        ),
        _ => error(
            place,
            format!("{found} is not expected here"),
            "not expected here",
            format!("delete {found}"),
        ),
    }
}
