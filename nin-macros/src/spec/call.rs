//! An element's name with its arguments, and the punctuation between them.

use super::literal::{Value, read};
use super::parse::Parser;
use super::words;
use crate::diag::{Error, Repair};
use crate::source::{Edit, Loc, Source, Word};

/// An element as written: `max_pool(3, stride = 2)`.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: Word<String>,
    pub(crate) arguments: Vec<Argument>,
    /// The index of the closing parenthesis, if there are parentheses.
    pub(crate) close: Option<usize>,
}

/// One argument, with or without a name.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub(crate) name: Option<Word<String>>,
    pub(crate) value: Word<Value>,
    pub(crate) at: Loc,
}

impl Call {
    /// The arguments without a name.
    pub(crate) fn positional(&self) -> impl Iterator<Item = &Argument> {
        self.arguments.iter().filter(|argument| argument.name.is_none())
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Argument> {
        let is = |argument: &&Argument| argument.name.as_ref().is_some_and(|n| n.value == name);
        self.arguments.iter().find(is)
    }

    /// The call with these arguments instead of its own, as text.
    pub(crate) fn spelled(name: &str, arguments: &[String]) -> String {
        if arguments.is_empty() {
            name.to_owned()
        } else {
            format!("{name}({})", arguments.join(", "))
        }
    }

    /// The edit that gives a named argument this value, whether it is there or not.
    pub(crate) fn set(&self, source: &Source, name: &str, value: &str) -> Option<Edit> {
        match self.named(name) {
            Some(argument) => {
                let text = format!("{name} = {value}");
                Some(Edit { at: argument.at, text })
            }
            None => Some(source.push_item(self.close?, &format!("{name} = {value}"))),
        }
    }
}

impl Argument {
    /// `name = value`, with another name or none.
    pub(crate) fn spelled(&self, source: &Source, name: Option<&str>) -> String {
        let value = match &self.value.value {
            Value::Word(word) => word.clone(),
            _ => source.text(self.value.at),
        };
        match name {
            Some(name) => format!("{name} = {value}"),
            None => value,
        }
    }
}

impl Parser<'_> {
    /// The arguments between two parentheses, exclusive.
    pub(super) fn arguments(&mut self, open: usize, close: usize) -> Vec<Argument> {
        let mut arguments = Vec::new();
        let mut at = open + 1;
        while at < close {
            if self.source.get(at) == "," {
                self.stray_comma(at);
                at += 1;
                continue;
            }
            let argument = self.argument(&mut at, close);
            arguments.push(argument);
            at = self.separator(at, close);
        }
        arguments
    }

    fn argument(&mut self, at: &mut usize, end: usize) -> Argument {
        let start = *at;
        let name = self.argument_name(at, end);
        let value = match &name {
            Some(name) if *at >= end || matches!(self.source.get(*at), "," | ";") => {
                self.missing_value(&name.value, Loc::new(start..*at));
                Word { value: Value::Wrong, at: Loc::new(start..*at) }
            }
            _ => self.value(at, end),
        };
        Argument { name, value, at: Loc::new(start..*at) }
    }

    /// Reads `name =`, or what people write in its place.
    fn argument_name(&mut self, at: &mut usize, end: usize) -> Option<Word<String>> {
        let (start, source) = (*at, self.source);
        if !source.is_ident(start) || start + 1 >= end {
            return None;
        }
        let sign = Loc::new(start + 1..self.sign_end(start + 1, end));
        let word = source.get(start).to_owned();
        if !sign.is_empty() {
            if sign.end - sign.start > 1 || source.get(sign.start) != "=" {
                let what = format!("`{}` stands where `=` belongs", source.text(sign));
                self.errors.push(
                    Error::new(sign, what)
                        .because("form", format!("`{word} = value`"))
                        .offer(sign, "=", ""),
                );
            }
            *at = sign.end;
        } else if source.opens(start + 1) && words::is_argument(&word) {
            let group = Loc::new(start + 1..source.skip(start + 1));
            let inner = source.text(Loc::new(group.start + 1..group.end - 1));
            let call = Loc::new(start..group.end);
            let pair = if inner.contains(',') { format!("({inner})") } else { inner };
            self.errors.push(
                Error::new(call, format!("an argument has its value behind `=`: `{word} = …`"))
                    .offer(call, format!("{word} = {pair}"), ""),
            );
            *at = start + 1;
        } else if source.is_literal(start + 1) {
            self.errors.push(
                Error::new(Loc::new(start..start + 2), format!("`=` is missing behind `{word}`"))
                    .offer(Loc::before(start + 1), "=", ""),
            );
            *at = start + 1;
        } else {
            return None;
        }
        Some(Word { value: word, at: Loc::token(start) })
    }

    /// The end of `=` or of what is written for it: `:`, `==`, `:=`, `=>`, `->`.
    fn sign_end(&self, start: usize, end: usize) -> usize {
        let pairs = ["==", ":=", "=>", "->", "::"];
        if pairs.iter().any(|pair| self.source.is_operator(start, pair)) {
            // `a::b` is a path, not an argument's name.
            return if self.source.is_operator(start, "::") { start } else { (start + 2).min(end) };
        }
        if matches!(self.source.get(start), "=" | ":") { start + 1 } else { start }
    }

    fn missing_value(&mut self, name: &str, at: Loc) {
        let values: &[&str] = match name {
            "kernel" => &["3", "1"],
            "stride" => &["1"],
            "padding" => &["0"],
            "ceil" | "relu" => &["true"],
            "algorithm" => &["direct"],
            _ => &[],
        };
        let variants = values
            .iter()
            .map(|value| Repair::new([Edit { at, text: format!("{name} = {value}") }], ""));
        let error = Error::new(at, format!("`{name} =` has no value")).offer_any(variants);
        self.errors.push(error);
    }

    /// One value; what can't be one is reported and skipped up to the next comma.
    fn value(&mut self, at: &mut usize, end: usize) -> Word<Value> {
        let (start, source) = (*at, self.source);
        let mut value = match source.get(start) {
            "(" | "[" | "{" => {
                *at = source.skip(start).min(end);
                self.tuple(start, *at)
            }
            "-" | "+" if source.is_literal(start + 1) && start + 1 < end => {
                *at = start + 2;
                Value::Signed
            }
            _ => {
                *at = start + 1;
                if source.is_ident(start) || source.is_literal(start) {
                    read(source, start)
                } else {
                    Value::Wrong
                }
            }
        };
        let reported = value == Value::Wrong && source.opens(start);
        let next = *at;
        let joins = next < end
            && !matches!(source.get(next), "," | ";")
            && !source.is_ident(next)
            && !source.is_literal(next);
        if joins || (value == Value::Wrong && !reported) {
            *at = self.expression_end(next, end);
            if !reported {
                self.expression(Loc::new(start..*at));
            }
            value = Value::Wrong;
        }
        Word { value, at: Loc::new(start..*at) }
    }

    fn expression_end(&self, mut at: usize, end: usize) -> usize {
        while at < end && !matches!(self.source.get(at), "," | ";") {
            at = self.source.skip(at);
        }
        at.min(end)
    }

    /// Reports what would have to be computed.
    fn expression(&mut self, at: Loc) {
        let text = self.source.text(at);
        let mut error = Error::new(at, format!("`{text}` is no number")).because(
            "because",
            "the compiler works out all shapes from the words of the spec, \
                so each number stands in it itself",
        );
        if let Some(result) = self.evaluate(at) {
            error = error.offer(at, result.to_string(), "its value");
        }
        self.errors.push(error);
    }

    /// The value of `a + b` and the like.
    fn evaluate(&self, at: Loc) -> Option<u64> {
        let int = |index| match read(self.source, index) {
            Value::Int(number) => Some(number),
            _ => None,
        };
        if at.end - at.start != 3 {
            return None;
        }
        let (a, b) = (int(at.start)?, int(at.start + 2)?);
        match self.source.get(at.start + 1) {
            "+" => a.checked_add(b),
            "-" => a.checked_sub(b),
            "*" => a.checked_mul(b),
            "/" => a.checked_div(b),
            _ => None,
        }
    }

    /// A bracketed list of values.
    fn tuple(&mut self, open: usize, end: usize) -> Value {
        let close = end - 1;
        let mut values = Vec::new();
        let mut at = open + 1;
        while at < close {
            // Deeper brackets mean nothing here, and reading them would recurse.
            if self.source.opens(at) {
                self.expression(Loc::new(open..end));
                return Value::Wrong;
            }
            values.push(self.value(&mut at, close));
            at = self.separator(at, close);
        }
        let group = Loc::new(open..end);
        let inner = self.source.text(Loc::new(open + 1..close));
        if self.source.get(open) != "(" {
            let what = format!("a pair stands in parentheses: `({inner})`");
            let text = if values.len() == 1 { inner } else { format!("({inner})") };
            self.errors.push(Error::new(group, what).offer(group, text, ""));
        } else if values.len() == 1 {
            let what = "one number stands without parentheses, a pair is (rows, columns)";
            self.errors.push(Error::new(group, what).offer(group, inner, ""));
        }
        match <[Word<Value>; 1]>::try_from(values) {
            Ok([single]) => single.value,
            Err(values) => Value::Tuple(values),
        }
    }
}
