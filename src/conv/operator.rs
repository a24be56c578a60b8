//! `conv gated(out) { … }`: a convolution of the file's own, as an operator.

use super::functions::Function;
use super::program::{Inputs, write};
use super::widths::{Call, solve};
use super::{Aggregate, Default as Preset, Definition, End, ExprKind, Flag, Parameter, Takes, Word, text};
use crate::args::{ArgKind, ArgSpec, ArgValue, Args, Default as ArgDefault, EdgeValue, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::{MAX_WIDTH, OUT, convolved, has_edges};
use crate::ops::findings::shape;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Own, Pyg, WidthRule};
use crate::types::{Dim, Size, Type};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

/// The argument through which the values of the edges come in.
pub const EDGE: &str = "edge";

/// The largest number of features or heads.
pub const MAX_COUNT: i64 = MAX_WIDTH;

/// A convolution of a file's own. Every call of one definition shares it.
#[derive(Debug)]
pub struct Defined {
    definition: Definition,
    name: &'static str,
    args: &'static [ArgSpec],
    width_rule: WidthRule,
}

/// The operator of a definition. It lives as long as the process, once for each text of a definition: nodes refer to
/// operators of the catalogue in the same way.
pub fn operator(definition: Definition) -> &'static Defined {
    static KNOWN: OnceLock<Mutex<HashMap<String, &'static Defined>>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    known.entry(format!("{definition:?}")).or_insert_with(|| Box::leak(Box::new(Defined::new(definition))))
}

/// The argument that a parameter is.
pub fn spec_of(param: &Parameter) -> ArgSpec {
    let kind = match param.takes {
        Takes::Count => ArgKind::Int { min: 1, max: MAX_COUNT },
        Takes::Number | Takes::Nothing => ArgKind::Float(Range::closed(f64::NEG_INFINITY, f64::INFINITY)),
        Takes::Probability => ArgKind::Float(Range::closed_open(0.0, 1.0)),
        Takes::Flag => ArgKind::Bool,
        Takes::Aggregate => ArgKind::Choice(Aggregate::NAMES),
        Takes::Function => ArgKind::Choice(Function::map_names()),
    };
    let default = match param.default {
        None if param.name == text::OUT && param.takes == Takes::Count => OUT.default,
        None => ArgDefault::Required,
        Some(Preset::Computed) => ArgDefault::Inferred("from the parameters before it"),
        Some(Preset::Number(value)) if param.takes == Takes::Count => ArgDefault::Int(value as i64),
        Some(Preset::Number(value)) => ArgDefault::Float(value),
        Some(Preset::Flag(value)) => ArgDefault::Bool(value),
        Some(Preset::Word(word)) => ArgDefault::Choice(word),
    };
    let doc = if param.name == text::OUT { OUT.doc } else { "A parameter that the file defines." };
    ArgSpec { name: known_name(&param.name), kind, default, positional: true, doc }
}

/// A name that lives as long as the process, once for each.
pub(crate) fn known_name(name: &str) -> &'static str {
    static NAMES: OnceLock<Mutex<HashMap<String, &'static str>>> = OnceLock::new();
    let mut names = NAMES.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    names.entry(name.to_owned()).or_insert_with(|| Box::leak(name.to_owned().into_boxed_str()))
}

impl Defined {
    fn new(definition: Definition) -> Self {
        let mut args: Vec<ArgSpec> = definition.params.iter().map(spec_of).collect();
        if definition.reads_edges {
            args.push(ArgSpec {
                name: EDGE,
                kind: ArgKind::Edges(EdgeValue::Features),
                default: ArgDefault::Required,
                positional: false,
                doc: "The values of the edges, which the message reads as `e_ij`.",
            });
        }
        let has_inferred_width =
            args.iter().any(|spec| spec.name == text::OUT && spec.default == OUT.default);
        let mut defined = Self {
            name: known_name(&definition.name),
            args: Box::leak(args.into_boxed_slice()),
            width_rule: WidthRule::Computed,
            definition,
        };
        defined.width_rule = match has_inferred_width {
            true => WidthRule::Argument(text::OUT),
            false if defined.keeps_width() => WidthRule::Kept,
            false => WidthRule::Computed,
        };
        defined
    }

    /// The operator as a convolution that a file defines; `None` for those of the catalogue.
    pub fn of(op: &'static dyn Operator) -> Option<&'static Self> {
        let op: &dyn Any = op;
        op.downcast_ref()
    }

    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Whether the result is as wide as the node's value, whatever the call.
    fn keeps_width(&self) -> bool {
        let args = Args::default();
        let (node, edge) = (fixed_symbol("F"), fixed_symbol("D"));
        let call = Call {
            definition: &self.definition,
            args: &args,
            node: &node,
            edge: Some(&edge),
            out: None,
            span: Default::default(),
            place: None,
        };
        call.result().is_ok_and(|width| width.size == node.size)
    }

    /// Refuses a call in which two aggregates are the same: one of them is a parameter.
    fn gathers_once(&self, cx: &InferCx) -> std::result::Result<(), Diagnostic> {
        let params = &self.definition.params;
        let mut known: Vec<&str> = Vec::new();
        for word in &self.definition.aggregates {
            let (name, place) = match word {
                Word::Fixed(word) => (word.name(), None),
                Word::Param(idx) => {
                    let arg = &params[*idx].name;
                    (cx.args.choice(arg), cx.args.get(arg).and_then(|arg| arg.span))
                }
            };
            if !known.contains(&name) {
                known.push(name);
                continue;
            }
            // The written word stands where the parameter is, whichever of the two comes first.
            let given = params.iter().filter(|param| param.takes == Takes::Aggregate);
            let given = given.filter(|param| cx.args.choice(&param.name) == name);
            let written = given.filter_map(|param| cx.args.get(&param.name)?.span).next();
            let finding = Diagnostic::error(
                "args::duplicate",
                format!("`{}` gathers with `{name}` twice: the results would be the same", self.name),
            )
            .label(place.or(written).unwrap_or(cx.span), "gathers so once more");
            let free = Aggregate::NAMES.iter().find(|name| !known.contains(name));
            let given = params.iter().find_map(|param| {
                let arg = cx.args.get(&param.name)?;
                Some((param, arg.span?)).filter(|_| arg.value == ArgValue::Choice(known_name(name)))
            });
            return Err(match (free, given) {
                (Some(free), Some((param, place))) => {
                    let is_bare = (place.end - place.start) as usize == name.len();
                    let text = if is_bare { (*free).to_owned() } else { format!("{} = {free}", param.name) };
                    finding.help(format!("give another one, for example `{text}`")).guess(place, text)
                }
                _ => finding.help("one of them has no place in `aggregate`"),
            });
        }
        Ok(())
    }

    /// Whether a call leaves the width to be inferred.
    fn is_left_out(&self, args: &Args) -> bool {
        self.width_rule == WidthRule::Argument(text::OUT) && args.opt_int(text::OUT).is_none()
    }
}

fn fixed_symbol(name: &'static str) -> Dim {
    Dim::new(Size::Symbol(name), None, "")
}

impl Operator for Defined {
    fn name(&self) -> &'static str {
        self.name
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc { summary: "A convolution that the file defines.", formula: "", paper: "", example: "" }
    }
    fn args(&self) -> &'static [ArgSpec] {
        self.args
    }
    fn width_rule(&self) -> WidthRule {
        self.width_rule
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        has_edges(cx)?;
        self.gathers_once(cx)?;
        // Of edges without columns the data is reported, not the widths that follow from it.
        let unknown = fixed_symbol("F_e");
        let edge = cx.port(EDGE).map(|port| match &cx.inputs[port].width {
            width if width.known() == Some(0) => &unknown,
            width => width,
        });
        let mut call = Call {
            definition: &self.definition,
            args: cx.args,
            node: &cx.inputs[0].width,
            edge,
            out: None,
            span: cx.span,
            place: cx.definition,
        };
        let is_left_out = self.is_left_out(cx.args);
        let out = match (is_left_out, cx.target) {
            (false, _) => None,
            (true, None) => return Err(shape::no_width(cx)),
            (true, Some(target)) => match solve(&call, target) {
                Some(out) => Some(out),
                // What is wrong with the widths inside comes first.
                None => {
                    call.result().map_err(|finding| *finding)?;
                    return Err(shape::no_out(cx, self.name, target));
                }
            },
        };
        call.out = out.as_ref();
        let mut width = call.result().map_err(|finding| *finding)?;
        if let (true, Some(target)) = (is_left_out, cx.target) {
            width = target.clone();
        }
        convolved(cx, width)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let call = Call {
            definition: &self.definition,
            args: cx.args,
            node: &cx.inputs[0].width,
            edge: cx.args.port(EDGE).and_then(|port| cx.inputs.get(port)).map(|ty| &ty.width),
            out: None,
            span: Default::default(),
            place: None,
        };
        let is_left_out = self.is_left_out(cx.args);
        let out = is_left_out.then(|| solve(&call, &cx.output.width)).flatten();
        let call = Call { out: out.as_ref(), ..call };
        let edges = match call.flag(self.definition.self_loops) {
            true => cx.edges_without_loops(),
            false => cx.edges(),
        };
        let inputs =
            Inputs { x: cx.x(), edge: cx.named(EDGE).filter(|_| self.definition.reads_edges), edges };
        Some(Outcome::rows(write(&call, cx.b, inputs)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "",
            weights: &[],
            arguments: &[],
            note: "The file defines it; in PyTorch Geometric a `MessagePassing` of its own.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let definition = &self.definition;
        let weighs = |expr: &super::Expr| matches!(expr.kind, ExprKind::Softmax(_));
        let single = match &definition.aggregates[..] {
            [Word::Fixed(aggregate)] => Some(*aggregate),
            [Word::Param(idx)] => Aggregate::find(args.choice(&definition.params[*idx].name)),
            _ => None,
        };
        let gather = match single {
            _ if definition.message.any(&weighs) => Gather::Attention,
            Some(aggregate) => aggregate.gather(),
            // Of several aggregates the sum, or what tells as much, is the one that distinguishes most.
            None => Gather::Sum,
        };
        let has_loops = match definition.self_loops {
            Flag::Fixed(value) => value,
            Flag::Param(idx) => args.bool(&definition.params[idx].name),
        };
        let has_own = definition.reads_end(End::Target);
        let own = match (has_loops, has_own) {
            (true, _) => Own::SelfLoop,
            (false, true) => Own::Root,
            (false, false) => Own::Absent,
        };
        Action::Messages { gather, own, is_linear: false }
    }
    fn is_of_file(&self) -> bool {
        true
    }
}
