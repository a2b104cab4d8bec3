//! Gives each argument of an element its meaning, and reports what has none.

use super::Kind;
use super::call::{Argument, Call};
use super::foreign::{self, Meaning};
use super::literal::Value;
use super::parse::Parser;
use super::values::Role;
use super::words::{ARGUMENTS, Name, nearest};
use crate::diag::{Error, Repair};
use crate::source::{Edit, Loc, Word};

impl Parser<'_> {
    /// The meaning of a call whose name is known. Arguments' names in the call become ours.
    pub(super) fn bind(&mut self, call: &mut Call, name: Name) -> Kind {
        self.resolve(call, name);
        match name {
            Name::Input => self.input(call),
            Name::Block => Kind::Block(self.convs(call, name)),
            Name::Conv => Kind::Conv(self.convs(call, name)),
            Name::MaxPool | Name::AvgPool => self.pool(call, name),
            Name::Dropout => self.dropout(call),
            Name::GlobalAvgPool => self.global_avg_pool(call),
        }
    }

    /// Sorts out the names of arguments: foreign, misspelt, given twice, or not of this element.
    fn resolve(&mut self, call: &mut Call, name: Name) {
        let element = name.text();
        let mut seen: Vec<&'static str> = Vec::new();
        let mut kept = Vec::new();
        for mut argument in std::mem::take(&mut call.arguments) {
            let Some(word) = argument.name.clone() else {
                kept.push(argument);
                continue;
            };
            let Some(meaning) = self.argument_meaning(&argument, &word, name) else { continue };
            let ours = match meaning {
                Meaning::Named(ours) => ours,
                _ => {
                    argument.name = None;
                    kept.push(argument);
                    continue;
                }
            };
            if seen.contains(&ours) {
                self.errors.push(
                    Error::new(argument.at, format!("`{ours}` is given twice to `{element}`"))
                        .offer_edit(self.source.remove_item(argument.at), "the first one counts"),
                );
                continue;
            }
            seen.push(ours);
            argument.name = Some(Word { value: ours.to_owned(), at: word.at });
            kept.push(argument);
        }
        call.arguments = kept;
    }

    /// What a named argument means to this element; what is wrong with the name is reported.
    fn argument_meaning(
        &mut self,
        argument: &Argument,
        word: &Word<String>,
        name: Name,
    ) -> Option<Meaning> {
        let (element, text) = (name.text(), word.value.as_str());
        let ours = ARGUMENTS.into_iter().find(|ours| *ours == text);
        let known = ours.map(Meaning::Named).or_else(|| foreign::argument(text));
        match known {
            Some(Meaning::Named(ours)) if name.arguments().contains(&ours) => {
                if ours != text {
                    let what = format!("`{text}` is called `{ours}` here");
                    self.errors.push(
                        Error::new(word.at, what)
                            .because("form", name.form())
                            .offer(word.at, ours, ""),
                    );
                }
                Some(Meaning::Named(ours))
            }
            Some(Meaning::Named("kernel")) if matches!(name, Name::MaxPool | Name::AvgPool) => {
                self.positional(argument, word, name)
            }
            Some(Meaning::Positional) if name != Name::GlobalAvgPool => {
                self.positional(argument, word, name)
            }
            Some(Meaning::None(why)) => {
                let what = format!("`{element}` needs no `{text}`: {why}");
                self.errors.push(
                    Error::new(argument.at, what)
                        .because("form", name.form())
                        .offer_edit(self.source.remove_item(argument.at), ""),
                );
                None
            }
            Some(_) => {
                self.no_such_argument(argument, word, name);
                None
            }
            None => {
                let Some(near) = nearest(text, name.arguments().iter().copied()) else {
                    self.no_such_argument(argument, word, name);
                    return None;
                };
                self.errors.push(
                    Error::new(word.at, format!("`{element}` has no argument `{text}`"))
                        .because("form", name.form())
                        .offer(word.at, near, "the nearest name"),
                );
                ARGUMENTS.into_iter().find(|ours| *ours == near).map(Meaning::Named)
            }
        }
    }

    fn positional(
        &mut self,
        argument: &Argument,
        word: &Word<String>,
        name: Name,
    ) -> Option<Meaning> {
        let what = format!("`{}` stands first in `{}`, without a name", word.value, name.text());
        let value = argument.spelled(self.source, None);
        self.errors.push(
            Error::new(Loc::new(word.at.start..argument.value.at.start), what)
                .because("form", name.form())
                .offer(argument.at, value, ""),
        );
        Some(Meaning::Positional)
    }

    fn no_such_argument(&mut self, argument: &Argument, word: &Word<String>, name: Name) {
        let what = format!("`{}` has no argument `{}`", name.text(), word.value);
        self.errors.push(
            Error::new(argument.at, what)
                .because("form", name.form())
                .offer_edit(self.source.remove_item(argument.at), ""),
        );
    }

    fn input(&mut self, call: &Call) -> Kind {
        let arguments = &call.arguments;
        if let [c, h, w] = &arguments[..] {
            return Kind::Input([
                self.number(&c.value, Role::CHANNELS),
                self.number(&h.value, Role::HEIGHT),
                self.number(&w.value, Role::WIDTH),
            ]);
        }
        let numbers = arguments.iter().map(|argument| argument.spelled(self.source, None));
        let numbers: Vec<String> = numbers.collect();
        let shapes = match &numbers[..] {
            [size] => ["1", "3"].map(|c| format!("{c}, {size}, {size}")),
            [h, w] => ["1", "3"].map(|c| format!("{c}, {h}, {w}")),
            [_, c, h, w] => [format!("{c}, {h}, {w}"), format!("1, {h}, {w}")],
            _ => ["1, 28, 28", "3, 224, 224"].map(str::to_owned),
        };
        let (at, count) = (self.called(call), numbers.len());
        let mut error = Error::new(at, format!("`input` takes three numbers, not {count}"))
            .because("form", Name::Input.form());
        if count == 4 {
            error = error.because("because", "the size of a batch is no part of a net's shape");
        }
        let repair = |text: &String| Repair::new([Edit { at, text: format!("input({text})") }], "");
        let error = match count {
            4 => error.offer_any(shapes.iter().map(repair)),
            _ => shapes.iter().fold(error, |error, text| error.offer_any([repair(text)])),
        };
        self.errors.push(error);
        Kind::Input([None; 3])
    }

    fn dropout(&mut self, call: &Call) -> Kind {
        let values: Vec<&Argument> = call.positional().collect();
        let [argument] = values[..] else {
            let at = self.called(call);
            let what = format!("`dropout` takes one number, not {}", values.len());
            let mut error = Error::new(at, what).because("form", Name::Dropout.form());
            if let [first, ..] = values[..] {
                let only = first.spelled(self.source, None);
                error = error.offer(at, format!("dropout({only})"), "");
            }
            self.errors.push(error.offer(at, "dropout(0.5)", "as in the NiN paper"));
            return Kind::Dropout(None);
        };
        let at = argument.value.at;
        let value = match &argument.value.value {
            Value::Float(value) => *value,
            #[allow(clippy::cast_precision_loss)]
            Value::Int(value) => *value as f64,
            Value::Signed => -1.0,
            _ => {
                // Nothing that can be read as a whole number is left.
                self.number(&argument.value, Role::PROBABILITY);
                return Kind::Dropout(None);
            }
        };
        Kind::Dropout(Some(Word { value, at }))
    }

    fn global_avg_pool(&mut self, call: &Call) -> Kind {
        if let Some(close) = call.close {
            let at = Loc::new(call.name.at.end..close + 1);
            let error = Error::new(at, "`global_avg_pool` takes no arguments")
                .because("because", "it averages each channel over all rows and columns")
                .offer(at, "", "");
            self.errors.push(error);
        }
        Kind::GlobalAvgPool
    }

    /// From the call's name to its closing parenthesis.
    pub(super) fn called(&self, call: &Call) -> Loc {
        Loc::new(call.name.at.start..call.close.map_or(call.name.at.end, |close| close + 1))
    }
}
