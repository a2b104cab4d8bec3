//! The arguments of `block`, `conv` and the pools.

use super::call::{Argument, Call};
use super::parse::Parser;
use super::values::Role;
use super::words::Name;
use super::{Convs, Given, Kind, Window};
use crate::diag::{Error, Repair};
use crate::source::{Edit, Loc, Word};

impl Parser<'_> {
    pub(super) fn convs(&mut self, call: &Call, name: Name) -> Convs {
        let widths: Vec<&Argument> = call.positional().collect();
        let mut window = Window {
            kernel: self.window_argument(call, "kernel"),
            stride: self.window_argument(call, "stride"),
            padding: self.window_argument(call, "padding"),
        };
        let relu = self.flag(call, "relu").unwrap_or(true);
        let algorithm = call.named("algorithm").and_then(|a| self.algorithm(&a.value));
        let unnamed = matches!(window.kernel, Given::Default);
        if unnamed {
            window.kernel = Given::Wrong;
        }
        let mut numbers: Vec<Word<u64>> = Vec::new();
        match (widths.len(), name) {
            (1, _) | (3, Name::Block) => {
                let read = widths.iter().filter_map(|w| self.number(&w.value, Role::CHANNELS));
                numbers.extend(read);
                if unnamed {
                    self.missing_kernel(call, &widths, name);
                }
            }
            (0, _) => self.missing_width(call, unnamed, name),
            _ => self.too_many_widths(call, &widths, name),
        }
        // A width that could not be read leaves the shape behind unknown.
        if numbers.len() < widths.len() {
            numbers.clear();
        }
        Convs { widths: numbers, window, relu, algorithm }
    }

    fn missing_width(&mut self, call: &Call, without_kernel: bool, name: Name) {
        let what = format!("`{}` does not say how many channels it gives", name.text());
        let at = self.called(call);
        let error = Error::new(at, what).because("form", name.form());
        let widths = ["32", "10"];
        let variants = widths.map(|width| match (without_kernel, self.in_front(call, width)) {
            (false, Some(edit)) => {
                Repair::new([edit], "").say(format!("put a width first, such as `{width}`"))
            }
            _ => {
                let text = format!("{}({width}, kernel = 3, padding = 1)", name.text());
                Repair::new([Edit { at, text }], "for example")
            }
        });
        self.errors.push(error.offer_any(variants));
    }

    /// The edit that puts an argument in front of the others.
    fn in_front(&self, call: &Call, text: &str) -> Option<Edit> {
        let close = call.close?;
        let open = call.name.at.end;
        let comma = if close == open + 1 { "" } else { ", " };
        Some(Edit { at: Loc::before(open + 1), text: format!("{text}{comma}") })
    }

    /// Reports numbers without a name that can't all be widths.
    fn too_many_widths(&mut self, call: &Call, widths: &[&Argument], name: Name) {
        let (source, count) = (self.source, widths.len());
        let rest = &widths[1..];
        let at = Loc::new(rest[0].at.start..widths[count - 1].at.end);
        let what = match name {
            Name::Block => format!("`block` takes one width or three, not {count}"),
            _ => format!("`{}` takes one width, not {count}", name.text()),
        };
        let mut error = Error::new(at, what).because("form", name.form());
        let free = ["kernel", "stride", "padding"];
        let free: Vec<&str> = free.into_iter().filter(|name| call.named(name).is_none()).collect();
        if rest.len() <= free.len() && together(call, rest) {
            let texts = rest.iter().zip(free).map(|(a, name)| a.spelled(source, Some(name)));
            let text = texts.collect::<Vec<_>>().join(", ");
            error = error.offer(at, text, "only widths have no name");
        }
        if let (Name::Block, [only]) = (name, rest) {
            let text = format!("{0}, {0}", only.spelled(source, None));
            error = error.offer(only.at, text, "three widths, for the three convolutions");
        }
        let edits = rest.iter().map(|argument| source.remove_item(argument.at));
        self.errors.push(error.offer_any([Repair::new(edits, "one width")]));
    }

    fn missing_kernel(&mut self, call: &Call, widths: &[&Argument], name: Name) {
        let Some(close) = call.close else { return };
        let source = self.source;
        let what = format!("`{}` does not say how large its `kernel` is", name.text());
        let mut error = Error::new(self.called(call), what).because("form", name.form());
        if let [_, second, third] = widths {
            let edits = [(second, "kernel"), (third, "stride")]
                .map(|(w, name)| Edit { at: w.at, text: w.spelled(source, Some(name)) });
            error = error.offer_any([Repair::new(edits, "if these are not widths")]);
        }
        let add = |text: &str, why: &str| Repair::new([source.push_item(close, text)], why);
        let plain = ["kernel = 3", "kernel = 2", "kernel = 1"].map(|text| add(text, "for example"));
        let same = add("kernel = 3, padding = 1", "3×3, and the size stays");
        let free = call.named("padding").is_none() && call.named("stride").is_none();
        self.errors.push(error.offer_any(Some(same).filter(|_| free).into_iter().chain(plain)));
    }

    pub(super) fn pool(&mut self, call: &Call, name: Name) -> Kind {
        let mut window = Window {
            kernel: Given::Wrong,
            stride: self.window_argument(call, "stride"),
            padding: self.window_argument(call, "padding"),
        };
        let ceil = self.flag(call, "ceil").unwrap_or(false);
        let windows: Vec<&Argument> = call.positional().collect();
        if let [kernel, rest @ ..] = &windows[..] {
            window.kernel = self.pair(&kernel.value, Role::WINDOW);
            if !rest.is_empty() {
                self.unnamed(call, rest, name);
                window.stride = Given::Wrong;
            }
        } else {
            self.missing_window(call, name);
        }
        Kind::Pool { average: name == Name::AvgPool, window, ceil }
    }

    /// Reports numbers behind a pool's window that have no name.
    fn unnamed(&mut self, call: &Call, rest: &[&Argument], name: Name) {
        let at = Loc::new(rest[0].at.start..rest[rest.len() - 1].at.end);
        let what = format!("only the window of `{}` stands without a name", name.text());
        let mut error = Error::new(at, what).because("form", name.form());
        let free = ["stride", "padding"];
        let free: Vec<&str> = free.into_iter().filter(|name| call.named(name).is_none()).collect();
        if rest.len() <= free.len() && together(call, rest) {
            let texts = rest.iter().zip(free).map(|(a, name)| a.spelled(self.source, Some(name)));
            error = error.offer(at, texts.collect::<Vec<_>>().join(", "), "");
        }
        let edits = rest.iter().map(|argument| self.source.remove_item(argument.at));
        self.errors.push(error.offer_any([Repair::new(edits, "the window alone")]));
    }

    fn missing_window(&mut self, call: &Call, name: Name) {
        let what = format!("`{}` does not say how large its window is", name.text());
        let at = self.called(call);
        let sizes = ["3", "2", "1"];
        let variants = sizes.map(|size| match self.in_front(call, size) {
            Some(edit) => {
                Repair::new([edit], "").say(format!("put its size first, such as `{size}`"))
            }
            None => {
                let text = format!("{}({size}, stride = 2)", name.text());
                Repair::new([Edit { at, text }], "for example")
            }
        });
        let error = Error::new(at, what).because("form", name.form()).offer_any(variants);
        self.errors.push(error);
    }
}

/// Whether no argument with a name stands between those without.
fn together(call: &Call, unnamed: &[&Argument]) -> bool {
    let [first, .., last] = unnamed else { return true };
    let between = |argument: &&Argument| first.at < argument.at && argument.at < last.at;
    call.arguments.iter().filter(between).all(|argument| argument.name.is_none())
}
