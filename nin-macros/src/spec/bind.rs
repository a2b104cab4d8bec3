//! Gives each argument of an element its meaning, and reports what has none.

use super::call::{Argument, Call};
use super::foreign::{self, Meaning};
use super::literal::{LARGEST, Value};
use super::parse::Parser;
use super::words::{ARGUMENTS, Name, nearest};
use super::{Convs, Given, Kind, Window};
use crate::diag::{Error, Repair};
use crate::net::Algorithm;
use crate::source::{Edit, Loc, Word};

impl Parser<'_> {
    /// The meaning of a call whose name is known. Arguments' names in the call become ours.
    pub(super) fn bind(&mut self, call: &mut Call, name: Name) -> Kind {
        self.resolve(call, name);
        match name {
            Name::Input => self.input(call),
            Name::Block => self.convs(call, true).map_or(Kind::Unknown, Kind::Block),
            Name::Conv => self.convs(call, false).map_or(Kind::Unknown, Kind::Conv),
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
        let pool_window = matches!(name, Name::MaxPool | Name::AvgPool) && text == "kernel";
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
            Some(Meaning::Named("kernel")) if pool_window || takes_window(name) => {
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
        let values: Vec<&Argument> = call.arguments.iter().collect();
        let numbers: Vec<String> =
            values.iter().map(|value| value.spelled(self.source, None)).collect();
        let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
        let offers: &[Vec<&str>] = &match numbers[..] {
            [c, h, w] => return Kind::Input([c, h, w].map(|_| None)).with(self, &values),
            [h, w] => vec![vec!["1", h, w], vec!["3", h, w]],
            [size] => vec![vec!["1", size, size], vec!["3", size, size]],
            [_, c, h, w] => vec![vec![c, h, w]],
            _ => vec![vec!["1", "28", "28"], vec!["3", "32", "32"], vec!["1", "224", "224"]],
        };
        let count = numbers.len();
        let at = self.call_loc(call);
        let mut error = Error::new(at, format!("`input` takes three numbers, got {count}"))
            .because("form", Name::Input.form());
        if count == 4 {
            error = error.because("because", "the batch is no part of a net's shape");
        }
        for numbers in offers {
            error = error.offer(at, format!("input({})", numbers.join(", ")), "");
        }
        self.errors.push(error);
        Kind::Input([None; 3])
    }

    fn convs(&mut self, call: &Call, block: bool) -> Option<Convs> {
        let name = if block { Name::Block } else { Name::Conv };
        let widths: Vec<&Argument> = call.positional().collect();
        let window = Window {
            kernel: self.pair(call, "kernel"),
            stride: self.pair(call, "stride"),
            padding: self.pair(call, "padding"),
        };
        let relu = self.flag(call, "relu").unwrap_or(true);
        let algorithm = call.named("algorithm").and_then(|a| self.algorithm(&a.value));
        let fits = widths.len() == 1 || (block && widths.len() == 3);
        let reads: Vec<Word<u64>> = if fits {
            let what = "the number of channels";
            widths.iter().filter_map(|width| self.number(&width.value, what)).collect()
        } else {
            self.wrong_widths(call, &widths, name);
            Vec::new()
        };
        let reads = if reads.len() == widths.len() { reads } else { Vec::new() };
        if matches!(window.kernel, Given::Default) && (fits || widths.is_empty()) {
            self.missing_kernel(call, &widths, name);
        }
        let window = match window.kernel {
            Given::Default => Window { kernel: Given::Wrong, ..window },
            _ => window,
        };
        Some(Convs { widths: reads, window, relu, algorithm })
    }

    /// The number of widths is not one, or a block's three.
    fn wrong_widths(&mut self, call: &Call, widths: &[&Argument], name: Name) {
        let source = self.source;
        let element = name.text();
        let at = match widths {
            [] => self.call_loc(call),
            [_, rest @ ..] => rest.iter().fold(rest[0].at, |at, width| at.to(width.at)),
        };
        let what = match (widths.len(), name) {
            (0, _) => format!("`{element}` does not say how many channels it gives"),
            (count, Name::Block) => format!("`block` takes one width or three, got {count}"),
            (count, _) => format!("`{element}` takes one width, got {count}"),
        };
        let mut error = Error::new(at, what).because("form", name.form());
        let names = ["", "kernel", "stride", "padding"];
        if let ([_, _, ..], true) = (widths, widths.len() <= 4 && !widths.is_empty()) {
            let taken = |name: &str| call.named(name).is_some();
            let edits = widths.iter().zip(names).skip(1).filter(|(_, name)| !taken(name));
            let edits = edits.map(|(width, name)| Edit {
                at: width.at,
                text: width.spelled(source, Some(name)),
            });
            error = error.offer_any([Repair::new(edits, "only the widths have no name")]);
        }
        if let [first, ..] = widths {
            let edits = widths[1..].iter().map(|width| source.remove_item(width.at));
            error = error.offer_any([Repair::new(edits, "")]);
            if let (Name::Block, [_, second]) = (name, widths) {
                let text = format!(", {}", second.spelled(source, None));
                let edit = Edit { at: Loc::before(second.at.end), text };
                error = error.offer_any([Repair::new([edit], "three widths")]);
            }
            let _ = first;
        } else if let (Some(close), true) = (call.close, widths.is_empty()) {
            let open = call.name.at.end;
            let comma = if close == open + 1 { "" } else { ", " };
            let widths = ["32", "10"].map(|width| {
                let text = format!("{width}{comma}");
                Repair::new([Edit { at: Loc::before(open + 1), text }], "any width will do")
            });
            error = error.offer_any(widths);
        } else {
            let text = format!("{}(32, kernel = 3, padding = 1)", element);
            error = error.offer(at, text, "for example");
        }
        self.errors.push(error);
    }

    fn missing_kernel(&mut self, call: &Call, widths: &[&Argument], name: Name) {
        let Some(close) = call.close else { return };
        if widths.is_empty() && call.arguments.is_empty() {
            return;
        }
        let source = self.source;
        let what = format!("`{}` does not say how large its `kernel` is", name.text());
        let mut error = Error::new(self.call_loc(call), what).because("form", name.form());
        if let [_, second, third] = widths {
            let edits = [(second, "kernel"), (third, "stride")]
                .map(|(w, name)| Edit { at: w.at, text: w.spelled(source, Some(name)) });
            error = error.offer_any([Repair::new(edits, "if these are not widths")]);
        }
        let padded = call.named("padding").is_none() && call.named("stride").is_none();
        if padded {
            let edit = source.push_item(close, "kernel = 3, padding = 1");
            error = error.offer_edit(edit, "3×3, and the size stays");
        }
        let plain = ["kernel = 3", "kernel = 2", "kernel = 1"];
        let plain = plain.map(|text| Repair::new([source.push_item(close, text)], ""));
        self.errors.push(error.offer_any(plain));
    }

    fn pool(&mut self, call: &mut Call, name: Name) -> Kind {
        let windows: Vec<&Argument> = call.positional().collect();
        let mut window = Window {
            kernel: Given::Wrong,
            stride: self.pair(call, "stride"),
            padding: self.pair(call, "padding"),
        };
        let ceil = self.flag(call, "ceil").unwrap_or(false);
        match windows[..] {
            [kernel] => window.kernel = self.pair_of(&kernel.value, "the window"),
            [] => self.missing_window(call, name),
            [kernel, ref rest @ ..] => {
                window.kernel = self.pair_of(&kernel.value, "the window");
                let taken = |name: &str| call.named(name).is_some();
                let names: Vec<&str> =
                    ["stride", "padding"].into_iter().filter(|name| !taken(name)).collect();
                for (i, argument) in rest.iter().enumerate() {
                    let what = format!("only the window of `{}` has no name", name.text());
                    let mut error = Error::new(argument.at, what).because("form", name.form());
                    if let Some(word) = names.get(i) {
                        let text = argument.spelled(self.source, Some(word));
                        error = error.offer(argument.at, text, "");
                        window.stride = Given::Wrong;
                    }
                    let error = error.offer_edit(self.source.remove_item(argument.at), "");
                    self.errors.push(error);
                }
            }
        }
        Kind::Pool { average: name == Name::AvgPool, window, ceil }
    }

    fn missing_window(&mut self, call: &Call, name: Name) {
        let at = self.call_loc(call);
        let element = name.text();
        let mut error = Error::new(at, format!("`{element}` does not say how large its window is"))
            .because("form", name.form());
        error = match call.close {
            Some(close) => {
                let open = call.name.at.end;
                let comma = if close == open + 1 { "" } else { ", " };
                error.offer_any(["3", "2", "1"].map(|kernel| {
                    let text = format!("{kernel}{comma}");
                    Repair::new([Edit { at: Loc::before(open + 1), text }], "")
                }))
            }
            None => error.offer_any(["(3, stride = 2)", "(2, stride = 2)", "(1)"].map(|text| {
                let edit = Edit { at: Loc::before(call.name.at.end), text: text.to_owned() };
                Repair::new([edit], "")
            })),
        };
        self.errors.push(error);
    }

    fn dropout(&mut self, call: &Call) -> Kind {
        let at = self.call_loc(call);
        let values: Vec<&Argument> = call.positional().collect();
        let [argument] = values[..] else {
            let what = format!("`dropout` takes one number, got {}", values.len());
            let mut error = Error::new(at, what).because("form", Name::Dropout.form());
            if let [_, rest @ ..] = &values[..] {
                let edits = rest.iter().map(|value| self.source.remove_item(value.at));
                error = error.offer_any([Repair::new(edits, "")]);
            } else {
                error = error.offer(at, "dropout(0.5)", "as in the NiN paper");
            }
            self.errors.push(error);
            return Kind::Dropout(None);
        };
        let at = argument.value.at;
        let value = match &argument.value.value {
            Value::Float(value) => *value,
            #[allow(clippy::cast_precision_loss)]
            Value::Int(value) => *value as f64,
            Value::Signed => -1.0,
            _ => {
                return Kind::Dropout(self.number(&argument.value, "the probability").and(None));
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

    /// A named argument of one number or a pair.
    fn pair(&mut self, call: &Call, name: &str) -> Given {
        match call.named(name) {
            None => Given::Default,
            Some(argument) if name == "padding" && is_mode(&argument.value.value) => {
                self.padding_mode(call, argument)
            }
            Some(argument) => self.pair_of(&argument.value.clone(), &format!("`{name}`")),
        }
    }

    fn pair_of(&mut self, value: &Word<Value>, what: &str) -> Given {
        let at = value.at;
        match &value.value {
            Value::Tuple(values) => {
                let [rows, columns] = &values[..] else {
                    let message = format!(
                        "{what} is one number or a pair (rows, columns), got {}",
                        values.len()
                    );
                    let mut error = Error::new(at, message);
                    if let [first, second, ..] = &values[..] {
                        let [first, second] = [first, second].map(|v| self.source.text(v.at));
                        error = error.offer(at, format!("({first}, {second})"), "");
                    } else {
                        error = error.offer_any(
                            ["1", "0"]
                                .map(|text| Repair::new([Edit { at, text: text.to_owned() }], "")),
                        );
                    }
                    self.errors.push(error);
                    return Given::Wrong;
                };
                match (self.number(rows, what), self.number(columns, what)) {
                    (Some(rows), Some(columns)) => {
                        Given::Is(Word { value: [rows.value, columns.value], at })
                    }
                    _ => Given::Wrong,
                }
            }
            _ => match self.number(value, what) {
                Some(Word { value, at }) => Given::Is(Word { value: [value; 2], at }),
                None => Given::Wrong,
            },
        }
    }

    /// `padding = same` and `padding = "valid"`, as Keras and PyTorch have them.
    fn padding_mode(&mut self, call: &Call, argument: &Argument) -> Given {
        let (Value::Word(mode) | Value::Text(mode)) = &argument.value.value else {
            return Given::Wrong;
        };
        let at = argument.value.at;
        if mode.eq_ignore_ascii_case("valid") {
            self.errors.push(
                Error::new(at, "`padding` is a number: `valid` is no padding at all")
                    .offer(at, "0", ""),
            );
            return Given::Default;
        }
        let kernel = match call.named("kernel").map(|kernel| &kernel.value.value) {
            Some(Value::Int(kernel)) => *kernel,
            _ => 0,
        };
        let mut error =
            Error::new(at, "`padding` is a number of rows and columns on each side, not `same`")
                .because("form", "with stride 1, the size stays when padding = (kernel − 1) / 2");
        if kernel % 2 == 1 {
            let padding = (kernel - 1) / 2;
            self.errors.push(error.offer(
                at,
                padding.to_string(),
                format!("for kernel = {kernel}"),
            ));
            return Given::Is(Word { value: [padding; 2], at });
        }
        if kernel > 0 {
            error = error.because(
                "because",
                format!("kernel = {kernel} is even, so the size can't stay: it would take half a row of padding on each side"),
            );
            for kernel in [kernel + 1, kernel - 1] {
                let edits = [
                    call.set(self.source, "kernel", &kernel.to_string()),
                    Some(Edit { at, text: (kernel / 2).to_string() }),
                ];
                error =
                    error.offer_any([Repair::new(edits.into_iter().flatten(), "the size stays")]);
            }
        }
        self.errors.push(error.offer(at, (kernel / 2).to_string(), ""));
        Given::Wrong
    }

    fn flag(&mut self, call: &Call, name: &str) -> Option<bool> {
        let Word { value, at } = call.named(name)?.value.clone();
        let meant = match &value {
            Value::Word(word) if word == "true" => return Some(true),
            Value::Word(word) if word == "false" => return Some(false),
            Value::Wrong => return None,
            Value::Word(word) | Value::Text(word) if word.eq_ignore_ascii_case("false") => false,
            Value::Int(0) => false,
            _ => true,
        };
        let text = self.source.text(at);
        let error = Error::new(at, format!("`{name}` is `true` or `false`, not `{text}`")).offer(
            at,
            meant.to_string(),
            "",
        );
        self.errors.push(error);
        Some(meant)
    }

    /// The value of `algorithm`, of a layer or of the net.
    pub(super) fn algorithm(&mut self, value: &Word<Value>) -> Option<Algorithm> {
        match &value.value {
            Value::Word(word) if word == "direct" => return Some(Algorithm::Direct),
            Value::Word(word) if word == "auto" => return Some(Algorithm::Auto),
            Value::Wrong => return None,
            _ => {}
        }
        let text = self.source.text(value.at);
        let meant = nearest(text.trim_matches('"'), ["direct", "auto"]).unwrap_or("direct");
        let error = Error::new(value.at, format!("`{text}` is no algorithm"))
            .because(
                "form",
                "`algorithm = direct` (plain sums) or `algorithm = auto` (the default)",
            )
            .offer(value.at, meant, "");
        self.errors.push(error);
        None
    }

    /// A whole number; anything else is reported, and read as what it means if that is clear.
    pub(super) fn number(&mut self, value: &Word<Value>, what: &str) -> Option<Word<u64>> {
        let at = value.at;
        let text = self.source.text(at);
        let (error, meant) = match &value.value {
            Value::Int(number) => return Some(Word { value: *number, at }),
            Value::Wrong => return None,
            Value::TooLarge => {
                (Error::new(at, format!("{text} is too large: {what} is at most {LARGEST}")), None)
            }
            Value::Float(number) => float(at, *number, &text, what),
            Value::Signed => {
                let error = Error::new(at, format!("{what} has no sign: {text}"));
                (error.offer(Loc::token(at.start), "", ""), None)
            }
            Value::Suffixed(number) => {
                let error = Error::new(at, format!("{what} is a plain number, not `{text}`"));
                (error.offer(at, number.to_string(), ""), Some(*number))
            }
            Value::Word(word) => {
                let error = Error::new(at, format!("{what} is a number, not the name `{word}`"));
                let why = "the compiler works out all shapes from the words of the spec and can't see the value of a name";
                (error.because("because", why), None)
            }
            Value::Text(inner) => {
                let error = Error::new(at, format!("{what} is a number, not the text {text}"));
                match inner.trim().parse::<u64>() {
                    Ok(number) => (error.offer(at, number.to_string(), ""), Some(number)),
                    Err(_) => (error, None),
                }
            }
            Value::Tuple(values) => {
                let error = Error::new(at, format!("{what} is one number, not `{text}`"));
                match values.first() {
                    Some(first) => (error.offer(at, self.source.text(first.at), ""), None),
                    None => (error, None),
                }
            }
        };
        self.errors.push(error);
        meant.map(|value| Word { value, at })
    }

    /// From the call's name to its closing parenthesis.
    fn call_loc(&self, call: &Call) -> Loc {
        Loc::new(call.name.at.start..call.close.map_or(call.name.at.end, |close| close + 1))
    }
}

impl Kind {
    /// Fills in the numbers of an `input`.
    fn with(self, parser: &mut Parser<'_>, values: &[&Argument]) -> Self {
        let names = ["the number of channels", "the height", "the width"];
        let mut numbers = values.iter().zip(names).map(|(v, name)| parser.number(&v.value, name));
        match self {
            Self::Input(shape) => Self::Input(shape.map(|_| numbers.next().flatten())),
            other => other,
        }
    }
}

fn takes_window(name: Name) -> bool {
    matches!(name, Name::MaxPool | Name::AvgPool)
}

fn is_mode(value: &Value) -> bool {
    let (Value::Word(mode) | Value::Text(mode)) = value else { return false };
    ["same", "valid"].iter().any(|known| mode.eq_ignore_ascii_case(known))
}

/// A float where an integer belongs.
fn float(at: Loc, number: f64, text: &str, what: &str) -> (Error, Option<u64>) {
    let error = Error::new(at, format!("{what} is a whole number, not {text}"));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let floor = number.clamp(0.0, 1e9) as u64;
    #[allow(clippy::cast_precision_loss)]
    if floor as f64 == number {
        return (error.offer(at, floor.to_string(), ""), Some(floor));
    }
    let error = error.offer(at, floor.to_string(), "").offer(at, (floor + 1).to_string(), "");
    (error, None)
}
