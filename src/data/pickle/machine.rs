//! The machine: a stack, marks in it, values by number, and one step for each code.

use super::values::{ArrayState, Class, Held, NumberType, Value};
use super::{Pickle, Wrong};
use std::collections::HashMap;

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the code in progress stands.
    code_at: usize,
    stack: Vec<Value<'a>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    held: Vec<Held<'a>>,
    named: HashMap<u32, Value<'a>>,
    /// Values that may still be made.
    left: u64,
}

type Step<T> = Result<T, Wrong>;

/// What a value takes, with the list that holds it.
const VALUE_BYTES: u64 = 48;

pub fn run(bytes: &[u8], max_bytes: u64) -> Step<Pickle<'_>> {
    let mut machine = Machine {
        bytes,
        at: 0,
        code_at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        held: Vec::new(),
        named: HashMap::new(),
        left: max_bytes / VALUE_BYTES,
    };
    if bytes.first() != Some(&0x80) {
        return Err(machine.wrong("is no pickle of protocol 2 to 5, which begins with the byte 0x80"));
    }
    loop {
        machine.code_at = machine.at;
        let code = machine.byte()?;
        if code == b'.' {
            let top = machine.pop()?;
            return Ok(Pickle { held: machine.held, top, n_bytes: bytes.len() });
        }
        machine.step(code)?;
    }
}

impl<'a> Machine<'a> {
    fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong { at: self.code_at, message: message.into(), is_foreign: false }
    }

    fn byte(&mut self) -> Step<u8> {
        Ok(self.take(1)?[0])
    }

    /// The next bytes, which are not copied.
    fn take(&mut self, n: usize) -> Step<&'a [u8]> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.bytes.len());
        let Some(end) = end else { return Err(self.wrong("is cut short: it ends inside a value")) };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn word<const N: usize>(&mut self) -> Step<[u8; N]> {
        let mut word = [0; N];
        word.copy_from_slice(self.take(N)?);
        Ok(word)
    }

    fn size<const N: usize>(&mut self) -> Step<usize> {
        let mut word = [0; 8];
        word[..N].copy_from_slice(self.take(N)?);
        usize::try_from(u64::from_le_bytes(word))
            .map_err(|_| self.wrong("is cut short: it ends inside a value"))
    }

    fn line(&mut self) -> Step<&'a str> {
        let Some(length) = self.bytes[self.at..].iter().take(256).position(|&byte| byte == b'\n') else {
            return Err(self.wrong("is cut short: it ends inside a name"));
        };
        let line = &self.take(length + 1)?[..length];
        std::str::from_utf8(line).map_err(|_| self.wrong("names a class by bytes that are no text"))
    }

    /// Each value is made by a code of at least a byte; a limit on their number bounds what a small file can take.
    fn count(&mut self) -> Step<()> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => {
                return Err(self.wrong("holds more values than the limit on the size of a data set allows"));
            }
        }
        Ok(())
    }

    fn push(&mut self, value: Value<'a>) -> Step<()> {
        self.count()?;
        self.stack.push(value);
        Ok(())
    }

    fn hold(&mut self, held: Held<'a>) -> Step<()> {
        let idx = self.held.len() as u32;
        self.push(Value::Held(idx))?;
        self.held.push(held);
        Ok(())
    }

    fn pop(&mut self) -> Step<Value<'a>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.wrong("is damaged: a value is missing"));
        }
        self.stack.pop().ok_or_else(|| self.wrong("is damaged: a value is missing"))
    }

    fn top(&self) -> Step<Value<'a>> {
        self.stack.last().copied().ok_or_else(|| self.wrong("is damaged: a value is missing"))
    }

    /// The values above the last mark.
    fn marked(&mut self) -> Step<Vec<Value<'a>>> {
        let Some(mark) = self.marks.pop() else { return Err(self.wrong("is damaged: a mark is missing")) };
        Ok(self.stack.split_off(mark))
    }

    fn several(&mut self, n: usize) -> Step<Vec<Value<'a>>> {
        let mut values = Vec::with_capacity(n);
        for _ in 0..n {
            values.push(self.pop()?);
        }
        values.reverse();
        Ok(values)
    }

    fn tuple(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match value {
            Value::Held(idx) => match self.held.get(idx as usize)? {
                Held::Tuple(values) => Some(values),
                _ => None,
            },
            _ => None,
        }
    }

    fn step(&mut self, code: u8) -> Step<()> {
        match code {
            0x80 => {
                let version = self.byte()?;
                if !(2..=5).contains(&version) {
                    return Err(self.wrong(format!("is a pickle of protocol {version}, and 2 to 5 are read")));
                }
            }
            // Frames only say how far to read at once.
            0x95 => {
                self.take(8)?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.marked()?;
            }
            b'2' => self.push(self.top()?)?,
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'J' => {
                let value = i32::from_le_bytes(self.word()?);
                self.push(Value::Int(i64::from(value)))?;
            }
            b'K' => {
                let value = self.byte()?;
                self.push(Value::Int(i64::from(value)))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.word()?);
                self.push(Value::Int(i64::from(value)))?;
            }
            0x8a => {
                let n = usize::from(self.byte()?);
                let value = self.long(n)?;
                self.push(Value::Int(value))?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.word()?);
                self.push(Value::Float(value))?;
            }
            b'U' | b'C' | 0x8c => {
                let n = self.size::<1>()?;
                let bytes = self.take(n)?;
                self.push(Value::Bytes(bytes))?;
            }
            b'T' | b'B' | b'X' => {
                let n = self.size::<4>()?;
                let bytes = self.take(n)?;
                self.push(Value::Bytes(bytes))?;
            }
            0x8e | 0x8d => {
                let n = self.size::<8>()?;
                let bytes = self.take(n)?;
                self.push(Value::Bytes(bytes))?;
            }
            b')' => self.hold(Held::Tuple(Vec::new()))?,
            b't' => {
                let values = self.marked()?;
                self.hold(Held::Tuple(values))?;
            }
            0x85..=0x87 => {
                let values = self.several(usize::from(code - 0x84))?;
                self.hold(Held::Tuple(values))?;
            }
            b']' => self.hold(Held::List(Vec::new()))?,
            b'a' => {
                let value = self.pop()?;
                self.extend(&[value])?;
            }
            b'e' => {
                let values = self.marked()?;
                self.extend(&values)?;
            }
            b'}' => self.hold(Held::Dict(Vec::new()))?,
            b's' => {
                let entry = self.several(2)?;
                self.set(&entry)?;
            }
            b'u' => {
                let entries = self.marked()?;
                self.set(&entries)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.class(module, name)?;
            }
            0x93 => {
                let names = self.several(2)?;
                let text = |value: Value<'a>| match value {
                    Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
                    _ => None,
                };
                match (text(names[0]), text(names[1])) {
                    (Some(module), Some(name)) => self.class(module, name)?,
                    _ => return Err(self.wrong("is damaged: the name of a class is no text")),
                }
            }
            b'R' | 0x81 => {
                let call = self.several(2)?;
                self.call(call[0], call[1], code == 0x81)?;
            }
            b'b' => {
                let state = self.pop()?;
                self.fill(state)?;
            }
            b'q' => {
                let number = u32::from(self.byte()?);
                self.name(number)?;
            }
            b'r' => {
                let number = u32::from_le_bytes(self.word()?);
                self.name(number)?;
            }
            0x94 => {
                let number = self.named.len() as u32;
                self.name(number)?;
            }
            b'h' => {
                let number = u32::from(self.byte()?);
                self.get(number)?;
            }
            b'j' => {
                let number = u32::from_le_bytes(self.word()?);
                self.get(number)?;
            }
            _ => {
                return Err(
                    self.wrong(format!("has the code 0x{code:02x}, which is none of those that are read"))
                );
            }
        }
        Ok(())
    }

    fn name(&mut self, number: u32) -> Step<()> {
        self.count()?;
        self.named.insert(number, self.top()?);
        Ok(())
    }

    fn get(&mut self, number: u32) -> Step<()> {
        let Some(&value) = self.named.get(&number) else {
            return Err(
                self.wrong(format!("is damaged: it refers to value {number}, which it does not have"))
            );
        };
        self.push(value)
    }

    /// A whole number of some bytes.
    fn long(&mut self, n: usize) -> Step<i64> {
        if n > 8 {
            return Err(self.wrong("has a whole number of more than 64 bits"));
        }
        let bytes = self.take(n)?;
        let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut word = [if is_negative { 0xff } else { 0 }; 8];
        word[..n].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(word))
    }

    fn class(&mut self, module: &str, name: &str) -> Step<()> {
        match Class::of(module, name) {
            Some(class) => self.push(Value::Class(class)),
            None => {
                let shown =
                    |text: &str| text.chars().take(60).flat_map(char::escape_debug).collect::<String>();
                Err(Wrong {
                    at: self.code_at,
                    message: format!(
                        "names `{}.{}`, which is none of the classes that data sets are made of",
                        shown(module),
                        shown(name)
                    ),
                    is_foreign: true,
                })
            }
        }
    }

    fn extend(&mut self, values: &[Value<'a>]) -> Step<()> {
        if let Value::Held(idx) = self.top()?
            && let Some(Held::List(list)) = self.held.get_mut(idx as usize)
        {
            list.extend_from_slice(values);
            return Ok(());
        }
        Err(self.wrong("is damaged: it appends to what is no list"))
    }

    fn set(&mut self, entries: &[Value<'a>]) -> Step<()> {
        if let Value::Held(idx) = self.top()?
            && let Some(Held::Dict(dict)) = self.held.get_mut(idx as usize)
            && entries.len().is_multiple_of(2)
        {
            dict.extend(entries.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            return Ok(());
        }
        Err(self.wrong("is damaged: it sets entries of what is no dictionary"))
    }

    /// What a call of a class makes; nothing runs.
    fn call(&mut self, called: Value<'a>, args: Value<'a>, is_new: bool) -> Step<()> {
        let Value::Class(class) = called else {
            let found = called.in_words(&self.held);
            return Err(self.wrong(format!("is damaged: it calls {found}")));
        };
        let Some(args) = self.tuple(args).map(<[_]>::to_vec) else {
            return Err(self.wrong("is damaged: the arguments of a call are no tuple"));
        };
        let made = match (class, args.as_slice()) {
            (Class::NewArray, [Value::Class(Class::Array), ..]) => Held::Array(ArrayState::default()),
            (Class::Type, [name, ..]) => {
                let name = name.text(&self.held).unwrap_or_default();
                match NumberType::of(name) {
                    Some(number) => Held::Type(number),
                    None => {
                        let name: String = String::from_utf8_lossy(name)
                            .chars()
                            .take(24)
                            .flat_map(char::escape_debug)
                            .collect();
                        return Err(
                            self.wrong(format!("has an array of `{name}`, and only numbers are read"))
                        );
                    }
                }
            }
            (Class::Scalar, &[Value::Held(number), value]) => {
                let number = match self.held.get(number as usize) {
                    Some(Held::Type(number)) => *number,
                    _ => return Err(self.wrong("is damaged: a number has no type")),
                };
                let numbers = number.numbers(value.text(&self.held).unwrap_or_default());
                let &[value] = numbers.as_slice() else {
                    return Err(self.wrong("is damaged: a number has the wrong size"));
                };
                return match number.kind {
                    b'f' => self.push(Value::Float(value)),
                    _ => self.push(Value::Int(value as i64)),
                };
            }
            (Class::Sparse, []) if is_new => Held::Sparse(None),
            (Class::Dict, [] | [Value::Class(Class::List)]) => Held::Dict(Vec::new()),
            (Class::List, []) => Held::List(Vec::new()),
            (Class::Encode, &[text, ..]) => {
                // Latin-1 as text: each character is one byte.
                let text = text.text(&self.held).and_then(|text| std::str::from_utf8(text).ok());
                let bytes: Option<Vec<u8>> = text
                    .and_then(|text| text.chars().map(|char| u8::try_from(u32::from(char)).ok()).collect());
                match bytes {
                    Some(bytes) => Held::Bytes(bytes),
                    None => {
                        return Err(self.wrong("is damaged: bytes are written as text that is not Latin-1"));
                    }
                }
            }
            _ => return Err(self.wrong("calls a known class in a way that is not read")),
        };
        self.hold(made)
    }

    /// Fills what was made: an array, a type of numbers, a sparse matrix.
    fn fill(&mut self, state: Value<'a>) -> Step<()> {
        let Value::Held(idx) = self.top()? else {
            return Err(self.wrong("is damaged: it fills what cannot be filled"));
        };
        let parts = self.tuple(state).map(<[_]>::to_vec);
        let filled = match (self.held.get(idx as usize), parts.as_deref()) {
            (Some(&Held::Type(number)), Some([_, order, ..])) => {
                let is_big_endian = order.text(&self.held) == Some(b">");
                Held::Type(NumberType { is_big_endian, ..number })
            }
            (Some(Held::Array(_)), Some(&[_, shape, number, by_columns, data])) => {
                let sizes: Option<Vec<i64>> =
                    self.tuple(shape).and_then(|sizes| sizes.iter().map(|size| size.whole()).collect());
                let number = match number {
                    Value::Held(number) => match self.held.get(number as usize) {
                        Some(&Held::Type(number)) => Some(number),
                        _ => None,
                    },
                    _ => None,
                };
                let (Some(shape), Some(number)) = (sizes, number) else {
                    return Err(self.wrong("is damaged: an array has no shape or no type of numbers"));
                };
                let is_by_columns = matches!(by_columns, Value::Bool(true) | Value::Int(1));
                Held::Array(ArrayState { shape, number: Some(number), is_by_columns, data: Some(data) })
            }
            (Some(Held::Sparse(_)), None) => Held::Sparse(Some(state)),
            _ => return Err(self.wrong("is damaged: it fills what cannot be filled")),
        };
        self.held[idx as usize] = filled;
        Ok(())
    }
}
