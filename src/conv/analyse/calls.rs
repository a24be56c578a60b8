//! Calls of functions: which argument goes to which slot, and the expression that comes of them.

use super::{Analyzer, Operand, Read};
use crate::bind::{DefinitionKind, Env};
use crate::conv::findings as report;
use crate::conv::functions::{Function, Kind, Slot, SlotKind};
use crate::conv::{Expr, ExprKind, Flag, Input, Number, Part, Start, Takes, Word, text};
use crate::findings::args as args_check;
use crate::source::Span;
use crate::syntax::ast::{self, ExprKind as Syntax, Ident};

impl<'p> Analyzer<'_, 'p> {
    pub(super) fn call(&mut self, call: &'p ast::Call, place: Span) -> Read<Operand> {
        let (name, name_place) = (call.callee.text.as_str(), call.callee.span);
        if let Some(function) = Function::find(name) {
            return self.function(function, call, place);
        }
        if let Some(&idx) = self.places.get(name) {
            // A parameter that stands for a function of one value.
            self.use_param(idx, Takes::Function, name_place)?;
            return match &call.args[..] {
                [ast::Arg { name: None, value }] => {
                    let value = self.operand(value)?;
                    let value = Box::new(self.as_value(value)?);
                    let kind = ExprKind::Map { function: Word::Param(idx), value, numbers: Vec::new() };
                    Some(Operand::Value(Expr { kind, span: self.within(place) }))
                }
                _ => self.refuse(report::one_value(name, call.args_span)),
            };
        }
        for arg in &call.args {
            self.touch_params(&arg.value);
            self.ev.touch(&arg.value, &Env::root(self.file));
        }
        if let Some(input) = Input::find(name) {
            return self.refuse(args_check::takes_none(input.name(), "a value", call.args_span));
        }
        match self.ev.definition(self.file, name) {
            Some(known) if !matches!(known.kind, DefinitionKind::Let { .. }) => {
                self.constant(name, &known, name_place)
            }
            Some(known) => {
                self.ev.mark_definition(&known);
                self.refuse(args_check::takes_none(name, "a value", call.args_span))
            }
            None => self.unknown(name, name_place, true),
        }
    }

    /// The arguments of a function by slot, and the values beyond them. Mistakes are reported.
    pub(super) fn arguments(
        &mut self,
        function: &'static Function,
        call: &'p ast::Call,
        place: Span,
    ) -> Read<(Vec<Option<&'p ast::Expr>>, Vec<&'p ast::Expr>)> {
        let mut slots: Vec<Option<&'p ast::Expr>> = vec![None; function.slots.len()];
        let mut values = Vec::new();
        let mut is_fine = true;
        let mut after_name: Option<&Ident> = None;
        let mut excess = Vec::new();
        for arg in &call.args {
            let Some(name) = &arg.name else {
                if let Some(first) = after_name {
                    let finding = args_check::positional_after_named(
                        function.name,
                        (arg.value.span, &arg.value),
                        &first.text,
                        first.span,
                    );
                    self.refuse::<()>(finding);
                    is_fine = false;
                    continue;
                }
                let free =
                    function.slots.iter().zip(&slots).position(|(slot, at)| slot.positional && at.is_none());
                match free {
                    Some(idx) => slots[idx] = Some(&arg.value),
                    None if function.many.is_some() => values.push(&arg.value),
                    None => excess.push(arg.value.span),
                }
                continue;
            };
            after_name.get_or_insert(name);
            let span = name.span.to(arg.value.span);
            match function.slots.iter().position(|slot| slot.name == name.text) {
                Some(idx) => match slots[idx] {
                    Some(first) => {
                        let finding =
                            args_check::duplicate(function.name, "argument", &name.text, span, first.span);
                        self.refuse::<()>(finding);
                        is_fine = false;
                    }
                    None => slots[idx] = Some(&arg.value),
                },
                None => {
                    let known: Vec<_> = function.slots.iter().map(|slot| slot.name).collect();
                    let finding =
                        args_check::unknown(function.name, "argument", &name.text, name.span, &known);
                    self.refuse::<()>(finding);
                    is_fine = false;
                }
            }
        }
        if let Some(first) = excess.first() {
            let example = report::example(function.example, self.part, self.has_out());
            self.refuse::<()>(report::too_many_values(function, *first, &example));
            is_fine = false;
        }
        let is_missing = |slot: &Slot, at: &Option<&ast::Expr>| {
            at.is_none()
                && !matches!(
                    slot.takes,
                    SlotKind::Number(_)
                        | SlotKind::MaybeCount
                        | SlotKind::MaybeProbability(_)
                        | SlotKind::Counts
                        | SlotKind::Map(_)
                        | SlotKind::Flag(_)
                        | SlotKind::Start(_)
                )
        };
        let missing = function.slots.iter().zip(&slots).find(|(slot, at)| is_missing(slot, at));
        let lacks_values = function.many.is_some_and(|least| values.len() < least);
        if is_fine && (missing.is_some() || lacks_values) {
            let missing = missing.map(|(slot, _)| slot.name);
            let example = report::example(function.example, self.part, self.has_out());
            self.refuse::<()>(report::too_few_values(function, missing, place, &example));
            is_fine = false;
        }
        if !is_fine {
            for arg in &call.args {
                self.touch_params(&arg.value);
                self.ev.touch(&arg.value, &Env::root(self.file));
            }
            return None;
        }
        Some((slots, values))
    }

    pub(super) fn function(
        &mut self,
        function: &'static Function,
        call: &'p ast::Call,
        place: Span,
    ) -> Read<Operand> {
        let (slots, rest) = self.arguments(function, call, place)?;
        if function.kind == Kind::Width {
            return self.width(slots[0]?, place);
        }
        // Names of weights count from the outside in, as the text is read.
        let name = self.weight_name(function);
        // All arguments are read, so that each mistake has its message.
        let mut given = Given::default();
        let mut is_fine = true;
        for (slot, argument) in function.slots.iter().zip(&slots) {
            let what = format!("`{}` of `{}`", slot.name, function.name);
            is_fine &= self.slot(slot.takes, &what, *argument, &mut given).is_some();
        }
        for expr in rest {
            is_fine &= self.value_argument(expr, &mut given.values).is_some();
        }
        if !is_fine {
            return None;
        }
        if function.kind == Kind::Softmax && self.part != Part::Message {
            return self.refuse(report::softmax_outside(self.part, place));
        }
        if function.kind == Kind::Mlp && given.hidden.as_ref().is_some_and(Vec::is_empty) {
            self.stands_between_nothing(function, call)?;
        }
        let kind = expression(function, name, given)?;
        Some(Operand::Value(Expr { kind, span: self.within(place) }))
    }

    /// `width(x_j)`
    fn width(&mut self, argument: &'p ast::Expr, place: Span) -> Read<Operand> {
        let input = match &argument.kind {
            Syntax::Name(name) => Input::find(name),
            _ => None,
        };
        match input {
            Some(input @ (Input::Own | Input::Target | Input::Source | Input::Edge)) => {
                if input == Input::Edge && self.part != Part::Message {
                    return self.refuse(report::wrong_space(self.part, input, argument.span));
                }
                self.reads_width_of_edges |= input == Input::Edge;
                Some(Operand::Number(Number::WidthOf(input), place))
            }
            _ => self.refuse(report::width_of(argument.span)),
        }
    }

    /// What the names of a function's weights begin with, by its place among those of its part; empty where it has none.
    fn weight_name(&mut self, function: &'static Function) -> String {
        if !matches!(function.kind, Kind::Linear | Kind::Mlp | Kind::Weight) {
            return String::new();
        }
        let count = self.counts.entry(function.name).or_insert(0);
        *count += 1;
        let (count, name) = (*count, function.name);
        match self.part {
            Part::Node => format!("{}.{name}{count}", text::node_name(self.nodes.len())),
            part => format!("{}.{name}{count}", part.name()),
        }
    }

    /// Reads one argument, or takes its default.
    fn slot(
        &mut self,
        takes: SlotKind,
        what: &str,
        argument: Option<&'p ast::Expr>,
        given: &mut Given,
    ) -> Read<()> {
        let Some(expr) = argument else {
            match takes {
                SlotKind::Number(default) | SlotKind::MaybeProbability(default) => {
                    given.numbers.push(Some(Number::Fixed(default)));
                }
                SlotKind::MaybeCount => given.numbers.push(None),
                SlotKind::Counts => {}
                SlotKind::Map(default) => given.activation = Function::find(default).map(Word::Fixed),
                SlotKind::Flag(default) => given.flags.push(Flag::Fixed(default)),
                SlotKind::Start(default) => given.start = Some(default),
                SlotKind::Value | SlotKind::Input | SlotKind::Count | SlotKind::Probability => return None,
            }
            return Some(());
        };
        let takes_number = match takes {
            SlotKind::Value | SlotKind::Input => return self.value_argument(expr, &mut given.values),
            SlotKind::Counts => {
                given.hidden = Some(self.counts_argument(what, expr)?);
                return Some(());
            }
            SlotKind::Map(_) => {
                given.activation = Some(self.map_argument(what, expr)?);
                return Some(());
            }
            SlotKind::Flag(_) => {
                given.flags.push(self.flag(what, expr)?);
                return Some(());
            }
            SlotKind::Start(_) => {
                given.start = Some(self.start(what, expr)?);
                return Some(());
            }
            SlotKind::Count | SlotKind::MaybeCount => Takes::Count,
            SlotKind::Number(_) => Takes::Number,
            SlotKind::Probability | SlotKind::MaybeProbability(_) => Takes::Probability,
        };
        given.numbers.push(Some(self.number_argument(what, expr, takes_number)?));
        Some(())
    }

    /// Refuses what would stand between the layers of an `mlp` that has one layer.
    fn stands_between_nothing(&mut self, function: &'static Function, call: &'p ast::Call) -> Read<()> {
        let is_between = |slot: &Slot| matches!(slot.takes, SlotKind::Map(_) | SlotKind::MaybeProbability(_));
        let between = call.args.iter().find_map(|arg| {
            let name = arg.name.as_ref()?;
            let slot = function.slots.iter().find(|slot| slot.name == name.text)?;
            is_between(slot).then(|| (slot.name, name.span.to(arg.value.span)))
        });
        match between {
            Some((name, place)) => self.refuse(report::no_hidden_layer(name, place)),
            None => Some(()),
        }
    }
}

/// The arguments of a call, in the order of the slots.
#[derive(Default)]
struct Given {
    values: Vec<Expr>,
    numbers: Vec<Option<Number>>,
    flags: Vec<Flag>,
    start: Option<Start>,
    hidden: Option<Vec<Number>>,
    activation: Option<Word<&'static Function>>,
}

/// What a call computes.
fn expression(function: &'static Function, name: String, given: Given) -> Option<ExprKind> {
    let Given { values, numbers, flags, start, hidden, activation } = given;
    let (mut values, mut numbers) = (values.into_iter(), numbers.into_iter());
    let mut value = || values.next().map(Box::new);
    Some(match function.kind {
        Kind::Map => ExprKind::Map {
            function: Word::Fixed(function),
            value: value()?,
            numbers: numbers.flatten().collect(),
        },
        Kind::Max | Kind::Min => {
            ExprKind::Extreme { is_max: function.kind == Kind::Max, lhs: value()?, rhs: value()? }
        }
        Kind::Linear => ExprKind::Linear {
            name: name.into(),
            width: numbers.next()??,
            values: values.collect(),
            bias: *flags.first()?,
            start: start?,
        },
        Kind::Mlp => ExprKind::Mlp {
            name: name.into(),
            width: numbers.next()??,
            values: values.collect(),
            hidden,
            activation: activation?,
            dropout: numbers.next()??,
        },
        Kind::Weight => {
            ExprKind::Weight { name: name.into(), shape: numbers.flatten().collect(), start: start? }
        }
        Kind::Concat => ExprKind::Concat(values.collect()),
        Kind::Dot => ExprKind::Dot(value()?, value()?),
        Kind::Matvec => ExprKind::Matvec { matrix: value()?, vector: value()? },
        Kind::Softmax => ExprKind::Softmax(value()?),
        Kind::Heads => ExprKind::Heads { value: value()?, n: numbers.next()?? },
        Kind::Flat => ExprKind::Flat(value()?),
        Kind::MeanHeads => ExprKind::MeanHeads(value()?),
        Kind::Dropout => ExprKind::Dropout { value: value()?, p: numbers.next()?? },
        // A number, which was read before.
        Kind::Width => return None,
    })
}
