//! Arguments of everything that can be called in a file: operators, data sources, optimisers,
//! schedules, protocols. Each callable states its arguments as data ([`ArgSpec`]); one binder ([`crate::bind`]) checks
//! a call against them, so names, kinds, ranges and defaults read the same everywhere.

use crate::source::Span;
use std::fmt;

/// What an argument takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ArgKind {
    /// A whole number in `min..=max`.
    Int {
        min: i64,
        max: i64,
    },
    /// A real number in the range.
    Float(Range),
    Bool,
    Text,
    /// One of a few words, written without quotes.
    Choice(&'static [&'static str]),
    /// A list of whole numbers in `min..=max`, at most `max_len` of them.
    IntList {
        min: i64,
        max: i64,
        max_len: usize,
    },
    /// A whole number in `min..=max`, or a list of at most `max_len`.
    Ints {
        min: i64,
        max: i64,
        max_len: usize,
    },
    /// A real number in the range, or a list of at most `max_len`.
    Floats {
        range: Range,
        max_len: usize,
    },
    /// A list of words out of a set that the owner names.
    ChoiceList(&'static [&'static str]),
    /// One word out of a set that the owner names, or a list of several.
    Words(&'static [&'static str]),
    /// One of a few words, or a list of numbers in the range, at most `max_len` of them.
    WordOrNumbers {
        words: &'static [&'static str],
        range: Range,
        max_len: usize,
    },
    /// A pipeline, which becomes the operator's input `port`.
    Pipeline {
        port: usize,
    },
    /// Values of the edges: a pipeline that begins with `edges`, which becomes an input of its own
    /// ([`Args::port`]). Left out, the operator does not use the edges' values.
    Edges(EdgeValue),
    /// Another call, of the named catalogue (`optimizer`, `schedule`, …).
    Call(&'static str),
    /// One of a few words, or a list of calls of the named catalogue (`feature`), in which a word is a call too.
    CallList {
        words: &'static [&'static str],
        catalogue: &'static str,
    },
}

/// What an argument of kind [`ArgKind::Edges`] asks of the edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeValue {
    /// Features of any width: `edges[E, F]`.
    Features,
    /// One number for each edge: `edges[E, 1]`.
    Weight,
    /// The kind of each edge, `kinds[E, R]`, one of `R`: `edge_labels` alone gives it.
    Kind,
}

impl EdgeValue {
    /// What a file writes where the data's own values are meant.
    pub fn example(self) -> &'static str {
        match self {
            EdgeValue::Features | EdgeValue::Weight => "edges",
            EdgeValue::Kind => "edge_labels",
        }
    }
}

/// A real range; an open end excludes its bound. Prints as `(0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub min: f64,
    pub min_open: bool,
    pub max: f64,
    pub max_open: bool,
}

impl Range {
    pub const fn closed(min: f64, max: f64) -> Self {
        Self { min, min_open: false, max, max_open: false }
    }
    /// `(min, max]`
    pub const fn open_closed(min: f64, max: f64) -> Self {
        Self { min, min_open: true, max, max_open: false }
    }
    /// `[min, max)`
    pub const fn closed_open(min: f64, max: f64) -> Self {
        Self { min, min_open: false, max, max_open: true }
    }
    /// `(min, max)`
    pub const fn open(min: f64, max: f64) -> Self {
        Self { min, min_open: true, max, max_open: true }
    }
    /// A value inside that lies on the side of `value`, which is outside.
    pub fn near(&self, value: f64) -> f64 {
        let (bound, is_open, other) = if value < self.min || (value == self.min && self.min_open) {
            (self.min, self.min_open, self.max)
        } else {
            (self.max, self.max_open, self.min)
        };
        match (is_open, other.is_finite()) {
            (false, _) => bound,
            (true, true) => (bound + other) / 2.0,
            (true, false) => bound + (other.signum() * bound.abs().max(1.0)),
        }
    }
    pub fn contains(&self, value: f64) -> bool {
        value.is_finite()
            && (if self.min_open { value > self.min } else { value >= self.min })
            && (if self.max_open { value < self.max } else { value <= self.max })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min == f64::NEG_INFINITY, self.max == f64::INFINITY) {
            (true, true) => f.write_str("any finite number"),
            (false, true) if self.min_open => write!(f, "greater than {}", self.min),
            (false, true) => write!(f, "at least {}", self.min),
            (true, false) if self.max_open => write!(f, "less than {}", self.max),
            (true, false) => write!(f, "at most {}", self.max),
            (false, false) => {
                let (open, close) =
                    (if self.min_open { '(' } else { '[' }, if self.max_open { ')' } else { ']' });
                write!(f, "in {open}{}, {}{close}", self.min, self.max)
            }
        }
    }
}

impl ArgKind {
    /// What it takes, in the words of a message: "a whole number", "one of `mean`, `sum`".
    pub fn expects(&self) -> String {
        match self {
            ArgKind::Int { .. } => "a whole number".into(),
            ArgKind::Float(_) => "a number".into(),
            ArgKind::Bool => "`true` or `false`".into(),
            ArgKind::Text => "a text in quotes".into(),
            ArgKind::Choice(words) => format!("one of {}", words_list(words)),
            ArgKind::IntList { .. } => "a list of whole numbers".into(),
            ArgKind::Ints { .. } => "a whole number or a list of them".into(),
            ArgKind::Floats { .. } => "a number or a list of them".into(),
            ArgKind::ChoiceList(words) => format!("a list of words out of {}", words_list(words)),
            ArgKind::Words(words) => format!("one of {}, or a list of them", words_list(words)),
            ArgKind::WordOrNumbers { words, .. } => {
                format!("one of {}, or a list of numbers", words_list(words))
            }
            ArgKind::Pipeline { .. } => "a pipeline".into(),
            ArgKind::Edges(EdgeValue::Features) => "values of the edges".into(),
            ArgKind::Edges(EdgeValue::Weight) => "one number for each edge".into(),
            ArgKind::Edges(EdgeValue::Kind) => "the kinds of the edges".into(),
            ArgKind::Call(kind) => with_article(kind_in_words(kind)),
            ArgKind::CallList { words, catalogue } => {
                format!("one of {}, or a list of {}s", words_list(words), kind_in_words(catalogue))
            }
        }
    }

    /// The allowed range, in words that follow "has to be"; `None` where there is nothing to say.
    pub fn range(&self) -> Option<String> {
        match self {
            ArgKind::Int { min, max }
            | ArgKind::IntList { min, max, .. }
            | ArgKind::Ints { min, max, .. } => Some(int_range(*min, *max)),
            ArgKind::Float(range) | ArgKind::Floats { range, .. } | ArgKind::WordOrNumbers { range, .. } => {
                Some(range.to_string())
            }
            _ => None,
        }
    }
}

fn int_range(min: i64, max: i64) -> String {
    if max >= 1 << 53 { format!("at least {min}") } else { format!("in [{min}, {max}]") }
}

/// "`mean`, `sum` and `max`"
pub fn words_list(words: &[&str]) -> String {
    listed(&words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>())
}

/// "one, two and three"
pub fn listed(words: &[String]) -> String {
    match words.split_last() {
        None => "nothing".into(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// What the calls of a catalogue are: "optimiser".
pub fn kind_in_words(kind: &str) -> &str {
    match kind {
        "data" => "data source",
        "optimizer" => "optimiser",
        "early_stop" => "early-stopping rule",
        "protocol" => "evaluation protocol",
        other => other,
    }
}

/// "an optimiser"
fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// What holds where an argument is not written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Default {
    /// It has to be written.
    Required,
    /// Left out means absent: the operator infers it, in the words given ("inferred from the task").
    Inferred(&'static str),
    Int(i64),
    Float(f64),
    Bool(bool),
    Choice(&'static str),
    IntList(&'static [i64]),
    FloatList(&'static [f64]),
    ChoiceList(&'static [&'static str]),
    /// `.hgnn` text of a pipeline or call, as a user would write it.
    Source(&'static str),
}

impl Default {
    /// The value that it stands for; `None` where it is not a plain one.
    pub fn value(&self) -> Option<ArgValue> {
        Some(match *self {
            Default::Int(value) => ArgValue::Int(value),
            Default::Float(value) => ArgValue::Float(value),
            Default::Bool(value) => ArgValue::Bool(value),
            Default::Choice(word) => ArgValue::Choice(word),
            Default::IntList(list) => ArgValue::IntList(list.to_vec()),
            Default::FloatList(list) => ArgValue::FloatList(list.to_vec()),
            Default::ChoiceList(list) => ArgValue::ChoiceList(list.to_vec()),
            Default::Required | Default::Inferred(_) | Default::Source(_) => return None,
        })
    }
}

/// One argument, as data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArgSpec {
    pub name: &'static str,
    pub kind: ArgKind,
    pub default: Default,
    /// May be given without its name, in the order of the specs.
    pub positional: bool,
    /// One sentence: meaning, unit, what it is called in the paper.
    pub doc: &'static str,
}

impl ArgSpec {
    /// A switch with a default, given by its name.
    pub const fn flag(name: &'static str, default: bool, doc: &'static str) -> Self {
        Self { name, kind: ArgKind::Bool, default: Default::Bool(default), positional: false, doc }
    }
}

/// A real number as the language writes it: the shortest text that gives the same number.
pub fn float_text(value: f64) -> String {
    // Adding zero takes the sign off -0.
    format!("{:?}", value + 0.0)
}

/// A bound value.
#[derive(Debug, Clone, PartialEq)]
pub enum ArgValue {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Choice(&'static str),
    IntList(Vec<i64>),
    FloatList(Vec<f64>),
    ChoiceList(Vec<&'static str>),
    /// The pipeline became an input of the node, written or by default; the value only says that it is there.
    Pipeline,
    Call(BoundCall),
    /// Calls of one catalogue, in the order written.
    Calls(Vec<BoundCall>),
    /// Not written; the operator infers it.
    Absent,
}

impl ArgValue {
    /// The calls of a list; none of other values.
    pub fn calls(&self) -> &[BoundCall] {
        if let ArgValue::Calls(calls) = self { calls } else { &[] }
    }
}

/// A call of another catalogue, bound: `adam(lr = 1e-3)`.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundCall {
    pub name: &'static str,
    pub args: Args,
    pub span: Span,
}

/// The arguments of one call: every spec has its value, written or default, in the order of the specs.
#[derive(Debug, Clone, PartialEq, std::default::Default)]
pub struct Args(pub Vec<BoundArg>);

#[derive(Debug, Clone, PartialEq)]
pub struct BoundArg {
    pub name: &'static str,
    pub value: ArgValue,
    /// Where it was written; `None` for a default.
    pub span: Option<Span>,
}

impl Args {
    pub fn get(&self, name: &str) -> Option<&BoundArg> {
        self.0.iter().find(|arg| arg.name == name)
    }

    /// # Panics
    /// Where the callable's own specs do not have `name`: a mistake in this program, not in a user's file.
    fn value(&self, name: &str) -> &ArgValue {
        &self.get(name).unwrap_or_else(|| panic!("no argument `{name}` in the specs")).value
    }

    pub fn int(&self, name: &str) -> i64 {
        self.opt_int(name).unwrap_or_else(|| panic!("`{name}` is not an integer"))
    }
    pub fn opt_int(&self, name: &str) -> Option<i64> {
        if let ArgValue::Int(value) = self.value(name) { Some(*value) } else { None }
    }
    pub fn float(&self, name: &str) -> f64 {
        self.opt_float(name).unwrap_or_else(|| panic!("`{name}` is not a number"))
    }
    pub fn opt_float(&self, name: &str) -> Option<f64> {
        match self.value(name) {
            ArgValue::Float(value) => Some(*value),
            ArgValue::Int(value) => Some(*value as f64),
            _ => None,
        }
    }
    pub fn bool(&self, name: &str) -> bool {
        matches!(self.value(name), ArgValue::Bool(true))
    }
    pub fn choice(&self, name: &str) -> &'static str {
        if let ArgValue::Choice(word) = self.value(name) { word } else { panic!("`{name}` is not a choice") }
    }
    pub fn int_list(&self, name: &str) -> Option<&[i64]> {
        if let ArgValue::IntList(list) = self.value(name) { Some(list) } else { None }
    }
    pub fn float_list(&self, name: &str) -> Option<&[f64]> {
        if let ArgValue::FloatList(list) = self.value(name) { Some(list) } else { None }
    }
    /// The numbers of an argument of kind [`ArgKind::Ints`], however they are written.
    pub fn ints(&self, name: &str) -> &[i64] {
        match self.value(name) {
            ArgValue::Int(value) => std::slice::from_ref(value),
            ArgValue::IntList(list) => list,
            _ => &[],
        }
    }
    /// The numbers of an argument of kind [`ArgKind::Floats`], however they are written.
    pub fn floats(&self, name: &str) -> &[f64] {
        match self.value(name) {
            ArgValue::Float(value) => std::slice::from_ref(value),
            ArgValue::FloatList(list) => list,
            _ => &[],
        }
    }
    pub fn choice_list(&self, name: &str) -> &[&'static str] {
        if let ArgValue::ChoiceList(list) = self.value(name) { list } else { &[] }
    }
    /// The words of an argument of kind [`ArgKind::Words`], however they are written.
    pub fn words(&self, name: &str) -> &[&'static str] {
        match self.value(name) {
            ArgValue::Choice(word) => std::slice::from_ref(word),
            ArgValue::ChoiceList(list) => list,
            _ => &[],
        }
    }
    pub fn text(&self, name: &str) -> Option<&str> {
        if let ArgValue::Text(text) = self.value(name) { Some(text) } else { None }
    }
    pub fn call(&self, name: &str) -> Option<&BoundCall> {
        if let ArgValue::Call(call) = self.value(name) { Some(call) } else { None }
    }
    /// The input at which the value of a pipeline argument comes in; `None` where it was not given and has no default.
    /// Input 0 is the value that the operator is applied to, and arguments that are there follow in the order of the specs.
    pub fn port(&self, name: &str) -> Option<usize> {
        let mut port = 0;
        for arg in self.0.iter().filter(|arg| arg.value == ArgValue::Pipeline) {
            port += 1;
            if arg.name == name {
                return Some(port);
            }
        }
        None
    }
    /// Whether the argument was written in the file.
    pub fn is_written(&self, name: &str) -> bool {
        self.get(name).is_some_and(|arg| arg.span.is_some())
    }
}

/// Every argument at its default, as where a call is not written at all.
pub fn default_args(specs: &'static [ArgSpec]) -> Args {
    let value = |spec: &ArgSpec| spec.default.value().unwrap_or(ArgValue::Absent);
    Args(specs.iter().map(|spec| BoundArg { name: spec.name, value: value(spec), span: None }).collect())
}

/// Something that can be called outside a pipeline (`adam`, `plateau`, `k_fold`, `tu`), as data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallSpec {
    pub name: &'static str,
    /// One sentence, then the paper or counterpart where there is one.
    pub doc: &'static str,
    /// A call with everything that has to be written, as messages show it.
    pub example: &'static str,
    pub args: &'static [ArgSpec],
}
