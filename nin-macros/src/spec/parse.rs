//! The grammar: a head, a list of elements in angle brackets, and options.

use super::call::Call;
use super::foreign::{self, Layer};
use super::words::Name;
use super::{Element, Head, Kind, Spec};
use crate::diag::{Error, Repair};
use crate::source::{Edit, Loc, Source, Word};

/// Reads a spec; what is wrong with it is in the errors.
pub(crate) fn parse(source: &Source, errors: &mut Vec<Error>) -> Spec {
    let mut parser = Parser { source, errors: Vec::new() };
    let spec = parser.spec();
    errors.append(&mut parser.errors);
    spec
}

/// Reads tokens by index and collects what is wrong.
pub(super) struct Parser<'a> {
    pub(super) source: &'a Source,
    pub(super) errors: Vec<Error>,
}

impl Parser<'_> {
    fn spec(&mut self) -> Spec {
        let mut spec = Spec::default();
        let at = self.head(&mut spec);
        let (start, end) = self.brackets(at, &mut spec);
        let mut at = self.elements(start, end, &mut spec);
        if self.source.get(at) == "where" {
            at = self.options(at + 1, &mut spec.options);
        }
        if at < self.source.len() {
            self.leftovers(at);
        }
        self.dense(&mut spec);
        spec
    }

    /// Attributes, visibility and name; gives the index behind them.
    fn head(&mut self, spec: &mut Spec) -> usize {
        let source = self.source;
        let mut at = 0;
        while source.get(at) == "#" && source.get(at + 1) == "[" {
            at = source.skip(at + 1);
        }
        let attributes = Loc::new(0..at);
        let visibility = at;
        if source.get(at) == "pub" {
            at += 1;
            if source.get(at) == "(" {
                at = source.skip(at);
            }
        }
        let visibility = Loc::new(visibility..at);
        if matches!(
            source.get(at),
            "struct" | "type" | "enum" | "let" | "const" | "fn" | "mod" | "static"
        ) {
            let what = format!(
                "the net's name needs no `{}`: the macro makes a struct of it",
                source.get(at)
            );
            self.errors.push(Error::new(Loc::token(at), what).offer(Loc::token(at), "", ""));
            at += 1;
        }
        spec.name_at = Loc::token(at);
        match source.tree(at) {
            Some(proc_macro2::TokenTree::Ident(name)) if source.get(at) != "where" => {
                if syn::parse_str::<syn::Ident>(source.get(at)).is_err() {
                    let what = format!("`{name}` is a word of Rust and can't be a net's name");
                    let error = Error::new(Loc::token(at), what);
                    self.errors.push(error.offer(Loc::token(at), "Net", ""));
                    return at + 1;
                }
                spec.head = Some(Head {
                    attributes: source.stream(attributes),
                    visibility: source.stream(visibility),
                    name: name.clone(),
                });
                at + 1
            }
            _ => {
                let what = "the net has no name";
                let error = Error::new(Loc::before(at), what)
                    .because("form", "nin! { pub Name<input(…), block(…), …, global_avg_pool> }");
                let error = match source.get(at) {
                    "<" => error.offer(Loc::before(at), "Net", ""),
                    _ => error,
                };
                self.errors.push(error);
                at
            }
        }
    }

    /// The start and the end of the list of elements, whatever brackets it has.
    fn brackets(&mut self, at: usize, spec: &mut Spec) -> (usize, usize) {
        let source = self.source;
        let end = source.len();
        if source.get(at) == "<" {
            return (at + 1, end);
        }
        if source.opens(at) {
            let group = Loc::new(at..source.skip(at));
            let (open, close) = (source.get(at), source.get(group.end - 1));
            let what =
                format!("the elements stand between `<` and `>`, not `{open}` and `{close}`");
            let inner = source.text(Loc::new(at + 1..group.end - 1));
            let repair = Repair::new([Edit { at: group, text: format!("<{inner}>") }], "")
                .say("write `<` and `>`");
            let underline = Loc::token(at);
            self.errors.push(Error::new(underline, what).offer_any([repair]));
            spec.close = group.end - 1;
            return (at + 1, group.end - 1);
        }
        if spec.head.is_some() || at < end {
            let name = source.text(spec.name_at);
            let what = format!("the list of elements is missing: `{name}<input(…), …>`");
            let mut error = Error::new(Loc::before(at), what);
            if at < end {
                error = error.offer(Loc::before(at), "<", "");
            } else {
                let list = "<input(1, 28, 28), block(10, kernel = 5), global_avg_pool>";
                error = error.offer(Loc::before(at), list, "the smallest net");
            }
            self.errors.push(error);
        }
        (at, end)
    }

    /// The elements up to the closing bracket; gives the index behind it.
    fn elements(&mut self, start: usize, end: usize, spec: &mut Spec) -> usize {
        let source = self.source;
        let mut at = start;
        loop {
            spec.close = at;
            match source.get(at) {
                _ if at >= end => break,
                ">" => return at + 1,
                "where" => break,
                "," => {
                    self.stray_comma(at);
                    at += 1;
                }
                _ => {
                    let element = self.element(&mut at, end);
                    spec.elements.extend(element);
                    spec.close = at;
                    at = self.separator(at, end);
                }
            }
        }
        let open = start.checked_sub(1).map_or("", |open| source.get(open));
        if open == "<" {
            let what = "the list of elements is not closed";
            let error = Error::new(Loc::before(at), what).offer(Loc::before(at), ">", "");
            self.errors.push(error);
            return at;
        }
        // The list stands in other brackets, or in none: this has been reported.
        if at >= end && source.opens(start.wrapping_sub(1)) { at + 1 } else { at }
    }

    fn element(&mut self, at: &mut usize, end: usize) -> Option<Element> {
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
            .zip(["the number of channels", "the height", "the width"])
            .map(|(argument, what)| self.number(&argument.value, what))
            .collect();
        if arguments.len() != 3 {
            let what = format!(
                "a shape has three numbers (channels, height, width), got {}",
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

    /// Reports fully connected layers, whose way out depends on what else is in the list.
    fn dense(&mut self, spec: &mut Spec) {
        let source = self.source;
        let is_dense = |element: &Element| matches!(element.kind, Kind::Dense);
        let last = spec.elements.iter().rposition(is_dense);
        let pools = |element: &&Element| matches!(element.kind, Kind::GlobalAvgPool);
        for (i, element) in spec.elements.iter().enumerate().filter(|(_, e)| is_dense(e)) {
            let name = &element.call.name.value;
            let width = element.call.positional().last();
            let width = width.or_else(|| element.call.named("out_features"));
            let width = width.map_or("10".to_owned(), |width| width.spelled(source, None));
            let mut text = format!("conv({width}, kernel = 1)");
            let mut edits = Vec::new();
            if Some(i) == last {
                text.push_str(", global_avg_pool");
                edits.extend(
                    spec.elements.iter().filter(pools).map(|e| source.remove_item(e.whole)),
                );
            }
            edits.push(Edit { at: element.at, text });
            let why = "a NiN has no fully connected layer: the last block gives one channel per class, and global_avg_pool takes the mean of each, so the head has no weights to overfit";
            self.errors.push(
                Error::new(element.at, format!("there is no `{name}` in a spec"))
                    .because("because", why)
                    .offer_any([Repair::new(edits, "")])
                    .offer_edit(
                        source.remove_item(element.at),
                        "if the last block has one channel per class",
                    ),
            );
        }
    }

    fn leftovers(&mut self, at: usize) {
        let source = self.source;
        let place = Loc::new(at..source.len());
        let another = source.opens(at) || (at + 1..source.len()).any(|i| source.get(i) == "<");
        let what = if another && source.is_ident(at) {
            "one `nin!` defines one net: write another `nin!` for the next".to_owned()
        } else {
            format!("`{}` stands behind the end of the spec", source.text(place))
        };
        let error = Error::new(place, what).because("form", "Name<elements> where options");
        self.errors.push(error.offer(place, "", ""));
    }

    /// Steps over the comma behind an item, or what is written for it; gives the next index.
    pub(super) fn separator(&mut self, at: usize, end: usize) -> usize {
        let source = self.source;
        let text = source.get(at);
        let gap = Loc::before(at);
        if at >= end || text == ">" || text == "where" {
            return at;
        }
        if text == "," {
            return at + 1;
        }
        if source.is_ident(at) || source.is_literal(at) {
            let what = format!("a comma is missing behind `{}`", source.get(at - 1));
            let what = if source.get(at - 1) == ")" {
                "a comma is missing behind `)`".to_owned()
            } else {
                what
            };
            self.errors.push(Error::new(gap, what).offer(gap, ",", ""));
            return at;
        }
        let token = Loc::token(at);
        if matches!(text, ";" | "." | ":" | "|" | "&" | "+") {
            let what = format!("`{text}` stands where a comma belongs");
            self.errors.push(Error::new(token, what).offer(token, ",", ""));
            return at + 1;
        }
        let next = self.next_comma(at, end);
        let place = Loc::new(at..next);
        let what = format!("`{}` has no meaning here", source.text(place));
        self.errors.push(Error::new(place, what).offer(place, "", ""));
        if source.get(next) == "," && next < end { next + 1 } else { next }
    }

    pub(super) fn stray_comma(&mut self, at: usize) {
        let comma = Loc::token(at);
        let error = Error::new(comma, "nothing stands in front of this comma");
        self.errors.push(error.offer(comma, "", ""));
    }

    /// The next comma, or the end of the list, from here on.
    fn next_comma(&self, start: usize, end: usize) -> usize {
        let source = self.source;
        let mut at = start;
        while at < end {
            let closes =
                source.get(at) == ">" && (at == start || !source.is_operator(at - 1, "->"));
            if at > start && (closes || matches!(source.get(at), "," | ";" | "where")) {
                break;
            }
            at = source.skip(at);
        }
        at.min(end)
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
