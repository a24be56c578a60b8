//! A program as text: one step a line, `%5 = sum(%4, target)  rows[64]`.

use super::symmetry::symmetry;
use super::{Id, Index, Op, Program, Space, Value};
use crate::types::Size;
use std::fmt::Write;

impl Index {
    /// As the printed program says it.
    pub fn word(self) -> &'static str {
        match self {
            Index::Target => "target",
            Index::Source => "source",
            Index::Graph => "graph",
            Index::All => "all",
        }
    }
}

impl Space {
    /// As the printed program says it.
    pub fn word(self) -> &'static str {
        match self {
            Space::One => "one",
            Space::Graphs => "graphs",
            Space::Rows => "rows",
            Space::Kept => "kept",
            Space::Edges => "edges",
            Space::Queries => "queries",
        }
    }
}

/// `rows[4, 16]`
pub fn shape(value: &Value) -> String {
    let axes: Vec<String> = value.axes.iter().map(ToString::to_string).collect();
    format!("{}[{}]", value.space.word(), axes.join(", "))
}

/// How the parts of a step are written.
pub struct Words<'a> {
    /// What comes in at a port.
    pub input: &'a dyn Fn(usize) -> String,
    /// A size inside of the step that makes a value, or on its axes.
    pub size: &'a dyn Fn(Id, &Size) -> String,
    /// Whether a view is written as the value it shows, with the axes of the view: `%6[4, 16]`.
    pub through_views: bool,
}

impl Words<'_> {
    /// A value where it is read: weights, inputs and numbers by themselves, others by their place in the program.
    pub fn name(&self, program: &Program, id: Id) -> String {
        match &program.value(id).op {
            Op::Weight(weight) => program.weights[*weight].name.to_owned(),
            Op::Input(port) => (self.input)(*port),
            Op::Constant(c) => number(*c),
            Op::View(x) if self.through_views => {
                let from = program.source(*x);
                let axes: Vec<String> =
                    program.value(id).axes.iter().map(|size| (self.size)(id, size)).collect();
                format!("{}[{}]", self.name(program, from), axes.join(", "))
            }
            _ => format!("%{}", id.0),
        }
    }
}

/// Very large and very small numbers with an exponent: `-1e30`.
fn number(c: f64) -> String {
    let is_plain = c == 0.0 || (1e-4..1e6).contains(&c.abs());
    if is_plain { c.to_string() } else { format!("{c:e}") }
}

/// What a step does, in the words of the printed program.
pub fn step(program: &Program, id: Id, words: &Words) -> String {
    let v = |id: &Id| words.name(program, *id);
    let size = |start: &Size| (words.size)(id, start);
    let turned = |is_turned: bool| if is_turned { "ᵀ" } else { "" };
    let value = program.value(id);
    match &value.op {
        Op::Input(port) => format!("input {}", (words.input)(*port)),
        Op::Weight(weight) => format!("weight {}", program.weights[*weight].name),
        Op::Constant(c) => format!("constant {}", number(*c)),
        Op::Iota => "iota".to_owned(),
        Op::Count(index) => format!("count({})", index.word()),
        Op::IsLoop => "is_loop".to_owned(),
        Op::Random { p, .. } => format!("random(drop = {p})"),
        Op::Noise { .. } => "noise".to_owned(),
        Op::Map(f, args) => {
            let mut words: Vec<String> = args.iter().map(v).collect();
            words.extend(f.parameter().map(number));
            format!("{}({})", f.name(), words.join(", "))
        }
        Op::Linear { x, w, transposed } => format!("linear({}, {}{})", v(x), v(w), turned(*transposed)),
        Op::Typed { x, w, kind, transposed } => {
            let kind = kind.as_ref().map_or("kind".to_owned(), v);
            format!("typed_linear({}, {}{}, {kind})", v(x), v(w), turned(*transposed))
        }
        Op::Contract { a, b, transposed } => {
            format!("contract({}{}, {}{})", v(a), turned(transposed[0]), v(b), turned(transposed[1]))
        }
        Op::Fold { how, x, axis } => {
            format!("fold_{}({}, axis {axis})", how.word(), v(x))
        }
        Op::View(x) => format!("view({})", v(x)),
        Op::Concat { parts, .. } => format!("concat({})", parts.iter().map(v).collect::<Vec<_>>().join(", ")),
        Op::Slice { x, axis, start } => {
            format!("slice({}, axis {axis} from {})", v(x), size(start))
        }
        Op::Pad { x, axis, start } => format!("pad({}, axis {axis} from {})", v(x), size(start)),
        Op::Expand(x) => format!("expand({})", v(x)),
        Op::Gather { x, index } => format!("gather({}, {})", v(x), index.word()),
        Op::Reduce { how, x, index } => {
            format!("{}({}, {})", how.word(), v(x), index.word())
        }
        Op::Alike { how, x } => {
            format!("{}_alike({}, target and kind)", how.word(), v(x))
        }
        Op::Below { x, index } => format!("below({}, {})", v(x), index.word()),
        Op::Outer { a, b, index } => format!("outer({}, {}, {})", v(a), v(b), index.word()),
        Op::OuterOfKinds { a, b, kind } => {
            format!("outer({}, {}, {})", v(a), v(b), kind.as_ref().map_or("kind".to_owned(), v))
        }
        Op::Apply { a, y, index, transposed } => {
            format!("apply({}, {}{}, {})", v(a), v(y), turned(*transposed), index.word())
        }
        Op::Call { what, args, then } => {
            let mut details = what.details();
            details.extend(then.map(|f| f.name().to_owned()));
            let details =
                if details.is_empty() { String::new() } else { format!("[{}]", details.join(", ")) };
            format!("{}{details}({})", what.name(), args.iter().map(v).collect::<Vec<_>>().join(", "))
        }
    }
}

/// The values that `roots` depend on, one a line, without weights and numbers, which stand where they are read.
pub fn print(program: &Program, roots: &[Id], input: &dyn Fn(usize) -> String) -> String {
    let words = Words { input, size: &|_, size| size.to_string(), through_views: false };
    let (is_live, moves) = (program.live(roots.iter().copied()), symmetry(program));
    let mut text = String::new();
    for (idx, value) in program.values.iter().enumerate().filter(|&(idx, _)| is_live[idx]) {
        if matches!(value.op, Op::Weight(_) | Op::Constant(_) | Op::Input(_)) {
            continue;
        }
        let id = Id(idx as u32);
        let _ = writeln!(
            text,
            "%{idx:<4} = {:<48} {:<20} {}",
            step(program, id, &words),
            shape(value),
            moves[idx].word()
        );
    }
    text
}
