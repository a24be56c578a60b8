//! Text to tokens, as far as finding the items needs it: names, numbers, strings, brackets, places.
//! Comments are kept aside, `///` lines once more. Never fails: what is no token is a [`Kind::Bad`].

/// One word, number, string or sign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
    /// Counted from 0.
    pub line: usize,
    /// Bytes from the start of the line.
    pub column: usize,
    pub is_first_on_line: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Name,
    Number,
    Text,
    Arrow,
    Equals,
    Comma,
    /// `+`, `-`, `*`, `/`, `..`
    Operator,
    Open(Bracket),
    Close(Bracket),
    Bad(Fault),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bracket {
    Round,
    Square,
    Curly,
}

impl Bracket {
    pub fn open(self) -> char {
        match self {
            Bracket::Round => '(',
            Bracket::Square => '[',
            Bracket::Curly => '{',
        }
    }
    pub fn close(self) -> char {
        match self {
            Bracket::Round => ')',
            Bracket::Square => ']',
            Bracket::Curly => '}',
        }
    }
}

/// Why something is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A string without its closing quote on the line.
    UnclosedText,
    /// An unknown escape, `len` bytes at `at`.
    Escape { at: usize, len: usize },
    /// `1.`, `.5`, `1e`, `2x`
    Number,
    /// A sign or letter that the language does not have.
    Character,
}

/// Words that cannot be names.
pub const RESERVED: &[&str] = &["use", "let", "block", "conv", "allow", "as", "true", "false"];

/// Words that begin an item.
pub const ITEM_WORDS: &[&str] = &["use", "let", "block", "conv", "allow"];

/// A comment: from its slashes to the end of the line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comment {
    pub start: usize,
    /// Before the newline; a carriage return is part of the comment.
    pub end: usize,
    /// Counted from 0.
    pub line: usize,
    pub is_first_on_line: bool,
}

/// Tokens and comments in order, and the lines that are `///` comments alone.
#[derive(Debug, Default)]
pub struct Lexed<'a> {
    pub tokens: Vec<Token>,
    pub comments: Vec<Comment>,
    /// Line number and what follows the slashes, ascending.
    pub docs: Vec<(usize, &'a str)>,
    /// The text has more than [`MAX_TOKENS`] tokens or comments, and those behind are not among them.
    pub is_cut: bool,
}

/// Words, numbers and signs of one file. The largest model that can be built has a hundred thousand stages, which take
/// a million of them.
pub const MAX_TOKENS: usize = 2_000_000;

pub fn lex(text: &str) -> Lexed<'_> {
    let mut lexed = Lexed::default();
    let bytes = text.as_bytes();
    let (mut pos, mut line, mut line_start) = (0, 0, 0);
    let mut is_first_on_line = true;
    // Some editors begin a file with a byte order mark.
    if text.starts_with('\u{feff}') {
        (pos, line_start) = (3, 3);
    }
    while pos < bytes.len() {
        if lexed.tokens.len().max(lexed.comments.len()) > MAX_TOKENS {
            lexed.is_cut = true;
            break;
        }
        match bytes[pos] {
            b'\n' => {
                (pos, line) = (pos + 1, line + 1);
                (line_start, is_first_on_line) = (pos, true);
            }
            b' ' | b'\t' | b'\r' => pos += 1,
            b'/' if bytes.get(pos + 1) == Some(&b'/') => {
                let end =
                    bytes[pos..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |n| pos + n);
                lexed.comments.push(Comment { start: pos, end, line, is_first_on_line });
                let comment = &text[pos..end];
                if let Some(doc) = comment.strip_prefix("///").filter(|doc| !doc.starts_with('/'))
                    && is_first_on_line
                {
                    lexed.docs.push((line, doc.strip_prefix(' ').unwrap_or(doc).trim_end()));
                }
                pos = end;
            }
            _ => {
                let (kind, len) = next_token(text, pos);
                lexed.tokens.push(Token {
                    kind,
                    start: pos,
                    end: pos + len,
                    line,
                    column: pos - line_start,
                    is_first_on_line,
                });
                is_first_on_line = false;
                pos += len;
            }
        }
    }
    lexed
}

/// The kind and length of the token at `pos`; at least one byte, ends on a character boundary.
fn next_token(text: &str, pos: usize) -> (Kind, usize) {
    let rest = &text[pos..];
    let bytes = rest.as_bytes();
    match bytes[0] {
        b'(' => (Kind::Open(Bracket::Round), 1),
        b'[' => (Kind::Open(Bracket::Square), 1),
        b'{' => (Kind::Open(Bracket::Curly), 1),
        b')' => (Kind::Close(Bracket::Round), 1),
        b']' => (Kind::Close(Bracket::Square), 1),
        b'}' => (Kind::Close(Bracket::Curly), 1),
        b',' => (Kind::Comma, 1),
        b'-' if bytes.get(1) == Some(&b'>') => (Kind::Arrow, 2),
        b'=' if matches!(bytes.get(1), Some(b'>' | b'=')) => (Kind::Bad(Fault::Character), 2),
        b'|' if bytes.get(1) == Some(&b'>') => (Kind::Bad(Fault::Character), 2),
        b':' if bytes.get(1) == Some(&b':') => (Kind::Bad(Fault::Character), 2),
        b'*' if bytes.get(1) == Some(&b'*') => (Kind::Bad(Fault::Character), 2),
        b'/' if bytes.get(1) == Some(&b'*') => (Kind::Bad(Fault::Character), 2),
        b'=' => (Kind::Equals, 1),
        b'+' | b'-' | b'*' | b'/' => (Kind::Operator, 1),
        b'"' => text_token(rest, pos),
        b'0'..=b'9' => number_token(bytes),
        b'.' if bytes.get(1) == Some(&b'.') && bytes.get(2) != Some(&b'.') => (Kind::Operator, 2),
        b'.' if bytes.get(1).is_some_and(u8::is_ascii_digit) => {
            (Kind::Bad(Fault::Number), 1 + word_len(&bytes[1..]))
        }
        byte if (byte.is_ascii_alphabetic() || byte == b'_') && !is_foreign(&rest[word_len(bytes)..]) => {
            (Kind::Name, word_len(bytes))
        }
        _ => {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            // A word with letters of another script is one mistake, not one per letter.
            let word = rest
                .chars()
                .take_while(|&ch| ch.is_alphanumeric() || ch == '_')
                .map(char::len_utf8)
                .sum::<usize>();
            (Kind::Bad(Fault::Character), first.max(word))
        }
    }
}

/// Whether a letter that names cannot have comes first.
fn is_foreign(rest: &str) -> bool {
    rest.chars().next().is_some_and(|ch| !ch.is_ascii() && ch.is_alphanumeric())
}

fn word_len(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&byte| byte.is_ascii_alphanumeric() || byte == b'_').count()
}

fn number_token(bytes: &[u8]) -> (Kind, usize) {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut len = digits(0);
    let mut is_good = true;
    // `1..2` is a range.
    let is_range = |at: usize| bytes.get(at) == Some(&b'.') && bytes.get(at + 1) == Some(&b'.');
    if bytes.get(len) == Some(&b'.') && !is_range(len) {
        let fraction = digits(len + 1);
        is_good = fraction > 0;
        len += 1 + fraction;
    }
    if matches!(bytes.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(len + 1), Some(b'+' | b'-')));
        let exponent = digits(len + 1 + sign);
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    // `2x`, `1e` and `1.2.3` are one broken number, not a number and a name.
    let tail = (len..bytes.len())
        .take_while(|&at| {
            bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_' || bytes[at] == b'.' && !is_range(at)
        })
        .count();
    if tail > 0 || !is_good { (Kind::Bad(Fault::Number), len + tail) } else { (Kind::Number, len) }
}

fn text_token(rest: &str, pos: usize) -> (Kind, usize) {
    let mut escape = None;
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, ch)) = chars.next() {
        match ch {
            '"' => {
                let kind = match escape {
                    Some((at, len)) => Kind::Bad(Fault::Escape { at: pos + at, len }),
                    None => Kind::Text,
                };
                return (kind, at + 1);
            }
            '\n' => return (Kind::Bad(Fault::UnclosedText), rest[..at].trim_end().len()),
            '\\' => match chars.next() {
                Some((_, '"' | '\\' | 'n' | 't')) => {}
                Some((at, '\n')) => return (Kind::Bad(Fault::UnclosedText), rest[..at].trim_end().len()),
                Some((_, other)) => escape = escape.or(Some((at, 1 + other.len_utf8()))),
                None => break,
            },
            _ => {}
        }
    }
    (Kind::Bad(Fault::UnclosedText), rest.trim_end().len())
}
