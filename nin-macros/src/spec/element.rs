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
        self.label(at, end);
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

    /// Steps over `conv1:` and `self.conv1 =`, which give a layer a name of its own.
    fn label(&mut self, at: &mut usize, end: usize) {
        let source = self.source;
        let sign = self.path_end(*at, end);
        let names = matches!(source.get(sign), ":" | "=") && source.is_ident(*at);
        let joint = ["::", "=>", "=="].iter().any(|pair| source.is_operator(sign, pair));
        if !names || joint || sign + 1 >= end || !source.is_ident(sign + 1) {
            return;
        }
        let label = Loc::new(*at..sign + 1);
        let why = "layers are called by their place, as in PyTorch's Sequential: `0.0`, `0.2`, …";
        let error = Error::new(label, "an element has no name of its own");
        self.errors.push(error.because("because", why).offer(label, "", ""));
        *at = sign + 1;
    }

    /// The end of `nn.Conv2d`, `torch::nn::Conv2d` or a plain word.
    fn path_end(&self, start: usize, end: usize) -> usize {
        let source = self.source;
        let mut last = start;
        loop {
            let dots = match source.get(last + 1) {
                "." => 1,
                ":" if source.is_operator(last + 1, "::") => 2,
                _ => return last + 1,
            };
            if last + dots + 1 >= end || !source.is_ident(last + dots + 1) {
                return last + 1;
            }
            last += dots + 1;
        }
    }

    /// A name, perhaps with a path in front, and its arguments in whatever brackets.
    fn call(&mut self, at: &mut usize, end: usize) -> Option<Call> {
        let source = self.source;
        let start = *at;
        if !source.is_ident(start) {
            return None;
        }
        *at = self.path_end(start, end);
        let name = Word { value: source.get(*at - 1).to_owned(), at: Loc::new(start..*at) };
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
                    let why = "the channels that come in are known from the layer before, so \
                        only those that go out are given";
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
            if let [a, b] = &arguments[..] {
                let [a, b] = [a, b].map(|argument| argument.spelled(self.source, None));
                let channels = self.channels().into_iter().map(|c| format!("({c}, {a}, {b})"));
                // Channels and one size for both, or a size without its channels.
                let shapes = std::iter::once(format!("({a}, {b}, {b})")).chain(channels);
                error = error.offer_any(shapes.map(|text| Repair::new([Edit { at, text }], "")));
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
