//! One element of the list: its name, its arguments and the shape that its author expects.

use super::call::Call;
use super::foreign::{self, Layer};
use super::parse::Parser;
use super::values::Role;
use super::words::Name;
use super::{Element, Kind};
use crate::diag::{Error, Repair};
use crate::source::{Edit, Loc, Word};

impl Parser<'_> {
    pub(super) fn element(&mut self, at: &mut usize, end: usize) -> Option<Element> {
        let source = self.source;
        let start = *at;
        let Some(call) = self.call(at, end) else {
            *at = self.next_comma(start, end);
            let place = Loc::new(start..*at);
            let what = format!("`{}` is no element", source.text(place));
            self.errors.push(
                Error::new(place, what)
                    .because("form", elements())
                    .offer_edit(source.remove_item(place), ""),
            );
            return None;
        };
        let called = Loc::new(start..*at);
        let (call, kind) = self.kind(call, called);
        let expect = self.expectation(at, end);
        let whole = Loc::new(start..*at);
        Some(Element { at: called, whole, call, kind, expect })
    }

    /// A name, perhaps with a path in front, and its arguments in whatever brackets.
    fn call(&mut self, at: &mut usize, end: usize) -> Option<Call> {
        let source = self.source;
        let start = *at;
        if !source.is_ident(start) {
            return None;
        }
        let mut last = start;
        // `nn.Conv2d`, `torch::nn::Conv2d`
        loop {
            let dots = match source.get(last + 1) {
                "." => 1,
                ":" if source.is_operator(last + 1, "::") => 2,
                _ => break,
            };
            if last + dots + 1 >= end || !source.is_ident(last + dots + 1) {
                break;
            }
            last += dots + 1;
        }
        let name = Word { value: source.get(last).to_owned(), at: Loc::new(start..last + 1) };
        *at = last + 1;
        let open = *at;
        if *at < end && source.opens(open) {
            *at = source.skip(open).min(end);
            if source.get(open) != "(" {
                let inner = source.text(Loc::new(open + 1..*at - 1));
                self.wrong_brackets(Loc::new(open..*at), &inner);
            }
            let arguments = self.arguments(open, *at - 1);
            return Some(Call { name, arguments, close: Some(*at - 1) });
        }
        if *at < end && source.get(open) == "<" {
            let close =
                (open..end).find(|&i| source.get(i) == ">" && !source.is_operator(i - 1, "->"));
            let close = close?;
            *at = close + 1;
            let inner = source.text(Loc::new(open + 1..close));
            self.wrong_brackets(Loc::new(open..*at), &inner);
            let arguments = self.arguments(open, close);
            return Some(Call { name, arguments, close: Some(close) });
        }
        Some(Call { name, arguments: Vec::new(), close: None })
    }

    fn wrong_brackets(&mut self, group: Loc, inner: &str) {
        let repair = Repair::new([Edit { at: group, text: format!("({inner})") }], "");
        let error = Error::new(group, "an element's arguments stand in parentheses");
        self.errors.push(error.offer_any([repair]));
    }

    /// What a call means; a name that is not ours is reported.
    fn kind(&mut self, mut call: Call, at: Loc) -> (Call, Kind) {
        let source = self.source;
        let text = source.text(call.name.at);
        if let Some(name) = Name::parse(&text) {
            let kind = self.bind(&mut call, name);
            return (call, kind);
        }
        let word = call.name.value.clone();
        match foreign::layer(&word) {
            Some(Layer::Ours(name)) => {
                let mut ours = foreign::translate(&call, name);
                ours.name.value = name.text().to_owned();
                let arguments: Vec<String> = ours
                    .arguments
                    .iter()
                    .map(|a| a.spelled(source, a.name.as_ref().map(|n| n.value.as_str())))
                    .collect();
                let repaired = Call::spelled(name.text(), &arguments);
                let what = format!("`{text}` is called `{}` here", name.text());
                let mut error = Error::new(call.name.at, what).because("form", name.form());
                if matches!(name, Name::Conv | Name::Block)
                    && call.arguments.len() != arguments.len()
                {
                    let why = "the channels that come in are known from the layer before, so only those that go out are given";
                    error = error.because("because", why);
                }
                self.errors.push(error.offer(at, repaired, ""));
                let kind = self.bind(&mut ours, name);
                (ours, kind)
            }
            Some(Layer::None(why)) => {
                let error = Error::new(at, format!("there is no `{text}` in a spec: {why}"))
                    .offer_edit(source.remove_item(at), "");
                self.errors.push(error);
                (call, Kind::Ignored)
            }
            Some(Layer::Dense) => (call, Kind::Dense),
            Some(Layer::Sequential) => {
                let error = Error::new(
                    call.name.at,
                    format!("no `{text}` is needed: a spec is a sequence"),
                );
                let error = match call.close {
                    Some(close) => {
                        let inner = source.text(Loc::new(call.name.at.end + 1..close));
                        error.offer(at, inner, "")
                    }
                    None => error.offer_edit(source.remove_item(at), ""),
                };
                self.errors.push(error);
                (call, Kind::Unknown)
            }
            None => self.misspelt(call, at, &text),
        }
    }

    fn misspelt(&mut self, mut call: Call, at: Loc, text: &str) -> (Call, Kind) {
        let error = Error::new(call.name.at, format!("there is no element `{text}`"));
        let Some(name) = Name::nearest(&call.name.value) else {
            let error = error
                .because("form", elements())
                .offer_edit(self.source.remove_item(at), "if nothing like it is needed");
            self.errors.push(error);
            return (call, Kind::Unknown);
        };
        self.errors.push(error.because("form", name.form()).offer(
            call.name.at,
            name.text(),
            "the nearest name",
        ));
        call.name.value = name.text().to_owned();
        let kind = self.bind(&mut call, name);
        (call, kind)
    }

    /// `-> (c, h, w)`.
    fn expectation(&mut self, at: &mut usize, end: usize) -> Option<Word<[Word<u64>; 3]>> {
        let source = self.source;
        let start = *at;
        if start >= end {
            return None;
        }
        let shape = if source.is_operator(start, "->") {
            start + 2
        } else {
            let sign = ["=>", ":", "="].into_iter().find(|sign| source.is_operator(start, sign))?;
            let shape = start + sign.len();
            if source.get(shape) != "(" {
                return None;
            }
            let place = Loc::new(start..shape);
            let what = format!("`{sign}` stands where `->` belongs");
            self.errors.push(
                Error::new(place, what)
                    .because("form", "element -> (channels, height, width)")
                    .offer(place, "->", ""),
            );
            shape
        };
        if source.get(shape) == "(" && shape < end {
            *at = source.skip(shape).min(end);
            return self.expected_shape(Loc::new(shape..*at));
        }
        *at = self.next_element(shape, end);
        let place = Loc::new(shape..*at);
        let arrow = Loc::new(start..*at);
        let mut error = Error::new(arrow, "behind `->` stands the shape (channels, height, width)");
        if !place.is_empty() {
            let inner = if source.opens(shape) && source.skip(shape) == *at {
                source.text(Loc::new(shape + 1..*at - 1))
            } else {
                source.text(place).replace(['×', 'x'], ",")
            };
            error = error.offer(place, format!("({inner})"), "");
        }
        self.errors.push(error.offer(arrow, "", "the shape may be left out"));
        None
    }

    fn expected_shape(&mut self, at: Loc) -> Option<Word<[Word<u64>; 3]>> {
        let arguments = self.arguments(at.start, at.end - 1);
        let numbers: Vec<Option<Word<u64>>> = arguments
            .iter()
            .zip([Role::CHANNELS, Role::HEIGHT, Role::WIDTH])
            .map(|(argument, role)| self.number(&argument.value, role))
            .collect();
        if arguments.len() != 3 {
            let what = format!(
                "a shape has three numbers (channels, height, width), not {}",
                arguments.len()
            );
            let whole = Loc::new(at.start - 2..at.end);
            let mut error = Error::new(at, what);
            if arguments.len() == 2 {
                let size = self.source.text(Loc::new(at.start + 1..at.end - 1));
                // The right number of channels is among those of the spec's own widths.
                error.offers.push(
                    self.channels()
                        .iter()
                        .map(|c| {
                            let text = format!("({c}, {size})");
                            Repair::new([Edit { at, text }], "")
                        })
                        .collect(),
                );
            }
            self.errors.push(error.offer(whole, "", "the shape may be left out"));
            return None;
        }
        let value = [numbers[0]?, numbers[1]?, numbers[2]?];
        Some(Word { value, at })
    }

    /// The numbers of the spec that may be widths.
    fn channels(&self) -> Vec<String> {
        let source = self.source;
        let mut numbers: Vec<String> = (1..source.len())
            .filter(|&i| source.is_literal(i) && matches!(source.get(i - 1), "(" | ","))
            .map(|i| source.get(i).to_owned())
            .collect();
        numbers.sort();
        numbers.dedup();
        numbers.truncate(20);
        numbers
    }

    /// The next thing that looks like an element, or the end of the list, from here on; numbers
    /// and the commas between them are stepped over.
    fn next_element(&self, start: usize, end: usize) -> usize {
        let source = self.source;
        let mut at = start;
        while at < end && !matches!(source.get(at), ">" | ";" | "where") {
            if source.get(at) == "," && !source.is_literal(at + 1) {
                break;
            }
            at = source.skip(at);
        }
        at.min(end)
    }
}

/// The list of elements, for people.
fn elements() -> String {
    let names: Vec<&str> = Name::ALL.iter().map(|name| name.text()).collect();
    format!("an element is one of {}", names.join(", "))
}
