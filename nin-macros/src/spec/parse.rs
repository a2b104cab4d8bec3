//! The grammar: a head, a list of elements in angle brackets, and options.

use super::{Element, Head, Kind, Spec};
use crate::diag::{Error, Repair};
use crate::source::{Edit, Loc, Source};

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
            let form = "Name<input(…), block(…), …, global_avg_pool>";
            let error = if at < end {
                let what = format!("`<` is missing behind `{name}`");
                Error::new(Loc::before(at), what).offer(Loc::before(at), "<", "")
            } else {
                let list = "<input(1, 28, 28), block(10, kernel = 5), global_avg_pool>";
                Error::new(Loc::before(at), format!("`{name}` has no list of elements")).offer(
                    Loc::before(at),
                    list,
                    "the smallest net",
                )
            };
            let error = error.because("form", form);
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
            let alone = match edits.is_empty() && Some(i) == last {
                true => Edit { at: element.at, text: "global_avg_pool".to_owned() },
                false => source.remove_item(element.at),
            };
            let alone = [Repair::new([alone], "if the last block has one channel per class")];
            edits.push(Edit { at: element.at, text });
            let why = "a NiN has no fully connected layer: the last block gives one channel per \
                class, and global_avg_pool takes the mean of each, so the head has no weights to \
                overfit";
            self.errors.push(
                Error::new(element.at, format!("there is no `{name}` in a spec"))
                    .because("because", why)
                    .offer_any([Repair::new(edits, "")])
                    .offer_any(alone),
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
    pub(super) fn next_comma(&self, start: usize, end: usize) -> usize {
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
}
